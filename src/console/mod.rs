//! The admin listener: health, readiness, metrics, and the API.
//!
//! It is a socket of its own, meant for a private address. Health, readiness and metrics tell nothing secret, and are open; the API
//! takes a token. A page in somebody's browser has no business with either, so only requests that name the listener by address or
//! `localhost` are answered.

mod api;
mod domains;
mod door;
mod onboarding;
mod reload;
mod services;
pub mod staff;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use prometheus::TextEncoder;
use serde_json::json;

use crate::state::audit::{AuditStore, Journal};
use crate::state::certificates::Certificates;
use crate::state::clock::Clock;
use crate::state::counters::ListenerCounters;
use crate::state::health::{ServerState, SourceHealth, SourceState, UpstreamHealth};
use crate::state::listing::Listing;
use crate::state::mail_counters::MailCounters;
use crate::state::membership::Membership;
use crate::state::metrics::Metrics;
use crate::state::nominated::Nominations;
use crate::state::notifications::Notifications;
use crate::state::onboarding::Domains;
use crate::state::people::People;
use crate::state::personal::PersonalStore;
use crate::state::ports::Store;
use crate::state::proof::WaitingRoom;
use crate::state::reloads::Reloads;
use crate::state::sessions::Sessions;
use crate::state::snapshot::Current;
use crate::state::tokens::TokenStore;
use crate::state::usage::Usage;

/// What the console tells of.
pub struct ConsoleRoom {
    /// The store.
    pub store: Arc<dyn Store>,
    /// How the sources are.
    pub sources: Box<dyn Fn() -> Vec<SourceHealth> + Send + Sync>,
    /// How the origin servers are.
    pub upstreams: Box<dyn Fn() -> Vec<UpstreamHealth> + Send + Sync>,
    /// What the listeners counted.
    pub listeners: Arc<ListenerCounters>,
    /// The certificates.
    pub certificates: Arc<Certificates>,
    /// What became of mail.
    pub mail: Arc<MailCounters>,
    /// The other counters.
    pub metrics: Arc<Metrics>,
    /// Reloads of the config.
    pub reloads: Arc<Reloads>,
    /// The domains in force.
    pub current: Arc<Current>,
    /// What tables of domains say.
    pub nominations: Arc<Nominations>,
    /// Domains of tables that may not serve yet.
    pub waiting: Arc<WaitingRoom>,
    /// How domains stand.
    pub domains: Arc<dyn Domains>,
    /// What customers use.
    pub usage: Arc<Usage>,
    /// Whom customers have.
    pub membership: Arc<Membership>,
    /// What people are notified of.
    pub notifications: Arc<Notifications>,
    /// Whether the gateway is about to stop.
    pub stopping: Arc<AtomicBool>,
    /// The clock.
    pub clock: Clock,
    /// The audit log, to write.
    pub journal: Arc<Journal>,
    /// The audit log, to read.
    pub audit: Arc<dyn AuditStore>,
    /// Tokens of the API.
    pub tokens: Arc<dyn TokenStore>,
    /// What is held of people.
    pub personal: Arc<dyn PersonalStore>,
    /// Lists of what the store has.
    pub listing: Arc<dyn Listing>,
    /// The sessions.
    pub sessions: Arc<Sessions>,
    /// Everybody's access, and what may be changed of it.
    pub people: Arc<People>,
    /// What takes the tables and the whole config.
    pub services: Arc<dyn Services>,
    /// What the API has.
    pub api: Operations,
}

use self::door::Door;

pub use self::api::{Client, Operations, document as openapi};
pub use self::services::{ExplainQuestion, NoAnswer, NoImpact, Services};

type Room = State<Arc<ConsoleRoom>>;

/// The console's routes at the admin listener. `own` are log-in and the person's own pages, as everywhere.
pub fn router(room: Arc<ConsoleRoom>, own: Router) -> Router {
    let staff = staff::router(Arc::clone(&room));
    let door = Router::new().fallback(door::enter).with_state(Arc::new(Door { room: Arc::clone(&room), own, staff }));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api", any(api::answer))
        .route("/api/{*rest}", any(api::answer))
        .with_state(room)
        .fallback_service(door)
        .layer(middleware::from_fn(only_by_address))
}

