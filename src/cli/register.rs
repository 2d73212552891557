//! What to register with each OpenID provider, so that nobody has to put addresses together by hand.

use std::fmt::Write as _;

use super::paint::Paint;
use crate::config::{Config, Provider};

/// How many domains are shown of a provider that each domain comes back from by itself.
const MOST_SHOWN: usize = 8;

/// Writes the addresses that each provider has to know.
pub(super) fn write(text: &mut String, config: &Config, paint: Paint) {
    for provider in &config.login.providers {
        let origins = origins(config, provider);
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n{}: {}", paint.title(format!("provider {}", provider.name)), provider.issuer);
        let is_named = config.apps.iter().any(|app| app.ways.provider(&provider.name).is_some());
        if !is_named {
            let _ = writeln!(text, "  {}", paint.quiet("note: no app names it in `login`, and no group of the staff"));
            continue;
        }
        let after = if config.login.hub.is_some() { "oidc/logged-out" } else { "logged-out" };
        let _ = writeln!(text, "  register with it:");
        for origin in origins.iter().take(MOST_SHOWN) {
            let _ = writeln!(text, "    redirect URI          {origin}/.access/oidc/callback");
            let _ = writeln!(text, "    after log-out         {origin}/.access/{after}");
        }
        if let Some(more) = origins.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(text, "    … and the same for {more} more domains; `[login] hub` makes it one");
        }
        let mut apps = config.apps.iter().filter(|app| app.ways.provider(&provider.name).is_some());
        if config.login.hub.is_none() && apps.any(|app| !app.domain_tables.is_empty()) {
            let note = "note: domains from tables come and go, so register one host for all: set `[login] hub`";
            let _ = writeln!(text, "    {}", paint.bad(note));
        }
        if let Some(first) = origins.first() {
            let _ = writeln!(text, "    back-channel log-out  {first}/.access/oidc/backchannel");
        }
    }
}

/// Where a provider sends browsers back to: the hub or, without one, each domain of the apps that it leads into.
fn origins(config: &Config, provider: &Provider) -> Vec<String> {
    let port = match config.server.https.port() {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let apps = config.apps.iter().filter(|app| app.ways.provider(&provider.name).is_some());
    let hosts: Vec<_> = match &config.login.hub {
        Some(hub) => apps.take(1).map(|_| hub).collect(),
        None => apps.flat_map(|app| &app.domains).map(|domain| &domain.host).collect(),
    };
    hosts.into_iter().map(|host| format!("https://{host}{port}")).collect()
}
