//! People: who has access beside what tables say, and who may change that.
//!
//! Tables nominate; people manage. A record ([`super::members`]) lets somebody in whom no list names, or changes what an adjustable
//! list gives. [`People`] stands before the tables as the port `Directory`, so that sessions, log-in and portal see one answer; and
//! every change of a record goes through it, with all rules, so that the team page, the console, the API and the command line cannot
//! differ in what they let somebody do.
//!
//! A change counts at once: `Generations` is part of the directory's epoch, person by person, and costs a request no I/O.

mod accept;
mod change;
mod commit;
mod found;
mod generations;
mod import;
mod invite;
mod known;
mod letters;
mod mailings;
mod refused;
mod search;
mod team;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use self::generations::Generations;
use self::mailings::Mailings;
use super::audit::{Actor, Journal, Scene};
use super::clock::Clock;
use super::members::{Basis, Maker, Record, RecordFilter, RecordStore, Tables};
use super::ports::StoreError;
use super::snapshot::Current;
use crate::config::{App, AppKind};
use crate::policy::{DaysBack, Grant};
use crate::types::{AppName, CustomerId, DisplayName, Email, HostName, Language, RoleName};

pub use accept::{InvitationShown, Standing as InvitationStanding};
pub use found::Founded;
pub use import::{Line, LineOutcome, MOST_LINES};
pub use known::{Combined, Weighed, Weight, combine};
pub use letters::INVITATION_PATH;
pub use refused::Refused;
pub use team::{Abilities, Member, MemberState, Source, Team};

/// How often it is asked whether another hand changed records.
const HEAR_EVERY: Duration = Duration::from_millis(500);

/// Writes a domain's origin as browsers do, `https://host[:port]`.
pub type OriginOf = Box<dyn Fn(&HostName) -> String + Send + Sync>;

/// Everybody's access, and what may be changed of it.
pub struct People {
    current: Arc<Current>,
    tables: Arc<dyn Tables>,
    store: Arc<dyn RecordStore>,
    journal: Arc<Journal>,
    /// Told when a mail was queued.
    mailed: Arc<Notify>,
    origin_of: OriginOf,
    clock: Clock,
    generations: Generations,
    mailings: Mailings,
    searches: Semaphore,
}

/// Who changes something, and where and when.
#[derive(Clone, Copy, Debug)]
pub struct Hand<'a> {
    /// Where, when, and who by name.
    pub scene: Scene<'a>,
    /// On the strength of what.
    pub right: Right<'a>,
    /// The language that whoever does it reads; mails to people whose own is not known are written in it.
    pub language: Language,
}

/// What lets somebody change records.
#[derive(Clone, Copy, Debug)]
pub enum Right<'a> {
    /// A person of a customer, by the grant of their session. What it says is looked up anew: a session may be a moment behind.
    Colleague(&'a Grant),
    /// Staff, who may change every record. Whether they may at all, whoever asks has found out.
    Staff,
}

/// One person for one customer of one app.
#[derive(Clone, Copy, Debug)]
pub struct Whom<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The customer.
    pub customer: &'a CustomerId,
    /// The person.
    pub email: &'a Email,
}

/// What is said of a person who gets a record.
#[derive(Clone, Debug)]
pub struct Details {
    /// The first name.
    pub first_name: Option<DisplayName>,
    /// The last name.
    pub last_name: Option<DisplayName>,
    /// As what.
    pub role: RoleName,
    /// How many days back; `None` leaves it to the role.
    pub days_back: Option<DaysBack>,
    /// Remarks, which only who looks after people sees.
    pub notes: Option<DisplayName>,
    /// The person's language.
    pub language: Option<Language>,
}

/// What is to become of one thing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Edit<T> {
    /// It stays.
    #[default]
    Keep,
    /// It becomes this.
    Set(T),
}

