//! A CSV file on disk: looked at often, read when it changed, and its last good copy kept when it turns bad.
//!
//! What is read may be half of what somebody is writing. So a file that changes in place is believed only once it has
//! been quiet for a moment; a replaced one (another inode) at once. A table that suddenly lost most of its rows is not
//! believed before `max_stale` is over.

use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::csv::{MOST_BYTES, Needed, Table};
use super::source::{Found, FoundRow, MOST_ROWS_FOR_ONE, Place, Step, Terms, columns_of, no_column};
use super::standing::{MOST_WAIT, Standing, after, age, is_sudden_loss, sudden_loss};
use crate::policy::CustomerList;
use crate::state::health::SourceHealth;
use crate::types::Email;

/// How often the file is looked at, unless `refresh` asks for more.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// No source is looked at more often than this.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// A change this close to a read may have been missed by it: file systems count time in ticks.
const TICK: Duration = Duration::from_secs(2);

/// A CSV file.
pub(super) struct CsvFile {
    terms: Terms,
    path: PathBuf,
    needed: Needed,
    watch: Mutex<Watch>,
    shown: ArcSwap<Shown>,
}

/// What whoever looks at the file remembers of it.
#[derive(Default)]
struct Watch {
    /// The file as it was when the table in use was read from it.
    good: Option<Sight>,
    /// The file as it was when it was last refused, and why.
    refused: Option<(Sight, String)>,
    /// A change that is not believed yet, and since when it has looked like this.
    unsettled: Option<(Stat, Timestamp)>,
    standing: Standing,
}

