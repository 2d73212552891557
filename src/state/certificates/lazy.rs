//! Finds the certificate of a name when a handshake asks for it, and keeps the ones in use at hand.
//!
//! A gateway may have a hundred thousand domains of which a few thousand are visited. So only the folder's own set stands in
//! memory whole; everything else is fetched once for all who wait for it, into a cache of bounded size. Names that are
//! not ours end before any of that: a storm of them reads nothing, keeps nothing and logs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jiff::Timestamp;
use moka::Expiry;
use moka::future::Cache;
use tokio::sync::Semaphore;

use super::{Certificate, CertificateName, CertificateSet};
use crate::state::clock::Clock;
use crate::state::seldom::Seldom;
use crate::state::snapshot::Current;
use crate::types::HostName;

/// Fetches at a time. More would only wait for the same disk, and hold memory while they do.
const MOST_FETCHES: usize = 32;

/// How long it is remembered that a name of ours has no valid certificate. Long enough that its visitors do not wear out the
/// disk; and when a certificate arrives, this is forgotten at once.
const NOTHING_FOR: Duration = Duration::from_secs(5);

/// How often a fetch begins anew because a certificate changed meanwhile.
const MOST_ROUNDS: usize = 3;

/// A place that certificates are fetched from, one by one.
#[async_trait]
pub trait CertificateSource: Send + Sync {
    /// The certificate that this place has for a name: for a wildcard name, the wildcard itself.
    async fn fetch(&self, name: &CertificateName) -> Result<Option<Certificate>, FetchError>;
}

/// A certificate that should be there could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// The places that certificates are fetched from, in the order in which they are asked.
#[derive(Clone, Default)]
pub struct Sources {
    /// The folder, where it is too large to be read whole.
    pub folder: Option<Arc<dyn CertificateSource>>,
    /// Those that we ordered.
    pub store: Option<Arc<dyn CertificateSource>>,
    /// The local CA, which has one for every name.
    pub local_ca: Option<Arc<dyn CertificateSource>>,
}

/// What was counted, for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Names whose certificate, or lack of one, is at hand.
    pub held: u64,
    /// Look-ups that were answered from memory.
    pub hits: u64,
    /// Look-ups that had to fetch, or wait for somebody who did.
    pub misses: u64,
    /// Look-ups of names that are not ours.
    pub unknown: u64,
    /// Look-ups that failed because a place could not be asked.
    pub failed: u64,
}

/// The certificates in force. Shared by the listeners, which serve them, and the rooms that have them.
pub struct Certificates {
    clock: Clock,
    current: Arc<Current>,
    folder: ArcSwap<CertificateSet>,
    sources: ArcSwap<Sources>,
    known: Cache<CertificateName, Known>,
    fetches: Semaphore,
    /// Goes up whenever something known may have become wrong, so that a fetch that began before does not bring it back.
    changes: AtomicU64,
    warned: Seldom,
    hits: AtomicU64,
    misses: AtomicU64,
    unknown: AtomicU64,
    failed: AtomicU64,
}

/// What is known of a name.
#[derive(Clone, Debug)]
struct Known {
    certificate: Option<Arc<Certificate>>,
    keep: Duration,
}

/// Keeps each entry as long as it says.
struct AsItSays;

impl Expiry<CertificateName, Known> for AsItSays {
    fn expire_after_create(&self, _: &CertificateName, known: &Known, _: Instant) -> Option<Duration> {
        Some(known.keep)
    }

    fn expire_after_update(
        &self,
        _: &CertificateName,
        known: &Known,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(known.keep)
    }
}

impl Certificates {
    /// Without any certificate yet. Keeps at most so many fetched ones at hand.
    #[must_use]
    pub fn new(clock: Clock, current: Arc<Current>, most: usize) -> Self {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let known = Cache::builder().max_capacity(most).expire_after(AsItSays).support_invalidation_closures().build();
        Self {
            clock,
            current,
            folder: ArcSwap::default(),
            sources: ArcSwap::default(),
            known,
            fetches: Semaphore::new(MOST_FETCHES),
            changes: AtomicU64::new(0),
            warned: Seldom::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Puts a whole set from the folder in force: from now on every handshake uses it, and connections that stand keep theirs.
    pub fn publish(&self, set: CertificateSet) {
        self.folder.store(Arc::new(set));
    }

    /// Says where other certificates are fetched from. What was fetched so far is forgotten.
    pub fn fetch_from(&self, sources: Sources) {
        self.sources.store(Arc::new(sources));
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.known.invalidate_all();
    }

    /// The certificate to serve for a server name now: a valid one of the folder; else, for names of ours, a valid one that was
    /// ordered, for the very name or its wildcard; else one of the local CA; else one that has ended, for a person
    /// can read a warning, not a closed connection.
    pub async fn serve(&self, name: &str) -> Option<Arc<Certificate>> {
        let host = HostName::parse(name).ok()?;
        let now = self.clock.now();
        let in_folder = self.folder.load().find(host.as_str(), now).cloned();
        if in_folder.as_ref().is_some_and(|certificate| certificate.is_valid(now)) {
            return in_folder;
        }
        if !self.current.load().serves(&host) {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            return in_folder;
        }
        match self.look(CertificateName::Exact(host)).await {
            Ok(known) => better(in_folder, known.certificate, now),
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                if self.warned.is_due(now) {
                    tracing::warn!(%error, "certificates cannot be fetched, so handshakes fail");
                }
                in_folder
            }
        }
    }

    /// Tells that the certificate of a name was replaced, came, or went: the next handshake fetches it anew.
    pub async fn renewed(&self, name: &CertificateName) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.known.invalidate(name).await;
        if let CertificateName::Wildcard(_) = name {
            let wildcard = name.clone();
            let covered = move |other: &CertificateName, _: &Known| match other {
                CertificateName::Exact(host) => wildcard.covers(host),
                CertificateName::Wildcard(_) => false,
            };
            // It fails only where the cache was built without leave for it.
            let _ = self.known.invalidate_entries_if(covered);
        }
    }

