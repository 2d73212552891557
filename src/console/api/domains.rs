//! How domains stand.

use std::sync::Arc;

use axum::http::Method;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Asked, Needs, Nothing, Operation, malformed, operation};
use super::page::{Page, after, limit};
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::state::onboarding::{DomainRow, Standing};
use crate::state::tokens::Scope;
use crate::types::HostName;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/api/v1/domains",
            "listDomains",
            Needs::All(Scope::Read),
            "How domains stand on their way to a certificate, in the order of their names",
            list,
        ),
        operation(
            Method::GET,
            "/api/v1/domains/{host}",
            "getDomain",
            Needs::All(Scope::Read),
            "How one domain stands",
            one,
        )
        .refuses(&[Code::NotFound]),
    ]
}

/// Which domains are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DomainQuery {
    /// Only those in this state.
    state: Option<DomainState>,
    /// At most so many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// How a domain stands; docs/domains.md tells what each means.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum DomainState {
    Pending,
    Missing,
    Issued,
    Renewing,
    Failing,
    BackingOff,
    Provided,
    Uncertified,
}

impl DomainState {
    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Missing => "missing",
            Self::Issued => "issued",
            Self::Renewing => "renewing",
            Self::Failing => "failing",
            Self::BackingOff => "backing-off",
            Self::Provided => "provided",
            Self::Uncertified => "uncertified",
        }
    }
}

/// A domain.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Domain {
    /// Its name.
    host: String,
    /// The app it reaches; the hub reaches none.
    app: Option<String>,
    /// The customer it is pinned to.
    customer: Option<String>,
    /// `config`, `table` or `hub`.
    named_by: &'static str,
    /// The name of the certificate that was ordered for it, which may be a wildcard.
    certificate: Option<String>,
    /// How it stands.
    state: &'static str,
    /// Since when.
    since: Option<String>,
    /// When its certificate ends.
    until: Option<String>,
    /// When something happens next.
    next_try: Option<String>,
    /// Orders that failed since the last that did not.
    failures: u32,
    /// What is wrong, by name.
    problem: Option<String>,
    /// What whoever keeps its DNS has to do.
    sentence: Option<String>,
}

impl Domain {
    fn of(row: DomainRow) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| format!("{at:.0}"));
        Self {
            host: row.host.to_string(),
            app: row.app.map(|app| app.to_string()),
            customer: row.customer.map(|customer| customer.to_string()),
            named_by: row.named_by.name(),
            certificate: row.certificate,
            state: row.state.name(),
            since: time(row.since),
            until: time(row.until),
            next_try: time(row.next_try),
            failures: row.failures,
            problem: row.problem,
            sentence: row.sentence,
        }
    }
}

async fn list(room: Arc<ConsoleRoom>, _: Asked, query: DomainQuery, _: Nothing) -> Result<Page<Domain>, Problem> {
    let (limit, after) = (limit(query.limit)?, after(query.cursor.as_deref())?);
    let after = after.as_deref().map(HostName::parse).transpose().map_err(|error| malformed("cursor", error))?;
    let state = query.state.and_then(|state| Standing::parse(state.name()));
    let rows = room.domains.page(after.as_ref(), limit as usize + 1, state).await;
    Ok(Page::of(rows.into_iter().map(Domain::of).collect(), limit, |domain| domain.host.clone()))
}

async fn one(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, _: Nothing) -> Result<Domain, Problem> {
    let row = match HostName::parse(asked.part("host")?) {
        Ok(host) => room.domains.one(&host).await,
        Err(_) => None,
    };
    row.map(Domain::of).ok_or_else(|| Problem::not_found("no app has this domain"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_knows_every_state_and_field_of_a_domain() {
        let states = [
            DomainState::Pending,
            DomainState::Missing,
            DomainState::Issued,
            DomainState::Renewing,
            DomainState::Failing,
            DomainState::BackingOff,
            DomainState::Provided,
            DomainState::Uncertified,
        ];
        assert_eq!(states.map(DomainState::name), Standing::ALL.map(Standing::name));
        let host = HostName::parse("orders.test").expect("a host");
        let row = DomainRow::new(host, None, None, crate::state::onboarding::NamedBy::Config);
        let told = serde_json::to_value(Domain::of(row.clone())).expect("JSON");
        assert_eq!(told, row.to_json(), "as the command line has it");
    }
}
