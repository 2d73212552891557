//! Looks for people in the tables by the beginning of a name or address, for whoever may preview them.
//!
//! A table is no index of names, so it is walked, as far as it is in memory from there; a database is read for a few seconds at most. Whoever is
//! not found by then is found by the whole address, which is asked for as at a log-in.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::TableDirectory;
use super::source::{Step, View};
use crate::policy::{CustomerList, Row};
use crate::state::people_search::{Found, MOST_FOUND, PeopleSearch, begins};
use crate::types::AppName;

/// How long all lists of an app together are searched.
const WITHIN: Duration = Duration::from_secs(4);

#[async_trait]
impl PeopleSearch for TableDirectory {
    async fn search(&self, app: &AppName, text: &str) -> Found {
        let mut found = Found::default();
        let Some(lists) = self.lists(app) else { return found };
        let wanted = text.trim().to_lowercase();
        if wanted.is_empty() {
            return found;
        }
        let now = self.clock.now();
        let policy = &lists.app.policy;
        let until = tokio::time::Instant::now() + WITHIN;
        for (list, source) in policy.lists.iter().zip(&lists.sources) {
            let is_full = AtomicBool::new(false);
            let mut each = |step: Step| {
                let Ok(row) = step.row else { return };
                if is_full.load(Ordering::Relaxed) || !fits(list, &row, &wanted) {
                    return;
                }
                let Ok(grant) = policy.nominate(list, &Arc::new(row), now, &mut Vec::new()) else { return };
                if !policy.workspace.contains_key(&grant.email) {
                    found.add(Arc::new(grant));
                    is_full.store(found.is_cut, Ordering::Relaxed);
                }
            };
            let walked = {
                let mut walk = pin!(source.walk_shown(View::List(list), now, &mut each));
                // Who is found is enough: the rest of a large table need not be read for it.
                let enough = poll_fn(|context| match walk.as_mut().poll(context) {
                    Poll::Pending if is_full.load(Ordering::Relaxed) => Poll::Ready(Ok(())),
                    polled => polled,
                });
                tokio::time::timeout_at(until, enough).await
            };
            match walked {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => found.unread.push(list.name.clone()),
            }
            if found.people.len() >= MOST_FOUND && found.is_cut {
                break;
            }
        }
        found
    }
}

/// Whether a row is about somebody who is looked for. Asked before anything else of the row, which takes longer.
fn fits(list: &CustomerList, row: &Row, wanted: &str) -> bool {
    let columns = &list.columns;
    let all =
        [Some(&columns.email), columns.person.as_ref(), columns.customer_name.as_ref(), columns.customer.as_ref()];
    let texts: Vec<String> = all.into_iter().flatten().filter_map(|column| row.text(column.as_str())).collect();
    begins(wanted, texts.iter().map(String::as_str))
}
