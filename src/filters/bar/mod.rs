//! The bar of a preview: placed at the beginning of a page's body while the page streams through (lol_html), and nothing else of the page
//! changed but what its own policy would refuse the bar (`csp`).
//!
//! A page is read up to where its body begins: at `<body>`, or, where that is left out, at the first thing that stands in no head. From
//! there on its bytes pass as they are. What is placed is ASCII alone, so it reads the same in every character set that builds on ASCII.
//!
//! A page of frames has no body to stand in. It gets no bar; its frames are pages of their own, which the browser asks for as frames.

mod csp;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use encoding_rs::{Encoding, UTF_8};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lol_html::html_content::{ContentType, EndTag, TextChunk, TextType};
use lol_html::send::{
    DocumentContentHandlers, Element, ElementContentHandlers, ElementHandler, HtmlRewriter, Settings, TextHandler,
};
use lol_html::{AsciiCompatibleEncoding, HandlerResult, MemorySettings, Selector};

use super::Unfilterable;

/// The size of the pieces that the parser gets.
const PIECE: usize = 1024;
/// The most that the parser holds: one tag of the head, with its attributes, and a data URL may be among them.
const MOST_HELD_BYTES: usize = 4 * 1024 * 1024;

/// What stands in a head (HTML, section 13.2.6.4.4), and the two elements around.
const OF_HEAD: [&str; 13] = [
    "base", "basefont", "bgsound", "head", "html", "link", "meta", "noframes", "noscript", "script", "style",
    "template", "title",
];

/// What is placed, and what a page's policy has to allow for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bar {
    /// The bar itself: ASCII, for the page may be in any character set.
    pub html: String,
    /// The address of its stylesheet.
    pub style: String,
    /// The addresses that its forms post to.
    pub forms: Vec<String>,
}

impl Bar {
    /// The policies of an answer's head, widened by what the bar needs.
    #[must_use]
    pub fn amended(&self, headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let names = [header::CONTENT_SECURITY_POLICY, header::CONTENT_SECURITY_POLICY_REPORT_ONLY];
        let of = |name: HeaderName| {
            let values = headers.get_all(&name).iter().map(|value| self.amend_value(value));
            values.map(|value| (name.clone(), value)).collect::<Vec<_>>()
        };
        names.into_iter().flat_map(of).collect()
    }

    fn amend_value(&self, value: &HeaderValue) -> HeaderValue {
        let amended = value.to_str().ok().and_then(|text| HeaderValue::try_from(csp::amend(text, self)).ok());
        amended.unwrap_or_else(|| value.clone())
    }

    /// Whether policies keep all forms of their page from being sent.
    #[must_use]
    pub fn are_forms_held_back<'a>(policies: impl IntoIterator<Item = &'a HeaderValue>) -> bool {
        policies.into_iter().filter_map(|value| value.to_str().ok()).any(csp::holds_forms_back)
    }
}

type Rewriter = HtmlRewriter<'static, Box<dyn FnMut(&[u8]) + Send>>;

/// Places a bar in a page, piece by piece.
pub struct BarFilter {
    bar: Arc<Bar>,
    charset: &'static Encoding,
    /// The first bytes, until it is clear whether they are a byte order mark.
    start: Vec<u8>,
    /// In a lock that is never waited for, for the parser itself cannot be shared between threads.
    rewriter: Mutex<Option<Rewriter>>,
    progress: Progress,
    left: Arc<Mutex<Vec<u8>>>,
    page: Arc<Mutex<Page>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    /// Nothing is read yet.
    Start,
    /// The head is being read.
    Head,
    /// What follows passes.
    Body,
}

/// Where in the page the parser is.
#[derive(Debug, Default)]
struct Page {
    /// The bar is placed, or there is no place for it.
    is_settled: bool,
    /// How many elements are open whose content is none of the page's yet.
    aside: usize,
}

