//! Secrets that the gateway makes for itself, sealed; and the store's word on its own health.

use sqlx::{query, query_scalar};

use super::SqliteStore;

/// A known value, sealed with the key that belongs to the database.
const PROBE: (&str, &[u8]) = ("seal_check", b"vestibule");

pub(super) async fn read_or_make(store: &SqliteStore, name: &str, make: fn() -> Vec<u8>) -> sqlx::Result<Vec<u8>> {
    let sealed_as = format!("secret/{name}");
    let open =
        |sealed: Vec<u8>| store.seal.open(&sealed_as, &sealed).map_err(|error| sqlx::Error::Decode(error.into()));
    let select = "SELECT value FROM secret WHERE name = ?";
    if let Some(sealed) = query_scalar(select).bind(name).fetch_optional(&store.readers).await? {
        return open(sealed);
    }
    let mut transaction = store.begin().await?;
    // Another may have made it between the look and the lock.
    if let Some(sealed) = query_scalar(select).bind(name).fetch_optional(&mut *transaction).await? {
        return open(sealed);
    }
    let secret = make();
    let sealed = store.seal.seal(&sealed_as, &secret).map_err(|error| sqlx::Error::Encode(error.into()))?;
    query("INSERT INTO secret (name, value) VALUES (?, ?)").bind(name).bind(sealed).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(secret)
}

/// Whether the key opens what was sealed when the database was made.
pub(super) async fn fits_key(store: &SqliteStore) -> sqlx::Result<bool> {
    let (name, plain) = PROBE;
    let sealed_as = format!("meta/{name}");
    let mut transaction = store.begin().await?;
    let sealed: Option<Vec<u8>> =
        query_scalar("SELECT value FROM meta WHERE name = ?").bind(name).fetch_optional(&mut *transaction).await?;
    if let Some(sealed) = sealed {
        return Ok(store.seal.open(&sealed_as, &sealed).is_ok_and(|opened| opened == plain));
    }
    let sealed = store.seal.seal(&sealed_as, plain).map_err(|error| sqlx::Error::Encode(error.into()))?;
    query("INSERT INTO meta (name, value) VALUES (?, ?)").bind(name).bind(sealed).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Writes something: a full or read-only disk shows only then.
pub(super) async fn check(store: &SqliteStore) -> sqlx::Result<()> {
    let insert = query(
        "INSERT INTO meta (name, value) VALUES ('checked', randomblob(8))
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    );
    store.change(insert).await?;
    Ok(())
}
