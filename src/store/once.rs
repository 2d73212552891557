//! What is used once: tickets from the hub, and marks of what was used up.

use jiff::Timestamp;
use sqlx::{query, query_scalar};

use super::SqliteStore;
use super::sessions::SWEEP_ROWS;
use super::sqlite::{malformed, micros};
use crate::session::TokenHash;
use crate::state::ports::Ticket;
use crate::types::{HostName, Secret};

/// The name that tickets are sealed under.
const SEALED_AS: &str = "ticket/payload";

pub(super) async fn put_ticket(store: &SqliteStore, ticket: &Ticket) -> sqlx::Result<()> {
    let payload = store.seal.seal(SEALED_AS, ticket.payload.expose().as_bytes());
    let insert = query("INSERT INTO ticket (hash, host, browser, payload, expires) VALUES (?, ?, ?, ?, ?)")
        .bind(&ticket.hash.as_bytes()[..])
        .bind(ticket.host.as_str())
        .bind(&ticket.browser.as_bytes()[..])
        .bind(payload.map_err(|error| sqlx::Error::Encode(error.into()))?)
        .bind(micros(ticket.expires));
    store.change(insert).await?;
    Ok(())
}

/// One statement takes it and tells what it was, so that of two who come at once only one gets it. Who comes by another
/// domain or with another browser takes nothing away from whom it is for.
pub(super) async fn take_ticket(
    store: &SqliteStore,
    hash: TokenHash,
    host: &HostName,
    browser: TokenHash,
    now: Timestamp,
) -> sqlx::Result<Option<Secret>> {
    let mut change = store.begin().await?;
    let payload: Option<Vec<u8>> = query_scalar(
        "DELETE FROM ticket WHERE hash = ? AND host = ? AND browser = ? AND expires > ? RETURNING payload",
    )
    .bind(&hash.as_bytes()[..])
    .bind(host.as_str())
    .bind(&browser.as_bytes()[..])
    .bind(micros(now))
    .fetch_optional(&mut *change)
    .await?;
    change.commit().await?;
    let Some(payload) = payload else { return Ok(None) };
    let open = store.seal.open(SEALED_AS, &payload).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Some(Secret::new(String::from_utf8(open).map_err(|_| malformed("ticket.payload"))?)))
}

pub(super) async fn spend(store: &SqliteStore, what: TokenHash, until: Timestamp) -> sqlx::Result<bool> {
    let insert = query("INSERT INTO spent (hash, until) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(&what.as_bytes()[..])
        .bind(micros(until));
    let done = store.change(insert).await?;
    Ok(done.rows_affected() > 0)
}

/// Removes what is too old to be used, or to be used again.
pub(super) async fn sweep(store: &SqliteStore, now: Timestamp) -> sqlx::Result<u64> {
    const DELETES: [&str; 3] = [
        "DELETE FROM ticket WHERE hash IN (SELECT hash FROM ticket WHERE expires <= ? LIMIT ? + 0)",
        "DELETE FROM spent WHERE hash IN (SELECT hash FROM spent WHERE until <= ? LIMIT ? + 0)",
        "DELETE FROM moved WHERE old IN (SELECT old FROM moved WHERE until <= ? LIMIT ? + 0)",
    ];
    let mut removed = 0;
    for delete in DELETES {
        loop {
            let done = store.change(query(delete).bind(micros(now)).bind(SWEEP_ROWS)).await?.rows_affected();
            removed += done;
            if done < SWEEP_ROWS.unsigned_abs() {
                break;
            }
        }
    }
    Ok(removed)
}
