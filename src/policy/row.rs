//! A row of a source's table, as the table has it.

use std::collections::BTreeMap;

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
}

/// A row: its columns' values by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub BTreeMap<String, Value>);

impl Row {
    /// The value of a column as text; `None` where there is no such column, no value, or only white space.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<String> {
        let text = match self.0.get(column)? {
            Value::Null => return None,
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Text(text) => text.trim().to_owned(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// Whether the row has such a column at all.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.0.contains_key(column)
    }
}
