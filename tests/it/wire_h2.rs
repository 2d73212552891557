//! A stranger who writes HTTP/2 frames, right or wrong, that no careful client library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::wire::{PATIENCE, tls};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

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
        let stream = tls(address, sni, ca, &[b"h2"]).await.expect("TLS");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the gateway speaks HTTP/2");
        let mut wire = Self { stream, next_stream: 1 };
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        wire.frame(SETTINGS, 0, 0, settings).await;
        // Room for whatever comes: no test here is about flow control.
        wire.frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()).await;
        wire
    }

    async fn send(&mut self, bytes: &[u8]) {
        let _closed = self.stream.write_all(bytes).await;
        let _closed = self.stream.flush().await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.send(&frame).await;
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
        tokio::time::timeout(PATIENCE, self.outcome(stream)).await.expect("an answer in time")
    }

    /// Sends only the head of a request, whole or with a body still to come, and says on which stream.
    pub(crate) async fn begin(&mut self, fields: &[(&str, &str)], is_whole: bool) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let mut block = Vec::new();
        for (name, value) in fields {
            // A literal without indexing and without Huffman: the bytes stand as they are.
            block.push(0);
            literal(&mut block, name.as_bytes());
            literal(&mut block, value.as_bytes());
        }
        let flags = if is_whole { END_HEADERS | END_STREAM } else { END_HEADERS };
        self.frame(HEADERS, flags, stream, &block).await;
        stream
    }

    /// Waits until a stream is over by the gateway's doing: its answer's last frame, a reset, or the connection's end.
    pub(crate) async fn over(&mut self, wanted: u32) {
        let ending = async {
            loop {
                let mut head = [0; 9];
                if self.stream.read_exact(&mut head).await.is_err() {
                    return;
                }
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; usize::try_from(length).expect("a small frame")];
                if self.stream.read_exact(&mut payload).await.is_err() {
                    return;
                }
                let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
                let is_last = matches!(head[3], HEADERS | DATA) && head[4] & END_STREAM != 0;
                match head[3] {
                    SETTINGS if head[4] & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await,
                    GOAWAY => return,
                    kind if stream == wanted && (kind == RST_STREAM || is_last) => return,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, ending).await.expect("the stream ends in time");
    }

    /// Reads to the end of the connection, answering pings. Gives the last streams that GOAWAY frames named, and the streams whose
    /// answer came to its end.
    pub(crate) async fn farewell(&mut self) -> (Vec<u32>, Vec<u32>) {
        let (mut last_streams, mut ended) = (Vec::new(), Vec::new());
        let reading = async {
            loop {
                let mut head = [0; 9];
                if self.stream.read_exact(&mut head).await.is_err() {
                    return;
                }
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; usize::try_from(length).expect("a small frame")];
                if self.stream.read_exact(&mut payload).await.is_err() {
                    return;
                }
                let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
                match head[3] {
                    SETTINGS if head[4] & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await,
                    PING if head[4] & ACK == 0 => self.frame(PING, ACK, 0, &payload).await,
                    GOAWAY => {
                        assert_eq!(payload[4..8], [0; 4], "no error");
                        last_streams.push(u32::from_be_bytes(payload[..4].try_into().expect("four bytes")));
                    }
                    HEADERS | DATA if head[4] & END_STREAM != 0 => ended.push(stream),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the connection ends in time");
        (last_streams, ended)
    }

    async fn outcome(&mut self, wanted: u32) -> Outcome {
        loop {
            let mut head = [0; 9];
            if self.stream.read_exact(&mut head).await.is_err() {
                return Outcome::Refused;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).expect("a small frame")];
            if self.stream.read_exact(&mut payload).await.is_err() {
                return Outcome::Refused;
            }
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            match head[3] {
                SETTINGS if head[4] & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await,
                GOAWAY => return Outcome::Refused,
                RST_STREAM if stream == wanted => return Outcome::Refused,
                HEADERS if stream == wanted => return Outcome::Status(status(&payload)),
                _ => {}
            }
        }
    }
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
