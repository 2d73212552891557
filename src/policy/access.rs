//! Access: a grant and its role's rules, compiled once for a session.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::index::RuleIndex;
use super::pattern::CompiledPattern;
use super::{
    Actor, AppPolicy, CompiledFilters, Condition, ConditionFacts, Effect, FieldValues, Grant, IdentityPlan, Looked,
    MethodSet, Request, RowCondition, Subject, Verdict,
};
use crate::types::RoleName;

/// The compiled result for one session; this is what is cached.
#[derive(Clone, Debug)]
pub struct Access {
    grant: Arc<Grant>,
    since: Option<Date>,
    level: Option<u32>,
    zone: TimeZone,
    rules: Vec<CompiledRule>,
    index: Option<RuleIndex>,
    headers: Vec<(HeaderName, HeaderValue)>,
    actor: Option<Actor>,
}

#[derive(Clone, Debug)]
pub(super) struct CompiledRule {
    pub(super) effect: Effect,
    methods: MethodSet,
    pattern: CompiledPattern,
    when: Option<Condition>,
    pub(super) filters: Option<Arc<CompiledFilters>>,
    pub(super) role: RoleName,
    pub(super) text: String,
}

/// A rule of an access, for people.
#[derive(Clone, Copy, Debug)]
pub struct RuleView<'a> {
    /// The role it is from.
    pub role: &'a RoleName,
    /// The rule, as text.
    pub text: &'a str,
    /// Which requests, where not all.
    pub when: Option<&'a Condition>,
    /// What it narrows.
    pub filters: Option<&'a Arc<CompiledFilters>>,
}

/// What the rules say of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ruling<'a> {
    /// The role has no rules at all, so everything is allowed.
    Unrestricted,
    /// This rule matched first.
    Rule(&'a CompiledRule),
    /// No rule matched.
    NoRule,
}

impl Access {
    /// Compiles a grant of an app.
    #[must_use]
    pub fn compile(policy: &AppPolicy, identity: &IdentityPlan, grant: Arc<Grant>, now: Timestamp) -> Self {
        let since = policy.since(grant.days_back, now);
        let level = policy.roles.role(&grant.role).and_then(|role| role.level);
        let values = FieldValues { grant: &grant, since, level };
        let rules = policy.roles.effective(&grant.role).into_iter().map(|(role, rule)| {
            let filters = rule.filters.as_ref().map(|filters| filters.compile(values).map(Arc::new));
            // A forced parameter without a value: what the rule narrows cannot be asked for at all, nor by a wider rule behind it.
            let effect = if matches!(filters, Some(None)) { Effect::Deny } else { rule.effect };
            CompiledRule {
                effect,
                methods: rule.methods.clone(),
                pattern: rule.pattern.compile(values, effect),
                when: rule.when.clone(),
                filters: filters.flatten(),
                role: role.clone(),
                text: rule.to_string(),
            }
        });
        let rules: Vec<_> = rules.collect();
        let index = RuleIndex::of(rules.iter().map(|rule| rule.pattern.beginning()));
        let headers = identity.headers(values);
        Self { since, level, zone: policy.time_zone.clone(), rules, index, headers, grant, actor: None }
    }

    /// The same access in a preview: it is the customer's, and a member of staff acts with it.
    #[must_use]
    pub fn acted_by(self, actor: Actor, identity: &IdentityPlan) -> Self {
        let headers = self.headers.into_iter().chain(identity.actor_header(&actor.email)).collect();
        Self { headers, actor: Some(actor), ..self }
    }

    /// Who acts with it, where that is not its own person.
    #[must_use]
    pub fn actor(&self) -> Option<&Actor> {
        self.actor.as_ref()
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

    /// What fields of patterns, headers and claims are filled in with.
    #[must_use]
    pub fn values(&self) -> FieldValues<'_> {
        FieldValues { grant: &self.grant, since: self.since, level: self.level }
    }

    /// The number of the person's role.
    #[must_use]
    pub fn level(&self) -> Option<u32> {
        self.level
    }

    /// The identity headers for the upstream.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The rules in the order they are asked.
    pub fn rules(&self) -> impl Iterator<Item = RuleView<'_>> {
        self.rules.iter().map(|rule| RuleView {
            role: &rule.role,
            text: &rule.text,
            when: rule.when.as_ref(),
            filters: rule.filters.as_ref(),
        })
    }

    /// Which of [`Self::rules`] matches a request first, for `explain`.
    #[must_use]
    pub fn first_match(&self, request: &Request<'_>) -> Option<usize> {
        match &self.index {
            Some(index) if request.path.is_without_escapes() => index.first(request.path.as_str(), |number| {
                self.rules.get(number).is_some_and(|rule| self.matches(rule, request))
            }),
            _ => self.rules.iter().position(|rule| self.matches(rule, request)),
        }
    }

    fn matches(&self, rule: &CompiledRule, request: &Request<'_>) -> bool {
        rule.methods.contains(request.method)
            && rule.pattern.matches(request.path, rule.effect)
            && rule.when.as_ref().is_none_or(|when| self.applies(when, rule.effect, request))
    }

    /// What each rule's `when` comes to where methods and path match, for `explain`: by the rule's number in [`Self::rules`].
    pub fn conditions<'a>(&'a self, request: &'a Request<'a>) -> impl Iterator<Item = (usize, &'a Condition, Verdict)> {
        self.rules.iter().enumerate().filter_map(|(number, rule)| {
            let when = rule.when.as_ref()?;
            let is_asked = rule.methods.contains(request.method) && rule.pattern.matches(request.path, rule.effect);
            is_asked.then(|| {
                (number, when, when.verdict(self.facts(Subject::Row(&self.grant.row), Some(request), request.now)))
            })
        })
    }

    /// What a rule's `when` looks at in a request, for `explain`.
    #[must_use]
    pub fn looks_at(&self, when: &Condition, request: &Request<'_>) -> Vec<Looked> {
        when.looks_at(self.facts(Subject::Row(&self.grant.row), Some(request), request.now))
    }

    /// Whether rows of an answer are for this person, to be asked of each. What cannot be judged is not.
    #[must_use]
    pub fn judge(&self, keep: &Condition, now: Timestamp) -> RowCondition {
        keep.for_rows(self.facts(Subject::Row(&self.grant.row), None, now))
    }

    pub(super) fn ruling(&self, request: &Request<'_>) -> Ruling<'_> {
        if self.rules.is_empty() {
            return Ruling::Unrestricted;
        }
        self.first_match(request).and_then(|number| self.rules.get(number)).map_or(Ruling::NoRule, Ruling::Rule)
    }

    /// What cannot be evaluated lets nobody in and keeps nobody's denial off.
    fn applies(&self, when: &Condition, effect: Effect, request: &Request<'_>) -> bool {
        match when.verdict(self.facts(Subject::Row(&self.grant.row), Some(request), request.now)) {
            Verdict::True => true,
            Verdict::False => false,
            Verdict::Failed(_) => effect == Effect::Deny,
        }
    }

    fn facts<'a>(&'a self, row: Subject<'a>, request: Option<&'a Request<'a>>, now: Timestamp) -> ConditionFacts<'a> {
        let since = self.since.and_then(|day| self.zone.to_timestamp(day.at(0, 0, 0, 0)).ok());
        ConditionFacts {
            row,
            customer: self.grant.customer.as_ref(),
            grant: Some((&self.grant, since)),
            request,
            now,
            zone: &self.zone,
        }
    }
}
