//! An entry of the audit log, and the port behind which entries are kept.

use std::borrow::Cow;
use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::event::{Event, Facts};
use super::kept::{Kept, Question, Verified};
use super::{Actor, Scene};
use crate::state::ports::StoreError;
use crate::types::{AppName, CustomerId, Email, HostName};

/// Keeps the audit log. When a call returns `Ok`, its change is on disk.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds entries at the end of the log, in one step.
    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError>;
    /// The entries that are asked for.
    async fn entries(&self, question: &Question) -> Result<Vec<Kept>, StoreError>;
    /// Looks through the whole chain.
    async fn verify(&self) -> Result<Verified, StoreError>;
    /// Removes what is older, oldest first, and people that no entry names any more; answers how many entries went. Of a chain
    /// that is broken nothing is removed: it is evidence.
    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// Who did something, in an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// Somebody who has not proven who they are.
    Visitor,
    /// A person.
    Person(Email),
    /// A member of staff.
    Staff(Email),
    /// Whoever holds the API token of this name.
    Token(String),
    /// The gateway by itself.
    Gateway,
}

/// What happened, as the log keeps it: everything but its number, which it gets from its place in the log.
///
/// People stand in it by their address only until it is stored. There they become numbers of their own, so that a person can be
/// erased and the log stays whole.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What, by the event's name.
    pub event: Cow<'static, str>,
    /// By whom.
    pub actor: Who,
    /// For whom.
    pub subject: Option<Email>,
    /// In which app.
    pub app: Option<AppName>,
    /// For which customer.
    pub customer: Option<CustomerId>,
    /// From which address.
    pub client: Option<IpAddr>,
    /// On which domain.
    pub domain: Option<HostName>,
    /// By which request.
    pub request_id: Option<String>,
    /// What else is known, by name.
    pub facts: Map<String, Value>,
}

impl Entry {
    /// The entry of an event. For what a transaction puts into the store by itself; anything else goes through
    /// [`super::Journal::write`].
    #[must_use]
    pub fn of<'a>(scene: impl Into<Scene<'a>>, event: &Event<'a>) -> Self {
        let scene: Scene<'a> = scene.into();
        let told = event.facts();
        Self {
            at: scene.now,
            event: Cow::Borrowed(event.name()),
            actor: Who::from(event.actor(&scene)),
            subject: told.email.cloned(),
            app: scene.app.cloned(),
            customer: told.customer.cloned(),
            client: scene.client,
            domain: scene.host.cloned(),
            request_id: scene.request_id.map(ToOwned::to_owned),
            facts: further(&told),
        }
    }
}

impl From<Actor<'_>> for Who {
    fn from(actor: Actor<'_>) -> Self {
        match actor {
            Actor::Visitor => Self::Visitor,
            Actor::Person(email) => Self::Person(email.clone()),
            Actor::Staff(email) => Self::Staff(email.clone()),
            Actor::Token(name) => Self::Token(name.to_owned()),
            Actor::Gateway => Self::Gateway,
        }
    }
}

impl Who {
    /// What kind it is, as entries have it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Person(_) => "person",
            Self::Staff(_) => "staff",
            Self::Token(_) => "token",
            Self::Gateway => "gateway",
        }
    }
}

fn further(facts: &Facts<'_>) -> Map<String, Value> {
    let texts = [
        ("session", facts.session.map(|session| session.public())),
        ("way", facts.way.map(ToString::to_string)),
        ("provider", facts.provider.map(ToString::to_string)),
        ("reason", facts.reason.map(ToOwned::to_owned)),
        ("limit", facts.limit.map(ToOwned::to_owned)),
        ("kind", facts.kind.map(ToOwned::to_owned)),
        ("network", facts.network.map(|network| network.to_string())),
        ("detail", facts.detail.map(ToOwned::to_owned)),
    ];
    let numbers = [("sessions", facts.sessions.map(|count| count as u64)), ("left", facts.left.map(u64::from))];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
    let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), Value::from(number?))));
    texts.chain(numbers).collect()
}
