//! One order, from its beginning or from wherever it stands, to the certificate in the store.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};

use super::answer::host_of;
use super::error::{FailedChallenge, OrderError, Trouble, read};
use super::{Authority, Settings, certificate, renewal};
use crate::config::Challenge;
use crate::state::certificates::CertificateName;
use crate::state::issuance::{StoredCertificate, StoredOrder};
use crate::state::ports::StoreError;
use crate::types::Secret;

/// How often an attempt is made again at once, where the authority refused a nonce (RFC 8555, section 6.5) or a connection broke.
/// Each goes on with the same order.
const AT_ONCE: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// Why an attempt ended.
#[derive(Debug)]
pub(super) enum Halt {
    /// In an exchange with the authority.
    Trouble(Trouble),
    /// Otherwise.
    Failed(OrderError),
}

impl Halt {
    pub(super) fn into_error(self) -> OrderError {
        match self {
            Self::Trouble(trouble) => trouble.into_error(),
            Self::Failed(error) => error,
        }
    }
}

impl From<Trouble> for Halt {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<OrderError> for Halt {
    fn from(error: OrderError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Trouble(Trouble::of(error))
    }
}

/// What came of one order's proofs.
enum Proof {
    /// The authority is satisfied.
    Ready,
    /// The order is lost; another may do better.
    Lost,
}

/// The work on one name.
struct Work<'a> {
    authority: &'a Authority,
    settings: &'a Settings,
    name: &'a CertificateName,
    account: Account,
    is_new_account: bool,
}

impl Authority {
    /// Gets a certificate for a name and keeps it. An order that stands already, before a crash or a failure, is taken up again.
    ///
    /// One call at a time for a name. It may take some minutes, and may be dropped at any point.
    ///
    /// # Errors
    /// [`OrderError`] says why there is none.
    pub async fn obtain(&self, name: &CertificateName) -> Result<StoredCertificate, OrderError> {
        let settings = self.settings()?;
        let mut tries = 0;
        let mut has_new_account = false;
        loop {
            let halt = match self.attempt(&settings, name).await {
                Ok(certificate) => return Ok(certificate),
                Err(halt) => halt,
            };
            match &halt {
                Halt::Trouble(trouble) if trouble.is("accountDoesNotExist") && !has_new_account => {
                    has_new_account = true;
                    self.forget_account(&settings).await.map_err(Halt::into_error)?;
                    self.store.forget_order(name).await?;
                }
                Halt::Trouble(Trouble::Unreachable { retry_after: None, .. }) if tries == 0 => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Halt::Trouble(trouble) if trouble.is("badNonce") && tries < AT_ONCE => tries += 1,
                _ => return Err(halt.into_error()),
            }
        }
    }

    async fn attempt(&self, settings: &Arc<Settings>, name: &CertificateName) -> Result<StoredCertificate, Halt> {
        let (account, is_new_account) = self.account(settings).await?;
        let work = Work { authority: self, settings, name, account, is_new_account };
        let mut failed = Vec::new();
        // Each lost order should have added a failed challenge. An authority that gives no reason gets no more orders than one that does:
        // they would follow one another without a pause, and without an end.
        for _ in 0..=work.ours().len() {
            let (key, mut order) = match work.resume().await? {
                Some(standing) => standing,
                None => work.begin().await?,
            };
            if order.state().status == OrderStatus::Pending {
                match work.prove(&mut order, &mut failed).await? {
                    Proof::Ready => {}
                    Proof::Lost => {
                        self.store.forget_order(name).await?;
                        if failed.len() >= work.ours().len() {
                            return Err(OrderError::Validation(failed).into());
                        }
                        continue;
                    }
                }
            }
            return work.finish(&mut order, key).await;
        }
        if !failed.is_empty() {
            return Err(OrderError::Validation(failed).into());
        }
        let detail = "it takes one order after the other, and drops each without a reason".to_owned();
        Err(OrderError::Refused { kind: "unknown".to_owned(), detail }.into())
    }
}

