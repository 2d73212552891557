//! How long a name waits after what went wrong. Pure.
//!
//! A look costs the authority nothing and only asks the DNS and ourselves, so it comes back soon while somebody may be mending
//! the DNS, and seldom when nobody does. An order that failed costs something there (Let's Encrypt takes five failed validations
//! of a name in an hour), so those waits double.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::{SignedDuration, Timestamp};

use crate::state::certificates::CertificateName;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// How long a look waits, by how long something has been missing: so a restart goes on where it was.
const LOOKS: [(i64, i64); 6] = [(1, 1), (3, 2), (8, 5), (18, 10), (48, 30), (24 * 60, 60)];

/// Minutes between looks at what has been missing for more than a day.
const SELDOM_MINUTES: i64 = 6 * 60;

/// How long after a first failed order the next may come.
const FIRST_WAIT_MINUTES: i64 = 5;

/// The longest wait between two orders of a name.
const LONGEST_WAIT_MINUTES: i64 = 24 * 60;

/// When to look again at a name to which something has been missing since then.
pub(super) fn next_look(missing_since: Timestamp, now: Timestamp) -> Timestamp {
    let minutes = now.duration_since(missing_since).as_mins();
    let wait = LOOKS.iter().find(|(until, _)| minutes < *until).map_or(SELDOM_MINUTES, |(_, wait)| *wait);
    later(now, MINUTE * i32::try_from(wait).unwrap_or(i32::MAX))
}

/// When to order again after so many orders that failed. The authority's own word counts where it asks for more.
pub(super) fn next_order(
    name: &CertificateName,
    failures: u32,
    now: Timestamp,
    retry_after: Option<Timestamp>,
) -> Timestamp {
    let doubled = FIRST_WAIT_MINUTES.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_WAIT_MINUTES);
    let wait = spread(SignedDuration::from_mins(doubled), name, failures);
    later(now, wait).max(retry_after.unwrap_or(now))
}

/// When to try an authority again that could not be used so many times in a row.
pub(super) fn next_probe(failures: u32, now: Timestamp, retry_after: Option<Timestamp>) -> Timestamp {
    let minutes = (1_i64 << failures.saturating_sub(1).min(8)).min(60);
    later(now, SignedDuration::from_mins(minutes)).max(retry_after.unwrap_or(now))
}

/// Makes a wait up to a fifth longer, each name by another part, so that what failed together does not come back together.
fn spread(wait: SignedDuration, name: &CertificateName, failures: u32) -> SignedDuration {
    let mut hasher = DefaultHasher::new();
    (name, failures).hash(&mut hasher);
    let part = i64::try_from(hasher.finish() % 1000).unwrap_or_default();
    wait + SignedDuration::from_millis(wait.as_secs().saturating_mul(part) / 5)
}

/// A moment so much later; the last there is, where that would be beyond it.
pub(super) fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).expect("a time")
    }

    fn minutes(from: i64, to: Timestamp) -> i64 {
        to.duration_since(at(from)).as_mins()
    }

    #[test]
    fn looks_come_soon_at_first_and_seldom_in_the_end() {
        let mut now = 0;
        let mut waits = Vec::new();
        while now < 3 * 24 * 60 {
            let wait = minutes(now, next_look(at(0), at(now)));
            waits.push(wait);
            now += wait;
        }
        assert_eq!(waits.get(..7), Some([1, 2, 5, 10, 30, 60, 60].as_slice()));
        assert_eq!(waits.iter().filter(|wait| **wait == 60).count(), 24);
        assert!(waits.ends_with(&[360, 360, 360]), "{waits:?}");
    }

    #[test]
    fn orders_of_a_name_wait_twice_as_long_each_time_and_a_day_at_most() {
        let name = CertificateName::parse("a.test").expect("a name");
        let waits = |failures| minutes(0, next_order(&name, failures, at(0), None));
        for (failures, least) in [(1, 5), (2, 10), (3, 20), (9, 1280), (10, 1440), (4_000_000, 1440)] {
            let wait = waits(failures);
            assert!(wait >= least && wait <= least + least / 5, "{failures}: {wait}");
        }
        let mut now = at(0);
        let mut in_an_hour = 0;
        for failures in 1.. {
            if now >= at(60) {
                break;
            }
            in_an_hour += 1;
            now = next_order(&name, failures, now, None);
        }
        assert!(in_an_hour < 5, "the fifth failed validation in an hour would lock the name: {in_an_hour}");
        assert_eq!(next_order(&name, 1, at(0), Some(at(300))), at(300), "what the authority says counts");
        assert_eq!(
            minutes(0, next_order(&name, 9, at(0), Some(at(1)))).max(1280),
            minutes(0, next_order(&name, 9, at(0), None))
        );
    }

    #[test]
    fn names_that_failed_together_come_back_apart() {
        let waits: std::collections::HashSet<_> = (0..100)
            .map(|number| CertificateName::parse(&format!("n{number}.test")).expect("a name"))
            .map(|name| next_order(&name, 3, at(0), None))
            .collect();
        assert!(waits.len() > 80, "{}", waits.len());
    }

    #[test]
    fn an_authority_is_probed_at_least_once_an_hour() {
        let wait = |failures| minutes(0, next_probe(failures, at(0), None));
        assert_eq!([wait(1), wait(2), wait(3), wait(7), wait(50)], [1, 2, 4, 60, 60]);
    }
}
