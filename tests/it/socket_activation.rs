//! Under a service manager: sockets that it has opened, and what it is told (sd_listen_fds(3), sd_notify(3)).

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::house::{House, OPEN, eventually, program};
use crate::mailbox::support;

/// A command that starts the gateway with these sockets; each `NAME=HOST`.
fn activated(note: &Path, sockets: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(support().join("activate.py")).arg(note).args(sockets).arg("--");
    command.arg(program()).env_remove("RUST_LOG").stderr(Stdio::piped());
    command
}

/// The manager's ear.
struct Manager {
    socket: UnixDatagram,
    heard: std::sync::Mutex<Vec<String>>,
}

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        Self { socket, heard: std::sync::Mutex::default() }
    }

    /// Waits for a message with this line, past those that were waited for, and gives it.
    async fn hears(&self, line: &str) -> String {
        eventually(line, async || {
            let mut heard = self.heard.lock().expect("no test panics with the lock held");
            let mut bytes = [0; 4096];
            while let Ok(length) = self.socket.recv(&mut bytes) {
                heard.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
            let at = heard.iter().position(|message| message.lines().any(|said| said.starts_with(line)))?;
            let found = heard[at].clone();
            heard.drain(..=at);
            Some(found)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sockets_are_the_managers_and_it_is_told_how_we_are() {
    let mut house = House::plan(OPEN).server("watch = false\n").furnish().await;
    let (note, ear) = (house.dir.path().join("addresses"), house.dir.path().join("notify"));
    let manager = Manager::at(&ear);
    let mut command = activated(&note, &["http=127.0.0.1", "https=127.0.0.1", "admin=127.0.0.1"]);
    command.env("NOTIFY_SOCKET", &ear).env("WATCHDOG_USEC", "1500000");
    house.start_as(command).await;

    assert!(manager.hears("READY=1").await.contains("STATUS="));
    let bound = std::fs::read_to_string(&note).expect("the launcher notes them");
    let ours = [house.http(), house.door.https(), house.admin_address()].map(|address| address.to_string());
    assert_eq!(bound.lines().collect::<Vec<_>>(), ours);
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }

    house.signal("HUP");
    let reloading = manager.hears("RELOADING=1").await;
    assert!(reloading.contains("\nMONOTONIC_USEC="), "{reloading}");
    manager.hears("READY=1").await;

    let successor = house.upgrade().expect("an upgrade");
    manager.hears(&format!("MAINPID={successor}")).await;
    manager.hears("READY=1").await;
    manager.hears("WATCHDOG=1").await;
    ann.fetch("/").await.expect(200);
    assert_eq!(house.door.https().to_string(), ours[1]);

    house.terminate();
    manager.hears("STOPPING=1").await;
    assert_eq!(house.ended().await.code(), Some(0), "the first process");
    // The manager keeps the sockets: whoever comes while nobody serves waits for the next start. Here nobody keeps them.
    eventually("the second has ended", async || (house.log.named("stopped").len() == 2).then_some(())).await;
}

#[tokio::test]
async fn a_socket_that_the_config_has_no_use_for_is_an_error_with_help() {
    let house = House::plan(OPEN).furnish().await;
    let note = house.dir.path().join("addresses");
    let refused = |sockets: &[&str]| {
        let mut command = activated(&note, sockets);
        let output = command.arg("serve").arg("--config").arg(house.config()).output().expect("python3 is installed");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = refused(&["-=127.0.0.1"]);
    assert!(told.contains("FileDescriptorName=https"), "{told}");
    let told = refused(&["https=127.0.0.1", "https=127.0.0.1"]);
    assert!(told.contains("two sockets for `server.https`"), "{told}");
}

#[tokio::test]
async fn a_gateway_that_hangs_is_not_said_to_live() {
    let mut house = House::plan(OPEN).furnish().await;
    let ear = house.dir.path().join("notify");
    let manager = Manager::at(&ear);
    let mut command = crate::house::vestibule();
    command.env("NOTIFY_SOCKET", &ear).env("WATCHDOG_USEC", "3000000");
    house.start_as(command).await;
    manager.hears("WATCHDOG=1").await;
    // As another process's lock on the store would.
    let store = house.dir.path().join("data/store.db");
    let mut holder = Command::new("python3");
    holder.args(["-c", "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],isolation_level=None)\nc.execute('BEGIN IMMEDIATE')\nprint('held',flush=True)\nsys.stdin.read()"]);
    let mut holder =
        holder.arg(store).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is installed");
    let mut held = [0; 4];
    std::io::Read::read_exact(holder.stdout.as_mut().expect("piped"), &mut held).expect("it holds the lock");
    let hangs = "the store or the admin listener hangs; the service manager is told nothing";
    eventually("it is noticed", async || (!house.log.named(hangs).is_empty()).then_some(())).await;
    drop(holder.stdin.take());
    holder.wait().expect("it ends");
    manager.hears("WATCHDOG=1").await;
}
