//! The running gateway, or its store where none runs.

use super::Failure;
use super::api::{ApiArgs, Gateway};
use crate::config::{self, running};
use crate::store::{self, SqliteStore};

/// What a command works on.
pub(super) enum Beside {
    /// The running gateway, by its API.
    Gateway(Gateway),
    /// The store of one that does not run.
    Store(Box<SqliteStore>),
}

impl Beside {
    /// The gateway that was named or that runs on this machine; otherwise its store.
    pub(super) async fn of(args: &ApiArgs) -> Result<Self, Failure> {
        if args.admin.is_some() {
            return Gateway::find(&args.config, args.admin).map(Self::Gateway);
        }
        let text = config::read(&args.config.config)?;
        let data = running::data(&args.config.config, &text, &|name| std::env::var(name).ok());
        let data = data.ok_or_else(|| {
            let file = args.config.config.display();
            Failure::Usage(format!(
                "{file} names no data folder\n  help: set `server.data`, or name a gateway with --admin"
            ))
        })?;
        let is_running = store::running(&data).is_ok_and(|pid| pid.is_some());
        if is_running && running::access(&data).is_ok() {
            return Gateway::find(&args.config, None).map(Self::Gateway);
        }
        let store = store::open_beside(&data).await.map_err(|error| Failure::Other(error.to_string()))?;
        Ok(Self::Store(Box::new(store)))
    }
}
