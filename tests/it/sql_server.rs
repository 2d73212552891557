//! Real PostgreSQL and MariaDB servers, thrown away after the run: one of each for all stories, a database for each story.
//!
//! A story that ends its server has one of its own. The servers end with the tests, however those end: a script that watches its
//! input holds them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};

use crate::house::{House, OPEN, PEOPLE, printed};
use crate::mailbox::support;
use crate::pki::Authority;

/// Who may only read.
const READER: &str = "vestibule:reader-secret";

/// The kinds of server there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Postgres,
    MariaDb,
}

/// A running server.
pub(crate) struct Server {
    kind: Kind,
    port: u16,
    /// The CA of its certificate.
    ca: String,
    folder: std::path::PathBuf,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// One story's database in a server.
#[derive(Clone)]
pub(crate) struct Database {
    kind: Kind,
    port: u16,
    pub(crate) name: String,
    ca: String,
    folder: std::path::PathBuf,
}

impl Server {
    /// A server of one's own.
    pub(crate) fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let authority = Authority::new("Test database CA");
        let leaf = authority.leaf(&["127.0.0.1", "localhost"]);
        std::fs::write(folder.join("cert.pem"), leaf.certificate).expect("the folder is writable");
        std::fs::write(folder.join("key.pem"), leaf.key).expect("the folder is writable");
        // None of these servers takes port 0.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let script = match kind {
            Kind::Postgres => "postgres.sh",
            Kind::MariaDb => "mariadb.sh",
        };
        let complaints = tempfile::tempfile().expect("a temporary file");
        let mut process = Command::new(support().join(script))
            .arg(&folder)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone().expect("a file can be shared"))
            .spawn()
            .expect("bash is installed");
        let input = process.stdin.take().expect("standard input is piped");
        let output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let mut server = Self { kind, port, ca: authority.pem, folder, process, input, output };
        let answer = server.answer();
        assert_eq!(answer, "ready", "{script}: are its packages installed? tests/run does it\n{}", told(complaints));
        server
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        line.trim().to_owned()
    }

    fn command(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").expect("it listens");
        self.answer()
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        assert_eq!(self.command("kill"), "killed");
    }

    /// Starts it again, at the same port.
    pub(crate) fn start_again(&mut self) {
        assert_eq!(self.command("start"), "ready");
    }

    /// A fresh database, with a user who may only read what is there and what will be.
    pub(crate) async fn database(&self) -> Database {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("story_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let (kind, port, ca, folder) = (self.kind, self.port, self.ca.clone(), self.folder.clone());
        let database = Database { kind, port, name, ca, folder };
        let name = &database.name;
        match kind {
            Kind::Postgres => {
                let server = Database { name: "postgres".to_owned(), ..database.clone() };
                server.run(&format!("CREATE DATABASE {name}")).await;
                database
                    .run(
                        "DO $$ BEGIN
                           PERFORM pg_advisory_lock(1);
                           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vestibule') THEN
                             CREATE ROLE vestibule LOGIN PASSWORD 'reader-secret';
                           END IF;
                         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
                         END $$;
                         ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO vestibule",
                    )
                    .await;
            }
            Kind::MariaDb => {
                let server = Database { name: "mysql".to_owned(), ..database.clone() };
                server
                    .run(&format!(
                        "CREATE DATABASE {name};
                         CREATE USER IF NOT EXISTS vestibule@'%' IDENTIFIED BY 'reader-secret';
                         GRANT SELECT ON {name}.* TO vestibule@'%'"
                    ))
                    .await;
            }
        }
        database
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The script ends when its input does, and with it the server.
        let _told = writeln!(self.input, "end");
        drop(std::mem::replace(&mut self.input, nowhere()));
        let _ended = self.process.wait();
    }
}

/// The input of a process that has ended.
fn nowhere() -> ChildStdin {
    let mut process = Command::new("true").stdin(Stdio::piped()).spawn().expect("there is such a command");
    let input = process.stdin.take().expect("standard input is piped");
    process.wait().expect("it ends");
    input
}

