//! `app.NAME.upstream`: the origin servers, and how the gateway deals with them.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use super::builder::{Builder, lift};
use super::either::{OriginFile, UpstreamFromFile};
use super::error::Problem;
use super::file::{AppFile, At, HealthFile, Text, UpstreamFile};
use super::nearest::did_you_mean;
use crate::types::{HostName, PathAllowances, RequestPath};

/// More servers than one app has; a request remembers in 64 bits which it has tried.
const MOST_SERVERS: usize = 64;
/// The largest weight: a cycle through all servers stays short.
const MOST_WEIGHT: u32 = 100;
/// How often a request may be sent again.
pub const MOST_RETRIES: usize = 5;

/// An app's origin servers, and how they are dealt with.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// The servers; at least one.
    pub servers: Vec<UpstreamServer>,
    /// Which server a request goes to.
    pub balance: Balance,
    /// How servers are asked whether they are well.
    pub health: Option<HealthCheck>,
    /// When a server that fails is left alone for a while.
    pub ejection: Ejection,
    /// How often a request that a server did not take may be sent again.
    pub retries: u32,
    /// How many requests may be under way at a time.
    pub limit: Option<RequestLimit>,
    /// What `Host` the servers see.
    pub host: HostHeader,
    /// How the customer's paths and the servers' belong together.
    pub prefix: Prefix,
    /// The CA of the servers' certificates, where it is a private one.
    pub ca: Option<PathBuf>,
    /// The name that TLS asks for and checks, where it is not the server's own.
    pub sni: Option<String>,
    /// What the gateway shows for itself in TLS.
    pub client_certificate: Option<ClientCertificate>,
    /// What is spoken.
    pub protocol: UpstreamProtocol,
    /// Whether each connection begins by telling whose it is.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a server may be silent.
    pub response_timeout: Duration,
}

/// One origin server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct UpstreamServer {
    /// Where it is.
    pub place: Place,
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// How much it takes, beside the others.
    pub weight: u32,
}

/// Where a server is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Place {
    /// In a network.
    Network {
        /// Host name or address, as written.
        host: String,
        /// Its port.
        port: u16,
    },
    /// On this machine, behind a Unix socket.
    Unix(PathBuf),
}

impl UpstreamServer {
    /// Its URL, as the config has it: its name in logs and metrics.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.place {
            Place::Unix(path) => format!("unix:{}", path.display()),
            Place::Network { .. } if self.tls => format!("https://{}", self.authority()),
            Place::Network { .. } => format!("http://{}", self.authority()),
        }
    }

    /// The value of its `Host`: host and, unless it is the usual one, port. Behind a Unix socket that is `localhost`.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.place {
            Place::Unix(_) => "localhost".to_owned(),
            Place::Network { host, port } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let usual = if self.tls { 443 } else { 80 };
                if *port == usual { host } else { format!("{host}:{port}") }
            }
        }
    }
}

/// Which server a request goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Balance {
    /// Each in turn.
    RoundRobin,
    /// The one with the fewest requests under way.
    LeastRequests,
    /// Always the same for a client's address.
    Client,
}

impl Balance {
    const ALL: [(&'static str, Self); 3] =
        [("round-robin", Self::RoundRobin), ("least-requests", Self::LeastRequests), ("client", Self::Client)];
}

/// How servers are asked whether they are well.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthCheck {
    /// What is asked for; without a path, connecting is enough.
    pub path: Option<String>,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Good answers in a row after which a server is well again.
    pub healthy_after: u32,
    /// Bad answers in a row after which a server is down.
    pub unhealthy_after: u32,
    /// The good statuses.
    pub status: Vec<u16>,
    /// The `Host` of the question, where it is not the server's own.
    pub host: Option<String>,
}

/// When a server that fails is left alone for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ejection {
    /// Failures in a row.
    pub after: u32,
    /// How long the first time; it doubles with each time in a row.
    pub first: Duration,
}

/// How many requests of an app may be under way at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestLimit {
    /// At all its servers together.
    pub requests: usize,
    /// How many more may wait.
    pub queue: usize,
    /// How long.
    pub queue_timeout: Duration,
}

/// What `Host` the servers see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HostHeader {
    /// The customer's.
    Keep,
    /// The server's own.
    Upstream,
    /// This one.
    Name(String),
}

