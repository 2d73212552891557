//! Stations 3 to 5: who asks, is it for one of our own pages, may it pass? Knows no Pingora.

use std::sync::Arc;

use axum::Router;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;

use super::ctx::RequestCtx;
use super::route::{Facts, HubFacts};
use super::{decision, preview_bar};
use crate::config::AppKind;
use crate::pages::Reply;
use crate::policy::{Decision, Permit, Reason, Request, Standing, decide};
use crate::session::{CookieName, cookie};
use crate::state::audit::Journal;
use crate::state::clock::Clock;
use crate::state::sessions::Sessions;
use crate::state::visit::{HubVisit, Visit};

/// What the walk needs.
#[derive(Clone)]
pub struct Corridor {
    /// The clock.
    pub clock: Clock,
    /// The sessions.
    pub sessions: Arc<Sessions>,
    /// The audit log: an answer of our own pages waits for what it holds of it.
    pub journal: Arc<Journal>,
    /// Our own pages.
    pub pages: Router,
    /// What the hub answers.
    pub hub: Router,
    /// The workspace team's pages.
    pub console: Router,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Admission {
    /// It goes upstream.
    Forward(Permit),
    /// One of our own pages answers it.
    Page(Box<Visit>),
    /// One of the workspace team's pages answers it.
    Console(Box<Visit>),
    /// It is answered here.
    Answer(Reply),
}

impl Corridor {
    /// The walk: session, our own pages, decision.
    pub(super) async fn admit(&self, facts: &Facts, headers: &HeaderMap, ctx: &mut RequestCtx) -> Admission {
        let now = self.clock.now();
        ctx.now = Some(now);
        let path = facts.path.as_str();
        let is_ours = path == "/.access" || path.starts_with("/.access/");
        if is_back_channel(facts) || is_one_click(facts) {
            // Neither the app's state nor a session is its business: other apps' sessions end by the one, and by the other
            // people want to be left alone by an app that is closed too.
            return self.own_page(facts, ctx, now);
        }
        if !facts.site.app.enabled && !is_asset(path) {
            ctx.decided("refuse", "app-disabled");
            return Admission::Answer(decision::disabled(facts, ctx.live.as_deref(), &ctx.id));
        }
        let session = match cookie(headers, CookieName::Session) {
            Some(token) => self.sessions.live(&token, &facts.site, now).await,
            None => Ok(None),
        };
        match session {
            Ok(live) => ctx.live = live,
            // Assets and log-in must work while a session cannot be looked up.
            Err(_) if is_ours => {}
            Err(trouble) => {
                tracing::warn!(error = %trouble, request_id = ctx.id, "a session could not be looked up");
                ctx.decided("refuse", trouble.name());
                return Admission::Answer(decision::error(
                    facts,
                    ctx.live.as_deref(),
                    StatusCode::SERVICE_UNAVAILABLE,
                    &ctx.id,
                ));
            }
        }
        let is_console = facts.site.app.kind == AppKind::Console;
        if (is_ours || is_console) && !self.visit(facts, ctx, now).is_same_origin(&facts.method, headers) {
            ctx.decided("refuse", "cross-site");
            return Admission::Answer(decision::error(facts, ctx.live.as_deref(), StatusCode::FORBIDDEN, &ctx.id));
        }
        if is_ours {
            let is_preview = ctx.live.as_ref().is_some_and(|live| live.is_preview);
            if is_preview && !is_open_in_previews(path) {
                ctx.decided("deny", "closed-in-preview");
                return Admission::Answer(decision::closed_in_preview(facts, ctx.live.as_deref(), &ctx.id));
            }
            return self.own_page(facts, ctx, now);
        }
        if is_foreign_websocket(facts, headers) {
            ctx.decided("refuse", "cross-site");
            return Admission::Answer(decision::error(facts, ctx.live.as_deref(), StatusCode::FORBIDDEN, &ctx.id));
        }
        let unknown = Standing::Unknown;
        let standing = ctx.live.as_ref().map_or(&unknown, |live| &live.standing);
        let request = Request {
            method: &facts.method,
            path: &facts.path,
            query: facts.query.as_deref(),
            headers,
            host: &facts.site.domain.host,
            client: facts.client,
            now,
        };
        match decide(standing, &request) {
            // The permit is of no use: there is no upstream.
            Decision::Allow(_) if is_console => {
                ctx.decided("portal", "console");
                Admission::Console(Box::new(self.visit(facts, ctx, now)))
            }
            Decision::Allow(permit) => {
                ctx.decided("allow", "rule");
                Admission::Forward(permit)
            }
            Decision::LogIn => {
                ctx.decided("log-in", "no-session");
                Admission::Answer(decision::log_in(facts, &ctx.id))
            }
            Decision::Choose => {
                ctx.decided("choose", "no-customer-chosen");
                Admission::Answer(decision::choose(facts, &ctx.id))
            }
            Decision::StepUp(requirement) => {
                ctx.decided("step-up", "weak-session");
                Admission::Answer(decision::step_up(facts, &requirement, &ctx.id))
            }
            Decision::PreviewOver(end) => {
                ctx.decided("preview-over", end.name());
                Admission::Answer(decision::preview_over(facts, end, &ctx.id))
            }
            Decision::Deny(Reason::PreviewReadOnly) => {
                ctx.decided("deny", Reason::PreviewReadOnly.name());
                let is_document = preview_bar::is_document(headers);
                Admission::Answer(decision::read_only(facts, ctx.live.as_deref(), is_document, &ctx.id))
            }
            Decision::Deny(reason) => {
                ctx.decided("deny", reason.name());
                Admission::Answer(decision::deny(facts, reason, ctx.live.as_deref(), &ctx.id))
            }
        }
    }

