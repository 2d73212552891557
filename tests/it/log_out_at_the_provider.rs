//! Logging out here logs out at the provider too, and leads back (OpenID Connect RP-Initiated Logout 1.0).

use crate::browser::{Browser, SESSION, TRY};
use crate::every_way_out::TWO_APPS;
use crate::house::{House, OPEN, Plan};
use crate::provider::{CLIENT, Provider};
use crate::provider_pages::query;

fn plan(google: &Provider, more: &str) -> Plan {
    House::plan(OPEN).ways("orders", r#"["google"]"#).provider("google", google, more)
}

async fn ann_in(house: &House, google: &Provider, domains: &[&str]) -> Browser {
    google.trust(house, domains).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    ann.fetch("/").await.expect(200);
    ann
}

/// Whether a browser has something open at the provider still: it sends it straight back then, without asking who it is.
async fn is_known_there(ann: &Browser) -> bool {
    let there = ann.begin_at_provider("google").await;
    let mut url = there;
    for _ in 0..5 {
        let answer = ann.send_abroad("GET", &url, &[("accept", "text/html")], "").await;
        match answer.onward() {
            Some(onward) if onward.starts_with(&ann.origin()) => return true,
            Some(onward) => url = ann.whole(&url, &onward),
            None => return false,
        }
    }
    panic!("the provider leads in a circle, last to {url}");
}

#[tokio::test]
async fn logging_out_goes_on_to_the_provider_and_comes_back() {
    let google = Provider::start().await;
    let house = plan(&google, "").start().await;
    let ann = ann_in(&house, &google, &["orders.test"]).await;
    assert!(is_known_there(&ann).await);
    ann.set_cookie(TRY, "left-over");
    let old = ann.cookie(SESSION).expect("a session");
    // A page and not a redirect: `form-action` would block that one on its way.
    let page = ann.post("/.access/logout", &[]).await.expect(200);
    assert_eq!(page.header("clear-site-data"), "\"cache\", \"storage\"");
    assert_eq!(page.header("cache-control"), "no-store");
    // But for what keeps a stranger's flood from shutting her out, and opens nothing.
    let left: Vec<String> = ann.cookies_named("__Host-access").into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["__Host-access-known"]);
    // Before anybody has gone anywhere, the session is over.
    let thief = house.browser("orders.test");
    thief.set_cookie(SESSION, &old);
    thief.fetch("/").await.expect(401);

    let there = page.onward().expect("it leads to the provider");
    assert!(there.starts_with(google.issuer()), "{there}");
    assert!(page.links().contains(&there), "a person can go there without being sent:\n{}", page.text());
    ann.secret(&query(&there, "id_token_hint").expect("the provider need not ask who it is"));
    assert_eq!(query(&there, "client_id").as_deref(), Some(CLIENT));
    assert_eq!(query(&there, "post_logout_redirect_uri"), Some(format!("{}/.access/logged-out", ann.origin())));
    let back = ann.through_provider(&there, &[]).await;
    let end = ann.follow(&back).await.expect(200);
    assert!(end.text().contains("You are logged out"), "{}", end.text());
    assert_eq!(end.header("cache-control"), "no-store");
    assert!(!is_known_there(&ann).await, "she is logged out there too");
    // It told us, of a session that had ended by then.
    let told = google.report().await.backchannel;
    assert_eq!(told.iter().map(|told| told.status).collect::<Vec<_>>(), [200]);
}

#[tokio::test]
async fn the_way_back_from_the_log_out_does_not_lead_in_again_by_itself() {
    let google = Provider::start().await;
    let house = plan(&google, "end_provider_session = false").start().await;
    let ann = ann_in(&house, &google, &["orders.test"]).await;
    // The operator does not want it: the provider is left alone.
    ann.log_out().await;
    let page = ann.navigate("/.access/logged-out").await.expect(200);
    let again = page.links().into_iter().find(|link| link.starts_with("/.access/login")).expect("a way in again");
    // The provider is the only way in, and she is logged in there still: without a word she would be in again.
    let login = ann.navigate(&again).await.expect(200);
    assert!(login.button_of("google").is_some(), "{}", login.text());
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    let elsewhere = ann.navigate("/.access/logged-out").await.expect(303);
    assert_eq!(elsewhere.location(), "/.access/account", "nobody is told that they are out while they are in");
}

