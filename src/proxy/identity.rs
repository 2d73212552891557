//! Station 6: what the client may not say is taken out, and what we know is put in.
//!
//! Hop-by-hop fields go first (Pingora has removed them, and what `Connection` names, before this runs), then every
//! name that says who somebody is, in each spelling that an upstream might take for it; only then is ours set.

use http::{HeaderName, HeaderValue, header};
use jiff::Timestamp;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType};

use super::filtering;
use super::preview_jar;
use super::route::Facts;
use crate::config::{HostHeader, UpstreamServer};
use crate::policy::{Permit, Preset};
use crate::session::is_ours;
use crate::state::assertion::Signer;
use crate::state::sessions::Live;

/// Names that change what a request is, who sent it, or where it seems to come from, for some upstreams.
const MISLEADING: [&str; 28] = [
    "client-ip",
    "forwarded",
    "front-end-https",
    // CGI's `HTTP_PROXY`, where a program sends its own requests ("httpoxy", CVE-2016-5385).
    "proxy",
    "true-client-ip",
    "x-authenticated-user",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-url",
    "x-override-url",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-remote-email",
    "x-remote-groups",
    "x-remote-name",
    "x-remote-user",
    "x-request-id",
    "x-rewrite-url",
    "x-url-scheme",
    "x-webauth-user",
];
/// Families of names of which none may come from a client.
const FAMILIES: [&str; 2] = ["x-forwarded-", "x-auth-request-"];
/// Names of ours beside those of the presets. `X-Access-` is no family, for apps have headers such as `X-Access-Token`.
const OURS: [&str; 3] = ["x-access-actor", "x-access-assertion", "x-access-level"];

/// What is said between two neighbours only. Pingora takes these and more out where it turns one protocol into the other or HTTP/1.1
/// goes on, and leaves them between HTTP/2 and HTTP/2.
const HOP_BY_HOP: [&str; 5] =
    ["http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"];

/// Turns a client's head into that of one of the upstream's servers.
#[expect(clippy::too_many_arguments, reason = "each is a fact of its own, and all are known only here")]
pub(super) fn shape(
    upstream: &mut RequestHeader,
    permit: &Permit,
    facts: &Facts,
    server: Option<&UpstreamServer>,
    live: &Live,
    signer: &Signer,
    request_id: &str,
    now: Timestamp,
) -> pingora::Result<()> {
    let app = &facts.site.app;
    for name in HOP_BY_HOP {
        upstream.remove_header(name);
    }
    let operators = app.request_headers.iter().map(|(name, _)| name);
    strip(upstream, &app.identity.own_names().chain(operators).collect::<Vec<_>>());
    // The host that was routed on, in its one spelling: an app that compares or caches by it shall not see another.
    match (&app.upstream.host, server) {
        (HostHeader::Keep, _) | (HostHeader::Upstream, None) => {
            upstream.insert_header(header::HOST, facts.authority.as_str())?;
        }
        (HostHeader::Upstream, Some(server)) => upstream.insert_header(header::HOST, server.authority())?,
        (HostHeader::Name(name), _) => upstream.insert_header(header::HOST, name.as_str())?,
    }
    // The path that was decided on is the path that goes out, moved as a whole where the config says so.
    let path = app.upstream.prefix.to_upstream(permit.path().as_str());
    let path = path.ok_or_else(|| Error::explain(ErrorType::HTTPStatus(404), "outside of the app's prefix"))?;
    match filtering::query(permit, facts.query.as_deref()) {
        Some(query) => upstream.set_raw_path(format!("{path}?{query}").as_bytes())?,
        None => upstream.set_raw_path(path.as_bytes())?,
    }
    filtering::ask(upstream, permit)?;
    strip_cookies(upstream, preview_jar::of(live).as_deref())?;
    strip_referer(upstream);
    for (name, value) in permit.access().headers() {
        upstream.insert_header(name, value)?;
    }
    if let Some(plan) = &app.identity.jwt {
        let origin = format!("https://{}", facts.site.domain.host);
        let assertion = match live.assertion.load_full().filter(|assertion| now < assertion.use_until) {
            Some(assertion) => assertion,
            None => {
                let fresh = signer
                    .sign(permit.access(), &live.record, plan, &origin, now)
                    .map_err(|error| Error::explain(ErrorType::InternalError, error.to_string()))?;
                live.assertion.store(Some(fresh.clone()));
                fresh
            }
        };
        upstream.insert_header(&plan.header, &assertion.value)?;
    }
    forwarded(upstream, facts)?;
    if !app.upstream.prefix.strip.is_empty() {
        // As many frameworks have it, to write links that work.
        upstream.insert_header("x-forwarded-prefix", app.upstream.prefix.strip.as_str())?;
    }
    upstream.insert_header("x-request-id", request_id)?;
    for (name, value) in &app.request_headers {
        upstream.insert_header(name, value)?;
    }
    Ok(())
}

