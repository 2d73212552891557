//! What databases differ in: how a table is found, what its columns are, and how its rows are asked for.
//!
//! What they have in common, from watching a table to bridging its trouble, is [`super::database`].

use std::sync::Arc;

use async_trait::async_trait;

use super::source::{FoundRow, MOST_ROWS_FOR_ONE, Place, no_column};
use crate::policy::{CustomerList, Row};
use crate::types::{ColumnName, Email, TableName};

/// Rows that may be spelled like one address.
const MOST_ALIKE: usize = 100_000;
/// Rows are counted up to here, to notice a table that was emptied.
pub(super) const MOST_COUNTED: u64 = 100_000;

/// A kind of database.
#[async_trait]
pub(super) trait Engine: Send + Sync {
    /// Sees to it that what is asked is the database that is there now.
    async fn open(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether another database stands where the one was that is asked.
    async fn is_replaced(&self) -> bool {
        false
    }

    /// What a table or view is made of; an error when there is none.
    async fn structure(&self, table: &TableName) -> Result<Structure, sqlx::Error>;

    /// A table's rows, counted up to [`MOST_COUNTED`].
    async fn count(&self, table: &TableName) -> Result<u64, sqlx::Error>;

    /// Gives the rows one by one, until there are no more or enough.
    async fn rows(&self, question: Question<'_>, each: &mut Each<'_>) -> Result<(), sqlx::Error>;

    /// How to make the question for one address quick, where no index serves it.
    async fn advice(&self, question: Question<'_>) -> Result<Option<String>, sqlx::Error>;
}

/// Takes one row: where it stands, itself, and the columns whose values are of no use. Answers whether it wants more.
pub(super) type Each<'a> = dyn FnMut(Place, Row, Vec<String>) -> More + Send + 'a;

/// Whether further rows are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum More {
    Wanted,
    Enough,
}

/// Which rows are wanted.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) table: &'a TableName,
    pub(super) structure: &'a Structure,
    /// The column of addresses.
    pub(super) column: &'a ColumnName,
    /// Whose rows, and perhaps others spelled much alike; everybody's, when left out.
    pub(super) person: Option<&'a Email>,
    /// A column, and what its value is as text: rows of one customer, and perhaps others.
    pub(super) customer: Option<(&'a ColumnName, &'a str)>,
}

impl Question<'_> {
    /// Whether it asks for everything: that takes its time.
    pub(super) const fn is_walk(&self) -> bool {
        self.person.is_none() && self.customer.is_none()
    }
}

/// What a table or view is made of.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Structure {
    pub(super) columns: Vec<Column>,
    pub(super) is_view: bool,
    /// SQLite: the table has row ids.
    pub(super) has_rowid: bool,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Several of the kind.
    pub(super) is_list: bool,
    /// It alone is the primary key.
    pub(super) is_key: bool,
    /// MySQL: how texts of the column compare.
    pub(super) collation: Option<String>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// SQLite: each value says what it is.
    Any,
    Bool,
    Int,
    Float,
    Decimal,
    Text,
    /// An address of the network, with or without the size of its net.
    Inet,
    Date,
    DateTime,
    Timestamp,
    Json,
    /// Nothing that conditions could see.
    Unusable,
}

impl Structure {
    /// The words for a column that is needed and that the table lacks.
    pub(super) fn missing<'a>(&self, mut needed: impl Iterator<Item = &'a ColumnName>) -> Option<String> {
        let names = || self.columns.iter().map(|column| column.name.as_str());
        let missing = needed.find(|column| !names().any(|name| name == column.as_str()))?;
        Some(no_column(missing.as_str(), names()))
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Takes the rows that are one person's out of those that are spelled alike.
pub(super) struct Picked<'a> {
    list: &'a CustomerList,
    email: &'a Email,
    pub(super) rows: Vec<FoundRow>,
    alike: usize,
}

impl<'a> Picked<'a> {
    pub(super) fn new(list: &'a CustomerList, email: &'a Email) -> Self {
        Self { list, email, rows: Vec::new(), alike: 0 }
    }

    pub(super) fn take(&mut self, place: Place, row: Row) -> More {
        self.alike += 1;
        let address = row.text(self.list.columns.email.as_str());
        if address.and_then(|text| Email::parse(&text).ok()).as_ref() == Some(self.email) {
            self.rows.push(FoundRow { place, row: Arc::new(row) });
        }
        if self.rows.len() > MOST_ROWS_FOR_ONE || self.alike > MOST_ALIKE { More::Enough } else { More::Wanted }
    }

    /// The rows, unless there were too many to look through.
    pub(super) fn into_rows(self) -> Result<Vec<FoundRow>, String> {
        if self.alike > MOST_ALIKE {
            return Err(format!("more than {MOST_ALIKE} addresses are spelled like one"));
        }
        Ok(self.rows)
    }
}
