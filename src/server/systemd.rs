//! What the service manager is told of us, by the socket it gave us for that (sd_notify(3)).
//!
//! Without such a socket nothing is told and nothing fails. Only the process that the manager holds for the main one is heard, so
//! at an upgrade the old one says who is it next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::state::ports::Store;

/// What the manager says in the environment to one process alone, and not to its successor.
pub(super) const OF_ONE_PROCESS: [&str; 5] =
    ["LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// It serves. Said after a start, and after each reload.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; the manager waits for [`ready`].
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        // The manager takes the time for whether this is the reload that it asked for.
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager is not told of the reload"),
    }
}

/// It stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping: finishing what is under way")]);
}

/// Another process is the main one from now on. Its watch begins anew.
pub(super) fn main_is(pid: u32) {
    tell(&[NotifyState::Watchdog, NotifyState::MainPid(pid)]);
}

/// What it does, for people.
pub(super) fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how it is");
    }
}

/// Tells the manager that we live as long as we do, if it wants to know: what hangs is then started anew.
///
/// It is told by a task of the runtime that serves, and only if another one of it, the store and the admin listener
/// answer. That the store fails is an answer: a full disk is nothing that a start would mend.
pub(super) async fn keep_watch(store: Arc<dyn Store>, admin: impl Fn() -> Option<SocketAddr>, halt: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut every = interval((limit / 3).max(Duration::from_millis(10)));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while halt.run_until_cancelled(every.tick()).await.is_some() {
        let (store, admin) = (Arc::clone(&store), admin());
        let answers = tokio::spawn(async move {
            let _ = store.check().await;
            match admin {
                Some(address) => is_healthy(address).await,
                None => true,
            }
        });
        match timeout(limit / 3, answers).await {
            Ok(Ok(true)) => tell(&[NotifyState::Watchdog]),
            Ok(_) => tracing::error!("the admin listener does not answer; the service manager is told nothing"),
            Err(_) => tracing::error!("the store or the admin listener hangs; the service manager is told nothing"),
        }
    }
}

/// Whether our own admin listener answers.
async fn is_healthy(address: SocketAddr) -> bool {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, address.port());
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer == *b"HTTP/1.1 200")
    };
    asking.await.unwrap_or(false)
}
