//! Attacks on sessions and data (cases 21, 22 and 23): what was taken away is gone, and nobody gets another's answer.

use crate::browser::SESSION;
use crate::house::{House, LADDER, OPEN, PEOPLE, eventually};

#[tokio::test]
async fn attack_21_what_is_taken_from_the_table_is_taken_from_the_session() {
    // Each change to Bob's row, and what he may do after it.
    for (case, from, to) in [
        ("removed", "bob@example.com,", "gone@example.com,"),
        ("barred", "Bob Ray,active", "Bob Ray,left"),
        ("another address", "bob@example.com,", "robert@example.com,"),
        ("an unknown role", "Bob Ray,active,reader", "Bob Ray,active,emperor"),
        ("no address", "bob@example.com,", ","),
    ] {
        let house = House::start(LADDER).await;
        let bob = house.browser("orders.test");
        bob.log_in("bob@example.com").await;
        bob.fetch("/").await.expect(200);
        let mut socket = bob.web_socket("/ws").await.expect("it opens");
        house.write("people.csv", PEOPLE.replace(from, to));
        eventually(case, async || (bob.fetch("/").await.status != 200).then_some(())).await;
        let reading = async { while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {} };
        tokio::time::timeout(crate::wire::PATIENCE, reading)
            .await
            .unwrap_or_else(|_| panic!("{case}: the socket lives"));
        let seen = house.upstream.count();
        bob.navigate("/").await;
        bob.fetch_with("POST", "/", "").await;
        assert_eq!(house.upstream.count(), seen, "{case}");
    }
}

