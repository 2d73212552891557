//! An app's policy: its lists, roles and staff, and how rows become grants.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil::Date};

use super::nominate::Terms;
use super::{
    ConditionFacts, Customer, CustomerList, Grant, Origin, PreviewPlan, Refusal, Roles, Row, Subject, TeamPlan,
};
use crate::types::{AppName, DisplayName, Email, ProviderName, RoleName};

/// Who may enter an app, and as what.
#[derive(Clone, Debug, PartialEq)]
pub struct AppPolicy {
    /// The app.
    pub name: AppName,
    /// Its customer lists, in order.
    pub lists: Vec<CustomerList>,
    /// Its roles.
    pub roles: Roles,
    /// The role of rows that name none.
    pub default_role: Option<RoleName>,
    /// Its staff.
    pub workspace: BTreeMap<Email, WorkspaceUser>,
    /// Its staff by what a provider says of them.
    pub workspace_groups: Option<WorkspaceGroups>,
    /// What it allows of previews.
    pub preview: PreviewPlan,
    /// The time zone that days begin in.
    pub time_zone: TimeZone,
    /// How customers look after their own people, where they may.
    pub team: Option<TeamPlan>,
}

/// Which groups of an OpenID provider are staff in one app.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkspaceGroups {
    /// The provider.
    pub provider: ProviderName,
    /// Groups and their roles; the first that a person is in counts.
    pub roles: Vec<(String, RoleName)>,
    /// Those of them whose people may preview.
    pub preview: Vec<String>,
}

/// One of the workspace's own people in one app.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkspaceUser {
    /// The person's name.
    pub name: Option<DisplayName>,
    /// The role in this app.
    pub role: RoleName,
    /// Whether the person may see the app as its customers do.
    pub preview: bool,
}

/// What all rows of one person came to.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// The grants: at most one for each customer.
    pub grants: Vec<Grant>,
    /// Why rows gave none.
    pub refusals: Vec<Refusal>,
}

impl AppPolicy {
    /// What a row of a list grants. What went wrong without deciding anything is added to `remarks`.
    ///
    /// # Errors
    /// [`Refusal`] says why it grants nothing.
    pub fn nominate(
        &self,
        list: &CustomerList,
        row: &Arc<Row>,
        now: Timestamp,
        remarks: &mut Vec<Refusal>,
    ) -> Result<Grant, Refusal> {
        let terms = Terms {
            app: &self.name,
            roles: &self.roles,
            default_role: self.default_role.as_ref(),
            now,
            zone: &self.time_zone,
        };
        list.nominate(row, terms, remarks)
    }

    /// The grant of one of the workspace's own people, who are never customers of the app.
    #[must_use]
    pub fn workspace_grant(&self, email: &Email) -> Option<Grant> {
        let user = self.workspace.get(email)?;
        Some(self.staff(email, user.name.clone(), user.role.clone()))
    }

    /// The grant of somebody whom the staff's provider says to be in these groups.
    #[must_use]
    pub fn group_grant(&self, email: &Email, provider: &ProviderName, groups: &[String]) -> Option<Grant> {
        let staff = self.workspace_groups.as_ref().filter(|staff| staff.provider == *provider)?;
        let (_, role) = staff.roles.iter().find(|(group, _)| groups.contains(group))?;
        Some(self.staff(email, None, role.clone()))
    }

    fn staff(&self, email: &Email, name: Option<DisplayName>, role: RoleName) -> Grant {
        Grant {
            app: self.name.clone(),
            email: email.clone(),
            name,
            customer: None,
            days_back: self.roles.days_back(&role),
            role,
            language: None,
            notes: None,
            attributes: BTreeMap::new(),
            origin: Origin::Workspace,
            row: Arc::new(Row::default()),
        }
    }

    /// Whether somebody with this row may hold a role for a customer. Whoever is in no table has a row without columns, so a `when`
    /// that looks at one is not true of them.
    ///
    /// # Errors
    /// [`Refusal`] says why not.
    pub fn admits(
        &self,
        role: &RoleName,
        row: &Row,
        customer: Option<&Customer>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.roles.admits(role, ConditionFacts::of_row(Subject::Row(row), customer, now, &self.time_zone))
    }

    /// A list by its name.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<&CustomerList> {
        self.lists.iter().find(|list| list.name == name)
    }

    /// Puts one person's nominations together. Two for the same customer are ambiguous, and then neither counts, for we
    /// cannot know which of the two roles was meant.
    #[must_use]
    pub fn settle(nominations: Vec<Grant>) -> Settled {
        let mut by_customer: HashMap<_, Vec<Grant>> = HashMap::new();
        let mut order = Vec::new();
        for grant in nominations {
            let key = grant.customer_id().cloned();
            if !by_customer.contains_key(&key) {
                order.push(key.clone());
            }
            by_customer.entry(key).or_default().push(grant);
        }
        let mut settled = Settled::default();
        for key in order {
            match by_customer.remove(&key).as_deref() {
                Some([grant]) => settled.grants.push(grant.clone()),
                Some([first, second, ..]) => {
                    if let Some(customer) = key {
                        let list = |grant: &Grant| match &grant.origin {
                            Origin::List(name) => name.clone(),
                            Origin::Workspace => "workspace".to_owned(),
                            Origin::Record => "records".to_owned(),
                        };
                        settled.refusals.push(Refusal::Ambiguous {
                            first: list(first),
                            second: list(second),
                            customer,
                        });
                    }
                }
                _ => {}
            }
        }
        settled
    }

    /// When the app's next day begins: what hangs on `since` holds until then.
    #[must_use]
    pub fn next_midnight(&self, now: Timestamp) -> Timestamp {
        let tomorrow = now.to_zoned_datetime(self.time_zone.clone()).date().tomorrow();
        let begins = tomorrow.and_then(|day| self.time_zone.to_timestamp(day.at(0, 0, 0, 0)));
        begins.unwrap_or(Timestamp::MAX)
    }

    /// The first day that a person may see: midnight `days_back` days before today, in the app's time zone.
    #[must_use]
    pub fn since(&self, days_back: Option<u32>, now: Timestamp) -> Option<Date> {
        let today = now.to_zoned_datetime(self.time_zone.clone()).date();
        days_back.map(|days| today.checked_sub(i64::from(days).days()).unwrap_or(Date::MIN))
    }
}
