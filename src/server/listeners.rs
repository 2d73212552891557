//! The sockets that the gateway listens on, and who serves them.
//!
//! A config says which there should be. [`Listeners::prepare`] binds those that are not open yet, and can fail; [`Listeners::apply`]
//! starts to serve them, retires those that are no longer wanted, and cannot. A socket whose address stays is kept as it is.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use pingora::proxy::HttpProxy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ServerError;
use crate::config;
use crate::console::Client;
use crate::proxy::Gateway as Proxy;
use crate::proxy::drain::Drain;
use crate::proxy::listener::{Listener, Serving, Tls};
use crate::state::counters::ListenerCounters;

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// `server.https`
    Https,
    /// `server.http`
    Http,
    /// `server.admin`
    Admin,
}

impl Role {
    /// Its key in `[server]`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Admin => "admin",
        }
    }
}

/// A socket that is bound.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) role: Role,
    /// Its address as the config has it: with port 0 the system chose another.
    pub(super) address: SocketAddr,
    /// Whether the service manager opened it.
    pub(super) is_given: bool,
    pub(super) socket: Arc<TcpListener>,
}

/// What serves the sockets.
pub(super) struct Servants {
    /// The engine and its limits; a reload puts others in here.
    pub(super) serving: Arc<ArcSwap<Serving<HttpProxy<Proxy>>>>,
    pub(super) tls: Arc<Tls>,
    pub(super) counters: Arc<ListenerCounters>,
    pub(super) console: axum::Router,
}

/// All sockets that are served.
pub(super) struct Listeners {
    servants: Servants,
    open: Mutex<Vec<Open>>,
    shutdown: watch::Sender<bool>,
    drain: Arc<Drain>,
    tasks: TaskTracker,
}

struct Open {
    socket: Socket,
    retired: CancellationToken,
}

impl Listeners {
    /// Serves nothing yet.
    pub(super) fn new(servants: Servants) -> Self {
        let (shutdown, _) = watch::channel(false);
        Self { servants, open: Mutex::default(), shutdown, drain: Arc::default(), tasks: TaskTracker::new() }
    }

    /// The sockets of a config: those that are open already, those among `handed`, and the rest newly bound.
    ///
    /// # Errors
    /// Every address that cannot be listened on. Nothing has changed then.
    pub(super) async fn prepare(
        &self,
        server: &config::Server,
        handed: &[Socket],
    ) -> Result<Vec<Socket>, Vec<ServerError>> {
        let wanted = [(Role::Https, Some(server.https)), (Role::Http, server.http), (Role::Admin, server.admin)];
        let mut sockets = Vec::new();
        let mut errors = Vec::new();
        for (role, address) in wanted {
            let Some(address) = address else { continue };
            let found = self.opened(role, address).or_else(|| find(handed.iter(), role, address));
            match found {
                Some(found) => sockets.push(Socket { role, address, ..found }),
                None => match TcpListener::bind(address).await {
                    Ok(socket) => {
                        sockets.push(Socket { role, address, is_given: false, socket: Arc::new(socket) });
                    }
                    Err(cause) => errors.push(ServerError::Listen { listener: role.name(), address, cause }),
                },
            }
        }
        if errors.is_empty() { Ok(sockets) } else { Err(errors) }
    }

