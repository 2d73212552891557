//! Side door: logging in.
//!
//! By mail ([`by_mail`]): the person types an address; whatever it is, an attempt is stored and the same page comes back. Only afterwards, in
//! [`answer`], is the table asked, and a mail sent to those who may enter: so neither answer nor time tells who is known.
//! Link and code stand for each other, work once, and give the session to the browser that asked, which holds a cookie
//! bound to the attempt.

pub mod answer;
mod by_mail;
mod by_passkey;
mod device;
mod enter;
pub mod oidc;

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::{Extension, Query, State};
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;

use self::oidc::RelyingParty;
use crate::pages::{self, LoginProblem, LoginView, Reply};
use crate::session::Seal;
use crate::state::metrics::Metrics;
use crate::state::ports::{Directory, Store, StoreError};
use crate::state::rate_limits::{LimitReached, RateLimits};
use crate::state::sessions::Sessions;
use crate::state::snapshot::Current;
use crate::state::visit::Visit;

/// What logging in needs.
pub struct LoginRoom {
    /// The running snapshot.
    pub current: Arc<Current>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The tables.
    pub directory: Arc<dyn Directory>,
    /// The sessions.
    pub sessions: Arc<Sessions>,
    /// The limits.
    pub limits: Arc<RateLimits>,
    /// The OpenID providers.
    pub providers: Arc<RelyingParty>,
    /// What seals codes.
    pub code_key: hmac::Key,
    /// What seals cookies and whatever else goes through a browser.
    pub seal: Seal,
    /// Wakes [`answer::run`].
    pub asked: Arc<tokio::sync::Notify>,
    /// Wakes the outbox.
    pub mailed: Arc<tokio::sync::Notify>,
    /// The counters.
    pub metrics: Arc<Metrics>,
}

type Room = State<Arc<LoginRoom>>;

/// The log-in pages.
pub fn router(room: Arc<LoginRoom>) -> Router {
    Router::new()
        .route("/.access/login", get(show_login))
        .merge(by_mail::router())
        .merge(by_passkey::router())
        .with_state(room)
}

#[derive(Deserialize)]
struct ToQuery {
    #[serde(default)]
    to: String,
}

async fn show_login(Extension(visit): Extension<Visit>, Query(query): Query<ToQuery>) -> Reply {
    login_page(&visit, "", &query.to, None)
}

fn login_page(visit: &Visit, email: &str, to: &str, problem: Option<LoginProblem>) -> Reply {
    let to = visit.return_path(to);
    pages::login(&visit.site.domain.brand, &LoginView { email, to: &to, passkey: visit.site.app.ways.passkey, problem })
}

impl LoginRoom {
    fn note(&self, reached: LimitReached) -> u32 {
        tracing::warn!(limit = reached.limit, "a log-in limit was reached");
        self.metrics.limits_reached.with_label_values(&[reached.limit]).inc();
        reached.minutes
    }
}

fn store_failed(visit: &Visit, error: &StoreError) -> Reply {
    tracing::error!(%error, request_id = visit.request_id, "a log-in page failed");
    let view = pages::ErrorView { status: StatusCode::SERVICE_UNAVAILABLE, request_id: &visit.request_id };
    pages::error(Some(&visit.site.domain.brand), &view)
}
