//! The corridor: one request's way from socket to upstream and back.
//!
//! In walking order: [`listener`] takes the connection in, `route` turns the head into facts, `admit` finds the session and
//! decides, `identity` shapes the request, `upstream` finds the peer, `filtering` narrows the answer, and `access_log` writes one line. `respond` is the one
//! writer of our own answers. This folder and `server/` are the only places that name Pingora.
//!
//! The [`ProxyHttp`] below is a switchboard: each hook makes one short call.

mod access_log;
mod acme;
mod admit;
mod connection;
mod count;
mod ctx;
mod deadlines;
mod decision;
mod direct;
mod dispatch;
pub mod drain;
mod filtering;
mod frames;
mod handshake;
mod http2;
mod identity;
mod last_word;
mod linger;
pub mod listener;
mod preview_bar;
mod preview_jar;
mod proxy_protocol;
mod relocate;
mod respond;
mod route;
pub mod stream;
mod upstream;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};

pub use admit::Corridor;
pub use ctx::RequestCtx;
pub use upstream::{InvalidTlsFile, PreparedUpstreams, Upstreams};

use crate::config::AppKind;
use crate::filters::Unfilterable;
use crate::pages::Reply;
use crate::policy::Reason;
use crate::session::is_ours;
use crate::state::assertion::Signer;
use crate::state::challenges::Challenges;
use crate::state::metrics::Metrics;
use crate::state::snapshot::Current;
use crate::state::visit::Visit;
use crate::types::Language;
use admit::Admission;
use connection::{Connection, Protocol};
use identity::Identity;
use last_word::Speech;
use respond::OwnRequest;
use route::{Facts, Routed};
use upstream::{Attempts, Sent};

/// The largest form that our own pages take, in bytes.
const MOST_FORM_BYTES: usize = 16 * 1024;
/// The largest one with a list of people to invite.
const MOST_LIST_BYTES: usize = 128 * 1024;
/// What an app may not say in a trailer, as it may not say it elsewhere; no field of these is for trailers (RFC 9110, section 6.5.1).
const NO_TRAILERS: [&str; 2] = ["alt-svc", "set-cookie"];

/// How many interim answers (1xx) an app may send before its answer. Each begins its time anew, so without a limit a request might never end;
/// one that says every half minute that it works on it has eight hours.
const MOST_INTERIM_HEADS: u32 = 1000;

/// The gateway, as Pingora calls it. What a reload changes stands behind pointers, so a copy of it sees the same.
#[derive(Clone)]
pub struct Gateway {
    /// The running snapshot.
    pub current: Arc<Current>,
    /// The walk.
    pub corridor: Corridor,
    /// The upstreams.
    pub upstreams: Arc<Upstreams>,
    /// What authorities look for.
    pub challenges: Arc<Challenges>,
    /// Signs assertions.
    pub signer: Arc<Signer>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The port of https, for the redirect from plain HTTP.
    pub https_port: Arc<AtomicU16>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Box<RequestCtx>;

    fn new_ctx(&self) -> Box<RequestCtx> {
        Box::new(RequestCtx::new())
    }

