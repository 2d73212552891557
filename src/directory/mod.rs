//! Who may enter: the sources, the customer lists in them, and the way from an address to its grants.
//!
//! Sources are asked list by list (`source`), each keeping to its `refresh`. What they answered is remembered twice: the
//! settled answer until it has to be asked again, and the rows of people who may enter, so that a source in trouble can be
//! bridged until `max_stale`. A removal in one source counts although another is in trouble, for rows are remembered, not
//! verdicts. Strangers can fill only the first memory.

mod census;
mod csv;
mod database;
mod decode;
mod domain_watch;
mod domains;
mod engine;
mod faces;
mod file;
mod index;
mod json;
mod memory;
mod mysql;
mod notices;
mod pointer;
mod pool;
mod postgres;
mod question;
mod report;
mod source;
mod sqlite;
mod standing;
mod trace;
mod web;
mod web_fetch;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join, join_all};
use jiff::Timestamp;
use moka::future::Cache;
use moka::ops::compute::Op;
use tokio_util::sync::CancellationToken;

pub use census::{Census, Member, Unread, census};
pub use domain_watch::DomainWatch;
pub use domains::{DomainReading, Taken};
pub use report::{AppReport, Fault, ListReport, Progress};
pub use source::Place;
pub use trace::{ListTrace, RowTrace, Trace};

use crate::config::{App, Config};
use crate::policy::AppPolicy;
use crate::state::clock::Clock;
use crate::state::health::SourceHealth;
use crate::state::ports::{Directory, Known, Unavailable};
use crate::types::{AppName, Email, SourceName};
use source::{FoundRow, Source, View};
use standing::after;

/// People whose answers are remembered.
const MOST_ANSWERS: u64 = 100_000;
/// How long an answer about the workspace's own people may be used: it comes from config and cannot change before a reload.
const STAFF_REFRESH: Duration = Duration::from_secs(30);

/// The customer lists of all apps, over their sources.
pub struct TableDirectory {
    apps: HashMap<AppName, Lists>,
    sources: BTreeMap<SourceName, Arc<Source>>,
    clock: Clock,
    answers: Cache<(AppName, Email), Answer>,
    /// The rows of people who may enter, a part for each list.
    good: Cache<(AppName, Email), Arc<Vec<Remembered>>>,
}

/// An app and its lists' sources, in the same order.
struct Lists {
    app: Arc<App>,
    sources: Vec<Arc<Source>>,
    /// Those of its tables of domains, in the same order.
    domain_sources: Vec<Arc<Source>>,
}

#[derive(Clone)]
struct Answer {
    known: Arc<Known>,
    /// What the sources' generations and the person's changes in them were before they were asked.
    versions: Vec<(u64, u64)>,
}

#[derive(Clone)]
struct Remembered {
    rows: Vec<FoundRow>,
    fetched: Timestamp,
}

impl TableDirectory {
    /// The directory of a config. Reads nothing yet: a source that cannot be read is no reason not to start.
    #[must_use]
    pub fn open(config: &Config, clock: Clock) -> Self {
        let sources = Source::all(config);
        let apps = config.apps.iter().map(|app| {
            // Config names no list without its source.
            let of_list = app.policy.lists.iter().filter_map(|list| sources.get(&list.source).cloned());
            let of_domains = app.domain_tables.iter().filter_map(|table| sources.get(&table.source).cloned());
            let lists =
                Lists { app: Arc::clone(app), sources: of_list.collect(), domain_sources: of_domains.collect() };
            (app.name.clone(), lists)
        });
        let longest = config.sources.iter().map(|source| source.refresh.max(source.max_stale)).max();
        let cache = longest.unwrap_or(STAFF_REFRESH).max(Duration::from_secs(1));
        Self {
            apps: apps.collect(),
            clock,
            answers: Cache::builder().max_capacity(MOST_ANSWERS).time_to_live(cache).build(),
            good: Cache::builder().max_capacity(MOST_ANSWERS).time_to_live(cache).build(),
            sources,
        }
    }

    /// Looks at every source once.
    pub async fn look(&self) {
        let now = self.clock.now();
        join_all(self.sources.values().map(|source| source.look(now))).await;
    }

