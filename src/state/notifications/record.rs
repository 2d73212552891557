//! What a notification is: the message, whom it goes to, and how far it has come.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::session::TokenHash;
use crate::state::ports::{OutgoingMail, StoreError, Unavailable};
use crate::types::{AppName, CustomerId, Email, TopicName};

/// Whose people a notification goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recipients {
    /// The people of one customer.
    Of(CustomerId),
    /// Everybody whom the app has.
    Everybody,
}

impl Recipients {
    /// The customer, where it is one.
    #[must_use]
    pub const fn customer(&self) -> Option<&CustomerId> {
        match self {
            Self::Of(customer) => Some(customer),
            Self::Everybody => None,
        }
    }
}

/// What a notification says. It is kept sealed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Message {
    /// The subject: one line.
    pub subject: String,
    /// The text: plain, of several lines.
    pub text: String,
    /// Where to read on: an https address on one of the app's domains.
    pub link: Option<String>,
}

/// A notification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notification {
    /// The name that its sender knows it by.
    pub id: String,
    /// The app.
    pub app: AppName,
    /// Whose people it goes to.
    pub recipients: Recipients,
    /// What kind of news it is.
    pub topic: TopicName,
    /// What it says.
    pub message: Message,
    /// When it was taken in.
    pub created: Timestamp,
}

/// One that is to be taken in.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// It.
    pub notification: Notification,
    /// The hash of its sender and their idempotency key.
    pub key: TokenHash,
    /// The hash of what was asked for.
    pub body: TokenHash,
    /// Whom it goes to, each once.
    pub people: Vec<Email>,
}

/// What became of a wish to take one in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TakenIn {
    /// It is taken in, now or by an earlier call with the same key and body.
    Yes {
        /// Its name.
        id: String,
        /// How many people it goes to.
        people: u64,
        /// Whether this call took it in.
        is_new: bool,
    },
    /// The key was used for another one.
    OtherBody,
    /// Too many people wait for their mail already.
    Full,
}

/// How far a notification has come: how many of its people are where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Progress {
    /// It.
    pub notification: Notification,
    /// How many there are.
    pub people: u64,
    /// Nothing was done for them yet.
    pub waiting: u64,
    /// Their mail is in the outbox.
    pub queued: u64,
    /// The mail server took their mail.
    pub sent: u64,
    /// They have switched the topic off.
    pub switched_off: u64,
    /// They had as many that day as one may have.
    pub over_limit: u64,
    /// They may not enter any more.
    pub gone: u64,
    /// Their mail could not be sent.
    pub failed: u64,
}

/// Where one of a notification's people stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Nothing was done yet.
    Waiting,
    /// The mail is in the outbox.
    Queued,
    /// The mail server took it.
    Sent,
    /// The topic is switched off.
    SwitchedOff,
    /// They had as many that day as one may have.
    OverLimit,
    /// They may not enter any more.
    Gone,
    /// It could not be sent.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Queued, Self::Sent, Self::SwitchedOff, Self::OverLimit, Self::Gone, Self::Failed];

    /// The name in the store, in metrics and in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::SwitchedOff => "switched-off",
            Self::OverLimit => "over-limit",
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }
}

/// One person of a notification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notified {
    /// Its number.
    pub id: i64,
    /// Who.
    pub email: Email,
    /// Of which notification.
    pub notification: Notification,
}

/// What is to become of one person of a notification.
#[derive(Clone, Debug)]
pub enum Turn {
    /// They get this mail, unless they have switched the topic off or had as many as one may have.
    Mail(Box<OutgoingMail>),
    /// They get none.
    Ends(State),
    /// Nobody can tell before this moment.
    Later(Timestamp),
}

/// How many notifications one person may get.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// So many.
    pub most: u32,
    /// Since this moment.
    pub since: Timestamp,
}

/// Whether a topic is on for a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Switch {
    /// They get its mails, as everybody does at first.
    On,
    /// They do not.
    Off,
}

/// Where notifications are kept. When a call returns `Ok`, its change is on disk.
#[async_trait]
pub trait NotificationStore: Send + Sync {
    /// Takes one in with all its people, in one step; or answers what an earlier call with its key did. Nothing is taken in
    /// while more than `most_waiting` people wait.
    async fn take_in(&self, new: &NewNotification, most_waiting: u64) -> Result<TakenIn, StoreError>;
    /// What an earlier call with this key did.
    async fn taken_in(&self, key: TokenHash, body: TokenHash) -> Result<Option<TakenIn>, StoreError>;
    /// How far one has come.
    async fn progress(&self, id: &str) -> Result<Option<Progress>, StoreError>;
    /// The people whose turn it is, oldest first, at most `most`; none while as many mails of notifications wait for their
    /// first try.
    async fn their_turn(&self, now: Timestamp, most: u32) -> Result<Vec<Notified>, StoreError>;
    /// When the next person's turn is.
    async fn next_turn(&self) -> Result<Option<Timestamp>, StoreError>;
    /// Does what became of people, in one step: whoever gets a mail is noted, and the mail queued until `expires`, together or
    /// not at all. People whose turn is over are left as they are. Answers the states that they came to.
    async fn take_turns(
        &self,
        turns: &[(Notified, Turn)],
        allowance: Allowance,
        now: Timestamp,
    ) -> Result<Vec<State>, StoreError>;
    /// One person of a notification, and whether they have its topic off now.
    async fn notified(&self, id: i64) -> Result<Option<(Notified, Switch)>, StoreError>;

    /// The topics that a person has switched off.
    async fn switched_off(&self, app: &AppName, email: &Email) -> Result<Vec<TopicName>, StoreError>;
    /// Switches topics on or off; answers which were otherwise before.
    async fn switch(
        &self,
        app: &AppName,
        email: &Email,
        topics: &[(TopicName, Switch)],
        now: Timestamp,
    ) -> Result<Vec<(TopicName, Switch)>, StoreError>;
    /// Forgets notifications from before a moment.
    async fn forget_notifications(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// Knows whom an app has.
#[async_trait]
pub trait Audience: Send + Sync {
    /// The people of a customer, or of all, each once; staff is not among them.
    ///
    /// # Errors
    /// When some list cannot be read: whoever stands there would be left out.
    async fn people(&self, app: &AppName, recipients: &Recipients) -> Result<Vec<Email>, Unavailable>;
}
