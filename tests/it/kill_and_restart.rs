//! The power goes at the worst moment, again and again: what was acknowledged is still true afterwards.

use crate::browser::SESSION;
use crate::house::{House, OPEN, eventually};

#[tokio::test]
async fn a_session_outlives_a_kill_right_after_the_log_in() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    house.kill9();
    house.start_again().await;
    ann.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
}

#[tokio::test]
async fn a_mail_that_was_promised_goes_out_after_a_kill() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.ask_for_mail_to("ann@example.com", "/orders").await;
    house.kill9();
    house.start_again().await;
    // It may have left before the kill; whichever it was, the last one works.
    let mail = house.mail.wait("ann@example.com").await;
    assert_eq!(ann.press_button(&mail).await.expect(303).location(), "/orders");
}

#[tokio::test]
async fn a_used_link_stays_used_after_a_kill() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    ann.press_button(&mail).await.expect(303);
    house.kill9();
    house.start_again().await;
    ann.press_button(&mail).await.expect(410);
    ann.type_code(&mail.code()).await.expect(410);
}

#[tokio::test]
async fn wrong_codes_are_counted_across_a_kill() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    let wrong = if mail.code() == "000000" { "000001" } else { "000000" };
    for n in 0..5 {
        ann.type_code(wrong).await;
        if n == 2 {
            house.kill9();
            house.start_again().await;
        }
    }
    ann.type_code(&mail.code()).await.expect(410);
}

#[tokio::test]
async fn a_log_out_stays_one_after_a_kill() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let old = ann.cookie(SESSION).expect("a session");
    ann.log_out().await;
    house.kill9();
    house.start_again().await;
    ann.set_cookie(SESSION, &old);
    ann.fetch("/").await.expect(401);
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn a_chosen_customer_stays_chosen_after_a_kill() {
    let mut house = House::start(OPEN).await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    cat.choose("43").await.expect(303);
    house.kill9();
    house.start_again().await;
    cat.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("43"));
}

#[tokio::test]
async fn the_local_authority_and_the_signing_key_stay_the_same() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let keys = ann.fetch("/.access/jwks.json").await.expect(200).json();
    house.kill9();
    house.start_again().await;
    // The browser still trusts the first CA alone, so an answer shows that it is in force.
    assert_eq!(ann.fetch("/.access/jwks.json").await.expect(200).json(), keys);
}

#[tokio::test]
async fn many_kills_at_any_moment_lose_nothing() {
    let mut house = House::start(OPEN).await;
    let mut sessions = Vec::new();
    for email in ["ann@example.com", "bob@example.com", "eve@example.com", "zoe@example.com"] {
        let person = house.browser("orders.test");
        let mail = person.mail(email, "/").await;
        person.press_button(&mail).await.expect(303);
        house.kill9();
        sessions.push(person);
        house.start_again().await;
    }
    for person in &sessions {
        person.fetch("/").await.expect(200);
    }
}

#[tokio::test]
async fn nothing_under_data_holds_a_token_in_clear() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mail = house.mail.wait("ann@example.com").await;
    let session = ann.cookie(SESSION).expect("a session");
    // The mail has left, so its text may go; the outbox is given a moment to be tidy.
    eventually("nothing is left in clear", async || is_clear_of(&house, &[&session, &mail.token()]).then_some(()))
        .await;
}

/// Whether none of these stands in any file of the data folder.
pub(crate) fn is_clear_of(house: &House, secrets: &[&str]) -> bool {
    let mut folders = vec![house.dir.path().join("data")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the data folder").map(|e| e.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let bytes = std::fs::read(&entry).unwrap_or_default();
            let holds = |secret: &&str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            if secrets.iter().any(|secret| holds(secret)) {
                return false;
            }
        }
    }
    true
}

#[tokio::test]
async fn the_data_folder_is_closed_to_other_users() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::start(OPEN).await;
    let mut folders = vec![house.dir.path().join("data")];
    while let Some(folder) = folders.pop() {
        let mode = std::fs::metadata(&folder).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", folder.display());
        for entry in std::fs::read_dir(folder).expect("the data folder").map(|e| e.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                // The CA's certificate is for everyone to have; its folder is closed all the same.
                let others = if entry.ends_with("local-ca.pem") { 0o003 } else { 0o007 };
                let mode = std::fs::metadata(&entry).map(|m| m.permissions().mode()).unwrap_or(0);
                assert_eq!(mode & others, 0, "{}: {mode:o}", entry.display());
            }
        }
    }
}
