//! Attacks on the protocol (cases 11 and 12): one request is one request, for us and for the app.

use crate::browser::Browser;
use crate::house::{House, LADDER, OPEN, eventually};
use crate::wire_h2::Outcome;

async fn person() -> (House, Browser) {
    let house = House::start(OPEN).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    (house, bob)
}

/// Sends a head and raw bytes after it, and says what came back first.
async fn send(house: &House, bob: &Browser, first: &str, lines: &[&str], after: &str) -> Option<u16> {
    let mut wire = house.wire("orders.test").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
    let mut all = vec![first, &host, &cookie];
    all.extend_from_slice(lines);
    wire.send(format!("{}\r\n\r\n{after}", all.join("\r\n"))).await;
    wire.answer().await.map(|answer| answer.status)
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: orders.test\r\n\r\n";

#[tokio::test]
async fn attack_11_framing_that_two_readers_read_differently_is_refused() {
    let (house, bob) = person().await;
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let cases: &[(&str, &[&str], &str)] = &[
        ("POST / HTTP/1.1", &["content-length: 4", "transfer-encoding: chunked"], &chunked),
        ("POST / HTTP/1.1", &["transfer-encoding: chunked", "content-length: 4"], &chunked),
        ("POST / HTTP/1.1", &["content-length: 4", "content-length: 5"], "aaaaa"),
        ("POST / HTTP/1.1", &["content-length: 4, 5"], "aaaaa"),
        ("POST / HTTP/1.1", &["content-length: +4"], "aaaa"),
        ("POST / HTTP/1.1", &["content-length: -4"], "aaaa"),
        ("POST / HTTP/1.1", &["content-length: 0x4"], "aaaa"),
        ("POST / HTTP/1.1", &["content-length: 4 4"], "aaaa"),
        ("POST / HTTP/1.1", &["content-length:"], "aaaa"),
        ("POST / HTTP/1.1", &["content-length: 99999999999999999999999"], "aaaa"),
        ("POST / HTTP/1.1", &["transfer-encoding: chunked", "transfer-encoding: identity"], &chunked),
        ("POST / HTTP/1.1", &["transfer-encoding: chunked, identity"], &chunked),
        ("POST / HTTP/1.1", &["transfer-encoding: identity"], SMUGGLED),
        ("POST / HTTP/1.1", &["transfer-encoding: xchunked"], &chunked),
        ("POST / HTTP/1.1", &["transfer-encoding: \"chunked\""], &chunked),
        ("POST / HTTP/1.1", &["transfer-encoding: gzip, chunked"], &chunked),
        ("POST / HTTP/1.1", &["transfer-encoding : chunked"], &chunked),
        (
            "POST / HTTP/1.1",
            &["transfer_encoding: chunked", "content-length: 4", "transfer-encoding: chunked"],
            &chunked,
        ),
        ("POST / HTTP/1.1", &["transfer-encoding:", " chunked"], &chunked),
        ("POST / HTTP/1.1", &["x: a", " folded: b"], SMUGGLED),
        ("POST / HTTP/1.0", &["transfer-encoding: chunked"], &chunked),
        ("GET / HTTP/1.1", &["x: a\rb: c"], ""),
        ("GET / HTTP/1.1", &["x: a\0b"], ""),
        ("GET / HTTP/1.1", &["x y: a"], ""),
        ("GET / HTTP/1.1", &[": a"], ""),
        ("GET / HTTP/1.1", &["no colon"], ""),
        ("GET  / HTTP/1.1", &[], ""),
        ("GET / HTTP/1.1 x", &[], ""),
        ("GET / HTTP/1.2", &[], ""),
        ("GET / HTTP/9.9", &[], ""),
        ("GET / http/1.1", &[], ""),
        ("GET /", &[], ""),
        ("G\u{e4}T / HTTP/1.1", &[], ""),
        ("PRI * HTTP/2.0", &[], "SM\r\n\r\n"),
    ];
    for (first, lines, after) in cases {
        let before = house.upstream.count();
        let status = send(&house, &bob, first, lines, after).await;
        assert!(matches!(status, None | Some(400 | 411 | 413 | 431 | 501 | 505)), "{first} {lines:?}: {status:?}");
        assert_eq!(
            house.upstream.count(),
            before,
            "{first} {lines:?} reached the app: {:#?}",
            house.upstream.seen().last()
        );
    }
}

#[tokio::test]
async fn attack_11_a_bare_line_feed_ends_nothing_twice() {
    let (house, bob) = person().await;
    let (host, cookie) = (house.host("orders.test"), bob.cookie_header());
    for head in [
        format!("GET / HTTP/1.1\nhost: {host}\ncookie: {cookie}\n\n"),
        format!("GET / HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\nx: a\ny: b\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\nx: a\n\ncontent-length: 0\r\n\r\n{SMUGGLED}"),
    ] {
        let mut wire = house.wire("orders.test").await;
        wire.send(&head).await;
        if let Some(answer) = wire.answer().await {
            assert!(matches!(answer.status, 200 | 400 | 401), "{head:?}: {}", answer.status);
        }
        for seen in house.upstream.seen() {
            assert_ne!(seen.target, "/smuggled", "{head:?}");
            assert!(seen.headers.iter().all(|(_, value)| !value.contains('\n')));
        }
    }
}

#[tokio::test]
async fn attack_11_bad_chunks_end_the_request() {
    let (house, bob) = person().await;
    for (chunks, whole) in [
        ("5;ext=1\r\nhello\r\n0\r\n\r\n", true),
        ("5;ext=\"a\r\n\"\r\nhello\r\n0\r\n\r\n", false),
        ("5\nhello\n0\n\n", false),
        ("-1\r\nhello\r\n0\r\n\r\n", false),
        ("0x5\r\nhello\r\n0\r\n\r\n", false),
        ("+5\r\nhello\r\n0\r\n\r\n", false),
        ("5 \r\nhello\r\n0\r\n\r\n", true),
        ("ffffffffffffffff\r\nhello\r\n0\r\n\r\n", false),
        ("fffffffffffffffff\r\nhello\r\n0\r\n\r\n", false),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", false),
        ("5\r\nhelloXX0\r\n\r\n", false),
        ("5\r\nhello!\r\n0\r\n\r\n", false),
        ("z\r\nhello\r\n0\r\n\r\n", false),
        ("\r\nhello\r\n0\r\n\r\n", true),
    ] {
        let before = house.upstream.count();
        let mut wire = house.wire("orders.test").await;
        let (host, cookie) =
            (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
        wire.send_head(&["POST /c HTTP/1.1", &host, &cookie, "transfer-encoding: chunked"]).await;
        wire.send(format!("{chunks}{SMUGGLED}")).await;
        let answer = wire.answer().await;
        for seen in &house.upstream.seen()[before..] {
            if seen.target == "/c" && seen.complete {
                // An empty line for a size may be taken for the end; what stands after it goes nowhere.
                let expected = if chunks.starts_with("\r\n") { "" } else { "hello" };
                assert_eq!(String::from_utf8_lossy(&seen.body), expected, "{chunks:?}");
                assert!(whole || answer.is_none(), "{chunks:?} passed as whole");
            }
            assert_eq!(seen.target, "/c", "{chunks:?}: something came that nobody asked for");
            assert_ne!(seen.header("x-access-email"), None, "{chunks:?}: something came without a decision");
        }
    }
}

#[tokio::test]
async fn attack_11_bytes_beyond_the_body_are_a_request_of_their_own() {
    let (house, bob) = person().await;
    // The second is not logged in, whatever the first was: it is decided for itself.
    let mut wire = house.wire("orders.test").await;
    let (host, cookie) = (house.host("orders.test"), bob.cookie_header());
    wire.send(format!(
        "POST /one HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\ncontent-length: 4\r\n\r\nbodyGET /two HTTP/1.1\r\nhost: {host}\r\n\r\n"
    ))
    .await;
    assert_eq!(wire.answer().await.expect("an answer").status, 200);
    if let Some(answer) = wire.answer().await {
        assert_eq!(answer.status, 401);
    }
    assert_eq!(house.upstream.count(), 1);
    assert_eq!(house.upstream.last().body, b"body");
}

#[tokio::test]
async fn attack_11_a_body_from_http2_ends_once_however_its_frames_end() {
    let (house, bob) = person().await;
    let (authority, cookie) = (house.host("orders.test"), bob.cookie_header());
    let post = [(":method", "POST"), (":scheme", "https"), (":path", "/up"), (":authority", &authority)];
    let fields: Vec<_> = post.into_iter().chain([("cookie", cookie.as_str())]).collect();
    let mut wire = house.wire_h2("orders.test").await;
    for body in [&[&b"hello"[..], b""][..], &[b"hello"], &[b"hel", b"", b"lo", b""], &[b"", b"hello"]] {
        assert_eq!(wire.ask_in_parts(&fields, body).await, Outcome::Status(200), "{body:?}");
        assert_eq!(house.upstream.last().body, b"hello", "{body:?}");
    }
    assert_eq!(wire.ask_in_parts(&fields, &[b""]).await, Outcome::Status(200));
    assert_eq!(house.upstream.last().body, b"");
    // What was written too much would be read as the next request on the same connection.
    bob.fetch("/next").await.expect(200);
    let seen = house.upstream.seen();
    assert_eq!(seen.iter().filter(|seen| seen.target == "/up").count(), 5);
    assert!(seen.iter().all(|seen| matches!(seen.target.as_str(), "/up" | "/next")), "{seen:#?}");
}

#[tokio::test]
async fn attack_11_an_upgrade_that_is_not_answered_with_101_is_a_request() {
    let (house, bob) = person().await;
    // The app answers 200: what follows on the wire must be decided again, not tunnelled.
    for upgrade in ["websocket", "h2c", "junk", "TLS/1.0", "websocket, h2c"] {
        let before = house.upstream.count();
        let mut wire = house.wire("orders.test").await;
        let (host, cookie) = (house.host("orders.test"), bob.cookie_header());
        wire.send(format!(
            "GET /no-upgrade HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: {upgrade}\r\n\
             http2-settings: AAMAAABkAAQAAP__\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{SMUGGLED}"
        ))
        .await;
        if let Some(answer) = wire.answer().await {
            assert!(matches!(answer.status, 200 | 400 | 502), "{upgrade}: {}", answer.status);
            if answer.status == 200 {
                wire.send(SMUGGLED).await;
                let _next = wire.answer().await;
            }
        }
        for seen in &house.upstream.seen()[before..] {
            assert_ne!(seen.target, "/smuggled", "{upgrade}");
            if upgrade != "websocket" {
                assert_eq!(seen.header("upgrade"), None, "{upgrade} is not ours to pass on");
                assert_eq!(seen.header("http2-settings"), None, "{upgrade}");
            }
        }
    }
    house.wire("orders.test").await;
}

#[tokio::test]
async fn attack_11_no_upgrade_skips_the_log_in() {
    let house = House::start(OPEN).await;
    let host = format!("host: {}", house.host("orders.test"));
    for upgrade in [
        &[][..],
        &["connection: upgrade", "upgrade: junk"],
        &["upgrade: websocket"],
        &["connection: upgrade", "upgrade: websocket"],
        &["connection: upgrade", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__"],
        &[
            "connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        ],
    ] {
        for (path, status) in [("/ws", 401), ("/.access/nothing", 404), ("/x/../y", 400)] {
            let mut wire = house.wire("orders.test").await;
            let first = format!("GET {path} HTTP/1.1");
            let lines: Vec<&str> = [first.as_str(), &host].into_iter().chain(upgrade.iter().copied()).collect();
            let answer = wire.ask(&lines).await.expect("an answer");
            assert!(answer.status == status || answer.status == 400, "{upgrade:?} {path}: {}", answer.status);
            assert_ne!(answer.status, 101);
        }
    }
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn attack_11_an_upgrade_obeys_the_rules_of_its_person() {
    let house = House::start(LADDER).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    assert_eq!(bob.web_socket("/admin/ws").await.err(), Some(403));
    house.upstream.saw_nothing();
    bob.web_socket("/ws").await.expect("it opens");
}

#[tokio::test]
async fn attack_11_a_web_socket_from_another_site_is_refused() {
    let house = House::start(OPEN).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
    let mut wire = house.wire("orders.test").await;
    let lines = [
        "GET /ws HTTP/1.1",
        &host,
        &cookie,
        "origin: https://evil.test",
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    assert_eq!(wire.ask(&lines).await.expect("an answer").status, 403);
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn attack_11_connect_and_trace_are_not_for_customers() {
    let (house, bob) = person().await;
    for first in ["CONNECT evil.test:443 HTTP/1.1", "CONNECT / HTTP/1.1", "TRACE / HTTP/1.1", "TRACK / HTTP/1.1"] {
        let status = send(&house, &bob, first, &[], "").await;
        assert!(matches!(status, None | Some(400 | 403 | 405 | 501)), "{first}: {status:?}");
    }
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn attack_11_http2_fields_that_http1_would_misread_are_refused() {
    let (house, bob) = person().await;
    let (own, cookie) = (house.host("orders.test"), bob.cookie_header());
    let good: Vec<(&str, &str)> =
        vec![(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", &own), ("cookie", &cookie)];
    assert_eq!(house.wire_h2("orders.test").await.ask(&good, None).await, Outcome::Status(200));
    let seen = house.upstream.count();
    for bad in [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("keep-alive", "x"),
        ("proxy-connection", "x"),
        ("te", "gzip"),
        ("x", "a\r\nX-Access-Email: forged"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        ("x\r\ny", "a"),
        ("x: y", "a"),
        ("X-Upper", "a"),
        ("", "a"),
        (":path", "/two"),
        (":unknown", "a"),
        (":authority", "evil.test"),
    ] {
        let mut fields = good.clone();
        fields.push(bad);
        let outcome = house.wire_h2("orders.test").await.ask(&fields, None).await;
        assert!(matches!(outcome, Outcome::Refused | Outcome::Status(400)), "{bad:?}: {outcome:?}");
        assert_eq!(house.upstream.count(), seen, "{bad:?}");
    }
    for (name, value) in [
        (":method", "GET / HTTP/1.1\r\nx: y"),
        (":method", "GE T"),
        (":method", ""),
        (":path", "/a b"),
        (":path", "/a\r\nx: y"),
        (":path", "/x/../admin"),
        (":path", ""),
        (":path", "*"),
        (":path", "x"),
        (":scheme", "https://evil.test/"),
    ] {
        let fields: Vec<(&str, &str)> =
            good.iter().map(|(n, v)| if *n == name { (*n, value) } else { (*n, *v) }).collect();
        let outcome = house.wire_h2("orders.test").await.ask(&fields, None).await;
        assert!(
            matches!(outcome, Outcome::Refused | Outcome::Status(400 | 403 | 405)),
            "{name} {value:?}: {outcome:?}"
        );
        assert_eq!(house.upstream.count(), seen, "{name} {value:?}");
    }
    // A body that is not as long as it says.
    let mut fields = good.clone();
    fields[0] = (":method", "POST");
    fields.push(("content-length", "100"));
    let outcome = house.wire_h2("orders.test").await.ask(&fields, Some(b"short")).await;
    assert!(matches!(outcome, Outcome::Refused | Outcome::Status(400 | 502)), "{outcome:?}");
    assert!(house.upstream.seen().iter().skip(seen).all(|one| !one.complete));
}

#[tokio::test]
async fn attack_11_an_http2_body_becomes_one_http1_body() {
    let (house, bob) = person().await;
    let (own, cookie) = (house.host("orders.test"), bob.cookie_header());
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/down"),
        (":authority", own.as_str()),
        ("cookie", &cookie),
    ];
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let outcome = house.wire_h2("orders.test").await.ask(&fields, Some(body.as_bytes())).await;
    assert_eq!(outcome, Outcome::Status(200));
    assert_eq!(house.upstream.count(), 1);
    assert_eq!(String::from_utf8_lossy(&house.upstream.last().body), body);
}

#[tokio::test]
async fn attack_12_a_denied_body_is_never_the_next_request() {
    let house = House::start(LADDER).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let (host, cookie) = (house.host("orders.test"), bob.cookie_header());
    let hidden = format!("GET /hidden HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n");
    for (target, with_cookie, status) in [("/orders", true, 403), ("/orders", false, 401), ("/x/../y", true, 400)] {
        for whole in [true, false] {
            let mut wire = house.wire("orders.test").await;
            let cookies = if with_cookie { format!("cookie: {cookie}\r\n") } else { String::new() };
            let length = hidden.len() + usize::from(!whole) * 10;
            let head = format!("POST {target} HTTP/1.1\r\nhost: {host}\r\n{cookies}content-length: {length}\r\n\r\n");
            wire.send(&head).await;
            let denied = wire.answer().await.expect("an answer");
            assert_eq!(denied.status, status, "{target}");
            // The body comes late, and is read as a body or not at all.
            wire.send(&hidden).await;
            if whole {
                wire.send(format!("GET /next HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
            } else {
                drop(wire);
                house.browser("orders.test").fetch("/").await.expect(401);
                house.upstream.saw_nothing();
                continue;
            }
            let rest = String::from_utf8_lossy(&wire.rest().await).into_owned();
            assert!(!rest.contains("/hidden"), "{rest}");
            house.upstream.saw_nothing();
        }
    }
}

#[tokio::test]
async fn attack_12_an_early_answer_upstream_mixes_nothing_up() {
    let (house, bob) = person().await;
    // A body cut short: the way to the app that carried it serves nobody else.
    for _ in 0..3 {
        let mut wire = house.wire("orders.test").await;
        let (host, cookie) =
            (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
        wire.send_head(&["POST /cut HTTP/1.1", &host, &cookie, "content-length: 1000"]).await;
        wire.send("GET /hidden HTTP/1.1\r\n\r\n").await;
        let count = house.upstream.count();
        eventually("it is under way", async || (house.upstream.count() >= count.max(1)).then_some(())).await;
        drop(wire);
        let answer = bob.fetch("/honest").await.expect(200);
        assert_eq!(answer.json()["target"], "/honest");
    }
    assert!(house.upstream.seen().iter().all(|seen| seen.target != "/hidden"));
}

#[tokio::test]
async fn attack_05_a_malformed_head_is_answered_in_nobodys_name() {
    let house = House::start(OPEN).await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: orders.test\r\nhost: orders.test\r\n\r\n", 400),
        ("\u{1}\u{2} / HTTP/1.1\r\nhost: orders.test\r\n\r\n", 400),
        ("CONNECT orders.test:443 HTTP/1.1\r\nhost: orders.test:443\r\n\r\n", 405),
    ] {
        let mut wire = house.wire("orders.test").await;
        wire.send(head).await;
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(answer.status, status, "{head:?}");
        assert!(answer.headers.iter().all(|(name, _)| name != "server"), "{head:?}: {:?}", answer.headers);
        assert!(wire.answer().await.is_none(), "{head:?}: the connection ends");
    }
    assert_eq!(house.upstream.count(), 0);
    assert!(house.metric(&["malformed_requests_total"]).await >= 4.0);
}
