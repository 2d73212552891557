//! The journal over a store that is slow, fails, or comes back.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use async_trait::async_trait;
use jiff::Timestamp;

use super::super::kept::{Kept, Question, Verified};
use super::*;
use crate::state::ports::StoreError;
use crate::types::Email;

/// A store that keeps entries in memory, and fails when it is told to.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) entries: Mutex<Vec<Entry>>,
    fails: AtomicBool,
    transactions: AtomicUsize,
    gate: Option<tokio::sync::Semaphore>,
}

#[async_trait]
impl AuditStore for Shelf {
    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("open").forget();
        }
        if self.fails.load(Ordering::Acquire) {
            return Err(StoreError { what: "store the audit log", cause: "told to".to_owned() });
        }
        self.transactions.fetch_add(1, Ordering::AcqRel);
        self.entries.lock().expect("not poisoned").extend_from_slice(entries);
        Ok(())
    }

    async fn entries(&self, _: &Question) -> Result<Vec<Kept>, StoreError> {
        Ok(Vec::new())
    }

    async fn verify(&self) -> Result<Verified, StoreError> {
        Ok(Verified::default())
    }

    async fn prune(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

fn journal(shelf: &Arc<Shelf>) -> Arc<Journal> {
    Arc::new(Journal::new(Arc::new(Metrics::new()), Arc::clone(shelf) as _))
}

fn write(journal: &Journal, name: &str) {
    let email = Email::parse(&format!("{name}@example.com")).expect("valid");
    journal.write(Scene::gateway(Timestamp::UNIX_EPOCH), &Event::LoginAsked(&email));
}

#[tokio::test]
async fn what_was_written_is_stored_before_it_is_settled() {
    let shelf = Arc::new(Shelf::default());
    let journal = journal(&shelf);
    journal.settled().await.expect("nothing waits");
    let run = tokio::spawn(Arc::clone(&journal).run());
    for number in 0..1200 {
        write(&journal, &number.to_string());
    }
    journal.settled().await.expect("it is stored");
    let entries: Vec<_> = shelf.entries.lock().expect("not poisoned").clone();
    let names: Vec<_> = entries.iter().map(|entry| entry.subject.clone().expect("a person").to_string()).collect();
    let expected: Vec<_> = (0..1200).map(|number| format!("{number}@example.com")).collect();
    assert_eq!(names, expected, "in the order of writing, and each once");
    journal.end();
    run.await.expect("it ends");
}

#[tokio::test]
async fn all_that_waits_goes_into_one_transaction() {
    let shelf = Arc::new(Shelf { gate: Some(tokio::sync::Semaphore::new(0)), ..Shelf::default() });
    let journal = journal(&shelf);
    let run = tokio::spawn(Arc::clone(&journal).run());
    write(&journal, "first");
    tokio::task::yield_now().await;
    for number in 0..20 {
        write(&journal, &number.to_string());
    }
    shelf.gate.as_ref().expect("a gate").add_permits(2);
    journal.settled().await.expect("it is stored");
    assert!(shelf.transactions.load(Ordering::Acquire) <= 2);
    journal.end();
    run.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_lets_nothing_be_acknowledged_and_loses_nothing() {
    let shelf = Arc::new(Shelf::default());
    shelf.fails.store(true, Ordering::Release);
    let journal = journal(&shelf);
    let run = tokio::spawn(Arc::clone(&journal).run());
    write(&journal, "ann");
    write(&journal, "bob");
    assert_eq!(journal.settled().await, Err(Unsettled));
    assert!(shelf.entries.lock().expect("not poisoned").is_empty());
    shelf.fails.store(false, Ordering::Release);
    journal.settled().await.expect("the store is there again");
    assert_eq!(shelf.entries.lock().expect("not poisoned").len(), 2);
    journal.end();
    run.await.expect("it ends");
}

#[tokio::test]
async fn at_the_end_all_that_waits_is_stored() {
    let shelf = Arc::new(Shelf::default());
    let journal = journal(&shelf);
    for number in 0..700 {
        write(&journal, &number.to_string());
    }
    journal.end();
    Arc::clone(&journal).run().await;
    assert_eq!(shelf.entries.lock().expect("not poisoned").len(), 700);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_keeps_new_pages_waiting() {
    let shelf = Arc::new(Shelf::default());
    shelf.fails.store(true, Ordering::Release);
    let journal = journal(&shelf);
    for number in 0..MOST_WAITING {
        assert_eq!(journal.has_room().await, Ok(()), "{number}");
        write(&journal, "ann");
    }
    let run = tokio::spawn(Arc::clone(&journal).run());
    assert_eq!(journal.has_room().await, Err(Unsettled));
    shelf.fails.store(false, Ordering::Release);
    journal.has_room().await.expect("there is room again");
    journal.end();
    run.await.expect("it ends");
}
