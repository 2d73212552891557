//! Station 5's answers: log in, choose a customer, or no.

use http::StatusCode;
use serde_json::json;

use super::route::{AsksFor, Facts};
use crate::pages::{self, DeniedView, ErrorView, Look, Reply};
use crate::policy::{PreviewEnd, Reason};
use crate::state::sessions::Live;
use crate::state::visit::Visit;
use crate::types::{Language, RequiredWay, Requirement};

/// A page is sent to log in and comes back where it was going; anything else is told so.
pub(super) fn log_in(facts: &Facts, request_id: &str) -> Reply {
    match facts.asks_for {
        AsksFor::Page => Reply::see_other(&format!("/.access/login?to={}", going_to(facts))),
        AsksFor::Data => Reply::json(
            StatusCode::UNAUTHORIZED,
            &json!({"error": "login_required", "login": "/.access/login", "request_id": request_id}),
        ),
    }
}

/// The same, for somebody with several customers.
pub(super) fn choose(facts: &Facts, request_id: &str) -> Reply {
    match facts.asks_for {
        AsksFor::Page => Reply::see_other(&format!("/.access/choose?to={}", going_to(facts))),
        AsksFor::Data => Reply::json(
            StatusCode::FORBIDDEN,
            &json!({"error": "choose_customer", "choose": "/.access/choose", "request_id": request_id}),
        ),
    }
}

/// The same, for somebody whose role asks for a stronger way than they came by.
pub(super) fn step_up(facts: &Facts, requirement: &Requirement, request_id: &str) -> Reply {
    let ways: Vec<&str> = requirement.0.iter().map(RequiredWay::as_str).collect();
    match facts.asks_for {
        AsksFor::Page => Reply::see_other(&format!("/.access/step-up?to={}", going_to(facts))),
        AsksFor::Data => Reply::json(
            StatusCode::FORBIDDEN,
            &json!({"error": "step_up_required", "ways": ways, "step_up": "/.access/step-up", "request_id": request_id}),
        ),
    }
}

/// A preview is over. Whoever looked through a customer's eyes is told, and does not go on with access of their own unasked.
pub(super) fn preview_over(facts: &Facts, end: PreviewEnd, request_id: &str) -> Reply {
    match facts.asks_for {
        AsksFor::Page => Reply::see_other(&format!("/.access/preview?to={}", going_to(facts))),
        AsksFor::Data => Reply::json(
            StatusCode::FORBIDDEN,
            &json!({"error": "preview_ended", "reason": end.name(), "preview": "/.access/preview", "request_id": request_id}),
        ),
    }
}

/// A page of ours that is closed during a preview.
pub(super) fn closed_in_preview(facts: &Facts, live: Option<&Live>, request_id: &str) -> Reply {
    match facts.asks_for {
        AsksFor::Page => pages::closed_in_preview(look(facts, live), request_id),
        AsksFor::Data => Reply::json(
            StatusCode::FORBIDDEN,
            &json!({"error": "closed_in_preview", "preview": "/.access/preview", "request_id": request_id}),
        ),
    }
}

/// Something that would have changed the app, in a preview. A form is sent by somebody who waits for a page.
pub(super) fn read_only(facts: &Facts, live: Option<&Live>, is_document: bool, request_id: &str) -> Reply {
    match is_document {
        true => pages::preview_reads_only(look(facts, live), "/", request_id),
        false => deny(&Facts { asks_for: AsksFor::Data, ..facts.clone() }, Reason::PreviewReadOnly, live, request_id),
    }
}

/// No, and why. Never a redirect, so never a loop.
pub(super) fn deny(facts: &Facts, reason: Reason, live: Option<&Live>, request_id: &str) -> Reply {
    match facts.asks_for {
        AsksFor::Data => Reply::json(
            StatusCode::FORBIDDEN,
            &json!({"error": "denied", "reason": reason.name(), "request_id": request_id}),
        ),
        AsksFor::Page => {
            let customer = live
                .and_then(Live::access)
                .and_then(|access| access.grant().customer.as_ref())
                .map(|customer| customer.name.as_ref().map_or(customer.id.as_str(), |name| name.as_str()));
            let look = look(facts, live);
            // In a preview, it is the page that the customer would see.
            let email =
                live.map(|live| live.access().map_or(&live.record.email, |access| &access.grant().email).as_str());
            // Whoever looks on from outside is not told what the customer would be told, who may well see the page.
            let is_preview = live.is_some_and(|live| live.is_preview);
            let why = if is_preview && reason == Reason::CannotFilter { "cannot-preview" } else { reason.name() };
            let view = DeniedView {
                email,
                customer: customer.filter(|customer| Some(*customer) != email),
                reason: look.texts().reason(why),
                can_switch: live.is_some_and(|live| live.can_switch),
                request_id,
            };
            pages::denied(look, &view)
        }
    }
}

/// The app is switched off.
pub(super) fn disabled(facts: &Facts, live: Option<&Live>, request_id: &str) -> Reply {
    match facts.asks_for {
        AsksFor::Page => pages::disabled(look(facts, live)),
        AsksFor::Data => error(facts, live, StatusCode::SERVICE_UNAVAILABLE, request_id),
    }
}

/// An error page, or its JSON.
pub(super) fn error(facts: &Facts, live: Option<&Live>, status: StatusCode, request_id: &str) -> Reply {
    let Look { brand, language } = look(facts, live);
    error_of(Some(brand), language, facts.asks_for, status, request_id)
}

/// An error page or its JSON, also where no domain is known.
pub(super) fn error_of(
    brand: Option<&pages::Brand>,
    language: Language,
    asks_for: AsksFor,
    status: StatusCode,
    request_id: &str,
) -> Reply {
    match asks_for {
        AsksFor::Page => pages::error(brand, language, &ErrorView { status, request_id }),
        AsksFor::Data => {
            let name = status.canonical_reason().unwrap_or("error").to_ascii_lowercase().replace([' ', '-'], "_");
            Reply::json(status, &json!({"error": name, "request_id": request_id}))
        }
    }
}

/// How a page for this request looks and speaks.
pub(super) fn look<'a>(facts: &'a Facts, live: Option<&Live>) -> Look<'a> {
    Look { brand: &facts.site.domain.brand, language: facts.languages.spoken(live) }
}

/// Where the person was going, for a query parameter. What is too long to come back to is cut down: the way to the log-in
/// page must not fail for the length of the way back.
fn going_to(facts: &Facts) -> String {
    percent_encoding::utf8_percent_encode(&target(facts), percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Path and query of a request, so far as they are short enough to come back to.
pub(super) fn target(facts: &Facts) -> String {
    let path = facts.path.as_str();
    let with_query = facts.query.as_ref().map(|query| format!("{path}?{query}"));
    let found = [with_query.as_deref().unwrap_or(path), path, "/"]
        .into_iter()
        .find(|target| target.len() <= Visit::MOST_RETURN_BYTES)
        .unwrap_or("/");
    found.to_owned()
}
