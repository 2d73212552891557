//! Keeps an eye on all tables of domains, and publishes what they say together.
//!
//! A table that cannot be read goes on with what it said last: at a start, with what is remembered from before. Reading is done apart
//! from the threads that serve, for a table may be long.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::domains::{DomainReading, Taken, ambiguous, read, recalled, whose};
use super::faces::Logos;
use super::report::{Fault, ListReport};
use super::source::Source;
use super::standing::{after, age};
use super::{TableDirectory, Tables};
use crate::config::{App, Config};
use crate::state::domains::{Claim, Owner};
use crate::state::nominated::{Named, Nominations, Nominee};
use crate::types::{AppName, HostName};

/// How often it is asked whether a source has something new.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A table that could not be read is read again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A start does not wait longer for tables whose domains are known from before.
const PATIENCE_IF_KNOWN: Duration = Duration::from_millis(500);
/// A table is read this much before `refresh` is over, so that a change has its effect in time; at most a fifth of it.
const AHEAD: Duration = Duration::from_secs(2);

/// Watches the tables of domains of the config in force.
pub struct DomainWatch {
    directory: Arc<TableDirectory>,
    nominations: Arc<Nominations>,
    /// The tables that it looks after are these.
    seen: Arc<Tables>,
    tables: Vec<Table>,
    /// Goes up with each config: what was begun for another is of no use.
    round: u64,
    /// What apps had when their tables were not read yet.
    recalled: HashMap<AppName, Vec<Nominee>>,
    reads: JoinSet<Done>,
    halt: CancellationToken,
}

struct Table {
    app: Arc<App>,
    /// Which of the app's tables.
    number: usize,
    source: Arc<Source>,
    last: Option<DomainReading>,
    /// What the source's generation was, and when, before the last try.
    tried: Option<(u64, Timestamp)>,
    failing: Option<String>,
    /// With whoever reads the table now.
    logos: Option<Logos>,
}

struct Done {
    round: u64,
    table: usize,
    logos: Logos,
    outcome: Result<DomainReading, String>,
}

impl DomainWatch {
    /// Watches the tables of a directory.
    #[must_use]
    pub fn new(directory: Arc<TableDirectory>, nominations: Arc<Nominations>) -> Self {
        let mut this = Self {
            directory,
            nominations,
            seen: Arc::default(),
            tables: Vec::new(),
            round: 0,
            recalled: HashMap::new(),
            reads: JoinSet::new(),
            halt: CancellationToken::new(),
        };
        this.adopt();
        this
    }

    /// Takes over the tables of the config in force, if it is another; answers whether it was. What a table said goes on until it
    /// is read under the new config, which is at once.
    fn adopt(&mut self) -> bool {
        let tables = self.directory.tables.load_full();
        if Arc::ptr_eq(&tables, &self.seen) {
            return false;
        }
        let mut old = std::mem::take(&mut self.tables);
        let mut apps: Vec<_> = tables.apps.values().filter(|lists| !lists.domain_sources.is_empty()).collect();
        apps.sort_by(|one, other| one.app.name.cmp(&other.app.name));
        for lists in apps {
            for (number, (table, source)) in lists.app.domain_tables.iter().zip(&lists.domain_sources).enumerate() {
                let is_same = |old: &Table| {
                    old.app.name == lists.app.name
                        && old.app.domain_tables.get(old.number) == Some(table)
                        && Arc::ptr_eq(&old.source, source)
                };
                let last = old.iter_mut().find(|old| is_same(old)).and_then(|old| old.last.take());
                let (app, source, logos) = (Arc::clone(&lists.app), Arc::clone(source), Some(Logos::of(table)));
                self.tables.push(Table { app, number, source, last, tried: None, failing: None, logos });
            }
        }
        self.seen = tables;
        self.round += 1;
        true
    }

    /// Reads every table once, for at most so long, and publishes what they say. Those that cannot be read in time are as they are
    /// known from before; what nobody knows would count as gone.
    pub async fn first(&mut self, patience: Duration, known: impl Fn() -> Vec<Claim> + Send) {
        self.begin_due();
        self.read_begun(PATIENCE_IF_KNOWN).await;
        if !self.unread().is_empty() {
            let claims = known();
            for (name, app) in self.unread() {
                self.recalled.insert(name, recalled(&app, &claims));
            }
            if self.recalled.values().any(Vec::is_empty) {
                self.read_begun(patience.saturating_sub(PATIENCE_IF_KNOWN)).await;
            }
            for app in self.unread().keys() {
                let domains = self.recalled.get(app).map_or(0, Vec::len);
                let limit = "a table of domains cannot be read yet; its domains are as the store knows them";
                tracing::warn!(%app, domains, "{limit}");
            }
        }
        self.publish();
    }

