//! The token behind "unsubscribe": it names a person, an app and a topic, sealed, and does nothing but switch that one off.
//!
//! Whoever has the mail can use it, without a log-in: mail providers do so on behalf of their people (RFC 8058).

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::session::Seal;
use crate::types::{AppName, Email, TopicName};

/// What a sealed token is called.
const SEALED_AS: &str = "unsubscribe";
/// How long one is good: people find old mails.
const GOOD_FOR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// The longest token that is looked at, in bytes.
const MOST_BYTES: usize = 2048;

/// Whom an unsubscribe link is for, and of what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsubscribe {
    /// The app.
    pub app: AppName,
    /// The person.
    pub email: Email,
    /// The topic.
    pub topic: TopicName,
}

/// Why a token switches nothing off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenProblem {
    /// It is none of ours, or another app's.
    Wrong,
    /// It was good for a year, and that is over.
    Ended,
}

#[derive(Deserialize, Serialize)]
struct Plain {
    app: String,
    email: String,
    topic: String,
    until: i64,
}

impl Unsubscribe {
    /// Seals it, for a link. Each time it is another text, so that no two mails are alike. Nothing when the cipher fails.
    pub(super) fn seal(&self, seal: &Seal, now: Timestamp) -> Option<String> {
        let until = now.checked_add(GOOD_FOR).unwrap_or(Timestamp::MAX).as_second();
        let (app, email, topic) = (self.app.to_string(), self.email.to_string(), self.topic.to_string());
        let plain = serde_json::to_vec(&Plain { app, email, topic, until }).ok()?;
        Some(BASE64URL_NOPAD.encode(&seal.seal(SEALED_AS, &plain).ok()?))
    }

    /// Opens a token that came to an app's domain.
    pub(super) fn open(token: &str, seal: &Seal, app: &AppName, now: Timestamp) -> Result<Self, TokenProblem> {
        let plain = Self::plain(token, seal).filter(|plain| plain.app == app.as_str()).ok_or(TokenProblem::Wrong)?;
        if plain.until <= now.as_second() {
            return Err(TokenProblem::Ended);
        }
        let email = Email::parse(&plain.email).map_err(|_| TokenProblem::Wrong)?;
        let topic = TopicName::parse(&plain.topic).map_err(|_| TokenProblem::Wrong)?;
        Ok(Self { app: app.clone(), email, topic })
    }

    fn plain(token: &str, seal: &Seal) -> Option<Plain> {
        if token.len() > MOST_BYTES {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        serde_json::from_slice(&seal.open(SEALED_AS, &sealed).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Unsubscribe {
        Unsubscribe {
            app: AppName::parse("orders").expect("a name"),
            email: Email::parse("ann@example.com").expect("an address"),
            topic: TopicName::parse("news").expect("a name"),
        }
    }

    #[test]
    fn a_token_opens_for_its_app_for_a_year_and_only_unaltered() {
        let (seal, now) = (Seal::new([1; 32]), Timestamp::from_second(1_800_000_000).expect("in range"));
        let token = ours().seal(&seal, now).expect("sealed");
        assert!(!token.contains("ann"));
        let open = |token: &str, app: &str, days: i64| {
            let later = now.checked_add(Duration::from_secs((days * 86_400).unsigned_abs())).expect("in range");
            Unsubscribe::open(token, &seal, &AppName::parse(app).expect("a name"), later)
        };
        assert_eq!(open(&token, "orders", 0), Ok(ours()));
        assert_eq!(open(&token, "orders", 365), Ok(ours()));
        assert_eq!(open(&token, "orders", 367), Err(TokenProblem::Ended));
        assert_eq!(open(&token, "reports", 0), Err(TokenProblem::Wrong));
        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert_eq!(open(&altered, "orders", 0), Err(TokenProblem::Wrong));
        }
        assert_ne!(ours().seal(&seal, now), ours().seal(&seal, now), "no two mails are alike");
        let other = Seal::new([2; 32]);
        assert_eq!(Unsubscribe::open(&token, &other, &ours().app, now), Err(TokenProblem::Wrong));
    }
}
