//! The mails that changes of people's access send, and the domain that they lead to.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Hand, People, Refused, Right, Whom};
use crate::config::App;
use crate::pages::Look;
use crate::pages::mail::Letter;
use crate::pages::people_mail::{InvitationNews, invitation_letter};
use crate::session::Token;
use crate::state::members::Entry;
use crate::state::ports::OutgoingMail;
use crate::state::snapshot::Site;
use crate::types::{CustomerId, Email, Language};

/// An invitation that is to be written.
pub(super) struct Invitation<'a> {
    pub(super) entry: &'a Entry,
    pub(super) token: &'a Token,
    pub(super) expires: Timestamp,
    pub(super) is_reminder: bool,
    /// The customer's name, where one is known.
    pub(super) customer: &'a str,
    /// Who invites.
    pub(super) inviter: Option<&'a str>,
}

/// The path of an invitation's page, up to its token.
pub const INVITATION_PATH: &str = "/.access/invitation/";

impl People {
    /// Writes an invitation in the language of whoever is invited.
    pub(super) fn write_invitation(
        &self,
        app: &App,
        hand: Hand<'_>,
        invitation: &Invitation<'_>,
    ) -> Result<OutgoingMail, Refused> {
        let entry = invitation.entry;
        let whom = Whom { app: &app.name, customer: &entry.customer, email: &entry.email };
        let site = self.site_for(app, hand, whom.customer).ok_or(Refused::NoDomain)?;
        let look = Look { brand: &site.domain.brand, language: entry.language.unwrap_or(hand.language) };
        let link = format!("{}{INVITATION_PATH}{}", (self.origin_of)(&site.domain.host), invitation.token.expose());
        let name = entry.first_name.clone().or_else(|| entry.name());
        let news = InvitationNews {
            name: name.as_ref().map(crate::types::DisplayName::as_str),
            inviter: invitation.inviter,
            customer: invitation.customer,
            role: app.policy.roles.title(&entry.role),
            address: entry.email.as_str(),
            link: &link,
            until: invitation.expires,
            zone: &app.policy.time_zone,
            is_reminder: invitation.is_reminder,
        };
        Ok(addressed(&entry.email, invitation_letter(look, &news)))
    }

    /// A domain of an app by which a customer's people come in: the one that whoever acts is on, else the customer's own, else
    /// one that is everybody's.
    pub(super) fn site_for(&self, app: &App, hand: Hand<'_>, customer: &CustomerId) -> Option<Arc<Site>> {
        let current = self.current.load_full();
        let is_theirs = |site: &&Arc<Site>| {
            site.app.name == app.name && site.domain.customer.as_ref().is_none_or(|pinned| pinned == customer)
        };
        let here = match hand.right {
            Right::Colleague(_) => hand.scene.host.and_then(|host| current.site(host)).filter(is_theirs),
            Right::Staff => None,
        };
        let of_config = || app.domains.iter().filter_map(|domain| current.site(&domain.host)).filter(is_theirs);
        let of_tables = || current.from_tables().filter(is_theirs);
        let is_pinned = |site: &&Arc<Site>| site.domain.customer.is_some();
        let found = here
            .or_else(|| of_config().find(is_pinned))
            .or_else(|| of_tables().find(is_pinned))
            .or_else(|| of_config().next())
            .or_else(|| of_tables().next());
        found.cloned()
    }
}

/// A letter to somebody.
pub(super) fn addressed(to: &Email, letter: Letter) -> OutgoingMail {
    OutgoingMail {
        to: to.to_string(),
        subject: letter.subject,
        text: letter.text,
        html: letter.html,
        unsubscribe: None,
    }
}

/// The language of a person by what their record or grant says, else the one given.
pub(super) fn language_of(said: Option<&str>, otherwise: Language) -> Language {
    said.and_then(Language::parse).unwrap_or(otherwise)
}
