//! How many orders an authority is asked for, all names together. Pure.
//!
//! An authority limits what one account may order. The limits here stay below them, so that a name that goes wrong, or ten
//! thousand, never lock out the others: so many orders in an hour, of which names that failed before get a quarter at most; so
//! many first orders in a week under one parent domain; and so many of one name in an hour, whoever presses for it.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use jiff::{SignedDuration, Timestamp};

use super::backoff::later;
use crate::state::certificates::CertificateName;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Orders of one name in an hour. Let's Encrypt locks a name after five failed validations.
const PER_NAME_AND_HOUR: usize = 4;

/// What may be ordered still.
#[derive(Debug)]
pub(super) struct Budget {
    per_hour: usize,
    /// First orders under one parent in a week; `None`: any number.
    per_parent: Option<usize>,
    hour: VecDeque<Timestamp>,
    /// Those of the hour that were for names that failed before.
    again: VecDeque<Timestamp>,
    parents: Parents,
    names: HashMap<CertificateName, VecDeque<Timestamp>>,
}

/// What kind of order it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Kind {
    /// Whether an order for this name failed since the last that did not.
    pub(super) failed_before: bool,
    /// Whether it renews a certificate.
    pub(super) renews: bool,
}

impl Budget {
    pub(super) fn new(per_hour: u32, per_parent: Option<u32>) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).max(1);
        Self {
            per_hour: count(per_hour),
            per_parent: per_parent.map(count),
            hour: VecDeque::new(),
            again: VecDeque::new(),
            parents: Parents::default(),
            names: HashMap::new(),
        }
    }

    /// Puts other limits in force. What was ordered counts on.
    pub(super) fn limit(&mut self, per_hour: u32, per_parent: Option<u32>) {
        let new = Self::new(per_hour, per_parent);
        (self.per_hour, self.per_parent) = (new.per_hour, new.per_parent);
    }

    /// How many orders the hour still has.
    pub(super) fn left(&mut self, now: Timestamp) -> usize {
        expire(&mut self.hour, HOUR, now);
        self.per_hour.saturating_sub(self.hour.len())
    }

    /// Whether a name that failed before may be ordered for.
    pub(super) fn has_room_for_failed(&mut self, now: Timestamp) -> bool {
        expire(&mut self.again, HOUR, now);
        // One at least: with a small budget too, what was mended must come to its turn.
        self.left(now) > 0 && self.again.len() < (self.per_hour / 4).max(1)
    }

    /// When the hour has room again.
    pub(super) fn frees_at(&self, now: Timestamp) -> Timestamp {
        frees_at(&self.hour, self.per_hour, HOUR, now)
    }

    /// When a name that failed before may be ordered for again.
    #[cfg(test)]
    pub(super) fn frees_for_failed_at(&self, now: Timestamp) -> Timestamp {
        self.frees_at(now).max(frees_at(&self.again, (self.per_hour / 4).max(1), HOUR, now))
    }

    /// When this name may be ordered for; `None` is now.
    pub(super) fn name_waits_until(&mut self, name: &CertificateName, now: Timestamp) -> Option<Timestamp> {
        let times = self.names.get_mut(name)?;
        expire(times, HOUR, now);
        let at = frees_at(times, PER_NAME_AND_HOUR, HOUR, now);
        (at > now).then_some(at)
    }

    /// When the parent of this name may get a first order again; `None` is now.
    pub(super) fn parent_waits_until(&mut self, name: &CertificateName, now: Timestamp) -> Option<Timestamp> {
        let most = self.per_parent?;
        self.parents.expire(now);
        let at = self.parents.frees_at(&parent(name), most, now);
        (at > now).then_some(at)
    }

    /// Takes an order out of the budget.
    pub(super) fn take(&mut self, name: &CertificateName, kind: Kind, now: Timestamp) {
        self.hour.push_back(now);
        if kind.failed_before {
            self.again.push_back(now);
        }
        self.names.entry(name.clone()).or_default().push_back(now);
        if !kind.renews {
            self.note_parent(name, now);
        }
    }

    /// Counts a first order under its parent. The oldest come first, or [`Budget::put_parents_in_order`] comes after.
    pub(super) fn note_parent(&mut self, name: &CertificateName, at: Timestamp) {
        if self.per_parent.is_some() {
            self.parents.note(&parent(name), at);
        }
    }

    /// Puts first orders in order that were counted in any.
    pub(super) fn put_parents_in_order(&mut self) {
        self.parents.orders.make_contiguous().sort_unstable();
    }

    /// Forgets what is over.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.names.retain(|_, times| {
            expire(times, HOUR, now);
            !times.is_empty()
        });
        self.parents.expire(now);
    }
}

/// First orders of the week, by parent. There may be as many parents as names, so each is known by a hash alone: two that share one would
/// share their budget, and nobody can choose them so.
#[derive(Debug, Default)]
struct Parents {
    orders: VecDeque<(Timestamp, u64)>,
    counts: HashMap<u64, usize>,
    hasher: RandomState,
}

