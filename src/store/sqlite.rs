//! The store's port, kept by SQLite.
//!
//! Here stands what each call is named when it fails; the statements are in the file of their subject. A limit in them is written
//! `? + 0`: one that is a parameter alone has SQLite make its plan anew whenever it is bound.

use std::fs::File;
use std::io;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use futures_util::{Stream, TryStreamExt as _};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::sqlite::{SqlitePool, SqliteQueryResult, SqliteRow};
use sqlx::{Execute, Executor as _, Sqlite};

use super::seal::SealKey;
use super::writer::{Change, Writer};
use super::{
    attempts, audit, farewells, languages, links, once, open, outbox, passkeys, personal, previews, secrets, sessions,
    tokens,
};
use crate::session::{
    Asker, Attempt, AttemptId, Link, PasskeyRecord, SessionId, SessionLimits, SessionRecord, TokenHash,
};
use crate::state::audit::{AuditStore, Entry, Kept, Question, Verified};
use crate::state::listing::{Listing, SessionFilter};
use crate::state::personal::{Erased, PersonalStore};
use crate::state::ports::{
    Answer, Farewell, Identity, LinkTokens, MailEnd, MailQueue, Opening, OutgoingMail, Previewed, QueuedMail,
    Remembered, Store, StoreError, Ticket,
};
use crate::state::tokens::{TokenRecord, TokenStore};
use crate::types::{AppName, Email, HostName, Language, ProviderName, Secret};

/// The store of a single gateway: one SQLite database, one writer, a few readers.
pub struct SqliteStore {
    writer: Writer,
    pub(super) readers: SqlitePool,
    pub(super) seal: SealKey,
    /// Held as long as the store lives; last, so that the connections go first. A command beside the gateway has none.
    lock: Option<File>,
}

impl SqliteStore {
    pub(super) const fn new(writer: Writer, readers: SqlitePool, seal: SealKey, lock: Option<File>) -> Self {
        Self { writer, readers, seal, lock }
    }

    /// The key under which log-in codes are sealed (`Code::seal`); derived from `seal.key`, which is not in the database.
    #[must_use]
    pub fn code_key(&self) -> hmac::Key {
        self.seal.code()
    }

    /// The lock of the folder, for a successor that shares it from then on.
    ///
    /// # Errors
    /// What the system says.
    pub fn lock(&self) -> io::Result<Option<File>> {
        self.lock.as_ref().map(File::try_clone).transpose()
    }

    /// Notes in the folder that it is this process that serves it.
    ///
    /// # Errors
    /// What the system says.
    pub fn sign(&self) -> io::Result<()> {
        self.lock.as_ref().map_or(Ok(()), open::sign)
    }

    /// Ends the connections in order: what is in the write-ahead log goes into the database file. Nothing is lost without
    /// it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins a change of several statements, when it is its turn.
    pub(super) async fn begin(&self) -> sqlx::Result<Change> {
        self.writer.begin().await
    }

    /// Makes a change of one statement.
    pub(super) async fn change<'q>(&self, statement: impl Execute<'q, Sqlite> + 'q) -> sqlx::Result<SqliteQueryResult> {
        let mut change = self.writer.begin().await?;
        let done = change.execute(statement).await?;
        change.commit().await?;
        Ok(done)
    }

    /// Whether the key opens what the database holds.
    pub(super) async fn fits_key(&self) -> sqlx::Result<bool> {
        secrets::fits_key(self).await
    }
}

/// Names what failed. SQLite's messages name tables and columns, and never values.
pub(super) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| StoreError { what, cause: error.to_string() }
}

#[async_trait]
impl MailQueue for SqliteStore {
    async fn queue_mail(&self, mail: &OutgoingMail, now: Timestamp, expires: Timestamp) -> Result<(), StoreError> {
        outbox::queue(self, mail, now, expires).await.map_err(failed("queue a mail"))
    }

    async fn mail_due(&self, now: Timestamp, most: u32, under_way: &[i64]) -> Result<Vec<QueuedMail>, StoreError> {
        outbox::due(self, now, most, under_way).await.map_err(failed("read the mail that is due"))
    }

