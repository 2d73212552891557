//! Orders certificates from a certificate authority (ACME, RFC 8555), and asks it when to renew them (ARI, RFC 9773).
//!
//! An order survives whatever happens to us: its address and the key of the certificate to come are in the store before the
//! authority is asked to issue, so that after a crash the same order goes on where it was. Who is due, and when, is not decided
//! here: one call orders one name, at once.

mod account;
mod answer;
mod certificate;
mod dns;
mod error;
mod hook;
mod order;
mod renewal;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

pub use self::error::{FailedChallenge, InvalidAcme, OrderError};
pub use self::hook::HookError;

use self::account::Session;
use self::dns::Seen;
use self::transport::Transport;
use crate::config::Acme;
use crate::state::certificates::CertificateName;
use crate::state::challenges::Challenges;
use crate::state::clock::Clock;
use crate::state::issuance::CertificateStore;
use crate::types::HostName;

/// The certificate that serves a host: a wildcard where one covers it, otherwise one of its own.
#[must_use]
pub fn name_for(acme: &Acme, host: &HostName) -> CertificateName {
    match acme.wildcard_of(host) {
        Some(parent) => CertificateName::Wildcard(parent.clone()),
        None => CertificateName::Exact(host.clone()),
    }
}

/// The authority that certificates are ordered from.
pub struct Authority {
    store: Arc<dyn CertificateStore>,
    challenges: Arc<Challenges>,
    clock: Clock,
    settings: ArcSwapOption<Settings>,
}

/// How the authority is asked: made from `[acme]` before it is put in force, so that a reload is all or nothing.
pub struct Settings {
    acme: Acme,
    transport: Transport,
    seen: Seen,
    patience: Patience,
    session: tokio::sync::Mutex<Option<Session>>,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// The authority, to look for the proof.
    validation: Duration,
    /// The authority, to issue.
    issuance: Duration,
    /// The hook.
    hook: Duration,
    /// The world, to see what the hook has set.
    record: Duration,
}

impl Patience {
    const STANDARD: Self = Self {
        validation: Duration::from_secs(120),
        issuance: Duration::from_secs(180),
        hook: hook::MOST_TIME,
        record: Duration::from_secs(300),
    };
}

impl Settings {
    /// Makes what is needed to ask the authority.
    ///
    /// # Errors
    /// [`InvalidAcme`] tells what of `[acme]` cannot be used.
    pub fn new(acme: &Acme, clock: Clock) -> Result<Self, InvalidAcme> {
        let transport = Transport::new(acme.ca.as_deref(), clock).map_err(|cause| match &acme.ca {
            Some(file) => InvalidAcme::Ca { file: file.clone(), cause },
            None => InvalidAcme::Client(cause),
        })?;
        Ok(Self {
            transport,
            seen: Seen::new(&acme.resolvers).map_err(InvalidAcme::Resolver)?,
            patience: Patience::STANDARD,
            session: tokio::sync::Mutex::new(None),
            acme: acme.clone(),
        })
    }
}

/// What an authority tells of itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct About {
    /// The names by which CAA records mean it (RFC 8555, section 7.1.1).
    pub caa_identities: Vec<String>,
    /// The address of our account there, where there is one already.
    pub account: Option<String>,
}

impl Authority {
    /// Without settings yet: nothing can be ordered.
    #[must_use]
    pub fn new(store: Arc<dyn CertificateStore>, challenges: Arc<Challenges>, clock: Clock) -> Self {
        Self { store, challenges, clock, settings: ArcSwapOption::empty() }
    }

    /// Puts settings in force; orders under way end under those they began with.
    pub fn apply(&self, settings: Option<Settings>) {
        self.settings.store(settings.map(Arc::new));
    }

    /// Whether there is an authority.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.settings.load().is_some()
    }

    fn settings(&self) -> Result<Arc<Settings>, OrderError> {
        self.settings.load_full().ok_or(OrderError::Off)
    }
}
