//! Sessions as they count for their customers.

use std::sync::Arc;

use super::{Sessions, Site};
use crate::policy::{Choice, choose};
use crate::session::SessionRecord;
use crate::state::usage::Usage;

impl Sessions {
    /// The same, with requests and log-ins counted for their customers.
    #[must_use]
    pub fn counting(mut self, usage: Arc<Usage>) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Counts a log-in for its customer, where there is only one that it can be for; where there are more, it counts when one is
    /// chosen.
    pub async fn count_login(&self, site: &Site, record: &SessionRecord) {
        let Some(usage) = &self.usage else { return };
        let Ok(grants) = self.grants(site, record).await else { return };
        if let Choice::One(grant) = choose(&grants, site.domain.customer.as_ref(), record.customer.as_ref())
            && let Some(customer) = grant.customer_id()
        {
            usage.logged_in(&record.app, customer);
        }
    }
}
