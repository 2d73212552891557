//! Composition root: config to state to rooms to listeners.
//!
//! Everything is built before anything is started, so that what is wrong is told before a socket is taken; then each room
//! runs in the background, and the listeners run until they are told to stop.

mod certificates;
mod engine;
mod sockets;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pingora::proxy::HttpProxy;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::certificates::Keeper;
pub(crate) use self::certificates::NO_CERTIFICATE;
use crate::certificates::local_ca::{self, LocalCa, LocalCaError};
use crate::config::{self, Config, ConfigErrors};
use crate::console::{self, ConsoleRoom};
use crate::directory::TableDirectory;
use crate::login::oidc::{InvalidProviderCa, RelyingParty};
use crate::login::{self, LoginRoom};
use crate::mail::outbox;
use crate::mail::smtp::{MailSettings, MailSetupError, SmtpMailer};
use crate::portal::{self, PortalRoom};
use crate::proxy::listener::{self, Listener, tls_config};
use crate::proxy::{Corridor, Gateway as Proxy, InvalidTlsFile, Upstreams};
use crate::session::{Seal, Token};
use crate::state::assertion::{InvalidKey, Signer};
use crate::state::audit;
use crate::state::certificates::Certificates;
use crate::state::clock::Clock;
use crate::state::counters::ListenerCounters;
use crate::state::known_browsers::KnownBrowsers;
use crate::state::mail_counters::MailCounters;
use crate::state::metrics::Metrics;
use crate::state::ports::{Directory, Mailer, Store, StoreError};
use crate::state::rate_limits::RateLimits;
use crate::state::sessions::Sessions;
use crate::state::snapshot::{Current, Snapshot};
use crate::store::{self, OpenError, SqliteStore};

