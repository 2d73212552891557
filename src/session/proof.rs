//! What a session rests on: by which ways its person came, when, and what ties it to an OpenID provider.

use jiff::Timestamp;

use crate::types::{ProviderName, Way};

/// One way by which a session's person has proven who they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof {
    /// The way.
    pub way: Way,
    /// When: here or, where the provider says it (`auth_time`, OpenID Connect Core, section 2), there.
    pub at: Timestamp,
    /// How, in the provider's words (`amr`, RFC 8176); empty for our own ways.
    pub amr: Vec<String>,
}

impl Proof {
    /// How many words of a provider's `amr` are kept, and of how many bytes each.
    pub const MOST_AMR: (usize, usize) = (8, 32);

    /// A proof by one of our own ways.
    #[must_use]
    pub const fn now(way: Way, at: Timestamp) -> Self {
        Self { way, at, amr: Vec::new() }
    }
}

/// What ties a session to an OpenID provider: by this the provider's log-out finds it. Its tokens stay in the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// The provider's name in the config.
    pub provider: ProviderName,
    /// Its issuer identifier when the person came.
    pub issuer: String,
    /// The person there (`sub`).
    pub subject: String,
    /// The session there (`sid`, OpenID Connect Back-Channel Logout, section 2.1), where it has said so.
    pub sid: Option<String>,
    /// The groups that `[workspace.oidc]` names and the person is in.
    pub groups: Vec<String>,
    /// When the provider has to be asked again; never, where that is not wanted or no refresh token was given.
    pub next_check: Option<Timestamp>,
}

/// The `amr` claim (RFC 8176) of a session: `otp` for a code or link by mail, `pop` for a passkey, `fed` and the
/// provider's own words for a provider, and `mfa` where two different ways were used.
#[must_use]
pub fn amr(proofs: &[Proof]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: &str| {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    };
    for proof in proofs {
        add(match proof.way {
            Way::Email => "otp",
            Way::Passkey => "pop",
            Way::Oidc(_) => "fed",
        });
        proof.amr.iter().for_each(|word| add(word));
    }
    if proofs.len() > 1 {
        add("mfa");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amr_says_how() {
        let proof = |way: &str, words: &[&str]| Proof {
            way: Way::parse(way).expect("a way"),
            at: Timestamp::UNIX_EPOCH,
            amr: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        assert_eq!(amr(&[proof("email", &[])]), ["otp"]);
        assert_eq!(amr(&[proof("google", &["pwd", "mfa"])]), ["fed", "pwd", "mfa"]);
        assert_eq!(amr(&[proof("email", &[]), proof("passkey", &[])]), ["otp", "pop", "mfa"]);
    }
}