    async fn next_mail(&self) -> Result<Option<Timestamp>, StoreError> {
        outbox::next(self).await.map_err(failed("read when mail is due"))
    }

    async fn forget_mail(&self, id: i64, end: MailEnd) -> Result<(), StoreError> {
        outbox::forget(self, id, end).await.map_err(failed("remove a mail"))
    }

    async fn defer_mail(&self, id: i64, until: Timestamp) -> Result<(), StoreError> {
        outbox::defer(self, id, until).await.map_err(failed("put a mail off"))
    }

    async fn queued_mails(&self) -> Result<u64, StoreError> {
        outbox::count(self).await.map_err(failed("count the queued mails"))
    }
}

#[async_trait]
impl AuditStore for SqliteStore {
    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        audit::append(self, entries).await.map_err(failed("store the audit log"))
    }

    async fn entries(&self, question: &Question) -> Result<Vec<Kept>, StoreError> {
        audit::entries(self, question).await.map_err(failed("read the audit log"))
    }

    async fn verify(&self) -> Result<Verified, StoreError> {
        audit::verify(self).await.map_err(failed("verify the audit log"))
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        audit::prune(self, before).await.map_err(failed("remove old entries of the audit log"))
    }
}

#[async_trait]
impl Listing for SqliteStore {
    async fn sessions(&self, filter: SessionFilter<'_>, most: u32) -> Result<Vec<SessionRecord>, StoreError> {
        sessions::page(self, filter, most).await.map_err(failed("read sessions"))
    }
}

#[async_trait]
impl PersonalStore for SqliteStore {
    async fn export(&self, email: &Email) -> Result<Map<String, Value>, StoreError> {
        personal::export(self, email).await.map_err(failed("read all that is held of a person"))
    }

    async fn erase(&self, email: &Email, entry: &Entry) -> Result<Erased, StoreError> {
        personal::erase(self, email, entry).await.map_err(failed("erase a person"))
    }
}

#[async_trait]
impl TokenStore for SqliteStore {
    async fn add_token(&self, token: &TokenRecord, entry: &Entry) -> Result<bool, StoreError> {
        tokens::add(self, token, entry).await.map_err(failed("keep a token of the API"))
    }

    async fn set_token(&self, token: &TokenRecord) -> Result<(), StoreError> {
        tokens::set(self, token).await.map_err(failed("keep a token of the API"))
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        tokens::all(self).await.map_err(failed("read the tokens of the API"))
    }

    async fn token(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        tokens::find(self, hash).await.map_err(failed("read a token of the API"))
    }

    async fn remove_token(&self, name: &str, entry: &Entry) -> Result<bool, StoreError> {
        tokens::remove(self, name, entry).await.map_err(failed("forget a token of the API"))
    }

