//! From a grant to the decision: rules, filters, headers, and what becomes of the request.

use std::sync::Arc;

use super::answer;
use super::facts::{
    AccessFacts, AssertionFacts, ConditionFacts, ConditionOf, FilterFacts, HeaderFacts, RequestFacts, RequestOutcome,
    RowsFacts, RuleFacts,
};
use super::question::{Asked, Question};
use super::rows::condition_facts;
use crate::config::App;
use crate::filters::query::shape;
use crate::policy::{Access, CompiledFilters, Decision, Grant, Reason, Request, RowsAt, Standing, decide};
use crate::types::{Ambiguity, RequestPath};

/// One grant: who, which rules, which headers, and the decision on the request.
pub(super) fn facts(question: &Question<'_>, grant: &Arc<Grant>) -> AccessFacts {
    let app = question.app;
    let access = Arc::new(Access::compile(&app.policy, &app.identity, Arc::clone(grant), question.at));
    let path = question.request.as_ref().map(|asked| {
        let path = RequestPath::parse(asked.path.as_bytes(), &app.path_allowances);
        path.map_err(|error| Box::new(bad_path(app, asked, error.0, &error.to_string())))
    });
    let request = match (&question.request, &path) {
        (Some(asked), Some(Ok(path))) => Some(asked.as_request(path, question.at)),
        _ => None,
    };
    let rules = rules(app, &access, request.as_ref());
    let decided = request.as_ref().map(|request| decision(app, &access, request));
    let (mut request_facts, answers) = match decided {
        Some((told, answers)) => (Some(told), answers),
        None => (path.and_then(Result::err).map(|told| *told), None),
    };
    if let (Some(told), Some(asked)) = (&mut request_facts, &question.request)
        && asked.had_fragment
    {
        told.notes.push("no fragment ever reaches a server, so it was cut off".to_owned());
    }
    let customer = grant.customer.as_ref();
    let role = app.policy.roles.role(&grant.role);
    AccessFacts {
        customer: customer.map(|customer| customer.id.to_string()),
        customer_name: customer.and_then(|customer| customer.name.as_ref()).map(ToString::to_string),
        role: grant.role.to_string(),
        level: access.level(),
        irrevocable: role.is_some_and(|role| role.irrevocable),
        days_back: grant.days_back,
        since: access.since().map(|day| day.to_string()),
        name: grant.name.as_ref().map(ToString::to_string),
        language: grant.language.as_ref().map(ToString::to_string),
        notes: grant.notes.as_ref().map(ToString::to_string),
        attributes: grant.attributes.iter().map(|(name, value)| (name.clone(), value.to_string())).collect(),
        rules,
        headers: headers(&access),
        assertion: assertion(app, &access),
        response: question
            .sample
            .as_ref()
            .map(|sample| answer::facts(sample, answers, &access, question.at, question.most_row_bytes)),
        request: request_facts,
    }
}

impl Asked {
    fn as_request<'a>(&'a self, path: &'a RequestPath, now: jiff::Timestamp) -> Request<'a> {
        Request {
            method: &self.method,
            path,
            query: self.query.as_deref(),
            headers: &self.headers,
            host: &self.host,
            client: self.client,
            now,
        }
    }
}

fn bad_path(app: &App, asked: &Asked, kind: Ambiguity, error: &str) -> RequestFacts {
    let is_allowable = Ambiguity::ALLOWABLE.contains(&kind);
    let advice = format!("`path_allow = [\"{}\"]` in `[app.{}]`, if the app needs such paths", kind.name(), app.name);
    RequestFacts {
        method: asked.method.to_string(),
        path: asked.path.clone(),
        query: asked.query.clone(),
        outcome: RequestOutcome::BadRequest,
        reason: Some(kind.name().to_owned()),
        why: error.to_owned(),
        advice: is_allowable.then_some(advice),
        upstream: None,
        notes: Vec::new(),
    }
}

/// What is decided, and what narrows the answer.
fn decision(app: &App, access: &Arc<Access>, request: &Request<'_>) -> (RequestFacts, Option<Answers>) {
    let (method, path) = (request.method, request.path.as_str());
    let mut told = RequestFacts {
        method: method.to_string(),
        path: path.to_owned(),
        query: request.query.map(str::to_owned),
        outcome: RequestOutcome::Deny,
        reason: None,
        why: access.explain(request),
        advice: None,
        upstream: None,
        notes: Vec::new(),
    };
    let role = &access.grant().role;
    let rule = format!("{{ allow = \"{method} {path}\" }}");
    let add =
        |place: &str| format!("add `{rule}` {place} `[app.{}.role.{role}]`, or give the person another role", app.name);
    match decide(&Standing::Access(Arc::clone(access)), request) {
        Decision::Allow(permit) => {
            let prefix = &app.upstream.prefix;
            let Some(moved) = prefix.to_upstream(permit.path().as_str()) else {
                told.reason = Some("outside-prefix".to_owned());
                told.why.push_str(&format!(", but the app has only what is below `{}`: 404", prefix.strip));
                told.advice =
                    Some(format!("ask for a path below it, or change `strip_prefix` in `[app.{}.upstream]`", app.name));
                return (told, None);
            };
            told.outcome = RequestOutcome::Allow;
            told.upstream = Some(upstream(&moved, request.query, permit.filters()));
            return (told, Some(Answers(permit.filters().cloned())));
        }
        Decision::Deny(reason) => {
            told.reason = Some(reason.name().to_owned());
            told.advice = Some(match reason {
                Reason::RuleDenies => add("before that rule in"),
                Reason::HiddenField => {
                    told.why.push_str(", but the query asks by a member that it hides: the order or the choice of what comes back would tell its values");
                    "leave that parameter out; or, if what it names tells nothing, list it in the rule's `query_only`"
                        .to_owned()
                }
                _ => add("to"),
            });
        }
        Decision::LogIn | Decision::Choose | Decision::StepUp(_) | Decision::PreviewOver(_) => {}
    }
    (told, None)
}