    /// Whether the folder has a valid certificate for a host, so that none has to be ordered.
    pub async fn has_valid_from_folder(&self, host: &HostName) -> bool {
        let now = self.clock.now();
        if self.folder.load().find(host.as_str(), now).is_some_and(|certificate| certificate.is_valid(now)) {
            return true;
        }
        let Some(folder) = self.sources.load().folder.clone() else { return false };
        for name in
            [Some(CertificateName::Exact(host.clone())), CertificateName::wildcard_of(host)].into_iter().flatten()
        {
            if let Ok(Some(found)) = self.ask(&*folder, &name).await
                && found.is_valid(now)
            {
                return true;
            }
        }
        false
    }

    /// The whole set of the folder.
    #[must_use]
    pub fn folder(&self) -> Arc<CertificateSet> {
        self.folder.load_full()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            held: self.known.entry_count(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    /// What is known of a name, or what can be found out.
    async fn look(&self, name: CertificateName) -> Result<Known, Arc<FetchError>> {
        if let Some(known) = self.known.get(&name).await {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(known);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let mut rounds = 0;
        loop {
            let begun = self.changes.load(Ordering::Acquire);
            // One fetches, all who ask meanwhile wait for it. When its handshake is given up, another of them goes on.
            let known = self.known.try_get_with_by_ref(&name, self.fetch(&name)).await?;
            rounds += 1;
            if self.changes.load(Ordering::Acquire) == begun {
                return Ok(known);
            }
            // It may be what was there before the change.
            self.known.invalidate(&name).await;
            if rounds == MOST_ROUNDS {
                return Ok(known);
            }
        }
    }

    async fn fetch(&self, name: &CertificateName) -> Result<Known, FetchError> {
        let sources = self.sources.load_full();
        let mut best: Option<Arc<Certificate>> = None;
        for source in [&sources.folder, &sources.store].into_iter().flatten() {
            let found = self.ask(&**source, name).await?.map(Arc::new);
            best = better(best, found, self.clock.now());
            if let Some(valid) = best.as_ref().filter(|best| best.is_valid(self.clock.now())) {
                return Ok(Known::valid(Arc::clone(valid), self.clock.now()));
            }
        }
        if let CertificateName::Exact(host) = name {
            if let Some(wildcard) = CertificateName::wildcard_of(host) {
                let known = Box::pin(self.look(wildcard)).await.map_err(|error| FetchError::clone(&error))?;
                // The same one for all its hosts, not a copy for each.
                best = better(best, known.certificate, self.clock.now());
                if let Some(valid) = best.as_ref().filter(|best| best.is_valid(self.clock.now())) {
                    return Ok(Known::valid(Arc::clone(valid), self.clock.now()));
                }
            }
            if let Some(local_ca) = &sources.local_ca
                && let Some(issued) = self.ask(&**local_ca, name).await?
            {
                let mut known = Known::valid(Arc::new(issued), self.clock.now());
                // Nobody else renews these.
                known.keep = known.keep * 2 / 3;
                return Ok(known);
            }
        }
        Ok(Known { certificate: best, keep: NOTHING_FOR })
    }

    async fn ask(
        &self,
        source: &dyn CertificateSource,
        name: &CertificateName,
    ) -> Result<Option<Certificate>, FetchError> {
        let _permit = self.fetches.acquire().await.map_err(|_| FetchError("the gateway is stopping".to_owned()))?;
        source.fetch(name).await
    }
}

impl Known {
    fn valid(certificate: Arc<Certificate>, now: Timestamp) -> Self {
        let left = certificate.not_after.duration_since(now);
        Self { certificate: Some(certificate), keep: left.unsigned_abs().max(Duration::from_secs(1)) }
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Certificates").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// Of two certificates for a name the one to serve: the first if it is valid, else the second if it is, else the one that was
/// valid last.
fn better(one: Option<Arc<Certificate>>, other: Option<Arc<Certificate>>, now: Timestamp) -> Option<Arc<Certificate>> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let is_other = !one.is_valid(now) && (other.is_valid(now) || other.not_after > one.not_after);
            Some(if is_other { other } else { one })
        }
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
#[path = "lazy_tests.rs"]
mod tests;
