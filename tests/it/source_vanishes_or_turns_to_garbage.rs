//! The table vanishes, turns to garbage or is suddenly empty: nobody is locked out at once, nobody is let in by it.

use crate::house::{House, OPEN, PEOPLE, eventually};

/// The whole of readiness in one word: `ready`, `degraded` (it serves from what it knows) or `not ready`.
async fn readiness(house: &House) -> String {
    let answer = house.admin("/readyz").await;
    let word = answer.json()["status"].as_str().expect("a word").to_owned();
    assert_eq!(answer.status, if word == "not ready" { 503 } else { 200 }, "{}", answer.text());
    word
}

async fn eventually_ready(house: &House) {
    eventually("it is well again", async || (readiness(house).await == "ready").then_some(())).await;
}

/// Whatever happens to the file, who was in stays in, and readiness and metrics say which source it is.
async fn people_stay_in(broken: Option<&[u8]>) {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    assert_eq!(readiness(&house).await, "ready");
    match broken {
        None => std::fs::remove_file(house.dir.path().join("people.csv")).expect("it was there"),
        Some(bytes) => house.write("people.csv", bytes),
    }
    let answer = eventually("readiness shows it", async || {
        let answer = house.admin("/readyz").await;
        answer.text().contains("crm").then_some(answer)
    })
    .await;
    assert_eq!(answer.json()["status"], "degraded", "{}", answer.text());
    assert_eq!(answer.status, 200, "whoever is known is served: {}", answer.text());
    assert!(house.metric(&["source_up", "crm"]).await < 1.0);
    assert_eq!(house.log.last("the source cannot be used as it is").await["fields"]["source"], "crm");
    ann.fetch("/").await.expect(200);
    house.admin("/healthz").await.expect(200);

    // The last good copy also lets people log in who stand in it, and nobody else.
    house.browser("orders.test").log_in("bob@example.com").await;
    house.write("people.csv", PEOPLE);
    eventually_ready(&house).await;
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn people_stay_in_when_the_file_vanishes() {
    people_stay_in(None).await;
}

#[tokio::test]
async fn people_stay_in_when_the_file_is_garbage() {
    people_stay_in(Some(&[0xff, 0xfe, 0x00, 0x80, b'\n', 0xc3, 0x28])).await;
}

#[tokio::test]
async fn people_stay_in_when_a_column_is_gone() {
    people_stay_in(Some(b"mail,company\nann@example.com,42\n")).await;
}

#[tokio::test]
async fn people_stay_in_when_the_table_is_suddenly_empty() {
    let header = PEOPLE.lines().next().expect("a header row");
    people_stay_in(Some(header.as_bytes())).await;
}

#[tokio::test]
async fn people_stay_in_when_the_file_is_of_no_length() {
    people_stay_in(Some(b"")).await;
}

#[tokio::test]
async fn a_source_that_stays_away_lets_nobody_in_after_its_age_limit() {
    let apps = OPEN.replace("refresh = \"1s\"", "refresh = \"1s\"\nmax_stale = \"3s\"");
    let house = House::start(&apps).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    std::fs::remove_file(house.dir.path().join("people.csv")).expect("it was there");
    eventually("the copy is too old", async || (ann.fetch("/").await.status != 200).then_some(())).await;
    let seen = house.upstream.count();
    let page = ann.navigate("/").await;
    assert_ne!(page.status, 200);
    assert_eq!(readiness(&house).await, "not ready");
    let asked = house.mail.all().await.len();
    house.browser("orders.test").post("/.access/login", &[("email", "bob@example.com"), ("to", "/")]).await;
    assert_eq!(house.upstream.count(), seen);

    house.write("people.csv", PEOPLE);
    eventually("people are back without a new log-in", async || (ann.fetch("/").await.status == 200).then_some(()))
        .await;
    assert!(house.mail.all().await.len() <= asked + 1);
    eventually_ready(&house).await;
}

#[tokio::test]
async fn a_bad_row_is_skipped_and_counted_while_the_rest_enters() {
    let people =
        format!("{PEOPLE}not an address,42,Acme,X,active,reader,,,en,EU\ntoo,few\n,42,Acme,Y,active,reader,,,en,EU\n");
    let house = House::plan(OPEN).file("people.csv", people).start().await;
    house.browser("orders.test").log_in("ann@example.com").await;
    let skipped = house.log.last("row skipped").await;
    assert_eq!((&skipped["fields"]["source"], &skipped["fields"]["place"]), (&"crm".into(), &"line 12".into()));
    assert_eq!(house.metric(&["source_refused_rows", "crm"]).await, 1.0);
}

#[tokio::test]
async fn a_gateway_starts_without_its_table_and_says_so() {
    let mut house = House::plan(OPEN).furnish().await;
    std::fs::remove_file(house.dir.path().join("people.csv")).expect("it was there");
    house.start_again().await;
    assert_eq!(readiness(&house).await, "not ready");
    house.admin("/healthz").await.expect(200);
    house.browser("orders.test").navigate("/.access/login").await.expect(200);
    house.write("people.csv", PEOPLE);
    eventually_ready(&house).await;
    house.browser("orders.test").log_in("ann@example.com").await;
}

#[tokio::test]
async fn a_database_that_is_locked_or_gone_keeps_people_in() {
    let apps = OPEN.replace("csv:people.csv", "sqlite:crm.db").replace("email = ", "table = \"people\"\nemail = ");
    let mut house = House::plan(&apps).furnish().await;
    let table = crate::sqlite_source::Table::create(&house, PEOPLE).await;
    house.start_again().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let lock = table.lock().await;
    eventually("readiness shows it", async || {
        ann.fetch("/").await.expect(200);
        (readiness(&house).await == "degraded").then_some(())
    })
    .await;
    lock.release().await;
    eventually("it is well again", async || {
        ann.fetch("/").await.expect(200);
        (readiness(&house).await == "ready").then_some(())
    })
    .await;
}