    async fn token_used(&self, hash: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
        tokens::used(self, hash, now).await.map_err(failed("note that a token of the API was used"))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn open_session(&self, opening: &Opening) -> Result<bool, StoreError> {
        sessions::open(self, opening).await.map_err(failed("open a session"))
    }

    async fn version(&self) -> Result<u64, StoreError> {
        self.writer.version().await.map_err(failed("read whether another process writes"))
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        sessions::find(self, id).await.map_err(failed("read a session"))
    }

    async fn sessions_of(&self, app: &AppName, email: &Email) -> Result<Vec<SessionRecord>, StoreError> {
        sessions::of_person(self, app, email).await.map_err(failed("read a person's sessions"))
    }

    async fn previews_of(&self, app: &AppName, actor: &Email) -> Result<Vec<Previewed>, StoreError> {
        previews::of_actor(self, app, actor).await.map_err(failed("read the last previews"))
    }

    async fn end_session(&self, id: SessionId) -> Result<Option<SessionId>, StoreError> {
        sessions::end(self, id).await.map_err(failed("end a session"))
    }

    async fn sessions_everywhere(&self, email: &Email) -> Result<Vec<SessionId>, StoreError> {
        sessions::everywhere(self, email).await.map_err(failed("read a person's sessions"))
    }

    async fn end_everywhere(&self, email: &Email) -> Result<Vec<SessionId>, StoreError> {
        sessions::end_everywhere(self, email).await.map_err(failed("end a person's sessions"))
    }

    async fn end_linked(&self, farewell: &Farewell) -> Result<Option<Vec<SessionId>>, StoreError> {
        farewells::end(self, farewell).await.map_err(failed("end the sessions of a provider"))
    }

    async fn touch_sessions(&self, used: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        sessions::touch(self, used).await.map_err(failed("note that sessions were used"))
    }

    async fn link_tokens(&self, session: SessionId, provider: &ProviderName) -> Result<Option<LinkTokens>, StoreError> {
        links::tokens(self, session, provider).await.map_err(failed("read a provider's tokens"))
    }

    async fn renew_link(&self, session: SessionId, link: &Link, tokens: &LinkTokens) -> Result<bool, StoreError> {
        links::renew(self, session, link, tokens).await.map_err(failed("store a provider's tokens"))
    }

    async fn remember(&self, identity: &Identity, email: &Email, now: Timestamp) -> Result<Remembered, StoreError> {
        links::remember(self, identity, email, now).await.map_err(failed("remember who somebody is"))
    }

    async fn identities(&self, email: &Email) -> Result<Vec<Identity>, StoreError> {
        links::identities(self, email).await.map_err(failed("read who somebody is"))
    }

    async fn forget_identities(&self, email: &Email) -> Result<u64, StoreError> {
        links::forget_identities(self, email).await.map_err(failed("forget who somebody is"))
    }

    async fn put_ticket(&self, ticket: &Ticket) -> Result<(), StoreError> {
        once::put_ticket(self, ticket).await.map_err(failed("keep a ticket"))
    }

    async fn take_ticket(
        &self,
        hash: TokenHash,
        host: &HostName,
        browser: TokenHash,
        now: Timestamp,
    ) -> Result<Option<Secret>, StoreError> {
        once::take_ticket(self, hash, host, browser, now).await.map_err(failed("take a ticket"))
    }

    async fn spend(&self, what: TokenHash, until: Timestamp) -> Result<bool, StoreError> {
        once::spend(self, what, until).await.map_err(failed("note that something was used"))
    }

    async fn add_passkey(&self, passkey: &PasskeyRecord, most: usize) -> Result<bool, StoreError> {
        passkeys::add(self, passkey, most).await.map_err(failed("add a passkey"))
    }

    async fn passkeys_of(&self, host: &HostName, email: &Email) -> Result<Vec<PasskeyRecord>, StoreError> {
        passkeys::of_person(self, host, email).await.map_err(failed("read a person's passkeys"))
    }

    async fn passkeys_everywhere(&self, email: &Email) -> Result<Vec<PasskeyRecord>, StoreError> {
        passkeys::everywhere(self, email).await.map_err(failed("read a person's passkeys"))
    }

    async fn passkey(&self, host: &HostName, credential: &[u8]) -> Result<Option<PasskeyRecord>, StoreError> {
        passkeys::find(self, host, credential).await.map_err(failed("read a passkey"))
    }

    async fn passkey_used(
        &self,
        host: &HostName,
        credential: &[u8],
        key: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        passkeys::used(self, host, credential, key, now).await.map_err(failed("note that a passkey was used"))
    }

    async fn name_passkey(
        &self,
        host: &HostName,
        email: &Email,
        credential: &[u8],
        name: &str,
    ) -> Result<bool, StoreError> {
        passkeys::rename(self, host, email, credential, name).await.map_err(failed("name a passkey"))
    }

    async fn remove_passkey(&self, host: &HostName, email: &Email, credential: &[u8]) -> Result<bool, StoreError> {
        passkeys::remove(self, host, email, credential).await.map_err(failed("remove a passkey"))
    }

    async fn language_of(&self, email: &Email) -> Result<Option<Language>, StoreError> {
        languages::of_person(self, email).await.map_err(failed("read a person's language"))
    }

    async fn choose_language(&self, email: &Email, language: Language) -> Result<(), StoreError> {
        languages::choose(self, email, language).await.map_err(failed("store a person's language"))
    }

    async fn ask(&self, attempt: &Attempt) -> Result<AttemptId, StoreError> {
        attempts::ask(self, attempt).await.map_err(failed("store a log-in attempt"))
    }

    async fn unanswered(
        &self,
        app: &AppName,
        asker: Asker,
        before: AttemptId,
        most: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        attempts::unanswered(self, app, asker, before, most)
            .await
            .map_err(failed("read the unanswered log-in attempts"))
    }

    async fn answer(&self, id: AttemptId, answer: Option<&Answer>, now: Timestamp) -> Result<(), StoreError> {
        attempts::answer(self, id, answer, now).await.map_err(failed("answer a log-in attempt"))
    }

    async fn attempt_of(&self, browser: TokenHash) -> Result<Option<Attempt>, StoreError> {
        attempts::of_browser(self, browser).await.map_err(failed("read a browser's log-in attempt"))
    }

    async fn attempt_by_link(&self, link: TokenHash) -> Result<Option<Attempt>, StoreError> {
        attempts::by_link(self, link).await.map_err(failed("read a link's log-in attempt"))
    }

    async fn sealed_code(&self, id: AttemptId) -> Result<Option<[u8; 32]>, StoreError> {
        attempts::sealed_code(self, id).await.map_err(failed("read a log-in code"))
    }

    async fn take_try(&self, id: AttemptId, now: Timestamp) -> Result<Option<u32>, StoreError> {
        attempts::take_try(self, id, now).await.map_err(failed("count a try at a log-in code"))
    }

    async fn redeem(&self, id: AttemptId, opening: &Opening, now: Timestamp) -> Result<bool, StoreError> {
        attempts::redeem(self, id, opening, now).await.map_err(failed("turn a log-in attempt into a session"))
    }

    async fn secret(&self, name: &str, make: fn() -> Vec<u8>) -> Result<Vec<u8>, StoreError> {
        secrets::read_or_make(self, name, make).await.map_err(failed("read or make a secret"))
    }

    async fn sweep(&self, limits: SessionLimits, now: Timestamp) -> Result<u64, StoreError> {
        let what = "remove what is over";
        let sessions = sessions::sweep(self, limits, now).await.map_err(failed(what))?;
        let attempts = attempts::sweep(self, now).await.map_err(failed(what))?;
        let once = once::sweep(self, now).await.map_err(failed(what))?;
        Ok(sessions.saturating_add(attempts).saturating_add(once))
    }

    async fn check(&self) -> Result<(), StoreError> {
        secrets::check(self).await.map_err(failed("write"))
    }
}

/// A value that the database holds and that is none of its kind. Names the column, not the value.
pub(super) fn malformed(column: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("a malformed `{column}`").into())
}

