//! The stream under Pingora: a customer's connection that knows when to end.
//!
//! It gathers small writes, so that the head and the body of a small answer leave as one TLS record and one system call.
//! Pingora flushes after an informational head, a head without `Content-Length`, each chunk, and the last byte of a
//! body of known length; between the head and the body of such an answer it does not. So what was gathered also leaves
//! when the task has been round a few times and wrote nothing more: an upstream that sends its head early is seen early.
//!
//! It reads without a buffer of its own: Pingora and rustls have theirs.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::http::ResponseHeader;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::deadlines::{Deadlines, End};
use super::frames::Frames;
use super::last_word::Follower;
use super::linger::Lingering;
use super::wire::Wire;
use crate::state::counters::ListenerCounters;

pub use super::connection::{Connection, EndGuard, Protocol, Scheme, TlsFacts};

/// Writes are gathered up to this size; a larger one leaves at once, with what was gathered before it.
const GATHER_MOST: usize = 8 * 1024;

/// A gathering buffer larger than this is given back once it is empty, for most connections are idle most of the time.
const KEEP_MOST: usize = 4 * 1024;

/// How often the task may find nothing to read before unflushed bytes leave by themselves. Twice, since Pingora looks for
/// news from either side in random order.
const QUIET_ROUNDS: u8 = 2;

/// What a client gets whose head took too long (RFC 9110, section 15.5.9). Nothing is known of it, not even a host, so
/// there is no page to choose.
const TIMEOUT_ANSWER: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What a client gets whose head is malformed, and one that wants a tunnel. Pingora answers these before any hook of ours
/// runs, in its own name; what customers see names nobody.
const MALFORMED_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const TUNNEL_ANSWER: &[u8] = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The last word to a connection that floods us: GOAWAY with ENHANCE_YOUR_CALM (RFC 9113, sections 6.8 and 7).
const CALM_DOWN: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\x0b";

/// One customer's connection.
#[derive(Debug)]
pub(crate) struct Downstream {
    wire: Wire,
    connection: Arc<Connection>,
    deadlines: Deadlines,
    counters: Arc<ListenerCounters>,
    /// Why it ended, once it has.
    ended: Option<End>,
    gathered: BytesMut,
    /// Whether anything was written since the last flush, and how many rounds have passed since.
    unflushed: bool,
    quiet_rounds: u8,
    /// Whether the answer under way is Pingora's own, to a head that no hook of ours has seen.
    is_engines: bool,
    /// What has passed of an answer without an end.
    follower: Option<Follower>,
    /// Whether a last word of ours is on its way, which shall arrive.
    has_last_word: bool,
    /// What is counted of HTTP/2.
    frames: Option<Box<Frames>>,
    /// Set once our side is closed.
    lingering: Option<Lingering>,
    proxy_digest: Arc<ProxyDigest>,
    socket_digest: Arc<SocketDigest>,
    ssl_digest: Option<Arc<SslDigest>>,
}

impl Downstream {
    /// Wraps a connection whose handshake is done.
    pub(super) fn new(
        mut wire: Wire,
        connection: Arc<Connection>,
        header_read: Duration,
        idle: Duration,
        counters: Arc<ListenerCounters>,
    ) -> Result<Self, Box<pingora_core::Error>> {
        let socket_digest = SocketDigest::from_raw_fd(wire.socket().as_raw_fd());
        // Known already; this spares two system calls later.
        let _ = socket_digest.peer_addr.set(Some(connection.peer.into()));
        let _ = socket_digest.local_addr.set(Some(connection.local.into()));
        let facts = Box::new(Arc::clone(&connection));
        let proxy_digest = ProxyDigest::new(Box::new(ResponseHeader::build(200, Some(0))?), Some(facts));
        let ssl_digest =
            connection.tls.map(|tls| Arc::new(SslDigest::new(tls.cipher, tls.version, None, None, Vec::new())));
        Ok(Self {
            wire,
            deadlines: Deadlines::new(Arc::clone(&connection), header_read, idle),
            frames: (connection.protocol == Protocol::Http2).then(|| Box::new(Frames::new(Instant::now()))),
            connection,
            counters,
            ended: None,
            gathered: BytesMut::new(),
            unflushed: false,
            quiet_rounds: 0,
            is_engines: false,
            follower: None,
            has_last_word: false,
            lingering: None,
            proxy_digest: Arc::new(proxy_digest),
            socket_digest: Arc::new(socket_digest),
            ssl_digest,
        })
    }

