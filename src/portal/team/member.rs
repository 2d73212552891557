//! One member's page: changing, suspending, removing; and leaving.

use axum::extract::{Extension, Form, Path, State};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use super::super::{Room, day_and_time, store_failed};
use super::invite::AccessForm;
use super::{Desk, can_leave, problem_of};
use crate::pages::Reply;
use crate::pages::team::{
    self as view, Done, FieldName, FieldProblem, MayView, MemberView, RefusedView, RemoveView, Typed, team_refused,
};
use crate::policy::{DaysBack, NotAllowed};
use crate::session::{CookieName, clearing};
use crate::state::audit::Event;
use crate::state::people::{Edit, Edits, Member, MemberState, Refused, Source, Team};
use crate::state::visit::Visit;
use crate::types::{Email, Language};

#[derive(Deserialize)]
pub(super) struct VersionForm {
    #[serde(default)]
    version: String,
}

pub(super) async fn show(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let (team, email) = desk.member(&id).await?;
    Ok(desk.member_page(&team, &email, None, &[], false))
}

/// Changes what the person's access says.
pub(super) async fn save(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Form(form): Form<AccessForm>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let (team, email) = desk.member(&id).await?;
    let typed = form.typed();
    let mut problems = Vec::new();
    let details = form.details(&mut problems);
    let (Some(details), true) = (details, problems.is_empty()) else {
        return Ok(desk.member_page(&team, &email, Some(&typed), &problems, false));
    };
    let is_listed = team.find(&email).is_some_and(|member| matches!(member.source, Source::List { .. }));
    // Whom a list names has the list's name and language; the form does not ask for them.
    let unless_listed = |edit| if is_listed { Edit::Keep } else { edit };
    let edits = Edits {
        version: Some(form.version.parse().unwrap_or(-1)),
        first_name: unless_listed(Edit::Set(details.first_name)),
        last_name: unless_listed(Edit::Set(details.last_name)),
        role: Edit::Set(details.role),
        days_back: Edit::Set(details.days_back),
        notes: Edit::Set(details.notes),
        language: if is_listed { Edit::Keep } else { Edit::Set(details.language) },
        suspended: Edit::Keep,
    };
    Ok(desk.change(&team, &email, &edits, Some(&typed), Done::Saved).await)
}

pub(super) async fn suspend(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Form(form): Form<VersionForm>,
) -> Result<Reply, Reply> {
    set_suspended(&room, &visit, &id, &form, true).await
}

pub(super) async fn let_in(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Form(form): Form<VersionForm>,
) -> Result<Reply, Reply> {
    set_suspended(&room, &visit, &id, &form, false).await
}

async fn set_suspended(
    room: &super::PortalRoom,
    visit: &Visit,
    id: &str,
    form: &VersionForm,
    suspended: bool,
) -> Result<Reply, Reply> {
    let desk = Desk::of(room, visit)?;
    let (team, email) = desk.member(id).await?;
    let edits = Edits { version: Some(form.version()), suspended: Edit::Set(suspended), ..Edits::default() };
    Ok(desk.change(&team, &email, &edits, None, if suspended { Done::Suspended } else { Done::LetIn }).await)
}

/// Lets the list decide again.
pub(super) async fn reset(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let (_, email) = desk.member(&id).await?;
    room.team.reset(desk.hand(), desk.whom(&email)).await.map_err(|refused| desk.refused(&refused))?;
    Ok(done(Done::Saved))
}

pub(super) async fn resend(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let (_, email) = desk.member(&id).await?;
    room.team.resend(desk.hand(), desk.whom(&email)).await.map_err(|refused| desk.refused(&refused))?;
    Ok(done(Done::Resent))
}

pub(super) async fn ask_remove(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let (team, email) = desk.member(&id).await?;
    let Some(member) = team.find(&email) else { return Ok(team_refused(visit.look(), RefusedView::Gone)) };
    if !member.may.remove {
        return Ok(desk.refused(&desk.why_not_remove(member)));
    }
    let version = member.version().to_string();
    let path = desk.path_of(member);
    let remove = RemoveView {
        person: member.called(),
        customer: desk.customer_name(),
        path: &path,
        version: &version,
        is_invitation: member.is_invited(),
        is_listed: matches!(member.source, Source::List { .. }),
    };
    Ok(view::ask_remove(visit.look(), &remove))
}

