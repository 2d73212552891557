//! Logging out: here or everywhere, and at the provider too.
//!
//! The session ends first, whatever becomes of the rest. Where it hangs on a provider that has a log-out page, the browser is
//! sent there (OpenID Connect RP-Initiated Logout 1.0) and comes back to our own page that says so: straight, or by way of
//! the hub where there is one, for a provider knows one address to send people back to.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::{PortalRoom, Room, store_failed};
use crate::pages::{self, Reply};
use crate::session::{CookieName, LANGUAGE_COOKIE, NO_PASSKEY_COOKIE, clearing, cookie, is_ours};
use crate::state::audit::Event;
use crate::state::sessions::{LoggedOut, Reach};
use crate::state::visit::{HubVisit, Visit};
use crate::types::HostName;

const LOGGED_OUT: &str = "/.access/logged-out";
/// Where a provider sends a browser back to on the hub.
const LOGGED_OUT_ON_HUB: &str = "/.access/oidc/logged-out";
/// The name that the way back from the hub is sealed under.
const SEALED_AS: &str = "logged-out";
/// What tells a browser that has logged in before from a stranger; it opens nothing, and stays.
const KNOWN: &str = "__Host-access-known";
/// How many cookies of ours are taken back at once.
const MOST_COOKIES: usize = 16;

/// What the app has left in the browser goes too: the next person at this device must not find it (Clear Site Data, section
/// 3). Not `"cookies"`: browsers take those of the whole registrable domain away, other sites' among them.
const CLEAR: HeaderName = HeaderName::from_static("clear-site-data");
const CLEARED: HeaderValue = HeaderValue::from_static("\"cache\", \"storage\"");

/// The pages of a domain.
pub(super) fn router() -> Router<Arc<PortalRoom>> {
    Router::new()
        .route("/.access/logout", post(log_out_here))
        .route("/.access/logout/everywhere", post(log_out_everywhere))
        .route(LOGGED_OUT, get(logged_out))
}

/// The page of the hub.
pub(super) fn hub_router() -> Router<Arc<PortalRoom>> {
    Router::new().route(LOGGED_OUT_ON_HUB, get(back_from_provider))
}

async fn log_out_here(State(room): Room, Extension(visit): Extension<Visit>, headers: HeaderMap) -> Reply {
    room.log_out(&visit, &headers, Reach::Here).await
}

async fn log_out_everywhere(State(room): Room, Extension(visit): Extension<Visit>, headers: HeaderMap) -> Reply {
    room.log_out(&visit, &headers, Reach::Everywhere).await
}

async fn logged_out(Extension(visit): Extension<Visit>) -> Reply {
    match &visit.live {
        // Somebody has logged in meanwhile, in another tab: a page that says otherwise would be believed.
        Some(_) => Reply::see_other("/.access/account"),
        None => pages::logged_out(visit.look()),
    }
}

#[derive(Deserialize)]
struct StateQuery {
    #[serde(default)]
    state: String,
}

/// A browser that has logged out at its provider goes back to the domain where it began.
async fn back_from_provider(
    State(room): Room,
    Extension(visit): Extension<HubVisit>,
    Query(query): Query<StateQuery>,
) -> Reply {
    match room.open_way_back(&query.state) {
        Some(origin) => Reply::see_other(&format!("{origin}{LOGGED_OUT}")),
        None => pages::logged_out_there(visit.language, &visit.request_id),
    }
}

impl PortalRoom {
    async fn log_out(&self, visit: &Visit, headers: &HeaderMap, reach: Reach) -> Reply {
        let gone = match cookie(headers, CookieName::Session) {
            None => None,
            // By the cookie itself, for one whose session cannot be looked up just now is logged out all the same.
            Some(token) => match self.sessions.log_out(&token, &visit.site, reach, visit.now).await {
                Ok(gone) => gone,
                Err(cause) => return store_failed(visit, &cause),
            },
        };
        if let Some(LoggedOut { record, sessions, .. }) = &gone {
            let (email, session, sessions) = (&record.email, record.id, *sessions);
            if let Some(preview) = &record.preview {
                let event = Event::PreviewEnded { email: &preview.email, session, reason: "logged-out" };
                self.journal.write(visit, &event);
            }
            let event = match reach {
                Reach::Here => Event::LoggedOut { email, session },
                Reach::Everywhere => Event::LoggedOutEverywhere { email, sessions },
            };
            self.journal.write(visit, &event);
        }
        let there = gone.and_then(|gone| self.log_out_there(visit, &gone));
        let reply = match &there {
            _ if asks_for_json(headers) => {
                Reply::json(StatusCode::OK, &json!({"logged_out": true, "provider_logout": there}))
            }
            Some(url) => pages::log_out_there(visit.look(), url),
            None => Reply::see_other(LOGGED_OUT),
        };
        cleared(reply, headers)
    }

