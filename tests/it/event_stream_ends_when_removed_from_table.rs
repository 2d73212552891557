//! Long answers are requests too: they end when the person may no longer have them.

use crate::house::{House, OPEN, eventually};

/// Starts a long answer and waits for its first piece.
async fn begin(house: &House, cookie: &str, path: &str, piece: &str) -> crate::wire::Wire {
    let mut wire = house.wire("orders.test").await;
    let host = format!("host: {}", house.host("orders.test"));
    let cookie = format!("cookie: {cookie}");
    wire.send_head(&[&format!("GET {path} HTTP/1.1"), &host, &cookie, "accept: */*"]).await;
    wire.read_until(piece).await;
    wire
}

#[tokio::test]
async fn event_streams_and_downloads_end_when_the_person_leaves_the_table() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut events = begin(&house, &ann.cookie_header(), "/sse", "data: tick").await;
    let mut download = begin(&house, &ann.cookie_header(), "/drip", "xxxx").await;
    house.remove_from_table("ann@example.com");
    events.rest().await;
    download.rest().await;
    assert_ne!(ann.fetch("/").await.status, 200);
    eventually("the upstream is told", async || (house.upstream.open_streams() == 0).then_some(())).await;
}

#[tokio::test]
async fn event_streams_and_downloads_end_at_logout() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut events = begin(&house, &ann.cookie_header(), "/sse", "data: tick").await;
    let mut download = begin(&house, &ann.cookie_header(), "/drip", "xxxx").await;
    ann.log_out().await;
    events.rest().await;
    download.rest().await;
}

#[tokio::test]
async fn a_stream_over_http2_ends_too() {
    use futures_util::StreamExt;
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let answer = ann.open("/sse").await;
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    let mut pieces = answer.bytes_stream();
    pieces.next().await.expect("a tick").expect("a piece");
    ann.log_out().await;
    let reading = async { while let Some(Ok(_)) = pieces.next().await {} };
    tokio::time::timeout(crate::wire::PATIENCE, reading).await.expect("the stream ends");
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut events = begin(&house, &ann.cookie_header(), "/sse", "data: tick").await;
    // Were they gathered somewhere, none would come before the end, and there is no end.
    for _ in 0..5 {
        events.read_until("data: tick").await;
    }
    assert_eq!(house.upstream.open_streams(), 1);
}
