//! Pages that say something and lead on, or ask before something ends.

use askama::Template;
use http::StatusCode;

use crate::pages::texts::{Sentence, Texts, fill};
use crate::pages::views::{Frame, render};
use crate::pages::{Look, Reply};

/// Why something is not done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusedView {
    /// The role of whoever asks does not let them.
    NoRight,
    /// Whoever asks is logged in for no customer.
    NoCustomer,
    /// The role is above theirs.
    Above,
    /// The role is taken from nobody.
    Irrevocable,
    /// The customer would be left without an owner.
    LastOwner,
    /// The customer has as many people as it may have.
    Full,
    /// The invitation was sent a moment ago.
    TooSoon,
    /// The customer has sent enough invitations for a day.
    TooMany,
    /// The table decides.
    TableWins,
    /// There is no such person for this customer.
    Gone,
}

pub(super) struct Door<'a> {
    pub(super) href: &'a str,
    pub(super) label: String,
    pub(super) is_quiet: bool,
}

#[derive(Template)]
#[template(path = "team_notice.html")]
pub(super) struct Notice<'a> {
    pub(super) t: &'static Texts,
    pub(super) frame: Frame<'a>,
    pub(super) paragraphs: Vec<Sentence<'a>>,
    pub(super) doors: Vec<Door<'a>>,
}

#[derive(Template)]
#[template(path = "team_question.html")]
pub(super) struct Question<'a> {
    pub(super) t: &'static Texts,
    pub(super) frame: Frame<'a>,
    pub(super) paragraphs: Vec<Sentence<'a>>,
    pub(super) list: Vec<&'a str>,
    pub(super) action: &'a str,
    pub(super) hidden: Vec<(&'static str, &'a str)>,
    pub(super) submit: &'static str,
    pub(super) change: Option<&'static str>,
    pub(super) keep: &'static str,
    pub(super) keep_href: &'a str,
}

/// Says why something was not done, and that nothing has changed by it.
#[must_use]
pub fn team_refused(look: Look<'_>, why: RefusedView) -> Reply {
    let texts = &look.texts().team;
    let t = &texts.refused;
    let (status, heading, sentence) = match why {
        RefusedView::NoRight => (StatusCode::FORBIDDEN, t.heading, t.no_right),
        RefusedView::NoCustomer => (StatusCode::FORBIDDEN, t.heading, t.no_customer),
        RefusedView::Above => (StatusCode::FORBIDDEN, t.heading, t.above),
        RefusedView::Irrevocable => (StatusCode::FORBIDDEN, t.heading, t.irrevocable),
        RefusedView::TableWins => (StatusCode::FORBIDDEN, t.heading, texts.person.table_wins),
        RefusedView::LastOwner => (StatusCode::CONFLICT, t.heading, t.last_owner),
        RefusedView::Full => (StatusCode::CONFLICT, t.heading, t.full),
        RefusedView::TooSoon => (StatusCode::TOO_MANY_REQUESTS, t.heading, t.too_many_mails),
        RefusedView::TooMany => (StatusCode::TOO_MANY_REQUESTS, t.heading, t.too_many),
        RefusedView::Gone => (StatusCode::NOT_FOUND, t.gone_heading, t.gone),
    };
    let back = match why {
        RefusedView::NoRight | RefusedView::NoCustomer => {
            Door { href: "/.access/account", label: texts.list.account.to_owned(), is_quiet: false }
        }
        _ => Door { href: "/.access/team", label: t.back.to_owned(), is_quiet: false },
    };
    let notice = Notice {
        t: look.texts(),
        frame: Frame::new(look, heading),
        paragraphs: vec![Sentence::new(sentence, &[("title", &look.brand.title)])],
        doors: vec![back],
    };
    render(status, &notice)
}

/// Asks whether somebody is to leave their customer.
#[must_use]
pub fn ask_leave(look: Look<'_>, customer: &str, by_list: bool) -> Reply {
    let t = &look.texts().team.leave;
    let values = [("customer", customer), ("title", look.brand.title.as_str())];
    let frame = Frame::new(look, &fill(t.heading, &values));
    if by_list {
        let account = look.texts().team.list.account.to_owned();
        let doors = vec![Door { href: "/.access/account", label: account, is_quiet: false }];
        let paragraphs = vec![Sentence::new(t.by_list, &values)];
        return render(StatusCode::CONFLICT, &Notice { t: look.texts(), frame, paragraphs, doors });
    }
    let question = Question {
        t: look.texts(),
        frame,
        paragraphs: vec![Sentence::new(t.lead, &values), Sentence::new(t.ends, &values)],
        list: Vec::new(),
        action: "/.access/team/leave",
        hidden: Vec::new(),
        submit: t.submit,
        change: None,
        keep: t.keep,
        keep_href: "/.access/account",
    };
    render(StatusCode::OK, &question)
}

/// Somebody has left their customer.
#[must_use]
pub fn left(look: Look<'_>, customer: &str) -> Reply {
    let t = &look.texts().team.leave;
    let values = [("customer", customer), ("title", look.brand.title.as_str())];
    let door = Door { href: "/.access/login?stay=1", label: look.texts().logged_out.again.to_owned(), is_quiet: true };
    let notice = Notice {
        t: look.texts(),
        frame: Frame::new(look, t.done_heading),
        paragraphs: vec![Sentence::new(t.done, &values)],
        doors: vec![door],
    };
    render(StatusCode::OK, &notice)
}
