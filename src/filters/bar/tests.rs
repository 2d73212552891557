//! Where a bar is placed in pages as apps write them.

use proptest::prelude::*;

use super::*;

fn bar() -> Bar {
    Bar {
        html: "[bar]".to_owned(),
        style: "https://a.test/s.css".to_owned(),
        forms: vec!["https://a.test/end".to_owned()],
    }
}

fn placed(page: &[u8], size: usize) -> Result<String, &'static str> {
    let mut filter = BarFilter::new(Arc::new(bar()), None);
    let mut out = Vec::new();
    for piece in page.chunks(size.max(1)) {
        filter.push(piece, &mut out).map_err(|error| error.name())?;
    }
    filter.finish(&mut out).map_err(|error| error.name())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn the_bar_stands_where_the_body_begins() {
    for page in [
        "<!doctype html><html><head><title>A</title></head><body class=a>|<p>B</p></body></html>",
        "<!DOCTYPE html><title>A</title>|<p>B",
        "<!doctype html>\n<meta charset=utf-8>\n<link rel=x><style>p > a {}</style><script>if (a < b) '<body>'</script>|Text",
        "|Text alone",
        "|<div>B</div>",
        "<html><head><noscript><img src=x>Text</noscript><template><p>no</p></template></head><body>|B",
        "<html><head><!-- <body> --></head><BODY>|B",
        "<head></head><body\n data-x='>'>|<svg><title>S</title></svg>",
        "<html><head><title>A <b></title></head>|<h1>B</h1>",
        "|",
        " \n|",
        "<!doctype html><html><head><title>only a head</title></head></html>|",
        "<title>A</title><textarea>",
    ] {
        let given = page.replace('|', "");
        let expected = match page.contains('|') {
            true => page.replace('|', "[bar]"),
            false => page.replace("<textarea>", "[bar]<textarea>"),
        };
        for size in [1, 2, 7, 4096] {
            assert_eq!(placed(given.as_bytes(), size).as_deref(), Ok(&*expected), "{page} in pieces of {size}");
        }
    }
}

#[test]
fn frames_have_no_body_and_utf_16_is_not_read() {
    let frames = "<html><head></head><frameset cols='1,1'><frame src=a></frameset></html>";
    assert_eq!(placed(frames.as_bytes(), 9).as_deref(), Ok(frames));
    assert_eq!(placed(&[0xff, 0xfe, b'<', 0], 4), Err("malformed"));
}

#[test]
fn a_mark_of_byte_order_stays_first() {
    let page = "\u{feff}<!doctype html><body>B";
    assert_eq!(placed(page.as_bytes(), 1).as_deref(), Ok("\u{feff}<!doctype html><body>[bar]B"));
}

#[test]
fn a_policy_in_the_page_lets_the_bar_in() {
    let check = |given: &str, expected: &str| {
        let page = format!("<head><meta http-equiv=Content-Security-Policy content=\"{given}\"></head><body>B");
        let placed = placed(page.as_bytes(), 11).expect("it can be read");
        assert!(placed.contains(&format!("content=\"{expected}\"")), "{placed}");
        assert!(placed.contains("<body>[bar]B"), "{placed}");
    };
    check("default-src 'self'", "default-src 'self'; style-src-elem 'self' https://a.test/s.css");
    check("default-src &#39;none&#39;", "default-src 'none'; style-src-elem https://a.test/s.css");
    check("form-action x?a&amp;b", "form-action x?a&amp;b https://a.test/end");
    // What is not read is not changed.
    check("default-src &lsquo;", "default-src &lsquo;");
}

#[test]
fn policies_in_a_head_are_amended_one_by_one() {
    let mut headers = HeaderMap::new();
    for value in ["default-src 'self'", "style-src 'none'"] {
        headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(value));
    }
    headers.append(header::CONTENT_SECURITY_POLICY_REPORT_ONLY, HeaderValue::from_static("form-action 'none'"));
    let amended = bar().amended(&headers);
    let values: Vec<_> = amended.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII"))).collect();
    let (policy, report) = ("content-security-policy", "content-security-policy-report-only");
    assert_eq!(
        values,
        [
            (policy, "default-src 'self'; style-src-elem 'self' https://a.test/s.css"),
            (policy, "style-src https://a.test/s.css"),
            (report, "form-action https://a.test/end"),
        ]
    );
}

proptest! {
    #[test]
    fn nothing_of_a_page_is_lost_and_the_bar_stands_there_once(
        page in "(<!doctype html>)?(<html>)?(<head>)?([<>a-z/ \"'=!&-]|<p>|<title>|</title>|<script>|</script>|<body>|<table>|<noscript>|<!--){0,40}",
        size in 1_usize..50,
    ) {
        let placed = placed(page.as_bytes(), size).expect("it can be read");
        prop_assert_eq!(placed.matches("[bar]").count(), 1, "{}", placed);
        prop_assert_eq!(placed.replace("[bar]", ""), page);
    }

    #[test]
    fn any_bytes_pass(page in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..20) {
        prop_assume!(!page.starts_with(&[0xff, 0xfe]) && !page.starts_with(&[0xfe, 0xff]));
        let mut filter = BarFilter::new(Arc::new(bar()), None);
        let mut out = Vec::new();
        for piece in page.chunks(size) {
            filter.push(piece, &mut out).expect("it can be read");
        }
        filter.finish(&mut out).expect("it can be read");
        let text = String::from_utf8_lossy(&out).into_owned();
        prop_assert!(text.contains("[bar]") || text.to_ascii_lowercase().contains("<frameset"));
    }
}
