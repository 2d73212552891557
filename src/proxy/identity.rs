//! Station 6: what the client may not say is taken out, and what we know is put in.
//!
//! Hop-by-hop fields go first (Pingora has removed them, and what `Connection` names, before this runs), then every
//! name that says who somebody is, in each spelling that an upstream might take for it; only then is ours set.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use pingora::{Error, ErrorType};

use super::filtering;
use super::preview_jar;
use super::route::Facts;
use crate::config::{HostHeader, UpstreamServer};
use crate::policy::{JwtPlan, Permit, Preset};
use crate::session::{cookie_parts, is_ours};
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
const HOP_BY_HOP: [HeaderName; 5] = [
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
];

/// So many fields of ours need no second look for room.
const ROOM_FOR_OURS: usize = 16;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is known of a request that goes to one of the upstream's servers.
#[derive(Clone, Copy)]
pub(super) struct Identity<'a> {
    /// Why it may.
    pub(super) permit: &'a Permit,
    /// What it is.
    pub(super) facts: &'a Facts,
    /// Where it goes.
    pub(super) server: Option<&'a UpstreamServer>,
    /// Whose it is.
    pub(super) live: &'a Live,
    /// Signs assertions.
    pub(super) signer: &'a Signer,
    /// Its id.
    pub(super) request_id: &'a str,
    /// Now.
    pub(super) now: Timestamp,
}

impl Identity<'_> {
    /// The fields of the upstream's head, made of those of a client's, and the target that goes with them.
    pub(super) fn shape(self, theirs: &HeaderMap) -> pingora::Result<(HeaderMap, String)> {
        let (permit, facts) = (self.permit, self.facts);
        let app = &facts.site.app;
        let operators = app.request_headers.iter().map(|(name, _)| name);
        let mut fields = kept(theirs, app.identity.own_names().chain(operators));
        // The host that was routed on, in its one spelling: an app that compares or caches by it shall not see another.
        let host = match (&app.upstream.host, self.server) {
            (HostHeader::Keep, _) | (HostHeader::Upstream, None) => value(facts.authority.as_str())?,
            (HostHeader::Upstream, Some(server)) => value(server.authority())?,
            (HostHeader::Name(name), _) => value(name.as_str())?,
        };
        fields.insert(header::HOST, host);
        // The path that was decided on is the path that goes out, moved as a whole where the config says so.
        let path = app.upstream.prefix.to_upstream(permit.path().as_str());
        let path = path.ok_or_else(|| Error::explain(ErrorType::HTTPStatus(404), "outside of the app's prefix"))?;
        let target = match filtering::query(permit, facts.query.as_deref()) {
            Some(query) => format!("{path}?{query}"),
            None => path.into_owned(),
        };
        filtering::ask(&mut fields, &facts.method, permit);
        strip_cookies(&mut fields, preview_jar::of(self.live).as_deref())?;
        strip_referer(&mut fields);
        for (name, value) in permit.access().headers() {
            fields.insert(name, value.clone());
        }
        if let Some(plan) = &app.identity.jwt {
            fields.insert(&plan.header, self.assertion(plan)?);
        }
        forwarded(&mut fields, facts)?;
        if !app.upstream.prefix.strip.is_empty() {
            // As many frameworks have it, to write links that work.
            fields.insert(X_FORWARDED_PREFIX, value(app.upstream.prefix.strip.as_str())?);
        }
        fields.insert(X_REQUEST_ID, value(self.request_id)?);
        for (name, value) in &app.request_headers {
            fields.insert(name, value.clone());
        }
        Ok((fields, target))
    }

    /// The assertion of who asks: the session's own, as long as it is fresh.
    fn assertion(self, plan: &JwtPlan) -> pingora::Result<HeaderValue> {
        let known = self.live.assertion.load();
        if let Some(known) = known.as_ref().filter(|known| self.now < known.use_until) {
            return Ok(known.value.clone());
        }
        let origin = format!("https://{}", self.facts.site.domain.host);
        let fresh = self
            .signer
            .sign(self.permit.access(), &self.live.record, plan, &origin, self.now)
            .map_err(|error| Error::explain(ErrorType::InternalError, error.to_string()))?;
        self.live.assertion.store(Some(fresh.clone()));
        Ok(fresh.value.clone())
    }
}

