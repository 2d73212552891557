//! The config: taken up, and tried out.

use std::sync::Arc;

use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::operation::{Asked, Needs, Nothing, Operation, operation};
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::console::services::NoImpact;
use crate::state::audit::Event;
use crate::state::reloads::Outcome;
use crate::state::tokens::Scope;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::POST,
            "/api/v1/reload",
            "reloadConfig",
            Needs::All(Scope::Config),
            "Reads the config file anew and takes it up, whole or not at all",
            reload,
        )
        .refuses(&[Code::Refused]),
        operation(
            Method::POST,
            "/api/v1/impact",
            "tellImpact",
            Needs::All(Scope::Config),
            "Says who would gain or lose what by another config; changes nothing",
            impact,
        )
        .refuses(&[Code::Refused]),
    ]
}

/// A reload that ended well.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Reloaded {
    /// `reloaded` or `unchanged`.
    status: &'static str,
    /// What changed, a line each.
    changes: Vec<String>,
}

async fn reload(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, _: Nothing) -> Result<Reloaded, Problem> {
    room.journal.write(asked.scene(None), &Event::ReloadAsked);
    match room.reloads.ask().await {
        Some(Outcome::Done(changes)) => {
            Ok(Reloaded { status: if changes.is_empty() { "unchanged" } else { "reloaded" }, changes })
        }
        Some(Outcome::Refused(problems)) => {
            let count = problems.len();
            let problem = Problem::new(Code::Refused, format!("the config from before goes on: {count} wrong"));
            Err(problem.errors(problems))
        }
        None => Err(Problem::new(Code::Unavailable, "too many reloads are asked for, or the gateway is stopping")),
    }
}

/// A config to try out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TriedConfig {
    /// Its text, as the file would have it. Paths in it are relative to the running config's file.
    config: String,
}

/// Who gains or loses what; docs/explain.md describes it.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(transparent)]
struct Impact(Map<String, Value>);

async fn impact(room: Arc<ConsoleRoom>, _: Asked, _: Nothing, body: TriedConfig) -> Result<Impact, Problem> {
    match room.services.impact(body.config).await {
        Ok(impact) => Ok(Impact(impact)),
        Err(NoImpact::Wrong(errors)) => {
            Err(Problem::new(Code::Refused, format!("the config does not build: {} wrong", errors.len()))
                .errors(errors))
        }
        Err(NoImpact::Busy) => Err(Problem::new(Code::Unavailable, "somebody else asks for an impact just now")),
    }
}
