//! Looks for people who have a record, by a name or address: what they have is what records and tables come to together.

use async_trait::async_trait;

use super::People;
use crate::state::members::RecordFilter;
use crate::state::people_search::{Found, MOST_FOUND, PeopleSearch, begins};
use crate::state::ports::Directory as _;
use crate::types::AppName;

#[async_trait]
impl PeopleSearch for People {
    async fn search(&self, app: &AppName, text: &str) -> Found {
        let mut found = Found::default();
        let wanted = text.trim().to_lowercase();
        if wanted.is_empty() {
            return found;
        }
        let most = u32::try_from(MOST_FOUND).unwrap_or(u32::MAX);
        let filter = RecordFilter { app: Some(app), text: Some(text.trim()), most, ..RecordFilter::default() };
        let Ok(records) = self.records(filter).await else {
            found.unread.push("records".to_owned());
            return found;
        };
        found.is_cut = records.len() >= MOST_FOUND;
        for record in records {
            let entry = &record.entry;
            let names = [&entry.first_name, &entry.last_name].into_iter().flatten().map(|name| name.as_str());
            if !begins(&wanted, names.chain([entry.email.as_str()])) {
                continue;
            }
            match self.known(app, &entry.email).await {
                // Who may not enter, by this record or at all, is not among them.
                Ok(known) => {
                    let grants = known.grants.iter().filter(|grant| grant.customer_id() == Some(&entry.customer));
                    grants.cloned().for_each(|grant| found.add(grant));
                }
                Err(cause) => found.unread.push(cause.source_name),
            }
        }
        found
    }
}
