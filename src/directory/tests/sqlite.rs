//! SQLite databases: odd names, types, spellings, and databases that vanish, empty or are replaced.

use super::*;
use crate::policy::{CustomerList, Value};

const CRM: &str = r#"
[source.crm]
url = "sqlite:crm.db"
refresh = "30s"
max_stale = "15m"
[app.orders]
domains = ["orders.example.com"]
upstream = "http://127.0.0.1:1"
[[app.orders.customers]]
source = "crm"
table = "contacts"
email = "email"
customer = "company"
role = { column = "role" }
"#;

const CONTACTS: &str = "
CREATE TABLE contacts (email TEXT, company INTEGER, role TEXT);
CREATE INDEX contacts_email ON contacts (email COLLATE NOCASE);
INSERT INTO contacts VALUES ('ann@example.com', 1, 'user'), ('bob@example.com', 2, 'admin'), ('ann@example.com', 3, NULL);
";

async fn house() -> House {
    let house = House::new(CRM, &[]);
    execute(&mut house.database("crm.db").await, CONTACTS).await;
    house
}

fn list_of(house: &House) -> CustomerList {
    let lists = house.directory.lists(&orders()).expect("the app");
    lists.app.policy.lists.first().expect("a list").clone()
}

#[tokio::test]
async fn rows_become_grants() {
    let house = house().await;
    assert_eq!(house.roles("ANN@example.com").await, "user@1 user@3");
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    assert_eq!(house.roles("eve@example.com").await, "");
    assert!(house.is_available());
    let known = house.known("eve@example.com").await.expect("known");
    assert_eq!(known.fresh_until, after(house.now, Duration::from_secs(30)));
}

#[tokio::test]
async fn values_keep_their_types() {
    let house = House::new(CRM, &[]);
    let mut writer = house.database("crm.db").await;
    execute(
        &mut writer,
        "CREATE TABLE contacts (email TEXT, company INT, role TEXT, yes BOOLEAN, no bool, odd BOOLEAN, real REAL, big INTEGER, day DATE, raw BLOB, bad TEXT, untyped);
         INSERT INTO contacts VALUES ('ann@example.com', 1, NULL, 1, 0, 7, 1.5, 9007199254740993, '2026-01-02', x'00ff', CAST(x'ff' AS TEXT), 3)",
    )
    .await;
    let known = house.known("ann@example.com").await.expect("known");
    let row = &known.grants.first().expect("a grant").row;
    for (column, expected) in [
        ("role", Value::Null),
        ("company", Value::Int(1)),
        ("yes", Value::Bool(true)),
        ("no", Value::Bool(false)),
        ("odd", Value::Int(7)),
        ("real", Value::Float(1.5)),
        ("big", Value::Int(9_007_199_254_740_993)),
        ("day", Value::from("2026-01-02")),
        ("raw", Value::Null),
        ("bad", Value::Null),
        ("untyped", Value::Int(3)),
    ] {
        assert_eq!(row.0.get(column), Some(&expected), "{column}");
    }
    assert_eq!(row.0.len(), 12, "the rowid is no column of the row");
}

#[tokio::test]
async fn names_are_quoted_and_never_taken_for_texts() {
    let odd = CRM.replace("\"contacts\"", "'we\"ird; DROP TABLE x'").replace("email = \"email\"", "email = 'e\"m ail'");
    let house = House::new(&odd, &[]);
    let mut writer = house.database("crm.db").await;
    execute(
        &mut writer,
        r#"CREATE TABLE "we""ird; DROP TABLE x" ("e""m ail" TEXT, company INTEGER, role TEXT);
           INSERT INTO "we""ird; DROP TABLE x" VALUES ('ann@example.com', 1, 'user')"#,
    )
    .await;
    assert_eq!(house.roles("ann@example.com").await, "user@1");

    // SQLite takes an unknown "name" for a text, which every address would be compared with.
    let house = House::new(&CRM.replace("email = \"email\"", "email = \"mail\""), &[]);
    execute(&mut house.database("crm.db").await, CONTACTS).await;
    let roles = house.roles("ann@example.com").await;
    assert_eq!(roles, "unavailable: the table has no column `mail`; it has email, company, role");
    assert!(!house.is_available());
    let house = House::new(&CRM.replace("\"contacts\"", "\"contact\""), &[]);
    execute(&mut house.database("crm.db").await, CONTACTS).await;
    assert_eq!(house.roles("ann@example.com").await, "unavailable: there is no table `contact`");
}

