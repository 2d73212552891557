//! A gateway's life: from the first look at the tables to the last connection's end, or to a successor's first.
//!
//! Most rooms may run in two processes at once, while one hands over to the other: they only read, or look after what is their own.
//! Those of [`Alone`] may not, for what they do would be done twice; they begin when the predecessor has ended its own.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::handover::{Outcome, Passed, Predecessor, Successor};
use super::housekeeping::{give_memory_back, sweep};
use super::mailer::CurrentMailer;
use super::orders::Orders;
use super::program::Program;
use super::sockets::{Given, inherited};
use super::{Gateway, Inherited, Loaded, Parts, ServerError, systemd};
use crate::login::{self, LoginRoom};
use crate::mail::outbox;
use crate::state::audit::{Event, Scene};
use crate::state::clock::Clock;
use crate::state::mail_counters::MailCounters;
use crate::state::notifications::Notifications;
use crate::state::ports::{MailGate, Mailer};
use crate::state::rate_limits::RateLimits;
use crate::store::SqliteStore;

/// Rooms end at once; a mail server that hangs does not keep the gateway up.
const ROOMS: Duration = Duration::from_secs(5);
/// How long a successor waits for what must not run twice: for a mail that is being sent.
const ALONE: Duration = Duration::from_secs(12);

/// Runs the gateway of a config file until SIGTERM or Ctrl-C; at SIGUSR2, it hands over to the program that then lies where its own
/// did.
///
/// # Errors
/// When it cannot start.
pub async fn serve(path: &Path, given: Given) -> Result<(), ServerError> {
    let program = Program::this();
    let signals = Signals::catch(program)?;
    let (mut predecessor, estate) = match Predecessor::meet().map_err(ServerError::Handover)? {
        Some((predecessor, estate)) => (Some(predecessor), Some(estate)),
        None => (None, None),
    };
    let building = async {
        let loaded = Loaded::read(path)?;
        let server = &loaded.config.server;
        let inherited = match estate {
            Some(estate) => Inherited { sockets: inherited(estate.sockets, server), lock: estate.lock },
            None => Inherited { sockets: given.assign(server)?, lock: None },
        };
        Gateway::build_on(loaded, Parts::default(), inherited).await
    };
    match building.await {
        Ok(gateway) => gateway.live(signals, predecessor).await,
        Err(error) => {
            if let Some(predecessor) = &mut predecessor {
                predecessor.failed(&error.to_string()).await;
            }
            return Err(error);
        }
    }
    Ok(())
}

/// What a running gateway is told from outside.
struct Signals {
    stop: CancellationToken,
    /// To stop at once.
    hurry: CancellationToken,
    upgrade: Option<(Signal, Program)>,
}

impl Signals {
    /// By signals. They are caught from now on: one that comes before it can be followed is not lost, and ends nothing.
    fn catch(program: Program) -> Result<Self, ServerError> {
        let catch = |kind| signal(kind).map_err(ServerError::Signals);
        let mut terminate = catch(SignalKind::terminate())?;
        let mut interrupt = catch(SignalKind::interrupt())?;
        let upgrade = catch(SignalKind::user_defined2())?;
        let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
        let told = [stop.clone(), hurry.clone()];
        tokio::spawn(async move {
            for told in told {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                told.cancel();
            }
        });
        Ok(Self { stop, hurry, upgrade: Some((upgrade, program)) })
    }

    /// Resolves when a successor is asked for.
    async fn upgrade(&mut self) -> Program {
        if let Some((signal, program)) = &mut self.upgrade
            && signal.recv().await.is_some()
        {
            return program.clone();
        }
        std::future::pending().await
    }
}

/// Why a gateway serves no longer.
enum Ending {
    Stopped,
    Succeeded(Box<Successor>),
}

/// The rooms that must not run in two processes at once.
struct Alone {
    store: Arc<SqliteStore>,
    login: Arc<LoginRoom>,
    notifications: Arc<Notifications>,
    mailer: Arc<CurrentMailer>,
    mail: Arc<MailCounters>,
    limits: Arc<RateLimits>,
    orders: Orders,
    clock: Clock,
}

impl Alone {
    fn start(self, rooms: &TaskTracker, halt: &CancellationToken) {
        let Self { store, login, notifications, mailer, mail, limits, orders, clock } = self;
        let (mailed, current) = (Arc::clone(&login.mailed), Arc::clone(&login.current));
        rooms.spawn(login::answer::run(login, Arc::clone(&mailed), clock, halt.clone()));
        let mailer = mailer as Arc<dyn Mailer>;
        let gate = Arc::clone(&notifications) as Arc<dyn MailGate>;
        rooms.spawn(outbox::run(Arc::clone(&store) as _, mailer, gate, mailed, clock, mail, halt.clone()));
        rooms.spawn(notifications.run(halt.clone()));
        rooms.spawn(sweep(store, limits, current, clock, halt.clone()));
        // Whoever asks for the proof comes by the listeners of the process that serves.
        rooms.spawn(orders.run(halt.clone()));
    }
}

