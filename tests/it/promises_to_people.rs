//! The promises that hold for everything, held against what people decide about people: pages of a team, previews, notifications, tokens.

use crate::browser::Browser;
use crate::house::{House, OPEN, eventually, printed};
use crate::kill_and_restart::is_clear_of;

const PEOPLE: &str = r#"
[app.orders.team]
owner_role = "administrator"

[app.orders.topic.news]
title = "News"

[[workspace.user]]
email = "kim@staff.example"
roles = { orders = "administrator" }
preview = ["orders"]
"#;

async fn house() -> House {
    let apps = OPEN.replace("email = \"email\"\n", "email = \"email\"\nadjustable = true\nrole = \"administrator\"\n");
    House::start(&format!("{apps}{PEOPLE}")).await
}

async fn logged_in(house: &House, email: &str) -> Browser {
    let browser = house.browser("orders.test");
    browser.log_in(email).await;
    browser
}

/// Invites somebody, and gives the path that the mail leads to. Who sees only some days back gives no role that sees more, so not ann.
async fn invitation(house: &House, from: &Browser, email: &str) -> String {
    house.door.secret(email);
    from.post("/.access/team/invite", &[("email", email), ("role", "member")]).await.expect(303);
    let mail = house.mail.wait(email).await;
    let link = mail.links.iter().find(|link| link.contains("/.access/invitation/")).expect("a link");
    format!("/.access/invitation/{}", link.rsplit('/').next().expect("it has slashes"))
}

#[tokio::test]
async fn no_page_about_people_is_kept_by_a_cache() {
    let house = house().await;
    let bob = logged_in(&house, "bob@example.com").await;
    let kim = logged_in(&house, "kim@staff.example").await;
    let shown = invitation(&house, &bob, "ines@example.com").await;
    let list = bob.navigate("/.access/team?q=cat").await.expect(200).text();
    let (_, member) = list.split_once("href=\"/.access/team/member/").expect("cat has a page");
    let member = format!("/.access/team/member/{}", member.split('"').next().expect("it ends"));
    for (browser, path) in [
        (&bob, "/.access/team"),
        (&bob, "/.access/team/invite"),
        (&bob, "/.access/team/invite-many"),
        (&bob, "/.access/team/leave"),
        (&bob, member.as_str()),
        (&bob, shown.as_str()),
        (&bob, "/.access/dashboard"),
        (&bob, "/.access/notifications"),
        (&kim, "/.access/preview?q=ann"),
    ] {
        let page = browser.navigate(path).await.expect(200);
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert!(["same-origin", "no-referrer"].contains(&page.header("referrer-policy")), "{path}: {:?}", page.headers);
    }
}

#[tokio::test]
async fn attack_15_no_form_of_a_preview_leads_to_another_site() {
    let house = house().await;
    let kim = logged_in(&house, "kim@staff.example").await;
    for to in [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "javascript:x",
    ] {
        let forms: [(&str, &[(&str, &str)]); 3] = [
            ("/.access/preview", &[("email", "ann@example.com"), ("to", to)]),
            ("/.access/preview/switch", &[("email", "bob@example.com"), ("to", to)]),
            ("/.access/preview/end", &[("to", to)]),
        ];
        for (form, fields) in forms {
            let answer = kim.post(form, fields).await.expect(303);
            assert_eq!(answer.location(), "/", "{form} {to}");
        }
    }
}

#[tokio::test]
async fn what_was_switched_off_or_revoked_stays_so_after_a_kill() {
    let mut house = house().await;
    let bob = logged_in(&house, "bob@example.com").await;
    bob.post("/.access/notifications", &[("shown.news", "1")]).await.expect(303);
    let token = |name: &str| {
        let output = house.command(&["token", "create", name, "--scope", "read"]);
        assert!(output.status.success(), "{}", printed(&output));
        let token = String::from_utf8(output.stdout).expect("text").trim().to_owned();
        house.door.secret(&token);
        token
    };
    let (kept, revoked) = (token("kept"), token("revoked"));
    assert!(house.command(&["token", "revoke", "revoked"]).status.success());
    house.kill9();
    house.start_again().await;
    house.api_as(&kept, "GET", "/api/v1/apps", "").await.expect(200);
    house.api_as(&revoked, "GET", "/api/v1/apps", "").await.expect(401);
    let page = bob.navigate("/.access/notifications").await.expect(200).text();
    let (_, field) = page.split_once("name=\"on.news\"").expect("the topic's field");
    assert!(!field.split('>').next().unwrap_or_default().contains("checked"), "{page}");
}

#[tokio::test]
async fn nothing_under_data_holds_an_invitation_or_a_token_of_the_api_in_clear() {
    let house = house().await;
    let bob = logged_in(&house, "bob@example.com").await;
    let link = invitation(&house, &bob, "ines@example.com").await;
    let link = link.rsplit('/').next().expect("a token").to_owned();
    house.door.secret(&link);
    let made = house.command(&["token", "create", "ci", "--scope", "read"]);
    let token = String::from_utf8(made.stdout).expect("text").trim().to_owned();
    house.door.secret(&token);
    house.api_as(&token, "GET", "/api/v1/apps", "").await.expect(200);
    // The mail has left, so its text may go; the outbox is given a moment to be tidy.
    eventually("nothing is left in clear", async || is_clear_of(&house, &[&link, &token]).then_some(())).await;
}