    /// Serves these sockets and no others. Connections on one that goes live on.
    pub(super) fn apply(&self, sockets: Vec<Socket>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, gone): (Vec<Open>, Vec<Open>) = std::mem::take(&mut *open)
            .into_iter()
            .partition(|open| sockets.iter().any(|socket| open.socket.is(socket)));
        for gone in gone {
            let Socket { role, address, .. } = gone.socket;
            tracing::info!(listener = role.name(), %address, "listening no longer");
            gone.retired.cancel();
        }
        *open = kept;
        for socket in sockets {
            if !open.iter().any(|open| open.socket.is(&socket)) {
                open.push(self.start(socket));
            }
        }
    }

    /// The sockets that are served, for whoever hands them on.
    pub(super) fn sockets(&self) -> Vec<Socket> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|open| open.socket.clone()).collect()
    }

    /// Where the admin listener is.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.sockets().iter().find(|socket| socket.role == Role::Admin)?.socket.local_addr().ok()
    }

    /// Takes no more connections in; those without a request under way end, and the others finish. See [`Self::stopped`].
    pub(super) fn stop(&self) {
        self.close(|socket| socket.role != Role::Admin);
    }

    /// The same where a successor takes the connections in: it may take all of them, and nobody is turned away.
    pub(super) fn give_way(&self) {
        self.drain.be_patient();
        self.close(|_| true);
    }

    /// Closes our side of the sockets: a connection that waits for nobody to accept it would wait to no end.
    fn close(&self, is_meant: impl Fn(&Socket) -> bool) {
        self.shutdown.send_replace(true);
        self.tasks.close();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in open.extract_if(.., |open| is_meant(&open.socket)) {
            gone.retired.cancel();
        }
    }

    /// Resolves when the connections that were open have ended, or the time for that is over, or `hurry` resolves.
    pub(super) async fn stopped(&self, hurry: impl Future<Output = ()>) {
        tokio::select! {
            () = self.tasks.wait() => {}
            () = hurry => {
                self.drain.hurry();
                self.tasks.wait().await;
            }
        }
        // The admin listener tells to the end that we are stopping.
        self.close(|_| true);
    }

    fn opened(&self, role: Role, address: SocketAddr) -> Option<Socket> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        find(open.iter().map(|open| &open.socket), role, address)
    }

    fn start(&self, socket: Socket) -> Open {
        let retired = CancellationToken::new();
        let Servants { serving, tls, counters, console } = &self.servants;
        let own = Arc::clone(&socket.socket);
        let local = own.local_addr();
        match &local {
            Ok(address) => tracing::info!(listener = socket.role.name(), %address, "listening"),
            Err(error) => {
                tracing::warn!(listener = socket.role.name(), %error, "listening, but the system does not say where");
            }
        }
        let listener = match socket.role {
            Role::Https => Listener::https(own, Arc::clone(tls), Arc::clone(counters)),
            Role::Http => Listener::http(own, Arc::clone(counters)),
            Role::Admin => {
                let (console, until) = (console.clone(), retired.clone());
                tokio::spawn(async move {
                    let served = axum::serve(Admin(own), console.into_make_service_with_connect_info::<Client>())
                        .with_graceful_shutdown(until.cancelled_owned());
                    if let Err(error) = served.await {
                        tracing::error!(%error, "the admin listener ended");
                    }
                });
                return Open { socket, retired };
            }
        };
        let (serving, drain) = (Arc::clone(serving), Arc::clone(&self.drain));
        self.tasks.spawn(listener.run(serving, self.shutdown.subscribe(), retired.clone(), drain));
        Open { socket, retired }
    }
}

impl Socket {
    /// Whether it is another's very socket, and speaks the same.
    fn is(&self, other: &Self) -> bool {
        self.role == other.role && Arc::ptr_eq(&self.socket, &other.socket)
    }
}

/// The socket of an address. One of another role will do: its address can be bound only once. Not so with port 0, which is another
/// port each time.
fn find<'a>(mut sockets: impl Iterator<Item = &'a Socket>, role: Role, address: SocketAddr) -> Option<Socket> {
    let is_it = |socket: &&Socket| socket.address == address && (address.port() != 0 || socket.role == role);
    sockets.find(is_it).cloned()
}

impl Connected<IncomingStream<'_, Admin>> for Client {
    fn connect_info(stream: IncomingStream<'_, Admin>) -> Self {
        Self(stream.remote_addr().ip())
    }
}

/// The admin socket, for axum, which would have it for itself alone.
struct Admin(Arc<TcpListener>);

impl axum::serve::Listener for Admin {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
        loop {
            match self.0.accept().await {
                Ok(accepted) => return accepted,
                // Mostly no file descriptor is free: trying again at once would only fail again.
                Err(error) => {
                    tracing::debug!(%error, "the admin listener could not accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// What to do where an address cannot be listened on.
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
