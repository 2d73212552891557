//! HTML: elements are removed by CSS selector while the page streams through (lol_html).
//!
//! A browser builds a tree and mends it on the way; we see tags as they come. Where the two could differ so that something of a
//! removed element stays, the page is refused: markup whose reading hangs on the tree (strict mode), an end tag of a removed
//! element that is left out, or one within it that crosses other elements (`nesting`), a character reference that spells a
//! class or an id, another character set than was said. An element that is open when the page ends goes to its end.
//! What a selector says of elements around (`#admin .price`) is held against the tags as they are nested in the text.
//!
//! Read is what elements are in the page as it is sent. Text in scripts, comments, attributes (`srcdoc`) and what scripts load
//! later is none of it. `<noscript>` goes as a whole: it is text where scripts run, and elements where they do not.

mod nesting;
mod references;
mod selector;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use encoding_rs::{Encoding, UTF_8};
use lol_html::errors::RewritingError;
use lol_html::html_content::EndTag;
use lol_html::send::{Element, ElementContentHandlers, ElementHandler, HtmlRewriter, Settings};
use lol_html::{AsciiCompatibleEncoding, HandlerResult, MemorySettings, Selector};

pub use selector::check_selector;

use super::{Unfilterable, Work};

/// The size of the pieces that the parser gets: it may hold one beside an unfinished tag.
const PIECE: usize = 4 * 1024;

type Rewriter = HtmlRewriter<'static, Box<dyn FnMut(&[u8]) + Send>>;

/// Filters a page piece by piece.
pub struct HtmlFilter {
    work: Work,
    charset: Option<&'static Encoding>,
    /// The first bytes, until it is clear whether they are a byte order mark.
    start: Vec<u8>,
    /// In a lock that is never waited for, for the parser itself cannot be shared between threads.
    rewriter: Mutex<Option<Rewriter>>,
    left: Arc<Mutex<Left>>,
    escapes: Escapes,
    is_refused: bool,
}

/// What leaves.
#[derive(Debug, Default)]
struct Left {
    out: Vec<u8>,
    /// A removed element goes on to the end of the page.
    is_over: bool,
    /// The page has ended, so an element that follows stands in what was open.
    is_loose: bool,
}

impl fmt::Debug for HtmlFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HtmlFilter").field("charset", &self.charset).finish_non_exhaustive()
    }
}

impl HtmlFilter {
    /// For one answer, in the character set that its content type names; without one, in UTF-8.
    ///
    /// # Errors
    /// Where a selector has other letters than ASCII and the page does not say in what character set it is.
    pub fn new(work: &Work, charset: Option<&'static Encoding>) -> Result<Self, Unfilterable> {
        if charset.is_none() && !work.filters().remove.iter().all(|text| text.is_ascii()) {
            return Err(malformed("no character set is named, and a selector has other letters than ASCII"));
        }
        Ok(Self {
            work: work.clone(),
            charset,
            start: Vec::new(),
            rewriter: Mutex::new(None),
            left: Arc::default(),
            escapes: Escapes::default(),
            is_refused: false,
        })
    }

