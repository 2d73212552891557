//! Notifications: from one call of the API to the mailbox of everybody who wants it, once, whatever happens on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::browser::Answer;
use crate::house::{House, OPEN, eventually, plain};
use crate::mailbox::{Mail, Mailbox};
use crate::upstream_down_and_slow::Relay;

pub(crate) const TOPICS: &str = r##"
[app.orders.topic.shipped]
title = { en = "Shipped orders", de = "Versandte Bestellungen" }
description = { en = "When an order leaves the house.", de = "Wenn eine Bestellung das Haus verlässt." }

[app.orders.topic.news]
title = "News"

[[app.orders.domain]]
host = "orders.big.test"
customer = "42"
branding = { title = "BigCustomer" }
"##;

async fn house() -> House {
    House::start(&format!("{OPEN}{TOPICS}")).await
}

fn shipped() -> Value {
    json!({
        "app": "orders", "customer": "42", "topic": "shipped",
        "subject": "Order 7 is on its way", "text": "It left <b>this</b> morning.\n\nYours,\nthe warehouse",
    })
}

/// Calls the API with this key, if any.
async fn call(house: &House, key: Option<&str>, body: &Value) -> Answer {
    plain(house.admin_address(), &request(house, key, body)).await
}

fn request(house: &House, key: Option<&str>, body: &Value) -> String {
    let access = std::fs::read_to_string(house.dir.path().join("data/api.json")).expect("the gateway has left it");
    let access: Value = serde_json::from_str(&access).expect("JSON");
    let token = access["token"].as_str().expect("a token");
    house.door.secret(token);
    let key = key.map(|key| format!("idempotency-key: {key}\r\n")).unwrap_or_default();
    let body = body.to_string();
    format!(
        "POST /api/v1/notify HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n{key}\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a notification, and waits until nothing more is to come of it.
async fn notify(house: &House, key: &str, body: &Value) -> Value {
    let taken = call(house, Some(key), body).await.expect(202).json();
    done(house, taken["id"].as_str().expect("an id")).await
}

async fn progress(house: &House, id: &str) -> Value {
    let path = format!("/api/v1/notify/{id}");
    let head = request(house, None, &json!({})).replace("POST /api/v1/notify ", &format!("GET {path} "));
    let head = head.replace("content-length: 2", "content-length: 0").replace("content-type: application/json\r\n", "");
    plain(house.admin_address(), head.trim_end_matches("{}")).await.expect(200).json()
}

async fn done(house: &House, id: &str) -> Value {
    eventually("the notification is done", async || {
        let told = progress(house, id).await;
        (told["done"] == true).then_some(told)
    })
    .await
}

/// Where one request switches a mail's topic off, as a mail program finds it.
fn one_click(house: &House, mail: &Mail) -> (String, String) {
    assert_eq!(mail.headers["list-unsubscribe-post"], "List-Unsubscribe=One-Click");
    let header = &mail.headers["list-unsubscribe"];
    let url = header.strip_prefix('<').and_then(|url| url.strip_suffix('>')).expect("one address");
    let rest = url.strip_prefix("https://").expect("https");
    let (authority, path) = rest.split_once('/').expect("a path");
    house.door.secret(path.rsplit('/').next().expect("a token"));
    (authority.split(':').next().expect("a host").to_owned(), format!("/{path}"))
}

fn recipients(mails: &[Mail]) -> Vec<&str> {
    let mut to: Vec<_> = mails.iter().flat_map(|mail| mail.to.iter().map(String::as_str)).collect();
    to.sort_unstable();
    to
}

#[tokio::test]
async fn everybody_of_a_customer_gets_one_mail_in_their_language() {
    let house = house().await;
    let mut body = shipped();
    body["link"] = format!("https://{}/orders/7", house.host("orders.test")).into();
    let taken = call(&house, Some("\"first\""), &body).await.expect(202).json();
    assert_eq!(taken["people"], 3, "not who stands there twice, nor who has left");
    let told = done(&house, taken["id"].as_str().expect("an id")).await;
    assert_eq!((&told["sent"], &told["people"], &told["customer"]), (&3.into(), &3.into(), &"42".into()), "{told}");
    let mails = house.mail.all().await;
    assert_eq!(recipients(&mails), ["ann@example.com", "bob@example.com", "cat@example.com"]);
    let of = |to: &str| mails.iter().find(|mail| mail.to == [to]).expect("a mail");
    let (ann, bob) = (of("ann@example.com"), of("bob@example.com"));
    for mail in [ann, bob] {
        assert_eq!(mail.subject, "Order 7 is on its way");
        assert!(mail.text.starts_with("It left <b>this</b> morning.\n\nYours,\nthe warehouse"), "{}", mail.text);
        assert!(mail.html.contains("It left &#60;b&#62;this&#60;/b&#62; morning."), "{}", mail.html);
        // The customer has a domain of its own, and knows the app by its name there.
        assert!(mail.text.contains("BigCustomer") && mail.links.iter().any(|link| link.ends_with("/orders/7")));
        let (host, path) = one_click(&house, mail);
        assert!(host == "orders.big.test" && mail.text.contains(&path), "{host}{path}\n{}", mail.text);
    }
    assert!(ann.text.contains("Shipped orders") && ann.text.contains("Switch"), "{}", ann.text);
    assert!(bob.text.contains("Versandte Bestellungen") && bob.text.contains("Sie erhalten"), "{}", bob.text);
    assert_ne!(ann.headers["message-id"], bob.headers["message-id"]);
    assert_eq!(house.metric(&["vestibule_audit_events_total", "notification_taken"]).await, 1.0);
    assert_eq!(house.metric(&["vestibule_notified_total", "queued"]).await, 3.0);

    // All customers have to be asked for by name, and nobody gets two for being of two of them.
    let mut all = shipped();
    all["customer"] = "*".into();
    let told = notify(&house, "all", &all).await;
    assert_eq!((&told["sent"], &told["people"]), (&5.into(), &5.into()), "{told}");
    let eve = house.mail.wait("eve@example.com").await;
    assert_eq!(one_click(&house, &eve).0, "orders.test", "another customer's domain is not hers");
}

#[tokio::test]
async fn a_mail_provider_switches_a_topic_off_with_one_request() {
    let house = house().await;
    notify(&house, "1", &shipped()).await;
    let mail = house.mail.wait("ann@example.com").await;
    let (host, path) = one_click(&house, &mail);
    let provider = house.browser(&host);
    // A scanner that opens all links changes nothing.
    let page = provider.send("GET", &path, &[], "").await.expect(200);
    assert!(page.text().contains("a***@example.com") && !page.text().contains("ann@"), "{}", page.text());
    provider.send("HEAD", &path, &[], "").await.expect(200);
    assert_eq!(notify(&house, "2", &shipped()).await["sent"], 3);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = provider.send("POST", &path, &form, "List-Unsubscribe=One-Click").await.expect(200);
    assert!(answer.all("set-cookie").is_empty(), "{:?}", answer.headers);
    // Asked once more, it is still so.
    provider.send("POST", &path, &form, "List-Unsubscribe=One-Click").await.expect(200);
    let told = notify(&house, "3", &shipped()).await;
    assert_eq!((&told["sent"], &told["switched_off"]), (&2.into(), &1.into()), "{told}");
    let mut news = shipped();
    news["topic"] = "news".into();
    assert_eq!(notify(&house, "4", &news).await["sent"], 3, "nothing else is off");
    assert_eq!(house.metric(&["vestibule_audit_events_total", "topic_switched_off"]).await, 1.0);

    // What is no token of ours does nothing, and a page of somebody else's cannot change anything with a session.
    provider.send("POST", "/.access/unsubscribe/AAAA", &form, "").await.expect(404);
    provider.send("POST", &format!("{path}x"), &form, "").await.expect(404);
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let evil = [("origin", "https://evil.test"), form[0]];
    ann.send("POST", "/.access/notifications", &evil, "shown.news=1").await.expect(403);
    assert!(
        ann.navigate("/.access/notifications")
            .await
            .expect(200)
            .text()
            .contains("name=\"on.news\" value=\"1\" checked")
    );
}

#[tokio::test]
async fn a_person_chooses_on_the_settings_page() {
    let house = house().await;
    let bob = house.browser("orders.test");
    bob.navigate("/.access/notifications").await.must_log_in();
    bob.log_in("bob@example.com").await;
    assert!(bob.navigate("/.access/account").await.expect(200).text().contains("/.access/notifications"));
    let page = bob.navigate("/.access/notifications").await.expect(200).text();
    assert_eq!(page.matches(" checked").count(), 2, "all are on at first: {page}");
    assert!(page.contains("Versandte Bestellungen") && page.contains("Wenn eine Bestellung"), "{page}");
    // A topic that the form did not show is left as it is.
    let form = [("shown.shipped", "1"), ("shown.other", "1"), ("on.other", "1")];
    let saved = bob.post("/.access/notifications", &form).await.expect(303);
    let page = bob.navigate(saved.location()).await.expect(200).text();
    assert!(page.contains("role=\"status\"") && page.matches(" checked").count() == 1, "{page}");
    let told = notify(&house, "1", &shipped()).await;
    assert_eq!((&told["sent"], &told["switched_off"]), (&2.into(), &1.into()), "{told}");
    bob.post("/.access/notifications", &[("shown.shipped", "1"), ("on.shipped", "1")]).await.expect(303);
    assert_eq!(notify(&house, "2", &shipped()).await["sent"], 3);
    assert_eq!(house.metric(&["vestibule_audit_events_total", "topic_switched_on"]).await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_calls_at_once_with_one_key_one_sends() {
    let house = Arc::new(house().await);
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let house = Arc::clone(&house);
        calls.spawn(async move { call(&house, Some("once"), &shipped()).await.expect(202).json() });
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer["people"] == 3), "{answers:?}");
    let told = done(&house, answers[0]["id"].as_str().expect("an id")).await;
    assert_eq!(told["sent"], 3, "{told}");
    assert_eq!(house.mail.all().await.len(), 3);
    let mut other = shipped();
    other["subject"] = "Another".into();
    let refused = call(&house, Some("once"), &other).await.expect(422).json();
    assert_eq!(refused["code"], "refused", "{refused}");
    call(&house, None, &shipped()).await.expect(400);
    assert_eq!(house.metric(&["vestibule_audit_events_total", "notification_taken"]).await, 1.0);
}

#[tokio::test]
async fn attack_30_what_is_sent_leads_nowhere_else_and_says_nothing_in_headers() {
    let house = house().await;
    let check = async |field: &str, value: Value| {
        let mut body = shipped();
        body[field] = value;
        let told = call(&house, Some("x"), &body).await.expect(422).json();
        assert!(told["errors"].to_string().contains(&format!("`{field}`")), "{told}");
    };
    check("link", "https://evil.test/".into()).await;
    check("link", "http://orders.test/".into()).await;
    check("link", "https://orders.test@evil.test/".into()).await;
    check("subject", "Hi\r\nBcc: eve@example.com".into()).await;
    check("subject", "x".repeat(201).into()).await;
    check("text", "x".repeat(10_001).into()).await;
    check("topic", "nothing".into()).await;
    check("app", "nothing".into()).await;
    check("customer", "".into()).await;
    let mut more = shipped();
    more["html"] = "<b>".into();
    call(&house, Some("x"), &more).await.expect(400);
    assert!(house.mail.all().await.is_empty());
}

#[tokio::test]
async fn nobody_gets_more_a_day_than_they_can_read() {
    let mut house = House::plan(&format!("{OPEN}{TOPICS}")).furnish().await;
    house.change("[mail]\n", "[mail]\nnotifications_per_person = 2\n");
    house.start_again().await;
    for key in ["1", "2"] {
        assert_eq!(notify(&house, key, &shipped()).await["sent"], 3);
    }
    let told = notify(&house, "3", &shipped()).await;
    assert_eq!((&told["sent"], &told["over_limit"]), (&0.into(), &3.into()), "{told}");
    assert_eq!(house.mail.all().await.len(), 6);
}

#[tokio::test]
async fn who_left_or_switched_off_before_the_mail_server_came_back_gets_nothing() {
    let mailbox = Mailbox::new();
    let mut relay = Relay::to(mailbox.port()).await;
    let house = House::plan(&format!("{OPEN}{TOPICS}")).smtp(&mailbox.url_at(relay.port())).start().await;
    let taken = call(&house, Some("1"), &shipped()).await.expect(202).json();
    let id = taken["id"].as_str().expect("an id");
    eventually("their mails wait for the server", async || (progress(&house, id).await["queued"] == 3).then_some(()))
        .await;
    let before = house.log.named("table read").len();
    house.remove_from_table("bob@example.com");
    let is_read = async || (house.log.named("table read").len() > before).then_some(());
    eventually("the table is read without Bob", is_read).await;
    relay.up().await;
    let told = done(&house, id).await;
    assert_eq!((&told["sent"], &told["gone"]), (&2.into(), &1.into()), "{told}");
    assert_eq!(recipients(&mailbox.all().await), ["ann@example.com", "cat@example.com"]);
    assert_eq!(house.metric(&["vestibule_notified_total", "unsent"]).await, 1.0);
}

/// How many there are.
const MANY: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_loses_nobody_and_notifies_nobody_twice() {
    let mut people =
        "email,company_id,company,full_name,status,access_level,title,history_days,lang,region\n".to_owned();
    for number in 0..MANY {
        people.push_str(&format!("p{number}@example.com,42,Acme Ltd,P {number},active,reader,Clerk,,de,EU\n"));
    }
    let mut house = House::plan(&format!("{OPEN}{TOPICS}")).file("people.csv", people).start().await;
    let taken = call(&house, Some("1"), &shipped()).await.expect(202).json();
    assert_eq!(taken["people"], MANY);
    let mut kills = 0;
    for so_many in [1, 9, 25, 44] {
        eventually("some are sent", async || (house.mail.all().await.len() >= so_many).then_some(())).await;
        house.kill9();
        kills += 1;
        house.start_again().await;
        // Whoever asks again, for the answer got lost, is told the same.
        assert_eq!(call(&house, Some("1"), &shipped()).await.expect(202).json(), taken);
    }
    let told = done(&house, taken["id"].as_str().expect("an id")).await;
    assert_eq!(told["sent"], MANY, "{told}");
    let mails = house.mail.all().await;
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for mail in &mails {
        ids.entry(&mail.to[0]).or_default().insert(&mail.headers["message-id"]);
    }
    assert_eq!(ids.len(), MANY, "everybody has one");
    assert!(ids.values().all(|ids| ids.len() == 1), "nobody has two different ones: {ids:?}");
    // The one copy that no mail program can tell from another: what the server took as we died, under the same id.
    assert!(mails.len() <= MANY + 4 * kills, "{} mails", mails.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_walks_through_settings_and_dashboard() {
    let apps = format!("{}{TOPICS}", crate::dashboard::apps());
    let house = House::plan(&apps).login("mails_per_address = 100\ntries_per_client = 1000").start().await;
    notify(&house, "1", &shipped()).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    for path in ["/html/orders", "/html/orders/1042", "/html/orders/1043", "/html/reports", "/admin/x"] {
        ann.navigate(path).await;
    }
    crate::house::walk(&house, "notify_walk.mjs", 20).await;
}