impl Gateway {
    /// Serves until `stop` resolves; then takes no new connections, lets running requests end, and returns.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let told = CancellationToken::new();
        let signals = Signals { stop: told.clone(), hurry: CancellationToken::new(), upgrade: None };
        let stopping = async {
            stop.await;
            told.cancel();
        };
        tokio::join!(self.live(signals, None), stopping);
    }

    async fn live(mut self, mut signals: Signals, mut predecessor: Option<Predecessor>) {
        let (halt, halt_alone) = (CancellationToken::new(), CancellationToken::new());
        let (rooms, alone) = (TaskTracker::new(), TaskTracker::new());
        let journal = tokio::spawn(Arc::clone(&self.journal).run());

        // Whoever comes first should find the tables read; one that hangs keeps nobody of the others waiting.
        const FIRST_LOOK: Duration = Duration::from_secs(5);
        if tokio::time::timeout(FIRST_LOOK, self.directory.look()).await.is_err() {
            tracing::warn!("some source has not answered yet; starting without it");
        }
        self.start_shared(&rooms, &halt);
        if let Some(domains) = self.domains.take() {
            domains.run(&rooms, &halt).await;
        }
        if let Some(predecessor) = &mut predecessor {
            self.sessions.share_store(true);
            tokio::select! {
                () = signals.stop.cancelled() => return,
                () = predecessor.ready() => {}
            }
        }
        self.listeners.apply(std::mem::take(&mut self.sockets));
        if let Some(predecessor) = &mut predecessor {
            predecessor.serving().await;
        }
        if let Err(error) = self.store.sign() {
            tracing::warn!(%error, "`vestibule upgrade` will not find this process: it cannot be written into the lock");
        }
        self.reloader.remember();
        self.reloader.leave_access().await;
        self.journal.write(Scene::gateway(self.clock.now()), &Event::Started(env!("CARGO_PKG_VERSION")));
        tracing::info!("ready");

        let settled = CancellationToken::new();
        rooms.spawn(self.settle(predecessor, alone.clone(), halt_alone.clone(), settled.clone()));
        let ending = self.until_end(&mut signals, &settled).await;

        self.stopping.store(true, Ordering::Release);
        let is_succeeded = matches!(ending, Ending::Succeeded(_));
        match ending {
            Ending::Stopped => {
                tracing::info!(grace = ?self.reloader.grace(), "stopping");
                systemd::stopping();
                self.listeners.stop();
                self.listeners.stopped(signals.hurry.cancelled()).await;
                halt_alone.cancel();
            }
            Ending::Succeeded(mut successor) => {
                let (pid, grace) = (successor.pid(), self.reloader.grace());
                tracing::info!(successor = pid, ?grace, "a successor serves; finishing what is under way");
                if let Some(pid) = pid {
                    systemd::main_is(pid);
                }
                self.listeners.give_way();
                self.tell(&Outcome { pid, failure: None });
                halt_alone.cancel();
                alone.close();
                let leaving = async {
                    if tokio::time::timeout(ALONE, alone.wait()).await.is_err() {
                        tracing::warn!("some background work did not end in time; the successor does it again");
                    }
                    successor.yours().await;
                };
                tokio::join!(leaving, self.listeners.stopped(signals.hurry.cancelled()));
            }
        }
        halt.cancel();
        rooms.close();
        alone.close();
        let ended = async { tokio::join!(rooms.wait(), alone.wait()) };
        tokio::select! {
            _ = ended => {}
            () = signals.hurry.cancelled() => {}
            () = tokio::time::sleep(ROOMS) => {
                tracing::warn!("some background work did not end in time; it goes on at the next start");
            }
        }
        let last = if is_succeeded { Event::HandedOver } else { Event::Stopped };
        self.journal.write(Scene::gateway(self.clock.now()), &last);
        // Last, for the rooms may have written until now.
        self.journal.end();
        if tokio::time::timeout(ROOMS, journal).await.is_err() {
            tracing::error!("the end of the audit log stands in these lines only: it could not be stored in time");
        }
        // What is in the write-ahead log is safe there too.
        let _ = tokio::time::timeout(ROOMS, self.store.close()).await;
        tracing::info!("stopped");
    }

    /// Starts the rooms that may run beside those of another process.
    fn start_shared(&self, rooms: &TaskTracker, halt: &CancellationToken) {
        rooms.spawn({
            let (directory, halt) = (Arc::clone(&self.directory), halt.clone());
            async move { directory.run(halt).await }
        });
        rooms.spawn({
            let (sessions, clock, halt) = (Arc::clone(&self.sessions), self.clock, halt.clone());
            async move { sessions.run(clock, halt).await }
        });
        rooms.spawn({
            let (people, halt) = (Arc::clone(&self.people), halt.clone());
            async move { people.run(halt).await }
        });
        rooms.spawn({
            let (providers, halt) = (Arc::clone(&self.login.providers), halt.clone());
            async move { providers.run(halt).await }
        });
        rooms.spawn(Arc::clone(&self.reloader.upstreams).run(halt.clone()));
        rooms.spawn(give_memory_back(halt.clone()));
        rooms.spawn({
            let (usage, halt) = (Arc::clone(&self.usage), halt.clone());
            async move { usage.run(halt).await }
        });
    }

    /// Starts the rooms that must run alone, as soon as they are: from then on this process is what it will be.
    fn settle(
        &self,
        predecessor: Option<Predecessor>,
        rooms: TaskTracker,
        halt: CancellationToken,
        settled: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let (store, listeners, sessions) =
            (Arc::clone(&self.store), Arc::clone(&self.listeners), Arc::clone(&self.sessions));
        let (login, notifications) = (Arc::clone(&self.login), Arc::clone(&self.notifications));
        let alone = Alone {
            store: Arc::clone(&store),
            login: Arc::clone(&login),
            notifications: Arc::clone(&self.notifications),
            mailer: Arc::clone(&self.mailer),
            mail: Arc::clone(&self.mail),
            limits: Arc::clone(&self.limits),
            orders: self.orders.clone(),
            clock: self.clock,
        };
        let until = halt.clone();
        let settle = async move {
            let mut predecessor = predecessor;
            if let Some(predecessor) = &mut predecessor {
                predecessor.yours().await;
            }
            systemd::ready("serving");
            rooms.spawn(systemd::keep_watch(store, move || listeners.admin(), halt.clone()));
            alone.start(&rooms, &halt);
            settled.cancel();
            let Some(mut predecessor) = predecessor else { return };
            // What its last requests asked for is in the store, and nobody there does it.
            const LOOK: Duration = Duration::from_secs(1);
            while tokio::time::timeout(LOOK, predecessor.gone()).await.is_err() {
                login.asked.notify_one();
                login.mailed.notify_one();
                notifications.look();
            }
            login.asked.notify_one();
            login.mailed.notify_one();
            sessions.share_store(false);
        };
        async move {
            until.run_until_cancelled(settle).await;
        }
    }

    /// Serves until it is stopped or succeeded.
    async fn until_end(&mut self, signals: &mut Signals, settled: &CancellationToken) -> Ending {
        let stop = signals.stop.clone();
        loop {
            let program = tokio::select! {
                () = stop.cancelled() => return Ending::Stopped,
                program = self.reloader.run_until(signals.upgrade()) => program,
            };
            tracing::info!(program = %program.path().display(), "upgrading: starting a successor");
            systemd::status("upgrading: a successor starts");
            self.sessions.share_store(true);
            let succession = async {
                // What must not run twice has to run here first.
                settled.cancelled().await;
                Successor::start(&program, self.passed()?, self.lock()?).await
            };
            let failure = tokio::select! {
                () = stop.cancelled() => return Ending::Stopped,
                succession = succession => match succession {
                    Ok(successor) => return Ending::Succeeded(Box::new(successor)),
                    Err(failure) => failure,
                },
            };
            self.sessions.share_store(false);
            tracing::error!(reason = failure, "the upgrade failed; this process goes on as before");
            systemd::status("serving; the last upgrade failed");
            self.tell(&Outcome { pid: None, failure: Some(failure) });
        }
    }

    /// The listening sockets, for a successor.
    fn passed(&self) -> Result<Vec<Passed>, String> {
        use std::os::fd::AsFd as _;
        let pass = |socket: super::listeners::Socket| {
            let own = socket.socket.as_fd().try_clone_to_owned();
            Ok(Passed {
                listener: socket.role.name().to_owned(),
                address: socket.address,
                is_given: socket.is_given,
                socket: own.map_err(|error| format!("a socket cannot be passed on: {error}"))?,
            })
        };
        self.listeners.sockets().into_iter().map(pass).collect()
    }

    /// The lock of the data folder, for a successor.
    fn lock(&self) -> Result<Option<std::os::fd::OwnedFd>, String> {
        let lock = self.store.lock().map_err(|error| format!("the lock cannot be passed on: {error}"))?;
        Ok(lock.map(Into::into))
    }

    fn tell(&self, outcome: &Outcome) {
        if let Err(error) = outcome.tell(self.reloader.data()) {
            tracing::warn!(%error, "`vestibule upgrade` will not hear of it: it cannot be written into the data folder");
        }
    }
}
