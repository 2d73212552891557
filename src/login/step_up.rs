//! A stronger way: a person whose role asks for more than they came by proves themself once more, and goes on where they were.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Query, State};
use axum::routing::get;

use super::{LoginRoom, Room, ToQuery, store_failed};
use crate::config::Provider;
use crate::pages::{self, ProviderButton, Reply, StepUpView};
use crate::policy::Standing;
use crate::session::SessionRecord;
use crate::state::audit::Event;
use crate::state::visit::Visit;
use crate::types::{Requirement, Way};

/// The page.
pub(super) fn router() -> Router<Arc<LoginRoom>> {
    Router::new().route("/.access/step-up", get(show))
}

async fn show(State(room): Room, Extension(visit): Extension<Visit>, Query(query): Query<ToQuery>) -> Reply {
    let to = visit.return_path(&query.to);
    let Some(live) = &visit.live else {
        let to = percent_encoding::utf8_percent_encode(&to, percent_encoding::NON_ALPHANUMERIC);
        return Reply::see_other(&format!("/.access/login?to={to}"));
    };
    match &live.standing {
        Standing::Weak(requirement) => {
            let event = Event::StepUpAsked { email: &live.record.email, session: live.record.id };
            room.journal.write(&visit, &event);
            room.step_up_page(&visit, &live.record, requirement, &to).await
        }
        _ => Reply::see_other(&to),
    }
}

impl LoginRoom {
    /// Offers what would be enough, of all by which this person could come.
    async fn step_up_page(&self, visit: &Visit, record: &SessionRecord, wanted: &Requirement, to: &str) -> Reply {
        let ways = &visit.site.app.ways;
        let would_do = |way: &Way| wanted.allows(way) && ways.lets_in(way, &record.email);
        let mut has_passkey = false;
        let passkey_would_do = would_do(&Way::Passkey);
        if passkey_would_do {
            match self.store.passkeys_of(&visit.site.domain.host, &record.email).await {
                Ok(passkeys) => has_passkey = !passkeys.is_empty(),
                Err(error) => return store_failed(visit, &error),
            }
        }
        // The staff's provider has no button of its own; it is for those who came by it, or whose address is its to speak for.
        let is_theirs = |staff: &&Arc<Provider>| {
            record.links.iter().any(|link| link.provider == staff.name)
                || ways.home_of(&record.email).is_some_and(|home| home.name == staff.name)
        };
        let staff = ways.staff.iter().filter(|staff| !ways.providers.contains(staff)).filter(is_theirs);
        let providers: Vec<ProviderButton<'_>> = ways
            .providers
            .iter()
            .chain(staff)
            .filter(|provider| would_do(&Way::Oidc(provider.name.clone())))
            .map(|provider| self.button(provider))
            .collect();
        let view = StepUpView {
            email: record.email.as_str(),
            to,
            mail: would_do(&Way::Email),
            providers: &providers,
            passkey: has_passkey,
            add_passkey: passkey_would_do && !has_passkey,
        };
        pages::step_up(visit.look(), &view)
    }
}
