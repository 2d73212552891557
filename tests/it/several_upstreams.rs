//! An app on several servers: who gets what, and what becomes of requests when servers fail.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::browser::Browser;
use crate::house::{House, OPEN, eventually};

/// One request as a server got it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A server that can be killed, with every connection of its, and comes back on the same port. It answers by path:
///
/// | path | answer |
/// | --- | --- |
/// | `/slow/N` | after N milliseconds |
/// | `/mute` | reads all and closes without a word |
/// | `/half` | half a body, and closes |
/// | what it was told | that status |
/// | anything else | 200 and its own number |
pub(crate) struct Server {
    address: SocketAddr,
    number: usize,
    got: Arc<Mutex<Vec<Got>>>,
    told: Arc<Mutex<HashMap<String, String>>>,
    life: CancellationToken,
}

impl Server {
    pub(crate) async fn start(number: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let life = CancellationToken::new();
        let this = Self { address, number, got: Arc::default(), told: Arc::default(), life };
        this.serve(listener);
        this
    }

    fn serve(&self, listener: TcpListener) {
        let (got, told, life, number) = (self.got.clone(), self.told.clone(), self.life.clone(), self.number);
        tokio::spawn(self.life.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = connection(stream, got.clone(), told.clone(), number);
                tokio::spawn(life.clone().run_until_cancelled_owned(serving));
            }
        }));
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it: its connections break, and its port refuses.
    pub(crate) async fn kill(&mut self) {
        self.life.cancel();
        eventually("the port refuses", async || TcpStream::connect(self.address).await.err()).await;
    }

    pub(crate) async fn revive(&mut self) {
        self.life = CancellationToken::new();
        let listener = eventually("the port is free", async || TcpListener::bind(self.address).await.ok()).await;
        self.serve(listener);
    }

    /// Tells it a status and head lines for a path.
    pub(crate) fn tell(&self, path: &str, head: &str) {
        self.told.lock().expect("unpoisoned").insert(path.to_owned(), head.to_owned());
    }

    /// What it got, without the questions after its health.
    pub(crate) fn got(&self) -> Vec<Got> {
        let got = self.got.lock().expect("unpoisoned");
        got.iter().filter(|got| !got.line.contains(" /healthz ")).cloned().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.got().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.life.cancel();
    }
}

async fn connection(
    stream: TcpStream,
    got: Arc<Mutex<Vec<Got>>>,
    told: Arc<Mutex<HashMap<String, String>>>,
    number: usize,
) -> Option<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let (mut head, mut body) = (String::new(), Vec::new());
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let line = head.lines().next()?.to_owned();
        let path = line.split(' ').nth(1)?.to_owned();
        if let Some(length) = field("content-length").and_then(|value| value.parse().ok()) {
            body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
        } else if field("transfer-encoding").is_some() {
            loop {
                let mut size = String::new();
                stream.read_line(&mut size).await.ok()?;
                let size = usize::from_str_radix(size.trim(), 16).ok()?;
                let mut chunk = vec![0; size + 2];
                stream.read_exact(&mut chunk).await.ok()?;
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        }
        let is_upgrade = field("upgrade").is_some();
        let body = String::from_utf8_lossy(&body).into_owned();
        got.lock().expect("unpoisoned").push(Got { line: line.clone(), head: head.clone(), body });
        if is_upgrade {
            let key = field("sec-websocket-key")?;
            let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
            // It says nothing more, and ends when the other side does.
            while stream.read_u8().await.is_ok() {}
            return None;
        }
        let answer = told.lock().expect("unpoisoned").get(&path).cloned();
        let head = match path.split('/').nth(1) {
            _ if answer.is_some() => answer?,
            Some("slow") => {
                let patience = path.rsplit('/').next()?.parse().ok()?;
                tokio::time::sleep(Duration::from_millis(patience)).await;
                "200 OK".to_owned()
            }
            Some("mute") => return None,
            Some("half") => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.ok()?;
                stream.flush().await.ok()?;
                return None;
            }
            _ => "200 OK".to_owned(),
        };
        let text = number.to_string();
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}