    /// The head of the next request is awaited from now on.
    pub(super) fn begin_request(&self) {
        self.connection.turns.begin();
    }

    /// Waits for the first bytes of a request, and takes none of them. `false`: the connection has ended instead.
    pub(super) async fn next_request(&mut self) -> bool {
        std::future::poll_fn(|context| self.poll_next_request(context)).await
    }

    fn poll_next_request(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.ended.is_some() {
            return Poll::Ready(false);
        }
        // An end or an error is for whoever reads.
        if self.wire.poll_readable(context).is_ready() {
            return Poll::Ready(true);
        }
        self.flush_when_quiet(context);
        let end = ready!(self.deadlines.poll_read(context));
        self.end(end, context);
        Poll::Ready(false)
    }

    /// Ends the connection, as politely as can be done without waiting.
    fn end(&mut self, end: End, context: &mut Context<'_>) {
        self.ended = Some(end);
        if let Some(counter) = self.counter(end) {
            ListenerCounters::add(counter);
        }
        tracing::debug!(connection = self.connection.id, peer = %self.connection.peer, reason = ?end, "connection ended");
        match end {
            // Nothing of this request was answered yet: `poll_write` would have noted that its head has arrived.
            End::SlowHead if self.connection.protocol == Protocol::Http1 => {
                self.gathered.extend_from_slice(TIMEOUT_ANSWER);
            }
            End::Flood if self.frames.as_ref().is_some_and(|frames| frames.is_between_frames()) => {
                self.gathered.extend_from_slice(CALM_DOWN);
            }
            // What an ended session has not got yet it shall not get.
            End::Session => self.gathered.clear(),
            End::Stopping => {
                let word = self.follower.take().and_then(|follower| follower.last_word());
                self.gathered.extend_from_slice(word.unwrap_or_default());
                self.has_last_word = word.is_some();
            }
            _ => {}
        }
        if let Poll::Ready(Ok(())) = self.poll_empty(context) {
            let _ = self.wire.poll_shutdown(context);
        }
    }

    /// Counts of what the listeners see.
    pub(super) fn counters(&self) -> Arc<ListenerCounters> {
        Arc::clone(&self.counters)
    }

    fn counter(&self, end: End) -> Option<&AtomicU64> {
        match end {
            End::Idle => Some(&self.counters.idle_closed),
            End::SlowHead => Some(&self.counters.header_timeouts),
            End::Session => Some(&self.counters.cut_sessions),
            End::Flood => Some(&self.counters.frame_floods),
            End::Stopping => None,
        }
    }

