//! By an OpenID provider: the person is sent there, comes back with a code, and what the provider vouches for lets them in.
//!
//! Without a hub all of it happens on the domain. With one, the domain sends the browser to the hub ([`super::hub`]) with a sealed
//! request and gets it back with a ticket. The domain alone remembers people and opens sessions, and so does both for the browser
//! that began and nobody else: what passes at the hub leaves no trace until its ticket is taken.
//!
//! An attempt counts against the limits where it begins. What comes back with nothing that this browser began counts too; what
//! comes back with its attempt has been counted, and a whole office behind one address logs in here in the morning.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;

use super::enter::{Entrant, Refused};
use super::flow::{AtDomain, AtProvider, Flow, FlowId, Flows, HubRequest, origin, port_of, remember_until};
use super::oidc::{Arrived, Begin, Callback, ProviderError};
use super::returned::{Outcome, Returned, problem_of_error};
use super::{LoginRoom, Room, arrival, store_failed};
use crate::config::Provider;
use crate::pages::{self, LoginProblem, NoAccessView, ProviderButton, ProviderProblem, Reply, TicketView};
use crate::policy::Standing;
use crate::session::Token;
use crate::state::audit::{Event, Scene};
use crate::state::ports::{Identity, Remembered, StoreError};
use crate::state::rate_limits::{Kind, LimitReached};
use crate::state::visit::Visit;
use crate::types::{AppName, Email, ProviderName, Way};

/// Where providers send browsers back to, on every domain and on the hub.
pub(super) const CALLBACK: &str = "/.access/oidc/callback";

/// The pages of this way in.
pub(super) fn router() -> Router<Arc<LoginRoom>> {
    Router::new()
        .route("/.access/oidc/start", get(start))
        .route(CALLBACK, get(callback))
        .route("/.access/oidc/ticket", get(show_ticket).post(take_ticket))
        .route("/.access/oidc/icon/{provider}", get(icon))
        .route("/.access/continue.js", get(continue_script))
}

/// A log-in that begins at a provider.
pub(super) struct Start<'a> {
    /// The provider, one of the app's.
    pub(super) provider: &'a Provider,
    /// Where the person was going, as they said.
    pub(super) to: &'a str,
    /// Who is likely to come.
    pub(super) hint: Option<Email>,
    /// Whether the person wants to come as somebody else than the provider thinks.
    pub(super) another: bool,
}

/// Where a browser goes, and what it takes along.
pub(super) struct Departure {
    location: String,
    cookies: Vec<HeaderValue>,
}

/// A log-in that cannot begin.
#[derive(Debug)]
pub(super) enum CannotStart {
    /// A limit was reached.
    TooMany(LimitReached),
    /// The provider cannot be asked; the log knows why.
    Unreachable,
}

#[derive(Deserialize)]
struct StartQuery {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    another: String,
}

async fn start(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Query(query): Query<StartQuery>,
) -> Reply {
    let provider = ProviderName::parse(&query.provider).ok();
    let Some(provider) = provider.and_then(|name| visit.site.app.ways.provider(&name)) else {
        return error(&visit, StatusCode::NOT_FOUND);
    };
    // Who has to come by a stronger way is known already, and comes as the same person.
    let hint = visit.live.as_ref().filter(|live| matches!(live.standing, Standing::Weak(_)));
    let hint = hint.map(|live| live.record.email.clone());
    room.go(&visit, &headers, Start { provider, to: &query.to, hint, another: !query.another.is_empty() }).await
}

