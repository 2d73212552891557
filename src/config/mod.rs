//! The config file: its text, what it means, and what is wrong with it.
//!
//! `file` is the shape of the text, `build` turns it into the [`Config`] below, in which nothing is left to resolve, and
//! `error` tells a person what is wrong, where, and how to mend it. All problems are gathered before any is reported.

mod acme;
mod app;
mod build;
mod builder;
mod console;
mod domains_from;
mod either;
mod error;
mod file;
mod files;
pub(crate) mod nearest;
mod rules;
pub mod running;
mod scan;
mod secret;
mod sources;
mod staff;
mod team;
mod topics;
mod trial;
mod units;
mod upstream;
mod ways;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

pub use acme::{Acme, Challenge, DnsHook, Eab, MacKey};
pub use build::{Read, load, parse, read, read_all, try_out};
pub(crate) use builder::read_logo;
pub use domains_from::{DomainColumns, DomainTable};
pub use error::{ConfigError, ConfigErrors, Problem};
pub use file::schema;
pub use files::{Files, Held, held};
pub use topics::{Topic, Words};
pub use upstream::{
    Balance, ClientCertificate, Ejection, HealthCheck, HostHeader, MOST_RETRIES, Place, Prefix, ProxyProtocol,
    RequestLimit, Upstream, UpstreamProtocol, UpstreamServer,
};

use crate::pages::{Brand, Logo};
use crate::policy::{AppPolicy, IdentityPlan};
use crate::session::{Link, SessionLimits};
use crate::types::{
    AppName, ColumnName, CustomerId, Email, HostName, PathAllowances, ProviderName, Secret, SenderAddress, SmtpServer,
    SourceName, Way,
};

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[tls]`
    pub tls: Tls,
    /// `[acme]`
    pub acme: Option<Acme>,
    /// `[mail]`; an app whose login is by email needs it.
    pub mail: Option<Mail>,
    /// `[login]`
    pub login: Login,
    /// `[session]`
    pub session: SessionLimits,
    /// `[audit]`
    pub audit: Audit,
    /// Each `[source.NAME]`.
    pub sources: Vec<Source>,
    /// Each `[app.NAME]`.
    pub apps: Vec<Arc<App>>,
    /// The files that were read with it.
    pub files: Files,
}

/// `[audit]`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Audit {
    /// How long entries are kept.
    pub keep: Duration,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where TLS is accepted.
    pub https: SocketAddr,
    /// Where plain HTTP is redirected.
    pub http: Option<SocketAddr>,
    /// The port at which the world reaches plain HTTP, where that is not its own.
    pub public_http_port: Option<u16>,
    /// The port at which the world reaches TLS, where that is not its own.
    pub public_https_port: Option<u16>,
    /// Where health and metrics are told.
    pub admin: Option<SocketAddr>,
    /// The folder of store and keys.
    pub data: PathBuf,
    /// Whose `X-Forwarded-*` count.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether trusted proxies say by the PROXY protocol for whom they connect.
    pub proxy_protocol: bool,
    /// How long running requests may take to end when the gateway stops.
    pub grace: Duration,
    /// Whether changes of the config's files are taken up by themselves.
    pub watch: bool,
    /// The named limits.
    pub limits: Limits,
}

/// `[server.limits]`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Fields of a request's head.
    pub headers: usize,
    /// How long a request's head may take to arrive.
    pub header_read: Duration,
    /// How long a connection may idle between requests.
    pub idle: Duration,
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// Bytes of one row of a filtered answer.
    pub row_bytes: usize,
    /// Fetched certificates in memory.
    pub certificates: usize,
}

/// `[tls]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    /// The folder of certificates.
    pub certs: Option<PathBuf>,
    /// Whether names without a certificate get one from a CA of our own.
    pub local_ca: bool,
}

/// `[mail]`
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// The server that takes our mail.
    pub smtp: SmtpServer,
    /// The sender.
    pub from: SenderAddress,
    /// The CA of the server's certificate, where it is a private one.
    pub ca: Option<PathBuf>,
    /// Notifications to one person, a day.
    pub notifications_per_person: u32,
}

/// `[login]`
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// The one host name that providers send people back to.
    pub hub: Option<HostName>,
    /// Each `[login.oidc.NAME]`.
    pub providers: Vec<Arc<Provider>>,
    /// How long link and code are good.
    pub lifetime: Duration,
    /// Mails to one address from one client network, an hour.
    pub mails_per_address: u32,
    /// Tries by one client network, an hour.
    pub tries_per_client: u32,
    /// Tries for one address from one client network, an hour.
    pub tries_per_address: u32,
    /// Tries by everybody together, a minute.
    pub tries_in_total: u32,
    /// Mails of one app, an hour.
    pub mails_per_app: u32,
}

