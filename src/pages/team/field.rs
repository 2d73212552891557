//! A field of a form, with what is said of it and what is wrong with what was typed.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::pages::Look;
use crate::pages::texts::{Texts, fill};
use crate::types::Language;

/// What can be wrong with what somebody typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FieldProblem {
    /// Nothing was typed.
    Missing,
    /// More than fits.
    TooLong,
    /// No address.
    BadAddress,
    /// The person belongs to the team.
    Known,
    /// One of the app's own team.
    Staff,
    /// No role.
    BadRole,
    /// A role above one's own.
    AboveOwn,
    /// A role above what customers may give.
    AboveCeiling,
    /// No number of days.
    BadDays,
    /// More days back than whoever gives them sees.
    DaysAboveOwn,
    /// No language of ours.
    BadLanguage,
}

/// The fields of one person's access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FieldName {
    /// `first_name`.
    FirstName,
    /// `last_name`.
    LastName,
    /// `email`.
    Email,
    /// `language`.
    Language,
    /// `role`.
    Role,
    /// `days_back`.
    DaysBack,
    /// `note`.
    Note,
}

/// What was typed, as it was typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Typed {
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Address.
    pub email: String,
    /// The language's code; empty for whatever the person's browser asks for.
    pub language: String,
    /// The role's name.
    pub role: String,
    /// Days back.
    pub days_back: String,
    /// Remarks.
    pub note: String,
}

/// A role that may be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleView {
    /// Its name in config, as posted.
    pub name: String,
    /// What the operator calls it.
    pub title: String,
}

/// The field that a column of a pasted table is for, by its heading: the field's name, or what the form calls it in any of our languages,
/// for a table may be older than the reader's choice of one.
#[must_use]
pub fn field_of_column(heading: &str) -> Option<FieldName> {
    let heading = folded(heading);
    let means = |t: &Texts| {
        let (f, account) = (&t.team.field, &t.account);
        let columns = [
            (FieldName::FirstName, ["first_name", f.first_name, ""]),
            (FieldName::LastName, ["last_name", f.last_name, ""]),
            (FieldName::Email, ["email", f.email, account.email]),
            (FieldName::Role, ["role", f.role, ""]),
            (FieldName::Language, ["language", f.language, ""]),
        ];
        columns.into_iter().find(|(_, names)| names.iter().any(|name| folded(name) == heading)).map(|(field, _)| field)
    };
    if heading.is_empty() {
        return None;
    }
    Language::ALL.into_iter().find_map(|language| means(Texts::of(language)))
}

/// A heading without what people write differently: case, blanks, hyphens, quotes.
fn folded(heading: &str) -> String {
    heading.trim_matches(['\u{feff}', '"', ' ']).to_lowercase().replace([' ', '-', '\u{a0}'], "_")
}

#[derive(Template)]
#[template(path = "field.html")]
pub(super) struct Field<'a> {
    id: &'static str,
    label: &'static str,
    optional: Option<&'static str>,
    value: &'a str,
    kind: FieldKind<'a>,
    problem: Option<String>,
    hints: Vec<&'static str>,
    described: Option<String>,
}

/// True because its own template escapes every part.
impl HtmlSafe for Field<'_> {}

pub(super) enum FieldKind<'a> {
    Line(Line),
    Choice(Vec<Choice<'a>>),
    Lines(Lines),
}

pub(super) struct Line {
    pub(super) kind: &'static str,
    pub(super) autocomplete: &'static str,
    pub(super) most: u32,
    pub(super) is_number: bool,
}

pub(super) struct Lines {
    pub(super) rows: u32,
    pub(super) most: u32,
    pub(super) is_list: bool,
}

pub(super) struct Choice<'a> {
    pub(super) value: &'a str,
    pub(super) label: &'a str,
    pub(super) language: Option<&'static str>,
}

impl<'a> Field<'a> {
    pub(super) fn new(id: &'static str, label: &'static str, value: &'a str, kind: FieldKind<'a>) -> Self {
        Self { id, label, optional: None, value, kind, problem: None, hints: Vec::new(), described: None }
    }

    pub(super) fn optional(self, look: Look<'_>) -> Self {
        Self { optional: Some(look.texts().team.field.optional), ..self }
    }

