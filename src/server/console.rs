//! What the console asks of the rooms: explanations, and the impact of another config; and the way in that
//! commands on the same machine have.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::cli;
use crate::config::{self, Config, running};
use crate::console::{ExplainQuestion, NoAnswer, NoImpact, Services};
use crate::directory::TableDirectory;
use crate::state::clock::Clock;
use crate::state::ports::StoreError;
use crate::state::tokens::{self, LOCAL, Scope, TokenRecord, TokenStore as _};
use crate::store::SqliteStore;

/// The rooms, as the console asks them.
pub(super) struct ConsoleServices {
    directory: Arc<TableDirectory>,
    config: Arc<ArcSwap<Config>>,
    /// The config's file, for paths that are relative to it.
    path: PathBuf,
    clock: Clock,
    impacts: Semaphore,
}

impl ConsoleServices {
    pub(super) fn new(
        directory: Arc<TableDirectory>,
        config: Arc<ArcSwap<Config>>,
        path: PathBuf,
        clock: Clock,
    ) -> Self {
        Self { directory, config, path, clock, impacts: Semaphore::new(1) }
    }
}

#[async_trait]
impl Services for ConsoleServices {
    async fn explain(&self, question: ExplainQuestion) -> Result<Map<String, Value>, NoAnswer> {
        let config = self.config.load_full();
        let told = cli::explain::as_json(&question, &config, &self.directory, self.clock.now()).await;
        told.map_err(|failure| NoAnswer(failure.to_string()))
    }

    async fn impact(&self, text: String) -> Result<Map<String, Value>, NoImpact> {
        let Ok(_turn) = self.impacts.try_acquire() else { return Err(NoImpact::Busy) };
        let old = self.config.load_full();
        let path = self.path.clone();
        let files = old.files.clone();
        let parsed = tokio::task::spawn_blocking(move || {
            let running = config::read(&path)?;
            config::try_out(&path, &text, (&running, &files), &|name| std::env::var(name).ok())
        })
        .await;
        let new = match parsed {
            Ok(Ok(new)) => new,
            Ok(Err(errors)) => return Err(NoImpact::Wrong(errors.0.iter().map(ToString::to_string).collect())),
            Err(error) => return Err(NoImpact::Wrong(vec![error.to_string()])),
        };
        // Whoever may try a config out may not have the gateway talk to whomever they like, with the secrets of its environment.
        let others: Vec<_> = new.sources.iter().filter(|source| !old.sources.contains(source)).collect();
        if !others.is_empty() {
            let told = |source: &&config::Source| {
                format!(
                    "source `{}` is not as the running config has it\n  help: ask with `vestibule impact` where the gateway runs",
                    source.name
                )
            };
            return Err(NoImpact::Wrong(others.iter().map(told).collect()));
        }
        Ok(cli::impact::as_json(&old, &new).await)
    }
}

/// The token that commands on the same machine show.
pub(super) struct LocalAccess {
    store: Arc<SqliteStore>,
    data: PathBuf,
    clock: Clock,
}

impl LocalAccess {
    pub(super) fn new(store: Arc<SqliteStore>, data: PathBuf, clock: Clock) -> Self {
        Self { store, data, clock }
    }

    /// Leaves word in the data folder of where the admin listener is and what opens it, for whoever may read that folder: they could
    /// read the store as well.
    pub(super) async fn leave(&self, admin: Option<SocketAddr>) {
        let Some(address) = admin else {
            running::forget_access(&self.data);
            return;
        };
        let left = match self.token().await {
            Ok(token) => running::leave_access(&self.data, &running::Access { address, token }),
            Err(error) => Err(std::io::Error::other(error.to_string())),
        };
        if let Err(error) = left {
            tracing::warn!(%error, "commands on this machine will need a token: none can be left in the data folder");
        }
    }

    /// The token that is there already, where it is good, or a new one. While one process takes over from another, both have the same.
    async fn token(&self) -> Result<String, StoreError> {
        if let Ok(access) = running::access(&self.data)
            && let Some(hash) = tokens::hash_of(&access.token)
            && self.store.token(&hash).await?.is_some_and(|token| token.name == LOCAL)
        {
            return Ok(access.token);
        }
        let token = tokens::new_token();
        let Some(hash) = tokens::hash_of(&token) else { return Ok(token) };
        let record = TokenRecord {
            name: LOCAL.to_owned(),
            hash,
            scopes: vec![Scope::Admin],
            app: None,
            created: self.clock.now(),
            expires: None,
            last_used: None,
        };
        self.store.set_token(&record).await?;
        Ok(token)
    }
}
