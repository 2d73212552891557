//! How far back a person may see: by the row, the list or the role, in days of the app's time zone.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::house::{House, PEOPLE};
use crate::upstream::Seen;

const LISTS: &str = r#"
[source.crm]
url = "csv:people.csv"
refresh = "1s"
[source.partners]
url = "csv:partners.csv"
refresh = "1s"

[app.orders]
domains = ["orders.test"]
upstream = "{{upstream}}"
time_zone = "Pacific/Kiritimati"
roles_default = "reader"

[[app.orders.customers]]
source = "crm"
email = "email"
customer = "company_id"
role = { column = "access_level" }
days_back = { column = "history_days", default = 14 }
where = 'row.status == "active"'

[[app.orders.customers]]
name = "Partners"
source = "partners"
email = "mail"
customer = "firm"

[app.orders.role.reader]
level = 10
days_back = 90
[app.orders.role.manager]
includes = ["reader"]
level = 20
"#;

const FIRMS: &str = "mail,firm\npat@example.com,77\n";

async fn seen(house: &House, email: &str) -> Seen {
    let browser = house.browser("orders.test");
    browser.log_in(email).await;
    browser.fetch("/").await.expect(200);
    house.upstream.last()
}

/// The day so many days ago, there.
#[expect(clippy::disallowed_methods, reason = "a test has to know what day it is")]
fn day(zone: &str, days: i64) -> String {
    let today = Timestamp::now().to_zoned_datetime(TimeZone::get(zone).expect("a zone")).date();
    today.checked_sub(days.days()).expect("in the calendar").to_string()
}

#[tokio::test]
async fn the_row_comes_before_the_list_and_the_list_before_the_role() {
    let house = House::plan(LISTS).file("partners.csv", FIRMS).start().await;
    for (email, days) in
        [("ann@example.com", 30), ("zoe@example.com", 7), ("bob@example.com", 14), ("pat@example.com", 90)]
    {
        // A midnight may come between the two.
        let before = day("Pacific/Kiritimati", days);
        let seen = seen(&house, email).await;
        let since = seen.header("x-access-since").expect("a day");
        assert!(since == before || since == day("Pacific/Kiritimati", days), "{email}: {since}, not {before}");
        assert_eq!(seen.header("x-access-days-back"), Some(days.to_string().as_str()), "{email}");
    }
    let ann = seen(&house, "ann@example.com").await;
    assert_eq!(ann.header("x-access-level"), Some("20"));
    let bob = seen(&house, "bob@example.com").await;
    assert_eq!(bob.header("x-access-level"), Some("10"));
}

#[tokio::test]
async fn without_limit_there_is_no_header_and_a_row_that_says_nonsense_does_not_enter() {
    let apps = LISTS.replace("days_back = { column = \"history_days\", default = 14 }", "days_back = \"history_days\"");
    let apps = apps.replace("days_back = 90", "days_back = \"unlimited\"").replace("level = 10", "");
    let people = PEOPLE.replace("Head of Sales,30", "Head of Sales,a month");
    let house = House::plan(&apps).file("people.csv", people).file("partners.csv", FIRMS).start().await;
    let bob = seen(&house, "bob@example.com").await;
    for name in ["x-access-since", "x-access-days-back", "x-access-level"] {
        assert_eq!(bob.header(name), None, "{name}");
    }
    house.browser("orders.test").ask_for_mail("ann@example.com").await;
    house.browser("orders.test").log_in("zoe@example.com").await;
    assert_eq!(house.mail.count_to("ann@example.com").await, 0);
}
