//! Tokens of the API.

use axum::extract::{Extension, Form as Posted, State};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::outline::{self, Column};
use super::{Room, apps_and_all, ask, encode, failed, page, with_status};
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, FieldKind, Form, FormField, Tone};
use crate::state::visit::Visit;

const COLUMNS: [Column; 6] = [
    ("Name", "name"),
    ("For", "scopes"),
    ("App", "app"),
    ("Made", "created"),
    ("Good until", "expires"),
    ("Last used", "last_used"),
];

pub(super) async fn list(State(room): Room, Extension(visit): Extension<Visit>) -> Reply {
    let mut blocks = Vec::new();
    match ask(&room, &visit, Method::GET, "/api/v1/tokens", None).await {
        Ok(answer) => {
            let mut columns = COLUMNS.to_vec();
            columns.push(("Revoke", ""));
            let row = |item: &serde_json::Value| {
                let mut cells = outline::row(item, &COLUMNS);
                let name = outline::text_of(item.get("name"));
                cells.push(Cell::Button {
                    action: "/tokens/revoke".to_owned(),
                    label: "Revoke".to_owned(),
                    about: name.clone(),
                    fields: vec![("name", name)],
                });
                cells
            };
            let rows = outline::items(&answer).iter().map(row).collect();
            blocks.push(Block::Table(outline::table("Tokens", &columns, rows, "There is none.")));
        }
        Err(failure) => blocks.push(failed(&failure)),
    }
    blocks.push(Block::Heading("A new token".to_owned()));
    let fields = vec![
        FormField::line("name", "Name", ""),
        FormField::line("scopes", "What it is for", "read")
            .hint("One or more, with spaces between: read, people, sessions, notify, audit, config, admin."),
        FormField::line("app", "App", "").of(FieldKind::Choice(apps_and_all(&room))),
        FormField::line("expires", "Good until", "")
            .hint("Such as 2027-01-31T00:00:00Z. Left out, until it is revoked."),
    ];
    blocks.push(Block::Form(Form::new("/tokens", "Make it", fields)));
    page(&visit, &ConsolePage { heading: "Tokens".to_owned(), section: "/tokens", blocks })
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct NewToken {
    #[serde(default)]
    name: String,
    #[serde(default)]
    scopes: String,
    #[serde(default)]
    app: String,
    #[serde(default)]
    expires: String,
}

pub(super) async fn create(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Posted(new): Posted<NewToken>,
) -> Reply {
    let scopes: Vec<&str> = new.scopes.split_whitespace().collect();
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let body = json!({
        "name": new.name.trim(),
        "scopes": scopes,
        "app": given(&new.app),
        "expires": given(&new.expires),
    });
    match ask(&room, &visit, Method::POST, "/api/v1/tokens", Some(&body)).await {
        Ok(answer) => {
            let what = "Copy it now: it is shown this once, and only its hash is kept.".to_owned();
            let token = outline::text_of(answer.get("token"));
            let blocks = vec![Block::Notice(Tone::Good, what), Block::Verbatim(token), back()];
            page(&visit, &ConsolePage { heading: "The token is made".to_owned(), section: "/tokens", blocks })
        }
        Err(failure) => {
            let page = ConsolePage {
                heading: "No token was made".to_owned(),
                section: "/tokens",
                blocks: vec![failed(&failure), back()],
            };
            with_status(&visit, failure.status, &page)
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Revoked {
    #[serde(default)]
    name: String,
}

pub(super) async fn revoke(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Posted(old): Posted<Revoked>,
) -> Reply {
    let target = format!("/api/v1/tokens/{}", encode(&old.name));
    match ask(&room, &visit, Method::DELETE, &target, None).await {
        Ok(_) => Reply::see_other("/tokens"),
        Err(failure) => {
            let page = ConsolePage {
                heading: "The token was not revoked".to_owned(),
                section: "/tokens",
                blocks: vec![failed(&failure), back()],
            };
            with_status(&visit, failure.status, &page)
        }
    }
}

fn back() -> Block {
    Block::Facts(vec![("Back".to_owned(), Cell::link("/tokens", "All tokens"))])
}
