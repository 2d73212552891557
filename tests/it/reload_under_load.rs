//! Twenty reloads and a change of the certificate, while people work: nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::browser::Browser;
use crate::house::{House, LADDER, eventually};
use crate::pki::Authority;
use crate::wire::Wire;
use crate::wire_h2::{Outcome, WireH2};

/// What somebody at work needs, and how much all did so far.
#[derive(Clone)]
struct Work {
    ann: Browser,
    house: Address,
    is_over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Address {
    https: std::net::SocketAddr,
    host: String,
    ca: String,
}

impl Work {
    fn goes_on(&self) -> bool {
        self.done.fetch_add(1, Ordering::Relaxed);
        !self.is_over.load(Ordering::Relaxed)
    }

    async fn wire(&self) -> Wire {
        Wire::connect(self.house.https, "orders.test", &self.house.ca).await.expect("a handshake")
    }

    async fn ask(&self, wire: &mut Wire) {
        let (host, cookie) = (format!("host: {}", self.house.host), format!("cookie: {}", self.ann.cookie_header()));
        let answer = wire.ask(&["GET /orders HTTP/1.1", &host, &cookie]).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// One connection for all requests.
    async fn on_one_connection(self) {
        let mut wire = self.wire().await;
        while self.goes_on() {
            self.ask(&mut wire).await;
        }
    }

    /// A connection for each request.
    async fn on_many_connections(self) {
        while self.goes_on() {
            self.ask(&mut self.wire().await).await;
        }
    }

    async fn over_h2(self) {
        let mut wire = WireH2::connect(self.house.https, "orders.test", &self.house.ca).await;
        let cookie = self.ann.cookie_header();
        let fields = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", self.house.host.as_str()),
            (":path", "/orders"),
            ("cookie", cookie.as_str()),
        ];
        while self.goes_on() {
            assert_eq!(wire.ask(&fields, None).await, Outcome::Status(200));
        }
    }

    /// A request that is under way while the config changes.
    async fn slowly(self) {
        while self.goes_on() {
            self.ann.fetch("/slow?ms=300").await.expect(200);
        }
    }

    async fn over_a_socket(self) {
        let mut socket = self.ann.web_socket("/ws").await.expect("it opens");
        while self.goes_on() {
            let text = Message::text("still here");
            socket.send(text.clone()).await.expect("it is open");
            let echo = tokio::time::timeout(crate::wire::PATIENCE, socket.next()).await.expect("an echo in time");
            assert_eq!(echo.expect("an echo").expect("a message"), text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_twenty_reloads_and_another_certificate() {
    const RELOADS: usize = 20;
    let authority = Authority::new("Operator");
    let (old, new) =
        (authority.leaf_valid_from(&["orders.test"], 2021), authority.leaf_valid_from(&["orders.test"], 2024));
    let config = LADDER
        .replace("[app.orders.role.reader]", "[app.orders.branding]\ntitle = \"Orders 0\"\n\n[app.orders.role.reader]");
    let house = House::plan(&config)
        .tls("certs = \"certs\"", &authority.pem)
        .server("[server.limits]\nidle = \"50s\"\n")
        .file("certs/orders.pem", &old.certificate)
        .file("certs/orders.key", &old.key)
        .start()
        .await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let address = Address { https: house.door.https(), host: house.host("orders.test"), ca: authority.pem.clone() };
    let work = Work { ann, house: address, is_over: Arc::default(), done: Arc::default() };
    let mut people = JoinSet::new();
    for _ in 0..2 {
        people.spawn(work.clone().on_one_connection());
        people.spawn(work.clone().on_many_connections());
        people.spawn(work.clone().over_h2());
        people.spawn(work.clone().over_a_socket());
        people.spawn(work.clone().slowly());
    }
    let before = house.wire("orders.test").await.certificate();
    for number in 1..=RELOADS {
        let done = work.done.load(Ordering::Relaxed);
        match number % 4 {
            // The app itself, so that every session of it is compiled anew.
            0 => house.change(&title(&house), &format!("title = \"Orders {number}\"")),
            // A rule.
            1 => house.change(
                "{ allow = \"GET /**\" }",
                &format!("{{ allow = \"GET /**\" }}, {{ allow = \"PUT /{number}\" }}"),
            ),
            // Limits, which make another engine.
            2 => house.change("idle = \"5", &format!("headers = {}\nidle = \"5", 60 + number)),
            _ => house.change(&format!("headers = {}\n", 60 + number - 1), ""),
        }
        if number == RELOADS / 2 {
            house.write("certs/orders.pem", &new.certificate);
            house.write("certs/orders.key", &new.key);
        }
        let answer = house.reload().await.expect(200).json();
        assert_eq!(answer["status"], "reloaded", "{answer}");
        // Everybody does something under each config.
        eventually("work goes on", async || {
            if let Some(ended) = people.try_join_next() {
                ended.expect("nobody notices");
                panic!("somebody stopped");
            }
            (work.done.load(Ordering::Relaxed) >= done + 20).then_some(())
        })
        .await;
    }
    work.is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = people.join_next().await {
        ended.expect("nobody notices");
    }
    let done = work.done.load(Ordering::Relaxed);
    assert!(done >= 400, "{done}");
    assert_ne!(house.wire("orders.test").await.certificate(), before, "the new certificate serves");
    assert!(house.metric(&["vestibule_config_reloads_total", "done"]).await >= RELOADS as f64);
    assert_eq!(house.metric(&["vestibule_upstream_errors_total"]).await, 0.0);
}

fn title(house: &House) -> String {
    let text = std::fs::read_to_string(house.config()).expect("the config");
    text.lines().find(|line| line.starts_with("title = ")).expect("a title").to_owned()
}
