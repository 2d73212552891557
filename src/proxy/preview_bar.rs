//! The bar of a preview, on its way into an answer: which answers get it, what it says, and what their heads say of it.
//!
//! Every page that a browser shows as a document gets it, the app's and our own of its paths alike; what scripts fetch, frames and pictures
//! get nothing. A page that cannot be read is refused, as one is that a rule's filters cannot read: nobody is to take it for their own.

use std::sync::Arc;

use encoding_rs::Encoding;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::ctx::RequestCtx;
use super::decision;
use super::route::Facts;
use crate::filters::Unfilterable;
use crate::filters::bar::{Bar, BarFilter};
use crate::filters::media::{ContentType, Media};
use crate::pages::{self, BarView, OtherView, Reply};
use crate::policy::Permit;
use crate::state::sessions::{Live, Recent};

/// The bar that an answer gets, and the character set of its page.
pub(super) struct Planned {
    pub(super) bar: Arc<Bar>,
    pub(super) charset: Option<&'static Encoding>,
}

/// Whether a request asks for a page, in a preview.
pub(super) fn is_wanted(permit: &Permit, headers: &HeaderMap) -> bool {
    permit.access().actor().is_some() && is_document(headers)
}

/// Whether a browser will show the answer as a page of its own (Fetch Metadata, section 2.1). One that does not say takes HTML at least.
pub(super) fn is_document(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-dest") {
        Some(destination) => destination == "document",
        None => text("accept").is_some_and(|accept| accept.contains("text/html")) && text("x-requested-with").is_none(),
    }
}

/// The bar for an answer of the app, where it gets one.
pub(super) fn of(
    session: &Session,
    response: &ResponseHeader,
    ctx: &RequestCtx,
) -> pingora::Result<Result<Option<Planned>, Unfilterable>> {
    if !is_wanted(ctx.permit()?, &session.req_header().headers) || !is_shown(response) {
        return Ok(Ok(None));
    }
    let charset = match ContentType::of(&response.headers).and_then(|found| found.map_or(Ok(None), as_page)) {
        Ok(Some(charset)) => charset,
        Ok(None) => return Ok(Ok(None)),
        Err(cause) => return Ok(Err(cause)),
    };
    let (Some(facts), Some(live)) = (&ctx.facts, &ctx.live) else { return Ok(Ok(None)) };
    let own_policy = facts.site.app.response_headers.iter().find(|(name, _)| *name == header::CONTENT_SECURITY_POLICY);
    let has_forms = match own_policy {
        // It takes the place of the app's.
        Some((_, policy)) => !Bar::are_forms_held_back([policy]),
        None => !Bar::are_forms_held_back(response.headers.get_all(header::CONTENT_SECURITY_POLICY).iter()),
    };
    Ok(Ok(bar(facts, live, ctx, has_forms).map(|bar| Planned { bar: Arc::new(bar), charset })))
}

/// Whether the body of an answer is shown: that of a redirect is not, nor one that is to be saved.
fn is_shown(response: &ResponseHeader) -> bool {
    let status = response.status;
    let is_saved = response.headers.get_all(header::CONTENT_DISPOSITION).iter().any(|value| {
        value.as_bytes().trim_ascii_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"attachment"))
    });
    let is_redirect = status.is_redirection() && response.headers.contains_key(header::LOCATION);
    !status.is_informational() && status != StatusCode::NOT_MODIFIED && !is_redirect && !is_saved
}

/// The character set of a page; `None` for what is none.
fn as_page(found: ContentType) -> Result<Option<Option<&'static Encoding>>, Unfilterable> {
    match found.media {
        Media::Html { charset } => found.readable().map(|()| Some(charset)),
        _ => Ok(None),
    }
}

fn bar(facts: &Facts, live: &Live, ctx: &RequestCtx, has_forms: bool) -> Option<Bar> {
    let preview = live.record.preview.as_ref()?;
    let grant = live.access()?.grant();
    let left = ctx.now.map_or(0, |now| preview.until.duration_since(now).as_secs().max(0));
    let customer = grant.customer.as_ref();
    let customer = customer.map(|customer| customer.name.as_ref().map_or(customer.id.as_str(), |name| name.as_str()));
    let to = if facts.method == Method::GET { decision::target(facts) } else { "/".to_owned() };
    let others: Vec<_> = live.recent.iter().map(other).collect();
    let role = facts.site.app.policy.roles.called(&grant.role);
    let view = BarView {
        origin: &format!("https://{}", facts.authority),
        email: grant.email.as_str(),
        name: grant.name.as_ref().map(|name| name.as_str()),
        customer: customer.filter(|customer| *customer != grant.email.as_str()),
        role: &role,
        minutes: u32::try_from(left).unwrap_or(0).div_ceil(60),
        others: &others,
        to: &to,
        has_forms,
    };
    let shown = pages::preview_bar(decision::look(facts, Some(live)), &view)?;
    Some(Bar { html: shown.html, style: shown.style, forms: shown.forms })
}

fn other(recent: &Recent) -> OtherView<'_> {
    OtherView {
        email: recent.who.email.as_str(),
        name: recent.name.as_ref().map(|name| name.as_str()),
        customer: recent.who.customer.as_ref().map(|customer| customer.as_str()),
        customer_name: recent.customer_name.as_ref().map(|name| name.as_str()),
    }
}

/// What the head of a preview's answer says when all else is settled: its policies let the bar in, and no browser keeps anything of
/// the preview for afterwards.
pub(super) fn finish_head(response: &mut ResponseHeader, ctx: &RequestCtx) -> pingora::Result<()> {
    if ctx.permit()?.access().actor().is_none() {
        return Ok(());
    }
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    let Some(bar) = &ctx.bar else { return Ok(()) };
    let amended = bar.amended(&response.headers);
    for name in [header::CONTENT_SECURITY_POLICY, header::CONTENT_SECURITY_POLICY_REPORT_ONLY] {
        response.remove_header(&name);
    }
    for (name, value) in amended {
        response.append_header(name, value)?;
    }
    Ok(())
}

/// Puts the bar into a page of our own that stands in the place of the app's.
pub(super) fn dress(mut reply: Reply, headers: &HeaderMap, ctx: &RequestCtx) -> Reply {
    let is_page =
        reply.headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let (Some(facts), Some(live)) = (&ctx.facts, &ctx.live) else { return reply };
    if !is_page || !live.is_preview || facts.path.as_str().starts_with("/.access") || !is_document(headers) {
        return reply;
    }
    let Some(bar) = bar(facts, live, ctx, true) else { return reply };
    let mut body = Vec::with_capacity(reply.body.len() + bar.html.len());
    let mut filter = BarFilter::new(Arc::new(bar.clone()), None);
    let placed = filter.push(&reply.body, &mut body).and_then(|()| filter.finish(&mut body));
    if placed.is_err() {
        return reply;
    }
    reply.body = body.into();
    let amended: Vec<(_, HeaderValue)> = bar.amended(&reply.headers);
    for (name, value) in amended {
        reply.headers.insert(name, value);
    }
    reply
}
