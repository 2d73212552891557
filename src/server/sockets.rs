//! Sockets that somebody else has opened: the service manager (socket activation, sd_listen_fds(3)), or our predecessor.
//!
//! The manager names them (`FileDescriptorName=https`), or they are told by their address. Where address and socket differ, the
//! socket wins: whoever opened it meant it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use listenfd::ListenFd;

use super::ServerError;
use super::handover::Passed;
use super::listeners::{Role, Socket};
use crate::config;

const ALL: [Role; 3] = [Role::Https, Role::Http, Role::Admin];

/// Why sockets of the service manager cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SocketProblem {
    /// It is no TCP socket, or does not listen.
    #[error(
        "socket {number} of the service manager {what}\n  help: in the socket unit, use `ListenStream=` with a port, and `Accept=no`"
    )]
    Useless {
        /// Which one, counted from 1.
        number: usize,
        /// Why it is of no use.
        what: String,
    },
    /// The config has no such listener.
    #[error(
        "the service manager gave a socket for `server.{0}`, and the config has no such listener\n  help: add `{0} = \"ADDRESS:PORT\"` to [server], or take the socket out of the unit"
    )]
    NotInConfig(&'static str),
    /// Nothing tells what it is for.
    #[error(
        "nothing tells what the service manager's socket on {0} is for\n  help: name it in the socket unit: `FileDescriptorName=https`, or http, or admin"
    )]
    Unknown(SocketAddr),
    /// There are two.
    #[error(
        "the service manager gave two sockets for `server.{0}`\n  help: one is enough: `ListenStream=[::]:443` takes IPv4 and IPv6 alike"
    )]
    Twice(&'static str),
}

/// The sockets that the service manager has given this process.
#[derive(Debug, Default)]
pub struct Given {
    sockets: Vec<(Option<String>, SocketAddr, TcpListener)>,
    problems: Vec<SocketProblem>,
}

impl Given {
    /// Takes them out of the environment. To be called once, before this process has threads.
    #[must_use]
    pub fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(|name| Some(name.to_owned()));
        let mut all = ListenFd::from_env();
        let mut given = Self::default();
        for place in 0..all.len() {
            let name = names.next().flatten();
            let useless = |what: String| SocketProblem::Useless { number: place + 1, what };
            match all.take_tcp_listener(place) {
                Ok(Some(socket)) => match prepare(&socket) {
                    Ok(address) => given.sockets.push((name, address, socket)),
                    Err(what) => given.problems.push(useless(what)),
                },
                Ok(None) => {}
                Err(error) => given.problems.push(useless(format!("cannot be used: {error}"))),
            }
        }
        given
    }

    /// Each with the listener that it is for.
    ///
    /// # Errors
    /// Every socket that the config has no use for.
    pub(super) fn assign(self, server: &config::Server) -> Result<Vec<Socket>, ServerError> {
        let Self { sockets, mut problems } = self;
        let mut assigned: Vec<Socket> = Vec::new();
        for (name, own, socket) in sockets {
            let (role, address) = match role(name.as_deref(), own, server) {
                Ok(role) => role,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if assigned.iter().any(|other| other.role == role) {
                problems.push(SocketProblem::Twice(role.name()));
                continue;
            }
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => {
                    if own != address && address.port() != 0 {
                        let (listener, config) = (role.name(), address);
                        tracing::warn!(listener, address = %own, %config, "the service manager's socket counts, not the address in the config");
                    }
                    assigned.push(Socket { role, address, is_given: true, socket: Arc::new(socket) });
                }
                Err(cause) => return Err(ServerError::Listen { listener: role.name(), address, cause }),
            }
        }
        if problems.is_empty() {
            return Ok(assigned);
        }
        Err(ServerError::from_all(problems.into_iter().map(ServerError::Sockets).collect()))
    }
}

/// Makes a socket ours: it has to listen, and must not block.
fn prepare(socket: &TcpListener) -> Result<SocketAddr, String> {
    let said = |error: std::io::Error| format!("cannot be used: {error}");
    match rustix::net::sockopt::socket_acceptconn(socket) {
        Ok(true) => {}
        Ok(false) => return Err("does not listen".to_owned()),
        Err(error) => return Err(said(error.into())),
    }
    socket.set_nonblocking(true).map_err(said)?;
    socket.local_addr().map_err(said)
}

