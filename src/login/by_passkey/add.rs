//! Adding a passkey to the person of a session.
//!
//! A passkey opens the door for as long as its person is in the table, so adding one takes more than a session that was left
//! open somewhere: a log-in within the last hour and, where a role of the person asks for a stronger way than the session came
//! by, that way. Only the first passkey may be added by whoever is too weak, or nobody could ever have one.

use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn_rs::prelude::{PasskeyRegistration, RegisterPublicKeyCredential, Uuid, WebauthnError};

use super::ceremony::{Ceremony, ClientData, Purpose, relying_party};
use super::{Problem, answer, entered, known_here, onward, options};
use crate::login::enter::Entrant;
use crate::login::{LoginRoom, Room, device};
use crate::pages::mail::{PasskeyNews, passkey_letter};
use crate::pages::{Reply, when};
use crate::policy::Standing;
use crate::session::{MOST_PASSKEYS, PasskeyRecord, Proof, SessionRecord};
use crate::state::audit::Event;
use crate::state::ports::OutgoingMail;
use crate::state::rate_limits::Kind;
use crate::state::sessions::Live;
use crate::state::visit::Visit;
use crate::types::Way;

/// How long ago the person may have logged in.
const RECENT: Duration = Duration::from_secs(60 * 60);
/// How long the mail that tells of it is worth sending.
const NEWS_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What is kept from begin to finish.
#[derive(Deserialize, Serialize)]
struct Begun {
    handle: [u8; 16],
    registration: PasskeyRegistration,
}

/// Begins: a challenge for a passkey that the person has not got yet.
pub(super) async fn begin(State(room): Room, Extension(visit): Extension<Visit>, headers: HeaderMap) -> Reply {
    answer(&room, &visit, room.begin_passkey(&visit, &headers).await)
}

/// What the browser made.
#[derive(Deserialize)]
struct Made {
    credential: RegisterPublicKeyCredential,
    #[serde(default)]
    to: String,
}

/// Finishes: stores the passkey, tells the person by mail, and lets the session count as one that came by passkey.
pub(super) async fn finish(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    answer(&room, &visit, room.add_passkey(&visit, &headers, &body).await)
}

/// What a person may add to.
struct Owner<'a> {
    live: &'a Live,
    /// The passkeys they have on the domain.
    has: Vec<PasskeyRecord>,
    /// How many they may have.
    most: usize,
}

impl LoginRoom {
    async fn begin_passkey(&self, visit: &Visit, headers: &HeaderMap) -> Result<Reply, Problem> {
        let owner = self.owner(visit).await?;
        let record = &owner.live.record;
        // The same for all of a person's passkeys here, so that an authenticator keeps one of them and not two.
        let handle = owner.has.first().map_or_else(new_handle, |passkey| Ok(passkey.handle))?;
        let name = self.display_name(visit, record).await?;
        let (request, registration) = relying_party(visit)?
            .start_passkey_registration(Uuid::from_bytes(handle), record.email.as_str(), &name, None)
            .map_err(|_| Problem::Failed("a passkey cannot be begun"))?;
        let ceremony = Ceremony::of(visit, Purpose::Add(record.id));
        let cookies =
            ceremony.keep(&self.seal, headers, &request.public_key.challenge, Begun { handle, registration })?;
        let public_key =
            serde_json::to_value(&request.public_key).map_err(|_| Problem::Failed("options that cannot be written"))?;
        options(&discoverable(public_key, &owner.has)?, cookies)
    }

    async fn add_passkey(&self, visit: &Visit, headers: &HeaderMap, body: &[u8]) -> Result<Reply, Problem> {
        let owner = self.owner(visit).await?;
        let record = &owner.live.record;
        // Each one is stored and told of by mail, and could be deleted and added again and again.
        self.limits.admit(Kind::Passkey, visit, headers).map_err(|reached| Problem::TooOften(reached.minutes))?;
        let refused = |reason| Problem::Refused { email: Some(record.email.clone()), reason };
        let Made { credential, to } = serde_json::from_slice(body).map_err(|_| Problem::Unreadable)?;
        let client_data = ClientData::read(&credential.response.client_data_json)?;
        let ceremony = Ceremony::of(visit, Purpose::Add(record.id));
        let (begun, over): (Begun, _) = ceremony.take(self, headers, &client_data).await?;
        // An authenticator that cannot keep it for discovery has made something that could never be found again.
        let kept = credential.extensions.cred_props.as_ref().and_then(|made| made.rk);
        if kept == Some(false) {
            return Err(refused("not-discoverable"));
        }
        let key =
            relying_party(visit)?.finish_passkey_registration(&credential, &begun.registration).map_err(|error| {
                match error {
                    WebauthnError::UserNotVerified => refused("user-verification"),
                    WebauthnError::InvalidRPOrigin | WebauthnError::InvalidRPIDHash => refused("domain"),
                    _ => refused("answer"),
                }
            })?;
        let passkey = PasskeyRecord {
            credential: key.cred_id().to_vec(),
            app: record.app.clone(),
            host: visit.site.domain.host.clone(),
            email: record.email.clone(),
            handle: begun.handle,
            name: device::describe(headers),
            key: serde_json::to_string(&key).map_err(|_| Problem::Failed("a passkey cannot be written"))?,
            created: visit.now,
            last_used: None,
        };
        if !self.store.add_passkey(&passkey, owner.most).await? {
            // Somebody too weak for a second one was not the first.
            return Err(if owner.most < MOST_PASSKEYS { Problem::StepUp } else { Problem::Enough });
        }
        let event = Event::PasskeyAdded { email: &record.email, session: record.id };
        self.journal.write(visit, &event);
        self.tell_of(visit, &passkey).await;
        let to = visit.return_path(&to);
        let is_new = record.proofs.iter().all(|proof| proof.way != Way::Passkey);
        let reply = match is_new {
            // Whoever has just made one holds it: that is as good as logging in with it.
            true => {
                let proof = Proof::now(Way::Passkey, visit.now);
                let entrant = Entrant { email: record.email.clone(), proof, link: None, to, attempt: None };
                entered(&self.enter(visit, headers, entrant).await?)
            }
            false => onward(&to),
        };
        Ok(reply.with_cookie(over))
    }

