//! Side door: logging in by a link or a code that comes by mail.
//!
//! The person types an address; whatever it is, an attempt is stored and the same page comes back. Only afterwards, in
//! [`answer`], is the table asked, and a mail sent to those who may enter: so neither answer nor time tells who is known.
//! Link and code stand for each other, work once, and give the session to the browser that asked, which holds a cookie
//! bound to the attempt.

pub mod answer;
mod device;

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::routing::{get, post};
use axum::{Router, http::HeaderMap};
use http::StatusCode;
use serde::Deserialize;

use crate::pages::{self, CheckView, CodeProblem, LoginProblem, LoginView, Reply};
use crate::session::{
    Attempt, AttemptState, Code, CookieName, MOST_WRONG_CODES, SessionRecord, Token, clearing, cookie, setting,
};
use crate::state::metrics::Metrics;
use crate::state::ports::{Directory, Store, StoreError};
use crate::state::rate_limits::{LimitReached, RateLimits};
use crate::state::sessions::Sessions;
use crate::state::snapshot::Current;
use crate::state::visit::Visit;
use crate::types::Email;

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
    /// What seals codes.
    pub code_key: hmac::Key,
    /// Wakes [`answer::run`].
    pub asked: Arc<tokio::sync::Notify>,
    /// The counters.
    pub metrics: Arc<Metrics>,
}

type Room = State<Arc<LoginRoom>>;

/// The log-in pages.
pub fn router(room: Arc<LoginRoom>) -> Router {
    Router::new()
        .route("/.access/login", get(show_login).post(ask))
        .route("/.access/check", get(show_check))
        .route("/.access/code", post(enter_by_code))
        .route("/.access/link/{token}", get(show_link))
        .route("/.access/link", post(enter_by_link))
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
    pages::login(&visit.site.domain.brand, &LoginView { email, to: &to, problem })
}

#[derive(Deserialize)]
struct AskForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    to: String,
}

/// Stores an attempt, the same for every well-formed address.
async fn ask(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<AskForm>,
) -> Reply {
    const MOST_SHOWN: usize = 254;
    let shown: String = form.email.chars().take(MOST_SHOWN).collect();
    let page = |problem| login_page(&visit, &shown, &form.to, Some(problem));
    let Ok(email) = Email::parse(&form.email) else { return page(LoginProblem::BadAddress) };
    let app = &visit.site.app.name;
    if let Err(reached) = room.limits.try_of_client(visit.client).and_then(|()| room.limits.mail(app, &email)) {
        return page(LoginProblem::TooMany { minutes: room.note(reached) });
    }
    if !room.directory.is_available(app) {
        return page(LoginProblem::Unavailable);
    }
    let lifetime = room.current.load().login.lifetime;
    let browser = cookie(&headers, CookieName::Attempt).unwrap_or_else(Token::generate);
    let attempt = Attempt {
        id: 0,
        app: app.clone(),
        host: visit.site.domain.host.clone(),
        origin: visit.origin.clone(),
        email,
        to: visit.return_path(&form.to),
        browser: browser.hash(),
        created: visit.now,
        expires: visit.now.checked_add(lifetime).unwrap_or(visit.now),
        state: AttemptState::Asked,
        wrong_codes: 0,
    };
    match room.store.ask(&attempt).await {
        Ok(id) => {
            room.asked.notify_one();
            tracing::info!(app = %app, attempt = id, email = attempt.email.masked(), "log-in asked for");
            let cookie = setting(CookieName::Attempt, &browser, lifetime.as_secs());
            Reply::see_other("/.access/check").with_cookie(cookie)
        }
        Err(error) => store_failed(&visit, &error),
    }
}

async fn show_check(State(room): Room, Extension(visit): Extension<Visit>, headers: HeaderMap) -> Reply {
    match room.attempt(&visit, &headers).await {
        Err(error) => store_failed(&visit, &error),
        Ok(None) => login_page(&visit, "", "", None),
        // The mail was clicked in another tab: this one goes on too.
        Ok(Some(attempt)) if attempt.state == AttemptState::Used && visit.live.is_some() => {
            Reply::see_other(&attempt.to)
        }
        Ok(Some(attempt)) => {
            room.check_page(&visit, &attempt, (!attempt.is_open(visit.now)).then_some(CodeProblem::Ended))
        }
    }
}

#[derive(Deserialize)]
struct CodeForm {
    #[serde(default)]
    code: String,
}

