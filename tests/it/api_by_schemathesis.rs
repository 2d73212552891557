//! The OpenAPI document is held against the API by schemathesis: no server error, and no answer that the document does not tell.

use std::process::Command;

use crate::house::{House, OPEN, printed};
use crate::mailbox::support;

#[tokio::test(flavor = "multi_thread")]
async fn no_server_error_and_no_undocumented_answer() {
    let house = House::start(OPEN).await;
    house.browser("orders.test").log_in("ann@example.com").await;
    let mut run = Command::new(support().join("venv/bin/schemathesis"));
    run.current_dir(house.dir.path());
    run.args(["run", &format!("http://{}/api/v1/openapi.json", house.admin_address())]);
    run.args(["--header", &format!("Authorization: Bearer {}", house.local_token())]);
    run.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--workers", "1", "--seed", "7"]);
    run.args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"]);
    run.args(["--checks", "response_headers_conformance,response_schema_conformance,unsupported_method"]);
    run.args(["--suppress-health-check", "all", "--no-color"]);
    let output = tokio::task::block_in_place(|| run.output())
        .expect("schemathesis is installed: tests/support/requirements.txt");
    assert!(output.status.success(), "{}", printed(&output));
    let told = printed(&output);
    assert!(told.contains("/api/v1/people"), "it has walked the document: {told}");
}
