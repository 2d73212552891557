//! The commands that an operator types: check, explain, schema, ca, completions, help.

use crate::house::{House, LADDER, OPEN, PEOPLE, printed, vestibule};

/// Runs the binary without a config.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = vestibule().args(arguments).output().expect("the binary starts");
    (output.status.code(), printed(&output))
}

/// `explain` for a person of the ladder.
fn explain(house: &House, arguments: &[&str]) -> (Option<i32>, String) {
    let mut all = vec!["explain", "--app", "orders", "--email"];
    all.extend_from_slice(arguments);
    let output = house.command(&all);
    (output.status.code(), printed(&output))
}

#[track_caller]
fn holds(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "`{word}` is missing in:\n{told}");
    }
}

#[tokio::test]
async fn check_is_content_with_a_good_file() {
    let house = House::plan(LADDER).furnish().await;
    let output = house.command(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
}

#[tokio::test]
async fn check_leaves_nothing_behind() {
    let house = House::plan(LADDER).furnish().await;
    house.command(&["check", "--data"]);
    assert!(!house.dir.path().join("data").exists(), "checking makes no data folder");
}

#[tokio::test]
async fn check_of_the_data_names_every_row_that_cannot_enter() {
    let people = format!(
        "{PEOPLE}not-an-address,42,Acme,X,active,reader,,,en,EU\nbad@example.com,42,Acme,X,active,emperor,,,en,EU\n"
    );
    let apps = LADDER
        .replace("where = 'row.status == \"active\"'", "where = 'row.status == \"active\" && row.no_such != \"x\"'");
    let house = House::plan(LADDER).file("people.csv", &people).furnish().await;
    let told = printed(&house.command(&["check", "--data"]));
    holds(&told, &["dup@example.com", "6", "7", "not-an-address", "11", "emperor", "12"]);

    let house = House::plan(&apps).file("people.csv", &people).furnish().await;
    let told = printed(&house.command(&["check", "--data"]));
    holds(&told, &["no_such"]);
}

#[tokio::test]
async fn check_of_a_missing_table_says_so() {
    let house = House::plan(LADDER).furnish().await;
    std::fs::remove_file(house.dir.path().join("people.csv")).expect("it was there");
    let output = house.command(&["check", "--data"]);
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    holds(&printed(&output), &["crm", "people.csv"]);
}

#[tokio::test]
async fn explain_walks_from_the_row_to_the_rule() {
    let house = House::plan(LADDER).furnish().await;
    let (code, told) = explain(&house, &["ann@example.com", "--method", "POST", "--path", "/c/42/note"]);
    assert_eq!(code, Some(0), "{told}");
    holds(&told, &["ann@example.com", "crm", "2", "42", "manager", "GET,POST /c/{customer.id}/**", "X-Access-Role"]);
    let (_, told) = explain(&house, &["bob@example.com", "--method", "GET", "--path", "/admin/users"]);
    holds(&told, &["reader", "* /admin/**"]);
    let (_, told) = explain(&house, &["bob@example.com", "--method", "POST", "--path", "/orders"]);
    holds(&told, &["reader", "no rule"]);
}

#[tokio::test]
async fn explain_says_why_somebody_is_missing() {
    let house = House::plan(LADDER).furnish().await;
    let (_, told) = explain(&house, &["old@example.com"]);
    holds(&told, &["9", "row.status == \"active\""]);
    let (_, told) = explain(&house, &["dup@example.com"]);
    holds(&told, &["6", "7"]);
    let (_, told) = explain(&house, &["nobody@example.com"]);
    holds(&told, &["nobody@example.com", "no row"]);
    let (_, told) = explain(&house, &["cat@example.com"]);
    holds(&told, &["42", "43"]);
    let (code, told) = explain(&house, &["not-an-address"]);
    assert_eq!(code, Some(2), "{told}");
    let output = house.command(&["explain", "--app", "order", "--email", "ann@example.com"]);
    assert_eq!(output.status.code(), Some(2));
    holds(&printed(&output), &["orders"]);
}

#[tokio::test]
async fn explain_refuses_a_crooked_path_as_the_gateway_does() {
    let house = House::plan(LADDER).furnish().await;
    let (_, told) = explain(&house, &["bob@example.com", "--path", "/x/../admin/users"]);
    holds(&told, &["400"]);
}

#[test]
fn the_schema_describes_every_table() {
    let (code, told) = run(&["schema"]);
    assert_eq!(code, Some(0), "{told}");
    let schema: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    for table in ["server", "tls", "mail", "login", "session", "source", "app", "workspace"] {
        assert!(schema["properties"][table].is_object(), "{table}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, told) = run(&["completions", shell]);
        assert_eq!(code, Some(0), "{shell}");
        assert!(told.contains("vestibule") && told.contains("explain"), "{shell}");
    }
}

#[test]
fn help_names_every_command_and_no_command_is_a_mistake() {
    let (code, told) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for command in ["serve", "check", "explain", "impact", "schema", "ca", "demo", "completions"] {
        assert!(told.contains(command), "{command} is missing in:\n{told}");
        let (code, help) = run(&[command, "--help"]);
        assert_eq!(code, Some(0), "{command}");
        assert!(help.lines().count() > 3, "{command}:\n{help}");
    }
    assert_eq!(run(&["--version"]).0, Some(0));
    let (code, told) = run(&[]);
    assert_eq!(code, Some(2));
    assert!(told.contains("Usage"), "{told}");
    let (code, told) = run(&["sevre"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("serve"), "the nearest is named:\n{told}");
}

#[tokio::test]
async fn the_same_authority_is_printed_before_and_after_the_first_start() {
    let mut house = House::plan(OPEN).furnish().await;
    let before = house.command(&["ca"]);
    assert!(before.status.success(), "{}", printed(&before));
    assert!(String::from_utf8_lossy(&before.stdout).starts_with("-----BEGIN CERTIFICATE-----"));
    house.start_again().await;
    assert_eq!(house.command(&["ca"]).stdout, before.stdout);
    house.wire("orders.test").await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let house = House::plan(OPEN).furnish().await;
    let text = std::fs::read_to_string(house.config()).expect("the config").replacen("127.0.0.1:0", &address, 1);
    std::fs::write(house.config(), text).expect("the folder is writable");
    let output = house.command(&["serve"]);
    assert!(!output.status.success());
    holds(&printed(&output), &[&address]);
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written_is_a_clear_error() {
    let house = House::plan(OPEN).furnish().await;
    std::fs::write(house.dir.path().join("data"), "a file is in the way").expect("the folder is writable");
    let output = house.command(&["serve"]);
    assert!(!output.status.success());
    holds(&printed(&output), &["data"]);
}

#[tokio::test]
async fn two_gateways_on_one_data_folder_do_not_corrupt_it() {
    let house = House::start(OPEN).await;
    house.browser("orders.test").log_in("ann@example.com").await;
    let mut second = vestibule();
    second.args(["--log-format", "json", "serve", "--config"]).arg(house.config());
    let mut second = second.spawn().expect("the binary starts");
    // Whether the second is refused or shares the store, the first goes on.
    for email in ["bob@example.com", "eve@example.com"] {
        house.browser("orders.test").log_in(email).await;
    }
    let _gone = second.kill();
    second.wait().expect("it ends");
    house.admin("/readyz").await.expect(200);
}

#[tokio::test]
async fn person_tells_and_forgets_beside_a_running_gateway() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.navigate("/orders").await.expect(200);
    let person = |more: &[&str]| {
        let mut arguments = vec!["person", "--email", "Ann@Example.com"];
        arguments.extend_from_slice(more);
        let output = house.command(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        printed(&output)
    };
    holds(&person(&[]), &["ann@example.com", "1 session", "0 identities at providers", "0 passkeys"]);
    let told = person(&["--end-sessions", "--forget-identities", "--forget-passkeys"]);
    holds(&told, &["ended: 1 session", "forgotten: 0 identities", "forgotten: 0 passkeys"]);
    crate::house::eventually("the session is over", async || {
        (ann.navigate("/orders").await.status == 303).then_some(())
    })
    .await;
    holds(&person(&[]), &["0 sessions"]);
}

#[tokio::test]
async fn person_without_a_store_says_what_to_do() {
    let house = House::plan(OPEN).furnish().await;
    let output = house.command(&["person", "--email", "ann@example.com"]);
    assert_eq!(output.status.code(), Some(1));
    holds(&printed(&output), &["store.db", "there is no store yet", "help: start the gateway first"]);
    let output = house.command(&["person", "--email", "ann"]);
    assert_eq!(output.status.code(), Some(2));
    holds(&printed(&output), &["an address has exactly one @"]);
}

#[tokio::test]
async fn check_says_what_to_register_with_a_provider() {
    let provider = "[login.oidc.google]\nissuer = \"https://accounts.example\"\nclient_id = \"x\"\n";
    let apps =
        OPEN.replace("domains = [\"orders.test\"]", "domains = [\"orders.test\", \"b.test\"]\nlogin = [\"google\"]");
    let house = House::plan(&format!("{apps}\n{provider}")).furnish().await;
    let told = printed(&house.command(&["check"]));
    let callbacks = ["https://orders.test:0/.access/oidc/callback", "https://b.test:0/.access/oidc/callback"];
    holds(&told, &callbacks);
    holds(&told, &["https://orders.test:0/.access/logged-out", "https://orders.test:0/.access/oidc/backchannel"]);

    let house = House::plan(&format!("{apps}\n{provider}")).login("hub = \"login.test\"").furnish().await;
    let told = printed(&house.command(&["check"]));
    holds(&told, &["https://login.test:0/.access/oidc/callback", "https://login.test:0/.access/oidc/logged-out"]);
    assert!(!told.contains("orders.test:0"), "{told}");
}

#[tokio::test]
async fn explain_says_by_which_ways_a_person_may_come() {
    let provider = "[login.oidc.globex]\nissuer = \"https://globex.example\"\nclient_id = \"x\"\nemail_domains = [\"globex.example\"]\n";
    let apps = LADDER.replace(
        "domains = [\"orders.test\"]",
        "domains = [\"orders.test\"]\nlogin = [\"email\", \"passkey\", \"globex\"]",
    );
    let apps =
        apps.replace("[app.orders.role.manager]", "[app.orders.role.manager]\nrequire = [\"passkey\", \"oidc\"]");
    let house = House::plan(&format!("{apps}\n{provider}")).furnish().await;
    let (_, told) = explain(&house, &["ann@example.com"]);
    holds(&told, &["by mail, or a passkey", "asks for", "a log-in by passkey or oidc"]);
    let (_, told) = explain(&house, &["gil@globex.example"]);
    holds(&told, &["by provider globex, which alone speaks for globex.example, or a passkey"]);
}
