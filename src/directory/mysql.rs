//! Customer tables in MySQL and MariaDB, read only.
//!
//! One question for an address and a list. The ordinary index on the column serves it, if the column's collation takes capital
//! and small letters for the same, as the usual ones do (their names end in `_ci`). Otherwise the answers are the same, but each
//! reads the whole table.

use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::database::{MOST_BEHIND, words};
use super::decode;
use super::engine::{Column, Each, Engine, Kind, MOST_COUNTED, More, Question, Structure};
use super::pool::Pool;
use super::question::{Bounds, parts, quote, quote_parts};
use crate::types::{Secret, TableName};

const STRUCTURE: &str = "
SELECT CAST(c.column_name AS CHAR), CAST(c.data_type AS CHAR), CAST(c.column_type AS CHAR), CAST(c.collation_name AS CHAR),
  CAST(c.column_key AS CHAR), CAST(t.table_type AS CHAR)
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = coalesce(?, DATABASE()) AND c.table_name = ?
ORDER BY c.ordinal_position";

/// White space (the property of Unicode) that may stand before an address, in the order of its code points.
const BLANKS: &str = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\
                      \u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

/// What stands around names.
const QUOTE: char = '`';
/// Stands before what `LIKE` would take for a pattern. No address holds it.
const ESCAPE: char = ',';

/// A MySQL or MariaDB database.
pub(super) struct MySql {
    options: Result<MySqlConnectOptions, String>,
    pool: Option<Pool<MySqlConnection>>,
}

impl MySql {
    pub(super) fn new(url: &Secret, timeout: Duration) -> Self {
        let options = MySqlConnectOptions::from_str(url.expose())
            .map(MySqlConnectOptions::disable_statement_logging)
            .map_err(|error| format!("its URL is not understood: {}", words(&error)));
        let pool = options.as_ref().ok().cloned().map(|options| {
            Pool::by(move || {
                let options = options.clone();
                async move { connect(&options, Some(timeout + MOST_BEHIND)).await }
            })
        });
        Self { options, pool }
    }

    fn pool(&self) -> Result<&Pool<MySqlConnection>, sqlx::Error> {
        self.pool.as_ref().ok_or_else(|| sqlx::Error::Configuration("its URL is not understood".into()))
    }
}

