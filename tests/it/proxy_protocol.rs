//! A proxy of TCP connections stands in front and says by the PROXY protocol whose they are.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::browser::Browser;
use crate::house::{Door, House, OPEN, eventually, plain};

const TRUSTED: &str = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.0/8\", \"192.0.2.0/24\"]\n";

/// A proxy that begins each connection with the same bytes.
struct Proxy {
    address: SocketAddr,
    running: JoinHandle<()>,
}

impl Proxy {
    async fn start(to: SocketAddr, header: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let header = header.to_vec();
        let running = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let header = header.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(to).await.expect("the gateway listens");
                    server.set_nodelay(true).expect("a socket");
                    let _closed = server.write_all(&header).await;
                    let _closed = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, running }
    }

    /// A browser that comes through it.
    fn browser(&self, house: &House) -> Browser {
        Browser::new(Arc::new(Door::of(self.address, house.door.ca())), house.mail.clone(), "orders.test")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// A header of version 2 for TCP over IPv4, with what the specification lets a proxy add.
fn binary(source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    let fields = b"\x02\x00\x0borders.test\x04\x00\x02\x00\x00";
    header.extend(u16::try_from(12 + fields.len()).expect("short").to_be_bytes());
    header.extend(source);
    header.extend([127, 0, 0, 1, 0xDC, 0x04, 1, 187]);
    header.extend(fields);
    header
}

#[tokio::test]
async fn attack_08_the_client_is_whom_the_proxy_names_and_says_nothing_of_itself() {
    let house = House::plan(OPEN).server(TRUSTED).start().await;
    for (header, claims, expected) in [
        (b"PROXY TCP4 203.0.113.9 127.0.0.1 56324 443\r\n".to_vec(), "9.9.9.9", "203.0.113.9"),
        (b"PROXY TCP6 2001:db8::9 ::1 56324 443\r\n".to_vec(), "9.9.9.9", "2001:db8::9"),
        (binary([203, 0, 113, 10]), "127.0.0.1", "203.0.113.10"),
        // Behind it stands another proxy of ours, which does add the field.
        (binary([192, 0, 2, 7]), "198.51.100.4", "198.51.100.4, 192.0.2.7"),
        // It names nobody, so what stands in the request is the client's own word.
        (b"PROXY UNKNOWN\r\n".to_vec(), "9.9.9.9", "127.0.0.1"),
    ] {
        let proxy = Proxy::start(house.door.https(), &header).await;
        let bob = proxy.browser(&house);
        bob.log_in("bob@example.com").await;
        bob.send("GET", "/orders", &[("x-forwarded-for", claims)], "").await.expect(200);
        let told = house.upstream.last().header("x-forwarded-for").expect("an address").to_owned();
        assert_eq!(told, expected, "{}", String::from_utf8_lossy(&header));
        eventually("the log names the client", async || {
            let request = house.log.named("request").pop()?;
            request["fields"]["client"].as_str().is_some_and(|client| expected.starts_with(client)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn attack_08_a_header_of_the_clients_own_is_none() {
    let house = House::plan(OPEN).server(TRUSTED).start().await;
    let line = b"PROXY TCP4 203.0.113.9 127.0.0.1 56324 443\r\n";
    let twice = [&line[..], b"PROXY TCP4 9.9.9.9 127.0.0.1 1 443\r\n"].concat();
    let proxy = Proxy::start(house.door.https(), &twice).await;
    let failed = crate::wire::tls(proxy.address, "orders.test", house.door.ca(), &[]).await;
    failed.expect_err("what follows the header is TLS");
    // Without a header, the proxy would be taken for its client.
    let failed = crate::wire::tls(house.door.https(), "orders.test", house.door.ca(), &[]).await;
    failed.expect_err("a trusted proxy says whose it is");
    assert!(house.metric(&["vestibule_proxy_headers_refused_total"]).await >= 1.0);
    eventually("it is in the log", async || {
        house.log.text().contains("connections of a trusted proxy are refused").then_some(())
    })
    .await;
    crate::wire::tls(Proxy::start(house.door.https(), line).await.address, "orders.test", house.door.ca(), &[])
        .await
        .expect("a handshake");
}

#[tokio::test]
async fn attack_08_from_anybody_else_a_header_is_refused_and_none_is_fine() {
    let server = "proxy_protocol = true\ntrusted_proxies = [\"192.0.2.0/24\"]\n";
    let house = House::plan(OPEN).server(server).start().await;
    for header in [b"PROXY TCP4 203.0.113.9 127.0.0.1 56324 443\r\n".to_vec(), binary([192, 0, 2, 7])] {
        let proxy = Proxy::start(house.door.https(), &header).await;
        crate::wire::tls(proxy.address, "orders.test", house.door.ca(), &[]).await.expect_err("not trusted");
        let mut stream = TcpStream::connect(house.http()).await.expect("it listens");
        stream.write_all(&[&header[..], b"GET / HTTP/1.1\r\nhost: orders.test\r\n\r\n"].concat()).await.expect("sent");
        let mut said = Vec::new();
        let _closed = stream.read_to_end(&mut said).await;
        assert_eq!(said, b"");
    }
    assert_eq!(house.metric(&["vestibule_proxy_headers_refused_total"]).await, 4.0);
    eventually("it is in the log", async || {
        house.log.text().contains("name it in `server.trusted_proxies`").then_some(())
    })
    .await;
    house.wire("orders.test").await;
    let answer = plain(house.http(), "GET / HTTP/1.1\r\nhost: orders.test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(answer.status, 308);
}

#[tokio::test]
async fn plain_http_comes_through_the_proxy_too() {
    let house = House::plan(OPEN).server(TRUSTED).start().await;
    let proxy = Proxy::start(house.http(), b"PROXY TCP4 203.0.113.9 127.0.0.1 56324 80\r\n").await;
    let answer = plain(proxy.address, "GET / HTTP/1.1\r\nhost: orders.test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(answer.status, 308);
    let request = eventually("the request is in the log", async || house.log.named("request").pop()).await;
    assert_eq!(request["fields"]["client"], "203.0.113.9");
}
