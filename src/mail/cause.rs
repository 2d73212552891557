//! What a mail server said, made fit for a log.
//!
//! Servers like to repeat the address they refuse, and some spam filters the link. Logs hold neither.

/// The longest cause kept, in characters.
const MOST_CHARACTERS: usize = 300;
/// A run of base64url letters this long may be a token (ours have 43); no word or queue number is.
const TOKEN_CHARACTERS: usize = 32;

/// One line without addresses, tokens or control characters.
pub(super) fn tidy(text: &str) -> String {
    let mut tidy = String::new();
    for character in text.chars() {
        match character {
            '@' => mask_local_part(&mut tidy),
            _ if !is_token(character) => hide_token(&mut tidy),
            _ => {}
        }
        tidy.push(if character.is_control() { ' ' } else { character });
    }
    hide_token(&mut tidy);
    match tidy.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", tidy.get(..end).unwrap_or_default()),
        None => tidy,
    }
}

/// The text ends just before an `@`: of what could be a local part, the first letter stays.
fn mask_local_part(text: &mut String) {
    let local = tail(text, |character| character.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(character));
    let first = text.get(local..).and_then(|local| local.chars().next());
    text.truncate(local);
    text.extend(first);
    text.push_str("***");
}

/// The text ends just behind what could be a token.
fn hide_token(text: &mut String) {
    let token = tail(text, is_token);
    if text.len() - token >= TOKEN_CHARACTERS {
        text.truncate(token);
        text.push('…');
    }
}

const fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

/// Where the text's last run of such characters begins.
fn tail(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.char_indices().rev().take_while(|(_, character)| is_part(*character)).last().map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(tidy(text), expected, "{text:?}");
    }

    #[test]
    fn addresses_are_masked() {
        check("550 5.1.1 <ann.lee@example.com>: no such user", "550 5.1.1 <a***@example.com>: no such user");
        check("ann@example.com", "a***@example.com");
        check("rcpt=(ölaf+x@example.com)", "r***@example.com)".replace("r***", "rcpt=(ö***").as_str());
        check("@ a@ @@", "***@ a***@ ***@***@");
    }

    #[test]
    fn tokens_are_hidden() {
        let token = crate::session::Token::new([7; 32]).expose();
        check(
            &format!("554 https://a.example/.access/link/{token} is listed"),
            "554 https://a.example/.access/link/… is listed",
        );
        check(&token, "…");
        check(&format!("{token}@x"), "B***@x");
        check("queued as 4XyZ12abcDEF", "queued as 4XyZ12abcDEF");
    }

    #[test]
    fn a_cause_is_one_short_line() {
        check("421 busy\r\nand more\0", "421 busy  and more ");
        assert_eq!(tidy(&"é ".repeat(500)).chars().count(), 301);
        assert!(!tidy(&format!("{} ann@example.com", "x ".repeat(148))).contains("ann"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_tidied(text in "\\PC{0,80}") {
            let _ = tidy(&text);
        }
    }
}
