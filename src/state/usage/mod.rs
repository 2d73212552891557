//! What customers use: people, log-ins, requests and refusals by day, and the pages shown most.
//!
//! Requests are counted where they end, in a [`Tally`] that the compiled session holds, so counting costs the warm path a few
//! nanoseconds. Every few seconds the tallies are written down, and once more at the stop; a crash loses what was not. A count goes to the day in
//! which it is written down, so one from the last seconds before midnight may stand on the next day.
//!
//! Neither our own pages nor what staff does is counted; a preview is staff's.

mod page;
mod tally;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tokio_util::sync::CancellationToken;

pub use page::{MOST_PAGE_BYTES, Page};
pub use tally::{MOST_PAGES, MOST_PEOPLE, OTHER_PAGES, Taken, Tally};

use super::clock::Clock;
use super::ports::StoreError;
use super::snapshot::Current;
use crate::policy::Grant;
use crate::session::Token;
use crate::types::{AppName, CustomerId, DisplayName, Email};

/// How often counts are written down.
const EVERY: Duration = Duration::from_secs(5);
/// How often what is too old is cleared out.
const CLEAR_EVERY: u32 = 720;
/// For how many days requests, refusals and log-ins are kept.
pub const DAYS_KEPT: i32 = 400;
/// For how many days pages and people are kept: as many as are ever looked at together.
pub const DETAILS_KEPT: i32 = 31;
/// How many pages a report names.
pub const PAGES_SHOWN: u32 = 10;
/// How many customers can be picked from.
pub const CUSTOMERS_SHOWN: u32 = 500;

/// The name of the secret under which people are kept.
pub const KEY: &str = "usage-key";

/// A new such secret.
#[must_use]
pub fn new_key() -> Vec<u8> {
    Token::generate().bytes().to_vec()
}

/// A person of an app, as counts know them.
#[must_use]
pub fn mark(key: &hmac::Key, app: &AppName, email: &Email) -> [u8; 8] {
    let tag = hmac::sign(key, format!("{app}/{email}").as_bytes());
    let mut mark = [0; 8];
    mark.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    mark
}

/// Counts of one customer on one day.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The app.
    pub app: AppName,
    /// The customer.
    pub customer: CustomerId,
    /// The customer's name, where it is known.
    pub name: Option<DisplayName>,
    /// The day, counted from 1970-01-01.
    pub day: i32,
    /// The counts.
    pub taken: Taken,
}

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Span {
    /// The app.
    pub app: AppName,
    /// The customer; all of them, without one.
    pub customer: Option<CustomerId>,
    /// The first day, counted from 1970-01-01.
    pub from: i32,
}

/// What the store has of some days.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Days with anything on them: number, requests, refusals, log-ins.
    pub days: Vec<(i32, u64, u64, u64)>,
    /// Days with anybody on them, and how many people.
    pub people: Vec<(i32, u64)>,
    /// How many people there were on all of these days together.
    pub active: u64,
    /// The pages shown most, most first.
    pub pages: Vec<(String, u64)>,
}

/// A customer that used an app.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CustomerUse {
    /// The customer.
    pub id: CustomerId,
    /// Its name, where it is known.
    pub name: Option<DisplayName>,
    /// How many requests its people made.
    pub requests: u64,
}

/// Where counts are kept.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds counts to those of their days, all or none.
    async fn add_usage(&self, counted: &[Counted]) -> Result<(), StoreError>;
    /// What there is of some days.
    async fn usage(&self, span: &Span, most_pages: u32) -> Result<Kept, StoreError>;
    /// The customers that used an app since a day, those with most requests first.
    async fn customers_with_usage(&self, app: &AppName, from: i32, most: u32) -> Result<Vec<CustomerUse>, StoreError>;
    /// Forgets days before these: counts, and pages and people.
    async fn forget_usage(&self, app: &AppName, counts_before: i32, details_before: i32) -> Result<(), StoreError>;
}

/// One day of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// Requests that passed.
    pub requests: u64,
    /// Requests that a rule refused.
    pub refusals: u64,
    /// Sessions that began.
    pub logins: u64,
    /// People who were here.
    pub people: u64,
}

/// What an app, or one customer of it, used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Day by day, the oldest first, without a gap.
    pub days: Vec<Day>,
    /// How many people were here on all these days together.
    pub active: u64,
    /// The pages shown most, most first, with how often.
    pub pages: Vec<(String, u64)>,
}

/// Counts what customers use.
pub struct Usage {
    current: Arc<Current>,
    store: Arc<dyn UsageStore>,
    clock: Clock,
    key: hmac::Key,
    tallies: Mutex<HashMap<(AppName, CustomerId), Arc<Tally>>>,
    /// One writes at a time, or a report could miss what another is about to write.
    writing: tokio::sync::Mutex<()>,
}

impl Usage {
    /// Counts into a store. Addresses are kept as hashes under the key.
    #[must_use]
    pub fn new(current: Arc<Current>, store: Arc<dyn UsageStore>, clock: Clock, key: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Self { current, store, clock, key, tallies: Mutex::default(), writing: tokio::sync::Mutex::default() }
    }

