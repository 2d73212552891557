//! Two config texts over one folder of tables, and what is told of them.

use std::path::Path;

use super::{find, text};
use crate::cli::paint::Paint;
use crate::config::Config;

const PEOPLE: &str = "email,company,role,active,days
ann@example.com,1,viewer,1,30
bob@example.com,1,buyer,1,
old@example.com,1,viewer,0,
two@example.com,1,viewer,1,
two@example.com,2,viewer,1,
own@example.com,1,owner,1,
";

const OLD: &str = r#"
[server]
https = "127.0.0.1:0"
data = "data"
[tls]
local_ca = true
[mail]
smtp = "smtp://127.0.0.1:25"
from = "login@example.com"
[source.crm]
url = "csv:people.csv"
[app.orders]
domains = ["orders.example.com"]
upstream = "http://127.0.0.1:1"
[[app.orders.customers]]
name = "Contacts"
source = "crm"
email = "email"
customer = "company"
days_back = "days"
role = { column = "role" }
where = 'row.active == "1"'
[app.orders.role.viewer]
rules = [{ allow = "GET /orders/**", hide = ["price"] }]
[app.orders.role.buyer]
includes = ["viewer"]
[app.orders.role.owner]
includes = ["buyer"]
irrevocable = true
[[workspace.user]]
email = "staff@example.com"
roles = { orders = "owner" }
"#;

fn read(folder: &Path, text: &str) -> Config {
    crate::config::parse(&folder.join("v.toml"), text, &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The impact of one text on another, over the tables of a folder: as text and JSON, and whether there is a problem.
async fn told(folder: &Path, old: &str, new: &str) -> (String, serde_json::Value, bool) {
    let mut impact = find(&read(folder, old), &read(folder, new), &[], &mut |_, _, _| {}).await;
    (impact.config, impact.against) = ("new.toml".to_owned(), "old.toml".to_owned());
    let json = serde_json::to_value(&impact).expect("JSON");
    (text::tell(&impact, false, Paint::plain()), json, impact.has_problems())
}

/// The impact of a change of the old text: what is told, as text and JSON, and whether there is a problem.
async fn change(from: &str, to: &str) -> (String, serde_json::Value, bool) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("people.csv"), PEOPLE).expect("written");
    assert!(OLD.contains(from), "{from}");
    told(folder.path(), OLD, &OLD.replacen(from, to, 1)).await
}

#[track_caller]
fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "it lacks `{line}`\n{text}");
    }
}

#[tokio::test]
async fn the_same_config_changes_nothing() {
    let (text, json, is_problem) = change("[source.crm]", "# a comment\n[source.crm]").await;
    holds(
        &text,
        &[
            "new.toml in place of old.toml\n\napp orders: 5 people may enter, as before\n  nothing changes for anybody\n",
        ],
    );
    assert_eq!((is_problem, json["apps"][0]["changes"].as_array().map(Vec::len)), (false, Some(0)));
}

