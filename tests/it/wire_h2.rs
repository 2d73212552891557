//! A stranger who writes HTTP/2 frames, right or wrong, that no careful client library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::wire::{PATIENCE, tls};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;
pub(crate) const ACK: u8 = 1;

/// One frame off the wire.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The number that four bytes of the payload make, such as an error code.
    pub(crate) fn number_at(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// An answer with this status.
    Status(u16),
    /// The stream or the whole connection was refused.
    Refused,
}

/// One HTTP/2 connection.
pub(crate) struct WireH2 {
    stream: TlsStream<TcpStream>,
    next_stream: u32,
}

impl WireH2 {
    /// Connects, sends the preface and default settings.
    pub(crate) async fn connect(address: SocketAddr, sni: &str, ca: &str) -> Self {
        Self::connect_with(address, sni, ca, &[]).await
    }

    /// Connects with these settings, as they stand in their frame.
    pub(crate) async fn connect_with(address: SocketAddr, sni: &str, ca: &str, settings: &[u8]) -> Self {
        let mut wire = Self::silent(address, sni, ca).await;
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        wire.frame(SETTINGS, 0, 0, settings).await;
        // Room for whatever comes: no test here is about flow control.
        wire.frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()).await;
        wire
    }

    /// Connects, and has said nothing yet.
    pub(crate) async fn silent(address: SocketAddr, sni: &str, ca: &str) -> Self {
        let stream = tls(address, sni, ca, &[b"h2"]).await.expect("TLS");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the gateway speaks HTTP/2");
        Self { stream, next_stream: 1 }
    }

    /// Writes bytes, and says whether they went.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Writes a frame.
    pub(crate) async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(&frame(kind, flags, stream, payload)).await;
    }

    /// The next frame, or nothing when the connection is over. Settings are acknowledged on the way.
    pub(crate) async fn next_frame(&mut self) -> Option<Frame> {
        let reading = async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).expect("a small frame")];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        };
        let frame = tokio::time::timeout(PATIENCE, reading).await.expect("a frame in time")?;
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            self.frame(SETTINGS, ACK, 0, &[]).await;
        }
        Some(frame)
    }

    /// Sends one request with these fields, pseudo-fields included and exactly as given, and says how it ended.
    pub(crate) async fn ask(&mut self, fields: &[(&str, &str)], body: Option<&[u8]>) -> Outcome {
        self.ask_in_parts(fields, body.as_slice()).await
    }

    /// The same with a body in several frames, of which the last one ends it.
    pub(crate) async fn ask_in_parts(&mut self, fields: &[(&str, &str)], body: &[&[u8]]) -> Outcome {
        let stream = self.begin(fields, body.is_empty()).await;
        for (n, part) in body.iter().enumerate() {
            self.frame(DATA, if n + 1 == body.len() { END_STREAM } else { 0 }, stream, part).await;
        }
        self.outcome(stream).await
    }

    /// Sends only the head of a request, whole or with a body still to come, and says on which stream.
    pub(crate) async fn begin(&mut self, fields: &[(&str, &str)], is_whole: bool) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let flags = if is_whole { END_HEADERS | END_STREAM } else { END_HEADERS };
        self.frame(HEADERS, flags, stream, &block(fields)).await;
        stream
    }

    /// Waits until a stream is over by the gateway's doing: its answer's last frame, a reset, or the connection's end.
    pub(crate) async fn over(&mut self, wanted: u32) {
        while let Some(frame) = self.next_frame().await {
            let is_last = matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
            if frame.kind == GOAWAY || (frame.stream == wanted && (frame.kind == RST_STREAM || is_last)) {
                return;
            }
        }
    }

    /// Reads to the end of the connection, answering pings. Gives the last streams that GOAWAY frames named, and the streams whose
    /// answer came to its end.
    pub(crate) async fn farewell(&mut self) -> (Vec<u32>, Vec<u32>) {
        let (mut last_streams, mut ended) = (Vec::new(), Vec::new());
        while let Some(frame) = self.next_frame().await {
            match frame.kind {
                PING if frame.flags & ACK == 0 => self.frame(PING, ACK, 0, &frame.payload).await,
                GOAWAY => {
                    assert_eq!(frame.number_at(4), 0, "no error");
                    last_streams.push(frame.number_at(0));
                }
                HEADERS | DATA if frame.flags & END_STREAM != 0 => ended.push(frame.stream),
                _ => {}
            }
        }
        (last_streams, ended)
    }

    /// How the request on a stream ends.
    pub(crate) async fn outcome(&mut self, wanted: u32) -> Outcome {
        while let Some(frame) = self.next_frame().await {
            match frame.kind {
                GOAWAY => return Outcome::Refused,
                RST_STREAM if frame.stream == wanted => return Outcome::Refused,
                HEADERS if frame.stream == wanted => return Outcome::Status(status(&frame.payload)),
                _ => {}
            }
        }
        Outcome::Refused
    }
}

/// A frame as it stands on the wire.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block of these fields: literals without indexing and without Huffman, so that the bytes stand as they are.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        literal(&mut block, name.as_bytes());
        literal(&mut block, value.as_bytes());
    }
    block
}

/// Appends one HPACK string.
fn literal(block: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 127 {
        block.push(u8::try_from(text.len()).expect("just compared"));
    } else {
        block.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).expect("a remainder") | 128);
            rest /= 128;
        }
        block.push(u8::try_from(rest).expect("less than 128"));
    }
    block.extend(text);
}

/// The status of a header block: it always comes first, indexed or as a literal of the static name 8.
fn status(block: &[u8]) -> u16 {
    let mut block = block;
    while block[0] & 0xe0 == 0x20 {
        block = &block[1..]; // a dynamic table size update
    }
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        _ => {
            let (huffman, length) = (block[1] & 0x80 != 0, usize::from(block[1] & 0x7f));
            let text = &block[2..2 + length];
            if huffman { huffman_digits(text) } else { String::from_utf8_lossy(text).parse().expect("a status") }
        }
    }
}

/// Three digits in HPACK's Huffman code: 0, 1 and 2 have five bits, the others six.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let mut bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut number = 0;
    for _ in 0..3 {
        let five = u16::from_str_radix(&bits[..5], 2).expect("bits");
        let (digit, used) =
            if five < 3 { (five, 5) } else { (u16::from_str_radix(&bits[..6], 2).expect("bits") - 0x19 + 3, 6) };
        number = number * 10 + digit;
        bits.drain(..used);
    }
    number
}

#[test]
fn statuses_are_read_as_the_gateway_writes_them() {
    assert_eq!(status(&[0x88]), 200);
    assert_eq!(status(&[0x48, 0x03, b'4', b'2', b'1']), 421);
    // 3, 0 and 3 are 011001, 00000, 011001, padded with ones.
    assert_eq!(huffman_digits(&[0b0110_0100, 0b0000_1100, 0b1111_1111]), 303);
}
