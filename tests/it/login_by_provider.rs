//! Logging in by an OpenID provider: the buttons, the way there and back, and who comes of it.

use serde_json::json;

use crate::browser::SESSION;
use crate::house::{House, LADDER, OPEN, Plan};
use crate::provider::Provider;
use crate::provider_pages::query;

const JWT: &str = "\n[app.orders.identity]\njwt = { header = \"X-Access-Assertion\", audience = \"orders\" }\n";
const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>"##;

/// The plain app, entered by mail and one provider.
fn with_google(google: &Provider, more: &str) -> Plan {
    House::plan(OPEN).ways("orders", r#"["email", "google"]"#).provider("google", google, more)
}

#[tokio::test]
async fn two_providers_stand_on_one_page_and_each_opens_the_door() {
    let (google, okta) = (Provider::start().await, Provider::start_https().await);
    let plan = House::plan(OPEN).ways("orders", r#"["email", "google", "okta"]"#);
    let plan = plan.provider("google", &google, "title = \"Google\"\nicon = \"google.svg\"").file("google.svg", ICON);
    let house = plan.provider("okta", &okta, "title = \"Acme staff\"").start().await;
    google.trust(&house, &["orders.test"]).await;
    okta.trust(&house, &["orders.test"]).await;

    let ann = house.browser("orders.test");
    let page = ann.navigate("/.access/login?to=/orders").await.expect(200);
    assert!(page.has_field("email"), "{}", page.text());
    for (name, title) in [("google", "Google"), ("okta", "Acme staff")] {
        assert!(page.button_of(name).is_some() && page.text().contains(title), "{name}:\n{}", page.text());
    }
    let text = page.text();
    let icon = text.split('"').find(|word| word.starts_with("/.access/") && word.contains("icon"));
    let icon = ann.navigate(icon.unwrap_or_else(|| panic!("no icon:\n{text}"))).await.expect(200);
    assert_eq!((icon.text().as_str(), icon.header("content-type")), (ICON, "image/svg+xml"));
    assert!(!icon.header("content-security-policy").is_empty(), "an SVG may hold scripts");

    let entered = ann.log_in_by_provider_to("google", "ann@example.com", "/orders?page=2").await.expect(303);
    assert_eq!(entered.location(), "/orders?page=2");
    ann.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
    let bob = house.browser("orders.test");
    bob.log_in_by_provider("okta", "bob@example.com").await.expect(303);
    bob.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("bob@example.com"));
    assert!(house.mail.all().await.is_empty(), "nobody wrote a mail");
}

#[tokio::test]
async fn the_app_hears_how_and_when_a_person_logged_in() {
    let google = Provider::start().await;
    let plan = House::plan(&format!("{OPEN}{JWT}")).ways("orders", r#"["email", "google"]"#);
    let house = plan.provider("google", &google, "").start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    ann.fetch("/").await.expect(200);
    let claims = house.upstream.last().claims("x-access-assertion");
    assert_eq!(claims["email"], "ann@example.com");
    let amr = claims["amr"].as_array().cloned().unwrap_or_default();
    assert!(amr.contains(&json!("pwd")), "the provider's own word for it: {claims}");
    let age = claims["iat"].as_i64().expect("iat") - claims["auth_time"].as_i64().expect("auth_time");
    assert!((0..60).contains(&age), "{claims}");

    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    bob.fetch("/").await.expect(200);
    let claims = house.upstream.last().claims("x-access-assertion");
    assert!(!claims["amr"].to_string().contains("pwd"), "{claims}");
}

#[tokio::test]
async fn the_only_way_in_is_taken_without_a_page() {
    let google = Provider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["google"]"#).provider("google", &google, "");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    let there = ann.to_provider("/orders").await;
    assert!(there.starts_with(google.issuer()), "{there}");
    let back = ann.approve(&there, "ann@example.com").await;
    assert_eq!(ann.callback(&back).await.expect(303).location(), "/orders");
    // Logging out does not lead right back in.
    ann.forget_cookie(SESSION);
    let page = ann.navigate("/.access/logged-out").await.expect(200);
    for link in page.links().iter().filter(|link| link.starts_with("/.access/login")) {
        ann.navigate(link).await.expect(200);
    }
}

#[tokio::test]
async fn the_only_way_in_can_have_its_page_all_the_same() {
    let google = Provider::start().await;
    let plan = House::plan(&OPEN.replace("[app.orders]\n", "[app.orders]\nskip_login_page = false\n"));
    let house = plan.ways("orders", r#"["google"]"#).provider("google", &google, "").start().await;
    let page = house.browser("orders.test").navigate("/.access/login").await.expect(200);
    assert!(page.button_of("google").is_some(), "{}", page.text());
    assert!(!page.has_field("email"), "nobody comes in by mail:\n{}", page.text());
    let asked = house.browser("orders.test").post("/.access/login", &[("email", "ann@example.com"), ("to", "/")]).await;
    assert!(matches!(asked.status, 404 | 405 | 422), "{}", asked.status);
    assert!(house.mail.all().await.is_empty());
}

#[tokio::test]
async fn a_public_client_needs_no_secret() {
    let google = Provider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["google"]"#).public_provider("google", &google, "");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    house.browser("orders.test").log_in_by_provider("google", "ann@example.com").await.expect(303);
}

#[tokio::test]
async fn every_common_signature_is_believed() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let google = Provider::start_with(json!({ "alg": algorithm })).await;
        let house = with_google(&google, &format!("algorithms = [\"{algorithm}\"]")).start().await;
        google.trust(&house, &["orders.test"]).await;
        let ann = house.browser("orders.test");
        let entered = ann.log_in_by_provider("google", "ann@example.com").await;
        assert_eq!(entered.status, 303, "{algorithm}: {}", entered.text());
    }
}

#[tokio::test]
async fn an_address_may_stand_in_userinfo_alone() {
    let google = Provider::start_with(json!({ "claims": "userinfo" })).await;
    let house = with_google(&google, "").start().await;
    google.trust(&house, &["orders.test"]).await;
    house.browser("orders.test").log_in_by_provider("google", "ann@example.com").await.expect(303);
    assert_eq!(google.count("me").await, 1);
}

#[tokio::test]
async fn who_is_known_at_the_provider_is_not_asked_again() {
    let google = Provider::start().await;
    let house = with_google(&google, "").start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    ann.forget_cookie(SESSION);
    let there = ann.begin_at_provider("google").await;
    let back = ann.through_provider(&there, &[]).await;
    ann.callback(&back).await.expect(303);
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn who_refuses_at_the_provider_is_back_at_the_log_in() {
    let google = Provider::start().await;
    let house = with_google(&google, "title = \"Google\"").start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    let there = ann.begin_at_provider("google").await;
    let back = ann.refuse(&there).await;
    let page = ann.callback(&back).await.expect(403);
    assert!(page.has_field("email") && page.button_of("google").is_some(), "{}", page.text());
    assert!(page.text().contains("Google"), "{}", page.text());
    assert_eq!(ann.cookie(SESSION), None);
    assert!(ann.cookies_named("__Host-access-flow").is_empty(), "the attempt is over");
}

#[tokio::test]
async fn an_address_that_is_not_verified_opens_nothing() {
    let google = Provider::start().await;
    let house = with_google(&google, "").start().await;
    google.trust(&house, &["orders.test"]).await;
    for unsure in [json!(false), json!(null), json!("false"), json!("yes"), json!(1), json!([true])] {
        let login = format!("ann-{unsure}");
        google.user(&login, json!({ "email": "ann@example.com", "email_verified": unsure })).await;
        let ann = house.browser("orders.test");
        let page = ann.log_in_by_provider("google", &login).await;
        assert_eq!(page.status, 403, "{unsure}: {}", page.text());
        assert_eq!(ann.cookie(SESSION), None, "{unsure}");
    }
    assert!(house.metric(&["logins", "not-believed"]).await >= 6.0, "it is counted");
}

#[tokio::test]
async fn an_operator_can_trust_a_provider_that_verifies_nothing() {
    let google = Provider::start().await;
    let house = with_google(&google, "trust_unverified_email = true").start().await;
    google.trust(&house, &["orders.test"]).await;
    google.user("ann", json!({ "email": "ann@example.com", "email_verified": null })).await;
    house.browser("orders.test").log_in_by_provider("google", "ann").await.expect(303);
}

#[tokio::test]
async fn the_address_may_be_another_claim() {
    let google = Provider::start().await;
    let house = with_google(&google, "email_claim = \"upn\"\ntrust_unverified_email = true").start().await;
    google.trust(&house, &["orders.test"]).await;
    google.user("ann", json!({ "email": "other@example.com", "upn": "ann@example.com" })).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("google", "ann").await.expect(303);
    ann.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
}

#[tokio::test]
async fn who_has_no_grant_is_told_so_and_can_come_as_somebody_else() {
    let google = Provider::start().await;
    let house = with_google(&google, "title = \"Google\"").start().await;
    google.trust(&house, &["orders.test"]).await;
    let nobody = house.browser("orders.test");
    let page = nobody.log_in_by_provider("google", "nobody@example.com").await.expect(403);
    assert!(page.text().contains("nobody@example.com") && page.text().contains("Google"), "{}", page.text());
    assert_eq!(nobody.cookie(SESSION), None);
    // The provider knows them, and would send the same person back at once: it is asked to ask.
    let another = page.button_of("google").unwrap_or_else(|| panic!("no way on:\n{}", page.text()));
    let there = nobody.to_provider(&another).await;
    let back = nobody.approve(&there, "ann@example.com").await;
    nobody.callback(&back).await.expect(303);
    nobody.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
}

#[tokio::test]
async fn roles_and_filters_come_from_the_table_and_not_from_the_provider() {
    let google = Provider::start().await;
    let house = House::plan(LADDER).ways("orders", r#"["google"]"#).provider("google", &google, "").start().await;
    google.trust(&house, &["orders.test"]).await;
    google.user("bob", json!({ "email": "bob@example.com", "groups": ["manager"], "role": "manager" })).await;
    let bob = house.browser("orders.test");
    bob.log_in_by_provider("google", "bob").await.expect(303);
    bob.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-role"), Some("reader"));
    bob.fetch_with("POST", "/api/x", "{}").await.expect(403);
    // And who leaves the table is out, whatever the provider says.
    house.remove_from_table("bob@example.com");
    crate::house::eventually("Bob is out", async || (bob.fetch("/").await.status != 200).then_some(())).await;
}

#[tokio::test]
async fn several_tabs_log_in_side_by_side() {
    let google = Provider::start().await;
    let house = with_google(&google, "").start().await;
    google.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    let first = ann.begin_at_provider_to("google", "/first").await;
    let second = ann.begin_at_provider_to("google", "/second").await;
    assert_ne!(query(&first, "state"), query(&second, "state"));
    assert_ne!(query(&first, "code_challenge"), query(&second, "code_challenge"));
    assert_eq!(query(&first, "code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(ann.cookies_named("__Host-access-flow").len(), 2);
    // The later one comes back first.
    let back = ann.approve(&second, "ann@example.com").await;
    assert_eq!(ann.callback(&back).await.expect(303).location(), "/second");
    let session = ann.cookie(SESSION);
    let back = ann.through_provider(&first, &[]).await;
    assert_eq!(ann.callback(&back).await.expect(303).location(), "/first");
    assert_ne!(ann.cookie(SESSION), session, "each log-in has a session of its own");
    assert!(ann.cookies_named("__Host-access-flow").is_empty());
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn an_address_leads_to_the_provider_of_its_domain() {
    let okta = Provider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["email", "okta"]"#);
    let people = format!("{}gil@big.example,42,Acme Ltd,Gil Orr,active,reader,,,en,EU\n", crate::house::PEOPLE);
    let plan = plan.provider("okta", &okta, "email_domains = [\"big.example\"]").file("people.csv", people);
    let house = plan.start().await;
    okta.trust(&house, &["orders.test"]).await;
    // Known or unknown there, the answer is the same.
    for (address, known) in [("gil@big.example", true), ("nobody@big.example", false), ("GIL@Big.Example ", true)] {
        let person = house.browser("orders.test");
        let answer = person.post("/.access/login", &[("email", address), ("to", "/orders")]).await;
        assert_eq!(answer.status, 200, "a redirect would fall to form-action: {} {}", answer.status, answer.text());
        let onward = answer.onward().unwrap_or_else(|| panic!("nowhere to go:\n{}", answer.text()));
        assert!(answer.links().contains(&onward), "and by a link, where nothing refreshes:\n{}", answer.text());
        let there = person.to_provider(&onward).await;
        assert!(there.starts_with(okta.issuer()), "{there}");
        let hint = query(&there, "login_hint").unwrap_or_default();
        assert_eq!(hint, address.trim().to_lowercase(), "the provider need not ask again");
        let back = person.approve(&there, &hint).await;
        let came = person.callback(&back).await;
        assert_eq!(came.status, if known { 303 } else { 403 }, "{address}: {}", came.text());
    }
    // Others still get their mail; nobody of that domain ever does.
    house.browser("orders.test").log_in("ann@example.com").await;
    let to: Vec<String> = house.mail.all().await.into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to, ["ann@example.com"]);
}

#[tokio::test]
async fn an_address_leads_home_where_there_is_no_mail_at_all() {
    let (okta, google) = (Provider::start().await, Provider::start().await);
    let plan = House::plan(OPEN).ways("orders", r#"["okta", "google"]"#).provider("google", &google, "");
    let house = plan.provider("okta", &okta, "email_domains = [\"big.example\"]").start().await;
    okta.trust(&house, &["orders.test"]).await;
    let person = house.browser("orders.test");
    let page = person.navigate("/.access/login").await.expect(200);
    assert!(page.has_field("email"), "{}", page.text());
    let answer = person.post("/.access/login", &[("email", "gil@big.example"), ("to", "/")]).await.expect(200);
    let onward = answer.onward().unwrap_or_else(|| panic!("nowhere to go:\n{}", answer.text()));
    assert!(person.to_provider(&onward).await.starts_with(okta.issuer()));
    let known = person.post("/.access/login", &[("email", "ann@example.com"), ("to", "/")]).await;
    let unknown = person.post("/.access/login", &[("email", "nobody@example.com"), ("to", "/")]).await;
    assert_eq!(known.status, unknown.status);
    assert_eq!(known.text().replace("ann@", ""), unknown.text().replace("nobody@", ""), "the answer tells nothing");
    assert!(house.mail.all().await.is_empty());
}
