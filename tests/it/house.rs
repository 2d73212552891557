//! A whole house for one test: the built gateway on ports the system chose, an app behind it, a mailbox, browsers.
//!
//! ```text
//! let house = House::start(OPEN).await;
//! let ann = house.browser("orders.test");
//! ann.log_in("ann@example.com").await;
//! ann.navigate("/orders").await.expect(200);
//! assert_eq!(house.upstream.last().header("X-Access-Email"), Some("ann@example.com"));
//! ```
//!
//! Nothing here sleeps to synchronise: `eventually` asks again until a condition holds or its deadline ends. When a house is
//! torn down it looks through everything the gateway logged: no cookie, token or address may stand there, and no panic.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::browser::{Answer, Browser};
use crate::mailbox::{Mailbox, support};
use crate::pki;
use crate::upstream::Upstream;
use crate::wire::Wire;
use crate::wire_h2::WireH2;

/// How long `eventually` asks.
const DEADLINE: Duration = Duration::from_secs(20);

/// The customers most stories need.
pub(crate) const PEOPLE: &str = "\
email,company_id,company,full_name,status,access_level,title,history_days,lang,region
ann@example.com,42,Acme Ltd,Ann Lee,active,manager,Head of Sales,30,en,EU
bob@example.com,42,Acme Ltd,Bob Ray,active,reader,Clerk,,de,EU
cat@example.com,42,Acme Ltd,Cat Moe,active,manager,Buyer,,en,EU
cat@example.com,43,Globex,Cat Moe,active,reader,Buyer,,en,EU
dup@example.com,42,Acme Ltd,Dup One,active,reader,Clerk,,en,EU
dup@example.com,42,Acme Ltd,Dup Two,active,manager,Clerk,,en,EU
eve@example.com,43,Globex,Eve Fox,active,reader,Clerk,,en,US
old@example.com,42,Acme Ltd,Old Hand,left,reader,Clerk,,en,EU
zoe@example.com,44,Übermaß & Söhne,Zoë Nguyễn,active,reader,Clerk,7,vi,EU
";

/// One app, everybody in the table may do everything.
pub(crate) const OPEN: &str = r#"
[source.crm]
url = "csv:people.csv"
refresh = "1s"

[app.orders]
domains = ["orders.test"]
upstream = "{{upstream}}"

[[app.orders.customers]]
source = "crm"
email = "email"
customer = "company_id"
customer_name = "company"
person = "full_name"
language = "lang"
days_back = "history_days"
where = 'row.status == "active"'
"#;

/// The same app with roles: readers read, managers also write their own customer's things.
pub(crate) const LADDER: &str = r#"
[source.crm]
url = "csv:people.csv"
refresh = "1s"

[app.orders]
domains = ["orders.test"]
upstream = "{{upstream}}"

[[app.orders.customers]]
source = "crm"
email = "email"
customer = "company_id"
customer_name = "company"
person = "full_name"
role = { column = "access_level" }
where = 'row.status == "active"'

[app.orders.role.reader]
rules = [ { deny = "* /admin/**" }, { allow = "GET /**" } ]

[app.orders.role.manager]
includes = ["reader"]
rules = [ { allow = "GET,POST /c/{customer.id}/**" }, { deny = "* /c/**" }, { allow = "POST /api/**" } ]
"#;

/// How long a walk through a browser may take, on a busy machine too.
const WALK: Duration = Duration::from_secs(600);

/// Walks through the house in a real Chromium, with one of `tests/support`'s scripts, which says `ok …` for all that it found
/// right: more than so many times. With `VESTIBULE_SHOTS` in the environment, it leaves pictures in that folder.
pub(crate) async fn walk(house: &House, script: &str, more_than: usize) {
    let (ca, told) = (house.dir.path().join("ca.pem"), house.dir.path().join("walk.txt"));
    std::fs::write(&ca, house.door.ca()).expect("the folder is writable");
    let all_it_says = std::fs::File::create(&told).expect("the folder is writable");
    let mut walk = tokio::process::Command::new("node");
    walk.arg(support().join(script)).arg("--ca").arg(ca).kill_on_drop(true);
    walk.args(["--port", &house.door.https().port().to_string(), "--mail", &house.mail.wait_url()]);
    walk.args(["--admin", &house.admin_address().port().to_string()]);
    if let Some(shots) = std::env::var_os("VESTIBULE_SHOTS") {
        walk.arg("--shots").arg(shots);
    }
    walk.stdout(all_it_says.try_clone().expect("a second handle")).stderr(all_it_says);
    let ended = tokio::time::timeout(WALK, walk.status()).await;
    let told = std::fs::read_to_string(told).expect("it is text");
    let status = ended.unwrap_or_else(|_| panic!("the walk stands still since:\n{told}")).expect("node is installed");
    assert!(status.success(), "{told}");
    assert!(told.matches("ok ").count() > more_than, "{told}");
}