impl fmt::Debug for BarFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BarFilter").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl BarFilter {
    /// For one page, in the character set that its content type names.
    #[must_use]
    pub fn new(bar: Arc<Bar>, charset: Option<&'static Encoding>) -> Self {
        Self {
            bar,
            charset: charset.unwrap_or(UTF_8),
            start: Vec::new(),
            rewriter: Mutex::new(None),
            progress: Progress::Start,
            left: Arc::default(),
            page: Arc::default(),
        }
    }

    /// Takes a piece of the page.
    ///
    /// # Errors
    /// [`Unfilterable`] where the page cannot be read.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        match self.progress {
            Progress::Body => out.extend_from_slice(chunk),
            Progress::Head => self.write(chunk, out)?,
            Progress::Start => {
                self.start.extend_from_slice(chunk);
                if self.start.len() >= 3 {
                    self.begin(out)?;
                }
            }
        }
        Ok(())
    }

    /// The end of the page. One without any body has the bar there.
    ///
    /// # Errors
    /// [`Unfilterable`] where the page cannot be read.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if self.progress == Progress::Start {
            self.begin(out)?;
        }
        self.pass_on(out)?;
        let is_settled = std::mem::replace(&mut lock(&self.page).is_settled, true);
        if !is_settled {
            out.extend_from_slice(self.bar.html.as_bytes());
        }
        Ok(())
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let start = std::mem::take(&mut self.start);
        if start.starts_with(&[0xfe, 0xff]) || start.starts_with(&[0xff, 0xfe]) {
            return Err(malformed("it is UTF-16 text"));
        }
        let encoding = AsciiCompatibleEncoding::new(self.charset)
            .ok_or_else(|| Unfilterable::ContentType(format!("text/html; charset={}", self.charset.name())))?;
        *self.rewriter.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(self.parser(encoding)?);
        self.progress = Progress::Head;
        self.write(&start, out)
    }

    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let mut rest = chunk;
        while let Some((piece, after)) =
            rest.split_at_checked(PIECE.min(rest.len())).filter(|(piece, _)| !piece.is_empty())
        {
            rest = after;
            let parser = self.rewriter.get_mut().unwrap_or_else(PoisonError::into_inner);
            if let Some(parser) = parser {
                parser.write(piece).map_err(|_| malformed("its head cannot be read"))?;
                out.append(&mut lock(&self.left));
            }
            if lock(&self.page).is_settled {
                self.pass_on(out)?;
                out.extend_from_slice(rest);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Lets go of the parser: what it holds is given back as it came, and what follows passes it by.
    fn pass_on(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.progress = Progress::Body;
        if let Some(parser) = self.rewriter.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            parser.end().map_err(|_| malformed("its head cannot be read"))?;
            out.append(&mut lock(&self.left));
        }
        Ok(())
    }

    fn parser(&self, encoding: AsciiCompatibleEncoding) -> Result<Rewriter, Unfilterable> {
        let settings = Settings::new_send()
            .with_encoding(encoding)
            .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(MOST_HELD_BYTES))
            // What is ambiguous about a page is the app's own business: nothing is taken out of it here.
            .with_strict(false)
            .with_enable_esi_tags(false)
            .with_adjust_charset_on_meta_tag(false);
        let (page, bar) = (Arc::clone(&self.page), Arc::clone(&self.bar));
        let element: ElementHandler<'static> = Box::new(move |element| look_at(element, &page, &bar));
        let (page, bar) = (Arc::clone(&self.page), Arc::clone(&self.bar));
        let text: TextHandler<'static> = Box::new(move |chunk| look_at_text(chunk, &page, &bar));
        let every = "*".parse::<Selector>().map_err(|_| malformed("a selector cannot be used"))?;
        let handlers = ElementContentHandlers { element: Some(element), ..ElementContentHandlers::default() };
        let of_document = DocumentContentHandlers { text: Some(text), ..DocumentContentHandlers::default() };
        let settings = settings
            .append_element_content_handler((Cow::Owned(every), handlers))
            .append_document_content_handler(of_document);
        let left = Arc::clone(&self.left);
        Ok(HtmlRewriter::new(settings, Box::new(move |piece: &[u8]| lock(&left).extend_from_slice(piece))))
    }
}

/// Looks at an element: where it is the body, or stands in one, the bar goes before what follows.
fn look_at(element: &mut Element<'_, '_>, page: &Arc<Mutex<Page>>, bar: &Bar) -> HandlerResult {
    let mut now = lock(page);
    let name = element.tag_name();
    if now.is_settled {
        return Ok(());
    }
    if name == "meta" {
        amend_meta(element, bar);
    }
    if now.aside > 0 {
        return Ok(());
    }
    match name.as_str() {
        "body" => {
            element.prepend(&bar.html, ContentType::Html);
            now.is_settled = true;
        }
        "frameset" => now.is_settled = true,
        "template" | "noscript" | "noframes" => {
            now.aside += 1;
            drop(now);
            let page = Arc::clone(page);
            if let Some(handlers) = element.end_tag_handlers() {
                handlers.push(Box::new(move |_: &mut EndTag<'_>| {
                    let mut now = lock(&page);
                    now.aside = now.aside.saturating_sub(1);
                    Ok(())
                }));
            }
        }
        name if OF_HEAD.contains(&name) => {}
        _ => {
            element.before(&bar.html, ContentType::Html);
            now.is_settled = true;
        }
    }
    Ok(())
}

/// Text that stands in no element of the head begins the body.
fn look_at_text(chunk: &mut TextChunk<'_>, page: &Arc<Mutex<Page>>, bar: &Bar) -> HandlerResult {
    let mut now = lock(page);
    let is_content = matches!(chunk.text_type(), TextType::Data | TextType::PlainText)
        && !chunk.as_str().trim_matches(|letter: char| letter.is_ascii_whitespace() || letter == '\u{feff}').is_empty();
    if is_content && now.aside == 0 && !now.is_settled {
        chunk.before(&bar.html, ContentType::Html);
        now.is_settled = true;
    }
    Ok(())
}

/// A policy may stand in the page itself. One that is written with references which we do not read stays as it is.
fn amend_meta(element: &mut Element<'_, '_>, bar: &Bar) {
    let is_policy = |value: String| value.trim().eq_ignore_ascii_case("content-security-policy");
    if !element.get_attribute("http-equiv").is_some_and(is_policy) {
        return;
    }
    if let Some(policy) = element.get_attribute("content").as_deref().and_then(unescape) {
        let amended = csp::amend(&policy, bar).replace('&', "&amp;");
        // The name is one that attributes may have.
        let _ = element.set_attribute("content", &amended);
    }
}

/// An attribute's value without the references that writers of policies use; `None` where there are others.
fn unescape(value: &str) -> Option<String> {
    const KNOWN: [(&str, &str); 9] = [
        ("&#39;", "'"),
        ("&#039;", "'"),
        ("&#x27;", "'"),
        ("&#X27;", "'"),
        ("&apos;", "'"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#x2F;", "/"),
        ("&#47;", "/"),
    ];
    let plain = KNOWN.iter().fold(value.to_owned(), |text, (reference, letter)| text.replace(reference, letter));
    (!plain.replace("&amp;", "").contains('&')).then(|| plain.replace("&amp;", "&"))
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn malformed(what: &str) -> Unfilterable {
    Unfilterable::Malformed { format: "HTML", what: what.to_owned() }
}

#[cfg(test)]
mod tests;
