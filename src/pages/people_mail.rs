//! The mails about people's access: an invitation, and what is told when somebody becomes independent.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Look;
use super::mail::Letter;

/// What there is to say of an invitation.
#[derive(Clone, Debug)]
pub struct InvitationNews<'a> {
    /// The invited person's first name, or whole name, where one is known.
    pub name: Option<&'a str>,
    /// Who invites them, where it is a colleague whose name or address is known.
    pub inviter: Option<&'a str>,
    /// The customer, by its name or key.
    pub customer: &'a str,
    /// The role.
    pub role: &'a str,
    /// The address that accepts it.
    pub address: &'a str,
    /// The link to its page.
    pub link: &'a str,
    /// Until when it may be accepted.
    pub until: Timestamp,
    /// The app's time zone.
    pub zone: &'a TimeZone,
    /// Whether it was sent before.
    pub is_reminder: bool,
}

/// What there is to say of somebody who became independent.
#[derive(Clone, Debug)]
pub struct IndependenceNews<'a> {
    /// The person.
    pub person: &'a str,
    /// The customer that they left.
    pub left: &'a str,
    /// The organisation that they founded.
    pub founded: &'a str,
    /// How many people went over.
    pub went_over: u32,
    /// Where to go on.
    pub link: &'a str,
}

/// The mail that invites somebody.
#[must_use]
pub fn invitation_letter(look: Look<'_>, news: &InvitationNews<'_>) -> Letter {
    let InvitationNews { customer, role, address, link, until, .. } = news;
    let until = until.to_zoned_datetime(news.zone.clone());
    let title = &look.brand.title;
    let subject = format!("Invitation to {title}");
    let text = format!("{customer} {role} {address} {} {link}", until.date());
    Letter { subject, html: text.clone(), text }
}

/// The mail to whoever has become an organisation of their own.
#[must_use]
pub fn founded_letter(look: Look<'_>, news: &IndependenceNews<'_>) -> Letter {
    let subject = format!("{} has begun in {}", news.founded, look.brand.title);
    let text = format!("{} {} {}", news.founded, news.left, news.link);
    Letter { subject, html: text.clone(), text }
}

/// The mail to those who look after the customer that somebody left.
#[must_use]
pub fn parted_letter(look: Look<'_>, news: &IndependenceNews<'_>) -> Letter {
    let subject = format!("{} has become independent in {}", news.person, look.brand.title);
    let text = format!("{} {} {} {}", news.person, news.left, news.founded, news.went_over);
    Letter { subject, html: text.clone(), text }
}