/// A moment, as stored. Microseconds: they hold every moment there is, and no limit of ours is finer.
pub(super) fn micros(moment: Timestamp) -> i64 {
    moment.as_microsecond()
}

/// A stored moment.
pub(super) fn moment(micros: i64) -> sqlx::Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|_| malformed("moment"))
}

/// Keeps the rows that can be read. A list must not fail as a whole for one that cannot: the log names the kind.
pub(super) fn readable<Row, Value>(rows: &[Row], read: impl Fn(&Row) -> sqlx::Result<Value>) -> Vec<Value> {
    rows.iter().filter_map(|row| or_told(read(row))).collect()
}

/// The same for rows that may be very many: each is let go of before the next comes, for they are much larger than what is
/// read from them.
pub(super) async fn readable_of_many<Value>(
    rows: impl Stream<Item = sqlx::Result<SqliteRow>> + Send,
    mut read: impl FnMut(&SqliteRow) -> sqlx::Result<Value> + Send,
) -> sqlx::Result<Vec<Value>> {
    let mut rows = std::pin::pin!(rows);
    let mut values = Vec::new();
    while let Some(row) = rows.try_next().await? {
        values.extend(or_told(read(&row)));
    }
    Ok(values)
}

fn or_told<Value>(read: sqlx::Result<Value>) -> Option<Value> {
    read.inspect_err(|error| tracing::error!(%error, "a row of the store cannot be read; skipped")).ok()
}
