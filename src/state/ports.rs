//! The ports: what the corridor and its side doors ask of the rooms behind them.
//!
//! A trait stands here only where two real implementations stand behind it or where a plane must reach a room without
//! naming it.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::policy::Grant;
use crate::session::{
    Asker, Attempt, AttemptId, Link, PasskeyRecord, SessionId, SessionLimits, SessionRecord, TokenHash,
};
use crate::types::{AppName, CustomerId, Email, HostName, Language, ProviderName, Secret};

/// What must survive `kill -9`: sessions, log-in attempts, outgoing mail, keys. When a call returns `Ok`, its change is on
/// disk.
#[async_trait]
pub trait Store: MailQueue {
    /// A number that is another one when another process has changed something since it was asked for last: a command beside the
    /// gateway, or its successor.
    async fn version(&self) -> Result<u64, StoreError>;
    /// Stores a new session with its links and, in the same step, ends the one it replaces; `false` when that one had to be
    /// there and is gone, or its provider has logged the person out meanwhile, and then nothing is stored.
    async fn open_session(&self, opening: &Opening) -> Result<bool, StoreError>;
    /// A session by its token's hash, over or not.
    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError>;
    /// One person's sessions in one app, newest first.
    async fn sessions_of(&self, app: &AppName, email: &Email) -> Result<Vec<SessionRecord>, StoreError>;
    /// One person's sessions in all apps.
    async fn sessions_everywhere(&self, email: &Email) -> Result<Vec<SessionId>, StoreError>;
    /// Whom a member of staff previewed last in an app, newest first, at most [`MOST_PREVIEWED`].
    async fn previews_of(&self, app: &AppName, actor: &Email) -> Result<Vec<Previewed>, StoreError>;
    /// Ends a session, also when it goes on under a new id by now; answers which one ended.
    async fn end_session(&self, id: SessionId) -> Result<Option<SessionId>, StoreError>;
    /// Ends all sessions of a person, in every app; answers which.
    async fn end_everywhere(&self, email: &Email) -> Result<Vec<SessionId>, StoreError>;
    /// Ends the sessions that hang on somebody whom a provider has logged out, and lets none begin by what the provider said
    /// before; answers which ended, or `None` when the log-out token was used before.
    async fn end_linked(&self, farewell: &Farewell) -> Result<Option<Vec<SessionId>>, StoreError>;
    /// Notes when sessions were last used.
    async fn touch_sessions(&self, used: &[(SessionId, Timestamp)]) -> Result<(), StoreError>;
    /// The tokens of a session's link to a provider.
    async fn link_tokens(&self, session: SessionId, provider: &ProviderName) -> Result<Option<LinkTokens>, StoreError>;
    /// Stores what a provider said anew of a session, also when it goes on under a new id by now; `false` when the session or
    /// its link is gone.
    async fn renew_link(&self, session: SessionId, link: &Link, tokens: &LinkTokens) -> Result<bool, StoreError>;

    /// Who a person at a provider is here: the address remembered for them or, the first time, this one, which is then
    /// remembered. [`Remembered::Taken`] when the address is remembered for somebody else there.
    async fn remember(&self, identity: &Identity, email: &Email, now: Timestamp) -> Result<Remembered, StoreError>;
    /// The people at providers that an address is remembered for.
    async fn identities(&self, email: &Email) -> Result<Vec<Identity>, StoreError>;
    /// Forgets all that is remembered for an address; answers how many there were.
    async fn forget_identities(&self, email: &Email) -> Result<u64, StoreError>;

    /// Keeps a ticket for a domain and a browser.
    async fn put_ticket(&self, ticket: &Ticket) -> Result<(), StoreError>;
    /// Takes a ticket: gives its payload to the first who asks for it on its domain, with its browser, in time.
    async fn take_ticket(
        &self,
        hash: TokenHash,
        host: &HostName,
        browser: TokenHash,
        now: Timestamp,
    ) -> Result<Option<Secret>, StoreError>;
    /// Uses something up; `false` when it was used before. It is remembered `until` then.
    async fn spend(&self, what: TokenHash, until: Timestamp) -> Result<bool, StoreError>;

