//! Handshakes by name, challenge certificates, and what a proxy in front says, on real sockets.

use std::collections::HashMap;

use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CipherSuite, ClientConfig, HandshakeKind, NamedGroup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::house::*;
use super::*;
use crate::certificates::local_ca::OnDemand;
use crate::state::certificates::{
    Certificate, CertificateName, CertificateSet, CertificateSource, FetchError, Sources,
};
use crate::types::HostName;

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// A client's memory that offers what it has to everybody, as no honest client does.
#[derive(Debug)]
struct Indiscriminate(ClientSessionMemoryCache);

impl Indiscriminate {
    fn everybody() -> ServerName<'static> {
        ServerName::try_from("everybody.test").expect("a name")
    }
}

impl ClientSessionStore for Indiscriminate {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(Self::everybody(), group);
    }
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&Self::everybody())
    }
    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(Self::everybody(), value);
    }
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&Self::everybody())
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&Self::everybody());
    }
    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(Self::everybody(), value);
    }
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&Self::everybody())
    }
}

#[tokio::test]
async fn attack_03_a_ticket_for_one_name_opens_no_session_of_another() {
    let house = house(Scheme::Https, WIDE).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut config = ClientConfig::clone(&house.client(&[version], &[]));
        let memory = Arc::new(Indiscriminate(ClientSessionMemoryCache::new(8)));
        config.resumption = rustls::client::Resumption::store(memory);
        let config = Arc::new(config);
        for (name, expected) in [
            ("a.localhost", HandshakeKind::Full),
            ("b.localhost", HandshakeKind::Full),
            // It does offer what it has: for the same name that works.
            ("b.localhost", HandshakeKind::Resumed),
            ("a.localhost", HandshakeKind::Full),
        ] {
            let mut stream = house.tls(&config, name).await.expect("a handshake");
            let answer = ask(&mut stream, "/").await;
            assert!(answer.contains(&format!("https Http1 {name} ")), "{answer}");
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected), "{name} {version:?}");
        }
    }
}

