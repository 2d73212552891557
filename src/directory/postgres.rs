//! Customer tables in PostgreSQL, read only.
//!
//! One question for an address and a list. An index serves it that is the same in every database, whatever its language:
//! `CREATE INDEX … ON contacts (lower(email COLLATE "C"))`. An index on `lower(email)` alone would fold and sort by the
//! database's language, in which texts that begin alike need not stand together (nor is `i` the small `I` in every one), and
//! then rows with a blank before the address would not be found. Without the index the answers are the same, but each reads the
//! whole table.

use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::database::{MOST_BEHIND, words};
use super::decode;
use super::engine::{Column, Each, Engine, Kind, MOST_COUNTED, More, Question, Structure};
use super::pool::Pool;
use super::question::{Bounds, quote, quote_parts};
use crate::types::{Secret, TableName};

/// Columns that may be read, with the types that domains and lists stand for.
const STRUCTURE: &str = "
WITH RECURSIVE columns AS (
  SELECT a.attnum, a.attname, a.atttypid AS type
  FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
    AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
  UNION ALL
  SELECT c.attnum, c.attname, t.typbasetype
  FROM columns c JOIN pg_catalog.pg_type t ON t.oid = c.type WHERE t.typtype = 'd'
)
SELECT c.attname::text,
  coalesce(nullif(t.typtype, 'b'), '')::text,
  t.typname::text,
  CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN coalesce(b.typname, e.typname)::text END,
  coalesce(nullif(coalesce(b.typtype, e.typtype), 'b'), '')::text,
  EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisprimary
    AND i.indnkeyatts = 1 AND i.indkey[0] = c.attnum),
  r.relkind IN ('v', 'm')
FROM columns c
JOIN pg_catalog.pg_class r ON r.oid = pg_catalog.to_regclass($1)
JOIN pg_catalog.pg_type t ON t.oid = c.type AND t.typtype <> 'd'
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
LEFT JOIN pg_catalog.pg_type b ON b.oid = e.typbasetype AND e.typtype = 'd'
ORDER BY c.attnum";

/// A PostgreSQL database.
pub(super) struct Postgres {
    options: Result<PgConnectOptions, String>,
    pool: Option<Pool<PgConnection>>,
}

/// Column, type's sort and name, and the same of a list's items; whether it is the primary key, and whether all is a view.
type Described = (String, String, String, Option<String>, String, bool, bool);

impl Postgres {
    pub(super) fn new(url: &Secret, timeout: Duration) -> Self {
        let options = options(url);
        let pool = options.as_ref().ok().map(|options| {
            // The server gives a question up, too: a client that hangs up is noticed only when it is answered.
            let limit = (timeout + MOST_BEHIND).as_millis().clamp(1, 86_400_000).to_string();
            Pool::new(options.clone().options([("statement_timeout", limit)]))
        });
        Self { options, pool }
    }

    fn pool(&self) -> Result<&Pool<PgConnection>, sqlx::Error> {
        self.pool.as_ref().ok_or_else(|| sqlx::Error::Configuration("its URL is not understood".into()))
    }
}

/// How a server is reached. What is wrong with the URL is told without it, for it holds a password.
pub(super) fn options(url: &Secret) -> Result<PgConnectOptions, String> {
    let options = PgConnectOptions::from_str(url.expose())
        .map_err(|error| format!("its URL is not understood: {}", words(&error)))?;
    Ok(options
        .application_name("vestibule")
        .options([("default_transaction_read_only", "on")])
        .disable_statement_logging())
}

