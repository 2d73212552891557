//! Attacks on the back channel (case 24, and 4): only a provider's own word ends a session, and its word does so for good.

use serde_json::{Value, json};

use crate::browser::{Answer, Browser, SESSION};
use crate::every_way_out::TWO_APPS;
use crate::hostile_provider::{HostileProvider, Signing, now};
use crate::house::{House, OPEN, eventually};
use crate::provider::Provider;
use crate::provider_pages::{Back, query};

impl Browser {
    /// Posts a form to the back channel as a machine does: without a cookie, an origin, or a page.
    pub(crate) async fn tell_of_log_out(&self, form: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", "/.access/oidc/backchannel", &headers, form).await
    }
}

async fn house(liar: &HostileProvider) -> House {
    House::plan(OPEN).ways("orders", r#"["liar"]"#).config(&liar.toml("liar", "")).start().await
}

async fn next_second() {
    let begun = now();
    eventually("time passes", async || (now() > begun).then_some(())).await;
}

async fn ann_in(house: &House) -> Browser {
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("liar", "").await.expect(303);
    ann.fetch("/").await.expect(200);
    ann
}

#[tokio::test]
async fn attack_24_what_is_wrong_with_a_token_keeps_it_from_ending_anything() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = ann_in(&house).await;
    let nobody = house.browser("orders.test");
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let claims: Vec<(&str, Value)> = vec![
        ("another issuer", json!({ "iss": "https://evil.test" })),
        ("no issuer", json!({ "iss": null })),
        ("for another client", json!({ "aud": "somebody-else" })),
        ("for nobody", json!({ "aud": null })),
        ("long ago", json!({ "iat": now() - 3600 })),
        ("in an hour", json!({ "iat": now() + 3600, "exp": now() + 7200 })),
        ("at no time", json!({ "iat": null })),
        ("at a word", json!({ "iat": "now" })),
        ("over", json!({ "exp": now() - 600 })),
        ("with a nonce", json!({ "nonce": "n" })),
        ("with a nonce of nothing", json!({ "nonce": "" })),
        ("without events", json!({ "events": null })),
        ("with no event", json!({ "events": {} })),
        ("with another event", json!({ "events": { "http://schemas.openid.net/event/other": {} } })),
        ("with a list of events", json!({ "events": [event] })),
        ("with an event that is no object", json!({ "events": { event: true } })),
        ("of nobody", json!({ "sub": null })),
        ("of an empty person", json!({ "sub": "" })),
        ("of a number", json!({ "sub": 1 })),
        ("without an id", json!({ "jti": null })),
        ("with an empty id", json!({ "jti": "" })),
    ];
    let claims = claims.into_iter().map(|(case, claims)| (case, json!({}), claims, Signing::Own));
    let own = json!({});
    let mut signings = vec![
        ("a stranger's", json!({}), own.clone(), Signing::Stranger),
        ("a broken signature", json!({}), own.clone(), Signing::Broken),
        ("none at all", json!({ "alg": "none" }), own.clone(), Signing::Nobody),
        ("none, in capitals", json!({ "alg": "NONE" }), own.clone(), Signing::Nobody),
        ("another algorithm", json!({ "alg": "RS256" }), own.clone(), Signing::Own),
        ("another key's name", json!({ "kid": "other" }), own.clone(), Signing::Own),
        ("something critical", json!({ "crit": ["x"], "x": 1 }), own.clone(), Signing::Own),
        ("an ID token by type", json!({ "typ": "at+jwt" }), own.clone(), Signing::Own),
        ("the secret", json!({ "alg": "HS256" }), own.clone(), Signing::Hmac(crate::provider::CLIENT_SECRET.into())),
    ];
    for key in liar.public_key_bytes() {
        signings.push(("the public key as a secret", json!({ "alg": "HS256" }), own.clone(), Signing::Hmac(key)));
    }
    for (case, header, claims, signing) in claims.chain(signings) {
        let token = liar.logout_token(&header, &claims, &signing);
        let answer = nobody.tell_of_log_out(&format!("logout_token={token}")).await;
        assert_eq!(answer.status, 400, "{case}: {}", answer.text());
        assert_eq!(answer.json(), json!({ "error": "invalid_request" }), "{case}");
        assert_eq!(answer.header("cache-control"), "no-store", "{case}");
        assert_eq!(ann.fetch("/").await.status, 200, "{case}");
    }
    assert!(liar.asked("jwks").len() <= 3, "junk does not have keys fetched again and again");
}

