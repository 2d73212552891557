//! Station 7: a permit becomes a peer.

mod connect;
mod peer;
mod proxy_protocol_out;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};

pub use self::peer::InvalidTlsFile;
pub(super) use self::peer::UseAs;
use self::peer::{Address, Wiring};
pub(super) use self::proxy_protocol_out::Client;
use crate::config::{App, Place};
use crate::policy::Permit;
use crate::types::AppName;

/// How long a resolved name is used.
const RESOLVED_FOR: Duration = Duration::from_secs(10);

/// The upstreams of all apps.
pub struct Upstreams {
    wirings: ArcSwap<HashMap<AppName, Arc<Wiring>>>,
    resolved: moka::future::Cache<(String, u16), SocketAddr>,
}

/// Upstreams of a config that is not in force yet.
pub struct PreparedUpstreams(HashMap<AppName, Arc<Wiring>>);

impl Upstreams {
    /// None yet; see [`Self::prepare`] and [`Self::apply`].
    #[must_use]
    pub fn new() -> Self {
        let resolved = moka::future::Cache::builder().max_capacity(10_000).time_to_live(RESOLVED_FOR).build();
        Self { wirings: ArcSwap::default(), resolved }
    }

    /// Puts what was prepared in force.
    pub fn apply(&self, prepared: PreparedUpstreams) {
        self.wirings.store(Arc::new(prepared.0));
    }

    /// Reads the apps' private CAs and client certificates.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn prepare(&self, apps: &[Arc<App>]) -> Result<PreparedUpstreams, InvalidTlsFile> {
        let wirings = apps.iter().map(|app| Ok((app.name.clone(), Arc::new(Wiring::read(app)?))));
        wirings.collect::<Result<_, _>>().map(PreparedUpstreams)
    }

    /// The peer of an app. Asks for the permit, so that what was not allowed has nowhere to go.
    pub(super) async fn peer(
        &self,
        _: &Permit,
        app: &App,
        use_as: UseAs,
        client: Client,
    ) -> pingora::Result<Box<HttpPeer>> {
        let no_server = || Error::explain(ErrorType::HTTPStatus(502), "no server");
        let server = app.upstream.servers.first().ok_or_else(no_server)?;
        let address = match &server.place {
            Place::Unix(path) => Address::Unix(path.clone()),
            Place::Network { host, port } => {
                Address::Network(self.resolve(host, *port, app.upstream.connect_timeout).await?)
            }
        };
        let wiring = self.wirings.load().get(&app.name).cloned().ok_or_else(no_server)?;
        wiring.peer(server, &address, use_as, Some(client))
    }

    async fn resolve(&self, host: &str, port: u16, patience: Duration) -> pingora::Result<SocketAddr> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, port));
        }
        let look_up = async {
            let mut found = tokio::net::lookup_host((host, port)).await?;
            found.next().ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address"))
        };
        let timed = async {
            tokio::time::timeout(patience, look_up)
                .await
                .unwrap_or_else(|_| Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "resolving took too long")))
        };
        self.resolved.try_get_with((host.to_owned(), port), timed).await.map_err(|error| {
            let mut error = Error::explain(ErrorType::ConnectError, format!("resolving {host}: {error}"));
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
    const REMEDIES: [(&str, &str); 5] = [
        ("UnknownIssuer", " (`upstream_ca` names a private CA to trust)"),
        ("CaUsedAsEndEntity", " (the upstream shows a CA's certificate as its own: give it one with `CA:FALSE`)"),
        (
            "not valid for name",
            " (its certificate is for another name: write that name in `upstream`, or as its `sni`)",
        ),
        ("CertificateRequired", " (it wants to see a `client_certificate`)"),
        ("InvalidContentType", " (it does not speak TLS: `http://` instead of `https://`?)"),
    ];
    REMEDIES.iter().find(|(part, _)| text.contains(part)).map_or("", |(_, remedy)| remedy)
}
