//! Our side of OpenID Connect: what we ask of providers, and what we believe of their answers.
//!
//! Nothing here knows a browser or a page. A log-in begins with [`RelyingParty::begin`] and ends with
//! [`RelyingParty::finish`]; what lies between, cookies and the hub, is the flow's.

use std::sync::Arc;

use async_trait::async_trait;

use crate::config::Provider;
use crate::session::{Link, Proof, SessionId};
use crate::state::clock::Clock;
use crate::state::metrics::Metrics;
use crate::state::ports::{Identity, LinkTokens, Providers, Rechecked, Store};
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

/// What a log-out token asks for (OpenID Connect Back-Channel Logout, section 2.4), after every check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogoutRequest {
    /// The issuer.
    pub issuer: String,
    /// Whose sessions end.
    pub subject: Option<String>,
    /// Which session ends.
    pub sid: Option<String>,
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
}

#[async_trait]
impl Providers for RelyingParty {
    async fn recheck(&self, _: SessionId, _: &Link) -> Rechecked {
        Rechecked::Ended
    }
}
