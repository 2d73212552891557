//! Inviting people: one by a form, many by a pasted list.

use askama::Template;
use http::StatusCode;

use super::field::{
    Field, FieldKind, FieldName, FieldProblem, Lines, RoleView, Typed, languages, person_fields, roles,
};
use super::notices::{Door, Notice};
use crate::pages::texts::{Sentence, Texts, fill};
use crate::pages::views::{Frame, render};
use crate::pages::{Look, Reply};

/// The form that invites one person.
#[derive(Clone, Copy, Debug)]
pub struct InviteView<'a> {
    /// What was typed before.
    pub typed: &'a Typed,
    /// The roles that whoever invites may give.
    pub roles: &'a [RoleView],
    /// What is wrong with it.
    pub problems: &'a [(FieldName, FieldProblem)],
    /// Whether whoever invites may see the team.
    pub has_team: bool,
}

/// An invitation that is on its way.
#[derive(Clone, Copy, Debug)]
pub struct InvitedView<'a> {
    /// To whom.
    pub person: &'a str,
    /// For which customer.
    pub customer: &'a str,
    /// As what.
    pub role: &'a str,
    /// Until when, ready to read.
    pub until: &'a str,
    /// Whether whoever invites may see the team.
    pub has_team: bool,
}

/// The form that takes a list.
#[derive(Clone, Copy, Debug)]
pub struct ManyView<'a> {
    /// The list as it was pasted.
    pub list: &'a str,
    /// The role of whoever's line names none.
    pub role: &'a str,
    /// The language of whoever's line names none.
    pub language: &'a str,
    /// The roles that whoever invites may give.
    pub roles: &'a [RoleView],
    /// What is wrong with it as a whole.
    pub problem: Option<ListProblem>,
    /// What is wrong with the role.
    pub role_problem: Option<FieldProblem>,
    /// Whether whoever invites may see the team.
    pub has_team: bool,
}

/// What can be wrong with a list as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListProblem {
    /// Nothing was pasted.
    Empty,
    /// More lines than are taken at once.
    TooMany,
    /// Columns are named, and none is for addresses.
    NoColumns,
}

/// What became of a list, or would.
#[derive(Clone, Copy, Debug)]
pub struct ReportView<'a> {
    /// The lines.
    pub lines: &'a [LineView],
    /// Whether it was only checked.
    pub is_check: bool,
    /// The list as it was pasted, for the way back.
    pub list: &'a str,
    /// The role that was chosen.
    pub role: &'a str,
    /// The language that was chosen.
    pub language: &'a str,
    /// Whether whoever invites may see the team.
    pub has_team: bool,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct LineView {
    /// Its number, from 1, as pasted.
    pub number: u32,
    /// Whom it names, or what stands in it.
    pub who: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The person is invited, or would be.
    Invited,
    /// The person belongs to the team already.
    Known,
    /// An earlier line names the person.
    Twice,
    /// Something in it is wrong.
    Wrong(FieldProblem),
    /// The customer has as many people as it may have.
    Full,
    /// It could not be stored.
    NotStored,
}

#[derive(Template)]
#[template(path = "invite.html")]
struct InvitePage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    has_problems: bool,
    problem: &'static str,
    fields: Vec<Field<'a>>,
    has_team: bool,
}

#[derive(Template)]
#[template(path = "invite_many.html")]
struct ManyPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    fields: Vec<Field<'a>>,
    has_team: bool,
}

#[derive(Template)]
#[template(path = "invite_report.html")]
struct ReportPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    view: &'a ReportView<'a>,
    counts: (String, Option<String>, Option<String>),
    rows: Vec<Row<'a>>,
    go: Option<String>,
    copy: String,
    has_team: bool,
}

struct Row<'a> {
    number: u32,
    who: &'a str,
    what: String,
    is_bad: bool,
}

