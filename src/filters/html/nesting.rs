//! Where a removed element ends in a browser (WHATWG HTML, sections 13.2.4.2 and 13.2.6).
//!
//! The parser here closes whatever stands inside the element that an end tag names. A browser ignores some end tags instead:
//! `</div>` within a table that was opened inside the `div`, `</p>` behind a block that has closed the `p` before, `</span>` with
//! a block open inside; and some start tags close elements that are still open here. Then a removed element could go on in the
//! browser, while here it would be over. So only that is followed which is closed as HTML has it: each element by its own end
//! tag, or where that may be left out, by the end tag of what the element belongs in.

/// By which end tags elements are closed whose own end tag may be left out (WHATWG HTML, section 13.1.2.4).
const MAY_BE_LEFT_OUT: &[(&[&str], &[&str])] = &[
    (&["li"], &["ul", "ol", "menu"]),
    (&["dt", "dd"], &["dl"]),
    (&["option"], &["optgroup", "select", "datalist"]),
    (&["optgroup"], &["select"]),
    (&["rt", "rp"], &["ruby"]),
    (&["td", "th"], &["tr", "tbody", "thead", "tfoot", "table"]),
    (&["tr"], &["tbody", "thead", "tfoot", "table"]),
    (&["tbody", "thead", "tfoot", "colgroup", "caption"], &["table"]),
    (
        &["p"],
        &[
            "article",
            "aside",
            "blockquote",
            "dd",
            "details",
            "div",
            "fieldset",
            "footer",
            "header",
            "li",
            "main",
            "section",
        ],
    ),
];

/// Whether an end tag closes an open element in a browser, where the parser here has closed it.
pub(super) fn closes(tag: &str, open: &str) -> bool {
    tag == open || MAY_BE_LEFT_OUT.iter().any(|(elements, tags)| elements.contains(&open) && tags.contains(&tag))
}

/// Whether what stands behind an end tag is still inside of what was open: a browser puts it there.
pub(super) fn ends_the_page(tag: &str) -> bool {
    tag == "body" || tag == "html"
}

/// Elements of HTML that close a foreign element they stand in (section 13.2.6.5).
const LEAVE_FOREIGN: &[&str] = &[
    "b",
    "big",
    "blockquote",
    "body",
    "br",
    "center",
    "code",
    "dd",
    "div",
    "dl",
    "dt",
    "em",
    "embed",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "hr",
    "i",
    "img",
    "li",
    "listing",
    "menu",
    "meta",
    "nobr",
    "ol",
    "p",
    "pre",
    "ruby",
    "s",
    "small",
    "span",
    "strong",
    "strike",
    "sub",
    "sup",
    "table",
    "tt",
    "u",
    "ul",
    "var",
];

/// Whether an element closes the foreign elements it stands in, all of them; the parser here closes one.
pub(super) fn leaves_foreign(name: &str) -> bool {
    LEAVE_FOREIGN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_tag_closes_what_a_browser_lets_it_close() {
        for (tag, open, expected) in [
            ("div", "div", true),
            ("div", "p", true),
            ("span", "p", false),
            ("p", "span", false),
            ("div", "span", false),
            ("div", "table", false),
            ("div", "td", false),
            ("tr", "td", true),
            ("table", "td", true),
            ("table", "tr", true),
            ("ul", "li", true),
            ("li", "ul", false),
            ("div", "li", false),
            ("dl", "dd", true),
            ("b", "p", false),
            ("form", "div", false),
            ("svg", "g", false),
            ("ruby", "rt", true),
        ] {
            assert_eq!(closes(tag, open), expected, "</{tag}> with <{open}> open");
        }
    }
}
