//! Attacks on the way to a provider and back (cases 15, 16, 17 and 23): whatever goes through a browser may be changed, copied, swapped,
//! kept for later, or pushed into somebody else's browser.

use std::collections::BTreeSet;

use crate::attacks_on_login::{AWAY, stays};
use crate::browser::{Answer, Browser, SESSION, encode};
use crate::hostile_provider::HostileProvider;
use crate::house::{House, OPEN};
use crate::hub;
use crate::provider::Provider;
use crate::provider_pages::{query, with_query};

const FLOW: &str = "__Host-access-flow";

async fn house(liar: &HostileProvider) -> House {
    let plan = House::plan(OPEN).ways("orders", r#"["email", "google"]"#).config(&liar.toml("google", ""));
    plan.login("tries_per_client = 1000000").start().await
}

/// Wherever an answer leads by itself, it is one of ours or the provider.
#[track_caller]
fn leads_nowhere_else(answer: &Answer, house: &House, provider: &str, case: &str) {
    let Some(onward) = answer.onward() else { return };
    if onward.starts_with(&format!("{provider}/")) {
        return;
    }
    let ours = ["orders.test", "orders.big.test", "portal.globex.test", "reports.test", "login.test"];
    if !ours.iter().any(|host| onward.starts_with(&format!("https://{}/", house.host(host)))) {
        stays(&onward, case);
    }
}

#[tokio::test]
async fn attack_15_no_parameter_of_any_of_our_pages_leads_away() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let (domain, at_hub) = (house.browser("orders.big.test"), house.browser("login.test"));
    let known = house.browser("orders.big.test");
    known.log_in("bob@example.com").await;
    let pages = [
        "/.access/login?to=X",
        "/.access/login?stay=1&to=X",
        "/.access/login?problem=X&flow=X&to=X",
        "/.access/login?problem=unreachable&flow=X",
        "/.access/oidc/start?provider=X",
        "/.access/oidc/start?provider=google&to=X",
        "/.access/oidc/start?provider=google&another=X&to=X",
        "/.access/oidc/callback?state=X&code=X",
        "/.access/oidc/callback?state=X&error=X&error_description=X&error_uri=X",
        "/.access/oidc/callback?state=X&code=X&iss=X&redirect_uri=X&to=X",
        "/.access/oidc/begin?request=X",
        "/.access/oidc/ticket?ticket=X",
        "/.access/oidc/icon/X",
        "/.access/oidc/logged-out?state=X",
        "/.access/oidc/logged-out?state=X&to=X&post_logout_redirect_uri=X",
        "/.access/logged-out?state=X&to=X",
        "/.access/step-up?to=X",
        "/.access/passkey/offer?to=X",
        "/.access/choose?to=X",
        "/.access/account?to=X",
    ];
    for page in pages {
        for away in AWAY {
            let path = page.replace('X', &encode(away));
            for browser in [&domain, &at_hub, &known] {
                let answer = browser.navigate(&path).await;
                assert!(answer.status < 500, "{path}: {}", answer.status);
                leads_nowhere_else(&answer, &house, google.issuer(), &path);
                for link in answer.links() {
                    stays(&link, &path);
                }
                for to in answer.fields("to") {
                    stays(if to.is_empty() { "/" } else { &to }, &path);
                }
            }
        }
    }
}

