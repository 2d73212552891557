//! The built-in demo: sample app, sample customers, mailbox.
//!
//! `vestibule demo` needs nothing installed and leaves nothing behind. It lays a config, a table and two logos into a
//! folder of its own, starts the sample app and the mailbox on free loopback ports, and runs the very gateway that
//! `vestibule serve` runs; only the mailer is another. The folder goes when the demo ends, also by Ctrl-C.

pub mod app;
pub mod mailbox;
mod app_pages;
mod guide;
mod orders;

use std::fs::Permissions;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::server::{Gateway, Loaded, Parts, ServerError};
use mailbox::Mailbox;

/// The demo could not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Somebody else has the port.
    #[error("port {0} on 127.0.0.1 is in use: name another with --port, or --port 0 for any that is free")]
    PortTaken(u16),
    /// The port is one that this user may not open.
    #[error("port {0} may not be opened by this user: name one above 1023 with --port")]
    PortForbidden(u16),
    /// A loopback port could not be opened.
    #[error("no port could be opened on 127.0.0.1: {0}")]
    Port(io::Error),
    /// The folder could not be made, filled or removed.
    #[error("the demo's folder {}: {cause}", .folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What went wrong.
        cause: io::Error,
    },
    /// The gateway itself could not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Signals cannot be caught, so the folder could not be removed at the end.
    #[error("signals cannot be caught: {0}")]
    Signals(io::Error),
}

/// Runs the demo until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`DemoError`] when the port is taken, or the folder cannot be made.
pub async fn run(port: u16) -> Result<(), DemoError> {
    // Before there is anything to leave behind.
    let stop = stop_signal()?;
    let port = free_https_port(port).await?;

    let mut servers = JoinSet::new();
    let mailbox = Mailbox::new();
    let places = guide::Places {
        port,
        admin: free_port().await?,
        upstream: serve(&mut servers, app::router()).await?,
        mailbox: serve(&mut servers, mailbox.router()).await?,
    };
    let folder = lay_out(&places)?;
    let config = folder.path().join(CONFIG);
    gateway(&config, mailbox, &guide::text(&places, &config), stop).await?;
    let path = folder.path().to_owned();
    folder.close().map_err(|cause| DemoError::Folder { folder: path, cause })
}

/// Runs the gateway itself, and prints the guide once it listens.
async fn gateway(
    config: &Path,
    mailbox: Mailbox,
    guide: &str,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), DemoError> {
    let gateway = Gateway::build(Loaded::read(config)?, Parts { mailer: Some(Arc::new(mailbox)) }).await?;
    print(guide);
    gateway.run(stop).await;
    Ok(())
}

const CONFIG: &str = "vestibule.toml";

/// Makes the demo's folder. It is readable by this user alone, for the store and the CA's key will be in it.
fn lay_out(places: &guide::Places) -> Result<TempDir, DemoError> {
    let folder = tempfile::Builder::new()
        .prefix("vestibule-demo-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|cause| DemoError::Folder { folder: std::env::temp_dir(), cause })?;
    let files = [
        (CONFIG, config_text(places)),
        ("people.csv", include_str!("people.csv").to_owned()),
        ("northwind.svg", include_str!("northwind.svg").to_owned()),
        ("acme.svg", include_str!("acme.svg").to_owned()),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text)
            .map_err(|cause| DemoError::Folder { folder: folder.path().to_owned(), cause })?;
    }
    Ok(folder)
}

/// The config with this run's ports in place of those it is written with.
fn config_text(places: &guide::Places) -> String {
    include_str!("demo.toml")
        .replace("127.0.0.1:8443", &format!("127.0.0.1:{}", places.port))
        .replace("127.0.0.1:9180", &format!("127.0.0.1:{}", places.admin))
        .replace("http://127.0.0.1:9000", &format!("http://{}", places.upstream))
}

/// Serves one of the demo's own parts on a free loopback port, for as long as `servers` lives.
async fn serve(servers: &mut JoinSet<io::Result<()>>, router: axum::Router) -> Result<SocketAddr, DemoError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(DemoError::Port)?;
    let address = listener.local_addr().map_err(DemoError::Port)?;
    servers.spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// The port itself where it is free, or any free one for 0. The config and the guide name it, so it has to be known first.
async fn free_https_port(port: u16) -> Result<u16, DemoError> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(listener.local_addr().map_err(DemoError::Port)?.port()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(DemoError::PortTaken(port)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(DemoError::PortForbidden(port)),
        Err(error) => Err(DemoError::Port(error)),
    }
}

async fn free_port() -> Result<u16, DemoError> {
    free_https_port(0).await
}

/// Resolves at Ctrl-C or SIGTERM; also when one came before anybody waited.
fn stop_signal() -> Result<impl Future<Output = ()>, DemoError> {
    let mut interrupt: Signal = signal(SignalKind::interrupt()).map_err(DemoError::Signals)?;
    let mut terminate: Signal = signal(SignalKind::terminate()).map_err(DemoError::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// To stdout, where the guide may be piped to a pager that was closed: that is no reason to stop.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests;