/// Asks until the probe gives something, or fails saying what did not come about.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "in {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where the gateway listens now, and what must never show in its logs. Browsers hold it across restarts.
#[derive(Default)]
pub(crate) struct Door {
    addresses: Mutex<HashMap<String, SocketAddr>>,
    ca: OnceLock<String>,
    secrets: Mutex<Vec<String>>,
}

impl Door {
    /// The door of a gateway that somebody else started.
    pub(crate) fn of(https: SocketAddr, ca: &str) -> Self {
        let addresses = Mutex::new(HashMap::from([("https".to_owned(), https)]));
        Self { addresses, ca: OnceLock::from(ca.to_owned()), secrets: Mutex::default() }
    }

    fn address(&self, listener: &str) -> SocketAddr {
        let addresses = self.addresses.lock().expect("no test panics with the lock held");
        *addresses.get(listener).unwrap_or_else(|| panic!("no {listener} listener in {addresses:?}"))
    }

    /// The address of the TLS listener.
    pub(crate) fn https(&self) -> SocketAddr {
        self.address("https")
    }

    /// The CA to trust.
    pub(crate) fn ca(&self) -> &str {
        self.ca.get().expect("the house has started")
    }

    /// Remembers what no log line may hold.
    pub(crate) fn secret(&self, secret: &str) {
        self.secrets.lock().expect("no test panics with the lock held").push(secret.trim().to_owned());
    }
}

/// What a house is built from; each part has a default.
pub(crate) struct Plan {
    apps: String,
    server: String,
    tls: String,
    mail: Option<String>,
    login: String,
    session: String,
    files: Vec<(String, Vec<u8>)>,
    data: Option<PathBuf>,
    ca: Option<String>,
    upstream: Option<Upstream>,
    ports: (u16, u16),
}

impl Plan {
    /// The ports of plain HTTP and TLS, where somebody has to know them before.
    pub(crate) fn ports(mut self, http: u16, https: u16) -> Self {
        self.ports = (http, https);
        self
    }

    /// More keys of `[server]`.
    pub(crate) fn server(mut self, keys: &str) -> Self {
        self.server.push_str(keys);
        self
    }

    /// The keys of `[tls]` instead of `local_ca`, and the CA that clients trust.
    pub(crate) fn tls(mut self, keys: &str, ca: &str) -> Self {
        keys.clone_into(&mut self.tls);
        self.ca = Some(ca.to_owned());
        self
    }

    /// The mail server's URL instead of the mailbox's own.
    pub(crate) fn smtp(mut self, url: &str) -> Self {
        self.mail = Some(url.to_owned());
        self
    }

    /// The keys of `[login]`.
    pub(crate) fn login(mut self, keys: &str) -> Self {
        keys.clone_into(&mut self.login);
        self
    }

    /// The keys of `[session]`.
    pub(crate) fn session(mut self, keys: &str) -> Self {
        keys.clone_into(&mut self.session);
        self
    }

    /// The ways into an app that the config written so far has.
    pub(crate) fn ways(mut self, app: &str, ways: &str) -> Self {
        let table = format!("[app.{app}]\n");
        assert!(self.apps.contains(&table), "no {table:?}");
        self.apps = self.apps.replace(&table, &format!("{table}login = {ways}\n"));
        self
    }

    /// More tables of the config.
    pub(crate) fn config(mut self, tables: &str) -> Self {
        self.apps.push_str(tables);
        self
    }

