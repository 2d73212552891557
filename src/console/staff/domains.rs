//! Domains and how far each is on its way to a certificate.

use axum::extract::{Extension, Path, Query, State};
use serde::Deserialize;

use super::{Room, encode, missing, moment, page};
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, FieldKind, Form, FormField, Table, Tone};
use crate::state::onboarding::{DomainRow, Standing};
use crate::state::visit::Visit;
use crate::types::HostName;

/// Domains on a page.
const LIMIT: usize = 100;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    after: String,
    #[serde(default)]
    state: String,
}

pub(super) async fn list(State(room): Room, Extension(visit): Extension<Visit>, Query(part): Query<Part>) -> Reply {
    let state = Standing::parse(&part.state);
    let rows = room.domains.page(HostName::parse(&part.after).ok().as_ref(), LIMIT, state).await;
    let more = rows.last().filter(|_| rows.len() == LIMIT);
    let more = more.map(|row| format!("/domains?after={}&state={}", encode(row.host.as_str()), encode(&part.state)));
    let now = visit.now;
    let row = |row: &DomainRow| {
        vec![
            Cell::link(format!("/domains/{}", encode(row.host.as_str())), row.host.to_string()),
            Cell::text(row.app.as_ref().map_or("", |app| app.as_str())),
            Cell::text(row.customer.as_ref().map_or("", |customer| customer.as_str())),
            Cell::State(if row.is_in_trouble(now) { Tone::Bad } else { Tone::Good }, row.state.name().to_owned()),
            Cell::text(row.until.map(moment).unwrap_or_default()),
            Cell::text(row.sentence.clone().unwrap_or_default()),
        ]
    };
    let mut states = vec![(String::new(), "all".to_owned())];
    states.extend(Standing::ALL.map(|state| (state.name().to_owned(), state.name().to_owned())));
    let fields = vec![FormField::line("state", "State", part.state.clone()).of(FieldKind::Choice(states))];
    let table = Table {
        caption: "Domains".to_owned(),
        head: ["Domain", "App", "Customer", "Certificate", "Good until", "What is missing"].map(Into::into).to_vec(),
        rows: rows.iter().map(row).collect(),
        empty: "No such domain.",
        more,
    };
    let blocks = vec![Block::Form(Form::search("/domains", "Show", fields)), Block::Table(table)];
    page(&visit, &ConsolePage { heading: "Domains".to_owned(), section: "/domains", blocks })
}

pub(super) async fn one(State(room): Room, Extension(visit): Extension<Visit>, Path(host): Path<String>) -> Reply {
    let row = match HostName::parse(&host) {
        Ok(host) => room.domains.one(&host).await,
        Err(_) => None,
    };
    let Some(row) = row else { return missing(&visit, "/domains", "No app has this domain.") };
    let mut facts = vec![
        ("App".to_owned(), Cell::text(row.app.as_ref().map_or("", |app| app.as_str()))),
        (
            "Customer".to_owned(),
            Cell::text(row.customer.as_ref().map_or("all of the app's", |customer| customer.as_str())),
        ),
        (
            "Certificate".to_owned(),
            Cell::State(if row.is_in_trouble(visit.now) { Tone::Bad } else { Tone::Good }, row.state.name().to_owned()),
        ),
    ];
    for (name, at) in [("Since", row.since), ("Good until", row.until), ("Looked at again", row.next_try)] {
        facts.extend(at.map(|at| (name.to_owned(), Cell::text(moment(at)))));
    }
    if row.failures > 0 {
        facts.push(("Orders that failed".to_owned(), Cell::text(row.failures.to_string())));
    }
    let mut blocks = vec![Block::Facts(facts)];
    if let Some(sentence) = &row.sentence {
        blocks.insert(0, Block::Notice(Tone::Warning, sentence.clone()));
    }
    page(&visit, &ConsolePage { heading: row.host.to_string(), section: "/domains", blocks })
}