/// `[login.oidc.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Its name.
    pub name: ProviderName,
    /// Its issuer identifier: https, or http on loopback; exactly as its tokens have it.
    pub issuer: String,
    /// Our client id.
    pub client_id: String,
    /// Our client secret; none for a public client.
    pub client_secret: Option<Secret>,
    /// What is asked for; `openid` is among it.
    pub scopes: Vec<String>,
    /// The mail domains it speaks for; any, when empty.
    pub email_domains: Vec<HostName>,
    /// The claim that holds the address.
    pub email_claim: String,
    /// The claim that says that the address is verified.
    pub email_verified_claim: String,
    /// Whether an address counts although no claim says that it is verified.
    pub trust_unverified_email: bool,
    /// The claim that lists a person's groups, where this is the staff's provider.
    pub groups_claim: Option<String>,
    /// The groups that mean something here: no others are kept.
    pub groups: Vec<String>,
    /// The name on its button.
    pub title: String,
    /// The picture on its button.
    pub icon: Option<Logo>,
    /// The CA of its certificate, where it is a private one.
    pub ca: Option<PathBuf>,
    /// Signatures that count.
    pub algorithms: Vec<SigningAlgorithm>,
    /// How far its clock may be off.
    pub clock_skew: Duration,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// How often it is asked whether a person is still there.
    pub recheck: Option<Duration>,
    /// What becomes of a session that cannot be re-checked because the provider is down.
    pub recheck_when_down: WhenDown,
    /// Whether logging out here logs out there too.
    pub end_provider_session: bool,
}

impl Provider {
    /// Whether the provider may say who has this address.
    #[must_use]
    pub fn speaks_for(&self, email: &Email) -> bool {
        self.email_domains.is_empty() || self.email_domains.iter().any(|domain| domain.as_str() == email.domain())
    }
}

/// A signature that a provider may use for its tokens (RFC 7518, section 3.1; RFC 8037). None is symmetric: whoever knows
/// a public key must not be able to sign with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256.
    Es256,
    /// ECDSA with P-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// What becomes of a session while it cannot be re-checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenDown {
    /// It goes on, and is re-checked a minute later.
    Allow,
    /// It waits: its requests are answered with 503.
    Deny,
}

/// The ways into an app.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ways {
    /// By mail.
    pub email: bool,
    /// By passkey.
    pub passkey: bool,
    /// By these providers, in the order of their buttons.
    pub providers: Vec<Arc<Provider>>,
    /// The provider of the staff that has a role here; it has a button only if it is among `providers` too.
    pub staff: Option<Arc<Provider>>,
    /// Whether people go straight to the provider where that is the only way in.
    pub skip_page: bool,
}

impl Ways {
    /// Whether a session may rest on a way.
    #[must_use]
    pub fn allows(&self, way: &Way) -> bool {
        match way {
            Way::Email => self.email,
            Way::Passkey => self.passkey,
            Way::Oidc(name) => self.provider(name).is_some(),
        }
    }

    /// Whether a way may say that somebody has this address: an address whose domain belongs to a provider is nobody else's to
    /// speak for, least of all another provider's.
    #[must_use]
    pub fn lets_in(&self, way: &Way, email: &Email) -> bool {
        let home = self.home_of(email).map(|provider| &provider.name);
        self.allows(way)
            && match way {
                // It was added by somebody who had come by another way, and opens nothing that the table does not.
                Way::Passkey => true,
                Way::Email => home.is_none(),
                Way::Oidc(name) => {
                    home.is_none_or(|home| home == name)
                        && self.provider(name).is_some_and(|provider| provider.speaks_for(email))
                }
            }
    }

    /// Whether a session's link is to a provider of the app, as it is now: under another issuer a name is another provider.
    #[must_use]
    pub fn knows(&self, link: &Link) -> bool {
        self.provider(&link.provider).is_some_and(|provider| provider.issuer == link.issuer)
    }

    /// A provider by which people may come, by name.
    #[must_use]
    pub fn provider(&self, name: &ProviderName) -> Option<&Arc<Provider>> {
        self.all_providers().find(|provider| provider.name == *name)
    }

    /// The provider that an address's domain belongs to: nobody else may say who has that address.
    #[must_use]
    pub fn home_of(&self, email: &Email) -> Option<&Arc<Provider>> {
        self.all_providers().find(|provider| !provider.email_domains.is_empty() && provider.speaks_for(email))
    }

