//! Character references in attributes: `class="pr&#105;ce"` is `price` in a browser, and not so to the parser here.

/// References that spell one of the characters that no selector can look for.
const HARMLESS: &[&str] = &["amp", "AMP", "lt", "LT", "gt", "GT", "quot", "QUOT", "apos"];
/// The other named references that spell something in ASCII (WHATWG HTML, section 13.5). Each needs its semicolon.
const ASCII: &[&str] = &[
    "Tab",
    "NewLine",
    "excl",
    "num",
    "dollar",
    "percnt",
    "lpar",
    "rpar",
    "ast",
    "midast",
    "plus",
    "comma",
    "period",
    "sol",
    "colon",
    "semi",
    "equals",
    "quest",
    "commat",
    "lsqb",
    "lbrack",
    "bsol",
    "rsqb",
    "rbrack",
    "Hat",
    "lowbar",
    "UnderBar",
    "grave",
    "DiacriticalGrave",
    "lcub",
    "lbrace",
    "verbar",
    "vert",
    "VerticalLine",
    "rcub",
    "rbrace",
    "fjlig",
    "nvlt",
    "nvgt",
    "bne",
];

/// Whether a reference in a value spells a character that a selector may look for.
pub(super) fn spell_something(value: &str, is_ascii: bool) -> bool {
    value.split('&').skip(1).any(|text| match text.strip_prefix('#') {
        Some(number) => spells_by_number(number, is_ascii),
        None => {
            let end = text.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(text.len());
            let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
            if name.is_empty() || HARMLESS.contains(&name) {
                false
            } else if is_ascii {
                // Without a semicolon only letters beyond ASCII are spelt, besides the harmless ones.
                rest.starts_with(';') && ASCII.contains(&name)
            } else {
                true
            }
        }
    })
}

fn spells_by_number(number: &str, is_ascii: bool) -> bool {
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let end = digits.find(|character: char| !character.is_digit(radix)).unwrap_or(digits.len());
    let code = u32::from_str_radix(digits.get(..end).unwrap_or_default(), radix);
    match code.ok().and_then(char::from_u32) {
        _ if end == 0 => false,
        Some('&' | '<' | '>' | '"' | '\'') => false,
        // Numbers from 128 to 159 spell other letters, none of them in ASCII.
        Some(character) => !is_ascii || character.is_ascii(),
        None => !is_ascii,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_that_could_spell_a_name_are_seen() {
        for (value, in_ascii, in_all) in [
            ("price", false, false),
            ("a&amp;b &lt;&#39;&#x27; & &;", false, false),
            ("pr&#105;ce", true, true),
            ("pr&#x69;ce", true, true),
            ("pr&#105ce", true, true),
            ("pr&#0000000105;ce", true, true),
            ("unit&lowbar;price", true, true),
            ("a&Tab;price", true, true),
            ("a&lowbar", false, true),
            ("?a=1&copy=2&nbsp;", false, true),
            ("&#233;", false, true),
            ("&#99999999999;", false, true),
            ("&#;&#x;", false, false),
        ] {
            assert_eq!((spell_something(value, true), spell_something(value, false)), (in_ascii, in_all), "{value}");
        }
    }
}