#[async_trait]
impl Engine for Postgres {
    async fn open(&self) -> Result<(), String> {
        self.options.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    async fn structure(&self, table: &TableName) -> Result<Structure, sqlx::Error> {
        let mut connection = self.pool()?.lend().await?;
        let name = quote_parts(table.as_str(), '"');
        let query = sqlx::query_as(STRUCTURE).persistent(false).bind(name);
        let columns: Vec<Described> = query.fetch_all(&mut *connection).await?;
        connection.give_back();
        if columns.is_empty() {
            let what = format!("there is no table `{table}`, or this user may read nothing of it");
            return Err(sqlx::Error::Configuration(what.into()));
        }
        let is_view = columns.iter().any(|(.., is_view)| *is_view);
        let column = |(name, sort, kind, item, item_sort, is_key, _): Described| {
            let (is_list, kind) = match &item {
                Some(item) => (true, kind_of(&item_sort, item)),
                None => (false, kind_of(&sort, &kind)),
            };
            Column { name, kind, is_list: is_list && kind != Kind::Unusable, is_key, collation: None }
        };
        Ok(Structure { columns: columns.into_iter().map(column).collect(), is_view, has_rowid: false })
    }

    async fn count(&self, table: &TableName) -> Result<u64, sqlx::Error> {
        let mut connection = self.pool()?.lend().await?;
        let table = quote_parts(table.as_str(), '"');
        let sql = format!("SELECT count(*) FROM (SELECT FROM {table} LIMIT {MOST_COUNTED}) AS t");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *connection).await?;
        connection.give_back();
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    async fn rows(&self, asked: Question<'_>, each: &mut Each<'_>) -> Result<(), sqlx::Error> {
        if !asked.is_walk() {
            let mut connection = self.pool()?.lend().await?;
            let all = stream(&mut connection, asked, each).await?;
            if all == More::Wanted {
                connection.give_back();
            }
            return Ok(());
        }
        // A walk over everything takes its time, so it has a connection of its own, without the limit of the others.
        let options = self.options.as_ref().map_err(|what| sqlx::Error::Configuration(what.clone().into()))?;
        let mut connection = options.connect().await?;
        stream(&mut connection, asked, each).await?;
        connection.close().await
    }

    async fn advice(&self, asked: Question<'_>) -> Result<Option<String>, sqlx::Error> {
        let mut connection = self.pool()?.lend().await?;
        let sql = format!("EXPLAIN {}", question(asked));
        let mut transaction = connection.begin().await?;
        // A small table is read whole although an index would serve.
        sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut *transaction).await?;
        let steps = bound(sql, asked).fetch_all(&mut *transaction).await?;
        let steps = steps.iter().map(|step| step.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
        transaction.rollback().await?;
        connection.give_back();
        if !steps.iter().any(|step| step.contains("Seq Scan")) {
            return Ok(None);
        }
        let trouble = "no index serves the question for one address, so it reads a whole table";
        let column = quote(asked.column.as_str(), '"');
        Ok(Some(if asked.structure.is_view {
            format!("{trouble}; an index on (lower({column} COLLATE \"C\")) of the table below the view mends that")
        } else {
            let table = quote_parts(asked.table.as_str(), '"');
            format!("{trouble}; `CREATE INDEX … ON {table} (lower({column} COLLATE \"C\"))` mends that")
        }))
    }
}

async fn stream(connection: &mut PgConnection, asked: Question<'_>, each: &mut Each<'_>) -> Result<More, sqlx::Error> {
    let mut rows = bound(question(asked), asked).fetch(connection);
    let mut number = 0;
    while let Some(row) = rows.try_next().await? {
        number += 1;
        let (place, row, unusable) = decode::row(&row, asked.structure, number);
        if each(place, row, unusable) == More::Enough {
            return Ok(More::Enough);
        }
    }
    Ok(More::Wanted)
}

/// A statement with the bounds of its question.
fn bound(sql: String, asked: Question<'_>) -> Query<'static, sqlx::Postgres, PgArguments> {
    // Not kept on the server: a prepared question would fail once the table has other columns.
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    if let Some((_, customer)) = asked.customer {
        return query.bind(customer.to_owned());
    }
    match asked.person.map(Bounds::of) {
        Some(bounds) => {
            let behind = bounds.behind();
            query.bind(bounds.from).bind(behind).bind(bounds.local)
        }
        None => query,
    }
}

/// The question for one address: three arms, each a range of the index that this file's head names.
///
/// Rows that begin with the address; rows that begin with a blank or a control character; rows that begin with a character
/// beyond ASCII, of which some are blanks too. The arms share no row, for an address begins with a visible ASCII character. The
/// bounds are ASCII, so that databases in other character sets know them.
fn question(asked: Question<'_>) -> String {
    let columns: Vec<String> = asked.structure.columns.iter().map(as_text).collect();
    let select = format!("SELECT {} FROM {} AS t", columns.join(", "), quote_parts(asked.table.as_str(), '"'));
    if let Some((column, _)) = asked.customer {
        // Numbers are compared as they are written, also those that a table keeps as floats.
        let value = format!("btrim(t.{}::text)", quote(column.as_str(), '"'));
        return format!("{select} WHERE {value} IN ($1, $1 || '.0')");
    }
    if asked.person.is_none() {
        return select;
    }
    let column = quote(asked.column.as_str(), '"');
    let is_text = asked.structure.column(asked.column.as_str()).is_some_and(|column| column.kind == Kind::Text);
    let cast = if is_text { "" } else { "::text" };
    let email = format!("lower(t.{column}{cast} COLLATE \"C\")");
    let alike = format!("strpos({email}, $3) > 0");
    format!(
        "{select} WHERE {email} >= $1 AND {email} < $2 \
         UNION ALL {select} WHERE {email} > '' AND {email} < '!' AND {alike} \
         UNION ALL {select} WHERE {email} >= E'\\x7f' AND {alike}"
    )
}

/// A column, written as text.
fn as_text(column: &Column) -> String {
    let name = format!("t.{}", quote(&column.name, '"'));
    match (column.kind, column.is_list) {
        (Kind::Unusable, _) => format!("CASE WHEN {name} IS NOT NULL THEN '' END"),
        (_, true) => format!("pg_catalog.to_json({name}::text[])::text"),
        (_, false) => format!("{name}::text"),
    }
}

/// What a type holds; its sort is `e` for an enumeration.
fn kind_of(sort: &str, name: &str) -> Kind {
    match (sort, name) {
        ("e", _) => Kind::Text,
        (_, "bool") => Kind::Bool,
        (_, "int2" | "int4" | "int8" | "oid") => Kind::Int,
        (_, "float4" | "float8") => Kind::Float,
        (_, "numeric") => Kind::Decimal,
        (_, "text" | "varchar" | "bpchar" | "name" | "char" | "citext") => Kind::Text,
        (_, "uuid" | "time" | "timetz" | "cidr" | "macaddr" | "macaddr8") => Kind::Text,
        (_, "inet") => Kind::Inet,
        (_, "date") => Kind::Date,
        (_, "timestamp") => Kind::DateTime,
        (_, "timestamptz") => Kind::Timestamp,
        (_, "json" | "jsonb") => Kind::Json,
        _ => Kind::Unusable,
    }
}
