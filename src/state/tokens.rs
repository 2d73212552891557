//! Tokens of the API: who may ask the admin listener for what.
//!
//! A token is 256 random bits. The store keeps its hash alone, so that a copy of the database opens nothing.

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ports::StoreError;
use crate::session::Token;
use crate::types::AppName;

/// What every token begins with, so that scanners of repositories find one that was left there.
const PREFIX: &str = "vst_";
/// The name of the token that the gateway makes for commands on the same machine.
pub const LOCAL: &str = "local";
/// How often its use is noted, in seconds.
pub const NOTE_EVERY: i64 = 60;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Look at apps, domains, sources and people.
    Read,
    /// Change who may enter, and give out or erase what is held of a person.
    People,
    /// End sessions.
    Sessions,
    /// Send notifications.
    Notify,
    /// Read the audit log.
    Audit,
    /// Reload the config and try one out.
    Config,
    /// All of these, and make tokens.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] =
        [Self::Read, Self::People, Self::Sessions, Self::Notify, Self::Audit, Self::Config, Self::Admin];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::People => "people",
            Self::Sessions => "sessions",
            Self::Notify => "notify",
            Self::Audit => "audit",
            Self::Config => "config",
            Self::Admin => "admin",
        }
    }

    /// The scope of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// What the store keeps of a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenRecord {
    /// Its name.
    pub name: String,
    /// The hash of what its holder has.
    pub hash: [u8; 32],
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// For this app only.
    pub app: Option<AppName>,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
}

impl TokenRecord {
    /// Whether it may be used for this. `Admin` is everything; whoever may change something may look at it too.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|own| match own {
            Scope::Admin => true,
            Scope::People | Scope::Sessions | Scope::Config if scope == Scope::Read => true,
            own => *own == scope,
        })
    }

    /// Whether it may be used for something of this app.
    #[must_use]
    pub fn covers(&self, app: &AppName) -> bool {
        self.app.as_ref().is_none_or(|own| own == app)
    }

    /// Whether it is good at a moment.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// A new token, as its holder gets it; it is shown once.
#[must_use]
pub fn new_token() -> String {
    format!("{PREFIX}{}", BASE64URL_NOPAD.encode(Token::generate().bytes()))
}

/// The hash of a token; `None` for a text that is none.
#[must_use]
pub fn hash_of(token: &str) -> Option<[u8; 32]> {
    let bits = BASE64URL_NOPAD.decode(token.strip_prefix(PREFIX)?.as_bytes()).ok()?;
    if bits.len() != 32 {
        return None;
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    Some(hash)
}

/// Whether a text may name a token: it stands in logs and in the audit log.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Keeps tokens.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Keeps a token with the entry that says so, in one step; `false` when there is one of this name.
    async fn add_token(&self, token: &TokenRecord, entry: &super::audit::Entry) -> Result<bool, StoreError>;
    /// Keeps the gateway's own token in place of the one before.
    async fn set_token(&self, token: &TokenRecord) -> Result<(), StoreError>;
    /// All tokens, by name.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError>;
    /// The token with a hash.
    async fn token(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError>;
    /// Forgets a token, with the entry that says so; `false` when there is none of this name.
    async fn remove_token(&self, name: &str, entry: &super::audit::Entry) -> Result<bool, StoreError>;
    /// Notes that a token was used.
    async fn token_used(&self, hash: &[u8; 32], now: Timestamp) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(scopes: &[Scope], app: Option<&str>) -> TokenRecord {
        TokenRecord {
            name: "ci".to_owned(),
            hash: [0; 32],
            scopes: scopes.to_vec(),
            app: app.map(|app| AppName::parse(app).expect("a name")),
            created: Timestamp::UNIX_EPOCH,
            expires: Some(Timestamp::UNIX_EPOCH),
            last_used: None,
        }
    }

    #[test]
    fn a_token_may_what_its_scopes_say_and_nothing_else() {
        let check = |own: &[Scope], may: &[Scope]| {
            let token = record(own, None);
            let found: Vec<_> = Scope::ALL.into_iter().filter(|scope| token.allows(*scope)).collect();
            assert_eq!(found, may, "{own:?}");
        };
        check(&[], &[]);
        check(&[Scope::Read], &[Scope::Read]);
        check(&[Scope::Sessions], &[Scope::Read, Scope::Sessions]);
        check(&[Scope::Audit], &[Scope::Audit]);
        check(&[Scope::Notify], &[Scope::Notify]);
        check(&[Scope::Admin], &Scope::ALL);
    }

    #[test]
    fn a_token_of_one_app_covers_no_other() {
        let shop = AppName::parse("shop").expect("a name");
        assert!(record(&[], None).covers(&shop) && record(&[], Some("shop")).covers(&shop));
        assert!(!record(&[], Some("orders")).covers(&shop));
        assert!(!record(&[], None).is_good(Timestamp::UNIX_EPOCH), "it ends when it says");
    }

    #[test]
    fn only_what_we_made_is_a_token() {
        let token = new_token();
        assert_ne!(token, new_token());
        assert!(hash_of(&token).is_some());
        for wrong in ["", "vst_", "vst_AAAA", &token[4..], &format!("{token}A"), "Bearer x"] {
            assert_eq!(hash_of(wrong), None, "{wrong}");
        }
    }
}
