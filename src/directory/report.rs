//! What is wrong in an app's tables, row by row, for `check --data`.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::source::{Place, Step, View};
use super::{Lists, TableDirectory};
use crate::policy::{AppPolicy, CustomerList, Grant, Refusal};
use crate::types::{AppName, CustomerId, Email, RoleName};

/// The most faults of a list that are kept with their rows; all are counted.
const MOST_FAULTS: usize = 10_000;

/// What was found in the tables of an app.
#[derive(Debug)]
pub struct AppReport {
    /// The app.
    pub app: AppName,
    /// Its lists, in order.
    pub lists: Vec<ListReport>,
    /// How many people may enter.
    pub people: usize,
    /// For how many customers.
    pub customers: usize,
    /// Roles that nobody has and no role includes.
    pub unused_roles: Vec<RoleName>,
    /// Irrevocable roles that nobody holds, neither as they are nor by a role that includes them.
    pub unheld_roles: Vec<RoleName>,
}

/// What was found in the table of one list.
#[derive(Debug, Default)]
pub struct ListReport {
    /// Rows that were read.
    pub rows: u64,
    /// Rows that let their person enter.
    pub entering: u64,
    /// Rows that are plainly not meant to: `where` or the role's `when` is false.
    pub left_out: u64,
    /// Rows of the workspace's own people, who do not enter as customers.
    pub staff: Vec<(Place, Email)>,
    /// What is wrong, in the order of rows.
    pub faults: Vec<Fault>,
    /// How many faults there are in all.
    pub fault_count: u64,
    /// What could be better.
    pub notes: Vec<String>,
    /// Why the table could not be read, or not to its end.
    pub unreadable: Option<String>,
}

/// One thing wrong with one row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Which row.
    pub place: Place,
    /// The address as the row has it.
    pub address: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// Told of the progress: rows read of a list, and how many there are where that is known.
pub type Progress<'a> = dyn FnMut(&CustomerList, u64, Option<u64>) + Send + 'a;

impl TableDirectory {
    /// Reads all tables of an app from end to end; `None` when there is no such app.
    pub async fn report(&self, app: &AppName, progress: &mut Progress<'_>) -> Option<AppReport> {
        let lists = self.lists(app)?;
        let now = self.clock.now();
        let mut survey = Survey::new(&lists.app.policy, now);
        for (number, (list, source)) in lists.app.policy.lists.iter().zip(&lists.sources).enumerate() {
            survey.lists.push(ListReport::default());
            let mut read = 0;
            let mut each = |step: Step| {
                read += 1;
                progress(list, read, step.total);
                survey.row(number, list, step);
            };
            let unreadable = source.walk(View::List(list), now, &mut each).await.err();
            let advice = source.advice(list).await;
            if let Some(report) = survey.lists.get_mut(number) {
                report.unreadable = unreadable;
                report.notes.extend(advice);
            }
        }
        Some(survey.finish(&lists))
    }
}

/// Where a nomination came from.
struct Nomination {
    list: usize,
    place: Place,
    address: Option<String>,
    role: RoleName,
    is_ambiguous: bool,
}

struct Survey<'a> {
    policy: &'a AppPolicy,
    now: Timestamp,
    lists: Vec<ListReport>,
    nominations: HashMap<(Email, Option<CustomerId>), Nomination>,
    /// Columns that a note was written about.
    noted: HashSet<(usize, String)>,
}

impl<'a> Survey<'a> {
    fn new(policy: &'a AppPolicy, now: Timestamp) -> Self {
        Self { policy, now, lists: Vec::new(), nominations: HashMap::new(), noted: HashSet::new() }
    }

