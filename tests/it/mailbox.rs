//! Where mail arrives: one real SMTP server for the whole run, shared by every house under a user name of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;

use crate::pki::{self, Authority};

/// A mail as the server took it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mail {
    pub(crate) n: usize,
    pub(crate) tls: bool,
    pub(crate) to: Vec<String>,
    pub(crate) from: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) links: Vec<String>,
    pub(crate) headers: std::collections::HashMap<String, String>,
}

impl Mail {
    /// Whether it has a log-in link.
    pub(crate) fn is_log_in(&self) -> bool {
        self.links.iter().any(|link| is_log_in(link))
    }

    /// The log-in link; a mail must hold exactly one.
    pub(crate) fn link(&self) -> String {
        let ours: Vec<&String> = self.links.iter().filter(|link| is_log_in(link)).collect();
        assert_eq!(ours.len(), 1, "one log-in link in {:?}", self.links);
        ours[0].clone()
    }

    /// The token at the end of the link.
    pub(crate) fn token(&self) -> String {
        self.link().rsplit('/').next().expect("a link has slashes").to_owned()
    }

    /// The six-digit code; the text must hold exactly one.
    pub(crate) fn code(&self) -> String {
        let words = self.text.split(|c: char| !c.is_ascii_alphanumeric());
        let codes: Vec<&str> = words.filter(|w| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit())).collect();
        assert_eq!(codes.len(), 1, "one code in {:?}", self.text);
        codes[0].to_owned()
    }
}

fn is_log_in(link: &str) -> bool {
    link.contains("/.access/link/")
}

/// One house's part of the mail server.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    user: String,
}

#[derive(Debug, Deserialize)]
struct Ports {
    starttls: u16,
    implicit: u16,
    plain: u16,
    http: u16,
}

/// The server process and its certificate. The process ends when our end of its standard input closes.
struct Server {
    ports: Ports,
    ca: String,
    _process: Child,
    _folder: tempfile::TempDir,
}

/// Where the node scripts and their packages are.
pub(crate) fn support() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support")
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        assert!(
            support().join("node_modules").is_dir(),
            "the tests' node packages are missing: run tests/run once, or `npm ci` in tests/support"
        );
        let authority = Authority::new("Test mail CA");
        let leaf = authority.leaf(&["127.0.0.1", "localhost"]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (certificate, key) = (folder.path().join("mail.pem"), folder.path().join("mail.key"));
        let complaints = folder.path().join("complaints.txt");
        std::fs::write(&certificate, leaf.certificate).expect("the folder is writable");
        std::fs::write(&key, leaf.key).expect("the folder is writable");
        let mut process = Command::new("node")
            .arg(support().join("smtp-catcher.mjs"))
            .arg("--cert")
            .arg(certificate)
            .arg("--key")
            .arg(key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not ours: node would make it non-blocking for all who share it, and lines of the tests' own report would be lost.
            .stderr(std::fs::File::create(&complaints).expect("the folder is writable"))
            .spawn()
            .expect("node is installed");
        let mut line = String::new();
        let output = process.stdout.take().expect("standard output is piped");
        BufReader::new(output).read_line(&mut line).expect("the mail server says its ports");
        let ports = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("the mail server did not start: {}", std::fs::read_to_string(&complaints).unwrap_or_default())
        });
        Server { ports, ca: authority.pem, _process: process, _folder: folder }
    })
}

impl Mailbox {
    /// A mailbox that nobody else in this run uses.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        Self { user: format!("house-{}", COUNT.fetch_add(1, Ordering::SeqCst)) }
    }

    /// The mail server's CA.
    pub(crate) fn ca(&self) -> &'static str {
        &server().ca
    }

    /// Its address with STARTTLS, as the config file wants it.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// The same, through a relay at another port.
    pub(crate) fn url_at(&self, port: u16) -> String {
        format!("smtp+starttls://{}:gwpass@127.0.0.1:{port}", self.user)
    }

    /// Its address with TLS from the first byte.
    pub(crate) fn url_implicit(&self) -> String {
        format!("smtps://{}:gwpass@127.0.0.1:{}", self.user, server().ports.implicit)
    }

    /// Its address without TLS and without a user; such mail lands in a mailbox of its own.
    pub(crate) fn anonymous() -> (Self, String) {
        (Self { user: "anonymous".to_owned() }, format!("smtp://127.0.0.1:{}", server().ports.plain))
    }

    /// The STARTTLS port itself.
    pub(crate) fn port(&self) -> u16 {
        server().ports.starttls
    }

    /// Where to wait for mail from another process.
    pub(crate) fn wait_url(&self) -> String {
        format!("http://127.0.0.1:{}/wait?user={}", server().ports.http, self.user)
    }

    /// All mail that came, oldest first.
    pub(crate) async fn all(&self) -> Vec<Mail> {
        self.ask("messages", "").await.expect("the mail server lists its mail")
    }

    /// The first mail to this address.
    pub(crate) async fn wait(&self, to: &str) -> Mail {
        self.wait_after(to, 0).await
    }

    /// The first mail to this address that came after the one with this number.
    pub(crate) async fn wait_after(&self, to: &str, after: usize) -> Mail {
        let query = format!("&to={}&after={after}", to.replace('+', "%2B"));
        let mail: Option<Mail> = self.ask("wait", &query).await;
        mail.unwrap_or_else(|| panic!("no mail came to {to}"))
    }

    /// How many mails came to this address so far.
    pub(crate) async fn count_to(&self, to: &str) -> usize {
        self.all().await.iter().filter(|mail| mail.to.iter().any(|a| a.eq_ignore_ascii_case(to))).count()
    }

    /// The next deliveries fail in this way (see `smtp-catcher.mjs`).
    pub(crate) async fn fault(&self, kind: &str, times: usize) {
        let url =
            format!("http://127.0.0.1:{}/fault?user={}&kind={kind}&times={times}", server().ports.http, self.user);
        let answer = http().post(url).send().await.expect("the mail server answers");
        assert!(answer.status().is_success());
    }

    async fn ask<T: for<'a> Deserialize<'a>>(&self, path: &str, query: &str) -> Option<T> {
        let url = format!("http://127.0.0.1:{}/{path}?user={}{query}", server().ports.http, self.user);
        let answer = http().get(url).send().await.expect("the mail server answers");
        if !answer.status().is_success() {
            return None;
        }
        Some(answer.json().await.expect("the mail server speaks JSON"))
    }
}

fn http() -> reqwest::Client {
    pki::provider();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).tls_certs_only([]);
    client.build().expect("a plain client")
}
