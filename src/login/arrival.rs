//! Somebody whom a provider vouches for, as text: what a ticket of the hub stands for. It is kept sealed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::oidc::Arrived;
use crate::session::{Link, Proof};
use crate::state::ports::{Identity, LinkTokens};
use crate::types::{DisplayName, Email, ProviderName, Secret, Way};

#[derive(Deserialize, Serialize)]
struct Stored {
    provider: String,
    issuer: String,
    client: String,
    subject: String,
    email: String,
    name: Option<String>,
    /// In seconds.
    proven: i64,
    amr: Vec<String>,
    sid: Option<String>,
    groups: Vec<String>,
    /// In seconds.
    next_check: Option<i64>,
    id_token: String,
    refresh_token: Option<String>,
}

/// Writes an arrival down.
pub(super) fn write(arrived: &Arrived) -> Option<Secret> {
    let Arrived { identity, email, name, proof, link, tokens } = arrived;
    let stored = Stored {
        provider: link.provider.to_string(),
        issuer: identity.issuer.clone(),
        client: identity.client.clone(),
        subject: identity.subject.clone(),
        email: email.to_string(),
        name: name.as_ref().map(|name| name.as_str().to_owned()),
        proven: proof.at.as_second(),
        amr: proof.amr.clone(),
        sid: link.sid.clone(),
        groups: link.groups.clone(),
        next_check: link.next_check.map(Timestamp::as_second),
        id_token: tokens.id_token.expose().to_owned(),
        refresh_token: tokens.refresh_token.as_ref().map(|token| token.expose().to_owned()),
    };
    serde_json::to_string(&stored).ok().map(Secret::new)
}

/// Reads what [`write()`] wrote.
pub(super) fn read(text: &Secret) -> Option<Arrived> {
    let stored: Stored = serde_json::from_str(text.expose()).ok()?;
    let provider = ProviderName::parse(&stored.provider).ok()?;
    let next_check = match stored.next_check {
        Some(second) => Some(Timestamp::from_second(second).ok()?),
        None => None,
    };
    Some(Arrived {
        identity: Identity { issuer: stored.issuer.clone(), client: stored.client, subject: stored.subject.clone() },
        email: Email::parse(&stored.email).ok()?,
        name: stored.name.as_deref().and_then(DisplayName::new),
        proof: Proof {
            way: Way::Oidc(provider.clone()),
            at: Timestamp::from_second(stored.proven).ok()?,
            amr: stored.amr,
        },
        link: Link {
            provider: provider.clone(),
            issuer: stored.issuer,
            subject: stored.subject,
            sid: stored.sid,
            groups: stored.groups,
            next_check,
        },
        tokens: LinkTokens {
            provider,
            id_token: Secret::new(stored.id_token),
            refresh_token: stored.refresh_token.map(Secret::new),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_is_read_as_it_was_written() {
        let second = |second| Timestamp::from_second(second).expect("in range");
        let provider = ProviderName::parse("okta").expect("a name");
        let identity =
            Identity { issuer: "https://op.test".to_owned(), client: "us".to_owned(), subject: "s1".to_owned() };
        let arrived = Arrived {
            email: Email::parse("ann@example.com").expect("an address"),
            name: DisplayName::new("Ann \"A\" Lee"),
            proof: Proof { way: Way::Oidc(provider.clone()), at: second(10), amr: vec!["mfa".to_owned()] },
            link: Link {
                provider: provider.clone(),
                issuer: identity.issuer.clone(),
                subject: identity.subject.clone(),
                sid: Some("sid".to_owned()),
                groups: vec!["staff".to_owned()],
                next_check: Some(second(600)),
            },
            tokens: LinkTokens {
                provider,
                id_token: Secret::new("id".to_owned()),
                refresh_token: Some(Secret::new("refresh".to_owned())),
            },
            identity,
        };
        let read = read(&write(&arrived).expect("text")).expect("an arrival");
        assert_eq!(
            (&read.identity, &read.email, &read.name, &read.proof, &read.link, &read.tokens),
            (&arrived.identity, &arrived.email, &arrived.name, &arrived.proof, &arrived.link, &arrived.tokens)
        );
        assert!(super::read(&Secret::new("{}".to_owned())).is_none());
    }
}
