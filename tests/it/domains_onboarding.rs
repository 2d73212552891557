//! A domain on its way to its certificate: what is missing is told, what is mended is found, and nobody harms a neighbour.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::acme_house::{Ca, Pebble, free_ports};
use crate::house::{House, Plan, printed};
use crate::wire::Wire;

/// An authority that comes to two ports, and a gateway on them with these domains.
fn plan(domains: &[&str], more: &str) -> (Ca, Plan) {
    let [http, https] = free_ports();
    let ca = Pebble::at((http, https)).start();
    let domains: Vec<_> = domains.iter().map(|domain| format!("{domain}.test")).collect();
    let apps = format!(
        "[source.crm]\nurl = \"csv:people.csv\"\n\
         [app.orders]\ndomains = {domains:?}\nupstream = \"{{{{upstream}}}}\"\n\
         [[app.orders.customers]]\nsource = \"crm\"\nemail = \"email\"\n"
    );
    let plan = House::plan(&apps).tls("", &ca.root()).ports(http, https);
    let plan = plan.config(&format!("{}{more}", ca.table()));
    (ca, plan)
}

/// Tells the DNS server something.
async fn dns(ca: &Ca, what: &str, body: Value) {
    let url = format!("http://127.0.0.1:{}/{what}", ca.dns_management());
    let answer = reqwest::Client::new().post(url).body(body.to_string()).send().await.expect("it answers");
    assert!(answer.status().is_success(), "{what}");
}

/// Asks until something holds; an authority and a machine with much to do take their time.
async fn in_time<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    const LIMIT: Duration = Duration::from_secs(120);
    let begun = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "in {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What the API tells of a domain.
async fn told(house: &House, host: &str) -> Value {
    let answer = house.admin(&format!("/api/v1/domains/{host}")).await.expect(200);
    serde_json::from_str(&answer.text()).expect("JSON")
}

