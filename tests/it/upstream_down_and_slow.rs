//! The app is down, slow, or not itself: people are told so, and it is served again as soon as it is back.

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

use crate::house::{House, OPEN, eventually};

/// A way to a server that can be cut and mended: a relay on a port of its own.
pub(crate) struct Relay {
    port: u16,
    to: u16,
    /// Bound, so that nobody else gets the port; connections are refused as long as it does not listen.
    socket: Option<TcpSocket>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Relay {
    /// A relay to this port of loopback, cut at first.
    pub(crate) async fn to(to: u16) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback has a free port");
        Self { port: socket.local_addr().expect("it is bound").port(), to, socket: Some(socket), task: None }
    }

    /// The port to connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Mends the way, once.
    pub(crate) async fn up(&mut self) {
        let socket = self.socket.take().expect("it was cut");
        let listener = socket.listen(64).expect("it is bound");
        let to = self.to;
        self.task = Some(tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", to)).await.expect("the server is up");
                    let _end = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }));
    }

    /// Cuts it for new connections.
    pub(crate) async fn down(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _end = task.await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_gives_502_and_comes_back() {
    let upstream = crate::upstream::Upstream::start().await;
    let mut relay = Relay::to(upstream.address.port()).await;
    let apps = OPEN.replace("{{upstream}}", &format!("http://127.0.0.1:{}", relay.port()));
    let house = House::plan(&apps).upstream(upstream).start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;

    let page = ann.navigate("/").await.expect(502);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains(page.header("x-request-id")), "{}", page.text());
    assert!(!page.text().contains(&relay.port().to_string()), "no address of ours on the page: {}", page.text());
    assert_eq!(ann.web_socket("/ws").await.err(), Some(502));
    let answer = ann.fetch("/").await.expect(502);
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
    assert_eq!(answer.header("cache-control"), "no-store");

    relay.up().await;
    eventually("it is back", async || (ann.fetch("/").await.status == 200).then_some(())).await;
    relay.down().await;
}

#[tokio::test]
async fn an_upstream_that_is_slow_gives_504() {
    let apps = format!("{OPEN}\n[app.orders.timeouts]\nresponse = \"1s\"\n");
    let house = House::start(&apps).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/slow?ms=10").await.expect(200);
    ann.fetch("/slow?ms=30000").await.expect(504);
    let page = ann.navigate("/slow?ms=30000").await.expect(504);
    assert!(page.text().contains(page.header("x-request-id")), "{}", page.text());
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn an_upstream_that_speaks_no_http_gives_502() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/garbage").await.expect(502);
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn a_request_that_may_have_happened_is_not_sent_twice() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch_with("POST", "/garbage", "order=1").await.expect(502);
    assert_eq!(house.upstream.count(), 1);
}

#[tokio::test]
async fn the_apps_own_errors_pass_as_they_are() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    for status in [204, 304, 400, 401, 403, 404, 418, 500, 502, 503] {
        let answer = ann.fetch(&format!("/status/{status}")).await.expect(status);
        assert_eq!(answer.header("x-from-upstream"), "yes", "{status}");
        if !matches!(status, 204 | 304) {
            assert_eq!(answer.text(), "as asked", "{status}");
        }
    }
}
