//! All that is held of one person, and its erasure.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::audit::Entry;
use super::ports::StoreError;
use crate::types::Email;

/// Keeps what concerns people, and gives out or erases what it has of one.
#[async_trait]
pub trait PersonalStore: Send + Sync {
    /// Everything that is held of a person, by what it is.
    async fn export(&self, email: &Email) -> Result<Map<String, Value>, StoreError>;
    /// Erases everything that is held of a person, and writes the entry that says so, in one step.
    async fn erase(&self, email: &Email, entry: &Entry) -> Result<Erased, StoreError>;
}

/// What was erased.
#[derive(Clone, Debug, Default, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
pub struct Erased {
    /// How much of each kind.
    pub rows: BTreeMap<String, u64>,
}
