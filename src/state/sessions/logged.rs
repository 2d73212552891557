//! What the line of a request says of its session: the same for all of its requests, so it is written once.

use std::sync::Arc;

use crate::policy::Grant;
use crate::session::SessionRecord;

/// The fields, as a log may show them.
#[derive(Debug)]
pub struct Logged {
    /// Whose access it is.
    pub user: String,
    /// Who acts with it, where that is somebody else.
    pub actor: Option<String>,
    /// For which customer.
    pub customer: Option<String>,
    /// The session.
    pub session: String,
}

impl Logged {
    pub(super) fn of(record: &SessionRecord, grant: Option<&Arc<Grant>>) -> Self {
        Self {
            user: record.subject().masked(),
            actor: record.preview.as_ref().map(|_| record.email.masked()),
            customer: grant.and_then(|grant| grant.customer_id().map(|customer| customer.masked())),
            session: record.id.public(),
        }
    }
}
