//! The log-in in real Chromium with the local CA trusted: two branded domains, light and dark, desk and phone, axe-core on every
//! page (`tests/support/walk.mjs` walks).

use std::process::Command;

use crate::house::{House, LADDER};
use crate::mailbox::support;

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
    let ca = house.dir.path().join("ca.pem");
    std::fs::write(&ca, house.door.ca()).expect("the folder is writable");
    let mut walk = Command::new("node");
    walk.arg(support().join("walk.mjs")).arg("--ca").arg(ca);
    walk.args(["--port", &house.door.https().port().to_string(), "--mail", &house.mail.wait_url()]);
    if let Some(shots) = std::env::var_os("VESTIBULE_SHOTS") {
        walk.arg("--shots").arg(shots);
    }
    // Chromium is a process of its own, so this thread may wait for it: the app and the gateway run elsewhere.
    let output = tokio::task::block_in_place(|| walk.output()).expect("node is installed");
    let told = crate::house::printed(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.matches("ok ").count() > 80, "{told}");
}
