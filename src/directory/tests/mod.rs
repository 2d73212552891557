//! The directory as a whole: tables in, grants out, with the time as the tests want it.

mod csv;
mod customers;
mod reload;
mod report;
mod several;
mod sqlite;
mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::*;
use crate::policy::Grant;
use crate::state::health::SourceState;

const APP: &str = r#"
[server]
https = "127.0.0.1:0"
data = "data"
[tls]
local_ca = true
[mail]
smtp = "smtp://127.0.0.1:25"
from = "login@example.com"
"#;

/// A folder with tables, a directory over them, and a clock that the test turns.
struct House {
    folder: tempfile::TempDir,
    directory: Arc<TableDirectory>,
    now: Timestamp,
}

impl House {
    /// `tables` are names and CSV texts to begin with; `config` is what follows after the server's part.
    fn new(config: &str, tables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in tables {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let text = format!("{APP}{config}");
        let config = crate::config::parse(&folder.path().join("v.toml"), &text, &|_| None).expect("a config");
        let directory = Arc::new(TableDirectory::open(&config, Clock));
        // Far from the files' own times, so that nothing looks freshly written unless the test says so.
        let now = after(Clock.now(), Duration::from_secs(1000));
        Self { folder, directory, now }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a file as careful writers do.
    fn replace(&self, name: &str, text: &str) {
        std::fs::write(self.path("new"), text).expect("written");
        std::fs::rename(self.path("new"), self.path(name)).expect("renamed");
    }

    /// Writes a file in place, now.
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
        let file = std::fs::File::options().write(true).open(self.path(name)).expect("opened");
        let now = std::time::SystemTime::try_from(self.now).expect("a time");
        file.set_modified(now).expect("set");
    }

    fn pass(&mut self, seconds: u64) {
        self.now = after(self.now, Duration::from_secs(seconds));
    }

    /// Lets the time pass as it does in a running gateway, where the background looks every second.
    async fn live(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(1);
            for source in self.directory.tables.load_full().sources.values() {
                source.look(self.now).await;
            }
        }
    }

    async fn known(&self, email: &str) -> Result<Arc<Known>, Unavailable> {
        let email = Email::parse(email).expect("an address");
        self.directory.known_at(&orders(), &email, self.now).await
    }

    /// Roles of a person's grants as `role@customer`, or `unavailable: why`.
    async fn roles(&self, email: &str) -> String {
        let show = |grant: &Arc<Grant>| {
            format!("{}@{}", grant.role, grant.customer_id().map_or("staff", |customer| customer.as_str()))
        };
        match self.known(email).await {
            Ok(known) => known.grants.iter().map(show).collect::<Vec<_>>().join(" "),
            Err(error) => format!("unavailable: {}", error.cause),
        }
    }

    fn is_available(&self) -> bool {
        self.directory.is_available_at(&orders(), self.now)
    }

    fn state(&self) -> SourceState {
        self.directory.first_source().health(self.now).state
    }

    /// A connection that may write.
    async fn database(&self, name: &str) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path(name)).create_if_missing(true);
        options.connect().await.expect("opened")
    }
}

fn orders() -> AppName {
    AppName::parse("orders").expect("a name")
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.expect("executed");
}
