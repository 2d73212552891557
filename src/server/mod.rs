//! Composition root: config to state to rooms to listeners.
//!
//! Everything is built before anything is started, so that what is wrong is told before a socket is taken; then each room
//! runs in the background, and the listeners run until they are told to stop.

mod certificates;
mod console;
mod engine;
mod error;
mod handover;
mod housekeeping;
mod life;
mod listeners;
mod mailer;
mod orders;
mod program;
mod reload;
mod sockets;
mod systemd;
mod tables;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

pub(crate) use self::certificates::NO_CERTIFICATE;
use self::certificates::Seen;
use self::console::{ConsoleServices, LocalAccess};
pub use self::error::ServerError;
pub(crate) use self::handover::Outcome as UpgradeOutcome;
pub use self::life::serve;
use self::listeners::{Listeners, Servants, Socket};
use self::mailer::CurrentMailer;
use self::orders::{Orders, Ports};
use self::reload::Reloader;
pub use self::sockets::{Given, SocketProblem};
use self::tables::TableDomains;
use crate::config::{self, Config, Files};
use crate::console::{self as console_room, ConsoleRoom, Operations};
use crate::directory::TableDirectory;
use crate::login::oidc::RelyingParty;
use crate::login::{self, LoginRoom};
use crate::portal::{self, PortalRoom};
use crate::proxy::listener::Tls;
use crate::proxy::{Corridor, Gateway as Proxy, Upstreams};
use crate::reload::Side;
use crate::reload::watch::Watcher;
use crate::session::{Seal, Token};
use crate::state::assertion::{InvalidKey, Signer};
use crate::state::audit::{self, Journal};
use crate::state::certificates::Certificates;
use crate::state::challenges::Challenges;
use crate::state::clock::Clock;
use crate::state::counters::ListenerCounters;
use crate::state::issuance::CertificateStore;
use crate::state::known_browsers::KnownBrowsers;
use crate::state::mail_counters::MailCounters;
use crate::state::membership::Membership;
use crate::state::metrics::Metrics;
use crate::state::notifications::{self, Notifications};
use crate::state::people::{self, People};
use crate::state::ports::{Mailer, Store};
use crate::state::rate_limits::RateLimits;
use crate::state::reloads::Reloads;
use crate::state::sessions::Sessions;
use crate::state::snapshot::{Current, Snapshot};
use crate::state::usage::{self, Usage};
use crate::store::{self, SqliteStore};

/// Parts that stand in for those the config names.
#[derive(Default)]
pub struct Parts {
    /// Takes mail in place of `[mail]`.
    pub mailer: Option<Arc<dyn Mailer>>,
}

/// A config that was read from a file.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it means.
    pub config: Config,
    /// Itself, and the files that it names.
    pub files: Files,
}

impl Loaded {
    /// Reads a config file with all that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ServerError> {
        let read = config::read_all(path);
        Ok(Self { path: read.path, text: read.text, config: read.config?, files: read.files })
    }

    fn side(&self) -> Side<'_> {
        Side { text: &self.text, config: &self.config, files: &self.files }
    }
}

/// A gateway that is built and has its sockets, but serves nobody yet.
pub struct Gateway {
    clock: Clock,
    store: Arc<SqliteStore>,
    directory: Arc<TableDirectory>,
    sessions: Arc<Sessions>,
    people: Arc<People>,
    journal: Arc<Journal>,
    login: Arc<LoginRoom>,
    notifications: Arc<Notifications>,
    usage: Arc<Usage>,
    limits: Arc<RateLimits>,
    mailer: Arc<CurrentMailer>,
    mail: Arc<MailCounters>,
    stopping: Arc<AtomicBool>,
    listeners: Arc<Listeners>,
    sockets: Vec<Socket>,
    /// None once they run.
    domains: Option<tables::Prepared>,
    orders: Orders,
    reloader: Reloader,
}

/// What somebody before us has opened.
#[derive(Default)]
struct Inherited {
    sockets: Vec<Socket>,
    /// The lock of the data folder.
    lock: Option<File>,
}

impl Gateway {
    /// Opens the store, puts the rooms together, and binds the sockets.
    ///
    /// # Errors
    /// [`ServerError`] tells what is wrong and, where that can be said, how to mend it.
    pub async fn build(loaded: Loaded, parts: Parts) -> Result<Self, ServerError> {
        Self::build_on(loaded, parts, Inherited::default()).await
    }

