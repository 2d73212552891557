//! Everything that the store holds of one person: gives it out, and erases it.
//!
//! Each table that knows people by their address is named here once. A test looks through the whole store for tables with a column
//! `email` and fails for one that is missing, so whoever adds a table has to say what becomes of the people in it.

use serde_json::{Map, Value};
use sqlx::query_scalar;

use super::audit::{self, people};
use super::{SqliteStore, outbox, secrets, usage};
use crate::state::audit::{Entry, Kept, Order, Question};
use crate::state::personal::Erased;
use crate::state::usage as counts;
use crate::types::Email;

/// So many entries of the audit log are given out at most; the log itself has all.
const MOST_ENTRIES: u32 = 100_000;

/// What a table holds of a person.
struct Holding {
    /// The table.
    table: &'static str,
    /// What it is called when it is given out.
    name: &'static str,
    /// Reads what is given out: a JSON object a row. `?1` is the address. Keys, tokens and hashes of such are not a person's data but
    /// ours, and open something.
    export: &'static str,
    /// Erases it, and answers a row for each that went.
    erase: &'static str,
}

/// A column with a moment, as RFC 3339 has it.
macro_rules! at {
    ($column:literal) => {
        concat!("strftime('%Y-%m-%dT%H:%M:%fZ', ", $column, " / 1000000.0, 'unixepoch')")
    };
}

/// Every table with a column `email`.
const HOLDINGS: &[Holding] = &[
    Holding {
        table: "session",
        name: "sessions",
        export: concat!(
            "SELECT json_object('app', app, 'domain', host, 'customer', customer, 'created', ",
            at!("created"),
            ", 'last_used', ",
            at!("last_used"),
            ", 'device', device, 'proofs', json(proofs)) FROM session WHERE email = ?1 ORDER BY created"
        ),
        // Its links to providers go with it, and what others look at through the person's eyes.
        erase: "DELETE FROM session WHERE email = ?1 OR preview_email = ?1 RETURNING 1",
    },
    Holding {
        table: "previewed",
        name: "last_previews",
        export: concat!(
            "SELECT json_object('app', app, 'as', CASE email WHEN ?1 THEN 'customer' ELSE 'staff' END, 'at', ",
            at!("at"),
            ") FROM previewed WHERE email = ?1 OR actor = ?1 ORDER BY at"
        ),
        erase: "DELETE FROM previewed WHERE email = ?1 OR actor = ?1 RETURNING 1",
    },
    Holding {
        table: "attempt",
        name: "login_attempts",
        export: concat!(
            "SELECT json_object('app', app, 'domain', host, 'created', ",
            at!("created"),
            ", 'state', state, 'language', language) FROM attempt WHERE email = ?1 ORDER BY id"
        ),
        erase: "DELETE FROM attempt WHERE email = ?1 RETURNING 1",
    },
    Holding {
        table: "identity",
        name: "identities_at_providers",
        export: concat!(
            "SELECT json_object('issuer', issuer, 'client', client, 'subject', subject, 'created', ",
            at!("created"),
            ") FROM identity WHERE email = ?1 ORDER BY created"
        ),
        erase: "DELETE FROM identity WHERE email = ?1 RETURNING 1",
    },
    Holding {
        table: "passkey",
        name: "passkeys",
        export: concat!(
            "SELECT json_object('app', app, 'domain', host, 'name', name, 'created', ",
            at!("created"),
            ", 'last_used', ",
            at!("last_used"),
            ") FROM passkey WHERE email = ?1 ORDER BY created"
        ),
        erase: "DELETE FROM passkey WHERE email = ?1 RETURNING 1",
    },
    Holding {
        table: "notified",
        name: "notifications",
        export: concat!(
            "SELECT json_object('app', notification.app, 'topic', notification.topic, 'taken_in', ",
            at!("notification.created"),
            ", 'state', notified.state) FROM notified JOIN notification ON notification.id = notified.notification ",
            "WHERE email = ?1 ORDER BY notified.id"
        ),
        erase: "DELETE FROM notified WHERE email = ?1 RETURNING 1",
    },
    Holding {
        table: "topic_off",
        name: "topics_switched_off",
        export: concat!(
            "SELECT json_object('app', app, 'topic', topic, 'since', ",
            at!("since"),
            ") FROM topic_off WHERE email = ?1 ORDER BY app, topic"
        ),
        erase: "DELETE FROM topic_off WHERE email = ?1 RETURNING 1",
    },
    Holding {
        table: "language",
        name: "language",
        export: "SELECT json_object('code', code) FROM language WHERE email = ?1",
        erase: "DELETE FROM language WHERE email = ?1 RETURNING 1",
    },
    Holding {
        table: "record",
        name: "access_records",
        export: concat!(
            "SELECT json_object('app', app, 'customer', customer, 'first_name', first_name, 'last_name', last_name, 'role', role, ",
            "'days_back', days_back, 'notes', notes, 'language', language, 'state', state, 'made', ",
            at!("made"),
            ", 'changed', ",
            at!("changed"),
            ") FROM record WHERE email = ?1 ORDER BY id"
        ),
        erase: "DELETE FROM record WHERE email = ?1 RETURNING 1",
    },
    Holding {
        table: "record",
        name: "access_records_made_for_others",
        export: concat!(
            "SELECT json_object('app', app, 'customer', customer, 'made', ",
            at!("made"),
            ") FROM record WHERE maker = ?1 ORDER BY id"
        ),
        // What they gave others stays with those; an invitation that nobody answers for is good no more.
        erase: "UPDATE record SET maker = NULL WHERE maker = ?1 RETURNING 1",
    },
    Holding {
        table: "organisation",
        name: "organisations_founded",
        export: concat!(
            "SELECT json_object('app', app, 'customer', id, 'name', name, 'made', ",
            at!("made"),
            ") FROM organisation WHERE founder_email = ?1 ORDER BY made"
        ),
        erase: "UPDATE organisation SET founder_email = NULL WHERE founder_email = ?1 RETURNING 1",
    },
];

