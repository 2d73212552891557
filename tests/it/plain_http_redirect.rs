//! Plain HTTP leads to HTTPS and nowhere else.

use crate::house::{House, OPEN, plain, plain_get};

#[tokio::test]
async fn a_plain_request_is_sent_to_https_with_its_path_and_query() {
    let house = House::start(OPEN).await;
    let answer = plain_get(house.http(), "orders.test", "/orders/7?view=full&x=%20").await.expect(308);
    assert!(answer.location().starts_with("https://orders.test"), "{}", answer.location());
    assert!(answer.location().ends_with("/orders/7?view=full&x=%20"), "{}", answer.location());
    let rest = answer.location().trim_start_matches("https://orders.test");
    assert!(rest.starts_with('/') || rest.starts_with(':'), "{}", answer.location());
    let posted =
        plain(house.http(), "POST /x HTTP/1.1\r\nhost: orders.test\r\ncontent-length: 1\r\nconnection: close\r\n\r\na")
            .await;
    assert_eq!(posted.status, 308);
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_not_sent_anywhere() {
    let house = House::start(OPEN).await;
    for host in ["evil.test", "orders.test.evil.test", "orders.test@evil.test", "evil.test#orders.test", ""] {
        let answer = plain_get(house.http(), host, "/").await;
        assert!(matches!(answer.status, 400 | 421), "{host}: {}", answer.status);
        assert_eq!(answer.location(), "", "{host}");
    }
    // An absolute-form target names the host, too (RFC 9112, section 3.2.2).
    let answer =
        plain(house.http(), "GET http://evil.test/ HTTP/1.1\r\nhost: orders.test\r\nconnection: close\r\n\r\n").await;
    assert!(!answer.location().contains("evil"), "{}", answer.location());
    // Whoever was refused so early still has an address in the log.
    for request in house.log.named("request") {
        assert_eq!(request["fields"]["client"], "127.0.0.1", "{request}");
    }
}

#[tokio::test]
async fn a_path_cannot_break_out_of_the_redirect() {
    let house = House::start(OPEN).await;
    for path in ["//evil.test/", "/\\evil.test/", "/%0d%0aset-cookie:x=1", "/.access/login"] {
        let answer = plain_get(house.http(), "orders.test", path).await;
        let location = answer.location();
        assert!(location.is_empty() || location.starts_with("https://orders.test"), "{path}: {location}");
        assert!(answer.header("set-cookie").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn admin_paths_are_not_served_in_the_clear() {
    let house = House::start(OPEN).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        plain_get(house.http(), "orders.test", path).await.expect(308);
    }
}

#[tokio::test]
async fn garbage_on_the_plain_port_is_refused() {
    let house = House::start(OPEN).await;
    let answer = plain(house.http(), "this is no HTTP\r\n\r\n").await;
    assert_eq!(answer.status, 400);
}
