//! Brings every domain to its certificate: keeps the schedule, does its jobs, writes down how far each name is.
//!
//! Only names in the snapshot are ever looked at, so nobody makes work by asking for others. What the config or the folder
//! says comes first: a domain that the folder has a certificate for costs nothing here.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::acme::{Authority, OrderError, name_for};
use super::backoff::later;
use super::budget::Budget;
pub use super::preflight::NoResolver;
use super::preflight::{Dns, Ports, Preflight};
use super::schedule::{Authority as Usable, Job, Outcome, Schedule, Task};
use super::trouble::Trouble;
use crate::config::Acme;
use crate::state::certificates::{CertificateName, Certificates};
use crate::state::challenges::Challenges;
use crate::state::clock::Clock;
use crate::state::domains::DomainStore;
use crate::state::issuance::{CertificateStore, Times, Which};
use crate::state::metrics::Metrics;
use crate::state::onboarding::{Sight, Wish};
use crate::state::ports::StoreError;
use crate::state::proof::WaitingRoom;
use crate::state::snapshot::{Current, Snapshot};
use crate::types::HostName;

/// How often it is looked what is due.
const TICK: Duration = Duration::from_millis(500);

/// How often what is over is forgotten. It waits as long after a start, too: tables may come late.
const SWEEP: SignedDuration = SignedDuration::from_hours(1);

/// How often the authority is asked how CAA records name it.
const ABOUT: SignedDuration = SignedDuration::from_hours(24);

/// Names that are added between two looks at anything else.
const CHUNK: usize = 1000;

/// Wishes of commands beside the gateway that are looked through at a time.
const WISHES: u32 = 64;

/// Wishes that are being fulfilled at a time.
const MOST_WISHES: usize = 64;

/// How long a wish that nobody takes the answer of is kept.
const WISH_LASTS: SignedDuration = SignedDuration::from_mins(10);

/// What the room works with.
pub struct Parts {
    /// The clock.
    pub clock: Clock,
    /// Where certificates are kept.
    pub certificate_store: Arc<dyn CertificateStore>,
    /// Where it is kept how far each name is.
    pub store: Arc<dyn DomainStore>,
    /// Which names are ours.
    pub current: Arc<Current>,
    /// Domains of tables that may not serve yet.
    pub waiting: Arc<WaitingRoom>,
    /// The certificates in force.
    pub certificates: Arc<Certificates>,
    /// What is answered to who looks for us.
    pub challenges: Arc<Challenges>,
    /// Who issues.
    pub authority: Arc<Authority>,
    /// The counters.
    pub metrics: Arc<Metrics>,
}

/// Looks after the way of all domains to their certificates.
pub struct Onboarding {
    pub(super) parts: Parts,
    settings: ArcSwapOption<Settings>,
    schedule: Mutex<Schedule>,
    /// Domains that have a certificate from the folder.
    provided: Mutex<HashSet<HostName>>,
    applied: Notify,
}

/// How it is done: made from the config before it is put in force, so that a reload is all or nothing.
pub struct Settings {
    pub(super) acme: Acme,
    preflight: Preflight,
}

impl Settings {
    /// Makes what looks need. The ports are those at which the world comes to us.
    ///
    /// # Errors
    /// When there is nobody to ask for addresses.
    pub fn new(acme: &Acme, http: Option<u16>, https: u16, challenges: &Arc<Challenges>) -> Result<Self, NoResolver> {
        let preflight = Preflight::new(acme, Ports { http, https }, Arc::clone(challenges))?;
        Ok(Self { acme: acme.clone(), preflight })
    }
}

/// What came of a job.
enum Ended {
    Looked(Option<Trouble>),
    /// The folder has a certificate for it.
    Provided,
    Ordered(Outcome),
    Asked(Option<Times>),
}

