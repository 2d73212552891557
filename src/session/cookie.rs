//! Our cookies (RFC 6265bis): the session's, that of a browser which asked for a log-in mail, and sealed ones that hold what a
//! browser began and nobody else may finish.

use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, header};

use super::Token;
use crate::types::Language;

/// One of our cookies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CookieName {
    /// The session.
    Session,
    /// The browser that asked for a log-in mail.
    Attempt,
}

/// The cookie of a browser whose person does not want to be offered a passkey for a while. It tells nothing else, and outlives
/// a log-out.
pub const NO_PASSKEY_COOKIE: &str = "__Host-access-no-passkey";

/// The cookie of a browser in which somebody chose a language. It tells nothing else, and outlives a log-out.
pub const LANGUAGE_COOKIE: &str = "__Host-access-language";

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

/// The token in one of our cookies; of two with the name, none.
#[must_use]
pub fn cookie(headers: &HeaderMap, name: CookieName) -> Option<Token> {
    only(headers, name.as_str()).and_then(|value| std::str::from_utf8(value).ok()).and_then(Token::parse)
}

/// The language that was chosen in a browser.
#[must_use]
pub fn chosen_language(headers: &HeaderMap) -> Option<Language> {
    let value = std::str::from_utf8(only(headers, LANGUAGE_COOKIE)?).ok()?;
    Language::ALL.into_iter().find(|language| language.code() == value)
}

/// A `Set-Cookie` value that has a browser remember a language, for a year.
#[must_use]
pub const fn setting_language(language: Language) -> HeaderValue {
    HeaderValue::from_static(match language {
        Language::English => "__Host-access-language=en; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax",
        Language::German => "__Host-access-language=de; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax",
        Language::French => "__Host-access-language=fr; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax",
        Language::Spanish => "__Host-access-language=es; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax",
        Language::Bulgarian => "__Host-access-language=bg; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax",
    })
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

/// The name of a cookie that holds something sealed: `__Host-access-` and what it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedCookie(String);

impl SealedCookie {
    /// The longest value that is set, in bytes: browsers keep no more than 4096 with the name (RFC 6265bis, section 5.7).
    pub const MOST_BYTES: usize = 4000;
    const PREFIX: &str = "__Host-access-";
    const MOST_PURPOSE_BYTES: usize = 40;

    /// A cookie for a purpose; `None` unless that is a few letters, digits, `-` and `_`.
    #[must_use]
    pub fn new(purpose: &str) -> Option<Self> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_purpose = (1..=Self::MOST_PURPOSE_BYTES).contains(&purpose.len()) && purpose.bytes().all(is_fine);
        is_purpose.then(|| Self(format!("{}{purpose}", Self::PREFIX)))
    }

    /// The cookies in a request whose purpose begins so, each once.
    #[must_use]
    pub fn all(headers: &HeaderMap, purpose: &str) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for pair in pairs(headers) {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
            let Some(own) =
                name.strip_prefix(Self::PREFIX.as_bytes()).filter(|own| own.starts_with(purpose.as_bytes()))
            else {
                continue;
            };
            let cookie = std::str::from_utf8(own).ok().and_then(Self::new);
            found.extend(cookie.filter(|cookie| !found.contains(cookie)));
        }
        found
    }

    /// What it is for, as [`Self::new`] took it.
    #[must_use]
    pub fn purpose(&self) -> &str {
        self.0.get(Self::PREFIX.len()..).unwrap_or_default()
    }

    /// What a request has under the name, still sealed. As with [`cookie`], two of a name count as none.
    #[must_use]
    pub fn read(&self, headers: &HeaderMap) -> Option<Vec<u8>> {
        let value = only(headers, &self.0)?;
        (value.len() <= Self::MOST_BYTES).then(|| BASE64URL_NOPAD.decode(value).ok()).flatten()
    }

    /// A `Set-Cookie` value that hands out something sealed; `None` when it is too long for a cookie.
    ///
    /// # Panics
    /// Never: every part is ASCII.
    #[must_use]
    pub fn setting(&self, sealed: &[u8], max_age_seconds: u64) -> Option<HeaderValue> {
        let value = BASE64URL_NOPAD.encode(sealed);
        let text = format!("{}={value}; Path=/; Max-Age={max_age_seconds}; Secure; HttpOnly; SameSite=Lax", self.0);
        (value.len() <= Self::MOST_BYTES)
            .then(|| HeaderValue::try_from(text).expect("base64url, digits and the name's letters are ASCII"))
    }

    /// A `Set-Cookie` value that takes it back.
    ///
    /// # Panics
    /// Never: every part is ASCII.
    #[must_use]
    pub fn clearing(&self) -> HeaderValue {
        let text = format!("{}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax", self.0);
        HeaderValue::try_from(text).expect("the name's letters are ASCII")
    }
}

