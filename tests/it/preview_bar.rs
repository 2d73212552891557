//! The bar of a preview, on the wire: which answers get it, and what becomes of their heads.

use crate::browser::Browser;
use crate::house::House;
use crate::preview::{kim, look_as, plan};
use crate::upstream::Script;

const PAGE: &str = "<!doctype html><html><head><title>A</title></head><body>Hello</body></html>";
const DOCUMENT: [(&str, &str); 2] = [("accept", "text/html"), ("sec-fetch-dest", "document")];

fn html(house: &House, path: &str, head: &str) {
    house.upstream.script(path, Script::whole(&format!("content-type: text/html\r\n{head}"), PAGE));
}

async fn house() -> (House, Browser) {
    let house = plan().start().await;
    let kim = kim(&house).await;
    look_as(&kim, "zoe@example.com", "").await.expect(303);
    (house, kim)
}

#[tokio::test]
async fn every_page_has_it_and_nothing_else() {
    let (house, kim) = house().await;
    html(&house, "/page", "etag: \"1\"\r\nlast-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\naccept-ranges: bytes\r\n");
    let asks = [("if-none-match", "\"1\""), ("range", "bytes=0-5"), ("accept-encoding", "gzip, br")];
    let page = kim.send("GET", "/page", &[&DOCUMENT[..], &asks].concat(), "").await.expect(200);
    let text = page.text();
    assert!(text.contains("<body><access-preview><template shadowrootmode=\"open\">"), "{text}");
    assert!(text.ends_with("</access-preview>Hello</body></html>"), "{text}");
    for told in ["Zo&#235; Nguy&#7877;n", "zoe@example.com", "&#220;berma&#223;", "reader", "30 minutes left"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    for name in ["etag", "last-modified", "accept-ranges", "content-length"] {
        assert!(page.all(name).is_empty(), "{name}: {:?}", page.headers);
    }
    assert_eq!(page.header("cache-control"), "no-store");
    let seen = house.upstream.last();
    assert_eq!((seen.header("if-none-match"), seen.header("range")), (None, None));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));

    // Errors are pages too, the app's and ours.
    house.upstream.script("/lost", Script::whole("content-type: text/html\r\n", PAGE).status("404 Not Found"));
    assert!(kim.navigate("/lost").await.expect(404).text().contains("<access-preview>"));
    let denied = kim.navigate("/admin/x").await.expect(403);
    assert!(denied.text().contains("<access-preview>") && denied.text().contains("zoe@example.com"));
    assert!(denied.header("content-security-policy").contains("/.access/preview.css"), "{:?}", denied.headers);

    // What scripts fetch, what stands in a frame, what is saved and what is no page passes as it is.
    for headers in [
        &[("accept", "text/html"), ("sec-fetch-dest", "empty")][..],
        &[("accept", "text/html"), ("sec-fetch-dest", "iframe")],
        &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")],
        &[("accept", "*/*")],
    ] {
        let answer = kim.send("GET", "/page", headers, "").await.expect(200);
        assert_eq!((answer.text().as_str(), answer.header("cache-control")), (PAGE, "no-store"), "{headers:?}");
    }
    html(&house, "/saved", "content-disposition: attachment; filename=a.html\r\n");
    assert_eq!(kim.navigate("/saved").await.expect(200).text(), PAGE);
    for kind in ["text/plain", "application/json", "image/svg+xml", "application/pdf"] {
        house.upstream.script("/other", Script::whole(&format!("content-type: {kind}\r\netag: \"2\"\r\n"), PAGE));
        let answer = kim.navigate("/other").await.expect(200);
        assert_eq!((answer.text().as_str(), answer.header("etag")), (PAGE, "\"2\""), "{kind}");
    }
    let head = kim.send("HEAD", "/page", &DOCUMENT, "").await.expect(200);
    assert!(head.all("etag").is_empty() && head.all("content-length").is_empty(), "{:?}", head.headers);
}

