//! Records beside tables, as the gateway serves them. What people do on pages stands in the stories of those pages; here another hand
//! writes the store, which the gateway notices as well.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};

use crate::browser::Browser;
use crate::house::{House, eventually, printed};
use crate::wire::Wire;

const PEOPLE: &str = "\
email,company,role
ann@example.com,42,reader
lea@example.com,42,reader
";

const APPS: &str = r#"
[source.crm]
url = "csv:people.csv"
refresh = "1s"

[source.hr]
url = "csv:staff.csv"
refresh = "1s"

[app.orders]
domains = ["orders.test"]
upstream = "{{upstream}}"

[[app.orders.domain]]
host = "acme.test"
customer = "42"

[app.orders.team]
max_role = "writer"

[[app.orders.customers]]
name = "Contacts"
source = "crm"
email = "email"
customer = "company"
role = { column = "role" }

[[app.orders.customers]]
name = "Staff of customers"
source = "hr"
email = "email"
customer = "company"
role = { column = "role" }
adjustable = true

[app.orders.role.reader]
days_back = 30
rules = [{ allow = "GET /**" }]

[app.orders.role.writer]
includes = ["reader"]
portal = ["members", "invite"]
rules = [{ allow = "* /**" }]
"#;

const STAFF: &str = "email,company,role\nlou@example.com,42,reader\n";

async fn house() -> House {
    House::plan(APPS).file("people.csv", PEOPLE).file("staff.csv", STAFF).start().await
}

async fn store(house: &House) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(house.dir.path().join("data/store.db"));
    options.busy_timeout(Duration::from_secs(10)).connect().await.expect("the store opens")
}

/// Writes a record, as no page of ours does it.
async fn record(house: &House, name: &str, basis: &str, role: &str, state: &str) {
    let invited = state == "invited";
    sqlx::query(
        "INSERT INTO record (version, app, customer, email, basis, role, state, expires, sent, link, made_by, maker, made, changed)
         VALUES (1, 'orders', '42', ?1 || '@example.com', ?2, ?3, ?4, CASE WHEN ?5 THEN 4000000000000000 END,
                 CASE WHEN ?5 THEN 0 END, CASE WHEN ?5 THEN randomblob(32) END, 'staff', 'ops', 0, 0)
         ON CONFLICT (app, email, customer) DO UPDATE SET version = version + 1, role = excluded.role, state = excluded.state,
                 expires = excluded.expires, sent = excluded.sent, link = excluded.link",
    )
    .bind(name)
    .bind(basis)
    .bind(role)
    .bind(state)
    .bind(invited)
    .execute(&mut store(house).await)
    .await
    .expect("written");
}

async fn remove(house: &House, name: &str) {
    let delete = sqlx::query("DELETE FROM record WHERE email = ? || '@example.com'").bind(name);
    delete.execute(&mut store(house).await).await.expect("removed");
}

async fn set_maker(house: &House, name: &str, maker: &str) {
    let update = sqlx::query(
        "UPDATE record SET made_by = 'colleague', maker = ?2 || '@example.com' WHERE email = ?1 || '@example.com'",
    );
    update.bind(name).bind(maker).execute(&mut store(house).await).await.expect("written");
}

/// Waits until a browser's requests arrive with a role.
async fn has_role(house: &House, browser: &Browser, role: &str) {
    eventually("the role counts", async || {
        let answer = browser.fetch("/").await;
        (answer.status == 200 && house.upstream.last().header("x-access-role") == Some(role)).then_some(())
    })
    .await;
}

async fn is_out(browser: &Browser) {
    eventually("they are out", async || (browser.fetch("/").await.status == 403).then_some(())).await;
}

/// Begins a long answer.
async fn stream(house: &House, browser: &Browser) -> Wire {
    let mut wire = house.wire("orders.test").await;
    let host = format!("host: {}", house.host("orders.test"));
    let cookie = format!("cookie: {}", browser.cookie_header());
    wire.send_head(&["GET /sse HTTP/1.1", &host, &cookie, "accept: */*"]).await;
    wire.read_until("data: tick").await;
    wire
}

