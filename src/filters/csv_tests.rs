//! Tables: what is left of them, what is refused, and that it makes no difference how they are cut.

use proptest::prelude::*;
use serde_json::json;

use super::super::sample::{cut, hiding, keeping, path, stream, work};
use super::*;
use crate::policy::Filters;

fn run(filters: Filters, delimiter: Option<u8>, pieces: Vec<&[u8]>) -> (String, Result<(), Unfilterable>) {
    let mut filter = CsvFilter::new(&work(filters), delimiter).expect("an engine");
    let (out, end) = stream(&mut filter, pieces, CsvFilter::push, CsvFilter::finish);
    (String::from_utf8(out).expect("text"), end)
}

fn filtered(filters: Filters, table: &str) -> String {
    let whole = run(filters.clone(), None, vec![table.as_bytes()]);
    let bytewise = run(filters, None, table.as_bytes().chunks(1).collect());
    assert_eq!(whole, bytewise, "{table}");
    match whole {
        (out, Ok(())) => out,
        (_, Err(error)) => error.to_string(),
    }
}

#[test]
fn hidden_columns_go_and_the_rest_stays_byte_for_byte() {
    for (table, expected) in [
        ("id,price,name\n1,5,a\n2,6,b\n", "id,name\n1,a\n2,b\n"),
        ("id, PRICE ,name\r\n1,5,a\r\n", "id,name\r\n1,a\r\n"),
        ("price,id\n5,1", "id\n1"),
        (
            "id,\"price\",\"a \"\"b\"\"\"\r\n\"1\",\"5,\n6\",\"x\r\ny\"\"\"\n",
            "id,\"a \"\"b\"\"\"\r\n\"1\",\"x\r\ny\"\"\"\n",
        ),
        ("\u{feff}price,id\n5,1\n", "\u{feff}id\n1\n"),
        ("\u{feff}\"price\",id\n5,1\n", "\u{feff}id\n1\n"),
        ("id;price\n1,5;6\n", "id\n1,5\n"),
        ("id\tprice\n1\t6\n", "id\n1\n"),
        ("id,note\n1,\n", "id,note\n1,\n"),
        ("\n\r\nid,price\n\n1,5\n\n", "\n\r\nid\n\n1\n\n"),
        (",price,\n1,2,3\n", ",\n1,3\n"),
        ("price,note\n1,\n", "note\n\"\"\n"),
        (
            "order.price,order/price,items[0].price,order__price,price.net,prices,unit_price,id\n1,2,3,4,5,6,7,8\n",
            "prices,unit_price,id\n6,7,8\n",
        ),
        ("id,Straße\n1,ö\n", "id,Straße\n1,ö\n"),
        ("", ""),
        ("\u{feff}", "\u{feff}"),
        ("id,price", "id"),
    ] {
        assert_eq!(filtered(hiding(&["price"]), table), expected, "{table}");
    }
    assert_eq!(filtered(hiding(&["rows[].price"]), "price,price.net,a.price\n1,2,3\n"), "price.net\n2\n");
    let tabs = run(hiding(&["price"]), Some(b'\t'), vec![b"a,b\tprice\n1;2\t3\n"]);
    assert_eq!(tabs, ("a,b\n1;2\n".to_owned(), Ok(())));
}

#[test]
fn set_replaces_every_value_of_a_column() {
    let set = |value| Filters { set: vec![(path("$.price"), value)], ..Filters::default() };
    for (value, expected) in [
        (json!(0), "id,price\n1,0\n2,0\n"),
        (json!(null), "id,price\n1,\n2,\n"),
        (json!("n/a"), "id,price\n1,n/a\n2,n/a\n"),
        (json!("a,\"b\""), "id,price\n1,\"a,\"\"b\"\"\"\n2,\"a,\"\"b\"\"\"\n"),
        (json!([1, "x"]), "id,price\n1,\"[1,\"\"x\"\"]\"\n2,\"[1,\"\"x\"\"]\"\n"),
    ] {
        assert_eq!(filtered(set(value), "id,price\n1,5\n2,6\n"), expected);
    }
    assert_eq!(filtered(set(json!(0)), "id,note\n1,5\n"), "id,note\n1,5\n");
}

