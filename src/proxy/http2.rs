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
use http::{HeaderMap, HeaderValue};
use pingora::http::ResponseHeader;
use pingora::{ErrorType, OrErr as _, Result};
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
use crate::state::counters::ListenerCounters;

/// Requests of a connection that are answered or reset before any hook of ours has seen them, until the connection ends.
const MOST_MALFORMED: usize = 32;

/// So many fields of ours need no second look for room.
const ROOM_FOR_OURS: usize = 8;

/// How long an idle connection may take to part.
const FAREWELL: Duration = Duration::from_secs(2);

/// An answer's head with values of its own.
///
/// HPACK's table (RFC 7541, section 2.3.2) keeps what was sent until other fields push it out, and a value that was read is a slice of
/// all that was read with it. A connection would come to hold four KiB for each second whose `Date` it has told.
pub(super) fn with_own_values(head: &ResponseHeader) -> Result<ResponseHeader> {
    let mut own = http::Response::new(()).into_parts().0;
    (own.status, own.version) = (head.status, head.version);
    own.headers = HeaderMap::try_with_capacity(head.headers.len() + ROOM_FOR_OURS).unwrap_or_default();
    for (name, value) in &head.headers {
        let value = HeaderValue::from_bytes(value.as_bytes());
        own.headers.append(name, value.or_err(ErrorType::InvalidHTTPHeader, "a field of an answer")?);
    }
    Ok(own.into())
}

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
    let counters = stream.counters();
    // Apart, for it needs more room than what comes of it.
    let Ok(mut http2) = Box::pin(server::handshake(stream, app.h2_options())).await else { return };
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
                if last_used.elapsed() < idle {
                    idle_until.as_mut().reset(last_used + idle);
                } else if is_leaving {
                    break;
                } else {
                    // A request may be on its way just now, and is served.
                    http2.graceful_shutdown();
                    is_leaving = true;
                    ListenerCounters::add(&counters.idle_closed);
                    idle_until.as_mut().reset(Instant::now() + FAREWELL);
                }
            }
        }
    }
    drop(http2);
    // They find that nobody is there, and end as they would have.
    while requests.next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_head_with_own_values_holds_nothing_of_what_was_read() {
        let read = Bytes::from(b"HTTP/1.1 200 OK\r\nx-one: two\r\n\r\n".to_vec());
        let mut head = ResponseHeader::build(200, None).expect("a head");
        let value = HeaderValue::from_maybe_shared(read.slice(24..27)).expect("a value");
        head.append_header("X-One", &value).expect("a field");
        head.append_header("X-One", value).expect("a field");
        let own = with_own_values(&head).expect("a head");
        drop(head);
        assert!(read.is_unique());
        let values: Vec<_> = own.headers.get_all("x-one").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!((own.status.as_u16(), values), (200, vec![&b"two"[..]; 2]));
    }
}
