//! `vestibule sessions`: who is logged in, and the end of that, by the running gateway.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{ApiArgs, Gateway, as_json, encoded, items_as_json, text};
use super::paint::{Paint, count};
use super::table::table;
use super::{Failure, at_least_one, print};

/// What can be done with sessions.
#[derive(Clone, Debug, Subcommand)]
pub enum SessionsAction {
    /// List sessions, the newest first
    List {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Only those of this app
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
        /// Only those of this person
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = at_least_one())]
        limit: usize,
    },
    /// End a session by its id, or all sessions of a person; what is under way in them ends too
    End {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// The session's id, as the list has it
        #[arg(value_name = "ID", required_unless_present = "email", conflicts_with = "email")]
        id: Option<String>,
        /// All sessions of this person, in every app
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
    },
}

/// Lists or ends sessions.
pub(super) async fn run(action: &SessionsAction) -> Result<ExitCode, Failure> {
    match action {
        SessionsAction::List { api, app, email, limit } => {
            let gateway = Gateway::find(&api.config, api.admin)?;
            let query = [("app", app.clone()), ("email", email.clone())];
            let items = gateway.pages("/api/v1/sessions", &query, *limit).await?;
            if api.json {
                return print(&items_as_json(items)?);
            }
            let columns = ["email", "app", "customer", "domain", "created", "last_used", "device"];
            let head = ["who", "app", "customer", "domain", "since", "last used", "browser", "id"];
            let row = |item: &Value| {
                let cells = columns.iter().map(|name| text(item, name).to_owned());
                cells.chain([text(item, "id").to_owned()]).collect::<Vec<_>>()
            };
            let rows: Vec<_> = items.iter().map(row).collect();
            print(&wide(&head, &rows))
        }
        SessionsAction::End { api, id, email } => {
            let gateway = Gateway::find(&api.config, api.admin)?;
            let answer = match (id, email) {
                (Some(id), _) => {
                    gateway.send(Method::DELETE, &format!("/api/v1/sessions/{}", encoded(id)), None).await?
                }
                (None, email) => {
                    let body = json!({ "email": email });
                    gateway.send(Method::POST, "/api/v1/sessions/end", Some(body)).await?
                }
            };
            let ended = answer.get("sessions").and_then(Value::as_u64).unwrap_or_default();
            print(&if api.json {
                as_json(&answer)?
            } else {
                format!("ended: {}\n", count(ended, "session", "sessions"))
            })
        }
    }
}

/// A table whose last column is an id, which is of no use cut off.
fn wide(head: &[&str], rows: &[Vec<String>]) -> String {
    let (head, last) = head.split_at(head.len().saturating_sub(1));
    let paint = Paint::for_stdout();
    let short: Vec<Vec<String>> = rows.iter().map(|row| row.iter().take(head.len()).cloned().collect()).collect();
    let ids = last.iter().map(|name| (*name).to_owned());
    let ids = ids.chain(rows.iter().map(|row| row.last().cloned().unwrap_or_default()));
    let lines: Vec<String> = table(head, &short, paint).lines().map(str::to_owned).collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    lines.iter().zip(ids).map(|(line, id)| format!("{line:<width$}  {id}\n")).collect()
}
