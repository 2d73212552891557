//! Nobody can find out by asking whether an address is a customer's.

use std::time::{Duration, Instant};

use crate::browser::{Browser, TRY};
use crate::house::{House, OPEN, PEOPLE, eventually};

/// What an observer can compare: the answer without what differs from one request to the next.
async fn observed(browser: &Browser, email: &str) -> String {
    let post = browser.ask_for_mail(email).await;
    let page = browser.navigate("/.access/check").await.expect(200);
    let mut shown = format!("{}\n", post.status);
    for (name, value) in &post.headers {
        match name.as_str() {
            "x-request-id" | "date" => {}
            "set-cookie" => shown.push_str(&format!("{name}: {} bytes\n", value.len())),
            _ => shown.push_str(&format!("{name}: {value}\n")),
        }
    }
    shown.push_str(&post.text());
    shown.push_str(&page.text().replace(page.header("x-request-id"), "ID").replace(email, "ADDRESS"));
    shown
}

#[tokio::test]
async fn known_unknown_barred_and_ambiguous_addresses_look_the_same() {
    let house = House::start(OPEN).await;
    let known = observed(&house.browser("orders.test"), "ann@example.com").await;
    for email in ["nobody@example.com", "old@example.com", "dup@example.com"] {
        assert_eq!(observed(&house.browser("orders.test"), email).await, known, "{email}");
    }
    house.mail.wait("ann@example.com").await;
    let others: Vec<_> = house.mail.all().await.into_iter().filter(|mail| mail.to != ["ann@example.com"]).collect();
    assert!(others.is_empty(), "only who may enter gets mail: {others:?}");
}

#[tokio::test]
async fn a_code_for_an_unknown_address_is_wrong_like_any_other() {
    let house = House::start(OPEN).await;
    let (known, unknown) = (house.browser("orders.test"), house.browser("orders.test"));
    let code = known.mail("ann@example.com", "/").await.code();
    unknown.ask_for_mail("nobody@example.com").await;
    assert!(unknown.cookie(TRY).is_some());
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..6 {
        assert_eq!(known.type_code(wrong).await.status, unknown.type_code(wrong).await.status);
    }
}

#[tokio::test]
async fn the_answer_waits_neither_for_the_table_nor_for_the_mail_server() {
    // Were the table asked before the answer, a locked one would hold it up for as long as the lock lasts.
    let apps = OPEN.replace("csv:people.csv", "sqlite:crm.db").replace("email = ", "table = \"people\"\nemail = ");
    let plan = House::plan(&apps);
    let mut house = plan.furnish().await;
    let database = crate::sqlite_source::Table::create(&house, PEOPLE).await;
    house.start_again().await;
    house.mail.fault("slow", 1).await;
    let lock = database.lock().await;
    let start = Instant::now();
    house.browser("orders.test").ask_for_mail("ann@example.com").await;
    house.browser("orders.test").ask_for_mail("nobody@example.com").await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(house.mail.all().await.len(), 0);
    lock.release().await;
    house.mail.wait("ann@example.com").await;
}

#[tokio::test]
async fn both_answers_take_about_the_same_time() {
    let many: String = (0..12).map(|n| format!("k{n}@example.com,42,Acme,K,active,reader,,,en,EU\n")).collect();
    let house = House::plan(OPEN).file("people.csv", format!("{PEOPLE}{many}")).start().await;
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..12 {
        for (times, email) in times.iter_mut().zip([format!("k{n}@example.com"), format!("u{n}@example.com")]) {
            let browser = house.browser("orders.test");
            browser.navigate("/.access/login").await.expect(200);
            let start = Instant::now();
            browser.ask_for_mail(&email).await;
            times.push(start.elapsed());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let (known, unknown) = (median(&mut times[0]), median(&mut times[1]));
    // Loose on purpose: a mail server or a table on the way would show as far more.
    let (less, more) = (known.min(unknown), known.max(unknown));
    assert!(more < less * 3 + Duration::from_millis(30), "known {known:?}, unknown {unknown:?}");
}

#[tokio::test]
async fn a_malformed_address_is_told_to_its_writer() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    for wrong in ["", "ann", "ann@", "@example.com", "a@b@example.com", "ann@exa mple.com", "ann@example..com"] {
        let page = ann.post("/.access/login", &[("email", wrong), ("to", "/")]).await.expect(400);
        assert!(page.has_field("email"), "{wrong:?} can be mended:\n{}", page.text());
    }
}

#[tokio::test]
async fn limits_hold_for_known_and_unknown_addresses_alike() {
    let house = House::plan(OPEN).login("mails_per_address = 2\ntries_per_client = 9").start().await;
    // A browser each, for a new attempt ends the one before it in the same browser.
    let browser = || house.browser("orders.test");
    let mut told = Vec::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        browser().ask_for_mail(email).await;
        browser().ask_for_mail(email).await;
        let page = browser().post("/.access/login", &[("email", email), ("to", "/")]).await.expect(429);
        assert!(page.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{:?}", page.headers);
        told.push(page.text().replace(email, "ADDRESS"));
    }
    assert_eq!(told[0], told[1]);
    // Another address is not held up by these, and what was over the limit was not sent later either.
    browser().ask_for_mail("bob@example.com").await;
    house.mail.wait("bob@example.com").await;
    eventually("two mails came", async || (house.mail.count_to("ann@example.com").await == 2).then_some(())).await;
    assert!(house.metric(&["limits_reached", "mails_per_address"]).await >= 2.0);
    // Then the client itself has had its tries, whatever address it asks for.
    for n in 0..2 {
        browser().ask_for_mail(&format!("x{n}@example.com")).await;
    }
    for email in ["zoe@example.com", "other@example.com"] {
        browser().post("/.access/login", &[("email", email), ("to", "/")]).await.expect(429);
    }
    assert!(house.metric(&["limits_reached", "tries_per_client"]).await >= 2.0);
    assert_eq!(house.mail.count_to("ann@example.com").await, 2);
}
