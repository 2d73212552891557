//! The workspace team's pages: who may use them, what a viewer may not, and both ways to them.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use crate::browser::Browser;
use crate::house::{House, LADDER, Plan, eventually, plain};

const CONSOLE: &str = r#"
[console]
domain = "console.test"

[[workspace.user]]
email = "kim@staff.example"
roles = { console = "admin", orders = "reader" }

[[workspace.user]]
email = "lou@staff.example"
roles = { console = "viewer" }
"#;

fn plan() -> Plan {
    House::plan(LADDER).config(CONSOLE)
}

async fn logged_in(house: &House, email: &str) -> Browser {
    let browser = house.browser("console.test");
    browser.log_in(email).await;
    browser
}

#[tokio::test]
async fn staff_log_in_as_everywhere_and_find_everything() {
    let house = plan().start().await;
    let answer = house.browser("console.test").navigate("/people").await.expect(303);
    assert!(answer.header("location").starts_with("/.access/login?to="), "{}", answer.header("location"));
    let kim = logged_in(&house, "kim@staff.example").await;
    for (path, holds) in [
        ("/", "orders"),
        ("/domains", "orders.test"),
        ("/domains/orders.test", "orders"),
        ("/sources", "fresh"),
        ("/people?app=orders&q=", "ann@example.com"),
        ("/people/ann%40example.com?app=orders&path=%2Forders", "class=\"notice good\""),
        ("/people/ann%40example.com?app=orders&path=%2Fadmin%2Fx", "class=\"notice warning\""),
        ("/people/nobody%40example.com?app=orders", "class=\"notice bad\""),
        ("/records", "There is none."),
        ("/sessions", "kim@staff.example"),
        ("/audit", "logged_in"),
        ("/audit/verify", "audit"),
        ("/config", "In force since"),
        ("/tokens", "local"),
    ] {
        let page = kim.navigate(path).await.expect(200).text();
        assert!(page.contains(holds), "{path}: {page}");
    }
    assert_eq!(kim.navigate("/nothing").await.status, 404);
}

#[tokio::test]
async fn who_has_no_role_in_it_gets_no_further_than_the_log_in() {
    let house = plan().start().await;
    let ann = house.browser("console.test");
    let answer = ann.post("/.access/login", &[("email", "ann@example.com"), ("to", "/")]).await.expect(303);
    assert_eq!(answer.header("location"), "/.access/check");
    eventually("the attempt is answered", async || {
        house.log.events().iter().any(|line| line["fields"]["event"] == "login_unknown").then_some(())
    })
    .await;
    assert_eq!(ann.navigate("/people").await.status, 303);
}

#[tokio::test]
async fn a_viewer_looks_and_an_admin_does() {
    let house = plan().start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let lou = logged_in(&house, "lou@staff.example").await;
    let kim = logged_in(&house, "kim@staff.example").await;
    let sessions = "/sessions?email=ann%40example.com";
    assert!(!lou.navigate(sessions).await.expect(200).text().contains("name=\"id\""));
    let page = kim.navigate(sessions).await.expect(200).text();
    let id = page.split("name=\"id\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a session");
    for (path, fields) in [
        ("/sessions/end", vec![("id", id)]),
        ("/config/reload", vec![]),
        ("/tokens", vec![("name", "mine"), ("scopes", "admin")]),
        ("/tokens/revoke", vec![("name", "local")]),
    ] {
        assert_eq!(lou.post(path, &fields).await.status, 403, "{path}");
    }
    ann.navigate("/orders").await.expect(200);
    kim.post("/sessions/end", &[("id", id)]).await.expect(200);
    ann.navigate("/orders").await.expect(303);
    let page = kim.post("/tokens", &[("name", "mine"), ("scopes", "read audit")]).await.expect(200).text();
    let token = page.split("<pre tabindex=\"0\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a token");
    house.door.secret(token);
    house.api_as(token, "GET", "/api/v1/audit", "").await.expect(200);
    assert_eq!(house.api_as(token, "POST", "/api/v1/reload", "").await.status, 403);
    // What staff did stands under their name.
    let audit = kim.navigate("/audit?event=token_made").await.expect(200).text();
    assert!(audit.contains("kim@staff.example"), "{audit}");
}

#[tokio::test]
async fn attack_30_nobody_is_staff_by_a_record() {
    let house = plan().start().await;
    let eve = r#"{"app":"console","customer":"42","email":"eve@example.com","role":"admin","without_invitation":true}"#;
    house.api("POST", "/api/v1/records", eve).await.expect(404);
    house.api("POST", "/api/v1/records", &eve.replace(",\"without_invitation\":true", "")).await.expect(404);
    // Nor by one that stands in the store for whatever reason.
    let options = SqliteConnectOptions::new().filename(house.data().join("store.db"));
    let mut store = options.busy_timeout(std::time::Duration::from_secs(10)).connect().await.expect("it opens");
    let row = "INSERT INTO record (version, app, customer, email, basis, role, state, made_by, maker, made, changed)
               VALUES (1, 'console', '42', 'eve@example.com', 'own', 'admin', 'active', 'staff', 'ops', 0, 0)";
    store.execute(row).await.expect("written");
    let browser = house.browser("console.test");
    browser.post("/.access/login", &[("email", "eve@example.com"), ("to", "/")]).await.expect(303);
    eventually("the attempt is answered", async || {
        house.log.events().iter().any(|line| line["fields"]["event"] == "login_unknown").then_some(())
    })
    .await;
    assert_eq!(house.mail.count_to("eve@example.com").await, 0);
}

