//! What an answer says of paths and hosts, in the customer's terms.
//!
//! Where the config moves paths or changes the host, the app knows itself by other names than the customer does. Its redirects and
//! its cookies' paths are put right here; links within pages are the app's own to write (`X-Forwarded-Prefix` and
//! `X-Forwarded-Host` tell it how).

use http::{HeaderValue, header};
use pingora::http::ResponseHeader;

use super::route::Facts;
use crate::config::{HostHeader, Prefix, UpstreamServer};

/// Puts `Location`, `Content-Location` and the `Path` of cookies right.
pub(super) fn relocate(
    response: &mut ResponseHeader,
    facts: &Facts,
    server: Option<&UpstreamServer>,
) -> pingora::Result<()> {
    let upstream = &facts.site.app.upstream;
    let prefix = &upstream.prefix;
    let (moves_paths, changes_host) = (*prefix != Prefix::default(), upstream.host != HostHeader::Keep);
    if !moves_paths && !changes_host {
        return Ok(());
    }
    let inner = match &upstream.host {
        HostHeader::Keep => None,
        HostHeader::Upstream => server.map(UpstreamServer::authority),
        HostHeader::Name(name) => Some(name.clone()),
    };
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let Some(value) = response.headers.get(&name).and_then(|value| value.to_str().ok()) else { continue };
        if let Some(new) = location(value, prefix, &facts.authority, inner.as_deref()) {
            response.insert_header(name, new)?;
        }
    }
    if moves_paths && response.headers.contains_key(header::SET_COOKIE) {
        let cookies: Vec<HeaderValue> = response
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| {
                let new = value.to_str().ok().and_then(|text| HeaderValue::try_from(cookie(text, prefix)).ok());
                new.unwrap_or_else(|| value.clone())
            })
            .collect();
        response.remove_header(&header::SET_COOKIE);
        for cookie in cookies {
            response.append_header(header::SET_COOKIE, cookie)?;
        }
    }
    Ok(())
}

/// The place where the customer finds what the app calls `value`, where that differs.
fn location(value: &str, prefix: &Prefix, outer: &str, inner: Option<&str>) -> Option<String> {
    let (origin, rest) = match value.strip_prefix("//").or_else(|| after_scheme(value)) {
        Some(rest) => {
            let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            if inner.is_some_and(|inner| inner.eq_ignore_ascii_case(authority)) {
                (Some(format!("https://{outer}")), rest)
            } else if authority.eq_ignore_ascii_case(outer) {
                let origin = value.strip_suffix(rest)?;
                (Some(origin.to_owned()), rest)
            } else {
                return None;
            }
        }
        // A relative reference goes where it went: only whole segments before it changed.
        None if !value.starts_with('/') => return None,
        None => (None, value),
    };
    let (path, tail) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let path = prefix.to_customer(if path.is_empty() { "/" } else { path })?;
    let origin = origin.unwrap_or_else(|| if is_plain(&path) { String::new() } else { format!("https://{outer}") });
    Some(format!("{origin}{path}{tail}"))
}

/// What follows the scheme of an absolute URL. A path may hold `://` too, in its query say.
fn after_scheme(value: &str) -> Option<&str> {
    let (scheme, rest) = value.split_once("://")?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    scheme.bytes().all(is_scheme).then_some(rest)
}

/// Whether browsers take a path by itself for a path of this host. Of `/base//elsewhere.test` without `/base` they would not: nor with
/// a backslash there, or with white space, which they drop before they look.
fn is_plain(path: &str) -> bool {
    !path.as_bytes().get(1).is_some_and(|byte| matches!(byte, b'/' | b'\\' | 0..=b' '))
}

/// The cookie with its path as the customer has it. What names no path gets the customer's own by itself.
fn cookie(text: &str, prefix: &Prefix) -> String {
    // Browsers take such a name only with `Path=/` (RFC 6265bis, section 4.1.3.2).
    if text.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("__Host-")) {
        return text.to_owned();
    }
    let attribute = |part: &str| match part.split_once('=') {
        Some((name, path)) if name.trim().eq_ignore_ascii_case("path") => cookie_path(path.trim(), prefix),
        _ => None,
    };
    let mut parts = text.split(';');
    let mut new = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        new.push(';');
        match attribute(part) {
            Some(path) => {
                new.push_str(" Path=");
                new.push_str(&path);
            }
            None => new.push_str(part),
        }
    }
    new
}

