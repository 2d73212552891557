//! Pages: nothing of a removed element leaves, however the page is cut and however it is nested.

use proptest::prelude::*;

use super::super::sample::{cut, stream, work};
use super::*;
use crate::policy::Filters;

fn removing(selectors: &[&str]) -> Filters {
    Filters { remove: selectors.iter().map(|text| (*text).to_owned()).collect(), ..Filters::default() }
}

fn run(
    filters: &Filters,
    charset: Option<&'static Encoding>,
    pieces: Vec<&[u8]>,
) -> (Vec<u8>, Result<(), Unfilterable>) {
    let mut work = work(filters.clone());
    work.most_row_bytes = 64 * 1024;
    match HtmlFilter::new(&work, charset) {
        Ok(mut filter) => stream(&mut filter, pieces, HtmlFilter::push, HtmlFilter::finish),
        Err(error) => (Vec::new(), Err(error)),
    }
}

/// What is left of a page, whole and byte by byte.
fn filtered(selectors: &[&str], page: &str) -> String {
    let whole = run(&removing(selectors), None, vec![page.as_bytes()]);
    let bytewise = run(&removing(selectors), None, page.as_bytes().chunks(1).collect());
    assert_eq!(whole.1, bytewise.1, "{page}");
    if whole.1.is_ok() {
        assert_eq!(whole.0, bytewise.0, "{page}");
    }
    assert!(!bytewise.0.windows(6).any(|window| window == b"SECRET"), "{page}");
    assert!(!whole.0.windows(6).any(|window| window == b"SECRET"), "{page}");
    match whole {
        (out, Ok(())) => String::from_utf8(out).expect("text"),
        (_, Err(error)) => error.name().to_owned(),
    }
}

#[test]
fn a_removed_element_leaves_with_all_that_is_in_it() {
    for (page, expected) in [
        ("<p>a<b class=price>SECRET</b>c</p>", "<p>ac</p>"),
        ("<p class=\"big Price\">a</p><P CLASS='x price y'>SECRET</P>b", "<p class=\"big Price\">a</p>b"),
        ("<div class=price><div>SECRET</div><p>SECRET</div>b", "b"),
        ("<div class=price><div class=price>SECRET</div>SECRET</div>b", "b"),
        ("<div class=price>SECRET", ""),
        ("a<div class=price><!-- SECRET --><script>'SECRET'</script><style>SECRET</style></div>b", "ab"),
        ("a<img class=price alt=SECRET>b<br class=price>c", "abc"),
        ("a<template><i class=price>SECRET</i>b</template>", "a<template>b</template>"),
        ("a<svg><g class=price><text>SECRET</text></g><path class=price d=SECRET /><g/></svg>", "a<svg><g/></svg>"),
        ("a<svg class=price data-x=SECRET ></svg><i>b</i>", "a<i>b</i>"),
        ("<math><mi class=price>SECRET</mi><mo>+</mo></math>", "<math><mo>+</mo></math>"),
        ("a<noscript><i class=price>SECRET</i></noscript>b", "ab"),
        ("<head><noscript><link class=price href=SECRET></noscript></head>", "<head></head>"),
        ("<table><tr><td>1<td class=price>SECRET</td><tr><td>2</table>x", "<table><tr><td>1<tr><td>2</table>x"),
        ("<ul><li>1<li class=price>SECRET</li></ul>b", "<ul><li>1</ul>b"),
        (
            "<svg><title>t</title><desc>d</desc><path class=price /></svg>b",
            "<svg><title>t</title><desc>d</desc></svg>b",
        ),
        ("<UL><LI class=price>SECRET</LI></UL>b", "<UL></UL>b"),
        ("<select><option>1<option class=price>SECRET</option></select>b", "<select><option>1</select>b"),
        ("<body>a<div class=price>SECRET</body>SECRET</html>SECRET", "<body>a"),
        ("<body class=price>SECRET</body>SECRET", ""),
        ("<esi:include class=price>SECRET</esi:include>b", "b"),
        ("<my-price class=price>SECRET</my-price>b", "b"),
        ("a < b <3 &amp; c", "a < b <3 &amp; c"),
        ("", ""),
        ("a", "a"),
        ("\u{feff}<i class=price>SECRET</i>", "\u{feff}"),
        (
            "<!doctype html><!-- x --><title><i class=price></title>",
            "<!doctype html><!-- x --><title><i class=price></title>",
        ),
        ("<textarea><i class=price></textarea>", "<textarea><i class=price></textarea>"),
        ("a<", "a<"),
        ("a<div class=price>SECRET</div", "a"),
    ] {
        assert_eq!(filtered(&[".price"], page), expected, "{page}");
    }
    let page = "<div id=admin><a href='/x'>SECRET</a></div><nav><a href='/admin/x'>SECRET</a></nav><a href='/b?a=1&amp;b'>b</a>";
    assert_eq!(filtered(&["#admin, nav a", "[href^='/admin']"], page), "<nav></nav><a href='/b?a=1&amp;b'>b</a>");
}

