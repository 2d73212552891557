//! People: who may enter, why somebody may not, and what is held of them.

use std::sync::Arc;

use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::operation::{Asked, Needs, Nothing, Operation, malformed, operation};
use super::page::{Page, after, limit};
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::console::services::{ExplainQuestion, NoAnswer};
use crate::policy::{Grant, Origin};
use crate::state::audit::{Entry, Event};
use crate::state::people_search::{PeopleFilter, Place, Whose};
use crate::state::personal::Erased;
use crate::state::tokens::Scope;
use crate::types::{AppName, Email};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/api/v1/people",
            "listPeople",
            Needs::OfApp(Scope::Read),
            "Who may enter an app, by address and customer",
            list,
        )
        .refuses(&[Code::NotFound]),
        operation(
            Method::GET,
            "/api/v1/people/{email}/explanation",
            "explainPerson",
            Needs::OfApp(Scope::Read),
            "Why a person may or may not enter an app, as `vestibule explain` tells it",
            explain,
        )
        .refuses(&[Code::NotFound, Code::Refused]),
        operation(
            Method::GET,
            "/api/v1/people/{email}/data",
            "exportPerson",
            Needs::All(Scope::People),
            "Everything that is held of a person",
            export,
        ),
        operation(
            Method::DELETE,
            "/api/v1/people/{email}/data",
            "erasePerson",
            Needs::All(Scope::People),
            "Erases everything that is held of a person, and ends their sessions",
            erase,
        ),
    ]
}

/// Who is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PeopleQuery {
    /// The app; may be left out with a token that is for one.
    app: Option<String>,
    /// What stands in the address, in the name, or in the customer's key or name. A whole address is quicker than a part of one.
    q: Option<String>,
    /// At most so many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// One person for one customer of an app.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Person {
    /// The address.
    email: String,
    /// The person's name.
    name: Option<String>,
    /// The customer's key; null for the workspace's own people.
    customer: Option<String>,
    /// The customer's name.
    customer_name: Option<String>,
    /// The role.
    role: String,
    /// How many days back the person may see; null is without limit.
    days_back: Option<u32>,
    /// The person's language.
    language: Option<String>,
    /// Remarks.
    notes: Option<String>,
    /// Who says so: `workspace`, `record`, or `list NAME`.
    origin: String,
}

impl Person {
    fn of(grant: &Grant) -> Self {
        let customer = grant.customer.as_ref();
        Self {
            email: grant.email.to_string(),
            name: grant.name.as_ref().map(ToString::to_string),
            customer: customer.map(|customer| customer.id.to_string()),
            customer_name: customer.and_then(|customer| customer.name.as_ref()).map(ToString::to_string),
            role: grant.role.to_string(),
            days_back: grant.days_back,
            language: grant.language.as_ref().map(ToString::to_string),
            notes: grant.notes.as_ref().map(ToString::to_string),
            origin: match &grant.origin {
                Origin::List(name) => format!("list {name}"),
                Origin::Record => "record".to_owned(),
                Origin::Workspace => "workspace".to_owned(),
            },
        }
    }
}

/// A page of people.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct PeoplePage {
    /// Who is on this page.
    items: Vec<Person>,
    /// The `cursor` of the page that follows; null on the last.
    next: Option<String>,
    /// Lists that could not be read to their end: whoever stands there is missing.
    unread: Vec<String>,
}

/// The app that is asked about, where it is there.
pub(super) fn known_app(room: &ConsoleRoom, asked: &Asked, named: Option<&str>) -> Result<AppName, Problem> {
    let app = asked.app(named)?.ok_or_else(|| malformed("app", "name one"))?;
    match room.current.load().app(&app) {
        Some(_) => Ok(app),
        None => Err(Problem::not_found(format!("there is no app `{app}`"))),
    }
}

