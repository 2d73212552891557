//! Keeps a line that anybody can cause from filling the log.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Seconds between two lines.
const EVERY: i64 = 10;

/// Says when a line may be written again.
#[derive(Debug)]
pub struct Seldom(AtomicI64);

impl Default for Seldom {
    fn default() -> Self {
        Self::new()
    }
}

impl Seldom {
    /// No line was written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// Whether a line may be written now; if so, the next may ten seconds later.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let (last, now) = (self.0.load(Ordering::Relaxed), now.as_second());
        now.saturating_sub(last) >= EVERY
            && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_every_ten_seconds_is_enough() {
        let seldom = Seldom::new();
        let is_due = |second| seldom.is_due(Timestamp::from_second(second).expect("a time"));
        assert_eq!([0, 0, 9, 10, 11, 19, 20].map(is_due), [true, false, false, true, false, false, true]);
    }
}
