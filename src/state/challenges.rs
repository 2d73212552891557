//! What a certificate authority will look for here, while an order is under way.
//!
//! The room that orders publishes an answer and holds its guard; the listeners give it to whoever asks for exactly that token
//! (RFC 8555, section 8.3) or that name with `acme-tls/1` (RFC 8737). When the guard goes, so does the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::sign::CertifiedKey;

use crate::types::HostName;

/// The path under which tokens are asked for over plain HTTP.
pub const HTTP_PREFIX: &str = "/.well-known/acme-challenge/";

/// The protocol by which a challenge certificate is asked for.
pub const TLS_ALPN: &[u8] = b"acme-tls/1";

/// Answers that are waited for.
#[derive(Debug, Default)]
pub struct Challenges {
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    next: u64,
    http: HashMap<(HostName, String), (u64, Arc<str>)>,
    tls_alpn: HashMap<HostName, (u64, Arc<CertifiedKey>)>,
}

/// Keeps one answer published.
#[derive(Debug)]
#[must_use = "the answer is withdrawn when this is dropped"]
pub struct Published {
    challenges: Arc<Challenges>,
    key: Key,
    number: u64,
}

#[derive(Debug)]
enum Key {
    Http((HostName, String)),
    TlsAlpn(HostName),
}

impl Challenges {
    /// Answers `text` to whoever asks this host for this token.
    pub fn publish_http(self: &Arc<Self>, host: HostName, token: String, text: &str) -> Published {
        let mut answers = self.answers();
        let number = answers.number();
        answers.http.insert((host.clone(), token.clone()), (number, text.into()));
        Published { challenges: Arc::clone(self), key: Key::Http((host, token)), number }
    }

    /// Shows this certificate to whoever asks for this name with `acme-tls/1`.
    pub fn publish_tls_alpn(self: &Arc<Self>, host: HostName, certificate: Arc<CertifiedKey>) -> Published {
        let mut answers = self.answers();
        let number = answers.number();
        answers.tls_alpn.insert(host.clone(), (number, certificate));
        Published { challenges: Arc::clone(self), key: Key::TlsAlpn(host), number }
    }

    /// The answer to a request for this path on this host: the path is the prefix and a token that was published, to the letter.
    #[must_use]
    pub fn http(&self, host: &HostName, path: &str) -> Option<Arc<str>> {
        let token = path.strip_prefix(HTTP_PREFIX)?;
        // A name that nobody orders for costs one look at a number.
        let answers = self.answers();
        if answers.http.is_empty() {
            return None;
        }
        answers.http.get(&(host.clone(), token.to_owned())).map(|(_, text)| Arc::clone(text))
    }

    /// The challenge certificate of a name.
    #[must_use]
    pub fn tls_alpn(&self, host: &HostName) -> Option<Arc<CertifiedKey>> {
        self.answers().tls_alpn.get(host).map(|(_, certificate)| Arc::clone(certificate))
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        // Two maps, each whole after any panic.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let mut answers = self.challenges.answers();
        // A later order may have published another answer in its place.
        match &self.key {
            Key::Http(key) if answers.http.get(key).is_some_and(|(number, _)| *number == self.number) => {
                answers.http.remove(key);
            }
            Key::TlsAlpn(key) if answers.tls_alpn.get(key).is_some_and(|(number, _)| *number == self.number) => {
                answers.tls_alpn.remove(key);
            }
            Key::Http(_) | Key::TlsAlpn(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_token_on_its_own_host_is_answered_while_its_guard_lives() {
        let challenges = Arc::new(Challenges::default());
        let host = HostName::parse("a.test").expect("a host");
        let other = HostName::parse("b.test").expect("a host");
        let first = challenges.publish_http(host.clone(), "token".to_owned(), "token.first");
        let asked = |host: &HostName, path: &str| challenges.http(host, path).map(|text| text.to_string());
        assert_eq!(asked(&host, "/.well-known/acme-challenge/token").as_deref(), Some("token.first"));
        for path in ["token/", "token?", "tok", "", "token%20", "../token", "TOKEN"] {
            assert_eq!(asked(&host, &format!("{HTTP_PREFIX}{path}")), None, "{path}");
        }
        assert_eq!(asked(&other, "/.well-known/acme-challenge/token"), None);
        let second = challenges.publish_http(host.clone(), "token".to_owned(), "token.second");
        drop(first);
        assert_eq!(asked(&host, "/.well-known/acme-challenge/token").as_deref(), Some("token.second"));
        drop(second);
        assert_eq!(asked(&host, "/.well-known/acme-challenge/token"), None);
    }
}