#[tokio::test]
async fn a_column_that_is_gone_is_told() {
    let mut house = house().await;
    assert_eq!(house.roles("ann@example.com").await, "user@1 user@3");
    assert_eq!(house.state(), SourceState::Fresh);
    let mut writer = house.database("crm.db").await;
    execute(&mut writer, "ALTER TABLE contacts RENAME COLUMN role TO level").await;
    house.pass(31);
    assert_eq!(house.roles("ann@example.com").await, "user@1 user@3", "who is known goes on");
    assert!(matches!(house.state(), SourceState::Stale { .. }));
    execute(&mut writer, "ALTER TABLE contacts RENAME COLUMN level TO role").await;
    house.pass(31);
    assert_eq!(house.roles("ann@example.com").await, "user@1 user@3");
    assert_eq!(house.state(), SourceState::Fresh);
}

#[tokio::test]
async fn every_spelling_of_an_address_is_found() {
    let house = house().await;
    let mut writer = house.database("crm.db").await;
    execute(
        &mut writer,
        "DELETE FROM contacts; INSERT INTO contacts VALUES
            ('  Space@Example.com ', 1, 'user'), ('space@example.com' || char(9), 2, 'user'),
            (char(160) || 'SPACE@EXAMPLE.COM' || char(160), 3, 'user'), (char(10) || 'space@example.com.', 4, 'user'),
            ('space@example.com.au', 5, 'user'), ('space@example.co', 6, 'user'), ('xspace@example.com', 7, 'user'),
            ('info@bücher.example', 1, 'user'), ('Info@BÜCHER.example', 2, 'user'), ('info@xn--bcher-kva.example', 3, 'user'),
            ('info@other.example', 4, 'user'), ('', 8, 'user'), (NULL, 9, 'user'), (5, 10, 'user')",
    )
    .await;
    let sorted = async |email: &str| {
        let roles = house.roles(email).await;
        let mut roles: Vec<&str> = roles.split(' ').collect();
        roles.sort_unstable();
        roles.join(" ")
    };
    assert_eq!(sorted("space@example.com").await, "user@1 user@2 user@3 user@4");
    assert_eq!(sorted("info@bücher.example").await, "user@1 user@2 user@3");
    assert_eq!(sorted("space@example.co").await, "user@6");
}

#[tokio::test]
async fn the_question_is_served_by_the_documented_index() {
    for (sql, is_served) in [
        (CONTACTS, true),
        ("CREATE TABLE contacts (email TEXT COLLATE NOCASE UNIQUE, company, role)", true),
        ("CREATE TABLE contacts (email TEXT, company, role)", false),
        ("CREATE TABLE contacts (email TEXT UNIQUE, company, role)", false),
    ] {
        let house = House::new(CRM, &[]);
        execute(&mut house.database("crm.db").await, sql).await;
        house.directory.look().await;
        let source = house.directory.first_source();
        let advice = source.advice(&list_of(&house)).await;
        assert_eq!(advice.is_none(), is_served, "{sql}: {advice:?}");
        let index = "`CREATE INDEX … ON \"contacts\" (\"email\" COLLATE NOCASE)`";
        assert!(advice.is_none_or(|advice| advice.contains(index)));
    }
}

#[tokio::test]
async fn views_and_tables_without_rowid_are_read_too() {
    for sql in [
        "CREATE TABLE t (email TEXT, company INTEGER, role TEXT); INSERT INTO t VALUES ('ann@example.com', 1, 'user'); CREATE VIEW contacts AS SELECT * FROM t",
        "CREATE TABLE contacts (email TEXT PRIMARY KEY, company INTEGER, role TEXT) WITHOUT ROWID; INSERT INTO contacts VALUES ('ann@example.com', 1, 'user')",
    ] {
        let house = House::new(CRM, &[]);
        execute(&mut house.database("crm.db").await, sql).await;
        assert_eq!(house.roles("ann@example.com").await, "user@1", "{sql}");
    }
}

#[tokio::test]
async fn who_is_removed_from_the_table_is_out_within_refresh() {
    let mut house = house().await;
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    execute(&mut house.database("crm.db").await, "DELETE FROM contacts WHERE company = 2").await;
    house.pass(29);
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    house.pass(1);
    assert_eq!(house.roles("bob@example.com").await, "");
}