#[tokio::test]
async fn attack_30_another_sites_page_changes_nothing_in_the_console() {
    let house = plan().start().await;
    let kim = logged_in(&house, "kim@staff.example").await;
    let headers = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.test")];
    let answer = kim.post_from("/tokens", &[("name", "theirs"), ("scopes", "admin")], &headers).await;
    assert_eq!(answer.status, 403);
    assert!(!kim.navigate("/tokens").await.expect(200).text().contains("theirs"));
    // A session of the console opens nothing else, and one of an app does not open the console.
    let api = kim.fetch("/api/v1/audit").await;
    assert_eq!(api.status, 404);
}

#[tokio::test]
async fn the_admin_listener_has_the_same_behind_a_log_in() {
    let house = plan().start().await;
    let admin = house.admin_address();
    let get = async |path: &str, more: &str| {
        plain(admin, &format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n{more}Connection: close\r\n\r\n")).await
    };
    let answer = get("/people", "").await.expect(303);
    assert!(answer.header("location").starts_with("/.access/login?to="));
    assert_eq!(get("/.access/login", "").await.status, 200);
    // Nobody gets in by a cookie of another place.
    let kim = logged_in(&house, "kim@staff.example").await;
    let cookie = format!("Cookie: {}\r\n", kim.cookie_header());
    assert_eq!(get("/people", &cookie).await.status, 303);
    let post = format!(
        "POST /.access/login HTTP/1.1\r\nHost: {admin}\r\nOrigin: http://evil.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(plain(admin, &post).await.status, 403);
}

#[tokio::test]
async fn staff_log_in_at_the_admin_listener() {
    let house = plan().start().await;
    let admin = house.admin_address();
    let send = async |method: &str, path: &str, cookies: &str, body: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {admin}\r\nOrigin: http://{admin}\r\nCookie: {cookies}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        plain(admin, &request).await
    };
    let cookies = |answer: &crate::browser::Answer| {
        let set = answer.all("set-cookie");
        set.iter().filter_map(|cookie| cookie.split(';').next()).collect::<Vec<_>>().join("; ")
    };
    let asked = send("POST", "/.access/login", "", "email=kim%40staff.example&to=%2Fpeople").await.expect(303);
    let browser = cookies(&asked);
    let mail = house.mail.wait("kim@staff.example").await;
    let token = mail.token();
    house.door.secret(&token);
    assert!(mail.link().starts_with(&format!("http://{admin}/.access/link/")), "{}", mail.link());
    let entered = send("POST", "/.access/link", &browser, &format!("token={token}")).await.expect(303);
    assert_eq!(entered.location(), "/people");
    let session = cookies(&entered);
    assert!(send("GET", "/people", &session, "").await.expect(200).text().contains("kim@staff.example"));
    // The session opens nothing at a domain, and a reload does not end it.
    let elsewhere = house.browser("console.test");
    let (_, token) = session.split_once("__Host-access=").expect("a session's cookie");
    elsewhere.set_cookie(crate::browser::SESSION, token.split(';').next().expect("a token"));
    assert_eq!(elsewhere.navigate("/people").await.status, 303);
    house.api("POST", "/api/v1/reload", "").await.expect(200);
    send("GET", "/people", &session, "").await.expect(200);
}

#[tokio::test]
async fn attack_30_nobody_has_the_link_of_a_log_in_lead_elsewhere() {
    let house = plan().start().await;
    for host in ["192.0.2.7:9180", "[2001:db8::1]:9180", "evil.test", "127.0.0.1.evil.test"] {
        let body = "email=kim%40staff.example&to=%2F";
        let request = format!(
            "POST /.access/login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(plain(house.admin_address(), &request).await.status, 421, "{host}");
    }
    assert_eq!(house.mail.count_to("kim@staff.example").await, 0);
}

#[tokio::test]
async fn without_a_console_there_is_none() {
    let house = House::start(LADDER).await;
    assert_eq!(house.admin("/people").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_staff_walks_through_the_console() {
    let plan = crate::console_changes::plan();
    let house = plan.login("mails_per_address = 100\ntries_per_client = 1000").start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.navigate("/html/orders/1042").await.expect(200);
    ann.navigate("/admin/x").await.expect(403);
    let kim = house.browser("orders.test");
    kim.log_in("kim@staff.example").await;
    let eve = [("email", "eve@example.com"), ("customer", "43"), ("to", "/")];
    kim.post("/.access/preview", &eve).await.expect(303);
    crate::house::walk(&house, "console_walk.mjs", 60).await;
}
