//! Logging in with a passkey: who has one that this domain knows is its person, and the table says whether they may enter.

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use webauthn_rs::prelude::{DiscoverableAuthentication, Passkey, PublicKeyCredential, WebauthnError};

use super::ceremony::{Ceremony, ClientData, Purpose, relying_party};
use super::{Problem, answer, entered, known_here, options};
use crate::login::enter::Entrant;
use crate::login::{LoginRoom, Room};
use crate::pages::Reply;
use crate::session::{PasskeyRecord, Proof};
use crate::state::audit::Event;
use crate::state::rate_limits::Kind;
use crate::state::visit::Visit;
use crate::types::Way;

/// Begins: a challenge for whichever passkey of the domain the browser finds.
pub(super) async fn begin(State(room): Room, Extension(visit): Extension<Visit>, headers: HeaderMap) -> Reply {
    // It does no work to speak of and stores nothing, so it is not counted: the log-in page calls it whenever it is shown.
    let begun = known_here(&visit).and_then(|()| {
        let (request, state) = relying_party(&visit)?
            .start_discoverable_authentication()
            .map_err(|_| Problem::Failed("a log-in cannot be begun"))?;
        let ceremony = Ceremony::of(&visit, Purpose::LogIn);
        let cookies = ceremony.keep(&room.seal, &headers, &request.public_key.challenge, state)?;
        options(&request.public_key, cookies)
    });
    answer(&room, &visit, begun)
}

/// What the browser found.
#[derive(Deserialize)]
struct Found {
    credential: PublicKeyCredential,
    #[serde(default)]
    to: String,
}

/// Finishes: opens a session.
pub(super) async fn finish(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    answer(&room, &visit, room.log_in_by_passkey(&visit, &headers, &body).await)
}

impl LoginRoom {
    async fn log_in_by_passkey(&self, visit: &Visit, headers: &HeaderMap, body: &[u8]) -> Result<Reply, Problem> {
        known_here(visit)?;
        self.limits.admit(Kind::Passkey, visit, headers).map_err(|reached| Problem::TooOften(reached.minutes))?;
        let Found { credential, to } = serde_json::from_slice(body).map_err(|_| Problem::Unreadable)?;
        let client_data = ClientData::read(&credential.response.client_data_json)?;
        let ceremony = Ceremony::of(visit, Purpose::LogIn);
        let (state, over) = ceremony.take(self, headers, &client_data).await?;
        let passkey = self.proven(visit, &credential, state).await?;
        self.journal.write(visit, &Event::PasskeyUsed(&passkey.email));
        let entrant = Entrant {
            email: passkey.email,
            proof: Proof::now(Way::Passkey, visit.now),
            link: None,
            to: visit.return_path(&to),
            attempt: None,
        };
        Ok(entered(&self.enter(visit, headers, entrant).await?).with_cookie(over))
    }

    /// The passkey whose holder has answered the challenge.
    async fn proven(
        &self,
        visit: &Visit,
        credential: &PublicKeyCredential,
        state: DiscoverableAuthentication,
    ) -> Result<PasskeyRecord, Problem> {
        let host = &visit.site.domain.host;
        let found = self.store.passkey(host, credential.get_credential_id()).await?;
        let mut key: Passkey = match &found {
            Some(passkey) => {
                serde_json::from_str(&passkey.key).map_err(|_| Problem::Failed("a stored passkey cannot be read"))?
            }
            // What nobody knows is looked at just as long.
            None => decoy(credential.get_credential_id())?,
        };
        let result = relying_party(visit)?.finish_discoverable_authentication_v2(credential, state, &key);
        let passkey = found.ok_or(Problem::refused("unknown"))?;
        let refused = |reason| Problem::Refused { email: Some(passkey.email.clone()), reason };
        let result = result.map_err(|error| match error {
            // Two that count for themselves are two copies of one key (WebAuthn Level 3, section 6.1.1).
            WebauthnError::CredentialPossibleCompromise => {
                tracing::warn!(
                    app = %visit.site.app.name,
                    email = passkey.email.masked(),
                    "a passkey's counter did not go up: there may be a copy of it"
                );
                refused("counter")
            }
            WebauthnError::UserNotVerified => refused("user-verification"),
            WebauthnError::InvalidRPOrigin | WebauthnError::InvalidRPIDHash => refused("domain"),
            _ => refused("answer"),
        })?;
        if credential.get_user_unique_id() != Some(&passkey.handle[..]) {
            return Err(refused("handle"));
        }
        if !result.user_verified() {
            return Err(refused("user-verification"));
        }
        key.update_credential(&result);
        let key = serde_json::to_string(&key).map_err(|_| Problem::Failed("a passkey cannot be written"))?;
        if !self.store.passkey_used(host, &passkey.credential, &key, visit.now).await? {
            return Err(refused("removed"));
        }
        Ok(passkey)
    }
}

/// A key that is nobody's, to be looked at in place of an unknown one. What comes of it is never taken for an answer.
fn decoy(credential: &[u8]) -> Result<Passkey, Problem> {
    // The base point of P-256, a point like any other.
    let key = serde_json::json!({ "cred": {
        "cred_id": BASE64URL_NOPAD.encode(credential),
        "cred": { "type_": "ES256", "key": { "EC_EC2": {
            "curve": "SECP256R1",
            "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
            "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
        } } },
        "counter": 0,
        "transports": null,
        "user_verified": true,
        "backup_eligible": false,
        "backup_state": false,
        "registration_policy": "required",
        "extensions": {},
        "attestation": { "data": "None", "metadata": "None" },
        "attestation_format": "none",
    } });
    serde_json::from_value(key).map_err(|_| Problem::Failed("the decoy cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_passkey_is_looked_at_like_a_known_one() {
        assert_eq!(decoy(&[7; 40]).expect("a passkey").cred_id().as_slice(), [7; 40]);
    }
}
