//! Passkeys as the store keeps them.

use jiff::Timestamp;

use crate::types::{AppName, Email, HostName};

/// How many passkeys a person may have on one domain.
pub const MOST_PASSKEYS: usize = 20;

/// One passkey of one person on one domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PasskeyRecord {
    /// The credential's id, as the authenticator made it.
    pub credential: Vec<u8>,
    /// The app of the domain.
    pub app: AppName,
    /// The domain, which is the relying party's id: the passkey is good there alone (WebAuthn Level 3, section 5.1.2).
    pub host: HostName,
    /// Whose it is.
    pub email: Email,
    /// What the authenticator calls the person (`user.id`): random, the same for all passkeys of a person on a domain.
    pub handle: [u8; 16],
    /// What the person calls it.
    pub name: String,
    /// Public key and counter, as the WebAuthn library writes them.
    pub key: String,
    /// When it was added.
    pub created: Timestamp,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}
