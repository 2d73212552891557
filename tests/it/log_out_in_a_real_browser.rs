//! The way out in real Chromium, with its own policies in force (`tests/support/out_walk.mjs` walks).

use crate::every_way_out::TWO_APPS;
use crate::house::House;
use crate::provider::Provider;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_walks_out() {
    let google = Provider::start().await;
    let plan = House::plan(TWO_APPS).ways("orders", r#"["google"]"#).ways("reports", r#"["google"]"#);
    let plan = plan.provider("google", &google, "title = \"Google\"");
    let house = plan.login("hub = \"login.test\"\ntries_per_client = 1000").start().await;
    google.trust(&house, &["login.test"]).await;
    crate::house::walk(&house, "out_walk.mjs", 4).await;
}
