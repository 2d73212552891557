//! Sends what the store has queued, and tries again until it is of no use.
//!
//! A mail is forgotten only after the next server took it over, or refused it for good, or its time was over. So it may go
//! out twice (when the power fails between the server's answer and ours), and is never lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::{self, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::state::clock::Clock;
use crate::state::mail_counters::MailCounters;
use crate::state::ports::{GateAnswer, MailEnd, MailError, MailGate, MailQueue, Mailer, QueuedMail, StoreError};
use crate::types::Email;

/// How many mails are under way at once.
const MOST_AT_ONCE: u32 = 4;
/// How long until the next try, by the number of tries before.
const BACK_OFF: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(10 * 60),
];
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// The longest the outbox sleeps; so a clock that was set back delays nothing for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How soon it looks again when it cannot tell what is due next, for a mail under way is still in the queue.
const SHORT_PAUSE: Duration = Duration::from_secs(1);
/// How long mails under way may take when the gateway stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs the outbox until `stop`: at the start, at each `wake` and when a mail is due, sends what is due.
///
/// Whoever queues a mail wakes it with `notify_one`. At the stop, mails under way get a moment to end; what does not is
/// still queued and goes out after the next start.
pub async fn run(
    store: Arc<dyn MailQueue>,
    mailer: Arc<dyn Mailer>,
    gate: Arc<dyn MailGate>,
    wake: Arc<Notify>,
    clock: Clock,
    counters: Arc<MailCounters>,
    stop: CancellationToken,
) {
    let now = Box::new(move || clock.now());
    Arc::new(Outbox { store, mailer, gate, counters, stop, now }).run(&wake).await;
}

struct Outbox {
    store: Arc<dyn MailQueue>,
    mailer: Arc<dyn Mailer>,
    gate: Arc<dyn MailGate>,
    counters: Arc<MailCounters>,
    stop: CancellationToken,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

/// What is known of a mail besides its content.
#[derive(Clone)]
struct Ticket {
    id: i64,
    tries: u32,
    expires: Timestamp,
    /// The recipient as logs may show it.
    to: String,
}

/// The mails under way, by their task.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    tickets: HashMap<task::Id, Ticket>,
}

