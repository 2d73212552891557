//! `[app.NAME]` and what hangs on it: domains, lists, roles, staff.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::builder::{Builder, lift};
use super::domains_from::{self, DomainTable, DomainTableFile};
use super::either::{DaysFromFile, DaysOfRoleFile, RoleFromFile};
use super::error::Problem;
use super::file::{AppFile, At, BrandingFile, ConfigFile, CustomerListFile, IdentityFile, TeamFile, Text};
use super::nearest::did_you_mean;
use super::{
    App, AppKind, Domain, Limits, Provider, Source, SourceKind, Ways, console, rules, staff, team, topics, upstream,
    ways,
};
use crate::pages::Brand;
use crate::policy::{
    AppPolicy, Assign, CustomerList, DaysBack, IdentityPlan, JwtPlan, ListColumns, ListRole, PortalRight, Preset,
    PreviewPlan, Role, Roles, Scope, TeamPlan, Template, WorkspaceGroups, WorkspaceUser,
};
use crate::types::{
    Ambiguity, AppName, Color, ColumnName, CustomerId, DisplayName, Email, HostName, PathAllowances, RoleName,
    TableName,
};

/// Builds every app; what is wrong is in the builder.
pub(super) fn build(
    builder: &mut Builder<'_>,
    file: &ConfigFile,
    source_names: &[String],
    sources: &[Source],
    providers: &[Arc<Provider>],
    limits: Limits,
) -> Vec<Arc<App>> {
    let mut staff = staff::workspace(builder, file);
    let mut taken: HashMap<HostName, String> = HashMap::new();
    let mut apps = Vec::new();
    let provider_names: Vec<String> = file.login.oidc.keys().map(|name| name.value.clone()).collect();
    ways::check_workspace(builder, file);
    for (name, app) in &file.app {
        let staff = staff.remove(&name.value).unwrap_or_default();
        let groups = ways::workspace_groups(builder, file, &name.value);
        let login = app.value.login.as_deref();
        let skips = app.value.skip_login_page;
        let ways = ways::ways(builder, name, login, skips, providers, &provider_names, groups.as_ref());
        if file.console.is_some() && name.value == console::NAME {
            let help = "name the app otherwise: the console's staff have their roles under this name";
            builder.problem(&name.span, "`console` is the name of the console", help);
        }
        let room = AppBuilder { name, file: &app.value, config: file, source_names, sources, ways, limits };
        if let Some(app) = room.build(builder, staff, groups, &mut taken) {
            apps.push(Arc::new(app));
        }
    }
    if let Some(text) = &file.console {
        let staff = staff.remove(console::NAME).unwrap_or_default();
        let groups = ways::workspace_groups(builder, file, console::NAME);
        apps.extend(console::build(builder, text, staff, groups, providers, &provider_names, &mut taken).map(Arc::new));
    }
    apps
}

/// Whether staff may have a role in something of this name: an app, or the console.
pub(super) fn is_app(file: &ConfigFile, name: &str) -> bool {
    file.app.contains_key(name) || file.console.is_some() && name == console::NAME
}

/// The roles of an app that configures none.
pub(super) fn standard(file: &AppFile) -> Roles {
    if file.team.is_some() { Roles::of_a_team() } else { Roles::standard() }
}

/// A role by name, which the app must have.
pub(super) fn role_of(builder: &mut Builder<'_>, name: &Text, app: &str, file: &ConfigFile) -> Option<RoleName> {
    let own = file.app.get(app).map(|app| &app.value);
    let standard = own.map_or_else(console::roles, standard);
    let known: Vec<&str> = match own {
        Some(own) if !own.role.is_empty() => own.role.keys().map(|name| name.value.as_str()).collect(),
        _ => standard.0.keys().map(RoleName::as_str).collect(),
    };
    if known.contains(&name.value.as_str()) {
        return RoleName::parse(&name.value).ok();
    }
    let otherwise = match own {
        Some(_) => format!("add `[app.{app}.role.{}]`", name.value),
        None => "its roles are admin and viewer".to_owned(),
    };
    let help = did_you_mean(&name.value, known.iter().copied(), &otherwise);
    builder.problem(&name.span, format!("app `{app}` has no role `{}`", name.value), help);
    None
}

