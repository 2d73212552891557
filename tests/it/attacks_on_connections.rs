//! Attacks on connections (case 13): floods that keep to the letter of HTTP/2. Each ends with the flooder's own connection, or costs
//! no more than its bytes; everybody else is served all the while.

use std::time::Instant;

use crate::browser::Browser;
use crate::house::{House, OPEN, eventually};
use crate::wire_h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Outcome, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, WireH2, block, frame,
};

/// GOAWAY's reason for a client that asks for too much.
const ENHANCE_YOUR_CALM: u32 = 11;

async fn person() -> (House, Browser) {
    let house = House::start(OPEN).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    (house, bob)
}

impl WireH2 {
    /// Sends the same again and again, until the connection is over or so many rounds are done; says how many it took.
    async fn flood(&mut self, rounds: usize, mut round: impl FnMut(usize) -> Vec<u8>) -> usize {
        // Many frames a write, as an attacker would.
        for n in (0..rounds).step_by(50) {
            let bytes: Vec<u8> = (n..n + 50).flat_map(&mut round).collect();
            if !self.send(&bytes).await {
                return n;
            }
        }
        rounds
    }

    /// The reason of the good-bye, if one came before the end.
    async fn reason(&mut self) -> Option<u32> {
        while let Some(frame) = self.next_frame().await {
            if frame.kind == GOAWAY {
                return Some(frame.number_at(4));
            }
        }
        None
    }
}

/// The processor time that the gateway has used.
fn cpu_seconds(house: &House) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", house.pid())).expect("Linux tells");
    let after = stat.rsplit(')').next().expect("a name stands in parentheses");
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: f64 = [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum();
    ticks / 100.0
}

#[tokio::test]
async fn attack_13_floods_of_frames_end_with_their_own_connection() {
    let (house, bob) = person().await;
    let (own, cookie) = (house.host("orders.test"), bob.cookie_header());
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/slow?ms=50"),
        (":authority", own.as_str()),
        ("cookie", &cookie),
    ];
    let get = block(&fields);
    let open = block(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/up"),
        (":authority", own.as_str()),
        ("cookie", &cookie),
    ]);
    let stream = |n: usize| u32::try_from(2 * n + 1).expect("few");
    type Round<'a> = Box<dyn FnMut(usize) -> Vec<u8> + 'a>;
    let whole = END_HEADERS | END_STREAM;
    let floods: Vec<(&str, Round<'_>)> = vec![
        (
            "rapid reset",
            Box::new(|n| {
                [frame(HEADERS, whole, stream(n), &get), frame(RST_STREAM, 0, stream(n), &[0, 0, 0, 8])].concat()
            }),
        ),
        // The server is made to reset: a window that grows by nothing, one past its most, data behind the end.
        (
            "made you reset by a window of nothing",
            Box::new(|n| {
                [frame(HEADERS, whole, stream(n), &get), frame(WINDOW_UPDATE, 0, stream(n), &[0; 4])].concat()
            }),
        ),
        (
            "made you reset by a window past its most",
            Box::new(|n| {
                [frame(HEADERS, whole, stream(n), &get), frame(WINDOW_UPDATE, 0, stream(n), &[0x7f, 0xff, 0xff, 0xff])]
                    .concat()
            }),
        ),
        (
            "made you reset by data behind the end",
            Box::new(|n| [frame(HEADERS, whole, stream(n), &get), frame(DATA, 0, stream(n), b"x")].concat()),
        ),
        ("settings", Box::new(|_| frame(SETTINGS, 0, 0, &[]))),
        ("pings", Box::new(|_| frame(PING, 0, 0, &[7; 8]))),
        ("priorities", Box::new(|n| frame(PRIORITY, 0, stream(n % 100), &[0, 0, 0, 0, 1]))),
        ("windows", Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
        (
            "empty data",
            Box::new(|n| if n == 0 { frame(HEADERS, END_HEADERS, 1, &open) } else { frame(DATA, 0, 1, &[]) }),
        ),
        ("unknown frames", Box::new(|_| frame(0xfa, 0, 0, &[]))),
        (
            "a head without end",
            Box::new(|n| {
                if n == 0 {
                    frame(HEADERS, 0, 1, &get)
                } else {
                    frame(CONTINUATION, 0, 1, &block(&[("x-more", "of it")]))
                }
            }),
        ),
        (
            "a head of nothing without end",
            Box::new(|n| if n == 0 { frame(HEADERS, 0, 1, &get) } else { frame(CONTINUATION, 0, 1, &[]) }),
        ),
        (
            "bad fields",
            Box::new(|n| {
                frame(
                    HEADERS,
                    whole,
                    stream(n),
                    &block(&[(":method", "GET"), (":scheme", "https"), (":path", "/"), ("connection", "close")]),
                )
            }),
        ),
    ];
    let before = house.resident_kib();
    for (what, mut round) in floods {
        let (cpu, started) = (cpu_seconds(&house), Instant::now());
        let mut wire = house.wire_h2("orders.test").await;
        let took = wire.flood(20_000, &mut round).await;
        let reason = wire.reason().await;
        assert!(reason.is_none_or(|reason| reason != 0), "{what}: {reason:?}");
        let used = cpu_seconds(&house) - cpu;
        println!(
            "{what}: {took} rounds, {used:.2} s of processor in {:.2} s, good-bye {reason:?}",
            started.elapsed().as_secs_f64()
        );
        assert!(used < 5.0, "{what}: {used} s of processor");
        assert_eq!(bob.fetch("/next").await.expect(200).json()["path"], "/next", "{what}");
    }
    let grown = house.resident_kib().saturating_sub(before);
    assert!(grown < 100 * 1024, "{grown} KiB more");
    assert!(house.metric(&["limits_reached_total", "http2_frames"]).await >= 3.0);
    let started = house.upstream.seen().iter().filter(|seen| seen.target.starts_with("/slow")).count();
    assert!(started < 10_000, "{started} requests of floods reached the app");
}

