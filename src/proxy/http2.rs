//! Serves one HTTP/2 connection, and all of its requests in the one task that has it.
//!
//! Pingora gives each request a task of its own, which then and the connection's wake each other at every step. Here the requests are
//! looked at first and the connection after them, so that what they said leaves in the same round, and what they tied the
//! connection to is seen. A panic costs the one request.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{self, H2Accept, HttpSession};
use pingora_core::protocols::{Digest, GetProxyDigest as _, GetSocketDigest as _, GetTimingDigest as _, Ssl as _};
use pingora_core::server::ShutdownWatch;
use tokio::time::{Instant, sleep, timeout};

use super::connection::Connection;
use super::deadlines::{FIRST_WORDS, NEXT_WORDS};
use super::drain::Drain;
use super::stream::Downstream;

/// Requests of a connection that are answered or reset before any hook of ours has seen them, until the connection ends.
const MOST_MALFORMED: usize = 32;

/// Serves a connection to its end, or until no request was under way for so long.
///
/// It is told to go away as soon as we stop. One that has just been made is made for a request, which would be lost then: some clients
/// do not send it anew where its connection was never used. So it hears of the stop when its first request is here, or when
/// none comes for as long as an HTTP/1 connection would have, too.
pub(super) async fn serve<A>(
    app: &Arc<A>,
    stream: Box<Downstream>,
    connection: &Connection,
    idle: Duration,
    mut shutdown: ShutdownWatch,
    drain: &Drain,
) where
    A: HttpServerApp + Send + Sync + 'static,
{
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let Ok(mut http2) = server::handshake(stream, app.h2_options()).await else { return };
    let told = shutdown.clone();
    let leaving = async {
        let _ = shutdown.wait_for(|stopping| *stopping).await;
        let patience = if drain.is_patient() { NEXT_WORDS } else { FIRST_WORDS };
        let _ = timeout(patience, connection.turns.first_head()).await;
    };
    let mut leaving = std::pin::pin!(leaving);
    let mut is_leaving = false;
    let mut malformed = 0;
    // Set again only when it has fired, for most requests come long before it does.
    let mut idle_until = std::pin::pin!(sleep(idle));
    let mut last_used = Instant::now();
    let mut requests = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = requests.next() => last_used = Instant::now(),
            accepted = HttpSession::from_h2_conn(&mut http2, Arc::clone(&digest)) => match accepted {
                Ok(Some(H2Accept::Session(session))) => {
                    let serving = async { app.process_new_http(ServerSession::new_http2(session), &told).await };
                    requests.push(AssertUnwindSafe(serving).catch_unwind());
                }
                Ok(Some(H2Accept::Rejected)) if malformed < MOST_MALFORMED => malformed += 1,
                // A connection that ends without a word is nothing to tell of.
                Ok(Some(H2Accept::Rejected) | None) | Err(_) => break,
            },
            () = &mut leaving, if !is_leaving => {
                http2.graceful_shutdown();
                is_leaving = true;
            }
            () = &mut idle_until, if requests.is_empty() => {
                if last_used.elapsed() >= idle {
                    break;
                }
                idle_until.as_mut().reset(last_used + idle);
            }
        }
    }
    drop(http2);
    // They find that nobody is there, and end as they would have.
    while requests.next().await.is_some() {}
}