#[tokio::test]
async fn attack_24_the_form_has_one_token_and_is_a_form() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = ann_in(&house).await;
    let nobody = house.browser("orders.test");
    let token = || liar.logout_token(&json!({}), &json!({}), &Signing::Own);
    let (one, other) = (token(), token());
    for form in [
        String::new(),
        "logout_token=".to_owned(),
        format!("logout_token={one}&logout_token={other}"),
        format!("logout_token={one}&logout_token="),
        format!("logout_token[]={one}"),
        format!("LOGOUT_TOKEN={one}"),
        format!("logout_token={one}%00"),
        format!("logout_token={one}."),
        format!("logout_token={}", one.replace('.', "")),
        format!("logout_token={}", "a.".repeat(4000)),
    ] {
        nobody.tell_of_log_out(&form).await.expect(400);
    }
    nobody.tell_of_log_out(&format!("logout_token={one}&x={}", "a".repeat(20_000))).await.expect(413);
    for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let form = format!("logout_token={one}");
        nobody.send("POST", "/.access/oidc/backchannel", &[("content-type", kind)], &form).await.expect(400);
    }
    nobody.send("POST", &format!("/.access/oidc/backchannel?logout_token={one}"), &[], "").await.expect(400);
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let path = format!("/.access/oidc/backchannel?logout_token={one}");
        let origin = ann.origin();
        let headers = [("sec-fetch-site", "same-origin"), ("origin", origin.as_str())];
        nobody.send(method, &path, &headers, "").await.expect(405);
    }
    ann.fetch("/").await.expect(200);
    // None of that has used it up.
    nobody.tell_of_log_out(&format!("state=1&logout_token={one}")).await.expect(200);
    ann.fetch("/").await.expect(401);
}

#[tokio::test]
async fn attack_24_a_token_is_good_once() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = ann_in(&house).await;
    let token = format!("logout_token={}", liar.logout_token(&json!({}), &json!({}), &Signing::Own));
    let nobody = house.browser("orders.test");
    let at_once = (0..8).map(|_| nobody.tell_of_log_out(&token));
    let answers = futures_util::future::join_all(at_once).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    ann.fetch("/").await.expect(401);
    // Her next session is none of that token's business.
    next_second().await;
    liar.conduct(|conduct| conduct.claims = json!({ "sid": "sid-2" }));
    ann.log_in_by_provider("liar", "").await.expect(303);
    nobody.tell_of_log_out(&token).await.expect(400);
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn attack_04_the_back_channel_opens_nothing_else_and_looks_at_no_cookie() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = ann_in(&house).await;
    // What is exempt from the proof of origin is this path and no other.
    for path in [
        "/.access/oidc/backchannel/",
        "/.access/oidc/backchannel/x",
        "/.access/oidc/Backchannel",
        "/.access/logout",
        "/.access/logout/everywhere",
        "/.access/sessions/end",
    ] {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.test")];
        let answer = ann.send("POST", path, &headers, "all=1").await;
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {}", answer.status);
        ann.fetch("/").await.expect(200);
    }
    // Her cookie neither helps nor is lost.
    let junk = ann.tell_of_log_out("logout_token=a.b.c").await.expect(400);
    assert_eq!(junk.header("set-cookie"), "");
    ann.fetch("/").await.expect(200);
    let bobs = json!({ "sub": "bob-1" });
    let token = liar.logout_token(&json!({}), &bobs, &Signing::Own);
    ann.tell_of_log_out(&format!("logout_token={token}")).await.expect(200);
    ann.fetch("/").await.expect(200);
    assert!(ann.cookie(SESSION).is_some());
    house.upstream.seen().iter().for_each(|seen| assert!(!seen.target.contains("backchannel"), "{}", seen.target));
}

