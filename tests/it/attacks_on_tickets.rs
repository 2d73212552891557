//! Attacks on the hub and its tickets (cases 15, 16, 17 and 19): a ticket is for one domain, one browser and one minute, and it is
//! taken by a button alone.

use crate::browser::SESSION;
use crate::house::House;
use crate::hub;
use crate::provider::Provider;
use crate::provider_pages::{Back, query, with_query};

const FLOW: &str = "__Host-access-flow";

/// A person as far as the page with the button.
async fn with_ticket(house: &House, host: &str, login: &str) -> (crate::browser::Browser, String) {
    let person = house.browser(host);
    let there = person.begin_at_provider("google").await;
    let back = person.approve(&there, login).await;
    match person.callback_to_ticket(&back).await {
        Back::Ticket(at, ticket) if at == host => (person, ticket),
        other => panic!("no ticket for {host}: {other:?}"),
    }
}

#[tokio::test]
async fn attack_19_looking_at_a_ticket_never_uses_it_up() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let (bob, ticket) = with_ticket(&house, "orders.test", "bob@example.com").await;
    let path = format!("/.access/oidc/ticket?ticket={ticket}");
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST"] {
        let answer = bob.send(method, &path, &[("accept", "text/html"), ("origin", &bob.origin())], "").await;
        assert!(answer.status < 500, "{method}: {}", answer.status);
        assert_eq!(bob.cookie(SESSION), None, "{method}");
    }
    bob.navigate(&path).await.expect(200);
    bob.press_ticket(&ticket).await.expect(303);
}

#[tokio::test]
async fn attack_19_a_ticket_opens_once() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let (bob, ticket) = with_ticket(&house, "orders.test", "bob@example.com").await;
    let kept = bob.cookies_named(FLOW);
    let pressed = futures_util::future::join_all((0..10).map(|_| bob.press_ticket(&ticket))).await;
    let statuses: Vec<u16> = pressed.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    bob.forget_cookie(SESSION);
    for (name, value) in kept {
        bob.set_cookie(&name, &value);
    }
    bob.press_ticket(&ticket).await.expect(410);
    assert_eq!(bob.cookie(SESSION), None);
}

#[tokio::test]
async fn attack_17_a_ticket_is_for_the_browser_that_began() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let (bob, ticket) = with_ticket(&house, "orders.test", "bob@example.com").await;
    // Log-in CSRF: the thief's ticket in the victim's browser, with nothing under way there, or something of their own.
    let victim = house.browser("orders.test");
    victim.press_ticket(&ticket).await.expect(410);
    victim.navigate(&format!("/.access/oidc/ticket?ticket={ticket}")).await.expect(410);
    let (_, own) = with_ticket(&house, "orders.test", "ann@example.com").await;
    victim.begin_at_provider("google").await;
    victim.press_ticket(&ticket).await.expect(410);
    // The name of the victim's attempt before the thief's token.
    let name = victim.cookies_named(FLOW).remove(0).0;
    let id = name.trim_start_matches("__Host-access-flow-").to_owned();
    let renamed = format!("{id}{}", &ticket[id.len()..]);
    victim.press_ticket(&renamed).await.expect(410);
    // Two tickets of two browsers, crosswise.
    bob.press_ticket(&own).await.expect(410);
    assert_eq!((victim.cookie(SESSION), bob.cookie(SESSION)), (None, None));
    bob.press_ticket(&ticket).await.expect(303);
}

#[tokio::test]
async fn attack_17_a_ticket_is_for_the_domain_that_asked() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let (cat, ticket) = with_ticket(&house, "orders.test", "cat@example.com").await;
    for host in ["orders.big.test", "portal.globex.test", "reports.test", "login.test"] {
        let there = cat.at(host);
        for (name, value) in cat.cookies_named(FLOW) {
            there.set_cookie(&name, &value);
        }
        let answer = there.press_ticket(&ticket).await;
        assert!(matches!(answer.status, 404 | 405 | 410), "{host}: {}", answer.status);
        assert_eq!(there.cookie(SESSION), None, "{host}");
    }
    cat.press_ticket(&ticket).await.expect(303);
}

#[tokio::test]
async fn attack_16_no_other_site_presses_the_button() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let (bob, ticket) = with_ticket(&house, "orders.test", "bob@example.com").await;
    let hub = format!("https://{}", house.host("login.test"));
    for proof in [
        &[][..],
        &[("origin", "https://evil.test")],
        &[("origin", "null")],
        &[("origin", &*hub), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ] {
        bob.post_from("/.access/oidc/ticket", &[("ticket", &ticket)], proof).await.expect(403);
        assert_eq!(bob.cookie(SESSION), None);
    }
    bob.press_ticket(&ticket).await.expect(303);
}

