//! A client that takes its time holds no place for ever: not with a form, not with an answer it does not take.

use std::time::Duration;

use crate::house::{House, OPEN, eventually};
use crate::wire_h2::{Outcome, WireH2};

/// No stream may be longer in use than this by somebody who does nothing; the limit in force is a second.
const LONG: Duration = Duration::from_secs(10);

async fn impatient() -> House {
    House::plan(OPEN).server("[server.limits]\nidle = \"1s\"\n").start().await
}

#[tokio::test]
async fn a_form_that_drips_in_is_not_waited_for() {
    let house = impatient().await;
    let (host, origin) = (house.host("orders.test"), format!("origin: https://{}", house.host("orders.test")));
    let host = format!("host: {host}");
    for path in ["/.access/login", "/.access/style.css"] {
        let mut wire = house.wire("orders.test").await;
        let first = format!("POST {path} HTTP/1.1");
        let form = "content-type: application/x-www-form-urlencoded";
        wire.send_head(&[&first, &host, &origin, form, "content-length: 1000"]).await;
        let dripping = async {
            for _ in 0..40 {
                wire.send("a").await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let _long_enough = tokio::time::timeout(Duration::from_secs(4), dripping).await;
        let answer = tokio::time::timeout(LONG, wire.answer()).await.expect("it is not waited for");
        assert_eq!(answer.expect("an answer").status, 408, "{path}");
        wire.rest().await;
    }
}

#[tokio::test]
async fn nor_one_over_http2() {
    let house = impatient().await;
    let (host, origin) = (house.host("orders.test"), format!("https://{}", house.host("orders.test")));
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/.access/login"),
        (":authority", host.as_str()),
        ("origin", &origin),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let mut wire = house.wire_h2("orders.test").await;
    let stream = wire.begin(&fields, false).await;
    tokio::time::timeout(LONG, wire.over(stream)).await.expect("it is not waited for");
}

#[tokio::test]
async fn an_answer_that_nobody_takes_over_http2_is_given_up() {
    let house = impatient().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let (host, cookie) = (house.host("orders.test"), ann.cookie_header());
    // SETTINGS_INITIAL_WINDOW_SIZE (4) of nothing at all.
    let no_window = [0, 4, 0, 0, 0, 0];
    for (path, cookie) in [("/.access/login", "a=b"), ("/big?n=100000", &cookie), ("/drip", &cookie)] {
        let mut wire = WireH2::connect_with(house.door.https(), "orders.test", house.door.ca(), &no_window).await;
        let fields =
            [(":method", "GET"), (":scheme", "https"), (":path", path), (":authority", &host), ("cookie", cookie)];
        let stream = wire.begin(&fields, true).await;
        tokio::time::timeout(LONG, wire.over(stream)).await.unwrap_or_else(|_| panic!("{path} is held for ever"));
    }
    let errors: Vec<_> = house.log.events().into_iter().filter(|event| event["level"] == "ERROR").collect();
    assert!(errors.is_empty(), "whoever likes could fill the log: {errors:?}");
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go_and_what_it_asks_just_then_is_served() {
    let house = impatient().await;
    let host = house.host("orders.test");
    let fields = [(":method", "GET"), (":scheme", "https"), (":path", "/.access/login"), (":authority", &host)];
    let mut wire = house.wire_h2("orders.test").await;
    assert_eq!(wire.ask(&fields, None).await, Outcome::Status(200));
    // No stream has this number, so this is over with GOAWAY.
    tokio::time::timeout(LONG, wire.over(u32::MAX)).await.expect("it is told");
    let stream = wire.begin(&fields, true).await;
    assert_eq!(wire.outcome(stream).await, Outcome::Status(200));
    // It never answers to that word, and is not waited for.
    tokio::time::timeout(LONG, wire.farewell()).await.expect("it ends");
    assert_eq!(house.metric(&["limits_reached_total", "connection", "\"idle\""]).await, 1.0);
}

#[tokio::test]
async fn one_that_goes_away_in_the_middle_of_a_form_alarms_nobody() {
    let house = House::start(OPEN).await;
    let (host, origin) = (house.host("orders.test"), format!("origin: https://{}", house.host("orders.test")));
    let host = format!("host: {host}");
    let form = "content-type: application/x-www-form-urlencoded";
    let mut wire = house.wire("orders.test").await;
    wire.send_head(&["POST /.access/login HTTP/1.1", &host, &origin, form, "content-length: 1000"]).await;
    wire.send("email=").await;
    drop(wire);
    let line = eventually("it is logged", async || house.log.named("request").pop()).await;
    assert_eq!(line["fields"]["status"], 0, "there was nobody to answer: {line}");
    let loud = |event: &serde_json::Value| event["level"] == "ERROR" || event["level"] == "WARN";
    let loud: Vec<_> = house.log.events().into_iter().filter(loud).collect();
    assert!(loud.is_empty(), "whoever likes could fill the log: {loud:?}");
}
