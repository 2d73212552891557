//! Apps that speak HTTP/2, gRPC among them: streams go both ways, trailers come back, and all that holds over HTTP/1.1 holds.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::browser::Browser;
use crate::house::{House, LADDER, OPEN};
use crate::pki::{self, Authority};
use crate::program::{Call, Program, in_time, next};
use crate::upstream_h2::UpstreamH2;

/// An app without TLS, behind a house that knows what it speaks.
pub(crate) fn cleartext(apps: &str, upstream: &UpstreamH2, more: &str) -> String {
    let table = format!("upstream = {{ servers = [\"{}\"], protocol = \"h2c\"{more} }}", upstream.url());
    let apps = apps.replace("upstream = \"{{upstream}}\"", &table);
    assert!(apps.contains(&table));
    apps
}

pub(crate) async fn open() -> (House, Browser, UpstreamH2) {
    let upstream = UpstreamH2::start().await;
    let house = House::start(&cleartext(OPEN, &upstream, "")).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    (house, bob, upstream)
}

#[tokio::test]
async fn calls_of_every_kind_go_through_with_their_trailers() {
    let (house, bob, upstream) = open().await;
    let program = Program::of(&house, &bob).await;
    for (path, pieces) in [
        ("/echo.Echo/Each", &[&b"one"[..]][..]),
        ("/echo.Echo/Late", &[b"one", b"two", b"three"]),
        ("/echo.Echo/Each", &[b"one", b"two", b"three"]),
        ("/echo.Echo/Each", &[]),
    ] {
        let call = program.call(path, pieces).await;
        assert_eq!((call.status(), call.grpc_status()), (200, Some("0")), "{path} {pieces:?}: {call:?}");
        assert_eq!(call.body, pieces.concat(), "{path}");
        let trailers = call.trailers.expect("trailers");
        assert_eq!(trailers.get("grpc-message").expect("it came"), "as%20told");
        assert!(!trailers.contains_key("set-cookie"), "{trailers:?}");
        let seen = upstream.last();
        assert!(seen.method == "POST" && seen.complete && seen.body == pieces.concat());
        assert_eq!(seen.header("te"), Some("trailers"));
        assert_eq!(seen.header("grpc-timeout"), Some("5S"), "a deadline is between client and app");
        assert_eq!(seen.header("x-access-email"), Some("bob@example.com"));
        assert_eq!(seen.header("cookie"), None, "{seen:?}");
        assert_eq!(seen.uri.to_string(), format!("http://{}{path}", house.host("orders.test")));
    }
    let call = program.call("/echo.Echo/Denied", &[b"one"]).await;
    assert_eq!(call.status(), 200);
    assert_eq!(call.head.headers().get("grpc-status").expect("it came"), "7");
    assert!(call.is_whole && call.body.is_empty() && call.trailers.is_none());
}

#[tokio::test]
async fn both_sides_of_a_stream_talk_in_turns() {
    let (house, bob, _upstream) = open().await;
    let program = Program::of(&house, &bob).await;
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    let (response, mut up) = program.begin("POST", "/echo.Echo/Each", &fields, false).await;
    let mut down = in_time(response).await.expect("a head before any data").into_body();
    for word in ["one", "two", "three"] {
        up.send_data(Bytes::from(word), false).expect("there is room");
        assert_eq!(next(&mut down).await.expect("an echo").expect("no reset"), word);
    }
    up.send_data(Bytes::new(), true).expect("there is room");
    assert!(next(&mut down).await.is_none());
    let trailers = in_time(down.trailers()).await.expect("no reset").expect("trailers");
    assert_eq!(trailers.get("grpc-status").expect("it came"), "0");
}

#[tokio::test]
async fn a_client_that_gives_up_ends_the_apps_stream_too() {
    let (house, bob, upstream) = open().await;
    let program = Program::of(&house, &bob).await;
    let (response, mut up) = program.begin("POST", "/echo.Echo/Each", &[("te", "trailers")], false).await;
    in_time(response).await.expect("a head");
    up.send_reset(h2::Reason::CANCEL);
    // The connection to the app lives on for others.
    assert_eq!(program.get("/next").await.status(), 200);
    let seen = upstream.seen();
    assert!(!seen[0].complete);
    assert_eq!(seen[0].connection, seen[1].connection);
}

