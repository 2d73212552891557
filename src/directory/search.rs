//! Looks for people in the tables. A table is no index of names, so all of it is looked through: whoever asks sees to it that few do so
//! at a time.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::TableDirectory;
use super::source::{Step, View};
use crate::policy::{CustomerList, Row};
use crate::state::people_search::{Candidates, PeopleFilter, SEARCHED_FOR};

impl TableDirectory {
    pub(super) async fn candidates(&self, filter: PeopleFilter<'_>) -> Candidates {
        let mut candidates = Candidates::of(&filter);
        let Some(lists) = self.lists(filter.app) else { return candidates };
        let policy = &lists.app.policy;
        let now = self.clock.now();
        let until = Instant::now() + SEARCHED_FOR;
        for email in policy.workspace.keys().filter(|email| filter.fits([email.as_str()])) {
            candidates.add(&filter, email);
        }
        for (list, source) in policy.lists.iter().zip(&lists.sources) {
            let mut each = |step: Step| {
                // Asked before anything else of the row, which takes longer.
                let Some(row) = step.row.ok().filter(|row| fits(&filter, list, row)) else { return };
                if let Ok(grant) = policy.nominate(list, &Arc::new(row), now, &mut Vec::new()) {
                    candidates.add(&filter, &grant.email);
                }
            };
            let walk = async {
                source.freshen(now).await;
                source.walk_shown(View::List(list), now, &mut each).await
            };
            let walked = timeout_at(until, walk).await;
            match walked.unwrap_or_else(|_| Err(format!("not read to its end within {SEARCHED_FOR:?}"))) {
                Ok(()) => {}
                Err(why) => candidates.unread.push(format!("{}: {why}", list.name)),
            }
        }
        candidates
    }
}

fn fits(filter: &PeopleFilter<'_>, list: &CustomerList, row: &Row) -> bool {
    let columns = &list.columns;
    let all =
        [Some(&columns.email), columns.person.as_ref(), columns.customer_name.as_ref(), columns.customer.as_ref()];
    let texts: Vec<String> = all.into_iter().flatten().filter_map(|column| row.text(column.as_str())).collect();
    filter.fits(texts.iter().map(String::as_str))
}
