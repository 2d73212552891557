//! An app's answers lose what a person may not see, however they come: in any pieces, packed, over either protocol.

use std::io::Write as _;

use serde_json::json;

use crate::browser::{Answer, Browser};
use crate::filters_house::{FILTERED, JSON, ORDERS, by_version, house, over_both, over_h1};
use crate::house::House;
use crate::upstream::Script;

const CSV: &str =
    "id,customer,Price,note\r\n1,42,SECRET,\"a, \"\"b\"\"\r\nc\"\r\n2,43,SECRET,SECRET\r\n3,42,SECRET,é\r\n";
const LINES: &str = "{\"customer\":\"42\",\"price\":\"SECRET\",\"n\":1}\n{\"customer\":\"43\",\"n\":\"SECRET\"}\r\n\n{\"n\":3,\"customer\":\"42\"}";
const PAGE: &str = "<!doctype html><title>é</title><table><tr><td>bolt<td class='x Price price'>SECRET<b>SECRET</b></td>\
                    <td>7</table><div id=admin><p>SECRET</p></div><p>end &amp; done</p>";

/// The same body in every way that it can come.
fn framings(kind: &str, body: &str) -> Vec<(String, Script)> {
    let head = format!("content-type: {kind}\r\netag: \"1\"\r\n");
    let mut all = vec![
        ("at once".to_owned(), Script::whole(&head, body).at_once()),
        ("head first".to_owned(), Script::whole(&head, body)),
        ("to the end of the connection".to_owned(), Script::until_close(&head, body)),
        ("chunks at once".to_owned(), Script::chunked(&head, body, 5).at_once()),
    ];
    all.extend([1, 7, 64].map(|size| (format!("chunks of {size}"), Script::chunked(&head, body, size))));
    all
}

/// Asks for a body in every framing, over both protocols.
async fn every_way(house: &House, who: &Browser, path: &str, kind: &str, body: &str, check: impl Fn(&str)) {
    for (framing, script) in framings(kind, body) {
        house.upstream.script(path, script);
        for got in over_both(house, who, path).await {
            let answer = got.whole(200);
            let text = answer.text();
            assert!(!text.contains("SECRET"), "{framing}: {text}");
            assert_eq!((answer.header("content-length"), answer.header("etag")), ("", ""), "{framing}");
            assert_eq!(answer.header("cache-control"), "private", "{framing}");
            assert_eq!(answer.header("content-type"), kind, "{framing}");
            check(&text);
        }
    }
}

#[tokio::test]
async fn attack_26_json_in_any_pieces_over_either_protocol() {
    let (house, bob) = house().await;
    every_way(&house, &bob, "/mine/orders", "application/json; charset=utf-8", ORDERS, |text| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let row = json!({"id": 1, "customer": "42", "discount": 5, "name": "Söhne 😀 é\n\"x\"", "of": {"n": -1500.0}});
        assert_eq!(value, json!({"total": 2, "rows": [row]}));
    })
    .await;
}

#[tokio::test]
async fn attack_26_lines_of_json_in_any_pieces() {
    let (house, bob) = house().await;
    every_way(&house, &bob, "/mine/lines", "application/x-ndjson", LINES, |text| {
        let lines: Vec<serde_json::Value> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines, [json!({"customer": "42", "n": 1}), json!({"customer": "42", "n": 3})]);
    })
    .await;
}

#[tokio::test]
async fn attack_26_csv_in_any_pieces() {
    let (house, bob) = house().await;
    every_way(&house, &bob, "/mine/table", "text/csv; charset=utf-8", CSV, |text| {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().expect("a header row"), vec!["id", "customer", "note"]);
        let rows: Vec<Vec<String>> =
            reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect();
        assert_eq!(rows, [["1", "42", "a, \"b\"\r\nc"], ["3", "42", "é"]]);
    })
    .await;
}

#[tokio::test]
async fn attack_26_pages_in_any_pieces() {
    let (house, bob) = house().await;
    every_way(&house, &bob, "/pages/orders", "text/html; charset=utf-8", PAGE, |text| {
        assert!(text.starts_with("<!doctype html><title>é</title>"), "{text}");
        assert!(
            text.contains("<td>bolt") && text.contains("<td>7") && text.ends_with("<p>end &amp; done</p>"),
            "{text}"
        );
    })
    .await;
}

