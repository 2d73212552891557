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

use super::csv::{self, MOST_BYTES, Needed};
use super::memory::{Shown, Table};
use super::source::{Found, Step, Terms, View};
use super::standing::{MOST_WAIT, after, age};
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
    New(Sight, Box<csv::Table>),
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

    /// Looks at the file, and reads it if need be. A look goes on though whoever asked for it waits no longer: a long file is
    /// read once, not by everybody anew.
    pub(super) async fn look(self: &Arc<Self>, now: Timestamp) {
        let this = Arc::clone(self);
        if let Err(error) = tokio::spawn(async move { this.look_once(now).await }).await {
            tracing::error!(source = %self.terms.name, %error, "a look at the source failed");
        }
    }

    /// The same, and again where the file has changed but a moment ago.
    pub(super) async fn look_anew(self: &Arc<Self>, now: Timestamp) {
        self.look(now).await;
        if self.watch.lock().await.unsettled.is_some() {
            let quiet = self.look_every();
            tokio::time::sleep(quiet).await;
            self.look(now.checked_add(quiet).unwrap_or(now)).await;
        }
    }

    async fn look_once(&self, now: Timestamp) {
        let mut watch = self.watch.lock().await;
        let shown = self.shown();
        // Whoever waited for another's look need not look again.
        if shown.looked.is_some_and(|looked| looked >= now) {
            return;
        }
        let mut next = Shown { looked: Some(now), ..Shown::clone(&shown) };
        let look = self.examine(&watch, now).await;
        match look {
            Look::Same => self.confirm(&mut watch, &mut next, now),
            Look::SameBytes(sight) => {
                watch.good = Some(sight);
                self.confirm(&mut watch, &mut next, now);
            }
            Look::Unsettled(stat) => {
                if watch.unsettled.is_none_or(|(seen, _)| seen != stat) {
                    watch.unsettled = Some((stat, now));
                }
                // For a moment that is no trouble: what was last read is younger than it need be.
                if next.standing.confirmed.is_none_or(|confirmed| age(now, confirmed) >= self.terms.refresh) {
                    self.fail(&mut next, now, "the file is being written all the time".to_owned());
                }
            }
            Look::Bad(sight, what) => {
                watch.refused = sight.map(|sight| (sight, what.clone()));
                self.fail(&mut next, now, what);
            }
            Look::New(sight, table) => match next.take(Table::Csv(*table), &self.terms, now) {
                Err(what) => {
                    watch.refused = Some((sight, what.clone()));
                    self.fail(&mut next, now, what);
                }
                Ok(()) => {
                    watch.good = Some(sight);
                    watch.refused = None;
                    self.confirm(&mut watch, &mut next, now);
                }
            },
        }
        self.shown.store(Arc::new(next));
    }

    /// Looks at the file if the last look is too long ago.
    pub(super) async fn freshen(self: &Arc<Self>, now: Timestamp) {
        if self.shown().looked.is_none_or(|looked| age(now, looked) >= self.terms.refresh) {
            // A disk may hang; then what is known is served, and `max_stale` ends that.
            let _ = tokio::time::timeout(MOST_WAIT, self.look(now)).await;
        }
    }

    /// The rows for an address.
    pub(super) fn find(&self, list: &CustomerList, email: &Email, now: Timestamp) -> Result<Found, String> {
        let found = self.shown.load().find(list, email, &self.terms, now)?;
        // The file is looked at all the time, and another one has another generation: until then nobody has to ask again.
        Ok(Found { good_until: after(found.fetched, self.terms.max_stale), ..found })
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn serves(&self, view: View<'_>, now: Timestamp) -> bool {
        self.shown.load().serves(view, &self.terms, now).is_ok()
    }

    pub(super) fn health(&self, now: Timestamp) -> SourceHealth {
        self.shown.load().health(&self.terms, now)
    }

    /// Walks over all rows, the bad ones among them.
    pub(super) async fn walk(
        self: &Arc<Self>,
        view: View<'_>,
        now: Timestamp,
        each: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), String> {
        self.look(now).await;
        self.shown().walk(view, &self.terms, now, each)
    }

    fn confirm(&self, watch: &mut Watch, shown: &mut Shown, now: Timestamp) {
        watch.unsettled = None;
        if shown.standing.confirm(now) {
            tracing::info!(source = %self.terms.name, "the source is well again");
        }
    }

    fn fail(&self, shown: &mut Shown, now: Timestamp, what: String) {
        if shown.standing.fail(now, what.as_str()) {
            tracing::warn!(source = %self.terms.name, problem = %what, "the source cannot be used as it is");
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
        match csv::Table::parse(text, needed) {
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