    /// Filters a piece.
    ///
    /// # Errors
    /// [`Unfilterable::Malformed`], [`Unfilterable::RowTooLarge`]
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.go_on()?;
        let result = self.take(chunk, out);
        self.is_refused = result.is_err();
        result
    }

    /// After an error nothing is read any more: the parser would panic, or begin anew in the middle.
    fn go_on(&self) -> Result<(), Unfilterable> {
        if self.is_refused { Err(malformed("it was refused before")) } else { Ok(()) }
    }

    fn take(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if self.charset.is_none() && self.escapes.are_in(chunk) {
            return Err(malformed("it changes its character set by escape sequences"));
        }
        let is_begun = self.rewriter.get_mut().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_begun {
            return self.write(chunk, out);
        }
        self.start.extend_from_slice(chunk);
        if self.start.len() < 3 { Ok(()) } else { self.begin(out) }
    }

    /// The end of the answer. An element that is not closed goes to the end of the page.
    ///
    /// # Errors
    /// [`Unfilterable::Malformed`] where it ends within a tag.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.go_on()?;
        if !self.start.is_empty() {
            self.begin(out)?;
        }
        let Some(rewriter) = self.rewriter.get_mut().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        rewriter.end().map_err(|error| trouble(&error))?;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // What the parser gives back here is what it could not read as anything: a tag that has no end, with its attributes.
        if matches!(left.out.as_slice(), [b'<', byte, ..] if byte.is_ascii_alphabetic() || *byte == b'/') {
            left.out.clear();
            return Err(malformed("it ends within a tag"));
        }
        out.append(&mut left.out);
        Ok(())
    }

    /// Looks at the first bytes: a byte order mark counts more than what the content type says (WHATWG Encoding, section 6).
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let start = std::mem::take(&mut self.start);
        if start.starts_with(&[0xfe, 0xff]) || start.starts_with(&[0xff, 0xfe]) {
            return Err(malformed("it is UTF-16 text"));
        }
        let charset = match start.starts_with(&[0xef, 0xbb, 0xbf]) {
            true => UTF_8,
            false => self.charset.unwrap_or(UTF_8),
        };
        let rewriter = self.rewriter(charset)?;
        *self.rewriter.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(rewriter);
        self.write(&start, out)
    }

    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let rewriter = self.rewriter.get_mut().unwrap_or_else(PoisonError::into_inner);
        for piece in chunk.chunks(PIECE) {
            let Some(parser) = rewriter.as_mut() else { return Ok(()) };
            parser.write(piece).map_err(|error| trouble(&error))?;
            out.append(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner).out);
        }
        Ok(())
    }

    fn rewriter(&self, charset: &'static Encoding) -> Result<Rewriter, Unfilterable> {
        let encoding = AsciiCompatibleEncoding::new(charset)
            .ok_or_else(|| Unfilterable::ContentType(format!("text/html; charset={}", charset.name())))?;
        let most = self.work.most_row_bytes.max(2 * PIECE);
        let memory = MemorySettings::new().with_max_allowed_memory_usage(most);
        let settings = Settings::new_send()
            .with_encoding(encoding)
            .with_memory_settings(memory)
            .with_strict(true)
            // In a browser these are elements like others, with an end tag.
            .with_enable_esi_tags(false)
            .with_adjust_charset_on_meta_tag(false);
        let settings = self.handlers()?.into_iter().fold(settings, |settings, (selector, handler)| {
            let handlers = ElementContentHandlers { element: Some(handler), ..ElementContentHandlers::default() };
            settings.append_element_content_handler((Cow::Owned(selector), handlers))
        });
        let left = Arc::clone(&self.left);
        let sink = move |piece: &[u8]| {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            if !left.is_over {
                left.out.extend_from_slice(piece);
            }
        };
        Ok(HtmlRewriter::new(settings, Box::new(sink)))
    }

    /// What is done with elements, by selector.
    fn handlers(&self) -> Result<Vec<(Selector, ElementHandler<'static>)>, Unfilterable> {
        let mut handlers: Vec<(Selector, ElementHandler<'static>)> = Vec::new();
        let mut add = |text: &str, handler: ElementHandler<'static>| {
            let parsed = text.parse::<Selector>().map_err(|_| malformed("a selector cannot be used"))?;
            handlers.push((parsed, handler));
            Ok::<(), Unfilterable>(())
        };
        let mut attributes = vec!["class".to_owned(), "id".to_owned()];
        let mut has_ancestors = false;
        let mut is_ascii = true;
        for text in &self.work.filters().remove {
            let parts = selector::read(text).map_err(|_| malformed("a selector cannot be used"))?;
            has_ancestors |= parts.has_ancestors;
            is_ascii &= text.is_ascii();
            attributes.extend(parts.attributes);
            for one in parts.selectors {
                let left = Arc::clone(&self.left);
                add(&one, Box::new(move |element| remove(element, &left)))?;
                let left = Arc::clone(&self.left);
                add(&format!("{one} *"), Box::new(move |element| watch(element, &left)))?;
                add(&format!("{one} body, {one} html, {one} head"), Box::new(|_| crossed()))?;
            }
        }
        // Where an element is matched by what it stands in, all that is open has to be known.
        let left = Arc::clone(&self.left);
        let watched = if has_ancestors { "*" } else { "svg, math" };
        add(watched, Box::new(move |element| watch(element, &left)))?;
        let left = Arc::clone(&self.left);
        add("noscript", Box::new(move |element| remove(element, &left)))?;
        // Here the parser loses count of what is foreign and what is HTML, and so of what is text.
        add("mglyph, malignmark", Box::new(|_| Err(FOREIGN.into())))?;
        let check =
            |element: &mut Element<'_, '_>| if element.is_self_closing() { Err(FOREIGN.into()) } else { Ok(()) };
        add("svg, math", Box::new(check))?;
        let check = |element: &mut Element<'_, '_>| match nesting::leaves_foreign(&element.tag_name()) {
            true if element.namespace_uri() != HTML => Err(FOREIGN.into()),
            _ => Ok(()),
        };
        add("svg svg *, svg math *, math svg *, math math *", Box::new(check))?;
        // The second one closes the first in a browser.
        add("select select", Box::new(|_| crossed()))?;
        // Within one of these stands HTML again, and the end tag of another one would end it for the parser.
        for (around, names) in [
            ("svg", &["desc", "foreignobject", "title"][..]),
            ("math", &["mi", "mo", "mn", "ms", "mtext", "annotation-xml"]),
        ] {
            for one in names {
                let nested: Vec<String> = names.iter().map(|name| format!("{around} {one} {name}")).collect();
                add(&nested.join(", "), Box::new(|_| Err(FOREIGN.into())))?;
            }
        }
        attributes.sort_unstable();
        attributes.dedup();
        for name in attributes {
            let text = format!("[{name}*=\"&\"]");
            let spells = move |element: &mut Element<'_, '_>| match element.get_attribute(&name) {
                Some(value) if references::spell_something(&value, is_ascii) => {
                    Err("a character reference stands in an attribute that a selector looks at".into())
                }
                _ => Ok(()),
            };
            add(&text, Box::new(spells))?;
        }
        Ok(handlers)
    }
}

