//! Sessions, and the end of them.

use axum::extract::{Extension, Form as Posted, Query, State};
use http::Method;
use serde::Deserialize;

use super::outline::{self, Column};
use super::{Room, apps_and_all, ask, encode, failed, page, with_status};
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, FieldKind, Form, FormField, Tone};
use crate::state::visit::Visit;

const COLUMNS: [Column; 8] = [
    ("Address", "email"),
    ("App", "app"),
    ("Customer", "customer"),
    ("Domain", "domain"),
    ("Began", "created"),
    ("Last used", "last_used"),
    ("Browser", "device"),
    ("Came by", "ways"),
];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    app: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    cursor: String,
}

pub(super) async fn list(State(room): Room, Extension(visit): Extension<Visit>, Query(search): Query<Search>) -> Reply {
    let form = Form::search(
        "/sessions",
        "Show",
        vec![
            FormField::line("app", "App", search.app.clone()).of(FieldKind::Choice(apps_and_all(&room))),
            FormField::line("email", "Address", search.email.clone()),
        ],
    );
    let mut target = "/api/v1/sessions?limit=100".to_owned();
    for (name, value) in [("app", &search.app), ("email", &search.email), ("cursor", &search.cursor)] {
        if !value.trim().is_empty() {
            target.push_str(&format!("&{name}={}", encode(value.trim())));
        }
    }
    let mut blocks = vec![Block::Form(form)];
    match ask(&room, &visit, Method::GET, &target, None).await {
        Ok(answer) => {
            let mut columns = COLUMNS.to_vec();
            columns.push(("End", ""));
            let row = |item: &serde_json::Value| {
                let mut cells = outline::row(item, &COLUMNS);
                let (id, email) = (outline::text_of(item.get("id")), outline::text_of(item.get("email")));
                cells.push(Cell::Button {
                    action: "/sessions/end".to_owned(),
                    label: "End".to_owned(),
                    about: format!("the session of {email} that began {}", outline::text_of(item.get("created"))),
                    fields: vec![("id", id)],
                });
                cells
            };
            let rows = outline::items(&answer).iter().map(row).collect();
            let mut table = outline::table("Sessions that are not over", &columns, rows, "There is none.");
            let next = outline::text_of(answer.get("next"));
            table.more = (!next.is_empty()).then(|| {
                let (app, email) = (encode(&search.app), encode(&search.email));
                format!("/sessions?app={app}&email={email}&cursor={}", encode(&next))
            });
            blocks.push(Block::Table(table));
        }
        Err(failure) => blocks.push(failed(&failure)),
    }
    page(&visit, &ConsolePage { heading: "Sessions".to_owned(), section: "/sessions", blocks })
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct End {
    #[serde(default)]
    id: String,
}

pub(super) async fn end(State(room): Room, Extension(visit): Extension<Visit>, Posted(end): Posted<End>) -> Reply {
    let target = format!("/api/v1/sessions/{}", encode(&end.id));
    match ask(&room, &visit, Method::DELETE, &target, None).await {
        Ok(_) => {
            let blocks = vec![
                Block::Notice(Tone::Good, "The session is over, and so is whatever was under way in it.".to_owned()),
                Block::Facts(vec![("Back".to_owned(), Cell::link("/sessions", "All sessions"))]),
            ];
            page(&visit, &ConsolePage { heading: "Session ended".to_owned(), section: "/sessions", blocks })
        }
        Err(failure) => {
            let blocks = vec![failed(&failure)];
            let heading = "The session was not ended".to_owned();
            with_status(&visit, failure.status, &ConsolePage { heading, section: "/sessions", blocks })
        }
    }
}
