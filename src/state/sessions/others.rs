//! What others change in the store: a command beside the gateway, or another process of it.
//!
//! A session that is in use is not looked for in the store time and again. The store tells instead that somebody else has written, and
//! then each is looked for once. What the tables say is asked for more often, and not the store with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Live, Sessions, Site};
use crate::session::{SessionId, SessionRecord};
use crate::state::ports::{Pigeonhole, StoreError};
use crate::types::{AppName, Language};

/// After this long at most the store is asked for a session again, whatever is heard of it.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// How often the store is asked.
const HEAR_EVERY: Duration = Duration::from_millis(500);
/// So many times in vain, and nobody knows what was changed meanwhile.
const MOST_IN_VAIN: u32 = 120;

/// A session as the store has it, with its person's language.
pub(super) struct Stored {
    pub(super) record: SessionRecord,
    pub(super) language: Option<Arc<Language>>,
    /// When the store was asked.
    pub(super) found: Timestamp,
    /// [`Sessions::others`] before that.
    pub(super) others: u64,
}

/// Until when what the store said at a moment holds, if nothing is heard.
pub(super) fn holds_until(found: Timestamp) -> Timestamp {
    found.checked_add(LOOK_AGAIN).unwrap_or(found)
}

impl Sessions {
    /// The store may have been changed past us: all sessions are looked up anew, each when it is used next.
    pub fn look_at_all_again(&self) {
        self.others.fetch_add(1, Ordering::AcqRel);
    }

    /// What was looked up in another epoch is looked up anew. `others` is [`Sessions::others`] before the store was asked.
    pub(super) fn epoch(&self, app: &AppName, place: Pigeonhole, others: u64) -> u64 {
        // Either goes up by itself, so the sum is another one whenever one of them is.
        self.directory.epoch(app, place).wrapping_add(others)
    }

    /// The epoch of a session that is looked up now.
    pub(super) fn epoch_now(&self, app: &AppName, place: Pigeonhole) -> u64 {
        self.epoch(app, place, self.others.load(Ordering::Acquire))
    }

    /// A session as it is in the store, which is not asked where what is known from there still holds.
    pub(super) async fn find(
        &self,
        id: SessionId,
        site: &Site,
        now: Timestamp,
        old: Option<&Live>,
    ) -> Result<Option<Stored>, StoreError> {
        // Read before the store: a change that comes meanwhile makes this old at once.
        let others = self.others.load(Ordering::Acquire);
        let is_known = |old: &&Live| {
            let epoch = self.epoch(&site.app.name, old.place, others);
            old.is_for(site) && old.epoch == epoch && now < holds_until(old.found)
        };
        if let Some(old) = old.filter(is_known) {
            let (record, language) = ((*old.record).clone(), old.chosen_language.load_full());
            return Ok(Some(Stored { record, language, found: old.found, others }));
        }
        let Some(record) = self.store.session(id).await? else { return Ok(None) };
        let language = self.store.language_of(&record.email).await?.map(Arc::new);
        Ok(Some(Stored { record, language, found: now, others }))
    }

    /// Hears of changes by others, until the end.
    pub(super) async fn hear(&self, stop: &CancellationToken) {
        let mut every = tokio::time::interval(HEAR_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard = Heard::default();
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            let version = self.store.version().await;
            if heard.is_doubtful(version.as_ref().ok().copied()) {
                if let Err(error) = &version {
                    tracing::warn!(%error, "whether another process ended sessions could not be read");
                }
                self.look_at_all_again();
            }
        }
    }
}

/// What the store said of others.
#[derive(Default)]
struct Heard {
    version: Option<u64>,
    in_vain: u32,
}

impl Heard {
    /// Whether others may have written, now that the store says this, or nothing.
    fn is_doubtful(&mut self, version: Option<u64>) -> bool {
        if version.is_some() {
            self.in_vain = 0;
            return std::mem::replace(&mut self.version, version) != version;
        }
        self.in_vain = (self.in_vain + 1) % MOST_IN_VAIN;
        self.in_vain == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_heard_once_and_a_store_that_says_nothing_is_not_believed_for_long() {
        let mut heard = Heard::default();
        let told = [Some(1), Some(1), None, Some(1), Some(3), Some(3)].map(|version| heard.is_doubtful(version));
        assert_eq!(told, [true, false, false, false, true, false]);
        let doubts: Vec<u32> = (1..=300).filter(|_| heard.is_doubtful(None)).collect();
        assert_eq!(doubts, [MOST_IN_VAIN, 2 * MOST_IN_VAIN]);
        assert!(!heard.is_doubtful(Some(3)));
    }
}
