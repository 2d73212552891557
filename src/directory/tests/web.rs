//! Tables over HTTP, from a server that behaves as the test says.

use std::sync::Mutex;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::json;

use super::*;

/// How the server answers.
type Conduct = dyn Fn(&Uri, &HeaderMap) -> Response + Send + Sync;

/// One answer, made anew each time.
type Reply = fn() -> Response;

/// A real server, on loopback and without TLS; it ends with the test's runtime.
struct Server {
    url: String,
    conduct: Arc<Mutex<Arc<Conduct>>>,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Server {
    async fn start(conduct: impl Fn(&Uri, &HeaderMap) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let conduct: Arc<Mutex<Arc<Conduct>>> = Arc::new(Mutex::new(Arc::new(conduct)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (how, seen) = (Arc::clone(&conduct), Arc::clone(&asked));
        let answer = async move |uri: Uri, headers: HeaderMap| {
            seen.lock().expect("not poisoned").push((uri.to_string(), headers.clone()));
            let how = Arc::clone(&how.lock().expect("not poisoned"));
            let response = how(&uri, &headers);
            if response.headers().contains_key("x-hang") {
                std::future::pending::<()>().await;
            }
            response
        };
        let router = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, conduct, asked }
    }

    fn conduct(&self, conduct: impl Fn(&Uri, &HeaderMap) -> Response + Send + Sync + 'static) {
        *self.conduct.lock().expect("not poisoned") = Arc::new(conduct);
    }

    /// What was asked for since the last time.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").drain(..).map(|(uri, _)| uri).collect()
    }
}

fn reply(status: u16, fields: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(body.into()).expect("a response")
}

fn csv(text: &'static str) -> impl Fn(&Uri, &HeaderMap) -> Response {
    move |_, _| reply(200, &[("content-type", "text/csv")], text)
}

fn as_json(value: &serde_json::Value) -> Response {
    reply(200, &[("content-type", "application/json")], value.to_string())
}

/// A body that begins like this and then breaks off.
fn half(text: &'static str) -> Body {
    let begin = futures_util::stream::iter([Ok(bytes::Bytes::from(text))]);
    let cut = futures_util::stream::once(async {
        // So that what came before is on its way.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("cut"))
    });
    Body::from_stream(futures_util::StreamExt::chain(begin, cut))
}

const PEOPLE: &str = "email,company,role\nann@example.com,1,user\nbob@example.com,2,admin\n";

fn config(url: &str, keys: &str) -> String {
    format!(
        "[source.crm]\nurl = \"{url}\"\nrefresh = \"30s\"\nmax_stale = \"15m\"\ntimeout = \"1s\"\n{keys}\n\
         [app.orders]\ndomains = [\"orders.example.com\"]\nupstream = \"http://127.0.0.1:1\"\n\
         [[app.orders.customers]]\nsource = \"crm\"\nemail = \"email\"\ncustomer = \"company\"\nrole = {{ column = \"role\" }}\n"
    )
}

const PAGED: &str = r#"
rows = "/records"
next = "/offset"
next_param = "offset"
[source.crm.fields]
email = "/fields/Email"
company = "/fields/Company"
role = "/fields/Role"
"#;

/// Records in pages of two, in the manner of Airtable.
fn paged(uri: &Uri) -> Response {
    let record = |email: &str, company: u32| json!({"id": "rec", "fields": {"Email": email, "Company": company, "Role": "user"}});
    match uri.query() {
        Some("view=all") => as_json(
            &json!({"records": [record("ann@example.com", 1), record("bob@example.com", 2)], "offset": "itr/1&x"}),
        ),
        Some("view=all&offset=itr%2F1%26x") => {
            as_json(&json!({"records": [record("cat@example.com", 3), record("dan@example.com", 4)], "offset": "2"}))
        }
        Some("view=all&offset=2") => as_json(&json!({"records": [record("eve@example.com", 5)]})),
        _ => reply(404, &[], ""),
    }
}

impl House {
    fn web(server: &Server, keys: &str) -> Self {
        Self::new(&config(&server.url, keys), &[])
    }

    fn problem(&self) -> String {
        let source = self.directory.first_source();
        source.health(self.now).problem.unwrap_or_default()
    }