/// How the customer's paths and the servers' belong together: one path here is one path there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prefix {
    /// What the customer's paths begin with and the servers' do not; empty for nothing.
    pub strip: String,
    /// What the servers' paths begin with and the customer's do not; empty for nothing.
    pub add: String,
}

impl Prefix {
    /// The path of the servers for one of the customer's; none, where the app has no such path. It has none that would begin with two
    /// slashes only there, for many read what follows those as a host.
    #[must_use]
    pub fn to_upstream<'a>(&self, path: &'a str) -> Option<Cow<'a, str>> {
        moved(path, &self.strip, &self.add).filter(|there| !there.starts_with("//") || path.starts_with("//"))
    }

    /// The way back: the customer's path for one of the servers'; none, where the customer can name no such path.
    #[must_use]
    pub fn to_customer<'a>(&self, path: &'a str) -> Option<Cow<'a, str>> {
        moved(path, &self.add, &self.strip)
    }
}

/// Takes one prefix off a path and puts the other before it. A prefix ends where a segment does; nothing else of the path
/// changes, so one path stays one path, and paths without the prefix have nowhere to go.
fn moved<'a>(path: &'a str, from: &str, to: &str) -> Option<Cow<'a, str>> {
    let rest = match path.strip_prefix(from)? {
        "" => "/",
        rest if rest.starts_with('/') => rest,
        _ => return None,
    };
    Some(if to.is_empty() { Cow::Borrowed(rest) } else { Cow::Owned(format!("{to}{rest}")) })
}

/// What the gateway shows for itself in TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    /// PEM file of the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
}

