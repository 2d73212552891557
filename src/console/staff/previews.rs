//! Previews: who looks through whose eyes just now, the end of that, and where one begins.

use axum::extract::{Extension, Form as Posted, Query, State};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::outline;
use super::{Room, ask, encode, failed, page, query, with_status};
use crate::config::AppKind;
use crate::console::ConsoleRoom;
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, Table, Tone};
use crate::state::snapshot::{Site, Snapshot};
use crate::state::visit::Visit;
use crate::types::AppName;

const SECTION: &str = "/previews";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Shown {
    cursor: String,
    done: String,
}

pub(super) async fn list(State(room): Room, Extension(visit): Extension<Visit>, Query(shown): Query<Shown>) -> Reply {
    let mut blocks = Vec::new();
    if shown.done == "ended" {
        let what = "The preview is over, with the session that it ran in. Whoever looked logs in to the app anew.";
        blocks.push(Block::Notice(Tone::Good, what.to_owned()));
    }
    let target = format!("/api/v1/sessions?previews=true&limit=100{}", query(&[("cursor", &shown.cursor)]));
    match ask(&room, &visit, Method::GET, &target, None).await {
        Ok(answer) => {
            let table = Table {
                caption: "Previews that run now".to_owned(),
                head: ["Who looks", "Through whose eyes", "For customer", "App", "At", "Until", "End"]
                    .map(Into::into)
                    .to_vec(),
                rows: outline::items(&answer).iter().map(row).collect(),
                empty: "Nobody looks through somebody else's eyes just now.",
                more: outline::more(&answer, "/previews?"),
            };
            blocks.push(Block::Table(table));
        }
        Err(failure) => blocks.push(failed(&failure)),
    }
    blocks.push(Block::Heading("Begin one".to_owned()));
    let doors = doors(&room, &visit);
    let what = match doors.is_empty() {
        true => {
            "You may preview no app: the config names those who may, in `preview` of `[[workspace.user]]` or `[[workspace.oidc.group]]`."
        }
        false => {
            "A preview begins in the app itself, in your session there: by one of these pages, or by “Preview as this person” on a person's page here. It reads only, and ends by itself."
        }
    };
    blocks.push(Block::Text(what.to_owned()));
    if !doors.is_empty() {
        blocks.push(Block::Facts(doors));
    }
    page(&visit, &ConsolePage { heading: "Previews".to_owned(), section: SECTION, blocks })
}

fn row(item: &Value) -> Vec<Cell> {
    let text = |name: &str| outline::text_of(item.get(name));
    let of = |name: &str| outline::text_of(item.get("preview").and_then(|preview| preview.get(name)));
    let (app, email) = (text("app"), of("email"));
    let person = format!("/people/{}?app={}{}", encode(&email), encode(&app), query(&[("customer", &of("customer"))]));
    vec![
        Cell::text(text("email")),
        Cell::link(person, email.clone()),
        Cell::text(of("customer")),
        Cell::text(app),
        Cell::text(text("domain")),
        Cell::text(of("until")),
        Cell::Button {
            action: "/previews/end".to_owned(),
            label: "End".to_owned(),
            about: format!("the preview of {} as {email}", text("email")),
            fields: vec![("id", text("id"))],
        },
    ]
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct End {
    id: String,
}

/// Ends the session that the preview runs in: to go on as oneself is for its person to ask.
pub(super) async fn end(State(room): Room, Extension(visit): Extension<Visit>, Posted(end): Posted<End>) -> Reply {
    let target = format!("/api/v1/sessions/{}", encode(&end.id));
    match ask(&room, &visit, Method::DELETE, &target, None).await {
        Ok(_) => Reply::see_other("/previews?done=ended"),
        Err(failure) => {
            let blocks = vec![failed(&failure), super::forms::back("/previews", "All previews")];
            let heading = "The preview was not ended".to_owned();
            with_status(&visit, failure.status, &ConsolePage { heading, section: SECTION, blocks })
        }
    }
}

/// The apps that whoever asks may preview, each with its page where that begins.
fn doors(room: &ConsoleRoom, visit: &Visit) -> Vec<(String, Cell)> {
    let current = room.current.load_full();
    let mut names: Vec<_> = current.apps().filter(|app| app.kind == AppKind::Proxied).map(|app| &app.name).collect();
    names.sort();
    let door = |name: &&AppName| {
        let to = begin(room, visit, &current, name, None)?;
        Some((name.to_string(), Cell::link(to.clone(), to)))
    };
    names.iter().filter_map(door).collect()
}

/// Where a preview of a person begins, if whoever asks may begin one.
pub(super) fn begin_as(room: &ConsoleRoom, visit: &Visit, app: &str, customer: &str, email: &str) -> Option<String> {
    let app = AppName::parse(app).ok()?;
    let customer = Some(customer).filter(|customer| !customer.is_empty());
    let page = begin(room, visit, &room.current.load_full(), &app, customer)?;
    Some(format!("{page}?q={}", encode(email)))
}

/// The page of previews at the domain of an app that fits: the customer's own, else one of all.
fn begin(
    room: &ConsoleRoom,
    visit: &Visit,
    snapshot: &Snapshot,
    app: &AppName,
    customer: Option<&str>,
) -> Option<String> {
    let live = visit.live.as_ref()?;
    let pinned = |site: &Site| site.domain.customer.as_ref().map(|customer| customer.as_str().to_owned());
    let fits = |site: &&std::sync::Arc<Site>| {
        site.app.name == *app && pinned(site).is_none_or(|pinned| Some(pinned.as_str()) == customer)
    };
    let sites = snapshot.configured().chain(snapshot.from_tables()).filter(fits);
    let site = sites.min_by_key(|site| (pinned(site).is_none(), site.domain.host.to_string()))?;
    if !site.app.enabled || !room.sessions.has_preview_right(site, &live.record) {
        return None;
    }
    let port = match room.notifications.https_port() {
        443 => String::new(),
        port => format!(":{port}"),
    };
    Some(format!("https://{}{port}/.access/preview", site.domain.host))
}
