//! Customer tables in an SQLite database, read only.
//!
//! One question for an address and a list. An ordinary index serves it:
//! `CREATE INDEX contacts_email ON contacts (email COLLATE NOCASE)`, or a column declared `COLLATE NOCASE UNIQUE`.
//! Without one the answers are the same, but each reads the whole table.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};
use tokio::sync::Mutex;

use super::question::{bounds, plan, question, quote};
use super::source::{Found, FoundRow, MOST_ROWS_FOR_ONE, Place, Step, Terms, columns_of, no_column};
use super::standing::{MOST_WAIT, Standing, after, age, is_sudden_loss, sudden_loss};
use crate::policy::{CustomerList, Row, Value};
use crate::state::health::{SourceHealth, SourceState};
use crate::types::{Email, TableName};

/// Connections to one database.
const MOST_CONNECTIONS: u32 = 4;
/// How long a question may take.
const MOST_TIME: Duration = MOST_WAIT;
/// How long a writer may hold the database before a question fails.
const BUSY_TIME: Duration = Duration::from_secs(1);
/// A database in trouble is asked again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Rows are counted up to here, to notice a table that was emptied.
const MOST_COUNTED: u64 = 100_000;
/// Rows that may be spelled like one address.
const MOST_ALIKE: usize = 100_000;

/// An SQLite database.
pub(super) struct Database {
    terms: Terms,
    path: PathBuf,
    /// Held by whoever looks at the database, so that one look serves all who wait.
    looking: Mutex<()>,
    shown: ArcSwap<Shown>,
}

#[derive(Clone, Default)]
struct Shown {
    connection: Option<Connection>,
    tables: Vec<(TableName, TableState)>,
    generation: u64,
    looked: Option<Timestamp>,
}

#[derive(Clone)]
struct Connection {
    file: (u64, u64),
    pool: SqlitePool,
}

#[derive(Clone, Default)]
struct TableState {
    standing: Standing,
    structure: Option<Arc<Structure>>,
    rows: Option<u64>,
}

/// What a table or view is made of.
struct Structure {
    columns: Vec<Column>,
    has_rowid: bool,
}

struct Column {
    name: String,
    is_boolean: bool,
}

impl Database {
    pub(super) fn new(terms: Terms, path: PathBuf, tables: BTreeSet<TableName>) -> Self {
        let shown = Shown {
            tables: tables.iter().map(|table| (table.clone(), TableState::default())).collect(),
            ..Shown::default()
        };
        Self { terms, path, looking: Mutex::default(), shown: ArcSwap::from_pointee(shown) }
    }

    pub(super) fn look_every(&self) -> Duration {
        let every = self.terms.refresh.max(Duration::from_millis(50));
        if self.shown.load().is_troubled() { RETRY_AFTER.min(every) } else { every }
    }

    pub(super) fn generation(&self) -> u64 {
        self.shown.load().generation
    }

    /// Looks whether the database is there and its tables are as they were.
    pub(super) async fn look(&self, now: Timestamp) {
        let _looking = self.looking.lock().await;
        // Whoever waited for another's look need not look again.
        if self.shown.load().looked.is_none_or(|looked| looked < now) {
            self.look_once(now).await;
        }
    }

    async fn look_once(&self, now: Timestamp) {
        let mut shown = Shown::clone(&self.shown.load());
        shown.looked = Some(now);
        let connection = self.connect(shown.connection.take()).await;
        for (table, state) in &mut shown.tables {
            let probe = match &connection {
                Ok(connection) => within(probe(&connection.pool, table)).await,
                Err(what) => Err(what.clone()),
            };
            let outcome = probe.and_then(|(structure, rows)| {
                let before = state.rows.unwrap_or(0);
                if is_sudden_loss(before, rows) {
                    let what = sudden_loss(before, rows);
                    if !state.standing.is_spent(now, self.terms.max_stale) {
                        return Err(what);
                    }
                    let limit = "`max_stale` is over, so the table is believed as it is now";
                    tracing::warn!(source = %self.terms.name, %table, problem = %what, "{limit}");
                }
                state.rows = Some(rows);
                state.structure = Some(Arc::new(structure));
                Ok(())
            });
            match outcome {
                Ok(()) => {
                    if state.standing.confirm(now) {
                        tracing::info!(source = %self.terms.name, %table, "the table is well again");
                        // Answers from before the trouble are no longer needed.
                        shown.generation += 1;
                    }
                }
                Err(what) => self.fail(table, state, now, &what),
            }
        }
        shown.connection = connection.ok();
        self.shown.store(Arc::new(shown));
    }

