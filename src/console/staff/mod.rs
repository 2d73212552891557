//! The workspace team's pages: through the corridor at a domain of their own, or at the admin listener by its door.
//!
//! Either way a request comes with a [`Visit`], and only after `policy` has let it pass: a viewer may look, an admin may do
//! everything. No page needs a script.

mod domains;
mod overview;
mod sources;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::routing::get;
use http::StatusCode;
use jiff::Timestamp;

use super::ConsoleRoom;
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

/// A moment, to the minute.
fn moment(at: Timestamp) -> String {
    at.to_zoned_datetime(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Text in a path or query.
fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
