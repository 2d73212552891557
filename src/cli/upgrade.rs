//! `vestibule upgrade`: lets the program on disk take over from the gateway that runs.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{ConfigArgs, Failure, print};
use crate::config;
use crate::server::UpgradeOutcome;
use crate::store;

/// Longer than a successor may take.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Asks the running gateway to start its successor, and waits for what comes of it.
pub(super) async fn run(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    // Read by this program, which is the new one most likely: what it would refuse is told here, and nobody is disturbed.
    let text = config::read(&args.config)?;
    let config = config::parse(&args.config, &text, &|name| std::env::var(name).ok())?;
    let data = &config.server.data;
    let running = store::running(data).map_err(|error| {
        Failure::Other(format!(
            "{}: {error}\n  help: run this as the gateway's user, or as root",
            data.join("lock").display()
        ))
    })?;
    let Some(pid) = running else {
        return Err(Failure::Other(format!(
            "no gateway runs with the data folder `{}`\n  help: start one: `vestibule serve`",
            data.display()
        )));
    };
    let file = data.join(UpgradeOutcome::FILE);
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::Other(format!("{}: {error}", file.display())));
        }
        _ => {}
    }
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| Failure::Other(format!("{pid} is no process")))?;
    kill_process(process, Signal::USR2).map_err(|error| {
        Failure::Other(format!(
            "process {pid} cannot be signalled: {error}\n  help: run this as the gateway's user, or as root"
        ))
    })?;
    let outcome = outcome(&file).await.ok_or_else(|| {
        Failure::Other(format!(
            "nothing was heard of the upgrade in {} seconds\n  help: see the gateway's log",
            PATIENCE.as_secs()
        ))
    })?;
    match (outcome.pid, outcome.failure) {
        (Some(successor), None) => print(&format!(
            "process {successor} serves now; process {pid} ends when what is under way there has ended\n"
        )),
        (_, failure) => {
            let why = failure.unwrap_or_else(|| "it did not say why".to_owned());
            Err(Failure::Other(format!("the upgrade failed, and process {pid} goes on as before: {why}")))
        }
    }
}

/// Waits until the gateway has left word.
async fn outcome(file: &Path) -> Option<UpgradeOutcome> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let said = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if said.is_some() {
            return said;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}
