//! Attacks on HTTP/2's own rules (case 11): frames that nobody may send end their stream or their connection, and nothing else
//! happens; fields that mean two things reach no app.

use crate::browser::Browser;
use crate::house::{House, OPEN};
use crate::wire_h2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, Outcome, PADDED, PING, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY, WireH2, block, frame,
};

/// What came of frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// Nothing: the connection goes on.
    GoesOn,
    /// A stream was reset; the connection goes on.
    Stream,
    /// The connection ended.
    Connection,
}

const MARK: &[u8; 8] = b"vestibul";

impl WireH2 {
    /// Asks for a sign of life, and says what came before it.
    async fn end(&mut self) -> (End, Vec<Frame>) {
        self.frame(PING, 0, 0, MARK).await;
        let (mut seen, mut end) = (Vec::new(), End::GoesOn);
        loop {
            let Some(frame) = self.next_frame().await else { return (End::Connection, seen) };
            match frame.kind {
                GOAWAY => {
                    seen.push(frame);
                    return (End::Connection, seen);
                }
                PING if frame.flags & ACK != 0 && frame.payload == MARK => return (end, seen),
                RST_STREAM if frame.number_at(0) != 0 => end = End::Stream,
                _ => {}
            }
            seen.push(frame);
        }
    }
}

async fn fresh(house: &House) -> WireH2 {
    house.wire_h2("orders.test").await
}

