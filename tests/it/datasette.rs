//! Datasette, unchanged, behind the config of `examples/datasette/`: six levels of people, and none of the ways round a filter that
//! Datasette has shows any of them what is not theirs.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};

use crate::browser::{Answer, Browser};
use crate::house::House;
use crate::mailbox::support;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/datasette").join(name)
}

/// A running Datasette.
pub(crate) struct Datasette {
    child: Child,
    pub(crate) url: String,
    _dir: tempfile::TempDir,
    orders: Vec<Order>,
}

/// What stands in the database.
#[derive(Debug)]
struct Order {
    id: i64,
    customer: i64,
    reference: String,
    date: jiff::civil::Date,
    price: f64,
    amount: f64,
}

impl Datasette {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("data.db");
        let made = Command::new("python3").arg(example("data.py")).arg(&data).status().expect("python3 is installed");
        assert!(made.success());
        let program = support().join("venv/bin/datasette");
        let mut child = Command::new(&program)
            .args(["serve", "--host", "127.0.0.1", "--port", "0", "--setting", "default_cache_ttl", "0", "--immutable"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: {} is missing; tests/run installs it", program.display()));
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let url = lines.by_ref().find_map(|line| {
            let (_, rest) = line.split_once("running on ")?;
            rest.split_whitespace().next().map(str::to_owned)
        });
        // What it says later is of no use, but it must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let orders = orders(&data).await;
        Self { child, url: url.expect("it says where it listens"), _dir: dir, orders }
    }

    /// The gateway before it, by the example's config.
    async fn house(&self) -> House {
        self.house_with(|config| config).await
    }

    /// The same, with something in the config changed.
    async fn house_with(&self, change: impl Fn(String) -> String) -> House {
        let config = std::fs::read_to_string(example("vestibule.toml")).expect("the example");
        let config = change(config);
        let (_, apps) = config.split_once("[source.people]").expect("the example has a source");
        let apps = format!("[source.people]{apps}").replace("http://127.0.0.1:8001", &self.url);
        assert!(apps.contains(&self.url));
        let people = std::fs::read(example("people.csv")).expect("the example");
        House::plan(&apps).file("people.csv", people).start().await
    }

    /// The references of a customer's orders of that many days back.
    fn references(&self, customer: i64, days: Option<i64>) -> Vec<&str> {
        let since = since(days);
        let own = self.orders.iter().filter(|order| order.customer == customer && order.date >= since);
        own.map(|order| order.reference.as_str()).collect()
    }
}

impl Drop for Datasette {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

async fn orders(data: &Path) -> Vec<Order> {
    let mut database = SqliteConnectOptions::new().filename(data).connect().await.expect("the database opens");
    let rows = sqlx::query(
        "SELECT id, customer_id, ref, date, CAST(price AS REAL) AS price, CAST(amount AS REAL) AS amount FROM orders",
    );
    let rows = rows.fetch_all(&mut database).await.expect("the table is there");
    rows.iter()
        .map(|row| Order {
            id: row.get("id"),
            customer: row.get("customer_id"),
            reference: row.get("ref"),
            date: row.get::<String, _>("date").parse().expect("a date"),
            price: row.get("price"),
            amount: row.get("amount"),
        })
        .collect()
}

/// The first day that somebody may see.
#[expect(clippy::disallowed_methods, reason = "the test's own clock, to compare with the gateway's")]
fn since(days: Option<i64>) -> jiff::civil::Date {
    let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date();
    days.map_or(jiff::civil::Date::MIN, |days| today - jiff::Span::new().days(days))
}

/// One level of the example.
struct Level {
    email: &'static str,
    days: Option<i64>,
    sees_orders: bool,
    sees_prices: bool,
    sees_invoices: bool,
    sees_people: bool,
}

const fn level(email: &'static str, days: Option<i64>, sees: [bool; 4]) -> Level {
    let [sees_orders, sees_prices, sees_invoices, sees_people] = sees;
    Level { email, days, sees_orders, sees_prices, sees_invoices, sees_people }
}

const LADDER: [Level; 6] = [
    level("ben@blume.example", Some(90), [false, false, false, false]),
    level("ona@blume.example", Some(90), [true, false, false, false]),
    level("kim@blume.example", Some(365), [true, true, false, false]),
    level("ari@blume.example", Some(365), [true, true, true, false]),
    level("lou@blume.example", Some(365), [true, true, true, true]),
    level("eve@blume.example", None, [true, true, true, true]),
];

/// Query strings that Datasette makes something of.
const QUERIES: [&str; 42] = [
    "",
    "customer_id__exact=1",
    "customer_id=1",
    "customer_id__not=2",
    "customer_id__in=1,2,3",
    "customer%5Fid__exact=1",
    "date__gte=2000-01-01",
    "date__exact=2024-01-01",
    "_where=1%3D1",
    "_where=customer_id%3D1+or+1%3D1",
    "_facet=price",
    "_facet=customer_id",
    "_facet=amount&_facet_size=max",
    "_facet_array=product",
    "_facet_date=date",
    "_col=price",
    "_col=ref&_col=amount",
    "_nocol=customer_id",
    "_nocol=date",
    "_labels=on",
    "_next=1",
    "_next=599",
    "_size=max",
    "_size=1000",
    "_shape=array",
    "_shape=arrays",
    "_shape=arrayfirst",
    "_shape=object",
    "_shape=array&_nl=on",
    "_json=product",
    "_sort=price",
    "_sort_desc=amount",
    "_sort=customer_id",
    "_sort_desc=date&_size=1000",
    "_search=bolt",
    "_extra=suggested_facets",
    "_extras=foreign_key_tables",
    "_trace=1",
    "_filter_column=price&_filter_op=gt&_filter_value=1",
    "_stream=on&_size=max",
    "_dl=",
    "sql=select+*+from+orders",
];

/// Paths that lead to more than one table's own page.
const PATHS: [&str; 31] = [
    "/",
    "/.json",
    "/data",
    "/data.json",
    "/data?sql=select+*+from+orders",
    "/data.json?sql=select+*+from+orders&_shape=array",
    "/data.csv?sql=select+*+from+orders",
    "/data/-/query?sql=select+*+from+orders",
    "/data.db",
    "/data/customers",
    "/data/customers.json",
    "/data/customers.json?_shape=objects",
    "/data/customers/1",
    "/data/customers/1.json",
    "/data/customers/1.json?_shape=objects",
    "/data/contacts",
    "/data/contacts.csv",
    "/data/orders.jsono",
    "/data/orders.db",
    "/data/orders.blob",
    "/data/~6Frders.json",
    "/data/orders~2Ejson",
    "/data/sqlite_master.json",
    "/-/databases.json",
    "/-/metadata.json",
    "/-/settings.json",
    "/-/threads.json",
    "/-/actor.json",
    "/-/allow-debug",
    "/-/permissions",
    "/-/static/app.css",
];

/// Everything that a person could try.
fn ways(orders: &[Order]) -> Vec<String> {
    let mut ways: Vec<String> = PATHS.map(str::to_owned).to_vec();
    for table in ["orders", "invoices", "contacts"] {
        for format in ["", ".json", ".csv"] {
            // The tables differ in nothing that Datasette's parameters look at: all of them for one is enough.
            let queries = if table == "orders" { &QUERIES[..] } else { &QUERIES[..12] };
            ways.extend(queries.iter().map(|query| format!("/data/{table}{format}?{query}")));
        }
    }
    let some = |customer: i64, oldest: bool| {
        let own = orders.iter().filter(move |order| order.customer == customer);
        if oldest { own.min_by_key(|order| order.date) } else { own.max_by_key(|order| order.date) }
    };
    let ids =
        [some(2, true), some(2, false), some(1, false), some(4, true)].map(|order| order.expect("there are some").id);
    for id in ids {
        for rest in [
            "",
            ".json",
            ".json?_shape=objects",
            ".json?_shape=arrays",
            ".blob?_blob_column=amount",
            ",1.json",
            "?_extras=foreign_key_tables",
        ] {
            ways.push(format!("/data/orders/{id}{rest}"));
        }
    }
    ways
}

/// Fails when an answer holds what is not for a person of customer 2 on this level.
fn nothing_foreign(level: &Level, way: &str, answer: &Answer, orders: &[Order]) {
    let text = answer.text();
    let at = |what: &str| format!("{} got {what} by {way}:\n{text}", level.email);
    for customer in [1, 3, 4] {
        for kind in ['O', 'I'] {
            assert!(!text.contains(&format!("{kind}-{customer}-")), "{}", at("another customer's row"));
        }
        assert!(!text.contains(&format!(".{customer}@customer.example")), "{}", at("another customer's people"));
    }
    for name in ["Acme Tools", "Café", "Caf\\u00e9", "Freight"] {
        assert!(!text.contains(name), "{}", at("another customer's name"));
    }
    let since = since(level.days);
    for order in orders.iter().filter(|order| order.customer == 2) {
        let is_shown = text.contains(&order.reference) || text.contains(&order.reference.replace('O', "I"));
        assert!(!is_shown || (level.sees_orders && order.date >= since), "{}", at(&order.reference));
        for value in [order.price, order.amount].map(|value| value.to_string()) {
            // What is short stands in many a number by chance.
            let is_hidden = !level.sees_prices || order.date < since;
            assert!(!is_hidden || value.len() < 7 || !text.contains(&value), "{}", at(&format!("the amount {value}")));
        }
    }
    if !level.sees_people {
        assert!(!text.contains("@customer.example"), "{}", at("people"));
    }
    assert!(level.sees_invoices || !text.contains("I-2-"), "{}", at("invoices"));
    // Databases begin so.
    assert!(!answer.body.starts_with(b"SQLite format"), "{}", at("the whole database"));
}

/// The references in an answer, sorted.
fn found(text: &str, kind: &str) -> Vec<String> {
    let starts = text.match_indices(kind).map(|(at, _)| text[at..].chars().take(kind.len() + 5).collect());
    let mut found: Vec<String> = starts.collect();
    found.sort();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_26_no_level_sees_more_of_datasette_than_its_own_by_any_way() {
    let datasette = Datasette::start().await;
    let house = datasette.house().await;
    let ways = ways(&datasette.orders);
    for level in &LADDER {
        let person = house.browser("data.localhost");
        person.log_in(level.email).await;
        for way in &ways {
            let got = person.ask("GET", way, &[("accept", "*/*")]).await;
            let status = got.answer.status;
            // Nothing turns out to be unfilterable only when half of it has left.
            assert!(got.is_whole, "{} was broken off for {}:\n{}", way, level.email, house.log.text());
            nothing_foreign(level, way, &got.answer, &datasette.orders);
            assert!(matches!(status, 200 | 302 | 400 | 403 | 404 | 500), "{way}: {status}");
        }
        // And they see all that is theirs.
        sees_its_own(&datasette, &person, level).await;
    }
}

async fn sees_its_own(datasette: &Datasette, person: &Browser, level: &Level) {
    let own = datasette.references(2, level.days);
    let record = person.fetch("/data/customers/2.json").await.expect(200).json();
    let names: Vec<&String> = record["rows"][0].as_object().expect("a row").keys().collect();
    let expected: &[&str] =
        if level.sees_people { &["discount", "id", "name", "price_list", "region"] } else { &["id", "name", "region"] };
    assert_eq!(names, expected, "{}", level.email);
    if !level.sees_orders {
        for way in ["/data/orders", "/data/orders.json", "/data/orders.csv"] {
            assert_eq!(person.fetch(way).await.expect(403).json()["reason"], "no-rule");
        }
        return;
    }
    for way in ["/data/orders.json?_size=1000", "/data/orders.csv", "/data/orders?_size=1000"] {
        let answer = person.ask("GET", way, &[]).await.whole(200);
        assert_eq!(found(&answer.text(), "O-2-"), own, "{way} for {}", level.email);
        assert_eq!(answer.text().contains("col-price"), level.sees_prices && way.contains("orders?"), "{way}");
    }
    // Page by page, as Datasette's own links lead.
    let (mut paged, mut next) = (Vec::new(), "/data/orders.json?_size=7&_sort=date".to_owned());
    loop {
        let answer = person.fetch(&next).await.expect(200).json();
        paged
            .extend(answer["rows"].as_array().expect("rows").iter().map(|row| row["ref"].to_string().replace('"', "")));
        match answer["next"].as_str() {
            Some(token) => next = format!("/data/orders.json?_size=7&_sort=date&_next={token}"),
            None => break,
        }
    }
    paged.sort();
    assert_eq!(paged, own, "{}", level.email);
    // A single one, and its price where that may be seen.
    let order = datasette.orders.iter().find(|order| own.contains(&order.reference.as_str())).expect("there is one");
    let row = person.fetch(&format!("/data/orders/{}.json", order.id)).await.expect(200).json()["rows"][0].clone();
    assert_eq!(row["ref"], order.reference.as_str());
    assert_eq!(row.get("price").is_some(), level.sees_prices);
    let sorted = person.fetch("/data/orders.json?_sort=price").await;
    if level.sees_prices {
        sorted.expect(200);
        assert_eq!(row["amount"].as_f64(), Some(order.amount));
    } else {
        assert_eq!(sorted.expect(403).json()["reason"], "hidden-field");
    }
    let invoices = person.fetch("/data/invoices.json?_size=1000").await;
    if level.sees_invoices {
        let expected: Vec<String> = datasette
            .orders
            .iter()
            .filter(|order| own.contains(&order.reference.as_str()) && order.id % 3 == 0)
            .map(|order| order.reference.replace('O', "I"))
            .collect();
        assert_eq!(found(&invoices.expect(200).text(), "I-2-"), expected);
    } else {
        invoices.expect(403);
    }
    let people = person.fetch("/data/contacts.json").await;
    if level.sees_people {
        assert_eq!(people.expect(200).text().matches(".2@customer.example").count(), 3);
    } else {
        people.expect(403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_of_two_customers_sees_of_each_what_the_level_there_allows() {
    let datasette = Datasette::start().await;
    let house = datasette.house().await;
    let tax = house.browser("data.localhost");
    tax.log_in("tax@advice.example").await;
    for _ in 0..2 {
        tax.choose("1").await.expect(303);
        let text = tax.fetch("/data/orders.json?_size=1000").await.expect(200).text();
        assert_eq!(found(&text, "O-1-"), datasette.references(1, Some(365)));
        assert!(!text.contains("O-2-") && text.contains("\"price\": "));
        tax.choose("2").await.expect(303);
        let text = tax.fetch("/data/orders.json?_size=1000").await.expect(200).text();
        assert_eq!(found(&text, "O-2-"), datasette.references(2, Some(90)));
        assert!(!text.contains("O-1-") && !text.contains("\"price\": "));
    }
    // Staff have no rules, and see what Datasette shows.
    let desk = house.browser("data.localhost");
    desk.log_in("desk@supplier.example").await;
    let text = desk.fetch("/data/orders.json?_size=1000").await.expect(200).text();
    assert!(["O-1-", "O-2-", "O-3-", "O-4-"].iter().all(|customer| text.contains(customer)));
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_26_rows_bind_where_a_forced_parameter_does_not() {
    let datasette = Datasette::start().await;
    let forced = "customer_id__exact = \"{customer.id}\", date__gte = \"{since}\"";
    let unbound = |config: String| {
        assert!(config.contains(forced));
        config
            .replace(forced, "_of_no_use = \"1\"")
            .replace("\"product__exact\"]", "\"product__exact\", \"customer_id__exact\"]")
    };
    let house = datasette.house_with(unbound).await;
    let ona = house.browser("data.localhost");
    ona.log_in("ona@blume.example").await;
    let own = datasette.references(2, Some(90));
    for way in ["/data/orders.json?_size=1000", "/data/orders.csv"] {
        let text = ona.ask("GET", way, &[]).await.whole(200).text();
        nothing_foreign(
            &LADDER[1],
            way,
            &Answer { status: 200, headers: Vec::new(), body: text.clone().into() },
            &datasette.orders,
        );
        assert_eq!(found(&text, "O-2-"), own, "{way}");
        let foreign = way.replace("_size=1000", "_size=1000&customer_id__exact=1");
        let text = ona.ask("GET", &foreign, &[]).await.whole(200).text();
        assert!(!text.contains("O-1-"), "{text}");
    }
}
