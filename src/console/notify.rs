//! `POST /api/v1/notify`: takes a notification in, once however often it is asked; and tells how far one has come.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::ConsoleRoom;
use crate::state::audit::{Actor, Event, Scene};
use crate::state::clock::Clock;
use crate::state::notifications::{Asked, Flaw, Order, Progress, State as Stand, Trouble};

/// The largest body that is read: a text of the longest kind, with every character of it escaped.
pub(super) const MOST_BODY_BYTES: usize = 96 * 1024;
/// The longest idempotency key.
const MOST_KEY_BYTES: usize = 255;

type Room = State<Arc<ConsoleRoom>>;

/// Takes a notification in.
pub(super) async fn notify(State(room): Room, headers: HeaderMap, body: Bytes) -> Response {
    let key = match key(&headers) {
        Ok(key) => key,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, "idempotency-key", detail, &[]),
    };
    // A form of somebody's page can send text, and cannot send this without our leave (Fetch, section 4.9).
    let is_json = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
    });
    if !is_json {
        let detail = "send it as `Content-Type: application/json`";
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail, &[]);
    }
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => return problem(StatusCode::BAD_REQUEST, "body", &error.to_string(), &[]),
    };
    let snapshot = room.current.load_full();
    let order = match Order::check(&asked, &snapshot, room.notifications.https_port()) {
        Ok(order) => order,
        Err(flaws) => {
            let detail = "see `errors`; nothing was taken in";
            return problem(StatusCode::UNPROCESSABLE_ENTITY, "not-valid", detail, &flaws);
        }
    };
    let now = Clock.now();
    let accepted = match room.notifications.take_in("admin", &key, &order, now).await {
        Ok(accepted) => accepted,
        Err(trouble) => return refused(&trouble),
    };
    if accepted.is_new {
        let scene = Scene { actor: Actor::Gateway, app: Some(&order.app), ..Scene::gateway(now) };
        let detail = format!("{} of {} to {} people", accepted.id, order.topic, accepted.people);
        let event = Event::NotificationTaken { customer: order.recipients.customer(), detail: &detail };
        room.journal.write(scene, &event);
        if room.journal.settled().await.is_err() {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "store", "the audit log cannot be written", &[]);
        }
    }
    let location = format!("/api/v1/notify/{}", accepted.id);
    let answer = axum::Json(json!({"id": accepted.id, "people": accepted.people}));
    let mut response = (StatusCode::ACCEPTED, answer).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Tells how far a notification has come.
pub(super) async fn progress(State(room): Room, Path(id): Path<String>) -> Response {
    match room.notifications.progress(&id).await {
        Ok(Some(progress)) => axum::Json(told(&progress)).into_response(),
        Ok(None) => problem(
            StatusCode::NOT_FOUND,
            "notification",
            "there is no such notification, or it was taken in more than 30 days ago",
            &[],
        ),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error.to_string(), &[]),
    }
}

fn told(progress: &Progress) -> Value {
    let notification = &progress.notification;
    let under_way = progress.waiting.saturating_add(progress.queued);
    json!({
        "id": notification.id,
        "app": notification.app.as_str(),
        "customer": notification.recipients.customer().map(|customer| customer.as_str()),
        "topic": notification.topic.as_str(),
        "subject": notification.message.subject,
        "created": notification.created.to_string(),
        "done": under_way == 0,
        "people": progress.people,
        (Stand::Waiting.name()): progress.waiting,
        (Stand::Queued.name()): progress.queued,
        (Stand::Sent.name()): progress.sent,
        (Stand::SwitchedOff.name()): progress.switched_off,
        (Stand::OverLimit.name()): progress.over_limit,
        (Stand::Gone.name()): progress.gone,
        (Stand::Failed.name()): progress.failed,
    })
}

/// The caller's name for the call. The quotes that the header's draft asks for may be left out, and mean nothing here.
fn key(headers: &HeaderMap) -> Result<String, &'static str> {
    let mut values = headers.get_all("idempotency-key").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err("name the call in one `Idempotency-Key`, and repeat it with the same: it is done once");
    };
    let text = value.to_str().unwrap_or_default().trim();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    match key.is_empty() || key.len() > MOST_KEY_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Err("an `Idempotency-Key` has 1 to 255 printable ASCII characters without blanks"),
        false => Ok(key.to_owned()),
    }
}

fn refused(trouble: &Trouble) -> Response {
    let detail = trouble.to_string();
    match trouble {
        Trouble::Busy(wait) => {
            let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "busy", &detail, &[]);
            let seconds = wait.max(&Duration::from_secs(1)).as_secs();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Trouble::TooManyPeople(_) => problem(StatusCode::UNPROCESSABLE_ENTITY, "too-many-people", &detail, &[]),
        Trouble::OtherBody => problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key", &detail, &[]),
        Trouble::Directory(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "source", &detail, &[]),
        Trouble::Store(error) => {
            tracing::error!(%error, "a notification could not be taken in");
            problem(StatusCode::SERVICE_UNAVAILABLE, "store", "the store failed", &[])
        }
    }
}

/// RFC 9457.
fn problem(status: StatusCode, kind: &str, detail: &str, errors: &[Flaw]) -> Response {
    let mut value = json!({
        "type": format!("about:blank#{kind}"),
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(object), false) = (value.as_object_mut(), errors.is_empty()) {
        object.insert("errors".to_owned(), json!(errors));
    }
    (status, [(header::CONTENT_TYPE, "application/problem+json")], value.to_string()).into_response()
}
