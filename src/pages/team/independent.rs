//! Becoming an organisation of one's own: what happens, whom to take along, a last question, and that it is done.

use askama::Template;
use http::StatusCode;

use super::field::{Field, FieldKind, FieldProblem, Line};
use super::notices::{Door, Notice, Question};
use crate::pages::texts::{Sentence, Texts, fill};
use crate::pages::views::{Frame, render};
use crate::pages::{Look, Reply};

/// The facts of the form.
#[derive(Clone, Debug)]
pub struct IndependentView<'a> {
    /// The customer that would be left.
    pub customer: &'a str,
    /// The name that was typed.
    pub name: &'a str,
    /// What is wrong with it.
    pub problem: Option<FieldProblem>,
    /// Who could go along.
    pub people: Vec<FollowerView>,
    /// Whether somebody changed one of them meanwhile.
    pub is_stale: bool,
}

/// Somebody who could go along.
#[derive(Clone, Debug)]
pub struct FollowerView {
    /// What is posted for them: the number of their record and its version.
    pub id: String,
    /// The name, or the address where there is none.
    pub name: String,
    /// The address.
    pub email: String,
    /// Whether they were chosen.
    pub chosen: bool,
}

#[derive(Template)]
#[template(path = "independent.html")]
struct IndependentPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    view: &'a IndependentView<'a>,
    alert: Option<&'static str>,
    lead: Sentence<'a>,
    happens: Vec<Sentence<'a>>,
    stays: Sentence<'a>,
    name: Field<'a>,
}

/// Says what happens, and asks for a name and whom to take along.
#[must_use]
pub fn independent(look: Look<'_>, view: &IndependentView<'_>) -> Reply {
    let texts = &look.texts().team;
    let i = &texts.independent;
    let values = [("title", look.brand.title.as_str()), ("customer", view.customer)];
    let kind = FieldKind::Line(Line { kind: "text", autocomplete: "organization", most: 200, is_number: false });
    let problem = view.problem.map(|problem| problem.said(look));
    let status = match (view.is_stale, view.problem) {
        (true, _) => StatusCode::CONFLICT,
        (false, Some(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        (false, None) => StatusCode::OK,
    };
    let page = IndependentPage {
        t: look.texts(),
        frame: Frame { wide: true, problem: status != StatusCode::OK, ..Frame::new(look, i.heading) },
        view,
        alert: match (view.is_stale, view.problem) {
            (true, _) => Some(i.stale),
            (false, Some(_)) => Some(texts.field.problem),
            (false, None) => None,
        },
        lead: Sentence::new(i.lead, &values),
        happens: [i.begins, i.go_along, i.ends, i.told].into_iter().map(|line| Sentence::new(line, &values)).collect(),
        stays: Sentence::new(i.records_hint, &values),
        name: Field::new("name", i.name, view.name, kind).said(&[i.name_hint], problem),
    };
    render(status, &page)
}

/// The last question, with whom it takes along.
#[must_use]
pub fn ask_independent(look: Look<'_>, view: &IndependentView<'_>) -> Reply {
    let i = &look.texts().team.independent;
    let values = [("name", view.name), ("customer", view.customer)];
    let chosen: Vec<&FollowerView> = view.people.iter().filter(|person| person.chosen).collect();
    let go_over = (i.go_over)(u32::try_from(chosen.len()).unwrap_or(u32::MAX));
    let mut hidden = vec![("name", view.name), ("sure", "1")];
    hidden.extend(chosen.iter().map(|person| ("record", person.id.as_str())));
    let question = Question {
        t: look.texts(),
        frame: Frame { wide: true, ..Frame::new(look, &fill(i.confirm_heading, &values)) },
        paragraphs: vec![Sentence::new(i.confirm, &values), Sentence::new(&go_over, &[])],
        list: chosen.iter().map(|person| person.name.as_str()).collect(),
        action: "/.access/independent",
        hidden,
        submit: i.confirm_submit,
        change: Some(i.change),
        keep: i.keep,
        keep_href: "/.access/account",
    };
    render(StatusCode::OK, &question)
}

/// It is done.
#[must_use]
pub fn independent_done(look: Look<'_>, name: &str, customer: &str) -> Reply {
    let texts = &look.texts().team;
    let i = &texts.independent;
    let values = [("name", name), ("customer", customer)];
    let notice = Notice {
        t: look.texts(),
        frame: Frame::new(look, i.done_heading),
        paragraphs: vec![Sentence::new(i.done, &values), Sentence::new(i.done_next, &values)],
        doors: vec![
            Door { href: "/.access/team", label: texts.doors.team.to_owned(), is_quiet: false },
            Door { href: "/", label: fill(look.texts().account.back, &[("title", &look.brand.title)]), is_quiet: true },
        ],
    };
    render(StatusCode::OK, &notice)
}

/// A table names the person, so that their access there cannot end here: 409.
#[must_use]
pub fn independent_not(look: Look<'_>, customer: &str) -> Reply {
    let texts = &look.texts().team;
    let notice = Notice {
        t: look.texts(),
        frame: Frame::new(look, texts.refused.heading),
        paragraphs: vec![Sentence::new(texts.independent.by_list, &[("customer", customer)])],
        doors: vec![Door { href: "/.access/account", label: texts.list.account.to_owned(), is_quiet: false }],
    };
    render(StatusCode::CONFLICT, &notice)
}
