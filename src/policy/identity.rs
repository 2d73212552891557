//! Identity headers: what the upstream is told of a person, prebuilt once per access.
//!
//! Values are percent-encoded UTF-8 where they hold anything but printable ASCII, or a `%`; so no name in a table can
//! break a header (RFC 9110, section 5.5), and an upstream that decodes them has the name as it was.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::{Field, FieldValues, Template};
use crate::types::Email;

/// What an app's upstream is told.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityPlan {
    /// The preset.
    pub preset: Preset,
    /// Further headers.
    pub extra: Vec<(HeaderName, Template)>,
    /// A signed assertion, where the app wants one.
    pub jwt: Option<JwtPlan>,
}

/// A signed assertion (RFC 7519) in a header.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtPlan {
    /// The header's name.
    pub header: HeaderName,
    /// The `aud` claim.
    pub audience: String,
    /// How long one is good.
    pub lifetime: Duration,
    /// Further claims by name.
    pub claims: Vec<(String, Template)>,
}

impl JwtPlan {
    /// The claims that every assertion has; config adds others.
    pub const OWN_CLAIMS: [&str; 18] = [
        "iss",
        "aud",
        "sub",
        "email",
        "iat",
        "nbf",
        "exp",
        "role",
        "auth_time",
        "amr",
        "name",
        "customer",
        "customer_name",
        "days_back",
        "since",
        "language",
        "level",
        "act",
    ];
}

/// A set of header names that apps in the field read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Preset {
    /// `X-Access-…`, everything.
    Access,
    /// `X-Forwarded-User` and the like.
    Forwarded,
    /// `Remote-User` and the like.
    Remote,
    /// `X-Auth-Request-User` and the like.
    AuthRequest,
    /// No headers.
    None,
}

type Names = &'static [(&'static str, Field)];

const ACCESS: Names = &[
    ("x-access-email", Field::Email),
    ("x-access-name", Field::Name),
    ("x-access-customer", Field::CustomerId),
    ("x-access-customer-name", Field::CustomerName),
    ("x-access-role", Field::Role),
    ("x-access-since", Field::Since),
    ("x-access-days-back", Field::DaysBack),
    ("x-access-language", Field::Language),
    ("x-access-level", Field::Level),
];
const FORWARDED: Names = &[
    ("x-forwarded-user", Field::Email),
    ("x-forwarded-email", Field::Email),
    ("x-forwarded-preferred-username", Field::Name),
    ("x-forwarded-groups", Field::Role),
];
const REMOTE: Names = &[
    ("remote-user", Field::Email),
    ("remote-email", Field::Email),
    ("remote-name", Field::Name),
    ("remote-groups", Field::Role),
];
const AUTH_REQUEST: Names = &[
    ("x-auth-request-user", Field::Email),
    ("x-auth-request-email", Field::Email),
    ("x-auth-request-preferred-username", Field::Name),
    ("x-auth-request-groups", Field::Role),
];

impl Preset {
    /// All presets with their names in config.
    pub const ALL: [(&str, Self); 5] = [
        ("access", Self::Access),
        ("forwarded", Self::Forwarded),
        ("remote", Self::Remote),
        ("auth-request", Self::AuthRequest),
        ("none", Self::None),
    ];

    const fn names(self) -> Names {
        match self {
            Self::Access => ACCESS,
            Self::Forwarded => FORWARDED,
            Self::Remote => REMOTE,
            Self::AuthRequest => AUTH_REQUEST,
            Self::None => &[],
        }
    }

    /// Every header name that some preset uses: no client may send any of them, whichever preset an app has.
    pub fn reserved() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().flat_map(|(_, preset)| preset.names()).map(|(name, _)| *name)
    }
}

impl IdentityPlan {
    /// The headers for one person. A field without a value gives no header.
    #[must_use]
    pub fn headers(&self, values: FieldValues<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let preset = self
            .preset
            .names()
            .iter()
            .filter_map(|(name, field)| Some((HeaderName::from_static(name), encode(&values.value(field)?))));
        let extra =
            self.extra.iter().filter_map(|(name, template)| Some((name.clone(), encode(&template.fill(values)?))));
        together(preset.chain(extra).collect())
    }

    /// Who acts in the person's place, in a preview; every preset but `none` tells it, for an app that believes headers has to be able
    /// to tell the two apart.
    #[must_use]
    pub fn actor_header(&self, actor: &Email) -> Option<(HeaderName, HeaderValue)> {
        const ACTOR: HeaderName = HeaderName::from_static("x-access-actor");
        (self.preset != Preset::None).then(|| (ACTOR, encode(actor.as_str())))
    }

    /// The names that the plan uses beside those of the presets.
    pub fn own_names(&self) -> impl Iterator<Item = &HeaderName> + Clone {
        self.extra.iter().map(|(name, _)| name).chain(self.jwt.iter().map(|jwt| &jwt.header))
    }
}

/// The same values in one piece of memory: every request copies them, and then one count of who uses them does for all.
fn together(mut headers: Vec<(HeaderName, HeaderValue)>) -> Vec<(HeaderName, HeaderValue)> {
    let mut all: Bytes = headers.iter().flat_map(|(_, value)| value.as_bytes()).copied().collect();
    for (_, value) in &mut headers {
        // What was a value is one here too.
        if let Ok(same) = HeaderValue::from_maybe_shared(all.split_to(value.len())) {
            *value = same;
        }
    }
    headers
}

/// A header value from any text.
fn encode(text: &str) -> HeaderValue {
    /// Longer values are cut: a header block that grows without end breaks upstreams.
    const MOST_BYTES: usize = 1024;
    let mut value = String::with_capacity(text.len());
    for character in text.chars() {
        let mut piece = String::new();
        if matches!(character, ' '..='~') && character != '%' {
            piece.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a string does not fail.
                let _ = write!(piece, "%{byte:02X}");
            }
        }
        if value.len() + piece.len() > MOST_BYTES {
            break;
        }
        value.push_str(&piece);
    }
    HeaderValue::try_from(value.trim().to_owned()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn attack_09_no_name_breaks_a_header() {
        assert_eq!(encode("Zoë\r\nX-Access-Role: admin"), "Zo%C3%AB%0D%0AX-Access-Role: admin");
        assert_eq!(encode("100%\0"), "100%25%00");
        assert!(encode(&"é".repeat(1000)).len() <= 1024);
    }

    proptest! {
        #[test]
        fn a_value_decodes_to_what_it_was(text in "\\PC{0,100}") {
            let encoded = encode(&text);
            let decoded = percent_encoding::percent_decode(encoded.as_bytes()).decode_utf8().expect("UTF-8");
            prop_assert_eq!(decoded.trim(), text.trim());
        }
    }
}
