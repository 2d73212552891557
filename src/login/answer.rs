//! Answers log-in attempts: asks the table, and sends a mail to those who may enter.
//!
//! It runs apart from the request that asked, one attempt after the other, from the store: what was asked before a crash is
//! answered after it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::LoginRoom;
use super::enter::may_say_who;
use crate::pages::mail::login_letter;
use crate::session::{Attempt, Code, Token};
use crate::state::clock::Clock;
use crate::state::ports::{Answer, OutgoingMail, StoreError};
use crate::types::Way;

/// How many attempts are taken up at a time.
const BATCH: u32 = 64;
/// When to look again for what could not be answered.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Answers attempts until it is stopped; wakes the outbox after each mail.
pub async fn run(room: Arc<LoginRoom>, mailed: Arc<tokio::sync::Notify>, clock: Clock, stop: CancellationToken) {
    loop {
        let left_over = match room.answer_all(&mailed, clock).await {
            Ok(left_over) => left_over,
            Err(error) => {
                tracing::error!(%error, "log-in attempts could not be answered; trying again");
                true
            }
        };
        let wait = async {
            if left_over {
                let _ = tokio::time::timeout(LOOK_AGAIN, room.asked.notified()).await;
            } else {
                room.asked.notified().await;
            }
        };
        if stop.run_until_cancelled(wait).await.is_none() {
            return;
        }
    }
}

impl LoginRoom {
    /// Whether some attempts had to be left for later.
    async fn answer_all(&self, mailed: &tokio::sync::Notify, clock: Clock) -> Result<bool, StoreError> {
        loop {
            let attempts = self.store.unanswered(BATCH).await?;
            let mut waiting = 0;
            for attempt in &attempts {
                if !self.answer(attempt, mailed, clock).await? {
                    waiting += 1;
                }
            }
            if waiting > 0 || attempts.len() < BATCH as usize {
                return Ok(waiting > 0);
            }
        }
    }

    /// Whether the attempt is answered now.
    async fn answer(&self, attempt: &Attempt, mailed: &tokio::sync::Notify, clock: Clock) -> Result<bool, StoreError> {
        let now = clock.now();
        let current = self.current.load_full();
        let site = current.site(&attempt.host).filter(|site| site.app.name == attempt.app && site.app.enabled);
        let may_enter = match site {
            // An address that a provider speaks for is mailed nothing, though nothing says so.
            Some(site) if !may_say_who(&site.app.ways, &Way::Email, &attempt.email) => None,
            Some(site) if now < attempt.expires => match self.sessions.may_enter(site, &attempt.email, &[]).await {
                Ok(may_enter) => may_enter.then_some(site),
                Err(error) => {
                    tracing::warn!(app = %attempt.app, attempt = attempt.id, %error, "a log-in waits for its table");
                    return Ok(false);
                }
            },
            _ => None,
        };
        let app = attempt.app.as_str();
        let Some(site) = may_enter else {
            self.store.answer(attempt.id, None, now).await?;
            tracing::info!(%app, attempt = attempt.id, email = attempt.email.masked(), "log-in by somebody unknown: no mail");
            self.metrics.logins.with_label_values(&[app, "unknown"]).inc();
            return Ok(true);
        };
        let token = Token::generate();
        let code = Code::of(&token);
        let link = format!("{}/.access/link/{}", attempt.origin, token.expose());
        let minutes = u32::try_from(current.login.lifetime.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
        let letter = login_letter(&site.domain.brand, &link, &code.expose(), minutes, attempt.host.as_str());
        let answer = Answer {
            link: token.hash(),
            code: code.seal(&self.code_key, attempt.browser),
            mail: OutgoingMail {
                to: attempt.email.to_string(),
                subject: letter.subject,
                text: letter.text,
                html: letter.html,
            },
            expires: attempt.expires,
        };
        self.store.answer(attempt.id, Some(&answer), now).await?;
        mailed.notify_one();
        self.metrics.logins.with_label_values(&[app, "mailed"]).inc();
        Ok(true)
    }
}
