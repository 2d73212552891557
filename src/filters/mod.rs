//! Filters: what an app's answer loses on its way to one person.
//!
//! Bytes in, bytes out: no clock, no socket, no Pingora. An answer is read piece by piece as it comes; what may pass leaves at
//! once, and no more than one row of it is held back ([`Work::most_row_bytes`]). What cannot be read is an [`Unfilterable`], and
//! then nothing more of the answer leaves: better a broken answer than one that says too much.
//!
//! In the order of an answer's way: [`media`] says what it is, [`unpack`] takes its compression off, then [`json`] (with its
//! lines), [`csv`] or [`html`] does the work, and in a preview [`bar`] adds what says so. [`query`] narrows the request on its way there.

pub mod answer;
pub mod bar;
pub mod csv;
pub mod html;
pub mod json;
pub mod media;
pub mod query;
pub mod unpack;

#[cfg(test)]
mod sample;

use std::sync::Arc;

use jiff::Timestamp;

use crate::policy::{Access, CompiledFilters, Element, Filters, RowCondition, Verdict};

/// The deepest nesting of JSON that is read.
pub const MOST_DEPTH: usize = 128;
/// The most bytes that one piece of a compressed answer may unpack to: more is a bomb, not an answer.
pub const MOST_UNPACKED_AT_ONCE: usize = 16 * 1024 * 1024;

/// What is to be done with an answer, and for whom.
#[derive(Clone, Debug)]
pub struct Work {
    /// The rule's filters.
    pub filters: Arc<CompiledFilters>,
    /// Whose rows are kept.
    pub access: Arc<Access>,
    /// The time that conditions see.
    pub now: Timestamp,
    /// The most bytes of one row.
    pub most_row_bytes: usize,
    /// Whether the answer is an error (status 400 and up): then a document without any array is no row, but says what went wrong.
    pub is_error: bool,
}

impl Work {
    /// The filters as configured.
    #[must_use]
    pub fn filters(&self) -> &Filters {
        self.filters.filters()
    }

    /// Who says which rows are kept.
    pub(crate) fn judge(&self) -> Judge {
        Judge(self.filters().rows.as_ref().map(|rows| self.access.judge(&rows.keep, self.now)))
    }
}

/// Says of each row whether it is kept: without a condition every one is, and one that cannot be judged is not.
#[derive(Debug)]
pub(crate) struct Judge(Option<RowCondition>);

impl Judge {
    pub(crate) fn keeps(&self, row: Element) -> bool {
        self.0.as_ref().is_none_or(|condition| condition.verdict(row) == Verdict::True)
    }
}

/// Why an answer cannot be filtered. The set is closed: log and metrics use these names.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unfilterable {
    /// It is not what its content type says.
    #[error("the answer is not well-formed {format}: {what}")]
    Malformed {
        /// JSON, CSV, HTML.
        format: &'static str,
        /// What is wrong with it. Never a piece of the answer itself.
        what: String,
    },
    /// One row is larger than is held in memory.
    #[error("one row of the answer is larger than `row_bytes`")]
    RowTooLarge,
    /// It is nested too deep.
    #[error("the answer is nested deeper than {MOST_DEPTH} levels")]
    TooDeep,
    /// Its content type is none that the rule's filters read, and `pass` does not name it.
    #[error("the rule has no filter for the content type `{0}`, and `pass` does not name it")]
    ContentType(String),
    /// Its compression is none that we unpack.
    #[error("the content coding `{0}` cannot be unpacked")]
    Coding(String),
    /// It is not compressed as it says.
    #[error("the answer does not unpack: {0}")]
    Packed(String),
    /// It unpacks to far more than it is.
    #[error("a piece of the answer unpacks to more than {MOST_UNPACKED_AT_ONCE} bytes")]
    Bomb,
    /// Its rows stand elsewhere than the rule says.
    #[error("the answer has rows elsewhere than at `{0}`")]
    RowsElsewhere(String),
    /// It is one row, and `rows` does not keep it for this person: nothing is wrong with it.
    #[error("the answer is a row that is not this person's")]
    NotTheirRow,
    /// A part of an answer, or a stream that is none.
    #[error("{0}")]
    Kind(&'static str),
}

impl Unfilterable {
    /// The name in log and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::RowTooLarge => "row-too-large",
            Self::TooDeep => "too-deep",
            Self::ContentType(_) => "content-type",
            Self::Coding(_) => "content-coding",
            Self::Packed(_) => "does-not-unpack",
            Self::Bomb => "unpacks-too-far",
            Self::RowsElsewhere(_) => "rows-elsewhere",
            Self::NotTheirRow => "not-their-row",
            Self::Kind(_) => "kind",
        }
    }
}
