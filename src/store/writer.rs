//! The one writer: whoever changes something has a turn at its connection, one after another.
//!
//! A change counts when it is on disk, and most of its time goes by there. So all who wait for a turn meanwhile share the next
//! transaction, and with it the way to the disk. Each of them can still fail alone, or leave half-way: whatever they did is undone
//! then, and the others' stays. Whether it is on disk is told to each when it is.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, query_scalar};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

/// How long a call waits for its turn when many write at once.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many have their turn before the disk has its, so that the first of them does not wait long for the last.
const MOST_TOGETHER: usize = 32;
/// Callers that wait in line; the others wait to be let into it.
const LINE: usize = 1024;

/// Whoever waits for a turn.
type Caller = oneshot::Sender<sqlx::Result<Change>>;
/// Whoever waits to hear that their change is on disk.
type Told = oneshot::Sender<sqlx::Result<()>>;

/// Gives turns at the connection that writes.
pub(super) struct Writer {
    line: mpsc::Sender<Call>,
}

/// What the writer is asked for.
enum Call {
    /// A turn.
    Turn(Caller),
    /// Whether somebody else writes.
    Version(oneshot::Sender<sqlx::Result<u64>>),
    /// To close the connection.
    Close(oneshot::Sender<()>),
}

/// A turn: a transaction for its holder. It is undone when it is dropped.
pub(super) struct Change {
    connection: OwnedMutexGuard<SqliteConnection>,
    /// Whether it is the first of its transaction, which begins it.
    is_first: bool,
    done: oneshot::Sender<Told>,
}

impl Writer {
    /// Takes a connection over. `options` are those it was opened with: one that fails is replaced.
    pub(super) fn new(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        let (line, calls) = mpsc::channel(LINE);
        let desk = Desk { connection: Arc::new(Mutex::new(connection)), options, calls, renewed: 0 };
        tokio::spawn(desk.run());
        Self { line }
    }

    /// Begins a change, when it is its turn. Nobody else writes then: it has the database's write lock from its beginning, for
    /// a lock taken half-way could be refused half-way.
    pub(super) async fn begin(&self) -> sqlx::Result<Change> {
        let (give, turn) = oneshot::channel();
        let given = async {
            self.line.send(Call::Turn(give)).await.map_err(|_| sqlx::Error::PoolClosed)?;
            turn.await.map_err(|_| sqlx::Error::PoolClosed)?
        };
        // The line is what takes long. For the lock, SQLite has a limit of its own.
        let mut change = tokio::time::timeout(QUEUE_TIMEOUT, given).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        if change.is_first {
            run(&mut change, "BEGIN IMMEDIATE").await?;
        }
        Ok(change)
    }

