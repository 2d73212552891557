//! Real certificate authorities, thrown away after each story, and what they look for: a responder that stands in for the gateway's
//! listeners where a story is about the order alone.
//!
//! Each authority ends with its story, however that ends: a script that watches its input holds it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener as Listener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vestibule::config::{Acme, Challenge, DnsHook};
use vestibule::domains::acme::{Authority, Settings};
use vestibule::state::certificates::CertificateName;
use vestibule::state::challenges::{Challenges, TLS_ALPN};
use vestibule::state::clock::Clock;
use vestibule::store::{self, SqliteStore};
use vestibule::types::HostName;

use crate::mailbox::support;
use crate::pki;

/// Ports that nobody has, and that nobody gets before those do for whom they are: below the ones that the system hands out by itself,
/// each handed out here once. Others who do the same begin elsewhere.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    const FIRST: u32 = 10_000;
    const MANY: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(997);
    let is_free = |port: &u16| Listener::bind(("127.0.0.1", *port)).is_ok();
    let next = || FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % MANY;
    let mut candidates = std::iter::repeat_with(next).filter_map(|port| u16::try_from(port).ok()).filter(is_free);
    [(); COUNT].map(|()| candidates.next().expect("one of so many is free"))
}

/// A running authority.
pub(crate) struct Ca {
    /// Its directory's address.
    pub(crate) directory: String,
    /// The resolver that it asks.
    pub(crate) dns: std::net::SocketAddr,
    dns_management: u16,
    folder: PathBuf,
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// How pebble is to be.
pub(crate) struct Pebble {
    /// Where it looks for proofs over HTTP, and over TLS.
    pub(crate) proofs: (u16, u16),
    /// How many seconds its certificates live.
    pub(crate) life: u32,
    /// Whether an account needs an external one.
    pub(crate) eab: bool,
    /// How many good nonces of a hundred it refuses.
    pub(crate) nonces_refused: u32,
}

impl Pebble {
    /// As its makers had it: it refuses some nonces.
    pub(crate) fn at(proofs: (u16, u16)) -> Self {
        Self { proofs, life: 90 * 86400, eab: false, nonces_refused: 5 }
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Ca {
        let [api, management, dns, dns_management] = free_ports();
        let (http, tls) = self.proofs;
        let ports = [api, management, http, tls, dns, dns_management].map(|port| port.to_string());
        let mut command = Command::new(support().join("pebble.sh"));
        command.env("PEBBLE_WFE_NONCEREJECT", self.nonces_refused.to_string());
        let more = [self.life.to_string(), if self.eab { "eab" } else { "" }.to_owned()];
        Ca::start(command, &[], ports.iter().chain(&more), format!("https://localhost:{api}/dir"), dns, dns_management)
    }
}

impl Ca {
    /// Starts one of the others: `caddy` or `acme2certifier`. It looks for proofs at ports 80 and 443 of the address.
    pub(crate) fn other(kind: &str, address: &str) -> Self {
        let [api, dns_management] = free_ports();
        let directory = match kind {
            "caddy" => format!("https://localhost:{api}/acme/local/directory"),
            _ => format!("https://localhost:{api}/directory"),
        };
        let more = [api.to_string(), address.to_owned(), dns_management.to_string()];
        let command = Command::new(support().join("authority.sh"));
        let mut ca = Self::start(command, &[kind], more.iter(), directory, 53, dns_management);
        ca.dns = format!("{address}:53").parse().expect("an address");
        ca
    }

    fn start<'a>(
        mut command: Command,
        before: &[&str],
        after: impl Iterator<Item = &'a String>,
        directory: String,
        dns: u16,
        dns_management: u16,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let mut process = command
            .args(before)
            .arg(&folder)
            .args(after)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is installed");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let dns = ([127, 0, 0, 1], dns).into();
        let mut ca = Self { directory, dns, dns_management, folder, process, input, output };
        assert_eq!(ca.answer(), "ready", "are the packages of the authority installed? tests/run does it");
        ca
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        line.trim().to_owned()
    }

    fn command(&mut self, command: &str) -> String {
        writeln!(self.input.as_ref().expect("it runs"), "{command}").expect("it listens");
        self.answer()
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        assert_eq!(self.command("kill"), "killed");
    }

