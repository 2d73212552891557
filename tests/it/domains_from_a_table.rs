//! Domains that a table names: each with its face and its customer, there when the table says so and gone when it does not.

use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

use futures_util::{SinkExt, StreamExt};
use sqlx::{Connection, SqliteConnection};
use tokio_tungstenite::tungstenite::Message;

use crate::browser::{Browser, SESSION};
use crate::house::{House, OPEN, Plan, eventually, plain, printed};
use crate::sql_server::{Database, Kind};
use crate::wire::Wire;

const TABLE: &str = r##"
[app.orders.branding]
title = "Orders"
color = "#123456"

[[app.orders.domains_from]]
source = "shops"
host = "host"
customer = "company"
title = "title"
color = "color"
logo = "logo"
logos = "branding"
where = 'row.status != "off"'
"##;

const SHOPS: &str = "\
host,company,title,color,logo,status
shop.acme.test,42,Acme Shop,#0b5fff,acme.svg,on
Shop.Globex.test.,43,,,,on
closed.test,42,Closed,,,off
";

const ACME: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><title>acme</title></svg>"##;

fn source(url: &str) -> String {
    format!("{OPEN}{TABLE}[source.shops]\nurl = \"{url}\"\nrefresh = \"1s\"\n")
}

fn plan() -> Plan {
    House::plan(&source("csv:shops.csv")).file("shops.csv", SHOPS).file("branding/acme.svg", ACME)
}

/// A host that is served has a certificate; one that is not gets no further than that.
async fn is_served(house: &House, host: &str) -> bool {
    Wire::connect(house.door.https(), host, house.door.ca()).await.is_ok()
}

async fn comes(house: &House, host: &str) {
    eventually("the domain comes", async || is_served(house, host).await.then_some(())).await;
}

async fn goes(house: &House, host: &str) {
    eventually("the domain goes", async || (!is_served(house, host).await).then_some(())).await;
}

