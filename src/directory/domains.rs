//! One table of domains: read from end to end, row by row, into who has which domain.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::faces::{FaceColumns, Faces, Logos};
use super::report::ListReport;
use super::source::{Place, Source, Step, View};
use crate::config::{App, Config, DomainTable};
use crate::policy::{ConditionFacts, Customer, Row, Subject, Verdict};
use crate::state::domains::{Claim, Owner};
use crate::state::nominated::{Face, Nominee};
use crate::types::{CustomerId, HostName};

/// The most domains of one table.
const MOST_DOMAINS: usize = 1_000_000;

/// What one table of domains says.
#[derive(Debug, Default)]
pub struct DomainReading {
    /// Every domain and where it stands, in the order of host names. One that is named for several has an entry for each.
    pub domains: Vec<(Place, Nominee)>,
    /// What was found on the way; `entering` counts the domains.
    pub report: ListReport,
}

/// Whose a host name is already, without any table.
#[derive(Debug, Default)]
pub struct Taken(HashMap<HostName, Arc<str>>);

impl Taken {
    /// The names that a config has: tables do not change those.
    #[must_use]
    pub fn by(config: &Config) -> Self {
        let mut taken: HashMap<HostName, Arc<str>> = HashMap::new();
        for app in &config.apps {
            let by: Arc<str> = format!("app `{}` has it in the config", app.name).into();
            taken.extend(app.domains.iter().map(|domain| (domain.host.clone(), Arc::clone(&by))));
        }
        taken.extend(config.login.hub.clone().map(|hub| (hub, "it is `login.hub`".into())));
        Self(taken)
    }
}

/// What a row has to say of a domain.
struct NamedRow {
    host: HostName,
    owner: Owner,
    face: FaceColumns,
}

/// Why a row names no domain.
enum Refused {
    /// It is plainly not meant to.
    LeftOut,
    /// Something is wrong with it.
    Fault(String),
}

/// Reads a table from end to end, as the source has it now.
///
/// # Errors
/// When it cannot be read to its end.
pub(super) async fn read(
    app: &App,
    table: &DomainTable,
    source: &Source,
    taken: &Taken,
    logos: &mut Logos,
    now: Timestamp,
) -> Result<DomainReading, String> {
    let mut reading = Reading::new(app, table, taken, logos, now);
    let mut each = |step: Step| reading.step(step);
    source.walk_shown(View::Domains(table), now, &mut each).await?;
    reading.finish()
}

struct Reading<'a> {
    app: &'a App,
    table: &'a DomainTable,
    taken: &'a Taken,
    now: Timestamp,
    faces: Faces<'a>,
    /// The same one for all domains of a customer.
    owners: HashSet<Arc<Owner>>,
    domains: Vec<(Place, Nominee)>,
    report: ListReport,
    noted: HashSet<String>,
    is_full: bool,
}

impl<'a> Reading<'a> {
    fn new(app: &'a App, table: &'a DomainTable, taken: &'a Taken, logos: &'a mut Logos, now: Timestamp) -> Self {
        Self {
            app,
            table,
            taken,
            now,
            faces: Faces::new(app, logos),
            owners: HashSet::new(),
            domains: Vec::new(),
            report: ListReport::default(),
            noted: HashSet::new(),
            is_full: false,
        }
    }

    fn step(&mut self, step: Step) {
        self.report.rows += 1;
        let row = match step.row {
            Ok(row) => row,
            Err(what) => return self.report.fault(step.place, None, what),
        };
        for column in step.unusable {
            if self.table.condition.is_some() && self.noted.insert(column.clone()) {
                let note =
                    format!("column `{column}` holds values of a kind that conditions cannot see; they are null there");
                self.report.notes.push(note);
            }
        }
        let text = row.text(self.table.columns.host.as_str());
        let named = match self.named(&row, text.as_deref()) {
            Ok(named) => named,
            Err(Refused::LeftOut) => return self.report.left_out += 1,
            Err(Refused::Fault(what)) => return self.report.fault(step.place, text.map(brief), what),
        };
        if self.domains.len() >= MOST_DOMAINS {
            self.is_full = true;
            return;
        }
        let (face, faults) = self.faces.face(named.face);
        for what in faults {
            self.report.fault(step.place, text.clone().map(brief), what.clone());
        }
        let owner = match self.owners.get(&named.owner) {
            Some(owner) => Arc::clone(owner),
            None => {
                let owner = Arc::new(named.owner);
                self.owners.insert(Arc::clone(&owner));
                owner
            }
        };
        self.domains.push((step.place, Nominee { host: named.host, owner, face }));
    }