pub(super) async fn remove(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Form(form): Form<VersionForm>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let (team, email) = desk.member(&id).await?;
    // Oneself one leaves, which asks in other words.
    if email == desk.grant.email {
        return Ok(Reply::see_other("/.access/team/leave"));
    }
    let is_invitation = team.find(&email).is_some_and(Member::is_invited);
    Ok(match room.team.remove(desk.hand(), desk.whom(&email), Some(form.version())).await {
        Ok(()) => done(if is_invitation { Done::Withdrawn } else { Done::Removed }),
        Err(Refused::Stale) => desk.stale(&email).await,
        Err(refused) => desk.refused(&refused),
    })
}

pub(super) async fn ask_leave(State(room): Room, Extension(visit): Extension<Visit>) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    Ok(view::ask_leave(visit.look(), desk.customer_name(), !can_leave(&visit, desk.grant)))
}

/// Ends the person's own access, and with it their sessions in this app.
pub(super) async fn leave(State(room): Room, Extension(visit): Extension<Visit>) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let email = &desk.live.record.email;
    match room.team.leave(desk.hand(), desk.whom(email)).await {
        Ok(()) => {}
        Err(Refused::TableWins(_)) => return Ok(view::ask_leave(visit.look(), desk.customer_name(), true)),
        Err(refused) => return Ok(desk.refused(&refused)),
    }
    let sessions =
        room.sessions.list(desk.app(), email, visit.now).await.map_err(|cause| store_failed(&visit, &cause))?;
    for id in sessions.iter().map(|session| session.id) {
        room.sessions.end(id).await.map_err(|cause| store_failed(&visit, &cause))?;
        room.journal.write(&visit, &Event::SessionEnded { email, session: id });
    }
    Ok(view::left(visit.look(), desk.customer_name()).with_cookie(clearing(CookieName::Session)))
}

fn done(what: Done) -> Reply {
    Reply::see_other(&format!("/.access/team?done={}", what.name()))
}

impl VersionForm {
    /// The version that was looked at; none there ever is for what is no number.
    fn version(&self) -> i64 {
        self.version.parse().unwrap_or(-1)
    }
}

impl Team {
    fn find(&self, email: &Email) -> Option<&Member> {
        self.members.iter().find(|member| member.email == *email)
    }
}

impl Member {
    /// The version of the record that was looked at; 0 where there is none.
    fn version(&self) -> i64 {
        self.record.as_ref().map_or(0, |record| record.version)
    }

    fn called(&self) -> &str {
        self.name.as_ref().map_or(self.email.as_str(), |name| name.as_str())
    }

    /// What stands in the fields.
    fn typed(&self) -> Typed {
        let entry = self.record.as_ref().map(|record| &record.entry);
        let text = |text: Option<&crate::types::DisplayName>| text.map(ToString::to_string).unwrap_or_default();
        let days = match entry.and_then(|entry| entry.days_back) {
            Some(DaysBack::Days(days)) => days.to_string(),
            _ => String::new(),
        };
        Typed {
            first_name: text(entry.and_then(|entry| entry.first_name.as_ref())),
            last_name: text(entry.and_then(|entry| entry.last_name.as_ref())),
            email: self.email.to_string(),
            language: entry.and_then(|entry| entry.language).map(Language::code).unwrap_or_default().to_owned(),
            role: self.role.to_string(),
            days_back: days,
            note: text(entry.and_then(|entry| entry.notes.as_ref())),
        }
    }
}

