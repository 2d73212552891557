//! Host names, as they are compared.

use std::fmt;
use std::sync::Arc;

/// A DNS host name: lower case, A-labels (UTS 46, non-transitional), no port, no trailing dot; never an address. Copies share
/// their text: of a hundred thousand domains each stands in several tables.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostName(Arc<str>);

/// A text that is no host name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a host name")]
pub struct InvalidHostName;

const MOST_BYTES: usize = 253;
const MOST_LABEL_BYTES: usize = 63;

impl HostName {
    /// Parses a host name without a port.
    ///
    /// # Errors
    /// [`InvalidHostName`] for an empty label, a character beyond letters, digits and hyphen (RFC 1123, section 2.1), a
    /// name or label that is too long, or an IP address.
    pub fn parse(text: &str) -> Result<Self, InvalidHostName> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let name = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(text).map_err(|_| InvalidHostName)?
        };
        if name.is_empty() || name.len() > MOST_BYTES || !name.split('.').all(is_label) {
            return Err(InvalidHostName);
        }
        // The last label of a name is never all digits (RFC 3696, section 2); that of an IPv4 address is.
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidHostName);
        }
        Ok(Self(name.into()))
    }

    /// Parses a `Host` field or `:authority` (RFC 9110, section 7.2): a host name and an optional port.
    ///
    /// # Errors
    /// [`InvalidHostName`] also for user information, an empty or over-long port, and a port that is no number.
    pub fn parse_authority(text: &str) -> Result<Self, InvalidHostName> {
        match text.split_once(':') {
            None => Self::parse(text),
            Some((name, port)) => {
                let is_port = (1..=5).contains(&port.len()) && port.parse::<u16>().is_ok() && !port.starts_with('+');
                if is_port { Self::parse(name) } else { Err(InvalidHostName) }
            }
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= MOST_LABEL_BYTES
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_03_one_host_has_one_spelling() {
        for text in ["Orders.Example.com", "orders.example.com.", "orders.example.com:8443"] {
            assert_eq!(HostName::parse_authority(text).expect("a host").as_str(), "orders.example.com", "{text}");
        }
        for text in [
            "",
            ".",
            "a..b",
            "user@orders.example.com",
            "orders.example.com:",
            "orders.example.com:99999",
            "a:+80",
            "a:8a",
            "127.0.0.1",
            "[::1]",
            "::1",
            "0x7f.1",
            "a_b.example",
            "-a.example",
            "a b",
            "a/b",
            "a\\b",
            "a%2eb",
            "a.example..",
        ] {
            assert!(HostName::parse_authority(text).is_err(), "{text}");
        }
    }

    #[test]
    fn international_names_become_a_labels() {
        assert_eq!(HostName::parse("Bücher.example").expect("a host").as_str(), "xn--bcher-kva.example");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered_and_a_host_parses_to_itself(text in "\\PC{0,80}") {
            if let Ok(host) = HostName::parse_authority(&text) {
                proptest::prop_assert_eq!(HostName::parse(host.as_str()), Ok(host.clone()));
                proptest::prop_assert!(!host.as_str().contains([':', '@', '/', '\\', ' ']));
            }
        }
    }
}
