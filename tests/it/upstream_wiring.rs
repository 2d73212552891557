//! How the gateway connects to an app: with a certificate of its own, under another name, over a Unix socket, telling whose the
//! connection is. And that nobody's connection serves somebody else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_tungstenite::tungstenite::Message;

use crate::browser::Browser;
use crate::house::{House, OPEN, eventually};
use crate::pki::{self, Authority};
use crate::upstream::Upstream;
use crate::upstream_h2::UpstreamH2;

/// The app with this table for its upstream.
fn with(table: &str) -> String {
    let apps = OPEN.replace("upstream = \"{{upstream}}\"", &format!("upstream = {{ {table} }}"));
    assert!(apps.contains(table));
    apps
}

async fn person(house: &House, email: &str) -> Browser {
    let person = house.browser("orders.test");
    person.log_in(email).await;
    person
}

#[tokio::test]
async fn the_gateway_shows_its_certificate_to_an_app_that_wants_one() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (own, strange) = (clients.leaf(&["gateway.test"]), servers.leaf(&["gateway.test"]));
    for (shown, status) in [(Some(&own), 200), (Some(&strange), 502), (None, 502)] {
        let app = Upstream::start_tls_as(pki::server_for_clients(&servers.leaf(&["127.0.0.1"]), &clients.pem)).await;
        let identity =
            if shown.is_some() { ", client_certificate = \"own.pem\", client_key = \"own-key.pem\"" } else { "" };
        let mut plan = House::plan(&with(&format!("servers = [\"{{{{upstream}}}}\"], ca = \"app-ca.pem\"{identity}")));
        if let Some(leaf) = shown {
            plan = plan.file("own.pem", &leaf.certificate).file("own-key.pem", &leaf.key);
        }
        let house = plan.file("app-ca.pem", &servers.pem).upstream(app).start().await;
        let ann = person(&house, "ann@example.com").await;
        assert_eq!(ann.fetch("/").await.status, status);
        if status == 200 {
            let mut socket = ann.web_socket("/ws").await.expect("it opens");
            socket.send(Message::text("hello")).await.expect("it is open");
            assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text("hello"));
        } else {
            house.upstream.saw_nothing();
        }
    }
}

/// Two apps on one server: one has a certificate to show, the other has not, and gets no use of the first one's connections.
#[tokio::test]
async fn attack_14_an_app_without_the_certificate_uses_no_connection_of_one_that_has_it() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let own = clients.leaf(&["gateway.test"]);
    let app = Upstream::start_tls_as(pki::server_for_clients(&servers.leaf(&["127.0.0.1"]), &clients.pem)).await;
    let shown = with(
        "servers = [\"{{upstream}}\"], ca = \"app-ca.pem\", client_certificate = \"own.pem\", client_key = \"own-key.pem\"",
    );
    let other = with("servers = [\"{{upstream}}\"], ca = \"app-ca.pem\"")
        .replace("[source.crm]\nurl = \"csv:people.csv\"\nrefresh = \"1s\"\n", "")
        .replace("app.orders", "app.bills")
        .replace("orders.test", "bills.test");
    let house = House::plan(&format!("{shown}{other}"))
        .file("app-ca.pem", &servers.pem)
        .file("own.pem", &own.certificate)
        .file("own-key.pem", &own.key)
        .upstream(app)
        .start()
        .await;
    let ann = person(&house, "ann@example.com").await;
    let at_bills = house.browser("bills.test");
    at_bills.log_in("ann@example.com").await;
    let seen = house.upstream.count();
    for _ in 0..3 {
        assert_eq!(ann.fetch("/").await.status, 200);
        assert_eq!(at_bills.fetch("/bills").await.status, 502);
    }
    assert!(house.upstream.seen()[seen..].iter().all(|seen| seen.target == "/"));
}

