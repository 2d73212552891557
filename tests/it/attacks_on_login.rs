//! Attacks on the log-in (cases 15, 16, 18 and 19): no open redirect, no fixation, no look-alike, no guessing.

use crate::browser::{SESSION, TRY, encode};
use crate::house::{House, OPEN, PEOPLE, eventually};

/// Return addresses that lead away, or might in some browser.
pub(crate) const AWAY: &[&str] = &[
    "https://evil.test/",
    "http://evil.test",
    "//evil.test",
    "///evil.test",
    "////evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "\\/evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\r/evil.test",
    "\t//evil.test",
    " //evil.test",
    "/ /evil.test",
    "/%09/evil.test",
    "/%5cevil.test",
    "/%2f/evil.test",
    "%2f%2fevil.test",
    "https:evil.test",
    "https:/evil.test",
    "https://orders.test@evil.test/",
    "https://orders.test.evil.test/",
    "https://evilorders.test/",
    "https://orders.test:1@evil.test/",
    "https://orders.test\\@evil.test/",
    "@evil.test",
    ".evil.test",
    "evil.test",
    "javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "/x/../..//evil.test",
    "/.//evil.test",
    "/..//evil.test",
    "/%2e%2e//evil.test",
    "//orders.test@evil.test",
    "https%3a%2f%2fevil.test",
    "/\u{2215}evil.test",
    "\u{ff0f}\u{ff0f}evil.test",
    "//evil\u{3002}test",
    "/a\0b",
];

/// A browser that goes there stays on our host.
#[track_caller]
pub(crate) fn stays(location: &str, case: &str) {
    let second = location.as_bytes().get(1);
    assert!(location.starts_with('/') && !matches!(second, Some(b'/' | b'\\')), "{case:?} led to {location:?}");
    assert!(!location.contains(['\\', '\t', '\n', '\r', '\0', ' ']), "{case:?} led to {location:?}");
    // Dot segments fold before a browser looks for the host.
    assert!(!location.contains("..") && !location.starts_with("/./"), "{case:?} led to {location:?}");
    assert!(!location.starts_with("/%2f") && !location.starts_with("/%5c"), "{case:?} led to {location:?}");
}

#[tokio::test]
async fn attack_15_no_return_address_leads_away() {
    let house = House::plan(OPEN).login("mails_per_address = 1000\ntries_per_client = 1000").start().await;
    let ann = house.browser("orders.test");
    for away in AWAY {
        let page = ann.navigate(&format!("/.access/login?to={}", encode(away))).await;
        for to in page.fields("to") {
            stays(if to.is_empty() { "/" } else { &to }, away);
        }
    }
    // Through the whole log-in, by link and by code in turn. A refused address gives no session or leads home.
    for (n, away) in AWAY.iter().enumerate() {
        let person = house.browser("orders.test");
        let before = house.mail.all().await.last().map_or(0, |mail| mail.n);
        let asked = person.post("/.access/login", &[("email", "ann@example.com"), ("to", away)]).await;
        if asked.status != 303 {
            assert_eq!(asked.status, 400, "{away:?}");
            continue;
        }
        let mail = house.mail.wait_after("ann@example.com", before).await;
        let entered = if n % 2 == 0 { person.press_button(&mail).await } else { person.type_code(&mail.code()).await };
        if entered.status == 303 {
            stays(entered.location(), away);
        }
    }
}

#[tokio::test]
async fn attack_15_the_chooser_and_the_way_to_it_lead_nowhere_else() {
    let house = House::start(OPEN).await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    for away in AWAY {
        let answer = cat.post("/.access/choose", &[("customer", "42"), ("to", away)]).await;
        if answer.status == 303 {
            stays(answer.location(), away);
        } else {
            assert_eq!(answer.status, 400, "{away:?}");
        }
    }
    let nobody = house.browser("orders.test");
    for path in ["/%2f%2fevil.test", "/x?to=//evil.test", "/@evil.test", "/x%0d%0aLocation:%20https://evil.test"] {
        let answer = nobody.navigate(path).await;
        if answer.status == 303 {
            assert!(answer.location().starts_with("/.access/login"), "{}", answer.location());
        }
    }
}