    /// Where the requests of a grant's person count; nowhere without a customer. The person counts as being here.
    #[must_use]
    pub fn tally(&self, grant: &Grant, now: Timestamp) -> Option<Arc<Tally>> {
        let customer = grant.customer.as_ref()?;
        let tally = self.tally_of(&grant.app, &customer.id);
        let day = self.today(&grant.app, now);
        tally.is_here(mark(&self.key, &grant.app, &grant.email), day, customer.name.as_ref());
        Some(tally)
    }

    /// A session began for a customer.
    pub fn logged_in(&self, app: &AppName, customer: &CustomerId) {
        self.tally_of(app, customer).logged_in();
    }

    fn tally_of(&self, app: &AppName, customer: &CustomerId) -> Arc<Tally> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tallies.entry((app.clone(), customer.clone())).or_default())
    }

    fn zone(&self, app: &AppName) -> TimeZone {
        self.current.load().app(app).map_or(TimeZone::UTC, |app| app.policy.time_zone.clone())
    }

    fn today(&self, app: &AppName, now: Timestamp) -> i32 {
        number(now.to_zoned_datetime(self.zone(app)).date())
    }

    /// Writes down what was counted.
    ///
    /// # Errors
    /// When the store fails; the counts are kept for the next time.
    pub async fn flush(&self) -> Result<(), StoreError> {
        /// How many customers one transaction writes: others wait for it.
        const AT_ONCE: usize = 200;
        let _writing = self.writing.lock().await;
        let now = self.clock.now();
        let mut taken = Vec::new();
        {
            let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
            tallies.retain(|(app, customer), tally| {
                let counts = tally.take();
                let is_idle = counts.is_empty();
                if !is_idle {
                    taken.push((app.clone(), customer.clone(), Arc::clone(tally), counts));
                }
                // Whoever has been seen today must not count again, so one that a session still holds stays.
                !is_idle || Arc::strong_count(tally) > 1
            });
        }
        let mut failure = None;
        for some in taken.chunks(AT_ONCE) {
            let counted: Vec<_> = some
                .iter()
                .map(|(app, customer, tally, taken)| Counted {
                    app: app.clone(),
                    customer: customer.clone(),
                    name: tally.name(),
                    day: self.today(app, now),
                    taken: taken.clone(),
                })
                .collect();
            if failure.is_none() {
                failure = self.store.add_usage(&counted).await.err();
            }
            if failure.is_some() {
                some.iter().for_each(|(.., tally, taken)| tally.put_back(taken.clone()));
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// What an app used in the last days, today among them: one customer of it, or all together.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn report(&self, app: &AppName, customer: Option<&CustomerId>, days: u16) -> Result<Report, StoreError> {
        self.flush().await?;
        let today = self.clock.now().to_zoned_datetime(self.zone(app)).date();
        let first = today.checked_sub(i64::from(days.max(1) - 1).days()).unwrap_or(today);
        let span = Span { app: app.clone(), customer: customer.cloned(), from: number(first) };
        let kept = self.store.usage(&span, PAGES_SHOWN).await?;
        let counts: HashMap<_, _> =
            kept.days.iter().map(|(day, requests, refusals, logins)| (*day, (*requests, *refusals, *logins))).collect();
        let people: HashMap<_, _> = kept.people.iter().copied().collect();
        let day = |date: Date| {
            let (requests, refusals, logins) = counts.get(&number(date)).copied().unwrap_or_default();
            Day { date, requests, refusals, logins, people: people.get(&number(date)).copied().unwrap_or_default() }
        };
        let dates = first.series(1.day()).take_while(|date| *date <= today);
        Ok(Report { days: dates.map(day).collect(), active: kept.active, pages: kept.pages })
    }

    /// The customers that used an app in the last days, those with most requests first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn customers(&self, app: &AppName, days: u16) -> Result<Vec<CustomerUse>, StoreError> {
        let from = self.today(app, self.clock.now()).saturating_sub(i32::from(days));
        self.store.customers_with_usage(app, from, CUSTOMERS_SHOWN).await
    }

    /// Writes down every few seconds, until it is told to stop, and then once more.
    pub async fn run(&self, halt: CancellationToken) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ticks: u32 = 0;
        while halt.run_until_cancelled(every.tick()).await.is_some() {
            self.flush_or_tell().await;
            if ticks.is_multiple_of(CLEAR_EVERY) {
                self.clear_out().await;
            }
            ticks = ticks.wrapping_add(1);
        }
        self.flush_or_tell().await;
    }

    async fn flush_or_tell(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "what customers used could not be written down; it is tried again");
        }
    }

    async fn clear_out(&self) {
        let apps: Vec<_> = self.current.load().apps().map(|app| app.name.clone()).collect();
        for app in apps {
            let today = self.today(&app, self.clock.now());
            if let Err(error) = self.store.forget_usage(&app, today - DAYS_KEPT, today - DETAILS_KEPT).await {
                tracing::warn!(%error, "old counts could not be cleared out");
            }
        }
    }
}

/// A day as a number, counted from 1970-01-01.
fn number(date: Date) -> i32 {
    const BEGIN: Date = jiff::civil::date(1970, 1, 1);
    date.since(BEGIN).map_or(0, |span| span.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_numbered_from_1970() {
        for (date, expected) in [("1970-01-01", 0), ("1970-03-01", 59), ("2026-11-26", 20_783), ("1969-12-31", -1)] {
            assert_eq!(number(date.parse().expect("a date")), expected, "{date}");
        }
    }
}
