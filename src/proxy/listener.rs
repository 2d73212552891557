//! Takes connections in: TCP, TLS by server name, and the limits that hold before a request has begun.
//!
//! A connection over the limit is closed before its handshake, for that is what costs. A handshake without a server name,
//! or with one that is not ours, fails: nothing is kept of it and no log line at `info` tells of it, so that a storm of
//! made-up names fills neither memory nor disk.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::l4::ext::set_tcp_keepalive;
use pingora_core::protocols::{Stream, TcpKeepalive};
use pingora_core::server::ShutdownWatch;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Closing, Connection, Protocol, Scheme, Speaking, Ties, TlsFacts, Turns};
use super::drain::Drain;
use super::stream::Downstream;
use super::wire::Wire;
use crate::state::certificates::Certificates;
use crate::state::counters::ListenerCounters;
use crate::types::HostName;

/// How long to wait after a failed accept, at least and at most: the usual cause is that no file descriptor is free, and
/// accepting again at once would only fail again.
const PAUSE_LEAST: Duration = Duration::from_millis(10);
const PAUSE_MOST: Duration = Duration::from_secs(1);

/// When the time to drain is over: how long a last word may take to leave, and how long when somebody is in a hurry.
const LAST_WORDS: Duration = Duration::from_secs(2);
const LAST_MOMENT: Duration = Duration::from_millis(300);

/// How many connections are still taken in when a listener is retired: as many as wait at most for being accepted, and no more, for
/// somebody who floods it with ever new ones would keep it open.
const LAST_ONES: u32 = 1024;

/// Finds clients that vanished without a word while a stream to them stands still: an event stream, a WebSocket.
const KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(60),
    interval: Duration::from_secs(15),
    count: 4,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};

/// The named limits of `[server.limits]` that hold for a connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at a time, on all listeners that share their counters.
    pub connections: usize,
    /// From the first byte of a request's head to its last, and for a whole handshake.
    pub header_read: Duration,
    /// With no request under way; and for a client that reads nothing of its answer.
    pub idle: Duration,
}

/// What connections are served with. A reload puts another in force, which counts for the connections that come after it.
#[derive(Debug)]
pub struct Serving<A> {
    /// Pingora's engine.
    pub app: Arc<A>,
    /// The limits.
    pub limits: Limits,
    /// How long running requests may take to end when the gateway stops.
    pub grace: Duration,
}

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Arc<TcpListener>,
    tls: Option<Tls>,
    counters: Arc<ListenerCounters>,
}

/// What a TLS listener needs.
#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
    certificates: Arc<Certificates>,
}

impl Listener {
    /// Listens without TLS.
    #[must_use]
    pub fn http(socket: Arc<TcpListener>, counters: Arc<ListenerCounters>) -> Self {
        Self { socket, tls: None, counters }
    }

    /// Listens with TLS; see [`tls_config`].
    #[must_use]
    pub fn https(
        socket: Arc<TcpListener>,
        tls: Arc<ServerConfig>,
        certificates: Arc<Certificates>,
        counters: Arc<ListenerCounters>,
    ) -> Self {
        Self { socket, tls: Some(Tls { acceptor: tls.into(), certificates }), counters }
    }

    /// Takes connections in until `shutdown` turns true. Then the socket closes, connections without a request under way
    /// end, and the others may finish; when the time for that is over, they end with a last word where there is one. Returns when
    /// all have ended.
    ///
    /// Once it is `retired`, for its address is served no longer, it takes no more connections in, and those that it has live on
    /// as they would have.
    pub async fn run<A>(
        self,
        serving: Arc<ArcSwap<Serving<A>>>,
        mut shutdown: ShutdownWatch,
        retired: CancellationToken,
        drain: Arc<Drain>,
    ) where
        A: ServerApp + Send + Sync + 'static,
    {
        let Self { socket, tls, counters } = self;
        let tasks = TaskTracker::new();
        let open = Arc::new(Open::default());
        let mut pause = PAUSE_LEAST;
        let mut last_ones = LAST_ONES;
        loop {
            let accepted = tokio::select! {
                biased;
                () = turned(&mut shutdown) => break,
                // Before the look whether it is retired: the system has taken in whoever waits here, and would reset them.
                accepted = socket.accept() => accepted,
                () = retired.cancelled() => break,
            };
            if retired.is_cancelled() {
                last_ones -= 1;
                if last_ones == 0 {
                    break;
                }
            }
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if !ended_early(&error) {
                        tracing::warn!(%error, pause = ?pause, "no connection can be accepted");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSE_MOST);
                    }
                    continue;
                }
            };
            pause = PAUSE_LEAST;
            let (app, limits) = {
                let serving = serving.load();
                (Arc::clone(&serving.app), serving.limits)
            };
            let Some(place) = Place::take(&counters, limits.connections) else {
                tracing::debug!(%peer, "too many connections are open");
                continue;
            };
            let (tls, counters, open) = (tls.clone(), Arc::clone(&counters), Arc::clone(&open));
            let shutdown = shutdown.clone();
            tasks.spawn(async move {
                let _place = place;
                if let Some((stream, _listed)) = arrive(socket, peer, tls, limits, counters, open).await {
                    let mut stream: Option<Stream> = Some(Box::new(stream));
                    while let Some(next) = stream {
                        stream = app.process_new(next, &shutdown).await;
                    }
                }
            });
        }
        drop(socket);
        tasks.close();
        tokio::select! {
            () = tasks.wait() => return,
            () = turned(&mut shutdown) => {}
        }
        open.close(if drain.is_patient() { Closing::Patiently } else { Closing::Soon });
        let grace = serving.load().grace;
        tokio::select! {
            () = tasks.wait() => return,
            () = tokio::time::sleep(grace) => {}
            () = drain.hurried() => {}
        }
        tracing::info!(connections = tasks.len(), "the time to drain is over");
        open.close(Closing::Now);
        let patience = if drain.is_over() { LAST_MOMENT } else { LAST_WORDS };
        // A client that reads nothing keeps nobody here.
        let _ = timeout(patience, tasks.wait()).await;
    }
}

