//! Records: what people decide about people's access, beside what tables say. An invitation is a record that waits for its person.

use std::sync::Arc;

use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::operation::{Asked, Needs, Nothing, Operation, email, malformed, operation};
use super::page::{Page, after, limit};
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::policy::{DaysBack, NotAllowed};
use crate::state::members::{Maker, Record, RecordFilter, RecordState};
use crate::state::people::{Details, Edit, Edits, Hand, Refused, Right, Welcome, Whom};
use crate::state::tokens::Scope;
use crate::types::{AppName, CustomerId, DisplayName, Email, Language, RoleName};

/// What may go wrong with a change.
const CHANGES: &[Code] = &[Code::NotFound, Code::Conflict, Code::Refused];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/api/v1/records",
            "listRecords",
            Needs::OfApp(Scope::Read),
            "Records of access, in the order of their numbers",
            list,
        ),
        operation(
            Method::POST,
            "/api/v1/records",
            "createRecord",
            Needs::OfApp(Scope::People),
            "Invites a person, lets them in at once, or changes what an adjustable list gives them",
            create,
        )
        .refuses(CHANGES),
        operation(
            Method::GET,
            "/api/v1/records/{id}",
            "getRecord",
            Needs::OfApp(Scope::Read),
            "One record of access",
            one,
        )
        .refuses(&[Code::NotFound]),
        operation(
            Method::PATCH,
            "/api/v1/records/{id}",
            "changeRecord",
            Needs::OfApp(Scope::People),
            "Changes a record of access; what is left out stays",
            change,
        )
        .refuses(CHANGES),
        operation(
            Method::DELETE,
            "/api/v1/records/{id}",
            "removeRecord",
            Needs::OfApp(Scope::People),
            "Removes a record with the access that it gives, or withdraws the invitation",
            remove,
        )
        .refuses(CHANGES),
        operation(
            Method::POST,
            "/api/v1/records/{id}/resend",
            "resendInvitation",
            Needs::OfApp(Scope::People),
            "Sends an invitation again, with a new link",
            resend,
        )
        .refuses(CHANGES),
    ]
}

/// How a record stands.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// The person was invited and has not come yet.
    Invited,
    /// It counts.
    Active,
    /// It gives nothing for now.
    Suspended,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// Which records are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RecordQuery {
    /// Only those of this app.
    app: Option<String>,
    /// Only those of this customer.
    customer: Option<String>,
    /// Only those of this person.
    email: Option<String>,
    /// Only those in this state; `invited` are the invitations.
    state: Option<State>,
    /// What stands in the address or the name.
    q: Option<String>,
    /// At most so many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// How many days back: a number, or `unlimited`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
enum Days {
    /// So many.
    Days(#[schemars(range(max = 36500))] u32),
    /// Without limit.
    Word(Unlimited),
}

/// Without limit.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Unlimited {
    /// Without limit, whatever the role says.
    Unlimited,
}

impl From<DaysBack> for Days {
    fn from(days: DaysBack) -> Self {
        match days {
            DaysBack::Days(days) => Self::Days(days),
            DaysBack::Unlimited => Self::Word(Unlimited::Unlimited),
        }
    }
}

impl From<Days> for DaysBack {
    fn from(days: Days) -> Self {
        match days {
            Days::Days(days) => Self::Days(days),
            Days::Word(Unlimited::Unlimited) => Self::Unlimited,
        }
    }
}

/// A record of access.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Record", deny_unknown_fields)]
struct RecordRow {
    /// Its number.
    id: String,
    /// Goes up with each change.
    version: i64,
    /// The app.
    app: String,
    /// The customer.
    customer: String,
    /// The name that the customer was given, where somebody gave one.
    customer_name: Option<String>,
    /// The person.
    email: String,
    /// The person's first name.
    first_name: Option<String>,
    /// The person's last name.
    last_name: Option<String>,
    /// The role.
    role: String,
    /// How many days back; null leaves it to the role, or to the list that names the person.
    days_back: Option<Days>,
    /// Remarks.
    notes: Option<String>,
    /// The person's language.
    language: Option<String>,
    /// `invited`, `active` or `suspended`.
    state: &'static str,
    /// Until when the invitation may be accepted.
    expires: Option<String>,
    /// Who made it: `staff …`, `colleague …`, or `erased`.
    made_by: String,
    /// When it was made.
    made: String,
    /// When it was last changed.
    changed: String,
}

