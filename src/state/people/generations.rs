//! Numbers that go up when somebody's records change.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::types::{AppName, Email};

/// So many people's changes are told apart; two who share a place are looked up anew for each other's, which costs a look.
const PLACES: usize = 4096;

/// For each person in each app, a number that goes up when one of their records changes. It is asked for with every request, so
/// it is neither locked nor grown.
#[derive(Debug)]
pub(super) struct Generations {
    places: Box<[AtomicU64]>,
    /// Goes up for everybody.
    all: AtomicU64,
    hasher: RandomState,
    /// How often the store's records were changed, as far as is known here.
    heard: AtomicI64,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
            hasher: RandomState::new(),
            heard: AtomicI64::new(-1),
        }
    }
}

impl Generations {
    /// The number for now.
    pub(super) fn of(&self, app: &AppName, email: &Email) -> u64 {
        let own = self.place(app, email).map_or(0, |place| place.load(Ordering::Acquire));
        own.wrapping_add(self.all.load(Ordering::Acquire))
    }

    /// A person's records have changed: what was known from before counts no more.
    pub(super) fn changed(&self, app: &AppName, email: &Email) {
        if let Some(place) = self.place(app, email) {
            place.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// What was changed here is known: the store's count was so before it, and is so after.
    pub(super) fn own_change(&self, before: i64, after: i64) {
        // Where another hand was between, that is heard of as any other's.
        let _ = self.heard.compare_exchange(before, after, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The store's count is this: where it is not the known one, another hand changed anybody's.
    pub(super) fn hear(&self, count: i64) {
        if self.heard.swap(count, Ordering::AcqRel) != count {
            self.all.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn place(&self, app: &AppName, email: &Email) -> Option<&AtomicU64> {
        let hash = self.hasher.hash_one((app, email));
        self.places.get(usize::try_from(hash % (PLACES as u64)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_for_its_person() {
        let generations = Generations::default();
        let app = AppName::parse("orders").expect("valid");
        let email = |name: &str| Email::parse(&format!("{name}@example.com")).expect("valid");
        let before = generations.of(&app, &email("ann"));
        generations.changed(&app, &email("ann"));
        assert_ne!(generations.of(&app, &email("ann")), before);
        let others = (0..100).filter(|number| generations.of(&app, &email(&format!("bob{number}"))) != 0).count();
        assert!(others < 10, "others are left alone, but for a few by chance: {others}");
    }

    #[test]
    fn another_hands_change_counts_for_everybody_and_ones_own_does_not() {
        let generations = Generations::default();
        let app = AppName::parse("orders").expect("valid");
        let ann = Email::parse("ann@example.com").expect("valid");
        let mut last = 0;
        let mut has_changed = || std::mem::replace(&mut last, generations.of(&app, &ann)) != generations.of(&app, &ann);
        generations.hear(7);
        assert!(has_changed());
        generations.hear(7);
        generations.own_change(7, 9);
        generations.hear(9);
        assert!(!has_changed());
        generations.own_change(10, 11);
        generations.hear(11);
        assert!(has_changed(), "another hand was before it");
    }
}
