//! The table of customers is in a PostgreSQL database.

use crate::house::{House, eventually, printed};
use crate::sql_server::{
    Database, Kind, a_customers_people_are_found, all_hold, apps, every_spelling_is_found, house, house_with,
};

/// A row with a column of every ordinary kind, and some that are not.
const KINDS: &str = "
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN rank AS integer CHECK (VALUE > 0);
CREATE DOMAIN high AS rank;
CREATE TABLE people (
  id bigint PRIMARY KEY, email citext, company_id text, company text, full_name text, status text, lang text, history_days integer,
  v varchar(20), c char(10), n name, s smallint, i integer, b bigint, r real, d double precision, num numeric, num2 numeric(8,2),
  yes boolean, no boolean, day date, t time, ts timestamp, tz timestamptz, u uuid, j json, jb jsonb, m mood, k rank, h high,
  ip inet, net cidr, mac macaddr, texts text[], numbers integer[], days date[], moods mood[], grid integer[][], empty_list text[],
  nothing text, raw bytea, span interval, area box, nan numeric, endless timestamptz);
INSERT INTO people VALUES (
  7, 'Ann@Example.com', '42', 'Acme', 'Ann', 'active', 'en', 30,
  'v', 'c', 'n', 1, -2, 9007199254740993, 1.1, 2.5, 12345678901234567890.123456789, 10.50,
  true, false, '2026-01-02', '03:04:05', '2026-01-02 03:04:05', '2026-01-02 03:04:05+02', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
  '{\"a\": [1, 2.5, \"x\", null, true]}', '{\"deep\": {\"er\": 1}}', 'glad', 3, 4,
  '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '{a,NULL,\"b c\"}', '{1,2}', '{2026-01-02}', '{sad,glad}', '{{1,2},{3,4}}', '{}',
  NULL, 'x', '1 day', '(1,1),(0,0)', 'NaN', 'infinity');
CREATE INDEX ON people (lower(email COLLATE \"C\"))";

/// What conditions see of it.
const SEEN: &[&str] = &[
    "row.id == 7",
    "row.email == 'Ann@Example.com'",
    "row.v == 'v' && row.c == 'c' && row.n == 'n'",
    "row.s == 1 && row.i == -2 && row.b == 9007199254740993",
    "row.r == 1.1 && row.d == 2.5",
    "row.num > 12345678901234000000.0 && row.num2 == 10.5",
    "row.yes && !row.no",
    "row.day == timestamp('2026-01-02T00:00:00Z')",
    "row.t == '03:04:05'",
    "row.ts == timestamp('2026-01-02T03:04:05Z')",
    "row.tz == timestamp('2026-01-02T01:04:05Z')",
    "row.u == 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
    "row.j.a[0] == 1 && row.j.a[1] == 2.5 && row.j.a[2] == 'x' && row.j.a[3] == null && row.j.a[4]",
    "row.jb.deep.er == 1",
    "row.m == 'glad' && row.k == 3 && row.h == 4",
    "row.ip == '10.0.0.1' && row.net == '10.0.0.0/8' && row.mac == '08:00:2b:01:02:03'",
    "row.texts == ['a', null, 'b c'] && 'a' in row.texts",
    "row.numbers == [1, 2] && row.numbers[1] + 1 == 3",
    "row.days[0] == timestamp('2026-01-02T00:00:00Z')",
    "row.moods == ['sad', 'glad'] && row.grid[1][0] == 3 && size(row.empty_list) == 0",
    "row.nothing == null",
    "row.raw == null && row.span == null && row.area == null && row.nan == null && row.endless == null",
];

#[tokio::test]
async fn people_enter_from_a_database() {
    let (house, _database) = house(Kind::Postgres).await;
    let ann = house.browser("orders.test");
    ann.log_in_as(" Ann@Example.COM ", "ann@example.com").await;
    ann.navigate("/").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.header("x-access-customer"), Some("42"), "a number is a customer's name, too");
    assert_eq!(seen.header("x-access-days-back"), Some("30"));
    assert_eq!(seen.header("x-access-customer-name"), Some("Acme Ltd"));
}

#[tokio::test]
async fn every_type_arrives_as_what_it_is() {
    let database = Database::new(Kind::Postgres).await;
    database.run(KINDS).await;
    let house = House::plan(&apps(&database.url())).furnish().await;
    all_hold(&house, SEEN);
    let checked = printed(&house.command(&["check", "--data"]));
    for column in ["raw", "span", "area", "nan", "endless"] {
        assert!(checked.contains(&format!("column `{column}`")), "{column}: {checked}");
    }
    assert!(!checked.contains("column `nothing`"), "{checked}");
    assert!(!checked.contains("no index"), "a small table is no reason to complain: {checked}");
}

#[tokio::test]
async fn every_spelling_of_an_address_is_found() {
    every_spelling_is_found(Kind::Postgres).await;
}

#[tokio::test]
async fn a_customers_people_are_found_however_its_key_is_kept() {
    a_customers_people_are_found(Kind::Postgres).await;
}

#[tokio::test]
async fn the_session_may_only_read_and_gives_up_in_time() {
    let database = Database::new(Kind::Postgres).await;
    database.fill(crate::house::PEOPLE).await;
    database
        .run(
            "CREATE VIEW settings AS SELECT *, current_setting('transaction_read_only') AS read_only,
               current_setting('statement_timeout') AS most, current_setting('application_name') AS who FROM people",
        )
        .await;
    let config = apps(&database.url()).replace("\"people\"", "\"settings\"");
    let house = House::plan(&config.replace("refresh = \"1s\"", "timeout = \"7s\"")).furnish().await;
    all_hold(&house, &["row.read_only == 'on' && row.most == '8s' && row.who == 'vestibule'"]);
}

#[tokio::test]
async fn a_changed_row_counts_within_the_refresh() {
    let (house, database) = house(Kind::Postgres).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    database.run("UPDATE people SET status = 'left' WHERE email = 'ann@example.com'").await;
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;

    database.run("INSERT INTO people (email, company_id, status) VALUES ('new@example.com', 42, 'active')").await;
    house.browser("orders.test").log_in("new@example.com").await;
}

#[tokio::test]
async fn an_address_is_a_value_and_never_sql() {
    let (house, database) = house(Kind::Postgres).await;
    let thief = house.browser("orders.test");
    for email in ["x'OR'1'='1@example.com", "%@example.com", "_nn@example.com", "ann@example.com'--@example.com"] {
        thief.post("/.access/login", &[("email", email), ("to", "/")]).await;
    }
    house.browser("orders.test").log_in("bob@example.com").await;
    assert_eq!(house.mail.all().await.len(), 1);
    database.run("SELECT * FROM people").await;
}

#[tokio::test]
async fn many_who_wait_for_one_person_ask_the_server_once_and_strangers_are_remembered() {
    let database = Database::new(Kind::Postgres).await;
    database.fill(crate::house::PEOPLE).await;
    database.run(&format!("ALTER DATABASE {} SET log_statement = 'all'", database.name)).await;
    let config = apps(&database.url()).replace("refresh = \"1s\"", "refresh = \"10m\"\nmax_stale = \"15m\"");
    let house = House::start(&config).await;
    let questions = || database.log().iter().filter(|line| line.contains("UNION ALL")).count();
    assert_eq!(questions(), 0);
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    assert_eq!(questions(), 1, "one log-in is one question");
    let requests = (0..40).map(|_| ann.fetch("/"));
    for answer in futures_util::future::join_all(requests).await {
        answer.expect(200);
    }
    for _ in 0..3 {
        house.browser("orders.test").post("/.access/login", &[("email", "nobody@example.com"), ("to", "/")]).await;
    }
    // Attempts are answered in their order, so what was asked for before is settled now.
    house.browser("orders.test").log_in("bob@example.com").await;
    assert_eq!(questions(), 3, "a stranger is one question, however often, and bob is one");
}

#[tokio::test]
async fn a_table_in_another_schema_and_a_view_are_read_with_no_more_than_they_grant() {
    let database = Database::new(Kind::Postgres).await;
    database
        .run(
            "CREATE SCHEMA crm; CREATE SCHEMA hidden;
             CREATE TABLE hidden.contacts (mail text, firm int, secret text);
             CREATE INDEX ON hidden.contacts (lower(mail COLLATE \"C\"));
             INSERT INTO hidden.contacts VALUES ('ann@example.com', 42, 'x');
             CREATE VIEW crm.\"odd.Name\" AS SELECT mail AS email, firm AS company_id, 'active'::text AS status, NULL::text AS company,
               NULL::text AS full_name, NULL::text AS lang, 7 AS history_days FROM hidden.contacts;
             GRANT USAGE ON SCHEMA crm TO vestibule; GRANT SELECT ON crm.\"odd.Name\" TO vestibule;
             CREATE TABLE crm.part (email text, company_id int, status text, company text, full_name text, lang text, history_days int, secret text);
             INSERT INTO crm.part VALUES ('ann@example.com', 43, 'active');
             GRANT SELECT (email, company_id, status, company, full_name, lang, history_days) ON crm.part TO vestibule",
        )
        .await;
    for (table, customer) in [("'crm.\"odd.Name\"'", "42"), ("\"crm.part\"", "43")] {
        let config = apps(&database.url()).replace("\"people\"", table);
        let house = House::start(&config).await;
        let ann = house.browser("orders.test");
        ann.log_in("ann@example.com").await;
        ann.fetch("/").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-customer"), Some(customer));
        let checked = house.command(&["check", "--data"]);
        assert!(checked.status.success(), "{}", printed(&checked));
        assert_eq!(printed(&checked).contains("no index serves"), customer == "43", "{}", printed(&checked));
    }
}

#[tokio::test]
async fn a_table_that_gets_other_columns_is_asked_on() {
    let (house, database) =
        house_with(Kind::Postgres, |apps| apps.replace("refresh = \"1s\"", "refresh = \"10m\"\nmax_stale = \"15m\""))
            .await;
    house.browser("orders.test").log_in("ann@example.com").await;
    database.run("ALTER TABLE people DROP COLUMN title; ALTER TABLE people ADD COLUMN remark int").await;
    house.browser("orders.test").log_in("bob@example.com").await;
    assert_eq!(house.admin("/readyz").await.json()["status"], "ready");
}

#[tokio::test]
async fn the_server_is_known_by_its_certificate() {
    let database = Database::new(Kind::Postgres).await;
    database.fill(crate::house::PEOPLE).await;
    let config = apps(&format!("{}?sslmode=verify-full&sslrootcert=CA", database.url()));
    let mut house = House::plan(&config).furnish().await;
    house.write("db-ca.pem", database.ca());
    house.write("other.pem", crate::pki::Authority::new("Another CA").pem);
    let text = std::fs::read_to_string(house.config()).expect("the config is there");
    let trust = |name: &str| {
        let ca = house.dir.path().join(name).display().to_string();
        std::fs::write(house.config(), text.replace("sslrootcert=CA", &format!("sslrootcert={ca}"))).expect("writable");
    };
    trust("other.pem");
    let refused = printed(&house.command(&["check", "--data"]));
    assert!(refused.contains("certificate"), "{refused}");
    assert!(!refused.contains("reader-secret"), "{refused}");
    trust("db-ca.pem");
    house.start_again().await;
    house.browser("orders.test").log_in("ann@example.com").await;
}
