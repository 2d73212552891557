//! Previews: a member of staff sees an app as one of its customers would.
//!
//! A preview's [`Access`](super::Access) is the customer's, with an [`Actor`] beside it. What that narrows is for `decide` alone, so
//! that no request of a preview goes upstream that may not.

use http::{HeaderMap, Method, header};

use super::{AppPolicy, Grant, Origin};
use crate::types::{Email, ProviderName, RoleName};

/// What an app allows of previews.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PreviewPlan {
    /// Whether they may also change something, and speak by WebSocket.
    pub writes: bool,
    /// The highest role that can be seen through; any, when nothing.
    pub max_role: Option<RoleName>,
}

/// The member of staff who acts with somebody else's access.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    /// Who.
    pub email: Email,
    /// Whether the app lets previews change something.
    pub may_write: bool,
}

/// Why somebody cannot be previewed. The set is closed: log, audit and pages use these names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PreviewRefusal {
    /// The one who asks may not preview this app, or not by the ways they came.
    NotAllowed,
    /// A preview out of a preview.
    Nested,
    /// Oneself.
    Oneself,
    /// Another member of staff.
    Staff,
    /// Nobody who may enter, or not for this customer or on this domain.
    NoGrant,
    /// Somebody with several customers, of which none was named.
    NoCustomer,
    /// The role is above the app's `preview_max_role`.
    Role,
}

/// Why a preview is over. The set is closed: log, audit and pages use these names.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PreviewEnd {
    /// Its time.
    Time,
    /// The member of staff may not preview the app any more, or not by the ways they came.
    Actor,
    /// The customer may not enter any more, or has a role that cannot be seen through.
    Subject,
    /// The member of staff ended it.
    Asked,
}

impl PreviewEnd {
    /// The name in log and audit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Actor => "not-allowed",
            Self::Subject => "no-grant",
            Self::Asked => "asked",
        }
    }
}

impl PreviewRefusal {
    /// The name in log and audit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAllowed => "not-allowed",
            Self::Nested => "nested",
            Self::Oneself => "oneself",
            Self::Staff => "staff",
            Self::NoGrant => "no-grant",
            Self::NoCustomer => "no-customer",
            Self::Role => "role-too-high",
        }
    }
}

impl Actor {
    /// Whether a request does no more than read: one of the safe methods (RFC 9110, section 9.2.1; `TRACE` is none that an app
    /// needs), and no wish to turn into a protocol that knows no methods.
    #[must_use]
    pub fn lets_pass(&self, method: &Method, headers: &HeaderMap) -> bool {
        let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        self.may_write || (is_safe && !headers.contains_key(header::UPGRADE))
    }
}

impl AppPolicy {
    /// Whether one of the config's own staff may preview the app.
    #[must_use]
    pub fn may_preview(&self, email: &Email) -> bool {
        self.workspace.get(email).is_some_and(|user| user.preview)
    }

    /// Whether somebody may whom the staff's provider says to be in these groups. As with roles, the first group counts.
    #[must_use]
    pub fn group_may_preview(&self, provider: &ProviderName, groups: &[String]) -> bool {
        let Some(staff) = self.workspace_groups.as_ref().filter(|staff| staff.provider == *provider) else {
            return false;
        };
        let first = staff.roles.iter().find(|(group, _)| groups.contains(group));
        first.is_some_and(|(group, _)| staff.preview.contains(group))
    }

    /// Whether a grant can be seen through, as the app is configured now.
    ///
    /// # Errors
    /// [`PreviewRefusal`] says why not.
    pub fn check_preview(&self, grant: &Grant) -> Result<(), PreviewRefusal> {
        if grant.origin == Origin::Workspace || self.workspace.contains_key(&grant.email) {
            return Err(PreviewRefusal::Staff);
        }
        match &self.preview.max_role {
            // Nobody is above who has nothing that the ceiling lacks.
            Some(ceiling) if !self.roles.holds(ceiling, &grant.role) => Err(PreviewRefusal::Role),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn attack_27_only_what_reads_passes() {
        let actor = |may_write| Actor { email: Email::parse("kim@staff.example").expect("valid"), may_write };
        let mut upgrade = HeaderMap::new();
        upgrade.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        for (method, headers, passes) in [
            ("GET", HeaderMap::new(), true),
            ("HEAD", HeaderMap::new(), true),
            ("OPTIONS", HeaderMap::new(), true),
            ("GET", upgrade.clone(), false),
            ("TRACE", HeaderMap::new(), false),
            ("POST", HeaderMap::new(), false),
            ("PUT", HeaderMap::new(), false),
            ("PATCH", HeaderMap::new(), false),
            ("DELETE", HeaderMap::new(), false),
            ("CONNECT", HeaderMap::new(), false),
            ("PROPPATCH", HeaderMap::new(), false),
            ("get", HeaderMap::new(), false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            assert_eq!(actor(false).lets_pass(&method, &headers), passes, "{method} {headers:?}");
            assert!(actor(true).lets_pass(&method, &headers));
        }
    }
}
