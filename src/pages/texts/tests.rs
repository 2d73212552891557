//! Every language at once: what must hold for each text.
//!
//! The texts are read as `Debug` shows them, and so is what somebody adds later, in a group of its own or to one that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;

/// Texts that may be the same as in English, for so the words are in that language too.
const MAY_BE_AS_IN_ENGLISH: &[(&str, &str)] = &[
    ("de", "problem_title"),
    ("de", "link.code"),
    ("de", "account.name"),
    ("de", "passkey.name"),
    ("de", "passkey.unnamed"),
    ("de", "passkey.heading"),
    ("de", "team.list.heading"),
    ("de", "team.list.person"),
    ("de", "team.many.who"),
    ("fr", "dashboard.page"),
    ("fr", "notifications.heading"),
    ("fr", "team.list.pages"),
    ("fr", "team.field.note"),
    ("fr", "team.member.invitation_heading"),
];

/// A text with a number in it.
type Counting = fn(&Texts, u32) -> String;

/// Each text with a number in it, by its path.
const COUNTING: &[(&str, Counting)] = &[
    ("login.too_many", |t, n| (t.login.too_many)(n)),
    ("check.valid", |t, n| (t.check.valid)(n)),
    ("check.wrong", |t, n| (t.check.wrong)(n)),
    ("check.too_many", |t, n| (t.check.too_many)(n)),
    ("mail.valid", |t, n| (t.mail.valid)(n)),
    ("team.list.found", |t, n| (t.team.list.found)(n)),
    ("team.person.days", |t, n| (t.team.person.days)(n)),
    ("team.many.would", |t, n| (t.team.many.would)(n)),
    ("team.many.invited", |t, n| (t.team.many.invited)(n)),
    ("team.many.known", |t, n| (t.team.many.known)(n)),
    ("team.many.not_invited", |t, n| (t.team.many.not_invited)(n)),
    ("team.many.go", |t, n| (t.team.many.go)(n)),
    ("team.independent.go_over", |t, n| (t.team.independent.go_over)(n)),
    ("team.mail.parted_over", |t, n| (t.team.mail.parted_over)(n)),
    ("preview.left", |t, n| (t.preview.left)(n)),
];

/// What is made of something else than a number; each has a test of its own below.
const OTHER_FUNCTIONS: &[&str] = &["error", "reason", "team.person.left"];

/// The names of reasons, and one that is none.
const REASONS: &[&str] = &["no-grant", "other-customer", "hidden-field", "cannot-filter", "cannot-preview", "rule"];

/// The texts of a language by their paths, such as `login.lead`; nothing for what is a function.
fn flat(language: Language) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    let mut groups: Vec<String> = Vec::new();
    for line in format!("{:#?}", Texts::of(language)).lines().skip(1) {
        let line = line.trim().trim_end_matches(',');
        if line == "}" {
            groups.pop();
            continue;
        }
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("not a field: {line}"));
        if value.ends_with('{') {
            groups.push(name.to_owned());
            continue;
        }
        let path = groups.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
        let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(unescape);
        found.insert(path, text);
    }
    assert!(groups.is_empty() && found.len() > 100, "{found:?}");
    found
}

/// What `Debug` escaped.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match (character, character == '\\') {
            (_, false) => plain.push(character),
            _ => match rest.next() {
                Some('u') => {
                    let digits: String = rest.by_ref().skip(1).take_while(|digit| *digit != '}').collect();
                    plain.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
                }
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
        }
    }
    plain
}

/// The words in braces.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

/// Every text that a language has, whatever makes it.
fn everything(language: Language) -> Vec<(String, String)> {
    let t = Texts::of(language);
    let mut all: Vec<(String, String)> =
        flat(language).into_iter().filter_map(|(path, text)| Some((path, text?))).collect();
    for (path, text) in COUNTING {
        all.extend([0, 1, 2, 5, 21].map(|number| ((*path).to_owned(), text(t, number))));
    }
    for status in 400..600 {
        let error = (t.error)(StatusCode::from_u16(status).expect("a status"));
        all.extend(
            [error.heading, error.happened, error.next].map(|text| (format!("error.{status}"), text.to_owned())),
        );
    }
    all.extend(REASONS.iter().map(|name| (format!("reason.{name}"), t.reason(name).to_owned())));
    all
}