#[tokio::test]
async fn a_key_that_does_not_belong_to_the_certificate_is_found_at_the_start() {
    let clients = Authority::new("clients");
    let (one, two) = (clients.leaf(&["one.test"]), clients.leaf(&["two.test"]));
    for (certificate, key, told) in [
        (one.certificate.as_str(), two.key.as_str(), "the client key of app `orders`'s upstream"),
        (&one.certificate, "no key", "the client key of app `orders`'s upstream"),
    ] {
        let table =
            "servers = [\"https://127.0.0.1:1\"], client_certificate = \"own.pem\", client_key = \"own-key.pem\"";
        let house = House::plan(&with(table)).file("own.pem", certificate).file("own-key.pem", key).furnish().await;
        let output = house.command(&["serve"]);
        let text = crate::house::printed(&output);
        assert!(!output.status.success() && text.contains(told), "{text}");
    }
}

#[tokio::test]
async fn another_name_is_asked_for_and_checked() {
    let authority = Authority::new("private");
    for (sni, status) in [(", sni = \"app.internal\"", 200), (", sni = \"other.internal\"", 502), ("", 502)] {
        let app = Upstream::start_tls(&authority.leaf(&["app.internal"])).await;
        let table = with(&format!("servers = [\"{{{{upstream}}}}\"], ca = \"app-ca.pem\"{sni}"));
        let house = House::plan(&table).file("app-ca.pem", &authority.pem).upstream(app).start().await;
        let ann = person(&house, "ann@example.com").await;
        assert_eq!(ann.fetch("/").await.status, status, "{sni}");
        if status == 200 {
            assert_eq!(house.upstream.last().header("host"), Some(house.host("orders.test").as_str()));
        }
    }
}

/// A Unix socket in front of the app.
fn unix(path: &Path, to: SocketAddr) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(path).expect("the folder is writable");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.expect("the app is up");
                let _end = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    })
}

#[tokio::test]
async fn an_app_behind_a_unix_socket_is_an_app_like_any_other() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("app.sock");
    let house = House::start(&with(&format!("servers = [\"unix:{}\"]", path.display()))).await;
    let ann = person(&house, "ann@example.com").await;
    let told = async |words: &str| {
        let told = async || house.log.last("the upstream failed").await["fields"]["cause"].to_string();
        eventually(words, async || told().await.contains(words).then_some(())).await;
    };
    ann.fetch("/").await.expect(502);
    told("there is no such socket").await;
    // A file that an app has left behind.
    drop(UnixListener::bind(&path).expect("the folder is writable"));
    ann.fetch("/").await.expect(502);
    told("nobody listens on it").await;
    std::fs::remove_file(&path).expect("it is there");

    let relay = unix(&path, house.upstream.address);
    for n in 0..3 {
        ann.fetch(&format!("/{n}")).await.expect(200);
        assert_eq!(house.upstream.last().target, format!("/{n}"));
    }
    let seen = house.upstream.last();
    assert_eq!(seen.header("host"), Some(house.host("orders.test").as_str()));
    assert_eq!(seen.header("x-access-email"), Some("ann@example.com"));
    assert!(house.upstream.seen().windows(2).all(|two| two[0].connection == two[1].connection), "it is kept");
    let mut socket = ann.web_socket("/ws").await.expect("it opens");
    socket.send(Message::text("hello")).await.expect("it is open");
    assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text("hello"));
    ann.fetch_with("POST", "/put", &"x".repeat(200_000)).await.expect(200);
    assert_eq!(house.upstream.last().body.len(), 200_000);
    relay.abort();
}

/// A relay that takes the PROXY header off each connection, and keeps it.
struct Announced {
    address: SocketAddr,
    headers: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Announced {
    async fn to(app: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let headers = Arc::<Mutex<Vec<String>>>::default();
        let all = headers.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let all = all.clone();
                tokio::spawn(async move {
                    let header = announced(&mut near).await?;
                    all.lock().expect("no test panics with the lock held").push(header);
                    let mut far = TcpStream::connect(app).await.ok()?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await.ok()
                });
            }
        });
        Self { address, headers, task }
    }

    fn all(&self) -> Vec<String> {
        self.headers.lock().expect("no test panics with the lock held").clone()
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The header in words; version 2 as version 1 would say it.
async fn announced(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.ok()?;
    if start != *b"\r\n\r\n\0\r\nQUIT\n" {
        let mut line = start.to_vec();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.ok()?);
            assert!(line.len() <= 107 && line.starts_with(b"PROXY "), "{line:?}");
        }
        return Some(String::from_utf8(line).expect("text").trim_end().to_owned());
    }
    let (command, family, length) =
        (stream.read_u8().await.ok()?, stream.read_u8().await.ok()?, stream.read_u16().await.ok()?);
    assert_eq!((command, family, length), (0x21, 0x11, 12));
    let mut octets = [0; 8];
    stream.read_exact(&mut octets).await.ok()?;
    let (from, to) = (stream.read_u16().await.ok()?, stream.read_u16().await.ok()?);
    let ip = |octets: &[u8]| octets.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
    Some(format!("PROXY TCP4 {} {} {from} {to}", ip(&octets[..4]), ip(&octets[4..])))
}