#[tokio::test]
async fn attack_15_a_whole_log_in_ends_on_a_page_of_ours() {
    let liar = HostileProvider::start().await;
    let plan =
        House::plan(&format!("{OPEN}{}", "\n[[app.orders.domain]]\nhost = \"orders.big.test\"\ncustomer = \"42\"\n"));
    let plan = plan.ways("orders", r#"["email", "google"]"#).config(&liar.toml("google", ""));
    let house = plan.login("hub = \"login.test\"\ntries_per_client = 1000000").start().await;
    for away in AWAY {
        let person = house.browser("orders.big.test");
        let there = person.to_provider(&format!("/.access/oidc/start?provider=google&to={}", encode(away))).await;
        assert!(!there.contains("evil"), "the provider is not told: {there}");
        let back = person.through_provider(&there, &[]).await;
        let entered = person.callback(&back).await;
        if entered.status == 303 {
            stays(entered.location(), away);
        } else {
            assert_eq!(person.cookie(SESSION), None, "{away:?}: a refused address gives no session");
        }
    }
}

#[tokio::test]
async fn attack_15_the_host_that_a_browser_names_decides_nothing() {
    // Were the redirect URI made of an unchecked Host, the code would be sent wherever that says.
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = house.browser("orders.test");
    for (name, value) in [
        ("host", "evil.test"),
        ("host", "orders.test.evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("forwarded", "host=evil.test;proto=http"),
        ("x-original-host", "evil.test"),
    ] {
        let answer = ann.send("GET", "/.access/oidc/start?provider=google&to=/", &[(name, value)], "").await;
        if answer.status == 303 {
            let redirect = query(answer.location(), "redirect_uri").expect("a redirect URI");
            assert_eq!(redirect, format!("{}/.access/oidc/callback", ann.origin()), "{name}: {value}");
        } else {
            assert!(matches!(answer.status, 400 | 404 | 421), "{name}: {value}: {}", answer.status);
        }
    }
}

#[tokio::test]
async fn attack_16_no_other_site_logs_anybody_in_as_somebody_else() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    // The attacker goes as far as the address that would log them in, and has the victim's browser open it.
    let thief = house.browser("orders.test");
    let there = thief.begin_at_provider("google").await;
    let back = thief.through_provider(&there, &[]).await;
    let victim = house.browser("orders.test");
    let page = victim.callback(&back).await.expect(410);
    assert_eq!(victim.cookie(SESSION), None);
    assert!(page.links().iter().any(|link| link.starts_with("/.access/login")), "{}", page.text());
    // Also with an attempt of the victim's own under way, and when they are logged in as themselves.
    victim.begin_at_provider("google").await;
    victim.callback(&back).await.expect(410);
    victim.log_in("bob@example.com").await;
    let session = victim.cookie(SESSION);
    victim.callback(&back).await.expect(410);
    assert_eq!(victim.cookie(SESSION), session);
    victim.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("bob@example.com"));
    assert!(liar.asked("token").is_empty(), "nor was the code redeemed");
    thief.callback(&back).await.expect(303);
}

#[tokio::test]
async fn attack_16_the_session_after_the_way_back_is_a_new_one() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let thief = house.browser("orders.test");
    thief.log_in("bob@example.com").await;
    let planted = thief.cookie(SESSION).expect("a session");
    for planted in [planted.clone(), "A".repeat(planted.len())] {
        let ann = house.browser("orders.test");
        ann.set_cookie(SESSION, &planted);
        ann.log_in_by_provider("google", "").await.expect(303);
        assert_ne!(ann.cookie(SESSION).as_deref(), Some(&*planted));
        ann.fetch("/").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
        thief.set_cookie(SESSION, &planted);
        let answer = thief.fetch("/").await;
        if answer.status == 200 {
            assert_eq!(house.upstream.last().header("x-access-email"), Some("bob@example.com"));
        }
    }
}

#[tokio::test]
async fn attack_17_the_way_back_is_for_the_browser_that_went() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = house.browser("orders.test");
    let there = ann.begin_at_provider("google").await;
    let back = ann.through_provider(&there, &[]).await;
    let cookies = ann.cookies_named(FLOW);
    assert_eq!(cookies.len(), 1);

    // Without any cookie, with one of another browser's attempt, with one of another name, and with one that was changed.
    house.browser("orders.test").callback(&back).await.expect(410);
    let other = house.browser("orders.test");
    other.begin_at_provider("google").await;
    other.callback(&back).await.expect(410);
    let (name, value) = &cookies[0];
    let own = other.cookies_named(FLOW).remove(0);
    let forged = house.browser("orders.test");
    forged.set_cookie(name, &own.1);
    forged.callback(&back).await.expect(410);
    for n in [0, value.len() / 2, value.len() - 1] {
        let mut changed = value.clone().into_bytes();
        changed[n] = if changed[n] == b'A' { b'B' } else { b'A' };
        forged.set_cookie(name, std::str::from_utf8(&changed).expect("ASCII"));
        forged.callback(&back).await.expect(410);
    }
    forged.set_cookie(name, &value[..value.len() / 2]);
    forged.callback(&back).await.expect(410);
    assert_eq!(forged.cookie(SESSION), None);
    assert!(liar.asked("token").is_empty(), "no code was redeemed for them");
    ann.callback(&back).await.expect(303);
}

#[tokio::test]
async fn attack_17_a_cookie_that_was_kept_for_later_is_of_no_use() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = house.browser("orders.test");
    let there = ann.begin_at_provider("google").await;
    let back = ann.through_provider(&there, &[]).await;
    let kept = ann.cookies_named(FLOW);
    ann.callback(&back).await.expect(303);
    let redeemed = liar.asked("token").len();
    // The same address again, by the back button, and with the cookie put back.
    ann.callback(&back).await.expect(410);
    for (name, value) in &kept {
        ann.set_cookie(name, value);
    }
    ann.callback(&back).await.expect(410);
    // And with a new code of the thief's own under the old state, which the provider here would redeem.
    let again = ann.through_provider(&there, &[]).await;
    for (name, value) in &kept {
        ann.set_cookie(name, value);
    }
    ann.callback(&again).await.expect(410);
    assert_eq!(liar.asked("token").len(), redeemed);
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn attack_17_many_answers_at_once_open_one_session() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = house.browser("orders.test");
    let there = ann.begin_at_provider("google").await;
    let back = ann.through_provider(&there, &[]).await;
    let kept = ann.cookies_named(FLOW);
    let copies: Vec<Browser> = (0..10).map(|_| house.browser("orders.test")).collect();
    let answers = futures_util::future::join_all(copies.iter().map(async |copy| {
        for (name, value) in &kept {
            copy.set_cookie(name, value);
        }
        copy.callback(&back).await.status
    }))
    .await;
    assert_eq!(answers.iter().filter(|status| **status == 303).count(), 1, "{answers:?}");
    assert_eq!(liar.asked("token").len(), 1);
}

