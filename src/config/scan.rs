//! Finds every unknown key, missing key and wrong kind of value in one go.
//!
//! `serde` stops at the first. So the text is held against the JSON Schema of its shape first (one list of keys serves
//! reader, editor and message), and what does not fit is taken out, so that the rest can still be built and checked.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::error::Problem;
use super::nearest::did_you_mean;

/// The place of a text that stands in for a missing one. Whoever finds fault with it repeats what the scan has said.
pub(super) const STAND_IN: usize = usize::MAX;

/// Takes everything out of the text that its shape has no place for, and tells what it was.
pub(super) fn scan(table: &mut DeTable<'_>, schema: &Json) -> Vec<(Range<usize>, Problem)> {
    let mut scan = Scan { root: schema, problems: Vec::new() };
    scan.table(table, 0..0, schema, "");
    scan.problems
}

struct Scan<'a> {
    root: &'a Json,
    problems: Vec<(Range<usize>, Problem)>,
}

impl<'a> Scan<'a> {
    /// Follows a reference, and picks the alternative that takes a kind of value.
    fn resolve(&self, schema: &'a Json, kind: &str) -> Option<&'a Json> {
        if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
            let target = self.root.pointer(reference.trim_start_matches('#'))?;
            return self.resolve(target, kind);
        }
        for alternatives in ["anyOf", "oneOf", "allOf"] {
            if let Some(list) = schema.get(alternatives).and_then(Json::as_array) {
                return list.iter().find_map(|schema| self.resolve(schema, kind));
            }
        }
        let takes = match schema.get("type") {
            Some(Json::String(one)) => one == kind,
            Some(Json::Array(several)) => several.iter().any(|one| one == kind),
            _ => true,
        };
        takes.then_some(schema)
    }

    /// Whether the value may stay.
    fn value(&mut self, value: &mut DeValue<'_>, span: Range<usize>, schema: &'a Json, path: &str) -> bool {
        let kind = match value {
            DeValue::String(_) => "string",
            DeValue::Integer(_) => "integer",
            DeValue::Float(_) => "number",
            DeValue::Boolean(_) => "boolean",
            DeValue::Datetime(_) => "datetime",
            DeValue::Array(_) => "array",
            DeValue::Table(_) => "object",
        };
        let Some(resolved) = self.resolve(schema, kind) else {
            let expected = self.expected(schema);
            let found = match kind {
                "object" => "a table",
                "string" => "a text",
                "array" => "a list",
                "boolean" => "true or false",
                "datetime" => "a date",
                _ => "a number",
            };
            self.problems.push((
                span,
                Problem::new(format!("`{path}` is {found}, not {expected}"), format!("write {expected}")),
            ));
            return false;
        };
        match value {
            DeValue::Table(table) => self.table(table, span, resolved, path),
            DeValue::Array(list) => {
                if let Some(items) = resolved.get("items") {
                    let items_before = std::mem::replace(list, DeArray::new());
                    for (number, mut item) in items_before.into_iter().enumerate() {
                        let span = item.span();
                        if self.value(item.get_mut(), span, items, &format!("{path}[{number}]")) {
                            list.push(item);
                        }
                    }
                }
            }
            _ => {}
        }
        true
    }

    fn table(&mut self, table: &mut DeTable<'_>, span: Range<usize>, schema: &'a Json, path: &str) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let further = schema.get("additionalProperties");
        let place = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let written: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
        for (key, mut value) in std::mem::take(table) {
            let name = key.get_ref().as_ref();
            let known = properties.and_then(|properties| properties.get(name));
            let keep = match (known, further) {
                (Some(schema), _) => {
                    let span = value.span();
                    self.value(value.get_mut(), span, schema, &place(name))
                }
                (None, Some(schema)) if schema.is_object() => {
                    let span = value.span();
                    self.value(value.get_mut(), span, schema, &place(name))
                }
                _ => {
                    let names = || properties.into_iter().flatten().map(|(name, _)| name.as_str());
                    let table = if path.is_empty() { "the file".to_owned() } else { format!("[{path}]") };
                    let known = names().collect::<Vec<_>>().join(", ");
                    let help = did_you_mean(name, names(), &format!("remove it; {table} knows {known}"));
                    self.problems.push((key.span(), Problem::new(format!("unknown key `{name}` in {table}"), help)));
                    false
                }
            };
            if keep {
                table.insert(key, value);
            }
        }
        for required in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            let key = Spanned::new(STAND_IN..STAND_IN, Cow::Owned(required.to_owned()));
            if table.contains_key(&key) {
                continue;
            }
            if !written.iter().any(|written| written == required) {
                let what = if path.is_empty() {
                    format!("the table `[{required}]` is missing")
                } else {
                    format!("[{path}] has no `{required}`")
                };
                let description = properties
                    .and_then(|properties| properties.get(required))
                    .and_then(|schema| schema.get("description"))
                    .and_then(Json::as_str)
                    .unwrap_or("it is required")
                    .trim_end_matches('.');
                self.problems.push((span.clone(), Problem::new(what, format!("add `{required}`: {description}"))));
            }
            table.insert(key, Spanned::new(STAND_IN..STAND_IN, DeValue::String(Cow::Owned(String::new()))));
        }
    }

    fn expected(&self, schema: &'a Json) -> &'static str {
        let takes = |kind| self.resolve(schema, kind).is_some();
        match (takes("string"), takes("object")) {
            (true, true) => "a text or a table",
            (true, false) => "a text in quotes",
            (false, true) => "a table",
            (false, false) if takes("array") => "a list in [ ]",
            (false, false) if takes("boolean") => "true or false",
            (false, false) => "a whole number",
        }
    }
}
