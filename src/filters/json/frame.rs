//! Where in a document the reader is: the arrays and objects around it, and the item at hand.

use super::members::{Action, Place};

/// An array or object that the reader is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) is_array: bool,
    /// Whether anything of it has left, so that the next item needs a comma.
    pub(super) has_items: bool,
    pub(super) are_rows: bool,
    /// Whether rows in it would be rows elsewhere.
    pub(super) is_elsewhere: bool,
    pub(super) place: Place,
    /// The place of an array's elements.
    pub(super) each: Place,
    pub(super) action: Action,
}

impl Frame {
    /// Whether its items may be dropped.
    pub(super) const fn may_drop(&self) -> bool {
        !self.is_array || self.are_rows || matches!(self.action, Action::Hide)
    }
}

/// A member or element of which it is not yet known whether it passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Where it begins in the piece, with its comma; 0 when it began in an earlier one.
    pub(super) start: usize,
    pub(super) has_comma: bool,
    /// How far behind its beginning the name stands.
    pub(super) name: usize,
}