impl RecordRow {
    fn of(record: &Record) -> Self {
        let entry = &record.entry;
        let text = |name: &Option<DisplayName>| name.as_ref().map(ToString::to_string);
        let expires = match &record.state {
            RecordState::Invited { expires, .. } => Some(format!("{expires:.0}")),
            RecordState::Active | RecordState::Suspended => None,
        };
        Self {
            id: record.id.to_string(),
            version: record.version,
            app: entry.app.to_string(),
            customer: entry.customer.to_string(),
            customer_name: text(&record.customer_name),
            email: entry.email.to_string(),
            first_name: text(&entry.first_name),
            last_name: text(&entry.last_name),
            role: entry.role.to_string(),
            days_back: entry.days_back.map(Days::from),
            notes: text(&entry.notes),
            language: entry.language.map(|language| language.code().to_owned()),
            state: record.state.name(),
            expires,
            made_by: match &record.made_by {
                Maker::Staff(name) => format!("staff {name}"),
                Maker::Colleague(email) => format!("colleague {email}"),
                Maker::Erased => "erased".to_owned(),
            },
            made: format!("{:.0}", record.made),
            changed: format!("{:.0}", record.changed),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        let field = field_of(&refused);
        let problem = match refused {
            Refused::NoSuchApp | Refused::NoSuchPerson => Self::not_found(text.clone()),
            Refused::Known | Refused::Stale => Self::new(Code::Conflict, text.clone()),
            Refused::Store(error) => error.into(),
            Refused::Unavailable(_) => Self::new(Code::Unavailable, text.clone()),
            _ => Self::new(Code::Refused, text.clone()),
        };
        match field {
            Some(field) => problem.at(field, text),
            None => problem,
        }
    }
}

/// The field of a form that a refusal is about.
const fn field_of(refused: &Refused) -> Option<&'static str> {
    match refused {
        Refused::Known | Refused::Named { .. } | Refused::Staff | Refused::BadEmail(_) | Refused::Ambiguous => {
            Some("email")
        }
        Refused::NotAllowed(NotAllowed::UnknownRole | NotAllowed::Irrevocable) => Some("role"),
        Refused::BadDaysBack => Some("days_back"),
        Refused::NoDomain | Refused::Full(_) => Some("customer"),
        _ => None,
    }
}

async fn list(
    room: Arc<ConsoleRoom>,
    asked: Asked,
    query: RecordQuery,
    _: Nothing,
) -> Result<Page<RecordRow>, Problem> {
    let (limit, after) = (limit(query.limit)?, after(query.cursor.as_deref())?);
    let after =
        after.map_or(Ok(0), |text| text.parse().map_err(|_| malformed("cursor", "it is the `next` of a page")))?;
    let app = asked.app(query.app.as_deref())?;
    let customer = query.customer.as_deref().map(CustomerId::parse).transpose();
    let customer = customer.map_err(|error| malformed("customer", error))?;
    let person = query.email.as_deref().map(email).transpose()?;
    let filter = RecordFilter {
        app: app.as_ref(),
        customer: customer.as_ref(),
        email: person.as_ref(),
        text: query.q.as_deref().map(str::trim).filter(|text| !text.is_empty()),
        state: query.state.map(State::name),
        after,
        most: limit.saturating_add(1),
    };
    let records = room.people.records(filter).await?;
    Ok(Page::of(records.iter().map(RecordRow::of).collect(), limit, |row| row.id.clone()))
}

/// The record of a path, if it is for this caller.
async fn record(room: &ConsoleRoom, asked: &Asked) -> Result<Record, Problem> {
    let unknown = || Problem::not_found("there is no such record");
    let id = asked.part("id")?.parse().map_err(|_| unknown())?;
    let record = room.people.record(id).await?.ok_or_else(unknown)?;
    // Whether another app has it is nothing for a token of one.
    let is_theirs = asked.caller.app().is_none_or(|own| *own == record.entry.app);
    if is_theirs { Ok(record) } else { Err(unknown()) }
}

async fn one(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, _: Nothing) -> Result<RecordRow, Problem> {
    Ok(RecordRow::of(&record(&room, &asked).await?))
}

fn hand<'a>(asked: &'a Asked, app: &'a AppName) -> Hand<'a> {
    Hand { scene: asked.scene(Some(app)), right: Right::Staff, language: Language::English }
}

fn whom(record: &Record) -> Whom<'_> {
    let entry = &record.entry;
    Whom { app: &entry.app, customer: &entry.customer, email: &entry.email }
}

fn name(field: &'static str, text: Option<&str>) -> Result<Option<DisplayName>, Problem> {
    let Some(text) = text else { return Ok(None) };
    DisplayName::new(text).map(Some).ok_or_else(|| malformed(field, "it is empty"))
}

fn language(text: Option<&str>) -> Result<Option<Language>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let known = Language::parse(text);
    known.map(Some).ok_or_else(|| malformed("language", "there are en, de, fr, es and bg"))
}

fn role(text: &str) -> Result<RoleName, Problem> {
    RoleName::parse(text).map_err(|error| malformed("role", error))
}

/// A record to make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewRecord {
    /// The app.
    app: String,
    /// The customer.
    customer: String,
    /// The person.
    email: String,
    /// The role.
    role: String,
    /// The person's first name.
    #[serde(default)]
    first_name: Option<String>,
    /// The person's last name.
    #[serde(default)]
    last_name: Option<String>,
    /// How many days back; null leaves it to the role.
    #[serde(default)]
    days_back: Option<Days>,
    /// Remarks.
    #[serde(default)]
    notes: Option<String>,
    /// The person's language: `en`, `de`, `fr`, `es` or `bg`.
    #[serde(default)]
    language: Option<String>,
    /// Whether the person is let in at once, without an invitation.
    #[serde(default)]
    without_invitation: bool,
}

