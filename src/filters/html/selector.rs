//! Which CSS selectors can be used while a page streams, and what has to be known of them.

use lol_html::Selector;

/// What there is to know of a selector besides what it matches.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Parts {
    /// The selectors of a list.
    pub(super) selectors: Vec<String>,
    /// The attributes that it looks at, in lower case.
    pub(super) attributes: Vec<String>,
    /// An element is matched by what it stands in.
    pub(super) has_ancestors: bool,
}

/// Whether a text is a CSS selector that can be used while a page streams.
///
/// # Errors
/// The parser's words, or ours where the parser takes what could miss an element: `>`, `:first-child` and their like, for they
/// count on end tags that HTML may leave out.
pub fn check_selector(text: &str) -> Result<(), String> {
    text.parse::<Selector>().map_err(|error| error.to_string())?;
    read(text).map(drop)
}

/// Reads a selector that the parser takes.
pub(super) fn read(text: &str) -> Result<Parts, String> {
    if text.contains('&') || text.contains("/*") {
        return Err("`&` and comments cannot be used".to_owned());
    }
    let mut parts = Parts::default();
    let mut current = String::new();
    let mut rest = text;
    let mut depth = 0_usize;
    while let Some(character) = rest.chars().next() {
        let mut length = character.len_utf8();
        match character {
            '\\' => length = escape_length(rest),
            '[' => {
                let (attribute, end) = attribute(rest)?;
                parts.attributes.push(attribute);
                length = end;
            }
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '>' if depth == 0 => {
                return Err("`>` counts on end tags that HTML may leave out; write a space".to_owned());
            }
            ':' => {
                let name = rest.trim_start_matches(':').to_ascii_lowercase();
                if !name.starts_with("not(") {
                    return Err(
                        "of the pseudo-classes only `:not()` can be used: the others count elements, and HTML may \
                                leave out their end tags"
                            .to_owned(),
                    );
                }
            }
            ',' if depth == 0 => parts.take(&mut current),
            _ => {}
        }
        let (taken, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if !(character == ',' && depth == 0) {
            current.push_str(taken);
        }
        if character.is_ascii_whitespace() && depth == 0 && !current.trim().is_empty() {
            let next = tail.trim_start().chars().next();
            parts.has_ancestors |= next.is_some_and(|next| next != ',');
        }
        rest = tail;
    }
    parts.take(&mut current);
    Ok(parts)
}

impl Parts {
    fn take(&mut self, current: &mut String) {
        self.selectors.push(current.trim().to_owned());
        current.clear();
    }
}

/// The length of an escape at the start of a text: a backslash and a character, or up to six digits and a space.
fn escape_length(text: &str) -> usize {
    let digits = text.chars().skip(1).take(6).take_while(char::is_ascii_hexdigit).count();
    match (digits, text.chars().nth(digits + 1)) {
        (0, None) => 1,
        (0, Some(character)) => 1 + character.len_utf8(),
        (_, Some(space)) if space.is_ascii_whitespace() => digits + 2,
        _ => digits + 1,
    }
}

/// The name in brackets at the start of a text, and where they close.
fn attribute(text: &str) -> Result<(String, usize), String> {
    let mut quote = None;
    let mut end = None;
    for (at, character) in text.char_indices().skip(1) {
        match (quote, character) {
            (None, ']') => {
                end = Some(at);
                break;
            }
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), character) if character == open => quote = None,
            (_, '\\') | (Some(_), '<' | '>' | '"' | '\'') => {
                return Err("in brackets no `<`, `>`, quote or backslash can be looked for".to_owned());
            }
            _ => {}
        }
    }
    let end = end.ok_or("a bracket is not closed")?;
    let inner = text.get(1..end).unwrap_or_default().trim();
    let inner = inner.strip_prefix("*|").or_else(|| inner.strip_prefix('|')).unwrap_or(inner);
    let name_end = inner.find(['~', '|', '^', '$', '*', '=', ' ', '\t', '\n']).unwrap_or(inner.len());
    Ok((inner.get(..name_end).unwrap_or_default().to_ascii_lowercase(), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_taken_or_refused_with_a_reason() {
        for (text, expected) in [
            (".price", Ok(())),
            ("#admin, td.price , [data-x='a b' i]", Ok(())),
            ("div:not(.public) [href^=\"/admin\"]", Ok(())),
            ("#\\31 23.md\\:price", Ok(())),
            ("", Err("The selector is empty.")),
            (".price:hover", Err("Unsupported pseudo-class or pseudo-element in selector.")),
            ("div:has(.price)", Err("Unsupported pseudo-class or pseudo-element in selector.")),
            ("a::before", Err("Unsupported pseudo-class or pseudo-element in selector.")),
            ("a + b", Err("Unsupported combinator `+` in selector.")),
            ("a > b", Err("`>` counts on end tags that HTML may leave out; write a space")),
            ("svg|a", Err("Selectors with explicit namespaces are not supported.")),
            (".", Err("Unexpected end of selector.")),
            ("[a='<']", Err("in brackets no `<`, `>`, quote or backslash can be looked for")),
            ("[a='x&y']", Err("`&` and comments cannot be used")),
        ] {
            assert_eq!(check_selector(text), expected.map_err(str::to_owned), "{text}");
        }
        for text in ["li:first-child", "li:nth-child(2)", "td:nth-of-type(2)"] {
            assert!(check_selector(text).is_err_and(|error| error.starts_with("of the pseudo-classes")), "{text}");
        }
    }

    #[test]
    fn what_a_selector_looks_at_is_known() {
        let parts = |text: &str| {
            let parts = read(text).expect("a selector");
            (parts.selectors.join(" | "), parts.attributes.join(" "), parts.has_ancestors)
        };
        assert_eq!(parts(".a , [Data-X=\"a, b\"] i"), (".a | [Data-X=\"a, b\"] i".into(), "data-x".into(), true));
        assert_eq!(parts("a:not(.b, .c),#\\31 2 "), ("a:not(.b, .c) | #\\31 2".into(), String::new(), false));
        assert_eq!(parts("a b"), ("a b".into(), String::new(), true));
        assert_eq!(parts(" [href] "), ("[href]".into(), "href".into(), false));
        assert_eq!(parts("[lang|=en]"), ("[lang|=en]".into(), "lang".into(), false));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z.#\\[\\]()'\"\\\\ ,:>*|=~é0-9]{0,30}") {
            let _ = check_selector(&text);
            let _ = read(&text);
        }
    }
}
