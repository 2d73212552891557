//! What the tests of listeners share: a listener on a real socket with Pingora behind it, and clients before it.

use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora::prelude::HttpPeer;
use pingora::proxy::{HttpProxy, ProxyHttp, Session};
use pingora_core::apps::HttpServerOptions;
use pingora_core::server::configuration::ServerConf;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::certificates::local_ca::OnDemand;
use crate::proxy::stream::EndGuard;
use crate::state::certificates::{CertificateSet, Certificates};
use crate::state::challenges::Challenges;
use crate::state::clock::Clock;
use crate::state::snapshot::{Current, Snapshot};
use crate::types::HostName;

/// Much longer than anything here takes, and still shorter than a person's patience.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Limits that no test reaches unless it changes them.
pub(super) const WIDE: Limits =
    Limits { connections: 100, header_read: Duration::from_secs(60), idle: Duration::from_secs(60) };

/// A gateway that answers by path.
struct Gateway {
    session_ended: CancellationToken,
    release: Arc<Notify>,
    news: mpsc::UnboundedSender<String>,
    upstream: SocketAddr,
}

#[async_trait::async_trait]
impl ProxyHttp for Gateway {
    type CTX = Option<EndGuard>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> pingora::Result<bool> {
        let connection = Connection::of(session).expect("our connection");
        connection.head_arrived();
        let path = session.req_header().uri.path().to_owned();
        self.news.send(path.clone()).expect("the test listens");
        match path.as_str() {
            "/up" => return Ok(false),
            "/tied" => {
                *ctx = Some(connection.end_with(self.session_ended.clone()));
                return Ok(false);
            }
            "/panic" => panic!("as the test asked"),
            "/release" => self.release.notified().await,
            "/hold" => {
                // As a WebSocket does: nothing to say, waiting for the other end.
                *ctx = Some(connection.end_with(self.session_ended.clone()));
                let ended = session.downstream_session.read_body_or_idle(true).await;
                self.news.send(format!("ended: {}", ended.is_err())).expect("the test listens");
                return Ok(true);
            }
            "/logout" => {
                *ctx = Some(connection.end_with(self.session_ended.clone()));
                self.session_ended.cancel();
            }
            _ => {}
        }
        let body = match path.as_str() {
            "/big" => "0123456789".repeat(100_000),
            "/peer" => match connection.via {
                Some(via) if via == connection.peer => "itself".to_owned(),
                Some(via) => format!("{} via {}", connection.peer, via.ip()),
                None => connection.peer.to_string(),
            },
            _ => describe(&connection),
        };
        let mut head = ResponseHeader::build(200, None)?;
        if session.req_header().uri.query() != Some("chunked") {
            head.insert_header("Content-Length", body.len())?;
        } else if connection.protocol == Protocol::Http1 {
            head.insert_header("Transfer-Encoding", "chunked")?;
        }
        session.write_response_header(Box::new(head), false).await?;
        for part in body.into_bytes().chunks(300_001) {
            session.write_response_body(Some(Bytes::copy_from_slice(part)), false).await?;
        }
        session.write_response_body(None, true).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Self::CTX) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn describe(connection: &Connection) -> String {
    let tls = connection.tls.map_or("-".to_owned(), |tls| {
        format!("{} {} {}", tls.version, tls.key_exchange.unwrap_or("-"), if tls.resumed { "resumed" } else { "full" })
    });
    let name = connection.server_name.as_ref().map_or("-", HostName::as_str);
    let certificate = connection.certificate.as_ref().map_or("-", |certificate| &certificate.origin);
    format!("{} {:?} {name} {certificate} {tls}", connection.scheme.as_str(), connection.protocol)
}

/// A running listener.
pub(super) struct House {
    pub(super) address: SocketAddr,
    pub(super) counters: Arc<ListenerCounters>,
    pub(super) challenges: Arc<Challenges>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) ca: Arc<OnDemand>,
    pub(super) session_ended: CancellationToken,
    pub(super) release: Arc<Notify>,
    pub(super) news: mpsc::UnboundedReceiver<String>,
    pub(super) shutdown: watch::Sender<bool>,
    pub(super) running: JoinHandle<()>,
    pub(super) roots: RootCertStore,
}

pub(super) const NAMES: [&str; 2] = ["a.localhost", "b.localhost"];

pub(super) async fn house(scheme: Scheme, limits: Limits) -> House {
    house_before(scheme, limits, ([127, 0, 0, 1], 9).into()).await
}

pub(super) async fn house_before(scheme: Scheme, limits: Limits, upstream: SocketAddr) -> House {
    house_with(scheme, limits, upstream, None).await
}

