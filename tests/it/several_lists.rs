//! Several lists in several sources, and one source that is down for too long: nobody enters from it, and nobody is kept out by it.

use crate::house::{House, OPEN, PEOPLE, eventually};

const PARTNERS: &str = r#"
[source.partners]
url = "csv:partners.csv"
refresh = "1s"
max_stale = "2s"

[[app.orders.customers]]
name = "Partners"
source = "partners"
email = "mail"
customer = "firm"
customer_name = "firm_name"
"#;

const FIRMS: &str = "mail,firm,firm_name\npat@example.com,77,Initech\nbob@example.com,77,Initech\n";

#[tokio::test]
async fn attack_22_a_list_that_is_down_keeps_out_nobody_whom_another_lets_in() {
    let house = House::plan(&format!("{OPEN}{PARTNERS}")).file("partners.csv", FIRMS).start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let pat = house.browser("orders.test");
    pat.log_in("pat@example.com").await;
    let as_partner = house.browser("orders.test");
    as_partner.log_in("bob@example.com").await;
    as_partner.choose("77").await.expect(303);
    let as_customer = house.browser("orders.test");
    as_customer.log_in("bob@example.com").await;
    as_customer.choose("42").await.expect(303);
    for browser in [&ann, &pat, &as_partner, &as_customer] {
        browser.fetch("/").await.expect(200);
    }

    std::fs::remove_file(house.dir.path().join("partners.csv")).expect("it was there");
    eventually("what is known of partners is too old", async || (pat.fetch("/").await.status == 503).then_some(()))
        .await;
    // Partners wait; they are not logged out, and become nobody else.
    as_partner.fetch("/").await.expect(503);
    pat.navigate("/").await.expect(503);
    for browser in [&ann, &as_customer] {
        browser.fetch("/").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
    }
    assert!(house.admin("/readyz").await.text().contains("partners"), "readiness names the source");
    // Whom the other list lets in can log in. To everybody the page says the same.
    house.browser("orders.test").log_in("zoe@example.com").await;
    let late = house.browser("orders.test");
    let page = late.ask_for_mail("pat@example.com").await;
    let stranger = house.browser("orders.test").ask_for_mail("nobody@example.com").await;
    assert_eq!((page.status, page.location()), (stranger.status, stranger.location()));
    assert_eq!(house.mail.count_to("pat@example.com").await, 1, "only the one of before");

    house.write("partners.csv", FIRMS);
    for browser in [&pat, &as_partner] {
        eventually("partners are back without a new log-in", async || {
            (browser.fetch("/").await.status == 200).then_some(())
        })
        .await;
        assert_eq!(house.upstream.last().header("x-access-customer"), Some("77"));
    }
    // Who asked meanwhile was not forgotten.
    eventually("her mail comes", async || (house.mail.count_to("pat@example.com").await == 2).then_some(())).await;
}

#[tokio::test]
async fn a_list_that_never_was_there_keeps_out_nobody_whom_another_lets_in() {
    let house = House::start(&format!("{OPEN}{PARTNERS}")).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    house.write("partners.csv", FIRMS);
    house.browser("orders.test").log_in("pat@example.com").await;
    assert_eq!(PEOPLE.matches("pat@").count(), 0);
}
