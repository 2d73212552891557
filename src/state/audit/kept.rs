//! The audit log as it is read: which entries are asked for, what they look like, and whether the chain is whole.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::types::{AppName, CustomerId, Email};

/// Which entries are asked for.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Of this app.
    pub app: Option<AppName>,
    /// For this customer.
    pub customer: Option<CustomerId>,
    /// By or for this person.
    pub person: Option<Email>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Of this kind.
    pub event: Option<String>,
    /// Beyond this number, in the order that is asked for.
    pub beyond: Option<u64>,
    /// In which order.
    pub order: Order,
    /// At most so many.
    pub most: u32,
}

/// In which order entries are read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// As they happened.
    #[default]
    OldestFirst,
    /// The last first.
    NewestFirst,
}

/// A person in an entry.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
pub struct KeptPerson {
    /// Their number in the log; the same in all entries until they are erased.
    pub id: String,
    /// Their address; null once they are erased.
    pub email: Option<String>,
}

/// Who did something.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
pub struct KeptActor {
    /// `visitor` (not proven who), `person`, `staff`, `token` or `gateway`.
    pub kind: String,
    /// Which person, where it was one.
    pub person: Option<KeptPerson>,
    /// Which token, where it was one.
    pub token: Option<String>,
}

/// An entry of the audit log.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
pub struct Kept {
    /// Its number. They count up by one.
    pub number: u64,
    /// When it happened, as RFC 3339 has it.
    pub at: String,
    /// What happened.
    pub event: String,
    /// Who did it.
    pub actor: KeptActor,
    /// For whom.
    pub subject: Option<KeptPerson>,
    /// In which app.
    pub app: Option<String>,
    /// For which customer. One that is a person is named as persons are: by the address, and `person ID` once erased.
    pub customer: Option<String>,
    /// From which address.
    pub client: Option<String>,
    /// On which domain.
    pub domain: Option<String>,
    /// By which request.
    pub request_id: Option<String>,
    /// What else is known, by name.
    pub facts: Map<String, Value>,
    /// The hash of this entry and all before it, in hexadecimal.
    pub hash: String,
}

/// What a look through the whole chain found.
#[derive(Clone, Debug, Default, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
pub struct Verified {
    /// How many entries are there.
    pub entries: u64,
    /// The number of the oldest; those before were removed for their age.
    pub first: Option<u64>,
    /// The number of the newest.
    pub last: Option<u64>,
    /// The hash of the newest: keep it elsewhere, and it shows later whether the store was put back to what it was before.
    pub head: Option<String>,
    /// The first thing that is wrong.
    pub flaw: Option<Flaw>,
}

/// Something wrong with the chain.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
pub struct Flaw {
    /// The first entry that is not as it was written.
    pub number: u64,
    /// What is wrong with it.
    pub problem: String,
}
