//! How an authority is asked: over TLS with the system's CAs and its own, without redirects or proxies, within its time, and
//! never for more than a mebibyte.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use jiff::Timestamp;

use crate::state::clock::Clock;
use crate::state::trust::{cause_of, client_tls, system_roots};

/// No honest answer comes near: chains and directories have some kibibytes.
const MOST_BYTES: usize = 1024 * 1024;

/// How long one request may take: authorities that validate within it take their time.
const MOST_TIME: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);

/// The longest time that an authority may put us off for. One that says more, by mistake or in malice, is asked again all the same; and
/// the ACME client counts in a type that more would overflow.
const MOST_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// When to ask for renewal information again where the authority does not say (RFC 9773, section 4.3.3).
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("21600");

/// Why there is no answer in ACME.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Nothing came.
    #[error("{0}")]
    Failed(String),
    /// It takes no more for now.
    #[error("{detail}")]
    TooMany { detail: String, retry_after: Option<Duration> },
    /// It is there, and out of order.
    #[error("it answers with status {status}")]
    Unavailable { status: u16, retry_after: Option<Duration> },
    /// It sent us elsewhere.
    #[error("it sends us elsewhere, which is not followed")]
    Redirected,
    /// It does not stop.
    #[error("its answer is longer than 1 MiB")]
    TooLong,
}

/// Asks one authority.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    clock: Clock,
}

impl Transport {
    /// A client that trusts the system's CAs and those of a file.
    pub(super) fn new(ca: Option<&Path>, clock: Clock) -> Result<Self, String> {
        let tls = client_tls(&system_roots(), ca)?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            // What is signed for one address is for no other.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(MOST_TIME)
            .build()
            .map_err(|error| cause_of(&error))?;
        Ok(Self { client, clock })
    }

    /// What stands at an address.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, instant_acme::Error> {
        let request = Request::get(url).body(BodyWrapper::default())?;
        let mut response = HttpClient::request(self, request).await?;
        response.body.into_bytes().await.map_err(instant_acme::Error::Other)
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, NoAnswer> {
        let is_plain_get = request.method() == Method::GET;
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_or_else(|never| match never {}, |body| body.to_bytes());
        let request = reqwest::Request::try_from(Request::from_parts(parts, body));
        let request = request.map_err(|error| NoAnswer::Failed(cause_of(&error)))?;
        let mut response = self.client.execute(request).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let mut fields = std::mem::take(response.headers_mut());
        if status.is_redirection() {
            return Err(NoAnswer::Redirected);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(NoAnswer::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        self.refuse(status, &fields, &body)?;
        match fields.remove(RETRY_AFTER).map(|field| field.to_str().ok().and_then(|text| self.duration(text))) {
            Some(Some(wait)) => {
                fields.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
            }
            _ if is_plain_get => {
                fields.insert(RETRY_AFTER, ASK_AGAIN);
            }
            _ => {}
        }
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.status = status;
        parts.headers = fields;
        Ok(BytesResponse { parts, body: Box::new(Bytes::from(body)) })
    }

    /// Takes out what the ACME client has no ear for: when to come again, and answers that are no problem documents, such as
    /// those of a load balancer in front of the authority.
    fn refuse(&self, status: StatusCode, fields: &HeaderMap, body: &[u8]) -> Result<(), NoAnswer> {
        if !status.is_client_error() && !status.is_server_error() {
            return Ok(());
        }
        let retry_after = fields.get(RETRY_AFTER).and_then(|field| self.duration(field.to_str().ok()?));
        let problem = serde_json::from_slice::<instant_acme::Problem>(body).ok();
        let (kind, detail) = problem.as_ref().map(super::error::read).unwrap_or_default();
        if kind == "rateLimited" || status == StatusCode::TOO_MANY_REQUESTS {
            let detail = if detail.is_empty() { "too many requests".to_owned() } else { detail };
            return Err(NoAnswer::TooMany { detail, retry_after });
        }
        if status == StatusCode::SERVICE_UNAVAILABLE || problem.is_none() {
            return Err(NoAnswer::Unavailable { status: status.as_u16(), retry_after });
        }
        Ok(())
    }

    /// RFC 9110, section 10.2.3: seconds, or a date.
    fn duration(&self, text: &str) -> Option<Duration> {
        retry_after(text, self.clock.now())
    }
}

fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // What has more digits than a number has here is longer than any patience.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MOST_PATIENCE));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default().min(MOST_PATIENCE))
}

fn failed(error: &reqwest::Error) -> NoAnswer {
    NoAnswer::Failed(if error.is_timeout() { "it does not answer in time".to_owned() } else { cause_of(error) })
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let this = self.clone();
        Box::pin(async move { this.ask(request).await.map_err(|error| instant_acme::Error::Other(Box::new(error))) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().expect("a time");
        let seconds = |text: &str| retry_after(text, now).map(|duration| duration.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Mon, 01 Jun 2026 00:01:00 GMT"), Some(60));
        assert_eq!(seconds("Sun, 31 May 2026 00:01:00 GMT"), Some(0), "what has passed is now");
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds(""), None);
        assert_eq!(seconds("-1"), None);
    }

    #[test]
    fn attack_29_no_authority_puts_us_off_for_ever() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().expect("a time");
        let far = ["18446744073709551615", "99999999999999999999999", "31536000", "Fri, 01 Jan 2100 00:00:00 GMT"];
        for text in far {
            assert_eq!(retry_after(text, now), Some(MOST_PATIENCE), "{text}");
        }
        assert_eq!(retry_after("3600", now), Some(Duration::from_secs(3600)));
    }
}