    /// Waits for what is being read, for at most so long.
    async fn read_begun(&mut self, patience: Duration) {
        let _ = tokio::time::timeout(patience, async {
            while let Some(done) = self.reads.join_next().await {
                if let Ok(done) = done {
                    self.take(done);
                }
            }
        })
        .await;
    }

    /// The apps that have a table which was not read yet.
    fn unread(&self) -> BTreeMap<AppName, Arc<App>> {
        let unread = self.tables.iter().filter(|table| table.last.is_none());
        unread.map(|table| (table.app.name.clone(), Arc::clone(&table.app))).collect()
    }

    /// Reads every table again whenever it may have changed, until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let _halt = self.halt.clone().drop_guard();
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(done) = self.reads.join_next() => {
                    if let Ok(done) = done && self.take(done) {
                        self.publish();
                    }
                }
                _ = every.tick() => {
                    if self.adopt() {
                        self.recall();
                        self.publish();
                    }
                    self.begin_due();
                }
            }
        }
    }

    /// Begins to read the tables whose time has come.
    fn begin_due(&mut self) {
        let now = self.directory.clock.now();
        let round = self.round;
        for number in 0..self.tables.len() {
            let Some(table) = self.tables.get_mut(number).filter(|table| table.is_due(now)) else { continue };
            let Some(mut logos) = table.logos.take() else { continue };
            // Before it is read: a change that comes meanwhile makes this old at once.
            table.tried = Some((table.source.generation(), now));
            let (app, of_app, source) = (Arc::clone(&table.app), table.number, Arc::clone(&table.source));
            let (taken, halt, runtime) =
                (Arc::clone(&self.seen.taken), self.halt.clone(), tokio::runtime::Handle::current());
            self.reads.spawn_blocking(move || {
                let outcome = match app.domain_tables.get(of_app) {
                    Some(table) => runtime.block_on(async {
                        let reading = read(&app, table, &source, &taken, &mut logos, now);
                        halt.run_until_cancelled(reading).await.unwrap_or_else(|| Err("the gateway stops".to_owned()))
                    }),
                    None => Err("there is no such table".to_owned()),
                };
                Done { round, table: number, logos, outcome }
            });
        }
    }

    /// Takes what was read; answers whether that changes anything.
    fn take(&mut self, done: Done) -> bool {
        let table = self.tables.get_mut(done.table).filter(|_| done.round == self.round);
        let Some(table) = table else { return false };
        table.logos = Some(done.logos);
        let (app, source) = (&table.app.name, &table.source.terms().name);
        match done.outcome {
            Ok(reading) => {
                table.failing = None;
                let is_same = table
                    .last
                    .as_ref()
                    .is_some_and(|last| last.report.faults == reading.report.faults && last.domains == reading.domains);
                if is_same {
                    return false;
                }
                let report = &reading.report;
                let (domains, refused_rows) = (report.entering, report.fault_count);
                tracing::info!(%app, %source, domains, refused_rows, "table of domains read");
                tell(app, table.source.as_ref(), &reading.report);
                table.last = Some(reading);
                true
            }
            Err(problem) => {
                if table.failing.as_ref() != Some(&problem) {
                    let limit = "its domains cannot be read; those from before go on";
                    tracing::warn!(%app, %source, %problem, "{limit}");
                }
                table.failing = Some(problem);
                false
            }
        }
    }

    /// Keeps what apps had whose tables another config changed, until those are read.
    fn recall(&mut self) {
        let apps = self.unread();
        self.recalled.retain(|app, _| apps.contains_key(app));
        let Some(named) = self.nominations.latest().filter(|_| !apps.is_empty()) else { return };
        for app in apps.into_keys() {
            let of_app = named.nominees.iter().filter(|nominee| nominee.owner.app == app).cloned().collect();
            self.recalled.insert(app, of_app);
        }
    }

    /// Publishes what all tables say together.
    fn publish(&mut self) {
        let tables = &self.tables;
        let is_unread = |app: &AppName| tables.iter().any(|table| table.app.name == *app && table.last.is_none());
        self.recalled.retain(|app, _| is_unread(app));
        let mut refused_rows: BTreeMap<AppName, u64> = BTreeMap::new();
        let read = self.tables.iter().filter_map(|table| table.last.as_ref());
        let many = read.map(|reading| reading.domains.len()).sum::<usize>();
        let many = many + self.recalled.values().map(Vec::len).sum::<usize>();
        let mut nominees: Vec<Nominee> = Vec::with_capacity(many);
        for table in &self.tables {
            let Some(reading) = &table.last else { continue };
            *refused_rows.entry(table.app.name.clone()).or_default() += reading.report.fault_count;
            nominees.extend(reading.domains.iter().map(|(_, nominee)| nominee.clone()));
        }
        // What is only recalled comes last, and so gives way to what a table says of the same owner.
        nominees.extend(self.recalled.values().flatten().cloned());
        // Stable: of two that say the same, the first table counts.
        nominees.sort_by(|one, other| one.host.cmp(&other.host));
        let mut same: Vec<Arc<Owner>> = Vec::new();
        let mut host: Option<HostName> = None;
        nominees.retain(|nominee| {
            if host.as_ref() != Some(&nominee.host) {
                host = Some(nominee.host.clone());
                same.clear();
            }
            let is_new = !same.contains(&nominee.owner);
            if is_new {
                same.push(Arc::clone(&nominee.owner));
            }
            is_new
        });
        self.nominations.publish(Named { nominees, refused_rows });
    }
}

