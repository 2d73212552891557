//! Counts the frames of an HTTP/2 connection that cost work and bring nobody anything.
//!
//! What makes a flood is not one bad frame but thousands of good ones: requests that are taken back at once (rapid reset,
//! CVE-2023-44487), requests that make the server take them back (CVE-2025-8671), settings and pings that must each be
//! answered (CVE-2019-9512, 9515), empty data (CVE-2019-9518), priorities. The HTTP/2 library under Pingora holds off some of
//! them, and none of those that it has already handed on. So the heads of all frames pass by here, on their way in and
//! out, and a connection that has more of such frames than any browser ends.

use std::time::Instant;

/// How many idle frames a connection may send at once: many pages with a hundred requests each, left in a moment.
const AT_ONCE: u32 = 1000;
/// How many come back each second.
const EACH_SECOND: u32 = 100;

/// The bytes before a client's first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
/// The most of a frame that may be padding: its length in a byte, and so much of it.
const MOST_PADDING: usize = 256;

/// A connection sent more than may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Flood;

/// The frames of one connection, both ways.
#[derive(Debug)]
pub(super) struct Frames {
    read: Heads,
    written: Heads,
    left: u32,
    /// Frames that go with what we wrote: `WINDOW_UPDATE`, and the `PING` by which gRPC's clients find out how fast a download may be,
    /// one for each round trip. They cost nothing.
    paid_updates: u64,
    counted_at: Instant,
}

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        let (read, written) = (Heads { skip: PREFACE, ..Heads::default() }, Heads::default());
        Self { read, written, left: AT_ONCE, paid_updates: 0, counted_at: now }
    }

    /// Looks at bytes that the client sent.
    pub(super) fn read(&mut self, bytes: &[u8], now: Instant) -> Result<(), Flood> {
        let (mut idle, paid) = (0_u32, &mut self.paid_updates);
        self.read.pass(bytes, |head| match head.kind {
            HEADERS => {}
            DATA if head.carries_data() || head.flags & END_STREAM != 0 => {}
            WINDOW_UPDATE | PING if *paid > 0 => *paid -= 1,
            _ => idle += 1,
        });
        self.spend(idle, now)
    }

    /// Looks at bytes that we send. A stream that we reset is one more that the client made us open for nothing.
    pub(super) fn written(&mut self, bytes: &[u8], now: Instant) -> Result<(), Flood> {
        let (mut idle, paid) = (0, &mut self.paid_updates);
        self.written.pass(bytes, |head| match head.kind {
            // One for the stream and one for the connection.
            DATA => *paid += 2,
            RST_STREAM => idle += 1,
            _ => {}
        });
        self.spend(idle, now)
    }

    /// Whether what was written ends with a whole frame, so that another may follow.
    pub(super) fn is_between_frames(&self) -> bool {
        self.written.skip == 0 && self.written.filled == 0
    }

    fn spend(&mut self, frames: u32, now: Instant) -> Result<(), Flood> {
        if frames == 0 {
            return Ok(());
        }
        let passed = now.saturating_duration_since(self.counted_at);
        let back = u32::try_from(passed.as_millis() * u128::from(EACH_SECOND) / 1000).unwrap_or(u32::MAX);
        if back > 0 {
            self.counted_at = now;
            self.left = self.left.saturating_add(back).min(AT_ONCE);
        }
        self.left = self.left.checked_sub(frames).ok_or(Flood)?;
        Ok(())
    }
}

/// Finds the heads of frames in a stream of bytes.
#[derive(Debug, Default)]
struct Heads {
    /// Bytes to pass over: the rest of a payload.
    skip: usize,
    head: [u8; 9],
    filled: usize,
}

/// The head of a frame (RFC 9113, section 4.1).
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
}

impl Head {
    /// Whether some of the frame must be data, and not padding alone. No browser pads, so how much of a short one is padding is
    /// not worth a look.
    const fn carries_data(&self) -> bool {
        self.length > if self.flags & PADDED == 0 { 0 } else { MOST_PADDING }
    }
}

impl Heads {
    fn pass(&mut self, mut bytes: &[u8], mut each: impl FnMut(Head)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            let room = self.head.get_mut(self.filled..).unwrap_or_default();
            let taken = room.len().min(bytes.len());
            let (now, rest) = bytes.split_at(taken);
            room.iter_mut().zip(now).for_each(|(place, byte)| *place = *byte);
            self.filled += taken;
            bytes = rest;
            if self.filled < self.head.len() {
                return;
            }
            self.filled = 0;
            let [a, b, c, kind, flags, ..] = self.head;
            // Three bytes: it fits.
            let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
            self.skip = length;
            each(Head { length, kind, flags });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(9 + usize::from(length), 0xff);
        frame
    }

