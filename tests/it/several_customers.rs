//! One person under several customers, from two lists in two sources, with a role of each; and that nobody's answer is ever
//! another's.

use futures_util::future::join_all;

use crate::browser::{Answer, Browser};
use crate::house::{House, LADDER, PEOPLE, Plan, eventually, printed};

/// Partners are in a table of their own, and may only read.
const PARTNERS: &str = r#"
[source.partners]
url = "csv:partners.csv"
refresh = "1s"

[[app.orders.customers]]
name = "Partners"
source = "partners"
email = "mail"
customer = "firm"
customer_name = "firm_name"
role = "reader"

[[app.orders.domain]]
host = "orders.initech.test"
customer = "77"

[[app.orders.domain]]
host = "orders.acme.test"
customer = "42"

[app.reports]
domains = ["reports.test"]
upstream = "{{upstream}}"
[[app.reports.customers]]
source = "partners"
email = "mail"
customer = "firm"
role = "auditor"
[app.reports.role.auditor]
rules = [ { allow = "GET /audit/**" } ]
"#;

const FIRMS: &str = "mail,firm,firm_name\npat@example.com,77,Initech\n";

fn people() -> String {
    format!("{PEOPLE}pat@example.com,42,Acme Ltd,Pat Roe,active,manager,Buyer,,en,EU\n")
}

fn plan() -> Plan {
    House::plan(&format!("{LADDER}{PARTNERS}")).file("people.csv", people()).file("partners.csv", FIRMS)
}

/// Who an answer of the app was for: customer and role, as the app was told.
fn told(answer: &Answer) -> String {
    let told = answer.json();
    let header = |name: &str| {
        let headers = told["headers"].as_array().expect("the app tells its headers");
        let same = headers.iter().find(|header| header[0].as_str().is_some_and(|key| key.eq_ignore_ascii_case(name)));
        same.and_then(|header| header[1].as_str()).unwrap_or_default().to_owned()
    };
    format!("{}@{}", header("x-access-role"), header("x-access-customer"))
}

#[tokio::test]
async fn each_customer_has_its_own_role_and_switching_needs_no_new_log_in() {
    let house = plan().start().await;
    let pat = house.browser("orders.test");
    pat.log_in("pat@example.com").await;
    let page = pat.navigate("/").await.expect(303);
    let page = pat.navigate(page.location()).await.expect(200);
    let mut offered = page.fields("customer");
    offered.sort();
    assert_eq!(offered, ["42", "77"]);
    assert!(page.text().contains("Acme Ltd") && page.text().contains("Initech"), "{}", page.text());

    pat.choose("42").await.expect(303);
    assert_eq!(told(&pat.fetch_with("POST", "/c/42/orders", "").await.expect(200)), "manager@42");
    pat.fetch_with("POST", "/c/77/orders", "").await.expect(403);
    pat.choose("77").await.expect(303);
    assert_eq!(told(&pat.fetch("/orders").await.expect(200)), "reader@77");
    // A manager there is no manager here.
    let seen = house.upstream.count();
    pat.fetch_with("POST", "/c/77/orders", "").await.expect(403);
    pat.fetch_with("POST", "/c/42/orders", "").await.expect(403);
    assert_eq!(house.upstream.count(), seen);
    pat.choose("42").await.expect(303);
    assert_eq!(told(&pat.fetch_with("POST", "/c/42/orders", "").await.expect(200)), "manager@42");
    assert_eq!(house.mail.count_to("pat@example.com").await, 1, "one log-in was enough");
}

#[tokio::test]
async fn a_pinned_domain_takes_its_customers_list_whichever_it_is() {
    let house = plan().start().await;
    for (domain, expected) in [("orders.initech.test", "reader@77"), ("orders.acme.test", "manager@42")] {
        let pat = house.browser(domain);
        pat.log_in("pat@example.com").await;
        assert_eq!(told(&pat.fetch("/orders").await.expect(200)), expected, "{domain}");
        assert!(matches!(pat.choose("42").await.status, 303 | 400 | 403));
        assert!(matches!(pat.choose("77").await.status, 303 | 400 | 403));
        assert_eq!(told(&pat.fetch("/orders").await.expect(200)), expected, "{domain}: it cannot be switched");
    }
}