/// The filters of the rule that allowed the request, where it has any.
pub(super) struct Answers(pub(super) Option<Arc<CompiledFilters>>);

/// Path and query as they go to the app.
fn upstream(path: &str, query: Option<&str>, filters: Option<&Arc<CompiledFilters>>) -> String {
    let query = match filters.filter(|filters| filters.filters().touches_query()) {
        // As the gateway does: some apps take off a second `?`.
        Some(filters) => shape(filters, query.map(|query| query.trim_start_matches('?'))),
        None => query.map(str::to_owned),
    };
    match query {
        Some(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

fn rules(app: &App, access: &Access, request: Option<&Request<'_>>) -> Vec<RuleFacts> {
    let first = request.and_then(|request| access.first_match(request));
    let mut whens: Vec<(usize, ConditionFacts)> = Vec::new();
    if let Some(request) = request {
        for (number, when, verdict) in access.conditions(request) {
            let looked = access.looks_at(when, request);
            whens.push((number, condition_facts(ConditionOf::RuleWhen, None, when, verdict, looked)));
        }
    }
    let configured = app.policy.roles.effective(&access.grant().role);
    let rule = |(number, view): (usize, crate::policy::RuleView<'_>)| {
        let is_narrowed = configured.get(number).is_some_and(|(_, rule)| rule.filters.is_some());
        let denies = "a parameter that it forces has no value for this person, so it denies";
        let when = whens.iter().position(|(of, _)| *of == number);
        RuleFacts {
            role: view.role.to_string(),
            rule: view.when.map_or(view.text, |when| without_when(view.text, when.source())).to_owned(),
            condition: view.when.map(|when| when.source().to_owned()),
            when: when.map(|place| whens.swap_remove(place).1),
            filters: view.filters.map(|filters| filter_facts(filters)),
            denies: (is_narrowed && view.filters.is_none()).then(|| denies.to_owned()),
            matches_first: first == Some(number),
        }
    };
    access.rules().enumerate().map(rule).collect()
}

/// A rule's text without its condition, which is told apart.
fn without_when<'a>(text: &'a str, condition: &str) -> &'a str {
    text.strip_suffix(condition).and_then(|text| text.strip_suffix(" when ")).unwrap_or(text)
}

fn filter_facts(compiled: &CompiledFilters) -> FilterFacts {
    let filters = compiled.filters();
    FilterFacts {
        query: compiled.query().iter().cloned().collect(),
        query_only: filters.query_only.clone(),
        field_params: filters.field_params.clone(),
        hide: filters.hide.iter().map(ToString::to_string).collect(),
        set: filters.set.iter().map(|(path, value)| (path.to_string(), value.clone())).collect(),
        rows: filters.rows.as_ref().map(|rows| RowsFacts {
            at: match &rows.at {
                RowsAt::Found => None,
                RowsAt::Top => Some("$".to_owned()),
                RowsAt::Path(path) => Some(path.to_string()),
            },
            keep: rows.keep.source().to_owned(),
        }),
        remove: filters.remove.clone(),
        pass: filters.pass.iter().map(|range| range.as_str().to_owned()).collect(),
        shown: filters.to_string(),
    }
}

fn headers(access: &Access) -> Vec<HeaderFacts> {
    let fact = |(name, value): &(http::HeaderName, http::HeaderValue)| HeaderFacts {
        name: title_case(name.as_str()),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    access.headers().iter().map(fact).collect()
}

fn assertion(app: &App, access: &Access) -> Option<AssertionFacts> {
    let jwt = app.identity.jwt.as_ref()?;
    let claim =
        |(name, template): &(String, crate::policy::Template)| Some((name.clone(), template.fill(access.values())?));
    Some(AssertionFacts {
        header: title_case(jwt.header.as_str()),
        audience: jwt.audience.clone(),
        lifetime_seconds: jwt.lifetime.as_secs(),
        claims: jwt.claims.iter().filter_map(claim).collect(),
    })
}

/// `x-access-email` as people write it.
fn title_case(name: &str) -> String {
    let word = |word: &str| {
        let mut characters = word.chars();
        characters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}