/// Removes every name that only we may use.
fn strip(head: &mut RequestHeader, own: &[&HeaderName]) {
    let doomed: Vec<HeaderName> = head.headers.keys().filter(|name| is_reserved(name.as_str(), own)).cloned().collect();
    for name in doomed {
        head.remove_header(&name);
    }
}

/// Whether some upstream could read a name as one of ours: CGI and its children turn every character but letters and
/// digits into `_` (RFC 3875, section 4.1.18), so `X_Access.Email` is `X-Access-Email` to them.
fn is_reserved(name: &str, own: &[&HeaderName]) -> bool {
    let is_prefix = |family: &&str| name.get(..family.len()).is_some_and(|start| is_same(start, family));
    FAMILIES.iter().any(is_prefix)
        || MISLEADING.iter().chain(&OURS).any(|other| is_same(name, other))
        || Preset::reserved().any(|other| is_same(name, other))
        || own.iter().any(|other| is_same(name, other.as_str()))
}

fn is_same(name: &str, other: &str) -> bool {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == other.len() && name.bytes().zip(other.bytes()).all(|(one, two)| fold(one) == fold(two))
}

/// Takes our cookies out of `Cookie`, and leaves the app's as they are; in a preview, those that the app has set in it, and no others.
fn strip_cookies(head: &mut RequestHeader, jar: Option<&str>) -> pingora::Result<()> {
    let is_kept = |name: &str| jar.is_none() && !is_ours(name) && !name.starts_with(preview_jar::FAMILY);
    let name_of = |pair: &[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        String::from_utf8_lossy(name).trim().to_owned()
    };
    let values = || head.headers.get_all(header::COOKIE).iter();
    if values().all(|value| value.as_bytes().split(|byte| *byte == b';').all(|pair| is_kept(&name_of(pair)))) {
        return Ok(());
    }
    let mut kept: Vec<u8> = Vec::new();
    for pair in values().flat_map(|value| value.as_bytes().split(|byte| *byte == b';')) {
        let pair = pair.trim_ascii();
        let pair = match jar {
            Some(jar) => pair.strip_prefix(jar.as_bytes()).unwrap_or_default(),
            None if is_kept(&name_of(pair)) => pair,
            None => &[],
        };
        if !pair.is_empty() {
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        }
    }
    head.remove_header(&header::COOKIE);
    if !kept.is_empty() {
        let value = HeaderValue::from_bytes(&kept)
            .map_err(|_| Error::explain(ErrorType::HTTPStatus(400), "malformed cookie"))?;
        head.insert_header(header::COOKIE, value)?;
    }
    Ok(())
}

/// Takes the address of a page away that holds a token, a code, a ticket or an address: a browser names it as the page that it came from.
fn strip_referer(head: &mut RequestHeader) {
    const HOLD_SECRETS: [&[u8]; 7] = [
        b"/.access/link/",
        b"/.access/oidc/",
        b"/.access/invitation/",
        b"/.access/unsubscribe/",
        b"/.access/login?",
        b"/.access/preview?",
        b"/.access/team?",
    ];
    let holds_secret = |value: &HeaderValue| {
        let text = value.as_bytes().to_ascii_lowercase();
        HOLD_SECRETS.iter().any(|secret| text.windows(secret.len()).any(|part| part == *secret))
    };
    if head.headers.get_all(header::REFERER).iter().any(holds_secret) {
        head.remove_header(&header::REFERER);
    }
}

