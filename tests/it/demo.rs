//! One command on a fresh machine: the demo starts, is walked through, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::browser::{Answer, Browser, SESSION};
use crate::house::{Door, eventually, plain_get, vestibule};
use crate::mailbox::Mailbox;

/// A running demo, and what it has printed.
struct Demo {
    process: Child,
    printed: Arc<Mutex<String>>,
    door: Arc<Door>,
    mailbox: std::net::SocketAddr,
    config: PathBuf,
}

impl Demo {
    async fn start() -> Self {
        let mut process =
            vestibule().args(["demo", "--port", "0"]).stdout(Stdio::piped()).spawn().expect("the binary starts");
        let printed = Arc::new(Mutex::new(String::new()));
        let streams: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(process.stdout.take().expect("standard output is piped")),
            Box::new(process.stderr.take().expect("standard error is piped")),
        ];
        for stream in streams {
            let printed = printed.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let mut all = printed.lock().expect("no test panics with the lock held");
                    all.push_str(&line);
                    all.push('\n');
                }
            });
        }
        let text = || printed.lock().expect("no test panics with the lock held").clone();
        let guide = eventually("the guide is printed", async || {
            assert!(process.try_wait().expect("a child can be waited for").is_none(), "it ended:\n{}", text());
            text().contains("Ctrl-C").then(text)
        })
        .await;
        let between = |before: &str, after: char| {
            let rest = guide.split(before).nth(1).unwrap_or_else(|| panic!("no {before:?} in\n{guide}"));
            rest.split(after).next().expect("a split has a first part").trim().to_owned()
        };
        let port: u16 = between("https://orders.localhost:", '/').parse().expect("a port");
        let mailbox = guide
            .lines()
            .find(|line| line.contains("mailbox") && line.contains("http://"))
            .and_then(|line| line.split("http://").nth(1)?.split('/').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no mailbox in\n{guide}"));
        let config = PathBuf::from(between("ca --config ", '\n'));
        let ca = vestibule().args(["ca", "--config"]).arg(&config).output().expect("the binary starts");
        let ca = String::from_utf8(ca.stdout).expect("PEM is text");
        let door = Door::of(([127, 0, 0, 1], port).into(), &ca);
        Self { process, printed, door: Arc::new(door), mailbox, config }
    }

    fn browser(&self, host: &str) -> Browser {
        Browser::new(self.door.clone(), Mailbox::new(), host)
    }

    /// The token of the newest mail in the mailbox page.
    async fn token(&self, after: usize) -> String {
        eventually("a mail is in the mailbox", async || {
            let page = self.inbox().await.text();
            let mut tokens: Vec<&str> = page.split("/.access/link/").skip(1).collect();
            tokens.dedup();
            let token = tokens.first()?.split(['"', '<', ' ', '\n']).next()?.to_owned();
            (page.matches("/.access/link/").count() > after).then_some(token)
        })
        .await
    }

    async fn inbox(&self) -> Answer {
        plain_get(self.mailbox, &self.mailbox.to_string(), "/").await.expect(200)
    }

    /// Logs in with what the mailbox shows.
    async fn log_in(&self, person: &Browser, email: &str) {
        let before = self.inbox().await.text().matches("/.access/link/").count();
        person.ask_for_mail(email).await;
        let token = self.token(before).await;
        person.navigate(&format!("/.access/link/{token}")).await.expect(200);
        person.post("/.access/link", &[("token", &token)]).await.expect(303);
        assert!(person.cookie(SESSION).is_some());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.printed.lock().expect("no test panics with the lock held"));
        }
    }
}

#[tokio::test]
async fn a_newcomer_walks_through_the_demo_and_it_leaves_nothing() {
    crate::pki::provider();
    let mut demo = Demo::start().await;
    let folder = demo.config.parent().expect("a config has a folder").to_owned();
    assert!(folder.exists());

    let bea = demo.browser("orders.localhost");
    bea.navigate("/").await.must_log_in();
    let here = bea.navigate("/.access/login").await.expect(200).text();
    let there = bea.at("acme.localhost").navigate("/.access/login").await.expect(200).text();
    assert_ne!(here, there, "two domains, two faces");

    // The ladder: what the guide promises of its lowest and its highest step.
    demo.log_in(&bea, "bea@acme.example").await;
    assert!(bea.navigate("/").await.expect(200).text().to_ascii_lowercase().contains("<html"));
    let olga = demo.browser("acme.localhost");
    demo.log_in(&olga, "olga@acme.example").await;
    olga.navigate("/").await.expect(200);
    for path in ["/orders", "/api/orders"] {
        bea.navigate(path).await.expect(403);
        olga.navigate(path).await.expect(200);
    }

    // Staff: the console answers why somebody may not enter, and the app is seen as a customer does.
    let ann = demo.browser("console.localhost");
    demo.log_in(&ann, "ann@northwind.example").await;
    let why = ann.navigate("/people/dora@borealis.example?app=orders").await.expect(200).text();
    assert!(why.contains("ambiguous"), "{why}");
    let ann = demo.browser("orders.localhost");
    demo.log_in(&ann, "ann@northwind.example").await;
    let found = ann.navigate("/.access/preview?q=olga").await.expect(200).text();
    assert!(found.contains("olga@acme.example"), "{found}");

    let interrupted = Command::new("kill").args(["-INT", &demo.process.id().to_string()]).status();
    assert!(interrupted.expect("kill exists").success());
    let status = eventually("it ends", async || demo.process.try_wait().expect("a child can be waited for")).await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(!folder.exists(), "{} is left", folder.display());
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let output = vestibule().args(["demo", "--port", &port]).output().expect("the binary starts");
    assert!(!output.status.success());
    assert!(crate::house::printed(&output).contains(&port), "{}", crate::house::printed(&output));
}