    /// Says something of it, and names what belongs together for screen readers.
    pub(super) fn said(mut self, hints: &[&'static str], problem: Option<String>) -> Self {
        self.hints = hints.to_vec();
        self.problem = problem;
        let problem = self.problem.iter().map(|_| format!("{}-problem", self.id));
        let ids: Vec<_> = problem.chain((1..=hints.len()).map(|number| format!("{}-hint-{number}", self.id))).collect();
        self.described = (!ids.is_empty()).then(|| ids.join(" "));
        self
    }
}

impl FieldProblem {
    pub(super) fn said(self, look: Look<'_>) -> String {
        let t = &look.texts().team.field;
        let sentence = match self {
            Self::Missing => t.missing,
            Self::TooLong => t.too_long,
            Self::BadAddress => t.bad_address,
            Self::Known => t.known,
            Self::Staff => t.staff,
            Self::BadRole => t.bad_role,
            Self::AboveOwn => t.above_own,
            Self::AboveCeiling => t.above_ceiling,
            Self::BadDays => t.bad_days,
            Self::DaysAboveOwn => t.days_above_own,
            Self::BadLanguage => t.bad_language,
        };
        fill(sentence, &[("title", &look.brand.title)])
    }
}

/// The languages to choose from, the empty one first where there need be none.
pub(super) fn languages<'a>(none: &'a str) -> Vec<Choice<'a>> {
    let ours = Language::ALL.into_iter().map(|language| Choice {
        value: language.code(),
        label: language.endonym(),
        language: Some(language.code()),
    });
    std::iter::once(Choice { value: "", label: none, language: None }).chain(ours).collect()
}

/// The roles to choose from; with nothing chosen yet, a line that asks to.
pub(super) fn roles<'a>(roles: &'a [RoleView], chosen: &str, ask: &'a str) -> Vec<Choice<'a>> {
    let is_chosen = roles.iter().any(|role| role.name == chosen);
    let ask = (!is_chosen).then_some(Choice { value: "", label: ask, language: None });
    let roles = roles.iter().map(|role| Choice { value: &role.name, label: &role.title, language: None });
    ask.into_iter().chain(roles).collect()
}

/// The fields of a person's access, in the order in which they are read.
pub(super) fn person_fields<'a>(
    look: Look<'_>,
    typed: &'a Typed,
    choices: &'a [RoleView],
    problems: &[(FieldName, FieldProblem)],
    which: &[FieldName],
) -> Vec<Field<'a>> {
    let t = &look.texts().team.field;
    let said = |name| problems.iter().find(|(field, _)| *field == name).map(|(_, problem)| problem.said(look));
    let line = |kind, autocomplete, most| FieldKind::Line(Line { kind, autocomplete, most, is_number: false });
    which
        .iter()
        .map(|name| match name {
            FieldName::FirstName => Field::new("first_name", t.first_name, &typed.first_name, line("text", "off", 200))
                .optional(look)
                .said(&[], said(*name)),
            FieldName::LastName => Field::new("last_name", t.last_name, &typed.last_name, line("text", "off", 200))
                .optional(look)
                .said(&[], said(*name)),
            FieldName::Email => {
                Field::new("email", t.email, &typed.email, line("email", "off", 254)).said(&[], said(*name))
            }
            FieldName::Language => {
                Field::new("language", t.language, &typed.language, FieldKind::Choice(languages(t.language_any)))
                    .optional(look)
                    .said(&[t.language_hint], said(*name))
            }
            FieldName::Role => {
                let options = roles(choices, &typed.role, t.role_choose);
                Field::new("role", t.role, &typed.role, FieldKind::Choice(options)).said(&[], said(*name))
            }
            FieldName::DaysBack => {
                let kind = FieldKind::Line(Line { kind: "text", autocomplete: "off", most: 5, is_number: true });
                Field::new("days_back", t.days_back, &typed.days_back, kind)
                    .optional(look)
                    .said(&[t.days_back_hint], said(*name))
            }
            FieldName::Note => {
                let kind = FieldKind::Lines(Lines { rows: 2, most: 200, is_list: false });
                Field::new("note", t.note, &typed.note, kind).optional(look).said(&[t.note_hint], said(*name))
            }
        })
        .collect()
}