async fn enter_by_code(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Reply {
    let attempt = match room.attempt(&visit, &headers).await {
        Ok(Some(attempt)) => attempt,
        Ok(None) => return login_page(&visit, "", "", Some(LoginProblem::Expired)),
        Err(error) => return store_failed(&visit, &error),
    };
    let page = |problem| room.check_page(&visit, &attempt, Some(problem));
    if let Err(reached) = room.limits.try_of_client(visit.client) {
        return page(CodeProblem::TooMany { minutes: room.note(reached) });
    }
    if !attempt.is_open(visit.now) {
        return page(CodeProblem::Ended);
    }
    // What is no code at all takes no try.
    let Some(code) = Code::parse(&form.code) else {
        return page(CodeProblem::Wrong { left: MOST_WRONG_CODES.saturating_sub(attempt.wrong_codes) });
    };
    let left = match room.store.take_try(attempt.id, visit.now).await {
        Ok(Some(left)) => left,
        Ok(None) => return page(CodeProblem::Ended),
        Err(error) => return store_failed(&visit, &error),
    };
    let sealed = match room.store.sealed_code(attempt.id).await {
        Ok(sealed) => sealed,
        Err(error) => return store_failed(&visit, &error),
    };
    // Without a sealed code there is still something to compare with, which takes the same time and never fits.
    let is_right = code.opens(&sealed.unwrap_or_default(), &room.code_key, attempt.browser);
    if is_right && sealed.is_some() {
        return room.enter(&visit, &headers, &attempt).await;
    }
    tracing::info!(app = %attempt.app, attempt = attempt.id, left, "wrong log-in code");
    room.metrics.logins.with_label_values(&[attempt.app.as_str(), "wrong-code"]).inc();
    page(if left == 0 { CodeProblem::Ended } else { CodeProblem::Wrong { left } })
}

/// Looking at a link never uses it up, so mail scanners may look as often as they like.
async fn show_link(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Reply {
    let brand = &visit.site.domain.brand;
    let Some(token) = Token::parse(&token) else { return pages::link_ended(brand) };
    match room.attempt_by_link(&visit, &token).await {
        Err(error) => store_failed(&visit, &error),
        Ok(None) => pages::link_ended(brand),
        Ok(Some(attempt)) if attempt.is_asked_by(&headers) => {
            pages::confirm_link(brand, &token.expose(), attempt.email.as_str())
        }
        Ok(Some(_)) => pages::other_browser(brand, &Code::of(&token).expose()),
    }
}

#[derive(Deserialize)]
struct LinkForm {
    #[serde(default)]
    token: String,
}

async fn enter_by_link(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<LinkForm>,
) -> Reply {
    let brand = &visit.site.domain.brand;
    let Some(token) = Token::parse(&form.token) else { return pages::link_ended(brand) };
    match room.attempt_by_link(&visit, &token).await {
        Err(error) => store_failed(&visit, &error),
        Ok(None) => pages::link_ended(brand),
        Ok(Some(attempt)) if attempt.is_asked_by(&headers) => room.enter(&visit, &headers, &attempt).await,
        Ok(Some(_)) => pages::wrong_browser(brand),
    }
}

impl LoginRoom {
    /// The newest attempt of the browser, on this domain.
    async fn attempt(&self, visit: &Visit, headers: &HeaderMap) -> Result<Option<Attempt>, StoreError> {
        let Some(browser) = cookie(headers, CookieName::Attempt) else { return Ok(None) };
        let attempt = self.store.attempt_of(browser.hash()).await?;
        Ok(attempt.filter(|attempt| attempt.host == visit.site.domain.host))
    }

    /// The attempt of a link that may still be used, on this domain.
    async fn attempt_by_link(&self, visit: &Visit, token: &Token) -> Result<Option<Attempt>, StoreError> {
        let attempt = self.store.attempt_by_link(token.hash()).await?;
        Ok(attempt.filter(|attempt| attempt.host == visit.site.domain.host && attempt.is_open(visit.now)))
    }

    fn check_page(&self, visit: &Visit, attempt: &Attempt, problem: Option<CodeProblem>) -> Reply {
        let seconds = self.current.load().login.lifetime.as_secs();
        let minutes = u32::try_from(seconds.div_ceil(60)).unwrap_or(u32::MAX);
        let view = CheckView { address: Some(attempt.email.as_str()), minutes, problem };
        pages::check_mail(&visit.site.domain.brand, &view)
    }

    /// The mailbox is proven: uses the attempt up and opens a session, if the table still has the person.
    async fn enter(&self, visit: &Visit, headers: &HeaderMap, attempt: &Attempt) -> Reply {
        let app = attempt.app.as_str();
        match self.sessions.may_enter(&visit.site, &attempt.email).await {
            Ok(true) => {}
            Ok(false) => {
                self.metrics.logins.with_label_values(&[app, "no-grant"]).inc();
                return login_page(visit, "", &attempt.to, Some(LoginProblem::Expired));
            }
            Err(error) => {
                tracing::warn!(%app, %error, "a log-in could not be finished");
                return login_page(visit, attempt.email.as_str(), &attempt.to, Some(LoginProblem::Unavailable));
            }
        }
        let token = Token::generate();
        let session = SessionRecord {
            id: token.hash(),
            app: attempt.app.clone(),
            host: attempt.host.clone(),
            email: attempt.email.clone(),
            customer: None,
            created: visit.now,
            last_used: visit.now,
            device: device::describe(headers),
        };
        let replaces = visit.live.as_ref().map(|live| live.record.id);
        match self.store.redeem(attempt.id, &session, replaces, visit.now).await {
            Ok(true) => {}
            Ok(false) => return pages::link_ended(&visit.site.domain.brand),
            Err(error) => return store_failed(visit, &error),
        }
        if let Some(old) = replaces {
            self.sessions.forget(old).await;
        }
        tracing::info!(%app, session = session.id.public(), email = attempt.email.masked(), "logged in");
        self.metrics.logins.with_label_values(&[app, "entered"]).inc();
        let lifetime = self.current.load().session.absolute.as_secs();
        Reply::see_other(&attempt.to)
            .with_cookie(setting(CookieName::Session, &token, lifetime))
            .with_cookie(clearing(CookieName::Attempt))
    }

    fn note(&self, reached: LimitReached) -> u32 {
        tracing::warn!(limit = reached.limit, "a log-in limit was reached");
        self.metrics.limits_reached.with_label_values(&[reached.limit]).inc();
        reached.minutes
    }
}

impl Attempt {
    /// Whether the browser of a request is the one that asked.
    fn is_asked_by(&self, headers: &HeaderMap) -> bool {
        cookie(headers, CookieName::Attempt).is_some_and(|browser| browser.hash() == self.browser)
    }
}

fn store_failed(visit: &Visit, error: &StoreError) -> Reply {
    tracing::error!(%error, request_id = visit.request_id, "a log-in page failed");
    let view = pages::ErrorView { status: StatusCode::SERVICE_UNAVAILABLE, request_id: &visit.request_id };
    pages::error(Some(&visit.site.domain.brand), &view)
}
