//! A grant: one person's access for one customer in one app, as the tables give it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Row;
use crate::types::{AppName, CustomerId, DisplayName, Email, RoleName};

/// One person's access for one customer in one app.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The app.
    pub app: AppName,
    /// Who.
    pub email: Email,
    /// The person's name, where the table has one.
    pub name: Option<DisplayName>,
    /// For which customer; a workspace user has none.
    pub customer: Option<Customer>,
    /// As what.
    pub role: RoleName,
    /// How many days back the person may see; `None` is without limit.
    pub days_back: Option<u32>,
    /// The person's language (BCP 47), where the table has one.
    pub language: Option<DisplayName>,
    /// Remarks of the table: for the platform's team, and for the upstream where config names them.
    pub notes: Option<DisplayName>,
    /// Further columns that the list names, for headers and claims; only those with a value.
    pub attributes: BTreeMap<String, DisplayName>,
    /// Where it comes from.
    pub origin: Origin,
    /// The row as the table has it, for conditions.
    pub row: Arc<Row>,
}

/// An organisation whose people log in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Customer {
    /// Its key.
    pub id: CustomerId,
    /// Its name, where the table has one.
    pub name: Option<DisplayName>,
}

/// Where a grant comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A customer list, by name.
    List(String),
    /// A record that people made: staff, or the customer's own administrators.
    Record,
    /// The workspace's own people.
    Workspace,
}

impl Grant {
    /// The customer's key, where there is a customer.
    #[must_use]
    pub fn customer_id(&self) -> Option<&CustomerId> {
        self.customer.as_ref().map(|customer| &customer.id)
    }
}
