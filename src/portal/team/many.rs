//! Inviting many people by a pasted list.

use std::collections::HashSet;

use axum::extract::{Extension, Form, State};
use serde::Deserialize;

use super::super::Room;
use super::{Desk, problem_of};
use crate::pages::Reply;
use crate::pages::team::{
    FieldName, FieldProblem, LineView, ListProblem, ManyView, Outcome, ReportView, field_of_column, invite_many,
    invite_report,
};
use crate::policy::{PortalRight, Roles};
use crate::state::people::{Details, Line, LineOutcome, MOST_LINES, Refused};
use crate::state::visit::Visit;
use crate::types::{DisplayName, Email, Language, RoleName};

/// So much of a line is shown.
const MOST_SHOWN: usize = 200;

#[derive(Default, Deserialize)]
pub(super) struct ManyForm {
    #[serde(default)]
    list: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    language: String,
    /// `check` only says what would happen, `mend` leads back to the form.
    #[serde(default, rename = "do")]
    does: String,
}

/// A line as it was pasted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Pasted {
    number: u32,
    email: String,
    first_name: String,
    last_name: String,
    role: String,
    language: String,
}

pub(super) async fn show(State(room): Room, Extension(visit): Extension<Visit>) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    desk.needs(PortalRight::Invite)?;
    Ok(desk.many_page(&ManyForm::default(), None, None))
}

pub(super) async fn send(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Form(form): Form<ManyForm>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    desk.needs(PortalRight::Invite)?;
    if form.does == "mend" {
        return Ok(desk.many_page(&form, None, None));
    }
    let pasted = match read(&form.list) {
        Ok(pasted) => pasted,
        Err(problem) => return Ok(desk.many_page(&form, Some(problem), None)),
    };
    let needs_role = pasted.iter().any(|line| line.role.is_empty());
    if needs_role && RoleName::parse(&form.role).is_err() {
        return Ok(desk.many_page(&form, None, Some(FieldProblem::Missing)));
    }
    let is_check = form.does == "check";
    let read: Vec<Result<Line, FieldProblem>> = pasted.iter().map(|line| line.read(&form, desk.roles())).collect();
    let lines: Vec<Line> = read.iter().filter_map(|line| line.as_ref().ok().cloned()).collect();
    let done = room.team.import(desk.hand(), (desk.app(), desk.customer), &lines, is_check).await;
    let mut done = done.into_iter();
    let mut seen = HashSet::new();
    let report: Vec<LineView> = pasted
        .iter()
        .zip(&read)
        .map(|(pasted, read)| {
            let is_new = Email::parse(&pasted.email).map_or(true, |email| seen.insert(email));
            let outcome = match read {
                Err(problem) => Outcome::Wrong(*problem),
                Ok(_) => outcome_of(done.next(), is_new),
            };
            LineView { number: pasted.number, who: pasted.shown(), outcome }
        })
        .collect();
    let view = ReportView {
        lines: &report,
        is_check,
        list: &form.list,
        role: &form.role,
        language: &form.language,
        has_team: desk.may(PortalRight::Members),
    };
    Ok(invite_report(visit.look(), &view))
}

fn outcome_of(done: Option<LineOutcome>, is_new: bool) -> Outcome {
    match done.map(|line| line.done) {
        Some(Ok(_)) => Outcome::Invited,
        Some(Err(Refused::Known)) if !is_new => Outcome::Twice,
        Some(Err(Refused::Known | Refused::Named { .. } | Refused::Ambiguous)) => Outcome::Known,
        Some(Err(Refused::Full(_))) => Outcome::Full,
        Some(Err(refused)) => problem_of(&refused).map_or(Outcome::NotStored, |(_, problem)| Outcome::Wrong(problem)),
        None => Outcome::NotStored,
    }
}

impl Desk<'_> {
    fn many_page(&self, form: &ManyForm, problem: Option<ListProblem>, role_problem: Option<FieldProblem>) -> Reply {
        let roles = self.role_views();
        let view = ManyView {
            list: &form.list,
            role: &form.role,
            language: &form.language,
            roles: &roles,
            problem,
            role_problem,
            has_team: self.may(PortalRight::Members),
        };
        invite_many(self.visit.look(), &view)
    }
}

impl Pasted {
    /// What the line says, with what the form says for lines that leave it out.
    fn read(&self, form: &ManyForm, roles: &Roles) -> Result<Line, FieldProblem> {
        let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
        let role = role_called(&or(&self.role, &form.role), roles).ok_or(FieldProblem::BadRole)?;
        let language = or(&self.language, &form.language);
        let language = match language.as_str() {
            "" => None,
            text => Some(language_called(text).ok_or(FieldProblem::BadLanguage)?),
        };
        let details = Details {
            first_name: DisplayName::new(&self.first_name),
            last_name: DisplayName::new(&self.last_name),
            role,
            days_back: None,
            notes: None,
            language,
        };
        Ok(Line { address: self.email.clone(), details })
    }