#[tokio::test]
async fn attack_21_another_customer_in_the_row_is_another_customer_at_once() {
    let house = House::start(OPEN).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    bob.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
    house.write("people.csv", PEOPLE.replace("bob@example.com,42,Acme Ltd", "bob@example.com,43,Globex"));
    // He is Globex's now, or must choose or log in again; he is Acme's no more.
    eventually("he is no longer Acme's", async || {
        let answer = bob.fetch("/").await;
        (answer.status != 200 || house.upstream.last().header("x-access-customer") == Some("43")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn attack_21_fewer_days_back_hold_for_the_next_request() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    house.write("people.csv", PEOPLE.replace(",30,en", ",2,en"));
    eventually("two days, no more", async || {
        ann.fetch("/").await.expect(200);
        (house.upstream.last().header("x-access-days-back") == Some("2")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn attack_21_a_senseless_number_of_days_is_never_unlimited() {
    for days in ["-1", "x", "1e9", "99999999999999999999", "3.5"] {
        let house =
            House::plan(OPEN).file("people.csv", PEOPLE.replace(",30,en", &format!(",{days},en"))).start().await;
        house.browser("orders.test").ask_for_mail("ann@example.com").await;
        house.browser("orders.test").log_in("bob@example.com").await;
        assert_eq!(house.mail.count_to("ann@example.com").await, 0, "{days}: a bad row is skipped");
    }
}

#[tokio::test]
async fn attack_21_a_log_out_ends_what_is_under_way() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut wire = house.wire("orders.test").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    wire.send_head(&["GET /drip HTTP/1.1", &host, &cookie]).await;
    wire.read_until("xxxx").await;
    ann.log_out().await;
    wire.rest().await;
    // The next request on a connection that was open all along is decided anew.
    let mut kept = house.wire("orders.test").await;
    assert_eq!(kept.ask(&["GET / HTTP/1.1", &host, &cookie]).await.expect("an answer").status, 401);
}

#[tokio::test]
async fn attack_22_half_a_file_neither_locks_out_nor_lets_in() {
    let house = House::start(OPEN).await;
    let (ann, zoe) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    zoe.log_in("zoe@example.com").await;
    // A quoted field that never ends, or bytes that nobody has written yet: the writer was cut off, or is still writing.
    let half: String = PEOPLE.lines().take(5).map(|line| format!("{line}\n")).collect();
    for end in ["\"mallory@example.com,42,Acme", "mallory@example.com,42,Acme,\0\0\0\0"] {
        house.write("people.csv", format!("{half}{end}"));
        eventually("readiness shows it", async || {
            let answer = house.admin("/readyz").await.expect(200);
            (answer.json()["status"] == "degraded" && answer.text().contains("crm")).then_some(())
        })
        .await;
        ann.fetch("/").await.expect(200);
        zoe.fetch("/").await.expect(200);
        house.browser("orders.test").ask_for_mail("mallory@example.com").await;
        house.browser("orders.test").log_in("bob@example.com").await;
        assert_eq!(house.mail.count_to("mallory@example.com").await, 0);
        house.write("people.csv", PEOPLE);
        eventually("it is well again", async || {
            (house.admin("/readyz").await.json()["status"] == "ready").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn attack_22_an_empty_table_at_the_start_lets_nobody_in() {
    let header = PEOPLE.lines().next().expect("a header row").to_owned() + "\n";
    let house = House::plan(OPEN).file("people.csv", header).start().await;
    house.browser("orders.test").ask_for_mail("ann@example.com").await;
    house.upstream.saw_nothing();
    house.write("people.csv", PEOPLE);
    eventually("the table is read", async || {
        house.browser("orders.test").ask_for_mail("bob@example.com").await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        (house.mail.count_to("bob@example.com").await > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn attack_23_two_people_never_share_an_answer() {
    let apps = LADDER.to_owned()
        + "[app.reports]\ndomains = [\"reports.test\"]\nupstream = \"{{upstream}}\"\n[[app.reports.customers]]\nsource = \"crm\"\n\
           email = \"email\"\ncustomer = \"company_id\"\n";
    let house = House::start(&apps).await;
    let (ann, bob, cat) = (house.browser("orders.test"), house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    bob.log_in("bob@example.com").await;
    cat.log_in("cat@example.com").await;
    cat.choose("43").await.expect(303);
    let ann_there = ann.at("reports.test");
    ann_there.log_in("ann@example.com").await;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        for (person, email, customer, role) in [
            (&ann, "ann@example.com", "42", "manager"),
            (&bob, "bob@example.com", "42", "reader"),
            (&cat, "cat@example.com", "43", "reader"),
            (&ann_there, "ann@example.com", "42", "user"),
        ] {
            let person = person.clone();
            tasks.push(tokio::spawn(async move {
                let told = person.fetch("/same/path").await.expect(200).json();
                let header = |name: &str| {
                    let headers = told["headers"].as_array().cloned().unwrap_or_default();
                    let found =
                        headers.into_iter().find(|h| h[0].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)));
                    found.and_then(|h| h[1].as_str().map(str::to_owned)).unwrap_or_default()
                };
                assert_eq!(header("x-access-email"), email);
                assert_eq!(header("x-access-customer"), customer);
                assert_eq!(header("x-access-role"), role);
            }));
        }
    }
    for task in tasks {
        task.await.expect("every answer is its asker's");
    }
}

#[tokio::test]
async fn attack_23_one_persons_two_sessions_keep_their_customers_apart() {
    let house = House::start(OPEN).await;
    let (desk, phone) = (house.browser("orders.test"), house.browser("orders.test"));
    desk.log_in("cat@example.com").await;
    phone.log_in("cat@example.com").await;
    desk.choose("42").await.expect(303);
    phone.choose("43").await.expect(303);
    for _ in 0..5 {
        desk.fetch("/").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
        phone.fetch("/").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-customer"), Some("43"));
    }
}

#[tokio::test]
async fn attack_23_a_session_is_good_for_its_host_alone() {
    let apps = OPEN.to_owned()
        + "[[app.orders.domain]]\nhost = \"acme.test\"\ncustomer = \"42\"\n[[app.orders.domain]]\nhost = \"globex.test\"\ncustomer = \"43\"\n";
    let house = House::start(&apps).await;
    let cat = house.browser("acme.test");
    cat.log_in("cat@example.com").await;
    cat.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
    let there = cat.at("globex.test");
    there.set_cookie(SESSION, &cat.cookie(SESSION).expect("a session"));
    let answer = there.fetch("/").await;
    // Whether the session counts there or not, it never shows one customer's things under another's name.
    if answer.status == 200 {
        assert_eq!(house.upstream.last().header("x-access-customer"), Some("43"));
    }
    cat.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
}

#[tokio::test]
async fn attack_23_a_token_carried_to_another_app_spoils_nothing() {
    // Once, the other app's policy was compiled into the cache under the session's key before the token was refused.
    let apps = LADDER.to_owned()
        + "[app.reports]\ndomains = [\"reports.test\"]\nupstream = \"{{upstream}}\"\n[[app.reports.customers]]\nsource = \"crm\"\n\
           email = \"email\"\ncustomer = \"company_id\"\n";
    let house = House::start(&apps).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let there = bob.at("reports.test");
    there.set_cookie(SESSION, &bob.cookie(SESSION).expect("a session"));
    there.fetch("/").await.expect(401);
    // In the reports app, which has no rules, Bob could do anything; here he is a reader still.
    bob.fetch_with("DELETE", "/orders/7", "").await.expect(403);
    bob.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-role"), Some("reader"));
}

#[tokio::test]
async fn attack_16_one_session_never_becomes_two() {
    let house = House::start(OPEN).await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    let before = cat.cookie(SESSION).expect("a session");
    // Were each choice a session, a stolen cookie would outlive the log-out of whoever it was stolen from.
    let copies: Vec<_> = (0..8).map(|_| house.browser("orders.test")).collect();
    let choosing = copies.iter().map(async |copy| {
        copy.set_cookie(SESSION, &before);
        copy.choose("42").await
    });
    futures_util::future::join_all(choosing).await;
    let chosen: Vec<_> = copies.iter().filter(|copy| copy.cookie(SESSION).as_deref() != Some(&*before)).collect();
    assert_eq!(chosen.len(), 1, "one of them came first");
    let page = chosen[0].navigate("/.access/account").await.expect(200);
    assert!(page.text().contains("cat@example.com"), "{}", page.text());
    assert!(page.fields("session").is_empty(), "there is no other session to end:\n{}", page.text());
}
