//! The chain: whatever is done to it by other hands shows, and what we do to it ourselves does not.

use std::borrow::Cow;

use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::state::audit::{AuditStore as _, Order, Question, Verified};
use crate::state::personal::PersonalStore as _;
use crate::store::open;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a moment")
}

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).expect("valid")
}

fn entry(second: i64, name: &str) -> Entry {
    Entry {
        at: at(second),
        event: Cow::Borrowed("logged_in"),
        actor: Who::Person(email(name)),
        subject: Some(email(name)),
        app: AppName::parse("orders").ok(),
        customer: CustomerId::parse("42").ok(),
        client: "192.0.2.7".parse().ok(),
        domain: HostName::parse("orders.test").ok(),
        request_id: Some("r1".to_owned()),
        facts: [("way".to_owned(), "email".into())].into_iter().collect(),
    }
}

async fn house(entries: i64) -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await.expect("opens");
    for second in 0..entries {
        store.append(&[entry(second, if second % 2 == 0 { "ann" } else { "bob" })]).await.expect("stored");
    }
    (store, folder)
}

async fn found(store: &SqliteStore) -> String {
    let Verified { entries, first, last, flaw, .. } = store.verify().await.expect("read");
    match flaw {
        Some(flaw) => format!("{}: {}", flaw.number, flaw.problem),
        None => format!("{entries} whole, {}..={}", first.unwrap_or(0), last.unwrap_or(0)),
    }
}

/// What `verify` says after somebody has changed the database by hand.
async fn check(tampering: &str, expected: &str) {
    let (store, _folder) = house(9).await;
    assert_eq!(found(&store).await, "9 whole, 1..=9");
    store.change(sqlx::raw_sql(sqlx::AssertSqlSafe(tampering.to_owned()))).await.expect(tampering);
    assert_eq!(found(&store).await, expected, "{tampering}");
}

#[tokio::test]
async fn whatever_other_hands_do_to_the_log_shows() {
    check("UPDATE audit SET client = '192.0.2.8' WHERE number = 4", "4: it was changed").await;
    check("UPDATE audit SET at = 0 WHERE number = 9", "9: it was changed").await;
    check("UPDATE audit SET app = NULL WHERE number = 1", "1: it was changed").await;
    check("UPDATE audit SET facts = '{}' WHERE number = 5", "5: it was changed").await;
    check("UPDATE audit SET hash = zeroblob(32) WHERE number = 6", "6: it was changed").await;
    check("UPDATE audit SET subject = zeroblob(16) WHERE number = 6", "6: it was changed").await;
    check("DELETE FROM audit WHERE number = 3", "3: it is missing").await;
    check("DELETE FROM audit WHERE number = 1", "1: it is missing").await;
    check("DELETE FROM audit WHERE number > 7", "8: it is missing: the end of the log was cut off").await;
    check("DELETE FROM audit", "1: it is missing: the end of the log was cut off").await;
    check(
        "DELETE FROM audit; DELETE FROM meta WHERE name = 'audit_head'",
        "0: `audit_head` in `meta`, where the log ends, was removed",
    )
    .await;
    check(
        "UPDATE meta SET value = zeroblob(80) WHERE name = 'audit_head'",
        "0: `audit_head` in `meta`, where the log begins or ends, was changed",
    )
    .await;
    check(
        "INSERT INTO audit (number, at, event, actor, facts, hash) VALUES (10, 0, 'x', 'gateway', '{}', zeroblob(32))",
        "10: it was changed",
    )
    .await;
    check(
        "INSERT INTO audit (number, at, event, actor, facts, hash) VALUES (0, 0, 'x', 'gateway', '{}', zeroblob(32))",
        "0: it was added by somebody else",
    )
    .await;
    // Two entries in each other's place.
    check(
        "UPDATE audit SET number = -1 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 3;
         UPDATE audit SET number = 3 WHERE number = -1",
        "2: it was changed",
    )
    .await;
}

