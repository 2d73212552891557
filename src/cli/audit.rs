//! `vestibule audit`: lists, exports and verifies the audit log. Works by the running gateway, and on its store where none runs.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::Value;

use super::api::{ApiArgs, as_json, items_as_json, text};
use super::beside::Beside;
use super::paint::Paint;
use super::table::table;
use super::{Failure, at_least_one, print};
use crate::state::audit::{AuditStore as _, Order, Question};
use crate::types::{AppName, CustomerId, Email};

/// So many entries are listed, if nothing else is asked for.
const SHOWN: usize = 50;
/// So many are read at a time.
const AT_ONCE: u32 = 200;

/// What can be done with the audit log.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditAction {
    /// List the newest entries
    List {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Which entries.
        #[command(flatten)]
        filter: AuditFilter,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = SHOWN, value_parser = at_least_one())]
        limit: usize,
    },
    /// Say whether every entry is as it was written; exits with 1 and the number of the first that is not
    Verify {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Write all entries to stdout as JSON Lines, the oldest first
    Export {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Which entries.
        #[command(flatten)]
        filter: AuditFilter,
    },
}

/// Which entries.
#[derive(Args, Clone, Debug)]
pub struct AuditFilter {
    /// Only those of this app
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Only those for this customer
    #[arg(long, value_name = "KEY")]
    customer: Option<String>,
    /// Only those by or for this person
    #[arg(long, value_name = "ADDRESS")]
    person: Option<String>,
    /// Only those from this moment on, such as 2026-03-29T10:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only those before this moment
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Only those of this event, such as `logged_in`
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
}

impl AuditFilter {
    fn query(&self, order: Order) -> Vec<(&'static str, Option<String>)> {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        vec![
            ("app", self.app.clone()),
            ("customer", self.customer.clone()),
            ("person", self.person.clone()),
            ("since", time(self.since)),
            ("until", time(self.until)),
            ("event", self.event.clone()),
            ("oldest_first", (order == Order::OldestFirst).then(|| "true".to_owned())),
        ]
    }

    fn question(&self, order: Order) -> Result<Question, Failure> {
        let wrong = |text: &str, error: &dyn std::fmt::Display| Failure::Usage(format!("`{text}`: {error}"));
        let app = self.app.as_deref().map(|text| AppName::parse(text).map_err(|error| wrong(text, &error)));
        let customer =
            self.customer.as_deref().map(|text| CustomerId::parse(text).map_err(|error| wrong(text, &error)));
        let person = self.person.as_deref().map(|text| Email::parse(text).map_err(|error| wrong(text, &error)));
        Ok(Question {
            app: app.transpose()?,
            customer: customer.transpose()?,
            person: person.transpose()?,
            since: self.since,
            until: self.until,
            event: self.event.clone(),
            beyond: None,
            order,
            most: AT_ONCE,
        })
    }
}

/// Does what is asked.
pub(super) async fn run(action: &AuditAction) -> Result<ExitCode, Failure> {
    match action {
        AuditAction::List { api, filter, limit } => {
            let mut items = Vec::new();
            let most = *limit;
            each(api, filter, Order::NewestFirst, most, &mut |entry| {
                items.push(entry);
                Ok(())
            })
            .await?;
            if api.json {
                return print(&items_as_json(items)?);
            }
            let rows: Vec<_> = items.iter().map(row).collect();
            let head = ["number", "at", "event", "by", "for", "app", "customer", "from"];
            print(&table(&head, &rows, Paint::for_stdout()))
        }
        AuditAction::Export { api, filter } => {
            let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
            let done =
                each(api, filter, Order::OldestFirst, usize::MAX, &mut |entry| writeln!(stdout, "{entry}")).await;
            match done.and_then(|()| stdout.flush().map_err(Stopped::from)) {
                // A reader that has seen enough, such as `head`, is no failure.
                Ok(()) => Ok(ExitCode::SUCCESS),
                Err(Stopped::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
                Err(stopped) => Err(stopped.into()),
            }
        }
        AuditAction::Verify { api } => verify(api).await,
    }
}

/// Why entries are read no further.
enum Stopped {
    Failed(Failure),
    Output(std::io::Error),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Failed(failure) => failure,
            Stopped::Output(error) => Self::Other(format!("stdout cannot be written: {error}")),
        }
    }
}

