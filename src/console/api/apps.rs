//! Apps, sources and origin servers.

use std::sync::Arc;

use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Asked, Needs, Nothing, Operation, operation};
use super::page::{Page, after, limit};
use super::problem::Problem;
use crate::config::App;
use crate::console::ConsoleRoom;
use crate::state::health::{SourceHealth, SourceState, UpstreamHealth};
use crate::state::tokens::Scope;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/api/v1/apps",
            "listApps",
            Needs::OfApp(Scope::Read),
            "The apps, in the order of their names",
            list,
        ),
        operation(
            Method::GET,
            "/api/v1/sources",
            "listSources",
            Needs::All(Scope::Read),
            "The sources of customers, and whether they can be asked",
            sources,
        ),
        operation(
            Method::GET,
            "/api/v1/upstreams",
            "listUpstreams",
            Needs::All(Scope::Read),
            "The origin servers, and whether they get requests",
            upstreams,
        ),
    ]
}

/// Which page is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// At most so many.
    #[schemars(range(min = 1, max = 200))]
    pub(super) limit: Option<u32>,
    /// The `next` of the page before.
    pub(super) cursor: Option<String>,
}

/// An app.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "App", deny_unknown_fields)]
pub(super) struct AppRow {
    /// Its name.
    name: String,
    /// Whether customers may enter at all.
    enabled: bool,
    /// Its domains, as the config names them; those of tables are under `/api/v1/domains`.
    domains: Vec<String>,
    /// Its customer lists.
    lists: Vec<String>,
    /// How many of the workspace's own people have a role in it.
    staff: u64,
    /// By which ways people may come.
    ways: Vec<String>,
}

impl AppRow {
    fn of(app: &App) -> Self {
        let providers = app.ways.providers.iter().map(|provider| provider.name.to_string());
        let others = [(app.ways.email, "email"), (app.ways.passkey, "passkey")];
        let others = others.into_iter().filter(|(is_on, _)| *is_on).map(|(_, name)| name.to_owned());
        Self {
            name: app.name.to_string(),
            enabled: app.enabled,
            domains: app.domains.iter().map(|domain| domain.host.to_string()).collect(),
            lists: app.policy.lists.iter().map(|list| list.name.clone()).collect(),
            staff: app.policy.workspace.len() as u64,
            ways: others.chain(providers).collect(),
        }
    }
}

async fn list(room: Arc<ConsoleRoom>, asked: Asked, query: PageQuery, _: Nothing) -> Result<Page<AppRow>, Problem> {
    let (limit, after) = (limit(query.limit)?, after(query.cursor.as_deref())?);
    let snapshot = room.current.load_full();
    let mut apps: Vec<_> =
        snapshot.apps().filter(|app| asked.caller.app().is_none_or(|own| *own == app.name)).collect();
    apps.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    let rest = apps.into_iter().filter(|app| after.as_deref().is_none_or(|after| app.name.as_str() > after));
    let rows = rest.take(limit as usize + 1).map(|app| AppRow::of(app)).collect();
    Ok(Page::of(rows, limit, |row| row.name.clone()))
}

/// A source of customers.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Source", deny_unknown_fields)]
pub(super) struct SourceRow {
    /// Its name.
    name: String,
    /// `fresh`, `stale` (what is known from before is served) or `down` (nobody enters from it).
    state: &'static str,
    /// Since when it is not fresh, where that is known.
    since: Option<String>,
    /// How many rows its tables have, as far as they were counted.
    rows: Option<u64>,
    /// How many rows could not be used at all.
    refused_rows: u64,
    /// What is wrong.
    problem: Option<String>,
}

/// Everything of a kind.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
pub(super) struct All<T> {
    /// Everything there is.
    items: Vec<T>,
}

async fn sources(room: Arc<ConsoleRoom>, _: Asked, _: Nothing, _: Nothing) -> Result<All<SourceRow>, Problem> {
    let row = |source: SourceHealth| {
        let since = match source.state {
            SourceState::Fresh => None,
            // Before the first try it is down since the beginning of time.
            SourceState::Stale { since } | SourceState::Down { since } => {
                (since.as_second() > 0).then(|| format!("{since:.0}"))
            }
        };
        SourceRow {
            name: source.name.to_string(),
            state: source.state.name(),
            since,
            rows: source.rows,
            refused_rows: source.refused_rows,
            problem: source.problem,
        }
    };
    Ok(All { items: (room.sources)().into_iter().map(row).collect() })
}

/// An origin server.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "OriginServer", deny_unknown_fields)]
pub(super) struct ServerRow {
    /// Its URL.
    url: String,
    /// Whether it gets requests, and why not.
    state: &'static str,
}

/// The origin servers of an app.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Upstream", deny_unknown_fields)]
pub(super) struct UpstreamRow {
    /// The app.
    app: String,
    /// Its origin servers.
    servers: Vec<ServerRow>,
    /// How many requests wait for their turn, where their number is limited.
    waiting: Option<u64>,
}

async fn upstreams(room: Arc<ConsoleRoom>, _: Asked, _: Nothing, _: Nothing) -> Result<All<UpstreamRow>, Problem> {
    let row = |upstream: UpstreamHealth| UpstreamRow {
        app: upstream.app.to_string(),
        servers: upstream.servers.into_iter().map(|(url, state)| ServerRow { url, state: state.name() }).collect(),
        waiting: upstream.waiting.map(|waiting| waiting as u64),
    };
    Ok(All { items: (room.upstreams)().into_iter().map(row).collect() })
}