    /// We compress nothing, and filters are a station of their own, so no module runs.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Box<RequestCtx>) -> Result<bool> {
        ctx.started = std::time::Instant::now();
        let connection = Connection::of(session)
            .ok_or_else(|| Error::explain(ErrorType::HTTPStatus(500), "the connection came by no listener of ours"))?;
        connection.head_arrived();
        ctx.peer = Some(connection.peer.ip());
        let reply = match self.walk(session, ctx, &connection).await.map_err(of_client)? {
            None if direct::is_for(session, ctx) => return self.go_directly(session, ctx).await,
            None => return Ok(false),
            Some(reply) => reply,
        };
        ctx.decided_in.get_or_insert_with(|| ctx.started.elapsed());
        // Apart, as all that few requests come to: each future has room for the largest part of it, and is moved as a whole.
        Box::pin(respond::send(session, reply, ctx)).await.map_err(of_client)?;
        Ok(true)
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Box<RequestCtx>) -> Result<Box<HttpPeer>> {
        self.next_peer(session, ctx).await
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        ctx: &mut Box<RequestCtx>,
    ) -> Result<()> {
        self.body_part(session, body, is_end, ctx)
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        upstream: &mut RequestHeader,
        ctx: &mut Box<RequestCtx>,
    ) -> Result<()> {
        *upstream = self.shaped(upstream, ctx)?;
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Box<RequestCtx>,
    ) -> Result<()> {
        if session.is_http2() {
            *response = http2::with_own_values(response)?;
        }
        self.answer_head(session, response, ctx)
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        ctx: &mut Box<RequestCtx>,
    ) -> Result<Option<Duration>> {
        filtering::piece(session, body, is_end, ctx)?.map_err(|cause| self.unfilterable(ctx, &cause))?;
        if let (true, Some(attempts)) = (is_end, &mut ctx.attempts) {
            // The server has done its part. The client has not got the end yet, and may ask again as soon as it does.
            attempts.over();
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _: &HttpPeer,
        ctx: &mut Box<RequestCtx>,
        error: Box<Error>,
    ) -> Box<Error> {
        dispatch::retried(session, ctx, error, Sent::Nothing)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Box<RequestCtx>,
        reused: bool,
    ) -> Box<Error> {
        let idempotent = session.req_header().method.is_idempotent();
        dispatch::retried(session, ctx, error, Sent::Perhaps { reused, idempotent })
    }

    /// Pingora heeds no error of this hook, so what goes wrong here is dealt with here.
    async fn response_trailer_filter(
        &self,
        session: &mut Session,
        trailers: &mut HeaderMap,
        ctx: &mut Box<RequestCtx>,
    ) -> Result<Option<Bytes>> {
        if ctx.filtering.is_some() {
            trailers.clear();
            return Ok(self.end_filtered(session, ctx).await.filter(|rest| !rest.is_empty()));
        }
        for name in NO_TRAILERS {
            trailers.remove(name);
        }
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Box<RequestCtx>) -> FailToProxy {
        let status = self.status_of(error, ctx);
        if let (Some(status), None) = (status, session.response_written()) {
            let reply = match &ctx.facts {
                Some(facts) if ctx.is_unfilterable => {
                    decision::deny(facts, Reason::CannotFilter, ctx.live.as_deref(), &ctx.id)
                }
                Some(facts) => decision::error(facts, ctx.live.as_deref(), status, &ctx.id),
                None => {
                    let hub = ctx.hub.as_ref();
                    let language = hub.map_or_else(Language::default, |hub| hub.languages.spoken(None));
                    let asks_for = hub.map_or(route::AsksFor::Data, |hub| hub.asks_for);
                    decision::error_of(None, language, asks_for, status, &ctx.id)
                }
            };
            let reply = match ctx.come_again {
                Some(after) => reply.with_retry_after(after),
                None => reply,
            };
            session.set_keepalive(None);
            if let Err(cause) = respond::send(session, reply, ctx).await {
                tracing::debug!(%cause, request_id = ctx.id, "an error page could not be sent");
            }
            // HTTP/2 ends the one stream by itself, and an answer there is never lost.
            ctx.failed_early = !session.is_http2() && !session.as_downstream_mut().is_body_done();
        }
        FailToProxy { error_code: status.map_or(0, |status| status.as_u16()), can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Box<RequestCtx>) {
        // The request is over: its connection is free of its session.
        ctx.tie = None;
        ctx.open = None;
        if let Some(attempts) = &mut ctx.attempts {
            attempts.over();
        }
        if error.is_none() && ctx.filtering.is_some() {
            Box::pin(self.end_late(session, ctx)).await;
        }
        let status = session.response_written().map_or(0, |response| response.status.as_u16());
        let sent = session.body_bytes_sent();
        count::count(ctx, &session.req_header().method, session.response_written());
        access_log::write(ctx, session.req_header().method.as_str(), status, sent, &self.metrics);
        if ctx.failed_early {
            // Pingora drops the connection after this hook, without closing it in the way that lets the answer arrive.
            Box::pin(session.as_downstream_mut().shutdown()).await;
        }
    }

    /// Pingora's own log lines would show path and query, and so tokens; ours do not.
    fn suppress_error_log(&self, _: &Session, _: &Box<RequestCtx>, _: &Error) -> bool {
        true
    }

    /// Nor does its line of a request that is sent again; ours says why.
    fn suppress_proxy_warn_log(&self, _: &Session, _: &Box<RequestCtx>, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, ctx: &Box<RequestCtx>) -> String {
        format!("{} request {}", session.req_header().method, ctx.id)
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        _: bool,
        _: &HttpPeer,
        #[cfg(unix)] _: std::os::unix::io::RawFd,
        _: Option<&Digest>,
        ctx: &mut Box<RequestCtx>,
    ) -> Result<()> {
        ctx.permit().map(drop)
    }
}

impl Gateway {
    /// Head to admission; an answer of ours, or nothing when the request goes upstream.
    async fn walk(
        &self,
        session: &mut Session,
        ctx: &mut RequestCtx,
        connection: &Arc<Connection>,
    ) -> Result<Option<Reply>> {
        if !has_one_length(session) {
            session.set_keepalive(None);
            ctx.decided("refuse", "framing");
            return Ok(Some(decision::error_of(
                None,
                Language::default(),
                route::AsksFor::Data,
                StatusCode::BAD_REQUEST,
                &ctx.id,
            )));
        }
        let snapshot = self.current.load_full();
        if connection.protocol == Protocol::Http2 {
            // A client that opens no window for its answer holds it without a byte moving on the socket (CVE-2019-9517).
            session.as_downstream_mut().set_write_timeout(Some(snapshot.limits.idle));
        }
        if let Some(reply) = acme::answer(session.req_header(), connection, &self.challenges) {
            ctx.decided("portal", "acme-challenge");
            return Ok(Some(reply));
        }
        let facts = match route::read(session.req_header(), connection, &snapshot) {
            Ok(Routed::Request(facts)) => facts,
            Ok(Routed::Hub(facts)) => {
                let (facts, now) = (ctx.hub.insert(facts).clone(), self.corridor.clock.now());
                ctx.decided("portal", "hub");
                let own = OwnRequest {
                    pages: &self.corridor.hub,
                    method: &facts.method,
                    path: facts.path.as_str(),
                    query: facts.query.as_deref(),
                    visit: admit::hub_visit(&facts, &ctx.id, now),
                    journal: &self.corridor.journal,
                    id: &ctx.id,
                    most: MOST_FORM_BYTES,
                };
                let error =
                    |status| decision::error_of(None, facts.languages.spoken(None), facts.asks_for, status, &ctx.id);
                return Box::pin(respond::page(session, own, snapshot.limits.idle, error)).await.map(Some);
            }
            Ok(Routed::Plain(plain)) => {
                ctx.decided("redirect", "plain-http");
                return Ok(Some(self.to_https(&plain)));
            }
            Err(refusal) => {
                ctx.decided("refuse", refusal.reason);
                if refusal.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
                    self.metrics.limit_reached(refusal.reason, "request", 1);
                }
                let language = refusal.languages.spoken(None);
                let brand = refusal.site.as_ref().map(|site| &*site.domain.brand);
                return Ok(Some(decision::error_of(brand, language, refusal.asks_for, refusal.status, &ctx.id)));
            }
        };
        let facts = Arc::new(facts);
        ctx.facts = Some(Arc::clone(&facts));
        if announced_length(session.req_header()).is_some_and(|length| length > facts.site.app.body_bytes) {
            ctx.decided("refuse", "body_bytes");
            self.metrics.limit_reached("body_bytes", "request", 1);
            return Ok(Some(decision::error(&facts, ctx.live.as_deref(), StatusCode::PAYLOAD_TOO_LARGE, &ctx.id)));
        }
        match self.corridor.admit(&facts, &session.req_header().headers, ctx).await {
            Admission::Answer(reply) => Ok(Some(reply)),
            Admission::Page(visit) => {
                Box::pin(self.page(&self.corridor.pages, *visit, &facts, session, ctx)).await.map(Some)
            }
            Admission::Console(visit) => {
                Box::pin(self.page(&self.corridor.console, *visit, &facts, session, ctx)).await.map(Some)
            }
            Admission::Forward(permit)
                if facts.site.app.upstream.prefix.to_upstream(permit.path().as_str()).is_none() =>
            {
                ctx.decided("refuse", "outside-prefix");
                Ok(Some(decision::error(&facts, ctx.live.as_deref(), StatusCode::NOT_FOUND, &ctx.id)))
            }
            Admission::Forward(permit) if filtering::escapes(&permit, &session.req_header().headers) => {
                self.unfilterable(ctx, &Unfilterable::Kind("the request asks to turn to another protocol"));
                Ok(Some(decision::deny(&facts, Reason::CannotFilter, ctx.live.as_deref(), &ctx.id)))
            }
            Admission::Forward(permit) => {
                if let Some(live) = &ctx.live {
                    let open = self.corridor.sessions.enter(live);
                    ctx.tie = Some(connection.end_with(open.ended().clone()));
                    ctx.open = Some(open);
                }
                ctx.grant(permit);
                // What is decided is decided; waiting comes after.
                ctx.decided_in = Some(ctx.started.elapsed());
                self.wait_for_place(session, ctx, &facts).await
            }
        }
    }

    /// What becomes of the head of an answer.
    fn answer_head(&self, session: &mut Session, response: &mut ResponseHeader, ctx: &mut RequestCtx) -> Result<()> {
        ctx.permit()?;
        if let Some(attempts) = &mut ctx.attempts {
            attempts.answered();
        }
        if response.status == StatusCode::SWITCHING_PROTOCOLS && !session.is_upgrade_req() {
            let what = "it turns to another protocol, which nobody has asked for";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up());
        }
        if response.status.is_informational() {
            ctx.interim_heads += 1;
            if ctx.interim_heads > MOST_INTERIM_HEADS {
                let what = "it sends one interim answer after the other";
                return Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up());
            }
        }
        if !is_framed_plainly(response) {
            let what = "its body is in a transfer coding other than `chunked`, or in several";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up());
        }
        let begun = filtering::begin(session, response, ctx, || self.terms())?;
        begun.map_err(|cause| self.unfilterable(ctx, &cause))?;
        shape_response(response, ctx)?;
        preview_bar::finish_head(response, ctx)?;
        prepare_end(session, response);
        filtering::hold_head(session, response, ctx)
    }

    /// A client's head as the upstream gets it.
    fn shaped(&self, theirs: &RequestHeader, ctx: &RequestCtx) -> Result<RequestHeader> {
        let live = ctx.live.as_ref().ok_or_else(|| Error::explain(ErrorType::HTTPStatus(500), "no session"))?;
        let identity = Identity {
            permit: ctx.permit()?,
            facts: ctx.facts()?,
            server: ctx.attempts.as_ref().and_then(Attempts::server),
            live,
            signer: &self.signer,
            request_id: &ctx.id,
            now: self.corridor.clock.now(),
        };
        let (fields, target) = identity.shape(&theirs.headers)?;
        let mut head = http::Request::new(()).into_parts().0;
        (head.method, head.version, head.headers) = (theirs.method.clone(), theirs.version, fields);
        head.extensions = theirs.extensions.clone();
        let mut head = RequestHeader::from(head);
        head.set_raw_path(target.as_bytes())?;
        Ok(head)
    }

    /// The answer of one of our own pages.
    async fn page(
        &self,
        pages: &Router,
        visit: Visit,
        facts: &Facts,
        session: &mut Session,
        ctx: &RequestCtx,
    ) -> Result<Reply> {
        // The workspace team pastes whole configs.
        let most = match facts.site.app.kind {
            AppKind::Proxied if facts.path.as_str() == "/.access/team/invite-many" => MOST_LIST_BYTES,
            AppKind::Proxied => MOST_FORM_BYTES,
            AppKind::Console => usize::try_from(facts.site.app.body_bytes).unwrap_or(usize::MAX),
        };
        let own = OwnRequest {
            pages,
            method: &facts.method,
            path: facts.path.as_str(),
            query: facts.query.as_deref(),
            visit,
            journal: &self.corridor.journal,
            id: &ctx.id,
            most,
        };
        let patience = self.current.load().limits.idle;
        let error = |status| decision::error(facts, ctx.live.as_deref(), status, &ctx.id);
        respond::page(session, own, patience, error).await
    }

    fn to_https(&self, plain: &route::PlainHttp) -> Reply {
        match self.https_port.load(Ordering::Relaxed) {
            443 => Reply::permanent(&format!("https://{}{}", plain.host, plain.target)),
            port => Reply::permanent(&format!("https://{}:{port}{}", plain.host, plain.target)),
        }
    }

    fn too_large(&self, ctx: &mut RequestCtx) -> Box<Error> {
        ctx.decided("refuse", "body_bytes");
        self.metrics.limit_reached("body_bytes", "request", 1);
        // Towards an HTTP/2 upstream, Pingora waits for its answer all the same, unless the fault is the client's.
        Error::explain(ErrorType::HTTPStatus(413), "the body is larger than `body_bytes`").into_down()
    }

    /// What a filter needs to know of now.
    fn terms(&self) -> filtering::Terms {
        let most_row_bytes = self.current.load().limits.row_bytes;
        filtering::Terms { now: self.corridor.clock.now(), most_row_bytes }
    }

    /// What cannot be filtered is refused, or cut off where it has begun.
    fn unfilterable(&self, ctx: &mut RequestCtx, cause: &Unfilterable) -> Box<Error> {
        let app = ctx.facts.as_ref().map_or("", |facts| facts.site.app.name.as_str());
        if *cause == Unfilterable::NotTheirRow {
            tracing::debug!(app, request_id = ctx.id, "an answer is a row that is not this person's");
        } else {
            tracing::warn!(app, cause = cause.name(), text = %cause, request_id = ctx.id, "an answer cannot be filtered");
        }
        self.metrics.unfilterable.with_label_values(&[app, cause.name()]).inc();
        ctx.is_unfilterable = true;
        ctx.decided("deny", Reason::CannotFilter.name());
        Error::explain(ErrorType::HTTPStatus(403), "the answer cannot be filtered")
    }

    /// Lets a filter finish, and gives the last of what it lets through. What cannot be filtered is refused; where it has begun, it is
    /// cut off.
    async fn end_filtered(&self, session: &mut Session, ctx: &mut RequestCtx) -> Option<Bytes> {
        match filtering::end(session, ctx) {
            Ok(Ok(rest)) => return rest,
            Ok(Err(cause)) => {
                self.unfilterable(ctx, &cause);
                if let (None, Some(facts)) = (session.response_written(), &ctx.facts) {
                    let reply = decision::deny(facts, Reason::CannotFilter, ctx.live.as_deref(), &ctx.id);
                    session.set_keepalive(None);
                    if respond::send(session, reply, ctx).await.is_ok() {
                        return None;
                    }
                }
            }
            Err(cause) => tracing::debug!(%cause, request_id = ctx.id, "the end of an answer could not be written"),
        }
        session.as_downstream_mut().shutdown().await;
        None
    }

    /// Ends an answer that was over with its head: over HTTP/2, a head can be that of an answer with a body, have no length, and be
    /// all the same the last that comes. Pingora tells no hook, and it has written nothing, for the head was held back.
    async fn end_late(&self, session: &mut Session, ctx: &mut RequestCtx) {
        let Some(filtering) = &ctx.filtering else { return };
        if !filtering.is_unfinished() {
            return;
        }
        if !filtering.holds_head() {
            // No way of Pingora's leads here; should one, its client must not take what it has for the whole.
            tracing::error!(request_id = ctx.id, "an answer was over before its filter was");
            session.as_downstream_mut().shutdown().await;
            return;
        }
        let rest = self.end_filtered(session, ctx).await;
        if ctx.is_unfilterable {
            return;
        }
        if let Err(cause) = session.write_response_body(rest, true).await {
            tracing::debug!(%cause, request_id = ctx.id, "the end of an answer could not be written");
        }
    }

    /// The status to answer an error with; nothing when there is nobody left to answer.
    fn status_of(&self, error: &Error, ctx: &mut RequestCtx) -> Option<StatusCode> {
        let app = ctx.facts.as_ref().map_or("", |facts| facts.site.app.name.as_str());
        let (status, kind) = match (&error.etype, &error.esource) {
            (ErrorType::HTTPStatus(code), _) => return StatusCode::from_u16(*code).ok(),
            (ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout, ErrorSource::Upstream) => {
                (StatusCode::GATEWAY_TIMEOUT, "connect-timeout")
            }
            (ErrorType::ReadTimedout | ErrorType::WriteTimedout, ErrorSource::Upstream) => {
                (StatusCode::GATEWAY_TIMEOUT, "response-timeout")
            }
            (ErrorType::InvalidCert | ErrorType::TLSHandshakeFailure, ErrorSource::Upstream) => {
                (StatusCode::BAD_GATEWAY, "tls")
            }
            (_, ErrorSource::Upstream) => (StatusCode::BAD_GATEWAY, "unreachable"),
            (ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed, ErrorSource::Downstream) => {
                tracing::debug!(%error, request_id = ctx.id, "the client went away");
                return None;
            }
            (ErrorType::ReadTimedout, ErrorSource::Downstream) => return Some(StatusCode::REQUEST_TIMEOUT),
            (_, ErrorSource::Downstream) => return Some(StatusCode::BAD_REQUEST),
            _ => {
                tracing::error!(%error, request_id = ctx.id, "a request failed");
                return Some(StatusCode::INTERNAL_SERVER_ERROR);
            }
        };
        tracing::warn!(app, kind, cause = upstream::cause(error), request_id = ctx.id, "the upstream failed");
        self.metrics.upstream_errors.with_label_values(&[app, kind]).inc();
        ctx.outcome.reason = kind;
        Some(status)
    }
}

