//! What each fuzz target does with bytes that nobody chose: a panic here is a find.
//!
//! The core alone is built here, from its own files: it needs neither Pingora nor a database, so fuzzing begins within minutes.
//!
//! The first bytes choose the rule and how the answer is cut, the others are the answer. No target asks only whether the filter
//! stays alive: each holds what left against a second, plain reading of the same answer.

use std::collections::BTreeMap;
use std::io::Write as _;

#[path = "../../src/filters/mod.rs"]
pub mod filters;
#[path = "../../src/filters/json/tests/model.rs"]
mod model;
#[path = "../../src/policy/mod.rs"]
pub mod policy;
#[path = "../../src/filters/sample.rs"]
#[allow(dead_code, reason = "the filters' own tests use more of it")]
mod sample;
#[path = "../../src/types/mod.rs"]
pub mod types;

use filters::csv::CsvFilter;
use filters::html::HtmlFilter;
use filters::json::Documents;
use filters::unpack::{Coding, Unpacker};
use filters::{MOST_UNPACKED_AT_ONCE, Unfilterable, Work};
use policy::Filters;

/// The rule, the sizes of the pieces, and the answer.
fn parts(data: &[u8]) -> Option<(u8, Vec<usize>, &[u8])> {
    let (head, text) = data.split_first_chunk::<3>()?;
    Some((head[0], head[1..].iter().map(|size| usize::from(*size)).filter(|size| *size > 0).collect(), text))
}

const RULES: [&str; 12] = [
    "hide price, id",
    "hide price, $.id, rows[].a, [].a",
    "set price=0, a=[]",
    "hide a | set rows[].price={\"price\":null}",
    "rows row.customer == 42",
    "hide price | rows row.customer == 42",
    "hide customer, a | set price=1 | rows has(row.price)",
    "at $ | hide price | rows row.customer == 42",
    "at rows | hide price | rows row.customer == 42",
    "at data[].rows | hide data[].rows[].price | rows size(row) > 1",
    "error | hide price | at $ | rows row.customer == 42",
    "error | at rows | rows row == 42",
];

/// Two bits of the first byte, above the rule's number.
fn json_rule(number: u8) -> Work {
    let rule = model::rule(RULES[usize::from(number) % RULES.len()]);
    let most_row_bytes = if number >= 192 { 24 } else { rule.most_row_bytes };
    Work { most_row_bytes, ..rule }
}

/// JSON: what leaves is what the model says, and the same however it is cut.
pub fn json(data: &[u8]) {
    if let Some((rule, sizes, text)) = parts(data) {
        model::check(&json_rule(rule), Documents::One, text, &sizes);
    }
}

/// NDJSON: the same, line by line.
pub fn ndjson(data: &[u8]) {
    if let Some((rule, sizes, text)) = parts(data) {
        model::check(&json_rule(rule), Documents::EachLine, text, &sizes);
    }
}

fn pieces<'a>(text: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = text;
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let size = sizes.next().map_or(rest.len(), |size| (*size).min(rest.len()));
        let (piece, tail) = rest.split_at(size);
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

fn table(work: &Work, text: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<(), Unfilterable>) {
    let mut filter = CsvFilter::new(work, Some(b',')).expect("a filter");
    sample::stream(&mut filter, pieces(text, sizes), CsvFilter::push, CsvFilter::finish)
}

/// The columns' names and the lines, as the crate `csv` reads them.
fn read_table(text: &[u8]) -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    let mut lines = Vec::new();
    for line in reader.records() {
        lines.push(line.ok()?.iter().map(str::to_owned).collect::<Vec<_>>());
    }
    (!lines.is_empty()).then(|| (lines.remove(0), lines))
}

/// CSV: what another reader finds in what left is what it finds in the table, without the hidden columns and the others' lines.
pub fn csv(data: &[u8]) {
    let Some((rule, sizes, text)) = parts(data) else { return };
    let keeps_rows = rule % 2 == 1;
    let rows = keeps_rows.then(|| sample::keeping("row.customer == '42'")).flatten();
    let work = sample::work(Filters { rows, ..sample::hiding(&["price"]) });
    let (out, done) = table(&work, text, &sizes);
    let (in_one, done_in_one) = table(&work, text, &[]);
    assert_eq!(done.is_ok(), done_in_one.is_ok());
    if done.is_err() {
        return;
    }
    assert_eq!(out, in_one, "however it is cut, the same leaves");
    let Some((names, lines)) = read_table(text) else { return };
    let is_hidden = |name: &str| {
        let name = name.trim().to_ascii_lowercase().replace("__", ".");
        name.split(['.', '/', '[', ']']).any(|part| part.trim() == "price")
    };
    let shown: Vec<usize> = (0..names.len()).filter(|column| !is_hidden(&names[*column])).collect();
    let narrow = |line: &Vec<String>| shown.iter().map(|column| line[*column].clone()).collect::<Vec<_>>();
    let customer = names.iter().position(|name| name.trim() == "customer");
    let is_kept = |line: &&Vec<String>| !keeps_rows || customer.is_some_and(|column| line[column] == "42");
    let (left_names, left) = read_table(&out).expect("a table is left");
    assert_eq!(left_names, narrow(&names), "{}", String::from_utf8_lossy(text));
    let expected: Vec<_> = lines.iter().filter(is_kept).map(narrow).collect();
    // Two columns of one name make a line that cannot be judged.
    if !keeps_rows || names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len() {
        assert_eq!(left, expected, "{}", String::from_utf8_lossy(text));
    }
}

