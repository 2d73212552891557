//! What a condition looks at, and what it found there: for people who ask why it came out as it did.

use cel::common::ast::{EntryExpr, Expr, LiteralValue};
use cel::objects::Key;
use cel::{IdedExpr, Value};
use serde_json::Value as Json;

use super::condition::value_of;
use super::{Condition, ConditionFacts};

/// One thing that a condition looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// As the condition would write it: `row.status`, `row["First name"]`, `request.query.sort`.
    pub name: String,
    /// What is there; nothing where there is no such column, parameter or header.
    pub value: Option<Json>,
}

impl Condition {
    /// The columns, parameters and other facts that the condition speaks of, each once, in the order it does.
    #[must_use]
    pub fn looks_at(&self, facts: ConditionFacts<'_>) -> Vec<Looked> {
        let mut ways = Vec::new();
        gather(self.expression(), self.names(), &mut ways);
        let mut looked: Vec<Looked> = Vec::new();
        for way in ways {
            let name = way.to_string();
            if !looked.iter().any(|known| known.name == name) {
                looked.push(Looked { name, value: way.find(facts) });
            }
        }
        looked
    }

    /// The members that the condition asks of a row by their names.
    pub fn row_members(&self) -> impl Iterator<Item = String> {
        let mut ways = Vec::new();
        gather(self.expression(), self.names(), &mut ways);
        let members = ways.into_iter().filter(|way| way.root == "row").filter_map(|way| way.members.first().copied());
        members.map(str::to_owned).collect::<std::collections::BTreeSet<_>>().into_iter()
    }
}

/// What our names have for members; a row's are the table's.
const MEMBERS: [(&str, &[&str]); 4] = [
    ("customer", &["id", "name"]),
    ("access", &["email", "role", "days_back", "since"]),
    ("grant", &["email", "name", "role", "days_back", "language", "notes", "attributes"]),
    ("request", &["method", "path", "query", "header", "host", "ip", "time"]),
];

/// A member that one of our names does not have, with those that it has: it would never be there.
pub(super) fn unknown_member(expression: &IdedExpr, names: &[&'static str]) -> Option<(String, String)> {
    let mut ways = Vec::new();
    gather(expression, names, &mut ways);
    ways.iter().find_map(|way| {
        let (root, members) = MEMBERS.iter().find(|(root, _)| *root == way.root)?;
        let member = way.members.first().filter(|member| !members.contains(member))?;
        let known = members.iter().map(|member| format!("{root}.{member}")).collect::<Vec<_>>().join(", ");
        Some((format!("{root}.{member}"), known))
    })
}

/// A name of ours and the members behind it.
struct Way<'a> {
    root: &'a str,
    members: Vec<&'a str>,
}

impl Way<'_> {
    fn find(&self, facts: ConditionFacts<'_>) -> Option<Json> {
        let mut value = value_of(self.root, facts);
        for member in &self.members {
            let Value::Map(map) = value else { return None };
            value = map.map.get(&Key::from(*member))?.clone();
        }
        Some(json(&value))
    }
}

impl std::fmt::Display for Way<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.root)?;
        for member in &self.members {
            let is_name = member.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && member.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            match is_name {
                true => write!(formatter, ".{member}")?,
                false => write!(formatter, "[{member:?}]")?,
            }
        }
        Ok(())
    }
}

fn gather<'a>(expression: &'a IdedExpr, names: &[&'static str], ways: &mut Vec<Way<'a>>) {
    if let Some(way) = way(expression, names) {
        // A whole row is no answer to what was looked at.
        if !way.members.is_empty() || way.root == "now" {
            ways.push(way);
        }
        return;
    }
    match &expression.expr {
        Expr::Call(call) => {
            for part in call.target.as_deref().into_iter().chain(&call.args) {
                gather(part, names, ways);
            }
        }
        Expr::Comprehension(inner) => {
            for part in [&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                gather(part, names, ways);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(|part| gather(part, names, ways)),
        Expr::Select(select) => gather(&select.operand, names, ways),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    gather(&entry.key, names, ways);
                    gather(&entry.value, names, ways);
                }
            }
        }
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn way<'a>(expression: &'a IdedExpr, names: &[&'static str]) -> Option<Way<'a>> {
    match &expression.expr {
        Expr::Ident(name) => names.contains(&name.as_str()).then(|| Way { root: name, members: Vec::new() }),
        Expr::Select(select) => {
            let mut way = way(&select.operand, names)?;
            way.members.push(&select.field);
            Some(way)
        }
        Expr::Call(call) if call.func_name == "_[_]" => match call.args.as_slice() {
            [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(key)), .. }] => {
                let mut way = way(operand, names)?;
                way.members.push(key.inner());
                Some(way)
            }
            _ => None,
        },
        _ => None,
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Int(value) => Json::from(*value),
        Value::UInt(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::String(text) => Json::from(text.as_str()),
        Value::Timestamp(time) => Json::from(time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
        Value::List(values) => values.iter().map(json).collect(),
        Value::Map(map) => {
            let name = |key: &Key| match key {
                Key::String(text) => text.to_string(),
                Key::Int(number) => number.to_string(),
                Key::Uint(number) => number.to_string(),
                Key::Bool(value) => value.to_string(),
            };
            map.map.iter().map(|(key, value)| (name(key), json(value))).collect::<serde_json::Map<_, _>>().into()
        }
        other => Json::from(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Row, Scope, Subject, Value};
    use super::*;

    #[test]
    fn a_condition_tells_what_it_looked_at_and_what_was_there() {
        let row = Row([
            ("status".to_owned(), Value::Text("active".to_owned())),
            ("First name".to_owned(), Value::Null),
            ("tags".to_owned(), Value::List(vec!["a".into()])),
        ]
        .into());
        let zone = jiff::tz::TimeZone::UTC;
        let facts = ConditionFacts::of_row(Subject::Row(&row), None, jiff::Timestamp::UNIX_EPOCH, &zone);
        let check = |source: &str, expected: &str| {
            let condition = Condition::compile(source, Scope::Table).expect("it compiles");
            let looked = condition.looks_at(facts).into_iter().map(|looked| {
                format!("{}: {}", looked.name, looked.value.map_or("nothing".to_owned(), |value| value.to_string()))
            });
            assert_eq!(looked.collect::<Vec<_>>().join(", "), expected, "{source}");
        };
        check(r#"row.status == "active" || row.status.startsWith("a")"#, r#"row.status: "active""#);
        check(r#"row["First name"] != "" && has(row.vip)"#, r#"row["First name"]: null, row.vip: nothing"#);
        check(r#"row.tags.exists(tag, tag == row.status)"#, r#"row.tags: ["a"], row.status: "active""#);
        check("row.end > now", r#"row.end: nothing, now: "1970-01-01T00:00:00Z""#);
    }
}
