//! What tables tell those who put records beside them: whom they name for a customer, and what is remembered of somebody with a record.

use super::*;

const BOTH: &str = r#"
[source.crm]
url = "sqlite:crm.db"
refresh = "30s"
max_stale = "15m"
[source.hr]
url = "csv:hr.csv"
[workspace]
[[workspace.user]]
email = "ops@example.com"
roles = { orders = "admin" }
[app.orders]
domains = ["orders.example.com"]
upstream = "http://127.0.0.1:1"
[[app.orders.customers]]
name = "contacts"
source = "crm"
table = "contacts"
email = "email"
customer = "company"
role = "user"
where = 'row.active == 1'
[[app.orders.customers]]
name = "staff of customers"
source = "hr"
email = "email"
customer = "company"
role = "user"
[[app.orders.customers]]
name = "by themselves"
source = "hr"
email = "email"
role = "user"
"#;

const CONTACTS: &str = "
CREATE TABLE contacts (email TEXT, company, active INTEGER);
INSERT INTO contacts VALUES ('ann@example.com', 1, 1), ('bob@example.com', '1', 1), ('cat@example.com', 1.0, 1),
    ('dan@example.com', ' 1 ', 1), ('eve@example.com', 1, 0), ('fay@example.com', 2, 1), ('gus@example.com', 1, 1),
    ('gus@example.com', 1, 1), ('ops@example.com', 1, 1), ('hal@example.com', 11, 1);
";

async fn house() -> House {
    let house = House::new(BOTH, &[("hr.csv", "email,company\nzoe@example.com,1\nyan@example.com,7\n")]);
    execute(&mut house.database("crm.db").await, CONTACTS).await;
    house
}

async fn named(house: &House, customer: &str, most: usize) -> (String, Vec<String>, bool) {
    let customer = crate::types::CustomerId::parse(customer).expect("a key");
    let named = house.directory.named(&orders(), &customer, most, house.now).await;
    let people = named.people.iter().map(|grant| grant.email.as_str().trim_end_matches("@example.com").to_owned());
    let unasked = named.unasked.iter().map(|(list, _)| list.clone()).collect();
    (people.collect::<Vec<_>>().join(" "), unasked, named.is_cut)
}

#[tokio::test]
async fn a_customers_people_are_those_of_all_lists_however_its_key_is_kept() {
    let house = house().await;
    assert_eq!(named(&house, "1", 100).await, ("ann bob cat dan zoe".to_owned(), vec![], false));
    assert_eq!(named(&house, "7", 100).await.0, "yan");
    assert_eq!(named(&house, "yan@example.com", 100).await.0, "yan", "without a column, an address is a customer");
    assert_eq!(named(&house, "nobody", 100).await.0, "");
    assert!(named(&house, "1", 2).await.2, "there are more");
    std::fs::remove_file(house.path("crm.db")).expect("removed");
    let (people, unasked, _) = named(&house, "1", 100).await;
    assert_eq!((people.as_str(), unasked), ("zoe", vec!["contacts".to_owned()]));
}

#[tokio::test]
async fn attack_22_that_no_list_names_somebody_is_remembered_of_those_with_a_record_alone() {
    let mut house = house().await;
    let told = async |house: &House, name: &str, memory| {
        let email = Email::parse(&format!("{name}@example.com")).expect("an address");
        let told = house.directory.told_at(&orders(), &email, memory, house.now).await.expect("told");
        (told.grants.len(), told.unasked.clone(), told.missing.is_some())
    };
    let nothing = (0, Vec::new(), false);
    assert_eq!(told(&house, "new", Memory::OfRecorded).await, nothing);
    assert_eq!(told(&house, "stranger", Memory::OfPeople).await, nothing);
    std::fs::rename(house.path("crm.db"), house.path("away.db")).expect("moved");
    house.live(60).await;
    assert_eq!(told(&house, "new", Memory::OfRecorded).await, nothing, "as the row of somebody of the table is");
    assert_eq!(told(&house, "stranger", Memory::OfPeople).await, (0, vec!["contacts".to_owned()], true));
    house.live(15 * 60).await;
    assert_eq!(
        told(&house, "new", Memory::OfRecorded).await,
        (0, vec!["contacts".to_owned()], true),
        "nobody knows any more"
    );
    std::fs::rename(house.path("away.db"), house.path("crm.db")).expect("moved");
    house.live(60).await;
    assert_eq!(told(&house, "new", Memory::OfRecorded).await, nothing);
}
