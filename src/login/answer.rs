//! Answers log-in attempts: asks the table, and sends a mail to those who may enter.
//!
//! It runs apart from the request that asked, one attempt after the other, from the store: what was asked before a crash is
//! answered after it. Each app has two queues, one of browsers that its people have logged in with before and one of all others,
//! and what waits in one holds up no other. The newest attempt comes first: when more is asked for than may go out, whoever asked
//! a moment ago still sits before the page, and whoever asked long ago has gone or asked again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::LoginRoom;
use crate::pages::Look;
use crate::pages::mail::login_letter;
use crate::session::{Asker, Attempt, AttemptId, Code, Token};
use crate::state::audit::{Event, Scene};
use crate::state::clock::Clock;
use crate::state::ports::{Answer, OutgoingMail, StoreError, Unavailable};
use crate::state::snapshot::{Site, Snapshot};
use crate::types::{AppName, Language, Way};

/// How many attempts are taken up at a time.
const BATCH: u32 = 64;
/// How many of them are answered side by side, so that they wait for the disk together.
const SIDE_BY_SIDE: usize = 16;
/// How many attempts of one queue are looked at before the next has its turn.
const MOST_AT_A_TURN: u32 = 8 * BATCH;
/// When to look again for what could not be answered.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// A used-up quota is not asked more often than this.
const SOONEST: Duration = Duration::from_secs(1);

/// Answers attempts until it is stopped; wakes the outbox after each mail.
pub async fn run(room: Arc<LoginRoom>, mailed: Arc<tokio::sync::Notify>, clock: Clock, stop: CancellationToken) {
    let mut queues = Queues::default();
    loop {
        let look_again = match room.answer_all(&mut queues, &mailed, &|| clock.now()).await {
            Ok(look_again) => look_again,
            Err(error) => {
                tracing::error!(%error, "log-in attempts could not be answered; trying again");
                Some(LOOK_AGAIN)
            }
        };
        let wait = async {
            match look_again {
                Some(wait) => drop(tokio::time::timeout(wait, room.asked.notified()).await),
                None => room.asked.notified().await,
            }
        };
        if stop.run_until_cancelled(wait).await.is_none() {
            return;
        }
    }
}

/// What tells the time.
type Time<'a> = dyn Fn() -> Timestamp + Send + Sync + 'a;

/// What of each queue waits.
type Queues = HashMap<(AppName, Asker), Waits>;

/// Why the attempts of a queue wait, and until when they are left alone.
#[derive(Clone, Copy, Debug)]
enum Waits {
    /// The app has had its mails.
    ForQuota(Timestamp),
    /// Those up to a number wait for a table; newer ones may be of people whom it was asked about before.
    ForTable(Timestamp, AttemptId),
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Answered,
    WaitsForTable,
    WaitsForQuota(Duration),
}

