//! Where a stream without an end has room for a last word.
//!
//! A WebSocket and an event stream go on until somebody ends them. When we have to, because we stop, the browser should
//! learn that it was on purpose: a WebSocket by a close frame, an event stream by the chunk that ends its body. Either can
//! only stand between two frames or chunks of the app's, so what passes to the client is followed here: by its lengths alone,
//! never its content. Whatever does not fit the standard is followed no further, and then ends without a word.

/// How the answer under way is cut into pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Speech {
    /// Frames (RFC 6455, section 5.2).
    WebSocket,
    /// Chunks (RFC 9112, section 7.1), of an event stream: whoever reads one takes its end for a pause. Of a download the last
    /// chunk would say that it is whole.
    Events,
}

/// Status 1001, "going away" (RFC 6455, section 7.4.1). A server's frames are not masked. It may stand between the parts of a
/// message, compressed or not: control frames may, and are never compressed (RFC 7692, section 6).
const CLOSE_FRAME: &[u8] = b"\x88\x0c\x03\xe9going away";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A chunk's size with its extensions, in bytes: more than Pingora writes.
const MOST_SIZE_LINE: u8 = 64;

/// What has passed to the client of one answer.
#[derive(Debug)]
pub(super) struct Follower {
    at: Place,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// In the head, with so many bytes of the empty line that ends it.
    Head { ends: u8, then: Speech },
    /// Before a frame.
    Frame,
    /// In a frame's own head: how many bytes of its length are to come, and the length so far.
    Length { close: bool, left: u8, length: u64 },
    /// At the second byte of a frame's head.
    Second { close: bool },
    /// In a frame or chunk of which so much is left.
    Within { left: u64, then: Next },
    /// In the line that says how long a chunk is.
    Size { digits: u8, length: u64, extension: bool },
    /// After a chunk.
    AfterChunk,
    /// The app has said its own last word, or something that we do not understand.
    Over,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Frame,
    Chunk,
    Over,
}

impl Follower {
    /// From the head of the answer on.
    pub(super) const fn new(speech: Speech) -> Self {
        Self { at: Place::Head { ends: 0, then: speech } }
    }

    /// These bytes go to the client.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Place::Within { left, then } = self.at {
                let passed = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
                bytes = bytes.get(usize::try_from(passed).unwrap_or(usize::MAX)..).unwrap_or_default();
                self.at = within(left - passed, then);
                continue;
            }
            self.at = self.at.after(byte);
            if self.at == Place::Over {
                return;
            }
            bytes = rest;
        }
    }

    /// What may be said now, if anything.
    pub(super) const fn last_word(&self) -> Option<&'static [u8]> {
        match self.at {
            Place::Frame => Some(CLOSE_FRAME),
            Place::Size { digits: 0, .. } => Some(LAST_CHUNK),
            _ => None,
        }
    }
}

impl Place {
    /// One byte on.
    fn after(self, byte: u8) -> Self {
        match self {
            Self::Head { ends, then } => match (ends, byte) {
                (0 | 2, b'\r') => Self::Head { ends: ends + 1, then },
                (1, b'\n') => Self::Head { ends: 2, then },
                (3, b'\n') => match then {
                    Speech::WebSocket => Self::Frame,
                    Speech::Events => CHUNK,
                },
                (_, b'\r') => Self::Head { ends: 1, then },
                _ => Self::Head { ends: 0, then },
            },
            Self::Frame => frame(byte),
            Self::Second { close } => second(close, byte),
            Self::Length { close, left, length } => {
                let length = length << 8 | u64::from(byte);
                match left {
                    // The first bit of a long length is 0.
                    1 if length > u64::MAX / 2 => Self::Over,
                    1 => within(length, if close { Next::Over } else { Next::Frame }),
                    _ => Self::Length { close, left: left - 1, length },
                }
            }
            Self::Size { digits, length, extension } => size(digits, length, extension, byte),
            Self::AfterChunk => match byte {
                b'\r' => Self::AfterChunk,
                b'\n' => CHUNK,
                _ => Self::Over,
            },
            // `follow` passes these by their length.
            Self::Within { .. } | Self::Over => Self::Over,
        }
    }
}

/// Before a chunk.
const CHUNK: Place = Place::Size { digits: 0, length: 0, extension: false };

const fn within(left: u64, then: Next) -> Place {
    match (left, then) {
        (0, Next::Frame) => Place::Frame,
        (0, Next::Chunk) => Place::AfterChunk,
        (0, Next::Over) => Place::Over,
        _ => Place::Within { left, then },
    }
}

/// A frame's first byte: whether it is the last part of its message, three bits for extensions, its kind.
const fn frame(byte: u8) -> Place {
    const FINAL: u8 = 0x80;
    // The first of the three says that a message is compressed; no extension that browsers know uses the others.
    const UNKNOWN: u8 = 0x30;
    const COMPRESSED: u8 = 0x40;
    const CONTROL: u8 = 0x08;
    let is_control = byte & CONTROL != 0;
    match byte & 0x0f {
        0..=2 | 8..=10 if byte & UNKNOWN == 0 && !(is_control && (byte & FINAL == 0 || byte & COMPRESSED != 0)) => {
            Place::Second { close: byte & 0x0f == 8 }
        }
        _ => Place::Over,
    }
}

