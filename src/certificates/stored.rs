//! Certificates that the gateway ordered, read from the store when they are asked for.

use std::sync::Arc;

use async_trait::async_trait;

use super::pem::{Sections, join};
use crate::state::certificates::{Certificate, CertificateName, CertificateSource, FetchError};
use crate::state::issuance::{CertificateStore, StoredCertificate};

/// The certificates of a store.
pub struct Stored {
    store: Arc<dyn CertificateStore>,
}

impl Stored {
    /// Fetches from this store.
    #[must_use]
    pub fn new(store: Arc<dyn CertificateStore>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl CertificateSource for Stored {
    async fn fetch(&self, name: &CertificateName) -> Result<Option<Certificate>, FetchError> {
        let stored = self.store.certificate(name).await.map_err(|error| FetchError(error.to_string()))?;
        // Here and not on another thread; the bench `domains` tells how long it takes.
        stored.map(|stored| certificate(&stored)).transpose()
    }
}

/// Reads a stored certificate.
///
/// # Errors
/// [`FetchError`] when it is no certificate with its key, or not one for its name.
pub fn certificate(stored: &StoredCertificate) -> Result<Certificate, FetchError> {
    let name = &stored.name;
    let broken = |why: &str| FetchError(format!("the stored certificate of {name} is of no use: {why}"));
    let chain = Sections::read(stored.chain.as_bytes());
    let keys = Sections::read(stored.key.expose().as_bytes());
    let [key] = keys.keys.as_slice() else { return Err(broken("there is not one key with it")) };
    let certificate = join(chain.certificates, key, "the store".to_owned()).map_err(|why| broken(&why.to_string()))?;
    if certificate.names.contains(name) { Ok(certificate) } else { Err(broken("it stands for another name")) }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;
    use crate::state::issuance::Times;
    use crate::types::Secret;

    fn stored(name: &str, chain: String, key: &KeyPair) -> StoredCertificate {
        let now = Timestamp::UNIX_EPOCH;
        let times = Times { not_before: now, not_after: now, renew_at: now, ask_again: now };
        let name = CertificateName::parse(name).expect("a name");
        StoredCertificate { name, chain, key: Secret::new(key.serialize_pem()), times }
    }

    #[test]
    fn chains_of_one_authority_hold_its_certificate_once() {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let middle = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        let read = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new([name.to_owned()]).expect("a name");
            let leaf = params.signed_by(&key, &issuer).expect("a certificate").pem();
            certificate(&stored(name, format!("{leaf}{middle}"), &key)).expect("it is of use")
        };
        let (one, other) = (read("one.test"), read("other.test"));
        let middle_of = |certificate: &Certificate| certificate.key.cert.get(1).expect("two").as_ref().as_ptr();
        assert_eq!(middle_of(&one), middle_of(&other));
        assert_ne!(one.key.cert.first(), other.key.cert.first());
    }

    #[test]
    fn what_does_not_fit_together_is_of_no_use() {
        let (key, other) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let params = CertificateParams::new(["one.test".to_owned()]).expect("a name");
        let chain = params.self_signed(&key).expect("a certificate").pem();
        let why = |stored: StoredCertificate| certificate(&stored).err().map(|error| error.to_string());
        assert_eq!(why(stored("one.test", chain.clone(), &key)), None);
        for (stored, expected) in [
            (stored("two.test", chain.clone(), &key), "it stands for another name"),
            (stored("*.one.test", chain.clone(), &key), "it stands for another name"),
            (stored("one.test", chain, &other), "its key and its certificate do not belong together"),
            (stored("one.test", "junk".to_owned(), &key), "holds neither a certificate nor a key in PEM form"),
        ] {
            let name = stored.name.clone();
            let expected = format!("the stored certificate of {name} is of no use: {expected}");
            assert_eq!(why(stored), Some(expected));
        }
    }
}
