//! Tokens of the API in the database.

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row as _, query};

use super::sqlite::{malformed, micros, moment};
use super::{SqliteStore, audit};
use crate::state::audit::Entry;
use crate::state::tokens::{Scope, TokenRecord};
use crate::types::AppName;

pub(super) async fn add(store: &SqliteStore, token: &TokenRecord, entry: &Entry) -> sqlx::Result<bool> {
    let mut transaction = store.begin().await?;
    if insert(&mut transaction, token).await? == 0 {
        return Ok(false);
    }
    audit::append_in(&mut transaction, &store.seal, std::slice::from_ref(entry)).await?;
    transaction.commit().await?;
    Ok(true)
}

pub(super) async fn set(store: &SqliteStore, token: &TokenRecord) -> sqlx::Result<()> {
    let mut transaction = store.begin().await?;
    query("DELETE FROM token WHERE name = ?").bind(&token.name).execute(&mut *transaction).await?;
    insert(&mut transaction, token).await?;
    transaction.commit().await
}

async fn insert(connection: &mut SqliteConnection, token: &TokenRecord) -> sqlx::Result<u64> {
    let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.name()).collect();
    let insert = query(
        "INSERT INTO token (name, hash, scopes, app, created, expires) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    let insert = insert
        .bind(&token.name)
        .bind(&token.hash[..])
        .bind(scopes.join(" "))
        .bind(token.app.as_ref().map(AppName::as_str))
        .bind(micros(token.created))
        .bind(token.expires.map(micros));
    Ok(insert.execute(connection).await?.rows_affected())
}

pub(super) async fn all(store: &SqliteStore) -> sqlx::Result<Vec<TokenRecord>> {
    let rows = query("SELECT * FROM token ORDER BY name").fetch_all(&store.readers).await?;
    rows.iter().map(read).collect()
}

pub(super) async fn find(store: &SqliteStore, hash: &[u8; 32]) -> sqlx::Result<Option<TokenRecord>> {
    let row = query("SELECT * FROM token WHERE hash = ?").bind(&hash[..]).fetch_optional(&store.readers).await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn remove(store: &SqliteStore, name: &str, entry: &Entry) -> sqlx::Result<bool> {
    let mut transaction = store.begin().await?;
    let gone = query("DELETE FROM token WHERE name = ?").bind(name).execute(&mut *transaction).await?.rows_affected();
    if gone == 0 {
        return Ok(false);
    }
    audit::append_in(&mut transaction, &store.seal, std::slice::from_ref(entry)).await?;
    transaction.commit().await?;
    Ok(true)
}

pub(super) async fn used(store: &SqliteStore, hash: &[u8; 32], now: Timestamp) -> sqlx::Result<()> {
    store.change(query("UPDATE token SET last_used = ? WHERE hash = ?").bind(micros(now)).bind(&hash[..])).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> sqlx::Result<TokenRecord> {
    let (app, scopes): (Option<&str>, &str) = (row.try_get("app")?, row.try_get("scopes")?);
    let hash: &[u8] = row.try_get("hash")?;
    let at = |name: &str| -> sqlx::Result<Option<Timestamp>> {
        let micros: Option<i64> = row.try_get(name)?;
        micros.map(moment).transpose()
    };
    Ok(TokenRecord {
        name: row.try_get("name")?,
        hash: hash.try_into().map_err(|_| malformed("token.hash"))?,
        // One that this version does not know allows nothing.
        scopes: scopes.split(' ').filter_map(Scope::parse).collect(),
        app: app.map(AppName::parse).transpose().map_err(|_| malformed("token.app"))?,
        created: at("created")?.ok_or_else(|| malformed("token.created"))?,
        expires: at("expires")?,
        last_used: at("last_used")?,
    })
}
