//! CSV files that change, vanish, turn bad or turn empty.

use super::*;

const CRM: &str = r#"
[source.crm]
url = "csv:people.csv"
refresh = "30s"
max_stale = "15m"
[app.orders]
domains = ["orders.example.com"]
upstream = "http://127.0.0.1:1"
[[app.orders.customers]]
source = "crm"
email = "email"
customer = "company"
role = { column = "role" }
[[workspace.user]]
email = "staff@example.com"
roles = { orders = "admin" }
"#;

const PEOPLE: &str = "email,company,role\nann@example.com,1,user\nbob@example.com,2,admin\nann@example.com,3,admin\nstaff@example.com,1,user\ntwice@example.com,1,user\ntwice@example.com,1,admin\n";

fn house() -> House {
    House::new(CRM, &[("people.csv", PEOPLE)])
}

#[tokio::test]
async fn rows_become_grants() {
    let house = house();
    assert!(!house.is_available(), "nothing was read yet");
    assert_eq!(house.roles("Ann@Example.com").await, "user@1 admin@3");
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    assert_eq!(house.roles("eve@example.com").await, "");
    assert_eq!(house.roles("staff@example.com").await, "admin@staff", "staff are never customers");
    assert_eq!(house.roles("twice@example.com").await, "", "two rows for one customer cancel each other out");
    assert!(house.is_available());
    assert_eq!(house.state(), SourceState::Fresh);
}

#[tokio::test]
async fn who_is_removed_from_the_table_is_out_when_it_was_looked_at() {
    let mut house = house();
    let known = house.known("bob@example.com").await.expect("known");
    // A change makes another generation; without one, what is known is good for as long as the table is.
    assert_eq!(known.fresh_until, after(house.now, Duration::from_secs(15 * 60)));
    house.replace("people.csv", "email,company,role\nann@example.com,1,user\n");
    house.pass(1);
    assert_eq!(house.roles("bob@example.com").await, "admin@2", "nobody looked yet");
    house.live(1).await;
    assert_eq!(house.roles("bob@example.com").await, "");
}

#[tokio::test]
async fn the_background_sees_a_change_at_once() {
    let mut house = house();
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    house.replace("people.csv", &PEOPLE.replace("2,admin", "2,user"));
    house.live(1).await;
    assert_eq!(house.roles("bob@example.com").await, "user@2");
}

#[tokio::test]
async fn attack_22_a_half_written_file_is_not_believed() {
    let mut house = house();
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    // Somebody writes in place, slowly.
    for half in ["email,company,role\n", "email,company,role\nann@example.com,1,user\nbob@exa"] {
        house.pass(1);
        house.write("people.csv", half);
        let source = house.directory.first_source();
        source.look(house.now).await;
        assert_eq!(house.roles("bob@example.com").await, "admin@2", "{half:?}");
    }
    house.write("people.csv", &PEOPLE.replace("2,admin", "2,user"));
    house.live(2).await;
    assert_eq!(house.roles("bob@example.com").await, "user@2");
    assert_eq!(house.state(), SourceState::Fresh);
}

#[tokio::test]
async fn attack_22_a_file_that_vanishes_or_turns_to_garbage_is_bridged_until_max_stale() {
    for garbage in [None, Some("\0\0\0"), Some("email,email\n"), Some("company,role\n1,user\n")] {
        let mut house = house();
        assert_eq!(house.roles("bob@example.com").await, "admin@2");
        match garbage {
            None => std::fs::remove_file(house.path("people.csv")).expect("removed"),
            Some(text) => house.replace("people.csv", text),
        }
        house.live(2).await;
        let known = house.known("bob@example.com").await.expect("known");
        assert_eq!(known.fresh_until, after(house.now, Duration::from_secs(15 * 60 - 2)), "{garbage:?}");
        assert!(matches!(house.state(), SourceState::Stale { .. }), "{garbage:?}");
        assert!(house.is_available());
        house.live(15 * 60 - 12).await;
        // Ten seconds are left; so long may it be used.
        let known = house.known("bob@example.com").await.expect("known");
        assert_eq!(known.fresh_until, after(house.now, Duration::from_secs(10)), "{garbage:?}");
        house.live(10).await;
        let roles = house.roles("bob@example.com").await;
        assert!(roles.starts_with("unavailable"), "{garbage:?}: {roles}");
        assert!(!house.is_available(), "{garbage:?}");
        assert!(
            garbage.is_some_and(|text| text.starts_with("company"))
                || matches!(house.state(), SourceState::Down { .. })
        );
        house.replace("people.csv", PEOPLE);
        house.live(1).await;
        assert_eq!(house.roles("bob@example.com").await, "admin@2");
    }
}