async fn reaches(house: &House, host: &str, state: &str) -> Value {
    let what = format!("{host} is {state}");
    in_time(&what, async || Some(told(house, host).await).filter(|told| told["state"] == state)).await
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn orders(ca: &Ca) -> usize {
    ca.log().matches("Added order").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_with_the_record_to_set_and_what_is_mended_is_found() {
    let (ca, plan) = plan(&["here", "astray", "nowhere", "stale", "broken"], "target = \"edge.example.com\"\n");
    // Whatever is not told to be somewhere is nowhere.
    dns(&ca, "set-default-ipv4", json!({ "ip": "" })).await;
    for (host, address) in [
        ("here.test", "127.0.0.1"),
        ("astray.test", "127.0.0.77"),
        ("stale.test", "127.0.0.1"),
        ("edge.example.com", "127.0.0.1"),
    ] {
        ca.place(host, address).await;
    }
    dns(&ca, "add-aaaa", json!({ "host": "stale.test.", "addresses": ["::1"] })).await;
    dns(&ca, "set-servfail", json!({ "host": "broken.test." })).await;
    let mut house = plan.start().await;

    reaches(&house, "here.test", "issued").await;
    let astray = reaches(&house, "astray.test", "missing").await;
    assert_eq!(text(&astray, "problem"), "elsewhere");
    let sentence = text(&astray, "sentence");
    assert!(sentence.contains("127.0.0.77") && sentence.ends_with("\nastray.test. A 127.0.0.1"), "{sentence}");
    let nowhere = reaches(&house, "nowhere.test", "missing").await;
    assert_eq!(text(&nowhere, "problem"), "does-not-resolve");
    let stale = reaches(&house, "stale.test", "missing").await;
    assert_eq!(text(&stale, "problem"), "partly-elsewhere");
    assert!(text(&stale, "sentence").contains("\nstale.test. AAAA ::1 (nothing accepts"), "{stale}");
    let broken = reaches(&house, "broken.test", "missing").await;
    assert_eq!(text(&broken, "problem"), "dns-fails");
    assert_eq!(orders(&ca), 1, "the authority was asked for what can succeed, and for nothing else");

    // The command line tells the same, beside the gateway.
    let listed = house.command(&["domains", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap_or_else(|_| panic!("{}", printed(&listed)));
    assert_eq!(listed["counts"]["missing"], 4);
    assert_eq!(listed["domains"][4]["host"], "here.test", "trouble comes first: {listed}");
    let one = house.command(&["domains", "astray.test", "--check"]);
    assert_eq!(one.status.code(), Some(1), "{}", printed(&one));
    let shown = printed(&one);
    assert!(shown.contains("127.0.0.77: refused") && shown.contains("astray.test. A 127.0.0.1"), "{shown}");
    let fine = house.command(&["domains", "here.test"]);
    assert_eq!(fine.status.code(), Some(0), "{}", printed(&fine));
    assert!(printed(&fine).contains("points to: 127.0.0.1"), "{}", printed(&fine));
    assert_eq!(house.command(&["domains", "other.test"]).status.code(), Some(2));

    // A restart goes on where it was.
    let before = in_time("a later look is planned", async || {
        let told = told(&house, "nowhere.test").await;
        told["next_try"].is_string().then_some(told)
    })
    .await;
    house.kill9();
    house.start_again().await;
    let after = reaches(&house, "nowhere.test", "missing").await;
    assert_eq!((&after["since"], &after["problem"]), (&before["since"], &before["problem"]));

    // Somebody mends the DNS, and says so.
    dns(&ca, "clear-a", json!({ "host": "astray.test." })).await;
    ca.place("astray.test", "127.0.0.1").await;
    ca.place("nowhere.test", "127.0.0.1").await;
    dns(&ca, "clear-aaaa", json!({ "host": "stale.test." })).await;
    for host in ["astray.test", "nowhere.test", "stale.test"] {
        let retry = house.command(&["domains", "retry", host]);
        assert_eq!(retry.status.code(), Some(0), "{}", printed(&retry));
        reaches(&house, host, "issued").await;
        Wire::connect(house.door.https(), host, house.door.ca()).await.expect("it is served");
    }
    assert_eq!(orders(&ca), 4);

    // Paging, states, and what is no question.
    let page = house.admin("/api/v1/domains?limit=1").await.expect(200).json();
    assert_eq!(page["items"][0]["host"], "astray.test");
    let next = text(&page, "next");
    let page = house.admin(&format!("/api/v1/domains?limit=2&cursor={next}")).await.expect(200).json();
    let hosts: Vec<_> = page["items"].as_array().expect("a list").iter().map(|row| text(row, "host")).collect();
    assert_eq!(hosts, ["broken.test", "here.test"]);
    let missing = house.admin("/api/v1/domains?state=missing").await.expect(200);
    assert!(missing.text().contains("broken.test") && !missing.text().contains("here.test"));
    for wrong in ["?state=odd", "?limit=x", "?limit=201", "?more=1", "?cursor=a_b"] {
        house.admin(&format!("/api/v1/domains{wrong}")).await.expect(400);
    }
    house.admin("/api/v1/domains/other.test").await.expect(404);
    let metrics = house.admin("/metrics").await.expect(200).text();
    for line in [
        "vestibule_domains{app=\"orders\",state=\"issued\"} 4",
        "vestibule_domains{app=\"orders\",state=\"missing\"} 1",
        "vestibule_certificate_authority_up 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    house.admin("/readyz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_29_handshakes_for_names_that_are_not_ours_cost_nothing() {
    let (ca, plan) = plan(&["here"], "");
    let house = plan.start().await;
    reaches(&house, "here.test", "issued").await;
    let before = std::fs::metadata(house.dir.path().join("data/store.db")).expect("the store").len();
    let told = house.log.text().len();
    for number in 0..200 {
        let host = format!("n{number}.{}.here.test", "deep.".repeat(number % 5));
        let made_up = host.replace("..", ".");
        assert!(Wire::connect(house.door.https(), &made_up, house.door.ca()).await.is_err(), "{made_up}");
    }
    assert_eq!(orders(&ca), 1);
    let listed = house.command(&["domains", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["domains"].as_array().map(Vec::len), Some(1));
    let after = std::fs::metadata(house.dir.path().join("data/store.db")).expect("the store").len();
    assert_eq!(before, after, "nothing was written down");
    assert!(house.log.text().len() < told + 20_000, "nor told for each");
}