#[tokio::test]
async fn http1_in_front_and_http2_behind() {
    let (house, bob, upstream) = open().await;
    let mut wire = house.wire("orders.test").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
    for (path, body) in [("/json?n=3&end=data", ""), ("/json?n=3&end=trailers", ""), ("/json?n=3&end=empty", "")] {
        let answer = wire.ask(&[&format!("GET {path} HTTP/1.1"), &host, &cookie]).await.expect("an answer");
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.json().as_array().expect("rows").len(), 3, "{path} {body}");
    }
    let answer = wire.ask(&["GET /json?end=head HTTP/1.1", &host, &cookie]).await.expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let lines = [
        "POST /put HTTP/1.1",
        &host,
        &cookie,
        "transfer-encoding: chunked",
        "te: trailers",
        "connection: te, x-hop",
        "x-hop: 1",
        "trailer: x-access-email",
    ];
    wire.send_head(&lines).await;
    wire.send("3\r\nabc\r\n2\r\nde\r\n0\r\nX-Access-Email: forged@example.com\r\n\r\n").await;
    assert_eq!(wire.answer().await.expect("an answer").json()["body_length"], 5);
    let seen = upstream.last();
    assert_eq!(seen.body, b"abcde");
    assert!(seen.trailers.is_empty(), "{:?}", seen.trailers);
    for gone in ["transfer-encoding", "connection", "x-hop", "te", "trailer", "host"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    assert_eq!(seen.header("x-access-email"), Some("bob@example.com"));
    let head = wire.ask(&["HEAD /json?n=3&end=data HTTP/1.1", &host, &cookie]).await.expect("an answer");
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn attack_06_no_trailer_of_a_client_reaches_an_http2_app() {
    let (house, bob, upstream) = open().await;
    let program = Program::of(&house, &bob).await;
    let mut forged = HeaderMap::new();
    forged.insert("x-access-email", "forged@example.com".parse().expect("a value"));
    forged.insert("grpc-status", "0".parse().expect("a value"));
    for body in [&b"body"[..], b""] {
        let (response, mut up) =
            program.begin("POST", "/put", &[("te", "trailers"), ("trailer", "x-access-email")], false).await;
        if !body.is_empty() {
            up.send_data(Bytes::from_static(body), false).expect("there is room");
        }
        up.send_trailers(forged.clone()).expect("it may");
        let call = Call::read(response).await;
        assert_eq!(call.status(), 200, "{call:?}");
        let seen = upstream.last();
        assert!(seen.complete, "{seen:?}");
        assert_eq!(seen.body, body);
        assert!(seen.trailers.is_empty(), "{:?}", seen.trailers);
        assert_eq!(seen.headers.get_all("x-access-email").iter().count(), 1);
    }
    // The connections are well.
    for _ in 0..3 {
        assert_eq!(program.get("/next").await.status(), 200);
    }
}

#[tokio::test]
async fn attack_06_identity_is_set_and_never_taken_over_http2() {
    let (house, bob, upstream) = open().await;
    let program = Program::of(&house, &bob).await;
    let forged = [
        ("x-access-email", "forged@example.com"),
        ("x-access-email", "second@example.com"),
        ("x_access_email", "forged@example.com"),
        ("remote-user", "forged"),
        ("x-forwarded-for", "6.6.6.6"),
        ("proxy-authorization", "Basic Zm9yZ2Vk"),
        ("host", &house.host("orders.test")),
    ];
    let (response, _) = program.begin("GET", "/", &forged, true).await;
    assert_eq!(Call::read(response).await.status(), 200);
    let seen = upstream.last();
    let values: Vec<_> = seen.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    assert!(values.iter().all(|line| !line.contains("forged") && !line.contains("6.6.6.6")), "{values:?}");
    assert_eq!(seen.headers.get_all("x-access-email").iter().collect::<Vec<_>>(), ["bob@example.com"]);
    assert_eq!(seen.header("proxy-authorization"), None);
    assert_eq!(seen.header("host"), None);
}

#[tokio::test]
async fn rules_and_limits_hold_for_calls() {
    let upstream = UpstreamH2::start().await;
    let house =
        House::plan(&cleartext(LADDER, &upstream, "")).server("[server.limits]\nbody_bytes = \"1KiB\"\n").start().await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let program = Program::of(&house, &bob).await;
    let call = program.call("/echo.Echo/Each", &[b"one"]).await;
    assert_eq!(call.status(), 403, "a reader does not POST");
    assert_eq!(call.head.headers().get("grpc-status"), None);
    assert!(upstream.seen().is_empty());
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let program = Program::of(&house, &ann).await;
    let call = program.call("/api/put", &[&[b'x'; 600], &[b'x'; 600]]).await;
    assert_eq!(call.status(), 413);
    assert!(upstream.seen().iter().all(|seen| !seen.complete));
    assert_eq!(program.call("/api/put", &[&[b'x'; 600]]).await.status(), 200);
}

#[tokio::test]
async fn attack_26_filters_narrow_answers_of_http2_apps_however_they_end() {
    let upstream = UpstreamH2::start().await;
    let rule = r#"{ allow = "GET /**", hide = ["price"], rows = 'row.customer == customer.id' }"#;
    let ladder = LADDER.replace(r#"{ allow = "GET /**" }"#, rule);
    assert!(ladder.contains(rule));
    let house = House::start(&cleartext(&ladder, &upstream, "")).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let program = Program::of(&house, &bob).await;
    let mut wire = house.wire("orders.test").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
    for (n, rows) in [(3, 2), (400, 200)] {
        for end in ["data", "empty", "trailers"] {
            let path = format!("/json?n={n}&end={end}");
            let call = program.get(&path).await;
            assert_eq!((call.status(), call.is_whole), (200, true), "{path}: {call:?}");
            assert!(call.trailers.is_none_or(|trailers| trailers.is_empty()), "{path}");
            let over_http1 = wire.ask(&[&format!("GET {path} HTTP/1.1"), &host, &cookie]).await.expect("an answer");
            assert_eq!(over_http1.status, 200, "{path}");
            for body in [&call.body, &over_http1.body] {
                let json: Value = serde_json::from_slice(body).expect("JSON");
                let all = json.as_array().expect("rows");
                assert_eq!(all.len(), rows, "{path}");
                assert!(all.iter().all(|row| row["customer"] == "42" && row.get("price").is_none()), "{path}");
            }
        }
        // Trailers, and the document is not at its end.
        let path = format!("/json?n={n}&end=cut");
        let call = program.get(&path).await;
        assert!(call.status() == 403 || !call.is_whole, "{path}: {call:?}");
        assert!(!String::from_utf8_lossy(&call.body).contains("7.77"));
        let mut fresh = house.wire("orders.test").await;
        let got = fresh.ask_and_read_on(&[&format!("GET {path} HTTP/1.1"), &host, &cookie, "connection: close"]).await;
        assert!(got.answer.status == 403 || !got.is_whole, "{path}: {got:?}");
    }
    // An answer that is over with its head.
    for _ in 0..3 {
        let call = program.get("/json?end=head").await;
        assert_eq!((call.status(), call.is_whole, call.body.len()), (200, true, 0));
        let over_http1 = wire.ask(&["GET /json?end=head HTTP/1.1", &host, &cookie]).await.expect("an answer");
        assert_eq!((over_http1.status, over_http1.body.len()), (200, 0));
    }
    assert_eq!(program.get("/big?n=10").await.status(), 403, "what has no type cannot be filtered");
    assert_eq!(program.get("/json?n=3&end=data").await.status(), 200);
    assert!(!house.log.text().contains("over before its filter"), "no way but those that were thought of");
}

/// A big answer that its reader does not take must not fill the connection that it shares with others.
#[tokio::test]
async fn people_who_read_slowly_hold_up_nobody_on_the_same_connection() {
    let (house, bob, upstream) = open().await;
    let slow = Program::of(&house, &bob).await;
    let mut held = Vec::new();
    for _ in 0..40 {
        let (response, _) = slow.begin("GET", "/big?n=20000000", &[], true).await;
        held.push(in_time(response).await.expect("a head"));
    }
    // Nobody takes anything; another does.
    let quick = Program::of(&house, &bob).await;
    for _ in 0..10 {
        let call = quick.get("/big?n=2000000").await;
        assert_eq!((call.body.len(), call.is_whole), (2_000_000, true));
    }
    let seen = upstream.seen();
    assert!(seen.iter().all(|one| one.connection < 3), "they share connections");
    assert!(house.resident_kib() < 400 * 1024, "{} KiB", house.resident_kib());
}

#[tokio::test]
async fn over_tls_http2_is_agreed_on() {
    let authority = Authority::new("private");
    let upstream = UpstreamH2::start_tls(pki::server(&authority.leaf(&["127.0.0.1"]))).await;
    let table = format!("upstream = {{ servers = [\"{}\"], protocol = \"h2\", ca = \"app-ca.pem\" }}", upstream.url());
    let apps = OPEN.replace("upstream = \"{{upstream}}\"", &table);
    let house = House::plan(&apps).file("app-ca.pem", &authority.pem).start().await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let program = Program::of(&house, &bob).await;
    let call = program.call("/echo.Echo/Each", &[b"one", b"two"]).await;
    assert_eq!((call.status(), call.grpc_status()), (200, Some("0")));
    assert_eq!(upstream.last().uri.scheme_str(), Some("https"));
    assert_eq!(bob.fetch("/x").await.expect(200).json()["method"], "GET");
}

/// An upstream's HTTP/2 connection carries many people; what logs a connection in must find none of them on it.
#[tokio::test]
async fn attack_14_a_connection_that_is_logged_in_carries_one_person_over_http2_too() {
    let (house, bob, upstream) = open().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    for scheme in ["NTLM TlRMTVNTUAAB", "Negotiate YII=", "negotiate\tYII="] {
        let mut logged_in = Vec::new();
        for person in [&bob, &ann] {
            let program = Program::of(&house, person).await;
            for _ in 0..2 {
                let (response, _) = program.begin("GET", "/", &[("authorization", scheme)], true).await;
                assert_eq!(Call::read(response).await.status(), 200);
            }
            let seen = upstream.seen();
            let [.., first, second] = &seen[..] else { panic!("two requests") };
            assert_eq!(first.connection, second.connection);
            logged_in.push(first.connection);
            program.get("/plain").await;
            assert_ne!(upstream.last().connection, first.connection, "one that needs none uses none");
        }
        assert_ne!(logged_in[0], logged_in[1]);
    }
}
