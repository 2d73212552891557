"""Load generators, each pinned to its CPU: wrk for HTTP/1.1, h2load for HTTP/2 and for steady rates."""
import re
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from peers import HOST

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


def headers(cookie):
    return {**BROWSER, **({"Cookie": cookie} if cookie else {})}


def run(cpu, command):
    done = subprocess.run(["taskset", "-c", str(cpu), *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def http1(proxy, cpu, seconds, connections, path="/", body=0, close=False, cookies=()):
    """Requests made in so many seconds, one after another on each connection; or each on a connection of its own, which resumes. With cookies, each
    request has the next of them."""
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers(proxy.cookie).items()]
    if close:
        lines.append('wrk.headers["Connection"] = "close"')
    if body:
        lines += ['wrk.method = "POST"', f'wrk.body = string.rep("x", {body})', 'wrk.headers["Sec-Fetch-Site"] = "same-origin"']
    if cookies:
        of_each = ", ".join(f'"{cookie}"' for cookie in cookies)
        lines += [
            f"local cookies, all, last = {{{of_each}}}, {{}}, 0",
            'init = function() for i, cookie in ipairs(cookies) do wrk.headers["Cookie"] = cookie; all[i] = wrk.format() end end',
            "request = function() last = last % #all + 1; return all[last] end",
        ]
    lines.append('done = function(s) io.write("REQUESTS " .. s.requests .. " BAD " .. s.errors.status + s.errors.read + s.errors.write + s.errors.connect + s.errors.timeout .. "\\n") end')
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        out = run(cpu, ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, "-H", f"Host: {HOST}:{proxy.port}", f"https://{HOST}:{proxy.port}{path}"])
    requests, bad = map(int, re.search(r"REQUESTS (\d+) BAD (\d+)", out).groups())
    if bad:
        raise SystemExit(f"{bad} requests to {proxy.name} failed:\n{out}")
    return requests


def h2load(proxy, cpu, options, path="/"):
    fields = [part for name, value in headers(proxy.cookie).items() for part in ("-H", f"{name}: {value}")]
    out = run(cpu, ["h2load", "-t1", *options, *fields, f"https://{HOST}:{proxy.port}{path}"])
    answered = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
    done, succeeded, *bad = map(int, answered.groups())
    if any(bad) or not done or done != succeeded or "0 3xx, 0 4xx, 0 5xx" not in out:
        raise SystemExit(f"requests to {proxy.name} failed:\n{out}")
    return done, out


def http2(proxy, cpu, seconds, connections, path="/", body=0, streams=4):
    """Requests made in so many seconds, several at a time on each connection."""
    options = [f"-c{connections}", f"-m{streams}", f"-D{seconds}"]
    with tempfile.NamedTemporaryFile("w") as data:
        if body:
            data.write("x" * body)
            data.flush()
            options += ["-d", data.name]
        return h2load(proxy, cpu, options, path)[0]


def latencies(proxy, cpu, seconds, connections, rate, h2, at_once):
    """The times of requests at a steady rate, in microseconds, sorted. All connections ask at once, each time, or one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        options = [f"-c{connections}", "-m1", f"-n{rate * seconds}", f"--rps={rate / connections}", f"--log-file={log}"]
        if not at_once:
            # Each connection asks at times of its own from when it was made.
            options += ["--rate=1", f"--rate-period={1000 // rate}ms"]
        h2load(proxy, cpu, options if h2 else ["--h1", *options])
        # The first second warms up.
        rows = [line.split() for line in log.read_text().splitlines()]
        start = min(int(row[0]) for row in rows)
        return sorted(int(row[2]) for row in rows if int(row[0]) - start > 1_000_000)


def client(h2=False):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"] if h2 else ["http/1.1"])
    return context


def head(proxy, more=""):
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers(proxy.cookie).items())
    return f"GET / HTTP/1.1\r\nHost: {HOST}:{proxy.port}\r\n{fields}{more}\r\n".encode()


def connections(proxy, cpu, seconds, many):
    """Connections made in so many seconds, so many at a time, each with a full handshake and one request."""
    until, made = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        made += h2load(proxy, cpu, ["--h1", f"-c{many}", f"-n{many}"])[0]
    return made


def handshakes(proxy, seconds, resumed):
    """Connections made in so many seconds, one after the other, each with one request."""
    context, request, session, many = client(), head(proxy, "Connection: close\r\n"), None, 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", proxy.port)) as plain:
            with context.wrap_socket(plain, server_hostname=HOST, session=session) as wire:
                wire.sendall(request)
                answer = wire.recv(4096)
                while wire.recv(4096):
                    pass
                if not answer.startswith(b"HTTP/1.1 200") or wire.session_reused != (session is not None):
                    raise SystemExit(f"a handshake with {proxy.name} went otherwise: {answer[:100]}, resumed: {wire.session_reused}")
                session = wire.session if resumed else None
        many += 1
    return many


def frame(kind, flags, stream, payload):
    """RFC 9113, section 4.1."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def h2_request(proxy):
    """The preface, settings and one request, whose fields are literals without Huffman coding (RFC 7541, section 6.2.2)."""
    def length(text):
        return bytes([len(text)]) if len(text) < 127 else bytes([127]) + varint(len(text) - 127)

    def varint(number):
        out = b""
        while number >= 128:
            out += bytes([number % 128 + 128])
            number //= 128
        return out + bytes([number])

    fields = {":method": "GET", ":scheme": "https", ":authority": f"{HOST}:{proxy.port}", ":path": "/"}
    fields |= {name.lower(): value for name, value in headers(proxy.cookie).items()}
    block = b"".join(b"\0" + length(name) + name.encode() + length(value) + value.encode() for name, value in fields.items())
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, block)


class Idle:
    """Connections that had one answer each, and are kept open."""

    def __init__(self, proxy, many, h2):
        context, request = client(h2), h2_request(proxy) if h2 else head(proxy)
        self.open = []
        for _ in range(many):
            plain = socket.create_connection(("127.0.0.1", proxy.port))
            wire = context.wrap_socket(plain, server_hostname=HOST)
            wire.sendall(request)
            answer = b""
            while b"x" * 200 not in answer:
                part = wire.recv(16384)
                if not part:
                    raise SystemExit(f"{proxy.name} ended a connection: {answer[:200]}")
                answer += part
            if h2:
                wire.sendall(frame(4, 1, 0, b""))
            self.open.append(wire)
        # Whatever follows an answer has been done by then.
        time.sleep(1)

    def close(self):
        for wire in self.open:
            wire.close()
        self.open = []
