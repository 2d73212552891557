//! Answers an authority that looks for a token of ours (RFC 8555, section 8.3).
//!
//! It is the one thing on the plain listener that is no redirect, so it opens for exactly this: the path to the letter, a host
//! and token that an order of ours published, and a method that reads. Everything else goes on as if this were not here.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::RequestHeader;

use super::connection::{Connection, Scheme};
use super::route;
use crate::pages::Reply;
use crate::state::challenges::{Challenges, HTTP_PREFIX};
use crate::types::HostName;

/// The answer to a request for a published token.
pub(super) fn answer(head: &RequestHeader, connection: &Connection, challenges: &Challenges) -> Option<Reply> {
    let target = std::str::from_utf8(head.raw_path()).ok()?;
    if connection.scheme != Scheme::Http || !target.starts_with(HTTP_PREFIX) {
        return None;
    }
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return None;
    }
    let host = HostName::parse_authority(route::authority(head)?).ok()?;
    let text = challenges.http(&host, target)?;
    let mut reply = Reply::text(StatusCode::OK, "");
    reply.body = Bytes::copy_from_slice(text.as_bytes());
    // Without a character set, as authorities have always been answered.
    Some(reply.with_header(header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain")))
}
