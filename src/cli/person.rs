//! `vestibule person`: what the store knows of an address, and makes it forget it.
//!
//! It works beside a running gateway, on the same store.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;

use super::api::{ApiArgs, as_json, encoded};
use super::beside::Beside;
use super::paint::{Paint, count, tame};
use super::{Failure, PersonAction, PersonArgs, print};
use crate::config;
use crate::state::audit::{AuditStore as _, Entry, Event, Scene};
use crate::state::clock::Clock;
use crate::state::members::{RecordFilter, RecordStore as _};
use crate::state::personal::PersonalStore as _;
use crate::state::ports::{Store, StoreError};
use crate::store;
use crate::types::Email;

/// Tells, and then forgets what was asked.
pub(super) async fn run(args: &PersonArgs) -> Result<ExitCode, Failure> {
    match &args.action {
        Some(PersonAction::Export { api, email }) => return export(api, &parse(email)?).await,
        Some(PersonAction::Erase { api, email, yes }) => return erase(api, &parse(email)?, *yes).await,
        None => {}
    }
    let config = config::load(&args.config.config)?;
    let email = parse(args.email.as_deref().unwrap_or_default())?;
    let failed = |error: StoreError| Failure::Other(error.to_string());
    let store = store::open_beside(&config.server.data).await.map_err(|error| Failure::Other(error.to_string()))?;
    let mut text = tell(&store, &email).await.map_err(failed)?;
    if args.forget_identities {
        let gone = store.forget_identities(&email).await.map_err(failed)?;
        let _ = writeln!(text, "forgotten: {}", count(gone, "identity", "identities"));
    }
    if args.forget_passkeys {
        let mut gone = 0;
        for passkey in store.passkeys_everywhere(&email).await.map_err(failed)? {
            let is_gone = store.remove_passkey(&passkey.host, &email, &passkey.credential).await.map_err(failed)?;
            gone += u64::from(is_gone);
        }
        let _ = writeln!(text, "forgotten: {}", count(gone, "passkey", "passkeys"));
    }
    if args.end_sessions {
        let ended = count(store.end_everywhere(&email).await.map_err(failed)?.len(), "session", "sessions");
        let _ = writeln!(text, "ended: {ended}; a running gateway sees it within a second");
    }
    store.close().await;
    print(&text)
}

fn parse(email: &str) -> Result<Email, Failure> {
    Email::parse(email).map_err(|error| Failure::Usage(format!("`{email}`: {error}\n  help: write an email address")))
}

/// Writes all that is held of a person.
async fn export(api: &ApiArgs, email: &Email) -> Result<ExitCode, Failure> {
    let data = match Beside::of(api).await? {
        Beside::Gateway(gateway) => gateway.get(&data_of(email), &[]).await?,
        Beside::Store(store) => {
            let now = Clock.now();
            let data = store.export(email).await;
            let data = data.map_err(|error| Failure::Other(error.to_string()))?;
            let entry = Entry::of(Scene::gateway(now), &Event::PersonExported(email));
            let written = store.append(&[entry]).await;
            store.close().await;
            written.map_err(|error| Failure::Other(error.to_string()))?;
            json!({ "email": email.as_str(), "at": format!("{now:.0}"), "data": data })
        }
    };
    print(&as_json(&data)?)
}

/// Erases all that is held of a person, and tells what went.
async fn erase(api: &ApiArgs, email: &Email, is_sure: bool) -> Result<ExitCode, Failure> {
    if !is_sure && !is_confirmed(email)? {
        return Err(Failure::Usage("nothing was erased\n  help: answer with the address, or say --yes".to_owned()));
    }
    let erased = match Beside::of(api).await? {
        Beside::Gateway(gateway) => gateway.send(reqwest::Method::DELETE, &data_of(email), None).await?,
        Beside::Store(store) => {
            let entry = Entry::of(Scene::gateway(Clock.now()), &Event::PersonErased(email));
            let erased = store.erase(email, &entry).await;
            store.close().await;
            let erased = erased.map_err(|error| Failure::Other(error.to_string()))?;
            serde_json::to_value(erased).map_err(|error| Failure::Other(error.to_string()))?
        }
    };
    if api.json {
        return print(&as_json(&erased)?);
    }
    let mut text = format!("erased: {email}\n");
    for (name, rows) in erased.get("rows").and_then(serde_json::Value::as_object).into_iter().flatten() {
        let _ = writeln!(text, "  {}: {rows}", name.replace('_', " "));
    }
    print(&text)
}

fn data_of(email: &Email) -> String {
    format!("/api/v1/people/{}/data", encoded(email.as_str()))
}

/// Whether whoever sits there means it.
fn is_confirmed(email: &Email) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("nobody could be asked: {error}"));
    let mut stderr = std::io::stderr();
    write!(stderr, "All that is held of {email} will be gone. Write the address to go on: ").map_err(failed)?;
    stderr.flush().map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(failed)?;
    // Where nobody sits there, the line is not ended by an answer.
    if !answer.ends_with('\n') {
        writeln!(stderr).map_err(failed)?;
    }
    Ok(Email::parse(answer.trim()).is_ok_and(|answer| answer == *email))
}

async fn tell(store: &store::SqliteStore, email: &Email) -> Result<String, StoreError> {
    let paint = Paint::for_stdout();
    let mut text = format!("{}\n", paint.title(email.to_string()));
    // Writing to a string does not fail.
    let sessions = store.sessions_everywhere(email).await?;
    let _ = writeln!(text, "  {}", count(sessions.len(), "session", "sessions"));
    let identities = store.identities(email).await?;
    let _ = writeln!(text, "  {}", count(identities.len(), "identity at a provider", "identities at providers"));
    for identity in identities {
        let (issuer, client, subject) = (tame(&identity.issuer), tame(&identity.client), tame(&identity.subject));
        let _ = writeln!(text, "    {issuer}, client {client}, subject {subject}");
    }
    let passkeys = store.passkeys_everywhere(email).await?;
    let _ = writeln!(text, "  {}", count(passkeys.len(), "passkey", "passkeys"));
    for passkey in passkeys {
        let used = passkey.last_used.map_or_else(|| "never used".to_owned(), |used| format!("last used {used:.0}"));
        let _ = writeln!(text, "    {} on {}, added {:.0}, {used}", tame(&passkey.name), passkey.host, passkey.created);
    }
    let records = store.records(RecordFilter { email: Some(email), most: 1000, ..RecordFilter::default() }).await?;
    let _ = writeln!(text, "  {}", count(records.len(), "record of access", "records of access"));
    for record in records {
        let (entry, state) = (&record.entry, record.state.name());
        let _ = writeln!(
            text,
            "    app {}, customer {}, {}, {state}",
            entry.app,
            tame(entry.customer.as_str()),
            entry.role
        );
    }
    Ok(text)
}
