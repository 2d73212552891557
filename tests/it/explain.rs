//! `explain` with all that a rule may look at and narrow: requests, answers, other times, and JSON for programs.

use serde_json::{Value, json};

use crate::house::{House, printed};

const PEOPLE: &str = "\
email,company_id,status,level,region,days,notes
ona@example.com,42,active,orders,EU,,calls on Mondays
kim@example.com,42,active,prices,US,30,
old@example.com,42,gone,orders,EU,,
two@example.com,42,active,orders,EU,,
two@example.com,43,active,prices,EU,,
";

const APPS: &str = r#"
[source.crm]
url = "csv:people.csv"

[app.orders]
domains = ["orders.test"]
upstream = "{{upstream}}"
time_zone = "Europe/Sofia"
identity = { extra = { "X-Region" = "{attributes.region}" }, jwt = { claims = { region = "{attributes.region}" } } }

[[app.orders.customers]]
source = "crm"
email = "email"
customer = "company_id"
days_back = "days"
notes = "notes"
attributes = { region = "region" }
role = { column = "level" }
where = 'row.status == "active"'

[app.orders.role.orders]
level = 20
days_back = 90
rules = [
  { deny = "* /api/**", when = '"debug" in request.query || "x-debug" in request.header && request.header["x-debug"] == "1"' },
  { allow = "GET /api/orders", query = { customer = "{customer.id}" }, query_only = ["page", "sort"], hide = ["price"], rows = 'row.date >= access.since', pass = ["image/*"] },
  { allow = "GET /office/**", when = 'inNetwork(request.ip, "10.0.0.0/8") && request.time.getHours() < 17' },
]

[app.orders.role.prices]
level = 30
includes = ["orders"]
irrevocable = true
rules = [ { allow = "GET /api/orders", query = { region = "{attributes.region}" } } ]
"#;

const ORDERS: &str =
    r#"{"rows":[{"id":1,"date":"2026-06-12","price":2.50},{"id":2,"date":"2026-03-31","price":7},{"id":3,"price":1}]}"#;

async fn house() -> House {
    House::plan(APPS).file("people.csv", PEOPLE).file("orders.json", ORDERS).furnish().await
}

/// What `explain` says of a person, and its exit code.
fn explain(house: &House, email: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let email = format!("{email}@example.com");
    let output = house.command(&[&["explain", "--email", &email], arguments].concat());
    (output.status.code(), printed(&output))
}

fn explain_json(house: &House, email: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let (code, told) = explain(house, email, &[&["--json"], arguments].concat());
    (code, serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}:\n{told}")))
}

#[track_caller]
fn holds(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "`{word}` is missing in:\n{told}");
    }
}

#[tokio::test]
async fn the_only_app_need_not_be_named_and_conditions_show_what_they_looked_at() {
    let house = house().await;
    let (code, told) = explain(&house, "ona", &["--at", "2026-06-30"]);
    assert_eq!(code, Some(0), "{told}");
    holds(
        &told,
        &[
            "`row.status == \"active\"` is true: row.status = \"active\"",
            "days back  90 days, as role `orders` says",
            "attributes.region  EU",
            "calls on Mondays",
            "90 days, so since 2026-04-01",
            "query customer={customer.id}; query only page, sort; hide price; rows where row.date >= access.since",
            "region = EU)",
        ],
    );
    let (code, told) = explain(&house, "old", &[]);
    assert_eq!(code, Some(3), "{told}");
    holds(&told, &["`row.status == \"active\"` is false: row.status = \"gone\""]);
    let (_, told) = explain(&house, "kim", &[]);
    holds(&told, &["30 days, from column `days`", "irrevocable"]);
}