    /// The person of a session, if they may add a passkey now.
    async fn owner<'a>(&self, visit: &'a Visit) -> Result<Owner<'a>, Problem> {
        known_here(visit)?;
        let live = visit.live.as_ref().ok_or(Problem::LogInAgain)?;
        let record = &live.record;
        if matches!(live.standing, Standing::Refused(_)) {
            return Err(Problem::NoGrant);
        }
        if !is_recent(record, visit.now) {
            return Err(Problem::LogInAgain);
        }
        let has = self.store.passkeys_of(&visit.site.domain.host, &record.email).await?;
        // Every role of the person counts, not only that of the customer chosen now: a passkey is good for all of them.
        let is_weak = !self.sessions.unmet(&visit.site, record).await?.is_empty();
        if is_weak && !has.is_empty() {
            return Err(Problem::StepUp);
        }
        if has.len() >= MOST_PASSKEYS {
            return Err(Problem::Enough);
        }
        Ok(Owner { live, has, most: if is_weak { 1 } else { MOST_PASSKEYS } })
    }

    /// What the browser shows beside the address.
    async fn display_name(&self, visit: &Visit, record: &SessionRecord) -> Result<String, Problem> {
        let grants = self.sessions.grants(&visit.site, record).await?;
        let name = grants.iter().find_map(|grant| grant.name.as_ref()).map(ToString::to_string);
        Ok(name.unwrap_or_else(|| record.email.to_string()))
    }

    /// Queues the mail by which the person learns of a passkey that somebody else may have added.
    async fn tell_of(&self, visit: &Visit, passkey: &PasskeyRecord) {
        let at = when::day_and_time(visit.language, visit.now, &visit.site.app.policy.time_zone);
        let account = format!("{}/.access/account", visit.origin);
        let news =
            PasskeyNews { host: visit.site.domain.host.as_str(), device: &passkey.name, at: &at, account: &account };
        let letter = passkey_letter(visit.look(), &news);
        let mail = OutgoingMail {
            to: passkey.email.to_string(),
            subject: letter.subject,
            text: letter.text,
            html: letter.html,
            unsubscribe: None,
        };
        let expires = visit.now.checked_add(NEWS_LIFETIME).unwrap_or(visit.now);
        match self.store.queue_mail(&mail, visit.now, expires).await {
            Ok(()) => self.mailed.notify_one(),
            Err(error) => tracing::error!(%error, "the mail that tells of a new passkey could not be queued"),
        }
    }
}

/// Whether the person has proven who they are within the last hour, here or at a provider that said so.
fn is_recent(record: &SessionRecord, now: Timestamp) -> bool {
    let proven = record.auth_time().max(record.created);
    proven.checked_add(RECENT).is_ok_and(|until| now <= until)
}

fn new_handle() -> Result<[u8; 16], Problem> {
    let mut handle = [0; 16];
    aws_lc_rs::rand::fill(&mut handle).map_err(|_| Problem::Failed("no randomness"))?;
    Ok(handle)
}

/// The library's options, with what it does not ask for: a passkey that is found without a name, and none beside one that the
/// authenticator already has.
fn discoverable(mut public_key: Value, has: &[PasskeyRecord]) -> Result<Value, Problem> {
    let missing = || Problem::Failed("options without a selection");
    let selection = public_key.get_mut("authenticatorSelection").and_then(Value::as_object_mut).ok_or_else(missing)?;
    selection.insert("residentKey".to_owned(), json!("required"));
    selection.insert("requireResidentKey".to_owned(), json!(true));
    let exclude: Vec<Value> = has
        .iter()
        .map(
            |passkey| json!({ "type": "public-key", "id": data_encoding::BASE64URL_NOPAD.encode(&passkey.credential) }),
        )
        .collect();
    let options = public_key.as_object_mut().ok_or_else(missing)?;
    options.insert("excludeCredentials".to_owned(), json!(exclude));
    Ok(public_key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Token;
    use crate::types::{AppName, Email, HostName};

    #[test]
    fn only_a_fresh_log_in_adds_a_passkey() {
        let start = Timestamp::from_second(1_000_000).expect("in range");
        let mut record = SessionRecord {
            id: Token::new([1; 32]).hash(),
            app: AppName::parse("orders").expect("valid"),
            host: HostName::parse("orders.example").expect("valid"),
            email: Email::parse("ann@example.com").expect("valid"),
            customer: None,
            created: start,
            last_used: start,
            device: String::new(),
            proofs: vec![Proof::now(Way::Email, start)],
            links: Vec::new(),
            preview: None,
        };
        assert!(is_recent(&record, start + RECENT));
        assert!(!is_recent(&record, start + RECENT + Duration::from_secs(1)), "use does not make it fresh");
        record.proofs.push(Proof::now(Way::Passkey, start + RECENT));
        assert!(is_recent(&record, start + RECENT + RECENT), "a step up does");
    }
}