#[test]
fn attack_26_markup_whose_end_a_browser_sees_elsewhere_is_refused() {
    for page in [
        // The end tag is ignored within a table, a template, a foreign element.
        "<div class=price><table><tr><td></div>SECRET</td></tr></table></div>",
        "<div class=price><template></div>SECRET</template></div>",
        "<div class=price><svg><desc></div>SECRET</desc></svg></div>",
        "<div class=price><div><table><td></div>x</td></table></div>SECRET</div>",
        // The paragraph is closed already, and `</p>` makes a new one.
        "<p><div class=price></p>SECRET</div>",
        "<p class=price><button></p>SECRET</button>",
        // An end tag of another kind stops at a block.
        "<span class=price><div>1</span>SECRET</div>",
        "<label><div class=price>1</label>SECRET</div>",
        "<li class=price><ul></li>SECRET</ul></li>",
        "<form class=price><div></form>SECRET</div>",
        "<head><div class=price>1</head>SECRET</div>",
        // Where an end tag is left out, what stands around may be closed already.
        "<ul><li class=price>SECRET</ul>b",
        "<table><tr><td class=price>SECRET</tr></table>b",
        "<div><applet><p class=price>SECRET</div>SECRET",
        // The parser would take what follows for foreign still.
        "<svg class=price /><my-part class=price />SECRET",
        "<svg><svg><ul class=price />SECRET",
        "<math><mi><mi></mi><mi class=price />SECRET",
        // A formatting element is opened anew behind the end of what it stands in.
        "<div><b class=price>1</div>SECRET",
        "<p><i class=price>1</p><p>SECRET</p>",
        // Raw text in a select, or not.
        "<select><xmp><div class=price></select>SECRET</div></xmp>",
        // Behind a foreign element that is not closed, raw text is none.
        "<div><svg></div><style><!--</style><div class=price>SECRET</div>",
        "<math><mi><mglyph><style><div class=price>SECRET</div></style></mglyph></mi></math>",
        // A class spelt by reference.
        "<div class=pr&#105;ce>SECRET</div>",
        "<div class='x&Tab;price'>SECRET</div>",
        // A tag that has no end.
        "a<div class=price title=SECRET",
    ] {
        assert_eq!(filtered(&[".price"], page), "malformed", "{page}");
    }
    let page = "<div id=admin><table><td></div><b class=price>SECRET</b></td></table></div>";
    assert_eq!(filtered(&["#admin .price"], page), "malformed");
    assert_eq!(filtered(&["[data-x=price]"], "<div data-x='pr&#105;ce'>SECRET</div>"), "malformed");
}

#[test]
fn attack_26_another_character_set_than_was_said_hides_nothing() {
    let utf16: Vec<u8> = "\u{feff}<i class=price>SECRET</i>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let plain = removing(&[".price"]);
    for charset in [None, Some(UTF_8)] {
        assert_eq!(run(&plain, charset, utf16.chunks(1).collect()), (Vec::new(), Err(malformed("it is UTF-16 text"))));
    }
    let escaped = b"<p title=\"\x1b$B\"\x1b(B\"><i class=price>";
    assert!(run(&plain, None, escaped.chunks(1).collect()).1.is_err());
    assert!(
        run(&plain, None, vec![b"<pre>\x1b[31mred\x1b(B</pre>"]).1.is_ok(),
        "a terminal's colours are none of these"
    );
    assert!(run(&plain, Encoding::for_label(b"iso-2022-jp"), vec![b"abc"]).1.is_err());

    // What a meta element says changes nothing: tags are ASCII in every character set that is taken.
    let page = "<meta charset=windows-1252><i class=price>SECRET</i>\u{e9}";
    assert_eq!(filtered(&[".price"], page), "<meta charset=windows-1252>\u{e9}");
    let page = b"<meta charset=utf-8><i class=price>SECRET</i>\xe9<i class=pr\xe9>";
    assert_eq!(run(&plain, Encoding::for_label(b"latin1"), vec![page]).0, b"<meta charset=utf-8>\xe9<i class=pr\xe9>");

    // A selector with other letters is looked for in the page's own character set, which must be known.
    let accent = removing(&[".pr\u{e9}"]);
    assert_eq!(
        run(&accent, Encoding::for_label(b"latin1"), vec![b"<i class=pr\xe9>SECRET</i>b"]),
        (b"b".to_vec(), Ok(()))
    );
    assert_eq!(run(&accent, Some(UTF_8), vec!["<i class=pré>SECRET</i>b".as_bytes()]), (b"b".to_vec(), Ok(())));
    assert!(run(&accent, None, vec!["<i class=pré>SECRET</i>b".as_bytes()]).1.is_err());
}

