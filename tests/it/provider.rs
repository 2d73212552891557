//! OpenID providers: npm's real one in one process for the whole run, each story with a provider of its own in it.
//!
//! ```text
//! let google = Provider::start().await;
//! let house = House::plan(OPEN_WITH_GOOGLE).provider("google", &google, "").start().await;
//! google.trust(&house, &["orders.test"]).await;
//! house.browser("orders.test").log_in_by_provider("google", "ann@example.com").await.expect(303);
//! ```
//!
//! The app's own table names its ways in: `login = ["email", "google"]`. A login at the provider is an address, which it has verified;
//! [`Provider::user`] says otherwise.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::house::{House, Plan};
use crate::mailbox::support;
use crate::pki::{self, Authority};

/// The client with a secret.
pub(crate) const CLIENT: &str = "gateway";
/// The client without one.
pub(crate) const PUBLIC_CLIENT: &str = "gateway-public";
/// The secret.
pub(crate) const CLIENT_SECRET: &str = "gateway-secret-gateway-secret-0001";

/// A provider of one story. It ends when it is dropped.
pub(crate) struct Provider {
    id: u64,
    issuer: String,
    is_https: bool,
    people: Mutex<serde_json::Map<String, Value>>,
}

/// What a provider was asked, and what went wrong there.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    counts: BTreeMap<String, usize>,
    /// Every log-out it told a client.
    pub(crate) backchannel: Vec<Told>,
    /// What it refused.
    pub(crate) log: Vec<String>,
}

/// A log-out as it was told to a client.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Told {
    /// Where.
    pub(crate) url: String,
    /// What the client answered; 0 for nothing.
    pub(crate) status: u16,
    /// The log-out token.
    pub(crate) token: String,
}

impl Report {
    /// How often something was asked for: `authorize`, `token:refresh_token`, `jwks`, `me`, `openid-configuration`.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.counts.get(kind).copied().unwrap_or(0)
    }
}

#[derive(Debug, Deserialize)]
struct Ports {
    control: u16,
}

#[derive(Debug, Deserialize)]
struct Born {
    id: u64,
    issuer: String,
}

/// The process. It ends when our end of its standard input closes.
struct Server {
    control: u16,
    _process: Child,
    _folder: tempfile::TempDir,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        assert!(
            support().join("node_modules/oidc-provider").is_dir(),
            "the tests' node packages are missing: run tests/run once, or `npm ci` in tests/support"
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let complaints = folder.path().join("complaints.txt");
        let mut process = Command::new("node")
            .arg(support().join("provider.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not ours: node would make it non-blocking for all who share it, and lines of the tests' own report would be lost.
            .stderr(std::fs::File::create(&complaints).expect("the folder is writable"))
            .spawn()
            .expect("node is installed");
        let mut line = String::new();
        let output = process.stdout.take().expect("standard output is piped");
        BufReader::new(output).read_line(&mut line).expect("the providers say their control port");
        let ports: Ports = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("the providers did not start: {}", std::fs::read_to_string(&complaints).unwrap_or_default())
        });
        Server { control: ports.control, _process: process, _folder: folder }
    })
}

/// The CA of all providers of this run that speak https.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("Test provider CA"))
}

async fn control(method: &str, path: &str, asked: &Value) -> Value {
    pki::provider();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).tls_certs_only([]);
    let client = client.build().expect("a plain client");
    let url = format!("http://127.0.0.1:{}/{path}", server().control);
    let request = client.request(method.parse().expect("a method"), url).body(asked.to_string());
    let answer = request.send().await.expect("the providers are there");
    let is_well = answer.status().is_success();
    let text = answer.text().await.expect("an answer is text");
    assert!(is_well, "{method} /{path}: {text}");
    serde_json::from_str(&text).expect("the control interface speaks JSON")
}

impl Provider {
    /// A provider on `http://127.0.0.1`.
    pub(crate) async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// A provider on `https://localhost` with a certificate of [`authority`].
    pub(crate) async fn start_https() -> Self {
        let leaf = authority().leaf(&["127.0.0.1", "localhost"]);
        Self::start_with(json!({ "tls": { "cert": leaf.certificate, "key": leaf.key } })).await
    }

    /// A provider with settings of its own; `provider.mjs` lists them.
    pub(crate) async fn start_with(settings: Value) -> Self {
        let born: Born = serde_json::from_value(control("POST", "", &settings).await).expect("a provider is born");
        let is_https = born.issuer.starts_with("https:");
        Self { id: born.id, issuer: born.issuer, is_https, people: Mutex::default() }
    }

    /// Its issuer identifier.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its table for the config file, with these keys besides.
    pub(crate) fn toml(&self, name: &str, more: &str) -> String {
        let secret = format!("client_secret = \"{CLIENT_SECRET}\"\n{more}");
        self.toml_of(name, CLIENT, &secret)
    }

