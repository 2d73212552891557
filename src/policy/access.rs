//! Access: a grant and its role's rules, compiled once for a session.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use jiff::civil::Date;

use super::pattern::CompiledPattern;
use super::{AppPolicy, Effect, FieldValues, Grant, IdentityPlan, MethodSet};
use crate::types::{RequestPath, RoleName};

/// The compiled result for one session; this is what is cached.
#[derive(Clone, Debug)]
pub struct Access {
    grant: Arc<Grant>,
    since: Option<Date>,
    rules: Vec<CompiledRule>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Clone, Debug)]
struct CompiledRule {
    effect: Effect,
    methods: MethodSet,
    pattern: CompiledPattern,
    role: RoleName,
    text: String,
}

/// What the rules say of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ruling<'a> {
    /// The role has no rules at all, so everything is allowed.
    Unrestricted,
    /// This rule of this role matched first.
    Rule { effect: Effect, role: &'a RoleName, text: &'a str },
    /// No rule matched.
    NoRule,
}

impl Access {
    /// Compiles a grant of an app.
    #[must_use]
    pub fn compile(policy: &AppPolicy, identity: &IdentityPlan, grant: Arc<Grant>, now: Timestamp) -> Self {
        let since = policy.since(grant.days_back, now);
        let values = FieldValues { grant: &grant, since };
        let rules = policy.roles.effective(&grant.role).into_iter().map(|(role, rule)| CompiledRule {
            effect: rule.effect,
            methods: rule.methods.clone(),
            pattern: rule.pattern.compile(values, rule.effect),
            role: role.clone(),
            text: rule.to_string(),
        });
        let rules = rules.collect();
        let headers = identity.headers(values);
        Self { since, rules, headers, grant }
    }

    /// Whose access it is, and to what.
    #[must_use]
    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// The first day the person may see.
    #[must_use]
    pub fn since(&self) -> Option<Date> {
        self.since
    }

    /// The identity headers for the upstream.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The rules in the order they are asked, as text with their role, for `explain`.
    pub fn rules(&self) -> impl Iterator<Item = (&RoleName, &str)> {
        self.rules.iter().map(|rule| (&rule.role, rule.text.as_str()))
    }

    /// Which of [`Self::rules`] matches a request first, for `explain`.
    #[must_use]
    pub fn first_match(&self, method: &Method, path: &RequestPath) -> Option<usize> {
        self.rules.iter().position(|rule| rule.methods.contains(method) && rule.pattern.matches(path, rule.effect))
    }

    pub(super) fn ruling(&self, method: &Method, path: &RequestPath) -> Ruling<'_> {
        if self.rules.is_empty() {
            return Ruling::Unrestricted;
        }
        self.first_match(method, path)
            .and_then(|number| self.rules.get(number))
            .map_or(Ruling::NoRule, |rule| Ruling::Rule { effect: rule.effect, role: &rule.role, text: &rule.text })
    }
}
