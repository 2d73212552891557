//! An answer of our own, complete: status, headers and body.
//!
//! Each constructor sets the headers that its kind of answer must never go without, so that no caller can forget one. A
//! redirect takes any text and still cannot split a header, fail, or point anywhere but to a path or an http(s) URL.

use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                           frame-ancestors 'none'";

/// The same for a page with a script of ours, which may ask this site and no other.
const SCRIPT_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; \
                             form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What such a page may ask the browser for (Permissions Policy, section 5.2; WebAuthn Level 3, section 5.9).
const SCRIPT_PERMISSIONS: &str = "publickey-credentials-get=(self), publickey-credentials-create=(self)";

/// A logo may be an SVG, which is a document when opened by its own address: it gets no script and no origin there.
const ASSET_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What a `Location` may not hold as it is. Browsers read a backslash as a slash, and drop tabs and line ends; encoded,
/// none of them can turn a path into another site's address. `%` stays, for what is encoded already.
const NOT_IN_LOCATION: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// An answer of ours, complete: `proxy::respond` writes it to the wire.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Every header but those that belong to the connection.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

impl Reply {
    /// A page.
    #[must_use]
    pub fn html(status: StatusCode, body: String) -> Self {
        Self::guarded(status, Bytes::from(body)).typed("text/html; charset=utf-8")
    }

    /// An answer for a program.
    #[must_use]
    pub fn json(status: StatusCode, value: &serde_json::Value) -> Self {
        Self::guarded(status, Bytes::from(value.to_string())).typed("application/json")
    }

    /// A line of plain text.
    #[must_use]
    pub fn text(status: StatusCode, body: &'static str) -> Self {
        Self::guarded(status, Bytes::from_static(body.as_bytes())).typed("text/plain; charset=utf-8")
    }

    /// "Go there with a GET" (303): after a form, or on the way to log in. See [`Reply::permanent`] for the location.
    #[must_use]
    pub fn see_other(location: &str) -> Self {
        Self::redirect(StatusCode::SEE_OTHER, location)
    }

    /// "It lives there, ask there the same way" (308). The location is a path or an absolute http(s) URL; what a header
    /// may not hold is percent-encoded, and any other text becomes `/`.
    #[must_use]
    pub fn permanent(location: &str) -> Self {
        Self::redirect(StatusCode::PERMANENT_REDIRECT, location)
    }

    /// A stylesheet or a picture, kept by the browser (but by no shared cache) for a while.
    #[must_use]
    pub fn asset(content_type: &'static str, body: Bytes, max_age_seconds: u32) -> Self {
        let mut headers = HeaderMap::with_capacity(5);
        let keep = format!("private, max-age={max_age_seconds}");
        headers.insert(CACHE_CONTROL, HeaderValue::try_from(keep).expect("letters and a number are a header value"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(ASSET_POLICY));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        Self { status: StatusCode::OK, headers, body }.typed(content_type)
    }

    /// A picture whose address tells its bytes: it never changes, and tells nothing of who asks, so whoever likes may keep it
    /// (RFC 8246 for `immutable`).
    #[must_use]
    pub fn lasting_asset(content_type: &'static str, body: Bytes) -> Self {
        const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
        Self::asset(content_type, body, 0).with_header(CACHE_CONTROL, FOR_GOOD)
    }

    /// Adds a `Set-Cookie`, beside those already there.
    #[must_use]
    pub fn with_cookie(mut self, set_cookie: HeaderValue) -> Self {
        self.headers.append(SET_COOKIE, set_cookie);
        self
    }

    /// Sets a header, in the place of one of that name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Lets the page use scripts of ours, and these passkeys.
    #[must_use]
    pub fn with_own_scripts(self) -> Self {
        self.with_header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SCRIPT_POLICY))
            .with_header(PERMISSIONS_POLICY, HeaderValue::from_static(SCRIPT_PERMISSIONS))
    }

    /// Says when to try again.
    pub(super) fn retry_after(self, minutes: u32) -> Self {
        self.with_header(RETRY_AFTER, HeaderValue::from(u64::from(minutes.max(1)) * 60))
    }

    /// The same, of what is over sooner.
    #[must_use]
    pub fn with_retry_after(self, after: std::time::Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    fn redirect(status: StatusCode, location: &str) -> Self {
        Self::guarded(status, Bytes::new()).with_header(LOCATION, location_value(location))
    }

    fn typed(self, content_type: &'static str) -> Self {
        self.with_header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// An answer that is meant for one person: kept by no cache, framed by nobody, running nothing, telling no one.
    fn guarded(status: StatusCode, body: Bytes) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // `no-referrer` would make browsers send `Origin: null` with our own forms (Fetch, section 3.2).
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
        Self { status, headers, body }
    }
}

