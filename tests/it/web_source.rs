//! The table of customers is given out by a web server: a published spreadsheet, or an API in pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::house::{House, OPEN, PEOPLE, Plan, eventually, printed};
use crate::pki::{Authority, Leaf};
use crate::table_server::{Asked, TableServer, Told};

const TOKEN: &str = "pat-0123456789abcdef";

/// A CA for table servers, and a certificate of it.
fn authority() -> (Authority, Leaf) {
    let authority = Authority::new("Table CA");
    let leaf = authority.leaf(&["127.0.0.1"]);
    (authority, leaf)
}

/// A house whose table is at this URL, with these keys of its source.
fn plan(url: &str, keys: &str, authority: &Authority) -> Plan {
    let source = format!("url = \"{url}\"\nca = \"tables-ca.pem\"\ntimeout = \"1s\"\n{keys}");
    House::plan(&OPEN.replace("url = \"csv:people.csv\"", &source)).file("tables-ca.pem", &authority.pem)
}

/// What a command says. It is a process of its own, for which this one waits: so these tests have several threads, and the
/// table's server goes on.
fn told_by(house: &House, arguments: &[&str]) -> String {
    printed(&tokio::task::block_in_place(|| house.command(arguments)))
}

/// The people as records in pages of three, as Airtable has them: without members that are empty.
fn records(asked: &Asked, people: &str) -> Told {
    let mut lines = people.lines();
    let names: Vec<&str> = lines.next().expect("a header row").split(',').collect();
    let record = |line: &str| {
        let cells = names.iter().zip(line.split(',')).filter(|(_, value)| !value.is_empty());
        let fields: serde_json::Map<String, Value> = cells
            .map(|(name, value)| {
                // Numbers are numbers there.
                let value = value.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number));
                ((*name).to_owned(), value)
            })
            .collect();
        json!({ "id": format!("rec{}", line.len()), "createdTime": "2026-01-01T00:00:00.000Z", "fields": fields })
    };
    let all: Vec<Value> = lines.map(record).collect();
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    if path != "/v0/appX/People" {
        return Told::status(404);
    }
    if asked.field("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return Told::json(&json!({ "error": { "type": "AUTHENTICATION_REQUIRED" } })).with("X", "1");
    }
    let offset = query.split('&').find_map(|pair| pair.strip_prefix("offset=itr"));
    let from = offset.map_or(0, |offset| offset.parse::<usize>().expect("our own"));
    let page: Vec<&Value> = all.iter().skip(from).take(3).collect();
    match from + 3 < all.len() {
        true => Told::json(&json!({ "records": page, "offset": format!("itr{}", from + 3) })),
        false => Told::json(&json!({ "records": page })),
    }
}

/// The keys of a source of such records.
fn record_keys() -> String {
    let fields = "email company_id company full_name status history_days lang".split(' ');
    let fields: Vec<String> = fields.map(|name| format!("{name} = \"/fields/{name}\"")).collect();
    format!(
        "headers = {{ Authorization = \"Bearer {TOKEN}\" }}\nrows = \"/records\"\nnext = \"/offset\"\n\
         next_param = \"offset\"\nfields = {{ {} }}\n",
        fields.join(", ")
    )
}

