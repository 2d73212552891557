//! What a database writes becomes a value.
//!
//! Servers are asked for every column as text, in the one form that is the same everywhere, so that a type of an extension, or
//! one that has no binary form, makes no question fail. What the text means, the column's kind says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{ColumnIndex, Database, Decode, Row as SqlRow, Type};

use super::engine::{Column, Kind, Structure};
use super::pointer::read_first;
use super::source::Place;
use crate::policy::{Row, Value};

/// A longer value is of no use to a condition, and a row would take the memory of thousands.
const MOST_BYTES: usize = 1 << 20;

/// A row whose columns came as texts in the order of the structure: where it stands, itself, and the columns of no use.
pub(super) fn row<R>(row: &R, structure: &Structure, number: u64) -> (Place, Row, Vec<String>)
where
    R: SqlRow,
    usize: ColumnIndex<R>,
    for<'r> Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    R::Database: Database,
{
    let mut unusable = Vec::new();
    let mut place = Place::Number(number);
    let mut values = BTreeMap::new();
    for (at, column) in structure.columns.iter().enumerate() {
        let value = match row.try_get_unchecked::<Option<String>, _>(at) {
            Ok(None) => Some(Value::Null),
            Ok(Some(text)) => value(column, text),
            // A text that is not UTF-8.
            Err(_) => None,
        };
        if let (true, Some(Value::Int(key))) = (column.is_key, &value) {
            place = Place::Key(*key);
        }
        let value = value.unwrap_or_else(|| {
            unusable.push(column.name.clone());
            Value::Null
        });
        values.insert(column.name.clone(), value);
    }
    (place, Row(values), unusable)
}

/// The value that a column's text stands for; `None` where it stands for nothing that conditions could see.
fn value(column: &Column, text: String) -> Option<Value> {
    if text.len() > MOST_BYTES {
        return None;
    }
    if column.is_list {
        let items: serde_json::Value = serde_json::from_str(&text).ok()?;
        return list(column.kind, items);
    }
    scalar(column.kind, text)
}

/// A list comes as JSON: its items as texts or null, lists in lists where it has several dimensions.
fn list(kind: Kind, items: serde_json::Value) -> Option<Value> {
    match items {
        serde_json::Value::Null => Some(Value::Null),
        serde_json::Value::String(text) => scalar(kind, text),
        serde_json::Value::Array(items) => {
            items.into_iter().map(|item| list(kind, item)).collect::<Option<_>>().map(Value::List)
        }
        _ => None,
    }
}

fn scalar(kind: Kind, text: String) -> Option<Value> {
    match kind {
        Kind::Bool => match text.as_str() {
            "true" | "t" | "1" => Some(Value::Bool(true)),
            "false" | "f" | "0" => Some(Value::Bool(false)),
            // MySQL's truth values are small numbers, and some tables count with them.
            _ => text.parse().ok().map(Value::Int),
        },
        Kind::Int => match text.parse() {
            Ok(number) => Some(Value::Int(number)),
            // An unsigned one may be too large.
            Err(_) => decimal(text),
        },
        Kind::Float => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float),
        Kind::Decimal => decimal(text),
        Kind::Any | Kind::Text => Some(Value::Text(text)),
        Kind::Inet => {
            let whole = if text.contains(':') { "/128" } else { "/32" };
            Some(Value::Text(text.strip_suffix(whole).map_or_else(|| text.clone(), str::to_owned)))
        }
        Kind::Date => text.parse().ok().map(Value::Date),
        Kind::DateTime => text.parse().ok().map(Value::DateTime),
        Kind::Timestamp => timestamp(&text).map(Value::Timestamp),
        Kind::Json => read_first(text.as_bytes()),
        Kind::Unusable => None,
    }
}

/// The digits as they are; `NaN` and `Infinity` are no number that could be compared.
fn decimal(text: String) -> Option<Value> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    (is_number && text.bytes().any(|byte| byte.is_ascii_digit())).then_some(Value::Decimal(text))
}

/// A moment, in UTC where the text names no zone: connections are set to it.
fn timestamp(text: &str) -> Option<Timestamp> {
    let has_zone = text.ends_with("+00");
    if has_zone { text.parse().ok() } else { format!("{text}+00").parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_their_column_holds() {
        for (kind, text, expected) in [
            (Kind::Bool, "true", "Bool(true)"),
            (Kind::Bool, "0", "Bool(false)"),
            (Kind::Bool, "7", "Int(7)"),
            (Kind::Int, "-9223372036854775808", "Int(-9223372036854775808)"),
            (Kind::Int, "18446744073709551615", "Decimal(\"18446744073709551615\")"),
            (Kind::Float, "1.5e3", "Float(1500.0)"),
            (Kind::Float, "NaN", "none"),
            (Kind::Decimal, "0012.3400", "Decimal(\"0012.3400\")"),
            (Kind::Decimal, "Infinity", "none"),
            (Kind::Text, " a ", "Text(\" a \")"),
            (Kind::Inet, "10.0.0.1/32", "Text(\"10.0.0.1\")"),
            (Kind::Inet, "10.0.0.0/8", "Text(\"10.0.0.0/8\")"),
            (Kind::Inet, "::1/128", "Text(\"::1\")"),
            (Kind::Date, "2026-01-02", "Date(2026-01-02)"),
            (Kind::Date, "0000-00-00", "none"),
            (Kind::Date, "infinity", "none"),
            (Kind::DateTime, "2026-01-02 03:04:05.5", "DateTime(2026-01-02T03:04:05.5)"),
            (Kind::Timestamp, "2026-01-02 03:04:05.5+00", "Timestamp(2026-01-02T03:04:05.5Z)"),
            (Kind::Timestamp, "2026-01-02 03:04:05", "Timestamp(2026-01-02T03:04:05Z)"),
            (Kind::Timestamp, "infinity", "none"),
            (Kind::Json, "{\"a\":[1,2.5,null]}", "Map({\"a\": List([Int(1), Float(2.5), Null])})"),
            (Kind::Json, "{", "none"),
            (Kind::Unusable, "", "none"),
        ] {
            let value = scalar(kind, text.to_owned());
            let shown = value.map_or("none".to_owned(), |value| format!("{value:?}"));
            assert_eq!(shown, expected, "{kind:?} {text}");
        }
    }

    #[test]
    fn lists_keep_the_kind_of_their_items() {
        let column = |kind| Column { name: "x".to_owned(), kind, is_list: true, is_key: false, collation: None };
        let shown = |kind, text: &str| format!("{:?}", value(&column(kind), text.to_owned()));
        assert_eq!(shown(Kind::Int, "[\"1\",null,\"3\"]"), "Some(List([Int(1), Null, Int(3)]))");
        assert_eq!(shown(Kind::Text, "[[\"a\"],[\"b\"]]"), "Some(List([List([Text(\"a\")]), List([Text(\"b\")])]))");
        assert_eq!(shown(Kind::Date, "[\"2026-01-02\"]"), "Some(List([Date(2026-01-02)]))");
        assert_eq!(shown(Kind::Int, "[\"x\"]"), "None", "an item of no use makes the list of no use");
        assert_eq!(shown(Kind::Text, "[]"), "Some(List([]))");
    }

    #[test]
    fn a_value_beyond_measure_is_of_no_use() {
        let column = Column { name: "x".to_owned(), kind: Kind::Text, is_list: false, is_key: false, collation: None };
        assert_eq!(value(&column, "x".repeat(MOST_BYTES + 1)), None);
        assert!(value(&column, "x".repeat(MOST_BYTES)).is_some());
    }
}
