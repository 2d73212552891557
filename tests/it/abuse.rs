//! Floods (attack 19): whoever floods is slowed down, is counted and stands in the audit log, and locks nobody else out.

use crate::browser::{Answer, Browser};
use crate::house::{House, OPEN, eventually};

const KNOWN: &str = "__Host-access-known";

/// A house behind a proxy that says who its clients are.
async fn house(limits: &str) -> House {
    House::plan(OPEN).server("trusted_proxies = [\"127.0.0.1/32\"]").login(limits).start().await
}

/// Posts one of our forms from a network of one's own.
async fn post(browser: &Browser, client: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let origin = browser.origin();
    let proof = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin"), ("x-forwarded-for", client)];
    browser.post_from(path, fields, &proof).await
}

async fn ask(browser: &Browser, client: &str, email: &str) -> Answer {
    post(browser, client, "/.access/login", &[("email", email), ("to", "/")]).await
}

/// Logs in from a network, by link. Others may have asked for the same person: their mails open nothing in this browser.
async fn log_in(house: &House, browser: &Browser, client: &str, email: &str) {
    ask(browser, client, email).await.expect(303);
    let token = eventually("the mail comes", async || {
        for mail in house.mail.all().await.iter().rev().filter(|mail| mail.to == [email]) {
            if browser.open_link(mail).await.has_field("token") {
                return Some(mail.token());
            }
        }
        None
    })
    .await;
    post(browser, client, "/.access/link", &[("token", &token)]).await.expect(303);
    browser.navigate("/").await.expect(200);
}

/// The lines of the audit log with this event.
fn audit(house: &House, event: &str) -> Vec<serde_json::Value> {
    let events = house.log.events().into_iter();
    events
        .filter(|line| line["target"] == "audit" && line["fields"]["event"] == event)
        .map(|mut line| line["fields"].take())
        .collect()
}

#[tokio::test]
async fn attack_19_a_flood_of_an_address_from_one_network_leaves_its_owner_a_way_in() {
    let house = house("mails_per_address = 3\ntries_per_address = 4").await;
    let thief = house.browser("orders.test");
    let refused = async || {
        let mut refused = 0;
        for _ in 0..10 {
            // Another address of the thief's own site changes little, and a cookie that is invented nothing.
            let other = house.browser("orders.test");
            other.set_cookie(KNOWN, &"A".repeat(100));
            for (browser, client) in [(&thief, "203.0.113.9"), (&other, "203.0.113.77")] {
                refused += usize::from(ask(browser, client, "ann@example.com").await.status == 429);
            }
        }
        refused
    };
    assert_eq!(refused().await, 20 - 6, "each host has its share, and the site two of them");
    for n in 0..5 {
        let answer = post(&thief, "203.0.113.9", "/.access/code", &[("code", &format!("00000{n}"))]).await;
        assert_eq!(answer.status, if n < 4 { 422 } else { 429 });
        assert_eq!(answer.text().contains("or use the link in the mail"), n == 4, "{}", answer.text());
    }
    log_in(&house, &house.browser("orders.test"), "192.0.2.1", "ann@example.com").await;
    // Neither is another person of the thief's network held up.
    log_in(&house, &house.browser("orders.test"), "203.0.113.9", "bob@example.com").await;
}

#[tokio::test]
async fn attack_19_a_flood_of_an_address_from_everywhere_leaves_its_known_browser_a_way_in() {
    let house = house("mails_per_address = 2\ntries_in_total = 20").await;
    let ann = house.browser("orders.test");
    log_in(&house, &ann, "192.0.2.1", "ann@example.com").await;
    ann.log_out().await;
    let known = ann.cookie(KNOWN).expect("it stays when she logs out");
    let mut passed = 0;
    for n in 0..80 {
        passed += usize::from(
            ask(&house.browser("orders.test"), &format!("198.51.{n}.1"), "ann@example.com").await.status == 303,
        );
    }
    assert_eq!(passed, 8 - 1, "four shares, of which she used one");
    let page = ask(&house.browser("orders.test"), "192.0.2.1", "bob@example.com").await.expect(429);
    assert_eq!(page.header("retry-after"), "60", "everybody together has had their tries for now");
    log_in(&house, &ann, "192.0.2.1", "ann@example.com").await;
    assert_ne!(ann.cookie(KNOWN).expect("set anew"), known);
    assert_eq!(audit(&house, "browser_known").len(), 1, "she was known already");
    // The cookie opens nothing, and is good for its own domain and people alone.
    let thief = house.browser("orders.test");
    thief.set_cookie(KNOWN, &known);
    thief.navigate("/").await.must_log_in();
    ask(&thief, "198.51.1.1", "eve@example.com").await.expect(303);
    assert_eq!(audit(&house, "login_asked").len(), 10);
    assert!(!house.log.text().contains("ann@example.com"), "addresses are masked");
}

