//! A rule's forced parameters reach the app whatever the client sends; and filters are those of the customer one is there for.

use crate::filters_house::{FILTERED, JSON, house, over_h1};
use crate::house::{House, eventually};
use crate::upstream::Script;

/// A target's parameters as the most lenient app reads them.
fn parameters(target: &str) -> Vec<(String, String)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().to_lowercase()
    };
    let pairs = query.split(['&', ';']).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

#[tokio::test]
async fn attack_26_forced_parameters_hold_in_every_spelling() {
    let (house, bob) = house().await;
    for query in [
        "",
        "customer_id=43",
        "customer_id=43&customer_id=43",
        "customer%5Fid=43",
        "%63ustomer_id=43",
        "CUSTOMER_ID=43",
        "Customer_Id=43&page=2",
        "customer_id",
        "customer_id=",
        "a=1;customer_id=43",
        "a=1%26customer_id=43",
        "customer_id[]=43",
        "customer_id%5B%5D=43",
        "customer_id[0]=43",
        "+customer_id=43",
        "customer_id%00=43",
        "customer%2bid=43",
        "page=1&&customer_id=43&",
        "?customer_id=43",
        "customer_id=42&customer_id=43",
        "%FFcustomer_id=43",
    ] {
        for path in ["/asked/x", "/forced/x"] {
            let before = house.upstream.count();
            let got = over_h1(&house, &bob, "GET", &format!("{path}?{query}"), &[]).await;
            if house.upstream.count() == before {
                assert!(got.answer.status >= 400, "{query}");
                continue;
            }
            let seen = parameters(&house.upstream.last().target);
            let named: Vec<&str> = seen
                .iter()
                .filter(|(name, _)| {
                    name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_').starts_with("customer_id")
                })
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!(named, ["42"], "{path}?{query} became {:?}", house.upstream.last().target);
        }
    }
}

#[tokio::test]
async fn attack_26_only_named_parameters_go_on_where_they_are_named() {
    let (house, bob) = house().await;
    over_h1(&house, &bob, "GET", "/asked/x?page=2&_where=1&sort=name&_facet=id&PAGE=3&a;sql=1", &[]).await;
    let mut seen = parameters(&house.upstream.last().target);
    seen.sort();
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.iter().all(|name| ["customer_id", "page", "sort"].contains(name)), "{seen:?}");
    over_h1(&house, &bob, "GET", "/forced/x?page=2&b=%C3%A9+1", &[]).await;
    let seen = parameters(&house.upstream.last().target);
    for pair in [("page", "2"), ("b", "é 1"), ("customer_id", "42")] {
        assert!(seen.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{seen:?}");
    }
}

#[tokio::test]
async fn attack_26_nobody_sorts_by_what_is_hidden() {
    let (house, bob) = house().await;
    let before = house.upstream.count();
    for query in ["sort=price", "sort=-PRICE", "sort=name,price", "sort=%70rice"] {
        let answer = bob.fetch(&format!("/asked/x?{query}")).await.expect(403);
        assert_eq!(answer.json()["reason"], "hidden-field", "{query}");
    }
    assert_eq!(house.upstream.count(), before);
}

#[tokio::test]
async fn attack_23_filters_are_those_of_the_customer_one_is_there_for() {
    let house = House::start(FILTERED).await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    let both = r#"[{"customer":"42","price":1},{"customer":"43","price":2}]"#;
    house.upstream.script("/hidden/orders", Script::whole(JSON, both));
    house.upstream.script("/mine/orders", Script::whole(JSON, both));
    let hidden = [r#"[{"customer":"42","price":1}]"#, r#"[{"customer":"42"},{"customer":"43"}]"#];
    for customer in ["42", "43", "42", "43"] {
        cat.choose(customer).await.expect(303);
        for _ in 0..2 {
            let rows: serde_json::Value = cat.ask("GET", "/mine/orders", &[]).await.whole(200).json();
            assert_eq!(rows, serde_json::json!([{"customer": customer}]));
            // A manager of 42 has a rule of their own before the readers'.
            let rows: serde_json::Value = cat.ask("GET", "/hidden/orders", &[]).await.whole(200).json();
            let expected = hidden[usize::from(customer == "43")];
            assert_eq!(rows, serde_json::from_str::<serde_json::Value>(expected).expect("JSON"));
            cat.fetch("/forced/x?customer_id=1").await.expect(200);
            assert!(house.upstream.last().target.ends_with(&format!("customer_id={customer}")));
        }
    }
}

#[tokio::test]
async fn a_long_filtered_download_ends_when_the_person_leaves_the_table() {
    let (house, bob) = house().await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
    let mut wire = house.wire("orders.test").await;
    wire.send_head(&["GET /rows?n=100000000 HTTP/1.1", &host, &cookie]).await;
    wire.read_until("\"customer\":\"42\"").await;
    let other = bob.open("/rows?n=100000000").await;
    house.remove_from_table("bob@example.com");
    let reading = async { wire.rest().await };
    let (rest, broken) = tokio::join!(reading, async { other.bytes().await.is_err() });
    assert!(broken && !rest.ends_with(b"0\r\n\r\n"), "it was broken off");
    assert!(!String::from_utf8_lossy(&rest).contains("7.77"));
    eventually("the app is told", async || (house.upstream.open_streams() == 0).then_some(())).await;
}
