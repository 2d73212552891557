//! What must be true of a log-out token before it ends anything (OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6).
//!
//! Anybody can send one. So all that costs nothing is looked at first, then the signature. Whether its `jti` was used before is
//! found out when it is used, in one step with what it ends: a token whose log-out failed is as good as before.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyUse, JwsSigningAlgorithm};
use serde_json::Value;

use super::claims::{Claims, Peeked, after, before, peek};
use super::contact::{Asker, Contact};
use super::discovery::Known;
use super::id_token::check_algorithm;
use super::{LogoutRequest, LogoutTokenError};
use crate::config::Provider;
use crate::session::TokenHash;
use crate::state::ports::Farewell;

/// An honest one has a few hundred bytes.
const MOST_BYTES: usize = 16 * 1024;
/// How long after it was made a token is good, beyond the skew. Section 2.6 leaves it to us; it also bounds how long a `jti`
/// has to be remembered.
const MOST_AGE: Duration = Duration::from_secs(5 * 60);
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const MOST_JTI_BYTES: usize = 512;

/// Checks a token against the providers of the config.
pub(super) async fn verify(
    contacts: &[Arc<Contact>],
    token: &str,
    now: Timestamp,
) -> Result<LogoutRequest, LogoutTokenError> {
    let unknown = |reason| LogoutTokenError::NotBelieved { provider: None, reason };
    if token.len() > MOST_BYTES {
        return Err(unknown("too-long"));
    }
    let peeked = peek(token).ok_or_else(|| unknown("malformed"))?;
    let contact = addressee(contacts, &peeked.claims).map_err(unknown)?;
    let provider = &contact.provider;
    let refused = |reason| LogoutTokenError::NotBelieved { provider: Some(provider.name.clone()), reason };
    let unavailable = |cause| LogoutTokenError::Unavailable { provider: provider.name.clone(), cause };

    check_header(&peeked.header).map_err(refused)?;
    let request = read(provider, &peeked.claims, now).map_err(refused)?;
    let known = contact.known().await.map_err(unavailable)?;
    let input = token.as_bytes().get(..peeked.input_bytes).unwrap_or_default();
    if let Err(reason) = check_signature(&known, &peeked, input) {
        if !matches!(reason, "key" | "signature") {
            return Err(refused(reason));
        }
        let newer = contact.newer_keys(&known, Asker::Stranger).await.ok_or_else(|| refused(reason))?;
        check_signature(&newer, &peeked, input).map_err(refused)?;
    }
    Ok(request)
}

/// The provider whose token it says it is, among those that have us as a client under the name it is for.
fn addressee<'a>(contacts: &'a [Arc<Contact>], claims: &Claims) -> Result<&'a Arc<Contact>, &'static str> {
    let issuer = claims.text("iss").ok_or("iss")?;
    let audiences = claims.audiences();
    let mut of_issuer = contacts.iter().filter(|contact| contact.provider.issuer == issuer).peekable();
    of_issuer.peek().ok_or("iss")?;
    of_issuer.find(|contact| audiences.contains(&contact.provider.client_id.as_str())).ok_or("aud")
}

fn check_header(header: &Claims) -> Result<(), &'static str> {
    // Section 2.4 recommends `logout+jwt`; before it had a type of its own, it had that of any token, or none.
    let is_fine = header.any("typ").is_none_or(|said| {
        let said = said.as_str().unwrap_or("?").to_ascii_lowercase();
        matches!(said.strip_prefix("application/").unwrap_or(&said), "logout+jwt" | "jwt")
    });
    // RFC 7515, section 4.1.11: what must be understood and is not. Nothing is encrypted or nested here either.
    if is_fine && !header.has("crit") && !header.has("cty") && !header.has("enc") { Ok(()) } else { Err("typ") }
}

fn read(provider: &Provider, claims: &Claims, now: Timestamp) -> Result<LogoutRequest, &'static str> {
    // What tells it from an ID token, which the same keys sign and which passes through the browser.
    if claims.has("nonce") {
        return Err("nonce");
    }
    let events = claims.any("events").and_then(Value::as_object).ok_or("events")?;
    if events.len() != 1 || !events.get(EVENT).is_some_and(Value::is_object) {
        return Err("events");
    }
    let latest = after(now, provider.clock_skew);
    let issued = claims.moment("iat").map_err(|_| "iat")?.ok_or("iat")?;
    if issued > latest || issued < before(before(now, provider.clock_skew), MOST_AGE) {
        return Err("iat");
    }
    // The final text of the standard wants `exp`, its drafts did not know it, and providers follow both. `iat` bounds a
    // token's life without it.
    let expires = claims.moment("exp").map_err(|_| "expired")?;
    if expires.is_some_and(|end| end <= before(now, provider.clock_skew)) {
        return Err("expired");
    }
    if claims.moment("nbf").map_err(|_| "nbf")?.is_some_and(|start| start > latest) {
        return Err("nbf");
    }
    let subject = claims.id("sub").map_err(|_| "sub")?.map(str::to_owned);
    let sid = claims.id("sid").map_err(|_| "sid")?.map(str::to_owned);
    if subject.is_none() && sid.is_none() {
        return Err("nobody");
    }
    let jti = claims.text("jti").filter(|jti| !jti.is_empty() && jti.len() <= MOST_JTI_BYTES).ok_or("jti")?;
    let farewell = Farewell {
        token: TokenHash::of(&["logout-token", &provider.issuer, jti]),
        issuer: provider.issuer.clone(),
        subject,
        sid,
        at: now,
        // Past this moment it is too old anyway.
        until: after(after(now, MOST_AGE), provider.clock_skew.saturating_mul(2)),
    };
    Ok(LogoutRequest { provider: provider.name.clone(), farewell })
}

fn check_signature(known: &Known, peeked: &Peeked, input: &[u8]) -> Result<(), &'static str> {
    check_algorithm(known, &peeked.header)?;
    let said = peeked.header.any("alg").cloned().unwrap_or_default();
    let algorithm: CoreJwsSigningAlgorithm = serde_json::from_value(said).map_err(|_| "alg")?;
    let kid = match peeked.header.any("kid") {
        None => None,
        Some(kid) => Some(kid.as_str().ok_or("key")?),
    };
    let is_it = |key: &&CoreJsonWebKey| {
        let has_name = kid.is_none_or(|kid| key.key_id().is_some_and(|id| id.as_str() == kid));
        has_name && fits(key, &algorithm)
    };
    let mut keys = known.keys.keys().iter().filter(is_it);
    // Without a name it has to be the only one (OpenID Connect Core, section 10.1).
    let (Some(key), None) = (keys.next(), keys.next()) else { return Err("key") };
    key.verify_signature(&algorithm, input, &peeked.signature).map_err(|_| "signature")
}

/// Whether a key is one for signatures of this kind.
fn fits(key: &CoreJsonWebKey, algorithm: &CoreJwsSigningAlgorithm) -> bool {
    let is_for_signing = key.key_use().is_none_or(JsonWebKeyUse::allows_signature);
    let is_for_this = match key.signing_alg() {
        JsonWebKeyAlgorithm::Unspecified => true,
        JsonWebKeyAlgorithm::Algorithm(only) => only == algorithm,
        JsonWebKeyAlgorithm::Unsupported => false,
    };
    is_for_signing && is_for_this && algorithm.key_type().as_ref() == Some(key.key_type())
}
