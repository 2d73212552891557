//! Previews: where a member of staff picks a customer's person, and goes on with what that person may; where it is switched and ended.
//!
//! Nobody else hears of these pages: they are not found. What may be begun is decided in `state::sessions`, each time anew; here it is
//! asked for, told to the audit log, and answered.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Form, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::{PortalRoom, Room, encode, error, log_in_first, store_failed};
use crate::pages::{self, FoundView, OtherView, PersonView, PreviewPageView, PreviewState, Reply};
use crate::policy::{Grant, PreviewEnd, PreviewRefusal, Standing};
use crate::session::{CookieName, Token, setting};
use crate::state::audit::Event;
use crate::state::people_search::{Found, PeopleFilter, Place, Whose};
use crate::state::ports::{Previewed, StoreError};
use crate::state::sessions::{Begun, Live, Recent, Trouble};
use crate::state::visit::Visit;
use crate::types::{CustomerId, Email};

const PAGE: &str = "/.access/preview";
/// How long what is searched for may be.
const MOST_QUERY_BYTES: usize = 254;
/// How many people a search shows.
const MOST_FOUND: usize = 50;

/// What the browser has of the app belongs to somebody else from then on, and what scripts have stored with it (Clear Site Data,
/// section 3). Not `"cookies"`: browsers take those of the whole registrable domain away.
const CLEAR: HeaderName = HeaderName::from_static("clear-site-data");
const CLEARED: HeaderValue = HeaderValue::from_static("\"cache\", \"storage\"");

/// The pages.
pub(super) fn router() -> Router<Arc<PortalRoom>> {
    Router::new()
        .route(PAGE, get(show).post(start))
        .route("/.access/preview/switch", post(switch))
        .route("/.access/preview/end", post(end))
        .route_layer(middleware::from_fn(for_no_script))
        .route("/.access/preview.css", get(pages_style))
}

/// Refuses a script of the app, or a frame in one of its pages. What a customer wrote may hold a script, and seen in a preview it must not
/// end that behind the bar and go on as the member of staff, nor read whom the search finds. Browsers tell, and let no script tell it (Fetch
/// Metadata, sections 2.1 and 2.3).
async fn for_no_script(
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let is_other =
        |name: &str, page: &str| headers.get_all(name).iter().any(|value| value.as_bytes() != page.as_bytes());
    match is_other("sec-fetch-mode", "navigate") || is_other("sec-fetch-dest", "document") {
        true => error(&visit, StatusCode::FORBIDDEN).into_response(),
        false => next.run(request).await,
    }
}

async fn pages_style() -> Reply {
    pages::preview_stylesheet()
}

#[derive(Deserialize)]
struct PreviewQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    to: String,
}

async fn show(State(room): Room, Extension(visit): Extension<Visit>, Query(query): Query<PreviewQuery>) -> Reply {
    let page = match query.q.trim() {
        "" => PAGE.to_owned(),
        // Staff come from the console with somebody in mind.
        wanted => format!("{PAGE}?q={}", encode(wanted)),
    };
    let Some(live) = &visit.live else { return log_in_first(&page) };
    if let Err(reply) = admit(&room, &visit, live, &page) {
        return reply;
    }
    let asked = Asked { query: query.q.trim(), to: &query.to, refusal: None };
    room.preview_page(&visit, live, asked).await
}

#[derive(Deserialize)]
struct PreviewForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    to: String,
}

impl PreviewForm {
    fn whom(&self) -> Option<Previewed> {
        let email = Email::parse(&self.email).ok()?;
        let customer = (!self.customer.is_empty()).then(|| CustomerId::parse(&self.customer)).transpose().ok()?;
        Some(Previewed { email, customer })
    }
}

async fn start(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<PreviewForm>,
) -> Reply {
    room.look_as(&visit, &headers, &form, Way::Start).await
}

async fn switch(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<PreviewForm>,
) -> Reply {
    room.look_as(&visit, &headers, &form, Way::Switch).await
}

/// How somebody comes to see the app as another person does.
#[derive(Clone, Copy)]
enum Way {
    /// By a preview that begins.
    Start,
    /// From another preview, be it over.
    Switch,
}