fn value(text: impl TryInto<HeaderValue>) -> pingora::Result<HeaderValue> {
    text.try_into().map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "a value that no field can hold"))
}

/// What a client may say of itself: not what is between two neighbours, and no name that only we may use. With room for ours.
fn kept<'a>(theirs: &HeaderMap, own: impl Iterator<Item = &'a HeaderName> + Clone) -> HeaderMap {
    let mut kept = HeaderMap::try_with_capacity(theirs.len() + ROOM_FOR_OURS).unwrap_or_default();
    for (name, value) in theirs {
        if !HOP_BY_HOP.contains(name) && !is_reserved(name.as_str(), own.clone()) {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// Whether some upstream could read a name as one of ours: CGI and its children turn every character but letters and
/// digits into `_` (RFC 3875, section 4.1.18), so `X_Access.Email` is `X-Access-Email` to them.
fn is_reserved<'a>(name: &str, mut own: impl Iterator<Item = &'a HeaderName>) -> bool {
    own.any(|other| is_same(name, other.as_str())) || (may_be_reserved(name) && is_reserved_everywhere(name))
}

/// Whether a name is reserved whatever the app's config says.
fn is_reserved_everywhere(name: &str) -> bool {
    let is_prefix = |family: &&str| name.get(..family.len()).is_some_and(|start| is_same(start, family));
    FAMILIES.iter().any(is_prefix) || reserved_names().any(|other| is_same(name, other))
}

fn reserved_names() -> impl Iterator<Item = &'static str> {
    MISLEADING.into_iter().chain(OURS).chain(Preset::reserved())
}

/// Whether any reserved name begins with the same letter and is as long: most fields of a browser need no further look.
fn may_be_reserved(name: &str) -> bool {
    /// For each first byte a bit for each length; the last one stands for all that is longer.
    static LENGTHS: LazyLock<[u64; 256]> = LazyLock::new(|| {
        let families = FAMILIES.into_iter().map(|family| (family, u64::MAX << length_bit(family)));
        let all = families.chain(reserved_names().map(|name| (name, 1 << length_bit(name))));
        let mut lengths = [0; 256];
        for (name, bits) in all {
            for other in 0..=u8::MAX {
                if name.bytes().next().is_some_and(|byte| fold(other) == fold(byte))
                    && let Some(known) = lengths.get_mut(usize::from(other))
                {
                    *known |= bits;
                }
            }
        }
        lengths
    });
    let lengths = name.bytes().next().and_then(|byte| LENGTHS.get(usize::from(byte)));
    lengths.is_some_and(|lengths| lengths & (1 << length_bit(name)) != 0)
}

fn length_bit(name: &str) -> usize {
    name.len().min(63)
}

fn is_same(name: &str, other: &str) -> bool {
    name.len() == other.len() && name.bytes().zip(other.bytes()).all(|(one, two)| fold(one) == fold(two))
}

const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Takes our cookies out of `Cookie`, and leaves the app's as they are; in a preview, those that the app has set in it, and no others.
fn strip_cookies(fields: &mut HeaderMap, jar: Option<&str>) -> pingora::Result<()> {
    let is_kept = |name: &str| jar.is_none() && !is_ours(name) && !name.starts_with(preview_jar::FAMILY);
    let is_kept_pair = |pair: &[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        is_kept(String::from_utf8_lossy(name).trim())
    };
    let values = || fields.get_all(header::COOKIE).iter();
    if values().all(|value| cookie_parts(value.as_bytes()).all(&is_kept_pair)) {
        return Ok(());
    }
    let mut kept: Vec<u8> = Vec::new();
    for pair in values().flat_map(|value| cookie_parts(value.as_bytes())) {
        let pair = pair.trim_ascii();
        let pair = match jar {
            Some(jar) => pair.strip_prefix(jar.as_bytes()).unwrap_or_default(),
            None if is_kept_pair(pair) => pair,
            None => &[],
        };
        if !pair.is_empty() {
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        }
    }
    fields.remove(header::COOKIE);
    if !kept.is_empty() {
        let value = HeaderValue::from_bytes(&kept)
            .map_err(|_| Error::explain(ErrorType::HTTPStatus(400), "malformed cookie"))?;
        fields.insert(header::COOKIE, value);
    }
    Ok(())
}

/// Takes the address of a page away that holds a token, a code, a ticket or an address: a browser names it as the page that it came from.
fn strip_referer(fields: &mut HeaderMap) {
    const HOLD_SECRETS: [&[u8]; 7] =
        [b"link/", b"oidc/", b"invitation/", b"unsubscribe/", b"login?", b"preview?", b"team?"];
    fn after<'a>(text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
        let (begin, rest) = text.split_at_checked(start.len())?;
        begin.eq_ignore_ascii_case(start).then_some(rest)
    }
    let holds_secret = |value: &HeaderValue| {
        let text = value.as_bytes();
        let mut ours = memchr::memchr_iter(b'/', text).filter_map(|slash| after(text.get(slash..)?, b"/.access/"));
        ours.any(|page| HOLD_SECRETS.iter().any(|secret| after(page, secret).is_some()))
    };
    if fields.get_all(header::REFERER).iter().any(holds_secret) {
        fields.remove(header::REFERER);
    }
}

