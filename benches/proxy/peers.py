"""The proxies that are measured, each as its own documentation would have it run: one worker, TLS 1.3, its access log on.

All end TLS with the same certificate and pass requests on to the same nginx over plain HTTP/1.1 with keep-alive.
"""
import base64
import hashlib
import hmac
import json
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "localhost"  # load generators send no server name for an address
SECRET = "benchmark-secret-of-32-characters"


# Programs, and the Debian packages that bring them.
NEEDED = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl", "taskset": "util-linux"}


def install():
    """Installs the peers and load generators that are missing, or says which they are."""
    missing = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise SystemExit(f"install these first, or run as root on Debian: {' '.join(missing)}")
    print(f"installing {' '.join(missing)}", flush=True)
    # No server is started that comes with its package: each round starts its own.
    policy = Path("/usr/sbin/policy-rc.d")
    is_ours = not policy.exists()
    if is_ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(command, check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    finally:
        if is_ours:
            policy.unlink()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def pinned(cpu, command, **more):
    """Starts a command on one CPU alone."""
    return subprocess.Popen(["taskset", "-c", str(cpu), *map(str, command)], **more)


class MailSink(threading.Thread):
    """Takes mails over SMTP (RFC 5321), any number at a time, and keeps the link of each by whom it is for."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.links = {}
        self.came = threading.Condition()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.take, args=(connection,), daemon=True).start()

    def take(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass  # the gateway was stopped

    def serve(self, connection):
        wire = connection.makefile("rwb")
        to = ""

        def say(line):
            wire.write(line.encode() + b"\r\n")
            wire.flush()

        say("220 sink")
        while line := wire.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"EHLO":
                say("250 PIPELINING")
            elif word == b"RCPT":
                to = line.decode().split("<")[1].split(">")[0]
                say("250 fine")
            elif word == b"DATA":
                say("354 go on")
                text = b""
                while (part := wire.readline()) not in (b".\r\n", b""):
                    text += part
                text = text.replace(b"=\r\n", b"").decode("utf-8", "replace").replace("=3D", "=")
                link = re.search(r"/\.access/link/([\w-]{43})", text)
                with self.came:
                    self.links[to] = link[1] if link else None
                    self.came.notify_all()
                say("250 taken")
            elif word == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")

    def wait(self, to):
        with self.came:
            if not self.came.wait_for(lambda: to in self.links, 30):
                raise SystemExit(f"no mail came for {to}")
            return self.links.pop(to)


class Client:
    """Asks over TLS as a page of the site itself would. Nobody's certificate is checked, for nothing here is secret."""

    def __init__(self, port):
        self.port = port
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def ask(self, request, body=""):
        with socket.create_connection(("127.0.0.1", self.port)) as plain:
            with self.context.wrap_socket(plain, server_hostname=HOST) as wire:
                wire.sendall(request.encode() + body.encode())
                answer = b""
                while chunk := wire.recv(65536):
                    answer += chunk
                return answer.decode("utf-8", "replace")

    def post(self, path, body, cookie=""):
        form = "Content-Type: application/x-www-form-urlencoded\r\n"
        base = f"Host: {HOST}:{self.port}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"
        return self.ask(f"POST {path} HTTP/1.1\r\n{base}{form}{cookie}Content-Length: {len(body)}\r\n\r\n", body)

    def log_in(self, sink, email="ann@example.com"):
        """A session cookie of Vestibule's, by the way that people take."""
        asked = self.post("/.access/login", f"email={email.replace('@', '%40')}&to=/")
        attempt = re.search(r"__Host-access-try=([\w-]+)", asked)[1]
        token = sink.wait(email)
        entered = self.post("/.access/link", f"token={token}", f"Cookie: __Host-access-try={attempt}\r\n")
        return re.search(r"__Host-access=([\w-]{43})", entered)[1]


class House:
    """A folder, an upstream, and the proxies before it, on a CPU of their own."""

    def __init__(self, folder, proxy_cpu, load_cpu, binary, before, logs):
        self.folder, self.proxy_cpu, self.load_cpu = folder, proxy_cpu, load_cpu
        self.binary, self.before, self.logs = binary, before, logs
        self.started = []
        # nginx reads files as another user.
        folder.chmod(0o755)
        (folder / "certs").mkdir()
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST},DNS:*.apps.test"]
        files = ["-keyout", folder / "certs/key.pem", "-out", folder / "certs/cert.pem"]
        usage = ["-addext", "basicConstraints=critical,CA:FALSE"]
        subprocess.run(["openssl", "req", "-x509", *curve, "-nodes", "-days", "2", *names, *usage, *files], check=True, capture_output=True)
        pem = (folder / "certs/cert.pem").read_text() + (folder / "certs/key.pem").read_text()
        (folder / "both.pem").write_text(pem)
        (folder / "www").mkdir()
        for name, size in (("small", 200), ("64k", 64 * 1024), ("1m", 1024 * 1024)):
            (folder / "www" / name).write_bytes(b"x" * size)
        rows = [{"id": number, "region": ("north", "south")[number % 2], "price": number * 7, "text": "what it is " * 4} for number in range(200)]
        (folder / "www/rows.json").write_text(json.dumps({"rows": rows}))
        (folder / "www/rows.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in [rows[0].keys(), *(row.values() for row in rows)]))
        cells = "".join(f'<tr><td>{row["id"]}</td><td class="price">{row["price"]}</td></tr>' for row in rows)
        (folder / "www/rows.html").write_text(f"<!doctype html><title>Rows</title><table>{cells}</table>")
        self.upstream = free_port()
        # A body that is sent is read whole, as an app would, and answered shortly.
        self.nginx("upstream", self.load_cpu, logs=False, config=f"""
  client_max_body_size 0; client_body_buffer_size 2m;
  server {{ listen 127.0.0.1:{self.upstream} backlog=4096; location / {{ return 200 "{"x" * 200}"; }}
    location /file/ {{ alias {folder}/www/; sendfile on; types {{ application/json json; text/csv csv; text/html html; }} }}
    location /sink {{ proxy_pass http://127.0.0.1:{self.upstream}/; proxy_method GET; proxy_pass_request_body off; proxy_set_header Content-Length ""; }} }}""")
        wait_for(self.upstream)

    def nginx(self, name, cpu, config, logs=None):
        own = self.folder / name
        own.mkdir()
        log = f"access_log {own}/access.log" if (self.logs if logs is None else logs) else "access_log off"
        path = own / "nginx.conf"
        path.write_text(f"""
daemon off; worker_processes 1; pid {own}/pid; error_log {own}/error.log; worker_rlimit_nofile {resource.getrlimit(resource.RLIMIT_NOFILE)[1]};
events {{ worker_connections 16384; }}
http {{ {log}; keepalive_requests 100000000; keepalive_timeout 600s; http2_max_concurrent_streams 128;
  client_body_temp_path {own}/body; proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/f; uwsgi_temp_path {own}/u; scgi_temp_path {own}/s;
  {config} }}
""")
        process = pinned(cpu, ["nginx", "-c", path, "-e", own / "start.log"])
        self.started.append(process)
        return process

    def nginx_tls(self, port):
        return f"""listen 127.0.0.1:{port} ssl http2 backlog=4096; ssl_protocols TLSv1.3; ssl_ecdh_curve X25519;
    ssl_certificate {self.folder}/certs/cert.pem; ssl_certificate_key {self.folder}/certs/key.pem; ssl_session_tickets on;"""

    def nginx_to_app(self):
        return """proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https;"""

    def start_nginx(self):
        port = free_port()
        process = self.nginx("nginx", self.proxy_cpu, f"""
  upstream app {{ server 127.0.0.1:{self.upstream}; keepalive 64; }}
  client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0;
  server {{ {self.nginx_tls(port)} location / {{ {self.nginx_to_app()} }} }}""")
        wait_for(port)
        return Proxy("nginx", port, process, "")

    def start_nginx_auth_request(self):
        """What it asks is answered by itself: a comparison of the cookie, for the price of the mechanism alone."""
        port, check = free_port(), free_port()
        process = self.nginx("nginx-auth-request", self.proxy_cpu, f"""
  upstream app {{ server 127.0.0.1:{self.upstream}; keepalive 64; }}
  upstream check {{ server 127.0.0.1:{check}; keepalive 64; }}
  map $cookie_session $known {{ default 0; {SECRET} 1; }}
  server {{ listen 127.0.0.1:{check}; access_log off; location / {{ if ($known = 0) {{ return 401; }} return 200; }} }}
  server {{ {self.nginx_tls(port)}
    location / {{ auth_request /check; {self.nginx_to_app()} }}
    location = /check {{ internal; proxy_pass http://check; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass_request_body off; proxy_set_header Content-Length ""; }} }}""")
        wait_for(port)
        return Proxy("nginx auth_request", port, process, f"session={SECRET}")

    def start_haproxy(self):
        """Checks signature and expiry of a token in a cookie (HS256), and hands its claim on as a header."""
        port = free_port()
        log = "log stderr format raw local0\n  option httplog" if self.logs else ""
        (self.folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  maxconn 4000
  ssl-default-bind-curves X25519
defaults
  mode http
  {log.replace("log stderr format raw local0", "log global") if self.logs else ""}
  timeout client 600s
  timeout server 600s
  timeout connect 5s
  timeout http-keep-alive 600s
frontend in
  bind 127.0.0.1:{port} ssl crt {self.folder}/both.pem alpn h2,http/1.1 ssl-min-ver TLSv1.3 backlog 4096
  http-request del-header X-Email
  http-request set-var(txn.token) req.cook(session)
  http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
  http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str HS256 }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,"{SECRET}") 1 }}
  http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  http-request set-header X-Email %[var(txn.token),jwt_payload_query('$.email')]
  http-request set-header X-Forwarded-Proto https
  option forwardfor
  default_backend app
