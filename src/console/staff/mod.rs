//! The workspace team's pages: through the corridor at a domain of their own, or at the admin listener by its door.
//!
//! Either way a request comes with a [`Visit`], and only after `policy` has let it pass: a viewer may look, an admin may do
//! everything. No page needs a script.

mod audit;
mod config;
mod domains;
mod forms;
mod invitations;
mod notify;
mod outline;
mod overview;
mod people;
mod previews;
mod record;
mod records;
mod sessions;
mod sources;
mod tokens;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::routing::{get, post};
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;

use super::ConsoleRoom;
use super::api::{self, Call, Failure};
use crate::config::AppKind;
use crate::pages::console::{self as pages, Block, ConsolePage, Tone};
use crate::pages::{self as all_pages, ErrorView, Reply};
use crate::policy::{self, Decision};
use crate::state::visit::Visit;
use crate::types::{AppName, PathAllowances, RequestPath, RoleName};

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
        .route("/records/new", get(record::new).post(record::create))
        .route("/records/{id}", get(record::show).post(record::change))
        .route("/records/{id}/remove", get(record::ask_to_remove).post(record::remove))
        .route("/records/{id}/resend", post(record::resend))
        .route("/invitations", get(invitations::list))
        .route("/sessions", get(sessions::list))
        .route("/sessions/end", post(sessions::end))
        .route("/previews", get(previews::list))
        .route("/previews/end", post(previews::end))
        .route("/usage", get(usage::show))
        .route("/notify", get(notify::write).post(notify::send))
        .route("/notify/{id}", get(notify::progress))
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
    let brand = &visit.site.domain.brand;
    match may_change(visit) {
        true => pages::console(status, brand, who, page),
        false => pages::console(status, brand, who, &page.clone().only_to_look_at()),
    }
}

/// Whether whoever asks may change something: what decides that when they do is asked already.
fn may_change(visit: &Visit) -> bool {
    let Some(live) = &visit.live else { return false };
    let Ok(path) = RequestPath::parse(b"/", &PathAllowances::default()) else { return false };
    let facts = policy::Request {
        method: &Method::POST,
        path: &path,
        query: None,
        headers: &HeaderMap::new(),
        host: &visit.site.domain.host,
        client: visit.client,
        now: visit.now,
    };
    matches!(policy::decide(&live.standing, &facts), Decision::Allow(_))
}

/// The page of a form, for somebody who may not send it.
fn only_for_admins(visit: &Visit, section: &'static str) -> Reply {
    let what = "This is for those who are `admin` of the console; you may look.";
    let blocks = vec![Block::Notice(Tone::Plain, what.to_owned())];
    let heading = "Not for viewers".to_owned();
    with_status(visit, StatusCode::FORBIDDEN, &ConsolePage { heading, section, blocks })
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
    api::for_staff(room, visit, Call { method, target, body, key: None }).await
}

/// What the API would not do.
fn failed(failure: &Failure) -> Block {
    Block::Notice(Tone::Bad, sentence(&failure.text))
}

/// Text as a sentence begins.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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

/// A role of an app for staff: its title with its name.
fn role_of(room: &ConsoleRoom, app: &str, role: &str) -> String {
    let current = room.current.load_full();
    let app = AppName::parse(app).ok().and_then(|app| current.app(&app).cloned());
    match (app, RoleName::parse(role)) {
        (Some(app), Ok(name)) => app.policy.roles.called(&name),
        _ => role.to_owned(),
    }
}

/// A query of those of these values that are not empty, to go on with `&`.
fn query(values: &[(&str, &str)]) -> String {
    let given = values.iter().map(|(name, value)| (name, value.trim())).filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| format!("&{name}={}", encode(value))).collect()
}

/// A moment, to the minute.
fn moment(at: Timestamp) -> String {
    at.to_zoned_datetime(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Text in a path or query.
fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
