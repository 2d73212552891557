//! The decision: may this request go upstream?
//!
//! Pure: the same standing and request always give the same answer. [`Permit`] has private fields and is made here
//! alone, so whatever holds one has been through [`decide`].

use std::fmt;
use std::sync::Arc;

use super::access::Ruling;
use super::{Access, CompiledFilters, Effect, Grant, PreviewEnd, Request};
use crate::types::{CustomerId, RequestPath, Requirement};

/// What we know of the person behind a request.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Nobody: no session, or one that is over.
    Unknown,
    /// Somebody with several customers who has not chosen one yet.
    Undecided,
    /// Somebody who came by a way that is not enough for their role.
    Weak(Requirement),
    /// Somebody who may not enter.
    Refused(Reason),
    /// A member of staff whose preview is over: they have neither the customer's access any more nor, before they have asked for it,
    /// their own.
    PreviewOver(PreviewEnd),
    /// Somebody with access.
    Access(Arc<Access>),
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    /// It goes upstream.
    Allow(Permit),
    /// The person has to log in first.
    LogIn,
    /// The person has to choose a customer first.
    Choose,
    /// The person has to come by a stronger way first: one that meets this.
    StepUp(Requirement),
    /// It is refused.
    Deny(Reason),
    /// It is one of a preview that is over.
    PreviewOver(PreviewEnd),
}

/// Why a request is refused. The set is closed: logs, pages and tests all use these names.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// A deny rule matched.
    RuleDenies,
    /// No rule matched.
    NoRule,
    /// No table has the person any more.
    NoGrant,
    /// The domain belongs to another customer.
    OtherCustomer,
    /// The query sorts or selects by a field that the rule hides: the order of the answer would tell its values.
    HiddenField,
    /// The app's answer is of a kind that the rule's filters cannot read.
    CannotFilter,
    /// It would change something, and it is one of a preview.
    PreviewReadOnly,
}

impl Reason {
    /// The name in logs and JSON answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RuleDenies => "rule-denies",
            Self::NoRule => "no-rule",
            Self::NoGrant => "no-grant",
            Self::OtherCustomer => "other-customer",
            Self::HiddenField => "hidden-field",
            Self::CannotFilter => "cannot-filter",
            Self::PreviewReadOnly => "preview-read-only",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Proof of an allow decision for one request.
#[derive(Debug)]
pub struct Permit {
    access: Arc<Access>,
    path: RequestPath,
    filters: Option<Arc<CompiledFilters>>,
}

impl Permit {
    /// Whose access allowed it.
    #[must_use]
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// What the rule that allowed it narrows.
    #[must_use]
    pub fn filters(&self) -> Option<&Arc<CompiledFilters>> {
        self.filters.as_ref()
    }

    /// The path that was decided on, and so the path that goes upstream.
    #[must_use]
    pub fn path(&self) -> &RequestPath {
        &self.path
    }
}

/// Decides on one request.
#[must_use]
pub fn decide(standing: &Standing, request: &Request<'_>) -> Decision {
    match standing {
        Standing::Unknown => Decision::LogIn,
        Standing::Undecided => Decision::Choose,
        Standing::Weak(requirement) => Decision::StepUp(requirement.clone()),
        Standing::Refused(reason) => Decision::Deny(*reason),
        Standing::PreviewOver(end) => Decision::PreviewOver(*end),
        Standing::Access(access) if !passes_preview(access, request) => Decision::Deny(Reason::PreviewReadOnly),
        Standing::Access(access) => match access.ruling(request) {
            Ruling::Unrestricted => allow(access, request, None),
            Ruling::Rule(rule) => match (rule.effect, &rule.filters) {
                (Effect::Deny, _) => Decision::Deny(Reason::RuleDenies),
                (Effect::Allow, Some(filters)) if filters.asks_for_hidden(request.query) => {
                    Decision::Deny(Reason::HiddenField)
                }
                (Effect::Allow, filters) => allow(access, request, filters.clone()),
            },
            Ruling::NoRule => Decision::Deny(Reason::NoRule),
        },
    }
}

/// Asked before any rule, so that what a preview may not do is refused whatever the customer may.
fn passes_preview(access: &Access, request: &Request<'_>) -> bool {
    access.actor().is_none_or(|actor| actor.lets_pass(request.method, request.headers))
}

fn allow(access: &Arc<Access>, request: &Request<'_>, filters: Option<Arc<CompiledFilters>>) -> Decision {
    Decision::Allow(Permit { access: Arc::clone(access), path: request.path.clone(), filters })
}

impl Access {
    /// In words, what the rules say of a request, for `explain`.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>) -> String {
        match self.ruling(request) {
            Ruling::Unrestricted => "the role has no rules, so it may do everything".to_owned(),
            Ruling::Rule(rule) => format!("rule `{}` of role `{}` matches first", rule.text, rule.role),
            Ruling::NoRule => "no rule matches, and what no rule allows is denied".to_owned(),
        }
    }
}

/// Which of a person's grants counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// This one.
    One(Arc<Grant>),
    /// There are several, and none is chosen.
    Several,
    /// None.
    None(Reason),
}

/// Picks the grant that counts: on a domain that pins a customer, that customer's; otherwise the chosen one or, if none
/// was ever chosen, the only one. Somebody of the workspace has one grant, without a customer, on every domain.
#[must_use]
pub fn choose(grants: &[Arc<Grant>], pinned: Option<&CustomerId>, chosen: Option<&CustomerId>) -> Choice {
    let for_customer = |customer: &CustomerId| grants.iter().find(|grant| grant.customer_id() == Some(customer));
    let staff = grants.iter().find(|grant| grant.customer.is_none());
    let found = match (staff, pinned, chosen) {
        (Some(staff), _, _) => Some(staff),
        (None, Some(pinned), _) => {
            return match for_customer(pinned) {
                Some(grant) => Choice::One(Arc::clone(grant)),
                None if grants.is_empty() => Choice::None(Reason::NoGrant),
                None => Choice::None(Reason::OtherCustomer),
            };
        }
        (None, None, Some(chosen)) => for_customer(chosen),
        (None, None, None) => None,
    };
    match (found, grants) {
        (Some(grant), _) => Choice::One(Arc::clone(grant)),
        (None, []) => Choice::None(Reason::NoGrant),
        // Who chose a customer that is gone does not become another's unasked.
        (None, [grant]) if chosen.is_none() => Choice::One(Arc::clone(grant)),
        (None, _) => Choice::Several,
    }
}