/// The address of a listener in the config.
fn wanted(role: Role, server: &config::Server) -> Option<SocketAddr> {
    match role {
        Role::Https => Some(server.https),
        Role::Http => server.http,
        Role::Admin => server.admin,
    }
}

fn role(name: Option<&str>, own: SocketAddr, server: &config::Server) -> Result<(Role, SocketAddr), SocketProblem> {
    if let Some(role) = ALL.into_iter().find(|role| name == Some(role.name())) {
        return match wanted(role, server) {
            Some(address) => Ok((role, address)),
            None => Err(SocketProblem::NotInConfig(role.name())),
        };
    }
    // Without a name of ours it has that of its unit, or none.
    let listeners: Vec<_> = ALL.into_iter().filter_map(|role| Some((role, wanted(role, server)?))).collect();
    let by_address = listeners.iter().find(|(_, address)| *address == own);
    let mut by_port = listeners.iter().filter(|(_, address)| address.port() == own.port());
    let by_port = by_port.next().filter(|_| by_port.next().is_none());
    by_address.or(by_port).copied().ok_or(SocketProblem::Unknown(own))
}

/// The sockets of a predecessor, as the config would have them. What it has no use for is closed.
pub(super) fn inherited(passed: Vec<(Passed, TcpListener)>, server: &config::Server) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for (Passed { listener, address, is_given, .. }, socket) in passed {
        let Some(role) = ALL.into_iter().find(|role| role.name() == listener) else { continue };
        let address = wanted(role, server).filter(|_| is_given).unwrap_or(address);
        match tokio::net::TcpListener::from_std(socket) {
            Ok(socket) => sockets.push(Socket { role, address, is_given, socket: Arc::new(socket) }),
            Err(error) => tracing::warn!(listener, %error, "a socket of the predecessor cannot be used"),
        }
    }
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn server(keys: &str) -> config::Server {
        let text = format!("[server]\ndata = \"data\"\n{keys}\n[tls]\nlocal_ca = true\n");
        let config = parse(std::path::Path::new("vestibule.toml"), &text, &|_| None);
        config.unwrap_or_else(|errors| panic!("{errors}")).server
    }

    fn check(keys: &str, name: Option<&str>, own: &str, expected: Result<&str, &str>) {
        let found = role(name, own.parse().expect("an address"), &server(keys));
        match (found, expected) {
            (Ok((role, _)), Ok(expected)) => assert_eq!(role.name(), expected, "{name:?} {own}"),
            (Err(problem), Err(expected)) => assert!(problem.to_string().contains(expected), "{problem}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_name_tells_what_a_socket_is_for_and_else_its_address_and_else_its_port() {
        let both = "https = \"127.0.0.1:443\"\nhttp = \"127.0.0.1:80\"";
        check(both, Some("http"), "127.0.0.1:8080", Ok("http"));
        check(both, Some("vestibule.socket"), "127.0.0.1:443", Ok("https"));
        check(both, None, "[::]:80", Ok("http"));
        check(both, None, "[::]:81", Err("FileDescriptorName"));
        check(both, Some("admin"), "127.0.0.1:9180", Err("no such listener"));
        let same_port = "https = \"127.0.0.1:443\"\nadmin = \"127.0.0.2:443\"";
        check(same_port, None, "[::]:443", Err("nothing tells"));
        check(same_port, None, "127.0.0.2:443", Ok("admin"));
    }

    #[tokio::test]
    async fn two_sockets_for_one_listener_are_one_too_many() {
        let socket = || {
            let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
            let address = prepare(&socket).expect("it listens");
            (Some("https".to_owned()), address, socket)
        };
        let given = Given { sockets: vec![socket(), socket()], problems: Vec::new() };
        let problem = given.assign(&server("https = \"127.0.0.1:0\"")).err().map(|error| error.to_string());
        assert!(problem.as_deref().is_some_and(|problem| problem.contains("two sockets")), "{problem:?}");
    }
}
