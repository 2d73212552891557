//! CSV and TSV: columns are hidden or set, lines dropped, while the table streams through.

use super::{Unfilterable, Work};

/// Filters a table piece by piece.
#[derive(Debug)]
pub struct CsvFilter;

impl CsvFilter {
    /// For one answer. Without a delimiter the header row tells it: a comma, or a semicolon.
    ///
    /// # Errors
    /// None yet.
    pub fn new(work: &Work, delimiter: Option<u8>) -> Result<Self, Unfilterable> {
        let _ = (work, delimiter);
        Ok(Self)
    }

    /// Filters a piece.
    ///
    /// # Errors
    /// [`Unfilterable::Malformed`], [`Unfilterable::RowTooLarge`]
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let _ = (chunk, out);
        Err(Unfilterable::Kind("not built"))
    }

    /// The end of the answer.
    ///
    /// # Errors
    /// [`Unfilterable::Malformed`]
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let _ = out;
        Err(Unfilterable::Kind("not built"))
    }
}