#[tokio::test]
async fn a_name_in_the_log_that_is_put_in_anothers_place_does_not_open() {
    let (store, _folder) = house(2).await;
    let update = sqlx::raw_sql(
        "UPDATE person SET address = (SELECT address FROM person AS other WHERE other.id <> person.id LIMIT 1)",
    );
    store.change(update).await.expect("written");
    let question = Question { most: 9, ..Question::default() };
    assert!(store.entries(&question).await.is_err(), "nobody is named in another's place");
}

#[tokio::test]
async fn whoever_an_entry_names_stays_the_one_it_named() {
    check(
        "UPDATE person SET address = (SELECT address FROM person WHERE id = (SELECT subject FROM audit WHERE number = 1))",
        "2: whom it names was changed",
    )
    .await;
    check(
        "UPDATE person SET found_by = zeroblob(length(found_by)) WHERE id = (SELECT subject FROM audit WHERE number = 2)",
        "2: whom it names was changed",
    )
    .await;
    check("DELETE FROM person WHERE id = (SELECT subject FROM audit WHERE number = 2)", "2: whom it names was removed")
        .await;
}

#[tokio::test]
async fn what_is_old_is_removed_and_the_rest_is_whole() {
    let (store, _folder) = house(9).await;
    assert_eq!(store.prune(at(0)).await.expect("pruned"), 0);
    assert_eq!(store.prune(at(4)).await.expect("pruned"), 4);
    assert_eq!(found(&store).await, "5 whole, 5..=9");
    store.append(&[entry(9, "cat")]).await.expect("stored");
    assert_eq!(found(&store).await, "6 whole, 5..=10");
    assert_eq!(store.prune(at(99)).await.expect("pruned"), 6);
    assert_eq!(found(&store).await, "0 whole, 0..=0");
    store.append(&[entry(100, "ann")]).await.expect("stored");
    assert_eq!(found(&store).await, "1 whole, 11..=11");
    let people: i64 = query_scalar("SELECT count(*) FROM person").fetch_one(&store.readers).await.expect("read");
    assert_eq!(people, 1, "nobody is known by name whom no entry names");
}

#[tokio::test]
async fn a_log_that_is_broken_is_kept_as_evidence() {
    let (store, _folder) = house(9).await;
    // Dated back, so that it would be removed for its age.
    store.change(query("UPDATE audit SET at = -99000000 WHERE number < 9")).await.expect("written");
    assert_eq!(store.prune(at(-50)).await.expect("asked"), 0);
    assert_eq!(found(&store).await, "1: it was changed");
}

#[tokio::test]
async fn a_person_can_be_erased_and_the_log_stays_whole() {
    let (store, _folder) = house(4).await;
    let question = Question { person: Some(email("ann")), most: 9, ..Question::default() };
    assert_eq!(store.entries(&question).await.expect("read").len(), 2);
    let said = Entry { actor: Who::Gateway, event: Cow::Borrowed("person_erased"), ..entry(5, "ann") };
    let erased = store.erase(&email("ann"), &said).await.expect("erased");
    assert_eq!(erased.rows.get("name_in_the_audit_log"), Some(&1), "{erased:?}");
    assert_eq!(store.entries(&question).await.expect("read").len(), 0, "nobody can be found by the address");
    let all = store.entries(&Question { most: 9, ..Question::default() }).await.expect("read");
    let named: Vec<_> = all.iter().map(|entry| entry.subject.as_ref().and_then(|who| who.email.clone())).collect();
    assert_eq!(named, [None, Some("bob@example.com".to_owned()), None, Some("bob@example.com".to_owned()), None]);
    assert_eq!(all[0].subject.as_ref().map(|who| &who.id), all[4].subject.as_ref().map(|who| &who.id));
    assert_eq!(found(&store).await, "5 whole, 1..=5");
    // Whoever comes with the address again is somebody new to the log.
    store.append(&[entry(6, "ann")]).await.expect("stored");
    let again = store.entries(&question).await.expect("read");
    assert_ne!(again[0].subject.as_ref().map(|who| &who.id), all[0].subject.as_ref().map(|who| &who.id));
}

