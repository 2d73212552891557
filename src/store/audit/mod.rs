//! The audit log in the database: a chain of entries, each of which is bound to the one before.
//!
//! The hash of an entry is keyed (HMAC-SHA-256) with a key that comes from `seal.key`: whoever can only write the database can
//! neither change an entry nor take one out and make the chain anew. The newest number and hash stand sealed in `meta`, so that
//! a log whose end was cut off shows too. What no store can show by itself is that it was put back as a whole to what it was
//! before: for that, keep the head that `vestibule audit verify` prints, or the lines of the log, somewhere else.

pub(super) mod people;
mod read;
mod verify;

use aws_lc_rs::hmac;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row as _, query, query_scalar};

use self::people::{Numbers, PersonId};
pub(super) use self::read::entries;
pub(super) use self::verify::{prune, verify};
use super::SqliteStore;
use super::seal::SealKey;
use super::sqlite::{malformed, micros};
use crate::state::audit::{Entry, Who};
use crate::types::{AppName, CustomerId, Email, HostName};

/// How long an entry's hash is.
const HASH_BYTES: usize = 32;
/// Where the newest number and hash stand.
const HEAD: &str = "audit_head";
/// Where those of the newest entry stand that was removed for its age.
const ANCHOR: &str = "audit_anchor";
/// The columns of an entry.
const COLUMNS: &str = "number, at, event, actor, actor_person, actor_token, subject, app, customer, customer_person, client, \
                       domain, request, facts, hash";

/// The hash of an entry.
type Hash = [u8; HASH_BYTES];

/// A place in the chain: an entry's number and hash. Before the first there is number 0.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Link {
    number: i64,
    hash: Hash,
}

/// One entry as its row has it: the same columns, with people as numbers.
#[derive(Debug)]
struct Columns {
    number: i64,
    at: i64,
    event: String,
    actor: String,
    actor_person: Option<PersonId>,
    actor_token: Option<String>,
    subject: Option<PersonId>,
    app: Option<String>,
    customer: Option<String>,
    customer_person: Option<PersonId>,
    client: Option<String>,
    domain: Option<String>,
    request: Option<String>,
    facts: String,
}

/// The version of the store that began to have a log.
pub(super) const SINCE: i64 = 6;

/// Begins the log. From then on it has a head, and one without was tampered with.
pub(super) async fn begin(connection: &mut SqliteConnection, seal: &SealKey) -> sqlx::Result<()> {
    set_link(connection, seal, HEAD, Link::default()).await
}

/// Adds entries in a transaction of their own.
pub(super) async fn append(store: &SqliteStore, entries: &[Entry]) -> sqlx::Result<()> {
    let mut transaction = store.begin().await?;
    append_in(&mut transaction, &store.seal, entries).await?;
    transaction.commit().await
}

/// Adds entries within a transaction, which must have the write lock from its beginning (`SqliteStore::begin`): while two
/// processes share the store, each finds there where the other has left off.
pub(super) async fn append_in(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    entries: &[Entry],
) -> sqlx::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut head = link(&mut *connection, seal, HEAD).await?.ok_or_else(|| malformed("meta.audit_head"))?;
    let mut numbers = Numbers::default();
    for entry in entries {
        let columns = columns(&mut *connection, seal, &mut numbers, head.number.saturating_add(1), entry).await?;
        head = Link { number: columns.number, hash: columns.hash(seal, &head.hash) };
        insert(&mut *connection, &columns, &head.hash).await?;
    }
    set_link(connection, seal, HEAD, head).await
}

/// A place in the chain that stands in `meta`.
async fn link(connection: &mut SqliteConnection, seal: &SealKey, name: &str) -> sqlx::Result<Option<Link>> {
    let sealed: Option<Vec<u8>> =
        query_scalar("SELECT value FROM meta WHERE name = ?").bind(name).fetch_optional(connection).await?;
    let Some(sealed) = sealed else { return Ok(None) };
    let plain = seal.open(&format!("meta/{name}"), &sealed).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let (number, hash) = plain.split_first_chunk().ok_or_else(|| malformed("meta.value"))?;
    let hash = hash.try_into().map_err(|_| malformed("meta.value"))?;
    Ok(Some(Link { number: i64::from_be_bytes(*number), hash }))
}

