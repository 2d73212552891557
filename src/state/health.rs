//! How the sources of customer tables and the origin servers are, for `/readyz` and metrics.

use jiff::Timestamp;

use crate::types::{AppName, SourceName};

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

/// How the origin servers of one app are.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamHealth {
    /// Which app.
    pub app: AppName,
    /// Each server, by its URL.
    pub servers: Vec<(String, ServerState)>,
    /// How many requests wait for their turn, where their number is limited.
    pub waiting: Option<usize>,
}

/// How one origin server is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerState {
    /// It gets requests.
    Up,
    /// Requests to it failed in a row: it is left alone for a while.
    Ejected,
    /// It failed its health check.
    Down,
}

impl ServerState {
    /// The name in `/readyz`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Ejected => "ejected",
            Self::Down => "down",
        }
    }
}
