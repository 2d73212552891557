//! Customer tables in a database, whichever kind it is: watched, asked person by person, and bridged while in trouble.
//!
//! One look at the whole database every `refresh` finds out whether each table is there, has its columns, and has not lost its
//! rows at once. Between looks people are asked for one by one. Whatever fails puts a table in trouble: then nobody asks it but
//! the next look, and those who are known go on until `max_stale`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::engine::{Engine, MOST_COUNTED, More, Picked, Question, Structure};
use super::notices::Notices;
use super::source::{Found, FoundRow, Step, Terms, View};
use super::standing::{Standing, after, age, is_sudden_loss, sudden_loss};
use crate::policy::{CustomerList, Row};
use crate::state::health::{SourceHealth, SourceState};
use crate::types::{ColumnName, Email, TableName};

/// How much longer than a question waits, its server works on it: whoever gives up first should be the one who knows why.
pub(super) const MOST_BEHIND: Duration = Duration::from_secs(1);
/// A database in trouble is looked at again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A database that is well is looked at so often at least, whatever `refresh` says: its health is shown.
const MOST_BETWEEN_LOOKS: Duration = Duration::from_secs(60);
/// How long counting a table's rows may take, and after which time it is tried again where it took longer.
const MOST_COUNTING: Duration = Duration::from_secs(2);
const COUNT_AGAIN_AFTER: Duration = Duration::from_secs(300);
/// How much longer than a question a whole look may take, for those who wait for it.
const MOST_BESIDES: Duration = Duration::from_secs(1);
/// How long the next row of a walk may take.
const MOST_PAUSE: Duration = Duration::from_secs(60);

/// A database.
pub(super) struct Database {
    terms: Terms,
    engine: Box<dyn Engine>,
    /// What the database tells by itself.
    notices: Option<Notices>,
    /// What is read of it.
    needs: Vec<Needs>,
    /// Held by whoever looks at the database, so that one look serves all who wait.
    looking: Mutex<()>,
    shown: ArcSwap<Shown>,
}

/// The columns that somebody needs of a table.
pub(super) struct Needs {
    table: TableName,
    columns: Vec<ColumnName>,
}

impl Needs {
    /// What a view needs; nothing where it names no table, for then nothing can be read.
    pub(super) fn of(view: View<'_>) -> Option<Self> {
        Some(Self { table: view.table()?.clone(), columns: view.columns().cloned().collect() })
    }
}

#[derive(Clone, Default)]
struct Shown {
    tables: Vec<(TableName, TableState)>,
    generation: u64,
    looked: Option<Timestamp>,
}

#[derive(Clone, Default)]
struct TableState {
    standing: Standing,
    structure: Option<Arc<Structure>>,
    /// How many rows there were when they were last counted.
    rows: Option<u64>,
    /// When counting took too long: a view may take long to count and yet answer for one person at once.
    uncounted: Option<Timestamp>,
    /// The column that somebody needs and the table lacks, in words, and since when. The others go on.
    lacking: Option<(Timestamp, String)>,
}

/// Why a question has no answer.
enum Failure {
    /// It took too long.
    Late(String),
    /// The database, or the way to it, said so.
    Said(String),
}

impl Failure {
    fn into_words(self) -> String {
        match self {
            Self::Late(what) | Self::Said(what) => what,
        }
    }
}

impl Database {
    pub(super) fn new(terms: Terms, engine: Box<dyn Engine>, needs: Vec<Needs>, notices: Option<Notices>) -> Self {
        let tables: BTreeSet<TableName> = needs.iter().map(|needs| needs.table.clone()).collect();
        let shown = Shown {
            tables: tables.into_iter().map(|table| (table, TableState::default())).collect(),
            ..Shown::default()
        };
        Self { terms, engine, notices, needs, looking: Mutex::default(), shown: ArcSwap::from_pointee(shown) }
    }

    pub(super) fn look_every(&self) -> Duration {
        let every = self.terms.refresh.clamp(Duration::from_millis(50), MOST_BETWEEN_LOOKS);
        if self.shown.load().is_troubled() { RETRY_AFTER.min(every) } else { every }
    }

    /// Goes up whenever answers from before may be wrong.
    pub(super) fn generation(&self) -> u64 {
        self.shown.load().generation + self.notices.as_ref().map_or(0, Notices::generation)
    }

    /// Goes up with the generation, and whenever one person's answers from before may be wrong.
    pub(super) fn epoch(&self) -> u64 {
        self.shown.load().generation + self.notices.as_ref().map_or(0, Notices::epoch)
    }

    /// Goes up whenever the answers for this person may be wrong, though not everybody's.
    pub(super) fn changes(&self, email: &Email) -> u64 {
        self.notices.as_ref().map_or(0, |notices| notices.changes(email))
    }