/// The gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The config is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signing key is of no use.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// The local CA cannot be used.
    #[error(transparent)]
    LocalCa(#[from] LocalCaError),
    /// Mail cannot be set up.
    #[error(transparent)]
    Mail(#[from] MailSetupError),
    /// An upstream's CA cannot be used.
    #[error(transparent)]
    UpstreamCa(#[from] InvalidTlsFile),
    /// A provider's CA cannot be used.
    #[error(transparent)]
    ProviderCa(#[from] InvalidProviderCa),
    /// An address cannot be listened on.
    #[error("`server.{listener}` cannot listen on {address}: {cause}{}", sockets::hint(.cause))]
    Listen {
        /// Which listener.
        listener: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// Signals cannot be caught.
    #[error("signals cannot be caught: {0}")]
    Signals(io::Error),
}

/// Parts that stand in for those the config names.
#[derive(Default)]
pub struct Parts {
    /// Takes mail in place of `[mail]`.
    pub mailer: Option<Arc<dyn Mailer>>,
}

/// A gateway that is built and listens, but serves nobody yet.
pub struct Gateway {
    config: Config,
    clock: Clock,
    store: Arc<SqliteStore>,
    directory: Arc<TableDirectory>,
    sessions: Arc<Sessions>,
    login: Arc<LoginRoom>,
    limits: Arc<RateLimits>,
    mailer: Arc<dyn Mailer>,
    mail: Arc<MailCounters>,
    console: axum::Router,
    stopping: Arc<AtomicBool>,
    certificates: Arc<Certificates>,
    local_ca: Option<LocalCa>,
    upstreams: Arc<Upstreams>,
    proxy: Arc<HttpProxy<Proxy>>,
    https: Listener,
    http: Option<Listener>,
    admin: Option<TcpListener>,
}

/// Runs the gateway of a config file until SIGTERM or Ctrl-C.
///
/// # Errors
/// When it cannot start.
pub async fn serve(path: &Path) -> Result<(), ServerError> {
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(ServerError::Signals)?;
    let text = config::read(path)?;
    let config = config::parse(path, &text, &|name| std::env::var(name).ok())?;
    let data = config.server.data.clone();
    let gateway = Gateway::build(config, Parts::default()).await?;
    if let Err(error) = config::running::remember(&data, path, &text) {
        tracing::warn!(%error, "`impact` will not know this config: it cannot be written into the data folder");
    }
    gateway
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        })
        .await;
    Ok(())
}

impl Gateway {
    /// Opens the store, puts the rooms together, and binds the sockets.
    ///
    /// # Errors
    /// [`ServerError`] tells what is wrong and, where that can be said, how to mend it.
    pub async fn build(config: Config, parts: Parts) -> Result<Self, ServerError> {
        let clock = Clock;
        // Pingora would install another provider otherwise, without the post-quantum key exchange.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

        let sqlite = Arc::new(store::open(&config.server.data).await?);
        let code_key = sqlite.code_key();
        let store: Arc<dyn Store> = Arc::clone(&sqlite) as _;
        let browser_key = store.secret("browser-seal", || Token::generate().bytes().to_vec()).await?;
        let browser_key: [u8; Seal::KEY_BYTES] = browser_key.try_into().map_err(|_| InvalidKey::of_wrong_length())?;
        let key = store.secret("assertion-key", Signer::new_key).await?;
        let signer = Arc::new(Signer::from_key(&key)?);
        let local_ca = match config.tls.local_ca {
            true => Some(local_ca::open_or_create(&config.server.data, clock.now())?),
            false => None,
        };
        let certificates = Arc::new(Certificates::new(clock));
        let mailer = mailer(&config, parts, clock)?;
        let current: Arc<Current> = Arc::new(Current::new(Snapshot::new(&config)));
        let directory = Arc::new(TableDirectory::open(&config, clock));
        let as_port = Arc::clone(&directory) as Arc<dyn Directory>;
        let metrics = Arc::new(Metrics::new());
        let upstreams = Arc::new(Upstreams::new(Arc::clone(&metrics)));
        upstreams.apply(upstreams.prepare(&config.apps)?);
        let providers = &config.login.providers;
        let providers = Arc::new(RelyingParty::new(providers, Arc::clone(&store), clock, Arc::clone(&metrics))?);
        let sessions = Arc::new(Sessions::new(
            Arc::clone(&current),
            Arc::clone(&store),
            Arc::clone(&as_port),
            Arc::clone(&providers) as _,
            Arc::clone(&metrics),
        ));
        let seal = Arc::new(Seal::new(browser_key));
        let known = KnownBrowsers::new(Arc::clone(&seal));
        let limits = Arc::new(RateLimits::new(&config.login, known, Arc::clone(&metrics)));
        metrics.expect(config.apps.iter().map(|app| app.name.as_str()), &audit::EVENTS);
        let login = Arc::new(LoginRoom {
            current: Arc::clone(&current),
            store: Arc::clone(&store),
            directory: as_port,
            sessions: Arc::clone(&sessions),
            limits: Arc::clone(&limits),
            providers,
            code_key,
            seal: Arc::clone(&seal),
            asked: Arc::new(Notify::new()),
            mailed: Arc::new(Notify::new()),
            metrics: Arc::clone(&metrics),
        });
        let portal = Arc::new(PortalRoom {
            current: Arc::clone(&current),
            store: Arc::clone(&store),
            sessions: Arc::clone(&sessions),
            signer: Arc::clone(&signer),
            seal,
            metrics: Arc::clone(&metrics),
        });
        let pages = login::router(Arc::clone(&login)).merge(portal::router(Arc::clone(&portal)));
        let hub = login::hub::router(Arc::clone(&login)).merge(portal::hub_router(portal));

        let counters = Arc::new(ListenerCounters::default());
        let mail = Arc::new(MailCounters::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let console = {
            let (directory, upstreams) = (Arc::clone(&directory), Arc::clone(&upstreams));
            console::router(Arc::new(ConsoleRoom {
                store: Arc::clone(&store),
                sources: Box::new(move || directory.health()),
                upstreams: Box::new(move || upstreams.health()),
                listeners: Arc::clone(&counters),
                mail: Arc::clone(&mail),
                metrics: Arc::clone(&metrics),
                stopping: Arc::clone(&stopping),
            }))
        };

        let server = &config.server;
        let https_socket = sockets::bind("https", server.https).await?;
        let https_port = https_socket.local_addr().map_or(server.https.port(), |address| address.port());
        let bounds = listener::Limits {
            connections: server.limits.connections,
            header_read: server.limits.header_read,
            idle: server.limits.idle,
        };
        let tls = tls_config(Arc::clone(&certificates));
        let https = Listener::https(https_socket, tls, Arc::clone(&certificates), bounds, Arc::clone(&counters));
        let http = match server.http {
            Some(address) => Some(Listener::http(sockets::bind("http", address).await?, bounds, Arc::clone(&counters))),
            None => None,
        };
        let admin = match server.admin {
            Some(address) => Some(sockets::bind("admin", address).await?),
            None => None,
        };

        let corridor = Corridor { clock, sessions: Arc::clone(&sessions), pages, hub };
        let gateway = Proxy { current, corridor, upstreams: Arc::clone(&upstreams), signer, metrics, https_port };
        let proxy = Arc::new(engine::engine(gateway, &config));
        let this = Self {
            clock,
            store: sqlite,
            directory,
            sessions,
            login,
            limits,
            mailer,
            mail,
            console,
            stopping,
            certificates,
            local_ca,
            upstreams,
            proxy,
            https,
            http,
            admin,
            config,
        };
        this.load_certificates()?;
        Ok(this)
    }

    /// Serves until `stop` resolves; then takes no new connections, lets running requests end, and returns.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let grace = self.config.server.grace;
        let halt = CancellationToken::new();
        let rooms = TaskTracker::new();
        let (shutdown, watch) = watch::channel(false);

        // Whoever comes first should find the tables read; one that hangs keeps nobody of the others waiting.
        const FIRST_LOOK: Duration = Duration::from_secs(5);
        if tokio::time::timeout(FIRST_LOOK, self.directory.look()).await.is_err() {
            tracing::warn!("some source has not answered yet; starting without it");
        }

        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        let mailed = Arc::clone(&self.login.mailed);
        rooms.spawn({
            let (directory, halt) = (Arc::clone(&self.directory), halt.clone());
            async move { directory.run(halt).await }
        });
        rooms.spawn(login::answer::run(Arc::clone(&self.login), Arc::clone(&mailed), self.clock, halt.clone()));
        rooms.spawn(outbox::run(
            Arc::clone(&store) as _,
            Arc::clone(&self.mailer),
            mailed,
            self.clock,
            Arc::clone(&self.mail),
            halt.clone(),
        ));
        rooms.spawn({
            let (sessions, clock, halt) = (Arc::clone(&self.sessions), self.clock, halt.clone());
            async move { sessions.run(clock, halt).await }
        });
        rooms.spawn({
            let (providers, halt) = (Arc::clone(&self.login.providers), halt.clone());
            async move { providers.run(halt).await }
        });
        rooms.spawn(Arc::clone(&self.upstreams).run(halt.clone()));
        rooms.spawn(sweep(Arc::clone(&store), Arc::clone(&self.limits), self.config.session, self.clock, halt.clone()));

        let listeners = TaskTracker::new();
        sockets::announce("https", self.https.local_addr());
        if let Some(http) = &self.http {
            sockets::announce("http", http.local_addr());
        }
        let admin = self.admin;
        if let Some(admin) = admin {
            sockets::announce("admin", admin.local_addr());
            let (console, halt) = (self.console, halt.clone());
            rooms.spawn(async move {
                let served = axum::serve(admin, console).with_graceful_shutdown(halt.cancelled_owned()).await;
                if let Err(error) = served {
                    tracing::error!(%error, "the admin listener ended");
                }
            });
        }
        let keeper =
            Keeper { config: self.config, certificates: self.certificates, local_ca: self.local_ca, clock: self.clock };
        rooms.spawn(keeper.run(halt.clone()));
        listeners.spawn(self.https.run(Arc::clone(&self.proxy), watch.clone(), grace));
        if let Some(http) = self.http {
            listeners.spawn(http.run(Arc::clone(&self.proxy), watch.clone(), grace));
        }
        tracing::info!("ready");

        stop.await;
        tracing::info!(grace = ?grace, "stopping");
        self.stopping.store(true, Ordering::Release);
        // A closed channel would stop the listeners too, but here somebody still listens.
        let _ = shutdown.send(true);
        listeners.close();
        listeners.wait().await;
        halt.cancel();
        rooms.close();
        // Rooms end at once; a mail server that hangs does not keep the gateway up.
        const ROOMS: Duration = Duration::from_secs(5);
        if tokio::time::timeout(ROOMS, rooms.wait()).await.is_err() {
            tracing::warn!("some background work did not end in time; it goes on at the next start");
        }
        self.store.close().await;
        tracing::info!("stopped");
    }

    fn load_certificates(&self) -> Result<(), ServerError> {
        certificates::load(&self.config, self.local_ca.as_ref(), &self.certificates, self.clock)
    }
}

fn mailer(config: &Config, parts: Parts, clock: Clock) -> Result<Arc<dyn Mailer>, ServerError> {
    if let Some(mailer) = parts.mailer {
        return Ok(mailer);
    }
    Ok(match &config.mail {
        Some(mail) => {
            let settings = MailSettings { server: mail.smtp.clone(), from: mail.from.clone(), ca: mail.ca.clone() };
            Arc::new(SmtpMailer::new(&settings, clock)?)
        }
        None => Arc::new(NoMail),
    })
}

/// A config without apps has nobody to write to.
struct NoMail;

#[async_trait::async_trait]
impl Mailer for NoMail {
    async fn send(&self, _: &crate::state::ports::OutgoingMail) -> Result<(), crate::state::ports::MailError> {
        Err(crate::state::ports::MailError::Permanent("there is no [mail]".to_owned()))
    }
}

/// Clears out what is over: sessions, attempts, counts of strangers.
async fn sweep(
    store: Arc<dyn Store>,
    limits: Arc<RateLimits>,
    session: crate::session::SessionLimits,
    clock: Clock,
    halt: CancellationToken,
) {
    const EVERY: Duration = Duration::from_secs(600);
    let mut every = tokio::time::interval(EVERY);
    while halt.run_until_cancelled(every.tick()).await.is_some() {
        limits.sweep();
        match store.sweep(session, clock.now()).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "what is over was cleared out"),
            Err(error) => tracing::warn!(%error, "what is over could not be cleared out"),
        }
    }
}
