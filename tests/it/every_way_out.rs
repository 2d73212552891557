//! Every way out, in one table: what is open on a session's behalf ends with it, and nothing new begins (cases 21, 24 and 25).

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;

use crate::browser::Browser;
use crate::hostile_provider::{HostileProvider, Signing};
use crate::house::{House, OPEN, PEOPLE, eventually};
use crate::provider::Provider;
use crate::wire::Wire;

/// A second is promised; the rest is for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);
/// The same after a change in the table, which is read once a second.
const SOON: Duration = Duration::from_secs(5);

/// The app, and another one beside it with the same people.
pub(crate) const TWO_APPS: &str = r#"
[source.crm]
url = "csv:people.csv"
refresh = "1s"

[app.orders]
domains = ["orders.test"]
upstream = "{{upstream}}"
[[app.orders.customers]]
source = "crm"
email = "email"

[app.reports]
domains = ["reports.test"]
upstream = "{{upstream}}"
[[app.reports.customers]]
source = "crm"
email = "email"
"#;

/// What a browser has open on one domain: a WebSocket that idles, an event stream, a download without end.
pub(crate) struct UnderWay {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    events: Wire,
    download: Wire,
}

impl UnderWay {
    /// Opens all three.
    pub(crate) async fn begin(house: &House, person: &Browser) -> Self {
        let socket = person.web_socket("/ws").await.expect("it opens");
        let events = Self::stream(house, person, "/sse", "data: tick").await;
        let download = Self::stream(house, person, "/drip", "xxxx").await;
        Self { socket, events, download }
    }

    async fn stream(house: &House, person: &Browser, path: &str, piece: &str) -> Wire {
        let mut wire = house.wire(person.host()).await;
        let (host, cookie) = (house.host(person.host()), person.cookie_header());
        let head =
            [&format!("GET {path} HTTP/1.1"), &format!("host: {host}"), &format!("cookie: {cookie}"), "accept: */*"];
        wire.send_head(&head).await;
        wire.read_until(piece).await;
        wire
    }

    /// All three end within this time.
    pub(crate) async fn ends(mut self, way: &str, within: Duration) {
        let begun = Instant::now();
        let socket = async { while let Some(Ok(_)) = self.socket.next().await {} };
        tokio::join!(socket, self.events.rest(), self.download.rest());
        assert!(begun.elapsed() < within, "{way}: it took {:?}", begun.elapsed());
    }

    /// None has ended so far.
    pub(crate) async fn goes_on(&mut self) {
        use futures_util::SinkExt;
        use tokio_tungstenite::tungstenite::Message;
        self.socket.send(Message::text("still here")).await.expect("it is open");
        assert_eq!(self.socket.next().await.expect("an echo").expect("a message"), Message::text("still here"));
        self.events.read_until("data: tick").await;
        self.download.read_until("xxxx").await;
    }
}

#[tokio::test]
async fn attack_21_each_way_out_of_ones_own_ends_all_that_is_open() {
    for way in ["logout", "everywhere", "everywhere, in the other app", "another device", "another device, one by one"]
    {
        let house = House::start(TWO_APPS).await;
        let (desk, phone, bob) =
            (house.browser("orders.test"), house.browser("orders.test"), house.browser("orders.test"));
        for person in [&desk, &phone] {
            person.log_in("ann@example.com").await;
        }
        bob.log_in("bob@example.com").await;
        let there = desk.at("reports.test");
        there.log_in("ann@example.com").await;
        let (open, mut bobs) = (UnderWay::begin(&house, &phone).await, UnderWay::begin(&house, &bob).await);
        let own = desk.navigate("/.access/account").await.expect(200).fields("session");
        match way {
            "logout" => phone.log_out().await,
            "everywhere" => drop(phone.post("/.access/logout/everywhere", &[]).await.expect(303)),
            "everywhere, in the other app" => drop(there.post("/.access/logout/everywhere", &[]).await.expect(303)),
            "another device" => drop(desk.post("/.access/sessions/end", &[("all", "1")]).await.expect(303)),
            _ => drop(desk.post("/.access/sessions/end", &[("session", &own[0])]).await.expect(303)),
        }
        open.ends(way, AT_ONCE).await;
        phone.fetch("/").await.expect(401);
        bobs.goes_on().await;
        let everywhere = way.starts_with("everywhere");
        for left in [&desk, &there] {
            left.fetch("/").await.expect(if everywhere { 401 } else { 200 });
        }
    }
}

