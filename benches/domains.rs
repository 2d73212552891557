//! A hundred thousand domains, each with a stored certificate: how long a gateway takes to start, what memory it has then and
//! with ten thousand certificates in use, and how long a handshake takes the first time and the next.
//!
//! The store is filled by the gateway's own code, as if the certificates had been ordered: a leaf with a P-256 key and an
//! intermediate each. Then the gateway starts as it would the first time, again, and once more without the table's file, so that
//! its domains are those that the store knows. Each time, the certificates of the hot ones are asked for twice.
//!
//! Memory is what the process has (VmRSS) and what of it is its own (RssAnon), as the kernel says in /proc, a while after the
//! start, and after each round; the most it ever had (VmHWM) is told, and promised to nobody. The time to start is from the
//! process's begin to its log's "ready"; the last of all names must be served at once then. Each handshake is a full one, over
//! TLS 1.3, on a connection of its own from this machine; four are under way at a time, so a core is shared with the client.
//!
//! usage: `cargo bench --bench domains [-- --domains 100000 --hot 10000 --in table|config --acme]`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::zombie_processes,
    reason = "it prints, goes by the clock, and whatever fails ends it"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use vestibule::certificates::stored;
use vestibule::state::certificates::CertificateName;
use vestibule::state::issuance::{CertificateStore, StoredCertificate, Times};
use vestibule::store::{self, SqliteStore};
use vestibule::types::Secret;

/// What issue and docs promise of a hundred thousand domains, ten thousand of them hot.
const MOST_START: Duration = Duration::from_secs(2);
const MOST_KIB: u64 = 150 * 1024;
const PROMISED: (usize, usize) = (100_000, 10_000);

const AT_A_TIME: usize = 4;

/// How long after a start its memory is looked at.
const IDLE: Duration = Duration::from_secs(3);

struct Plan {
    domains: usize,
    hot: usize,
    place: String,
    orders: bool,
}

fn main() {
    let mut plan = Plan { domains: PROMISED.0, hot: PROMISED.1, place: "table".to_owned(), orders: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap();
        match argument.as_str() {
            "--domains" => plan.domains = value().parse().unwrap(),
            "--hot" => plan.hot = value().parse().unwrap(),
            "--in" => plan.place = value(),
            "--acme" => plan.orders = true,
            // What cargo itself adds.
            _ => {}
        }
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(run(&plan));
}

async fn run(plan: &Plan) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let authority = fill(folder.path(), plan.domains).await;
    println!("{} domains with a certificate each, made in {:.0?}", plan.domains, began.elapsed());
    let config = write_config(folder.path(), plan);

    let mut roots = RootCertStore::empty();
    roots.add(authority).unwrap();
    let mut client = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    let client = Arc::new(client);
    let mut holds = life("the first start", &config, plan, &client).await;
    holds &= life("a restart", &config, plan, &client).await;
    if plan.place == "table" {
        fs::remove_file(folder.path().join("domains.csv")).unwrap();
        holds &= life("a restart without the table", &config, plan, &client).await;
    }
    if (plan.domains, plan.hot) == PROMISED && !cfg!(debug_assertions) {
        let kept = if holds { "kept" } else { "BROKEN" };
        println!("\npromised: ready within {MOST_START:?}, below {} MiB: {kept}", MOST_KIB / 1024);
        folder.close().unwrap();
        std::process::exit(i32::from(!holds));
    }
}

/// A gateway's life, from its start through two rounds of handshakes. Answers whether it keeps what is promised.
async fn life(what: &str, config: &Path, plan: &Plan, client: &Arc<ClientConfig>) -> bool {
    let began = Instant::now();
    let gateway = Gateway::start(config);
    let start = began.elapsed();
    handshake(gateway.https, client, &name(plan.domains - 1)).await.expect("whoever is ready serves");
    tokio::time::sleep(IDLE).await;
    let step = (plan.domains / plan.hot.max(1)).max(1);
    let names: Vec<String> = (0..plan.hot.min(plan.domains)).map(|number| name(number * step)).collect();
    let idle = gateway.memory();
    let cold = handshakes(gateway.https, client, &names).await;
    let hot = gateway.memory();
    let warm = handshakes(gateway.https, client, &names).await;
    let after = gateway.memory();
    let most = gateway.status("VmHWM:");
    drop(gateway);

    println!("\n{what}\nready after                {start:>8.2?}");
    for (when, (rss, own)) in [("idle", idle), ("with the hot ones", hot), ("after the second round", after)] {
        println!("memory {when:<24} {:>5.1} MiB, of its own {:>5.1} MiB", mib(rss), mib(own));
    }
    println!("memory at its most              {:>5.1} MiB", mib(most));
    for (which, times) in [("first", cold), ("next", warm)] {
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        println!("handshake, {which:<6} half in {:>8.2?}, 99 % in {:>8.2?}, all in {:>8.2?}", at(50), at(99), at(100));
    }
    start < MOST_START && idle.0.max(hot.0).max(after.0) < MOST_KIB
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn name(number: usize) -> String {
    format!("portal.customer-{number:06}.example")
}

/// Makes a store with a certificate for each domain; gives the root.
async fn fill(folder: &Path, domains: usize) -> CertificateDer<'static> {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let (root_key, middle_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (root, middle) = (authority("Root"), authority("Intermediate"));
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let root = Issuer::new(root, root_key);
    let middle_pem = middle.signed_by(&middle_key, &root).unwrap().pem();
    let middle = Arc::new(Issuer::new(middle, middle_key));

    // In memory first, where there is such a place: the store writes each one to disk before it goes on.
    let shared = Path::new("/dev/shm");
    let draft = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap();
    let store = Arc::new(store::open(draft.path()).await.unwrap());
    let mut makers = JoinSet::new();
    for part in 0..AT_A_TIME {
        let (store, middle, middle_pem) = (Arc::clone(&store), Arc::clone(&middle), middle_pem.clone());
        makers.spawn(async move {
            for number in (part..domains).step_by(AT_A_TIME) {
                put(&store, &name(number), &middle, &middle_pem).await;
            }
        });
    }
    makers.join_all().await;
    tell_of_reading(&store, domains.min(1000)).await;
    store.close().await;
    drop(store);
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    for entry in fs::read_dir(draft.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), data.join(entry.file_name())).unwrap();
    }
    CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap()
}

