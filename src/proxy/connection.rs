//! One customer's connection, as the corridor knows it.
//!
//! The stream under Pingora and the hooks above it meet here: the stream says who is at the other end, and the hooks say
//! when a request's head is in, and which session must not outlive its end. HTTP/2 runs many requests over one
//! connection, from many tasks; all that they change is atomic or behind a lock that nobody holds for long.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::task::AtomicWaker;
use pingora_core::protocols::Digest;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::last_word::Speech;
use crate::state::certificates::Certificate;
use crate::types::HostName;

/// How a connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1: one request at a time.
    Http1,
    /// HTTP/2: many requests at a time.
    Http2,
}

/// What was agreed in the TLS handshake, for logs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite.
    pub cipher: &'static str,
    /// The key exchange; a resumed TLS 1.2 session has none.
    pub key_exchange: Option<&'static str>,
    /// Whether a ticket shortened the handshake.
    pub resumed: bool,
}

/// What the corridor may know of, and do to, the connection a request came on.
#[derive(Debug)]
pub struct Connection {
    /// A number of its own, for logs.
    pub id: u64,
    /// The client: the other end, or whom the proxy there connects for.
    pub peer: SocketAddr,
    /// The proxy at the other end, where one said by the PROXY protocol whom it connects for. It is the peer too where it
    /// named nobody.
    pub via: Option<SocketAddr>,
    /// Our end.
    pub local: SocketAddr,
    /// With or without TLS.
    pub scheme: Scheme,
    /// Which HTTP it speaks.
    pub protocol: Protocol,
    /// The name the client asked for in the handshake.
    pub server_name: Option<HostName>,
    /// The certificate it was served.
    pub certificate: Option<Arc<Certificate>>,
    /// What the handshake agreed.
    pub tls: Option<TlsFacts>,
    pub(super) turns: Turns,
    pub(super) ties: Ties,
    pub(super) speaking: Speaking,
}

impl Connection {
    /// The connection a Pingora session came on. `None` only for a session that no listener of ours took in.
    #[must_use]
    pub fn of(session: &pingora::proxy::Session) -> Option<Arc<Self>> {
        session.digest().and_then(Self::of_digest)
    }

    /// The connection that a digest of Pingora's belongs to. Our streams carry it where Pingora keeps what a proxy in front
    /// of it said, the one place that a digest has for the facts of others.
    #[must_use]
    pub fn of_digest(digest: &Digest) -> Option<Arc<Self>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref::<Arc<Self>>().cloned()
    }

    /// The head of a request has arrived. Stops its deadline until the next request begins; with HTTP/2, for good.
    pub fn head_arrived(&self) {
        self.turns.head_arrived();
    }

    /// Whether no request shall begin on it any more, for we stop: an answer under way says so.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.turns.closing() != Closing::Not
    }

    /// The answer that comes next goes on without an end. With HTTP/2 streams share the connection, and HTTP/2 has a last word of
    /// its own.
    pub(super) fn speaks(&self, speech: Speech) {
        if self.protocol == Protocol::Http1 {
            self.speaking.set(speech);
        }
    }

    /// Ties the connection to a session for as long as the guard lives. When `ended` is cancelled meanwhile, the connection
    /// ends a moment later: reads find the end, writes fail. The moment is for the answer that told of the log-out, which
    /// may be on its way on the same HTTP/2 connection.
    #[must_use = "the connection is free again when the guard is dropped"]
    pub fn end_with(self: &Arc<Self>, ended: CancellationToken) -> EndGuard {
        // Nobody has to be woken: the task that serves this request is the connection's own, and reads next.
        EndGuard { connection: Arc::clone(self), id: self.ties.add(ended) }
    }
}

/// Keeps a connection tied to a session; see [`Connection::end_with`].
#[derive(Debug)]
pub struct EndGuard {
    connection: Arc<Connection>,
    id: u64,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.connection.ties.remove(self.id);
    }
}

