//! One record: made, looked at, changed, removed; and an invitation sent again or withdrawn.
//!
//! Everything goes through the API's operations, and so through the same rules as on the team page and the command line. A form
//! carries the version of what it shows, so nobody overwrites what somebody else has changed meanwhile.

use std::sync::Arc;

use axum::extract::{Extension, Form as Posted, Path, Query, State};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::forms::{self, given};
use super::{Room, ask, encode, failed, may_change, missing, only_for_admins, outline, page, role_of, with_status};
use crate::console::ConsoleRoom;
use crate::console::api::Failure;
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, FieldKind, Form, FormField, Tone};
use crate::state::visit::Visit;
use crate::types::{AppName, Language};

const SECTION: &str = "/records";
/// Let in without an invitation.
const AT_ONCE: &str = "at-once";

/// What was typed into a form, or is to stand in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    app: String,
    customer: String,
    email: String,
    role: String,
    first_name: String,
    last_name: String,
    language: String,
    days_back: String,
    notes: String,
    welcome: String,
    suspended: String,
    version: String,
}

impl Typed {
    /// As a record has it.
    fn of(record: &Value) -> Self {
        let text = |name: &str| outline::text_of(record.get(name));
        let suspended = if text("state") == "suspended" { "1".to_owned() } else { String::new() };
        Self {
            app: text("app"),
            customer: text("customer"),
            email: text("email"),
            role: text("role"),
            first_name: text("first_name"),
            last_name: text("last_name"),
            language: text("language"),
            days_back: text("days_back"),
            notes: text("notes"),
            welcome: String::new(),
            suspended,
            version: text("version"),
        }
    }

    /// What an operation is to be told of the person's access: all of it, so that an emptied field is emptied.
    fn access(&self) -> Result<Map<String, Value>, Failure> {
        let mut body = Map::new();
        body.insert("role".to_owned(), json!(self.role));
        body.insert("days_back".to_owned(), self.days()?);
        for (name, value) in [
            ("first_name", &self.first_name),
            ("last_name", &self.last_name),
            ("language", &self.language),
            ("notes", &self.notes),
        ] {
            body.insert(name.to_owned(), json!(given(value)));
        }
        Ok(body)
    }

    fn days(&self) -> Result<Value, Failure> {
        match given(&self.days_back) {
            None => Ok(Value::Null),
            Some(text) if text.eq_ignore_ascii_case("unlimited") => Ok(json!("unlimited")),
            Some(text) => match text.parse::<u32>() {
                Ok(days) => Ok(json!(days)),
                Err(_) => Err(forms::wrong("days_back", "it is a whole number from 0 to 36500, `unlimited`, or empty")),
            },
        }
    }

    /// The fields of what a person gets.
    fn fields(&self, room: &ConsoleRoom) -> Vec<FormField> {
        let line = |name, label: &str, value: &str| FormField::line(name, label, value);
        let mut languages = vec![(String::new(), "whatever their browser asks for".to_owned())];
        languages.extend(Language::ALL.map(|known| (known.code().to_owned(), known.endonym().to_owned())));
        vec![
            line("role", "Role", &self.role).of(FieldKind::Choice(roles(room, &self.app, &self.role))),
            line("days_back", "Days back", &self.days_back).hint(
                "How far back they may see: a number, or `unlimited`. Empty leaves it to the role, or to the list.",
            ),
            line("first_name", "First name", &self.first_name).hint("Optional."),
            line("last_name", "Last name", &self.last_name).hint("Optional."),
            line("language", "Language", &self.language).of(FieldKind::Choice(languages)),
            line("notes", "Notes", &self.notes).hint("Optional. Headers may carry them to the app."),
        ]
    }
}

/// The roles of an app to choose from, and the chosen one should the config not have it any more.
fn roles(room: &ConsoleRoom, app: &str, chosen: &str) -> Vec<(String, String)> {
    let current = room.current.load_full();
    let app = AppName::parse(app).ok().and_then(|app| current.app(&app).cloned());
    let known = app.iter().flat_map(|app| app.policy.roles.0.keys().map(|role| (role, app.policy.roles.called(role))));
    let mut roles: Vec<_> = known.map(|(role, called)| (role.to_string(), called)).collect();
    if !roles.iter().any(|(name, _)| name == chosen) {
        let gone = format!("{chosen} (not in the config any more)");
        let first = if chosen.is_empty() { "choose one".to_owned() } else { gone };
        roles.insert(0, (chosen.to_owned(), first));
    }
    roles
}

