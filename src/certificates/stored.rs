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
        // Some 50 microseconds with an ECDSA key, less than it would take to hand it to another thread and back.
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