    fn generation(&self) -> u64 {
        self.directory.first_source().generation()
    }
}

#[tokio::test]
async fn a_csv_table_is_read_and_a_change_is_seen_within_refresh() {
    let server = Server::start(csv(PEOPLE)).await;
    let mut house = House::web(&server, "");
    assert!(!house.is_available(), "nothing was read yet");
    assert_eq!(house.roles("Ann@Example.com").await, "user@1");
    assert_eq!(house.roles("eve@example.com").await, "");
    assert_eq!(house.state(), SourceState::Fresh);
    server.conduct(csv("email,company,role\nann@example.com,1,admin\neve@example.com,9,user\n"));
    house.pass(29);
    assert_eq!(house.roles("ann@example.com").await, "user@1");
    assert_eq!(server.asked().len(), 1, "one answer serves all for so long");
    house.pass(1);
    assert_eq!(house.roles("ann@example.com").await, "admin@1");
    assert_eq!(house.roles("bob@example.com").await, "");
    assert_eq!(house.roles("eve@example.com").await, "user@9");
}

#[tokio::test]
async fn pages_are_read_to_the_last_and_rows_know_theirs() {
    let server = Server::start(|uri, _| paged(uri)).await;
    let house = House::new(&config(&format!("{}/v0/app?view=all", server.url), PAGED), &[]);
    assert_eq!(house.roles("ann@example.com").await, "user@1");
    assert_eq!(house.roles("eve@example.com").await, "user@5");
    assert_eq!(
        server.asked(),
        ["/v0/app?view=all", "/v0/app?view=all&offset=itr%2F1%26x", "/v0/app?view=all&offset=2"]
    );
    let dan = Email::parse("dan@example.com").expect("an address");
    let trace = house.directory.trace(&orders(), &dan, jiff::Timestamp::UNIX_EPOCH).await.expect("an app");
    let rows = trace.lists.first().expect("a list").rows.as_ref().expect("rows");
    assert_eq!(rows.first().expect("a row").place.to_string(), "row 2 of page 2");
}

#[tokio::test]
async fn the_next_page_may_be_a_url_on_the_same_server_and_only_there() {
    let page = |rows: serde_json::Value, next: serde_json::Value| as_json(&json!({"records": rows, "next": next}));
    let row = |email: &str| json!([{"email": email, "company": "1", "role": "user"}]);
    let keys = "rows = \"/records\"\nnext = \"/next\"\n";
    let relative = move |uri: &Uri, _: &HeaderMap| match uri.path_and_query().map(|path| path.as_str()) {
        Some("/") => page(row("ann@example.com"), json!("more/2?x=1")),
        Some("/more/2?x=1") => page(row("bob@example.com"), json!(null)),
        _ => reply(404, &[], ""),
    };
    let server = Server::start(relative).await;
    let house = House::web(&server, keys);
    assert_eq!(house.roles("bob@example.com").await, "user@1");

    let elsewhere = Server::start(csv(PEOPLE)).await;
    for (next, why) in [
        (json!(elsewhere.url), "its next page is on another server, which is not asked"),
        (json!("https://127.0.0.1/"), "its next page is on another server, which is not asked"),
        (json!("//example.com/"), "its next page is on another server, which is not asked"),
        (json!("/"), "its pages go in a circle"),
        (json!("#x"), "its pages go in a circle"),
        (json!(7), "what `next` leads to names no page"),
        (json!(["/2"]), "what `next` leads to names no page"),
    ] {
        server.conduct(move |_, _| page(row("ann@example.com"), next.clone()));
        let house = House::web(&server, keys);
        assert_eq!(house.roles("ann@example.com").await, format!("unavailable: {why}"));
    }
    assert!(elsewhere.asked().is_empty(), "another server was asked");
}

#[tokio::test]
async fn a_redirect_with_a_secret_stays_on_its_server() {
    let elsewhere = Server::start(csv(PEOPLE)).await;
    let to = elsewhere.url.clone();
    let server = Server::start(move |uri, _| match uri.path() {
        "/" => reply(302, &[("location", "/moved")], ""),
        "/moved" => csv(PEOPLE)(uri, &HeaderMap::new()),
        _ => reply(307, &[("location", &to)], ""),
    })
    .await;
    let keys = "headers = { Authorization = \"Bearer hunter2\" }";
    let house = House::web(&server, keys);
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    let sent = server.asked.lock().expect("not poisoned").clone();
    assert_eq!(sent.len(), 2);
    assert!(
        sent.iter().all(|(_, headers)| headers.get("authorization").is_some_and(|value| value == "Bearer hunter2"))
    );
    let house = House::new(&config(&format!("{}/away", server.url), keys), &[]);
    let roles = house.roles("bob@example.com").await;
    assert!(roles.starts_with("unavailable: it sent us to another server"), "{roles}");
    assert!(elsewhere.asked().is_empty(), "another server was asked");
    // Without a secret it is still no TLS there.
    let house = House::new(&config(&format!("{}/away", server.url), ""), &[]);
    assert_eq!(house.roles("bob@example.com").await, "unavailable: it sent us to where there is no TLS");
    server.conduct(|_, _| reply(302, &[("location", "/")], ""));
    assert!(House::web(&server, "").roles("bob@example.com").await.contains("elsewhere more than 5 times"));
}

#[tokio::test]
async fn what_has_not_changed_is_confirmed_and_makes_no_new_table() {
    let server = Server::start(|_, headers| match headers.get("if-none-match") {
        Some(tag) if tag == "\"v1\"" => reply(304, &[("etag", "\"v1\"")], ""),
        _ => reply(200, &[("content-type", "text/csv"), ("etag", "\"v1\"")], PEOPLE),
    })
    .await;
    let mut house = House::web(&server, "");
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    let before = house.generation();
    for _ in 0..100 {
        house.live(1).await;
    }
    assert_eq!(house.state(), SourceState::Fresh);
    assert_eq!(house.generation(), before);
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    server.conduct(|_, headers| {
        assert!(headers.contains_key("if-none-match"));
        reply(200, &[("content-type", "text/csv"), ("etag", "\"v2\"")], "email,company,role\nbob@example.com,2,user\n")
    });
    house.live(1).await;
    assert_eq!(house.generation(), before + 1);
    assert_eq!(house.roles("bob@example.com").await, "user@2");
    // Pages whose cursors change say the same; none of them has a word for the others.
    let count = std::sync::atomic::AtomicU32::new(0);
    let server = Server::start(move |uri, headers| {
        assert!(!headers.contains_key("if-none-match"));
        let turn = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let next = uri.query().is_none().then(|| format!("cursor{turn}"));
        let rows = json!([{"fields": {"Email": if next.is_some() { "a@b.example" } else { "b@b.example" }, "Company": 1, "Role": "user"}}]);
        let text = json!({"records": rows, "offset": next}).to_string();
        reply(200, &[("content-type", "application/json"), ("etag", "\"v1\"")], text)
    })
    .await;
    let mut house = House::web(&server, PAGED);
    assert_eq!(house.roles("b@b.example").await, "user@1");
    house.live(90).await;
    assert_eq!(house.generation(), 1);
    assert!(server.asked().len() > 100);
}

#[tokio::test]
async fn attack_22_a_server_in_trouble_is_bridged_until_max_stale_then_nobody_enters() {
    let paged_with = |second: Reply| {
        move |uri: &Uri, _: &HeaderMap| if uri.query() == Some("view=all") { paged(uri) } else { second() }
    };
    let page_two: [(Reply, &str); 7] = [
        (|| reply(500, &[], "secret"), "page 2: it answered with status 500"),
        (|| reply(429, &[], ""), "page 2: it answered with status 429"),
        (|| reply(200, &[("x-hang", "1")], ""), "page 2: no answer within 1 s"),
        (
            || reply(200, &[("content-type", "application/json")], half("{\"records\":[")),
            "page 2: its answer broke off",
        ),
        (|| reply(200, &[("content-type", "application/json")], "{\"records\":["), "page 2: its answer cannot be read"),
        (|| reply(200, &[("content-type", "text/html")], "<p>Log in"), "page 2: its answer is a web page"),
        (|| as_json(&json!({"error": "secret"})), "page 2: its answer cannot be read: there is no list of rows"),
    ];
    for (second, why) in page_two {
        let server = Server::start(|uri, _| paged(uri)).await;
        let mut house = House::new(&config(&format!("{}/?view=all", server.url), PAGED), &[]);
        assert_eq!(house.roles("eve@example.com").await, "user@5");
        server.conduct(paged_with(second));
        house.pass(30);
        // The first page alone would have locked out whoever stands in the others.
        assert_eq!(house.roles("eve@example.com").await, "user@5", "{why}");
        assert!(house.problem().starts_with(why), "{}", house.problem());
        assert!(!house.problem().contains("secret"), "{}", house.problem());
        assert!(matches!(house.state(), SourceState::Stale { .. }));
        house.pass(15 * 60 - 31);
        assert_eq!(house.roles("eve@example.com").await, "user@5", "{why}");
        house.pass(1);
        let roles = house.roles("eve@example.com").await;
        assert!(roles.starts_with(&format!("unavailable: {why}")), "{roles}");
        assert!(matches!(house.state(), SourceState::Down { .. }));
        assert!(!house.is_available());
        server.conduct(|uri, _| paged(uri));
        house.live(1).await;
        assert_eq!(house.roles("eve@example.com").await, "user@5", "{why}");
        assert_eq!(house.state(), SourceState::Fresh);
    }
}

#[tokio::test]
async fn attack_22_a_table_that_is_suddenly_empty_or_half_is_not_believed() {
    let garbage: [(&str, Reply, &str); 6] = [
        ("empty", || csv("email,company,role\n")(&Uri::default(), &HeaderMap::new()), "suddenly 0 rows"),
        ("nothing", || csv("")(&Uri::default(), &HeaderMap::new()), "the file has no header row"),
        (
            "no column",
            || csv("mail\na@b.example\n")(&Uri::default(), &HeaderMap::new()),
            "the column `company` is gone",
        ),
        (
            "cut",
            || reply(200, &[("content-type", "text/csv")], half("email,company,role\nann@example.com,1,user\n")),
            "its answer broke off",
        ),
        (
            "packed",
            || reply(200, &[("content-type", "text/csv"), ("content-encoding", "gzip")], "x"),
            "its answer is compressed",
        ),
        (
            "unknown",
            || reply(200, &[("content-type", "text/plain")], PEOPLE),
            "its answer has the content type `text/plain`",
        ),
    ];
    for (name, answer, why) in garbage {
        let server = Server::start(csv(PEOPLE)).await;
        let mut house = House::web(&server, "");
        assert_eq!(house.roles("bob@example.com").await, "admin@2");
        server.conduct(move |_, _| answer());
        house.pass(30);
        assert_eq!(house.roles("bob@example.com").await, "admin@2", "{name}");
        assert!(house.problem().starts_with(why), "{name}: {}", house.problem());
    }
    // A table that stays empty is meant to be, also in JSON, where an empty one names no columns.
    let rows = json!([{"email": "bob@example.com", "company": 2, "role": "admin"}]);
    let server = Server::start(move |_, _| as_json(&rows)).await;
    let mut house = House::web(&server, "");
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    server.conduct(|_, _| as_json(&json!([])));
    house.live(60).await;
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    assert!(house.problem().starts_with("suddenly 0 rows"), "{}", house.problem());
    house.live(15 * 60).await;
    assert_eq!(house.roles("bob@example.com").await, "");
    assert_eq!(house.state(), SourceState::Fresh);
}

#[tokio::test]
async fn a_server_that_hangs_keeps_nobody_waiting_who_is_known() {
    let server = Server::start(csv(PEOPLE)).await;
    let mut house = House::web(&server, "");
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    server.conduct(|_, _| reply(200, &[("x-hang", "1")], ""));
    house.pass(30);
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    // From now on it is known to be in trouble; while one tries, the others go on.
    house.pass(30);
    let source = house.directory.first_source();
    let now = house.now;
    let trying = tokio::spawn(async move { source.look(now).await });
    tokio::task::yield_now().await;
    let start = std::time::Instant::now();
    assert_eq!(house.roles("ann@example.com").await, "user@1");
    assert!(start.elapsed() < Duration::from_millis(900), "somebody waited");
    trying.await.expect("it ends");
}

#[tokio::test]
async fn one_reading_serves_all_who_wait_for_it() {
    let server = Server::start(csv(PEOPLE)).await;
    let house = House::web(&server, "");
    let all = join_all((0..50).map(|n| {
        let house = &house;
        async move { house.roles(if n % 2 == 0 { "bob@example.com" } else { "ann@example.com" }).await }
    }))
    .await;
    assert!(all.iter().all(|roles| roles == "admin@2" || roles == "user@1"), "{all:?}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn every_fault_is_reported_with_its_place() {
    let server = Server::start(|_, _| {
        as_json(&json!({"records": [
            {"fields": {"Email": "ann@example.com", "Company": 1, "Role": "user"}},
            7,
            {"fields": {"Email": "nobody", "Company": 1, "Role": "user"}},
            {"fields": {"Email": "bob@example.com", "Company": ["a"], "Role": "user"}},
        ]}))
    })
    .await;
    let house = House::web(&server, PAGED);
    let report = house.directory.report(&orders(), &mut |_, _, _| {}).await.expect("an app");
    let list = report.lists.first().expect("a list");
    let faults: Vec<String> = list.faults.iter().map(|fault| format!("{}: {}", fault.place, fault.what)).collect();
    assert_eq!(
        faults,
        [
            "row 2: the email is empty",
            "row 3: `nobody` is not an email address: an address has exactly one @",
            "row 4: the customer is empty"
        ]
    );
    assert_eq!((report.people, list.rows), (1, 4));
}
