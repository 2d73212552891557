//! A new program takes over from the one that runs: nobody is refused, nothing is lost, and nothing is done twice.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use vestibule::state::clock::Clock;

use crate::browser::Browser;
use crate::house::{House, OPEN, PEOPLE, Plan, eventually, is_alive, signal};
use crate::pki::Authority;
use crate::table_server::{TableServer, Told};

/// Asks without a pause until it is told to stop; counts answers, and says what else came.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    askers: Vec<tokio::task::JoinHandle<Result<(), String>>>,
}

impl Load {
    fn new() -> Self {
        Self { stop: Arc::default(), answers: Arc::default(), askers: Vec::new() }
    }

    /// One more, with a client of its own; `anew` makes a connection for each request.
    fn ask(
        &mut self,
        which: &'static str,
        house: &House,
        ann: &Browser,
        build: fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
        anew: bool,
    ) {
        let ca = reqwest::Certificate::from_pem(house.door.ca().as_bytes()).expect("PEM");
        let client =
            reqwest::Client::builder().no_proxy().tls_certs_only([ca]).resolve("orders.test", house.door.https());
        let client = build(client.timeout(Duration::from_secs(20)));
        let client = if anew { client.pool_max_idle_per_host(0) } else { client };
        let client = client.build().expect("a client");
        let (url, cookie) = (format!("{}/api/orders", ann.origin()), ann.cookie_header());
        let (stop, answers) = (Arc::clone(&self.stop), Arc::clone(&self.answers));
        self.askers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let began = Clock.now();
                let lost = |what: &dyn std::fmt::Debug| format!("{which}, asked at {began}: {what:?}");
                let answer = client.get(&url).header("cookie", &cookie).send().await;
                let answer = answer.map_err(|error| lost(&error))?;
                if answer.status() != 200 {
                    return Err(lost(&answer));
                }
                answer.bytes().await.map_err(|error| lost(&error))?;
                answers.fetch_add(1, Ordering::Relaxed);
                // Three upgrades are meant, not as many requests as the machine can do.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        }));
    }

    /// Waits for some more answers.
    async fn go_on(&self) {
        let before = self.answers.load(Ordering::Relaxed);
        eventually("answers come", async || (self.answers.load(Ordering::Relaxed) > before + 20).then_some(())).await;
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for asker in self.askers {
            asker.await.expect("no panic").expect("no request fails");
        }
        self.answers.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_upgrades_under_load_lose_no_request() {
    let mut house = House::plan(OPEN).server("grace = \"600s\"\n").start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut load = Load::new();
    load.ask("HTTP/1.1, kept", &house, &ann, reqwest::ClientBuilder::http1_only, false);
    load.ask("HTTP/1.1, kept too", &house, &ann, reqwest::ClientBuilder::http1_only, false);
    load.ask("HTTP/1.1, anew", &house, &ann, reqwest::ClientBuilder::http1_only, true);
    load.ask("HTTP/2, kept", &house, &ann, |client| client, false);
    load.ask("HTTP/2, kept too", &house, &ann, |client| client, false);
    load.ask("HTTP/2, anew", &house, &ann, |client| client, true);
    let first = house.pid();
    let mut sockets = Vec::new();
    let mut processes = vec![first];
    for n in 0..3 {
        load.go_on().await;
        sockets.push(ann.web_socket("/ws").await.expect("it opens"));
        let path = format!("/slow?ms={}", 3000 + n);
        let slow = tokio::spawn({
            let (ann, path) = (ann.clone(), path.clone());
            async move { ann.fetch(&path).await }
        });
        eventually("it is under way", async || {
            house.upstream.seen().iter().any(|seen| seen.target == path).then_some(())
        })
        .await;
        processes.push(house.upgrade().expect("an upgrade"));
        assert_eq!(slow.await.expect("no panic").status, 200);
        load.go_on().await;
        for socket in &mut sockets {
            socket.send(Message::text("still here")).await.expect("it is open");
            assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text("still here"));
        }
    }
    assert!(load.end().await > 200);
    let mut distinct = processes.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "{processes:?}");
    drop(sockets);
    assert_eq!(house.ended().await.code(), Some(0), "the first process ends when its last WebSocket has");
    for old in &processes[1..3] {
        eventually("a predecessor ends", async || (!is_alive(*old)).then_some(())).await;
    }
    ann.fetch("/").await.expect(200);
}