async fn create(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, body: NewRecord) -> Result<RecordRow, Problem> {
    let app = asked.app(Some(&body.app))?.ok_or_else(|| malformed("app", "name one"))?;
    let customer = CustomerId::parse(&body.customer).map_err(|error| malformed("customer", error))?;
    let email: Email = email(&body.email)?;
    let details = Details {
        first_name: name("first_name", body.first_name.as_deref())?,
        last_name: name("last_name", body.last_name.as_deref())?,
        role: role(&body.role)?,
        days_back: body.days_back.map(DaysBack::from),
        notes: name("notes", body.notes.as_deref())?,
        language: language(body.language.as_deref())?,
    };
    let welcome = if body.without_invitation { Welcome::Nothing } else { Welcome::Invitation };
    let whom = Whom { app: &app, customer: &customer, email: &email };
    let made = match room.people.invite(hand(&asked, &app), whom, &details, welcome).await {
        // There is nothing to invite them to: the record changes what the list gives.
        Err(Refused::Named { adjustable: true, .. }) => {
            let changed = room.people.change(hand(&asked, &app), whom, &first_edits(details)).await;
            changed.map_err(|refused| if matches!(refused, Refused::Stale) { Refused::Known } else { refused })
        }
        made => made,
    };
    Ok(RecordRow::of(&made?))
}

/// The first record of somebody whom an adjustable list names.
fn first_edits(details: Details) -> Edits {
    Edits {
        version: Some(0),
        first_name: Edit::Set(details.first_name),
        last_name: Edit::Set(details.last_name),
        role: Edit::Set(details.role),
        days_back: Edit::Set(details.days_back),
        notes: Edit::Set(details.notes),
        language: Edit::Set(details.language),
        suspended: Edit::Keep,
    }
}

/// What is to become of a record; what is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RecordChange {
    /// The version that was looked at: with another one, nothing is changed.
    #[serde(default)]
    version: Option<i64>,
    /// The role.
    #[serde(default)]
    role: Option<String>,
    /// The person's first name; null takes it away.
    #[serde(default, deserialize_with = "given")]
    first_name: Option<Option<String>>,
    /// The person's last name; null takes it away.
    #[serde(default, deserialize_with = "given")]
    last_name: Option<Option<String>>,
    /// How many days back; null leaves it to the role.
    #[serde(default, deserialize_with = "given")]
    days_back: Option<Option<Days>>,
    /// Remarks; null takes them away.
    #[serde(default, deserialize_with = "given")]
    notes: Option<Option<String>>,
    /// The person's language; null takes it away.
    #[serde(default, deserialize_with = "given")]
    language: Option<Option<String>>,
    /// Whether it gives nothing for now.
    #[serde(default)]
    suspended: Option<bool>,
}

/// A value that was given, be it null; one that was left out is nothing.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// What was given becomes an edit.
fn edit<T, U>(given: Option<T>, read: impl FnOnce(T) -> Result<U, Problem>) -> Result<Edit<U>, Problem> {
    given.map_or(Ok(Edit::Keep), |value| read(value).map(Edit::Set))
}

async fn change(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, body: RecordChange) -> Result<RecordRow, Problem> {
    let record = record(&room, &asked).await?;
    let edits = Edits {
        version: body.version,
        first_name: edit(body.first_name, |text| name("first_name", text.as_deref()))?,
        last_name: edit(body.last_name, |text| name("last_name", text.as_deref()))?,
        role: edit(body.role, |text| role(&text))?,
        days_back: edit(body.days_back, |days| Ok(days.map(DaysBack::from)))?,
        notes: edit(body.notes, |text| name("notes", text.as_deref()))?,
        language: edit(body.language, |text| language(text.as_deref()))?,
        suspended: edit(body.suspended, Ok)?,
    };
    let changed = room.people.change(hand(&asked, &record.entry.app), whom(&record), &edits).await?;
    Ok(RecordRow::of(&changed))
}

/// Which version is to be removed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RemoveQuery {
    /// The version that was looked at: with another one, nothing is removed.
    version: Option<i64>,
}

/// A record that was removed.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct RemovedRecord {
    /// Its number.
    id: String,
}

async fn remove(
    room: Arc<ConsoleRoom>,
    asked: Asked,
    query: RemoveQuery,
    _: Nothing,
) -> Result<RemovedRecord, Problem> {
    let record = record(&room, &asked).await?;
    room.people.remove(hand(&asked, &record.entry.app), whom(&record), query.version).await?;
    Ok(RemovedRecord { id: record.id.to_string() })
}

async fn resend(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, _: Nothing) -> Result<RecordRow, Problem> {
    let record = record(&room, &asked).await?;
    let sent = room.people.resend(hand(&asked, &record.entry.app), whom(&record)).await?;
    Ok(RecordRow::of(&sent))
}
