//! The audit log: whatever decides who is in and who is out, as a line, a count, and an entry in the store.
//!
//! The set of events is closed, and so are the names of their fields, so that whoever collects the lines (`target: "audit"`) can
//! rely on them. No line holds a whole address, a token, a code, or anything else that opens something; the entries in the store
//! name people by numbers that mean nothing once a person is erased.

mod deed;
mod entry;
mod event;
mod journal;
mod kept;

use std::net::IpAddr;

use jiff::Timestamp;

use super::visit::{HubVisit, Visit};
use crate::policy::Origin;
use crate::types::{AppName, Email, HostName};

pub use deed::Deed;
pub use entry::{AuditStore, Entry, Who};
pub use event::{EVENTS, Event};
pub use journal::{Journal, Unsettled};
pub use kept::{Flaw, Kept, KeptActor, KeptPerson, Order, Question, Verified};

/// Where and when something happened, by whom, and from where it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Who did it.
    pub actor: Actor<'a>,
    /// The app; none on the hub, and for what concerns the gateway as a whole.
    pub app: Option<&'a AppName>,
    /// The domain, or the hub; none for what concerns no domain.
    pub host: Option<&'a HostName>,
    /// The client's address; none for what the gateway does by itself.
    pub client: Option<IpAddr>,
    /// The request; none for what the gateway does by itself.
    pub request_id: Option<&'a str>,
    /// When.
    pub now: Timestamp,
}

/// Who did something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Actor<'a> {
    /// Somebody who has not proven who they are.
    Visitor,
    /// A person, as their session or what they have just proven says.
    Person(&'a Email),
    /// A member of staff.
    Staff(&'a Email),
    /// Whoever holds the API token of this name.
    Token(&'a str),
    /// The gateway by itself.
    Gateway,
}

impl Actor<'_> {
    /// What kind it is, as lines and entries have it.
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

    /// As a line shows it.
    fn shown(&self) -> String {
        match self {
            Self::Visitor | Self::Gateway => self.kind().to_owned(),
            Self::Person(email) | Self::Staff(email) => format!("{} {}", self.kind(), email.masked()),
            Self::Token(name) => format!("token {name}"),
        }
    }
}

impl<'a> From<&'a Visit> for Scene<'a> {
    fn from(visit: &'a Visit) -> Self {
        let actor = match visit.live.as_deref() {
            None => Actor::Visitor,
            Some(live) => {
                let is_staff =
                    live.is_preview || live.access().is_some_and(|access| access.grant().origin == Origin::Workspace);
                if is_staff { Actor::Staff(&live.record.email) } else { Actor::Person(&live.record.email) }
            }
        };
        Self {
            actor,
            app: Some(&visit.site.app.name),
            host: Some(&visit.site.domain.host),
            client: Some(visit.client),
            request_id: Some(&visit.request_id),
            now: visit.now,
        }
    }
}

impl<'a> From<&'a HubVisit> for Scene<'a> {
    fn from(visit: &'a HubVisit) -> Self {
        Self {
            actor: Actor::Visitor,
            app: None,
            host: Some(&visit.hub),
            client: Some(visit.client),
            request_id: Some(&visit.request_id),
            now: visit.now,
        }
    }
}

impl<'a> Scene<'a> {
    /// What the gateway does by itself, on behalf of a domain.
    #[must_use]
    pub const fn background(app: &'a AppName, host: &'a HostName, now: Timestamp) -> Self {
        let actor = Actor::Gateway;
        Self { actor, app: Some(app), host: Some(host), client: None, request_id: None, now }
    }

    /// What the gateway does by itself, as a whole.
    #[must_use]
    pub const fn gateway(now: Timestamp) -> Self {
        Self { actor: Actor::Gateway, app: None, host: None, client: None, request_id: None, now }
    }
}
