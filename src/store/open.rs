//! Opens the store's folder: the lock, the sealing key, the database and its migrations.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt as _, MetadataExt as _, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use zeroize::Zeroize;

use super::seal::{KEY_BYTES, SealKey};
use super::writer::Writer;
use super::{SqliteStore, audit};

/// Each takes the store from the version that is its place in this list to the next.
const MIGRATIONS: [&str; 8] = [
    include_str!("migrations/0001_begin.sql"),
    include_str!("migrations/0002_ways_in.sql"),
    include_str!("migrations/0003_domains.sql"),
    include_str!("migrations/0004_people.sql"),
    include_str!("migrations/0005_preview.sql"),
    include_str!("migrations/0006_audit.sql"),
    include_str!("migrations/0007_notify.sql"),
    include_str!("migrations/0008_language.sql"),
];
/// Marks our files, `VSTB` (the first migration sets it).
const APPLICATION_ID: i64 = 1_448_301_634;
const READERS: u32 = 4;
/// The file that the running gateway holds locked, and that says which process it is.
const LOCK: &str = "lock";
/// How long a call waits for a connection when many read at once.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// A store of up to so many pages is looked through whole for damage: 64 MiB, as long as nobody makes its pages larger.
const MOST_PAGES_READ: i64 = 16 * 1024;
/// How long SQLite waits for another process's lock: a backup tool's, say.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The write-ahead log shrinks back to this after a burst.
const WAL_BYTES: &str = "67108864";
/// What each connection keeps of the database, in KiB, as SQLite wants it told. The system has its pages in memory too, so four times as much
/// gains nothing that is worth 8 MiB.
const PAGE_CACHE: &str = "-512";

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}\n  help: {}", .path.display(), .problem.help())]
pub struct OpenError {
    /// Which file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: OpenProblem,
}

/// What keeps a store from opening.
#[derive(Debug, thiserror::Error)]
pub enum OpenProblem {
    /// The folder cannot be made or entered.
    #[error("the folder cannot be made or entered: {0}")]
    Folder(io::Error),
    /// A running gateway holds the lock.
    #[error("another gateway is running on this folder")]
    InUse,
    /// The file cannot be read or made.
    #[error("cannot be read or made: {0}")]
    File(io::Error),
    /// There is a database, but no key.
    #[error("missing, while `store.db` beside it holds values sealed with it")]
    KeyMissing,
    /// The key file is not 32 bytes long.
    #[error("not a key: it has {0} bytes where a key has 32")]
    KeyMalformed(u64),
    /// The key file is another store's.
    #[error("this key does not open what `store.db` beside it holds")]
    KeyWrong,
    /// The database may not be written to.
    #[error("cannot be written to: {0}")]
    NotWritable(String),
    /// No space is left.
    #[error("no space is left for it: {0}")]
    Full(String),
    /// Another process holds the database.
    #[error("another process keeps it locked: {0}")]
    Busy(String),
    /// Not a database, or a broken one.
    #[error("damaged: {0}")]
    Corrupt(String),
    /// A SQLite database, but none of ours.
    #[error("a database of another program")]
    Foreign,
    /// Nothing is there yet.
    #[error("there is no store yet")]
    Missing,
    /// An earlier version wrote it.
    #[error("written by an older version: its shape is {found}, this version's is {known}")]
    Older {
        /// The database's version.
        found: i64,
        /// Ours.
        known: usize,
    },
    /// A later version wrote it.
    #[error("written by a newer version: its shape is {found}, this version knows shapes up to {known}")]
    Newer {
        /// The database's version.
        found: i64,
        /// Ours.
        known: usize,
    },
    /// Something else.
    #[error("cannot be opened: {0}")]
    Other(String),
}

impl OpenProblem {
    /// How to mend it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Folder(_) => "let the gateway's user write there, or name another folder as `server.data`",
            Self::InUse => "stop the other one first, or give this one a `server.data` folder of its own",
            Self::File(_) | Self::NotWritable(_) => {
                "let the gateway's user read and write the file and its folder, on a file system mounted for writing"
            }
            Self::KeyMissing | Self::KeyMalformed(_) | Self::KeyWrong => {
                "put back the `seal.key` that was beside this `store.db`; if it is lost, move `store.db*` and `seal.key` \
                 away: a new store begins, and everyone logs in anew"
            }
            Self::Full(_) => "free some space on this file system",
            Self::Busy(_) => "end the other process (a backup, an open `sqlite3`)",
            Self::Corrupt(_) => {
                "put back a copy made while the gateway was stopped, or move `store.db*` away: a new store begins, and \
                 everyone logs in anew"
            }
            Self::Foreign => "name another folder as `server.data`",
            Self::Missing => "start the gateway first: `vestibule serve`",
            Self::Older { .. } => "start the gateway of this version once: it brings the store to its shape",
            Self::Newer { .. } => "run the newer version, or put back a copy made before it first ran",
            Self::Other(_) => "see the cause above",
        }
    }
}

