//! The log-in in real Chromium with the local CA trusted: two branded domains, light and dark, desk and phone, axe-core on every
//! page (`tests/support/walk.mjs` walks).

use crate::house::{House, LADDER};

const BRANDS: &str = r##"
[app.orders.branding]
title = "Acme Orders"
logo = "branding/acme.svg"
color = "#0b5fff"

[[app.orders.domain]]
host = "orders.big.test"
customer = "42"
branding = { title = "BigCustomer", logo = "branding/acme.svg", color = "#ffd400" }
"##;

const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><circle cx="20" cy="20" r="18" fill="#0b5fff"/></svg>"##;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_walks_through_the_log_in() {
    let plan = House::plan(&format!("{LADDER}{BRANDS}")).file("branding/acme.svg", LOGO);
    let house = plan.login("mails_per_address = 100\ntries_per_client = 1000").start().await;
    crate::house::walk(&house, "walk.mjs", 80).await;
}