    fn named(&self, row: &Row, text: Option<&str>) -> Result<NamedRow, Refused> {
        let fault = |what: &str| Refused::Fault(what.to_owned());
        // A domain that should be one customer's and is nobody's would be everybody's.
        let customer = self.table.columns.customer.as_ref().map(|column| row.text(column.as_str()));
        let id = match customer {
            None => Ok(None),
            Some(None) => Err(fault("the customer is empty")),
            Some(Some(id)) => match CustomerId::parse(&id) {
                Ok(id) => Ok(Some(id)),
                Err(_) => Err(fault("the customer is not 1 to 256 bytes without control characters")),
            },
        };
        if let Some(condition) = &self.table.condition {
            let customer = id.as_ref().ok().and_then(Clone::clone).map(|id| Customer { id, name: None });
            let zone = &self.app.policy.time_zone;
            match condition.verdict(ConditionFacts::of_row(Subject::Row(row), customer.as_ref(), self.now, zone)) {
                Verdict::True => {}
                Verdict::False => return Err(Refused::LeftOut),
                Verdict::Failed(why) => {
                    let what = format!("`where` could not be evaluated, which counts as not true: {why}");
                    return Err(Refused::Fault(what));
                }
            }
        }
        let host = self.host(text.ok_or_else(|| fault("the host name is empty"))?).map_err(Refused::Fault)?;
        Ok(NamedRow {
            host,
            owner: Owner { app: self.app.name.clone(), customer: id? },
            face: FaceColumns::of_row(self.table, row),
        })
    }

    fn host(&self, text: &str) -> Result<HostName, String> {
        let host = HostName::parse(text).map_err(|_| {
            let shown = brief(text.to_owned());
            if text.parse::<std::net::IpAddr>().is_ok() {
                format!("`{shown}` is an address, not a host name")
            } else if text.starts_with("*.") {
                format!("`{shown}` is a wildcard; each domain has a row of its own")
            } else {
                format!("`{shown}` is not a host name; write it without scheme, port and path")
            }
        })?;
        match self.taken.0.get(&host) {
            Some(by) => Err(format!("the row does not count: {by}")),
            None => Ok(host),
        }
    }

    fn finish(mut self) -> Result<DomainReading, String> {
        if self.is_full {
            return Err(format!("the table names more than {MOST_DOMAINS} domains"));
        }
        self.domains.sort_by(|one, other| (&one.1.host, one.0).cmp(&(&other.1.host, other.0)));
        let mut domains = self.domains;
        // Those of the host at hand, so far.
        let mut same: Vec<(Place, Nominee)> = Vec::new();
        domains.retain(|(place, nominee)| {
            if same.first().is_some_and(|(_, other)| other.host != nominee.host) {
                same.clear();
            }
            if let Some((other, _)) = same.iter().find(|(_, other)| other.owner == nominee.owner) {
                let what = format!("the domain stands twice: {other} counts");
                self.report.fault(*place, Some(nominee.host.to_string()), what);
                return false;
            }
            same.push((*place, nominee.clone()));
            true
        });
        for group in domains.chunk_by(|one, other| one.1.host == other.1.host).filter(|group| group.len() > 1) {
            for (place, nominee) in group {
                let others = group.iter().filter(|(other, _)| other != place);
                let others: Vec<String> =
                    others.map(|(place, other)| format!("{place} {}", whose(&other.owner))).collect();
                let what = ambiguous(&others.join(", "));
                self.report.fault(*place, Some(nominee.host.to_string()), what);
            }
        }
        self.report.faults.sort_by_key(|fault| fault.place);
        let hosts = domains.chunk_by(|one, other| one.1.host == other.1.host).count();
        self.report.entering = u64::try_from(hosts).unwrap_or(u64::MAX);
        domains.shrink_to_fit();
        Ok(DomainReading { domains, report: self.report })
    }
}

/// The words for a domain that is named for several.
pub(super) fn ambiguous(others: &str) -> String {
    format!("ambiguous: {others} has the domain too, so it serves only for whom it was proven before, or nobody")
}

/// For whom a domain is, for people.
pub(super) fn whose(owner: &Owner) -> String {
    match &owner.customer {
        Some(customer) => format!("(customer `{customer}`)"),
        None => "(all customers)".to_owned(),
    }
}

fn brief(text: String) -> String {
    const MOST: usize = 100;
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).collect() }
}

/// What is remembered of an app's domains, for as long as their table cannot be read.
pub(super) fn recalled(app: &App, claims: &[Claim]) -> Vec<Nominee> {
    let mut logos = app.domain_tables.iter().map(Logos::of).find(Logos::is_there).unwrap_or_default();
    let mut faces = Faces::new(app, &mut logos);
    let named = claims.iter().filter(|claim| claim.owner.app == app.name);
    let nominee = |claim: &Claim| -> Nominee {
        let (face, _): (Arc<Face>, _) = faces.face(FaceColumns::of_text(&claim.brand));
        Nominee { host: claim.host.clone(), owner: Arc::clone(&claim.owner), face }
    };
    named.map(nominee).collect()
}
