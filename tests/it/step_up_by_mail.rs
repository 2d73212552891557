//! A role that asks for a mail beside the provider, and one that asks for what its people do not have.

use crate::house::{House, LADDER, Plan};
use crate::provider::Provider;

/// Managers come by these ways, readers as they like.
fn plan(requirement: &str, ways: &str) -> Plan {
    let apps =
        LADDER.replace("includes = [\"reader\"]\n", &format!("includes = [\"reader\"]\nrequire = {requirement}\n"));
    House::plan(&apps).ways("orders", ways)
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
