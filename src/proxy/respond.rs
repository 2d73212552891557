//! The one writer of our own answers: a [`Reply`] onto the wire.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use tower::ServiceExt as _;

use super::connection::Connection;
use super::ctx::RequestCtx;
use super::preview_bar;
use crate::pages::Reply;
use crate::state::audit::{Journal, Unsettled};

/// The largest answer of our own pages, in bytes.
const MOST_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Writes an answer of ours. The headers that the operator adds are added here too, but none of ours gives way to them: a
/// policy that fits the app does not fit our pages.
pub(super) async fn send(session: &mut Session, reply: Reply, ctx: &RequestCtx) -> pingora::Result<()> {
    let reply = preview_bar::dress(reply, &session.req_header().headers, ctx);
    let mut head = ResponseHeader::build(reply.status, Some(reply.headers.len() + 3))?;
    for (name, value) in ctx.facts.iter().flat_map(|facts| &facts.site.app.response_headers) {
        if !reply.headers.contains_key(name) {
            head.insert_header(name, value)?;
        }
    }
    for (name, value) in &reply.headers {
        head.append_header(name, value)?;
    }
    head.insert_header("x-request-id", ctx.id_value())?;
    head.insert_header(header::CONTENT_LENGTH, reply.body.len())?;
    // What is left of a body nobody read would be taken for the next request.
    let is_last = Connection::of(session).is_some_and(|connection| connection.is_closing());
    if is_last || !session.as_downstream_mut().is_body_done() {
        session.set_keepalive(None);
    }
    let is_head = session.req_header().method == Method::HEAD;
    let is_whole = is_head || reply.body.is_empty();
    session.write_response_header(Box::new(head), is_whole).await?;
    // Pingora takes no word of the head that nothing follows: without an end, HTTP/2 would reset the stream.
    session.write_response_body((!is_whole).then_some(reply.body), true).await
}

/// A request to one of our own pages, as the router takes it.
pub(super) struct OwnRequest<'a, V> {
    /// The pages.
    pub(super) pages: &'a Router,
    /// The method.
    pub(super) method: &'a Method,
    /// The normalised path.
    pub(super) path: &'a str,
    /// The query.
    pub(super) query: Option<&'a str>,
    /// What is known of the request.
    pub(super) visit: V,
    /// The audit log, which is to know of an answer before it leaves.
    pub(super) journal: &'a Journal,
    /// The request's id.
    pub(super) id: &'a str,
    /// The largest form that they take, in bytes.
    pub(super) most: usize,
}

/// Lets one of our own pages answer; what none of them answers gets a page from `error`. A form has `patience` to come in, all of it: strangers send forms, so one that drips
/// in would hold its connection as long as it liked.
pub(super) async fn page<V: Clone + Send + Sync + 'static>(
    session: &mut Session,
    own: OwnRequest<'_, V>,
    patience: Duration,
    error: impl Fn(StatusCode) -> Reply + Send,
) -> pingora::Result<Reply> {
    let OwnRequest { pages, method, path, query, visit, journal, id, most } = own;
    let body = match tokio::time::timeout(patience, form(session, most)).await {
        Ok(Ok(Some(body))) => body,
        Ok(Ok(None)) => return Ok(error(StatusCode::PAYLOAD_TOO_LARGE)),
        Ok(Err(cause)) => return Err(cause),
        Err(_) => return Ok(error(StatusCode::REQUEST_TIMEOUT)),
    };
    let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut request = Request::builder().method(method.clone()).uri(target);
    if let Some(headers) = request.headers_mut() {
        *headers = session.req_header().headers.clone();
    }
    let Ok(request) = request.extension(visit).body(Body::from(body)) else {
        return Ok(error(StatusCode::BAD_REQUEST));
    };
    let unsettled = |Unsettled| {
        tracing::error!(request_id = id, "an answer is refused, for the audit log cannot be stored");
        error(StatusCode::SERVICE_UNAVAILABLE)
    };
    if let Err(cause) = journal.has_room().await {
        return Ok(unsettled(cause));
    }
    let response = match pages.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // What the page did stands in the audit log before anybody is told that it is done.
    if let Err(cause) = journal.settled().await {
        return Ok(unsettled(cause));
    }
    let (head, body) = response.into_parts();
    let body = match http_body_util::Limited::new(body, MOST_PAGE_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(cause) => {
            tracing::error!(%cause, request_id = id, "a page of ours could not be rendered");
            return Ok(error(StatusCode::INTERNAL_SERVER_ERROR));
        }
    };
    // Axum itself answers what does not fit a form, in words for programmers.
    if !head.status.is_success() && !head.headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        return Ok(error(head.status));
    }
    Ok(Reply { status: head.status, headers: head.headers, body })
}

/// The body of a form; `None` when it is larger than forms are.
async fn form(session: &mut Session, most: usize) -> pingora::Result<Option<Bytes>> {
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_request_body().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}
