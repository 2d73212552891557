//! Certificates that the gateway orders for itself: what is kept of them, and the port to where it is kept.
//!
//! Three rooms meet here: the one that orders, the store that keeps, and `state::certificates`, which reads a certificate when
//! a handshake asks for its name.

use async_trait::async_trait;
use jiff::Timestamp;

use super::certificates::CertificateName;
use super::ports::StoreError;
use crate::types::Secret;

/// A certificate as it is kept.
#[derive(Clone, Debug)]
pub struct StoredCertificate {
    /// The name it was ordered for, and its only one.
    pub name: CertificateName,
    /// The chain in PEM, leaf first.
    pub chain: String,
    /// The private key in PEM (PKCS #8); kept sealed.
    pub key: Secret,
    /// When it is valid, and when it is to be renewed.
    pub times: Times,
}

/// When a certificate is valid, and when it is to be renewed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Times {
    /// The first moment it is valid.
    pub not_before: Timestamp,
    /// The last moment it is valid.
    pub not_after: Timestamp,
    /// When to order its successor.
    pub renew_at: Timestamp,
    /// When to ask its authority again whether that is still so (RFC 9773, section 4.3).
    pub ask_again: Timestamp,
}

/// An order under way: with it and its key a crash loses nothing.
#[derive(Clone, Debug)]
pub struct StoredOrder {
    /// The name it is for.
    pub name: CertificateName,
    /// The directory of the authority.
    pub directory: String,
    /// Where the authority keeps it.
    pub url: String,
    /// The private key of the certificate to come, in PEM (PKCS #8); kept sealed.
    pub key: Secret,
    /// When it began.
    pub begun: Timestamp,
}

/// Which certificates are asked about.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// All of them. There may be very many.
    All,
    /// Those of these names.
    Named(&'a [CertificateName]),
    /// Those that are valid from then on or later, by name from after one on, at most so many.
    IssuedSince {
        /// From when on.
        since: Timestamp,
        /// The last name of the part before.
        after: Option<&'a CertificateName>,
        /// How many.
        most: usize,
    },
    /// Those that ended before.
    EndedBefore(Timestamp),
}

/// Where certificates, orders and accounts are kept. When a call returns `Ok`, its change is on disk.
#[async_trait]
pub trait CertificateStore: Send + Sync {
    /// The certificate that was ordered for a name.
    async fn certificate(&self, name: &CertificateName) -> Result<Option<StoredCertificate>, StoreError>;
    /// Those that were ordered, without chains and keys.
    async fn certificate_times(&self, which: Which<'_>) -> Result<Vec<(CertificateName, Times)>, StoreError>;
    /// Keeps a certificate in the place of the one its name had, and forgets its order in the same step.
    async fn put_certificate(&self, certificate: &StoredCertificate) -> Result<(), StoreError>;
    /// Notes when a certificate is to be renewed; `false` when there is none of this name.
    async fn set_renewal(&self, name: &CertificateName, times: &Times) -> Result<bool, StoreError>;
    /// Forgets the certificate and the order of a name.
    async fn forget_certificate(&self, name: &CertificateName) -> Result<(), StoreError>;

    /// The order under way for a name.
    async fn order(&self, name: &CertificateName) -> Result<Option<StoredOrder>, StoreError>;
    /// Keeps an order, in the place of any other of its name.
    async fn put_order(&self, order: &StoredOrder) -> Result<(), StoreError>;
    /// Forgets the order of a name.
    async fn forget_order(&self, name: &CertificateName) -> Result<(), StoreError>;

    /// The credentials of our account at an authority, by its directory.
    async fn acme_account(&self, directory: &str) -> Result<Option<Secret>, StoreError>;
    /// Keeps the credentials of an account.
    async fn put_acme_account(&self, directory: &str, credentials: &Secret, now: Timestamp) -> Result<(), StoreError>;
    /// Forgets an account that its authority does not know any more.
    async fn forget_acme_account(&self, directory: &str) -> Result<(), StoreError>;
}
