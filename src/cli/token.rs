//! `vestibule token`: makes, lists and revokes tokens of the API. Works by the running gateway, and on its store where none runs.

use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{ApiArgs, as_json, encoded, items_as_json, text};
use super::beside::Beside;
use super::paint::Paint;
use super::table::table;
use super::{Failure, print};
use crate::state::audit::{Entry, Event, Scene};
use crate::state::clock::Clock;
use crate::state::tokens::{LOCAL, Scope, TokenRecord, TokenStore as _, hash_of, is_name, new_token};
use crate::types::AppName;

/// What can be done with tokens.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenAction {
    /// Make a token, and print it this once
    Create {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Its name: letters, digits, `-`, `_` and `.`
        #[arg(value_name = "NAME")]
        name: String,
        /// What it is for: read, people, sessions, notify, audit, config or admin; may be repeated
        #[arg(long, value_name = "SCOPE", required = true, value_delimiter = ',', value_parser = parse_scope)]
        scope: Vec<Scope>,
        /// Only for this app
        #[arg(long, value_name = "APP")]
        app: Option<String>,
        /// Until when it is good, such as 2027-01-01T00:00:00Z, or for how long, such as 90d [default: for ever]
        #[arg(long, value_name = "TIME", value_parser = parse_end)]
        expires: Option<Timestamp>,
    },
    /// List the tokens, without what opens anything
    List {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Revoke a token: from now on it opens nothing
    Revoke {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| {
        let names = Scope::ALL.map(Scope::name).join(", ");
        format!("there are {names}")
    })
}

fn parse_end(text: &str) -> Result<Timestamp, String> {
    let moment = text.parse::<Timestamp>().ok().or_else(|| {
        let days: i64 = text.strip_suffix('d')?.parse().ok()?;
        Clock.now().checked_add(jiff::SignedDuration::from_hours(days.checked_mul(24)?)).ok()
    });
    moment.ok_or_else(|| "write a moment such as 2027-01-01T00:00:00Z, or days such as 90d".to_owned())
}

/// Does what is asked.
pub(super) async fn run(action: &TokenAction) -> Result<ExitCode, Failure> {
    match action {
        TokenAction::Create { api, name, scope, app, expires } => {
            let made = match Beside::of(api).await? {
                Beside::Gateway(gateway) => {
                    let body = json!({
                        "name": name,
                        "scopes": scope,
                        "app": app,
                        "expires": expires.map(|expires| expires.to_string()),
                    });
                    gateway.send(Method::POST, "/api/v1/tokens", Some(body)).await?
                }
                Beside::Store(store) => {
                    let token = new_token();
                    let record = record(name, scope, app.as_deref(), *expires, &token)?;
                    let entry = Entry::of(Scene::gateway(record.created), &Event::TokenMade(name));
                    let is_new = store.add_token(&record, &entry).await;
                    store.close().await;
                    if !is_new.map_err(|error| Failure::Other(error.to_string()))? {
                        return Err(Failure::Usage(format!("there is a token `{name}`\n  help: revoke it first")));
                    }
                    json!({ "name": name, "token": token })
                }
            };
            // The token alone, so that a script can take it as it is.
            print(&if api.json { as_json(&made)? } else { format!("{}\n", text(&made, "token")) })
        }
        TokenAction::List { api } => {
            let items = match Beside::of(api).await? {
                Beside::Gateway(gateway) => {
                    let list = gateway.get("/api/v1/tokens", &[]).await?;
                    list.get("items").and_then(Value::as_array).cloned().unwrap_or_default()
                }
                Beside::Store(store) => {
                    let tokens = store.tokens().await;
                    store.close().await;
                    tokens.map_err(|error| Failure::Other(error.to_string()))?.iter().map(as_item).collect()
                }
            };
            if api.json {
                return print(&items_as_json(items)?);
            }
            let rows: Vec<Vec<String>> = items.iter().map(row).collect();
            let head = ["name", "for", "app", "made", "good until", "last used"];
            print(&table(&head, &rows, Paint::for_stdout()))
        }
        TokenAction::Revoke { api, name } => {
            match Beside::of(api).await? {
                Beside::Gateway(gateway) => {
                    gateway.send(Method::DELETE, &format!("/api/v1/tokens/{}", encoded(name)), None).await?;
                }
                Beside::Store(store) => {
                    let entry = Entry::of(Scene::gateway(Clock.now()), &Event::TokenRevoked(name));
                    let was_there = store.remove_token(name, &entry).await;
                    store.close().await;
                    if !was_there.map_err(|error| Failure::Other(error.to_string()))? {
                        return Err(Failure::Usage(format!("there is no token `{name}`")));
                    }
                }
            }
            print(&if api.json { as_json(&json!({ "name": name }))? } else { format!("revoked: {name}\n") })
        }
    }
}

fn record(
    name: &str,
    scopes: &[Scope],
    app: Option<&str>,
    expires: Option<Timestamp>,
    token: &str,
) -> Result<TokenRecord, Failure> {
    if !is_name(name) || name == LOCAL {
        let help = format!("1 to 64 letters, digits, `-`, `_` and `.`, and not `{LOCAL}`");
        return Err(Failure::Usage(format!("`{name}` names no token\n  help: write {help}")));
    }
    let app = app.map(AppName::parse).transpose().map_err(|error| Failure::Usage(error.to_string()))?;
    let mut scopes = scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    let hash = hash_of(token).ok_or_else(|| Failure::Other("no token could be made".to_owned()))?;
    Ok(TokenRecord { name: name.to_owned(), hash, scopes, app, created: Clock.now(), expires, last_used: None })
}

fn as_item(token: &TokenRecord) -> Value {
    let time = |at: Timestamp| format!("{at:.0}");
    json!({
        "name": token.name,
        "scopes": token.scopes,
        "app": token.app.as_ref().map(AppName::as_str),
        "created": time(token.created),
        "expires": token.expires.map(time),
        "last_used": token.last_used.map(time),
    })
}

fn row(item: &Value) -> Vec<String> {
    let scopes = item.get("scopes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let or = |name: &str, otherwise: &str| match text(item, name) {
        "" => otherwise.to_owned(),
        text => text.to_owned(),
    };
    vec![
        or("name", ""),
        scopes.collect::<Vec<_>>().join(","),
        or("app", "all"),
        or("created", ""),
        or("expires", "for ever"),
        or("last_used", "never"),
    ]
}
