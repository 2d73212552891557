//! Answers of the API as blocks of a page: lists as tables, the rest as names and values, one below the other.

use serde_json::{Map, Value};

use crate::pages::console::{Block, Cell, Table};

/// How deep an answer is shown.
const MOST_DEPTH: u8 = 6;

/// A table's column: its heading, and the member that stands in it.
pub(super) type Column = (&'static str, &'static str);

/// The items of a page of a list.
pub(super) fn items(answer: &Value) -> &[Value] {
    answer.get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The cells of a row, without what a page adds to them.
pub(super) fn row(item: &Value, columns: &[Column]) -> Vec<Cell> {
    columns.iter().map(|(_, member)| Cell::text(text_of(item.get(member)))).collect()
}

/// A value on one line.
pub(super) fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => readable(text),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::Array(values)) => values.iter().map(|value| text_of(Some(value))).collect::<Vec<_>>().join(", "),
        Some(Value::Object(members)) => {
            let pair = |(name, value): (&String, &Value)| format!("{}: {}", words(name), text_of(Some(value)));
            members.iter().map(pair).collect::<Vec<_>>().join("; ")
        }
        Some(number) => number.to_string(),
    }
}

/// A moment without its letters; anything else as it is.
fn readable(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(_) => text.replacen('T', " ", 1).replacen('Z', " UTC", 1),
        Err(_) => text.to_owned(),
    }
}

/// Everything that an answer holds.
pub(super) fn all(answer: &Map<String, Value>) -> Vec<Block> {
    let mut blocks = Vec::new();
    members(answer, 0, &mut blocks);
    blocks
}

fn members(map: &Map<String, Value>, depth: u8, blocks: &mut Vec<Block>) {
    let is_plain = |value: &Value| match value {
        Value::Object(_) => false,
        Value::Array(values) => !values.iter().any(Value::is_object),
        Value::Null => false,
        _ => true,
    };
    let plain = map.iter().filter(|(_, value)| is_plain(value));
    let facts: Vec<_> = plain.map(|(name, value)| (words(name), Cell::text(text_of(Some(value))))).collect();
    if !facts.is_empty() {
        blocks.push(Block::Facts(facts));
    }
    if depth >= MOST_DEPTH {
        return;
    }
    for (name, value) in map.iter().filter(|(_, value)| !is_plain(value)) {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                blocks.push(Block::Heading(words(name)));
                members(inner, depth + 1, blocks);
            }
            Value::Array(values) => {
                for (number, inner) in values.iter().filter_map(Value::as_object).enumerate() {
                    blocks.push(Block::Heading(format!("{} {}", words(name), number + 1)));
                    members(inner, depth + 1, blocks);
                }
            }
            _ => {}
        }
    }
}

/// A member's name as words.
fn words(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A table of these items.
pub(super) fn table(caption: &str, columns: &[Column], rows: Vec<Vec<Cell>>, empty: &'static str) -> Table {
    Table {
        caption: caption.to_owned(),
        head: columns.iter().map(|(heading, _)| *heading).collect(),
        rows,
        empty,
        more: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_told_in_a_line() {
        let check = |value: Value, expected: &str| assert_eq!(text_of(Some(&value)), expected);
        check(json!(null), "");
        check(json!(["a", 2, true]), "a, 2, yes");
        check(json!({"days_back": 30, "role": "user"}), "Days back: 30; Role: user");
        check(json!("2026-03-29T10:00:00Z"), "2026-03-29 10:00:00 UTC");
    }

    #[test]
    fn what_is_nested_gets_a_heading() {
        let answer =
            json!({"email": "ann@example.com", "lists": [{"name": "crm", "rows": [{"why": "no role"}]}], "none": null});
        let blocks = all(answer.as_object().expect("a map"));
        let headings: Vec<_> = blocks
            .iter()
            .filter_map(|block| match block {
                Block::Heading(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(headings, ["Lists 1", "Rows 1"]);
    }
}
