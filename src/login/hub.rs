//! The hub: the one host name that providers know, where a log-in of any domain passes on its way there and back.
//!
//! It serves these few paths and no app. What a domain asks of it comes sealed through the browser; what it found out waits in the
//! store as a ticket, for one minute, for the domain that asked and the browser that began there. It redirects nowhere but to
//! providers of the config and to domains that the running snapshot still has.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use http::StatusCode;

use super::by_provider::{CALLBACK, name_of, write_ticket};
use super::flow::{AtHub, AtProvider, Flow, FlowId, Flows, HubRequest, origin, remember_until};
use super::oidc::{Arrived, Begin};
use super::returned::Returned;
use super::{LoginRoom, Room, arrival, backchannel};
use crate::config::Provider;
use crate::pages::{self, Brand, ErrorView, ProviderProblem, Reply};
use crate::session::Token;
use crate::state::audit::Scene;
use crate::state::ports::{StoreError, Ticket};
use crate::state::rate_limits::{Kind, LimitReached};
use crate::state::snapshot::Site;
use crate::state::visit::HubVisit;
use crate::types::Color;

/// How long a domain has to take its ticket.
const TICKET_LIFETIME: Duration = Duration::from_secs(60);

/// All that the hub answers; anything else is not there.
pub fn router(room: Arc<LoginRoom>) -> Router {
    Router::new()
        .route("/.access/oidc/begin", get(begin))
        .route(CALLBACK, get(callback))
        .merge(backchannel::router())
        .route("/.access/style.css", get(stylesheet))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(room)
}

/// A domain and a provider of its app, both looked up anew: a request may be older than the config.
struct Asked {
    site: Arc<Site>,
    provider: Arc<Provider>,
    request: HubRequest,
    flow: FlowId,
}

/// A domain sends a browser here, to be sent on to a provider.
async fn begin(
    State(room): Room,
    Extension(visit): Extension<HubVisit>,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Reply {
    // A request may come again and again, so each time counts.
    if let Err(LimitReached { minutes, .. }) = room.limits.admit(Kind::Callback, &visit, &headers) {
        return pages::too_many(None, visit.language, minutes, &visit.request_id);
    }
    let text = match pairs.as_slice() {
        [(name, text)] if name == "request" => text,
        _ => return error(&visit, StatusCode::BAD_REQUEST),
    };
    let request = HubRequest::open(&room.seal, &visit.hub, text, visit.now);
    let Some(asked) = request.and_then(|request| room.asked_of_hub(request)) else { return lost(&visit) };
    let redirect_uri = format!("{}{CALLBACK}", visit.origin);
    let state = Token::generate();
    let hint = asked.request.hint();
    let begin = Begin { redirect_uri: redirect_uri.clone(), state: state.expose(), hint };
    let begun = match asked.request.another {
        true => room.providers.begin_as_another(&asked.provider.name, begin).await,
        false => room.providers.begin(&asked.provider.name, begin).await,
    };
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => {
            let app = asked.site.app.name.as_str();
            tracing::warn!(app, provider = %asked.provider.name, %error, "a log-in could not begin");
            room.metrics.logins.with_label_values(&[app, "provider-unavailable"]).inc();
            return asked.back(ProviderProblem::Unreachable);
        }
    };
    let login = AtProvider::new(redirect_uri, &begun.secrets);
    let flow = Flow { state, began: visit.now, what: AtHub { request: asked.request.clone(), login } };
    match Flows::of_hub(&room.seal, &visit.hub).begin(&flow, &headers) {
        Some(cookies) => cookies.into_iter().fold(Reply::see_other(&begun.url), Reply::with_cookie),
        None => asked.back(ProviderProblem::Failed),
    }
}

