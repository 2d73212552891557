//! `POST /api/v1/reload`, and what `/metrics` tells of reloads.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Room;
use crate::state::reloads::{Outcome, Standing};

/// Reloads the config, and answers when that is done: 200 with what changed, or 422 with everything that is wrong.
pub(super) async fn reload(State(room): Room, headers: HeaderMap) -> Response {
    // A page in somebody's browser may send a POST here, but not one without these.
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return (StatusCode::FORBIDDEN, "not from a web page\n").into_response();
    }
    match room.reloads.ask().await {
        Some(Outcome::Done(changes)) => {
            let status = if changes.is_empty() { "unchanged" } else { "reloaded" };
            axum::Json(json!({"status": status, "changes": changes})).into_response()
        }
        Some(Outcome::Refused(problems)) => {
            let body = json!({"status": "refused", "problems": problems});
            (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(body)).into_response()
        }
        None => {
            let body =
                json!({"status": "busy", "problems": ["too many reloads are asked for, or the gateway is stopping"]});
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
        }
    }
}

/// Appends what is counted of reloads.
pub(super) fn write_metrics(text: &mut String, standing: &Standing) {
    let Standing { digest, since, confirmed, failed, done, refused } = standing;
    let failed = failed.as_ref().map_or(0, |(since, _)| since.as_second());
    let (since, confirmed) = (since.as_second(), confirmed.as_second());
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\
# HELP vestibule_config_reloads_total Reloads of the config by outcome
# TYPE vestibule_config_reloads_total counter
vestibule_config_reloads_total{{outcome=\"done\"}} {done}
vestibule_config_reloads_total{{outcome=\"refused\"}} {refused}
# HELP vestibule_config_reloaded_seconds When a reload last ended well; the start counts as one
# TYPE vestibule_config_reloaded_seconds gauge
vestibule_config_reloaded_seconds {confirmed}
# HELP vestibule_config_reload_failed_since_seconds Since when config reload failed; 0 when the last one did not
# TYPE vestibule_config_reload_failed_since_seconds gauge
vestibule_config_reload_failed_since_seconds {failed}
# HELP vestibule_config_info The config in force by the digest of its text, and since when it is
# TYPE vestibule_config_info gauge
vestibule_config_info{{digest=\"{digest}\"}} {since}
"
    );
}
