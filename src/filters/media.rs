//! What an answer is, by its content type, and whether a rule's filters read it.
//!
//! Only what the content type says counts; nothing is guessed from the bytes. Where it says two things, or nothing that can be
//! read, the answer is not filterable: a browser might take it for something else than we did.
//!
//! `application/xhtml+xml` is read by no filter: it is XML, which a parser of HTML takes for something else (`<script/>`, CDATA
//! sections), so elements would escape it.

use encoding_rs::{Encoding, UTF_8};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::Unfilterable;
use crate::policy::Filters;

/// What an answer is, of all that filters read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Media {
    /// One document of JSON.
    Json,
    /// A document of JSON on every line.
    JsonLines,
    /// A table.
    Csv {
        /// What divides the columns; `None` where the header row tells (comma or semicolon).
        delimiter: Option<u8>,
    },
    /// HTML.
    Html {
        /// The character set that the content type names.
        charset: Option<&'static Encoding>,
    },
    /// Something else.
    Other,
}

/// A content type, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentType {
    /// Type and subtype, in lower case, without parameters.
    pub essence: String,
    /// What it is.
    pub media: Media,
    /// Why it cannot be filtered, though it is of a kind that can.
    trouble: Option<Unfilterable>,
}

/// What is to be done with an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Treatment {
    /// It passes as it is.
    Pass,
    /// It is filtered.
    Filter(Media),
}

impl ContentType {
    /// The content type of an answer; `None` where it names none.
    ///
    /// # Errors
    /// Where there are several, or one that cannot be read: nobody knows which one a client takes.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Unfilterable> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Self::parse(value.as_bytes()).map(Some),
            (Some(_), Some(_)) => Err(Unfilterable::Kind("the answer has several content types")),
        }
    }

    /// Reads the value of a `Content-Type` field (RFC 9110, section 8.3).
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(value: &[u8]) -> Result<Self, Unfilterable> {
        let text = std::str::from_utf8(value).ok().map(|text| text.trim_matches([' ', '\t']));
        let Some((essence, parameters)) = text.and_then(read) else {
            return Err(Unfilterable::ContentType(String::from_utf8_lossy(value).chars().take(80).collect()));
        };
        let parameter = |wanted: &str| {
            parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.trim().to_ascii_lowercase())
        };
        let charset = parameter("charset").filter(|charset| !charset.is_empty());
        let media = kind(&essence);
        let unread = |what: &str| Some(Unfilterable::ContentType(format!("{essence}; {what}")));
        let (media, trouble) = match media {
            Media::Other => (media, None),
            Media::Html { .. } => {
                let encoding = charset.as_ref().map(|label| Encoding::for_label_no_replacement(label.as_bytes()));
                match encoding {
                    None => (media, None),
                    Some(Some(encoding)) if encoding.is_ascii_compatible() => {
                        (Media::Html { charset: Some(encoding) }, None)
                    }
                    Some(_) => (media, unread(&format!("charset={}", charset.unwrap_or_default()))),
                }
            }
            Media::Csv { .. } if parameter("header").as_deref() == Some("absent") => (media, unread("header=absent")),
            Media::Json | Media::JsonLines | Media::Csv { .. } => {
                let is_utf8 = |label: &String| {
                    Encoding::for_label(label.as_bytes()) == Some(UTF_8) || label == "us-ascii" || label == "ascii"
                };
                let trouble = charset.filter(|label| !is_utf8(label));
                (media, trouble.and_then(|label| unread(&format!("charset={label}"))))
            }
        };
        Ok(Self { media, trouble, essence })
    }
}

impl ContentType {
    /// Whether it can be read, being of a kind that is.
    ///
    /// # Errors
    /// Why not.
    pub fn readable(&self) -> Result<(), Unfilterable> {
        self.trouble.clone().map_or(Ok(()), Err)
    }
}

/// What a rule's filters do with an answer of a content type: they read it, or `pass` names it.
///
/// # Errors
/// Where neither is so.
pub fn plan(filters: &Filters, content_type: &ContentType) -> Result<Treatment, Unfilterable> {
    if !filters.touches_answers() {
        return Ok(Treatment::Pass);
    }
    let is_read = match content_type.media {
        Media::Json | Media::JsonLines | Media::Csv { .. } => filters.touches_data(),
        Media::Html { .. } => !filters.remove.is_empty(),
        Media::Other => false,
    };
    if is_read {
        return content_type.trouble.clone().map_or(Ok(Treatment::Filter(content_type.media)), Err);
    }
    if filters.pass.iter().any(|range| range.covers(&content_type.essence)) {
        return Ok(Treatment::Pass);
    }
    Err(Unfilterable::ContentType(content_type.essence.clone()))
}

fn kind(essence: &str) -> Media {
    match essence {
        "application/json" | "text/json" => Media::Json,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Media::JsonLines
        }
        // Spring's name for lines, in spite of its suffix.
        "application/stream+json" => Media::JsonLines,
        "text/csv" => Media::Csv { delimiter: None },
        "text/tab-separated-values" => Media::Csv { delimiter: Some(b'\t') },
        "text/html" => Media::Html { charset: None },
        _ if essence.ends_with("+json") => Media::Json,
        _ => Media::Other,
    }
}

/// Type and parameters; `None` where it is not exactly one content type.
fn read(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
    let (essence, mut rest) = text.split_at_checked(end)?;
    let (kind, subtype) = essence.split_once('/')?;
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some((essence.to_ascii_lowercase(), parameters));
        }
        // Empty parameters are many an upstream's way (RFC 9110, section 5.6.6).
        rest = rest.strip_prefix(';')?.trim_start_matches([' ', '\t']);
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, tail) = rest.split_once('=')?;
        let (value, tail) = value(tail)?;
        let name = name.to_ascii_lowercase();
        if !is_token(&name) || parameters.iter().any(|(known, other)| *known == name && *other != value) {
            return None;
        }
        parameters.push((name, value));
        rest = tail;
    }
}