#[tokio::test]
async fn a_record_lets_in_whom_no_list_names_and_an_adjustable_list_is_changed() {
    let house = house().await;
    record(&house, "new", "own", "writer", "active").await;
    let new = house.browser("orders.test");
    new.log_in("new@example.com").await;
    has_role(&house, &new, "writer").await;
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
    assert_eq!(house.upstream.last().header("x-access-days-back"), Some("30"), "as the role says");

    let lou = house.browser("orders.test");
    lou.log_in("lou@example.com").await;
    has_role(&house, &lou, "reader").await;
    record(&house, "lou", "adjusts", "writer", "active").await;
    has_role(&house, &lou, "writer").await;

    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    record(&house, "ann", "own", "writer", "active").await;
    let told = printed(&house.command(&["explain", "--app", "orders", "--email", "ann@example.com"]));
    assert!(told.contains("list `Contacts` names the person and is not adjustable, so the table wins"), "{told}");
    let told = printed(&house.command(&["explain", "--app", "orders", "--email", "lou@example.com"]));
    assert!(told.contains("list `Staff of customers` is adjustable, so the record decides"), "{told}");
    has_role(&house, &ann, "reader").await;
    let told = printed(&house.command(&["check", "--data"]));
    assert!(told.contains("app orders: 3 records") && told.contains("ann@example.com for customer 42"), "{told}");
}

#[tokio::test]
async fn attack_21_whoever_is_suspended_or_removed_is_out_with_all_that_is_open() {
    let house = house().await;
    for name in ["one", "two"] {
        record(&house, name, "own", "reader", "active").await;
    }
    record(&house, "lou", "adjusts", "reader", "active").await;
    let mut open = Vec::new();
    for name in ["one", "two", "lou"] {
        let browser = house.browser("orders.test");
        browser.log_in(&format!("{name}@example.com")).await;
        let stream = stream(&house, &browser).await;
        open.push((browser, stream));
    }
    let since = Instant::now();
    record(&house, "one", "own", "reader", "suspended").await;
    remove(&house, "two").await;
    record(&house, "lou", "adjusts", "reader", "suspended").await;
    for (browser, mut stream) in open {
        stream.rest().await;
        is_out(&browser).await;
    }
    // Half a second to hear of another hand's change, one to look at what is open, and as much for a machine that is busy.
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    eventually("the upstream is told", async || (house.upstream.open_streams() == 0).then_some(())).await;
}

#[tokio::test]
async fn attack_21_a_web_socket_of_somebody_who_is_suspended_ends() {
    let house = house().await;
    record(&house, "one", "own", "reader", "active").await;
    record(&house, "lou", "adjusts", "reader", "active").await;
    for (name, basis) in [("one", "own"), ("lou", "adjusts")] {
        let browser = house.browser("orders.test");
        browser.log_in(&format!("{name}@example.com")).await;
        let mut socket = browser.web_socket("/ws").await.expect("it opens");
        // Nothing else of theirs asks: no request brings the question up.
        record(&house, name, basis, "reader", "suspended").await;
        let reading = async { while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {} };
        tokio::time::timeout(crate::wire::PATIENCE, reading).await.unwrap_or_else(|_| panic!("{name}'s socket lives"));
        assert_eq!(browser.web_socket("/ws").await.err(), Some(403), "{name}");
        record(&house, name, basis, "reader", "active").await;
        eventually("they may again", async || browser.web_socket("/ws").await.ok()).await;
    }
}

#[tokio::test]
async fn attack_21_a_record_on_top_of_a_row_goes_with_the_row() {
    let house = house().await;
    record(&house, "lou", "adjusts", "writer", "active").await;
    let lou = house.browser("orders.test");
    lou.log_in("lou@example.com").await;
    has_role(&house, &lou, "writer").await;
    house.write("staff.csv", "email,company,role\nsomebody@example.com,42,reader\n");
    is_out(&lou).await;
}

