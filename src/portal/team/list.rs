//! The list of a customer's people.

use std::collections::HashMap;

use axum::extract::{Extension, Query, State};
use serde::Deserialize;

use super::super::{Room, day_and_time};
use super::Desk;
use crate::pages::Reply;
use crate::pages::team::{Done, OriginView, PersonView, StateView, TeamView, WhyNot, team};
use crate::policy::{NotAllowed, PortalRight};
use crate::session::SessionRecord;
use crate::state::members::Maker;
use crate::state::people::{Member, MemberState, Source, Team};
use crate::state::ports::Directory as _;
use crate::state::visit::Visit;
use crate::types::{DisplayName, Email};

/// So many people stand on a page.
const A_PAGE: usize = 50;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: String,
    #[serde(default)]
    done: String,
}

pub(super) async fn show(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Query(query): Query<ListQuery>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let all = room.team.team(desk.hand(), desk.app(), desk.customer).await.map_err(|refused| desk.refused(&refused))?;
    let search: String = query.q.trim().chars().take(200).collect();
    let (invited, others): (Vec<&Member>, Vec<&Member>) =
        all.members.iter().filter(|member| is_meant(member, &search)).partition(|member| member.is_invited());
    let (found, open_invitations) = (others.len(), invited.len());
    let everybody: Vec<&Member> = invited.into_iter().chain(others).collect();
    let pages = everybody.len().div_ceil(A_PAGE).max(1);
    let page = query.page.parse::<usize>().unwrap_or(1).clamp(1, pages);
    let shown = everybody.iter().skip((page - 1) * A_PAGE).take(A_PAGE);
    let names = all.names();
    let (mut people, mut invitations) = (Vec::new(), Vec::new());
    for member in shown {
        let mut view = desk.person(member, &names);
        if member.is_invited() {
            invitations.push(view);
        } else {
            view.last_seen = desk.last_seen(&member.email).await;
            people.push(view);
        }
    }
    let view = TeamView {
        customer: desk.customer_name(),
        done: Done::parse(&query.done),
        people,
        invitations,
        found: count(found),
        open_invitations: count(open_invitations),
        search: &search,
        page: count(page),
        pages: count(pages),
        can_invite: all.may_invite,
        is_incomplete: !all.unasked.is_empty() || all.is_cut,
    };
    Ok(team(visit.look(), &view))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn is_meant(member: &Member, search: &str) -> bool {
    let search = search.to_lowercase();
    let name = member.name.as_ref().map(|name| name.as_str().to_lowercase()).unwrap_or_default();
    name.contains(&search) || member.email.as_str().to_lowercase().contains(&search)
}

impl Member {
    /// Whether they were invited and have not come yet.
    pub(super) fn is_invited(&self) -> bool {
        matches!(self.state, MemberState::Invited(_) | MemberState::Lapsed(_))
    }
}

impl Team {
    /// What people are called, by their addresses.
    pub(super) fn names(&self) -> HashMap<&Email, &DisplayName> {
        self.members.iter().filter_map(|member| Some((&member.email, member.name.as_ref()?))).collect()
    }
}

impl Desk<'_> {
    pub(super) fn person(&self, member: &Member, names: &HashMap<&Email, &DisplayName>) -> PersonView {
        let made_by = member.record.as_ref().map(|record| &record.made_by);
        let origin = match (&member.source, made_by) {
            (Source::List { adjustable: true, .. }, Some(_)) => OriginView::ListChanged,
            (Source::List { .. }, _) => OriginView::List,
            (Source::Record, Some(Maker::Colleague(email))) => {
                OriginView::Invited { by: names.get(email).map_or_else(|| email.to_string(), ToString::to_string) }
            }
            (Source::Record, _) => OriginView::Added,
        };
        let state = match member.state {
            MemberState::Active => StateView::Active,
            MemberState::Invited(until) => {
                StateView::Invited { left: until.as_second().saturating_sub(self.visit.now.as_second()) }
            }
            MemberState::Lapsed(_) => StateView::Expired,
            MemberState::Suspended => StateView::Suspended,
            MemberState::Without => StateView::Without,
        };
        let may = member.may;
        let link = (may.change || may.suspend || may.remove || may.resend).then(|| self.path_of(member));
        PersonView {
            name: member.name.as_ref().map(ToString::to_string).unwrap_or_default(),
            email: member.email.to_string(),
            role: self.title(&member.role).to_owned(),
            days_back: member.days_back,
            origin,
            state,
            last_seen: None,
            is_self: member.email == self.grant.email,
            why: if link.is_some() { None } else { self.why_not(member) },
            link,
        }
    }

    /// Why whoever looks after people cannot change one of them.
    fn why_not(&self, member: &Member) -> Option<WhyNot> {
        if member.email == self.grant.email || !(self.may(PortalRight::Roles) || self.may(PortalRight::Remove)) {
            return None;
        }
        if matches!(member.source, Source::List { adjustable: false, .. }) {
            return Some(WhyNot::TableWins);
        }
        match self.roles().may_touch(&self.grant.role, &member.role) {
            Err(NotAllowed::Irrevocable) => Some(WhyNot::Irrevocable),
            Err(_) => Some(WhyNot::Above),
            Ok(()) => None,
        }
    }

    /// When somebody logged in last for this customer, as far as their sessions tell. What they do for another is nobody's business here.
    async fn last_seen(&self, email: &Email) -> Option<String> {
        let sessions = self.room.store.sessions_of(self.app(), email).await.unwrap_or_default();
        let known = self.room.team.known(self.app(), email).await.ok()?;
        let current = self.room.current.load_full();
        let only = match known.grants.as_slice() {
            [grant] => grant.customer_id(),
            _ => None,
        };
        let is_here = |session: &&SessionRecord| {
            let pinned = current.site(&session.host).and_then(|site| site.domain.customer.as_ref());
            pinned.or(session.customer.as_ref()).or(only) == Some(self.customer)
        };
        let newest = sessions.iter().filter(is_here).map(|session| session.created).max()?;
        Some(day_and_time(newest, self.visit))
    }
}
