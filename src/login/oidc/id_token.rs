//! What must be true of an ID token before a word of it is believed (OpenID Connect Core, section 3.1.3.7).
//!
//! Signature, issuer, audience, expiry and nonce are checked by the `openidconnect` crate, under our clock and with our list
//! of algorithms. What it leaves to us stands in [`check_claims`] and [`verify`]: that nobody else is meant, `azp`, `nbf`, `iat`,
//! `at_hash`, and that it is no log-out token.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use jiff::Timestamp;
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, IssuerUrl, JsonWebTokenType, Nonce,
    SignatureVerificationError,
};

use super::claims::{Claims, after, before, peek};
use super::contact::{Asker, Contact};
use super::discovery::Known;
use crate::config::Provider;
use crate::types::Secret;

/// A token comes straight from the token endpoint, so it was made just now: this much before at most, beyond the skew.
const MOST_AGE: Duration = Duration::from_secs(15 * 60);

/// What `nonce` has to be.
#[derive(Clone, Copy)]
pub(super) enum Expected<'a> {
    /// This one: the token answers a log-in.
    Nonce(&'a Secret),
    /// This one, if there is any: the token answers a refresh (OpenID Connect Core, section 12.2).
    NonceIfAny(Option<&'a str>),
}

/// An ID token that is believed.
#[derive(Debug)]
pub(super) struct Believed {
    pub(super) subject: String,
    pub(super) sid: Option<String>,
    pub(super) claims: Claims,
}

/// Believes a token, or says in a word why not. A key that is not known is looked for once.
pub(super) async fn believe(
    contact: &Arc<Contact>,
    known: &Arc<Known>,
    token: &Secret,
    access: &AccessToken,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Believed, &'static str> {
    let first = check(&contact.provider, known, token, access, expected, now);
    // A key may also have been replaced without another name.
    if !matches!(first, Err("key" | "signature")) {
        return first;
    }
    match contact.newer_keys(known, Asker::Provider).await {
        Some(newer) => check(&contact.provider, &newer, token, access, expected, now),
        None => first,
    }
}

fn check(
    provider: &Provider,
    known: &Known,
    token: &Secret,
    access: &AccessToken,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Believed, &'static str> {
    let peeked = peek(token.expose()).ok_or("malformed")?;
    // Before the crate reads it, for it has no name for algorithms that it does not know.
    check_algorithm(known, &peeked.header)?;
    let claims = peeked.claims;
    check_claims(provider, &claims, now)?;
    verify(provider, known, token, access, expected, now)?;
    let subject = claims.id("sub").ok().flatten().ok_or("sub")?.to_owned();
    let sid = claims.id("sid").map_err(|_| "sid")?.map(str::to_owned);
    Ok(Believed { subject, sid, claims })
}

/// Whether a token says that it is signed in one of the ways that count.
pub(super) fn check_algorithm(known: &Known, header: &Claims) -> Result<(), &'static str> {
    let said = header.text("alg").ok_or("alg")?;
    let counts = |algorithm| serde_json::to_value(algorithm).is_ok_and(|name| name.as_str() == Some(said));
    if known.algorithms.iter().any(counts) { Ok(()) } else { Err("alg") }
}

fn check_claims(provider: &Provider, claims: &Claims, now: Timestamp) -> Result<(), &'static str> {
    // A log-out token, which the same keys sign, must never be one to log in with (Back-Channel Logout, section 2.4).
    if claims.has("events") {
        return Err("events");
    }
    if claims.text("iss") != Some(provider.issuer.as_str()) {
        return Err("iss");
    }
    // For us alone: whoever else it is for could pass it on to us as if they were the person.
    if claims.audiences() != [provider.client_id.as_str()] {
        return Err("aud");
    }
    if claims.any("azp").is_some_and(|party| party.as_str() != Some(&provider.client_id)) {
        return Err("azp");
    }
    let (latest, earliest) = (after(now, provider.clock_skew), before(before(now, provider.clock_skew), MOST_AGE));
    let issued = claims.moment("iat").map_err(|_| "iat")?.ok_or("iat")?;
    if issued > latest || issued < earliest {
        return Err("iat");
    }
    if claims.moment("nbf").map_err(|_| "nbf")?.is_some_and(|start| start > latest) {
        return Err("nbf");
    }
    Ok(())
}

fn verify(
    provider: &Provider,
    known: &Known,
    token: &Secret,
    access: &AccessToken,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<(), &'static str> {
    let token = CoreIdToken::from_str(token.expose()).map_err(|_| "malformed")?;
    let verifier = verifier(provider, known, now)?;
    let verified = match expected {
        Expected::Nonce(nonce) => token.claims(&verifier, &Nonce::new(nonce.expose().to_owned())),
        Expected::NonceIfAny(first) => token.claims(&verifier, |said: Option<&Nonce>| {
            let fits = said.is_none_or(|said| first.is_none_or(|first| said.secret() == first));
            if fits { Ok(()) } else { Err(String::new()) }
        }),
    };
    let claims = verified.map_err(|error| reason(&error))?;
    if let Some(said) = claims.access_token_hash() {
        let (Ok(algorithm), Ok(key)) = (token.signing_alg(), token.signing_key(&verifier)) else {
            return Err("signature");
        };
        let ours = AccessTokenHash::from_token(access, algorithm, key).map_err(|_| "at_hash")?;
        if ours != *said {
            return Err("at_hash");
        }
    }
    Ok(())
}

fn verifier<'a>(provider: &Provider, known: &Known, now: Timestamp) -> Result<CoreIdTokenVerifier<'a>, &'static str> {
    let client = ClientId::new(provider.client_id.clone());
    let issuer = IssuerUrl::new(provider.issuer.clone()).map_err(|_| "iss")?;
    // The crate asks the time for the expiry alone; that of a slow clock is later.
    let then = before(now, provider.clock_skew);
    let then = DateTime::from_timestamp(then.as_second(), 0).ok_or("expired")?;
    // `at+jwt` and `logout+jwt`, among others, are tokens for something else (RFC 8725, section 3.11).
    let types = ["JWT", "jose"].into_iter().filter_map(|name| JsonWebTokenType::new(name.to_owned()).normalize().ok());
    // As a public client: without the secret there is nothing that an HMAC could be checked with.
    Ok(CoreIdTokenVerifier::new_public_client(client, issuer, known.keys.clone())
        .set_allowed_algs(known.algorithms.iter().cloned())
        .set_allowed_jose_types(types)
        .set_time_fn(move || then))
}

fn reason(error: &ClaimsVerificationError) -> &'static str {
    use SignatureVerificationError as Signature;
    match error {
        ClaimsVerificationError::Expired(_) => "expired",
        ClaimsVerificationError::InvalidAudience(_) => "aud",
        ClaimsVerificationError::InvalidIssuer(_) => "iss",
        ClaimsVerificationError::InvalidNonce(_) => "nonce",
        ClaimsVerificationError::Unsupported(_) => "typ",
        ClaimsVerificationError::SignatureVerification(error) => match error {
            Signature::DisallowedAlg(_) | Signature::UnsupportedAlg(_) | Signature::NoSignature => "alg",
            Signature::NoMatchingKey | Signature::AmbiguousKeyId(_) => "key",
            _ => "signature",
        },
        _ => "malformed",
    }
}