/// The form of a new record.
pub(super) async fn new(State(room): Room, Extension(visit): Extension<Visit>, Query(asked): Query<Typed>) -> Reply {
    if !may_change(&visit) {
        return only_for_admins(&visit, SECTION);
    }
    let keep = [("email", asked.email.as_str()), ("customer", asked.customer.as_str())];
    let (app, chooser) = forms::choose_app(&room, &asked.app, "/records/new", &keep);
    let Some(app) = app else { return missing(&visit, SECTION, "The config has no app.") };
    let form = new_form(&room, &Typed { app, ..asked });
    let blocks = chooser.into_iter().chain([Block::Form(form)]).collect();
    page(&visit, &ConsolePage { heading: "A new record".to_owned(), section: SECTION, blocks })
}

fn new_form(room: &ConsoleRoom, typed: &Typed) -> Form {
    let welcomes = vec![
        (String::new(), "invited: they get a mail, and have access once they have logged in".to_owned()),
        (AT_ONCE.to_owned(), "let in at once, without a mail".to_owned()),
    ];
    let mut fields = vec![
        FormField::hidden("app", typed.app.clone()),
        FormField::line("email", "Address", typed.email.clone())
            .hint("Of somebody whom an adjustable list names, the record changes what the list gives."),
        FormField::line("customer", "Customer", typed.customer.clone()).hint("Its key, as tables have it."),
    ];
    fields.extend(typed.fields(room));
    fields.push(FormField::line("welcome", "The person is", typed.welcome.clone()).of(FieldKind::Choice(welcomes)));
    Form::new("/records/new", format!("Make it, in app {}", typed.app), fields)
}

