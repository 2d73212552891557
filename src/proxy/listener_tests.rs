//! Listeners on real sockets, with Pingora behind them and real clients before them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::house::*;
use super::*;

#[tokio::test]
async fn both_versions_of_tls_work_with_a_post_quantum_exchange_where_the_client_can() {
    let house = house(Scheme::Https, WIDE).await;
    for (version, expected) in
        [(&rustls::version::TLS13, "TLSv1.3 X25519MLKEM768 full"), (&rustls::version::TLS12, "TLSv1.2 X25519 full")]
    {
        let mut stream = house.tls(&house.client(&[version], &[]), "b.localhost").await.expect("a handshake");
        let answer = ask(&mut stream, "/").await;
        assert!(answer.ends_with(&format!("https Http1 b.localhost local CA {expected}")), "{answer}");
    }
    let answer = house.h2().get(house.url("/")).send().await.expect("an answer");
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let answer = answer.text().await.expect("text");
    assert_eq!(answer, "https Http2 a.localhost local CA TLSv1.3 X25519MLKEM768 full");
}

#[tokio::test]
async fn a_ticket_shortens_the_next_handshake_for_the_same_name_only() {
    let house = house(Scheme::Https, WIDE).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = house.client(&[version], &[]);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut stream = house.tls(&config, "a.localhost").await.expect("a handshake");
            // With TLS 1.3 the tickets come behind the handshake.
            ask(&mut stream, "/").await;
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected), "{version:?}");
        }
        let stream = house.tls(&config, "b.localhost").await.expect("a handshake");
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_ours_or_none_at_all_gets_no_handshake() {
    let house = house(Scheme::Https, WIDE).await;
    let config = house.client(&[&rustls::version::TLS13], &[]);
    for name in ["c.localhost", "deep.a.localhost", "localhost", "127.0.0.1"] {
        let error = house.tls(&config, name).await.expect_err("no certificate").to_string();
        assert!(error.contains("UnrecognisedName"), "{error}");
    }
    house.until("four refusals", |counters| counters.handshake_failed.load(Ordering::Relaxed) == 4).await;
    house.until("all closed", |counters| counters.open.load(Ordering::Relaxed) == 0).await;
}

