//! HTML: elements are removed by CSS selector while the page streams through (lol_html).

/// Whether a text is a CSS selector that can be used while a page streams.
///
/// # Errors
/// The parser's words.
pub fn check_selector(text: &str) -> Result<(), String> {
    text.parse::<lol_html::Selector>().map(drop).map_err(|error| error.to_string())
}
