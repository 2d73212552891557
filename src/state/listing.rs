//! What the console lists: people over all tables, and sessions.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ports::StoreError;
use crate::policy::Grant;
use crate::session::{SessionId, SessionLimits, SessionRecord};
use crate::types::{AppName, CustomerId, Email};

/// Which sessions are asked for, the newest first.
#[derive(Clone, Copy, Debug)]
pub struct SessionFilter<'a> {
    /// Of this app.
    pub app: Option<&'a AppName>,
    /// Of this person.
    pub email: Option<&'a Email>,
    /// Only those in which staff look through a customer's eyes just now.
    pub previews: bool,
    /// After the one that began then, in microseconds, and has this id.
    pub after: Option<(i64, SessionId)>,
    /// Those that are over by these limits are left out.
    pub limits: SessionLimits,
    /// As of this moment.
    pub now: Timestamp,
}

/// Lists what the store has.
#[async_trait]
pub trait Listing: Send + Sync {
    /// Sessions, at most so many.
    async fn sessions(&self, filter: SessionFilter<'_>, most: u32) -> Result<Vec<SessionRecord>, StoreError>;
}

/// Who is asked for, of those who may enter an app.
#[derive(Clone, Copy, Debug)]
pub struct PeopleFilter<'a> {
    /// The app.
    pub app: &'a AppName,
    /// What stands in the address, in the name, or in the customer's key or name, whatever its case.
    pub text: Option<&'a str>,
    /// Those that come after this place.
    pub after: Option<&'a Place>,
    /// At most so many.
    pub most: usize,
}

/// A place in the order of people: by address, then customer.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Place {
    email: String,
    customer: Option<String>,
}

impl Place {
    /// Where a grant stands.
    #[must_use]
    pub fn of(grant: &Grant) -> Self {
        let customer = grant.customer_id().map(|customer| CustomerId::as_str(customer).to_owned());
        Self { email: grant.email.as_str().to_owned(), customer }
    }
}

impl PeopleFilter<'_> {
    /// Whether a grant is one of those that are asked for.
    #[must_use]
    pub fn wants(&self, grant: &Grant) -> bool {
        if self.after.is_some_and(|after| Place::of(grant) <= *after) {
            return false;
        }
        let Some(text) = self.text else { return true };
        let text = text.to_lowercase();
        let customer = grant.customer.as_ref();
        let texts = [
            Some(grant.email.as_str()),
            grant.name.as_ref().map(|name| name.as_str()),
            customer.map(|customer| customer.id.as_str()),
            customer.and_then(|customer| customer.name.as_ref()).map(|name| name.as_str()),
        ];
        texts.into_iter().flatten().any(|own| own.to_lowercase().contains(&text))
    }
}

/// Who was found.
#[derive(Clone, Debug, Default)]
pub struct FoundPeople {
    /// In the order of their places.
    pub grants: Vec<Arc<Grant>>,
    /// Lists that could not be read to their end: whoever stands there is missing.
    pub unread: Vec<String>,
}
