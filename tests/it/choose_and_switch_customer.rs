//! One person, several customers: choose one, switch later, and never be two at once.

use crate::browser::SESSION;
use crate::house::{House, OPEN};

#[tokio::test]
async fn a_person_of_two_customers_chooses_first() {
    let house = House::start(OPEN).await;
    let cat = house.browser("orders.test");
    cat.log_in_to("cat@example.com", "/orders?x=1").await;

    let answer = cat.navigate("/orders?x=1").await.expect(303);
    assert!(answer.location().starts_with("/.access/choose?to="), "{}", answer.location());
    let refused = cat.fetch("/orders").await.expect(403);
    assert_eq!(refused.json()["error"], "choose_customer");
    house.upstream.saw_nothing();

    let page = cat.navigate(answer.location()).await.expect(200);
    let mut offered = page.fields("customer");
    offered.sort();
    assert_eq!(offered, ["42", "43"]);
    assert!(page.text().contains("Acme Ltd") && page.text().contains("Globex"), "{}", page.text());

    let chosen = cat.post("/.access/choose", &[("customer", "42"), ("to", "/orders?x=1")]).await.expect(303);
    assert_eq!(chosen.location(), "/orders?x=1");
    cat.navigate("/orders?x=1").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
}

#[tokio::test]
async fn each_switch_is_a_new_session_and_ends_the_one_before() {
    let house = House::start(OPEN).await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    let at_first = cat.cookie(SESSION).expect("a session");
    cat.choose("42").await.expect(303);
    let as_acme = cat.cookie(SESSION).expect("a session");
    cat.navigate("/").await.expect(200);
    cat.choose("43").await.expect(303);
    let as_globex = cat.cookie(SESSION).expect("a session");
    cat.navigate("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("43"));
    assert_eq!(house.upstream.last().header("x-access-customer-name"), Some("Globex"));

    assert!(at_first != as_acme && as_acme != as_globex && at_first != as_globex);
    for old in [at_first, as_acme] {
        let thief = house.browser("orders.test");
        thief.set_cookie(SESSION, &old);
        thief.fetch("/").await.expect(401);
    }
}

#[tokio::test]
async fn nobody_chooses_a_customer_that_is_not_theirs() {
    let house = House::start(OPEN).await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    for other in ["44", "", "42 ", "*", "42,43"] {
        let answer = cat.choose(other).await;
        assert!(answer.status == 403 || answer.status == 400 || answer.status == 422, "{other:?}: {}", answer.status);
        cat.fetch("/").await.expect(403);
    }
    house.upstream.saw_nothing();
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    bob.choose("43").await;
    bob.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
}

#[tokio::test]
async fn a_person_of_one_customer_is_never_asked() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.navigate("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
}

#[tokio::test]
async fn a_choice_that_leaves_the_table_leaves_the_session() {
    let house = House::start(OPEN).await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    cat.choose("43").await.expect(303);
    cat.fetch("/").await.expect(200);
    let people = crate::house::PEOPLE.replace("cat@example.com,43,", "was-cat@example.com,43,");
    house.write("people.csv", people);
    crate::house::eventually("she is no longer Globex's", async || (cat.fetch("/").await.status != 200).then_some(()))
        .await;
    let seen = house.upstream.count();
    // One is left, and yet she is asked: nobody becomes another customer's without a word.
    let page = cat.navigate("/orders").await.expect(303);
    assert!(page.location().starts_with("/.access/choose"), "{}", page.location());
    assert_eq!(cat.fetch("/").await.expect(403).json()["error"], "choose_customer");
    assert_eq!(cat.navigate(page.location()).await.expect(200).fields("customer"), ["42"]);
    cat.choose("43").await.expect(400);
    assert_eq!(house.upstream.count(), seen, "and has not become Acme's by herself");
    cat.choose("42").await.expect(303);
    cat.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
}

#[tokio::test]
async fn a_customer_that_is_an_address_stands_in_no_log() {
    // Without a customer column each address is its own customer.
    let own = "\n[[app.orders.customers]]\nname = \"Themselves\"\nsource = \"crm\"\nemail = \"email\"\n";
    let house = House::start(&format!("{OPEN}{own}")).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.choose("ann@example.com").await.expect(303);
    ann.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("ann@example.com"));
    // The log is looked through when the house is torn down, as for every story.
    house.log.last("customer chosen").await;
    assert_eq!(house.log.named("customer chosen").len(), 1);
}
