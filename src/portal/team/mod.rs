//! The team's pages: a customer's own people look after each other's access.
//!
//! What somebody may do is asked of `state::people` at each step anew; the pages only leave out what would be refused. Everything here is
//! for one customer, that of the session, so an id of another customer's person is nobody's.

mod independent;
mod invitation;
mod invite;
mod list;
mod many;
mod member;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;

use super::{PortalRoom, error, log_in_first, store_failed};
use crate::pages::Reply;
use crate::pages::team::{DoorsView, FieldName, FieldProblem, RefusedView, RoleView, team_refused};
use crate::policy::{Grant, NotAllowed, Origin, PortalRight, Roles, Standing, TeamPlan};
use crate::state::audit::Scene;
use crate::state::people::{Hand, Refused, Right, Whom};
use crate::state::sessions::Live;
use crate::state::visit::Visit;
use crate::types::{AppName, CustomerId, Email, RoleName};

/// The pages.
pub(super) fn router() -> Router<Arc<PortalRoom>> {
    Router::new()
        .route("/.access/team", get(list::show))
        .route("/.access/team/invite", get(invite::show).post(invite::send))
        .route("/.access/team/invited/{id}", get(invite::sent))
        .route("/.access/team/invite-many", get(many::show).post(many::send))
        .route("/.access/team/member/{id}", get(member::show).post(member::save))
        .route("/.access/team/member/{id}/remove", get(member::ask_remove).post(member::remove))
        .route("/.access/team/member/{id}/resend", post(member::resend))
        .route("/.access/team/member/{id}/suspend", post(member::suspend))
        .route("/.access/team/member/{id}/let-in", post(member::let_in))
        .route("/.access/team/member/{id}/reset", post(member::reset))
        .route("/.access/team/leave", get(member::ask_leave).post(member::leave))
        .route("/.access/invitation/{token}", get(invitation::show).post(invitation::answer))
        .route("/.access/independent", get(independent::show).post(independent::go))
}

/// Somebody before the pages of their own customer.
struct Desk<'a> {
    room: &'a PortalRoom,
    visit: &'a Visit,
    live: &'a Live,
    grant: &'a Grant,
    plan: &'a TeamPlan,
    customer: &'a CustomerId,
}

impl<'a> Desk<'a> {
    /// Who asks; or the page for whoever is not logged in for a customer of an app whose customers look after their people.
    fn of(room: &'a PortalRoom, visit: &'a Visit) -> Result<Self, Reply> {
        let Some(plan) = &visit.site.app.policy.team else { return Err(error(visit, StatusCode::NOT_FOUND)) };
        let Some(live) = visit.live.as_deref() else { return Err(log_in_first("/.access/team")) };
        let Some(access) = live.access() else {
            // Whoever has several customers chooses first; whoever is refused is told so where the app would be.
            let is_undecided = matches!(live.standing, Standing::Undecided);
            return Err(Reply::see_other(if is_undecided { "/.access/choose?to=%2F.access%2Fteam" } else { "/" }));
        };
        let grant = access.grant();
        match grant.customer_id() {
            Some(customer) if grant.origin != Origin::Workspace => {
                Ok(Self { room, visit, live, grant, plan, customer })
            }
            _ => Err(team_refused(visit.look(), RefusedView::NoCustomer)),
        }
    }

