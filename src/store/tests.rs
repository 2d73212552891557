//! What the SQLite store owes beyond the suite: the disk, the folder, the key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::suite::{AnyStore, after, answer, attempt, hash, opening, session, store_suite};
use super::{OpenProblem, SqliteStore, open, open_after, open_beside, running};
use crate::session::{Asker, AttemptState, SessionRecord};
use crate::state::ports::{MailQueue, Store};

async fn fresh() -> (AnyStore, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("data")).await.expect("opens");
    (Arc::new(store), folder)
}

store_suite!(fresh);

/// Opens, and panics with the message as an operator would read it.
pub(super) async fn opened(data: &Path) -> SqliteStore {
    match open(data).await {
        Ok(store) => store,
        Err(error) => panic!("{error}"),
    }
}

/// Opening fails, names this file, and says all of this.
async fn check_refused(data: &Path, file: &str, said: &[&str]) -> OpenProblem {
    let error = open(data).await.err().expect("does not open");
    assert!(error.path.ends_with(file), "{error}");
    let text = error.to_string();
    for said in said {
        assert!(text.contains(said), "{said:?} is not in: {text}");
    }
    error.problem
}

#[tokio::test]
async fn what_was_acknowledged_is_there_again_without_an_orderly_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    let id = store.ask(&attempt(1)).await.expect("stored");
    store.answer(id, Some(&answer(9)), after(1)).await.expect("answered");
    let secret = store.secret("jwt", || b"made".to_vec()).await.expect("made");
    drop(store);

    let store = opened(folder.path()).await;
    assert_eq!(store.session(hash(1)).await.expect("read"), Some(session(1)));
    assert_eq!(store.attempt_by_link(hash(9)).await.expect("read").expect("there").state, AttemptState::Mailed);
    assert_eq!(store.mail_due(after(1), 9, &[]).await.expect("read")[0].mail, answer(9).mail);
    assert_eq!(store.secret("jwt", Vec::new).await.expect("read"), secret);
}

#[tokio::test]
async fn a_copy_taken_at_any_moment_holds_what_was_acknowledged() {
    // What `kill -9` leaves is what the files hold at that moment, with nobody to tidy up.
    let (first, second) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let store = opened(first.path()).await;
    for number in 0..50 {
        store.open_session(&opening(&session(number), None)).await.expect("stored");
    }
    for file in ["seal.key", "store.db", "store.db-wal"] {
        fs::copy(first.path().join(file), second.path().join(file)).expect("copied");
    }
    let copy = opened(second.path()).await;
    assert_eq!(copy.sessions_of(&session(0).app, &session(0).email).await.expect("read").len(), 50);
}

#[tokio::test]
async fn damage_is_found_in_a_small_store_and_in_what_is_looked_at_of_a_large_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    for number in 0..50 {
        store.open_session(&opening(&session(number), None)).await.expect("stored");
    }
    for most_pages in [i64::MAX, 0] {
        let mut writer = store.begin().await.expect("a turn");
        let damage = super::open::damage(&mut writer, most_pages).await.expect("it can be looked at");
        assert_eq!(damage, None, "{most_pages}");
    }
    let root: i64 = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'session'")
        .fetch_one(&store.readers)
        .await
        .expect("read");
    let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&store.readers).await.expect("read");
    store.close().await;
    drop(store);
    let database = folder.path().join("store.db");
    let mut bytes = fs::read(&database).expect("read");
    let start = usize::try_from((root - 1) * size).expect("a place");
    // The head of a page stays, so that it is read as one; what it holds is gone.
    bytes[start + 12..start + usize::try_from(size).expect("a size")].fill(0xa5);
    fs::write(&database, bytes).expect("written");
    let path = format!("sqlite:{}", database.display());
    let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&path).await.expect("it opens");
    for most_pages in [i64::MAX, 0] {
        let damage = super::open::damage(&mut connection, most_pages).await;
        assert!(!matches!(damage, Ok(None)), "{most_pages}: {damage:?}");
    }
}

