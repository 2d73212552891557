//! When sessions were last used, kept in memory and stored now and then.

use std::sync::atomic::Ordering;

use super::Sessions;

impl Sessions {
    /// Stores when sessions were last used.
    pub(super) async fn store_uses(&self) {
        let mut used = Vec::new();
        for (id, live) in &self.cache {
            let last = live.last_used.load(Ordering::Relaxed);
            if last > live.last_stored.load(Ordering::Relaxed) {
                used.push((*id, live, last));
            }
        }
        let rows: Vec<_> = used.iter().map(|(id, live, _)| (*id, live.last_used())).collect();
        if rows.is_empty() {
            return;
        }
        match self.store.touch_sessions(&rows).await {
            Ok(()) => {
                for (_, live, last) in used {
                    live.last_stored.store(last, Ordering::Relaxed);
                }
            }
            Err(error) => tracing::warn!(%error, "when sessions were last used could not be stored"),
        }
    }
}
