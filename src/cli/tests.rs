//! What the commands print: the lines that a person looks for.

use std::path::PathBuf;

use super::*;
use crate::config::Config;
use crate::directory::TableDirectory;
use crate::state::clock::Clock;
use paint::Paint;

const CONFIG: &str = r#"
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
roles_default = "viewer"
identity = { jwt = { header = "X-Access-Assertion" } }
[[app.orders.domain]]
host = "acme.example.com"
customer = "1"
[[app.orders.customers]]
name = "Contacts"
source = "crm"
email = "email"
customer = "company"
days_back = "days"
role = { column = "role" }
where = 'row.active == "1"'
assign = [{ role = "buyer", when = 'row.email.startsWith("b")' }]
[app.orders.role.viewer]
rules = [{ allow = "GET /orders/**" }]
[app.orders.role.buyer]
includes = ["viewer"]
rules = [{ deny = "* /orders/secret/**" }, { allow = "POST /orders/**" }]
[app.orders.role.near]
when = 'row.region == "EU"'
[app.orders.role.odd]
irrevocable = true
when = 'row.nothing == 1'
[app.reports]
enabled = false
domains = ["reports.example.com"]
upstream = "http://127.0.0.1:1"
[[workspace.user]]
email = "staff@example.com"
roles = { orders = "buyer" }
"#;

const PEOPLE: &str = "email,company,role,active,days,region
ann@example.com,1,viewer,1,30,EU
bob@example.com,1,,1,,EU
left@example.com,1,viewer,0,,EU
nocompany@example.com,,viewer,1,,EU
king@example.com,1,vieweer,1,,EU
days@example.com,1,viewer,1,soon,EU
far@example.com,1,near,1,,US
odd@example.com,1,odd,1,,US
two@example.com,1,viewer,1,,EU
two@example.com,2,buyer,1,,EU
twice@example.com,1,viewer,1,,EU
twice@example.com,1,buyer,1,,EU
not-an-address,1,viewer,1,,EU
evil\\u{1b}[2J@example.com,1,viewer,1,,EU
";

struct House {
    _folder: tempfile::TempDir,
    config: Config,
    directory: TableDirectory,
}

fn house() -> House {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("people.csv"), PEOPLE.replace("\\u{1b}", "\u{1b}")).expect("written");
    let config = crate::config::parse(&folder.path().join("v.toml"), CONFIG, &|_| None).expect("a config");
    let directory = TableDirectory::open(&config, Clock);
    House { _folder: folder, config, directory }
}

/// Runs `explain` with arguments in one line; the text, and whether the answer is yes.
async fn explain(arguments: &str) -> (String, bool) {
    let house = house();
    let words = ["vestibule", "explain"].into_iter().chain(arguments.split(' '));
    let Command::Explain(args) = Cli::try_parse_from(words).expect("arguments").command else { unreachable!() };
    let now = "2026-03-31T12:00:00Z".parse().expect("a time");
    match explain::explain(&args, &house.config, &house.directory, now).await {
        Ok(told) => (explain::tell(&told, Paint::plain()), told.is_yes()),
        Err(failure) => (failure.to_string(), false),
    }
}

async fn check(arguments: &str, is_allowed: bool, lines: &[&str]) {
    let (text, answer) = explain(arguments).await;
    assert_eq!(answer, is_allowed, "{arguments}\n{text}");
    for line in lines {
        assert!(text.contains(line), "{arguments} lacks `{line}`\n{text}");
    }
}

#[tokio::test]
async fn explain_walks_from_list_to_headers() {
    check(
        "--app orders --email Ann@Example.com --path /orders/1?x=1",
        true,
        &[
            "ann@example.com in app orders\n",
            "  Contacts (source crm, as of 2",
            "\n    line 2 counts\n",
            "      row.active   \"1\"\n",
            "      where      `row.active == \"1\"` is true: row.active = \"1\"\n      customer   1, from column `company`\n      role       viewer, from column `role`\n      days back  30 days, from column `days`\n",
            "  days back  30 days, so since 2026-03-01\n",
            "  > allow GET /orders/**  role viewer\n",
            "    X-Access-Since:      2026-03-01\n",
            "    X-Access-Assertion:  (signed for `orders`, good for 300 s)\n",
            "  the app is asked for /orders/1?x=1\n",
            "  GET /orders/1 is allowed: rule `allow GET /orders/**` of role `viewer` matches first\n",
            "  by acme.example.com, which is for customer 1, the person may enter\n",
            "  the person may enter, and this request goes upstream\n",
        ],
    )
    .await;
    check(
        "--app orders --email bob@example.com",
        true,
        &["buyer, assigned because `row.email.startsWith(\"b\")` is true"],
    )
    .await;
    check(
        "--app orders --email staff@example.com",
        true,
        &["one of the workspace's own people, with the role `buyer`"],
    )
    .await;
}

