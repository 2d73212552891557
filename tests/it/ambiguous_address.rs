//! Two rows for one person and one customer: neither may enter, and the operator is told which rows.

use crate::house::{House, OPEN, PEOPLE, printed};

#[tokio::test]
async fn nobody_enters_by_an_ambiguous_address() {
    let house = House::start(OPEN).await;
    let dup = house.browser("orders.test");
    dup.ask_for_mail("dup@example.com").await;
    house.browser("orders.test").log_in("bob@example.com").await;
    assert_eq!(house.mail.count_to("dup@example.com").await, 0);
    house.upstream.saw_nothing();

    let explained = printed(&house.command(&["explain", "--app", "orders", "--email", "dup@example.com"]));
    assert!(explained.contains("6") && explained.contains("7"), "it names both rows:\n{explained}");
}

#[tokio::test]
async fn a_person_who_becomes_ambiguous_is_out() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    house.write("people.csv", format!("{PEOPLE}ANN@EXAMPLE.COM ,42,Acme Ltd,Another Ann,active,reader,,,en,EU\n"));
    crate::house::eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;
}

#[tokio::test]
async fn a_second_row_that_may_not_enter_does_no_harm() {
    let people = format!("{PEOPLE}ann@example.com,42,Acme Ltd,Ann of old,left,reader,,,en,EU\n");
    let house = House::plan(OPEN).file("people.csv", people).start().await;
    house.browser("orders.test").log_in("ann@example.com").await;
}
