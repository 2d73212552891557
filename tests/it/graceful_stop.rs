//! A polite end: what is under way is finished, nothing new begins, and what never ends is cut after the grace.

use std::time::{Duration, Instant};

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