impl Onboarding {
    /// Puts it together; nothing runs yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        for outcome in Outcome::NAMES {
            parts.metrics.certificate_orders.with_label_values(&[outcome]);
        }
        Self {
            parts,
            settings: ArcSwapOption::empty(),
            schedule: Mutex::new(Schedule::new(Budget::new(1, None))),
            provided: Mutex::default(),
            applied: Notify::new(),
        }
    }

    /// Puts settings in force; without any, nothing is ordered.
    pub fn apply(&self, settings: Option<Settings>) {
        if let Some(settings) = &settings {
            let acme = &settings.acme;
            self.schedule().budget().limit(acme.orders_per_hour, acme.orders_per_parent);
        }
        self.settings.store(settings.map(Arc::new));
        self.applied.notify_one();
    }

    /// What is in force.
    pub(super) fn settings(&self) -> Option<Arc<Settings>> {
        self.settings.load_full()
    }

    pub(super) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // Whatever panicked in between, each name still has one place or none.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn provided(&self) -> MutexGuard<'_, HashSet<HostName>> {
        self.provided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until it is told to stop. What runs then goes on at the next start.
    pub async fn run(self: Arc<Self>, halt: CancellationToken) {
        let work = Arc::clone(&self).work();
        if halt.run_until_cancelled(work).await.is_none() {
            self.write_down().await;
        }
    }

    async fn work(self: Arc<Self>) {
        let mut changes = self.parts.current.changes();
        let mut jobs: JoinSet<(Job, Ended)> = JoinSet::new();
        let mut wishes: JoinSet<CertificateName> = JoinSet::new();
        // A wish stays in the store until it is answered.
        let mut taken_up: HashSet<CertificateName> = HashSet::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut swept = self.parts.clock.now();
        let mut about = Timestamp::MIN;
        let mut ticks = 0_u32;
        self.count_issued().await;
        self.take_stock().await;
        loop {
            self.begin_jobs(&mut jobs);
            tokio::select! {
                Some(done) = jobs.join_next() => {
                    if let Ok((job, result)) = done {
                        self.settle(&job, result).await;
                    }
                }
                Some(done) = wishes.join_next() => match done {
                    Ok(name) => {
                        taken_up.remove(&name);
                    }
                    // It panicked, and does not say which: each may be taken up again.
                    Err(_) => taken_up.clear(),
                },
                _ = changes.changed() => self.take_stock().await,
                () = self.applied.notified() => {
                    about = Timestamp::MIN;
                    self.take_stock().await;
                }
                _ = tick.tick() => {
                    let now = self.parts.clock.now();
                    ticks = ticks.wrapping_add(1);
                    self.write_down().await;
                    if ticks.is_multiple_of(2) {
                        self.take_up_wishes(&mut wishes, &mut taken_up).await;
                    }
                    if about < now {
                        about = later(now, if self.ask_about().await { ABOUT } else { SignedDuration::from_mins(10) });
                    }
                    if later(swept, SWEEP) <= now {
                        swept = now;
                        self.sweep(now).await;
                    }
                }
            }
        }
    }

    /// Counts what was issued this week under its parents. It may be very much, so it is read in parts.
    async fn count_issued(&self) {
        let now = self.parts.clock.now();
        // Authorities date certificates back an hour or so.
        let since = now - SignedDuration::from_hours(7 * 24);
        let store = &self.parts.certificate_store;
        let mut last: Option<CertificateName> = None;
        loop {
            let which = Which::IssuedSince { since, after: last.as_ref(), most: CHUNK };
            let issued = insist(|| store.certificate_times(which)).await;
            let mut schedule = self.schedule();
            for (name, times) in &issued {
                schedule.budget().note_parent(name, times.not_before.min(now));
            }
            match issued.into_iter().last() {
                Some((name, _)) => last = Some(name),
                None => return schedule.budget().put_parents_in_order(),
            }
        }
    }

    /// Takes in the names that the snapshot has, and lets those go that it has no more.
    async fn take_stock(&self) {
        let snapshot = self.parts.current.load_full();
        let settings = self.settings();
        let wanted = settings.as_ref().map(|settings| wanted(&snapshot, &settings.acme)).unwrap_or_default();
        let (mut gone, new) = {
            let schedule = self.schedule();
            let gone: Vec<_> = schedule.names().filter(|name| !wanted.contains(*name)).cloned().collect();
            let new: Vec<_> = wanted.iter().filter(|name| !schedule.has(name)).cloned().collect();
            (gone, new)
        };
        let is_wanted = |host: &HostName| wanted.contains(&CertificateName::Exact(host.clone()));
        self.provided().retain(is_wanted);
        {
            let mut schedule = self.schedule();
            for name in &gone {
                schedule.remove(name);
            }
        }
        for chunk in new.chunks(CHUNK) {
            let mut adding = Vec::with_capacity(chunk.len());
            for name in chunk {
                if let CertificateName::Exact(host) = name {
                    if self.provided().contains(host) {
                        continue;
                    }
                    if self.parts.certificates.has_valid_from_folder(host).await {
                        self.provided().insert(host.clone());
                        gone.push(name.clone());
                        continue;
                    }
                }
                adding.push(name.clone());
            }
            self.add(adding).await;
        }
        if !gone.is_empty() {
            self.forget(&gone).await;
        }
    }

    /// Takes names in, with what the store knows of them: a name may have been ours before.
    async fn add(&self, names: Vec<CertificateName>) {
        let Parts { store, certificate_store, .. } = &self.parts;
        // Without it, every domain would be ordered anew.
        let (progress, times) = insist(|| async {
            futures_util::try_join!(
                store.progress_of(&names),
                certificate_store.certificate_times(Which::Named(&names))
            )
        })
        .await;
        let mut progress: HashMap<_, _> = progress.into_iter().collect();
        let mut times: HashMap<_, _> = times.into_iter().collect();
        let now = self.parts.clock.now();
        let mut schedule = self.schedule();
        for name in names {
            let (progress, times) = (progress.remove(&name), times.remove(&name));
            schedule.add(name, progress, times, now);
        }
    }

    fn begin_jobs(self: &Arc<Self>, jobs: &mut JoinSet<(Job, Ended)>) {
        let Some(settings) = self.settings() else { return };
        let now = self.parts.clock.now();
        loop {
            let Some(job) = self.schedule().next(now) else { return };
            let (this, settings) = (Arc::clone(self), Arc::clone(&settings));
            jobs.spawn(async move {
                let worked = tokio::spawn({
                    let (job, this) = (job.clone(), Arc::clone(&this));
                    async move { this.do_job(&job, &settings).await }
                });
                // A job that panicked must give its place back.
                let result = AbortOnDrop(worked).await.unwrap_or_else(|| job.failed());
                (job, result)
            });
        }
    }

    async fn do_job(&self, job: &Job, settings: &Settings) -> Ended {
        let name = &job.name;
        match job.task {
            Task::Look => {
                if let CertificateName::Exact(host) = name
                    && self.parts.certificates.has_valid_from_folder(host).await
                {
                    return Ended::Provided;
                }
                Ended::Looked(settings.preflight.look(name).await.trouble)
            }
            Task::Order => {
                let outcome = match self.parts.authority.obtain(name).await {
                    Ok(certificate) => {
                        self.parts.certificates.renewed(name).await;
                        Outcome::Issued(certificate.times)
                    }
                    Err(error) => outcome_of(name, &error, self.parts.clock.now()),
                };
                self.parts.metrics.certificate_orders.with_label_values(&[outcome.name()]).inc();
                Ended::Ordered(outcome)
            }
            Task::Ask => Ended::Asked(self.ask_for_renewal(name).await),
        }
    }

    async fn ask_for_renewal(&self, name: &CertificateName) -> Option<Times> {
        let store = &self.parts.certificate_store;
        let certificate = match store.certificate(name).await {
            Ok(certificate) => certificate?,
            Err(error) => {
                tracing::warn!(%name, %error, "its authority cannot be asked when a certificate is to be renewed");
                return None;
            }
        };
        let times = self.parts.authority.renewal(&certificate).await;
        if times.renew_at < certificate.times.renew_at {
            tracing::info!(%name, renew_at = %times.renew_at, "the authority wants a certificate renewed earlier");
        }
        if let Err(error) = store.set_renewal(name, &times).await {
            tracing::warn!(%name, %error, "when a certificate is to be renewed cannot be written down");
        }
        Some(times)
    }

    async fn settle(&self, job: &Job, result: Ended) {
        let now = self.parts.clock.now();
        match result {
            Ended::Looked(trouble) => self.schedule().looked(job, trouble, now),
            Ended::Ordered(outcome) => self.schedule().ordered(job, outcome, now),
            Ended::Asked(times) => self.schedule().asked(job, times, now),
            Ended::Provided => {
                if let CertificateName::Exact(host) = &job.name {
                    self.provided().insert(host.clone());
                }
                {
                    let mut schedule = self.schedule();
                    schedule.looked(job, None, now);
                    schedule.remove(&job.name);
                }
                self.forget(std::slice::from_ref(&job.name)).await;
            }
        }
    }

    /// Writes down what changed.
    async fn write_down(&self) {
        let changes = self.schedule().take_changes();
        if changes.is_empty() {
            return;
        }
        if let Err(error) = self.parts.store.put_progress(&changes).await {
            tracing::error!(%error, "how far domains are cannot be written down; it is tried again");
            self.schedule().put_back(changes);
        }
    }

    async fn forget(&self, names: &[CertificateName]) {
        if let Err(error) = self.parts.store.forget_progress(names).await {
            tracing::warn!(%error, "domains that left cannot be forgotten; the next start does it");
        }
    }

    /// Asks how CAA records name the authority. `false` when it does not say now.
    async fn ask_about(&self) -> bool {
        let Some(settings) = self.settings() else { return true };
        match self.parts.authority.about().await {
            Ok(about) => {
                settings.preflight.set_issuer(about.caa_identities, about.account);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "the authority does not say how CAA records name it, so they are not looked at");
                false
            }
        }
    }

    /// Does what commands beside the gateway asked for.
    async fn take_up_wishes(
        self: &Arc<Self>,
        wishes: &mut JoinSet<CertificateName>,
        taken_up: &mut HashSet<CertificateName>,
    ) {
        if wishes.len() >= MOST_WISHES {
            return;
        }
        let asked = match self.parts.store.asked_for(WISHES).await {
            Ok(asked) => asked,
            Err(error) => return tracing::warn!(%error, "what commands ask for cannot be read"),
        };
        for (name, wish) in asked {
            if !taken_up.insert(name.clone()) {
                continue;
            }
            let this = Arc::clone(self);
            wishes.spawn(async move {
                let sight = match wish {
                    Wish::Retry => {
                        this.press(&name);
                        let orders_wait = this.schedule().orders_wait(this.parts.clock.now());
                        Some(Sight { orders_wait, ..Sight::default() })
                    }
                    Wish::Look => this.see(&name).await,
                };
                let answer = serde_json::to_string(&sight).unwrap_or_default();
                if let Err(error) = this.parts.store.answer_wish(&name, &answer).await {
                    tracing::warn!(%name, %error, "a command cannot be answered");
                }
                name
            });
        }
    }

    /// Looks at a name as soon as that may be. `false` where nothing is ordered for it.
    pub(super) fn press(&self, name: &CertificateName) -> bool {
        self.schedule().press(name, self.parts.clock.now())
    }

    /// What a look at a name finds now. `None` for a name that is not ours, or without settings.
    async fn see(&self, name: &CertificateName) -> Option<Sight> {
        let settings = self.settings()?;
        let is_ours = match name {
            CertificateName::Exact(host) => self.parts.current.load().serves(host),
            CertificateName::Wildcard(parent) => settings.acme.wildcards.contains(parent),
        };
        if !is_ours {
            return None;
        }
        let report = settings.preflight.look(name).await;
        Some(Sight {
            addresses: report.addresses,
            aliases: report.aliases,
            visits: report.visits.into_iter().map(|(address, visit)| (address, visit.name().to_owned())).collect(),
            problem: report.trouble.as_ref().map(|trouble| trouble.problem.to_string()),
            sentence: report.trouble.map(|trouble| trouble.sentence),
            orders_wait: self.schedule().orders_wait(self.parts.clock.now()),
        })
    }

    /// Forgets what is over: certificates of names that left and that have ended, what was written down of names that nobody wants,
    /// and looks again at what the folder serves.
    async fn sweep(&self, now: Timestamp) {
        self.schedule().budget().sweep(now);
        if let Err(error) = self.parts.store.forget_wishes(now - WISH_LASTS).await {
            tracing::warn!(%error, "old wishes cannot be forgotten");
        }
        if self.settings().is_none() {
            return;
        }
        if let Err(error) = self.forget_unwanted().await {
            tracing::warn!(%error, "what was written down of domains that left cannot be forgotten");
        }
        let provided: Vec<_> = self.provided().iter().cloned().collect();
        let mut lacking = false;
        for host in provided {
            if !self.parts.certificates.has_valid_from_folder(&host).await {
                self.provided().remove(&host);
                lacking = true;
            }
        }
        if lacking {
            self.take_stock().await;
        }
        if let Err(error) = self.forget_ended(now).await {
            tracing::warn!(%error, "certificates that ended cannot be forgotten");
        }
    }

    /// Forgets what was written down of names that nobody wants. They may be very many, so they are gone through in parts.
    async fn forget_unwanted(&self) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let mut last = None;
        loop {
            let mut names = store.names_after(last.as_ref(), CHUNK).await?;
            let Some(end) = names.last().cloned() else { return Ok(()) };
            {
                let schedule = self.schedule();
                names.retain(|name| !schedule.has(name));
            }
            if !names.is_empty() {
                store.forget_progress(&names).await?;
            }
            last = Some(end);
        }
    }

    /// Forgets certificates that ended and whose names nobody wants any more.
    async fn forget_ended(&self, now: Timestamp) -> Result<(), StoreError> {
        let store = &self.parts.certificate_store;
        for (name, _) in store.certificate_times(Which::EndedBefore(now)).await? {
            if !self.schedule().has(&name) {
                store.forget_certificate(&name).await?;
                self.parts.certificates.renewed(&name).await;
                tracing::info!(%name, "the certificate of a domain that left has ended and is forgotten");
            }
        }
        Ok(())
    }

    /// Whether the authority can be used, as far as we know.
    pub(super) fn is_authority_up(&self) -> bool {
        *self.schedule().authority() == Usable::Up
    }
}

