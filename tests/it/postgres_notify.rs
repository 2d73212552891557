//! A PostgreSQL server tells of changes, and they count at once.

use std::time::{Duration, Instant};

use crate::house::{House, PEOPLE, eventually};
use crate::sql_server::{Database, Kind, Relay, Server, apps};

/// As docs/tables.md has it.
fn trigger() -> String {
    let docs = include_str!("../../docs/tables.md");
    let (_, rest) = docs.split_once("```sql notify\n").expect("the docs have the trigger");
    let (sql, _) = rest.split_once("```").expect("a block ends");
    sql.replace("crm.contacts", "people")
}

/// A source that would not look again for an hour.
fn patient(url: &str) -> String {
    apps(url)
        .replace("refresh = \"1s\"", "refresh = \"1h\"\nmax_stale = \"1h\"\ntimeout = \"1s\"\nnotify = \"customers\"")
}

/// A gateway that hears already: once it begins to, all answers are old, and a test's own word would not be the first.
async fn hearing(config: &str) -> House {
    let house = House::start(config).await;
    // A busy server may have let the first attempt wait for too long: then it says that it listens again.
    eventually("the gateway hears", async || house.log.text().contains("listening ").then_some(())).await;
    house
}

/// How often the gateway has lost its connection, and how often it has begun to listen.
fn breaks(house: &House) -> (usize, usize) {
    let text = house.log.text();
    (text.matches("no notifications until").count(), text.matches("listening ").count())
}

async fn is_out(house: &House, ann: &crate::browser::Browser) {
    let start = Instant::now();
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;
    assert!(start.elapsed() < Duration::from_secs(3), "it took {:?}", start.elapsed());
    assert_eq!(house.admin("/readyz").await.json()["status"], "ready");
}

#[tokio::test]
async fn a_change_counts_at_once_for_the_one_it_concerns() {
    let database = Database::new(Kind::Postgres).await;
    database.fill(PEOPLE).await;
    database.run(&trigger()).await;
    database.run(&format!("ALTER DATABASE {} SET log_statement = 'all'", database.name)).await;
    let house = hearing(&patient(&database.url())).await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    bob.log_in("bob@example.com").await;
    ann.fetch("/").await.expect(200);
    bob.fetch("/").await.expect(200);
    let questions = || database.log().iter().filter(|line| line.contains("UNION ALL")).count();
    let before = questions();
    database.run("UPDATE people SET status = 'left' WHERE email = 'ann@example.com'").await;
    is_out(&house, &ann).await;
    bob.fetch("/").await.expect(200);
    let page = ann.navigate("/").await;
    assert!(matches!(page.status, 303 | 403), "no redirect loop: {}", page.status);
    assert_eq!(questions(), before + 1, "bob's answer is as good as before");

    // A role, a customer or days back change as quickly.
    database.run("UPDATE people SET company_id = 77 WHERE email = 'bob@example.com'").await;
    eventually("he is of another customer", async || {
        bob.fetch("/").await;
        (house.upstream.last().header("x-access-customer") == Some("77") || bob.fetch("/").await.status != 200)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn any_other_word_makes_all_answers_old() {
    let database = Database::new(Kind::Postgres).await;
    database.fill(PEOPLE).await;
    let house = hearing(&patient(&database.url())).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    database.run("DELETE FROM people WHERE email = 'ann@example.com'").await;
    ann.fetch("/").await.expect(200);
    database.run("SELECT pg_notify('customers', 'import finished')").await;
    is_out(&house, &ann).await;
    // Who is new is let in, too.
    house.browser("orders.test").ask_for_mail("new@example.com").await;
    database
        .run(
            "INSERT INTO people (email, company_id, status) VALUES ('new@example.com', 42, 'active'); NOTIFY customers",
        )
        .await;
    eventually("a stranger's answer is old as well", async || {
        house.browser("orders.test").ask_for_mail("new@example.com").await;
        (house.mail.count_to("new@example.com").await > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_while_the_listener_was_away_counts_once_it_is_back() {
    let mut server = tokio::task::block_in_place(|| Server::start(Kind::Postgres));
    let database = server.database().await;
    database.fill(PEOPLE).await;
    let house = hearing(&patient(&database.url())).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let (lost, heard) = breaks(&house);
    server.kill();
    eventually("the gateway knows", async || (breaks(&house).0 > lost).then_some(())).await;
    assert_eq!(house.admin("/readyz").await.json()["status"], "degraded");
    ann.fetch("/").await.expect(200);
    server.start_again();
    database.run("DELETE FROM people WHERE email = 'ann@example.com'").await;
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;
    eventually("it listens again", async || (breaks(&house).1 > heard).then_some(())).await;
    house.browser("orders.test").log_in("bob@example.com").await;
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_found_out() {
    let database = Database::new(Kind::Postgres).await;
    database.fill(PEOPLE).await;
    let relay = Relay::start(database.port()).await;
    let config = patient(&database.url_at(relay.port())).replace("refresh = \"1h\"", "refresh = \"2s\"");
    let house = hearing(&config).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let (lost, heard) = breaks(&house);
    relay.fall_silent();
    eventually("the gateway knows", async || {
        ann.fetch("/").await.expect(200);
        (breaks(&house).0 > lost).then_some(())
    })
    .await;
    relay.speak();
    eventually("it listens again", async || (breaks(&house).1 > heard).then_some(())).await;
    database.run("DELETE FROM people WHERE email = 'ann@example.com'; NOTIFY customers").await;
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;
}