/// A connection that can only read, and on which no statement takes longer than so.
async fn connect(options: &MySqlConnectOptions, timeout: Option<Duration>) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    sqlx::raw_sql("SET SESSION TRANSACTION READ ONLY").execute(&mut connection).await?;
    if let Some(timeout) = timeout {
        // The server gives a question up, too. Each of the two has its own name for that, in comments that it alone reads.
        let (seconds, milliseconds) = (timeout.as_secs_f64(), timeout.as_millis());
        let sql = format!(
            "SET /*M! SESSION max_statement_time = {seconds}, */ /*!50708 SESSION max_execution_time = {milliseconds}, */ @limited = 1"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    Ok(connection)
}

#[async_trait]
impl Engine for MySql {
    async fn open(&self) -> Result<(), String> {
        self.options.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    async fn structure(&self, table: &TableName) -> Result<Structure, sqlx::Error> {
        let missing = || {
            let what = format!("there is no table `{table}`, or this user may read nothing of it");
            sqlx::Error::Configuration(what.into())
        };
        let parts = parts(table.as_str(), QUOTE);
        let (schema, name) = match parts.as_slice() {
            [name] => (None, name),
            [schema, name] => (Some(schema), name),
            _ => return Err(missing()),
        };
        let mut connection = self.pool()?.lend().await?;
        let query = sqlx::query(STRUCTURE).persistent(false).bind(schema).bind(name);
        let rows = query.fetch_all(&mut *connection).await?;
        connection.give_back();
        let text = |row: &MySqlRow, at: usize| row.try_get_unchecked::<Option<String>, _>(at);
        let keys = rows.iter().filter(|row| text(row, 4).is_ok_and(|key| key.as_deref() == Some("PRI"))).count();
        let mut structure = Structure::default();
        for row in &rows {
            let (data_type, column_type) = (text(row, 1)?.unwrap_or_default(), text(row, 2)?.unwrap_or_default());
            structure.columns.push(Column {
                name: text(row, 0)?.unwrap_or_default(),
                kind: kind_of(&data_type.to_ascii_lowercase(), &column_type.to_ascii_lowercase()),
                is_list: false,
                is_key: keys == 1 && text(row, 4)?.as_deref() == Some("PRI"),
                collation: text(row, 3)?,
            });
            structure.is_view = text(row, 5)?.as_deref() == Some("VIEW");
        }
        if structure.columns.is_empty() { Err(missing()) } else { Ok(structure) }
    }

    async fn count(&self, table: &TableName) -> Result<u64, sqlx::Error> {
        let mut connection = self.pool()?.lend().await?;
        let table = quote_parts(table.as_str(), QUOTE);
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {MOST_COUNTED}) AS t");
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
        let mut connection = connect(options, None).await?;
        stream(&mut connection, asked, each).await?;
        connection.close().await
    }

    async fn advice(&self, asked: Question<'_>) -> Result<Option<String>, sqlx::Error> {
        let mut connection = self.pool()?.lend().await?;
        let sql = format!("EXPLAIN {}", question(asked));
        let steps = bound(sql, asked).fetch_all(&mut *connection).await?;
        connection.give_back();
        let is_whole = |step: &MySqlRow| {
            let field = |name: &str| step.try_get_unchecked::<Option<String>, _>(name).ok().flatten();
            // A small table is read whole although an index would serve.
            let is_whole = matches!(field("type").as_deref(), Some("ALL" | "index"));
            is_whole && field("possible_keys").is_none()
        };
        if !steps.iter().any(is_whole) {
            return Ok(None);
        }
        let trouble = "no index serves the question for one address, so it reads a whole table";
        let column = quote(asked.column.as_str(), QUOTE);
        let collation = asked.structure.column(asked.column.as_str()).and_then(|column| column.collation.as_deref());
        Ok(Some(match collation {
            Some(collation) if !folds_case(collation) => format!(
                "{trouble}: column {column} is of collation {collation}, which tells capital from small letters;                  one such as utf8mb4_general_ci and an index mend that"
            ),
            _ if asked.structure.is_view => {
                format!("{trouble}; an index on {column} of the table below the view mends that")
            }
            _ => {
                let table = quote_parts(asked.table.as_str(), QUOTE);
                format!("{trouble}; `CREATE INDEX … ON {table} ({column})` mends that")
            }
        }))
    }
}

async fn stream(
    connection: &mut MySqlConnection,
    asked: Question<'_>,
    each: &mut Each<'_>,
) -> Result<More, sqlx::Error> {
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

/// A statement with the patterns of its question.
fn bound(sql: String, asked: Question<'_>) -> Query<'static, sqlx::MySql, MySqlArguments> {
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    if let Some(email) = asked.person {
        let Bounds { from, local } = Bounds::of(email);
        query = query.bind(pattern(&from));
        for blank in blanks(asked) {
            query = query.bind(format!("{blank}%"));
        }
        query = query.bind(local);
    }
    if let Some((_, customer)) = asked.customer {
        query = query.bind(customer.to_owned()).bind(customer.to_owned());
    }
    query
}

/// The question for one address: rows that begin with it or with a blank, each a range of the index on the column, and of those
/// the ones that hold the part before the domain.
fn question(asked: Question<'_>) -> String {
    let columns: Vec<String> = asked.structure.columns.iter().map(as_text).collect();
    let select = format!("SELECT {} FROM {} AS t", columns.join(", "), quote_parts(asked.table.as_str(), QUOTE));
    if let Some((column, _)) = asked.customer {
        // Numbers are compared as they are written, also those that a table keeps as floats.
        let value = format!("TRIM(CAST(t.{} AS CHAR))", quote(column.as_str(), QUOTE));
        return format!("{select} WHERE {value} IN (?, CONCAT(?, '.0'))");
    }
    if asked.person.is_none() {
        return select;
    }
    let column = format!("t.{}", quote(asked.column.as_str(), QUOTE));
    let email = match collation(asked) {
        Some(collation) if folds_case(collation) => column,
        _ => format!("CONVERT({column} USING utf8mb4) COLLATE utf8mb4_general_ci"),
    };
    let begins = format!("{email} LIKE ? ESCAPE '{ESCAPE}'");
    let arms = vec![begins; 1 + blanks(asked).count()];
    format!("{select} WHERE ({}) AND LOCATE(?, {email}) > 0", arms.join(" OR "))
}

/// What begins so.
fn pattern(text: &str) -> String {
    let is_special = |letter: char| matches!(letter, '%' | '_' | ESCAPE);
    let mut pattern = String::new();
    for letter in text.chars() {
        if is_special(letter) {
            pattern.push(ESCAPE);
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

fn collation(asked: Question<'_>) -> Option<&str> {
    asked.structure.column(asked.column.as_str())?.collation.as_deref()
}

fn folds_case(collation: &str) -> bool {
    collation.ends_with("_ci")
}

/// The blanks that the column's character set has: any other would keep the index from serving.
fn blanks(asked: Question<'_>) -> impl Iterator<Item = char> {
    let is_unicode = collation(asked).is_none_or(|name| name.starts_with("utf8") || !folds_case(name));
    BLANKS.chars().filter(move |blank| is_unicode || blank.is_ascii())
}

/// A column, written as text.
fn as_text(column: &Column) -> String {
    let name = format!("t.{}", quote(&column.name, QUOTE));
    match column.kind {
        Kind::Unusable => format!("CASE WHEN {name} IS NOT NULL THEN '' END"),
        // Bits are bytes unless they are counted with.
        Kind::Bool | Kind::Int => format!("CAST({name} + 0 AS CHAR)"),
        _ => format!("CAST({name} AS CHAR)"),
    }
}

/// What a type holds, by its bare name and as it was declared.
fn kind_of(data_type: &str, column_type: &str) -> Kind {
    match data_type {
        // Both servers know truth values only by these.
        "tinyint" if column_type.starts_with("tinyint(1)") => Kind::Bool,
        "bit" if column_type == "bit(1)" => Kind::Bool,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" | "bit" => Kind::Int,
        "float" | "double" => Kind::Float,
        "decimal" => Kind::Decimal,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => Kind::Text,
        "time" | "uuid" | "inet4" | "inet6" => Kind::Text,
        "date" => Kind::Date,
        "datetime" => Kind::DateTime,
        // The session is set to UTC.
        "timestamp" => Kind::Timestamp,
        "json" => Kind::Json,
        _ => Kind::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_pattern() {
        assert_eq!(pattern("a_b%c@x.y"), "a,_b,%c@x.y%");
    }

    #[test]
    fn every_blank_that_is_trimmed_is_asked_for() {
        let blanks: String = (0..=0x3000).filter_map(char::from_u32).filter(|letter| letter.is_whitespace()).collect();
        assert_eq!(BLANKS, blanks);
    }
}
