//! Station 8: what an app's answer loses on its way to one person.
//!
//! The bytes are `crate::filters`' work; here is what HTTP has to do with it. A rule that narrows answers asks the upstream for
//! whole, unpacked, unconditional ones. What comes back gets a head that is true of what is left of it, and its body goes through
//! the filter piece by piece, each written before the next is read.
//!
//! What cannot be filtered must not leave, nor may half of it look like the whole. So the head of a filtered answer is held back
//! until the filter has let the first bytes go, of documents a few kilobytes: until then there is time to answer 403 in its place.
//! After that, an answer that turns bad is cut off: chunks without their last one, a stream that is reset, TLS without its good-bye
//! (RFC 9112, section 8).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use jiff::Timestamp;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use super::ctx::RequestCtx;
use super::preview_bar;
use crate::filters::answer::AnswerFilter;
use crate::filters::bar::BarFilter;
use crate::filters::media::{self, ContentType, Media, Treatment};
use crate::filters::unpack::Coding;
use crate::filters::{Unfilterable, Work};
use crate::policy::Permit;

/// What a request must not say when its answer is filtered: it would get a part, a difference, or no more than the word that
/// nothing has changed, of an answer that is not the one it gets.
const NOT_ASKED: [&str; 13] = [
    "a-im",
    "accept-signature",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "te",
    "trailer",
    "want-content-digest",
    "want-digest",
    "want-repr-digest",
];

/// Those of them that keep a write from undoing another's. They stay where nothing is read: a `PUT` that was meant for one version,
/// or for no file yet, must not overwrite whatever is there.
const KEPT_FOR_WRITES: [&str; 3] = ["if-match", "if-none-match", "if-unmodified-since"];

/// What is true of the app's answer and not of what is left of it, or would have it kept where others are served from.
const NOT_TRUE: [&str; 18] = [
    "accept-ranges",
    "cdn-cache-control",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-range",
    "digest",
    "etag",
    "im",
    "last-modified",
    "repr-digest",
    "signature",
    "signature-input",
    "surrogate-control",
    "trailer",
    "transfer-encoding",
    "x-accel-expires",
];

/// How many filtered bytes of a document are held back at first: most of what is wrong with an answer shows by then. Of lines each
/// leaves at once, for somebody may be waiting for it.
const HELD_BYTES: usize = 8 * 1024;

/// The status of a head that Pingora writes nowhere. Codes below 200 are for heads that an answer's own follows.
const NO_HEAD: u16 = 199;

/// One answer in the filter.
#[derive(Debug)]
pub(super) struct Filtering {
    way: Way,
    /// The head, until the first bytes leave.
    head: Option<Box<ResponseHeader>>,
    /// Filtered bytes that wait with it.
    held: Vec<u8>,
    /// How many of them may.
    most_held: usize,
    progress: Progress,
}

#[derive(Debug)]
enum Way {
    /// Its body is filtered.
    Filter(AnswerFilter),
    /// Its body is left out.
    Empty,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    UnderWay,
    Finished,
    Refused,
}

/// What a filtered answer needs to know besides its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The time that conditions see.
    pub(super) now: Timestamp,
    /// The most bytes of one row.
    pub(super) most_row_bytes: usize,
}

/// Whether a request wants to turn into something that the rule's filters do not read.
pub(super) fn escapes(permit: &Permit, headers: &HeaderMap) -> bool {
    touches_answers(permit) && headers.contains_key(header::UPGRADE)
}

/// The query that goes upstream.
pub(super) fn query(permit: &Permit, query: Option<&str>) -> Option<String> {
    match permit.filters() {
        // Some apps take off a second `?` that stands before a name, as the URL standard does.
        Some(filters) if filters.filters().touches_query() => {
            crate::filters::query::shape(filters, query.map(|query| query.trim_start_matches('?')))
        }
        _ => query.map(str::to_owned),
    }
}

