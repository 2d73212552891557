//! Seals what the store may not hold in the clear.
//!
//! AES-256-GCM with a random nonce. What a value is rides along as associated data, so that a sealed value put in another's
//! place does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroize;

/// How long the key in `seal.key` is.
pub(super) const KEY_BYTES: usize = 32;

/// What is derived from `seal.key`.
pub(super) struct SealKey {
    sealing: RandomizedNonceKey,
    code: hmac::Key,
}

/// A value that cannot be sealed, or does not open: another key, another name, or altered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("sealed with another key, or altered")]
pub(super) struct DoesNotOpen;

impl SealKey {
    /// Derives the keys, and wipes what they come from.
    pub(super) fn new(mut bytes: [u8; KEY_BYTES]) -> Self {
        // The file's bytes are random already, so the salt may be empty (RFC 5869, section 3.1).
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&bytes);
        bytes.zeroize();
        let mut sealing = derive(&secret, b"vestibule: seal values in the store");
        let mut code = derive(&secret, b"vestibule: seal log-in codes");
        let key = Self {
            sealing: RandomizedNonceKey::new(&AES_256_GCM, &sealing).expect("the key has the cipher's length"),
            code: hmac::Key::new(hmac::HMAC_SHA256, &code),
        };
        sealing.zeroize();
        code.zeroize();
        key
    }

    /// The key that `Code::seal` wants.
    pub(super) fn code(&self) -> hmac::Key {
        self.code.clone()
    }

    /// Seals a value under a name: nonce, then cipher text and tag.
    pub(super) fn seal(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let mut text = plain.to_vec();
        let nonce = self.sealing.seal_in_place_append_tag(Aad::from(name), &mut text).map_err(|_| DoesNotOpen)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens what was sealed under the same name.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(DoesNotOpen)?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.sealing.open_in_place(nonce, Aad::from(name), &mut text).map_err(|_| DoesNotOpen)?.len();
        text.truncate(length);
        Ok(text)
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
    fn a_sealed_value_opens_only_with_its_key_its_name_and_unaltered() {
        let key = SealKey::new([1; 32]);
        let sealed = key.seal("secret/a", b"hunter2").expect("seals");
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(key.open("secret/a", &sealed).expect("opens"), b"hunter2");
        assert_eq!(SealKey::new([1; 32]).open("secret/a", &sealed).expect("opens"), b"hunter2");
        assert_eq!(SealKey::new([2; 32]).open("secret/a", &sealed), Err(DoesNotOpen));
        assert_eq!(key.open("secret/b", &sealed), Err(DoesNotOpen));
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(key.open("secret/a", &altered), Err(DoesNotOpen));
            assert_eq!(key.open("secret/a", &sealed[..at]), Err(DoesNotOpen));
        }
    }

    #[test]
    fn the_same_value_is_sealed_differently_each_time() {
        let key = SealKey::new([1; 32]);
        assert_ne!(key.seal("a", b"x"), key.seal("a", b"x"));
    }

    #[test]
    fn the_key_for_codes_comes_from_the_file() {
        let tag = |bytes| hmac::sign(&SealKey::new(bytes).code(), b"x").as_ref().to_vec();
        assert_eq!(tag([1; 32]), tag([1; 32]));
        assert_ne!(tag([1; 32]), tag([2; 32]));
    }
}