    /// A file beside the config.
    pub(crate) fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((name.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// Another data folder.
    pub(crate) fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Another upstream than the plain one.
    pub(crate) fn upstream(mut self, upstream: Upstream) -> Self {
        self.upstream = Some(upstream);
        self
    }

    /// Writes the files without starting anything.
    pub(crate) async fn furnish(self) -> House {
        pki::provider();
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mail = Mailbox::new();
        let upstream = match self.upstream {
            Some(upstream) => upstream,
            None => Upstream::start().await,
        };
        let data = self.data.unwrap_or_else(|| dir.path().join("data"));
        let smtp = self.mail.unwrap_or_else(|| mail.url());
        let text = format!(
            "[server]\nhttps = \"127.0.0.1:{}\"\nhttp = \"127.0.0.1:{}\"\nadmin = \"127.0.0.1:0\"\ndata = {data:?}\n{}\n\
             [tls]\n{}\n[mail]\nsmtp = \"{smtp}\"\nfrom = \"Example <login@example.com>\"\nca = \"mail-ca.pem\"\n\
             [login]\n{}\n[session]\n{}\n{}",
            self.ports.1,
            self.ports.0,
            self.server,
            self.tls,
            self.login,
            self.session,
            self.apps.replace("{{upstream}}", &upstream.url()),
        );
        let config = dir.path().join("vestibule.toml");
        std::fs::write(&config, text).expect("the folder is writable");
        std::fs::write(dir.path().join("mail-ca.pem"), mail.ca()).expect("the folder is writable");
        std::fs::write(dir.path().join("people.csv"), PEOPLE).expect("the folder is writable");
        for (name, content) in self.files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder is writable");
            std::fs::write(path, content).expect("the folder is writable");
        }
        let door = Arc::<Door>::default();
        if let Some(ca) = self.ca {
            door.ca.set(ca).expect("set once");
        }
        House { dir, upstream, mail, door, config, gateway: None, successors: Vec::new(), log: Log::default() }
    }

    /// Writes the files and starts the gateway.
    pub(crate) async fn start(self) -> House {
        let mut house = self.furnish().await;
        house.start_again().await;
        house
    }
}

/// Every line the gateway wrote, over all its lives.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Reads a process's standard error in the background.
    fn follow(&self, child: &mut Child) {
        let error = child.stderr.take().expect("standard error is piped");
        let lines = self.0.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(error).lines().map_while(Result::ok) {
                lines.lock().expect("no test panics with the lock held").push(line);
            }
        });
    }

    /// Everything, as text.
    pub(crate) fn text(&self) -> String {
        self.0.lock().expect("no test panics with the lock held").join("\n")
    }

    /// Every event, as JSON; lines that are no JSON (a panic, say) are left out.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.0.lock().expect("no test panics with the lock held");
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The events with this message.
    pub(crate) fn named(&self, message: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["fields"]["message"] == message).collect()
    }

    /// The last event with this message, once there is one: what a process says comes a moment after what it does.
    pub(crate) async fn last(&self, message: &str) -> Value {
        eventually(message, async || self.named(message).pop()).await
    }

    /// Waits until these words have been said.
    pub(crate) async fn says(&self, words: &str) {
        eventually(words, async || self.text().contains(words).then_some(())).await;
    }
}

/// A furnished house, its gateway running or not.
pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) upstream: Upstream,
    pub(crate) mail: Mailbox,
    pub(crate) door: Arc<Door>,
    pub(crate) log: Log,
    config: PathBuf,
    gateway: Option<Child>,
    /// Processes that took over from the one that was started here.
    successors: Vec<u32>,
}

impl House {
    /// Plans a house with these apps and sources.
    pub(crate) fn plan(apps: &str) -> Plan {
        Plan {
            apps: apps.to_owned(),
            server: String::new(),
            tls: "local_ca = true".to_owned(),
            mail: None,
            login: String::new(),
            session: String::new(),
            files: Vec::new(),
            data: None,
            ca: None,
            upstream: None,
            ports: (0, 0),
        }
    }

    /// A house with these apps and defaults for the rest.
    pub(crate) async fn start(apps: &str) -> Self {
        Self::plan(apps).start().await
    }

    /// A browser that has never been here.
    pub(crate) fn browser(&self, host: &str) -> Browser {
        Browser::new(self.door.clone(), self.mail.clone(), host)
    }

    /// A bare TLS connection with this server name.
    pub(crate) async fn wire(&self, sni: &str) -> Wire {
        Wire::connect(self.door.https(), sni, self.door.ca()).await.expect("TLS")
    }

