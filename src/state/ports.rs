//! The ports: what the corridor and its side doors ask of the rooms behind them.
//!
//! A trait stands here only where two real implementations stand behind it or where a plane must reach a room without
//! naming it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::policy::Grant;
use crate::session::{Attempt, AttemptId, SessionId, SessionLimits, SessionRecord, TokenHash};
use crate::types::{AppName, Email};

/// What must survive `kill -9`: sessions, log-in attempts, outgoing mail, keys. When a call returns `Ok`, its change is on
/// disk.
#[async_trait]
pub trait Store: Send + Sync {
    /// Stores a new session and, in the same step, ends the one it replaces; `false` when that one is gone, and then nothing
    /// is stored.
    async fn open_session(&self, session: &SessionRecord, replaces: Option<SessionId>) -> Result<bool, StoreError>;
    /// A session by its token's hash, over or not.
    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError>;
    /// One person's sessions in one app, newest first.
    async fn sessions_of(&self, app: &AppName, email: &Email) -> Result<Vec<SessionRecord>, StoreError>;
    /// Ends a session; `false` when there was none.
    async fn end_session(&self, id: SessionId) -> Result<bool, StoreError>;
    /// Notes when sessions were last used.
    async fn touch_sessions(&self, used: &[(SessionId, Timestamp)]) -> Result<(), StoreError>;

    /// Stores a new attempt (its `id` is ignored) and ends the earlier ones of the same browser.
    async fn ask(&self, attempt: &Attempt) -> Result<AttemptId, StoreError>;
    /// The attempts that nobody has answered yet, oldest first, at most `most`.
    async fn unanswered(&self, most: u32) -> Result<Vec<Attempt>, StoreError>;
    /// Answers an attempt: with a mail (attempt becomes `Mailed`, and the mail is queued in the same step), or without
    /// (`Unknown`). Does nothing unless it is still `Asked`.
    async fn answer(&self, id: AttemptId, answer: Option<&Answer>, now: Timestamp) -> Result<(), StoreError>;
    /// The newest attempt of a browser.
    async fn attempt_of(&self, browser: TokenHash) -> Result<Option<Attempt>, StoreError>;
    /// The attempt that a link belongs to.
    async fn attempt_by_link(&self, link: TokenHash) -> Result<Option<Attempt>, StoreError>;
    /// The code sealed for an attempt, if it has one.
    async fn sealed_code(&self, id: AttemptId) -> Result<Option<[u8; 32]>, StoreError>;
    /// Takes one try at the code *before* it is looked at, so that guesses in parallel do not count once; answers how many
    /// tries are left after this one, or `None` when there was none left or the attempt is not open.
    async fn take_try(&self, id: AttemptId, now: Timestamp) -> Result<Option<u32>, StoreError>;
    /// Uses an attempt up and opens the session, in one step; `false` when it was not open any more.
    async fn redeem(
        &self,
        id: AttemptId,
        session: &SessionRecord,
        replaces: Option<SessionId>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Queued mails that are due, oldest first, at most `most`.
    async fn mail_due(&self, now: Timestamp, most: u32) -> Result<Vec<QueuedMail>, StoreError>;
    /// When the next queued mail is due.
    async fn next_mail(&self) -> Result<Option<Timestamp>, StoreError>;
    /// A mail went out, or never will: forgets it.
    async fn forget_mail(&self, id: i64) -> Result<(), StoreError>;
    /// A mail could not go out yet.
    async fn defer_mail(&self, id: i64, until: Timestamp) -> Result<(), StoreError>;
    /// How many mails are queued.
    async fn queued_mails(&self) -> Result<u64, StoreError>;

    /// A secret by name, made by `make` and kept sealed if there is none yet.
    async fn secret(&self, name: &str, make: fn() -> Vec<u8>) -> Result<Vec<u8>, StoreError>;
    /// Removes sessions that are over and attempts that ended an hour ago; answers how many rows went.
    async fn sweep(&self, limits: SessionLimits, now: Timestamp) -> Result<u64, StoreError>;
    /// Whether the store can be written to.
    async fn check(&self) -> Result<(), StoreError>;
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("the store failed to {what}: {cause}")]
pub struct StoreError {
    /// What was tried.
    pub what: &'static str,
    /// What went wrong, for the log.
    pub cause: String,
}

/// What an attempt of a person who may enter is answered with.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The hash of the link's token.
    pub link: TokenHash,
    /// The sealed code.
    pub code: [u8; 32],
    /// The mail that brings both.
    pub mail: OutgoingMail,
    /// After this moment the mail is of no use and need not be sent.
    pub expires: Timestamp,
}

/// A mail to one person.
#[derive(Clone, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct OutgoingMail {
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its plain-text part.
    pub text: String,
    /// Its HTML part.
    pub html: String,
}

/// A mail holds a link and a code, so it does not print.
impl std::fmt::Debug for OutgoingMail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OutgoingMail(…)")
    }
}

/// A mail in the outbox.
#[derive(Clone, Debug)]
pub struct QueuedMail {
    /// Its number.
    pub id: i64,
    /// How often it was tried.
    pub tries: u32,
    /// When it was queued.
    pub queued: Timestamp,
    /// After this moment it is of no use.
    pub expires: Timestamp,
    /// The mail.
    pub mail: OutgoingMail,
}

/// Hands a mail to the outside.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one mail; `Ok` means that the next server took it over.
    async fn send(&self, mail: &OutgoingMail) -> Result<(), MailError>;
}

/// A mail could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Worth another try.
    #[error("the mail could not be sent for now: {0}")]
    Temporary(String),
    /// No use in trying again.
    #[error("the mail was refused: {0}")]
    Permanent(String),
}

/// Knows who may enter: the customer lists and the workspace users.
#[async_trait]
pub trait Directory: Send + Sync {
    /// All that the tables grant a person in an app; from a cache no older than the sources' `refresh`.
    ///
    /// # Errors
    /// When a source cannot be read and what is known of this person is older than `max_stale`.
    async fn known(&self, app: &AppName, email: &Email) -> Result<Arc<Known>, Unavailable>;
    /// Whether the tables of an app can be asked at all, whoever the person is.
    fn is_available(&self, app: &AppName) -> bool;
}

/// What the tables say of one person in one app.
#[derive(Debug)]
pub struct Known {
    /// The grants; none means that the person may not enter.
    pub grants: Vec<Arc<Grant>>,
    /// Until when this may be used without asking again.
    pub fresh_until: Timestamp,
}

/// The tables cannot be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("source `{source_name}` cannot be read: {cause}")]
pub struct Unavailable {
    /// Which source.
    pub source_name: String,
    /// Why.
    pub cause: String,
}
