//! Runs the program that sets and removes TXT records.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::config::DnsHook;

/// How long a hook may take: some providers' APIs are slow.
pub(super) const MOST_TIME: Duration = Duration::from_secs(120);

/// How much of what a hook says is kept, from its end.
const MOST_WORDS: usize = 1000;

/// What a hook sees of our environment. The rest may hold secrets that are not for it.
const PASSED_ON: &[&str] = &["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// And what begins with this: it is meant for hooks.
const PREFIX: &str = "DNS_HOOK_";

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It could not be started.
    #[error("`{}` cannot be started: {cause}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It said that it failed.
    #[error("`{}` ended with {status}: {}", .program.display(), shown(.said))]
    Failed {
        /// The program.
        program: PathBuf,
        /// Its exit status.
        status: ExitStatus,
        /// The end of what it said.
        said: String,
    },
    /// It did not end.
    #[error("`{}` did not end within {limit:?} and was stopped: {}", .program.display(), shown(.said))]
    Slow {
        /// The program.
        program: PathBuf,
        /// How long it had.
        limit: Duration,
        /// The end of what it said.
        said: String,
    },
}

/// What a hook is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    Present,
    Cleanup,
}

impl Action {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Cleanup => "cleanup",
        }
    }
}

/// Runs a hook to its end, or to the end of its time.
pub(super) async fn run(
    hook: &DnsHook,
    action: Action,
    name: &str,
    value: &str,
    limit: Duration,
) -> Result<(), HookError> {
    let program = || hook.program.clone();
    let mut command = Command::new(&hook.program);
    command
        .args(&hook.arguments)
        .args([action.name(), name, value])
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| {
            name.to_str().is_some_and(|name| PASSED_ON.contains(&name) || name.starts_with(PREFIX))
        }))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what it started ends with it.
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|cause| HookError::Start { program: program(), cause })?;
    let group = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    let (output, error) = (child.stdout.take(), child.stderr.take());
    let mut said = String::new();
    let ended = tokio::time::timeout(limit, async {
        let (output, error) = tokio::join!(end_of(output), end_of(error));
        said = if error.is_empty() { output } else { error };
        child.wait().await
    })
    .await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(HookError::Failed { program: program(), status, said }),
        Ok(Err(cause)) => Err(HookError::Start { program: program(), cause }),
        Err(_) => {
            if let Some(group) = group {
                // It may have ended just now.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = child.wait().await;
            Err(HookError::Slow { program: program(), limit, said })
        }
    }
}

/// The end of what comes from a pipe, as text.
async fn end_of(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut piece).await {
        kept.extend_from_slice(piece.get(..length).unwrap_or_default());
        let surplus = kept.len().saturating_sub(MOST_WORDS);
        kept.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&kept);
    text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "it said nothing" } else { text }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A hook with this text after `#!/bin/sh`, and what becomes of it.
    async fn check(text: &str, limit: Duration) -> (tempfile::TempDir, Result<(), HookError>) {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("hook");
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).expect("the folder is writable");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
        let hook = DnsHook { program, arguments: vec![folder.path().display().to_string(), "$(id); *".to_owned()] };
        let result = run(&hook, Action::Present, "_acme-challenge.a.test", "value", limit).await;
        (folder, result)
    }

    #[tokio::test]
    async fn it_gets_its_arguments_to_the_letter_and_little_of_our_environment() {
        let (folder, result) =
            check("printf '%s|' \"$@\" > \"$1/arguments\"; env > \"$1/environment\"", MOST_TIME).await;
        result.expect("it runs");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("it was written");
        let arguments = format!("{}|$(id); *|present|_acme-challenge.a.test|value|", folder.path().display());
        assert_eq!(read("arguments"), arguments);
        // Cargo sets this one for every test.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let environment = read("environment");
        assert!(environment.contains("PATH=") && !environment.contains("CARGO_"), "{environment}");
    }

    #[tokio::test]
    async fn what_it_says_at_its_end_is_told() {
        let (_, result) = check(
            "i=0; while [ $i -lt 9000 ]; do echo line $i; i=$((i+1)); done; echo no such zone >&2; exit 3",
            MOST_TIME,
        )
        .await;
        let told = result.expect_err("it fails").to_string();
        assert!(told.ends_with("ended with exit status: 3: no such zone"), "{told}");
        let missing = DnsHook { program: "/no/such/hook".into(), arguments: Vec::new() };
        let told = run(&missing, Action::Cleanup, "a", "b", MOST_TIME).await.expect_err("it is not there").to_string();
        assert!(told.starts_with("`/no/such/hook` cannot be started: No such file"), "{told}");
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_stopped_with_all_that_it_started() {
        let (folder, result) = check("sleep 300 & echo $! > \"$1/child\"; sleep 300", Duration::from_millis(500)).await;
        let told = result.expect_err("it is slow").to_string();
        assert!(told.contains("did not end within 500ms"), "{told}");
        let child = std::fs::read_to_string(folder.path().join("child")).expect("it was written");
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        // Gone, or dead and not yet buried by whoever took it over.
        let is_dead = |state: &str| state.is_empty() || state.contains(") Z ") || state.contains(") X ");
        let waiting = async {
            while !is_dead(&state()) {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), waiting).await.is_ok(), "{}", state());
    }
}
