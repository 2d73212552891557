//! The mail server is down, full, or cuts us off: no mail is lost, none is sent to who did not ask.

use crate::house::{House, OPEN, eventually};
use crate::mailbox::Mailbox;
use crate::upstream_down_and_slow::Relay;

#[tokio::test]
async fn mail_waits_for_a_server_that_is_down() {
    let mailbox = Mailbox::new();
    let mut relay = Relay::to(mailbox.port()).await;
    let mut house = House::plan(OPEN).smtp(&mailbox.url_at(relay.port())).start().await;
    let ann = house.browser("orders.test");
    let asked = ann.ask_for_mail_to("ann@example.com", "/orders").await;
    assert_eq!(asked.location(), "/.access/check", "people are told the same");
    eventually("the log says that mail waits", async || {
        house
            .log
            .events()
            .iter()
            .any(|event| event["level"] != "INFO" && event.to_string().contains("mail"))
            .then_some(())
    })
    .await;

    // Not even a restart meanwhile loses it.
    house.kill9();
    house.start_again().await;
    assert!(mailbox.all().await.is_empty());
    relay.up().await;
    let mail = mailbox.wait("ann@example.com").await;
    assert_eq!(ann.press_button(&mail).await.expect(303).location(), "/orders");
}

#[tokio::test]
async fn mail_is_tried_again_after_a_temporary_no() {
    for fault in ["defer", "defer-data", "drop"] {
        let house = House::start(OPEN).await;
        house.mail.fault(fault, 1).await;
        house.browser("orders.test").log_in("ann@example.com").await;
        assert_eq!(house.mail.count_to("ann@example.com").await, 1, "{fault}");
    }
}

#[tokio::test]
async fn a_final_no_is_not_tried_again_and_holds_up_nobody() {
    let house = House::start(OPEN).await;
    house.mail.fault("reject", 1).await;
    let ann = house.browser("orders.test");
    ann.ask_for_mail("ann@example.com").await;
    eventually("the log says that it was refused", async || {
        house
            .log
            .events()
            .iter()
            .any(|event| event["level"] != "INFO" && event.to_string().contains("550"))
            .then_some(())
    })
    .await;
    house.browser("orders.test").log_in("bob@example.com").await;
    assert_eq!(house.mail.count_to("ann@example.com").await, 0);
}

#[tokio::test]
async fn one_stubborn_mail_does_not_block_the_others() {
    let house = House::start(OPEN).await;
    house.mail.fault("defer", 1).await;
    house.browser("orders.test").ask_for_mail("ann@example.com").await;
    house.browser("orders.test").log_in("bob@example.com").await;
    house.mail.wait("ann@example.com").await;
}

#[tokio::test]
async fn a_server_with_another_certificate_gets_no_password() {
    let mailbox = Mailbox::new();
    let other = crate::pki::Authority::new("Somebody else");
    let plan = House::plan(OPEN).smtp(&mailbox.url()).file("mail-ca.pem", other.pem);
    let house = plan.start().await;
    house.browser("orders.test").ask_for_mail("ann@example.com").await;
    eventually("the log says why", async || {
        house
            .log
            .events()
            .iter()
            .any(|event| event["level"] != "INFO" && event.to_string().contains("ertificate"))
            .then_some(())
    })
    .await;
    assert!(mailbox.all().await.is_empty());
}

#[tokio::test]
async fn the_password_of_the_mail_server_shows_nowhere() {
    let mailbox = Mailbox::new();
    let url = mailbox.url().replace("gwpass", "wrong-secret");
    let house = House::plan(OPEN).smtp(&url).start().await;
    house.browser("orders.test").ask_for_mail("ann@example.com").await;
    eventually("the log says that it was refused", async || {
        house
            .log
            .events()
            .iter()
            .any(|event| event["level"] != "INFO" && event.to_string().contains("535"))
            .then_some(())
    })
    .await;
    assert!(!house.log.text().contains("wrong-secret"));
    assert!(!house.admin("/metrics").await.text().contains("wrong-secret"));
    let checked = crate::house::printed(&house.command(&["check"]));
    assert!(!checked.contains("wrong-secret"), "{checked}");
}
