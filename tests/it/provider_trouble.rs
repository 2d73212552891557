//! Providers change their keys, fall over and get up again; nobody has to restart the gateway for it.

use std::time::{Duration, Instant};

use crate::browser::SESSION;
use crate::house::{House, OPEN, eventually};
use crate::provider::Provider;

#[tokio::test]
async fn keys_may_change_while_the_gateway_runs() {
    let google = Provider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["google"]"#).provider("google", &google, "");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    house.browser("orders.test").log_in_by_provider("google", "ann@example.com").await.expect(303);
    let asked = google.count("jwks").await;
    // Nothing of what is known fits any more.
    google.rotate_keys().await;
    let (bob, eve) = (house.browser("orders.test"), house.browser("orders.test"));
    bob.log_in_by_provider("google", "bob@example.com").await.expect(303);
    eve.log_in_by_provider("google", "eve@example.com").await.expect(303);
    assert_eq!(google.count("jwks").await, asked + 1, "asked once more, and not for everybody");
}

#[tokio::test]
async fn keys_may_change_between_the_button_and_the_way_back() {
    let google = Provider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["google"]"#).provider("google", &google, "");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    let there = ann.begin_at_provider("google").await;
    google.add_key().await;
    let back = ann.approve(&there, "ann@example.com").await;
    ann.callback(&back).await.expect(303);
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_start_stops_nobody_else_and_comes_back() {
    let (google, okta) = (Provider::start().await, Provider::start().await);
    google.down().await;
    let plan = House::plan(OPEN).ways("orders", r#"["email", "google", "okta"]"#);
    let plan = plan.provider("google", &google, "title = \"Google\"").provider("okta", &okta, "title = \"Okta\"");
    // Eve presses the button more often than a person would.
    let plan = plan.login("tries_per_client = 100000\n");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    okta.trust(&house, &["orders.test"]).await;

    let ann = house.browser("orders.test");
    // The button says so, once the gateway has noticed; the others work.
    eventually("the button says so", async || {
        let page = ann.navigate("/.access/login").await.expect(200);
        let text = page.text();
        let (google, okta) = (text.find("Google")?, text.find("Okta")?);
        let says_so = |text: &str| text.contains("Not reachable");
        (says_so(&text[google..okta]) && !says_so(&text[okta..])).then_some(())
    })
    .await;
    assert!(house.metric(&["provider_up", "google"]).await.abs() < 0.5);
    ann.log_in("ann@example.com").await;
    house.browser("orders.test").log_in_by_provider("okta", "bob@example.com").await.expect(303);

    // Whoever presses it all the same is told, and not left with an error page.
    let page = ann.navigate("/.access/oidc/start?provider=google&to=/").await.expect(503);
    assert!(page.text().contains("Google") && page.has_field("email"), "{}", page.text());

    google.up().await;
    let eve = house.browser("orders.test");
    let link = "/.access/oidc/start?provider=google&to=%2F";
    eventually("the provider is asked again", async || (eve.navigate(link).await.status == 303).then_some(())).await;
    eve.log_in_by_provider("google", "eve@example.com").await.expect(303);
    eve.fetch("/").await.expect(200);
    assert!(house.metric(&["provider_up", "google"]).await > 0.5);
}

#[tokio::test]
async fn a_provider_that_goes_down_in_the_middle_costs_that_log_in_alone() {
    let google = Provider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["email", "google"]"#).provider("google", &google, "");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    let bob = house.browser("orders.test");
    let there = bob.begin_at_provider("google").await;
    let back = bob.approve(&there, "bob@example.com").await;
    google.down().await;
    let page = bob.callback(&back).await.expect(503);
    assert!(page.has_field("email"), "another way is offered:\n{}", page.text());
    assert_eq!(bob.cookie(SESSION), None);
    // Who is in stays in: nothing of the session is asked there.
    ann.fetch("/").await.expect(200);
    google.up().await;
    bob.log_in_by_provider("google", "bob@example.com").await.expect(303);
}

#[tokio::test]
async fn a_slow_provider_is_not_waited_for_longer_than_is_configured() {
    let google = Provider::start().await;
    let plan =
        House::plan(OPEN).ways("orders", r#"["email", "google"]"#).provider("google", &google, "timeout = \"1s\"");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    let there = ann.begin_at_provider("google").await;
    let back = ann.approve(&there, "ann@example.com").await;
    google.fault("token", "delay", 20_000, 1).await;
    let begun = Instant::now();
    ann.callback(&back).await.expect(503);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    // Others were not held up by it.
    house.browser("orders.test").log_in_by_provider("google", "bob@example.com").await.expect(303);
}

#[tokio::test]
async fn a_secret_that_the_provider_does_not_know_is_the_operators_to_mend() {
    let google = Provider::start().await;
    let wrong = google.toml("google", "").replace("secret-0001", "secret-0002");
    let house = House::plan(OPEN).ways("orders", r#"["email", "google"]"#).config(&wrong).start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    let page = ann.log_in_by_provider("google", "ann@example.com").await;
    assert!(page.status >= 500, "{}: {}", page.status, page.text());
    let log = eventually("the log says what to mend", async || {
        Some(house.log.text()).filter(|log| log.contains("client_secret"))
    })
    .await;
    assert!(!log.contains("gateway-secret"), "and not the secret itself");
}
