//! Looks through the chain, and removes what is old from its beginning.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, query, query_scalar};

use super::{ANCHOR, COLUMNS, Columns, HEAD, Link, link, people, set_link};
use crate::state::audit::{Flaw, Verified};
use crate::store::SqliteStore;
use crate::store::seal::SealKey;
use crate::store::sessions::SWEEP_ROWS;
use crate::store::sqlite::micros;

/// Looks through the whole chain as of one moment, and stops at the first thing that is wrong.
pub(in crate::store) async fn verify(store: &SqliteStore) -> sqlx::Result<Verified> {
    let mut connection = store.readers.begin().await?;
    let mut verified = Verified::default();
    let count: i64 = query_scalar("SELECT count(*) FROM audit").fetch_one(&mut *connection).await?;
    verified.entries = count.unsigned_abs();
    let (anchor, head) = match ends(&mut connection, &store.seal).await? {
        Ok(ends) => ends,
        Err(flaw) => return Ok(Verified { flaw: Some(flaw), ..verified }),
    };
    let mut place = anchor;
    let walked = walk(&mut connection, &store.seal, &mut place, i64::MAX).await?;
    let flaw = walked.err().or_else(|| {
        // Beyond the head nothing was written by us, and what was written reaches up to it.
        let problem = match place.number.cmp(&head.number) {
            std::cmp::Ordering::Less => "it is missing: the end of the log was cut off",
            std::cmp::Ordering::Greater => "it was added by somebody else",
            std::cmp::Ordering::Equal if place.hash != head.hash => "it was changed",
            std::cmp::Ordering::Equal => return None,
        };
        let number = place.number.min(head.number).saturating_add(i64::from(place.number != head.number));
        Some(Flaw { number: number.unsigned_abs(), problem: problem.to_owned() })
    });
    if place.number > anchor.number {
        verified.first = Some(anchor.number.saturating_add(1).unsigned_abs());
        verified.last = Some(place.number.unsigned_abs());
        verified.head = Some(data_encoding::HEXLOWER.encode(&place.hash));
    }
    let flaw = match flaw {
        None => people::flaw(&mut connection, &store.seal).await?,
        flaw => flaw,
    };
    Ok(Verified { flaw, ..verified })
}

/// Where the chain begins and where it ends.
async fn ends(connection: &mut SqliteConnection, seal: &SealKey) -> sqlx::Result<Result<(Link, Link), Flaw>> {
    let mut found = [Link::default(); 2];
    for (place, name) in found.iter_mut().zip([ANCHOR, HEAD]) {
        match link(&mut *connection, seal, name).await {
            Ok(None) if name == HEAD => {
                let problem = "`audit_head` in `meta`, where the log ends, was removed".to_owned();
                return Ok(Err(Flaw { number: 0, problem }));
            }
            Ok(link) => *place = link.unwrap_or_default(),
            Err(sqlx::Error::Decode(_)) => {
                let problem = format!("`{name}` in `meta`, where the log begins or ends, was changed");
                return Ok(Err(Flaw { number: 0, problem }));
            }
            Err(error) => return Err(error),
        }
    }
    let [anchor, head] = found;
    Ok(Ok((anchor, head)))
}

/// Walks on from a place in the chain to the entry of a number at most, as long as all is as it was written.
async fn walk(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    place: &mut Link,
    last: i64,
) -> sqlx::Result<Result<(), Flaw>> {
    // From the first row there is: one that stands before the anchor has no business there.
    let select = format!("SELECT {COLUMNS} FROM audit WHERE number <= ? ORDER BY number");
    let mut rows = query(AssertSqlSafe(select)).bind(last).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let expected = place.number.saturating_add(1);
        let flaw =
            |number: i64, problem: &str| Ok(Err(Flaw { number: number.unsigned_abs(), problem: problem.to_owned() }));
        let Ok((columns, hash)) = Columns::read(&row) else { return flaw(expected, "it cannot be read") };
        match columns.number.cmp(&expected) {
            std::cmp::Ordering::Less => return flaw(columns.number, "it was added by somebody else"),
            std::cmp::Ordering::Greater => return flaw(expected, "it is missing"),
            std::cmp::Ordering::Equal => {}
        }
        if columns.hash(seal, &place.hash) != hash {
            return flaw(expected, "it was changed");
        }
        *place = Link { number: columns.number, hash };
    }
    Ok(Ok(()))
}

/// Removes the entries from the beginning up to the first that is young enough. Each step is verified before it is taken, or who
/// can write the database could date entries back and have them removed in good order.
pub(in crate::store) async fn prune(store: &SqliteStore, before: Timestamp) -> sqlx::Result<u64> {
    let mut removed = 0;
    loop {
        let mut transaction = store.begin().await?;
        let young: Option<i64> = query_scalar("SELECT min(number) FROM audit WHERE at >= ?")
            .bind(micros(before))
            .fetch_one(&mut *transaction)
            .await?;
        let (anchor, head) = match ends(&mut transaction, &store.seal).await? {
            Ok(ends) => ends,
            Err(flaw) => return kept_as_evidence(removed, &flaw),
        };
        let last_old = young.map_or(head.number, |young| young.saturating_sub(1));
        let last = last_old.min(anchor.number.saturating_add(SWEEP_ROWS));
        if last <= anchor.number {
            break;
        }
        let mut place = anchor;
        if let Err(flaw) = walk(&mut transaction, &store.seal, &mut place, last).await? {
            return kept_as_evidence(removed, &flaw);
        }
        let delete = query("DELETE FROM audit WHERE number <= ?").bind(place.number);
        let gone = delete.execute(&mut *transaction).await?.rows_affected();
        if gone == 0 {
            break;
        }
        set_link(&mut transaction, &store.seal, ANCHOR, place).await?;
        transaction.commit().await?;
        removed += gone;
    }
    if removed > 0 {
        people::forget_unnamed(store).await?;
    }
    Ok(removed)
}

fn kept_as_evidence(removed: u64, flaw: &Flaw) -> sqlx::Result<u64> {
    let Flaw { number, problem } = flaw;
    tracing::error!(
        number,
        problem,
        "the audit log is not as it was written, and nothing of it is removed for its age"
    );
    Ok(removed)
}
