//! `[login.oidc.NAME]`, `[workspace.oidc]`, and which app is entered by which of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::app::{is_app, role_of};
use super::builder::{Builder, lift};
use super::either::SecretFile;
use super::error::Problem;
use super::file::{At, ConfigFile, ProviderFile, Text, WorkspaceOidcFile};
use super::nearest::did_you_mean;
use super::staff::check_previews;
use super::{Provider, SigningAlgorithm, Ways, WhenDown};
use crate::policy::WorkspaceGroups;
use crate::types::{HostName, ProviderName, RequiredWay, Requirement, RoleName, Secret, Way};

const ALGORITHMS: [(&str, SigningAlgorithm); 5] = [
    ("RS256", SigningAlgorithm::Rs256),
    ("PS256", SigningAlgorithm::Ps256),
    ("ES256", SigningAlgorithm::Es256),
    ("ES384", SigningAlgorithm::Es384),
    ("EdDSA", SigningAlgorithm::EdDsa),
];

/// Every provider that is right.
pub(super) fn providers(builder: &mut Builder<'_>, file: &ConfigFile) -> Vec<Arc<Provider>> {
    let mut found: Vec<Arc<Provider>> = Vec::new();
    let mut homes: HashMap<HostName, String> = HashMap::new();
    for (name, text) in &file.login.oidc {
        for domain in &text.email_domains {
            let Some(host) = mail_domain(builder, domain) else { continue };
            if let Some(other) = homes.insert(host.clone(), name.value.clone()) {
                let what = format!("the mail domain `{host}` belongs to provider `{other}` already");
                builder.problem(&domain.span, what, "one provider speaks for a mail domain; remove one of the two");
            }
        }
        let staff = file.workspace.oidc.as_ref().filter(|staff| staff.provider.value == name.value);
        let Some(provider) = provider(builder, name, text, staff) else { continue };
        let is_same =
            |other: &&Arc<Provider>| (&other.issuer, &other.client_id) == (&provider.issuer, &provider.client_id);
        if let Some(other) = found.iter().find(is_same) {
            let what = format!("provider `{}` has issuer and client id of provider `{}`", provider.name, other.name);
            builder.problem(&text.client_id.span, what, "keep one of the two");
        }
        found.push(Arc::new(provider));
    }
    found
}

fn provider(
    builder: &mut Builder<'_>,
    name: &Text,
    file: &ProviderFile,
    staff: Option<&WorkspaceOidcFile>,
) -> Option<Provider> {
    let provider_name = builder.keep_named(name, ProviderName::parse(&name.value));
    let issuer = issuer(builder, &file.issuer);
    let client_id = not_empty(builder, &file.client_id, "the client id");
    let client_secret = file.client_secret.as_ref().map(|text| client_secret(builder, text));
    let scopes = scopes(builder, file.scopes.as_deref());
    let email_domains =
        file.email_domains.iter().map(|domain| HostName::parse(&domain.value).ok()).collect::<Option<_>>();
    let claim = |builder: &mut Builder<'_>, text: &Option<Text>, standard: &str| match text {
        None => Some(standard.to_owned()),
        Some(text) => not_empty(builder, text, "the claim"),
    };
    let email_claim = claim(builder, &file.email_claim, "email");
    let email_verified_claim = claim(builder, &file.email_verified_claim, "email_verified");
    let groups_claim = staff.map(|staff| claim(builder, &staff.claim, "groups"));
    let title = file.title.as_ref().map(|text| not_empty(builder, text, "the title"));
    let icon = file.icon.as_ref().map(|text| builder.logo(text));
    let ca = file.ca.as_ref().map(|text| builder.pem(text));
    let algorithms = algorithms(builder, file.algorithms.as_deref());
    let clock_skew = builder.duration(file.clock_skew.as_ref(), Duration::from_secs(60));
    if let Some(text) = file.clock_skew.as_ref().filter(|_| clock_skew > Duration::from_secs(600)) {
        builder.problem(&text.span, "a clock that is off by more than 10 minutes proves nothing", "write \"60s\"");
    }
    let timeout = builder.duration(file.timeout.as_ref(), Duration::from_secs(10));
    let recheck = file.recheck.as_ref().map(|text| builder.duration(Some(text), Duration::from_secs(600)));
    if let Some(text) = file.recheck.as_ref().filter(|_| recheck.is_some_and(|every| every < Duration::from_secs(10))) {
        builder.problem(&text.span, "a provider is asked every 10 seconds at most", "write a duration such as \"10m\"");
    }
    Some(Provider {
        name: provider_name?,
        issuer: issuer?,
        client_id: client_id?,
        client_secret: lift(client_secret)?,
        scopes: scopes?,
        email_domains: email_domains?,
        email_claim: email_claim?,
        email_verified_claim: email_verified_claim?,
        trust_unverified_email: file.trust_unverified_email,
        groups_claim: lift(groups_claim)?,
        groups: staff.iter().flat_map(|staff| &staff.group).map(|group| group.name.value.clone()).collect(),
        title: lift(title)?.unwrap_or_else(|| name.value.clone()),
        icon: lift(icon)?,
        ca: lift(ca)?,
        algorithms: algorithms?,
        clock_skew,
        timeout,
        recheck,
        recheck_when_down: when_down(builder, file.recheck_when_down.as_ref()),
        end_provider_session: file.end_provider_session.unwrap_or(true),
    })
}