#[tokio::test]
async fn a_request_is_explained_with_its_query_headers_address_and_time() {
    let house = house().await;
    let (code, told) = explain(&house, "ona", &["--path", "/api/orders?page=2&customer=43&CUSTOMER=1&x=y"]);
    assert_eq!(code, Some(0), "{told}");
    holds(&told, &["the app is asked for /api/orders?page=2&customer=42\n"]);
    let (code, told) = explain(&house, "ona", &["--path", "/api/orders?sort=-price"]);
    assert_eq!(code, Some(3), "{told}");
    holds(&told, &["asks by a member that it hides", "`query_only`"]);
    let (code, told) = explain(&house, "ona", &["--path", "/api/orders", "--header", "X-Debug: 1"]);
    assert_eq!(code, Some(3), "{told}");
    holds(&told, &["request.header[\"x-debug\"] = \"1\"", "is denied"]);
    let office = |at: &str| explain(&house, "ona", &["--path", "/office/x", "--ip", "10.1.2.3", "--at", at]);
    // Sofia is three hours ahead in summer.
    assert_eq!(office("2026-06-30T13:59:00Z").0, Some(0));
    assert_eq!(office("2026-06-30T14:00:00Z").0, Some(3));
    assert_eq!(office("2026-06-30T16:59").0, Some(0), "what names no zone is the app's");
    assert_eq!(explain(&house, "ona", &["--path", "/office/x", "--at", "2026-06-30"]).0, Some(3), "from elsewhere");
    for (arguments, words) in [
        (&["--path", "/x", "--header", "nothing"][..], "is not a header field"),
        (&["--at", "tomorrow"], "is not a time"),
        (&["--path", "/x", "--response", "no-such.json"], "cannot be read"),
    ] {
        let (code, told) = explain(&house, "ona", arguments);
        assert_eq!(code, Some(2), "{told}");
        holds(&told, &[words]);
    }
}