#[tokio::test]
async fn a_handshake_has_its_deadline() {
    let house = house(Scheme::Https, Limits { header_read: Duration::from_millis(100), ..WIDE }).await;
    let mut stream = house.plain().await;
    stream.write_all(b"\x16\x03\x01").await.expect("sent");
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(house.count(|counters| &counters.handshake_failed), 1);
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once_and_a_closed_one_makes_room() {
    for scheme in [Scheme::Http, Scheme::Https] {
        let house = house(scheme, Limits { connections: 1, ..WIDE }).await;
        let first = house.plain().await;
        house.until("the first", |counters| counters.open.load(Ordering::Relaxed) == 1).await;
        assert_eq!(rest(&mut house.plain().await).await, "");
        assert_eq!(house.count(|counters| &counters.refused_over_limit), 1);
        drop(first);
        house.until("room", |counters| counters.open.load(Ordering::Relaxed) == 0).await;
        match scheme {
            Scheme::Http => assert!(ask(&mut house.plain().await, "/").await.ends_with("http Http1 - - -")),
            Scheme::Https => assert!(ask(&mut house.h1().await, "/").await.contains("200 OK")),
        }
        assert_eq!(house.count(|counters| &counters.accepted), 3);
    }
}

#[tokio::test]
async fn a_panic_costs_its_connection_only_and_gives_its_place_back() {
    let house = house(Scheme::Http, Limits { connections: 1, ..WIDE }).await;
    let mut stream = house.plain().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await.expect("sent");
    assert_eq!(rest(&mut stream).await, "");
    house.until("room", |counters| counters.open.load(Ordering::Relaxed) == 0).await;
    assert!(ask(&mut house.plain().await, "/").await.contains("200 OK"));
}

/// Sends a head byte by byte, faster than any idle limit, until the other end closes; gives what it said.
async fn drip<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> String {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let dripping = async {
        let head = b"GET / HTTP/1.1\r\nHost: a.localhost\r\nX-Filler: ".iter().chain(std::iter::repeat(&b'x'));
        for byte in head {
            if writing.write_all(&[*byte]).await.is_err() || writing.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        said = rest(&mut reading) => said,
        () = dripping => unreachable!("it waits for the end"),
    }
}

#[tokio::test]
async fn attack_13_a_dripping_head_gets_408_at_its_deadline() {
    let limits = Limits { header_read: Duration::from_millis(250), ..WIDE };
    for scheme in [Scheme::Http, Scheme::Https] {
        let house = house(scheme, limits).await;
        let began = Instant::now();
        let said = match scheme {
            Scheme::Http => drip(house.plain().await).await,
            Scheme::Https => drip(house.h1().await).await,
        };
        assert_eq!(said, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert!(began.elapsed() >= limits.header_read && began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
        assert_eq!(house.count(|counters| &counters.header_timeouts), 1);
        house.until("closed", |counters| counters.open.load(Ordering::Relaxed) == 0).await;
    }
}

#[tokio::test]
async fn the_second_head_on_a_connection_has_its_deadline_too() {
    let house = house(Scheme::Http, Limits { header_read: Duration::from_millis(100), ..WIDE }).await;
    let mut stream = house.plain().await;
    for _ in 0..3 {
        assert!(ask(&mut stream, "/").await.contains("200 OK"));
    }
    stream.write_all(b"GET / HT").await.expect("sent");
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 408 "));
    assert_eq!(house.count(|counters| &counters.header_timeouts), 1);
}

/// What an HTTP/2 client says first, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn attack_13_an_http2_connection_that_asks_nothing_is_closed() {
    let house = house(Scheme::Https, Limits { header_read: Duration::from_millis(100), ..WIDE }).await;
    let config = house.client(&[&rustls::version::TLS13], &["h2"]);
    for preface in [&b""[..], b"PRI * HT", PREFACE] {
        let mut stream = house.tls(&config, "a.localhost").await.expect("a handshake");
        stream.write_all(preface).await.expect("sent");
        rest(&mut stream).await;
    }
    assert_eq!(house.count(|counters| &counters.header_timeouts), 3);
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_closed() {
    let house = house(Scheme::Https, Limits { idle: Duration::from_millis(100), ..WIDE }).await;
    let mut fresh = house.h1().await;
    assert_eq!(rest(&mut fresh).await, "");
    let mut used = house.h1().await;
    assert!(ask(&mut used, "/").await.contains("200 OK"));
    // An end that TLS tells of; a cut would be an error here.
    let mut nothing = Vec::new();
    timeout(PATIENCE, used.read_to_end(&mut nothing)).await.expect("in time").expect("a clean end");
    assert_eq!(house.count(|counters| &counters.idle_closed), 2);
    assert_eq!(house.count(|counters| &counters.header_timeouts), 0);
    let config = house.client(&[&rustls::version::TLS13], &["h2"]);
    let mut stream = house.tls(&config, "a.localhost").await.expect("a handshake");
    stream.write_all(PREFACE).await.expect("sent");
    rest(&mut stream).await;
}

#[tokio::test]
async fn a_slow_answer_is_under_no_deadline_of_a_head() {
    let short = Duration::from_millis(50);
    let mut house = house(Scheme::Https, Limits { header_read: short, idle: short, ..WIDE }).await;
    let mut stream = house.h1().await;
    let client = house.h2();
    let asking = tokio::spawn(client.get(house.url("/release")).send());
    assert_eq!(house.next().await, "/release");
    stream.write_all(b"GET /release HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await.expect("sent");
    assert_eq!(house.next().await, "/release");
    // Time passes that would end either of them.
    tokio::time::sleep(short * 4).await;
    assert_eq!(house.count(|counters| &counters.open), 2);
    house.release.notify_waiters();
    assert!(answer(&mut stream).await.contains("200 OK"));
    assert_eq!(asking.await.expect("a task").expect("an answer").status(), 200);
}

#[tokio::test]
async fn attack_21_the_end_of_a_session_ends_a_read_that_waits() {
    let mut house = house(Scheme::Https, WIDE).await;
    let mut one = house.h1().await;
    one.write_all(b"GET /hold HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await.expect("sent");
    assert_eq!(house.next().await, "/hold");
    let two = tokio::spawn(house.h2().get(house.url("/hold")).send());
    assert_eq!(house.next().await, "/hold");
    let mut other = house.h1().await;
    assert!(ask(&mut other, "/").await.contains("200 OK"));
    assert_eq!(house.next().await, "/");
    house.session_ended.cancel();
    assert_eq!(rest(&mut one).await, "");
    two.await.expect("a task").expect_err("its connection ended");
    assert_eq!(house.next().await, "ended: true");
    assert_eq!(house.count(|counters| &counters.cut_sessions), 2);
    // Nobody else notices.
    assert!(ask(&mut other, "/").await.contains("200 OK"));
}

#[tokio::test]
async fn attack_21_the_end_of_a_session_ends_its_event_stream_and_its_websocket() {
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\n\n",
    ];
    for (upgrade, answer) in ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n"].into_iter().zip(answers) {
        let upstream = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let house = house_before(Scheme::Https, WIDE, upstream.local_addr().expect("an address")).await;
        let mut stream = house.h1().await;
        let request = format!("GET /tied HTTP/1.1\r\nHost: a.localhost\r\n{upgrade}\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let (mut origin, _) = upstream.accept().await.expect("Pingora");
        let mut request = vec![0; 1024];
        assert!(origin.read(&mut request).await.expect("a request") > 0);
        origin.write_all(answer.as_bytes()).await.expect("sent");
        let mut text = Vec::new();
        while !text.ends_with(b"\n\n") || text.ends_with(b"\r\n\r\n") {
            text.push(timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("a byte"));
        }
        let began = Instant::now();
        house.session_ended.cancel();
        // Of the event stream, the end of a chunk; but no last chunk, which would call it complete.
        assert_eq!(rest(&mut stream).await.trim(), "");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(rest(&mut origin).await, "", "the upstream is let go too");
        assert_eq!(house.count(|counters| &counters.cut_sessions), 1);
    }
}

#[tokio::test]
async fn over_http2_a_panic_costs_its_request_only() {
    let mut house = house(Scheme::Https, WIDE).await;
    let client = house.h2();
    let held = tokio::spawn(client.get(house.url("/release")).send());
    assert_eq!(house.next().await, "/release");
    for _ in 0..3 {
        client.get(house.url("/panic")).send().await.expect_err("it ends without an answer");
    }
    house.release.notify_one();
    assert_eq!(held.await.expect("no panic").expect("an answer").status(), 200);
    assert_eq!(house.count(|counters| &counters.accepted), 1, "on one connection, all of it");
}

#[tokio::test]
async fn the_answer_of_a_log_out_leaves_and_its_connection_serves_on() {
    let house = house(Scheme::Https, WIDE).await;
    let client = house.h2();
    assert_eq!(client.get(house.url("/logout")).send().await.expect("an answer").status(), 200);
    tokio::time::sleep(super::super::deadlines::LAST_WORDS * 2).await;
    assert_eq!(client.get(house.url("/")).send().await.expect("an answer").status(), 200);
    assert_eq!(house.count(|counters| &counters.accepted), 1);
    assert_eq!(house.count(|counters| &counters.cut_sessions), 0);
}

#[tokio::test]
async fn large_answers_arrive_whole() {
    let house = house(Scheme::Https, WIDE).await;
    let expected = "0123456789".repeat(100_000);
    let mut stream = house.h1().await;
    let answer = ask(&mut stream, "/big").await;
    assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{}", answer.len());
    let client = house.h2();
    for query in ["", "?chunked"] {
        let answer = client.get(house.url(&format!("/big{query}"))).send().await.expect("an answer");
        assert!(answer.text().await.expect("text") == expected);
    }
    let request = b"GET /big?chunked HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let said = rest(&mut stream).await;
    let body = said.split_once("\r\n\r\n").expect("a head").1;
    let digits = body.split("\r\n").skip(1).step_by(2).map(str::len).sum::<usize>();
    assert_eq!(digits, expected.len());
}

#[tokio::test]
async fn what_an_upstream_sends_early_is_seen_early() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let house = house_before(Scheme::Https, WIDE, upstream.local_addr().expect("an address")).await;
    let mut stream = house.h1().await;
    stream.write_all(b"GET /up HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await.expect("sent");
    let (mut origin, _) = upstream.accept().await.expect("Pingora");
    let mut request = vec![0; 1024];
    assert!(origin.read(&mut request).await.expect("a request") > 0);
    // Of known length, so that Pingora flushes only at the end of it.
    for (sent, received) in
        [("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "\r\n\r\n"), ("abc", "abc"), ("def", "def")]
    {
        origin.write_all(sent.as_bytes()).await.expect("sent");
        let mut text = Vec::new();
        while !text.ends_with(received.as_bytes()) {
            text.push(timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("a byte"));
        }
    }
}

/// A client that reads no more than asked.
struct Stalled<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Stalled<S> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn attack_13_a_client_that_reads_nothing_is_let_go() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let limits = Limits { idle: Duration::from_millis(100), ..WIDE };
    let house = house_before(Scheme::Http, limits, upstream.local_addr().expect("an address")).await;
    let mut stream = Stalled(house.plain().await);
    stream.0.write_all(b"GET /up HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await.expect("sent");
    let (mut origin, _) = upstream.accept().await.expect("Pingora");
    let flood = async {
        let _ = origin.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while origin.write_all(&[b'x'; 65536]).await.is_ok() {}
    };
    timeout(PATIENCE, flood).await.expect("the upstream is let go too");
    assert_eq!(house.count(|counters| &counters.idle_closed), 1);
}

#[tokio::test]
async fn a_stop_ends_what_is_idle_and_lets_the_rest_finish() {
    let mut house = house(Scheme::Https, WIDE).await;
    let mut idle = house.h1().await;
    assert!(ask(&mut idle, "/").await.contains("200 OK"));
    assert_eq!(house.next().await, "/");
    let mut busy = house.h1().await;
    busy.write_all(b"GET /release HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await.expect("sent");
    assert_eq!(house.next().await, "/release");
    let mut fresh = house.h1().await;
    house.until("three", |counters| counters.open.load(Ordering::Relaxed) == 3).await;
    // Its first byte is under way when we stop.
    fresh.write_all(b"GET ").await.expect("sent");
    house.shutdown.send(true).expect("a listener");
    assert_eq!(rest(&mut idle).await, "");
    fresh.write_all(b"/ HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await.expect("sent");
    let said = answer(&mut fresh).await.to_ascii_lowercase();
    assert!(said.contains("200 ok") && said.contains("connection: close"), "{said}");
    drop(fresh);
    TcpStream::connect(house.address).await.expect_err("nobody listens");
    assert!(!house.running.is_finished());
    house.release.notify_waiters();
    assert!(answer(&mut busy).await.contains("200 OK"));
    timeout(PATIENCE, house.running).await.expect("an end in time").expect("no panic");
}

#[tokio::test]
async fn a_fresh_http2_connection_may_send_what_it_was_made_for_when_we_stop() {
    let mut house = house(Scheme::Https, WIDE).await;
    let config = house.client(&[&rustls::version::TLS13], &["h2"]);
    let stream = house.tls(&config, "a.localhost").await.expect("a handshake");
    let (mut sender, mut connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let mut pings = connection.ping_pong().expect("nobody has them yet");
    let connection = tokio::spawn(connection);
    pings.ping(h2::Ping::opaque()).await.expect("it is served");
    house.shutdown.send(true).expect("a listener");
    // What was said before the answer to this is here with it.
    pings.ping(h2::Ping::opaque()).await.expect("it is served still");
    sender = timeout(PATIENCE, sender.ready()).await.expect("in time").expect("it may ask");
    let request = http::Request::get("https://a.localhost/").body(()).expect("a request");
    let (answer, _) = sender.send_request(request, true).expect("it may ask");
    assert_eq!(timeout(PATIENCE, answer).await.expect("in time").expect("an answer").status(), 200);
    assert_eq!(house.next().await, "/");
    // And no more than that.
    timeout(PATIENCE, connection).await.expect("an end in time").expect("no panic").expect("a clean end");
    timeout(PATIENCE, house.running).await.expect("an end in time").expect("no panic");
}

#[tokio::test]
async fn a_fresh_http2_connection_that_asks_nothing_is_told_to_go_when_we_stop() {
    let house = house(Scheme::Https, WIDE).await;
    let config = house.client(&[&rustls::version::TLS13], &["h2"]);
    let stream = house.tls(&config, "a.localhost").await.expect("a handshake");
    let (_sender, mut connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let mut pings = connection.ping_pong().expect("nobody has them yet");
    let connection = tokio::spawn(connection);
    pings.ping(h2::Ping::opaque()).await.expect("it is served");
    house.shutdown.send(true).expect("a listener");
    timeout(PATIENCE, connection).await.expect("an end in time").expect("no panic").expect("a clean end");
    timeout(PATIENCE, house.running).await.expect("an end in time").expect("no panic");
}
