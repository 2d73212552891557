//! Station 2: a request's head becomes facts, or is refused.
//!
//! Host and path are read once, here, into types that have one spelling; every later station uses these.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};
use ipnet::IpNet;
use pingora::http::RequestHeader;

use super::connection::{Connection, Scheme};
use crate::state::language::AskedLanguages;
use crate::state::snapshot::{Site, Snapshot};
use crate::types::{Ambiguity, HostName, PathAllowances, RequestPath};

/// What the later stations know of a request.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The domain and app.
    pub(super) site: Arc<Site>,
    /// The method.
    pub(super) method: Method,
    /// The normalised path.
    pub(super) path: RequestPath,
    /// The query as it came, without its `?`.
    pub(super) query: Option<String>,
    /// The authority as the browser writes it: host and, unless it is the usual one, port.
    pub(super) authority: String,
    /// Whose address it comes from.
    pub(super) client: IpAddr,
    /// Addresses that a trusted proxy reported before it.
    pub(super) forwarded_for: Option<String>,
    /// Whether a person waits for a page.
    pub(super) asks_for: AsksFor,
    /// In which languages.
    pub(super) languages: AskedLanguages,
}

/// What is known of a request to the hub.
#[derive(Clone, Debug)]
pub(super) struct HubFacts {
    /// The hub.
    pub(super) host: HostName,
    /// The method.
    pub(super) method: Method,
    /// The normalised path.
    pub(super) path: RequestPath,
    /// The query as it came, without its `?`.
    pub(super) query: Option<String>,
    /// The authority as the browser writes it.
    pub(super) authority: String,
    /// Whose address it comes from.
    pub(super) client: IpAddr,
    /// Whether a person waits for a page.
    pub(super) asks_for: AsksFor,
    /// In which languages.
    pub(super) languages: AskedLanguages,
}

/// What kind of answer a request can use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AsksFor {
    /// A page: a navigation of a browser.
    Page,
    /// Anything else: a fetch, a WebSocket, a program.
    Data,
}

/// A request that goes no further than this station.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The status to answer.
    pub(super) status: StatusCode,
    /// Why, for the log.
    pub(super) reason: &'static str,
    /// The domain, where it is known.
    pub(super) site: Option<Arc<Site>>,
    /// What kind of answer it can use.
    pub(super) asks_for: AsksFor,
    /// In which languages.
    pub(super) languages: AskedLanguages,
}

/// A plain-HTTP request for one of our domains: where it is served over https.
#[derive(Debug)]
pub(super) struct PlainHttp {
    pub(super) host: HostName,
    pub(super) target: String,
}

/// What the head of a request is.
#[derive(Debug)]
pub(super) enum Routed {
    /// A request for an app.
    Request(Facts),
    /// A request to the hub.
    Hub(HubFacts),
    /// One that belongs on https.
    Plain(PlainHttp),
}

/// Reads a request's head.
pub(super) fn read(head: &RequestHeader, connection: &Connection, snapshot: &Snapshot) -> Result<Routed, Refusal> {
    let asks_for = asks_for(&head.method, &head.headers);
    let languages = AskedLanguages::of(&head.headers);
    let refuse = |status, reason| Refusal { status, reason, site: None, asks_for, languages: languages.clone() };
    limits(head, snapshot).map_err(|reason| refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason))?;
    let authority = authority(head).ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "no-host"))?;
    let host = HostName::parse_authority(authority).map_err(|_| refuse(StatusCode::BAD_REQUEST, "malformed-host"))?;
    let misdirected = || refuse(StatusCode::MISDIRECTED_REQUEST, "unknown-host");
    let site = snapshot.site(&host);
    if site.is_none() && snapshot.login.hub.as_ref() != Some(&host) {
        return Err(misdirected());
    }
    let target = std::str::from_utf8(head.raw_path()).map_err(|_| refuse(StatusCode::BAD_REQUEST, "malformed"))?;
    let (path, query) = split_target(target);
    if connection.scheme == Scheme::Http {
        let parsed = RequestPath::parse(path.as_bytes(), &PathAllowances::new(Ambiguity::ALLOWABLE));
        // A path that the domain would refuse is refused there: here it only must not confuse the redirect.
        let path = parsed.as_ref().map_or("/", |path| path.as_str()).trim_start_matches('/');
        let target = query.map_or_else(|| format!("/{path}"), |query| format!("/{path}?{query}"));
        return Ok(Routed::Plain(PlainHttp { host, target }));
    }
    // RFC 9110, section 7.4: what this connection was not made for is misdirected.
    if !connection.certificate.as_ref().is_some_and(|certificate| certificate.covers(&host)) {
        return Err(refuse(StatusCode::MISDIRECTED_REQUEST, "host-not-covered"));
    }
    let refuse =
        |status, reason| Refusal { status, reason, site: site.cloned(), asks_for, languages: languages.clone() };
    // TRACE, and TRACK as some servers have it, would show the identity headers to the client (RFC 9110, section 9.3.8).
    if matches!(head.method, Method::TRACE | Method::CONNECT) || head.method.as_str() == "TRACK" {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "method"));
    }
    let no_allowances = PathAllowances::default();
    let allowances = site.map_or(&no_allowances, |site| &site.app.path_allowances);
    let path = RequestPath::parse(path.as_bytes(), allowances)
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, error.0.name()))?;
    // A proxy that speaks the PROXY protocol adds no field to a request: whom it does not name sent that field itself.
    let names_nobody = connection.via == Some(connection.peer);
    let trusted: &[IpNet] = if names_nobody { &[] } else { &snapshot.trusted_proxies };
    let (client, forwarded_for) = client(&head.headers, connection.peer.ip(), trusted)
        .ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "malformed-forwarded-for"))?;
    let (method, query) = (head.method.clone(), query.map(str::to_owned));
    let authority = normal_authority(&host, authority);
    Ok(match site.cloned() {
        Some(site) => {
            Routed::Request(Facts { site, method, path, query, authority, client, forwarded_for, asks_for, languages })
        }
        None => Routed::Hub(HubFacts { host, method, path, query, authority, client, asks_for, languages }),
    })
}