    async fn build_on(loaded: Loaded, parts: Parts, inherited: Inherited) -> Result<Self, ServerError> {
        let config = &loaded.config;
        let clock = Clock;
        // From the first moment on: where nobody hears it, it ends the process.
        let hang_up = signal(SignalKind::hangup()).map_err(ServerError::Signals)?;
        // Pingora would install another provider otherwise, without the post-quantum key exchange.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

        let sqlite = Arc::new(store::open_after(&config.server.data, inherited.lock).await?);
        let code_key = sqlite.code_key();
        let store: Arc<dyn Store> = Arc::clone(&sqlite) as _;
        let browser_key = store.secret("browser-seal", || Token::generate().bytes().to_vec()).await?;
        let browser_key: [u8; Seal::KEY_BYTES] = browser_key.try_into().map_err(|_| InvalidKey::of_wrong_length())?;
        let key = store.secret("assertion-key", Signer::new_key).await?;
        let signer = Arc::new(Signer::from_key(&key)?);
        let local_ca = certificates::local_ca(config, None, clock)?;
        let is_stand_in = parts.mailer.is_some();
        let mailer = Arc::new(CurrentMailer::new(match parts.mailer {
            Some(mailer) => mailer,
            None => mailer::prepare(config, clock)?,
        }));
        let current: Arc<Current> = Arc::new(Current::new(Snapshot::new(config)));
        let certificates = Arc::new(Certificates::new(clock, Arc::clone(&current), config.server.limits.certificates));
        let challenges = Arc::new(Challenges::default());
        let directory = Arc::new(TableDirectory::open(config, clock));
        let metrics = Arc::new(Metrics::new());
        let journal = Arc::new(Journal::new(Arc::clone(&metrics), Arc::clone(&sqlite) as _));
        let https_port = Arc::new(AtomicU16::new(config.server.https.port()));
        let mailed = Arc::new(Notify::new());
        let people = {
            let port = Arc::clone(&https_port);
            Arc::new(People::new(people::Parts {
                current: Arc::clone(&current),
                tables: Arc::clone(&directory) as _,
                store: Arc::clone(&sqlite) as _,
                journal: Arc::clone(&journal),
                mailed: Arc::clone(&mailed),
                origin_of: Box::new(move |host| match port.load(Ordering::Relaxed) {
                    443 => format!("https://{host}"),
                    port => format!("https://{host}:{port}"),
                }),
                clock,
            }))
        };
        let upstreams = Arc::new(Upstreams::new(Arc::clone(&metrics)));
        upstreams.apply(upstreams.prepare(&config.apps)?);
        let providers = &config.login.providers;
        let providers = Arc::new(RelyingParty::new(providers, Arc::clone(&store), clock, Arc::clone(&metrics))?);
        let usage_key = store.secret(usage::KEY, usage::new_key).await?;
        let usage = Arc::new(Usage::new(Arc::clone(&current), Arc::clone(&sqlite) as _, clock, &usage_key));
        let sessions = Arc::new(
            Sessions::new(
                Arc::clone(&current),
                Arc::clone(&store),
                Arc::clone(&people) as _,
                Arc::clone(&providers) as _,
                Arc::clone(&journal),
            )
            .counting(Arc::clone(&usage)),
        );
        let seal = Arc::new(Seal::new(browser_key));
        let known = KnownBrowsers::new(Arc::clone(&seal));
        let limits = Arc::new(RateLimits::new(&config.login, known, Arc::clone(&metrics), Arc::clone(&journal)));
        metrics.expect(config.apps.iter().map(|app| app.name.as_str()), &audit::EVENTS);
        let login = Arc::new(LoginRoom {
            current: Arc::clone(&current),
            store: Arc::clone(&store),
            people: Arc::clone(&people),
            sessions: Arc::clone(&sessions),
            limits: Arc::clone(&limits),
            providers: Arc::clone(&providers),
            code_key,
            seal: Arc::clone(&seal),
            asked: Arc::new(Notify::new()),
            mailed,
            metrics: Arc::clone(&metrics),
            journal: Arc::clone(&journal),
        });
        let membership = Arc::new(Membership::new(
            Arc::clone(&directory) as _,
            Arc::clone(&directory) as _,
            Arc::clone(&sqlite) as _,
        ));
        let notifications = Arc::new(Notifications::new(notifications::Parts {
            current: Arc::clone(&current),
            store: Arc::clone(&sqlite) as _,
            directory: Arc::clone(&people) as _,
            audience: Arc::clone(&membership) as _,
            languages: Arc::clone(&store),
            seal: Arc::clone(&seal),
            https_port: Arc::clone(&https_port),
            mailed: Arc::clone(&login.mailed),
            metrics: Arc::clone(&metrics),
            clock,
        }));
        let portal = Arc::new(PortalRoom {
            current: Arc::clone(&current),
            store: Arc::clone(&store),
            sessions: Arc::clone(&sessions),
            signer: Arc::clone(&signer),
            usage: Arc::clone(&usage),
            membership: Arc::clone(&membership),
            notifications: Arc::clone(&notifications),
            seal,
            journal: Arc::clone(&journal),
            team: Arc::clone(&people),
        });
        let pages = login::router(Arc::clone(&login)).merge(portal::router(Arc::clone(&portal)));
        let hub = login::hub::router(Arc::clone(&login)).merge(portal::hub_router(portal));

        let counters = Arc::new(ListenerCounters::default());
        let mail = Arc::new(MailCounters::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let (reloads, asked) = Reloads::new(reload::digest(&loaded.text), clock.now());
        let reloads = Arc::new(reloads);
        let tables = TableDomains::default();
        let (in_force, tables_read) = (Arc::clone(&current), Arc::clone(&directory));
        let domains = tables.prepare(in_force, tables_read, Arc::clone(&sqlite), clock).await?;
        let orders = Orders::new(&sqlite, &current, &tables.waiting, &certificates, &challenges, &metrics, clock);
        let config_in_force = Arc::new(ArcSwap::from_pointee(config.clone()));
        let (console, staff) = {
            let services =
                ConsoleServices::new(Arc::clone(&directory), Arc::clone(&config_in_force), loaded.path.clone(), clock);
            let (directory, upstreams) = (Arc::clone(&directory), Arc::clone(&upstreams));
            let room = Arc::new(ConsoleRoom {
                store: Arc::clone(&store),
                sources: Box::new(move || directory.health()),
                upstreams: Box::new(move || upstreams.health()),
                listeners: Arc::clone(&counters),
                certificates: Arc::clone(&certificates),
                mail: Arc::clone(&mail),
                metrics: Arc::clone(&metrics),
                reloads: Arc::clone(&reloads),
                current: Arc::clone(&current),
                nominations: tables.nominations,
                waiting: tables.waiting,
                domains: Arc::clone(&orders.onboarding) as _,
                usage: Arc::clone(&usage),
                membership,
                notifications: Arc::clone(&notifications),
                stopping: Arc::clone(&stopping),
                clock,
                journal: Arc::clone(&journal),
                audit: Arc::clone(&sqlite) as _,
                tokens: Arc::clone(&sqlite) as _,
                personal: Arc::clone(&sqlite) as _,
                listing: Arc::clone(&sqlite) as _,
                sessions: Arc::clone(&sessions),
                people: Arc::clone(&people),
                services: Arc::new(services),
                api: Operations::default(),
            });
            (console_room::router(Arc::clone(&room), pages.clone()), console_room::staff::router(room))
        };

        let corridor = Corridor {
            clock,
            sessions: Arc::clone(&sessions),
            journal: Arc::clone(&journal),
            pages,
            hub,
            console: staff,
        };
        let gateway = Proxy {
            current: Arc::clone(&current),
            corridor,
            upstreams: Arc::clone(&upstreams),
            challenges: Arc::clone(&challenges),
            signer,
            metrics: Arc::clone(&metrics),
            https_port: Arc::clone(&https_port),
        };
        let serving = Arc::new(ArcSwap::from_pointee(engine::serving(gateway.clone(), config)));
        let listeners = Arc::new(Listeners::new(Servants {
            serving: Arc::clone(&serving),
            tls: Tls::new(Arc::clone(&certificates), Arc::clone(&challenges)),
            counters,
            console,
        }));
        let sockets = listeners.prepare(&config.server, &inherited.sockets).await.map_err(ServerError::from_all)?;
        let ports = Ports::of(&config.server, &sockets);
        https_port.store(ports.https, Ordering::Relaxed);
        orders.apply(orders.prepare(config, ports)?);
        let watcher = Watcher::new(&loaded.path, loaded.files.clone(), config.tls.certs.as_deref());
        let mut seen = Seen::default();
        let as_store = Arc::clone(&sqlite) as Arc<dyn CertificateStore>;
        let prepared = certificates::prepare(config, &as_store, local_ca.as_ref(), clock).await;
        certificates::apply(prepared, &certificates, &mut seen);
        certificates::tell_of_lacks(config, Arc::clone(&as_store), Arc::clone(&certificates));
        let access = LocalAccess::new(Arc::clone(&sqlite), config.server.data.clone(), clock);
        let reloader = Reloader {
            loaded,
            is_stand_in,
            clock,
            hang_up,
            asked,
            reloads,
            current,
            upstreams,
            directory: Arc::clone(&directory),
            providers,
            limits: Arc::clone(&limits),
            mailer: Arc::clone(&mailer),
            certificates,
            seen,
            local_ca,
            store: as_store,
            gateway,
            serving,
            listeners: Arc::clone(&listeners),
            journal: Arc::clone(&journal),
            config: config_in_force,
            access,
            orders: orders.clone(),
            https_port,
            metrics,
            watcher: Some(watcher),
        };
        Ok(Self {
            clock,
            store: sqlite,
            directory,
            sessions,
            people,
            journal,
            login,
            notifications,
            usage,
            limits,
            mailer,
            mail,
            stopping,
            listeners,
            sockets,
            domains: Some(domains),
            orders,
            reloader,
        })
    }
}
