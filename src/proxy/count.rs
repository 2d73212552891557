//! Counts a request for its customer, when it is over: two adds, and nothing that waits.

use http::header;
use pingora::http::ResponseHeader;

use super::ctx::RequestCtx;

/// Counts what passed and what a rule refused. Our own pages are nobody's use of the app, and what was refused before anybody
/// was known is no customer's.
pub(super) fn count(ctx: &RequestCtx, method: &http::Method, response: Option<&ResponseHeader>) {
    let Some(tally) = ctx.live.as_ref().and_then(|live| live.tally.as_ref()) else { return };
    match ctx.outcome.decision {
        "allow" => {
            let path = ctx.facts.as_ref().map(|facts| facts.path.as_str());
            tally.passed(path.filter(|_| *method == http::Method::GET && response.is_some_and(is_page)));
        }
        "deny" => tally.refused(),
        _ => {}
    }
}

/// Whether an answer shows a page: it is HTML, and no error.
fn is_page(response: &ResponseHeader) -> bool {
    let is_html = |value: &http::HeaderValue| {
        value.as_bytes().get(..9).is_some_and(|begin| begin.eq_ignore_ascii_case(b"text/html"))
    };
    response.status.is_success() && response.headers.get(header::CONTENT_TYPE).is_some_and(is_html)
}