    /// Looks at the database if the last look is too long ago.
    pub(super) async fn freshen(&self, now: Timestamp) {
        let shown = self.shown.load_full();
        let is_due = shown.looked.is_none_or(|looked| age(now, looked) >= self.terms.refresh);
        if shown.is_troubled() && self.looking.try_lock().is_err() {
            // Somebody tries already whether it is well again; until then what is known will do.
            return;
        }
        let is_replaced = async || {
            // The old file would stay open and readable.
            !shown.is_troubled() && shown.file() != self.file().await.ok()
        };
        let look = async {
            if is_due || is_replaced().await {
                self.look_anew(&shown, now).await;
            }
        };
        // A disk may hang; then the question will find out.
        let _ = tokio::time::timeout(MOST_WAIT, look).await;
    }

    /// The rows of a list for an address. `had_rows` says that there were some the last time.
    pub(super) async fn find(
        &self,
        list: &CustomerList,
        email: &Email,
        now: Timestamp,
        had_rows: bool,
    ) -> Result<Found, String> {
        let table = list.table.as_ref().ok_or("the list names no table")?;
        let shown = self.shown.load_full();
        let (pool, structure) = shown.ready(list, table)?;
        let rows = match within(ask(&pool, &structure, table, list, email)).await {
            Ok(rows) => rows,
            Err(what) => {
                self.report(table, now, &what);
                return Err(what);
            }
        };
        if rows.is_empty() && had_rows {
            // Is the person gone, or is everybody?
            let look = self.look_anew(&shown, now);
            tokio::time::timeout(MOST_WAIT, look).await.map_err(|_| "it cannot be looked at".to_owned())?;
            self.shown.load_full().ready(list, table)?;
        }
        Ok(Found { rows, fetched: now, good_until: after(now, self.terms.refresh) })
    }

    /// Looks again, unless somebody else did since.
    async fn look_anew(&self, seen: &Arc<Shown>, now: Timestamp) {
        let _looking = self.looking.lock().await;
        if Arc::ptr_eq(seen, &self.shown.load()) {
            self.look_once(now).await;
        }
    }

    /// A question failed though the last look found nothing wrong.
    fn report(&self, table: &TableName, now: Timestamp, what: &str) {
        // Whoever looks just now finds out, too.
        let Ok(_looking) = self.looking.try_lock() else { return };
        let mut shown = Shown::clone(&self.shown.load());
        shown.looked = Some(now);
        if let Some((_, state)) = shown.tables.iter_mut().find(|(name, _)| name == table) {
            self.fail(table, state, now, what);
        }
        self.shown.store(Arc::new(shown));
    }

