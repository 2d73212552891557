//! One member's page, and the question before somebody is removed.

use askama::Template;
use http::StatusCode;

use super::field::{Field, FieldName, FieldProblem, RoleView, Typed, person_fields};
use super::list::{PersonView, StateView};
use super::notices::Question;
use crate::pages::texts::{Sentence, Texts, fill};
use crate::pages::views::{Frame, render};
use crate::pages::{Look, Reply};

/// The facts of a member's page.
#[derive(Clone, Copy, Debug)]
pub struct MemberView<'a> {
    /// The person.
    pub person: &'a PersonView,
    /// Where the page is; its forms post there and below.
    pub path: &'a str,
    /// The version that is looked at.
    pub version: i64,
    /// What stands in the fields.
    pub typed: &'a Typed,
    /// The roles that may be chosen.
    pub roles: &'a [RoleView],
    /// What is wrong with what was typed.
    pub problems: &'a [(FieldName, FieldProblem)],
    /// What whoever looks may do.
    pub may: MayView,
    /// Until when an invitation may be accepted, ready to read.
    pub until: Option<&'a str>,
    /// Whether names come from a table, so that they cannot be changed here.
    pub is_listed: bool,
    /// Whether somebody else changed it meanwhile.
    pub is_stale: bool,
}

/// What whoever looks may do to a person's access.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MayView {
    /// Change what it says.
    pub change: bool,
    /// Suspend it.
    pub suspend: bool,
    /// Let it count again.
    pub let_in: bool,
    /// Take it away.
    pub remove: bool,
    /// Send the invitation again.
    pub resend: bool,
    /// Withdraw the invitation.
    pub withdraw: bool,
    /// Let the table decide again.
    pub reset: bool,
}

/// What there is to ask before somebody is removed.
#[derive(Clone, Copy, Debug)]
pub struct RemoveView<'a> {
    /// Who.
    pub person: &'a str,
    /// For which customer.
    pub customer: &'a str,
    /// The person's page.
    pub path: &'a str,
    /// The version that is looked at.
    pub version: &'a str,
    /// Whether it is an invitation that nobody has accepted.
    pub is_invitation: bool,
    /// Whether a table names the person too.
    pub is_listed: bool,
}

#[derive(Template)]
#[template(path = "member.html")]
struct MemberPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    view: &'a MemberView<'a>,
    alert: Option<&'static str>,
    facts: Vec<(&'static str, String)>,
    why: Option<&'static str>,
    fields: Vec<Field<'a>>,
}

/// One member's page.
#[must_use]
pub fn member(look: Look<'_>, view: &MemberView<'_>) -> Reply {
    let texts = &look.texts().team;
    let (l, p, f) = (&texts.list, &texts.person, &texts.field);
    let person = view.person;
    let mut facts = vec![(f.email, person.email.clone())];
    if !view.may.change {
        facts.push((f.role, person.role.clone()));
        facts.push((f.days_back, person.days_back.map_or_else(|| p.unlimited.to_owned(), p.days)));
    }
    facts.push((l.origin, person.origin.said(look)));
    let state = match (person.state, view.until) {
        (StateView::Invited { left }, Some(until)) => format!("{} · {until} ({})", p.open, (p.left)(left)),
        (StateView::Expired, Some(until)) => format!("{} · {until}", p.expired),
        (state, _) => state.said(p).to_owned(),
    };
    facts.push((l.state, state));
    let which: &[FieldName] = match view.is_listed {
        true => &[FieldName::Role, FieldName::DaysBack, FieldName::Note],
        false => &[
            FieldName::FirstName,
            FieldName::LastName,
            FieldName::Role,
            FieldName::DaysBack,
            FieldName::Language,
            FieldName::Note,
        ],
    };
    let alert = match (view.is_stale, view.problems) {
        (true, _) => Some(texts.member.stale),
        (false, []) => None,
        (false, _) => Some(f.problem),
    };
    let status = match (view.is_stale, view.problems) {
        (true, _) => StatusCode::CONFLICT,
        (false, []) => StatusCode::OK,
        (false, _) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let page = MemberPage {
        t: look.texts(),
        frame: Frame { problem: alert.is_some(), wide: true, ..Frame::new(look, person.called()) },
        view,
        alert,
        facts,
        why: match person.state {
            StateView::Without => Some(p.role_gone),
            _ => person.why.map(|why| why.said(p)),
        },
        fields: person_fields(look, view.typed, view.roles, view.problems, which),
    };
    render(status, &page)
}

/// Asks whether somebody is to be removed, or an invitation withdrawn, and says what ends.
#[must_use]
pub fn ask_remove(look: Look<'_>, view: &RemoveView<'_>) -> Reply {
    let m = &look.texts().team.member;
    let values = [("person", view.person), ("customer", view.customer), ("title", look.brand.title.as_str())];
    let (heading, submit) = match view.is_invitation {
        true => (m.withdraw_heading, m.withdraw_submit),
        false => (m.remove_heading, m.remove_submit),
    };
    let sentences: &[&str] = match (view.is_invitation, view.is_listed) {
        (true, _) => &[m.withdraw_lead],
        (false, true) => &[m.remove_lead, m.remove_list],
        (false, false) => &[m.remove_lead, m.remove_ends],
    };
    let action = format!("{}/remove", view.path);
    let question = Question {
        t: look.texts(),
        frame: Frame::new(look, &fill(heading, &values)),
        paragraphs: sentences.iter().map(|sentence| Sentence::new(sentence, &values)).collect(),
        list: Vec::new(),
        action: &action,
        hidden: vec![("version", view.version)],
        submit,
        change: None,
        keep: m.keep,
        keep_href: view.path,
    };
    render(StatusCode::OK, &question)
}