/// Opens the store in a folder, and makes both if they are not there yet.
///
/// The folder is this process's alone until the store is dropped.
///
/// # Errors
/// [`OpenError`] names the file, what is wrong, and how to mend it.
pub async fn open(data: &Path) -> Result<SqliteStore, OpenError> {
    open_after(data, None).await
}

/// Opens the store of a predecessor that still has it open, and has passed on its lock; with none, or that of another folder, this
/// is [`open`]. The folder is theirs together.
///
/// A migration therefore changes what an older version is working with: each may only add, so that the version before it works on.
///
/// # Errors
/// [`OpenError`] names the file, what is wrong, and how to mend it.
pub async fn open_after(data: &Path, passed: Option<File>) -> Result<SqliteStore, OpenError> {
    make_folder(data).map_err(at(data, OpenProblem::Folder))?;
    let path = data.join(LOCK);
    let lock = match passed.filter(|passed| is_at(passed, &path)) {
        Some(passed) => passed,
        None => lock(&path)?,
    };
    let database = data.join("store.db");
    let key = read_or_make_key(&data.join("seal.key"), &database)?;
    make_database_file(&database).map_err(at(&database, OpenProblem::File))?;
    sync_folder(data).map_err(at(data, OpenProblem::Folder))?;

    let failed = |error: sqlx::Error| OpenError { path: database.clone(), problem: problem(&error) };
    let mut writer = options(&database).connect().await.map_err(failed)?;
    migrate(&mut writer, &database, &key).await?;
    if let Some(damage) = damage(&mut writer, MOST_PAGES_READ).await.map_err(failed)? {
        return Err(OpenError { path: database, problem: OpenProblem::Corrupt(damage) });
    }
    let readers = pool(READERS).connect_with(options(&database).read_only(true)).await.map_err(failed)?;

    let store = SqliteStore::new(Writer::new(writer, options(&database)), readers, key, Some(lock));
    match store.fits_key().await {
        Ok(true) => Ok(store),
        Ok(false) => Err(OpenError { path: data.join("seal.key"), problem: OpenProblem::KeyWrong }),
        Err(error) => Err(failed(error)),
    }
}

/// Opens the store of a gateway that may be running, for a command beside it. Makes and changes no shape.
///
/// # Errors
/// [`OpenError`] names the file, what is wrong, and how to mend it.
pub async fn open_beside(data: &Path) -> Result<SqliteStore, OpenError> {
    let database = data.join("store.db");
    let refused = |problem| OpenError { path: database.clone(), problem };
    if !database.is_file() {
        return Err(refused(OpenProblem::Missing));
    }
    let key = read_or_make_key(&data.join("seal.key"), &database)?;
    let failed = |error: sqlx::Error| refused(problem(&error));
    let mut writer = options(&database).connect().await.map_err(failed)?;
    let owner: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut writer).await.map_err(failed)?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut writer).await.map_err(failed)?;
    let known = MIGRATIONS.len();
    match usize::try_from(found) {
        _ if owner != APPLICATION_ID => return Err(refused(OpenProblem::Foreign)),
        Ok(version) if version == known => {}
        Ok(version) if version < known => return Err(refused(OpenProblem::Older { found, known })),
        _ => return Err(refused(OpenProblem::Newer { found, known })),
    }
    let readers = pool(1).connect_with(options(&database).read_only(true)).await.map_err(failed)?;
    let store = SqliteStore::new(Writer::new(writer, options(&database)), readers, key, None);
    match store.fits_key().await {
        Ok(true) => Ok(store),
        Ok(false) => Err(OpenError { path: data.join("seal.key"), problem: OpenProblem::KeyWrong }),
        Err(error) => Err(failed(error)),
    }
}

/// Turns an I/O error into one about a file.
fn at(path: &Path, problem: impl FnOnce(io::Error) -> OpenProblem) -> impl FnOnce(io::Error) -> OpenError {
    move |error| OpenError { path: path.to_owned(), problem: problem(error) }
}

fn make_folder(data: &Path) -> io::Result<()> {
    if data.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    match data.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => Ok(()),
    }
}

/// Puts a folder's entries on disk: a file whose name is lost is lost.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(at(path, OpenProblem::File))?;
    match file.try_lock() {
        // Whose number stands there has ended, and by now it may be that of any process: nobody shall signal it for ours.
        Ok(()) => file.set_len(0).map(|()| file).map_err(at(path, OpenProblem::File)),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError { path: path.to_owned(), problem: OpenProblem::InUse }),
        Err(fs::TryLockError::Error(error)) => Err(at(path, OpenProblem::File)(error)),
    }
}

/// Whether an open file is the one at a path.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(one), Ok(other)) => one.dev() == other.dev() && one.ino() == other.ino(),
        _ => false,
    }
}

