//! Station 7, the direct way: a request to an HTTP/1.1 server in the clear, and its answer.
//!
//! Most requests are such. Pingora's own way serves every kind of exchange: it carries both halves past each other through channels, and
//! gives each kept connection a task that watches it. Here one task writes the head, and a body whose length is known, reads the answer
//! and passes it on, and that costs a third less. It speaks through Pingora's HTTP/1.1 session all the same, and through the same
//! stations of ours. Whatever is not so simple goes Pingora's way, and so does every further try: there is one place that knows how to
//! repeat a request.

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;
use pingora::{Error, Result};
use pingora_core::protocols::http::v1::client::HttpSession;

use super::ctx::RequestCtx;
use super::upstream::{Sent, UseAs};
use super::{Gateway, dispatch, http2};

/// Whether a request may go the direct way.
pub(super) fn is_for(session: &mut Session, ctx: &RequestCtx) -> bool {
    let is_plain = ctx.attempts.as_ref().is_some_and(|attempts| attempts.is_plain());
    // An answer that is filtered or gets a bar is held back, which is Pingora's way to do.
    let passes_as_it_is = ctx.permit().is_ok_and(|permit| permit.filters().is_none())
        && ctx.live.as_ref().is_some_and(|live| {
            // NTLM logs a connection in, which then serves nobody else.
            let use_as = UseAs::of(session.req_header(), false, live.id);
            !live.is_preview && use_as == UseAs::Requests(None)
        });
    is_plain && passes_as_it_is && is_simple(session.req_header()) && has_known_length(session)
}

/// Whether it is known how long a request's body is.
fn has_known_length(session: &mut Session) -> bool {
    session.as_downstream_mut().is_body_empty() || session.req_header().headers.contains_key(header::CONTENT_LENGTH)
}

/// Whether a head asks for no more than an answer.
fn is_simple(head: &RequestHeader) -> bool {
    // `Connection` may name fields that are for us alone.
    let is_plain_connection = head.headers.get_all(header::CONNECTION).iter().all(|value| {
        value.as_bytes().eq_ignore_ascii_case(b"keep-alive") || value.as_bytes().eq_ignore_ascii_case(b"close")
    });
    let special = [header::UPGRADE, header::EXPECT, header::TRANSFER_ENCODING];
    is_plain_connection && head.method != Method::CONNECT && !special.iter().any(|name| head.headers.contains_key(name))
}

impl Gateway {
    /// Takes a request to its server and the answer back. `false`: it was to no avail, and Pingora may try again.
    pub(super) async fn go_directly(&self, session: &mut Session, ctx: &mut RequestCtx) -> Result<bool> {
        let mut sent = Sent::Nothing;
        let Err(error) = self.exchange(session, ctx, &mut sent).await else { return Ok(true) };
        let error = dispatch::retried(session, ctx, error, sent);
        if error.retry() { Ok(false) } else { Err(error) }
    }

    async fn exchange(&self, session: &mut Session, ctx: &mut RequestCtx, sent: &mut Sent) -> Result<()> {
        self.next_server(ctx).await?;
        let attempts = ctx.attempts()?;
        let (shelf, patience) = (attempts.shelf(), attempts.response_timeout());
        let (stream, reused) = attempts.connection().await?;
        let mut server = HttpSession::new(stream);
        (server.read_timeout, server.write_timeout) = (Some(patience), Some(patience));
        let head = self.direct_head(session, ctx)?;
        let idempotent = head.method.is_idempotent();
        *sent = Sent::Perhaps { reused, idempotent };
        server.write_request_header(Box::new(head)).await.map_err(|error| error.into_up())?;
        let mut upload = Upload::of(session, idempotent);
        loop {
            let read = tokio::select! {
                biased;
                read = server.read_response() => read,
                part = upload.part(session) => {
                    self.pass_up(part?, &mut upload, &mut server, session, ctx).await?;
                    continue;
                }
            };
            read.map_err(|error| upload.why(error).into_up())?;
            let mut answer = Box::new(match server.resp_header() {
                None => continue,
                Some(answer) if session.is_http2() => http2::with_own_values(answer)?,
                Some(answer) => answer.clone(),
            });
            let is_over = server.is_body_done();
            frame(&mut answer, is_over, &session.req_header().method)?;
            self.answer_head(session, &mut answer, ctx)?;
            let is_interim = answer.status.is_informational();
            let written = match session.as_downstream_mut() {
                ServerSession::H2(stream) => stream.write_response_header(answer, is_over && !is_interim),
                other => other.write_response_header(answer).await,
            };
            written.map_err(|error| error.into_down())?;
            if !is_interim {
                break;
            }
        }
        // An answer may come before the whole of its request has gone, and the server may want the rest all the same.
        while !server.is_body_done() || !upload.is_over {
            // In no order, for neither way may wait for the other.
            let read = tokio::select! {
                read = server.read_body_bytes(), if !server.is_body_done() => read,
                part = upload.part(session) => {
                    self.pass_up(part?, &mut upload, &mut server, session, ctx).await?;
                    continue;
                }
            };
            let part = read.map_err(|error| upload.why(error).into_up())?.unwrap_or_default();
            let written = session.as_downstream_mut().write_response_body(part, server.is_body_done()).await;
            written.map_err(|error| error.into_down())?;
        }
        if let Some(attempts) = &mut ctx.attempts {
            attempts.over();
        }
        if upload.failed.is_some() {
            // What the client still sends is no request.
            session.set_keepalive(None);
            return Ok(());
        }
        server.respect_keepalive();
        if let (Some(stream), Some(shelf)) = (server.reuse().await, shelf) {
            shelf.put(stream);
        }
        Ok(())
    }