#[tokio::test]
async fn attack_11_frames_that_break_the_rules_end_what_they_stand_in() {
    let house = House::start(OPEN).await;
    let own = house.host("orders.test");
    let get = block(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", &own),
        ("accept", "application/json"),
    ]);
    let post = block(&[(":method", "POST"), (":scheme", "https"), (":path", "/x"), (":authority", &own)]);
    let whole = END_HEADERS | END_STREAM;
    let open = frame(HEADERS, END_HEADERS, 1, &post);
    let done = frame(HEADERS, whole, 1, &get);
    let setting = |id: u8, value: u32| [&[0, id][..], &value.to_be_bytes()].concat();
    let with = |head: &[u8], tail: Vec<u8>| [head, &tail].concat();
    let padded = |pad: u8, rest: &[u8]| [&[pad][..], rest].concat();
    let depends_on = |stream: u32, rest: &[u8]| [&stream.to_be_bytes()[..], &[16], rest].concat();
    let cases: Vec<(&str, Vec<u8>, &[End])> = vec![
        // Streams (RFC 9113, section 5.1).
        ("a request on stream 0", frame(HEADERS, whole, 0, &get), &[End::Connection]),
        ("a request on an even stream", frame(HEADERS, whole, 2, &get), &[End::Connection]),
        (
            "a stream number that falls",
            [frame(HEADERS, whole, 3, &get), done.clone()].concat(),
            &[End::Connection, End::Stream],
        ),
        ("data on stream 0", frame(DATA, 0, 0, b"x"), &[End::Connection]),
        ("data on an idle stream", frame(DATA, 0, 5, b"x"), &[End::Connection]),
        ("a reset of an idle stream", frame(RST_STREAM, 0, 5, &[0, 0, 0, 8]), &[End::Connection]),
        ("a reset of stream 0", frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]), &[End::Connection]),
        ("a window for an idle stream", frame(WINDOW_UPDATE, 0, 5, &[0, 0, 0, 8]), &[End::Connection]),
        ("data behind the end", with(&done, frame(DATA, 0, 1, b"x")), &[End::Connection, End::Stream]),
        ("a head behind the end", with(&done, frame(HEADERS, whole, 1, &get)), &[End::Connection, End::Stream]),
        (
            "a second head that ends nothing",
            with(&open, frame(HEADERS, END_HEADERS, 1, &block(&[("x", "y")]))),
            &[End::Connection, End::Stream],
        ),
        // Trailers go nowhere, whatever they hold.
        (
            "trailers with a pseudo-field",
            with(&open, frame(HEADERS, whole, 1, &block(&[(":path", "/y")]))),
            &[End::Connection, End::Stream, End::GoesOn],
        ),
        ("priority on stream 0", frame(PRIORITY, 0, 0, &[0, 0, 0, 3, 1]), &[End::Connection]),
        (
            "a stream that depends on itself",
            frame(HEADERS, whole | WITH_PRIORITY, 1, &depends_on(1, &get)),
            &[End::Connection, End::Stream],
        ),
        // Header blocks (section 6.10).
        ("more of a head that was not begun", frame(CONTINUATION, END_HEADERS, 1, &get), &[End::Connection]),
        ("more of a head that has ended", with(&open, frame(CONTINUATION, END_HEADERS, 1, &get)), &[End::Connection]),
        ("more of a head on stream 0", frame(CONTINUATION, END_HEADERS, 0, &get), &[End::Connection]),
        (
            "a ping within a head",
            [frame(HEADERS, END_STREAM, 1, &get), frame(PING, 0, 0, &[0; 8])].concat(),
            &[End::Connection],
        ),
        ("data within a head", [frame(HEADERS, 0, 1, &get), frame(DATA, 0, 1, b"x")].concat(), &[End::Connection]),
        (
            "another stream within a head",
            [frame(HEADERS, END_STREAM, 1, &get), frame(CONTINUATION, END_HEADERS, 3, &get)].concat(),
            &[End::Connection],
        ),
        (
            "an unknown frame within a head",
            [frame(HEADERS, END_STREAM, 1, &get), frame(0xfa, 0, 0, &[])].concat(),
            &[End::Connection],
        ),
        // Compression (RFC 7541).
        ("a field that no table has", frame(HEADERS, whole, 1, &[0xc6]), &[End::Connection]),
        ("field 0", frame(HEADERS, whole, 1, &[0x80]), &[End::Connection]),
        ("a table larger than was agreed", frame(HEADERS, whole, 1, &[0x3f, 0xe2, 0xff, 0x7f]), &[End::Connection]),
        ("half a field", frame(HEADERS, whole, 1, &[0x00, 0x05, b'a']), &[End::Connection]),
        ("a number without end", frame(HEADERS, whole, 1, &[0xff; 40]), &[End::Connection]),
        // Sizes (section 4.2).
        ("settings of five bytes", frame(SETTINGS, 0, 0, &[0; 5]), &[End::Connection]),
        ("acknowledged settings with some", frame(SETTINGS, ACK, 0, &setting(3, 1)), &[End::Connection]),
        ("a ping of seven bytes", frame(PING, 0, 0, &[0; 7]), &[End::Connection]),
        ("a ping on a stream", frame(PING, 0, 1, &[0; 8]), &[End::Connection]),
        ("a reset of three bytes", with(&open, frame(RST_STREAM, 0, 1, &[0; 3])), &[End::Connection]),
        ("a window of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), &[End::Connection]),
        ("a priority of four bytes", with(&open, frame(PRIORITY, 0, 1, &[0; 4])), &[End::Connection, End::Stream]),
        ("a frame larger than was agreed", with(&open, frame(DATA, 0, 1, &[0; 16_385])), &[End::Connection]),
        ("a head larger than was agreed", frame(HEADERS, whole, 1, &[0; 16_385]), &[End::Connection]),
        // Settings (section 6.5.2).
        ("settings on a stream", frame(SETTINGS, 0, 1, &[]), &[End::Connection]),
        ("push neither on nor off", frame(SETTINGS, 0, 0, &setting(2, 2)), &[End::Connection]),
        ("a window of 2 GiB", frame(SETTINGS, 0, 0, &setting(4, 1 << 31)), &[End::Connection]),
        ("frames of less than 16 KiB", frame(SETTINGS, 0, 0, &setting(5, 16_383)), &[End::Connection]),
        ("frames of more than 16 MiB", frame(SETTINGS, 0, 0, &setting(5, 1 << 24)), &[End::Connection]),
        ("a setting that nobody knows", frame(SETTINGS, 0, 0, &setting(99, 1)), &[End::GoesOn]),
        // Windows (section 6.9).
        ("a window that grows by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), &[End::Connection]),
        (
            "a stream's window that grows by nothing",
            with(&open, frame(WINDOW_UPDATE, 0, 1, &[0; 4])),
            &[End::Connection, End::Stream],
        ),
        ("a window past its most", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), &[End::Connection]),
        (
            "a stream's window past its most",
            with(&open, frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])),
            &[End::Connection, End::Stream],
        ),
        // What only servers send, what nobody knows, padding.
        (
            "a promise to push",
            with(&open, frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &get].concat())),
            &[End::Connection],
        ),
        ("a good-bye on a stream", frame(GOAWAY, 0, 1, &[0; 8]), &[End::Connection]),
        ("more padding than frame", with(&open, frame(DATA, PADDED, 1, &padded(9, b"x"))), &[End::Connection]),
        (
            "a head with more padding than frame",
            frame(HEADERS, whole | PADDED, 1, &padded(255, &get)),
            &[End::Connection],
        ),
        ("padding and nothing else", frame(DATA, PADDED, 1, &[]), &[End::Connection]),
        ("an unknown frame", frame(0xfa, 0xff, 7, b"whatever"), &[End::GoesOn]),
        (
            "a request with padding",
            frame(HEADERS, whole | PADDED, 1, &[&padded(3, &get)[..], &[0; 3]].concat()),
            &[End::GoesOn],
        ),
        ("a request", done.clone(), &[End::GoesOn]),
        (
            "a request in two frames",
            [frame(HEADERS, END_STREAM, 1, &get[..5]), frame(CONTINUATION, END_HEADERS, 1, &get[5..])].concat(),
            &[End::GoesOn],
        ),
    ];
    for (what, bytes, allowed) in &cases {
        let mut wire = fresh(&house).await;
        wire.send(bytes).await;
        let (mut end, mut seen) = wire.end().await;
        // A reset may come a little later than the sign of life.
        for _ in 0..100 {
            if end == End::GoesOn && !allowed.contains(&end) {
                let (later, more) = wire.end().await;
                seen.extend(more);
                end = later;
            }
        }
        assert!(allowed.contains(&end), "{what}: {end:?}, {seen:?}");
        let said = seen.iter().filter(|frame| frame.kind == GOAWAY).all(|frame| frame.number_at(4) != 0);
        assert!(said, "{what}: a good-bye without a reason");
    }
    house.upstream.saw_nothing();
    assert_eq!(house.browser("orders.test").fetch("/").await.status, 401, "others are served");
}