fn told(mut complaints: std::fs::File) -> String {
    use std::io::{Read, Seek};
    let mut text = String::new();
    complaints.rewind().and_then(|()| complaints.read_to_string(&mut text)).expect("it can be read");
    text
}

/// The server that all stories share.
pub(crate) fn shared(kind: Kind) -> &'static Server {
    static POSTGRES: OnceLock<Server> = OnceLock::new();
    static MARIADB: OnceLock<Server> = OnceLock::new();
    match kind {
        Kind::Postgres => POSTGRES.get_or_init(|| Server::start(kind)),
        Kind::MariaDb => MARIADB.get_or_init(|| Server::start(kind)),
    }
}

impl Database {
    /// A database of the shared server.
    pub(crate) async fn new(kind: Kind) -> Self {
        shared(kind).database().await
    }

    fn scheme(&self) -> &'static str {
        match self.kind {
            Kind::Postgres => "postgres",
            Kind::MariaDb => "mysql",
        }
    }

    /// The URL for the gateway, as the user who may only read.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same, at another port.
    pub(crate) fn url_at(&self, port: u16) -> String {
        format!("{}://{READER}@127.0.0.1:{port}/{}", self.scheme(), self.name)
    }

    /// Where the server listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The CA of the server's certificate.
    pub(crate) fn ca(&self) -> &str {
        &self.ca
    }

    /// Runs statements as the owner, in a connection of their own.
    pub(crate) async fn run(&self, sql: &str) {
        let url = format!("{}://owner:owner-secret@127.0.0.1:{}/{}", self.scheme(), self.port, self.name);
        let sql = AssertSqlSafe(sql.to_owned());
        match self.kind {
            Kind::Postgres => {
                let mut connection = PgConnection::connect(&url).await.expect("the server lets its owner in");
                sqlx::raw_sql(sql).execute(&mut connection).await.expect("the statements are right");
                connection.close().await.expect("it closes");
            }
            Kind::MariaDb => {
                let mut connection = MySqlConnection::connect(&url).await.expect("the server lets its owner in");
                sqlx::raw_sql(sql).execute(&mut connection).await.expect("the statements are right");
                connection.close().await.expect("it closes");
            }
        }
    }

    /// The table `people` from CSV lines; `company_id` and `history_days` are numbers.
    pub(crate) async fn fill(&self, people: &str) {
        let mut lines = people.lines();
        let columns = lines.next().expect("a header row").split(',').map(|name| {
            let kind = if matches!(name, "company_id" | "history_days") { "INTEGER" } else { "VARCHAR(200)" };
            format!("{name} {kind}")
        });
        let columns: Vec<String> = columns.collect();
        let rows = lines.map(|line| {
            let values = line.split(',').map(|value| match value {
                "" => "NULL".to_owned(),
                value => format!("'{value}'"),
            });
            format!("({})", values.collect::<Vec<_>>().join(", "))
        });
        let rows: Vec<String> = rows.collect();
        self.run(&format!("CREATE TABLE people ({})", columns.join(", "))).await;
        self.run(self.index()).await;
        self.run(&format!("INSERT INTO people VALUES {}", rows.join(", "))).await;
    }

    /// The index that the docs name.
    fn index(&self) -> &'static str {
        match self.kind {
            Kind::Postgres => "CREATE INDEX people_email ON people (lower(email COLLATE \"C\"))",
            Kind::MariaDb => "CREATE INDEX people_email ON people (email)",
        }
    }

    /// Every line of the server's log that was written for this database.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = std::fs::read(self.folder.join("log")).expect("the server writes a log");
        let prefix = format!("{}|", self.name);
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().filter(|line| line.starts_with(&prefix)).map(str::to_owned).collect()
    }
}

