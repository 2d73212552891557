//! Log-in attempts in the database.
//!
//! Each step is one transaction whose condition stands in its statement, so that of two that come at once only one wins.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query, query_scalar};

use super::sqlite::{malformed, micros, moment, readable};
use super::{SqliteStore, outbox, sessions};
use crate::session::{Asker, Attempt, AttemptId, AttemptState, MOST_WRONG_CODES, TokenHash};
use crate::state::ports::{Answer, Opening};
use crate::types::{AppName, Email, HostName, Language};

/// How long an attempt is kept after its end, so that a late click still learns what happened.
const KEPT: Duration = Duration::from_secs(3600);

pub(super) async fn ask(store: &SqliteStore, attempt: &Attempt) -> sqlx::Result<AttemptId> {
    let mut transaction = store.begin().await?;
    query("UPDATE attempt SET state = 'ended' WHERE browser = ? AND state IN ('asked', 'unknown', 'mailed')")
        .bind(&attempt.browser.as_bytes()[..])
        .execute(&mut *transaction)
        .await?;
    let done = query(
        "INSERT INTO attempt (app, host, origin, email, known, going_to, browser, created, expires, state, wrong_codes,
                              language)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(attempt.app.as_str())
    .bind(attempt.host.as_str())
    .bind(attempt.origin.as_str())
    .bind(attempt.email.as_str())
    .bind(attempt.asker == Asker::Known)
    .bind(attempt.to.as_str())
    .bind(&attempt.browser.as_bytes()[..])
    .bind(micros(attempt.created))
    .bind(micros(attempt.expires))
    .bind(name(attempt.state))
    .bind(attempt.wrong_codes)
    .bind(attempt.language.code())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(done.last_insert_rowid())
}

pub(super) async fn unanswered(
    store: &SqliteStore,
    app: &AppName,
    asker: Asker,
    before: AttemptId,
    most: u32,
) -> sqlx::Result<Vec<Attempt>> {
    const NEWEST: &str = "SELECT * FROM attempt WHERE state = 'asked' AND app = ? AND known = ? AND id < ?
                          ORDER BY id DESC LIMIT ? + 0";
    let rows = query(NEWEST)
        .bind(app.as_str())
        .bind(asker == Asker::Known)
        .bind(before)
        .bind(most)
        .fetch_all(&store.readers)
        .await?;
    Ok(readable(&rows, read))
}

pub(super) async fn answer(
    store: &SqliteStore,
    id: AttemptId,
    answer: Option<&Answer>,
    now: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = store.begin().await?;
    let done = query("UPDATE attempt SET state = ?, link = ?, code = ? WHERE id = ? AND state = 'asked'")
        .bind(name(if answer.is_some() { AttemptState::Mailed } else { AttemptState::Unknown }))
        .bind(answer.map(|answer| &answer.link.as_bytes()[..]))
        .bind(answer.map(|answer| &answer.code[..]))
        .bind(id)
        .execute(&mut *transaction)
        .await?;
    if let (Some(answer), 1) = (answer, done.rows_affected()) {
        outbox::insert(&mut transaction, &store.seal, &answer.mail, now, answer.expires).await?;
    }
    transaction.commit().await
}

