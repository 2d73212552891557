//! Takes up another config while the gateway runs: all of it or nothing.
//!
//! Two steps. [`Reloader::prepare`] reads and builds every part and binds new sockets; whatever goes wrong there leaves everything
//! as it was. [`Reloader::apply`] then puts the parts in force, one pointer after another, and cannot fail. A request keeps the
//! snapshot that it began with, so it meets one config or the other, never half of each.
//!
//! What is equal to what runs stays the same object: its caches, pools, counts and connections go on. So a change of one app costs
//! the others nothing, and what changed is looked up anew at its next request.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::SHA256;
use jiff::Timestamp;
use pingora::proxy::HttpProxy;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use super::certificates::{self, Seen};
use super::console::LocalAccess;
use super::listeners::{Listeners, Socket};
use super::mailer::{self, CurrentMailer};
use super::orders::{self, Orders, Ports};
use super::{Loaded, ServerError, engine, systemd};
use crate::certificates::local_ca::OnDemand;
use crate::config::{self, Config};
use crate::directory::{Asked, PreparedTables, TableDirectory};
use crate::login::oidc::{PreparedProviders, RelyingParty};
use crate::proxy::listener::Serving;
use crate::proxy::{Gateway as Proxy, PreparedUpstreams, Upstreams};
use crate::reload::changes;
use crate::reload::watch::Watcher;
use crate::state::audit::{self, Event, Journal, Scene};
use crate::state::certificates::Certificates;
use crate::state::clock::Clock;
use crate::state::issuance::CertificateStore;
use crate::state::metrics::Metrics;
use crate::state::ports::Mailer;
use crate::state::rate_limits::RateLimits;
use crate::state::reloads::{Asker, Cause, Outcome, Reloads};
use crate::state::snapshot::Current;

/// Everything that a reload touches.
pub(super) struct Reloader {
    /// The config in force.
    pub(super) loaded: Loaded,
    /// Whether somebody else takes mail in place of `[mail]`.
    pub(super) is_stand_in: bool,
    pub(super) clock: Clock,
    pub(super) hang_up: Signal,
    pub(super) asked: mpsc::Receiver<Asker>,
    pub(super) reloads: Arc<Reloads>,
    pub(super) current: Arc<Current>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) directory: Arc<TableDirectory>,
    pub(super) providers: Arc<RelyingParty>,
    pub(super) limits: Arc<RateLimits>,
    pub(super) mailer: Arc<CurrentMailer>,
    pub(super) certificates: Arc<Certificates>,
    /// The folder's certificates in force.
    pub(super) seen: Seen,
    pub(super) local_ca: Option<Arc<OnDemand>>,
    pub(super) store: Arc<dyn CertificateStore>,
    pub(super) gateway: Proxy,
    pub(super) serving: Arc<ArcSwap<Serving<HttpProxy<Proxy>>>>,
    pub(super) listeners: Arc<Listeners>,
    pub(super) journal: Arc<Journal>,
    /// The config, for whoever needs all of it.
    pub(super) config: Arc<ArcSwap<Config>>,
    /// The way in for commands on the same machine.
    pub(super) access: LocalAccess,
    pub(super) orders: Orders,
    /// The port of https, for whoever has to name it.
    pub(super) https_port: Arc<AtomicU16>,
    pub(super) metrics: Arc<Metrics>,
    /// None when it broke.
    pub(super) watcher: Option<Watcher>,
}

/// What is ready to be put in force.
struct Prepared {
    sockets: Vec<Socket>,
    ports: Ports,
    orders: orders::Prepared,
    upstreams: PreparedUpstreams,
    tables: PreparedTables,
    providers: PreparedProviders,
    /// None: the one in force stays.
    mailer: Option<Arc<dyn Mailer>>,
    local_ca: Option<Arc<OnDemand>>,
    certificates: certificates::Prepared,
    /// None: the engine in force stays, with its connections to upstreams.
    serving: Option<Serving<HttpProxy<Proxy>>>,
}

impl Reloader {
    /// Reloads at SIGHUP, when the admin listener is asked, and when files change, until something else is asked for. That waits for
    /// a reload under way, for whoever drops one halfway may go on with this afterwards, and would not know of the change any more.
    pub(super) async fn run_until<T>(&mut self, other: impl Future<Output = T>) -> T {
        // What a look costs decides how soon the next one comes, so that a folder of very many certificates keeps no core busy.
        const COST_OF_LOOKS: u32 = 20;
        const LOOK_EVERY: Duration = Duration::from_secs(1);
        /// The folder is read again now and then, whether or not anybody watches it.
        const RENEW_EVERY: Duration = Duration::from_secs(12 * 3600);
        let mut pause = LOOK_EVERY;
        let mut renew = tokio::time::interval(RENEW_EVERY);
        renew.tick().await;
        tokio::pin!(other);
        loop {
            let (cause, asker) = tokio::select! {
                other = &mut other => return other,
                _ = renew.tick() => {
                    self.renew().await;
                    continue;
                }
                _ = self.hang_up.recv() => (Cause::Signal, None),
                Some(asker) = self.asked.recv() => (Cause::Api, Some(asker)),
                () = tokio::time::sleep(pause) => {
                    if !self.loaded.config.server.watch {
                        continue;
                    }
                    let began = std::time::Instant::now();
                    let now = self.clock.now();
                    let is_due = self.look(now).await;
                    pause = LOOK_EVERY.max(began.elapsed().saturating_mul(COST_OF_LOOKS));
                    if !is_due {
                        continue;
                    }
                    (Cause::Watch, None)
                }
            };
            let outcome = self.reload(cause).await;
            if let Some(asker) = asker {
                // Whoever asked may have gone.
                let _ = asker.send(outcome);
            }
        }
    }

