//! A mail scanner opens every link before the person does, many times and in many ways.

use crate::browser::SESSION;
use crate::house::{House, OPEN};

#[tokio::test]
async fn scanners_cannot_use_up_a_link() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    let path = format!("/.access/link/{}", mail.token());

    let scanner = house.browser("orders.test");
    for _ in 0..10 {
        scanner.send("GET", &path, &[("user-agent", "link scanner")], "").await.expect(200);
        scanner.send("HEAD", &path, &[("user-agent", "link scanner")], "").await.expect(200);
        scanner.send("OPTIONS", &path, &[], "").await;
    }
    // A scanner that fills in forms comes from no page of ours, or from another browser.
    scanner.post_from("/.access/link", &[("token", &mail.token())], &[]).await.expect(403);
    scanner.press_button(&mail).await.expect(403);
    assert_eq!(scanner.cookie(SESSION), None);

    // The person's own browser prefetches, too.
    ann.send("GET", &path, &[("sec-purpose", "prefetch")], "").await.expect(200);
    ann.send("HEAD", &path, &[], "").await.expect(200);
    ann.open_link(&mail).await.expect(200);
    ann.press_button(&mail).await.expect(303);
    ann.navigate("/").await.expect(200);
}
