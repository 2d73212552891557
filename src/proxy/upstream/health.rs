//! Whether a server is well: by what becomes of requests, and by what it says when it is asked.
//!
//! Two opinions, kept apart. Requests that fail in a row make the gateway leave a server alone for a while (it is *ejected*); that
//! is a guess, and when it would leave no server at all, the guess is dropped. A health check that fails is the operator's own word:
//! a server that is *down* gets no request, even if that means that the app answers 503.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::{Ejection, HealthCheck};
use crate::state::health::ServerState;

/// How often the time that a server is left alone doubles at most.
const MOST_DOUBLINGS: u32 = 5;

/// A server's health.
#[derive(Debug)]
pub(super) struct Health {
    since: Instant,
    /// Requests that failed in a row.
    failures: AtomicU32,
    /// Times in a row that it was left alone.
    ejections: AtomicU32,
    /// Until when it is left alone, in milliseconds since `since`.
    ejected_until: AtomicU64,
    checked: AtomicU8,
    /// Answers in a row that speak against `checked`.
    against: AtomicU32,
}

const UNKNOWN: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;

/// What a check changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It is well again, or for the first time.
    Up,
    /// It is down.
    Down,
}

impl Health {
    /// Of a server that nothing is known of: it may be used.
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            checked: AtomicU8::new(UNKNOWN),
            against: AtomicU32::new(0),
        }
    }

    /// Now, for the others.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How it is.
    pub(super) fn state(&self, now: u64) -> ServerState {
        if self.checked.load(Ordering::Relaxed) == DOWN {
            ServerState::Down
        } else if now < self.ejected_until.load(Ordering::Relaxed) {
            ServerState::Ejected
        } else {
            ServerState::Up
        }
    }

    /// It answered a request. Whether that ends a time of trouble.
    pub(super) fn answered(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.failures.store(0, Ordering::Relaxed);
        self.ejected_until.store(0, Ordering::Relaxed);
        self.ejections.swap(0, Ordering::Relaxed) > 0
    }

    /// It did not answer a request. For how long it is left alone, where this is one failure too many.
    pub(super) fn failed(&self, now: u64, ejection: Ejection) -> Option<Duration> {
        // After a time alone one failure is enough, for the count goes on.
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < ejection.after {
            return None;
        }
        let before = self.ejected_until.load(Ordering::Relaxed);
        if now < before {
            // A request that was under way when the others failed.
            return None;
        }
        let doublings = self.ejections.load(Ordering::Relaxed).min(MOST_DOUBLINGS);
        let alone = ejection.first.saturating_mul(1 << doublings);
        let until = now.saturating_add(u64::try_from(alone.as_millis()).unwrap_or(u64::MAX)).max(1);
        // Of several that fail at once, one ejects.
        self.ejected_until.compare_exchange(before, until, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        self.ejections.fetch_add(1, Ordering::Relaxed);
        Some(alone)
    }

    /// It was asked. The first answer counts at once, later ones when enough of them agree.
    pub(super) fn asked(&self, is_well: bool, check: &HealthCheck) -> Option<Change> {
        let (answer, change, enough) = match is_well {
            true => (UP, Change::Up, check.healthy_after),
            false => (DOWN, Change::Down, check.unhealthy_after),
        };
        let before = self.checked.load(Ordering::Relaxed);
        if before == answer {
            self.against.store(0, Ordering::Relaxed);
            return None;
        }
        let against = self.against.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if before != UNKNOWN && against < enough {
            return None;
        }
        self.against.store(0, Ordering::Relaxed);
        self.checked.store(answer, Ordering::Relaxed);
        Some(change)
    }

    /// Nobody asks it any more, so what it last said counts no more.
    pub(super) fn forget_checks(&self) {
        self.checked.store(UNKNOWN, Ordering::Relaxed);
        self.against.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EJECTION: Ejection = Ejection { after: 3, first: Duration::from_secs(10) };

    #[test]
    fn failures_in_a_row_leave_a_server_alone_for_longer_and_longer() {
        let health = Health::new();
        assert_eq!(health.failed(0, EJECTION), None);
        assert_eq!(health.failed(0, EJECTION), None);
        assert!(!health.answered(), "nobody was told of trouble");
        for _ in 0..2 {
            assert_eq!(health.failed(0, EJECTION), None);
        }
        let mut now = 1000;
        for seconds in [10, 20, 40, 80, 160, 320, 320, 320] {
            assert_eq!(health.failed(now, EJECTION), Some(Duration::from_secs(seconds)), "at {now}");
            assert_eq!(health.failed(now, EJECTION), None, "another that was under way");
            assert_eq!(health.state(now), ServerState::Ejected);
            now += seconds * 1000;
            assert_eq!(health.state(now), ServerState::Up, "it is tried again");
        }
        assert!(health.answered(), "and is well");
        assert!(!health.answered());
        assert_eq!(health.failed(now, EJECTION), None, "it begins anew");
    }

    #[test]
    fn a_check_counts_at_once_and_then_in_rows() {
        let check = HealthCheck {
            path: None,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            healthy_after: 2,
            unhealthy_after: 3,
            status: vec![200],
            host: None,
        };
        let health = Health::new();
        let ask = |answers: &[bool]| answers.iter().filter_map(|well| health.asked(*well, &check)).collect::<Vec<_>>();
        assert_eq!(ask(&[false]), [Change::Down]);
        assert_eq!(health.state(0), ServerState::Down);
        assert_eq!(ask(&[true, false, true]), []);
        assert_eq!(ask(&[true]), [Change::Up]);
        assert_eq!(ask(&[false, false, true, false, false]), []);
        assert_eq!(health.state(0), ServerState::Up);
        assert_eq!(ask(&[false]), [Change::Down]);
        health.forget_checks();
        assert_eq!(health.state(0), ServerState::Up);
    }
}
