//! Our side of OpenID Connect: what we ask of providers, and what we believe of their answers.
//!
//! Nothing here knows a browser or a page. A log-in begins with [`RelyingParty::begin`] and ends with
//! [`RelyingParty::finish`]; what lies between, cookies and the hub, is the flow's.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::config::Provider;
use crate::session::{Link, Proof, SessionId};
use crate::state::clock::Clock;
use crate::state::metrics::Metrics;
use crate::state::ports::{Farewell, Identity, LinkTokens, Providers, Rechecked, Store};
use crate::types::{DisplayName, Email, ProviderName, Secret};

/// All providers of the config, and what is known of them.
pub struct RelyingParty {
    _providers: Vec<Arc<Provider>>,
}

/// What begins a log-in at a provider.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Where the provider sends the browser back to.
    pub redirect_uri: String,
    /// What comes back with it.
    pub state: String,
    /// Who is likely to come (`login_hint`).
    pub hint: Option<Email>,
}

/// A log-in that has begun: where to send the browser, and what to keep for its return.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The provider's log-in page for this browser.
    pub url: String,
    /// What only the browser's own cookie may hold.
    pub secrets: FlowSecrets,
}

/// What ties a provider's answer to the browser that asked.
#[derive(Clone, Debug)]
pub struct FlowSecrets {
    /// What the ID token must repeat.
    pub nonce: Secret,
    /// What the code is redeemed with (PKCE, RFC 7636).
    pub verifier: Secret,
}

/// What came back with the browser.
#[derive(Clone, Debug)]
pub struct Callback {
    /// The code.
    pub code: Secret,
    /// Who says so (RFC 9207), where the provider does.
    pub iss: Option<String>,
    /// Where it came back to, exactly as it was asked.
    pub redirect_uri: String,
}

/// Somebody whom a provider vouches for.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Who, there.
    pub identity: Identity,
    /// The address, which the provider has verified.
    pub email: Email,
    /// The name, where it was told.
    pub name: Option<DisplayName>,
    /// What it proves.
    pub proof: Proof,
    /// What ties a session to it.
    pub link: Link,
    /// The tokens behind the link.
    pub tokens: LinkTokens,
}

/// A provider's answer that lets nobody in.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be asked now.
    #[error("provider `{provider}` cannot be asked: {cause}")]
    Unavailable {
        /// Which.
        provider: ProviderName,
        /// Why, for the log; never a token.
        cause: String,
    },
    /// It said something that we do not believe.
    #[error("provider `{provider}` is not believed: {reason}")]
    NotBelieved {
        /// Which.
        provider: ProviderName,
        /// What was wrong: a short name for logs and metrics, such as `nonce`, `aud` or `unverified-email`.
        reason: &'static str,
    },
    /// There is no such provider.
    #[error("there is no provider `{0}`")]
    Unknown(ProviderName),
}

/// A log-out token ends nothing.
#[derive(Debug, thiserror::Error)]
pub enum LogoutTokenError {
    /// It is not believed: answered with 400.
    #[error("the log-out token is not believed: {reason}")]
    NotBelieved {
        /// Whose it says it is, where that is one of the config's.
        provider: Option<ProviderName>,
        /// What was wrong: a short name for logs and metrics, such as `signature`, `events` or `replay`.
        reason: &'static str,
    },
    /// It cannot be checked now: answered with 503, so that the provider tries again.
    #[error("the log-out token of provider `{provider}` cannot be checked: {cause}")]
    Unavailable {
        /// Whose it says it is.
        provider: ProviderName,
        /// Why, for the log.
        cause: String,
    },
}

/// What a log-out token asks for (OpenID Connect Back-Channel Logout, section 2.4), after every check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogoutRequest {
    /// The provider that asks.
    pub provider: ProviderName,
    /// Whose sessions end.
    pub farewell: Farewell,
}

/// A provider's CA cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the CA of provider `{provider}` cannot be used: {cause}")]
pub struct InvalidProviderCa {
    /// Which.
    pub provider: ProviderName,
    /// Why.
    pub cause: String,
}

impl RelyingParty {
    /// Knows the providers of a config; asks none of them yet.
    ///
    /// # Errors
    /// When a provider's CA cannot be read.
    pub fn new(
        providers: &[Arc<Provider>],
        _store: Arc<dyn Store>,
        _clock: Clock,
        _metrics: Arc<Metrics>,
    ) -> Result<Self, InvalidProviderCa> {
        Ok(Self { _providers: providers.to_vec() })
    }

    /// Begins a log-in: where to send the browser, and what its cookie has to keep.
    ///
    /// # Errors
    /// When the provider cannot be asked, or there is none of this name.
    pub async fn begin(&self, provider: &ProviderName, _begin: Begin) -> Result<Begun, ProviderError> {
        Err(ProviderError::Unknown(provider.clone()))
    }

    /// Ends a log-in: redeems the code, and believes what comes of it after every check.
    ///
    /// # Errors
    /// When the provider cannot be asked, or what it says lets nobody in.
    pub async fn finish(
        &self,
        provider: &ProviderName,
        _callback: Callback,
        _secrets: FlowSecrets,
    ) -> Result<Arrived, ProviderError> {
        Err(ProviderError::Unknown(provider.clone()))
    }

    /// Whether a log-in at a provider can begin, as far as is known without asking it.
    #[must_use]
    pub fn is_up(&self, _provider: &ProviderName) -> bool {
        true
    }

    /// Looks at providers in the background: all at the start, then those that are down every minute.
    pub async fn run(&self, stop: CancellationToken) {
        stop.cancelled().await;
    }

    /// Believes a log-out token (OpenID Connect Back-Channel Logout, section 2.6) after every check but one: whether it was used
    /// before is found out when it is.
    ///
    /// # Errors
    /// When anything about it is wrong, or it cannot be checked now.
    pub async fn verify_logout_token(&self, _token: &str) -> Result<LogoutRequest, LogoutTokenError> {
        Err(LogoutTokenError::NotBelieved { provider: None, reason: "issuer" })
    }

    /// Where to send a browser so that it is logged out at a provider too (OpenID Connect RP-Initiated Logout, section 2);
    /// `None` where that is not wanted, not offered, or not known.
    #[must_use]
    pub fn end_session_url(
        &self,
        _provider: &ProviderName,
        _id_token: &Secret,
        _return_to: &str,
        _state: Option<&str>,
    ) -> Option<String> {
        None
    }
}

#[async_trait]
impl Providers for RelyingParty {
    fn end_session_url(&self, tokens: &LinkTokens, return_to: &str, state: Option<&str>) -> Option<String> {
        Self::end_session_url(self, &tokens.provider, &tokens.id_token, return_to, state)
    }

    async fn recheck(&self, _: SessionId, _: &Link) -> Rechecked {
        Rechecked::Ended
    }
}
