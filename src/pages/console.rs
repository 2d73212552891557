//! The pages of the workspace team: every one of them is a heading and blocks, each a table, a list of facts, a form or a sentence.
//!
//! Pure, as all pages: the console says what stands in the blocks. They are in English, as the config and the command line are.

mod form;

use std::borrow::Cow;

use askama::Template;
use bytes::Bytes;
use http::StatusCode;

use super::dashboard::{DayView, DrawnChart, charts};
use super::style::Palette;
use super::{Brand, Look, Reply};
use crate::types::Language;

pub use form::{FieldKind, Form, FormField};

/// A part of the console, for the menu.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Section {
    /// Where it is.
    pub path: &'static str,
    /// What the menu calls it.
    pub name: &'static str,
}

/// What the menu offers.
pub const SECTIONS: [Section; 13] = [
    Section { path: "/", name: "Overview" },
    Section { path: "/domains", name: "Domains" },
    Section { path: "/sources", name: "Sources" },
    Section { path: "/people", name: "People" },
    Section { path: "/records", name: "Records" },
    Section { path: "/invitations", name: "Invitations" },
    Section { path: "/sessions", name: "Sessions" },
    Section { path: "/previews", name: "Previews" },
    Section { path: "/usage", name: "Usage" },
    Section { path: "/notify", name: "Notifications" },
    Section { path: "/audit", name: "Audit" },
    Section { path: "/config", name: "Config" },
    Section { path: "/tokens", name: "Tokens" },
];

/// A page.
#[derive(Clone, Debug, Default)]
pub struct ConsolePage {
    /// Its heading.
    pub heading: String,
    /// The menu's entry that it belongs to, by its path.
    pub section: &'static str,
    /// What stands on it, from top to bottom.
    pub blocks: Vec<Block>,
}

/// A part of a page.
#[derive(Clone, Debug)]
pub enum Block {
    /// A heading of its own.
    Heading(String),
    /// A sentence.
    Text(String),
    /// A sentence that must not be overlooked.
    Notice(Tone, String),
    /// Names and values.
    Facts(Vec<(String, Cell)>),
    /// Rows.
    Table(Table),
    /// Something to fill in.
    Form(Form),
    /// What was used, day by day.
    Charts(Charts),
    /// Text as it is, such as a diff.
    Verbatim(String),
}

/// What was used, day by day, as charts.
#[derive(Clone, Debug, Default)]
pub struct Charts {
    /// The days, the oldest first.
    pub days: Vec<DayView>,
    /// How many people there were on all of them together.
    pub active: u64,
}

/// Rows of cells.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What it is of, for who does not see it.
    pub caption: String,
    /// The columns.
    pub head: Vec<Cow<'static, str>>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// What is said where there is none.
    pub empty: &'static str,
    /// Where the rows go on.
    pub more: Option<String>,
}

/// What stands in a table's cell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// Text that leads somewhere.
    Link {
        /// Where to.
        href: String,
        /// The text.
        text: String,
    },
    /// A word for how something stands.
    State(Tone, String),
    /// A button that does something at once.
    Button {
        /// Where it posts to.
        action: String,
        /// What it says.
        label: String,
        /// What tells it from its neighbours, for who does not see them.
        about: String,
        /// What it sends.
        fields: Vec<(&'static str, String)>,
    },
}

/// How good or bad something is. The word beside it says it too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Neither.
    Plain,
    /// Worth a look.
    Warning,
    /// Bad.
    Bad,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Plain => "·",
            Self::Warning => "!",
            Self::Bad => "✕",
        }
    }
}

impl Cell {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A link.
    #[must_use]
    pub fn link(href: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Link { href: href.into(), text: text.into() }
    }
}

impl Table {
    /// The same without buttons, and without the columns that they make up.
    fn without_buttons(&mut self) {
        let has_button = |row: &Vec<Cell>, column| matches!(row.get(column), Some(Cell::Button { .. }));
        let kept: Vec<bool> =
            (0..self.head.len()).map(|column| !self.rows.iter().any(|row| has_button(row, column))).collect();
        let is_kept = |column: usize| kept.get(column).copied().unwrap_or(false);
        let mut column = 0..;
        self.head.retain(|_| column.next().is_some_and(is_kept));
        for row in &mut self.rows {
            let mut column = 0..;
            row.retain(|_| column.next().is_some_and(is_kept));
        }
    }
}

impl ConsolePage {
    /// The page for somebody who may only look: without whatever changes something.
    #[must_use]
    pub fn only_to_look_at(mut self) -> Self {
        self.blocks.retain(|block| !matches!(block, Block::Form(form) if !form.only_asks));
        for block in &mut self.blocks {
            match block {
                Block::Table(table) => table.without_buttons(),
                Block::Facts(facts) => facts.retain(|(_, cell)| !matches!(cell, Cell::Button { .. })),
                _ => {}
            }
        }
        self
    }

    /// Whether what was sent has something wrong in it: the title says so first, for who hears the page.
    fn has_problem(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, Block::Form(form) if form.has_problem()))
    }
}