/// The app's answer, less what it may not say: our cookies are ours, and `Alt-Svc` would lead the browser past us.
fn shape_response(response: &mut ResponseHeader, ctx: &RequestCtx) -> Result<()> {
    let sets_ours = |value: &http::HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        // A cookie without a name, `=__Host-access=…`, comes back from some browsers as `__Host-access=…` (RFC 6265bis,
        // section 5.7, has them refuse it; older ones do not).
        let text = text.trim_start_matches(|character: char| character == '=' || character.is_whitespace());
        is_ours(text.split(['=', ';']).next().unwrap_or_default())
    };
    if response.headers.get_all(header::SET_COOKIE).iter().any(sets_ours) {
        let kept: Vec<_> =
            response.headers.get_all(header::SET_COOKIE).iter().filter(|value| !sets_ours(value)).cloned().collect();
        response.remove_header(&header::SET_COOKIE);
        for value in kept {
            response.append_header(header::SET_COOKIE, value)?;
        }
    }
    if let Some(live) = &ctx.live {
        preview_jar::keep(response, live)?;
    }
    response.remove_header("alt-svc");
    if response.status.is_informational() {
        return Ok(());
    }
    // The app does not know that its answer is for one person; without a word of its own, no shared cache keeps it.
    if !response.headers.contains_key(header::CACHE_CONTROL) {
        response.insert_header(header::CACHE_CONTROL, "private")?;
    }
    relocate::relocate(response, ctx.facts()?, ctx.attempts.as_ref().and_then(Attempts::server))?;
    for (name, value) in &ctx.facts()?.site.app.response_headers {
        response.insert_header(name, value)?;
    }
    response.insert_header("x-request-id", ctx.id_value())?;
    Ok(())
}

