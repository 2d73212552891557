#!/usr/bin/env python3
"""A table of a million people: how long the first decision for an email takes, and what memory the gateway needs for it.

For SQLite and PostgreSQL in turn, over a table with the index of docs/tables.md: some people log in, then the gateway is started
anew, so that it knows nobody. Each person's first request then takes the whole way: session from the store, rows from the table,
access compiled, decision. What counts is `decided_ms` of the access log, from the request's head to the decision. The second
request of the same people is beside it, for comparison. Memory is the gateway's own (RSS), with the same table of a thousand rows
beside it, before and after many strangers asked.

needs: cargo build --release; Debian's postgresql; openssl, python3
usage: benches/million_rows_in_databases.py [--rows 1000000] [--people 40] [--strangers 500] [--binary target/release/vestibule]
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "localhost"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class MailSink(threading.Thread):
    """Takes mails over SMTP (RFC 5321) and keeps the link of each."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.socket.getsockname()[1]
        self.links = {}

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.take, args=(connection,), daemon=True).start()

    def take(self, connection):
        wire = connection.makefile("rwb")

        def say(line):
            wire.write(line + b"\r\n")
            wire.flush()

        say(b"220 sink")
        to = ""
        while line := wire.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"RCPT":
                to = re.search(rb"<(.*)>", line)[1].decode()
                say(b"250 fine")
            elif word == b"DATA":
                say(b"354 go on")
                lines = []
                while (text := wire.readline()) not in (b".\r\n", b""):
                    lines.append(text)
                text = b"".join(lines).replace(b"=\r\n", b"").decode("utf-8", "replace").replace("=3D", "=")
                self.links[to] = re.search(r"/\.access/link/([\w-]{43})", text)[1]
                say(b"250 taken")
            elif word == b"QUIT":
                say(b"221 bye")
                return
            else:
                say(b"250 fine")


