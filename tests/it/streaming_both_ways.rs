//! Bodies flow through, in both directions, as they come and whole.

use crate::house::{House, OPEN, eventually};

#[tokio::test]
async fn large_bodies_pass_whole_in_both_directions() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let body = "0123456789abcdef".repeat(256 * 1024);
    ann.fetch_with("POST", "/up", &body).await.expect(200);
    assert!(house.upstream.last().body == body.as_bytes(), "four megabytes arrive as they left");
    let answer = ann.fetch("/big?n=5000000").await.expect(200);
    assert_eq!(answer.body.len(), 5_000_000);
}

#[tokio::test]
async fn a_declared_length_stays_declared() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    let mut wire = house.wire("orders.test").await;
    wire.send_head(&["PUT /up HTTP/1.1", &host, &cookie, "content-length: 5"]).await;
    wire.send("hello").await;
    assert_eq!(wire.answer().await.expect("an answer").status, 200);
    let seen = house.upstream.last();
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (Some("5"), None));
    assert_eq!(seen.body, b"hello");
}

#[tokio::test]
async fn an_upload_without_a_length_flows_through_before_it_ends() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    let mut wire = house.wire("orders.test").await;
    wire.send_head(&["POST /up HTTP/1.1", &host, &cookie, "transfer-encoding: chunked"]).await;
    wire.send("5\r\nhello\r\n").await;
    eventually("the head has arrived", async || (house.upstream.count() == 1).then_some(())).await;
    wire.send("6\r\n world\r\n0\r\n\r\n").await;
    assert_eq!(wire.answer().await.expect("an answer").status, 200);
    let seen = house.upstream.last();
    assert_eq!(String::from_utf8_lossy(&seen.body), "hello world");
    assert!(seen.complete);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_no_whole_one_upstream() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    let mut wire = house.wire("orders.test").await;
    wire.send_head(&["POST /up HTTP/1.1", &host, &cookie, "content-length: 100"]).await;
    wire.send("only this").await;
    eventually("the head has arrived", async || (house.upstream.count() == 1).then_some(())).await;
    drop(wire);
    ann.fetch("/").await.expect(200);
    assert!(!house.upstream.seen()[0].complete);
}

#[tokio::test]
async fn connections_are_kept_and_each_answer_is_its_own() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    let mut wire = house.wire("orders.test").await;
    for n in 0..5 {
        let answer = wire.ask(&[&format!("GET /n/{n} HTTP/1.1"), &host, &cookie]).await.expect("an answer");
        assert_eq!(answer.json()["target"], format!("/n/{n}"));
    }
    wire.send_head(&["HEAD /big?n=100 HTTP/1.1", &host, &cookie]).await;
    let answer = wire.answer_without_body().await.expect("an answer");
    assert_eq!(answer.header("content-length"), "100");
    let answer = wire.ask(&["GET /after HTTP/1.1", &host, &cookie]).await.expect("an answer");
    assert_eq!(answer.json()["target"], "/after");
    let seen = house.upstream.seen();
    assert!(seen.iter().all(|one| one.connection == seen[0].connection), "one way to the app is enough");
}

#[tokio::test]
async fn http2_and_http1_reach_the_app_alike() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    assert_eq!(ann.open("/h2").await.version(), reqwest::Version::HTTP_2);
    let over_two = house.upstream.last();
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    house.wire("orders.test").await.ask(&["GET /h1 HTTP/1.1", &host, &cookie, "accept: */*"]).await.expect("an answer");
    let over_one = house.upstream.last();
    for name in ["host", "x-access-email", "x-forwarded-host", "x-forwarded-proto", "accept"] {
        assert_eq!(over_one.header(name), over_two.header(name), "{name}");
    }
}
