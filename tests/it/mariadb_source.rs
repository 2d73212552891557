//! The table of customers is in a MariaDB database.

use crate::house::{House, eventually, printed};
use crate::sql_server::{Database, Kind, a_customers_people_are_found, all_hold, apps, every_spelling_is_found, house};

/// A row with a column of every ordinary kind, and some that are not.
const KINDS: &str = "
CREATE TABLE people (
  id bigint PRIMARY KEY AUTO_INCREMENT, email varchar(200), company_id varchar(20), company text, full_name text, status text, lang text,
  history_days int, v varchar(20), c char(10), lt longtext, s smallint, i int, b bigint, ub bigint unsigned, y year, f float, d double,
  num decimal(38,9), yes boolean, no tinyint(1), odd tinyint(1), small tinyint, flag bit(1), bits bit(4), day date, t time,
  dt datetime, dt6 datetime(6), ts timestamp NULL, u uuid, j json, m enum('glad','sad'), st set('a','b'), ip inet6, latin varchar(20) CHARACTER SET latin1,
  bin varchar(20) COLLATE utf8mb4_bin, nothing text, raw blob, vb varbinary(4), area point, zero date,
  KEY (email)) DEFAULT CHARSET utf8mb4;
SET SESSION sql_mode = '', time_zone = '+02:00';
INSERT INTO people VALUES (
  7, 'Ann@Example.com', '42', 'Acme', 'Ann', 'active', 'en', 30, 'v', 'c', 'long', -2, 3, 9007199254740993, 18446744073709551615, 2026, 1.5, 2.5,
  1234567890.5, TRUE, FALSE, 7, 1, 1, 5, '2026-01-02', '03:04:05', '2026-01-02 03:04:05', '2026-01-02 03:04:05.25', '2026-01-02 03:04:05',
  'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{\"a\": 1}', 'sad', 'a,b', '::1', 'Übermaß', 'Zoë', NULL, 'x', 'y', POINT(1,1), '0000-00-00')";

/// What conditions see of it.
const SEEN: &[&str] = &[
    "row.id == 7",
    "row.email == 'Ann@Example.com'",
    "row.v == 'v' && row.c == 'c' && row.lt == 'long'",
    "row.s == -2 && row.i == 3 && row.b == 9007199254740993 && row.ub > 18446744073709550000.0 && row.y == 2026",
    "row.f == 1.5 && row.d == 2.5 && row.num == 1234567890.5",
    "row.yes && !row.no && row.odd == 7 && row.small == 1 && row.flag && row.bits == 5",
    "row.day == timestamp('2026-01-02T00:00:00Z') && row.t == '03:04:05'",
    "row.dt == timestamp('2026-01-02T03:04:05Z') && row.dt6 == timestamp('2026-01-02T03:04:05.25Z')",
    "row.ts == timestamp('2026-01-02T01:04:05Z')",
    "row.u == 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
    "row.j.startsWith('{') && row.j.endsWith('1}')",
    "row.m == 'sad' && row.st == 'a,b' && row.ip == '::1'",
    "row.latin == 'Übermaß' && row.bin == 'Zoë'",
    "row.nothing == null",
    "row.raw == null && row.vb == null && row.area == null && row.zero == null",
];

#[tokio::test]
async fn people_enter_from_a_database() {
    let (house, _database) = house(Kind::MariaDb).await;
    let ann = house.browser("orders.test");
    ann.log_in_as(" Ann@Example.COM ", "ann@example.com").await;
    ann.navigate("/").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.header("x-access-customer"), Some("42"), "a number is a customer's name, too");
    assert_eq!(seen.header("x-access-days-back"), Some("30"));
    house.browser("orders.test").log_in("zoe@example.com").await;
}

#[tokio::test]
async fn every_type_arrives_as_what_it_is() {
    let database = Database::new(Kind::MariaDb).await;
    database.run(KINDS).await;
    let house = House::plan(&apps(&database.url())).furnish().await;
    all_hold(&house, SEEN);
    let checked = printed(&house.command(&["check", "--data"]));
    for column in ["raw", "vb", "area", "zero"] {
        assert!(checked.contains(&format!("column `{column}`")), "{column}: {checked}");
    }
    assert!(!checked.contains("column `nothing`"), "{checked}");
    assert!(!checked.contains("no index"), "a small table is no reason to complain: {checked}");
}

#[tokio::test]
async fn every_spelling_of_an_address_is_found() {
    every_spelling_is_found(Kind::MariaDb).await;
}

#[tokio::test]
async fn a_customers_people_are_found_however_its_key_is_kept() {
    a_customers_people_are_found(Kind::MariaDb).await;
}