#[tokio::test]
async fn commits_are_on_disk_before_they_are_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let mut writer = store.begin().await.expect("a turn");
    for connection in [&mut *writer, &mut *store.readers.acquire().await.expect("a connection")] {
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(connection).await.expect("read");
        assert_eq!(mode, "wal");
    }
    for (pragma, expected) in [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA user_version", 8)] {
        let found: i64 = sqlx::query_scalar(pragma).fetch_one(&mut *writer).await.expect("read");
        assert_eq!(found, expected, "{pragma}");
    }
    let refused = sqlx::query("DELETE FROM session").execute(&store.readers).await;
    assert!(refused.is_err(), "readers cannot write");
}

#[tokio::test]
async fn mails_secrets_and_tokens_are_not_on_disk_in_the_clear() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let id = store.ask(&attempt(1)).await.expect("stored");
    store.answer(id, Some(&answer(9)), after(1)).await.expect("answered");
    store.secret("jwt", || b"a private key".to_vec()).await.expect("made");
    let token = crate::session::Token::new([42; 32]);
    let record = crate::session::SessionRecord { id: token.hash(), ..session(1) };
    store.open_session(&opening(&record, None)).await.expect("stored");
    let check = |moment: &str| {
        for file in ["store.db", "store.db-wal"] {
            let Ok(bytes) = fs::read(folder.path().join(file)) else { continue };
            let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            for plain in ["plain-token-9", "recipient-9@mail.example", "Log in", "a private key", &token.expose()] {
                assert!(!holds(plain.as_bytes()), "{moment}: {plain} is in {file}");
            }
            assert!(!holds(&[42; 32]), "{moment}: a token is in {file}");
        }
    };
    check("before the log is written back");
    store.close().await;
    check("after");
    assert!(fs::metadata(folder.path().join("store.db")).expect("there").len() > 4096, "all is in the database now");
}

#[tokio::test]
async fn a_successor_shares_folder_and_lock_until_the_last_of_both_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(running(folder.path()).expect("read"), None);
    let old = opened(folder.path()).await;
    old.sign().expect("written");
    assert_eq!(running(folder.path()).expect("read"), Some(std::process::id()));
    let lock = old.lock().expect("a copy");
    let new = open_after(folder.path(), lock).await.expect("opens");
    old.open_session(&opening(&session(1), None)).await.expect("stored");
    assert_eq!(new.session(hash(1)).await.expect("read"), Some(session(1)));
    new.end_session(hash(1)).await.expect("ended");
    assert_eq!(old.session(hash(1)).await.expect("read"), None);
    old.close().await;
    drop(old);
    assert!(matches!(check_refused(folder.path(), "lock", &[]).await, OpenProblem::InUse));
    new.close().await;
    drop(new);
    assert_eq!(running(folder.path()).expect("read"), None, "what the lock says counts no more");
    opened(folder.path()).await;
}

#[tokio::test]
async fn a_number_that_a_gateway_left_behind_is_no_process_to_signal() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("lock"), "1\n").expect("written");
    let store = opened(folder.path()).await;
    assert_eq!(running(folder.path()).expect("read"), None, "it has not said yet who it is");
    store.sign().expect("written");
    assert_eq!(running(folder.path()).expect("read"), Some(std::process::id()));
}

#[tokio::test]
async fn the_lock_of_another_folder_opens_none() {
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (_one, there) = (opened(one.path()).await, opened(other.path()).await);
    let refused = open_after(one.path(), there.lock().expect("a copy")).await.err().expect("does not open");
    assert!(matches!(refused.problem, OpenProblem::InUse));
}

#[tokio::test]
async fn folder_and_files_are_the_gateways_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("deep/data");
    let store = opened(&data).await;
    store.check().await.expect("healthy");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for file in ["seal.key", "store.db", "store.db-wal", "store.db-shm", "lock"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    drop(store);
    fs::set_permissions(data.join("seal.key"), fs::Permissions::from_mode(0o644)).expect("set");
    opened(&data).await;
    assert_eq!(mode(&data.join("seal.key")), 0o600, "a careless copy is closed again");
}

