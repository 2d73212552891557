//! The sockets that the gateway listens on.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::ServerError;

pub(super) async fn bind(listener: &'static str, address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|cause| ServerError::Listen { listener, address, cause })
}

pub(super) fn announce(listener: &'static str, address: io::Result<SocketAddr>) {
    match address {
        Ok(address) => tracing::info!(listener, %address, "listening"),
        Err(error) => tracing::warn!(listener, %error, "listening, but the system does not say where"),
    }
}

pub(super) fn hint(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "\n  help: stop what listens there, or choose another port",
        io::ErrorKind::PermissionDenied => {
            "\n  help: ports below 1024 need a capability (CAP_NET_BIND_SERVICE), or choose a higher port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "\n  help: this machine has no such address; 0.0.0.0 or [::] stand for all it has"
        }
        _ => "",
    }
}
