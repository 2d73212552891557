#!/usr/bin/env python3
"""The whole program beside other proxies: CPU time, waiting time and memory, in one run.

Each proxy has one CPU to itself, load and upstream have another. All end TLS 1.3 and pass a 200-byte answer of the same plain-HTTP
nginx through over keep-alive connections, with a browser's headers and an access log on. They take turns, so that what the
machine does meanwhile meets all alike; what counts is the median, and the ratio of medians. CPU time is that of all of a
proxy's processes, as the kernel counts it; the spread says how much noise there is.

Debian's nginx, haproxy, wrk, nghttp2-client and openssl are installed where they are missing.
needs: cargo build --release; two CPUs with nothing else to do

  benches/proxy/run.py                     all of it
  benches/proxy/run.py requests latency    parts of it
"""
import argparse
import os
import resource
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import load
from peers import ROOT, House, install


def table(title, unit, figures, base):
    """Prints the figures of each proxy, and what each is of the first named."""
    print(f"\n{title}, {unit}")
    against = statistics.median(figures[base])
    for name, all_of_it in figures.items():
        middle = statistics.median(all_of_it)
        spread = f"{min(all_of_it):.1f} to {max(all_of_it):.1f}"
        print(f"  {name:20} {middle:8.1f}   ({spread}){'' if name == base else f'   {middle / against:.2f} of {base}'}", flush=True)


def cpu_each(proxy, work):
    """CPU microseconds each of what `work` did, which gives how many that were."""
    before = proxy.cpu_seconds()
    many = work()
    return (proxy.cpu_seconds() - before) / many * 1e6


def take_turns(proxies, rounds, measure):
    """One figure a round of each proxy; the first round warms up."""
    figures = {proxy.name: [] for proxy in proxies}
    for number in range(rounds + 1):
        for proxy in proxies:
            figure = measure(proxy)
            if number:
                figures[proxy.name].append(figure)
    return figures


def signed_in(house):
    return [house.start_nginx(), house.start_haproxy(), house.start_nginx_auth_request(), *house.start_vestibules()]


def requests(house, options):
    proxies = signed_in(house)
    for name, make, connections in (("HTTP/1.1", load.http1, 32), ("h2", load.http2, 8)):
        def measure(proxy):
            return cpu_each(proxy, lambda: make(proxy, house.load_cpu, options.seconds, connections))
        table(f"a signed-in request, {name}", "us of CPU", take_turns(proxies, options.rounds, measure), "haproxy JWT")


