//! Side door: the person's own pages (choose a customer, account, team, log out), the brand's assets and the public keys.

mod dashboard;
mod language;
mod log_out;
mod notifications;
mod passkeys;
mod preview;
mod team;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use crate::pages::{self, AccountView, ChoiceView, Reply, SessionView};
use crate::policy::{Grant, Standing};
use crate::session::{CookieName, Seal, setting};
use crate::state::assertion::Signer;
use crate::state::audit::{Event, Journal};
use crate::state::membership::Membership;
use crate::state::notifications::Notifications;
use crate::state::people::People;
use crate::state::ports::{Store, StoreError};
use crate::state::sessions::{Live, Sessions};
use crate::state::snapshot::Current;
use crate::state::usage::Usage;
use crate::state::visit::Visit;
use crate::types::CustomerId;

/// What the portal needs.
pub struct PortalRoom {
    /// The running snapshot.
    pub current: Arc<Current>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The sessions.
    pub sessions: Arc<Sessions>,
    /// Whose public keys are shown.
    pub signer: Arc<Signer>,
    /// What customers use.
    pub usage: Arc<Usage>,
    /// Whom customers have.
    pub membership: Arc<Membership>,
    /// What people are notified of.
    pub notifications: Arc<Notifications>,
    /// What seals whatever goes through a browser.
    pub seal: Arc<Seal>,
    /// The audit log.
    pub journal: Arc<Journal>,
    /// Who has access, and who may change that.
    pub team: Arc<People>,
}

/// What the hub has of the portal.
pub fn hub_router(room: Arc<PortalRoom>) -> Router {
    log_out::hub_router().with_state(room)
}

type Room = State<Arc<PortalRoom>>;

