#!/usr/bin/env python3
"""CPU time a request: the gateway with a session, beside nginx as a plain TLS proxy, in one run.

Both end TLS 1.3 and pass a 200-byte answer of the same plain-HTTP nginx through, over HTTP/1.1 keep-alive, in turn. What
counts is the CPU time of all the proxy's processes, as the kernel has it in /proc, over the requests that wrk made.

needs: cargo build --release; Debian's nginx and wrk
usage: benches/cpu_a_request.py [--rounds 5] [--seconds 5] [--connections 32]
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "localhost"  # wrk sends no server name for an address
# What a browser sends along.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class MailSink(threading.Thread):
    """Takes one mail over SMTP (RFC 5321) and keeps its text."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.text = ""
        self.came = threading.Event()

    def run(self):
        connection, _ = self.socket.accept()
        wire = connection.makefile("rwb")

        def say(line):
            wire.write(line.encode() + b"\r\n")
            wire.flush()

        say("220 sink")
        while line := wire.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                say("354 go on")
                lines = []
                while (text := wire.readline()) not in (b".\r\n", b""):
                    lines.append(text)
                self.text = b"".join(lines).replace(b"=\r\n", b"").decode("utf-8", "replace").replace("=3D", "=")
                say("250 taken")
                self.came.set()
            elif word == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")


def processes(pid):
    """A process and its children."""
    found = [pid]
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for child in children.read_text().split() if children.exists() else []:
        found += processes(int(child))
    return found


def cpu_seconds(pid):
    ticks = 0
    for each in processes(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def start_nginx(folder, name, config):
    (folder / name).mkdir()
    path = folder / f"{name}.conf"
    path.write_text(f"""
daemon off; worker_processes 1; pid {folder}/{name}/pid; error_log {folder}/{name}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/{name}/body; proxy_temp_path {folder}/{name}/proxy; fastcgi_temp_path {folder}/{name}/f;
  uwsgi_temp_path {folder}/{name}/u; scgi_temp_path {folder}/{name}/s;
  {config} }}
""")
    return subprocess.Popen(["nginx", "-c", path, "-e", folder / name / "start.log"])


def wait_for(port):
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def ask(port, request):
    """One request over TLS; nobody's certificate is checked here, for nothing here is secret."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname=HOST) as wire:
        wire.sendall(request.encode())
        answer = b""
        while chunk := wire.recv(65536):
            answer += chunk
        return answer.decode("utf-8", "replace")


def log_in(port, sink):
    """A session cookie, by the way that people take."""
    base = f"Host: {HOST}:{port}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"

    def post(path, body, cookie=""):
        form = "Content-Type: application/x-www-form-urlencoded\r\n"
        return ask(port, f"POST {path} HTTP/1.1\r\n{base}{form}{cookie}Content-Length: {len(body)}\r\n\r\n{body}")

    asked = post("/.access/login", "email=ann%40example.com&to=/")
    attempt = re.search(r"__Host-access-try=([\w-]+)", asked)[1]
    if not sink.came.wait(10):
        raise SystemExit("no mail came")
    token = re.search(r"/\.access/link/([\w-]{43})", sink.text)[1]
    entered = post("/.access/link", f"token={token}", f"Cookie: __Host-access-try={attempt}\r\n")
    return re.search(r"__Host-access=([\w-]{43})", entered)[1]


def wrk(port, seconds, connections, cookie):
    script = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in {**BROWSER, **cookie}.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script + '\ndone = function(s) io.write("REQUESTS " .. s.requests .. " BAD " .. s.errors.status + s.errors.read + s.errors.write + s.errors.connect .. "\\n") end\n')
        lua.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", lua.name, "-H", f"Host: {HOST}:{port}", f"https://{HOST}:{port}/"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests, bad = map(int, re.search(r"REQUESTS (\d+) BAD (\d+)", out).groups())
    if bad:
        raise SystemExit(f"{bad} requests failed")
    return requests


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--connections", type=int, default=32)
    options = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    started = []
    try:
        upstream, plain, gateway_port = free_port(), free_port(), free_port()
        started.append(start_nginx(folder, "upstream", f'server {{ listen 127.0.0.1:{upstream}; location / {{ return 200 "{"x" * 200}"; }} }}'))
        sink = MailSink()
        sink.start()
        (folder / "people.csv").write_text("email\nann@example.com\n")
        (folder / "gateway.toml").write_text(f"""
[server]
https = "127.0.0.1:{gateway_port}"
data = "data"
[tls]
local_ca = true
certs = "certs"
[mail]
smtp = "smtp://127.0.0.1:{sink.port}"
from = "login@example.com"
[source.people]
url = "csv:people.csv"
[app.orders]
domains = ["{HOST}"]
upstream = "http://127.0.0.1:{upstream}"
identity = {{ jwt = {{}} }}
[[app.orders.customers]]
source = "people"
email = "email"
""")
        (folder / "certs").mkdir()
        # One certificate for both, ECDSA P-256.
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-addext", "basicConstraints=critical,CA:FALSE",
                        "-keyout", folder / "certs/key.pem", "-out", folder / "certs/cert.pem"], check=True, capture_output=True)
        started.append(start_nginx(folder, "plain", f"""
upstream app {{ server 127.0.0.1:{upstream}; keepalive 64; }}
server {{ listen 127.0.0.1:{plain} ssl; ssl_protocols TLSv1.3; ssl_certificate {folder}/certs/cert.pem; ssl_certificate_key {folder}/certs/key.pem;
  location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }} }}"""))
        log = open(folder / "gateway.log", "w")
        started.append(subprocess.Popen([ROOT / "target/release/vestibule", "serve", "--config", folder / "gateway.toml"],
                                        stderr=log, env={**os.environ, "VESTIBULE_LOG": os.environ.get("VESTIBULE_LOG", "warn")}))
        for port in (upstream, plain, gateway_port):
            wait_for(port)
        cookie = {"Cookie": f"__Host-access={log_in(gateway_port, sink)}"}
        rounds = {"gateway": [], "nginx": []}
        for number in range(options.rounds + 1):
            for name, port, process in (("gateway", gateway_port, started[2]), ("nginx", plain, started[1])):
                before = cpu_seconds(process.pid)
                requests = wrk(port, options.seconds, options.connections, cookie)
                spent = (cpu_seconds(process.pid) - before) / requests * 1e6
                if number:  # the first round warms up
                    rounds[name].append((spent, requests / options.seconds))
        for name, figures in rounds.items():
            spent = [figure[0] for figure in figures]
            rate = statistics.median(figure[1] for figure in figures)
            print(f"{name:8} CPU us a request: min {min(spent):.1f}  median {statistics.median(spent):.1f}  max {max(spent):.1f}   ({rate:.0f} requests a second)")
        ratios = [one[0] / other[0] for one, other in zip(rounds["gateway"], rounds["nginx"])]
        print(f"ratio    gateway/nginx: min {min(ratios):.2f}  median {statistics.median(ratios):.2f}  max {max(ratios):.2f}")
        print(json.dumps({"ratio_median": statistics.median(ratios), "log": log.name}))
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(20)
        shutil.rmtree(folder)


main()