    /// A number that is another one when another process has written since it was asked for last.
    pub(super) async fn version(&self) -> sqlx::Result<u64> {
        let (tell, told) = oneshot::channel();
        let asked = async {
            self.line.send(Call::Version(tell)).await.map_err(|_| sqlx::Error::PoolClosed)?;
            told.await.map_err(|_| sqlx::Error::PoolClosed)?
        };
        tokio::time::timeout(QUEUE_TIMEOUT, asked).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    /// Closes the connection after whatever is under way.
    pub(super) async fn close(&self) {
        let (tell, closed) = oneshot::channel();
        if self.line.send(Call::Close(tell)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

impl Change {
    /// Keeps what was done. Returns when it is on disk.
    ///
    /// # Errors
    /// When it is not: then nothing of it is kept.
    pub(super) async fn commit(self) -> sqlx::Result<()> {
        let Self { connection, done, .. } = self;
        let (tell, told) = oneshot::channel();
        let _ = done.send(tell);
        drop(connection);
        told.await.map_err(|_| sqlx::Error::PoolClosed)?
    }
}

impl Deref for Change {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// Who gives the turns.
struct Desk {
    connection: Arc<Mutex<SqliteConnection>>,
    options: SqliteConnectOptions,
    calls: mpsc::Receiver<Call>,
    /// How many connections there were before this one.
    renewed: u64,
}

/// Those whose changes go to disk together.
struct Together {
    /// Whose turn is next.
    caller: Option<Caller>,
    /// Whose turn is over, and what they did is to be kept.
    kept: Vec<Told>,
}

impl Desk {
    async fn run(mut self) {
        let mut next = None;
        loop {
            let call = match next.take() {
                Some(call) => call,
                None => match self.calls.recv().await {
                    Some(call) => call,
                    None => return,
                },
            };
            match call {
                Call::Turn(first) => next = self.transaction(first).await,
                Call::Version(tell) => {
                    let _ = tell.send(self.version().await);
                }
                Call::Close(tell) => {
                    self.calls.close();
                    let connection = Arc::into_inner(self.connection).map(Mutex::into_inner);
                    if let Some(connection) = connection {
                        let _ = connection.close().await;
                    }
                    let _ = tell.send(());
                    return;
                }
            }
        }
    }

    /// Runs one transaction, with a turn for the first caller and for those who wait by the time that one is done. Gives a call
    /// that is none for a turn back.
    async fn transaction(&mut self, first: Caller) -> Option<Call> {
        let mut together = Together { caller: Some(first), kept: Vec::new() };
        let (error, other) = match self.turns(&mut together).await {
            Ok(other) => (None, other),
            Err(error) => {
                self.renew().await;
                (Some(error.to_string()), None)
            }
        };
        // Everybody is told the same.
        let result = || error.clone().map_or(Ok(()), |error| Err(sqlx::Error::Io(std::io::Error::other(error))));
        if let (Some(caller), Err(error)) = (together.caller, result()) {
            let _ = caller.send(Err(error));
        }
        for tell in together.kept {
            let _ = tell.send(result());
        }
        other
    }

    async fn turns(&mut self, together: &mut Together) -> sqlx::Result<Option<Call>> {
        let mut connection = Arc::clone(&self.connection).lock_owned().await;
        let mut turns = 0;
        while let Some(caller) = together.caller.take() {
            let (done, ended) = oneshot::channel();
            // Of somebody who left meanwhile, it comes straight back.
            let _ = caller.send(Ok(Change { connection, is_first: together.kept.is_empty(), done }));
            let verdict = ended.await.ok();
            turns += 1;
            connection = Arc::clone(&self.connection).lock_owned().await;
            let is_kept = verdict.is_some();
            together.kept.extend(verdict);
            let kept = together.kept.len();
            if !is_kept {
                undo(&mut connection, kept > 0).await?;
            }
            match if turns < MOST_TOGETHER { self.calls.try_recv().ok() } else { None } {
                Some(Call::Turn(next)) => together.caller = Some(next),
                other => {
                    if kept > 0 {
                        run(&mut connection, "COMMIT").await?;
                    }
                    return Ok(other);
                }
            }
            // One that was rolled back to still stands.
            if is_kept {
                run(&mut connection, if kept == 1 { "SAVEPOINT turn" } else { "RELEASE turn; SAVEPOINT turn" }).await?;
            }
        }
        Ok(None)
    }

    /// What SQLite tells of the database's version changes for a connection when any other has written. This one writes all that
    /// this process does.
    async fn version(&self) -> sqlx::Result<u64> {
        let mut connection = self.connection.lock().await;
        let version: u32 = query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await?;
        Ok((self.renewed << 32) | u64::from(version))
    }

    /// Takes a new connection: with the old one goes whatever it had begun.
    async fn renew(&mut self) {
        self.renewed += 1;
        let mut connection = Arc::clone(&self.connection).lock_owned().await;
        match self.options.connect().await {
            Ok(new) => *connection = new,
            Err(error) => tracing::warn!(%error, "the store cannot be opened anew"),
        }
    }
}

/// Undoes the last turn, and no other where something is kept.
async fn undo(connection: &mut SqliteConnection, is_kept: bool) -> sqlx::Result<()> {
    if is_kept {
        // It fails where SQLite has ended all of the transaction, as on a full disk.
        return run(connection, "ROLLBACK TO turn").await.map_err(|error| {
            sqlx::Error::Io(std::io::Error::other(format!("undone with another change, which failed: {error}")))
        });
    }
    match run(connection, "ROLLBACK").await {
        // The same; or whoever had the turn left before beginning.
        Err(sqlx::Error::Database(error)) if error.message().contains("no transaction is active") => Ok(()),
        done => done,
    }
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> sqlx::Result<()> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use sqlx::query;
    use sqlx::sqlite::SqliteJournalMode;
    use tokio::task::JoinSet;

    use super::*;

    /// A writer of a table of numbers, and a connection that reads what is on disk.
    async fn house() -> (Arc<Writer>, SqliteConnection, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("store.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let mut connection = options.connect().await.expect("it opens");
        run(&mut connection, "CREATE TABLE number (number INTEGER, text TEXT)").await.expect("made");
        let reader = options.clone().read_only(true).connect().await.expect("it opens");
        (Arc::new(Writer::new(connection, options)), reader, folder)
    }

    async fn put(change: &mut Change, number: i64) -> sqlx::Result<()> {
        query("INSERT INTO number (number) VALUES (?)").bind(number).execute(&mut **change).await.map(drop)
    }

    async fn found(reader: &mut SqliteConnection) -> Vec<i64> {
        query_scalar("SELECT number FROM number ORDER BY number").fetch_all(reader).await.expect("read")
    }

    /// Waits until so many stand in line.
    async fn until_in_line(writer: &Writer, many: usize) {
        while LINE - writer.line.capacity() < many {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_who_wait_go_to_disk_with_whom_they_wait_for_and_one_that_is_undone_leaves_them_alone() {
        let (writer, mut reader, _folder) = house().await;
        let mut first = writer.begin().await.expect("a turn");
        put(&mut first, 0).await.expect("put");
        let mut others = JoinSet::new();
        for number in 1..=30 {
            let writer = Arc::clone(&writer);
            others.spawn(async move {
                let mut change = writer.begin().await.expect("a turn");
                put(&mut change, number).await.expect("put");
                match number % 3 {
                    0 => change.commit().await.map(|()| number),
                    // Half-way, whoever did it leaves.
                    1 => Err(sqlx::Error::RowNotFound),
                    // Its statement fails.
                    _ => query("INSERT INTO nothing VALUES (1)").execute(&mut *change).await.map(|_| number),
                }
            });
        }
        until_in_line(&writer, 30).await;
        assert_eq!(found(&mut reader).await, [0; 0], "nobody sees what is not done");
        first.commit().await.expect("kept");
        // All had their turn before the disk had its.
        let kept: Vec<i64> = (0..=30).step_by(3).collect();
        assert_eq!(found(&mut reader).await, kept);
        let mut told: Vec<i64> = others.join_all().await.into_iter().flatten().collect();
        told.sort_unstable();
        assert_eq!(told, kept[1..]);
    }

    #[tokio::test]
    async fn what_another_writes_is_told_from_what_is_written_here() {
        let (writer, mut reader, folder) = house().await;
        let version = async || writer.version().await.expect("told");
        let before = version().await;
        let mut change = writer.begin().await.expect("a turn");
        put(&mut change, 1).await.expect("put");
        change.commit().await.expect("kept");
        assert_eq!(found(&mut reader).await, [1]);
        assert_eq!(version().await, before, "that was this one");
        let options = SqliteConnectOptions::new().filename(folder.path().join("store.db"));
        let mut other = options.connect().await.expect("it opens");
        run(&mut other, "INSERT INTO number (number) VALUES (2)").await.expect("put");
        let after = version().await;
        assert_ne!(after, before);
        assert_eq!(version().await, after, "it is told once");
    }

    #[tokio::test]
    async fn the_first_may_be_undone_and_whoever_leaves_the_line_is_passed_over() {
        let (writer, mut reader, _folder) = house().await;
        let mut first = writer.begin().await.expect("a turn");
        put(&mut first, 1).await.expect("put");
        let add = |number| {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move {
                let mut change = writer.begin().await.expect("a turn");
                put(&mut change, number).await.expect("put");
                change.commit().await
            })
        };
        let leaves_first = add(1);
        until_in_line(&writer, 1).await;
        leaves_first.abort();
        assert!(leaves_first.await.is_err(), "it left");
        let before = add(2);
        until_in_line(&writer, 2).await;
        let leaves = add(3);
        until_in_line(&writer, 3).await;
        let after = add(4);
        until_in_line(&writer, 4).await;
        leaves.abort();
        assert!(leaves.await.is_err(), "it left");
        drop(first);
        for kept in [before, after] {
            kept.await.expect("it ran").expect("kept");
        }
        assert_eq!(found(&mut reader).await, [2, 4]);
    }

    #[tokio::test]
    async fn when_the_disk_has_no_place_for_one_all_who_went_with_it_are_told_and_the_next_goes_on() {
        let (writer, mut reader, _folder) = house().await;
        let mut first = writer.begin().await.expect("a turn");
        query("PRAGMA max_page_count = 10").fetch_one(&mut *first).await.expect("set");
        put(&mut first, 1).await.expect("put");
        let large = tokio::spawn({
            let writer = Arc::clone(&writer);
            async move {
                let mut change = writer.begin().await?;
                let insert = query("INSERT INTO number VALUES (2, ?)").bind("x".repeat(1_000_000));
                insert.execute(&mut *change).await?;
                change.commit().await
            }
        });
        until_in_line(&writer, 1).await;
        first.commit().await.expect_err("SQLite has ended the whole of it");
        let error = large.await.expect("it ran").expect_err("there is no place for it");
        assert!(error.to_string().contains("full"), "{error}");
        assert_eq!(found(&mut reader).await, [0; 0]);
        let mut next = writer.begin().await.expect("a turn");
        put(&mut next, 3).await.expect("put");
        next.commit().await.expect("kept");
        assert_eq!(found(&mut reader).await, [3]);
    }

    #[tokio::test]
    async fn whoever_comes_when_it_is_closed_is_told_so() {
        let (writer, mut reader, _folder) = house().await;
        let mut last = writer.begin().await.expect("a turn");
        put(&mut last, 1).await.expect("put");
        let (kept, ()) = tokio::join!(last.commit(), writer.close());
        kept.expect("what was under way ends well");
        assert_eq!(found(&mut reader).await, [1]);
        assert!(matches!(writer.begin().await, Err(sqlx::Error::PoolClosed)));
        writer.close().await;
    }
}
