//! What `check --data` and `explain` are told.

use super::*;

const CRM: &str = r#"
[source.crm]
url = "csv:people.csv"
[source.more]
url = "csv:more.csv"
[app.orders]
domains = ["orders.example.com"]
upstream = "http://127.0.0.1:1"
roles_default = "basic"
[[app.orders.customers]]
source = "crm"
email = "email"
customer = "company"
role = { column = "role" }
where = 'row.active == "1"'
assign = [{ role = "basic", when = 'row.role == "" && row.nothing == 1' }]
[[app.orders.customers]]
name = "More"
source = "more"
email = "mail"
customer = "company"
[app.orders.role.basic]
when = 'row.company != "99"'
[app.orders.role.boss]
includes = ["basic"]
[app.orders.role.never]
[[workspace.user]]
email = "staff@example.com"
roles = { orders = "boss" }
"#;

const PEOPLE: &str = "email,company,role,active
ann@example.com,1,basic,1
not-an-address,1,basic,1
bob@example.com,2,king,1
left@example.com,2,basic,0
short@example.com
twice@example.com,1,basic,1
twice@example.com,1,boss,1
staff@example.com,1,basic,1
both@example.com,7,basic,1
norole@example.com,3,,1
other@example.com,99,basic,1
";
const MORE: &str = "mail,company\nboth@example.com,7\nboth@example.com,8\n";

#[tokio::test]
async fn every_fault_is_reported_with_its_line() {
    let house = House::new(CRM, &[("people.csv", PEOPLE), ("more.csv", MORE)]);
    let mut steps = 0;
    let report = house.directory.report(&orders(), &mut |_, _, _| steps += 1).await.expect("a report");
    let faults = |number: usize| {
        let list: &ListReport = &report.lists[number];
        list.faults.iter().map(|fault| format!("{}: {}", fault.place, fault.what)).collect::<Vec<_>>()
    };
    let neither = "is for the same person and customer";
    let found = faults(0);
    for (number, expected) in [
        (0, "line 3: `not-an-address` is not an email address"),
        (1, "line 4: the role `king` is none of the app's"),
        (2, "line 6: 1 fields where the header row has 4"),
        (3, "line 7: ambiguous: line 8 is for the same"),
        (4, "line 8: ambiguous: line 7 is for the same"),
        (5, "line 10: ambiguous: line 2 of list `More`"),
        (6, "line 11: the `when` of `assign` for role `basic` could not be evaluated"),
    ] {
        assert!(found[number].starts_with(expected), "{expected}\n{found:#?}");
    }
    assert_eq!(found.len(), 7, "{found:#?}");
    assert_eq!(faults(1).len(), 1);
    assert!(faults(1)[0].starts_with("line 2: ambiguous: line 10 of list `crm`"), "{:?}", faults(1));
    assert!(faults(1)[0].contains(neither));
    let first = &report.lists[0];
    assert_eq!((first.rows, first.entering, first.left_out, first.staff.len()), (11, 2, 2, 1));
    assert_eq!((report.people, report.customers, steps), (3, 3, 13));
    assert_eq!(report.unused_roles.iter().map(ToString::to_string).collect::<Vec<_>>(), ["never"]);
    assert!(report.has_faults());
}

#[tokio::test]
async fn an_unreadable_table_is_reported_and_the_rest_is_read() {
    let house = House::new(CRM, &[("more.csv", MORE)]);
    let report = house.directory.report(&orders(), &mut |_, _, _| {}).await.expect("a report");
    assert!(report.lists[0].unreadable.as_ref().expect("unreadable").contains("people.csv` cannot be opened"));
    assert_eq!(report.lists[1].entering, 2);
    assert!(report.unused_roles.is_empty(), "nobody can tell which roles the other table uses");
}

#[tokio::test]
async fn a_trace_shows_every_row_and_what_is_spelled_alike() {
    let house = House::new(CRM, &[("people.csv", PEOPLE), ("more.csv", MORE)]);
    let trace = async |email: &str| {
        let email = Email::parse(email).expect("an address");
        house.directory.trace(&orders(), &email, jiff::Timestamp::UNIX_EPOCH).await.expect("a trace")
    };
    let both = trace("both@example.com").await;
    assert_eq!((both.grants.len(), both.ambiguous.len()), (1, 1));
    assert_eq!(both.lists[1].rows.as_ref().expect("rows")[1].place, Place::Line(3));
    let typo = trace("anne@example.com").await;
    assert!(typo.grants.is_empty());
    assert_eq!(typo.lists[0].alike[0], (Place::Line(2), "ann@example.com".to_owned()));
    assert!(trace("staff@example.com").await.staff.is_some());
    assert!(
        house
            .directory
            .trace(
                &AppName::parse("none").expect("a name"),
                &Email::parse("a@b.cc").expect("an address"),
                jiff::Timestamp::UNIX_EPOCH
            )
            .await
            .is_none()
    );
}
