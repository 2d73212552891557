//! A database server is killed, hangs, comes back, or has its table emptied: known people go on, new ones are told to try again, and
//! nobody is let in by it (attack case 22).

use std::time::Duration;

use crate::house::{House, PEOPLE, eventually};
use crate::sql_server::{Database, Kind, Relay, Server, Silence, apps, house};

async fn readiness(house: &House) -> String {
    house.admin("/readyz").await.json()["status"].as_str().expect("a word").to_owned()
}

async fn eventually_is(house: &House, expected: &str) {
    eventually(&format!("it is {expected}"), async || (readiness(house).await == expected).then_some(())).await;
}

/// What somebody is told who asks to log in while the table cannot be asked.
async fn asks_in_vain(house: &House, email: &str) {
    let mails = house.mail.count_to(email).await;
    house.browser("orders.test").post("/.access/login", &[("email", email), ("to", "/")]).await;
    assert_eq!(house.mail.count_to(email).await, mails);
}

async fn attack_22_a_server_that_is_killed_and_comes_back(kind: Kind) {
    let mut server = tokio::task::block_in_place(|| Server::start(kind));
    let database = server.database().await;
    database.fill(PEOPLE).await;
    let house =
        House::start(&apps(&database.url()).replace("refresh = \"1s\"", "refresh = \"1s\"\ntimeout = \"2s\"")).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    eventually_is(&house, "ready").await;

    server.kill();
    eventually_is(&house, "degraded").await;
    assert!(house.metric(&["source_up", "crm"]).await < 1.0);
    for _ in 0..20 {
        ann.fetch("/").await.expect(200);
    }
    let answer = house.admin("/readyz").await;
    assert_eq!(answer.status, 200, "whoever is known is served: {}", answer.text());
    assert!(answer.text().contains("crm") && !answer.text().contains("reader-secret"), "{}", answer.text());
    asks_in_vain(&house, "bob@example.com").await;

    server.start_again();
    eventually_is(&house, "ready").await;
    ann.fetch("/").await.expect(200);
    house.browser("orders.test").log_in("bob@example.com").await;
    database.run("DELETE FROM people WHERE email = 'ann@example.com'").await;
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_22_a_postgres_that_is_killed_and_comes_back() {
    attack_22_a_server_that_is_killed_and_comes_back(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_22_a_mariadb_that_is_killed_and_comes_back() {
    attack_22_a_server_that_is_killed_and_comes_back(Kind::MariaDb).await;
}

async fn attack_22_a_server_that_falls_silent_in_the_middle(kind: Kind) {
    let database = Database::new(kind).await;
    database.fill(PEOPLE).await;
    let relay = Relay::start(database.port()).await;
    let config = apps(&database.url_at(relay.port())).replace("refresh = \"1s\"", "refresh = \"1s\"\ntimeout = \"1s\"");
    let house = House::start(&config).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);

    relay.fall_silent();
    eventually_is(&house, "degraded").await;
    for _ in 0..5 {
        let asked = std::time::Instant::now();
        ann.fetch("/").await.expect(200);
        assert!(asked.elapsed() < Duration::from_millis(900), "nobody waits for it again and again");
    }
    asks_in_vain(&house, "bob@example.com").await;
    relay.speak();
    eventually_is(&house, "ready").await;
    house.browser("orders.test").log_in("bob@example.com").await;
}

#[tokio::test]
async fn attack_22_a_postgres_that_falls_silent_in_the_middle() {
    attack_22_a_server_that_falls_silent_in_the_middle(Kind::Postgres).await;
}

#[tokio::test]
async fn attack_22_a_mariadb_that_falls_silent_in_the_middle() {
    attack_22_a_server_that_falls_silent_in_the_middle(Kind::MariaDb).await;
}

#[tokio::test]
async fn a_server_that_never_says_a_word_keeps_the_gateway_from_nothing_else() {
    let silence = Silence::start().await;
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://vestibule:reader-secret@127.0.0.1:{}/crm", silence.port());
        let house =
            House::start(&apps(&url).replace("refresh = \"1s\"", "refresh = \"1s\"\ntimeout = \"500ms\"")).await;
        house.door.secret("reader-secret");
        eventually_is(&house, "not ready").await;
        house.admin("/healthz").await.expect(200);
        let page = house.browser("orders.test").navigate("/.access/login").await;
        page.expect(200);
        asks_in_vain(&house, "ann@example.com").await;
        let told = house.admin("/readyz").await.text();
        assert!(told.contains("no answer within 500ms"), "{told}");
    }
}

#[tokio::test]
async fn who_is_known_goes_on_until_max_stale_and_no_longer() {
    let database = Database::new(Kind::Postgres).await;
    database.fill(PEOPLE).await;
    let relay = Relay::start(database.port()).await;
    let terms = "refresh = \"1s\"\nmax_stale = \"4s\"\ntimeout = \"500ms\"";
    let house = House::start(&apps(&database.url_at(relay.port())).replace("refresh = \"1s\"", terms)).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    relay.fall_silent();
    eventually_is(&house, "degraded").await;
    ann.fetch("/").await.expect(200);
    eventually("it is too old", async || (ann.fetch("/").await.status != 200).then_some(())).await;
    eventually_is(&house, "not ready").await;
    let seen = house.upstream.count();
    let page = ann.navigate("/").await;
    assert_ne!(page.status, 200);
    assert!(page.text().contains("try again"), "{}", page.text());
    assert_eq!(house.upstream.count(), seen);
    relay.speak();
    eventually("she is back without a new log-in", async || (ann.fetch("/").await.status == 200).then_some(())).await;
}

async fn attack_22_a_suddenly_empty_table(kind: Kind) {
    let (house, database) = house(kind).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    database.run("DELETE FROM people").await;
    eventually("readiness shows it", async || {
        ann.fetch("/").await.expect(200);
        house.admin("/readyz").await.text().contains("suddenly 0 rows").then_some(())
    })
    .await;
    asks_in_vain(&house, "bob@example.com").await;
    database.run("INSERT INTO people (email, company_id, status) VALUES ('bob@example.com', 42, 'active')").await;
    eventually_is(&house, "ready").await;
    house.browser("orders.test").log_in("bob@example.com").await;
    eventually("she is out, for she is not in it", async || (ann.fetch("/").await.status != 200).then_some(())).await;
}

#[tokio::test]
async fn attack_22_a_suddenly_empty_table_in_postgres() {
    attack_22_a_suddenly_empty_table(Kind::Postgres).await;
}

#[tokio::test]
async fn attack_22_a_suddenly_empty_table_in_mariadb() {
    attack_22_a_suddenly_empty_table(Kind::MariaDb).await;
}