#[tokio::test]
async fn attack_17_a_state_belongs_to_one_attempt_and_a_code_to_one_browser() {
    let google = Provider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["email", "google"]"#).provider("google", &google, "");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    let (victim, thief) = (house.browser("orders.test"), house.browser("orders.test"));
    let victims = victim.begin_at_provider("google").await;
    let victims_back = victim.approve(&victims, "ann@example.com").await;
    let thiefs = thief.begin_at_provider("google").await;
    let thiefs_back = thief.approve(&thiefs, "eve@example.com").await;
    let code = query(&victims_back, "code").expect("a code");
    // A stolen code under the thief's own state: the verifier is another one, and so is the nonce.
    let injected = with_query(&thiefs_back, "code", Some(&code));
    let answer = thief.callback(&injected).await;
    assert!(answer.status >= 400, "{}", answer.status);
    assert_eq!(thief.cookie(SESSION), None);

    // Two tabs of one browser: the answer to one under the state of the other.
    let (first, second) = (victim.begin_at_provider("google").await, victim.begin_at_provider("google").await);
    let (first, second) = (victim.through_provider(&first, &[]).await, victim.through_provider(&second, &[]).await);
    let crossed = with_query(&first, "state", query(&second, "state").as_deref());
    let answer = victim.callback(&crossed).await;
    assert!(answer.status >= 400, "{}", answer.status);
    assert_eq!(victim.cookie(SESSION), None);
}

#[tokio::test]
async fn attack_17_attempts_never_fill_a_browsers_cookies() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = house.browser("orders.test");
    let mut attempts = Vec::new();
    for n in 0..12 {
        let to = format!("/page/{n}?{}", "q".repeat(if n % 2 == 0 { 1500 } else { 5 }));
        attempts.push(ann.begin_at_provider_to("google", &to).await);
        let kept = ann.cookies_named(FLOW);
        assert!(kept.len() <= 5, "{}", kept.len());
        assert!(ann.cookie_header().len() < 12_000, "{}", ann.cookie_header().len());
    }
    // Junk of ours by name, which a sub-domain or an old version may have left, goes too.
    for n in 0..10 {
        ann.set_cookie(&format!("{FLOW}-junk000{n}"), "AAAA");
    }
    let last = ann.begin_at_provider("google").await;
    assert!(ann.cookies_named(FLOW).len() <= 5, "{:?}", ann.cookies_named(FLOW));
    let back = ann.through_provider(&last, &[]).await;
    ann.callback(&back).await.expect(303);
    let back = ann.through_provider(&attempts[0], &[]).await;
    ann.callback(&back).await.expect(410);
}

#[tokio::test]
async fn attack_17_attempts_of_one_domain_are_of_no_use_on_another() {
    let liar = HostileProvider::start().await;
    let apps = OPEN.to_owned()
        + "[app.reports]\nlogin = [\"google\"]\ndomains = [\"reports.test\"]\nupstream = \"{{upstream}}\"\n\
           [[app.reports.customers]]\nsource = \"crm\"\nemail = \"email\"\n";
    let house = House::plan(&apps).ways("orders", r#"["google"]"#).config(&liar.toml("google", "")).start().await;
    let ann = house.browser("orders.test");
    let there = ann.begin_at_provider("google").await;
    let back = ann.through_provider(&there, &[]).await;
    let elsewhere = ann.at("reports.test");
    for (name, value) in ann.cookies_named(FLOW) {
        elsewhere.set_cookie(&name, &value);
    }
    let moved = back.replacen("orders.test", "reports.test", 1);
    elsewhere.callback(&moved).await.expect(410);
    assert_eq!(elsewhere.cookie(SESSION), None);
    assert!(liar.asked("token").is_empty());
}

#[tokio::test]
async fn attack_10_nothing_of_a_log_in_reaches_the_app() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = house.browser("orders.test");
    ann.begin_at_provider("google").await;
    ann.log_in("ann@example.com").await;
    ann.set_cookie("own", "kept");
    ann.fetch("/").await.expect(200);
    let seen = house.upstream.last().text();
    assert!(seen.contains("own=kept") && !seen.contains("__Host-access"), "{seen}");
}

