//! Logs: pretty on a terminal, one JSON object a line otherwise, always on standard error.

mod json;
mod lines;

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use self::lines::Lines;

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs.
    Json,
}

/// Who is silent unless `VESTIBULE_LOG` names them.
///
/// The libraries below us log what they saw on the wire, cookies and links among it, so they are silent: what matters of
/// theirs we log ourselves, in our own words.
const SILENT: &str = "sqlx=off,rustls=off,h2=off,hyper=off,lettre=off,pingora=off,pingora_core=off,pingora_proxy=off,\
                      webauthn_rs=off,webauthn_rs_core=off";

/// The lines of this process that programs read.
static LINES: OnceLock<Lines> = OnceLock::new();

/// Writes what waits to be written. To be called before the process ends.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush();
    }
}

/// Starts logging from a level up, `info` for a server. A second call changes nothing.
///
/// Lines of the `log` crate are not taken in, for the same reason.
pub fn start(format: Option<LogFormat>, level: &str) {
    // Ours first: a directive of the operator's own for one of these libraries replaces ours for it.
    let chosen = std::env::var("VESTIBULE_LOG").unwrap_or_else(|_| level.to_owned());
    let filter = EnvFilter::try_new(format!("{SILENT},{chosen}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{SILENT},{level}")));
    let format = format.unwrap_or(if std::io::stderr().is_terminal() { LogFormat::Pretty } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::NONE);
    // `set_global_default` instead of `init`, which would take in the lines of `log` too.
    let result = match format {
        LogFormat::Pretty => {
            let ansi = std::io::stderr().is_terminal();
            let builder = builder.with_ansi(ansi).with_target(false).with_writer(std::io::stderr);
            tracing::subscriber::set_global_default(builder.finish())
        }
        LogFormat::Json => {
            let lines = LINES.get_or_init(|| Lines::to(std::io::stderr())).clone();
            tracing::subscriber::set_global_default(builder.event_format(json::Json).with_writer(lines).finish())
        }
    };
    drop(result);
}
