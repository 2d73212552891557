//! Log-outs at OpenID providers: they end sessions, and let none begin by what was said before.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{query, query_scalar};

use super::SqliteStore;
use super::sessions::read_id;
use super::sqlite::{micros, moment};
use crate::session::{Link, SessionId, TokenHash};
use crate::state::ports::{Farewell, Opening};
use crate::types::Way;

/// For how long a log-in may be under way when its provider logs the person out: as long as a ticket is good, and some.
const UNDER_WAY: Duration = Duration::from_secs(120);

/// Whom a log-out was for, as it is remembered for the log-ins under way.
#[derive(Clone, Copy)]
enum Mark<'a> {
    /// A session there.
    Session(&'a str),
    /// All sessions of a person there.
    Person(&'a str),
    /// Some session of a person there: a log-in that does not know its own may be it.
    SomeOf(&'a str),
}

impl Mark<'_> {
    fn hash(self, issuer: &str) -> TokenHash {
        let (kind, name) = match self {
            Self::Session(sid) => ("session", sid),
            Self::Person(subject) => ("person", subject),
            Self::SomeOf(subject) => ("some-of", subject),
        };
        TokenHash::of(&["logged-out", kind, issuer, name])
    }
}

/// All in one transaction: a token that counts as used has done its work, and what it was to end neither slips away under a
/// new id nor begins meanwhile.
pub(super) async fn end(store: &SqliteStore, farewell: &Farewell) -> sqlx::Result<Option<Vec<SessionId>>> {
    let mut transaction = store.begin().await?;
    let spent = query("INSERT INTO spent (hash, until) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(&farewell.token.as_bytes()[..])
        .bind(micros(farewell.until));
    if spent.execute(&mut *transaction).await?.rows_affected() == 0 {
        return Ok(None);
    }
    let marks: &[Mark<'_>] = match (farewell.subject.as_deref(), farewell.sid.as_deref()) {
        (Some(subject), Some(sid)) => &[Mark::Session(sid), Mark::SomeOf(subject)],
        (Some(subject), None) => &[Mark::Person(subject)],
        (None, Some(sid)) => &[Mark::Session(sid)],
        (None, None) => &[],
    };
    let until = farewell.at.checked_add(UNDER_WAY).unwrap_or(Timestamp::MAX);
    for mark in marks {
        query("INSERT INTO spent (hash, until) VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)")
            .bind(&mark.hash(&farewell.issuer).as_bytes()[..])
            .bind(micros(until))
            .execute(&mut *transaction)
            .await?;
    }
    // A provider need not tell its session's name at log-in: such a session of the person may be the one that is meant.
    let delete = query_scalar(
        "DELETE FROM session WHERE id IN (
             SELECT session FROM link WHERE issuer = ?1 AND subject = ?2 AND (?3 IS NULL OR sid IS NULL OR sid = ?3)
             UNION
             SELECT session FROM link WHERE issuer = ?1 AND sid = ?3 AND ?2 IS NULL
         ) RETURNING id",
    );
    let ended: Vec<Vec<u8>> = delete
        .bind(farewell.issuer.as_str())
        .bind(farewell.subject.as_deref())
        .bind(farewell.sid.as_deref())
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    ended.iter().map(|id| read_id(id)).collect::<sqlx::Result<_>>().map(Some)
}

/// Whether a new session would rest on what a provider said before it logged the person out.
pub(super) async fn has_ended(connection: &mut SqliteConnection, opening: &Opening) -> sqlx::Result<bool> {
    let is_new = |link: &&Link| opening.tokens.as_ref().is_some_and(|tokens| tokens.provider == link.provider);
    let Some(link) = opening.session.links.iter().find(is_new) else { return Ok(false) };
    if let Some(sid) = &link.sid
        && logged_out_at(&mut *connection, link, Mark::Session(sid)).await?.is_some()
    {
        return Ok(true);
    }
    let way = Way::Oidc(link.provider.clone());
    let proven = opening.session.proofs.iter().find(|proof| proof.way == way).map(|proof| proof.at);
    let marks: &[Mark<'_>] = match link.sid {
        Some(_) => &[Mark::Person(&link.subject)],
        None => &[Mark::Person(&link.subject), Mark::SomeOf(&link.subject)],
    };
    for mark in marks {
        // Whoever has logged in anew since then is welcome.
        if let Some(ended) = logged_out_at(&mut *connection, link, *mark).await?
            && proven.is_none_or(|proven| proven < ended)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn logged_out_at(
    connection: &mut SqliteConnection,
    link: &Link,
    mark: Mark<'_>,
) -> sqlx::Result<Option<Timestamp>> {
    let until: Option<i64> = query_scalar("SELECT until FROM spent WHERE hash = ?")
        .bind(&mark.hash(&link.issuer).as_bytes()[..])
        .fetch_optional(connection)
        .await?;
    let at = |until: i64| Ok(moment(until)?.checked_sub(UNDER_WAY).unwrap_or(Timestamp::MIN));
    until.map(at).transpose()
}
