//! Where one name stands. There may be a hundred thousand of them, and nearly all rest: they have their certificate and wait to be
//! renewed. Of such a name a few numbers are kept, of the others everything.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use super::super::backoff::later;
use super::super::trouble::Trouble;
use crate::state::domains::{Phase, Progress};
use crate::state::issuance::Times;

/// What is known of one name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) phase: Phase,
    pub(super) since: Timestamp,
    pub(super) failures: u32,
    pub(super) trouble: Option<Trouble>,
    pub(super) times: Option<Times>,
    pub(super) place: Place,
    pub(super) looked: Option<Timestamp>,
    /// Since when it waits for the budget. A look in between does not put it back to the end of the line.
    pub(super) waits_since: Option<Timestamp>,
    /// Somebody asked for a look while a job ran.
    pub(super) pressed: bool,
}

/// Where a name is. It is in one place at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// In `looks`.
    Look(Timestamp),
    /// In `asks`.
    Ask(Timestamp),
    /// In `new`.
    New(Timestamp),
    /// In `renewals`.
    Renewal(Timestamp),
    /// In `failed`.
    Failed(Timestamp),
    /// A job of this ticket runs.
    Busy(u64),
}

impl Place {
    /// Where a name waits that has its certificate.
    pub(super) fn of_rest(times: &Times) -> Self {
        if times.ask_again < times.renew_at { Self::Ask(times.ask_again) } else { Self::Look(times.renew_at) }
    }
}

impl Entry {
    /// Of a name that nothing is known of.
    pub(super) const fn new(times: Option<Times>, now: Timestamp) -> Self {
        Self {
            phase: Phase::Pending,
            since: now,
            failures: 0,
            trouble: None,
            times,
            place: Place::Busy(0),
            looked: None,
            waits_since: None,
            pressed: false,
        }
    }

    /// Whether its certificate is good still.
    pub(super) fn serves(&self, now: Timestamp) -> bool {
        self.times.is_some_and(|times| now <= times.not_after)
    }

    /// When a renewal comes before everything else: half-way from when it is due to the end.
    pub(super) fn urgent_at(&self) -> Option<Timestamp> {
        let times = self.times?;
        let left = times.not_after.duration_since(times.renew_at).max(SignedDuration::ZERO);
        Some(later(times.renew_at, left / 2))
    }

    /// How far it is, as people ask.
    pub(super) fn progress(&self) -> Progress {
        Progress {
            phase: self.phase,
            problem: self.trouble.as_ref().map(|trouble| trouble.problem.to_string()),
            sentence: self.trouble.as_ref().map(|trouble| trouble.sentence.clone()),
            since: self.since,
            failures: self.failures,
            next_try: match self.place {
                Place::Look(at) => Some(at),
                // Of a certificate that stands, what comes next is its renewal.
                Place::Ask(_) => self.times.map(|times| times.renew_at),
                Place::New(_) | Place::Renewal(_) | Place::Failed(_) | Place::Busy(_) => None,
            },
        }
    }
}

/// An entry as it is kept.
#[derive(Debug)]
pub(super) enum Kept {
    /// It has its certificate, and waits where [`Place::of_rest`] says.
    Rests(Rest),
    /// Anything else.
    Wakes(Box<Entry>),
}

/// What is kept of a name that rests.
#[derive(Debug)]
pub(super) struct Rest {
    since: Second,
    not_before: Second,
    not_after: Second,
    renew_at: Second,
    ask_again: Second,
}

/// A moment in whole seconds, from 1970 to 2106; earlier and later ones count as these.
#[derive(Clone, Copy, Debug)]
struct Second(u32);

impl Second {
    /// Cuts a part of a second off.
    fn of(moment: Timestamp) -> Self {
        Self(u32::try_from(moment.as_second().max(0)).unwrap_or(u32::MAX))
    }