    /// Adds a passkey; `false` when the domain has one with this credential, or the person would have more than `most` there.
    async fn add_passkey(&self, passkey: &PasskeyRecord, most: usize) -> Result<bool, StoreError>;
    /// A person's passkeys on a domain, oldest first.
    async fn passkeys_of(&self, host: &HostName, email: &Email) -> Result<Vec<PasskeyRecord>, StoreError>;
    /// A person's passkeys on all domains.
    async fn passkeys_everywhere(&self, email: &Email) -> Result<Vec<PasskeyRecord>, StoreError>;
    /// A passkey of a domain by its credential.
    async fn passkey(&self, host: &HostName, credential: &[u8]) -> Result<Option<PasskeyRecord>, StoreError>;
    /// Notes that a passkey was used, and its key's new counter; `false` when it is gone.
    async fn passkey_used(
        &self,
        host: &HostName,
        credential: &[u8],
        key: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Names a passkey; `false` when the person has no such one.
    async fn name_passkey(
        &self,
        host: &HostName,
        email: &Email,
        credential: &[u8],
        name: &str,
    ) -> Result<bool, StoreError>;
    /// Removes a passkey; `false` when the person has no such one.
    async fn remove_passkey(&self, host: &HostName, email: &Email, credential: &[u8]) -> Result<bool, StoreError>;

    /// The language that a person chose for themself.
    async fn language_of(&self, email: &Email) -> Result<Option<Language>, StoreError>;
    /// Keeps the language that a person chose, in the place of an earlier one.
    async fn choose_language(&self, email: &Email, language: Language) -> Result<(), StoreError>;

    /// Stores a new attempt (its `id` is ignored) and ends the earlier ones of the same browser.
    async fn ask(&self, attempt: &Attempt) -> Result<AttemptId, StoreError>;
    /// The attempts for an app that nobody has answered yet, by known browsers or by strangers, with numbers below `before`,
    /// newest first, at most `most`.
    async fn unanswered(
        &self,
        app: &AppName,
        asker: Asker,
        before: AttemptId,
        most: u32,
    ) -> Result<Vec<Attempt>, StoreError>;
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
    /// Uses an attempt up and opens the session, in one step; `false`, and neither, when it was not open any more or the
    /// session that had to be there is gone.
    async fn redeem(&self, id: AttemptId, opening: &Opening, now: Timestamp) -> Result<bool, StoreError>;

    /// A secret by name, made by `make` and kept sealed if there is none yet.
    async fn secret(&self, name: &str, make: fn() -> Vec<u8>) -> Result<Vec<u8>, StoreError>;
    /// Removes sessions that are over, attempts that ended an hour ago, tickets and whatever was used up and is too old to be
    /// used again; answers how many rows went.
    async fn sweep(&self, limits: SessionLimits, now: Timestamp) -> Result<u64, StoreError>;
    /// Whether the store can be written to.
    async fn check(&self) -> Result<(), StoreError>;
}

/// The part of the store that keeps mail until it is sent.
#[async_trait]
pub trait MailQueue: Send + Sync {
    /// Queues a mail that is of no use after `expires`.
    async fn queue_mail(&self, mail: &OutgoingMail, now: Timestamp, expires: Timestamp) -> Result<(), StoreError>;
    /// Queued mails that are due, oldest first, at most `most`; without those of these numbers, which are under way.
    async fn mail_due(&self, now: Timestamp, most: u32, under_way: &[i64]) -> Result<Vec<QueuedMail>, StoreError>;
    /// When the next queued mail is due.
    async fn next_mail(&self) -> Result<Option<Timestamp>, StoreError>;
    /// A mail went out, or never will: forgets it, and notes with the notification that it belongs to what became of it.
    async fn forget_mail(&self, id: i64, end: MailEnd) -> Result<(), StoreError>;
    /// A mail could not go out yet.
    async fn defer_mail(&self, id: i64, until: Timestamp) -> Result<(), StoreError>;
    /// How many mails are queued.
    async fn queued_mails(&self) -> Result<u64, StoreError>;
}

/// How many of the last previews of one member of staff in one app are remembered.
pub const MOST_PREVIEWED: u8 = 5;

/// Somebody who was previewed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Previewed {
    /// Who.
    pub email: Email,
    /// For which customer, where one was named.
    pub customer: Option<CustomerId>,
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

/// A session to be opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The session.
    pub session: SessionRecord,
    /// The one it takes the place of. Those of its links that the new session has too go over with their tokens.
    pub replaces: Replaces,
    /// The tokens of the link that is new.
    pub tokens: Option<LinkTokens>,
}

