//! Who may enter an app, and why somebody may not.

use axum::extract::{Extension, Path, Query, State};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::outline::{self, Column};
use super::{Room, apps, ask, encode, failed, may_change, page, previews, query, role_of, sentence};
use crate::console::ConsoleRoom;
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, FieldKind, Form, FormField, Tone};
use crate::state::visit::Visit;

const COLUMNS: [Column; 7] = [
    ("Address", "email"),
    ("Name", "name"),
    ("Customer", "customer"),
    ("Called", "customer_name"),
    ("Role", "role"),
    ("Days back", "days_back"),
    ("From", "origin"),
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

pub(super) async fn search(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Query(search): Query<Search>,
) -> Reply {
    let apps = apps(&room);
    let app = if search.app.is_empty() { apps.first().map_or("", |(name, _)| name.as_str()) } else { &search.app };
    let form = Form::search(
        "/people",
        "Search",
        vec![
            FormField::line("app", "App", app).of(FieldKind::Choice(apps.clone())),
            FormField::line("q", "Address, name or customer", search.q.clone())
                .hint("A whole address is found at once, and is explained even if nobody with it may enter."),
        ],
    );
    let mut blocks = vec![Block::Form(form)];
    if !app.is_empty() {
        let mut target = format!("/api/v1/people?app={}&q={}", encode(app), encode(&search.q));
        if !search.cursor.is_empty() {
            target.push_str(&format!("&cursor={}", encode(&search.cursor)));
        }
        match ask(&room, &visit, Method::GET, &target, None).await {
            Ok(answer) => blocks.extend(found(&room, &answer, app, &search.q)),
            Err(failure) => blocks.push(failed(&failure)),
        }
    }
    page(&visit, &ConsolePage { heading: "People".to_owned(), section: "/people", blocks })
}

fn found(room: &ConsoleRoom, answer: &Value, app: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let unread = outline::text_of(answer.get("unread"));
    if !unread.is_empty() {
        let what = format!("These lists could not be read to their end, so people may be missing: {unread}.");
        blocks.push(Block::Notice(Tone::Warning, what));
    }
    let row = |item: &Value| {
        let text = |name: &str| outline::text_of(item.get(name));
        let cell = |(cell, (_, member)): (Cell, Column)| match member {
            "email" => Cell::link(explanation(app, &text("email"), &text("customer")), text("email")),
            "role" => Cell::text(role_of(room, app, &text("role"))),
            _ => cell,
        };
        outline::row(item, &COLUMNS).into_iter().zip(COLUMNS).map(cell).collect()
    };
    let rows: Vec<_> = outline::items(answer).iter().map(row).collect();
    if rows.is_empty() && text.contains('@') {
        let why = format!("Why may {} not enter?", text.trim());
        blocks.push(Block::Facts(vec![("Nobody".to_owned(), Cell::link(explanation(app, text.trim(), ""), why))]));
    }
    let mut table = outline::table("People who may enter", &COLUMNS, rows, "Nobody that may enter fits.");
    let next = outline::text_of(answer.get("next"));
    table.more =
        (!next.is_empty()).then(|| format!("/people?app={}&q={}&cursor={}", encode(app), encode(text), encode(&next)));
    blocks.push(Block::Table(table));
    blocks
}

fn explanation(app: &str, email: &str, customer: &str) -> String {
    let customer = if customer.is_empty() { String::new() } else { format!("&customer={}", encode(customer)) };
    format!("/people/{}?app={}{customer}", encode(email), encode(app))
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Question {
    #[serde(default)]
    app: String,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    method: String,
}

/// Why a person may or may not enter, and what becomes of a request of theirs.
pub(super) async fn explain(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(email): Path<String>,
    Query(question): Query<Question>,
) -> Reply {
    let mut target = format!("/api/v1/people/{}/explanation?app={}", encode(&email), encode(&question.app));
    for (name, value) in [("customer", &question.customer), ("path", &question.path), ("method", &question.method)] {
        if !value.is_empty() {
            target.push_str(&format!("&{name}={}", encode(value)));
        }
    }
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].map(|method| (method.to_owned(), method.to_owned()));
    let form = Form::search(
        format!("/people/{}", encode(&email)),
        "Explain",
        vec![
            FormField::line("app", "App", question.app.clone()).of(FieldKind::Choice(apps(&room))),
            FormField::line("customer", "Customer", question.customer.clone())
                .hint("Only for somebody who has several."),
            FormField::line("method", "Method", question.method.clone()).of(FieldKind::Choice(methods.to_vec())),
            FormField::line("path", "Path of a request", question.path.clone())
                .hint("Such as /orders?page=2. Left out, only the access is explained."),
        ],
    );
    let links = Block::Facts(doors(&room, &visit, &email, &question));
    let mut blocks = vec![links, Block::Form(form)];
    match ask(&room, &visit, Method::GET, &target, None).await {
        Ok(answer) => {
            blocks.extend(verdict(&answer));
            let mut answer = answer;
            name_roles(&mut answer, &|role| role_of(&room, &question.app, role));
            blocks.extend(answer.as_object().map(outline::all).unwrap_or_default());
        }
        Err(failure) => blocks.push(failed(&failure)),
    }
    page(&visit, &ConsolePage { heading: email, section: "/people", blocks })
}

/// Where one goes on to from a person.
fn doors(room: &ConsoleRoom, visit: &Visit, email: &str, question: &Question) -> Vec<(String, Cell)> {
    let who = encode(email);
    let Question { app, customer, .. } = question;
    let mut doors = vec![
        ("Sessions".to_owned(), Cell::link(format!("/sessions?email={who}"), "Sessions of this person")),
        ("Audit log".to_owned(), Cell::link(format!("/audit?person={who}"), "Entries about this person")),
        ("Records".to_owned(), Cell::link(format!("/records?email={who}"), "Records of this person")),
    ];
    if may_change(visit) {
        let wanted = query(&[("app", app), ("customer", customer)]);
        let make = Cell::link(format!("/records/new?email={who}{wanted}"), "Make a record for this person");
        doors.push(("Another record".to_owned(), make));
    }
    let preview = previews::begin_as(room, visit, app, customer, email);
    doors.extend(preview.map(|page| ("Preview".to_owned(), Cell::link(page, "Preview as this person"))));
    doors
}

/// Puts titles beside the names of roles, wherever an explanation has one.
fn name_roles(value: &mut Value, called: &dyn Fn(&str) -> String) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| name_roles(value, called)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(role) if name == "role" => *role = called(role),
                    Value::Object(sourced) if name == "role" => {
                        if let Some(Value::String(role)) = sourced.get_mut("name") {
                            *role = called(role);
                        }
                    }
                    value => name_roles(value, called),
                }
            }
        }
        _ => {}
    }
}

/// What it all comes to, before the reasons.
fn verdict(answer: &Value) -> Option<Block> {
    let verdict = answer.get("verdict")?;
    let is = |name: &str| verdict.get(name).and_then(Value::as_bool);
    let tone = match (is("may_enter"), is("is_allowed")) {
        (Some(true), Some(true) | None) => Tone::Good,
        (Some(true), Some(false)) => Tone::Warning,
        _ => Tone::Bad,
    };
    let what = outline::text_of(verdict.get("what"));
    Some(Block::Notice(tone, format!("{}.", sentence(&what))))
}