/// Every `name=value` of a request. Read as bytes: an app's own cookie may hold anything, and must not hide ours.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::COOKIE).iter().flat_map(|value| cookie_parts(value.as_bytes())).map(<[u8]>::trim_ascii)
}

/// What stands between the semicolons of a `Cookie` field. Browsers send kilobytes, so many bytes are looked at at once.
pub fn cookie_parts(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b';', field).chain([field.len()]);
    ends.scan(0, |start, end| {
        let part = field.get(*start..end);
        *start = end + 1;
        part
    })
}

/// The value of the only cookie with a name. With two of them the request is as good as without: we cannot tell which one an
/// attacker planted.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut found = pairs(headers).filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
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
    fn a_field_is_read_part_by_part() {
        for field in ["", ";", "a=b", "a=b;", ";a=b;; c=d ", "a=b; c=d"] {
            let read: Vec<_> = cookie_parts(field.as_bytes()).collect();
            let expected: Vec<_> = field.as_bytes().split(|byte| *byte == b';').collect();
            assert_eq!(read, expected, "{field:?}");
        }
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

    #[test]
    fn a_sealed_cookie_comes_back_as_it_was_set_alone_or_not_at_all() {
        let name = SealedCookie::new("flow-a_B-1234").expect("a name");
        let set = name.setting(&[0, 255, 7], 600).expect("it is short");
        let text = set.to_str().expect("ASCII");
        let pair = text.split(';').next().expect("a pair").to_owned();
        for guard in ["__Host-access-flow-a_B-1234=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
            assert!(text.contains(guard), "{guard}");
        }
        let read = |cookies: &[&str]| {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(header::COOKIE, HeaderValue::try_from(*cookie).expect("a header"));
            }
            (name.read(&headers), SealedCookie::all(&headers, "flow-"))
        };
        assert_eq!(read(&[&pair, "a=b"]), (Some(vec![0, 255, 7]), vec![name.clone()]));
        assert_eq!(read(&[&format!("{pair}; {pair}")]), (None, vec![name.clone()]));
        assert_eq!(read(&["__Host-access-flow-a_B-1234=%%%"]), (None, vec![name.clone()]));
        assert_eq!(read(&["__Host-access-flow-a b=1; __Host-access-other=1; flow-x=1"]), (None, Vec::new()));
        assert!(name.setting(&[0; SealedCookie::MOST_BYTES], 600).is_none(), "a browser would not keep it");
        assert!(is_ours("__Host-access-flow-a_B-1234"));
        for wrong in ["", "a=b", "a;b", "a b", "ä", &"a".repeat(41)] {
            assert!(SealedCookie::new(wrong).is_none(), "{wrong}");
        }
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

    #[test]
    fn a_chosen_language_comes_back_and_its_cookie_is_one_of_ours() {
        for language in Language::ALL {
            let set = setting_language(language);
            let text = set.to_str().expect("ASCII");
            let (pair, attributes) = text.split_once("; ").expect("it has attributes");
            assert_eq!(attributes, "Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax");
            assert!(pair.starts_with(LANGUAGE_COOKIE) && is_ours(LANGUAGE_COOKIE));
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(pair).expect("a header"));
            assert_eq!(chosen_language(&headers), Some(language));
        }
    }
}
