//! Comes to ourselves as the world would: by the name's public addresses.
//!
//! Whoever keeps a name's DNS chooses where this goes, so it may be sent to any machine that this one reaches. Hence it carries
//! nothing secret and nothing that could be chosen: one fixed GET for a random token that is good for this look, or a handshake
//! and nothing after it. No redirect is followed, little is read, and what was read is shown to nobody: it is only put into one
//! of a few classes ([`Visit`]).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::domains::trouble::Visit;
use crate::session::Token;
use crate::state::challenges::{Challenges, HTTP_PREFIX, TLS_ALPN};
use crate::types::HostName;

/// How long one address has to accept, and then to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How much of an answer is read.
const MOST_BYTES: usize = 4096;

/// How many addresses of a name are tried. More than that is no set-up that leads here.
pub(super) const MOST_ADDRESSES: usize = 16;

/// By which door we come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::domains) enum Door {
    /// Plain HTTP, at this port.
    Http(u16),
    /// A handshake, at this port.
    Tls(u16),
}

/// Tries each address; what answered there.
pub(in crate::domains) async fn visit(
    challenges: &Arc<Challenges>,
    host: &HostName,
    addresses: &[IpAddr],
    door: Door,
) -> Vec<(IpAddr, Visit)> {
    let addresses = addresses.iter().take(MOST_ADDRESSES);
    match door {
        Door::Http(port) => {
            let (token, text) = (Token::generate().expose(), Token::generate().expose());
            let _published = challenges.publish_http(host.clone(), token.clone(), &text);
            let visits = addresses.map(|address| {
                let (token, text) = (token.as_str(), text.as_str());
                async move { (*address, by_http(host, SocketAddr::new(*address, port), token, text).await) }
            });
            futures_util::future::join_all(visits).await
        }
        Door::Tls(port) => {
            // One of an order under way is as good, and the authority may come for it any moment: it must not find ours.
            let (shown, published) = match challenges.tls_alpn(host) {
                Some(standing) => (standing, None),
                None => {
                    let Some(own) = a_certificate(host).map(Arc::new) else { return Vec::new() };
                    let published = challenges.publish_tls_alpn(host.clone(), Arc::clone(&own));
                    (own, Some(published))
                }
            };
            let _published = published;
            let expected = shown.cert.first().cloned();
            let visits = addresses.map(|address| {
                let expected = expected.as_ref();
                async move { (*address, by_tls(host, SocketAddr::new(*address, port), expected).await) }
            });
            futures_util::future::join_all(visits).await
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Visit> {
    match timeout(TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(match error.kind() {
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable => {
                Visit::NoRoute
            }
            io::ErrorKind::TimedOut => Visit::Timeout,
            _ => Visit::Refused,
        }),
        Err(_) => Err(Visit::Timeout),
    }
}

async fn by_http(host: &HostName, address: SocketAddr, token: &str, text: &str) -> Visit {
    let mut stream = match connect(address).await {
        Ok(stream) => stream,
        Err(visit) => return visit,
    };
    let request =
        format!("GET {HTTP_PREFIX}{token} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        // Some close with a reset once they have answered: what came before it counts.
        let mut part = [0; 1024];
        while answer.len() < MOST_BYTES && !is_ours(&answer, text) {
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => break,
                Ok(count) => answer.extend_from_slice(part.get(..count).unwrap_or_default()),
            }
        }
        io::Result::Ok(())
    };
    match timeout(TIMEOUT, exchange).await {
        Err(_) if answer.is_empty() => Visit::Timeout,
        Ok(Err(_)) => Visit::Refused,
        Ok(Ok(())) | Err(_) => classify(&answer, text),
    }
}

fn is_ours(answer: &[u8], text: &str) -> bool {
    status(answer) == Some(200) && answer.windows(text.len()).any(|window| window == text.as_bytes())
}

fn classify(answer: &[u8], text: &str) -> Visit {
    match status(answer) {
        Some(200) if is_ours(answer, text) => Visit::Here,
        Some(301 | 302 | 303 | 307 | 308) => Visit::Redirect,
        _ => Visit::Other,
    }
}

/// The status of an answer in HTTP/1.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r' || *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    line.split(' ').nth(1)?.parse().ok()
}

async fn by_tls(host: &HostName, address: SocketAddr, expected: Option<&CertificateDer<'static>>) -> Visit {
    let stream = match connect(address).await {
        Ok(stream) => stream,
        Err(visit) => return visit,
    };
    let Ok(name) = ServerName::try_from(host.as_str().to_owned()) else { return Visit::Other };
    let Some(config) = client() else { return Visit::Other };
    match timeout(TIMEOUT, tokio_rustls::TlsConnector::from(config).connect(name, stream)).await {
        Err(_) => Visit::Timeout,
        Ok(Err(_)) => Visit::Other,
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            if shown.is_some() && shown == expected { Visit::Here } else { Visit::Other }
        }
    }
}

