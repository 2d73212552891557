//! Equal shares of a quota, one for each of whatever is counted, in bounded memory.
//!
//! A share refills steadily (GCRA, by `governor`), so whoever used theirs up waits for the next bit and never for the end of an
//! hour. Keys are kept as hashes under a random key of this process: an address or a network stands in no memory longer than its
//! request.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock, QuantaInstant, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// How many keys one kind of share remembers, some 10 MB.
const MOST_KEYS: usize = 200_000;
/// How many shares there are for those who come when all keys are taken.
const CROWDED_SHARES: u64 = 1024;
/// How often a full store is swept at most: sweeping looks at every key.
const SWEEP_AGAIN: Nanos = Nanos::new(10_000_000_000);

type Limiter = RateLimiter<u64, DashMapStateStore<u64>, Stopwatch, NoOpMiddleware<Nanos>>;

/// A share of the same size for each key.
pub(super) struct Shares {
    limiters: ArcSwap<Limiters>,
    hasher: RandomState,
    stopwatch: Stopwatch,
    most_keys: usize,
    swept: AtomicU64,
}

/// What counts shares of one size.
struct Limiters {
    size: Size,
    limiter: Limiter,
    crowd: Limiter,
}

/// How large a share is, and how it comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Size {
    /// So many at once.
    pub(super) burst: u32,
    /// From nothing to all in this time.
    pub(super) refills_in: Duration,
}

impl Size {
    /// So many an hour.
    pub(super) const fn hourly(burst: u32) -> Self {
        Self { burst, refills_in: Duration::from_secs(3600) }
    }

    fn quota(self) -> Quota {
        let burst = NonZeroU32::new(self.burst).unwrap_or(NonZeroU32::MIN);
        let period = self.refills_in.checked_div(burst.get()).filter(|period| !period.is_zero());
        Quota::with_period(period.unwrap_or(Duration::from_nanos(1)))
            .expect("the period is not zero")
            .allow_burst(burst)
    }
}

impl Shares {
    pub(super) fn new(size: Size, stopwatch: &Stopwatch) -> Self {
        Self::with_room(size, stopwatch, MOST_KEYS)
    }

    fn with_room(size: Size, stopwatch: &Stopwatch, most_keys: usize) -> Self {
        let hasher = RandomState::new();
        let limiters = ArcSwap::from_pointee(Limiters::new(size, stopwatch));
        Self { limiters, hasher, stopwatch: stopwatch.clone(), most_keys, swept: 0.into() }
    }

    /// Makes all shares another size. Then everybody begins with a whole one; where the size stays, what was taken stays taken.
    pub(super) fn resize(&self, size: Size) {
        if self.limiters.load().size != size {
            self.limiters.store(Arc::new(Limiters::new(size, &self.stopwatch)));
        }
    }

    /// Takes one out of a key's share, or tells how long until there is one.
    pub(super) fn take(&self, key: &impl Hash) -> Result<(), Duration> {
        let key = self.hasher.hash_one(key);
        let limiters = self.limiters.load();
        let taken = match self.is_full(&limiters) {
            false => limiters.limiter.check_key(&key),
            // Somebody floods with ever new keys. Nobody is unlimited then, and nobody waits for all the others: each key
            // falls to one of many shares, the same one every time.
            true => limiters.crowd.check_key(&(key % CROWDED_SHARES)),
        };
        taken.map_err(|not_until| not_until.wait_time_from(self.stopwatch.now()))
    }

    /// Forgets keys whose share is whole again.
    pub(super) fn sweep(&self) {
        let limiters = self.limiters.load();
        limiters.limiter.retain_recent();
        limiters.limiter.shrink_to_fit();
        limiters.crowd.retain_recent();
    }

    fn is_full(&self, limiters: &Limiters) -> bool {
        if limiters.limiter.len() < self.most_keys {
            return false;
        }
        let now = self.stopwatch.now().as_u64();
        let last = self.swept.load(Ordering::Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= SWEEP_AGAIN.as_u64();
        if is_due && self.swept.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            limiters.limiter.retain_recent();
        }
        limiters.limiter.len() >= self.most_keys
    }
}

impl Limiters {
    fn new(size: Size, stopwatch: &Stopwatch) -> Self {
        let limiter = || RateLimiter::new(size.quota(), DashMapStateStore::default(), stopwatch.clone());
        Self { size, limiter: limiter(), crowd: limiter() }
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Shares({})", self.limiters.load().limiter.len())
    }
}

/// What shares refill by: time since it was started, which no change of the system's clock turns back or forward.
#[derive(Clone, Debug)]
pub(super) struct Stopwatch {
    clock: DefaultClock,
    started: QuantaInstant,
    #[cfg(test)]
    turned: std::sync::Arc<AtomicU64>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        let clock = DefaultClock::default();
        Self {
            started: clock.now(),
            clock,
            #[cfg(test)]
            turned: std::sync::Arc::default(),
        }
    }

    /// Lets time pass.
    #[cfg(test)]
    pub(super) fn turn(&self, by: Duration) {
        self.turned.fetch_add(by.as_nanos().try_into().expect("less than centuries"), Ordering::Relaxed);
    }
}

impl Clock for Stopwatch {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let now = self.clock.now().duration_since(self.started);
        #[cfg(test)]
        let now = now + Nanos::new(self.turned.load(Ordering::Relaxed));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_comes_back_bit_by_bit() {
        let stopwatch = Stopwatch::start();
        let shares = Shares::new(Size::hourly(6), &stopwatch);
        for _ in 0..6 {
            shares.take(&"a").expect("there is some left");
        }
        let wait = shares.take(&"a").expect_err("it is used up");
        assert!((590..=600).contains(&wait.as_secs()), "{wait:?}");
        shares.take(&"b").expect("another's share is its own");
        stopwatch.turn(Duration::from_secs(600));
        shares.take(&"a").expect("one came back");
        shares.take(&"a").expect_err("one, and not more");
    }

    #[test]
    fn ever_new_keys_fill_no_memory_and_lock_nobody_out_for_long() {
        let stopwatch = Stopwatch::start();
        let shares = Shares::with_room(Size::hourly(60), &stopwatch, 100);
        for key in 0..100_000 {
            let _ = shares.take(&key);
        }
        assert!(
            shares.limiters.load().limiter.len() <= 100 && shares.limiters.load().crowd.len() <= 1024,
            "{shares:?}"
        );
        let wait = shares.take(&"late").expect_err("the crowd's shares are used up");
        assert!(wait <= Duration::from_secs(60), "{wait:?}");
        // A key goes when its share has been whole for as long as one bit of it takes to come back.
        stopwatch.turn(Duration::from_secs(121));
        shares.take(&"late").expect("there is room again");
        assert!(shares.limiters.load().limiter.len() < 100);
    }

    #[test]
    fn another_size_begins_anew_and_the_same_one_goes_on() {
        let shares = Shares::new(Size::hourly(1), &Stopwatch::start());
        shares.take(&"a").expect("the first");
        shares.resize(Size::hourly(1));
        shares.take(&"a").expect_err("it is used up");
        shares.resize(Size::hourly(2));
        shares.take(&"a").expect("one of two");
        shares.take(&"a").expect("two of two");
        shares.take(&"a").expect_err("it is used up");
    }

    #[test]
    fn any_size_is_a_quota() {
        for burst in [0, 1, 5, u32::MAX] {
            let size = Size { burst, refills_in: Duration::from_secs(60) };
            Shares::new(size, &Stopwatch::start()).take(&0).expect("the first is free");
        }
    }
}
