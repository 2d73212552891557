//! What the console asks of the rooms: people over all tables, explanations, and the impact of another config; and the way in that
//! commands on the same machine have.

use std::collections::BTreeMap;
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
use crate::policy::Grant;
use crate::state::clock::Clock;
use crate::state::listing::{FoundPeople, PeopleFilter, Place};
use crate::state::members::RecordFilter;
use crate::state::people::People;
use crate::state::ports::{Directory, StoreError};
use crate::state::tokens::{self, LOCAL, Scope, TokenRecord, TokenStore as _};
use crate::store::SqliteStore;
use crate::types::Email;

/// So many may read all tables at a time to search them.
const SEARCHES: usize = 2;
/// So many records are read at a time.
const RECORDS_AT_ONCE: u32 = 500;

/// The rooms, as the console asks them.
pub(super) struct ConsoleServices {
    directory: Arc<TableDirectory>,
    records: Arc<People>,
    config: Arc<ArcSwap<Config>>,
    /// The config's file, for paths that are relative to it.
    path: PathBuf,
    clock: Clock,
    searches: Semaphore,
    impacts: Semaphore,
}

impl ConsoleServices {
    pub(super) fn new(
        directory: Arc<TableDirectory>,
        records: Arc<People>,
        config: Arc<ArcSwap<Config>>,
        path: PathBuf,
        clock: Clock,
    ) -> Self {
        Self { directory, records, config, path, clock, searches: Semaphore::new(SEARCHES), impacts: Semaphore::new(1) }
    }
}

#[async_trait]
impl Services for ConsoleServices {
    async fn people(&self, filter: PeopleFilter<'_>) -> Option<FoundPeople> {
        if let Some(Ok(email)) = filter.text.map(Email::parse) {
            let mut found = Found::default();
            found.add(&*self.records, filter, &email).await;
            return Some(found.finish(filter.most));
        }
        let _turn = self.searches.try_acquire().ok()?;
        let tables = self.directory.search(filter).await;
        let mut found = Found { unread: tables.unread, ..Found::default() };
        found.grants.extend(tables.grants.into_iter().map(|grant| (Place::of(&grant), grant)));
        // Whoever has a record is asked about as a log-in asks: it may add to what tables say, or change it.
        let text = filter.text;
        let mut records =
            RecordFilter { app: Some(filter.app), text, most: RECORDS_AT_ONCE, ..RecordFilter::default() };
        loop {
            let some = match self.records.records(records).await {
                Ok(some) => some,
                Err(error) => {
                    found.unread.push(error.to_string());
                    break;
                }
            };
            for record in &some {
                found.add(&*self.records, filter, &record.entry.email).await;
            }
            match some.last() {
                Some(last) if some.len() as u64 >= u64::from(RECORDS_AT_ONCE) => records.after = last.id,
                _ => break,
            }
        }
        Some(found.finish(filter.most))
    }

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

/// Who was found, in the order of their places.
#[derive(Default)]
struct Found {
    grants: BTreeMap<Place, Arc<Grant>>,
    unread: Vec<String>,
}

impl Found {
    /// Everything that one person has, in place of what was found before.
    async fn add(&mut self, directory: &dyn Directory, filter: PeopleFilter<'_>, email: &Email) {
        self.grants.retain(|_, grant| grant.email != *email);
        match directory.known(filter.app, email).await {
            Ok(known) => {
                let wanted = known.grants.iter().filter(|grant| filter.wants(grant));
                self.grants.extend(wanted.map(|grant| (Place::of(grant), Arc::clone(grant))));
                self.unread.extend(known.missing.iter().map(ToString::to_string));
            }
            Err(error) => self.unread.push(error.to_string()),
        }
    }

    fn finish(mut self, most: usize) -> FoundPeople {
        self.unread.sort_unstable();
        self.unread.dedup();
        FoundPeople { grants: self.grants.into_values().take(most).collect(), unread: self.unread }
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
