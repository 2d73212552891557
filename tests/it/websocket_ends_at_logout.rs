//! A WebSocket lives as long as its session and no longer.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::house::{House, OPEN, eventually};

/// Reads until the socket is over; fails when it is not.
async fn over<S>(mut socket: tokio_tungstenite::WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let reading = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                return;
            }
        }
    };
    tokio::time::timeout(crate::wire::PATIENCE, reading).await.expect("the socket ends");
}

#[tokio::test]
async fn messages_go_both_ways() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut socket = ann.web_socket("/ws").await.expect("it opens");
    for text in ["one", "two", &"x".repeat(100_000)] {
        socket.send(Message::text(text)).await.expect("it is open");
        assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text(text));
    }
    let seen = house.upstream.last();
    assert_eq!(seen.header("x-access-email"), Some("ann@example.com"));
    assert!(!seen.text().contains("__Host-access"), "{}", seen.text());
    socket.close(None).await.expect("it closes");
    eventually("the upstream's end closes", async || (house.upstream.open_streams() == 0).then_some(())).await;
}

#[tokio::test]
async fn without_a_session_there_is_no_socket() {
    let house = House::start(OPEN).await;
    let nobody = house.browser("orders.test");
    assert_eq!(nobody.web_socket("/ws").await.err(), Some(401));
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn an_idle_socket_ends_at_logout() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let mut socket = ann.web_socket("/ws").await.expect("it opens");
    socket.send(Message::text("hello")).await.expect("it is open");
    socket.next().await.expect("an echo").expect("a message");
    ann.log_out().await;
    over(socket).await;
    eventually("the upstream's end closes", async || (house.upstream.open_streams() == 0).then_some(())).await;
}

#[tokio::test]
async fn another_sessions_socket_goes_on() {
    let house = House::start(OPEN).await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    bob.log_in("bob@example.com").await;
    let anns = ann.web_socket("/ws").await.expect("it opens");
    let mut bobs = bob.web_socket("/ws").await.expect("it opens");
    ann.log_out().await;
    over(anns).await;
    bobs.send(Message::text("still here")).await.expect("it is open");
    assert_eq!(bobs.next().await.expect("an echo").expect("a message"), Message::text("still here"));
}

#[tokio::test]
async fn a_socket_ends_when_its_session_is_ended_from_elsewhere() {
    let house = House::start(OPEN).await;
    let (desk, phone) = (house.browser("orders.test"), house.browser("orders.test"));
    desk.log_in("ann@example.com").await;
    phone.log_in("ann@example.com").await;
    let socket = phone.web_socket("/ws").await.expect("it opens");
    desk.post("/.access/sessions/end", &[("all", "1")]).await.expect(303);
    over(socket).await;
}

#[tokio::test]
async fn a_socket_ends_when_its_person_leaves_the_table() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let socket = ann.web_socket("/ws").await.expect("it opens");
    house.remove_from_table("ann@example.com");
    over(socket).await;
}

#[tokio::test]
async fn a_socket_ends_when_its_role_may_no_longer_open_it() {
    let house = House::start(crate::house::LADDER).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let apps = crate::house::PEOPLE.replace("Ann Lee,active,manager", "Ann Lee,active,nothing");
    let socket = ann.web_socket("/ws").await.expect("it opens");
    house.write("people.csv", apps);
    over(socket).await;
}

/// An app that says 101 before it has read the request, and then sends everything back.
async fn hasty_app() -> std::net::SocketAddr {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-accept: {}\r\n\r\n",
                    derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==")
                );
                stream.write_all(head.as_bytes()).await?;
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await
            });
        }
    });
    address
}

#[tokio::test]
async fn a_socket_stays_open_however_quick_the_app_is() {
    let app = format!("http://{}", hasty_app().await);
    let house = House::start(&OPEN.replace("{{upstream}}", &app)).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", ann.cookie_header()));
    for _ in 0..12 {
        let mut wire = house.wire("orders.test").await;
        let answer = wire
            .ask(&[
                "GET /ws HTTP/1.1",
                &host,
                &cookie,
                "connection: upgrade",
                "upgrade: websocket",
                "sec-websocket-version: 13",
                "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
            ])
            .await;
        assert_eq!(answer.expect("an answer").status, 101);
        wire.send("a first word").await;
        wire.read_until("a first word").await;
    }
}