#[derive(Deserialize)]
struct EndForm {
    #[serde(default)]
    to: String,
}

async fn end(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<EndForm>,
) -> Reply {
    let to = visit.return_path(&form.to);
    let Some(live) = &visit.live else { return log_in_first(&to) };
    // Of a form sent twice, or from a page of before, there is nothing left to do.
    let Some(preview) = &live.record.preview else { return Reply::see_other(&to) };
    match room.sessions.end_preview(live, visit.now).await {
        Ok(Some(token)) => {
            // One that was over by itself has been told.
            if live.access().is_some() {
                let reason = PreviewEnd::Asked.name();
                let event = Event::PreviewEnded { email: &preview.email, session: live.record.id, reason };
                room.journal.write(&visit, &event);
            }
            room.go_on_as(&token, &to, &headers)
        }
        Ok(None) => Reply::see_other(&to),
        Err(cause) => store_failed(&visit, &cause),
    }
}

/// What a page of previews was asked for.
struct Asked<'a> {
    query: &'a str,
    to: &'a str,
    refusal: Option<PreviewRefusal>,
}

/// Lets those in who may preview, and those who do; whoever came by too weak a way is asked for a stronger one first.
fn admit(room: &PortalRoom, visit: &Visit, live: &Live, page: &str) -> Result<(), Reply> {
    if live.is_preview || room.sessions.may_preview(&visit.site, &live.record) {
        return Ok(());
    }
    match live.standing {
        Standing::Weak(_) if room.sessions.has_preview_right(&visit.site, &live.record) => {
            Err(Reply::see_other(&format!("/.access/step-up?to={}", encode(page))))
        }
        _ => Err(error(visit, StatusCode::NOT_FOUND)),
    }
}

