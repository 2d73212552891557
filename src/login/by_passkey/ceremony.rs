//! A ceremony under way (WebAuthn Level 3, section 7): what is kept from its begin to its end.
//!
//! It is kept in a sealed cookie, one a ceremony, so that several tabs do not get into each other's way. The WebAuthn library
//! warns of keeping its state with the browser, for who keeps an old state and an old answer could bring both again. Here
//! every challenge is spent in the store before its answer is looked at, so each is good for one look.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::{Url, Webauthn, WebauthnBuilder};

use super::Problem;
use crate::login::LoginRoom;
use crate::session::{Seal, SealedCookie, SessionId, Token};
use crate::state::visit::Visit;
use crate::types::HostName;

/// How long a ceremony may take.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);
/// How many ceremonies a browser may have under way on a domain; more, and the oldest is given up.
const MOST_AT_ONCE: usize = 5;
/// The cookies' purposes begin with this; the first characters of the challenge follow.
const COOKIE: &str = "passkey-";
/// How many characters follow.
const MARK_CHARACTERS: usize = 8;

/// What a ceremony is for. A state that was made for one is of no use for another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// Logging in.
    LogIn,
    /// Adding a passkey to the person of this session.
    Add(SessionId),
}

/// A ceremony on one domain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ceremony<'a> {
    /// What it is for.
    pub(super) purpose: Purpose,
    /// The domain.
    pub(super) host: &'a HostName,
    /// When it is.
    pub(super) now: Timestamp,
}

/// What goes into the cookie.
#[derive(Deserialize, Serialize)]
struct Kept<State> {
    challenge: [u8; 32],
    expires: i64,
    state: State,
}

impl<'a> Ceremony<'a> {
    /// A ceremony of a visit.
    pub(super) fn of(visit: &'a Visit, purpose: Purpose) -> Self {
        Self { purpose, host: &visit.site.domain.host, now: visit.now }
    }

    /// The cookies that a begin sets: the new one, and those of ceremonies that are given up for it.
    pub(super) fn keep<State: Serialize>(
        self,
        seal: &Seal,
        headers: &HeaderMap,
        challenge: &[u8],
        state: State,
    ) -> Result<Vec<HeaderValue>, Problem> {
        let challenge: [u8; 32] = challenge.try_into().map_err(|_| Problem::Failed("a challenge of another length"))?;
        let expires = self.now.checked_add(LIFETIME).unwrap_or(self.now).as_second();
        let plain = serde_json::to_vec(&Kept { challenge, expires, state });
        let plain = plain.map_err(|_| Problem::Failed("a state that cannot be written"))?;
        let sealed = seal.seal(&self.sealed_as(), &plain);
        let sealed = sealed.map_err(|_| Problem::Failed("a state that cannot be sealed"))?;
        let cookie = cookie_of(&BASE64URL_NOPAD.encode(&challenge)).ok_or(Problem::Failed("a challenge too short"))?;
        let set =
            cookie.setting(&sealed, LIFETIME.as_secs()).ok_or(Problem::Failed("a state too long for a cookie"))?;
        // Browsers send the oldest first (RFC 6265bis, section 5.8.3).
        let others: Vec<_> = SealedCookie::all(headers, COOKIE).into_iter().filter(|other| *other != cookie).collect();
        let surplus = (others.len() + 1).saturating_sub(MOST_AT_ONCE);
        let cleared = others.iter().take(surplus).map(SealedCookie::clearing);
        Ok(std::iter::once(set).chain(cleared).collect())
    }

    /// What was kept of the ceremony that an answer belongs to, and the cookie that is over with it. From now on its
    /// challenge is used up, whatever comes of the answer.
    pub(super) async fn take<State: DeserializeOwned>(
        self,
        room: &LoginRoom,
        headers: &HeaderMap,
        client_data: &ClientData,
    ) -> Result<(State, HeaderValue), Problem> {
        let cookie = cookie_of(&client_data.challenge).ok_or(Problem::Unreadable)?;
        let kept: Kept<State> =
            cookie.read(headers).and_then(|sealed| self.open(&room.seal, &sealed)).ok_or(Problem::Expired)?;
        let until = Timestamp::from_second(kept.expires).unwrap_or(Timestamp::MAX);
        if !room.store.spend(Token::new(kept.challenge).hash(), until).await? {
            return Err(Problem::Expired);
        }
        Ok((kept.state, cookie.clearing()))
    }

    fn open<State: DeserializeOwned>(self, seal: &Seal, sealed: &[u8]) -> Option<Kept<State>> {
        let plain = seal.open(&self.sealed_as(), sealed).ok()?;
        let kept: Kept<State> = serde_json::from_slice(&plain).ok()?;
        (self.now.as_second() < kept.expires).then_some(kept)
    }

    fn sealed_as(self) -> String {
        match self.purpose {
            Purpose::LogIn => format!("passkey/log-in/{}", self.host),
            Purpose::Add(session) => {
                format!("passkey/add/{}/{}", self.host, BASE64URL_NOPAD.encode(session.as_bytes()))
            }
        }
    }
}

/// The relying party that a domain is: its id is the domain's own name and never a parent's, for under that name other
/// customers' domains may be neighbours; its origin is the one that the browser is on.
pub(super) fn relying_party(visit: &Visit) -> Result<Webauthn, Problem> {
    let origin = Url::parse(&visit.origin).map_err(|_| Problem::Unreadable)?;
    WebauthnBuilder::new(visit.site.domain.host.as_str(), &origin)
        .and_then(|builder| builder.rp_name(&visit.site.domain.brand.title).timeout(LIFETIME).build())
        .map_err(|_| Problem::Failed("a domain of this name cannot have passkeys"))
}

/// The part of the client data (WebAuthn Level 3, section 5.8.1) that is looked at here; the library looks at all else.
#[derive(Deserialize)]
pub(super) struct ClientData {
    challenge: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<serde::de::IgnoredAny>,
}

impl ClientData {
    /// Reads the client data. What comes from a frame in another site's page is refused: the library lets that pass at a
    /// log-in.
    pub(super) fn read(json: &[u8]) -> Result<Self, Problem> {
        let this: Self = serde_json::from_slice(json).map_err(|_| Problem::Unreadable)?;
        if this.cross_origin || this.top_origin.is_some() {
            return Err(Problem::refused("frame"));
        }
        Ok(this)
    }
}

/// The cookie of a challenge in base64url.
fn cookie_of(challenge: &str) -> Option<SealedCookie> {
    SealedCookie::new(&format!("{COOKIE}{}", challenge.get(..MARK_CHARACTERS)?))
}

#[cfg(test)]
#[path = "ceremony_tests.rs"]
mod tests;