/// Which session a new one takes the place of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replaces {
    /// None.
    Nothing,
    /// This one, if it is still there.
    IfThere(SessionId),
    /// This one, and without it the new one may not begin: it rests on what the old one has proven.
    Only(SessionId),
}

impl Replaces {
    /// The session, whether or not it has to be there.
    #[must_use]
    pub const fn id(self) -> Option<SessionId> {
        match self {
            Self::Nothing => None,
            Self::IfThere(id) | Self::Only(id) => Some(id),
        }
    }
}

/// A provider's tokens behind a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkTokens {
    /// Whose.
    pub provider: ProviderName,
    /// The ID token that came last, for log-out (`id_token_hint`).
    pub id_token: Secret,
    /// The refresh token, where one was given.
    pub refresh_token: Option<Secret>,
}

/// A provider has logged somebody out (OpenID Connect Back-Channel Logout, section 2.4), as a token says that we believe.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Farewell {
    /// The issuer.
    pub issuer: String,
    /// Who: all their sessions, unless one is named.
    pub subject: Option<String>,
    /// Which session there. With both given, both must fit.
    pub sid: Option<String>,
    /// What the token is remembered by (its `jti`).
    pub token: TokenHash,
    /// When it was believed.
    pub at: Timestamp,
    /// Until when the token would be believed again.
    pub until: Timestamp,
}

/// A person at an OpenID provider, as nothing but these three together names them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The issuer identifier.
    pub issuer: String,
    /// Our client id there, for subjects may differ from client to client.
    pub client: String,
    /// The subject.
    pub subject: String,
}

/// Who a person at a provider is here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Remembered {
    /// The person with this address.
    As(Email),
    /// Nobody: the address is somebody else's there.
    Taken,
}

/// What was found out on the hub and waits for its domain.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The hash of the token that stands for it.
    pub hash: TokenHash,
    /// The only domain it is good on.
    pub host: HostName,
    /// The hash of what the browser that began there holds.
    pub browser: TokenHash,
    /// What was found out; kept sealed.
    pub payload: Secret,
    /// Until when it is good.
    pub expires: Timestamp,
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
    /// Where one request switches off all mails of its kind (RFC 8058); only mails that go to many have that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<String>,
}

/// What became of a mail that is in the outbox no longer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MailEnd {
    /// The next server took it over.
    Sent,
    /// The next server will not take it, or not in time.
    Failed,
    /// Its person is not to have it any more.
    Unwanted(Unwanted),
}

/// Why a person is not to have a mail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unwanted {
    /// The person may not enter any more, or what it is about is gone.
    Gone,
    /// The person switched its topic off.
    SwitchedOff,
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
    /// Which person of which notification it is for, where it is one's.
    pub notified: Option<i64>,
}

/// Tells at the last moment whether a notification's mail may still go out.
#[async_trait]
pub trait MailGate: Send + Sync {
    /// Whether the person behind it is still to have it.
    async fn ask(&self, notified: i64) -> GateAnswer;
}