impl Desk<'_> {
    /// What a person's page is called for: their record's number or, of whom only a list names, their address, sealed, so that no log
    /// and no other customer can read it.
    pub(super) fn path_of(&self, member: &Member) -> String {
        let id = match &member.record {
            Some(record) => record.id.to_string(),
            None => {
                let sealed = self.room.seal.seal(&self.seal_name(), member.email.as_str().as_bytes());
                BASE64URL_NOPAD.encode(&sealed.unwrap_or_default())
            }
        };
        format!("/.access/team/member/{id}")
    }

    fn seal_name(&self) -> String {
        format!("member {} {}", self.app(), self.customer)
    }

    /// The team, and whom of it an id means.
    async fn member(&self, id: &str) -> Result<(Team, Email), Reply> {
        let team = self.room.team.team(self.hand(), self.app(), self.customer).await;
        let team = team.map_err(|refused| self.refused(&refused))?;
        let email = match id.parse::<i64>() {
            Ok(id) => {
                let is_meant = |member: &&Member| member.record.as_ref().is_some_and(|record| record.id == id);
                team.members.iter().find(is_meant).map(|member| member.email.clone())
            }
            Err(_) => {
                let sealed = BASE64URL_NOPAD.decode(id.as_bytes()).unwrap_or_default();
                let opened = self.room.seal.open(&self.seal_name(), &sealed).unwrap_or_default();
                let email = String::from_utf8(opened).ok().and_then(|text| Email::parse(&text).ok());
                email.filter(|email| team.find(email).is_some())
            }
        };
        let Some(email) = email else { return Err(team_refused(self.visit.look(), RefusedView::Gone)) };
        Ok((team, email))
    }

    async fn change(&self, team: &Team, email: &Email, edits: &Edits, typed: Option<&Typed>, what: Done) -> Reply {
        match self.room.team.change(self.hand(), self.whom(email), edits).await {
            Ok(_) => done(what),
            Err(Refused::Stale) => self.stale(email).await,
            Err(refused) => match (problem_of(&refused), typed) {
                (Some(problem), Some(typed)) => self.member_page(team, email, Some(typed), &[problem], false),
                _ => self.refused(&refused),
            },
        }
    }

    /// The page as it stands now, for whoever changed what somebody else had changed meanwhile.
    async fn stale(&self, email: &Email) -> Reply {
        match self.room.team.team(self.hand(), self.app(), self.customer).await {
            Ok(team) => self.member_page(&team, email, None, &[], true),
            Err(refused) => self.refused(&refused),
        }
    }

    fn why_not_remove(&self, member: &Member) -> Refused {
        match (&member.source, self.roles().may_touch(&self.grant.role, &member.role)) {
            (Source::List { name, adjustable: false }, _) => Refused::TableWins(name.clone()),
            (_, Err(why)) => why.into(),
            (_, Ok(())) => NotAllowed::NoRight.into(),
        }
    }

    fn member_page(
        &self,
        team: &Team,
        email: &Email,
        typed: Option<&Typed>,
        problems: &[(FieldName, FieldProblem)],
        is_stale: bool,
    ) -> Reply {
        let Some(member) = team.find(email) else { return team_refused(self.visit.look(), RefusedView::Gone) };
        let own = member.typed();
        let mut roles = self.role_views();
        // What somebody has stays to be chosen, for whoever changes something else about them.
        if roles.iter().all(|role| role.name != own.role) {
            roles.push(view::RoleView { name: own.role.clone(), title: self.title(&member.role).to_owned() });
        }
        let is_listed = matches!(member.source, Source::List { .. });
        let is_suspended = member.state == MemberState::Suspended;
        let may = MayView {
            change: member.may.change,
            suspend: member.may.suspend && !is_suspended,
            let_in: member.may.suspend && is_suspended,
            remove: member.may.remove && !member.is_invited(),
            resend: member.may.resend,
            withdraw: member.may.remove && member.is_invited(),
            reset: member.may.change && is_listed && member.record.is_some() && (!is_suspended || member.may.suspend),
        };
        let until = match member.state {
            MemberState::Invited(until) | MemberState::Lapsed(until) => Some(day_and_time(until, self.visit)),
            _ => None,
        };
        let person = self.person(member, &team.names());
        let path = self.path_of(member);
        let page = MemberView {
            person: &person,
            path: &path,
            version: member.version(),
            typed: typed.unwrap_or(&own),
            roles: &roles,
            problems,
            may,
            until: until.as_deref(),
            is_listed,
            is_stale,
        };
        view::member(self.visit.look(), &page)
    }
}
