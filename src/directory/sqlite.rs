//! Customer tables in an SQLite database, read only.
//!
//! One question for an address and a list. An ordinary index serves it:
//! `CREATE INDEX contacts_email ON contacts (email COLLATE NOCASE)`, or a column declared `COLLATE NOCASE UNIQUE`.
//! Without one the answers are the same, but each reads the whole table.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::engine::{Column, Each, Engine, Kind, MOST_COUNTED, More, Question, Structure};
use super::pool::Pool;
use super::question::{Bounds, quote};
use super::source::Place;
use crate::policy::{Row, Value};
use crate::types::TableName;

/// How long a writer may hold the database before a question fails.
const BUSY_TIME: Duration = Duration::from_secs(1);
/// The highest character: behind everything that begins alike.
const HIGHEST: char = '\u{10ffff}';

/// An SQLite database.
pub(super) struct Sqlite {
    path: PathBuf,
    open: ArcSwapOption<Open>,
}

/// The file that is read now.
struct Open {
    /// Device and inode.
    file: (u64, u64),
    pool: Pool<SqliteConnection>,
}

impl Sqlite {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: ArcSwapOption::empty() }
    }

    fn opened(&self) -> Result<Arc<Open>, sqlx::Error> {
        self.open.load_full().ok_or_else(|| sqlx::Error::Configuration("it was not read yet".into()))
    }

    async fn file(&self) -> Result<(u64, u64), String> {
        match tokio::fs::metadata(&self.path).await {
            Ok(meta) if meta.is_file() => Ok((meta.dev(), meta.ino())),
            Ok(_) => Err(format!("`{}` is not a file", self.path.display())),
            Err(error) => Err(format!("`{}` cannot be opened: {error}", self.path.display())),
        }
    }
}

#[async_trait]
impl Engine for Sqlite {
    /// Opens the file that is there now: the one we have, or another if the file was replaced.
    async fn open(&self) -> Result<(), String> {
        let file = self.file().await.inspect_err(|_| self.open.store(None))?;
        if self.open.load().as_ref().is_some_and(|open| open.file == file) {
            return Ok(());
        }
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIME)
            .pragma("query_only", "ON");
        self.open.store(Some(Arc::new(Open { file, pool: Pool::new(options) })));
        Ok(())
    }

    async fn is_replaced(&self) -> bool {
        let open = self.open.load_full();
        open.map(|open| open.file) != self.file().await.ok()
    }

    async fn structure(&self, table: &TableName) -> Result<Structure, sqlx::Error> {
        let open = self.opened()?;
        let mut connection = open.pool.lend().await?;
        let kind = "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE";
        let kind: Option<(String, i64)> =
            sqlx::query_as(kind).bind(table.as_str()).fetch_optional(&mut *connection).await?;
        let Some((kind, without_rowid)) = kind else {
            connection.give_back();
            return Err(sqlx::Error::Configuration(format!("there is no table `{table}`").into()));
        };
        let columns = "SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden <> 1";
        let columns: Vec<(String, String)> =
            sqlx::query_as(columns).bind(table.as_str()).fetch_all(&mut *connection).await?;
        connection.give_back();
        let column = |(name, declared): (String, String)| {
            let is_boolean = ["BOOL", "BOOLEAN"].iter().any(|boolean| declared.eq_ignore_ascii_case(boolean));
            let kind = if is_boolean { Kind::Bool } else { Kind::Any };
            Column { name, kind, is_list: false, is_key: false, collation: None }
        };
        Ok(Structure {
            columns: columns.into_iter().map(column).collect(),
            is_view: kind == "view",
            has_rowid: kind == "table" && without_rowid == 0,
        })
    }

    async fn count(&self, table: &TableName) -> Result<u64, sqlx::Error> {
        let open = self.opened()?;
        let mut connection = open.pool.lend().await?;
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {MOST_COUNTED})", quote(table.as_str(), '"'));
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *connection).await?;
        connection.give_back();
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    async fn rows(&self, asked: Question<'_>, each: &mut Each<'_>) -> Result<(), sqlx::Error> {
        let open = self.opened()?;
        let mut connection = open.pool.lend().await?;
        let sql = AssertSqlSafe(question(asked));
        let mut query = sqlx::query(sql).persistent(false);
        if let Some(email) = asked.person {
            let Bounds { from, local } = Bounds::of(email);
            let to = format!("{from}{HIGHEST}");
            query = query.bind(from).bind(to).bind(local).bind("\u{80}");
        }
        if let Some((_, customer)) = asked.customer {
            query = query.bind(customer.to_owned());
        }
        let mut number = 0;
        let mut rows = query.fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            number += 1;
            let (place, row, unusable) = row_of(&row, asked.structure, number);
            if each(place, row, unusable) == More::Enough {
                return Ok(());
            }
        }
        drop(rows);
        connection.give_back();
        Ok(())
    }

    async fn advice(&self, asked: Question<'_>) -> Result<Option<String>, sqlx::Error> {
        if !asked.structure.has_rowid {
            return Ok(None);
        }
        let open = self.opened()?;
        let mut connection = open.pool.lend().await?;
        let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", question(asked)));
        let query = sqlx::query(sql).persistent(false).bind("a").bind("b").bind("c").bind("d");
        let steps = query.fetch_all(&mut *connection).await?;
        connection.give_back();
        let steps = steps.iter().filter_map(|step| step.try_get::<String, _>("detail").ok());
        Ok(steps.into_iter().any(|step| step.starts_with("SCAN")).then(|| {
            format!(
                "no index serves the question for one address, so it reads the whole table; `CREATE INDEX … ON {} ({} COLLATE NOCASE)` mends that",
                quote(asked.table.as_str(), '"'),
                quote(asked.column.as_str(), '"')
            )
        }))
    }
}

