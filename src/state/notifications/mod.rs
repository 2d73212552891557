//! Notifications: what an app has to tell its customers' people, taken in once and mailed to each who wants it.
//!
//! One transaction takes a notification in together with a row for each of its people. In the background the rows turn, a few at a
//! time, into mails of the outbox; row and mail change in one transaction, so whenever the process dies, each person is either
//! still waiting or has their one mail queued. Whether somebody is still to have it (they may enter, and have not switched
//! the topic off) is asked when the mail is made and again when it is sent.
//!
//! Few mails of notifications lie in the outbox at any time, and all log-in mail goes before them: a notification to
//! everybody keeps nobody waiting for a log-in.

mod fan_out;
mod letter;
mod order;
mod record;
mod token;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::{Mutex, Notify};

pub use order::{Asked, EVERYBODY, Flaw, MOST_LINK_BYTES, MOST_SUBJECT_CHARACTERS, MOST_TEXT_BYTES, Order};
pub use record::{
    Allowance, Audience, Message, NewNotification, Notification, NotificationStore, Notified, Progress, Recipients,
    State, Switch, TakenIn, Turn,
};
pub use token::{TokenProblem, Unsubscribe};

use super::clock::Clock;
use super::metrics::Metrics;
use super::ports::{Directory, Store, StoreError, Unavailable};
use super::snapshot::Current;
use crate::session::{Seal, Token, TokenHash};
use crate::types::{AppName, Email, TopicName};

/// How long it is tried to send a notification's mail.
pub const MAIL_IS_GOOD_FOR: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How long a notification, and its idempotency key, are remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many people one notification may go to.
pub const MOST_PEOPLE: usize = 100_000;
/// While more people wait for theirs, no further notification is taken in.
const MOST_WAITING: u64 = 500_000;
/// How many calls a minute are answered.
const CALLS_A_MINUTE: NonZeroU32 = NonZeroU32::new(120).expect("120 is not 0");
/// How soon to come again when too many people wait.
const COME_AGAIN: Duration = Duration::from_secs(600);

/// What the service needs.
pub struct Parts {
    /// The running snapshot.
    pub current: Arc<Current>,
    /// Where notifications are kept.
    pub store: Arc<dyn NotificationStore>,
    /// Who may enter.
    pub directory: Arc<dyn Directory>,
    /// Whom an app has.
    pub audience: Arc<dyn Audience>,
    /// Knows the languages that people chose.
    pub languages: Arc<dyn Store>,
    /// What seals unsubscribe tokens.
    pub seal: Arc<Seal>,
    /// The port at which the world reaches our domains.
    pub https_port: Arc<AtomicU16>,
    /// Wakes the outbox.
    pub mailed: Arc<Notify>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
}

/// Takes notifications in, and sends them.
pub struct Notifications {
    parts: Parts,
    wake: Notify,
    calls: DefaultDirectRateLimiter,
    /// One is taken in at a time: to find an app's people may mean to read all its tables.
    taking_in: Mutex<()>,
}

/// Why a notification was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// There were too many calls, or too many people wait.
    #[error("too many notifications for now")]
    Busy(Duration),
    /// It would go to too many people.
    #[error("it would go to {0} people, and may go to {MOST_PEOPLE} at most")]
    TooManyPeople(usize),
    /// The key was used for another one.
    #[error("this idempotency key was used with another body")]
    OtherBody,
    /// The tables cannot be asked.
    #[error(transparent)]
    Directory(#[from] Unavailable),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A notification that was taken in, now or before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Its name.
    pub id: String,
    /// How many people it goes to.
    pub people: u64,
    /// Whether this call took it in.
    pub is_new: bool,
}

impl Notifications {
    /// Puts it together; nothing runs yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let calls = RateLimiter::direct(Quota::per_minute(CALLS_A_MINUTE));
        Self { parts, wake: Notify::new(), calls, taking_in: Mutex::default() }
    }

    /// The port at which the world reaches our domains.
    #[must_use]
    pub fn https_port(&self) -> u16 {
        self.parts.https_port.load(Ordering::Relaxed)
    }

    /// Looks at once whether there is anything to send: another process may have taken it in.
    pub fn look(&self) {
        self.wake.notify_one();
    }

    /// Takes a notification in. `key` is the caller's own name for it: with the same key and order, a call answers as the first
    /// one did, and sends nothing again.
    ///
    /// # Errors
    /// [`Trouble`] says why not; then nothing was taken in.
    pub async fn take_in(&self, caller: &str, key: &str, order: &Order, now: Timestamp) -> Result<Accepted, Trouble> {
        if let Err(refusal) = self.calls.check() {
            return Err(Trouble::Busy(refusal.wait_time_from(DefaultClock::default().now())));
        }
        let key = TokenHash::of(&["notification-key", caller, key]);
        let body = body_hash(order);
        let _taking_in = self.taking_in.lock().await;
        if let Some(before) = self.parts.store.taken_in(key, body).await? {
            return accepted(before);
        }
        let people = self.parts.audience.people(&order.app, &order.recipients).await?;
        if people.len() > MOST_PEOPLE {
            return Err(Trouble::TooManyPeople(people.len()));
        }
        let notification = Notification {
            // As nobody can guess it, whoever may not list notifications cannot find one.
            id: Token::generate().expose().chars().take(22).collect(),
            app: order.app.clone(),
            recipients: order.recipients.clone(),
            topic: order.topic.clone(),
            message: order.message.clone(),
            created: now,
        };
        let taken =
            self.parts.store.take_in(&NewNotification { notification, key, body, people }, MOST_WAITING).await?;
        self.wake.notify_one();
        accepted(taken)
    }

    /// How far a notification has come.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn progress(&self, id: &str) -> Result<Option<Progress>, StoreError> {
        self.parts.store.progress(id).await
    }

    /// The topics that a person has switched off.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn switched_off(&self, app: &AppName, email: &Email) -> Result<Vec<TopicName>, StoreError> {
        self.parts.store.switched_off(app, email).await
    }

    /// Switches topics of a person on or off; answers which were otherwise before.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn switch(
        &self,
        app: &AppName,
        email: &Email,
        topics: &[(TopicName, Switch)],
        now: Timestamp,
    ) -> Result<Vec<(TopicName, Switch)>, StoreError> {
        self.parts.store.switch(app, email, topics, now).await
    }

    /// Whom an unsubscribe token is for.
    ///
    /// # Errors
    /// [`TokenProblem`] says why it switches nothing off.
    pub fn unsubscribe(&self, token: &str, app: &AppName, now: Timestamp) -> Result<Unsubscribe, TokenProblem> {
        Unsubscribe::open(token, &self.parts.seal, app, now)
    }
}

fn accepted(taken: TakenIn) -> Result<Accepted, Trouble> {
    match taken {
        TakenIn::Yes { id, people, is_new } => Ok(Accepted { id, people, is_new }),
        TakenIn::OtherBody => Err(Trouble::OtherBody),
        TakenIn::Full => Err(Trouble::Busy(COME_AGAIN)),
    }
}

/// Two orders are one if they say the same, however they were written.
fn body_hash(order: &Order) -> TokenHash {
    let Message { subject, text, link } = &order.message;
    let customer = order.recipients.customer().map_or(EVERYBODY, |customer| customer.as_str());
    let has_link = if link.is_some() { "with" } else { "without" };
    let link = link.as_deref().unwrap_or_default();
    TokenHash::of(&[order.app.as_str(), customer, order.topic.as_str(), subject, text, has_link, link])
}
