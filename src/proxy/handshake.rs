//! The TLS handshake: the ClientHello first, then the certificate, then the rest.
//!
//! A client says whom it wants before anything is decided, so a certificate may be fetched when it is first asked for. Who asks
//! for nobody of ours is told so, and costs a look-up in a table. The authority that looks for a challenge certificate
//! (RFC 8737) is shown that one and gets nothing else.

use std::io;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig, ServerConnection};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{Connection, Protocol, Scheme, TlsFacts};
use crate::state::certificates::{Certificate, Certificates};
use crate::state::challenges::{Challenges, TLS_ALPN};
use crate::types::HostName;

/// The fatal alert `unrecognized_name` (RFC 6066, section 3), as a record of its own; nothing is encrypted yet. The same for a
/// name that is not ours, one without a certificate, and none at all: nobody learns which names there are.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What the handshakes of a listener have in common.
pub struct Tls {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
    challenges: Arc<Challenges>,
}

/// What a handshake came to.
pub(super) enum Met {
    /// A client of one of our names, and the certificate it was served.
    Client(Box<TlsStream<TcpStream>>, Arc<Certificate>),
    /// An authority that has seen its challenge certificate.
    Challenged(Box<TlsStream<TcpStream>>),
}

impl Tls {
    /// TLS with these certificates, and the challenge certificates of orders under way.
    ///
    /// Versions 1.2 and 1.3, post-quantum key exchange first, HTTP/2 before HTTP/1.1. Tickets make a returning customer's
    /// handshake short. Their keys live in memory only and are replaced every six hours, and a ticket opens for twelve
    /// at most, so that a key stolen later tells little of the past. A ticket holds the name it was made for, and rustls
    /// opens it for no other. Early data stays off: it can be replayed.
    #[must_use]
    pub fn new(certificates: Arc<Certificates>, challenges: Arc<Challenges>) -> Arc<Self> {
        let mut config = config(Arc::new(Nobody));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        match aws_lc_rs::Ticketer::new() {
            Ok(ticketer) => config.ticketer = ticketer,
            Err(error) => tracing::warn!(%error, "no session tickets: every handshake will be a full one"),
        }
        Arc::new(Self { config: Arc::new(config), certificates, challenges })
    }

    /// Makes a handshake. Whoever calls keeps its time.
    pub(super) async fn accept(&self, socket: TcpStream) -> io::Result<Met> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        let hello = start.client_hello();
        let offers: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
        let name = hello.server_name().map(str::to_owned);
        if offers.contains(&TLS_ALPN) {
            let challenge = match (offers.as_slice(), name) {
                ([_], Some(name)) => HostName::parse(&name).ok().and_then(|host| self.challenges.tls_alpn(&host)),
                // An authority offers nothing beside it (RFC 8737, section 3).
                _ => None,
            };
            let Some(challenge) = challenge else { return refuse(start.io, "no such challenge").await };
            let mut config = config(Arc::new(This(challenge)));
            config.alpn_protocols = vec![TLS_ALPN.to_vec()];
            config.send_tls13_tickets = 0;
            return Ok(Met::Challenged(Box::new(start.into_stream(Arc::new(config)).await?)));
        }
        let certificate = match &name {
            Some(name) => self.certificates.serve(name).await,
            None => None,
        };
        let Some(certificate) = certificate else { return refuse(start.io, "no certificate for this name").await };
        // A copy of a few pointers for each connection costs less than one kept beside each certificate: it goes when the
        // connection goes, and with it the certificate, if that was replaced or dropped from the cache meanwhile.
        let mut config = ServerConfig::clone(&self.config);
        config.cert_resolver = Arc::new(This(Arc::clone(&certificate.key)));
        Ok(Met::Client(Box::new(start.into_stream(Arc::new(config)).await?), certificate))
    }
}

/// Notes what a handshake agreed.
pub(super) fn note(connection: &mut Connection, tls: &ServerConnection, certificate: Arc<Certificate>) {
    connection.scheme = Scheme::Https;
    if tls.alpn_protocol() == Some(b"h2") {
        connection.protocol = Protocol::Http2;
    }
    connection.server_name = tls.server_name().and_then(|name| HostName::parse(name).ok());
    connection.certificate = Some(certificate);
    connection.tls = Some(TlsFacts {
        version: tls.protocol_version().and_then(|version| version.as_str()).map_or(
            "unknown",
            |version| match version {
                "TLSv1_2" => "TLSv1.2",
                "TLSv1_3" => "TLSv1.3",
                other => other,
            },
        ),
        cipher: tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown"),
        key_exchange: tls.negotiated_key_exchange_group().and_then(|group| group.name().as_str()),
        resumed: tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
    });
}

/// The order of cipher suites: AES-128 first. It is as good as forever, and its SHA-256 is made by processors where SHA-384 is not, which is
/// an eighth of a whole handshake. Whoever offers no AES-128 gets what they offer.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 0,
        _ => 1,
    });
    provider
}

fn config(resolver: Arc<dyn ResolvesServerCert>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has cipher suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_half_rtt_data = false;
    config.max_early_data_size = 0;
    config
}

async fn refuse(mut socket: TcpStream, why: &'static str) -> io::Result<Met> {
    socket.write_all(&UNRECOGNIZED_NAME).await?;
    Err(io::Error::other(why))
}

/// The one certificate that was found for a handshake.
#[derive(Debug)]
struct This(Arc<CertifiedKey>);

impl ResolvesServerCert for This {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// No certificate at all; each handshake puts its own in this one's place.
#[derive(Debug)]
struct Nobody;

impl ResolvesServerCert for Nobody {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}
