//! What an invitation's link shows.
//!
//! The link lets nobody in: whoever has it sees what it is and is led to the log-in, where the invited address has to be proven. So a
//! scanner that opens it, a mail that was forwarded, and a browser where somebody else is logged in change nothing.

use axum::extract::{Extension, Form, Path, State};
use axum::http::HeaderMap;
use http::StatusCode;
use serde::Deserialize;

use super::super::{Room, day_and_time, encode, error, store_failed};
use crate::pages::team::{InvitationEnd, InvitationView, Reader, invitation, invitation_ended};
use crate::pages::{Look, Reply};
use crate::session::{CookieName, Token, chosen_language, clearing, setting, setting_language};
use crate::state::audit::Event;
use crate::state::people::{INVITATION_PATH, InvitationShown, InvitationStanding};
use crate::state::ports::Directory;
use crate::state::visit::Visit;

pub(super) async fn show(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Reply {
    let shown = match find(&room, &visit, &headers, &token).await {
        Ok(shown) => shown,
        Err(reply) => return reply,
    };
    let look = spoken(&visit, &headers, &shown);
    let roles = &visit.site.app.policy.roles;
    let inviter = match &shown.inviter {
        None => None,
        Some(email) => {
            let known = room.team.known(&visit.site.app.name, email).await.ok();
            let grant = known
                .as_ref()
                .and_then(|known| known.grants.iter().find(|grant| grant.customer_id() == Some(&shown.customer.id)));
            let name = grant.and_then(|grant| grant.name.as_ref());
            Some(name.map_or_else(|| email.to_string(), ToString::to_string))
        }
    };
    let log_in = format!("/.access/login?stay=1&email={}", encode(shown.email.as_str()));
    let reader = match visit.live.as_deref() {
        None => Reader::Nobody { log_in: &log_in },
        Some(live) if live.record.email == shown.email => Reader::Invited,
        Some(live) => Reader::Other { email: live.record.email.as_str() },
    };
    let view = InvitationView {
        inviter: inviter.as_deref(),
        customer: shown.customer.name.as_ref().map_or(shown.customer.id.as_str(), |name| name.as_str()),
        role: roles.title(&shown.role),
        until: &day_and_time(shown.expires, &Visit { language: look.language, ..visit.clone() }),
        address: shown.email.as_str(),
        path: &format!("{INVITATION_PATH}{token}"),
        reader,
    };
    let page = invitation(look, &view);
    // The log-in that it leads to goes on in the same language.
    if look.language == visit.language { page } else { page.with_cookie(setting_language(look.language)) }
}

#[derive(Deserialize)]
pub(super) struct AnswerForm {
    /// `log-out` ends the session of whoever is not the invited person; anything else accepts.
    #[serde(default, rename = "do")]
    does: String,
}

pub(super) async fn answer(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Path(token): Path<String>,
    Form(form): Form<AnswerForm>,
) -> Reply {
    let shown = match find(&room, &visit, &headers, &token).await {
        Ok(shown) => shown,
        Err(reply) => return reply,
    };
    let again = Reply::see_other(&format!("{INVITATION_PATH}{token}"));
    let Some(live) = visit.live.as_deref() else { return again };
    let email = &live.record.email;
    if form.does == "log-out" {
        if let Err(cause) = room.sessions.end(live.record.id).await {
            return store_failed(&visit, &cause);
        }
        room.journal.write(&visit, &Event::LoggedOut { email, session: live.record.id });
        return again.with_cookie(clearing(CookieName::Session));
    }
    if *email != shown.email {
        return again;
    }
    match room.team.accept(&visit, &visit.site, email).await {
        Ok(0) => return invitation_ended(spoken(&visit, &headers, &shown), InvitationEnd::Gone),
        Ok(_) => {}
        Err(cause) => {
            tracing::warn!(%cause, request_id = visit.request_id, "an invitation could not be accepted");
            return error(&visit, StatusCode::SERVICE_UNAVAILABLE);
        }
    }
    // Another customer is another session.
    match room.sessions.switch(live, shown.customer.id.clone(), visit.now).await {
        Ok(Some(session)) => {
            let lifetime = room.current.load().session.absolute.as_secs();
            Reply::see_other("/").with_cookie(setting(CookieName::Session, &session, lifetime))
        }
        Ok(None) => Reply::see_other("/"),
        Err(cause) => store_failed(&visit, &cause),
    }
}

/// The invitation of a link, if it may be accepted on this domain.
async fn find(
    room: &super::PortalRoom,
    visit: &Visit,
    headers: &HeaderMap,
    token: &str,
) -> Result<InvitationShown, Reply> {
    let ended = |end| Err(invitation_ended(visit.look(), end));
    let Some(token) = Token::parse(token) else { return ended(InvitationEnd::Gone) };
    let shown = match room.team.invitation(&visit.site.app.name, &token, visit.now).await {
        Ok(shown) => shown,
        Err(cause) => {
            tracing::warn!(%cause, request_id = visit.request_id, "an invitation could not be shown");
            return Err(error(visit, StatusCode::SERVICE_UNAVAILABLE));
        }
    };
    let pinned = visit.site.domain.customer.as_ref();
    match shown.filter(|shown| pinned.is_none_or(|pinned| *pinned == shown.customer.id)) {
        None => ended(InvitationEnd::Gone),
        Some(shown) => match shown.standing {
            InvitationStanding::Good => Ok(shown),
            InvitationStanding::Expired => {
                Err(invitation_ended(spoken(visit, headers, &shown), InvitationEnd::Expired))
            }
            InvitationStanding::Revoked => {
                Err(invitation_ended(spoken(visit, headers, &shown), InvitationEnd::Revoked))
            }
        },
    }
}

/// How the page speaks: as was chosen here, else as the invitation says, else as the browser asks.
fn spoken<'a>(visit: &'a Visit, headers: &HeaderMap, shown: &InvitationShown) -> Look<'a> {
    let look = visit.look();
    match shown.language {
        Some(language) if visit.live.is_none() && chosen_language(headers).is_none() => Look { language, ..look },
        _ => look,
    }
}