#[tokio::test]
async fn attack_23_people_who_log_in_at_the_same_moment_are_not_mixed_up() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let people = ["ann", "bob", "cat", "eve", "zoe"];
    let hosts = ["orders.test", "reports.test"];
    let each = people.iter().flat_map(|person| hosts.map(|host| (*person, host)));
    let opened = futures_util::future::join_all(each.map(async |(person, host)| {
        let browser = house.browser(host);
        let email = format!("{person}@example.com");
        browser.log_in_by_provider("google", &email).await.expect(303);
        let page = browser.navigate("/.access/account").await.expect(200);
        assert!(page.text().contains(&email), "{email} on {host}:\n{}", page.text());
        browser.cookie(SESSION).expect("a session")
    }))
    .await;
    assert_eq!(opened.iter().collect::<BTreeSet<_>>().len(), 10);
}

#[tokio::test]
async fn attack_23_a_provider_of_another_app_opens_nothing_here() {
    let (liar, google) = (HostileProvider::start().await, Provider::start().await);
    let apps = OPEN.to_owned()
        + "[app.reports]\nlogin = [\"liar\"]\ndomains = [\"reports.test\"]\nupstream = \"{{upstream}}\"\n\
           [[app.reports.customers]]\nsource = \"crm\"\nemail = \"email\"\n";
    for hub in ["", "hub = \"login.test\""] {
        let plan = House::plan(&apps).ways("orders", r#"["google"]"#).login(hub).config(&liar.toml("liar", ""));
        let house = plan.provider("google", &google, "").start().await;
        let thief = house.browser("orders.test");
        for name in ["liar", "Liar", "LIAR ", "", "google%00", "../liar", "email", "passkey", "oidc"] {
            let path = format!("/.access/oidc/start?provider={}&to=/", encode(name));
            let answer = thief.navigate(&path).await;
            assert!(matches!(answer.status, 400 | 404), "{name:?}: {}", answer.status);
            let icon = thief.navigate(&format!("/.access/oidc/icon/{}", encode(name))).await;
            assert!(matches!(icon.status, 400 | 404), "{name:?}: {}", icon.status);
        }
        let there = thief.at("reports.test");
        there.log_in_by_provider("liar", "").await.expect(303);
        let session = there.cookie(SESSION).expect("a session");
        thief.set_cookie(SESSION, &session);
        thief.fetch("/").await.expect(401);
    }
}

#[tokio::test]
async fn attack_21_what_a_session_rests_on_must_be_good_by_the_config_as_it_is_now() {
    let liar = HostileProvider::start().await;
    let mut house = house(&liar).await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in_by_provider("google", "").await.expect(303);
    bob.log_in("bob@example.com").await;
    let config = std::fs::read_to_string(house.config()).expect("the config file");
    let issuer = format!("issuer = \"{}\"", liar.issuer());
    assert!(config.contains(&issuer), "{config}");
    for (change, ann_may, bob_may) in [
        (config.clone(), true, true),
        // The provider stays, for other apps; this one lets nobody in by it any more.
        (config.replace(r#"login = ["email", "google"]"#, r#"login = ["email"]"#), false, true),
        // Under its name there is another provider now.
        (config.replace(&issuer, "issuer = \"http://127.0.0.1:9\""), false, true),
        // It speaks for Bob's address from now on, and mail does no more.
        (config.replace(&issuer, &format!("{issuer}\nemail_domains = [\"example.com\"]")), true, false),
    ] {
        house.terminate();
        house.ended().await;
        house.write("vestibule.toml", change);
        house.start_again().await;
        ann.fetch("/").await.expect(if ann_may { 200 } else { 401 });
        bob.fetch("/").await.expect(if bob_may { 200 } else { 401 });
    }
}

#[tokio::test]
async fn attack_16_a_way_back_is_a_link_and_no_form_of_another_site() {
    let liar = HostileProvider::start().await;
    let house = house(&liar).await;
    let ann = house.browser("orders.test");
    let there = ann.begin_at_provider("google").await;
    let back = ann.through_provider(&there, &[]).await;
    let fields: Vec<(String, String)> = ["code", "state", "iss"]
        .into_iter()
        .map(|name| (name.to_owned(), query(&back, name).expect("it is there")))
        .collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for proof in [&[("origin", liar.issuer()), ("sec-fetch-site", "cross-site")][..], &[]] {
        let answer = ann.post_from("/.access/oidc/callback", &fields, proof).await;
        assert!(matches!(answer.status, 403 | 405), "{}", answer.status);
    }
    assert_eq!(ann.cookie(SESSION), None);
    let entered = ann.callback(&back).await.expect(303);
    assert_eq!(entered.header("cache-control"), "no-store");
    for cookie in entered.all("set-cookie") {
        for guard in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(guard) && !cookie.contains("Domain"), "{cookie}");
        }
    }
}
