//! The one question that a database is asked for an address, made so that an ordinary index serves it, and the names in it.
//!
//! It takes in a little more than the address: whatever is spelled alike but for case, blanks around it, or the form of an
//! international domain. Which of these rows are the person's is settled by [`Email`], as for every source.

use crate::types::Email;

/// What begins the rows for an address.
pub(super) struct Bounds {
    /// The address; of an international domain, which has many spellings, only what stands before it.
    pub(super) from: String,
    /// The part before the domain, with its `@`.
    pub(super) local: String,
}

impl Bounds {
    pub(super) fn of(email: &Email) -> Self {
        let address = email.as_str();
        let local = address.strip_suffix(email.domain()).unwrap_or(address);
        let is_international = email.domain().split('.').any(|label| label.starts_with("xn--"));
        let from = if is_international { local } else { address };
        Self { from: from.to_owned(), local: local.to_owned() }
    }

    /// The first text behind all that begin so: an address is ASCII, and so is its last character's successor.
    pub(super) fn behind(&self) -> String {
        let mut text = self.from.clone();
        let last = text.pop().unwrap_or('~');
        text.push(char::from_u32(u32::from(last) + 1).unwrap_or(last));
        text
    }
}

/// The parts of a table's name, `schema.table` or `table`.
///
/// A part that begins with the quote of its kind of database ends with it, as in SQL, and may hold dots and, doubled, the quote
/// itself: `"odd.name"`. Any other part ends at the next dot, and is taken as it is, case and all.
pub(super) fn parts(name: &str, quote: char) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = name;
    loop {
        let (part, behind) = match rest.strip_prefix(quote).and_then(|inside| quoted(inside, quote)) {
            Some(found) => found,
            None => match rest.split_once('.') {
                Some((part, behind)) => (part.to_owned(), Some(behind)),
                None => (rest.to_owned(), None),
            },
        };
        parts.push(part);
        match behind {
            Some(behind) => rest = behind,
            None => return parts,
        }
    }
}

/// What stands before the closing quote, and what behind the dot after it; `None` where it is no quoted part.
fn quoted(inside: &str, quote: char) -> Option<(String, Option<&str>)> {
    let mut part = String::new();
    let mut letters = inside.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != quote {
            part.push(letter);
        } else if letters.peek().is_some_and(|(_, next)| *next == quote) {
            letters.next();
            part.push(quote);
        } else {
            let behind = inside.get(at + quote.len_utf8()..)?;
            return match behind.strip_prefix('.') {
                Some(behind) => Some((part, Some(behind))),
                None => behind.is_empty().then_some((part, None)),
            };
        }
    }
    None
}

/// An identifier in quotes, which are doubled within.
pub(super) fn quote(name: &str, quote: char) -> String {
    let doubled = String::from_iter([quote, quote]);
    format!("{quote}{}{quote}", name.replace(quote, &doubled))
}

/// A table's name, quoted part by part.
pub(super) fn quote_parts(name: &str, with: char) -> String {
    parts(name, with).iter().map(|part| quote(part, with)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_at_dots_and_quoted() {
        for (name, expected) in [
            ("contacts", r#""contacts""#),
            ("crm.contacts", r#""crm"."contacts""#),
            ("Sales.Contacts 2", r#""Sales"."Contacts 2""#),
            (r#""odd.name""#, r#""odd.name""#),
            (r#"crm."odd.name""#, r#""crm"."odd.name""#),
            (r#""a""b".c"#, r#""a""b"."c""#),
            (r#"we"ird; DROP TABLE x"#, r#""we""ird; DROP TABLE x""#),
            (r#""open"#, r#""""open""#),
            (r#""a"b"#, r#""""a""b""#),
            ("a.", "\"a\".\"\""),
        ] {
            assert_eq!(quote_parts(name, '"'), expected, "{name}");
        }
        assert_eq!(quote_parts("crm.`a.b`", '`'), "`crm`.`a.b`");
    }

    #[test]
    fn what_begins_with_an_address_lies_between_its_bounds() {
        let bounds = |email: &str| {
            let bounds = Bounds::of(&Email::parse(email).expect("an address"));
            format!("{} {} {}", bounds.from, bounds.behind(), bounds.local)
        };
        assert_eq!(bounds("Ann@Example.com"), "ann@example.com ann@example.con ann@");
        assert_eq!(bounds("info@bücher.example"), "info@ infoA info@");
        assert_eq!(bounds("a@b.xyz"), "a@b.xyz a@b.xy{ a@");
    }
}
