//! Our cookies (RFC 6265bis): the session's, and that of a browser which asked for a log-in mail.

use http::{HeaderMap, HeaderValue, header};

use super::Token;

/// One of our cookies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CookieName {
    /// The session.
    Session,
    /// The browser that asked for a log-in mail.
    Attempt,
}

impl CookieName {
    /// The name on the wire. `__Host-` makes browsers insist on Secure, `Path=/` and no `Domain`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "__Host-access",
            Self::Attempt => "__Host-access-try",
        }
    }
}

/// Whether a cookie's name is one of ours, in any case, `__Host-access` or one that begins with `__Host-access-`: such
/// a cookie never goes upstream, and no upstream may set one.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    const SESSION: &str = CookieName::Session.as_str();
    let name = name.trim();
    let starts_as_ours = name.get(..SESSION.len()).is_some_and(|start| start.eq_ignore_ascii_case(SESSION));
    starts_as_ours && matches!(name.as_bytes().get(SESSION.len()), None | Some(b'-'))
}

/// The token in one of our cookies.
///
/// With two cookies of the name the request is as good as without: we cannot tell which one an attacker planted.
#[must_use]
pub fn cookie(headers: &HeaderMap, name: CookieName) -> Option<Token> {
    // Read as bytes: an app's own cookie may hold anything, and must not hide ours.
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_str().as_bytes())?.strip_prefix(b"="));
    match (found.next(), found.next()) {
        (Some(value), None) => std::str::from_utf8(value).ok().and_then(Token::parse),
        _ => None,
    }
}

/// A `Set-Cookie` value that hands out a token.
///
/// # Panics
/// Never: every part is ASCII.
#[must_use]
pub fn setting(name: CookieName, token: &Token, max_age_seconds: u64) -> HeaderValue {
    let text = format!(
        "{}={}; Path=/; Max-Age={max_age_seconds}; Secure; HttpOnly; SameSite=Lax",
        name.as_str(),
        token.expose()
    );
    HeaderValue::try_from(text).expect("base64url and digits are ASCII")
}

/// A `Set-Cookie` value that takes a cookie back.
#[must_use]
pub const fn clearing(name: CookieName) -> HeaderValue {
    HeaderValue::from_static(match name {
        CookieName::Session => "__Host-access=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
        CookieName::Attempt => "__Host-access-try=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cookies: &[&str], found: bool) {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).expect("a header"));
        }
        assert_eq!(cookie(&headers, CookieName::Session).is_some(), found, "{cookies:?}");
    }

    #[test]
    fn a_session_cookie_is_found_alone_or_not_at_all() {
        let token = Token::new([1; 32]).expose();
        let ours = format!("__Host-access={token}");
        check(&[&ours], true);
        check(&["a=b", &format!("c=d; {ours} ;e=f")], true);
        check(&[&format!("name=Zo\u{eb}; {ours}")], true);
        check(&[&format!("__Host-access-try={token}")], false);
        check(&[&ours, &ours], false);
        check(&[&format!("{ours}; {ours}")], false);
        check(&["__Host-access=", "__Host-access=zzz", "__HOST-ACCESS=1"], false);
        check(&[&format!("__host-access={token}")], false);
    }

    #[test]
    fn set_cookie_has_every_guard() {
        let value = setting(CookieName::Session, &Token::new([1; 32]), 60);
        let text = value.to_str().expect("ASCII");
        for guard in ["__Host-access=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=60"] {
            assert!(text.contains(guard), "{guard}");
        }
        assert!(!text.contains("Domain"));
    }

    proptest::proptest! {
        #[test]
        fn any_cookie_field_is_answered(fields in proptest::collection::vec("[ -~é]{0,80}", 0..4)) {
            let mut headers = HeaderMap::new();
            for field in &fields {
                if let Ok(value) = HeaderValue::from_bytes(field.as_bytes()) {
                    headers.append(header::COOKIE, value);
                }
            }
            proptest::prop_assert!(cookie(&headers, CookieName::Session).is_none(), "nobody guesses a token");
        }
    }
}
