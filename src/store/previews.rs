//! Whom members of staff previewed last. A convenience, of which nothing hangs: who may be previewed is asked each time.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query};

use super::SqliteStore;
use super::sqlite::{malformed, micros, readable};
use crate::session::{Preview, SessionRecord};
use crate::state::ports::{MOST_PREVIEWED, Previewed};
use crate::types::{AppName, CustomerId, Email};

/// Notes a preview that begins, within its transaction, and forgets those before the last few.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    session: &SessionRecord,
    preview: &Preview,
) -> sqlx::Result<()> {
    query(
        "INSERT INTO previewed (app, actor, email, customer, at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
    )
    .bind(session.app.as_str())
    .bind(session.email.as_str())
    .bind(preview.email.as_str())
    .bind(preview.customer.as_ref().map_or("", CustomerId::as_str))
    .bind(micros(session.last_used))
    .execute(&mut *connection)
    .await?;
    query(
        "DELETE FROM previewed WHERE app = ?1 AND actor = ?2 AND (email, customer) NOT IN (
             SELECT email, customer FROM previewed WHERE app = ?1 AND actor = ?2 ORDER BY at DESC, email, customer LIMIT ?3 + 0)",
    )
    .bind(session.app.as_str())
    .bind(session.email.as_str())
    .bind(MOST_PREVIEWED)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

pub(super) async fn of_actor(store: &SqliteStore, app: &AppName, actor: &Email) -> sqlx::Result<Vec<Previewed>> {
    let rows =
        query("SELECT * FROM previewed WHERE app = ? AND actor = ? ORDER BY at DESC, email, customer LIMIT ? + 0")
            .bind(app.as_str())
            .bind(actor.as_str())
            .bind(MOST_PREVIEWED)
            .fetch_all(&store.readers)
            .await?;
    Ok(readable(&rows, read))
}

fn read(row: &SqliteRow) -> sqlx::Result<Previewed> {
    let customer: &str = row.try_get("customer")?;
    let customer = (!customer.is_empty()).then(|| CustomerId::parse(customer)).transpose();
    Ok(Previewed {
        email: Email::parse(row.try_get("email")?).map_err(|_| malformed("previewed.email"))?,
        customer: customer.map_err(|_| malformed("previewed.customer"))?,
    })
}