    /// The same, as a public client.
    pub(crate) fn toml_public(&self, name: &str, more: &str) -> String {
        self.toml_of(name, PUBLIC_CLIENT, more)
    }

    fn toml_of(&self, name: &str, client: &str, more: &str) -> String {
        let ca = if self.is_https { "ca = \"provider-ca.pem\"\n" } else { "" };
        format!("\n[login.oidc.{name}]\nissuer = \"{}\"\nclient_id = \"{client}\"\n{ca}{more}\n", self.issuer)
    }

    /// Knows a house: these domains may take people back and hear of log-outs, and its CA is trusted. To be called once the house has
    /// started, and again when it has started anew. The first domain is told of log-outs.
    pub(crate) async fn trust(&self, house: &House, domains: &[&str]) {
        let all = |paths: &[&str]| -> Vec<String> {
            let origins = domains.iter().map(|domain| format!("https://{}", house.host(domain)));
            origins.flat_map(|origin| paths.iter().map(move |path| format!("{origin}{path}"))).collect()
        };
        self.set(json!({
            "redirect_uris": all(&["/.access/oidc/callback"]),
            "post_logout_redirect_uris": all(&["/.access/logged-out", "/.access/oidc/logged-out"]),
            "backchannel": all(&["/.access/oidc/backchannel"]).first(),
            "client_ca": house.door.ca(),
        }))
        .await;
    }

    /// Changes settings; `provider.mjs` lists them.
    pub(crate) async fn set(&self, settings: Value) {
        control("PATCH", &self.id.to_string(), &settings).await;
    }

    /// Says who a login is: `sub`, `email`, `email_verified`, `name`, `groups`, anything; null takes a claim away, and `"gone":true` the
    /// person. Left out, a login is an address, and verified.
    pub(crate) async fn user(&self, login: &str, claims: Value) {
        let users = {
            let mut people = self.people.lock().expect("no test panics with the lock held");
            people.insert(login.to_owned(), claims);
            people.clone()
        };
        self.set(json!({ "users": users })).await;
    }

    /// What happens to the next requests to a path (`token`, `jwks`, `openid-configuration`, …): `delay` of some milliseconds, a
    /// `status` instead of an answer, or `lose`, when all is done but the answer never comes.
    pub(crate) async fn fault(&self, path: &str, kind: &str, number: u64, times: usize) {
        let fault = json!({ "path": path, "kind": kind, "ms": number, "status": number, "times": times });
        self.set(json!({ "faults": [fault] })).await;
    }

    /// A new signing key instead of the old one.
    pub(crate) async fn rotate_keys(&self) {
        self.tell("rotate", json!({})).await;
    }

    /// A new signing key before the old one, which stays.
    pub(crate) async fn add_key(&self) {
        self.tell("rotate", json!({ "keep": true })).await;
    }

    /// Listens no more, and breaks every connection.
    pub(crate) async fn down(&self) {
        self.tell("down", json!({})).await;
    }

    /// Listens again, where it did before.
    pub(crate) async fn up(&self) {
        self.tell("up", json!({})).await;
    }

    /// Every grant and token of a person ends.
    pub(crate) async fn revoke(&self, login: &str) {
        self.tell("revoke", json!({ "login": login })).await;
    }

    /// Logs a person out at the provider and tells the clients, every session of theirs or the one with this `sid`.
    pub(crate) async fn log_out(&self, login: &str, sid: Option<&str>) {
        self.tell("logout", json!({ "login": login, "sid": sid })).await;
    }

    /// What it was asked so far.
    pub(crate) async fn report(&self) -> Report {
        serde_json::from_value(control("GET", &self.id.to_string(), &Value::Null).await).expect("a report")
    }

    /// How often something was asked for; see [`Report::count`].
    pub(crate) async fn count(&self, kind: &str) -> usize {
        self.report().await.count(kind)
    }

    async fn tell(&self, verb: &str, asked: Value) {
        control("POST", &format!("{}/{verb}", self.id), &asked).await;
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Nothing can be awaited here, and nobody has to hear the answer; with the whole run it ends anyway.
        if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", server().control)) {
            let request = format!("DELETE /{} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", self.id);
            let _whatever = stream.write_all(request.as_bytes());
        }
    }
}

impl Plan {
    /// A provider under this name, with more keys of its table. Apps name it in their `login`.
    pub(crate) fn provider(self, name: &str, provider: &Provider, more: &str) -> Self {
        self.config(&provider.toml(name, more)).file("provider-ca.pem", &authority().pem)
    }

    /// The same, as a public client.
    pub(crate) fn public_provider(self, name: &str, provider: &Provider, more: &str) -> Self {
        self.config(&provider.toml_public(name, more)).file("provider-ca.pem", &authority().pem)
    }
}
