//! A table that a web server gives out, in CSV or in pages of JSON: read again and again, and its last good copy kept when the
//! server is down, slow or tells nonsense.
//!
//! A table counts only when all of it was read: a page that fails fails the whole. What cannot be asked for conditionally is
//! read whole each time, but becomes a new table only if it says something else than before.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use reqwest::Url;
use tokio::sync::Mutex;

use super::csv::{self, MOST_BYTES, Needed};
use super::json::Reading;
use super::memory::{Shown, Table};
use super::source::{Found, Step, Terms, View};
use super::standing::{MOST_WAIT, age};
use super::web_fetch::{Answer, Page, Server, Validators};
use crate::config::{WebFormat, WebSource};
use crate::policy::{CustomerList, Value};
use crate::state::health::SourceHealth;
use crate::types::Email;

/// The most pages of one table.
const MOST_PAGES: usize = 10_000;
/// How long reading a whole table may take.
const MOST_TIME: Duration = Duration::from_secs(600);
/// A server in trouble is asked again after this, unless `refresh` is shorter.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The background has read this much before `refresh` is over, so that nobody has to wait; at most a fifth of it.
const AHEAD: Duration = Duration::from_secs(2);
/// No server is asked more often than this.
const ASK_AT_MOST_EVERY: Duration = Duration::from_millis(100);
/// The longest text that names a next page.
const MOST_NEXT_BYTES: usize = 8192;

/// A table that a web server gives out.
pub(super) struct WebTable {
    terms: Terms,
    source: WebSource,
    needed: Needed,
    watch: Mutex<Watch>,
    shown: ArcSwap<Shown>,
    /// How many milliseconds the last reading took.
    took: AtomicU64,
}

/// What whoever reads the table remembers of it.
#[derive(Default)]
struct Watch {
    server: Option<Arc<Server>>,
    good: Option<Sight>,
}

/// The table in use, as it was when it was read.
struct Sight {
    digest: [u8; 32],
    /// Those of the only page: of several none speaks for the others.
    validators: Option<Validators>,
}

enum Look {
    /// The server says that nothing changed.
    Unchanged,
    /// Read anew, and the same as before.
    Same(Option<Validators>),
    /// Read anew.
    New(Box<(Sight, Table)>),
}

impl WebTable {
    pub(super) fn new(terms: Terms, source: WebSource, needed: Needed) -> Self {
        Self { terms, source, needed, watch: Mutex::default(), shown: ArcSwap::default(), took: AtomicU64::new(0) }
    }

    /// How long the background waits after a look.
    pub(super) fn look_every(&self) -> Duration {
        let refresh = self.terms.refresh;
        let every = match self.shown.load().standing.trouble {
            // A table is as old as the beginning of its reading, and the next reading will take as long as the last.
            None => refresh.saturating_sub(AHEAD.min(refresh / 5)).saturating_sub(2 * self.took()),
            Some(_) => refresh.min(RETRY_AFTER),
        };
        every.max(ASK_AT_MOST_EVERY)
    }