#[tokio::test]
async fn two_gateways_do_not_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let problem = check_refused(folder.path(), "lock", &["another gateway is running", "help: stop the other"]).await;
    assert!(matches!(problem, OpenProblem::InUse));
    drop(store);
    opened(folder.path()).await;
}

#[tokio::test]
async fn the_key_must_be_the_stores_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("seal.key");
    drop(opened(folder.path()).await);
    let right = fs::read(&key).expect("a key");
    assert_eq!(right.len(), 32);

    fs::write(&key, [7; 32]).expect("written");
    check_refused(folder.path(), "seal.key", &["does not open", "help: put back"]).await;
    fs::write(&key, &right[..31]).expect("written");
    check_refused(folder.path(), "seal.key", &["31 bytes", "help: put back"]).await;
    fs::remove_file(&key).expect("removed");
    check_refused(folder.path(), "seal.key", &["missing", "help: put back"]).await;
    assert!(!key.exists(), "no new key is put in the lost one's place");

    fs::write(&key, right).expect("written");
    opened(folder.path()).await;
}

#[tokio::test]
async fn a_half_made_key_does_not_count() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("seal.key.new"), [7; 5]).expect("written");
    opened(folder.path()).await;
    assert!(!folder.path().join("seal.key.new").exists());
}

#[tokio::test]
async fn what_is_no_store_of_ours_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    opened(folder.path()).await.close().await;
    let database = folder.path().join("store.db");

    fs::write(&database, "not a database, but longer than a header\n".repeat(100)).expect("written");
    check_refused(folder.path(), "store.db", &["damaged", "help: put back a copy"]).await;

    fs::remove_file(&database).expect("removed");
    fs::create_dir(&database).expect("made");
    check_refused(folder.path(), "store.db", &["help: let the gateway's user"]).await;
    fs::remove_dir(&database).expect("removed");

    change(&database, "CREATE TABLE orders (id INTEGER)").await;
    check_refused(folder.path(), "store.db", &["another program", "help: name another folder"]).await;
}

#[tokio::test]
async fn a_damaged_page_is_found_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    for number in 0..=255 {
        store.open_session(&opening(&session(number), None)).await.expect("stored");
    }
    store.close().await;
    drop(store);
    let database = folder.path().join("store.db");
    let mut bytes = fs::read(&database).expect("a database");
    let pages = bytes.len() / 4096;
    assert!(pages > 12, "{pages}");
    bytes[(pages - 3) * 4096..(pages - 1) * 4096].fill(0x5a);
    fs::write(&database, bytes).expect("written");
    check_refused(folder.path(), "store.db", &["damaged", "help: put back a copy"]).await;
}

/// `session(1)` under another id, as the first version wrote it.
const FIRST_SESSION: &str =
    "INSERT INTO session VALUES (zeroblob(32), 'orders', 'orders.example.com', 'ann@example.com',
    'Müller & Söhne', 1800000001000000, 1800000001000000, 'Firefox on Linux')";

#[tokio::test]
async fn whoever_was_logged_in_before_there_were_other_ways_came_by_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    // A key, and a database of the first shape.
    opened(folder.path()).await.close().await;
    for file in ["store.db", "store.db-wal", "store.db-shm"] {
        let _ = fs::remove_file(folder.path().join(file));
    }
    let database = folder.path().join("store.db");
    change(&database, include_str!("migrations/0001_begin.sql")).await;
    change(&database, FIRST_SESSION).await;
    let older = open_beside(folder.path()).await.err().expect("a command changes no shape");
    assert!(matches!(older.problem, OpenProblem::Older { found: 1, .. }), "{older}");
    let store = opened(folder.path()).await;
    let ann = session(1);
    let found = store.sessions_of(&ann.app, &ann.email).await.expect("read");
    assert_eq!(found, [SessionRecord { id: found[0].id, ..ann }]);
}