#[tokio::test]
async fn two_lists_that_disagree_on_one_customer_let_nobody_in_and_are_named() {
    let house = plan().file("partners.csv", format!("{FIRMS}pat@example.com,42,Acme\n")).start().await;
    let pat = house.browser("orders.test");
    pat.log_in("pat@example.com").await;
    // Of customer 42 nobody can know which role was meant; 77 is not in doubt.
    assert_eq!(told(&pat.fetch("/orders").await.expect(200)), "reader@77");
    pat.choose("42").await.expect(400);
    let explained = printed(&house.command(&["explain", "--app", "orders", "--email", "pat@example.com"]));
    assert!(explained.contains("ambiguous") && explained.contains("Partners"), "{explained}");
    let checked = house.command(&["check", "--data"]);
    assert!(!checked.status.success(), "it is a fault");
    let checked = printed(&checked);
    assert!(checked.contains("line 11") && checked.contains("line 3 of list `Partners`"), "{checked}");
    assert!(checked.contains("line 3") && checked.contains("ambiguous"), "{checked}");
}

/// Asks many times at once.
async fn many(browser: &Browser, path: &str) -> Vec<Answer> {
    join_all((0..20).map(|_| browser.fetch(path))).await
}

#[tokio::test]
async fn attack_23_no_answer_is_shared_between_apps_domains_customers_or_people() {
    let house = plan().start().await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let at_acme = house.browser("orders.acme.test");
    at_acme.log_in("pat@example.com").await;
    let at_initech = house.browser("orders.initech.test");
    at_initech.log_in("pat@example.com").await;
    let as_partner = house.browser("orders.test");
    as_partner.log_in("pat@example.com").await;
    as_partner.choose("77").await.expect(303);
    let as_manager = house.browser("orders.test");
    as_manager.log_in("pat@example.com").await;
    as_manager.choose("42").await.expect(303);
    let auditor = house.browser("reports.test");
    auditor.log_in("pat@example.com").await;
    let all: [(&Browser, &str); 6] = [
        (&bob, "reader@42"),
        (&at_acme, "manager@42"),
        (&at_initech, "reader@77"),
        (&as_partner, "reader@77"),
        (&as_manager, "manager@42"),
        (&auditor, "auditor@77"),
    ];
    // All at once, on a cold cache again and again: each second the answers are asked for anew.
    for _ in 0..5 {
        let answers = join_all(all.iter().map(|(browser, _)| many(browser, "/audit/x"))).await;
        for ((_, expected), answers) in all.iter().zip(answers) {
            for answer in answers {
                assert_eq!(told(&answer.expect(200)), *expected);
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    auditor.fetch("/orders").await.expect(403);
    // A cookie is good on its own domain and for its own app alone.
    for (from, to) in [(&at_acme, "orders.initech.test"), (&as_manager, "reports.test"), (&auditor, "orders.test")] {
        let there = house.browser(to);
        there.set_cookie(crate::browser::SESSION, &from.cookie(crate::browser::SESSION).expect("a session"));
        there.fetch("/audit/x").await.expect(401);
    }
}

#[tokio::test]
async fn attack_23_a_change_of_role_in_the_table_reaches_every_session_and_nobody_else() {
    let house = plan().start().await;
    let one = house.browser("orders.acme.test");
    one.log_in("pat@example.com").await;
    let other = house.browser("orders.test");
    other.log_in("pat@example.com").await;
    other.choose("42").await.expect(303);
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    for browser in [&one, &other] {
        browser.fetch_with("POST", "/c/42/x", "").await.expect(200);
    }
    house.write("people.csv", people().replace("Pat Roe,active,manager", "Pat Roe,active,reader"));
    for browser in [&one, &other] {
        eventually("the role is a reader's", async || {
            (browser.fetch_with("POST", "/c/42/x", "").await.status == 403).then_some(())
        })
        .await;
    }
    let seen = house.upstream.count();
    for answers in join_all([&one, &other].map(|browser| many(browser, "/orders"))).await {
        assert!(answers.into_iter().all(|answer| told(&answer.expect(200)) == "reader@42"));
    }
    assert_eq!(house.upstream.count(), seen + 40);
    assert_eq!(told(&bob.fetch("/orders").await.expect(200)), "reader@42");
}