    fn moment(self) -> Timestamp {
        Timestamp::from_second(i64::from(self.0)).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Times as they are kept, so that nothing changes when a name comes to rest.
pub(super) fn in_whole_seconds(times: &Times) -> Times {
    Rest::of(times.not_before, times).times()
}

impl Rest {
    fn of(since: Timestamp, times: &Times) -> Self {
        Self {
            since: Second::of(since),
            not_before: Second::of(times.not_before),
            not_after: Second::of(times.not_after),
            renew_at: Second::of(times.renew_at),
            ask_again: Second::of(times.ask_again),
        }
    }

    fn times(&self) -> Times {
        Times {
            not_before: self.not_before.moment(),
            not_after: self.not_after.moment(),
            renew_at: self.renew_at.moment(),
            ask_again: self.ask_again.moment(),
        }
    }

    fn entry(&self) -> Entry {
        let times = self.times();
        let place = Place::of_rest(&times);
        Entry { phase: Phase::Issued, place, ..Entry::new(Some(times), self.since.moment()) }
    }
}

impl Kept {
    /// Keeps what rests as small as it can be. When it was looked at last is of no use then.
    pub(super) fn settle(&mut self) {
        let Self::Wakes(entry) = self else { return };
        let Some(times) = entry.times else { return };
        let is_done = entry.phase == Phase::Issued && entry.trouble.is_none() && entry.failures == 0 && !entry.pressed;
        if is_done && entry.place == Place::of_rest(&times) {
            *self = Self::Rests(Rest::of(entry.since, &times));
        }
    }

    /// The whole of it, to be read.
    pub(super) fn entry(&self) -> Cow<'_, Entry> {
        match self {
            Self::Rests(rest) => Cow::Owned(rest.entry()),
            Self::Wakes(entry) => Cow::Borrowed(entry),
        }
    }

    /// The whole of it, to be changed.
    pub(super) fn wake(&mut self) -> &mut Entry {
        match self {
            Self::Wakes(entry) => entry,
            Self::Rests(rest) => {
                *self = Self::Wakes(Box::new(rest.entry()));
                self.wake()
            }
        }
    }

    /// When its certificate ends.
    pub(super) fn not_after(&self) -> Option<Timestamp> {
        match self {
            Self::Rests(rest) => Some(rest.not_after.moment()),
            Self::Wakes(entry) => entry.times.map(|times| times.not_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn issued(times: &Times, since: i64) -> Entry {
        let times = in_whole_seconds(times);
        Entry { phase: Phase::Issued, place: Place::of_rest(&times), ..Entry::new(Some(times), at(since)) }
    }

    fn settled(entry: Entry) -> Kept {
        let mut kept = Kept::Wakes(Box::new(entry));
        kept.settle();
        kept
    }

    proptest! {
        #[test]
        fn nothing_is_lost_by_resting(second in prop::array::uniform5(0..4_000_000_000_i64), nano in 0..999_999_999_i32) {
            let [begin, end, renew, ask, since] = second;
            let exact = |second| Timestamp::new(second, nano).expect("a time");
            let times = Times {
                not_before: exact(begin), not_after: exact(end), renew_at: exact(renew), ask_again: exact(ask),
            };
            let awake = issued(&times, since);
            let mut kept = settled(awake.clone());
            prop_assert!(matches!(kept, Kept::Rests(_)));
            prop_assert_eq!(kept.not_after(), Some(at(end)));
            prop_assert_eq!(kept.entry().progress(), awake.progress());
            prop_assert_eq!((kept.entry().times, kept.entry().place), (awake.times, awake.place));
            prop_assert_eq!(kept.wake().progress(), awake.progress());
        }
    }

    #[test]
    fn what_has_something_to_do_does_not_rest() {
        let times = Times { not_before: at(0), not_after: at(900), renew_at: at(600), ask_again: at(60) };
        let entry = issued(&times, 5);
        for awake in [
            Entry { phase: Phase::Renewing, ..entry.clone() },
            Entry { failures: 1, ..entry.clone() },
            Entry { pressed: true, ..entry.clone() },
            Entry { place: Place::Busy(7), ..entry.clone() },
            Entry { place: Place::Look(at(70)), ..entry.clone() },
            Entry { trouble: Some(Trouble::refused("caa", "Mend it.".to_owned())), ..entry.clone() },
            Entry { times: None, ..entry },
        ] {
            assert!(matches!(settled(awake.clone()), Kept::Wakes(_)), "{awake:?}");
        }
    }

    #[test]
    fn moments_beyond_what_is_kept_count_as_the_nearest() {
        let times = Times { not_before: at(-5), not_after: Timestamp::MAX, renew_at: at(600), ask_again: at(60) };
        let kept = in_whole_seconds(&times);
        assert_eq!((kept.not_before, kept.renew_at), (at(0), at(600)));
        assert!(kept.not_after > at(4_200_000_000));
        assert_eq!(in_whole_seconds(&kept), kept);
    }
}
