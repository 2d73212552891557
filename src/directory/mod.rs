//! Who may enter: the sources, the customer lists in them, and the way from an address to its grants.
//!
//! Sources are asked list by list (`source`), each keeping to its `refresh`. What they answered is remembered twice: the
//! settled answer until it has to be asked again, and the rows of people who may enter, so that a source in trouble can be
//! bridged until `max_stale`. A removal in one source counts although another is in trouble, for rows are remembered, not
//! verdicts. Strangers can fill only the first memory.

mod audience;
mod census;
mod csv;
mod customers;
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
mod search;
mod source;
mod sqlite;
mod standing;
mod trace;
mod web;
mod web_fetch;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures_util::future::{join, join_all};
use jiff::Timestamp;
use moka::Expiry;
use moka::future::Cache;
use moka::ops::compute::Op;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use census::{Census, Member, Unread, census};
pub use domain_watch::DomainWatch;
pub use domains::{DomainReading, Taken};
pub use report::{AppReport, Fault, ListReport, Progress};
pub use source::Place;
pub use trace::{ListTrace, RowTrace, Trace};

use crate::config::{self, App, Config};
use crate::policy::{AppPolicy, Grant, Refusal};
use crate::state::clock::Clock;
use crate::state::health::SourceHealth;
use crate::state::ports::{Directory, Known, Pigeonhole, Unavailable};
use crate::types::{AppName, Email, SourceName};
use source::{FoundRow, Plan, Source, View};
use standing::after;

/// People whose answers are remembered.
const MOST_ANSWERS: u64 = 100_000;
/// How long an answer about the workspace's own people may be used: it comes from config and cannot change before a reload.
const STAFF_REFRESH: Duration = Duration::from_secs(30);

/// The customer lists of all apps, over their sources.
pub struct TableDirectory {
    tables: ArcSwap<Tables>,
    /// Told when other tables are in force.
    changed: Notify,
    /// How often all answers were to be asked for again.
    rounds: AtomicU64,
    clock: Clock,
    /// How long anything may be of use, in milliseconds.
    longest: Arc<AtomicU64>,
    answers: Cache<(AppName, Email), Answer>,
    /// The rows of people who may enter, a part for each list.
    good: Cache<(AppName, Email), Good>,
}

/// The lists and sources of a config.
#[derive(Default)]
struct Tables {
    apps: HashMap<AppName, Arc<Lists>>,
    sources: BTreeMap<SourceName, Arc<Source>>,
    plans: BTreeMap<SourceName, Plan>,
    /// Whose domains are without any table.
    taken: Arc<Taken>,
}

/// The lists and sources of a config that is not in force yet.
pub struct PreparedTables {
    tables: Tables,
    longest: Duration,
    asked: Asked,
}

/// What becomes of answers from tables that did not change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// They are good for as long as they were.
    AsBefore,
    /// They are asked for again: somebody says that the tables changed.
    Anew,
}

/// An app and its lists' sources, in the same order.
struct Lists {
    app: Arc<App>,
    sources: Vec<Arc<Source>>,
    /// Those of its tables of domains, in the same order.
    domain_sources: Vec<Arc<Source>>,
    /// Different each time that lists are made: what was answered by others counts no more.
    number: u64,
    /// The number of those that first asked the same of the same sources: rows that were found then are what would be found now.
    rows: u64,
}

#[derive(Clone)]
struct Answer {
    known: Arc<Known>,
    /// The lists that gave it.
    lists: u64,
    /// The round that it was given in.
    round: u64,
    /// What the sources' generations and the person's changes in them were before they were asked.
    versions: Vec<(u64, u64)>,
}

/// The rows of a person, a part for each list.
#[derive(Clone)]
struct Good {
    /// [`Lists::rows`] of those that found them.
    rows: u64,
    parts: Arc<Vec<Remembered>>,
}

/// Whose rows are remembered for as long as they may bridge a source in trouble.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Memory {
    /// Of people who may enter by them.
    OfPeople,
    /// Also that there are none: of somebody who has a record.
    OfRecorded,
}

/// An answer that is not kept, for it says little: nothing is known of the person, and some list cannot be asked.
struct NotKept(Arc<Known>);

