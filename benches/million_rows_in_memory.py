#!/usr/bin/env python3
"""A million customers: memory a row, and the time until they can enter, for CSV in a file, CSV over HTTP and JSON in pages.

Each is measured in a gateway of its own. Memory is what the process has of its own (RssAnon, as the kernel has it in /proc) with
a million rows, less what it has with one; the peak is while the table is read a second time, when old and new are both there. A row's
own length is that of its line in the CSV, the line break with it. The time is the gateway's own, from start to the log's
"table read"; for the second reading, from the change to that line.

needs: cargo build --release
usage: benches/million_rows_in_memory.py [--rows 1000000] [--binary target/release/vestibule] [--kinds csv,http-csv,http-json]
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["email", "company_id", "company", "full_name", "status", "access_level", "history_days", "lang", "region"]
MOST_BYTES_A_ROW = 400
# Rows of JSON in one page.
PAGE = 100_000


def row(number, turn):
    company = number // 7
    name = f"Person Number {number:07}"
    return [f"person.{number:07}@company-{company}.example.com", company, f"Company {company} & Sons Limited", name, "active",
            ("reader", "manager")[number % 2], (number + turn) % 400, ("en", "de", "vi")[number % 3], ("EU", "US")[number % 2]]


def csv_text(rows, turn):
    lines = (",".join(map(str, row(number, turn))) for number in range(rows))
    return (",".join(COLUMNS) + "\n" + "\n".join(lines) + "\n").encode()


def json_pages(rows, turn):
    pages = []
    for first in range(0, rows, PAGE):
        records = [{"fields": dict(zip(COLUMNS, row(number, turn)))} for number in range(first, min(first + PAGE, rows))]
        rest = {"offset": str(first + PAGE)} if first + PAGE < rows else {}
        pages.append(json.dumps({"records": records, **rest}).encode())
    return pages


class Tables(BaseHTTPRequestHandler):
    """Gives out `Tables.csv` or `Tables.pages`."""

    csv, pages = b"", []

    def do_GET(self):
        path, _, query = self.path.partition("?")
        offset = re.search(r"offset=(\d+)", query)
        body = self.csv if path == "/csv" else self.pages[int(offset[1]) // PAGE if offset else 0]
        self.send_response(200)
        self.send_header("Content-Type", "text/csv" if path == "/csv" else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def memory(pid, name):
    """A figure of /proc/PID/status, in bytes."""
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)[1]) * 1024


class Gateway:
    def __init__(self, options, folder, source, extra=""):
        (folder / "gateway.toml").write_text(f"""
[server]
https = "127.0.0.1:{free_port()}"
data = "data"
[tls]
local_ca = true
[mail]
smtp = "smtp://127.0.0.1:9"
from = "login@example.com"
[source.people]
url = "{source}"
refresh = "2s"
{extra}
[app.orders]
domains = ["localhost"]
upstream = "http://127.0.0.1:9"
[[app.orders.customers]]
source = "people"
email = "email"
customer = "company_id"
""")
        self.log = folder / "gateway.log"
        self.started = time.monotonic()
        command = [options.binary, "--log-format", "json", "serve", "--config", folder / "gateway.toml"]
        self.process = subprocess.Popen(command, stderr=open(self.log, "w"), stdout=subprocess.DEVNULL)

    def reads(self):
        lines = [line for line in self.log.read_text().splitlines() if '"table read"' in line]
        return [json.loads(line)["fields"] for line in lines]

    def wait(self, count, since):
        """Waits for so many tables read; gives the seconds since then and the highest memory meanwhile."""
        most = 0
        while len(self.reads()) < count:
            if self.process.poll() is not None or time.monotonic() - since > 600:
                raise SystemExit(self.log.read_text())
            most = max(most, memory(self.process.pid, "RssAnon"))
            time.sleep(0.01)
        return time.monotonic() - since, most

    def settled(self):
        """Memory when nothing moves any more."""
        time.sleep(1)
        return memory(self.process.pid, "RssAnon")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def publish(kind, rows, turn, folder):
    if kind == "csv":
        (folder / "new.csv").write_bytes(csv_text(rows, turn))
        (folder / "new.csv").rename(folder / "people.csv")
    elif kind == "http-csv":
        Tables.csv = csv_text(rows, turn)
    else:
        Tables.pages = json_pages(rows, turn)


def measure(options, kind, port):
    source = {"csv": "csv:people.csv", "http-csv": f"http://127.0.0.1:{port}/csv", "http-json": f"http://127.0.0.1:{port}/json"}[kind]
    fields = ", ".join(f'{column} = "/fields/{column}"' for column in COLUMNS)
    extra = f'rows = "/records"\nnext = "/offset"\nnext_param = "offset"\nfields = {{ {fields} }}' if kind == "http-json" else ""
    figures = {}
    for rows in (1, options.rows):
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        publish(kind, rows, 0, folder)
        gateway = Gateway(options, folder, source, extra)
        try:
            first, _ = gateway.wait(1, gateway.started)
            if gateway.reads()[0]["rows"] != rows:
                raise SystemExit(f"read {gateway.reads()[0]['rows']} rows of {rows}")
            settled = gateway.settled()
            changed = time.monotonic()
            publish(kind, rows, 1, folder)
            changed = time.monotonic()
            again, peak = gateway.wait(2, changed)
            figures[rows] = (settled, first, again, peak, gateway.settled(), gateway.reads()[-1]["bytes"])
        finally:
            gateway.stop()
            shutil.rmtree(folder)
    bare = figures[1][0]
    settled, first, again, peak, later, own = figures[options.rows]
    return {
        "kind": kind,
        "bytes_a_row": round((settled - bare) / options.rows, 1),
        "bytes_a_row_by_its_own_count": round(own / options.rows, 1),
        "bytes_a_row_after_a_second_reading": round((later - bare) / options.rows, 1),
        "bytes_a_row_at_the_peak": round((peak - bare) / options.rows, 1),
        "seconds_to_read": round(first, 2),
        "seconds_to_read_again": round(again, 2),
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--binary", default=ROOT / "target/release/vestibule")
    options.add_argument("--kinds", default="csv,http-csv,http-json")
    options = options.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tables)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    own = len(csv_text(options.rows, 0)) / options.rows
    print(f"{options.rows} rows of {own:.1f} bytes each")
    is_lean = True
    for kind in options.kinds.split(","):
        figures = measure(options, kind, server.server_address[1])
        is_lean &= figures["bytes_a_row"] < MOST_BYTES_A_ROW
        print(json.dumps({"own_length": round(own, 1), **figures}), flush=True)
    if not is_lean:
        raise SystemExit(f"more than {MOST_BYTES_A_ROW} bytes a row")


main()
