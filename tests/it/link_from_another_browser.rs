//! The mail was opened on a phone, the log-in began on a desk: the phone shows the code, the desk gets the session.

use crate::browser::SESSION;
use crate::house::{House, OPEN};

#[tokio::test]
async fn another_browser_sees_the_code_and_gets_no_session() {
    let house = House::start(OPEN).await;
    let desk = house.browser("orders.test");
    let phone = house.browser("orders.test");
    let mail = desk.mail("ann@example.com", "/").await;

    let page = phone.open_link(&mail).await.expect(200);
    let digits: String = page.text().chars().filter(|c| !c.is_whitespace()).collect();
    assert!(digits.contains(&mail.code()), "the page offers the code:\n{}", page.text());
    assert!(!page.has_field("token"), "and no button:\n{}", page.text());

    phone.press_button(&mail).await.expect(403);
    assert_eq!(phone.cookie(SESSION), None);
    phone.navigate("/").await.must_log_in();
    house.upstream.saw_nothing();

    desk.type_code(&mail.code()).await.expect(303);
    desk.navigate("/").await.expect(200);
}

#[tokio::test]
async fn a_browser_with_a_log_in_of_its_own_is_still_another_one() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let bob = house.browser("orders.test");
    let for_ann = ann.mail("ann@example.com", "/").await;
    let for_bob = bob.mail("bob@example.com", "/").await;
    bob.press_button(&for_ann).await.expect(403);
    ann.press_button(&for_bob).await.expect(403);
    assert_eq!((ann.cookie(SESSION), bob.cookie(SESSION)), (None, None));
    ann.press_button(&for_ann).await.expect(303);
    bob.press_button(&for_bob).await.expect(303);
}

#[tokio::test]
async fn the_same_browser_may_ask_twice_and_use_either_mail() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let first = ann.mail("ann@example.com", "/first").await;
    let second = ann.mail("ann@example.com", "/second").await;
    assert_ne!(first.token(), second.token());
    let answer = ann.press_button(&second).await.expect(303);
    assert_eq!(answer.location(), "/second");
}
