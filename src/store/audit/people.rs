//! Who the people in entries are.

use sqlx::sqlite::SqliteConnection;
use sqlx::{query, query_scalar};

use crate::store::SqliteStore;
use crate::store::seal::SealKey;
use crate::store::sqlite::malformed;
use crate::types::Email;

/// A person in entries: a random number, so that it means nothing once the person is erased.
pub(super) type PersonId = [u8; 16];

/// The number of a person, who gets one the first time.
pub(super) async fn number(connection: &mut SqliteConnection, seal: &SealKey, email: &Email) -> sqlx::Result<PersonId> {
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
    query(
        "DELETE FROM person WHERE NOT EXISTS (SELECT 1 FROM audit WHERE actor_person = person.id)
         AND NOT EXISTS (SELECT 1 FROM audit WHERE subject = person.id)
         AND NOT EXISTS (SELECT 1 FROM audit WHERE customer_person = person.id)",
    )
    .execute(&store.writer)
    .await?;
    Ok(())
}
