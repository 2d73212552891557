//! The query that goes upstream: forced parameters in, the client's own of these names out.
//!
//! Apps read one query in many ways. PHP makes `a.b` and `a b` into `a_b`; Rails, qs and PHP nest by brackets; ASP.NET takes no
//! notice of case; some decode twice, cut at a NUL, or take `;` for `&`. So a parameter of the client's goes if *any* of these
//! would make a forced name of it, or a part of one. What is kept is kept byte for byte and in its order, but for `;`, which
//! goes on as `%3B` so that it divides nothing. Forced parameters come last: PHP takes the last of two, and an app that takes
//! the first finds none of the client's before it.
//!
//! What is forced binds the query alone. An app that takes the same parameter from a form or from JSON in the body has to be
//! kept from it by the rule's methods.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization as _;

use crate::policy::{CompiledFilters, decode, is_invisible};

/// All but the unreserved characters (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How often a name is decoded. One that is encoded more often than that is not kept.
const MOST_DECODINGS: usize = 5;

/// The query that goes upstream; `None` when nothing is left of it.
#[must_use]
pub fn shape(filters: &CompiledFilters, query: Option<&str>) -> Option<String> {
    let only = filters.filters().query_only.as_deref();
    if filters.query().is_empty() && only.is_none() {
        return query.map(str::to_owned);
    }
    let forced: Vec<Reading> = filters.query().iter().map(|(name, _)| Reading::of(name)).collect();
    let mut pieces: Vec<String> = query
        .unwrap_or_default()
        .split('&')
        .filter(|piece| !piece.is_empty())
        .filter(|piece| {
            let name = piece.split_once('=').map_or(*piece, |(name, _)| name);
            is_listed(name, only) && !is_forced(name, &forced)
        })
        .map(|piece| piece.replace(';', "%3B"))
        .collect();
    for (name, value) in filters.query() {
        let encode = |text| utf8_percent_encode(text, ENCODED);
        pieces.push(format!("{}={}", encode(name), encode(value)));
    }
    (!pieces.is_empty()).then(|| pieces.join("&"))
}

/// Whether the client may send a parameter at all: all, or those whose name is exactly one of the list.
fn is_listed(name: &str, only: Option<&[String]>) -> bool {
    only.is_none_or(|only| only.contains(&decode(name)))
}

/// Whether an app could take a parameter for a forced one.
fn is_forced(name: &str, forced: &[Reading]) -> bool {
    if forced.is_empty() {
        return false;
    }
    // `;` divides in some apps, and then the part before it is a name as well.
    match readings(name) {
        None => true,
        Some(readings) => readings.iter().any(|reading| forced.iter().any(|forced| forced.is_met_by(reading))),
    }
}

/// The names that an app may read out of a piece, or `None` where there is no telling.
fn readings(name: &str) -> Option<Vec<Reading>> {
    let mut readings = Vec::new();
    let mut text = name.replace('+', " ");
    for _ in 0..MOST_DECODINGS {
        // What is no UTF-8 an app may fold in ways of its own; overlong forms are an old trick.
        let decoded = percent_decode_str(&text).decode_utf8().ok()?.into_owned();
        readings.extend(variants(&decoded));
        if decoded == text || !decoded.contains('%') {
            return Some(readings);
        }
        text = decoded;
    }
    None
}

/// What becomes of a decoded name where NUL and other control characters end it or vanish, and where `%u0061` is decoded too.
fn variants(name: &str) -> Vec<Reading> {
    let cut = name.split('\0').next().unwrap_or_default();
    let mut variants = vec![Reading::of(name), Reading::of(cut)];
    if name.contains("%u") || name.contains("%U") {
        variants.push(Reading::of(&decode_utf16_escapes(name)));
    }
    variants
}

/// `%u0061`, which old servers of Microsoft's decode (never in a standard).
fn decode_utf16_escapes(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.strip_prefix(['u', 'U']).and_then(|after| after.get(..4));
        let character = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match (character, after.get(5..)) {
            (Some(character), Some(tail)) => {
                out.push(character);
                rest = tail;
            }
            _ => {
                out.push('%');
                rest = after;
            }
        }
    }
    out + rest
}

/// A name, folded in the ways that apps fold names.
#[derive(Debug, PartialEq)]
struct Reading {
    /// Its steps, divided by brackets and dots: `a[b].c` is `a`, `b`, `c`.
    steps: Vec<String>,
    /// The name with all that is no letter or digit as `_`.
    flat: String,
    /// The same of what stands before the first bracket.
    flat_base: String,
    has_brackets: bool,
}

impl Reading {
    fn of(name: &str) -> Self {
        let name: String = name
            .nfkc()
            .flat_map(char::to_lowercase)
            .filter(|character| !character.is_control() && !is_invisible(*character))
            .collect();
        let name = name.trim();
        let base = name.split('[').next().unwrap_or_default();
        let steps = name.split(['[', ']', '.']).map(str::trim).filter(|step| !step.is_empty()).map(str::to_owned);
        Self { steps: steps.collect(), flat: flat(name), flat_base: flat(base), has_brackets: name.contains('[') }
    }

    /// Whether a parameter of the client's speaks of this forced one, of a part of it, or of what it is a part of.
    fn is_met_by(&self, client: &Self) -> bool {
        let is_part = match self.steps.len().min(client.steps.len()) {
            0 => self.steps.is_empty() && client.steps.is_empty(),
            common => self.steps.get(..common) == client.steps.get(..common),
        };
        is_part || self.flat == client.flat || (!self.has_brackets && self.flat == client.flat_base)
    }
}

fn flat(name: &str) -> String {
    let flat: String =
        name.chars().map(|character| if character.is_alphanumeric() { character } else { '_' }).collect();
    flat.trim_end_matches('_').to_owned()
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
