//! Notifications: taken in once, however often the call is repeated; and how far one has come.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::operation::{Asked, Needs, Nothing, Operation, operation};
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::state::audit::Event;
use crate::state::notifications::{self, EVERYBODY, Order, Trouble};
use crate::state::tokens::Scope;

/// The longest idempotency key, in bytes.
const MOST_KEY_BYTES: usize = 255;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::POST,
            "/api/v1/notify",
            "notify",
            Needs::OfApp(Scope::Notify),
            "Mails a notification to every member of a customer who has not switched its topic off; once, whatever happens",
            notify,
        )
        .status(StatusCode::ACCEPTED)
        .takes_key()
        .refuses(&[Code::Refused, Code::TooMany]),
        operation(
            Method::GET,
            "/api/v1/notify/{id}",
            "notificationProgress",
            Needs::OfApp(Scope::Notify),
            "How far a notification has come",
            progress,
        )
        .refuses(&[Code::NotFound]),
    ]
}

/// What is to be sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Notify {
    /// The app.
    app: String,
    /// The customer whose people get it, or `*` for those of all customers.
    customer: String,
    /// The topic: one of `[app.NAME.topic.NAME]`.
    topic: String,
    /// The mail's subject: one line of at most 200 characters.
    subject: String,
    /// The mail's text: plain, at most 10,000 bytes. An empty line begins a paragraph.
    text: String,
    /// Where to read on: an https address on one of the app's domains.
    link: Option<String>,
}

/// A notification that was taken in.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Taken {
    /// Its name.
    id: String,
    /// How many people it goes to.
    people: u64,
}

async fn notify(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, body: Notify) -> Result<Taken, Problem> {
    let key = key(&asked)?;
    let Notify { app, customer, topic, subject, text, link } = body;
    asked.app(Some(&app))?;
    let wish = notifications::Asked { app, customer, topic, subject, text, link };
    let snapshot = room.current.load_full();
    let order = Order::check(&wish, &snapshot, room.notifications.https_port()).map_err(|flaws| {
        let errors = flaws.iter().map(|flaw| format!("`{}`: {}", flaw.field, flaw.problem));
        let problem = Problem::new(Code::Refused, "nothing was taken in").errors(errors.collect());
        flaws.iter().fold(problem, |problem, flaw| problem.at(flaw.field, flaw.problem.clone()))
    })?;
    let caller = match &asked.caller {
        Caller::Token(token) => token.name.clone(),
        Caller::Staff(email) => email.to_string(),
    };
    let accepted = room.notifications.take_in(&caller, &key, &order, asked.now).await?;
    if accepted.is_new {
        let detail = format!("{} of {} to {} people", accepted.id, order.topic, accepted.people);
        let event = Event::NotificationTaken { customer: order.recipients.customer(), detail: &detail };
        room.journal.write(asked.scene(Some(&order.app)), &event);
    }
    Ok(Taken { id: accepted.id, people: accepted.people })
}

/// The caller's name for the call. The quotes that the header's draft has around it may be left out, and mean nothing here.
fn key(asked: &Asked) -> Result<String, Problem> {
    let Some(text) = asked.idempotency_key.as_deref() else {
        let help = "name the call in one `Idempotency-Key`, and repeat it with the same name: it is done once";
        return Err(Problem::new(Code::Malformed, "the header `Idempotency-Key` is missing").help(help));
    };
    let text = text.trim();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    match key.is_empty() || key.len() > MOST_KEY_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Err(Problem::new(
            Code::Malformed,
            "an `Idempotency-Key` has 1 to 255 printable ASCII characters, no blanks",
        )),
        false => Ok(key.to_owned()),
    }
}

/// How far a notification has come: how many of its people are where.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Progress {
    /// Its name.
    id: String,
    /// The app.
    app: String,
    /// The customer, or `*` for all.
    customer: String,
    /// The topic.
    topic: String,
    /// The subject.
    subject: String,
    /// When it was taken in.
    created: String,
    /// Whether nothing more is to come of it.
    done: bool,
    /// How many people it was for.
    people: u64,
    /// Nothing was done for them yet.
    waiting: u64,
    /// Their mail is in the outbox.
    queued: u64,
    /// The mail server took their mail.
    sent: u64,
    /// They have switched the topic off.
    switched_off: u64,
    /// They had as many that day as one may have.
    over_limit: u64,
    /// They may not enter any more.
    gone: u64,
    /// Their mail could not be sent in three days, or was refused.
    failed: u64,
}

async fn progress(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, _: Nothing) -> Result<Progress, Problem> {
    let unknown = || Problem::not_found("there is no such notification, or it is older than 30 days");
    let told = room.notifications.progress(asked.part("id")?).await?.ok_or_else(unknown)?;
    let notification = told.notification;
    if asked.caller.app().is_some_and(|own| *own != notification.app) {
        // Whether another app has it is nothing for this token.
        return Err(unknown());
    }
    Ok(Progress {
        id: notification.id,
        app: notification.app.to_string(),
        customer: notification.recipients.customer().map_or(EVERYBODY, |customer| customer.as_str()).to_owned(),
        topic: notification.topic.to_string(),
        subject: notification.message.subject,
        created: format!("{:.0}", notification.created),
        done: told.waiting == 0 && told.queued == 0,
        people: told.people,
        waiting: told.waiting,
        queued: told.queued,
        sent: told.sent,
        switched_off: told.switched_off,
        over_limit: told.over_limit,
        gone: told.gone,
        failed: told.failed,
    })
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        let detail = trouble.to_string();
        match trouble {
            Trouble::Busy(wait) => Self::too_many(&detail, wait.max(Duration::from_secs(1))),
            Trouble::TooManyPeople(_) => Self::new(Code::Refused, detail),
            Trouble::OtherBody => {
                let said = "it was sent before, with other words; send it once more to send these as well";
                Self::new(Code::Refused, detail).at("key", said)
            }
            Trouble::Directory(_) => {
                let help = "nothing was taken in; `/readyz` tells how the sources are";
                Self::new(Code::Unavailable, detail).help(help)
            }
            Trouble::Store(error) => error.into(),
        }
    }
}
