//! Becoming an organisation of one's own.

use axum::extract::{Extension, Form, State};

use super::super::Room;
use super::{Desk, can_leave};
use crate::pages::Reply;
use crate::pages::team::{
    FieldProblem, FollowerView, IndependentView, ask_independent, independent, independent_done, independent_not,
};
use crate::policy::PortalRight;
use crate::session::{CookieName, setting};
use crate::state::audit::Event;
use crate::state::members::Record;
use crate::state::people::Refused;
use crate::state::visit::Visit;
use crate::types::DisplayName;

/// The longest name of an organisation, in characters.
const MOST_CHARACTERS: usize = 200;

pub(super) async fn show(State(room): Room, Extension(visit): Extension<Visit>) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let people = desk.followers(&[]).await?;
    Ok(desk.independent_page("", None, people, false))
}

/// Asks once more or, asked once more, does it.
pub(super) async fn go(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Reply, Reply> {
    let desk = Desk::of(&room, &visit)?;
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let chosen: Vec<&str> = pairs.iter().filter(|(key, _)| key == "record").map(|(_, value)| value.as_str()).collect();
    let people = desk.followers(&chosen).await?;
    let typed: String = value("name").chars().take(2 * MOST_CHARACTERS).collect();
    let (name, problem) = match DisplayName::new(&typed) {
        None => (None, Some(FieldProblem::Missing)),
        Some(_) if typed.chars().count() > MOST_CHARACTERS => (None, Some(FieldProblem::TooLong)),
        Some(name) => (Some(name), None),
    };
    let is_stale = people.iter().filter(|person| person.chosen).count() < chosen.len();
    let (Some(name), false) = (name, is_stale) else {
        return Ok(desk.independent_page(&typed, problem, people, is_stale));
    };
    if value("change") == "1" {
        return Ok(desk.independent_page(name.as_str(), None, people, false));
    }
    if value("sure") != "1" {
        let view = IndependentView {
            customer: desk.customer_name(),
            name: name.as_str(),
            problem: None,
            people,
            is_stale: false,
        };
        return Ok(ask_independent(visit.look(), &view));
    }
    let records: Vec<i64> = chosen.iter().filter_map(|id| id.split_once('-')?.0.parse().ok()).collect();
    let whom = desk.whom(&desk.live.record.email);
    let founded = match room.team.found(desk.hand(), whom, &name, &records).await {
        Ok(founded) => founded,
        Err(Refused::Stale) => return Ok(desk.independent_page(name.as_str(), None, people, true)),
        Err(Refused::TableWins(_)) => return Ok(independent_not(visit.look(), desk.customer_name())),
        Err(refused) => return Ok(desk.refused(&refused)),
    };
    let page = independent_done(visit.look(), name.as_str(), desk.customer_name());
    // Another customer is another session. Should that fail, the old one has nothing any more, and the next log-in leads on.
    Ok(match room.sessions.switch(desk.live, founded.customer.clone(), visit.now).await {
        Ok(Some(session)) => {
            let (email, customer) = (&desk.live.record.email, &founded.customer);
            room.journal.write(&visit, &Event::CustomerChosen { email, session: session.hash(), customer });
            let lifetime = room.current.load().session.absolute.as_secs();
            page.with_cookie(setting(CookieName::Session, &session, lifetime))
        }
        Ok(None) => page,
        Err(cause) => {
            tracing::warn!(%cause, request_id = visit.request_id, "a session could not go on for the new organisation");
            page
        }
    })
}

impl Desk<'_> {
    /// Who could go along, those whose ids were posted chosen.
    async fn followers(&self, chosen: &[&str]) -> Result<Vec<FollowerView>, Reply> {
        self.needs(PortalRight::Independent)?;
        if !can_leave(self.visit, self.grant) {
            return Err(independent_not(self.visit.look(), self.customer_name()));
        }
        let records = self.room.team.may_go_over(self.hand(), self.whom(&self.live.record.email)).await;
        let records = records.map_err(|refused| self.refused(&refused))?;
        Ok(records.iter().map(|record| follower(record, chosen)).collect())
    }

    fn independent_page(
        &self,
        name: &str,
        problem: Option<FieldProblem>,
        people: Vec<FollowerView>,
        is_stale: bool,
    ) -> Reply {
        let view = IndependentView { customer: self.customer_name(), name, problem, people, is_stale };
        independent(self.visit.look(), &view)
    }
}

/// With the version in its id: a record that was changed meanwhile is not the one that was chosen.
fn follower(record: &Record, chosen: &[&str]) -> FollowerView {
    let id = format!("{}-{}", record.id, record.version);
    let email = record.entry.email.to_string();
    FollowerView {
        chosen: chosen.contains(&id.as_str()),
        name: record.entry.name().map_or_else(|| email.clone(), |name| name.to_string()),
        id,
        email,
    }
}
