//! Whom the tables name for one customer.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::engine::More;
use super::source::Source;
use super::{Memory, TableDirectory};
use crate::policy::{CustomerList, Grant, Row};
use crate::state::members::{Named, Tables};
use crate::state::people_search::{Candidates, PeopleFilter};
use crate::state::ports::{Known, Unavailable};
use crate::types::{AppName, CustomerId, Email};

#[async_trait]
impl Tables for TableDirectory {
    async fn told(&self, app: &AppName, email: &Email, is_recorded: bool) -> Result<Arc<Known>, Unavailable> {
        let memory = if is_recorded { Memory::OfRecorded } else { Memory::OfPeople };
        self.told_at(app, email, memory, self.clock.now()).await
    }

    async fn of_customer(&self, app: &AppName, customer: &CustomerId, most: usize) -> Named {
        self.named(app, customer, most, self.clock.now()).await
    }

    async fn candidates(&self, filter: PeopleFilter<'_>) -> Candidates {
        self.candidates(filter).await
    }
}

impl TableDirectory {
    pub(super) async fn named(&self, app: &AppName, customer: &CustomerId, most: usize, now: Timestamp) -> Named {
        let mut named = Named::default();
        let Some(lists) = self.lists(app) else { return named };
        let policy = &lists.app.policy;
        let mut people: BTreeMap<Email, Vec<Grant>> = BTreeMap::new();
        for (list, source) in policy.lists.iter().zip(&lists.sources) {
            source.freshen(now).await;
            let rows = match rows_of(list, source, customer, most, now).await {
                Ok(rows) => rows,
                Err(why) => {
                    named.unasked.push((list.name.clone(), why));
                    continue;
                }
            };
            named.is_cut |= rows.len() > most;
            for row in rows {
                let Ok(grant) = policy.nominate(list, &row, now, &mut Vec::new()) else { continue };
                if grant.customer_id() == Some(customer) && !policy.workspace.contains_key(&grant.email) {
                    people.entry(grant.email.clone()).or_default().push(grant);
                }
            }
        }
        // Of two rows for one person neither counts.
        named.people.extend(people.into_values().filter_map(|mut grants| {
            let only = grants.pop()?;
            grants.is_empty().then_some(only)
        }));
        named.is_cut |= named.people.len() > most;
        named.people.truncate(most);
        named
    }
}

/// The rows of a list for a customer, one more than `most` where there are more.
async fn rows_of(
    list: &CustomerList,
    source: &Source,
    customer: &CustomerId,
    most: usize,
    now: Timestamp,
) -> Result<Vec<Arc<Row>>, String> {
    let Some(column) = &list.columns.customer else {
        // Each address is a customer of its own.
        let Ok(email) = Email::parse(customer.as_str()) else { return Ok(Vec::new()) };
        let found = source.find(list, &email, now, false).await?;
        return Ok(found.rows.into_iter().map(|found| found.row).collect());
    };
    let mut rows = Vec::new();
    let mut each = |row: Row| {
        if list.customer_of(&row).is_some_and(|found| found.id == *customer) {
            rows.push(Arc::new(row));
        }
        if rows.len() > most { More::Enough } else { More::Wanted }
    };
    source.of_customer(list, column, customer.as_str(), now, &mut each).await?;
    Ok(rows)
}
