//! Attacks on headers (cases 6 to 10): nobody forges who they are, and our secrets stay with us.

use crate::browser::{Browser, SESSION, TRY};
use crate::house::{House, OPEN, PEOPLE, eventually};
use crate::upstream::Seen;

/// Every preset's names and the operator's own.
const IDENTITY: &[&str] = &[
    "X-Access-Email",
    "X-Access-Name",
    "X-Access-Customer",
    "X-Access-Customer-Name",
    "X-Access-Role",
    "X-Access-Since",
    "X-Access-Days-Back",
    "X-Access-Language",
    "X-Access-Actor",
    "X-Access-Assertion",
    "Remote-User",
    "Remote-Email",
    "Remote-Name",
    "Remote-Groups",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Groups",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Preferred-Username",
    "X-Auth-Request-Groups",
    "X-Tenant",
];

const EXTRA: &str = "\n[app.orders.identity]\nextra = { \"X-Tenant\" = \"{customer.id}\" }\n";

async fn person(apps: &str, email: &str) -> (House, Browser) {
    let house = House::start(apps).await;
    let person = house.browser("orders.test");
    person.log_in(email).await;
    (house, person)
}

/// Sends these lines after an honest head.
async fn ask(house: &House, person: &Browser, first: &str, lines: &[String]) -> Option<u16> {
    let mut wire = house.wire("orders.test").await;
    let mut all = vec![first.to_owned(), format!("host: {}", house.host("orders.test"))];
    all.push(format!("cookie: {}", person.cookie_header()));
    all.extend_from_slice(lines);
    let lines: Vec<&str> = all.iter().map(String::as_str).collect();
    wire.ask(&lines).await.map(|answer| answer.status)
}

/// Nothing of what a client forged is left.
fn unforged(seen: &Seen, case: &str) {
    assert!(!seen.text().contains("forged"), "{case}: {}", seen.text());
    assert_eq!(seen.header("x-access-email"), Some("bob@example.com"), "{case}");
    assert_eq!(seen.header("x-tenant"), Some("42"), "{case}");
}

#[tokio::test]
async fn attack_06_no_spelling_of_an_identity_header_gets_through() {
    let (house, bob) = person(&format!("{OPEN}{EXTRA}"), "bob@example.com").await;
    for name in IDENTITY {
        let folded = name.replace('-', "_");
        let mixed = name.replacen('-', "_", 1);
        let dotted = name.replace('-', ".");
        for spelled in [*name, &name.to_ascii_lowercase(), &name.to_ascii_uppercase(), &folded, &mixed, &dotted] {
            let before = house.upstream.count();
            let lines = [format!("{spelled}: forged"), format!("{spelled}: forged too")];
            let status = ask(&house, &bob, "GET / HTTP/1.1", &lines).await;
            assert!(matches!(status, Some(200 | 400)), "{spelled}: {status:?}");
            if house.upstream.count() > before {
                unforged(&house.upstream.last(), spelled);
            }
        }
        // A space before the colon is no header (RFC 9112, section 5.1).
        let before = house.upstream.count();
        for line in [format!("{name} : forged"), format!(" {name}: forged"), format!("{name}\t: forged")] {
            ask(&house, &bob, "GET / HTTP/1.1", std::slice::from_ref(&line)).await;
            if house.upstream.count() > before {
                unforged(&house.upstream.last(), &line);
            }
        }
    }
}

#[tokio::test]
async fn attack_06_nor_does_one_of_the_operators_own_headers() {
    let apps = format!("{OPEN}\n[app.orders.request_headers]\n\"X-Proxy-Secret\" = \"honest\"\n");
    let (house, bob) = person(&apps, "bob@example.com").await;
    // `Proxy` is `HTTP_PROXY` to a CGI program, and where its own requests go out (httpoxy, CVE-2016-5385).
    for name in ["X-Proxy-Secret", "x_proxy_secret", "X-Proxy_Secret", "X.Proxy.Secret", "Proxy"] {
        assert_eq!(ask(&house, &bob, "GET /a HTTP/1.1", &[format!("{name}: forged")]).await, Some(200), "{name}");
        let seen = house.upstream.last();
        assert!(!seen.text().contains("forged"), "{name}: {}", seen.text());
        assert_eq!(seen.header("x-proxy-secret"), Some("honest"), "{name}");
    }
}