#[tokio::test]
async fn who_gains_and_who_loses_is_told() {
    let (text, json, is_problem) = change(r#"row.active == "1""#, r#"row.role != "buyer""#).await;
    holds(
        &text,
        &[
            "app orders: 5 people may enter, as before\n",
            "  gain access        1\n  lose access        1\n",
            "  gain access\n    old@example.com  customer 1, viewer\n",
            "  lose access\n    bob@example.com  customer 1, buyer\n",
        ],
    );
    assert_eq!(json["apps"][0]["counts"], serde_json::json!({"gains": 1, "loses": 1}));
    assert_eq!(json["apps"][0]["changes"][0]["before"]["role"], "buyer");
    assert!(!is_problem);
}

#[tokio::test]
async fn another_customer_days_back_and_role_are_told() {
    let (text, ..) = change("customer = \"company\"", "").await;
    holds(&text, &["  change customer", "    ann@example.com  customer 1 -> customer ann@example.com\n"]);
    let (text, ..) = change("days_back = \"days\"", "days_back = { column = \"days\", default = 7 }").await;
    holds(&text, &["  change days back        4\n", "    bob@example.com  customer 1, without limit -> 7 days\n"]);
    assert!(!text.contains("ann@example.com"), "{text}");
    let (text, ..) = change("roles = { orders = \"owner\" }", "roles = { orders = \"viewer\" }").await;
    holds(&text, &["    staff@example.com  of the workspace, owner -> viewer\n"]);
}

#[tokio::test]
async fn other_rules_and_filters_are_told_with_their_difference() {
    let (text, json, _) = change("hide = [\"price\"]", "hide = [\"price\", \"cost\"], field_params = [\"by\"]").await;
    holds(
        &text,
        &[
            "  have other filters        6\n",
            "  role viewer is another one, for 6 people:\n",
            "    -allow GET /orders/**; hide price\n",
            "    +allow GET /orders/**; hide price, cost; field params by\n",
        ],
    );
    assert!(!text.contains("ann@example.com"), "one difference says it for all: {text}");
    assert_eq!(json["apps"][0]["changes"][0]["kinds"], serde_json::json!(["filters"]));
    let (text, ..) = change("GET /orders/**", "GET /orders/*").await;
    holds(&text, &["have other rules"]);
}

#[tokio::test]
async fn what_is_irrevocable_and_would_be_lost_is_a_problem() {
    for (from, to, lost) in [
        (r#"row.active == "1""#, r#"row.role != "owner""#, true),
        ("role = { column = \"role\" }", "role = \"viewer\"", true),
        // Whoever holds a role that includes it still has it.
        ("[[workspace.user]]", "[app.orders.role.chief]\nincludes = [\"owner\"]\n[[workspace.user]]", false),
    ] {
        let (text, _, is_problem) = change(from, to).await;
        assert_eq!(is_problem, lost, "{to}\n{text}");
        let words = "problem: own@example.com would lose the role `owner` for customer `1`, which is irrevocable";
        assert_eq!(text.contains(words), lost, "{to}\n{text}");
    }
    let (text, _, is_problem) = change("roles = { orders = \"owner\" }", "roles = { orders = \"buyer\" }").await;
    assert!(is_problem && text.contains("staff@example.com would lose the role `owner`, which"), "{text}");
}

#[tokio::test]
async fn a_role_above_an_irrevocable_one_keeps_it() {
    let above = "[app.orders.role.chief]\nincludes = [\"owner\"]\n[[workspace.user]]";
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("people.csv"), PEOPLE).expect("written");
    let old = OLD.replace("[[workspace.user]]", above);
    let new = old.replace("orders = \"owner\"", "orders = \"chief\"");
    let (text, _, is_problem) = told(folder.path(), &old, &new).await;
    assert!(!is_problem, "{text}");
    let (text, _, is_problem) =
        told(folder.path(), &new, &OLD.replace("orders = \"owner\"", "orders = \"buyer\"")).await;
    assert!(is_problem, "a chief was an owner too: {text}");
}

#[tokio::test]
async fn whoever_stands_in_a_table_that_cannot_be_read_is_unknown_and_not_lost() {
    let more = "[source.more]\nurl = \"csv:none.csv\"\n[source.crm]";
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("people.csv"), PEOPLE).expect("written");
    let new = OLD.replace("source = \"crm\"", "source = \"more\"").replace("[source.crm]", more);
    let (text, json, is_problem) = told(folder.path(), OLD, &new).await;
    assert!(is_problem, "{text}");
    holds(&text, &["problem: the table of list `Contacts` of the new config cannot be read", "5"]);
    assert_eq!(json["apps"][0]["counts"], serde_json::json!({"unknown": 5}));
    assert!(!text.contains("would lose"), "{text}");
}

#[tokio::test]
async fn apps_come_and_go() {
    let (text, json, _) = change("[app.orders.role.viewer]", "[app.more]\ndomains = [\"m.example.com\"]\nupstream = \"http://127.0.0.1:1\"\n[[app.more.customers]]\nsource = \"crm\"\nemail = \"email\"\ncustomer = \"company\"\n[app.orders.role.viewer]").await;
    holds(&text, &["app more: is new: 5 people may enter\n", "  gain access        6\n"]);
    assert_eq!(json["apps"][0]["state"], "added");
}

#[tokio::test]
async fn a_table_that_both_configs_read_is_read_once() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("people.csv"), PEOPLE).expect("written");
    let read = |text: &str| read(folder.path(), text);
    let mut rows = 0;
    find(&read(OLD), &read(OLD), &[], &mut |_, _, _| rows += 1).await;
    assert_eq!(rows, 6);
    // Another column is another question to the table.
    let mut rows = 0;
    let other = OLD.replace("email = \"email\"", "email = \"role\"");
    find(&read(OLD), &read(&other), &[], &mut |_, _, _| rows += 1).await;
    assert_eq!(rows, 12);
}

#[tokio::test]
async fn domains_that_come_go_and_change_hands_are_told() {
    let (text, ..) = change("domains = [\"orders.example.com\"]", "domains = [\"shop.example.com\"]").await;
    holds(&text, &["note: the domain orders.example.com goes\n", "note: the domain shop.example.com comes\n"]);
    let pinned = "domain = [{ host = \"orders.example.com\", customer = \"7\" }]";
    let (text, ..) = change("domains = [\"orders.example.com\"]", pinned).await;
    holds(&text, &["note: the domain orders.example.com is for customer 7 alone\n"]);
    let table = "domains_from = [{ source = \"crm\", host = \"email\" }]";
    let (text, ..) = change("domains = [\"orders.example.com\"]", table).await;
    holds(&text, &["note: the domain orders.example.com goes\n", "note: its tables of domains change"]);
}
