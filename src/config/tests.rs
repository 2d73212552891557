//! A config text in, messages or values out.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::types::RoleName;

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
    assert_eq!(
        app.upstream.servers.iter().map(super::UpstreamServer::url).collect::<Vec<_>>(),
        ["http://10.0.0.5:8080"]
    );
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
    check(("[tls]", "[acne]\ncontact = \"x\"\n[tls]"), &["unknown key `acne` in the file"]);
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
    check(("csv:people.csv", "ldap://db"), &["is of no kind that is known"]);
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
fn the_complete_example_has_every_key_of_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/complete.toml");
    let text = std::fs::read_to_string(path).expect("it can be read");
    let file: toml::Value = toml::from_str(&text).expect("TOML");
    let schema = schema();
    let mut missing = Vec::new();
    look_for_keys(&schema, &schema, &[&file], &text, "", &mut missing);
    assert!(missing.is_empty(), "config/complete.toml lacks {}", missing.join(", "));
}

/// Walks a schema beside all values of its shape: each of its keys has to be in one of them. Of values that may be written in more
/// than one way, a table's keys may stand in a comment.
fn look_for_keys(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    values: &[&toml::Value],
    text: &str,
    path: &str,
    missing: &mut Vec<String>,
) {
    let mut go = |schema: &serde_json::Value, values: &[&toml::Value], path: &str| {
        look_for_keys(root, schema, values, text, path, missing);
    };
    if let Some(reference) = schema.get("$ref").and_then(serde_json::Value::as_str) {
        return go(root.pointer(reference.trim_start_matches('#')).expect("a definition"), values, path);
    }
    for alternative in schema.get("anyOf").and_then(serde_json::Value::as_array).into_iter().flatten() {
        go(alternative, values, path);
    }
    let ways = schema.get("oneOf").and_then(serde_json::Value::as_array).into_iter().flatten();
    let tables = ways.filter_map(|way| way.get("properties")?.as_object());
    let unsaid = tables.flat_map(|table| table.keys()).filter(|key| !text.contains(&format!("{key} = ")));
    let unsaid: Vec<String> = unsaid.map(|key| format!("{path}.{key}")).collect();
    if let Some(items) = schema.get("items") {
        let elements: Vec<_> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        go(items, &elements, path);
    }
    if let Some(more) = schema.get("additionalProperties").filter(|more| more.is_object()) {
        let members = values.iter().filter_map(|value| value.as_table()).flat_map(|table| table.values());
        go(more, &members.collect::<Vec<_>>(), &format!("{path}.*"));
    }
    let mut lacks = unsaid;
    for (key, inner) in schema.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten() {
        let found: Vec<_> = values.iter().filter_map(|value| value.get(key)).collect();
        let path = format!("{path}.{key}");
        match found.is_empty() {
            true => lacks.push(path),
            false => go(inner, &found, &path),
        }
    }
    missing.extend(lacks);
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

#[test]
fn an_app_is_entered_by_the_ways_it_names() {
    let ways = |login: &str| {
        let providers = "\n[login.oidc.okta]\nissuer = \"https://acme.okta.example\"\nclient_id = \"0oa1\"\n\
                         email_domains = [\"Acme.example\"]\n[login.oidc.google]\nissuer = \"https://accounts.google.com\"\n\
                         client_id = \"x\"\n";
        let text = GOOD.replace("roles_default", &format!("{login}\nroles_default"));
        let config = read(&format!("{text}{providers}")).unwrap_or_else(|errors| panic!("{errors}"));
        config.app("orders").expect("the app").ways.clone()
    };
    let email = |text: &str| Email::parse(text).expect("an address");
    let standard = ways("");
    assert!(standard.email && !standard.passkey && standard.providers.is_empty());
    assert!(standard.home_of(&email("ann@acme.example")).is_none(), "a provider that the app does not name has no say");

    let mixed = ways("login = [\"google\", \"okta\", \"passkey\", \"email\"]");
    assert!(mixed.email && mixed.passkey && mixed.only_provider().is_none());
    assert_eq!(mixed.home_of(&email("ann@ACME.example")).expect("a home").name.as_str(), "okta");
    assert!(mixed.home_of(&email("ann@sub.acme.example")).is_none());
    assert_eq!(mixed.providers.iter().map(|provider| provider.name.as_str()).collect::<Vec<_>>(), ["google", "okta"]);

    let only = ways("login = [\"okta\"]");
    assert!(!only.email && only.only_provider().is_some());
    assert!(ways("login = [\"okta\"]\nskip_login_page = false").only_provider().is_none());
}

#[test]
fn a_stronger_role_may_ask_for_a_stronger_way() {
    let text = GOOD.replace("roles_default", "login = [\"email\", \"passkey\"]\nroles_default");
    let text = text.replace("includes = [\"basic\"]", "includes = [\"basic\"]\nrequire = [\"passkey\"]");
    let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let roles = &config.app("orders").expect("the app").policy.roles;
    let unmet = |role: &str, ways: &[Way]| roles.unmet(&RoleName::parse(role).expect("valid"), ways.iter()).is_some();
    assert!(!unmet("basic", &[Way::Email]));
    assert!(unmet("boss", &[Way::Email]));
    assert!(!unmet("boss", &[Way::Email, Way::Passkey]));
}

#[test]
fn a_role_is_as_demanding_as_what_it_includes() {
    let text = GOOD.replace("roles_default", "login = [\"email\", \"passkey\"]\nroles_default");
    let text =
        text.replace("[{ allow = \"GET /orders/**\" }]", "[{ allow = \"GET /orders/**\" }]\nrequire = [\"passkey\"]");
    let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let roles = &config.app("orders").expect("the app").policy.roles;
    let boss = RoleName::parse("boss").expect("valid");
    assert!(roles.unmet(&boss, [Way::Email].iter()).is_some(), "or including would be a way round the requirement");
}

#[test]
fn staff_may_come_by_their_groups() {
    let text = format!(
        "{GOOD}\n[login.oidc.staff]\nissuer = \"https://id.example.com/\"\nclient_id = \"x\"\n[workspace.oidc]\nprovider = \"staff\"\n\
         [[workspace.oidc.group]]\nname = \"admins\"\nroles = {{ orders = \"boss\" }}\n\
         [[workspace.oidc.group]]\nname = \"all\"\nroles = {{ orders = \"basic\" }}\n"
    );
    let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let app = config.app("orders").expect("the app");
    let staff = ProviderName::parse("staff").expect("valid");
    let email = Email::parse("ann@example.com").expect("valid");
    let role = |groups: &[&str], provider: &ProviderName| {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        app.policy.group_grant(&email, provider, &groups).map(|grant| grant.role.to_string())
    };
    assert_eq!(role(&["all", "admins"], &staff).as_deref(), Some("boss"), "the first in the config counts");
    assert_eq!(role(&["all"], &staff).as_deref(), Some("basic"));
    assert_eq!(role(&["others"], &staff), None);
    assert_eq!(
        role(&["all"], &ProviderName::parse("other").expect("valid")),
        None,
        "another provider's groups say nothing"
    );
    assert!(app.ways.staff.is_some() && app.ways.providers.is_empty(), "it has no button, and leads in");
    assert!(app.ways.allows(&Way::Oidc(staff)));
}