    /// Notes that a write begins; refuses it on an ended connection.
    fn begin_write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        if self.ended.is_some() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was ended"));
        }
        // An answer tells that the head is in, or that it was bad: Pingora refuses some before any hook of ours runs.
        if self.connection.protocol == Protocol::Http1 && self.connection.turns.awaits_head() {
            self.connection.head_arrived();
            ListenerCounters::add(&self.counters.malformed);
            let is_tunnel = parts.iter().any(|part| part.starts_with(b"HTTP/1.1 405"));
            self.gathered.extend_from_slice(if is_tunnel { TUNNEL_ANSWER } else { MALFORMED_ANSWER });
            self.is_engines = true;
        }
        self.unflushed = true;
        self.quiet_rounds = 0;
        if let Some(speech) = self.connection.speaking.take() {
            self.follower = Some(Follower::new(speech));
        }
        Ok(())
    }

    /// Notes that so much of these parts is on its way.
    fn follow(&mut self, parts: &[IoSlice<'_>], mut written: usize) {
        let Some(follower) = &mut self.follower else { return };
        for part in parts {
            let passed = part.get(..written).unwrap_or(part);
            follower.follow(passed);
            written -= passed.len();
        }
    }

    /// Counts the frames in bytes that came or went. Gives whether the connection had to end for them.
    fn is_flooded_by(&mut self, way: FrameWay, bytes: &[u8], context: &mut Context<'_>) -> bool {
        let Some(frames) = &mut self.frames else { return false };
        let counted = match way {
            FrameWay::In => frames.read(bytes, Instant::now()),
            FrameWay::Out => frames.written(bytes, Instant::now()),
        };
        if counted.is_err() {
            self.end(End::Flood, context);
        }
        counted.is_err()
    }

    /// What a write has to wait for, besides the socket.
    fn wait_to_write<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Poll::Ready(end) = self.deadlines.poll_write(context) {
            self.end(end, context);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    /// Writes out what was gathered, and with it the parts. Gives how much of the parts is gone.
    fn poll_write_through(&mut self, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let gathered = self.gathered.len();
            let written = match parts {
                [part] if gathered == 0 => ready!(self.wire.poll_write(context, part))?,
                _ => {
                    let mut slices = [IoSlice::new(&[]); 8];
                    let sources = std::iter::once(&self.gathered[..]).chain(parts.iter().map(|part| &**part));
                    let sources = sources.filter(|source| !source.is_empty());
                    let filled = slices.iter_mut().zip(sources).map(|(slice, source)| *slice = IoSlice::new(source));
                    let filled = filled.count();
                    ready!(self.wire.poll_write_vectored(context, slices.get(..filled).unwrap_or(&slices)))?
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.deadlines.wrote_some();
            if written < gathered {
                self.gathered.advance(written);
                continue;
            }
            // Not `advance`: that would give up the room before it.
            self.gathered.clear();
            if written > gathered {
                return Poll::Ready(Ok(written - gathered));
            }
        }
    }

    /// Writes out all that was gathered, and what rustls has of it.
    fn poll_empty(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let written = ready!(self.wire.poll_write(context, &self.gathered))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.deadlines.wrote_some();
            if written == self.gathered.len() {
                self.gathered.clear();
            } else {
                self.gathered.advance(written);
            }
        }
        ready!(self.wire.poll_flush(context))?;
        self.deadlines.wrote_some();
        self.unflushed = false;
        if self.gathered.capacity() > KEEP_MOST {
            self.gathered = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Lets unflushed bytes leave when nothing more has been written for a few rounds of the task.
    fn flush_when_quiet(&mut self, context: &mut Context<'_>) {
        if !self.unflushed {
            return;
        }
        if self.quiet_rounds < QUIET_ROUNDS {
            self.quiet_rounds += 1;
            context.waker().wake_by_ref();
        } else {
            // An error comes again at the next write. Where the socket is full, its waker brings us back here.
            let _ = self.poll_empty(context);
        }
    }
}

/// Which way frames go.
#[derive(Clone, Copy, Debug)]
enum FrameWay {
    In,
    Out,
}

impl AsyncRead for Downstream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ended.is_some() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match this.wire.poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                if buffer.filled().len() > before {
                    this.deadlines.read_some();
                    let fresh = buffer.filled().get(before..).unwrap_or_default();
                    if this.is_flooded_by(FrameWay::In, fresh, context) {
                        buffer.set_filled(before);
                    }
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                this.flush_when_quiet(context);
                let end = ready!(this.deadlines.poll_read(context));
                this.end(end, context);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Downstream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.begin_write(parts)?;
        let size = parts.iter().map(|part| part.len()).sum::<usize>();
        // Ours has been said in its place; the connection closes after it.
        if this.is_engines {
            return Poll::Ready(Ok(size));
        }
        let written = if this.gathered.len() + size <= GATHER_MOST {
            for part in parts {
                this.gathered.extend_from_slice(part);
            }
            size
        } else {
            match this.poll_write_through(context, parts) {
                Poll::Pending => return this.wait_to_write(context),
                done => ready!(done)?,
            }
        };
        this.follow(parts, written);
        let mut left = written;
        for part in parts {
            let gone = part.get(..left.min(part.len())).unwrap_or_default();
            left -= gone.len();
            if this.is_flooded_by(FrameWay::Out, gone, context) {
                break;
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ended.is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        match this.poll_empty(context) {
            Poll::Pending => this.wait_to_write(context),
            done => done,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let emptied = match this.poll_empty(context) {
            Poll::Pending if this.ended.is_none() => return this.wait_to_write(context),
            emptied => emptied,
        };
        ready!(emptied)?;
        if this.lingering.is_none() {
            ready!(this.wire.poll_shutdown(context))?;
            if this.ended.is_some() && !this.has_last_word {
                return Poll::Ready(Ok(()));
            }
        }
        this.lingering.get_or_insert_with(Lingering::new).poll(this.wire.socket(), context).map(Ok)
    }
}

#[async_trait]
impl Shutdown for Downstream {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
        self.ended.get_or_insert(End::Stopping);
    }
}

impl GetProxyDigest for Downstream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.proxy_digest))
    }
}

