//! What customers use, in the database: a row a customer and day, and the same for pages and people.

use async_trait::async_trait;
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_scalar};

use super::SqliteStore;
use super::sqlite::{failed, malformed, readable};
use crate::state::ports::StoreError;
use crate::state::usage::{self, Counted, CustomerUse, Kept, MOST_PAGES, OTHER_PAGES, Span, UsageStore};
use crate::types::{AppName, CustomerId, DisplayName, Email};

/// So many rows of a table are written by one statement: each is a way to the thread of the database and back.
const ROWS: usize = 1000;

#[async_trait]
impl UsageStore for SqliteStore {
    async fn add_usage(&self, counted: &[Counted]) -> Result<(), StoreError> {
        let write = async {
            let mut transaction = self.begin().await?;
            for some in counted.chunks(ROWS) {
                add(&mut transaction, some).await?;
            }
            transaction.commit().await
        };
        write.await.map_err(failed("write down what customers used"))
    }

    async fn usage(&self, span: &Span, most_pages: u32) -> Result<Kept, StoreError> {
        kept(self, span, most_pages).await.map_err(failed("read what customers used"))
    }

    async fn customers_with_usage(&self, app: &AppName, from: i32, most: u32) -> Result<Vec<CustomerUse>, StoreError> {
        let rows = query(
            "SELECT usage_day.customer, usage_customer.name, sum(usage_day.requests) AS requests FROM usage_day
             LEFT JOIN usage_customer USING (app, customer) WHERE app = ? AND day >= ?
             GROUP BY usage_day.customer ORDER BY requests DESC, usage_day.customer LIMIT ? + 0",
        )
        .bind(app.as_str())
        .bind(from)
        .bind(most)
        .fetch_all(&self.readers)
        .await
        .map_err(failed("read which customers used an app"))?;
        Ok(readable(&rows, |row| {
            Ok(CustomerUse {
                id: CustomerId::parse(row.try_get("customer")?).map_err(|_| malformed("usage_day.customer"))?,
                name: row.try_get::<Option<&str>, _>("name")?.and_then(DisplayName::new),
                requests: count(row, "requests")?,
            })
        }))
    }

    async fn forget_usage(&self, app: &AppName, counts_before: i32, details_before: i32) -> Result<(), StoreError> {
        let forget = async {
            for (statement, before) in [
                ("DELETE FROM usage_day WHERE app = ? AND day < ?", counts_before),
                ("DELETE FROM usage_page WHERE app = ? AND day < ?", details_before),
                ("DELETE FROM usage_person WHERE app = ? AND day < ?", details_before),
            ] {
                self.change(query(statement).bind(app.as_str()).bind(before)).await?;
            }
            let delete = query(
                "DELETE FROM usage_customer WHERE app = ?1 AND NOT EXISTS (SELECT 1 FROM usage_day
                 WHERE usage_day.app = ?1 AND usage_day.customer = usage_customer.customer)",
            )
            .bind(app.as_str());
            self.change(delete).await
        };
        forget.await.map(|_| ()).map_err(failed("forget what customers used"))
    }
}

/// What counts know a person by in each app that has any: [`usage::mark`].
async fn marks(connection: &mut SqliteConnection, key: &[u8], email: &Email) -> sqlx::Result<Vec<(String, [u8; 8])>> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let apps: Vec<String> = query_scalar("SELECT DISTINCT app FROM usage_person").fetch_all(connection).await?;
    let marked = |name: String| {
        let app = AppName::parse(&name).ok()?;
        Some((name, usage::mark(&key, &app, email)))
    };
    Ok(apps.into_iter().filter_map(marked).collect())
}

/// The days on which a person was here, as far as they are kept.
pub(super) async fn days_of(connection: &mut SqliteConnection, key: &[u8], email: &Email) -> sqlx::Result<Vec<Value>> {
    let mut days = Vec::new();
    for (app, mark) in marks(&mut *connection, key, email).await? {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT customer, date(day * 86400, 'unixepoch') FROM usage_person WHERE app = ? AND who = ? ORDER BY day",
        )
        .bind(&app)
        .bind(&mark[..])
        .fetch_all(&mut *connection)
        .await?;
        days.extend(rows.iter().map(|(customer, day)| json!({ "app": app, "customer": customer, "day": day })));
    }
    Ok(days)
}

/// Forgets on which days a person was here; answers how many there were.
pub(super) async fn forget(connection: &mut SqliteConnection, key: &[u8], email: &Email) -> sqlx::Result<u64> {
    let mut gone = 0;
    for (app, mark) in marks(&mut *connection, key, email).await? {
        let delete = query("DELETE FROM usage_person WHERE app = ? AND who = ?").bind(&app).bind(&mark[..]);
        gone += delete.execute(&mut *connection).await?.rows_affected();
    }
    Ok(gone)
}

