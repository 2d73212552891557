//! How everything is, on one page.

use axum::extract::{Extension, State};

use super::{Room, moment, page};
use crate::config::AppKind;
use crate::console::assess;
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, Table, Tone};
use crate::state::health::ServerState;
use crate::state::visit::Visit;

pub(super) async fn show(State(room): Room, Extension(visit): Extension<Visit>) -> Reply {
    let mut blocks = Vec::new();
    let (is_ready, problems) = assess(&room).await;
    match (is_ready, problems.is_empty()) {
        (true, true) => blocks.push(Block::Notice(Tone::Good, "All is well.".to_owned())),
        (true, false) => {
            blocks.push(Block::Notice(Tone::Warning, "Requests are served, but not all is well.".to_owned()))
        }
        (false, _) => blocks.push(Block::Notice(Tone::Bad, "Requests cannot be served rightly.".to_owned())),
    }
    if !problems.is_empty() {
        let text =
            |problem: &serde_json::Value, name| problem.get(name).and_then(|value| value.as_str().map(Cell::text));
        let row = |problem: &serde_json::Value| {
            let empty = || Cell::text("");
            vec![text(problem, "part").unwrap_or_else(empty), text(problem, "problem").unwrap_or_else(empty)]
        };
        let rows = problems.iter().map(row).collect();
        let head = ["Part", "Problem"].map(Into::into).to_vec();
        blocks.push(Block::Table(Table {
            caption: "What is wrong".to_owned(),
            head,
            rows,
            empty: "Nothing.",
            more: None,
        }));
    }
    let standing = room.reloads.standing();
    blocks.push(Block::Facts(vec![
        ("Version".to_owned(), Cell::text(env!("CARGO_PKG_VERSION"))),
        ("Config in force since".to_owned(), Cell::link("/config", moment(standing.since))),
    ]));
    let current = room.current.load_full();
    let numbers = room.domains.numbers().await;
    let upstreams = (room.upstreams)();
    let mut apps: Vec<_> = current.apps().filter(|app| app.kind == AppKind::Proxied).collect();
    apps.sort_by(|one, other| one.name.cmp(&other.name));
    let rows = apps.into_iter().map(|app| {
        let of_app = numbers.domains.iter().filter(|((name, _), _)| name.as_ref() == Some(&app.name));
        let domains: u64 = of_app.map(|(_, count)| count).sum();
        let servers = upstreams.iter().find(|upstream| upstream.app == app.name);
        let servers = servers.map_or(&[][..], |upstream| &upstream.servers);
        let up = servers.iter().filter(|(_, state)| *state == ServerState::Up).count();
        let tone = match up {
            0 => Tone::Bad,
            up if up < servers.len() => Tone::Warning,
            _ => Tone::Good,
        };
        let open = if app.enabled { (Tone::Good, "open") } else { (Tone::Warning, "switched off") };
        vec![
            Cell::text(app.name.to_string()),
            Cell::State(open.0, open.1.to_owned()),
            Cell::link("/domains", domains.to_string()),
            Cell::State(tone, format!("{up} of {} up", servers.len())),
            Cell::text(app.policy.lists.iter().map(|list| list.name.as_str()).collect::<Vec<_>>().join(", ")),
            Cell::text(
                app.policy.roles.0.keys().map(|role| app.policy.roles.called(role)).collect::<Vec<_>>().join(", "),
            ),
        ]
    });
    let table = Table {
        caption: "Apps".to_owned(),
        head: ["App", "Customers", "Domains", "Servers", "Lists", "Roles"].map(Into::into).to_vec(),
        rows: rows.collect(),
        empty: "The config has no app.",
        more: None,
    };
    blocks.push(Block::Table(table));
    page(&visit, &ConsolePage { heading: "Overview".to_owned(), section: "/", blocks })
}