/// `X-Forwarded-*` (as the field has it) and `Forwarded` (RFC 7239).
fn forwarded(head: &mut RequestHeader, facts: &Facts) -> pingora::Result<()> {
    let client = facts.client.to_string();
    let element = if facts.client.is_ipv6() {
        format!("for=\"[{client}]\";host=\"{}\";proto=https", facts.authority)
    } else {
        format!("for={client};host=\"{}\";proto=https", facts.authority)
    };
    head.insert_header("x-forwarded-for", facts.forwarded_for.as_deref().unwrap_or(&client))?;
    head.insert_header("x-forwarded-proto", "https")?;
    head.insert_header("x-forwarded-host", facts.authority.as_str())?;
    head.insert_header("forwarded", element)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_06_no_spelling_of_our_names_comes_from_a_client() {
        let own = [HeaderName::from_static("x-tenant")];
        let own: Vec<_> = own.iter().collect();
        for name in [
            "x-access-email",
            "x_access_email",
            "x-access_email",
            "x.access.email",
            "x-access-actor",
            "remote-user",
            "remote_user",
            "x-tenant",
            "x_tenant",
            "x-forwarded-for",
            "x_forwarded_for",
            "forwarded",
            "x-real-ip",
            "x-http-method-override",
            "x_original_url",
            "x-auth-request-email",
        ] {
            assert!(is_reserved(name, &own), "{name}");
        }
        for name in ["accept", "x-tenants", "authorization", "x-access-token", "remote-x", "cookie"] {
            assert!(!is_reserved(name, &own), "{name}");
        }
    }

    #[test]
    fn attack_27_a_preview_has_a_jar_of_its_own() {
        for (cookies, expected) in [
            (&["sid=staff; __Host-access=x"][..], None),
            (&["sid=staff; access-preview-abc-sid=customer"], Some("sid=customer")),
            (&["access-preview-abd-sid=other", "access-preview-abc-a=1; access-preview-abc-b=2;"], Some("a=1; b=2")),
        ] {
            let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
            for cookie in cookies {
                head.append_header(header::COOKIE, *cookie).expect("a cookie");
            }
            strip_cookies(&mut head, Some("access-preview-abc-")).expect("it can be stripped");
            let left = head.headers.get(header::COOKIE).map(|value| value.to_str().expect("text"));
            assert_eq!(left, expected, "{cookies:?}");
        }
    }

    #[test]
    fn attack_10_the_address_of_a_page_with_a_secret_stays_here() {
        for (referer, stays) in [
            ("https://orders.test/.access/link/abc", false),
            ("https://orders.test/.access/oidc/callback?code=abc&state=def", false),
            ("https://orders.test/.ACCESS/OIDC/ticket?ticket=abc", false),
            ("https://orders.test/.access/invitation/abc", false),
            ("https://orders.test/.access/login?stay=1&email=ann%40example.com", false),
            ("https://orders.test/.access/unsubscribe/abc", false),
            ("https://orders.test/.access/preview?q=ann%40example.com", false),
            ("https://orders.test/.access/team?q=ann", false),
            ("https://orders.test/.access/account", true),
            ("https://orders.test/orders?page=2", true),
        ] {
            let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
            head.insert_header(header::REFERER, referer).expect("a header");
            strip_referer(&mut head);
            assert_eq!(head.headers.contains_key(header::REFERER), stays, "{referer}");
        }
    }

    #[test]
    fn attack_10_our_cookies_stay_here() {
        let check = |cookies: &[&str], expected: Option<&str>| {
            let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
            for cookie in cookies {
                head.append_header(header::COOKIE, *cookie).expect("a cookie");
            }
            strip_cookies(&mut head, None).expect("it can be stripped");
            let left: Vec<_> =
                head.headers.get_all(header::COOKIE).iter().map(|value| value.to_str().expect("text")).collect();
            assert_eq!(left.first().copied(), expected, "{cookies:?}");
            assert!(left.len() < 2);
        };
        check(&["__Host-access=x"], None);
        check(&["a=1; __Host-access=x; b=2"], Some("a=1; b=2"));
        check(&["a=1", "__Host-access-try=x", "b=2"], Some("a=1; b=2"));
        check(&["__HOST-ACCESS=x; a=1"], Some("a=1"));
        check(&["a=__Host-access"], Some("a=__Host-access"));
        check(&["a=1; access-preview-x-sid=2"], Some("a=1"));
    }
}
