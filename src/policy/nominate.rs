//! Customer lists: which rows of a table may enter, and what each row grants.

use super::{Condition, ConditionFacts, Customer, DaysBack, Grant, Origin, Roles, Row, Subject, Value, Verdict};
use crate::types::{
    AppName, ColumnName, CustomerId, DisplayName, Email, InvalidEmail, RoleName, SourceName, TableName,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// One `[[app.NAME.customers]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomerList {
    /// Its name, for people.
    pub name: String,
    /// Whose table.
    pub source: SourceName,
    /// Which table, where the source has several.
    pub table: Option<TableName>,
    /// Which column means what.
    pub columns: ListColumns,
    /// How many days back its people may see, where the row does not say.
    pub days_back: Option<DaysBack>,
    /// Where the role comes from.
    pub role: ListRole,
    /// Which rows may enter; all, when left out.
    pub condition: Option<Condition>,
    /// Roles by condition; the first that holds wins over `role`.
    pub assign: Vec<Assign>,
    /// Whether records change the role and days back of its people.
    pub adjustable: bool,
}

/// Which column of the table means what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListColumns {
    /// The email.
    pub email: ColumnName,
    /// The customer's key. Without it each email is a customer of its own.
    pub customer: Option<ColumnName>,
    /// The customer's name.
    pub customer_name: Option<ColumnName>,
    /// The person's name.
    pub person: Option<ColumnName>,
    /// The person's language.
    pub language: Option<ColumnName>,
    /// How many days back the person may see.
    pub days_back: Option<ColumnName>,
    /// Remarks.
    pub notes: Option<ColumnName>,
    /// Attributes: their names, each with its column.
    pub attributes: Vec<(String, ColumnName)>,
}

impl ListColumns {
    /// All columns the list names.
    pub fn all(&self) -> impl Iterator<Item = &ColumnName> {
        let optional =
            [&self.customer, &self.customer_name, &self.person, &self.language, &self.days_back, &self.notes];
        let attributes = self.attributes.iter().map(|(_, column)| column);
        std::iter::once(&self.email).chain(optional.into_iter().flatten()).chain(attributes)
    }
}

/// Where a list's role comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListRole {
    /// A column.
    Column(ColumnName),
    /// The same for every row.
    Name(RoleName),
    /// The app's default.
    Default,
}

/// A role by condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Assign {
    /// The role.
    pub role: RoleName,
    /// When it is given.
    pub when: Condition,
}

/// Why a row does not let its person enter.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The table lacks a column that the list names.
    #[error("the table has no column `{0}`")]
    NoColumn(ColumnName),
    /// The email column is empty.
    #[error("the email is empty")]
    NoEmail,
    /// The email is none.
    #[error("`{0}` is not an email address: {1}")]
    BadEmail(String, InvalidEmail),
    /// `where` is false.
    #[error("`where` is not true for this row")]
    Where,
    /// `where` could not be evaluated.
    #[error("`where` could not be evaluated, which counts as not true: {0}")]
    WhereFailed(String),
    /// The customer column is empty.
    #[error("the customer is empty")]
    NoCustomer,
    /// The customer column holds what cannot be a key.
    #[error("the customer is not 1 to 256 bytes without control characters")]
    BadCustomer,
    /// Days back is no number.
    #[error("days back is `{0}`, not a whole number from 0 to 36500")]
    BadDaysBack(String),
    /// No role.
    #[error("no role: the role column is empty and the app has no `roles_default`")]
    NoRole,
    /// A role that the app does not have.
    #[error("the role `{0}` is none of the app's")]
    UnknownRole(String),
    /// The role's `when` is false.
    #[error("the role `{0}` is for others: its `when` is not true for this row")]
    RoleWhen(RoleName),
    /// The role's `when` could not be evaluated.
    #[error("the `when` of role `{0}` could not be evaluated, which counts as not true: {1}")]
    RoleWhenFailed(RoleName, String),
    /// A condition of `assign` could not be evaluated; the row goes on as if it were false.
    #[error("the `when` of `assign` for role `{0}` could not be evaluated, which counts as not true: {1}")]
    AssignFailed(RoleName, String),
    /// Two rows for the same person and customer.
    #[error("ambiguous: {} for this person and customer `{customer}`", both(.first, .second))]
    Ambiguous {
        /// The list of the one row.
        first: String,
        /// The list of the other.
        second: String,
        /// The customer they share.
        customer: CustomerId,
    },
}

