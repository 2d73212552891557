//! The hub opens nothing for those who did not begin, sends nobody where we are not, and tells nothing of any app.

use crate::browser::{Browser, SESSION};
use crate::house::{House, OPEN, Plan};
use crate::provider::Provider;
use crate::provider_pages::{Back, query};

const FLOW: &str = "__Host-access-flow-";
const HUB: &str = "login.test";
const DOMAINS: &str = r#"
[[app.orders.domain]]
host = "orders.big.test"
customer = "42"
branding = { title = "BigCustomer" }

[app.reports]
domains = ["reports.test"]
upstream = "{{upstream}}"
[[app.reports.customers]]
source = "crm"
email = "email"
"#;

fn plan(google: &Provider, more: &str) -> Plan {
    let plan = House::plan(&format!("{OPEN}{DOMAINS}")).login("hub = \"login.test\"\n");
    let plan = plan.ways("orders", r#"["email", "google"]"#).ways("reports", r#"["google"]"#);
    plan.provider("google", google, &format!("title = \"Google\"\n{more}"))
}

/// The provider knows the hub and no domain.
async fn house(google: &Provider) -> House {
    let house = plan(google, "").start().await;
    google.trust(&house, &[HUB]).await;
    house
}

/// As far as the page with the ticket's button.
async fn with_ticket(browser: &Browser, to: &str) -> String {
    let there = browser.begin_at_provider_to("google", to).await;
    let back = browser.approve(&there, "ann@example.com").await;
    match browser.callback_to_ticket(&back).await {
        Back::Ticket(_, ticket) => ticket,
        Back::Answer(answer) => panic!("no ticket: {} {}", answer.status, answer.text()),
    }
}

#[tokio::test]
async fn attack_16_a_ticket_opens_once_for_its_browser_on_its_domain_by_its_button() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let ann = house.browser("orders.test");
    let ticket = with_ticket(&ann, "/a").await;
    let page = format!("/.access/oidc/ticket?ticket={ticket}");
    // Looking is free, for scanners too.
    for _ in 0..2 {
        let shown = ann.navigate(&page).await.expect(200);
        assert!(shown.header("content-security-policy").contains("script-src 'self'"), "{:?}", shown.headers);
        ann.send("HEAD", &page, &[], "").await.expect(200);
    }
    assert!(ann.navigate("/.access/continue.js").await.expect(200).header("content-type").contains("javascript"));
    // The log-in of one must not become that of another: neither elsewhere, nor in another browser, nor from another site.
    let thief = house.browser("orders.test");
    thief.navigate(&page).await.expect(410);
    thief.press_ticket(&ticket).await.expect(410);
    assert_eq!(thief.cookie(SESSION), None);
    let begun = thief.begin_at_provider("google").await;
    assert!(begun.starts_with(google.issuer()));
    thief.press_ticket(&ticket).await.expect(410);
    let elsewhere = ann.at("orders.big.test");
    for (name, value) in ann.cookies_named(FLOW) {
        elsewhere.set_cookie(&name, &value);
    }
    elsewhere.press_ticket(&ticket).await.expect(410);
    let forged = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    ann.post_from("/.access/oidc/ticket", &[("ticket", &ticket)], &forged).await.expect(403);

    let flow = ann.cookies_named(FLOW);
    assert_eq!(ann.press_ticket(&ticket).await.expect(303).location(), "/a");
    assert!(ann.cookie(SESSION).is_some());
    let again = house.browser("orders.test");
    for (name, value) in flow {
        again.set_cookie(&name, &value);
    }
    again.press_ticket(&ticket).await.expect(410);
    assert_eq!(again.cookie(SESSION), None);
}

