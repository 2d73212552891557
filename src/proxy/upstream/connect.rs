//! Connects to a server, where Pingora's own way does not do: over a Unix socket whose faults are told plainly, with the
//! PROXY protocol first, or for an upgrade.
//!
//! Pingora tells the end of an upgrade's own, empty body to the half of a task that writes to the upstream, where it
//! waits beside the upstream's answer, and one of the two is taken by chance. When a quick upstream has answered 101 by
//! then and that is taken first, the end of the body passes for the end of the WebSocket, which is closed at once
//! (cloudflare/pingora, issue 946). So an upgrade's connection, after each write, has nothing to read for a round or two of
//! the task, and the end of the body is always taken first.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::{Error, ErrorType};
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// How many reads after a write find nothing. The first would do; the second is for a task that ran out of its turn
/// between its two halves.
const QUIET_READS: u8 = 2;

/// Connects as a peer asks for.
#[derive(Debug)]
pub(super) struct Connector {
    /// What is written before anything else, TLS included.
    first: Vec<u8>,
    is_upgrade: bool,
}

impl Connector {
    /// For the options of a peer.
    pub(super) fn shared(first: Vec<u8>, is_upgrade: bool) -> Arc<dyn L4Connect + Send + Sync> {
        Arc::new(Self { first, is_upgrade })
    }
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        match address {
            SocketAddr::Inet(address) => self.begin(tcp(address).await?).await,
            SocketAddr::Unix(address) => self.begin(unix(address.as_pathname().unwrap_or(Path::new(""))).await?).await,
        }
    }
}

impl Connector {
    async fn begin<S>(&self, mut stream: S) -> pingora::Result<Stream>
    where
        S: AsyncRead + AsyncWrite + Into<Stream> + Unpin + Send + Sync + std::fmt::Debug + 'static,
    {
        if !self.first.is_empty() {
            stream.write_all(&self.first).await.map_err(|error| failed(error, "writing the PROXY header"))?;
        }
        if self.is_upgrade {
            return Ok(VirtualSocketStream::new(Box::new(Socket { stream, quiet_reads: 0 })).into());
        }
        Ok(stream.into())
    }
}

/// Connects over TCP. Whatever is written is whole, and leaves at once.
pub(super) async fn tcp(address: &std::net::SocketAddr) -> pingora::Result<TcpStream> {
    let stream = TcpStream::connect(address).await.map_err(|error| failed(error, "connecting"))?;
    stream.set_nodelay(true).map_err(|error| failed(error, "connecting"))?;
    Ok(stream)
}

/// Connects to a Unix socket.
pub(super) async fn unix(path: &Path) -> pingora::Result<UnixStream> {
    UnixStream::connect(path).await.map_err(|error| unix_failed(error, path))
}

fn failed(error: io::Error, what: &'static str) -> Box<Error> {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
        io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
        _ => ErrorType::ConnectError,
    };
    Error::because(kind, what, error)
}

/// What the system says of a Unix socket does not tell what to do about it.
fn unix_failed(error: io::Error, path: &Path) -> Box<Error> {
    let (kind, why) = match error.kind() {
        io::ErrorKind::NotFound => {
            (ErrorType::ConnectError, "there is no such socket: has the app been started, and does it make it there?")
        }
        io::ErrorKind::PermissionDenied => (
            ErrorType::ConnectError,
            "permission denied: the gateway's user needs write access to the socket, and `x` on each folder above it",
        ),
        io::ErrorKind::ConnectionRefused => (
            ErrorType::ConnectRefused,
            "nobody listens on it: the file is left over from an app that has ended, or no socket",
        ),
        _ => return failed(error, "connecting to a Unix socket"),
    };
    Error::explain(kind, format!("{}: {why}", path.display()))
}

/// A socket that has nothing to read just after a write.
#[derive(Debug)]
struct Socket<S = TcpStream> {
    stream: S,
    quiet_reads: u8,
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(left) = this.quiet_reads.checked_sub(1) {
            this.quiet_reads = left;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.quiet_reads = QUIET_READS;
        Pin::new(&mut this.stream).poll_write(context, data)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug> VirtualSocket for Socket<S> {
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        // Pingora asks for what is set already, `TCP_NODELAY`; nothing else is asked for by us.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_waits_beside_an_answer_is_taken_first() {
        for _ in 0..20 {
            let (near, mut far) = tokio::io::duplex(64);
            let mut socket = Socket { stream: near, quiet_reads: 0 };
            far.write_all(b"101").await.expect("written");
            socket.write_all(b"head").await.expect("written");
            let mut answer = [0; 3];
            tokio::select! {
                _ = socket.read_exact(&mut answer) => panic!("the answer was taken first"),
                () = std::future::ready(()) => {}
            }
            socket.read_exact(&mut answer).await.expect("the answer is still there");
            assert_eq!(&answer, b"101");
        }
    }
}