impl Table {
    fn is_due(&self, now: Timestamp) -> bool {
        let Some((generation, tried)) = self.tried else { return true };
        if self.source.generation() != generation {
            return true;
        }
        let refresh = self.source.terms().refresh;
        if self.failing.is_some() {
            return now >= after(tried, RETRY_AFTER.min(refresh));
        }
        let table = self.app.domain_tables.get(self.number);
        // Logos change without the table, and conditions may look at the time.
        let is_still = self.source.tells_of_changes()
            && table.is_some_and(|table| table.condition.is_none() && table.logos.is_none());
        !is_still && age(now, tried) >= refresh.saturating_sub(AHEAD.min(refresh / 5))
    }
}

fn tell(app: &AppName, source: &Source, report: &ListReport) {
    const MOST_TOLD: usize = 10;
    let source = &source.terms().name;
    for Fault { place, address, what } in report.faults.iter().take(MOST_TOLD) {
        let host = address.as_deref().unwrap_or_default();
        tracing::warn!(%app, %source, %place, host, problem = %what, "a row of a table of domains");
    }
}

impl TableDirectory {
    /// Reads all tables of domains of a config from end to end, and holds them against each other: for each app, what each of
    /// its tables says, or why it cannot be read.
    pub async fn domain_readings(&self, config: &Config) -> Vec<(AppName, Vec<Result<DomainReading, String>>)> {
        let taken = Taken::by(config);
        let mut all = Vec::new();
        for app in &config.apps {
            let Some(lists) = self.lists(&app.name) else { continue };
            let mut readings = Vec::new();
            for (table, source) in app.domain_tables.iter().zip(&lists.domain_sources) {
                let now = self.clock.now();
                source.freshen(now).await;
                readings.push(read(app, table, source, &taken, &mut Logos::of(table), now).await);
            }
            all.push((app.name.clone(), readings));
        }
        cross_check(&mut all);
        all
    }
}

/// Finds domains that several tables name for different owners.
fn cross_check(all: &mut [(AppName, Vec<Result<DomainReading, String>>)]) {
    let mut seen: HashMap<_, Vec<(usize, usize, String, Arc<_>)>> = HashMap::new();
    for (app_number, (app, readings)) in all.iter().enumerate() {
        for (table, reading) in
            readings.iter().enumerate().filter_map(|(table, reading)| Some((table, reading.as_ref().ok()?)))
        {
            for (place, nominee) in &reading.domains {
                let where_it_is = format!("{place} of app `{app}`, table {} {}", table + 1, whose(&nominee.owner));
                let entry = seen.entry(nominee.host.clone()).or_default();
                entry.push((app_number, table, where_it_is, Arc::clone(&nominee.owner)));
            }
        }
    }
    for (app_number, (_, readings)) in all.iter_mut().enumerate() {
        for (table, reading) in
            readings.iter_mut().enumerate().filter_map(|(table, reading)| Some((table, reading.as_mut().ok()?)))
        {
            for (place, nominee) in &reading.domains {
                let others = seen.get(&nominee.host).into_iter().flatten();
                let other = others.into_iter().find(|(other_app, other_table, _, owner)| {
                    (*other_app, *other_table) != (app_number, table) && *owner != nominee.owner
                });
                if let Some((_, _, elsewhere, _)) = other {
                    reading.report.fault(*place, Some(nominee.host.to_string()), ambiguous(elsewhere));
                }
            }
            reading.report.faults.sort_by_key(|fault| fault.place);
        }
    }
}