/// A parameter's value and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return is_token(value).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::super::sample::hiding;
    use super::*;
    use crate::policy::MediaRange;

    fn media(value: &str) -> Result<Media, &'static str> {
        let read = ContentType::parse(value.as_bytes()).map_err(|error| error.name())?;
        read.trouble.map_or(Ok(read.media), |error| Err(error.name()))
    }

    #[test]
    fn a_content_type_says_what_an_answer_is() {
        let html = |label: &str| Media::Html { charset: Encoding::for_label(label.as_bytes()) };
        for (value, expected) in [
            ("application/json", Ok(Media::Json)),
            ("Application/JSON; Charset=\"UTF-8\"", Ok(Media::Json)),
            ("application/json;;charset=utf8 ; ", Ok(Media::Json)),
            ("application/problem+json", Ok(Media::Json)),
            ("text/json", Ok(Media::Json)),
            ("application/x-ndjson", Ok(Media::JsonLines)),
            ("application/ndjson", Ok(Media::JsonLines)),
            ("application/jsonl", Ok(Media::JsonLines)),
            ("application/x-jsonlines", Ok(Media::JsonLines)),
            ("application/stream+json", Ok(Media::JsonLines)),
            ("application/json-seq", Ok(Media::Other)),
            ("application/json; charset=utf-16", Err("content-type")),
            ("application/json; charset=iso-2022-jp", Err("content-type")),
            ("text/csv", Ok(Media::Csv { delimiter: None })),
            ("text/csv; header=present; charset=us-ascii", Ok(Media::Csv { delimiter: None })),
            ("text/csv; header=ABSENT", Err("content-type")),
            ("text/csv; charset=utf-7", Err("content-type")),
            ("text/tab-separated-values", Ok(Media::Csv { delimiter: Some(b'\t') })),
            ("text/html", Ok(Media::Html { charset: None })),
            ("text/html; charset=utf-8", Ok(html("utf-8"))),
            ("text/html; charset='utf-8'", Err("content-type")),
            ("text/html; charset=latin1", Ok(html("windows-1252"))),
            ("text/html; charset=\"shift\\_jis\"", Ok(html("shift_jis"))),
            ("text/html; charset=utf-16le", Err("content-type")),
            ("text/html; charset=iso-2022-jp", Err("content-type")),
            ("text/html; charset=hz-gb-2312", Err("content-type")),
            ("text/html; charset=utf-7", Err("content-type")),
            ("text/html; charset=utf-8; charset=utf-16", Err("content-type")),
            ("application/xhtml+xml", Ok(Media::Other)),
            ("text/plain", Ok(Media::Other)),
            ("text/html, application/json", Err("content-type")),
            ("application/json, text/plain", Err("content-type")),
            ("text/html; charset=utf-8, text/plain", Err("content-type")),
            ("text/html charset=utf-8", Err("content-type")),
            ("text/html; charset", Err("content-type")),
            ("text/html; charset=\"utf-8", Err("content-type")),
            ("json", Err("content-type")),
            ("text/", Err("content-type")),
            ("", Err("content-type")),
        ] {
            assert_eq!(media(value), expected, "{value}");
        }
        assert!(ContentType::parse(b"text/html\xff").is_err());
    }

    #[test]
    fn attack_26_two_content_types_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(ContentType::of(&headers), Ok(None));
        headers.append(CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
        assert_eq!(
            ContentType::of(&headers).map(|found| found.map(|found| found.essence)),
            Ok(Some("text/plain".to_owned()))
        );
        headers.append(CONTENT_TYPE, http::HeaderValue::from_static("text/html"));
        assert_eq!(ContentType::of(&headers).map_err(|error| error.name()), Err("kind"));
    }

    #[test]
    fn a_rule_reads_what_its_filters_are_for_and_passes_what_it_names() {
        let range = |text: &str| MediaRange::parse(text).expect("a range");
        let hides = Filters { pass: vec![range("image/*"), range("text/html")], ..hiding(&["price"]) };
        let removes =
            Filters { remove: vec![".price".to_owned()], pass: vec![range("application/json")], ..Filters::default() };
        let planned = |filters: &Filters, value: &str| {
            let content_type = ContentType::parse(value.as_bytes()).expect("a content type");
            match plan(filters, &content_type) {
                Ok(Treatment::Pass) => "pass",
                Ok(Treatment::Filter(_)) => "filter",
                Err(error) => error.name(),
            }
        };
        for (value, by_hides, by_removes) in [
            ("application/json", "filter", "pass"),
            ("application/json; charset=utf-16", "content-type", "pass"),
            ("application/hal+json", "filter", "content-type"),
            ("text/csv", "filter", "content-type"),
            ("text/csv; header=absent", "content-type", "content-type"),
            ("text/html", "pass", "filter"),
            ("text/html; charset=utf-16", "pass", "content-type"),
            ("application/xhtml+xml", "content-type", "content-type"),
            ("image/png", "pass", "content-type"),
            ("text/plain", "content-type", "content-type"),
        ] {
            assert_eq!((planned(&hides, value), planned(&removes, value)), (by_hides, by_removes), "{value}");
            assert_eq!(planned(&Filters::default(), value), "pass", "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_content_type_panics(value in "[a-z/;=\" ,\\\\]{0,40}") {
            let _ = ContentType::parse(value.as_bytes());
        }
    }
}
