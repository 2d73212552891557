//! Log-ins by mail, the whole way: a form, a mail over SMTP, a link, a session. How many a second of one core's time, and whether any was
//! lost.
//!
//! The gateway runs on one CPU where `taskset` can do that, with its store on disk and its audit log on; people and mail server are here. Its CPU time is
//! the kernel's, from `/proc`.
//!
//! usage: `cargo bench --bench log_ins [-- --people 5000 --at-a-time 64 --binary target/dist/vestibule]`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it prints, and whatever fails ends it")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Response};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Whoever waits for the link in a mail.
type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<String>>>>;

fn main() {
    let people = argument("--people").map_or(5000, |value| value.parse().unwrap());
    let at_a_time = argument("--at-a-time").map_or(64, |value| value.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(people, at_a_time));
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

async fn run(people: usize, at_a_time: usize) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let waiting = Waiting::default();
    let sink = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = sink.local_addr().unwrap();
    tokio::spawn(take_mails(sink, Arc::clone(&waiting)));
    let gateway = Gateway::start(folder.path(), smtp, people);
    // One connection for each who logs in at a time.
    let clients: Vec<Client> = (0..at_a_time).map(|_| client(gateway.https)).collect();
    log_in(clients.first().unwrap(), gateway.https.port(), "p0@example.com", &waiting).await;

    let (before, began) = (gateway.cpu_seconds(), Instant::now());
    let mut tasks = JoinSet::new();
    for (part, client) in clients.into_iter().enumerate() {
        let (waiting, port) = (Arc::clone(&waiting), gateway.https.port());
        tasks.spawn(async move {
            let mut sessions = Vec::new();
            for person in (part + 1..people).step_by(at_a_time) {
                sessions.push(log_in(&client, port, &format!("p{person}@example.com"), &waiting).await);
            }
            // Nothing was lost: each of them opens the account page.
            for session in &sessions {
                let page = client.get(url(port, "/.access/account")).header(COOKIE, session).send().await.unwrap();
                assert!(page.status().is_success(), "a session was lost: {}", page.status());
            }
            sessions.len()
        });
    }
    let done: usize = tasks.join_all().await.into_iter().sum();
    let (spent, took) = (gateway.cpu_seconds() - before, began.elapsed().as_secs_f64());
    println!("{done} log-ins, each looked at once more; none lost");
    println!(
        "{:.0} a second, {:.0} a second of the gateway's CPU time ({:.2} ms each)",
        done as f64 / took,
        done as f64 / spent,
        spent / done as f64 * 1e3
    );
}

fn url(port: u16, path: &str) -> String {
    format!("https://localhost:{port}{path}")
}

fn client(gateway: SocketAddr) -> Client {
    let builder = Client::builder().resolve("localhost", gateway).redirect(reqwest::redirect::Policy::none());
    // Nothing secret passes, and the certificate was made a moment ago.
    builder.danger_accept_invalid_certs(true).http1_only().timeout(Duration::from_secs(60)).build().unwrap()
}

/// A person's whole way in; gives the session's cookie.
async fn log_in(client: &Client, port: u16, email: &str, waiting: &Waiting) -> String {
    let (tell, told) = oneshot::channel();
    waiting.lock().unwrap().insert(email.to_owned(), tell);
    let asked = post(client, port, "/.access/login", &[("email", email), ("to", "/")], None).await;
    let attempt = cookie(&asked, "__Host-access-try");
    drop(asked.bytes().await.unwrap());
    let token = tokio::time::timeout(Duration::from_secs(60), told).await.expect("no mail came").unwrap();
    let entered = post(client, port, "/.access/link", &[("token", &token)], Some(&attempt)).await;
    let session = cookie(&entered, "__Host-access");
    drop(entered.bytes().await.unwrap());
    session
}

async fn post(client: &Client, port: u16, path: &str, form: &[(&str, &str)], cookie: Option<&str>) -> Response {
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", value.replace('@', "%40"))).collect();
    let request = client.post(url(port, path)).header("sec-fetch-site", "same-origin");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"));
    let request = match cookie {
        Some(cookie) => request.header(COOKIE, cookie),
        None => request,
    };
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 303, "{path}");
    answer
}

