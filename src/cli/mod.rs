//! The command line: what can be asked of the gateway, one file a command.

mod advice;
mod api;
mod audit;
mod beside;
mod ca;
mod check;
mod diff;
mod domains;
pub(crate) mod explain;
mod grants;
pub(crate) mod impact;
mod invitations;
mod paint;
mod person;
mod records;
mod register;
mod reload;
mod serve;
mod sessions;
mod table;
mod token;
mod upgrade;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory as _, Parser, Subcommand};

pub use self::api::ApiArgs;
pub use self::audit::{AuditAction, AuditFilter};
pub use self::grants::GrantsAction;
pub use self::invitations::InvitationsAction;
pub use self::sessions::SessionsAction;
pub use self::token::TokenAction;
use crate::config::ConfigErrors;
use crate::server::Given;
use crate::telemetry::{self, LogFormat};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
To see it work, with nothing else installed:
  vestibule demo

For an app of your own:
  vestibule check --config vestibule.toml --data
  vestibule explain --config vestibule.toml --app orders --email ann@example.com --path /orders
  vestibule impact --config vestibule.toml
  vestibule serve --config vestibule.toml";

/// The entrance hall in front of an app that knows nothing of customers.
///
/// Vestibule ends TLS for branded domains, lets customers in by email, decides from a table of customers who may see what,
/// and hands each request to the unmodified app with headers that say who it is.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, styles = STYLES, after_help = AFTER_HELP)]
pub struct Cli {
    /// How log lines are written to stderr [default: pretty on a terminal, else json]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway
    Serve(ConfigArgs),
    /// Let the program on disk take over from the gateway that runs, with no connection refused
    ///
    /// The running gateway starts it and hands its sockets over; it ends when what is under way there has ended. Where the new one
    /// does not come up, the old one goes on as before, and this says why. Exits with 0 when the new one serves.
    Upgrade(ConfigArgs),
    /// Check the config file, and with --data the customer tables too
    ///
    /// Exits with 0 when all is fine, and with 2 after telling everything that is not.
    Check(CheckArgs),
    /// Say why a person may or may not enter an app, step by step
    ///
    /// Walks from the customer lists to rows, conditions, customer, role, rules, filters and headers, and says what would have to
    /// change; with --response, what the person would get of a sample of the app's answer. Exits with 0 when the person may enter
    /// (and the request is allowed, and the answer can be filtered), and with 3 when not.
    Explain(Box<ExplainArgs>),
    /// Say who gains or loses what when a new config takes the place of the old one
    ///
    /// Reads all customer tables under both, and tells for each app who may enter now and could not before, who may not any more,
    /// and whose role, customer, days back, rules or filters change. Exits with 0, and with 3 when somebody would lose a role that
    /// is irrevocable, or when a table cannot be read, so that nobody can know.
    Impact(ImpactArgs),
    /// Have the running gateway take up its config now
    ///
    /// Asks its admin listener, which answers with what changed, or with everything that is wrong; then the config from before goes
    /// on. Exits with 0, and with 2 when the config was refused.
    Reload(ReloadArgs),
    /// List who may enter an app, by tables, records and the workspace; change and remove records
    #[command(subcommand)]
    Grants(GrantsAction),
    /// List invitations, invite people, send an invitation again or withdraw it
    #[command(subcommand)]
    Invitations(InvitationsAction),
    /// List sessions, and end them
    #[command(subcommand)]
    Sessions(SessionsAction),
    /// List, export and verify the audit log
    #[command(subcommand)]
    Audit(AuditAction),
    /// Make, list and revoke tokens of the API
    #[command(subcommand)]
    Token(TokenAction),
    /// Show what the store knows of an address: sessions, identities at providers, passkeys; and forget it
    ///
    /// Works beside a running gateway. What the customer tables say of an address is told by `explain`.
    Person(PersonArgs),
    /// Show how every domain stands on its way to a certificate, and what one of them lacks
    ///
    /// Works beside a running gateway, on its data folder. Without a domain, lists all, those in trouble first. With one, tells all
    /// that is known of it, with a sentence for whoever keeps its DNS, and exits with 1 when something is wrong with it.
    Domains(DomainsArgs),
    /// Print the JSON Schema of the config file, for editors
    Schema,
    /// Print the certificate of the local CA, for browsers and tools to trust
    Ca(ConfigArgs),
    /// Show it all with a sample app, sample customers and a mailbox; leaves nothing behind
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// How many are asked for: one at the least.
fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// Which config file.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// The config file
    #[arg(short, long, value_name = "FILE", env = "VESTIBULE_CONFIG", default_value = "vestibule.toml")]
    pub config: PathBuf,
}