#[tokio::test]
async fn attack_15_no_way_leads_back_into_our_own_pages() {
    // Coming home to the log-out or the log-in would be a loop, or a trick.
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let led = ann.log_in_to("ann@example.com", "/.access/logout").await;
    assert_ne!(led, "/.access/logout");
}

#[tokio::test]
async fn attack_16_a_planted_session_is_not_the_one_a_log_in_gives() {
    let house = House::start(OPEN).await;
    let thief = house.browser("orders.test");
    thief.log_in("bob@example.com").await;
    let planted = thief.cookie(SESSION).expect("a session");

    let ann = house.browser("orders.test");
    ann.set_cookie(SESSION, &planted);
    ann.log_in("ann@example.com").await;
    assert_ne!(ann.cookie(SESSION).as_deref(), Some(planted.as_str()));
    ann.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
    // The thief's own session has not become Ann's.
    let status = thief.fetch("/").await.status;
    if status == 200 {
        assert_eq!(house.upstream.last().header("x-access-email"), Some("bob@example.com"));
    }

    let invented = "A".repeat(planted.len());
    let zoe = house.browser("orders.test");
    zoe.set_cookie(SESSION, &invented);
    zoe.log_in("zoe@example.com").await;
    assert_ne!(zoe.cookie(SESSION).as_deref(), Some(invented.as_str()));
}

#[tokio::test]
async fn attack_16_a_second_log_in_is_a_new_session() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let first = ann.cookie(SESSION).expect("a session");
    ann.log_in("ann@example.com").await;
    assert_ne!(ann.cookie(SESSION).as_deref(), Some(first.as_str()));
    let thief = house.browser("orders.test");
    thief.set_cookie(SESSION, &first);
    thief.fetch("/").await.expect(401);
}

#[tokio::test]
async fn attack_16_nobody_is_logged_in_as_somebody_else_by_another_site() {
    let house = House::start(OPEN).await;
    let thief = house.browser("orders.test");
    let mail = thief.mail("bob@example.com", "/").await;
    let victim = house.browser("orders.test");
    for proof in [
        &[][..],
        &[("origin", "https://evil.test")],
        &[("origin", "null")],
        &[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "http://orders.test")],
        &[("origin", "https://orders.test.evil.test")],
    ] {
        for (path, fields) in [
            ("/.access/link", vec![("token", mail.token())]),
            ("/.access/code", vec![("code", mail.code())]),
            ("/.access/login", vec![("email", "bob@example.com".to_owned()), ("to", "/".to_owned())]),
            ("/.access/choose", vec![("customer", "42".to_owned())]),
            ("/.access/sessions/end", vec![("all", "1".to_owned())]),
            ("/.access/logout", vec![]),
        ] {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            victim.post_from(path, &fields, proof).await.expect(403);
        }
    }
    // Even with a proof, a link that another browser asked for gives no session; nor does a planted try cookie of one's own
    // host, which no other site can set (`__Host-`).
    victim.press_button(&mail).await.expect(403);
    victim.type_code(&mail.code()).await;
    assert_eq!(victim.cookie(SESSION), None);
    thief.press_button(&mail).await.expect(303);
}

