//! A source, whatever its kind: rows for one address, a walk over a whole table, and how it is doing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::csv::Needed;
use super::database::{Database, Needs};
use super::engine::{Engine, More};
use super::file::CsvFile;
use super::mysql::MySql;
use super::notices::Notices;
use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::web::WebTable;
use crate::config::{self, Config, DomainTable, Held, SourceKind, WebSource};
use crate::policy::{CustomerList, ListRole, Row};
use crate::state::health::SourceHealth;
use crate::types::{ColumnName, Email, SourceName, TableName};

/// The most rows that one address may have in a list: more is a mistake in the table, not a person.
pub(super) const MOST_ROWS_FOR_ONE: usize = 200;

/// A source of customer tables. The kinds are a closed set.
pub(super) enum Source {
    Csv(Arc<CsvFile>),
    Web(Arc<WebTable>),
    /// SQLite, PostgreSQL, MySQL or MariaDB.
    Database(Box<Database>),
}

/// What a table is read as.
#[derive(Clone, Copy)]
pub(super) enum View<'a> {
    /// People.
    List(&'a CustomerList),
    /// Domains.
    Domains(&'a DomainTable),
}

impl<'a> View<'a> {
    /// Which table, where the source has several.
    pub(super) fn table(self) -> Option<&'a TableName> {
        match self {
            Self::List(list) => list.table.as_ref(),
            Self::Domains(table) => table.table.as_ref(),
        }
    }

    /// The column that says whom or what a row is about.
    pub(super) fn subject(self) -> &'a ColumnName {
        match self {
            Self::List(list) => &list.columns.email,
            Self::Domains(table) => &table.columns.host,
        }
    }

    /// All columns that it names.
    pub(super) fn columns(self) -> impl Iterator<Item = &'a ColumnName> {
        let (list, domains) = match self {
            Self::List(list) => (Some(list), None),
            Self::Domains(table) => (None, Some(table)),
        };
        let of_list = list.into_iter().flat_map(columns_of);
        of_list.chain(domains.into_iter().flat_map(|table| table.columns.all()))
    }

    fn source(self) -> &'a SourceName {
        match self {
            Self::List(list) => &list.source,
            Self::Domains(table) => &table.source,
        }
    }

    /// All of a config.
    fn all(config: &'a Config) -> impl Iterator<Item = View<'a>> + Clone {
        let lists = config.apps.iter().flat_map(|app| &app.policy.lists).map(View::List);
        lists.chain(config.apps.iter().flat_map(|app| &app.domain_tables).map(View::Domains))
    }
}

/// What config says of a source, whatever its kind.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) name: SourceName,
    pub(super) refresh: Duration,
    pub(super) max_stale: Duration,
    /// How long a database or web server may take to answer.
    pub(super) timeout: Duration,
}

/// The rows of one person.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) rows: Vec<FoundRow>,
    /// When the table was so.
    pub(super) fetched: Timestamp,
    /// Until when it need not be asked again.
    pub(super) good_until: Timestamp,
}

/// A row and where it stands.
#[derive(Clone, Debug)]
pub(super) struct FoundRow {
    pub(super) place: Place,
    pub(super) row: Arc<Row>,
}

/// Where a row stands in its table, for people.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// The line of a CSV file, counted from 1.
    Line(u64),
    /// The rowid of an SQLite table.
    RowId(i64),
    /// The key of a row whose table has one whole number for its primary key.
    Key(i64),
    /// The how-manieth row of a view or an answer, counted from 1.
    Number(u64),
    /// The how-manieth row of the how-manieth page of an answer, both counted from 1.
    OfPage {
        /// Which page.
        page: u32,
        /// Which row of it.
        row: u32,
    },
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(formatter, "line {line}"),
            Self::RowId(id) => write!(formatter, "rowid {id}"),
            Self::Key(key) => write!(formatter, "key {key}"),
            Self::Number(number) => write!(formatter, "row {number}"),
            Self::OfPage { page, row } => write!(formatter, "row {row} of page {page}"),
        }
    }
}

/// One row of a walk over a whole table.
pub(super) struct Step {
    pub(super) place: Place,
    /// The row, or why it cannot be used at all.
    pub(super) row: Result<Row, String>,
    /// Columns whose value is of a kind that conditions cannot see.
    pub(super) unusable: Vec<String>,
    /// How many rows there are, where that is known.
    pub(super) total: Option<u64>,
}

