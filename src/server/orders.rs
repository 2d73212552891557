//! Certificates that are ordered: the authority, and the way of every domain to its certificate.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ServerError;
use super::listeners::{Role, Socket};
use crate::config::{self, Config};
use crate::domains::acme::{self, Authority};
use crate::domains::onboarding::{self, Onboarding, Parts};
use crate::state::certificates::Certificates;
use crate::state::challenges::Challenges;
use crate::state::clock::Clock;
use crate::state::metrics::Metrics;
use crate::state::proof::WaitingRoom;
use crate::state::snapshot::Current;
use crate::store::SqliteStore;

/// What orders certificates.
#[derive(Clone)]
pub(super) struct Orders {
    authority: Arc<Authority>,
    pub(super) onboarding: Arc<Onboarding>,
    challenges: Arc<Challenges>,
    clock: Clock,
}

/// Settings that are not in force yet.
pub(super) struct Prepared {
    authority: Option<acme::Settings>,
    onboarding: Option<onboarding::Settings>,
}

/// The ports at which the world comes to us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) http: Option<u16>,
    pub(super) https: u16,
}

impl Ports {
    /// Those that the config says, else those of the sockets.
    pub(super) fn of(server: &config::Server, sockets: &[Socket]) -> Self {
        let bound = |role: Role| {
            let socket = sockets.iter().find(|socket| socket.role == role)?;
            Some(socket.socket.local_addr().unwrap_or(socket.address).port())
        };
        Self {
            http: server.http.and_then(|_| server.public_http_port.or_else(|| bound(Role::Http))),
            https: server.public_https_port.or_else(|| bound(Role::Https)).unwrap_or(server.https.port()),
        }
    }
}

impl Orders {
    /// Puts it together; nothing runs yet, and nothing is ordered before [`Orders::apply`].
    pub(super) fn new(
        store: &Arc<SqliteStore>,
        current: &Arc<Current>,
        waiting: &Arc<WaitingRoom>,
        certificates: &Arc<Certificates>,
        challenges: &Arc<Challenges>,
        metrics: &Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        let authority = Arc::new(Authority::new(Arc::clone(store) as _, Arc::clone(challenges), clock));
        let onboarding = Arc::new(Onboarding::new(Parts {
            clock,
            certificate_store: Arc::clone(store) as _,
            store: Arc::clone(store) as _,
            current: Arc::clone(current),
            waiting: Arc::clone(waiting),
            certificates: Arc::clone(certificates),
            challenges: Arc::clone(challenges),
            authority: Arc::clone(&authority),
            metrics: Arc::clone(metrics),
        }));
        Self { authority, onboarding, challenges: Arc::clone(challenges), clock }
    }

    /// Makes ready what a config says.
    pub(super) fn prepare(&self, config: &Config, ports: Ports) -> Result<Prepared, ServerError> {
        let Some(acme) = &config.acme else { return Ok(Prepared { authority: None, onboarding: None }) };
        Ok(Prepared {
            authority: Some(acme::Settings::new(acme, self.clock)?),
            onboarding: Some(onboarding::Settings::new(acme, ports.http, ports.https, &self.challenges)?),
        })
    }

    /// Puts it in force.
    pub(super) fn apply(&self, prepared: Prepared) {
        self.authority.apply(prepared.authority);
        self.onboarding.apply(prepared.onboarding);
    }

    /// Orders until it is told to stop.
    pub(super) async fn run(self, halt: CancellationToken) {
        // The listeners answer before anybody is told to come.
        const LISTENERS: Duration = Duration::from_millis(100);
        tokio::time::sleep(LISTENERS).await;
        self.onboarding.run(halt).await;
    }
}
