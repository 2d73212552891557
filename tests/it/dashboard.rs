//! The dashboard: what a customer's people did, for those who may see it; what all did, for staff.

use crate::browser::Answer;
use crate::house::{House, LADDER};

/// Managers may see the dashboard, and a member of staff sees everybody's.
pub(crate) fn apps() -> String {
    let manager = "[app.orders.role.manager]\n";
    assert!(LADDER.contains(manager));
    let with_right = LADDER.replace(manager, &format!("{manager}portal = [\"dashboard\"]\n"));
    format!("{with_right}\n[[workspace.user]]\nemail = \"sue@example.com\"\nroles = {{ orders = \"reader\" }}\n")
}

async fn dashboard(browser: &crate::browser::Browser, query: &str) -> Answer {
    browser.navigate(&format!("/.access/dashboard{query}")).await
}

/// The number under a name.
fn figure(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("<dt>{name}</dt><dd>")).unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('<').next().expect("a value").to_owned()
}

#[tokio::test]
async fn a_customer_sees_what_its_people_did_and_nobody_elses() {
    let house = House::start(&apps()).await;
    let ann = house.browser("orders.test");
    dashboard(&ann, "").await.must_log_in();
    ann.log_in("ann@example.com").await;
    for path in ["/html/orders/1042", "/html/orders/1043", "/html/reports", "/data"] {
        ann.navigate(path).await.expect(200);
    }
    ann.navigate("/admin/secret").await.expect(403);
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    bob.navigate("/html/orders/7").await.expect(200);
    let eve = house.browser("orders.test");
    eve.log_in("eve@example.com").await;
    eve.navigate("/html/hers").await.expect(200);

    let page = dashboard(&ann, "").await.expect(200).text();
    let told = |name: &str| figure(&page, name);
    assert_eq!(told("Active people"), "2 of 3", "ann and bob are");
    assert_eq!((told("Log-ins"), told("Requests"), told("Refused")), ("2".into(), "6".into(), "1".into()));
    assert!(page.contains("Acme Ltd") && page.contains("/html/orders/*</th><td>3</td>"), "{page}");
    assert!(!page.contains("hers") && !page.contains("/data") && !page.contains("1042"), "{page}");
    assert_eq!(page.matches("role=\"img\"").count(), 3);
    assert_eq!(page.matches("<th scope=\"row\">").count(), 30, "a row a day");
    // What else she asks for, she sees her own.
    assert_eq!(figure(&dashboard(&ann, "?customer=43").await.expect(200).text(), "Requests"), "6");
    // Our own pages are nobody's use of the app.
    ann.navigate("/.access/account").await.expect(200);
    assert_eq!(figure(&dashboard(&ann, "").await.expect(200).text(), "Requests"), "6");

    // Whose role lacks the right finds neither page nor link.
    dashboard(&bob, "").await.expect(403);
    assert!(!bob.navigate("/.access/account").await.expect(200).text().contains("/.access/dashboard"));
    assert!(ann.navigate("/.access/account").await.expect(200).text().contains("/.access/dashboard"));

    // Staff sees all together, and each.
    let sue = house.browser("orders.test");
    sue.log_in("sue@example.com").await;
    sue.navigate("/html/orders/9").await.expect(200);
    let page = dashboard(&sue, "").await.expect(200).text();
    assert_eq!((figure(&page, "Requests"), figure(&page, "Active people")), ("7".into(), "3 of 5".into()), "{page}");
    assert!(page.contains("<option value=\"43\">Globex</option>") && page.contains("/html/hers"), "{page}");
    let page = dashboard(&sue, "?customer=43").await.expect(200).text();
    assert_eq!((figure(&page, "Requests"), figure(&page, "Log-ins")), ("1".into(), "1".into()), "{page}");
    assert!(page.contains("selected") && page.contains("Globex") && !page.contains("/html/orders"), "{page}");
    assert_eq!(figure(&dashboard(&sue, "?customer=nobody").await.expect(200).text(), "Requests"), "0");
}

#[tokio::test]
async fn a_log_in_with_several_customers_counts_for_the_one_that_is_chosen() {
    let house = House::start(&apps()).await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    cat.choose("42").await.expect(303);
    let page = dashboard(&cat, "").await.expect(200).text();
    assert_eq!((figure(&page, "Log-ins"), figure(&page, "Active people")), ("1".into(), "1 of 3".into()), "{page}");
    // To switch is no log-in.
    cat.choose("43").await.expect(303);
    let sue = house.browser("orders.test");
    sue.log_in("sue@example.com").await;
    assert_eq!(figure(&dashboard(&sue, "").await.expect(200).text(), "Log-ins"), "1");
}

#[tokio::test]
async fn what_was_counted_is_there_after_a_stop() {
    let mut house = House::start(&apps()).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.navigate("/html/orders/1").await.expect(200);
    house.terminate();
    assert!(house.ended().await.success());
    house.start_again().await;
    let page = dashboard(&ann, "").await.expect(200).text();
    assert_eq!((figure(&page, "Requests"), figure(&page, "Log-ins")), ("1".into(), "1".into()), "{page}");
    // She is one person, however often the gateway starts.
    assert_eq!(figure(&page, "Active people"), "1 of 3");
}
