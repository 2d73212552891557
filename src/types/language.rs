//! The languages that our pages and mails speak.

use std::fmt;

/// A language of our pages and mails.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Language {
    /// English, also for whoever reads none of the others.
    #[default]
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Bulgarian.
    Bulgarian,
}

impl Language {
    /// Every language there is, in the order in which they are offered.
    pub const ALL: [Self; 5] = [Self::English, Self::German, Self::French, Self::Spanish, Self::Bulgarian];

    /// How much of an `Accept-Language` is read: browsers send a few ranges, and only strangers send more.
    const MOST_BYTES: usize = 1024;
    const MOST_RANGES: usize = 32;

    /// Its code, as the `lang` attribute has it (BCP 47).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Bulgarian => "bg",
        }
    }

    /// Its name in itself, by which its own readers find it.
    #[must_use]
    pub const fn endonym(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::French => "Français",
            Self::Spanish => "Español",
            Self::Bulgarian => "Български",
        }
    }

    /// The language of a tag such as `de` or `de-AT`, by its primary subtag (RFC 5646, section 2.2.1). Tables write `de_AT` too.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// The language that a browser would rather have than the others, by the weights of its `Accept-Language` (RFC 9110, section
    /// 12.5.4); of two with the same weight, the one it names first. `None` where it wants none of ours.
    #[must_use]
    pub fn from_accept_language(field: &str) -> Option<Self> {
        if field.len() > Self::MOST_BYTES {
            return None;
        }
        let ranges = || field.split(',').take(Self::MOST_RANGES).filter_map(range);
        let named = |language: Self| ranges().find(|(tag, _)| Self::parse(tag) == Some(language));
        let mut best: Option<(Self, u16)> = None;
        for (tag, weight) in ranges() {
            // `*` stands for every language that has no range of its own; of those, ours is the first one.
            let language = match tag {
                "*" => Self::ALL.into_iter().find(|language| named(*language).is_none()),
                tag => Self::parse(tag),
            };
            if let Some(language) = language
                && weight > best.map_or(0, |(_, weight)| weight)
            {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }
}

/// A language range and its weight in thousandths. One that is malformed is none.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';');
    let tag = parts.next()?.trim();
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => {
            let (name, value) = parameter.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("q") {
                return None;
            }
            thousandths(value.trim())?
        }
    };
    (!tag.is_empty() && parts.next().is_none()).then_some((tag, weight))
}

/// A `qvalue` (RFC 9110, section 12.4.2): 0 or 1, with up to three digits behind the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let place = 3_u32.checked_sub(u32::try_from(digits.len()).ok()?)?;
    let part = digits.bytes().fold(0, |part, digit| part * 10 + u16::from(digit - b'0')) * 10_u16.pow(place);
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tag_counts_by_its_first_subtag() {
        for (tag, expected) in [
            ("de", Some(Language::German)),
            ("DE-at", Some(Language::German)),
            ("fr_CA", Some(Language::French)),
            (" bg ", Some(Language::Bulgarian)),
            ("es-419", Some(Language::Spanish)),
            ("en-GB-oed", Some(Language::English)),
            ("deu", None),
            ("d", None),
            ("", None),
            ("-de", None),
        ] {
            assert_eq!(Language::parse(tag), expected, "{tag:?}");
        }
    }

    #[test]
    fn the_heaviest_language_wins_and_the_first_of_equals() {
        for (field, expected) in [
            ("de-DE,de;q=0.9,en;q=0.8", Some(Language::German)),
            ("en;q=0.5, bg;q=0.7", Some(Language::Bulgarian)),
            ("nl, fr;q=0.4", Some(Language::French)),
            ("es, de", Some(Language::Spanish)),
            ("de;q=0, es;q=0.001", Some(Language::Spanish)),
            ("de;q=0", None),
            ("nl, pt-BR", None),
            ("*", Some(Language::English)),
            ("en;q=0, *", Some(Language::German)),
            ("de;q=0.3, *;q=0.1", Some(Language::German)),
            ("DE ; Q=1.000", Some(Language::German)),
            ("de;q=2, fr;q=-1, es;q=0.1234, bg;q=.5", None),
            ("de;q=1;x=y, fr;charset=utf-8", None),
            (",, ,de", Some(Language::German)),
            ("", None),
        ] {
            assert_eq!(Language::from_accept_language(field), expected, "{field:?}");
        }
    }

    #[test]
    fn a_field_that_goes_on_and_on_is_not_read() {
        assert_eq!(Language::from_accept_language(&format!("de,{}", "x".repeat(1024))), None);
        assert_eq!(Language::from_accept_language(&format!("{}de", "x,".repeat(32))), None);
    }

    proptest! {
        #[test]
        fn any_field_is_read_without_trouble(field in "\\PC{0,60}") {
            let _ = Language::from_accept_language(&field);
        }

        #[test]
        fn a_code_is_read_back(index in 0usize..5, region in "(-[A-Z]{2})?") {
            let language = Language::ALL[index];
            prop_assert_eq!(Language::parse(&format!("{language}{region}")), Some(language));
        }
    }
}
