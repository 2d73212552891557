//! Access that people gave beside the tables, invitations among it.

use axum::extract::{Extension, Query, State};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::outline::{self, Column};
use super::{Room, apps_and_all, ask, encode, failed, may_change, page, query, record, role_of};
use crate::console::ConsoleRoom;
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, FieldKind, Form, FormField};
use crate::state::visit::Visit;

const COLUMNS: [Column; 10] = [
    ("Address", "email"),
    ("First name", "first_name"),
    ("Last name", "last_name"),
    ("App", "app"),
    ("Customer", "customer"),
    ("Role", "role"),
    ("Days back", "days_back"),
    ("State", "state"),
    ("Made by", "made_by"),
    ("Made", "made"),
];

/// Which records are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Search {
    pub(super) app: String,
    pub(super) customer: String,
    pub(super) email: String,
    pub(super) state: String,
    pub(super) q: String,
    pub(super) cursor: String,
    pub(super) done: String,
}

impl Search {
    /// What is asked for, without the page.
    pub(super) fn query(&self) -> String {
        query(&[
            ("app", &self.app),
            ("customer", &self.customer),
            ("email", &self.email),
            ("state", &self.state),
            ("q", &self.q),
        ])
    }
}

/// The cells of a record.
pub(super) fn cells(room: &ConsoleRoom, visit: &Visit, item: &Value, columns: &[Column]) -> Vec<Cell> {
    let text = |name: &str| outline::text_of(item.get(name));
    let cell = |(cell, (_, member)): (Cell, &Column)| match *member {
        "email" => Cell::link(format!("/records/{}", encode(&text("id"))), text("email")),
        "role" => Cell::text(role_of(room, &text("app"), &text("role"))),
        "state" => record::state_cell(item, visit),
        _ => cell,
    };
    outline::row(item, columns).into_iter().zip(columns).map(cell).collect()
}

pub(super) async fn list(State(room): Room, Extension(visit): Extension<Visit>, Query(search): Query<Search>) -> Reply {
    let states = ["", "invited", "active", "suspended"];
    let states = states.map(|state| (state.to_owned(), if state.is_empty() { "all" } else { state }.to_owned()));
    let form = Form::search(
        "/records",
        "Show",
        vec![
            FormField::line("app", "App", search.app.clone()).of(FieldKind::Choice(apps_and_all(&room))),
            FormField::line("customer", "Customer", search.customer.clone()),
            FormField::line("state", "State", search.state.clone()).of(FieldKind::Choice(states.to_vec())),
            FormField::line("q", "Address or name", search.q.clone()),
        ],
    );
    let mut blocks: Vec<_> = record::told(&search.done).into_iter().collect();
    if may_change(&visit) {
        let make = query(&[("app", &search.app), ("customer", &search.customer), ("email", &search.email)]);
        let make = Cell::link(format!("/records/new?{}", make.trim_start_matches('&')), "Make a record");
        blocks.push(Block::Facts(vec![("Somebody else".to_owned(), make)]));
    }
    blocks.push(Block::Form(form));
    let (wanted, cursor) = (search.query(), query(&[("cursor", &search.cursor)]));
    match ask(&room, &visit, Method::GET, &format!("/api/v1/records?limit=100{wanted}{cursor}"), None).await {
        Ok(answer) => {
            let rows = outline::items(&answer).iter().map(|item| cells(&room, &visit, item, &COLUMNS)).collect();
            let mut table = outline::table("Records", &COLUMNS, rows, "There is none.");
            let next = outline::text_of(answer.get("next"));
            table.more = (!next.is_empty()).then(|| format!("/records?cursor={}{wanted}", encode(&next)));
            blocks.push(Block::Table(table));
        }
        Err(failure) => blocks.push(failed(&failure)),
    }
    page(&visit, &ConsolePage { heading: "Records".to_owned(), section: "/records", blocks })
}
