//! JSON tables: what is read, what is refused, and that a row comes back as it came.

use std::collections::BTreeMap;

use super::*;
use crate::config::NextPage;
use crate::types::Secret;

fn column(name: &str) -> ColumnName {
    ColumnName::parse(name).expect("a name")
}

fn source(rows: &str, fields: &[(&str, &str)], next: Option<&str>) -> WebSource {
    WebSource {
        url: Secret::new("https://tables.example.com/".to_owned()),
        format: None,
        headers: Vec::new(),
        rows: rows.to_owned(),
        fields: fields.iter().map(|(name, pointer)| (column(name), (*pointer).to_owned())).collect(),
        next: next.map(|pointer| NextPage { pointer: pointer.to_owned(), parameter: None }),
        ca: None,
    }
}

fn needed() -> Needed {
    Needed { emails: [column("email")].into(), columns: [column("email"), column("role")].into() }
}

fn table(source: &WebSource, pages: &[&str]) -> Result<Table, Unreadable> {
    let mut reading = Reading::new(source, &needed());
    for page in pages {
        reading.page(page.as_bytes())?;
    }
    Ok(reading.finish())
}

/// The rows found for an address, as `place: column=value …`.
fn found(table: &Table, email: &str) -> Vec<String> {
    let email = Email::parse(email).expect("an address");
    let show = |(place, row): (Place, Arc<Row>)| {
        let cells = row.0.iter().map(|(name, value)| format!("{name}={value:?}"));
        format!("{place}: {}", cells.collect::<Vec<_>>().join(" "))
    };
    table.find(&column("email"), &email, 200).into_iter().map(show).collect()
}

#[test]
fn each_member_of_a_row_is_a_column_and_keeps_its_kind() {
    let text = r#"[{"email":" Ann@Example.COM ","role":"boss","n":1,"f":1.0,"big":18446744073709551615,"b":true},
        {"role":"user","email":"bob@example.com","tags":["a",{"x":null}],"n":null}]"#;
    let table = table(&source("", &[], None), &[text]).expect("fine");
    assert_eq!(
        found(&table, "ann@example.com"),
        [
            r#"row 1: b=Bool(true) big=Decimal("18446744073709551615") email=Text(" Ann@Example.COM ") f=Float(1.0) n=Int(1) role=Text("boss") tags=Null"#
        ]
    );
    assert_eq!(
        found(&table, "bob@example.com"),
        [
            r#"row 2: b=Null big=Null email=Text("bob@example.com") f=Null n=Null role=Text("user") tags=List([Text("a"), Map({"x": Null})])"#
        ]
    );
    assert!(found(&table, "eve@example.com").is_empty());
    assert_eq!((table.len(), table.bad_count, table.missing.len()), (2, 0, 0));
    assert_eq!(table.rows().count(), 2);
}

