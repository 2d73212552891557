//! Apps that break off, lie about lengths, answer too early or too much, under load: nobody gets an answer that is not theirs, the
//! status is right, and the next request is served.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::house::{House, OPEN, eventually};
use crate::wire::Wire;

/// An app that answers each path in its own wrong way; `/ok` is right. Every answer holds the id of its request.
struct Liar {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
    connections: Arc<AtomicUsize>,
    /// How often each id was asked for.
    asked: Arc<Mutex<HashMap<String, usize>>>,
    /// How often bytes have come late that nobody asked for.
    late: Arc<AtomicUsize>,
}

impl Liar {
    async fn start() -> Self {
        Self::start_on(0).await
    }

    async fn start_on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let address = listener.local_addr().expect("it is bound");
        let (connections, asked) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<HashMap<String, usize>>>::default());
        let late = Arc::<AtomicUsize>::default();
        let (count, ids, later) = (connections.clone(), asked.clone(), late.clone());
        let task = tokio::spawn(async move {
            // All connections end with the task.
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(stream, ids.clone(), later.clone()));
                while open.try_join_next().is_some() {}
            }
        });
        Self { address, task, connections, asked, late }
    }

    /// As when its process is killed.
    async fn kill(self) -> u16 {
        self.task.abort();
        let _end = self.task.await;
        self.address.port()
    }
}

async fn serve(stream: TcpStream, asked: Arc<Mutex<HashMap<String, usize>>>, late: Arc<AtomicUsize>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut path, mut id, mut length) = (String::new(), String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if path.is_empty() {
                path = line.split(' ').nth(1)?.to_owned();
            } else if line.is_empty() {
                break;
            } else if let Some((name, value)) = line.split_once(':') {
                match name.to_ascii_lowercase().as_str() {
                    "x-id" => id = value.trim().to_owned(),
                    "content-length" => length = value.trim().parse().ok()?,
                    _ => {}
                }
            }
        }
        *asked.lock().expect("no test panics with the lock held").entry(id.clone()).or_default() += 1;
        if path == "/early" {
            say(&mut stream, &whole(&id)).await?;
        }
        if path == "/early-close" {
            say(
                &mut stream,
                &format!("HTTP/1.1 413 No\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{id}", id.len()),
            )
            .await?;
            return None;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let then = act(&mut stream, &path, &id).await?;
        if path == "/more-later" {
            late.fetch_add(1, Ordering::SeqCst);
        }
        match then {
            Then::GoOn => {}
            Then::Close => return None,
            Then::Reset => {
                rustix::net::sockopt::set_socket_linger(stream.get_ref(), Some(Duration::ZERO)).ok()?;
                return None;
            }
            Then::Wait => {
                // Until the gateway has had enough.
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.ok()?;
                return None;
            }
        }
    }
}

enum Then {
    GoOn,
    Close,
    Reset,
    Wait,
}

fn whole(id: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{id}", id.len())
}