#[tokio::test]
async fn attack_13_who_floods_is_told_to_calm_down() {
    let (house, _bob) = person().await;
    let mut wire = house.wire_h2("orders.test").await;
    wire.flood(3_000, |_| frame(SETTINGS, 0, 0, &[])).await;
    // The good-bye is lost where the flood was still coming in when the connection closed.
    let reason = wire.reason().await;
    assert!(matches!(reason, None | Some(ENHANCE_YOUR_CALM)), "{reason:?}");
    eventually("it is counted", async || {
        (house.metric(&["limits_reached_total", "http2_frames"]).await >= 1.0).then_some(())
    })
    .await;
}

/// What a browser does is no flood: pages with many requests that are left at once, and a download with all its windows.
#[tokio::test]
async fn a_person_in_a_hurry_is_no_flood() {
    let (house, bob) = person().await;
    let (own, cookie) = (house.host("orders.test"), bob.cookie_header());
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/slow?ms=1000"),
        (":authority", own.as_str()),
        ("cookie", &cookie),
    ];
    let mut wire = house.wire_h2("orders.test").await;
    for _ in 0..5 {
        let mut streams = Vec::new();
        for _ in 0..60 {
            streams.push(wire.begin(&fields, true).await);
        }
        for stream in streams {
            wire.frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]).await;
        }
    }
    let mut big = fields;
    big[2].1 = "/big?n=30000000";
    let stream = wire.begin(&big, true).await;
    let mut got = 0;
    while got < 30_000_000 {
        let frame = wire.next_frame().await.expect("the download goes on");
        assert_ne!(frame.kind, GOAWAY, "{frame:?}");
        if frame.kind == DATA && frame.stream == stream && !frame.payload.is_empty() {
            got += frame.payload.len();
            let more = u32::try_from(frame.payload.len()).expect("small").to_be_bytes();
            wire.frame(WINDOW_UPDATE, 0, stream, &more).await;
            wire.frame(WINDOW_UPDATE, 0, 0, &more).await;
        }
    }
}

