//! Colour for terminals, and nothing but text for everything else.

use std::fmt::Display;
use std::io::IsTerminal as _;

use clap::builder::styling::{AnsiColor, Style};

/// Paints, or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    in_colour: bool,
}

impl Paint {
    /// Colour where stdout is a terminal that wants it (<https://no-color.org>).
    pub(super) fn for_stdout() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let refuses = set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb");
        Self { in_colour: std::io::stdout().is_terminal() && !refuses }
    }

    #[cfg(test)]
    pub(super) const fn plain() -> Self {
        Self { in_colour: false }
    }

    pub(super) fn title(self, text: impl Display) -> String {
        self.with(Style::new().bold(), text)
    }

    pub(super) fn good(self, text: impl Display) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    pub(super) fn bad(self, text: impl Display) -> String {
        self.with(AnsiColor::Red.on_default(), text)
    }

    pub(super) fn quiet(self, text: impl Display) -> String {
        self.with(Style::new().dimmed(), text)
    }

    fn with(self, style: Style, text: impl Display) -> String {
        if self.in_colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

/// Text of a table, fit for a terminal: a row must not move the cursor or change the title of the window.
pub(super) fn tame(text: &str) -> String {
    let mut tame = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            tame.extend(character.escape_default());
        } else {
            tame.push(character);
        }
    }
    tame
}

/// Marks that change the direction of text, or show nothing at all.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// At most so many characters, with a mark where some were cut off.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `1 app`, `2 apps`.
pub(super) fn count(number: impl TryInto<u64>, one: &str, several: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    if number == 1 { format!("1 {one}") } else { format!("{number} {several}") }
}
