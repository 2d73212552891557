//! A relying party with a real store and one provider, for tests.

use std::sync::Arc;
use std::time::Duration;

use openidconnect::url::Url;
use tempfile::TempDir;

use super::claims::due;
use super::contact::Timing;
use super::test_provider::{CLIENT, SECRET, TestProvider};
use super::{Arrived, Begin, Callback, FlowSecrets, ProviderError, RelyingParty};
use crate::config::{Provider, SigningAlgorithm, WhenDown};
use crate::session::{Link, SessionId, SessionRecord, Token};
use crate::state::clock::Clock;
use crate::state::metrics::Metrics;
use crate::state::ports::{LinkTokens, Opening, Replaces, Store};
use crate::types::{AppName, Email, HostName, ProviderName, Secret};

pub(super) const CALLBACK: &str = "https://orders.example.com/.access/oidc/callback";

/// What the operator wrote, for a provider at this issuer.
pub(super) fn config(issuer: &str) -> Provider {
    Provider {
        name: name(),
        issuer: issuer.to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(Secret::new(SECRET.to_owned())),
        scopes: ["openid", "email", "profile"].map(str::to_owned).to_vec(),
        email_domains: Vec::new(),
        email_claim: "email".to_owned(),
        email_verified_claim: "email_verified".to_owned(),
        trust_unverified_email: false,
        groups_claim: None,
        groups: Vec::new(),
        title: "Acme".to_owned(),
        icon: None,
        ca: None,
        algorithms: vec![
            SigningAlgorithm::Rs256,
            SigningAlgorithm::Ps256,
            SigningAlgorithm::Es256,
            SigningAlgorithm::Es384,
            SigningAlgorithm::EdDsa,
        ],
        clock_skew: Duration::from_secs(60),
        // Far more than a loopback needs, and far less than anybody would wait.
        timeout: Duration::from_secs(20),
        recheck: None,
        recheck_when_down: WhenDown::Deny,
        end_provider_session: true,
    }
}

pub(super) fn name() -> ProviderName {
    ProviderName::parse("acme").expect("a name")
}

/// Nothing is too soon.
pub(super) fn eager() -> Timing {
    Timing {
        rest: Duration::ZERO,
        keys_for_tokens: Duration::ZERO,
        keys_for_strangers: Duration::ZERO,
        ..Timing::default()
    }
}

pub(super) struct House {
    pub(super) party: Arc<RelyingParty>,
    pub(super) provider: TestProvider,
    pub(super) store: Arc<dyn Store>,
    pub(super) metrics: Arc<Metrics>,
    _folder: TempDir,
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}, eager()).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Provider), timing: Timing) -> Self {
        let provider = TestProvider::start().await;
        Self::at(provider, change, timing).await
    }

    pub(super) async fn at(provider: TestProvider, change: impl FnOnce(&mut Provider), timing: Timing) -> Self {
        let mut config = config(&provider.issuer);
        change(&mut config);
        let folder = tempfile::tempdir().expect("a folder");
        let store: Arc<dyn Store> =
            Arc::new(crate::store::open(&folder.path().join("data")).await.expect("the store opens"));
        let metrics = Arc::new(Metrics::new());
        let party =
            RelyingParty::with_timing(&[Arc::new(config)], Arc::clone(&store), Clock, Arc::clone(&metrics), timing);
        Self { party: Arc::new(party.expect("a relying party")), provider, store, metrics, _folder: folder }
    }

    /// Begins a log-in; gives the URL's parameters too.
    pub(super) async fn begin(&self) -> Result<(String, FlowSecrets), ProviderError> {
        let begin = Begin { redirect_uri: CALLBACK.to_owned(), state: "a-state".to_owned(), hint: None };
        let begun = self.party.begin(&name(), begin).await?;
        Ok((begun.url, begun.secrets))
    }

    pub(super) async fn finish(&self, code: &str, secrets: FlowSecrets) -> Result<Arrived, ProviderError> {
        self.finish_from(code, secrets, None).await
    }

    pub(super) async fn finish_from(
        &self,
        code: &str,
        secrets: FlowSecrets,
        iss: Option<&str>,
    ) -> Result<Arrived, ProviderError> {
        let callback = Callback {
            code: Secret::new(code.to_owned()),
            iss: iss.map(str::to_owned),
            redirect_uri: CALLBACK.to_owned(),
        };
        self.party.finish(&name(), callback, secrets).await
    }

    /// A whole log-in.
    pub(super) async fn log_in(&self) -> Result<Arrived, ProviderError> {
        let (url, secrets) = self.begin().await?;
        let code = self.provider.log_in(&url);
        self.finish(&code, secrets).await
    }

    /// A whole log-in that lets nobody in: why.
    pub(super) async fn refused(&self) -> String {
        match self.log_in().await {
            Ok(_) => "let in".to_owned(),
            Err(ProviderError::NotBelieved { reason, .. }) => reason.to_owned(),
            Err(ProviderError::Unavailable { cause, .. }) => format!("unavailable: {cause}"),
            Err(ProviderError::Unknown(_)) => "unknown".to_owned(),
        }
    }

    /// A session of somebody who has logged in, whose re-check is due.
    pub(super) async fn due_session(&self) -> (SessionId, Link) {
        let arrived = self.log_in().await.expect("logged in");
        let mut link = arrived.link.clone();
        link.next_check = Some(due(Clock.now(), Duration::ZERO));
        let id = self.store_session(&arrived, &link).await;
        (id, link)
    }

    async fn store_session(&self, arrived: &Arrived, link: &Link) -> SessionId {
        let now = Clock.now();
        let session = SessionRecord {
            id: Token::generate().hash(),
            app: AppName::parse("orders").expect("a name"),
            host: HostName::parse("orders.example.com").expect("a name"),
            email: Email::parse("ann@example.com").expect("an address"),
            customer: None,
            created: now,
            last_used: now,
            device: String::new(),
            proofs: vec![arrived.proof.clone()],
            links: vec![link.clone()],
            preview: None,
        };
        let id = session.id;
        let opening = Opening { session, replaces: Replaces::Nothing, tokens: Some(arrived.tokens.clone()) };
        assert!(self.store.open_session(&opening).await.expect("stored"));
        id
    }

    /// The link of a session as the store has it, with its tokens.
    pub(super) async fn stored(&self, session: SessionId) -> (Link, LinkTokens) {
        let record = self.store.session(session).await.expect("read").expect("there");
        let tokens = self.store.link_tokens(session, &name()).await.expect("read").expect("there");
        (record.links[0].clone(), tokens)
    }

    /// What `/metrics` counts of requests of one kind and outcome.
    pub(super) fn counted(&self, kind: &str, outcome: &str) -> u64 {
        self.metrics.provider_requests.with_label_values(&["acme", kind, outcome]).get()
    }
}

/// A parameter of a URL.
pub(super) fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).expect("a URL");
    let mut found = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let value = found.next();
    assert!(found.next().is_none(), "{name} stands twice");
    value
}

/// Waits until something is so; fails when it does not come to be.
pub(super) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    const MOST: Duration = Duration::from_secs(20);
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(MOST, wait).await.is_ok(), "it never came to be that {what}");
}
