//! Passkeys in the database. They hold public keys alone.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query, query_scalar};

use super::SqliteStore;
use super::sqlite::{malformed, micros, moment, readable};
use crate::session::PasskeyRecord;
use crate::types::{AppName, Email, HostName};

pub(super) async fn add(store: &SqliteStore, passkey: &PasskeyRecord, most: usize) -> sqlx::Result<bool> {
    let mut transaction = store.begin().await?;
    let count: i64 = query_scalar("SELECT count(*) FROM passkey WHERE host = ? AND email = ?")
        .bind(passkey.host.as_str())
        .bind(passkey.email.as_str())
        .fetch_one(&mut *transaction)
        .await?;
    if usize::try_from(count).is_ok_and(|count| count >= most) {
        return Ok(false);
    }
    let done = query(
        "INSERT INTO passkey (credential, host, app, email, handle, name, key, created, last_used)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(passkey.credential.as_slice())
    .bind(passkey.host.as_str())
    .bind(passkey.app.as_str())
    .bind(passkey.email.as_str())
    .bind(&passkey.handle[..])
    .bind(passkey.name.as_str())
    .bind(passkey.key.as_str())
    .bind(micros(passkey.created))
    .bind(passkey.last_used.map(micros))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn of_person(store: &SqliteStore, host: &HostName, email: &Email) -> sqlx::Result<Vec<PasskeyRecord>> {
    let rows = query("SELECT * FROM passkey WHERE host = ? AND email = ? ORDER BY created, credential")
        .bind(host.as_str())
        .bind(email.as_str())
        .fetch_all(&store.readers)
        .await?;
    Ok(readable(&rows, read))
}

pub(super) async fn everywhere(store: &SqliteStore, email: &Email) -> sqlx::Result<Vec<PasskeyRecord>> {
    let rows = query("SELECT * FROM passkey WHERE email = ? ORDER BY host, created, credential")
        .bind(email.as_str())
        .fetch_all(&store.readers)
        .await?;
    Ok(readable(&rows, read))
}

pub(super) async fn find(
    store: &SqliteStore,
    host: &HostName,
    credential: &[u8],
) -> sqlx::Result<Option<PasskeyRecord>> {
    let row = query("SELECT * FROM passkey WHERE host = ? AND credential = ?")
        .bind(host.as_str())
        .bind(credential)
        .fetch_optional(&store.readers)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn used(
    store: &SqliteStore,
    host: &HostName,
    credential: &[u8],
    key: &str,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let update = query("UPDATE passkey SET key = ?, last_used = ? WHERE host = ? AND credential = ?")
        .bind(key)
        .bind(micros(now))
        .bind(host.as_str())
        .bind(credential);
    let done = store.change(update).await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn rename(
    store: &SqliteStore,
    host: &HostName,
    email: &Email,
    credential: &[u8],
    name: &str,
) -> sqlx::Result<bool> {
    let update = query("UPDATE passkey SET name = ? WHERE host = ? AND email = ? AND credential = ?")
        .bind(name)
        .bind(host.as_str())
        .bind(email.as_str())
        .bind(credential);
    let done = store.change(update).await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn remove(
    store: &SqliteStore,
    host: &HostName,
    email: &Email,
    credential: &[u8],
) -> sqlx::Result<bool> {
    let delete = query("DELETE FROM passkey WHERE host = ? AND email = ? AND credential = ?")
        .bind(host.as_str())
        .bind(email.as_str())
        .bind(credential);
    let done = store.change(delete).await?;
    Ok(done.rows_affected() > 0)
}

fn read(row: &SqliteRow) -> sqlx::Result<PasskeyRecord> {
    let last_used: Option<i64> = row.try_get("last_used")?;
    let handle: &[u8] = row.try_get("handle")?;
    Ok(PasskeyRecord {
        credential: row.try_get("credential")?,
        app: AppName::parse(row.try_get("app")?).map_err(|_| malformed("passkey.app"))?,
        host: HostName::parse(row.try_get("host")?).map_err(|_| malformed("passkey.host"))?,
        email: Email::parse(row.try_get("email")?).map_err(|_| malformed("passkey.email"))?,
        handle: handle.try_into().map_err(|_| malformed("passkey.handle"))?,
        name: row.try_get("name")?,
        key: row.try_get("key")?,
        created: moment(row.try_get("created")?)?,
        last_used: last_used.map(moment).transpose()?,
    })
}