backend app
  http-reuse always
  server app 127.0.0.1:{self.upstream}
""".replace("nbthread 1", "nbthread 1\n  log stderr format raw local0" if self.logs else "nbthread 1"))
        with open(self.folder / "haproxy.log", "w") as log:
            process = pinned(self.proxy_cpu, ["haproxy", "-f", self.folder / "haproxy.cfg"], stderr=log)
        self.started.append(process)
        wait_for(port)
        return Proxy("haproxy JWT", port, process, f"session={token()}")

    def start_vestibules(self):
        """This one, and the one before where there is one."""
        before = [self.start_vestibule("vestibule before", binary=self.before)] if self.before else []
        return [*before, self.start_vestibule()]

    def start_vestibule(self, name="vestibule", binary=None, config="", people=("ann@example.com",), app="identity = { jwt = {} }", more="", sessions=None):
        """`app` goes into its app, `config` behind it. `sessions` are put into its store: so many, each of the next of `people`."""
        own = self.folder / name.replace(" ", "-")
        own.mkdir()
        sink = MailSink()
        sink.start()
        port = free_port()
        (own / "people.csv").write_text("\n".join(["email", *people]) + "\n")
        (own / "vestibule.toml").write_text(f"""
[server]
https = "127.0.0.1:{port}"
data = "data"
[server.limits]
idle = "10m"
[tls]
certs = "{self.folder}/certs"
[mail]
smtp = "smtp://127.0.0.1:{sink.port}"
from = "login@example.com"
[source.people]
url = "csv:people.csv"
[app.orders]
domains = ["{HOST}"{more}]
upstream = "http://127.0.0.1:{self.upstream}"
body_bytes = "1GiB"
{app}
[[app.orders.customers]]
source = "people"
email = "email"
{config}
""")
        level = {} if self.logs else {"VESTIBULE_LOG": "warn"}

        def start():
            with open(own / "log", "a") as log:
                process = pinned(self.proxy_cpu, [binary or self.binary, "serve", "--config", own / "vestibule.toml"], stderr=log, env={**os.environ, **level})
            self.started.append(process)
            wait_for(port)
            return process

        process, cookies = start(), []
        if sessions:
            # The first start has made the store.
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            cookies = fill(own / "data/store.db", people, sessions)
            process = start()
        proxy = Proxy(name, port, process, "", sink)
        proxy.cookie, proxy.cookies = f"__Host-access={Client(port).log_in(sink)}", cookies
        return proxy

    def stop(self, proxy):
        proxy.process.send_signal(signal.SIGTERM)
        proxy.process.wait(30)
        shutil.rmtree(self.folder / proxy.name.replace(" ", "-"), ignore_errors=True)

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    """A running proxy."""

    def __init__(self, name, port, process, cookie, sink=None):
        self.name, self.port, self.process, self.cookie, self.sink = name, port, process, cookie, sink
        self.cookies = []

    def pids(self, pid=None):
        """Its process and all under it."""
        pid = pid or self.process.pid
        found = [pid]
        children = Path(f"/proc/{pid}/task/{pid}/children")
        for child in children.read_text().split() if children.exists() else []:
            found += self.pids(int(child))
        return found

    def cpu_seconds(self):
        """What the kernel has counted for all of its threads, ended ones too."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_kib(self):
        """What is its alone, and what it shares, in proportion."""
        total = 0
        for pid in self.pids():
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1])
        return total


def fill(store, people, sessions):
    """Puts sessions into a store, as if people had logged in; gives the cookies of the first ten thousand."""
    now, cookies = int(time.time() * 1_000_000), []

    def rows():
        for number in range(sessions):
            secret = os.urandom(32)
            if number < 10_000:
                cookies.append("__Host-access=" + base64.urlsafe_b64encode(secret).rstrip(b"=").decode())
            proofs = json.dumps([{"way": "email", "at": now}])
            yield hashlib.sha256(secret).digest(), "orders", HOST, people[number % len(people)], now, now, "Firefox on Linux", proofs

    database = sqlite3.connect(store)
    with database:
        database.executemany("INSERT INTO session (id, app, host, email, created, last_used, device, proofs) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows())
    database.close()
    return cookies


def token():
    """A JSON Web Token (RFC 7519, HS256) as an identity provider's proxy would set it."""
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()
    signed = part({"alg": "HS256", "typ": "JWT"}) + "." + part({"sub": "ann", "email": "ann@example.com", "exp": int(time.time()) + 86400})
    mac = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    return signed + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
