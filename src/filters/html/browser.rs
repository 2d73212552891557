//! Whatever the tag soup, nothing leaves that a browser would show inside of a removed element.
//!
//! html5ever builds the tree that browsers build. What text stands inside of a removed element there must not be in what our
//! filter has let out, be it to the page's end or to where it is refused. `html` and `body` are left out, for a browser puts what
//! came before them inside; so are formatting elements where it matters what they stand in, for a browser moves those about
//! when more of the page has come.

use html5ever::tendril::TendrilSink as _;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use proptest::prelude::*;

use super::super::sample::{stream, work};
use super::*;
use crate::policy::Filters;

/// The text and comments inside of elements that `is_removed` names by their class and the classes around them.
fn inside(page: &str, is_removed: fn(&[String]) -> bool) -> String {
    let dom = parse_document(RcDom::default(), ParseOpts::default()).one(page);
    let mut found = String::new();
    walk(&dom.document, &mut Vec::new(), false, is_removed, &mut found);
    found
}

fn walk(
    node: &Handle,
    classes: &mut Vec<String>,
    is_inside: bool,
    is_removed: fn(&[String]) -> bool,
    found: &mut String,
) {
    let mut is_inside = is_inside;
    let depth = classes.len();
    match &node.data {
        NodeData::Text { contents } if is_inside => found.push_str(&contents.borrow()),
        NodeData::Comment { contents } if is_inside => found.push_str(contents),
        NodeData::Element { attrs, template_contents, .. } => {
            let class = attrs
                .borrow()
                .iter()
                .find(|attribute| &*attribute.name.local == "class")
                .map(|attribute| attribute.value.to_string());
            classes.push(class.unwrap_or_default());
            is_inside |= is_removed(classes);
            if let Some(contents) = &*template_contents.borrow() {
                walk(contents, classes, is_inside, is_removed, found);
            }
        }
        _ => {}
    }
    for child in node.children.borrow().iter() {
        walk(child, classes, is_inside, is_removed, found);
    }
    classes.truncate(depth);
}

const NAMES: [&str; 48] = [
    "div",
    "div",
    "p",
    "p",
    "span",
    "b",
    "i",
    "ul",
    "li",
    "ol",
    "dl",
    "dt",
    "dd",
    "table",
    "tbody",
    "tr",
    "td",
    "th",
    "caption",
    "colgroup",
    "form",
    "button",
    "select",
    "option",
    "optgroup",
    "template",
    "svg",
    "g",
    "desc",
    "title",
    "foreignObject",
    "math",
    "mi",
    "section",
    "h1",
    "h2",
    "body",
    "html",
    "head",
    "label",
    "my-part",
    "object",
    "font",
    "ruby",
    "rt",
    "textarea",
    "style",
    "pre",
];

/// Tags and numbered texts in any order.
fn soup(classes: &'static [&'static str]) -> impl Strategy<Value = String> {
    let name = prop::sample::select(&NAMES[..]);
    let names = prop::collection::vec(name, 1..6);
    names.prop_flat_map(move |names| {
        let piece = (0_u8..12, prop::sample::select(names), prop::sample::select(classes));
        prop::collection::vec(piece, 1..16).prop_map(|pieces| {
            let mut page = String::new();
            for (number, (kind, name, class)) in pieces.into_iter().enumerate() {
                match kind {
                    0..=2 => page.push_str(&format!("<{name}>")),
                    3..=4 | 10 if matches!(name, "html" | "body") => {}
                    3..=4 if classes.len() > 1 && matches!(name, "b" | "i" | "font") => {}
                    10 if classes.len() > 1 && matches!(name, "b" | "i" | "font") => {}
                    3..=4 => page.push_str(&format!("<{name} class={class}>")),
                    5..=8 => page.push_str(&format!("</{name}>")),
                    9 => page.push_str("<br>"),
                    10 => page.push_str(&format!("<{name} class={class} />")),
                    _ => page.push_str("<!-- x -->"),
                }
                page.push_str(&format!("T{number}."));
            }
            page
        })
    })
}

fn check(page: &str, selector: &str, is_removed: fn(&[String]) -> bool) -> Result<bool, TestCaseError> {
    let filters = Filters { remove: vec![selector.to_owned()], ..Filters::default() };
    let mut filter = HtmlFilter::new(&work(filters), None).expect("an engine");
    let (out, end) = stream(&mut filter, [page.as_bytes()], HtmlFilter::push, HtmlFilter::finish);
    let out = String::from_utf8_lossy(&out).into_owned();
    // What left before a refusal counts as well.
    for text in inside(page, is_removed).split_inclusive('.').filter(|text| text.starts_with('T')) {
        prop_assert!(!out.contains(text), "{} leaves {} of {}", text, out, page);
    }
    Ok(end.is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn attack_26_nothing_leaves_that_a_browser_shows_inside_of_a_removed_element(page in soup(&["price"])) {
        check(&page, ".price", |classes| classes.last().is_some_and(|class| class == "price"))?;
    }

    #[test]
    fn attack_26_nor_inside_of_one_that_is_removed_for_where_it_stands(page in soup(&["price", "admin"])) {
        check(&page, ".admin .price", |classes| {
            let (last, around) = classes.split_last().expect("an element");
            last == "price" && around.iter().any(|class| class == "admin")
        })?;
    }
}