/// A house that these proxies come to with the PROXY protocol.
pub(super) async fn house_with(scheme: Scheme, limits: Limits, upstream: SocketAddr, proxies: Option<&str>) -> House {
    let _ = aws_lc_rs::default_provider().install_default();
    let data = tempfile::TempDir::new().expect("a folder");
    let now = Clock.now();
    let ca = crate::certificates::local_ca::open_or_create(data.path(), now).expect("an authority");
    let issue = |name| ca.issue(&HostName::parse(name).expect("a host"), now).expect("a certificate");
    let current = current();
    let certificates = Arc::new(Certificates::new(Clock, current, 100));
    certificates.publish(CertificateSet::new(NAMES.map(issue).into()));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).expect("a certificate")).expect("a root");

    let ca = Arc::new(OnDemand::new(ca, Clock));
    let challenges = Arc::new(Challenges::default());
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = socket.local_addr().expect("an address");
    let socket = Arc::new(socket);
    let counters = Arc::new(ListenerCounters::default());
    let listener = match scheme {
        Scheme::Http => Listener::http(socket, Arc::clone(&counters)),
        Scheme::Https => {
            let tls = Tls::new(Arc::clone(&certificates), Arc::clone(&challenges));
            Listener::https(socket, tls, Arc::clone(&counters))
        }
    };
    let (news_in, news) = mpsc::unbounded_channel();
    let session_ended = CancellationToken::new();
    let release = Arc::new(Notify::new());
    let gateway =
        Gateway { session_ended: session_ended.clone(), release: Arc::clone(&release), news: news_in, upstream };
    let mut proxy = HttpProxy::new(gateway, Arc::new(ServerConf::default()));
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(limits.idle);
    proxy.server_options = Some(options);
    proxy.handle_init_modules();
    let proxy = Arc::new(proxy);
    let (shutdown, watching) = watch::channel(false);
    let proxies = proxies.map(|network| [network.parse().expect("a network")].into());
    let serving = Serving { app: proxy, limits, proxies, grace: PATIENCE * 2 };
    let serving = Arc::new(ArcSwap::from_pointee(serving));
    let running = tokio::spawn(listener.run(serving, watching, CancellationToken::new(), Arc::default()));
    House { address, counters, challenges, certificates, ca, session_ended, release, news, shutdown, running, roots }
}

/// A snapshot that serves our names.
fn current() -> Arc<Current> {
    let text = format!(
        "[server]\nhttps = '127.0.0.1:0'\ndata = 'd'\n[tls]\nlocal_ca = true\n\
         [mail]\nsmtp = 'smtp://127.0.0.1:25'\nfrom = 'a@b.test'\n[source.s]\nurl = 'csv:s.csv'\n\
         [app.a]\ndomains = {NAMES:?}\nupstream = 'http://127.0.0.1:1'\n[[app.a.customers]]\nsource = 's'\nemail = 'email'\n"
    );
    let config = crate::config::parse(std::path::Path::new("t.toml"), &text, &|_| None).expect("a config");
    Arc::new(Current::new(Snapshot::new(&config)))
}

impl House {
    pub(super) async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    pub(super) fn client(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::builder_with_protocol_versions(versions)
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    pub(super) async fn tls(&self, config: &Arc<ClientConfig>, name: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        TlsConnector::from(Arc::clone(config)).connect(name, self.plain().await).await
    }

    pub(super) async fn h1(&self) -> TlsStream<TcpStream> {
        let config = self.client(&[&rustls::version::TLS13], &["http/1.1"]);
        self.tls(&config, "a.localhost").await.expect("a handshake")
    }

    pub(super) fn h2(&self) -> reqwest::Client {
        let config = Arc::unwrap_or_clone(self.client(&[&rustls::version::TLS13], &["h2"]));
        reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .resolve("a.localhost", self.address)
            .no_proxy()
            .build()
            .expect("a client")
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://a.localhost:{}{path}", self.address.port())
    }

    pub(super) async fn next(&mut self) -> String {
        timeout(PATIENCE, self.news.recv()).await.expect("news in time").expect("news")
    }

    pub(super) fn count(&self, counter: impl Fn(&ListenerCounters) -> &AtomicU64) -> u64 {
        counter(&self.counters).load(Ordering::Relaxed)
    }

    /// Waits for what another task does after the client has seen its part.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&ListenerCounters) -> bool) {
        let waiting = async {
            while !holds(&self.counters) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}: {:?}", self.counters));
    }
}

pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a.localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    answer(stream).await
}

/// Reads one answer of known length.
pub(super) async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut text = Vec::new();
    loop {
        let byte = timeout(PATIENCE, stream.read_u8()).await.expect("an answer in time");
        text.push(byte.unwrap_or_else(|error| panic!("{error} after {}", String::from_utf8_lossy(&text))));
        if text.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8(text).expect("a head");
    let length = head
        .to_ascii_lowercase()
        .split_once("content-length: ")
        .map_or(0, |(_, rest)| rest.lines().next().and_then(|length| length.parse().ok()).expect("a length"));
    let mut body = vec![0; length];
    timeout(PATIENCE, stream.read_exact(&mut body)).await.expect("a body in time").expect("a body");
    head + &String::from_utf8(body).expect("text")
}

/// Reads to the end, by `FIN` or reset.
pub(super) async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut text = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("an end in time");
    String::from_utf8_lossy(&text).into_owned()
}