#[tokio::test]
async fn attack_03_the_app_sees_the_host_in_its_one_spelling() {
    let (house, bob) = person(OPEN, "bob@example.com").await;
    let (own, cookie) = (house.host("orders.test"), format!("cookie: {}", bob.cookie_header()));
    let port = house.door.https().port();
    for host in [format!("ORDERS.Test:{port}"), format!("orders.test.:{port}"), format!("orders.test:0{port}")] {
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&["GET /a HTTP/1.1", &format!("host: {host}"), &cookie]).await.expect("an answer");
        if answer.status == 200 {
            assert_eq!(house.upstream.last().header("host"), Some(own.as_str()), "{host}");
            assert_eq!(house.upstream.last().header("x-forwarded-host"), Some(own.as_str()), "{host}");
        } else {
            assert_eq!(answer.status, 400, "{host}");
        }
    }
    let fields = |host| {
        [(":method", "GET"), (":scheme", "https"), (":path", "/h2"), (":authority", host), ("cookie", &cookie[8..])]
    };
    let crooked = format!("ORDERS.Test.:{port}");
    house.wire_h2("orders.test").await.ask(&fields(&crooked), None).await;
    assert_eq!(house.upstream.last().header("host"), Some(own.as_str()));
}

#[tokio::test]
async fn attack_06_other_methods_errors_and_upgrades_strip_as_well() {
    let (house, bob) = person(&format!("{OPEN}{EXTRA}"), "bob@example.com").await;
    let forged: Vec<String> = IDENTITY.iter().map(|name| format!("{name}: forged")).collect();
    let true_handshake = [
        "connection: upgrade".to_owned(),
        "upgrade: websocket".to_owned(),
        "sec-websocket-version: 13".to_owned(),
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
    ];
    let junk = ["connection: upgrade".to_owned(), "upgrade: junk".to_owned()];
    for first in
        ["GET / HTTP/1.1", "OPTIONS / HTTP/1.1", "HEAD / HTTP/1.1", "DELETE /x HTTP/1.1", "GET /status/500 HTTP/1.1"]
    {
        ask(&house, &bob, first, &forged).await;
        unforged(&house.upstream.last(), first);
    }
    for upgrade in [&true_handshake[..], &junk] {
        let lines: Vec<String> = forged.iter().chain(upgrade).cloned().collect();
        let before = house.upstream.count();
        ask(&house, &bob, "GET /ws HTTP/1.1", &lines).await;
        for seen in &house.upstream.seen()[before..] {
            unforged(seen, &upgrade.join(" "));
        }
    }
}

#[tokio::test]
async fn attack_06_trailers_carry_no_identity() {
    let (house, bob) = person(&format!("{OPEN}{EXTRA}"), "bob@example.com").await;
    let mut wire = house.wire("orders.test").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
    wire.send_head(&["POST / HTTP/1.1", &host, &cookie, "transfer-encoding: chunked", "trailer: X-Access-Email"]).await;
    wire.send("1\r\na\r\n0\r\nX-Access-Email: forged\r\nX_Access_Role: forged\r\nCookie: forged\r\n\r\n").await;
    let answer = wire.answer().await;
    assert!(answer.is_none_or(|answer| matches!(answer.status, 200 | 400)));
    for seen in house.upstream.seen() {
        assert!(!seen.text().contains("forged"), "{}", seen.text());
    }
}