async fn set_link(connection: &mut SqliteConnection, seal: &SealKey, name: &str, link: Link) -> sqlx::Result<()> {
    let plain = [&link.number.to_be_bytes()[..], &link.hash].concat();
    let sealed = seal.seal(&format!("meta/{name}"), &plain).map_err(|error| sqlx::Error::Encode(error.into()))?;
    query("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(name)
        .bind(sealed)
        .execute(connection)
        .await?;
    Ok(())
}

async fn columns(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    numbers: &mut Numbers,
    number: i64,
    entry: &Entry,
) -> sqlx::Result<Columns> {
    let actor_person = match &entry.actor {
        Who::Person(email) | Who::Staff(email) => Some(numbers.of(&mut *connection, seal, email).await?),
        Who::Visitor | Who::Token(_) | Who::Gateway => None,
    };
    let subject = match &entry.subject {
        Some(email) => Some(numbers.of(&mut *connection, seal, email).await?),
        None => None,
    };
    // Without a customer column a customer's key is their address, and then it goes when they are erased.
    let as_person = entry.customer.as_ref().and_then(|customer| Email::parse(customer.as_str()).ok());
    let customer_person = match &as_person {
        Some(email) => Some(numbers.of(&mut *connection, seal, email).await?),
        None => None,
    };
    Ok(Columns {
        number,
        at: micros(entry.at),
        event: entry.event.clone().into_owned(),
        actor: entry.actor.kind().to_owned(),
        actor_person,
        actor_token: if let Who::Token(name) = &entry.actor { Some(name.clone()) } else { None },
        subject,
        app: entry.app.as_ref().map(|app| AppName::as_str(app).to_owned()),
        customer: if as_person.is_some() {
            None
        } else {
            entry.customer.as_ref().map(|customer| CustomerId::as_str(customer).to_owned())
        },
        customer_person,
        client: entry.client.map(|client| client.to_string()),
        domain: entry.domain.as_ref().map(|domain| HostName::as_str(domain).to_owned()),
        request: entry.request_id.clone(),
        facts: serde_json::to_string(&entry.facts).map_err(|error| sqlx::Error::Encode(error.into()))?,
    })
}

async fn insert(connection: &mut SqliteConnection, columns: &Columns, hash: &Hash) -> sqlx::Result<()> {
    query(
        "INSERT INTO audit (number, at, event, actor, actor_person, actor_token, subject, app, customer, customer_person,
                            client, domain, request, facts, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(columns.number)
    .bind(columns.at)
    .bind(&columns.event)
    .bind(&columns.actor)
    .bind(columns.actor_person.as_ref().map(|id| &id[..]))
    .bind(columns.actor_token.as_deref())
    .bind(columns.subject.as_ref().map(|id| &id[..]))
    .bind(columns.app.as_deref())
    .bind(columns.customer.as_deref())
    .bind(columns.customer_person.as_ref().map(|id| &id[..]))
    .bind(columns.client.as_deref())
    .bind(columns.domain.as_deref())
    .bind(columns.request.as_deref())
    .bind(&columns.facts)
    .bind(&hash[..])
    .execute(connection)
    .await?;
    Ok(())
}

impl Columns {
    /// A row, and the hash that it has.
    fn read(row: &SqliteRow) -> sqlx::Result<(Self, Hash)> {
        let person = |name: &'static str| -> sqlx::Result<Option<PersonId>> {
            let id: Option<&[u8]> = row.try_get(name)?;
            id.map(|id| id.try_into().map_err(|_| malformed("audit.person"))).transpose()
        };
        let hash: &[u8] = row.try_get("hash")?;
        let columns = Self {
            number: row.try_get("number")?,
            at: row.try_get("at")?,
            event: row.try_get("event")?,
            actor: row.try_get("actor")?,
            actor_person: person("actor_person")?,
            actor_token: row.try_get("actor_token")?,
            subject: person("subject")?,
            app: row.try_get("app")?,
            customer: row.try_get("customer")?,
            customer_person: person("customer_person")?,
            client: row.try_get("client")?,
            domain: row.try_get("domain")?,
            request: row.try_get("request")?,
            facts: row.try_get("facts")?,
        };
        Ok((columns, hash.try_into().map_err(|_| malformed("audit.hash"))?))
    }

    /// The hash over the hash before and everything that the row holds. Each part is written with its length, and one that is
    /// missing differs from one that is empty, so that no two rows are written alike.
    fn hash(&self, seal: &SealKey, before: &Hash) -> Hash {
        let mut context = hmac::Context::with_key(seal.chain());
        let mut part = |bytes: Option<&[u8]>| match bytes {
            None => context.update(&[0]),
            Some(bytes) => {
                context.update(&[1]);
                context.update(&(bytes.len() as u64).to_be_bytes());
                context.update(bytes);
            }
        };
        part(Some(b"vestibule audit entry 1"));
        part(Some(before));
        part(Some(&self.number.to_be_bytes()));
        part(Some(&self.at.to_be_bytes()));
        part(Some(self.event.as_bytes()));
        part(Some(self.actor.as_bytes()));
        part(self.actor_person.as_ref().map(|id| &id[..]));
        part(self.actor_token.as_deref().map(str::as_bytes));
        part(self.subject.as_ref().map(|id| &id[..]));
        part(self.app.as_deref().map(str::as_bytes));
        part(self.customer.as_deref().map(str::as_bytes));
        part(self.customer_person.as_ref().map(|id| &id[..]));
        part(self.client.as_deref().map(str::as_bytes));
        part(self.domain.as_deref().map(str::as_bytes));
        part(self.request.as_deref().map(str::as_bytes));
        part(Some(self.facts.as_bytes()));
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }
}

#[cfg(test)]
mod tests;
