//! What an invitation's link shows. It never lets anybody in by itself: it says what to do, and leads to the log-in.

use askama::Template;
use http::StatusCode;

use super::notices::{Door, Notice};
use crate::pages::texts::{Sentence, Texts, fill};
use crate::pages::views::{Frame, render};
use crate::pages::{Look, Reply};

/// An invitation that may be accepted.
#[derive(Clone, Copy, Debug)]
pub struct InvitationView<'a> {
    /// Who invites: a name or an address; none where it is the app's own team.
    pub inviter: Option<&'a str>,
    /// For which customer.
    pub customer: &'a str,
    /// As what.
    pub role: &'a str,
    /// Until when, ready to read.
    pub until: &'a str,
    /// The invited address.
    pub address: &'a str,
    /// The page's own path, where its forms post to.
    pub path: &'a str,
    /// Who looks.
    pub reader: Reader<'a>,
}

/// Who looks at an invitation.
#[derive(Clone, Copy, Debug)]
pub enum Reader<'a> {
    /// Somebody who is not logged in.
    Nobody {
        /// Where they log in.
        log_in: &'a str,
    },
    /// The invited person, logged in.
    Invited,
    /// Somebody else, logged in.
    Other {
        /// With this address.
        email: &'a str,
    },
}

/// Why an invitation can be accepted no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvitationEnd {
    /// Its time is over.
    Expired,
    /// It was accepted, withdrawn or sent anew, or never was one.
    Gone,
    /// Whoever sent it may not any more.
    Revoked,
}

enum Step<'a> {
    LogIn(&'a str),
    Accept(&'a str),
    Other(&'a str),
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    lead: Sentence<'a>,
    facts: Vec<(&'static str, &'a str)>,
    step: Step<'a>,
}

/// Shows an invitation to whoever opened its link.
#[must_use]
pub fn invitation(look: Look<'_>, view: &InvitationView<'_>) -> Reply {
    let i = &look.texts().team.invitation;
    let title = look.brand.title.as_str();
    let mut values = vec![
        ("title", title),
        ("customer", view.customer),
        ("inviter", view.inviter.unwrap_or_default()),
        ("address", view.address),
    ];
    let facts = vec![(i.role, view.role), (i.until, view.until), (i.address, view.address)];
    let sentence = if view.inviter.is_some() { i.by_person } else { i.by_nobody };
    let (heading, sentence, facts, step) = match view.reader {
        Reader::Nobody { log_in } => (i.heading, sentence, facts, Step::LogIn(log_in)),
        Reader::Invited => (i.heading, sentence, facts, Step::Accept(view.path)),
        // What somebody else is invited to is nothing for who they are logged in as.
        Reader::Other { email } => {
            values.push(("email", email));
            (i.other_heading, i.other, Vec::new(), Step::Other(view.path))
        }
    };
    let page = InvitationPage {
        t: look.texts(),
        frame: Frame::new(look, &fill(heading, &values)),
        lead: Sentence::new(sentence, &values),
        facts,
        step,
    };
    render(StatusCode::OK, &page)
}

/// The invitation can be accepted no more: 410.
#[must_use]
pub fn invitation_ended(look: Look<'_>, end: InvitationEnd) -> Reply {
    let i = &look.texts().team.invitation;
    let sentences: &[&str] = match end {
        InvitationEnd::Expired => &[i.expired, i.ask],
        InvitationEnd::Gone => &[i.withdrawn, i.ask_used, i.ask],
        InvitationEnd::Revoked => &[i.revoked, i.ask],
    };
    let t = look.texts();
    let notice = Notice {
        t,
        frame: Frame::new(look, i.ended_heading),
        paragraphs: sentences.iter().map(|sentence| Sentence::new(sentence, &[])).collect(),
        doors: vec![Door { href: "/.access/login?stay=1", label: t.log_in.to_owned(), is_quiet: true }],
    };
    render(StatusCode::GONE, &notice)
}