#[tokio::test]
async fn attack_07_connection_cannot_name_our_headers_away() {
    let (house, bob) = person(&format!("{OPEN}{EXTRA}"), "bob@example.com").await;
    let all = IDENTITY.join(", ");
    for listed in [
        "X-Access-Email",
        "close, x-access-email, X-Tenant",
        &all,
        "keep-alive, X-Forwarded-For, X-Forwarded-Proto, Host, X-Request-Id",
    ] {
        let before = house.upstream.count();
        for name in ["connection", "proxy-connection"] {
            ask(&house, &bob, "GET / HTTP/1.1", &[format!("{name}: {listed}")]).await;
        }
        for seen in &house.upstream.seen()[before..] {
            unforged(seen, listed);
            assert!(seen.header("x-forwarded-for").is_some() && seen.header("host").is_some(), "{:?}", seen.headers);
            for name in ["connection", "proxy-connection", "keep-alive", "te"] {
                assert!(!seen.all(name).iter().any(|value| value.to_ascii_lowercase().contains("x-access")), "{name}");
            }
        }
        assert!(house.upstream.count() > before, "an odd Connection field is no reason to refuse: {listed}");
    }
    // And what it names of the client's own is gone.
    ask(
        &house,
        &bob,
        "GET / HTTP/1.1",
        &["connection: x-hop".to_owned(), "x-hop: a".to_owned(), "te: gzip".to_owned()],
    )
    .await;
    assert_eq!(house.upstream.last().header("x-hop"), None);
}

#[tokio::test]
async fn attack_08_forwarding_headers_of_strangers_change_nothing() {
    let (house, bob) = person(OPEN, "bob@example.com").await;
    let forged = [
        "x-forwarded-for: 6.6.6.6",
        "x-forwarded-for: 7.7.7.7",
        "x-forwarded-proto: http",
        "x-forwarded-host: evil.test",
        "x-forwarded-port: 1",
        "x-forwarded-server: evil.test",
        "x-forwarded-prefix: /evil.test",
        "x-forwarded-uri: /evil.test",
        "forwarded: for=6.6.6.6;host=evil.test;proto=http",
        "x-real-ip: 6.6.6.6",
        "x-client-ip: 6.6.6.6",
        "x-original-url: /evil.test",
        "x-rewrite-url: /evil.test",
        "x-http-method-override: DELETE",
        "x-http-method: DELETE",
        "x-method-override: DELETE",
        "x-original-host: evil.test",
        "x-host: evil.test",
        "x_forwarded_for: 6.6.6.6",
    ];
    let lines: Vec<String> = forged.iter().map(|line| (*line).to_owned()).collect();
    assert_eq!(ask(&house, &bob, "GET /orders HTTP/1.1", &lines).await, Some(200));
    let seen = house.upstream.last();
    for word in ["6.6.6.6", "7.7.7.7", "evil.test", "DELETE"] {
        assert!(!seen.text().contains(word), "{word} in {}", seen.text());
    }
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some(house.host("orders.test").as_str()));
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/orders"));
}

#[tokio::test]
async fn attack_08_a_trusted_proxy_is_believed_and_a_senseless_address_refused() {
    let house = House::plan(OPEN).server("trusted_proxies = [\"127.0.0.0/8\"]\n").start().await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let status = ask(&house, &bob, "GET / HTTP/1.1", &["x-forwarded-for: 9.9.9.9, 203.0.113.7".to_owned()]).await;
    assert_eq!(status, Some(200));
    let seen = house.upstream.last();
    let told = seen.header("x-forwarded-for").expect("an address");
    assert!(told.contains("203.0.113.7"), "{told}");
    let count = house.upstream.count();
    for senseless in ["x", "999.1.1.1", "203.0.113.7, x", "; DROP", "1.2.3.4.5"] {
        let status = ask(&house, &bob, "GET / HTTP/1.1", &[format!("x-forwarded-for: {senseless}")]).await;
        assert_eq!(status, Some(400), "{senseless}");
        assert_eq!(house.upstream.count(), count, "{senseless}");
    }
}

