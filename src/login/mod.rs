//! Side door: logging in.
//!
//! By mail (`by_mail`): the person types an address; whatever it is, an attempt is stored and the same page comes back. Only afterwards, in
//! [`answer`], is the table asked, and a mail sent to those who may enter: so neither answer nor time tells who is known.
//! Link and code stand for each other, work once, and give the session to the browser that asked, which holds a cookie
//! bound to the attempt.
//!
//! By an OpenID provider (`by_provider`): the browser goes there and comes back, through the [`hub`] where there is one. Every way
//! ends in `enter`. The log-in page here offers what an app allows.

pub mod answer;
mod arrival;
mod backchannel;
mod by_mail;
mod by_passkey;
mod by_provider;
mod device;
mod enter;
mod flow;
pub mod hub;
pub mod oidc;
mod returned;
mod step_up;

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;

use self::by_provider::Start;
use self::oidc::RelyingParty;
use crate::pages::{self, AddressField, LoginProblem, LoginView, ProviderButton, Reply};
use crate::session::Seal;
use crate::state::audit::Journal;
use crate::state::metrics::Metrics;
use crate::state::people::People;
use crate::state::ports::{Store, StoreError};
use crate::state::rate_limits::RateLimits;
use crate::state::sessions::Sessions;
use crate::state::snapshot::Current;
use crate::state::visit::Visit;

/// What logging in needs.
pub struct LoginRoom {
    /// The running snapshot.
    pub current: Arc<Current>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Who may enter, and who was invited to.
    pub people: Arc<People>,
    /// The sessions.
    pub sessions: Arc<Sessions>,
    /// The limits.
    pub limits: Arc<RateLimits>,
    /// The OpenID providers.
    pub providers: Arc<RelyingParty>,
    /// What seals codes.
    pub code_key: hmac::Key,
    /// What seals cookies and whatever else goes through a browser.
    pub seal: Arc<Seal>,
    /// Wakes [`answer::run`].
    pub asked: Arc<tokio::sync::Notify>,
    /// Wakes the outbox.
    pub mailed: Arc<tokio::sync::Notify>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The audit log.
    pub journal: Arc<Journal>,
}

type Room = State<Arc<LoginRoom>>;

/// The log-in pages.
pub fn router(room: Arc<LoginRoom>) -> Router {
    Router::new()
        .route("/.access/login", get(show_login))
        .merge(by_mail::router())
        .merge(by_provider::router())
        .merge(by_passkey::router())
        .merge(step_up::router())
        .merge(backchannel::router())
        .with_state(room)
}

#[derive(Deserialize)]
struct ToQuery {
    #[serde(default)]
    to: String,
}

#[derive(Deserialize)]
struct LoginQuery {
    #[serde(default)]
    to: String,
    /// Anything: the page is shown even where there is but one way. Every link that follows a log-out or a failure has it, so
    /// that nobody is led in a circle.
    #[serde(default)]
    stay: String,
    /// What the hub says went wrong.
    #[serde(default)]
    problem: String,
    /// In which of the browser's attempts.
    #[serde(default)]
    flow: String,
    /// What the field for an address begins with: an invitation's page says for whom it is.
    #[serde(default)]
    email: String,
}

async fn show_login(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Query(query): Query<LoginQuery>,
) -> Reply {
    if !query.problem.is_empty() {
        return room.back_from_hub(&visit, &headers, &query.problem, &query.flow);
    }
    match visit.site.app.ways.only_provider() {
        Some(provider) if query.stay.is_empty() => {
            let start = Start { provider, to: &query.to, hint: None, another: false };
            room.go(&visit, &headers, start).await
        }
        _ => {
            const MOST_SHOWN: usize = 254;
            let email: String = query.email.chars().take(MOST_SHOWN).collect();
            room.login_page(&visit, &email, &query.to, None)
        }
    }
}

impl LoginRoom {
    /// The page that offers the ways into an app.
    fn login_page(&self, visit: &Visit, email: &str, to: &str, problem: Option<LoginProblem<'_>>) -> Reply {
        let ways = &visit.site.app.ways;
        let to = visit.return_path(to);
        let providers: Vec<ProviderButton<'_>> = ways.providers.iter().map(|provider| self.button(provider)).collect();
        let has_home = ways.providers.iter().chain(&ways.staff).any(|provider| !provider.email_domains.is_empty());
        let address = match (ways.email, has_home) {
            (true, _) => AddressField::Mail,
            (false, true) => AddressField::Home,
            (false, false) => AddressField::Absent,
        };
        let view = LoginView { email, to: &to, problem, address, providers: &providers, passkey: ways.passkey };
        pages::login(visit.look(), &view)
    }
}

fn store_failed(visit: &Visit, error: &StoreError) -> Reply {
    tracing::error!(%error, request_id = visit.request_id, "a log-in page failed");
    let view = pages::ErrorView { status: StatusCode::SERVICE_UNAVAILABLE, request_id: &visit.request_id };
    pages::error(Some(&visit.site.domain.brand), visit.language, &view)
}