    async fn renew(&mut self) {
        let (config, local_ca) = (&self.loaded.config, self.local_ca.as_ref());
        let prepared = certificates::prepare(config, &self.store, local_ca, self.clock).await;
        certificates::apply(prepared, &self.certificates, &mut self.seen);
    }

    /// How long running requests may take to end at a stop.
    pub(super) fn grace(&self) -> Duration {
        self.loaded.config.server.grace
    }

    /// The data folder.
    pub(super) fn data(&self) -> &Path {
        &self.loaded.config.server.data
    }

    /// Keeps the config in force for `impact`.
    pub(super) fn remember(&self) {
        let Loaded { path, text, config, .. } = &self.loaded;
        if let Err(error) = config::running::remember(&config.server.data, path, text) {
            tracing::warn!(%error, "`impact` will not know this config: it cannot be written into the data folder");
        }
    }

    async fn look(&mut self, now: Timestamp) -> bool {
        let Some(mut watcher) = self.watcher.take() else { return false };
        let looked = tokio::task::spawn_blocking(move || {
            let is_due = watcher.look(now);
            (watcher, is_due)
        });
        match looked.await {
            Ok((watcher, is_due)) => {
                self.watcher = Some(watcher);
                is_due
            }
            Err(error) => {
                tracing::error!(%error, "the config's files can be watched no longer; SIGHUP still reloads them");
                false
            }
        }
    }

    async fn reload(&mut self, cause: Cause) -> Outcome {
        systemd::reloading();
        let (path, running) = (self.loaded.path.clone(), self.loaded.config.tls.certs.clone());
        let read = move || {
            let read = config::read_all(&path);
            let certs = read.config.as_ref().map_or(running, |config| config.tls.certs.clone());
            // Before the folder is read, so that no change of it falls in between.
            let watcher = Watcher::new(&path, read.files.clone(), certs.as_deref());
            (read, watcher)
        };
        let outcome = match tokio::task::spawn_blocking(read).await {
            Ok((read, watcher)) => {
                self.watcher = Some(watcher);
                let config = read.config.map(|config| config.keeping(&self.loaded.config)).map_err(ServerError::from);
                let prepared = match config {
                    Ok(config) => self.prepare(&config, cause).await.map(|prepared| (config, prepared)),
                    Err(error) => Err(error),
                };
                match prepared {
                    Ok((config, prepared)) => {
                        let loaded = Loaded { path: read.path, text: read.text, config, files: read.files };
                        Outcome::Done(self.apply(loaded, prepared))
                    }
                    Err(error) => Outcome::Refused(error.lines()),
                }
            }
            Err(error) => Outcome::Refused(vec![format!("the config could not be read: {error}")]),
        };
        let (text, now) = (digest(&self.loaded.text), self.clock.now());
        self.reloads.note(&outcome, &text, now);
        self.note(cause, &outcome, &text, now).await;
        self.leave_access().await;
        tell(cause, &outcome);
        systemd::ready(match outcome {
            Outcome::Done(_) => "serving",
            Outcome::Refused(_) => "serving; the last reload was refused",
        });
        outcome
    }

    /// Leaves word of the admin listener in the data folder.
    pub(super) async fn leave_access(&self) {
        self.access.leave(self.listeners.admin()).await;
    }

    /// Writes into the audit log how a reload ended. Whoever asked for it hears of it when that is stored.
    async fn note(&self, cause: Cause, outcome: &Outcome, digest: &str, now: Timestamp) {
        let cause = cause.name();
        let scene = Scene::gateway(now);
        match outcome {
            // The files are looked at once a second, and mostly tell nothing new.
            Outcome::Done(changes) if changes.is_empty() && cause == Cause::Watch.name() => return,
            Outcome::Done(changes) => {
                let detail = format!("by {cause}, {} changed, config {digest}", changes.len());
                self.journal.write(scene, &Event::Reloaded(&detail));
            }
            Outcome::Refused(problems) => {
                let detail = format!("by {cause}, {} wrong, config {digest} goes on", problems.len());
                self.journal.write(scene, &Event::ReloadRefused(&detail));
            }
        }
        if let Err(error) = self.journal.settled().await {
            tracing::error!(%error, "a reload stands in these lines only");
        }
    }

