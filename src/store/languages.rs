//! The languages that people chose, in the database.

use sqlx::{query, query_scalar};

use super::SqliteStore;
use crate::types::{Email, Language};

/// A language that this version does not speak counts as none.
pub(super) async fn of_person(store: &SqliteStore, email: &Email) -> sqlx::Result<Option<Language>> {
    let code: Option<String> = query_scalar("SELECT code FROM language WHERE email = ?")
        .bind(email.as_str())
        .fetch_optional(&store.readers)
        .await?;
    Ok(code.as_deref().and_then(Language::parse))
}

pub(super) async fn choose(store: &SqliteStore, email: &Email, language: Language) -> sqlx::Result<()> {
    let insert = query(
        "INSERT INTO language (email, code) VALUES (?, ?) ON CONFLICT (email) DO UPDATE SET code = excluded.code",
    )
    .bind(email.as_str())
    .bind(language.code());
    store.change(insert).await.map(drop)
}