#[tokio::test]
async fn attack_11_what_does_not_begin_as_http2_is_not_http2() {
    let house = House::start(OPEN).await;
    for start in [
        &b"GET / HTTP/1.1\r\nhost: orders.test\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\r\n",
        b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\0\0\0\x04\0\0\0\0\0",
        &[0xff; 24],
    ] {
        let mut wire = WireH2::silent(house.door.https(), "orders.test", house.door.ca()).await;
        wire.send(start).await;
        let (end, _) = wire.end().await;
        assert_eq!(end, End::Connection, "{start:?}");
    }
    // Something else than settings first.
    let mut wire = WireH2::silent(house.door.https(), "orders.test", house.door.ca()).await;
    wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    wire.frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 0]).await;
    assert_eq!(wire.end().await.0, End::Connection);
}

async fn person() -> (House, Browser) {
    let house = House::start(OPEN).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    (house, bob)
}

#[tokio::test]
async fn attack_11_pseudo_fields_stand_first_and_once_and_are_all_there() {
    let (house, bob) = person().await;
    let (own, cookie) = (house.host("orders.test"), bob.cookie_header());
    let [method, scheme, path, authority] =
        [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", own.as_str())];
    let cookie = ("cookie", cookie.as_str());
    let userinfo = format!("user@{own}");
    for fields in [
        &[scheme, path, authority, cookie][..],
        &[method, path, authority, cookie],
        &[method, scheme, authority, cookie],
        &[method, scheme, path, cookie],
        &[method, scheme, path, cookie, authority],
        &[cookie, method, scheme, path, authority],
        &[method, method, scheme, path, authority, cookie],
        &[method, scheme, scheme, path, authority, cookie],
        &[method, scheme, path, authority, authority, cookie],
        &[method, scheme, path, authority, (":status", "200"), cookie],
        &[method, scheme, path, authority, ("host", "evil.test"), cookie],
        &[method, scheme, path, ("host", "evil.test"), cookie],
        &[method, scheme, path, authority, ("host", &own), ("host", &own), cookie],
        &[method, scheme, path, (":authority", &userinfo), cookie],
        &[method, scheme, path, (":authority", "evil.test"), ("host", &own), cookie],
        &[method, scheme, path, (":authority", ""), cookie],
        &[method, scheme, (":path", "http://evil.test/"), authority, cookie],
        &[method, scheme, (":path", "//evil.test/\\@"), authority, cookie],
        // A tunnel, and one for WebSocket, which was not agreed on (RFC 8441).
        &[(":method", "CONNECT"), authority, cookie],
        &[(":method", "CONNECT"), scheme, path, authority, cookie],
        &[(":method", "CONNECT"), (":protocol", "websocket"), scheme, path, authority, cookie],
        &[method, (":protocol", "websocket"), scheme, path, authority, cookie],
    ] {
        let outcome = fresh(&house).await.ask(fields, None).await;
        assert!(
            matches!(outcome, Outcome::Refused | Outcome::Status(400 | 405 | 421)),
            "{fields:?}: {outcome:?}, {:?}",
            house.upstream.seen().last()
        );
    }
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn attack_11_a_length_is_one_and_true_when_http2_becomes_http1() {
    let (house, bob) = person().await;
    let (own, cookie) = (house.host("orders.test"), bob.cookie_header());
    let fields: Vec<(&str, &str)> =
        vec![(":method", "POST"), (":scheme", "https"), (":path", "/up"), (":authority", &own), ("cookie", &cookie)];
    let smuggled = &b"GET /smuggled HTTP/1.1\r\nhost: orders.test\r\n\r\n"[..];
    for (lengths, body) in [
        (&["0"][..], smuggled),
        (&["5"], smuggled),
        (&["1000"], smuggled),
        (&["5", "6"], b"hello"),
        (&["5, 6"], b"hello"),
        (&["+5"], b"hello"),
        (&["0x5"], b"hello"),
        (&["-5"], b"hello"),
        (&["5 5"], b"hello"),
        (&["99999999999999999999"], b"hello"),
    ] {
        let mut all = fields.clone();
        all.extend(lengths.iter().map(|length| ("content-length", *length)));
        let outcome = fresh(&house).await.ask(&all, Some(body)).await;
        // An answer may come before the lie shows, but not to a request that is whole.
        assert!(
            matches!(outcome, Outcome::Refused | Outcome::Status(400 | 413 | 502)) || lengths == ["0"],
            "{lengths:?}: {outcome:?}"
        );
        bob.fetch("/next").await.expect(200);
    }
    for seen in house.upstream.seen() {
        assert!(
            seen.target == "/next" || (seen.target == "/up" && (!seen.complete || seen.body.is_empty())),
            "{seen:?}"
        );
    }
    let mut all = fields.clone();
    all.extend([("content-length", "5"), ("te", "trailers")]);
    assert_eq!(fresh(&house).await.ask(&all, Some(b"hello")).await, Outcome::Status(200));
    assert_eq!(house.upstream.last().body, b"hello");
}

/// Trailers of HTTP/2 are read by nobody behind us, and end a body as its last frame does.
#[tokio::test]
async fn attack_06_trailers_of_http2_reach_no_http1_app() {
    let (house, bob) = person().await;
    let (own, cookie) = (house.host("orders.test"), bob.cookie_header());
    let head = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/up"),
        (":authority", own.as_str()),
        ("cookie", &cookie),
    ];
    let mut wire = fresh(&house).await;
    for body in [&b"hello"[..], b""] {
        let stream = wire.begin(&head, false).await;
        if !body.is_empty() {
            wire.frame(DATA, 0, stream, body).await;
        }
        let trailers = block(&[("x-access-email", "forged@example.com"), ("x_access_email", "forged@example.com")]);
        wire.frame(HEADERS, END_HEADERS | END_STREAM, stream, &trailers).await;
        assert_eq!(wire.outcome(stream).await, Outcome::Status(200));
        let seen = house.upstream.last();
        assert!(seen.complete && seen.body == body, "{seen:?}");
        assert!(!seen.text().contains("forged"), "{seen:?}");
        bob.fetch("/next").await.expect(200);
    }
    assert!(house.upstream.seen().iter().all(|seen| matches!(seen.target.as_str(), "/up" | "/next")));
}
