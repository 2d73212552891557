//! One redirect URI for all domains: the hub between branded domains and the providers.

use crate::browser::SESSION;
use crate::house::{House, LADDER, OPEN, Plan, eventually, plain_get};
use crate::provider::Provider;
use crate::provider_pages::{Back, query};

/// Three faces of one app, one of which pins a customer, and another app beside it.
const DOMAINS: &str = r##"
[[app.orders.domain]]
host = "orders.big.test"
customer = "42"
branding = { title = "BigCustomer", color = "#aa0000" }

[[app.orders.domain]]
host = "portal.globex.test"
customer = "43"
branding = { title = "Globex" }

[app.reports]
login = ["google"]
domains = ["reports.test"]
upstream = "{{upstream}}"
[[app.reports.customers]]
source = "crm"
email = "email"
customer = "company_id"
"##;

pub(crate) fn plan(google: &Provider) -> Plan {
    let plan = House::plan(&format!("{OPEN}{DOMAINS}")).ways("orders", r#"["email", "google"]"#);
    plan.login("hub = \"login.test\"\ntries_per_client = 1000\nmails_per_address = 100").provider(
        "google",
        google,
        "title = \"Google\"",
    )
}

pub(crate) async fn house(google: &Provider) -> House {
    let house = plan(google).start().await;
    // Only the hub's address is known there: the way by any other would be refused.
    google.trust(&house, &["login.test"]).await;
    house
}

#[tokio::test]
async fn one_person_on_three_domains_logs_in_at_the_provider_once() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let cat = house.browser("orders.test");
    cat.log_in_by_provider_to("google", "cat@example.com", "/orders").await.expect(303);
    for (host, customer) in [("orders.big.test", "42"), ("portal.globex.test", "43"), ("reports.test", "")] {
        let there = cat.at(host);
        there.fetch("/").await.expect(401);
        let asked = there.begin_at_provider_to("google", "/orders?page=2").await;
        assert_eq!(
            query(&asked, "redirect_uri"),
            Some(format!("https://{}/.access/oidc/callback", house.host("login.test")))
        );
        // The provider knows her: nothing is filled in.
        let back = there.through_provider(&asked, &[]).await;
        assert!(back.starts_with(&format!("https://{}/", house.host("login.test"))), "{back}");
        let entered = there.callback(&back).await.expect(303);
        assert_eq!(entered.location(), "/orders?page=2", "{host}");
        if customer.is_empty() {
            there.choose("43").await.expect(303);
        }
        there.fetch("/").await.expect(200);
        let seen = house.upstream.last();
        assert_eq!(seen.header("x-access-email"), Some("cat@example.com"), "{host}");
        assert!(customer.is_empty() || seen.header("x-access-customer") == Some(customer), "{host}: {seen:?}");
    }
    assert_eq!(google.report().await.count("auth"), 4);
    let hub = cat.at("login.test");
    assert_eq!(hub.cookie(SESSION), None, "the hub has no sessions of its own");
    assert!(hub.cookies_named("__Host-access").is_empty(), "and keeps nothing of what is over");
}

#[tokio::test]
async fn the_ticket_waits_for_a_button_and_wears_the_domains_face() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let bob = house.browser("orders.big.test");
    let there = bob.begin_at_provider("google").await;
    let back = bob.approve(&there, "bob@example.com").await;
    let Back::Ticket(host, ticket) = bob.callback_to_ticket(&back).await else { panic!("no page with a ticket") };
    assert_eq!(host, "orders.big.test");
    let page = bob.navigate(&format!("/.access/oidc/ticket?ticket={ticket}")).await.expect(200);
    assert!(page.text().contains("BigCustomer"), "{}", page.text());
    assert!(!page.header("content-security-policy").contains("unsafe"), "{}", page.header("content-security-policy"));
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "same-origin", "the ticket in the address goes to nobody");
    assert_eq!(bob.cookie(SESSION), None, "looking opens nothing");
    bob.press_ticket(&ticket).await.expect(303);
    bob.fetch("/").await.expect(200);
}

#[tokio::test]
async fn the_hub_has_nothing_but_the_way_through() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let hub = house.browser("login.test");
    let before = house.upstream.count();
    for path in [
        "/",
        "/orders",
        "/.access/login",
        "/.access/account",
        "/.access/check",
        "/.access/nothing",
        "/.access/jwks.json",
    ] {
        let answer = hub.navigate(path).await;
        assert!(matches!(answer.status, 400 | 404 | 405 | 421), "{path}: {}", answer.status);
        assert!(answer.all("set-cookie").is_empty() && !answer.text().contains("estibule"), "{path}");
    }
    let asked = hub.post("/.access/login", &[("email", "ann@example.com"), ("to", "/")]).await;
    assert!(matches!(asked.status, 404 | 405), "{}", asked.status);
    for path in [
        "/.access/oidc/begin",
        "/.access/oidc/begin?request=",
        "/.access/oidc/begin?request=abc",
        "/.access/oidc/callback",
    ] {
        let answer = hub.navigate(path).await;
        assert!(matches!(answer.status, 400 | 410), "{path}: {}", answer.status);
    }
    let plain = plain_get(house.http(), "login.test", "/.access/oidc/callback?code=x").await;
    assert!(matches!(plain.status, 301 | 308), "{}", plain.status);
    assert!(plain.location().starts_with("https://login.test"), "{}", plain.location());
    assert_eq!(house.upstream.count(), before);
    assert!(house.mail.all().await.is_empty());
}