impl PortalRoom {
    async fn look_as(&self, visit: &Visit, headers: &HeaderMap, form: &PreviewForm, way: Way) -> Reply {
        let Some(live) = &visit.live else { return log_in_first(PAGE) };
        let Some(whom) = form.whom() else { return error(visit, StatusCode::BAD_REQUEST) };
        let begun = match way {
            Way::Start => self.sessions.start_preview(live, &visit.site, &whom, visit.now).await,
            Way::Switch => self.sessions.switch_preview(live, &visit.site, &whom, visit.now).await,
        };
        match begun {
            Ok(Ok(Some(Begun { token, grant, .. }))) => {
                let (email, session, customer) = (&grant.email, token.hash(), grant.customer_id());
                let event = match way {
                    Way::Start => Event::PreviewStarted { email, session, customer },
                    Way::Switch => Event::PreviewSwitched { email, session, customer },
                };
                self.journal.write(visit, &event);
                self.go_on_as(&token, &visit.return_path(&form.to), headers)
            }
            // Of a form sent twice the browser has the first answer's cookie by now.
            Ok(Ok(None)) => Reply::see_other(&visit.return_path(&form.to)),
            Ok(Err(refusal)) => {
                let (email, session, reason) = (&whom.email, live.record.id, refusal.name());
                self.journal.write(visit, &Event::PreviewRefused { email, session, reason });
                if let Err(reply) = admit(self, visit, live, PAGE) {
                    return reply;
                }
                let asked = Asked { query: "", to: &form.to, refusal: Some(refusal) };
                self.preview_page(visit, live, asked).await
            }
            Err(Trouble::Store(cause)) => store_failed(visit, &cause),
            Err(cause) => {
                tracing::warn!(app = %live.record.app, %cause, "whether somebody can be previewed cannot be told");
                error(visit, StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    fn go_on_as(&self, token: &Token, to: &str, headers: &HeaderMap) -> Reply {
        let lifetime = self.current.load().session.absolute.as_secs();
        let cookie = setting(CookieName::Session, token, lifetime);
        let reply = Reply::see_other(to).with_cookie(cookie).with_header(CLEAR, CLEARED);
        jar(headers).into_iter().fold(reply, Reply::with_cookie)
    }

    async fn preview_page(&self, visit: &Visit, live: &Live, asked: Asked<'_>) -> Reply {
        let page = match self.gather(visit, live, &asked).await {
            Ok(page) => page,
            Err(cause) => return store_failed(visit, &cause),
        };
        let policy = &visit.site.app.policy;
        let to = visit.return_path(asked.to);
        let found = page.found.as_ref().map(|found| FoundView {
            people: found.people.iter().map(|grant| person(visit, found, grant)).collect(),
            is_cut: found.is_cut,
            is_partial: !found.unread.is_empty(),
        });
        let who = live.access().map(|access| shown(access.grant()).in_words()).unwrap_or_default();
        let state = match (&live.record.preview, &live.standing) {
            (None, _) => PreviewState::Own,
            (Some(preview), Standing::Access(_)) => {
                let left = preview.until.duration_since(visit.now).as_secs().max(0);
                PreviewState::On { who: &who, minutes: u32::try_from(left).unwrap_or(0).div_ceil(60) }
            }
            (Some(_), Standing::PreviewOver(end)) => PreviewState::Over { reason: end.name() },
            (Some(_), _) => PreviewState::Over { reason: PreviewEnd::Subject.name() },
        };
        let view = PreviewPageView {
            state,
            query: asked.query,
            found,
            recent: page.recent.iter().map(other).collect(),
            refusal: asked.refusal.map(PreviewRefusal::name),
            to: &to,
            writes: policy.preview.writes,
        };
        pages::preview(visit.look(), &view)
    }

    async fn gather(&self, visit: &Visit, live: &Live, asked: &Asked<'_>) -> Result<Gathered, StoreError> {
        let recent = match live.record.preview {
            Some(_) => live.recent.to_vec(),
            None => self.sessions.recent_previews(&live.record).await?,
        };
        let is_search = !asked.query.is_empty() && asked.query.len() <= MOST_QUERY_BYTES;
        if !is_search || !self.sessions.may_preview(&visit.site, &live.record) {
            return Ok(Gathered { recent, found: None });
        }
        let of = visit.site.domain.customer.as_ref().map_or(Whose::Customers, Whose::Customer);
        let app = &visit.site.app.name;
        let filter = PeopleFilter { app, text: Some(asked.query), of, after: None, most: MOST_FOUND };
        let found = self.team.search(filter).await;
        let found =
            found.unwrap_or_else(|| Found { unread: vec!["others search just now".to_owned()], ..Found::default() });
        Ok(Gathered { recent, found: Some(found) })
    }
}

/// `Set-Cookie` values that take back what the app has set in a preview (`proxy::preview_jar`), so far as the browser sends it here. What it
/// does not send is of no use to anybody.
fn jar(headers: &HeaderMap) -> Vec<HeaderValue> {
    const MOST: usize = 32;
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let names = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split('=').next()).map(str::trim);
    let clear = |name: &str| HeaderValue::try_from(format!("{name}=; Path=/; Max-Age=0; Secure")).ok();
    names.filter(|name| name.starts_with("access-preview-")).take(MOST).filter_map(clear).collect()
}

struct Gathered {
    recent: Vec<Recent>,
    found: Option<Found>,
}

fn person<'a>(visit: &Visit, found: &Found, grant: &'a Grant) -> PersonView<'a> {
    let refusal = visit.site.app.policy.check_preview(grant).err().map(PreviewRefusal::name);
    let is_invited = found.invited.contains(&Place::of(grant));
    PersonView { who: shown(grant), role: visit.site.app.policy.roles.called(&grant.role), is_invited, refusal }
}

fn shown(grant: &Grant) -> OtherView<'_> {
    let customer = grant.customer.as_ref();
    OtherView {
        email: grant.email.as_str(),
        name: grant.name.as_ref().map(|name| name.as_str()),
        customer: customer.map(|customer| customer.id.as_str()),
        customer_name: customer.and_then(|customer| customer.name.as_ref()).map(|name| name.as_str()),
    }
}

fn other(recent: &Recent) -> OtherView<'_> {
    OtherView {
        email: recent.who.email.as_str(),
        name: recent.name.as_ref().map(|name| name.as_str()),
        customer: recent.who.customer.as_ref().map(CustomerId::as_str),
        customer_name: recent.customer_name.as_ref().map(|name| name.as_str()),
    }
}
