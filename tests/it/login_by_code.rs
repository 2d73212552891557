//! The same mail holds a code for those who read mail on another device.

use crate::browser::SESSION;
use crate::house::{House, OPEN};

#[tokio::test]
async fn a_code_logs_in_the_browser_that_asked() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/orders?page=2").await;
    assert!(ann.navigate("/.access/check").await.expect(200).has_field("code"));
    let answer = ann.type_code(&mail.code()).await.expect(303);
    assert_eq!(answer.location(), "/orders?page=2");
    ann.navigate("/orders?page=2").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
}

#[tokio::test]
async fn a_code_may_be_typed_with_spaces() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let code = ann.mail("ann@example.com", "/").await.code();
    let (left, right) = code.split_at(3);
    ann.type_code(&format!(" {left} {right} ")).await.expect(303);
}

#[tokio::test]
async fn a_wrong_code_says_so_and_the_fifth_ends_the_mail() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    let right = mail.code();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..4 {
        let page = ann.type_code(wrong).await.expect(422);
        assert!(page.has_field("code"), "one can try again:\n{}", page.text());
    }
    let fifth = ann.type_code(wrong).await;
    assert!(matches!(fifth.status, 410 | 422), "{}", fifth.status);
    ann.type_code(&right).await.expect(410);
    ann.press_button(&mail).await.expect(410);
    assert_eq!(ann.cookie(SESSION), None);
}

#[tokio::test]
async fn a_code_and_its_link_are_one_token() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    ann.type_code(&mail.code()).await.expect(303);
    ann.press_button(&mail).await.expect(410);
    ann.type_code(&mail.code()).await.expect(410);
}

#[tokio::test]
async fn a_code_without_the_browser_that_asked_opens_nothing() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    let thief = house.browser("orders.test");
    let answer = thief.type_code(&mail.code()).await;
    assert!(matches!(answer.status, 403 | 410 | 422), "{}", answer.status);
    assert_eq!(thief.cookie(SESSION), None);
    // And the thief has not used it up.
    ann.type_code(&mail.code()).await.expect(303);
}

#[tokio::test]
async fn codes_stand_in_no_log() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    ann.type_code("999999").await;
    ann.type_code(&mail.code()).await;
    let log = house.log.text();
    for form in [format!("\"{}\"", mail.code()), format!("={}", mail.code()), format!(" {} ", mail.code())] {
        assert!(!log.contains(&form), "{form} in\n{log}");
    }
}
