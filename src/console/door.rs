//! The door of the admin listener: log-in as everywhere, and then the workspace team's pages.
//!
//! It is the corridor's walk for the one app that has no upstream: session, our own pages, decision. The listener is plain HTTP, and
//! browsers keep our cookies over that only on this machine, so by no other address is there a door. From elsewhere it takes a tunnel, or the
//! console's own domain.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use tower::ServiceExt as _;

use super::{Client, ConsoleRoom};
use crate::pages::{self, DeniedView, ErrorView, Reply};
use crate::policy::{self, Decision, Standing, decide};
use crate::session::{CookieName, cookie};
use crate::state::language::AskedLanguages;
use crate::state::snapshot::Site;
use crate::state::visit::Visit;
use crate::types::{PathAllowances, RequestPath};

/// What stands behind the door.
pub(super) struct Door {
    pub(super) room: Arc<ConsoleRoom>,
    /// Log-in and the person's own pages.
    pub(super) own: Router,
    /// The workspace team's pages.
    pub(super) staff: Router,
}

/// Answers whatever is neither the API nor about health.
pub(super) async fn enter(State(door): State<Arc<Door>>, request: Request) -> Response {
    let Some(site) = door.room.current.load().door().cloned() else {
        let text =
            "There is no console: the config has no `[console]`. The API is at /api/v1/, metrics are at /metrics.\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    if !is_this_machine(request.headers()) {
        let text = "The console is here for this machine alone: ask as 127.0.0.1 or localhost, through an SSH tunnel from elsewhere, or give it a domain with `[console] domain`.\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    let reply = door.walk(site, request).await;
    match door.room.journal.settled().await {
        Ok(()) => reply,
        // What was done may be done; nobody is told so before it stands in the audit log.
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "The audit log cannot be stored.\n").into_response(),
    }
}

impl Door {
    async fn walk(&self, site: Arc<Site>, request: Request) -> Response {
        let now = self.room.clock.now();
        let client = request.extensions().get::<ConnectInfo<Client>>().map(|ConnectInfo(Client(address))| *address);
        let languages = AskedLanguages::of(request.headers());
        let mut visit = Visit {
            site,
            live: None,
            client: client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            origin: origin(request.headers()),
            request_id: super::api::new_id(),
            now,
            language: languages.spoken(None),
        };
        let Ok(path) = RequestPath::parse(request.uri().path().as_bytes(), &PathAllowances::default()) else {
            return error(&visit, StatusCode::BAD_REQUEST);
        };
        if let Some(token) = cookie(request.headers(), CookieName::Session) {
            match self.room.sessions.live(&token, &visit.site, now).await {
                Ok(live) => visit.live = live,
                Err(trouble) => {
                    tracing::warn!(error = %trouble, "a session of the console could not be looked up");
                    return error(&visit, StatusCode::SERVICE_UNAVAILABLE);
                }
            }
            visit.language = languages.spoken(visit.live.as_deref());
        }
        if !visit.is_same_origin(request.method(), request.headers()) {
            return error(&visit, StatusCode::FORBIDDEN);
        }
        if path.as_str() == "/.access" || path.as_str().starts_with("/.access/") {
            return answer(&self.own, visit, request).await;
        }
        let unknown = Standing::Unknown;
        let standing = visit.live.as_ref().map_or(&unknown, |live| &live.standing);
        let facts = policy::Request {
            method: request.method(),
            path: &path,
            query: request.uri().query(),
            headers: request.headers(),
            host: &visit.site.domain.host,
            client: visit.client,
            now,
        };
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let to = percent_encoding::utf8_percent_encode(target, percent_encoding::NON_ALPHANUMERIC);
        match decide(standing, &facts) {
            // Nothing goes upstream from here, so the permit is of no use.
            Decision::Allow(_) => answer(&self.staff, visit, request).await,
            Decision::LogIn => Reply::see_other(&format!("/.access/login?to={to}")).into_response(),
            Decision::Choose => Reply::see_other(&format!("/.access/choose?to={to}")).into_response(),
            Decision::StepUp(_) => Reply::see_other(&format!("/.access/step-up?to={to}")).into_response(),
            // The console has no customers, and so nobody to preview.
            Decision::PreviewOver(_) => Reply::see_other("/.access/preview").into_response(),
            Decision::Deny(reason) => {
                let email = visit.live.as_ref().map(|live| live.record.email.as_str());
                let view = DeniedView {
                    email,
                    customer: None,
                    reason: reason.name(),
                    can_switch: false,
                    request_id: &visit.request_id,
                };
                pages::denied(visit.look(), &view).into_response()
            }
        }
    }
}

async fn answer(pages: &Router, visit: Visit, mut request: Request) -> Response {
    let look = visit.clone();
    request.extensions_mut().insert(visit);
    match pages.clone().oneshot(request.map(Body::new)).await {
        // Axum itself answers what does not fit a form, in words for programmers.
        Ok(response)
            if response.status().is_client_error()
                && !response.headers().contains_key(header::CONTENT_SECURITY_POLICY) =>
        {
            error(&look, response.status())
        }
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn error(visit: &Visit, status: StatusCode) -> Response {
    let view = ErrorView { status, request_id: &visit.request_id };
    pages::error(Some(visit.look().brand), visit.language, &view).into_response()
}

/// Whether the listener is asked by an address of this machine. Browsers keep our cookies over plain HTTP there alone; and a link in a mail
/// leads to where its log-in was asked for, so by another address somebody could have it lead to themselves.
fn is_this_machine(headers: &HeaderMap) -> bool {
    let name = super::asked_as(headers);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The listener's origin as the browser writes it.
fn origin(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("http://{host}")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_door_is_for_this_machine() {
        for (host, expected) in [
            ("127.0.0.1:9180", true),
            ("127.0.0.1", true),
            ("127.9.9.9:1", true),
            ("[::1]:9180", true),
            ("[::1]", true),
            ("localhost:9180", true),
            ("LOCALHOST", true),
            ("10.0.0.5:9180", false),
            ("[2001:db8::1]:9180", false),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(is_this_machine(&headers), expected, "{host}");
        }
    }
}