/// How long it takes to get one from the store, and to read it.
async fn tell_of_reading(store: &SqliteStore, many: usize) {
    let (mut fetched, mut read) = (Vec::new(), Vec::new());
    for number in 0..many {
        let name = CertificateName::parse(&name(number)).unwrap();
        let began = Instant::now();
        let stored = store.certificate(&name).await.unwrap().unwrap();
        fetched.push(began.elapsed());
        let began = Instant::now();
        drop(stored::certificate(&stored).unwrap());
        read.push(began.elapsed());
    }
    for (what, mut times) in [("fetched", fetched), ("read", read)] {
        times.sort();
        println!("a certificate is {what:<9} half in {:>8.2?}", times[times.len() / 2]);
    }
}

async fn put(store: &SqliteStore, host: &str, issuer: &Issuer<'static, KeyPair>, issuer_pem: &str) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([host.to_owned()]).unwrap();
    let leaf = params.signed_by(&key, issuer).unwrap().pem();
    let (now, day) = (Timestamp::now(), SignedDuration::from_hours(24));
    let times =
        Times { not_before: now - day, not_after: now + day * 89, renew_at: now + day * 59, ask_again: now + day };
    let name = CertificateName::parse(host).unwrap();
    let chain = format!("{leaf}{issuer_pem}");
    let certificate = StoredCertificate { name, chain, key: Secret::new(key.serialize_pem()), times };
    store.put_certificate(&certificate).await.unwrap();
}

fn write_config(folder: &Path, plan: &Plan) -> PathBuf {
    let mut text = format!(
        "[server]\nhttps = '127.0.0.1:0'\ndata = {:?}\n[tls]\ncerts = 'certs'\n\
         [mail]\nsmtp = 'smtp://127.0.0.1:9'\nfrom = 'a@b.test'\n\
         [source.people]\nurl = 'csv:people.csv'\n[source.domains]\nurl = 'csv:domains.csv'\n",
        folder.join("data")
    );
    let mut table = "host,customer\n".to_owned();
    if plan.orders {
        // Nobody is there, and as the certificates are new, nobody is asked but for renewals.
        text.push_str("[acme]\ndirectory = 'https://127.0.0.1:1/directory'\ndns = ['127.0.0.1:1']\n");
    }
    text.push_str("[app.portal]\nupstream = 'http://127.0.0.1:9'\n");
    match plan.place.as_str() {
        "table" => {
            text.push_str("domains = ['portal.example']\n[[app.portal.domains_from]]\nsource = 'domains'\nhost = 'host'\ncustomer = 'customer'\n");
            for number in 0..plan.domains {
                writeln!(table, "{},{number}", name(number)).unwrap();
            }
        }
        _ => {
            let names: Vec<String> = (0..plan.domains).map(|number| format!("{:?}", name(number))).collect();
            writeln!(text, "domains = [{}]", names.join(", ")).unwrap();
        }
    }
    text.push_str("[[app.portal.customers]]\nsource = 'people'\nemail = 'email'\ncustomer = 'customer'\n");
    fs::create_dir(folder.join("certs")).unwrap();
    fs::write(folder.join("people.csv"), "email,customer\nann@example.com,1\n").unwrap();
    fs::write(folder.join("domains.csv"), table).unwrap();
    let config = folder.join("vestibule.toml");
    fs::write(&config, text).unwrap();
    config
}

/// A gateway that runs until this is dropped.
struct Gateway {
    process: Child,
    https: SocketAddr,
}

impl Gateway {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(["--log-format", "json", "serve", "--config"]).arg(config);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut https = None;
        let mut said = String::new();
        for line in lines.by_ref() {
            let line = line.unwrap();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let fields = &event["fields"];
            if fields["listener"] == "https" {
                https = fields["address"].as_str().map(|address| address.parse().unwrap());
            }
            if fields["message"] == "ready" {
                // A pipe that nobody reads would stop it in the end.
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return Self { process, https: https.unwrap() };
            }
            said = said + &line + "\n";
        }
        panic!("it ended:\n{said}");
    }

    fn memory(&self) -> (u64, u64) {
        (self.status("VmRSS:"), self.status("RssAnon:"))
    }

    /// What the kernel says of the process, in KiB.
    fn status(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn handshake(address: SocketAddr, client: &Arc<ClientConfig>, name: &str) -> std::io::Result<Duration> {
    let began = Instant::now();
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let server = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::clone(client)).connect(server, socket).await?;
    let took = began.elapsed();
    let _ = stream.shutdown().await;
    Ok(took)
}

/// A handshake for each name; the times it took, shortest first.
async fn handshakes(address: SocketAddr, client: &Arc<ClientConfig>, names: &[String]) -> Vec<Duration> {
    let names: Arc<[String]> = names.into();
    let mut tasks = JoinSet::new();
    for part in 0..AT_A_TIME {
        let (names, client) = (Arc::clone(&names), Arc::clone(client));
        tasks.spawn(async move {
            let mut times = Vec::new();
            for name in names.iter().skip(part).step_by(AT_A_TIME) {
                times.push(handshake(address, &client, name).await.unwrap());
            }
            times
        });
    }
    let mut times: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    times.sort();
    times
}