#[tokio::test]
async fn aes_128_is_agreed_on_whatever_a_client_names_first() {
    let house = house(Scheme::Https, WIDE).await;
    for (version, expected) in [
        (&rustls::version::TLS13, CipherSuite::TLS13_AES_128_GCM_SHA256),
        (&rustls::version::TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ] {
        // This client names AES-256 first.
        let config = house.client(&[version], &[]);
        let stream = house.tls(&config, "a.localhost").await.expect("a handshake");
        let suite = stream.get_ref().1.negotiated_cipher_suite().map(|suite| suite.suite());
        assert_eq!(suite, Some(expected));
    }
}

/// A challenge certificate, as the room that orders makes them.
fn challenge(name: &str) -> Arc<rustls::sign::CertifiedKey> {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a signing key");
    Arc::new(rustls::sign::CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// What a client gets that offers these protocols for a name, and trusts only this certificate.
async fn challenged(house: &House, name: &str, offers: &[&[u8]], certificate: &CertificateDer<'static>) -> String {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).expect("a root");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = offers.iter().map(|offer| offer.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, house.plain().await);
    match connecting.await {
        Err(error) => error.to_string(),
        Ok(mut stream) => {
            let protocol =
                stream.get_ref().1.alpn_protocol().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
            let mut said = Vec::new();
            // An end that TLS tells of, and not a byte before it.
            stream
                .read_to_end(&mut said)
                .await
                .map_or_else(|error| error.to_string(), |read| format!("{protocol} {read}"))
        }
    }
}

#[tokio::test]
async fn attack_04_a_challenge_certificate_is_shown_to_exactly_who_asks_for_it() {
    let house = house(Scheme::Https, WIDE).await;
    let host = |name: &str| HostName::parse(name).expect("a host");
    let certificate = challenge("a.localhost");
    let published = house.challenges.publish_tls_alpn(host("a.localhost"), Arc::clone(&certificate));
    // One for a name that is not yet ours to serve: it is being proven.
    let coming = challenge("coming.localhost");
    let _coming = house.challenges.publish_tls_alpn(host("coming.localhost"), Arc::clone(&coming));
    let (certificate, coming) = (&certificate.cert[0], &coming.cert[0]);
    const ACME: &[u8] = b"acme-tls/1";
    assert_eq!(challenged(&house, "a.localhost", &[ACME], certificate).await, "acme-tls/1 0");
    assert_eq!(challenged(&house, "coming.localhost", &[ACME], coming).await, "acme-tls/1 0");
    for (name, offers) in [
        ("b.localhost", &[ACME][..]),
        ("c.localhost", &[ACME]),
        ("a.localhost", &[ACME, b"http/1.1"]),
        ("a.localhost", &[b"h2", ACME]),
        ("a.localhost", &[ACME, ACME]),
        ("127.0.0.1", &[ACME]),
    ] {
        let told = challenged(&house, name, offers, certificate).await;
        assert!(told.contains("UnrecognisedName"), "{name} {offers:?}: {told}");
    }
    // Whoever does not ask for it gets the true one.
    for offers in [&[][..], &[&b"http/1.1"[..]]] {
        let told = challenged(&house, "a.localhost", offers, certificate).await;
        assert!(told.contains("UnknownIssuer"), "{told}");
    }
    for odd in [&b"acme-tls/1.0"[..], b"ACME-TLS/1", b"acme-tls/2"] {
        let told = challenged(&house, "a.localhost", &[odd], certificate).await;
        assert!(told.contains("NoApplicationProtocol"), "{told}");
    }
    assert_eq!(ask(&mut house.h1().await, "/").await.matches("200 OK").count(), 1);
    drop(published);
    let told = challenged(&house, "a.localhost", &[ACME], certificate).await;
    assert!(told.contains("UnrecognisedName"), "{told}");
}

/// Sends a header, then a request, and gives what the gateway took the client for.
async fn through_a_proxy(house: &House, header: &[u8]) -> String {
    let mut stream = house.plain().await;
    let request = [header, b"GET /peer HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n"].concat();
    let _ = stream.write_all(&request).await;
    let said = rest(&mut stream).await;
    said.split_once("\r\n\r\n").map_or(said.clone(), |(head, body)| match body {
        "" => head.lines().next().unwrap_or_default().to_owned(),
        body => body.to_owned(),
    })
}

const FROM_LOOPBACK: Option<&str> = Some("127.0.0.0/8");
const FROM_ELSEWHERE: Option<&str> = Some("192.0.2.7/32");
const LINE: &[u8] = b"PROXY TCP4 203.0.113.9 198.51.100.1 56324 443\r\n";

fn binary(command: u8) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, 0x11, 0, 12, 203, 0, 113, 9, 198, 51, 100, 1, 0xDC, 0x04, 1, 187]);
    header
}

#[tokio::test]
async fn attack_08_a_trusted_proxy_must_say_whose_a_connection_is() {
    let house = house_with(Scheme::Http, WIDE, NOWHERE, FROM_LOOPBACK).await;
    assert_eq!(through_a_proxy(&house, LINE).await, "203.0.113.9:56324 via 127.0.0.1");
    assert_eq!(through_a_proxy(&house, &binary(0x21)).await, "203.0.113.9:56324 via 127.0.0.1");
    for unnamed in [&b"PROXY UNKNOWN\r\n"[..], &binary(0x20)] {
        assert_eq!(through_a_proxy(&house, unnamed).await, "itself");
    }
    assert_eq!(house.count(|counters| &counters.proxy_headers_refused), 0);
    let twice = [LINE, LINE].concat();
    assert_eq!(through_a_proxy(&house, &twice).await, "HTTP/1.1 400 Bad Request", "the second is the client's own");
    for bad in [&b""[..], b"PROXY TCP4 203.0.113.9 198.51.100.1 56324\r\n", &binary(0x31)] {
        assert_eq!(through_a_proxy(&house, bad).await, "", "{bad:?}");
    }
    assert_eq!(house.count(|counters| &counters.proxy_headers_refused), 3);
    // Somebody who only looks whether we are there is no news.
    drop(house.plain().await);
    house.until("closed", |counters| counters.open.load(Ordering::Relaxed) == 0).await;
    assert_eq!(house.count(|counters| &counters.proxy_headers_refused), 3);
}

