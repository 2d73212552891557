//! Station 7, as Pingora calls it: a request with a permit waits for its place, gets a peer, and perhaps another.

use bytes::Bytes;
use http::StatusCode;
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use super::connection::Connection;
use super::ctx::RequestCtx;
use super::route::Facts;
use super::upstream::{Attempts, Client, Sent, UseAs};
use super::{Gateway, decision};
use crate::pages::Reply;

impl Gateway {
    /// Waits until the request may go on to a server; an answer of ours where it may not.
    pub(super) async fn wait_for_place(
        &self,
        session: &mut Session,
        ctx: &mut RequestCtx,
        facts: &Facts,
    ) -> Result<Option<Reply>> {
        let mut attempts = Attempts::new(self.upstreams.pool(&facts.site.app)?);
        let ended = ctx.open.as_ref().map(|open| open.ended().clone());
        let over = async {
            match ended {
                Some(ended) => ended.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let entered = tokio::select! {
            biased;
            // Before the others, for most need not wait.
            entered = attempts.enter() => entered,
            () = over => return Ok(Some(decision::error(facts, ctx.live.as_deref(), StatusCode::UNAUTHORIZED, &ctx.id))),
            gone = hang_up(session) => return Err(gone),
        };
        let come_again = attempts.come_again();
        ctx.attempts = Some(attempts);
        let Err(cause) = entered else { return Ok(None) };
        ctx.decided("refuse", cause.name());
        self.refused(facts, cause.name());
        let reply = decision::error(facts, ctx.live.as_deref(), StatusCode::SERVICE_UNAVAILABLE, &ctx.id);
        Ok(Some(reply.with_retry_after(come_again)))
    }

    /// Chooses the server of the first try, or of the next.
    pub(super) async fn next_server(&self, ctx: &mut RequestCtx) -> Result<()> {
        let mut attempts = ctx.attempts.take().ok_or_else(|| Error::explain(ErrorType::HTTPStatus(500), "no pool"))?;
        if attempts.is_retry() {
            // What was read of the body comes through its filter once more.
            ctx.body_bytes = 0;
        }
        // No permit, no server: a request that slipped past the decision ends here.
        let chosen = attempts.next_server(ctx.permit()?, ctx.facts()?.client).await;
        if matches!(&chosen, Err(error) if error.etype == ErrorType::HTTPStatus(503)) {
            ctx.come_again = Some(attempts.come_again());
            ctx.decided("refuse", "no-server");
            self.refused(ctx.facts()?, "no-server");
        }
        ctx.attempts = Some(attempts);
        chosen
    }

    /// The peer of the first try, or of the next.
    pub(super) async fn next_peer(&self, session: &mut Session, ctx: &mut RequestCtx) -> Result<Box<HttpPeer>> {
        let live = ctx.live.as_ref().ok_or_else(|| Error::explain(ErrorType::HTTPStatus(500), "no session"))?;
        let use_as = UseAs::of(session.req_header(), session.is_upgrade_req(), live.id);
        let connection = Connection::of(session)
            .ok_or_else(|| Error::explain(ErrorType::HTTPStatus(500), "the connection came by no listener of ours"))?;
        let client = Client::new(ctx.facts()?.client, connection.peer, connection.local);
        self.next_server(ctx).await?;
        ctx.attempts()?.peer(use_as, client)
    }

    /// What becomes of a part of a request's body.
    pub(super) fn body_part(
        &self,
        session: &Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        ctx: &mut RequestCtx,
    ) -> Result<()> {
        // What flows after an upgrade is no body.
        if session.was_upgraded() {
            return Ok(());
        }
        // Pingora writes an empty last part as the chunk that ends a body, and then ends the body with the same bytes again
        // (cloudflare/pingora, issue 935): the upstream would read the second as a request, and answer it to somebody else.
        if is_end && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        ctx.body_bytes += body.as_ref().map_or(0, |body| body.len() as u64);
        if ctx.body_bytes > ctx.facts()?.site.app.body_bytes {
            return Err(self.too_large(ctx));
        }
        Ok(())
    }

    fn refused(&self, facts: &Facts, cause: &str) {
        self.metrics.upstream_refused.with_label_values(&[facts.site.app.name.as_str(), cause]).inc();
    }
}

/// Decides whether a request whose try failed is sent again, and says so in Pingora's words.
pub(super) fn retried(session: &Session, ctx: &mut RequestCtx, mut error: Box<Error>, sent: Sent) -> Box<Error> {
    let is_untouched = session.response_written().is_none();
    let is_body_whole = !session.as_downstream().retry_buffer_truncated();
    let again = ctx.attempts.as_mut().is_some_and(|attempts| attempts.failed(&error, sent, is_body_whole));
    error.set_retry(again && is_untouched);
    error
}

/// Ends when the client hangs up; never where that cannot be told, because its body is still to come.
pub(super) async fn hang_up(session: &mut Session) -> Box<Error> {
    let ended = match session.as_downstream_mut() {
        ServerSession::H2(stream) => stream.idle().await.map(drop).err(),
        http1 => match http1.is_body_empty() {
            true => http1.read_body_or_idle(true).await.map(drop).err(),
            false => std::future::pending().await,
        },
    };
    let gone = || Error::explain(ErrorType::ConnectionClosed, "the client stopped waiting");
    ended.unwrap_or_else(gone).into_down()
}