/// Why it was not found out where somebody may enter.
#[derive(Debug, thiserror::Error)]
enum NotFound {
    #[error(transparent)]
    Table(#[from] Unavailable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LoginRoom {
    /// Gives every queue a turn; tells when to look again, where something waits.
    async fn answer_all(
        &self,
        queues: &mut Queues,
        mailed: &tokio::sync::Notify,
        time: &Time<'_>,
    ) -> Result<Option<Duration>, StoreError> {
        let apps: Vec<AppName> = self.current.load().apps().map(|app| app.name.clone()).collect();
        let mut look_again: Option<Duration> = None;
        for app in apps {
            for asker in [Asker::Known, Asker::Stranger] {
                let key = (app.clone(), asker);
                let (waits, soon) = self.answer_queue(&key, queues.get(&key).copied(), mailed, time).await?;
                let until = waits.map(|waits| match waits {
                    Waits::ForQuota(until) | Waits::ForTable(until, _) => {
                        Duration::try_from(until.duration_since(time())).unwrap_or_default()
                    }
                });
                look_again = [look_again, until, soon.then_some(Duration::ZERO)].into_iter().flatten().min();
                match waits {
                    Some(waits) => queues.insert(key, waits),
                    None => queues.remove(&key),
                };
            }
        }
        Ok(look_again)
    }

    /// Gives one queue its turn; tells what waits of it, and whether there is more that does not.
    async fn answer_queue(
        &self,
        (app, asker): &(AppName, Asker),
        waits: Option<Waits>,
        mailed: &tokio::sync::Notify,
        time: &Time<'_>,
    ) -> Result<(Option<Waits>, bool), StoreError> {
        let now = time();
        let (mut waits, down_to) = match waits {
            Some(Waits::ForQuota(until)) if now < until => return Ok((waits, false)),
            Some(Waits::ForTable(until, newest)) if now < until => (waits, newest),
            _ => (None, AttemptId::MIN),
        };
        let (mut before, mut newest, mut looked_at, mut answered) = (AttemptId::MAX, None, 0, 0);
        loop {
            let attempts = self.store.unanswered(app, *asker, before, BATCH).await?;
            let open: Vec<_> = attempts.iter().take_while(|attempt| attempt.id > down_to).collect();
            for some in open.chunks(SIDE_BY_SIDE) {
                for (attempt, outcome) in some.iter().zip(self.answer(some, mailed, time()).await?) {
                    before = attempt.id;
                    looked_at += 1;
                    let newest = *newest.get_or_insert(attempt.id);
                    match outcome {
                        Outcome::Answered => answered += 1,
                        Outcome::WaitsForTable => waits = Some(Waits::ForTable(later(now, LOOK_AGAIN), newest)),
                        Outcome::WaitsForQuota(wait) => {
                            return Ok((Some(Waits::ForQuota(later(now, wait.max(SOONEST)))), false));
                        }
                    }
                }
            }
            let is_all = attempts.last().is_none_or(|last| last.id <= down_to);
            if is_all || looked_at >= MOST_AT_A_TURN {
                return Ok((waits, !is_all && answered > 0));
            }
        }
    }

    /// Answers some attempts side by side; what waits for the quota ends them. Whatever is begun is done when this returns, be it
    /// with an error.
    async fn answer(
        &self,
        some: &[&Attempt],
        mailed: &tokio::sync::Notify,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        let current = self.current.load_full();
        let found = join_all(some.iter().map(|attempt| self.entrance(&current, attempt, now))).await;
        let (mut outcomes, mut replies) = (Vec::with_capacity(some.len()), Vec::with_capacity(some.len()));
        let mut failed = None;
        // The first of them has the first mail.
        for (&attempt, found) in some.iter().zip(found) {
            let entrance = match found {
                Ok(entrance) => entrance,
                Err(NotFound::Table(error)) => {
                    tracing::warn!(app = %attempt.app, attempt = attempt.id, %error, "a log-in waits for its table");
                    outcomes.push(Outcome::WaitsForTable);
                    continue;
                }
                Err(NotFound::Store(error)) => {
                    failed = Some(error);
                    break;
                }
            };
            let scene = Scene::background(&attempt.app, &attempt.host, now);
            if entrance.is_some()
                && let Err(wait) = self.limits.mail(scene, &attempt.app, attempt.asker)
            {
                outcomes.push(Outcome::WaitsForQuota(wait));
                break;
            }
            outcomes.push(Outcome::Answered);
            replies.push(self.reply(attempt, entrance, mailed, now));
        }
        let replied = join_all(replies).await.into_iter().collect::<Result<(), _>>();
        failed.map_or(replied, Err).map(|()| outcomes)
    }

    /// Where somebody may enter who asked by mail, if anywhere, and the language of their mail.
    async fn entrance<'a>(
        &self,
        current: &'a Snapshot,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<Option<(&'a Arc<Site>, Language)>, NotFound> {
        let Some(site) = current.place(&attempt.app, &attempt.host).filter(|site| site.app.enabled) else {
            return Ok(None);
        };
        // An address that a provider speaks for is mailed nothing, though nothing says so.
        if !site.app.ways.lets_in(&Way::Email, &attempt.email) || now >= attempt.expires {
            return Ok(None);
        }
        let Some(entrance) = self.sessions.entrance(site, &attempt.email, &[]).await? else { return Ok(None) };
        let chosen = self.store.language_of(&attempt.email).await?;
        Ok(Some((site, chosen.or(entrance.language).unwrap_or(attempt.language))))
    }

    /// Writes what an attempt is answered with. Until it stands in line for that it waits for nothing, so mails of several are queued
    /// in their order.
    async fn reply(
        &self,
        attempt: &Attempt,
        entrance: Option<(&Arc<Site>, Language)>,
        mailed: &tokio::sync::Notify,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let app = attempt.app.as_str();
        let scene = Scene::background(&attempt.app, &attempt.host, now);
        let Some((site, language)) = entrance else {
            self.store.answer(attempt.id, None, now).await?;
            self.journal.write(scene, &Event::LoginUnknown(&attempt.email));
            self.metrics.logins.with_label_values(&[app, "unknown"]).inc();
            return Ok(());
        };
        let token = Token::generate();
        let code = Code::of(&token);
        let link = format!("{}/.access/link/{}", attempt.origin, token.expose());
        let minutes = u32::try_from(self.current.load().login.lifetime.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
        let look = Look { brand: &site.domain.brand, language };
        let letter = login_letter(look, &link, &code.expose(), minutes, attempt.host.as_str());
        let answer = Answer {
            link: token.hash(),
            code: code.seal(&self.code_key, attempt.browser),
            mail: OutgoingMail {
                to: attempt.email.to_string(),
                subject: letter.subject,
                text: letter.text,
                html: letter.html,
                unsubscribe: None,
            },
            expires: attempt.expires,
        };
        self.store.answer(attempt.id, Some(&answer), now).await?;
        mailed.notify_one();
        self.journal.write(scene, &Event::LoginMailed(&attempt.email));
        self.metrics.logins.with_label_values(&[app, "mailed"]).inc();
        Ok(())
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