    /// Starts it again: pebble has forgotten everything then.
    pub(crate) fn start_again(&mut self) {
        assert_eq!(self.command("start"), "ready");
    }

    /// The CA of its own certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.join("api-ca.pem")
    }

    /// The root of what pebble issues.
    pub(crate) fn root(&self) -> String {
        std::fs::read_to_string(self.folder.join("root.pem")).expect("it has written it")
    }

    /// The key of an external account at pebble, `kid-1`.
    pub(crate) fn eab_key(&self) -> String {
        std::fs::read_to_string(self.folder.join("eab.key")).expect("it has written it")
    }

    /// What pebble has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("pebble.log")).expect("it logs")
    }

    /// The port at which the DNS server is told what to say.
    pub(crate) const fn dns_management(&self) -> u16 {
        self.dns_management
    }

    /// Tells the DNS server where a host is.
    pub(crate) async fn place(&self, host: &str, address: &str) {
        let body = json!({ "host": format!("{host}."), "addresses": [address] });
        let url = format!("http://127.0.0.1:{}/add-a", self.dns_management);
        let answer = reqwest::Client::new().post(url).body(body.to_string()).send().await.expect("it answers");
        assert!(answer.status().is_success());
    }

    /// `[acme]` for it, as a config has it.
    pub(crate) fn table(&self) -> String {
        format!(
            "[acme]\ndirectory = {:?}\nca = {:?}\ncontact = \"ann@example.com\"\ndns = [\"{}\"]\n",
            self.directory,
            self.ca_file(),
            self.dns
        )
    }

    /// The same, as the gateway's own code has it.
    pub(crate) fn acme(&self) -> Acme {
        let text = self.table();
        let config = format!(
            "[server]\nhttps = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\ndata = \"data\"\n{text}\
             [source.s]\nurl = \"csv:p.csv\"\n[app.a]\nlogin = [\"okta\"]\ndomains = [\"a.test\"]\nupstream = \"http://127.0.0.1:1\"\n\
             [[app.a.customers]]\nsource = \"s\"\nemail = \"email\"\n\
             [login.oidc.okta]\nissuer = \"https://example.com\"\nclient_id = \"id\"\n"
        );
        let config = vestibule::config::parse(Path::new("v.toml"), &config, &|_| None);
        config.unwrap_or_else(|errors| panic!("{errors}")).acme.expect("it is there")
    }
}

impl Drop for Ca {
    fn drop(&mut self) {
        // The script ends when its input does, and with it the authority.
        self.input = None;
        let _ended = self.process.wait();
    }
}

/// Answers what an authority looks for, as the gateway's listeners do.
pub(crate) struct Responder {
    pub(crate) challenges: Arc<Challenges>,
    /// Where it answers over HTTP, and over TLS.
    pub(crate) ports: (u16, u16),
    /// Whether it has no answer over HTTP.
    pub(crate) http_is_lost: Arc<AtomicBool>,
    /// Whether it has none over TLS.
    pub(crate) tls_is_lost: Arc<AtomicBool>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Responder {
    /// On free ports.
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1", (0, 0)).await
    }

    /// At an address of its own, on the ports that the world comes to.
    pub(crate) async fn start_at(address: &str, ports: (u16, u16)) -> Self {
        pki::provider();
        let challenges = Arc::new(Challenges::default());
        let bind = async |port: u16| TcpListener::bind((address, port)).await.expect("the port is free");
        let (http, tls) = (bind(ports.0).await, bind(ports.1).await);
        let port = |listener: &TcpListener| listener.local_addr().expect("a bound socket has an address").port();
        let ports = (port(&http), port(&tls));
        let http_is_lost = Arc::new(AtomicBool::new(false));
        let tls_is_lost = Arc::new(AtomicBool::new(false));
        let shown = Shown { challenges: Arc::clone(&challenges), is_lost: Arc::clone(&tls_is_lost) };
        let tasks = [
            tokio::spawn(serve_http(http, Arc::clone(&challenges), Arc::clone(&http_is_lost))),
            tokio::spawn(serve_tls(tls, shown)),
        ];
        Self { challenges, ports, http_is_lost, tls_is_lost, tasks }
    }
}

