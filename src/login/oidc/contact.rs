//! One provider, and what is known of it: asked when somebody needs it, kept for an hour, and left alone for a while when it
//! does not answer.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use openidconnect::HttpResponse;
use tokio::time::Instant;

use super::discovery::{self, Known};
use super::http::{HttpProblem, Kind};
use crate::config::Provider;
use crate::state::metrics::Metrics;

/// So many log-ins may ask for consent and get no refresh token; then it is given up.
const MOST_IN_VAIN: u32 = 5;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// How old what is known may be before it is asked anew, in the background.
    pub(super) refresh: Duration,
    /// How old it may be at all: keys that a provider has withdrawn must not count for ever because it cannot be asked.
    pub(super) most_age: Duration,
    /// How long a provider that did not answer is left alone.
    pub(super) rest: Duration,
    /// How often a provider that is down is looked at.
    pub(super) look: Duration,
    /// How often a token with an unknown key may make us fetch keys. It came from the provider itself.
    pub(super) keys_for_tokens: Duration,
    /// How often a log-out token may, which anybody can send. Counted apart, so that junk keeps nobody out.
    pub(super) keys_for_strangers: Duration,
    /// When a session that could not be re-checked is tried again.
    pub(super) later: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(3600),
            most_age: Duration::from_secs(24 * 3600),
            rest: Duration::from_secs(10),
            look: Duration::from_secs(60),
            keys_for_tokens: Duration::from_secs(10),
            keys_for_strangers: Duration::from_secs(60),
            later: Duration::from_secs(60),
        }
    }
}

/// Who wants newer keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asker {
    /// A token that the provider itself gave us.
    Provider,
    /// A token that somebody sent.
    Stranger,
}

#[derive(Debug, Default)]
struct FetchedKeys {
    for_provider: Option<Instant>,
    for_strangers: Option<Instant>,
}

/// One provider of the config.
pub(super) struct Contact {
    pub(super) provider: Arc<Provider>,
    pub(super) http: reqwest::Client,
    pub(super) timing: Timing,
    metrics: Arc<Metrics>,
    known: ArcSwapOption<Known>,
    /// Held while it is asked about itself, so that it is asked once.
    looking: tokio::sync::Mutex<()>,
    /// Since when it does not answer, and why.
    failed: Mutex<Option<(Instant, String)>>,
    /// When a refresh last found nobody there.
    refresh_failed: Mutex<Option<(Instant, String)>>,
    /// When keys were last fetched for a token of the provider's own, and for one that somebody sent.
    fetched_keys: Mutex<FetchedKeys>,
    /// How many log-ins in a row brought no refresh token.
    without_token: AtomicU32,
    warned: AtomicBool,
}

impl Contact {
    pub(super) fn new(provider: Arc<Provider>, http: reqwest::Client, timing: Timing, metrics: Arc<Metrics>) -> Self {
        metrics.expect_provider(
            provider.name.as_str(),
            &[Kind::Discovery, Kind::Keys, Kind::Code, Kind::Refresh, Kind::UserInfo].map(Kind::name),
        );
        Self {
            provider,
            http,
            timing,
            metrics,
            known: ArcSwapOption::empty(),
            looking: tokio::sync::Mutex::new(()),
            failed: Mutex::new(None),
            refresh_failed: Mutex::new(None),
            fetched_keys: Mutex::default(),
            without_token: AtomicU32::new(0),
            warned: AtomicBool::new(false),
        }
    }

    /// What is known, where it may still be used; asks nobody.
    pub(super) fn usable(&self) -> Option<Arc<Known>> {
        self.known.load_full().filter(|known| known.fetched.elapsed() < self.timing.most_age)
    }

    fn fresh(&self) -> Option<Arc<Known>> {
        self.usable().filter(|known| known.fetched.elapsed() < self.timing.refresh)
    }

    /// Whether a log-in can begin, as far as is known.
    pub(super) fn is_up(&self) -> bool {
        self.usable().is_some() || lock(&self.failed).is_none()
    }

    /// What is known; asks the provider if that is nothing, and anew in the background if it is old.
    pub(super) async fn known(self: &Arc<Self>) -> Result<Arc<Known>, String> {
        let Some(known) = self.usable() else { return self.look().await };
        if self.fresh().is_none() && self.looking.try_lock().is_ok() {
            let this = Arc::clone(self);
            tokio::spawn(async move { this.look_now().await });
        }
        Ok(known)
    }

    /// Looks, unless what is known is fresh. In a task of its own: whoever asked may go away, and the answer still counts.
    pub(super) async fn look(self: &Arc<Self>) -> Result<Arc<Known>, String> {
        let this = Arc::clone(self);
        tokio::spawn(async move { this.look_now().await }).await.unwrap_or_else(|_| Err("the look failed".to_owned()))
    }