/// The TLS settings of a listener: 1.2 and 1.3, post-quantum key exchange first, HTTP/2 before HTTP/1.1.
///
/// Tickets make a returning customer's handshake short. Their keys live in memory only and are replaced every six hours, and
/// a ticket opens for twelve at most, so that a key stolen later tells little of the past. Early data stays off: it
/// can be replayed.
#[must_use]
pub fn tls_config(certificates: Arc<Certificates>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has cipher suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match aws_lc_rs::Ticketer::new() {
        Ok(ticketer) => config.ticketer = ticketer,
        Err(error) => tracing::warn!(%error, "no session tickets: every handshake will be a full one"),
    }
    config.send_half_rtt_data = false;
    config.max_early_data_size = 0;
    Arc::new(config)
}

/// The connections past their handshake, to tell them that we stop.
#[derive(Debug, Default)]
struct Open {
    connections: Mutex<(Option<Closing>, HashMap<u64, Weak<Connection>>)>,
}

impl Open {
    fn list(self: &Arc<Self>, connection: &Arc<Connection>) -> Listed {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(closing) = connections.0 {
            connection.turns.close(closing);
        }
        connections.1.insert(connection.id, Arc::downgrade(connection));
        Listed { open: Arc::clone(self), id: connection.id }
    }

    fn close(&self, closing: Closing) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.0 = Some(closing);
        for connection in connections.1.values().filter_map(Weak::upgrade) {
            connection.turns.close(closing);
        }
    }
}

/// A connection's entry in the list; gone when dropped.
struct Listed {
    open: Arc<Open>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.open.connections.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.id);
    }
}

/// A place among the connections that may be open at a time. Given back when dropped, after a panic too.
struct Place(Arc<ListenerCounters>);

impl Place {
    fn take(counters: &Arc<ListenerCounters>, most: usize) -> Option<Self> {
        ListenerCounters::add(&counters.accepted);
        // Counted before it is compared, so that two listeners cannot both take the last place.
        let place = Self(Arc::clone(counters));
        let before = counters.open.fetch_add(1, Ordering::Relaxed);
        if usize::try_from(before).is_ok_and(|before| before < most) {
            return Some(place);
        }
        ListenerCounters::add(&counters.refused_over_limit);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// From an accepted socket to a stream that Pingora can serve. `None`: it came to nothing, and a debug line says why.
async fn arrive(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    limits: Limits,
    counters: Arc<ListenerCounters>,
    open: Arc<Open>,
) -> Option<(Downstream, Listed)> {
    let Ok(local) = socket.local_addr() else { return None };
    // Answers leave when they are whole, and we gather them ourselves.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY cannot be set");
    }
    if let Err(error) = set_tcp_keepalive(&socket, &KEEPALIVE) {
        tracing::debug!(%peer, %error, "TCP keep-alive cannot be set");
    }
    let mut connection = Connection {
        id: next_id(),
        peer,
        local,
        scheme: Scheme::Http,
        protocol: Protocol::Http1,
        server_name: None,
        certificate: None,
        tls: None,
        turns: Turns::default(),
        ties: Ties::default(),
        speaking: Speaking::default(),
    };
    let wire = match tls {
        None => Wire::Plain(socket),
        Some(tls) => {
            let stream = match timeout(limits.header_read, tls.acceptor.accept(socket)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    ListenerCounters::add(&counters.handshake_failed);
                    tracing::debug!(%peer, %error, "the handshake failed");
                    return None;
                }
                Err(_) => {
                    ListenerCounters::add(&counters.handshake_failed);
                    tracing::debug!(%peer, "the handshake took too long");
                    return None;
                }
            };
            note_handshake(&mut connection, stream.get_ref().1, &tls.certificates);
            Wire::Tls(Box::new(stream))
        }
    };
    let connection = Arc::new(connection);
    let listed = open.list(&connection);
    match Downstream::new(wire, connection, limits.header_read, limits.idle, counters) {
        Ok(stream) => Some((stream, listed)),
        Err(error) => {
            tracing::error!(%error, "a connection cannot be described to the proxy");
            None
        }
    }
}

fn note_handshake(connection: &mut Connection, tls: &ServerConnection, certificates: &Certificates) {
    connection.scheme = Scheme::Https;
    if tls.alpn_protocol() == Some(b"h2") {
        connection.protocol = Protocol::Http2;
    }
    connection.server_name = tls.server_name().and_then(|name| HostName::parse(name).ok());
    // Looked up again, as rustls does not say which one it served. Where a new set came in between, this is its answer for
    // the same name, and covers that name just as well.
    connection.certificate = tls.server_name().and_then(|name| certificates.find(name));
    connection.tls = Some(TlsFacts {
        version: tls.protocol_version().and_then(|version| version.as_str()).map_or(
            "unknown",
            |version| match version {
                "TLSv1_2" => "TLSv1.2",
                "TLSv1_3" => "TLSv1.3",
                other => other,
            },
        ),
        cipher: tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown"),
        key_exchange: tls.negotiated_key_exchange_group().and_then(|group| group.name().as_str()),
        resumed: tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
    });
}

/// Resolves when the watch turns true, or when nobody can turn it any more.
async fn turned(shutdown: &mut ShutdownWatch) {
    let _ = shutdown.wait_for(|stopping| *stopping).await;
}

/// Whether only this one connection is lost: its client gave up before we took it in.
fn ended_early(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn next_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "listener_house.rs"]
mod house;

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
