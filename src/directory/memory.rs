//! A table that is held in memory, whatever it was written in, and what everybody sees of it while it is read anew.

use std::sync::Arc;

use jiff::Timestamp;

use super::csv;
use super::json;
use super::source::{Found, FoundRow, MOST_ROWS_FOR_ONE, Place, Step, Terms, View, no_column};
use super::standing::{Standing, after, is_sudden_loss, sudden_loss};
use crate::policy::{CustomerList, Row};
use crate::state::health::SourceHealth;
use crate::types::{ColumnName, Email};

/// A table in memory.
pub(super) enum Table {
    Csv(csv::Table),
    Json(json::Table),
}

/// What everybody sees of a table in memory; whoever reads it anew shows the next one.
#[derive(Clone, Default)]
pub(super) struct Shown {
    pub(super) table: Option<Arc<Table>>,
    pub(super) standing: Standing,
    /// Goes up with every other table.
    pub(super) generation: u64,
    /// When the last look began.
    pub(super) looked: Option<Timestamp>,
}

impl Table {
    fn len(&self) -> usize {
        match self {
            Self::Csv(table) => table.len(),
            Self::Json(table) => table.len(),
        }
    }

    fn rows(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn columns(&self) -> &[String] {
        match self {
            Self::Csv(table) => table.headers(),
            Self::Json(table) => table.columns(),
        }
    }

    /// Columns that the lists need and it does not have.
    fn missing(&self) -> &[ColumnName] {
        match self {
            Self::Csv(table) => &table.missing,
            Self::Json(table) => &table.missing,
        }
    }

    fn bad_count(&self) -> u64 {
        match self {
            Self::Csv(table) => table.bad_count,
            Self::Json(table) => table.bad_count,
        }
    }

    /// Rows that could not be read, the first ones.
    fn bad_rows(&self) -> Vec<(Place, &str)> {
        match self {
            Self::Csv(table) => table.bad_rows.iter().map(|row| (Place::Line(row.line), row.what.as_str())).collect(),
            Self::Json(table) => table.bad_rows().collect(),
        }
    }

    fn find(&self, column: &ColumnName, email: &Email, most: usize) -> Vec<FoundRow> {
        match self {
            Self::Csv(table) => {
                let rows = table.find(column, email, most).into_iter();
                rows.map(|(line, row)| FoundRow { place: Place::Line(line), row }).collect()
            }
            Self::Json(table) => {
                table.find(column, email, most).into_iter().map(|(place, row)| FoundRow { place, row }).collect()
            }
        }
    }

    fn each(&self, mut each: impl FnMut(Place, Row)) {
        match self {
            Self::Csv(table) => table.rows().for_each(|(line, row)| each(Place::Line(line), row)),
            Self::Json(table) => table.rows().for_each(|(place, row)| each(place, row)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Csv(table) => table.bytes(),
            Self::Json(table) => table.bytes(),
        }
    }
}

impl Shown {
    /// Takes a table that was read anew, unless it lost so much that it is rather a mistake; then says what it lost.
    pub(super) fn take(&mut self, table: Table, terms: &Terms, now: Timestamp) -> Result<(), String> {
        if let Some(what) = self.table.as_deref().and_then(|before| loss(before, &table)) {
            if !self.standing.is_spent(now, terms.max_stale) {
                return Err(what);
            }
            let limit = "`max_stale` is over, so the table is believed as it is now";
            tracing::warn!(source = %terms.name, problem = %what, "{limit}");
        }
        let (rows, bad_rows, bytes) = (table.len(), table.bad_count(), table.bytes());
        tracing::info!(source = %terms.name, rows, bad_rows, bytes, "table read");
        tell_faults(&table, terms);
        self.table = Some(Arc::new(table));
        self.generation += 1;
        Ok(())
    }

    /// When the copy that can be served was last confirmed; otherwise why there is none.
    pub(super) fn serves(&self, view: View<'_>, terms: &Terms, now: Timestamp) -> Result<Timestamp, String> {
        let why = || {
            let trouble = self.standing.trouble.as_ref();
            trouble.map_or_else(|| "it was not read for too long".to_owned(), |trouble| trouble.what.clone())
        };
        let (Some(table), Some(confirmed)) = (&self.table, self.standing.confirmed) else { return Err(why()) };
        if self.standing.is_spent(now, terms.max_stale) {
            return Err(why());
        }
        // Pages of JSON have the columns that some row has a value for, and a domain's face is not one that every table has.
        let is_needless = |column: &ColumnName| match view {
            View::List(_) => false,
            View::Domains(_) => table.columns().iter().any(|name| name == column.as_str()),
        };
        let mut columns = view.columns().filter(|column| !is_needless(column));
        match columns.find(|column| table.missing().contains(column)) {
            Some(column) if table.columns().iter().any(|name| name == column.as_str()) => {
                Err(format!("no row has a value in the column `{column}`"))
            }
            Some(column) => Err(no_column(column.as_str(), table.columns().iter().map(String::as_str))),
            None => Ok(confirmed),
        }
    }

    /// The rows for an address.
    pub(super) fn find(
        &self,
        list: &CustomerList,
        email: &Email,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Found, String> {
        let confirmed = self.serves(View::List(list), terms, now)?;
        let table = self.table.as_ref().ok_or("it was not read yet")?;
        let good_until = match self.standing.trouble {
            None => after(confirmed, terms.refresh),
            Some(_) => after(now, terms.refresh).min(after(confirmed, terms.max_stale)),
        };
        let rows = table.find(&list.columns.email, email, MOST_ROWS_FOR_ONE + 1);
        Ok(Found { rows, fetched: confirmed, good_until })
    }

    /// Walks over all rows, the bad ones among them.
    pub(super) fn walk(
        &self,
        view: View<'_>,
        terms: &Terms,
        now: Timestamp,
        each: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), String> {
        self.serves(view, terms, now)?;
        let table = self.table.as_ref().ok_or("it was not read yet")?;
        let total = Some(table.rows());
        let step = |place, row| Step { place, row, unusable: Vec::new(), total };
        for (place, what) in table.bad_rows() {
            each(step(place, Err(what.to_owned())));
        }
        table.each(|place, row| each(step(place, Ok(row))));
        Ok(())
    }

    pub(super) fn health(&self, terms: &Terms, now: Timestamp) -> SourceHealth {
        let table = self.table.as_deref();
        let missing = table.and_then(|table| table.missing().first());
        let problem = self.standing.trouble.as_ref().map(|trouble| trouble.what.clone());
        SourceHealth {
            name: terms.name.clone(),
            state: self.standing.state(now, terms.max_stale),
            rows: table.map(Table::rows),
            problem: problem.or_else(|| missing.map(|column| format!("the table has no column `{column}`"))),
            refused_rows: table.map_or(0, Table::bad_count),
        }
    }
}

/// What a new table lost against the one in use, where it is so much that it is rather a mistake.
fn loss(before: &Table, new: &Table) -> Option<String> {
    if let Some(column) = new.missing().iter().find(|column| !before.missing().contains(column)) {
        return Some(format!("the column `{column}` is gone; the rows from before are kept until `max_stale` is over"));
    }
    is_sudden_loss(before.rows(), new.rows()).then(|| sudden_loss(before.rows(), new.rows()))
}

fn tell_faults(table: &Table, terms: &Terms) {
    const MOST_TOLD: usize = 10;
    for (place, problem) in table.bad_rows().into_iter().take(MOST_TOLD) {
        tracing::warn!(source = %terms.name, %place, %problem, "row skipped");
    }
    for column in table.missing() {
        tracing::warn!(source = %terms.name, %column, "the table has no such column");
    }
}