async fn callback(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Reply {
    let Ok(returned) = Returned::read(&pairs) else {
        return room.stray(&visit, &headers, "malformed-callback", error(&visit, StatusCode::BAD_REQUEST));
    };
    let flows = Flows::of_domain(&room.seal, &visit.site.domain.host);
    let Some(flow) = flows.find::<AtDomain>(&headers, &returned.state, visit.now) else {
        return room.stray(&visit, &headers, "unknown-callback", pages::start_again(visit.look()));
    };
    let reply = room.come_back(&visit, &headers, &flow, returned).await;
    done_with(&flow, reply)
}

#[derive(Deserialize)]
struct TicketText {
    #[serde(default)]
    ticket: String,
}

/// Looking at a ticket does not use it up: a button takes it, as with a link from a mail.
async fn show_ticket(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Query(query): Query<TicketText>,
) -> Reply {
    let look = visit.look();
    let Some((flow, _)) = room.ticket(&visit, &headers, &query.ticket) else { return pages::start_again(look) };
    match room.provider_of(&visit, &flow) {
        Some(provider) => pages::ticket(look, &TicketView { title: &provider.title, ticket: &query.ticket }),
        None => pages::start_again(look),
    }
}

async fn take_ticket(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<TicketText>,
) -> Reply {
    let Some((flow, token)) = room.ticket(&visit, &headers, &form.ticket) else {
        return room.stray(&visit, &headers, "unknown-ticket", pages::start_again(visit.look()));
    };
    let reply = room.enter_by_ticket(&visit, &headers, &flow, &token).await;
    done_with(&flow, reply)
}

/// The picture of a provider of the app; no page names a picture elsewhere.
async fn icon(Extension(visit): Extension<Visit>, Path(provider): Path<String>) -> Reply {
    const KEEP_SECONDS: u32 = 300;
    let name = ProviderName::parse(&provider).ok();
    let provider = name.and_then(|name| visit.site.app.ways.provider(&name));
    match provider.and_then(|provider| provider.icon.as_ref()) {
        Some(icon) => Reply::asset(icon.content_type, icon.bytes.clone(), KEEP_SECONDS),
        None => error(&visit, StatusCode::NOT_FOUND),
    }
}

async fn continue_script() -> Reply {
    pages::continue_script()
}

impl LoginRoom {
    /// Sends a browser to a provider, or says why not.
    pub(super) async fn go(&self, visit: &Visit, headers: &HeaderMap, start: Start<'_>) -> Reply {
        let (title, to) = (start.provider.title.clone(), start.to.to_owned());
        match self.depart(visit, headers, start).await {
            Ok(Departure { location, cookies }) => {
                cookies.into_iter().fold(Reply::see_other(&location), Reply::with_cookie)
            }
            Err(problem) => self.cannot_start(visit, &title, &to, &problem),
        }
    }

    /// The same after a form, whose answer may not be a redirect to another site.
    pub(super) async fn go_after_form(&self, visit: &Visit, headers: &HeaderMap, start: Start<'_>) -> Reply {
        let (title, to) = (start.provider.title.clone(), start.to.to_owned());
        match self.depart(visit, headers, start).await {
            Ok(Departure { location, cookies }) => {
                let page = pages::leave_for(visit.look(), &title, &location);
                cookies.into_iter().fold(page, Reply::with_cookie)
            }
            Err(problem) => self.cannot_start(visit, &title, &to, &problem),
        }
    }

    fn cannot_start(&self, visit: &Visit, title: &str, to: &str, problem: &CannotStart) -> Reply {
        match problem {
            CannotStart::TooMany(LimitReached { minutes, .. }) => {
                self.login_page(visit, "", to, Some(LoginProblem::TooMany { minutes: *minutes }))
            }
            CannotStart::Unreachable => self.at_provider(visit, title, to, ProviderProblem::Unreachable),
        }
    }

    /// Something came that belongs to no attempt of this browser: it counts, and gets its answer while it may come.
    fn stray(&self, visit: &Visit, headers: &HeaderMap, outcome: &str, reply: Reply) -> Reply {
        self.count(visit, outcome);
        match self.limits.admit(Kind::Callback, visit, headers) {
            Ok(()) => reply,
            Err(LimitReached { minutes, .. }) => {
                pages::too_many(Some(&visit.site.domain.brand), visit.language, minutes, &visit.request_id)
            }
        }
    }

    async fn depart(&self, visit: &Visit, headers: &HeaderMap, start: Start<'_>) -> Result<Departure, CannotStart> {
        let Start { provider, to, hint, another } = start;
        self.limits.admit(Kind::Callback, visit, headers).map_err(CannotStart::TooMany)?;
        let app = visit.site.app.name.as_str();
        let (state, to) = (Token::generate(), visit.return_path(to));
        let hub = self.current.load().login.hub.clone();
        let mut location = String::new();
        let mut login = None;
        if hub.is_none() {
            let redirect_uri = format!("{}{CALLBACK}", visit.origin);
            let begin = Begin { redirect_uri: redirect_uri.clone(), state: state.expose(), hint: hint.clone() };
            let begun = match another {
                true => self.providers.begin_as_another(&provider.name, begin).await,
                false => self.providers.begin(&provider.name, begin).await,
            };
            let begun = begun.map_err(|error| {
                tracing::warn!(%app, provider = %provider.name, %error, "a log-in could not begin");
                self.count(visit, "provider-unavailable");
                CannotStart::Unreachable
            })?;
            login = Some(AtProvider::new(redirect_uri, &begun.secrets));
            location = begun.url;
        }
        let what = AtDomain { app: app.to_owned(), provider: provider.name.to_string(), to, login };
        let mut flow = Flow { state, began: visit.now, what };
        if let Some(hub) = &hub {
            let port = port_of(&visit.origin);
            let request = HubRequest::new(&flow, &visit.site.domain.host, port, hint.as_ref(), another);
            let request = request.and_then(|request| request.seal(&self.seal, hub)).ok_or(CannotStart::Unreachable)?;
            location = format!("{}/.access/oidc/begin?request={request}", origin(hub, port));
        }
        let flows = Flows::of_domain(&self.seal, &visit.site.domain.host);
        let cookies = flows.begin(&flow, headers).or_else(|| {
            // The way back is too long for a cookie: the person gets in, and finds the page again.
            "/".clone_into(&mut flow.what.to);
            flows.begin(&flow, headers)
        });
        let cookies = cookies.ok_or(CannotStart::Unreachable)?;
        tracing::info!(%app, provider = %provider.name, "log-in begun at a provider");
        self.count(visit, "sent-to-provider");
        Ok(Departure { location, cookies })
    }

    /// A browser is back from a provider, with the cookie of its attempt.
    async fn come_back(&self, visit: &Visit, headers: &HeaderMap, flow: &Flow<AtDomain>, returned: Returned) -> Reply {
        let look = visit.look();
        let provider = self.provider_of(visit, flow);
        let (Some(provider), Some(login)) = (provider, &flow.what.login) else { return pages::start_again(look) };
        // The cookie is gone with the first answer, but a copy of it would come again.
        match self.store.spend(flow.state.hash(), remember_until(flow.began)).await {
            Ok(true) => {}
            Ok(false) => return self.stray(visit, headers, "replayed-callback", pages::start_again(look)),
            Err(error) => return store_failed(visit, &error),
        }
        match self.finish(visit.into(), provider, returned, login).await {
            Ok(arrived) => self.arrive(visit, headers, provider, arrived, &flow.what.to).await,
            Err(problem) => self.at_provider(visit, &provider.title, &flow.what.to, problem),
        }
    }

    /// What a provider vouches for, or what to tell the person; log and counter know why. The hub asks here too.
    pub(super) async fn finish(
        &self,
        scene: Scene<'_>,
        provider: &Provider,
        returned: Returned,
        login: &AtProvider,
    ) -> Result<Arrived, ProviderProblem> {
        let app = scene.app.map_or("", AppName::as_str);
        let count = |outcome: &str| self.metrics.logins.with_label_values(&[app, outcome]).inc();
        let code = match returned.outcome {
            Outcome::Code(code) => code,
            Outcome::Error(error) => {
                tracing::info!(%app, provider = %provider.name, error, "a provider let nobody in");
                count("provider-refused");
                return Err(problem_of_error(&error));
            }
        };
        let callback = Callback { code, iss: returned.iss, redirect_uri: login.redirect_uri.clone() };
        self.providers.finish(&provider.name, callback, login.secrets()).await.map_err(|error| match error {
            ProviderError::NotBelieved { reason, .. } => {
                self.journal.write(scene, &Event::ProviderRefused { provider: &provider.name, reason });
                count("not-believed");
                match reason {
                    "unverified-email" => ProviderProblem::UnverifiedEmail,
                    "other-domain" => ProviderProblem::OtherDomain,
                    "taken" => ProviderProblem::Taken,
                    _ => ProviderProblem::NotBelieved,
                }
            }
            error @ (ProviderError::Unavailable { .. } | ProviderError::Unknown(_)) => {
                tracing::warn!(%app, provider = %provider.name, %error, "a log-in could not be finished");
                count("provider-unavailable");
                ProviderProblem::Unreachable
            }
        })
    }

    /// A provider vouches for somebody: finds out who that is here, and opens a session if the table has them.
    async fn arrive(
        &self,
        visit: &Visit,
        headers: &HeaderMap,
        provider: &Provider,
        arrived: Arrived,
        to: &str,
    ) -> Reply {
        let (ways, way) = (&visit.site.app.ways, Way::Oidc(provider.name.clone()));
        let elsewhere = |email: &Email| {
            let event = Event::LoginRefused { email, way: &way, reason: "other-domain" };
            self.journal.write(visit, &event);
            self.count(visit, "other-domain");
            self.at_provider(visit, &provider.title, to, ProviderProblem::OtherDomain)
        };
        // Before it is remembered: what the provider may not say leaves no trace.
        if !ways.lets_in(&way, &arrived.email) {
            return elsewhere(&arrived.email);
        }
        let email = match self.remember(visit, provider, &arrived.identity, &arrived.email).await {
            Ok(Remembered::As(email)) => email,
            Ok(Remembered::Taken) => {
                self.count(visit, "taken");
                return self.at_provider(visit, &provider.title, to, ProviderProblem::Taken);
            }
            Err(error) => return store_failed(visit, &error),
        };
        if !ways.lets_in(&way, &email) {
            return elsewhere(&email);
        }
        let entrant = Entrant {
            email: email.clone(),
            proof: arrived.proof,
            link: Some((arrived.link, arrived.tokens)),
            to: visit.return_path(to),
            attempt: None,
        };
        match self.enter(visit, headers, entrant).await {
            Ok(reply) => reply,
            Err(Refused::NotAllowed) => {
                let view = NoAccessView {
                    email: email.as_str(),
                    provider: self.button(provider),
                    to: &visit.return_path(to),
                    request_id: &visit.request_id,
                };
                pages::no_access(visit.look(), &view)
            }
            Err(Refused::Unavailable) => self.login_page(visit, "", to, Some(LoginProblem::Unavailable)),
            Err(Refused::Ended) => pages::start_again(visit.look()),
            Err(Refused::Store(error)) => store_failed(visit, &error),
        }
    }

    /// Finds out who a person at a provider is here; whoever is new is that person from now on.
    async fn remember(
        &self,
        visit: &Visit,
        provider: &Provider,
        identity: &Identity,
        email: &Email,
    ) -> Result<Remembered, StoreError> {
        let is_known = self.store.identities(email).await?.contains(identity);
        let remembered = self.store.remember(identity, email, visit.now).await?;
        let provider = &provider.name;
        match &remembered {
            Remembered::Taken => self.journal.write(visit, &Event::IdentityConflict { email, provider }),
            Remembered::As(known) if known == email && !is_known => {
                self.journal.write(visit, &Event::IdentityRemembered { email, provider });
            }
            Remembered::As(_) => {}
        }
        Ok(remembered)
    }

    /// The attempt of this browser that a ticket says it is for, and the ticket's token.
    fn ticket(&self, visit: &Visit, headers: &HeaderMap, text: &str) -> Option<(Flow<AtDomain>, Token)> {
        let (id, token) = read_ticket(text)?;
        let flows = Flows::of_domain(&self.seal, &visit.site.domain.host);
        let flow = flows.find_by_id::<AtDomain>(headers, &id, visit.now)?;
        // What this domain began at the provider itself ends with a callback.
        flow.what.login.is_none().then_some((flow, token))
    }

    async fn enter_by_ticket(&self, visit: &Visit, headers: &HeaderMap, flow: &Flow<AtDomain>, token: &Token) -> Reply {
        let (look, host) = (visit.look(), &visit.site.domain.host);
        let Some(provider) = self.provider_of(visit, flow) else { return pages::start_again(look) };
        let payload = match self.store.take_ticket(token.hash(), host, flow.state.hash(), visit.now).await {
            Ok(Some(payload)) => payload,
            Ok(None) => return self.stray(visit, headers, "unknown-ticket", pages::start_again(look)),
            Err(error) => return store_failed(visit, &error),
        };
        match arrival::read(&payload).filter(|arrived| arrived.link.provider == provider.name) {
            Some(arrived) => self.arrive(visit, headers, provider, arrived, &flow.what.to).await,
            None => pages::start_again(look),
        }
    }

    /// What the hub has to say of an attempt that ended there, by a name from a closed set, and nothing of what a query holds.
    pub(super) fn back_from_hub(&self, visit: &Visit, headers: &HeaderMap, problem: &str, flow: &str) -> Reply {
        let flows = Flows::of_domain(&self.seal, &visit.site.domain.host);
        let flow = FlowId::parse(flow).and_then(|id| flows.find_by_id::<AtDomain>(headers, &id, visit.now));
        let Some((flow, problem)) = flow.zip(problem_of(problem)) else {
            return self.login_page(visit, "", "", Some(LoginProblem::Expired));
        };
        let reply = match self.provider_of(visit, &flow) {
            Some(provider) => self.at_provider(visit, &provider.title, &flow.what.to, problem),
            None => pages::start_again(visit.look()),
        };
        done_with(&flow, reply)
    }

    /// The provider of an attempt, if the app still lets people in by it.
    fn provider_of<'a>(&self, visit: &'a Visit, flow: &Flow<AtDomain>) -> Option<&'a Arc<Provider>> {
        let app = &visit.site.app;
        let name = ProviderName::parse(&flow.what.provider).ok()?;
        if flow.what.app == app.name.as_str() { app.ways.provider(&name) } else { None }
    }

    fn at_provider(&self, visit: &Visit, title: &str, to: &str, what: ProviderProblem) -> Reply {
        self.login_page(visit, "", to, Some(LoginProblem::AtProvider { title, what }))
    }

    pub(super) fn button<'a>(&self, provider: &'a Provider) -> ProviderButton<'a> {
        ProviderButton {
            name: provider.name.as_str(),
            title: &provider.title,
            icon: provider.icon.is_some(),
            up: self.providers.is_up(&provider.name),
        }
    }

    fn count(&self, visit: &Visit, outcome: &str) {
        self.metrics.logins.with_label_values(&[visit.site.app.name.as_str(), outcome]).inc();
    }
}

