//! Lists, a page at a time.

use data_encoding::BASE64URL_NOPAD;
use schemars::JsonSchema;
use serde::Serialize;

use super::operation::malformed;
use super::problem::Problem;

/// So many are on a page, if nothing else is asked for.
const LIMIT: u32 = 50;
/// So many are on a page at most.
pub(super) const MOST: u32 = 200;

/// A page of a list.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
pub(super) struct Page<T> {
    /// What is on this page.
    pub(super) items: Vec<T>,
    /// The `cursor` of the page that follows; null on the last.
    pub(super) next: Option<String>,
}

/// How many are asked for.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        None => Ok(LIMIT),
        Some(limit @ 1..=MOST) => Ok(limit),
        Some(_) => Err(malformed("limit", format!("there are 1 to {MOST}"))),
    }
}

/// Where a page begins, from its cursor: what stood last on the page before, in a form that nobody is to read.
pub(super) fn after(cursor: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let decoded = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.map(Some).ok_or_else(|| malformed("cursor", "it is the `next` of a page, unaltered"))
}

impl<T> Page<T> {
    /// A page of at most so many of these, which may be one more: then there is a page that follows.
    pub(super) fn of(mut items: Vec<T>, limit: u32, place: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_last = items.len() <= limit;
        items.truncate(limit);
        let next = items.last().filter(|_| !is_last).map(|last| BASE64URL_NOPAD.encode(place(last).as_bytes()));
        Self { items, next }
    }
}
