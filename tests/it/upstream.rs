//! The unmodified app behind the gateway: an HTTP/1.1 server that keeps every request just as it came off the wire.
//!
//! Written by hand, byte by byte, because tests must see what really arrived: the spelling of header names, two
//! `Content-Length` fields, a trailer. It answers by path:
//!
//! | path | answer |
//! | --- | --- |
//! | `/status/N` | that status |
//! | `/slow?ms=N` | after N milliseconds |
//! | `/sse` | an event stream that ticks until it is closed |
//! | `/drip` | a download without end, a kilobyte at a time |
//! | `/ws` | a WebSocket echo when asked to upgrade, else 400 |
//! | `/set-cookie` | cookies of its own, and tries to set ours |
//! | `/big?n=N` | N bytes |
//! | `/garbage` | bytes that are no HTTP |
//! | `/rows?n=N` | a JSON array of N rows of a kilobyte, of customers 42 and 43 in turn |
//! | what a test has told it | the bytes of a [`Script`], piece by piece |
//! | anything else | JSON of the request |

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{handshake::derive_accept_key, protocol::Role};

use crate::pki::{self, Leaf};

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Which connection it came on, counted from zero.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names and values as written, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// The body came to its proper end.
    pub(crate) complete: bool,
}

impl Seen {
    /// Every value of a header, by its name in any case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a header, or nothing; two are a failure of the test.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} came {} times: {:?}", all.len(), self.headers);
        all.first().copied()
    }

    /// The claims of the assertion in a header, believed without looking at its signature.
    pub(crate) fn claims(&self, name: &str) -> serde_json::Value {
        claims(self.header(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)))
    }

    /// Every header and trailer in one text, to look for what must not be there.
    pub(crate) fn text(&self) -> String {
        let fields = self.headers.iter().chain(&self.trailers);
        fields.map(|(name, value)| format!("{name}: {value}\n")).collect::<String>()
    }
}

/// The claims of a signed token, believed without looking at its signature.
pub(crate) fn claims(token: &str) -> serde_json::Value {
    let middle = token.split('.').nth(1).unwrap_or_else(|| panic!("{token:?} has no three parts"));
    let bytes = data_encoding::BASE64URL_NOPAD.decode(middle.as_bytes()).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// An answer as bytes on the wire, in pieces that leave one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pieces: Vec<Vec<u8>>,
    closes: bool,
}