    fn fail(&self, table: &TableName, state: &mut TableState, now: Timestamp, what: &str) {
        if state.standing.fail(now, what) {
            tracing::warn!(source = %self.terms.name, %table, problem = %what, "the table cannot be used as it is");
        }
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn serves(&self, list: &CustomerList, now: Timestamp) -> bool {
        let shown = self.shown.load();
        let state = list.table.as_ref().and_then(|table| shown.state(table));
        state.is_some_and(|state| {
            !matches!(state.standing.state(now, self.terms.max_stale), SourceState::Down { .. })
                && state.structure.as_ref().is_some_and(|structure| structure.missing(list).is_none())
        })
    }

    pub(super) fn health(&self, now: Timestamp) -> SourceHealth {
        let shown = self.shown.load();
        let states = shown.tables.iter().map(|(_, state)| state);
        let worst = states.clone().map(|state| state.standing.state(now, self.terms.max_stale)).max_by_key(gravity);
        let problems = shown.tables.iter().filter_map(|(table, state)| {
            state.standing.trouble.as_ref().map(|trouble| format!("table `{table}`: {}", trouble.what))
        });
        let problems: Vec<String> = problems.collect();
        SourceHealth {
            name: self.terms.name.clone(),
            state: worst.unwrap_or(SourceState::Fresh),
            rows: states.map(|state| state.rows).sum(),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
            refused_rows: 0,
        }
    }

    /// Walks over all rows of a list's table.
    pub(super) async fn walk(
        &self,
        list: &CustomerList,
        now: Timestamp,
        each: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), String> {
        let table = list.table.as_ref().ok_or("the list names no table")?;
        self.look(now).await;
        let shown = self.shown.load_full();
        let (pool, structure) = shown.ready(list, table)?;
        let total = shown.state(table).and_then(|state| state.rows).filter(|rows| *rows < MOST_COUNTED);
        let rowid = if structure.has_rowid { "t.rowid" } else { "NULL" };
        let sql = format!("SELECT {rowid}, t.* FROM {} AS t", quote(table.as_str()));
        let mut rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(&pool);
        let mut number = 0;
        while let Some(row) = rows.try_next().await.map_err(|error| brief(&error))? {
            number += 1;
            let (place, row, unusable) = structure.row(&row, number);
            each(Step { place, row: Ok(row), unusable, total });
        }
        Ok(())
    }

    /// How to make the question for an address quick, where no index serves it.
    pub(super) async fn advice(&self, list: &CustomerList) -> Option<String> {
        let table = list.table.as_ref()?;
        let (pool, structure) = self.shown.load_full().ready(list, table).ok()?;
        if !structure.has_rowid {
            return None;
        }
        let plan = plan(&pool, &question(true, table, list)).await.ok()?;
        plan.iter().any(|step| step.starts_with("SCAN")).then(|| {
            format!(
                "no index serves the question for one address, so it reads the whole table; `CREATE INDEX … ON {} ({} COLLATE NOCASE)` mends that",
                quote(table.as_str()),
                quote(list.columns.email.as_str())
            )
        })
    }

    /// The connection for the file that is there now: the one we have, or another if the file was replaced.
    async fn connect(&self, old: Option<Connection>) -> Result<Connection, String> {
        let file = self.file().await?;
        if let Some(old) = old.filter(|old| old.file == file) {
            return Ok(old);
        }
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIME)
            .pragma("query_only", "ON");
        let pool = SqlitePoolOptions::new()
            .max_connections(MOST_CONNECTIONS)
            .min_connections(0)
            .acquire_timeout(MOST_TIME)
            .idle_timeout(Duration::from_secs(300))
            .connect_lazy_with(options);
        Ok(Connection { file, pool })
    }

    async fn file(&self) -> Result<(u64, u64), String> {
        match tokio::fs::metadata(&self.path).await {
            Ok(meta) if meta.is_file() => Ok((meta.dev(), meta.ino())),
            Ok(_) => Err(format!("`{}` is not a file", self.path.display())),
            Err(error) => Err(format!("`{}` cannot be opened: {error}", self.path.display())),
        }
    }
}

impl Shown {
    fn is_troubled(&self) -> bool {
        self.tables.iter().any(|(_, state)| state.standing.trouble.is_some())
    }

    fn file(&self) -> Option<(u64, u64)> {
        self.connection.as_ref().map(|connection| connection.file)
    }

    fn state(&self, table: &TableName) -> Option<&TableState> {
        self.tables.iter().find(|(name, _)| name == table).map(|(_, state)| state)
    }

    /// What a question to a list's table needs; otherwise why it cannot be asked.
    fn ready(&self, list: &CustomerList, table: &TableName) -> Result<(SqlitePool, Arc<Structure>), String> {
        let state = self.state(table).ok_or("it was not read yet")?;
        if let Some(trouble) = &state.standing.trouble {
            return Err(trouble.what.clone());
        }
        let structure = state.structure.as_ref().ok_or("it was not read yet")?;
        if let Some(missing) = structure.missing(list) {
            return Err(missing);
        }
        let connection = self.connection.as_ref().ok_or("it was not read yet")?;
        Ok((connection.pool.clone(), Arc::clone(structure)))
    }
}

fn gravity(state: &SourceState) -> u8 {
    match state {
        SourceState::Fresh => 0,
        SourceState::Stale { .. } => 1,
        SourceState::Down { .. } => 2,
    }
}

