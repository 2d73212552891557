//! Inviting one person.

use axum::extract::{Extension, Form, Path, State};
use serde::Deserialize;

use super::super::{Room, day_and_time};
use super::{Desk, problem_of};
use crate::pages::Reply;
use crate::pages::team::{
    FieldName, FieldProblem, InviteView, InvitedView, RefusedView, Typed, invite, invited, team_refused,
};
use crate::policy::{DaysBack, PortalRight};
use crate::state::members::RecordState;
use crate::state::people::{Details, Welcome};
use crate::state::visit::Visit;
use crate::types::{DisplayName, Email, Language, RoleName};

/// The longest name or note, in characters.
const MOST_CHARACTERS: usize = 200;
/// So much of what was typed is shown again.
const MOST_SHOWN: usize = 1000;

/// What the form of a person's access posts.
#[derive(Deserialize)]
pub(super) struct AccessForm {
    #[serde(default)]
    pub(super) first_name: String,
    #[serde(default)]
    pub(super) last_name: String,
    #[serde(default)]
    pub(super) email: String,
    #[serde(default)]
    pub(super) language: String,
    #[serde(default)]
    pub(super) role: String,
    #[serde(default)]
    pub(super) days_back: String,
    #[serde(default)]
    pub(super) note: String,
    #[serde(default)]
    pub(super) version: String,
}

pub(super) async fn show(State(room): Room, Extension(visit): Extension<Visit>) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    desk.needs(PortalRight::Invite)?;
    Ok(desk.invite_page(&Typed::default(), &[]))
}

pub(super) async fn send(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Form(form): Form<AccessForm>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    desk.needs(PortalRight::Invite)?;
    let typed = form.typed();
    let mut problems = Vec::new();
    let email = Email::parse(&form.email);
    match (form.email.trim(), &email) {
        ("", _) => problems.push((FieldName::Email, FieldProblem::Missing)),
        (_, Err(_)) => problems.push((FieldName::Email, FieldProblem::BadAddress)),
        _ => {}
    }
    let details = form.details(&mut problems);
    let (Ok(email), Some(details), true) = (email, details, problems.is_empty()) else {
        return Ok(desk.invite_page(&typed, &problems));
    };
    Ok(match room.team.invite(desk.hand(), desk.whom(&email), &details, Welcome::Invitation).await {
        Ok(record) => Reply::see_other(&format!("/.access/team/invited/{}", record.id)),
        Err(refused) => match problem_of(&refused) {
            Some(problem) => desk.invite_page(&typed, &[problem]),
            None => desk.refused(&refused),
        },
    })
}

pub(super) async fn sent(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    desk.needs(PortalRight::Invite)?;
    let gone = || team_refused(visit.look(), RefusedView::Gone);
    let Ok(id) = id.parse::<i64>() else { return Ok(gone()) };
    let record = room.team.record(id).await.map_err(|cause| super::store_failed(&visit, &cause))?;
    let is_here = |record: &crate::state::members::Record| {
        record.entry.app == *desk.app() && record.entry.customer == *desk.customer
    };
    let Some(record) = record.filter(is_here) else { return Ok(gone()) };
    let RecordState::Invited { expires, .. } = record.state else { return Ok(Reply::see_other("/.access/team")) };
    let name = record.entry.name();
    let view = InvitedView {
        person: name.as_ref().map_or(record.entry.email.as_str(), DisplayName::as_str),
        customer: desk.customer_name(),
        role: desk.roles().title(&record.entry.role),
        until: &day_and_time(expires, &visit),
        has_team: desk.may(PortalRight::Members),
    };
    Ok(invited(visit.look(), &view))
}

impl Desk<'_> {
    fn invite_page(&self, typed: &Typed, problems: &[(FieldName, FieldProblem)]) -> Reply {
        let roles = self.role_views();
        let view = InviteView { typed, roles: &roles, problems, has_team: self.may(PortalRight::Members) };
        invite(self.visit.look(), &view)
    }
}

impl AccessForm {
    /// What was typed, as it was typed; of what is far too long, the beginning.
    pub(super) fn typed(&self) -> Typed {
        let shown = |text: &str| text.chars().take(MOST_SHOWN).collect::<String>();
        Typed {
            first_name: shown(&self.first_name),
            last_name: shown(&self.last_name),
            email: shown(&self.email),
            language: shown(&self.language),
            role: shown(&self.role),
            days_back: shown(&self.days_back),
            note: shown(&self.note),
        }
    }

    /// What it says of a person, where all of it can be read.
    pub(super) fn details(&self, problems: &mut Vec<(FieldName, FieldProblem)>) -> Option<Details> {
        let mut text = |field, text: &str| {
            if text.chars().count() > MOST_CHARACTERS {
                problems.push((field, FieldProblem::TooLong));
            }
            DisplayName::new(text)
        };
        let first_name = text(FieldName::FirstName, &self.first_name);
        let last_name = text(FieldName::LastName, &self.last_name);
        let notes = text(FieldName::Note, &self.note);
        let language = Language::parse(&self.language);
        if language.is_none() && !self.language.trim().is_empty() {
            problems.push((FieldName::Language, FieldProblem::BadLanguage));
        }
        let days_back = days(&self.days_back);
        if days_back.is_err() {
            problems.push((FieldName::DaysBack, FieldProblem::BadDays));
        }
        let role = RoleName::parse(self.role.trim());
        if role.is_err() {
            let is_empty = self.role.trim().is_empty();
            let problem = if is_empty { FieldProblem::Missing } else { FieldProblem::BadRole };
            problems.push((FieldName::Role, problem));
        }
        Some(Details { first_name, last_name, role: role.ok()?, days_back: days_back.ok()?, notes, language })
    }
}

/// A number of days back, or nothing.
fn days(text: &str) -> Result<Option<DaysBack>, std::num::ParseIntError> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(DaysBack::Days).map(Some),
    }
}
