//! The account page's passkeys: which ones a person has on the domain, naming and removing them.
//!
//! A session that came by a weaker way than a role of its person asks for changes none of them: whoever could remove the last
//! one could then add the first one anew, and the role would be as good as open to the weaker way.

use axum::extract::{Extension, Form, State};
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use serde::Deserialize;

use super::{PortalRoom, Room, day_and_time, error, log_in_first, store_failed};
use crate::pages::{self, PasskeyView, PasskeysView, Reply};
use crate::session::MOST_PASSKEYS;
use crate::state::audit::Event;
use crate::state::ports::{StoreError, Unavailable};
use crate::state::sessions::Live;
use crate::state::visit::Visit;
use crate::types::{DisplayName, RequiredWay, Way};

const ACCOUNT: &str = "/.access/account";
/// How long a name may be.
const MOST_NAME_CHARACTERS: usize = 60;

/// The script that uses passkeys, on the log-in pages as on ours.
pub(super) async fn script() -> Reply {
    pages::passkey_script()
}

impl PortalRoom {
    /// The account page's part; none where there are no passkeys and none can be added.
    pub(super) async fn passkeys(&self, visit: &Visit, live: &Live) -> Result<Option<PasskeysView>, StoreError> {
        let has = self.store.passkeys_of(&visit.site.domain.host, &live.record.email).await?;
        let is_here = visit.site.app.ways.passkey;
        if !is_here && has.is_empty() {
            return Ok(None);
        }
        let can_change = self.may_change(visit, live).await.unwrap_or(false);
        let passkeys = has.iter().map(|passkey| PasskeyView {
            id: BASE64URL_NOPAD.encode(&passkey.credential),
            name: passkey.name.clone(),
            added: day_and_time(passkey.created, visit),
            last_used: passkey.last_used.map(|moment| day_and_time(moment, visit)),
        });
        Ok(Some(PasskeysView {
            passkeys: passkeys.collect(),
            can_add: is_here && has.len() < MOST_PASSKEYS && (can_change || has.is_empty()),
            can_change,
            is_required: self.asks_for_passkey(visit, live).await,
        }))
    }

    /// Whether the session came by what all roles of its person ask for.
    async fn may_change(&self, visit: &Visit, live: &Live) -> Result<bool, Unavailable> {
        Ok(self.sessions.unmet(&visit.site, &live.record).await?.is_empty())
    }

    /// Whether a session without a passkey would be too weak.
    async fn asks_for_passkey(&self, visit: &Visit, live: &Live) -> bool {
        let mut record = live.record.clone();
        record.proofs.retain(|proof| proof.way != Way::Passkey);
        let unmet = self.sessions.unmet(&visit.site, &record).await.unwrap_or_default();
        unmet.iter().any(|requirement| requirement.0.contains(&RequiredWay::Exactly(Way::Passkey)))
    }
}

#[derive(Deserialize)]
pub(super) struct NameForm {
    #[serde(default)]
    passkey: String,
    #[serde(default)]
    name: String,
}

/// Names a passkey.
pub(super) async fn name(State(room): Room, Extension(visit): Extension<Visit>, Form(form): Form<NameForm>) -> Reply {
    let Some(live) = &visit.live else { return log_in_first(ACCOUNT) };
    let credential = match changeable(&room, &visit, live, &form.passkey).await {
        Ok(credential) => credential,
        Err(reply) => return reply,
    };
    let name: Option<String> =
        DisplayName::new(&form.name).map(|name| name.as_str().chars().take(MOST_NAME_CHARACTERS).collect());
    let Some(name) = name else { return error(&visit, StatusCode::BAD_REQUEST) };
    match room.store.name_passkey(&visit.site.domain.host, &live.record.email, &credential, &name).await {
        Ok(true) => {
            let event = Event::PasskeyRenamed { email: &live.record.email, session: live.record.id };
            room.journal.write(&visit, &event);
            Reply::see_other(ACCOUNT)
        }
        // One that is gone meanwhile is no longer in the list, which says it all.
        Ok(false) => Reply::see_other(ACCOUNT),
        Err(cause) => store_failed(&visit, &cause),
    }
}

#[derive(Deserialize)]
pub(super) struct RemoveForm {
    #[serde(default)]
    passkey: String,
}

/// Removes a passkey.
pub(super) async fn remove(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Form(form): Form<RemoveForm>,
) -> Reply {
    let Some(live) = &visit.live else { return log_in_first(ACCOUNT) };
    let credential = match changeable(&room, &visit, live, &form.passkey).await {
        Ok(credential) => credential,
        Err(reply) => return reply,
    };
    let record = &live.record;
    match room.store.remove_passkey(&visit.site.domain.host, &record.email, &credential).await {
        Ok(true) => {
            let event = Event::PasskeyRemoved { email: &record.email, session: record.id };
            room.journal.write(&visit, &event);
            Reply::see_other(ACCOUNT)
        }
        Ok(false) => Reply::see_other(ACCOUNT),
        Err(cause) => store_failed(&visit, &cause),
    }
}

/// The credential that a form is about, if its person may change passkeys now.
async fn changeable(room: &PortalRoom, visit: &Visit, live: &Live, passkey: &str) -> Result<Vec<u8>, Reply> {
    match room.may_change(visit, live).await {
        Ok(true) => {}
        Ok(false) => return Err(Reply::see_other("/.access/step-up?to=%2F.access%2Faccount")),
        Err(cause) => {
            tracing::warn!(app = %live.record.app, %cause, "whether passkeys may be changed cannot be told");
            return Err(error(visit, StatusCode::SERVICE_UNAVAILABLE));
        }
    }
    BASE64URL_NOPAD.decode(passkey.as_bytes()).map_err(|_| error(visit, StatusCode::BAD_REQUEST))
}