/// The form that invites one person; with problems, what was typed stays.
#[must_use]
pub fn invite(look: Look<'_>, view: &InviteView<'_>) -> Reply {
    const FIELDS: [FieldName; 7] = [
        FieldName::Email,
        FieldName::FirstName,
        FieldName::LastName,
        FieldName::Role,
        FieldName::Language,
        FieldName::DaysBack,
        FieldName::Note,
    ];
    let texts = &look.texts().team;
    let has_problems = !view.problems.is_empty();
    let page = InvitePage {
        t: look.texts(),
        frame: Frame { problem: has_problems, wide: true, ..Frame::new(look, texts.invite.heading) },
        has_problems,
        problem: texts.field.problem,
        fields: person_fields(look, view.typed, view.roles, view.problems, &FIELDS),
        has_team: view.has_team,
    };
    render(if has_problems { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, &page)
}

/// Says to whom an invitation goes, and until when it may be accepted.
#[must_use]
pub fn invited(look: Look<'_>, view: &InvitedView<'_>) -> Reply {
    let t = &look.texts().team.invite;
    let values = [
        ("person", view.person),
        ("customer", view.customer),
        ("role", view.role),
        ("until", view.until),
        ("title", look.brand.title.as_str()),
    ];
    let mut doors = vec![Door { href: "/.access/team/invite", label: t.another.to_owned(), is_quiet: view.has_team }];
    if view.has_team {
        doors.insert(0, Door { href: "/.access/team", label: t.team.to_owned(), is_quiet: false });
    }
    let notice = Notice {
        t: look.texts(),
        frame: Frame::new(look, t.done_heading),
        paragraphs: vec![Sentence::new(t.done, &values), Sentence::new(t.done_until, &values)],
        doors,
    };
    render(StatusCode::OK, &notice)
}

/// The form that takes a list.
#[must_use]
pub fn invite_many(look: Look<'_>, view: &ManyView<'_>) -> Reply {
    let texts = &look.texts().team;
    let m = &texts.many;
    let problem = view.problem.map(|problem| {
        let sentence = match problem {
            ListProblem::Empty => m.empty,
            ListProblem::TooMany => m.too_many,
            ListProblem::NoColumns => m.no_columns,
        };
        sentence.to_owned()
    });
    let is_bad = problem.is_some() || view.role_problem.is_some();
    let list = FieldKind::Lines(Lines { rows: 10, most: 0, is_list: true });
    let role = FieldKind::Choice(roles(view.roles, view.role, texts.field.role_choose));
    let language = FieldKind::Choice(languages(texts.field.language_any));
    let page = ManyPage {
        t: look.texts(),
        frame: Frame { problem: is_bad, wide: true, ..Frame::new(look, m.heading) },
        fields: vec![
            Field::new("list", m.list, view.list, list).said(&[m.how, m.how_table], problem),
            Field::new("role", m.role, view.role, role).said(&[], view.role_problem.map(|problem| problem.said(look))),
            Field::new("language", m.language, view.language, language).optional(look),
        ],
        has_team: view.has_team,
    };
    render(if is_bad { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, &page)
}

/// What became of each line of a list, or would.
#[must_use]
pub fn invite_report(look: Look<'_>, view: &ReportView<'_>) -> Reply {
    let texts = &look.texts().team;
    let m = &texts.many;
    let count = |is: fn(Outcome) -> bool| {
        u32::try_from(view.lines.iter().filter(|line| is(line.outcome)).count()).unwrap_or(u32::MAX)
    };
    let invited = count(|outcome| outcome == Outcome::Invited);
    let known = count(|outcome| outcome == Outcome::Known);
    let bad = count(Outcome::is_bad);
    let rows: Vec<Row<'_>> = view
        .lines
        .iter()
        .map(|line| Row {
            number: line.number,
            who: &line.who,
            what: line.outcome.said(look, view.is_check),
            is_bad: line.outcome.is_bad(),
        })
        .collect();
    let copy = rows.iter().map(|row| format!("{}\t{}\t{}\n", row.number, row.who, row.what)).collect();
    let page = ReportPage {
        t: look.texts(),
        frame: Frame { wide: true, ..Frame::new(look, if view.is_check { m.check_heading } else { m.report_heading }) },
        view,
        counts: (
            if view.is_check { (m.would)(invited) } else { (m.invited)(invited) },
            (known > 0).then(|| (m.known)(known)),
            (bad > 0).then(|| (m.not_invited)(bad)),
        ),
        rows,
        go: (invited > 0).then(|| (m.go)(invited)),
        copy,
        has_team: view.has_team,
    };
    render(StatusCode::OK, &page)
}

impl Outcome {
    const fn is_bad(self) -> bool {
        !matches!(self, Self::Invited | Self::Known | Self::Twice)
    }

    fn said(self, look: Look<'_>, is_check: bool) -> String {
        let texts = &look.texts().team;
        let m = &texts.many;
        match self {
            Self::Invited if is_check => m.is_fine.to_owned(),
            Self::Invited => m.is_invited.to_owned(),
            Self::Known => m.is_known.to_owned(),
            Self::Twice => m.is_twice.to_owned(),
            Self::Wrong(problem) => problem.said(look),
            Self::Full => fill(texts.refused.full, &[("title", &look.brand.title)]),
            Self::NotStored => m.not_stored.to_owned(),
        }
    }
}
