//! Ways in: how a person proves who they are, and which ways a role insists on.

use std::fmt;

use super::ProviderName;

/// A way in that a person came by.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Way {
    /// A link or a code in a mail.
    Email,
    /// A passkey of the domain.
    Passkey,
    /// An OpenID provider, by its name in the config.
    Oidc(ProviderName),
}

impl Way {
    /// Reads the name of a way: `email`, `passkey`, or else that of a provider, which may not be called either.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "email" => Some(Self::Email),
            "passkey" => Some(Self::Passkey),
            provider => ProviderName::parse(provider).ok().map(Self::Oidc),
        }
    }

    /// The name, as config, logs and store have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email => "email",
            Self::Passkey => "passkey",
            Self::Oidc(provider) => provider.as_str(),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A way that a role insists on: one, or any OpenID provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequiredWay {
    /// This way.
    Exactly(Way),
    /// Any OpenID provider of the app.
    AnyOidc,
}

impl RequiredWay {
    /// The name, as config has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exactly(way) => way.as_str(),
            Self::AnyOidc => "oidc",
        }
    }

    /// Whether a way is what is asked for.
    #[must_use]
    pub fn is_met_by(&self, way: &Way) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == way,
            Self::AnyOidc => matches!(way, Way::Oidc(_)),
        }
    }
}

/// The ways of which a role wants one: `require = ["passkey", "oidc"]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Requirement(pub Vec<RequiredWay>);

impl Requirement {
    /// Whether one of the ways that a person came by is enough. An empty requirement asks for nothing.
    #[must_use]
    pub fn is_met_by<'a>(&self, mut ways: impl Iterator<Item = &'a Way>) -> bool {
        self.0.is_empty() || ways.any(|way| self.allows(way))
    }

    /// Whether coming by this way would be enough.
    #[must_use]
    pub fn allows(&self, way: &Way) -> bool {
        self.0.iter().any(|wanted| wanted.is_met_by(way))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(required: &[RequiredWay], came_by: &[&str], expected: bool) {
        let ways: Vec<Way> = came_by.iter().map(|way| Way::parse(way).expect("a way")).collect();
        assert_eq!(Requirement(required.to_vec()).is_met_by(ways.iter()), expected, "{required:?} by {came_by:?}");
    }

    #[test]
    fn one_of_the_required_ways_is_enough() {
        let passkey = RequiredWay::Exactly(Way::Passkey);
        let okta = RequiredWay::Exactly(Way::parse("okta").expect("a provider"));
        check(&[], &["email"], true);
        check(std::slice::from_ref(&passkey), &["email"], false);
        check(std::slice::from_ref(&passkey), &["email", "passkey"], true);
        check(&[passkey.clone(), RequiredWay::AnyOidc], &["google"], true);
        check(&[passkey, okta], &["google"], false);
    }

    #[test]
    fn no_provider_takes_the_name_of_a_way() {
        assert_eq!(Way::parse("email"), Some(Way::Email));
        assert_eq!(Way::parse("passkey"), Some(Way::Passkey));
        assert_eq!(Way::parse("oidc"), None);
        for way in ["email", "passkey", "google"] {
            assert_eq!(Way::parse(way).expect("a way").as_str(), way);
        }
    }
}