#[tokio::test]
async fn with_a_hub_the_provider_sends_people_back_there_and_it_sends_them_home() {
    let google = Provider::start().await;
    let plan = House::plan(TWO_APPS).ways("orders", r#"["google"]"#).ways("reports", r#"["google"]"#);
    let house = plan.provider("google", &google, "").login("hub = \"login.test\"").start().await;
    let ann = ann_in(&house, &google, &["login.test"]).await;
    let page = ann.post("/.access/logout", &[]).await.expect(200);
    let there = page.onward().expect("it leads to the provider");
    ann.secret(&query(&there, "id_token_hint").expect("a hint"));
    let hub = ann.at("login.test");
    assert_eq!(query(&there, "post_logout_redirect_uri"), Some(format!("{}/.access/oidc/logged-out", hub.origin())));
    let back = ann.through_provider(&there, &[]).await;
    assert!(back.starts_with(&hub.origin()), "{back}");
    let home = ann.follow(&back).await.expect(303);
    assert_eq!(home.location(), format!("{}/.access/logged-out", ann.origin()));
    ann.follow(home.location()).await.expect(200);
    let told = google.report().await.backchannel;
    assert_eq!(told.iter().map(|told| told.status).collect::<Vec<_>>(), [200], "the hub hears of it, too");

    // Only what we sealed leads anywhere.
    let state = query(&back, "state").expect("it names the domain");
    for wrong in ["", "https://evil.test", &state[1..], &format!("{state}A"), &"A".repeat(5000)] {
        let answer = hub.navigate(&format!("/.access/oidc/logged-out?state={wrong}")).await.expect(200);
        assert!(answer.onward().is_none() && answer.links().is_empty(), "{wrong}: {}", answer.text());
    }
    hub.navigate("/.access/oidc/logged-out").await.expect(200);
    hub.navigate(&format!("/.access/oidc/logged-out?state={state}&state={state}")).await;
    house.browser("orders.test").navigate(&format!("/.access/oidc/logged-out?state={state}")).await.expect(404);
}

#[tokio::test]
async fn a_script_is_told_where_the_providers_log_out_is() {
    let google = Provider::start().await;
    let house = plan(&google, "").start().await;
    let ann = ann_in(&house, &google, &["orders.test"]).await;
    let told = ann.fetch_with("POST", "/.access/logout", "").await.expect(200).json();
    let there = told["provider_logout"].as_str().expect("an address").to_owned();
    ann.secret(&query(&there, "id_token_hint").expect("a hint"));
    assert!(there.starts_with(google.issuer()), "{there}");
    ann.fetch("/").await.expect(401);
    let again = ann.fetch_with("POST", "/.access/logout", "").await.expect(200).json();
    assert_eq!(again, serde_json::json!({ "logged_out": true, "provider_logout": null }));
}

#[tokio::test]
async fn a_provider_that_nobody_has_reached_since_the_start_keeps_nobody_in() {
    let google = Provider::start().await;
    let mut house = plan(&google, "timeout = \"1s\"").start().await;
    let ann = ann_in(&house, &google, &["orders.test"]).await;
    google.down().await;
    house.kill9();
    house.start_again().await;
    ann.fetch("/").await.expect(200);
    ann.log_out().await;
    ann.fetch("/").await.expect(401);
}

#[tokio::test]
async fn logging_out_everywhere_ends_what_hangs_on_the_provider_and_what_does_not() {
    let google = Provider::start().await;
    let plan = House::plan(TWO_APPS).ways("orders", r#"["google"]"#).provider("google", &google, "");
    let house = plan.start().await;
    let ann = ann_in(&house, &google, &["orders.test"]).await;
    let phone = house.browser("reports.test");
    phone.log_in("ann@example.com").await;
    let mut socket = phone.web_socket("/ws").await.expect("it opens");
    let page = ann.navigate("/.access/account").await.expect(200);
    assert!(page.text().contains("/.access/logout/everywhere"), "{}", page.text());
    for proof in [&[][..], &[("origin", "https://evil.test")], &[("sec-fetch-site", "cross-site")]] {
        ann.post_from("/.access/logout/everywhere", &[], proof).await.expect(403);
    }
    phone.fetch("/").await.expect(200);
    let page = ann.post("/.access/logout/everywhere", &[]).await.expect(200);
    ann.secret(&query(&page.onward().expect("it leads to the provider"), "id_token_hint").expect("a hint"));
    let reading = async { while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {} };
    tokio::time::timeout(crate::wire::PATIENCE, reading).await.expect("her WebSocket in the other app ended");
    ann.fetch("/").await.expect(401);
    phone.fetch("/").await.expect(401);
}
