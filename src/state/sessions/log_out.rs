//! Logging out: the session of a cookie ends, and all others of its person where they want that.

use jiff::Timestamp;

use super::{Sessions, is_of};
use crate::session::{SessionRecord, Token};
use crate::state::ports::{LinkTokens, StoreError};
use crate::state::snapshot::Site;
use crate::types::Way;

/// How far a log-out goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// This session.
    Here,
    /// All sessions of the person, in every app and on every device.
    Everywhere,
}

/// A session that has ended, with what its providers' log-out takes.
#[derive(Debug)]
pub struct LoggedOut {
    /// What it was.
    pub record: SessionRecord,
    /// How many ended, itself among them.
    pub sessions: usize,
    tokens: Vec<LinkTokens>,
}

impl Sessions {
    /// Ends the session of a cookie, and all others of its person where they want that; answers what it was. It need not be
    /// one that may do anything: whoever cannot be re-checked just now can still log out.
    ///
    /// # Errors
    /// When the store fails; the session then goes on.
    pub async fn log_out(
        &self,
        token: &Token,
        site: &Site,
        reach: Reach,
        now: Timestamp,
    ) -> Result<Option<LoggedOut>, StoreError> {
        let id = token.hash();
        let limits = self.current.load().session;
        let record = self.store.session(id).await?.filter(|record| is_of(&record.app, &record.host, site));
        // Read while they are there: they go with the session.
        let tokens = match &record {
            Some(record) => self.tokens_of(record).await,
            None => Vec::new(),
        };
        let mut sessions = 1;
        match (&record, reach) {
            (Some(record), Reach::Everywhere) if !record.is_over(limits, now) => {
                sessions = self.end_everywhere(&record.email).await?;
            }
            _ => {}
        }
        self.end(id).await?;
        Ok(record.map(|record| LoggedOut { record, sessions, tokens }))
    }

    /// The tokens of a session's providers, of the one it came by last first.
    async fn tokens_of(&self, record: &SessionRecord) -> Vec<LinkTokens> {
        let mut all = Vec::new();
        for proof in record.proofs.iter().rev() {
            let Way::Oidc(provider) = &proof.way else { continue };
            match self.store.link_tokens(record.id, provider).await {
                Ok(tokens) => all.extend(tokens),
                // Logging out must not fail for what is only asked of others.
                Err(error) => tracing::warn!(%error, %provider, "nobody is logged out at the provider"),
            }
        }
        all
    }

    /// Where to send the browser of a session that has ended, so that its person is logged out at the provider too.
    #[must_use]
    pub fn end_session_url(&self, gone: &LoggedOut, return_to: &str, state: Option<&str>) -> Option<String> {
        gone.tokens.iter().find_map(|tokens| self.recheck.providers().end_session_url(tokens, return_to, state))
    }
}
