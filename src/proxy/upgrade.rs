//! The connection to an upstream for a request that asks to upgrade, to WebSocket that is.
//!
//! Pingora tells the end of such a request's own, empty body to the half of a task that writes to the upstream, where it
//! waits beside the upstream's answer, and one of the two is taken by chance. When a quick upstream has answered 101 by
//! then and that is taken first, the end of the body passes for the end of the WebSocket, which is closed at once
//! (cloudflare/pingora, issue 946). So this connection, after each write, has nothing to read for a round or two of the
//! task, and the end of the body is always taken first.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::{Error, ErrorType};
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How many reads after a write find nothing. The first would do; the second is for a task that ran out of its turn
/// between its two halves.
const QUIET_READS: u8 = 2;

/// Connects as [`HttpPeer`](pingora::upstreams::peer::HttpPeer) does by itself, to a socket that waits a little.
#[derive(Debug)]
pub(super) struct Connector;

impl Connector {
    /// For the options of a peer.
    pub(super) fn shared() -> Arc<dyn L4Connect + Send + Sync> {
        Arc::new(Self)
    }
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let address = address
            .as_inet()
            .ok_or_else(|| Error::explain(ErrorType::ConnectError, "an upstream has an internet address"))?;
        let stream = TcpStream::connect(address).await.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
                io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
                _ => ErrorType::ConnectError,
            };
            Error::because(kind, "connecting for an upgrade", error)
        })?;
        Ok(VirtualSocketStream::new(Box::new(Socket { stream, quiet_reads: 0 })).into())
    }
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

impl VirtualSocket for Socket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            // Neither asked for by us nor known to us.
            _ => Ok(()),
        }
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
