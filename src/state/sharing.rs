//! Whether another process works on the same store, as it does while one version of the gateway hands over to the next.
//!
//! What a cache holds of a session may then be wrong, for the other process may have ended it. So every session is looked for in
//! the store again, as often as it takes to keep the promise that a log-out counts everywhere within a second.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::session::SessionId;

/// How long it counts that a session was found in the store.
const GOOD_FOR: Duration = Duration::from_millis(500);

/// Whether the store is shared, and which sessions were found in it just now.
#[derive(Debug)]
pub(super) struct Sharing {
    /// With how many other processes.
    others: AtomicUsize,
    found: Cache<SessionId, ()>,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { others: AtomicUsize::new(0), found: Cache::builder().time_to_live(GOOD_FOR).build() }
    }
}

impl Sharing {
    /// One more process, or one less.
    pub(super) fn set(&self, is_shared: bool) {
        match is_shared {
            true => self.others.fetch_add(1, Ordering::AcqRel),
            false => self.others.fetch_sub(1, Ordering::AcqRel),
        };
    }

    /// Whether a session has to be looked for in the store.
    pub(super) fn is_due(&self, id: SessionId) -> bool {
        self.others.load(Ordering::Acquire) > 0 && !self.found.contains_key(&id)
    }

    /// It was there.
    pub(super) fn found(&self, id: SessionId) {
        self.found.insert(id, ());
    }
}