    /// Where the provider's log-out is, for the browser of a session that has ended.
    fn log_out_there(&self, visit: &Visit, gone: &LoggedOut) -> Option<String> {
        let current = self.current.load();
        match &current.login.hub {
            None => self.sessions.end_session_url(gone, &format!("{}{LOGGED_OUT}", visit.origin), None),
            Some(hub) => {
                let state = self.seal.seal(SEALED_AS, visit.origin.as_bytes()).ok()?;
                let back = format!("{}{LOGGED_OUT_ON_HUB}", visit.origin_of(hub));
                self.sessions.end_session_url(gone, &back, Some(&BASE64URL_NOPAD.encode(&state)))
            }
        }
    }

    /// The origin that a log-out began on. It must still be one of ours, so that nobody is sent to a domain that has left.
    fn open_way_back(&self, state: &str) -> Option<String> {
        const MOST_BYTES: usize = 1024;
        if state.len() > MOST_BYTES {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(state.as_bytes()).ok()?;
        let origin = String::from_utf8(self.seal.open(SEALED_AS, &sealed).ok()?).ok()?;
        let host = HostName::parse_authority(origin.strip_prefix("https://")?).ok()?;
        self.current.load().site(&host).map(|_| origin)
    }
}

/// A session of the browser itself has ended by other means than logging out.
pub(super) fn gone(headers: &HeaderMap) -> Reply {
    cleared(Reply::see_other(LOGGED_OUT), headers)
}

/// Takes our cookies back, and has the browser drop what the app left.
fn cleared(reply: Reply, headers: &HeaderMap) -> Reply {
    let reply = reply.with_header(CLEAR, CLEARED).with_cookie(clearing(CookieName::Session));
    own_cookies(headers).into_iter().fold(reply, Reply::with_cookie)
}

/// `Set-Cookie` values that take back whatever else of ours a browser sent, but for what it is known by and what its person does
/// not want to be asked again.
fn own_cookies(headers: &HeaderMap) -> Vec<HeaderValue> {
    let pairs = headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let names = pairs.filter_map(|pair| std::str::from_utf8(pair.split(|byte| *byte == b'=').next()?).ok());
    let mut found: Vec<&str> = Vec::new();
    for name in names
        .map(str::trim)
        .filter(|name| is_ours(name) && !matches!(*name, KNOWN | NO_PASSKEY_COOKIE | LANGUAGE_COOKIE))
    {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if is_name && name != CookieName::Session.as_str() && !found.contains(&name) && found.len() < MOST_COOKIES {
            found.push(name);
        }
    }
    let clear = |name| HeaderValue::try_from(format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax"));
    found.into_iter().filter_map(|name| clear(name).ok()).collect()
}

/// Whether a script asks, which cannot follow a page to the provider.
fn asks_for_json(headers: &HeaderMap) -> bool {
    let accepts = |kind: &str| {
        let mut values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.contains(kind))
    };
    accepts("application/json") && !accepts("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_a_browser_holds_of_ours_is_taken_back_but_for_what_it_is_known_by() {
        let sent = headers(&[(
            "cookie",
            "app=1; __Host-access=x; __Host-access-try=y; __Host-access-flow-abcd=z; __Host-access-known=k; __Host-accessory=a; \
             __Host-access-flow-abcd=again; __Host-access-a b=c; __HOST-access-try=d",
        )]);
        let reply = gone(&sent);
        let cleared: Vec<&str> = reply
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("ASCII").split('=').next().expect("a name"))
            .collect();
        assert_eq!(cleared, ["__Host-access", "__Host-access-try", "__Host-access-flow-abcd", "__HOST-access-try"]);
        assert_eq!(reply.headers[CLEAR], "\"cache\", \"storage\"");
    }

    #[test]
    fn a_script_gets_json_and_a_person_a_page() {
        assert!(asks_for_json(&headers(&[("accept", "application/json")])));
        assert!(!asks_for_json(&headers(&[("accept", "text/html,application/json;q=0.9")])));
        assert!(!asks_for_json(&headers(&[("accept", "*/*")])));
        assert!(!asks_for_json(&HeaderMap::new()));
    }
}
