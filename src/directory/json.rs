//! A customer table in pages of JSON: read page by page, kept without its names, then asked by email.
//!
//! Of each row only the values are kept, as the text of an array in the order of the columns, with its place and an index of
//! the addresses. So a row takes no more than it took in the answer, and 16 bytes; it is made anew for the person who is
//! asked for.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use super::csv::{MOST_BYTES, MOST_ROWS, Needed};
use super::index::Index;
use super::pointer::{look_up, parts, read_each, read_first, read_one};
use super::source::Place;
use crate::config::WebSource;
use crate::policy::{Row, Value};
use crate::types::{ColumnName, Email};

/// The most bad rows that are kept with their places; all are counted.
const MOST_BAD_ROWS: usize = 10_000;
/// The most columns that the rows may have together.
const MOST_COLUMNS: usize = 1000;

/// A table in memory.
pub(super) struct Table {
    columns: Vec<String>,
    text: Vec<u8>,
    places: Vec<Spot>,
    /// How many rows there were before each page.
    pages: Vec<u32>,
    index: Index,
    /// Needed columns that it does not have.
    pub(super) missing: Vec<ColumnName>,
    /// Rows that could not be read, the first ones, by number.
    bad_rows: Vec<(u32, String)>,
    /// How many could not be read.
    pub(super) bad_count: u64,
}

/// Where a row is in the text, and the how-manieth of all it was.
#[derive(Clone, Copy)]
struct Spot {
    offset: u32,
    number: u32,
}

/// Where a table's rows and values are in an answer.
#[derive(Clone, Debug)]
struct Plan {
    /// The way to the list of rows.
    rows: Vec<String>,
    /// The columns, each with the way to its value in a row; each member of a row is one, when empty.
    fields: Vec<(ColumnName, Vec<String>)>,
    /// The way to what names the next page.
    next: Option<Vec<String>>,
}

/// A table that is being read.
pub(super) struct Reading {
    plan: Arc<Plan>,
    needed: Needed,
    /// The columns' numbers by name.
    numbers: HashMap<String, usize>,
    /// Whether a column had a value in any row.
    is_used: Vec<bool>,
    table: Table,
    number: u32,
}

/// What makes an answer unreadable. None of its text is told: it may be anything.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it ends in the middle of its JSON")]
    Cut,
    #[error("it is no JSON at line {0}, column {1}")]
    Syntax(usize, usize),
    #[error("there is no list of rows where `rows` says")]
    NoList,
    #[error("the member `{0}` stands twice")]
    Twice(String),
    #[error("it has more than {MOST_ROWS} rows")]
    TooManyRows,
    #[error("its rows have more than {MOST_COLUMNS} columns")]
    TooManyColumns,
    #[error("its rows have more than {} MiB", MOST_BYTES >> 20)]
    TooLong,
}

impl Reading {
    /// Begins a table.
    pub(super) fn new(source: &WebSource, needed: &Needed) -> Self {
        let plan = Plan {
            rows: parts(&source.rows),
            fields: source.fields.iter().map(|(column, pointer)| (column.clone(), parts(pointer))).collect(),
            next: source.next.as_ref().map(|next| parts(&next.pointer)),
        };
        let table = Table {
            columns: plan.fields.iter().map(|(column, _)| column.to_string()).collect(),
            text: Vec::new(),
            places: Vec::new(),
            pages: Vec::new(),
            index: Index::new(needed.emails.iter().cloned()),
            missing: Vec::new(),
            bad_rows: Vec::new(),
            bad_count: 0,
        };
        let numbers = table.columns.iter().cloned().zip(0..).collect();
        let is_used = vec![false; table.columns.len()];
        Self { plan: Arc::new(plan), needed: needed.clone(), numbers, is_used, table, number: 0 }
    }

