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
mod element;
mod field;
mod filter;
mod grant;
mod hidden;
mod identity;
mod index;
mod looks;
mod nominate;
mod parameters;
mod pattern;
mod preview;
mod request;
mod role;
mod row;
mod rule;
mod team;

pub use access::{Access, RuleView};
pub use app::{AppPolicy, Settled, WorkspaceGroups, WorkspaceUser};
pub use condition::{Condition, ConditionFacts, InvalidCondition, RowCondition, Scope, Subject, Verdict};
pub use decision::{Choice, Decision, Permit, Reason, Standing, choose, decide};
pub use element::{Element, InvalidElement};
pub use field::{Field, FieldValues, InvalidTemplate, Template};
pub use filter::{CompiledFilters, Filters, InvalidMemberPath, MediaRange, MemberPath, RowFilter, RowsAt, Step};
pub use grant::{Customer, Grant, Origin};
pub use identity::{IdentityPlan, JwtPlan, Preset};
pub use looks::Looked;
pub use nominate::{Assign, CustomerList, ListColumns, ListRole, Refusal};
pub use pattern::{InvalidPattern, PathPattern};
pub use preview::{Actor, PreviewEnd, PreviewPlan, PreviewRefusal};
pub use request::{Request, decode, is_invisible, parameters};
pub use role::{DaysBack, Role, Roles};
pub use row::{Row, Value};
pub use rule::{Effect, InvalidRule, MethodSet, Rule};
pub use team::{NotAllowed, PortalRight, TeamPlan};

#[cfg(test)]
mod tests;
