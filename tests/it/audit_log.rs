//! The audit log: nothing is acknowledged that it does not know, and whoever changes it is found out.

use serde_json::Value;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::house::{House, OPEN, eventually, printed};

/// The entries that a command exports.
pub(crate) fn exported(house: &House, filter: &[&str]) -> Vec<Value> {
    let output = house.command(&[&["audit", "export"], filter].concat());
    assert!(output.status.success(), "{}", printed(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON value a line")).collect()
}

fn events(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry["event"].as_str()).collect()
}

pub(crate) fn verified(house: &House) -> String {
    let output = house.command(&["audit", "verify"]);
    let code = output.status.code().expect("it ended by itself");
    format!("{code}: {}", printed(&output))
}

#[tokio::test]
async fn who_did_what_for_whom_and_from_where() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let entries = exported(&house, &["--person", "ann@example.com"]);
    let entry = entries.iter().find(|entry| entry["event"] == "logged_in").expect("ann is in");
    assert_eq!(entry["actor"]["kind"], "person");
    assert_eq!(entry["actor"]["person"]["email"], "ann@example.com");
    assert_eq!(entry["subject"]["email"], "ann@example.com");
    assert_eq!((&entry["app"], &entry["domain"]), (&"orders".into(), &"orders.test".into()), "{entry}");
    assert_eq!(entry["client"], "127.0.0.1");
    assert_eq!(entry["facts"]["way"], "email");
    assert!(entry["request_id"].as_str().is_some_and(|id| id.len() == 24), "{entry}");
    assert_eq!(events(&exported(&house, &["--event", "started"])), ["started"]);
    let other = House::start(OPEN).await;
    assert_eq!(events(&exported(&other, &["--app", "orders"])), Vec::<&str>::new());

    // A reload is an entry, whoever asked for it, and how it ended.
    house.change("\"orders.test\"", "\"orders.test\", \"new.test\"");
    house.reload().await.expect(200);
    let all = exported(&house, &[]);
    let asked = all.iter().find(|entry| entry["event"] == "reload_asked").expect("it was asked for");
    assert_eq!((&asked["actor"]["kind"], &asked["actor"]["token"]), (&"token".into(), &"local".into()));
    assert_eq!(asked["client"], "127.0.0.1");
    assert!(events(&all).contains(&"reloaded"), "{all:?}");
    assert!(verified(&house).starts_with("0: whole: "), "{}", verified(&house));

    // Stopped in good order, the end stands there too, and the commands work on the store.
    house.terminate();
    assert!(house.ended().await.success());
    let all = exported(&house, &[]);
    assert_eq!(all.last().expect("the end")["event"], "stopped");
    let listed = printed(&house.command(&["audit", "list", "--limit", "3"]));
    assert!(listed.contains("stopped") && listed.lines().count() == 4, "{listed}");
    assert!(verified(&house).starts_with("0: whole: "), "{}", verified(&house));
}

#[tokio::test]
async fn what_was_acknowledged_before_the_power_went_is_in_the_log() {
    let mut house = House::start(OPEN).await;
    for round in 0..6 {
        let people: Vec<_> = ["ann@example.com", "bob@example.com", "eve@example.com"]
            .into_iter()
            .map(|email| (house.browser("orders.test"), email))
            .collect();
        let before = exported(&house, &["--event", "logged_in"]).len();
        for (browser, email) in people.iter().take(1 + round % 3) {
            browser.log_in(email).await;
        }
        if round % 2 == 0 {
            people[0].0.post("/.access/logout", &[]).await;
        }
        // At once after the answer.
        house.kill9();
        let entries = exported(&house, &["--event", "logged_in"]);
        assert!(entries.len() >= before + 1 + round % 3, "round {round}: {} after {before}", entries.len());
        if round % 2 == 0 {
            let last = exported(&house, &["--event", "logged_out"]);
            assert_eq!(last.len(), round / 2 + 1, "round {round}");
        }
        assert!(verified(&house).starts_with("0: whole: "), "{}", verified(&house));
        house.start_again().await;
    }
}

#[tokio::test]
async fn whoever_changes_the_log_is_found_out() {
    let mut house = House::start(OPEN).await;
    house.browser("orders.test").log_in("ann@example.com").await;
    house.terminate();
    assert!(house.ended().await.success());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(house.data().join("store.db"));
    let mut store = options.connect().await.expect("opens");
    let row = "UPDATE audit SET client = '192.0.2.1' WHERE event = 'logged_in' RETURNING number";
    let number: i64 = sqlx::query_scalar(row).fetch_one(&mut store).await.expect("changed");
    store.close().await.expect("closed");
    let told = verified(&house);
    assert!(told.starts_with(&format!("1: entry {number}: it was changed")), "{told}");
    // The gateway itself can say so too.
    house.start_again().await;
    let told = house.admin("/api/v1/audit/verify").await.expect(200).json();
    assert_eq!(told["flaw"]["number"], number, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_chain_goes_through_an_upgrade() {
    let mut house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    house.upgrade().expect("it takes over");
    house.browser("orders.test").log_in("bob@example.com").await;
    eventually("the old one has ended", async || {
        let all = exported(&house, &[]);
        events(&all).contains(&"handed_over").then_some(())
    })
    .await;
    let all = exported(&house, &[]);
    assert_eq!(events(&all).iter().filter(|event| **event == "started").count(), 2, "{all:?}");
    assert_eq!(events(&all).iter().filter(|event| **event == "logged_in").count(), 2, "{all:?}");
    assert!(verified(&house).starts_with("0: whole: "), "{}", verified(&house));
}

#[tokio::test]
async fn all_that_is_held_of_a_person_is_given_out_and_erased() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    ann.fetch("/").await.expect(200);
    let output = house.command(&["person", "export", "ann@example.com"]);
    assert!(output.status.success(), "{}", printed(&output));
    let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(all["data"]["sessions"].as_array().map(Vec::len), Some(1), "{all}");
    assert_eq!(all["data"]["sessions"][0]["domain"], "orders.test");
    assert!(all["data"]["audit"].as_array().is_some_and(|entries| entries.len() >= 2), "{all}");
    assert!(!all.to_string().contains("bob@example.com"), "{all}");

    assert_eq!(all["data"]["days_of_use"][0]["customer"], "42", "{all}");

    let unsure = house.command(&["person", "erase", "ann@example.com"]);
    assert_eq!(unsure.status.code(), Some(2), "nobody said yes: {}", printed(&unsure));
    ann.fetch("/").await.expect(200);
    let erased = house.command(&["person", "erase", "ann@example.com", "--yes"]);
    assert!(erased.status.success(), "{}", printed(&erased));
    assert!(printed(&erased).contains("sessions: 1"), "{}", printed(&erased));
    assert!(printed(&erased).contains("days of use: 1"), "{}", printed(&erased));
    ann.fetch("/").await.expect(401);
    bob.fetch("/").await.expect(200);

    assert_eq!(exported(&house, &["--person", "ann@example.com"]).len(), 0);
    let all = exported(&house, &[]);
    assert!(!format!("{all:?}").contains("ann@example.com"), "no entry names her any more");
    let nameless = |entry: &&Value| entry["event"] == "logged_in" && entry["subject"]["email"].is_null();
    assert_eq!(all.iter().filter(nameless).count(), 1, "and the entries are there");
    assert!(events(&all).contains(&"person_erased") && events(&all).contains(&"person_exported"), "{all:?}");
    assert!(verified(&house).starts_with("0: whole: "), "{}", verified(&house));
}