/// Counts a table's rows and reads its structure.
async fn probe(pool: &SqlitePool, table: &TableName) -> Result<(Structure, u64), sqlx::Error> {
    let kind = "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE";
    let kind: Option<(String, i64)> = sqlx::query_as(kind).bind(table.as_str()).fetch_optional(pool).await?;
    let Some((kind, without_rowid)) = kind else {
        return Err(sqlx::Error::Configuration(format!("there is no table `{table}`").into()));
    };
    let columns = "SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden <> 1";
    let columns: Vec<(String, String)> = sqlx::query_as(columns).bind(table.as_str()).fetch_all(pool).await?;
    let column = |(name, kind): (String, String)| {
        let is_boolean = ["BOOL", "BOOLEAN"].iter().any(|boolean| kind.eq_ignore_ascii_case(boolean));
        Column { name, is_boolean }
    };
    let structure = Structure {
        columns: columns.into_iter().map(column).collect(),
        has_rowid: kind == "table" && without_rowid == 0,
    };
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {MOST_COUNTED})", quote(table.as_str()));
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(pool).await?;
    Ok((structure, u64::try_from(rows).unwrap_or(0)))
}

async fn ask(
    pool: &SqlitePool,
    structure: &Structure,
    table: &TableName,
    list: &CustomerList,
    email: &Email,
) -> Result<Vec<FoundRow>, sqlx::Error> {
    let [from, to, local, beyond] = bounds(email);
    let sql = AssertSqlSafe(question(structure.has_rowid, table, list));
    let mut rows = sqlx::query(sql).persistent(false).bind(from).bind(to).bind(local).bind(beyond).fetch(pool);
    let mut found = Vec::new();
    let mut alike = 0;
    while let Some(row) = rows.try_next().await? {
        alike += 1;
        if alike > MOST_ALIKE {
            let what = format!("more than {MOST_ALIKE} addresses are spelled like one");
            return Err(sqlx::Error::Configuration(what.into()));
        }
        let (place, row, _) = structure.row(&row, 0);
        let address = row.text(list.columns.email.as_str());
        if address.and_then(|text| Email::parse(&text).ok()).as_ref() == Some(email) {
            found.push(FoundRow { place, row: Arc::new(row) });
        }
        if found.len() > MOST_ROWS_FOR_ONE {
            break;
        }
    }
    Ok(found)
}

async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, String> {
    match tokio::time::timeout(MOST_TIME, work).await {
        Ok(result) => result.map_err(|error| brief(&error)),
        Err(_) => Err(format!("no answer within {} s", MOST_TIME.as_secs())),
    }
}

fn brief(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Configuration(what) => what.to_string(),
        sqlx::Error::PoolTimedOut => format!("no connection within {} s", MOST_TIME.as_secs()),
        other => other.to_string(),
    }
}

impl Structure {
    fn missing(&self, list: &CustomerList) -> Option<String> {
        let names = || self.columns.iter().map(|column| column.name.as_str());
        let missing = columns_of(list).find(|column| !names().any(|name| name == column.as_str()))?;
        Some(no_column(missing.as_str(), names()))
    }

    /// A row, where it stands, and the columns whose values are of no use.
    fn row(&self, row: &SqliteRow, number: u64) -> (Place, Row, Vec<String>) {
        let rowid = if self.has_rowid { row.try_get_unchecked::<i64, _>(0).ok() } else { None };
        let place = rowid.map_or(Place::Number(number), Place::RowId);
        let mut unusable = Vec::new();
        let values = row.columns().iter().skip(1).map(|column| {
            let name = column.name();
            let value = self.value(row, column.ordinal(), name).unwrap_or_else(|| {
                unusable.push(name.to_owned());
                Value::Null
            });
            (name.to_owned(), value)
        });
        (place, Row(values.collect()), unusable)
    }

    fn value(&self, row: &SqliteRow, at: usize, name: &str) -> Option<Value> {
        let raw = row.try_get_raw(at).ok()?;
        if raw.is_null() {
            return Some(Value::Null);
        }
        let kind = raw.type_info();
        match kind.name() {
            "INTEGER" => {
                let number: i64 = row.try_get_unchecked(at).ok()?;
                let is_boolean = self.columns.iter().any(|column| column.is_boolean && column.name == name);
                Some(match number {
                    0 | 1 if is_boolean => Value::Bool(number == 1),
                    _ => Value::Int(number),
                })
            }
            "REAL" => row.try_get_unchecked(at).ok().map(Value::Float),
            "TEXT" => row.try_get_unchecked(at).ok().map(Value::Text),
            _ => None,
        }
    }
}
