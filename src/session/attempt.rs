//! One attempt to log in by mail: a link token and a six-digit code that stand for each other.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use jiff::Timestamp;

use super::{Token, TokenHash};
use crate::types::{AppName, Email, HostName, Language};

/// How many wrong codes end an attempt.
pub const MOST_WRONG_CODES: u32 = 5;

/// An attempt's number in the store.
pub type AttemptId = i64;

/// A person asked for a mail on some domain of an app.
///
/// It is stored for every well-formed address in the same way; only later, and elsewhere, is the table asked whether the
/// person may enter, so that the answer and its time say nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// Its number in the store; 0 before it is stored.
    pub id: AttemptId,
    /// The app to enter.
    pub app: AppName,
    /// The domain it was asked on.
    pub host: HostName,
    /// The domain's origin as the browser writes it, `https://host[:port]`, for the link.
    pub origin: String,
    /// Who asks.
    pub email: Email,
    /// With what browser.
    pub asker: Asker,
    /// Where the person was going: a path of the same origin.
    pub to: String,
    /// The hash of the asking browser's cookie.
    pub browser: TokenHash,
    /// When it was asked.
    pub created: Timestamp,
    /// When link and code end.
    pub expires: Timestamp,
    /// How far it is.
    pub state: AttemptState,
    /// How many wrong codes came.
    pub wrong_codes: u32,
    /// The language of the page on which it was asked.
    pub language: Language,
}

/// Whose browser asked for a mail.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Asker {
    /// One with which the person has logged in before.
    Known,
    /// Any other.
    Stranger,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttemptState {
    /// Stored; the table has not been asked yet.
    Asked,
    /// The person may not enter: no mail goes out, no code is right.
    Unknown,
    /// The mail is in the outbox or gone.
    Mailed,
    /// Link or code was used.
    Used,
    /// Ended by too many wrong codes, or by a newer attempt of the same browser.
    Ended,
}

impl Attempt {
    /// Whether it still waits for its link or code, as far as anyone may see: an unknown address looks like a known one.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let waits = matches!(self.state, AttemptState::Asked | AttemptState::Unknown | AttemptState::Mailed);
        waits && now < self.expires && self.wrong_codes < MOST_WRONG_CODES
    }
}

/// The six digits that stand for a link token.
#[derive(Clone, Eq, PartialEq)]
pub struct Code([u8; 6]);

impl Code {
    /// The code of a link's token: derived from it, so that the page behind the link can show it and nothing but the
    /// token's hash need be kept. One in a million guesses is right, and five are allowed.
    #[must_use]
    pub fn of(token: &Token) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.bytes());
        let tag = hmac::sign(&key, b"log-in code");
        let number =
            tag.as_ref().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)) % 1_000_000;
        let mut digits = [b'0'; 6];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        Self(digits)
    }

    /// Reads what a person typed: six digits, spaces and hyphens between them allowed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 32 {
            return None;
        }
        let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-')).collect();
        let digits: [u8; 6] = digits.try_into().ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }

    /// The digits, for mail and page.
    #[must_use]
    pub fn expose(&self) -> String {
        self.0.iter().map(|digit| char::from(*digit)).collect()
    }

    /// What the store keeps: the code under a key that the store does not hold, for six digits alone are soon guessed.
    #[must_use]
    pub fn seal(&self, key: &hmac::Key, browser: TokenHash) -> [u8; 32] {
        let mut context = hmac::Context::with_key(key);
        context.update(browser.as_bytes());
        context.update(&self.0);
        let mut sealed = [0; 32];
        sealed.copy_from_slice(context.sign().as_ref());
        sealed
    }

    /// Whether this is the code that was sealed for a browser. Takes the same time either way.
    #[must_use]
    pub fn opens(&self, sealed: &[u8], key: &hmac::Key, browser: TokenHash) -> bool {
        constant_time::verify_slices_are_equal(&self.seal(key, browser), sealed).is_ok()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Code(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_six_digits_however_it_is_typed() {
        let code = Code::of(&Token::new([9; 32]));
        let digits = code.expose();
        assert_eq!(digits.len(), 6);
        let (left, right) = digits.split_at(3);
        assert_eq!(Code::parse(&format!(" {left} {right} ")), Some(code.clone()));
        assert_eq!(Code::parse(&format!("{left}-{right}")), Some(code));
        for wrong in ["", "12345", "1234567", "12345a", "１２３４５６", &"1".repeat(1000)] {
            assert!(Code::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_sealed_code_opens_only_with_its_key_and_browser() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let (one, other) = (Token::new([1; 32]).hash(), Token::new([2; 32]).hash());
        let code = Code::of(&Token::new([9; 32]));
        let sealed = code.seal(&key, one);
        assert!(code.opens(&sealed, &key, one));
        assert!(!code.opens(&sealed, &key, other));
        assert!(!code.opens(&sealed, &hmac::Key::new(hmac::HMAC_SHA256, &[2; 32]), one));
        assert!(!Code::of(&Token::new([8; 32])).opens(&sealed, &key, one));
    }
}
