//! Records: what people decide about people's access, beside what tables say.
//!
//! A record is one person for one customer of one app. Staff make them in the console, customers' administrators on the team
//! page. Each change is one transaction of the store that holds the rules which a race could break: the version that the change
//! was made against, and that a customer keeps an owner.

use async_trait::async_trait;
use jiff::Timestamp;

use super::ports::{OutgoingMail, StoreError};
use crate::session::TokenHash;
use crate::types::{AppName, CustomerId, DisplayName, Email, Language, RoleName};

/// One person for one customer of one app.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number, which it keeps.
    pub id: i64,
    /// Goes up with each change: a change is made against one version.
    pub version: i64,
    /// What it says.
    pub entry: Entry,
    /// How it stands.
    pub state: RecordState,
    /// Who made it.
    pub made_by: Maker,
    /// When.
    pub made: Timestamp,
    /// When it was changed last.
    pub changed: Timestamp,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The app.
    pub app: AppName,
    /// For which customer.
    pub customer: CustomerId,
    /// Who.
    pub email: Email,
    /// The person's first name.
    pub first_name: Option<DisplayName>,
    /// The person's last name.
    pub last_name: Option<DisplayName>,
    /// As what.
    pub role: RoleName,
    /// How many days back; `None` leaves it to the role.
    pub days_back: Option<u32>,
    /// Remarks, which only who looks after people sees.
    pub notes: Option<DisplayName>,
    /// The person's language.
    pub language: Option<Language>,
}

/// How a record stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordState {
    /// The person was invited and has not come yet.
    Invited {
        /// Until when the invitation may be accepted.
        expires: Timestamp,
        /// The hash of the token in its link, which only shows it.
        link: TokenHash,
    },
    /// It counts.
    Active,
    /// It gives nothing, until somebody lets it count again.
    Suspended,
}

/// Who made or changed a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Maker {
    /// A member of staff, or whoever holds a token of theirs.
    Staff(String),
    /// Somebody of the customer.
    Colleague(Email),
}

/// A customer that people have made, or whose name they gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Organisation {
    /// The app.
    pub app: AppName,
    /// Its key.
    pub id: CustomerId,
    /// Its name.
    pub name: DisplayName,
    /// Who made it, where somebody did.
    pub founder: Option<Email>,
}

/// That a customer keeps an owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeepOwner {
    /// The roles of owners.
    pub roles: Vec<RoleName>,
    /// Whether somebody is one by a table, whom no record can take away.
    pub has_other: bool,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// It is done, and this is how the record stands.
    Done(Box<Record>),
    /// It is gone, as was asked.
    Removed,
    /// There is no such record, or it is another's by now.
    Gone,
    /// Somebody else changed it meanwhile.
    Stale,
    /// The person has a record with this customer already.
    Known,
    /// The customer has as many people as it may have.
    Full,
    /// The customer would be left without an owner.
    LastOwner,
}

/// Which records.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordFilter<'a> {
    /// Of which app.
    pub app: Option<&'a AppName>,
    /// Of which customer.
    pub customer: Option<&'a CustomerId>,
    /// Whose address or name has this in it.
    pub text: Option<&'a str>,
    /// With numbers above this.
    pub after: i64,
    /// At most so many.
    pub most: u32,
}

/// Where records are kept. When a call returns `Ok`, its change is on disk.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// One person's records in an app, for all customers.
    async fn records_of(&self, app: &AppName, email: &Email) -> Result<Vec<Record>, StoreError>;
    /// Records, in the order of their numbers.
    async fn records(&self, filter: RecordFilter<'_>) -> Result<Vec<Record>, StoreError>;
    /// One record.
    async fn record(&self, id: i64) -> Result<Option<Record>, StoreError>;
    /// The record that an invitation's link shows.
    async fn record_by_link(&self, link: TokenHash) -> Result<Option<Record>, StoreError>;
    /// Makes a record, and queues its mail in the same step.
    async fn add_record(
        &self,
        entry: &Entry,
        state: &RecordState,
        by: &Maker,
        most: u32,
        mail: Option<(&OutgoingMail, Timestamp)>,
        now: Timestamp,
    ) -> Result<Changed, StoreError>;
    /// Changes a record, made against a version of it, and queues a mail in the same step.
    async fn change_record(
        &self,
        id: i64,
        version: i64,
        entry: &Entry,
        state: &RecordState,
        owners: &KeepOwner,
        mail: Option<(&OutgoingMail, Timestamp)>,
        now: Timestamp,
    ) -> Result<Changed, StoreError>;
    /// Removes a record.
    async fn remove_record(&self, id: i64, version: i64, owners: &KeepOwner) -> Result<Changed, StoreError>;
    /// The name that a customer was given.
    async fn organisation(&self, app: &AppName, id: &CustomerId) -> Result<Option<Organisation>, StoreError>;
    /// Keeps a customer's name; one that is there gets another.
    async fn keep_organisation(&self, organisation: &Organisation, now: Timestamp) -> Result<(), StoreError>;
    /// Makes a person an organisation of their own, in one step: the new customer, the person's record as its owner, those records that
    /// go over to it, and the end of the person's record with the old customer.
    async fn found(
        &self,
        organisation: &Organisation,
        owner: &Entry,
        leaving: Option<(i64, i64)>,
        go_over: &[(i64, i64)],
        owners: &KeepOwner,
        mails: &[(OutgoingMail, Timestamp)],
        now: Timestamp,
    ) -> Result<Changed, StoreError>;
}