#[tokio::test]
async fn attack_19_each_limit_is_told_counted_and_written_and_each_kind_counts_by_itself() {
    let house = house("tries_per_client = 2\nmails_per_address = 1").await;
    let someone = house.browser("orders.test");
    let client = "203.0.113.9";
    ask(&someone, client, "ann@example.com").await.expect(303);
    for email in ["ann@example.com", "ann@example.com", "bob@example.com", "nobody@example.com"] {
        let page = ask(&someone, client, email).await.expect(429);
        assert!(page.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 60), "{:?}", page.headers);
        assert!(page.text().contains("minutes") || page.text().contains("a minute"), "{}", page.text());
    }
    // That asking is used up holds up neither codes nor links.
    for (path, field) in [("/.access/code", "code"), ("/.access/link", "token")] {
        for n in 0..4 {
            let answer = post(&someone, client, path, &[(field, "000000")]).await;
            assert_eq!(answer.status == 429, n >= 2, "{path}: {}", answer.status);
            assert!(answer.status != 429 || !answer.header("retry-after").is_empty(), "{:?}", answer.headers);
        }
    }
    let reached = async |kind: &str, limit: &str| {
        let name = format!("vestibule_limits_reached_total{{kind=\"{kind}\",limit=\"{limit}\"}}");
        house.metric(&[&name]).await
    };
    assert_eq!(reached("ask", "mails_per_address").await, 1.0);
    assert_eq!(reached("ask", "tries_per_client").await, 3.0);
    assert_eq!(reached("code", "tries_per_client").await, 2.0);
    assert_eq!(reached("link", "tries_per_client").await, 2.0);
    assert_eq!(reached("callback", "tries_per_client").await, 0.0);
    for name in [
        "kind=\"passkey\",limit=\"tries_in_total\"",
        "kind=\"code\",limit=\"tries_per_address\"",
        "event=\"logged_out\"",
    ] {
        assert!(
            house.admin("/metrics").await.text().contains(&format!("{{{name}}} 0")),
            "{name} is shown before it counts"
        );
    }
    let lines = audit(&house, "limit_reached");
    let told = |limit: &str, kind: &str| {
        lines.iter().filter(|line| line["limit"] == limit && line["kind"] == kind).collect::<Vec<_>>()
    };
    for (limit, kind) in [
        ("mails_per_address", "ask"),
        ("tries_per_client", "ask"),
        ("tries_per_client", "code"),
        ("tries_per_client", "link"),
    ] {
        let [line] = told(limit, kind)[..] else { panic!("one line a minute for {limit} and {kind}: {lines:?}") };
        assert_eq!((&line["network"], &line["client"]), (&"203.0.113.9/32".into(), &"203.0.113.9".into()));
        assert_eq!((&line["app"], &line["host"]), (&"orders".into(), &"orders.test".into()));
        assert!(line["request_id"].is_string(), "{line}");
    }
    assert_eq!(house.metric(&["vestibule_audit_events_total{event=\"limit_reached\"}"]).await, 4.0);
}

#[tokio::test]
async fn unknown_addresses_use_up_none_of_an_apps_mails() {
    let house = House::plan(OPEN).login("mails_per_app = 2").start().await;
    for n in 0..20 {
        house.browser("orders.test").ask_for_mail(&format!("nobody{n}@example.com")).await;
    }
    eventually("all were looked at", async || (audit(&house, "login_unknown").len() == 20).then_some(())).await;
    house.browser("orders.test").log_in("ann@example.com").await;
}

#[tokio::test]
async fn what_an_app_may_not_mail_yet_waits_and_nothing_on_the_page_says_so() {
    let house = House::plan(OPEN).login("mails_per_app = 1").start().await;
    let bob = house.browser("orders.test");
    let sent = bob.ask_for_mail("bob@example.com").await;
    let page = bob.navigate("/.access/check").await.expect(200);
    house.mail.wait("bob@example.com").await;
    let cat = house.browser("orders.test");
    let waits = cat.ask_for_mail("cat@example.com").await;
    assert_eq!(waits.header("location"), sent.header("location"));
    eventually("it is written", async || audit(&house, "limit_reached").pop()).await;
    let waiting = cat.navigate("/.access/check").await.expect(200);
    assert_eq!(waiting.text().replace("cat@", "bob@"), page.text());
    cat.type_code("000000").await.expect(422);
    house.browser("orders.test").ask_for_mail("zoe@example.com").await;
    assert_eq!((house.mail.all().await.len(), audit(&house, "limit_reached").len()), (1, 1), "it is written once");
}

#[tokio::test]
async fn what_people_do_stands_in_the_audit_log_with_masked_addresses() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    ann.type_code("00000").await;
    let wrong = if mail.code() == "000000" { "000001" } else { "000000" };
    ann.type_code(wrong).await.expect(422);
    ann.press_button(&mail).await.expect(303);
    ann.fetch("/").await.expect(200);
    ann.log_out().await;
    for (event, way) in [
        ("login_asked", None),
        ("login_mailed", None),
        ("wrong_code", None),
        ("logged_in", Some("email")),
        ("browser_known", None),
        ("logged_out", None),
    ] {
        let lines = eventually(event, async || Some(audit(&house, event)).filter(|lines| !lines.is_empty())).await;
        let [line] = &lines[..] else { panic!("{event} once: {lines:?}") };
        assert_eq!(
            (&line["email"], &line["app"], &line["host"]),
            (&"a***@example.com".into(), &"orders".into(), &"orders.test".into())
        );
        assert_eq!(line["way"].as_str(), way, "{line}");
        assert_eq!(line["client"].is_string() && line["request_id"].is_string(), event != "login_mailed", "{line}");
        let metric = format!("vestibule_audit_events_total{{event=\"{event}\"}}");
        assert_eq!(house.metric(&[&metric]).await, 1.0, "{event}");
    }
    let sessions: Vec<_> = ["logged_in", "logged_out"].map(|event| audit(&house, event)[0]["session"].clone()).into();
    assert!(sessions[0].is_string() && sessions[0] == sessions[1], "{sessions:?}");
}
