//! One person's mail: on which domain it stands, and in which language it speaks.

use std::sync::Arc;

use super::{Notifications, Notified};
use crate::config::{App, Domain};
use crate::pages::{self, Look, NotificationMail};
use crate::policy::Grant;
use crate::state::ports::{OutgoingMail, StoreError};
use crate::state::snapshot::Snapshot;
use crate::types::{CustomerId, HostName, Language};

/// The domain that a person knows an app by: one of a customer of theirs alone, where there is one; else one that is for all.
pub(super) fn home(snapshot: &Snapshot, app: &App, grants: &[Arc<Grant>]) -> Option<Domain> {
    let mut from_tables: Vec<_> = snapshot.from_tables().filter(|site| site.app.name == app.name).collect();
    // The table of domains has no order of its own, and mails to one person should always be from one domain.
    from_tables.sort_by(|one, other| one.domain.host.as_str().cmp(other.domain.host.as_str()));
    let all: Vec<&Domain> = app.domains.iter().chain(from_tables.into_iter().map(|site| &site.domain)).collect();
    let of = |customer: Option<&CustomerId>| all.iter().find(|domain| domain.customer.as_ref() == customer);
    let own = grants.iter().filter_map(|grant| grant.customer_id()).find_map(|customer| of(Some(customer)));
    own.or_else(|| of(None)).or(all.first()).map(|domain| (*domain).clone())
}

/// A domain's origin, at the port where the world reaches it.
pub(super) fn origin(host: &HostName, port: u16) -> String {
    match port {
        443 => format!("https://{host}"),
        port => format!("https://{host}:{port}"),
    }
}

/// The mail. Nothing when the topic is gone.
pub(super) fn write(
    person: &Notified,
    app: &App,
    domain: &Domain,
    language: Language,
    origin: &str,
    token: &str,
) -> Option<OutgoingMail> {
    let notification = &person.notification;
    let topic = app.topics.iter().find(|topic| topic.name == notification.topic)?;
    let unsubscribe = format!("{origin}/.access/unsubscribe/{token}");
    let letter = pages::notification_letter(
        Look { brand: &domain.brand, language },
        &NotificationMail {
            subject: &notification.message.subject,
            text: &notification.message.text,
            link: notification.message.link.as_deref(),
            topic: topic.title.in_language(language),
            unsubscribe: &unsubscribe,
            settings: &format!("{origin}/.access/notifications"),
        },
    );
    Some(OutgoingMail {
        to: person.email.to_string(),
        subject: letter.subject,
        text: letter.text,
        html: letter.html,
        unsubscribe: Some(unsubscribe),
    })
}

impl Notifications {
    /// The language that a person is written to in: the one they chose, else what the table or the invitation says, else English.
    pub(super) async fn language(&self, person: &Notified, grants: &[Arc<Grant>]) -> Result<Language, StoreError> {
        if let Some(chosen) = self.parts.languages.language_of(&person.email).await? {
            return Ok(chosen);
        }
        let said = grants.iter().filter_map(|grant| grant.language.as_ref());
        Ok(said.filter_map(|tag| Language::parse(tag.as_str())).next().unwrap_or_default())
    }
}