#[tokio::test]
async fn attack_13_bombs_in_heads_are_refused_before_they_grow() {
    let (house, bob) = person().await;
    let (own, cookie) = (house.host("orders.test"), bob.cookie_header());
    let get: Vec<(&str, &str)> =
        vec![(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", &own), ("cookie", &cookie)];
    let before = house.resident_kib();
    // One long field in the table, and then thousands of one-byte references to it.
    let mut bomb = block(&get);
    bomb.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    bomb.extend([b'y'; 4000]);
    bomb.extend([0xbe; 12_000]);
    for _ in 0..20 {
        let mut wire = house.wire_h2("orders.test").await;
        wire.frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb).await;
        let outcome = wire.outcome(1).await;
        assert!(matches!(outcome, Outcome::Refused | Outcome::Status(431)), "{outcome:?}");
    }
    // Cookies in crumbs, each a field of its own.
    let mut crumbs = get.clone();
    crumbs.extend(std::iter::repeat_n(("cookie", "a=b"), 5_000));
    for stuffing in [500, 5_000] {
        let crumbs = &crumbs[..get.len() + stuffing.min(crumbs.len() - get.len())];
        let head = block(crumbs);
        let mut wire = house.wire_h2("orders.test").await;
        let mut parts = head.chunks(16_000).peekable();
        let mut kind = HEADERS;
        while let Some(part) = parts.next() {
            let last = if parts.peek().is_none() { END_HEADERS } else { 0 };
            wire.frame(kind, if kind == HEADERS { last | END_STREAM } else { last }, 1, part).await;
            kind = CONTINUATION;
        }
        let outcome = wire.outcome(1).await;
        assert!(matches!(outcome, Outcome::Refused | Outcome::Status(431)), "{stuffing}: {outcome:?}");
    }
    let grown = house.resident_kib().saturating_sub(before);
    assert!(grown < 60 * 1024, "{grown} KiB more");
    house.upstream.saw_nothing();
    bob.fetch("/").await.expect(200);
}

/// Answers that nobody takes: windows of nothing, and a socket that is not read.
#[tokio::test]
async fn attack_13_answers_that_nobody_takes_cost_little_and_end() {
    let house = House::plan(OPEN).server("[server.limits]\nidle = \"2s\"\n").start().await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let (own, cookie) = (house.host("orders.test"), bob.cookie_header());
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/drip"),
        (":authority", own.as_str()),
        ("cookie", &cookie),
    ];
    let before = house.resident_kib();
    let mut stalled = Vec::new();
    for _ in 0..5 {
        let mut wire =
            WireH2::connect_with(house.door.https(), "orders.test", house.door.ca(), &[0, 4, 0, 0, 0, 0]).await;
        for _ in 0..50 {
            wire.begin(&fields, true).await;
        }
        stalled.push(wire);
    }
    eventually("they are under way", async || (house.upstream.open_streams() >= 250).then_some(())).await;
    bob.fetch("/").await.expect(200);
    eventually("they are over", async || (house.upstream.open_streams() == 0).then_some(())).await;
    let grown = house.resident_kib().saturating_sub(before);
    assert!(grown < 100 * 1024, "{grown} KiB more");
}

/// Heads that drip in: the connection ends when its time is over, and others do not wait.
#[tokio::test]
async fn attack_13_heads_that_drip_in_end() {
    let house = House::plan(OPEN).server("[server.limits]\nheader_read = \"1s\"\nidle = \"2s\"\n").start().await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut wire = house.wire_h2("orders.test").await;
        wire.frame(HEADERS, 0, 1, &block(&[(":method", "GET")])).await;
        slow.push(wire);
        let mut wire = house.wire("orders.test").await;
        wire.send("GET / HT").await;
    }
    assert_eq!(house.browser("orders.test").fetch("/").await.status, 401);
    for mut wire in slow {
        while wire.next_frame().await.is_some() {}
    }
}