/// OpenID Connect Discovery, section 3: an https URL without query and fragment. Plain http only on this machine.
fn issuer(builder: &mut Builder<'_>, text: &Text) -> Option<String> {
    let filled = builder.text(text)?;
    let uri = filled.parse::<http::Uri>().ok().filter(|uri| {
        let host = uri.host().unwrap_or_default();
        let is_local = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
        let is_safe = uri.scheme_str() == Some("https") || uri.scheme_str() == Some("http") && is_local;
        is_safe && uri.query().is_none() && !filled.contains(['#', '@', ' '])
    });
    let problem = || {
        let what = format!("`{filled}` is not an issuer");
        Problem::new(what, "write the https:// address that the provider's discovery page shows as `issuer`")
    };
    builder.keep(&text.span, uri.map(|_| filled.clone()).ok_or_else(problem))
}

fn client_secret(builder: &mut Builder<'_>, text: &At<SecretFile>) -> Option<Secret> {
    let filled = builder.secret(text)?;
    if filled.is_empty() {
        builder.problem(&text.span, "the client secret is empty", "leave `client_secret` out for a public client");
        return None;
    }
    Some(Secret::new(filled))
}

fn scopes(builder: &mut Builder<'_>, texts: Option<&[Text]>) -> Option<Vec<String>> {
    let Some(texts) = texts else { return Some(["openid", "email", "profile"].map(str::to_owned).to_vec()) };
    let mut scopes = vec!["openid".to_owned()];
    for text in texts {
        // RFC 6749, section 3.3.
        let is_token = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if text.value.is_empty() || !text.value.bytes().all(is_token) {
            builder.problem(
                &text.span,
                format!("`{}` is not a scope", text.value),
                "write one scope a text, such as \"email\"",
            );
            return None;
        }
        if text.value != "openid" {
            scopes.push(text.value.clone());
        }
    }
    Some(scopes)
}

fn algorithms(builder: &mut Builder<'_>, texts: Option<&[Text]>) -> Option<Vec<SigningAlgorithm>> {
    let Some(texts) = texts else { return Some(ALGORITHMS.map(|(_, algorithm)| algorithm).to_vec()) };
    let mut algorithms = Vec::new();
    for text in texts {
        match ALGORITHMS.iter().find(|(name, _)| *name == text.value) {
            Some((_, algorithm)) => algorithms.push(*algorithm),
            None => {
                let names = ALGORITHMS.iter().map(|(name, _)| *name);
                let help =
                    did_you_mean(&text.value, names, "those that count are RS256, PS256, ES256, ES384 and EdDSA");
                builder.problem(&text.span, format!("`{}` is no signature that can be trusted", text.value), help);
            }
        }
    }
    (!algorithms.is_empty()).then_some(algorithms)
}

fn when_down(builder: &mut Builder<'_>, text: Option<&Text>) -> WhenDown {
    match text.map(|text| (text, text.value.as_str())) {
        None | Some((_, "deny")) => WhenDown::Deny,
        Some((_, "allow")) => WhenDown::Allow,
        Some((text, other)) => {
            builder.problem(&text.span, format!("`{other}` is neither \"allow\" nor \"deny\""), "write one of the two");
            WhenDown::Deny
        }
    }
}

fn mail_domain(builder: &mut Builder<'_>, text: &Text) -> Option<HostName> {
    let help = "write what stands after the @ of an address, such as \"example.com\"";
    let problem = |_| Problem::new(format!("`{}` is not a mail domain", text.value), help);
    builder.keep(&text.span, HostName::parse(&text.value).map_err(problem))
}

fn not_empty(builder: &mut Builder<'_>, text: &Text, what: &str) -> Option<String> {
    let filled = builder.text(text)?;
    if filled.trim().is_empty() {
        builder.problem(&text.span, format!("{what} is empty"), "fill it in, or remove the key");
        return None;
    }
    Some(filled)
}

/// Which of the staff's groups have a role in an app.
pub(super) fn workspace_groups(builder: &mut Builder<'_>, file: &ConfigFile, app: &str) -> Option<WorkspaceGroups> {
    let staff = file.workspace.oidc.as_ref()?;
    let mut roles: Vec<(String, RoleName)> = Vec::new();
    let mut preview = Vec::new();
    for group in &staff.group {
        if let Some(role) = group.roles.get(app)
            && let Some(role) = role_of(builder, role, app, file)
        {
            roles.push((group.name.value.clone(), role));
            if group.preview.iter().any(|name| name.value == app) {
                preview.push(group.name.value.clone());
            }
        }
    }
    let provider = ProviderName::parse(&staff.provider.value).ok()?;
    (!roles.is_empty()).then_some(WorkspaceGroups { provider, roles, preview })
}