/// A house whose gateway is started by a file that can be replaced.
async fn with_program_of_its_own(plan: Plan) -> (House, PathBuf) {
    let mut house = plan.furnish().await;
    let program = house.dir.path().join("vestibule");
    let built = crate::house::program();
    if std::fs::hard_link(&built, &program).is_err() {
        std::fs::copy(&built, &program).expect("a copy");
    }
    let mut command = Command::new(&program);
    command.env_remove("RUST_LOG").stderr(Stdio::piped());
    house.start_as(command).await;
    (house, program)
}

/// Puts a script in place of a program, as an installer does.
fn replace(program: &std::path::Path, script: &str) {
    let new = program.with_extension("new");
    std::fs::write(&new, script).expect("writable");
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).expect("writable");
    std::fs::rename(new, program).expect("replaced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_fails_or_is_killed_changes_nothing() {
    let (mut house, program) = with_program_of_its_own(House::plan(OPEN)).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut socket = ann.web_socket("/ws").await.expect("it opens");

    replace(&program, "#!/bin/sh\nexit 7\n");
    let told = house.upgrade().expect_err("it fails");
    assert!(told.contains("it ended before it was ready (exit status: 7)"), "{told}");
    ann.fetch("/").await.expect(200);

    // One that takes its time, and is killed meanwhile.
    let note = house.dir.path().join("pid");
    replace(&program, &format!("#!/bin/sh\necho $$ > {0}.new; mv {0}.new {0}; exec sleep 600\n", note.display()));
    house.signal("USR2");
    let slow: u32 =
        eventually("it has started", async || std::fs::read_to_string(&note).ok()?.trim().parse().ok()).await;
    ann.fetch("/").await.expect(200);
    signal(slow, "KILL");
    let failed = "the upgrade failed; this process goes on as before";
    eventually("the old one gives it up", async || (house.log.named(failed).len() == 2).then_some(())).await;
    let reason = house.log.named(failed)[1]["fields"]["reason"].to_string();
    assert!(reason.contains("signal: 9"), "{reason}");
    ann.fetch("/").await.expect(200);

    // What it was good for all along.
    socket.send(Message::text("still here")).await.expect("it is open");
    assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text("still here"));
    std::fs::remove_file(&program).expect("there");
    let built = crate::house::program();
    if std::fs::hard_link(&built, &program).is_err() {
        std::fs::copy(&built, &program).expect("a copy");
    }
    house.upgrade().expect("an upgrade");
    ann.fetch("/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_under_way_is_not_lost_to_an_upgrade_that_fails() {
    let authority = Authority::new("Table CA");
    let server = TableServer::start(Some(&authority.leaf(&["127.0.0.1"])), |_| Told::csv(PEOPLE)).await;
    let source = format!("url = \"{}/people.csv\"\nca = \"tables-ca.pem\"\ntimeout = \"2s\"", server.url());
    let apps = OPEN.replace("url = \"csv:people.csv\"", &source).replace("refresh = \"1s\"", "refresh = \"60s\"");
    let plan = House::plan(&apps).file("tables-ca.pem", &authority.pem).server("watch = false\n");
    let (house, program) = with_program_of_its_own(plan).await;
    replace(&program, "#!/bin/sh\nexit 7\n");
    house.change("domains = [\"orders.test\"]", "domains = [\"orders.test\", \"new.test\"]");
    // The reload asks the table, which takes its time.
    let before = server.count();
    server.conduct(|_| Told::Silence);
    let upgrading = async {
        eventually("the table is asked", async || (server.count() > before).then_some(())).await;
        house.signal("USR2");
    };
    let (answer, ()) = tokio::join!(house.reload(), upgrading);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let failed = "the upgrade failed; this process goes on as before";
    eventually("the old one gives it up", async || (house.log.named(failed).len() == 1).then_some(())).await;
    server.conduct(|_| Told::csv(PEOPLE));
    let ann = house.browser("new.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_that_the_successor_refuses_is_told_and_the_old_one_serves_on() {
    let mut house = House::plan(OPEN).server("watch = false\n").start().await;
    let good = std::fs::read_to_string(house.config()).expect("there");
    std::fs::write(house.config(), good.replace("email = \"email\"", "emial = \"email\"")).expect("writable");
    let told = house.upgrade().expect_err("it is refused");
    assert!(told.contains("emial"), "{told}");
    assert!(house.log.named("upgrading: starting a successor").is_empty(), "nobody is disturbed");
    // By a signal the successor has to find it out.
    house.signal("USR2");
    let failed = "the upgrade failed; this process goes on as before";
    let event = eventually("it is told", async || house.log.named(failed).pop()).await;
    assert!(event["fields"]["reason"].to_string().contains("emial"), "{event}");
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    std::fs::write(house.config(), good).expect("writable");
    house.upgrade().expect("an upgrade");
    ann.fetch("/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_is_asked_for_meanwhile_goes_out_once() {
    let mut house = House::start(OPEN).await;
    let people = ["ann", "bob", "eve", "zoe", "cat"].map(|name| format!("{name}@example.com"));
    for (n, person) in people.iter().enumerate() {
        house.browser("orders.test").ask_for_mail(person).await;
        if n == 1 || n == 3 {
            house.upgrade().expect("an upgrade");
        }
    }
    for person in &people {
        house.mail.wait(person).await;
    }
    let last = house.browser("orders.test");
    last.log_in("ann@example.com").await;
    for person in &people[1..] {
        assert_eq!(house.mail.count_to(person).await, 1, "{person}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_logs_out_in_one_process_is_out_in_the_other() {
    let mut house = House::plan(OPEN).server("grace = \"60s\"\n").start().await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    bob.log_in("bob@example.com").await;
    let mut anns = ann.web_socket("/ws").await.expect("it opens");
    // A connection of Bob's that stays with the old process: it may send one more request.
    let mut wire = house.wire("orders.test").await;
    house.upgrade().expect("an upgrade");

    bob.fetch("/").await.expect(200);
    let (host, origin, cookie) = (house.host("orders.test"), bob.origin(), bob.cookie_header());
    let log_out = [
        "POST /.access/logout HTTP/1.1",
        &format!("host: {host}"),
        &format!("origin: {origin}"),
        &format!("cookie: {cookie}"),
        "content-type: application/x-www-form-urlencoded",
        "content-length: 0",
    ];
    let answer = wire.ask(&log_out).await.expect("the old process answers").expect(303);
    assert_eq!(answer.header("connection"), "close");
    eventually("the new process lets Bob in no more", async || (bob.fetch("/").await.status == 401).then_some(()))
        .await;

    // And the other way round.
    ann.fetch("/").await.expect(200);
    anns.send(Message::text("still here")).await.expect("it is open");
    assert_eq!(anns.next().await.expect("an echo").expect("a message"), Message::text("still here"));
    ann.log_out().await;
    let start = Instant::now();
    let over = async { while let Some(Ok(_)) = anns.next().await {} };
    tokio::time::timeout(crate::wire::PATIENCE, over).await.expect("the stream in the old process ends");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_process_needs_the_old_one_no_more() {
    let mut house = House::plan(OPEN).server("grace = \"60s\"\n").start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let _socket = ann.web_socket("/ws").await.expect("it stays with the old one");
    house.upgrade().expect("an upgrade");
    house.kill9();
    ann.fetch("/").await.expect(200);
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    house.upgrade().expect("and it can be succeeded itself");
    ann.fetch("/").await.expect(200);
    bob.fetch("/").await.expect(200);
}
