//! From a server's place to the addresses it has now.
//!
//! A name may stand for several addresses: all are used in turn, and one that takes no connection is passed over for a while. Names
//! are looked up again every few seconds; while that fails, the addresses known from before are used.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::peer::Address;
use crate::config::Place;

/// How long a resolved name is used, and how long an address that takes no connection is passed over.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// The addresses of one server.
#[derive(Debug)]
pub(super) enum Addresses {
    /// It has one, which stands in the config.
    Fixed(Address),
    /// It has a name.
    Named(Name),
}

/// A name and what it stands for.
#[derive(Debug)]
pub(super) struct Name {
    host: String,
    port: u16,
    since: Instant,
    known: ArcSwapOption<Known>,
    turn: AtomicUsize,
    looking: tokio::sync::Mutex<()>,
    is_failing: AtomicBool,
}

#[derive(Debug)]
struct Known {
    until: AtomicU64,
    list: Box<[(SocketAddr, AtomicU64)]>,
}

impl Addresses {
    /// Of a server at this place.
    pub(super) fn of(place: &Place) -> Self {
        match place {
            Place::Unix(path) => Self::Fixed(Address::Unix(path.clone())),
            Place::Network { host, port } => match host.parse::<IpAddr>() {
                Ok(address) => Self::Fixed(Address::Network(SocketAddr::new(address, *port))),
                Err(_) => Self::Named(Name {
                    host: host.clone(),
                    port: *port,
                    since: Instant::now(),
                    known: ArcSwapOption::empty(),
                    turn: AtomicUsize::new(0),
                    looking: tokio::sync::Mutex::default(),
                    is_failing: AtomicBool::new(false),
                }),
            },
        }
    }

    /// The next to connect to.
    pub(super) async fn next(&self, patience: Duration) -> io::Result<Address> {
        match self {
            Self::Fixed(address) => Ok(address.clone()),
            Self::Named(name) => name.next(patience).await.map(Address::Network),
        }
    }

    /// How many there are, as far as is known.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Fixed(_) => 1,
            Self::Named(name) => name.known.load().as_ref().map_or(1, |known| known.list.len()),
        }
    }

    /// One of them takes no connection: others are next.
    pub(super) fn failed(&self, address: &Address) {
        if let (Self::Named(name), Address::Network(address)) = (self, address)
            && let Some(known) = name.known.load().as_ref()
        {
            known.shun(*address, name.now());
        }
    }
}

impl Name {
    async fn next(&self, patience: Duration) -> io::Result<SocketAddr> {
        let known = self.known.load_full();
        match known {
            Some(known) if self.now() < known.until.load(Ordering::Relaxed) => return Ok(self.pick(&known)),
            // Somebody looks it up again; the others need not wait.
            Some(known) => match self.looking.try_lock() {
                Ok(_lock) => self.look_up(patience).await?,
                Err(_) => return Ok(self.pick(&known)),
            },
            None => {
                let _lock = self.looking.lock().await;
                if self.known.load().is_none() {
                    self.look_up(patience).await?;
                }
            }
        }
        let known = self.known.load_full().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.pick(&known))
    }

    /// For who holds the lock.
    async fn look_up(&self, patience: Duration) -> io::Result<()> {
        let asked = tokio::time::timeout(patience, tokio::net::lookup_host((self.host.as_str(), self.port))).await;
        let found: io::Result<Vec<SocketAddr>> = match asked {
            Ok(Ok(found)) => Ok(found.collect()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "resolving took too long")),
        };
        let found = found.and_then(|mut list| {
            // Resolvers turn their lists round by themselves; turns are ours to keep.
            list.sort_unstable();
            list.dedup();
            let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            if list.is_empty() { Err(none()) } else { Ok(list) }
        });
        let until = self.now().saturating_add(milliseconds(GOOD_FOR));
        let before = self.known.load_full();
        match (found, before) {
            (Ok(list), before) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(host = self.host, "the upstream's name resolves again");
                }
                let shunned = |address: &SocketAddr| {
                    let before = before.as_ref()?.list.iter().find(|(known, _)| known == address)?;
                    Some(before.1.load(Ordering::Relaxed))
                };
                let list = list.into_iter().map(|address| (address, AtomicU64::new(shunned(&address).unwrap_or(0))));
                self.known.store(Some(Arc::new(Known { until: AtomicU64::new(until), list: list.collect() })));
                Ok(())
            }
            (Err(error), Some(before)) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(host = self.host, %error, "the upstream's name does not resolve; the addresses from before are used");
                }
                before.until.store(until, Ordering::Relaxed);
                Ok(())
            }
            (Err(error), None) => Err(error),
        }
    }

    fn pick(&self, known: &Known) -> SocketAddr {
        known.pick(self.turn.fetch_add(1, Ordering::Relaxed), self.now())
    }

    fn now(&self) -> u64 {
        milliseconds(self.since.elapsed())
    }
}

impl Known {
    /// The next in turn of those that take connections; of all, when none does.
    fn pick(&self, turn: usize, now: u64) -> SocketAddr {
        let start = turn.checked_rem(self.list.len()).unwrap_or(0);
        let round = || self.list.iter().skip(start).chain(self.list.iter().take(start));
        let well = round().find(|(_, shunned_until)| now >= shunned_until.load(Ordering::Relaxed));
        let any = well.or_else(|| round().next());
        // There is one at least; were there none, nothing listens at this one.
        any.map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |(address, _)| *address)
    }

    fn shun(&self, address: SocketAddr, now: u64) {
        if let Some((_, shunned_until)) = self.list.iter().find(|(known, _)| *known == address) {
            shunned_until.store(now.saturating_add(milliseconds(GOOD_FOR)), Ordering::Relaxed);
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns_and_one_that_fails_is_passed_over() {
        let address = |last: u8| SocketAddr::from(([10, 0, 0, last], 80));
        let known =
            Known { until: AtomicU64::new(0), list: (1..=3).map(|last| (address(last), AtomicU64::new(0))).collect() };
        let turns = |now| (0..3).map(|turn| known.pick(turn, now)).collect::<Vec<_>>();
        assert_eq!(turns(0), [address(1), address(2), address(3)]);
        known.shun(address(2), 100);
        assert_eq!(turns(200), [address(1), address(3), address(3)]);
        assert_eq!(turns(10_100), [address(1), address(2), address(3)], "it is tried again");
        for last in 1..=3 {
            known.shun(address(last), 20_000);
        }
        assert_eq!(turns(20_000), [address(1), address(2), address(3)], "better one that failed than none");
    }

    #[tokio::test]
    async fn a_name_becomes_its_addresses() {
        let place = Place::Network { host: "localhost".to_owned(), port: 80 };
        let addresses = Addresses::of(&place);
        let Ok(Address::Network(found)) = addresses.next(Duration::from_secs(5)).await else { panic!("no address") };
        assert!(found.ip().is_loopback() && found.port() == 80);
        let none = Addresses::of(&Place::Network { host: "no-such-name.invalid".to_owned(), port: 80 });
        assert!(none.next(Duration::from_secs(5)).await.is_err());
    }
}