/// The process that runs on a data folder; `None` when none does.
///
/// # Errors
/// When the lock cannot be read.
pub fn running(data: &Path) -> io::Result<Option<u32>> {
    let mut file = match File::open(data.join(LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => return Ok(None),
        Err(fs::TryLockError::WouldBlock) => {}
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text.trim().parse().ok())
}

/// Writes into a lock which process holds it.
pub(super) fn sign(lock: &File) -> io::Result<()> {
    let text = format!("{}\n", std::process::id());
    lock.write_all_at(text.as_bytes(), 0)?;
    lock.set_len(text.len() as u64)
}

fn read_or_make_key(path: &Path, database: &Path) -> Result<SealKey, OpenError> {
    match File::open(path) {
        Ok(file) => read_key(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A new key would not open what the database holds: better to say so than to begin half anew.
            if fs::metadata(database).is_ok_and(|database| database.len() > 0) {
                return Err(OpenError { path: path.to_owned(), problem: OpenProblem::KeyMissing });
            }
            make_key(path).map_err(at(path, OpenProblem::File))
        }
        Err(error) => Err(at(path, OpenProblem::File)(error)),
    }
}

fn read_key(path: &Path, mut file: File) -> Result<SealKey, OpenError> {
    close_to_others(&file).map_err(at(path, OpenProblem::File))?;
    let length = file.metadata().map_err(at(path, OpenProblem::File))?.len();
    let mut bytes = [0; KEY_BYTES];
    if length != bytes.len() as u64 {
        return Err(OpenError { path: path.to_owned(), problem: OpenProblem::KeyMalformed(length) });
    }
    file.read_exact(&mut bytes).map_err(at(path, OpenProblem::File))?;
    let key = SealKey::new(bytes);
    bytes.zeroize();
    Ok(key)
}

/// Makes a key that is there as a whole or not at all, whenever the power goes.
fn make_key(path: &Path) -> io::Result<SealKey> {
    let mut bytes = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no randomness"))?;
    let unfinished = path.with_extension("key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    close_to_others(&file)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    if let Some(folder) = path.parent() {
        sync_folder(folder)?;
    }
    let key = SealKey::new(bytes);
    bytes.zeroize();
    Ok(key)
}

fn make_database_file(path: &Path) -> io::Result<()> {
    // SQLite gives its `-wal` and `-shm` files the database's mode.
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    close_to_others(&file)?;
    file.sync_all()
}

/// Takes group and others their rights, which a copy may have brought along.
fn close_to_others(file: &File) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { file.set_permissions(Permissions::from_mode(mode & 0o700)) }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(QUEUE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not hang up; asking it each time is a way to its thread and back.
        .test_before_acquire(false)
}

fn options(database: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode `NORMAL` would lose the last commits when the power goes.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("journal_size_limit", WAL_BYTES)
        .pragma("cache_size", PAGE_CACHE)
}

/// What is wrong with the database, if anything. Of a large one, the certificates are left out: they are most of it, to read them all
/// would take longer than the rest of a start, and each has to fit its sealed key when it is used.
pub(super) async fn damage(connection: &mut SqliteConnection, most_pages: i64) -> sqlx::Result<Option<String>> {
    const ALL: &str = "PRAGMA quick_check(1)";
    const BUT_CERTIFICATES: &str =
        "SELECT found.quick_check FROM sqlite_schema AS entry, pragma_quick_check(entry.name) AS found
         WHERE entry.type = 'table' AND entry.name <> 'certificate' AND found.quick_check <> 'ok' LIMIT 1";
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await?;
    let check = if pages <= most_pages { ALL } else { BUT_CERTIFICATES };
    let found: Option<String> = sqlx::query_scalar(check).fetch_optional(connection).await?;
    Ok(found.filter(|found| found != "ok"))
}

/// Brings the database to our version, or finds out why not.
async fn migrate(writer: &mut SqliteConnection, path: &Path, key: &SealKey) -> Result<(), OpenError> {
    let refused = |problem| OpenError { path: path.to_owned(), problem };
    let failed = |error: sqlx::Error| refused(problem(&error));
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let ask = |pragma: &'static str| sqlx::query_scalar::<_, i64>(pragma);
    let version = ask("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failed)?;
    let owner = ask("PRAGMA application_id").fetch_one(&mut *transaction).await.map_err(failed)?;
    let tables = ask("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *transaction).await.map_err(failed)?;
    let is_new = version == 0 && owner == 0 && tables == 0;
    if !is_new && owner != APPLICATION_ID {
        return Err(refused(OpenProblem::Foreign));
    }
    let missing = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..));
    let missing = missing.ok_or(OpenProblem::Newer { found: version, known: MIGRATIONS.len() }).map_err(refused)?;
    for migration in missing {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(failed)?;
    }
    if version < audit::SINCE {
        audit::begin(&mut transaction, key).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// Finds what is wrong from SQLite's result code.
fn problem(error: &sqlx::Error) -> OpenProblem {
    let cause = error.to_string();
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    // The low byte is the primary result code (sqlite.org/rescode.html).
    match code.map(|code| code & 0xff) {
        Some(5 | 6) => OpenProblem::Busy(cause),
        Some(3 | 8 | 14 | 23) => OpenProblem::NotWritable(cause),
        Some(11 | 26) => OpenProblem::Corrupt(cause),
        Some(13) => OpenProblem::Full(cause),
        _ => OpenProblem::Other(cause),
    }
}