/// A certificate that nobody else has: with it, whoever shows it is us. It proves nothing to anybody else.
fn a_certificate(host: &HostName) -> Option<CertifiedKey> {
    let key = rcgen::KeyPair::generate().ok()?;
    let parameters = rcgen::CertificateParams::new(vec![host.as_str().to_owned()]).ok()?;
    let certificate = parameters.self_signed(&key).ok()?;
    let key = rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = aws_lc_rs::sign::any_supported_type(&key).ok()?;
    Some(CertifiedKey::new(vec![certificate.der().clone()], key))
}

fn client() -> Option<Arc<ClientConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Anybody(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![TLS_ALPN.to_vec()];
    Some(Arc::new(config))
}

/// Takes any certificate: it is held against the one that we published once the handshake is done, and nothing is sent.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What a visit makes of a server that answers this, `{text}` standing for the token's text.
    async fn visit_to(answer: &'static str) -> Visit {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let host = HostName::parse("a.test").expect("a host");
        let challenges = Arc::new(Challenges::default());
        let served = {
            let (challenges, host) = (Arc::clone(&challenges), host.clone());
            async move {
                let (mut stream, _) = listener.accept().await.expect("a visit");
                let mut head = vec![0; 2048];
                let count = stream.read(&mut head).await.expect("a request");
                let head = String::from_utf8_lossy(&head[..count]).into_owned();
                assert!(head.contains("\r\nHost: a.test\r\n"), "{head}");
                let path = head.split(' ').nth(1).expect("a path");
                let text = challenges.http(&host, path).expect("it was published");
                let _ = stream.write_all(answer.replace("{text}", &text).as_bytes()).await;
                stream.flush().await.expect("flushed");
            }
        };
        let addresses = ["127.0.0.1".parse().expect("an address")];
        let visit = visit(&challenges, &host, &addresses, Door::Http(port));
        let (visits, ()) = tokio::join!(visit, served);
        visits[0].1
    }

    #[tokio::test]
    async fn only_our_own_text_counts_as_here() {
        assert_eq!(visit_to("HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n{text}").await, Visit::Here);
        assert_eq!(visit_to("HTTP/1.1 200 OK\r\n\r\nwelcome").await, Visit::Other);
        assert_eq!(visit_to("HTTP/1.1 404 Not Found\r\n\r\n{text}").await, Visit::Other);
        assert_eq!(visit_to("HTTP/1.1 301 Moved\r\nLocation: https://a.test/{text}\r\n\r\n").await, Visit::Redirect);
        assert_eq!(visit_to("SSH-2.0-x\r\n").await, Visit::Other);
        assert_eq!(visit_to("").await, Visit::Other);
    }

    #[tokio::test]
    async fn where_nothing_listens_it_is_refused_and_each_address_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let host = HostName::parse("a.test").expect("a host");
        let challenges = Arc::new(Challenges::default());
        let addresses = ["127.0.0.1", "127.0.0.2"].map(|address| address.parse().expect("an address"));
        let visits = visit(&challenges, &host, &addresses, Door::Http(port)).await;
        assert_eq!(visits, addresses.map(|address| (address, Visit::Refused)));
        assert_eq!(visit(&challenges, &host, &addresses, Door::Tls(port)).await[0].1, Visit::Refused);
    }

    #[tokio::test]
    async fn a_look_leaves_the_certificate_of_an_order_where_it_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let host = HostName::parse("a.test").expect("a host");
        let challenges = Arc::new(Challenges::default());
        let of_order = Arc::new(a_certificate(&host).expect("a certificate"));
        let _published = challenges.publish_tls_alpn(host.clone(), Arc::clone(&of_order));
        let is_there = || challenges.tls_alpn(&host).is_some_and(|shown| Arc::ptr_eq(&shown, &of_order));
        let addresses = ["127.0.0.1".parse().expect("an address")];
        let came = async {
            let visitor = listener.accept().await.expect("a visit");
            assert!(is_there(), "while somebody looks");
            drop(visitor);
        };
        tokio::join!(visit(&challenges, &host, &addresses, Door::Tls(port)), came);
        assert!(is_there(), "afterwards");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_to_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let flood = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a visit");
            let mut sent = 0_usize;
            while stream.write_all(&[b'a'; 4096]).await.is_ok() && sent < 100_000_000 {
                sent += 4096;
            }
            sent
        });
        let host = HostName::parse("a.test").expect("a host");
        assert_eq!(by_http(&host, address, "token", "text").await, Visit::Other);
        assert!(flood.await.expect("it ends") < 100_000_000);
    }
}