impl Work<'_> {
    /// The challenges that we may answer, in order.
    fn ours(&self) -> Vec<Challenge> {
        match self.name {
            // RFC 8555, section 7.1.3, and every authority's policy: nothing else proves that all names below are ours.
            CertificateName::Wildcard(_) => self.settings.acme.dns_hook.iter().map(|_| Challenge::Dns01).collect(),
            CertificateName::Exact(_) => self.settings.acme.challenges.clone(),
        }
    }

    /// The order that stands already, where it still can come to something.
    async fn resume(&self) -> Result<Option<(Secret, Order)>, Halt> {
        let store = &self.authority.store;
        let Some(stored) = store.order(self.name).await? else { return Ok(None) };
        if stored.directory == self.settings.acme.directory {
            let found = self.account.order(stored.url).await.map_err(Trouble::of);
            match found.map(|mut order| (order.state().status, order)) {
                Ok((OrderStatus::Invalid, _)) => {}
                Ok((_, order)) => {
                    tracing::debug!(name = %self.name, "an order that stands already goes on");
                    return Ok(Some((stored.key, order)));
                }
                Err(trouble) if trouble.is("badNonce") || trouble.is("accountDoesNotExist") => {
                    return Err(trouble.into());
                }
                // It is gone, or was another account's.
                Err(Trouble::Problem { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        store.forget_order(self.name).await?;
        Ok(None)
    }

    /// A new order, kept with the key of its certificate before anything is done for it.
    async fn begin(&self) -> Result<(Secret, Order), Halt> {
        let key = certificate::new_key()?;
        let order = self.new_order().await?;
        let stored = StoredOrder {
            name: self.name.clone(),
            directory: self.settings.acme.directory.clone(),
            url: order.url().to_owned(),
            key: key.clone(),
            begun: self.authority.clock.now(),
        };
        self.authority.store.put_order(&stored).await?;
        Ok((key, order))
    }

    async fn new_order(&self) -> Result<Order, Halt> {
        let identifiers = [Identifier::Dns(self.name.to_string())];
        let old = self.authority.store.certificate(self.name).await?;
        let replaces = old.and_then(|old| renewal::identifier(&certificate::first(&old.chain)?));
        if let Some(replaces) = replaces {
            // What one authority issued means nothing to another, and one certificate is replaced once (RFC 9773, section 5).
            match self.account.new_order(&NewOrder::new(&identifiers).replaces(replaces)).await {
                Ok(order) => return Ok(order),
                Err(error @ Error::Unsupported(_)) => tracing::debug!(%error, "the order names no predecessor"),
                // It took the order, and left the predecessor out of its answer.
                Err(Error::Other(error)) if !error.is::<super::transport::NoAnswer>() => {
                    tracing::debug!(%error, "the order names no predecessor");
                }
                Err(error) => match Trouble::of(error) {
                    trouble @ Trouble::Problem { .. } if !self.is_final(&trouble) => {
                        tracing::debug!(?trouble, "the order names no predecessor");
                    }
                    other => return self.refused(other),
                },
            }
        }
        match self.account.new_order(&NewOrder::new(&identifiers)).await {
            Ok(order) => Ok(order),
            Err(error) => self.refused(Trouble::of(error)),
        }
    }

    /// Whether a problem has nothing to do with the order's predecessor.
    fn is_final(&self, trouble: &Trouble) -> bool {
        ["badNonce", "accountDoesNotExist", "rejectedIdentifier", "unsupportedIdentifier", "userActionRequired", "caa"]
            .iter()
            .any(|kind| trouble.is(kind))
    }

    fn refused<T>(&self, trouble: Trouble) -> Result<T, Halt> {
        match trouble {
            // RFC 8555, section 7.3.6: an account that is no good any more. If it was made just now, another will not do better.
            Trouble::Problem { kind, detail } if kind == "unauthorized" => Err(match self.is_new_account {
                true => OrderError::Account { kind, detail }.into(),
                false => Trouble::Problem { kind: "accountDoesNotExist".to_owned(), detail }.into(),
            }),
            other => Err(other.into()),
        }
    }

    /// Answers challenges until the authority is satisfied, or the order is lost.
    async fn prove(&self, order: &mut Order, failed: &mut Vec<FailedChallenge>) -> Result<Proof, Halt> {
        loop {
            let (status, offered) = {
                let mut authorizations = order.authorizations();
                let Some(authorization) = authorizations.next().await else { return Ok(Proof::Lost) };
                let authorization = authorization?;
                let offered: Vec<ChallengeType> =
                    authorization.challenges.iter().map(|challenge| challenge.r#type.clone()).collect();
                (authorization.status, offered)
            };
            match status {
                AuthorizationStatus::Pending => {}
                AuthorizationStatus::Valid => return self.wait_until_ready(order).await,
                _ => {
                    self.note_failures(order, failed).await?;
                    return Ok(Proof::Lost);
                }
            }
            let next = self.ours().into_iter().find(|challenge| {
                offered.contains(&kind_of(*challenge)) && !failed.iter().any(|failed| failed.challenge == *challenge)
            });
            let Some(challenge) = next else {
                if failed.is_empty() {
                    let names: Vec<&str> = offered.iter().filter_map(name_of).collect();
                    let wildcard = matches!(self.name, CertificateName::Wildcard(_));
                    return Err(OrderError::NoChallenge { offered: names.join(", "), wildcard }.into());
                }
                return Err(OrderError::Validation(std::mem::take(failed)).into());
            };
            match self.try_challenge(order, challenge).await? {
                Tried::Ready => return Ok(Proof::Ready),
                Tried::Failed(error) => failed.push(error),
                Tried::Lost => {
                    self.note_failures(order, failed).await?;
                    if !failed.iter().any(|failed| failed.challenge == challenge) {
                        let detail = "the authority gives no reason".to_owned();
                        failed.push(FailedChallenge { challenge, kind: "unknown".to_owned(), detail });
                    }
                    return Ok(Proof::Lost);
                }
            }
        }
    }

    /// Answers one challenge, and waits for what the authority makes of it.
    async fn try_challenge(&self, order: &mut Order, challenge: Challenge) -> Result<Tried, Halt> {
        let answer = {
            let mut authorizations = order.authorizations();
            let Some(authorization) = authorizations.next().await else { return Ok(Tried::Lost) };
            let mut authorization = authorization?;
            let Some(mut handle) = authorization.challenge(kind_of(challenge)) else { return Ok(Tried::Lost) };
            let key = handle.key_authorization();
            let token = handle.token.clone();
            let host = host_of(self.name);
            let answer = self.authority.answer(self.settings, challenge, host, &token, &key).await?;
            // After a crash it may be at it already, and would not like to be told again.
            if handle.status == ChallengeStatus::Pending
                && let Err(error) = handle.set_ready().await
            {
                answer.withdraw().await;
                return match Trouble::of(error) {
                    // One that looks at once, and lets us try again.
                    Trouble::Problem { kind, detail }
                        if !matches!(kind.as_str(), "badNonce" | "accountDoesNotExist") =>
                    {
                        Ok(Tried::Failed(FailedChallenge { challenge, kind, detail }))
                    }
                    other => Err(other.into()),
                };
            }
            answer
        };
        let result = order.poll_ready(&self.patience(self.settings.patience.validation)).await;
        let tried = match result {
            Ok(OrderStatus::Ready) => Ok(Tried::Ready),
            Ok(_) => Ok(Tried::Lost),
            // The order's own problem, or only that of one question about it.
            Err(error @ Error::Api(_)) => match order.refresh().await.map(|state| state.status) {
                Ok(OrderStatus::Invalid) => Ok(Tried::Lost),
                Ok(_) | Err(_) => Err(error.into()),
            },
            // It may have told the challenge what is wrong, and go on trying.
            Err(error @ Error::Timeout(_)) => match self.failure_of(order, challenge).await {
                Ok(Some(failure)) => Ok(Tried::Failed(failure)),
                Ok(None) => Err(error.into()),
                Err(halt) => Err(halt),
            },
            Err(error) => Err(error.into()),
        };
        answer.withdraw().await;
        tried
    }

    async fn wait_until_ready(&self, order: &mut Order) -> Result<Proof, Halt> {
        match order.poll_ready(&self.patience(self.settings.patience.validation)).await? {
            OrderStatus::Ready => Ok(Proof::Ready),
            _ => Ok(Proof::Lost),
        }
    }

    /// What the authority says of one challenge now.
    async fn failure_of(&self, order: &mut Order, challenge: Challenge) -> Result<Option<FailedChallenge>, Halt> {
        let mut failures = Vec::new();
        self.note_failures(order, &mut failures).await?;
        Ok(failures.into_iter().find(|failure| failure.challenge == challenge))
    }

    /// Notes every challenge of the order that failed and is not noted yet. An order for one name has one authorization; an authority
    /// that lists thousands has only the first of them asked for.
    async fn note_failures(&self, order: &mut Order, failed: &mut Vec<FailedChallenge>) -> Result<(), Halt> {
        let mut authorizations = order.authorizations();
        let Some(authorization) = authorizations.next().await else { return Ok(()) };
        let mut authorization = authorization?;
        for found in &authorization.refresh().await?.challenges {
            let ours = Challenge::ALL.into_iter().find(|challenge| kind_of(*challenge) == found.r#type);
            let (Some(challenge), Some(problem)) = (ours, &found.error) else { continue };
            if !failed.iter().any(|failed| failed.challenge == challenge) {
                let (kind, detail) = read(problem);
                failed.push(FailedChallenge { challenge, kind, detail });
            }
        }
        Ok(())
    }

    /// From a proven name to the certificate in the store.
    async fn finish(&self, order: &mut Order, key: Secret) -> Result<StoredCertificate, Halt> {
        let issued = self.issue(order, &key).await;
        let chain = match issued {
            Ok(chain) => chain,
            // The authority will not issue for this order any more.
            Err(halt @ Halt::Trouble(Trouble::Problem { .. })) if !matches!(&halt, Halt::Trouble(trouble) if trouble.is("badNonce") || trouble.is("orderNotReady")) =>
            {
                self.authority.store.forget_order(self.name).await?;
                return Err(halt);
            }
            Err(halt) => return Err(halt),
        };
        let leaf = match certificate::check(&chain, self.name, &key, self.authority.clock.now()) {
            Ok(leaf) => leaf,
            Err(what) => {
                self.authority.store.forget_order(self.name).await?;
                return Err(OrderError::BadCertificate(what).into());
            }
        };
        let mut times = renewal::standard(self.name, &leaf);
        // The authority is asked for its own wish next.
        times.ask_again = self.authority.clock.now();
        let certificate = StoredCertificate { name: self.name.clone(), chain, key, times };
        self.authority.store.put_certificate(&certificate).await?;
        tracing::info!(name = %self.name, not_after = %times.not_after, "a certificate is there");
        Ok(certificate)
    }

    async fn issue(&self, order: &mut Order, key: &Secret) -> Result<String, Halt> {
        if matches!(order.state().status, OrderStatus::Pending | OrderStatus::Ready) {
            order.finalize_csr(&certificate::request(self.name, key)?).await?;
        }
        if order.state().status == OrderStatus::Valid
            && let Some(chain) = order.certificate().await?
        {
            return Ok(chain);
        }
        Ok(order.poll_certificate(&self.patience(self.settings.patience.issuance)).await?)
    }

    fn patience(&self, limit: Duration) -> RetryPolicy {
        RetryPolicy::new().initial_delay(Duration::from_millis(200)).backoff(1.5).timeout(limit)
    }
}

/// What came of one challenge.
enum Tried {
    /// The order is ready.
    Ready,
    /// The challenge failed, and the order still stands.
    Failed(FailedChallenge),
    /// The order is lost.
    Lost,
}

const fn kind_of(challenge: Challenge) -> ChallengeType {
    match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        Challenge::Dns01 => ChallengeType::Dns01,
    }
}

fn name_of(kind: &ChallengeType) -> Option<&str> {
    match kind {
        ChallengeType::Http01 => Some("http-01"),
        ChallengeType::TlsAlpn01 => Some("tls-alpn-01"),
        ChallengeType::Dns01 => Some("dns-01"),
        ChallengeType::Unknown(name) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