#[tokio::test]
async fn attack_22_a_database_that_fails_is_bridged_until_max_stale() {
    for garbage in [None, Some("this is no database, but a text that somebody put there instead of one")] {
        let mut house = house().await;
        assert_eq!(house.roles("bob@example.com").await, "admin@2");
        assert_eq!(house.roles("eve@example.com").await, "");
        match garbage {
            None => std::fs::remove_file(house.path("crm.db")).expect("removed"),
            Some(text) => house.replace("crm.db", text),
        }
        house.pass(60);
        assert_eq!(house.roles("bob@example.com").await, "admin@2", "{garbage:?}");
        assert!(house.roles("ann@example.com").await.starts_with("unavailable"), "never asked for before");
        assert!(house.roles("eve@example.com").await.starts_with("unavailable"), "strangers are not remembered");
        assert!(matches!(house.state(), SourceState::Stale { .. }));
        house.pass(15 * 60 - 61);
        let known = house.known("bob@example.com").await.expect("known");
        assert_eq!(known.fresh_until, after(house.now, Duration::from_secs(1)));
        house.pass(1);
        assert!(house.roles("bob@example.com").await.starts_with("unavailable"), "{garbage:?}");
        assert!(!house.is_available());
        let new = house.path("new.db");
        execute(&mut house.database("new.db").await, CONTACTS).await;
        std::fs::rename(new, house.path("crm.db")).expect("renamed");
        house.live(1).await;
        assert_eq!(house.roles("bob@example.com").await, "admin@2", "{garbage:?}");
        assert!(house.is_available());
    }
}

#[tokio::test]
async fn a_replaced_database_is_read_at_once() {
    let mut house = house().await;
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    execute(&mut house.database("new.db").await, CONTACTS).await;
    execute(&mut house.database("new.db").await, "UPDATE contacts SET role = 'user'").await;
    std::fs::rename(house.path("new.db"), house.path("crm.db")).expect("renamed");
    house.pass(1);
    assert_eq!(house.roles("ann@example.com").await, "user@1 user@3");
    house.pass(29);
    assert_eq!(house.roles("bob@example.com").await, "user@2");
}

#[tokio::test]
async fn attack_22_a_suddenly_empty_table_locks_nobody_out_before_max_stale() {
    let mut house = house().await;
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    // Before the next look at the table, too.
    execute(&mut house.database("crm.db").await, "DELETE FROM contacts").await;
    for _ in 0..20 {
        house.pass(30);
        assert_eq!(house.roles("bob@example.com").await, "admin@2");
    }
    let health = house.directory.first_source().health(house.now);
    assert!(health.problem.expect("a problem").contains("suddenly 0 rows where there were 3"));
    house.pass(300);
    assert_eq!(house.roles("bob@example.com").await, "", "a table that stays empty is meant to be");
    assert_eq!(house.state(), SourceState::Fresh);
}

#[tokio::test]
async fn a_database_that_others_write_is_read_and_never_written() {
    let house = house().await;
    let mut writer = house.database("crm.db").await;
    execute(&mut writer, "PRAGMA journal_mode = WAL; INSERT INTO contacts VALUES ('wal@example.com', 5, 'user')").await;
    execute(&mut writer, "BEGIN IMMEDIATE; DELETE FROM contacts").await;
    assert_eq!(house.roles("wal@example.com").await, "user@5");
    execute(&mut writer, "ROLLBACK").await;
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
}

#[tokio::test]
async fn one_question_serves_all_who_wait_for_it() {
    let house = house().await;
    let all = join_all((0..50).map(|_| house.known("bob@example.com"))).await;
    let first = all.first().expect("one").as_ref().expect("known");
    assert!(all.iter().all(|known| Arc::ptr_eq(known.as_ref().expect("known"), first)));
}

#[tokio::test]
async fn a_failing_source_is_not_asked_by_everybody_in_turn() {
    let house = House::new(CRM, &[]);
    let emails: Vec<String> = (0..50).map(|n| format!("p{n}@example.com")).collect();
    let all = join_all(emails.iter().map(|email| house.known(email))).await;
    assert!(all.iter().all(Result::is_err));
}