/// Gives entries one after another, a page in memory at a time.
async fn each(
    api: &ApiArgs,
    filter: &AuditFilter,
    order: Order,
    most: usize,
    take: &mut dyn FnMut(Value) -> std::io::Result<()>,
) -> Result<(), Stopped> {
    let mut left = most;
    match Beside::of(api).await? {
        Beside::Gateway(gateway) => {
            let mut cursor: Option<String> = None;
            while left > 0 {
                let mut query = filter.query(order);
                query.push(("limit", Some(left.min(AT_ONCE as usize).to_string())));
                query.push(("cursor", cursor.take()));
                let page = gateway.get("/api/v1/audit", &query).await?;
                for entry in page.get("items").and_then(Value::as_array).into_iter().flatten() {
                    take(entry.clone())?;
                    left = left.saturating_sub(1);
                }
                match page.get("next").and_then(Value::as_str) {
                    Some(next) => cursor = Some(next.to_owned()),
                    None => break,
                }
            }
        }
        Beside::Store(store) => {
            let mut question = filter.question(order)?;
            while left > 0 {
                question.most = u32::try_from(left).unwrap_or(AT_ONCE).min(AT_ONCE);
                let entries = store.entries(&question).await.map_err(|error| Failure::Other(error.to_string()))?;
                for entry in &entries {
                    take(serde_json::to_value(entry).map_err(std::io::Error::other)?)?;
                    left = left.saturating_sub(1);
                }
                match entries.last() {
                    Some(last) => question.beyond = Some(last.number),
                    None => break,
                }
            }
            store.close().await;
        }
    }
    Ok(())
}

async fn verify(api: &ApiArgs) -> Result<ExitCode, Failure> {
    let verified = match Beside::of(api).await? {
        Beside::Gateway(gateway) => gateway.get("/api/v1/audit/verify", &[]).await?,
        Beside::Store(store) => {
            let verified = store.verify().await;
            store.close().await;
            let verified = verified.map_err(|error| Failure::Other(error.to_string()))?;
            serde_json::to_value(verified).map_err(|error| Failure::Other(error.to_string()))?
        }
    };
    let flaw = verified.get("flaw").filter(|flaw| !flaw.is_null());
    let code = if flaw.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if api.json {
        print(&as_json(&verified)?)?;
        return Ok(code);
    }
    let paint = Paint::for_stdout();
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or_default();
    let told = match flaw {
        Some(flaw) => {
            let what = format!("entry {}: {}", number(flaw, "number"), text(flaw, "problem"));
            format!(
                "{}\n  help: keep this store as it is; its log lines (`target: \"audit\"`) tell what was written\n",
                paint.bad(what)
            )
        }
        None if number(&verified, "entries") == 0 => format!("{}: no entries\n", paint.good("whole")),
        None => format!(
            "{}: {} entries, {} to {}\nhead: {}\n",
            paint.good("whole"),
            number(&verified, "entries"),
            number(&verified, "first"),
            number(&verified, "last"),
            text(&verified, "head"),
        ),
    };
    print(&told)?;
    Ok(code)
}

fn row(entry: &Value) -> Vec<String> {
    let person = |of: &Value| match text(of, "email") {
        "" => format!("person {}", text(of, "id")),
        email => email.to_owned(),
    };
    let actor = entry.get("actor").unwrap_or(&Value::Null);
    let by = match (text(actor, "kind"), actor.get("person").filter(|person| !person.is_null())) {
        ("staff", Some(who)) => format!("staff {}", person(who)),
        (_, Some(who)) => person(who),
        ("token", None) => format!("token {}", text(actor, "token")),
        (kind, None) => kind.to_owned(),
    };
    let subject = entry.get("subject").filter(|subject| !subject.is_null()).map(person).unwrap_or_default();
    let own = |name: &str| text(entry, name).to_owned();
    let number = entry.get("number").and_then(Value::as_u64).unwrap_or_default().to_string();
    // To the second: a terminal has no room for more.
    let at = own("at").split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ");
    vec![number, at, own("event"), by, subject, own("app"), own("customer"), own("client")]
}