const HTML: &str = "http://www.w3.org/1999/xhtml";
const FOREIGN: &str = "it has foreign elements in a way that is not followed";

/// Removes an element, to where a browser has its end.
fn remove(element: &mut Element<'_, '_>, left: &Arc<Mutex<Left>>) -> HandlerResult {
    element.remove();
    let name = element.tag_name();
    let left = Arc::clone(left);
    if let Some(handlers) = element.end_tag_handlers() {
        handlers.push(Box::new(move |end: &mut EndTag<'_>| {
            let tag = end.name();
            if nesting::ends_the_page(&tag) {
                left.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
            } else if tag != name {
                // Even where it may be left out: what stands around may be closed already in a browser.
                return Err("the end tag of a removed element is left out".into());
            }
            Ok(())
        }));
    }
    Ok(())
}

/// Refuses a page where an end tag closes an element here and maybe not in a browser.
fn watch(element: &mut Element<'_, '_>, left: &Arc<Mutex<Left>>) -> HandlerResult {
    if left.lock().unwrap_or_else(PoisonError::into_inner).is_loose {
        return crossed();
    }
    let name = element.tag_name();
    let left = Arc::clone(left);
    if let Some(handlers) = element.end_tag_handlers() {
        handlers.push(Box::new(move |end: &mut EndTag<'_>| {
            let tag = end.name();
            if nesting::ends_the_page(&tag) {
                // What follows stands inside all that is open; it may be white space.
                left.lock().unwrap_or_else(PoisonError::into_inner).is_loose = true;
                Ok(())
            } else if nesting::closes(&tag, &name) {
                Ok(())
            } else {
                crossed()
            }
        }));
    }
    Ok(())
}

fn crossed() -> HandlerResult {
    Err("an end tag crosses other elements, so there is no telling where a removed element ends".into())
}

fn trouble(error: &RewritingError) -> Unfilterable {
    match error {
        RewritingError::MemoryLimitExceeded(_) => Unfilterable::RowTooLarge,
        RewritingError::ContentHandlerError(error) => malformed(&error.to_string()),
        _ => malformed("there is no telling what is text in it and what is not"),
    }
}

fn malformed(what: &str) -> Unfilterable {
    Unfilterable::Malformed { format: "HTML", what: what.to_owned() }
}

/// Looks for the escape sequences of ISO-2022-JP: a page that no content type speaks for may turn its text into something else
/// by them, tags included.
#[derive(Debug, Default)]
struct Escapes {
    before: [u8; 2],
}

impl Escapes {
    fn are_in(&mut self, chunk: &[u8]) -> bool {
        const ESCAPE: u8 = 0x1b;
        let [mut one, mut two] = self.before;
        if !self.before.contains(&ESCAPE) && !chunk.contains(&ESCAPE) {
            self.before = [0, 0];
            return false;
        }
        for byte in chunk {
            if matches!((one, two, byte), (ESCAPE, b'$', b'@' | b'B') | (ESCAPE, b'(', b'I' | b'J')) {
                return true;
            }
            (one, two) = (two, *byte);
        }
        self.before = [one, two];
        false
    }
}

#[cfg(test)]
mod browser;
#[cfg(test)]
mod tests;
