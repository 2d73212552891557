//! Finds out that the files of a config changed, whatever way they are written.
//!
//! Once a second all files are looked at: by their stat, and by their content where the stat is another or too young to be trusted. A
//! change counts when it has stood still from one look to the next, so what is half-written is not read, and what is renamed
//! away for a moment is waited for. The kernel's own notices (inotify) would be quicker by a second and would know less: they are
//! about the inode or folder that was there, so a link that is turned elsewhere, a mount, or a network's file system escape
//! them, and their queue may overflow; a look would be needed behind them all the same.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::config::{Files, Held, held};

/// File systems count time in ticks: a change this close to a read may leave no trace in the stat.
const TICK: SignedDuration = SignedDuration::from_secs(2);
/// A file that is away for longer than any editor takes is worth a line in the log.
const AWAY: SignedDuration = SignedDuration::from_secs(10);
/// As the folder of certificates itself is read.
const MOST_DEPTH: usize = 8;
const MOST_FILES: usize = 10_000;

/// Watches the files of a config, and the folder of certificates.
#[derive(Debug)]
pub struct Watcher {
    config: PathBuf,
    /// The files as they were when they were last read.
    files: Files,
    folder: Option<PathBuf>,
    /// The folder as it was before it was last read.
    mark: u64,
    seen: BTreeMap<PathBuf, Seen>,
    /// A change that has not stood still yet.
    waiting: Option<Sight>,
    away: BTreeMap<PathBuf, Away>,
}

/// All that is watched, at one look.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Sight {
    files: BTreeMap<PathBuf, Held>,
    mark: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stat {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

/// What a file held when it had this stat.
#[derive(Clone, Copy, Debug)]
struct Seen {
    stat: Stat,
    held: Held,
    read: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    since: Timestamp,
    is_told: bool,
}

impl Watcher {
    /// Watches from now on. The files are those that were read; the folder is looked at here, so this has to come before it is read.
    #[must_use]
    pub fn new(config: &Path, files: Files, folder: Option<&Path>) -> Self {
        Self {
            config: config.to_owned(),
            files,
            folder: folder.map(Path::to_owned),
            mark: folder.map_or(0, mark),
            seen: BTreeMap::new(),
            waiting: None,
            away: BTreeMap::new(),
        }
    }

    /// Looks at everything once; answers whether something changed and has stood still since the look before.
    pub fn look(&mut self, now: Timestamp) -> bool {
        let paths: Vec<PathBuf> = self.files.iter().map(|(path, _)| path.to_owned()).collect();
        let files = paths.into_iter().map(|path| (path.clone(), self.held(path, now))).collect();
        let sight = Sight { files, mark: self.folder.as_deref().map_or(0, mark) };
        self.note_away(&sight, now);
        if !self.is_change(&sight) {
            self.waiting = None;
            return false;
        }
        if self.waiting.as_ref() == Some(&sight) {
            self.waiting = None;
            return true;
        }
        self.waiting = Some(sight);
        false
    }

    /// A file that went away is no change by itself: it is being replaced, or something else says that it is needed no more.
    fn is_change(&self, sight: &Sight) -> bool {
        if sight.files.get(&self.config).is_some_and(Option::is_none) {
            return false;
        }
        let mut files = sight.files.iter();
        sight.mark != self.mark || files.any(|(path, held)| held.is_some() && *held != self.files.held(path))
    }

    fn held(&mut self, path: PathBuf, now: Timestamp) -> Held {
        let Ok(stat) = std::fs::metadata(&path).map(|meta| Stat::of(&meta)) else {
            self.seen.remove(&path);
            return None;
        };
        if let Some(seen) = self.seen.get(&path)
            && seen.stat == stat
            && seen.read.duration_since(stat.modified()) >= TICK
        {
            return seen.held;
        }
        let held = held(&path);
        self.seen.insert(path, Seen { stat, held, read: now });
        held
    }

    fn note_away(&mut self, sight: &Sight, now: Timestamp) {
        for (path, held) in &sight.files {
            if held.is_some() || self.files.held(path).is_none() {
                if self.away.remove(path).is_some_and(|away| away.is_told) {
                    tracing::info!(file = %path.display(), "the file is there again");
                }
                continue;
            }
            let away = self.away.entry(path.clone()).or_insert(Away { since: now, is_told: false });
            if !away.is_told && now.duration_since(away.since) >= AWAY {
                away.is_told = true;
                tracing::warn!(file = %path.display(), "a file of the config is not there; what was read from it goes on");
            }
        }
    }
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

/// A number that changes with any file in a folder: its place, its stat, and when it was last changed in any way. The content is not
/// read, for there may be very many, and to read a folder once in vain costs little.
fn mark(folder: &Path) -> u64 {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            // Through links: it is what they lead to that is read.
            let Ok(meta) = std::fs::metadata(entry.path()) else { continue };
            if meta.is_dir() && depth < MOST_DEPTH {
                folders.push((entry.path(), depth + 1));
            } else if meta.is_file() {
                found.push((entry.path(), meta.dev(), meta.ino(), meta.len(), (meta.mtime(), meta.mtime_nsec())));
            }
        }
        if found.len() >= MOST_FILES {
            break;
        }
    }
    found.sort();
    let mut hasher = DefaultHasher::new();
    found.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