impl Source {
    /// A source of a config, for all that use it.
    pub(super) fn new(source: &config::Source, config: &Config) -> Self {
        let terms = Terms {
            name: source.name.clone(),
            refresh: source.refresh,
            max_stale: source.max_stale,
            timeout: source.timeout,
        };
        let views = View::all(config).filter(|view| *view.source() == source.name);
        match &source.kind {
            SourceKind::Csv(path) => Self::Csv(Arc::new(CsvFile::new(terms, path.clone(), needed(views)))),
            SourceKind::Web(web) => Self::Web(Arc::new(WebTable::new(terms, WebSource::clone(web), needed(views)))),
            SourceKind::Sqlite(path) => Self::database(terms, Sqlite::new(path.clone()), views, None),
            SourceKind::Postgres { url, notify } => {
                let engine = Postgres::new(url, terms.timeout);
                let notices = notify.as_ref().map(|channel| Notices::new(&terms, url, channel));
                Self::database(terms, engine, views, notices)
            }
            SourceKind::MySql { url } => {
                let engine = MySql::new(url, terms.timeout);
                Self::database(terms, engine, views, None)
            }
        }
    }

    fn database<'a>(
        terms: Terms,
        engine: impl Engine + 'static,
        views: impl Iterator<Item = View<'a>>,
        notices: Option<Notices>,
    ) -> Self {
        let needs = views.filter_map(Needs::of).collect();
        Self::Database(Box::new(Database::new(terms, Box::new(engine), needs, notices)))
    }

    pub(super) fn terms(&self) -> &Terms {
        match self {
            Self::Csv(file) => file.terms(),
            Self::Web(table) => table.terms(),
            Self::Database(database) => database.terms(),
        }
    }

    /// How often the background looks at it.
    pub(super) fn look_every(&self) -> Duration {
        match self {
            Self::Csv(file) => file.look_every(),
            Self::Web(table) => table.look_every(),
            Self::Database(database) => database.look_every(),
        }
    }

    /// Looks whether it is there and what became of it.
    pub(super) async fn look(&self, now: Timestamp) {
        match self {
            Self::Csv(file) => file.look(now).await,
            Self::Web(table) => table.look(now).await,
            Self::Database(database) => database.look(now).await,
        }
    }

    /// The same for somebody who says that it changed: what is still being written is waited for.
    pub(super) async fn look_anew(&self, now: Timestamp) {
        match self {
            Self::Csv(file) => file.look_anew(now).await,
            Self::Web(_) | Self::Database(_) => self.look(now).await,
        }
    }

    /// Looks at it if the last look is too long ago. To be called before [`Self::find`].
    pub(super) async fn freshen(&self, now: Timestamp) {
        match self {
            Self::Csv(file) => file.freshen(now).await,
            Self::Web(table) => table.freshen(now).await,
            Self::Database(database) => database.freshen(now).await,
        }
    }

    /// The rows of a list for an address. `had_rows` says that there were some the last time.
    pub(super) async fn find(
        &self,
        list: &CustomerList,
        email: &Email,
        now: Timestamp,
        had_rows: bool,
    ) -> Result<Found, String> {
        let found = match self {
            Self::Csv(file) => file.find(list, email, now)?,
            Self::Web(table) => table.find(list, email, now)?,
            Self::Database(database) => database.find(list, email, now, had_rows).await?,
        };
        if found.rows.len() > MOST_ROWS_FOR_ONE {
            return Err(format!("one address has more than {MOST_ROWS_FOR_ONE} rows in list `{}`", list.name));
        }
        Ok(found)
    }

    /// Gives the rows of a list for one customer, and perhaps others, until there are no more or enough.
    pub(super) async fn of_customer(
        &self,
        list: &CustomerList,
        column: &ColumnName,
        customer: &str,
        now: Timestamp,
        each: &mut (dyn FnMut(Row) -> More + Send),
    ) -> Result<(), String> {
        let mut is_enough = false;
        let mut step = |step: Step| {
            if let (false, Ok(row)) = (is_enough, step.row) {
                is_enough = each(row) == More::Enough;
            }
        };
        match self {
            Self::Csv(file) => file.shown().walk(View::List(list), file.terms(), now, &mut step),
            Self::Web(table) => table.shown().walk(View::List(list), table.terms(), now, &mut step),
            Self::Database(database) => database.of_customer(list, column, customer, each).await,
        }
    }

    /// Whether a table can be asked at all.
    pub(super) fn serves(&self, view: View<'_>, now: Timestamp) -> bool {
        match self {
            Self::Csv(file) => file.serves(view, now),
            Self::Web(table) => table.serves(view, now),
            Self::Database(database) => database.serves(view, now),
        }
    }

    /// Goes up whenever answers from before may be wrong.
    pub(super) fn generation(&self) -> u64 {
        match self {
            Self::Csv(file) => file.shown().generation,
            Self::Web(table) => table.shown().generation,
            Self::Database(database) => database.generation(),
        }
    }

    /// Goes up whenever anybody's access may be another than it was, be it one person's alone.
    pub(super) fn epoch(&self) -> u64 {
        match self {
            Self::Database(database) => database.epoch(),
            Self::Csv(_) | Self::Web(_) => self.generation(),
        }
    }

    /// Goes up whenever answers for this person may be wrong, though not everybody's.
    pub(super) fn changes(&self, email: &Email) -> u64 {
        match self {
            Self::Database(database) => database.changes(email),
            Self::Csv(_) | Self::Web(_) => 0,
        }
    }

    /// Takes in what the source tells by itself, until the end.
    pub(super) async fn listen(&self) {
        match self {
            Self::Database(database) => database.listen().await,
            Self::Csv(_) | Self::Web(_) => {}
        }
    }

    pub(super) fn health(&self, now: Timestamp) -> SourceHealth {
        match self {
            Self::Csv(file) => file.health(now),
            Self::Web(table) => table.health(now),
            Self::Database(database) => database.health(now),
        }
    }

    /// How to make the question for an address quick, where it is not.
    pub(super) async fn advice(&self, list: &CustomerList) -> Option<String> {
        match self {
            Self::Csv(_) | Self::Web(_) => None,
            Self::Database(database) => database.advice(list).await,
        }
    }

    /// Walks over all rows of a table as it was read last; a database is asked.
    pub(super) async fn walk_shown(
        &self,
        view: View<'_>,
        now: Timestamp,
        each: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), String> {
        match self {
            Self::Csv(file) => file.shown().walk(view, file.terms(), now, each),
            Self::Web(table) => table.shown().walk(view, table.terms(), now, each),
            Self::Database(database) => database.walk(view, now, each).await,
        }
    }

    /// Whether a table is another only when the generation went up.
    pub(super) const fn tells_of_changes(&self) -> bool {
        match self {
            Self::Csv(_) | Self::Web(_) => true,
            // Rows come and go without anybody noticing.
            Self::Database(_) => false,
        }
    }

    /// Walks over all rows of a table, which is read anew where that may be needed.
    pub(super) async fn walk(
        &self,
        view: View<'_>,
        now: Timestamp,
        each: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), String> {
        match self {
            Self::Csv(file) => file.walk(view, now, each).await,
            Self::Web(table) => table.walk(view, now, each).await,
            Self::Database(database) => database.walk(view, now, each).await,
        }
    }
}