/// A ticket as text: which attempt it is for, and the token.
pub(super) fn write_ticket(flow: &FlowId, token: &Token) -> String {
    format!("{}{}", flow.as_str(), token.expose())
}

fn read_ticket(text: &str) -> Option<(FlowId, Token)> {
    const TOKEN_CHARACTERS: usize = 43;
    let (id, token) = text.split_at_checked(text.len().checked_sub(TOKEN_CHARACTERS)?)?;
    Some((FlowId::parse(id)?, Token::parse(token)?))
}

const PROBLEMS: [(&str, ProviderProblem); 7] = [
    ("unreachable", ProviderProblem::Unreachable),
    ("cancelled", ProviderProblem::Cancelled),
    ("failed", ProviderProblem::Failed),
    ("not-believed", ProviderProblem::NotBelieved),
    ("unverified-email", ProviderProblem::UnverifiedEmail),
    ("other-domain", ProviderProblem::OtherDomain),
    ("taken", ProviderProblem::Taken),
];

/// A problem's name in the query that leads back from the hub.
pub(super) fn name_of(problem: ProviderProblem) -> &'static str {
    PROBLEMS.iter().find(|(_, known)| *known == problem).map_or("failed", |(name, _)| name)
}

fn problem_of(name: &str) -> Option<ProviderProblem> {
    PROBLEMS.iter().find(|(known, _)| *known == name).map(|(_, problem)| *problem)
}

/// An attempt is over, however it went: its cookie goes.
fn done_with(flow: &Flow<AtDomain>, reply: Reply) -> Reply {
    match FlowId::of(&flow.state) {
        Some(id) => reply.with_cookie(id.clearing()),
        None => reply,
    }
}

fn error(visit: &Visit, status: StatusCode) -> Reply {
    pages::error(
        Some(&visit.site.domain.brand),
        visit.language,
        &pages::ErrorView { status, request_id: &visit.request_id },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_says_which_attempt_it_is_for_and_nothing_else_reads_as_one() {
        let (state, token) = (Token::new([1; 32]), Token::new([2; 32]));
        let id = FlowId::of(&state).expect("an id");
        let text = write_ticket(&id, &token);
        assert_eq!(read_ticket(&text), Some((id, token.clone())));
        for wrong in ["", "x", &token.expose(), &format!("{text}A"), &format!("{text}é"), &"é".repeat(30)] {
            assert_eq!(read_ticket(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_problem_has_a_name_for_the_way_back() {
        for (name, problem) in PROBLEMS {
            assert_eq!(name_of(problem), name);
            assert_eq!(problem_of(name), Some(problem));
        }
        assert_eq!(problem_of("<b>"), None);
    }
}