    async fn look_now(&self) -> Result<Arc<Known>, String> {
        let _only_one = self.looking.lock().await;
        if let Some(known) = self.fresh() {
            return Ok(known);
        }
        if let Some(cause) = recent(&self.failed, self.timing.rest) {
            return self.usable().ok_or(cause);
        }
        let found = tokio::time::timeout(self.provider.timeout, discovery::fetch(self)).await;
        let found = found.unwrap_or_else(|_| Err(format!("discovery: {}", HttpProblem::Slow)));
        let name = self.provider.name.as_str();
        let up = self.metrics.provider_up.with_label_values(&[name]);
        match found {
            Ok(known) => {
                up.set(1);
                if lock(&self.failed).take().is_some() {
                    tracing::info!(provider = name, "the provider is back");
                }
                let known = Arc::new(known);
                self.known.store(Some(Arc::clone(&known)));
                Ok(known)
            }
            Err(cause) => {
                up.set(0);
                let before = lock(&self.failed).replace((Instant::now(), cause.clone()));
                if before.is_none_or(|(_, before)| before != cause) {
                    tracing::warn!(provider = name, cause, "the provider cannot be used");
                }
                self.usable().ok_or(cause)
            }
        }
    }

    /// What is known with newer keys than these, if there are any and it is not too soon to ask.
    pub(super) async fn newer_keys(self: &Arc<Self>, than: &Arc<Known>, asker: Asker) -> Option<Arc<Known>> {
        let (this, than) = (Arc::clone(self), Arc::clone(than));
        tokio::spawn(async move { this.newer_keys_now(&than, asker).await }).await.ok().flatten()
    }

    async fn newer_keys_now(&self, than: &Arc<Known>, asker: Asker) -> Option<Arc<Known>> {
        let _only_one = self.looking.lock().await;
        let known = self.usable()?;
        if !Arc::ptr_eq(&known, than) {
            return Some(known);
        }
        let pause = match asker {
            Asker::Provider => self.timing.keys_for_tokens,
            Asker::Stranger => self.timing.keys_for_strangers,
        };
        {
            let mut fetched = lock(&self.fetched_keys);
            let last = match asker {
                Asker::Provider => &mut fetched.for_provider,
                Asker::Stranger => &mut fetched.for_strangers,
            };
            if last.is_some_and(|last| last.elapsed() < pause) {
                return None;
            }
            *last = Some(Instant::now());
        }
        match discovery::with_new_keys(self, &known).await {
            Ok(newer) => {
                let newer = Arc::new(newer);
                self.known.store(Some(Arc::clone(&newer)));
                Some(newer)
            }
            Err(cause) => {
                tracing::warn!(
                    provider = self.provider.name.as_str(),
                    cause,
                    "the provider's keys cannot be read anew"
                );
                None
            }
        }
    }

    /// Counts a request to the provider.
    pub(super) fn note(&self, kind: Kind, answer: &Result<HttpResponse, HttpProblem>) {
        let outcome = match answer {
            Ok(answer) if answer.status().is_success() => "ok",
            Ok(_) => "refused",
            Err(_) => "unavailable",
        };
        let name = self.provider.name.as_str();
        self.metrics.provider_requests.with_label_values(&[name, kind.name(), outcome]).inc();
        // A look sets it when all of it is done: a document may well come, and be of no use.
        if !matches!(kind, Kind::Discovery | Kind::Keys) {
            self.metrics.provider_up.with_label_values(&[name]).set(i64::from(answer.is_ok()));
        }
    }

    /// Why refreshes rest, while they do: each session would otherwise wait for a provider that does not answer.
    pub(super) fn refreshes_rest(&self) -> Option<String> {
        recent(&self.refresh_failed, self.timing.rest)
    }

    /// A refresh found nobody there.
    pub(super) fn rest_refreshes(&self, cause: &str) {
        *lock(&self.refresh_failed) = Some((Instant::now(), cause.to_owned()));
    }

    /// Whether people have to be asked for consent: some providers give a refresh token for nothing less (OpenID Connect
    /// Core, section 11). Not before one has failed to come, and not for long if that does not help.
    pub(super) fn wants_consent(&self) -> bool {
        (1..=MOST_IN_VAIN).contains(&self.without_token.load(Ordering::Relaxed))
    }

    /// Notes whether a log-in brought the refresh token that re-checking needs.
    pub(super) fn note_refresh_token(&self, came: bool) {
        let count = |without: u32| match (came, without) {
            (true, 0) => None,
            // It came because of the consent: go on asking for that.
            (true, _) => Some(1),
            (false, _) => Some(without.saturating_add(1)),
        };
        let _ = self.without_token.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
        if !came && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                provider = self.provider.name.as_str(),
                "no refresh token came: who logged in is not re-checked; \
                 allow refresh tokens for the client at the provider, or remove `recheck`"
            );
        }
    }
}

/// A lock is only ever held for an assignment, which cannot panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recent(failure: &Mutex<Option<(Instant, String)>>, rest: Duration) -> Option<String> {
    lock(failure).as_ref().filter(|(at, _)| at.elapsed() < rest).map(|(_, cause)| cause.clone())
}