#[tokio::test]
async fn attack_08_nobody_else_may_say_whose_a_connection_is() {
    let house = house_with(Scheme::Http, WIDE, NOWHERE, FROM_ELSEWHERE).await;
    for header in [LINE, &binary(0x21), &binary(0x20), b"PROXY UNKNOWN\r\n"] {
        assert_eq!(through_a_proxy(&house, header).await, "", "{header:?}");
    }
    assert_eq!(house.count(|counters| &counters.proxy_headers_refused), 4);
    assert!(through_a_proxy(&house, b"").await.starts_with("127.0.0.1:"));
    let house = house_with(Scheme::Http, WIDE, NOWHERE, None).await;
    assert_eq!(through_a_proxy(&house, LINE).await, "HTTP/1.1 400 Bad Request", "it is off");
    assert_eq!(through_a_proxy(&house, &binary(0x21)).await, "HTTP/1.1 400 Bad Request", "it is off");
    assert!(through_a_proxy(&house, b"").await.starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn a_proxys_header_comes_before_tls() {
    let house = house_with(Scheme::Https, WIDE, NOWHERE, FROM_LOOPBACK).await;
    let config = house.client(&[&rustls::version::TLS13], &[]);
    for header in [LINE, &binary(0x21)] {
        let mut socket = house.plain().await;
        socket.write_all(header).await.expect("sent");
        let name = ServerName::try_from("b.localhost").expect("a name");
        let mut stream = TlsConnector::from(Arc::clone(&config)).connect(name, socket).await.expect("a handshake");
        let answer = ask(&mut stream, "/peer").await;
        assert!(answer.ends_with("203.0.113.9:56324 via 127.0.0.1"), "{answer}");
    }
    house.tls(&config, "b.localhost").await.expect_err("it has no header");
    assert_eq!(house.count(|counters| &counters.proxy_headers_refused), 1);
}

#[tokio::test]
async fn attack_13_a_proxys_header_has_its_deadline() {
    let limits = Limits { header_read: Duration::from_millis(100), ..WIDE };
    for proxies in [FROM_LOOPBACK, FROM_ELSEWHERE] {
        let house = house_with(Scheme::Http, limits, NOWHERE, proxies).await;
        let mut stream = house.plain().await;
        if proxies == FROM_LOOPBACK {
            stream.write_all(b"PROXY TCP4 203.0").await.expect("sent");
        }
        assert_eq!(rest(&mut stream).await, "");
        assert_eq!(house.count(|counters| &counters.header_timeouts), 1);
    }
}

/// A store that answers for all names but one, for which it hangs.
struct HangsForB(Arc<OnDemand>);

#[async_trait::async_trait]
impl CertificateSource for HangsForB {
    async fn fetch(&self, name: &CertificateName) -> Result<Option<Certificate>, FetchError> {
        if name.to_string() == "b.localhost" {
            std::future::pending::<()>().await;
        }
        self.0.fetch(name).await
    }
}

#[tokio::test]
async fn attack_29_a_store_that_hangs_ends_its_own_handshakes_in_time_and_nobody_elses() {
    let house = house(Scheme::Https, Limits { header_read: Duration::from_secs(3), ..WIDE }).await;
    house.certificates.publish(CertificateSet::default());
    let store = Arc::new(HangsForB(Arc::clone(&house.ca)));
    house.certificates.fetch_from(Sources { store: Some(store), ..Sources::default() });
    let config = house.client(&[&rustls::version::TLS13], &[]);
    let hanging = futures_util::future::join_all((0..40).map(|_| house.tls(&config, "b.localhost")));
    let others = async {
        for _ in 0..5 {
            house.tls(&config, "a.localhost").await.expect("a handshake");
        }
        assert_eq!(house.count(|counters| &counters.handshake_failed), 0, "they did not wait for the others");
    };
    let (hung, ()) = tokio::join!(hanging, others);
    assert!(hung.iter().all(Result::is_err));
    assert_eq!(house.count(|counters| &counters.handshake_failed), 40);
}

#[tokio::test]
async fn many_names_at_once_each_get_their_own() {
    let house = house(Scheme::Https, WIDE).await;
    let config = house.client(&[&rustls::version::TLS13], &[]);
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for round in 0..20 {
        let name = NAMES[round % NAMES.len()];
        let (ours, strangers) = tokio::join!(house.tls(&config, name), house.tls(&config, "stranger.localhost"));
        strangers.expect_err("not ours");
        let answer = ask(&mut ours.expect("a handshake"), "/").await;
        assert!(answer.contains(&format!(" {name} local CA ")), "{answer}");
        *seen.entry(name).or_default() += 1;
    }
    assert_eq!(seen.len(), NAMES.len());
}
