//! Which end tag closes which open element in a browser (WHATWG HTML, sections 13.2.4.2 and 13.2.6).
//!
//! The parser here closes whatever stands inside the element that an end tag names. A browser ignores some end tags instead:
//! `</div>` within a table that was opened inside the `div`, `</p>` behind a block that has closed the `p` before, `</span>` with
//! a block open inside. Then the removed element goes on in the browser, while here it would be over.

/// Elements that an end tag of an element around them does not reach across.
const WALLS: &[&str] = &[
    "applet",
    "desc",
    "foreignobject",
    "marquee",
    "math",
    "annotation-xml",
    "mi",
    "mn",
    "mo",
    "ms",
    "mtext",
    "object",
    "select",
    "svg",
    "table",
    "template",
    "title",
];
const CELLS: &[&str] = &["td", "th", "caption"];
const PARTS_OF_TABLES: &[&str] = &["td", "th", "tr", "tbody", "thead", "tfoot", "table", "caption", "colgroup"];
/// Elements whose end tag is looked for through all that is open, up to a wall.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "button",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "li",
    "listing",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "search",
    "section",
    "summary",
    "ul",
];
/// Elements that a browser opens anew where something else has closed them.
const FORMATTING: &[&str] =
    &["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Elements whose end tag may be left out.
const IMPLIED: &[&str] = &["dd", "dt", "li", "optgroup", "option", "p", "rb", "rp", "rt", "rtc"];

/// Whether an end tag closes an open element in a browser, where the parser here has closed it.
pub(super) fn closes(tag: &str, open: &str) -> bool {
    if tag == open {
        return true;
    }
    let is = |names: &[&str], name: &str| names.contains(&name);
    if is(WALLS, open) {
        return false;
    }
    if is(CELLS, open) {
        return is(PARTS_OF_TABLES, tag);
    }
    match tag {
        // Nothing is closed by them, as it were: what is open goes on (see `ends_the_page`).
        "body" | "html" => true,
        "head" => false,
        // Opening a block has closed the paragraph already.
        "p" => !is(BLOCKS, open),
        "li" => open != "ul" && open != "ol" && open != "menu" && open != "dir",
        // Only the form itself is taken out; what is open inside goes on.
        "form" => is(IMPLIED, open),
        _ if is(BLOCKS, tag) || is(FORMATTING, tag) || is(PARTS_OF_TABLES, tag) => true,
        // Any other end tag stops at the first element of a kind of its own.
        _ => !is(BLOCKS, open) && !is(PARTS_OF_TABLES, open),
    }
}

/// Whether a browser opens an element anew behind an end tag that is not its own.
pub(super) fn goes_on_behind(tag: &str, open: &str) -> bool {
    tag != open && FORMATTING.contains(&open)
}

/// Whether what stands behind an end tag is still inside of what was open.
pub(super) fn ends_the_page(tag: &str) -> bool {
    tag == "body" || tag == "html"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_tag_closes_what_a_browser_lets_it_close() {
        for (tag, open, expected) in [
            ("div", "div", true),
            ("div", "p", true),
            ("div", "span", true),
            ("div", "table", false),
            ("div", "td", false),
            ("tr", "td", true),
            ("table", "td", true),
            ("table", "tr", true),
            ("ul", "li", true),
            ("li", "ul", false),
            ("li", "div", true),
            ("p", "div", false),
            ("p", "span", true),
            ("span", "div", false),
            ("span", "b", true),
            ("label", "p", false),
            ("b", "p", true),
            ("b", "table", false),
            ("form", "div", false),
            ("form", "p", true),
            ("svg", "g", true),
            ("div", "svg", false),
            ("div", "template", false),
            ("head", "div", false),
            ("my-price", "section", false),
        ] {
            assert_eq!(closes(tag, open), expected, "</{tag}> with <{open}> open");
        }
    }
}
