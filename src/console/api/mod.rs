//! The API of the admin listener, under `/api/v1/`.
//!
//! One table of operations ([`all`]) is all there is: requests are led by it, the OpenAPI document is written from it, and each
//! operation reads its query and its body into the very types whose schemas stand in that document. So neither can say what the
//! other does not.
//!
//! Whoever asks shows a token. Nothing here is for a page in somebody's browser, so a request that comes from one is refused
//! whatever it shows. An answer leaves only when what was done stands in the audit log, and no cache may keep it.

mod apps;
mod audit;
mod auth;
mod config;
mod domains;
mod notify;
mod openapi;
mod operation;
mod page;
mod people;
mod problem;
mod records;
mod sessions;
mod tokens;
mod usage;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use http_body_util::{BodyExt as _, Limited};

use self::operation::{Asked, Operation, Sent};
use self::problem::{Code, Problem};
use super::{ConsoleRoom, Room};
use crate::state::visit::Visit;

pub use self::auth::Client;
pub use self::openapi::document;

/// The largest body that is read: a config with much in it.
const MOST_BYTES: usize = 1024 * 1024;
/// How long a body may take to come in.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Every operation. A part of the API that comes to it is added here, and stands in the document by that.
fn all() -> Vec<Operation> {
    [apps::operations(), domains::operations(), people::operations(), records::operations()]
        .into_iter()
        .chain([sessions::operations(), usage::operations(), notify::operations(), audit::operations()])
        .chain([config::operations(), tokens::operations(), openapi::operations()])
        .flatten()
        .collect()
}

/// The operations, as a room holds them.
pub struct Operations(Vec<Operation>);

impl Default for Operations {
    fn default() -> Self {
        Self(all())
    }
}

/// What became of a path and a method.
enum Found<'a> {
    Operation(&'a Operation, Vec<(&'static str, String)>),
    /// There is such a path, with these methods.
    OtherMethod(Vec<Method>),
    Nothing,
}

impl Operations {
    fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let mut others = Vec::new();
        for operation in &self.0 {
            let Some(parameters) = operation.matches(path) else { continue };
            if operation.method == *method {
                return Found::Operation(operation, parameters);
            }
            others.push(operation.method.clone());
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethod(others) }
    }
}

/// Answers a request to the API.
pub(super) async fn answer(
    State(room): Room,
    client: Option<axum::Extension<ConnectInfo<Client>>>,
    request: Request,
) -> Response {
    let id = new_id();
    let client = client.map(|axum::Extension(ConnectInfo(Client(address)))| address);
    let sent = match lead(&room, client, &id, request).await {
        Ok(sent) => sent,
        Err(problem) => problem.sent(&id),
    };
    write(sent, &id)
}

async fn lead(room: &Arc<ConsoleRoom>, client: Option<IpAddr>, id: &str, request: Request) -> Result<Sent, Problem> {
    let (head, body) = request.into_parts();
    refuse_browsers(&head.headers)?;
    let caller = auth::caller(room, &head.headers).await?;
    let (operation, path) = match room.api.find(&head.method, head.uri.path()) {
        Found::Operation(operation, path) => (operation, path),
        Found::OtherMethod(methods) => return Err(Problem::other_method(&methods)),
        Found::Nothing => {
            let help = "GET /api/v1/openapi.json tells what there is";
            return Err(Problem::new(Code::UnknownRoute, "there is nothing at this path").help(help));
        }
    };
    auth::check(&caller, operation)?;
    let is_json = is_json(&head.headers);
    let idempotency_key = only(&head.headers, "idempotency-key");
    let body = tokio::time::timeout(PATIENCE, Limited::new(body, MOST_BYTES).collect()).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(Problem::new(Code::TooLarge, "the body is larger than 1 MiB"));
        }
        Ok(Err(_)) => return Err(Problem::new(Code::Malformed, "the body did not come in whole")),
        Err(_) => return Err(Problem::new(Code::Malformed, "the body took longer than 30 seconds to come in")),
    };
    let asked = Asked {
        caller,
        client,
        request_id: id.to_owned(),
        now: room.clock.now(),
        path,
        uri: head.uri,
        body,
        is_json,
        idempotency_key,
    };
    let done = (operation.run)(Arc::clone(room), asked).await;
    let sent = done.map(|sent| Sent { status: operation.status, ..sent });
    // What was done stands in the audit log before anybody is told that it is done, and so does what was refused on the way.
    room.journal.settled().await.map_err(|_| {
        Problem::new(Code::Unavailable, "the audit log cannot be stored")
            .help("see to the disk that `server.data` is on; what was asked for may have been done")
    })?;
    sent
}

