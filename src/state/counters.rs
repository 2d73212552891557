//! Counts of what the listeners saw, for metrics to read.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the listeners counted since the start. Share one among all listeners: the connection limit holds for `open`.
#[derive(Debug, Default)]
pub struct ListenerCounters {
    /// Connections taken in.
    pub accepted: AtomicU64,
    /// Connections open now. The only one that also falls.
    pub open: AtomicU64,
    /// Connections closed at once because too many were open.
    pub refused_over_limit: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub handshake_failed: AtomicU64,
    /// Connections closed because of their PROXY header: a trusted proxy's that is missing or malformed, and anybody else's.
    pub proxy_headers_refused: AtomicU64,
    /// Connections closed because the head of a request took too long.
    pub header_timeouts: AtomicU64,
    /// Requests whose head was malformed, so that nothing more is known of them.
    pub malformed: AtomicU64,
    /// Connections closed because nothing moved on them.
    pub idle_closed: AtomicU64,
    /// HTTP/2 connections closed because of a flood of frames that do nothing.
    pub frame_floods: AtomicU64,
    /// Connections closed because their session ended.
    pub cut_sessions: AtomicU64,
}

impl ListenerCounters {
    /// Adds one.
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
