//! Every limit has a name, answers properly, and is counted.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, OPEN, eventually};
use crate::wire::{PATIENCE, tls};
use crate::wire_h2::Outcome;

/// How often a limit was reached.
async fn reached(house: &House, limit: &str) -> f64 {
    house.metric(&["vestibule_limits_reached_total{", &format!("limit=\"{limit}\"")]).await
}

#[tokio::test]
async fn too_many_or_too_long_headers_get_431() {
    let house = House::plan(OPEN).server("[server.limits]\nheader_bytes = \"4KiB\"\nheaders = 20\n").start().await;
    let host = format!("host: {}", house.host("orders.test"));
    let long = format!("x-long: {}", "a".repeat(8000));
    let many: Vec<String> = (0..40).map(|n| format!("x-{n}: a")).collect();
    let mut wire = house.wire("orders.test").await;
    let answer = wire.ask(&["GET / HTTP/1.1", &host, &long]).await.expect("an answer");
    assert_eq!(answer.status, 431);
    let mut wire = house.wire("orders.test").await;
    let lines: Vec<&str> = ["GET / HTTP/1.1", &host].into_iter().chain(many.iter().map(String::as_str)).collect();
    assert_eq!(wire.ask(&lines).await.expect("an answer").status, 431);
    let mut wire = house.wire("orders.test").await;
    let target = format!("GET /{} HTTP/1.1", "a".repeat(8000));
    let answer = wire.ask(&[&target, &host]).await.expect("an answer");
    assert!(matches!(answer.status, 414 | 431), "{}", answer.status);
    house.upstream.saw_nothing();
    // At the limit's near side all is well.
    let mut wire = house.wire("orders.test").await;
    let fits = format!("x-long: {}", "a".repeat(2000));
    assert_eq!(wire.ask(&["GET / HTTP/1.1", &host, &fits]).await.expect("an answer").status, 401);
    assert!(reached(&house, "header_bytes").await >= 2.0, "{}", house.admin("/metrics").await.text());
    assert!(reached(&house, "headers").await >= 1.0, "{}", house.admin("/metrics").await.text());
}

