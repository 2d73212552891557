//! How a provider is asked: over TLS with the system's CAs and its own, without redirects or proxies, within its time, and
//! never for more than a mebibyte.

use std::future::Future;
use std::pin::Pin;

use openidconnect::url::{Host, Url};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::StatusCode;
use rustls::RootCertStore;

use super::contact::Contact;
use crate::config::Provider;
use crate::state::trust::{cause_of, client_tls};

/// No honest answer comes near: the largest discovery documents and key sets have some ten kibibytes.
const MOST_BYTES: usize = 1024 * 1024;

/// What a provider is asked for, by its name in metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Discovery,
    Keys,
    Code,
    Refresh,
    UserInfo,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Keys => "keys",
            Self::Code => "code",
            Self::Refresh => "refresh",
            Self::UserInfo => "userinfo",
        }
    }
}

/// Why there is no answer. Holds no address of ours, no token and no code.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpProblem {
    #[error("it did not answer in time")]
    Slow,
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("it sent us elsewhere, which is not followed")]
    Redirected,
    #[error("its answer is longer than 1 MiB")]
    TooLong,
    #[error("`{0}` may not be asked: it is neither https nor, as the issuer is, on this machine")]
    Unsafe(String),
    #[error("the request cannot be made")]
    Malformed,
}

/// A client for one provider.
pub(super) fn client(provider: &Provider, system: &RootCertStore) -> Result<reqwest::Client, String> {
    let tls = client_tls(system, provider.ca.as_deref())?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(!is_plain(&provider.issuer))
        // A redirect would take codes and secrets to wherever it says.
        .redirect(reqwest::redirect::Policy::none())
        // The environment must not decide who reads what we send.
        .no_proxy()
        .referer(false)
        .timeout(provider.timeout)
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| cause_of(&error))
}

fn is_plain(issuer: &str) -> bool {
    issuer.starts_with("http:")
}

/// Whether something may be asked, or a browser sent there, that a provider's discovery names: over https or, if the
/// issuer itself is such a one, over plain http on this machine.
pub(super) fn is_safe(url: &Url, issuer: &str) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_protected = url.scheme() == "https" || (url.scheme() == "http" && is_local && is_plain(issuer));
    is_protected && url.has_host() && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

/// Asks one provider for one kind of thing.
pub(super) struct Asking<'a> {
    pub(super) contact: &'a Contact,
    pub(super) kind: Kind,
}

impl<'c> AsyncHttpClient<'c> for Asking<'_> {
    type Error = HttpProblem;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpProblem>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = ask(&self.contact.http, &self.contact.provider.issuer, request).await;
            self.contact.note(self.kind, &answer);
            answer
        })
    }
}

async fn ask(client: &reqwest::Client, issuer: &str, request: HttpRequest) -> Result<HttpResponse, HttpProblem> {
    let request = reqwest::Request::try_from(request).map_err(|_| HttpProblem::Malformed)?;
    if !is_safe(request.url(), issuer) {
        return Err(HttpProblem::Unsafe(origin(request.url())));
    }
    let mut response = client.execute(request).await.map_err(|error| problem(&error))?;
    let status = response.status();
    if status.is_redirection() {
        return Err(HttpProblem::Redirected);
    }
    // Not the provider's word on anything: it is busy, broken, or hidden behind something that is.
    if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
        return Err(HttpProblem::Status(status.as_u16()));
    }
    if response.content_length().is_some_and(|length| length > MOST_BYTES as u64) {
        return Err(HttpProblem::TooLong);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| problem(&error))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(HttpProblem::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = HttpResponse::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

fn problem(error: &reqwest::Error) -> HttpProblem {
    if error.is_timeout() { HttpProblem::Slow } else { HttpProblem::Unreachable(cause_of(error)) }
}

/// What of a URL may be logged.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_17_plain_http_is_for_a_provider_on_this_machine_alone() {
        for (url, issuer, fine) in [
            ("https://id.example.com/token", "https://id.example.com", true),
            ("https://other.example.net/token", "https://id.example.com", true),
            ("http://id.example.com/token", "https://id.example.com", false),
            ("http://127.0.0.1/token", "https://id.example.com", false),
            ("http://127.0.0.1:8080/token", "http://127.0.0.1:8080", true),
            ("http://[::1]/token", "http://localhost", true),
            ("http://localhost/token", "http://127.0.0.1:8080", true),
            ("https://id.example.com/token", "http://127.0.0.1:8080", true),
            ("http://id.example.com/token", "http://127.0.0.1:8080", false),
            ("http://127.0.0.1.example.com/token", "http://127.0.0.1:8080", false),
            ("http://localhost.example.com/token", "http://localhost", false),
            ("https://user:password@id.example.com/token", "https://id.example.com", false),
            ("https://id.example.com/token#fragment", "https://id.example.com", false),
            ("ftp://127.0.0.1/token", "http://127.0.0.1:8080", false),
            ("file:///token", "http://127.0.0.1:8080", false),
        ] {
            assert_eq!(is_safe(&Url::parse(url).expect(url), issuer), fine, "{url} of {issuer}");
        }
    }
}