#[tokio::test]
async fn people_enter_from_a_published_spreadsheet_and_a_change_counts_within_refresh() {
    let (authority, leaf) = authority();
    let server = TableServer::start(Some(&leaf), |_| Told::csv(PEOPLE)).await;
    let house = plan(&format!("{}/pub?output=csv", server.url()), "", &authority).start().await;
    let ann = house.browser("orders.test");
    ann.log_in_as(" Ann@Example.COM ", "ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.header("x-access-customer-name"), Some("Acme Ltd"));
    assert_eq!(seen.header("x-access-days-back"), Some("30"));
    assert!(server.asked().iter().all(|asked| asked.target == "/pub?output=csv"));

    server.conduct(|_| Told::csv(PEOPLE.replace("ann@example.com", "new@example.com")));
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;
    house.browser("orders.test").log_in("new@example.com").await;
}

#[tokio::test]
async fn an_unchanged_table_is_confirmed_without_being_sent() {
    let (authority, leaf) = authority();
    let whole = Arc::new(AtomicUsize::new(0));
    let sent = Arc::clone(&whole);
    let server = TableServer::start(Some(&leaf), move |asked| {
        if asked.field("if-none-match") == Some("W/\"7\"") {
            return Told::status(304);
        }
        sent.fetch_add(1, Ordering::SeqCst);
        Told::csv(PEOPLE).with("ETag", "W/\"7\"")
    })
    .await;
    let house = plan(&server.url(), "max_stale = \"3s\"", &authority).start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    eventually("it was asked again and again, for longer than `max_stale`", async || {
        ann.fetch("/").await.expect(200);
        (server.count() > 6).then_some(())
    })
    .await;
    assert_eq!(whole.load(Ordering::SeqCst), 1, "it was sent once");
    assert_eq!(house.admin("/readyz").await.json()["status"], "ready");
    assert_eq!(house.log.named("table read").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_enter_from_an_api_in_pages_with_a_secret_that_stands_in_no_log() {
    let (authority, leaf) = authority();
    let server = TableServer::start(Some(&leaf), |asked| records(asked, PEOPLE)).await;
    let url = format!("{}/v0/appX/People?view=All", server.url());
    let house = plan(&url, &record_keys(), &authority).start().await;
    house.door.secret(TOKEN);
    for (email, customer) in [("ann@example.com", "42"), ("eve@example.com", "43"), ("zoe@example.com", "44")] {
        let browser = house.browser("orders.test");
        browser.log_in(email).await;
        browser.fetch("/").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-customer"), Some(customer), "{email}");
    }
    let asked = server.asked();
    assert!(asked.iter().all(|asked| asked.field("authorization") == Some(&format!("Bearer {TOKEN}"))));
    let targets: Vec<&str> = asked.iter().take(3).map(|asked| asked.target.as_str()).collect();
    assert_eq!(
        targets,
        ["/v0/appX/People?view=All", "/v0/appX/People?view=All&offset=itr3", "/v0/appX/People?view=All&offset=itr6"]
    );
    // A row's place is told by its page.
    let explained = told_by(&house, &["explain", "--app", "orders", "--email", "dup@example.com"]);
    assert!(explained.contains("row 2 of page 2") && explained.contains("row 3 of page 2"), "{explained}");
    let checked = told_by(&house, &["check", "--data"]);
    assert!(checked.contains("row 2 of page 2"), "{checked}");
    for text in [explained, checked, house.admin("/metrics").await.text(), house.admin("/readyz").await.text()] {
        assert!(!text.contains(TOKEN), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_told_without_being_told() {
    let (authority, leaf) = authority();
    let server = TableServer::start(Some(&leaf), |asked| records(asked, PEOPLE)).await;
    let url = format!("{}/v0/appX/People?key=hidden-in-the-url", server.url());
    let keys = record_keys().replace("pat-", "wrong-");
    let house = plan(&url, &keys, &authority).start().await;
    house.door.secret("wrong-0123456789abcdef");
    house.door.secret("hidden-in-the-url");
    house.door.secret("AUTHENTICATION_REQUIRED");
    let checked = told_by(&house, &["check", "--data"]);
    assert!(checked.contains("there is no list of rows where `rows` says"), "{checked}");
    assert!(!checked.contains("wrong-") && !checked.contains("hidden-in"), "{checked}");
    // The page says the same to whoever asks.
    let page = house.browser("orders.test").post("/.access/login", &[("email", "ann@example.com"), ("to", "/")]).await;
    assert_eq!(page.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_not_sent_to_another_server() {
    let (authority, leaf) = authority();
    let elsewhere = TableServer::start(Some(&leaf), |_| Told::csv(PEOPLE)).await;
    let away = elsewhere.url();
    let server = TableServer::start(Some(&leaf), move |_| Told::redirect(format!("{away}/signed?x=1"))).await;
    let keys = format!("headers = {{ Authorization = \"Bearer {TOKEN}\" }}");
    let house = plan(&server.url(), &keys, &authority).start().await;
    house.door.secret(TOKEN);
    let problem = eventually("the source says why", async || {
        let checked = told_by(&house, &["check", "--data"]);
        checked.contains("it sent us to another server").then_some(checked)
    })
    .await;
    assert!(!problem.contains("signed"), "where it leads may be a secret: {problem}");
    // Nor where a page says that the next one is there.
    let away = elsewhere.url();
    server.conduct(move |_| {
        Told::json(&json!({ "records": [{ "email": "ann@example.com" }], "next": format!("{away}/2") }))
    });
    let keys = format!("{keys}\nrows = \"/records\"\nnext = \"/next\"");
    let house = plan(&server.url(), &keys, &authority).start().await;
    let checked = told_by(&house, &["check", "--data"]);
    assert!(checked.contains("its next page is on another server"), "{checked}");
    assert!(elsewhere.asked().is_empty(), "another server was asked");

    // A published spreadsheet has no secret, and is given out elsewhere.
    let away = elsewhere.url();
    server.conduct(move |_| Told::redirect(format!("{away}/signed?x=1")));
    let house = plan(&server.url(), "", &authority).start().await;
    house.browser("orders.test").log_in("ann@example.com").await;
    assert!(elsewhere.asked().iter().all(|asked| asked.target == "/signed?x=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_certificate_nobody_vouches_for_is_not_believed() {
    let (authority, _) = authority();
    let (_, stranger) = self::authority();
    let server = TableServer::start(Some(&stranger), |_| Told::csv(PEOPLE)).await;
    let house = plan(&server.url(), "", &authority).start().await;
    let checked = told_by(&house, &["check", "--data"]);
    assert!(checked.contains("it cannot be reached: ") && checked.contains("certificate"), "{checked}");
    assert!(server.asked().is_empty(), "nothing was sent");
}

/// Whatever the server does, who is known stays in; then it is well again.
async fn people_stay_in(trouble: impl Fn(&Asked) -> Told + Send + Sync + 'static) {
    let (authority, leaf) = authority();
    let server = TableServer::start(Some(&leaf), |asked| records(asked, PEOPLE)).await;
    let url = format!("{}/v0/appX/People", server.url());
    let house = plan(&url, &record_keys(), &authority).start().await;
    // She stands on the second page.
    let eve = house.browser("orders.test");
    eve.log_in("eve@example.com").await;
    eve.fetch("/").await.expect(200);
    server.conduct(trouble);
    eventually("readiness shows it", async || {
        eve.fetch("/").await.expect(200);
        (house.admin("/readyz").await.json()["status"] == "degraded").then_some(())
    })
    .await;
    house.browser("orders.test").log_in("zoe@example.com").await;
    eve.fetch("/").await.expect(200);
    server.conduct(|asked| records(asked, &PEOPLE.replace("eve@example.com,43", "eve@example.com,42")));
    eventually("it is well again, and what changed counts", async || {
        eve.fetch("/").await;
        (house.upstream.last().header("x-access-customer") == Some("42")).then_some(())
    })
    .await;
    assert_eq!(house.admin("/readyz").await.json()["status"], "ready");
}

/// The first page is good, the second is not.
fn on_the_second_page(trouble: Told) -> impl Fn(&Asked) -> Told + Send + Sync {
    move |asked| if asked.target.contains("offset") { trouble.clone() } else { records(asked, PEOPLE) }
}

#[tokio::test]
async fn attack_22_people_stay_in_when_the_server_hangs_up() {
    people_stay_in(|_| Told::Nothing).await;
}

#[tokio::test]
async fn attack_22_people_stay_in_when_the_server_says_nothing() {
    people_stay_in(|_| Told::Silence).await;
}

#[tokio::test]
async fn attack_22_people_stay_in_when_a_page_breaks_off() {
    people_stay_in(on_the_second_page(Told::Half("application/json", "{\"records\":[".to_owned()))).await;
}

#[tokio::test]
async fn attack_22_people_stay_in_when_a_page_fails() {
    people_stay_in(on_the_second_page(Told::status(500))).await;
}

#[tokio::test]
async fn attack_22_people_stay_in_when_the_table_is_suddenly_empty() {
    people_stay_in(|_| Told::json(&json!({ "records": [] }))).await;
}

#[tokio::test]
async fn attack_22_people_stay_in_when_the_answer_is_garbage() {
    people_stay_in(|_| Told::Answer(200, vec![("Content-Type", "application/json".to_owned())], b"{]\xff".to_vec()))
        .await;
}

#[tokio::test]
async fn attack_22_a_server_that_stays_away_lets_nobody_in_after_its_age_limit() {
    let (authority, leaf) = authority();
    let server = TableServer::start(Some(&leaf), |_| Told::csv(PEOPLE)).await;
    let house = plan(&server.url(), "max_stale = \"3s\"", &authority).start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let address = server.address();
    drop(server);
    eventually("the copy is too old", async || (ann.fetch("/").await.status == 503).then_some(())).await;
    assert_eq!(house.admin("/readyz").await.json()["status"], "not ready");
    let _server = TableServer::start_at(address, Some(&leaf), |_| Told::csv(PEOPLE)).await;
    eventually("she is back without a new log-in", async || (ann.fetch("/").await.status == 200).then_some(())).await;
}
