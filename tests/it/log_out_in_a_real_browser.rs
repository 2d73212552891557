//! The way out in real Chromium, with its own policies in force (`tests/support/out_walk.mjs` walks).

use std::process::Command;

use crate::every_way_out::TWO_APPS;
use crate::house::House;
use crate::mailbox::support;
use crate::provider::Provider;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_walks_out() {
    let google = Provider::start().await;
    let plan = House::plan(TWO_APPS).ways("orders", r#"["google"]"#).ways("reports", r#"["google"]"#);
    let plan = plan.provider("google", &google, "title = \"Google\"");
    let house = plan.login("hub = \"login.test\"\ntries_per_client = 1000").start().await;
    google.trust(&house, &["login.test"]).await;
    let ca = house.dir.path().join("ca.pem");
    std::fs::write(&ca, house.door.ca()).expect("the folder is writable");
    let mut walk = Command::new("node");
    walk.arg(support().join("out_walk.mjs")).arg("--ca").arg(ca);
    walk.args(["--port", &house.door.https().port().to_string()]);
    if let Some(shots) = std::env::var_os("VESTIBULE_SHOTS") {
        walk.arg("--shots").arg(shots);
    }
    // Chromium is a process of its own, so this thread may wait for it: the app and the gateway run elsewhere.
    let output = tokio::task::block_in_place(|| walk.output()).expect("node is installed");
    let told = crate::house::printed(&output);
    assert!(output.status.success(), "{told}");
    assert_eq!(told.matches("ok ").count(), 5, "{told}");
}
