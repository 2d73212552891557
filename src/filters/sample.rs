//! For the filters' own tests: one person's work with given filters.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Unfilterable, Work};
use crate::policy::{
    Access, AppPolicy, Condition, Customer, Effect, Filters, Grant, IdentityPlan, MemberPath, Origin, Preset,
    PreviewPlan, Role, Roles, Row, RowFilter, RowsAt, Rule, Scope, Template,
};
use crate::types::{AppName, CustomerId, Email, RoleName};

/// Work for a person of customer 42.
pub(crate) fn work(filters: Filters) -> Work {
    let role = RoleName::parse("user").expect("valid");
    let rule = Rule { filters: Some(Arc::new(filters)), ..Rule::parse(Effect::Allow, "GET /**").expect("a rule") };
    let policy = AppPolicy {
        name: AppName::parse("orders").expect("valid"),
        lists: Vec::new(),
        roles: Roles([(role.clone(), Role { rules: vec![rule], ..Role::default() })].into()),
        default_role: None,
        workspace: BTreeMap::new(),
        workspace_groups: None,
        preview: PreviewPlan::default(),
        time_zone: TimeZone::UTC,
        team: None,
    };
    let grant = Grant {
        app: policy.name.clone(),
        email: Email::parse("ann@example.com").expect("valid"),
        name: None,
        customer: Some(Customer { id: CustomerId::parse("42").expect("valid"), name: None }),
        role,
        days_back: None,
        language: None,
        notes: None,
        attributes: BTreeMap::new(),
        origin: Origin::List("list".to_owned()),
        row: Arc::new(Row::default()),
    };
    let identity = IdentityPlan { preset: Preset::Access, extra: Vec::new(), jwt: None };
    let access = Arc::new(Access::compile(&policy, &identity, Arc::new(grant), Timestamp::UNIX_EPOCH));
    let filters = access.rules().find_map(|rule| rule.filters.cloned()).expect("the rule has filters");
    Work { filters, access, now: Timestamp::UNIX_EPOCH, most_row_bytes: 4096, is_error: false }
}

/// Filters that hide members.
pub(crate) fn hiding(names: &[&str]) -> Filters {
    Filters { hide: names.iter().map(|name| path(name)).collect(), ..Filters::default() }
}

/// Filters that keep rows.
pub(crate) fn keeping(condition: &str) -> Option<RowFilter> {
    let keep = Condition::compile(condition, Scope::Answer).expect("a condition");
    Some(RowFilter { at: RowsAt::Found, keep })
}

/// Filters that force parameters, given as `name=template`.
pub(crate) fn forcing(pairs: &[&str]) -> Filters {
    let pair = |pair: &&str| {
        let (name, template) = pair.split_once('=').expect("a pair");
        (name.to_owned(), Template::parse(template).expect("a template"))
    };
    Filters { query: pairs.iter().map(pair).collect(), ..Filters::default() }
}

pub(crate) fn path(text: &str) -> MemberPath {
    MemberPath::parse(text).expect("a path")
}

/// What a filter makes of bytes that come in the given pieces, or why it stops; and what had left until then.
pub(crate) fn stream<'a, F>(
    filter: &mut F,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    push: impl Fn(&mut F, &[u8], &mut Vec<u8>) -> Result<(), Unfilterable>,
    finish: impl Fn(&mut F, &mut Vec<u8>) -> Result<(), Unfilterable>,
) -> (Vec<u8>, Result<(), Unfilterable>) {
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = push(filter, piece, &mut out) {
            return (out, Err(error));
        }
    }
    let end = finish(filter, &mut out);
    (out, end)
}

/// Cuts bytes at the given places, which may be any numbers.
pub(crate) fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place % (bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for place in places {
        pieces.push(bytes.get(from..place).unwrap_or_default());
        from = place;
    }
    pieces.push(bytes.get(from..).unwrap_or_default());
    pieces
}
