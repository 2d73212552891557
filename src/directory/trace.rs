//! Why one person may or may not enter: every list, every row, every step, for `explain`.

use std::sync::Arc;

use jiff::Timestamp;

use super::TableDirectory;
use super::source::{FoundRow, Place, Step, View};
use crate::policy::{AppPolicy, CustomerList, Grant, Refusal, Row};
use crate::types::{AppName, Email};

/// Addresses that are written much like the one asked for.
const MOST_ALIKE: usize = 3;
/// How many slips of the pen may lie between two that are alike.
const MOST_SLIPS: usize = 2;

/// What became of one person on the way from address to grants.
#[derive(Debug)]
pub struct Trace {
    /// The grant of one of the workspace's own people, who are never customers: no list was asked then.
    pub staff: Option<Grant>,
    /// Every list, in order.
    pub lists: Vec<ListTrace>,
    /// The grants that are left in the end.
    pub grants: Vec<Arc<Grant>>,
    /// Rows that cancel each other out.
    pub ambiguous: Vec<Refusal>,
}

/// What one list had to say.
#[derive(Debug)]
pub struct ListTrace {
    /// The list's number, counted from 0.
    pub number: usize,
    /// The rows for the address; otherwise why the source could not be asked.
    pub rows: Result<Vec<RowTrace>, String>,
    /// When the table was so.
    pub fetched: Option<Timestamp>,
    /// Where there is no row: addresses in the table that are written much alike, with their places.
    pub alike: Vec<(Place, String)>,
}

/// What became of one row.
#[derive(Debug)]
pub struct RowTrace {
    /// Where it stands.
    pub place: Place,
    /// The row.
    pub row: Arc<Row>,
    /// What went wrong without deciding.
    pub remarks: Vec<Refusal>,
    /// What it grants, or why nothing.
    pub outcome: Result<Grant, Refusal>,
}

impl TableDirectory {
    /// Walks one person's way through all lists of an app, asking the sources anew; `None` when there is no such app. The
    /// conditions see the tables as they are now, and `at` as the time.
    pub async fn trace(&self, app: &AppName, email: &Email, at: Timestamp) -> Option<Trace> {
        let lists = self.lists(app)?;
        let policy = &lists.app.policy;
        let now = self.clock.now();
        if let Some(grant) = policy.workspace_grant(email) {
            let grants = vec![Arc::new(grant.clone())];
            return Some(Trace { staff: Some(grant), lists: Vec::new(), grants, ambiguous: Vec::new() });
        }
        let mut traces = Vec::new();
        let mut nominations = Vec::new();
        for (number, (list, source)) in policy.lists.iter().zip(&lists.sources).enumerate() {
            source.freshen(now).await;
            let found = source.find(list, email, now, false).await;
            let trace_row = |found: FoundRow| {
                let mut remarks = Vec::new();
                let outcome = policy.nominate(list, &found.row, at, &mut remarks);
                RowTrace { place: found.place, row: found.row, remarks, outcome }
            };
            let fetched = found.as_ref().ok().map(|found| found.fetched);
            let rows = found.map(|found| found.rows.into_iter().map(trace_row).collect::<Vec<_>>());
            nominations.extend(rows.iter().flatten().filter_map(|row| row.outcome.as_ref().ok().cloned()));
            let mut alike = Alike::new(list, email);
            if rows.as_ref().is_ok_and(Vec::is_empty) {
                // Only a hint, so a walk that fails is no matter.
                let _ = source.walk(View::List(list), now, &mut |step| alike.consider(&step)).await;
            }
            traces.push(ListTrace { number, rows, fetched, alike: alike.into_best() });
        }
        let settled = AppPolicy::settle(nominations);
        Some(Trace {
            staff: None,
            lists: traces,
            grants: settled.grants.into_iter().map(Arc::new).collect(),
            ambiguous: settled.refusals,
        })
    }
}

/// Gathers the addresses most like one.
struct Alike<'a> {
    column: &'a str,
    email: &'a str,
    best: Vec<(usize, Place, String)>,
}

impl<'a> Alike<'a> {
    fn new(list: &'a CustomerList, email: &'a Email) -> Self {
        Self { column: list.columns.email.as_str(), email: email.as_str(), best: Vec::new() }
    }

    fn consider(&mut self, step: &Step) {
        let Some(text) = step.row.as_ref().ok().and_then(|row| row.text(self.column)) else { return };
        // The distance takes time, and a length that differs by more has it at least.
        let folded = text.to_lowercase();
        let is_near = folded.len().abs_diff(self.email.len()) <= MOST_SLIPS;
        let slips = match (folded.contains(self.email), is_near) {
            (true, _) => 0,
            (false, true) => strsim::osa_distance(&folded, self.email),
            (false, false) => return,
        };
        if slips > MOST_SLIPS {
            return;
        }
        self.best.push((slips, step.place, text));
        self.best.sort_by_key(|(slips, _, _)| *slips);
        self.best.truncate(MOST_ALIKE);
    }

    fn into_best(self) -> Vec<(Place, String)> {
        self.best.into_iter().map(|(_, place, text)| (place, text)).collect()
    }
}