/// What a [`MailGate`] says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum GateAnswer {
    /// It may go.
    Pass,
    /// It may not, nor will it.
    Drop(Unwanted),
    /// Nobody can tell now.
    Later(String),
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
    /// When a source cannot be read, what is known of this person there is older than `max_stale`, and no other list lets
    /// the person enter.
    async fn known(&self, app: &AppName, email: &Email) -> Result<Arc<Known>, Unavailable>;
    /// What a person would be granted by accepting the invitations that are good now. It counts for nothing until then: whoever
    /// comes to accept one is let in to do so.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn invited(&self, app: &AppName, email: &Email) -> Result<Vec<Arc<Grant>>, Unavailable>;
    /// A number that is another one whenever what is known in an app of the people at a place may have changed at once, and so answers
    /// from before count no more.
    fn epoch(&self, app: &AppName, place: Pigeonhole) -> u64;
    /// Whether any table of an app can be asked, whoever the person is.
    fn is_available(&self, app: &AppName) -> bool;
}

/// Where a person's changes are counted. Two who share a place are looked up anew for each other's, which costs a look.
#[derive(Clone, Copy, Debug)]
pub struct Pigeonhole(u16);

impl Pigeonhole {
    /// So many people's changes are told apart.
    pub const COUNT: u16 = 4096;

    /// A person's.
    #[must_use]
    pub fn of(email: &Email) -> Self {
        // Always the same hash: whoever chooses an address to share a place with somebody has only them looked up more often.
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(email);
        Self(u16::try_from(hash % u64::from(Self::COUNT)).unwrap_or(0))
    }

    /// From 0 to [`Self::COUNT`].
    #[must_use]
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

/// What the tables, and what people decided, say of one person in one app.
#[derive(Clone, Debug)]
pub struct Known {
    /// The grants; none means that the person may not enter.
    pub grants: Vec<Arc<Grant>>,
    /// Until when this may be used without asking again.
    pub fresh_until: Timestamp,
    /// Why this may not be all: a list that cannot be asked, and of which nothing is known that is young enough. What it
    /// would grant is not among the grants, and nobody may be told that they do not have it.
    pub missing: Option<Unavailable>,
    /// The lists, by name, of which that is so.
    pub unasked: Vec<String>,
    /// The customers that several rows name the person for, so that none of them counts.
    pub ambiguous: Vec<CustomerId>,
}

impl Known {
    /// All of these, for certain.
    #[must_use]
    pub const fn of(grants: Vec<Arc<Grant>>, fresh_until: Timestamp) -> Self {
        Self { grants, fresh_until, missing: None, unasked: Vec::new(), ambiguous: Vec::new() }
    }
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

/// Asks OpenID providers whether somebody is still there.
#[async_trait]
pub trait Providers: Send + Sync {
    /// Asks the provider of a session's link; what it says is stored before this returns. Whoever asks for the same link
    /// meanwhile gets the same answer.
    async fn recheck(&self, session: SessionId, link: &Link) -> Rechecked;
    /// Where to send the browser of a session that has ended, so that its person is logged out at the provider too
    /// (OpenID Connect RP-Initiated Logout, section 2), and comes back; `None` where the provider has no such page that we
    /// know of, or is to be left alone.
    fn end_session_url(&self, tokens: &LinkTokens, return_to: &str, state: Option<&str>) -> Option<String>;
}

/// What a provider said of a session's person.
#[derive(Clone, Debug)]
pub enum Rechecked {
    /// Still there, as the link now has it.
    Good(Link),
    /// Gone, or no longer to be asked about: the session is over.
    Ended,
    /// It cannot be asked now, and the session goes on until it is asked again at this moment.
    Later(Timestamp),
    /// It cannot be asked now, and the session has to wait.
    Unavailable(String),
}
