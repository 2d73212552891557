//! Who may do what: conditions, patterns, roles, rules, grants, access and the decision.

mod grant;
mod row;

pub use grant::{Customer, Grant, Origin};
pub use row::{Row, Value};