#[tokio::test]
async fn what_goes_wrong_behind_the_hub_is_told_on_the_domain() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let bob = house.browser("orders.big.test");
    let there = bob.begin_at_provider_to("google", "/orders").await;
    let back = bob.refuse(&there).await;
    let page = bob.callback(&back).await.expect(403);
    assert!(page.text().contains("BigCustomer") && page.has_field("email"), "{}", page.text());
    assert!(page.fields("to").iter().all(|to| to == "/orders"), "where he was going is not lost");
    assert!(page.has_field("to"));
    assert!(bob.cookies_named("__Host-access-flow").is_empty());

    google.user("bob", serde_json::json!({ "email": "bob@example.com", "email_verified": false })).await;
    let page = bob.log_in_by_provider("google", "bob").await.expect(403);
    assert!(page.text().contains("BigCustomer"), "{}", page.text());

    let nobody = house.browser("portal.globex.test");
    let page = nobody.log_in_by_provider("google", "nobody@example.com").await.expect(403);
    assert!(page.text().contains("Globex") && page.text().contains("nobody@example.com"), "{}", page.text());

    google.down().await;
    let eve = house.browser("portal.globex.test");
    let there = eve.navigate("/.access/oidc/start?provider=google&to=/").await.expect(303);
    // The hub knows the provider from before; whoever comes back to it finds that it is gone.
    assert!(there.location().starts_with(&format!("https://{}/", house.host("login.test"))), "{}", there.location());
}

#[tokio::test]
async fn a_provider_that_the_hub_cannot_ask_sends_people_back_to_their_domain() {
    let google = Provider::start().await;
    google.down().await;
    let house = plan(&google).start().await;
    let eve = house.browser("portal.globex.test");
    let start = eve.navigate("/.access/oidc/start?provider=google&to=%2Forders").await.expect(303);
    let at_hub = start.location().to_owned();
    let page = eve.callback(&at_hub).await.expect(503);
    assert!(page.text().contains("Globex") && page.text().contains("Google"), "{}", page.text());
}

#[tokio::test]
async fn using_another_account_works_through_the_hub() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let person = house.browser("orders.big.test");
    let page = person.log_in_by_provider("google", "nobody@example.com").await.expect(403);
    let another = page.button_of("google").unwrap_or_else(|| panic!("no way on:\n{}", page.text()));
    let there = person.to_provider(&another).await;
    let back = person.approve(&there, "bob@example.com").await;
    person.callback(&back).await.expect(303);
    person.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("bob@example.com"));
}

#[tokio::test]
async fn the_table_still_decides_on_each_domain() {
    let google = Provider::start().await;
    let house = house(&google).await;
    // Eve is Globex's alone.
    let eve = house.browser("portal.globex.test");
    eve.log_in_by_provider("google", "eve@example.com").await.expect(303);
    eve.fetch("/").await.expect(200);
    let there = eve.at("orders.big.test");
    let asked = there.begin_at_provider("google").await;
    let back = there.through_provider(&asked, &[]).await;
    there.callback(&back).await.expect(403);
    assert_eq!(there.cookie(SESSION), None);
    house.remove_from_table("eve@example.com");
    eventually("Eve is out", async || (eve.fetch("/").await.status != 200).then_some(())).await;
}

#[tokio::test]
async fn several_tabs_and_domains_pass_through_the_hub_side_by_side() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let cat = house.browser("orders.test");
    let (big, globex) = (cat.at("orders.big.test"), cat.at("portal.globex.test"));
    let first = cat.begin_at_provider_to("google", "/first").await;
    let second = big.begin_at_provider_to("google", "/second").await;
    let third = globex.begin_at_provider_to("google", "/third").await;
    let fourth = cat.begin_at_provider_to("google", "/fourth").await;
    let back = cat.approve(&third, "cat@example.com").await;
    assert_eq!(globex.callback(&back).await.expect(303).location(), "/third");
    for (browser, url, to) in [(&cat, fourth, "/fourth"), (&big, second, "/second"), (&cat, first, "/first")] {
        let back = browser.through_provider(&url, &[]).await;
        assert_eq!(browser.callback(&back).await.expect(303).location(), to);
    }
    assert!(cat.at("login.test").cookies_named("__Host-access").is_empty());
}

#[tokio::test]
async fn a_role_from_the_table_and_a_log_in_through_the_hub_go_together() {
    let google = Provider::start().await;
    let plan = House::plan(LADDER).ways("orders", r#"["google"]"#).login("hub = \"login.test\"");
    let house = plan.provider("google", &google, "").start().await;
    google.trust(&house, &["login.test"]).await;
    let ann = house.browser("orders.test");
    // The only way in: from the app to the provider without a page of ours in between.
    let there = ann.to_provider("/c/42/x").await;
    let back = ann.approve(&there, "ann@example.com").await;
    assert_eq!(ann.callback(&back).await.expect(303).location(), "/c/42/x");
    ann.fetch("/c/42/x").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-role"), Some("manager"));
}
