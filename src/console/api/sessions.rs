//! Sessions: who is logged in, and the end of that.

use std::sync::Arc;

use axum::http::Method;
use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Asked, Needs, Nothing, Operation, email, malformed, operation};
use super::page::{Page, after, limit};
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::session::{SessionId, SessionRecord};
use crate::state::audit::Event;
use crate::state::listing::SessionFilter;
use crate::state::tokens::Scope;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/api/v1/sessions",
            "listSessions",
            Needs::OfApp(Scope::Read),
            "The sessions that are not over, the newest first",
            list,
        ),
        operation(
            Method::DELETE,
            "/api/v1/sessions/{id}",
            "endSession",
            Needs::OfApp(Scope::Sessions),
            "Ends a session, with whatever is under way in it",
            end,
        )
        .refuses(&[Code::NotFound]),
        operation(
            Method::POST,
            "/api/v1/sessions/end",
            "endSessionsOfPerson",
            Needs::All(Scope::Sessions),
            "Ends all sessions of a person, in every app",
            end_all,
        ),
    ]
}

/// Which sessions are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SessionQuery {
    /// Only those of this app.
    app: Option<String>,
    /// Only those of this person.
    email: Option<String>,
    /// Only previews: sessions in which staff look through a customer's eyes just now.
    previews: Option<bool>,
    /// At most so many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A session.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Session {
    /// Its id here; it opens nothing.
    id: String,
    /// Its name in logs, in the audit log and on the person's account page.
    name: String,
    /// The app.
    app: String,
    /// The domain.
    domain: String,
    /// Whose.
    email: String,
    /// For which customer, where one was chosen.
    customer: Option<String>,
    /// When it began.
    created: String,
    /// When it was last used, to the minute.
    last_used: String,
    /// The browser, as it calls itself.
    device: String,
    /// By which ways the person came.
    ways: Vec<String>,
    /// Through whose eyes the person looks, in a preview.
    preview: Option<PreviewOf>,
}

/// Whose eyes a member of staff looks through.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Preview", deny_unknown_fields)]
struct PreviewOf {
    /// The customer's person.
    email: String,
    /// Which customer, where the person has several.
    customer: Option<String>,
    /// When it ends.
    until: String,
}

impl Session {
    fn of(record: &SessionRecord) -> Self {
        Self {
            id: HEXLOWER.encode(record.id.as_bytes()),
            name: record.id.public(),
            app: record.app.to_string(),
            domain: record.host.to_string(),
            email: record.email.to_string(),
            customer: record.customer.as_ref().map(ToString::to_string),
            created: format!("{:.0}", record.created),
            last_used: format!("{:.0}", record.last_used),
            device: record.device.clone(),
            ways: record.proofs.iter().map(|proof| proof.way.to_string()).collect(),
            preview: record.preview.as_ref().map(|preview| PreviewOf {
                email: preview.email.to_string(),
                customer: preview.customer.as_ref().map(ToString::to_string),
                until: format!("{:.0}", preview.until),
            }),
        }
    }
}

/// A page of sessions begins after the last of the page before: by when that began, and its id.
fn place(text: &str) -> Option<(i64, SessionId)> {
    let (created, id) = text.split_once(' ')?;
    Some((created.parse().ok()?, SessionId::from_bytes(&HEXLOWER.decode(id.as_bytes()).ok()?)?))
}

async fn list(room: Arc<ConsoleRoom>, asked: Asked, query: SessionQuery, _: Nothing) -> Result<Page<Session>, Problem> {
    let (limit, after) = (limit(query.limit)?, after(query.cursor.as_deref())?);
    let app = asked.app(query.app.as_deref())?;
    let person = query.email.as_deref().map(email).transpose()?;
    let after = after.map(|text| place(&text).ok_or_else(|| malformed("cursor", "it is the `next` of a page")));
    let after = after.transpose()?;
    let limits = room.current.load().session;
    let previews = query.previews == Some(true);
    let filter = SessionFilter { app: app.as_ref(), email: person.as_ref(), previews, after, limits, now: asked.now };
    let records = room.listing.sessions(filter, limit.saturating_add(1)).await?;
    let count = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = records.get(count.saturating_sub(1)).filter(|_| records.len() > count);
    let next = next.map(|last| {
        let place = format!("{} {}", last.created.as_microsecond(), HEXLOWER.encode(last.id.as_bytes()));
        data_encoding::BASE64URL_NOPAD.encode(place.as_bytes())
    });
    Ok(Page { items: records.iter().take(count).map(Session::of).collect(), next })
}

/// What was ended.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Ended {
    /// How many sessions.
    sessions: u64,
}

async fn end(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, _: Nothing) -> Result<Ended, Problem> {
    let unknown = || Problem::not_found("there is no such session");
    let id = HEXLOWER.decode(asked.part("id")?.as_bytes()).ok();
    let id = id.and_then(|id| SessionId::from_bytes(&id)).ok_or_else(unknown)?;
    let record = room.store.session(id).await?.ok_or_else(unknown)?;
    if asked.caller.app().is_some_and(|own| *own != record.app) {
        // Whether another app has it is nothing for this token.
        return Err(unknown());
    }
    room.sessions.end(id).await?;
    let event = Event::SessionEndedByStaff { email: &record.email, session: id };
    room.journal.write(asked.scene(Some(&record.app)), &event);
    Ok(Ended { sessions: 1 })
}

/// Whose sessions are to end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndSessions {
    /// The person's address.
    email: String,
}

async fn end_all(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, body: EndSessions) -> Result<Ended, Problem> {
    let email = email(&body.email)?;
    let sessions = room.sessions.end_everywhere(&email).await?;
    room.journal.write(asked.scene(None), &Event::SessionsEndedByStaff { email: &email, sessions });
    Ok(Ended { sessions: sessions as u64 })
}