    pub(super) fn shown(&self) -> Arc<Shown> {
        self.shown.load_full()
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Reads the table. The reading goes on though whoever asked for it waits no longer: a slow server is asked once, not by
    /// everybody anew.
    pub(super) async fn look(self: &Arc<Self>, now: Timestamp) {
        let this = Arc::clone(self);
        if let Err(error) = tokio::spawn(async move { this.look_once(now).await }).await {
            tracing::error!(source = %self.terms.name, %error, "a look at the source failed");
        }
    }

    fn took(&self) -> Duration {
        Duration::from_millis(self.took.load(Ordering::Relaxed))
    }

    async fn look_once(&self, now: Timestamp) {
        let mut watch = self.watch.lock().await;
        let shown = self.shown();
        // Whoever waited for another's look need not look again.
        if shown.looked.is_some_and(|looked| looked >= now) {
            return;
        }
        let mut next = Shown { looked: Some(now), ..Shown::clone(&shown) };
        let begun = Instant::now();
        let look = tokio::time::timeout(MOST_TIME, self.read(&mut watch)).await;
        self.took.store(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let look = look.unwrap_or_else(|_| Err(format!("reading it took longer than {} s", MOST_TIME.as_secs())));
        let outcome = look.and_then(|look| match look {
            Look::Unchanged => Ok(()),
            Look::Same(validators) => {
                if let Some(good) = &mut watch.good {
                    good.validators = validators;
                }
                Ok(())
            }
            Look::New(new) => {
                let (sight, table) = *new;
                next.take(table, &self.terms, now).map(|()| watch.good = Some(sight))
            }
        });
        match outcome {
            Ok(()) => {
                if next.standing.confirm(now) {
                    tracing::info!(source = %self.terms.name, "the source is well again");
                }
            }
            Err(what) => {
                if next.standing.fail(now, what.as_str()) {
                    tracing::warn!(source = %self.terms.name, problem = %what, "the source cannot be used as it is");
                }
            }
        }
        self.shown.store(Arc::new(next));
    }

    /// Reads the table if the last look is too long ago.
    pub(super) async fn freshen(self: &Arc<Self>, now: Timestamp) {
        let shown = self.shown();
        if shown.looked.is_some_and(|looked| age(now, looked) < self.terms.refresh) {
            return;
        }
        let is_slow = shown.standing.trouble.is_some() || self.took() >= MOST_WAIT;
        if shown.looked.is_some() && is_slow && self.watch.try_lock().is_err() {
            // Somebody reads it already, and waiting for that would be of no use; until then what is known will do.
            return;
        }
        // What is known is served when it takes longer, and `max_stale` ends that.
        let _ = tokio::time::timeout(MOST_WAIT, self.look(now)).await;
    }

    /// The rows for an address.
    pub(super) fn find(&self, list: &CustomerList, email: &Email, now: Timestamp) -> Result<Found, String> {
        self.shown.load().find(list, email, &self.terms, now)
    }

    pub(super) fn serves(&self, view: View<'_>, now: Timestamp) -> bool {
        self.shown.load().serves(view, &self.terms, now).is_ok()
    }

    pub(super) fn health(&self, now: Timestamp) -> SourceHealth {
        self.shown.load().health(&self.terms, now)
    }

    /// Walks over all rows, the bad ones among them.
    pub(super) async fn walk(
        self: &Arc<Self>,
        view: View<'_>,
        now: Timestamp,
        each: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), String> {
        self.look(now).await;
        self.shown().walk(view, &self.terms, now, each)
    }

    async fn read(&self, watch: &mut Watch) -> Result<Look, String> {
        let server = self.server(watch).await?;
        let known = watch.good.as_ref().and_then(|good| good.validators.as_ref());
        let first = match server.ask(&server.first, known, MOST_BYTES).await? {
            Answer::Unchanged => return Ok(Look::Unchanged),
            Answer::Page(page) => page,
        };
        let (sight, table) = match first.format {
            WebFormat::Csv => {
                if self.source.next.is_some() || !self.source.fields.is_empty() || !self.source.rows.is_empty() {
                    return Err("its answer is CSV, for which `rows`, `fields` and `next` have no meaning".to_owned());
                }
                let digest = digest_of(&first.text);
                if watch.good.as_ref().is_some_and(|good| good.digest == digest) {
                    return Ok(Look::Same(Some(first.validators)));
                }
                let needed = self.needed.clone();
                let table = apart(move || csv::Table::parse(first.text, &needed).map_err(|error| error.to_string()));
                let sight = Sight { digest, validators: Some(first.validators) };
                (sight, Table::Csv(table.await??))
            }
            WebFormat::Json => {
                let (table, validators) = self.pages(&server, first).await?;
                (Sight { digest: table.digest(), validators }, Table::Json(table))
            }
        };
        if watch.good.as_ref().is_some_and(|good| good.digest == sight.digest) {
            return Ok(Look::Same(sight.validators));
        }
        Ok(Look::New(Box::new((sight, table))))
    }

    /// Reads all pages. Any that fails fails the whole: half a table is none.
    async fn pages(
        &self,
        server: &Arc<Server>,
        first: Page,
    ) -> Result<(super::json::Table, Option<Validators>), String> {
        let mut reading = Reading::new(&self.source, &self.needed);
        let mut asked = HashSet::from([server.first.clone(), first.url.clone()]);
        let mut bytes = 0;
        let mut validators = Some(first.validators.clone());
        let mut page = first;
        for number in 1..=MOST_PAGES {
            let at = |what: String| if number == 1 { what } else { format!("page {number}: {what}") };
            bytes += page.text.len() as u64;
            let text = std::mem::take(&mut page.text);
            let next;
            (reading, next) = apart(move || {
                let next = reading.page(&text);
                (reading, next)
            })
            .await?;
            let next = next.map_err(|error| at(format!("its answer cannot be read: {error}")))?;
            let Some(url) = self.next(server, &page.url, next.as_ref()).map_err(at)? else {
                let table = apart(move || reading.finish()).await?;
                return Ok((table, validators));
            };
            validators = None;
            if !asked.insert(url.clone()) {
                return Err(at("its pages go in a circle".to_owned()));
            }
            let at = |what: String| format!("page {}: {what}", number + 1);
            page = match server.ask(&url, None, MOST_BYTES.saturating_sub(bytes)).await.map_err(at)? {
                Answer::Page(page) if page.format == WebFormat::Json => page,
                Answer::Page(_) | Answer::Unchanged => return Err(at("its answer is no JSON".to_owned())),
            };
        }
        Err(format!("it has more than {MOST_PAGES} pages"))
    }

    /// The next page's URL, where there is one.
    fn next(&self, server: &Server, from: &Url, told: Option<&Value>) -> Result<Option<Url>, String> {
        let Some(next) = &self.source.next else { return Ok(None) };
        let text = match told {
            None | Some(Value::Null | Value::Bool(false)) => return Ok(None),
            Some(Value::Text(text)) if text.is_empty() => return Ok(None),
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Int(_) | Value::Decimal(_)) if next.parameter.is_some() => {
                told.and_then(Value::text).unwrap_or_default()
            }
            Some(_) => return Err("what `next` leads to names no page".to_owned()),
        };
        if text.len() > MOST_NEXT_BYTES {
            return Err(format!("what `next` leads to is longer than {MOST_NEXT_BYTES} bytes"));
        }
        let Some(parameter) = &next.parameter else {
            let mut url = from.join(&text).map_err(|_| "what `next` leads to is no URL".to_owned())?;
            url.set_fragment(None);
            if !server.is_home(&url) {
                // With it would go what is meant for this server alone.
                return Err("its next page is on another server, which is not asked".to_owned());
            }
            return Ok(Some(server.with_user(url)));
        };
        let mut url = server.first.clone();
        let mut others: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        others.retain(|(name, _)| name != parameter);
        url.query_pairs_mut().clear().extend_pairs(others).append_pair(parameter, &text);
        Ok(Some(url))
    }

    async fn server(&self, watch: &mut Watch) -> Result<Arc<Server>, String> {
        if let Some(server) = &watch.server {
            return Ok(Arc::clone(server));
        }
        let (source, timeout) = (self.source.clone(), self.terms.timeout);
        let server = Arc::new(apart(move || Server::new(&source, timeout)).await??);
        watch.server = Some(Arc::clone(&server));
        Ok(server)
    }
}

/// Does work that takes long, where nobody waits for it.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("reading it failed: {error}"))
}

fn digest_of(text: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text).as_ref());
    digest
}