#[tokio::test]
async fn it_comes_while_the_page_streams_and_through_what_it_is_packed_in() {
    let (house, kim) = house().await;
    let head = "content-type: text/html; charset=windows-1252\r\n";
    house.upstream.script("/chunks", Script::chunked(head, PAGE, 3));
    let text = kim.navigate("/chunks").await.expect(200).text();
    assert!(text.contains("<body><access-preview>") && text.ends_with("Hello</body></html>"), "{text}");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, PAGE.as_bytes()).expect("it packs");
    let packed = packed.finish().expect("it packs");
    house.upstream.script("/packed", Script::whole(&format!("{head}content-encoding: gzip\r\n"), packed));
    let page = kim.navigate("/packed").await.expect(200);
    assert!(page.text().contains("<body><access-preview>") && page.all("content-encoding").is_empty());
    // A page that cannot be read is not shown without.
    for head in ["content-type: text/html; charset=utf-16\r\n", "content-type: text/html\r\ncontent-encoding: odd\r\n"]
    {
        house.upstream.script("/odd", Script::whole(head, PAGE));
        let page = kim.navigate("/odd").await.expect(403);
        assert!(page.text().contains("<access-preview>"), "{}", page.text());
    }
}

#[tokio::test]
async fn each_policy_is_widened_by_its_exact_addresses() {
    let (house, kim) = house().await;
    let origin = kim.origin();
    let style = format!("{origin}/.access/preview.css");
    let forms = format!("{origin}/.access/preview/end {origin}/.access/preview/switch");
    for (given, expected) in [
        ("default-src 'none'", format!("default-src 'none'; style-src-elem {style}")),
        (
            "default-src 'self'; form-action 'none'",
            format!("default-src 'self'; form-action {forms}; style-src-elem 'self' {style}"),
        ),
        (
            "style-src 'nonce-abc'; frame-ancestors 'none'",
            format!("style-src 'nonce-abc' {style}; frame-ancestors 'none'"),
        ),
        ("require-trusted-types-for 'script'", "require-trusted-types-for 'script'".to_owned()),
    ] {
        html(&house, "/page", &format!("content-security-policy: {given}\r\nx-frame-options: DENY\r\n"));
        let page = kim.navigate("/page").await.expect(200);
        assert_eq!(page.all("content-security-policy"), [&expected], "{given}");
        assert_eq!(page.all("x-frame-options"), ["DENY"]);
        assert!(page.text().contains("<form method=\"post\""), "{}", page.text());
    }
    // No form leaves a sandbox: there, links lead to the page that has them.
    html(&house, "/page", "content-security-policy: default-src 'none'\r\ncontent-security-policy: sandbox\r\n");
    let page = kim.navigate("/page").await.expect(200);
    assert_eq!(
        page.all("content-security-policy"),
        [format!("default-src 'none'; style-src-elem {style}").as_str(), "sandbox"]
    );
    assert!(!page.text().contains("<form"), "{}", page.text());
    assert!(page.text().contains(&format!("href=\"{origin}/.access/preview\"")), "{}", page.text());
    // The stylesheet loads from there too, where nobody is logged in.
    let style = house.browser("orders.test").navigate("/.access/preview.css").await.expect(200);
    assert_eq!(style.header("cross-origin-resource-policy"), "cross-origin");
    // What the operator says takes the place of the app's policy.
    house.change(
        "[app.orders.identity]",
        "[app.orders.response_headers]\n\"Content-Security-Policy\" = \"sandbox\"\n[app.orders.identity]",
    );
    house.reload().await.expect(200);
    html(&house, "/page", "content-security-policy: default-src 'none'\r\n");
    let page = kim.navigate("/page").await.expect(200);
    assert_eq!(page.all("content-security-policy"), ["sandbox"]);
    assert!(!page.text().contains("<form"), "{}", page.text());
}

#[tokio::test]
async fn filters_of_the_rule_go_first() {
    let house = plan().start().await;
    house.change(
        "rules = [ { deny = \"* /admin/**\" },",
        "rules = [ { deny = \"* /admin/**\" }, { allow = \"GET /cut/**\", remove = [\".price\"] },",
    );
    house.reload().await.expect(200);
    let kim = kim(&house).await;
    look_as(&kim, "bob@example.com", "").await.expect(303);
    let page = "<!doctype html><title>A</title><body><p class=price>9</p><p>Hello</p>";
    house.upstream.script("/cut/a", Script::chunked("content-type: text/html\r\n", page, 5));
    let text = kim.navigate("/cut/a").await.expect(200).text();
    assert!(text.contains("<body><access-preview>") && text.ends_with("</access-preview><p>Hello</p>"), "{text}");
    house.upstream.script("/cut/b", Script::whole("content-type: text/plain\r\n", "secret"));
    let refused = kim.navigate("/cut/b").await.expect(403).text();
    assert!(refused.contains("<access-preview>") && !refused.contains("secret"), "{refused}");
}
