//! What ties sessions to OpenID providers, and who is who there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_scalar};

use super::SqliteStore;
use super::seal::SealKey;
use super::sqlite::{malformed, micros, moment};
use crate::session::{Link, SessionId, SessionRecord};
use crate::state::ports::{Identity, LinkTokens, Opening, Remembered};
use crate::types::{Email, ProviderName, Secret};

/// The name that tokens are sealed under.
const SEALED_AS: &str = "link/tokens";

#[derive(Deserialize, Serialize)]
struct StoredTokens {
    id_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// Gives a new session its links: those it takes over from the session it replaces, and the new one. Runs while the old
/// session is still there.
pub(super) async fn insert(connection: &mut SqliteConnection, seal: &SealKey, opening: &Opening) -> sqlx::Result<()> {
    for link in &opening.session.links {
        let new = opening.tokens.as_ref().filter(|tokens| tokens.provider == link.provider);
        if new.is_none() && take_over(&mut *connection, opening, link).await? {
            continue;
        }
        // A link without tokens is one that its provider's log-out finds and nobody re-checks.
        let tokens = match new {
            Some(tokens) => sealed(seal, tokens)?,
            None => seal_stored(seal, &StoredTokens { id_token: String::new(), refresh_token: None })?,
        };
        query(
            "INSERT INTO link (session, provider, issuer, subject, sid, groups, next_check, tokens)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&opening.session.id.as_bytes()[..])
        .bind(link.provider.as_str())
        .bind(link.issuer.as_str())
        .bind(link.subject.as_str())
        .bind(link.sid.as_deref())
        .bind(groups(link)?)
        .bind(link.next_check.map(micros))
        .bind(tokens)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Takes a link over as it stands in the store, for its provider may have been asked since the old session was read; `false`
/// when the old session has none.
async fn take_over(connection: &mut SqliteConnection, opening: &Opening, link: &Link) -> sqlx::Result<bool> {
    let Some(old) = opening.replaces.id() else { return Ok(false) };
    let done = query(
        "INSERT INTO link (session, provider, issuer, subject, sid, groups, next_check, tokens)
         SELECT ?1, provider, issuer, subject, sid, groups, next_check, tokens FROM link WHERE session = ?2 AND provider = ?3",
    )
    .bind(&opening.session.id.as_bytes()[..])
    .bind(&old.as_bytes()[..])
    .bind(link.provider.as_str())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Reads the links of a session into its record.
pub(super) async fn fill(store: &SqliteStore, record: &mut SessionRecord) -> sqlx::Result<()> {
    let rows = query("SELECT * FROM link WHERE session = ? ORDER BY provider")
        .bind(&record.id.as_bytes()[..])
        .fetch_all(&store.readers)
        .await?;
    record.links = rows.iter().map(read).collect::<sqlx::Result<_>>()?;
    Ok(())
}

pub(super) async fn tokens(
    store: &SqliteStore,
    session: SessionId,
    provider: &ProviderName,
) -> sqlx::Result<Option<LinkTokens>> {
    let sealed: Option<Vec<u8>> = query_scalar("SELECT tokens FROM link WHERE session = ? AND provider = ?")
        .bind(&session.as_bytes()[..])
        .bind(provider.as_str())
        .fetch_optional(&store.readers)
        .await?;
    let Some(sealed) = sealed else { return Ok(None) };
    let open = store.seal.open(SEALED_AS, &sealed).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let stored: StoredTokens = serde_json::from_slice(&open).map_err(|_| malformed("link.tokens"))?;
    if stored.id_token.is_empty() {
        return Ok(None);
    }
    Ok(Some(LinkTokens {
        provider: provider.clone(),
        id_token: Secret::new(stored.id_token),
        refresh_token: stored.refresh_token.map(Secret::new),
    }))
}

/// A session that was given a new id while its provider was asked has its answer all the same: most providers take a refresh
/// token once, so that the old one in the new session would end it.
pub(super) async fn renew(
    store: &SqliteStore,
    session: SessionId,
    link: &Link,
    tokens: &LinkTokens,
) -> sqlx::Result<bool> {
    let update = query(
        "UPDATE link SET sid = ?1, groups = ?2, next_check = ?3, tokens = ?4
         WHERE (session = ?5 OR session = (SELECT new FROM moved WHERE old = ?5)) AND provider = ?6 AND subject = ?7",
    )
    .bind(link.sid.as_deref())
    .bind(groups(link)?)
    .bind(link.next_check.map(micros))
    .bind(sealed(&store.seal, tokens)?)
    .bind(&session.as_bytes()[..])
    .bind(link.provider.as_str())
    .bind(link.subject.as_str());
    let done = store.change(update).await?;
    Ok(done.rows_affected() > 0)
}

/// One transaction: of two first log-ins at once, one is remembered and the other finds that.
pub(super) async fn remember(
    store: &SqliteStore,
    identity: &Identity,
    email: &Email,
    now: Timestamp,
) -> sqlx::Result<Remembered> {
    let mut transaction = store.begin().await?;
    let known: Option<String> =
        query_scalar("SELECT email FROM identity WHERE issuer = ? AND client = ? AND subject = ?")
            .bind(&identity.issuer)
            .bind(&identity.client)
            .bind(&identity.subject)
            .fetch_optional(&mut *transaction)
            .await?;
    if let Some(known) = known {
        return Ok(Remembered::As(Email::parse(&known).map_err(|_| malformed("identity.email"))?));
    }
    let done = query(
        "INSERT INTO identity (issuer, client, subject, email, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&identity.issuer)
    .bind(&identity.client)
    .bind(&identity.subject)
    .bind(email.as_str())
    .bind(micros(now))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(if done.rows_affected() > 0 { Remembered::As(email.clone()) } else { Remembered::Taken })
}

pub(super) async fn identities(store: &SqliteStore, email: &Email) -> sqlx::Result<Vec<Identity>> {
    let rows = query("SELECT issuer, client, subject FROM identity WHERE email = ? ORDER BY created")
        .bind(email.as_str())
        .fetch_all(&store.readers)
        .await?;
    let read = |row: &SqliteRow| {
        Ok(Identity {
            issuer: row.try_get("issuer")?,
            client: row.try_get("client")?,
            subject: row.try_get("subject")?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn forget_identities(store: &SqliteStore, email: &Email) -> sqlx::Result<u64> {
    let done = store.change(query("DELETE FROM identity WHERE email = ?").bind(email.as_str())).await?;
    Ok(done.rows_affected())
}

fn sealed(seal: &SealKey, tokens: &LinkTokens) -> sqlx::Result<Vec<u8>> {
    let stored = StoredTokens {
        id_token: tokens.id_token.expose().to_owned(),
        refresh_token: tokens.refresh_token.as_ref().map(|token| token.expose().to_owned()),
    };
    seal_stored(seal, &stored)
}

fn seal_stored(seal: &SealKey, stored: &StoredTokens) -> sqlx::Result<Vec<u8>> {
    let plain = serde_json::to_vec(stored).map_err(|error| sqlx::Error::Encode(error.into()))?;
    seal.seal(SEALED_AS, &plain).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn groups(link: &Link) -> sqlx::Result<String> {
    serde_json::to_string(&link.groups).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn read(row: &SqliteRow) -> sqlx::Result<Link> {
    let next_check: Option<i64> = row.try_get("next_check")?;
    Ok(Link {
        provider: ProviderName::parse(row.try_get("provider")?).map_err(|_| malformed("link.provider"))?,
        issuer: row.try_get("issuer")?,
        subject: row.try_get("subject")?,
        sid: row.try_get("sid")?,
        groups: serde_json::from_str(row.try_get("groups")?).map_err(|_| malformed("link.groups"))?,
        next_check: next_check.map(moment).transpose()?,
    })
}
