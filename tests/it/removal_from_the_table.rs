//! Who is taken out of the table is out within `refresh`, and can come back.

use std::time::{Duration, Instant};

use crate::house::{House, OPEN, PEOPLE, eventually};

#[tokio::test]
async fn a_removed_person_is_out_within_the_refresh() {
    let house = House::start(OPEN).await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    bob.log_in("bob@example.com").await;
    ann.fetch("/").await.expect(200);
    house.remove_from_table("ann@example.com");
    let start = Instant::now();
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;
    assert!(start.elapsed() < Duration::from_secs(5), "refresh is one second, it took {:?}", start.elapsed());

    let page = ann.navigate("/").await;
    assert!(matches!(page.status, 303 | 403), "no redirect loop: {}", page.status);
    let seen = house.upstream.count();
    ann.fetch_with("POST", "/", "x").await;
    assert_eq!(house.upstream.count(), seen);
    bob.fetch("/").await.expect(200);
}

#[tokio::test]
async fn a_mail_that_was_sent_before_opens_nothing_after() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    let witness = house.browser("orders.test");
    witness.log_in("eve@example.com").await;
    let without_both: String =
        PEOPLE.lines().filter(|l| !l.starts_with("ann") && !l.starts_with("eve")).map(|l| format!("{l}\n")).collect();
    house.write("people.csv", without_both);
    eventually("the change is known", async || (witness.fetch("/").await.status != 200).then_some(())).await;
    let seen = house.upstream.count();
    ann.press_button(&mail).await;
    assert_ne!(ann.fetch("/").await.status, 200);
    assert_eq!(house.upstream.count(), seen);
}

#[tokio::test]
async fn a_person_who_comes_back_may_log_in_again() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    house.remove_from_table("ann@example.com");
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;
    house.write("people.csv", PEOPLE);
    eventually("she is back", async || {
        let mail = house.mail.count_to("ann@example.com").await;
        ann.ask_for_mail("ann@example.com").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        (house.mail.count_to("ann@example.com").await > mail).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_header_row_may_come_with_a_byte_order_mark_and_quotes() {
    let people = "\u{feff}\"email\";x\n".replace(";x", ",company_id,status,company,full_name,lang,history_days")
        + "\"ann@example.com\",\"4\"\"2\",active,\"Acme, \"\"the\"\" firm\",\"Lee,\r\nAnn\",en,\r\n";
    let house = House::plan(OPEN).file("people.csv", people).start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.header("x-access-customer"), Some("4\"2"));
    assert_eq!(seen.header("x-access-customer-name"), Some("Acme, \"the\" firm"));
    assert_eq!(seen.header("x-access-name"), Some("Lee, Ann"), "a line break in a name is a blank");
}