    fn shown(&self) -> String {
        let name = [self.first_name.as_str(), self.last_name.as_str()].join(" ");
        let all = match name.trim() {
            "" => self.email.clone(),
            name => format!("{name} <{}>", self.email),
        };
        all.chars().take(MOST_SHOWN).collect()
    }
}

/// The role of this name or, as pages show it, of this title.
fn role_called(text: &str, roles: &Roles) -> Option<RoleName> {
    let named = RoleName::parse(text).ok().filter(|name| roles.role(name).is_some());
    let wanted = text.to_lowercase();
    let find = |own: fn(&Roles, &RoleName) -> String| roles.0.keys().find(|name| own(roles, name) == wanted).cloned();
    named
        .or_else(|| find(|roles, name| roles.title(name).to_lowercase()))
        .or_else(|| find(|_, name| name.as_str().to_lowercase()))
}

/// The language of this code or, as pages show it, of this name.
fn language_called(text: &str) -> Option<Language> {
    let wanted = text.to_lowercase();
    let by_name = || Language::ALL.into_iter().find(|language| language.endonym().to_lowercase() == wanted);
    Language::parse(text).or_else(by_name)
}

/// The lines of a pasted list, with their numbers as pasted: a table where the first line names columns, else one person a line.
fn read(list: &str) -> Result<Vec<Pasted>, ListProblem> {
    let first = list.lines().find(|line| !is_blank(line)).ok_or(ListProblem::Empty)?;
    let lines = match header(first) {
        Some((mark, columns)) => {
            if !columns.contains(&Some(FieldName::Email)) {
                return Err(ListProblem::NoColumns);
            }
            table(list, mark, &columns)
        }
        None => numbered(list).map(|(number, line)| Pasted { number, ..one(line) }).collect(),
    };
    match lines.len() {
        0 => Err(ListProblem::Empty),
        count if count > MOST_LINES => Err(ListProblem::TooMany),
        _ => Ok(lines),
    }
}

fn numbered(list: &str) -> impl Iterator<Item = (u32, &str)> {
    (1..).zip(list.lines()).filter(|(_, line)| !is_blank(line))
}

/// Whether nothing stands in a line; of an empty row, spreadsheets leave the marks.
fn is_blank(line: &str) -> bool {
    line.chars().all(|letter| letter.is_whitespace() || matches!(letter, ',' | ';' | '\u{feff}'))
}

/// What parts the columns and what they are for, where a line names columns: none of them is an address, and one of them is known.
fn header(line: &str) -> Option<(u8, Vec<Option<FieldName>>)> {
    let mark = [b'\t', b';', b','].into_iter().find(|mark| line.as_bytes().contains(mark)).unwrap_or(b',');
    let columns: Vec<_> = line.split(char::from(mark)).map(field_of_column).collect();
    let names_columns = !line.contains('@') && columns.iter().any(Option::is_some);
    names_columns.then_some((mark, columns))
}

/// A table (RFC 4180, whatever parts its columns).
fn table(list: &str, mark: u8, columns: &[Option<FieldName>]) -> Vec<Pasted> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(mark)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(list.as_bytes());
    let mut lines = Vec::new();
    // Text can be read as text, so there is nothing that could fail.
    let rows = reader.records().filter_map(Result::ok).filter(|row| !row.iter().all(str::is_empty));
    // The first names the columns.
    for record in rows.skip(1) {
        let cell = |field: FieldName| {
            let at = columns.iter().position(|column| *column == Some(field));
            at.and_then(|at| record.get(at)).unwrap_or_default().to_owned()
        };
        lines.push(Pasted {
            number: record.position().map_or(0, |position| line_of(list, position)),
            email: cell(FieldName::Email),
            first_name: cell(FieldName::FirstName),
            last_name: cell(FieldName::LastName),
            role: cell(FieldName::Role),
            language: cell(FieldName::Language),
        });
    }
    lines
}

/// The line where a record stands. The reader takes blank lines before it for its own.
fn line_of(list: &str, position: &csv::Position) -> u32 {
    let from = usize::try_from(position.byte()).ok().and_then(|start| list.get(start..)).unwrap_or_default();
    let blank = from.len() - from.trim_start_matches(['\r', '\n']).len();
    let skipped = from.get(..blank).unwrap_or_default().matches('\n').count();
    u32::try_from(position.line()).unwrap_or(u32::MAX).saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX))
}

