//! Why the gateway cannot start, or cannot take up a config.

use std::io;
use std::net::SocketAddr;

use super::listeners::hint;
use super::sockets::SocketProblem;
use crate::certificates::local_ca::LocalCaError;
use crate::config::ConfigErrors;
use crate::domains::acme::InvalidAcme;
use crate::domains::onboarding::NoResolver;
use crate::login::oidc::InvalidProviderCa;
use crate::mail::smtp::MailSetupError;
use crate::proxy::InvalidTlsFile;
use crate::state::assertion::InvalidKey;
use crate::state::ports::StoreError;
use crate::store::OpenError;

/// The gateway could not start, or could not take up a config.
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
    /// The authority cannot be asked.
    #[error(transparent)]
    Acme(#[from] InvalidAcme),
    /// The DNS cannot be asked.
    #[error(transparent)]
    Resolver(#[from] NoResolver),
    /// An address cannot be listened on.
    #[error("`server.{listener}` cannot listen on {address}: {cause}{}", hint(.cause))]
    Listen {
        /// Which listener.
        listener: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// A key that a running gateway cannot change.
    #[error("`{key}` cannot change while the gateway runs\n  help: {help}")]
    NeedsRestart {
        /// Which key.
        key: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// Several of these at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Self>),
    /// Sockets of the service manager cannot be used.
    #[error(transparent)]
    Sockets(#[from] SocketProblem),
    /// What the predecessor passes on cannot be taken.
    #[error("this process was started to succeed another, and cannot take over from it: {0}")]
    Handover(io::Error),
    /// Signals cannot be caught.
    #[error("signals cannot be caught: {0}")]
    Signals(io::Error),
}

impl ServerError {
    /// One for all.
    pub(super) fn from_all(mut errors: Vec<Self>) -> Self {
        match (errors.pop(), errors.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                errors.extend(last);
                Self::Several(errors)
            }
        }
    }

    /// Each by itself, as a person reads it.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Config(errors) => errors.0.iter().map(ToString::to_string).collect(),
            Self::Several(errors) => errors.iter().flat_map(Self::lines).collect(),
            other => vec![other.to_string()],
        }
    }
}