#[derive(Template)]
#[template(path = "console/page.html")]
struct PageTemplate<'a> {
    brand: &'a Brand,
    page: &'a ConsolePage,
    who: &'a str,
    sections: &'a [Section],
}

impl PageTemplate<'_> {
    fn drawn(&self, shown: &Charts) -> Vec<DrawnChart> {
        charts(Look { brand: self.brand, language: Language::English }, &shown.days, shown.active)
    }
}

/// Renders a page, for a member of staff.
#[must_use]
pub fn console(status: StatusCode, brand: &Brand, who: &str, page: &ConsolePage) -> Reply {
    super::views::render(status, &PageTemplate { brand, page, who, sections: &SECTIONS })
}

#[derive(Template)]
#[template(path = "console/style.css", escape = "none")]
struct Stylesheet {
    light: Palette,
    dark: Palette,
}

/// The console's stylesheet.
#[must_use]
pub fn console_stylesheet(brand: &Brand) -> Reply {
    const MAX_AGE_SECONDS: u32 = 300;
    let css = Stylesheet { light: Palette::light((&brand.color).into()), dark: Palette::dark((&brand.color).into()) };
    let body = css.render().map_or_else(|_| Bytes::new(), Bytes::from);
    Reply::asset("text/css; charset=utf-8", body, MAX_AGE_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Color;

    #[test]
    fn whatever_stands_in_a_block_is_text() {
        let brand =
            Brand { title: "Console".to_owned(), logo: None, logo_dark: None, icon: None, color: Color::default() };
        let evil = "<script>alert(1)</script>\"'".to_owned();
        let field = |kind| {
            let field = FormField::line("a", evil.clone(), evil.clone()).of(kind).hint(evil.clone());
            FormField { problem: Some(evil.clone()), ..field }
        };
        let page = ConsolePage {
            heading: evil.clone(),
            section: "/people",
            blocks: vec![
                Block::Heading(evil.clone()),
                Block::Text(evil.clone()),
                Block::Notice(Tone::Bad, evil.clone()),
                Block::Facts(vec![(evil.clone(), Cell::link(evil.clone(), evil.clone()))]),
                Block::Verbatim(evil.clone()),
                Block::Table(Table {
                    caption: evil.clone(),
                    head: vec!["One".into()],
                    rows: vec![
                        vec![Cell::text(evil.clone())],
                        vec![Cell::State(Tone::Warning, evil.clone())],
                        vec![Cell::Button {
                            action: evil.clone(),
                            label: evil.clone(),
                            about: evil.clone(),
                            fields: vec![("b", evil.clone())],
                        }],
                    ],
                    empty: "None.",
                    more: Some(evil.clone()),
                }),
                Block::Form(Form::new(
                    evil.clone(),
                    evil.clone(),
                    vec![
                        field(FieldKind::Line),
                        field(FieldKind::Lines),
                        field(FieldKind::Check),
                        field(FieldKind::Hidden),
                        field(FieldKind::Choice(vec![(evil.clone(), evil.clone())])),
                    ],
                )),
            ],
        };
        let reply = console(StatusCode::OK, &brand, &evil, &page);
        let html = std::str::from_utf8(&reply.body).expect("UTF-8");
        assert!(!html.contains("<script>") && !html.contains("\"'"), "{html}");
        assert!(html.contains("aria-current=\"page\""));
    }

    #[test]
    fn who_may_only_look_gets_nothing_to_press() {
        let button = || Cell::Button {
            action: "/sessions/end".to_owned(),
            label: "End".to_owned(),
            about: "it".to_owned(),
            fields: Vec::new(),
        };
        let table = Table {
            head: vec!["Name".into(), "End".into()],
            rows: vec![vec![Cell::text("one"), button()], vec![Cell::text("two"), Cell::text("")]],
            ..Table::default()
        };
        let page = ConsolePage {
            blocks: vec![
                Block::Form(Form::new("/tokens", "Make it", Vec::new())),
                Block::Form(Form::search("/people", "Search", Vec::new())),
                Block::Table(table),
                Block::Facts(vec![("Again".to_owned(), button()), ("Name".to_owned(), Cell::text("one"))]),
            ],
            ..ConsolePage::default()
        };
        let [Block::Form(form), Block::Table(table), Block::Facts(facts)] = &page.only_to_look_at().blocks[..] else {
            panic!("the search, the table and the facts stay")
        };
        assert!(form.only_asks);
        assert_eq!((table.head.len(), table.rows[0].len(), table.rows[1].len()), (1, 1, 1));
        assert_eq!(facts.len(), 1);
    }

    #[test]
    fn a_table_without_rows_says_so() {
        let brand =
            Brand { title: "Console".to_owned(), logo: None, logo_dark: None, icon: None, color: Color::default() };
        let table =
            Table { caption: "People".to_owned(), head: vec!["Name".into()], empty: "Nobody yet.", ..Table::default() };
        let page = ConsolePage { blocks: vec![Block::Table(table)], ..ConsolePage::default() };
        let reply = console(StatusCode::OK, &brand, "ann@example.com", &page);
        let html = std::str::from_utf8(&reply.body).expect("UTF-8");
        assert!(html.contains("Nobody yet.") && !html.contains("<table"), "{html}");
    }
}