/// The question for one address: three arms, each a range of an index on the email column `COLLATE NOCASE`.
///
/// Rows that begin with the address; rows that begin with a blank or a control character; rows that begin with a character
/// beyond ASCII, of which some are blanks too. The arms share no row, for an address begins with a visible ASCII character.
/// The column is named with its table, for a bare `"name"` that is no column is a text to SQLite.
fn question(asked: Question<'_>) -> String {
    let rowid = if asked.structure.has_rowid { "t.rowid" } else { "NULL" };
    let select = format!("SELECT {rowid}, t.* FROM {} AS t", quote(asked.table.as_str(), '"'));
    if let Some((column, _)) = asked.customer {
        // Numbers are compared as they are written, also those that a table keeps as floats.
        let value = format!("trim(CAST(t.{} AS TEXT))", quote(column.as_str(), '"'));
        return format!("{select} WHERE {value} IN (?1, ?1 || '.0')");
    }
    if asked.person.is_none() {
        return select;
    }
    let email = format!("t.{}", quote(asked.column.as_str(), '"'));
    let alike = format!("instr(lower({email}), ?3) > 0");
    format!(
        "{select} WHERE {email} >= ?1 COLLATE NOCASE AND {email} < ?2 COLLATE NOCASE \
         UNION ALL {select} WHERE {email} > '' COLLATE NOCASE AND {email} < '!' COLLATE NOCASE AND {alike} \
         UNION ALL {select} WHERE {email} >= ?4 COLLATE NOCASE AND {alike}"
    )
}

/// A row, where it stands, and the columns whose values are of no use.
fn row_of(row: &SqliteRow, structure: &Structure, number: u64) -> (Place, Row, Vec<String>) {
    let rowid = if structure.has_rowid { row.try_get_unchecked::<i64, _>(0).ok() } else { None };
    let place = rowid.map_or(Place::Number(number), Place::RowId);
    let mut unusable = Vec::new();
    let values = row.columns().iter().skip(1).map(|column| {
        let name = column.name();
        let value = value(row, structure, column.ordinal(), name).unwrap_or_else(|| {
            unusable.push(name.to_owned());
            Value::Null
        });
        (name.to_owned(), value)
    });
    (place, Row(values.collect()), unusable)
}

fn value(row: &SqliteRow, structure: &Structure, at: usize, name: &str) -> Option<Value> {
    let raw = row.try_get_raw(at).ok()?;
    if raw.is_null() {
        return Some(Value::Null);
    }
    let kind = raw.type_info();
    match kind.name() {
        "INTEGER" => {
            let number: i64 = row.try_get_unchecked(at).ok()?;
            let is_boolean = structure.column(name).is_some_and(|column| column.kind == Kind::Bool);
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