async fn add(connection: &mut SqliteConnection, counted: &[Counted]) -> sqlx::Result<()> {
    const DAYS: &str = "INSERT INTO usage_day (app, customer, day, requests, refusals, logins)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?) WHERE true
         ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,
         refusals = refusals + excluded.refusals, logins = logins + excluded.logins";
    const NAMES: &str = "INSERT INTO usage_customer (app, customer, name)
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
         ON CONFLICT DO UPDATE SET name = excluded.name WHERE name IS NOT excluded.name";
    const PEOPLE: &str = "INSERT INTO usage_person (app, customer, day, who)
         SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3) FROM json_each(?) WHERE true
         ON CONFLICT DO NOTHING";
    let days = counted.iter().map(|Counted { app, customer, day, taken, .. }| {
        let (requests, refusals, logins) = (signed(taken.requests), signed(taken.refusals), signed(taken.logins));
        json!([app.as_str(), customer.as_str(), day, requests, refusals, logins])
    });
    let names = counted.iter().filter_map(|Counted { app, customer, name, .. }| {
        name.as_ref().map(|name| json!([app.as_str(), customer.as_str(), name.as_str()]))
    });
    let people = counted.iter().flat_map(|Counted { app, customer, day, taken, .. }| {
        taken.people.iter().map(move |who| json!([app.as_str(), customer.as_str(), day, HEXLOWER.encode(who)]))
    });
    for (statement, rows) in [(DAYS, days.collect()), (NAMES, names.collect()), (PEOPLE, people.collect::<Vec<_>>())] {
        for some in rows.chunks(ROWS) {
            let some = serde_json::to_string(some).map_err(|error| sqlx::Error::Encode(error.into()))?;
            query(statement).bind(some).execute(&mut *connection).await?;
        }
    }
    for counted in counted {
        for (page, requests) in &counted.taken.pages {
            let page = if has_room(connection, counted, page).await? { page } else { OTHER_PAGES };
            query(
                "INSERT INTO usage_page (app, customer, day, page, requests) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET requests = requests + excluded.requests",
            )
            .bind(counted.app.as_str())
            .bind(counted.customer.as_str())
            .bind(counted.day)
            .bind(page)
            .bind(signed(*requests))
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

/// Whether a page may have a row of its own: it has one, or there are not too many.
async fn has_room(connection: &mut SqliteConnection, counted: &Counted, page: &str) -> sqlx::Result<bool> {
    let (others, known): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE page = ?) FROM usage_page WHERE app = ? AND customer = ? AND day = ?",
    )
    .bind(page)
    .bind(counted.app.as_str())
    .bind(counted.customer.as_str())
    .bind(counted.day)
    .fetch_one(connection)
    .await?;
    Ok(known > 0 || usize::try_from(others).is_ok_and(|others| others < MOST_PAGES))
}

async fn kept(store: &SqliteStore, span: &Span, most_pages: u32) -> sqlx::Result<Kept> {
    let Span { app, customer, from } = span;
    let (app, customer) = (app.as_str(), customer.as_ref().map(CustomerId::as_str));
    // With a customer, its rows stand together; without one, those of the days do.
    const ONE: &str = "app = ?1 AND customer = ?2 AND day >= ?3";
    const ALL: &str = "app = ?1 AND ?2 IS NULL AND day >= ?3";
    let which = if customer.is_some() { ONE } else { ALL };
    let rows = |select: &str, rest: &str| {
        let statement = sqlx::AssertSqlSafe(format!("{select} WHERE {which} {rest}"));
        query(statement).bind(app.to_owned()).bind(customer.map(str::to_owned)).bind(*from).fetch_all(&store.readers)
    };
    let sums = "SELECT day, sum(requests) AS requests, sum(refusals) AS refusals, sum(logins) AS logins FROM usage_day";
    let days = rows(sums, "GROUP BY day ORDER BY day").await?;
    let people = rows("SELECT day, count(DISTINCT who) AS people FROM usage_person", "GROUP BY day").await?;
    let active = rows("SELECT count(DISTINCT who) AS people FROM usage_person", "").await?;
    let pages = format!("AND page <> '' GROUP BY page ORDER BY requests DESC, page LIMIT {most_pages}");
    let pages = rows("SELECT page, sum(requests) AS requests FROM usage_page", &pages).await?;
    Ok(Kept {
        days: readable(&days, |row| {
            Ok((row.try_get("day")?, count(row, "requests")?, count(row, "refusals")?, count(row, "logins")?))
        }),
        people: readable(&people, |row| Ok((row.try_get("day")?, count(row, "people")?))),
        active: active.first().map_or(Ok(0), |row| count(row, "people"))?,
        pages: readable(&pages, |row| Ok((row.try_get("page")?, count(row, "requests")?))),
    })
}

fn count(row: &SqliteRow, column: &str) -> sqlx::Result<u64> {
    Ok(row.try_get::<i64, _>(column)?.unsigned_abs())
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
