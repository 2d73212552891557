//! What a rule may look at of a request.

use std::net::IpAddr;

use http::{HeaderMap, Method};
use jiff::Timestamp;

use crate::types::{HostName, RequestPath};

/// A request, as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its normalised path.
    pub path: &'a RequestPath,
    /// Its query as it came, without the `?`.
    pub query: Option<&'a str>,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// The domain it came to.
    pub host: &'a HostName,
    /// Whose address it comes from.
    pub client: IpAddr,
    /// When it came.
    pub now: Timestamp,
}

/// A query's parameters in their order, decoded as forms are (WHATWG URL, section 5.1).
pub fn parameters(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|piece| !piece.is_empty()).map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decode(name), decode(value))
    })
}

/// Characters of no width, which some apps strip.
#[must_use]
pub const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// One name or value of a query, decoded.
#[must_use]
pub fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
