//! Numbers that go up when somebody's records change.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::state::ports::Pigeonhole;

/// For each person, a number that goes up when one of their records changes. It is asked for with every request, so it is neither locked
/// nor grown.
#[derive(Debug)]
pub(super) struct Generations {
    places: Box<[AtomicU64]>,
    /// Goes up for everybody.
    all: AtomicU64,
    /// How often the store's records were changed, as far as is known here.
    heard: AtomicI64,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            places: (0..Pigeonhole::COUNT).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
            heard: AtomicI64::new(-1),
        }
    }
}

impl Generations {
    /// The number for now.
    pub(super) fn of(&self, place: Pigeonhole) -> u64 {
        let own = self.places.get(place.number()).map_or(0, |place| place.load(Ordering::Acquire));
        own.wrapping_add(self.all.load(Ordering::Acquire))
    }

    /// A person's records have changed: what was known from before counts no more.
    pub(super) fn changed(&self, place: Pigeonhole) {
        if let Some(place) = self.places.get(place.number()) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Email;

    fn place(name: &str) -> Pigeonhole {
        Pigeonhole::of(&Email::parse(&format!("{name}@example.com")).expect("valid"))
    }

    #[test]
    fn a_change_counts_for_its_person() {
        let generations = Generations::default();
        let before = generations.of(place("ann"));
        generations.changed(place("ann"));
        assert_ne!(generations.of(place("ann")), before);
        let others = (0..100).filter(|number| generations.of(place(&format!("bob{number}"))) != 0).count();
        assert!(others < 10, "others are left alone, but for a few by chance: {others}");
    }

    #[test]
    fn another_hands_change_counts_for_everybody_and_ones_own_does_not() {
        let generations = Generations::default();
        let ann = place("ann");
        let mut last = 0;
        let mut has_changed = || std::mem::replace(&mut last, generations.of(ann)) != generations.of(ann);
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
