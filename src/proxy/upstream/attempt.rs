//! One request's way to a server: the place it waits for, the servers it tries, and when it may try another.
//!
//! A request is sent again only where that can do no harm: nothing of it was sent; or a server ended the connection without a word,
//! the method is one that may be repeated (RFC 9110, section 9.2.2), and its body so far is still here.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};
use pingora_core::protocols::Stream;

use super::balance::Set;
use super::peer::{Address, UseAs};
use super::proxy_protocol_out::Client;
use super::queue::{NoPlace, Place};
use super::{Pool, Server, cause, plain};
use crate::config::{Balance, UpstreamServer};
use crate::policy::Permit;

/// How long after its first try a request may still be sent again.
const RETRY_WITHIN: Duration = Duration::from_secs(10);
/// When to come again, where no server is well and nobody asks them how they are.
const COME_AGAIN: Duration = Duration::from_secs(5);

/// One request's tries.
#[derive(Debug)]
pub(in crate::proxy) struct Attempts {
    pool: Arc<Pool>,
    place: Option<Place>,
    tried: Set,
    /// How often it may still be sent again.
    left: u32,
    began: Instant,
    current: Option<Current>,
}

/// The try under way.
#[derive(Debug)]
struct Current {
    busy: Busy,
    /// The server's place in the pool.
    index: usize,
    address: Address,
    /// Whether the server has said anything.
    is_answered: bool,
}

/// Where a connection is kept for the next request.
#[derive(Debug)]
pub(in crate::proxy) struct Shelf {
    pool: Arc<Pool>,
    index: usize,
    address: Address,
}

impl Shelf {
    /// Keeps it.
    pub(in crate::proxy) fn put(self, stream: Stream) {
        if let Some(kept) = self.pool.kept.get(self.index) {
            kept.put(self.address, stream);
        }
    }
}

/// Counts a request under way for as long as it lives.
#[derive(Debug)]
struct Busy(Arc<Server>);

impl Busy {
    fn new(server: &Arc<Server>) -> Self {
        server.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(server))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What was sent of a request that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::proxy) enum Sent {
    /// Nothing: there was no connection to send it on.
    Nothing,
    /// Perhaps all of it.
    Perhaps {
        /// On a connection that had served others before.
        reused: bool,
        /// Whether doing it twice is doing it once.
        idempotent: bool,
    },
}

impl Attempts {
    /// Of a request to these servers.
    pub(in crate::proxy) fn new(pool: Arc<Pool>) -> Self {
        let left = pool.app.upstream.retries;
        Self { pool, place: None, tried: Set::default(), left, began: Instant::now(), current: None }
    }

    /// Waits for a place, where their number is limited.
    pub(in crate::proxy) async fn enter(&mut self) -> Result<(), NoPlace> {
        if let (Some(gate), Some(limit), None) = (&self.pool.gate, self.pool.app.upstream.limit, &self.place) {
            self.place = Some(gate.enter(limit).await?);
            self.began = Instant::now();
        }
        Ok(())
    }

    /// The server that the request is sent to.
    pub(in crate::proxy) fn server(&self) -> Option<&UpstreamServer> {
        self.current.as_ref().map(|current| &current.busy.0.config)
    }

    /// Whether this is not the first try.
    pub(in crate::proxy) fn is_retry(&self) -> bool {
        !self.tried.is_empty()
    }

    /// How long somebody should wait who finds no server or no place.
    pub(in crate::proxy) fn come_again(&self) -> Duration {
        self.pool.app.upstream.health.as_ref().map_or(COME_AGAIN, |check| check.interval)
    }

    /// Whether all servers are spoken to in the clear, over HTTP/1.1 from the first byte.
    pub(in crate::proxy) fn is_plain(&self) -> bool {
        self.pool.is_plain
    }