#[tokio::test]
async fn the_session_may_only_read_and_gives_up_in_time() {
    let database = Database::new(Kind::MariaDb).await;
    database.fill(crate::house::PEOPLE).await;
    for statement in [
        "CREATE FUNCTION read_only() RETURNS int DETERMINISTIC RETURN @@tx_read_only",
        "CREATE FUNCTION most() RETURNS double DETERMINISTIC RETURN @@max_statement_time",
        "CREATE VIEW settings AS SELECT *, read_only() AS read_only, most() AS most FROM people",
        // Without it, MariaDB does not say which columns the view has.
        &format!("GRANT EXECUTE ON {}.* TO vestibule@'%'", database.name),
    ] {
        database.run(statement).await;
    }
    let config = apps(&database.url()).replace("\"people\"", "\"settings\"");
    let house = House::plan(&config.replace("refresh = \"1s\"", "timeout = \"7s\"")).furnish().await;
    all_hold(&house, &["row.read_only == 1 && row.most == 8.0"]);
}

#[tokio::test]
async fn a_changed_row_counts_within_the_refresh() {
    let (house, database) = house(Kind::MariaDb).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    database.run("UPDATE people SET status = 'left' WHERE email = 'ann@example.com'").await;
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;

    database.run("INSERT INTO people (email, company_id, status) VALUES ('new@example.com', 42, 'active')").await;
    house.browser("orders.test").log_in("new@example.com").await;
}

#[tokio::test]
async fn an_address_is_a_value_and_never_a_pattern() {
    let (house, _database) = house(Kind::MariaDb).await;
    let thief = house.browser("orders.test");
    for email in ["x'OR'1'='1@example.com", "%@example.com", "_nn@example.com", "ann@example.com'--@example.com"] {
        thief.post("/.access/login", &[("email", email), ("to", "/")]).await;
    }
    house.browser("orders.test").log_in("bob@example.com").await;
    assert_eq!(house.mail.all().await.len(), 1);
}

#[tokio::test]
async fn check_says_which_tables_are_read_whole() {
    let database = Database::new(Kind::MariaDb).await;
    let columns = "company_id int, company text, full_name text, status text, lang text, history_days int";
    database
        .run(&format!(
            "CREATE TABLE general (email varchar(200) COLLATE utf8mb4_general_ci, {columns}, KEY (email));
             CREATE TABLE unicode (email varchar(200) COLLATE utf8mb4_unicode_ci, {columns}, KEY (email));
             CREATE TABLE uca1400 (email varchar(200) COLLATE utf8mb4_uca1400_ai_ci, {columns}, KEY (email));
             CREATE TABLE latin (email varchar(200) CHARACTER SET latin1, {columns}, KEY (email));
             CREATE VIEW seen AS SELECT * FROM general;
             CREATE TABLE bare (email varchar(200), {columns});
             CREATE TABLE binary_ (email varchar(200) COLLATE utf8mb4_bin, {columns}, KEY (email))"
        ))
        .await;
    for (table, advice) in [
        ("general", None),
        ("unicode", None),
        ("uca1400", None),
        ("latin", None),
        ("seen", None),
        ("bare", Some("`.`bare` (`email`)` mends that")),
        ("binary_", Some("capital")),
    ] {
        let insert = format!("INSERT INTO {table} (email, company_id, status) VALUES");
        // A view's row is its table's.
        if table != "seen" {
            let others = (0..500).map(|number| format!("('p{number}@example.com', 1, 'active')")).collect::<Vec<_>>();
            database.run(&format!("{insert} {}", others.join(", "))).await;
            database.run(&format!("{insert} ('\t Ann@EXAMPLE.com ', 42, 'active')")).await;
        }
        let qualified = format!("{}.{table}", database.name);
        let house =
            House::plan(&apps(&database.url()).replace("\"people\"", &format!("{qualified:?}"))).furnish().await;
        let checked = printed(&house.command(&["check", "--data"]));
        assert_eq!(checked.contains("reads a whole table"), advice.is_some(), "{table}: {checked}");
        assert!(checked.contains(advice.unwrap_or_default()), "{table}: {checked}");
        let explained = house.command(&["explain", "--app", "orders", "--email", "ann@example.com"]);
        assert!(explained.status.success(), "{table}: {}", printed(&explained));
    }
}

#[tokio::test]
async fn the_server_is_known_by_its_certificate() {
    let database = Database::new(Kind::MariaDb).await;
    database.fill(crate::house::PEOPLE).await;
    let house = House::plan(&apps(&format!("{}?ssl-mode=VERIFY_IDENTITY&ssl-ca=CA", database.url()))).furnish().await;
    house.write("db-ca.pem", database.ca());
    house.write("other.pem", crate::pki::Authority::new("Another CA").pem);
    let text = std::fs::read_to_string(house.config()).expect("the config is there");
    let checked = |name: &str| {
        let ca = house.dir.path().join(name).display().to_string();
        std::fs::write(house.config(), text.replace("ssl-ca=CA", &format!("ssl-ca={ca}"))).expect("writable");
        printed(&house.command(&["check", "--data"]))
    };
    let refused = checked("other.pem");
    assert!(refused.contains("certificate"), "{refused}");
    assert!(!refused.contains("reader-secret"), "{refused}");
    let fine = checked("db-ca.pem");
    assert!(!fine.contains("certificate"), "{fine}");
}