    /// Takes in what the database tells by itself.
    pub(super) async fn listen(&self) {
        if let Some(notices) = &self.notices {
            notices.listen().await;
        }
    }

    /// Looks whether the database is there and its tables are as they were.
    pub(super) async fn look(&self, now: Timestamp) {
        let _looking = self.looking.lock().await;
        // Whoever waited for another's look need not look again.
        if self.shown.load().looked.is_none_or(|looked| looked < now) {
            self.look_once(now).await;
        }
    }

    async fn look_once(&self, now: Timestamp) {
        let mut shown = Shown::clone(&self.shown.load());
        shown.looked = Some(now);
        let mut all = self.within_open().await;
        for (table, state) in &mut shown.tables {
            let outcome = match &all {
                Ok(()) => self.probe(table, state, now).await,
                Err(what) => Err(Failure::Said(what.clone())),
            };
            match outcome {
                Ok(()) => {
                    if state.standing.confirm(now) {
                        tracing::info!(source = %self.terms.name, %table, "the table is well again");
                        // Answers from before the trouble are no longer needed.
                        shown.generation += 1;
                    }
                }
                Err(failure) => {
                    // A server that is silent for one table is not waited for table by table.
                    let is_late = matches!(failure, Failure::Late(_));
                    let what = failure.into_words();
                    self.fail(table, state, now, &what);
                    if is_late {
                        all = Err(what);
                    }
                }
            }
        }
        self.shown.store(Arc::new(shown));
    }

    async fn within_open(&self) -> Result<(), String> {
        match tokio::time::timeout(self.terms.timeout, self.engine.open()).await {
            Ok(opened) => opened,
            Err(_) => Err(self.late()),
        }
    }

    /// Reads a table's structure and counts its rows.
    async fn probe(&self, table: &TableName, state: &mut TableState, now: Timestamp) -> Result<(), Failure> {
        let structure = self.within(self.engine.structure(table)).await?;
        if state.standing.trouble.is_some() {
            // A server that hung while it counted is not a view that is slow to count.
            state.uncounted = None;
        }
        if state.uncounted.is_none_or(|tried| age(now, tried) >= COUNT_AGAIN_AFTER) {
            match tokio::time::timeout(MOST_COUNTING, self.engine.count(table)).await {
                Ok(Ok(rows)) => {
                    self.judge_loss(table, state, rows, now)?;
                    (state.rows, state.uncounted) = (Some(rows), None);
                }
                Ok(Err(error)) => return Err(Failure::Said(words(&error))),
                Err(_) => {
                    let limit = "its rows cannot be counted in time, so a sudden loss of rows would not be noticed";
                    tracing::warn!(source = %self.terms.name, %table, "{limit}");
                    state.uncounted = Some(now);
                }
            }
        }
        if state.structure.as_deref() != Some(&structure) {
            self.note_missing(table, state, &structure, now);
            state.structure = Some(Arc::new(structure));
        }
        Ok(())
    }

    /// Tells of a column that a list names and the table has no more: who is known by that list is out once `max_stale` is over.
    fn note_missing(&self, table: &TableName, state: &mut TableState, structure: &Structure, now: Timestamp) {
        let mut needs = self.needs.iter().filter(|needs| needs.table == *table);
        match needs.find_map(|needs| structure.missing(needs.columns.iter())) {
            Some(what) => {
                tracing::warn!(source = %self.terms.name, %table, problem = %what, "not everything can be read from the table as it is");
                let since = state.lacking.take().map_or(now, |(since, _)| since);
                state.lacking = Some((since, what));
            }
            None if state.lacking.take().is_some() => {
                tracing::info!(source = %self.terms.name, %table, "the table has all columns again");
            }
            None => {}
        }
    }

    /// Refuses a sudden loss of rows, until it is older than what is known from before may be.
    fn judge_loss(&self, table: &TableName, state: &TableState, rows: u64, now: Timestamp) -> Result<(), Failure> {
        let before = state.rows.unwrap_or(0);
        if !is_sudden_loss(before, rows) {
            return Ok(());
        }
        let what = sudden_loss(before, rows);
        if !state.standing.is_spent(now, self.terms.max_stale) {
            return Err(Failure::Said(what));
        }
        let limit = "`max_stale` is over, so the table is believed as it is now";
        tracing::warn!(source = %self.terms.name, %table, problem = %what, "{limit}");
        Ok(())
    }

