//! Our side of OpenID Connect: what we ask of providers, and what we believe of their answers.
//!
//! Nothing here knows a browser or a page. A log-in begins with [`RelyingParty::begin`] and ends with
//! [`RelyingParty::finish`]; what lies between, cookies and the hub, is the flow's.

mod arrival;
mod claims;
mod contact;
mod discovery;
mod exchange;
mod http;
mod id_token;
mod logout_token;
mod recheck;

#[cfg(test)]
mod discovery_tests;
#[cfg(test)]
mod login_tests;
#[cfg(test)]
mod logout_token_tests;
#[cfg(test)]
mod recheck_tests;
#[cfg(test)]
mod test_house;
#[cfg(test)]
mod test_provider;

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::contact::{Contact, Timing};
use self::exchange::Account;
use self::recheck::Flights;

use crate::config::Provider;
use crate::session::{Link, Proof, SessionId};
use crate::state::clock::Clock;
use crate::state::metrics::Metrics;
use crate::state::ports::{Farewell, Identity, LinkTokens, Providers, Rechecked, Store};
use crate::types::{DisplayName, Email, ProviderName, Secret};

/// With the ID token as a hint the URL could grow beyond what servers in between let pass: then it goes without.
const MOST_URL_BYTES: usize = 7 * 1024;

/// All providers of the config, and what is known of them.
pub struct RelyingParty {
    contacts: ArcSwap<Vec<Arc<Contact>>>,
    /// Told when other contacts are in force.
    changed: Notify,
    timing: Timing,
    metrics: Arc<Metrics>,
    flights: Arc<Flights>,
    store: Arc<dyn Store>,
    clock: Clock,
}