impl Outbox {
    async fn run(self: Arc<Self>, wake: &Notify) {
        let mut under_way = UnderWay::default();
        while !self.stop.is_cancelled() {
            let pause = match self.start_due(&mut under_way).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "the outbox cannot be read");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = wake.notified() => {}
                Some(ended) = under_way.tasks.join_next_with_id() => self.note_end(&mut under_way, ended),
                () = sleep(pause) => {}
            }
        }
        let drained = timeout(DRAIN, async { while under_way.tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::info!(mails = under_way.tasks.len(), "mails under way stay queued until the next start");
        }
    }

    /// Starts what is due and has a free place; answers when to look again.
    async fn start_due(self: &Arc<Self>, under_way: &mut UnderWay) -> Result<Duration, StoreError> {
        if under_way.is_full() {
            return Ok(LONGEST_PAUSE);
        }
        let free = MOST_AT_ONCE.saturating_sub(u32::try_from(under_way.tickets.len()).unwrap_or(u32::MAX));
        // Those under way are still queued.
        let ids: Vec<i64> = under_way.tickets.values().map(|ticket| ticket.id).collect();
        for queued in self.store.mail_due((self.now)(), free, &ids).await? {
            self.start(queued, under_way);
        }
        if under_way.is_full() {
            return Ok(LONGEST_PAUSE);
        }
        let Some(next) = self.store.next_mail().await? else { return Ok(LONGEST_PAUSE) };
        let wait = Duration::try_from(next.duration_since((self.now)())).unwrap_or(Duration::ZERO);
        Ok(if wait.is_zero() { SHORT_PAUSE } else { wait.min(LONGEST_PAUSE) })
    }

    fn start(self: &Arc<Self>, queued: QueuedMail, under_way: &mut UnderWay) {
        let ticket = Ticket {
            id: queued.id,
            tries: queued.tries,
            expires: queued.expires,
            to: Email::parse(&queued.mail.to).map_or_else(|_| "***".to_owned(), |email| email.masked()),
        };
        let outbox = Arc::clone(self);
        under_way.spawn(ticket.clone(), async move { outbox.deliver(&ticket, &queued).await });
    }

    fn note_end(self: &Arc<Self>, under_way: &mut UnderWay, ended: Result<(task::Id, ()), task::JoinError>) {
        let (id, panicked) = match ended {
            Ok((id, ())) => (id, false),
            Err(error) => (error.id(), error.is_panic()),
        };
        let Some(ticket) = under_way.tickets.remove(&id) else { return };
        if panicked {
            // Put off like any other failure, or it would be tried again at once, for ever.
            let outbox = Arc::clone(self);
            under_way.spawn(ticket.clone(), async move { outbox.put_off(&ticket, "the mailer panicked").await });
        }
    }

    async fn deliver(&self, ticket: &Ticket, queued: &QueuedMail) {
        let Ticket { id, to, .. } = ticket;
        if (self.now)() >= ticket.expires {
            self.counters.note_expired();
            tracing::warn!(mail = id, to, tries = ticket.tries, "a mail could not be sent in time and is given up");
            return self.forget(*id, MailEnd::Failed).await;
        }
        // Asked at the last moment: a mail may have waited for days for its server.
        if let Some(notified) = queued.notified {
            match self.gate.ask(notified).await {
                GateAnswer::Pass => {}
                GateAnswer::Drop(unwanted) => {
                    tracing::info!(mail = id, to, ?unwanted, "a notification is not sent after all");
                    return self.forget(*id, MailEnd::Unwanted(unwanted)).await;
                }
                GateAnswer::Later(cause) => {
                    let next = self.later(ticket);
                    tracing::warn!(mail = id, to, cause, next = %next, "a notification is put off");
                    return self.insist(|| self.store.defer_mail(*id, next)).await;
                }
            }
        }
        match self.mailer.send(&queued.mail).await {
            Ok(()) => {
                if self.counters.note_sent() {
                    tracing::info!("mail goes out again");
                }
                tracing::info!(mail = id, to, tries = ticket.tries, "mail sent");
                self.forget(*id, MailEnd::Sent).await;
            }
            Err(MailError::Temporary(cause)) => self.put_off(ticket, &cause).await,
            Err(MailError::Permanent(cause)) => {
                if self.counters.note_refused(&cause, (self.now)()) {
                    tracing::warn!(cause, "the mail server refuses one mail after the other");
                }
                tracing::warn!(mail = id, to, cause, "a mail was refused and is given up");
                self.forget(*id, MailEnd::Failed).await;
            }
        }
    }

    async fn put_off(&self, ticket: &Ticket, cause: &str) {
        let Ticket { id, tries, to, .. } = ticket;
        let (now, next) = ((self.now)(), self.later(ticket));
        if self.counters.note_deferred(cause, now) {
            tracing::warn!(mail = id, to, cause, next = %next, "mail does not go out");
        } else {
            tracing::info!(mail = id, to, tries, cause, next = %next, "a mail is put off");
        }
        self.insist(|| self.store.defer_mail(*id, next)).await;
    }

    /// When to try again.
    fn later(&self, ticket: &Ticket) -> Timestamp {
        (self.now)().checked_add(back_off(ticket.tries)).unwrap_or(Timestamp::MAX).min(ticket.expires)
    }

    async fn forget(&self, id: i64, end: MailEnd) {
        self.insist(|| self.store.forget_mail(id, end)).await;
    }

    /// Repeats a change until the store takes it; meanwhile the mail counts as under way and is not sent again.
    async fn insist<Change>(&self, change: impl Fn() -> Change)
    where
        Change: Future<Output = Result<(), StoreError>>,
    {
        while let Err(error) = change().await {
            tracing::error!(%error, "the outbox cannot be written");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(STORE_PAUSE) => {}
            }
        }
    }
}

impl UnderWay {
    fn is_full(&self) -> bool {
        self.tickets.len() >= MOST_AT_ONCE as usize
    }

    fn spawn(&mut self, ticket: Ticket, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(work);
        self.tickets.insert(task.id(), ticket);
    }
}

/// How long to wait after a try, when there were so many before it.
fn back_off(tries: u32) -> Duration {
    let [.., last] = BACK_OFF;
    usize::try_from(tries).ok().and_then(|tries| BACK_OFF.get(tries)).copied().unwrap_or(last)
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
