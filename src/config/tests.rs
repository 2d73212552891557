//! A config text in, messages or values out.

use std::path::Path;
use std::time::Duration;

use super::*;

const GOOD: &str = r#"
[server]
https = "127.0.0.1:0"
data = "data"
[tls]
local_ca = true
[mail]
smtp = "smtp+starttls://user:${SMTP_PASSWORD}@smtp.example.com:587"
from = "Example <login@example.com>"
[source.crm]
url = "csv:people.csv"
[app.orders]
domains = ["orders.example.com"]
upstream = "http://10.0.0.5:8080"
roles_default = "basic"
[[app.orders.customers]]
source = "crm"
email = "email"
role = { column = "level" }
where = 'row.status == "active"'
assign = [{ role = "boss", when = 'row.title == "Boss"' }]
[app.orders.role.basic]
rules = [{ allow = "GET /orders/**" }]
[app.orders.role.boss]
includes = ["basic"]
"#;

fn read(text: &str) -> Result<Config, ConfigErrors> {
    parse(Path::new("v.toml"), text, &|name| (name == "SMTP_PASSWORD").then(|| "s3cret".to_owned()))
}

/// Changes the good text, and expects each of the messages, and no others.
fn check(change: (&str, &str), expected: &[&str]) {
    assert!(GOOD.contains(change.0), "{}", change.0);
    let errors = read(&GOOD.replacen(change.0, change.1, 1)).expect_err("it is wrong");
    let text = errors.to_string();
    for message in expected {
        assert!(text.contains(message), "`{message}` is missing in:\n{text}");
    }
    assert_eq!(errors.0.len(), expected.len(), "{text}");
    assert!(errors.0.iter().all(|error| error.line > 0 && !error.problem.help.is_empty()), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn a_good_config_builds() {
    let config = read(GOOD).unwrap_or_else(|errors| panic!("{errors}"));
    let app = config.app("orders").expect("the app");
    assert_eq!(app.policy.lists.len(), 1);
    assert_eq!((app.upstream.host.as_str(), app.upstream.port, app.upstream.tls), ("10.0.0.5", 8080, false));
    assert_eq!(config.login.lifetime, Duration::from_secs(900));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn every_config_that_we_show_builds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shown = vec![root.join("config/minimal.toml"), root.join("config/complete.toml")];
    let examples = std::fs::read_dir(root.join("examples")).expect("the examples");
    shown.extend(
        examples.filter_map(Result::ok).map(|entry| entry.path().join("vestibule.toml")).filter(|path| path.exists()),
    );
    assert!(shown.len() > 3, "{shown:?}");
    for path in shown {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        parse(&path, &text, &|_| Some("secret".to_owned())).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

#[test]
fn an_unknown_key_names_the_nearest() {
    check(
        ("upstream =", "upsteam ="),
        &["v.toml:14: unknown key `upsteam` in [app.orders]\n  help: did you mean `upstream`?", "has no `upstream`"],
    );
    check(("[tls]", "[acme]\ncontact = \"x\"\n[tls]"), &["unknown key `acme` in the file"]);
    check(("local_ca = true", "local_ca = true\nlocal_cas = 1"), &["did you mean `local_ca`?"]);
}

#[test]
fn all_problems_are_shown_in_one_go() {
    let text = GOOD
        .replace("role = \"boss\"", "role = \"bos\"")
        .replace("127.0.0.1:0", "nowhere")
        .replace("GET /orders/**", "GET orders")
        .replace("local_ca = true", "local_ca = \"yes\"")
        .replace("[source.crm]", "[source.crm]\ncolour = 1");
    let errors = read(&text).expect_err("it is wrong").to_string();
    for message in [
        "did you mean `boss`?",
        "not an address and port",
        "begins with /",
        "true or false",
        "`colour`",
        "no source of certificates",
    ] {
        assert!(errors.contains(message), "`{message}` is missing in:\n{errors}");
    }
}

#[test]
fn every_mistake_has_its_message() {
    check(("${SMTP_PASSWORD}", "${OTHER}"), &["the environment variable `OTHER` is not set"]);
    check(("smtp+starttls://", "imap://"), &["v.toml:8"]);
    check(("Example <login@example.com>", "Example"), &["v.toml:9"]);
    check(("csv:people.csv", "postgres://db"), &["neither csv: nor sqlite:"]);
    check(("orders.example.com", "https://orders"), &["is not a host name"]);
    check(("http://10.0.0.5:8080", "10.0.0.5:8080"), &["is not an origin"]);
    check(("http://10.0.0.5:8080", "http://10.0.0.5:8080/x"), &["is not an origin"]);
    check(("roles_default = \"basic\"", "roles_default = \"basics\""), &["did you mean `basic`?"]);
    check(("source = \"crm\"", "source = \"crn\""), &["did you mean `crm`?"]);
    check(("email = \"email\"", "email = \"\""), &["column name"]);
    check(("row.status ==", "rov.status =="), &["speaks of `rov`"]);
    check(("row.status ==", "row.status = ="), &["does not parse"]);
    check(("allow = \"GET /orders/**\"", "allow = \"GET /a\", deny = \"GET /b\""), &["either `allow` or `deny`"]);
    check(("[\"basic\"]", "[\"boss\"]"), &["in a circle"]);
    check(("data = \"data\"", "data = 5"), &["`server.data` is a number, not a text in quotes"]);
    check(("data = \"data\"", "data = \"data\"\ngrace = \"soon\""), &["is not a duration"]);
    check(
        ("[tls]", "[server.limits]\nheader_bytes = \"big\"\nconnections = 0\n[tls]"),
        &["is not a size", "0 would let nobody in"],
    );
    check(("role = { column = \"level\" }", "role = { col = \"level\" }"), &["unknown key `col`"]);
    check(("upstream =", "domain = [{ host = \"orders.example.com\" }]\nupstream ="), &["stands twice"]);
    check(
        (
            "upstream =",
            "identity = { headers = \"acces\", extra = { \"Host\" = \"x\", \"X-A\" = \"{nobody}\" } }\nupstream =",
        ),
        &["did you mean `access`?", "cannot be set as a header", "is no field"],
    );
    check(("upstream =", "path_allow = [\"semi-colon\"]\nupstream ="), &["did you mean `semicolon`?"]);
    check(("upstream =", "time_zone = \"Europe/Atlantis\"\nupstream ="), &["no time zone"]);
    check(("upstream =", "login = [\"oidc\"]\nupstream ="), &["no way in called `oidc`"]);
    check(
        ("upstream =", "branding = { logo = \"none.svg\", color = \"blue\" }\nupstream ="),
        &["cannot be read", "is not a colour"],
    );
    check(
        (
            "[app.orders.role.basic]",
            "[[workspace.user]]\nemail = \"ann\"\nroles = { order = \"basic\", orders = \"king\" }\n[app.orders.role.basic]",
        ),
        &["exactly one @", "did you mean `orders`?", "no role `king`"],
    );
    check(("[server]", "[server"), &["v.toml:2"]);
}

#[test]
fn the_schema_names_every_key() {
    let schema = schema().to_string();
    for key in ["trusted_proxies", "path_allow", "customer_name", "assign", "workspace"] {
        assert!(schema.contains(key), "{key}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", at in 0_usize..900) {
        let _ = read(&text);
        let mut broken = GOOD.to_owned();
        if broken.is_char_boundary(at.min(broken.len())) {
            broken.insert_str(at.min(broken.len()), &text);
        }
        let _ = read(&broken);
    }
}
