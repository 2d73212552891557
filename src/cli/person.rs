//! `vestibule person`: what the store knows of an address, and makes it forget it.
//!
//! It works beside a running gateway, on the same store.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::paint::{Paint, count, tame};
use super::{Failure, PersonArgs, print};
use crate::config;
use crate::state::members::{RecordFilter, RecordStore as _};
use crate::state::ports::{Store, StoreError};
use crate::store;
use crate::types::Email;

/// Tells, and then forgets what was asked.
pub(super) async fn run(args: &PersonArgs) -> Result<ExitCode, Failure> {
    let config = config::load(&args.config.config)?;
    let email = Email::parse(&args.email)
        .map_err(|error| Failure::Usage(format!("`{}`: {error}\n  help: write an email address", args.email)))?;
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
        let _ = writeln!(text, "ended: {ended}; a running gateway sees it within a minute");
    }
    store.close().await;
    print(&text)
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
