//! What became of outgoing mail: counted for metrics, and whether it fails now, for readiness.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// Counts outgoing mail since the start. The outbox writes, metrics and readiness read.
#[derive(Debug, Default)]
pub struct MailCounters {
    /// Taken over by the next server.
    pub sent: AtomicU64,
    /// Put off: tries that failed for now.
    pub deferred: AtomicU64,
    /// Refused for good, and forgotten.
    pub refused: AtomicU64,
    /// Not sent before their time was over, and forgotten.
    pub expired: AtomicU64,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    failing: Option<MailFailing>,
    refusals_in_a_row: u32,
}

/// So many refusals and no success in between are no longer the recipients' trouble: the server refuses all we send.
const REFUSALS_OF_THE_SERVER: u32 = 3;

/// Mail does not go out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailFailing {
    /// Since when no mail went out though one should have.
    pub since: Timestamp,
    /// What the last try failed of; fit for a log.
    pub last_error: String,
}

impl MailCounters {
    /// A mail went out: whatever was wrong is mended. Tells whether something was.
    pub fn note_sent(&self) -> bool {
        self.sent.fetch_add(1, Ordering::Relaxed);
        std::mem::take(&mut *self.lock()).failing.is_some()
    }

    /// A mail could not go out for now. Tells whether mail fails from now on and did not before.
    pub fn note_deferred(&self, error: &str, now: Timestamp) -> bool {
        self.deferred.fetch_add(1, Ordering::Relaxed);
        self.lock().fail(error, now)
    }

    /// A mail was refused for good. One recipient's trouble says nothing of the others', but several in a row do. Tells
    /// whether mail fails from now on and did not before.
    pub fn note_refused(&self, error: &str, now: Timestamp) -> bool {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut trouble = self.lock();
        trouble.refusals_in_a_row = trouble.refusals_in_a_row.saturating_add(1);
        trouble.refusals_in_a_row >= REFUSALS_OF_THE_SERVER && trouble.fail(error, now)
    }

    /// A mail's time was over.
    pub fn note_expired(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether mail fails now: something went wrong, and no mail has gone out since.
    #[must_use]
    pub fn failing(&self) -> Option<MailFailing> {
        self.lock().failing.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    fn fail(&mut self, error: &str, now: Timestamp) -> bool {
        let since = self.failing.as_ref().map(|failing| failing.since);
        self.failing = Some(MailFailing { since: since.unwrap_or(now), last_error: error.to_owned() });
        since.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_fails_from_the_first_failure_to_the_next_success() {
        let counters = MailCounters::default();
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert_eq!(counters.failing(), None);
        assert!(counters.note_deferred("down", at(1)));
        assert!(!counters.note_deferred("still down", at(2)));
        counters.note_refused("no such mailbox", at(3));
        let failing = counters.failing().expect("failing");
        assert_eq!((failing.since, failing.last_error.as_str()), (at(1), "still down"));
        assert!(counters.note_sent());
        assert!(!counters.note_sent());
        assert_eq!(counters.failing(), None);
    }

    #[test]
    fn refusals_in_a_row_are_a_failure() {
        let counters = MailCounters::default();
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert!(!counters.note_refused("no such mailbox", at(1)));
        assert!(!counters.note_refused("no such mailbox", at(2)));
        counters.note_sent();
        assert!(!counters.note_refused("relay denied", at(3)));
        assert!(!counters.note_refused("relay denied", at(4)));
        assert_eq!(counters.failing(), None);
        assert!(counters.note_refused("relay denied", at(5)));
        assert!(!counters.note_refused("relay denied", at(6)));
        assert_eq!(counters.failing().expect("failing").since, at(5));
    }
}
