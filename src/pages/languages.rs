//! The languages to choose from, a button each: small at the foot of the pages before log-in, and a part of the account page.
//!
//! Each stands in its own name, for who reads none of the page must still find it. Plain forms; nothing else is needed.

use askama::Template;
use askama::filters::HtmlSafe;

use super::Look;
use super::texts::Texts;
use crate::types::Language;

/// The page on which a language was chosen, to which the answer leads back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChosenOn {
    /// The log-in page.
    LogIn,
    /// The page that asks for the code.
    Check,
    /// The account page.
    Account,
}

impl ChosenOn {
    /// Its name in the form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogIn => "login",
            Self::Check => "check",
            Self::Account => "account",
        }
    }

    /// The page of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::LogIn, Self::Check, Self::Account].into_iter().find(|page| page.name() == name)
    }
}

#[derive(Template)]
#[template(path = "languages.html")]
pub(super) struct LanguagePicker<'a> {
    t: &'static Texts,
    page: ChosenOn,
    to: Option<&'a str>,
    choices: [LanguageChoice; Language::ALL.len()],
}

struct LanguageChoice {
    language: Language,
    current: bool,
}

/// True because its own template escapes every part.
impl HtmlSafe for LanguagePicker<'_> {}

impl<'a> LanguagePicker<'a> {
    /// The buttons of a page; `to` is where its person is going.
    pub(super) fn new(look: Look<'_>, page: ChosenOn, to: Option<&'a str>) -> Self {
        let choices = Language::ALL.map(|language| LanguageChoice { language, current: language == look.language });
        Self { t: look.texts(), page, to, choices }
    }
}