/// The named limits on a head.
fn limits(head: &RequestHeader, snapshot: &Snapshot) -> Result<(), &'static str> {
    if head.headers.len() > snapshot.limits.headers {
        return Err("headers");
    }
    // What each field takes on the wire of HTTP/1.1: name, colon, space, value, CR and LF.
    let fields: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if fields + head.raw_path().len() > snapshot.limits.header_bytes {
        return Err("header_bytes");
    }
    Ok(())
}

/// The one authority of a request. Pingora has refused two Host fields, and a Host that differs from the target's.
pub(super) fn authority(head: &RequestHeader) -> Option<&str> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (head.uri.authority(), hosts.next(), hosts.next()) {
        (_, Some(_), Some(_)) => None,
        (Some(authority), None, _) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
        (Some(authority), Some(host), None) if host.as_bytes() == authority.as_str().as_bytes() => {
            Some(authority.as_str())
        }
        _ => None,
    }
}

fn normal_authority(host: &HostName, authority: &str) -> String {
    // `0443` is a port too, though no browser writes it so.
    match authority.split_once(':').and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) if port != 443 => format!("{host}:{port}"),
        _ => host.as_str().to_owned(),
    }
}

/// Path and query of a request target in origin-form or absolute-form (RFC 9112, section 3.2).
fn split_target(target: &str) -> (&str, Option<&str>) {
    let origin_form = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => match rest.find(['/', '?']) {
            Some(at) => rest.get(at..).unwrap_or("/"),
            None => "/",
        },
        _ => target,
    };
    match origin_form.split_once('?') {
        Some(("", query)) => ("/", Some(query)),
        Some((path, query)) => (path, Some(query)),
        None => (origin_form, None),
    }
}

/// Whether a person in a browser waits for a page: only then does a redirect to the log-in page make sense.
fn asks_for(method: &Method, headers: &HeaderMap) -> AsksFor {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_navigation = matches!(*method, Method::GET | Method::HEAD)
        && text("accept").is_some_and(|accept| accept.contains("text/html"))
        && text("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
        && !headers.contains_key("x-requested-with")
        && !headers.contains_key(header::UPGRADE);
    if is_navigation { AsksFor::Page } else { AsksFor::Data }
}

/// The client's address: the peer's own or, behind trusted proxies, the last one in `X-Forwarded-For` that is not trusted.
/// `None` when a trusted proxy sends what is no address: to skip it would be to trust the next.
fn client(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> Option<(IpAddr, Option<String>)> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return Some((peer, None));
    }
    let mut chain = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        for part in value.to_str().ok()?.split(',') {
            chain.push(part.trim().parse::<IpAddr>().ok()?.to_canonical());
        }
    }
    if chain.is_empty() {
        return Some((peer, None));
    }
    let client = chain.iter().rev().find(|address| !is_trusted(address)).or(chain.first()).copied()?;
    let mut reported = chain.iter().map(ToString::to_string).collect::<Vec<_>>();
    reported.push(peer.to_string());
    Some((client, Some(reported.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_target_is_split_into_path_and_query() {
        for (target, expected) in [
            ("/a/b?c=d", ("/a/b", Some("c=d"))),
            ("/a?b?c", ("/a", Some("b?c"))),
            ("https://host/a?b", ("/a", Some("b"))),
            ("https://host", ("/", None)),
            ("https://host?q", ("/", Some("q"))),
            ("/go?to=https://x/y", ("/go", Some("to=https://x/y"))),
            ("*", ("*", None)),
        ] {
            assert_eq!(split_target(target), expected, "{target}");
        }
    }

    #[test]
    fn attack_08_only_a_trusted_proxy_says_who_the_client_is() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let mut headers = HeaderMap::new();
        let mut check = |value: &'static str, peer: &str, expected: Option<&str>| {
            headers.insert("x-forwarded-for", HeaderValue::from_static(value));
            let found =
                client(&headers, peer.parse().expect("an address"), &trusted).map(|(client, _)| client.to_string());
            assert_eq!(found.as_deref(), expected, "{value} from {peer}");
        };
        check("203.0.113.9", "192.0.2.1", Some("192.0.2.1"));
        check("203.0.113.9", "10.0.0.1", Some("203.0.113.9"));
        check("1.1.1.1, 203.0.113.9, 10.0.0.2", "10.0.0.1", Some("203.0.113.9"));
        check("10.0.0.3, 10.0.0.2", "10.0.0.1", Some("10.0.0.3"));
        check("203.0.113.9, unknown", "10.0.0.1", None);
        check("203.0.113.9", "::ffff:10.0.0.1", Some("203.0.113.9"));
    }

    #[test]
    fn only_a_navigation_asks_for_a_page() {
        let check = |method: Method, fields: &[(&'static str, &'static str)], expected| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(asks_for(&method, &headers), expected, "{method} {fields:?}");
        };
        let html = ("accept", "text/html,*/*");
        check(Method::GET, &[html], AsksFor::Page);
        check(Method::GET, &[html, ("sec-fetch-mode", "navigate")], AsksFor::Page);
        check(Method::GET, &[html, ("sec-fetch-mode", "cors")], AsksFor::Data);
        check(Method::GET, &[html, ("upgrade", "websocket")], AsksFor::Data);
        check(Method::GET, &[("accept", "*/*")], AsksFor::Data);
        check(Method::POST, &[html], AsksFor::Data);
    }
}