fn both(first: &str, second: &str) -> String {
    if first == second {
        format!("list `{first}` has two rows")
    } else {
        format!("list `{first}` and list `{second}` both have a row")
    }
}

impl Refusal {
    /// Whether the platform's team should look at it: not for a row that is plainly not meant to enter.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::Where | Self::RoleWhen(_))
    }
}

/// What an app gives to every row of its lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    pub(super) app: &'a AppName,
    pub(super) roles: &'a Roles,
    pub(super) default_role: Option<&'a RoleName>,
    pub(super) now: Timestamp,
    pub(super) zone: &'a TimeZone,
}

impl CustomerList {
    /// The most days back that can be asked for.
    pub const MOST_DAYS_BACK: u32 = 36_500;

    /// The address in a row, normalised.
    ///
    /// # Errors
    /// [`Refusal::NoColumn`], [`Refusal::NoEmail`] or [`Refusal::BadEmail`].
    pub fn email(&self, row: &Row) -> Result<Email, Refusal> {
        let column = &self.columns.email;
        if !row.has(column.as_str()) {
            return Err(Refusal::NoColumn(column.clone()));
        }
        let text = row.text(column.as_str()).ok_or(Refusal::NoEmail)?;
        Email::parse(&text).map_err(|error| Refusal::BadEmail(text.chars().take(100).collect(), error))
    }

    /// The customer of a row, where it names one.
    #[must_use]
    pub fn customer_of(&self, row: &Row) -> Option<Customer> {
        let id = self.customer(row, &self.email(row).ok()?).ok()?;
        let name = self.columns.customer_name.as_ref().and_then(|column| row.text(column.as_str()));
        Some(Customer { id, name: name.and_then(|name| DisplayName::new(&name)) })
    }

    /// What a row grants. Whatever went wrong on the way but did not decide is added to `remarks`.
    pub(super) fn nominate(
        &self,
        row: &Arc<Row>,
        terms: Terms<'_>,
        remarks: &mut Vec<Refusal>,
    ) -> Result<Grant, Refusal> {
        if let Some(missing) = self.columns.all().find(|column| !row.has(column.as_str())) {
            return Err(Refusal::NoColumn(missing.clone()));
        }
        let email = self.email(row)?;
        let display = |column: &Option<ColumnName>| {
            column.as_ref().and_then(|column| row.text(column.as_str())).and_then(|text| DisplayName::new(&text))
        };
        let customer = Customer { id: self.customer(row, &email)?, name: display(&self.columns.customer_name) };
        let facts = ConditionFacts::of_row(Subject::Row(row), Some(&customer), terms.now, terms.zone);
        match self.condition.as_ref().map(|condition| condition.verdict(facts)) {
            None | Some(Verdict::True) => {}
            Some(Verdict::False) => return Err(Refusal::Where),
            Some(Verdict::Failed(why)) => return Err(Refusal::WhereFailed(why)),
        }
        let role = self.role(row, facts, terms, remarks)?;
        let days_back = self.days_back(row, &role, terms.roles)?;
        let attribute = |(name, column): &(String, ColumnName)| {
            let text = row.text(column.as_str())?;
            Some((name.clone(), DisplayName::new(&text)?))
        };
        let attributes = self.columns.attributes.iter().filter_map(attribute).collect();
        Ok(Grant {
            app: terms.app.clone(),
            name: display(&self.columns.person),
            language: display(&self.columns.language),
            notes: display(&self.columns.notes),
            attributes,
            origin: Origin::List(self.name.clone()),
            row: Arc::clone(row),
            email,
            customer: Some(customer),
            role,
            days_back,
        })
    }