#[test]
fn pointers_lead_to_rows_fields_and_the_next_page() {
    let source = source(
        "/data/0/records",
        &[("email", "/fields/E~1mail"), ("role", "/fields/roles/1"), ("id", "/id")],
        Some("/meta/next"),
    );
    let one = r#"{"meta":{"next":"abc"},"data":[{"records":[
        {"id":7,"fields":{"E/mail":"ann@example.com","roles":["x","boss"]}},
        {"id":8,"fields":{}}, 5]}, 3]}"#;
    let two = r#"{"data":[{"records":[{"id":9,"fields":{"E/mail":"bob@example.com"}}]}]}"#;
    let mut reading = Reading::new(&source, &needed());
    assert_eq!(reading.page(one.as_bytes()), Ok(Some(Value::from("abc"))));
    assert_eq!(reading.page(two.as_bytes()), Ok(None));
    let table = reading.finish();
    assert_eq!(
        found(&table, "ann@example.com"),
        [r#"row 1 of page 1: email=Text("ann@example.com") id=Int(7) role=Text("boss")"#]
    );
    assert_eq!(
        found(&table, "bob@example.com"),
        [r#"row 1 of page 2: email=Text("bob@example.com") id=Int(9) role=Null"#]
    );
    assert_eq!((table.len(), table.missing.len()), (4, 0));
}

#[test]
fn what_makes_an_answer_unreadable_is_told_without_its_text() {
    use Unreadable as U;
    for (text, expected) in [
        ("", U::Cut),
        (r#"{"rows":[{"email":"a@b.example"}"#, U::Cut),
        (r#"{"rows":[{"email":"a@b.example"}]"#, U::Cut),
        (r#"{"rows":[{"email":}]}"#, U::Syntax(1, 19)),
        (r#"{"rows":[]} x"#, U::Syntax(1, 13)),
        ("<html>secret</html>", U::Syntax(1, 1)),
        (r#"{"row":[]}"#, U::NoList),
        (r#"{"rows":{"secret":1}}"#, U::NoList),
        (r#"{"rows":"secret"}"#, U::NoList),
        (r#"{"rows":null}"#, U::NoList),
        (r#""secret""#, U::NoList),
        (r#"{"rows":[],"rows":[{"email":"a@b.example"}]}"#, U::Twice("rows".to_owned())),
    ] {
        let refused = table(&source("/rows", &[], Some("/next")), &[text]).err();
        assert_eq!(refused, Some(expected), "{text}");
        assert!(!refused.expect("refused").to_string().contains("secret"));
    }
    let deep = format!(r#"{{"rows":[{}]}}"#, "[".repeat(100_000));
    assert!(matches!(table(&source("/rows", &[], None), &[&deep]), Err(U::Syntax(..))));
    let wide: Vec<String> = (0..=MOST_COLUMNS).map(|n| format!(r#"{{"c{n}":1}}"#)).collect();
    let wide = format!(r#"{{"rows":[{}]}}"#, wide.join(","));
    assert!(matches!(table(&source("/rows", &[], None), &[&wide]), Err(U::TooManyColumns)));
}

#[test]
fn a_bad_row_is_skipped_with_its_place_and_the_rest_is_read() {
    let text = r#"[1,{"email":"ann@example.com","role":"a","role":"b"},{"email":"bob@example.com","role":"user"}]"#;
    let table = table(&source("", &[], None), &[text]).expect("fine");
    let bad: Vec<String> = table.bad_rows().map(|(place, what)| format!("{place}: {what}")).collect();
    assert_eq!(bad, ["row 1: it is no object", "row 2: the member `role` stands twice"]);
    assert_eq!((table.len(), table.bad_count), (1, 2));
    assert!(found(&table, "ann@example.com").is_empty());
    assert_eq!(found(&table, "bob@example.com").len(), 1);
}

#[test]
fn a_column_that_no_row_has_is_missing_and_so_is_one_of_addresses_without_any() {
    let missing = |source: &WebSource, text: &str| table(source, &[text]).expect("fine").missing;
    let plain = source("", &[], None);
    assert_eq!(missing(&plain, r#"[{"email":"a@b.example"}]"#), [column("role")]);
    assert!(missing(&plain, "[]").is_empty(), "an empty table says nothing of its columns");
    // A mistyped pointer.
    let fields = source("", &[("email", "/mial"), ("role", "/role")], None);
    assert_eq!(missing(&fields, r#"[{"mail":"a@b.example"}]"#), [column("email")]);
    // Some servers leave empty fields out.
    let fields = source("", &[("email", "/mail"), ("role", "/role")], None);
    assert!(missing(&fields, r#"[{"mail":"a@b.example"}]"#).is_empty());
}

#[test]
fn only_another_table_has_another_digest() {
    let digest = |text: &str| table(&source("/rows", &[], Some("/next")), &[text]).expect("fine").digest();
    let one = digest(r#"{"rows":[{"email":"a@b.example","role":"x"}],"next":"cursor1"}"#);
    assert_eq!(one, digest(r#"{"next":"cursor2", "rows":[ {"role":"x","email":"a@b.example"} ]}"#));
    assert_ne!(one, digest(r#"{"rows":[{"email":"a@b.example","role":"y"}]}"#));
    assert_ne!(one, digest(r#"{"rows":[{"email":"a@b.example","rule":"x"}]}"#));
}

#[test]
fn a_row_takes_no_more_than_in_csv_and_its_quotes_and_sixteen_bytes() {
    const ROWS: usize = 20_000;
    let line = |n: usize| format!("person.{n}@company-{}.example.com,{},member\n", n / 7, n % 400);
    let record = |n: usize| {
        let email = format!("person.{n}@company-{}.example.com", n / 7);
        serde_json::json!({ "id": format!("rec{n}"), "fields": { "Mail address": email, "Role": "member", "Days": n % 400 } })
    };
    let fields = [("email", "/fields/Mail address"), ("days", "/fields/Days"), ("role", "/fields/Role")];
    let pages: Vec<String> = (0..ROWS)
        .step_by(100)
        .map(|first| serde_json::json!({ "records": (first..first + 100).map(record).collect::<Vec<_>>() }).to_string())
        .collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let table = table(&source("/records", &fields, None), &pages).expect("fine");
    let own: usize = (0..ROWS).map(|n| line(n).len()).sum();
    // Brackets for the line break, quotes around two texts.
    assert!(table.bytes() <= own + (16 + 5) * ROWS, "{} beside {own}", table.bytes());
    assert_eq!(found(&table, "person.19999@company-2857.example.com").len(), 1);
}

fn any_value() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (u64::MAX / 2 + 1..=u64::MAX).prop_map(|number| Value::Decimal(number.to_string())),
        (-1000i32..1000).prop_map(|number| Value::Float(f64::from(number) / 8.0)),
        ".{0,8}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(Value::Map),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn a_row_comes_back_as_it_came(members in proptest::collection::btree_map("[a-d]", any_value(), 0..4)) {
        let mut text = Vec::new();
        write(&Value::List(vec![Value::Map(members.clone())]), &mut text);
        let text = String::from_utf8(text).expect("UTF-8");
        let table = table(&source("", &[], None), &[&text]).expect("fine");
        let rows: Vec<BTreeMap<String, Value>> = table.rows().map(|(_, row)| row.0).collect();
        proptest::prop_assert_eq!(rows, vec![members]);
    }

    #[test]
    fn no_text_panics(text in "(\\PC|[\\[\\]{}\",:0-9])*") {
        let _ = table(&source("/rows", &[], Some("/next")), &[&text]);
        let _ = table(&source("", &[("email", "/0/a")], None), &[&text]);
    }
}