#[tokio::test]
async fn too_large_bodies_get_413_declared_or_not() {
    let apps = OPEN.replace("[[app.orders.customers]]", "body_bytes = \"10KiB\"\n[[app.orders.customers]]");
    let house = House::start(&apps).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let cookie = format!("cookie: {}", ann.cookie_header());
    let host = format!("host: {}", house.host("orders.test"));

    let mut wire = house.wire("orders.test").await;
    let answer = wire.ask(&["POST /up HTTP/1.1", &host, &cookie, "content-length: 20000"]).await.expect("an answer");
    assert_eq!(answer.status, 413, "before the body comes");
    house.upstream.saw_nothing();

    let mut wire = house.wire("orders.test").await;
    wire.send_head(&["POST /up HTTP/1.1", &host, &cookie, "transfer-encoding: chunked"]).await;
    for _ in 0..20 {
        wire.send(format!("400\r\n{}\r\n", "x".repeat(1024))).await;
    }
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.answer().await.expect("an answer").status, 413);
    for seen in house.upstream.seen() {
        assert!(!seen.complete, "a cut body is no whole one");
    }
    ann.fetch_with("POST", "/up", &"x".repeat(10_000)).await.expect(200);
    assert_eq!(house.upstream.last().body.len(), 10_000);
    assert!(reached(&house, "body_bytes").await >= 2.0, "{}", house.admin("/metrics").await.text());
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_ended() {
    let house = House::plan(OPEN).server("[server.limits]\nheader_read = \"1s\"\n").start().await;
    let start = Instant::now();
    let mut wire = house.wire("orders.test").await;
    wire.send("GET / HTTP/1.1\r\nhost: orders.test\r\nx-slow: ").await;
    if let Some(answer) = wire.answer().await {
        assert_eq!(answer.status, 408);
    }
    wire.rest().await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());

    // One byte now and then is no way round it.
    let start = Instant::now();
    let mut wire = house.wire("orders.test").await;
    wire.send("GET / HTTP/1.1\r\nhost: orders.test\r\nx-slow: ").await;
    let dripping = async {
        for _ in 0..100 {
            wire.send("a").await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let _long_enough = tokio::time::timeout(Duration::from_secs(4), dripping).await;
    wire.rest().await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(reached(&house, "header_read").await >= 2.0, "{}", house.admin("/metrics").await.text());
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let house = House::plan(OPEN).server("[server.limits]\nidle = \"1s\"\n").start().await;
    let start = Instant::now();
    let mut wire = house.wire("orders.test").await;
    let host = format!("host: {}", house.host("orders.test"));
    assert_eq!(wire.ask(&["GET / HTTP/1.1", &host]).await.expect("an answer").status, 401);
    assert!(wire.rest().await.is_empty());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(reached(&house, "idle").await >= 1.0, "{}", house.admin("/metrics").await.text());
    // A stranger who opens TCP and says nothing is shown out as well.
    let mut silent = tokio::net::TcpStream::connect(house.door.https()).await.expect("it listens");
    let mut end = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut end);
    let _closed = tokio::time::timeout(crate::wire::PATIENCE, reading).await.expect("it is closed");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_turned_away_and_counted() {
    let house = House::plan(OPEN).server("[server.limits]\nconnections = 5\n").start().await;
    let host = format!("host: {}", house.host("orders.test"));
    let mut guests = Vec::new();
    for _ in 0..5 {
        let mut wire = house.wire("orders.test").await;
        assert_eq!(wire.ask(&["GET / HTTP/1.1", &host]).await.expect("an answer").status, 401);
        guests.push(wire);
    }
    let sixth = crate::wire::Wire::connect(house.door.https(), "orders.test", house.door.ca());
    match tokio::time::timeout(Duration::from_secs(5), sixth).await {
        Err(_) | Ok(Err(_)) => {}
        Ok(Ok(mut wire)) => {
            if let Some(answer) = wire.ask(&["GET / HTTP/1.1", &host]).await {
                assert_eq!(answer.status, 503);
            }
        }
    }
    assert!(reached(&house, "connections").await >= 1.0, "{}", house.admin("/metrics").await.text());
    house.admin("/healthz").await.expect(200);
    guests.pop();
    eventually("there is room again", async || {
        let mut wire = crate::wire::Wire::connect(house.door.https(), "orders.test", house.door.ca()).await.ok()?;
        (wire.ask(&["GET / HTTP/1.1", &host]).await?.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_limits_on_a_head_are_the_same_over_http2() {
    let house = House::plan(OPEN).server("[server.limits]\nheader_bytes = \"4KiB\"\nheaders = 40\n").start().await;
    let authority = house.host("orders.test");
    let ask = async |count: usize, length: usize| {
        let value = "a".repeat(length);
        let mut head =
            vec![(":method", "GET"), (":scheme", "https"), (":authority", authority.as_str()), (":path", "/")];
        head.extend(std::iter::repeat_n(("x-a", value.as_str()), count));
        house.wire_h2("orders.test").await.ask(&head, None).await
    };
    // HTTP/2 counts 32 bytes more for each field; the limit does not.
    assert_eq!(ask(35, 88).await, Outcome::Status(401));
    assert_eq!(ask(1, 5000).await, Outcome::Status(431));
    assert_eq!(ask(1, 10_000).await, Outcome::Status(431));
    assert_eq!(ask(60, 1).await, Outcome::Status(431));
    assert!(reached(&house, "header_bytes").await >= 2.0, "{}", house.admin("/metrics").await.text());
    assert!(reached(&house, "headers").await >= 1.0, "{}", house.admin("/metrics").await.text());
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn the_413_reaches_a_client_that_goes_on_sending() {
    let apps = OPEN.replace("[[app.orders.customers]]", "body_bytes = \"10KiB\"\n[[app.orders.customers]]");
    let house = House::start(&apps).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut stream = tls(house.door.https(), "orders.test", house.door.ca(), &[b"http/1.1"]).await.expect("TLS");
    let (host, cookie) = (house.host("orders.test"), ann.cookie_header());
    let head = format!("POST /up HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it is open");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    // Far more than the sockets hold between them: a connection closed with unread bytes would be reset.
    for _ in 0..200 {
        stream.write_all(chunk.as_bytes()).await.expect("it is not reset");
    }
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, reading).await.expect("in time").expect("an orderly end");
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
}