/// What everybody else sees.
#[derive(Clone, Default)]
pub(super) struct Shown {
    pub(super) table: Option<Arc<Table>>,
    pub(super) standing: Standing,
    pub(super) generation: u64,
    looked: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stat {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Sight {
    stat: Stat,
    digest: [u8; 32],
    read: Timestamp,
}

enum Look {
    /// As it was when last read.
    Same,
    /// Something else, but still being written.
    Unsettled(Stat),
    /// Read anew, and the same bytes.
    SameBytes(Sight),
    /// Read anew.
    New(Sight, Box<Table>),
    /// No table.
    Bad(Option<Sight>, String),
}

impl CsvFile {
    pub(super) fn new(terms: Terms, path: PathBuf, needed: Needed) -> Self {
        Self { terms, path, needed, watch: Mutex::default(), shown: ArcSwap::default() }
    }

    /// How often the background looks.
    pub(super) fn look_every(&self) -> Duration {
        LOOK_EVERY.min(self.terms.refresh / 2).max(LOOK_AT_MOST_EVERY)
    }

    pub(super) fn shown(&self) -> Arc<Shown> {
        self.shown.load_full()
    }

    /// Looks at the file, and reads it if need be.
    pub(super) async fn look(&self, now: Timestamp) {
        let mut watch = self.watch.lock().await;
        let shown = self.shown();
        // Whoever waited for another's look need not look again.
        if shown.looked.is_some_and(|looked| looked >= now) {
            return;
        }
        let mut next = Shown { looked: Some(now), ..Shown::clone(&shown) };
        let look = self.examine(&watch, now).await;
        match look {
            Look::Same => self.confirm(&mut watch, now),
            Look::SameBytes(sight) => {
                watch.good = Some(sight);
                self.confirm(&mut watch, now);
            }
            Look::Unsettled(stat) => {
                if watch.unsettled.is_none_or(|(seen, _)| seen != stat) {
                    watch.unsettled = Some((stat, now));
                }
                // For a moment that is no trouble: what was last read is younger than it need be.
                if watch.standing.confirmed.is_none_or(|confirmed| age(now, confirmed) >= self.terms.refresh) {
                    self.fail(&mut watch, now, "the file is being written all the time".to_owned());
                }
            }
            Look::Bad(sight, what) => {
                watch.refused = sight.map(|sight| (sight, what.clone()));
                self.fail(&mut watch, now, what);
            }
            Look::New(sight, table) => {
                let before = shown.table.as_deref();
                match before.and_then(|before| loss(before, &table)) {
                    Some(what) if !watch.standing.is_spent(now, self.terms.max_stale) => {
                        watch.refused = Some((sight, what.clone()));
                        self.fail(&mut watch, now, what);
                    }
                    lost => {
                        if let Some(what) = lost {
                            let limit = "`max_stale` is over, so the table is believed as it is now";
                            tracing::warn!(source = %self.terms.name, problem = %what, "{limit}");
                        }
                        tracing::info!(source = %self.terms.name, rows = table.len(), bad_rows = table.bad_count, bytes = table.bytes(), "table read");
                        self.tell_bad_rows(&table);
                        next.table = Some(Arc::from(table));
                        next.generation += 1;
                        watch.good = Some(sight);
                        watch.refused = None;
                        self.confirm(&mut watch, now);
                    }
                }
            }
        }
        next.standing = watch.standing.clone();
        self.shown.store(Arc::new(next));
    }

    /// Looks at the file if the last look is too long ago.
    pub(super) async fn freshen(&self, now: Timestamp) {
        if self.shown().looked.is_none_or(|looked| age(now, looked) >= self.terms.refresh) {
            // A disk may hang; then what is known is served, and `max_stale` ends that.
            let _ = tokio::time::timeout(MOST_WAIT, self.look(now)).await;
        }
    }

    /// The rows for an address.
    pub(super) fn find(&self, list: &CustomerList, email: &Email, now: Timestamp) -> Result<Found, String> {
        let shown = self.shown();
        let confirmed = shown.serves(list, &self.terms, now)?;
        let table = shown.table.as_ref().ok_or("it was not read yet")?;
        let good_until = match shown.standing.trouble {
            None => after(confirmed, self.terms.refresh),
            Some(_) => after(now, self.terms.refresh).min(after(confirmed, self.terms.max_stale)),
        };
        let rows = table.find(&list.columns.email, email, MOST_ROWS_FOR_ONE + 1);
        let rows = rows.into_iter().map(|(line, row)| FoundRow { place: Place::Line(line), row });
        Ok(Found { rows: rows.collect(), fetched: confirmed, good_until })
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn serves(&self, list: &CustomerList, now: Timestamp) -> bool {
        self.shown.load().serves(list, &self.terms, now).is_ok()
    }

    pub(super) fn health(&self, now: Timestamp) -> SourceHealth {
        let shown = self.shown.load();
        let table = shown.table.as_deref();
        let missing = table.and_then(|table| table.missing.first());
        let problem = shown.standing.trouble.as_ref().map(|trouble| trouble.what.clone());
        SourceHealth {
            name: self.terms.name.clone(),
            state: shown.standing.state(now, self.terms.max_stale),
            rows: table.map(|table| u64::try_from(table.len()).unwrap_or(u64::MAX)),
            problem: problem.or_else(|| missing.map(|column| format!("the table has no column `{column}`"))),
            refused_rows: table.map_or(0, |table| table.bad_count),
        }
    }

    /// Walks over all rows, the bad ones among them.
    pub(super) async fn walk(
        &self,
        list: &CustomerList,
        now: Timestamp,
        each: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), String> {
        self.look(now).await;
        let shown = self.shown();
        shown.serves(list, &self.terms, now)?;
        let table = shown.table.as_ref().ok_or("it was not read yet")?;
        let total = u64::try_from(table.len()).ok();
        let step = |line, row| Step { place: Place::Line(line), row, unusable: Vec::new(), total };
        for bad in &table.bad_rows {
            each(step(bad.line, Err(bad.what.clone())));
        }
        for (line, row) in table.rows() {
            each(step(line, Ok(row)));
        }
        Ok(())
    }

    fn confirm(&self, watch: &mut Watch, now: Timestamp) {
        watch.unsettled = None;
        if watch.standing.confirm(now) {
            tracing::info!(source = %self.terms.name, "the source is well again");
        }
    }

    fn fail(&self, watch: &mut Watch, now: Timestamp, what: String) {
        if watch.standing.fail(now, what.as_str()) {
            tracing::warn!(source = %self.terms.name, problem = %what, "the source cannot be used as it is");
        }
    }

    fn tell_bad_rows(&self, table: &Table) {
        const MOST_TOLD: usize = 10;
        for row in table.bad_rows.iter().take(MOST_TOLD) {
            tracing::warn!(source = %self.terms.name, line = row.line, problem = %row.what, "row skipped");
        }
        for column in &table.missing {
            tracing::warn!(source = %self.terms.name, %column, "the header row has no such column");
        }
    }

    async fn examine(&self, watch: &Watch, now: Timestamp) -> Look {
        let path = self.path.clone();
        let needed = self.needed.clone();
        let good = watch.good;
        let refused = watch.refused.clone();
        let unsettled = watch.unsettled;
        let refresh = self.terms.refresh;
        let quiet = self.look_every();
        let work = move || Examiner { path: &path, now, refresh, quiet, good, refused, unsettled }.examine(&needed);
        match tokio::task::spawn_blocking(work).await {
            Ok(look) => look,
            Err(error) => Look::Bad(None, format!("reading it failed: {error}")),
        }
    }
}

impl Shown {
    /// When the copy that can be served to a list was last confirmed; otherwise why there is none.
    pub(super) fn serves(&self, list: &CustomerList, terms: &Terms, now: Timestamp) -> Result<Timestamp, String> {
        let why = || {
            let trouble = self.standing.trouble.as_ref();
            trouble.map_or_else(|| "it was not read for too long".to_owned(), |trouble| trouble.what.clone())
        };
        let (Some(table), Some(confirmed)) = (&self.table, self.standing.confirmed) else { return Err(why()) };
        if self.standing.is_spent(now, terms.max_stale) {
            return Err(why());
        }
        match columns_of(list).find(|column| table.missing.contains(column)) {
            Some(column) => Err(no_column(column.as_str(), table.headers().iter().map(String::as_str))),
            None => Ok(confirmed),
        }
    }
}

/// What a new table lost against the one in use, where it is so much that it is rather a mistake.
fn loss(before: &Table, new: &Table) -> Option<String> {
    if let Some(column) = new.missing.iter().find(|column| !before.missing.contains(column)) {
        return Some(format!("the column `{column}` is gone; the rows from before are kept until `max_stale` is over"));
    }
    let count = |table: &Table| u64::try_from(table.len()).unwrap_or(u64::MAX);
    is_sudden_loss(count(before), count(new)).then(|| sudden_loss(count(before), count(new)))
}

struct Examiner<'a> {
    path: &'a Path,
    now: Timestamp,
    refresh: Duration,
    quiet: Duration,
    good: Option<Sight>,
    refused: Option<(Sight, String)>,
    unsettled: Option<(Stat, Timestamp)>,
}

impl Examiner<'_> {
    fn examine(&self, needed: &Needed) -> Look {
        let stat = match std::fs::metadata(self.path) {
            Ok(meta) if !meta.is_file() => return Look::Bad(None, format!("`{}` is not a file", self.path.display())),
            Ok(meta) => Stat::of(&meta),
            Err(error) => return Look::Bad(None, format!("`{}` cannot be opened: {error}", self.path.display())),
        };
        if stat.bytes > MOST_BYTES {
            return Look::Bad(None, format!("the file has more than {} MiB", MOST_BYTES >> 20));
        }
        if self.is_as_read(self.good, stat) {
            return Look::Same;
        }
        if let Some((sight, what)) = &self.refused
            && self.is_as_read(Some(*sight), stat)
        {
            return Look::Bad(Some(*sight), what.clone());
        }
        if !self.is_settled(stat) {
            return Look::Unsettled(stat);
        }
        match read(self.path) {
            Err(error) => Look::Bad(None, format!("`{}` cannot be read: {error}", self.path.display())),
            // Somebody wrote while we read: what we have may be half of the one and half of the other.
            Ok((seen, text)) if seen != stat || text.len() as u64 != stat.bytes => Look::Unsettled(seen),
            Ok((_, text)) => self.parse(stat, text, needed),
        }
    }

    fn parse(&self, stat: Stat, text: Vec<u8>, needed: &Needed) -> Look {
        let mut digest = [0; 32];
        digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text).as_ref());
        let sight = Sight { stat, digest, read: self.now };
        if self.good.is_some_and(|good| good.digest == digest) {
            return Look::SameBytes(sight);
        }
        match Table::parse(text, needed) {
            Ok(table) => Look::New(sight, Box::new(table)),
            Err(error) => Look::Bad(Some(sight), error.to_string()),
        }
    }

    /// Whether the file is as it was when it was read, and was read late enough after its last change and lately enough.
    fn is_as_read(&self, sight: Option<Sight>, stat: Stat) -> bool {
        sight.is_some_and(|sight| {
            sight.stat == stat && age(sight.read, stat.modified()) >= TICK && age(self.now, sight.read) < self.refresh
        })
    }

    /// Whether nobody seems to be writing it.
    fn is_settled(&self, stat: Stat) -> bool {
        let Some(good) = self.good else { return true };
        let is_replaced = (good.stat.device, good.stat.inode) != (stat.device, stat.inode);
        let looked_like_this =
            self.unsettled.is_some_and(|(seen, since)| seen == stat && age(self.now, since) >= self.quiet);
        is_replaced || good.stat == stat || age(self.now, stat.modified()) >= self.quiet || looked_like_this
    }
}

fn read(path: &Path) -> std::io::Result<(Stat, Vec<u8>)> {
    let file = std::fs::File::open(path)?;
    // Its length is known, and a text that grows by doubling would take up to twice its room.
    let length = usize::try_from(file.metadata()?.len().min(MOST_BYTES)).unwrap_or(0);
    let mut text = Vec::with_capacity(length.saturating_add(1));
    (&file).take(MOST_BYTES + 1).read_to_end(&mut text)?;
    // By name, not by handle: a file that was replaced meanwhile is another one.
    Ok((Stat::of(&std::fs::metadata(path)?), text))
}

impl Stat {
    fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino(), bytes: meta.len(), modified: (meta.mtime(), meta.mtime_nsec()) }
    }

    fn modified(self) -> Timestamp {
        let (seconds, nanoseconds) = self.modified;
        Timestamp::new(seconds, i32::try_from(nanoseconds).unwrap_or(0)).unwrap_or(Timestamp::MAX)
    }
}