/// Asks for an answer that can be filtered.
pub(super) fn ask(fields: &mut HeaderMap, method: &Method, permit: &Permit) {
    // For a page that gets a bar, the browser may hold one without.
    if !touches_answers(permit) && !preview_bar::is_wanted(permit, fields) {
        return;
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    for name in NOT_ASKED.into_iter().filter(|name| reads || !KEPT_FOR_WRITES.contains(name)) {
        fields.remove(name);
    }
    fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// Looks at an answer's head: whether and how its body is filtered, and what of the head is still true then.
pub(super) fn begin(
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &mut RequestCtx,
    terms: impl FnOnce() -> Terms,
) -> pingora::Result<Result<(), Unfilterable>> {
    ctx.filtering = None;
    ctx.bar = None;
    let permit = ctx.permit()?;
    let bar = match preview_bar::of(session, response, ctx)? {
        Ok(bar) => bar,
        Err(cause) => return Ok(Err(cause)),
    };
    if !touches_answers(permit) && bar.is_none() {
        return Ok(Ok(()));
    }
    let body = body_of(session, response);
    let way = match (plan(permit, response, body, terms), &bar) {
        (Ok(Plan::Pass), None) => return Ok(Ok(())),
        (Ok(Plan::Pass), Some(_)) => match Coding::of(&response.headers).and_then(AnswerFilter::whole) {
            // Nothing is wrong with a page that has only to be added to: it leaves as it comes.
            Ok(whole) => Some((Way::Filter(whole), 1)),
            Err(cause) => return Ok(Err(cause)),
        },
        (Ok(Plan::HeadOnly), _) => None,
        (Ok(Plan::Body(way, most_held)), _) => Some((way, most_held)),
        (Err(cause), _) => return Ok(Err(cause)),
    };
    let way = match (way, bar) {
        (Some((Way::Filter(filter), most_held)), Some(bar)) => {
            ctx.bar = Some(Arc::clone(&bar.bar));
            Some((Way::Filter(filter.with_bar(BarFilter::new(bar.bar, bar.charset))), most_held))
        }
        (way, _) => way,
    };
    if matches!(way, Some((Way::Empty, _))) {
        response.remove_header(&header::CONTENT_TYPE);
    }
    shape(session, response, body)?;
    if let (Some((way, most_held)), Body::Follows) = (way, body) {
        let (head, held, progress) = (None, Vec::new(), Progress::UnderWay);
        ctx.filtering = Some(Box::new(Filtering { way, head, held, most_held, progress }));
    }
    Ok(Ok(()))
}

/// What is done with an answer.
enum Plan {
    /// It passes as it is.
    Pass,
    /// It has no body; its head is made true.
    HeadOnly,
    /// Its body goes this way, with so many bytes held back at first.
    Body(Way, usize),
}

fn plan(
    permit: &Permit,
    response: &ResponseHeader,
    body: Body,
    terms: impl FnOnce() -> Terms,
) -> Result<Plan, Unfilterable> {
    let Some(filters) = permit.filters() else { return Ok(Plan::Pass) };
    let status = response.status;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Unfilterable::Kind("the app turns to another protocol"));
    }
    if status.is_informational() {
        return Ok(Plan::Pass);
    }
    if status == StatusCode::PARTIAL_CONTENT || status == StatusCode::IM_USED {
        return Err(Unfilterable::Kind("it is a part of an answer"));
    }
    if body == Body::Never {
        return Ok(Plan::HeadOnly);
    }
    let treatment = match ContentType::of(&response.headers)? {
        Some(content_type) => media::plan(filters.filters(), &content_type),
        None if body == Body::Unsent => return Ok(Plan::HeadOnly),
        None => Err(Unfilterable::ContentType(String::new())),
    };
    match treatment {
        Ok(Treatment::Pass) => Ok(Plan::Pass),
        Ok(Treatment::Filter(media)) => {
            let Terms { now, most_row_bytes } = terms();
            let work = Work {
                filters: Arc::clone(filters),
                access: Arc::clone(permit.access()),
                now,
                most_row_bytes,
                is_error: status.as_u16() >= 400,
            };
            let most_held = if media == Media::JsonLines { 1 } else { HELD_BYTES };
            let filter = AnswerFilter::new(&work, &media, Coding::of(&response.headers)?)?;
            Ok(Plan::Body(Way::Filter(filter), most_held))
        }
        // Nobody reads what stands in a redirect, and many apps put some text there.
        Err(_) if status.is_redirection() && response.headers.contains_key(header::LOCATION) => {
            Ok(Plan::Body(Way::Empty, HELD_BYTES))
        }
        // An empty answer shows nothing.
        Err(_) if body == Body::Unsent && is_empty(response) => Ok(Plan::HeadOnly),
        Err(cause) => Err(cause),
    }
}