    /// A bare HTTP/2 connection with this server name.
    pub(crate) async fn wire_h2(&self, sni: &str) -> WireH2 {
        WireH2::connect(self.door.https(), sni, self.door.ca()).await
    }

    /// The plain-HTTP listener's address.
    pub(crate) fn http(&self) -> SocketAddr {
        self.door.address("http")
    }

    /// The admin listener's address.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.door.address("admin")
    }

    /// The `Host` value of a domain here.
    pub(crate) fn host(&self, domain: &str) -> String {
        format!("{domain}:{}", self.door.https().port())
    }

    /// Asks the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        if path.starts_with("/api/") {
            return self.api("GET", path, "").await;
        }
        plain_get(self.admin_address(), "127.0.0.1", path).await
    }

    /// Asks the API as a command on this machine does, with a JSON body or none.
    pub(crate) async fn api(&self, method: &str, path: &str, body: &str) -> Answer {
        self.api_as(&self.local_token(), method, path, body).await
    }

    /// Asks the API with a token.
    pub(crate) async fn api_as(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n{kind}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        plain(self.admin_address(), &request).await
    }

    /// The token that the gateway has left for commands on this machine.
    pub(crate) fn local_token(&self) -> String {
        let text = std::fs::read_to_string(self.data().join("api.json")).expect("the gateway has left it");
        let access: Value = serde_json::from_str(&text).expect("JSON");
        let token = access["token"].as_str().expect("a token").to_owned();
        self.door.secret(&token);
        token
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        let text = std::fs::read_to_string(&self.config).expect("the config");
        let data = text.lines().find_map(|line| line.strip_prefix("data = ")).expect("a data folder");
        self.dir.path().join(data.trim_matches('"'))
    }

    /// The sum of all samples of a metric whose line holds every one of these words.
    pub(crate) async fn metric(&self, words: &[&str]) -> f64 {
        let text = self.admin("/metrics").await.expect(200).text();
        let lines = text.lines().filter(|line| !line.starts_with('#') && words.iter().all(|word| line.contains(word)));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Writes a file beside the config in one step, as careful programs do.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let draft = self.dir.path().join(format!("{name}.new"));
        std::fs::write(&draft, content).expect("the folder is writable");
        std::fs::rename(draft, self.dir.path().join(name)).expect("the folder is writable");
    }

    /// Takes a person out of the CSV.
    pub(crate) fn remove_from_table(&self, email: &str) {
        let kept: Vec<&str> = PEOPLE.lines().filter(|line| !line.starts_with(email)).collect();
        self.write("people.csv", kept.join("\n"));
    }

    /// Starts the gateway on the same files; new ports.
    pub(crate) async fn start_again(&mut self) {
        self.start_as(vestibule()).await;
    }

    /// The same by another command, to which the gateway's own arguments are added.
    pub(crate) async fn start_as(&mut self, mut command: Command) {
        assert!(self.gateway.is_none(), "it still runs");
        let ready_before = self.log.named("ready").len();
        command.args(["--log-format", "json", "serve", "--config"]).arg(&self.config);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the binary starts");
        self.log.follow(&mut child);
        self.gateway = Some(child);
        let gateway = self.gateway.as_mut().expect("just set");
        let log = &self.log;
        eventually("the gateway is ready", async || {
            let gone = gateway.try_wait().expect("a child can be waited for");
            assert!(
                gone.is_none() || log.named("ready").len() > ready_before,
                "it ended with {gone:?}:\n{}",
                log.text()
            );
            (log.named("ready").len() > ready_before).then_some(())
        })
        .await;
        self.find_listeners();
        if self.door.ca.get().is_none() {
            let ca = self.command(&["ca"]);
            assert!(ca.status.success(), "{ca:?}");
            self.door.ca.set(String::from_utf8(ca.stdout).expect("PEM is text")).expect("set once");
        }
    }

    /// Learns where the gateway listens now.
    pub(crate) fn find_listeners(&self) {
        let mut addresses = self.door.addresses.lock().expect("no test panics with the lock held");
        for event in self.log.named("listening") {
            let field = |name: &str| event["fields"][name].as_str().expect("a listening event names it").to_owned();
            addresses.insert(field("listener"), field("address").parse().expect("a socket address"));
        }
    }

    /// Changes the config file, in one step.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.config).expect("the config");
        assert!(text.contains(from), "{from:?} stands in {text}");
        self.write("vestibule.toml", text.replacen(from, to, 1));
    }

    /// Has the gateway take up its config, and answers what it said.
    pub(crate) async fn reload(&self) -> Answer {
        self.api("POST", "/api/v1/reload", "").await
    }

    /// Ends the gateway at once, as a power cut would.
    pub(crate) fn kill9(&mut self) {
        let mut gateway = self.gateway.take().expect("it runs");
        gateway.kill().expect("it can be killed");
        gateway.wait().expect("it ends");
    }

    /// Asks the gateway to stop, without waiting.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends the gateway that serves now a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// The process that serves now.
    pub(crate) fn pid(&self) -> u32 {
        let started = || self.gateway.as_ref().expect("it runs").id();
        self.successors.last().copied().unwrap_or_else(started)
    }

    /// Lets the gateway hand over to a new process, as an operator does; what the command said when it does not.
    pub(crate) fn upgrade(&mut self) -> Result<u32, String> {
        let mut command = vestibule();
        command.arg("upgrade").arg("--config").arg(&self.config);
        let output = tokio::task::block_in_place(|| command.output()).expect("the binary starts");
        let told = printed(&output);
        if !output.status.success() {
            return Err(told);
        }
        let pid = told.split(' ').nth(1).and_then(|word| word.parse().ok());
        let pid = pid.unwrap_or_else(|| panic!("no process in {told:?}"));
        self.successors.push(pid);
        Ok(pid)
    }

    /// Waits until the gateway has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut gateway = self.gateway.take().expect("it runs");
        eventually("the gateway ends", async || gateway.try_wait().expect("a child can be waited for")).await
    }

    /// The memory that the gateway has in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has some");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// It has not crashed.
    pub(crate) fn runs(&mut self) -> bool {
        self.gateway.as_mut().is_some_and(|gateway| gateway.try_wait().expect("a child can be waited for").is_none())
    }

    /// Runs a command of the binary on this house's config.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        vestibule().args(arguments).arg("--config").arg(&self.config).output().expect("the binary starts")
    }

    /// The config file.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if self.gateway.is_some() {
            self.kill9();
        }
        for pid in self.successors.drain(..).filter(|pid| is_alive(*pid)) {
            signal(pid, "KILL");
        }
        let text = self.log.text();
        if std::thread::panicking() {
            eprintln!("--- the gateway's log ---\n{text}\n---");
            return;
        }
        assert!(!text.contains("panicked at"), "the gateway panicked:\n{text}");
        for secret in self.door.secrets.lock().expect("no test panics with the lock held").iter() {
            assert!(!text.contains(secret.as_str()), "the log holds {secret:?}:\n{text}");
        }
    }
}