class Upstream(threading.Thread):
    """Says 200 to everything."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.socket.getsockname()[1]

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        wire = connection.makefile("rwb")
        while wire.readline():
            while wire.readline() not in (b"\r\n", b""):
                pass
            wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            wire.flush()


class Gateway:
    """The release binary on a folder."""

    def __init__(self, binary, folder, port):
        self.binary, self.folder, self.port, self.lives = binary, folder, port, 0
        self.start()

    def start(self):
        self.lives += 1
        self.log = self.folder / f"gateway-{self.lives}.log"
        command = [self.binary, "--log-format", "json", "serve", "--config", self.folder / "gateway.toml"]
        self.process = subprocess.Popen(command, stderr=open(self.log, "w"))
        for _ in range(1200):
            if '"message":"ready"' in self.log.read_text():
                return
            time.sleep(0.05)
        raise SystemExit(self.log.read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def memory(self):
        """RSS in MiB."""
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def ask(self, request):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.port)) as plain, context.wrap_socket(plain, server_hostname=HOST) as wire:
            wire.sendall(request.encode())
            answer = b""
            while chunk := wire.recv(65536):
                answer += chunk
            return answer.decode("utf-8", "replace")

    def post(self, path, body, cookie=""):
        form = "Content-Type: application/x-www-form-urlencoded\r\n"
        head = f"Host: {HOST}:{self.port}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"
        return self.ask(f"POST {path} HTTP/1.1\r\n{head}{form}{cookie}Content-Length: {len(body)}\r\n\r\n{body}")

    def log_in(self, email, sink):
        """A session cookie, by the way that people take."""
        asked = self.post("/.access/login", f"email={email.replace('@', '%40')}&to=/")
        attempt = re.search(r"__Host-access-try=([\w-]+)", asked)[1]
        for _ in range(1200):
            if email in sink.links:
                break
            time.sleep(0.05)
        token = sink.links.pop(email)
        entered = self.post("/.access/link", f"token={token}", f"Cookie: __Host-access-try={attempt}\r\n")
        return re.search(r"__Host-access=([\w-]{43})", entered)[1]

    def decided(self, sessions):
        """`decided_ms` of a request of each session."""
        before = len(self.requests())
        for session in sessions:
            answer = self.ask(f"GET / HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nCookie: __Host-access={session}\r\nConnection: close\r\n\r\n")
            if " 200 " not in answer.split("\r\n")[0]:
                raise SystemExit(answer)
        for _ in range(200):
            if len(new := self.requests()[before:]) == len(sessions):
                return [fields["decided_ms"] for fields in new]
            time.sleep(0.05)
        raise SystemExit("requests are missing in the log")

    def requests(self):
        events = (json.loads(line) for line in self.log.read_text().splitlines() if '"decision":"allow"' in line)
        return [event["fields"] for event in events]


def rows(count):
    for number in range(count):
        yield (f"Person.{number}@Customer{number % 5000}.example.com", number % 5000, "active", f"Company {number % 5000}", "member")


COLUMNS = "email, company_id, status, company, access_level"


def sqlite(folder, count):
    path = folder / "crm.db"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE contacts (email TEXT, company_id INTEGER, status TEXT, company TEXT, access_level TEXT)")
        database.executemany("INSERT INTO contacts VALUES (?, ?, ?, ?, ?)", rows(count))
        database.execute("CREATE INDEX contacts_by_address ON contacts (email COLLATE NOCASE)")
    database.close()
    return "sqlite:crm.db"


class Postgres:
    """The server that the tests use, too."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        make_certificate(self.folder)
        self.port = free_port()
        command = [ROOT / "tests/support/postgres.sh", self.folder, str(self.port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("PostgreSQL does not start")
        self.run("CREATE ROLE vestibule LOGIN PASSWORD 'reader-secret'")

    def run(self, sql, data=None):
        url = f"postgres://owner:owner-secret@127.0.0.1:{self.port}/postgres"
        binary = max(Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda path: int(path.parts[-3]))
        subprocess.run([binary, "-qX", "-v", "ON_ERROR_STOP=1", url, "-c", sql], input=data, text=True, check=True)

    def table(self, _, count):
        self.run("DROP TABLE IF EXISTS contacts")
        self.run("CREATE TABLE contacts (email text, company_id int, status text, company text, access_level text)")
        self.run(f"COPY contacts ({COLUMNS}) FROM STDIN", "".join("\t".join(map(str, row)) + "\n" for row in rows(count)))
        self.run('CREATE INDEX contacts_by_address ON contacts (lower(email COLLATE "C"))')
        self.run("GRANT SELECT ON contacts TO vestibule")
        self.run("VACUUM ANALYZE contacts")
        return f"postgres://vestibule:reader-secret@127.0.0.1:{self.port}/postgres"

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-addext", "basicConstraints=critical,CA:FALSE",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)


def measure(name, make, count, options, sink, upstream):
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    gateway = None
    try:
        url = make(folder, count)
        (folder / "certs").mkdir()
        make_certificate(folder / "certs")
        port = free_port()
        (folder / "gateway.toml").write_text(f"""
[server]
https = "127.0.0.1:{port}"
data = "data"
[tls]
certs = "certs"
[login]
tries_per_client = 100000
tries_in_total = 100000
[mail]
smtp = "smtp://127.0.0.1:{sink.port}"
from = "login@example.com"
[source.crm]
url = "{url}"
refresh = "10m"
[app.orders]
domains = ["{HOST}"]
upstream = "http://127.0.0.1:{upstream.port}"
[[app.orders.customers]]
source = "crm"
table = "contacts"
email = "email"
customer = "company_id"
customer_name = "company"
where = 'row.status == "active"'
[app.orders.role.member]
rules = [ {{ allow = "GET /**" }} ]
""".replace("email = \"email\"", "email = \"email\"\nrole = { column = \"access_level\" }"))
        gateway = Gateway(options.binary, folder, port)
        step = max(1, count // options.people)
        people = [f"person.{number}@customer{number % 5000}.example.com" for number in range(step // 2, count, step)][:options.people]
        sessions = [gateway.log_in(person, sink) for person in people]
        gateway.stop()
        gateway.start()
        first = gateway.decided(sessions)
        again = gateway.decided(sessions)
        start = gateway.memory()
        for number in range(options.strangers):
            gateway.post("/.access/login", f"email=nobody{number}%40example.com&to=/")
        end = gateway.memory()
        print(f"{name:10} {count:>8} rows: first decision ms: min {min(first):.2f}  median {statistics.median(first):.2f}  max {max(first):.2f}   "
              f"again: median {statistics.median(again):.3f}   RSS MiB: {start:.1f}, after {options.strangers} strangers {end:.1f}", flush=True)
        return {"first_median_ms": statistics.median(first), "first_max_ms": max(first), "rss_mib": end}
    finally:
        if gateway:
            gateway.stop()
        shutil.rmtree(folder)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--people", type=int, default=40)
    options.add_argument("--strangers", type=int, default=500)
    options.add_argument("--binary", type=Path, default=ROOT / "target/release/vestibule")
    options = options.parse_args()
    sink, upstream = MailSink(), Upstream()
    sink.start()
    upstream.start()
    postgres = Postgres()
    try:
        found = {}
        for name, make in (("sqlite", sqlite), ("postgres", postgres.table)):
            for count in (1000, options.rows):
                found[f"{name}-{count}"] = measure(name, make, count, options, sink, upstream)
        print(json.dumps(found))
    finally:
        postgres.stop()


main()