/// Takes a finished head away until the first bytes of its body may leave.
pub(super) fn hold_head(
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut RequestCtx,
) -> pingora::Result<()> {
    let Some(filtering) = &mut ctx.filtering else { return Ok(()) };
    session.as_downstream_mut().set_ignore_info_resp(true);
    let nothing = ResponseHeader::build(NO_HEAD, Some(0))?;
    filtering.head = Some(Box::new(std::mem::replace(response, nothing)));
    Ok(())
}

/// Filters a piece of a body.
pub(super) fn piece(
    session: &mut Session,
    body: &mut Option<Bytes>,
    is_end: bool,
    ctx: &mut RequestCtx,
) -> pingora::Result<Result<(), Unfilterable>> {
    let Some(filtering) = &mut ctx.filtering else { return Ok(Ok(())) };
    let mut out = std::mem::take(&mut filtering.held);
    let given = body.take();
    if let Err(cause) = filtering.take(given.as_deref().unwrap_or_default(), is_end, &mut out) {
        filtering.progress = Progress::Refused;
        return Ok(Err(cause));
    }
    if filtering.head.is_some() && !is_end && out.len() < filtering.most_held {
        filtering.held = out;
        return Ok(Ok(()));
    }
    if let Some(head) = filtering.head.take() {
        // It fits into what our stream gathers, and HTTP/2 queues it: neither waits, unless a client reads nothing at all.
        let written = session.as_downstream_mut().write_response_header(head).now_or_never();
        written.unwrap_or_else(|| Err(Error::explain(ErrorType::WriteError, "the head found no room")))?;
    }
    *body = (!out.is_empty()).then(|| Bytes::from(out));
    Ok(Ok(()))
}

/// Ends an answer whose last piece did not say so: trailers followed it, or nothing at all. Trailers were true of the whole answer
/// and are so of what is left no more than a digest of it, so they end here.
pub(super) fn end(session: &mut Session, ctx: &mut RequestCtx) -> pingora::Result<Result<Option<Bytes>, Unfilterable>> {
    let mut rest = None;
    Ok(piece(session, &mut rest, true, ctx)?.map(|()| rest))
}

impl Filtering {
    fn take(&mut self, piece: &[u8], is_end: bool, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if self.progress != Progress::UnderWay {
            return Err(Unfilterable::Kind("the answer goes on after its end"));
        }
        if let Way::Filter(filter) = &mut self.way {
            if !piece.is_empty() {
                filter.push(piece, out)?;
            }
            if is_end {
                filter.finish(out)?;
            }
        }
        if is_end {
            self.progress = Progress::Finished;
        }
        Ok(())
    }

    /// Whether nothing of the answer has left yet.
    pub(super) fn holds_head(&self) -> bool {
        self.head.is_some()
    }

    /// Whether the answer was refused, or its end has yet to come.
    pub(super) fn is_unfinished(&self) -> bool {
        self.progress != Progress::Finished
    }
}

fn touches_answers(permit: &Permit) -> bool {
    permit.filters().is_some_and(|filters| filters.filters().touches_answers())
}

/// What comes behind a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Body {
    /// A body, if only an empty one in chunks.
    Follows,
    /// None, though the head is that of an answer which has one: to HEAD, or an empty one.
    Unsent,
    /// None; answers of this status have none.
    Never,
}

fn body_of(session: &Session, response: &ResponseHeader) -> Body {
    match response.status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Body::Never,
        _ if is_empty(response) || session.req_header().method == Method::HEAD => Body::Unsent,
        _ => Body::Follows,
    }
}

/// Whether an answer says that it is empty, and so comes without a body.
fn is_empty(response: &ResponseHeader) -> bool {
    !response.headers.contains_key(header::TRANSFER_ENCODING)
        && response.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() == b"0")
}

