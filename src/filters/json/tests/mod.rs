//! The filter of JSON: each trap by itself, and random documents against a plain model.

mod model;

use proptest::prelude::*;

use super::{Documents, JsonFilter};
use crate::filters::{MOST_DEPTH, Unfilterable, Work, sample};
use model::{Tree, check, rule, streamed};

/// What leaves of a document, in one piece, byte by byte and against the model.
fn outcome(rule_text: &str, documents: Documents, text: &str) -> String {
    let work = rule(rule_text);
    let (out, done) = streamed(&work, documents, text.as_bytes(), &[]);
    for size in 1..4 {
        check(&work, documents, text.as_bytes(), &[size]);
    }
    match done {
        Ok(()) => String::from_utf8(out).expect("UTF-8"),
        Err(error) => format!("{}: {error}", error.name()),
    }
}

fn json(rule: &str, text: &str, expected: &str) {
    assert_eq!(outcome(rule, Documents::One, text), expected, "{rule} on {text}");
}

fn lines(rule: &str, text: &str, expected: &str) {
    assert_eq!(outcome(rule, Documents::EachLine, text), expected, "{rule} on {text}");
}

fn refused(rule: &str, text: &str, reason: &str) {
    let outcome = outcome(rule, Documents::One, text);
    assert!(outcome.starts_with(&format!("{reason}: ")), "{rule} on {text}: {outcome}");
}

