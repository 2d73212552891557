//! Outgoing mail in the database: sealed, for it holds a link, a code and an address.

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_scalar};
use zeroize::Zeroize;

use super::seal::SealKey;
use super::sqlite::{malformed, micros, moment};
use super::{SqliteStore, notifications};
use crate::state::ports::{MailEnd, OutgoingMail, QueuedMail};
use crate::types::Email;

/// What a sealed mail is called.
const SEALED_AS: &str = "outbox/mail";

/// Where a mail that somebody waits for stands in the queue.
const FIRST: i64 = 0;
/// Where a notification stands: behind all log-in mail, however many people it goes to.
const LATER: i64 = 1;

/// Queues a mail, within a transaction.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    mail: &OutgoingMail,
    now: Timestamp,
    expires: Timestamp,
) -> sqlx::Result<()> {
    insert_for(connection, seal, mail, None, now, expires).await
}

/// Queues a mail that is for one person of a notification, within a transaction.
pub(super) async fn insert_for(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    mail: &OutgoingMail,
    notified: Option<i64>,
    now: Timestamp,
    expires: Timestamp,
) -> sqlx::Result<()> {
    let mut plain = serde_json::to_vec(mail).map_err(|_| malformed("outbox.mail"))?;
    let sealed = seal.seal(SEALED_AS, &plain).map_err(|error| sqlx::Error::Encode(error.into()));
    plain.zeroize();
    query("INSERT INTO outbox (mail, queued, due, expires, rank, notified) VALUES (?1, ?2, ?2, ?3, ?4, ?5)")
        .bind(sealed?)
        .bind(micros(now))
        .bind(micros(expires))
        .bind(if notified.is_some() { LATER } else { FIRST })
        .bind(notified)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn queue(
    store: &SqliteStore,
    mail: &OutgoingMail,
    now: Timestamp,
    expires: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = store.begin().await?;
    insert(&mut transaction, &store.seal, mail, now, expires).await?;
    transaction.commit().await
}

pub(super) async fn due(
    store: &SqliteStore,
    now: Timestamp,
    most: u32,
    under_way: &[i64],
) -> sqlx::Result<Vec<QueuedMail>> {
    const DUE: &str = "SELECT * FROM outbox WHERE due <= ? AND id NOT IN (SELECT value FROM json_each(?))
                       ORDER BY rank, id LIMIT ? + 0";
    let rows = query(DUE)
        .bind(micros(now))
        .bind(serde_json::to_string(under_way).map_err(|error| sqlx::Error::Encode(error.into()))?)
        .bind(most)
        .fetch_all(&store.readers)
        .await?;
    let mut mails = Vec::with_capacity(rows.len());
    for row in &rows {
        match read(&store.seal, row) {
            Ok(mail) => mails.push(mail),
            Err(error) => {
                // It would stand before all others for ever, and nobody can read it.
                let id: i64 = row.try_get("id")?;
                tracing::error!(mail = id, %error, "a queued mail cannot be read; removed");
                forget(store, id, MailEnd::Failed).await?;
            }
        }
    }
    Ok(mails)
}

pub(super) async fn next(store: &SqliteStore) -> sqlx::Result<Option<Timestamp>> {
    let due: Option<i64> = query_scalar("SELECT min(due) FROM outbox").fetch_one(&store.readers).await?;
    due.map(moment).transpose()
}

pub(super) async fn forget(store: &SqliteStore, id: i64, end: MailEnd) -> sqlx::Result<()> {
    let mut transaction = store.begin().await?;
    let notified: Option<Option<i64>> = query_scalar("DELETE FROM outbox WHERE id = ? RETURNING notified")
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await?;
    if let Some(notified) = notified.flatten() {
        notifications::end(&mut transaction, notified, end.into()).await?;
    }
    transaction.commit().await
}

pub(super) async fn defer(store: &SqliteStore, id: i64, until: Timestamp) -> sqlx::Result<()> {
    store
        .change(query("UPDATE outbox SET tries = tries + 1, due = ? WHERE id = ?").bind(micros(until)).bind(id))
        .await?;
    Ok(())
}

pub(super) async fn count(store: &SqliteStore) -> sqlx::Result<u64> {
    let count: i64 = query_scalar("SELECT count(*) FROM outbox").fetch_one(&store.readers).await?;
    Ok(count.unsigned_abs())
}

fn read(seal: &SealKey, row: &SqliteRow) -> sqlx::Result<QueuedMail> {
    let mut plain = seal.open(SEALED_AS, row.try_get("mail")?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let mail = serde_json::from_slice(&plain).map_err(|_| malformed("outbox.mail"));
    plain.zeroize();
    Ok(QueuedMail {
        id: row.try_get("id")?,
        tries: row.try_get("tries")?,
        queued: moment(row.try_get("queued")?)?,
        expires: moment(row.try_get("expires")?)?,
        mail: mail?,
        notified: row.try_get("notified")?,
    })
}

/// The numbers of the mails that wait for one person.
pub(super) async fn to_person(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    email: &Email,
) -> sqlx::Result<Vec<i64>> {
    let rows = query("SELECT * FROM outbox").fetch_all(connection).await?;
    let is_theirs = |mail: &QueuedMail| Email::parse(&mail.mail.to).is_ok_and(|to| to == *email);
    Ok(rows.iter().filter_map(|row| read(seal, row).ok()).filter(is_theirs).map(|mail| mail.id).collect())
}