/// Takes out of a head what is not true any more, and has it kept by nobody but the person's own browser.
fn shape(session: &Session, response: &mut ResponseHeader, body: Body) -> pingora::Result<()> {
    let was_empty = is_empty(response);
    for name in NOT_TRUE {
        response.remove_header(name);
    }
    make_private(response)?;
    let client = session.req_header();
    match body {
        Body::Follows if client.version >= Version::HTTP_11 => {
            response.set_version(Version::HTTP_11);
            response.insert_header(header::TRANSFER_ENCODING, "chunked")
        }
        Body::Unsent if was_empty && client.method != Method::HEAD => {
            response.insert_header(header::CONTENT_LENGTH, "0")
        }
        // HTTP/1.0 knows no chunks: the end of the connection is the end of the answer.
        Body::Follows | Body::Unsent | Body::Never => Ok(()),
    }
}

/// `Cache-Control` with `private` and without what is for shared caches (RFC 9111, section 5.2.2). `Expires` has them keep an
/// answer too, and gives way to what `Cache-Control` says to the browser.
fn make_private(response: &mut ResponseHeader) -> pingora::Result<()> {
    const FOR_SHARED: [&str; 5] = ["public", "private", "s-maxage", "proxy-revalidate", "must-understand"];
    let mut directives = vec!["private".to_owned()];
    for value in response.headers.get_all(header::CACHE_CONTROL) {
        for directive in String::from_utf8_lossy(value.as_bytes()).split(',').map(str::trim) {
            let name = directive.split('=').next().unwrap_or_default().trim();
            let is_shared = FOR_SHARED.iter().any(|known| name.eq_ignore_ascii_case(known));
            // A list of fields in quotes, `no-cache="a, b"`, would be torn apart here; without the list it says more, not less.
            if !is_shared && !name.is_empty() && !directive.contains('"') {
                directives.push(directive.to_owned());
            } else if name.eq_ignore_ascii_case("no-cache") {
                directives.push("no-cache".to_owned());
            }
        }
    }
    response.remove_header(&header::CACHE_CONTROL);
    response.remove_header(&header::EXPIRES);
    let value = HeaderValue::from_str(&directives.join(", ")).unwrap_or(HeaderValue::from_static("private"));
    response.insert_header(header::CACHE_CONTROL, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn session() -> Session {
        let (mut client, server) = tokio::io::duplex(1024);
        tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .expect("there is room");
        let mut session = Session::new_h1(Box::new(server));
        session.read_request().await.expect("a request");
        session
    }

    #[tokio::test]
    async fn without_filters_a_body_passes_without_a_copy() {
        let (mut session, mut ctx) = (session().await, RequestCtx::new());
        let mut body = Some(Bytes::from(vec![b'x'; 100_000]));
        let at = body.as_ref().map(|bytes| bytes.as_ptr());
        for is_end in [false, true] {
            piece(&mut session, &mut body, is_end, &mut ctx).expect("no error").expect("nothing to filter");
            assert_eq!(body.as_ref().map(|bytes| (bytes.as_ptr(), bytes.len())), at.map(|at| (at, 100_000)));
        }
        assert!(ctx.filtering.is_none());
    }

    #[test]
    fn a_filtered_answer_is_for_one_browser() {
        for (given, expected) in [
            (&[][..], "private"),
            (&["public, max-age=60"], "private, max-age=60"),
            (&["no-store"], "private, no-store"),
            (&["Public", "S-MaxAge=9, No-Cache"], "private, No-Cache"),
            (&["private=\"x, y\", max-age=1"], "private, max-age=1"),
            (&["no-cache=\"set-cookie, x\", immutable"], "private, no-cache, immutable"),
            (
                &["max-age=1, , proxy-revalidate, stale-while-revalidate=5"],
                "private, max-age=1, stale-while-revalidate=5",
            ),
        ] {
            let mut head = ResponseHeader::build(200, None).expect("a head");
            head.insert_header("expires", "0").expect("a header");
            for value in given {
                head.append_header("cache-control", *value).expect("a header");
            }
            make_private(&mut head).expect("a header");
            let values: Vec<_> = head.headers.get_all("cache-control").iter().collect();
            assert_eq!(values, [expected], "{given:?}");
            assert!(!head.headers.contains_key("expires"));
        }
    }
}