    /// Makes every part ready. Nothing is in force yet, and nothing has changed but for sockets that were bound.
    async fn prepare(&self, config: &Config, cause: Cause) -> Result<Prepared, ServerError> {
        let running = &self.loaded.config;
        let mut errors = Vec::new();
        if config.server.data != running.server.data {
            let help = "stop the gateway, move the folder, and start it anew";
            errors.push(ServerError::NeedsRestart { key: "server.data", help });
        }
        let upstreams = keep(self.upstreams.prepare(&config.apps), &mut errors);
        let providers = keep(
            self.providers.prepare(&config.login.providers, |provider| {
                config.files.same_if_any(&running.files, provider.ca.as_ref())
            }),
            &mut errors,
        );
        let mail_stays = config.mail == running.mail
            && config.files.same_if_any(&running.files, config.mail.as_ref().and_then(|mail| mail.ca.as_ref()));
        let mailer = match self.is_stand_in || mail_stays {
            true => None,
            false => keep(mailer::prepare(config, self.clock), &mut errors),
        };
        let local_ca = keep(certificates::local_ca(config, self.local_ca.as_ref(), self.clock), &mut errors).flatten();
        let certificates = certificates::prepare(config, &self.store, local_ca.as_ref(), self.clock).await;
        let sockets = match self.listeners.prepare(&config.server, &[]).await {
            Ok(sockets) => Some(sockets),
            Err(more) => {
                errors.extend(more);
                None
            }
        };
        let ports = Ports::of(&config.server, sockets.as_deref().unwrap_or_default());
        let orders = keep(self.orders.prepare(config, ports), &mut errors);
        let (Some(sockets), Some(orders), Some(upstreams), Some(providers), true) =
            (sockets, orders, upstreams, providers, errors.is_empty())
        else {
            return Err(ServerError::from_all(errors));
        };
        // Last, for it is the one that may take its time.
        let asked = if cause == Cause::Watch { Asked::AsBefore } else { Asked::Anew };
        let tables = self.directory.prepare(config, asked).await;
        let serving = if config.server.limits == running.server.limits {
            // The engine stays with its connections to upstreams.
            let serving = self.serving.load();
            let (grace, proxies) = (config.server.grace, engine::proxies(config));
            let is_new = grace != serving.grace || proxies != serving.proxies;
            is_new.then(|| Serving { app: Arc::clone(&serving.app), limits: serving.limits, proxies, grace })
        } else {
            Some(engine::serving(self.gateway.clone(), config))
        };
        Ok(Prepared { sockets, ports, orders, upstreams, tables, providers, mailer, local_ca, certificates, serving })
    }

    /// Puts what is ready in force; answers what changed.
    fn apply(&mut self, loaded: Loaded, prepared: Prepared) -> Vec<String> {
        let Prepared { sockets, ports, orders, upstreams, tables, providers, mailer, local_ca, certificates, serving } =
            prepared;
        let mut changed = changes(self.loaded.side(), loaded.side());
        let config = &loaded.config;
        if config.server.limits.certificates != self.loaded.config.server.limits.certificates {
            changed.push("`server.limits.certificates` counts at the next start".to_owned());
        }
        // What requests ask of comes before the snapshot that sends them there, and certificates before the names that need them.
        self.upstreams.apply(upstreams);
        self.providers.apply(providers);
        self.directory.apply(tables);
        changed.extend(certificates::apply(certificates, &self.certificates, &mut self.seen));
        self.local_ca = local_ca;
        self.config.store(Arc::new(config.clone()));
        self.current.update(|old| old.with_config(config));
        self.limits.apply(&config.login);
        if let Some(mailer) = mailer {
            self.mailer.apply(mailer);
        }
        if let Some(serving) = serving {
            self.serving.store(Arc::new(serving));
        }
        self.metrics.expect(config.apps.iter().map(|app| app.name.as_str()), &audit::EVENTS);
        self.https_port.store(ports.https, Ordering::Relaxed);
        self.listeners.apply(sockets);
        self.orders.apply(orders);
        let is_other_text = self.loaded.text != loaded.text;
        self.loaded = loaded;
        if is_other_text {
            self.remember();
        }
        changed
    }
}

/// The digest of a config's text, for people to compare: what it names in other files is not in it.
pub(super) fn digest(text: &str) -> String {
    data_encoding::HEXLOWER.encode(aws_lc_rs::digest::digest(&SHA256, text.as_bytes()).as_ref())
}

fn keep<T, E: Into<ServerError>>(result: Result<T, E>, errors: &mut Vec<ServerError>) -> Option<T> {
    result.map_err(|error| errors.push(error.into())).ok()
}

fn tell(cause: Cause, outcome: &Outcome) {
    let cause = cause.name();
    match outcome {
        Outcome::Done(changes) if changes.is_empty() => tracing::info!(cause, "config reloaded: nothing changed"),
        Outcome::Done(changes) => {
            for change in changes {
                tracing::info!(cause, "{change}");
            }
            tracing::info!(cause, changes = changes.len(), "config reloaded");
        }
        Outcome::Refused(problems) => {
            for problem in problems {
                tracing::error!(cause, "{problem}");
            }
            tracing::error!(cause, problems = problems.len(), "config not reloaded; the one from before goes on");
        }
    }
}
