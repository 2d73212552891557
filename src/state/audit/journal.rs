//! Writes the audit log: at once into the lines and the counters, and by way of a queue into the store.
//!
//! Whoever writes does not wait. Whoever answers does: an answer leaves only when all that was written before it is on disk
//! ([`Journal::settled`]), so nothing is acknowledged that the log does not know. All that waits goes into the store in one
//! transaction, so that many answers share one write to the disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Scene;
use super::entry::{AuditStore, Entry};
use super::event::{Event, write_line};
use crate::state::metrics::Metrics;

/// So many entries go into one transaction.
const MOST_AT_ONCE: usize = 500;
/// With so many entries waiting, no page of ours is begun before some of them are stored.
const MOST_WAITING: usize = 10_000;
/// How long an answer waits for its entries.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a failure the store is left alone for so long, and twice as long after the next, up to the most.
const PAUSE: Duration = Duration::from_millis(100);
const MOST_PAUSE: Duration = Duration::from_secs(2);
/// How often a store that fails is tried when the gateway stops.
const LAST_TRIES: u32 = 3;

/// What was written is not in the store, and the one who asked cannot be kept waiting longer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the audit log cannot be stored")]
pub struct Unsettled;

/// The audit log, for those who write it.
pub struct Journal {
    metrics: Arc<Metrics>,
    store: Arc<dyn AuditStore>,
    waiting: Mutex<Waiting>,
    /// Something waits, or it is to end.
    woken: Notify,
    /// How many entries were written.
    written: AtomicU64,
    /// How many of them are stored, and how often the store has failed.
    outcome: watch::Sender<Outcome>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Journal").field("written", &self.written).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    stored: u64,
    failures: u64,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    ends: bool,
}

impl Journal {
    /// A journal that has nothing to store yet; [`Self::run`] stores it.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, store: Arc<dyn AuditStore>) -> Self {
        Self {
            metrics,
            store,
            waiting: Mutex::default(),
            woken: Notify::new(),
            written: AtomicU64::new(0),
            outcome: watch::Sender::default(),
        }
    }

    /// One that stores nothing, for tests of those who write.
    #[cfg(test)]
    pub(crate) fn unkept(metrics: &Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self::new(Arc::clone(metrics), Arc::new(tests::Shelf::default())))
    }

    /// Writes an event: its line, its count, and its entry, which is on its way to the store.
    pub fn write<'a>(&self, scene: impl Into<Scene<'a>>, event: &Event<'a>) {
        let scene: Scene<'a> = scene.into();
        self.tell(scene, event);
        let entry = Entry::of(scene, event);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entries.push(entry);
        self.written.fetch_add(1, Ordering::Release);
        drop(waiting);
        self.woken.notify_one();
    }

    /// Writes an event's line and counts it: for one whose entry ([`Entry::of`]) a transaction has put into the store.
    pub fn tell<'a>(&self, scene: impl Into<Scene<'a>>, event: &Event<'a>) {
        self.metrics.audit_events.with_label_values(&[event.name()]).inc();
        write_line(&scene.into(), event);
    }

    /// Waits until all that was written so far is on disk. With nothing under way it costs two loads.
    ///
    /// # Errors
    /// When the store did not take it in time: what was done must not be acknowledged then.
    pub async fn settled(&self) -> Result<(), Unsettled> {
        let written = self.written.load(Ordering::Acquire);
        let Outcome { stored, failures } = *self.outcome.borrow();
        if stored >= written {
            return Ok(());
        }
        // One try may have been under way before this came to wait; a store that fails the next too is not kept waiting for.
        let is_over = |outcome: &Outcome| outcome.stored >= written || outcome.failures > failures.saturating_add(1);
        let mut outcome = self.outcome.subscribe();
        match tokio::time::timeout(PATIENCE, outcome.wait_for(is_over)).await {
            Ok(Ok(outcome)) if outcome.stored >= written => Ok(()),
            Ok(_) | Err(_) => Err(Unsettled),
        }
    }

    /// Waits while too much is waiting: nothing is begun whose entry might never be stored.
    ///
    /// # Errors
    /// When the store did not take it in time.
    pub async fn has_room(&self) -> Result<(), Unsettled> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).entries.len();
        if waiting < MOST_WAITING { Ok(()) } else { self.settled().await }
    }

    /// Stores what is written, until [`Self::end`] and then all that is left.
    pub async fn run(self: Arc<Self>) {
        let mut pause = PAUSE;
        let mut last_tries = LAST_TRIES;
        loop {
            let (some, ends) = self.take();
            if some.is_empty() {
                if ends {
                    return;
                }
                self.woken.notified().await;
                continue;
            }
            match self.store.append(&some).await {
                Ok(()) => {
                    pause = PAUSE;
                    self.outcome
                        .send_modify(|outcome| outcome.stored = outcome.stored.saturating_add(some.len() as u64));
                }
                Err(error) => {
                    tracing::error!(%error, entries = some.len(), "the audit log cannot be stored; trying again");
                    self.put_back(some);
                    self.outcome.send_modify(|outcome| outcome.failures = outcome.failures.saturating_add(1));
                    if ends {
                        last_tries = last_tries.saturating_sub(1);
                        if last_tries == 0 {
                            tracing::error!("the end of the audit log stands in these lines only: it cannot be stored");
                            return;
                        }
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MOST_PAUSE);
                }
            }
        }
    }

    /// Nothing more will be written: [`Self::run`] returns when all is stored.
    pub fn end(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).ends = true;
        self.woken.notify_one();
    }

    fn take(&self) -> (Vec<Entry>, bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entries.len().min(MOST_AT_ONCE);
        (waiting.entries.drain(..count).collect(), waiting.ends)
    }

    fn put_back(&self, some: Vec<Entry>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entries.splice(..0, some);
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
pub(crate) mod tests;