    /// Looks at the database if the last look is too long ago.
    pub(super) async fn freshen(&self, now: Timestamp) {
        let shown = self.shown.load_full();
        let patience = match shown.is_troubled() {
            // The background tries already whether it is well again; nobody need wait for that.
            true => self.terms.refresh.max(self.terms.timeout + 3 * RETRY_AFTER),
            false => self.terms.refresh,
        };
        let is_due = shown.looked.is_none_or(|looked| age(now, looked) >= patience);
        if shown.is_troubled() && self.looking.try_lock().is_err() {
            // Somebody tries already whether it is well again; until then what is known will do.
            return;
        }
        let look = async {
            // One that was replaced would stay open and readable.
            if is_due || (!shown.is_troubled() && self.engine.is_replaced().await) {
                self.look_anew(&shown, now).await;
            }
        };
        // It may hang; then the question will find out.
        let _ = tokio::time::timeout(self.terms.timeout + MOST_BESIDES, look).await;
    }

    /// The rows of a list for an address. `had_rows` says that there were some the last time.
    pub(super) async fn find(
        &self,
        list: &CustomerList,
        email: &Email,
        now: Timestamp,
        had_rows: bool,
    ) -> Result<Found, String> {
        let table = list.table.as_ref().ok_or("the list names no table")?;
        let shown = self.shown.load_full();
        let structure = shown.ready(View::List(list), table)?;
        let asked = match self.ask(&structure, table, list, email).await {
            // The table may have other columns than at the last look, or the server ended its connections.
            Err(Failure::Said(_)) => {
                self.look_within(&shown, now).await?;
                let structure = self.shown.load_full().ready(View::List(list), table)?;
                self.ask(&structure, table, list, email).await
            }
            asked => asked,
        };
        let rows = match asked {
            Ok(rows) => rows,
            Err(failure) => {
                let what = failure.into_words();
                self.report(table, now, &what);
                return Err(what);
            }
        };
        if rows.is_empty() && had_rows {
            // Is the person gone, or is everybody?
            self.look_within(&shown, now).await?;
            self.shown.load_full().ready(View::List(list), table)?;
        }
        Ok(Found { rows, fetched: now, good_until: after(now, self.terms.refresh) })
    }

    async fn ask(
        &self,
        structure: &Structure,
        table: &TableName,
        list: &CustomerList,
        email: &Email,
    ) -> Result<Vec<FoundRow>, Failure> {
        let question = Question { table, structure, column: &list.columns.email, person: Some(email), customer: None };
        let mut picked = Picked::new(list, email);
        self.within(self.engine.rows(question, &mut |place, row, _| picked.take(place, row))).await?;
        picked.into_rows().map_err(Failure::Said)
    }

    /// Gives the rows of a list whose column has a value, and perhaps others.
    pub(super) async fn of_customer(
        &self,
        list: &CustomerList,
        column: &ColumnName,
        customer: &str,
        each: &mut (dyn FnMut(Row) -> More + Send),
    ) -> Result<(), String> {
        let table = list.table.as_ref().ok_or("the list names no table")?;
        let structure = self.shown.load_full().ready(View::List(list), table)?;
        let question = Question {
            table,
            structure: &structure,
            column: &list.columns.email,
            person: None,
            customer: Some((column, customer)),
        };
        let asked = self.within(self.engine.rows(question, &mut |_, row, _| each(row))).await;
        asked.map_err(Failure::into_words)
    }

    /// Looks again, unless somebody else did since.
    async fn look_anew(&self, seen: &Arc<Shown>, now: Timestamp) {
        let _looking = self.looking.lock().await;
        if Arc::ptr_eq(seen, &self.shown.load()) {
            self.look_once(now).await;
        }
    }

    async fn look_within(&self, seen: &Arc<Shown>, now: Timestamp) -> Result<(), String> {
        let look = tokio::time::timeout(self.terms.timeout + MOST_BESIDES, self.look_anew(seen, now));
        look.await.map_err(|_| "it cannot be looked at".to_owned())
    }

    /// A question failed though the last look found nothing wrong.
    fn report(&self, table: &TableName, now: Timestamp, what: &str) {
        // Whoever looks just now finds out, too.
        let Ok(_looking) = self.looking.try_lock() else { return };
        let mut shown = Shown::clone(&self.shown.load());
        shown.looked = Some(now);
        if let Some((_, state)) = shown.tables.iter_mut().find(|(name, _)| name == table) {
            self.fail(table, state, now, what);
        }
        self.shown.store(Arc::new(shown));
    }

