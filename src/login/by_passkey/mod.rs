//! By passkey (WebAuthn Level 3): logging in with one, adding one, and offering to add the first.
//!
//! Credentials are discoverable and ask for user verification, so a passkey alone says who somebody is; whether they may
//! enter, the table decides each time. The pages talk to it in JSON, by `passkey.js`. The account page's list, names and
//! removals stand in the portal.

mod add;
mod ceremony;
mod log_in;
mod offer;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::LoginRoom;
use super::enter::Refused;
use crate::pages::Reply;
use crate::state::audit::Event;
use crate::state::ports::{StoreError, Unavailable};
use crate::state::visit::Visit;
use crate::types::Email;

/// The pages and calls of this way in.
pub(super) fn router() -> Router<Arc<LoginRoom>> {
    Router::new()
        .route("/.access/passkey/login/begin", post(log_in::begin))
        .route("/.access/passkey/login/finish", post(log_in::finish))
        .route("/.access/passkey/add/begin", post(add::begin))
        .route("/.access/passkey/add/finish", post(add::finish))
        .route("/.access/passkey/offer", get(offer::show).post(offer::not_now))
}

/// Why a call does not do what it was asked to.
#[derive(Debug)]
enum Problem {
    /// The app knows no passkeys.
    NotHere,
    /// The request is not what `passkey.js` sends.
    Unreadable,
    /// The passkey opens nothing here. Whatever the reason is, it stands in the audit log alone.
    Refused {
        /// Whose it is, where that is known.
        email: Option<Email>,
        /// Why, in a short fixed word.
        reason: &'static str,
    },
    /// The passkey is fine, and its person may not enter. Said in the same way.
    NoGrant,
    /// The ceremony was not begun by this browser, took too long, or was ended before.
    Expired,
    /// The person has to log in, or has done so too long ago.
    LogInAgain,
    /// The person has to come by a stronger way first.
    StepUp,
    /// The person has as many passkeys as may be, or this one.
    Enough,
    /// A limit was reached; in so many minutes it is not.
    TooOften(u32),
    /// The tables cannot be asked.
    Unavailable,
    /// The store failed.
    Store(StoreError),
    /// Something that should not be.
    Failed(&'static str),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        tracing::warn!(%error, "a passkey has to wait for its table");
        Self::Unavailable
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotAllowed => Self::NoGrant,
            Refused::Unavailable => Self::Unavailable,
            Refused::Ended => Self::Expired,
            Refused::Store(error) => Self::Store(error),
        }
    }
}

impl Problem {
    /// Nobody's passkey, as far as can be told.
    const fn refused(reason: &'static str) -> Self {
        Self::Refused { email: None, reason }
    }

    /// Status and name; `passkey.js` finds the sentence for a name on its page.
    const fn shown(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotHere => (StatusCode::NOT_FOUND, "not_found"),
            Self::Unreadable => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::Refused { .. } | Self::NoGrant => (StatusCode::FORBIDDEN, "refused"),
            Self::Expired => (StatusCode::GONE, "expired"),
            Self::LogInAgain => (StatusCode::UNAUTHORIZED, "log_in_again"),
            Self::StepUp => (StatusCode::FORBIDDEN, "step_up_required"),
            Self::Enough => (StatusCode::CONFLICT, "enough"),
            Self::TooOften(_) => (StatusCode::TOO_MANY_REQUESTS, "too_often"),
            Self::Unavailable | Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        }
    }
}

/// What a call says.
fn answer(room: &LoginRoom, visit: &Visit, result: Result<Reply, Problem>) -> Reply {
    let problem = match result {
        Ok(reply) => return reply,
        Err(problem) => problem,
    };
    let (app, request_id) = (visit.site.app.name.as_str(), visit.request_id.as_str());
    match &problem {
        Problem::Refused { email, reason } => {
            let event = Event::PasskeyRefused { email: email.as_ref(), reason };
            room.journal.write(visit, &event);
        }
        Problem::Store(error) => tracing::error!(%app, %error, request_id, "a passkey's call failed"),
        Problem::Failed(cause) => tracing::error!(%app, cause, request_id, "a passkey's call failed"),
        _ => {}
    }
    let (status, error) = problem.shown();
    let reply = Reply::json(status, &serde_json::json!({ "error": error }));
    match problem {
        Problem::TooOften(minutes) => {
            reply.with_header(header::RETRY_AFTER, HeaderValue::from(u64::from(minutes.max(1)) * 60))
        }
        _ => reply,
    }
}

/// Refuses where the app knows no passkeys.
fn known_here(visit: &Visit) -> Result<(), Problem> {
    if visit.site.app.ways.passkey { Ok(()) } else { Err(Problem::NotHere) }
}

/// What a script needs to call the browser with, and the cookies of the ceremony.
fn options(public_key: &impl Serialize, cookies: Vec<HeaderValue>) -> Result<Reply, Problem> {
    let public_key = serde_json::to_value(public_key).map_err(|_| Problem::Failed("options that cannot be written"))?;
    let reply = Reply::json(StatusCode::OK, &serde_json::json!({ "publicKey": public_key }));
    Ok(cookies.into_iter().fold(reply, Reply::with_cookie))
}

/// "Go on there", for a script.
fn onward(to: &str) -> Reply {
    Reply::json(StatusCode::OK, &serde_json::json!({ "to": to }))
}

/// The redirect of somebody who has entered, as a script can use it: with the same cookies.
fn entered(redirect: &Reply) -> Reply {
    let to = redirect.headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("/");
    let cookies = redirect.headers.get_all(header::SET_COOKIE).iter().cloned();
    cookies.fold(onward(to), Reply::with_cookie)
}