impl Script {
    /// Just these bytes.
    pub(crate) fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self { pieces: vec![bytes.as_ref().to_vec()], closes: false }
    }

    /// A body of known length with these head lines.
    pub(crate) fn whole(head: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        Self::raw(format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n", body.len())).then(body)
    }

    /// A body in chunks, each of which leaves by itself, cut at the given places.
    pub(crate) fn chunked(head: &str, body: impl AsRef<[u8]>, size: usize) -> Self {
        let mut script = Self::raw(format!("HTTP/1.1 200 OK\r\n{head}transfer-encoding: chunked\r\n\r\n"));
        for piece in body.as_ref().chunks(size) {
            script = script.chunk(piece);
        }
        script.then("0\r\n\r\n")
    }

    /// A body that ends where the connection does.
    pub(crate) fn until_close(head: &str, body: impl AsRef<[u8]>) -> Self {
        Self::raw(format!("HTTP/1.1 200 OK\r\n{head}\r\n")).then(body).close()
    }

    /// The same with another first line.
    pub(crate) fn status(mut self, status: &str) -> Self {
        let head = String::from_utf8(self.pieces.remove(0)).expect("a head is text");
        self.pieces.insert(0, head.replacen("200 OK", status, 1).into_bytes());
        self
    }

    /// One more piece.
    pub(crate) fn then(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.pieces.push(bytes.as_ref().to_vec());
        self
    }

    /// One more piece, as a chunk.
    pub(crate) fn chunk(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.then([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
    }

    /// All pieces in one, as a quick app writes them.
    pub(crate) fn at_once(mut self) -> Self {
        self.pieces = vec![self.pieces.concat()];
        self
    }

    /// And then the connection ends.
    pub(crate) fn close(mut self) -> Self {
        self.closes = true;
        self
    }
}

/// The running app.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    scripts: Arc<Mutex<HashMap<String, Script>>>,
    streams: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Upstream {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts it behind TLS with this certificate.
    pub(crate) async fn start_tls(leaf: &Leaf) -> Self {
        Self::start_with(Some(tokio_rustls::TlsAcceptor::from(pki::server(leaf)))).await
    }

    /// Starts it behind TLS that was set up with care.
    pub(crate) async fn start_tls_as(config: Arc<rustls::ServerConfig>) -> Self {
        Self::start_with(Some(tokio_rustls::TlsAcceptor::from(config))).await
    }

    async fn start_with(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (streams, written) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let scripts = Arc::<Mutex<HashMap<String, Script>>>::default();
        let app =
            App { seen: seen.clone(), scripts: scripts.clone(), streams: streams.clone(), written: written.clone() };
        let task = tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                stream.set_nodelay(true).expect("an open socket");
                let (app, tls) = (app.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => app.connection(connection, stream).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => app.connection(connection, stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { address, scheme, seen, scripts, streams, written, task }
    }

    /// Its address as the config file wants it.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics with the lock held").clone()
    }

    /// How many requests so far.
    pub(crate) fn count(&self) -> usize {
        self.seen().len()
    }

    /// The latest request.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("a request reached the upstream")
    }

    /// Fails when anything at all came through.
    pub(crate) fn saw_nothing(&self) {
        let seen = self.seen();
        assert!(seen.is_empty(), "the upstream got {seen:#?}");
    }

    /// Tells it what to answer on a path, whatever the query.
    pub(crate) fn script(&self, path: &str, script: Script) {
        self.scripts.lock().expect("no test panics with the lock held").insert(path.to_owned(), script);
    }

    /// Bytes of rows that somebody has taken off it.
    pub(crate) fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    /// Event streams, downloads and WebSockets that are open now.
    pub(crate) fn open_streams(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What every connection shares.
#[derive(Clone)]
struct App {
    seen: Arc<Mutex<Vec<Seen>>>,
    scripts: Arc<Mutex<HashMap<String, Script>>>,
    streams: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
}

/// Counts an open stream for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl App {
    /// Serves one connection until either side has had enough; `None` is an end, not a failure.
    async fn connection(&self, number: usize, stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut stream = BufStream::new(stream);
        loop {
            let mut seen = read_head(&mut stream).await?;
            seen.connection = number;
            let index = self.keep(seen.clone());
            if seen.target.starts_with("/ws") && seen.header("upgrade").is_some() {
                return self.echo_web_socket(&seen, stream).await;
            }
            if seen.header("expect").is_some() {
                write(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let ended = read_body(&mut stream, &mut seen).await;
            seen.complete = ended.is_some();
            self.replace(index, seen.clone());
            ended?;
            self.answer(&mut stream, &seen).await?;
        }
    }

    fn keep(&self, seen: Seen) -> usize {
        let mut all = self.seen.lock().expect("no test panics with the lock held");
        all.push(seen);
        all.len() - 1
    }

    fn replace(&self, index: usize, seen: Seen) {
        self.seen.lock().expect("no test panics with the lock held")[index] = seen;
    }

    async fn answer(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), seen: &Seen) -> Option<()> {
        let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
        let number = |key: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
            value.and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        let script = self.scripts.lock().expect("no test panics with the lock held").get(path).cloned();
        if let Some(script) = script {
            return perform(stream, script, seen.method == "HEAD").await;
        }
        match path {
            "/rows" => return self.rows(stream, number("n")).await,
            "/slow" => tokio::time::sleep(Duration::from_millis(number("ms"))).await,
            "/sse" => return self.tick(stream, "text/event-stream", "data: tick\n\n", Duration::from_millis(50)).await,
            "/drip" => {
                let kilobyte = "x".repeat(1024);
                return self.tick(stream, "application/octet-stream", &kilobyte, Duration::from_millis(20)).await;
            }
            "/garbage" => {
                write(stream, "this is no HTTP\r\n\r\n").await?;
                return None;
            }
            "/big" => {
                let body = vec![b'x'; usize::try_from(number("n")).unwrap_or(0)];
                return reply(stream, seen, 200, "content-type: application/octet-stream\r\n", &body).await;
            }
            "/set-cookie" => {
                let cookies = "set-cookie: app=1; Path=/\r\nset-cookie: __Host-access=stolen; Path=/; Secure\r\n\
                               set-cookie: __Host-access-try=stolen; Path=/; Secure\r\n\
                               set-cookie: =__Host-access=stolen; Path=/; Secure\r\n\
                               set-cookie: \t= \t__HOST-access-try = stolen; Path=/; Secure\r\n";
                return reply(stream, seen, 200, cookies, b"cookies").await;
            }
            "/ws" => return reply(stream, seen, 400, "", b"no upgrade").await,
            _ => {}
        }
        if path.starts_with("/html/") {
            return reply(stream, seen, 200, "content-type: text/html; charset=utf-8\r\n", b"<!doctype html><p>A page")
                .await;
        }
        if let Some(status) = path.strip_prefix("/status/") {
            return reply(stream, seen, status.parse().unwrap_or(500), "", b"as asked").await;
        }
        let told = json!({
            "method": seen.method, "target": seen.target, "path": path, "query": query,
            "headers": seen.headers, "body_length": seen.body.len(),
        });
        reply(stream, seen, 200, "content-type: application/json\r\n", told.to_string().as_bytes()).await
    }

    /// Writes one chunk again and again until the other side closes.
    async fn tick(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        kind: &str,
        chunk: &str,
        every: Duration,
    ) -> Option<()> {
        let _open = Open::new(&self.streams);
        write(stream, &format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"))
            .await?;
        let mut byte = [0];
        loop {
            write(stream, &format!("{:x}\r\n{chunk}\r\n", chunk.len())).await?;
            tokio::select! {
                _ = stream.read(&mut byte) => return None,
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    /// A large answer, made as it is taken.
    async fn rows(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), count: u64) -> Option<()> {
        let _open = Open::new(&self.streams);
        let note = "x".repeat(960);
        write(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
            .await?;
        write(stream, "1\r\n[\r\n").await?;
        for n in 0..count {
            let comma = if n == 0 { "" } else { "," };
            let customer = 42 + n % 2;
            let row = format!(r#"{comma}{{"id":{n},"customer":"{customer}","price":7.77,"note":"{note}"}}"#);
            stream.write_all(format!("{:x}\r\n{row}\r\n", row.len()).as_bytes()).await.ok()?;
            self.written.fetch_add(row.len(), Ordering::SeqCst);
        }
        write(stream, "1\r\n]\r\n0\r\n\r\n").await
    }

    async fn echo_web_socket(&self, seen: &Seen, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let _open = Open::new(&self.streams);
        let accept = derive_accept_key(seen.header("sec-websocket-key")?.as_bytes());
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ";
        write(&mut stream, &format!("{head}{accept}\r\n\r\n")).await?;
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.ok()?;
            }
        }
        None
    }
}

/// Writes the pieces of a script, each by itself: the pause lets one be read before the next is there. HEAD gets the first.
async fn perform(stream: &mut (impl AsyncWrite + Unpin), script: Script, is_head: bool) -> Option<()> {
    let count = if is_head { 1 } else { script.pieces.len() };
    for piece in script.pieces.into_iter().take(count) {
        stream.write_all(&piece).await.ok()?;
        stream.flush().await.ok()?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (!script.closes).then_some(())
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> Option<()> {
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn reply(
    stream: &mut (impl AsyncWrite + Unpin),
    seen: &Seen,
    status: u16,
    more: &str,
    body: &[u8],
) -> Option<()> {
    let length =
        if matches!(status, 204 | 304) { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head = format!("HTTP/1.1 {status} Told\r\nx-from-upstream: yes\r\n{length}{more}\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    if seen.method != "HEAD" && !length.is_empty() {
        stream.write_all(body).await.ok()?;
    }
    stream.flush().await.ok()
}

/// Reads a line without its ending. Bytes above ASCII are kept one to one, as Latin-1.
async fn read_line(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
        return None;
    }
    let text: String = line.iter().map(|byte| char::from(*byte)).collect();
    Some(text.trim_end_matches(['\r', '\n']).to_owned())
}

async fn read_fields(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(stream).await?;
        if line.is_empty() {
            return Some(fields);
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

async fn read_head(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Seen> {
    let line = read_line(stream).await?;
    let mut words = line.split(' ');
    let method = words.next()?.to_owned();
    let target = words.next().unwrap_or("").to_owned();
    Some(Seen { method, target, headers: read_fields(stream).await?, ..Seen::default() })
}

/// Reads the body by its framing; what had arrived before a cut is kept.
async fn read_body(stream: &mut (impl AsyncBufReadExt + Unpin), seen: &mut Seen) -> Option<()> {
    let chunked = seen.all("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked"));
    if !chunked {
        let length = seen.all("content-length").first().and_then(|value| value.parse().ok()).unwrap_or(0);
        return read_exactly(stream, &mut seen.body, length).await;
    }
    loop {
        let line = read_line(stream).await?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            seen.trailers = read_fields(stream).await?;
            return Some(());
        }
        read_exactly(stream, &mut seen.body, size).await?;
        read_line(stream).await?;
    }
}

async fn read_exactly(stream: &mut (impl AsyncRead + Unpin), body: &mut Vec<u8>, length: usize) -> Option<()> {
    let start = body.len();
    let mut part = stream.take(u64::try_from(length).ok()?);
    part.read_to_end(body).await.ok()?;
    (body.len() - start == length).then_some(())
}
