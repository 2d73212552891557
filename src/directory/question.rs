//! The one question that an SQLite table is asked for an address, made so that an ordinary index serves it.
//!
//! It takes in a little more than the address: whatever is spelled alike but for case, blanks around it, or the form of an
//! international domain. Which of these rows are the person's is settled by [`Email`], as for every source.

use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row as _};

use crate::policy::CustomerList;
use crate::types::{Email, TableName};

/// The highest character: behind everything that begins alike.
const HIGHEST: char = '\u{10ffff}';

/// The question for one address: three arms, each a range of an index on the email column `COLLATE NOCASE`.
///
/// Rows that begin with the address; rows that begin with a blank or a control character; rows that begin with a character
/// beyond ASCII, of which some are blanks too. The arms share no row, for an address begins with a visible ASCII character.
/// The column is named with its table, for a bare `"name"` that is no column is a text to SQLite.
pub(super) fn question(has_rowid: bool, table: &TableName, list: &CustomerList) -> String {
    let rowid = if has_rowid { "t.rowid" } else { "NULL" };
    let select = format!("SELECT {rowid}, t.* FROM {} AS t WHERE", quote(table.as_str()));
    let email = format!("t.{}", quote(list.columns.email.as_str()));
    let alike = format!("instr(lower({email}), ?3) > 0");
    format!(
        "{select} {email} >= ?1 COLLATE NOCASE AND {email} < ?2 COLLATE NOCASE \
         UNION ALL {select} {email} > '' COLLATE NOCASE AND {email} < '!' COLLATE NOCASE AND {alike} \
         UNION ALL {select} {email} >= ?4 COLLATE NOCASE AND {alike}"
    )
}

/// What the question is asked with.
pub(super) fn bounds(email: &Email) -> [String; 4] {
    let address = email.as_str();
    let local = address.strip_suffix(email.domain()).unwrap_or(address);
    // An international domain has many spellings, so there all of the same local part are looked through.
    let is_international = email.domain().split('.').any(|label| label.starts_with("xn--"));
    let from = if is_international { local } else { address };
    [from.to_owned(), format!("{from}{HIGHEST}"), local.to_owned(), '\u{80}'.to_string()]
}

/// How SQLite would answer a question, step by step.
pub(super) async fn plan(pool: &SqlitePool, question: &str) -> Result<Vec<String>, sqlx::Error> {
    let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {question}"))).persistent(false);
    for bound in ["a", "b", "c", "d"] {
        query = query.bind(bound);
    }
    let steps = query.fetch_all(pool).await?;
    Ok(steps.iter().filter_map(|step| step.try_get::<String, _>("detail").ok()).collect())
}

/// An identifier, quoted (SQLite: "a keyword in double-quotes is an identifier").
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