#[test]
fn hidden_members_go_with_their_commas() {
    json("hide price", r#"{"a":1,"price":2,"b":3}"#, r#"{"a":1,"b":3}"#);
    json("hide price", r#"{"price":2,"b":3}"#, r#"{"b":3}"#);
    json("hide price", r#"{"a":1,"price":2}"#, r#"{"a":1}"#);
    json("hide price", r#"{"price":2}"#, "{}");
    json("hide price", r#"{"price":1,"price":2,"a":1,"price":[{}]}"#, r#"{"a":1}"#);
    json("hide price", "{ \"price\" : 1 ,\n  \"a\" : 2 }", "{ \n  \"a\" : 2 }");
    json("hide price", "{\n  \"a\": 1,\n  \"price\": 2\n}\n", "{\n  \"a\": 1\n}\n");
    json("hide price", "{\n  \"price\": 1,\n  \"b\": 2\n}\n", "{\n  \"b\": 2\n}\n");
    json("hide price, a", r#"{"a":1,"price":{"a":2},"b":[{"a":[1,2]},{"c":4,"a":null}]}"#, r#"{"b":[{},{"c":4}]}"#);
    json("hide price", r#"[[[{"price":1}]],{"x":{"price":"a,b"}}]"#, r#"[[[{}]],{"x":{}}]"#);
}

#[test]
fn a_name_is_the_same_however_it_is_written() {
    json(
        "hide price",
        r#"{"PRICE":1,"Price":2,"\u0070rice":3,"pri\u0063\u0065":4,"\u0050\u0052ice":5,"prices":6}"#,
        r#"{"prices":6}"#,
    );
    json("hide größe", r#"{"größe":1,"gr\u00f6\u00dfe":2,"GRößE":3,"GRÖSSE":4}"#, r#"{"GRÖSSE":4}"#);
    json("hide 😀", r#"{"😀":1,"\ud83d\ude00":2,"\ud83d":3,"\ude00\ud83d":4}"#, r#"{"\ud83d":3,"\ude00\ud83d":4}"#);
    json(r#"hide "a.b""#, r#"{"a.b":1,"a":{"b":2}}"#, r#"{"a":{"b":2}}"#);
    json(r#"hide say "x"#, r#"{"say \"x":1,"say \u0022x":2}"#, "{}");
}

#[test]
fn a_way_from_the_top_means_only_that_place() {
    json("hide $.price", r#"{"price":1,"a":{"price":2}}"#, r#"{"a":{"price":2}}"#);
    json(
        "hide rows[].price",
        r#"{"rows":[{"price":1},{"a":{"price":2}}],"price":3}"#,
        r#"{"rows":[{},{"a":{"price":2}}],"price":3}"#,
    );
    json("hide rows.price", r#"{"rows":{"price":1},"r":{"price":2}}"#, r#"{"rows":{},"r":{"price":2}}"#);
    json("hide [].price", r#"[{"price":1},[{"price":2}]]"#, r#"[{},[{"price":2}]]"#);
    json("hide [][].price", r#"[{"price":1},[{"price":2}]]"#, r#"[{"price":1},[{}]]"#);
    json("hide a[]", r#"{"a":[ 1, {"x":2}, [3] ],"b":[1]}"#, r#"{"a":[ ],"b":[1]}"#);
    json("hide a[][]", r#"{"a":[1,[2,3],{}]}"#, r#"{"a":[1,[],{}]}"#);
    json("hide ROWS[].Price,rows[].id", r#"{"Rows":[{"price":1,"ID":2,"c":3}]}"#, r#"{"Rows":[{"c":3}]}"#);
}

#[test]
fn set_replaces_what_is_there() {
    json("set price=0", r#"{"price": [1,{"price":2}], "a":{"price":null}}"#, r#"{"price": 0, "a":{"price":0}}"#);
    json("set price={\"a\":[]}", r#"[{"price":12}]"#, r#"[{"price":{"a":[]}}]"#);
    json("set a[]=0", r#"{"a":[ 1 , {"b":2}],"b":1}"#, r#"{"a":[ 0 , 0],"b":1}"#);
    json("set price=0", r#"{"a":1}"#, r#"{"a":1}"#);
    json("set price=0,$.price=1", r#"{"price":5,"a":{"price":5}}"#, r#"{"price":1,"a":{"price":0}}"#);
    json("hide a.price | set price=0", r#"{"price":5,"a":{"price":5}}"#, r#"{"price":0,"a":{}}"#);
}

#[test]
fn rows_are_found_where_they_stand() {
    let rule = "rows row.customer == 42";
    json(
        rule,
        r#"[{"customer":42},{"customer":1},{"customer":42,"x":[1]}]"#,
        r#"[{"customer":42},{"customer":42,"x":[1]}]"#,
    );
    json(rule, r#"[{"customer":1},{"customer":42}]"#, r#"[{"customer":42}]"#);
    json(rule, r#"[{"customer":1}]"#, "[]");
    json(rule, "[]", "[]");
    json(
        rule,
        r#"{"n":1,"data":{"items":[{"customer":1},{"customer":42}]},"m":[3]}"#,
        r#"{"n":1,"data":{"items":[{"customer":42}]},"m":[]}"#,
    );
    json(rule, r#"{"customer":42,"name":"x"}"#, r#"{"customer":42,"name":"x"}"#);
    refused(rule, r#"{"customer":41,"name":"x"}"#, "not-their-row");
    refused(rule, "1", "not-their-row");
    json("rows row == 1", "[1,2,1,[1],\"1\"]", "[1,1]");
    json("rows row == 1", "1", "1");
    json("rows row == 1", " 1 ", " 1 ");
}

#[test]
fn a_row_is_judged_as_it_came() {
    json("hide customer | rows row.customer == 42", r#"[{"customer":42,"a":1},{"customer":1,"a":2}]"#, r#"[{"a":1}]"#);
    json("set customer=0 | rows row.customer == 42", r#"[{"customer":42},{"customer":0}]"#, r#"[{"customer":0}]"#);
    // Whoever reads the answer may take the other one.
    json("rows row.customer == 42", r#"[{"customer":1,"customer":42},{"customer":42,"\u0063ustomer":42}]"#, "[]");
    json("rows row.customer == 42", r#"[{"other":42},{"customer":"42"},null]"#, "[]");
    json("hide list | rows row.customer == 42", r#"{"list":[1],"customer":42}"#, r#"{"customer":42}"#);
    refused("hide list | rows row.customer == 42", r#"{"list":[1],"customer":1}"#, "not-their-row");
}

#[test]
fn rows_at_the_top_are_the_document_or_its_elements() {
    let rule = "at $ | rows row.customer == 42";
    json(rule, r#"{"customer":42,"lines":[{"customer":1}]}"#, r#"{"customer":42,"lines":[{"customer":1}]}"#);
    refused(rule, r#"{"customer":1,"lines":[{"customer":42}]}"#, "not-their-row");
    json(
        rule,
        r#"[{"customer":42,"lines":[{"customer":1}]},{"customer":2}]"#,
        r#"[{"customer":42,"lines":[{"customer":1}]}]"#,
    );
}

#[test]
fn attack_26_another_s_order_does_not_pass_for_the_lines_it_has() {
    let rule = "rows row.customer == 42";
    for order in [
        r#"{"id":3,"customer":41,"lines":[{"sku":"A"}]}"#,
        r#"{"lines":[{"sku":"A"}],"id":3,"Customer":41}"#,
        r#"{"data":{"c\u0075stomer":41,"tags":[]}}"#,
        r#"{"orders":{"3":{"customer":41}},"links":[]}"#,
        r#"{"customer":42,"lines":[{"customer":42}]}"#,
    ] {
        refused(rule, &order.replace(r"\\", r"\"), "kind");
    }
    json("hide list | rows row.a == 42", r#"{"list":{"a":1},"rows":[{"a":42}]}"#, r#"{"rows":[{"a":42}]}"#);
    json("error | rows row.a == 42", r#"{"a":1,"rows":[{"a":41}]}"#, r#"{"a":1,"rows":[]}"#);
}

#[test]
fn attack_26_rows_that_are_not_where_the_rule_says_are_not_let_through_unseen() {
    let rule = "at data.orders | rows row.customer == 42";
    for other in [
        r#"{"id":3,"customer":41}"#,
        r#"{"data":{"order":{"customer":41}}}"#,
        r#"{"data":{}}"#,
        r#"["a"]"#,
        "1",
        r#""x""#,
        "{}",
    ] {
        refused(rule, other, "rows-elsewhere");
    }
    json("at a[].rows | rows row == 1", r#"{"a":[]}"#, r#"{"a":[]}"#);
    json(&format!("error | {rule}"), r#"{"error":1}"#, r#"{"error":1}"#);
}

#[test]
fn rows_at_a_path_are_nowhere_else() {
    let rule = "at rows | rows row.customer == 42";
    json(rule, r#"{"rows":[{"customer":1},{"customer":42}],"n":[1,2]}"#, r#"{"rows":[{"customer":42}],"n":[1,2]}"#);
    json("at rows[] | rows row.customer == 42", r#"{"rows":[{"customer":1}]}"#, r#"{"rows":[]}"#);
    json("at [] | rows row.customer == 42", r#"[{"customer":1}]"#, "[]");
    json(
        "at a[].rows | rows row == 1",
        r#"{"a":[{"rows":[1,2]},{"rows":[2]},{"x":3}]}"#,
        r#"{"a":[{"rows":[1]},{"rows":[]},{"x":3}]}"#,
    );
    for elsewhere in [
        r#"{"rows":[],"more":[{"customer":1}]}"#,
        r#"{"rows":[],"more":[1,[2]]}"#,
        r#"{"more":{"rows":[{}]}}"#,
        r#"[{"customer":1}]"#,
        r#"{"rows":{"customer":1}}"#,
        r#"{"rows":null}"#,
    ] {
        refused(rule, elsewhere, "rows-elsewhere");
    }
    json(
        rule,
        r#"{"rows":[{"customer":42,"lines":[{"customer":1}]}]}"#,
        r#"{"rows":[{"customer":42,"lines":[{"customer":1}]}]}"#,
    );
    json("hide more | at rows | rows row == 1", r#"{"rows":[1,2],"more":[{"a":[{}]}]}"#, r#"{"rows":[1]}"#);
    json("set more=[] | at rows | rows row == 1", r#"{"rows":[1,2],"more":[{"a":[{}]}]}"#, r#"{"rows":[1],"more":[]}"#);
}

#[test]
fn an_error_answer_says_what_went_wrong() {
    let error = r#"{"error":"not found","price":1}"#;
    json("error | hide price | rows row.customer == 42", error, r#"{"error":"not found"}"#);
    json("error | hide price | at $ | rows row.customer == 42", error, r#"{"error":"not found"}"#);
    json("error | at rows | rows row.customer == 42", r#"{"rows":null,"error":1}"#, r#"{"rows":null,"error":1}"#);
    json("error | rows row.customer == 42", r#"{"a":[{"customer":1},{"customer":42}]}"#, r#"{"a":[{"customer":42}]}"#);
    json("error | rows row.customer == 42", r#"[{"customer":1}]"#, "[]");
    refused("error | at $ | rows row.customer == 42", r#"{"a":[{"customer":42}]}"#, "not-their-row");
    refused("error | at rows | rows row.customer == 42", r#"{"a":[{"customer":42}]}"#, "rows-elsewhere");
    json("error | rows row == 1", "\"gone\"", "\"gone\"");
}

#[test]
fn each_line_is_a_document_and_a_row() {
    lines("hide price, $.id", "{\"price\":1}\n{\"id\":1,\"a\":{\"id\":2}}\n", "{}\n{\"a\":{\"id\":2}}\n");
    let rule = "rows row.customer == 42";
    lines(
        rule,
        "{\"customer\":42}\n{\"customer\":1}\r\n\n{\"customer\":42} \r\n",
        "{\"customer\":42}\n\n{\"customer\":42} \r\n",
    );
    lines(rule, "{\"customer\":1}\n{\"customer\":42}", "{\"customer\":42}");
    lines(rule, "{\"customer\":42}\n{\"customer\":1}", "{\"customer\":42}\n");
    lines("rows row == 1", "1\n2\n 1\n1", "1\n 1\n1");
    lines("rows row == 1", "\u{feff}1\n2", "1\n");
    lines(
        "at rows | rows row.customer == 42",
        "{\"customer\":42,\"rows\":[{}]}\n{\"rows\":[]}",
        "{\"customer\":42,\"rows\":[{}]}\n",
    );
    lines("rows row == 1", "", "");
    lines("rows row == 1", "\n \n", "\n \n");
    // What is no error in one document is none in lines; an error answer's lines are rows all the same.
    lines("error | rows row.customer == 42", "{\"a\":1}\n{\"customer\":42}\n", "{\"customer\":42}\n");
    for malformed in ["{\"a\":\n1}", "{} {}", "{}\n{", "[1,\n2]\n", "{\"a\":1}x\n"] {
        let outcome = outcome("rows row.customer == 42", Documents::EachLine, malformed);
        assert!(outcome.starts_with("malformed: "), "{malformed}: {outcome}");
    }
}

#[test]
fn what_is_not_json_is_refused_where_it_stops_being_so() {
    for malformed in [
        " ",
        "{",
        "[",
        "\"",
        "nul",
        "nulll",
        "tRue",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "1.",
        ".1",
        "1e",
        "1e+",
        "0x1",
        "--1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[1}",
        "{\"a\":1]",
        "]",
        "1 2",
        "{}{}",
        "{} x",
        "[]]",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"\t\"",
        "\"\u{0}\"",
        "/**/1",
        "[1]//",
        "\u{feff}",
        "\u{feff}\u{feff}1",
        "\u{a0}1",
        "\u{c}1",
        ",",
        ":",
        "{\"a\"::1}",
        "\u{feff} ",
        "[\"\\ud800\\\"]",
    ] {
        refused("hide price", malformed, "malformed");
    }
    for fine in [
        "0",
        "-0",
        "-0.0e-0",
        "1E+2",
        "10",
        "\"\u{7f}\u{2028}\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "[ ]",
        "{ }",
        "\t\r\n 1 \n",
        "\u{10ffff}",
        "true",
        "1e999",
        "123456789012345678901234567890",
    ] {
        let fine = if fine.starts_with('\u{10ffff}') { format!("\"{fine}\"") } else { fine.to_owned() };
        json("hide price", &fine, &fine);
    }
    json("hide price", "", "");
    json("hide price", "\u{feff}{\"price\":1}", "{}");
    for bytes in [
        &b"\"\x80\""[..],
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf5\x80\x80\x80\"",
        b"\"\xe2\x82\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\xef\xbb1",
        b"\"\xc3",
    ] {
        for size in 1..4 {
            assert_eq!(check(&rule("hide price"), Documents::One, bytes, &[size]), None, "{bytes:?}");
            assert!(streamed(&rule("hide price"), Documents::One, bytes, &[size]).1.is_err());
        }
    }
}

#[test]
fn nothing_behind_a_mistake_leaves() {
    let (out, done) = streamed(&rule("hide price"), Documents::One, br#"{"a":1,"b":2,,"price":"canary"}"#, &[3]);
    assert!(done.is_err() && !String::from_utf8_lossy(&out).contains("canary"), "{out:?}");
    // A row that was not judged stays, also in the very piece that has the mistake.
    for sizes in [&[][..], &[1], &[9]] {
        let (out, done) =
            streamed(&rule("rows row.customer == 42"), Documents::One, br#"[{"customer":1,"a":"canary",}]"#, sizes);
        assert!(done.is_err() && !String::from_utf8_lossy(&out).contains("canary"), "{out:?}");
    }
    let mut filter = JsonFilter::new(&rule("hide price"), Documents::One).expect("a filter");
    let mut out = Vec::new();
    let error = filter.push(b"{]", &mut out).expect_err("no JSON");
    assert_eq!(error.to_string(), "the answer is not well-formed JSON: no name where one must be, at byte 1");
    assert_eq!(filter.push(b"\"a\":1}", &mut out), Err(error.clone()));
    assert_eq!(filter.finish(&mut out), Err(error));
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    json("hide price", &nested(MOST_DEPTH), &nested(MOST_DEPTH));
    refused("hide price", &nested(MOST_DEPTH + 1), "too-deep");
    refused("hide price", &format!("{{\"price\":{}}}", nested(MOST_DEPTH)), "too-deep");
}

#[test]
fn one_row_or_name_has_a_limit_and_other_texts_have_none() {
    let limited = |rule_text: &str| Work { most_row_bytes: 100, ..rule(rule_text) };
    let long = "x".repeat(100_000);
    let refused = |work: &Work, text: &str| {
        for sizes in [&[][..], &[1], &[64], &[99]] {
            let (out, done) = streamed(work, Documents::One, text.as_bytes(), sizes);
            assert_eq!(done, Err(Unfilterable::RowTooLarge));
            assert!(out.len() < 50, "{}", out.len());
        }
    };
    refused(&limited("rows row == 1"), &format!("[\"{long}\"]"));
    refused(&limited("rows row == 1"), &format!("{{\"a\":\"{long}\",\"b\":[]}}"));
    refused(&limited("rows row == 1"), &format!("[1,{}1]", " ".repeat(1000)));
    refused(&limited("hide price"), &format!("{{\"{long}\":1}}"));
    refused(&limited("hide price"), &format!("{{\"a\":1,{}\"b\":1}}", " ".repeat(1000)));
    refused(&limited("set a=\"0123456789\" | rows true"), &format!("[{{{}\"a\":1}}]", "\"a\":1,".repeat(10)));
    let fine = format!("{{\"a\":\"{long}\",\"price\":\"{long}\",\"n\":1{}}}{}", "0".repeat(1000), " ".repeat(1000));
    let (out, done) = streamed(&limited("hide price"), Documents::One, fine.as_bytes(), &[10]);
    assert_eq!((out.len(), done), (fine.len() - long.len() - r#","price":"""#.len(), Ok(())));
}

/// A document as large as answers get, in the smallest pieces: a square of anything would take hours.
#[test]
fn the_work_grows_with_the_answer_only() {
    let work = rule("hide price | rows row.n < 5");
    let row = format!(
        "{{\"n\":1,\"{}\":\"{}\",\"price\":[{}1]}}",
        "n".repeat(10_000),
        "y".repeat(200_000),
        "1,".repeat(50_000)
    );
    let text = format!("{{\"a\":{},\"rows\":[{row},{row},{row}]}}", "0.".to_owned() + &"1".repeat(500_000));
    let (out, done) = streamed(&work, Documents::One, text.as_bytes(), &[1]);
    assert_eq!((done, out.len()), (Ok(()), text.len() - 3 * (100_001 + r#","price":[]"#.len())));
}

/// Names as documents write them: those that rules speak of, in every spelling, and others.
fn a_name() -> impl Strategy<Value = String> {
    let names = [
        "price",
        "PRICE",
        r"\u0070rice",
        r"pri\u0063E",
        "rows",
        "Rows",
        "data",
        r"d\u0061ta",
        "id",
        "customer",
        "",
        "a",
        "pric",
        "prices",
        "é",
        r"\u00e9",
        r"\ud83d\ude00",
        r"\ud83d",
        r#"a\"b"#,
        r"\\",
        "a.b",
        "n",
    ];
    prop::sample::select(names.map(|name| format!("\"{name}\"")).to_vec())
}

fn a_scalar() -> impl Strategy<Value = String> {
    let scalars = [
        "42",
        "1",
        "0",
        "-1.5e3",
        "true",
        "null",
        "false",
        "\"\"",
        "\"42\"",
        "\"x\"",
        "\"€\"",
        "\"😀\"",
        r#""\n\"\\\u20ac""#,
        "\"a longer text, with [brackets] and {braces}\"",
        "1e999",
        r#""\ud800""#,
        "12345678901234567890",
    ];
    prop::sample::select(scalars.map(str::to_owned).to_vec())
}

fn a_tree() -> impl Strategy<Value = Tree> {
    a_scalar().prop_map(Tree::Scalar).prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::Array),
            prop::collection::vec((a_name(), inner.clone()), 0..6).prop_map(Tree::Object),
            // Rows as apps have them.
            prop::collection::vec((prop::sample::select(vec![1, 42]), inner.clone()), 0..5).prop_map(|rows| {
                let row = |(customer, value): (i32, Tree)| {
                    let customer = ("\"customer\"".to_owned(), Tree::Scalar(customer.to_string()));
                    Tree::Object(vec![customer, ("\"price\"".to_owned(), value)])
                };
                Tree::Array(rows.into_iter().map(row).collect())
            }),
        ]
    })
}

/// A document's text, with white space wherever it may stand.
fn written(tree: &Tree, spaces: &mut impl Iterator<Item = &'static str>, text: &mut String) {
    let mut space = |text: &mut String| text.push_str(spaces.next().unwrap_or_default());
    space(text);
    match tree {
        Tree::Scalar(scalar) => text.push_str(scalar),
        Tree::Array(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                text.push_str(if number > 0 { "," } else { "" });
                written(item, spaces, text);
            }
            text.push_str(if items.is_empty() { spaces.next().unwrap_or_default() } else { "" });
            text.push(']');
        }
        Tree::Object(members) => {
            text.push('{');
            for (number, (name, value)) in members.iter().enumerate() {
                text.push_str(if number > 0 { "," } else { "" });
                text.push_str(spaces.next().unwrap_or_default());
                text.push_str(name);
                text.push_str(spaces.next().unwrap_or_default());
                text.push(':');
                written(value, spaces, text);
            }
            text.push_str(if members.is_empty() { spaces.next().unwrap_or_default() } else { "" });
            text.push('}');
        }
    }
    text.push_str(spaces.next().unwrap_or_default());
}

fn a_text(spaces: &'static [&'static str]) -> impl Strategy<Value = String> {
    (a_tree(), prop::collection::vec(prop::sample::select(spaces), 1..8)).prop_map(|(tree, spaces)| {
        let mut text = String::new();
        written(&tree, &mut spaces.into_iter().cycle(), &mut text);
        text
    })
}

fn a_rule() -> impl Strategy<Value = String> {
    let paths = vec![
        "price",
        "id",
        "é",
        "data",
        "a",
        "$.price",
        "rows[].price",
        "data.rows[].price",
        "[].price",
        "[][]",
        "rows[]",
        "[]",
        "data.a",
        "a.b",
        "rows",
        "data[].price",
    ];
    let hide = prop::sample::subsequence(paths.clone(), 0..4).prop_map(|paths| match paths.as_slice() {
        [] => String::new(),
        paths => format!("hide {}", paths.join(",")),
    });
    let constants = vec!["0", "null", "[]", "{\"a\":[{\"price\":1}]}", "\"\\u0000é\""];
    let set = prop::collection::vec((prop::sample::select(paths), prop::sample::select(constants)), 0..3);
    let set = set.prop_map(|pairs| match pairs.as_slice() {
        // The separator of pairs in this notation is a comma, which no constant here has.
        [] => String::new(),
        pairs => {
            format!("set {}", pairs.iter().map(|(path, value)| format!("{path}={value}")).collect::<Vec<_>>().join(","))
        }
    });
    let at = prop::sample::select(vec![
        "",
        "",
        "at $",
        "at rows",
        "at data.rows",
        "at data[].rows",
        "at []",
        "at [][]",
        "at rows[]",
    ]);
    let keep = prop::sample::select(vec![
        "",
        "",
        "rows row.customer == 42",
        "rows row.customer == 42",
        "rows row == 42",
        "rows true",
        "rows has(row.price)",
        "rows size(row) > 1",
    ]);
    let error = prop::sample::select(vec!["", "", "error"]);
    (hide, set, at, keep, error).prop_map(|(hide, set, at, keep, error)| [&hide, &set, at, keep, error].join("|"))
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![prop::collection::vec(1usize..4, 1..6), prop::collection::vec(1usize..60, 0..6)]
}

const SPACES: &[&str] = &["", "", "", " ", "\n", "\r\n  ", "\t "];
const SPACES_IN_LINES: &[&str] = &["", "", "", " ", "\r", "\t "];

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(1_000), ..ProptestConfig::default() })]

    #[test]
    fn what_leaves_is_what_the_model_says(rule_text in a_rule(), text in a_text(SPACES), sizes in pieces()) {
        check(&rule(&rule_text), Documents::One, text.as_bytes(), &sizes);
    }

    #[test]
    fn what_leaves_of_lines_is_what_the_model_says(
        rule_text in a_rule(),
        texts in prop::collection::vec(a_text(SPACES_IN_LINES), 0..5),
        end in prop::sample::select(vec!["", "\n", "\r\n", "\n\n"]),
        sizes in pieces(),
    ) {
        check(&rule(&rule_text), Documents::EachLine, (texts.join("\n") + end).as_bytes(), &sizes);
    }

    #[test]
    fn a_damaged_document_is_refused_or_still_one(
        rule_text in a_rule(),
        text in a_text(SPACES),
        edits in prop::collection::vec((any::<prop::sample::Index>(), an_edit()), 1..3),
        sizes in pieces(),
        documents in prop::sample::select(vec![Documents::One, Documents::EachLine]),
    ) {
        let mut bytes = text.into_bytes();
        for (place, edit) in edits {
            let at = place.index(bytes.len() + 1);
            match edit {
                Edit::Cut => bytes.truncate(at),
                Edit::Remove => drop((at < bytes.len()).then(|| bytes.remove(at))),
                Edit::Insert(byte) => bytes.insert(at, byte),
            }
        }
        check(&rule(&rule_text), documents, &bytes, &sizes);
    }

    #[test]
    fn a_hidden_value_leaves_nothing_behind(text in a_text(SPACES), sizes in pieces(), cut in any::<prop::sample::Index>()) {
        let work = rule("hide price, customer");
        // Every value of the members that are hidden, spelled as they may be, becomes a word to look for.
        let mut text = text.replace("\"42\"", "\"x\"");
        for name in ["price", "PRICE", r"\u0070rice", r"pri\u0063E", "customer"] {
            text = text.replace(&format!("\"{name}\":"), &format!("\"{name}\":[\"canary\"],\"{name}\":"));
        }
        let end = cut.index(text.len() + 1);
        let (out, _) = streamed(&work, Documents::One, &text.as_bytes()[..end], &sizes);
        prop_assert!(!String::from_utf8_lossy(&out).contains("canary"));
    }

    #[test]
    fn a_row_is_never_longer_than_its_limit(rule_text in a_rule(), text in a_text(SPACES), sizes in pieces(), most in 1usize..60) {
        let work = Work { most_row_bytes: most, ..rule(&rule_text) };
        check(&work, Documents::One, text.as_bytes(), &sizes);
    }
}

#[derive(Clone, Copy, Debug)]
enum Edit {
    Cut,
    Remove,
    Insert(u8),
}

fn an_edit() -> impl Strategy<Value = Edit> {
    let bytes = b"\"\\{}[],:0-.eut \n\r\0\x80\xc3\xef/".to_vec();
    prop_oneof![Just(Edit::Cut), Just(Edit::Remove), prop::sample::select(bytes).prop_map(Edit::Insert)]
}

/// How many random cases are tried: more where `PROPTEST_CASES` says so.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok()).unwrap_or(usual)
}
