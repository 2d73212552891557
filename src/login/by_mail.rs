//! By mail: the person types an address, and a link or a code from the mail lets the browser in that asked.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Form, Path, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use serde::Deserialize;

use super::by_provider::Start;
use super::enter::{Entrant, Refused};
use super::{LoginRoom, Room, store_failed};
use crate::pages::{self, CheckView, CodeProblem, LoginProblem, Reply};
use crate::session::{
    Attempt, AttemptState, Code, CookieName, MOST_WRONG_CODES, Proof, Token, clearing, cookie, setting,
};
use crate::state::audit::Event;
use crate::state::ports::{Directory as _, StoreError};
use crate::state::rate_limits::Kind;
use crate::state::visit::Visit;
use crate::types::{Email, Way};

/// The pages of this way in.
pub(super) fn router() -> Router<Arc<LoginRoom>> {
    Router::new()
        .route("/.access/login", post(ask))
        .route("/.access/check", get(show_check))
        .route("/.access/code", post(enter_by_code))
        .route("/.access/link/{token}", get(show_link))
        .route("/.access/link", post(enter_by_link))
}

#[derive(Deserialize)]
struct AskForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    to: String,
}

/// Sends an address of a provider's domain there, and stores an attempt for any other, the same for every well-formed one.
async fn ask(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<AskForm>,
) -> Reply {
    const MOST_SHOWN: usize = 254;
    let shown: String = form.email.chars().take(MOST_SHOWN).collect();
    let page = |problem| room.login_page(&visit, &shown, &form.to, Some(problem));
    let Ok(email) = Email::parse(&form.email) else { return page(LoginProblem::BadAddress) };
    let ways = &visit.site.app.ways;
    // Whom an address belongs to is asked of the config alone, so the answer is the same for whoever is known and who is not.
    if let Some(provider) = ways.home_of(&email) {
        let start = Start { provider, to: &form.to, hint: Some(email), another: false };
        return room.go_after_form(&visit, &headers, start).await;
    }
    if !ways.email {
        return page(LoginProblem::NoWay);
    }
    let app = &visit.site.app.name;
    let asker = match room.limits.admit_for(Kind::Ask, &visit, &headers, &email) {
        Ok(asker) => asker,
        Err(reached) => return page(LoginProblem::TooMany { minutes: reached.minutes }),
    };
    if !room.people.is_available(app) {
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
        asker,
        to: visit.return_path(&form.to),
        browser: browser.hash(),
        created: visit.now,
        expires: visit.now.checked_add(lifetime).unwrap_or(visit.now),
        state: AttemptState::Asked,
        wrong_codes: 0,
        language: visit.language,
    };
    match room.store.ask(&attempt).await {
        Ok(_) => {
            room.asked.notify_one();
            room.journal.write(&visit, &Event::LoginAsked(&attempt.email));
            let cookie = setting(CookieName::Attempt, &browser, lifetime.as_secs());
            Reply::see_other("/.access/check").with_cookie(cookie)
        }
        Err(error) => store_failed(&visit, &error),
    }
}

async fn show_check(State(room): Room, Extension(visit): Extension<Visit>, headers: HeaderMap) -> Reply {
    match room.attempt(&visit, &headers).await {
        Err(error) => store_failed(&visit, &error),
        Ok(None) => room.login_page(&visit, "", "", None),
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
        Ok(None) => return room.login_page(&visit, "", "", Some(LoginProblem::Expired)),
        Err(error) => return store_failed(&visit, &error),
    };
    let page = |problem| room.check_page(&visit, &attempt, Some(problem));
    if let Err(reached) = room.limits.admit_for(Kind::Code, &visit, &headers, &attempt.email) {
        return page(CodeProblem::TooMany { minutes: reached.minutes });
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
        return room.enter_by_mail(&visit, &headers, &attempt).await;
    }
    room.journal.write(&visit, &Event::WrongCode { email: &attempt.email, left });
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
    let look = visit.look();
    let Some(token) = Token::parse(&token) else { return pages::link_ended(look) };
    match room.attempt_by_link(&visit, &token).await {
        Err(error) => store_failed(&visit, &error),
        Ok(None) => pages::link_ended(look),
        Ok(Some(attempt)) if attempt.is_asked_by(&headers) => {
            pages::confirm_link(look, &token.expose(), attempt.email.as_str())
        }
        Ok(Some(_)) => pages::other_browser(look, &Code::of(&token).expose()),
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
    let look = visit.look();
    if let Err(reached) = room.limits.admit(Kind::Link, &visit, &headers) {
        return pages::too_many(Some(look.brand), look.language, reached.minutes, &visit.request_id);
    }
    let Some(token) = Token::parse(&form.token) else { return pages::link_ended(look) };
    match room.attempt_by_link(&visit, &token).await {
        Err(error) => store_failed(&visit, &error),
        Ok(None) => pages::link_ended(look),
        Ok(Some(attempt)) if attempt.is_asked_by(&headers) => room.enter_by_mail(&visit, &headers, &attempt).await,
        Ok(Some(_)) => pages::wrong_browser(look),
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
        pages::check_mail(visit.look(), &view)
    }

    /// The mailbox is proven: uses the attempt up and opens a session, if the table still has the person.
    async fn enter_by_mail(&self, visit: &Visit, headers: &HeaderMap, attempt: &Attempt) -> Reply {
        let entrant = Entrant {
            email: attempt.email.clone(),
            proof: Proof::now(Way::Email, visit.now),
            link: None,
            to: attempt.to.clone(),
            attempt: Some(attempt.id),
        };
        match self.enter(visit, headers, entrant).await {
            Ok(reply) => reply.with_cookie(clearing(CookieName::Attempt)),
            Err(Refused::NotAllowed) => self.login_page(visit, "", &attempt.to, Some(LoginProblem::Expired)),
            Err(Refused::Unavailable) => {
                self.login_page(visit, attempt.email.as_str(), &attempt.to, Some(LoginProblem::Unavailable))
            }
            Err(Refused::Ended) => pages::link_ended(visit.look()),
            Err(Refused::Store(error)) => store_failed(visit, &error),
        }
    }
}

impl Attempt {
    /// Whether the browser of a request is the one that asked.
    fn is_asked_by(&self, headers: &HeaderMap) -> bool {
        cookie(headers, CookieName::Attempt).is_some_and(|browser| browser.hash() == self.browser)
    }
}
