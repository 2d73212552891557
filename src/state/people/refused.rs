//! Why something was not done.

use crate::policy::NotAllowed;
use crate::state::ports::{StoreError, Unavailable};
use crate::types::InvalidEmail;

/// Why a change of somebody's access was not made. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Whoever asked may not.
    #[error("not allowed: {0}")]
    NotAllowed(#[from] NotAllowed),
    /// There is no such app.
    #[error("there is no such app")]
    NoSuchApp,
    /// Customers do not look after their own people in this app.
    #[error("the app has no `[team]`")]
    NoTeam,
    /// There is no such person for this customer, or no such invitation.
    #[error("there is no such person for this customer")]
    NoSuchPerson,
    /// One of the workspace's own people, who are never customers.
    #[error("the address is one of the workspace's own people")]
    Staff,
    /// A list names the person for this customer already, so there is nothing to invite them to.
    #[error("list `{list}` names the person already")]
    Named {
        /// Which list.
        list: String,
        /// Whether a record may change what it gives.
        adjustable: bool,
    },
    /// What a list says cannot be changed by a record.
    #[error("list `{0}` decides on this person, and is not adjustable")]
    TableWins(String),
    /// Rows contradict each other, and until that is mended nobody knows what the person has.
    #[error("the tables have two rows for this person and customer")]
    Ambiguous,
    /// The person has a record with this customer already.
    #[error("the person has access or an invitation already")]
    Known,
    /// The customer has as many people as it may have.
    #[error("the customer has as many people as it may have: {0}")]
    Full(u32),
    /// An invitation was sent a moment ago.
    #[error("the invitation was sent a moment ago")]
    TooSoon,
    /// The customer has sent as many invitations as it may in a day.
    #[error("the customer has sent as many invitations as it may in a day")]
    TooMany,
    /// Somebody else changed it meanwhile.
    #[error("somebody else changed it meanwhile")]
    Stale,
    /// More days back than there may be.
    #[error("days back is a whole number from 0 to 36500")]
    BadDaysBack,
    /// An invited person has to log in on some domain, and the app has none for this customer.
    #[error("the app has no domain for this customer")]
    NoDomain,
    /// The name is empty.
    #[error("the name is empty")]
    NoName,
    /// The address is none.
    #[error(transparent)]
    BadEmail(#[from] InvalidEmail),
    /// What has to be known cannot be found out now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// The name in answers, reports and lines. These do not change.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotAllowed(why) => why.name(),
            Self::NoSuchApp => "no-such-app",
            Self::NoTeam => "no-team",
            Self::NoSuchPerson => "no-such-person",
            Self::Staff => "staff",
            Self::Named { .. } => "named-by-a-list",
            Self::TableWins(_) => "table-wins",
            Self::Ambiguous => "ambiguous",
            Self::Known => "known",
            Self::Full(_) => "full",
            Self::TooSoon => "too-soon",
            Self::TooMany => "too-many",
            Self::Stale => "stale",
            Self::BadDaysBack => "bad-days-back",
            Self::NoDomain => "no-domain",
            Self::NoName => "no-name",
            Self::BadEmail(_) => "bad-address",
            Self::Unavailable(_) => "unavailable",
            Self::Store(_) => "store-failed",
        }
    }
}