#[tokio::test]
async fn attack_26_what_the_app_packs_though_it_was_asked_not_to() {
    let (house, bob) = house().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(ORDERS.as_bytes()).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let zstd = zstd::encode_all(ORDERS.as_bytes(), 3).expect("memory");
    for (coding, body) in [("gzip", gzip.as_slice()), ("zstd", &zstd), ("br", BROTLI)] {
        let head = format!("{JSON}content-encoding: {coding}\r\nvary: accept-encoding\r\n");
        for script in [Script::whole(&head, body).at_once(), Script::chunked(&head, body, 3)] {
            house.upstream.script("/mine/orders", script);
            let more = ["accept-encoding: gzip, br, zstd"];
            for got in
                [over_h1(&house, &bob, "GET", "/mine/orders", &more).await, bob.ask("GET", "/mine/orders", &[]).await]
            {
                let answer = got.whole(200);
                assert_eq!(answer.header("content-encoding"), "", "{coding}");
                assert_eq!(answer.json()["rows"].as_array().map(Vec::len), Some(1), "{coding}");
                assert!(!answer.text().contains("\"price\""), "{coding}");
            }
        }
        assert_eq!(house.upstream.last().header("accept-encoding"), Some("identity"));
        // Cut off in the middle of the packing: that is no whole answer, though its own framing says so.
        let half = body.get(..body.len() / 2).expect("a half");
        house.upstream.script("/mine/orders", Script::whole(&head, half));
        for got in over_both(&house, &bob, "/mine/orders").await {
            assert!(!got.is_whole || got.answer.status == 403, "{coding}: {:?}", got.answer);
        }
    }
    for coding in ["compress", "gzip, gzip, br", "snappy"] {
        house.upstream.script("/mine/orders", Script::whole(&format!("{JSON}content-encoding: {coding}\r\n"), "xyz"));
        bob.ask("GET", "/mine/orders", &[]).await.whole(403);
    }
}

#[tokio::test]
async fn the_head_says_only_what_is_true_of_what_is_left() {
    let (house, bob) = house().await;
    let head = format!(
        "{JSON}etag: \"a\"\r\nlast-modified: Tue, 01 Jan 2030 00:00:00 GMT\r\naccept-ranges: bytes\r\ncontent-md5: x\r\ndigest: x\r\n\
         content-digest: x\r\nrepr-digest: x\r\nsignature: x\r\nsignature-input: x\r\nsurrogate-control: max-age=9\r\n\
         cdn-cache-control: max-age=9\r\nexpires: Tue, 01 Jan 2030 00:00:00 GMT\r\nx-kept: yes\r\n\
         cache-control: public, max-age=60, s-maxage=600, must-revalidate\r\ncache-control: proxy-revalidate, no-cache=\"a, b\"\r\n"
    );
    house.upstream.script("/hidden/orders", Script::whole(&head, ORDERS).at_once());
    for got in over_both(&house, &bob, "/hidden/orders").await {
        let answer = got.whole(200);
        let names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
        for gone in [
            "etag",
            "last-modified",
            "accept-ranges",
            "content-md5",
            "digest",
            "content-digest",
            "repr-digest",
            "signature",
            "signature-input",
            "surrogate-control",
            "cdn-cache-control",
            "expires",
            "content-length",
        ] {
            assert!(!names.iter().any(|name| name.eq_ignore_ascii_case(gone)), "{gone} in {names:?}");
        }
        assert_eq!(answer.all("cache-control"), ["private, max-age=60, must-revalidate, no-cache"]);
        assert_eq!(answer.header("x-kept"), "yes");
    }
}

