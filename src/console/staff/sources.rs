//! Sources and how each is.

use axum::extract::{Extension, State};

use super::{Room, moment, page};
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, Table, Tone};
use crate::state::health::{SourceHealth, SourceState};
use crate::state::visit::Visit;

pub(super) async fn list(State(room): Room, Extension(visit): Extension<Visit>) -> Reply {
    let row = |source: &SourceHealth| {
        let (tone, since) = match source.state {
            SourceState::Fresh => (Tone::Good, None),
            SourceState::Stale { since } => (Tone::Warning, Some(since)),
            SourceState::Down { since } => (Tone::Bad, Some(since)),
        };
        vec![
            Cell::text(source.name.to_string()),
            Cell::State(tone, source.state.name().to_owned()),
            Cell::text(since.filter(|since| since.as_second() > 0).map(moment).unwrap_or_default()),
            Cell::text(source.rows.map(|rows| rows.to_string()).unwrap_or_default()),
            Cell::text(source.refused_rows.to_string()),
            Cell::text(source.problem.clone().unwrap_or_default()),
        ]
    };
    let table = Table {
        caption: "Sources".to_owned(),
        head: ["Source", "State", "Since", "Rows", "Rows with something wrong", "Problem"].map(Into::into).to_vec(),
        rows: (room.sources)().iter().map(row).collect(),
        empty: "The config has no source.",
        more: None,
    };
    page(&visit, &ConsolePage { heading: "Sources".to_owned(), section: "/sources", blocks: vec![Block::Table(table)] })
}
