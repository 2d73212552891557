//! What an answer is, by its content type, and whether a rule's filters read it.

use encoding_rs::Encoding;
use http::HeaderMap;

use super::Unfilterable;
use crate::policy::Filters;

/// What an answer is, of all that filters read.
#[derive(Clone, Debug, Eq, PartialEq)]
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
    /// What it is; or why it could not be read, where a filter has to.
    pub media: Result<Media, Unfilterable>,
}

/// What is to be done with an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
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
    /// Where there are several, or one that cannot be read.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Unfilterable> {
        let _ = headers;
        Ok(None)
    }

    /// Reads the value of a `Content-Type` field.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(value: &[u8]) -> Result<Self, Unfilterable> {
        Err(Unfilterable::ContentType(String::from_utf8_lossy(value).into_owned()))
    }
}

/// What a rule's filters do with an answer of a content type.
///
/// # Errors
/// Where they neither read it nor let it pass.
pub fn plan(filters: &Filters, content_type: &ContentType) -> Result<Treatment, Unfilterable> {
    let _ = filters;
    Err(Unfilterable::ContentType(content_type.essence.clone()))
}
