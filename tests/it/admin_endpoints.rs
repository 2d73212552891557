//! Health, readiness and metrics on a socket of their own.

use crate::house::{House, OPEN, plain};

#[tokio::test]
async fn health_readiness_and_metrics_answer() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    house.admin("/healthz").await.expect(200);
    house.admin("/readyz").await.expect(200);
    let metrics = house.admin("/metrics").await.expect(200);
    assert!(metrics.header("content-type").starts_with("text/plain"), "{:?}", metrics.headers);
    let text = metrics.text();
    assert!(text.contains("# HELP ") && text.contains("# TYPE "), "{text}");
    assert!(!text.contains("@example.com"), "no addresses in metrics: {text}");
    // What has not gone wrong yet stands there as 0, so that the first time is seen as growth.
    for name in [
        "vestibule_upstream_errors_total{app=\"orders\",kind=\"tls\"}",
        "limits_reached_total{kind=\"request\",limit=\"body_bytes\"}",
    ] {
        assert!(text.contains(&format!("{name} 0")), "{text}");
    }
}

#[tokio::test]
async fn only_exact_paths_exist() {
    let house = House::start(OPEN).await;
    for path in ["/", "/healthz/", "//healthz", "/HEALTHZ", "/healthz/x", "/metrics.txt", "/.access/login", "/admin"] {
        house.admin(path).await.expect(404);
    }
}

#[tokio::test]
async fn customers_cannot_reach_them() {
    let house = House::start(OPEN).await;
    let nobody = house.browser("orders.test");
    for path in ["/healthz", "/readyz", "/metrics"] {
        nobody.fetch(path).await.expect(401);
        nobody.send("GET", path, &[("user-agent", "kube-probe/1.31"), ("accept", "*/*")], "").await.expect(401);
    }
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn nothing_can_be_written_there() {
    let house = House::start(OPEN).await;
    let address = house.admin_address();
    for path in ["/healthz", "/metrics"] {
        let request =
            format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let answer = plain(address, &request).await;
        assert!(matches!(answer.status, 404 | 405), "{path}: {}", answer.status);
    }
}