#[tokio::test]
async fn no_address_stands_in_the_database() {
    let (store, folder) = house(3).await;
    let customer = Entry { customer: CustomerId::parse("ann@example.com").ok(), ..entry(7, "ann") };
    store.append(&[customer]).await.expect("stored");
    let question = Question { customer: CustomerId::parse("ann@example.com").ok(), most: 9, ..Question::default() };
    let entries = store.entries(&question).await.expect("read");
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].customer.as_deref(), Some("ann@example.com"), "a customer who is a person is one here too");
    store.close().await;
    let bytes = std::fs::read(folder.path().join("store.db")).expect("read");
    assert!(!bytes.windows(11).any(|part| part == b"example.com"), "addresses are sealed");
}

#[tokio::test]
async fn entries_are_found_by_what_they_tell() {
    let (store, _folder) = house(6).await;
    let other = Entry { app: AppName::parse("shop").ok(), event: Cow::Borrowed("logged_out"), ..entry(6, "cat") };
    store.append(&[other]).await.expect("stored");
    let check = async |question: Question, expected: &[u64]| {
        let entries = store.entries(&Question { most: 3, ..question.clone() }).await.expect("read");
        let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, expected, "{question:?}");
    };
    let all = Question::default();
    check(all.clone(), &[1, 2, 3]).await;
    check(Question { beyond: Some(3), ..all.clone() }, &[4, 5, 6]).await;
    check(Question { order: Order::NewestFirst, ..all.clone() }, &[7, 6, 5]).await;
    check(Question { order: Order::NewestFirst, beyond: Some(3), ..all.clone() }, &[2, 1]).await;
    check(Question { app: AppName::parse("shop").ok(), ..all.clone() }, &[7]).await;
    check(Question { event: Some("logged_out".to_owned()), ..all.clone() }, &[7]).await;
    check(Question { since: Some(at(4)), until: Some(at(6)), ..all.clone() }, &[5, 6]).await;
    check(Question { person: Some(email("bob")), since: Some(at(2)), ..all.clone() }, &[4, 6]).await;
    check(Question { person: Some(email("nobody")), ..all.clone() }, &[]).await;
    check(Question { customer: CustomerId::parse("43").ok(), ..all }, &[]).await;
}

#[tokio::test]
async fn two_processes_write_one_chain() {
    let (store, folder) = house(1).await;
    let lock = store.lock().expect("a lock");
    let successor = crate::store::open_after(folder.path(), lock).await.expect("opens");
    let write = async |store: &SqliteStore, name: &str| {
        for second in 0..40 {
            store.append(&[entry(second, name), entry(second, "both")]).await.expect("stored");
        }
    };
    tokio::join!(write(&store, "old"), write(&successor, "new"));
    assert_eq!(found(&store).await, "161 whole, 1..=161");
}

fn text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[a-c]{0,3}")
}

fn columns() -> impl Strategy<Value = Columns> {
    let person = || proptest::option::of(proptest::array::uniform16(0..3_u8));
    let texts = proptest::collection::vec(text(), 6);
    (0..4_i64, 0..4_i64, "[a-c]{0,3}", person(), person(), person(), texts).prop_map(
        |(number, at, event, actor_person, subject, customer_person, texts)| {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().flatten();
            Columns {
                number,
                at,
                event,
                actor: "person".to_owned(),
                actor_person,
                actor_token: next(),
                subject,
                app: next(),
                customer: next(),
                customer_person,
                client: next(),
                domain: next(),
                request: next(),
                facts: "{}".to_owned(),
            }
        },
    )
}

proptest! {
    #[test]
    fn no_two_rows_are_written_alike(one in columns(), other in columns()) {
        let seal = SealKey::new([1; 32]);
        let is_same = format!("{one:?}") == format!("{other:?}");
        prop_assert_eq!(one.hash(&seal, &[0; 32]) == other.hash(&seal, &[0; 32]), is_same);
        prop_assert_ne!(one.hash(&seal, &[0; 32]), one.hash(&seal, &[1; 32]));
    }
}