#[test]
fn lines_are_kept_by_what_they_hold_hidden_columns_included() {
    let rows = |condition: &str| Filters { rows: keeping(condition), ..hiding(&["company"]) };
    let table = "id,company,\"my \"\"note\"\"\"\n1,42,\n2,7,x\n\n3,\"42\",\"\"\"\"\n";
    assert_eq!(filtered(rows("row.company == customer.id"), table), "id,\"my \"\"note\"\"\"\n1,\n3,\"\"\"\"\n");
    assert_eq!(filtered(rows("row.missing == '1'"), table), "id,\"my \"\"note\"\"\"\n");
    let quote = Filters { rows: keeping(r#"row["my \"note\""] == '"'"#), ..Filters::default() };
    assert_eq!(filtered(quote, table), "id,company,\"my \"\"note\"\"\"\n3,\"42\",\"\"\"\"\n");
}

#[test]
fn attack_26_a_table_that_could_be_read_in_two_ways_is_refused() {
    let malformed = |line: usize, what: &str| format!("the answer is not well-formed CSV: line {line}: {what}");
    for (table, line, what) in [
        ("id,price\n1\n", 2, "it has more or fewer fields than the header row"),
        ("id,price\n1,2,3\n", 2, "it has more or fewer fields than the header row"),
        ("id,price\n\"1\"x,2\n", 2, "something stands behind a closing quote"),
        ("id,price\n1\"x\",2\n", 2, "a quote stands in a field that is not quoted"),
        ("id,price\n \"1,2\n", 1, "a quote is not closed"),
        ("id,price\n \"1\",2\n", 2, "a quote stands in a field that is not quoted"),
        ("id,price\n\"1,2\n", 1, "a quote is not closed"),
        ("id,price\r1,2\r", 1, "a carriage return stands alone"),
        ("id,price\n1,\r\r\n", 2, "a carriage return stands alone"),
        ("id,price\n1,2\r", 2, "a carriage return stands alone"),
        ("id,price\n1,\0\n", 2, "it holds a NUL"),
        ("id,price, Price\n", 1, "the header row names a column twice"),
        ("id,a,A\n", 1, "the header row names a column twice"),
        ("id;a,price\n", 1, "there is no telling what divides the columns of the header row"),
        ("id|price\n1|2\n", 1, "the header row has no comma, semicolon or tab"),
        ("sep=;\nid;price\n1;2\n", 1, "it begins with a line that is no header row"),
    ] {
        assert_eq!(filtered(hiding(&["price"]), table), malformed(line, what), "{table:?}");
    }
    for bytes in [&b"id,price\n\xff,1\n"[..], b"\xff\xfei\0d\0", b"r\xf6le,price\n"] {
        assert_eq!(run(hiding(&["price"]), None, vec![bytes]).1.map_err(|error| error.name()), Err("malformed"));
    }
    assert_eq!(filtered(hiding(&["price", "id"]), "id,price\n1,2\n"), "every column of the table is hidden");
}

#[test]
fn no_more_than_one_line_is_held_and_none_that_is_too_long() {
    let long = format!("id,price\n1,\"{}\n", "x".repeat(5000));
    assert_eq!(
        run(hiding(&["price"]), None, vec![long.as_bytes()]),
        ("id\n".to_owned(), Err(Unfilterable::RowTooLarge))
    );
    let pieces = long.as_bytes().chunks(7).collect();
    assert_eq!(run(hiding(&["price"]), None, pieces).1, Err(Unfilterable::RowTooLarge));
    let mut filter = CsvFilter::new(&work(hiding(&["price"])), None).expect("an engine");
    let mut out = Vec::new();
    filter.push(b"id,price\n1,2\n3,", &mut out).expect("fine");
    assert_eq!(out, b"id\n1\n", "what is whole leaves at once");
}

const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<CsvFilter>();

/// A table as another reader and writer has it.
fn model(table: &[u8], delimiter: u8) -> Option<Vec<Vec<String>>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(table);
    reader.records().map(|record| record.ok().map(|record| record.iter().map(str::to_owned).collect())).collect()
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z0-9]{0,5}", 1 => "[a-z,;\"\r\n ö]{0,8}", 1 => Just("CANARY".to_owned())]
}

fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
    (1_usize..6).prop_flat_map(|width| prop::collection::vec(prop::collection::vec(field(), width), 0..8))
}

const NAMES: [&str; 5] = ["id", "price", "company", "order.price", "note, \"long\""];

proptest! {
    #[test]
    fn streaming_a_table_agrees_with_reading_it_whole(
        rows in table(),
        delimiter in prop::sample::select(vec![b',', b';', b'\t']),
        is_crlf in any::<bool>(),
        style in prop::sample::select(vec![csv::QuoteStyle::Necessary, csv::QuoteStyle::Always]),
        has_end in any::<bool>(),
        places in prop::collection::vec(any::<usize>(), 0..10)
    ) {
        let width = rows.first().map_or(3, Vec::len);
        let header: Vec<String> = NAMES.iter().take(width).map(|name| (*name).to_owned()).collect();
        let mut writer = csv::WriterBuilder::new();
        writer.delimiter(delimiter).quote_style(style);
        if is_crlf {
            writer.terminator(csv::Terminator::CRLF);
        }
        let mut writer = writer.from_writer(Vec::new());
        for row in std::iter::once(&header).chain(&rows) {
            writer.write_record(row).expect("in memory");
        }
        let mut text = writer.into_inner().expect("in memory");
        if !has_end {
            text.truncate(text.len() - if is_crlf { 2 } else { 1 });
        }

        let filters = Filters { rows: keeping("row.id != 'CANARY'"), ..hiding(&["price"]) };
        let (out, end) = run(filters.clone(), Some(delimiter), vec![&text]);
        prop_assert_eq!(&end, &Ok(()));
        prop_assert_eq!(run(filters, Some(delimiter), cut(&text, &places)), (out.clone(), end));

        let is_kept = |name: &&String| !name.contains("price");
        let without_hidden = |row: &Vec<String>| -> Vec<String> {
            row.iter().zip(&header).filter(|(_, name)| is_kept(name)).map(|(field, _)| field.clone()).collect()
        };
        let kept = rows.iter().filter(|row| row.first().is_some_and(|id| id != "CANARY"));
        let expected: Vec<_> = std::iter::once(&header).chain(kept).map(without_hidden).collect();
        prop_assert_eq!(model(out.as_bytes(), delimiter), Some(expected));
    }

    #[test]
    fn no_bytes_panic_and_cuts_change_nothing(
        text in "(price|id|[\",;\r\n a\t|]|\\PC){0,40}",
        places in prop::collection::vec(any::<usize>(), 0..6)
    ) {
        let whole = run(hiding(&["price"]), None, vec![text.as_bytes()]);
        prop_assert_eq!(run(hiding(&["price"]), None, cut(text.as_bytes(), &places)), whole);
    }
}

#[test]
fn attack_26_a_title_does_not_pass_for_the_header_row() {
    for (table, is_refused) in [
        ("Orders\nid;price\n1;2.50\n", true),
        ("Orders\nid\tprice\n", true),
        ("Orders,May 2026\nid,price\n1,2.50\n", true),
        ("Orders,\n,\nid,\"Order.Price\"\n", true),
        ("id,price\n1,price\n", false),
        ("id,name\n1,pricey\n", false),
        ("name\n\"a;b\"\nc\n", false),
    ] {
        let mut filter = CsvFilter::new(&work(hiding(&["price"])), None).expect("a filter");
        let (out, end) = stream(&mut filter, [table.as_bytes()], CsvFilter::push, CsvFilter::finish);
        assert_eq!(end.is_err(), is_refused, "{table}");
        assert!(!String::from_utf8_lossy(&out).contains("2.50"), "{table}");
    }
}
