//! Whom a customer has: the people whom the tables name, and those who have a record that counts.
//!
//! Only who they are: what each may do is the directory's to say, person by person.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::members::{Record, RecordFilter, RecordState, RecordStore, Tables};
use super::notifications::{Audience, MOST_PEOPLE, Recipients};
use super::ports::Unavailable;
use crate::types::{AppName, CustomerId, Email};

/// How many records are read at a time.
const RECORDS_AT_ONCE: u32 = 500;

/// Tells whom customers have.
pub struct Membership {
    tables: Arc<dyn Tables>,
    /// Whom the tables name for all customers together.
    everybody: Arc<dyn Audience>,
    records: Arc<dyn RecordStore>,
    counting: tokio::sync::Mutex<()>,
}

/// How many people a customer has, or all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Headcount {
    /// Those who have access.
    pub people: u64,
    /// Invitations that may still be accepted.
    pub invitations: u64,
}

impl Membership {
    /// Puts records beside tables.
    #[must_use]
    pub fn new(tables: Arc<dyn Tables>, everybody: Arc<dyn Audience>, records: Arc<dyn RecordStore>) -> Self {
        Self { tables, everybody, records, counting: tokio::sync::Mutex::default() }
    }

    /// How many people a customer has, or all of them together.
    ///
    /// # Errors
    /// When a list or the store cannot be read.
    pub async fn headcount(
        &self,
        app: &AppName,
        customer: Option<&CustomerId>,
        now: Timestamp,
    ) -> Result<Headcount, Unavailable> {
        let mut people = match customer {
            Some(customer) => self.named(app, customer).await?,
            None => {
                // All tables are read for it: whoever else asks waits.
                let _turn = self.counting.lock().await;
                self.everybody.people(app, &Recipients::Everybody).await?.into_iter().collect()
            }
        };
        let records = self.all_records(app, customer).await?;
        let is_open = |record: &&Record| matches!(record.state, RecordState::Invited { expires, .. } if expires > now);
        let invitations = records.iter().filter(is_open).count();
        people.extend(records.into_iter().filter(counts).map(|record| record.entry.email));
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Ok(Headcount { people: number(people.len()), invitations: number(invitations) })
    }

    /// Whom the tables name for a customer.
    async fn named(&self, app: &AppName, customer: &CustomerId) -> Result<BTreeSet<Email>, Unavailable> {
        let named = self.tables.of_customer(app, customer, MOST_PEOPLE + 1).await;
        if let Some((list, cause)) = named.unasked.into_iter().next() {
            return Err(Unavailable { source_name: list, cause });
        }
        Ok(named.people.into_iter().map(|grant| grant.email).collect())
    }

    async fn all_records(&self, app: &AppName, customer: Option<&CustomerId>) -> Result<Vec<Record>, Unavailable> {
        let mut all: Vec<Record> = Vec::new();
        loop {
            let after = all.last().map_or(0, |record| record.id);
            let filter =
                RecordFilter { app: Some(app), customer, after, most: RECORDS_AT_ONCE, ..RecordFilter::default() };
            let some = self
                .records
                .records(filter)
                .await
                .map_err(|error| Unavailable { source_name: "the records".to_owned(), cause: error.to_string() })?;
            let is_last = some.len() < RECORDS_AT_ONCE as usize;
            all.extend(some);
            if is_last {
                return Ok(all);
            }
        }
    }
}

const fn counts(record: &Record) -> bool {
    matches!(record.state, RecordState::Active)
}

#[async_trait]
impl Audience for Membership {
    async fn people(&self, app: &AppName, recipients: &Recipients) -> Result<Vec<Email>, Unavailable> {
        let mut people = match recipients {
            Recipients::Of(customer) => self.named(app, customer).await?,
            Recipients::Everybody => self.everybody.people(app, recipients).await?.into_iter().collect(),
        };
        let records = self.all_records(app, recipients.customer()).await?;
        people.extend(records.into_iter().filter(counts).map(|record| record.entry.email));
        Ok(people.into_iter().collect())
    }
}
