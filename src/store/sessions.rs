//! Sessions in the database.

use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, query, query_scalar};

use super::seal::SealKey;
use super::sqlite::{malformed, micros, moment, readable};
use super::{SqliteStore, farewells, links, previews};
use crate::session::{Preview, Proof, SessionId, SessionLimits, SessionRecord, TokenHash};
use crate::state::listing::SessionFilter;
use crate::state::ports::{Opening, Replaces};
use crate::types::{AppName, CustomerId, Email, HostName, Way};

/// How many rows one transaction of a sweep removes, so that log-ins get their turn in between.
pub(super) const SWEEP_ROWS: i64 = 500;
/// How many sessions of one person are read: more than a person opens, and a page shows.
const MOST_OF_A_PERSON: i64 = 1000;

/// A proof as the column has it.
#[derive(Deserialize, Serialize)]
struct StoredProof {
    way: String,
    at: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
}

pub(super) async fn open(store: &SqliteStore, opening: &Opening) -> sqlx::Result<bool> {
    let mut transaction = store.begin().await?;
    if !insert(&mut transaction, &store.seal, opening).await? {
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

/// Stores a session and removes the one it replaces, within a transaction; `false` when that one had to be there and is
/// gone, or its provider has logged the person out: what was ended meanwhile, or replaced already, must not go on under
/// another id.
pub(super) async fn insert(connection: &mut SqliteConnection, seal: &SealKey, opening: &Opening) -> sqlx::Result<bool> {
    let session = &opening.session;
    let preview = session.preview.as_ref();
    if farewells::has_ended(&mut *connection, opening).await? {
        return Ok(false);
    }
    query(
        "INSERT INTO session (id, app, host, email, customer, created, last_used, device, proofs,
         preview_email, preview_customer, preview_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&session.id.as_bytes()[..])
    .bind(session.app.as_str())
    .bind(session.host.as_str())
    .bind(session.email.as_str())
    .bind(session.customer.as_ref().map(CustomerId::as_str))
    .bind(micros(session.created))
    .bind(micros(session.last_used))
    .bind(session.device.as_str())
    .bind(proofs(session)?)
    .bind(preview.map(|preview| preview.email.as_str()))
    .bind(preview.and_then(|preview| preview.customer.as_ref()).map(CustomerId::as_str))
    .bind(preview.map(|preview| micros(preview.until)))
    .execute(&mut *connection)
    .await?;
    if let Some(preview) = preview {
        previews::note(&mut *connection, session, preview).await?;
    }
    links::insert(&mut *connection, seal, opening).await?;
    let Some(old) = opening.replaces.id() else { return Ok(true) };
    let is_same = matches!(opening.replaces, Replaces::Only(_));
    if is_same {
        note_move(&mut *connection, old, session).await?;
    }
    let delete = query("DELETE FROM session WHERE id = ?").bind(&old.as_bytes()[..]);
    let was_there = delete.execute(&mut *connection).await?.rows_affected() > 0;
    Ok(was_there || !is_same)
}

/// Notes under which id a session goes on, for whatever is under way for the old one. An id before that leads to the new one
/// too. Runs while the old session is still there: what leads to it goes with it.
async fn note_move(connection: &mut SqliteConnection, old: SessionId, session: &SessionRecord) -> sqlx::Result<()> {
    // Longer than anything is under way.
    const REMEMBERED: Duration = Duration::from_secs(300);
    let new = &session.id.as_bytes()[..];
    let until = session.last_used.checked_add(REMEMBERED).unwrap_or(Timestamp::MAX);
    query("UPDATE moved SET new = ? WHERE new = ?")
        .bind(new)
        .bind(&old.as_bytes()[..])
        .execute(&mut *connection)
        .await?;
    query("INSERT INTO moved (old, new, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(&old.as_bytes()[..])
        .bind(new)
        .bind(micros(until))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

fn proofs(session: &SessionRecord) -> sqlx::Result<String> {
    let stored = session.proofs.iter().map(|proof| StoredProof {
        way: proof.way.to_string(),
        at: micros(proof.at),
        amr: proof.amr.clone(),
    });
    serde_json::to_string(&stored.collect::<Vec<_>>()).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn read_proofs(text: &str) -> sqlx::Result<Vec<Proof>> {
    let stored: Vec<StoredProof> = serde_json::from_str(text).map_err(|_| malformed("session.proofs"))?;
    let read = |proof: StoredProof| {
        let way = Way::parse(&proof.way).ok_or_else(|| malformed("session.proofs"))?;
        Ok(Proof { way, at: moment(proof.at)?, amr: proof.amr })
    };
    stored.into_iter().map(read).collect()
}

pub(super) async fn find(store: &SqliteStore, id: SessionId) -> sqlx::Result<Option<SessionRecord>> {
    let row =
        query("SELECT * FROM session WHERE id = ?").bind(&id.as_bytes()[..]).fetch_optional(&store.readers).await?;
    let Some(mut record) = row.as_ref().map(read).transpose()? else { return Ok(None) };
    links::fill(store, &mut record).await?;
    Ok(Some(record))
}

/// The sessions of a person; without their links, which no list shows.
pub(super) async fn of_person(store: &SqliteStore, app: &AppName, email: &Email) -> sqlx::Result<Vec<SessionRecord>> {
    let rows = query("SELECT * FROM session WHERE app = ? AND email = ? ORDER BY created DESC, id LIMIT ? + 0")
        .bind(app.as_str())
        .bind(email.as_str())
        .bind(MOST_OF_A_PERSON)
        .fetch_all(&store.readers)
        .await?;
    Ok(readable(&rows, read))
}

/// Sessions that are not over, the newest first; without their links, which no list shows.
pub(super) async fn page(
    store: &SqliteStore,
    filter: SessionFilter<'_>,
    most: u32,
) -> sqlx::Result<Vec<SessionRecord>> {
    let SessionFilter { app, email, previews, after, limits, now } = filter;
    let mut select = QueryBuilder::<Sqlite>::new("SELECT * FROM session WHERE last_used > ");
    select.push_bind(micros(now.checked_sub(limits.idle).unwrap_or(Timestamp::MIN)));
    select.push(" AND created > ").push_bind(micros(now.checked_sub(limits.absolute).unwrap_or(Timestamp::MIN)));
    if let Some(app) = app {
        select.push(" AND app = ").push_bind(app.as_str());
    }
    if let Some(email) = email {
        select.push(" AND email = ").push_bind(email.as_str());
    }
    if previews {
        select.push(" AND preview_until > ").push_bind(micros(now));
    }
    if let Some((created, id)) = &after {
        select.push(" AND (created, id) < (").push_bind(*created).push(", ").push_bind(&id.as_bytes()[..]).push(")");
    }
    select.push(" ORDER BY created DESC, id DESC LIMIT ").push_bind(most).push(" + 0");
    let rows = select.build().fetch_all(&store.readers).await?;
    Ok(readable(&rows, read))
}

/// One statement, so that a session does not slip away under a new id between looking and ending.
pub(super) async fn end(store: &SqliteStore, id: SessionId) -> sqlx::Result<Option<SessionId>> {
    let mut change = store.begin().await?;
    let ended: Option<Vec<u8>> =
        query_scalar("DELETE FROM session WHERE id = ?1 OR id = (SELECT new FROM moved WHERE old = ?1) RETURNING id")
            .bind(&id.as_bytes()[..])
            .fetch_optional(&mut *change)
            .await?;
    change.commit().await?;
    ended.as_deref().map(read_id).transpose()
}

pub(super) async fn everywhere(store: &SqliteStore, email: &Email) -> sqlx::Result<Vec<SessionId>> {
    let select = query_scalar("SELECT id FROM session WHERE email = ?").bind(email.as_str());
    let ids: Vec<Vec<u8>> = select.fetch_all(&store.readers).await?;
    ids.iter().map(|id| read_id(id)).collect()
}

pub(super) async fn end_everywhere(store: &SqliteStore, email: &Email) -> sqlx::Result<Vec<SessionId>> {
    let delete = query_scalar("DELETE FROM session WHERE email = ? RETURNING id").bind(email.as_str());
    let mut change = store.begin().await?;
    let ended: Vec<Vec<u8>> = delete.fetch_all(&mut *change).await?;
    change.commit().await?;
    ended.iter().map(|id| read_id(id)).collect()
}

pub(super) fn read_id(bytes: &[u8]) -> sqlx::Result<SessionId> {
    TokenHash::from_bytes(bytes).ok_or_else(|| malformed("session.id"))
}

/// Notes when sessions were used. Notes may come out of order; a session never grows older by one.
pub(super) async fn touch(store: &SqliteStore, used: &[(SessionId, Timestamp)]) -> sqlx::Result<()> {
    const TOUCH: &str = "UPDATE session SET last_used = used.at FROM
         (SELECT unhex(value ->> 0) AS id, max(value ->> 1) AS at FROM json_each(?) GROUP BY 1) AS used
         WHERE session.id = used.id AND session.last_used < used.at";
    for some in used.chunks(1000) {
        let rows: Vec<_> = some.iter().map(|(id, at)| (HEXLOWER.encode(id.as_bytes()), micros(*at))).collect();
        let rows = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
        store.change(query(TOUCH).bind(rows)).await?;
    }
    Ok(())
}

/// Removes sessions that idled too long or are too old. One that seems to begin in the future stays: no request may use it
/// while the clock is wrong, and once the clock is mended its owner is still logged in.
pub(super) async fn sweep(store: &SqliteStore, limits: SessionLimits, now: Timestamp) -> sqlx::Result<u64> {
    let idle = now.checked_sub(limits.idle).unwrap_or(Timestamp::MIN);
    let absolute = now.checked_sub(limits.absolute).unwrap_or(Timestamp::MIN);
    let mut removed = 0;
    loop {
        let delete = query(
            "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE last_used <= ? OR created <= ? LIMIT ? + 0)",
        )
        .bind(micros(idle))
        .bind(micros(absolute))
        .bind(SWEEP_ROWS);
        let done = store.change(delete).await?.rows_affected();
        removed += done;
        if done < SWEEP_ROWS.unsigned_abs() {
            return Ok(removed);
        }
    }
}

fn read(row: &SqliteRow) -> sqlx::Result<SessionRecord> {
    let customer: Option<&str> = row.try_get("customer")?;
    Ok(SessionRecord {
        id: TokenHash::from_bytes(row.try_get("id")?).ok_or_else(|| malformed("session.id"))?,
        app: AppName::parse(row.try_get("app")?).map_err(|_| malformed("session.app"))?,
        host: HostName::parse(row.try_get("host")?).map_err(|_| malformed("session.host"))?,
        email: Email::parse(row.try_get("email")?).map_err(|_| malformed("session.email"))?,
        customer: customer.map(CustomerId::parse).transpose().map_err(|_| malformed("session.customer"))?,
        created: moment(row.try_get("created")?)?,
        last_used: moment(row.try_get("last_used")?)?,
        device: row.try_get("device")?,
        proofs: read_proofs(row.try_get("proofs")?)?,
        links: Vec::new(),
        preview: read_preview(row)?,
    })
}

fn read_preview(row: &SqliteRow) -> sqlx::Result<Option<Preview>> {
    let Some(email) = row.try_get::<Option<&str>, _>("preview_email")? else { return Ok(None) };
    let customer: Option<&str> = row.try_get("preview_customer")?;
    Ok(Some(Preview {
        email: Email::parse(email).map_err(|_| malformed("session.preview_email"))?,
        customer: customer.map(CustomerId::parse).transpose().map_err(|_| malformed("session.preview_customer"))?,
        until: moment(row.try_get("preview_until")?)?,
    }))
}