    /// Passes a part of the request's body on to the server; none is its end.
    async fn pass_up(
        &self,
        mut part: Option<Bytes>,
        upload: &mut Upload,
        server: &mut HttpSession,
        session: &mut Session,
        ctx: &mut RequestCtx,
    ) -> Result<()> {
        let is_last = part.is_none() || session.as_downstream_mut().is_body_done();
        self.body_part(session, &mut part, is_last, ctx)?;
        upload.is_over = is_last;
        let sending = async {
            if let Some(part) = part {
                server.write_body(&part).await?;
            }
            if is_last {
                server.finish_body().await?;
            }
            Ok(())
        };
        if let Err(error) = sending.await {
            // A server that has heard enough may have answered already.
            (upload.is_over, upload.failed) = (true, Some(error));
        }
        Ok(())
    }

    /// The head that the server gets.
    fn direct_head(&self, session: &Session, ctx: &RequestCtx) -> Result<RequestHeader> {
        let mut head = self.shaped(session.req_header(), ctx)?;
        // Said between two neighbours only (RFC 9110, section 7.6.1); what else is, `identity` takes out.
        for name in [header::CONNECTION, header::TE, header::TRAILER] {
            head.remove_header(&name);
        }
        head.set_version(Version::HTTP_11);
        Ok(head)
    }
}

/// About so much of a body goes to the server at once.
const GATHER_MOST: usize = 64 * 1024;

/// A request's body on its way to the server.
struct Upload {
    /// Whether nothing more of it goes to the server.
    is_over: bool,
    /// Why the server takes no more of it.
    failed: Option<Box<Error>>,
}

impl Upload {
    fn of(session: &mut Session, idempotent: bool) -> Self {
        let is_over = session.as_downstream_mut().is_body_empty();
        if !is_over && idempotent {
            // For a second try, which others have none of.
            session.as_downstream_mut().enable_retry_buffering();
        }
        Self { is_over, failed: None }
    }

    /// The next part of it. After its end: never, unless the client goes away.
    async fn part(&self, session: &mut Session) -> Result<Option<Bytes>> {
        let downstream = session.as_downstream_mut();
        if self.is_over && !downstream.is_body_done() {
            // The client is still sending what nobody wants.
            return std::future::pending().await;
        }
        let first = downstream.read_body_or_idle(self.is_over).await.map_err(|error| error.into_down())?;
        let Some(first) = first else { return Ok(None) };
        // What has come along goes along, for a write to the server costs more than a copy.
        let mut all = BytesMut::new();
        while first.len().max(all.len()) < GATHER_MOST && !downstream.is_body_done() {
            let Some(next) = downstream.read_body_or_idle(false).now_or_never() else { break };
            let Some(next) = next.map_err(|error| error.into_down())? else { break };
            if all.is_empty() {
                all.reserve(GATHER_MOST);
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&next);
        }
        Ok(Some(if all.is_empty() { first } else { all.freeze() }))
    }

    /// Why there is no answer: for the server took no more, where that came first.
    fn why(&mut self, error: Box<Error>) -> Box<Error> {
        self.failed.take().unwrap_or(error)
    }
}

/// An answer that goes on until its connection ends gets chunks, so that ours need not end.
fn frame(answer: &mut ResponseHeader, is_over: bool, method: &Method) -> Result<()> {
    let has_no_body = *method == Method::HEAD
        || answer.status.is_informational()
        || matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_framed =
        answer.headers.contains_key(header::TRANSFER_ENCODING) || answer.headers.contains_key(header::CONTENT_LENGTH);
    if !has_no_body && !is_framed && !is_over {
        answer.set_version(Version::HTTP_11);
        answer.insert_header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    }
    Ok(())
}
