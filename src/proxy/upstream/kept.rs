//! Connections to a server that wait for their next request.
//!
//! One that was used last is used next, so that those which a quiet hour has no need of grow old and go. None has a task of its own:
//! whoever takes one looks whether it is still good, and a look around every few seconds finds those that nobody takes.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::{Duration, Instant};

use futures_util::task::noop_waker_ref;
use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead as _, ReadBuf};

use super::peer::{Address, KEPT_FOR};

/// How many are kept of one server.
const MOST: usize = 128;

/// How often those that nobody takes are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The connections to one server.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Vec<Idle>>);

#[derive(Debug)]
struct Idle {
    address: Address,
    stream: Stream,
    since: Instant,
}

impl Kept {
    /// One to this address, if there is one that is good.
    pub(super) fn take(&self, address: &Address) -> Option<Stream> {
        loop {
            let mut idle = {
                let mut all = self.lock();
                let at = all.iter().rposition(|idle| idle.address == *address)?;
                all.remove(at)
            };
            if idle.is_good() {
                return Some(idle.stream);
            }
        }
    }

    /// Keeps one whose last answer was read to its end.
    pub(super) fn put(&self, address: Address, stream: Stream) {
        let mut idle = Idle { address, stream, since: Instant::now() };
        if !idle.is_good() {
            return;
        }
        let mut all = self.lock();
        let oldest = (all.len() >= MOST).then(|| all.remove(0));
        all.push(idle);
        drop(all);
        // Closed without the lock.
        drop(oldest);
    }

    /// Closes those that are old, or were closed by the server.
    pub(super) fn look_around(&self) {
        let bad: Vec<Idle> = self.lock().extract_if(.., |idle| !idle.is_good()).collect();
        drop(bad);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        // A list of connections is whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    /// Whether a request may be sent on it: a server that closed it, or says something unasked, is not to be trusted with the next.
    fn is_good(&mut self) -> bool {
        let mut byte = [0];
        let mut context = Context::from_waker(noop_waker_ref());
        self.since.elapsed() < KEPT_FOR
            && Pin::new(&mut self.stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::super::plain;
    use super::*;

    async fn pair(listener: &TcpListener) -> (Address, Stream, TcpStream) {
        let address = Address::Network(listener.local_addr().expect("an address"));
        let near = plain::connect(&address, Duration::from_secs(5)).await.expect("it listens");
        let (far, _) = listener.accept().await.expect("a connection");
        (address, near, far)
    }

    #[tokio::test]
    async fn one_that_was_closed_or_speaks_unasked_is_not_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let kept = Kept::default();
        let (address, near, far) = pair(&listener).await;
        kept.put(address.clone(), near);
        let near = kept.take(&address).expect("it is good");
        assert!(kept.take(&address).is_none(), "it is taken");
        kept.put(address.clone(), near);
        drop(far);
        // The end of the connection has to have come.
        while kept.lock().iter_mut().any(Idle::is_good) {
            tokio::task::yield_now().await;
        }
        assert!(kept.take(&address).is_none());
        let (address, near, mut far) = pair(&listener).await;
        kept.put(address.clone(), near);
        far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("written");
        while kept.lock().iter_mut().any(Idle::is_good) {
            tokio::task::yield_now().await;
        }
        kept.look_around();
        assert!(kept.lock().is_empty());
    }

    #[tokio::test]
    async fn each_address_has_its_own_and_their_number_is_bounded() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let kept = Kept::default();
        let other = Address::Network(SocketAddr::from(([127, 0, 0, 2], 1)));
        let mut far = Vec::new();
        for _ in 0..=MOST {
            let (address, near, end) = pair(&listener).await;
            far.push(end);
            kept.put(address, near);
        }
        assert_eq!(kept.lock().len(), MOST);
        assert!(kept.take(&other).is_none());
    }
}
