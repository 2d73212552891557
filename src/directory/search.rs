//! Searches everybody whom tables let into an app, for the console. They are read from end to end, so whoever offers this sees to it
//! that few do so at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::TableDirectory;
use super::source::{Step, View};
use crate::policy::Grant;
use crate::state::listing::{FoundPeople, PeopleFilter, Place};

/// So many more than are asked for are kept while tables are read: of two rows for the same person and customer neither counts, which
/// shows only when the second comes.
const SPARE: usize = 10_000;

impl TableDirectory {
    /// Whom the tables let into an app, in the order of their places.
    pub async fn search(&self, filter: PeopleFilter<'_>) -> FoundPeople {
        let tables = self.tables.load_full();
        let Some(lists) = tables.apps.get(filter.app) else { return FoundPeople::default() };
        let policy = &lists.app.policy;
        let now = self.clock.now();
        let mut found = Found { people: BTreeMap::new(), most: filter.most.saturating_add(SPARE) };
        let mut unread = Vec::new();
        for email in policy.workspace.keys() {
            if let Some(grant) = policy.workspace_grant(email) {
                found.add(filter, Arc::new(grant));
            }
        }
        for (list, source) in policy.lists.iter().zip(&lists.sources) {
            let mut each = |step: Step| {
                let Ok(row) = step.row.map(Arc::new) else { return };
                if let Ok(grant) = policy.nominate(list, &row, now, &mut Vec::new())
                    && !policy.workspace.contains_key(&grant.email)
                {
                    found.add(filter, Arc::new(grant));
                }
            };
            if let Err(why) = source.walk(View::List(list), now, &mut each).await {
                unread.push(format!("{}: {why}", list.name));
            }
        }
        FoundPeople { grants: found.finish(filter.most), unread }
    }
}

/// The first of those who are asked for.
struct Found {
    /// Nothing where two rows are for the same person and customer.
    people: BTreeMap<Place, Option<Arc<Grant>>>,
    most: usize,
}

impl Found {
    fn add(&mut self, filter: PeopleFilter<'_>, grant: Arc<Grant>) {
        if !filter.wants(&grant) {
            return;
        }
        self.people.entry(Place::of(&grant)).and_modify(|known| *known = None).or_insert(Some(grant));
        if self.people.len() > self.most {
            self.people.pop_last();
        }
    }

    fn finish(self, most: usize) -> Vec<Arc<Grant>> {
        self.people.into_values().flatten().take(most).collect()
    }
}
