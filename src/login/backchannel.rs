//! Where providers say that somebody has logged out there (OpenID Connect Back-Channel Logout 1.0).
//!
//! It is a machine that posts here, so no page of ours and no cookie stands behind it: the signed token is all its proof, and
//! whatever session a request may carry beside it is not looked at.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, State};
use axum::http::HeaderMap;
use axum::routing::post;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::oidc::{LogoutRequest, LogoutTokenError};
use super::{LoginRoom, Room};
use crate::pages::{self, Reply};
use crate::state::audit::{Event, Scene};
use crate::state::rate_limits::Kind;
use crate::state::visit::{HubVisit, Visit};
use crate::types::{Language, ProviderName};

/// The longest token that is looked at, in bytes.
const MOST_TOKEN_BYTES: usize = 12 * 1024;

/// The one route, for domains and the hub alike.
pub(super) fn router() -> Router<Arc<LoginRoom>> {
    Router::new().route("/.access/oidc/backchannel", post(log_out))
}

async fn log_out(
    State(room): Room,
    domain: Option<Extension<Visit>>,
    hub: Option<Extension<HubVisit>>,
    headers: HeaderMap,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Reply {
    let scene = match (&domain, &hub) {
        (Some(Extension(visit)), _) => Scene::from(visit),
        (None, Some(Extension(visit))) => Scene::from(visit),
        (None, None) => return try_again(),
    };
    let refused = |provider: Option<&ProviderName>, reason| {
        // Only what is refused counts. A provider that has much to say at once, of everybody in a company, is always heard.
        if let Err(reached) = room.limits.admit(Kind::Backchannel, scene, &headers) {
            return pages::too_many_json(Language::English, reached.minutes, scene.request_id.unwrap_or_default());
        }
        room.journal.write(scene, &Event::BackchannelRefused { provider, reason });
        invalid()
    };
    let Some(token) = form.ok().and_then(|Form(fields)| logout_token(fields)) else { return refused(None, "form") };
    let LogoutRequest { provider, farewell } = match room.providers.verify_logout_token(&token).await {
        Ok(request) => request,
        Err(LogoutTokenError::NotBelieved { provider, reason }) => return refused(provider.as_ref(), reason),
        Err(LogoutTokenError::Unavailable { provider, cause }) => {
            tracing::warn!(%provider, cause, "a log-out token could not be checked");
            return try_again();
        }
    };
    match room.sessions.end_linked(&farewell).await {
        Ok(Some(sessions)) => {
            room.journal.write(scene, &Event::BackchannelLogout { provider: &provider, sessions });
            Reply::text(StatusCode::OK, "")
        }
        Ok(None) => refused(Some(&provider), "replay"),
        Err(error) => {
            tracing::error!(%error, %provider, "sessions that a provider ended go on");
            try_again()
        }
    }
}

/// The token of a form that has it exactly once. Other parameters may come along, and mean nothing (section 2.5).
fn logout_token(fields: Vec<(String, String)>) -> Option<String> {
    let mut tokens = fields.into_iter().filter(|(name, _)| name == "logout_token").map(|(_, token)| token);
    let (Some(token), None) = (tokens.next(), tokens.next()) else { return None };
    // Three parts of base64url: what is no signed token costs nothing more.
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_token = token.len() <= MOST_TOKEN_BYTES && token.split('.').count() == 3 && token.split('.').all(is_part);
    is_token.then_some(token)
}

/// Section 2.8 has 400 for this, and nothing about why: whoever is not the provider learns nothing.
fn invalid() -> Reply {
    Reply::json(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request"}))
}

/// Section 2.8 has 400 for a log-out that failed too; but that says to a provider that its token is no good, while this one is
/// as good as ever, and to be sent again.
fn try_again() -> Reply {
    let reply = Reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": "temporarily_unavailable"}));
    reply.with_header(RETRY_AFTER, HeaderValue::from_static("5"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::{FromRequest, Request};
    use http::header::CONTENT_TYPE;

    use super::*;

    async fn check(kind: &'static str, body: &str, expected: Option<&str>) {
        let request =
            Request::post("/").header(CONTENT_TYPE, kind).body(Body::from(body.to_owned())).expect("a request");
        let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
        let found = form.ok().and_then(|Form(fields)| logout_token(fields));
        assert_eq!(found.as_deref(), expected, "{kind}: {body}");
    }

    #[tokio::test]
    async fn attack_24_a_token_comes_once_in_a_form_and_has_three_parts() {
        const FORM: &str = "application/x-www-form-urlencoded";
        check(FORM, "logout_token=a.b.c", Some("a.b.c")).await;
        check("application/x-www-form-urlencoded; charset=UTF-8", "x=1&logout_token=a.b-_.c&y", Some("a.b-_.c")).await;
        check("application/json", "logout_token=a.b.c", None).await;
        check("", "logout_token=a.b.c", None).await;
        check(FORM, "logout_token=a.b.c&logout_token=a.b.c", None).await;
        check(FORM, "logout%5Ftoken=a.b.c&logout_token=", None).await;
        for token in ["", "a", "a.b", "a.b.c.d", "a.b.", "..", "a.b.c ", "a.b.%00", "a.b.c%3D", "%FF.b.c"] {
            check(FORM, &format!("logout_token={token}"), None).await;
        }
        check(FORM, &format!("logout_token={}.b.c", "a".repeat(MOST_TOKEN_BYTES)), None).await;
        check(FORM, "", None).await;
    }
}
