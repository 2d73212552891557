//! The workspace team's pages: through the corridor at a domain of their own, or at the admin listener by its door.
//!
//! Either way a request comes with a [`Visit`], and only after `policy` has let it pass: a viewer may look, an admin may do
//! everything. No page needs a script.

mod audit;
mod config;
mod domains;
mod outline;
mod overview;
mod people;
mod records;
mod sessions;
mod sources;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::routing::{get, post};
use http::{Method, StatusCode};
use jiff::Timestamp;

use super::ConsoleRoom;
use super::api::{self, Failure};
use crate::config::AppKind;
use crate::pages::console::{self as pages, Block, ConsolePage, Tone};
use crate::pages::{self as all_pages, ErrorView, Reply};
use crate::state::visit::Visit;

type Room = State<Arc<ConsoleRoom>>;

/// The pages.
pub fn router(room: Arc<ConsoleRoom>) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/domains", get(domains::list))
        .route("/domains/{host}", get(domains::one))
        .route("/sources", get(sources::list))
        .route("/people", get(people::search))
        .route("/people/{email}", get(people::explain))
        .route("/records", get(records::list))
        .route("/sessions", get(sessions::list))
        .route("/sessions/end", post(sessions::end))
        .route("/audit", get(audit::list))
        .route("/audit/verify", get(audit::verify))
        .route("/config", get(config::show))
        .route("/config/reload", post(config::reload))
        .route("/config/impact", post(config::impact))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/revoke", post(tokens::revoke))
        .route("/console.css", get(stylesheet))
        .fallback(nothing)
        .with_state(room)
}

async fn stylesheet(Extension(visit): Extension<Visit>) -> Reply {
    pages::console_stylesheet(&visit.site.domain.brand)
}

async fn nothing(Extension(visit): Extension<Visit>) -> Reply {
    let view = ErrorView { status: StatusCode::NOT_FOUND, request_id: &visit.request_id };
    all_pages::error(Some(visit.look().brand), visit.language, &view)
}

/// Renders a page for whoever asks.
fn page(visit: &Visit, page: &ConsolePage) -> Reply {
    with_status(visit, StatusCode::OK, page)
}

fn with_status(visit: &Visit, status: StatusCode, page: &ConsolePage) -> Reply {
    let who = visit.live.as_ref().map_or("", |live| live.record.email.as_str());
    pages::console(status, &visit.site.domain.brand, who, page)
}

/// What was asked for is not there.
fn missing(visit: &Visit, section: &'static str, what: &str) -> Reply {
    let blocks = vec![Block::Notice(Tone::Plain, what.to_owned())];
    let heading = "Nothing found".to_owned();
    with_status(visit, StatusCode::NOT_FOUND, &ConsolePage { heading, section, blocks })
}

/// Asks the API for what a page shows or does.
async fn ask(
    room: &Arc<ConsoleRoom>,
    visit: &Visit,
    method: Method,
    target: &str,
    body: Option<&serde_json::Value>,
) -> Result<serde_json::Value, Failure> {
    api::for_staff(room, visit, method, target, body).await
}

/// What the API would not do.
fn failed(failure: &Failure) -> Block {
    let mut letters = failure.text.chars();
    let text = letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect());
    Block::Notice(Tone::Bad, text)
}

/// The apps, to choose from.
fn apps(room: &ConsoleRoom) -> Vec<(String, String)> {
    let current = room.current.load_full();
    let proxied = current.apps().filter(|app| app.kind == AppKind::Proxied);
    let mut names: Vec<_> = proxied.map(|app| (app.name.to_string(), app.name.to_string())).collect();
    names.sort();
    names
}

/// The same, and all of them.
fn apps_and_all(room: &ConsoleRoom) -> Vec<(String, String)> {
    let mut apps = apps(room);
    apps.insert(0, (String::new(), "all".to_owned()));
    apps
}

/// A moment, to the minute.
fn moment(at: Timestamp) -> String {
    at.to_zoned_datetime(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Text in a path or query.
fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
