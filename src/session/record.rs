//! What the server knows of a session, and when it ends.

use std::time::Duration;

use jiff::Timestamp;

use super::{Link, Proof, SessionId};
use crate::types::{AppName, CustomerId, Email, HostName};

/// One log-in of one person in one app.
///
/// It names the person, not what the person may do: that is asked of the tables again and again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRecord {
    /// The hash of the cookie's token.
    pub id: SessionId,
    /// The only app it is good for.
    pub app: AppName,
    /// The domain it began on.
    pub host: HostName,
    /// Who.
    pub email: Email,
    /// Which customer the person chose, where there was a choice.
    pub customer: Option<CustomerId>,
    /// When it began.
    pub created: Timestamp,
    /// When it was last used, to the minute or so.
    pub last_used: Timestamp,
    /// The browser, in a few words for the account page.
    pub device: String,
    /// By which ways the person came, oldest first; each way once.
    pub proofs: Vec<Proof>,
    /// The providers it hangs on; each provider once.
    pub links: Vec<Link>,
    /// Through whose eyes the person looks, in a preview.
    pub preview: Option<Preview>,
}

/// A preview: the session's person, of the workspace, sees the app as a customer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Preview {
    /// The customer's person.
    pub email: Email,
    /// Which customer, where the person has several.
    pub customer: Option<CustomerId>,
    /// When it ends.
    pub until: Timestamp,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionLimits {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
    /// A preview.
    pub preview: Duration,
}

impl SessionRecord {
    /// Whose grants it goes by: in a preview, not its own person's.
    #[must_use]
    pub fn subject(&self) -> &Email {
        self.preview.as_ref().map_or(&self.email, |preview| &preview.email)
    }

    /// When the person last proved who they are.
    #[must_use]
    pub fn auth_time(&self) -> Timestamp {
        self.proofs.iter().map(|proof| proof.at).max().unwrap_or(self.created)
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self, limits: SessionLimits, now: Timestamp) -> bool {
        limits.are_over(self.created, self.last_used, now)
    }
}

impl SessionLimits {
    /// Whether a session that began and was last used at these moments is over. One from the future (a clock set back) is not good
    /// either.
    #[must_use]
    pub fn are_over(self, begun: Timestamp, last_used: Timestamp, now: Timestamp) -> bool {
        const SKEW: Duration = Duration::from_secs(300);
        let ends_at = later(last_used, self.idle).min(later(begun, self.absolute));
        ends_at <= now || begun > later(now, SKEW)
    }
}

/// Adds, or stops at the end of time.
fn later(moment: Timestamp, span: Duration) -> Timestamp {
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Token;

    #[test]
    fn a_session_ends_by_idling_and_by_age() {
        let start = Timestamp::from_second(1_000_000).expect("in range");
        let limits = SessionLimits {
            idle: Duration::from_secs(60),
            absolute: Duration::from_secs(100),
            preview: Duration::from_secs(50),
        };
        let mut record = SessionRecord {
            id: Token::new([0; 32]).hash(),
            app: AppName::parse("orders").expect("valid"),
            host: HostName::parse("orders.example").expect("valid"),
            email: Email::parse("ann@example.com").expect("valid"),
            customer: None,
            created: start,
            last_used: start,
            device: String::new(),
            proofs: Vec::new(),
            links: Vec::new(),
            preview: None,
        };
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!record.is_over(limits, after(59)));
        assert!(record.is_over(limits, after(60)));
        record.last_used = after(59);
        assert!(!record.is_over(limits, after(99)));
        assert!(record.is_over(limits, after(100)), "use does not prolong it beyond the absolute limit");
        record.created = after(1000);
        assert!(record.is_over(limits, after(60)), "a session from the future is not good");
    }
}