async fn servers<const COUNT: usize>() -> [Server; COUNT] {
    let mut servers = Vec::new();
    for number in 0..COUNT {
        servers.push(Server::start(number).await);
    }
    servers.try_into().unwrap_or_else(|_| panic!("as many as asked for"))
}

/// A house whose app is on these servers, with these keys.
async fn house(servers: &[Server], keys: &str) -> House {
    let list: Vec<String> = servers.iter().map(|server| format!("{:?}", server.url())).collect();
    plan(&format!("servers = [{}]\n{keys}", list.join(", "))).await
}

async fn plan(upstream: &str) -> House {
    let apps = OPEN.replace("upstream = \"{{upstream}}\"\n", "");
    House::start(&format!("{apps}\n[app.orders.upstream]\n{upstream}\n")).await
}

async fn ann(house: &House) -> Browser {
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann
}

#[tokio::test]
async fn weights_share_the_requests() {
    let [one, three] = servers().await;
    let list = format!("servers = [{:?}, {{ url = {:?}, weight = 3 }}]", one.url(), three.url());
    let house = plan(&list).await;
    let ann = ann(&house).await;
    for _ in 0..40 {
        ann.fetch("/").await.expect(200);
    }
    assert_eq!((one.count(), three.count()), (10, 30));
    let url = one.url();
    assert!((house.metric(&["vestibule_upstream_requests_total", &url, "answered"]).await - 10.0).abs() < 0.1);
}