#[tokio::test]
async fn explain_says_what_would_let_a_request_pass() {
    check(
        "--app orders --email bob@example.com --path /orders/secret/1",
        false,
        &[
            "  > deny * /orders/secret/**  role buyer\n",
            "GET /orders/secret/1 is denied: rule `deny * /orders/secret/**`",
            "add `{ allow = \"GET /orders/secret/1\" }` before that rule in `[app.orders.role.buyer]`",
            "the person may enter, but this request is refused",
        ],
    )
    .await;
    check(
        "--app orders --email ann@example.com --path /x --method PUT",
        false,
        &["no rule matches", "`{ allow = \"PUT /x\" }` to `[app.orders.role.viewer]`"],
    )
    .await;
    check(
        "--app orders --email ann@example.com --path /a//b",
        false,
        &["refused with 400", "`path_allow = [\"empty-segments\"]`"],
    )
    .await;
    check("--app orders --email ann@example.com --path /a/../b", false, &["ambiguous path: dot-segment"]).await;
}

#[tokio::test]
async fn explain_says_for_each_refusal_what_would_let_the_person_in() {
    for (who, lines) in [
        (
            "left",
            &["`where` is not true for this row", "change the row so that `row.active == \"1\"` becomes true"][..],
        ),
        ("nocompany", &["the customer is empty", "fill in column `company`"]),
        ("king", &["the role `vieweer` is none of the app's", "did you mean `viewer`?", "`[app.orders.role.vieweer]`"]),
        ("days", &["days back is `soon`", "a whole number from 0 to 36500 into column `days`"]),
        ("far", &["for others", "change the row so that `row.region == \"EU\"` becomes true"]),
        ("odd", &["could not be evaluated", "mend `row.nothing == 1`"]),
        (
            "twice",
            &[
                "line 12 does not count, for another row",
                "line 13 does not count",
                "ambiguous: list `",
                "` has two rows for this person",
                "keep one of the rows",
            ],
        ),
        ("twise", &["no row has this address", "line 12 is written much alike: twice@example.com", "mend the row"]),
        ("nobody", &["no list knows the address", "add a row with the address in column `email` to source `crm`"]),
    ] {
        let arguments = format!("--app orders --email {who}@example.com");
        check(&arguments, false, lines).await;
        check(&arguments, false, &["to let this person in: ", "\nIn the end\n  the person may not enter"]).await;
    }
}

#[tokio::test]
async fn explain_knows_several_customers_and_pinned_domains() {
    check(
        "--app orders --email two@example.com --path /orders/1 --method POST",
        true,
        &["chooses among 1, 2", "Access for customer 1\n", "Access for customer 2\n", "allowed for 1 of 2 customers"],
    )
    .await;
    let (text, _) = explain("--app orders --email two@example.com --host acme.example.com:443").await;
    assert!(!text.contains("customer 2\n"), "{text}");
    check(
        "--app orders --email two@example.com --host nowhere.example.com",
        false,
        &["error: `nowhere.example.com` is no domain of app `orders`, which has orders.example.com, acme.example.com"],
    )
    .await;
    check("--app orders --email ann@example.com --host reports.example.com", false, &["is a domain of app `reports`"])
        .await;
}

#[tokio::test]
async fn explain_refuses_what_makes_no_sense() {
    check("--app order --email ann@example.com", false, &["error: there is no app `order`; did you mean `orders`?"])
        .await;
    check("--app orders --email ann", false, &["error: nobody can log in as `ann`: an address has exactly one @"])
        .await;
    check("--app orders --email a@b.example --path / --method G(T", false, &["`G(T` is not a method"]).await;
    check("--app orders --email a@b.example --path x?a=1", false, &["`x?a=1` is not a path; a path begins with /"])
        .await;
    check(
        "--app reports --email ann@example.com",
        false,
        &["no list knows the address", "add `[[app.reports.customers]]`"],
    )
    .await;
    assert!(Cli::try_parse_from("vestibule explain --app a --email b --method GET".split(' ')).is_err());
}

#[tokio::test]
async fn check_tells_every_fault_with_its_line() {
    let house = house();
    let summary = check::summary(&PathBuf::from("vestibule.toml"), &house.config, Paint::plain());
    assert_eq!(summary, "vestibule.toml: fine: 2 apps, 3 domains, 1 source\n");
    let app = house.config.app("orders").expect("the app");
    let report = house.directory.report(&app.name, &mut |_, _, _| {}).await.expect("a report");
    let mut text = String::new();
    check::write_report(&mut text, app, &report, Paint::plain());
    for line in [
        "\napp orders: 3 people may enter, for 2 customers\n",
        "  list Contacts (source crm): 14 rows, 4 enter, 2 left out by conditions, 8 faults\n",
        "    line 5   nocompany@example.com: the customer is empty\n",
        "    line 6   king@example.com: the role `vieweer` is none of the app's\n",
        "    line 12  twice@example.com: ambiguous: line 13 is for the same person and customer `1`, so neither enters\n",
        "    line 14  `not-an-address` is not an email address",
        "    line 15  `evil\\u{1b}[2J@example.com` is not an email address",
        "  note: nobody has the role `near`\n",
        "  note: nobody has the role `odd`, which is irrevocable, nor one that includes it\n",
    ] {
        assert!(text.contains(line), "it lacks `{line}`\n{text}");
    }
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn failures_have_their_exit_codes() {
    let code = |failure: &Failure| format!("{:?}", failure.exit_code());
    assert_eq!(code(&Failure::Usage(String::new())), format!("{:?}", ExitCode::from(2)));
    assert_eq!(code(&Failure::Other(String::new())), format!("{:?}", ExitCode::from(1)));
}
