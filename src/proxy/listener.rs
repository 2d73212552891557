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
use ipnet::IpNet;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp};
use pingora_core::protocols::TcpKeepalive;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::l4::ext::set_tcp_keepalive;
use pingora_core::server::ShutdownWatch;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Closing, Connection, Protocol, Scheme, Speaking, Ties, Turns};
use super::drain::Drain;
use super::handshake::{self, Met};
use super::http2;
use super::proxy_protocol::{self, Client};
use super::stream::Downstream;
use super::wire::Wire;
use crate::state::clock::Clock;
use crate::state::counters::ListenerCounters;
use crate::state::seldom::Seldom;

pub use super::handshake::Tls;

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
    /// Whose connections begin with a header of the PROXY protocol. `None`: nobody's, and none is looked for.
    pub proxies: Option<Arc<[IpNet]>>,
    /// How long running requests may take to end when the gateway stops.
    pub grace: Duration,
}

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Arc<TcpListener>,
    tls: Option<Arc<Tls>>,
    counters: Arc<ListenerCounters>,
}

impl Listener {
    /// Listens without TLS.
    #[must_use]
    pub fn http(socket: Arc<TcpListener>, counters: Arc<ListenerCounters>) -> Self {
        Self { socket, tls: None, counters }
    }

    /// Listens with TLS.
    #[must_use]
    pub fn https(socket: Arc<TcpListener>, tls: Arc<Tls>, counters: Arc<ListenerCounters>) -> Self {
        Self { socket, tls: Some(tls), counters }
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
        A: HttpServerApp + Send + Sync + 'static,
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
            let (app, limits, proxies) = {
                let serving = serving.load();
                (Arc::clone(&serving.app), serving.limits, serving.proxies.clone())
            };
            let Some(place) = Place::take(&counters, limits.connections) else {
                tracing::debug!(%peer, "too many connections are open");
                continue;
            };
            let (tls, counters, open) = (tls.clone(), Arc::clone(&counters), Arc::clone(&open));
            let (shutdown, drain) = (shutdown.clone(), Arc::clone(&drain));
            tasks.spawn(async move {
                let _place = place;
                // Apart, for a handshake needs more room than a connection that waits.
                let arrival = Box::pin(arrive(socket, peer, tls, proxies, limits, counters, open));
                if let Some((stream, connection, _listed)) = arrival.await {
                    let stream = Box::new(stream);
                    match connection.protocol {
                        Protocol::Http1 => serve_http1(&app, stream, &shutdown).await,
                        Protocol::Http2 => {
                            // Apart, for it is the larger of the two.
                            Box::pin(http2::serve(&app, stream, &connection, limits.idle, shutdown, &drain)).await;
                        }
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

/// The connections past their handshake, to tell them that we stop.
#[derive(Debug, Default)]
struct Open {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    /// How they are being closed, once they are.
    closing: Option<Closing>,
    by_id: HashMap<u64, Weak<Connection>>,
}

impl Open {
    fn list(self: &Arc<Self>, connection: &Arc<Connection>) -> Listed {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(closing) = connections.closing {
            connection.turns.close(closing);
        }
        connections.by_id.insert(connection.id, Arc::downgrade(connection));
        Listed { open: Arc::clone(self), id: connection.id }
    }

    fn close(&self, closing: Closing) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.closing = Some(closing);
        for connection in connections.by_id.values().filter_map(Weak::upgrade) {
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
        self.open.connections.lock().unwrap_or_else(PoisonError::into_inner).by_id.remove(&self.id);
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

/// How long Pingora waits for the rest of a head, whose own time is shorter.
const HTTP1_KEEPALIVE_SECONDS: u64 = 60;

/// Serves an HTTP/1 connection to its end.
///
/// Pingora makes a session, and with it all that a request may ever need, when it begins to wait for one. So the waiting is done here: a
/// connection that is idle, as most are most of the time, takes a third of the memory.
async fn serve_http1<A>(app: &Arc<A>, mut stream: Box<Downstream>, shutdown: &ShutdownWatch)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let mut settings: Option<HttpPersistentSettings> = None;
    while stream.next_request().await {
        let mut session = ServerSession::new_http1(stream);
        match settings {
            Some(settings) => settings.apply_to_session(&mut session),
            None => session.set_keepalive((!*shutdown.borrow()).then_some(HTTP1_KEEPALIVE_SECONDS)),
        }
        let Some(reused) = app.process_new_http(session, shutdown).await else { return };
        let (next, its_settings) = reused.consume();
        // It is the one that went in.
        let Ok(next) = next.into_any().downcast::<Downstream>() else { return };
        (stream, settings) = (next, its_settings);
        stream.begin_request();
    }
}

/// From an accepted socket to a stream that Pingora can serve. `None`: it came to nothing, and a debug line says why.
async fn arrive(
    mut socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    proxies: Option<Arc<[IpNet]>>,
    limits: Limits,
    counters: Arc<ListenerCounters>,
    open: Arc<Open>,
) -> Option<(Downstream, Arc<Connection>, Listed)> {
    let Ok(local) = socket.local_addr() else { return None };
    // Answers leave when they are whole, and we gather them ourselves.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY cannot be set");
    }
    if let Err(error) = set_tcp_keepalive(&socket, &KEEPALIVE) {
        tracing::debug!(%peer, %error, "TCP keep-alive cannot be set");
    }
    let (peer, via) = match timeout(limits.header_read, whose(&mut socket, peer, proxies.as_deref())).await {
        Ok(Ok(whose)) => whose,
        Ok(Err(error)) => {
            // One that closes without a word looks whether we are there.
            if error.kind() != io::ErrorKind::UnexpectedEof {
                ListenerCounters::add(&counters.proxy_headers_refused);
            }
            tracing::debug!(%peer, %error, "a connection is closed because of its PROXY header");
            return None;
        }
        Err(_) => {
            ListenerCounters::add(&counters.header_timeouts);
            tracing::debug!(%peer, "no PROXY header came in time");
            return None;
        }
    };
    let mut connection = Connection {
        id: next_id(),
        peer,
        via,
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
            let failed = |why: &dyn std::fmt::Display| {
                ListenerCounters::add(&counters.handshake_failed);
                tracing::debug!(%peer, why = %why, "the handshake failed");
            };
            match timeout(limits.header_read, tls.accept(socket)).await {
                Ok(Ok(Met::Client(stream, certificate))) => {
                    handshake::note(&mut connection, stream.get_ref().1, certificate);
                    Wire::Tls(stream)
                }
                Ok(Ok(Met::Challenged(mut stream))) => {
                    tracing::debug!(%peer, "a challenge certificate was shown");
                    // RFC 8737, section 3: the handshake is all there is.
                    let _ = timeout(limits.header_read, stream.shutdown()).await;
                    return None;
                }
                Ok(Err(error)) => {
                    failed(&error);
                    return None;
                }
                Err(_) => {
                    failed(&"it took too long");
                    return None;
                }
            }
        }
    };
    let connection = Arc::new(connection);
    let listed = open.list(&connection);
    match Downstream::new(wire, Arc::clone(&connection), limits.header_read, limits.idle, counters) {
        Ok(stream) => Some((stream, connection, listed)),
        Err(error) => {
            tracing::error!(%error, "a connection cannot be described to the proxy");
            None
        }
    }
}

/// Whose a connection is: the other end's, or that of whom the proxy there connects for; then with the proxy's address.
async fn whose(
    socket: &mut TcpStream,
    peer: SocketAddr,
    proxies: Option<&[IpNet]>,
) -> io::Result<(SocketAddr, Option<SocketAddr>)> {
    static TOLD: Seldom = Seldom::new();
    let Some(proxies) = proxies else { return Ok((peer, None)) };
    if proxies.iter().any(|network| network.contains(&peer.ip().to_canonical())) {
        return match proxy_protocol::read(socket).await {
            Ok(Client::At(client)) => Ok((client, Some(peer))),
            Ok(Client::Unnamed) => Ok((peer, Some(peer))),
            Err(error) => {
                if error.kind() == io::ErrorKind::InvalidData && TOLD.is_due(Clock.now()) {
                    tracing::warn!(%peer, %error, "connections of a trusted proxy are refused");
                }
                Err(error)
            }
        };
    }
    // Nobody else may speak for others; and what comes behind such a header would be another's request.
    if proxy_protocol::begins(socket).await? {
        if TOLD.is_due(Clock.now()) {
            let help = "if it is yours, name it in `server.trusted_proxies`";
            tracing::warn!(%peer, help, "connections are refused: they have a PROXY header, but no trusted proxy's");
        }
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a trusted proxy's"));
    }
    Ok((peer, None))
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

#[cfg(test)]
#[path = "listener_house.rs"]
mod house;

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod handshake_tests;
