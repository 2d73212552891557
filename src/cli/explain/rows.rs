//! From the customer lists to grants: every row of the person's, and each condition with what it looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::super::advice::advice;
use super::super::paint::{cut, tame};
use super::facts::{
    Alike, ConditionFacts, ConditionOf, CustomerFacts, DaysFacts, ListFacts, Refused, RowFacts, RowOutcome, Sourced,
    VerdictName,
};
use crate::config::App;
use crate::directory::{ListTrace, RowTrace, Trace};
use crate::policy::{
    Condition, ConditionFacts as Facts, CustomerList, Grant, ListRole, Looked, Refusal, Subject, Value, Verdict,
};
use crate::types::{RequiredWay, RoleName};

/// The most characters of one value that are shown.
pub(super) const MOST_SHOWN: usize = 80;

/// Every list, in order.
pub(super) fn lists(app: &App, trace: &Trace, at: Timestamp) -> Vec<ListFacts> {
    // A trace has a part for each list of the app that it was made for.
    let lists = trace.lists.iter().filter_map(|found| Some((found, app.policy.lists.get(found.number)?)));
    lists.map(|(found, list)| list_facts(app, list, found, trace, at)).collect()
}

/// Rows that cancel each other out.
pub(super) fn ambiguous(app: &App, trace: &Trace) -> Vec<Refused> {
    let list = app.policy.lists.first();
    let refused = |refusal: &Refusal| Refused {
        what: refusal.to_string(),
        advice: list.map(|list| advice(refusal, &app.policy, list)),
    };
    trace.ambiguous.iter().map(refused).collect()
}

fn list_facts(app: &App, list: &CustomerList, found: &ListTrace, trace: &Trace, at: Timestamp) -> ListFacts {
    let rows = found.rows.as_deref().unwrap_or_default();
    ListFacts {
        list: list.name.clone(),
        source: list.source.to_string(),
        table: list.table.as_ref().map(ToString::to_string),
        email_column: list.columns.email.to_string(),
        fetched: found.fetched.map(|fetched| format!("{fetched:.0}")),
        unreadable: found.rows.as_ref().err().cloned(),
        rows: rows.iter().map(|row| row_facts(app, list, row, trace, at)).collect(),
        alike: found
            .alike
            .iter()
            .map(|(place, address)| Alike { place: place.to_string(), address: address.clone() })
            .collect(),
    }
}

fn row_facts(app: &App, list: &CustomerList, found: &RowTrace, trace: &Trace, at: Timestamp) -> RowFacts {
    let policy = &app.policy;
    let refused =
        |refusal: &Refusal| Refused { what: refusal.to_string(), advice: Some(advice(refusal, policy, list)) };
    let grant = found.outcome.as_ref().ok();
    let is_left = |grant: &Grant| trace.grants.iter().any(|left| left.customer == grant.customer);
    let from_column = "the address itself, for the list names no column".to_owned();
    let customer = grant.and_then(|grant| grant.customer.as_ref()).map(|customer| CustomerFacts {
        id: customer.id.to_string(),
        name: customer.name.as_ref().map(ToString::to_string),
        from: list.columns.customer.as_ref().map_or(from_column, |column| format!("column `{column}`")),
    });
    let requires = grant.and_then(|grant| policy.roles.unmet(&grant.role, std::iter::empty()));
    RowFacts {
        place: found.place.to_string(),
        outcome: match grant {
            Some(grant) if is_left(grant) => RowOutcome::Counts,
            Some(_) => RowOutcome::Ambiguous,
            None => RowOutcome::Refused,
        },
        refusal: found.outcome.as_ref().err().map(refused),
        remarks: found.remarks.iter().map(refused).collect(),
        columns: found.row.0.iter().map(|(column, value)| (column.clone(), json(value))).collect(),
        shown: found.row.0.iter().map(|(column, value)| (name_in_conditions(column), show(value))).collect(),
        conditions: conditions(app, list, found, at),
        customer,
        role: grant
            .map(|grant| Sourced { name: grant.role.to_string(), from: origin_of_role(app, list, found, grant, at) }),
        days_back: grant
            .map(|grant| DaysFacts { days: grant.days_back, from: origin_of_days_back(app, list, found, grant) }),
        requires: requires
            .map(|ways| ways.0.iter().map(RequiredWay::as_str).map(str::to_owned).collect())
            .unwrap_or_default(),
    }
}

