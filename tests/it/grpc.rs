//! gRPC by its own library on both sides: an app that knows nothing of customers, and a client that carries a person's cookie.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::house::{House, OPEN};
use crate::mailbox::support;

/// The app.
struct App {
    child: Child,
    port: u16,
}

fn peer() -> Command {
    let mut command = Command::new(support().join("venv/bin/python"));
    command.arg(support().join("grpc_peer.py"));
    command
}

impl App {
    fn start() -> Self {
        let mut command = peer();
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("tests/support/venv has grpcio; tests/run installs it");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        Self { child, port: line.trim().parse().expect("a port") }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcs_own_client_and_server_do_not_notice_the_gateway() {
    let app = App::start();
    let table = format!("upstream = {{ servers = [\"http://127.0.0.1:{}\"], protocol = \"h2c\" }}", app.port);
    let house = House::start(&OPEN.replace("upstream = \"{{upstream}}\"", &table)).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let mut ca = tempfile::NamedTempFile::new().expect("a file");
    ca.write_all(house.door.ca().as_bytes()).expect("written");
    let mut call = peer();
    call.arg("call").arg(house.door.https().port().to_string()).arg(house.host("orders.test"));
    call.arg(ca.path()).arg(bob.cookie_header());
    let output = tokio::task::spawn_blocking(move || call.output()).await.expect("it ended").expect("it ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        told,
        serde_json::json!({
            "one": ["hello|bob@example.com", "one"],
            "many": [["n0", "n1", "n2", "n3", "n4"], "many"],
            "both": [3, 3, 300_000],
            "refused Refuse": ["FAILED_PRECONDITION", "not today"],
            "refused Unknown": ["UNIMPLEMENTED", "Method not found!"],
            // 401, by the table of gRPC's own HTTP mapping.
            "refused One": ["UNAUTHENTICATED", "Received http2 header with status: 401"],
        })
    );
}
