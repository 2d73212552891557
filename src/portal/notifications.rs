//! What a person is notified of: the page where they choose, and the one behind "unsubscribe" in their mails.

use std::collections::BTreeMap;

use axum::extract::{Extension, Form, Path, Query, State};
use serde::Deserialize;

use super::{PortalRoom, Room, log_in_first, store_failed};
use crate::config::Topic;
use crate::pages::{self, Reply, TopicView, UnsubscribeView};
use crate::state::audit::Event;
use crate::state::notifications::{Switch, TokenProblem, Unsubscribe};
use crate::state::ports::StoreError;
use crate::state::visit::Visit;
use crate::types::{Email, TopicName};

const SETTINGS: &str = "/.access/notifications";

#[derive(Deserialize)]
pub(super) struct SavedQuery {
    #[serde(default)]
    saved: String,
}

/// Every topic of the app, with a box.
pub(super) async fn show(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Query(query): Query<SavedQuery>,
) -> Reply {
    let Some(live) = &visit.live else { return log_in_first(SETTINGS) };
    let record = &live.record;
    let off = match room.notifications.switched_off(&record.app, &record.email).await {
        Ok(off) => off,
        Err(cause) => return store_failed(&visit, &cause),
    };
    let topics: Vec<_> = visit
        .site
        .app
        .topics
        .iter()
        .map(|topic| TopicView {
            name: topic.name.as_str(),
            title: topic.title.in_language(visit.language),
            description: topic.description.as_ref().map(|text| text.in_language(visit.language)),
            on: !off.contains(&topic.name),
        })
        .collect();
    pages::notification_settings(visit.look(), record.email.as_str(), &topics, query.saved == "1")
}

/// Takes the boxes. Only topics that the form showed change: one that came into being meanwhile was not unticked by anybody.
pub(super) async fn save(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Form(form): Form<BTreeMap<String, String>>,
) -> Reply {
    let Some(live) = &visit.live else { return log_in_first(SETTINGS) };
    let chosen = |topic: &Topic| {
        form.contains_key(&format!("shown.{}", topic.name)).then(|| {
            let is_on = form.contains_key(&format!("on.{}", topic.name));
            (topic.name.clone(), if is_on { Switch::On } else { Switch::Off })
        })
    };
    let topics: Vec<_> = visit.site.app.topics.iter().filter_map(chosen).collect();
    match room.switch(&visit, &live.record.email, &topics).await {
        Ok(()) => Reply::see_other("/.access/notifications?saved=1"),
        Err(cause) => store_failed(&visit, &cause),
    }
}

/// Asks: a scanner that opens all links of a mail must not switch anything off.
pub(super) async fn ask(State(room): Room, Extension(visit): Extension<Visit>, Path(token): Path<String>) -> Reply {
    match room.notifications.unsubscribe(&token, &visit.site.app.name, visit.now) {
        Ok(Unsubscribe { email, topic, .. }) => {
            let (email, topic) = (email.masked(), title(&visit, &topic));
            pages::unsubscribe(visit.look(), UnsubscribeView::Asks { email: &email, topic: &topic, token: &token })
        }
        Err(problem) => refused(&visit, problem),
    }
}

/// Switches a topic off at once: it comes from the page above, or from a mail provider on behalf of its person, with neither
/// cookie nor origin (RFC 8058, section 3.2). The sealed token is its proof, so what the form holds does not matter.
pub(super) async fn unsubscribe(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Path(token): Path<String>,
) -> Reply {
    let Unsubscribe { email, topic, .. } = match room.notifications.unsubscribe(&token, &visit.site.app.name, visit.now)
    {
        Ok(meant) => meant,
        Err(problem) => return refused(&visit, problem),
    };
    match room.switch(&visit, &email, &[(topic.clone(), Switch::Off)]).await {
        Ok(()) => {
            let (email, topic) = (email.masked(), title(&visit, &topic));
            pages::unsubscribe(visit.look(), UnsubscribeView::Done { email: &email, topic: &topic })
        }
        Err(cause) => store_failed(&visit, &cause),
    }
}

fn refused(visit: &Visit, problem: TokenProblem) -> Reply {
    let view = match problem {
        TokenProblem::Wrong => UnsubscribeView::Wrong,
        TokenProblem::Ended => UnsubscribeView::Ended,
    };
    pages::unsubscribe(visit.look(), view)
}

/// A topic's title; its name, where config has it no longer.
fn title(visit: &Visit, name: &TopicName) -> String {
    let topic = visit.site.app.topics.iter().find(|topic| topic.name == *name);
    topic.map_or(name.as_str(), |topic| topic.title.in_language(visit.language)).to_owned()
}

impl PortalRoom {
    async fn switch(&self, visit: &Visit, email: &Email, topics: &[(TopicName, Switch)]) -> Result<(), StoreError> {
        let changed = self.notifications.switch(&visit.site.app.name, email, topics, visit.now).await?;
        for (topic, switch) in &changed {
            let event = match switch {
                Switch::On => Event::TopicSwitchedOn { email, topic },
                Switch::Off => Event::TopicSwitchedOff { email, topic },
            };
            self.journal.write(visit, &event);
        }
        Ok(())
    }
}
