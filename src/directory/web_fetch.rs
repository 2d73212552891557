//! Asks a web server for a table, an answer at a time: over TLS, without proxies, within its time, never for more than the
//! limits, and never with a secret at another server than the one config names.
//!
//! No error here holds a URL, a header or anything of an answer: some URLs carry a token.

use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, TRANSFER_ENCODING,
};
use http::{StatusCode, Version};
use reqwest::Url;

use crate::config::{WebFormat, WebSource};
use crate::state::trust::{cause_of, client_tls, system_roots};

/// The most redirects that are followed for one answer.
const MOST_REDIRECTS: usize = 5;

/// How long a connection is kept for the next page.
const KEPT_OPEN: Duration = Duration::from_secs(2);

/// A server and how it is asked.
pub(super) struct Server {
    client: reqwest::Client,
    /// Where the table begins.
    pub(super) first: Url,
    headers: HeaderMap,
    timeout: Duration,
    format: Option<WebFormat>,
    /// Whether what we send must stay with this server.
    has_secret: bool,
}

/// What tells an answer from the next one (RFC 9110, section 8.8).
#[derive(Clone, Debug, Default)]
pub(super) struct Validators {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

/// What a server answered.
pub(super) enum Answer {
    /// It is as it was when the validators came.
    Unchanged,
    /// A page of a table.
    Page(Page),
}

/// A page of a table.
pub(super) struct Page {
    /// Where it came from in the end.
    pub(super) url: Url,
    pub(super) format: WebFormat,
    pub(super) validators: Validators,
    pub(super) text: Vec<u8>,
}

impl Validators {
    fn is_empty(&self) -> bool {
        self.etag.is_none() && self.modified.is_none()
    }
}

impl Server {
    /// Reads the CAs, so not to be called where others wait.
    pub(super) fn new(source: &WebSource, timeout: Duration) -> Result<Self, String> {
        let first = Url::parse(source.url.expose()).map_err(|_| "the URL does not parse".to_owned())?;
        let is_plain = first.scheme() == "http";
        // The system's CAs are of no use without TLS, and reading them takes time.
        let system = if is_plain { rustls::RootCertStore::empty() } else { system_roots() };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(client_tls(&system, source.ca.as_deref())?)
            .https_only(!is_plain)
            // They are followed here, where it is known what must not go elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            // The environment must not decide who reads what we send.
            .no_proxy()
            .referer(false)
            // Kept from one reading to the next, a connection might be closed by the server in the very moment it is used.
            .pool_idle_timeout(KEPT_OPEN)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| cause_of(&error))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accepted(source.format)));
        // Nothing is unpacked here: a small answer must not become a large one.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in &source.headers {
            // Config let no other value through.
            if let Ok(mut value) = HeaderValue::from_str(value.expose()) {
                value.set_sensitive(true);
                headers.insert(name.clone(), value);
            }
        }
        let has_secret = !source.headers.is_empty() || !first.username().is_empty() || first.password().is_some();
        Ok(Self { client, first, headers, timeout, format: source.format, has_secret })
    }

    /// Asks for a page of at most `most` bytes.
    pub(super) async fn ask(&self, url: &Url, known: Option<&Validators>, most: u64) -> Result<Answer, String> {
        let known = known.filter(|known| !known.is_empty());
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(&url, known).await?;
            let status = response.status();
            if let (true, Some(place)) = (is_redirect(status), response.headers().get(LOCATION)) {
                url = self.redirected(&url, place)?;
                continue;
            }
            return match (status, known) {
                (StatusCode::NOT_MODIFIED, Some(_)) => Ok(Answer::Unchanged),
                (StatusCode::OK, _) => self.page(url, response, most).await.map(Answer::Page),
                _ => Err(format!("it answered with status {}", status.as_u16())),
            };
        }
        Err(format!("it sent us elsewhere more than {MOST_REDIRECTS} times"))
    }

    /// Whether a page may be asked for: only the server that config names is sent what is meant for it.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.first.origin()
    }

    /// The same URL with the user and password of the first one, where that has them.
    pub(super) fn with_user(&self, mut url: Url) -> Url {
        if self.is_home(&url) && self.has_secret {
            // A URL with a host takes both.
            let _ = url.set_username(self.first.username());
            let _ = url.set_password(self.first.password());
        }
        url
    }

    fn redirected(&self, from: &Url, place: &HeaderValue) -> Result<Url, String> {
        let place = place.to_str().ok().and_then(|place| from.join(place).ok());
        let mut to = place.ok_or("it sent us to where no URL leads")?;
        to.set_fragment(None);
        if self.is_home(&to) {
            return Ok(self.with_user(to));
        }
        // Published spreadsheets are given out by another server than the one they are published at.
        match (self.has_secret, to.scheme()) {
            (true, _) => Err(format!(
                "it sent us to another server ({}), which is not followed with `headers` or a password",
                to.origin().ascii_serialization()
            )),
            (false, "https") => {
                let _ = to.set_username("");
                let _ = to.set_password(None);
                Ok(to)
            }
            (false, _) => Err("it sent us to where there is no TLS".to_owned()),
        }
    }

    async fn send(&self, url: &Url, known: Option<&Validators>) -> Result<reqwest::Response, String> {
        let mut headers = self.headers.clone();
        if let Some(known) = known {
            let mut add = |name: HeaderName, value: &Option<HeaderValue>| {
                if let Some(value) = value {
                    headers.insert(name, value.clone());
                }
            };
            add(IF_NONE_MATCH, &known.etag);
            add(IF_MODIFIED_SINCE, &known.modified);
        }
        let request = self.client.get(url.clone()).headers(headers).send();
        within(self.timeout, request).await?.map_err(|error| format!("it cannot be reached: {}", cause_of(&error)))
    }

    async fn page(&self, url: Url, mut response: reqwest::Response, most: u64) -> Result<Page, String> {
        let headers = response.headers();
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err("its answer is compressed, which was not asked for".to_owned());
        }
        let length = response.content_length();
        let has_end =
            length.is_some() || headers.contains_key(TRANSFER_ENCODING) || response.version() > Version::HTTP_11;
        if !has_end && url.scheme() == "http" {
            // Over TLS a connection that is cut is told from one that ends (RFC 8446, section 6.1).
            return Err("its answer does not say where it ends".to_owned());
        }
        let format = self.format_of(headers)?;
        let validators = Validators { etag: headers.get(ETAG).cloned(), modified: headers.get(LAST_MODIFIED).cloned() };
        let too_long = || "its answers are longer than the most that is taken".to_owned();
        if length.is_some_and(|length| length > most) {
            return Err(too_long());
        }
        let mut text = Vec::with_capacity(length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0));
        while let Some(piece) = within(self.timeout, response.chunk())
            .await?
            .map_err(|error| format!("its answer broke off: {}", cause_of(&error)))?
        {
            if (text.len() + piece.len()) as u64 > most {
                return Err(too_long());
            }
            text.extend_from_slice(&piece);
        }
        Ok(Page { url, format, validators, text })
    }

    fn format_of(&self, headers: &HeaderMap) -> Result<WebFormat, String> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if matches!(kind.as_str(), "text/html" | "application/xhtml+xml") {
            // Most likely a page that asks for a password, or that says that something is wrong.
            return Err("its answer is a web page, not a table".to_owned());
        }
        let told = match kind.as_str() {
            "text/csv" | "application/csv" | "text/tab-separated-values" => Some(WebFormat::Csv),
            "application/json" | "text/json" => Some(WebFormat::Json),
            other if other.starts_with("application/") && other.ends_with("+json") => Some(WebFormat::Json),
            _ => None,
        };
        self.format.or(told).ok_or_else(|| {
            let kind: String = kind.chars().filter(char::is_ascii_graphic).take(80).collect();
            format!("its answer has the content type `{kind}`, which is neither CSV nor JSON; `format` in config says which it is")
        })
    }
}

