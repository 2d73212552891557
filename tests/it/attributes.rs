//! Notes and attributes of a row reach the app where config names them, whatever stands in them.

use serde_json::{Value, json};

use crate::house::{House, OPEN, PEOPLE, printed};
use crate::table_server::{TableServer, Told};

const IDENTITY: &str = r#"
[app.orders.identity]
extra = { "X-Region" = "{attributes.region}", "X-Notes" = "<{notes}>", "X-Both" = "{attributes.region}/{level}" }
jwt = { claims = { region = "{attributes.region}", remarks = "{notes}", place = "{attributes.region} {customer.id}" } }
"#;

fn apps(url: &str) -> String {
    let list = "days_back = \"history_days\"\nnotes = \"title\"\nattributes = { region = \"region\" }\n";
    OPEN.replace("url = \"csv:people.csv\"", &format!("url = \"{url}\""))
        .replace("days_back = \"history_days\"\n", list)
        .replace("[[app.orders.customers]]", "roles_default = \"reader\"\n[[app.orders.customers]]")
        + IDENTITY
        + "[app.orders.role.reader]\nlevel = 7\n"
}

#[tokio::test]
async fn notes_attributes_and_the_level_reach_headers_the_assertion_and_explain() {
    let house = House::start(&apps("csv:people.csv")).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    // What a client says of it counts for nothing.
    let forged = [("x-region", "US"), ("X_Region", "US"), ("x-access-level", "99"), ("x-notes", "x")];
    ann.send("GET", "/", &forged, "").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.header("x-region"), Some("EU"));
    assert_eq!(seen.header("x_region"), None);
    assert_eq!(seen.header("x-notes"), Some("<Head of Sales>"));
    assert_eq!(seen.header("x-both"), Some("EU/7"));
    assert_eq!(seen.header("x-access-level"), Some("7"));
    let claims = seen.claims("x-access-assertion");
    assert_eq!(claims["region"], "EU");
    assert_eq!(claims["remarks"], "Head of Sales");
    assert_eq!(claims["place"], "EU 42");
    assert_eq!(claims["level"], 7);
    let explained = printed(&house.command(&["explain", "--app", "orders", "--email", "ann@example.com"]));
    assert!(explained.contains("Head of Sales"), "{explained}");
}

#[tokio::test]
async fn what_a_row_does_not_have_gives_no_header_and_no_claim() {
    let house = House::plan(&apps("csv:people.csv"))
        .file("people.csv", PEOPLE.replace("Head of Sales,30,en,EU", ",30,en,"))
        .start()
        .await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let seen = house.upstream.last();
    for name in ["x-region", "x-notes", "x-both"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let claims = seen.claims("x-access-assertion");
    for name in ["region", "remarks", "place"] {
        assert_eq!(claims.get(name), None, "{claims}");
    }
}

#[tokio::test]
async fn attack_09_hostile_values_break_no_header_and_no_claim() {
    let long = "é".repeat(5000);
    // The value as the table has it; the header's; the claim's.
    for (value, header, claim) in [
        ("EU\r\nX-Access-Role: admin", "EU X-Access-Role: admin", "EU X-Access-Role: admin"),
        ("EU\nX-Admin: 1\n\nGET / HTTP/1.1", "EU X-Admin: 1 GET / HTTP/1.1", "EU X-Admin: 1 GET / HTTP/1.1"),
        ("a\u{0}b\u{7f}\u{85}c", "ab c", "ab c"),
        ("Zürich ✓", "Z%C3%BCrich %E2%9C%93", "Zürich ✓"),
        ("100% \"x\", y=\\z", "100%25 \"x\", y=\\z", "100% \"x\", y=\\z"),
        ("{email} {customer.id}", "{email} {customer.id}", "{email} {customer.id}"),
    ] {
        let (seen, claims) = with(value).await;
        assert_eq!(seen.0.as_deref(), Some(header), "{value:?}");
        assert_eq!(claims["region"], claim, "{value:?}");
        assert!(seen.1, "another header came of {value:?}");
    }
    let (seen, claims) = with(&long).await;
    let header = seen.0.expect("a header");
    assert!(header.len() <= 1024 && header.starts_with("%C3%A9%C3%A9"), "{}", header.len());
    let claim = claims["region"].as_str().expect("a text");
    assert!(claim.chars().count() <= 200 && claim.chars().all(|letter| letter == 'é'));
}

/// What the app gets of a region: its header, whether there is no other of ours than there should be, and the claims.
async fn with(value: &str) -> ((Option<String>, bool), Value) {
    let row = json!([{ "email": "ann@example.com", "company_id": 42, "company": "Acme", "full_name": "Ann", "lang": "en",
        "history_days": null, "title": "", "region": value, "status": "active" }]);
    let server = TableServer::start(None, move |_| Told::json(&row)).await;
    let house = House::start(&apps(&server.url())).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let seen = house.upstream.last();
    let is_clean = seen.header("x-access-role") == Some("reader") && seen.header("x-admin").is_none();
    ((seen.header("x-region").map(ToOwned::to_owned), is_clean), seen.claims("x-access-assertion"))
}
