//! Who may do what.
//!
//! Values and functions: the same tables, rules, time and request always give the same answer. In reading order: a
//! [`Row`] of a table becomes a [`Grant`] if its [`CustomerList`] says so ([`AppPolicy::nominate`], [`AppPolicy::settle`]);
//! a grant and its role's rules are compiled into an [`Access`], once per session; [`decide`] holds a request against it.
//! Only an allow decision makes a [`Permit`], and without one nothing goes upstream.

mod access;
mod app;
mod condition;
mod decision;
mod field;
mod grant;
mod identity;
mod nominate;
mod pattern;
mod role;
mod row;
mod rule;

pub use access::Access;
pub use app::{AppPolicy, Settled, WorkspaceGroups, WorkspaceUser};
pub use condition::{Condition, ConditionFacts, InvalidCondition, Verdict};
pub use decision::{Choice, Decision, Permit, Reason, Standing, choose, decide};
pub use field::{Field, FieldValues, InvalidTemplate, Template};
pub use grant::{Customer, Grant, Origin};
pub use identity::{IdentityPlan, JwtPlan, Preset};
pub use nominate::{Assign, CustomerList, ListColumns, ListRole, Refusal};
pub use pattern::{InvalidPattern, PathPattern};
pub use role::{Role, Roles};
pub use row::{Row, Value};
pub use rule::{Effect, InvalidRule, MethodSet, Rule};

#[cfg(test)]
mod tests;