    /// Looks at every source again and again, and hears what they tell, until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let watch = async |source: &Source| {
            loop {
                source.look(self.clock.now()).await;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(source.look_every()) => {}
                }
            }
        };
        let listen = async |source: &Source| {
            tokio::select! {
                () = stop.cancelled() => {}
                () = source.listen() => {}
            }
        };
        let watched = join_all(self.sources.values().map(|source| watch(source)));
        join(watched, join_all(self.sources.values().map(|source| listen(source)))).await;
    }

    /// How the sources are.
    #[must_use]
    pub fn health(&self) -> Vec<SourceHealth> {
        let now = self.clock.now();
        self.sources.values().map(|source| source.health(now)).collect()
    }

    async fn known_at(&self, app: &AppName, email: &Email, now: Timestamp) -> Result<Arc<Known>, Unavailable> {
        let Some(lists) = self.apps.get(app) else {
            return Ok(Arc::new(Known { grants: Vec::new(), fresh_until: now, missing: None }));
        };
        if let Some(grant) = lists.app.policy.workspace_grant(email) {
            return Ok(Arc::new(Known {
                grants: vec![Arc::new(grant)],
                fresh_until: after(now, STAFF_REFRESH),
                missing: None,
            }));
        }
        let key = (app.clone(), email.clone());
        if let Some(answer) = self.answers.get(&key).await.filter(|answer| lists.is_fresh(answer, email, now)) {
            return Ok(answer.known);
        }
        // Whoever asks for the same person meanwhile waits here, and then finds the answer.
        let asked = self.answers.entry(key.clone()).and_try_compute_with(|entry| async {
            match entry.map(moka::Entry::into_value) {
                Some(answer) if lists.is_fresh(&answer, email, now) => Ok(Op::Nop),
                _ => self.ask(lists, &key, now).await.map(Op::Put),
            }
        });
        let entry = asked.await?.into_entry();
        // `Nop` was chosen for an entry that is there, and `Put` leaves one.
        entry
            .map(|entry| entry.into_value().known)
            .ok_or_else(|| Unavailable { source_name: app.to_string(), cause: "the answer was lost".to_owned() })
    }

    async fn ask(&self, lists: &Lists, key: &(AppName, Email), now: Timestamp) -> Result<Answer, Unavailable> {
        let (_, email) = key;
        let policy = &lists.app.policy;
        // All at once: two that hang keep nobody waiting for twice as long.
        join_all(lists.sources.iter().map(|source| source.freshen(now))).await;
        // Read before the rows: a change that comes meanwhile makes the answer old at once.
        let versions = lists.versions(email).collect();
        let remembered = self.good.get(key).await;
        let mut fresh_until = Timestamp::MAX;
        let mut missing = None;
        let mut nominations = Vec::new();
        let mut part_by_list = Vec::with_capacity(policy.lists.len());
        for (number, (list, source)) in policy.lists.iter().zip(&lists.sources).enumerate() {
            let last = remembered.as_ref().and_then(|parts| parts.get(number));
            let had_rows = last.is_some_and(|last| !last.rows.is_empty());
            let part = match source.find(list, email, now, had_rows).await {
                Ok(found) => {
                    fresh_until = fresh_until.min(found.good_until);
                    Remembered { rows: found.rows, fetched: found.fetched }
                }
                Err(cause) => {
                    let terms = source.terms();
                    fresh_until = fresh_until.min(after(now, terms.refresh));
                    match last {
                        Some(last) if now < after(last.fetched, terms.max_stale) => {
                            fresh_until = fresh_until.min(after(last.fetched, terms.max_stale));
                            last.clone()
                        }
                        _ => {
                            tracing::debug!(app = %policy.name, person = %email.masked(), source = %terms.name, %cause, "nothing known");
                            missing.get_or_insert(Unavailable { source_name: terms.name.to_string(), cause });
                            // Nobody enters from this list. It does not keep out whom another one lets in.
                            Remembered { rows: Vec::new(), fetched: Timestamp::MIN }
                        }
                    }
                }
            };
            for found in &part.rows {
                match policy.nominate(list, &found.row, now, &mut Vec::new()) {
                    Ok(grant) => nominations.push(grant),
                    Err(refusal) => {
                        tracing::debug!(app = %policy.name, person = %email.masked(), list = %list.name, %refusal, "row refused");
                    }
                }
            }
            part_by_list.push(part);
        }
        let settled = AppPolicy::settle(nominations);
        for refusal in &settled.refusals {
            tracing::debug!(app = %policy.name, person = %email.masked(), %refusal, "rows refused");
        }
        if let (true, Some(missing)) = (settled.grants.is_empty(), &missing) {
            if remembered.is_some() {
                // What the other lists say now is not forgotten: who is removed there stays removed.
                self.good.insert(key.clone(), Arc::new(part_by_list)).await;
            }
            // Perhaps the list that cannot be asked has them: that they are in none is not known.
            return Err(missing.clone());
        }
        if settled.grants.is_empty() {
            // Who is out stays out, also when a source fails later.
            self.good.invalidate(key).await;
        } else {
            self.good.insert(key.clone(), Arc::new(part_by_list)).await;
        }
        let grants = settled.grants.into_iter().map(Arc::new).collect();
        let fresh_until = if fresh_until == Timestamp::MAX { after(now, STAFF_REFRESH) } else { fresh_until.max(now) };
        Ok(Answer { known: Arc::new(Known { grants, fresh_until, missing }), versions })
    }

    fn is_available_at(&self, app: &AppName, now: Timestamp) -> bool {
        self.apps.get(app).is_some_and(|lists| {
            let mut with_sources = lists.app.policy.lists.iter().zip(&lists.sources);
            lists.sources.is_empty() || with_sources.any(|(list, source)| source.serves(View::List(list), now))
        })
    }
}

#[async_trait]
impl Directory for TableDirectory {
    async fn known(&self, app: &AppName, email: &Email) -> Result<Arc<Known>, Unavailable> {
        self.known_at(app, email, self.clock.now()).await
    }

    fn epoch(&self, app: &AppName) -> u64 {
        self.apps
            .get(app)
            .map_or(0, |lists| lists.sources.iter().map(|source| source.epoch()).fold(0, u64::wrapping_add))
    }

    fn is_available(&self, app: &AppName) -> bool {
        self.is_available_at(app, self.clock.now())
    }
}

impl Lists {
    fn versions(&self, email: &Email) -> impl Iterator<Item = (u64, u64)> {
        self.sources.iter().map(|source| (source.generation(), source.changes(email)))
    }

    fn is_fresh(&self, answer: &Answer, email: &Email, now: Timestamp) -> bool {
        now < answer.known.fresh_until && self.versions(email).eq(answer.versions.iter().copied())
    }
}

#[cfg(test)]
mod tests;
