//! The certificates that serve, by server name.
//!
//! A folder of ordinary size is published as a whole set. What lies elsewhere is fetched when a handshake asks for its name
//! ([`Certificates`]). Which certificate serves a name is decided at the handshake, for one that was valid when it was
//! published may have ended since.

mod lazy;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;

pub use self::lazy::{CertificateSource, Certificates, Counts, FetchError, Sources};
use crate::types::HostName;

/// A name that a certificate stands for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CertificateName {
    /// This host and no other.
    Exact(HostName),
    /// `*.` and this name: every host with exactly one label more (RFC 9525, section 6.3).
    Wildcard(HostName),
}

impl CertificateName {
    /// Reads a DNS name as certificates hold it. `None` for what is no host name, and for a `*` anywhere but as the whole
    /// left-most label.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(parent) => HostName::parse(parent).ok().map(Self::Wildcard),
            None => HostName::parse(text).ok().map(Self::Exact),
        }
    }

    /// The wildcard that would stand for a host.
    #[must_use]
    pub fn wildcard_of(host: &HostName) -> Option<Self> {
        parent_of(host.as_str()).and_then(|parent| HostName::parse(parent).ok()).map(Self::Wildcard)
    }

    /// Whether this name stands for the host.
    #[must_use]
    pub fn covers(&self, host: &HostName) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Wildcard(parent) => parent_of(host.as_str()) == Some(parent.as_str()),
        }
    }
}

impl std::fmt::Display for CertificateName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(name) => write!(formatter, "{name}"),
            Self::Wildcard(parent) => write!(formatter, "*.{parent}"),
        }
    }
}

/// One certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    /// The names it stands for; never empty.
    pub names: Vec<CertificateName>,
    /// The chain, leaf first, and the key.
    pub key: Arc<CertifiedKey>,
    /// The first moment it is valid.
    pub not_before: Timestamp,
    /// The last moment it is valid.
    pub not_after: Timestamp,
    /// Where it came from, for people: a file name, `local CA`.
    pub origin: String,
}

impl Certificate {
    /// Whether a client that asked for this host accepts this certificate's names.
    #[must_use]
    pub fn covers(&self, host: &HostName) -> bool {
        self.names.iter().any(|name| name.covers(host))
    }

    /// Whether it is valid at this time.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// A whole set of certificates, ready for look-ups.
#[derive(Debug, Default)]
pub struct CertificateSet {
    all: Vec<Arc<Certificate>>,
    exact: HashMap<HostName, Vec<Arc<Certificate>>>,
    wildcard: HashMap<HostName, Vec<Arc<Certificate>>>,
}

impl CertificateSet {
    /// Builds the look-up tables.
    #[must_use]
    pub fn new(certificates: Vec<Certificate>) -> Self {
        let mut all: Vec<_> = certificates.into_iter().map(Arc::new).collect();
        // Newest first, so that the first valid one of a name is the one to serve.
        all.sort_by_key(|certificate| std::cmp::Reverse((certificate.not_before, certificate.not_after)));
        let mut set = Self { all, ..Self::default() };
        for certificate in &set.all {
            for name in &certificate.names {
                let (table, name) = match name {
                    CertificateName::Exact(name) => (&mut set.exact, name),
                    CertificateName::Wildcard(parent) => (&mut set.wildcard, parent),
                };
                table.entry(name.clone()).or_default().push(Arc::clone(certificate));
            }
        }
        set
    }

    /// The certificates, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.all.iter()
    }

    /// The certificate to serve for a lower-case name: the newest valid one of that very name, else the newest valid
    /// wildcard. Where none is valid, the one that was valid last: a person can read a warning, not a closed connection.
    #[must_use]
    pub fn find(&self, name: &str, now: Timestamp) -> Option<&Arc<Certificate>> {
        let exact = self.exact.get(name).map(Vec::as_slice).unwrap_or_default();
        let wildcard =
            parent_of(name).and_then(|parent| self.wildcard.get(parent)).map(Vec::as_slice).unwrap_or_default();
        exact
            .iter()
            .chain(wildcard)
            .find(|certificate| certificate.is_valid(now))
            .or_else(|| exact.iter().max_by_key(|certificate| certificate.not_after))
            .or_else(|| wildcard.iter().max_by_key(|certificate| certificate.not_after))
    }
}

/// The name without its left-most label.
fn parent_of(name: &str) -> Option<&str> {
    name.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use rustls::sign::SigningKey;

    use super::*;

    pub(super) fn certificate(origin: &str, names: &[&str], from: i64, to: i64) -> Certificate {
        static KEY: LazyLock<Arc<dyn SigningKey>> = LazyLock::new(|| {
            let key = rcgen::KeyPair::generate().expect("a key");
            let key = rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
            rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key).expect("a signing key")
        });
        Certificate {
            names: names.iter().map(|name| CertificateName::parse(name).expect("a name")).collect(),
            key: Arc::new(CertifiedKey::new(Vec::new(), Arc::clone(&KEY))),
            not_before: Timestamp::from_second(from).expect("a time"),
            not_after: Timestamp::from_second(to).expect("a time"),
            origin: origin.to_owned(),
        }
    }

    fn certificates() -> CertificateSet {
        CertificateSet::new(vec![
            certificate("old", &["a.example"], 100, 400),
            certificate("new", &["a.example"], 200, 300),
            certificate("to come", &["a.example"], 900, 950),
            certificate("wild", &["*.example", "example"], 0, 500),
            certificate("deep", &["*.b.example"], 0, 500),
            certificate("ended", &["c.example", "ended.test"], 0, 100),
            certificate("ended earlier", &["ended.test", "*.test"], 50, 90),
        ])
    }

    #[track_caller]
    fn check(name: &str, second: i64, expected: &str) {
        let certificates = certificates();
        let found = certificates.find(name, Timestamp::from_second(second).expect("a time"));
        assert_eq!(found.as_ref().map_or("none", |found| &found.origin), expected, "{name} at {second}");
    }

    #[test]
    fn the_exact_name_comes_before_a_wildcard() {
        check("a.example", 250, "new");
        check("d.example", 250, "wild");
        check("example", 250, "wild");
    }

    #[test]
    fn of_several_valid_ones_the_newest_is_served() {
        check("a.example", 150, "old");
        check("a.example", 250, "new");
        check("a.example", 350, "old");
        check("a.example", 920, "to come");
    }

    #[test]
    fn what_has_ended_or_not_begun_loses_to_what_is_valid() {
        check("c.example", 250, "wild");
        check("a.example", 50, "wild");
        check("ended.test", 250, "ended");
        check("other.test", 250, "ended earlier");
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        check("x.b.example", 250, "deep");
        check("x.y.b.example", 250, "none");
        check(".example", 250, "none");
        check("a.b.c.d.e.example", 250, "none");
        check("elsewhere", 250, "none");
        check("", 250, "none");
        let wild = CertificateName::parse("*.example").expect("a name");
        for (host, covered) in [("a.example", true), ("a.b.example", false), ("example", false), ("a.example2", false)]
        {
            assert_eq!(wild.covers(&HostName::parse(host).expect("a host")), covered, "{host}");
        }
        for text in ["*", "*.", "a.*.example", "a*.example", "*a.example", "*.*.example", "10.0.0.1", "a_b.example"] {
            assert_eq!(CertificateName::parse(text), None, "{text}");
        }
    }
}