pub(super) async fn create(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Posted(typed): Posted<Typed>,
) -> Reply {
    let done = match typed.access() {
        Ok(mut body) => {
            body.insert("app".to_owned(), json!(typed.app));
            body.insert("customer".to_owned(), json!(typed.customer.trim()));
            body.insert("email".to_owned(), json!(typed.email.trim()));
            body.insert("without_invitation".to_owned(), json!(typed.welcome == AT_ONCE));
            ask(&room, &visit, Method::POST, "/api/v1/records", Some(&Value::Object(body))).await
        }
        Err(failure) => Err(failure),
    };
    match done {
        Ok(made) => {
            let done = if outline::text_of(made.get("state")) == "invited" { "invited" } else { "made" };
            Reply::see_other(&format!("/records/{}?done={done}", encode(&outline::text_of(made.get("id")))))
        }
        Err(failure) => {
            let mut blocks = forms::refused(new_form(&room, &typed), &failure);
            blocks.push(forms::back("/records", "All records"));
            let heading = "A new record".to_owned();
            with_status(&visit, failure.status, &ConsolePage { heading, section: SECTION, blocks })
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Done {
    done: String,
}

/// What was done a moment ago, as an address says it.
pub(super) fn told(done: &str) -> Option<Block> {
    let what = match done {
        "invited" => "The invitation is on its way.",
        "resent" => "The invitation is on its way again, with a new link.",
        "made" => "The record is made, and counts.",
        "changed" => "The record is changed.",
        "removed" => "The record is removed, with the access that it gave.",
        "withdrawn" => "The invitation is withdrawn.",
        "suspended" => {
            "An adjustable list names this person still, so the record stays, suspended, and keeps them out."
        }
        _ => return None,
    };
    Some(Block::Notice(Tone::Good, what.to_owned()))
}

async fn find(room: &Arc<ConsoleRoom>, visit: &Visit, id: &str) -> Result<Value, Failure> {
    ask(room, visit, Method::GET, &format!("/api/v1/records/{}", encode(id)), None).await
}

fn not_there(visit: &Visit, failure: &Failure) -> Reply {
    if failure.status == StatusCode::NOT_FOUND {
        return missing(visit, SECTION, "There is no such record (any more).");
    }
    let blocks = vec![failed(failure), forms::back("/records", "All records")];
    let heading = "The record cannot be shown".to_owned();
    with_status(visit, failure.status, &ConsolePage { heading, section: SECTION, blocks })
}

/// A record, and the form to change it.
pub(super) async fn show(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Query(done): Query<Done>,
) -> Reply {
    match find(&room, &visit, &id).await {
        Ok(record) => {
            let form = Block::Form(change_form(&room, &record, &Typed::of(&record)));
            let told = told(&done.done).into_iter().collect();
            record_page(&room, &visit, StatusCode::OK, &record, told, vec![form])
        }
        Err(failure) => not_there(&visit, &failure),
    }
}

fn change_form(room: &ConsoleRoom, record: &Value, typed: &Typed) -> Form {
    let mut fields =
        vec![FormField::hidden("app", typed.app.clone()), FormField::hidden("version", typed.version.clone())];
    fields.extend(typed.fields(room));
    if outline::text_of(record.get("state")) != "invited" {
        let suspended = FormField::line("suspended", "Suspended: it gives nothing for now", typed.suspended.clone());
        fields.push(suspended.of(FieldKind::Check));
    }
    let id = outline::text_of(record.get("id"));
    Form::new(format!("/records/{}", encode(&id)), "Change it", fields)
}

fn record_page(
    room: &ConsoleRoom,
    visit: &Visit,
    status: StatusCode,
    record: &Value,
    above: Vec<Block>,
    form: Vec<Block>,
) -> Reply {
    let text = |name: &str| outline::text_of(record.get(name));
    let (id, app, email, customer) = (text("id"), text("app"), text("email"), text("customer"));
    let is_invited = text("state") == "invited";
    let called = text("customer_name");
    let of_customer = if called.is_empty() { customer.clone() } else { format!("{called} ({customer})") };
    let person = format!("/people/{}?app={}&customer={}", encode(&email), encode(&app), encode(&customer));
    let mut facts = vec![
        ("Person".to_owned(), Cell::link(person, email.clone())),
        ("App".to_owned(), Cell::text(app.clone())),
        ("Customer".to_owned(), Cell::text(of_customer)),
        ("Role".to_owned(), Cell::text(role_of(room, &app, &text("role")))),
        ("State".to_owned(), state_cell(record, visit)),
    ];
    if is_invited {
        facts.push(("Until".to_owned(), Cell::text(text("expires"))));
    }
    for (label, name) in [("Made by", "made_by"), ("Made", "made"), ("Last changed", "changed")] {
        facts.push((label.to_owned(), Cell::text(text(name))));
    }
    let audit = format!("/audit?app={}&person={}", encode(&app), encode(&email));
    facts.push(("Audit log".to_owned(), Cell::link(audit, "Entries about this person")));
    if may_change(visit) {
        if is_invited {
            facts.push(("The mail".to_owned(), resend_button(&id, &email)));
        }
        let what = if is_invited { "Withdraw the invitation" } else { "Remove the record" };
        facts.push(("End".to_owned(), Cell::link(format!("/records/{}/remove", encode(&id)), what)));
    }
    let mut blocks = above;
    blocks.push(Block::Facts(facts));
    if may_change(visit) {
        blocks.push(Block::Heading("Change".to_owned()));
    }
    blocks.extend(form);
    let section = if is_invited { "/invitations" } else { SECTION };
    with_status(visit, status, &ConsolePage { heading: email, section, blocks })
}

/// How a record stands.
pub(super) fn state_cell(record: &Value, visit: &Visit) -> Cell {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_late = text("expires").parse::<jiff::Timestamp>().is_ok_and(|expires| expires <= visit.now);
    match text("state") {
        "active" => Cell::State(Tone::Good, "active".to_owned()),
        "invited" if is_late => Cell::State(Tone::Warning, "invited, and over".to_owned()),
        "suspended" => Cell::State(Tone::Warning, "suspended".to_owned()),
        other => Cell::State(Tone::Plain, other.to_owned()),
    }
}

/// Sends an invitation again.
pub(super) fn resend_button(id: &str, email: &str) -> Cell {
    Cell::Button {
        action: format!("/records/{}/resend", encode(id)),
        label: "Send again".to_owned(),
        about: format!("the invitation of {email}"),
        fields: Vec::new(),
    }
}

pub(super) async fn change(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Posted(typed): Posted<Typed>,
) -> Reply {
    let record = match find(&room, &visit, &id).await {
        Ok(record) => record,
        Err(failure) => return not_there(&visit, &failure),
    };
    let done = match typed.access() {
        Ok(mut body) => {
            body.insert("version".to_owned(), json!(typed.version.parse::<i64>().unwrap_or(-1)));
            if outline::text_of(record.get("state")) != "invited" {
                body.insert("suspended".to_owned(), json!(!typed.suspended.is_empty()));
            }
            let target = format!("/api/v1/records/{}", encode(&id));
            ask(&room, &visit, Method::PATCH, &target, Some(&Value::Object(body))).await
        }
        Err(failure) => Err(failure),
    };
    match done {
        Ok(_) => Reply::see_other(&format!("/records/{}?done=changed", encode(&id))),
        Err(failure) if failure.status == StatusCode::CONFLICT => {
            // As it stands now, so that whoever goes on knows what they change.
            let form = Block::Form(change_form(&room, &record, &Typed::of(&record)));
            let what = "Somebody else changed it meanwhile. Nothing was saved; this is how it stands now.".to_owned();
            record_page(&room, &visit, failure.status, &record, vec![Block::Notice(Tone::Bad, what)], vec![form])
        }
        Err(failure) => {
            let form = change_form(&room, &record, &Typed { app: Typed::of(&record).app, ..typed });
            let form = forms::refused(form, &failure);
            record_page(&room, &visit, failure.status, &record, Vec::new(), form)
        }
    }
}

/// Asks first, by name.
pub(super) async fn ask_to_remove(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Reply {
    if !may_change(&visit) {
        return only_for_admins(&visit, SECTION);
    }
    match find(&room, &visit, &id).await {
        Ok(record) => removal_page(&visit, StatusCode::OK, &record, None),
        Err(failure) => not_there(&visit, &failure),
    }
}

fn removal_page(visit: &Visit, status: StatusCode, record: &Value, problem: Option<Block>) -> Reply {
    let text = |name: &str| outline::text_of(record.get(name));
    let (email, app, customer) = (text("email"), text("app"), text("customer"));
    let is_invited = text("state") == "invited";
    let (heading, what, submit) = match is_invited {
        true => (
            format!("Withdraw the invitation of {email}?"),
            format!(
                "Its link shows nothing any more, and {email} cannot accept it, for customer {customer} of app {app}."
            ),
            "Withdraw it",
        ),
        false => (
            format!("Remove {email}?"),
            format!(
                "{email} loses what the record gives for customer {customer} of app {app}, at once. Whom an adjustable list names is suspended."
            ),
            "Remove it",
        ),
    };
    let id = encode(&text("id"));
    let form = Form::new(format!("/records/{id}/remove"), submit, vec![FormField::hidden("version", text("version"))]);
    let mut blocks: Vec<_> = problem.into_iter().collect();
    blocks.extend([Block::Text(what), Block::Form(form), forms::back(format!("/records/{id}"), "Keep it")]);
    let section = if is_invited { "/invitations" } else { SECTION };
    with_status(visit, status, &ConsolePage { heading, section, blocks })
}

pub(super) async fn remove(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Posted(typed): Posted<Typed>,
) -> Reply {
    let record = match find(&room, &visit, &id).await {
        Ok(record) => record,
        Err(failure) => return not_there(&visit, &failure),
    };
    let target = format!("/api/v1/records/{}?version={}", encode(&id), encode(&typed.version));
    match ask(&room, &visit, Method::DELETE, &target, None).await {
        Ok(_) => {
            let app = encode(&outline::text_of(record.get("app")));
            let is_invited = outline::text_of(record.get("state")) == "invited";
            match find(&room, &visit, &id).await {
                Ok(_) => Reply::see_other(&format!("/records/{}?done=suspended", encode(&id))),
                Err(_) if is_invited => Reply::see_other(&format!("/invitations?app={app}&done=withdrawn")),
                Err(_) => Reply::see_other(&format!("/records?app={app}&done=removed")),
            }
        }
        Err(failure) => removal_page(&visit, failure.status, &record, Some(failed(&failure))),
    }
}

pub(super) async fn resend(State(room): Room, Extension(visit): Extension<Visit>, Path(id): Path<String>) -> Reply {
    let target = format!("/api/v1/records/{}/resend", encode(&id));
    let sent = ask(&room, &visit, Method::POST, &target, None).await;
    match (sent, find(&room, &visit, &id).await) {
        (Ok(_), _) => Reply::see_other(&format!("/records/{}?done=resent", encode(&id))),
        (Err(failure), Ok(record)) => {
            let form = Block::Form(change_form(&room, &record, &Typed::of(&record)));
            record_page(&room, &visit, failure.status, &record, vec![failed(&failure)], vec![form])
        }
        (Err(_), Err(failure)) => not_there(&visit, &failure),
    }
}
