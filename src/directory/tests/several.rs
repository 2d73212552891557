//! Lists in several sources, one of which is in trouble for too long.

use super::*;

const TWO: &str = r#"
[source.crm]
url = "csv:people.csv"
refresh = "30s"
max_stale = "15m"
[source.more]
url = "csv:more.csv"
refresh = "30s"
max_stale = "5m"
[app.orders]
domains = ["orders.example.com"]
upstream = "http://127.0.0.1:1"
[[app.orders.customers]]
source = "crm"
email = "email"
customer = "company"
role = { column = "role" }
[[app.orders.customers]]
source = "more"
email = "email"
customer = "company"
"#;

const PEOPLE: &str = "email,company,role\nann@example.com,1,user\nbob@example.com,2,admin\n";
const MORE: &str = "email,company\nbob@example.com,9\nann@example.com,1\ncat@example.com,3\n";

fn house() -> House {
    House::new(TWO, &[("people.csv", PEOPLE), ("more.csv", MORE)])
}

#[tokio::test]
async fn attack_22_a_list_that_is_down_for_too_long_keeps_out_nobody_whom_another_lets_in() {
    let mut house = house();
    assert_eq!(house.roles("bob@example.com").await, "admin@2 user@9");
    assert_eq!(house.roles("ann@example.com").await, "", "two lists have a row for customer 1");
    assert!(house.known("bob@example.com").await.expect("known").missing.is_none());
    std::fs::remove_file(house.path("more.csv")).expect("removed");
    house.live(299).await;
    assert_eq!(house.roles("bob@example.com").await, "admin@2 user@9", "it is bridged");
    house.live(1).await;
    // Nobody enters from it any more, and nobody is told that they are in no list.
    let known = house.known("bob@example.com").await.expect("known");
    assert_eq!(known.missing.as_ref().map(|missing| missing.source_name.as_str()), Some("more"));
    assert_eq!(known.fresh_until, after(house.now, Duration::from_secs(30)), "it is asked again soon");
    assert_eq!(house.roles("bob@example.com").await, "admin@2");
    for nobody in ["cat@example.com", "eve@example.com"] {
        let roles = house.roles(nobody).await;
        assert!(roles.starts_with("unavailable: ") && roles.contains("more.csv"), "{nobody}: {roles}");
    }
    assert!(house.is_available(), "some can enter");
    // Well again, with the very same bytes.
    house.replace("more.csv", MORE);
    house.live(31).await;
    assert_eq!(house.roles("bob@example.com").await, "admin@2 user@9");
    assert_eq!(house.roles("cat@example.com").await, "user@3");
    assert_eq!(house.roles("ann@example.com").await, "");
    assert_eq!(house.roles("eve@example.com").await, "");
}

#[tokio::test]
async fn a_list_that_was_never_read_keeps_out_nobody_whom_another_lets_in() {
    let mut house = House::new(TWO, &[("more.csv", MORE)]);
    assert_eq!(house.roles("cat@example.com").await, "user@3");
    assert!(house.roles("eve@example.com").await.starts_with("unavailable"));
    std::fs::remove_file(house.path("more.csv")).expect("removed");
    house.live(301).await;
    assert!(!house.is_available(), "nobody can enter");
    assert!(house.roles("cat@example.com").await.starts_with("unavailable"));
}

#[tokio::test]
async fn attack_22_who_was_removed_from_one_list_does_not_come_back_by_the_failure_of_others() {
    let mut house = house();
    assert_eq!(house.roles("bob@example.com").await, "admin@2 user@9");
    std::fs::remove_file(house.path("more.csv")).expect("removed");
    house.live(301).await;
    house.replace("people.csv", "email,company,role\nann@example.com,1,user\n");
    house.live(1).await;
    assert!(house.roles("bob@example.com").await.starts_with("unavailable"));
    // Now the other one fails, too: what is remembered of it is that he is gone.
    std::fs::remove_file(house.path("people.csv")).expect("removed");
    house.live(31).await;
    assert!(house.roles("bob@example.com").await.starts_with("unavailable"));
}

#[tokio::test]
async fn attack_23_the_same_address_is_asked_for_once_for_each_app_and_never_for_another() {
    let two = format!(
        "{TWO}[app.reports]\ndomains = [\"reports.example.com\"]\nupstream = \"http://127.0.0.1:1\"\n\
         [[app.reports.customers]]\nsource = \"more\"\nemail = \"email\"\ncustomer = \"company\"\nrole = \"admin\"\n"
    );
    let house = House::new(&two, &[("people.csv", PEOPLE), ("more.csv", MORE)]);
    let reports = AppName::parse("reports").expect("a name");
    let ask = async |number: usize| {
        let app = if number.is_multiple_of(2) { orders() } else { reports.clone() };
        let address = if number.is_multiple_of(3) { "bob@example.com" } else { "cat@example.com" };
        let email = Email::parse(address).expect("an address");
        (number % 6, house.directory.known_at(&app, &email, house.now).await.expect("known"))
    };
    let all = join_all((0..120).map(ask)).await;
    let roles = |known: &Known| {
        let role = |grant: &Arc<Grant>| {
            let customer = grant.customer_id().expect("a customer");
            format!("{} {}@{customer} of {}", grant.email, grant.role, grant.app)
        };
        known.grants.iter().map(role).collect::<Vec<_>>().join(", ")
    };
    for (kind, known) in &all {
        let expected = match kind {
            0 => "bob@example.com admin@2 of orders, bob@example.com user@9 of orders",
            3 => "bob@example.com admin@9 of reports",
            2 | 4 => "cat@example.com user@3 of orders",
            _ => "cat@example.com admin@3 of reports",
        };
        assert_eq!(roles(known), expected);
        let same = all.iter().find(|(other, _)| other == kind).expect("one at least");
        assert!(Arc::ptr_eq(known, &same.1), "{expected} was asked for twice");
    }
}
