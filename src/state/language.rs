//! Which language somebody is spoken to in: what they chose, else what the table says of them, else what their browser asks for.

use http::{HeaderMap, header};

use super::sessions::Live;
use crate::session::chosen_language;
use crate::types::Language;

/// The languages that a browser asks for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AskedLanguages {
    /// The one that was chosen in it, before anybody logged in.
    pub chosen: Option<Language>,
    /// The one that its settings ask for.
    pub accepted: Option<Language>,
}

impl AskedLanguages {
    /// What a request asks for.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let field = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self { chosen: chosen_language(headers), accepted: field.and_then(Language::from_accept_language) }
    }

    /// The language for whoever asks, with the session that they have, if any. What a person chose for themself counts for more
    /// than what was chosen in a browser that may be anybody's, and any choice for more than what others say of them.
    #[must_use]
    pub fn spoken(self, live: Option<&Live>) -> Language {
        let own = live.and_then(|live| live.chosen_language.load().as_deref().copied());
        let said = live.and_then(|live| live.granted_language);
        own.or(self.chosen).or(said).or(self.accepted).unwrap_or_default()
    }
}