#[tokio::test]
async fn answers_without_a_body_stay_without() {
    let (house, bob) = house().await;
    let head = format!("{JSON}etag: \"a\"\r\n");
    house
        .upstream
        .script("/hidden/orders", Script::raw(format!("HTTP/1.1 200 OK\r\n{head}content-length: 999\r\n\r\n")));
    house.upstream.script(
        "/hidden/zip",
        Script::raw("HTTP/1.1 200 OK\r\ncontent-type: application/zip\r\ncontent-length: 999\r\n\r\n"),
    );
    for got in
        [over_h1(&house, &bob, "HEAD", "/hidden/orders", &[]).await, bob.ask("HEAD", "/hidden/orders", &[]).await]
    {
        let answer = got.whole(200);
        assert_eq!((answer.header("content-length"), answer.header("etag"), answer.text().as_str()), ("", "", ""));
    }
    over_h1(&house, &bob, "HEAD", "/hidden/zip", &[]).await.whole(403);
    bob.ask("HEAD", "/hidden/zip", &[]).await.whole(403);
    for (name, status) in [("/hidden/none", "204 No Content"), ("/hidden/same", "304 Not Modified")] {
        house.upstream.script(name, Script::raw(format!("HTTP/1.1 {status}\r\netag: \"a\"\r\n\r\n")));
        for got in over_both(&house, &bob, name).await {
            let answer = got.whole(status[..3].parse().expect("a status"));
            assert_eq!(answer.header("etag"), "", "{status}");
        }
    }
    // An empty answer shows nothing, whatever it calls itself.
    for kind in ["", "content-type: application/json\r\n", "content-type: application/zip\r\n"] {
        house.upstream.script("/hidden/empty", Script::whole(kind, "").at_once());
        for got in over_both(&house, &bob, "/hidden/empty").await {
            got.whole(200);
        }
    }
    // The connection to the app and the client's own are good for more.
    house.upstream.script("/hidden/orders", Script::whole(JSON, ORDERS));
    bob.ask("GET", "/hidden/orders", &[]).await.whole(200);
}

#[tokio::test]
async fn one_connection_serves_filtered_answers_one_after_another() {
    let (house, bob) = house().await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
    let mut wire = house.wire("orders.test").await;
    house.upstream.script("/mine/orders", Script::chunked(JSON, ORDERS, 40));
    for _ in 0..5 {
        let answer = wire.ask(&["GET /mine/orders HTTP/1.1", &host, &cookie]).await.expect("an answer");
        assert_eq!(answer.json()["rows"].as_array().map(Vec::len), Some(1));
        let answer = wire.ask(&["HEAD /mine/orders HTTP/1.1", &host, &cookie]).await.expect("an answer");
        assert_eq!(answer.status, 200);
        let answer = wire.ask(&["GET /plain/x HTTP/1.1", &host, &cookie]).await.expect("an answer");
        assert_eq!(answer.json()["path"], "/plain/x");
    }
}

#[tokio::test]
async fn an_old_client_gets_no_chunks_and_sees_where_an_answer_was_cut() {
    let (house, bob) = house().await;
    house.upstream.script("/mine/orders", Script::chunked(JSON, ORDERS, 40));
    let answer = by_version(&house, &bob, "GET /mine/orders HTTP/1.0", &[]).await.whole(200);
    assert_eq!((answer.header("transfer-encoding"), answer.header("content-length")), ("", ""));
    assert_eq!(answer.json()["rows"].as_array().map(Vec::len), Some(1));
    house
        .upstream
        .script("/mine/orders", Script::chunked(JSON, format!("[{MANY}{{", MANY = MINE.repeat(3000)), 40_000));
    let answer = by_version(&house, &bob, "GET /mine/orders HTTP/1.0", &[]).await.broken();
    assert!(answer.body.len() > 10_000);
}

#[tokio::test]
async fn trailers_of_an_app_end_here() {
    let (house, bob) = house().await;
    let mut script =
        Script::raw(format!("HTTP/1.1 200 OK\r\n{JSON}trailer: digest, etag\r\ntransfer-encoding: chunked\r\n\r\n"));
    script = script.chunk(ORDERS).then("0\r\ndigest: sha-256=abc\r\netag: \"abc\"\r\nx-total: SECRET\r\n\r\n");
    for script in [script.clone(), script.at_once()] {
        house.upstream.script("/mine/orders", script);
        for got in over_both(&house, &bob, "/mine/orders").await {
            let answer = got.whole(200);
            assert_eq!(answer.header("trailer"), "");
            assert_eq!(answer.json()["rows"].as_array().map(Vec::len), Some(1));
        }
    }
}

#[tokio::test]
async fn what_a_rule_lets_pass_is_as_the_app_sent_it() {
    let (house, bob) = house().await;
    let head = "content-type: image/png\r\netag: \"a\"\r\naccept-ranges: bytes\r\n";
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    house.upstream.script("/hidden/logo.png", Script::whole(head, &bytes));
    for got in over_both(&house, &bob, "/hidden/logo.png").await {
        let answer = got.whole(200);
        assert!(answer.body == bytes);
        assert_eq!((answer.header("content-length"), answer.header("etag")), ("100000", "\"a\""));
    }
}

