//! How domains stand: the list, one of them, and the gauges.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

use super::{ConsoleRoom, Room};
use crate::state::onboarding::{DomainRow, Standing};
use crate::types::{AppName, HostName};

/// Domains on a page, if nothing else is asked for.
const LIMIT: usize = 100;
/// Domains on a page at most.
const MOST: usize = 1000;

/// Which part of the list is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    after: Option<String>,
    limit: Option<usize>,
    state: Option<String>,
}

fn refuse(status: StatusCode, problem: String) -> Response {
    (status, Json(json!({ "problem": problem }))).into_response()
}

/// A page of the list, in the order of names. `next` is the `after` of the page that follows.
pub(super) async fn list(
    State(room): Room,
    part: Result<Query<Part>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Ok(Query(part)) = part else {
        return refuse(StatusCode::BAD_REQUEST, "there are `after`, `limit` and `state`".to_owned());
    };
    let after = match part.after.as_deref().map(HostName::parse).transpose() {
        Ok(after) => after,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, format!("`after`: {error}")),
    };
    let state = match part.state.as_deref().map(|name| Standing::parse(name).ok_or(name)).transpose() {
        Ok(state) => state,
        Err(_) => {
            let names = Standing::ALL.map(Standing::name).join(", ");
            return refuse(StatusCode::BAD_REQUEST, format!("`state`: there are {names}"));
        }
    };
    let limit = part.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let rows = room.domains.page(after.as_ref(), limit, state).await;
    let next = if rows.len() < limit { None } else { rows.last().map(|row| row.host.to_string()) };
    let rows: Vec<_> = rows.iter().map(DomainRow::to_json).collect();
    Json(json!({ "domains": rows, "next": next })).into_response()
}

/// One domain.
pub(super) async fn one(State(room): Room, Path(host): Path<String>) -> Response {
    let row = match HostName::parse(&host) {
        Ok(host) => room.domains.one(&host).await,
        Err(_) => None,
    };
    match row {
        Some(row) => Json(row.to_json()).into_response(),
        None => refuse(StatusCode::NOT_FOUND, "no app has this domain".to_owned()),
    }
}

/// Sets the gauges.
pub(super) async fn count(room: &ConsoleRoom) {
    let numbers = room.domains.numbers().await;
    // An app or a state that nothing is in any more must not keep its last number.
    room.metrics.domains.reset();
    let as_number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for ((app, state), count) in &numbers.domains {
        let app = app.as_ref().map_or("", AppName::as_str);
        room.metrics.domains.with_label_values(&[app, state]).set(as_number(*count));
    }
    if let Some(left) = numbers.orders_left {
        room.metrics.certificate_orders_left.set(as_number(left));
    }
    if let Some(is_up) = numbers.authority_up {
        room.metrics.certificate_authority_up.set(i64::from(is_up));
    }
    room.metrics.certificate_ends_first.set(numbers.ends_first.map_or(0, |at| at.as_second()));
}
