//! The audit log.

use std::sync::Arc;

use axum::http::Method;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::operation::{Asked, Needs, Nothing, Operation, malformed, operation};
use super::page::{Page, after, limit};
use super::problem::Problem;
use crate::console::ConsoleRoom;
use crate::state::audit::{Kept, Order, Question, Verified};
use crate::state::tokens::Scope;
use crate::types::{CustomerId, Email};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/api/v1/audit",
            "listAudit",
            Needs::OfApp(Scope::Audit),
            "Entries of the audit log, the newest first",
            list,
        ),
        operation(
            Method::GET,
            "/api/v1/audit/verify",
            "verifyAudit",
            Needs::All(Scope::Audit),
            "Whether every entry of the audit log is as it was written",
            verify,
        ),
    ]
}

/// Which entries are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// Only those of this app.
    app: Option<String>,
    /// Only those for this customer.
    customer: Option<String>,
    /// Only those by or for this person.
    person: Option<String>,
    /// Only those from this moment on, as RFC 3339 has it.
    since: Option<String>,
    /// Only those before this moment.
    until: Option<String>,
    /// Only those of this event.
    event: Option<String>,
    /// Whether the oldest come first.
    oldest_first: Option<bool>,
    /// At most so many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

async fn list(room: Arc<ConsoleRoom>, asked: Asked, query: AuditQuery, _: Nothing) -> Result<Page<Kept>, Problem> {
    let limit = limit(query.limit)?;
    let beyond = after(query.cursor.as_deref())?;
    let beyond = beyond.map(|number| number.parse().map_err(|_| malformed("cursor", "it is the `next` of a page")));
    let moment = |name: &'static str, text: Option<&str>| {
        let read = |text: &str| text.parse::<Timestamp>();
        text.map(read).transpose().map_err(|_| malformed(name, "write a moment such as 2026-03-29T10:00:00Z"))
    };
    let customer = query.customer.as_deref().map(CustomerId::parse).transpose();
    let person = query.person.as_deref().map(Email::parse).transpose();
    let question = Question {
        app: asked.app(query.app.as_deref())?,
        customer: customer.map_err(|error| malformed("customer", error))?,
        person: person.map_err(|error| malformed("person", error))?,
        since: moment("since", query.since.as_deref())?,
        until: moment("until", query.until.as_deref())?,
        event: query.event,
        beyond: beyond.transpose()?,
        order: if query.oldest_first == Some(true) { Order::OldestFirst } else { Order::NewestFirst },
        most: limit.saturating_add(1),
    };
    let entries = room.audit.entries(&question).await?;
    Ok(Page::of(entries, limit, |entry| entry.number.to_string()))
}

async fn verify(room: Arc<ConsoleRoom>, _: Asked, _: Nothing, _: Nothing) -> Result<Verified, Problem> {
    /// One at a time, for each holds a reader of the store for as long as the log takes.
    static TURN: Semaphore = Semaphore::const_new(1);
    // It is closed at no time.
    let turn = TURN.acquire().await;
    let verified = room.audit.verify().await;
    drop(turn);
    Ok(verified?)
}
