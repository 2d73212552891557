//! Station 7: a permit becomes a peer.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderValue, header};
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};
use pingora_core::utils::tls::{WrappedX509, parse_x509};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::upgrade;
use crate::config::{App, Upstream};
use crate::policy::Permit;
use crate::session::SessionId;
use crate::types::AppName;

/// How long a resolved name is used.
const RESOLVED_FOR: Duration = Duration::from_secs(10);
/// How long a connection to an upstream is kept for the next request.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The upstreams of all apps.
pub struct Upstreams {
    authorities: ArcSwap<HashMap<AppName, Arc<[WrappedX509]>>>,
    resolved: moka::future::Cache<(String, u16), SocketAddr>,
}

/// Upstreams of a config that is not in force yet.
pub struct PreparedUpstreams(HashMap<AppName, Arc<[WrappedX509]>>);

/// What a connection to an upstream is for, and whom alone it may serve.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum UseAs {
    /// Requests and answers, one after another.
    Requests(Option<SessionId>),
    /// One request that asks to upgrade.
    Upgrade(Option<SessionId>),
}

impl UseAs {
    /// What a request needs its connection for. NTLM and Kerberos log the connection itself in, and an upstream that has
    /// them takes everything on it for that person: such a connection serves no other session.
    pub(super) fn of(head: &RequestHeader, is_upgrade: bool, session: SessionId) -> Self {
        let logs_in = |value: &HeaderValue| {
            let scheme = value.as_bytes().trim_ascii_start().split(u8::is_ascii_whitespace).next();
            scheme
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate"))
        };
        let owner = head.headers.get_all(header::AUTHORIZATION).iter().any(logs_in).then_some(session);
        if is_upgrade { Self::Upgrade(owner) } else { Self::Requests(owner) }
    }
}

/// A CA file of an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`upstream_ca` of app `{app}` ({}) cannot be used: {cause}", .file.display())]
pub struct InvalidCa {
    app: AppName,
    file: std::path::PathBuf,
    cause: String,
}

impl Upstreams {
    /// None yet; see [`Self::prepare`] and [`Self::apply`].
    #[must_use]
    pub fn new() -> Self {
        let resolved = moka::future::Cache::builder().max_capacity(10_000).time_to_live(RESOLVED_FOR).build();
        Self { authorities: ArcSwap::default(), resolved }
    }

    /// Puts what was prepared in force.
    pub fn apply(&self, prepared: PreparedUpstreams) {
        self.authorities.store(Arc::new(prepared.0));
    }

    /// Reads the apps' private CAs.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn prepare(&self, apps: &[Arc<App>]) -> Result<PreparedUpstreams, InvalidCa> {
        let mut authorities = HashMap::new();
        for app in apps {
            if let Some(file) = &app.upstream.ca {
                let invalid = |cause: String| InvalidCa { app: app.name.clone(), file: file.clone(), cause };
                let mut list = Vec::new();
                for certificate in CertificateDer::pem_file_iter(file).map_err(|error| invalid(error.to_string()))? {
                    let der = certificate.map_err(|error| invalid(error.to_string()))?.to_vec();
                    // Pingora's own parser panics on what is no certificate.
                    x509_parser::parse_x509_certificate(&der).map_err(|error| invalid(error.to_string()))?;
                    list.push(WrappedX509::new(der, parse_x509));
                }
                if list.is_empty() {
                    return Err(invalid("it holds no certificate".to_owned()));
                }
                authorities.insert(app.name.clone(), list.into());
            }
        }
        Ok(PreparedUpstreams(authorities))
    }

    /// The peer of an app. Asks for the permit, so that what was not allowed has nowhere to go.
    pub(super) async fn peer(&self, _: &Permit, app: &App, use_as: UseAs) -> pingora::Result<Box<HttpPeer>> {
        let upstream = &app.upstream;
        let address = self.resolve(upstream).await?;
        let mut peer = HttpPeer::new(address, upstream.tls, upstream.host.clone());
        peer.options.connection_timeout = Some(upstream.connect_timeout);
        peer.options.total_connection_timeout = Some(upstream.connect_timeout);
        peer.options.read_timeout = Some(upstream.response_timeout);
        peer.options.write_timeout = Some(upstream.response_timeout);
        peer.options.idle_timeout = Some(KEPT_FOR);
        if matches!(use_as, UseAs::Upgrade(_)) {
            peer.options.custom_l4 = Some(upgrade::Connector::shared());
        }
        peer.options.ca = self.authorities.load().get(&app.name).cloned();
        // Two apps on one server share no connection: they may trust different CAs. Nor do two uses: see `UseAs`, `upgrade`.
        peer.group_key = group(&app.name, use_as);
        Ok(Box::new(peer))
    }

    async fn resolve(&self, upstream: &Upstream) -> pingora::Result<SocketAddr> {
        if let Ok(address) = upstream.host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, upstream.port));
        }
        let look_up = async {
            let mut found = tokio::net::lookup_host((upstream.host.as_str(), upstream.port)).await?;
            found.next().ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address"))
        };
        let timed = async {
            tokio::time::timeout(upstream.connect_timeout, look_up)
                .await
                .unwrap_or_else(|_| Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "resolving took too long")))
        };
        self.resolved.try_get_with((upstream.host.clone(), upstream.port), timed).await.map_err(|error| {
            let mut error = Error::explain(ErrorType::ConnectError, format!("resolving {}: {error}", upstream.host));
            error.esource = ErrorSource::Upstream;
            error
        })
    }
}

/// Why an upstream failed, and what an operator can do about it, for the log. It never holds what the upstream sent: the head of an
/// answer may hold cookies.
pub(super) fn cause(error: &Error) -> String {
    let kind = error.etype.as_str();
    let is_of_connecting = matches!(
        error.etype,
        ErrorType::ConnectTimedout
            | ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::TLSHandshakeFailure
            | ErrorType::TLSHandshakeTimedout
            | ErrorType::InvalidCert
            | ErrorType::SocketError
    );
    if !is_of_connecting {
        return kind.to_owned();
    }
    // Pingora tells the whole way of an error, and its own address last; what happened stands in the innermost part.
    let way = error.to_string();
    let way = way.split(" cause: local address ").next().unwrap_or_default();
    let what = way.rsplit(" cause: ").next().unwrap_or_default();
    let what = what.rsplit(" context: ").next().unwrap_or_default();
    format!("{kind}: {what}{}", remedy(what))
}

fn remedy(text: &str) -> &'static str {
    const REMEDIES: [(&str, &str); 4] = [
        ("UnknownIssuer", " (`upstream_ca` names a private CA to trust)"),
        ("CaUsedAsEndEntity", " (the upstream shows a CA's certificate as its own: give it one with `CA:FALSE`)"),
        ("not valid for name", " (its certificate is for another name: write that name in `upstream`)"),
        ("InvalidContentType", " (it does not speak TLS: `http://` instead of `https://`?)"),
    ];
    REMEDIES.iter().find(|(part, _)| text.contains(part)).map_or("", |(_, remedy)| remedy)
}

fn group(app: &AppName, use_as: UseAs) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (app, use_as).hash(&mut hasher);
    hasher.finish()
}
