//! The pages of the workspace team: every one of them is a heading and blocks, each a table, a list of facts, a form or a sentence.
//!
//! Pure, as all pages: the console says what stands in the blocks. They are in English, as the config and the command line are.

use askama::Template;
use bytes::Bytes;
use http::StatusCode;

use super::style::Palette;
use super::{Brand, Reply};

/// A part of the console, for the menu.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Section {
    /// Where it is.
    pub path: &'static str,
    /// What the menu calls it.
    pub name: &'static str,
}

/// What the menu offers.
pub const SECTIONS: [Section; 9] = [
    Section { path: "/", name: "Overview" },
    Section { path: "/domains", name: "Domains" },
    Section { path: "/sources", name: "Sources" },
    Section { path: "/people", name: "People" },
    Section { path: "/records", name: "Records" },
    Section { path: "/sessions", name: "Sessions" },
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
    /// Text as it is, such as a diff.
    Verbatim(String),
}

/// Rows of cells.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What it is of, for who does not see it.
    pub caption: String,
    /// The columns.
    pub head: Vec<&'static str>,
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

/// Something to fill in.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it goes to.
    pub action: String,
    /// Whether it only asks, and changes nothing.
    pub only_asks: bool,
    /// The fields.
    pub fields: Vec<FormField>,
    /// What its button says.
    pub submit: String,
}

/// One field.
#[derive(Clone, Debug)]
pub struct FormField {
    /// Its name, as sent.
    pub name: &'static str,
    /// Its label.
    pub label: String,
    /// What stands in it.
    pub value: String,
    /// What it takes.
    pub kind: FieldKind,
    /// A remark below it.
    pub hint: String,
}

/// What a field takes.
#[derive(Clone, Debug)]
pub enum FieldKind {
    /// A line.
    Line,
    /// Lines.
    Lines,
    /// One of these: the value that is sent, and what is shown.
    Choice(Vec<(String, String)>),
    /// Yes or no.
    Check,
    /// Nothing: it is sent as it is.
    Hidden,
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

impl Form {
    /// A form that changes something.
    #[must_use]
    pub fn new(action: impl Into<String>, submit: impl Into<String>, fields: Vec<FormField>) -> Self {
        Self { action: action.into(), only_asks: false, fields, submit: submit.into() }
    }

    /// A form that looks for something.
    #[must_use]
    pub fn search(action: impl Into<String>, submit: impl Into<String>, fields: Vec<FormField>) -> Self {
        Self { only_asks: true, ..Self::new(action, submit, fields) }
    }
}

impl FormField {
    /// A line with something in it.
    #[must_use]
    pub fn line(name: &'static str, label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name, label: label.into(), value: value.into(), kind: FieldKind::Line, hint: String::new() }
    }

    /// The same with another kind.
    #[must_use]
    pub fn of(self, kind: FieldKind) -> Self {
        Self { kind, ..self }
    }

    /// The same with a remark.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
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
        let field = |kind| FormField::line("a", evil.clone(), evil.clone()).of(kind).hint(evil.clone());
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
                    head: vec!["One"],
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
    fn a_table_without_rows_says_so() {
        let brand =
            Brand { title: "Console".to_owned(), logo: None, logo_dark: None, icon: None, color: Color::default() };
        let table =
            Table { caption: "People".to_owned(), head: vec!["Name"], empty: "Nobody yet.", ..Table::default() };
        let page = ConsolePage { blocks: vec![Block::Table(table)], ..ConsolePage::default() };
        let reply = console(StatusCode::OK, &brand, "ann@example.com", &page);
        let html = std::str::from_utf8(&reply.body).expect("UTF-8");
        assert!(html.contains("Nobody yet.") && !html.contains("<table"), "{html}");
    }
}
