//! A person is found by their verified address once, and remembered by what the provider calls them: neither a changed address nor one
//! that somebody else got hands over access.

use serde_json::json;

use crate::browser::{Browser, SESSION};
use crate::house::{House, OPEN, eventually};
use crate::provider::Provider;

async fn house(google: &Provider) -> House {
    let plan = House::plan(OPEN).ways("orders", r#"["email", "google"]"#);
    let house = plan.provider("google", google, "title = \"Google\"").start().await;
    google.trust(&house, &["orders.test"]).await;
    house
}

async fn is_seen_as(house: &House, browser: &Browser) -> Option<String> {
    browser.fetch("/").await.expect(200);
    house.upstream.last().header("x-access-email").map(str::to_owned)
}

#[tokio::test]
async fn a_changed_address_at_the_provider_hands_over_nothing() {
    let google = Provider::start().await;
    let house = house(&google).await;
    google.user("bob", json!({ "sub": "b-1", "email": "bob@example.com" })).await;
    let bob = house.browser("orders.test");
    bob.log_in_by_provider("google", "bob").await.expect(303);
    assert_eq!(is_seen_as(&house, &bob).await.as_deref(), Some("bob@example.com"));

    // He calls himself Ann there now, and the provider has verified it.
    google.user("bob", json!({ "sub": "b-1", "email": "ann@example.com" })).await;
    let again = house.browser("orders.test");
    again.log_in_by_provider("google", "bob").await.expect(303);
    assert_eq!(is_seen_as(&house, &again).await.as_deref(), Some("bob@example.com"), "he is who he was");
}

#[tokio::test]
async fn an_address_that_somebody_else_got_opens_nothing() {
    let google = Provider::start().await;
    let house = house(&google).await;
    google.user("ann", json!({ "sub": "a-1", "email": "ann@example.com" })).await;
    house.browser("orders.test").log_in_by_provider("google", "ann").await.expect(303);

    // Ann has left, and her address was given to somebody new.
    google.user("new", json!({ "sub": "a-2", "email": "ann@example.com" })).await;
    let new = house.browser("orders.test");
    let page = new.log_in_by_provider("google", "new").await.expect(403);
    assert!(page.text().contains("Google"), "{}", page.text());
    assert_eq!(new.cookie(SESSION), None);
    // And the one whom it was known by is still let in.
    house.browser("orders.test").log_in_by_provider("google", "ann").await.expect(303);
}

#[tokio::test]
async fn the_same_subject_at_two_providers_is_two_people() {
    let (google, okta) = (Provider::start().await, Provider::start().await);
    let plan = House::plan(OPEN).ways("orders", r#"["google", "okta"]"#).provider("google", &google, "");
    let house = plan.provider("okta", &okta, "").start().await;
    google.trust(&house, &["orders.test"]).await;
    okta.trust(&house, &["orders.test"]).await;
    google.user("ann", json!({ "sub": "1", "email": "ann@example.com" })).await;
    okta.user("bob", json!({ "sub": "1", "email": "bob@example.com" })).await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in_by_provider("google", "ann").await.expect(303);
    bob.log_in_by_provider("okta", "bob").await.expect(303);
    assert_eq!(is_seen_as(&house, &ann).await.as_deref(), Some("ann@example.com"));
    assert_eq!(is_seen_as(&house, &bob).await.as_deref(), Some("bob@example.com"));
}

#[tokio::test]
async fn who_is_remembered_is_remembered_over_a_restart() {
    let google = Provider::start().await;
    let mut house = house(&google).await;
    google.user("bob", json!({ "sub": "b-1", "email": "bob@example.com" })).await;
    house.browser("orders.test").log_in_by_provider("google", "bob").await.expect(303);
    house.kill9();
    house.start_again().await;
    google.trust(&house, &["orders.test"]).await;
    google.user("bob", json!({ "sub": "b-1", "email": "ann@example.com" })).await;
    let bob = house.browser("orders.test");
    bob.log_in_by_provider("google", "bob").await.expect(303);
    assert_eq!(is_seen_as(&house, &bob).await.as_deref(), Some("bob@example.com"));
}

#[tokio::test]
async fn who_comes_by_mail_and_by_provider_is_one_person() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let by_mail = ann.cookie(SESSION);
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    assert_ne!(ann.cookie(SESSION), by_mail);
    assert_eq!(is_seen_as(&house, &ann).await.as_deref(), Some("ann@example.com"));
    // The session by mail became the new one; it is not beside it.
    let page = ann.navigate("/.access/account").await.expect(200);
    assert!(page.fields("session").is_empty(), "{}", page.text());
    let thief = house.browser("orders.test");
    thief.set_cookie(SESSION, &by_mail.expect("a session"));
    eventually("the old session is over", async || (thief.fetch("/").await.status == 401).then_some(())).await;
}
