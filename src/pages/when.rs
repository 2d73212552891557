//! Dates, numbers and lists as each language writes them (Unicode CLDR has the forms).
//!
//! Pure: the moment and the time zone, which is the app's, are arguments.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::types::Language;

const GERMAN_MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];
const FRENCH_MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];
const SPANISH_MONTHS: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];
const BULGARIAN_MONTHS: [&str; 12] = [
    "януари",
    "февруари",
    "март",
    "април",
    "май",
    "юни",
    "юли",
    "август",
    "септември",
    "октомври",
    "ноември",
    "декември",
];

/// A day, such as "3 May 2026".
#[must_use]
pub fn day(language: Language, date: Date) -> String {
    let (year, day) = (date.year(), date.day());
    let month = |names: [&'static str; 12]| {
        usize::try_from(date.month() - 1).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
    };
    match language {
        Language::English => date.strftime("%-d %b %Y").to_string(),
        Language::German => format!("{day}.\u{a0}{} {year}", month(GERMAN_MONTHS)),
        Language::French if day == 1 => format!("1er\u{a0}{} {year}", month(FRENCH_MONTHS)),
        Language::French => format!("{day}\u{a0}{} {year}", month(FRENCH_MONTHS)),
        Language::Spanish => format!("{day} de {} de {year}", month(SPANISH_MONTHS)),
        Language::Bulgarian => format!("{day}\u{a0}{} {year}\u{a0}г.", month(BULGARIAN_MONTHS)),
    }
}

/// A day of these weeks, where there is little room, such as "3 May" or "3.5."; there the reader knows the year.
#[must_use]
pub fn day_of_month(language: Language, date: Date) -> String {
    let (day, month) = (date.day(), date.month());
    match language {
        Language::English => date.strftime("%-d %b").to_string(),
        Language::German => format!("{day}.{month}."),
        Language::French | Language::Spanish => format!("{day}/{month}"),
        Language::Bulgarian => format!("{day}.{month:02}"),
    }
}

/// A moment to the minute, such as "3 May 2026, 10:11".
#[must_use]
pub fn day_and_time(language: Language, moment: Timestamp, zone: &TimeZone) -> String {
    let moment = moment.to_zoned_datetime(zone.clone());
    let (day, time) = (day(language, moment.date()), moment.strftime("%H:%M"));
    match language {
        Language::English | Language::Spanish => format!("{day}, {time}"),
        Language::German => format!("{day}, {time}\u{a0}Uhr"),
        Language::French => format!("{day} à {time}"),
        Language::Bulgarian => format!("{day}, {time}\u{a0}ч."),
    }
}

/// A whole number, its thousands apart.
#[must_use]
pub fn number(language: Language, number: u64) -> String {
    let mark = match language {
        Language::English => ",",
        Language::German => ".",
        Language::French => "\u{202f}",
        // These leave four digits together.
        Language::Spanish if number < 10_000 => "",
        Language::Spanish => ".",
        Language::Bulgarian if number < 10_000 => "",
        Language::Bulgarian => "\u{a0}",
    };
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push_str(mark);
        }
        text.push(digit);
    }
    text
}

/// Names one after the other: "a, b and c".
#[must_use]
pub fn list(language: Language, names: &[&str]) -> String {
    let and = match (language, names.last()) {
        (Language::English, _) => "and",
        (Language::German, _) => "und",
        (Language::French, _) => "et",
        // Before the sound of an i, for two of them would run together.
        (Language::Spanish, Some(last)) if begins_with_i(last) => "e",
        (Language::Spanish, _) => "y",
        (Language::Bulgarian, _) => "и",
    };
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} {and} {last}", most.join(", ")),
    }
}

fn begins_with_i(word: &str) -> bool {
    let word = word.to_lowercase();
    let sound = word.strip_prefix('h').unwrap_or(&word);
    // In `hierba` the two letters are another sound.
    sound.starts_with(['i', 'í']) && !["ia", "ie", "io", "iu"].iter().any(|other| sound.starts_with(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_each_language_does_and_in_the_apps_zone() {
        let zone = TimeZone::get("Europe/Sofia").expect("a zone");
        let moment: Timestamp = "2026-05-31T22:05:59Z".parse().expect("a moment");
        for (language, expected) in [
            (Language::English, "1 Jun 2026, 01:05"),
            (Language::German, "1.\u{a0}Juni 2026, 01:05\u{a0}Uhr"),
            (Language::French, "1er\u{a0}juin 2026 à 01:05"),
            (Language::Spanish, "1 de junio de 2026, 01:05"),
            (Language::Bulgarian, "1\u{a0}юни 2026\u{a0}г., 01:05\u{a0}ч."),
        ] {
            assert_eq!(day_and_time(language, moment, &zone), expected);
        }
    }

    #[test]
    fn every_month_has_a_name_of_its_own() {
        for language in Language::ALL {
            let months: std::collections::BTreeSet<String> = (1..=12)
                .map(|month| day(language, jiff::civil::date(2026, month, 12)).replace(char::is_numeric, ""))
                .collect();
            assert_eq!(months.len(), 12, "{language}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (language, expected) in [
            (Language::English, ["0", "21", "999", "1,000", "12,345", "1,234,567"]),
            (Language::German, ["0", "21", "999", "1.000", "12.345", "1.234.567"]),
            (Language::French, ["0", "21", "999", "1\u{202f}000", "12\u{202f}345", "1\u{202f}234\u{202f}567"]),
            (Language::Spanish, ["0", "21", "999", "1000", "12.345", "1.234.567"]),
            (Language::Bulgarian, ["0", "21", "999", "1000", "12\u{a0}345", "1\u{a0}234\u{a0}567"]),
        ] {
            let found = [0, 21, 999, 1_000, 12_345, 1_234_567].map(|value| number(language, value));
            assert_eq!(found, expected, "{language}");
        }
        assert_eq!(number(Language::English, u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn the_last_of_a_list_is_joined_by_a_word() {
        let check = |language, names: &[&str], expected: &str| assert_eq!(list(language, names), expected);
        check(Language::English, &[], "");
        check(Language::English, &["Ann"], "Ann");
        check(Language::English, &["Ann", "Bea", "Cem"], "Ann, Bea and Cem");
        check(Language::German, &["Ann", "Bea"], "Ann und Bea");
        check(Language::French, &["Ann", "Bea"], "Ann et Bea");
        check(Language::Spanish, &["Ann", "Bea"], "Ann y Bea");
        check(Language::Spanish, &["Ann", "Inés"], "Ann e Inés");
        check(Language::Spanish, &["agua", "hierba"], "agua y hierba");
        check(Language::Bulgarian, &["Ann", "Bea"], "Ann и Bea");
    }
}