async fn serve_http(listener: TcpListener, challenges: Arc<Challenges>, is_lost: Arc<AtomicBool>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (challenges, is_lost) = (Arc::clone(&challenges), Arc::clone(&is_lost));
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.windows(4).any(|window| window == b"\r\n\r\n") && stream.read_buf(&mut head).await? > 0 {}
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let host = head.lines().find_map(|line| line.strip_prefix("Host: ")).unwrap_or_default();
            let host = HostName::parse_authority(host.trim()).ok();
            let text = host.and_then(|host| challenges.http(&host, path)).filter(|_| !is_lost.load(Ordering::SeqCst));
            let (status, body) = text.map_or((404, "nothing".into()), |text| (200, text));
            let answer =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await
        });
    }
}

async fn serve_tls(listener: TcpListener, shown: Shown) {
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![TLS_ALPN.to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _closed = stream.shutdown().await;
            }
        });
    }
}

#[derive(Debug)]
struct Shown {
    challenges: Arc<Challenges>,
    is_lost: Arc<AtomicBool>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = HostName::parse(hello.server_name()?).ok()?;
        self.challenges.tls_alpn(&host).filter(|_| !self.is_lost.load(Ordering::SeqCst))
    }
}

/// An authority, a responder and a store: what an order needs, without a gateway around it.
pub(crate) struct Bench {
    pub(crate) ca: Ca,
    pub(crate) responder: Responder,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) acme: Acme,
    pub(crate) folder: TempDir,
}

impl Bench {
    /// With pebble, as its makers had it.
    pub(crate) async fn start() -> Self {
        Self::with(|pebble| pebble).await
    }

    /// With another pebble.
    pub(crate) async fn with(change: impl FnOnce(Pebble) -> Pebble) -> Self {
        let responder = Responder::start().await;
        let ca = change(Pebble::at(responder.ports)).start();
        Self::of(ca, responder).await
    }

    /// With one of the other authorities.
    pub(crate) async fn other(kind: &str) -> Self {
        // An address for each story of this run; other runs at the same time have others.
        static COUNT: AtomicU8 = AtomicU8::new(1);
        let [_, high, low, _] = std::process::id().to_be_bytes().map(|byte| byte % 250 + 2);
        let [.., last] = std::process::id().to_be_bytes();
        let address = format!("127.{}.{}.{}", high ^ (last % 100 + 1), low, COUNT.fetch_add(1, Ordering::SeqCst) + 1);
        let responder = Responder::start_at(&address, (80, 443)).await;
        Self::of(Ca::other(kind, &address), responder).await
    }

    async fn of(ca: Ca, responder: Responder) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = store::open(&folder.path().join("data")).await.expect("a store");
        Self { acme: ca.acme(), ca, responder, store: Arc::new(store), folder }
    }

    /// The authority as a gateway that has just started knows it.
    pub(crate) fn authority(&self) -> Authority {
        self.authority_of(&self.acme)
    }

    /// The same, with other settings.
    pub(crate) fn authority_of(&self, acme: &Acme) -> Authority {
        let authority = Authority::new(Arc::clone(&self.store) as _, Arc::clone(&self.responder.challenges), Clock);
        authority.apply(Some(Settings::new(acme, Clock).expect("the settings are right")));
        authority
    }

    /// `[acme]` with these challenges.
    pub(crate) fn by(&self, challenges: &[Challenge]) -> Acme {
        Acme { challenges: challenges.to_vec(), ..self.acme.clone() }
    }

    /// `[acme]` with a hook of this text, which gets a file to write into and the port of the DNS server's management first.
    pub(crate) fn with_hook(&self, text: &str) -> Acme {
        use std::os::unix::fs::PermissionsExt as _;
        let program = self.folder.path().join("hook");
        std::fs::write(&program, format!("#!/bin/sh\nset -eu\n{text}\n")).expect("the folder is writable");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
        let arguments = vec![self.hook_log().display().to_string(), self.ca.dns_management().to_string()];
        Acme { dns_hook: Some(DnsHook { program, arguments }), ..self.acme.clone() }
    }

    /// The file that the hook writes into.
    pub(crate) fn hook_log(&self) -> PathBuf {
        self.folder.path().join("hook.log")
    }
}

/// A certificate's name.
pub(crate) fn name(text: &str) -> CertificateName {
    CertificateName::parse(text).expect("a name")
}