/// The name or address that the listener is asked by, without port and brackets.
fn asked_as(headers: &HeaderMap) -> &str {
    // Of two there is none: we would look at one of them, and somebody else at the other.
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => "",
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_start_matches('[').trim_end_matches(']')
}

/// A name in `Host` may be anybody's that was pointed here (DNS rebinding).
async fn only_by_address(headers: HeaderMap, request: Request, next: Next) -> Response {
    let name = asked_as(&headers);
    let names_one = |authority: &Authority| headers.get(header::HOST).is_some_and(|host| host == authority.as_str());
    let is_address = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    if is_address && request.uri().authority().is_none_or(names_one) {
        return next.run(request).await;
    }
    let is_api = request.uri().path().starts_with("/api/");
    match is_api {
        true => api::misdirected(),
        false => (StatusCode::MISDIRECTED_REQUEST, "ask by IP address or localhost\n").into_response(),
    }
}

/// 503 when requests cannot be served rightly: the store fails, a source lets nobody in, or the gateway is stopping. A source
/// that is stale, a mail server, an origin server or a certificate authority that is down is told too, but the gateway serves on: sent elsewhere, nobody would
/// be better off.
async fn ready(State(room): Room) -> Response {
    let (is_ready, problems) = assess(&room).await;
    let (status, word) = match (is_ready, problems.is_empty()) {
        (true, true) => (StatusCode::OK, "ready"),
        (true, false) => (StatusCode::OK, "degraded"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    (status, axum::Json(json!({"status": word, "problems": problems}))).into_response()
}

/// Whether requests can be served rightly, and everything that is wrong.
async fn assess(room: &ConsoleRoom) -> (bool, Vec<serde_json::Value>) {
    let mut problems = Vec::new();
    let mut is_ready = true;
    if room.stopping.load(Ordering::Acquire) {
        is_ready = false;
        problems.push(json!({"part": "gateway", "problem": "it is stopping"}));
    }
    if let Err(error) = room.store.check().await {
        is_ready = false;
        problems.push(json!({"part": "store", "problem": error.to_string()}));
    }
    for source in (room.sources)() {
        if !matches!(source.state, SourceState::Fresh) || source.problem.is_some() {
            let problem = source.problem.unwrap_or_else(|| "it has not been read yet".to_owned());
            is_ready &= !matches!(source.state, SourceState::Down { .. });
            let part = format!("source {}", source.name);
            problems.push(json!({"part": part, "state": source.state.name(), "problem": problem}));
        }
    }
    for upstream in (room.upstreams)() {
        for (server, state) in upstream.servers.iter().filter(|(_, state)| *state != ServerState::Up) {
            let problem = match state {
                ServerState::Down => "it fails its health check",
                _ => "requests to it failed in a row; it is left alone for a while",
            };
            let part = format!("upstream {}", upstream.app);
            problems.push(json!({"part": part, "server": server, "state": state.name(), "problem": problem}));
        }
    }
    if let Some(problem) = room.domains.authority_trouble() {
        problems.push(json!({"part": "certificates", "problem": problem}));
    }
    if let Some((since, what)) = room.reloads.standing().failed {
        let problem =
            format!("config reload failed since {since:.0}, the one from before goes on: {}", what.join("; "));
        problems.push(json!({"part": "config", "problem": problem, "since": format!("{since:.0}")}));
    }
    if let Some(failing) = room.mail.failing() {
        let since = failing.since.to_string();
        problems.push(json!({"part": "mail", "problem": failing.last_error, "since": since}));
    }
    (is_ready, problems)
}

/// The counters in Prometheus's text format.
async fn metrics(State(room): Room) -> Response {
    // One that a reload took away is told no longer.
    room.metrics.source_up.reset();
    room.metrics.source_refused_rows.reset();
    for source in (room.sources)() {
        let name = source.name.as_str();
        let is_up = i64::from(matches!(source.state, SourceState::Fresh));
        room.metrics.source_up.with_label_values(&[name]).set(is_up);
        room.metrics
            .source_refused_rows
            .with_label_values(&[name])
            .set(i64::try_from(source.refused_rows).unwrap_or(i64::MAX));
    }
    onboarding::count(&room).await;
    // A server that a reload took away is not there to be up or down.
    room.metrics.upstream_up.reset();
    room.metrics.upstream_queue.reset();
    for upstream in (room.upstreams)() {
        let app = upstream.app.as_str();
        for (server, state) in &upstream.servers {
            room.metrics.upstream_up.with_label_values(&[app, server]).set(i64::from(*state == ServerState::Up));
        }
        if let Some(waiting) = upstream.waiting {
            room.metrics.upstream_queue.with_label_values(&[app]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
        }
    }
    // The listeners count by themselves, for they know no metrics.
    for (limit, counter) in [
        ("connections", &room.listeners.refused_over_limit),
        ("header_read", &room.listeners.header_timeouts),
        ("idle", &room.listeners.idle_closed),
        ("http2_frames", &room.listeners.frame_floods),
    ] {
        let reached = room.metrics.limits_reached.with_label_values(&[limit, "connection"]);
        reached.inc_by(counter.load(Ordering::Relaxed).saturating_sub(reached.get()));
    }
    let mut text = match TextEncoder::new().encode_to_string(&room.metrics.registry.gather()) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let (listeners, mail) = (&room.listeners, &room.mail);
    let counters = [
        ("vestibule_connections_total", "counter", "Connections taken in", &listeners.accepted),
        ("vestibule_connections_open", "gauge", "Connections open now", &listeners.open),
        ("vestibule_handshakes_failed_total", "counter", "TLS handshakes that failed", &listeners.handshake_failed),
        (
            "vestibule_proxy_headers_refused_total",
            "counter",
            "Connections closed because of their PROXY header",
            &listeners.proxy_headers_refused,
        ),
        ("vestibule_malformed_requests_total", "counter", "Requests with a malformed head", &listeners.malformed),
        (
            "vestibule_sessions_cut_total",
            "counter",
            "Connections closed because their session ended",
            &listeners.cut_sessions,
        ),
        ("vestibule_mails_sent_total", "counter", "Mails that the mail server took", &mail.sent),
        ("vestibule_mails_deferred_total", "counter", "Tries to send a mail that failed for now", &mail.deferred),
        ("vestibule_mails_refused_total", "counter", "Mails refused for good", &mail.refused),
        ("vestibule_mails_expired_total", "counter", "Mails that could not be sent in time", &mail.expired),
    ];
    let mut line = |name: &str, kind: &str, help: &str, value: u64| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    };
    for (name, kind, help, counter) in counters {
        line(name, kind, help, counter.load(Ordering::Relaxed));
    }
    reload::write_metrics(&mut text, &room.reloads.standing());
    let mut line = |name: &str, kind: &str, help: &str, value: u64| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    };
    let certificates = room.certificates.counts();
    for (name, kind, help, value) in [
        ("vestibule_certificates_held", "gauge", "Fetched certificates in memory", certificates.held),
        (
            "vestibule_certificates_at_hand_total",
            "counter",
            "Handshakes whose fetched certificate was in memory",
            certificates.hits,
        ),
        (
            "vestibule_certificates_fetched_total",
            "counter",
            "Look-ups of certificates that were not in memory",
            certificates.misses,
        ),
        (
            "vestibule_certificate_fetches_failed_total",
            "counter",
            "Handshakes that failed because a certificate could not be fetched",
            certificates.failed,
        ),
        (
            "vestibule_unknown_server_names_total",
            "counter",
            "Handshakes for names that are not ours",
            certificates.unknown,
        ),
    ] {
        line(name, kind, help, value);
    }
    if let Ok(queued) = room.store.queued_mails().await {
        line("vestibule_mails_queued", "gauge", "Mails in the outbox", queued);
    }
    domains::write(&mut text, &room);
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response()
}

#[cfg(test)]
#[path = "openapi_tests.rs"]
mod tests;