/// The portal's pages.
pub fn router(room: Arc<PortalRoom>) -> Router {
    Router::new()
        .route("/.access/choose", get(show_choices).post(choose))
        .route("/.access/account", get(show_account))
        .route("/.access/language", post(language::choose))
        .route("/.access/sessions/end", post(end_sessions))
        .route("/.access/dashboard", get(dashboard::show))
        .route("/.access/notifications", get(notifications::show).post(notifications::save))
        .route("/.access/unsubscribe/{token}", get(notifications::ask).post(notifications::unsubscribe))
        .route("/.access/passkey/name", post(passkeys::name))
        .route("/.access/passkey/remove", post(passkeys::remove))
        .route("/.access/passkey.js", get(passkeys::script))
        .route("/.access/style.css", get(stylesheet))
        .route("/.access/logo", get(logo))
        .route("/.access/logo/{hash}", get(picture))
        .route("/.access/jwks.json", get(public_keys))
        .merge(team::router())
        .merge(log_out::router())
        .merge(preview::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(room)
}

#[derive(Deserialize)]
struct ToQuery {
    #[serde(default)]
    to: String,
}

async fn show_choices(State(room): Room, Extension(visit): Extension<Visit>, Query(query): Query<ToQuery>) -> Reply {
    let to = visit.return_path(&query.to);
    let Some(live) = &visit.live else { return log_in_first(&format!("/.access/choose?to={}", encode(&to))) };
    let grants = match room.choices(&visit, live).await {
        Ok(grants) => grants,
        Err(reply) => return reply,
    };
    // With nothing to choose there is nothing to show, unless what was chosen is gone.
    if grants.len() < 2 && !matches!(live.standing, Standing::Undecided) {
        return Reply::see_other(&to);
    }
    let current = live.access().and_then(|access| access.grant().customer_id().cloned());
    let choices: Vec<_> = grants
        .iter()
        .filter_map(|grant| grant.customer.as_ref())
        .map(|customer| ChoiceView {
            id: customer.id.as_str(),
            name: customer.name.as_ref().map_or("", |name| name.as_str()),
            current: Some(&customer.id) == current.as_ref(),
        })
        .collect();
    pages::choose(visit.look(), live.record.email.as_str(), &choices, &to)
}

#[derive(Deserialize)]
struct ChooseForm {
    #[serde(default)]
    customer: String,
    #[serde(default)]
    to: String,
}

/// Another customer is another session: a new id, so that nothing of the old one goes on.
async fn choose(State(room): Room, Extension(visit): Extension<Visit>, Form(form): Form<ChooseForm>) -> Reply {
    let to = visit.return_path(&form.to);
    let Some(live) = &visit.live else { return log_in_first(&to) };
    let grants = match room.choices(&visit, live).await {
        Ok(grants) => grants,
        Err(reply) => return reply,
    };
    let chosen = CustomerId::parse(&form.customer).ok();
    let Some(customer) = chosen.filter(|id| grants.iter().any(|grant| grant.customer_id() == Some(id))) else {
        return error(&visit, StatusCode::BAD_REQUEST);
    };
    match room.sessions.switch(live, customer.clone(), visit.now).await {
        Ok(Some(token)) => {
            let event = Event::CustomerChosen { email: &live.record.email, session: token.hash(), customer: &customer };
            room.journal.write(&visit, &event);
            let lifetime = room.current.load().session.absolute.as_secs();
            Reply::see_other(&to).with_cookie(setting(CookieName::Session, &token, lifetime))
        }
        // Of a form sent twice the browser has the first answer's cookie by now; after a log-out it is sent to log in.
        Ok(None) => Reply::see_other(&to),
        Err(cause) => store_failed(&visit, &cause),
    }
}

async fn show_account(State(room): Room, Extension(visit): Extension<Visit>) -> Reply {
    let Some(live) = &visit.live else { return log_in_first("/.access/account") };
    let record = &live.record;
    let sessions = match room.sessions.list(&record.app, &record.email, visit.now).await {
        Ok(sessions) => sessions,
        Err(cause) => return store_failed(&visit, &cause),
    };
    let passkeys = match room.passkeys(&visit, live).await {
        Ok(passkeys) => passkeys,
        Err(cause) => return store_failed(&visit, &cause),
    };
    let sessions = sessions.iter().map(|session| SessionView {
        id: session.id.public(),
        device: session.device.clone(),
        started: day_and_time(session.created, &visit),
        last_used: day_and_time(session.last_used, &visit),
        current: session.id == record.id,
        preview: session.preview.as_ref().map(|preview| preview.email.to_string()),
    });
    let grant = live.access().map(|access| access.grant());
    let customer = grant.and_then(|grant| grant.customer.as_ref());
    let customer = customer.map(|customer| customer.name.as_ref().map_or(customer.id.as_str(), |name| name.as_str()));
    let view = AccountView {
        email: record.email.as_str(),
        name: grant.and_then(|grant| grant.name.as_ref()).map(|name| name.as_str()),
        // Without a customer column each address is a customer of its own, which is nothing to tell a person.
        customer: customer.filter(|customer| *customer != record.email.as_str()),
        role: grant.map_or("", |grant| visit.site.app.policy.roles.title(&grant.role)),
        can_switch: live.can_switch,
        doors: team::doors(&visit, live, customer),
        can_preview: room.sessions.may_preview(&visit.site, record),
        sessions: sessions.collect(),
        passkeys,
        has_notifications: !visit.site.app.topics.is_empty(),
        has_dashboard: dashboard::may_see(&visit, live),
    };
    pages::account(visit.look(), &view)
}

#[derive(Deserialize)]
struct EndForm {
    #[serde(default)]
    session: String,
    #[serde(default)]
    all: String,
}

/// Ends one of the person's own sessions, or all but this one.
async fn end_sessions(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<EndForm>,
) -> Reply {
    let Some(live) = &visit.live else { return log_in_first("/.access/account") };
    let record = &live.record;
    let sessions = match room.sessions.list(&record.app, &record.email, visit.now).await {
        Ok(sessions) => sessions,
        Err(cause) => return store_failed(&visit, &cause),
    };
    let is_meant = |id: &crate::session::SessionId| match form.all.as_str() {
        "1" => *id != record.id,
        _ => id.public() == form.session,
    };
    let mut ended_this_one = false;
    for id in sessions.iter().map(|session| session.id).filter(is_meant) {
        if let Err(cause) = room.sessions.end(id).await {
            return store_failed(&visit, &cause);
        }
        room.journal.write(&visit, &Event::SessionEnded { email: &record.email, session: id });
        ended_this_one |= id == record.id;
    }
    if ended_this_one { log_out::gone(&headers) } else { Reply::see_other("/.access/account") }
}

async fn stylesheet(Extension(visit): Extension<Visit>) -> Reply {
    pages::stylesheet(&visit.site.domain.brand)
}

/// How long a browser may keep what may be another picture soon.
const KEEP_LOGO_SECONDS: u32 = 300;

async fn logo(Extension(visit): Extension<Visit>) -> Reply {
    match &visit.site.domain.brand.logo {
        Some(logo) => Reply::asset(logo.content_type, logo.bytes.clone(), KEEP_LOGO_SECONDS),
        None => error(&visit, StatusCode::NOT_FOUND),
    }
}

/// A picture of the brand by its hash, which a browser may keep for good. A page from before a reload may ask for one that is no
/// more, and gets the logo of now.
async fn picture(Extension(visit): Extension<Visit>, Path(hash): Path<String>) -> Reply {
    match visit.site.domain.brand.picture(&hash) {
        Some(picture) => Reply::lasting_asset(picture.content_type, picture.bytes.clone()),
        None => logo(Extension(visit)).await,
    }
}

async fn public_keys(State(room): Room) -> Reply {
    let reply = Reply::json(StatusCode::OK, room.signer.jwks());
    reply.with_header(http::header::CACHE_CONTROL, http::HeaderValue::from_static("public, max-age=300"))
}

async fn not_found(Extension(visit): Extension<Visit>, _: HeaderMap) -> Reply {
    error(&visit, StatusCode::NOT_FOUND)
}

async fn method_not_allowed(Extension(visit): Extension<Visit>) -> Reply {
    error(&visit, StatusCode::METHOD_NOT_ALLOWED)
}

impl PortalRoom {
    /// The grants to choose from on this domain.
    async fn choices(&self, visit: &Visit, live: &Live) -> Result<Vec<Arc<Grant>>, Reply> {
        if visit.site.domain.customer.is_some() || matches!(live.standing, Standing::Refused(_)) {
            return Ok(Vec::new());
        }
        self.sessions.grants(&visit.site, &live.record).await.map_err(|cause| {
            tracing::warn!(app = %live.record.app, %cause, "customers to choose from cannot be told");
            error(visit, StatusCode::SERVICE_UNAVAILABLE)
        })
    }
}

fn log_in_first(to: &str) -> Reply {
    Reply::see_other(&format!("/.access/login?to={}", encode(to)))
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn day_and_time(moment: Timestamp, visit: &Visit) -> String {
    pages::when::day_and_time(visit.language, moment, &visit.site.app.policy.time_zone)
}

fn store_failed(visit: &Visit, cause: &StoreError) -> Reply {
    tracing::error!(%cause, request_id = visit.request_id, "a portal page failed");
    error(visit, StatusCode::SERVICE_UNAVAILABLE)
}

fn error(visit: &Visit, status: StatusCode) -> Reply {
    pages::error(
        Some(&visit.site.domain.brand),
        visit.language,
        &pages::ErrorView { status, request_id: &visit.request_id },
    )
}
