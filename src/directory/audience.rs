//! Whom a notification goes to: the people whom an app's lists name, for one customer or for all.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::TableDirectory;
use super::source::{Step, View};
use crate::state::notifications::{Audience, Recipients};
use crate::state::ports::Unavailable;
use crate::types::{AppName, CustomerId, Email};

#[async_trait]
impl Audience for TableDirectory {
    async fn people(&self, app: &AppName, recipients: &Recipients) -> Result<Vec<Email>, Unavailable> {
        let Some(lists) = self.lists(app) else { return Ok(Vec::new()) };
        let policy = &lists.app.policy;
        let now = self.clock.now();
        // Two rows for one person and customer let nobody in, so nobody is told anything by them.
        let mut nominations: HashMap<(Email, CustomerId), u32> = HashMap::new();
        for (list, source) in policy.lists.iter().zip(&lists.sources) {
            let mut each = |step: Step| {
                let Ok(row) = step.row.map(Arc::new) else { return };
                let Ok(grant) = policy.nominate(list, &row, now, &mut Vec::new()) else { return };
                let Some(customer) = grant.customer.map(|customer| customer.id) else { return };
                let is_meant = recipients.customer().is_none_or(|meant| *meant == customer);
                if is_meant && !policy.workspace.contains_key(&grant.email) {
                    *nominations.entry((grant.email, customer)).or_default() += 1;
                }
            };
            source
                .walk(View::List(list), now, &mut each)
                .await
                .map_err(|cause| Unavailable { source_name: list.source.to_string(), cause })?;
        }
        let mut people: Vec<Email> =
            nominations.into_iter().filter(|(_, rows)| *rows == 1).map(|((email, _), _)| email).collect();
        people.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        people.dedup();
        Ok(people)
    }
}