/// One person: an address, or a name and an address in angle brackets (RFC 5322, section 3.4).
fn one(line: &str) -> Pasted {
    let line = line.trim().trim_end_matches([',', ';']).trim();
    let Some((name, address)) = line.strip_suffix('>').and_then(|line| line.rsplit_once('<')) else {
        return Pasted { email: line.to_owned(), ..Pasted::default() };
    };
    let name = name.trim().trim_matches('"').trim();
    // Address books write `Example, Ann` too.
    let parted = name.split_once(',').map(|(last, first)| (first, last));
    let (first_name, last_name) = parted.or_else(|| name.rsplit_once(char::is_whitespace)).unwrap_or((name, ""));
    Pasted {
        email: address.trim().to_owned(),
        first_name: first_name.trim().to_owned(),
        last_name: last_name.trim().to_owned(),
        ..Pasted::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(list: &str, expected: &str) {
        let read = match read(list) {
            Ok(lines) => lines
                .iter()
                .map(|line| {
                    let Pasted { number, email, first_name, last_name, role, language } = line;
                    format!("{number}: {first_name}|{last_name}|{email}|{role}|{language}")
                })
                .collect::<Vec<_>>()
                .join("\n"),
            Err(problem) => format!("{problem:?}"),
        };
        assert_eq!(read, expected, "{list:?}");
    }

    #[test]
    fn a_list_is_read_as_it_is_pasted() {
        check("ann@example.com", "1: ||ann@example.com||");
        check("\n  ann@example.com ;\r\n\r\nbob@example.com,\n", "2: ||ann@example.com||\n4: ||bob@example.com||");
        check(
            "Ann Example <ann@example.com>\n\"Ann Maria Example\" <am@example.com>\nBob <bob@example.com>",
            "1: Ann|Example|ann@example.com||\n2: Ann Maria|Example|am@example.com||\n3: Bob||bob@example.com||",
        );
        check("Example, Ann Maria <am@example.com>", "1: Ann Maria|Example|am@example.com||");
        check("no address here", "1: ||no address here||");
        check("", "Empty");
        check(" \n\t\n", "Empty");
    }

    #[test]
    fn a_table_is_read_by_the_names_of_its_columns() {
        check(
            "first_name,last_name,email,role,language\nAnn,\"Example, the first\",ann@example.com,member,de\n\n,,bob@example.com,,",
            "2: Ann|Example, the first|ann@example.com|member|de\n4: ||bob@example.com||",
        );
        check("E-Mail;Role\nann@example.com;member", "2: ||ann@example.com|member|");
        check("email\tFirst Name\nann@example.com\tAnn", "2: Ann||ann@example.com||");
        check("email\nann@example.com", "2: ||ann@example.com||");
        check("\u{feff}Vorname;Nachname;E-Mail-Adresse\r\nÄnne;Groß;ann@example.com", "2: Änne|Groß|ann@example.com||");
        check("Prénom\tAdresse e-mail\tRôle\r\nAnn\tann@example.com\tmember", "2: Ann||ann@example.com|member|");
        check("Имейл;Език\nann@example.com;bg", "2: ||ann@example.com||bg");
        check("Phone;email\n+49 1;ann@example.com", "2: ||ann@example.com||");
        check("\n;;\nemail;role\n;;\nann@example.com;member", "5: ||ann@example.com|member|");
        check("first_name;role\nAnn;member", "NoColumns");
        check("email,role", "Empty");
    }

    #[test]
    fn more_lines_than_are_taken_are_not_cut_silently() {
        let lines = |count: usize| (0..count).map(|number| format!("a{number}@example.com\n")).collect::<String>();
        assert_eq!(read(&lines(MOST_LINES)).map(|lines| lines.len()), Ok(MOST_LINES));
        assert_eq!(read(&lines(MOST_LINES + 1)), Err(ListProblem::TooMany));
    }

    #[test]
    fn roles_and_languages_are_known_by_what_pages_call_them() {
        let role =
            |title: &str| crate::policy::Role { title: DisplayName::new(title), ..crate::policy::Role::default() };
        let name = |text: &str| RoleName::parse(text).expect("valid");
        let roles = Roles([(name("clerk"), role("Reader")), (name("reader"), role("Head of sales"))].into());
        for (text, expected) in [
            ("clerk", Some("clerk")),
            ("Clerk", Some("clerk")),
            ("reader", Some("reader")),
            ("HEAD OF SALES", Some("reader")),
            ("Reader", Some("clerk")),
            ("boss", None),
        ] {
            assert_eq!(role_called(text, &roles).as_ref().map(RoleName::as_str), expected, "{text}");
        }
        for (text, expected) in [("de-AT", "de"), ("deutsch", "de"), ("Français", "fr"), ("български", "bg")]
        {
            assert_eq!(language_called(text).map(Language::code), Some(expected), "{text}");
        }
        assert_eq!(language_called("Klingon"), None);
    }

    proptest! {
        #[test]
        fn any_list_is_read_without_trouble(list in "[a-z@<>\",;\t\n\r é]{0,80}") {
            let _ = read(&list);
        }
    }
}
