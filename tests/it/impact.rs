//! `impact`: who gains or loses what when a config takes another's place, against the one that the gateway started with too.

use crate::house::{House, LADDER, printed};

fn impact(house: &House, arguments: &[&str]) -> (Option<i32>, String) {
    let output = house.command(&[&["impact"], arguments].concat());
    (output.status.code(), printed(&output))
}

#[track_caller]
fn holds(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "`{word}` is missing in:\n{told}");
    }
}

/// Writes the config of the house under another name, and gives the path.
fn keep(house: &House, name: &str) -> String {
    let text = std::fs::read(house.config()).expect("the config");
    house.write(name, text);
    house.dir.path().join(name).display().to_string()
}

/// Changes the config of the house.
fn change(house: &House, from: &str, to: &str) {
    let text = std::fs::read_to_string(house.config()).expect("the config");
    assert!(text.contains(from), "{from}");
    std::fs::write(house.config(), text.replace(from, to)).expect("the folder is writable");
}

#[tokio::test]
async fn impact_names_who_gains_and_who_loses() {
    let house = House::plan(LADDER).furnish().await;
    let old = keep(&house, "old.toml");
    let (code, told) = impact(&house, &["--against", &old]);
    assert_eq!(code, Some(0), "{told}");
    holds(&told, &["nothing changes for anybody"]);
    assert_eq!(impact(&house, &["--against", &old, "--exit-code"]).0, Some(0));

    change(&house, "row.status == \"active\"", "row.access_level == \"reader\"");
    let (code, told) = impact(&house, &["--against", &old]);
    assert_eq!(code, Some(0), "{told}");
    holds(&told, &["lose access", "ann@example.com", "customer 42, manager", "gain access", "old@example.com"]);
    assert_eq!(impact(&house, &["--against", &old, "--exit-code"]).0, Some(4));
    let (_, told) = impact(&house, &["--against", &old, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["format"], &told["apps"][0]["app"]), (&1.into(), &"orders".into()));
    assert!(told["apps"][0]["changes"].as_array().is_some_and(|changes| !changes.is_empty()), "{told:#}");

    let (code, told) = impact(&house, &["--against", &old, "--app", "order"]);
    assert_eq!(code, Some(2), "{told}");
    holds(&told, &["did you mean `orders`?"]);
}

#[tokio::test]
async fn impact_holds_a_new_config_against_the_one_that_runs() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::plan(LADDER).furnish().await;
    let (code, told) = impact(&house, &[]);
    assert_eq!(code, Some(2), "{told}");
    holds(&told, &["running-config.json` is not there", "--against OLD"]);

    let house = House::start(LADDER).await;
    let file = house.dir.path().join("data/running-config.json");
    let mode = std::fs::metadata(&file).expect("serve wrote it").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(impact(&house, &[]).0, Some(0));
    change(&house, "{ allow = \"POST /api/**\" }", "{ allow = \"POST /api/*\" }");
    let (code, told) = impact(&house, &[]);
    assert_eq!(code, Some(0), "{told}");
    holds(&told, &["have other rules", "-allow POST /api/**", "+allow POST /api/*"]);
}

#[tokio::test]
async fn a_table_that_cannot_be_read_makes_people_unknown_and_not_lost() {
    let house = House::plan(LADDER).furnish().await;
    let old = keep(&house, "old.toml");
    change(&house, "csv:people.csv", "csv:nobody.csv");
    let (code, told) = impact(&house, &["--against", &old]);
    assert_eq!(code, Some(3), "{told}");
    holds(&told, &["of the new config cannot be read", "are unknown"]);
    assert!(!told.contains("lose access"), "{told}");
}

#[tokio::test]
async fn an_irrevocable_role_that_would_be_lost_is_a_problem() {
    let apps = LADDER.replace("[app.orders.role.manager]", "[app.orders.role.manager]\nirrevocable = true");
    let house = House::plan(&apps).furnish().await;
    let old = keep(&house, "old.toml");
    change(&house, "role = { column = \"access_level\" }", "role = \"reader\"");
    let (code, told) = impact(&house, &["--against", &old]);
    assert_eq!(code, Some(3), "{told}");
    holds(&told, &["ann@example.com would lose the role `manager`", "irrevocable", "manager -> reader"]);
}
