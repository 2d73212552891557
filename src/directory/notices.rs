//! What a PostgreSQL server tells by itself: notifications that make a change in a table count at once.
//!
//! A notification whose payload is an address makes that person's answers old, any other makes all answers old. A listener that
//! lost its connection may have missed some, so once it is back all answers are old. While it is away, nothing is worse than
//! without it: a change counts within `refresh`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use super::database::words;
use super::postgres;
use super::source::Terms;
use crate::types::{Email, Secret, SourceName};

/// People whose changes are kept apart. When more were told of, all answers are old.
const MOST_PEOPLE: usize = 10_000;
/// A listener that lost its connection tries again after the first, and then twice as long each time, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(15);
/// A connection that was silent for `refresh`, or for so long, is asked whether it is still there.
const MOST_SILENCE: Duration = Duration::from_secs(20);

/// A channel of notifications, and what came through it.
pub(super) struct Notices {
    source: SourceName,
    channel: String,
    options: Result<PgConnectOptions, String>,
    timeout: Duration,
    silence: Duration,
    generation: AtomicU64,
    epoch: AtomicU64,
    /// How often people's rows changed, since the generation went up last.
    people: Mutex<HashMap<Email, u64>>,
    problem: ArcSwapOption<String>,
}

impl Notices {
    pub(super) fn new(terms: &Terms, url: &Secret, channel: &str) -> Self {
        Self {
            source: terms.name.clone(),
            channel: channel.to_owned(),
            options: postgres::options(url),
            timeout: terms.timeout,
            silence: terms.refresh.clamp(Duration::from_secs(1), MOST_SILENCE),
            generation: AtomicU64::default(),
            epoch: AtomicU64::default(),
            people: Mutex::default(),
            problem: ArcSwapOption::empty(),
        }
    }

    /// Goes up whenever everybody's answers are old.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Goes up whenever anybody's answers are old.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Goes up whenever this person's answers are old.
    pub(super) fn changes(&self, email: &Email) -> u64 {
        self.people.lock().unwrap_or_else(PoisonError::into_inner).get(email).copied().unwrap_or(0)
    }

    /// Why nothing can be told at the moment.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.load().as_deref().cloned()
    }

    /// Takes in what is told, until it is dropped.
    pub(super) async fn listen(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let trouble = match self.open().await {
                Ok(mut listener) => {
                    let since = Instant::now();
                    let message =
                        if self.problem.swap(None).is_some() { "listening again" } else { "listening for changes" };
                    tracing::info!(source = %self.source, channel = %self.channel, "{message}");
                    // Whatever was told before, nobody heard.
                    self.all_are_old();
                    let trouble = self.hear(&mut listener).await;
                    if since.elapsed() > LAST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                    trouble
                }
                Err(trouble) => trouble,
            };
            let is_news = self.problem.load().is_none();
            if is_news {
                let limit = "no notifications until the connection is back; changes count within `refresh`";
                tracing::warn!(source = %self.source, channel = %self.channel, problem = %trouble, "{limit}");
            }
            self.problem.store(Some(Arc::new(format!("channel `{}`: {trouble}", self.channel))));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn open(&self) -> Result<PgListener, String> {
        let options = self.options.clone()?;
        let opened = async {
            // A pool of one, which tries once: it is we who try again.
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(self.timeout);
            let pool = pool.max_lifetime(None).idle_timeout(None).connect_lazy_with(options);
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(&self.channel).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        match tokio::time::timeout(self.timeout, opened).await {
            Ok(opened) => opened.map_err(|error| words(&error)),
            Err(_) => Err(format!("no answer within {:?}", self.timeout)),
        }
    }

    /// Hears until the connection is lost, and says how that came.
    async fn hear(&self, listener: &mut PgListener) -> String {
        loop {
            match tokio::time::timeout(self.silence, listener.try_recv()).await {
                Ok(Ok(Some(notice))) => self.take(notice.payload()),
                Ok(Ok(None)) => return "the connection was lost".to_owned(),
                Ok(Err(error)) => return words(&error),
                // A peer that vanished without a word is noticed only by asking.
                Err(_) => match tokio::time::timeout(self.timeout, listener.execute("SELECT 1")).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return words(&error),
                    Err(_) => return format!("no answer within {:?}", self.timeout),
                },
            }
        }
    }

    fn take(&self, payload: &str) {
        match Email::parse(payload) {
            Ok(email) => self.one_is_old(email),
            Err(_) => self.all_are_old(),
        }
    }

    fn all_are_old(&self) {
        // The epoch last: whoever sees it go up finds the rest done.
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.people.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    fn one_is_old(&self, email: Email) {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        if people.len() >= MOST_PEOPLE && !people.contains_key(&email) {
            drop(people);
            return self.all_are_old();
        }
        *people.entry(email).or_default() += 1;
        drop(people);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notices() -> Notices {
        let terms = Terms {
            name: SourceName::parse("crm").expect("a name"),
            refresh: Duration::from_secs(30),
            max_stale: Duration::from_secs(900),
            timeout: Duration::from_secs(5),
        };
        Notices::new(&terms, &Secret::new("postgres://127.0.0.1:1/x".to_owned()), "contacts")
    }

    #[test]
    fn a_payload_that_is_an_address_concerns_one_person_and_any_other_all() {
        let notices = notices();
        let (ann, bob) = (Email::parse("ann@example.com").expect("one"), Email::parse("bob@example.com").expect("one"));
        let version = |email: &Email| (notices.generation(), notices.changes(email));
        let (for_ann, for_bob, epoch) = (version(&ann), version(&bob), notices.epoch());
        notices.take(" Ann@Example.COM ");
        assert_ne!(version(&ann), for_ann);
        assert_eq!(version(&bob), for_bob);
        assert_ne!(notices.epoch(), epoch, "sessions have to look");
        let (for_ann, for_bob) = (version(&ann), version(&bob));
        for payload in ["", "everything", "ann@example.com, bob@example.com"] {
            notices.take(payload);
            assert_ne!(version(&ann), for_ann, "{payload}");
            assert_ne!(version(&bob), for_bob, "{payload}");
        }
    }

    #[test]
    fn more_people_than_are_kept_apart_are_all() {
        let notices = notices();
        let ann = Email::parse("ann@example.com").expect("an address");
        for number in 0..MOST_PEOPLE {
            notices.take(&format!("p{number}@example.com"));
        }
        assert_eq!((notices.generation(), notices.changes(&ann)), (0, 0));
        notices.take("eve@example.com");
        assert_eq!(notices.generation(), 1);
        assert!(notices.people.lock().expect("nobody panicked").is_empty());
    }
}
