//! A role that asks for more than a mail: its people prove themselves once more, and go on where they were.

use crate::browser::SESSION;
use crate::house::{House, LADDER, Plan};
use crate::provider::Provider;

/// Managers come by these ways, readers as they like.
fn plan(requirement: &str, ways: &str) -> Plan {
    let apps =
        LADDER.replace("includes = [\"reader\"]\n", &format!("includes = [\"reader\"]\nrequire = {requirement}\n"));
    House::plan(&apps).ways("orders", ways)
}

#[tokio::test]
async fn who_came_by_mail_steps_up_at_the_provider_and_goes_on() {
    let google = Provider::start().await;
    let plan = plan(r#"["google"]"#, r#"["email", "google"]"#).provider("google", &google, "title = \"Google\"");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let before = ann.cookie(SESSION);
    let told = ann.fetch("/c/42/x").await.expect(403).json();
    assert_eq!((told["error"].as_str(), told["ways"][0].as_str()), (Some("step_up_required"), Some("google")));
    let sent = ann.navigate("/c/42/x?y=1").await.expect(303);
    assert!(sent.location().starts_with("/.access/step-up?to="), "{}", sent.location());
    let page = ann.navigate(sent.location()).await.expect(200);
    assert!(page.text().contains("ann@example.com") && page.text().contains("stronger"), "{}", page.text());
    assert!(!page.has_field("email"), "a mail is not enough:\n{}", page.text());
    house.upstream.saw_nothing();

    let button = page.button_of("google").unwrap_or_else(|| panic!("no button:\n{}", page.text()));
    let there = ann.to_provider(&button).await;
    let hint = crate::provider_pages::query(&there, "login_hint");
    assert_eq!(hint.as_deref(), Some("ann@example.com"), "who it is is known");
    let back = ann.approve(&there, "ann@example.com").await;
    assert_eq!(ann.callback(&back).await.expect(303).location(), "/c/42/x?y=1");
    ann.fetch("/c/42/x").await.expect(200);
    assert_ne!(ann.cookie(SESSION), before, "another strength is another id");
    let thief = house.browser("orders.test");
    thief.set_cookie(SESSION, &before.expect("a session"));
    thief.fetch("/c/42/x").await.expect(401);
    // Who is strong enough has nothing to do there, and who is nobody logs in first.
    assert_eq!(ann.navigate("/.access/step-up?to=/c/42/x").await.expect(303).location(), "/c/42/x");
    house.browser("orders.test").navigate("/.access/step-up?to=/x").await.must_log_in();
    // Readers are asked for nothing more.
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    bob.fetch("/x").await.expect(200);
}

#[tokio::test]
async fn who_came_by_a_provider_steps_up_by_mail_to_their_own_address() {
    let google = Provider::start().await;
    let plan = plan(r#"["email"]"#, r#"["email", "google"]"#).provider("google", &google, "");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    let page = ann.navigate("/.access/step-up?to=/c/42/x").await.expect(200);
    assert_eq!(page.fields("email"), ["ann@example.com"]);
    assert_eq!(page.fields("to"), ["/c/42/x"]);
    assert!(page.button_of("google").is_none(), "that is how she came");
    assert_eq!(ann.log_in_to("ann@example.com", "/c/42/x").await, "/c/42/x");
    ann.fetch("/c/42/x").await.expect(200);
}

#[tokio::test]
async fn attack_16_somebody_elses_proof_makes_nobody_stronger() {
    let google = Provider::start().await;
    let plan = plan(r#"["google"]"#, r#"["email", "google"]"#).provider("google", &google, "");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let there = ann.begin_at_provider_to("google", "/c/42/x").await;
    let back = ann.approve(&there, "bob@example.com").await;
    ann.callback(&back).await.expect(303);
    // It is Bob's session now, with what Bob may do.
    ann.fetch("/x").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("bob@example.com"));
    ann.fetch_with("POST", "/c/42/x", "{}").await.expect(403);
}

#[tokio::test]
async fn who_has_no_way_to_step_up_is_told_so() {
    let (google, okta) = (Provider::start().await, Provider::start().await);
    let plan = plan(r#"["google"]"#, r#"["okta", "google"]"#);
    let plan = plan.provider("google", &google, "").provider("okta", &okta, "email_domains = [\"example.com\"]");
    let house = plan.start().await;
    okta.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("okta", "ann@example.com").await.expect(303);
    let page = ann.navigate("/.access/step-up?to=/c/42/x").await.expect(200);
    assert!(page.button_of("google").is_none() && page.button_of("okta").is_none(), "{}", page.text());
    assert!(page.text().contains("none is there for your address"), "{}", page.text());
}