/// What a source is made from: one with the same plan is the same source.
#[derive(PartialEq)]
pub(super) struct Plan {
    source: config::Source,
    /// What its CA's file holds.
    ca: Option<Held>,
    /// The table and columns of each use: they are looked after in the background.
    views: Vec<(Option<TableName>, ColumnName, Vec<ColumnName>)>,
}

impl Plan {
    pub(super) fn of(source: &config::Source, config: &Config) -> Self {
        let ca = match &source.kind {
            SourceKind::Web(web) => web.ca.as_deref(),
            SourceKind::Csv(_) | SourceKind::Sqlite(_) | SourceKind::Postgres { .. } | SourceKind::MySql { .. } => None,
        };
        let views = View::all(config).filter(|view| *view.source() == source.name);
        let needs = |view: View<'_>| (view.table().cloned(), view.subject().clone(), view.columns().cloned().collect());
        Self { source: source.clone(), ca: ca.map(|ca| config.files.held(ca)), views: views.map(needs).collect() }
    }
}

/// What is needed of the one table of a source.
fn needed<'a>(views: impl Iterator<Item = View<'a>>) -> Needed {
    let mut needed = Needed::default();
    for view in views {
        if let View::List(list) = view {
            needed.emails.insert(list.columns.email.clone());
        }
        needed.columns.extend(view.columns().cloned());
    }
    needed
}

/// All columns that a list names.
fn columns_of(list: &CustomerList) -> impl Iterator<Item = &ColumnName> {
    let role = match &list.role {
        ListRole::Column(column) => Some(column),
        ListRole::Name(_) | ListRole::Default => None,
    };
    list.columns.all().chain(role)
}

/// The words for a column that is not there.
pub(super) fn no_column<'a>(column: &str, has: impl Iterator<Item = &'a str>) -> String {
    const MOST_NAMED: usize = 30;
    let has: Vec<&str> = has.take(MOST_NAMED).collect();
    format!("the table has no column `{column}`; it has {}", has.join(", "))
}
