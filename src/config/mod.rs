//! The config file: its text, what it means, and what is wrong with it.
//!
//! `file` is the shape of the text, `build` turns it into the [`Config`] below, in which nothing is left to resolve, and
//! `error` tells a person what is wrong, where, and how to mend it. All problems are gathered before any is reported.

mod app;
mod build;
mod builder;
mod error;
mod file;
pub(crate) mod nearest;
mod scan;
mod secret;
mod units;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

pub use build::{load, parse};
pub use error::{ConfigError, ConfigErrors, Problem};
pub use file::schema;

use crate::pages::Brand;
use crate::policy::{AppPolicy, IdentityPlan};
use crate::session::SessionLimits;
use crate::types::{AppName, CustomerId, HostName, PathAllowances, SenderAddress, SmtpServer, SourceName};

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[tls]`
    pub tls: Tls,
    /// `[mail]`; an app whose login is by email needs it.
    pub mail: Option<Mail>,
    /// `[login]`
    pub login: Login,
    /// `[session]`
    pub session: SessionLimits,
    /// Each `[source.NAME]`.
    pub sources: Vec<Source>,
    /// Each `[app.NAME]`.
    pub apps: Vec<Arc<App>>,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// Where TLS is accepted.
    pub https: SocketAddr,
    /// Where plain HTTP is redirected.
    pub http: Option<SocketAddr>,
    /// Where health and metrics are told.
    pub admin: Option<SocketAddr>,
    /// The folder of store and keys.
    pub data: PathBuf,
    /// Whose `X-Forwarded-*` count.
    pub trusted_proxies: Vec<IpNet>,
    /// How long running requests may take to end when the gateway stops.
    pub grace: Duration,
    /// The named limits.
    pub limits: Limits,
}

/// `[server.limits]`
#[derive(Clone, Copy, Debug)]
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
}

/// `[tls]`
#[derive(Clone, Debug)]
pub struct Tls {
    /// The folder of certificates.
    pub certs: Option<PathBuf>,
    /// Whether names without a certificate get one from a CA of our own.
    pub local_ca: bool,
}

/// `[mail]`
#[derive(Clone, Debug)]
pub struct Mail {
    /// The server that takes our mail.
    pub smtp: SmtpServer,
    /// The sender.
    pub from: SenderAddress,
    /// The CA of the server's certificate, where it is a private one.
    pub ca: Option<PathBuf>,
}

/// `[login]`
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// How long link and code are good.
    pub lifetime: Duration,
    /// Mails to one address, an hour.
    pub mails_per_address: u32,
    /// Tries by one client network, an hour.
    pub tries_per_client: u32,
    /// Mails of one app, an hour.
    pub mails_per_app: u32,
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
}

/// What a source is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SourceKind {
    /// A CSV file.
    Csv(PathBuf),
    /// An SQLite database.
    Sqlite(PathBuf),
}

/// `[app.NAME]`
#[derive(Clone, Debug)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// Whether customers may use it.
    pub enabled: bool,
    /// The domains that reach it.
    pub domains: Vec<Domain>,
    /// Its origin server.
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
}

/// A domain that reaches an app.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its name.
    pub host: HostName,
    /// The only customer whose people may use it.
    pub customer: Option<CustomerId>,
    /// How it presents itself.
    pub brand: Arc<Brand>,
}

/// An app's origin server.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Host name or address, as written.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// The CA of its certificate, where it is a private one.
    pub ca: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long it may be silent.
    pub response_timeout: Duration,
}

impl Config {
    /// The app and domain of a host name.
    #[must_use]
    pub fn app(&self, name: &str) -> Option<&Arc<App>> {
        self.apps.iter().find(|app| app.name.as_str() == name)
    }
}

#[cfg(test)]
mod tests;