/// What is wrong with `[workspace.oidc]` whatever the app.
pub(super) fn check_workspace(builder: &mut Builder<'_>, file: &ConfigFile) {
    let Some(staff) = &file.workspace.oidc else { return };
    let known = || file.login.oidc.keys().map(|name| name.value.as_str());
    if !known().any(|name| name == staff.provider.value) {
        let add = format!("add `[login.oidc.{}]`", staff.provider.value);
        let help = did_you_mean(&staff.provider.value, known(), &add);
        builder.problem(&staff.provider.span, format!("there is no provider `{}`", staff.provider.value), help);
    }
    if staff.group.is_empty() {
        let help = "add `[[workspace.oidc.group]]` with `name` and `roles = { APP = \"ROLE\" }`";
        builder.problem(&staff.provider.span, "no group of the provider has a role anywhere", help);
    }
    for group in &staff.group {
        check_previews(builder, file, &group.preview, &group.roles);
    }
    for app in staff.group.iter().flat_map(|group| group.roles.keys()) {
        if !is_app(file, &app.value) {
            let apps = file.app.keys().map(|name| name.value.as_str());
            let help = did_you_mean(&app.value, apps, &format!("add `[app.{}]`", app.value));
            builder.problem(&app.span, format!("there is no app `{}`", app.value), help);
        }
    }
}

/// The ways into an app.
pub(super) fn ways(
    builder: &mut Builder<'_>,
    name: &Text,
    login: Option<&[Text]>,
    skip_login_page: Option<bool>,
    providers: &[Arc<Provider>],
    provider_names: &[String],
    staff: Option<&WorkspaceGroups>,
) -> Ways {
    let find = |name: &str| providers.iter().find(|provider| provider.name.as_str() == name).cloned();
    let mut ways = Ways {
        email: login.is_none(),
        passkey: false,
        providers: Vec::new(),
        staff: staff.and_then(|staff| find(staff.provider.as_str())),
        skip_page: skip_login_page.unwrap_or(true),
    };
    for way in login.unwrap_or_default() {
        match way.value.as_str() {
            "email" => ways.email = true,
            "passkey" => ways.passkey = true,
            other => match find(other) {
                Some(provider) if ways.providers.contains(&provider) => {
                    builder.problem(&way.span, format!("`{other}` stands twice"), "keep one of the two");
                }
                Some(provider) => ways.providers.push(provider),
                // One that is there and wrong has its own message.
                None if provider_names.iter().any(|name| name == other) => {}
                None => {
                    let what = format!("app `{}` has no way in called `{other}`", name.value);
                    let known = ["email", "passkey"].into_iter().chain(provider_names.iter().map(String::as_str));
                    let add = format!(
                        "the ways in are \"email\", \"passkey\" and providers; for one, add `[login.oidc.{other}]`"
                    );
                    builder.problem(&way.span, what, did_you_mean(other, known, &add));
                }
            },
        }
    }
    match login {
        Some([]) => {
            let what = format!("app `{}` has no way in", name.value);
            builder.problem(&name.span, what, "write login = [\"email\"], or leave it out");
        }
        Some(list) if list.iter().all(|way| way.value == "passkey") => {
            let what = format!("nobody could add the first passkey of app `{}`", name.value);
            builder.problem(
                &name.span,
                what,
                "add \"email\" or a provider to `login`: a passkey is added after another log-in",
            );
        }
        _ => {}
    }
    ways
}

/// `require` of a role: each way must be one of the app's.
pub(super) fn requirement(builder: &mut Builder<'_>, texts: Option<&[Text]>, app: &str, ways: &Ways) -> Requirement {
    let Some(texts) = texts else { return Requirement::default() };
    let mut wanted = Vec::new();
    for text in texts {
        let required = match text.value.as_str() {
            "oidc" => Some(RequiredWay::AnyOidc),
            other => Way::parse(other).map(RequiredWay::Exactly),
        };
        let is_offered = match &required {
            Some(RequiredWay::AnyOidc) => !ways.providers.is_empty() || ways.staff.is_some(),
            Some(RequiredWay::Exactly(way)) => ways.allows(way),
            None => false,
        };
        match required.filter(|_| is_offered) {
            Some(required) => wanted.push(required),
            None => {
                let what = format!("nobody comes into app `{app}` by `{}`", text.value);
                builder.problem(
                    &text.span,
                    what,
                    "name one of the app's `login`, or \"oidc\" for any provider among them",
                );
            }
        }
    }
    Requirement(wanted)
}