    /// Reads a page; gives what names the next one, where there is one.
    pub(super) fn page(&mut self, text: &[u8]) -> Result<Option<Value>, Unreadable> {
        let text = text.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(text);
        let plan = Arc::clone(&self.plan);
        self.table.pages.push(self.number);
        read_each(text, &plan.rows, &mut |row, twice| self.row(&row, twice))?.ok_or(Unreadable::NoList)?;
        match &plan.next {
            Some(next) => read_one(text, next),
            None => Ok(None),
        }
    }

    /// The table, when the last page is read.
    pub(super) fn finish(self) -> Table {
        let mut table = self.table;
        let has_value = |column: &ColumnName| {
            self.numbers.get(column.as_str()).and_then(|number| self.is_used.get(*number)).copied().unwrap_or(false)
        };
        let is_missing = |column: &&ColumnName| {
            let column = *column;
            // A wrong pointer shows in this alone: nobody has an address.
            !self.numbers.contains_key(column.as_str()) || (self.needed.emails.contains(column) && !has_value(column))
        };
        // Without any row there is nothing to see what columns there are.
        if !table.places.is_empty() {
            table.missing = self.needed.columns.iter().filter(is_missing).cloned().collect();
        }
        table.index.finish();
        table.places.shrink_to_fit();
        table.text.shrink_to_fit();
        table
    }

    fn row(&mut self, row: &Value, twice: Option<String>) -> Result<(), Unreadable> {
        self.number += 1;
        if self.table.places.len() >= MOST_ROWS || u64::from(self.number) > 2 * MOST_ROWS as u64 {
            return Err(Unreadable::TooManyRows);
        }
        if let Some(name) = twice {
            return self.bad(Unreadable::Twice(name).to_string());
        }
        let plan = Arc::clone(&self.plan);
        let mut cells: Vec<Option<&Value>>;
        if plan.fields.is_empty() {
            let Value::Map(members) = row else { return self.bad("it is no object".to_owned()) };
            cells = vec![None; self.table.columns.len()];
            for (name, value) in members {
                let number = self.column(name)?;
                cells.resize(cells.len().max(number + 1), None);
                if let Some(cell) = cells.get_mut(number) {
                    *cell = Some(value);
                }
            }
        } else {
            cells = plan.fields.iter().map(|(_, way)| look_up(row, way)).collect();
        }
        self.keep(&cells)
    }

    fn keep(&mut self, cells: &[Option<&Value>]) -> Result<(), Unreadable> {
        let table = &mut self.table;
        let row = u32::try_from(table.places.len()).map_err(|_| Unreadable::TooManyRows)?;
        let offset = u32::try_from(table.text.len()).map_err(|_| Unreadable::TooLong)?;
        for (number, column) in self.needed.emails.iter().enumerate() {
            let cell = self.numbers.get(column.as_str()).and_then(|column| cells.get(*column).copied().flatten());
            if let Some(address) = cell.and_then(Value::text) {
                table.index.add(number, &address, row);
            }
        }
        // Nulls at the end come back by themselves.
        let is_null = |cell: &Option<&Value>| cell.is_none_or(|value| *value == Value::Null);
        let length = cells.iter().rposition(|cell| !is_null(cell)).map_or(0, |last| last + 1);
        table.text.push(b'[');
        for (number, cell) in cells.iter().take(length).enumerate() {
            if number > 0 {
                table.text.push(b',');
            }
            write(cell.unwrap_or(&Value::Null), &mut table.text);
            if let Some(is_used) = self.is_used.get_mut(number) {
                *is_used |= cell.is_some_and(|value| !matches!(value, Value::Null));
            }
        }
        table.text.push(b']');
        if table.text.len() as u64 > MOST_BYTES {
            return Err(Unreadable::TooLong);
        }
        table.places.push(Spot { offset, number: self.number });
        Ok(())
    }