struct AppBuilder<'a> {
    name: &'a Text,
    file: &'a AppFile,
    config: &'a ConfigFile,
    source_names: &'a [String],
    sources: &'a [Source],
    ways: Ways,
    limits: Limits,
}

impl AppBuilder<'_> {
    fn build(
        self,
        builder: &mut Builder<'_>,
        staff: BTreeMap<Email, WorkspaceUser>,
        workspace_groups: Option<WorkspaceGroups>,
        taken: &mut HashMap<HostName, String>,
    ) -> Option<App> {
        let file = self.file;
        let name = builder.keep_named(self.name, AppName::parse(&self.name.value));
        let brand = self.brand(builder, &file.branding, None);
        let domains = self.domains(builder, &brand, taken);
        let tables: Vec<_> = file.domains_from.iter().filter_map(|table| self.domain_table(builder, table)).collect();
        let upstream = upstream::build(builder, file);
        let roles = self.roles(builder);
        let default_role = match &file.roles_default {
            Some(text) => self.role(builder, text),
            None if file.role.is_empty() && file.team.is_some() => RoleName::parse("member").ok(),
            None if file.role.is_empty() => RoleName::parse("user").ok(),
            None => None,
        };
        let team = lift(file.team.as_ref().map(|team| self.team(builder, team)));
        let lists: Vec<_> = file.customers.iter().filter_map(|list| self.list(builder, list)).collect();
        let time_zone = self.time_zone(builder);
        let preview = PreviewPlan {
            writes: file.preview_writes.unwrap_or(false),
            max_role: file.preview_max_role.as_ref().and_then(|role| self.role(builder, role)),
        };
        let identity = self.identity(builder, &file.identity);
        let request_headers = headers(builder, &file.request_headers);
        let response_headers = headers(builder, &file.response_headers);
        let path_allowances = self.path_allowances(builder);
        let topics = topics::topics(builder, &file.topic);
        let body_bytes = builder.size(file.body_bytes.as_ref(), self.limits.body_bytes);
        let name = name?;
        Some(App {
            policy: AppPolicy {
                name: name.clone(),
                lists,
                roles,
                default_role,
                workspace: staff,
                workspace_groups,
                preview,
                time_zone,
                team: team?,
            },
            name,
            kind: AppKind::Proxied,
            ways: self.ways,
            enabled: file.enabled.unwrap_or(true),
            domains,
            domain_tables: tables,
            brand: Arc::new(brand),
            upstream: upstream?,
            identity: identity?,
            request_headers,
            response_headers,
            path_allowances,
            body_bytes,
            topics,
        })
    }

    fn brand(&self, builder: &mut Builder<'_>, file: &BrandingFile, parent: Option<&Brand>) -> Brand {
        brand(builder, &self.name.value, file, parent)
    }

    fn domains(&self, builder: &mut Builder<'_>, brand: &Brand, taken: &mut HashMap<HostName, String>) -> Vec<Domain> {
        let mut domains = Vec::new();
        let plain = Arc::new(brand.clone());
        for text in &self.file.domains {
            if let Some(host) = self.host(builder, text, taken) {
                domains.push(Domain { host, customer: None, brand: Arc::clone(&plain) });
            }
        }
        for domain in &self.file.domain {
            let host = self.host(builder, &domain.host, taken);
            let customer = domain.customer.as_ref().map(|text| {
                let filled = builder.text(text)?;
                builder.keep_named(text, CustomerId::parse(&filled))
            });
            let own = Arc::new(self.brand(builder, &domain.branding, Some(brand)));
            if let (Some(host), Some(customer)) = (host, lift(customer)) {
                domains.push(Domain { host, customer, brand: own });
            }
        }
        if self.file.domains.is_empty() && self.file.domain.is_empty() && self.file.domains_from.is_empty() {
            let what = format!("app `{}` has no domain", self.name.value);
            let help = "add `domains = [\"app.example.com\"]`, or `domains_from` where a table names them";
            builder.problem(&self.name.span, what, help);
        }
        domains
    }

    fn host(&self, builder: &mut Builder<'_>, text: &Text, taken: &mut HashMap<HostName, String>) -> Option<HostName> {
        host(builder, text, &self.name.value, taken)
    }

    fn roles(&self, builder: &mut Builder<'_>) -> Roles {
        if self.file.role.is_empty() {
            return standard(self.file);
        }
        let mut roles = Roles::default();
        let attributes = self.attributes();
        for (name, file) in &self.file.role {
            if self.file.team.is_none() {
                team::check_rights(builder, &file.portal, &self.name.value);
            }
            let role = Role {
                title: file.title.as_ref().and_then(|text| role_title(builder, text)),
                includes: file.includes.iter().filter_map(|name| self.role(builder, name)).collect(),
                when: file.when.as_ref().and_then(|text| rules::condition(builder, text, Scope::Table)),
                require: ways::requirement(builder, file.require.as_deref(), &self.name.value, &self.ways),
                rules: file.rules.iter().filter_map(|rule| rules::rule(builder, rule, &attributes)).collect(),
                level: file.level,
                irrevocable: file.irrevocable,
                portal: file.portal.iter().filter_map(|text| team::right(builder, text)).collect(),
                days_back: file.days_back.as_ref().and_then(|days| days_of_role(builder, days)),
            };
            if let Some(name) = builder.keep_named(name, RoleName::parse(&name.value)) {
                roles.0.insert(name, role);
            }
        }
        if let Some(cycle) = roles.cycle() {
            let way = cycle.iter().map(|name| name.as_str()).collect::<Vec<_>>().join("` includes `");
            let first = cycle.first().map_or("", |name| name.as_str());
            let span = self
                .file
                .role
                .keys()
                .find(|name| name.value == first)
                .map_or(self.name.span.clone(), |name| name.span.clone());
            let what = format!("roles include each other in a circle: `{way}` includes `{first}`");
            builder.problem(&span, what, "remove one of these includes");
        }
        roles
    }

    fn role(&self, builder: &mut Builder<'_>, name: &Text) -> Option<RoleName> {
        role_of(builder, name, &self.name.value, self.config)
    }

    fn team(&self, builder: &mut Builder<'_>, file: &TeamFile) -> Option<TeamPlan> {
        let mut role = |text: &Text| self.role(builder, text);
        let max_role = lift(file.max_role.as_ref().map(&mut role));
        let owner_role = lift(file.owner_role.as_ref().map(&mut role));
        let mut rights = self.file.role.values().flat_map(|role| &role.portal);
        let independent = rights.find(|right| right.value == PortalRight::Independent.name());
        team::plan(builder, file, independent, max_role?, owner_role?)
    }

    fn list(&self, builder: &mut Builder<'_>, list: &At<CustomerListFile>) -> Option<CustomerList> {
        let file = &list.value;
        let source = self.source(builder, &file.source, file.table.as_ref(), &list.span);
        let mut column = |text: &Text| {
            let filled = builder.text(text)?;
            builder.keep_named(text, ColumnName::parse(&filled))
        };
        let email = column(&file.email);
        let mut optional = |text: &Option<Text>| lift(text.as_ref().map(&mut column));
        let columns = (
            optional(&file.customer),
            optional(&file.customer_name),
            optional(&file.person),
            optional(&file.language),
            optional(&file.notes),
        );
        let attributes: Vec<_> = file
            .attributes
            .iter()
            .map(|(name, text)| {
                Some((attribute_name(builder, name)?, builder.keep_named(text, ColumnName::parse(&text.value))?))
            })
            .collect();
        let days_back = file.days_back.as_ref().map(|days| days_of_list(builder, days));
        let table = file.table.as_ref().map(|text| builder.keep_named(text, TableName::parse(&text.value)));
        let role = match &file.role {
            None => Some(ListRole::Default),
            Some(At { value: RoleFromFile::Name(name), span }) => {
                self.role(builder, &At { value: name.clone(), span: span.clone() }).map(ListRole::Name)
            }
            Some(At { value: RoleFromFile::Column(name), span }) => {
                let text = At { value: name.clone(), span: span.clone() };
                builder.keep_named(&text, ColumnName::parse(name)).map(ListRole::Column)
            }
        };
        if file.role.is_none()
            && file.assign.is_empty()
            && self.file.roles_default.is_none()
            && !self.file.role.is_empty()
        {
            builder.problem(
                &list.span,
                "rows of this list get no role",
                format!("add `role` to the list, or `roles_default` to `[app.{}]`", self.name.value),
            );
        }
        let condition = file.condition.as_ref().map(|text| rules::condition(builder, text, Scope::Table));
        let assign: Vec<_> = file
            .assign
            .iter()
            .map(|assign| {
                let role = self.role(builder, &assign.role);
                let when = rules::condition(builder, &assign.when, Scope::Table);
                Some(Assign { role: role?, when: when? })
            })
            .collect();
        let name = file.name.as_ref().map_or_else(|| file.source.value.clone(), |name| name.value.clone());
        let (days_column, days_back) = lift(days_back)?.unwrap_or_default();
        Some(CustomerList {
            name,
            source: source?.name.clone(),
            table: lift(table)?,
            columns: ListColumns {
                email: email?,
                customer: columns.0?,
                customer_name: columns.1?,
                person: columns.2?,
                language: columns.3?,
                days_back: days_column,
                notes: columns.4?,
                attributes: attributes.into_iter().collect::<Option<_>>()?,
            },
            days_back,
            role: role?,
            condition: lift(condition)?,
            assign: assign.into_iter().collect::<Option<_>>()?,
            adjustable: file.adjustable,
        })
    }

    /// A source by name, with a table where it has several.
    fn source(
        &self,
        builder: &mut Builder<'_>,
        name: &Text,
        table: Option<&Text>,
        span: &Range<usize>,
    ) -> Option<&Source> {
        if !self.source_names.contains(&name.value) {
            let known = self.source_names.iter().map(String::as_str);
            let help = did_you_mean(&name.value, known, &format!("add `[source.{}]`", name.value));
            builder.problem(&name.span, format!("there is no source `{}`", name.value), help);
        }
        let source = self.sources.iter().find(|source| source.name.as_str() == name.value);
        match (source.map(|source| &source.kind), table) {
            (Some(SourceKind::Csv(_)), Some(table)) => {
                builder.problem(&table.span, "a CSV file has one table, which has no name", "remove `table`");
            }
            (Some(SourceKind::Web(_)), Some(table)) => {
                builder.problem(&table.span, "a table on the web has no name", "remove `table`");
            }
            (Some(SourceKind::Sqlite(_) | SourceKind::Postgres { .. } | SourceKind::MySql { .. }), None) => {
                builder.problem(span, format!("source `{}` has many tables", name.value), "add `table = \"NAME\"`");
            }
            _ => {}
        }
        source
    }

    fn domain_table(&self, builder: &mut Builder<'_>, table: &At<DomainTableFile>) -> Option<DomainTable> {
        let file = &table.value;
        let source = self.source(builder, &file.source, file.table.as_ref(), &table.span);
        domains_from::table(builder, file, source)
    }

    /// A text with fields; an attribute in it has to come from some list.
    fn template(&self, builder: &mut Builder<'_>, text: &Text) -> Option<Template> {
        let template = Template::parse(&text.value)
            .map_err(|error| Problem::new(error.to_string(), "write text with fields, such as \"{customer.id}\""));
        let template = builder.keep(&text.span, template)?;
        rules::need_attributes(builder, &text.span, template.attributes(), &self.attributes());
        Some(template)
    }

    /// The attributes that some list brings.
    fn attributes(&self) -> Vec<&str> {
        let names = self.file.customers.iter().flat_map(|list| list.value.attributes.keys());
        names.map(|name| name.value.as_str()).collect()
    }

    fn claim(&self, builder: &mut Builder<'_>, name: &Text, value: &Text) -> Option<(String, Template)> {
        let template = self.template(builder, value);
        if JwtPlan::OWN_CLAIMS.contains(&name.value.as_str()) || name.value.is_empty() {
            let what = format!("the claim `{}` is set already", name.value);
            builder.problem(&name.span, what, "choose another name");
            return None;
        }
        Some((name.value.clone(), template?))
    }

    fn time_zone(&self, builder: &mut Builder<'_>) -> jiff::tz::TimeZone {
        let Some(text) = &self.file.time_zone else { return jiff::tz::TimeZone::UTC };
        let zone = jiff::tz::TimeZone::get(&text.value).map_err(|_| {
            Problem::new(
                format!("there is no time zone `{}`", text.value),
                "write an IANA name, such as \"Europe/Sofia\"",
            )
        });
        builder.keep(&text.span, zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    fn path_allowances(&self, builder: &mut Builder<'_>) -> PathAllowances {
        let mut allowed = Vec::new();
        for text in &self.file.path_allow {
            match Ambiguity::ALLOWABLE.iter().find(|kind| kind.name() == text.value) {
                Some(kind) => allowed.push(*kind),
                None => {
                    let names = Ambiguity::ALLOWABLE.iter().map(|kind| kind.name());
                    let all = names.clone().collect::<Vec<_>>().join(", ");
                    let help = did_you_mean(&text.value, names, &format!("the forms are {all}"));
                    builder.problem(&text.span, format!("`{}` is no ambiguous path form", text.value), help);
                }
            }
        }
        PathAllowances::new(allowed)
    }

    fn identity(&self, builder: &mut Builder<'_>, file: &IdentityFile) -> Option<IdentityPlan> {
        let preset = match &file.headers {
            None => Some(Preset::Access),
            Some(text) => {
                let found = Preset::ALL.iter().find(|(name, _)| *name == text.value).map(|(_, preset)| *preset);
                if found.is_none() {
                    let names = Preset::ALL.iter().map(|(name, _)| *name);
                    let help = did_you_mean(
                        &text.value,
                        names,
                        "the presets are access, forwarded, remote, auth-request and none",
                    );
                    builder.problem(&text.span, format!("there is no preset `{}`", text.value), help);
                }
                found
            }
        };
        let mut extra = Vec::new();
        for (name, value) in &file.extra {
            let header = header_name(builder, name);
            let template = self.template(builder, value);
            if let (Some(header), Some(template)) = (header, template) {
                extra.push((header, template));
            }
        }
        let jwt = file.jwt.as_ref().map(|jwt| {
            let header = match &jwt.header {
                Some(text) => header_name(builder, text),
                None => Some(HeaderName::from_static("x-access-assertion")),
            };
            let audience = match &jwt.audience {
                Some(text) => builder.text(text),
                None => Some(self.name.value.clone()),
            };
            let lifetime = builder.duration(jwt.lifetime.as_ref(), Duration::from_secs(300));
            if let Some(text) = &jwt.lifetime
                && !(Duration::from_secs(30)..=Duration::from_secs(3600)).contains(&lifetime)
            {
                builder.problem(
                    &text.span,
                    "an assertion is good for 30 seconds to an hour",
                    "write a duration such as \"5m\"",
                );
            }
            let claims: Vec<_> = jwt.claims.iter().map(|(name, value)| self.claim(builder, name, value)).collect();
            let claims = claims.into_iter().collect::<Option<_>>();
            Some(JwtPlan { header: header?, audience: audience?, lifetime, claims: claims? })
        });
        Some(IdentityPlan { preset: preset?, extra, jwt: lift(jwt)? })
    }
}

/// How something presents itself.
pub(super) fn brand(builder: &mut Builder<'_>, name: &str, file: &BrandingFile, parent: Option<&Brand>) -> Brand {
    let title = file.title.as_ref().and_then(|text| builder.text(text)).and_then(|text| DisplayName::new(&text));
    let mut picture = |text: &Option<Text>| text.as_ref().and_then(|text| builder.logo(text));
    let (logo, logo_dark, icon) = (picture(&file.logo), picture(&file.logo_dark), picture(&file.icon));
    let color = file.color.as_ref().and_then(|text| {
        let parsed = Color::parse(&text.value)
            .map_err(|error| Problem::new(error.to_string(), "write # and six hexadecimal digits"));
        builder.keep(&text.span, parsed)
    });
    let standard =
        || Brand { title: name.to_owned(), logo: None, logo_dark: None, icon: None, color: Color::default() };
    let mut brand = parent.cloned().unwrap_or_else(standard);
    if let Some(title) = title {
        brand.title = title.to_string();
    }
    if let Some(text) = file.logo_dark.as_ref().filter(|_| file.logo.is_none()) {
        let what = "`logo_dark` without `logo` leaves light pages without one";
        builder.problem(&text.span, what, "add `logo = \"FILE\"` beside it, for light pages");
    }
    if logo.is_some() {
        // Beside a logo of its own, a domain has none of the app's pictures.
        (brand.logo, brand.logo_dark, brand.icon) = (logo, logo_dark, icon);
    } else {
        brand.icon = icon.or(brand.icon);
    }
    brand.color = color.unwrap_or(brand.color);
    brand
}

/// A host name that reaches an app, and nothing else.
pub(super) fn host(
    builder: &mut Builder<'_>,
    text: &Text,
    app: &str,
    taken: &mut HashMap<HostName, String>,
) -> Option<HostName> {
    let filled = builder.text(text)?;
    let parsed = HostName::parse(&filled).map_err(|_| {
        Problem::new(
            format!("`{filled}` is not a host name"),
            "write a name such as \"orders.example.com\", without scheme, port or wildcard",
        )
    });
    let host = builder.keep(&text.span, parsed)?;
    if let Some(other) = taken.insert(host.clone(), app.to_owned()) {
        let what = format!("the domain `{host}` stands twice: it already reaches app `{other}`");
        builder.problem(&text.span, what, "a domain reaches one app; remove one of the two");
    }
    Some(host)
}

fn attribute_name(builder: &mut Builder<'_>, name: &Text) -> Option<String> {
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    if is_name(&name.value) {
        return Some(name.value.clone());
    }
    let what = format!("`{}` is no name for an attribute", name.value);
    builder.problem(&name.span, what, "write letters, digits, `_` and `-`, such as region = \"REGION\"");
    None
}

fn days(builder: &mut Builder<'_>, number: i64, span: &Range<usize>) -> Option<DaysBack> {
    let days = u32::try_from(number).ok().filter(|days| *days <= CustomerList::MOST_DAYS_BACK);
    if days.is_none() {
        builder.problem(span, format!("days back is {number}, not 0 to 36500"), "write a whole number of days");
    }
    days.map(DaysBack::Days)
}

/// The column and what holds where it is empty.
fn days_of_list(builder: &mut Builder<'_>, file: &At<DaysFromFile>) -> Option<(Option<ColumnName>, Option<DaysBack>)> {
    match &file.value {
        DaysFromFile::Number(number) => Some((None, Some(days(builder, *number, &file.span)?))),
        DaysFromFile::Column { column, default } => {
            let text = At { value: column.clone(), span: file.span.clone() };
            let column = builder.keep_named(&text, ColumnName::parse(column));
            let default = default.map(|number| days(builder, number, &file.span));
            Some((Some(column?), lift(default)?))
        }
    }
}

/// What people call a role.
fn role_title(builder: &mut Builder<'_>, text: &Text) -> Option<DisplayName> {
    let title = DisplayName::new(&text.value).filter(|title| title.as_str() == text.value);
    if title.is_none() {
        let help = "write a word or a few, at most 200 characters, on one line";
        builder.problem(&text.span, "a role's title is empty, too long, or has blanks that nobody would see", help);
    }
    title
}

fn days_of_role(builder: &mut Builder<'_>, file: &At<DaysOfRoleFile>) -> Option<DaysBack> {
    match &file.value {
        DaysOfRoleFile::Number(number) => days(builder, *number, &file.span),
        DaysOfRoleFile::Text(text) if text == "unlimited" => Some(DaysBack::Unlimited),
        DaysOfRoleFile::Text(text) => {
            let what = format!("days back is `{text}`, neither a number nor \"unlimited\"");
            builder.problem(&file.span, what, "write a whole number of days, or \"unlimited\"");
            None
        }
    }
}

/// Names that carry a message's framing or our own facts: no config sets them.
const FRAMING: [&str; 16] = [
    "connection",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

fn header_name(builder: &mut Builder<'_>, text: &Text) -> Option<HeaderName> {
    let parsed = HeaderName::try_from(text.value.as_str())
        .ok()
        .filter(|name| !name.as_str().starts_with("sec-") && !FRAMING.contains(&name.as_str()));
    let parsed = parsed.ok_or_else(|| {
        Problem::new(
            format!("`{}` cannot be set as a header", text.value),
            "choose a name of letters, digits and hyphens that HTTP itself and the gateway do not use",
        )
    });
    builder.keep(&text.span, parsed)
}

fn headers(builder: &mut Builder<'_>, file: &BTreeMap<Text, Text>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, text) in file {
        let header = header_name(builder, name);
        let Some(filled) = builder.text(text) else { continue };
        let value = HeaderValue::try_from(filled).map_err(|_| {
            Problem::new(
                format!("the value of `{}` cannot stand in a header", name.value),
                "write one line of ASCII text",
            )
        });
        if let (Some(header), Some(value)) = (header, builder.keep(&text.span, value)) {
            headers.push((header, value));
        }
    }
    headers
}