/// Whether and how a connection is about to close.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(super) enum Closing {
    /// It is not.
    Not = 0,
    /// After the next request, or when none comes for a while: a client that is just sending one gets its answer.
    Patiently = 1,
    /// After the request under way.
    Soon = 2,
    /// Now, whatever is under way.
    Now = 3,
}

/// Whose turn it is: has a request begun, has its head arrived, may another begin.
#[derive(Debug)]
pub(super) struct Turns {
    begun: AtomicU32,
    arrived: AtomicU32,
    closing: AtomicU8,
    /// Told when the first head arrives.
    first: Notify,
    /// Wakes the task that reads, to look again.
    pub(super) reader: AtomicWaker,
}

impl Default for Turns {
    fn default() -> Self {
        // The first head is awaited from the start.
        let (begun, arrived) = (AtomicU32::new(1), AtomicU32::new(0));
        let closing = AtomicU8::new(Closing::Not as u8);
        Self { begun, arrived, closing, first: Notify::new(), reader: AtomicWaker::new() }
    }
}

impl Turns {
    /// The next request begins: its head is awaited.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Release);
    }

    /// Which request is the latest to have begun.
    pub(super) fn latest(&self) -> u32 {
        self.begun.load(Ordering::Acquire)
    }

    pub(super) fn head_arrived(&self) {
        if self.arrived.swap(self.latest(), Ordering::AcqRel) == 0 {
            self.first.notify_one();
        }
    }

    /// Resolves once a head has arrived, be it long ago. For one who waits, and once.
    pub(super) async fn first_head(&self) {
        self.first.notified().await;
    }

    /// Whether a head has yet to arrive.
    pub(super) fn awaits_head(&self) -> bool {
        self.arrived.load(Ordering::Acquire) != self.latest()
    }

    /// Whether any head has arrived so far.
    pub(super) fn served_any(&self) -> bool {
        self.arrived.load(Ordering::Acquire) != 0
    }

    /// The connection shall close. It never closes less soon than it was told before.
    pub(super) fn close(&self, how: Closing) {
        self.closing.fetch_max(how as u8, Ordering::AcqRel);
        self.reader.wake();
    }

    pub(super) fn closing(&self) -> Closing {
        match self.closing.load(Ordering::Acquire) {
            0 => Closing::Not,
            1 => Closing::Patiently,
            2 => Closing::Soon,
            _ => Closing::Now,
        }
    }
}

/// Whether the answer under way has an end of its own.
#[derive(Debug, Default)]
pub(super) struct Speaking(AtomicU8);

impl Speaking {
    const WEB_SOCKET: u8 = 1;
    const EVENTS: u8 = 2;

    fn set(&self, speech: Speech) {
        let value = match speech {
            Speech::WebSocket => Self::WEB_SOCKET,
            Speech::Events => Self::EVENTS,
        };
        self.0.store(value, Ordering::Release);
    }

    /// Tells it once.
    pub(super) fn take(&self) -> Option<Speech> {
        // Nearly every answer has an end, and this is asked at each write.
        if self.0.load(Ordering::Acquire) == 0 {
            return None;
        }
        match self.0.swap(0, Ordering::AcqRel) {
            Self::WEB_SOCKET => Some(Speech::WebSocket),
            Self::EVENTS => Some(Speech::Events),
            _ => None,
        }
    }
}

/// The sessions that a connection must not outlive.
#[derive(Debug, Default)]
pub(super) struct Ties {
    changes: AtomicU64,
    tokens: Mutex<Vec<(u64, CancellationToken)>>,
}

impl Ties {
    /// Counts additions and removals, so that a reader sees without the lock whether to look.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, Vec<(u64, CancellationToken)>> {
        // A list of tokens is whole after any panic.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, token: CancellationToken) -> u64 {
        let mut tokens = self.tokens();
        let id = self.changes.fetch_add(1, Ordering::Release);
        tokens.push((id, token));
        id
    }

    fn remove(&self, id: u64) {
        let mut tokens = self.tokens();
        tokens.retain(|(other, _)| *other != id);
        self.changes.fetch_add(1, Ordering::Release);
    }
}