#[tokio::test]
async fn attack_08_the_limit_per_client_cannot_be_dodged_with_a_header() {
    let house = House::plan(OPEN).login("tries_per_client = 3").start().await;
    let thief = house.browser("orders.test");
    let origin = thief.origin();
    let mut last = 0;
    for n in 0..6 {
        let own = format!("203.0.113.{n}");
        let headers = [
            ("origin", origin.as_str()),
            ("x-forwarded-for", &own),
            ("forwarded", &format!("for={own}")),
            ("x-real-ip", &own),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        last = thief.send("POST", "/.access/login", &headers, &format!("email=u{n}%40example.com&to=%2F")).await.status;
    }
    assert_eq!(last, 429);
}

/// What reached the app is whole: one role, one request, printable values.
fn unbroken(seen: &Seen) {
    assert_eq!(seen.all("x-access-role"), ["user"]);
    assert_ne!(seen.target, "/evil");
    assert_eq!(seen.header("x"), None);
    for (name, value) in &seen.headers {
        assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)), "{name}: {value:?}");
    }
}

#[tokio::test]
async fn attack_09_rows_cannot_break_a_header() {
    let people = "email,company_id,company,full_name,status,lang,history_days\n\
        bob@example.com,42,\"A\nB\u{1b}C\u{85}\",\"Bob\r\n\r\nGET /evil HTTP/1.1\",active,\"en\r\nX: y\",7\n\
        mal@example.com,\"42\r\nX-Access-Role: admin\",M,Mal,active,en,7\n\
        long@example.com,7,Long,LONG,active,en,7\n"
        .replace("LONG", &"ü".repeat(20_000));
    let apps = format!("{OPEN}{EXTRA}");
    let house = House::plan(&apps).file("people.csv", people).start().await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    bob.fetch("/").await.expect(200);
    let seen = house.upstream.last();
    unbroken(&seen);
    assert_eq!(seen.header("x-access-customer-name"), Some("A BC"));
    assert_eq!(seen.header("x-access-name"), Some("Bob GET /evil HTTP/1.1"));
    // A value too long for a header is cut or refused; the rest of the request is whole.
    let long = house.browser("orders.test");
    long.log_in("long@example.com").await;
    let before = house.upstream.count();
    let answer = long.fetch("/").await;
    if answer.status == 200 {
        let seen = house.upstream.last();
        assert!(seen.header("x-access-name").is_none_or(|name| name.len() <= 8192), "a header has a size cap");
    } else {
        assert_eq!(house.upstream.count(), before);
    }
    // A key is compared, so it is not tidied: whose customer holds a line break does not enter.
    house.browser("orders.test").ask_for_mail("mal@example.com").await;
    house.browser("orders.test").log_in("bob@example.com").await;
    assert_eq!(house.mail.count_to("mal@example.com").await, 0);
}

#[tokio::test]
async fn attack_09_nor_can_the_rows_of_a_database() {
    let apps = format!("{OPEN}{EXTRA}")
        .replace("csv:people.csv", "sqlite:crm.db")
        .replace("source = \"crm\"", "source = \"crm\"\ntable = \"people\"");
    let mut house = House::plan(&apps).furnish().await;
    let table = crate::sqlite_source::Table::create(&house, PEOPLE).await;
    table
        .run(
            "UPDATE people SET full_name = 'Bob' || char(0, 13, 10) || 'X: y', company = 'A' || char(0) || 'B' \
             WHERE email = 'bob@example.com'",
        )
        .await;
    house.start_again().await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    bob.fetch("/").await.expect(200);
    unbroken(&house.upstream.last());
}

