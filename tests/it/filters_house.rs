//! What the stories of filters share: rules that narrow what the app says, a person, and clients that tell a whole answer from a
//! broken one.

use crate::browser::{Browser, Got};
use crate::house::House;

/// Paths by what their rule narrows.
pub(crate) const FILTERED: &str = r##"
[source.crm]
url = "csv:people.csv"
refresh = "1s"

[app.orders]
domains = ["orders.test"]
upstream = "{{upstream}}"

[[app.orders.customers]]
source = "crm"
email = "email"
customer = "company_id"
customer_name = "company"
person = "full_name"
days_back = "history_days"
role = { column = "access_level" }
where = 'row.status == "active"'

[app.orders.role.reader]
rules = [
  { allow = "* /plain/**" },
  { allow = "* /ws" },
  { allow = "* /hidden/**", hide = ["price"], set = { discount = 0 }, pass = ["image/*"] },
  { allow = "* /mine/**", hide = ["price"], rows = 'row.customer == customer.id' },
  { allow = "GET /rows", hide = ["price"], rows = 'row.customer == customer.id' },
  { allow = "GET /pages/**", remove = [".price", "#admin"] },
  { allow = "GET /asked/**", query = { customer_id = "{customer.id}" }, query_only = ["page", "sort"], hide = ["price"], field_params = ["by"] },
  { allow = "GET /forced/**", query = { customer_id = "{customer.id}" } },
]

[app.orders.role.manager]
includes = ["reader"]
rules = [ { allow = "GET /hidden/**", rows = 'row.customer == customer.id' } ]
"##;

/// The head lines of JSON.
pub(crate) const JSON: &str = "content-type: application/json\r\n";

/// Orders of two customers: what is not for Bob says SECRET.
pub(crate) const ORDERS: &str = r#"{"total": 2, "rows": [
  {"id": 1, "customer": "42", "price": "SECRET 9.5", "discount": 5, "name": "S\u00f6hne \ud83d\ude00 é\n\"x\"", "of": {"Pr\u0069ce": "SECRET", "n": -1.50e3}},
  {"id": 2, "customer": "43", "price": "SECRET", "name": "SECRET"}
]}"#;

/// A house, and Bob of customer 42 in it.
pub(crate) async fn house() -> (House, Browser) {
    let house = House::start(FILTERED).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    (house, bob)
}

/// Asks over HTTP/1.1 on a connection of its own.
pub(crate) async fn over_h1(house: &House, who: &Browser, method: &str, path: &str, more: &[&str]) -> Got {
    by_version(house, who, &format!("{method} {path} HTTP/1.1"), more).await
}

/// The same with a first line of its own.
pub(crate) async fn by_version(house: &House, who: &Browser, first: &str, more: &[&str]) -> Got {
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", who.cookie_header()));
    let mut lines = vec![first, &host, &cookie, "connection: close"];
    lines.extend_from_slice(more);
    house.wire("orders.test").await.ask_and_read_on(&lines).await
}

/// Asks over either protocol.
pub(crate) async fn over_both(house: &House, who: &Browser, path: &str) -> [Got; 2] {
    [over_h1(house, who, "GET", path, &[]).await, who.ask("GET", path, &[]).await]
}
