//! The dashboard: what one's own customer used, for roles with that right; what all used, or one of them, for staff.

use axum::extract::{Extension, Query, State};
use serde::Deserialize;

use super::{Room, log_in_first, store_failed};
use crate::config::AppKind;
use crate::pages::team::{RefusedView, team_refused};
use crate::pages::{self, DashboardView, DayView, PickView, Reply};
use crate::policy::{Grant, Origin, PortalRight, Standing};
use crate::state::sessions::Live;
use crate::state::usage::{CustomerUse, Day};
use crate::state::visit::Visit;
use crate::types::CustomerId;

const DASHBOARD: &str = "/.access/dashboard";
/// How many days it shows.
const DAYS: u16 = 30;

#[derive(Deserialize)]
pub(super) struct PickQuery {
    #[serde(default)]
    customer: String,
}

/// Whether a session's person may see the dashboard.
pub(super) fn may_see(visit: &Visit, live: &Live) -> bool {
    live.access().is_some_and(|access| is_allowed(visit, access.grant()))
}

fn is_allowed(visit: &Visit, grant: &Grant) -> bool {
    if visit.site.app.kind == AppKind::Console {
        // Nobody is a customer of that.
        return false;
    }
    let may = || visit.site.app.policy.roles.gives(&grant.role, PortalRight::Dashboard);
    grant.origin == Origin::Workspace || (grant.customer.is_some() && may())
}

/// The last 30 days.
pub(super) async fn show(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Query(query): Query<PickQuery>,
) -> Reply {
    let Some(live) = &visit.live else { return log_in_first(DASHBOARD) };
    // Whoever has several customers chooses first; whoever is refused is told so where the app would be.
    let Some(grant) = live.access().map(|access| access.grant()) else {
        let is_undecided = matches!(live.standing, Standing::Undecided);
        return Reply::see_other(if is_undecided { "/.access/choose?to=%2F.access%2Fdashboard" } else { "/" });
    };
    if !is_allowed(&visit, grant) {
        return team_refused(visit.look(), RefusedView::NoRight);
    }
    let app = &visit.site.app;
    let is_staff = grant.origin == Origin::Workspace;
    // What staff picks; a customer's own people see their customer, whatever they ask for.
    let customers = match is_staff {
        true => match room.usage.customers(&app.name, DAYS).await {
            Ok(customers) => customers,
            Err(cause) => return store_failed(&visit, &cause),
        },
        false => Vec::new(),
    };
    let customer = match is_staff {
        true => CustomerId::parse(&query.customer).ok(),
        false => grant.customer_id().cloned(),
    };
    let report = match room.usage.report(&app.name, customer.as_ref(), DAYS).await {
        Ok(report) => report,
        Err(cause) => return store_failed(&visit, &cause),
    };
    let name_of = |used: &CustomerUse| used.name.as_ref().map_or_else(|| used.id.to_string(), ToString::to_string);
    let names: Vec<_> = customers.iter().map(name_of).collect();
    let picker = customers.iter().zip(&names).map(|(used, name)| PickView {
        id: used.id.as_str(),
        name,
        current: Some(&used.id) == customer.as_ref(),
    });
    let own_name = grant.customer.as_ref().and_then(|customer| customer.name.as_ref()).map(|name| name.as_str());
    let picked_name = customers.iter().zip(&names).find(|(used, _)| Some(&used.id) == customer.as_ref());
    let counts = match room.membership.headcount(&app.name, customer.as_ref(), visit.now).await {
        Ok(counts) => Some(counts),
        Err(cause) => {
            tracing::warn!(app = %app.name, %cause, "how many people there are cannot be told");
            None
        }
    };
    let view = DashboardView {
        customer: customer
            .as_ref()
            .map(|id| own_name.or(picked_name.map(|(_, name)| name.as_str())).unwrap_or(id.as_str())),
        picker: is_staff.then(|| picker.collect()),
        days: report.days.iter().map(day).collect(),
        active: report.active,
        people: counts.map(|counts| counts.people),
        invitations: counts.map(|counts| counts.invitations),
        pages: report.pages.iter().map(|(page, count)| (page.as_str(), *count)).collect(),
        zone: app.policy.time_zone.iana_name().unwrap_or("UTC"),
    };
    pages::dashboard(visit.look(), &view)
}

fn day(day: &Day) -> DayView {
    DayView { date: day.date, requests: day.requests, refusals: day.refusals, logins: day.logins, people: day.people }
}