impl Parents {
    fn note(&mut self, parent: &str, at: Timestamp) {
        let parent = self.hasher.hash_one(parent);
        self.orders.push_back((at, parent));
        *self.counts.entry(parent).or_default() += 1;
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((at, parent)) = self.orders.front().copied()
            && later(at, WEEK) <= now
        {
            self.orders.pop_front();
            if let Some(count) = self.counts.get_mut(&parent) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&parent);
                }
            }
        }
    }

    /// When a parent may get one more. Only of one that is full, all orders are gone through.
    fn frees_at(&self, parent: &str, most: usize, now: Timestamp) -> Timestamp {
        let parent = self.hasher.hash_one(parent);
        if self.counts.get(&parent).is_none_or(|count| *count < most) {
            return now;
        }
        let times = self.orders.iter().filter(|(_, of)| *of == parent).map(|(at, _)| *at).collect();
        frees_at(&times, most, WEEK, now)
    }
}

/// The domain under which a name was registered, as well as that can be told without a list of all registries: the last two
/// labels, or three where the last two look like a registry's own (`co.uk`, `com.br`).
pub(super) fn parent(name: &CertificateName) -> String {
    let host = match name {
        CertificateName::Exact(host) | CertificateName::Wildcard(host) => host.as_str(),
    };
    let mut labels = host.rsplit('.');
    let (last, second, third) = (labels.next().unwrap_or_default(), labels.next(), labels.next());
    match (second, third) {
        (Some(second), Some(third)) if last.len() == 2 && second.len() <= 3 => format!("{third}.{second}.{last}"),
        (Some(second), _) => format!("{second}.{last}"),
        (None, _) => last.to_owned(),
    }
}

fn expire(times: &mut VecDeque<Timestamp>, window: SignedDuration, now: Timestamp) {
    while times.front().is_some_and(|at| later(*at, window) <= now) {
        times.pop_front();
    }
}

fn frees_at(times: &VecDeque<Timestamp>, most: usize, window: SignedDuration, now: Timestamp) -> Timestamp {
    // With `most` in the window, room comes when the oldest of the last `most` leaves it.
    let oldest = times.len().checked_sub(most).and_then(|index| times.get(index));
    oldest.map_or(now, |at| later(*at, window).max(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).expect("a time")
    }

    fn name(text: &str) -> CertificateName {
        CertificateName::parse(text).expect("a name")
    }

    const FIRST: Kind = Kind { failed_before: false, renews: false };
    const AGAIN: Kind = Kind { failed_before: true, renews: false };
    const RENEWAL: Kind = Kind { failed_before: false, renews: true };

    #[test]
    fn an_hour_has_so_many_orders_and_a_quarter_of_them_for_what_failed() {
        let mut budget = Budget::new(8, None);
        for number in 0..2 {
            assert!(budget.has_room_for_failed(at(number)));
            budget.take(&name("a.test"), AGAIN, at(number));
        }
        assert!(!budget.has_room_for_failed(at(2)));
        assert_eq!(budget.frees_for_failed_at(at(2)), at(60));
        for number in 2..8 {
            assert!(budget.left(at(number)) > 0);
            budget.take(&name("b.test"), FIRST, at(number));
        }
        assert_eq!((budget.left(at(8)), budget.frees_at(at(8))), (0, at(60)));
        assert_eq!(budget.left(at(60)), 1);
        assert!(budget.has_room_for_failed(at(60)));
    }

    #[test]
    fn a_parent_has_so_many_first_orders_in_a_week_and_renewals_are_none() {
        let mut budget = Budget::new(1000, Some(2));
        budget.take(&name("a.shop.test"), FIRST, at(0));
        budget.take(&name("b.shop.test"), RENEWAL, at(1));
        assert_eq!(budget.parent_waits_until(&name("c.shop.test"), at(2)), None);
        budget.take(&name("c.d.shop.test"), FIRST, at(2));
        assert_eq!(budget.parent_waits_until(&name("x.shop.test"), at(3)), Some(at(7 * 24 * 60)));
        assert_eq!(budget.parent_waits_until(&name("x.other.test"), at(3)), None);
        assert_eq!(budget.parent_waits_until(&name("x.shop.test"), at(7 * 24 * 60)), None);
        // What is read from the store comes in any order.
        budget.note_parent(&name("y.other.test"), at(5));
        budget.note_parent(&name("z.other.test"), at(1));
        budget.put_parents_in_order();
        assert_eq!(budget.parent_waits_until(&name("x.other.test"), at(6)), Some(at(7 * 24 * 60 + 1)));
        budget.sweep(at(8 * 24 * 60));
        assert!(budget.parents.counts.is_empty() && budget.parents.orders.is_empty() && budget.names.is_empty());
    }

    #[test]
    fn a_name_is_not_ordered_for_more_than_four_times_an_hour_whoever_presses() {
        let mut budget = Budget::new(1000, None);
        for minute in 0..4 {
            assert_eq!(budget.name_waits_until(&name("a.test"), at(minute)), None);
            budget.take(&name("a.test"), AGAIN, at(minute));
        }
        assert_eq!(budget.name_waits_until(&name("a.test"), at(4)), Some(at(60)));
        assert_eq!(budget.name_waits_until(&name("b.test"), at(4)), None);
    }

    #[test]
    fn a_parent_is_what_somebody_registered() {
        for (host, expected) in [
            ("a.shop.test", "shop.test"),
            ("shop.test", "shop.test"),
            ("a.b.shop.co.uk", "shop.co.uk"),
            ("shop.co.uk", "shop.co.uk"),
            ("co.uk", "co.uk"),
            ("a.com.br", "a.com.br"),
            ("x.example.de", "example.de"),
            ("*.shop.test", "shop.test"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(parent(&name(host)), expected, "{host}");
        }
    }
}
