//! A stranger who writes bytes: TLS to the gateway, and anything at all inside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::browser::{Answer, Got};
use crate::pki;

/// Nothing the gateway does on a wire takes longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One TLS connection.
pub(crate) struct Wire {
    stream: BufStream<TlsStream<TcpStream>>,
}

/// Opens TLS to this address with this server name, trusting this CA only.
pub(crate) async fn tls(
    address: SocketAddr,
    sni: &str,
    ca: &str,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    tls_with(address, sni, pki::client(ca, alpn)).await
}

async fn tls_with(address: SocketAddr, sni: &str, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(sni.to_owned()).expect("a server name");
    TlsConnector::from(config).connect(name, stream).await
}

impl Wire {
    /// Connects for HTTP/1.1.
    pub(crate) async fn connect(address: SocketAddr, sni: &str, ca: &str) -> std::io::Result<Self> {
        Ok(Self { stream: BufStream::new(tls(address, sni, ca, &[b"http/1.1"]).await?) })
    }

    /// Connects with a client that remembers earlier connections.
    pub(crate) async fn connect_with(
        address: SocketAddr,
        sni: &str,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<Self> {
        Ok(Self { stream: BufStream::new(tls_with(address, sni, config).await?) })
    }

    /// The certificate that the gateway showed.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        let (_, connection) = self.stream.get_ref().get_ref();
        connection.peer_certificates().and_then(|chain| chain.first()).expect("a certificate").to_vec()
    }

    /// The TLS connection's own facts.
    pub(crate) fn connection(&self) -> &rustls::ClientConnection {
        self.stream.get_ref().get_ref().1
    }

    /// Writes bytes. A gateway that has already closed is no failure here: what it answered is still to be read.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed = self.stream.write_all(bytes.as_ref()).await;
        let _closed = self.stream.flush().await;
    }

    /// Writes a request head of these lines; line ends are added.
    pub(crate) async fn send_head(&mut self, lines: &[&str]) {
        self.send(format!("{}\r\n\r\n", lines.join("\r\n"))).await;
    }

    /// The next whole answer, or nothing when the connection ended without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read_answer(true)).await.expect("an answer in time")
    }

    /// The next whole answer behind any number of heads that only hint at it.
    pub(crate) async fn answer_after_hints(&mut self) -> Option<Answer> {
        let reading = async {
            loop {
                let answer = self.read_answer(true).await?;
                if !(102..200).contains(&answer.status) {
                    return Some(answer);
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("an answer in time")
    }

    /// Our own port of the connection.
    pub(crate) fn port(&self) -> u16 {
        self.stream.get_ref().get_ref().0.local_addr().expect("an open socket").port()
    }

    /// The next answer to a HEAD request: no body follows whatever its length says.
    pub(crate) async fn answer_without_body(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read_answer(false)).await.expect("an answer in time")
    }

    /// Sends a head and reads the answer to it.
    pub(crate) async fn ask(&mut self, lines: &[&str]) -> Option<Answer> {
        self.send_head(lines).await;
        if lines.first().is_some_and(|first| first.starts_with("HEAD ")) {
            return self.answer_without_body().await;
        }
        self.answer().await
    }

    /// Waits until this text has come.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let mut all = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&all).contains(text) {
                all.push(self.stream.read_u8().await.expect("the stream goes on"));
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{text:?} did not come"));
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Reads until the gateway closes; fails when it does not.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A close without TLS's own good-bye is an error to rustls and an end to us.
        let _end =
            tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the end of the stream");
        rest
    }

    /// Sends a head and reads all that comes, up to the end of the connection.
    pub(crate) async fn ask_and_read_on(&mut self, lines: &[&str]) -> Got {
        self.send_head(lines).await;
        let mut all = Vec::new();
        let end =
            tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut all)).await.expect("the end of the stream");
        let at = all.windows(4).position(|part| part == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8_lossy(&all[..at]).into_owned();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let headers = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        let mut answer = Answer { status, headers, body: all.split_off(at + 4) };
        let is_empty = lines[0].starts_with("HEAD ") || matches!(status, 204 | 304);
        let is_whole = if is_empty {
            answer.body.is_empty()
        } else if answer.header("transfer-encoding") == "chunked" {
            let (body, is_whole) = unchunked(&answer.body);
            answer.body = body;
            is_whole
        } else if let Ok(length) = answer.header("content-length").parse::<usize>() {
            answer.body.len() == length
        } else {
            // Without TLS's good-bye anybody may have cut it off.
            end.is_ok()
        };
        Got { answer, is_whole }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await.ok()?;
        line.ends_with(b"\n").then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn read_answer(&mut self, body: bool) -> Option<Answer> {
        let mut answer = self.read_answer_head().await?;
        while answer.status == 100 {
            answer = self.read_answer_head().await?;
        }
        if !body || matches!(answer.status, 101..200 | 204 | 304) {
            return Some(answer);
        }
        if answer.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            loop {
                let size = usize::from_str_radix(self.line().await?.split(';').next()?, 16).ok()?;
                let mut chunk = vec![0; size];
                self.stream.read_exact(&mut chunk).await.ok()?;
                answer.body.extend_from_slice(&chunk);
                self.line().await?;
                if size == 0 {
                    return Some(answer);
                }
            }
        }
        if let Ok(length) = answer.header("content-length").parse() {
            answer.body = vec![0; length];
            self.stream.read_exact(&mut answer.body).await.ok()?;
        } else {
            let mut rest = Vec::new();
            let _end = self.stream.read_to_end(&mut rest).await;
            answer.body = rest;
        }
        Some(answer)
    }

    async fn read_answer_head(&mut self) -> Option<Answer> {
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(Answer { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
}

/// What stands in chunks, and whether the last one is there and nothing behind it.
fn unchunked(bytes: &[u8]) -> (Vec<u8>, bool) {
    let (mut rest, mut body) = (bytes, Vec::new());
    loop {
        let Some(end) = rest.windows(2).position(|part| part == b"\r\n") else { return (body, false) };
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.unwrap_or_else(|| panic!("no size of a chunk: {:?}", String::from_utf8_lossy(&rest[..end])));
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, rest == b"\r\n");
        }
        let there = size.min(rest.len());
        body.extend_from_slice(&rest[..there]);
        if rest.len() < size + 2 {
            return (body, false);
        }
        rest = &rest[size + 2..];
    }
}
