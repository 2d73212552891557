//! Answers of the API as blocks of a page: lists as tables, the rest as names and values, one below the other.
//!
//! What stands deeper than a cell has room for gets a table of its own below, which says where it belongs.

use serde_json::{Map, Value};

use super::encode;
use crate::pages::console::{Block, Cell, Table};

/// How deep an answer is shown.
const MOST_DEPTH: u8 = 6;
/// So many members of an object fit into a cell.
const MOST_IN_A_CELL: usize = 3;

/// A table's column: its heading, and the member that stands in it.
pub(super) type Column = (&'static str, &'static str);

/// The items of a page of a list.
pub(super) fn items(answer: &Value) -> &[Value] {
    answer.get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Where a list goes on, given where it is asked for.
pub(super) fn more(answer: &Value, page: &str) -> Option<String> {
    let next = answer.get("next").and_then(Value::as_str)?;
    Some(format!("{page}cursor={}", encode(next)))
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
            members.iter().filter(|(_, value)| !value.is_null()).map(pair).collect::<Vec<_>>().join("; ")
        }
        Some(number) => number.to_string(),
    }
}

/// A moment to the second, without its letters; anything else as it is.
fn readable(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => at.to_zoned_datetime(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Everything that an answer holds.
pub(super) fn all(answer: &Map<String, Value>) -> Vec<Block> {
    let mut blocks = Vec::new();
    members(answer, "", 0, &mut blocks);
    blocks
}

/// An object: what is plain as names and values, then the rest.
fn members(map: &Map<String, Value>, place: &str, depth: u8, blocks: &mut Vec<Block>) {
    let plain = map.iter().filter(|(_, value)| is_plain(value));
    let told = plain.map(|(name, value)| (words(name), text_of(Some(value)))).filter(|(_, text)| !text.is_empty());
    let facts: Vec<_> = told.map(|(name, text)| (name, Cell::Text(text))).collect();
    if !facts.is_empty() {
        blocks.push(Block::Facts(facts));
    }
    deeper(map, place, depth, blocks, |value| !is_plain(value));
}

/// The members of an object that have to be shown below it.
fn deeper(map: &Map<String, Value>, place: &str, depth: u8, blocks: &mut Vec<Block>, is_below: fn(&Value) -> bool) {
    if depth >= MOST_DEPTH {
        return;
    }
    for (name, value) in map.iter().filter(|(_, value)| is_below(value)) {
        let place = if place.is_empty() { words(name) } else { format!("{place} · {}", words(name)) };
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                blocks.push(Block::Heading(place.clone()));
                members(inner, &place, depth + 1, blocks);
            }
            Value::Array(values) => list(values, &place, depth + 1, blocks),
            _ => {}
        }
    }
}

/// A list of objects: a row for each, and below the table what no cell has room for.
fn list(values: &[Value], place: &str, depth: u8, blocks: &mut Vec<Block>) {
    let items: Vec<_> = values.iter().filter_map(Value::as_object).collect();
    let mut columns: Vec<&String> = Vec::new();
    for (name, value) in items.iter().flat_map(|item| item.iter()) {
        if fits_a_cell(value) && !text_of(Some(value)).is_empty() && !columns.contains(&name) {
            columns.push(name);
        }
    }
    if !columns.is_empty() {
        let cell = |item: &Map<String, Value>, name: &str| {
            let value = item.get(name).filter(|value| fits_a_cell(value));
            Cell::text(text_of(value))
        };
        blocks.push(Block::Table(Table {
            caption: place.to_owned(),
            head: columns.iter().map(|name| words(name).into()).collect(),
            rows: items.iter().map(|item| columns.iter().map(|name| cell(item, name)).collect()).collect(),
            empty: "",
            more: None,
        }));
    }
    for (number, item) in items.iter().enumerate() {
        let place = if items.len() == 1 { place.to_owned() } else { format!("{place} {}", number + 1) };
        deeper(item, &place, depth, blocks, |value| !fits_a_cell(value));
    }
}

/// Whether a value is one, or a few of that kind.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Object(_) | Value::Null => false,
        Value::Array(values) => !values.iter().any(Value::is_object),
        _ => true,
    }
}

/// Whether a cell has room for a value.
fn fits_a_cell(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => {
            let given: Vec<_> = members.values().filter(|value| !value.is_null()).collect();
            given.len() <= MOST_IN_A_CELL && given.into_iter().all(is_plain)
        }
        value => is_plain(value),
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
        head: columns.iter().map(|(heading, _)| (*heading).into()).collect(),
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
        check(json!({"days_back": 30, "name": null, "role": "user"}), "Days back: 30; Role: user");
        check(json!("2026-03-29T10:00:00Z"), "2026-03-29 10:00:00 UTC");
        check(json!("2026-03-29T10:00:00.123456Z"), "2026-03-29 10:00:00 UTC");
    }

    #[test]
    fn a_list_is_a_table_and_what_is_deeper_stands_below_it() {
        let answer = json!({
            "email": "ann@example.com",
            "lists": [
                {"name": "crm", "customer": {"id": "42", "name": null}, "rows": [{"why": "no role"}], "at": null},
                {"name": "hr", "rows": []},
            ],
            "request": {"method": "GET", "path": "/", "notes": ["one"], "outcome": "allow"},
            "none": null,
            "records": [],
        });
        let blocks = all(answer.as_object().expect("a map"));
        let told: Vec<String> = blocks
            .iter()
            .map(|block| match block {
                Block::Facts(facts) => format!("{} facts", facts.len()),
                Block::Heading(text) => format!("# {text}"),
                Block::Table(table) => format!("{}: {} x {}", table.caption, table.head.join("|"), table.rows.len()),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(told, ["1 facts", "Lists: Customer|Name x 2", "Lists 1 · Rows: Why x 1", "# Request", "4 facts"]);
    }
}
