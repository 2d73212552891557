//! Notifications, written and sent by staff, and how far one has come.
//!
//! The form carries a name for what it sends, so that a double click or a second try sends it once.

use axum::extract::{Extension, Form as Posted, Path, Query, State};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::forms::{self, given};
use super::{Room, ask, encode, failed, may_change, missing, only_for_admins, outline, page, with_status};
use crate::console::ConsoleRoom;
use crate::console::api::{self, Call};
use crate::pages::Reply;
use crate::pages::console::{Block, ConsolePage, FieldKind, Form, FormField, Tone};
use crate::state::notifications::{EVERYBODY, MOST_SUBJECT_CHARACTERS, MOST_TEXT_BYTES};
use crate::state::visit::Visit;
use crate::types::{AppName, Language};

const SECTION: &str = "/notify";

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    app: String,
    customer: String,
    topic: String,
    subject: String,
    text: String,
    link: String,
    key: String,
}

/// The form of a notification.
pub(super) async fn write(State(room): Room, Extension(visit): Extension<Visit>, Query(asked): Query<Typed>) -> Reply {
    if !may_change(&visit) {
        return only_for_admins(&visit, SECTION);
    }
    let (app, chooser) = forms::choose_app(&room, &asked.app, SECTION, &[("customer", &asked.customer)]);
    let Some(app) = app else { return missing(&visit, SECTION, "The config has no app.") };
    let typed = Typed { app, customer: asked.customer, key: api::new_id(), ..Typed::default() };
    let topics = topics(&room, &typed.app);
    let mut blocks: Vec<_> = chooser.into_iter().collect();
    match topics.is_empty() {
        true => {
            let what = format!(
                "App {0} has nothing that people could be told of: the config has no `[app.{0}.topic.NAME]`.",
                typed.app
            );
            blocks.push(Block::Notice(Tone::Plain, what));
        }
        false => blocks.push(Block::Form(form(topics, &typed))),
    }
    page(&visit, &ConsolePage { heading: "Notifications".to_owned(), section: SECTION, blocks })
}

/// The topics of an app, by name and title.
fn topics(room: &ConsoleRoom, app: &str) -> Vec<(String, String)> {
    let current = room.current.load_full();
    let Some(app) = AppName::parse(app).ok().and_then(|app| current.app(&app).cloned()) else { return Vec::new() };
    let choice = |topic: &crate::config::Topic| {
        (topic.name.to_string(), format!("{} ({})", topic.title.in_language(Language::English), topic.name))
    };
    app.topics.iter().map(choice).collect()
}

fn form(topics: Vec<(String, String)>, typed: &Typed) -> Form {
    let fields = vec![
        FormField::hidden("app", typed.app.clone()),
        FormField::hidden("key", typed.key.clone()),
        FormField::line("customer", "Customer", typed.customer.clone())
            .hint(format!("Its key, or `{EVERYBODY}` for the people of all customers.")),
        FormField::line("topic", "Topic", typed.topic.clone())
            .of(FieldKind::Choice(topics))
            .hint("Whoever has switched it off gets nothing."),
        FormField::line("subject", "Subject", typed.subject.clone())
            .hint(format!("One line, of at most {MOST_SUBJECT_CHARACTERS} characters.")),
        FormField::line("text", "Text", typed.text.clone())
            .of(FieldKind::Lines)
            .hint(format!("Plain, at most {MOST_TEXT_BYTES} bytes. An empty line begins a paragraph.")),
        FormField::line("link", "Where to read on", typed.link.clone())
            .hint("Optional: an https address on one of the app's domains."),
    ];
    Form::new(SECTION, format!("Send it, in app {}", typed.app), fields)
}

pub(super) async fn send(State(room): Room, Extension(visit): Extension<Visit>, Posted(typed): Posted<Typed>) -> Reply {
    let body = json!({
        "app": typed.app,
        "customer": typed.customer.trim(),
        "topic": typed.topic,
        "subject": typed.subject,
        "text": typed.text,
        "link": given(&typed.link),
    });
    let call = Call { method: Method::POST, target: "/api/v1/notify", body: Some(&body), key: Some(typed.key.clone()) };
    match api::for_staff(&room, &visit, call).await {
        Ok(taken) => Reply::see_other(&format!("/notify/{}", encode(&outline::text_of(taken.get("id"))))),
        Err(failure) => {
            // What was refused was not taken in by this name. Of anything else that is not known, so it keeps its name.
            let key = if failure.status == StatusCode::UNPROCESSABLE_ENTITY { api::new_id() } else { typed.key };
            let again = Typed { key, ..typed };
            let blocks = forms::refused(form(topics(&room, &again.app), &again), &failure);
            let heading = "Notifications".to_owned();
            with_status(&visit, failure.status, &ConsolePage { heading, section: SECTION, blocks })
        }
    }
}

/// How far a notification has come.
pub(super) async fn progress(State(room): Room, Extension(visit): Extension<Visit>, Path(id): Path<String>) -> Reply {
    let target = format!("/api/v1/notify/{}", encode(&id));
    let another = || forms::back(SECTION, "Send another");
    match ask(&room, &visit, Method::GET, &target, None).await {
        Ok(told) => {
            let is_done = told.get("done").and_then(serde_json::Value::as_bool) == Some(true);
            let what = match is_done {
                true => "Nothing more is to come of it.",
                false => "It is taken in, and on its way. Load this page again to see how far it has come.",
            };
            let mut blocks = vec![Block::Notice(Tone::Good, what.to_owned())];
            blocks.extend(told.as_object().map(outline::all).unwrap_or_default());
            blocks.push(another());
            let heading = outline::text_of(told.get("subject"));
            page(&visit, &ConsolePage { heading, section: SECTION, blocks })
        }
        Err(failure) if failure.status == StatusCode::NOT_FOUND => {
            missing(&visit, SECTION, "There is no such notification, or it is older than 30 days.")
        }
        Err(failure) => {
            let heading = "How far it has come cannot be told".to_owned();
            with_status(
                &visit,
                failure.status,
                &ConsolePage { heading, section: SECTION, blocks: vec![failed(&failure), another()] },
            )
        }
    }
}
