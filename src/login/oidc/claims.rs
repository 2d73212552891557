//! The claims of a token or of userinfo, and how each of them is read. Nothing here has been believed yet, or will be for
//! being here: that is `id_token`'s and `logout_token`'s work.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::config::Provider;
use crate::session::Proof;
use crate::types::{DisplayName, Email};

/// How long `sub` and `sid` may be. OpenID Connect Core, section 2 gives `sub` 255 characters.
const MOST_ID_BYTES: usize = 255;
/// No honest token is longer: it has to fit into a URL some time.
pub(super) const MOST_TOKEN_BYTES: usize = 64 * 1024;
/// A provider that says that somebody proved themselves before this says nothing.
const EARLIEST_AUTH_TIME: i64 = 946_684_800;

/// Claims by their names.
#[derive(Clone)]
pub(super) struct Claims(Map<String, Value>);

/// They are about a person, and do not print.
impl fmt::Debug for Claims {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Claims(…)")
    }
}

/// A token's two readable parts, as yet unbelieved.
pub(super) struct Peeked {
    pub(super) header: Claims,
    pub(super) claims: Claims,
    /// What is signed.
    pub(super) input_bytes: usize,
    pub(super) signature: Vec<u8>,
}

/// Takes a token apart; `None` when it is none (RFC 7515, section 7.1).
pub(super) fn peek(token: &str) -> Option<Peeked> {
    if token.len() > MOST_TOKEN_BYTES {
        return None;
    }
    let (input, signature) = token.rsplit_once('.')?;
    let (header, payload) = input.split_once('.')?;
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok();
    Some(Peeked {
        header: Claims::parse(&decode(header)?)?,
        claims: Claims::parse(&decode(payload)?)?,
        input_bytes: input.len(),
        signature: decode(signature)?,
    })
}

/// Of two members of one name a reader may take either, and a checker the other: such an object is refused (RFC 8725,
/// section 2.4 has what comes of it).
struct Strict;

impl<'de> Visitor<'de> for Strict {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object without duplicates")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("a duplicate"));
            }
        }
        Ok(members)
    }
}

/// Whether somebody has an address, going by one set of claims.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Address {
    /// This one.
    Is(Email),
    /// There is none here, or nothing that says that it is theirs: it may be elsewhere.
    Unsure(&'static str),
    /// It is not good, and no other claims make it so.
    Refused(&'static str),
}

impl Claims {
    pub(super) const fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let claims = reader.deserialize_map(Strict).ok()?;
        reader.end().ok()?;
        Some(Self(claims))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn any(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A moment: seconds, which may have a fraction. `Err` when it is there and is none.
    pub(super) fn moment(&self, name: &str) -> Result<Option<Timestamp>, NotAMoment> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let seconds = value.as_f64().ok_or(NotAMoment)?;
        // The year 9999 at the latest, so that what is added to it later stays in bounds.
        if !(0.0..253_000_000_000.0).contains(&seconds) {
            return Err(NotAMoment);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the bounds are checked above")]
        Timestamp::from_second(seconds.floor() as i64).map(Some).map_err(|_| NotAMoment)
    }

    /// `sub` or `sid`: `Ok(None)` when it is not there, `Err` when it is there and cannot be one.
    pub(super) fn id(&self, name: &str) -> Result<Option<&str>, NotAnId> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if is_id(text) => Ok(Some(text)),
            Some(_) => Err(NotAnId),
        }
    }

    /// Whom a token is for (RFC 7519, section 4.1.3); none, when that makes no sense.
    pub(super) fn audiences(&self) -> Vec<&str> {
        match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().map(Value::as_str).collect::<Option<_>>().unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The person's address, and whether it is theirs.
    pub(super) fn address(&self, provider: &Provider) -> Address {
        let address = match self.0.get(&provider.email_claim) {
            None | Some(Value::Null) => return Address::Unsure("no-email"),
            Some(Value::String(text)) => text,
            // Of several addresses, which would be the one that is verified?
            Some(_) => return Address::Refused("bad-email"),
        };
        let Ok(email) = Email::parse(address) else { return Address::Refused("bad-email") };
        if !provider.trust_unverified_email {
            // `email_verified` speaks of `email` (OpenID Connect Core, section 5.1): of no other claim, many of which
            // people may write themselves.
            let spoken_of = self.text("email").and_then(|email| Email::parse(email).ok());
            match self.0.get("email_verified") {
                None | Some(Value::Null) => return Address::Unsure("unverified-email"),
                Some(value) if is_true(value) && spoken_of.as_ref() == Some(&email) => {}
                Some(_) => return Address::Refused("unverified-email"),
            }
        }
        if provider.speaks_for(&email) { Address::Is(email) } else { Address::Refused("other-domain") }
    }

    pub(super) fn name(&self) -> Option<DisplayName> {
        self.text("name").and_then(DisplayName::new)
    }

    /// Those groups that mean something here; `None` when nothing is said of groups.
    pub(super) fn groups(&self, provider: &Provider) -> Option<Vec<String>> {
        let named: Vec<&str> = match self.0.get(provider.groups_claim.as_ref()?)? {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        Some(provider.groups.iter().filter(|group| named.contains(&group.as_str())).cloned().collect())
    }

    /// How the person proved themselves, in a few plain words (RFC 8176).
    pub(super) fn amr(&self) -> Vec<String> {
        let (most, most_bytes) = Proof::MOST_AMR;
        let is_word = |word: &&str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/');
            !word.is_empty() && word.len() <= most_bytes && word.bytes().all(is_plain)
        };
        let mut words: Vec<String> = Vec::new();
        let said = self.0.get("amr").and_then(Value::as_array).into_iter().flatten();
        for word in said.filter_map(Value::as_str).filter(is_word) {
            if words.len() < most && !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        }
        words
    }

    /// When the person proved themselves there: not after now and, if nothing sensible is said, now.
    pub(super) fn auth_time(&self, now: Timestamp) -> Timestamp {
        let said = self.moment("auth_time").ok().flatten();
        said.filter(|moment| moment.as_second() >= EARLIEST_AUTH_TIME).map_or(now, |moment| moment.min(now))
    }
}

/// A claim that should be a moment is none.
#[derive(Debug)]
pub(super) struct NotAMoment;

/// A claim that should name a person or a session cannot.
#[derive(Debug)]
pub(super) struct NotAnId;

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= MOST_ID_BYTES && !text.chars().any(char::is_control)
}

/// True, or the text that some providers send for it; no other text, and no number.
fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true) || value.as_str() == Some("true")
}

/// A moment later or earlier by a provider's `clock_skew`, or by anything else.
pub(super) fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// When something is due, in whole seconds: no store keeps finer ones the same.
pub(super) fn due(now: Timestamp, every: Duration) -> Timestamp {
    let due = after(now, every);
    Timestamp::from_second(due.as_second()).unwrap_or(due)
}

pub(super) fn before(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.checked_sub(duration).unwrap_or(Timestamp::MIN)
}