    fn fresh() -> (Frames, Instant) {
        let now = Instant::now();
        let mut frames = Frames::new(now);
        frames.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", now).expect("the preface is no frame");
        (frames, now)
    }

    /// How many of these the client may send at once.
    fn most(frame: &[u8]) -> u32 {
        let (mut frames, now) = fresh();
        (0..AT_ONCE * 3).take_while(|_| frames.read(frame, now).is_ok()).count().try_into().expect("few")
    }

    #[test]
    fn attack_13_idle_frames_are_counted_and_useful_ones_are_not() {
        for (what, frame, most_at_once) in [
            ("reset", frame(RST_STREAM, 0, 4), AT_ONCE),
            ("priority", frame(2, 0, 5), AT_ONCE),
            ("settings", frame(4, 0, 0), AT_ONCE),
            ("ping", frame(6, 0, 8), AT_ONCE),
            ("window that nothing was written for", frame(WINDOW_UPDATE, 0, 4), AT_ONCE),
            ("continuation", frame(9, 0, 1), AT_ONCE),
            ("unknown", frame(0xfa, 0, 0), AT_ONCE),
            ("empty data", frame(DATA, 0, 0), AT_ONCE),
            ("padding alone", frame(DATA, PADDED, 255), AT_ONCE),
            ("data", frame(DATA, 0, 1), AT_ONCE * 3),
            ("last data", frame(DATA, END_STREAM, 0), AT_ONCE * 3),
            ("request", frame(HEADERS, END_STREAM, 20), AT_ONCE * 3),
        ] {
            assert_eq!(most(&frame), most_at_once, "{what}");
        }
    }

    #[test]
    fn attack_13_streams_that_we_are_made_to_reset_count_too() {
        let (mut frames, now) = fresh();
        let reset = frame(RST_STREAM, 0, 4);
        for _ in 0..AT_ONCE {
            frames.written(&reset, now).expect("it may be");
        }
        assert_eq!(frames.written(&reset, now), Err(Flood));
    }

    #[test]
    fn a_download_pays_for_its_windows() {
        let (mut frames, now) = fresh();
        for _ in 0..AT_ONCE * 5 {
            frames.written(&frame(DATA, 0, 200), now).expect("data");
            for _ in 0..2 {
                frames.read(&frame(WINDOW_UPDATE, 0, 4), now).expect("paid");
            }
        }
        assert_eq!(frames.left, AT_ONCE);
    }

    #[test]
    fn a_download_that_measures_its_way_is_no_flood() {
        let (mut frames, now) = fresh();
        for _ in 0..AT_ONCE * 5 {
            frames.written(&frame(DATA, 0, 200), now).expect("data");
            frames.read(&frame(WINDOW_UPDATE, 0, 4), now).expect("paid");
            frames.read(&frame(PING, 0, 8), now).expect("paid");
        }
        assert_eq!(frames.left, AT_ONCE);
    }

    #[test]
    fn what_was_used_up_comes_back() {
        let (mut frames, now) = fresh();
        let ping = frame(6, 0, 8);
        while frames.read(&ping, now).is_ok() {}
        let later = now + Duration::from_secs(1);
        for _ in 0..EACH_SECOND {
            frames.read(&ping, later).expect("it came back");
        }
        assert_eq!(frames.read(&ping, later), Err(Flood));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_count_is_the_same(
            kinds in prop::collection::vec((0_u8..12, 0_u8..4, 0_u8..30), 0..200),
            cuts in prop::collection::vec(1_usize..40, 1..50),
        ) {
            let bytes: Vec<u8> = kinds.iter().flat_map(|(kind, flags, length)| frame(*kind, *flags, *length)).collect();
            let (mut whole, now) = fresh();
            whole.read(&bytes, now).expect("few frames");
            let mut cut = fresh().0;
            let (mut rest, mut sizes) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (part, after) = rest.split_at(rest.len().min(*sizes.next().expect("a cycle")));
                cut.read(part, now).expect("few frames");
                rest = after;
            }
            prop_assert_eq!(whole.left, cut.left);
            prop_assert!(whole.read.skip == 0 && whole.read.filled == 0);
        }
    }
}