#[tokio::test]
async fn the_app_hears_whose_a_connection_is_before_anything_else() {
    let authority = Authority::new("private");
    for (version, tls) in [("v1", false), ("v2", false), ("v1", true), ("v2", true)] {
        let app =
            if tls { Upstream::start_tls(&authority.leaf(&["127.0.0.1"])).await } else { Upstream::start().await };
        let relay = Announced::to(app.address).await;
        let (scheme, ca) = if tls { ("https", ", ca = \"app-ca.pem\"") } else { ("http", "") };
        let table = format!("servers = [\"{scheme}://{}\"], proxy_protocol = \"{version}\"{ca}", relay.address);
        let house = House::plan(&with(&table)).file("app-ca.pem", &authority.pem).upstream(app).start().await;
        let ann = person(&house, "ann@example.com").await;
        let (host, cookie) =
            (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
        let mut wires = [house.wire("orders.test").await, house.wire("orders.test").await];
        for _ in 0..3 {
            for wire in &mut wires {
                let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}", wire.port(), house.door.https().port());
                let before = house.upstream.count();
                assert_eq!(wire.ask(&["GET / HTTP/1.1", &host, &cookie]).await.expect("an answer").status, 200);
                assert_eq!(house.upstream.count(), before + 1);
                let own = house.upstream.last().connection;
                assert_eq!(relay.all()[own], expected, "{version}, TLS {tls}: each on the connection that told of it");
            }
        }
        let mut socket = ann.web_socket("/ws").await.expect("it opens");
        socket.send(Message::text("hello")).await.expect("it is open");
        assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text("hello"));
    }
}

/// Behind one proxy, two customers come on one connection; towards the app they have one each.
#[tokio::test]
async fn attack_14_a_connection_that_told_of_one_customer_serves_no_other() {
    let app = UpstreamH2::start().await;
    let relay = Announced::to(app.address).await;
    for protocol in ["http/1.1", "h2c"] {
        let plain = Upstream::start().await;
        let to_plain = Announced::to(plain.address).await;
        let to = if protocol == "h2c" { &relay } else { &to_plain };
        let table =
            format!("servers = [\"http://{}\"], proxy_protocol = \"v2\", protocol = \"{protocol}\"", to.address);
        let house = House::plan(&with(&table)).server("trusted_proxies = [\"127.0.0.1/32\"]").start().await;
        let ann = person(&house, "ann@example.com").await;
        let (host, cookie) =
            (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
        let mut wire = house.wire("orders.test").await;
        for n in 0..12 {
            let client = format!("203.0.113.{}", n % 3);
            let from = format!("x-forwarded-for: {client}");
            assert_eq!(wire.ask(&["GET / HTTP/1.1", &host, &cookie, &from]).await.expect("an answer").status, 200);
            let (own, told) = if protocol == "h2c" {
                let seen = app.last();
                (seen.connection, seen.header("x-forwarded-for").map(str::to_owned))
            } else {
                let seen = plain.last();
                (seen.connection, seen.header("x-forwarded-for").map(str::to_owned))
            };
            assert!(told.is_some_and(|told| told.contains(&client)));
            let header = &to.all()[own];
            assert!(header.starts_with(&format!("PROXY TCP4 {client} 127.0.0.1 0 ")), "{header} for {client}");
        }
        assert_eq!(to.all().iter().filter(|header| header.contains("203.0.113.")).count(), 3, "and each is kept");
    }
}
