//! Pingora's engine, set up for our gateway.

use std::sync::Arc;

use ipnet::IpNet;
use pingora::apps::HttpServerOptions;
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;

use crate::config::{self, Config};
use crate::proxy::Gateway as Proxy;
use crate::proxy::listener::{self, Serving};

/// The engine of a config with the limits of its connections.
pub(super) fn serving(gateway: Proxy, config: &Config) -> Serving<HttpProxy<Proxy>> {
    Serving {
        app: Arc::new(engine(gateway, config)),
        limits: connection_limits(&config.server.limits),
        proxies: proxies(config),
        grace: config.server.grace,
    }
}

/// Whose connections begin with a header of the PROXY protocol.
pub(super) fn proxies(config: &Config) -> Option<Arc<[IpNet]>> {
    config.server.proxy_protocol.then(|| config.server.trusted_proxies.clone().into())
}

/// Those of the named limits that hold for a connection.
pub(super) const fn connection_limits(limits: &config::Limits) -> listener::Limits {
    listener::Limits { connections: limits.connections, header_read: limits.header_read, idle: limits.idle }
}

/// Requests at a time on one HTTP/2 connection.
const MOST_STREAMS: u32 = 100;
/// Streams of one HTTP/2 connection that end for a fault of the client's, before the connection does.
const MOST_BAD_STREAMS: usize = 100;
/// Requests that a client takes back before we have taken them up: all that `proxy::frames` lets pass at once, for they may come in
/// one read.
const MOST_TAKEN_BACK: usize = 1000;
/// Bytes of one answer that wait for an HTTP/2 client which does not read: 100 times as much for all of its requests.
const MOST_UNSENT: usize = 128 * 1024;
/// Bytes of bodies that a client may send before the first of them was passed on, for a request and for a connection. HTTP/2's own 64 KiB
/// (RFC 9113, section 6.5.2) make an upload stop at each of them until word has come back: over 50 ms, it goes at 1.3 MB a second.
const MOST_UNREAD_BODY: u32 = 512 * 1024;
const MOST_UNREAD: u32 = 1024 * 1024;

/// Pingora's engine around our gateway.
fn engine(gateway: Proxy, config: &Config) -> HttpProxy<Proxy> {
    // Pingora counts every try; how many there may be is each app's to say.
    let conf = ServerConf { max_retries: 1 + config::MOST_RETRIES, ..ServerConf::default() };
    let mut proxy = HttpProxy::new(gateway, Arc::new(conf));
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(config.server.limits.idle);
    proxy.server_options = Some(options);
    let mut h2 = default_h2_options();
    h2.max_header_list_size(most_h2_head(&config.server.limits));
    h2.max_concurrent_streams(MOST_STREAMS);
    // Streams that a client makes us reset (CVE-2025-8671), and its own resets of what nobody has taken up yet; what comes
    // after that, `proxy::frames` counts.
    h2.max_local_error_reset_streams(Some(MOST_BAD_STREAMS));
    h2.max_pending_accept_reset_streams(MOST_TAKEN_BACK);
    h2.max_send_buffer_size(MOST_UNSENT);
    h2.initial_window_size(MOST_UNREAD_BODY);
    h2.initial_connection_window_size(MOST_UNREAD);
    proxy.h2_options = Some(h2);
    proxy.handle_init_modules();
    proxy
}

/// What HTTP/2 itself refuses, without a page, a count or a line in the log. It is more than `header_bytes`, so that `route` meets
/// and answers a head over that limit, and it allows for the 32 bytes that HTTP/2 adds to each field (RFC 9113, section 6.5.2).
fn most_h2_head(limits: &config::Limits) -> u32 {
    const ROOM_TO_ANSWER: usize = 4;
    const FIELD_OVERHEAD: usize = 32;
    let most = limits
        .header_bytes
        .saturating_mul(ROOM_TO_ANSWER)
        .saturating_add(limits.headers.saturating_mul(FIELD_OVERHEAD));
    u32::try_from(most).unwrap_or(u32::MAX)
}