/// Asks the store until it answers: without what it knows, nothing can go on.
async fn insist<T, F: Future<Output = Result<T, StoreError>>>(ask: impl Fn() -> F) -> T {
    let mut failures = 0;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => {
                failures += 1;
                tracing::error!(%error, "what is known of domains cannot be read; it is tried again");
                tokio::time::sleep(Duration::from_secs(failures.min(60))).await;
            }
        }
    }
}

impl Job {
    /// What comes of it when it panics.
    fn failed(&self) -> Ended {
        let trouble =
            || Trouble::refused("internal", "Something went wrong inside the gateway; its log says what.".to_owned());
        match self.task {
            Task::Look => Ended::Looked(Some(trouble())),
            Task::Order => Ended::Ordered(Outcome::Refused { trouble: trouble(), retry_after: None }),
            Task::Ask => Ended::Asked(None),
        }
    }
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Option<T>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Option<T>> {
        std::pin::Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

/// Where a name points: its addresses, and the names it is an alias of.
///
/// # Errors
/// Why the DNS cannot say.
pub async fn points_to(resolvers: &[SocketAddr], host: &HostName) -> Result<(Vec<IpAddr>, Vec<String>), String> {
    let dns = Dns::new(resolvers).map_err(|error| error.to_string())?;
    let found = dns.addresses(host).await.map_err(|error| error.to_string())?;
    Ok((found.all, found.aliases))
}

/// The names that want a certificate: of all domains and the hub, and the wildcards.
fn wanted(snapshot: &Snapshot, acme: &Acme) -> HashSet<CertificateName> {
    let sites = snapshot.configured().chain(snapshot.from_tables());
    let hosts = sites.map(|site| &site.domain.host).chain(&snapshot.login.hub);
    let wildcards = acme.wildcards.iter().cloned().map(CertificateName::Wildcard);
    hosts.map(|host| name_for(acme, host)).chain(wildcards).collect()
}

/// What an error of an order means for the schedule, and for people.
fn outcome_of(name: &CertificateName, error: &OrderError, now: Timestamp) -> Outcome {
    let retry_after =
        error.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok()).map(|wait| later(now, wait));
    if error.is_general() {
        return Outcome::Unavailable { cause: error.to_string(), retry_after };
    }
    let sentence = match error {
        OrderError::Unfinished { .. } => return Outcome::Unfinished { retry_after },
        OrderError::RateLimited { detail, .. } => {
            let sentence =
                format!("Nothing has to be done: the certificate authority puts {name} off for a while ({detail}).");
            return Outcome::Limited { trouble: Trouble::refused(error.name(), sentence), retry_after };
        }
        OrderError::Validation(_) => {
            format!("The certificate authority came to see whether {name} leads here, and could not: {error}")
        }
        _ => error.to_string(),
    };
    Outcome::Refused { trouble: Trouble::refused(error.name(), sentence), retry_after }
}