/// A location that is a path of this site or an absolute http(s) URL, in visible ASCII.
///
/// A path that begins with two slashes is neither: browsers take what follows for a host.
fn location_value(location: &str) -> HeaderValue {
    HeaderValue::try_from(safe_location(location))
        .expect("controls and non-ASCII are encoded, and the rest may stand in a header")
}

/// See [`location_value`].
pub(super) fn safe_location(location: &str) -> String {
    let encoded = utf8_percent_encode(location, NOT_IN_LOCATION).to_string();
    let is_path = encoded.starts_with('/') && !encoded.starts_with("//");
    let is_url = ["https://", "http://"]
        .iter()
        .any(|scheme| encoded.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if is_path || is_url { encoded } else { "/".to_owned() }
}

impl From<Reply> for http::Response<axum::body::Body> {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(axum::body::Body::from(reply.body));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        response
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> axum::response::Response {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn location(text: &str) -> String {
        let reply = Reply::see_other(text);
        reply.headers[LOCATION].to_str().expect("visible ASCII").to_owned()
    }

    #[test]
    fn a_redirect_goes_to_a_path_or_a_url_and_nowhere_else() {
        for (given, sent) in [
            ("/orders?page=2&q=a%20b", "/orders?page=2&q=a%20b"),
            ("https://orders.example.com/a", "https://orders.example.com/a"),
            ("HTTP://orders.example.com/a", "HTTP://orders.example.com/a"),
            ("/поръчки", "/%D0%BF%D0%BE%D1%80%D1%8A%D1%87%D0%BA%D0%B8"),
            ("/a\r\nSet-Cookie: b=c", "/a%0D%0ASet-Cookie:%20b=c"),
            ("/\\evil.example", "/%5Cevil.example"),
            ("/\t/evil.example", "/%09/evil.example"),
            ("//evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("evil.example", "/"),
            (" /a", "/"),
            ("", "/"),
        ] {
            assert_eq!(location(given), sent, "{given:?}");
        }
    }

    #[test]
    fn an_asset_may_be_kept_and_an_opened_svg_runs_nothing() {
        let reply = Reply::asset("image/svg+xml", Bytes::from_static(b"<svg/>"), 60);
        assert_eq!(reply.headers[CACHE_CONTROL], "private, max-age=60");
        assert_eq!(reply.headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(reply.headers[CONTENT_SECURITY_POLICY].to_str().expect("ASCII").ends_with("sandbox"));
    }

    #[test]
    fn cookies_add_up_and_headers_replace() {
        let reply = Reply::text(StatusCode::OK, "fine")
            .with_cookie(HeaderValue::from_static("a=1"))
            .with_cookie(HeaderValue::from_static("b=2"))
            .with_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        assert_eq!(reply.headers.get_all(SET_COOKIE).iter().count(), 2);
        assert_eq!(reply.headers.get_all(CACHE_CONTROL).iter().count(), 1);
        let response = http::Response::from(reply);
        assert_eq!((response.status(), response.headers().len()), (StatusCode::OK, 8));
    }

    proptest! {
        #[test]
        fn no_text_splits_a_redirect_or_leaves_the_site_unseen(text in "(/|//|https://|\\\\)?\\PC{0,20}[\r\n\t\0\\\\ é/]?\\PC{0,20}") {
            let sent = location(&text);
            prop_assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()));
            let lower = sent.to_ascii_lowercase();
            let path = lower.starts_with('/') && !lower.starts_with("//") && !lower.starts_with("/\\");
            prop_assert!(path || lower.starts_with("https://") || lower.starts_with("http://"), "{}", sent);
        }
    }
}
