//! The one row that is held back until its condition is known: as it came, and as it would leave.

use super::Unfilterable;

/// What a row is in its document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Row {
    /// An element of an array.
    Element,
    /// A line.
    Line,
    /// The whole document.
    Document,
}

/// A row, or none. While all of it is in the piece at hand, its own bytes stay there, and what is to leave stands at the end of
/// `out`; only a row that goes on into the next piece is copied.
#[derive(Debug)]
pub(super) struct Held {
    row: Option<Row>,
    /// How many arrays and objects it stands in.
    depth: usize,
    /// Where it begins in the piece, and where in `out`.
    start: usize,
    mark: usize,
    is_carried: bool,
    raw: Vec<u8>,
    filtered: Vec<u8>,
    most_bytes: usize,
}

impl Held {
    pub(super) const fn new(most_bytes: usize) -> Self {
        Self {
            row: None,
            depth: usize::MAX,
            start: 0,
            mark: 0,
            is_carried: false,
            raw: Vec::new(),
            filtered: Vec::new(),
            most_bytes,
        }
    }

    /// What is held.
    pub(super) const fn row(&self) -> Option<Row> {
        self.row
    }

    /// Whether a value that ends this deep is the row.
    #[inline]
    pub(super) const fn ends_at(&self, depth: usize) -> bool {
        self.depth == depth
    }

    /// Holds back all that leaves from now on. The row's own bytes begin at `start` of the piece.
    pub(super) fn begin(&mut self, row: Row, depth: usize, start: usize, out: &[u8]) {
        self.row = Some(row);
        self.depth = depth;
        self.start = start;
        self.mark = out.len();
        self.is_carried = false;
        self.raw.clear();
        self.filtered.clear();
    }

    /// Where bytes go that are to leave.
    #[inline]
    pub(super) fn emit(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.is_carried {
            self.filtered.extend_from_slice(bytes);
        } else {
            out.extend_from_slice(bytes);
        }
    }

    /// The piece is over, and the row goes on.
    pub(super) fn carry(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if self.row.is_none() {
            return Ok(());
        }
        self.keep_raw(chunk);
        if !self.is_carried {
            self.filtered.extend_from_slice(out.get(self.mark..).unwrap_or_default());
            out.truncate(self.mark);
            self.is_carried = true;
        }
        self.fits(self.raw.len(), self.filtered.len())
    }

    fn keep_raw(&mut self, chunk: &[u8]) {
        let start = if self.is_carried { 0 } else { self.start };
        self.raw.extend_from_slice(chunk.get(start..).unwrap_or_default());
    }

    /// A constant may be longer than what it replaces, so what is to leave has the same limit.
    fn fits(&self, raw: usize, filtered: usize) -> Result<(), Unfilterable> {
        if raw > self.most_bytes || filtered > self.most_bytes { Err(Unfilterable::RowTooLarge) } else { Ok(()) }
    }

    /// The row as it came, now that it ends at the end of this part of the piece, all of which was given to [`Self::emit`] or is
    /// dropped, but for `unsent` bytes.
    pub(super) fn end(&mut self, chunk: &[u8], unsent: usize, out: &[u8]) -> Result<(), Unfilterable> {
        if self.is_carried {
            self.keep_raw(chunk);
            self.fits(self.raw.len(), self.filtered.len() + unsent)
        } else {
            let filtered = out.len().saturating_sub(self.mark) + unsent;
            self.fits(chunk.len().saturating_sub(self.start), filtered)
        }
    }

    /// The row's own bytes, after [`Self::end`] with the same part of the piece.
    pub(super) fn raw<'a>(&'a self, chunk: &'a [u8]) -> &'a [u8] {
        if self.is_carried { &self.raw } else { chunk.get(self.start..).unwrap_or_default() }
    }

    /// Lets it go on its way.
    pub(super) fn release(&mut self, out: &mut Vec<u8>) {
        if self.is_carried {
            out.extend_from_slice(&self.filtered);
        }
        self.forget();
    }

    /// Drops it.
    pub(super) fn drop(&mut self, out: &mut Vec<u8>) {
        if self.row.is_some() && !self.is_carried {
            out.truncate(self.mark);
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.row = None;
        self.depth = usize::MAX;
        self.is_carried = false;
    }
}
