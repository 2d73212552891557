//! Sealing: what goes through other hands and comes back must be ours, unaltered, and unread.
//!
//! AES-256-GCM with a random nonce. What a value is for rides along as associated data, so that a sealed value put in
//! another's place does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroize;

/// A key that seals and opens.
pub struct Seal(RandomizedNonceKey);

/// A value that cannot be sealed, or does not open: another key, another name, or altered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("sealed with another key, or altered")]
pub struct DoesNotOpen;

impl Seal {
    /// How long a key is, in bytes.
    pub const KEY_BYTES: usize = 32;

    /// Takes up a key, and wipes it.
    ///
    /// # Panics
    /// Never: the key has the cipher's length.
    #[must_use]
    pub fn new(mut key: [u8; Self::KEY_BYTES]) -> Self {
        let seal = Self(RandomizedNonceKey::new(&AES_256_GCM, &key).expect("the key has the cipher's length"));
        key.zeroize();
        seal
    }

    /// Seals a value under a name: nonce, then cipher text and tag.
    ///
    /// # Errors
    /// [`DoesNotOpen`] when the cipher fails, which it does for no value that fits into memory.
    pub fn seal(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let mut text = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(name), &mut text).map_err(|_| DoesNotOpen)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens what was sealed under the same name.
    ///
    /// # Errors
    /// [`DoesNotOpen`] when it was not, or not with this key, or is not what it was.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(DoesNotOpen)?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(name), &mut text).map_err(|_| DoesNotOpen)?.len();
        text.truncate(length);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_with_its_key_its_name_and_unaltered() {
        let key = Seal::new([1; 32]);
        let sealed = key.seal("secret/a", b"hunter2").expect("seals");
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(key.open("secret/a", &sealed).expect("opens"), b"hunter2");
        assert_eq!(Seal::new([1; 32]).open("secret/a", &sealed).expect("opens"), b"hunter2");
        assert_eq!(Seal::new([2; 32]).open("secret/a", &sealed), Err(DoesNotOpen));
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
        let key = Seal::new([1; 32]);
        assert_ne!(key.seal("a", b"x"), key.seal("a", b"x"));
    }
}