    fn fail(&self, table: &TableName, state: &mut TableState, now: Timestamp, what: &str) {
        if state.standing.fail(now, what) {
            tracing::warn!(source = %self.terms.name, %table, problem = %what, "the table cannot be used as it is");
        }
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn serves(&self, view: View<'_>, now: Timestamp) -> bool {
        let shown = self.shown.load();
        let state = view.table().and_then(|table| shown.state(table));
        state.is_some_and(|state| {
            !matches!(state.standing.state(now, self.terms.max_stale), SourceState::Down { .. })
                && state.structure.as_ref().is_some_and(|structure| structure.missing(view.columns()).is_none())
        })
    }

    pub(super) fn health(&self, now: Timestamp) -> SourceHealth {
        let shown = self.shown.load();
        let states = shown.tables.iter().map(|(_, state)| state);
        let lacking = states.clone().filter_map(|state| state.lacking.as_ref()).map(|(since, _)| *since);
        let without = lacking.map(|since| match age(now, since) > self.terms.max_stale {
            true => SourceState::Down { since },
            false => SourceState::Stale { since },
        });
        let standing = states.clone().map(|state| state.standing.state(now, self.terms.max_stale));
        let worst = standing.chain(without).max_by_key(gravity);
        let problems = shown.tables.iter().filter_map(|(table, state)| {
            let lacking = state.lacking.as_ref().map(|(_, what)| what);
            let trouble = state.standing.trouble.as_ref().map(|trouble| &trouble.what);
            trouble.or(lacking).map(|what| format!("table `{table}`: {what}"))
        });
        let problems: Vec<String> = problems.chain(self.notices.as_ref().and_then(Notices::problem)).collect();
        SourceHealth {
            name: self.terms.name.clone(),
            state: worst.unwrap_or(SourceState::Fresh),
            rows: states.map(|state| state.rows).sum(),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
            refused_rows: 0,
        }
    }

    /// Walks over all rows of a table.
    pub(super) async fn walk(
        &self,
        view: View<'_>,
        now: Timestamp,
        each: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), String> {
        let table = view.table().ok_or("it is not said which table")?;
        self.look(now).await;
        let shown = self.shown.load_full();
        let structure = shown.ready(view, table)?;
        let total = shown.state(table).and_then(|state| state.rows).filter(|rows| *rows < MOST_COUNTED);
        let question = Question { table, structure: &structure, column: view.subject(), person: None, customer: None };
        let read = AtomicU64::new(0);
        let mut step = |place, row, unusable| {
            read.fetch_add(1, Ordering::Relaxed);
            each(Step { place, row: Ok(row), unusable, total });
            More::Wanted
        };
        let mut walk = self.engine.rows(question, &mut step);
        let mut before = None;
        loop {
            if let Ok(walked) = tokio::time::timeout(MOST_PAUSE, &mut walk).await {
                return walked.map_err(|error| words(&error));
            }
            let so_far = Some(read.load(Ordering::Relaxed));
            if so_far == before {
                return Err(format!("no further row within {MOST_PAUSE:?}"));
            }
            before = so_far;
        }
    }

    /// How to make the question for an address quick, where no index serves it.
    pub(super) async fn advice(&self, list: &CustomerList) -> Option<String> {
        let table = list.table.as_ref()?;
        let structure = self.shown.load_full().ready(View::List(list), table).ok()?;
        let nobody = Email::parse("nobody@example.com").ok()?;
        let question = Question {
            table,
            structure: &structure,
            column: &list.columns.email,
            person: Some(&nobody),
            customer: None,
        };
        self.within(self.engine.advice(question)).await.ok()?
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.terms.timeout, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Failure::Said(words(&error))),
            Err(_) => Err(Failure::Late(self.late())),
        }
    }

    fn late(&self) -> String {
        format!("no answer within {:?}", self.terms.timeout)
    }
}

/// A problem in words that hold nothing secret.
pub(super) fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Configuration(what) => what.to_string(),
        sqlx::Error::Io(error) => format!("it cannot be reached: {error}"),
        other => other.to_string(),
    }
}

impl Shown {
    fn is_troubled(&self) -> bool {
        self.tables.iter().any(|(_, state)| state.standing.trouble.is_some())
    }

    fn state(&self, table: &TableName) -> Option<&TableState> {
        self.tables.iter().find(|(name, _)| name == table).map(|(_, state)| state)
    }

    /// What a question to a table needs; otherwise why it cannot be asked.
    fn ready(&self, view: View<'_>, table: &TableName) -> Result<Arc<Structure>, String> {
        let state = self.state(table).ok_or("it was not read yet")?;
        if let Some(trouble) = &state.standing.trouble {
            return Err(trouble.what.clone());
        }
        let structure = state.structure.as_ref().ok_or("it was not read yet")?;
        match structure.missing(view.columns()) {
            Some(missing) => Err(missing),
            None => Ok(Arc::clone(structure)),
        }
    }
}

fn gravity(state: &SourceState) -> u8 {
    match state {
        SourceState::Fresh => 0,
        SourceState::Stale { .. } => 1,
        SourceState::Down { .. } => 2,
    }
}