/// A frame's second byte: masked or not, and how long.
fn second(close: bool, byte: u8) -> Place {
    match byte {
        0..=125 => within(u64::from(byte), if close { Next::Over } else { Next::Frame }),
        126 => Place::Length { close, left: 2, length: 0 },
        127 => Place::Length { close, left: 8, length: 0 },
        // A server masks nothing.
        _ => Place::Over,
    }
}

fn size(digits: u8, length: u64, extension: bool, byte: u8) -> Place {
    let digit = char::from(byte).to_digit(16).filter(|_| !extension);
    match (digit, byte) {
        _ if digits == MOST_SIZE_LINE => Place::Over,
        (Some(digit), _) if length <= u64::MAX >> 4 => {
            Place::Size { digits: digits + 1, length: length << 4 | u64::from(digit), extension }
        }
        (None, b'\n') if digits > 0 && length > 0 => within(length, Next::Chunk),
        (None, b'\r' | b';' | b' ' | b'\t') if digits > 0 => {
            Place::Size { digits: digits + 1, length, extension: true }
        }
        (None, _) if extension && byte != b'\n' => Place::Size { digits: digits + 1, length, extension },
        // The app's own last chunk too.
        _ => Place::Over,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";

    fn check(speech: Speech, passed: &[u8], word: Option<&[u8]>) {
        let mut whole = Follower::new(speech);
        whole.follow(HEAD);
        whole.follow(passed);
        assert_eq!(whole.last_word(), word, "{passed:x?}");
        let mut bytewise = Follower::new(speech);
        HEAD.iter().chain(passed).for_each(|byte| bytewise.follow(std::slice::from_ref(byte)));
        assert_eq!(bytewise.last_word(), word, "{passed:x?} byte by byte");
    }

    /// A server's frame.
    fn framed(first: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload {
            0..=125 => bytes.push(u8::try_from(payload).expect("small")),
            126..=65_535 => {
                bytes.push(126);
                bytes.extend(u16::try_from(payload).expect("two bytes").to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend((payload as u64).to_be_bytes());
            }
        }
        bytes.extend(vec![0x88; payload]);
        bytes
    }

    #[test]
    fn a_close_frame_stands_between_frames_only() {
        check(Speech::WebSocket, b"", Some(CLOSE_FRAME));
        check(Speech::WebSocket, b"\x81\x02hi", Some(CLOSE_FRAME));
        check(Speech::WebSocket, b"\x81\x02h", None);
        check(Speech::WebSocket, b"\x81", None);
        check(Speech::WebSocket, b"\x01\x02hi", Some(CLOSE_FRAME)); // between the parts of a message
        check(Speech::WebSocket, b"\xc1\x02hi\x89\x00", Some(CLOSE_FRAME)); // compressed, then a ping
        check(Speech::WebSocket, &framed(0x82, 126), Some(CLOSE_FRAME));
        check(Speech::WebSocket, &framed(0x82, 70_000), Some(CLOSE_FRAME));
        check(Speech::WebSocket, framed(0x82, 70_000).split_last().expect("bytes").1, None);
    }

    #[test]
    fn what_has_said_its_own_last_word_or_is_no_websocket_gets_none() {
        check(Speech::WebSocket, b"\x88\x00", None);
        check(Speech::WebSocket, b"\x88\x02\x03\xe8", None);
        check(Speech::WebSocket, b"\x81\x82maskhi", None);
        check(Speech::WebSocket, b"HTTP/1.1 200 OK\r\n\r\n", None);
        check(Speech::WebSocket, b"\x09\x00", None); // a ping in parts
        check(Speech::WebSocket, b"\xa1\x02hi", None); // an extension that nobody knows
        check(Speech::WebSocket, b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", None);
    }

    #[test]
    fn an_event_stream_ends_between_chunks_only() {
        check(Speech::Events, b"", Some(LAST_CHUNK));
        check(Speech::Events, b"9\r\ndata: x\n\n\r\n", Some(LAST_CHUNK));
        check(Speech::Events, b"9\r\ndata: x\n\n\r\nA\r\n0123456789\r\n", Some(LAST_CHUNK));
        check(Speech::Events, b"9;a=b\r\ndata: x\n\n\r\n", Some(LAST_CHUNK));
        check(Speech::Events, b"9\r\ndata: x\n\n", None);
        check(Speech::Events, b"9\r\ndata", None);
        check(Speech::Events, b"9", None);
        check(Speech::Events, b"0\r\n\r\n", None);
        check(Speech::Events, b"data: x\n\n", None);
        check(Speech::Events, b"fffffffffffffffff\r\n", None);
    }

    proptest! {
        #[test]
        fn any_frames_lead_to_the_place_between_them(sizes in prop::collection::vec(0_usize..70_000, 0..6), cut in 0_usize..64) {
            let bytes: Vec<u8> = sizes.iter().flat_map(|size| framed(0x82, *size)).collect();
            let mut follower = Follower::new(Speech::WebSocket);
            follower.follow(HEAD);
            let (one, two) = bytes.split_at(bytes.len() * cut / 64);
            follower.follow(one);
            follower.follow(two);
            prop_assert_eq!(follower.last_word(), Some(CLOSE_FRAME));
        }

        #[test]
        fn whatever_passes_it_does_not_panic(bytes: Vec<u8>, is_events: bool) {
            let mut follower = Follower::new(if is_events { Speech::Events } else { Speech::WebSocket });
            follower.follow(HEAD);
            follower.follow(&bytes);
        }
    }
}
