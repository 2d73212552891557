//! The audit log, and whether it is whole.

use axum::extract::{Extension, Query, State};
use http::Method;
use serde::Deserialize;

use super::outline;
use super::{Room, apps_and_all, ask, encode, failed, page};
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, FieldKind, Form, FormField};
use crate::state::visit::Visit;

const COLUMNS: [outline::Column; 9] = [
    ("No", "number"),
    ("When", "at"),
    ("What", "event"),
    ("By", "actor"),
    ("About", "subject"),
    ("App", "app"),
    ("Customer", "customer"),
    ("From", "client"),
    ("More", "facts"),
];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    app: String,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    person: String,
    #[serde(default)]
    event: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    cursor: String,
}

impl Search {
    fn query(&self) -> String {
        let values = [
            ("app", &self.app),
            ("customer", &self.customer),
            ("person", &self.person),
            ("event", &self.event),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let given = values.into_iter().filter(|(_, value)| !value.trim().is_empty());
        given.map(|(name, value)| format!("&{name}={}", encode(value.trim()))).collect()
    }
}

pub(super) async fn list(State(room): Room, Extension(visit): Extension<Visit>, Query(search): Query<Search>) -> Reply {
    let line = |name, label: &str, value: &str| FormField::line(name, label, value);
    let form = Form::search(
        "/audit",
        "Show",
        vec![
            line("app", "App", &search.app).of(FieldKind::Choice(apps_and_all(&room))),
            line("person", "Address of a person", &search.person),
            line("customer", "Customer", &search.customer),
            line("event", "Event", &search.event).hint("Such as logged_in; the table shows the names."),
            line("since", "From", &search.since).hint("Such as 2027-01-31T00:00:00Z."),
            line("until", "To", &search.until),
        ],
    );
    let verify =
        Block::Facts(vec![("Chain".to_owned(), Cell::link("/audit/verify", "Check that no entry was changed"))]);
    let mut blocks = vec![Block::Form(form), verify];
    let query = search.query();
    let cursor = if search.cursor.is_empty() { String::new() } else { format!("&cursor={}", encode(&search.cursor)) };
    match ask(&room, &visit, Method::GET, &format!("/api/v1/audit?limit=100{query}{cursor}"), None).await {
        Ok(answer) => {
            let rows = outline::items(&answer).iter().map(|item| outline::row(item, &COLUMNS)).collect();
            let mut table = outline::table("Entries, the newest first", &COLUMNS, rows, "No entry fits.");
            let next = outline::text_of(answer.get("next"));
            table.more = (!next.is_empty()).then(|| format!("/audit?cursor={}{query}", encode(&next)));
            blocks.push(Block::Table(table));
        }
        Err(failure) => blocks.push(failed(&failure)),
    }
    page(&visit, &ConsolePage { heading: "Audit log".to_owned(), section: "/audit", blocks })
}

pub(super) async fn verify(State(room): Room, Extension(visit): Extension<Visit>) -> Reply {
    let mut blocks = match ask(&room, &visit, Method::GET, "/api/v1/audit/verify", None).await {
        Ok(answer) => answer.as_object().map(outline::all).unwrap_or_default(),
        Err(failure) => vec![failed(&failure)],
    };
    blocks.push(Block::Facts(vec![("Back".to_owned(), Cell::link("/audit", "The audit log"))]));
    page(&visit, &ConsolePage { heading: "Is the audit log whole?".to_owned(), section: "/audit", blocks })
}
