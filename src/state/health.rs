//! How the sources of customer tables are, for `/readyz` and metrics.

use jiff::Timestamp;

use crate::types::SourceName;

/// How one source is.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceHealth {
    /// Which source.
    pub name: SourceName,
    /// Whether it can be asked.
    pub state: SourceState,
    /// How many rows its tables have, as far as they were counted.
    pub rows: Option<u64>,
    /// What is wrong, in words.
    pub problem: Option<String>,
    /// How many rows could not be used at all.
    pub refused_rows: u64,
}

/// Whether a source can be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceState {
    /// Answers are as the table is.
    Fresh,
    /// It cannot be read; what is known from before is served.
    Stale {
        /// Since when.
        since: Timestamp,
    },
    /// It was never read, or what is known is too old: nobody enters from it.
    Down {
        /// Since when; before the first try, the beginning of time.
        since: Timestamp,
    },
}

impl SourceState {
    /// The name in metrics and `/readyz`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale { .. } => "stale",
            Self::Down { .. } => "down",
        }
    }
}