def latency(house, options):
    proxies = [house.start_haproxy(), *house.start_vestibules()]
    ways = [(how, name) for how in ("one by one", "twenty at once") for name in ("HTTP/1.1", "h2")]
    for how, name in ways:
        halves, worst = {}, {}
        for number in range(options.rounds + 1):
            for proxy in proxies:
                times = load.latencies(proxy, house.load_cpu, options.seconds + 1, 20, 1000, name == "h2", how == "twenty at once")
                if number:
                    halves.setdefault(proxy.name, []).append(times[len(times) // 2])
                    worst.setdefault(proxy.name, []).append(times[len(times) * 99 // 100])
        table(f"1,000 requests a second, {how}, {name}, half take longer than", "us", halves, "haproxy JWT")
        table(f"1,000 requests a second, {how}, {name}, one in a hundred takes longer than", "us", worst, "haproxy JWT")


def handshakes(house, options):
    """Full ones and resumed ones, many at a time; then both by the same client, one after another, which costs more for each."""
    proxies = [house.start_nginx(), house.start_haproxy(), *house.start_vestibules()]
    def many(proxy):
        return cpu_each(proxy, lambda: load.connections(proxy, house.load_cpu, options.seconds, 32))
    table("a full handshake (X25519, P-256) with one request, 32 at a time", "us of CPU", take_turns(proxies, options.rounds, many), "nginx")
    # wrk resumes by a ticket, from each connection's second time on.
    def many_resumed(proxy):
        return cpu_each(proxy, lambda: load.http1(proxy, house.load_cpu, options.seconds, 32, close=True))
    table("a resumed handshake with one request, 32 at a time", "us of CPU", take_turns(proxies, options.rounds, many_resumed), "nginx")
    full = take_turns(proxies, options.rounds, lambda proxy: cpu_each(proxy, lambda: load.handshakes(proxy, options.seconds, False)))
    table("a full handshake with one request, one after another", "us of CPU", full, "nginx")
    resumed = take_turns(proxies, options.rounds, lambda proxy: cpu_each(proxy, lambda: load.handshakes(proxy, options.seconds, True)))
    table("a resumed handshake with one request, one after another", "us of CPU", resumed, "nginx")
    for name, figures in resumed.items():
        print(f"  {name:20} a resumed one is {statistics.median(figures) / statistics.median(full[name]):.2f} of a full one")


def bodies(house, options):
    proxies = [house.start_nginx(), house.start_haproxy(), *house.start_vestibules()]
    for size, name in ((64 * 1024, "64k"), (1024 * 1024, "1m")):
        for protocol, make, connections in (("HTTP/1.1", load.http1, 8), ("h2", load.http2, 4)):
            for way, path, body in (("download", f"/file/{name}", 0), ("upload", "/sink", size)):
                def measure(proxy):
                    return cpu_each(proxy, lambda: make(proxy, house.load_cpu, options.seconds, connections, path, body))
                table(f"a {way} of {size // 1024} KiB, {protocol}", "us of CPU", take_turns(proxies, options.rounds, measure), "nginx")


def idle(house, options):
    """Memory of connections that have had one answer and wait."""
    for h2 in (False, True):
        for many in (1000, 10_000):
            figures = {}
            for start in (house.start_nginx, house.start_vestibule):
                proxy = start()
                # One connection first: what is made once does not count.
                load.Idle(proxy, 20, h2).close()
                before = proxy.memory_kib()
                connections = load.Idle(proxy, many, h2)
                figures[proxy.name] = [(proxy.memory_kib() - before) / many]
                connections.close()
                house.stop(proxy)
            table(f"each of {many:,} idle TLS connections, {'h2' if h2 else 'HTTP/1.1'}", "KiB", figures, "nginx")


def growth(house, options):
    """A request where there is much of everything, and the memory of sessions and grants in use."""
    several = [f"person{number}@example.com" for number in range(10_000)]
    rules = "".join(f'{{ allow = "GET /api/v1/things{number}/*/parts/**" }},\n' for number in range(1, 1000))
    shops = "".join(f"""
[app.shop{number}]
domains = ["shop{number}.apps.test"]
upstream = "http://127.0.0.1:9"
[[app.shop{number}.customers]]
source = "people"
email = "email"
""" for number in range(10_000))
    everybody = {"people": ["ann@example.com", *several]}
    proxies = [
        house.start_vestibule("one of each"),
        house.start_vestibule("1,000,000 sessions", **everybody, sessions=1_000_000),
        house.start_vestibule("10,000 domains", more="".join(f', "shop{number}.apps.test"' for number in range(10_000))),
        house.start_vestibule("10,000 apps", config=shops),
        house.start_vestibule("1,000 rules", app='identity = { jwt = {} }\nroles_default = "reader"', config=f'[app.orders.role.reader]\nrules = [\n{rules}{{ allow = "* /**" }},\n]\n'),
    ]
    def one(proxy):
        return cpu_each(proxy, lambda: load.http1(proxy, house.load_cpu, options.seconds, 32))
    table("a signed-in request, HTTP/1.1, with", "us of CPU", take_turns(proxies, options.rounds, one), "one of each")
    for proxy in proxies:
        house.stop(proxy)

    sizes = {"1 person, 1 session": (several[:1], 1), "1 person, 10,000 sessions": (several[:1], 10_000), "10,000 people, a session each": (several, 10_000)}
    proxies, before = [], {}
    for name, (people, sessions) in sizes.items():
        proxy = house.start_vestibule(name, people=["ann@example.com", *people], sessions=sessions)
        # One first, so that what is made once does not count.
        load.http1(proxy, house.load_cpu, 1, 32)
        before[name] = proxy.memory_kib()
        proxies.append(proxy)
    def all_of_them(proxy):
        return cpu_each(proxy, lambda: load.http1(proxy, house.load_cpu, options.seconds, 32, cookies=proxy.cookies))
    figures = take_turns(proxies, options.rounds, all_of_them)
    memory = {proxy.name: [(proxy.memory_kib() - before[proxy.name]) * 1024 / sizes[proxy.name][1]] for proxy in proxies}
    for proxy in proxies:
        house.stop(proxy)
    table("a signed-in request, HTTP/1.1, of the next session of", "us of CPU", figures, "1 person, 1 session")
    del memory["1 person, 1 session"]
    table("each of these sessions in memory", "bytes", memory, "1 person, 10,000 sessions")


def price(house, options):
    """What rules, identity headers and the signed JWT add to the session that every request must have."""
    rules = "".join(f'{{ allow = "GET /api/v1/things{number}/*/parts/**" }},\n' for number in range(1, 100))
    rules = f'[app.orders.role.reader]\nrules = [\n{rules}{{ allow = "* /**" }},\n]\n'
    proxies = [
        house.start_vestibule("a session alone", app='identity = { headers = "none" }'),
        house.start_vestibule("with all of it", app='identity = { jwt = {} }\nroles_default = "reader"', config=rules),
    ]
    def one(proxy):
        return cpu_each(proxy, lambda: load.http1(proxy, house.load_cpu, options.seconds, 32))
    table("a request, HTTP/1.1", "us of CPU", take_turns(proxies, options.rounds, one), "a session alone")


def training(house, options):
    """What build/dist has a binary count that is to be made faster: one of each kind, measured by nobody."""
    several = [f"person{number}@example.com" for number in range(2000)]
    narrowed = '''[app.orders.role.reader]
rules = [
  { allow = "GET /file/rows.json", hide = ["rows[].price"], rows = { at = "rows", keep = 'row.region == "north"' } },
  { allow = "GET /file/rows.csv", hide = ["price"] },
  { allow = "GET /file/rows.html", remove = [".price"] },
  { allow = "* /**" },
]
'''
    app = 'identity = { jwt = {} }\nroles_default = "reader"'
    proxy = house.start_vestibule(people=["ann@example.com", *several], sessions=len(several), app=app, config=narrowed)
    # Of many people, for what serves one alone all the time is laid out for that.
    load.http1(proxy, house.load_cpu, options.seconds * 3, 32, cookies=proxy.cookies)
    for make, connections in ((load.http1, 32), (load.http2, 8)):
        make(proxy, house.load_cpu, options.seconds * 2, connections)
        for path, body in (("/file/64k", 0), ("/file/1m", 0), ("/sink", 64 * 1024), ("/sink", 1024 * 1024)):
            make(proxy, house.load_cpu, options.seconds, connections // 4, path, body)
    for kind in ("json", "csv", "html"):
        load.http1(proxy, house.load_cpu, 1, 8, f"/file/rows.{kind}")
    load.http1(proxy, house.load_cpu, options.seconds, 32, close=True)
    load.handshakes(proxy, options.seconds, True)


PARTS = {"requests": requests, "latency": latency, "handshakes": handshakes, "bodies": bodies, "idle": idle, "growth": growth, "price": price, "training": training}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (5)")
    parser.add_argument("--seconds", type=int, default=4, help="of load in each round (4)")
    parser.add_argument("--cpus", default="0,1", help="the proxy's, and that of load and upstream (0,1)")
    parser.add_argument("--binary", default=ROOT / "target/release/vestibule", type=Path, help="Vestibule's")
    parser.add_argument("--before", help="another one of it, to hold it against")
    parser.add_argument("--no-logs", action="store_true", help="without access logs, of all proxies")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    install()
    proxy_cpu, load_cpu = options.cpus.split(",")
    os.sched_setaffinity(0, {int(load_cpu)})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"{os.uname().machine}, {os.cpu_count()} CPUs, Linux {os.uname().release}; load before: {os.getloadavg()[0]:.2f}")
    for part in options.parts or [part for part in PARTS if part != "training"]:
        house = House(Path(tempfile.mkdtemp(prefix="bench-")), proxy_cpu, load_cpu, options.binary, options.before, not options.no_logs)
        try:
            PARTS[part](house, options)
        finally:
            house.close()


main()