/// Whether every one of these conditions holds for ann's row. They are CEL, with `'` for `"`.
pub(crate) fn all_hold(house: &House, conditions: &[&str]) {
    let config = std::fs::read_to_string(house.config()).expect("the config is there");
    for condition in conditions {
        let condition = condition.replace('\'', "\"");
        std::fs::write(house.config(), config.replace("row.status == \"active\"", &condition)).expect("it is writable");
        let explained = house.command(&["explain", "--app", "orders", "--email", "ann@example.com"]);
        assert!(explained.status.success(), "{condition}\n{}", printed(&explained));
    }
    std::fs::write(house.config(), config).expect("it is writable");
}

/// Rows whose addresses are ann's, and bücher's, in spellings that all count, and some that are others'. Their customers are numbered.
pub(crate) const SPELLINGS: &[(&str, &str)] = &[
    ("ANN@Example.COM", "ann@example.com"),
    ("  ann@example.com\t", "ann@example.com"),
    ("\u{a0}Ann@example.com\u{a0}", "ann@example.com"),
    ("\u{3000}ann@example.com", "ann@example.com"),
    ("\nann@example.com.", "ann@example.com"),
    ("ann@example.com.au", "ann@example.com.au"),
    ("ann@example.co", "ann@example.co"),
    ("xann@example.com", "xann@example.com"),
    ("a_n@example.com", "a_n@example.com"),
    ("info@bücher.example", "info@bücher.example"),
    ("Info@BÜCHER.example", "info@bücher.example"),
    ("info@xn--bcher-kva.example", "info@bücher.example"),
    ("\u{2003}info@bücher.example", "info@bücher.example"),
    ("info@other.example", "info@other.example"),
    ("", ""),
];

/// Everybody of [`SPELLINGS`] is found by every spelling of theirs, and by no other.
pub(crate) async fn every_spelling_is_found(kind: Kind) {
    let database = Database::new(kind).await;
    let header = PEOPLE.lines().next().expect("a header row");
    database.fill(&format!("{header}\nlast@example.com,99,,,,,,,,")).await;
    for (number, (spelling, _)) in SPELLINGS.iter().enumerate() {
        let row = format!("('{spelling}', {number}, 'active')");
        database.run(&format!("INSERT INTO people (email, company_id, status) VALUES {row}")).await;
    }
    let house = House::plan(&apps(&database.url())).furnish().await;
    for email in ["ann@example.com", "info@bücher.example", "ann@example.co", "a_n@example.com"] {
        let explained = printed(&house.command(&["explain", "--app", "orders", "--email", email]));
        for (number, (spelling, whose)) in SPELLINGS.iter().enumerate() {
            let is_found = explained.contains(&format!("company_id    {number}\n"));
            assert_eq!(is_found, *whose == email, "{spelling:?} for {email}:\n{explained}");
        }
    }
}

/// How tables keep a customer's key: the column's type, and what stands in it for the customer 42 and for two others.
const KEYS: &[(&str, [&str; 3])] = &[
    ("VARCHAR(20)", ["'42'", "'142'", "'4'"]),
    ("VARCHAR(20)", ["'  42 '", "'042'", "'42x'"]),
    ("CHAR(8)", ["'42'", "'4 2'", "'422'"]),
    ("INTEGER", ["42", "142", "4"]),
    ("BIGINT", ["42", "-42", "420"]),
    ("DOUBLE PRECISION", ["42", "42.5", "4.2"]),
    ("NUMERIC(10, 0)", ["42", "142", "0"]),
];