#[tokio::test]
async fn attack_18_spellings_of_an_address_are_one_person_or_none() {
    let house = House::plan(OPEN).login("mails_per_address = 1000\ntries_per_client = 1000").start().await;
    for same in ["ANN@example.com", "ann@EXAMPLE.com", "  ann@example.com\t", "Ann@Example.Com"] {
        let ann = house.browser("orders.test");
        ann.log_in_as(same, "ann@example.com").await;
        ann.fetch("/").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"), "{same:?}");
    }
    let mails = house.mail.all().await.len();
    for other in [
        "ann+x@example.com",
        "a.nn@example.com",
        "ann@example.com.",
        "ann@sub.example.com",
        "\u{430}nn@example.com",
        "ann@ex\u{430}mple.com",
        "\u{ff41}nn@example.com",
        "ann\u{200b}@example.com",
        "ann@example.com@evil.test",
        "ann@evil.test@example.com",
        "\"ann\"@example.com",
        "\"ann@example.com\"@evil.test",
        "ann(comment)@example.com",
        "(x)ann@example.com",
        "<ann@example.com>",
        "Ann <ann@example.com>",
        "ann@example.com, thief@evil.test",
        "ann@example.com;thief@evil.test",
        "ann@example.com\r\nBcc: thief@evil.test",
        "ann@example.com\nthief@evil.test",
        "ann@example.com%0aBcc:thief@evil.test",
        "ann@example.com\0@evil.test",
        "ann@[127.0.0.1]",
        "ann@127.0.0.1",
        "ann@xn--exmple-4nf.com",
        "thief@evil.test ann@example.com",
        "ann@example.com thief@evil.test",
    ] {
        let person = house.browser("orders.test");
        let answer = person.post("/.access/login", &[("email", other), ("to", "/")]).await;
        assert!(matches!(answer.status, 303 | 400), "{other:?}: {}", answer.status);
    }
    // When somebody else's mail has come, any sent before it would have, too.
    house.browser("orders.test").log_in("bob@example.com").await;
    let all = house.mail.all().await;
    let sent: Vec<_> = all[mails..].iter().map(|mail| (mail.to.join(","), mail.headers.get("bcc"))).collect();
    assert!(
        sent.iter().all(|(to, bcc)| (to == "bob@example.com" || to == "ann@example.com") && bcc.is_none()),
        "{sent:?}"
    );
    assert!(
        sent.iter().filter(|(to, _)| to == "ann@example.com").count() <= 1,
        "only a trailing dot may fold: {sent:?}"
    );
}

#[tokio::test]
async fn attack_18_an_international_domain_is_the_same_in_both_spellings() {
    let people = format!("{PEOPLE}jo@b\u{fc}cher.example,42,Acme,Jo,active,reader,,,de,EU\n");
    let house = House::plan(OPEN).file("people.csv", people).start().await;
    let jo = house.browser("orders.test");
    jo.ask_for_mail("jo@xn--bcher-kva.example").await;
    let other = house.browser("orders.test");
    other.ask_for_mail("JO@B\u{dc}CHER.example").await;
    let count = eventually("both asked", async || {
        let all = house.mail.all().await;
        (all.len() == 2).then_some(all.len())
    })
    .await;
    assert_eq!(count, 2);
}

#[tokio::test]
async fn attack_18_addresses_fold_in_the_table_too() {
    let people = PEOPLE.replace("ann@example.com", " ANN@Example.COM ");
    let house = House::plan(OPEN).file("people.csv", people).start().await;
    house.browser("orders.test").log_in("ann@example.com").await;
}

#[tokio::test]
async fn attack_19_one_link_pressed_many_times_at_once_opens_once() {
    let house = House::start(OPEN).await;
    for round in 0..3 {
        let ann = house.browser("orders.test");
        let mail = ann.mail(["ann@example.com", "bob@example.com", "eve@example.com"][round], "/").await;
        let tries = (0..12).map(|n| {
            let (ann, mail) = (ann.clone(), mail.clone());
            tokio::spawn(async move {
                if n % 3 == 0 { ann.type_code(&mail.code()).await } else { ann.press_button(&mail).await }.status
            })
        });
        let mut opened = 0;
        for task in tries.collect::<Vec<_>>() {
            let status = task.await.expect("no try panics");
            assert!(matches!(status, 303 | 410 | 422 | 403), "{status}");
            opened += usize::from(status == 303);
        }
        assert_eq!(opened, 1);
    }
}

