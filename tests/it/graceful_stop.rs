//! A polite end: what is under way is finished, nothing new begins, and what never ends is cut after the grace.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::house::{House, OPEN, eventually};

#[tokio::test]
async fn requests_under_way_are_finished() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let slow = tokio::spawn({
        let ann = ann.clone();
        async move { ann.fetch("/slow?ms=1500").await }
    });
    eventually("it is under way", async || (house.upstream.last().target == "/slow?ms=1500").then_some(())).await;
    house.terminate();
    eventually("it stops taking guests", async || {
        tokio::net::TcpStream::connect(house.door.https()).await.is_err().then_some(())
    })
    .await;
    let answer = slow.await.expect("the request did not panic");
    assert_eq!(answer.status, 200);
    let status = house.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(house.log.named("stopping").len(), 1);
}

#[tokio::test]
async fn what_never_ends_is_cut_after_the_grace() {
    let mut house = House::plan(OPEN).server("grace = \"1s\"\n").start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let _socket = ann.web_socket("/ws").await.expect("it opens");
    let _events = ann.open("/sse").await;
    house.terminate();
    let start = Instant::now();
    let status = house.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_web_socket_is_told_that_we_go_away_and_an_event_stream_ends_whole() {
    let mut house = House::plan(OPEN).server("grace = \"1s\"\n").start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut socket = ann.web_socket("/ws").await.expect("it opens");
    let mut events = house.wire("orders.test").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    events.send_head(&["GET /sse HTTP/1.1", &host, &cookie]).await;
    events.read_until("data: tick").await;
    house.terminate();
    let (last, rest) = tokio::join!(socket.next(), events.rest());
    let Some(Ok(Message::Close(Some(close)))) = last else { panic!("{last:?} is no close frame") };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Away, "going away"));
    let rest = String::from_utf8(rest).expect("text");
    assert!(rest.ends_with("\r\n0\r\n\r\n"), "{rest:?}");
    assert_eq!(house.ended().await.code(), Some(0));
}

#[tokio::test]
async fn http2_is_told_to_go_away_and_ends_what_it_has_begun() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut wire = house.wire_h2("orders.test").await;
    let (host, cookie) = (house.host("orders.test"), ann.cookie_header());
    let slow = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", host.as_str()),
        (":path", "/slow?ms=1500"),
        ("cookie", cookie.as_str()),
    ];
    let stream = wire.begin(&slow, true).await;
    eventually("it is under way", async || (house.upstream.count() == 1).then_some(())).await;
    house.terminate();
    let (last_streams, ended) = wire.farewell().await;
    // First "open no more", which loses none that is on its way (RFC 9113, section 6.8); then which was the last: whoever opened
    // one after it knows that it was not looked at, and may send it elsewhere.
    assert_eq!(last_streams, [i32::MAX as u32, stream]);
    assert_eq!(ended, [stream]);
    assert_eq!(house.ended().await.code(), Some(0));
}

#[tokio::test]
async fn an_answer_under_way_says_that_it_is_the_last() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut wire = house.wire("orders.test").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    wire.send_head(&["GET /slow?ms=1500 HTTP/1.1", &host, &cookie]).await;
    eventually("it is under way", async || (house.upstream.count() == 1).then_some(())).await;
    house.terminate();
    let answer = wire.answer().await.expect("an answer").expect(200);
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(house.ended().await.code(), Some(0));
}

#[tokio::test]
async fn whoever_asks_twice_does_not_wait() {
    let mut house = House::plan(OPEN).server("grace = \"60s\"\n").start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let _socket = ann.web_socket("/ws").await.expect("it opens");
    house.terminate();
    eventually("it stops", async || (house.log.named("stopping").len() == 1).then_some(())).await;
    let start = Instant::now();
    house.terminate();
    assert_eq!(house.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_idle_gateway_ends_at_once() {
    let mut house = House::start(OPEN).await;
    let start = Instant::now();
    house.terminate();
    assert_eq!(house.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "nobody is there to wait for: {:?}", start.elapsed());
}

#[tokio::test]
async fn sessions_and_mail_outlive_a_polite_end() {
    let mut house = House::start(OPEN).await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    bob.ask_for_mail("bob@example.com").await;
    house.terminate();
    house.ended().await;
    house.start_again().await;
    ann.fetch("/").await.expect(200);
    house.mail.wait("bob@example.com").await;
}
