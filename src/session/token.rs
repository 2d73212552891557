//! Opaque 256-bit tokens and the hashes they are kept under.

use std::fmt;

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroize;

const BYTES: usize = 32;

/// A secret that opens something: a session, a log-in link. 256 bits from the system's generator.
#[derive(Clone, Eq, PartialEq)]
pub struct Token([u8; BYTES]);

/// SHA-256 of a token: what the store knows. A hash needs no salt, for a token has 256 random bits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TokenHash([u8; BYTES]);

/// A session's key in store and caches: its token's hash.
pub type SessionId = TokenHash;

impl Token {
    /// Makes a token from 256 random bits.
    #[must_use]
    pub const fn new(random: [u8; BYTES]) -> Self {
        Self(random)
    }

    /// A new token from the system's random generator.
    ///
    /// # Panics
    /// When the system gives no randomness, for nothing that follows would be safe.
    #[must_use]
    pub fn generate() -> Self {
        let mut random = [0; BYTES];
        aws_lc_rs::rand::fill(&mut random).expect("the system's random generator works");
        Self(random)
    }

    /// Reads a token from a cookie, a link or a form; `None` when it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Checked first, so that a long text costs nothing.
        if text.len() != 43 {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The token as text, for the one place it is handed out.
    #[must_use]
    pub fn expose(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// The hash it is kept under.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let mut hash = [0; BYTES];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        TokenHash(hash)
    }

    /// The bytes, for a key that is made of a token.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

impl TokenHash {
    /// The hash of some texts, in this order: what a record of theirs is kept under.
    #[must_use]
    pub fn of(texts: &[&str]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for text in texts {
            // With its length before it, the end of one text cannot pass for the beginning of the next.
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut hash = [0; BYTES];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }

    /// The hash's bytes, as stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// Reads a stored hash.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// Ten characters that name a session on the account page and in logs, and open nothing.
    #[must_use]
    pub fn public(&self) -> String {
        let mut text = BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, &self.0).as_ref());
        text.truncate(10);
        text
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenHash({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_nothing_else_parses() {
        let token = Token::new([7; 32]);
        assert_eq!(Token::parse(&token.expose()), Some(token));
        for wrong in ["", "a", &"a".repeat(42), &"a".repeat(44), &"=".repeat(43), &"é".repeat(21)] {
            assert!(Token::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn texts_have_one_hash_in_one_order() {
        assert_eq!(TokenHash::of(&["a", "b"]), TokenHash::of(&["a", "b"]));
        for other in [&["b", "a"][..], &["ab"], &["ab", ""], &["", "ab"], &["a"], &[]] {
            assert_ne!(TokenHash::of(&["a", "b"]), TokenHash::of(other), "{other:?}");
        }
    }

    #[test]
    fn neither_token_nor_hash_prints() {
        let token = Token::new([7; 32]);
        assert!(!format!("{token:?} {:?}", token.hash()).contains(&token.expose()));
    }
}
