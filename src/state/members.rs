//! Records: what people decide about people's access, beside what tables say.
//!
//! A record is one person for one customer of one app. Staff make them in the console, customers' administrators on the team
//! page. Each change is one transaction of the store that holds the rules which a race could break: the version that a change
//! was made against, the record that lets its maker make it, how many people a customer may have, and that it keeps an owner.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::audit;
use super::people_search::{Candidates, PeopleFilter};
use super::ports::{Directory, Known, OutgoingMail, StoreError, Unavailable};
use crate::policy::{DaysBack, Grant};
use crate::session::TokenHash;
use crate::types::{AppName, CustomerId, DisplayName, Email, Language, RoleName};

/// One person for one customer of one app.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its number, which it keeps.
    pub id: i64,
    /// Goes up with each change: a change is made against one version.
    pub version: i64,
    /// What it says.
    pub entry: Entry,
    /// The name that its customer was given, where somebody gave one.
    pub customer_name: Option<DisplayName>,
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The app.
    pub app: AppName,
    /// For which customer.
    pub customer: CustomerId,
    /// Who.
    pub email: Email,
    /// What it does where no list names the person.
    pub basis: Basis,
    /// The person's first name.
    pub first_name: Option<DisplayName>,
    /// The person's last name.
    pub last_name: Option<DisplayName>,
    /// As what.
    pub role: RoleName,
    /// How many days back; `None` leaves it to the role, or to the list that names the person.
    pub days_back: Option<DaysBack>,
    /// Remarks, which only who looks after people sees.
    pub notes: Option<DisplayName>,
    /// The person's language.
    pub language: Option<Language>,
}

/// What a record does where no list names its person for its customer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Basis {
    /// It lets the person in: somebody invited or added them.
    Own,
    /// It gives nothing: it only changes what an adjustable list gives. Whoever is removed from the table is out, whatever
    /// somebody once wrote on top of it.
    Adjusts,
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
        /// When it was sent last.
        sent: Timestamp,
    },
    /// It counts.
    Active,
    /// It gives nothing, until somebody lets it count again.
    Suspended,
}

impl RecordState {
    /// The name of the first one.
    pub const INVITED: &'static str = "invited";

    /// The name in lines, answers and the database.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Invited { .. } => Self::INVITED,
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// Who made a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Maker {
    /// A member of staff, by address, or whoever holds a token of theirs, by its name.
    Staff(String),
    /// Somebody of the customer.
    Colleague(Email),
    /// Somebody whose data was erased.
    Erased,
}

/// A customer whose name somebody gave, or that somebody founded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Organisation {
    /// The app.
    pub app: AppName,
    /// Its key.
    pub id: CustomerId,
    /// Its name.
    pub name: DisplayName,
    /// Who founded it, where somebody did.
    pub founder: Option<Email>,
}

/// One step of a change.
#[derive(Clone, Debug)]
pub enum Step {
    /// Makes a record; the customer may have at most so many.
    Add {
        /// What it says.
        entry: Box<Entry>,
        /// How it stands.
        state: RecordState,
        /// Who makes it.
        by: Maker,
        /// How many people its customer may have by records, this one among them. An invitation that ran out is none.
        most: u32,
    },
    /// Changes one.
    Set {
        /// Which.
        id: i64,
        /// The version that it is made against.
        version: i64,
        /// What it says from now on.
        entry: Box<Entry>,
        /// How it stands from now on.
        state: RecordState,
        /// Who answers for it from now on, where that is somebody else.
        by: Option<Maker>,
    },
    /// Removes one.
    Remove {
        /// Which.
        id: i64,
        /// The version that was seen.
        version: i64,
    },
    /// Makes sure that a customer has room for one more, of at most so many.
    Room {
        /// The app.
        app: AppName,
        /// The customer.
        customer: CustomerId,
        /// How many there may be.
        most: u32,
    },
    /// Keeps a customer's name; one that is there gets another, and keeps its founder.
    Name(Organisation),
}

/// What has to hold for a change, and what is stored with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// The record that lets somebody make the change, with the version that was looked at: it must be there and active.
    pub rests_on: Option<(i64, i64)>,
    /// The customer that keeps an owner, where one goes.
    pub owners: Option<&'a KeepOwner>,
    /// Mails that are queued with it, each with the moment from which on it is of no use.
    pub mails: &'a [(OutgoingMail, Timestamp)],
    /// What the audit log keeps of it.
    pub entries: &'a [audit::Entry],
}

/// That a customer keeps an owner, where one goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeepOwner {
    /// The app.
    pub app: AppName,
    /// The customer.
    pub customer: CustomerId,
    /// The roles of owners.
    pub roles: Vec<RoleName>,
    /// Whether a list that no record changes names one.
    pub has_fixed: bool,
    /// Whom adjustable lists name for the customer, and whether as an owner: so where no record says otherwise.
    pub adjustable: Vec<(Email, bool)>,
}

/// What became of a change. Only [`Changed::Done`] leaves anything behind.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// It is done.
    Done {
        /// How the records stand that were added or changed, in the order of the steps.
        records: Vec<Record>,
        /// [`RecordStore::record_changes`] before.
        before: i64,
        /// And after.
        after: i64,
    },
    /// A record is gone.
    Gone,
    /// Somebody else changed a record meanwhile.
    Stale,
    /// What let somebody make the change is not so any more.
    Unfounded,
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
    /// Of which person.
    pub email: Option<&'a Email>,
    /// Whose address or name has this in it.
    pub text: Option<&'a str>,
    /// In which state, by its name.
    pub state: Option<&'a str>,
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
    async fn record_by_link(&self, app: &AppName, link: TokenHash) -> Result<Option<Record>, StoreError>;
    /// Takes steps, all or none, in one transaction with what is stored along.
    async fn change_records(&self, steps: &[Step], terms: Terms<'_>, now: Timestamp) -> Result<Changed, StoreError>;
    /// The name that a customer was given.
    async fn organisation(&self, app: &AppName, id: &CustomerId) -> Result<Option<Organisation>, StoreError>;
    /// How often records were changed, by whomever: another process, or a hand that erases all that is held of a person.
    async fn record_changes(&self) -> Result<i64, StoreError>;
}

/// What the tables say, for those who put records beside it.
#[async_trait]
pub trait Tables: Directory {
    /// All that the tables say of one person, also where a list cannot be asked ([`Known::missing`]). With `is_recorded`, the
    /// answer that nothing is said of the person is remembered for as long as one that something is: a source in trouble is
    /// then bridged for them as for people of the table. Strangers leave nothing behind.
    async fn told(&self, app: &AppName, email: &Email, is_recorded: bool) -> Result<Arc<Known>, Unavailable>;
    /// Whom the tables name for one customer, at most so many.
    async fn of_customer(&self, app: &AppName, customer: &CustomerId, most: usize) -> Named;
    /// Whom a row fits, of those who are asked for.
    async fn candidates(&self, filter: PeopleFilter<'_>) -> Candidates;
}

/// Whom the tables name for one customer.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// The people; who is ambiguous is not among them.
    pub people: Vec<Grant>,
    /// Lists that cannot be asked, by name, and why: whom they name is missing.
    pub unasked: Vec<(String, String)>,
    /// Whether there are more.
    pub is_cut: bool,
}
