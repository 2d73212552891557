//! The keys that are derived from `seal.key`: what the store may not hold in the clear is sealed with them.

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroize;

use crate::session::{DoesNotOpen, Seal};
use crate::types::Email;

/// How long the key in `seal.key` is.
pub(super) const KEY_BYTES: usize = Seal::KEY_BYTES;

/// What is derived from `seal.key`.
pub(super) struct SealKey {
    sealing: Seal,
    code: hmac::Key,
    chain: hmac::Key,
    look_up: hmac::Key,
}

impl SealKey {
    /// Derives the keys, and wipes what they come from.
    pub(super) fn new(mut bytes: [u8; KEY_BYTES]) -> Self {
        // The file's bytes are random already, so the salt may be empty (RFC 5869, section 3.1).
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&bytes);
        bytes.zeroize();
        let sealing = derive(&secret, b"vestibule: seal values in the store");
        let mut code = derive(&secret, b"vestibule: seal log-in codes");
        let mut chain = derive(&secret, b"vestibule: chain the audit log");
        let mut look_up = derive(&secret, b"vestibule: look people up");
        let hmac = |key: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, key);
        let key = Self { sealing: Seal::new(sealing), code: hmac(&code), chain: hmac(&chain), look_up: hmac(&look_up) };
        code.zeroize();
        chain.zeroize();
        look_up.zeroize();
        key
    }

    /// The key that `Code::seal` wants.
    pub(super) fn code(&self) -> hmac::Key {
        self.code.clone()
    }

    /// The key of the audit log's chain.
    pub(super) fn chain(&self) -> &hmac::Key {
        &self.chain
    }

    /// What a person's address is looked up by where it may not stand in the clear.
    pub(super) fn look_up(&self, email: &Email) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.look_up, email.as_str().as_bytes()).as_ref());
        hash
    }

    /// Seals a value under a name.
    pub(super) fn seal(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        self.sealing.seal(name, plain)
    }

    /// Opens what was sealed under the same name.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        self.sealing.open(name, sealed)
    }
}

fn derive(secret: &hkdf::Prk, purpose: &[u8]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    secret
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|material| material.fill(&mut key))
        .expect("HKDF-SHA256 gives 32 bytes in one step");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_come_from_the_file() {
        let tag = |bytes| hmac::sign(&SealKey::new(bytes).code(), b"x").as_ref().to_vec();
        assert_eq!(tag([1; 32]), tag([1; 32]));
        assert_ne!(tag([1; 32]), tag([2; 32]));
        let sealed = SealKey::new([1; 32]).seal("a", b"x").expect("seals");
        assert_eq!(SealKey::new([1; 32]).open("a", &sealed).as_deref(), Ok(&b"x"[..]));
        assert_eq!(SealKey::new([2; 32]).open("a", &sealed), Err(DoesNotOpen));
    }
}