const SELECTORS: [&[&str]; 4] =
    [&[".price"], &["[data-price]", "#admin"], &["td.price", "script"], &["div > .price", "a[href^='/x']"]];

fn page(work: &Work, text: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<(), Unfilterable>) {
    let mut filter = HtmlFilter::new(work, None).expect("a filter");
    sample::stream(&mut filter, pieces(text, sizes), HtmlFilter::push, HtmlFilter::finish)
}

/// HTML: no element that a selector means is left, and it makes no difference how the page is cut.
pub fn html(data: &[u8]) {
    let Some((rule, sizes, text)) = parts(data) else { return };
    let selectors = SELECTORS[usize::from(rule) % SELECTORS.len()];
    let remove = selectors.iter().map(|selector| (*selector).to_owned()).collect();
    let work = sample::work(Filters { remove, ..Filters::default() });
    let (out, done) = page(&work, text, &sizes);
    let (in_one, done_in_one) = page(&work, text, &[]);
    assert_eq!(done.is_ok(), done_in_one.is_ok());
    if done.is_err() {
        return;
    }
    assert_eq!(out, in_one, "however it is cut, the same leaves");
    for selector in selectors {
        let mut left = 0;
        let count = lol_html::element!(*selector, |_| {
            left += 1;
            Ok(())
        });
        let settings = lol_html::RewriteStrSettings::new().append_element_content_handler(count);
        if lol_html::rewrite_str(&String::from_utf8_lossy(&out), settings).is_ok() {
            assert_eq!(left, 0, "{selector} in {}", String::from_utf8_lossy(&out));
        }
    }
}

/// The query: however an app reads it, the forced parameter is there once, with its own value.
pub fn query(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let query: String = query.chars().filter(|letter| !letter.is_control() && !" #".contains(*letter)).collect();
    let work = sample::work(sample::forcing(&["customer_id={customer.id}"]));
    let shaped = filters::query::shape(&work.filters, Some(&query)).expect("something is forced");
    for dividers in [&['&'][..], &['&', ';']] {
        let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for pair in shaped.split(dividers) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| {
                let text = text.replace('+', " ");
                percent_encoding::percent_decode_str(&text).decode_utf8_lossy().to_lowercase()
            };
            let once = decode(name);
            let twice = decode(&once);
            // PHP, and whoever nests by brackets.
            let php = once.split('[').next().unwrap_or_default().trim_start().replace(['.', ' '], "_");
            for (reader, name) in [("plain", once.as_str()), ("twice", &twice), ("php", &php)] {
                if name == "customer_id" {
                    found.entry(reader).or_default().push(decode(value));
                }
            }
        }
        for reader in ["plain", "twice", "php"] {
            assert_eq!(found.get(reader), Some(&vec!["42".to_owned()]), "{reader}: {query} became {shaped}");
        }
    }
}

fn unpacked(coding: Coding, packed: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<(), Unfilterable>) {
    let mut unpacker = match Unpacker::new(coding) {
        Ok(unpacker) => unpacker,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut out = Vec::new();
    for piece in pieces(packed, sizes) {
        let before = out.len();
        if let Err(error) = unpacker.push(piece, &mut out) {
            return (out, Err(error));
        }
        assert!(out.len() - before <= MOST_UNPACKED_AT_ONCE);
    }
    let done = unpacker.finish(&mut out);
    (out, done)
}

/// Compression: what is no compressed answer is refused, and what is comes back as it was.
pub fn unpack(data: &[u8]) {
    let Some((rule, sizes, text)) = parts(data) else { return };
    let coding = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd][usize::from(rule) % 4];
    let (out, done) = unpacked(coding, text, &sizes);
    let (in_one, done_in_one) = unpacked(coding, text, &[]);
    if done.is_ok() && done_in_one.is_ok() {
        assert_eq!(out, in_one, "however it is cut, the same comes out");
    }
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text).expect("memory");
    let packed = packer.finish().expect("memory");
    assert_eq!(unpacked(Coding::Gzip, &packed, &sizes), (text.to_vec(), Ok(())));
}
