//! Names that config and tables give to things.

use std::fmt;
use std::sync::Arc;

/// A text that may not be the name it should become.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not a {what}: {rule}")]
pub struct InvalidName {
    what: &'static str,
    rule: &'static str,
    text: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $most:literal, $is_valid:path, $rule:literal) => {
        $(#[$doc])*
        ///
        /// Copies share their text.
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Parses a ", $what, ".")]
            ///
            /// # Errors
            #[doc = concat!("When the text is not ", $rule, ".")]
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                if text.is_empty() || text.len() > $most || !$is_valid(text) {
                    let text = text.chars().take(80).collect();
                    return Err(InvalidName { what: $what, rule: $rule, text });
                }
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of an `[app.NAME]`.
    AppName, "app name", 64, is_slug, "letters, digits, `-` and `_`"
);
name!(
    /// The name of a role of an app.
    RoleName, "role name", 64, is_slug, "letters, digits, `-` and `_`"
);
name!(
    /// The name of a `[source.NAME]`.
    SourceName, "source name", 64, is_slug, "letters, digits, `-` and `_`"
);
name!(
    /// The name of a `[login.oidc.NAME]`.
    ProviderName,
    "provider name",
    64,
    is_provider,
    "letters, digits, `-` and `_`, and not `email`, `passkey` or `oidc`"
);
name!(
    /// The name of an `[app.NAME.topic.NAME]`.
    TopicName, "topic name", 64, is_slug, "letters, digits, `-` and `_`"
);
name!(
    /// The name of a column of a source's table.
    ColumnName, "column name", 128, is_printable, "1 to 128 characters without control characters"
);
name!(
    /// The name of a table or view in a source.
    TableName, "table name", 128, is_printable, "1 to 128 characters without control characters"
);
name!(
    /// A customer's key, as its table has it.
    CustomerId, "customer", 256, is_printable, "1 to 256 bytes without control characters"
);

impl CustomerId {
    /// The key for a log at info level: without a customer column it is the person's address, and then masked as that is.
    #[must_use]
    pub fn masked(&self) -> String {
        super::Email::parse(&self.0).map_or_else(|_| self.to_string(), |email| email.masked())
    }
}

/// Whether a character turns what stands around it the other way (Unicode Standard Annex 9, section 2): in a mail's sentence, a name with one
/// would change what the sentence says.
const fn turns(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_slug(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Providers stand beside the other ways in, so none may take their names.
fn is_provider(text: &str) -> bool {
    is_slug(text) && !matches!(text, "email" | "passkey" | "oidc")
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control) && text.trim() == text
}

/// A name for people to read: on one line, control characters and those that turn the direction of what follows gone, white space trimmed,
/// at most 200 characters.
///
/// It can hold anything else, so whoever shows it escapes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DisplayName(String);

impl DisplayName {
    const MOST_CHARACTERS: usize = 200;

    /// Tidies a text; `None` when nothing is left of it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        // A line break in a spreadsheet's cell parts two words, as a blank does.
        let words: Vec<&str> = text.split_whitespace().collect();
        let tidy = words.join(" ");
        let tidy: String =
            tidy.chars().filter(|letter| !letter.is_control() && !turns(*letter)).take(Self::MOST_CHARACTERS).collect();
        let tidy = tidy.trim();
        (!tidy.is_empty()).then(|| Self(tidy.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_refuse_what_they_cannot_be() {
        assert!(RoleName::parse("manager-2").is_ok());
        for wrong in ["", "a b", "a.b", "é", "a\n"] {
            assert!(RoleName::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(CustomerId::parse("Müller & Söhne").is_ok());
        for wrong in ["", " a", "a\r\nX-Access-Role: admin", "a\0"] {
            assert!(CustomerId::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn attack_09_a_name_does_not_turn_what_stands_around_it() {
        let name = |text: &str| DisplayName::new(text).map(|name| name.to_string());
        assert_eq!(name("Ann\u{202e}eeL"), Some("AnneeL".to_owned()));
        for mark in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert_eq!(name(&mark.to_string()), None, "{mark:?}");
        }
        // Names written from the right need none of them.
        assert_eq!(name("\u{5d0}\u{5e0}\u{5d4} \u{200f}Ann"), Some("\u{5d0}\u{5e0}\u{5d4} \u{200f}Ann".to_owned()));
    }

    #[test]
    fn a_display_name_loses_control_characters() {
        assert_eq!(DisplayName::new(" Ann\r\n Lee\0 ").expect("a name").as_str(), "Ann Lee");
        assert_eq!(DisplayName::new("Ann\nLee").expect("a name").as_str(), "Ann Lee");
        assert!(DisplayName::new("\r\n ").is_none());
    }
}