#[tokio::test]
async fn a_command_works_beside_a_running_gateway() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = open_beside(folder.path()).await.err().expect("there is nothing yet");
    assert!(matches!(missing.problem, OpenProblem::Missing), "{missing}");
    let store = opened(folder.path()).await;
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    let beside = open_beside(folder.path()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(beside.end_session(hash(1)).await.expect("ended"), Some(hash(1)));
    assert_eq!(store.session(hash(1)).await.expect("read"), None);
}

#[tokio::test]
async fn a_newer_versions_store_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    opened(folder.path()).await.close().await;
    change(&folder.path().join("store.db"), "PRAGMA user_version = 99").await;
    check_refused(folder.path(), "store.db", &["newer version", "99", "help: run the newer version"]).await;
}

#[tokio::test]
async fn a_store_that_may_not_be_written_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), "").expect("written");
    check_refused(&folder.path().join("file/data"), "file/data", &["cannot be made", "help: let"]).await;
    check_refused(&folder.path().join("file"), "file", &["cannot be made", "help: let"]).await;

    let data = folder.path().join("data");
    opened(&data).await.close().await;
    fs::set_permissions(data.join("store.db"), fs::Permissions::from_mode(0o400)).expect("set");
    if fs::OpenOptions::new().append(true).open(data.join("store.db")).is_ok() {
        return; // whoever runs this (root, say) may write everything
    }
    check_refused(&data, "store.db", &["help: let the gateway's user"]).await;
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    // SQLite answers a full disk and a full page budget alike: SQLITE_FULL, and the transaction is rolled back.
    let room_for = async |pragma| {
        let mut writer = store.begin().await.expect("a turn");
        sqlx::query(pragma).fetch_one(&mut *writer).await.expect("set");
    };
    room_for("PRAGMA max_page_count = 1").await;
    let big = crate::session::SessionRecord { device: "x".repeat(200_000), ..session(2) };
    let error = store.open_session(&opening(&big, Some(hash(1)))).await.expect_err("full");
    assert!(error.to_string().contains("full"), "{error}");
    assert!(!error.to_string().contains("xxx") && !error.to_string().contains("ann@"));
    assert_eq!(store.session(hash(1)).await.expect("read"), Some(session(1)), "what it replaced is still there");
    room_for("PRAGMA max_page_count = 1000000").await;
    store.open_session(&opening(&big, Some(hash(1)))).await.expect("goes on when there is space again");
}

#[tokio::test]
async fn a_mail_that_cannot_be_read_does_not_stand_before_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    for browser in 1..=2 {
        let id = store.ask(&attempt(browser)).await.expect("stored");
        store.answer(id, Some(&answer(browser)), after(1)).await.expect("answered");
    }
    store.change(sqlx::query("UPDATE outbox SET mail = x'00' WHERE id = 1")).await.expect("spoilt");
    let due = store.mail_due(after(1), 9, &[]).await.expect("read");
    assert_eq!(due.iter().map(|queued| queued.mail.clone()).collect::<Vec<_>>(), [answer(2).mail]);
    assert_eq!(store.queued_mails().await.expect("read"), 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_skipped_in_lists_and_an_error_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    store.ask(&attempt(1)).await.expect("stored");
    store.ask(&attempt(2)).await.expect("stored");
    store.change(sqlx::query("UPDATE attempt SET host = 'a b' WHERE id = 1")).await.expect("spoilt");
    assert_eq!(store.unanswered(&attempt(1).app, Asker::Stranger, i64::MAX, 9).await.expect("read").len(), 1);
    let error = store.attempt_of(hash(1)).await.expect_err("unreadable");
    assert!(error.to_string().contains("attempt.host"), "{error}");
}

/// Changes a database behind the store's back.
async fn change(database: &Path, statement: &'static str) {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;
    let options = SqliteConnectOptions::new().filename(database).create_if_missing(true);
    let mut connection = options.connect().await.expect("opens");
    sqlx::raw_sql(statement).execute(&mut connection).await.expect("changed");
    sqlx::Connection::close(connection).await.expect("closed");
}