#[tokio::test]
async fn a_sample_answer_is_shown_before_and_after() {
    let house = house().await;
    let file = |name: &str| house.dir.path().join(name).display().to_string();
    let answer = |name: &str, more: &[&str]| {
        let file = file(name);
        let request = ["--path", "/api/orders", "--at", "2026-06-30", "--response", &file];
        explain(&house, "ona", &[&request, more].concat())
    };
    let (code, told) = answer("orders.json", &["--output", &file("out.json")]);
    assert_eq!(code, Some(0), "{told}");
    holds(
        &told,
        &[
            "is filtered: 1 row, 3 members",
            "of 3 rows, 9 members",
            "    -      \"price\": 2.50\n",
            "1 row cannot be judged",
        ],
    );
    let out = std::fs::read_to_string(file("out.json")).expect("it was written");
    assert_eq!(out, r#"{"rows":[{"id":1,"date":"2026-06-12"}]}"#);

    house.write("cut.json", &ORDERS[..40]);
    let (code, told) = answer("cut.json", &[]);
    assert_eq!(code, Some(3), "{told}");
    holds(&told, &["cannot be filtered, so nothing unfiltered leaves: the answer is not well-formed JSON"]);
    house.write("page.pdf", "%PDF");
    let (code, told) = answer("page.pdf", &[]);
    assert_eq!(code, Some(3), "{told}");
    holds(&told, &["no filter for the content type `application/pdf`", "such an answer is refused"]);
    let (code, told) = answer("page.pdf", &["--content-type", "image/png"]);
    assert_eq!(code, Some(0), "{told}");
    holds(&told, &["passes as it is"]);
    house.write("page.xyz", "?");
    let (code, told) = answer("page.xyz", &[]);
    assert_eq!(code, Some(2), "{told}");
    holds(&told, &["--content-type"]);

    house.write("orders.csv", "id,date,price\n1,2026-06-12,2.50\n2,2026-03-31,7\n");
    let (_, told) = answer("orders.csv", &[]);
    holds(&told, &["1 row, ", "    +id,date\n    +1,2026-06-12\n"]);
    let rows: Vec<String> =
        (0..300).map(|id| format!(r#"{{"id":{id},"date":"2026-06-{:02}"}}"#, id % 28 + 1)).collect();
    house.write("long.json", format!("[{}]", rows.join(",")));
    let (_, told) = answer("long.json", &[]);
    holds(&told, &["300 rows", "too long to be shown"]);
}

#[tokio::test]
async fn json_holds_everything_by_name() {
    let house = house().await;
    let file = house.dir.path().join("orders.json").display().to_string();
    let request = ["--path", "/api/orders?page=1", "--at", "2026-06-30T12:00:00Z", "--response", &file];
    let (code, told) = explain_json(&house, "ona", &request);
    assert_eq!(code, Some(0), "{told:#}");
    assert_eq!(
        (&told["format"], &told["app"], &told["at"]),
        (&json!(1), &json!("orders"), &json!("2026-06-30T12:00:00Z"))
    );
    let row = &told["lists"][0]["rows"][0];
    assert!(told["lists"][0]["fetched"].is_string());
    assert_eq!((&row["place"], &row["outcome"]), (&json!("line 2"), &json!("counts")));
    assert_eq!(row["columns"]["region"], "EU");
    assert_eq!(
        row["conditions"][0],
        json!({"of": "where", "role": null, "condition": "row.status == \"active\"", "verdict": "true", "why": null,
               "looked_at": {"row.status": "active"}})
    );
    assert_eq!(row["days_back"], json!({"days": 90, "from": "as role `orders` says"}));
    let access = &told["accesses"][0];
    assert_eq!((&access["level"], &access["since"]), (&json!(20), &json!("2026-04-01")));
    assert_eq!(access["attributes"], json!({"region": "EU"}));
    let (deny, allow) = (&access["rules"][0], &access["rules"][1]);
    assert_eq!(
        deny["when"]["looked_at"],
        json!({"request.query": {"page": "1"}, "request.header": {}, "request.header[\"x-debug\"]": null})
    );
    assert_eq!(deny["matches_first"], false);
    assert_eq!(allow["matches_first"], true);
    assert_eq!(allow["filters"]["query"], json!({"customer": "42"}));
    assert_eq!(allow["filters"]["rows"], json!({"at": null, "keep": "row.date >= access.since"}));
    assert_eq!(access["request"]["outcome"], "allow");
    assert_eq!(access["request"]["upstream"], "/api/orders?page=1&customer=42");
    assert_eq!(access["response"]["outcome"], "filtered");
    assert_eq!(access["response"]["after"]["rows"], 1);
    assert_eq!(told["verdict"]["is_allowed"], true);

    let (code, told) = explain_json(&house, "old", &[]);
    assert_eq!(code, Some(3));
    assert_eq!(told["lists"][0]["rows"][0]["conditions"][0]["verdict"], "false");
    assert_eq!((&told["verdict"]["may_enter"], &told["accesses"]), (&json!(false), &json!([])));
}

#[tokio::test]
async fn of_several_customers_one_can_be_chosen() {
    let house = house().await;
    let (_, told) = explain_json(&house, "two", &["--path", "/api/orders"]);
    assert_eq!(told["accesses"].as_array().map(Vec::len), Some(2));
    let (_, told) = explain_json(&house, "two", &["--path", "/api/orders", "--customer", "43"]);
    assert_eq!(told["accesses"][0]["role"], "prices");
    assert_eq!(told["accesses"].as_array().map(Vec::len), Some(1));
    let file = house.dir.path().join("orders.json").display().to_string();
    let (code, told) = explain(&house, "two", &["--path", "/api/orders", "--response", &file, "--output", "/dev/null"]);
    assert_eq!(code, Some(2), "{told}");
    holds(&told, &["--customer"]);
}

#[tokio::test]
async fn a_rule_whose_forced_parameter_has_no_value_says_so() {
    let people = PEOPLE.replace("active,prices,US", "active,prices,");
    let house = House::plan(APPS).file("people.csv", people).file("orders.json", ORDERS).furnish().await;
    let (_, told) = explain(&house, "kim", &["--path", "/api/orders"]);
    holds(&told, &["has no value for this person, so it denies", "is denied"]);
}

/// One sample of docs/roles-and-filters.md: a rule, what the app answers, and what a person gets of it.
struct Sample {
    rule: String,
    kind: String,
    before: String,
    after: String,
}

/// The fenced blocks of a page, each with what stands behind its fence.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("\n```").skip(1).step_by(2);
    parts.filter_map(|part| part.split_once('\n')).collect()
}

fn samples(page: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut rule = "";
    let mut before = ("", "");
    for (info, text) in blocks(page) {
        match info.split_once(' ') {
            Some((_, "rule")) => rule = text,
            Some((kind, "before")) => before = (kind, text),
            Some((kind, "after")) => {
                assert_eq!(kind, before.0, "{text}");
                samples.push(Sample {
                    rule: rule.to_owned(),
                    kind: kind.to_owned(),
                    before: before.1.to_owned(),
                    after: text.to_owned(),
                });
            }
            _ => {}
        }
    }
    samples
}

#[tokio::test]
async fn every_sample_in_the_docs_is_what_the_program_makes_of_it() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/roles-and-filters.md");
    let samples = samples(&std::fs::read_to_string(page).expect("the page is there"));
    assert!(samples.len() > 5, "{}", samples.len());
    for sample in samples {
        let from = APPS.find("rules = [").expect("the first rules");
        let to = APPS.find("[app.orders.role.prices]").expect("the next role");
        let apps = format!("{}rules = [{}]\n\n{}", &APPS[..from], sample.rule.trim(), &APPS[to..]);
        let name = format!("sample.{}", sample.kind);
        let house = House::plan(&apps).file("people.csv", PEOPLE).file(&name, &sample.before).furnish().await;
        let path = |name: &str| house.dir.path().join(name).display().to_string();
        let request = ["--path", "/api/orders", "--at", "2026-06-30"];
        let answer = ["--response", &path(&name), "--output", &path("out")];
        let (_, told) = explain(&house, "ona", &[&request[..], &answer].concat());
        let out = std::fs::read_to_string(path("out")).unwrap_or_else(|_| panic!("{}\n{told}", sample.rule));
        assert_eq!(out, sample.after, "{}\n{told}", sample.rule);
    }
}

/// What one level of the example's ladder sees of a file of orders.
fn on_the_ladder(who: &str, path: &str, file: &str) -> (Option<i32>, String) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/erp-ladder");
    let out = tempfile::NamedTempFile::new().expect("a file");
    let mut command = crate::house::vestibule();
    command.args(["explain", "--config"]).arg(folder.join("vestibule.toml"));
    command.args(["--email", who, "--path", path, "--at", "2026-06-30", "--response"]).arg(folder.join(file));
    let output = command.arg("--output").arg(out.path()).output().expect("the binary starts");
    let left = std::fs::read_to_string(out.path()).expect("text");
    (output.status.code(), if left.is_empty() { printed(&output) } else { left })
}

#[test]
fn the_ladder_of_the_examples_shows_each_level_what_it_may_see() {
    let (code, told) = on_the_ladder("ben@harbor.example", "/api/orders", "orders.json");
    assert_eq!(code, Some(3), "{told}");
    holds(&told, &["no rule matches", "would not come back"]);
    for (who, orders, sees_prices) in [
        ("ona@harbor.example", 2, false),
        // 30 days by the row, though the role has 365.
        ("kim@harbor.example", 1, true),
        ("ari@harbor.example", 3, true),
        ("lou@harbor.example", 3, true),
        ("eve@harbor.example", 3, true),
    ] {
        for (file, mark) in [("orders.json", "\"id\""), ("orders.csv", ",D-2001,")] {
            let (code, left) = on_the_ladder(who, "/api/orders?page=1", file);
            assert_eq!(code, Some(0), "{who}: {left}");
            let found = left.matches(mark).count();
            assert_eq!(found, orders, "{who} in {file}:\n{left}");
            assert_eq!(left.contains("price"), sees_prices, "{who}: {left}");
            assert_eq!(left.contains("237.50"), sees_prices, "{who}: {left}");
        }
    }
}