#[tokio::test]
async fn a_client_stays_with_its_server_as_long_as_that_is_there() {
    let mut all: [Server; 3] = servers().await;
    let house = house(&all, "balance = \"client\"\neject_after = 1\neject_for = \"200ms\"").await;
    let ann = ann(&house).await;
    for _ in 0..10 {
        ann.fetch("/").await.expect(200);
    }
    let home = all.iter().position(|server| server.count() > 0).expect("one of them");
    assert_eq!(all[home].count(), 10);
    all[home].kill().await;
    for _ in 0..10 {
        ann.fetch("/").await.expect(200);
    }
    assert_eq!(all.iter().filter(|server| server.count() == 10).count(), 2, "one other took over");
    all[home].revive().await;
    eventually("home again", async || {
        ann.fetch("/").await.expect(200);
        (all[home].count() > 10).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_slow_server_gets_less() {
    let all: [Server; 2] = servers().await;
    let house = house(&all, "balance = \"least-requests\"").await;
    let ann = ann(&house).await;
    // Two requests that take long: one on each. Whoever is done first gets the rest.
    let long = tokio::spawn({
        let ann = ann.clone();
        async move { ann.fetch("/slow/3000").await.expect(200) }
    });
    eventually("it is under way", async || {
        (house.metric(&["vestibule_upstream_requests_total", "answered"]).await < 1.0).then_some(())
    })
    .await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(ann.fetch("/").await.expect(200).text());
    }
    let long = long.await.expect("it ends").text();
    let same = answers.iter().filter(|answer| **answer == long).count();
    assert!(same <= 1, "{same} of 20 went to the one that was busy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_under_load_fails_no_request_that_may_be_repeated_and_no_other_twice() {
    let mut all: [Server; 3] = servers().await;
    let house = house(&all, "eject_after = 2\neject_for = \"300ms\"\nretries = 2").await;
    let ann = ann(&house).await;
    let stop = CancellationToken::new();
    let mut load = Vec::new();
    for worker in 0..6 {
        let (ann, stop) = (ann.clone(), stop.clone());
        load.push(tokio::spawn(async move {
            let mut statuses = Vec::new();
            for turn in 0.. {
                if stop.is_cancelled() {
                    break;
                }
                let id = format!("id={worker}-{turn};");
                let is_post = turn % 2 == 1;
                let answer = match is_post {
                    true => ann.fetch_with("POST", "/order", &id).await,
                    false => ann.fetch("/slow/3").await,
                };
                statuses.push((is_post, answer.status));
            }
            statuses
        }));
    }
    for _ in 0..3 {
        let before = all[0].count();
        eventually("it is busy", async || (all[0].count() > before + 20).then_some(())).await;
        all[0].kill().await;
        let others = all[1].count();
        eventually("the others go on", async || (all[1].count() > others + 40).then_some(())).await;
        all[0].revive().await;
    }
    let before = all[0].count();
    eventually("it is back", async || (all[0].count() > before + 20).then_some(())).await;
    stop.cancel();
    for worker in load {
        for (is_post, status) in worker.await.expect("no request hangs") {
            assert!(status == 200 || (is_post && status == 502), "post {is_post}: {status}");
        }
    }
    let mut orders: HashMap<String, usize> = HashMap::new();
    for got in all.iter().flat_map(Server::got).filter(|got| got.line.starts_with("POST")) {
        *orders.entry(got.body).or_default() += 1;
    }
    let twice: Vec<_> = orders.iter().filter(|(_, count)| **count > 1).collect();
    assert!(orders.len() > 50 && twice.is_empty(), "sent twice: {twice:?} of {}", orders.len());
    for _ in 0..30 {
        ann.fetch_with("POST", "/order", "after").await.expect(200);
    }
}

#[tokio::test]
async fn what_a_server_took_without_a_word_goes_to_another_only_where_that_is_harmless() {
    let [mute, other] = servers().await;
    let house = plan(&format!("servers = [{{ url = {:?}, weight = 100 }}, {:?}]", mute.url(), other.url())).await;
    let ann = ann(&house).await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let before = (mute.count(), other.count());
        // Both are mute: it went to the one, then to the other, and no further.
        ann.fetch_with(method, "/mute", if method == "PUT" { "small" } else { "" }).await.expect(502);
        assert_eq!((mute.count(), other.count()), (before.0 + 1, before.1 + 1), "{method}");
    }
    assert!(other.got().iter().any(|got| got.line.starts_with("PUT") && got.body == "small"), "with its body");
    let before = mute.count() + other.count();
    for (method, body) in [("POST", "order=1"), ("PATCH", "order=2"), ("PUT", &"x".repeat(200_000))] {
        ann.fetch_with(method, "/mute", body).await.expect(502);
    }
    assert_eq!(mute.count() + other.count(), before + 3, "each once");
    let before = mute.count() + other.count();
    let broken = ann.ask("GET", "/half", &[]).await;
    assert!(!broken.is_whole && broken.answer.status == 200);
    assert_eq!(mute.count() + other.count(), before + 1, "what has begun is not begun again");
    assert!(house.metric(&["vestibule_upstream_retries_total"]).await > 3.9);
}

#[tokio::test]
async fn a_request_that_met_no_server_may_be_sent_whatever_it_is() {
    let mut all: [Server; 2] = servers().await;
    let house = house(&all, "").await;
    let ann = ann(&house).await;
    all[0].kill().await;
    for number in 0..6 {
        ann.fetch_with("POST", "/order", &format!("order={number}")).await.expect(200);
    }
    assert_eq!(all[1].count(), 6);
    let mut socket = None;
    for _ in 0..2 {
        socket = Some(ann.web_socket("/ws").await.expect("it opens"));
    }
    drop(socket);
    all[1].kill().await;
    ann.fetch("/").await.expect(502);
    all[1].revive().await;
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn a_server_that_fails_is_left_alone_and_comes_back() {
    let mut all: [Server; 2] = servers().await;
    let house = house(&all, "eject_after = 3\neject_for = \"500ms\"\nretries = 0").await;
    let ann = ann(&house).await;
    all[0].kill().await;
    let (mut failed, mut turns) = (0, 0);
    eventually("it is left alone", async || {
        turns += 1;
        failed += usize::from(ann.fetch("/").await.status == 502);
        (failed == 3).then_some(())
    })
    .await;
    assert!(turns <= 8, "every other one went to it");
    let (down, up) = (all[0].url(), all[1].url());
    assert!(house.metric(&["vestibule_upstream_up", &down]).await < 0.5);
    assert!(house.metric(&["vestibule_upstream_up", &up]).await > 0.5);
    assert!(house.admin("/readyz").await.expect(200).text().contains("ejected"));
    ann.fetch("/").await.expect(200);
    all[0].revive().await;
    eventually("it is asked again", async || {
        ann.fetch("/").await;
        (all[0].count() > 0).then_some(())
    })
    .await;
    assert_eq!(house.log.named("an upstream server is left alone for a while").len(), 1);
    eventually("it is told", async || (house.log.named("the upstream server answers again").len() == 1).then_some(()))
        .await;
}

#[tokio::test]
async fn a_server_that_fails_its_check_gets_nothing() {
    let all: [Server; 2] = servers().await;
    let check = "[app.orders.upstream.health]\npath = \"/healthz\"\ninterval = \"50ms\"\nunhealthy_after = 2";
    let house = house(&all, check).await;
    let ann = ann(&house).await;
    ann.fetch("/").await.expect(200);
    all[0].tell("/healthz", "503 Not Well");
    eventually("it is down", async || (!house.log.named("an upstream server is down").is_empty()).then_some(())).await;
    let before = all[0].count();
    for _ in 0..10 {
        ann.fetch("/").await.expect(200);
    }
    assert_eq!(all[0].count(), before);
    all[1].tell("/healthz", "500 Nor This");
    eventually("no server is well", async || {
        let answer = ann.fetch("/").await;
        (answer.status == 503).then(|| assert_eq!(answer.header("retry-after"), "1"))
    })
    .await;
    all[0].tell("/healthz", "200 OK");
    assert!(house.admin("/readyz").await.expect(200).text().contains("degraded"));
    eventually("one is back", async || (ann.fetch("/").await.status == 200).then_some(())).await;
    assert!(house.metric(&["vestibule_upstream_refused_total", "no-server"]).await > 0.5);
}

#[tokio::test]
async fn a_check_without_a_path_is_a_connection() {
    let mut all: [Server; 2] = servers().await;
    let house = house(&all, "[app.orders.upstream.health]\ninterval = \"50ms\"").await;
    let ann = ann(&house).await;
    all[0].kill().await;
    eventually("it is down", async || (!house.log.named("an upstream server is down").is_empty()).then_some(())).await;
    for _ in 0..6 {
        ann.fetch_with("POST", "/", "x").await.expect(200);
    }
    assert!(house.metric(&["vestibule_upstream_retries_total"]).await < 0.5, "nobody ran into it");
    all[0].revive().await;
    eventually("it is up", async || {
        ann.fetch("/").await.expect(200);
        (all[0].count() > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_name_with_several_addresses_is_used_as_far_as_it_answers() {
    // `localhost` is ::1 and 127.0.0.1 on most machines, and the server has only one of the two.
    let server = Server::start(0).await;
    let house = plan(&format!("servers = [\"http://localhost:{}\"]", server.address.port())).await;
    let ann = ann(&house).await;
    for number in 0..10 {
        ann.fetch_with("POST", "/order", &format!("order={number}")).await.expect(200);
    }
    assert_eq!(server.count(), 10);
}

#[tokio::test]
async fn who_finds_no_place_waits_or_is_sent_away() {
    let list = [Server::start(0).await];
    let house = house(&list, "max_connections = 1\nqueue = 1\nqueue_timeout = \"15s\"").await;
    let ann = ann(&house).await;
    let waiting = async |count: f64| {
        let text = format!("{count} wait");
        eventually(&text, async || {
            let now = house.metric(&["vestibule_upstream_queue{"]).await;
            ((now - count).abs() < 0.1).then_some(())
        })
        .await;
    };
    let ask = |path: &'static str| {
        let ann = ann.clone();
        tokio::spawn(async move { ann.fetch(path).await })
    };
    // A WebSocket has a place as long as it is open.
    let socket = ann.web_socket("/ws").await.expect("it opens");
    let second = ask("/second");
    waiting(1.0).await;
    let answer = ann.fetch("/third").await.expect(503);
    assert_eq!(answer.header("retry-after"), "5");
    drop(socket);
    second.await.expect("it ends").expect(200);
    waiting(0.0).await;

    // Who hangs up leaves the queue.
    let socket = ann.web_socket("/ws").await.expect("it opens");
    let mut gone = house.wire("orders.test").await;
    let (host, cookie) = (house.host("orders.test"), ann.cookie_header());
    gone.send_head(&["GET /gone HTTP/1.1", &format!("host: {host}"), &format!("cookie: {cookie}")]).await;
    waiting(1.0).await;
    drop(gone);
    waiting(0.0).await;
    let third = ask("/fourth");
    waiting(1.0).await;
    drop(socket);
    third.await.expect("it ends").expect(200);
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_queue_lets() {
    let list = [Server::start(0).await];
    let house = house(&list, "max_connections = 1\nqueue_timeout = \"100ms\"").await;
    let ann = ann(&house).await;
    let socket = ann.web_socket("/ws").await.expect("it opens");
    let answer = ann.fetch("/late").await.expect(503);
    assert_eq!(answer.header("retry-after"), "5");
    assert!(house.metric(&["vestibule_upstream_refused_total", "queue-timeout"]).await > 0.5);
    drop(socket);
    eventually("the place is free", async || (ann.fetch("/").await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn who_logs_out_does_not_get_a_turn_any_more() {
    let list = [Server::start(0).await];
    let house = house(&list, "max_connections = 1\nqueue_timeout = \"10s\"").await;
    let (ann, eve) = (ann(&house).await, house.browser("orders.test"));
    eve.log_in("eve@example.com").await;
    let socket = eve.web_socket("/ws").await.expect("it opens");
    let mut waits = house.wire("orders.test").await;
    let (host, cookie) = (house.host("orders.test"), ann.cookie_header());
    waits.send_head(&["GET /waits HTTP/1.1", &format!("host: {host}"), &format!("cookie: {cookie}")]).await;
    eventually("she waits", async || (house.metric(&["vestibule_upstream_queue{"]).await > 0.5).then_some(())).await;
    ann.post("/.access/logout", &[]).await;
    let answer = waits.answer().await;
    assert!(answer.is_none_or(|answer| answer.status == 401));
    drop(socket);
    eventually("the place is free", async || (eve.fetch("/").await.status == 200).then_some(())).await;
    assert!(!list[0].got().iter().any(|got| got.line.contains("/waits")));
}

#[tokio::test]
async fn the_host_is_kept_or_the_servers_own_or_another() {
    for (key, expected) in [
        ("", None),
        ("host = \"keep\"", None),
        ("host = \"upstream\"", Some("")),
        ("host = \"app.internal:81\"", Some("app.internal:81")),
    ] {
        let list = [Server::start(0).await];
        let house = house(&list, key).await;
        let ann = ann(&house).await;
        let own = list[0].address.to_string();
        let kept = house.host("orders.test");
        let expected = match expected {
            None => kept.clone(),
            Some("") => own,
            Some(name) => name.to_owned(),
        };
        list[0].tell("/away", &format!("302 Found\r\nlocation: http://{expected}/there"));
        // Once over HTTP/2 and once over HTTP/1.1.
        ann.ask("GET", "/h2", &[]).await.whole(200);
        let mut wire = house.wire("orders.test").await;
        let cookie = format!("cookie: {}", ann.cookie_header());
        let answer = wire.ask(&["GET /away HTTP/1.1", &format!("host: {kept}"), &cookie]).await.expect("an answer");
        let place = if expected == kept { format!("http://{kept}/there") } else { format!("https://{kept}/there") };
        assert_eq!(answer.location(), place, "{key}");
        for got in list[0].got() {
            let hosts: Vec<_> =
                got.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("host:")).collect();
            assert_eq!(hosts.len(), 1, "{hosts:?}");
            assert_eq!(hosts[0].split_once(':').map(|(_, host)| host.trim()), Some(expected.as_str()), "{key}");
            assert!(got.head.to_ascii_lowercase().contains(&format!("x-forwarded-host: {kept}")));
        }
    }
}

#[tokio::test]
async fn attack_01_nothing_gets_out_of_a_prefix() {
    let list = [Server::start(0).await];
    let apps = OPEN.replace(
        "upstream = \"{{upstream}}\"\n",
        "path_allow = [\"encoded-slash\", \"empty-segments\", \"semicolon\", \"backslash\"]\n",
    );
    let house = House::start(&format!(
        "{apps}\n[app.orders.upstream]\nservers = [{:?}]\nstrip_prefix = \"/shop\"\nadd_prefix = \"/base/v2\"\n",
        list[0].url()
    ))
    .await;
    let ann = ann(&house).await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    let ask = async |target: &str| {
        let before = list[0].count();
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&[&format!("GET {target} HTTP/1.1"), &host, &cookie]).await.expect("an answer");
        let got = list[0].got();
        let sent = got.get(before).map(|got| got.line.split(' ').nth(1).unwrap_or_default().to_owned());
        (answer.status, sent)
    };
    for (target, expected) in [
        ("/shop/cart?x=/shop", "/base/v2/cart?x=/shop"),
        ("/shop", "/base/v2/"),
        ("/shop/", "/base/v2/"),
        ("/shop?q", "/base/v2/?q"),
        ("/%73hop/a", "/base/v2/a"),
        ("/shop/a%2fb", "/base/v2/a%2Fb"),
        ("/shop//a", "/base/v2//a"),
        ("/shop/shop/a", "/base/v2/shop/a"),
    ] {
        assert_eq!(ask(target).await, (200, Some(expected.to_owned())), "{target}");
    }
    for target in
        ["/", "/shopping", "/SHOP/a", "/base/v2/a", "//shop/a", "/shop%2Fa", "/shop;x/a", "/shop%5ca", "/a/shop/b"]
    {
        assert_eq!(ask(target).await, (404, None), "{target}");
    }
    for target in [
        "/shop/../a",
        "/shop/..%2fa",
        "/shop/%2e%2e/a",
        "/shop/..;/a",
        "/shop/..\\a",
        "/shop/a/..%5c..%5c..%5cb",
        "/shop/%252e%252e/a",
    ] {
        assert_eq!(ask(target).await, (400, None), "{target}");
    }
    list[0].tell("/base/v2/move", "302 Found\r\nlocation: /base/v2/there?a\r\nset-cookie: a=b; Path=/base/v2; Secure");
    let moved = ann.fetch("/shop/move").await.expect(302);
    assert_eq!((moved.location(), moved.header("set-cookie")), ("/shop/there?a", "a=b; Path=/shop; Secure"));
    let told = list[0].got().pop().expect("a request").head.to_ascii_lowercase();
    assert!(told.contains("x-forwarded-prefix: /shop"), "{told}");
    let output = house.command(&["explain", "--app", "orders", "--email", "ann@example.com", "--path", "/shop/cart"]);
    let output = crate::house::printed(&output);
    assert!(output.contains("the app is asked for /base/v2/cart"), "{output}");
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_servers_and_places() {
    let mut all: [Server; 3] = servers().await;
    let keys = "retries = 0\neject_after = 1\neject_for = \"60s\"\nmax_connections = 2\nqueue = 0";
    let house = house(&all[..2], keys).await;
    let ann = ann(&house).await;
    all[0].kill().await;
    eventually("it is left alone", async || (ann.fetch("/").await.status == 502).then_some(())).await;
    let sockets = [ann.web_socket("/ws").await.expect("it opens"), ann.web_socket("/ws").await.expect("it opens")];
    ann.fetch("/").await.expect(503);
    all[0].revive().await;

    // A server more, and the one from before is still left alone; both places are still taken.
    house.change(&format!("{:?}]", all[1].url()), &format!("{:?}, {:?}]", all[1].url(), all[2].url()));
    house.reload().await.expect(200);
    ann.fetch("/").await.expect(503);
    house.change("max_connections = 2", "max_connections = 3");
    house.reload().await.expect(200);
    for _ in 0..6 {
        ann.fetch("/").await.expect(200);
    }
    assert!(all[0].count() == 0 && all[2].count() >= 2);
    let down = all[0].url();
    assert!(house.metric(&["vestibule_upstream_up", &down]).await < 0.5);

    // Without it, nothing is told of it any more; and fewer places are fewer as soon as they come free.
    house.change(&format!("[{:?}, ", all[0].url()), "[");
    house.change("max_connections = 3", "max_connections = 1");
    house.reload().await.expect(200);
    let text = house.admin("/metrics").await.text();
    assert!(!text.lines().any(|line| line.starts_with("vestibule_upstream_up") && line.contains(&down)), "{text}");
    ann.fetch("/").await.expect(503);
    drop(sockets);
    eventually("the place is free", async || (ann.fetch("/").await.status == 200).then_some(())).await;
}
