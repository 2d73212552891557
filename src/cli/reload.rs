//! `vestibule reload`: has the running gateway take up its config, and tells how that went.
//!
//! The running gateway reads its own file with its own environment, so nothing is built here: this command may run where the
//! secrets are not. All it needs is the admin listener's address. The gateway left word of that in its data folder; where
//! that cannot be read, the config file says it too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;

use super::{Failure, ReloadArgs, print};
use crate::config::{self, running};

/// New sources are read before a config is in force, and they may take their time.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    status: String,
    #[serde(default)]
    changes: Vec<String>,
    #[serde(default)]
    problems: Vec<String>,
}

/// Exits with 0 when the config is in force, with 2 when it was refused, and with 1 when nobody could be asked.
pub(super) async fn run(args: &ReloadArgs) -> Result<ExitCode, Failure> {
    let address = reachable(match args.admin {
        Some(address) => address,
        None => admin_address(args)?,
    });
    let answer = ask(address).await?;
    match answer.status.as_str() {
        "refused" => {
            let count = answer.problems.len();
            let problems = answer.problems.join("\n");
            let word = if count == 1 { "problem" } else { "problems" };
            Err(Failure::Refused(format!("{problems}\n{count} {word}; the config from before goes on")))
        }
        "unchanged" => print("nothing changed\n"),
        "reloaded" => print(&format!("{}\nreloaded\n", answer.changes.join("\n"))),
        _ => Err(Failure::Other(answer.problems.join("\n"))),
    }
}

fn admin_address(args: &ReloadArgs) -> Result<SocketAddr, Failure> {
    let text = config::read(&args.config.config)?;
    let address = running::admin(&args.config.config, &text, &|name| std::env::var(name).ok());
    address.filter(|address| address.port() != 0).ok_or_else(|| {
        let file = args.config.config.display();
        Failure::Usage(format!(
            "{file} names no admin listener to ask\n  help: name one with --admin ADDRESS, or send the process SIGHUP (`systemctl reload`) and look into its log"
        ))
    })
}

/// An address that stands for all of this machine is reached by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn ask(address: SocketAddr) -> Result<Answer, Failure> {
    let failed = |what: String| {
        Failure::Other(format!(
            "the gateway cannot be asked at {address}: {what}\n  help: is it running, with this `server.admin`? Otherwise name its address with --admin"
        ))
    };
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    // Plain HTTP on the admin socket; the client wants a provider all the same.
    let _ = provider.install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    let client = client.map_err(|error| failed(error.to_string()))?;
    let answer = client.post(format!("http://{address}/api/v1/reload")).send().await;
    let answer = answer.map_err(|error| failed(root_cause(&error)))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| failed(root_cause(&error)))?;
    serde_json::from_slice(&body).map_err(|_| failed(format!("it answered {status}")))
}

/// The innermost cause, which says what happened; those around it say only that something did.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_everybody_is_reached_by_loopback() {
        for (named, asked) in
            [("0.0.0.0:9180", "127.0.0.1:9180"), ("[::]:9180", "[::1]:9180"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            let named = named.parse().expect("an address");
            assert_eq!(reachable(named).to_string(), asked);
        }
    }
}
