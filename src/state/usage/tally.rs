//! What one customer's people do, counted as it happens.
//!
//! A request adds to a counter or two and, where it showed a page, to that page's number behind a lock that it does not wait
//! for. It makes no memory but for a page seen for the first time, and does no I/O: [`super::Usage`] takes the counts
//! away every few seconds.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use super::page::Page;
use crate::types::DisplayName;

/// How many pages are told apart; what else there is counts as [`OTHER_PAGES`].
pub const MOST_PAGES: usize = 200;
/// The pages that are not told apart.
pub const OTHER_PAGES: &str = "";
/// So many people of a customer are counted exactly, each day; there are at least so many where there are more.
pub const MOST_PEOPLE: usize = 10_000;

/// One customer's counts since they were last taken away.
#[derive(Debug, Default)]
pub struct Tally {
    requests: AtomicU64,
    refusals: AtomicU64,
    logins: AtomicU64,
    /// Pages whose lock was taken just then are missing here, and only here.
    pages: Mutex<HashMap<Box<str>, u64>>,
    people: Mutex<People>,
    name: Mutex<Option<DisplayName>>,
}

#[derive(Debug, Default)]
struct People {
    /// The day that they were here.
    day: i32,
    /// All that were.
    seen: HashSet<[u8; 8]>,
    /// Those of them who are not written down yet.
    new: Vec<[u8; 8]>,
}

/// Counts that were taken away.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Taken {
    /// Requests that passed.
    pub requests: u64,
    /// Requests that a rule refused.
    pub refusals: u64,
    /// Sessions that began.
    pub logins: u64,
    /// Pages shown.
    pub pages: Vec<(Box<str>, u64)>,
    /// Who was here, and was not before on that day.
    pub people: Vec<[u8; 8]>,
}

impl Taken {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Tally {
    /// A request passed; `page` is what it showed, where that was one.
    pub fn passed(&self, page: Option<&str>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(path) = page {
            self.showed(&Page::of(path));
        }
    }

    /// A request was refused.
    pub fn refused(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// A session began.
    pub fn logged_in(&self) {
        self.logins.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody is here on a day. Called when a session is compiled, not with each request.
    pub(super) fn is_here(&self, who: [u8; 8], day: i32, name: Option<&DisplayName>) {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        if people.day != day {
            // Those who are not written down yet were here in the last seconds: they go with the new day.
            *people = People { day, seen: people.new.iter().copied().collect(), new: std::mem::take(&mut people.new) };
        }
        if people.seen.len() < MOST_PEOPLE && people.seen.insert(who) {
            people.new.push(who);
        }
        drop(people);
        if let Some(name) = name {
            let mut known = self.name.lock().unwrap_or_else(PoisonError::into_inner);
            if known.as_ref() != Some(name) {
                *known = Some(name.clone());
            }
        }
    }

    fn showed(&self, page: &Page) {
        let mut pages = match self.pages.try_lock() {
            Ok(pages) => pages,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody else counts just now. No request waits for that.
            Err(TryLockError::WouldBlock) => return,
        };
        let name = page.as_str();
        if let Some(count) = pages.get_mut(name) {
            *count = count.saturating_add(1);
            return;
        }
        let name = if pages.len() < MOST_PAGES { name } else { OTHER_PAGES };
        *pages.entry(name.into()).or_default() += 1;
    }

    /// The customer's name, as it was last heard.
    pub(super) fn name(&self) -> Option<DisplayName> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the counts away.
    pub(super) fn take(&self) -> Taken {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = pages.drain().collect();
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        Taken {
            requests: take(&self.requests),
            refusals: take(&self.refusals),
            logins: take(&self.logins),
            pages,
            people: std::mem::take(&mut people.new),
        }
    }

    /// Puts counts back that could not be written down.
    pub(super) fn put_back(&self, taken: Taken) {
        self.requests.fetch_add(taken.requests, Ordering::Relaxed);
        self.refusals.fetch_add(taken.refusals, Ordering::Relaxed);
        self.logins.fetch_add(taken.logins, Ordering::Relaxed);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        for (page, count) in taken.pages {
            let is_known = pages.contains_key(&page) || pages.len() < MOST_PAGES;
            let name = if is_known { page } else { OTHER_PAGES.into() };
            *pages.entry(name).or_default() += count;
        }
        drop(pages);
        self.people.lock().unwrap_or_else(PoisonError::into_inner).new.extend(taken.people);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_happened_is_taken_once() {
        let tally = Tally::default();
        tally.passed(Some("/orders/1"));
        tally.passed(Some("/orders/2"));
        tally.passed(None);
        tally.refused();
        tally.logged_in();
        tally.is_here([1; 8], 7, None);
        tally.is_here([1; 8], 7, None);
        let taken = tally.take();
        let pages = vec![("/orders/*".into(), 2)];
        assert_eq!(taken, Taken { requests: 3, refusals: 1, logins: 1, pages, people: vec![[1; 8]] });
        assert!(tally.take().is_empty());
        tally.is_here([1; 8], 7, None);
        assert!(tally.take().is_empty(), "a person counts once a day");
        tally.is_here([1; 8], 8, None);
        tally.put_back(taken.clone());
        assert_eq!(tally.take().requests, 3);
    }

    #[test]
    fn tables_are_bounded() {
        let tally = Tally::default();
        for number in 0..MOST_PAGES + 50 {
            let name: String = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect();
            tally.passed(Some(&format!("/{name}")));
        }
        for number in 0..MOST_PEOPLE + 50 {
            tally.is_here((number as u64).to_be_bytes(), 1, None);
        }
        let taken = tally.take();
        assert_eq!(taken.pages.len(), MOST_PAGES + 1);
        assert_eq!(taken.pages.iter().find(|(page, _)| &**page == OTHER_PAGES).map(|(_, count)| *count), Some(50));
        assert_eq!(taken.people.len(), MOST_PEOPLE);
    }

    #[test]
    fn no_request_is_lost_while_counts_are_taken() {
        let tally = Arc::new(Tally::default());
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let tally = Arc::clone(&tally);
                std::thread::spawn(move || (0..10_000).for_each(|_| tally.passed(Some("/a"))))
            })
            .collect();
        let mut requests = 0;
        while !workers.iter().all(std::thread::JoinHandle::is_finished) {
            requests += tally.take().requests;
        }
        for worker in workers {
            worker.join().expect("counts");
        }
        assert_eq!(requests + tally.take().requests, 40_000);
    }
}
