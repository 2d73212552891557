//! Domains from tables: the watch that reads the tables, and the room that says which of their domains serve.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::directory::{DomainWatch, TableDirectory};
use crate::domains::claims::{ClaimsKeeper, ClaimsRoom};
use crate::state::clock::Clock;
use crate::state::nominated::Nominations;
use crate::state::ports::StoreError;
use crate::state::proof::{ProofKey, WaitingRoom};
use crate::state::snapshot::Current;
use crate::store::SqliteStore;

/// How long a start waits for tables of domains. Those that take longer are as the store knows them, until they are read.
const FIRST_READING: Duration = Duration::from_secs(5);

/// What the rooms share of domains from tables.
#[derive(Clone, Default)]
pub(super) struct TableDomains {
    /// What the tables say.
    pub(super) nominations: Arc<Nominations>,
    /// What of that may not serve yet.
    pub(super) waiting: Arc<WaitingRoom>,
}

/// Both, ready to run.
pub(super) struct Prepared {
    watch: DomainWatch,
    keeper: ClaimsKeeper,
}

impl TableDomains {
    /// Opens the claims that the store has kept.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn prepare(
        &self,
        current: Arc<Current>,
        directory: Arc<TableDirectory>,
        store: Arc<SqliteStore>,
        clock: Clock,
    ) -> Result<Prepared, StoreError> {
        let room = ClaimsRoom {
            current,
            nominations: Arc::clone(&self.nominations),
            store: Arc::clone(&store) as _,
            waiting: Arc::clone(&self.waiting),
            key: ProofKey::of(&*store).await?,
            clock,
        };
        let watch = DomainWatch::new(directory, Arc::clone(&self.nominations));
        Ok(Prepared { watch, keeper: ClaimsKeeper::open(room).await? })
    }
}

impl Prepared {
    /// Puts in force what the tables say now, so that whoever comes first is served; then goes on in the background.
    pub(super) async fn run(mut self, rooms: &TaskTracker, halt: &CancellationToken) {
        self.watch.first(FIRST_READING, || self.keeper.known()).await;
        self.keeper.settle().await;
        rooms.spawn(self.watch.run(halt.clone()));
        rooms.spawn(self.keeper.run(halt.clone()));
    }
}