#[tokio::test]
async fn attack_24_a_disabled_apps_domain_still_hears_of_log_outs() {
    let liar = HostileProvider::start().await;
    let apps = TWO_APPS.replace("[app.reports]", "[app.reports]\nenabled = false");
    let house = House::plan(&apps).ways("orders", r#"["liar"]"#).config(&liar.toml("liar", "")).start().await;
    let ann = ann_in(&house).await;
    let token = liar.logout_token(&json!({}), &json!({}), &Signing::Own);
    house.browser("reports.test").tell_of_log_out(&format!("logout_token={token}")).await.expect(200);
    ann.fetch("/").await.expect(401);
}

#[tokio::test]
async fn attack_24_a_log_in_under_way_does_not_outlive_the_log_out() {
    let liar = HostileProvider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["liar"]"#).config(&liar.toml("liar", ""));
    let house = plan.login("hub = \"login.test\"").start().await;
    for (case, own_sid, claims, is_let_in) in [
        ("her session", "sid-1", json!({ "sub": "ann-1", "sid": "sid-1" }), false),
        ("all of hers", "sid-2", json!({ "sub": "ann-1" }), false),
        ("another session of hers", "sid-3", json!({ "sub": "ann-1", "sid": "sid-9" }), true),
        ("another person's", "sid-4", json!({ "sub": "bob-1" }), true),
    ] {
        // `auth_time` has whole seconds. What is proven in the second of a log-out counts as proven before it, so each step here
        // waits for the next.
        next_second().await;
        liar.conduct(|conduct| conduct.claims = json!({ "sid": own_sid }));
        let ann = house.browser("orders.test");
        let there = ann.begin_at_provider("liar").await;
        let back = ann.through_provider(&there, &[]).await;
        // The hub has believed the provider; the domain has only a ticket so far.
        let Back::Ticket(host, ticket) = ann.callback_to_ticket(&back).await else { panic!("{case}: no ticket") };
        next_second().await;
        let token = liar.logout_token(&json!({}), &claims, &Signing::Own);
        house.browser("login.test").tell_of_log_out(&format!("logout_token={token}")).await.expect(200);
        let answer = ann.at(&host).press_ticket(&ticket).await;
        let status = ann.fetch("/").await.status;
        assert_eq!(status, if is_let_in { 200 } else { 401 }, "{case}: {} {}", answer.status, answer.text());
        if !is_let_in {
            // With a new log-in there she is in again.
            next_second().await;
            liar.conduct(|conduct| conduct.claims = json!({ "sid": format!("{own_sid}-anew") }));
            ann.log_in_by_provider("liar", "").await.expect(303);
            ann.fetch("/").await.expect(200);
        }
    }
}

#[tokio::test]
async fn two_sessions_of_one_person_end_one_by_one_and_all_at_once() {
    let google = Provider::start().await;
    let house = House::plan(OPEN).ways("orders", r#"["google"]"#).provider("google", &google, "").start().await;
    google.trust(&house, &["orders.test"]).await;
    let (desk, phone, bob) = (house.browser("orders.test"), house.browser("orders.test"), house.browser("orders.test"));
    for (person, login) in [(&desk, "ann@example.com"), (&phone, "ann@example.com"), (&bob, "bob@example.com")] {
        person.log_in_by_provider("google", login).await.expect(303);
    }
    // At the desk she logs out, and the provider ends that session of hers and says so.
    let page = desk.post("/.access/logout", &[]).await.expect(200);
    let there = page.onward().expect("it leads to the provider");
    desk.secret(&query(&there, "id_token_hint").expect("a hint"));
    desk.through_provider(&there, &[]).await;
    desk.fetch("/").await.expect(401);
    phone.fetch("/").await.expect(200);
    google.log_out("ann@example.com", None).await;
    eventually("the phone is out", async || (phone.fetch("/").await.status == 401).then_some(())).await;
    bob.fetch("/").await.expect(200);
    let told = google.report().await.backchannel;
    assert!(told.iter().all(|told| told.status == 200 && told.url.ends_with("/.access/oidc/backchannel")), "{told:?}");
}
