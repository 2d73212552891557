//! Email addresses, as they are compared.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// An email address as we compare it: trimmed, NFC, lower case, exactly one `@`, the domain in its A-label form.
///
/// Two spellings that a mail server would hand to one mailbox are not folded together (plus tags and dots stay), for we do
/// not know the server's rules, and folding too much would let one person in as another. Quoted local parts and comments
/// (RFC 5322, section 3.4.1) are refused: no address in use needs them, and readers of such addresses disagree. So are
/// non-ASCII local parts, whose look-alikes no table could tell apart.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Email(String);

/// Why a text is not an address we compare.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidEmail {
    /// Nothing but white space.
    #[error("the address is empty")]
    Empty,
    /// More than RFC 5321, section 4.5.3.1 lets pass.
    #[error("the address is longer than 254 characters")]
    TooLong,
    /// No `@`, or more than one.
    #[error("an address has exactly one @")]
    NotOneAt,
    /// The part before the `@` has a character or a dot where none may be.
    #[error("the part before the @ holds something other than letters, digits and .!#$%&'*+/=?^_`{{|}}~-")]
    LocalPart,
    /// The part after the `@` is no host name.
    #[error("the part after the @ is not a domain name")]
    Domain,
}

const MOST_BYTES: usize = 254;
const MOST_LOCAL_BYTES: usize = 64;

impl Email {
    /// Parses and normalises an address.
    ///
    /// # Errors
    /// [`InvalidEmail`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text: String = text.trim().nfc().collect();
        if text.is_empty() {
            return Err(InvalidEmail::Empty);
        }
        if text.len() > 2 * MOST_BYTES {
            return Err(InvalidEmail::TooLong);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail::NotOneAt)?;
        if domain.contains('@') {
            return Err(InvalidEmail::NotOneAt);
        }
        if !is_dot_atom(local) {
            return Err(InvalidEmail::LocalPart);
        }
        let domain = super::HostName::parse(domain).map_err(|_| InvalidEmail::Domain)?;
        if !domain.as_str().contains('.') {
            return Err(InvalidEmail::Domain);
        }
        let address = format!("{}@{}", local.to_ascii_lowercase(), domain.as_str());
        if address.len() > MOST_BYTES || local.len() > MOST_LOCAL_BYTES {
            return Err(InvalidEmail::TooLong);
        }
        Ok(Self(address))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address for a log at info level: first letter and domain, the rest hidden.
    #[must_use]
    pub fn masked(&self) -> String {
        let first = self.0.chars().next().unwrap_or('?');
        format!("{first}***@{}", self.domain())
    }
}

/// RFC 5322, section 3.2.3: `dot-atom-text`.
fn is_dot_atom(local: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte);
    !local.is_empty() && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// Debug text goes to logs, so it is masked.
impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Email({})", self.masked())
    }
}

impl fmt::Display for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::str::FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, InvalidEmail>) {
        assert_eq!(Email::parse(text).as_ref().map(Email::as_str).map_err(|error| *error), expected, "{text:?}");
    }

    #[test]
    fn case_and_white_space_do_not_make_another_person() {
        check("  Ann.Lee@Example.COM ", Ok("ann.lee@example.com"));
        check("ann@example.com.", Ok("ann@example.com"));
    }

    #[test]
    fn plus_and_dots_do() {
        check("ann+x@example.com", Ok("ann+x@example.com"));
        check("a.nn@example.com", Ok("a.nn@example.com"));
    }

    #[test]
    fn the_domain_is_compared_in_its_a_label_form() {
        check("ann@bücher.example", Ok("ann@xn--bcher-kva.example"));
        check("ann@BU\u{308}CHER.example", Ok("ann@xn--bcher-kva.example"));
    }

    #[test]
    fn attack_18_look_alikes_quotes_comments_and_several_ats_are_refused() {
        for text in [
            "\u{430}nn@example.com",
            "ann\u{200b}@example.com",
            "\"ann\"@example.com",
            "ann(x)@example.com",
            "a nn@example.com",
        ] {
            check(text, Err(InvalidEmail::LocalPart));
        }
        for text in ["ann@evil.com@example.com", "ann", "a@b@c"] {
            check(text, Err(InvalidEmail::NotOneAt));
        }
        for text in [
            "ann@",
            "ann@example",
            "ann@-x.com",
            "ann@ex ample.com",
            "ann@[127.0.0.1]",
            "ann@example..com",
            "ann@a.com,b.com",
        ] {
            check(text, Err(InvalidEmail::Domain));
        }
        for text in
            ["@example.com", ".ann@example.com", "ann.@example.com", "a..n@example.com", "ann\r\nBcc: x@example.com"]
        {
            check(text, Err(InvalidEmail::LocalPart));
        }
        check("", Err(InvalidEmail::Empty));
        check(&format!("{}@example.com", "a".repeat(65)), Err(InvalidEmail::TooLong));
        check(&"a".repeat(1000), Err(InvalidEmail::TooLong));
    }

    #[test]
    fn a_masked_address_hides_the_local_part() {
        let email = Email::parse("ann@example.com").expect("valid");
        assert_eq!(email.masked(), "a***@example.com");
        assert_eq!(format!("{email:?}"), "Email(a***@example.com)");
    }

    proptest::proptest! {
        #[test]
        fn parsing_twice_changes_nothing(text in "\\PC{0,40}@\\PC{0,40}") {
            if let Ok(email) = Email::parse(&text) {
                proptest::prop_assert_eq!(Email::parse(email.as_str()).expect("normal form parses"), email);
            }
        }
    }
}