async fn list(room: Arc<ConsoleRoom>, asked: Asked, query: PeopleQuery, _: Nothing) -> Result<PeoplePage, Problem> {
    let (limit, after) = (limit(query.limit)?, after(query.cursor.as_deref())?);
    let app = known_app(&room, &asked, query.app.as_deref())?;
    let after: Option<Place> = after
        .map(|text| serde_json::from_str(&text).map_err(|_| malformed("cursor", "it is the `next` of a page")))
        .transpose()?;
    let text = query.q.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let filter =
        PeopleFilter { app: &app, text, of: Whose::Everybody, after: after.as_ref(), most: limit as usize + 1 };
    let found = room.people.search(filter).await;
    let found = found.ok_or_else(|| {
        Problem::new(Code::Unavailable, "others search just now").help("ask again, or ask for a whole address")
    })?;
    let page = Page::of(found.people, limit, |grant| serde_json::to_string(&Place::of(grant)).unwrap_or_default());
    let items = page.items.iter().map(|grant| Person::of(grant)).collect();
    Ok(PeoplePage { items, next: page.next, unread: found.unread })
}

/// What to explain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExplainQuery {
    /// The app; may be left out with a token that is for one.
    app: Option<String>,
    /// The customer whom a person with several has chosen.
    customer: Option<String>,
    /// The domain that the person comes by.
    host: Option<String>,
    /// A request to decide on: its path, with a query if it has one.
    path: Option<String>,
    /// The method of that request; `GET`, when left out.
    method: Option<String>,
}

/// The explanation, as docs/explain.md describes it.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(transparent)]
struct Explanation(Map<String, Value>);

async fn explain(
    room: Arc<ConsoleRoom>,
    asked: Asked,
    query: ExplainQuery,
    _: Nothing,
) -> Result<Explanation, Problem> {
    let email = asked.email("email")?;
    let app = known_app(&room, &asked, query.app.as_deref())?;
    let question = ExplainQuestion {
        app,
        email,
        customer: query.customer,
        host: query.host,
        path: query.path,
        method: query.method,
    };
    match room.services.explain(question).await {
        Ok(explanation) => Ok(Explanation(explanation)),
        Err(NoAnswer(why)) => Err(Problem::new(Code::Refused, why)),
    }
}

/// Everything that is held of a person.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct PersonData {
    /// The address.
    email: String,
    /// When this was read.
    at: String,
    /// What is held, by what it is. docs/operations.md describes it.
    data: Map<String, Value>,
}

async fn export(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, _: Nothing) -> Result<PersonData, Problem> {
    let email = asked.email("email")?;
    // That they were here just now belongs to it.
    room.usage.flush().await?;
    let data = room.personal.export(&email).await?;
    room.journal.write(asked.scene(None), &Event::PersonExported(&email));
    Ok(PersonData { email: email.to_string(), at: format!("{:.0}", asked.now), data })
}

async fn erase(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, _: Nothing) -> Result<Erased, Problem> {
    let email = asked.email("email")?;
    erase_person(&room, &asked, &email).await
}

async fn erase_person(room: &ConsoleRoom, asked: &Asked, email: &Email) -> Result<Erased, Problem> {
    // First what is in memory here, so that nothing goes on for whom nothing is held any more.
    let sessions = room.sessions.end_everywhere(email).await?;
    // That they were here just now is not written down afterwards.
    room.usage.flush().await?;
    // What is on its way into the log with the address has to be there before the address goes.
    room.journal.settled().await.map_err(|_| Problem::new(Code::Unavailable, "the audit log cannot be stored"))?;
    let event = Event::PersonErased(email);
    let scene = asked.scene(None);
    let mut erased = room.personal.erase(email, &Entry::of(scene, &event)).await?;
    room.journal.tell(scene, &event);
    // Looks of staff through these eyes went with the rest.
    room.sessions.look_at_all_again();
    *erased.rows.entry("sessions".to_owned()).or_default() += sessions as u64;
    Ok(erased)
}
