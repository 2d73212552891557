//! The pure parts of a request's way, each alone: what a path, a cookie, a host and a decision cost, and how that grows.
//!
//! usage: `cargo bench --bench corridor`
#![expect(clippy::unwrap_used, reason = "whatever fails ends it")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, header};
use vestibule::config::{self, Config};
use vestibule::policy::{Access, Request, Standing, decide};
use vestibule::session::{CookieName, Token, cookie};
use vestibule::state::language::AskedLanguages;
use vestibule::state::snapshot::Snapshot;
use vestibule::types::{Email, HostName, PathAllowances, RequestPath};

/// A config with so many domains, and a role of so many rules that the last of them lets everything pass.
fn config(domains: usize, rules: usize) -> Config {
    let names: Vec<String> = (0..domains).map(|number| format!("'shop{number}.example.com'")).collect();
    let mut text = format!(
        "[server]\nhttps = '127.0.0.1:0'\ndata = 'd'\n[tls]\nlocal_ca = true\n\
         [mail]\nsmtp = 'smtp://127.0.0.1:9'\nfrom = 'a@b.test'\n[source.crm]\nurl = 'csv:people.csv'\n\
         [app.orders]\nupstream = 'http://127.0.0.1:9'\ndomains = [{}]\nroles_default = 'reader'\n\
         [[app.orders.customers]]\nsource = 'crm'\nemail = 'email'\n\
         [[workspace.user]]\nemail = 'ann@example.com'\nroles = {{ orders = 'reader' }}\n\
         [app.orders.role.reader]\nrules = [\n",
        names.join(", ")
    );
    for number in 1..rules {
        writeln!(text, "{{ allow = 'GET /api/v1/things{number}/*/parts/**' }},").unwrap();
    }
    text.push_str("{ allow = '* /**' },\n]\n");
    config::parse(Path::new("bench.toml"), &text, &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
}

fn access(config: &Config) -> Standing {
    let app = config.apps.first().unwrap();
    let grant = app.policy.workspace_grant(&Email::parse("ann@example.com").unwrap()).unwrap();
    let access = Access::compile(&app.policy, &app.identity, Arc::new(grant), "2026-01-01T00:00:00Z".parse().unwrap());
    Standing::Access(Arc::new(access))
}

fn browser() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let token = Token::generate();
    let cookies = format!("theme=dark; sid=0123456789abcdef; __Host-access={}; lang=en", token.expose());
    headers.insert(header::COOKIE, HeaderValue::from_str(&cookies).unwrap());
    headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("de-AT,de;q=0.9,en-US;q=0.8,en;q=0.7"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8"));
    headers
}

fn paths(criterion: &mut Criterion) {
    let allowances = PathAllowances::default();
    let mut group = criterion.benchmark_group("path");
    for (name, path) in [
        ("short", "/"),
        ("usual", "/api/v1/customers/42/orders/2026-11"),
        ("escaped", "/caf%C3%A9/m%75sic/Stra%c3%9fe%20am%20Ufer/x%7ey"),
    ] {
        group.bench_function(name, |bench| {
            bench.iter(|| RequestPath::parse(black_box(path.as_bytes()), &allowances).unwrap());
        });
    }
}

fn heads(criterion: &mut Criterion) {
    let headers = browser();
    criterion.bench_function("cookie to session id", |bench| {
        bench.iter(|| cookie(black_box(&headers), CookieName::Session).unwrap().hash());
    });
    criterion.bench_function("languages asked for", |bench| bench.iter(|| AskedLanguages::of(black_box(&headers))));
}

fn hosts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("host to domain, of so many");
    for domains in [1, 100, 10_000] {
        let snapshot = Snapshot::new(&config(domains, 1));
        let name = format!("shop{}.example.com", domains / 2);
        group.bench_function(BenchmarkId::from_parameter(domains), |bench| {
            bench.iter(|| {
                let host = HostName::parse_authority(black_box(&name)).unwrap();
                Arc::clone(snapshot.site(&host).unwrap())
            });
        });
    }
}

fn decisions(criterion: &mut Criterion) {
    let (headers, host) = (browser(), HostName::parse("shop0.example.com").unwrap());
    let path = RequestPath::parse(b"/customers/42/orders/2026-11", &PathAllowances::default()).unwrap();
    let mut group = criterion.benchmark_group("decision by the last rule, of so many");
    for rules in [1, 10, 100, 1000] {
        let standing = access(&config(1, rules));
        let request = Request {
            method: &Method::GET,
            path: &path,
            query: Some("page=2"),
            headers: &headers,
            host: &host,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        };
        group.bench_function(BenchmarkId::from_parameter(rules), |bench| {
            bench.iter(|| decide(black_box(&standing), &request));
        });
    }
}

criterion_group!(corridor, paths, heads, hosts, decisions);
criterion_main!(corridor);