    /// The provider to go to without asking, where it is the only way in.
    #[must_use]
    pub fn only_provider(&self) -> Option<&Arc<Provider>> {
        match self.providers.as_slice() {
            [only] if self.skip_page && !self.email && !self.passkey => {
                self.staff.as_ref().is_none_or(|staff| staff.name == only.name).then_some(only)
            }
            _ => None,
        }
    }

    fn all_providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.iter().chain(&self.staff)
    }
}

/// `[source.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: SourceName,
    /// What it is.
    pub kind: SourceKind,
    /// How old an answer may be.
    pub refresh: Duration,
    /// How long answers are good while the source cannot be read.
    pub max_stale: Duration,
    /// How long a database or web server may take to answer.
    pub timeout: Duration,
}

/// What a source is.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// A CSV file.
    Csv(PathBuf),
    /// An SQLite database.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres {
        /// Where it is, and as whom it is asked.
        url: Secret,
        /// The channel whose notifications make changes count at once.
        notify: Option<String>,
    },
    /// A MySQL or MariaDB database.
    MySql {
        /// Where it is, and as whom it is asked.
        url: Secret,
    },
    /// A table that a web server gives out.
    Web(Box<WebSource>),
}

/// A table that a web server gives out.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSource {
    /// Where it is: https, or http on loopback. A secret, for some carry a token.
    pub url: Secret,
    /// What it is; as the answer says, when left out.
    pub format: Option<WebFormat>,
    /// Header fields of the request.
    pub headers: Vec<(HeaderName, Secret)>,
    /// JSON: the pointer to the list of rows (RFC 6901); empty for the answer itself.
    pub rows: String,
    /// JSON: columns, each with the pointer to its value in a row; each member of a row is one, when empty.
    pub fields: Vec<(ColumnName, String)>,
    /// JSON: how the next page is asked for.
    pub next: Option<NextPage>,
    /// The CA of its certificate, where it is a private one.
    pub ca: Option<PathBuf>,
}

/// What a web server's table is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WebFormat {
    /// CSV with a header row.
    Csv,
    /// JSON.
    Json,
}

/// How the next page of a table is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NextPage {
    /// The pointer to what names it; nothing there, `null`, `false` or an empty text end the table.
    pub pointer: String,
    /// The parameter that is set to it; without one it is a URL on the same server.
    pub parameter: Option<String>,
}

/// `[app.NAME]`. Two are equal only if nothing about them differs, down to the bytes of their logos: a reload keeps what was compiled
/// from the one if the other is equal to it.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// What stands behind it.
    pub kind: AppKind,
    /// Whether customers may use it.
    pub enabled: bool,
    /// The domains that reach it.
    pub domains: Vec<Domain>,
    /// Where further domains come from.
    pub domain_tables: Vec<DomainTable>,
    /// How it presents itself, where a domain says nothing of its own.
    pub brand: Arc<Brand>,
    /// The ways in.
    pub ways: Ways,
    /// Its origin servers.
    pub upstream: Upstream,
    /// Who may enter.
    pub policy: AppPolicy,
    /// What the upstream is told.
    pub identity: IdentityPlan,
    /// Static headers for the upstream.
    pub request_headers: Vec<(HeaderName, HeaderValue)>,
    /// Static headers for the customer.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
    /// Ambiguous path forms that it needs.
    pub path_allowances: PathAllowances,
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// What its people are notified of.
    pub topics: Vec<Topic>,
}

/// What stands behind an app's domains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AppKind {
    /// Its origin servers.
    Proxied,
    /// The workspace team's own pages, which are the gateway's. It has no servers.
    Console,
}

/// A domain that reaches an app.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    /// Its name.
    pub host: HostName,
    /// The only customer whose people may use it.
    pub customer: Option<CustomerId>,
    /// How it presents itself.
    pub brand: Arc<Brand>,
}

impl Config {
    /// The app and domain of a host name.
    #[must_use]
    pub fn app(&self, name: &str) -> Option<&Arc<App>> {
        self.apps.iter().find(|app| app.name.as_str() == name)
    }

    /// The same config, with the very apps of another one wherever they are equal: what was compiled from those is still good.
    #[must_use]
    pub fn keeping(mut self, running: &Self) -> Self {
        for app in &mut self.apps {
            if let Some(same) = running.apps.iter().find(|running| *running == app) {
                *app = Arc::clone(same);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod equality_tests;