/// Why an operation did not do what it was asked for.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    /// A sentence or two for whoever asked.
    pub(super) text: String,
    /// Everything that is wrong, where it is more than one thing.
    pub(super) errors: Vec<String>,
    /// The fields that are wrong, and how.
    pub(super) fields: Vec<(&'static str, String)>,
}

/// What a page of the console asks an operation for.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) body: Option<&'a serde_json::Value>,
    /// What the call is named by, where it is to be done once however often it is made.
    pub(super) key: Option<String>,
}

/// Runs an operation for a member of staff who is logged in to the console: its pages show and do what the API shows and does.
/// Whether they may was decided on the way here, by their role.
pub(super) async fn for_staff(
    room: &Arc<ConsoleRoom>,
    visit: &Visit,
    call: Call<'_>,
) -> Result<serde_json::Value, Failure> {
    let Call { method, target, body, key } = call;
    let told = Problem::failure;
    let nothing = || told(Problem::not_found("there is nothing at this path"));
    let uri: Uri = target.parse().map_err(|_| nothing())?;
    let Found::Operation(operation, path) = room.api.find(&method, uri.path()) else { return Err(nothing()) };
    let email = visit.live.as_ref().map(|live| live.record.email.clone()).ok_or_else(nothing)?;
    let asked = Asked {
        caller: auth::Caller::Staff(email),
        client: Some(visit.client),
        request_id: visit.request_id.clone(),
        now: visit.now,
        path,
        uri: uri.clone(),
        body: body.map(|body| body.to_string().into()).unwrap_or_default(),
        is_json: body.is_some(),
        idempotency_key: key,
    };
    let sent = (operation.run)(Arc::clone(room), asked).await.map_err(told)?;
    serde_json::from_slice(&sent.body).map_err(|error| told(Problem::new(Code::Unavailable, error.to_string())))
}

/// A page in somebody's browser has no business here. It cannot leave these out.
fn refuse_browsers(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Err(Problem::new(Code::FromAPage, "the API is not for web pages"));
    }
    Ok(())
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| value.to_owned())
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(Ok(value)) = values.next().map(HeaderValue::to_str) else { return false };
    let kind = value.split(';').next().unwrap_or_default().trim();
    values.next().is_none() && kind.eq_ignore_ascii_case("application/json")
}

/// Puts an answer onto the wire.
fn write(sent: Sent, id: &str) -> Response {
    let mut response = Response::new(Body::from(sent.body));
    *response.status_mut() = sent.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sent.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert("x-request-id", id);
    }
    if let Some((name, value)) = sent.header.and_then(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
    {
        headers.insert(name, value);
    }
    response
}

/// An answer to a request that is not for this host name.
pub(super) fn misdirected() -> Response {
    let id = new_id();
    let problem = Problem::new(Code::OtherHost, "the admin listener is asked by IP address or as localhost");
    write(problem.sent(&id), &id)
}

/// 96 random bits: enough to find one request among all logs.
pub(super) fn new_id() -> String {
    let mut random = [0; 12];
    // An id is no secret; should the generator fail, the logs are harder to read, and that is all.
    let _ = aws_lc_rs::rand::fill(&mut random);
    data_encoding::HEXLOWER.encode(&random)
}
