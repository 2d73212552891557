//! The config in force, a reload of it, and what another one would change.

use axum::extract::{Extension, Form as Posted, State};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Room, ask, failed, moment, outline, page, with_status};
use crate::console::api::Failure;
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, FieldKind, Form, FormField, Tone};
use crate::state::visit::Visit;

pub(super) async fn show(State(room): Room, Extension(visit): Extension<Visit>) -> Reply {
    let standing = room.reloads.standing();
    let mut blocks = Vec::new();
    if let Some((since, problems)) = &standing.failed {
        let what = format!("Reloads fail since {}: {}", moment(*since), problems.join("; "));
        blocks.push(Block::Notice(Tone::Bad, what));
    }
    blocks.push(Block::Facts(vec![
        ("In force since".to_owned(), Cell::text(moment(standing.since))),
        ("Looked at last".to_owned(), Cell::text(moment(standing.confirmed))),
        ("Digest of its text".to_owned(), Cell::text(standing.digest.clone())),
        ("Reloads".to_owned(), Cell::text(format!("{} done, {} refused", standing.done, standing.refused))),
    ]));
    blocks.push(Block::Form(Form::new("/config/reload", "Read the file anew", Vec::new())));
    blocks.push(Block::Heading("What would another config change?".to_owned()));
    blocks.push(Block::Form(impact_form("")));
    page(&visit, &ConsolePage { heading: "Config".to_owned(), section: "/config", blocks })
}

fn impact_form(text: &str) -> Form {
    let field = FormField::line("config", "Text of the config", text)
        .of(FieldKind::Lines)
        .hint("Nothing changes by this. All tables are read, which may take a moment.");
    Form::new("/config/impact", "Tell who would gain or lose what", vec![field])
}

pub(super) async fn reload(State(room): Room, Extension(visit): Extension<Visit>) -> Reply {
    match ask(&room, &visit, Method::POST, "/api/v1/reload", None).await {
        Ok(answer) => {
            let changes = outline::text_of(answer.get("changes"));
            let what = if changes.is_empty() { "Nothing had changed.".to_owned() } else { changes };
            let blocks = vec![Block::Notice(Tone::Good, what), back()];
            page(&visit, &ConsolePage { heading: "The config is in force".to_owned(), section: "/config", blocks })
        }
        Err(failure) => refused(&visit, "The config was not taken up", &failure, Vec::new()),
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Tried {
    #[serde(default)]
    config: String,
}

pub(super) async fn impact(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Posted(tried): Posted<Tried>,
) -> Reply {
    let body = json!({ "config": tried.config });
    let form = Block::Form(impact_form(&tried.config));
    match ask(&room, &visit, Method::POST, "/api/v1/impact", Some(&body)).await {
        Ok(answer) => {
            let mut blocks = answer.as_object().map(outline::all).unwrap_or_default();
            blocks.push(form);
            page(&visit, &ConsolePage { heading: "What would change".to_owned(), section: "/config", blocks })
        }
        Err(failure) => refused(&visit, "This config cannot be told about", &failure, vec![form]),
    }
}

fn refused(visit: &Visit, heading: &str, failure: &Failure, more: Vec<Block>) -> Reply {
    let mut blocks = vec![failed(failure)];
    if !failure.errors.is_empty() {
        blocks.push(Block::Verbatim(failure.errors.join("\n")));
    }
    blocks.extend(more);
    blocks.push(back());
    let page = ConsolePage { heading: heading.to_owned(), section: "/config", blocks };
    with_status(visit, failure.status, &page)
}

fn back() -> Block {
    Block::Facts(vec![("Back".to_owned(), Cell::link("/config", "Config"))])
}