#[derive(Clone)]
struct Remembered {
    rows: Vec<FoundRow>,
    fetched: Timestamp,
}

impl TableDirectory {
    /// The directory of a config. Reads nothing yet: a source that cannot be read is no reason not to start.
    #[must_use]
    pub fn open(config: &Config, clock: Clock) -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let this = Self {
            tables: ArcSwap::default(),
            changed: Notify::new(),
            rounds: AtomicU64::new(0),
            clock,
            answers: Cache::builder().max_capacity(MOST_ANSWERS).expire_after(Longest(Arc::clone(&longest))).build(),
            good: Cache::builder().max_capacity(MOST_ANSWERS).expire_after(Longest(Arc::clone(&longest))).build(),
            longest,
        };
        let prepared = this.tables_of(config);
        this.apply(prepared);
        this
    }

    /// The tables of another config. Sources that are the same stay, with what they know; new ones are read before anybody depends
    /// on them, and CSV files are looked at again. With [`Asked::Anew`] all are. Nothing is in force yet.
    pub async fn prepare(&self, config: &Config, asked: Asked) -> PreparedTables {
        // A source that hangs holds up no reload; as at the start, it is no reason to refuse one.
        const FIRST_LOOK: Duration = Duration::from_secs(5);
        let prepared = PreparedTables { asked, ..self.tables_of(config) };
        let running = self.tables.load_full();
        let now = self.clock.now();
        let looks = prepared.tables.sources.iter().map(async |(name, source)| {
            let is_kept = running.sources.get(name).is_some_and(|running| Arc::ptr_eq(running, source));
            if !is_kept || asked == Asked::Anew || matches!(**source, Source::Csv(_)) {
                source.look_anew(now).await;
            }
        });
        if tokio::time::timeout(FIRST_LOOK, join_all(looks)).await.is_err() {
            tracing::warn!("some source has not answered yet; going on without it");
        }
        prepared
    }

    /// Puts what was prepared in force.
    pub fn apply(&self, prepared: PreparedTables) {
        let longest = u64::try_from(prepared.longest.as_millis()).unwrap_or(u64::MAX);
        self.longest.store(longest, Ordering::Relaxed);
        self.tables.store(Arc::new(prepared.tables));
        if prepared.asked == Asked::Anew {
            self.rounds.fetch_add(1, Ordering::AcqRel);
        }
        self.changed.notify_one();
    }

    fn tables_of(&self, config: &Config) -> PreparedTables {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let running = self.tables.load();
        let plans: BTreeMap<_, _> =
            config.sources.iter().map(|source| (source.name.clone(), Plan::of(source, config))).collect();
        let source = |source: &config::Source| {
            let name = &source.name;
            let same = running.sources.get(name).filter(|_| running.plans.get(name) == plans.get(name));
            (name.clone(), same.map_or_else(|| Arc::new(Source::new(source, config)), Arc::clone))
        };
        let sources: BTreeMap<_, _> = config.sources.iter().map(source).collect();
        let lists = |app: &Arc<App>| {
            // Config names no list without its source.
            let of_list = app.policy.lists.iter().filter_map(|list| sources.get(&list.source).cloned());
            let of_list: Vec<_> = of_list.collect();
            let of_domains = app.domain_tables.iter().filter_map(|table| sources.get(&table.source).cloned());
            let of_domains: Vec<_> = of_domains.collect();
            let same = running
                .apps
                .get(&app.name)
                .filter(|running| running.app.policy.lists == app.policy.lists && are_same(&running.sources, &of_list));
            let lists = match same {
                Some(same) if Arc::ptr_eq(&same.app, app) && are_same(&same.domain_sources, &of_domains) => {
                    Arc::clone(same)
                }
                same => {
                    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
                    let rows = same.map_or(number, |same| same.rows);
                    let app = Arc::clone(app);
                    Arc::new(Lists { app, sources: of_list, domain_sources: of_domains, number, rows })
                }
            };
            (app.name.clone(), lists)
        };
        let apps = config.apps.iter().map(lists).collect();
        let longest = config.sources.iter().map(|source| source.refresh.max(source.max_stale)).max();
        let longest = longest.unwrap_or(STAFF_REFRESH).max(Duration::from_secs(1));
        PreparedTables {
            tables: Tables { apps, sources, plans, taken: Arc::new(Taken::by(config)) },
            longest,
            asked: Asked::AsBefore,
        }
    }

    /// Looks at every source once.
    pub async fn look(&self) {
        let now = self.clock.now();
        let tables = self.tables.load_full();
        join_all(tables.sources.values().map(|source| source.look(now))).await;
    }

    /// Looks at every source again and again, and hears what they tell, until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut watched: Vec<(Arc<Source>, DropGuard)> = Vec::new();
        let tasks = TaskTracker::new();
        while !stop.is_cancelled() {
            let tables = self.tables.load_full();
            // Those that are gone stop as their guard drops.
            watched.retain(|(watched, _)| tables.sources.values().any(|source| Arc::ptr_eq(source, watched)));
            for source in tables.sources.values() {
                if !watched.iter().any(|(watched, _)| Arc::ptr_eq(source, watched)) {
                    let halt = stop.child_token();
                    tasks.spawn(watch(Arc::clone(source), self.clock, halt.clone()));
                    watched.push((Arc::clone(source), halt.drop_guard()));
                }
            }
            drop(tables);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.changed.notified() => {}
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// How the sources are.
    #[must_use]
    pub fn health(&self) -> Vec<SourceHealth> {
        let now = self.clock.now();
        self.tables.load().sources.values().map(|source| source.health(now)).collect()
    }

    async fn known_at(&self, app: &AppName, email: &Email, now: Timestamp) -> Result<Arc<Known>, Unavailable> {
        let told = self.told_at(app, email, Memory::OfPeople, now).await?;
        match &told.missing {
            // Perhaps the list that cannot be asked has them: that they are in none is not known.
            Some(missing) if told.grants.is_empty() => Err(missing.clone()),
            _ => Ok(told),
        }
    }

    /// All that the tables say of a person, also where a list cannot be asked.
    async fn told_at(
        &self,
        app: &AppName,
        email: &Email,
        memory: Memory,
        now: Timestamp,
    ) -> Result<Arc<Known>, Unavailable> {
        let Some(lists) = self.lists(app) else { return Ok(Arc::new(Known::of(Vec::new(), now))) };
        if let Some(grant) = lists.app.policy.workspace_grant(email) {
            return Ok(Arc::new(Known::of(vec![Arc::new(grant)], after(now, STAFF_REFRESH))));
        }
        let key = (app.clone(), email.clone());
        if let Some(answer) = self.answers.get(&key).await.filter(|answer| self.is_fresh(&lists, answer, email, now)) {
            return Ok(answer.known);
        }
        // Whoever asks for the same person meanwhile waits here, and then finds the answer.
        let asked = self.answers.entry(key.clone()).and_try_compute_with(|entry| async {
            match entry.map(moka::Entry::into_value) {
                Some(answer) if self.is_fresh(&lists, &answer, email, now) => Ok(Op::Nop),
                _ => self.ask(&lists, &key, memory, now).await.map(Op::Put),
            }
        });
        let entry = match asked.await {
            Ok(computed) => computed.into_entry(),
            Err(NotKept(known)) => return Ok(known),
        };
        // `Nop` was chosen for an entry that is there, and `Put` leaves one.
        entry
            .map(|entry| entry.into_value().known)
            .ok_or_else(|| Unavailable { source_name: app.to_string(), cause: "the answer was lost".to_owned() })
    }

    async fn ask(
        &self,
        lists: &Lists,
        key: &(AppName, Email),
        memory: Memory,
        now: Timestamp,
    ) -> Result<Answer, NotKept> {
        let (_, email) = key;
        let policy = &lists.app.policy;
        // All at once: two that hang keep nobody waiting for twice as long.
        join_all(lists.sources.iter().map(|source| source.freshen(now))).await;
        // Read before the rows: a change that comes meanwhile makes the answer old at once.
        let (round, versions) = (self.round(), lists.versions(email).collect());
        let remembered = self.good.get(key).await.filter(|good| good.rows == lists.rows).map(|good| good.parts);
        let good = |parts| Good { rows: lists.rows, parts: Arc::new(parts) };
        let mut fresh_until = Timestamp::MAX;
        let mut missing = None;
        let mut unasked = Vec::new();
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
                            unasked.push(list.name.clone());
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
        let ambiguous = settled.refusals.iter().filter_map(|refusal| match refusal {
            Refusal::Ambiguous { customer, .. } => Some(customer.clone()),
            _ => None,
        });
        let known = Known { unasked, missing, ambiguous: ambiguous.collect(), ..Known::of(Vec::new(), now) };
        if settled.grants.is_empty() && known.missing.is_some() {
            if remembered.is_some() {
                // What the other lists say now is not forgotten: who is removed there stays removed.
                self.good.insert(key.clone(), good(part_by_list)).await;
            }
            return Err(NotKept(Arc::new(known)));
        }
        if settled.grants.is_empty() && memory == Memory::OfPeople {
            // Who is out stays out, also when a source fails later.
            self.good.invalidate(key).await;
        } else {
            self.good.insert(key.clone(), good(part_by_list)).await;
        }
        let grants = settled.grants.into_iter().map(Arc::new).collect();
        let fresh_until = if fresh_until == Timestamp::MAX { after(now, STAFF_REFRESH) } else { fresh_until.max(now) };
        let known = Arc::new(Known { grants, fresh_until, ..known });
        Ok(Answer { known, lists: lists.number, round, versions })
    }

    fn round(&self) -> u64 {
        self.rounds.load(Ordering::Acquire)
    }

    fn is_fresh(&self, lists: &Lists, answer: &Answer, email: &Email, now: Timestamp) -> bool {
        answer.lists == lists.number
            && answer.round == self.round()
            && now < answer.known.fresh_until
            && lists.versions(email).eq(answer.versions.iter().copied())
    }

    #[cfg(test)]
    fn first_source(&self) -> Arc<Source> {
        self.tables.load().sources.values().next().cloned().expect("a source")
    }

    fn lists(&self, app: &AppName) -> Option<Arc<Lists>> {
        self.tables.load().apps.get(app).cloned()
    }

    fn is_available_at(&self, app: &AppName, now: Timestamp) -> bool {
        self.lists(app).is_some_and(|lists| {
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

    async fn invited(&self, _: &AppName, _: &Email) -> Result<Vec<Arc<Grant>>, Unavailable> {
        // Tables nominate, and invite nobody.
        Ok(Vec::new())
    }

    fn epoch(&self, app: &AppName, _: Pigeonhole) -> u64 {
        // With the number of the lists, so that an epoch of others is never the same by chance.
        self.lists(app).map_or(0, |lists| {
            lists
                .sources
                .iter()
                .map(|source| source.epoch())
                .fold((lists.number << 32).wrapping_add(self.round()), u64::wrapping_add)
        })
    }

    fn is_available(&self, app: &AppName) -> bool {
        self.is_available_at(app, self.clock.now())
    }
}

fn are_same(some: &[Arc<Source>], others: &[Arc<Source>]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| Arc::ptr_eq(one, other))
}

impl Lists {
    fn versions(&self, email: &Email) -> impl Iterator<Item = (u64, u64)> {
        self.sources.iter().map(|source| (source.generation(), source.changes(email)))
    }
}

/// Looks at a source again and again, and hears what it tells, until it is told to stop.
async fn watch(source: Arc<Source>, clock: Clock, stop: CancellationToken) {
    let look = async {
        loop {
            source.look(clock.now()).await;
            tokio::time::sleep(source.look_every()).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        ((), ()) = join(look, source.listen()) => {}
    }
}

/// Keeps an entry for as long as anything may be of use by the config that was in force when it was made.
struct Longest(Arc<AtomicU64>);

impl<K, V> Expiry<K, V> for Longest {
    fn expire_after_create(&self, _: &K, _: &V, _: Instant) -> Option<Duration> {
        Some(Duration::from_millis(self.0.load(Ordering::Relaxed)))
    }

    fn expire_after_update(&self, key: &K, value: &V, now: Instant, _: Option<Duration>) -> Option<Duration> {
        self.expire_after_create(key, value, now)
    }
}

#[cfg(test)]
mod tests;