/// Whom tables name for a customer is listed, however its key is kept, and whoever looks for people finds those whom a text fits.
pub(crate) async fn a_customers_people_are_found(kind: Kind) {
    let database = Database::new(kind).await;
    let mut apps = format!("[source.crm]\nurl = \"{}\"\nrefresh = \"1s\"\n", database.url())
        + "[app.orders]\ndomains = [\"orders.test\"]\nupstream = \"{{upstream}}\"\n[app.orders.team]\n";
    for (number, (column, [own, other, third])) in KEYS.iter().enumerate() {
        database
            .run(&format!(
                "CREATE TABLE k{number} (email VARCHAR(200), company {column});
                 INSERT INTO k{number} VALUES ('own{number}@example.com', {own}), ('other{number}@example.com', {other}),
                   ('third{number}@example.com', {third}), ('none{number}@example.com', NULL)"
            ))
            .await;
        apps += &format!(
            "[[app.orders.customers]]\nname = \"k{number}\"\nsource = \"crm\"\ntable = \"k{number}\"\nemail = \"email\"\n\
             customer = \"company\"\nrole = \"administrator\"\n"
        );
    }
    let house = House::start(&apps).await;
    house.door.secret("reader-secret");
    let own0 = house.browser("orders.test");
    own0.log_in("own0@example.com").await;
    let page = own0.navigate("/.access/team").await.expect(200).text();
    for (number, (column, _)) in KEYS.iter().enumerate() {
        assert!(page.contains(&format!("own{number}@example.com")), "{column}: {page}");
        for name in ["other", "third", "none"] {
            assert!(!page.contains(&format!("{name}{number}@example.com")), "{name} of {column}: {page}");
        }
    }
    let search = async |text: &str| -> Vec<String> {
        let path = format!("/api/v1/people?app=orders&q={}", crate::browser::encode(text));
        let told = house.admin(&path).await.expect(200).json();
        assert_eq!(told["unread"].as_array().map(Vec::len), Some(0), "{told}");
        let items = told["items"].as_array().cloned().expect("a list");
        items.iter().filter_map(|person| person["email"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(search("WN3@exam").await, ["own3@example.com"]);
    assert_eq!(search("42x").await, ["third1@example.com"], "by customer");
    assert_eq!(search("own").await.len(), KEYS.len());
    let all = house.admin("/api/v1/people?app=orders&limit=2").await.expect(200).json();
    assert_eq!((all["items"].as_array().map(Vec::len), all["next"].is_string()), (Some(2), true), "{all}");
}

/// The usual app over the table `people` of a database.
pub(crate) fn apps(url: &str) -> String {
    OPEN.replace("csv:people.csv", url).replace("email = ", "table = \"people\"\nemail = ")
}

/// A house over a database that holds the usual people.
pub(crate) async fn house(kind: Kind) -> (House, Database) {
    house_with(kind, |apps| apps).await
}

/// The same, with another config of its apps.
pub(crate) async fn house_with(kind: Kind, change: impl FnOnce(String) -> String) -> (House, Database) {
    let database = Database::new(kind).await;
    database.fill(PEOPLE).await;
    let house = House::start(&change(apps(&database.url()))).await;
    house.door.secret("reader-secret");
    (house, database)
}

/// A peer that accepts connections and never says a word.
pub(crate) struct Silence {
    port: u16,
    _held: tokio::task::JoinHandle<()>,
}

impl Silence {
    /// Begins to be silent, at a free port.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let held = tokio::spawn(async move {
            let mut connections = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.push(connection);
            }
        });
        Self { port, _held: held }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// A relay before a server, that can fall silent in the middle of a connection and come back.
pub(crate) struct Relay {
    port: u16,
    is_silent: tokio::sync::watch::Sender<bool>,
}

impl Relay {
    /// A relay to a local port.
    pub(crate) async fn start(to: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (is_silent, silence) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let silence = silence.clone();
                tokio::spawn(async move {
                    let Ok(far) = tokio::net::TcpStream::connect(("127.0.0.1", to)).await else { return };
                    let (near_read, near_write) = near.into_split();
                    let (far_read, far_write) = far.into_split();
                    let up = pass(near_read, far_write, silence.clone());
                    let down = pass(far_read, near_write, silence);
                    tokio::join!(up, down);
                });
            }
        });
        Self { port, is_silent }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing passes, and nothing is closed.
    pub(crate) fn fall_silent(&self) {
        self.is_silent.send_replace(true);
    }

    /// Everything passes again.
    pub(crate) fn speak(&self) {
        self.is_silent.send_replace(false);
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut silence: tokio::sync::watch::Receiver<bool>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if silence.wait_for(|is_silent| !is_silent).await.is_err() || read == 0 {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
