//! Log out, for good.

use crate::browser::SESSION;
use crate::house::{House, OPEN};

#[tokio::test]
async fn after_logging_out_the_cookie_is_worth_nothing() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let old = ann.cookie(SESSION).expect("a session");
    ann.fetch("/").await.expect(200);
    ann.log_out().await;
    assert_eq!(ann.cookie(SESSION), None, "the browser is told to forget it");
    ann.navigate("/.access/logged-out").await.expect(200);
    ann.set_cookie(SESSION, &old);
    ann.fetch("/").await.expect(401);
    ann.navigate("/").await.must_log_in();
}

#[tokio::test]
async fn a_link_or_another_site_cannot_log_a_person_out() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let got = ann.navigate("/.access/logout").await;
    assert!(matches!(got.status, 404 | 405), "{}", got.status);
    for proof in [
        &[][..],
        &[("origin", "https://evil.test")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
    ] {
        ann.post_from("/.access/logout", &[], proof).await.expect(403);
        ann.fetch("/").await.expect(200);
    }
}

#[tokio::test]
async fn logging_out_twice_is_no_error() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.log_out().await;
    ann.log_out().await;
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
}
