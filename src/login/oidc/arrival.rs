//! From a browser that comes back with a code to somebody whom the provider vouches for.

use std::sync::Arc;

use jiff::Timestamp;

use super::claims::{Address, Claims, due};
use super::contact::Contact;
use super::discovery::Known;
use super::exchange::{self, NoTokens, NoUserInfo, Tokens};
use super::id_token::{Believed, Expected, believe};
use super::{Arrived, Callback, FlowSecrets, ProviderError};
use crate::session::{Link, Proof};
use crate::state::clock::Clock;
use crate::state::ports::{Identity, LinkTokens};
use crate::types::{Email, Secret, Way};

/// Redeems the code, and believes what comes of it after every check.
pub(super) async fn finish(
    contact: &Arc<Contact>,
    callback: &Callback,
    secrets: &FlowSecrets,
    clock: Clock,
) -> Result<Arrived, ProviderError> {
    let name = &contact.provider.name;
    let refused = |reason| ProviderError::NotBelieved { provider: name.clone(), reason };
    let known = contact.known().await.map_err(|cause| unavailable(contact, cause))?;
    check_sender(contact, &known, callback).map_err(refused)?;
    let tokens =
        exchange::redeem(contact, &known, callback, secrets).await.map_err(|error| no_tokens(contact, error))?;
    let id_token = tokens.id_token().ok_or_else(|| refused("no-id-token"))?;
    let now = clock.now();
    let expected = Expected::Nonce(&secrets.nonce);
    let believed = believe(contact, &known, &id_token, tokens.access(), expected, now).await.map_err(refused)?;
    let person = person(contact, &known, &tokens, &believed).await?;
    Ok(arrived(contact, believed, person, &tokens, id_token, now))
}

/// RFC 9207: a code of one provider must not be carried to another that somebody has taken over.
fn check_sender(contact: &Contact, known: &Known, callback: &Callback) -> Result<(), &'static str> {
    match &callback.iss {
        Some(sender) if *sender == contact.provider.issuer => Ok(()),
        None if !known.names_itself => Ok(()),
        _ => Err("iss"),
    }
}

fn no_tokens(contact: &Contact, error: NoTokens) -> ProviderError {
    let provider = contact.provider.name.clone();
    match error {
        NoTokens::Grant => ProviderError::NotBelieved { provider, reason: "code-refused" },
        NoTokens::Other(word) => {
            tracing::warn!(provider = provider.as_str(), error = word, "the provider refuses to redeem a code");
            ProviderError::NotBelieved { provider, reason: "code-refused" }
        }
        NoTokens::Client => {
            let cause = NoTokens::Client.to_string();
            tracing::error!(
                provider = provider.as_str(),
                cause,
                "nobody can log in; mend `client_id` or `client_secret`"
            );
            ProviderError::Unavailable { provider, cause }
        }
        NoTokens::Unavailable(cause) => ProviderError::Unavailable { provider, cause },
    }
}

fn unavailable(contact: &Contact, cause: String) -> ProviderError {
    ProviderError::Unavailable { provider: contact.provider.name.clone(), cause }
}

/// What is to be known of somebody besides who they are.
struct Person {
    email: Email,
    userinfo: Option<Claims>,
}

/// The person's address, from the ID token or else from userinfo, where most providers have it; and that, if it was needed for
/// the address or may tell the groups.
async fn person(
    contact: &Contact,
    known: &Known,
    tokens: &Tokens,
    believed: &Believed,
) -> Result<Person, ProviderError> {
    let provider = &contact.provider;
    let refused = |reason| ProviderError::NotBelieved { provider: provider.name.clone(), reason };
    let address = believed.claims.address(provider);
    if let Address::Refused(reason) = address {
        return Err(refused(reason));
    }
    let lacks_groups = provider.groups_claim.is_some() && believed.claims.groups(provider).is_none();
    let is_needed = matches!(address, Address::Unsure(_)) || lacks_groups;
    let userinfo = if is_needed && known.has_userinfo {
        let told = exchange::user_info(contact, known, tokens.access(), &believed.subject).await;
        Some(told.map_err(|error| match error {
            NoUserInfo::NotBelieved(reason) => refused(reason),
            NoUserInfo::Unavailable(cause) => unavailable(contact, cause),
        })?)
    } else {
        None
    };
    let address = match (address, &userinfo) {
        (Address::Unsure(_), Some(userinfo)) => userinfo.address(provider),
        (address, _) => address,
    };
    match address {
        Address::Is(email) => Ok(Person { email, userinfo }),
        Address::Unsure(reason) | Address::Refused(reason) => Err(refused(reason)),
    }
}

fn arrived(
    contact: &Contact,
    believed: Believed,
    person: Person,
    tokens: &Tokens,
    id_token: Secret,
    now: Timestamp,
) -> Arrived {
    let provider = &contact.provider;
    let Believed { subject, sid, claims } = believed;
    let userinfo = person.userinfo.as_ref();
    // Without a re-check nobody uses one, and what is not kept cannot be stolen.
    let refresh_token = tokens.refresh().filter(|_| provider.recheck.is_some());
    let next_check = match provider.recheck {
        None => None,
        Some(every) => {
            contact.note_refresh_token(refresh_token.is_some());
            refresh_token.is_some().then(|| due(now, every))
        }
    };
    let groups = claims.groups(provider).or_else(|| userinfo.and_then(|userinfo| userinfo.groups(provider)));
    Arrived {
        identity: Identity {
            issuer: provider.issuer.clone(),
            client: provider.client_id.clone(),
            subject: subject.clone(),
        },
        email: person.email,
        name: claims.name().or_else(|| userinfo.and_then(Claims::name)),
        proof: Proof { way: Way::Oidc(provider.name.clone()), at: claims.auth_time(now), amr: claims.amr() },
        link: Link {
            provider: provider.name.clone(),
            issuer: provider.issuer.clone(),
            subject,
            sid,
            groups: groups.unwrap_or_default(),
            next_check,
        },
        tokens: LinkTokens { provider: provider.name.clone(), id_token, refresh_token },
    }
}