/// Everything that is held of a person, as of one moment.
pub(super) async fn export(store: &SqliteStore, email: &Email) -> sqlx::Result<Map<String, Value>> {
    let mut all = Map::new();
    let key = secrets::read_or_make(store, counts::KEY, counts::new_key).await?;
    let mut connection = store.readers.begin().await?;
    for Holding { name, export, .. } in HOLDINGS {
        let rows: Vec<String> = query_scalar(*export).bind(email.as_str()).fetch_all(&mut *connection).await?;
        let rows = rows.iter().map(|row| serde_json::from_str(row).unwrap_or_default());
        all.insert((*name).to_owned(), Value::Array(rows.collect()));
    }
    all.insert("days_of_use".to_owned(), usage::days_of(&mut connection, &key, email).await?.into());
    let mails = outbox::to_person(&mut connection, &store.seal, email).await?;
    all.insert("queued_mails".to_owned(), mails.len().into());
    drop(connection);
    let question =
        Question { person: Some(email.clone()), order: Order::OldestFirst, most: MOST_ENTRIES, ..Question::default() };
    let entries: Vec<Kept> = audit::entries(store, &question).await?;
    let entries = serde_json::to_value(entries).map_err(|error| sqlx::Error::Encode(error.into()))?;
    all.insert("audit".to_owned(), entries);
    Ok(all)
}

/// Erases a person in one step, with the entry that says so. In the audit log they are a number from then on that means nobody.
pub(super) async fn erase(store: &SqliteStore, email: &Email, entry: &Entry) -> sqlx::Result<Erased> {
    let key = secrets::read_or_make(store, counts::KEY, counts::new_key).await?;
    let mut transaction = store.begin().await?;
    let mut erased = Erased::default();
    for Holding { table, name, erase, .. } in HOLDINGS {
        let gone: Vec<i64> = query_scalar(*erase).bind(email.as_str()).fetch_all(&mut *transaction).await?;
        tracing::debug!(table, rows = gone.len(), "erased");
        erased.rows.insert((*name).to_owned(), gone.len() as u64);
    }
    erased.rows.insert("days_of_use".to_owned(), usage::forget(&mut transaction, &key, email).await?);
    let mails = outbox::to_person(&mut transaction, &store.seal, email).await?;
    for id in &mails {
        query_scalar::<_, i64>("DELETE FROM outbox WHERE id = ? RETURNING 1")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?;
    }
    erased.rows.insert("queued_mails".to_owned(), mails.len() as u64);
    audit::append_in(&mut transaction, &store.seal, std::slice::from_ref(entry)).await?;
    let named = people::forget(&mut transaction, &store.seal, email).await?;
    erased.rows.insert("name_in_the_audit_log".to_owned(), named);
    transaction.commit().await?;
    Ok(erased)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_lc_rs::hmac;

    use super::*;
    use crate::state::audit::{Event, Scene};
    use crate::state::usage::{Counted, Taken, UsageStore as _};
    use crate::types::{AppName, CustomerId};

    #[tokio::test]
    async fn the_days_of_a_person_go_and_others_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = crate::store::open(folder.path()).await.expect("opens");
        let key = secrets::read_or_make(&store, counts::KEY, counts::new_key).await.expect("read");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let person = |name: &str| Email::parse(&format!("{name}@example.com")).expect("an address");
        let counted = |app: &str, names: &[&str]| {
            let app = AppName::parse(app).expect("a name");
            let people = names.iter().map(|name| counts::mark(&key, &app, &person(name))).collect();
            let taken = Taken { people, ..Taken::default() };
            Counted { app, customer: CustomerId::parse("42").expect("a key"), name: None, day: 20_783, taken }
        };
        store.add_usage(&[counted("orders", &["ann", "bob"]), counted("reports", &["ann"])]).await.expect("added");
        let told = export(&store, &person("ann")).await.expect("given out");
        let day = |app: &str| serde_json::json!({ "app": app, "customer": "42", "day": "2026-11-26" });
        assert_eq!(told["days_of_use"], Value::Array(vec![day("orders"), day("reports")]));
        let event = Event::PersonErased(&person("ann"));
        let entry = Entry::of(Scene::gateway(jiff::Timestamp::UNIX_EPOCH), &event);
        let erased = erase(&store, &person("ann"), &entry).await.expect("erased");
        assert_eq!(erased.rows["days_of_use"], 2);
        let left: i64 =
            query_scalar("SELECT count(*) FROM usage_person").fetch_one(&store.readers).await.expect("read");
        assert_eq!(left, 1, "bob's");
    }

    #[tokio::test]
    async fn every_table_that_knows_people_says_what_becomes_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = crate::store::open(folder.path()).await.expect("opens");
        let tables: Vec<String> = query_scalar(
            "SELECT entry.name FROM sqlite_schema AS entry, pragma_table_info(entry.name) AS field
             WHERE entry.type = 'table' AND field.name LIKE '%email%'",
        )
        .fetch_all(&store.readers)
        .await
        .expect("read");
        let tables: BTreeSet<&str> = tables.iter().map(String::as_str).collect();
        let named: BTreeSet<&str> = HOLDINGS.iter().map(|holding| holding.table).collect();
        assert_eq!(tables, named, "name each table in `HOLDINGS`, with what is given out and what is erased");
        for Holding { table, name, export, erase } in HOLDINGS {
            assert!(export.contains(&format!("FROM {table} ")) && erase.contains(table), "{name}");
        }
    }
}
