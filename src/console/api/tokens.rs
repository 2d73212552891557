//! Tokens of this API.

use std::sync::Arc;

use axum::http::Method;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Asked, Needs, Nothing, Operation, malformed, operation};
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::state::audit::{Entry, Event};
use crate::state::tokens::{LOCAL, Scope, TokenRecord, hash_of, is_name, new_token};
use crate::types::AppName;

/// So many tokens there are at most: a list of them is one page.
const MOST: usize = 1000;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/api/v1/tokens",
            "listTokens",
            Needs::All(Scope::Admin),
            "The tokens, without what opens anything",
            list,
        ),
        operation(
            Method::POST,
            "/api/v1/tokens",
            "createToken",
            Needs::All(Scope::Admin),
            "Makes a token, which is shown this once",
            create,
        )
        .refuses(&[Code::Conflict, Code::Refused]),
        operation(
            Method::DELETE,
            "/api/v1/tokens/{name}",
            "revokeToken",
            Needs::All(Scope::Admin),
            "Revokes a token: from now on it opens nothing",
            revoke,
        )
        .refuses(&[Code::NotFound, Code::Conflict]),
    ]
}

/// A token.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Token", deny_unknown_fields)]
struct TokenRow {
    /// Its name.
    name: String,
    /// What it is for.
    scopes: Vec<Scope>,
    /// The one app that it is for; null is all.
    app: Option<String>,
    /// When it was made.
    created: String,
    /// Until when it is good; null is for ever.
    expires: Option<String>,
    /// When it was last used, to the minute.
    last_used: Option<String>,
}

impl TokenRow {
    fn of(token: &TokenRecord) -> Self {
        let time = |at: Timestamp| format!("{at:.0}");
        Self {
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            app: token.app.as_ref().map(ToString::to_string),
            created: time(token.created),
            expires: token.expires.map(time),
            last_used: token.last_used.map(time),
        }
    }
}

/// All tokens.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Tokens {
    /// By name.
    items: Vec<TokenRow>,
}

async fn list(room: Arc<ConsoleRoom>, _: Asked, _: Nothing, _: Nothing) -> Result<Tokens, Problem> {
    Ok(Tokens { items: room.tokens.tokens().await?.iter().map(TokenRow::of).collect() })
}

/// A token to make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// Its name: letters, digits, `-`, `_` and `.`.
    #[schemars(length(min = 1, max = 64))]
    name: String,
    /// What it is for.
    #[schemars(length(min = 1))]
    scopes: Vec<Scope>,
    /// The one app that it is for.
    #[serde(default)]
    app: Option<String>,
    /// Until when it is good, as RFC 3339 has it.
    #[serde(default)]
    expires: Option<String>,
}

/// A token that was made.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct MadeToken {
    /// Its name.
    name: String,
    /// What its holder sends. It is shown this once.
    token: String,
}

async fn create(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, body: NewToken) -> Result<MadeToken, Problem> {
    if !is_name(&body.name) || body.name == LOCAL {
        let what = format!("1 to 64 letters, digits, `-`, `_` and `.`, and not `{LOCAL}`");
        return Err(malformed("name", what));
    }
    let mut scopes = body.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(malformed("scopes", "name at least one"));
    }
    let app = body.app.as_deref().map(AppName::parse).transpose().map_err(|error| malformed("app", error))?;
    if let Some(app) = app.as_ref().filter(|app| room.current.load().app(app).is_none()) {
        return Err(Problem::new(Code::Refused, format!("there is no app `{app}`")));
    }
    let expires = body.expires.as_deref().map(str::parse::<Timestamp>).transpose();
    let expires = expires.map_err(|_| malformed("expires", "write a moment such as 2027-01-01T00:00:00Z"))?;
    if expires.is_some_and(|expires| expires <= asked.now) {
        return Err(Problem::new(Code::Refused, "`expires` is over already"));
    }
    if room.tokens.tokens().await?.len() >= MOST {
        return Err(Problem::new(Code::Refused, format!("there are {MOST} tokens")).help("revoke some"));
    }
    let token = new_token();
    let hash = hash_of(&token).ok_or_else(|| Problem::new(Code::Unavailable, "no token could be made"))?;
    let record = TokenRecord { name: body.name, hash, scopes, app, created: asked.now, expires, last_used: None };
    let event = Event::TokenMade(&record.name);
    let scene = asked.scene(record.app.as_ref());
    if !room.tokens.add_token(&record, &Entry::of(scene, &event)).await? {
        return Err(Problem::new(Code::Conflict, "there is a token of this name").help("revoke it, or choose another"));
    }
    room.journal.tell(scene, &event);
    Ok(MadeToken { name: record.name.clone(), token })
}

/// A token that was revoked.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct RevokedToken {
    /// Its name.
    name: String,
}

async fn revoke(room: Arc<ConsoleRoom>, asked: Asked, _: Nothing, _: Nothing) -> Result<RevokedToken, Problem> {
    let name = asked.part("name")?;
    if name == LOCAL {
        let help = "stop the gateway and remove `api.json` in its data folder: a new one is made at the next start";
        return Err(Problem::new(Code::Conflict, "this is the gateway's own token").help(help));
    }
    let event = Event::TokenRevoked(name);
    let scene = asked.scene(None);
    if !room.tokens.remove_token(name, &Entry::of(scene, &event)).await? {
        return Err(Problem::not_found("there is no token of this name"));
    }
    room.journal.tell(scene, &event);
    Ok(RevokedToken { name: name.to_owned() })
}
