//! A person asks for a mail, opens its link, presses the button, and sees the app they were going to.

use crate::browser::{SESSION, TRY};
use crate::house::{House, OPEN};
use crate::mailbox::Mailbox;

#[tokio::test]
async fn a_link_logs_in_and_leads_where_the_person_was_going() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");

    let first = ann.navigate("/orders/7?view=full").await.must_log_in();
    let page = ann.navigate(first.location()).await.expect(200);
    // The form does, and so do the buttons for other languages.
    assert_eq!(page.fields("to"), ["/orders/7?view=full"; 2], "the form remembers the way:\n{}", page.text());
    assert!(page.has_field("email"));

    let led = ann.log_in_to("ann@example.com", "/orders/7?view=full").await;
    assert_eq!(led, "/orders/7?view=full");
    house.upstream.saw_nothing();

    ann.navigate(&led).await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.target, "/orders/7?view=full");
    assert_eq!(seen.header("x-access-email"), Some("ann@example.com"));
    assert_eq!(seen.header("x-access-customer"), Some("42"));
}

#[tokio::test]
async fn the_mail_is_branded_and_has_two_parts() {
    let apps =
        OPEN.replace("[[app.orders.customers]]", "branding = { title = \"Acme Orders\" }\n[[app.orders.customers]]");
    let house = House::start(&apps).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;

    assert!(mail.tls, "the password and the link went over TLS");
    assert_eq!(mail.to, ["ann@example.com"]);
    assert_eq!(mail.from, "login@example.com");
    assert!(mail.subject.contains("Acme Orders"), "{}", mail.subject);
    assert!(mail.html.contains(&mail.token()) && mail.text.contains(&mail.token()), "both parts hold the link");
    assert!(mail.html.contains(&mail.code()), "both parts hold the code");
    assert!(mail.link().starts_with(&ann.origin()), "{} leads to {}", mail.link(), ann.origin());
    for name in ["message-id", "date"] {
        assert!(mail.headers.contains_key(name), "{name} is missing: {:?}", mail.headers);
    }
}

#[tokio::test]
async fn the_cookies_are_locked_to_the_host() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let asked = ann.ask_for_mail("ann@example.com").await;
    let mail = house.mail.wait("ann@example.com").await;
    let entered = ann.press_button(&mail).await.expect(303);
    for (answer, name) in [(&asked, TRY), (&entered, SESSION)] {
        let cookies = answer.all("set-cookie");
        let cookie = cookies.iter().find(|cookie| cookie.starts_with(&format!("{name}=")));
        let cookie = cookie.unwrap_or_else(|| panic!("no {name} in {cookies:?}")).to_ascii_lowercase();
        for attribute in ["; secure", "; httponly", "; samesite=lax", "; path=/"] {
            assert!(cookie.contains(attribute), "{attribute} is missing in {cookie}");
        }
        assert!(!cookie.contains("domain"), "{cookie}");
    }
    let token = ann.cookie(SESSION).expect("a session");
    assert!(token.len() >= 43, "256 bits do not fit into {token:?}");
}

#[tokio::test]
async fn our_pages_are_strict_about_what_a_browser_may_do() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    for path in ["/.access/login", "/.access/check", "/.access/logged-out"] {
        let page = ann.navigate(path).await.expect(200);
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        // Not `no-referrer`: with that, browsers send `Origin: null` with our own forms, and the proof would fail.
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        let policy = page.header("content-security-policy");
        for rule in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!page.text().contains("<script"), "{path} works without JavaScript");
    }
}

#[tokio::test]
async fn a_script_that_is_not_logged_in_gets_json_and_no_redirect() {
    let house = House::start(OPEN).await;
    let answer = house.browser("orders.test").fetch("/api/orders").await.expect(401);
    assert_eq!(answer.json()["error"], "login_required");
    assert_eq!(answer.json()["login"], "/.access/login");
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
    assert_eq!(answer.header("cache-control"), "no-store");
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn mail_leaves_over_tls_from_the_first_byte_too() {
    let mailbox = Mailbox::new();
    let house = House::plan(OPEN).smtp(&mailbox.url_implicit()).start().await;
    house.browser("orders.test").ask_for_mail("ann@example.com").await;
    assert!(mailbox.wait("ann@example.com").await.tls);
}

#[tokio::test]
async fn mail_leaves_without_a_user_when_the_server_wants_none() {
    let (mailbox, url) = Mailbox::anonymous();
    let house = House::plan(OPEN).smtp(&url).start().await;
    house.browser("orders.test").ask_for_mail("ann@example.com").await;
    assert!(!mailbox.wait("ann@example.com").await.tls);
}

#[tokio::test]
async fn a_link_ends_with_its_lifetime() {
    let house = House::plan(OPEN).login("lifetime = \"1s\"").start().await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    crate::house::eventually("the link has ended", async || (ann.open_link(&mail).await.status == 410).then_some(()))
        .await;
    ann.press_button(&mail).await.expect(410);
    ann.type_code(&mail.code()).await.expect(410);
    assert_eq!(ann.cookie(SESSION), None);
}

#[tokio::test]
async fn a_way_back_that_is_too_long_loses_its_query_but_not_the_log_in() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let first = ann.navigate(&format!("/orders/7?filter={}", "x".repeat(20_000))).await.must_log_in();
    let page = ann.navigate(first.location()).await.expect(200);
    assert!(page.has_field("to") && page.fields("to").iter().all(|to| to == "/orders/7"), "{}", page.text());
}