pub(super) async fn of_browser(store: &SqliteStore, browser: TokenHash) -> sqlx::Result<Option<Attempt>> {
    let row = query("SELECT * FROM attempt WHERE browser = ? ORDER BY id DESC LIMIT 1")
        .bind(&browser.as_bytes()[..])
        .fetch_optional(&store.readers)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn by_link(store: &SqliteStore, link: TokenHash) -> sqlx::Result<Option<Attempt>> {
    let row =
        query("SELECT * FROM attempt WHERE link = ?").bind(&link.as_bytes()[..]).fetch_optional(&store.readers).await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn sealed_code(store: &SqliteStore, id: AttemptId) -> sqlx::Result<Option<[u8; 32]>> {
    let code: Option<Option<Vec<u8>>> =
        query_scalar("SELECT code FROM attempt WHERE id = ?").bind(id).fetch_optional(&store.readers).await?;
    code.flatten().map(|code| code.try_into().map_err(|_| malformed("attempt.code"))).transpose()
}

/// Counts for an unknown address as for a known one, or the fifth guess would tell them apart.
pub(super) async fn take_try(store: &SqliteStore, id: AttemptId, now: Timestamp) -> sqlx::Result<Option<u32>> {
    let mut transaction = store.begin().await?;
    let done = query(
        "UPDATE attempt SET wrong_codes = wrong_codes + 1
         WHERE id = ? AND state IN ('asked', 'unknown', 'mailed') AND expires > ? AND wrong_codes < ?",
    )
    .bind(id)
    .bind(micros(now))
    .bind(MOST_WRONG_CODES)
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    let taken: u32 =
        query_scalar("SELECT wrong_codes FROM attempt WHERE id = ?").bind(id).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Some(MOST_WRONG_CODES.saturating_sub(taken)))
}

/// Does not look at the number of wrong codes: a try is counted before its code is looked at, and the fifth may be right.
/// Whoever redeems a *link* asks `Attempt::is_open` first.
pub(super) async fn redeem(
    store: &SqliteStore,
    id: AttemptId,
    opening: &Opening,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let mut transaction = store.begin().await?;
    let done = query("UPDATE attempt SET state = 'used' WHERE id = ? AND state = 'mailed' AND expires > ?")
        .bind(id)
        .bind(micros(now))
        .execute(&mut *transaction)
        .await?;
    if done.rows_affected() == 0 || !sessions::insert(&mut transaction, &store.seal, opening).await? {
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

/// Removes attempts whose link and code ended an hour ago.
pub(super) async fn sweep(store: &SqliteStore, now: Timestamp) -> sqlx::Result<u64> {
    let before = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    let mut removed = 0;
    loop {
        let delete = query("DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE expires <= ? LIMIT ? + 0)")
            .bind(micros(before))
            .bind(sessions::SWEEP_ROWS);
        let done = store.change(delete).await?.rows_affected();
        removed += done;
        if done < sessions::SWEEP_ROWS.unsigned_abs() {
            return Ok(removed);
        }
    }
}

const fn name(state: AttemptState) -> &'static str {
    match state {
        AttemptState::Asked => "asked",
        AttemptState::Unknown => "unknown",
        AttemptState::Mailed => "mailed",
        AttemptState::Used => "used",
        AttemptState::Ended => "ended",
    }
}

fn state(name: &str) -> Option<AttemptState> {
    Some(match name {
        "asked" => AttemptState::Asked,
        "unknown" => AttemptState::Unknown,
        "mailed" => AttemptState::Mailed,
        "used" => AttemptState::Used,
        "ended" => AttemptState::Ended,
        _ => return None,
    })
}

fn read(row: &SqliteRow) -> sqlx::Result<Attempt> {
    Ok(Attempt {
        id: row.try_get("id")?,
        app: AppName::parse(row.try_get("app")?).map_err(|_| malformed("attempt.app"))?,
        host: HostName::parse(row.try_get("host")?).map_err(|_| malformed("attempt.host"))?,
        origin: row.try_get("origin")?,
        email: Email::parse(row.try_get("email")?).map_err(|_| malformed("attempt.email"))?,
        asker: if row.try_get("known")? { Asker::Known } else { Asker::Stranger },
        to: row.try_get("going_to")?,
        browser: TokenHash::from_bytes(row.try_get("browser")?).ok_or_else(|| malformed("attempt.browser"))?,
        created: moment(row.try_get("created")?)?,
        expires: moment(row.try_get("expires")?)?,
        state: state(row.try_get("state")?).ok_or_else(|| malformed("attempt.state"))?,
        wrong_codes: row.try_get("wrong_codes")?,
        language: Language::parse(row.try_get("language")?).unwrap_or_default(),
    })
}
