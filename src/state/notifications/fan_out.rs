//! From a notification's people to their mails, a few at a time, in the background.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    Allowance, MAIL_IS_GOOD_FOR, Notifications, Notified, REMEMBERED_FOR, State, Switch, Turn, Unsubscribe, letter,
};
use crate::config::App;
use crate::policy::Grant;
use crate::state::ports::{GateAnswer, MailGate, OutgoingMail, StoreError, Unwanted};

/// How many mails of notifications lie in the outbox before their first try.
const AT_ONCE: u32 = 16;
/// How soon it is looked again whether the outbox has room.
const SHORT_PAUSE: Duration = Duration::from_millis(250);
/// The longest it sleeps, so that a clock that was set back delays nothing for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a store that failed, or tables that cannot be asked, are left alone.
const TROUBLE_PAUSE: Duration = Duration::from_secs(15);
/// How often old notifications are cleared out.
const CLEAR_EVERY: Duration = Duration::from_secs(3600);
/// What a person's day is.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether somebody may still have a mail.
enum Standing {
    /// They may, as the people of these grants.
    Yes(Arc<App>, Vec<Arc<Grant>>),
    No,
    /// Nobody can tell now.
    Unclear(String),
}

impl Notifications {
    /// Turns people into mails until it is told to stop. It must run once only: two would not send anything twice, but would be
    /// in each other's way.
    pub async fn run(self: Arc<Self>, halt: CancellationToken) {
        let mut cleared: Option<Timestamp> = None;
        loop {
            let now = self.parts.clock.now();
            let pause = match self.round(now).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "notifications cannot be sent");
                    TROUBLE_PAUSE
                }
            };
            if cleared.is_none_or(|cleared| {
                Duration::try_from(now.duration_since(cleared)).is_ok_and(|since| since >= CLEAR_EVERY)
            }) {
                cleared = Some(now);
                let before = now.checked_sub(REMEMBERED_FOR).unwrap_or(Timestamp::MIN);
                if let Err(error) = self.parts.store.forget_notifications(before).await {
                    tracing::warn!(%error, "old notifications could not be cleared out");
                }
            }
            tokio::select! {
                () = halt.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Does what can be done now; answers when to look again.
    async fn round(&self, now: Timestamp) -> Result<Duration, StoreError> {
        loop {
            let people = self.parts.store.their_turn(now, AT_ONCE).await?;
            if people.is_empty() {
                let Some(next) = self.parts.store.next_turn().await? else { return Ok(LONGEST_PAUSE) };
                let wait = Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO);
                return Ok(wait.clamp(SHORT_PAUSE, LONGEST_PAUSE));
            }
            let mut turns = Vec::with_capacity(people.len());
            for person in people {
                let turn = self.turn(&person, now).await;
                turns.push((person, turn));
            }
            let allowance = Allowance {
                most: self.parts.current.load().notifications_per_person,
                since: now.checked_sub(DAY).unwrap_or(Timestamp::MIN),
            };
            let states = self.parts.store.take_turns(&turns, allowance, now).await?;
            for ((person, _), state) in turns.iter().zip(&states) {
                if *state != State::Waiting {
                    let labels = [person.notification.app.as_str(), state.name()];
                    self.parts.metrics.notified.with_label_values(&labels).inc();
                }
            }
            if states.contains(&State::Queued) {
                self.parts.mailed.notify_one();
            }
        }
    }

    /// What is to become of one person.
    async fn turn(&self, person: &Notified, now: Timestamp) -> Turn {
        let last = person.notification.created.checked_add(MAIL_IS_GOOD_FOR).unwrap_or(Timestamp::MAX);
        if last <= now {
            return Turn::Ends(State::Failed);
        }
        let (app, grants) = match self.standing(person).await {
            Standing::Yes(app, grants) => (app, grants),
            Standing::No => return Turn::Ends(State::Gone),
            Standing::Unclear(cause) => {
                tracing::warn!(app = %person.notification.app, cause, "whom to notify cannot be told");
                return Turn::Later(now.checked_add(TROUBLE_PAUSE).unwrap_or(Timestamp::MAX).min(last));
            }
        };
        match self.mail(person, &app, &grants, now).await {
            Ok(Some(mail)) => Turn::Mail(Box::new(mail)),
            Ok(None) => Turn::Ends(State::Failed),
            Err(error) => {
                tracing::warn!(%error, "a notification cannot be written");
                Turn::Later(now.checked_add(TROUBLE_PAUSE).unwrap_or(Timestamp::MAX).min(last))
            }
        }
    }

    /// Whether somebody is still one whom the notification is for.
    async fn standing(&self, person: &Notified) -> Standing {
        let notification = &person.notification;
        let snapshot = self.parts.current.load_full();
        let Some(app) = snapshot.app(&notification.app) else { return Standing::No };
        if app.topics.iter().all(|topic| topic.name != notification.topic) {
            return Standing::No;
        }
        let known = match self.parts.directory.known(&app.name, &person.email).await {
            Ok(known) => known,
            Err(error) => return Standing::Unclear(error.to_string()),
        };
        let is_meant = |grant: &&Arc<Grant>| match notification.recipients.customer() {
            Some(customer) => grant.customer_id() == Some(customer),
            // Staff are nobody's people.
            None => grant.customer.is_some(),
        };
        let grants: Vec<_> = known.grants.iter().filter(is_meant).cloned().collect();
        match (grants.is_empty(), &known.missing) {
            (false, _) => Standing::Yes(Arc::clone(app), grants),
            (true, None) => Standing::No,
            (true, Some(missing)) => Standing::Unclear(missing.to_string()),
        }
    }

    async fn mail(
        &self,
        person: &Notified,
        app: &App,
        grants: &[Arc<Grant>],
        now: Timestamp,
    ) -> Result<Option<OutgoingMail>, StoreError> {
        let snapshot = self.parts.current.load_full();
        let Some(domain) = letter::home(&snapshot, app, grants) else { return Ok(None) };
        let unsubscribe = Unsubscribe {
            app: app.name.clone(),
            email: person.email.clone(),
            topic: person.notification.topic.clone(),
        };
        let Some(token) = unsubscribe.seal(&self.parts.seal, now) else { return Ok(None) };
        let origin = letter::origin(&domain.host, self.https_port());
        let language = self.language(person, grants).await?;
        Ok(letter::write(person, app, &domain, language, &origin, &token))
    }
}

#[async_trait]
impl MailGate for Notifications {
    async fn ask(&self, notified: i64) -> GateAnswer {
        // A place in the outbox is about to be free.
        self.wake.notify_one();
        let (person, switch) = match self.parts.store.notified(notified).await {
            Ok(Some(found)) => found,
            // So old that it was cleared out.
            Ok(None) => return GateAnswer::Drop(Unwanted::Gone),
            Err(error) => return GateAnswer::Later(error.to_string()),
        };
        let unwanted = match (switch, self.standing(&person).await) {
            (Switch::Off, _) => Unwanted::SwitchedOff,
            (Switch::On, Standing::No) => Unwanted::Gone,
            (Switch::On, Standing::Yes(..)) => return GateAnswer::Pass,
            (Switch::On, Standing::Unclear(cause)) => return GateAnswer::Later(cause),
        };
        let labels = [person.notification.app.as_str(), "unsent"];
        self.parts.metrics.notified.with_label_values(&labels).inc();
        GateAnswer::Drop(unwanted)
    }
}