/// Contacts that are not in force yet.
pub struct PreparedProviders(Vec<Arc<Contact>>);

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
        store: Arc<dyn Store>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, InvalidProviderCa> {
        Self::with_timing(providers, store, clock, metrics, Timing::default())
    }

    fn with_timing(
        providers: &[Arc<Provider>],
        store: Arc<dyn Store>,
        clock: Clock,
        metrics: Arc<Metrics>,
        timing: Timing,
    ) -> Result<Self, InvalidProviderCa> {
        let (contacts, changed) = (ArcSwap::default(), Notify::new());
        let party = Self { contacts, changed, timing, metrics, flights: Arc::default(), store, clock };
        let prepared = party.prepare(providers, |_| false)?;
        party.apply(prepared);
        Ok(party)
    }

    /// Contacts for the providers of another config. Those of providers that did not change stay, with all that is known of them;
    /// `same_ca` says whether a provider's CA is what it was.
    ///
    /// # Errors
    /// When a provider's CA cannot be read.
    pub fn prepare(
        &self,
        providers: &[Arc<Provider>],
        same_ca: impl Fn(&Provider) -> bool,
    ) -> Result<PreparedProviders, InvalidProviderCa> {
        let running = self.contacts.load();
        let roots = LazyCell::new(crate::state::trust::system_roots);
        let contact = |provider: &Arc<Provider>| {
            let same = running.iter().find(|contact| contact.provider == *provider);
            if let Some(same) = same.filter(|_| same_ca(provider)) {
                return Ok(Arc::clone(same));
            }
            let client = http::client(provider, &roots)
                .map_err(|cause| InvalidProviderCa { provider: provider.name.clone(), cause })?;
            Ok(Arc::new(Contact::new(Arc::clone(provider), client, self.timing, Arc::clone(&self.metrics))))
        };
        Ok(PreparedProviders(providers.iter().map(contact).collect::<Result<_, _>>()?))
    }

    /// Puts what was prepared in force. A log-in that is under way goes on with the contact that it has.
    pub fn apply(&self, prepared: PreparedProviders) {
        let gone = self.contacts.swap(Arc::new(prepared.0));
        for contact in gone.iter().filter(|contact| self.contact(&contact.provider.name).is_none()) {
            // It was never shown where it was never asked.
            let _ = self.metrics.provider_up.remove_label_values(&[contact.provider.name.as_str()]);
        }
        self.changed.notify_one();
    }

    fn contact(&self, provider: &ProviderName) -> Option<Arc<Contact>> {
        self.contacts.load().iter().find(|contact| contact.provider.name == *provider).cloned()
    }

    /// Begins a log-in: where to send the browser, and what its cookie has to keep.
    ///
    /// # Errors
    /// When the provider cannot be asked, or there is none of this name.
    pub async fn begin(&self, provider: &ProviderName, begin: Begin) -> Result<Begun, ProviderError> {
        self.begin_as(provider, begin, Account::Any).await
    }

    /// The same for a person who wants to come as somebody else than the provider takes them for.
    ///
    /// # Errors
    /// When the provider cannot be asked, or there is none of this name.
    pub async fn begin_as_another(&self, provider: &ProviderName, begin: Begin) -> Result<Begun, ProviderError> {
        self.begin_as(provider, begin, Account::Another).await
    }

    async fn begin_as(&self, provider: &ProviderName, begin: Begin, account: Account) -> Result<Begun, ProviderError> {
        let contact = self.contact(provider).ok_or_else(|| ProviderError::Unknown(provider.clone()))?;
        let unavailable = |cause| ProviderError::Unavailable { provider: provider.clone(), cause };
        let known = contact.known().await.map_err(unavailable)?;
        exchange::begin(&contact, &known, begin, account)
            .ok_or_else(|| unavailable("we have no address to come back to".to_owned()))
    }

    /// Ends a log-in: redeems the code, and believes what comes of it after every check.
    ///
    /// # Errors
    /// When the provider cannot be asked, or what it says lets nobody in.
    pub async fn finish(
        &self,
        provider: &ProviderName,
        callback: Callback,
        secrets: FlowSecrets,
    ) -> Result<Arrived, ProviderError> {
        let contact = self.contact(provider).ok_or_else(|| ProviderError::Unknown(provider.clone()))?;
        arrival::finish(&contact, &callback, &secrets, self.clock).await
    }

    /// Whether a log-in at a provider can begin, as far as is known without asking it.
    #[must_use]
    pub fn is_up(&self, provider: &ProviderName) -> bool {
        self.contact(provider).is_some_and(|contact| contact.is_up())
    }

    /// Looks at providers in the background, so that their buttons tell the truth: at all of them at the start, and every
    /// minute at those that are down or were looked at long ago. When it stops, re-checks under way may still end.
    pub async fn run(&self, stop: CancellationToken) {
        const LAST_ANSWERS: Duration = Duration::from_secs(10);
        let mut every = tokio::time::interval(self.timing.look);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = every.tick() => {}
                // New ones are asked before anybody wants to come by them.
                () = self.changed.notified() => {}
            }
            if stop.run_until_cancelled(self.look_all()).await.is_none() {
                break;
            }
        }
        if tokio::time::timeout(LAST_ANSWERS, self.flights.land()).await.is_err() {
            tracing::warn!("some re-checks did not end in time: their sessions may have to log in again");
        }
    }

    async fn look_all(&self) {
        let mut looks = JoinSet::new();
        for contact in self.contacts.load().iter() {
            let contact = Arc::clone(contact);
            looks.spawn(async move { contact.look().await.is_ok() });
        }
        looks.join_all().await;
    }

    /// Believes a log-out token (OpenID Connect Back-Channel Logout, section 2.6) after every check but one: whether it was used
    /// before is found out when it is.
    ///
    /// # Errors
    /// When anything about it is wrong, or it cannot be checked now.
    pub async fn verify_logout_token(&self, token: &str) -> Result<LogoutRequest, LogoutTokenError> {
        logout_token::verify(&self.contacts.load_full(), token, self.clock.now()).await
    }

    /// Where to send a browser so that it is logged out at a provider too (OpenID Connect RP-Initiated Logout, section 2);
    /// `None` where that is not wanted, not offered, or not known.
    #[must_use]
    pub fn end_session_url(
        &self,
        provider: &ProviderName,
        id_token: &Secret,
        return_to: &str,
        state: Option<&str>,
    ) -> Option<String> {
        let contact = self.contact(provider).filter(|contact| contact.provider.end_provider_session)?;
        let mut url = contact.usable()?.end_session.clone()?;
        let client = contact.provider.client_id.as_str();
        url.query_pairs_mut().append_pair("client_id", client).append_pair("post_logout_redirect_uri", return_to);
        if let Some(state) = state {
            url.query_pairs_mut().append_pair("state", state);
        }
        let mut hinted = url.clone();
        hinted.query_pairs_mut().append_pair("id_token_hint", id_token.expose());
        Some(if hinted.as_str().len() > MOST_URL_BYTES { url.into() } else { hinted.into() })
    }
}

#[async_trait]
impl Providers for RelyingParty {
    fn end_session_url(&self, tokens: &LinkTokens, return_to: &str, state: Option<&str>) -> Option<String> {
        Self::end_session_url(self, &tokens.provider, &tokens.id_token, return_to, state)
    }

    async fn recheck(&self, session: SessionId, link: &Link) -> Rechecked {
        match self.contact(&link.provider) {
            Some(contact) => recheck::recheck(&self.flights, &contact, &self.store, self.clock, session).await,
            // Nobody can be asked about this person any more.
            None => Rechecked::Ended,
        }
    }
}
