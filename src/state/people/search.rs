//! Looking for people: tables and records say whom a text fits, and each of them is then asked about as a log-in asks, so that nobody is
//! shown with what they do not have.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::People;
use crate::policy::Grant;
use crate::state::members::{RecordFilter, RecordState};
use crate::state::people_search::{Candidates, Found, PeopleFilter, Place, SEARCHED_FOR};
use crate::state::ports::{Directory as _, Known, Unavailable};
use crate::types::{AppName, DisplayName, Email};

/// So many search at a time, for each may read whole tables.
pub(super) const SEARCHES: usize = 2;
/// How long others are waited for.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// So many records are read at a time.
const RECORDS_AT_ONCE: u32 = 500;

impl People {
    /// Who may enter an app, of those who are asked for; nothing while others search.
    pub async fn search(&self, filter: PeopleFilter<'_>) -> Option<Found> {
        if let Some(Ok(email)) = filter.text.map(Email::parse) {
            let mut whole = Candidates::of(&filter);
            whole.add(&filter, &email);
            // What its spelling has become by then need not hold the text any more.
            return Some(self.confirm(whole, PeopleFilter { text: None, ..filter }).await);
        }
        let turn = timeout(TURN_WITHIN, self.searches.acquire()).await.ok()?;
        let mut candidates = self.tables.candidates(filter).await;
        self.recorded(&mut candidates, &filter).await;
        drop(turn);
        Some(self.confirm(candidates, filter).await)
    }

    /// Adds those who have a record that fits.
    async fn recorded(&self, candidates: &mut Candidates, filter: &PeopleFilter<'_>) {
        let until = Instant::now() + SEARCHED_FOR;
        let mut asked = RecordFilter {
            app: Some(filter.app),
            state: (!filter.of.with_invited()).then_some(RecordState::Active.name()),
            most: RECORDS_AT_ONCE,
            ..RecordFilter::default()
        };
        loop {
            let records = match self.store.records(asked).await {
                Ok(records) => records,
                Err(error) => return candidates.unread.push(format!("records: {error}")),
            };
            for record in &records {
                let entry = &record.entry;
                let name = entry.name();
                let names = [name.as_ref(), record.customer_name.as_ref()].into_iter().flatten();
                if filter.fits(names.map(DisplayName::as_str).chain([entry.email.as_str(), entry.customer.as_str()])) {
                    candidates.add(filter, &entry.email);
                }
            }
            match records.last() {
                Some(_) if Instant::now() >= until => {
                    return candidates.unread.push(format!("records: not read to their end within {SEARCHED_FOR:?}"));
                }
                Some(last) if records.len() as u64 >= u64::from(RECORDS_AT_ONCE) => asked.after = last.id,
                _ => return,
            }
        }
    }

    async fn known_or_invited(
        &self,
        app: &AppName,
        email: &Email,
        with_invited: bool,
    ) -> Result<(Arc<Known>, Vec<Arc<Grant>>), Unavailable> {
        let invited = if with_invited { self.invited(app, email).await? } else { Vec::new() };
        Ok((self.known(app, email).await?, invited))
    }

    async fn confirm(&self, candidates: Candidates, filter: PeopleFilter<'_>) -> Found {
        let mut found = Found { unread: candidates.unread, ..Found::default() };
        for email in &candidates.emails {
            match self.known_or_invited(filter.app, email, filter.of.with_invited()).await {
                Ok((known, invited)) => {
                    let all = known.grants.iter().chain(&invited);
                    let mut wanted: Vec<_> = all.filter(|grant| filter.wants(grant)).cloned().collect();
                    found.invited.extend(invited.iter().map(|grant| Place::of(grant)));
                    wanted.sort_by_key(|grant| grant.customer_id().cloned());
                    found.people.extend(wanted);
                    found.unread.extend(known.missing.iter().map(ToString::to_string));
                }
                Err(error) => found.unread.push(error.to_string()),
            }
            if found.people.len() > filter.most {
                found.people.truncate(filter.most);
                found.is_cut = true;
                break;
            }
        }
        found.unread.sort_unstable();
        found.unread.dedup();
        found
    }
}
