//! How a connection to a server of an upstream is made: whom it trusts, what is spoken, who may share it.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};
use pingora_core::protocols::ALPN;
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::connect::Connector;
use super::proxy_protocol_out::{self, Client};
use crate::config::{App, ClientCertificate, Place, UpstreamProtocol, UpstreamServer};
use crate::session::SessionId;
use crate::types::AppName;

/// How long a connection to an upstream is kept for the next request.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(60);
/// How many requests share an HTTP/2 connection.
const MOST_STREAMS: u32 = 100;
/// How much of one answer an HTTP/2 upstream may send ahead of what its customer takes. For all answers of a connection it is
/// that for each of them: were it less, a few people who read slowly, or not at all, would hold up everybody else on it.
const AHEAD: u32 = 256 * 1024;

/// What a connection to an upstream is for, and whom alone it may serve.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(in crate::proxy) enum UseAs {
    /// Requests and answers, one after another.
    Requests(Option<SessionId>),
    /// One request that asks to upgrade.
    Upgrade(Option<SessionId>),
    /// Our own question whether the server is well.
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

/// A file that an upstream's TLS needs cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the {what} of app `{app}`'s upstream ({}) cannot be used: {cause}", .file.display())]
pub struct InvalidTlsFile {
    app: AppName,
    what: &'static str,
    file: PathBuf,
    cause: String,
}

/// What all connections of an app to its servers have in common and has to be read first.
#[derive(Debug)]
pub(super) struct Wiring {
    app: Arc<App>,
    ca: Option<Arc<[WrappedX509]>>,
    identity: Option<Arc<CertKey>>,
    /// Stands for CA and client certificate in the key that connections are shared by. Pingora's own looks at no CA, and of a
    /// certificate at its serial number alone.
    trust: u64,
}

impl Wiring {
    /// Reads the files that the config names.
    pub(super) fn read(app: &Arc<App>) -> Result<Self, InvalidTlsFile> {
        let mut trust = DefaultHasher::new();
        let invalid = |what: &'static str, file: &PathBuf| {
            let (app, file) = (app.name.clone(), file.clone());
            move |cause: String| InvalidTlsFile { app, what, file, cause }
        };
        let ca = app.upstream.ca.as_ref().map(|file| {
            let chain = certificates(file).map_err(invalid("CA", file))?;
            chain.hash(&mut trust);
            Ok(chain.into_iter().map(|der| WrappedX509::new(der, parse_x509)).collect())
        });
        let ca = ca.transpose()?;
        let identity = app.upstream.client_certificate.as_ref().map(|ClientCertificate { certificate, key }| {
            let chain = certificates(certificate).map_err(invalid("client certificate", certificate))?;
            chain.hash(&mut trust);
            let of_key = invalid("client key", key);
            let read = PrivateKeyDer::from_pem_file(key).map_err(|error| error.to_string());
            let key = read.and_then(|key| fits(&chain, key)).map_err(of_key)?;
            Ok(Arc::new(CertKey::new(chain, key)))
        });
        let identity = identity.transpose()?;
        Ok(Self { app: Arc::clone(app), ca, identity, trust: trust.finish() })
    }

    /// A connection to a server at one of its addresses. `client` is whose request it is for; nobody's, for a check.
    pub(super) fn peer(
        &self,
        server: &UpstreamServer,
        address: &Address,
        use_as: UseAs,
        client: Option<Client>,
    ) -> pingora::Result<Box<HttpPeer>> {
        let upstream = &self.app.upstream;
        let name = match (&upstream.sni, &server.place) {
            (Some(name), _) => name.clone(),
            (None, Place::Network { host, .. }) => host.clone(),
            (None, Place::Unix(_)) => String::new(),
        };
        // Pingora takes TLS without a name for TLS that nobody checks.
        if server.tls && name.is_empty() {
            return Err(Error::explain(ErrorType::InternalError, "TLS to a server without a name"));
        }
        let mut peer = match address {
            Address::Network(address) => HttpPeer::new(*address, server.tls, name),
            Address::Unix(path) => unix(path, server.tls, name)?,
        };
        peer.options.connection_timeout = Some(upstream.connect_timeout);
        peer.options.total_connection_timeout = Some(upstream.connect_timeout);
        peer.options.read_timeout = Some(upstream.response_timeout);
        peer.options.write_timeout = Some(upstream.response_timeout);
        peer.options.idle_timeout = Some(KEPT_FOR);
        peer.options.ca.clone_from(&self.ca);
        peer.client_cert_key.clone_from(&self.identity);
        let is_upgrade = matches!(use_as, UseAs::Upgrade(_));
        if upstream.protocol != UpstreamProtocol::Http1 && !is_upgrade {
            peer.options.alpn = ALPN::H2;
            peer.options.max_h2_streams = usize::try_from(MOST_STREAMS).unwrap_or(usize::MAX);
            peer.options.h2_stream_window_size = Some(AHEAD);
            peer.options.h2_connection_window_size = Some(AHEAD * MOST_STREAMS);
        }
        let first = upstream.proxy_protocol.map(|version| proxy_protocol_out::header(version, client));
        if first.is_some() || is_upgrade || matches!(address, Address::Unix(_)) {
            peer.options.custom_l4 = Some(Connector::shared(first.unwrap_or_default(), is_upgrade));
        }
        // Two apps on one server share no connection: they may trust different CAs, or speak differently. Nor do two uses, see
        // `UseAs` and `connect`; nor two customers' connections, where a connection has told whose it is.
        let told = upstream.proxy_protocol.and(client);
        peer.group_key = group(&(&self.app.name, self.trust, use_as, peer.options.alpn.get_max_http_version(), told));
        Ok(Box::new(peer))
    }
}

/// The certificates in a PEM file; at least one.
fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, String> {
    let mut list = Vec::new();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())? {
        let der = certificate.map_err(|error| error.to_string())?.to_vec();
        // Pingora's own parser panics on what is no certificate.
        x509_parser::parse_x509_certificate(&der).map_err(|error| error.to_string())?;
        list.push(der);
    }
    if list.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(list) }
}

/// The key as Pingora wants it, if it is the key of this certificate: found out now, not at the first request.
fn fits(chain: &[Vec<u8>], key: PrivateKeyDer<'static>) -> Result<Vec<u8>, String> {
    let bytes = key.secret_der().to_vec();
    let chain = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    rustls::sign::CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| error.to_string())?;
    PrivateKeyDer::try_from(bytes.clone()).map_err(str::to_owned)?;
    Ok(bytes)
}

fn unix(path: &Path, tls: bool, name: String) -> pingora::Result<HttpPeer> {
    let text = path.to_str().ok_or_else(|| Error::explain(ErrorType::ConnectError, "the socket's path is no text"))?;
    HttpPeer::new_uds(text, tls, name).map_err(|mut error| {
        error.esource = ErrorSource::Upstream;
        error
    })
}

fn group(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