#[tokio::test]
async fn attack_10_no_cookie_or_token_of_ours_reaches_app_page_or_log() {
    let (house, bob) = person(OPEN, "bob@example.com").await;
    let session = bob.cookie(SESSION).expect("a session");
    bob.set_cookie("app", "their-own");
    bob.set_cookie(TRY, "planted-try");
    bob.fetch("/a?x=1").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.header("cookie"), Some("app=their-own"), "the app's own cookies pass, ours do not");
    // In another case, quoted, twice, and in a second field.
    for cookie in [
        format!("a=1; {SESSION}={session}; {SESSION}={session}; b=2"),
        format!("{SESSION}={session}"),
        format!("a=1;{SESSION}={session};b=2"),
        format!("a=1; {SESSION}=\"{session}\"; b=2"),
    ] {
        let before = house.upstream.count();
        let mut wire = house.wire("orders.test").await;
        let host = format!("host: {}", house.host("orders.test"));
        wire.ask(&["GET / HTTP/1.1", &host, &format!("cookie: {cookie}"), "cookie: c=3"]).await;
        for seen in &house.upstream.seen()[before..] {
            assert!(!seen.text().contains(&session), "{cookie}: {}", seen.text());
        }
    }
    for path in ["/garbage", "/status/500", "/.access/nothing", "/.access/account"] {
        let page = bob.navigate(path).await;
        assert!(!page.text().contains(&session), "{path}");
        assert!(!page.headers.iter().any(|(_, value)| value.contains(&session)), "{path}");
    }
    // That neither stands in the log is checked when the house is torn down, as for every story.
}

#[tokio::test]
async fn attack_10_no_link_reaches_the_app_as_the_page_one_came_from() {
    let (house, bob) = person(OPEN, "bob@example.com").await;
    let mail = house.browser("orders.test").mail("ann@example.com", "/").await;
    // Whoever is logged in and looks at another's link, or has just pressed its button, goes on to the app from that page.
    for page in [format!("{}/.access/link/{}", bob.origin(), mail.token()), format!("/.ACCESS/Link/{}", mail.token())] {
        bob.send("GET", "/a", &[("referer", &page), ("accept", "*/*")], "").await.expect(200);
        assert_eq!(house.upstream.last().header("referer"), None, "{page}");
    }
    let honest = format!("{}/orders?from=/.access/", bob.origin());
    bob.send("GET", "/a", &[("referer", &honest)], "").await.expect(200);
    assert_eq!(house.upstream.last().header("referer"), Some(honest.as_str()));
}

#[tokio::test]
async fn attack_14_a_connection_that_is_logged_in_itself_is_one_persons() {
    let (house, bob) = person(OPEN, "bob@example.com").await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut bobs = Vec::new();
    for scheme in ["NTLM", "Negotiate", "negotiate"] {
        bob.send("GET", "/a", &[("authorization", &format!("{scheme} abc="))], "").await.expect(200);
        bobs.push(house.upstream.last().connection);
    }
    // An answer may arrive a moment before its connection is free for the next step.
    eventually("the steps of such a log-in share their connection", async || {
        bob.send("GET", "/a", &[("authorization", "NTLM abc=")], "").await.expect(200);
        bobs.push(house.upstream.last().connection);
        matches!(bobs[..], [.., one, other] if one == other).then_some(())
    })
    .await;
    for _ in 0..3 {
        ann.fetch("/b").await.expect(200);
        assert!(!bobs.contains(&house.upstream.last().connection));
        ann.send("GET", "/a", &[("authorization", "Negotiate abc=")], "").await.expect(200);
        assert!(!bobs.contains(&house.upstream.last().connection));
    }
}

#[tokio::test]
async fn attack_10_an_app_cannot_set_our_cookies() {
    let (house, bob) = person(OPEN, "bob@example.com").await;
    let answer = bob.fetch("/set-cookie").await.expect(200);
    assert_eq!(answer.all("set-cookie"), ["app=1; Path=/"]);
    assert_ne!(bob.cookie(SESSION).as_deref(), Some("stolen"));
    bob.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("cookie"), Some("app=1"));
}
