//! How a source, or one table of it, is doing: when it was last right, and what is wrong since.

use std::time::Duration;

use jiff::Timestamp;

use crate::state::health::SourceState;

/// How long a question waits for a look at its source.
pub(super) const MOST_WAIT: Duration = Duration::from_secs(5);

/// When something was last right, and what is wrong since.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// When it was last seen to be right.
    pub(super) confirmed: Option<Timestamp>,
    /// What is wrong now.
    pub(super) trouble: Option<Trouble>,
}

/// What is wrong, and since when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Trouble {
    pub(super) since: Timestamp,
    pub(super) what: String,
}

impl Standing {
    /// All is well; answers whether it was not before.
    pub(super) fn confirm(&mut self, now: Timestamp) -> bool {
        self.confirmed = Some(now);
        self.trouble.take().is_some()
    }

    /// Something is wrong; answers whether that is news.
    pub(super) fn fail(&mut self, now: Timestamp, what: impl Into<String>) -> bool {
        let what = what.into();
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
        let is_news = self.trouble.as_ref().is_none_or(|trouble| trouble.what != what);
        self.trouble = Some(Trouble { since, what });
        is_news
    }

    /// Whether what was last right is too old to be served.
    pub(super) fn is_spent(&self, now: Timestamp, max_stale: Duration) -> bool {
        self.confirmed.is_none_or(|confirmed| now >= after(confirmed, max_stale))
    }

    pub(super) fn state(&self, now: Timestamp, max_stale: Duration) -> SourceState {
        match &self.trouble {
            None if !self.is_spent(now, max_stale) => SourceState::Fresh,
            // Nobody came to look for so long: a disk that hangs makes no error.
            None => SourceState::Down { since: self.confirmed.unwrap_or(Timestamp::MIN) },
            Some(trouble) if self.is_spent(now, max_stale) => SourceState::Down { since: trouble.since },
            Some(trouble) => SourceState::Stale { since: trouble.since },
        }
    }
}

/// Whether a table lost so many rows at once that somebody's mistake is likelier than a change of customers: all of them,
/// or more than nine in ten of at least twenty.
pub(super) fn is_sudden_loss(before: u64, after: u64) -> bool {
    const FEW: u64 = 20;
    (before > 0 && after == 0) || (before >= FEW && after.saturating_mul(10) < before)
}

/// The words for such a loss.
pub(super) fn sudden_loss(before: u64, after: u64) -> String {
    format!(
        "suddenly {after} rows where there were {before}; the rows from before are kept until `max_stale` is over, or until a restart"
    )
}

/// A moment that much later.
pub(super) fn after(moment: Timestamp, span: Duration) -> Timestamp {
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// How long ago a moment was; none at all when it is still to come.
pub(super) fn age(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_great_loss_is_sudden() {
        for (before, after, expected) in [
            (0, 0, false),
            (1, 0, true),
            (19, 1, false),
            (20, 1, true),
            (20, 2, false),
            (1000, 99, true),
            (5, 500, false),
        ] {
            assert_eq!(is_sudden_loss(before, after), expected, "{before} to {after}");
        }
    }

    #[test]
    fn trouble_becomes_an_end_when_what_is_known_is_too_old() {
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        let most = Duration::from_secs(60);
        let mut standing = Standing::default();
        assert_eq!(standing.state(at(0), most), SourceState::Down { since: Timestamp::MIN });
        standing.confirm(at(0));
        assert_eq!(standing.state(at(59), most), SourceState::Fresh);
        assert_eq!(standing.state(at(60), most), SourceState::Down { since: at(0) });
        assert!(standing.fail(at(10), "gone"));
        assert!(!standing.fail(at(20), "gone"));
        assert_eq!(standing.state(at(59), most), SourceState::Stale { since: at(10) });
        assert_eq!(standing.state(at(60), most), SourceState::Down { since: at(10) });
        assert!(standing.confirm(at(70)));
        assert_eq!(standing.state(at(71), most), SourceState::Fresh);
    }
}
