//! What the line of a request says of its session: the same for all of its requests, so it is written once.

use std::sync::Arc;

use crate::policy::Grant;
use crate::session::SessionRecord;

/// The fields, as a log may show them, one behind the other.
#[derive(Debug)]
pub struct Logged {
    text: Box<str>,
    /// Where each but the last ends.
    ends: [u16; 3],
}

impl Logged {
    pub(super) fn of(record: &SessionRecord, grant: Option<&Arc<Grant>>) -> Self {
        let actor = record.preview.as_ref().map(|_| record.email.masked());
        let customer = grant.and_then(|grant| grant.customer_id()).map(|customer| customer.masked());
        let mut text = String::new();
        let mut end_of = |field: &str| {
            text.push_str(field);
            u16::try_from(text.len()).unwrap_or(u16::MAX)
        };
        let ends = [
            end_of(&record.subject().masked()),
            end_of(actor.as_deref().unwrap_or_default()),
            end_of(customer.as_deref().unwrap_or_default()),
        ];
        text.push_str(&record.id.public());
        Self { text: text.into(), ends }
    }

    /// Whose access it is.
    #[must_use]
    pub fn user(&self) -> &str {
        self.field(0, self.ends[0])
    }

    /// Who acts with it, where that is somebody else.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        Some(self.field(self.ends[0], self.ends[1])).filter(|actor| !actor.is_empty())
    }

    /// For which customer.
    #[must_use]
    pub fn customer(&self) -> Option<&str> {
        Some(self.field(self.ends[1], self.ends[2])).filter(|customer| !customer.is_empty())
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &str {
        self.field(self.ends[2], u16::MAX)
    }

    fn field(&self, begin: u16, end: u16) -> &str {
        let place = |at: u16| usize::from(at).min(self.text.len());
        self.text.get(place(begin)..place(end)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::{Customer, Origin};
    use crate::session::{Preview, Token};
    use crate::types::{AppName, CustomerId, Email, HostName, RoleName};

    #[test]
    fn each_field_is_told_from_the_next() {
        let email = |name: &str| Email::parse(&format!("{name}@example.com")).expect("valid");
        let at = jiff::Timestamp::UNIX_EPOCH;
        let mut record = SessionRecord {
            id: Token::new([7; 32]).hash(),
            app: AppName::parse("orders").expect("valid"),
            host: HostName::parse("orders.example").expect("valid"),
            email: email("mona"),
            customer: None,
            created: at,
            last_used: at,
            device: String::new(),
            proofs: Vec::new(),
            links: Vec::new(),
            preview: None,
        };
        let fields = |record: &SessionRecord, grant: Option<&Arc<Grant>>| {
            let logged = Logged::of(record, grant);
            let option = |field: Option<&str>| field.map(str::to_owned);
            (logged.user().to_owned(), option(logged.actor()), option(logged.customer()), logged.session().to_owned())
        };
        let session = record.id.public();
        assert_eq!(fields(&record, None), ("m***@example.com".to_owned(), None, None, session.clone()));
        record.preview = Some(Preview { email: email("ann"), customer: None, until: at });
        let grant = Arc::new(Grant {
            app: record.app.clone(),
            email: email("ann"),
            name: None,
            customer: Some(Customer { id: CustomerId::parse("acme").expect("valid"), name: None }),
            role: RoleName::parse("user").expect("valid"),
            days_back: None,
            language: None,
            notes: None,
            attributes: BTreeMap::new(),
            origin: Origin::Workspace,
            row: Arc::default(),
        });
        let expected = (Some("m***@example.com".to_owned()), Some("acme".to_owned()));
        assert_eq!(fields(&record, Some(&grant)), ("a***@example.com".to_owned(), expected.0, expected.1, session));
    }
}
