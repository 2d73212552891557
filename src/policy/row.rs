//! A row of a source's table, as the table has it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

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
    /// A number with a fixed number of decimals, in the table's own digits. Conditions see a floating one.
    Decimal(String),
    /// A text; a UUID is one too.
    Text(String),
    /// A day. Conditions see its midnight in the app's time zone.
    Date(Date),
    /// A day and time that names no zone: conditions take it as one of the app's time zone.
    DateTime(DateTime),
    /// A moment.
    Timestamp(Timestamp),
    /// Several values: an array, or one of JSON.
    List(Vec<Self>),
    /// Values by name: an object of JSON.
    Map(BTreeMap<String, Self>),
}

/// A row: its columns' values by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub BTreeMap<String, Value>);

impl Row {
    /// The value of a column as text; `None` where there is no such column, no value, only white space, or several values.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<String> {
        self.0.get(column)?.text()
    }

    /// Whether the row has such a column at all.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.0.contains_key(column)
    }
}

impl Value {
    /// One value as text; `None` for no value, only white space, or several values.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let text = match self {
            Self::Null | Self::List(_) | Self::Map(_) => return None,
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Decimal(text) | Self::Text(text) => text.trim().to_owned(),
            Self::Date(day) => day.to_string(),
            Self::DateTime(time) => time.to_string(),
            Self::Timestamp(time) => time.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
