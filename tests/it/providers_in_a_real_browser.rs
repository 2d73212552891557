//! The log-in by providers in real Chromium, through the hub, with its own policies in force (`tests/support/provider_walk.mjs` walks).

use serde_json::json;

use crate::house::{House, LADDER, PEOPLE};
use crate::provider::Provider;

const DOMAINS: &str = r##"
[app.orders.branding]
title = "Acme Orders"
color = "#0b5fff"

[[app.orders.domain]]
host = "orders.big.test"
customer = "42"
branding = { title = "BigCustomer", color = "#ffd400" }

[[app.orders.domain]]
host = "portal.globex.test"
customer = "43"
branding = { title = "Globex" }
"##;

const ICON: &str =
    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="#c00"/></svg>"##;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_walks_through_the_log_in_by_providers() {
    let (google, big, gone) = (Provider::start().await, Provider::start().await, Provider::start().await);
    gone.down().await;
    google.user("unverified", json!({ "email": "ann@example.com", "email_verified": false })).await;
    let apps = LADDER.replace("[app.orders.role.manager]\n", "[app.orders.role.manager]\nrequire = [\"oidc\"]\n");
    // Only Ann's row asks for the stronger role, so that the others come in as they are.
    let people = PEOPLE.replace("Cat Moe,active,manager", "Cat Moe,active,reader");
    let people = format!("{people}gil@big.example,42,Acme Ltd,Gil Orr,active,reader,,,en,EU\n");
    let plan = House::plan(&format!("{apps}{DOMAINS}")).ways("orders", r#"["email", "google", "big", "gone"]"#);
    let plan = plan.login("hub = \"login.test\"\nmails_per_address = 100\ntries_per_client = 1000");
    let plan = plan.provider("google", &google, "title = \"Google\"\nicon = \"google.svg\"").file("google.svg", ICON);
    let plan = plan.provider("big", &big, "title = \"BigCustomer staff\"\nemail_domains = [\"big.example\"]");
    let house = plan.provider("gone", &gone, "title = \"Gone\"").file("people.csv", people).start().await;
    google.trust(&house, &["login.test"]).await;
    big.trust(&house, &["login.test"]).await;

    crate::house::walk(&house, "provider_walk.mjs", 24).await;
}
