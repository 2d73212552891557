//! How a connection ends so that its last answer arrives.
//!
//! The kernel resets what is closed with bytes unread, and a client that is still sending would lose the answer that says why:
//! a 413, say. So our side is closed first, and what the client still sends is read and thrown away for a moment.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// How long a closed connection is read on at most, and how long while nothing comes.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_QUIET: Duration = Duration::from_secs(1);

/// A connection that is closed on our side and read on.
#[derive(Debug)]
pub(super) struct Lingering {
    until: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Lingering {
    /// From now on.
    pub(super) fn new() -> Self {
        Self { until: Instant::now() + LINGER, timer: Box::pin(sleep(LINGER_QUIET)) }
    }

    /// Ready once the client has closed its side too, or is quiet, or takes too long.
    pub(super) fn poll(&mut self, socket: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0; 4096];
        loop {
            let mut scrap = ReadBuf::new(&mut scrap);
            // The raw socket: nobody needs to decrypt what nobody reads.
            match Pin::new(&mut *socket).poll_read(context, &mut scrap) {
                Poll::Ready(Ok(())) if !scrap.filled().is_empty() && Instant::now() < self.until => {
                    self.timer.as_mut().reset(self.until.min(Instant::now() + LINGER_QUIET));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.timer.as_mut().poll(context),
            }
        }
    }
}