/// What `check` is asked.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Which config file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Read the customer tables too, from end to end, and tell every fault in them
    #[arg(long)]
    pub data: bool,
}

/// What `explain` is asked.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Which config file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The app; may be left out where the config has only one
    #[arg(short, long, value_name = "NAME")]
    pub app: Option<String>,
    /// The person's address
    #[arg(short, long, value_name = "ADDRESS")]
    pub email: String,
    /// Answer in JSON, as docs/explain.md describes it
    #[arg(long)]
    pub json: bool,
    /// What would hold then: 2026-03-29T10:00:00Z, or a day and time as the app's clocks show it. The tables are read as they
    /// are now
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// The customer whom a person with several has chosen
    #[arg(long, value_name = "KEY")]
    pub customer: Option<String>,
    /// The domain that the person comes by; it may belong to one customer
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// A request to decide on: its path, with a query if it has one
    #[arg(short, long, value_name = "PATH", help_heading = "A request")]
    pub path: Option<String>,
    /// The method of that request
    #[arg(short, long, value_name = "METHOD", default_value = "GET", requires = "path", help_heading = "A request")]
    pub method: String,
    /// A header field of that request; may be repeated
    #[arg(long, value_name = "NAME: VALUE", requires = "path", help_heading = "A request")]
    pub header: Vec<String>,
    /// The address that request comes from
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", requires = "path", help_heading = "A request")]
    pub ip: std::net::IpAddr,
    /// A sample of the app's answer to that request: shows what the person would get of it
    #[arg(long, value_name = "FILE", requires = "path", help_heading = "An answer")]
    pub response: Option<PathBuf>,
    /// What the sample is [default: by the file's extension]
    #[arg(long, value_name = "TYPE", requires = "response", help_heading = "An answer")]
    pub content_type: Option<String>,
    /// The status of that answer
    #[arg(long, value_name = "CODE", default_value = "200", requires = "response", help_heading = "An answer")]
    pub status: u16,
    /// Where to write what the person would get
    #[arg(long, value_name = "FILE", requires = "response", help_heading = "An answer")]
    pub output: Option<PathBuf>,
}

/// What `impact` is asked.
#[derive(Args, Clone, Debug)]
pub struct ImpactArgs {
    /// The config as it would be
    #[arg(short, long, value_name = "NEW", env = "VESTIBULE_CONFIG", default_value = "vestibule.toml")]
    pub config: PathBuf,
    /// The config as it is [default: the one that the gateway last started with]
    #[arg(long, value_name = "OLD")]
    pub against: Option<PathBuf>,
    /// Only this app
    #[arg(short, long, value_name = "NAME")]
    pub app: Option<String>,
    /// Answer in JSON, as docs/explain.md describes it
    #[arg(long)]
    pub json: bool,
    /// Name everybody, not only the first of each kind
    #[arg(long)]
    pub all: bool,
    /// Exit with 4 when something changes
    #[arg(long)]
    pub exit_code: bool,
}

/// What `reload` is asked.
#[derive(Args, Clone, Debug)]
pub struct ReloadArgs {
    /// Which config file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The gateway's admin listener [default: as the running config has it]
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<std::net::SocketAddr>,
}

/// What `person` is asked.
#[derive(Args, Clone, Debug)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct PersonArgs {
    /// Which config file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The person's address
    #[arg(short, long, value_name = "ADDRESS", required = true)]
    pub email: Option<String>,
    /// All that is held of a person.
    #[command(subcommand)]
    pub action: Option<PersonAction>,
    /// Forget who the address is at providers: the next to come with it is remembered anew
    #[arg(long)]
    pub forget_identities: bool,
    /// Forget the passkeys of the address on all domains
    #[arg(long)]
    pub forget_passkeys: bool,
    /// End all sessions of the address
    #[arg(long)]
    pub end_sessions: bool,
}