#[tokio::test]
async fn attack_21_each_change_in_the_table_ends_all_that_is_open() {
    for (way, from, to) in [
        ("removed", "ann@example.com,", "gone@example.com,"),
        ("barred", "Ann Lee,active", "Ann Lee,left"),
        ("another customer", "ann@example.com,42,Acme Ltd", "ann@example.com,43,Globex"),
        ("fewer days", ",30,en", ",2,en"),
    ] {
        let house = House::start(OPEN).await;
        let ann = house.browser("orders.test");
        ann.log_in("ann@example.com").await;
        let open = UnderWay::begin(&house, &ann).await;
        house.write("people.csv", PEOPLE.replace(from, to));
        open.ends(way, SOON).await;
    }
}

#[tokio::test]
async fn attack_24_a_providers_log_out_ends_all_that_is_open() {
    let liar = HostileProvider::start().await;
    for (way, claims, ends_here, ends_there) in [
        ("by session", json!({ "sub": null, "sid": "sid-1" }), true, false),
        ("by session and person", json!({ "sub": "ann-1", "sid": "sid-1" }), true, false),
        ("by person", json!({ "sub": "ann-1" }), true, true),
        ("another session", json!({ "sub": "ann-1", "sid": "sid-9" }), false, false),
        ("another person", json!({ "sub": "bob-1" }), false, false),
        ("another person's session by that name", json!({ "sub": "bob-1", "sid": "sid-1" }), false, false),
    ] {
        let plan = House::plan(TWO_APPS).ways("orders", r#"["liar"]"#).ways("reports", r#"["liar"]"#);
        let house = plan.config(&liar.toml("liar", "")).start().await;
        let ann = house.browser("orders.test");
        liar.conduct(|_| {});
        ann.log_in_by_provider("liar", "").await.expect(303);
        let there = ann.at("reports.test");
        liar.conduct(|conduct| conduct.claims = json!({ "sid": "sid-2" }));
        there.log_in_by_provider("liar", "").await.expect(303);
        let open =
            [(UnderWay::begin(&house, &ann).await, ends_here), (UnderWay::begin(&house, &there).await, ends_there)];
        let token = liar.logout_token(&json!({}), &claims, &Signing::Own);
        let told = house.browser("reports.test").tell_of_log_out(&format!("logout_token={token}")).await.expect(200);
        assert_eq!((told.text().as_str(), told.header("cache-control")), ("", "no-store"));
        for (mut open, ends) in open {
            match ends {
                true => open.ends(way, AT_ONCE).await,
                false => open.goes_on().await,
            }
        }
        ann.fetch("/").await.expect(if ends_here { 401 } else { 200 });
        there.fetch("/").await.expect(if ends_there { 401 } else { 200 });
    }
}

#[tokio::test]
async fn attack_25_a_failed_recheck_ends_all_that_is_open_though_nobody_asks_for_anything() {
    let google = Provider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["google"]"#).provider("google", &google, "recheck = \"10s\"");
    let house = plan.start().await;
    google.trust(&house, &["orders.test"]).await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    for (person, login) in [(&ann, "ann@example.com"), (&bob, "bob@example.com")] {
        person.log_in_by_provider("google", login).await.expect(303);
    }
    let due = Instant::now() + Duration::from_secs(10);
    let (open, mut bobs) = (UnderWay::begin(&house, &ann).await, UnderWay::begin(&house, &bob).await);
    google.revoke("ann@example.com").await;
    tokio::time::sleep_until((due - Duration::from_millis(1500)).into()).await;
    assert_eq!(google.count("token:refresh_token").await, 0, "it is not time yet");
    open.ends("a failed re-check", Duration::from_millis(1500) + AT_ONCE).await;
    ann.fetch("/").await.expect(401);
    eventually("Bob is checked", async || (google.count("token:refresh_token").await >= 2).then_some(())).await;
    bobs.goes_on().await;
}

#[tokio::test]
async fn attack_21_a_way_that_is_no_longer_allowed_lets_nobody_on() {
    let liar = HostileProvider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["email", "liar"]"#).config(&liar.toml("liar", ""));
    let mut house = plan.start().await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in_by_provider("liar", "").await.expect(303);
    bob.log_in("bob@example.com").await;
    ann.fetch("/").await.expect(200);
    house.kill9();
    let text = std::fs::read_to_string(house.config()).expect("a config");
    std::fs::write(house.config(), text.replace(r#"["email", "liar"]"#, r#"["email"]"#)).expect("writable");
    house.start_again().await;
    ann.fetch("/").await.expect(401);
    assert_eq!(ann.web_socket("/ws").await.err(), Some(401));
    bob.fetch("/").await.expect(200);
}
