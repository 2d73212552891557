//! Asks the running gateway by its API.
//!
//! On the same machine nothing has to be set up: the gateway leaves its address and a token in its data folder, for whoever may read
//! that. From elsewhere, `--admin` names the address and `VESTIBULE_TOKEN` holds a token.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Map, Value};

use super::{ConfigArgs, Failure};
use crate::config::{self, running};

/// New sources are read before a config is in force, and they may take their time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where a token for the API may stand.
const TOKEN: &str = "VESTIBULE_TOKEN";

/// Which gateway to ask.
#[derive(Args, Clone, Debug)]
pub struct ApiArgs {
    /// Which config file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The gateway's admin listener [default: as the running gateway on this machine has it]. From elsewhere, a token is taken from
    /// `VESTIBULE_TOKEN`
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
    /// Answer in JSON, as docs/api.md describes it
    #[arg(long)]
    pub json: bool,
}

/// A running gateway.
pub(super) struct Gateway {
    client: reqwest::Client,
    address: SocketAddr,
    token: String,
}

/// What it answered.
pub(super) enum Answer {
    /// What was asked for.
    Done(Value),
    /// Why not.
    Problem { status: u16, problem: Value },
}

impl Gateway {
    /// The gateway that runs with a config.
    pub(super) fn find(config: &ConfigArgs, admin: Option<SocketAddr>) -> Result<Self, Failure> {
        let environment = |name: &str| std::env::var(name).ok();
        let token = environment(TOKEN).filter(|token| !token.is_empty());
        let (address, token) = match (admin, token) {
            (Some(address), Some(token)) => (address, token),
            (admin, token) => {
                let text = config::read(&config.config)?;
                let data = running::data(&config.config, &text, &environment);
                let access = data.as_deref().and_then(|data| running::access(data).ok());
                let named = running::admin(&config.config, &text, &environment).filter(|address| address.port() != 0);
                let address = admin.or(access.as_ref().map(|access| access.address)).or(named);
                let address = address.ok_or_else(|| {
                    let file = config.config.display();
                    Failure::Usage(format!(
                        "{file} names no admin listener to ask\n  help: set `server.admin`, start the gateway, or name one with --admin ADDRESS"
                    ))
                })?;
                // The gateway's own token stays with the gateway of this machine.
                let is_here = address.ip().is_loopback() || access.as_ref().is_some_and(|own| own.address == address);
                if token.is_none() && !is_here {
                    return Err(Failure::Usage(format!(
                        "{address} is not on this machine, and there is no token for it\n  help: put one into {TOKEN}; `vestibule token create` makes one there"
                    )));
                }
                let token = token.or(access.map(|access| access.token)).ok_or_else(|| {
                    let data = data.map_or_else(|| "the data folder".to_owned(), |data| data.display().to_string());
                    Failure::Other(format!(
                        "no gateway has left a token in {data}, or it is not for you to read\n  help: is the gateway running? Otherwise run this as the gateway's user, or put a token into {TOKEN}"
                    ))
                })?;
                (address, token)
            }
        };
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        // Plain HTTP on the admin socket; the client wants a provider all the same.
        let _ = provider.install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let client = client.map_err(|error| Failure::Other(error.to_string()))?;
        Ok(Self { client, address: reachable(address), token })
    }

    /// Asks, and fails with what the gateway says is wrong.
    pub(super) async fn get(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Value, Failure> {
        let mut target = path.to_owned();
        for (name, value) in query {
            if let Some(value) = value {
                let joint = if target.contains('?') { '&' } else { '?' };
                target.push_str(&format!("{joint}{name}={}", encoded(value)));
            }
        }
        self.send(Method::GET, &target, None).await
    }

    /// Sends, and fails with what the gateway says is wrong.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        match self.ask(method, path, body).await? {
            Answer::Done(answer) => Ok(answer),
            Answer::Problem { status, problem } => Err(told(status, &problem)),
        }
    }

    /// Sends, and gives what is answered.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, Failure> {
        let address = self.address;
        let failed = |what: String| {
            Failure::Other(format!(
                "the gateway cannot be asked at {address}: {what}\n  help: is it running, with this `server.admin`? Otherwise name its address with --admin"
            ))
        };
        let request = self.client.request(method, format!("http://{address}{path}")).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.map_err(|error| failed(root_cause(&error)))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| failed(root_cause(&error)))?;
        let body: Value = serde_json::from_slice(&body).map_err(|_| failed(format!("it answered {status}")))?;
        Ok(if status.is_success() {
            Answer::Done(body)
        } else {
            Answer::Problem { status: status.as_u16(), problem: body }
        })
    }

    /// All pages of a list, up to so many items.
    pub(super) async fn pages(
        &self,
        path: &str,
        query: &[(&str, Option<String>)],
        most: usize,
    ) -> Result<Vec<Value>, Failure> {
        const PAGE: usize = 200;
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let mut query = query.to_vec();
            query.push(("limit", Some(PAGE.min(most.saturating_sub(items.len())).max(1).to_string())));
            query.push(("cursor", cursor.take()));
            let page = self.get(path, &query).await?;
            items.extend(page.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
            match page.get("next").and_then(Value::as_str) {
                Some(next) if items.len() < most => cursor = Some(next.to_owned()),
                _ => return Ok(items),
            }
        }
    }
}

/// A part of a path or a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A problem, as people read it.
pub(super) fn told(status: u16, problem: &Value) -> Failure {
    let text = |name: &str| problem.get(name).and_then(Value::as_str);
    let mut told = text("detail").map_or_else(|| format!("the gateway answered {status}"), str::to_owned);
    for error in problem.get("errors").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        told.push_str(&format!("\n{error}"));
    }
    if let Some(help) = text("help") {
        told.push_str(&format!("\n  help: {help}"));
    }
    if status == 400 || status == 422 { Failure::Usage(told) } else { Failure::Other(told) }
}

/// A text of an answer; nothing where there is none.
pub(super) fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The answer as JSON.
pub(super) fn as_json(answer: &Value) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(answer);
    text.map(|text| text + "\n").map_err(|error| Failure::Other(format!("the answer is no JSON: {error}")))
}

/// A list as JSON.
pub(super) fn items_as_json(items: Vec<Value>) -> Result<String, Failure> {
    as_json(&Value::Object(Map::from_iter([("items".to_owned(), Value::Array(items))])))
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

    #[test]
    fn a_problem_is_told_with_its_help() {
        let problem = serde_json::json!({ "detail": "no", "errors": ["one", "two"], "help": "mend it" });
        assert_eq!(told(403, &problem).to_string(), "error: no\none\ntwo\n  help: mend it");
        assert_eq!(told(502, &Value::Null).to_string(), "error: the gateway answered 502");
    }
}
