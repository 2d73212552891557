//! Which language somebody is spoken to in: what they chose, else what the table says of them, else what their browser asks for.

use http::{HeaderMap, HeaderValue, header};

use super::sessions::Live;
use crate::session::chosen_language;
use crate::types::Language;

/// The languages that a browser asks for.
#[derive(Clone, Debug, Default)]
pub struct AskedLanguages {
    /// The one that was chosen in it, before anybody logged in.
    chosen: Option<Language>,
    /// What its settings ask for, as it says it: few requests come to be spoken to.
    accepted: Option<HeaderValue>,
}

impl AskedLanguages {
    /// What a request asks for.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self { chosen: chosen_language(headers), accepted: headers.get(header::ACCEPT_LANGUAGE).cloned() }
    }

    /// The language for whoever asks, with the session that they have, if any. What a person chose for themself counts for more
    /// than what was chosen in a browser that may be anybody's, and any choice for more than what others say of them.
    #[must_use]
    pub fn spoken(&self, live: Option<&Live>) -> Language {
        let own = live.and_then(|live| live.chosen_language.load().as_deref().copied());
        let said = live.and_then(|live| live.granted_language);
        own.or(self.chosen).or(said).or_else(|| self.accepted()).unwrap_or_default()
    }

    fn accepted(&self) -> Option<Language> {
        Language::from_accept_language(self.accepted.as_ref()?.to_str().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browsers_choice_comes_before_its_settings_and_what_cannot_be_read_counts_as_nothing() {
        for (cookie, field, expected) in [
            ("", "", Language::English),
            ("", "de", Language::German),
            ("__Host-access-language=bg", "de", Language::Bulgarian),
            ("a=b; __Host-access-language=es; c=d", "de", Language::Spanish),
            ("__Host-access-language=BG", "de", Language::German),
            ("__Host-access-language=bg-BG", "de", Language::German),
            ("__Host-access-language=", "de", Language::German),
            // Which of the two somebody planted cannot be told.
            ("__Host-access-language=bg; __Host-access-language=es", "de", Language::German),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(field));
            assert_eq!(AskedLanguages::of(&headers).spoken(None), expected, "{cookie} {field}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_bytes(b"de\xff").expect("a header may hold it"));
        assert_eq!(AskedLanguages::of(&headers).accepted(), None);
    }
}