fn cookie_path(path: &str, prefix: &Prefix) -> Option<String> {
    let bare = path.trim_end_matches('/');
    // Good for all of the app, as far as the customer can name it.
    let is_whole = path.starts_with('/') && (prefix.add == bare || prefix.add.starts_with(&format!("{bare}/")));
    if is_whole || (path == "/" && prefix.add.is_empty()) {
        return Some(if prefix.strip.is_empty() { "/".to_owned() } else { prefix.strip.clone() });
    }
    prefix.to_customer(path).map(|path| path.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(strip: &str, add: &str) -> Prefix {
        Prefix { strip: strip.to_owned(), add: add.to_owned() }
    }

    #[test]
    fn a_redirect_goes_where_the_customer_finds_it() {
        let both = prefix("/shop", "/base/v2");
        let check = |value, expected: Option<&str>| {
            let new = location(value, &both, "orders.test:8443", Some("app.internal:8080"));
            assert_eq!(new.as_deref(), expected, "{value}");
        };
        check("/base/v2/cart?x=/base/v2#y", Some("/shop/cart?x=/base/v2#y"));
        check("/base/v2", Some("/shop/"));
        check("/base/v22/cart", None);
        check("/other", None);
        check("cart", None);
        check("?page=2", None);
        check("http://app.internal:8080/base/v2/cart", Some("https://orders.test:8443/shop/cart"));
        check("//APP.internal:8080/base/v2/cart", Some("https://orders.test:8443/shop/cart"));
        check("https://orders.test:8443/base/v2/cart", Some("https://orders.test:8443/shop/cart"));
        check("https://elsewhere.test/base/v2/cart", None);
        check("https://app.internal:8080@elsewhere.test/base/v2/", None);
        assert_eq!(
            location("http://app.internal", &Prefix::default(), "orders.test", Some("app.internal")).as_deref(),
            Some("https://orders.test/")
        );
    }

    #[test]
    fn attack_15_a_path_that_loses_its_prefix_does_not_become_another_host() {
        let check = |value: &str, expected: &str| {
            let new = location(value, &prefix("", "/base"), "orders.test", None);
            assert_eq!(new.as_deref(), Some(expected), "{value:?}");
        };
        check("/base//elsewhere.test/x", "https://orders.test//elsewhere.test/x");
        check("/base/\\elsewhere.test/x", "https://orders.test/\\elsewhere.test/x");
        check("/base/\t/elsewhere.test/x", "https://orders.test/\t/elsewhere.test/x");
        check("/base/cart", "/cart");
        check("https://orders.test/base//elsewhere.test", "https://orders.test//elsewhere.test");
    }

    #[test]
    fn an_address_in_a_query_is_no_host() {
        let both = prefix("/shop", "/base");
        let check = |value: &str, expected: &str| {
            let new = location(value, &both, "orders.test", Some("app.internal"));
            assert_eq!(new.as_deref(), Some(expected), "{value:?}");
        };
        check("/base/login?next=https://orders.test/base/x", "/shop/login?next=https://orders.test/base/x");
        check("/base/login?next=http://app.internal/base/x", "/shop/login?next=http://app.internal/base/x");
        check("/base/login?next=https://elsewhere.test/", "/shop/login?next=https://elsewhere.test/");
    }

    #[test]
    fn a_cookie_is_good_for_the_same_pages() {
        let check = |strip, add, path: &str, expected: &str| {
            let new = cookie(&format!("a=b; PATH = {path} ; Secure"), &prefix(strip, add));
            assert_eq!(new, format!("a=b; Path={expected}; Secure"), "{path} from {strip:?} to {add:?}");
        };
        check("", "/base", "/", "/");
        check("", "/base", "/base", "/");
        check("", "/base", "/base/", "/");
        check("", "/base", "/base/cart", "/cart");
        check("/shop", "", "/", "/shop");
        check("/shop", "", "/cart", "/shop/cart");
        check("/shop", "/base/v2", "/base", "/shop");
        check("/shop", "/base/v2", "/base/v2/cart", "/shop/cart");
        for untouched in ["a=b", "a=b; Secure", "__Host-a=b; Path=/; Secure", "a=b; Path=/elsewhere", "a=path=/base"] {
            assert_eq!(cookie(untouched, &prefix("/shop", "/base")), untouched);
        }
    }
}