#[test]
fn memory_is_bounded_and_large_pages_pass() {
    let large = format!("<p>{}</p><i class=price>{}</i>", "x".repeat(300_000), "SECRET".repeat(50_000));
    let (out, end) = run(&removing(&[".price"]), None, vec![large.as_bytes()]);
    assert_eq!((out.len(), end), (300_007, Ok(())));
    let tag = format!("<p title=\"{}\">", "x".repeat(100_000));
    assert_eq!(run(&removing(&[".price"]), None, vec![tag.as_bytes()]).1, Err(Unfilterable::RowTooLarge));
    let deep = "<div>".repeat(100_000);
    assert_eq!(run(&removing(&[".price"]), None, vec![deep.as_bytes()]).1, Err(Unfilterable::RowTooLarge));
    let mut filter = HtmlFilter::new(&work(removing(&[".price"])), None).expect("an engine");
    let mut out = Vec::new();
    assert!(filter.push("<p a=".repeat(9000).as_bytes(), &mut out).is_err());
    assert!(filter.push(b"x", &mut out).is_err() && filter.finish(&mut out).is_err(), "no panic after an error");
}

const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<HtmlFilter>();

/// A piece of a page that is nested as it should be, with canaries in what is removed.
fn markup() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("text &amp; <!-- note --> ".to_owned()),
        Just("<br><img src='a.png' alt=\"a > b\">".to_owned()),
        Just("<script>if (a < b) '<i class=price>'</script>".to_owned()),
        Just("<svg viewBox='0 0 1 1'><path d='M0'/><title>t</title></svg>".to_owned()),
        Just("<input class='price' value=SECRET>".to_owned()),
        Just("<svg><path class=price d=SECRET /></svg>".to_owned()),
        Just("<noscript><i>SECRET</i></noscript>".to_owned()),
        "[a-z äö]{0,8}".prop_map(|text| text),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let names =
            prop::sample::select(vec!["div", "span", "b", "ul", "section", "my-part", "p", "table", "template", "svg"]);
        (names, any::<bool>(), prop::collection::vec(inner, 0..5)).prop_map(|(name, is_price, parts)| {
            if is_price {
                let parts = parts.concat();
                format!("<{name} id=x class=\"a price\" data-x='SECRET'>SECRET{parts}<!--SECRET-->SECRET</{name}>")
            } else {
                format!("<{name} class=pricey>{}</{name}>", parts.concat())
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn cuts_change_nothing_and_no_canary_leaves(
        page in markup(),
        end in any::<usize>(),
        places in prop::collection::vec(any::<usize>(), 0..8)
    ) {
        let is_whole = end % 2 == 0;
        let end = if is_whole { page.len() } else { end % (page.len() + 1) };
        let page = page.as_bytes().get(..end).unwrap_or_default();
        let filters = removing(&[".price"]);
        let whole = run(&filters, None, vec![page]);
        prop_assert!(!whole.0.windows(6).any(|window| window == b"SECRET"), "{}", String::from_utf8_lossy(&whole.0));
        let (out, end) = run(&filters, None, cut(page, &places));
        prop_assert!(!out.windows(6).any(|window| window == b"SECRET"), "{}", String::from_utf8_lossy(&out));
        prop_assert_eq!(&end, &whole.1);
        if end.is_ok() {
            prop_assert_eq!(out, whole.0);
        }
    }

    #[test]
    fn no_bytes_panic_and_cuts_change_nothing(
        page in prop::collection::vec(prop::sample::select(vec![
            "<", ">", "/", "p", "div", "</div>", "<div class=price>", "SECRET", "</p>", "<!--", "-->", "<table>", "</table>", "<td>",
            "<svg>", "</svg>", "<select>", "<style>", "</style>", "<![CDATA[", "]]>", "&", "'", "\"", "=", "\u{1b}", "\0", "é",
            "<b class=price>", "</b>", "<li>", "</body>", "<template>", "</template>", "<title>", "</title>", " ",
        ]), 0..24),
        places in prop::collection::vec(any::<usize>(), 0..6)
    ) {
        let page = page.concat();
        for selectors in [&[".price"][..], &["div .price, p b"]] {
            let filters = removing(selectors);
            let (out, end) = run(&filters, None, vec![page.as_bytes()]);
            let (in_pieces, other_end) = run(&filters, None, cut(page.as_bytes(), &places));
            prop_assert_eq!(&other_end, &end);
            if end.is_ok() {
                prop_assert_eq!(in_pieces, out);
            }
        }
    }
}