#[tokio::test]
async fn attack_22_a_suddenly_empty_table_locks_nobody_out_before_max_stale() {
    let mut house = house();
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    house.replace("people.csv", "email,company,role\n");
    house.live(600).await;
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    let health = house.directory.first_source().health(house.now);
    assert!(health.problem.expect("a problem").contains("suddenly 0 rows where there were 6"));
    // A table that stays empty is meant to be.
    house.live(300 + 31).await;
    assert_eq!(house.roles("bob@example.com").await, "");
    assert_eq!(house.state(), SourceState::Fresh);
    assert!(house.is_available());
}

#[tokio::test]
async fn a_source_that_was_never_read_lets_nobody_in_and_says_why() {
    let mut house = House::new(CRM, &[]);
    assert!(house.roles("bob@example.com").await.contains("people.csv` cannot be opened"));
    assert!(matches!(house.state(), SourceState::Down { .. }));
    assert_eq!(house.roles("staff@example.com").await, "admin@staff", "staff need no table");
    house.replace("people.csv", "email,company\nbob@example.com,2\n");
    house.live(1).await;
    let roles = house.roles("bob@example.com").await;
    assert_eq!(roles, "unavailable: the table has no column `role`; it has email, company");
    assert!(!house.is_available());
}

#[tokio::test]
async fn what_is_no_file_is_not_read() {
    let house = House::new(CRM, &[]);
    std::fs::create_dir(house.path("people.csv")).expect("made");
    assert!(house.roles("bob@example.com").await.ends_with("people.csv` is not a file"));
}

#[tokio::test]
async fn one_question_serves_all_who_wait_for_it() {
    let house = house();
    for email in ["bob@example.com", "eve@example.com"] {
        let all = join_all((0..50).map(|_| house.known(email))).await;
        let first = all.first().expect("one").as_ref().expect("known");
        for known in &all {
            assert!(Arc::ptr_eq(known.as_ref().expect("known"), first), "{email} was asked for twice");
        }
    }
}

#[tokio::test]
async fn an_address_with_rows_without_end_enters_nowhere() {
    let rows: String = (0..201).map(|n| format!("many@example.com,{n},user\n")).collect();
    let house = House::new(CRM, &[("people.csv", &format!("{PEOPLE}{rows}"))]);
    assert!(house.roles("many@example.com").await.starts_with("unavailable: one address has more than 200 rows"));
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
}

#[tokio::test]
async fn a_removal_counts_while_another_source_is_in_trouble() {
    let two = CRM.replace("[app.orders]", "[source.more]\nurl = \"csv:more.csv\"\n[app.orders]")
        + "[[app.orders.customers]]\nsource = \"more\"\nemail = \"email\"\ncustomer = \"company\"\n";
    let more = "email,company\nbob@example.com,9\nann@example.com,1\n";
    let mut house = House::new(&two, &[("people.csv", PEOPLE), ("more.csv", more)]);
    assert_eq!(house.roles("bob@example.com").await, "admin@2 user@9");
    assert_eq!(house.roles("ann@example.com").await, "admin@3", "the two lists disagree on customer 1");
    std::fs::remove_file(house.path("more.csv")).expect("removed");
    house.replace("people.csv", &PEOPLE.replace("bob@", "eve@"));
    house.live(2).await;
    assert_eq!(house.roles("bob@example.com").await, "user@9");
    assert_eq!(house.roles("ann@example.com").await, "admin@3", "still ambiguous");
}

#[tokio::test]
async fn the_running_directory_follows_its_file() {
    let house = House::new(&CRM.replace("30s", "200ms"), &[("people.csv", PEOPLE)]);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (directory, stop) = (Arc::clone(&house.directory), stop.clone());
        async move { directory.run(stop).await }
    });
    let bob = Email::parse("bob@example.com").expect("an address");
    assert_eq!(house.directory.known(&orders(), &bob).await.expect("known").grants.len(), 1);
    house.replace("people.csv", "email,company,role\nann@example.com,1,user\n");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(house.directory.known(&orders(), &bob).await.expect("known").grants.len(), 0);
    stop.cancel();
    running.await.expect("it ends");
}