#[tokio::test]
async fn attack_17_what_is_asked_of_the_hub_cannot_be_made_up_or_changed() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let bob = house.browser("orders.test");
    let start = bob.navigate("/.access/oidc/start?provider=google&to=%2Forders").await.expect(303);
    let asked = start.location().to_owned();
    let request = query(&asked, "request").expect("a request");
    assert!(!request.contains("orders") && !request.contains("google"), "it is sealed");
    let mut wrong: Vec<String> = vec![
        String::new(),
        "AAAA".to_owned(),
        "{}".to_owned(),
        request[1..].to_owned(),
        request[..request.len() - 1].to_owned(),
        format!("{request}A"),
        "A".repeat(10_000),
        // A cookie's content, which the same key seals, is no request.
        bob.cookies_named(FLOW).remove(0).1,
    ];
    for n in (0..request.len()).step_by(request.len() / 12) {
        let mut changed = request.clone().into_bytes();
        changed[n] = if changed[n] == b'A' { b'B' } else { b'A' };
        wrong.push(String::from_utf8(changed).expect("ASCII"));
    }
    for request in wrong {
        let answer = bob.follow(&with_query(&asked, "request", Some(&request))).await;
        assert!(matches!(answer.status, 400 | 410 | 414 | 431), "{request}: {}", answer.status);
        assert!(answer.onward().is_none(), "{request}");
        assert!(answer.all("set-cookie").is_empty(), "{request}");
    }
    let answer = bob.follow(&format!("{asked}&request={request}")).await;
    assert!(answer.onward().is_none(), "two requests are none: {}", answer.status);
    // Nor is it of use anywhere but at the hub.
    let elsewhere = asked.replacen("login.test", "reports.test", 1);
    bob.follow(&elsewhere).await.expect(404);
    assert_eq!(google.count("auth").await, 0);
}

#[tokio::test]
async fn attack_17_a_request_that_is_used_again_opens_nothing_for_a_stranger() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let thief = house.browser("orders.test");
    let start = thief.navigate("/.access/oidc/start?provider=google&to=/").await.expect(303);
    let asked = start.location().to_owned();
    // The victim is led through the hub by the thief's request: what they prove there would be the thief's.
    let victim = house.browser("orders.test");
    let there = victim.to_provider(&asked).await;
    let back = victim.approve(&there, "ann@example.com").await;
    let ticket = match victim.callback_to_ticket(&back).await {
        // The page that takes it over is not shown to a browser that did not begin.
        Back::Answer(answer) => {
            assert!(matches!(answer.status, 403 | 410), "{}", answer.status);
            None
        }
        Back::Ticket(_, ticket) => Some(ticket),
    };
    assert_eq!(victim.cookie(SESSION), None);
    assert_eq!(ticket, None, "a ticket for a browser that did not begin");
    assert_eq!(thief.cookie(SESSION), None);
}

#[tokio::test]
async fn attack_17_the_hubs_way_back_is_for_the_browser_that_passed_through_and_once() {
    let google = Provider::start().await;
    let house = hub::house(&google).await;
    let bob = house.browser("orders.test");
    let there = bob.begin_at_provider("google").await;
    let back = bob.approve(&there, "bob@example.com").await;
    let kept = bob.at("login.test").cookies_named(FLOW);
    house.browser("orders.test").callback(&back).await.expect(410);
    let other = house.browser("orders.test");
    other.begin_at_provider("google").await;
    other.callback(&back).await.expect(410);
    // A domain's callback, which takes back what the domain began itself, takes nothing of the hub's.
    let moved = back.replacen("login.test", "orders.test", 1);
    bob.callback(&moved).await.expect(410);
    let Back::Ticket(_, ticket) = bob.callback_to_ticket(&back).await else { panic!("no ticket") };
    for (name, value) in &kept {
        bob.at("login.test").set_cookie(name, value);
    }
    let Back::Answer(again) = bob.callback_to_ticket(&back).await else { panic!("a second ticket") };
    again.expect(410);
    bob.press_ticket(&ticket).await.expect(303);
    assert_eq!(google.count("token:authorization_code").await, 1);
}

#[tokio::test]
async fn attack_15_a_domain_that_left_the_config_is_not_sent_to() {
    let google = Provider::start().await;
    let mut house = hub::house(&google).await;
    let bob = house.browser("orders.big.test");
    let start = bob.navigate("/.access/oidc/start?provider=google&to=/").await.expect(303);
    let asked = start.location().to_owned();
    let config = std::fs::read_to_string(house.config()).expect("the config file");
    house.terminate();
    house.ended().await;
    let without = config.replace("host = \"orders.big.test\"", "host = \"orders.new.test\"");
    assert_ne!(config, without);
    house.write("vestibule.toml", without);
    let port = house.door.https().port();
    house.start_again().await;
    google.trust(&house, &["login.test"]).await;
    // The gateway has another port now; the browser finds it all the same.
    let asked = asked.replace(&format!(":{port}"), &format!(":{}", house.door.https().port()));
    let answer = bob.follow(&asked).await;
    assert!(matches!(answer.status, 400 | 410), "{} to {:?}", answer.status, answer.onward());
    assert!(answer.onward().is_none());
}
