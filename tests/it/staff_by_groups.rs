//! The platform's own people come by a provider, and its groups say what they may do in each app.

use serde_json::json;

use crate::house::{House, LADDER, Plan, eventually};
use crate::provider::Provider;

const STAFF: &str = r#"
[workspace.oidc]
provider = "corp"

[[workspace.oidc.group]]
name = "support"
roles = { orders = "manager" }

[[workspace.oidc.group]]
name = "everybody"
roles = { orders = "reader" }
"#;

fn plan(corp: &Provider, more: &str) -> Plan {
    House::plan(LADDER).config(STAFF).provider("corp", corp, more)
}

#[tokio::test]
async fn groups_become_roles_and_no_row_in_the_table_is_needed() {
    let corp = Provider::start().await;
    let house = plan(&corp, "").ways("orders", r#"["email", "corp"]"#).start().await;
    corp.trust(&house, &["orders.test"]).await;
    for (login, groups, role) in [
        ("kim", json!(["everybody", "support"]), Some("manager")),
        ("lee", json!(["everybody"]), Some("reader")),
        ("one", json!("everybody"), Some("reader")),
        ("max", json!(["visitors"]), None),
        ("nix", json!(null), None),
        ("odd", json!({ "support": true }), None),
        ("low", json!(["Support", "support "]), None),
    ] {
        corp.user(login, json!({ "email": format!("{login}@corp.example"), "groups": groups })).await;
        let person = house.browser("orders.test");
        let came = person.log_in_by_provider("corp", login).await;
        assert_eq!(came.status, if role.is_some() { 303 } else { 403 }, "{login}: {}", came.text());
        if role.is_some() {
            person.fetch("/").await.expect(200);
            assert_eq!(house.upstream.last().header("x-access-role"), role, "{login}");
            assert_eq!(house.upstream.last().header("x-access-email"), Some(&*format!("{login}@corp.example")));
        }
    }
}

#[tokio::test]
async fn groups_of_another_provider_say_nothing() {
    let (corp, google) = (Provider::start().await, Provider::start().await);
    let plan = plan(&corp, "").ways("orders", r#"["corp", "google"]"#);
    let house = plan.provider("google", &google, "").start().await;
    google.trust(&house, &["orders.test"]).await;
    google.user("kim", json!({ "email": "kim@corp.example", "groups": ["support"] })).await;
    house.browser("orders.test").log_in_by_provider("google", "kim").await.expect(403);
}

#[tokio::test]
async fn what_changes_in_the_groups_changes_here_at_the_next_check() {
    let corp = Provider::start().await;
    let house = plan(&corp, "recheck = \"10s\"").ways("orders", r#"["corp"]"#).start().await;
    corp.trust(&house, &["orders.test"]).await;
    corp.user("kim", json!({ "email": "kim@corp.example", "groups": ["support"] })).await;
    let kim = house.browser("orders.test");
    kim.log_in_by_provider("corp", "kim").await.expect(303);
    kim.fetch_with("POST", "/api/x", "{}").await.expect(200);
    corp.user("kim", json!({ "email": "kim@corp.example", "groups": ["everybody"] })).await;
    eventually("she is a reader", async || {
        kim.fetch("/").await.expect(200);
        (house.upstream.last().header("x-access-role") == Some("reader")).then_some(())
    })
    .await;
    kim.fetch_with("POST", "/api/x", "{}").await.expect(403);
    corp.user("kim", json!({ "email": "kim@corp.example", "groups": [] })).await;
    eventually("she has nothing here", async || {
        let answer = kim.fetch("/").await;
        (answer.status == 401 || answer.status == 403).then_some(())
    })
    .await;
}