#[tokio::test]
async fn a_rule_without_filters_leaves_everything_as_it_is() {
    let (house, bob) = house().await;
    let head = format!("{JSON}etag: \"a\"\r\ncontent-encoding: gzip\r\ncache-control: public\r\nlast-modified: x\r\n");
    house.upstream.script("/plain/orders", Script::whole(&head, "no gzip at all"));
    let more = ["if-none-match: \"b\"", "range: bytes=0-4", "accept-encoding: gzip"];
    let answer = over_h1(&house, &bob, "GET", "/plain/orders?a=1&a=2", &more).await.whole(200);
    assert_eq!(answer.text(), "no gzip at all");
    let expected =
        [("etag", "\"a\""), ("content-encoding", "gzip"), ("cache-control", "public"), ("content-length", "14")];
    for (name, value) in expected {
        assert_eq!(answer.header(name), value);
    }
    let seen = house.upstream.last();
    for (name, value) in [("if-none-match", "\"b\""), ("range", "bytes=0-4"), ("accept-encoding", "gzip")] {
        assert_eq!(seen.header(name), Some(value));
    }
    assert_eq!(seen.target, "/plain/orders?a=1&a=2");
    assert!(bob.web_socket("/ws").await.is_ok());
}

#[tokio::test]
async fn attack_26_error_answers_are_filtered_too() {
    let (house, bob) = house().await;
    let told = r#"{"error": "not found", "price": "SECRET", "detail": {"price": "SECRET"}}"#;
    for status in ["404 Not Found", "500 Oh"] {
        for path in ["/hidden/one", "/mine/one"] {
            house.upstream.script(path, Script::chunked(JSON, told, 20).status(status));
            for got in over_both(&house, &bob, path).await {
                let answer = got.whole(status[..3].parse().expect("a status"));
                assert_eq!(answer.json(), json!({"error": "not found", "detail": {}}), "{path}");
            }
        }
        house.upstream.script("/hidden/one", Script::whole("content-type: text/plain\r\n", "SECRET").status(status));
        for got in over_both(&house, &bob, "/hidden/one").await {
            let answer: Answer = got.whole(403);
            assert!(!answer.text().contains("SECRET"));
        }
    }
}

#[tokio::test]
async fn a_redirect_needs_no_body() {
    let (house, bob) = house().await;
    let head = "location: /plain/there\r\ncontent-type: text/plain\r\n";
    for script in [Script::whole(head, "SECRET"), Script::chunked(head, "SECRET", 2), Script::chunked(head, "", 1)] {
        house.upstream.script("/hidden/moved", script.status("302 Found"));
        for got in over_both(&house, &bob, "/hidden/moved").await {
            let answer = got.whole(302);
            assert_eq!((answer.header("location"), answer.text().as_str()), ("/plain/there", ""));
        }
    }
}

#[tokio::test]
async fn the_rules_of_filters_are_good() {
    let house = House::plan(FILTERED).furnish().await;
    let output = house.command(&["check"]);
    assert!(output.status.success(), "{}", crate::house::printed(&output));
}

const MINE: &str = r#"{"id":1,"customer":"42","note":"xxxxxxxxxxxxxxxxxxxx"},"#;

/// [`ORDERS`] packed by Node.js: the crate that unpacks `br` does not pack.
#[rustfmt::skip]
const BROTLI: &[u8] = &[
    27, 251, 0, 0, 156, 7, 182, 251, 136, 54, 130, 226, 145, 131, 7, 55, 131, 168, 223, 246, 157, 146, 222, 108, 198,
    180, 52, 58, 71, 115, 255, 146, 57, 169, 195, 169, 195, 210, 23, 32, 235, 110, 59, 217, 5, 15, 250, 43, 253, 255,
    246, 45, 9, 2, 11, 154, 215, 150, 120, 138, 129, 102, 148, 222, 48, 57, 62, 137, 109, 56, 94, 237, 11, 230, 12,
    87, 103, 85, 106, 36, 211, 148, 250, 210, 22, 195, 209, 25, 68, 125, 197, 119, 9, 122, 136, 71, 6, 217, 153, 1,
    113, 37, 68, 96, 234, 188, 240, 42, 167, 109, 87, 97, 51, 149, 74, 206, 34, 246, 138, 232, 161, 180, 109, 117, 50,
    9, 143, 128, 206, 92, 225, 75, 186, 53, 28, 97, 66, 81, 192, 251, 131, 225, 152, 129, 93, 122, 255, 191, 174, 145,
    117, 37, 175, 34, 40, 179, 125, 45, 255, 3,
];