    fn customer(&self, row: &Row, email: &Email) -> Result<CustomerId, Refusal> {
        let text = match &self.columns.customer {
            None => email.to_string(),
            Some(column) => row.text(column.as_str()).ok_or(Refusal::NoCustomer)?,
        };
        CustomerId::parse(&text).map_err(|_| Refusal::BadCustomer)
    }

    /// The row's own days, else the list's, else the role's.
    fn days_back(&self, row: &Row, role: &RoleName, roles: &Roles) -> Result<Option<u32>, Refusal> {
        let column = self.columns.days_back.as_ref();
        if let Some(column) = column
            && matches!(row.0.get(column.as_str()), Some(Value::List(_) | Value::Map(_)))
        {
            return Err(Refusal::BadDaysBack("a list".to_owned()));
        }
        let Some(text) = column.and_then(|column| row.text(column.as_str())) else {
            return Ok(match self.days_back {
                Some(DaysBack::Days(days)) => Some(days),
                Some(DaysBack::Unlimited) => None,
                None => roles.days_back(role),
            });
        };
        // Some tables keep whole numbers as floats.
        let digits = text.strip_suffix(".0").unwrap_or(&text);
        match digits.parse::<u32>() {
            Ok(days) if days <= Self::MOST_DAYS_BACK && !digits.starts_with('+') => Ok(Some(days)),
            _ => Err(Refusal::BadDaysBack(text.chars().take(40).collect())),
        }
    }

    fn role(
        &self,
        row: &Row,
        facts: ConditionFacts<'_>,
        terms: Terms<'_>,
        remarks: &mut Vec<Refusal>,
    ) -> Result<RoleName, Refusal> {
        let assigned = self.assign.iter().find(|assign| match assign.when.verdict(facts) {
            Verdict::True => true,
            Verdict::False => false,
            Verdict::Failed(why) => {
                remarks.push(Refusal::AssignFailed(assign.role.clone(), why));
                false
            }
        });
        let name = match (&self.role, assigned) {
            // The row's own role comes first: a table that says who is what is not overruled by a guess.
            (ListRole::Column(column), assigned) => match (row.0.get(column.as_str()), row.text(column.as_str())) {
                (None, _) => return Err(Refusal::NoColumn(column.clone())),
                (Some(_), Some(text)) => {
                    RoleName::parse(&text).map_err(|_| Refusal::UnknownRole(text.chars().take(80).collect()))?
                }
                (Some(_), None) => match assigned {
                    Some(assign) => assign.role.clone(),
                    None => terms.default_role.cloned().ok_or(Refusal::NoRole)?,
                },
            },
            (_, Some(assign)) => assign.role.clone(),
            (ListRole::Name(role), None) => role.clone(),
            (ListRole::Default, None) => terms.default_role.cloned().ok_or(Refusal::NoRole)?,
        };
        terms.roles.admits(&name, facts).map(|()| name)
    }
}

impl Roles {
    /// Whether a role is one of the app's and its `when` holds.
    ///
    /// # Errors
    /// [`Refusal`] says why not.
    pub(super) fn admits(&self, name: &RoleName, facts: ConditionFacts<'_>) -> Result<(), Refusal> {
        let role = self.role(name).ok_or_else(|| Refusal::UnknownRole(name.to_string()))?;
        match role.when.as_ref().map(|when| when.verdict(facts)) {
            None | Some(Verdict::True) => Ok(()),
            Some(Verdict::False) => Err(Refusal::RoleWhen(name.clone())),
            Some(Verdict::Failed(why)) => Err(Refusal::RoleWhenFailed(name.clone(), why)),
        }
    }
}