    /// Chooses the server of the next try. Asks for the permit, so that what was not allowed has nowhere to go.
    pub(in crate::proxy) async fn next_server(&mut self, _: &Permit, client: IpAddr) -> pingora::Result<()> {
        let pool = Arc::clone(&self.pool);
        loop {
            self.current = None;
            let (index, server) = self
                .choose(client)
                .ok_or_else(|| Error::explain(ErrorType::HTTPStatus(503), "no server of the app is well"))?;
            self.tried.insert(index);
            let busy = Busy::new(&server);
            match server.addresses.next(pool.app.upstream.connect_timeout).await {
                Ok(address) => {
                    self.current = Some(Current { busy, index, address, is_answered: false });
                    return Ok(());
                }
                Err(cause) => {
                    let text = format!("resolving {}: {cause}", server.url);
                    let mut error = Error::explain(ErrorType::ConnectError, text);
                    error.esource = ErrorSource::Upstream;
                    self.server_failed(&server, &error);
                    if !self.may_go_on(&error) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// The peer of the try under way, for Pingora to connect to.
    pub(in crate::proxy) fn peer(&self, use_as: UseAs, client: Client) -> pingora::Result<Box<HttpPeer>> {
        let current = self.current()?;
        self.pool.wiring.peer(&current.busy.0.config, &current.address, use_as, Some(client))
    }

    /// A connection for the try under way, to a plain server, and whether it has served others before.
    pub(in crate::proxy) async fn connection(&self) -> pingora::Result<(Stream, bool)> {
        let current = self.current()?;
        let kept = self.pool.kept.get(current.index).and_then(|kept| kept.take(&current.address));
        match kept {
            Some(stream) => Ok((stream, true)),
            None => {
                let stream = plain::connect(&current.address, self.pool.app.upstream.connect_timeout).await?;
                Ok((stream, false))
            }
        }
    }

    /// How to have a connection of the try under way back, once its answer was read to its end.
    pub(in crate::proxy) fn shelf(&self) -> Option<Shelf> {
        let current = self.current.as_ref()?;
        Some(Shelf { pool: Arc::clone(&self.pool), index: current.index, address: current.address.clone() })
    }

    /// How long the server may take for each part of its answer.
    pub(in crate::proxy) fn response_timeout(&self) -> Duration {
        self.pool.app.upstream.response_timeout
    }

    fn current(&self) -> pingora::Result<&Current> {
        self.current.as_ref().ok_or_else(|| Error::explain(ErrorType::InternalError, "no server was chosen"))
    }

    /// The server answers, be it with an error of its own.
    pub(in crate::proxy) fn answered(&mut self) {
        let Some(current) = self.current.as_mut().filter(|current| !current.is_answered) else { return };
        current.is_answered = true;
        let server = &current.busy.0;
        server.answered.inc();
        if server.health.answered() {
            tracing::info!(app = %self.pool.app.name, server = server.url, "the upstream server answers again");
        }
    }

    /// The try failed. Whether the request may be sent once more.
    pub(in crate::proxy) fn failed(&mut self, error: &Error, sent: Sent, is_body_whole: bool) -> bool {
        let Some(current) = self.current.take() else { return false };
        if error.esource != ErrorSource::Upstream {
            return false;
        }
        let server = Arc::clone(&current.busy.0);
        if current.is_answered {
            // It answered, and broke off: that is for the client to see, as far as it went.
            return false;
        }
        if sent == Sent::Nothing {
            server.addresses.failed(&current.address);
        }
        drop(current);
        // Over HTTP/2 a server says of a request that it has not begun with it (RFC 9113, section 8.7); Pingora tells by `retry`.
        let is_refused = error.etype == ErrorType::H2Error && error.retry();
        // A kept connection may have ended by itself, which says nothing of the server.
        let is_end_of_old = matches!(sent, Sent::Perhaps { reused: true, .. }) && is_end(&error.etype);
        if !is_end_of_old && !is_refused {
            self.server_failed(&server, error);
        }
        let is_harmless = match sent {
            Sent::Nothing => true,
            Sent::Perhaps { idempotent, .. } => is_refused || (idempotent && is_end(&error.etype)),
        };
        is_harmless && is_body_whole && self.may_go_on(error)
    }

    /// Gives place and server free.
    pub(in crate::proxy) fn over(&mut self) {
        self.current = None;
        self.place = None;
    }

    fn choose(&self, client: IpAddr) -> Option<(usize, Arc<Server>)> {
        let pool = &self.pool;
        let usable = pool.usable();
        // Another server than before, if there is one.
        let fresh = usable.without(self.tried);
        let usable = if fresh.is_empty() { usable } else { fresh };
        let index = match pool.app.upstream.balance {
            Balance::RoundRobin => pool.wheel.round_robin(usable),
            Balance::LeastRequests => pool
                .wheel
                .least_busy(usable, |index| pool.servers.get(index).map_or(usize::MAX, |server| server.busy())),
            Balance::Client => pool.wheel.by_client(usable, client),
        }?;
        Some((index, Arc::clone(pool.servers.get(index)?)))
    }

    fn may_go_on(&mut self, error: &Error) -> bool {
        if self.left == 0 || self.began.elapsed() > RETRY_WITHIN {
            return false;
        }
        self.left -= 1;
        self.pool.retries.inc();
        tracing::info!(app = %self.pool.app.name, cause = cause(error), "the upstream failed; the request is sent again");
        true
    }

    fn server_failed(&self, server: &Server, error: &Error) {
        server.failed.inc();
        let upstream = &self.pool.app.upstream;
        if let [_] = upstream.servers.as_slice() {
            // It is all there is.
            return;
        }
        if let Some(alone) = server.health.failed(server.health.now(), upstream.ejection) {
            let (app, server) = (&self.pool.app.name, &server.url);
            tracing::warn!(%app, server, cause = cause(error), r#for = ?alone, "an upstream server is left alone for a while");
        }
    }
}

/// Whether a connection ended without an answer.
fn is_end(kind: &ErrorType) -> bool {
    matches!(kind, ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError)
}
