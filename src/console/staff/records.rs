//! Access that people gave beside the tables, invitations among it.

use axum::extract::{Extension, Query, State};
use http::Method;
use serde::Deserialize;

use super::outline::{self, Column};
use super::{Room, apps, ask, encode, failed, page};
use crate::pages::Reply;
use crate::pages::console::{Block, ConsolePage, FieldKind, Form, FormField};
use crate::state::visit::Visit;

const COLUMNS: [Column; 9] = [
    ("Address", "email"),
    ("First name", "first_name"),
    ("Last name", "last_name"),
    ("Customer", "customer"),
    ("Role", "role"),
    ("Days back", "days_back"),
    ("State", "state"),
    ("Made by", "made_by"),
    ("Made", "made"),
];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    app: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    cursor: String,
}

pub(super) async fn list(State(room): Room, Extension(visit): Extension<Visit>, Query(search): Query<Search>) -> Reply {
    let apps = apps(&room);
    let app = if search.app.is_empty() { apps.first().map_or("", |(name, _)| name.as_str()) } else { &search.app };
    let form = Form::search(
        "/records",
        "Show",
        vec![
            FormField::line("app", "App", app).of(FieldKind::Choice(apps.clone())),
            FormField::line("q", "Address or name", search.q.clone()),
        ],
    );
    let mut target = format!("/api/v1/records?app={}", encode(app));
    for (name, value) in [("q", &search.q), ("cursor", &search.cursor)] {
        if !value.trim().is_empty() {
            target.push_str(&format!("&{name}={}", encode(value.trim())));
        }
    }
    let mut blocks = vec![Block::Form(form)];
    match ask(&room, &visit, Method::GET, &target, None).await {
        Ok(answer) => {
            let rows = outline::items(&answer).iter().map(|item| outline::row(item, &COLUMNS)).collect();
            let mut table = outline::table("Records", &COLUMNS, rows, "There is none.");
            let next = outline::text_of(answer.get("next"));
            let more = || format!("/records?app={}&q={}&cursor={}", encode(app), encode(&search.q), encode(&next));
            table.more = (!next.is_empty()).then(more);
            blocks.push(Block::Table(table));
        }
        Err(failure) => blocks.push(failed(&failure)),
    }
    page(&visit, &ConsolePage { heading: "Records".to_owned(), section: "/records", blocks })
}