async fn title_is(browser: &Browser, title: &str) {
    eventually(title, async || {
        browser.navigate("/.access/login").await.expect(200).text().contains(title).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_domain_has_the_face_and_the_customer_of_its_row() {
    let house = plan().start().await;
    let (acme, globex) = (house.browser("shop.acme.test"), house.browser("shop.globex.test"));
    let page = acme.navigate("/.access/login").await.expect(200).text();
    assert!(page.contains("Acme Shop"), "{page}");
    assert_eq!(acme.navigate("/.access/logo").await.expect(200).text(), ACME);
    assert!(acme.navigate("/.access/style.css").await.expect(200).text().contains("rgb(11, 95, 255)"));
    let page = globex.navigate("/.access/login").await.expect(200).text();
    assert!(page.contains("Orders"), "the app's own: {page}");
    assert!(!is_served(&house, "closed.test").await, "its row does not count");

    // The customer that the row pins holds: cat has two, eve is of another.
    let cat = acme.at("shop.acme.test");
    cat.log_in("cat@example.com").await;
    cat.navigate("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
    let eve = house.browser("orders.test");
    eve.log_in("eve@example.com").await;
    let seen = house.upstream.count();
    let there = eve.at("shop.acme.test");
    there.set_cookie(SESSION, &eve.cookie(SESSION).expect("a session"));
    assert_ne!(there.fetch("/").await.status, 200);
    assert_eq!(house.upstream.count(), seen);
    let mail = acme.at("shop.acme.test").mail("bob@example.com", "/").await;
    assert!(mail.subject.contains("Acme Shop") && mail.link().contains("https://shop.acme.test"), "{}", mail.subject);
    for (words, expected) in [
        (["vestibule_domains_served", "origin=\"config\""], 1.0),
        (["vestibule_domains_served", "origin=\"table\""], 2.0),
        (["vestibule_domain_rows_refused", "app=\"orders\""], 0.0),
    ] {
        assert!((house.metric(&words).await - expected).abs() < 0.1, "{words:?}");
    }
}

#[tokio::test]
async fn a_change_of_the_table_has_its_effect_within_the_refresh() {
    let house = plan().start().await;
    let acme = house.browser("shop.acme.test");
    title_is(&acme, "Acme Shop").await;
    house.write("shops.csv", SHOPS.replace("Acme Shop", "Acme Market") + "new.test,42,New,,,on\n");
    title_is(&acme, "Acme Market").await;
    comes(&house, "new.test").await;
    // A logo changes without the table.
    house.write("branding/acme.svg", ACME.replace(">acme<", ">other<"));
    eventually("the logo changes", async || {
        acme.navigate("/.access/logo").await.text().contains(">other<").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_domain_that_leaves_the_table_stops_with_all_that_is_open_on_it() {
    let house = plan().start().await;
    let ann = house.browser("shop.acme.test");
    ann.log_in("ann@example.com").await;
    let mut socket = ann.web_socket("/ws").await.expect("it opens");
    socket.send(Message::text("hello")).await.expect("it is open");
    socket.next().await.expect("an echo").expect("a message");
    let mut connection = house.wire("shop.acme.test").await;
    let host = format!("host: {}", house.host("shop.acme.test"));
    let head = ["GET /.access/login HTTP/1.1", &host];
    assert_eq!(connection.ask(&head).await.expect("an answer").status, 200);
    house.write("shops.csv", SHOPS.replace("shop.acme.test", "other.test"));
    goes(&house, "shop.acme.test").await;
    let reading = async {
        while let Some(Ok(message)) = socket.next().await
            && !message.is_close()
        {}
    };
    tokio::time::timeout(crate::wire::PATIENCE, reading).await.expect("the socket ends");
    eventually("the upstream's end closes", async || (house.upstream.open_streams() == 0).then_some(())).await;
    let answer = connection.ask(&head).await.map(|answer| answer.status);
    assert!(matches!(answer, Some(421) | None), "a connection from before is of no use: {answer:?}");
    // Back for the same customer, it serves at once.
    house.write("shops.csv", SHOPS);
    comes(&house, "shop.acme.test").await;
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn attack_29_another_customer_gets_a_domain_only_by_an_operators_word() {
    let house = plan().start().await;
    let ann = house.browser("shop.acme.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    house.write("shops.csv", SHOPS.replace("shop.acme.test,42", "shop.acme.test,43"));
    goes(&house, "shop.acme.test").await;
    let told = printed(&house.command(&["domains", "shop.acme.test"]));
    assert!(told.contains("_access-challenge.shop.acme.test"), "{told}");
    let listed = house.admin("/api/v1/domains/shop.acme.test").await.expect(200).json();
    assert_eq!((&listed["problem"], &listed["customer"]), (&"unproven".into(), &"43".into()), "{listed}");
    assert!((house.metric(&["vestibule_domains_waiting", "cause=\"unproven\""]).await - 1.0).abs() < 0.1);
    let retried = house.command(&["domains", "retry", "shop.acme.test"]);
    assert_eq!(retried.status.code(), Some(2), "nothing is ordered without `[acme]`: {}", printed(&retried));
    let none = house.command(&["domains", "approve", "nobodys.test"]);
    assert_eq!(none.status.code(), Some(2), "{}", printed(&none));
    let approved = house.command(&["domains", "approve", "shop.acme.test"]);
    assert!(
        approved.status.success() && printed(&approved).contains("serves for customer 43"),
        "{}",
        printed(&approved)
    );
    comes(&house, "shop.acme.test").await;
    // Ann's session was customer 42's, and is of no use to 43.
    let seen = house.upstream.count();
    assert_ne!(ann.fetch("/").await.status, 200);
    assert_eq!(house.upstream.count(), seen);
    let eve = house.browser("shop.acme.test");
    eve.log_in("eve@example.com").await;
    eve.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("43"));
    // And back again: whoever had it once has to be approved as well.
    house.write("shops.csv", SHOPS);
    goes(&house, "shop.acme.test").await;
}

/// A DNS server that answers what it is told to.
struct Dns {
    process: Child,
    port: u16,
    management: std::net::SocketAddr,
}

impl Dns {
    fn start() -> Self {
        // It needs the same port for both protocols.
        let port = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = tcp.local_addr().expect("bound").port();
            if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
                break port;
            }
        };
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let management = free.local_addr().expect("bound");
        drop(free);
        let process = Command::new("pebble-challtestsrv")
            .args(["-dns01", &format!("127.0.0.1:{port}"), "-management", &management.to_string()])
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pebble is installed; tests/run does it");
        Self { process, port, management }
    }

    async fn set_txt(&self, name: &str, value: &str) {
        eventually("the DNS server listens", async || {
            tokio::net::TcpStream::connect(self.management).await.is_ok().then_some(())
        })
        .await;
        let body = serde_json::json!({ "host": format!("{name}."), "value": value }).to_string();
        let request = format!(
            "POST /set-txt HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        plain(self.management, &request).await.expect(200);
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn attack_29_another_customer_gets_a_domain_only_with_its_own_record_in_dns() {
    let dns = Dns::start();
    let acme = format!("[acme]\ndirectory = \"https://127.0.0.1:1/dir\"\ndns = [\"127.0.0.1:{}\"]\n", dns.port);
    let house = plan().config(&acme).start().await;
    comes(&house, "shop.acme.test").await;
    house.write("shops.csv", SHOPS.replace("shop.acme.test,42", "shop.acme.test,43"));
    goes(&house, "shop.acme.test").await;
    let record = async || {
        let text = printed(&house.command(&["domains", "shop.acme.test", "--json"]));
        let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let sentence = told["sentence"].as_str().unwrap_or_default().to_owned();
        let (_, value) = sentence.split_once(". TXT \"").unwrap_or_else(|| panic!("{told}"));
        value.split_once('"').expect("the text ends").0.to_owned()
    };
    let for_43 = eventually("it is told what to set", async || {
        let text = printed(&house.command(&["domains", "shop.acme.test"]));
        text.contains("_access-challenge.").then_some(())
    })
    .await;
    let () = for_43;
    let for_43 = record().await;
    // What was meant for somebody else, and what anybody could make up, is no proof.
    house.write("shops.csv", SHOPS.replace("shop.acme.test,42", "shop.acme.test,44"));
    let for_44 =
        eventually("it waits for another", async || Some(record().await).filter(|value| *value != for_43)).await;
    for wrong in [for_43.as_str(), "44", "shop.acme.test"] {
        dns.set_txt("_access-challenge.shop.acme.test", wrong).await;
    }
    let seen = house.log.named("the domain is proven for another owner").len();
    assert_eq!(seen, 0);
    assert!(!is_served(&house, "shop.acme.test").await);
    dns.set_txt("_access-challenge.shop.acme.test", &for_44).await;
    comes(&house, "shop.acme.test").await;
    let zoe = house.browser("shop.acme.test");
    zoe.log_in("zoe@example.com").await;
    zoe.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("44"));
}

#[tokio::test]
async fn a_start_while_the_source_is_down_serves_what_the_store_knows() {
    let mut house = plan().start().await;
    comes(&house, "shop.acme.test").await;
    house.terminate();
    house.ended().await;
    std::fs::remove_file(house.dir.path().join("shops.csv")).expect("it was there");
    house.start_again().await;
    let acme = house.browser("shop.acme.test");
    let page = acme.navigate("/.access/login").await.expect(200).text();
    assert!(page.contains("Acme Shop"), "{page}");
    assert_eq!(acme.navigate("/.access/logo").await.expect(200).text(), ACME);
    assert!(is_served(&house, "shop.globex.test").await && !is_served(&house, "closed.test").await);
    // Even so nobody else has it for the asking when the table is back.
    house.write("shops.csv", SHOPS.replace("shop.acme.test,42", "shop.acme.test,43"));
    goes(&house, "shop.acme.test").await;
}

#[tokio::test]
async fn a_table_that_is_suddenly_empty_takes_no_domain_down() {
    let house = plan().start().await;
    comes(&house, "shop.acme.test").await;
    house.write("shops.csv", "host,company,title,color,logo,status\n");
    eventually("it is noticed", async || {
        let ready = house.admin("/readyz").await.json();
        ready["problems"].to_string().contains("suddenly 0 rows").then_some(())
    })
    .await;
    assert!(is_served(&house, "shop.acme.test").await);
}

const AWKWARD: &str = "\
host,company,title,color,logo,status
shop.acme.test,42,Acme Shop,blue,../vestibule.toml,on
orders.test,43,Mine,,,on
twice.test,42,,,,on
twice.test,43,,,,on
same.test,42,,,,on
same.test,42,,,,on
*.wild.test,42,,,,on
127.0.0.1,42,,,,on
https://scheme.test/,42,,,,on
nobodys.test,,,,,on
";

#[tokio::test]
async fn rows_of_no_use_are_told_and_harm_no_others() {
    let house = plan().file("shops.csv", AWKWARD).start().await;
    let acme = house.browser("shop.acme.test");
    let page = acme.navigate("/.access/login").await.expect(200).text();
    assert!(page.contains("Acme Shop"));
    assert_eq!(acme.navigate("/.access/logo").await.status, 404, "the app has none");
    assert!(is_served(&house, "same.test").await);
    for host in ["twice.test", "a.wild.test", "scheme.test", "nobodys.test"] {
        assert!(!is_served(&house, host).await, "{host}");
    }
    // What the config names is the config's.
    let page = house.browser("orders.test").navigate("/.access/login").await.expect(200).text();
    assert!(page.contains("Orders") && !page.contains("Mine"), "{page}");
    let check = house.command(&["check", "--data"]);
    let told = printed(&check);
    assert_eq!(check.status.code(), Some(2), "{told}");
    for line in [
        "1 table of domains",
        "10 rows, 3 domains, 10 faults",
        "line 2   shop.acme.test: the logo `../vestibule.toml` is not the name of a file in `logos`",
        "line 3   orders.test: the row does not count: app `orders` has it in the config",
        "line 4   twice.test: ambiguous: line 5 (customer `43`) has the domain too",
        "line 5   twice.test: ambiguous: line 4 (customer `42`) has the domain too",
        "line 7   same.test: the domain stands twice: line 6 counts",
        "line 8   *.wild.test: `*.wild.test` is a wildcard",
        "line 9   127.0.0.1: `127.0.0.1` is an address",
        "line 10  https://scheme.test/: `https://scheme.test/` is not a host name",
        "line 11  nobodys.test: the customer is empty",
    ] {
        assert!(told.contains(line), "`{line}` is missing in:\n{told}");
    }
    assert!((house.metric(&["vestibule_domain_rows_refused"]).await - 10.0).abs() < 0.1);
    // Once the table is right, the domain is for whoever is left.
    house.write("shops.csv", AWKWARD.replace("twice.test,43,,,,on\n", ""));
    comes(&house, "twice.test").await;
}

#[tokio::test]
async fn explain_knows_the_domains_of_tables() {
    let house = plan().start().await;
    let told = house.command(&["explain", "--email", "eve@example.com", "--host", "shop.acme.test"]);
    assert_eq!(told.status.code(), Some(3), "{}", printed(&told));
    assert!(printed(&told).contains("for the people of customer 42 alone"), "{}", printed(&told));
    let told = house.command(&["explain", "--email", "ann@example.com", "--host", "shop.acme.test", "--path", "/"]);
    assert!(told.status.success(), "{}", printed(&told));
    let told = house.command(&["explain", "--email", "ann@example.com", "--host", "other.test"]);
    assert!(printed(&told).contains("`other.test` is no domain of app `orders`"), "{}", printed(&told));
}

#[tokio::test]
async fn domains_come_from_sqlite() {
    let house =
        House::plan(&source("sqlite:shops.db").replace("source = \"shops\"", "source = \"shops\"\ntable = \"shops\""))
            .file("branding/acme.svg", ACME)
            .furnish()
            .await;
    let file = house.dir.path().join("shops.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut shops = SqliteConnection::connect_with(&options).await.expect("it is made");
    let table = "CREATE TABLE shops (host TEXT, company INTEGER, title TEXT, color TEXT, logo TEXT, status TEXT)";
    sqlx::query(table).execute(&mut shops).await.expect("made");
    let insert = "INSERT INTO shops VALUES ('shop.acme.test', 42, 'Acme Shop', NULL, 'acme.svg', 'on')";
    sqlx::query(insert).execute(&mut shops).await.expect("inserted");
    let mut house = house;
    house.start_again().await;
    let acme = house.browser("shop.acme.test");
    title_is(&acme, "Acme Shop").await;
    sqlx::query("UPDATE shops SET title = 'Acme Market'").execute(&mut shops).await.expect("changed");
    title_is(&acme, "Acme Market").await;
    sqlx::query("INSERT INTO shops VALUES ('new.test', 43, NULL, NULL, NULL, 'on')")
        .execute(&mut shops)
        .await
        .expect("in");
    comes(&house, "new.test").await;
}

#[tokio::test]
async fn domains_come_from_postgresql_and_at_once_when_it_tells() {
    let database = Database::new(Kind::Postgres).await;
    database.run("CREATE TABLE shops (host text, company int, title text, color text, logo text, status text)").await;
    database.run("INSERT INTO shops VALUES ('shop.acme.test', 42, 'Acme Shop', NULL, NULL, 'on')").await;
    database.run("GRANT SELECT ON shops TO PUBLIC").await;
    let apps = source(&database.url()).replace("source = \"shops\"", "source = \"shops\"\ntable = \"shops\"").replace(
        &format!("{}\"\nrefresh = \"1s\"", database.url()),
        &format!("{}\"\nrefresh = \"1h\"\nmax_stale = \"1h\"\nnotify = \"shops\"", database.url()),
    );
    assert!(apps.contains("refresh = \"1h\""), "{apps}");
    let house = House::plan(&apps).file("branding/acme.svg", ACME).start().await;
    let acme = house.browser("shop.acme.test");
    title_is(&acme, "Acme Shop").await;
    database.run("INSERT INTO shops VALUES ('new.test', 43, 'New', NULL, NULL, 'on'); NOTIFY shops, 'new.test'").await;
    comes(&house, "new.test").await;
    database.run("DELETE FROM shops WHERE host = 'shop.acme.test'; NOTIFY shops").await;
    goes(&house, "shop.acme.test").await;
}

#[tokio::test]
async fn a_reload_takes_the_tables_of_domains_along() {
    let house = plan().start().await;
    let acme = house.browser("shop.acme.test");
    title_is(&acme, "Acme Shop").await;
    let globex = house.browser("shop.globex.test");
    house.change("title = \"Orders\"", "title = \"Bestellungen\"");
    house.reload().await.expect(200);
    title_is(&globex, "Bestellungen").await;
    title_is(&acme, "Acme Shop").await;
    // A domain that the config takes is the config's, and one that it lets go is the table's again.
    house.change("domains = [\"orders.test\"]", "domains = [\"orders.test\", \"shop.globex.test\"]");
    house.reload().await.expect(200);
    eventually("it counts as the config's", async || {
        let served = house.metric(&["vestibule_domains_served", "origin=\"table\""]).await;
        ((served - 1.0).abs() < 0.1).then_some(())
    })
    .await;
    assert!(is_served(&house, "shop.globex.test").await);
    house.change("where = 'row.status != \"off\"'", "where = 'row.status == \"off\"'");
    house.reload().await.expect(200);
    comes(&house, "closed.test").await;
    goes(&house, "shop.acme.test").await;
}
