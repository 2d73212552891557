//! The keys that are derived from `seal.key`: what the store may not hold in the clear is sealed with them.

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroize;

use crate::session::{DoesNotOpen, Seal};

/// How long the key in `seal.key` is.
pub(super) const KEY_BYTES: usize = Seal::KEY_BYTES;

/// What is derived from `seal.key`.
pub(super) struct SealKey {
    sealing: Seal,
    code: hmac::Key,
}

impl SealKey {
    /// Derives the keys, and wipes what they come from.
    pub(super) fn new(mut bytes: [u8; KEY_BYTES]) -> Self {
        // The file's bytes are random already, so the salt may be empty (RFC 5869, section 3.1).
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&bytes);
        bytes.zeroize();
        let sealing = derive(&secret, b"vestibule: seal values in the store");
        let mut code = derive(&secret, b"vestibule: seal log-in codes");
        let key = Self { sealing: Seal::new(sealing), code: hmac::Key::new(hmac::HMAC_SHA256, &code) };
        code.zeroize();
        key
    }

    /// The key that `Code::seal` wants.
    pub(super) fn code(&self) -> hmac::Key {
        self.code.clone()
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