impl GetSocketDigest for Downstream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket_digest))
    }
}

impl GetTimingDigest for Downstream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl Ssl for Downstream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.ssl_digest.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        Some(match self.connection.protocol {
            Protocol::Http1 => ALPN::H1,
            Protocol::Http2 => ALPN::H2,
        })
    }
}

impl UniqueID for Downstream {
    fn id(&self) -> UniqueIDType {
        // Unique among open connections, as an open socket's number is.
        match &self.wire {
            Wire::Plain(socket) => socket.as_raw_fd(),
            Wire::Tls(stream) => stream.get_ref().0.as_raw_fd(),
        }
    }
}

impl Peek for Downstream {}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::proxy::connection::{Closing, Speaking, Ties, Turns};
    use crate::proxy::last_word::Speech;

    /// A connection with a request whose head is in.
    async fn pair() -> (Downstream, TcpStream) {
        let (stream, client) = fresh_pair().await;
        stream.connection.head_arrived();
        (stream, client)
    }

    /// A connection whose first head has yet to come.
    async fn fresh_pair() -> (Downstream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let client = TcpStream::connect(address).await.expect("a connection");
        let (socket, peer) = listener.accept().await.expect("a connection");
        let connection = Arc::new(Connection {
            id: 1,
            peer,
            via: None,
            local: address,
            scheme: Scheme::Http,
            protocol: Protocol::Http1,
            server_name: None,
            certificate: None,
            tls: None,
            turns: Turns::default(),
            ties: Ties::default(),
            speaking: Speaking::default(),
        });
        let minute = Duration::from_secs(60);
        let counters = Arc::new(ListenerCounters::default());
        (Downstream::new(Wire::Plain(socket), connection, minute, minute, counters).expect("a stream"), client)
    }

    /// Polls a read once, as a task does that waits for the client.
    async fn look(stream: &mut Downstream) {
        poll_fn(|context| {
            let mut byte = [0];
            assert!(Pin::new(&mut *stream).poll_read(context, &mut ReadBuf::new(&mut byte)).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn small_writes_leave_together_at_the_flush() {
        let (mut stream, mut client) = pair().await;
        stream.write_all(b"head ").await.expect("written");
        look(&mut stream).await;
        stream.write_all(b"body").await.expect("written");
        assert_eq!(stream.gathered, b"head body"[..]);
        stream.flush().await.expect("flushed");
        assert!(stream.gathered.is_empty() && stream.gathered.capacity() > 0);
        let mut text = [0; 100];
        assert_eq!(client.read(&mut text).await.expect("read"), 9);
    }

    #[tokio::test]
    async fn an_answer_to_a_head_that_no_hook_has_seen_is_ours_and_under_no_deadline() {
        let (mut stream, mut client) = fresh_pair().await;
        assert!(stream.connection.turns.awaits_head());
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nServer: engine\r\n\r\n").await.expect("written");
        assert!(!stream.connection.turns.awaits_head());
        stream.write_all(b"more of it").await.expect("swallowed");
        stream.flush().await.expect("flushed");
        drop(stream);
        let mut text = Vec::new();
        client.read_to_end(&mut text).await.expect("read");
        assert_eq!(text, MALFORMED_ANSWER);
    }

    #[tokio::test]
    async fn what_nobody_flushes_leaves_after_a_few_quiet_rounds() {
        let (mut stream, mut client) = pair().await;
        stream.write_all(b"head").await.expect("written");
        for _ in 0..=QUIET_ROUNDS {
            assert!(stream.unflushed);
            look(&mut stream).await;
        }
        assert!(!stream.unflushed);
        let mut text = [0; 4];
        client.read_exact(&mut text).await.expect("read");
        assert_eq!(&text, b"head");
    }

    #[tokio::test]
    async fn a_stream_without_an_end_gets_a_last_word_where_there_is_room_for_one() {
        let head = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
        for (frames, last) in [("\u{1}\u{2}hi", "\u{c}\u{3}"), ("\u{1}\u{9}hi", "")] {
            let (mut stream, mut client) = pair().await;
            stream.connection.speaks(Speech::WebSocket);
            stream.write_all(head.as_bytes()).await.expect("written");
            stream.write_all(frames.as_bytes()).await.expect("written");
            stream.connection.turns.close(Closing::Now);
            let mut text = Vec::new();
            assert_eq!(stream.read(&mut [0]).await.expect("an end"), 0);
            drop(stream);
            client.read_to_end(&mut text).await.expect("read");
            let told = text.strip_prefix(format!("{head}{frames}").as_bytes()).expect("what was written");
            let told: String = told.iter().filter(|byte| **byte < 0x80).map(|byte| char::from(*byte)).collect();
            let expected = if last.is_empty() { String::new() } else { format!("{last}going away") };
            assert_eq!(told, expected);
        }
    }

    #[tokio::test]
    async fn large_writes_keep_the_order_and_give_their_buffer_back() {
        let (mut stream, mut client) = pair().await;
        let sizes = [1, GATHER_MOST - 1, 1, GATHER_MOST + 1, 3, 1 << 20, 5, GATHER_MOST, 1 << 21, 7];
        let expected: Vec<u8> = (0..sizes.iter().sum::<usize>()).map(|place| (place % 251) as u8).collect();
        let reading = async {
            let mut text = Vec::new();
            client.read_to_end(&mut text).await.expect("read");
            text
        };
        let writing = async {
            let mut left = expected.as_slice();
            for size in sizes {
                let (part, rest) = left.split_at(size);
                stream.write_all(part).await.expect("written");
                left = rest;
            }
            stream.flush().await.expect("flushed");
            let capacity = stream.gathered.capacity();
            drop(stream);
            capacity
        };
        let (text, capacity) = tokio::join!(reading, writing);
        assert!(text == expected);
        assert!(capacity <= KEEP_MOST, "{capacity}");
    }

    #[tokio::test]
    async fn a_closed_connection_is_read_on_so_that_its_answer_survives() {
        let (mut stream, mut client) = pair().await;
        client.write_all(&[b'x'; 100_000]).await.expect("written");
        stream.write_all(b"answer").await.expect("written");
        let closing = async move {
            // As Pingora does it.
            AsyncWriteExt::shutdown(&mut stream).await.expect("closed");
            drop(stream);
        };
        let ((), text) = tokio::join!(closing, async {
            let mut text = Vec::new();
            let mut scrap = [0; 16];
            // Still sending when the answer comes.
            for _ in 0..10 {
                client.write_all(&[b'x'; 100_000]).await.expect("not reset");
            }
            while let Ok(read @ 1..) = client.read(&mut scrap).await {
                text.extend_from_slice(scrap.get(..read).expect("what was read"));
            }
            drop(client);
            text
        });
        assert_eq!(text, b"answer");
    }
}