/// The conditions that were asked of a row, in the order they were.
fn conditions(app: &App, list: &CustomerList, found: &RowTrace, at: Timestamp) -> Vec<ConditionFacts> {
    let role = match &found.outcome {
        Ok(grant) => Some(&grant.role),
        Err(Refusal::RoleWhen(role) | Refusal::RoleWhenFailed(role, _)) => Some(role),
        Err(
            Refusal::NoColumn(_)
            | Refusal::NoEmail
            | Refusal::BadEmail(..)
            | Refusal::NoCustomer
            | Refusal::BadCustomer,
        ) => return Vec::new(),
        Err(_) => None,
    };
    let customer = list.customer_of(&found.row);
    let facts = Facts::of_row(Subject::Row(&found.row), customer.as_ref(), at, &app.policy.time_zone);
    let mut told = Vec::new();
    let mut ask = |of, role: Option<&RoleName>, condition: &Condition| {
        let verdict = condition.verdict(facts);
        let is_true = verdict == Verdict::True;
        told.push(condition_facts(of, role, condition, verdict, condition.looks_at(facts)));
        is_true
    };
    if let Some(condition) = &list.condition
        && !ask(ConditionOf::Where, None, condition)
    {
        return told;
    }
    if !has_own_role(list, found) {
        for assign in &list.assign {
            if ask(ConditionOf::Assign, Some(&assign.role), &assign.when) {
                break;
            }
        }
    }
    if let Some(role) = role
        && let Some(when) = app.policy.roles.role(role).and_then(|role| role.when.as_ref())
    {
        ask(ConditionOf::RoleWhen, Some(role), when);
    }
    told
}

/// Whether the row names its role itself.
fn has_own_role(list: &CustomerList, found: &RowTrace) -> bool {
    matches!(&list.role, ListRole::Column(column) if found.row.text(column.as_str()).is_some())
}

/// A condition, its verdict, and what it looked at.
pub(super) fn condition_facts(
    of: ConditionOf,
    role: Option<&RoleName>,
    condition: &Condition,
    verdict: Verdict,
    looked: Vec<Looked>,
) -> ConditionFacts {
    let show = |looked: &Looked| match &looked.value {
        Some(value) => format!("{} = {}", tame(&looked.name), cut(&tame(&value.to_string()), MOST_SHOWN)),
        None => format!("{} is not there", tame(&looked.name)),
    };
    let shown = looked.iter().map(show).collect::<Vec<_>>().join(", ");
    let (verdict, why) = match verdict {
        Verdict::True => (VerdictName::True, None),
        Verdict::False => (VerdictName::False, None),
        Verdict::Failed(why) => (VerdictName::Failed, Some(why)),
    };
    ConditionFacts {
        of,
        role: role.map(ToString::to_string),
        condition: condition.source().to_owned(),
        verdict,
        why,
        looked_at: looked.into_iter().map(|looked| (looked.name, looked.value.unwrap_or(Json::Null))).collect(),
        shown,
    }
}

fn origin_of_role(app: &App, list: &CustomerList, found: &RowTrace, grant: &Grant, at: Timestamp) -> String {
    if let ListRole::Column(column) = &list.role
        && has_own_role(list, found)
    {
        return format!("from column `{column}`");
    }
    let customer = grant.customer.as_ref();
    let facts = Facts::of_row(Subject::Row(&found.row), customer, at, &app.policy.time_zone);
    let assigned = list.assign.iter().find(|assign| assign.when.verdict(facts) == Verdict::True);
    match (assigned, &list.role) {
        (Some(assign), _) => format!("assigned because `{}` is true", assign.when.source()),
        (None, ListRole::Name(_)) => "as the list gives every row".to_owned(),
        (None, _) => "the app's `roles_default`".to_owned(),
    }
}

fn origin_of_days_back(app: &App, list: &CustomerList, found: &RowTrace, grant: &Grant) -> String {
    let column = list.columns.days_back.as_ref().filter(|column| found.row.text(column.as_str()).is_some());
    match (column, list.days_back, app.policy.roles.origin_of_days_back(&grant.role)) {
        (Some(column), _, _) => format!("from column `{column}`"),
        (None, Some(_), _) => "as the list says".to_owned(),
        (None, None, Some((role, _))) => format!("as role `{role}` says"),
        (None, None, None) => "for neither row, list nor role says".to_owned(),
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Int(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Text(text) | Value::Decimal(text) => Json::from(text.as_str()),
        Value::Date(day) => Json::from(day.to_string()),
        Value::DateTime(time) => Json::from(time.to_string()),
        Value::Timestamp(time) => Json::from(time.to_string()),
        Value::List(values) => values.iter().map(json).collect(),
        Value::Map(values) => {
            let members: BTreeMap<_, _> = values.iter().map(|(name, value)| (name.clone(), json(value))).collect();
            Json::from(members.into_iter().collect::<serde_json::Map<_, _>>())
        }
    }
}

/// A value as conditions see it: a text in quotes, anything else without.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(text) => format!("\"{}\"", cut(&tame(text), MOST_SHOWN)),
        Value::Decimal(digits) => digits.clone(),
        Value::Date(day) => day.to_string(),
        Value::DateTime(time) => time.to_string(),
        Value::Timestamp(time) => time.to_string(),
        Value::List(values) => format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(values) => {
            let members =
                values.iter().map(|(name, value)| format!("{}: {}", cut(&tame(name), MOST_SHOWN), show(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// What conditions call a column: `row.status`, or `row["first name"]`.
fn name_in_conditions(column: &str) -> String {
    let is_name = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if is_name(column) && !column.starts_with(|first: char| first.is_ascii_digit()) {
        format!("row.{column}")
    } else {
        format!("row[{}]", show(&Value::Text(column.to_owned())))
    }
}
