//! What customers use: people, log-ins, requests and refusals by day, and the pages shown most.

use std::sync::Arc;

use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Asked, Needs, Nothing, Operation, malformed, operation};
use super::people::known_app;
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::state::tokens::Scope;
use crate::state::usage::{CustomerUse, DETAILS_KEPT, Day};
use crate::types::CustomerId;

/// So many days are told of, if nothing else is asked for.
const DAYS: u16 = 30;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/api/v1/usage",
            "usage",
            Needs::OfApp(Scope::Read),
            "What an app's customers used in the last days: one of them, or all together",
            usage,
        )
        .refuses(&[Code::NotFound]),
    ]
}

/// Whose use is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UsageQuery {
    /// The app; may be left out with a token that is for one.
    app: Option<String>,
    /// Only that of this customer.
    customer: Option<String>,
    /// How many days, today among them; 30, when left out.
    #[schemars(range(min = 1, max = 31))]
    days: Option<u16>,
}

/// What was used.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct UsageReport {
    /// The app.
    app: String,
    /// The customer; null is all of them together.
    customer: Option<String>,
    /// The time zone that days begin in.
    time_zone: String,
    /// Day by day, the oldest first.
    days: Vec<UsageDay>,
    /// How many people were here on these days together.
    active: u64,
    /// How many people have access; null where a list cannot be read.
    people: Option<u64>,
    /// How many invitations wait; null where that cannot be read.
    invitations: Option<u64>,
    /// The pages shown most.
    pages: Vec<UsageOfPage>,
    /// The customers that used the app on these days, those with most requests first; at most 500.
    customers: Vec<UsageOfCustomer>,
}

/// What was used on one day.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct UsageDay {
    /// Which, such as `2027-01-31`.
    date: String,
    /// Requests that passed.
    requests: u64,
    /// Requests that a rule refused.
    refusals: u64,
    /// Sessions that began.
    logins: u64,
    /// People who were here.
    people: u64,
}

/// A page.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct UsageOfPage {
    /// Its path; what is a number or a key in it is `*`.
    page: String,
    /// How often it was shown.
    requests: u64,
}

/// A customer.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct UsageOfCustomer {
    /// Its key.
    customer: String,
    /// Its name, where that is known.
    name: Option<String>,
    /// How many requests its people made.
    requests: u64,
}

impl UsageDay {
    fn of(day: &Day) -> Self {
        let Day { date, requests, refusals, logins, people } = *day;
        Self { date: date.to_string(), requests, refusals, logins, people }
    }
}

impl UsageOfCustomer {
    fn of(used: &CustomerUse) -> Self {
        let name = used.name.as_ref().map(ToString::to_string);
        Self { customer: used.id.to_string(), name, requests: used.requests }
    }
}

async fn usage(room: Arc<ConsoleRoom>, asked: Asked, query: UsageQuery, _: Nothing) -> Result<UsageReport, Problem> {
    let app = known_app(&room, &asked, query.app.as_deref())?;
    let customer = query.customer.as_deref().map(CustomerId::parse).transpose();
    let customer = customer.map_err(|error| malformed("customer", error))?;
    let days = query.days.unwrap_or(DAYS);
    if !(1..=DETAILS_KEPT).contains(&i32::from(days)) {
        return Err(malformed("days", format!("there are 1 to {DETAILS_KEPT}")));
    }
    let report = room.usage.report(&app, customer.as_ref(), days).await?;
    let customers = room.usage.customers(&app, days).await?;
    let counts = match room.membership.headcount(&app, customer.as_ref(), asked.now).await {
        Ok(counts) => Some(counts),
        Err(cause) => {
            tracing::warn!(%app, %cause, "how many people there are cannot be told");
            None
        }
    };
    let snapshot = room.current.load_full();
    let zone = snapshot.app(&app).and_then(|app| app.policy.time_zone.iana_name().map(str::to_owned));
    Ok(UsageReport {
        app: app.to_string(),
        customer: customer.as_ref().map(ToString::to_string),
        time_zone: zone.unwrap_or_else(|| "UTC".to_owned()),
        days: report.days.iter().map(UsageDay::of).collect(),
        active: report.active,
        people: counts.map(|counts| counts.people),
        invitations: counts.map(|counts| counts.invitations),
        pages: report.pages.into_iter().map(|(page, requests)| UsageOfPage { page, requests }).collect(),
        customers: customers.iter().map(UsageOfCustomer::of).collect(),
    })
}
