//! A role that insists on a provider: who came by mail proves themself there, and goes on where they were.

use serde_json::json;

use crate::browser::SESSION;
use crate::house::{House, LADDER, Plan};
use crate::provider::Provider;

const JWT: &str = "\n[app.orders.identity]\njwt = { header = \"X-Access-Assertion\", audience = \"orders\" }\n";

fn plan(google: &Provider) -> Plan {
    let apps = LADDER.replace("[app.orders.role.manager]\n", "[app.orders.role.manager]\nrequire = [\"oidc\"]\n");
    House::plan(&format!("{apps}{JWT}")).ways("orders", r#"["email", "google"]"#).provider(
        "google",
        google,
        "title = \"Google\"",
    )
}

#[tokio::test]
async fn a_weak_session_is_asked_for_more_and_goes_on_where_it_was() {
    let google = Provider::start().await;
    let house = plan(&google).start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let weak = ann.cookie(SESSION).expect("a session");
    let seen = house.upstream.count();

    let asked = ann.navigate("/c/42/list?page=2").await.expect(303);
    assert!(asked.location().starts_with("/.access/step-up?to="), "{}", asked.location());
    let told = ann.fetch("/c/42/list").await.expect(403);
    assert!(told.text().contains("step_up_required"), "{}", told.text());
    ann.fetch_with("POST", "/api/x", "{}").await.expect(403);
    assert_eq!(house.upstream.count(), seen, "nothing reached the app");
    assert_eq!(ann.web_socket("/ws").await.err(), Some(403));

    let page = ann.navigate(asked.location()).await.expect(200);
    let link = page.button_of("google").unwrap_or_else(|| panic!("no way on:\n{}", page.text()));
    assert!(!page.has_field("email"), "a mail would not be enough:\n{}", page.text());
    let there = ann.to_provider(&link).await;
    let back = ann.approve(&there, "ann@example.com").await;
    assert_eq!(ann.callback(&back).await.expect(303).location(), "/c/42/list?page=2");
    assert_ne!(ann.cookie(SESSION).as_deref(), Some(&*weak), "a stronger session has another id");
    ann.fetch("/c/42/list").await.expect(200);
    let claims = house.upstream.last().claims("x-access-assertion");
    let amr = claims["amr"].as_array().cloned().unwrap_or_default();
    assert!(amr.contains(&json!("pwd")), "{claims}");
    // The old id did not become stronger with it.
    let thief = house.browser("orders.test");
    thief.set_cookie(SESSION, &weak);
    thief.fetch("/c/42/list").await.expect(401);
}

#[tokio::test]
async fn who_comes_by_the_provider_is_not_asked_and_readers_never_are() {
    let google = Provider::start().await;
    let house = plan(&google).start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    ann.fetch("/c/42/list").await.expect(200);
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    bob.fetch("/orders").await.expect(200);
    assert_eq!(bob.navigate("/.access/step-up?to=/orders").await.expect(303).location(), "/orders");
}

#[tokio::test]
async fn attack_16_another_person_at_the_provider_strengthens_nobody() {
    let google = Provider::start().await;
    let house = plan(&google).start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let asked = ann.navigate("/c/42/list").await.expect(303);
    let page = ann.navigate(asked.location()).await.expect(200);
    let there = ann.to_provider(&page.button_of("google").expect("a button")).await;
    let back = ann.approve(&there, "bob@example.com").await;
    ann.callback(&back).await.expect(303);
    // The browser is Bob's now, and only that.
    ann.fetch("/orders").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(
        (seen.header("x-access-email"), seen.header("x-access-role")),
        (Some("bob@example.com"), Some("reader"))
    );
    ann.fetch_with("POST", "/api/x", "{}").await.expect(403);
}
