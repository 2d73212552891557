//! The sessions that the console lists.

use async_trait::async_trait;
use jiff::Timestamp;

use super::ports::StoreError;
use crate::session::{SessionId, SessionLimits, SessionRecord};
use crate::types::{AppName, Email};

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