fn accepted(format: Option<WebFormat>) -> &'static str {
    match format {
        Some(WebFormat::Csv) => "text/csv, */*;q=0.1",
        Some(WebFormat::Json) => "application/json, */*;q=0.1",
        None => "application/json, text/csv, */*;q=0.1",
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

async fn within<T>(most: Duration, work: impl Future<Output = T>) -> Result<T, String> {
    let late = |_| format!("no answer within {} s", most.as_secs_f32());
    tokio::time::timeout(most, work).await.map_err(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Secret;

    fn server(url: &str, headers: &[(&str, &str)]) -> Server {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(*name).expect("a name");
            (name, Secret::new((*value).to_owned()))
        });
        let source = WebSource {
            url: Secret::new(url.to_owned()),
            format: None,
            headers: headers.collect(),
            rows: String::new(),
            fields: Vec::new(),
            next: None,
            ca: None,
        };
        Server::new(&source, Duration::from_secs(1)).expect("a client")
    }

    /// Where a redirect leads, or why not.
    fn led(server: &Server, place: &str) -> String {
        let place = HeaderValue::from_str(place).expect("a value");
        server.redirected(&server.first, &place).map_or_else(|why| why, |url| url.to_string())
    }

    #[test]
    fn a_redirect_to_another_server_is_followed_only_without_secrets_and_only_to_https() {
        let open = server("https://docs.example.com/sheet?output=csv", &[]);
        for (place, to) in [
            ("/other", "https://docs.example.com/other"),
            ("https://docs.example.com:443/x#y", "https://docs.example.com/x"),
            ("https://files.example.net/x?key=1", "https://files.example.net/x?key=1"),
            ("https://ann:pass@files.example.net/", "https://files.example.net/"),
            ("//files.example.net/", "https://files.example.net/"),
            ("http://docs.example.com/", "it sent us to where there is no TLS"),
            ("http://127.0.0.1/", "it sent us to where there is no TLS"),
            ("ftp://files.example.net/", "it sent us to where there is no TLS"),
            ("file:///etc/passwd", "it sent us to where there is no TLS"),
        ] {
            assert_eq!(led(&open, place), to, "{place}");
        }
        for closed in [
            server("https://api.example.com/v0", &[("authorization", "Bearer x")]),
            server("https://ann:pass@api.example.com/v0", &[]),
        ] {
            for place in ["https://files.example.net/", "https://api.example.com:8443/", "http://api.example.com/"] {
                let why = led(&closed, place);
                assert!(why.starts_with("it sent us to another server (http"), "{place}: {why}");
                assert!(!why.contains("ann:"), "{why}");
            }
            assert!(led(&closed, "/v1").ends_with("api.example.com/v1"));
        }
        assert_eq!(
            led(&server("https://ann:pass@a.example/v0", &[]), "https://a.example/v1"),
            "https://ann:pass@a.example/v1"
        );
    }

    #[test]
    fn the_content_type_tells_the_format_unless_config_does() {
        let kind_of = |server: &Server, kind: &str| {
            let headers = [(CONTENT_TYPE, HeaderValue::from_str(kind).expect("a value"))].into_iter().collect();
            server.format_of(&headers)
        };
        let mut server = server("https://a.example/", &[]);
        assert_eq!(kind_of(&server, "Text/CSV; charset=utf-8"), Ok(WebFormat::Csv));
        assert_eq!(kind_of(&server, "application/vnd.api+json"), Ok(WebFormat::Json));
        assert!(kind_of(&server, "text/plain").is_err());
        assert!(kind_of(&server, "text/html").is_err());
        server.format = Some(WebFormat::Csv);
        assert_eq!(kind_of(&server, "text/plain"), Ok(WebFormat::Csv));
        assert_eq!(kind_of(&server, "application/octet-stream"), Ok(WebFormat::Csv));
        assert!(kind_of(&server, "text/html; charset=utf-8").is_err(), "a page that asks for a password");
    }
}
