//! `[console]`: the workspace team's own pages, as an app without servers.
//!
//! So staff log in there as customers do elsewhere, and whoever may enter is decided in the one place where that is decided.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::app::{brand, host};
use super::builder::Builder;
use super::file::{At, ConsoleFile};
use super::upstream::{Balance, Ejection, HostHeader, Prefix, Upstream, UpstreamProtocol};
use super::{App, AppKind, Domain, Provider, ways};
use crate::policy::{
    AppPolicy, Effect, IdentityPlan, Preset, PreviewPlan, Role, Roles, Rule, WorkspaceGroups, WorkspaceUser,
};
use crate::types::{AppName, Email, HostName, PathAllowances, RoleName};

/// The name under which staff have a role here.
pub(super) const NAME: &str = "console";

/// What posted forms of the console may hold: a pasted list of people, a config to be looked at.
const MOST_FORM_BYTES: u64 = 1024 * 1024;

/// The console's roles: `admin` may do everything, `viewer` may look.
pub(super) fn roles() -> Roles {
    let role = |name: &str, rules| Some((RoleName::parse(name).ok()?, Role { rules, ..Role::default() }));
    // Without its rule a viewer could do everything; the text is a constant, and a test reads it.
    let viewer = Rule::parse(Effect::Allow, "GET /**").ok().and_then(|looks| role("viewer", vec![looks]));
    Roles([role("admin", Vec::new()), viewer].into_iter().flatten().collect())
}

/// Builds the console; what is wrong is in the builder.
pub(super) fn build(
    builder: &mut Builder<'_>,
    text: &At<ConsoleFile>,
    staff: BTreeMap<Email, WorkspaceUser>,
    workspace_groups: Option<WorkspaceGroups>,
    providers: &[Arc<Provider>],
    provider_names: &[String],
    taken: &mut HashMap<HostName, String>,
) -> Option<App> {
    let file = &text.value;
    let name = AppName::parse(NAME).ok()?;
    let here = At { value: NAME.to_owned(), span: text.span.clone() };
    if staff.is_empty() && workspace_groups.is_none() {
        let help = "add `roles = { console = \"admin\" }` to a `[[workspace.user]]`";
        builder.problem(&text.span, "nobody may use the console", help);
    }
    let ways =
        ways::ways(builder, &here, file.login.as_deref(), None, providers, provider_names, workspace_groups.as_ref());
    let mut brand = brand(builder, "Console", &file.branding, None);
    if file.branding.title.is_none() {
        brand.title = "Console".to_owned();
    }
    let brand = Arc::new(brand);
    let domain = file.domain.as_ref().and_then(|text| host(builder, text, NAME, taken));
    let domains = domain.map(|host| Domain { host, customer: None, brand: Arc::clone(&brand) });
    Some(App {
        policy: AppPolicy {
            name: name.clone(),
            lists: Vec::new(),
            roles: roles(),
            default_role: None,
            workspace: staff,
            workspace_groups,
            preview: PreviewPlan::default(),
            time_zone: jiff::tz::TimeZone::UTC,
            team: None,
        },
        name,
        kind: AppKind::Console,
        enabled: true,
        domains: domains.into_iter().collect(),
        domain_tables: Vec::new(),
        brand,
        ways,
        upstream: nowhere(),
        identity: IdentityPlan { preset: Preset::None, extra: Vec::new(), jwt: None },
        request_headers: Vec::new(),
        response_headers: Vec::new(),
        path_allowances: PathAllowances::default(),
        body_bytes: MOST_FORM_BYTES,
        topics: Vec::new(),
    })
}

/// No servers: nothing of the console goes anywhere.
fn nowhere() -> Upstream {
    Upstream {
        servers: Vec::new(),
        balance: Balance::RoundRobin,
        health: None,
        ejection: Ejection { after: 1, first: Duration::ZERO },
        retries: 0,
        limit: None,
        host: HostHeader::Keep,
        prefix: Prefix::default(),
        ca: None,
        sni: None,
        client_certificate: None,
        protocol: UpstreamProtocol::Http1,
        proxy_protocol: None,
        connect_timeout: Duration::ZERO,
        response_timeout: Duration::ZERO,
    }
}
