//! Signed assertions (RFC 7519, ES256) that tell an upstream who asks, and the keys to check them (RFC 7517).

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use http::HeaderValue;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::policy::{Access, JwtPlan};
use crate::session::{SessionRecord, amr};

/// Signs assertions.
pub struct Signer {
    key: EncodingKey,
    header: Header,
    jwks: serde_json::Value,
}

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the signing key in the store cannot be used: {0}")]
pub struct InvalidKey(String);

impl InvalidKey {
    /// A key whose bytes are too few or too many.
    #[must_use]
    pub fn of_wrong_length() -> Self {
        Self("it has the wrong length".to_owned())
    }
}

/// An assertion, ready for its header.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The header value; marked sensitive.
    pub value: HeaderValue,
    /// Until when to use it: half its life, so that an upstream always has time left.
    pub use_until: Timestamp,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: String,
    aud: &'a str,
    sub: &'a str,
    email: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    role: &'a str,
    auth_time: i64,
    amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days_back: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u32>,
    /// Who acts in the subject's place (RFC 8693, section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Actor<'a>>,
    #[serde(flatten)]
    further: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
struct Actor<'a> {
    sub: &'a str,
}

impl Signer {
    /// Makes a new key: PKCS #8, to be kept sealed.
    ///
    /// # Panics
    /// When the system gives no randomness.
    #[must_use]
    pub fn new_key() -> Vec<u8> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .expect("the system's random generator works");
        document.as_ref().to_vec()
    }

    /// Takes up a key.
    ///
    /// # Errors
    /// When the bytes are no P-256 key.
    pub fn from_key(pkcs8: &[u8]) -> Result<Self, InvalidKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|error| InvalidKey(error.to_string()))?;
        // SEC 1, section 2.3.3: 0x04, then the two coordinates.
        let point = pair.public_key().as_ref();
        let (x, y) = match (point.first(), point.get(1..33), point.get(33..65)) {
            (Some(4), Some(x), Some(y)) => (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y)),
            _ => return Err(InvalidKey("its public part is no uncompressed P-256 point".to_owned())),
        };
        // RFC 7638: the thumbprint names the key.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let key_id = BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, members.as_bytes()).as_ref());
        let jwks = serde_json::json!({"keys": [
            {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key_id, "x": x, "y": y},
        ]});
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key_id);
        Ok(Self { key: EncodingKey::from_ec_der(pkcs8), header, jwks })
    }

    /// The public keys, as `/.access/jwks.json` shows them.
    #[must_use]
    pub fn jwks(&self) -> &serde_json::Value {
        &self.jwks
    }

    /// Signs who asks. The issuer is the domain, and the audience the app's own, so that one app's assertion is nothing to
    /// another.
    ///
    /// # Errors
    /// When the key cannot sign, which its reading would have shown.
    pub fn sign(
        &self,
        access: &Access,
        record: &SessionRecord,
        plan: &JwtPlan,
        origin: &str,
        now: Timestamp,
    ) -> Result<Arc<Assertion>, InvalidKey> {
        let grant = access.grant();
        let customer = grant.customer.as_ref();
        let seconds = i64::try_from(plan.lifetime.as_secs()).unwrap_or(300);
        let claims = Claims {
            iss: origin.to_owned(),
            aud: &plan.audience,
            sub: grant.email.as_str(),
            email: grant.email.as_str(),
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: now.as_second().saturating_add(seconds),
            role: grant.role.as_str(),
            auth_time: record.auth_time().as_second(),
            amr: amr(&record.proofs),
            name: grant.name.as_ref().map(|name| name.as_str()),
            customer: customer.map(|customer| customer.id.as_str()),
            customer_name: customer.and_then(|customer| customer.name.as_ref()).map(|name| name.as_str()),
            days_back: grant.days_back,
            since: access.since().map(|day| day.to_string()),
            language: grant.language.as_ref().map(|language| language.as_str()),
            level: access.values().level,
            act: access.actor().map(|actor| Actor { sub: actor.email.as_str() }),
            further: plan
                .claims
                .iter()
                .filter_map(|(name, template)| Some((name.as_str(), template.fill(access.values())?)))
                .collect(),
        };
        let invalid = |error: String| InvalidKey(error);
        let text =
            jsonwebtoken::encode(&self.header, &claims, &self.key).map_err(|error| invalid(error.to_string()))?;
        let mut value = HeaderValue::try_from(text).map_err(|error| invalid(error.to_string()))?;
        value.set_sensitive(true);
        let use_until = now.checked_add(plan.lifetime / 2).unwrap_or(now);
        Ok(Arc::new(Assertion { value, use_until }))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Signer({:?})", self.header.kid)
    }
}