#[tokio::test]
async fn attack_20_an_invitation_is_accepted_by_its_address_in_time_and_only_from_who_may_invite() {
    let house = house().await;
    record(&house, "new", "own", "reader", "invited").await;
    // Logged in as somebody else, in the same browser: that is nobody's acceptance but the address that is proven.
    let browser = house.browser("orders.test");
    browser.log_in("ann@example.com").await;
    assert_eq!(browser.fetch("/").await.status, 200);
    browser.log_in("new@example.com").await;
    has_role(&house, &browser, "reader").await;
    assert_eq!(house.upstream.last().header("x-access-email"), Some("new@example.com"));
    eventually("it is told", async || (!house.log.named("invitation accepted").is_empty()).then_some(())).await;

    for (name, maker) in [("late", None), ("lost", Some("ann")), ("gone", Some("nobody"))] {
        record(&house, name, "own", "reader", "invited").await;
        if let Some(maker) = maker {
            set_maker(&house, name, maker).await;
        }
    }
    let update = sqlx::query("UPDATE record SET expires = 1 WHERE email = 'late@example.com'");
    update.execute(&mut store(&house).await).await.expect("written");
    // No mail comes, as for every address that may not enter: ann is a reader and invites nobody.
    for name in ["late", "lost", "gone"] {
        let stranger = house.browser("orders.test");
        stranger.ask_for_mail(&format!("{name}@example.com")).await;
    }
    let asked = async || house.log.named("log-in by somebody unknown: no mail").len() >= 3;
    eventually("they were answered", async || asked().await.then_some(())).await;
    for name in ["late", "lost", "gone"] {
        assert_eq!(house.mail.count_to(&format!("{name}@example.com")).await, 0, "{name}");
    }
}

#[tokio::test]
async fn an_invitation_is_accepted_on_a_domain_of_its_customer() {
    let house = house().await;
    record(&house, "new", "own", "reader", "invited").await;
    let new = house.browser("acme.test");
    new.log_in("new@example.com").await;
    has_role(&house, &new, "reader").await;
}

#[tokio::test]
async fn attack_22_a_list_that_cannot_be_asked_is_not_overruled_and_does_not_lock_out_at_once() {
    let apps = APPS
        .replace("csv:people.csv", "sqlite:crm.db")
        .replace("source = \"crm\"", "source = \"crm\"\ntable = \"people\"");
    let apps = apps.replace("refresh = \"1s\"\n\n[source.hr]", "refresh = \"1s\"\nmax_stale = \"4s\"\n\n[source.hr]");
    let house = House::plan(&apps).file("staff.csv", STAFF).furnish().await;
    let crm = house.dir.path().join("crm.db");
    let mut table = SqliteConnectOptions::new().filename(&crm).create_if_missing(true).connect().await.expect("made");
    sqlx::raw_sql("CREATE TABLE people (email TEXT, company TEXT, role TEXT); INSERT INTO people VALUES ('ann@example.com', '42', 'reader')")
        .execute(&mut table)
        .await
        .expect("written");
    let mut house = house;
    house.start_again().await;
    record(&house, "new", "own", "writer", "active").await;
    let new = house.browser("orders.test");
    new.log_in("new@example.com").await;
    has_role(&house, &new, "writer").await;
    std::fs::rename(&crm, crm.with_extension("away")).expect("moved");
    let since = Instant::now();
    // What was known of them, that no list names them, bridges the trouble; and then nobody knows.
    eventually("they have to wait", async || (new.fetch("/").await.status == 503).then_some(())).await;
    assert!(since.elapsed() > Duration::from_secs(2), "{:?}", since.elapsed());
    std::fs::rename(crm.with_extension("away"), &crm).expect("moved");
    has_role(&house, &new, "writer").await;
}