/// A provider sends a browser back, to be sent on to the domain that asked.
async fn callback(
    State(room): Room,
    Extension(visit): Extension<HubVisit>,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Reply {
    let Ok(returned) = Returned::read(&pairs) else {
        return room.stray_at_hub(&visit, &headers, error(&visit, StatusCode::BAD_REQUEST));
    };
    let flows = Flows::of_hub(&room.seal, &visit.hub);
    let Some(flow) = flows.find::<AtHub>(&headers, &returned.state, visit.now) else {
        return room.stray_at_hub(&visit, &headers, lost(&visit));
    };
    let reply = room.come_back_to_hub(&visit, &headers, &flow, returned).await;
    match FlowId::of(&flow.state) {
        Some(id) => reply.with_cookie(id.clearing()),
        None => reply,
    }
}

impl LoginRoom {
    /// Looks up what a request names, as it is now.
    fn asked_of_hub(&self, request: HubRequest) -> Option<Asked> {
        let current = self.current.load();
        let (host, app, name) = (request.host()?, request.app()?, request.provider()?);
        let site = current.site(&host).filter(|site| site.app.name == app && site.app.enabled)?;
        let provider = site.app.ways.provider(&name)?;
        let flow = FlowId::parse(&request.flow)?;
        Some(Asked { site: Arc::clone(site), provider: Arc::clone(provider), request, flow })
    }

    /// Something came that belongs to no attempt of this browser: it counts, and gets its answer while it may come.
    fn stray_at_hub(&self, visit: &HubVisit, headers: &HeaderMap, reply: Reply) -> Reply {
        match self.limits.admit(Kind::Callback, visit, headers) {
            Ok(()) => reply,
            Err(LimitReached { minutes, .. }) => pages::too_many(None, visit.language, minutes, &visit.request_id),
        }
    }

    async fn come_back_to_hub(
        &self,
        visit: &HubVisit,
        headers: &HeaderMap,
        flow: &Flow<AtHub>,
        returned: Returned,
    ) -> Reply {
        let Some(asked) = self.asked_of_hub(flow.what.request.clone()) else { return lost(visit) };
        match self.store.spend(flow.state.hash(), remember_until(flow.began)).await {
            Ok(true) => {}
            Ok(false) => return self.stray_at_hub(visit, headers, lost(visit)),
            Err(error) => return store_failed(visit, &error),
        }
        let scene = Scene { app: Some(&asked.site.app.name), ..Scene::from(visit) };
        match self.finish(scene, &asked.provider, returned, &flow.what.login).await {
            Ok(arrived) => match self.ticket_for(visit, &asked, &arrived).await {
                Ok(Some(token)) => asked.on_with(&token),
                Ok(None) => asked.back(ProviderProblem::Failed),
                Err(error) => store_failed(visit, &error),
            },
            Err(problem) => asked.back(problem),
        }
    }

    /// Leaves what was found out for the domain and the browser that it is for.
    async fn ticket_for(
        &self,
        visit: &HubVisit,
        asked: &Asked,
        arrived: &Arrived,
    ) -> Result<Option<Token>, StoreError> {
        let Some((browser, payload)) = asked.request.browser().zip(arrival::write(arrived)) else { return Ok(None) };
        let token = Token::generate();
        let ticket = Ticket {
            hash: token.hash(),
            host: asked.site.domain.host.clone(),
            browser,
            payload,
            expires: visit.now.checked_add(TICKET_LIFETIME).unwrap_or(visit.now),
        };
        self.store.put_ticket(&ticket).await?;
        Ok(Some(token))
    }
}

impl Asked {
    fn on_with(&self, token: &Token) -> Reply {
        let ticket = write_ticket(&self.flow, token);
        Reply::see_other(&format!("{}/.access/oidc/ticket?ticket={ticket}", self.origin()))
    }

    /// Back to the domain's log-in page, which has the words for it.
    fn back(&self, problem: ProviderProblem) -> Reply {
        let (problem, flow) = (name_of(problem), self.flow.as_str());
        Reply::see_other(&format!("{}/.access/login?problem={problem}&flow={flow}", self.origin()))
    }

    fn origin(&self) -> String {
        origin(&self.site.domain.host, self.request.port)
    }
}

/// The hub belongs to no brand.
async fn stylesheet() -> Reply {
    pages::stylesheet(&Brand { title: String::new(), logo: None, logo_dark: None, icon: None, color: Color::default() })
}

async fn not_found(Extension(visit): Extension<HubVisit>) -> Reply {
    error(&visit, StatusCode::NOT_FOUND)
}

async fn method_not_allowed(Extension(visit): Extension<HubVisit>) -> Reply {
    error(&visit, StatusCode::METHOD_NOT_ALLOWED)
}

fn lost(visit: &HubVisit) -> Reply {
    tracing::info!(request_id = visit.request_id, "a log-in at the hub belongs to nothing that is known");
    pages::hub_lost(visit.language, &visit.request_id)
}

fn store_failed(visit: &HubVisit, cause: &StoreError) -> Reply {
    tracing::error!(%cause, request_id = visit.request_id, "a page of the hub failed");
    error(visit, StatusCode::SERVICE_UNAVAILABLE)
}

fn error(visit: &HubVisit, status: StatusCode) -> Reply {
    pages::error(None, visit.language, &ErrorView { status, request_id: &visit.request_id })
}
