//! HTML: elements are removed by CSS selector while the page streams through (lol_html).

use encoding_rs::Encoding;

use super::{Unfilterable, Work};

/// Whether a text is a CSS selector that can be used while a page streams.
///
/// # Errors
/// The parser's words.
pub fn check_selector(text: &str) -> Result<(), String> {
    text.parse::<lol_html::Selector>().map(drop).map_err(|error| error.to_string())
}

/// Filters a page piece by piece.
#[derive(Debug)]
pub struct HtmlFilter;

impl HtmlFilter {
    /// For one answer, in the character set that its content type names.
    ///
    /// # Errors
    /// Where the character set cannot be read.
    pub fn new(work: &Work, charset: Option<&'static Encoding>) -> Result<Self, Unfilterable> {
        let _ = (work, charset);
        Ok(Self)
    }

    /// Filters a piece.
    ///
    /// # Errors
    /// [`Unfilterable::Malformed`], [`Unfilterable::RowTooLarge`]
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let _ = (chunk, out);
        Err(Unfilterable::Kind("not built"))
    }

    /// The end of the answer.
    ///
    /// # Errors
    /// [`Unfilterable::Malformed`]
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let _ = out;
        Err(Unfilterable::Kind("not built"))
    }
}
