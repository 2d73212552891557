//! Who asks: the token of a request, and what it is for.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

use super::operation::{Needs, Operation};
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::state::audit::Actor;
use crate::state::tokens::{self, NOTE_EVERY, TokenRecord};
use crate::types::{AppName, Email};

/// The address that a request to the admin listener comes from.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Whoever holds this token.
    Token(TokenRecord),
    /// A member of staff, logged in to the console. What they may do was decided by their role there.
    Staff(Email),
}

impl Caller {
    /// The one app that they may ask about; `None` is all.
    pub(super) fn app(&self) -> Option<&AppName> {
        match self {
            Self::Token(token) => token.app.as_ref(),
            Self::Staff(_) => None,
        }
    }

    /// As the audit log names them.
    pub(super) fn actor(&self) -> Actor<'_> {
        match self {
            Self::Token(token) => Actor::Token(&token.name),
            Self::Staff(email) => Actor::Staff(email),
        }
    }
}

/// Who a request is from.
pub(super) async fn caller(room: &ConsoleRoom, headers: &HeaderMap) -> Result<Caller, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (given.next(), given.next());
    let Some(first) = first else { return Err(Problem::no_token("no token was shown", None)) };
    let not_good = || Problem::no_token("the token is not good", Some("invalid_token"));
    if second.is_some() {
        return Err(not_good());
    }
    // The scheme's case makes no difference (RFC 9110, section 11.1).
    let token = first.to_str().ok().and_then(|text| text.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let hash = token.and_then(tokens::hash_of).ok_or_else(not_good)?;
    let now = room.clock.now();
    // Found by its hash: how long that takes tells nothing of the token itself.
    let token = room.tokens.token(&hash).await?.filter(|token| token.is_good(now)).ok_or_else(not_good)?;
    let is_noted = token.last_used.is_some_and(|used| now.as_second() - used.as_second() < NOTE_EVERY);
    if !is_noted && let Err(error) = room.tokens.token_used(&hash, now).await {
        tracing::warn!(%error, token = token.name, "when the token was used is not noted");
    }
    Ok(Caller::Token(token))
}

/// Whether an operation is for this caller.
pub(super) fn check(caller: &Caller, operation: &Operation) -> Result<(), Problem> {
    let (scope, is_for_all) = match operation.needs {
        Needs::AnyToken => return Ok(()),
        Needs::All(scope) => (scope, true),
        Needs::OfApp(scope) => (scope, false),
    };
    let Caller::Token(token) = caller else { return Ok(()) };
    if !token.allows(scope) {
        let detail = format!("this token has no scope `{}`", scope.name());
        return Err(Problem::new(Code::NotAllowed, detail).help("make one that has: `vestibule token create`"));
    }
    match &token.app {
        Some(app) if is_for_all => {
            Err(Problem::new(Code::NotAllowed, format!("this token is for app `{app}` alone, and this is for all")))
        }
        _ => Ok(()),
    }
}
