//! How a connection to a server of an upstream is made: whom it trusts, what is spoken, who may share it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use pingora_core::utils::tls::{WrappedX509, parse_x509};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::super::upgrade;
use crate::config::{App, Place, UpstreamServer};
use crate::session::SessionId;
use crate::types::AppName;

/// How long a connection to an upstream is kept for the next request.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What a connection to an upstream is for, and whom alone it may serve.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(in crate::proxy) enum UseAs {
    /// Requests and answers, one after another.
    Requests(Option<SessionId>),
    /// One request that asks to upgrade.
    Upgrade(Option<SessionId>),
    /// Our own question whether the server is well.
    #[expect(dead_code, reason = "health checks come next")]
    Check,
}

impl UseAs {
    /// What a request needs its connection for. NTLM and Kerberos log the connection itself in, and an upstream that has
    /// them takes everything on it for that person: such a connection serves no other session.
    pub(in crate::proxy) fn of(head: &RequestHeader, is_upgrade: bool, session: SessionId) -> Self {
        let logs_in = |value: &HeaderValue| {
            let scheme = value.as_bytes().trim_ascii_start().split(u8::is_ascii_whitespace).next();
            scheme
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate"))
        };
        let owner = head.headers.get_all(header::AUTHORIZATION).iter().any(logs_in).then_some(session);
        if is_upgrade { Self::Upgrade(owner) } else { Self::Requests(owner) }
    }
}

/// Where one connection goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Address {
    /// To this address and port.
    Network(SocketAddr),
    /// To this Unix socket.
    Unix(PathBuf),
}

/// A CA file of an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the CA of app `{app}`'s upstream ({}) cannot be used: {cause}", .file.display())]
pub struct InvalidCa {
    app: AppName,
    file: PathBuf,
    cause: String,
}

/// What all connections of an app to its servers have in common and has to be read first.
#[derive(Debug)]
pub(super) struct Wiring {
    app: Arc<App>,
    ca: Option<Arc<[WrappedX509]>>,
}

impl Wiring {
    /// Reads the files that the config names.
    pub(super) fn read(app: &Arc<App>) -> Result<Self, InvalidCa> {
        let ca = app.upstream.ca.as_ref().map(|file| {
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
            Ok(list.into())
        });
        Ok(Self { app: Arc::clone(app), ca: ca.transpose()? })
    }

    /// A connection to a server at one of its addresses. `client` is whose request it is for; nobody's, for a check.
    pub(super) fn peer(
        &self,
        server: &UpstreamServer,
        address: &Address,
        use_as: UseAs,
        _client: Option<IpAddr>,
    ) -> pingora::Result<Box<HttpPeer>> {
        let upstream = &self.app.upstream;
        let Address::Network(address) = address else {
            return Err(Error::explain(ErrorType::ConnectError, "Unix sockets are not connected to yet"));
        };
        let host = match &server.place {
            Place::Network { host, .. } => host.clone(),
            Place::Unix(_) => String::new(),
        };
        let mut peer = HttpPeer::new(*address, server.tls, host);
        peer.options.connection_timeout = Some(upstream.connect_timeout);
        peer.options.total_connection_timeout = Some(upstream.connect_timeout);
        peer.options.read_timeout = Some(upstream.response_timeout);
        peer.options.write_timeout = Some(upstream.response_timeout);
        peer.options.idle_timeout = Some(KEPT_FOR);
        if matches!(use_as, UseAs::Upgrade(_)) {
            peer.options.custom_l4 = Some(upgrade::Connector::shared());
        }
        peer.options.ca.clone_from(&self.ca);
        // Two apps on one server share no connection: they may trust different CAs. Nor do two uses: see `UseAs`, `upgrade`.
        peer.group_key = group(&self.app.name, use_as);
        Ok(Box::new(peer))
    }
}

fn group(app: &AppName, use_as: UseAs) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (app, use_as).hash(&mut hasher);
    hasher.finish()
}
