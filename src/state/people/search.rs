//! Looking for people who have a record: the tables know nothing of them.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::People;
use crate::state::members::RecordFilter;
use crate::state::people_search::{Found, MOST_FOUND, PeopleSearch, begins};
use crate::state::ports::Directory as _;
use crate::types::{AppName, DisplayName};

/// So many records are looked through; of those that hold the text, most begin with it.
const MOST_READ: u32 = 500;

#[async_trait]
impl PeopleSearch for People {
    async fn search(&self, app: &AppName, text: &str) -> Found {
        let mut found = Found::default();
        let wanted = text.trim().to_lowercase();
        let filter = RecordFilter { app: Some(app), text: Some(&wanted), most: MOST_READ, ..RecordFilter::default() };
        let records = match self.store.records(filter).await {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(%error, "records could not be searched");
                found.unread.push("records".to_owned());
                return found;
            }
        };
        found.is_cut = records.len() >= usize::try_from(MOST_READ).unwrap_or(usize::MAX);
        let begun = records.iter().map(|record| &record.entry).filter(|entry| {
            let names = [&entry.first_name, &entry.last_name].into_iter().flatten().map(DisplayName::as_str);
            begins(&wanted, names.chain([entry.email.as_str()]))
        });
        let emails: BTreeSet<_> = begun.map(|entry| &entry.email).collect();
        found.is_cut |= emails.len() > MOST_FOUND;
        for email in emails.into_iter().take(MOST_FOUND) {
            // What they have counts, and not what the record says: it may be suspended, or the table's word may stand.
            let Ok(known) = self.known(app, email).await else { continue };
            for grant in known.grants.iter().filter(|grant| grant.customer.is_some()) {
                found.add(std::sync::Arc::clone(grant));
            }
        }
        found
    }
}