/// Sees to it that an answer ends well when we stop: one that is about to begin says that it is the last on its connection, and
/// one that has no end of its own can be ended.
fn prepare_end(session: &mut Session, response: &ResponseHeader) {
    let Some(connection) = Connection::of(session) else { return };
    let is_value = |name, wanted: &str| {
        let value = response.headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted))
    };
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        // With an extension that nobody here knows, a frame of ours could mean something else.
        let extensions = response.headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
        let is_known = extensions.iter().all(|value| value.as_bytes().starts_with(b"permessage-deflate"));
        if is_known && is_value(header::UPGRADE, "websocket") {
            connection.speaks(Speech::WebSocket);
        }
        return;
    }
    if response.status.is_informational() {
        return;
    }
    if connection.is_closing() {
        session.set_keepalive(None);
    }
    let is_chunked = !response.headers.contains_key(header::CONTENT_LENGTH)
        && session.req_header().version >= http::Version::HTTP_11;
    if is_chunked && is_value(header::CONTENT_TYPE, "text/event-stream") {
        connection.speaks(Speech::Events);
    }
}

/// Whether a request says in one way where its body ends: nobody who means well sends both `Content-Length` and
/// `Transfer-Encoding`, or a coding beside `chunked` (RFC 9112, sections 6.1 and 6.3). Pingora drops the former as it may, so
/// we look at the bytes it read.
fn has_one_length(session: &Session) -> bool {
    let mut codings = session.req_header().headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => return true,
        (Some(coding), None) if coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => {}
        _ => return false,
    }
    let pingora::protocols::http::ServerSession::H1(http1) = session.as_downstream() else { return false };
    let head = http1.get_headers_raw_bytes();
    let names = head.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b':').next());
    !names.into_iter().any(|name| name.trim_ascii().eq_ignore_ascii_case(b"content-length"))
}

/// Whether an answer says in a way that everybody reads alike where its body ends. A coding that nobody asked for would pass for a
/// body up to the end of the connection, which anything can cut short.
fn is_framed_plainly(response: &ResponseHeader) -> bool {
    let mut codings = response.headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

/// Before a request goes upstream there is nobody but the client to read from and write to, which Pingora's errors do not say.
fn of_client(mut error: Box<Error>) -> Box<Error> {
    if !matches!(error.etype, ErrorType::HTTPStatus(_) | ErrorType::InternalError) {
        error.as_down();
    }
    error
}

fn announced_length(head: &RequestHeader) -> Option<u64> {
    head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
