//! The offer after a log-in: a passkey makes the next one faster. Whoever says no is not asked again for a while.

use axum::extract::{Extension, Form, Query, State};
use axum::http::HeaderMap;
use http::{HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::login::{LoginRoom, Room, store_failed};
use crate::pages::{self, PasskeyOfferView, Reply};
use crate::session::{NO_PASSKEY_COOKIE, SessionRecord};
use crate::state::visit::Visit;
use crate::types::Way;

/// Sets [`NO_PASSKEY_COOKIE`] for 90 days.
const SET_NOT_NOW: HeaderValue = HeaderValue::from_static(
    "__Host-access-no-passkey=not-now; Path=/; Max-Age=7776000; Secure; HttpOnly; SameSite=Lax",
);

#[derive(Deserialize)]
pub(super) struct ToField {
    #[serde(default)]
    to: String,
}

/// The page. Whoever has one already, or cannot have one here, goes straight on.
pub(super) async fn show(State(room): Room, Extension(visit): Extension<Visit>, Query(query): Query<ToField>) -> Reply {
    let to = visit.return_path(&query.to);
    let Some(live) = &visit.live else {
        return Reply::see_other(&format!("/.access/login?to={}", encode(&to)));
    };
    let has = match room.store.passkeys_of(&visit.site.domain.host, &live.record.email).await {
        Ok(has) => has,
        Err(error) => return store_failed(&visit, &error),
    };
    if !visit.site.app.ways.passkey || !has.is_empty() {
        return Reply::see_other(&to);
    }
    let is_required = room.is_asked_for_passkey(&visit, &live.record).await == Some(true);
    pages::passkey_offer(visit.look(), &PasskeyOfferView { to: &to, is_required })
}

/// "Not now."
pub(super) async fn not_now(Extension(visit): Extension<Visit>, Form(form): Form<ToField>) -> Reply {
    Reply::see_other(&visit.return_path(&form.to)).with_cookie(SET_NOT_NOW)
}

impl LoginRoom {
    /// Where somebody who has just entered goes: on to where they were going, by way of the offer if it is for them.
    pub(in crate::login) async fn by_way_of_offer(
        &self,
        visit: &Visit,
        headers: &HeaderMap,
        session: &SessionRecord,
        to: String,
    ) -> String {
        let has_proven = session.proofs.iter().any(|proof| proof.way == Way::Passkey);
        if !visit.site.app.ways.passkey || has_proven {
            return to;
        }
        let is_wanted = match self.is_asked_for_passkey(visit, session).await {
            // Another way is asked for, and comes next.
            Some(false) => false,
            Some(true) => true,
            None => !has_cookie(headers, NO_PASSKEY_COOKIE) && self.would_do_alone(visit, session).await,
        };
        // An offer is not worth an error: whoever can be let in is let in.
        let has_one = async {
            let found = self.store.passkeys_of(&visit.site.domain.host, &session.email).await;
            found.map_or(true, |found| !found.is_empty())
        };
        if !is_wanted || has_one.await { to } else { format!("/.access/passkey/offer?to={}", encode(&to)) }
    }

    /// Whether the table lets the person in without a provider's word, so that a passkey is of use by itself.
    async fn would_do_alone(&self, visit: &Visit, session: &SessionRecord) -> bool {
        self.sessions.may_enter(&visit.site, &session.email, &[]).await.unwrap_or(false)
    }

    /// Whether a role of the person asks for a stronger way than the session came by, and if so, whether a passkey is one.
    async fn is_asked_for_passkey(&self, visit: &Visit, session: &SessionRecord) -> Option<bool> {
        let unmet = self.sessions.unmet(&visit.site, session).await.unwrap_or_default();
        (!unmet.is_empty()).then(|| unmet.iter().any(|requirement| requirement.allows(&Way::Passkey)))
    }
}

fn has_cookie(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .any(|pair| pair.trim_ascii().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'=')))
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