    fn row(&mut self, number: usize, list: &CustomerList, step: Step) {
        let Some(report) = self.lists.get_mut(number) else { return };
        report.rows += 1;
        let row = match step.row {
            Ok(row) => std::sync::Arc::new(row),
            Err(what) => return report.fault(step.place, None, what),
        };
        for column in step.unusable {
            if self.noted.insert((number, column.clone())) {
                report.notes.push(format!(
                    "column `{column}` holds values of a kind that conditions cannot see; they are null there"
                ));
            }
        }
        let address = row.text(list.columns.email.as_str());
        if let Some(email) = list.email(&row).ok().filter(|email| self.policy.workspace.contains_key(email)) {
            report.staff.push((step.place, email));
            return;
        }
        let mut remarks = Vec::new();
        let outcome = self.policy.nominate(list, &row, self.now, &mut remarks);
        for remark in remarks {
            report.fault(step.place, address.clone(), remark.to_string());
        }
        match outcome {
            Ok(grant) => self.nominated(number, step.place, address, grant),
            // These words quote what stands in place of the address.
            Err(refusal @ Refusal::BadEmail(..)) => report.fault(step.place, None, refusal.to_string()),
            Err(refusal) if refusal.is_fault() => report.fault(step.place, address, refusal.to_string()),
            Err(_) => report.left_out += 1,
        }
    }

    fn nominated(&mut self, number: usize, place: Place, address: Option<String>, grant: Grant) {
        let key = (grant.email.clone(), grant.customer_id().cloned());
        let Some(first) = self.nominations.get_mut(&key) else {
            let role = grant.role;
            self.nominations.insert(key, Nomination { list: number, place, address, role, is_ambiguous: false });
            return;
        };
        let (Some(customer), names) = (key.1, &self.policy.lists) else { return };
        let name = |number: usize| names.get(number).map_or("", |list| list.name.as_str()).to_owned();
        let where_else = |list: usize, place: Place, other: usize| {
            if list == other { place.to_string() } else { format!("{place} of list `{}`", name(list)) }
        };
        let words = |elsewhere: String| {
            format!("ambiguous: {elsewhere} is for the same person and customer `{customer}`, so neither enters")
        };
        if !first.is_ambiguous {
            first.is_ambiguous = true;
            let what = words(where_else(number, place, first.list));
            if let Some(report) = self.lists.get_mut(first.list) {
                report.fault(first.place, first.address.clone(), what);
            }
        }
        let what = words(where_else(first.list, first.place, number));
        if let Some(report) = self.lists.get_mut(number) {
            report.fault(place, address, what);
        }
    }

    fn finish(mut self, lists: &Lists) -> AppReport {
        let mut people = HashSet::new();
        let mut customers = HashSet::new();
        let mut used: BTreeSet<&RoleName> = self.policy.workspace.values().map(|user| &user.role).collect();
        used.extend(self.policy.workspace_groups.iter().flat_map(|groups| &groups.roles).map(|(_, role)| role));
        for ((email, customer), nomination) in &self.nominations {
            if nomination.is_ambiguous {
                continue;
            }
            people.insert(email);
            customers.extend(customer);
            used.insert(&nomination.role);
            if let Some(report) = self.lists.get_mut(nomination.list) {
                report.entering += 1;
            }
        }
        for report in &mut self.lists {
            // A row's ambiguity shows only when the other row comes.
            report.faults.sort_by_key(|fault| fault.place);
        }
        let roles = &self.policy.roles.0;
        let is_held = |name: &RoleName| used.iter().any(|holder| self.policy.roles.holds(holder, name));
        let irrevocable = roles.iter().filter(|(_, role)| role.irrevocable).map(|(name, _)| name);
        let unheld: Vec<RoleName> = irrevocable.filter(|name| !is_held(name)).cloned().collect();
        used.extend(roles.values().flat_map(|role| &role.includes));
        let is_standard = *roles == crate::policy::Roles::standard().0;
        let is_complete = self.lists.iter().all(|report| report.unreadable.is_none());
        let unused = roles.keys().filter(|role| is_complete && !is_standard && !used.contains(role));
        AppReport {
            app: lists.app.name.clone(),
            people: people.len(),
            customers: customers.len(),
            unused_roles: unused.filter(|role| !unheld.contains(role)).cloned().collect(),
            unheld_roles: if is_complete { unheld.clone() } else { Vec::new() },
            lists: self.lists,
        }
    }
}

impl ListReport {
    pub(super) fn fault(&mut self, place: Place, address: Option<String>, what: String) {
        self.fault_count += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { place, address, what });
        }
    }
}

impl AppReport {
    /// Whether something is wrong: a table that cannot be read, or a row.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        self.lists.iter().any(|list| list.unreadable.is_some() || list.fault_count > 0)
    }
}