    fn visit(&self, facts: &Facts, ctx: &RequestCtx, now: Timestamp) -> Visit {
        Visit {
            site: Arc::clone(&facts.site),
            live: ctx.live.clone(),
            client: facts.client,
            origin: format!("https://{}", facts.authority),
            request_id: ctx.id.clone(),
            now,
            language: facts.languages.spoken(ctx.live.as_deref()),
        }
    }

    fn own_page(&self, facts: &Facts, ctx: &mut RequestCtx, now: Timestamp) -> Admission {
        ctx.decided("portal", "own-page");
        Admission::Page(Box::new(self.visit(facts, ctx, now)))
    }
}

/// Whether a provider says that somebody has logged out there (OpenID Connect Back-Channel Logout, section 2.5). No browser
/// sends that, so no page of ours stands behind it: the signed token in it is its proof.
fn is_back_channel(facts: &Facts) -> bool {
    facts.path.as_str() == "/.access/oidc/backchannel" && facts.method == Method::POST
}

/// Whether a mail provider switches a kind of mail off on behalf of its person (RFC 8058, section 3.2). It sends neither cookie
/// nor origin: the sealed token in the path is its proof, and does nothing else.
fn is_one_click(facts: &Facts) -> bool {
    facts.path.as_str().starts_with("/.access/unsubscribe/") && facts.method == Method::POST
}

/// A request to the hub, for the pages that it has.
pub(super) fn hub_visit(facts: &HubFacts, request_id: &str, now: Timestamp) -> HubVisit {
    HubVisit {
        hub: facts.host.clone(),
        origin: format!("https://{}", facts.authority),
        client: facts.client,
        request_id: request_id.to_owned(),
        now,
        language: facts.languages.spoken(None),
    }
}

/// Whether another site's page opens a WebSocket here. Browsers send cookies along and keep no answer back (RFC 6455,
/// section 10.2), so an app that does not look at `Origin` would talk to that page.
fn is_foreign_websocket(facts: &Facts, headers: &HeaderMap) -> bool {
    let is_ours = |origin: &HeaderValue| {
        origin.as_bytes().strip_prefix(b"https://").is_some_and(|authority| authority == facts.authority.as_bytes())
    };
    headers.contains_key(header::UPGRADE) && !headers.get_all(header::ORIGIN).iter().all(is_ours)
}

/// Whether one of our own pages answers during a preview. The others act for a session's person: there would be no telling for whom, and
/// a preview could log in, invite or change something by them. So those that come later are closed until they are named here.
fn is_open_in_previews(path: &str) -> bool {
    const OPEN: [&str; 9] = [
        "/.access/jwks.json",
        "/.access/logged-out",
        "/.access/logo",
        "/.access/logout",
        "/.access/preview",
        "/.access/preview.css",
        "/.access/preview/end",
        "/.access/preview/switch",
        "/.access/style.css",
    ];
    OPEN.contains(&path) || path.starts_with("/.access/logo/")
}

fn is_asset(path: &str) -> bool {
    matches!(path, "/.access/style.css" | "/.access/logo") || path.starts_with("/.access/logo/")
}