async fn say(stream: &mut BufReader<TcpStream>, text: &str) -> Option<()> {
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

const STOLEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nstolen!";

async fn act(stream: &mut BufReader<TcpStream>, path: &str, id: &str) -> Option<Then> {
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n");
    let n = id.len();
    let chunked = head("transfer-encoding: chunked");
    let (text, then) = match path {
        "/ok" => (whole(id), Then::GoOn),
        "/early" => return Some(Then::GoOn),
        "/nothing" => (String::new(), Then::Close),
        "/nothing-reset" => (String::new(), Then::Reset),
        "/silent" => (String::new(), Then::Wait),
        "/half-head" => ("HTTP/1.1 200 OK\r\nx-half: ".to_owned(), Then::Close),
        "/half-head-reset" => ("HTTP/1.1 200 OK\r\nx-half: ".to_owned(), Then::Reset),
        "/half-body" => (head(&format!("content-length: {}", n + 10)) + id, Then::Close),
        "/half-body-reset" => (head(&format!("content-length: {}", n + 10)) + id, Then::Reset),
        "/half-body-silent" => (head(&format!("content-length: {}", n + 10)) + id, Then::Wait),
        "/half-chunks" => (format!("{chunked}{n:x}\r\n{id}\r\n"), Then::Close),
        "/half-chunks-reset" => (format!("{chunked}{n:x}\r\n{id}\r\n"), Then::Reset),
        "/half-closed" => {
            say(stream, &(head(&format!("content-length: {}", n + 10)) + id)).await?;
            stream.shutdown().await.ok()?;
            return Some(Then::Wait);
        }
        "/more" => (whole(id) + STOLEN, Then::GoOn),
        "/more-chunks" => (format!("{chunked}{n:x}\r\n{id}\r\n0\r\n\r\n{STOLEN}"), Then::GoOn),
        "/more-later" => {
            say(stream, &whole(id)).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            (STOLEN.to_owned(), Then::GoOn)
        }
        "/more-after-304" => (format!("HTTP/1.1 304 Same\r\n\r\n{STOLEN}"), Then::GoOn),
        "/more-after-204" => (format!("HTTP/1.1 204 None\r\ncontent-length: 7\r\n\r\n{STOLEN}"), Then::GoOn),
        "/both" => (
            head(&format!("content-length: {n}\r\ntransfer-encoding: chunked"))
                + &format!("{n:x}\r\n{id}\r\n0\r\n\r\n"),
            Then::GoOn,
        ),
        "/two-lengths" => {
            (head(&format!("content-length: {n}\r\ncontent-length: {}", n + 60)) + id + STOLEN, Then::GoOn)
        }
        "/list-of-lengths" => (head(&format!("content-length: {n}, {}", n + 60)) + id + STOLEN, Then::GoOn),
        "/no-number" => (head("content-length: many") + id, Then::GoOn),
        "/unknown-coding" => (head("transfer-encoding: gzip") + id, Then::Close),
        "/two-codings" => (
            head("transfer-encoding: chunked\r\ntransfer-encoding: identity") + &format!("{n:x}\r\n{id}\r\n0\r\n\r\n"),
            Then::GoOn,
        ),
        "/bad-chunk" => (format!("{chunked}zz\r\n{id}\r\n0\r\n\r\n"), Then::GoOn),
        "/vast-chunk" => (format!("{chunked}fffffffffffffffff\r\n{id}\r\n0\r\n\r\n"), Then::GoOn),
        "/long-chunk" => (format!("{chunked}3\r\n{id}{id}\r\n0\r\n\r\n"), Then::GoOn),
        "/1xx" => ("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(1001) + &whole(id), Then::GoOn),
        "/1xx-few" => ("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100) + &whole(id), Then::GoOn),
        "/101" => (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".to_owned() + STOLEN,
            Then::GoOn,
        ),
        "/huge-head" => (head(&format!("x-huge: {}", "x".repeat(3 << 20))) + id, Then::GoOn),
        "/many-fields" => {
            (head(&(0..20_000).map(|n| format!("x-{n}: y")).collect::<Vec<_>>().join("\r\n")) + id, Then::GoOn)
        }
        "/nul" => (head(&format!("x-nul: a\0b\r\ncontent-length: {n}")) + id, Then::GoOn),
        "/no-status" => (format!("HTTP/1.1 abc\r\ncontent-length: {n}\r\n\r\n{id}"), Then::GoOn),
        "/no-http" => ("this is no HTTP\r\n\r\n".to_owned(), Then::Close),
        "/folded" => (head(&format!("x-a: b\r\n content-length: 1\r\ncontent-length: {n}")) + id, Then::GoOn),
        "/spaced" => (head(&format!("transfer-encoding : chunked\r\ncontent-length: {n}")) + id, Then::GoOn),
        other => panic!("no lie at {other}"),
    };
    // A gateway that closes while we speak is no failure here.
    let _closed = say(stream, &text).await;
    Some(then)
}

/// What may come of a path: these statuses; or, with 200, the request's own id and no more.
const LIES: [(&str, &[u16]); 39] = [
    ("/nothing", &[502]),
    ("/nothing-reset", &[502]),
    ("/silent", &[504]),
    ("/half-head", &[502]),
    ("/half-head-reset", &[502]),
    ("/half-body", &[]),
    ("/half-body-reset", &[]),
    ("/half-body-silent", &[]),
    ("/half-chunks", &[]),
    ("/half-chunks-reset", &[]),
    ("/half-closed", &[]),
    ("/more", &[200, 502]),
    ("/more-chunks", &[200, 502]),
    ("/more-later", &[200]),
    ("/more-after-304", &[304, 502]),
    ("/more-after-204", &[204, 502]),
    ("/both", &[200, 502]),
    ("/two-lengths", &[502]),
    ("/list-of-lengths", &[502]),
    ("/no-number", &[502]),
    ("/unknown-coding", &[502]),
    ("/two-codings", &[502]),
    ("/bad-chunk", &[502]),
    ("/vast-chunk", &[502]),
    ("/long-chunk", &[502]),
    ("/1xx", &[502]),
    ("/1xx-few", &[200]),
    ("/101", &[502]),
    ("/huge-head", &[502]),
    ("/many-fields", &[502]),
    ("/nul", &[200, 502]),
    ("/no-status", &[502]),
    ("/no-http", &[502]),
    ("/folded", &[200, 502]),
    ("/spaced", &[200, 502]),
    ("/early", &[200]),
    ("/early-close", &[413, 502]),
    ("/ok", &[200]),
    ("/ok", &[200]),
];

/// One person's connection, opened again when the gateway has closed it.
struct Client {
    address: SocketAddr,
    ca: String,
    host: String,
    cookie: String,
    wire: Option<Wire>,
}

impl Client {
    fn of(house: &House, cookie: &str) -> Self {
        let (address, ca) = (house.door.https(), house.door.ca().to_owned());
        Self {
            address,
            ca,
            host: format!("host: {}", house.host("orders.test")),
            cookie: format!("cookie: {cookie}"),
            wire: None,
        }
    }

    /// The status and body of a whole answer; nothing where it was cut off.
    async fn ask(&mut self, method: &str, path: &str, id: &str) -> Option<(u16, String)> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::connect(self.address, "orders.test", &self.ca).await.expect("TLS"),
        };
        let (first, id) = (format!("{method} {path} HTTP/1.1"), format!("x-id: {id}"));
        let mut lines = vec![first.as_str(), &self.host, &self.cookie, &id, "accept: application/json"];
        if method == "POST" {
            lines.push("content-length: 4000");
        }
        wire.send_head(&lines).await;
        if method == "POST" {
            wire.send(vec![b'x'; 2000]).await;
            wire.send(vec![b'x'; 2000]).await;
        }
        let answer = wire.answer_after_hints().await?;
        if answer.status == 200 && !answer.header("connection").eq_ignore_ascii_case("close") {
            self.wire = Some(wire);
        }
        Some((answer.status, answer.text()))
    }
}

async fn house(liar: &Liar) -> (House, Vec<String>) {
    let apps = OPEN.replace("{{upstream}}", &format!("http://{}", liar.address));
    let house = House::start(&format!("{apps}\n[app.orders.timeouts]\nresponse = \"2s\"\n")).await;
    let mut cookies = Vec::new();
    for email in ["ann@example.com", "bob@example.com", "eve@example.com", "zoe@example.com"] {
        let person = house.browser("orders.test");
        person.log_in(email).await;
        cookies.push(person.cookie_header());
    }
    (house, cookies)
}

#[tokio::test]
async fn an_app_that_lies_gives_the_right_status_and_nobody_elses_answer() {
    let liar = Liar::start().await;
    let (house, cookies) = house(&liar).await;
    let mut client = Client::of(&house, &cookies[0]);
    for (path, allowed) in LIES {
        for method in ["GET", "POST"] {
            let id = format!("{method}-{}", path.trim_start_matches('/'));
            let late = liar.late.load(Ordering::SeqCst);
            match client.ask(method, path, &id).await {
                None => assert!(allowed.is_empty() || allowed.contains(&502), "{method} {path} was cut off"),
                Some((200, text)) => {
                    assert!(allowed.contains(&200), "{method} {path} passed as whole: {text:?}");
                    assert_eq!(text, id, "{method} {path}");
                }
                Some((status, text)) => {
                    assert!(allowed.contains(&status), "{method} {path}: {status} {text}");
                    assert!(!text.contains("stolen"), "{method} {path}: {text}");
                }
            }
            if path == "/more-later" {
                // What comes while the connection lies idle; once another request is on it, nobody could tell.
                eventually("it has come", async || (liar.late.load(Ordering::SeqCst) > late).then_some(())).await;
            }
            // Whatever is left of it on a connection is nobody's answer.
            for round in 0..2 {
                let id = format!("after-{round}-{id}");
                assert_eq!(client.ask("GET", "/ok", &id).await, Some((200, id.clone())), "after {method} {path}");
            }
        }
    }
    assert!(!house.log.text().contains("stolen"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_answer_is_that_of_its_request() {
    let liar = Liar::start().await;
    let (house, cookies) = house(&liar).await;
    let mut workers = JoinSet::new();
    for worker in 0..24_usize {
        let mut client = Client::of(&house, &cookies[worker % cookies.len()]);
        workers.spawn(async move {
            for round in 0..40_usize {
                // Each goes through the lies in another order. Those that only wait would make it longer; and bytes that come when
                // the connection carries somebody else's request already are what HTTP/1.1 cannot tell from its answer.
                let (path, _) = LIES[(worker * 7 + round * 11) % LIES.len()];
                if !path.contains("silent") && path != "/half-closed" && path != "/more-later" {
                    let id = format!("{worker}-{round}-lie");
                    if let Some((status, text)) = client.ask("GET", path, &id).await {
                        assert!(status != 200 || text == id, "{path}: {text:?} for {id}");
                        assert!(!text.contains("stolen"), "{path}: {text}");
                    }
                }
                let id = format!("{worker}-{round}");
                let told = client.ask("GET", "/ok", &id).await;
                assert_eq!(told, Some((200, id.clone())), "after {path}");
            }
        });
    }
    while let Some(end) = workers.join_next().await {
        end.expect("a worker is content");
    }
    // The pool is well: one after another, they go over connections that are there.
    let before = liar.connections.load(Ordering::SeqCst);
    let mut client = Client::of(&house, &cookies[0]);
    for n in 0..20 {
        assert_eq!(client.ask("GET", "/ok", &format!("calm-{n}")).await, Some((200, format!("calm-{n}"))));
    }
    let fresh = liar.connections.load(Ordering::SeqCst) - before;
    assert!(fresh <= 10, "{fresh} new connections for 20 requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_killed_under_load_comes_back_as_if_nothing_had_been() {
    let liar = Liar::start().await;
    let (house, cookies) = house(&liar).await;
    let (served, failed, stop) =
        (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let mut workers = JoinSet::new();
    for worker in 0..12_usize {
        let mut client = Client::of(&house, &cookies[worker % cookies.len()]);
        let (served, failed, stop) = (served.clone(), failed.clone(), stop.clone());
        workers.spawn(async move {
            let mut n = 0;
            while stop.load(Ordering::SeqCst) == 0 {
                n += 1;
                let id = format!("{worker}-{n}");
                match client.ask("GET", "/ok", &id).await {
                    Some((200, text)) => {
                        assert_eq!(text, id);
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                    Some((status, text)) => {
                        assert_eq!(status, 502, "{text}");
                        failed.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    // Cut off within its body.
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
    }
    let mut liar = liar;
    for _ in 0..3 {
        let before = served.load(Ordering::SeqCst);
        eventually("some are served", async || (served.load(Ordering::SeqCst) > before + 100).then_some(())).await;
        let before = failed.load(Ordering::SeqCst);
        let port = liar.kill().await;
        eventually("some fail", async || (failed.load(Ordering::SeqCst) > before + 10).then_some(())).await;
        liar = Liar::start_on(port).await;
    }
    let before = served.load(Ordering::SeqCst);
    eventually("some are served", async || (served.load(Ordering::SeqCst) > before + 100).then_some(())).await;
    let before = failed.load(Ordering::SeqCst);
    let more = served.load(Ordering::SeqCst);
    eventually("all are", async || (served.load(Ordering::SeqCst) > more + 200).then_some(())).await;
    assert_eq!(failed.load(Ordering::SeqCst), before, "once it is back, nobody fails");
    stop.store(1, Ordering::SeqCst);
    while let Some(end) = workers.join_next().await {
        end.expect("a worker is content");
    }
    drop(house);
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    let liar = Liar::start().await;
    let (house, cookies) = house(&liar).await;
    let mut client = Client::of(&house, &cookies[0]);
    for (n, path) in
        ["/nothing", "/nothing-reset", "/half-head", "/half-head-reset"].iter().cycle().take(12).enumerate()
    {
        // A connection that is there already: it might have been closed for idling.
        assert!(client.ask("GET", "/ok", "warm").await.is_some());
        let id = format!("once-{n}");
        assert_eq!(client.ask("POST", path, &id).await.map(|(status, _)| status), Some(502), "{path}");
        assert_eq!(liar.asked.lock().expect("no test panics with the lock held")[&id], 1, "{path}");
    }
}