/// What is spoken to the servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/2 without TLS, by prior knowledge (RFC 9113, section 3.3).
    Http2Cleartext,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyProtocol {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// Builds an app's upstream; what is wrong is in the builder.
pub(super) fn build(builder: &mut Builder<'_>, app: &AppFile) -> Option<Upstream> {
    let connect_timeout = builder.duration(app.timeouts.connect.as_ref(), Duration::from_secs(5));
    let response_timeout = builder.duration(app.timeouts.response.as_ref(), Duration::from_secs(60));
    let mut standard = UpstreamFile::default();
    let (file, old_ca) = match &app.upstream.value {
        UpstreamFromFile::Url(url) => {
            let url = At { value: url.clone(), span: app.upstream.span.clone() };
            standard.servers.push(At { value: OriginFile { url, weight: None }, span: app.upstream.span.clone() });
            (&standard, app.upstream_ca.as_ref())
        }
        UpstreamFromFile::Table(table) => {
            if let Some(old) = &app.upstream_ca {
                let help = "write it as `ca` in the table `upstream`";
                builder.problem(&old.span, "`upstream_ca` goes with an `upstream` that is one address", help);
            }
            (&**table, None)
        }
    };
    let servers: Vec<_> = file.servers.iter().map(|server| origin(builder, server)).collect();
    if file.servers.is_empty() {
        builder.problem(&app.upstream.span, "`upstream` has no server", "add `servers = [\"http://10.0.0.5:8080\"]`");
        return None;
    }
    if let Some(first_too_many) = file.servers.get(MOST_SERVERS) {
        builder.problem(&first_too_many.span, "an app has 64 servers at most", "put a balancer before them");
    }
    let balance = choice(builder, file.balance.as_ref(), "way to balance", &Balance::ALL, Balance::RoundRobin);
    let health = file.health.as_ref().map(|health| health_check(builder, &health.value));
    let ejection = Ejection {
        after: count(builder, file.eject_after.as_ref(), 5),
        first: builder.duration(file.eject_for.as_ref(), Duration::from_secs(10)),
    };
    let retries = match &file.retries {
        Some(number) if usize::try_from(number.value).is_ok_and(|number| number > MOST_RETRIES) => {
            builder.problem(&number.span, "a request is sent again 5 times at most", "write 0 to 5");
            1
        }
        Some(number) => number.value,
        None => 1,
    };
    let limit = limit(builder, file);
    let host = host(builder, file.host.as_ref());
    let strip = file.strip_prefix.as_ref().map(|text| prefix(builder, text));
    let add = file.add_prefix.as_ref().map(|text| prefix(builder, text));
    let ca_text = file.ca.as_ref().or(old_ca);
    let ca = ca_text.map(|text| builder.pem(text));
    let client_certificate = client_certificate(builder, file);
    let sni = file.sni.as_ref().map(|text| name(builder, text));
    let servers: Vec<UpstreamServer> = servers.into_iter().collect::<Option<_>>()?;
    let speaks_tls = servers.iter().any(|server| server.tls);
    let for_tls = [
        (ca_text, if old_ca.is_some() { "upstream_ca" } else { "ca" }),
        (file.sni.as_ref(), "sni"),
        (file.client_certificate.as_ref(), "client_certificate"),
    ];
    for (text, key) in for_tls {
        if let Some(text) = text.filter(|_| !speaks_tls) {
            let what = format!("`{key}` has no use with an http:// upstream");
            builder.problem(&text.span, what, "remove it, or write https://");
        }
    }
    let protocol = protocol(builder, file.protocol.as_ref(), &servers);
    let proxy_protocol = file.proxy_protocol.as_ref().map(|text| {
        let versions = [("v1", ProxyProtocol::V1), ("v2", ProxyProtocol::V2)];
        choice(builder, Some(text), "version of the PROXY protocol", &versions, ProxyProtocol::V2)
    });
    Some(Upstream {
        servers,
        balance,
        health: lift(health)?,
        ejection,
        retries,
        limit,
        host: host?,
        prefix: Prefix { strip: lift(strip)?.unwrap_or_default(), add: lift(add)?.unwrap_or_default() },
        ca: lift(ca)?,
        sni: lift(sni)?,
        client_certificate: client_certificate?,
        protocol,
        proxy_protocol,
        connect_timeout,
        response_timeout,
    })
}

/// A number of at least one.
fn count(builder: &mut Builder<'_>, number: Option<&At<u32>>, standard: u32) -> u32 {
    match number {
        None => standard,
        Some(number) if number.value > 0 => number.value,
        Some(number) => {
            builder.problem(&number.span, "0 is too few", "write at least 1");
            standard
        }
    }
}

/// One of several words.
fn choice<T: Copy>(
    builder: &mut Builder<'_>,
    text: Option<&Text>,
    kind: &str,
    words: &[(&'static str, T)],
    standard: T,
) -> T {
    let Some(text) = text else { return standard };
    if let Some((_, found)) = words.iter().find(|(word, _)| *word == text.value) {
        return *found;
    }
    let names = || words.iter().map(|(word, _)| *word);
    let all = names().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let help = did_you_mean(&text.value, names(), &format!("write one of {all}"));
    builder.problem(&text.span, format!("`{}` is no {kind}", text.value), help);
    standard
}

fn origin(builder: &mut Builder<'_>, file: &At<OriginFile>) -> Option<UpstreamServer> {
    let weight = match &file.value.weight {
        None => 1,
        Some(weight) if (1..=i64::from(MOST_WEIGHT)).contains(&weight.value) => {
            u32::try_from(weight.value).unwrap_or(MOST_WEIGHT)
        }
        Some(weight) => {
            builder.problem(&weight.span, format!("a weight of {}", weight.value), "write 1 to 100");
            1
        }
    };
    // A server that is a text has no other place than its own.
    let span = if file.value.url.span.is_empty() { file.span.clone() } else { file.value.url.span.clone() };
    let filled = builder.text(&At { value: file.value.url.value.clone(), span: span.clone() })?;
    let parsed = parse_origin(&filled).ok_or_else(|| {
        Problem::new(
            format!("`{filled}` is not an origin"),
            "write \"http://host:port\" or \"https://host\", without path, query or user, or \"unix:/path/of/socket\"",
        )
    });
    let (place, tls) = builder.keep(&span, parsed)?;
    Some(UpstreamServer { place, tls, weight })
}

fn health_check(builder: &mut Builder<'_>, file: &HealthFile) -> Option<HealthCheck> {
    let interval = builder.duration(file.interval.as_ref(), Duration::from_secs(5));
    let timeout = builder.duration(file.timeout.as_ref(), Duration::from_secs(2));
    let healthy_after = count(builder, file.healthy_after.as_ref(), 2);
    let unhealthy_after = count(builder, file.unhealthy_after.as_ref(), 3);
    for status in &file.status {
        if !(200..=599).contains(&status.value) {
            builder.problem(&status.span, format!("{} is no status of an answer", status.value), "write 200 to 599");
        }
    }
    let path = file.path.as_ref().map(|text| {
        let filled = builder.text(text)?;
        // A query is welcome here: nobody but us asks.
        let is_target = filled.starts_with('/') && filled.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let problem = || Problem::new(format!("`{filled}` is no path"), "write a path such as \"/healthz\"");
        builder.keep(&text.span, is_target.then(|| filled.clone()).ok_or_else(problem))
    });
    let host = file.host.as_ref().map(|text| authority(builder, text));
    if file.path.is_none() {
        let only_with_a_path = [file.host.as_ref().map(|text| (&text.span, "host"))];
        let status = file.status.first().map(|status| (&status.span, "status"));
        for (span, key) in only_with_a_path.into_iter().flatten().chain(status) {
            let what = format!("`{key}` has no use in a health check without `path`");
            builder.problem(span, what, "add `path = \"/healthz\"`, or remove it");
        }
    }
    let status = if file.status.is_empty() { vec![200] } else { file.status.iter().map(|at| at.value).collect() };
    Some(HealthCheck {
        path: lift(path)?,
        interval,
        timeout,
        healthy_after,
        unhealthy_after,
        status,
        host: lift(host)?,
    })
}

fn limit(builder: &mut Builder<'_>, file: &UpstreamFile) -> Option<RequestLimit> {
    let queue_timeout = builder.duration(file.queue_timeout.as_ref(), Duration::from_secs(5));
    let Some(most) = &file.max_connections else {
        let queue = file.queue.as_ref().map(|number| (&number.span, "queue"));
        let timeout = file.queue_timeout.as_ref().map(|text| (&text.span, "queue_timeout"));
        for (span, key) in queue.into_iter().chain(timeout) {
            let what = format!("`{key}` has no use without `max_connections`");
            builder.problem(span, what, "add `max_connections`, the requests that may be under way at a time");
        }
        return None;
    };
    let requests = usize::try_from(count(builder, Some(most), 1)).unwrap_or(usize::MAX);
    let queue = file.queue.as_ref().map_or(100, |number| number.value);
    Some(RequestLimit { requests, queue: usize::try_from(queue).unwrap_or(usize::MAX), queue_timeout })
}

fn host(builder: &mut Builder<'_>, text: Option<&Text>) -> Option<HostHeader> {
    match text.map(|text| (text, text.value.as_str())) {
        None | Some((_, "keep")) => Some(HostHeader::Keep),
        Some((_, "upstream")) => Some(HostHeader::Upstream),
        Some((text, _)) => authority(builder, text).map(HostHeader::Name),
    }
}

/// A host, and a port where one is written.
fn authority(builder: &mut Builder<'_>, text: &Text) -> Option<String> {
    let filled = builder.text(text)?;
    let parsed = filled.parse::<http::uri::Authority>().ok();
    let parsed = parsed.filter(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    let problem = || Problem::new(format!("`{filled}` is not a host name"), "write a name such as \"app.internal\"");
    builder.keep(&text.span, parsed.map(|authority| authority.to_string()).ok_or_else(problem))
}

/// A host name without a port.
fn name(builder: &mut Builder<'_>, text: &Text) -> Option<String> {
    let filled = builder.text(text)?;
    let problem = |_| Problem::new(format!("`{filled}` is not a host name"), "write a name such as \"app.internal\"");
    builder.keep(&text.span, HostName::parse(&filled).map(|host| host.to_string()).map_err(problem))
}

/// A prefix in the one spelling of paths, so that what begins with it can be told by its bytes.
fn prefix(builder: &mut Builder<'_>, text: &Text) -> Option<String> {
    let filled = builder.text(text)?;
    let path = RequestPath::parse(filled.as_bytes(), &PathAllowances::default()).ok();
    let path = path.filter(|path| path.as_str() == filled && !filled.ends_with('/'));
    let help = "write whole segments such as \"/shop\", with a slash before and none behind, and no escapes that a letter needs not";
    let problem = || Problem::new(format!("`{filled}` is no prefix of paths"), help);
    builder.keep(&text.span, path.map(|path| path.as_str().to_owned()).ok_or_else(problem))
}

fn client_certificate(builder: &mut Builder<'_>, file: &UpstreamFile) -> Option<Option<ClientCertificate>> {
    match (&file.client_certificate, &file.client_key) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => {
            let certificate = builder.pem(certificate);
            let key = builder.path(key);
            Some(Some(ClientCertificate { certificate: certificate?, key: key? }))
        }
        (Some(text), None) | (None, Some(text)) => {
            let what = "`client_certificate` and `client_key` go together";
            builder.problem(&text.span, what, "add the other one, or remove this one");
            None
        }
    }
}

fn protocol(builder: &mut Builder<'_>, text: Option<&Text>, servers: &[UpstreamServer]) -> UpstreamProtocol {
    let words = [
        ("http/1.1", UpstreamProtocol::Http1),
        ("h2", UpstreamProtocol::Http2),
        ("h2c", UpstreamProtocol::Http2Cleartext),
    ];
    let protocol = choice(builder, text, "protocol of an upstream", &words, UpstreamProtocol::Http1);
    if let Some(text) = text {
        match protocol {
            UpstreamProtocol::Http2 if servers.iter().any(|server| !server.tls) => {
                builder.problem(&text.span, "`h2` is HTTP/2 over TLS", "write \"h2c\", or https:// for every server");
            }
            UpstreamProtocol::Http2Cleartext if servers.iter().any(|server| server.tls) => {
                builder.problem(&text.span, "`h2c` is HTTP/2 without TLS", "write \"h2\", or http:// for every server");
            }
            _ => {}
        }
    }
    protocol
}

fn parse_origin(text: &str) -> Option<(Place, bool)> {
    if let Some(path) = text.strip_prefix("unix:") {
        let is_path = path.starts_with('/') && !path.ends_with('/') && !path.starts_with("//");
        return is_path.then(|| (Place::Unix(PathBuf::from(path)), false));
    }
    let uri: http::Uri = text.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = uri.authority()?;
    if uri.path() != "/"
        || text.ends_with('/')
        || uri.query().is_some()
        || authority.as_str().contains('@')
        || text.contains('#')
    {
        return None;
    }
    let port = match authority.port() {
        Some(port) => port.as_str().parse().ok().filter(|port| *port > 0)?,
        None if authority.as_str().ends_with(':') => return None,
        None if tls => 443,
        None => 80,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    (!host.is_empty()).then_some((Place::Network { host, port }, tls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(strip: &str, add: &str) -> Prefix {
        Prefix { strip: strip.to_owned(), add: add.to_owned() }
    }

    #[test]
    fn a_prefix_is_whole_segments() {
        let check = |strip, add, path, expected: Option<&str>| {
            assert_eq!(prefix(strip, add).to_upstream(path).as_deref(), expected, "{path} from {strip:?} to {add:?}");
        };
        check("", "", "/a", Some("/a"));
        check("/x", "", "/x/a", Some("/a"));
        check("/x", "", "/x", Some("/"));
        check("/x", "", "/x/", Some("/"));
        check("", "/base", "/", Some("/base/"));
        check("/x", "", "/x//a", None);
        check("/x", "/base", "/x//a", Some("/base//a"));
        check("", "", "//a", Some("//a"));
        check("/x", "/base", "/x/a/b", Some("/base/a/b"));
        for outside in ["/", "/y", "/xy", "/xy/a", "/X/a", "/x%2Fa", "/x;v=1/a", "//x/a", "/a/x/b"] {
            check("/x", "/base", outside, None);
        }
    }

    proptest! {
        #[test]
        fn attack_01_one_path_here_is_one_path_there(one in "(/[a-z%2F.;]{0,4}){1,4}", other in "(/[a-z%2F.;]{0,4}){1,4}") {
            for prefix in [prefix("", "/base"), prefix("/x", ""), prefix("/x", "/base/v2")] {
                let there = |path: &str| prefix.to_upstream(path).map(Cow::into_owned);
                let one = format!("/x{one}");
                if let Some(upstream) = there(&one) {
                    let below = upstream.strip_prefix(&prefix.add).is_some_and(|rest| rest.starts_with('/'));
                    prop_assert!(below, "it is below the prefix");
                    let back = prefix.to_customer(&upstream);
                    prop_assert_eq!(back.as_deref(), Some(one.as_str()));
                }
                // Only the slash behind a prefix makes no difference, and it makes none to rules.
                if there(&one).is_some() && there(&one) == there(&other) {
                    prop_assert_eq!(one.trim_end_matches('/'), other.trim_end_matches('/'));
                }
            }
        }
    }
}