    /// The number of a column, a new one where the name is new.
    fn column(&mut self, name: &str) -> Result<usize, Unreadable> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = self.table.columns.len();
        if number >= MOST_COLUMNS {
            return Err(Unreadable::TooManyColumns);
        }
        self.table.columns.push(name.to_owned());
        self.is_used.push(false);
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    fn bad(&mut self, what: String) -> Result<(), Unreadable> {
        self.table.bad_count += 1;
        if self.table.bad_rows.len() < MOST_BAD_ROWS {
            self.table.bad_rows.push((self.number, what));
        }
        Ok(())
    }
}

impl Table {
    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The names of its columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Rows that could not be read, the first ones.
    pub(super) fn bad_rows(&self) -> impl Iterator<Item = (Place, &str)> {
        self.bad_rows.iter().map(|(number, what)| (self.place(*number), what.as_str()))
    }

    /// The rows, with their places, whose address in a column is this one; at most `most`.
    pub(super) fn find(&self, column: &ColumnName, email: &Email, most: usize) -> Vec<(Place, Arc<Row>)> {
        let rows = self.index.rows(column, email).filter_map(|row| {
            let spot = *self.places.get(usize::try_from(row).ok()?)?;
            let row = self.row_at(spot)?;
            // Two addresses may share a hash.
            let is_theirs = row.text(column.as_str()).and_then(|text| Email::parse(&text).ok()).as_ref() == Some(email);
            is_theirs.then(|| (self.place(spot.number), Arc::new(row)))
        });
        rows.take(most).collect()
    }

    /// All rows with their places.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Place, Row)> {
        self.places.iter().filter_map(|spot| Some((self.place(spot.number), self.row_at(*spot)?)))
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.places.capacity() * size_of::<Spot>() + self.index.bytes()
    }

    /// What tells it from another. Not of the answers' own text, in which a cursor may change from one time to the next.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        for column in &self.columns {
            context.update(column.as_bytes());
            context.update(&[0]);
        }
        context.update(&self.text);
        // Bad rows count for what is reported of them.
        for (number, _) in &self.bad_rows {
            context.update(&number.to_le_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }

    fn row_at(&self, spot: Spot) -> Option<Row> {
        let Value::List(values) = read_first(self.text.get(usize::try_from(spot.offset).ok()?..)?)? else {
            return None;
        };
        let values = values.into_iter().chain(std::iter::repeat(Value::Null));
        Some(Row(self.columns.iter().cloned().zip(values).collect()))
    }

    fn place(&self, number: u32) -> Place {
        if self.pages.len() <= 1 {
            return Place::Number(u64::from(number));
        }
        let page = self.pages.partition_point(|before| *before < number);
        let before = page.checked_sub(1).and_then(|page| self.pages.get(page)).copied().unwrap_or(0);
        Place::OfPage { page: u32::try_from(page).unwrap_or(u32::MAX), row: number - before }
    }
}

/// Writes a value as JSON, so that reading it gives the same value.
fn write(value: &Value, text: &mut Vec<u8>) {
    // Writing to a vector does not fail.
    match value {
        Value::Bool(value) => drop(serde_json::to_writer(text, value)),
        Value::Int(value) => drop(serde_json::to_writer(text, value)),
        Value::Float(value) => drop(serde_json::to_writer(text, value)),
        // Only whole numbers beyond 63 bits come as one.
        Value::Decimal(digits) => text.extend_from_slice(digits.as_bytes()),
        Value::Text(value) => drop(serde_json::to_writer(text, value)),
        Value::List(values) => {
            text.push(b'[');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    text.push(b',');
                }
                write(value, text);
            }
            text.push(b']');
        }
        Value::Map(members) => {
            text.push(b'{');
            for (number, (name, value)) in members.iter().enumerate() {
                if number > 0 {
                    text.push(b',');
                }
                drop(serde_json::to_writer(&mut *text, name));
                text.push(b':');
                write(value, text);
            }
            text.push(b'}');
        }
        // JSON has no others.
        Value::Null | Value::Date(_) | Value::DateTime(_) | Value::Timestamp(_) => text.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