/// Sends a process a signal.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(status.expect("kill exists").success());
}

/// Whether a process is still there, and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// The program that the stories are about: the one that was built with them, or another (`VESTIBULE_BINARY=… cargo test --test it`).
pub(crate) fn program() -> PathBuf {
    let other = std::env::var_os("VESTIBULE_BINARY")
        .map(|path| std::fs::canonicalize(path).expect("VESTIBULE_BINARY is a file"));
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_vestibule").into())
}

/// It, with nothing of this process's environment that could change it.
pub(crate) fn vestibule() -> Command {
    let mut command = Command::new(program());
    command.env_remove("RUST_LOG").env_remove("SMTP_PASSWORD").stderr(Stdio::piped());
    command
}

/// What a command printed, both streams together.
pub(crate) fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// One plain-HTTP request on a connection of its own.
pub(crate) async fn plain_get(address: SocketAddr, host: &str, path: &str) -> Answer {
    plain(address, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
}

/// Writes these bytes to a plain listener and reads the one answer.
pub(crate) async fn plain(address: SocketAddr, request: &str) -> Answer {
    plain_or_none(address, request).await.expect("it answers")
}

/// The same of one that may be gone, or go meanwhile.
pub(crate) async fn plain_or_none(address: SocketAddr, request: &str) -> Option<Answer> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut all = Vec::new();
    let _end = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut all)).await.expect("it closes when asked to");
    let text = String::from_utf8_lossy(&all).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok())?;
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Some(Answer { status, headers, body: body.as_bytes().to_vec() })
}
