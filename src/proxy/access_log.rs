//! One line a request, and its counters.
//!
//! It says what was decided and why. It names no token, no query and no full address: a log is read by many.

use std::time::Duration;

use super::ctx::RequestCtx;
use crate::state::metrics::Metrics;
use crate::state::sessions::Logged;

/// Writes the line and counts.
pub(super) fn write(ctx: &RequestCtx, method: &str, status: u16, sent_bytes: usize, metrics: &Metrics) {
    let took = ctx.started.elapsed();
    let app = ctx.facts.as_ref().map_or("", |facts| facts.site.app.name.as_str());
    let status_class = match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "none",
    };
    metrics.requests.with_label_values(&[app, ctx.outcome.decision, status_class]).inc();
    metrics.duration.with_label_values(&[app]).observe(took.as_secs_f64());
    if let Some(decided_in) = ctx.decided_in {
        metrics.decision.observe(decided_in.as_secs_f64());
    }
    let facts = ctx.facts.as_ref();
    let logged = ctx.live.as_ref().map(|live| &live.logged);
    // Of a request that was refused before it was understood, the connection is all there is to go by.
    let hub = ctx.hub.as_ref();
    let client = facts.map(|facts| facts.client).or(hub.map(|hub| hub.client)).or(ctx.peer);
    let host = facts.map(|facts| &facts.site.domain.host).or(hub.map(|hub| &hub.host));
    let path = facts.map(|facts| &facts.path).or(hub.map(|hub| &hub.path));
    tracing::info!(
        target: "access",
        request_id = ctx.id,
        app,
        host = host.map(|host| host.as_str()),
        method,
        path = path.map(|path| shown_path(path.as_str())),
        status,
        decision = ctx.outcome.decision,
        reason = ctx.outcome.reason,
        client = client.map(tracing::field::display),
        user = logged.map(Logged::user),
        actor = logged.and_then(Logged::actor),
        customer = logged.and_then(Logged::customer),
        session = logged.map(Logged::session),
        sent_bytes,
        ms = milliseconds(took),
        decided_ms = ctx.decided_in.map(milliseconds),
        "request"
    );
}

/// A link's token stands in its path.
fn shown_path(path: &str) -> &str {
    const LINKS: [&str; 3] = ["/.access/link/", "/.access/unsubscribe/", "/.access/invitation/"];
    LINKS.into_iter().find(|link| path.starts_with(link)).unwrap_or(path)
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