/// What is to become of somebody's access.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// The version of the record that was looked at; 0 where there was none. Without it, what is there now is changed.
    pub version: Option<i64>,
    /// The first name.
    pub first_name: Edit<Option<DisplayName>>,
    /// The last name.
    pub last_name: Edit<Option<DisplayName>>,
    /// The role.
    pub role: Edit<RoleName>,
    /// How many days back.
    pub days_back: Edit<Option<DaysBack>>,
    /// Remarks.
    pub notes: Edit<Option<DisplayName>>,
    /// The language.
    pub language: Edit<Option<Language>>,
    /// Whether it gives nothing for now.
    pub suspended: Edit<bool>,
}

/// What somebody who gets a record is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Welcome {
    /// An invitation: they have access when they have accepted it, by logging in with the address.
    Invitation,
    /// Nothing: they have access at once. For staff, and for those whom an adjustable list names.
    Nothing,
}

/// What [`People`] is made of.
pub struct Parts {
    /// The config in force.
    pub current: Arc<Current>,
    /// What the tables say.
    pub tables: Arc<dyn Tables>,
    /// Where records are kept.
    pub store: Arc<dyn RecordStore>,
    /// The audit log.
    pub journal: Arc<Journal>,
    /// Told when a mail was queued.
    pub mailed: Arc<Notify>,
    /// Writes a domain's origin.
    pub origin_of: OriginOf,
    /// Tells the time.
    pub clock: Clock,
}

impl People {
    /// Puts records beside tables.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { current, tables, store, journal, mailed, origin_of, clock } = parts;
        Self {
            current,
            tables,
            store,
            journal,
            mailed,
            origin_of,
            clock,
            generations: Generations::default(),
            mailings: Mailings::default(),
            searches: Semaphore::new(search::SEARCHES),
        }
    }

    /// Records, in the order of their numbers, for those who may see all of them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn records(&self, filter: RecordFilter<'_>) -> Result<Vec<Record>, StoreError> {
        self.store.records(filter).await
    }

    /// One record by its number.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(&self, id: i64) -> Result<Option<Record>, StoreError> {
        self.store.record(id).await
    }

    /// The record of one person for one customer.
    async fn record_of(&self, whom: Whom<'_>) -> Result<Option<Record>, StoreError> {
        let records = self.store.records_of(whom.app, whom.email).await?;
        Ok(records.into_iter().find(|record| record.entry.customer == *whom.customer))
    }

    fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// An app that has customers. The console has none: a record of it would make somebody staff.
    fn app(&self, name: &AppName) -> Result<Arc<App>, Refused> {
        let app = self.current.load().app(name).cloned();
        app.filter(|app| app.kind == AppKind::Proxied).ok_or(Refused::NoSuchApp)
    }

    /// Runs in the background: hears of changes by another hand, such as a process that shares the store.
    pub async fn run(&self, stop: CancellationToken) {
        let mut every = tokio::time::interval(HEAR_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            match self.store.record_changes().await {
                Ok(count) => self.generations.hear(count),
                Err(error) => tracing::warn!(%error, "whether records were changed could not be read"),
            }
        }
    }
}

impl Details {
    /// The entry that they make.
    fn entry(&self, whom: Whom<'_>, basis: Basis) -> super::members::Entry {
        super::members::Entry {
            app: whom.app.clone(),
            customer: whom.customer.clone(),
            email: whom.email.clone(),
            basis,
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            role: self.role.clone(),
            days_back: self.days_back,
            notes: self.notes.clone(),
            language: self.language,
        }
    }
}

impl Hand<'_> {
    /// Who a record says that made it.
    fn maker(&self) -> Maker {
        match (self.right, self.scene.actor) {
            (Right::Colleague(grant), _) => Maker::Colleague(grant.email.clone()),
            (Right::Staff, Actor::Staff(email) | Actor::Person(email)) => Maker::Staff(email.to_string()),
            (Right::Staff, Actor::Token(name)) => Maker::Staff(name.to_owned()),
            (Right::Staff, Actor::Visitor | Actor::Gateway) => Maker::Staff("gateway".to_owned()),
        }
    }
}

impl<T> Edit<T> {
    fn apply_to(&self, value: &mut T)
    where
        T: Clone,
    {
        if let Self::Set(new) = self {
            *value = new.clone();
        }
    }
}

#[cfg(test)]
mod tests;