    fn hand(&self) -> Hand<'a> {
        Hand { scene: Scene::from(self.visit), right: Right::Colleague(self.grant), language: self.visit.language }
    }

    fn app(&self) -> &'a AppName {
        &self.visit.site.app.name
    }

    fn roles(&self) -> &'a Roles {
        &self.visit.site.app.policy.roles
    }

    fn whom(&self, email: &'a Email) -> Whom<'a> {
        Whom { app: self.app(), customer: self.customer, email }
    }

    fn may(&self, right: PortalRight) -> bool {
        self.roles().gives(&self.grant.role, right)
    }

    /// The page for whoever lacks a right.
    fn needs(&self, right: PortalRight) -> Result<(), Reply> {
        if self.may(right) { Ok(()) } else { Err(team_refused(self.visit.look(), RefusedView::NoRight)) }
    }

    /// The customer as its people know it.
    fn customer_name(&self) -> &'a str {
        let name = self.grant.customer.as_ref().and_then(|customer| customer.name.as_ref());
        name.map_or(self.customer.as_str(), |name| name.as_str())
    }

    fn title(&self, role: &'a RoleName) -> &'a str {
        self.roles().title(role)
    }

    /// The roles that may be given here, the least first: as they stand on the ladder, a role after those it includes.
    fn role_views(&self) -> Vec<RoleView> {
        let mut roles: Vec<&RoleName> = self.roles().givable(self.plan, &self.grant.role).collect();
        let all = self.roles();
        roles.sort_by_cached_key(|role| all.0.keys().filter(|other| all.holds(role, other)).count());
        roles.into_iter().map(|role| RoleView { name: role.to_string(), title: self.title(role).to_owned() }).collect()
    }

    /// The page that says why something was not done.
    fn refused(&self, refused: &Refused) -> Reply {
        let why = match refused {
            Refused::NotAllowed(why) => match why {
                NotAllowed::NoRight => RefusedView::NoRight,
                NotAllowed::Irrevocable => RefusedView::Irrevocable,
                NotAllowed::LastOwner => RefusedView::LastOwner,
                _ => RefusedView::Above,
            },
            Refused::TableWins(_) | Refused::Named { .. } | Refused::Ambiguous => RefusedView::TableWins,
            Refused::Full(_) => RefusedView::Full,
            Refused::TooSoon => RefusedView::TooSoon,
            Refused::TooMany => RefusedView::TooMany,
            Refused::Store(cause) => return store_failed(self.visit, cause),
            Refused::Unavailable(cause) => {
                tracing::warn!(%cause, request_id = self.visit.request_id, "a team page cannot tell who is who");
                return error(self.visit, StatusCode::SERVICE_UNAVAILABLE);
            }
            Refused::NoTeam | Refused::NoSuchApp => return error(self.visit, StatusCode::NOT_FOUND),
            Refused::NoDomain => {
                tracing::error!(app = %self.app(), customer = self.customer.masked(), "no domain leads a customer in");
                return error(self.visit, StatusCode::INTERNAL_SERVER_ERROR);
            }
            _ => RefusedView::Gone,
        };
        team_refused(self.visit.look(), why)
    }
}

/// The field that a refusal is about, and what is wrong with it.
fn problem_of(refused: &Refused) -> Option<(FieldName, FieldProblem)> {
    Some(match refused {
        Refused::NotAllowed(NotAllowed::AboveOwn) => (FieldName::Role, FieldProblem::AboveOwn),
        Refused::NotAllowed(NotAllowed::AboveCeiling) => (FieldName::Role, FieldProblem::AboveCeiling),
        Refused::NotAllowed(NotAllowed::UnknownRole) => (FieldName::Role, FieldProblem::BadRole),
        Refused::NotAllowed(NotAllowed::DaysAboveOwn) => (FieldName::DaysBack, FieldProblem::DaysAboveOwn),
        Refused::BadDaysBack => (FieldName::DaysBack, FieldProblem::BadDays),
        Refused::Staff => (FieldName::Email, FieldProblem::Staff),
        Refused::Known | Refused::Named { .. } | Refused::Ambiguous => (FieldName::Email, FieldProblem::Known),
        Refused::BadEmail(_) => (FieldName::Email, FieldProblem::BadAddress),
        _ => return None,
    })
}

/// Where the account page leads for a person's organisation.
pub(super) fn doors<'a>(visit: &'a Visit, live: &'a Live, customer: Option<&'a str>) -> DoorsView<'a> {
    let policy = &visit.site.app.policy;
    let grant = live.access().map(|access| access.grant());
    let (Some(_), Some(grant), Some(customer)) = (&policy.team, grant, customer) else { return DoorsView::default() };
    if grant.origin == Origin::Workspace {
        return DoorsView::default();
    }
    let may = |right| policy.roles.gives(&grant.role, right);
    DoorsView {
        team: may(PortalRight::Members),
        invite: may(PortalRight::Invite),
        independent: may(PortalRight::Independent),
        leave: can_leave(visit, grant).then_some(customer),
    }
}

/// Whether somebody's access is theirs to end: a table that no record changes has the last word.
fn can_leave(visit: &Visit, grant: &Grant) -> bool {
    match &grant.origin {
        Origin::Record => true,
        Origin::List(name) => visit.site.app.policy.list(name).is_some_and(|list| list.adjustable),
        Origin::Workspace => false,
    }
}
