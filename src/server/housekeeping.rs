//! What has to be cleared away from time to time, in the store and in memory.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::state::audit::AuditStore as _;
use crate::state::clock::Clock;
use crate::state::ports::Store as _;
use crate::state::rate_limits::RateLimits;
use crate::state::snapshot::Current;
use crate::store::SqliteStore;

/// Has the allocator give back what a start or a reload left.
///
/// mimalloc keeps what is freed for a second, and looks whether that is over only when a page comes free. A gateway that nobody
/// visits frees none, and would keep some 20 MiB of a start with a hundred thousand domains. A block this large is a page by
/// itself; nothing is written to it.
pub(super) async fn give_memory_back(halt: CancellationToken) {
    const EVERY: Duration = Duration::from_secs(1);
    const PAGE: usize = 8 << 20;
    let mut every = tokio::time::interval(EVERY);
    while halt.run_until_cancelled(every.tick()).await.is_some() {
        let mut block: Vec<u8> = Vec::new();
        // Where there is no memory, there is none to give back either.
        let _ = block.try_reserve_exact(PAGE);
        drop(black_box(block));
    }
}

/// Clears out what is over: sessions, attempts, counts of strangers.
pub(super) async fn sweep(
    store: Arc<SqliteStore>,
    limits: Arc<RateLimits>,
    current: Arc<Current>,
    clock: Clock,
    halt: CancellationToken,
) {
    const EVERY: Duration = Duration::from_secs(600);
    let mut every = tokio::time::interval(EVERY);
    while halt.run_until_cancelled(every.tick()).await.is_some() {
        limits.sweep();
        let (session, audit) = (current.load().session, current.load().audit);
        let now = clock.now();
        let oldest = now.checked_sub(audit.keep).unwrap_or(jiff::Timestamp::MIN);
        match store.prune(oldest).await {
            Ok(0) => {}
            Ok(entries) => tracing::info!(entries, "old entries of the audit log were removed"),
            Err(error) => tracing::warn!(%error, "old entries of the audit log could not be removed"),
        }
        match store.sweep(session, now).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "what is over was cleared out"),
            Err(error) => tracing::warn!(%error, "what is over could not be cleared out"),
        }
    }
}