/// `X-Forwarded-*` (as the field has it) and `Forwarded` (RFC 7239).
fn forwarded(fields: &mut HeaderMap, facts: &Facts) -> pingora::Result<()> {
    let client = facts.client.to_string();
    let element = if facts.client.is_ipv6() {
        format!("for=\"[{client}]\";host=\"{}\";proto=https", facts.authority)
    } else {
        format!("for={client};host=\"{}\";proto=https", facts.authority)
    };
    fields.insert(X_FORWARDED_FOR, value(facts.forwarded_for.clone().unwrap_or(client))?);
    fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    fields.insert(X_FORWARDED_HOST, value(facts.authority.as_str())?);
    fields.insert(header::FORWARDED, value(element)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_06_no_spelling_of_our_names_comes_from_a_client() {
        let own = [HeaderName::from_static("x-tenant")];
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
            assert!(is_reserved(name, own.iter()), "{name}");
        }
        let long = format!("x-forwarded-{}", "x".repeat(80));
        assert!(is_reserved(&long, own.iter()));
        for name in reserved_names() {
            assert!(is_reserved(name, [].iter()), "{name}");
            assert!(is_reserved(&name.to_uppercase().replace('-', "_"), [].iter()), "{name}");
        }
        for name in ["accept", "x-tenants", "authorization", "x-access-token", "remote-x", "cookie"] {
            assert!(!is_reserved(name, own.iter()), "{name}");
        }
    }

    #[test]
    fn attack_27_a_preview_has_a_jar_of_its_own() {
        for (cookies, expected) in [
            (&["sid=staff; __Host-access=x"][..], None),
            (&["sid=staff; access-preview-abc-sid=customer"], Some("sid=customer")),
            (&["access-preview-abd-sid=other", "access-preview-abc-a=1; access-preview-abc-b=2;"], Some("a=1; b=2")),
        ] {
            let mut head = HeaderMap::new();
            for cookie in cookies {
                head.append(header::COOKIE, HeaderValue::from_str(cookie).expect("a cookie"));
            }
            strip_cookies(&mut head, Some("access-preview-abc-")).expect("it can be stripped");
            let left = head.get(header::COOKIE).map(|value| value.to_str().expect("text"));
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
            let mut head = HeaderMap::new();
            head.insert(header::REFERER, HeaderValue::from_static(referer));
            strip_referer(&mut head);
            assert_eq!(head.contains_key(header::REFERER), stays, "{referer}");
        }
    }

    #[test]
    fn attack_10_our_cookies_stay_here() {
        let check = |cookies: &[&str], expected: Option<&str>| {
            let mut head = HeaderMap::new();
            for cookie in cookies {
                head.append(header::COOKIE, HeaderValue::from_str(cookie).expect("a cookie"));
            }
            strip_cookies(&mut head, None).expect("it can be stripped");
            let left: Vec<_> = head.get_all(header::COOKIE).iter().map(|value| value.to_str().expect("text")).collect();
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
