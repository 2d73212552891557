//! What the console asks of rooms that it may not name: a port, for whoever puts the rooms together.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::types::{AppName, Email};

/// What somebody wants to have explained.
#[derive(Clone, Debug)]
pub struct ExplainQuestion {
    /// The app.
    pub app: AppName,
    /// The person.
    pub email: Email,
    /// The customer that the person has chosen.
    pub customer: Option<String>,
    /// The domain that they come by.
    pub host: Option<String>,
    /// The path of a request to decide on.
    pub path: Option<String>,
    /// The method of that request.
    pub method: Option<String>,
}

/// Why something cannot be explained.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoAnswer(pub String);

/// Why no impact can be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoImpact {
    /// Everything that is wrong with the config.
    Wrong(Vec<String>),
    /// One at a time: it reads all tables.
    Busy,
}

/// Answers what takes the tables and the whole config.
#[async_trait]
pub trait Services: Send + Sync {
    /// Why a person may or may not enter.
    async fn explain(&self, question: ExplainQuestion) -> Result<Map<String, Value>, NoAnswer>;
    /// Who would gain or lose what if a config of this text were in force.
    async fn impact(&self, text: String) -> Result<Map<String, Value>, NoImpact>;
}
