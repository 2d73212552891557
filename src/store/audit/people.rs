//! Who the people in entries are.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row as _, query, query_scalar};

use crate::state::audit::Flaw;
use crate::store::SqliteStore;
use crate::store::seal::SealKey;
use crate::store::sqlite::malformed;
use crate::types::Email;

/// A person in entries: a random number, so that it means nothing once the person is erased.
pub(super) type PersonId = [u8; 16];

/// The event that tells of an erasure.
const ERASED: &str = "person_erased";

/// The numbers of the people in some entries: most of what is written at a time is of a few.
#[derive(Default)]
pub(super) struct Numbers(HashMap<Email, PersonId>);

impl Numbers {
    /// The number of a person, who gets one the first time.
    pub(super) async fn of(
        &mut self,
        connection: &mut SqliteConnection,
        seal: &SealKey,
        email: &Email,
    ) -> sqlx::Result<PersonId> {
        if let Some(id) = self.0.get(email) {
            return Ok(*id);
        }
        let id = number(connection, seal, email).await?;
        self.0.insert(email.clone(), id);
        Ok(id)
    }
}

async fn number(connection: &mut SqliteConnection, seal: &SealKey, email: &Email) -> sqlx::Result<PersonId> {
    if let Some(id) = find(&mut *connection, seal, email).await? {
        return Ok(id);
    }
    let mut id = PersonId::default();
    aws_lc_rs::rand::fill(&mut id).map_err(|_| sqlx::Error::Encode("the system gives no randomness".into()))?;
    let address =
        seal.seal(&sealed_as(&id), email.as_str().as_bytes()).map_err(|error| sqlx::Error::Encode(error.into()))?;
    query("INSERT INTO person (id, found_by, address) VALUES (?, ?, ?)")
        .bind(&id[..])
        .bind(&seal.look_up(email)[..])
        .bind(address)
        .execute(connection)
        .await?;
    Ok(id)
}

/// The number of a person who has one.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    email: &Email,
) -> sqlx::Result<Option<PersonId>> {
    let id: Option<Vec<u8>> = query_scalar("SELECT id FROM person WHERE found_by = ?")
        .bind(&seal.look_up(email)[..])
        .fetch_optional(connection)
        .await?;
    id.map(|id| PersonId::try_from(id).map_err(|_| malformed("person.id"))).transpose()
}

fn sealed_as(id: &PersonId) -> String {
    format!("person/{}", data_encoding::HEXLOWER.encode(id))
}

/// The address of a person; `None` once they are erased.
pub(super) async fn address(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    id: &PersonId,
) -> sqlx::Result<Option<String>> {
    let sealed: Option<Vec<u8>> =
        query_scalar("SELECT address FROM person WHERE id = ?").bind(&id[..]).fetch_optional(connection).await?;
    let Some(sealed) = sealed else { return Ok(None) };
    let plain = seal.open(&sealed_as(id), &sealed).map_err(|error| sqlx::Error::Decode(error.into()))?;
    String::from_utf8(plain).map(Some).map_err(|_| malformed("person.address"))
}

/// The first entry that names somebody who is not the one it named when it was written: their row was changed, or removed without an
/// entry that says so.
pub(super) async fn flaw(connection: &mut SqliteConnection, seal: &SealKey) -> sqlx::Result<Option<Flaw>> {
    let mut rows = query(
        "SELECT named.number, named.id, person.found_by, person.address,
             EXISTS (SELECT 1 FROM audit WHERE event = ? AND subject = named.id) AS is_erased
         FROM (SELECT min(number) AS number, id FROM (
                 SELECT number, actor_person AS id FROM audit WHERE actor_person IS NOT NULL
                 UNION ALL SELECT number, subject FROM audit WHERE subject IS NOT NULL
                 UNION ALL SELECT number, customer_person FROM audit WHERE customer_person IS NOT NULL
             ) GROUP BY id) AS named
         LEFT JOIN person ON person.id = named.id ORDER BY named.number",
    )
    .bind(ERASED)
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let number: i64 = row.try_get("number")?;
        let flaw = |problem: &str| Ok(Some(Flaw { number: number.unsigned_abs(), problem: problem.to_owned() }));
        let Some(sealed) = row.try_get::<Option<&[u8]>, _>("address")? else {
            match row.try_get("is_erased")? {
                true => continue,
                false => return flaw("whom it names was removed"),
            }
        };
        let id: &[u8] = row.try_get("id")?;
        let opened = PersonId::try_from(id).ok().and_then(|id| seal.open(&sealed_as(&id), sealed).ok());
        let email = opened.and_then(|plain| Email::parse(std::str::from_utf8(&plain).ok()?).ok());
        let found_by: &[u8] = row.try_get("found_by")?;
        if email.is_none_or(|email| seal.look_up(&email)[..] != *found_by) {
            return flaw("whom it names was changed");
        }
    }
    Ok(None)
}

/// Forgets who a person in entries is; answers how many numbers they had.
pub(in crate::store) async fn forget(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    email: &Email,
) -> sqlx::Result<u64> {
    let delete = query("DELETE FROM person WHERE found_by = ?").bind(seal.look_up(email).to_vec());
    Ok(delete.execute(connection).await?.rows_affected())
}

/// Forgets people whom no entry names any more.
pub(super) async fn forget_unnamed(store: &SqliteStore) -> sqlx::Result<()> {
    let delete = query(
        "DELETE FROM person WHERE NOT EXISTS (SELECT 1 FROM audit WHERE actor_person = person.id)
         AND NOT EXISTS (SELECT 1 FROM audit WHERE subject = person.id)
         AND NOT EXISTS (SELECT 1 FROM audit WHERE customer_person = person.id)",
    );
    store.change(delete).await?;
    Ok(())
}