/// What can be done with all that is held of a person.
#[derive(Clone, Debug, Subcommand)]
pub enum PersonAction {
    /// Write all that is held of a person to stdout, as JSON
    Export {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// The person's address
        #[arg(value_name = "EMAIL")]
        email: String,
    },
    /// Erase all that is held of a person, and end their sessions
    ///
    /// What customer tables say stays, for it is not ours: take the person out there first, or they may log in again. In the audit
    /// log their entries stay, and name nobody any more.
    Erase {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// The person's address
        #[arg(value_name = "EMAIL")]
        email: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// What `domains` is asked.
#[derive(Args, Clone, Debug)]
pub struct DomainsArgs {
    /// Which config file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Only this domain, with everything that is known of it
    #[arg(value_name = "HOST")]
    pub host: Option<String>,
    /// Have the running gateway look at the domain now: its addresses, the way to us by each of them, its CAA records
    #[arg(long, requires = "host")]
    pub check: bool,
    /// Only domains in this state: pending, missing, issued, renewing, failing, backing-off, provided or uncertified
    #[arg(long, value_name = "STATE", conflicts_with = "host")]
    pub state: Option<String>,
    /// Answer in JSON, as docs/domains.md describes it
    #[arg(long)]
    pub json: bool,
    /// Something to do for one.
    #[command(subcommand)]
    pub action: Option<DomainsAction>,
}

/// What can be done for a domain.
#[derive(Clone, Debug, Subcommand)]
pub enum DomainsAction {
    /// Have the running gateway look at a domain now, and order when nothing is missing any more
    Retry {
        /// Which config file.
        #[command(flatten)]
        config: ConfigArgs,
        /// The domain
        #[arg(value_name = "HOST")]
        host: String,
    },
    /// Let a domain of a table serve for the customer that the table names now, though it served for another before
    ///
    /// Otherwise it waits for a TXT record; `vestibule domains HOST` tells which.
    Approve {
        /// Which config file.
        #[command(flatten)]
        config: ConfigArgs,
        /// The domain
        #[arg(value_name = "HOST")]
        host: String,
    },
}

/// What `demo` is asked.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// The port for https
    #[arg(long, default_value_t = 8443)]
    pub port: u16,
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The config file is wrong.
    Config(ConfigErrors),
    /// The command was called wrongly.
    Usage(String),
    /// The running gateway refused a config; the text is complete.
    Refused(String),
    /// Anything else.
    Other(String),
}

impl Failure {
    /// The exit code: 2 for what a person has to mend in file or command, else 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::Refused(_) => ExitCode::from(2),
            Self::Other(_) => ExitCode::FAILURE,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(errors) => write!(formatter, "{errors}"),
            Self::Refused(problems) => formatter.write_str(problems),
            Self::Usage(what) | Self::Other(what) => write!(formatter, "error: {what}"),
        }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors)
    }
}

/// Runs the command that this process was called with.
#[must_use]
pub fn main() -> ExitCode {
    let done = run(&Cli::parse());
    telemetry::flush();
    match done {
        Ok(code) => code,
        Err(failure) => {
            // With stderr closed, the exit code alone has to tell.
            let _ = writeln!(std::io::stderr(), "{failure}");
            failure.exit_code()
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::Serve(args) => {
            telemetry::start(cli.log_format, "info");
            // Before there are threads: it changes the environment.
            let given = Given::take();
            serve_with(serve::run(args, given))?
        }
        Command::Upgrade(args) => block_on(upgrade::run(args))?,
        Command::Ca(args) => ca::run(args),
        Command::Demo(args) => {
            // The guide is what a person should read; requests would push it off the screen.
            telemetry::start(cli.log_format, "warn");
            let demo = serve_with(crate::demo::run(args.port))?;
            demo.map(|()| ExitCode::SUCCESS).map_err(|error| Failure::Other(error.to_string()))
        }
        Command::Reload(args) => block_on(reload::run(args))?,
        Command::Check(args) => block_on(check::run(args))?,
        Command::Explain(args) => block_on(explain::run(args))?,
        Command::Impact(args) => block_on(impact::run(args))?,
        Command::Grants(action) => block_on(grants::run(action))?,
        Command::Invitations(action) => block_on(invitations::run(action))?,
        Command::Sessions(action) => block_on(sessions::run(action))?,
        Command::Audit(action) => block_on(audit::run(action))?,
        Command::Token(action) => block_on(token::run(action))?,
        Command::Person(args) => block_on(person::run(args))?,
        Command::Domains(args) => block_on(domains::run(args))?,
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&crate::config::schema());
            let schema = schema.map_err(|error| Failure::Other(format!("the schema is no JSON: {error}")))?;
            print(&format!("{schema}\n"))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "vestibule", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Runs a command that serves, on all cores.
fn serve_with<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Other(format!("no runtime: {error}")))?;
    Ok(runtime.block_on(work))
}

/// Runs a command that reads tables.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Other(format!("no runtime: {error}")))?;
    Ok(runtime.block_on(work))
}

/// Writes to stdout. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("stdout cannot be written: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests;