#[test]
fn no_text_is_missing_empty_or_left_in_english() {
    let english = flat(Language::English);
    for language in Language::ALL {
        assert_eq!(Texts::of(language).language, language.code());
        let texts = flat(language);
        assert!(texts.keys().eq(english.keys()), "{language} has other texts than English");
        for (path, text) in &texts {
            let Some(text) = text else { continue };
            assert!(!text.is_empty() && text.trim() == text && !text.contains("  "), "{language} {path}: {text:?}");
            let may_be = path == "language" || MAY_BE_AS_IN_ENGLISH.contains(&(language.code(), path));
            let is_left = language != Language::English && Some(text) == english[path].as_ref();
            assert!(!is_left || may_be, "{language} {path} is the English text: {text}");
        }
    }
    for (code, path) in MAY_BE_AS_IN_ENGLISH {
        let language = Language::parse(code).expect("a language");
        assert_eq!(flat(language)[*path], english[*path], "{code} {path} need not be on the list any more");
    }
}

#[test]
fn the_words_in_braces_are_the_same_in_each_language() {
    let english = flat(Language::English);
    for (language, (path, text)) in
        Language::ALL.into_iter().flat_map(|language| flat(language).into_iter().map(move |text| (language, text)))
    {
        let (Some(text), Some(Some(original))) = (text, english.get(&path)) else { continue };
        assert_eq!(placeholders(&text), placeholders(original), "{language} {path}: {text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count(), "{language} {path}: {text}");
    }
}

#[test]
fn every_function_is_known_to_these_tests() {
    let found: BTreeSet<String> =
        flat(Language::English).into_iter().filter_map(|(path, text)| text.is_none().then_some(path)).collect();
    let known: BTreeSet<String> =
        COUNTING.iter().map(|(path, _)| *path).chain(OTHER_FUNCTIONS.iter().copied()).map(str::to_owned).collect();
    assert_eq!(found, known, "name a text with a number in `COUNTING`");
}

#[test]
fn a_number_has_its_plural() {
    for (path, text) in COUNTING {
        let english = [0, 1, 2, 5, 21].map(|number| text(Texts::of(Language::English), number));
        for language in Language::ALL {
            let texts = [0, 1, 2, 5, 21].map(|number| text(Texts::of(language), number));
            let [_, one, two, five, many] = &texts;
            assert!(one != two && !one.contains('2'), "{language} {path}: {texts:?}");
            // Of the five languages, none has a form of its own for few, or for what ends in one.
            assert_eq!(&two.replace('2', "5"), five, "{language} {path}");
            assert_eq!(&five.replace('5', "21"), many, "{language} {path}");
            assert!(
                language == Language::English || texts.iter().all(|text| !english.contains(text)),
                "{language} {path}"
            );
        }
    }
    for (language, expected) in [
        (Language::English, ["one try left", "2 tries left"]),
        (Language::German, ["einen Versuch", "2 Versuche"]),
        (Language::French, ["un essai", "2 essais"]),
        (Language::Spanish, ["queda un intento", "quedan 2 intentos"]),
        (Language::Bulgarian, ["Остава Ви един опит", "Остават Ви 2 опита"]),
    ] {
        let wrong = Texts::of(language).check.wrong;
        assert!(wrong(1).contains(expected[0]) && wrong(2).contains(expected[1]), "{language}");
    }
}

#[test]
fn every_error_says_what_happened_and_what_to_do() {
    for language in Language::ALL {
        for status in 400..600 {
            let of = |language| (Texts::of(language).error)(StatusCode::from_u16(status).expect("a status"));
            let (texts, english) = (of(language), of(Language::English));
            for text in [texts.happened, texts.next] {
                assert!(text.ends_with('.'), "{language} {status}: {text}");
            }
            assert!(!texts.heading.is_empty() && !texts.heading.ends_with('.'), "{language} {status}");
            let is_own =
                [(texts.heading, english.heading), (texts.happened, english.happened), (texts.next, english.next)];
            assert!(
                language == Language::English || is_own.iter().all(|(own, english)| own != english),
                "{language} {status}"
            );
        }
    }
}

#[test]
fn every_reason_has_a_sentence_of_its_own() {
    for language in Language::ALL {
        let sentences: BTreeSet<&str> = REASONS.iter().map(|name| Texts::of(language).reason(name)).collect();
        assert_eq!(sentences.len(), REASONS.len(), "{language}");
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')), "{language}");
    }
    let all: BTreeSet<&str> = Language::ALL
        .into_iter()
        .flat_map(|language| REASONS.iter().map(move |name| Texts::of(language).reason(name)))
        .collect();
    assert_eq!(all.len(), REASONS.len() * Language::ALL.len());
}

#[test]
fn french_spaces_stand_before_its_marks() {
    for (path, text) in everything(Language::French) {
        for (at, mark) in text.char_indices().filter(|(_, character)| [':', ';', '!', '?'].contains(character)) {
            let before = text[..at].chars().next_back();
            let wanted = if mark == ':' { '\u{a0}' } else { '\u{202f}' };
            assert_eq!(before, Some(wanted), "{path}: {text:?}");
        }
        assert!(!text.contains('\''), "an apostrophe is ’: {path}: {text}");
    }
}

#[test]
fn each_language_keeps_to_its_letters() {
    let cyrillic = |character: char| ('\u{400}'..='\u{4ff}').contains(&character);
    for language in Language::ALL {
        for (path, text) in everything(language) {
            let plain = fill(&text, &[]);
            match language {
                // Names of things, such as JavaScript, keep theirs; a letter that only looks like one of ours would not be found.
                Language::Bulgarian => {
                    for word in plain.split(|character: char| !character.is_alphabetic()) {
                        let count = word.chars().filter(|character| cyrillic(*character)).count();
                        assert!(count == 0 || count == word.chars().count(), "{path}: {word} in {text}");
                    }
                }
                _ => assert!(!plain.chars().any(cyrillic), "{language} {path}: {text}"),
            }
        }
    }
}

/// Every source and template of our pages but the texts themselves and the tests.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is part of the project") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            match path.is_dir() {
                true if name != "texts" => folders.push(path),
                false if !name.contains("tests") => {
                    found.push(std::fs::read_to_string(path).expect("a text file"));
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn no_text_is_left_over() {
    // An error's words go to the page as a whole.
    const AS_A_WHOLE: [&str; 1] = ["hub_lost"];
    let sources = sources();
    let names = |source: &str, wanted: &str| {
        source.match_indices(wanted).any(|(at, _)| {
            let after = source[at + wanted.len()..].chars().next();
            !after.is_some_and(|character| character.is_alphanumeric() || character == '_')
        })
    };
    for path in flat(Language::English).keys() {
        let (groups, name) = path.rsplit_once('.').unwrap_or(("", path));
        let group = groups.rsplit('.').next().unwrap_or_default();
        let is_used = AS_A_WHOLE.contains(&group)
            || sources.iter().any(|source| match group {
                "" => names(source, &format!(".{name}")),
                // With its group before it, or in a file that takes the group out first.
                _ => {
                    names(source, &format!(".{group}.{name}"))
                        || (names(source, &format!(".{group}")) && names(source, &format!(".{name}")))
                }
            });
        assert!(is_used, "no page uses {path}");
    }
}

#[test]
fn what_is_left_of_a_time_is_said_in_its_largest_unit() {
    const HOUR: i64 = 3600;
    for (language, days, hours, one, soon) in [
        (Language::English, "7 days left", "47 hours left", "1 hour left", "less than an hour left"),
        (Language::German, "noch 7 Tage", "noch 47 Stunden", "noch 1 Stunde", "weniger als eine Stunde"),
        (Language::French, "encore 7 jours", "encore 47 heures", "encore 1 heure", "moins d’une heure"),
        (Language::Spanish, "quedan 7 días", "quedan 47 horas", "queda 1 hora", "queda menos de una hora"),
        (Language::Bulgarian, "остават 7 дни", "остават 47 часа", "остава 1 час", "остава по-малко от час"),
    ] {
        let left = Texts::of(language).team.person.left;
        let said = [7 * 24 * HOUR + 5, 48 * HOUR - 1, HOUR, HOUR - 1].map(left);
        assert_eq!(said, [days, hours, one, soon], "{language}");
        assert_eq!((left(-5), left(7 * 24 * HOUR - 60)), (soon.to_owned(), days.to_owned()), "{language}");
    }
}
