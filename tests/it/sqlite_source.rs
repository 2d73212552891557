//! The table of customers is a SQLite database that another program owns.

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::house::{House, OPEN, PEOPLE, eventually};

/// The other program: it owns `crm.db` beside the config.
pub(crate) struct Table {
    options: SqliteConnectOptions,
}

/// An exclusive lock on the whole database.
pub(crate) struct Lock(SqliteConnection);

impl Table {
    /// Makes `crm.db` with the table `people` from CSV lines; `company_id` and `history_days` are numbers.
    pub(crate) async fn create(house: &House, people: &str) -> Self {
        let path = house.dir.path().join("crm.db");
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let table = Self { options: options.journal_mode(SqliteJournalMode::Delete) };
        let mut lines = people.lines();
        let columns: Vec<String> = lines
            .next()
            .expect("a header row")
            .split(',')
            .map(|name| {
                format!("{name} {}", if matches!(name, "company_id" | "history_days") { "INTEGER" } else { "TEXT" })
            })
            .collect();
        table.run(&format!("CREATE TABLE people ({})", columns.join(", "))).await;
        table.run("CREATE INDEX people_email ON people (email)").await;
        for line in lines {
            let values: Vec<String> = line
                .split(',')
                .map(|value| if value.is_empty() { "NULL".to_owned() } else { format!("'{value}'") })
                .collect();
            table.run(&format!("INSERT INTO people VALUES ({})", values.join(", "))).await;
        }
        table
    }

    /// Runs one statement in a connection of its own.
    pub(crate) async fn run(&self, sql: &str) {
        let mut connection = self.options.connect().await.expect("the database opens");
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .expect("the statement is right");
        connection.close().await.expect("it closes");
    }

    /// Locks everybody else out, readers too.
    pub(crate) async fn lock(&self) -> Lock {
        let mut connection = self.options.connect().await.expect("the database opens");
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.expect("nobody else holds it");
        Lock(connection)
    }
}

impl Lock {
    /// Lets them in again.
    pub(crate) async fn release(mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.expect("it was begun");
        self.0.close().await.expect("it closes");
    }
}

fn apps() -> String {
    OPEN.replace("csv:people.csv", "sqlite:crm.db").replace("email = ", "table = \"people\"\nemail = ")
}

async fn house() -> (House, Table) {
    let mut house = House::plan(&apps()).furnish().await;
    let table = Table::create(&house, PEOPLE).await;
    house.start_again().await;
    (house, table)
}

#[tokio::test]
async fn people_enter_from_a_database() {
    let (house, _table) = house().await;
    let ann = house.browser("orders.test");
    ann.log_in_as(" Ann@Example.COM ", "ann@example.com").await;
    ann.navigate("/").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.header("x-access-customer"), Some("42"), "a number is a customer's name, too");
    assert_eq!(seen.header("x-access-days-back"), Some("30"));
    assert_eq!(seen.header("x-access-customer-name"), Some("Acme Ltd"));
}

#[tokio::test]
async fn a_changed_row_counts_within_the_refresh() {
    let (house, table) = house().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    table.run("UPDATE people SET status = 'left' WHERE email = 'ann@example.com'").await;
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;

    table.run("INSERT INTO people (email, company_id, status) VALUES ('new@example.com', 42, 'active')").await;
    house.browser("orders.test").log_in("new@example.com").await;
}

#[tokio::test]
async fn conditions_see_the_columns_types() {
    let mut house = House::plan(&apps().replace("row.status == \"active\"", "row.history_days > 29")).furnish().await;
    let _table = Table::create(&house, PEOPLE).await;
    house.start_again().await;
    house.browser("orders.test").ask_for_mail("zoe@example.com").await;
    house.browser("orders.test").log_in("ann@example.com").await;
    assert_eq!(house.mail.count_to("zoe@example.com").await, 0, "seven days are not more than 29");
}

#[tokio::test]
async fn the_gateway_writes_nothing_into_the_database() {
    let (house, _table) = house().await;
    let path = house.dir.path().join("crm.db");
    let before = std::fs::read(&path).expect("the database is a file");
    house.browser("orders.test").log_in("ann@example.com").await;
    assert_eq!(std::fs::read(&path).expect("it is still there"), before);
}

#[tokio::test]
async fn an_address_is_a_value_and_never_sql() {
    let (house, table) = house().await;
    let thief = house.browser("orders.test");
    for email in ["x'OR'1'='1@example.com", "%@example.com", "_nn@example.com", "ann@example.com'--@example.com"] {
        thief.post("/.access/login", &[("email", email), ("to", "/")]).await;
    }
    house.browser("orders.test").log_in("bob@example.com").await;
    assert_eq!(house.mail.all().await.len(), 1);
    table.run("SELECT * FROM people").await;
}
