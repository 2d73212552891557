//! What cannot be filtered does not leave: it is refused where nothing has left yet, and broken off where it has.

use crate::browser::{Browser, Got};
use crate::filters_house::{JSON, ORDERS, house, over_both, over_h1};
use crate::house::{House, eventually};
use crate::upstream::Script;

/// A row that Bob may see.
const ROW: &str = r#"{"id":1,"customer":"42","price":"SECRET","note":"a note"},"#;

/// Asks over both protocols, and expects a refusal that shows nothing.
async fn refused(house: &House, who: &Browser, path: &str, cause: &str) {
    let words = ["vestibule_unfilterable_total", &format!("cause=\"{cause}\""), "app=\"orders\""];
    let before = house.metric(&words).await;
    for got in over_both(house, who, path).await {
        let answer = got.whole(403);
        assert!(!answer.text().contains("SECRET"), "{}", answer.text());
        assert_eq!(answer.json()["reason"], "cannot-filter", "{cause}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let counted = house.metric(&words).await - before;
    assert!((counted - 2.0).abs() < 0.1, "{cause} was counted {counted} times:\n{}", house.log.text());
}

#[tokio::test]
async fn attack_26_what_is_malformed_at_once_is_refused_and_shows_nothing() {
    let (house, bob) = house().await;
    for body in [
        "SECRET",
        "{\"price\": \"SECRET\"",
        "[1,2,SECRET]",
        "{\"a\":1}{\"price\":\"SECRET\"}",
        "{\"a\":\"SECRET\n\"}",
        "{'price':'SECRET'}",
        "{\"a\":SECRET}",
        "\u{feff}",
        "",
        " ",
        "<html>SECRET</html>",
        "{\"a\":\"\\ud800SECRET",
    ] {
        for script in [Script::whole(JSON, body).at_once(), Script::whole(JSON, body), Script::chunked(JSON, body, 1)] {
            // Nothing is sent of an empty body of known length, so nothing is wrong with it.
            if body.is_empty() && format!("{script:?}").contains("48, 13, 10, 13, 10") {
                continue;
            }
            house.upstream.script("/hidden/orders", script);
            refused(&house, &bob, "/hidden/orders", "malformed").await;
        }
    }
    let page = bob.navigate("/hidden/orders").await.expect(403);
    assert!(page.text().contains("This page cannot be shown to your role"), "{}", page.text());
    assert!(!house.log.text().contains("SECRET"), "the log holds a piece of the answer");
    let line = house.log.last("an answer cannot be filtered").await;
    assert_eq!((line["level"].as_str(), line["fields"]["cause"].as_str()), (Some("WARN"), Some("malformed")));
    let request = line["fields"]["request_id"].as_str().expect("an id").to_owned();
    let access = eventually("a line in the access log", async || {
        house.log.named("request").into_iter().find(|line| line["fields"]["request_id"] == request.as_str())
    })
    .await;
    assert_eq!((&access["fields"]["decision"], &access["fields"]["reason"]), (&"deny".into(), &"cannot-filter".into()));
    house.upstream.script("/hidden/orders", Script::whole(JSON, ORDERS));
    bob.ask("GET", "/hidden/orders", &[]).await.whole(200);
}

#[tokio::test]
async fn attack_26_what_turns_bad_later_is_broken_off() {
    let (house, bob) = house().await;
    let many = ROW.repeat(20_000);
    let lines = many.replace("},", "}\n");
    let table = format!("customer,price\n{}", "42,SECRET\n".repeat(80_000));
    let long = "x".repeat(1200 * 1024);
    for (kind, body, cause) in [
        ("application/json", format!("[{many}SECRET]"), "malformed"),
        ("application/json", format!("[{many}{{\"id\":2}}"), "malformed"),
        ("application/json", format!("[{many}{{\"customer\":\"42\",\"note\":\"{long}\"}}]"), "row-too-large"),
        ("application/json", format!("[{many}{}", "[".repeat(2000)), "too-deep"),
        ("application/x-ndjson", format!("{lines}{{\"customer\":\"42\",\"price\":SECRET}}\n"), "malformed"),
        ("text/csv", format!("{table}\"42\",\"SECRET"), "malformed"),
    ] {
        house.upstream.script("/mine/orders", Script::chunked(&format!("content-type: {kind}\r\n"), body, 30_000));
        let words = ["vestibule_unfilterable_total", &format!("cause=\"{cause}\"")];
        let before = house.metric(&words).await;
        for got in over_both(&house, &bob, "/mine/orders").await {
            let answer = got.broken();
            assert!(answer.body.len() > 100_000, "{cause}: much of it had left");
            assert!(!answer.text().contains("SECRET"), "{cause}");
        }
        assert!(house.metric(&words).await > before + 1.9, "{kind} {cause}:\n{}", house.log.text());
    }
}

#[tokio::test]
async fn an_app_that_dies_in_mid_answer_leaves_no_whole_one() {
    let (house, bob) = house().await;
    let half = format!("[{}", ROW.repeat(2000));
    let length = format!("HTTP/1.1 200 OK\r\n{JSON}content-length: 999999\r\n\r\n");
    let chunked = format!("HTTP/1.1 200 OK\r\n{JSON}transfer-encoding: chunked\r\n\r\n");
    // This is all of a document, but not all that was announced.
    let complete = format!("[{}{{\"customer\":\"42\"}}]", ROW.repeat(2000));
    for script in [
        Script::raw(&length).then(&half),
        Script::raw(&length).then(&complete),
        Script::raw(&chunked).chunk(&half),
        Script::raw(&chunked).chunk(&complete),
        Script::until_close(JSON, &half),
    ] {
        house.upstream.script("/mine/orders", script.close());
        for got in over_both(&house, &bob, "/mine/orders").await {
            let answer = got.broken();
            assert!(!answer.text().contains("SECRET"));
        }
    }
    // Before anything has left there is time to say so.
    for script in [Script::raw(&length), Script::raw(&chunked), Script::raw(&length).then("[{\"customer\":")] {
        house.upstream.script("/mine/orders", script.close());
        for got in over_both(&house, &bob, "/mine/orders").await {
            got.whole(502);
        }
    }
}

#[tokio::test]
async fn attack_26_what_no_filter_reads_is_refused_unless_it_is_named() {
    let (house, bob) = house().await;
    for kind in [
        "application/zip",
        "application/octet-stream",
        "text/plain",
        "text/html",
        "application/xml",
        "audio/x",
        "application/vnd.sqlite3",
        "multipart/byteranges; boundary=x",
        "text/event-stream",
        "nonsense",
        "",
    ] {
        house.upstream.script("/hidden/file", Script::whole(&format!("content-type: {kind}\r\n"), "SECRET"));
        refused(&house, &bob, "/hidden/file", "content-type").await;
    }
    house.upstream.script("/hidden/file", Script::whole("", "SECRET"));
    refused(&house, &bob, "/hidden/file", "content-type").await;
    let two = format!("{JSON}content-type: image/png\r\n");
    house.upstream.script("/hidden/file", Script::whole(&two, "SECRET"));
    refused(&house, &bob, "/hidden/file", "kind").await;
    house.upstream.script("/hidden/file", Script::whole("content-type: image/png\r\n", "a picture"));
    assert_eq!(bob.ask("GET", "/hidden/file", &[]).await.whole(200).text(), "a picture");
    // Where only pages are narrowed, data is not read either.
    house.upstream.script("/pages/data", Script::whole(JSON, "{\"price\":\"SECRET\"}"));
    refused(&house, &bob, "/pages/data", "content-type").await;
}

#[tokio::test]
async fn attack_26_a_part_of_an_answer_is_refused_and_none_is_asked_for() {
    let (house, bob) = house().await;
    let head = format!("{JSON}content-range: bytes 0-9/100\r\n");
    house.upstream.script("/hidden/orders", Script::whole(&head, "\"SECRET\"").status("206 Partial Content"));
    let asked = [
        "range: bytes=0-9",
        "if-range: \"a\"",
        "if-none-match: \"a\"",
        "if-match: \"a\"",
        "te: trailers",
        "if-modified-since: Tue, 01 Jan 2030 00:00:00 GMT",
        "if-unmodified-since: Tue, 01 Jan 2030 00:00:00 GMT",
        "want-digest: sha-256",
        "want-repr-digest: sha-256=1",
        "a-im: feed",
        "accept-encoding: gzip",
    ];
    let answer = over_h1(&house, &bob, "GET", "/hidden/orders", &asked).await.whole(403);
    assert!(!answer.text().contains("SECRET"));
    let seen = house.upstream.last();
    for line in asked {
        let name = line.split(':').next().expect("a name");
        assert_eq!(seen.header(name), (name == "accept-encoding").then_some("identity"), "{name}");
    }
    refused(&house, &bob, "/hidden/orders", "kind").await;
}

#[tokio::test]
async fn a_write_keeps_its_preconditions() {
    let (house, bob) = house().await;
    house.upstream.script("/hidden/orders/7", Script::whole(JSON, "{}"));
    let asked = ["if-match: \"a\"", "if-none-match: *", "if-unmodified-since: Tue, 01 Jan 2030 00:00:00 GMT"];
    for (method, is_kept) in [("PUT", true), ("DELETE", true), ("GET", false)] {
        over_h1(&house, &bob, method, "/hidden/orders/7", &asked).await.whole(200);
        let seen = house.upstream.last();
        for line in asked {
            let name = line.split(':').next().expect("a name");
            assert_eq!(seen.header(name).is_some(), is_kept, "{method} {name}");
        }
    }
}

#[tokio::test]
async fn attack_26_a_second_question_mark_hides_nothing() {
    let (house, bob) = house().await;
    for target in ["/asked/orders??sort=price", "/asked/orders???sort=price", "/hidden/orders??price=5"] {
        over_h1(&house, &bob, "GET", target, &[]).await.whole(403);
    }
}

#[tokio::test]
async fn attack_26_a_row_that_is_somebody_elses_is_refused_however_it_comes() {
    let (house, bob) = house().await;
    let foreign = r#"{"id": 2, "customer": "43", "price": "SECRET", "note": "SECRET"}"#;
    let own = foreign.replace("43", "42").replace("\"note\": \"SECRET\"", "\"note\": 1");
    for size in [1, 10, 1000] {
        house.upstream.script("/mine/orders/2", Script::chunked(JSON, foreign, size));
        refused(&house, &bob, "/mine/orders/2", "not-their-row").await;
        house.upstream.script("/mine/orders/2", Script::chunked(JSON, &own, size));
        for got in over_both(&house, &bob, "/mine/orders/2").await {
            assert_eq!(got.whole(200).json(), serde_json::json!({"id": 2, "customer": "42", "note": 1}));
        }
    }
}

#[tokio::test]
async fn a_row_larger_than_its_limit_is_refused() {
    let (house, bob) = house().await;
    let body = format!("[{{\"customer\":\"42\",\"note\":\"{}\"}}]", "x".repeat(1100 * 1024));
    house.upstream.script("/mine/orders", Script::whole(JSON, body));
    refused(&house, &bob, "/mine/orders", "row-too-large").await;
}

#[tokio::test]
async fn attack_26_nothing_turns_into_a_protocol_that_no_filter_reads() {
    let (house, bob) = house().await;
    let before = house.upstream.count();
    assert_eq!(bob.web_socket("/hidden/ws").await.err(), Some(403));
    let upgrade = ["upgrade: junk", "connection: upgrade"];
    let answer = over_h1(&house, &bob, "GET", "/hidden/x", &upgrade[..1]).await.whole(403);
    assert_eq!(answer.json()["reason"], "cannot-filter");
    assert_eq!(house.upstream.count(), before, "the app was not asked");
    // One that nobody asked for is no answer either.
    let switched =
        Script::raw("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nSECRET");
    house.upstream.script("/hidden/y", switched);
    for got in over_both(&house, &bob, "/hidden/y").await {
        let Got { answer, .. } = got;
        assert!(answer.status >= 400 && !answer.text().contains("SECRET"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_refused_answer_leaves_nothing_open() {
    let (house, bob) = house().await;
    house.upstream.script("/hidden/file", Script::whole("content-type: application/zip\r\n", "x".repeat(9_000_000)));
    for _ in 0..3 {
        for got in over_both(&house, &bob, "/hidden/file").await {
            got.whole(403);
        }
    }
    eventually("all is quiet", async || (house.upstream.open_streams() == 0).then_some(())).await;
    bob.fetch("/plain/x").await.expect(200);
}
