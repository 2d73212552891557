//! Asks providers whether the people of sessions are still there, and not more often than is due.
//!
//! A refresh token is good once with most providers, so an answer must not be lost: whoever waited for it may be gone by the
//! time it comes, and it is stored all the same.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::ports::{Providers, Rechecked};
use crate::session::{Link, SessionId};
use crate::types::ProviderName;

/// How long a session waits for its provider, whatever the provider's own `timeout` allows for each of its answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// A provider that could not be asked is left alone for so long: a page asks for many things at once.
const LEAVE_ALONE: Duration = Duration::from_secs(5);
const MOST_IN_VAIN: u64 = 100_000;
/// Longer than any answer in vain holds.
const REMEMBER: Duration = Duration::from_secs(300);

/// Asks for sessions.
pub(super) struct Recheck {
    providers: Arc<dyn Providers>,
    in_vain: moka::sync::Cache<(SessionId, ProviderName), InVain>,
}

/// What came of asking a provider that could not be asked, and until when that holds.
#[derive(Clone)]
struct InVain {
    until: Timestamp,
    said: Rechecked,
}

/// What became of a session's links.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Checked {
    /// They are good until this moment.
    Until(Timestamp),
    /// One of them is not: the session is over.
    Ended(ProviderName),
    /// One of them cannot be told, and the session has to wait.
    Unavailable(String),
}

impl Recheck {
    pub(super) fn new(providers: Arc<dyn Providers>) -> Self {
        let in_vain = moka::sync::Cache::builder().max_capacity(MOST_IN_VAIN).time_to_live(REMEMBER).build();
        Self { providers, in_vain }
    }

    /// The port.
    pub(super) fn providers(&self) -> &dyn Providers {
        &*self.providers
    }

    /// Brings the links of a session up to date, where it is time to.
    pub(super) async fn check(&self, session: SessionId, links: &mut [Link], now: Timestamp) -> Checked {
        let mut until = Timestamp::MAX;
        for link in links {
            if link.next_check.is_some_and(|next_check| next_check <= now) {
                match self.ask(session, link, now).await {
                    Rechecked::Good(fresh) => *link = fresh,
                    Rechecked::Later(moment) => link.next_check = Some(moment),
                    Rechecked::Unavailable(cause) => return Checked::Unavailable(cause),
                    Rechecked::Ended => return Checked::Ended(link.provider.clone()),
                }
            }
            until = until.min(link.next_check.unwrap_or(Timestamp::MAX));
        }
        Checked::Until(until)
    }

    async fn ask(&self, session: SessionId, link: &Link, now: Timestamp) -> Rechecked {
        let key = (session, link.provider.clone());
        if let Some(known) = self.in_vain.get(&key).filter(|known| now < known.until) {
            return known.said;
        }
        let (providers, asked) = (Arc::clone(&self.providers), link.clone());
        // A task of its own: the request that waits for it may be cancelled at any moment, and the provider has taken the
        // refresh token then.
        let answer = tokio::spawn(async move { providers.recheck(session, &asked).await });
        let said = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => Rechecked::Unavailable("asking the provider failed".to_owned()),
            Err(_) => Rechecked::Unavailable("the provider has not answered in time".to_owned()),
        };
        let until = match &said {
            Rechecked::Later(moment) => *moment,
            Rechecked::Unavailable(_) => now.checked_add(LEAVE_ALONE).unwrap_or(now),
            Rechecked::Good(_) | Rechecked::Ended => return said,
        };
        self.in_vain.insert(key, InVain { until, said: said.clone() });
        said
    }
}