fn cookie(answer: &Response, name: &str) -> String {
    let all = answer.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.filter_map(|value| value.split(';').next());
    let is_it = |pair: &&str| pair.split('=').next() == Some(name) && !pair.ends_with('=');
    pairs.find(is_it).unwrap_or_else(|| panic!("no {name}")).to_owned()
}

/// Takes mails (RFC 5321) and gives their links to whoever waits.
async fn take_mails(sink: TcpListener, waiting: Waiting) {
    loop {
        let (socket, _) = sink.accept().await.unwrap();
        tokio::spawn(take(socket, Arc::clone(&waiting)));
    }
}

async fn take(socket: TcpStream, waiting: Waiting) -> std::io::Result<()> {
    let mut wire = BufStream::new(socket);
    wire.write_all(b"220 sink\r\n").await?;
    wire.flush().await?;
    let (mut to, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if wire.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "RCPT" => {
                line.split(['<', '>']).nth(1).unwrap_or_default().clone_into(&mut to);
                "250 fine\r\n"
            }
            "DATA" => {
                wire.write_all(b"354 go on\r\n").await?;
                wire.flush().await?;
                let mut text = String::new();
                loop {
                    line.clear();
                    wire.read_line(&mut line).await?;
                    if line == ".\r\n" {
                        break;
                    }
                    text.push_str(line.strip_suffix("=\r\n").unwrap_or(&line));
                }
                let token = text.split("/.access/link/").nth(1).and_then(|rest| rest.get(..43)).map(str::to_owned);
                if let (Some(token), Some(tell)) = (token, waiting.lock().unwrap().remove(&to)) {
                    let _ = tell.send(token);
                }
                "250 taken\r\n"
            }
            "QUIT" => return Ok(()),
            _ => "250 fine\r\n",
        };
        wire.write_all(answer.as_bytes()).await?;
        wire.flush().await?;
    }
}

/// A gateway that runs until this is dropped.
struct Gateway {
    process: Child,
    https: SocketAddr,
}

impl Gateway {
    fn start(folder: &Path, smtp: SocketAddr, people: usize) -> Self {
        let mut table = "email\n".to_owned();
        for person in 0..people {
            writeln!(table, "p{person}@example.com").unwrap();
        }
        fs::write(folder.join("people.csv"), table).unwrap();
        let config = folder.join("vestibule.toml");
        // The limits stay on, where so many people in one network do not reach them.
        let text = format!(
            "[server]\nhttps = '127.0.0.1:0'\ndata = 'data'\n[tls]\nlocal_ca = true\n\
             [mail]\nsmtp = 'smtp://{smtp}'\nfrom = 'a@b.test'\n\
             [login]\ntries_per_client = 1000000\ntries_in_total = 1000000\nmails_per_app = 1000000\n\
             [source.people]\nurl = 'csv:people.csv'\n\
             [app.orders]\nupstream = 'http://127.0.0.1:9'\ndomains = ['localhost']\n\
             [[app.orders.customers]]\nsource = 'people'\nemail = 'email'\n"
        );
        fs::write(&config, text).unwrap();
        let binary = argument("--binary").unwrap_or_else(|| env!("CARGO_BIN_EXE_vestibule").to_owned());
        let mut command = Command::new("taskset");
        command.args(["-c", "0", &binary, "--log-format", "json", "serve", "--config"]).arg(&config);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (mut https, mut said) = (None, String::new());
        for line in lines.by_ref() {
            let line = line.unwrap();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let field = |name| event.get("fields").and_then(|fields| fields.get(name)).and_then(|value| value.as_str());
            if field("listener") == Some("https") {
                https = field("address").map(|address| address.parse().unwrap());
            }
            if field("message") == Some("ready") {
                // A pipe that nobody reads would stop it in the end.
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return Self { process, https: https.unwrap() };
            }
            said = said + &line + "\n";
        }
        process.wait().unwrap();
        panic!("it ended:\n{said}");
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        // User and system time, in hundredths of a second (proc_pid_stat(5)).
        fields.get(11..13).unwrap().iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
