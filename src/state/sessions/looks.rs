//! Which sessions are being looked at again just now, so that none is looked at twice at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::session::SessionId;

/// The sessions that are looked at now.
#[derive(Clone, Default)]
pub(super) struct Looks(pub(super) Arc<Mutex<HashSet<SessionId>>>);

/// One look; over when it is dropped.
pub(super) struct Look {
    id: SessionId,
    all: Looks,
}

impl Looks {
    /// Begins a look, unless there is one already.
    pub(super) fn begin(&self, id: SessionId) -> Option<Look> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        is_new.then(|| Look { id, all: self.clone() })
    }

    /// How many are looked at.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