#[tokio::test]
async fn the_hub_has_its_few_paths_and_nothing_of_any_app() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let hub = house.browser(HUB);
    for path in ["/", "/orders", "/.access", "/.access/login", "/.access/account", "/.access/step-up", "/.access/logo"]
    {
        let page = hub.navigate(path).await;
        assert_eq!(page.status, 404, "{path}");
        for word in ["Acme", "BigCustomer", "orders", "vestibule", "Vestibule"] {
            assert!(!page.text().contains(word), "{path} tells {word}: {}", page.text());
        }
    }
    assert!(hub.navigate("/.access/style.css").await.expect(200).header("content-type").starts_with("text/css"));
    hub.post("/.access/oidc/begin", &[("request", "x")]).await.expect(405);
    for lost in
        ["begin?request=x", "begin?request=", "callback?state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&code=x"]
    {
        let page = hub.navigate(&format!("/.access/oidc/{lost}")).await;
        assert_eq!((page.status, page.location()), (410, ""), "{lost}");
        assert_eq!(page.header("content-security-policy").matches("default-src 'none'").count(), 1);
    }
    for unread in ["begin", "begin?request=x&request=y", "begin?to=/", "callback", "callback?state=x&state=y&code=z"] {
        assert_eq!(hub.navigate(&format!("/.access/oidc/{unread}")).await.status, 400, "{unread}");
    }
    house.upstream.saw_nothing();
    // And a domain has no way into the hub.
    house.browser("orders.test").navigate("/.access/oidc/begin?request=x").await.expect(404);
}

#[tokio::test]
async fn attack_15_words_in_the_way_back_from_the_hub_are_never_shown() {
    let google = Provider::start().await;
    let house = house(&google).await;
    let ann = house.browser("orders.test");
    for problem in ["cancelled", "%3Cscript%3E", "https://evil.test", "taken"] {
        let page = ann.navigate(&format!("/.access/login?problem={problem}&flow=AAAAAAAA&to=//evil.test")).await;
        assert_eq!((page.status, page.location()), (410, ""), "{problem}");
        assert!(!page.text().contains("evil") && !page.text().contains("script"), "{}", page.text());
    }
}

#[tokio::test]
async fn an_address_leads_through_the_hub_to_its_provider() {
    let okta = Provider::start().await;
    let house = plan(&okta, "email_domains = [\"example.com\"]").start().await;
    okta.trust(&house, &[HUB]).await;
    for (address, status) in [("ann@example.com", 303), ("nobody@example.com", 403)] {
        let person = house.browser("orders.test");
        let answer = person.post("/.access/login", &[("email", address), ("to", "/a")]).await.expect(200);
        let onward = answer.onward().unwrap_or_else(|| panic!("nowhere to go:\n{}", answer.text()));
        assert!(onward.starts_with(&format!("https://{}/.access/oidc/begin?request=", house.host(HUB))), "{onward}");
        assert!(!onward.contains("example.com"), "the address goes sealed: {onward}");
        let there = person.to_provider(&onward).await;
        assert_eq!(query(&there, "login_hint").as_deref(), Some(address));
        let back = person.approve(&there, address).await;
        let came = person.callback(&back).await;
        assert_eq!(came.status, status, "{address}: {}", came.text());
    }
    assert!(house.mail.all().await.is_empty());
}

#[tokio::test]
async fn attack_15_the_hub_sends_nobody_to_a_domain_that_is_gone_or_by_a_provider_that_the_app_no_longer_has() {
    let google = Provider::start().await;
    let mut house = house(&google).await;
    let ann = house.browser("orders.big.test");
    let begun = ann.navigate("/.access/oidc/start?provider=google").await.expect(303);
    let request = begun.location().split_once("/.access/oidc/").expect("to the hub").1.to_owned();
    let reports = house.browser("reports.test");
    let begun = reports.navigate("/.access/oidc/start?provider=google").await.expect(303);
    let without = begun.location().split_once("/.access/oidc/").expect("to the hub").1.to_owned();
    let text = std::fs::read_to_string(house.config()).expect("the config is there");
    let text = text.replace("orders.big.test", "orders.new.test");
    let text = text.replace("[app.reports]\nlogin = [\"google\"]", "[app.reports]\nlogin = [\"email\"]");
    house.kill9();
    std::fs::write(house.config(), text).expect("the folder is writable");
    house.start_again().await;
    for request in [request, without] {
        let page = ann.at(HUB).navigate(&format!("/.access/oidc/{request}")).await;
        assert_eq!((page.status, page.location()), (410, ""));
    }
}