#[tokio::test]
async fn attack_19_other_methods_consume_nothing_and_open_nothing() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    let path = format!("/.access/link/{}", mail.token());
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"] {
        let answer = ann.send(method, &path, &[("accept", "text/html"), ("origin", &ann.origin())], "").await;
        assert!(matches!(answer.status, 200 | 204 | 404 | 405), "{method}: {}", answer.status);
        assert_eq!(ann.cookie(SESSION), None, "{method}");
    }
    ann.navigate(&format!("/.access/link?token={}", mail.token())).await;
    ann.navigate(&format!("/.access/code?code={}", mail.code())).await;
    assert_eq!(ann.cookie(SESSION), None);
    ann.press_button(&mail).await.expect(303);
}

#[tokio::test]
async fn attack_19_a_token_that_was_never_sent_looks_like_one_that_ended() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    ann.press_button(&mail).await.expect(303);
    let used = ann.open_link(&mail).await;
    for token in ["x", &"A".repeat(43), &mail.token()[1..], &format!("{}A", mail.token()), "%00", "%2e%2e"] {
        let answer = ann.navigate(&format!("/.access/link/{token}")).await;
        assert!(answer.status == used.status || matches!(answer.status, 400 | 404), "{token}: {}", answer.status);
        let pressed = ann.post("/.access/link", &[("token", token)]).await;
        assert!(matches!(pressed.status, 400 | 403 | 404 | 410), "{token}: {}", pressed.status);
    }
}

#[tokio::test]
async fn attack_19_codes_cannot_be_guessed_by_asking_often() {
    let house = House::plan(OPEN).login("tries_per_client = 30\nmails_per_address = 3").start().await;
    let mut guesses = 0;
    let mut stopped = 0;
    for round in 0..10 {
        let thief = house.browser("orders.test");
        let asked = thief.post("/.access/login", &[("email", "ann@example.com"), ("to", "/")]).await;
        stopped += usize::from(asked.status == 429);
        for n in 0..8 {
            let answer = thief.type_code(&format!("{:06}", round * 8 + n)).await;
            match answer.status {
                422 => guesses += 1,
                429 => stopped += 1,
                303 => panic!("a lucky guess: run again"),
                410 => {}
                other => panic!("{other}"),
            }
        }
    }
    assert!(guesses <= 30 && stopped > 0, "{guesses} guesses, {stopped} stopped");
    assert!(house.mail.count_to("ann@example.com").await <= 3, "nor is a mailbox flooded");
}

#[tokio::test]
async fn attack_19_mail_of_a_whole_app_is_capped() {
    let many: String = (0..20).map(|n| format!("k{n}@example.com,42,Acme,K,active,reader,,,en,EU\n")).collect();
    let plan = House::plan(OPEN).login("mails_per_app = 5\ntries_per_client = 1000");
    let house = plan.file("people.csv", format!("{PEOPLE}{many}")).start().await;
    for n in 0..20 {
        let person = house.browser("orders.test");
        let answer = person.post("/.access/login", &[("email", &format!("k{n}@example.com")), ("to", "/")]).await;
        assert!(matches!(answer.status, 303 | 429), "{}", answer.status);
    }
    eventually("the first five came", async || (house.mail.all().await.len() >= 5).then_some(())).await;
    eventually("the cap is counted", async || (house.metric(&["limit", "app"]).await > 0.0).then_some(())).await;
    assert_eq!(house.mail.all().await.len(), 5);
}

#[tokio::test]
async fn attack_19_wrong_codes_end_only_ones_own_mail() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    let thief = house.browser("orders.test");
    thief.mail("ann@example.com", "/").await;
    for n in 0..5 {
        thief.type_code(&format!("{n:06}")).await;
    }
    ann.press_button(&mail).await.expect(303);
    assert_ne!(ann.cookie(TRY), thief.cookie(TRY));
}
