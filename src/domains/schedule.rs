//! Which name is looked at, ordered for or asked about next. Pure: whoever runs it tells the time and what came of each job.
//!
//! Every name has one place: it waits for a time, it waits for the budget, or a job of it runs. So nothing runs twice for one
//! name, and no tick looks at all of them. A look comes before an order, for it costs the authority nothing; what passes it waits
//! for the budget ([`super::budget`]), renewals that become urgent first, then new names, then other renewals, and names whose
//! last order failed in every fourth turn at most.

mod entry;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use self::entry::{Entry, Kept, Place, in_whole_seconds};
use super::backoff::{later, next_look, next_order, next_probe};
use super::budget::{Budget, Kind, parent};
use super::trouble::Trouble;
use crate::state::certificates::CertificateName;
use crate::state::domains::{Phase, Progress};
use crate::state::issuance::Times;

/// Orders under way at a time.
const ORDERS: usize = 8;

/// Looks and questions about renewals under way at a time.
const LOOKS: usize = 16;

/// Between two looks at a name that somebody presses for.
const BETWEEN_LOOKS: SignedDuration = SignedDuration::from_secs(5);

/// How old a look may be when the order begins.
const LOOK_LASTS: SignedDuration = SignedDuration::from_mins(10);

/// How soon a question about a renewal that failed is asked again.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// How often such a question is asked at most (RFC 9773, section 4.3.2).
const ASK_OFTEN: SignedDuration = SignedDuration::from_mins(1);

/// How soon an order that the authority has not finished goes on.
const UNFINISHED: SignedDuration = SignedDuration::from_mins(1);

/// So many names in a row that the authority puts off stand for an authority that puts off everybody.
const LIMITED_IN_A_ROW: u32 = 3;

/// Something to do for a name. What came of it is told with its ticket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Job {
    pub(super) name: CertificateName,
    pub(super) task: Task,
    pub(super) ticket: u64,
}

/// What a job is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Task {
    /// See whether an order can succeed.
    Look,
    /// Order a certificate.
    Order,
    /// Ask the authority when the certificate is to be renewed.
    Ask,
}

/// What came of an order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// There is a certificate.
    Issued(Times),
    /// The authority, or the name's validation by it, said no.
    Refused { trouble: Trouble, retry_after: Option<Timestamp> },
    /// The authority is not done yet; the same order goes on later.
    Unfinished { retry_after: Option<Timestamp> },
    /// The authority wants fewer orders.
    Limited { trouble: Trouble, retry_after: Option<Timestamp> },
    /// The authority cannot be used: nothing to do with this name.
    Unavailable { cause: String, retry_after: Option<Timestamp> },
}

impl Outcome {
    /// All of them, for metrics.
    pub(super) const NAMES: [&str; 5] = ["issued", "refused", "unfinished", "limited", "unavailable"];

    /// Its name in metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Issued(_) => "issued",
            Self::Refused { .. } => "refused",
            Self::Unfinished { .. } => "unfinished",
            Self::Limited { .. } => "limited",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// All names that want a certificate, and where each stands.
#[derive(Debug)]
pub(super) struct Schedule {
    entries: HashMap<CertificateName, Kept>,
    /// Names to look at, by time.
    looks: BTreeSet<(Timestamp, CertificateName)>,
    /// Names whose renewal is to be asked about, by time.
    asks: BTreeSet<(Timestamp, CertificateName)>,
    /// Names that passed the look and wait for the budget: new ones by the time they began to wait, renewals by the time they
    /// become urgent, and those whose last order failed.
    new: BTreeSet<(Timestamp, CertificateName)>,
    renewals: BTreeSet<(Timestamp, CertificateName)>,
    failed: BTreeSet<(Timestamp, CertificateName)>,
    budget: Budget,
    authority: Authority,
    limited_in_a_row: u32,
    turns: u64,
    tickets: u64,
    looking: usize,
    ordering: usize,
    /// What is not written down yet.
    changed: HashSet<CertificateName>,
}

/// Whether the authority can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Authority {
    /// As far as we know.
    Up,
    /// Not since then; one order at a time tries again.
    Down { failures: u32, until: Timestamp, cause: String },
}

impl Schedule {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            entries: HashMap::new(),
            looks: BTreeSet::new(),
            asks: BTreeSet::new(),
            new: BTreeSet::new(),
            renewals: BTreeSet::new(),
            failed: BTreeSet::new(),
            budget,
            authority: Authority::Up,
            limited_in_a_row: 0,
            turns: 0,
            tickets: 0,
            looking: 0,
            ordering: 0,
            changed: HashSet::new(),
        }
    }

    /// How far a name is, if it is one of ours, and the times of its certificate.
    pub(super) fn progress(&self, name: &CertificateName) -> Option<(Progress, Option<Times>)> {
        self.entry(name).map(|entry| (entry.progress(), entry.times))
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &CertificateName> {
        self.entries.keys()
    }

    /// Whether a name is one of ours.
    pub(super) fn has(&self, name: &CertificateName) -> bool {
        self.entries.contains_key(name)
    }

    /// Whether the authority can be used.
    pub(super) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What may be ordered still.
    pub(super) const fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// The certificate that ends first, of all that serve.
    pub(super) fn ends_first(&self) -> Option<Timestamp> {
        self.entries.values().filter_map(Kept::not_after).min()
    }

    /// Takes a name in: with what is remembered of it, and the times of the certificate it has. One that is there already stays
    /// as it is.
    pub(super) fn add(
        &mut self,
        name: CertificateName,
        remembered: Option<Progress>,
        times: Option<Times>,
        now: Timestamp,
    ) {
        if self.entries.contains_key(&name) {
            return;
        }
        let times = times.map(|times| in_whole_seconds(&times));
        let mut entry = Entry::new(times, now);
        let mut at = None;
        if let Some(progress) = remembered {
            entry.phase = progress.phase;
            entry.since = progress.since;
            entry.failures = progress.failures;
            entry.trouble = Trouble::remembered(progress.problem, progress.sentence);
            at = progress.next_try;
        } else if times.is_some() {
            entry.phase = Phase::Issued;
        }
        let place = match times {
            // Whatever was noted last: it has what it wants.
            Some(times) if now < times.renew_at => {
                if entry.phase != Phase::Issued {
                    (entry.phase, entry.since, entry.failures, entry.trouble) = (Phase::Issued, now, 0, None);
                }
                Place::of_rest(&times)
            }
            _ if entry.phase == Phase::Issued && times.is_none() => {
                entry.phase = Phase::Pending;
                Place::Look(now)
            }
            _ if entry.phase == Phase::Issued => Place::Look(now),
            _ => Place::Look(at.unwrap_or(now)),
        };
        self.entries.insert(name.clone(), Kept::Wakes(Box::new(entry)));
        self.put(&name, place);
        self.settle(&name);
        // Nothing happened to it yet that a restart would not find again.
        self.changed.remove(&name);
    }

    /// Lets a name go. What its jobs bring counts no more.
    pub(super) fn remove(&mut self, name: &CertificateName) {
        self.take_out(name);
        self.entries.remove(name);
        self.changed.remove(name);
    }

    /// Looks at a name as soon as that may be: somebody says that it is mended. `false` for one that is not ours.
    pub(super) fn press(&mut self, name: &CertificateName, now: Timestamp) -> bool {
        let Some(kept) = self.entries.get_mut(name) else { return false };
        // Of a certificate that stands, there is nothing to mend.
        let Kept::Wakes(entry) = kept else { return true };
        let at = entry.looked.map_or(now, |looked| later(looked, BETWEEN_LOOKS).max(now));
        match entry.place {
            Place::Busy(_) => entry.pressed = true,
            // What waits for the budget waits on.
            Place::Look(planned) if planned > at && entry.phase != Phase::Issued => self.put(name, Place::Look(at)),
            _ => {}
        }
        true
    }

    /// The next job, if there is one that may begin now.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Job> {
        if let Some(job) = self.next_order(now) {
            return Some(job);
        }
        if self.looking >= LOOKS {
            return None;
        }
        if let Some(name) = first(&self.looks, now) {
            if self.entry(&name).is_some_and(|entry| entry.phase == Phase::Issued) {
                self.change(&name, Phase::Renewing, None, now);
            }
            self.looking += 1;
            return Some(self.begin(name, Task::Look));
        }
        let name = first(&self.asks, now)?;
        self.looking += 1;
        Some(self.begin(name, Task::Ask))
    }

    fn next_order(&mut self, now: Timestamp) -> Option<Job> {
        loop {
            if self.ordering >= ORDERS || self.budget.left(now) == 0 {
                return None;
            }
            if let Authority::Down { until, .. } = &self.authority
                && (*until > now || self.ordering > 0)
            {
                return None;
            }
            let (name, kind) = self.pick(now)?;
            let parent_waits = if kind.renews { None } else { self.budget.parent_waits_until(&name, now) };
            if let Some(until) = parent_waits {
                self.change(&name, Phase::Pending, Some(Trouble::parent_is_full(&parent(&name), until)), now);
                self.put(&name, Place::Look(until));
                continue;
            }
            if let Some(until) = self.budget.name_waits_until(&name, now) {
                self.put(&name, Place::Look(until));
                continue;
            }
            let looked = self.entry(&name).and_then(|entry| entry.looked);
            if looked.is_none_or(|looked| later(looked, LOOK_LASTS) < now) {
                // It waited long: what was right may be wrong by now.
                if self.looking >= LOOKS {
                    return None;
                }
                self.looking += 1;
                return Some(self.begin(name, Task::Look));
            }
            self.budget.take(&name, kind, now);
            self.turns += 1;
            self.ordering += 1;
            return Some(self.begin(name, Task::Order));
        }
    }

    /// Whose turn it is at the budget.
    fn pick(&mut self, now: Timestamp) -> Option<(CertificateName, Kind)> {
        let failed = if self.budget.has_room_for_failed(now) { self.failed.first() } else { None };
        let urgent = self.renewals.first().filter(|(urgent_at, _)| *urgent_at <= now);
        let is_their_turn = self.turns % 4 == 3;
        let picked = failed
            .filter(|_| is_their_turn)
            .or(urgent)
            .or_else(|| self.new.first())
            .or_else(|| self.renewals.first())
            .or(failed);
        let (_, name) = picked?;
        let entry = self.entry(name)?;
        let kind = Kind { failed_before: entry.failures > 0, renews: entry.times.is_some() };
        Some((name.clone(), kind))
    }

    /// When [`Schedule::next`] may have something again, if nothing is reported before.
    #[cfg(test)]
    pub(super) fn wakes_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        let first = |set: &BTreeSet<(Timestamp, CertificateName)>| set.first().map(|(at, _)| *at);
        let open = match &self.authority {
            Authority::Up => now,
            Authority::Down { until, .. } => *until,
        };
        let mut orders = Vec::new();
        if !self.new.is_empty() || !self.renewals.is_empty() {
            orders.push(self.budget.frees_at(now).max(open));
        }
        if !self.failed.is_empty() {
            orders.push(self.budget.frees_for_failed_at(now).max(open));
        }
        [first(&self.looks), first(&self.asks)].into_iter().flatten().chain(orders).min()
    }

    /// Whether this job still counts: its name may have gone since.
    fn is_current(&mut self, job: &Job) -> bool {
        match job.task {
            Task::Order => self.ordering = self.ordering.saturating_sub(1),
            Task::Look | Task::Ask => self.looking = self.looking.saturating_sub(1),
        }
        self.entry(&job.name).is_some_and(|entry| entry.place == Place::Busy(job.ticket))
    }

    /// A look found something missing, or nothing.
    pub(super) fn looked(&mut self, job: &Job, trouble: Option<Trouble>, now: Timestamp) {
        if !self.is_current(job) {
            return;
        }
        let name = &job.name;
        match trouble {
            Some(trouble) => {
                self.missing(name, trouble, now);
            }
            None => self.wait_for_budget(name, now),
        }
        self.finish(name, now);
    }

    /// An order ended.
    pub(super) fn ordered(&mut self, job: &Job, outcome: Outcome, now: Timestamp) {
        self.hear_of_authority(&outcome, now);
        if !self.is_current(job) {
            return;
        }
        let name = &job.name;
        match outcome {
            Outcome::Issued(times) => {
                let times = in_whole_seconds(&times);
                if let Some(entry) = self.wake(name) {
                    entry.failures = 0;
                    entry.waits_since = None;
                    entry.times = Some(times);
                }
                self.change(name, Phase::Issued, None, now);
                self.put(name, Place::of_rest(&times));
            }
            Outcome::Refused { trouble, retry_after } | Outcome::Limited { trouble, retry_after } => {
                let Some(entry) = self.wake(name) else { return };
                entry.failures = entry.failures.saturating_add(1);
                entry.waits_since = None;
                let failures = entry.failures;
                let phase = if entry.serves(now) { Phase::Failing } else { Phase::BackingOff };
                self.change(name, phase, Some(trouble), now);
                self.put(name, Place::Look(next_order(name, failures, now, retry_after)));
            }
            Outcome::Unfinished { retry_after } => {
                self.put(name, Place::Look(later(now, UNFINISHED).max(retry_after.unwrap_or(now))));
            }
            Outcome::Unavailable { .. } => self.wait_for_budget(name, now),
        }
        self.finish(name, now);
    }

    /// The authority said when a certificate is to be renewed, or could not be asked.
    pub(super) fn asked(&mut self, job: &Job, times: Option<Times>, now: Timestamp) {
        if !self.is_current(job) {
            return;
        }
        if let Some(entry) = self.wake(&job.name) {
            let known = entry.times;
            let times = match (times, known) {
                (Some(times), _) => Times { ask_again: times.ask_again.max(later(now, ASK_OFTEN)), ..times },
                (None, Some(times)) => Times { ask_again: later(now, ASK_AGAIN), ..times },
                // It was asked about, so it was there; without it, it is looked at like a new one.
                (None, None) => return self.put(&job.name, Place::Look(now)),
            };
            let times = in_whole_seconds(&times);
            entry.times = Some(times);
            self.put(&job.name, Place::of_rest(&times));
        }
        self.finish(&job.name, now);
    }

    fn missing(&mut self, name: &CertificateName, trouble: Trouble, now: Timestamp) {
        let Some(entry) = self.entry(name) else { return };
        let phase = if entry.serves(now) { Phase::Failing } else { Phase::Missing };
        self.change(name, phase, Some(trouble), now);
        let since = self.entry(name).map_or(now, |entry| entry.since);
        self.put(name, Place::Look(next_look(since, now)));
    }

    fn wait_for_budget(&mut self, name: &CertificateName, now: Timestamp) {
        let Some(entry) = self.wake(name) else { return };
        let since = *entry.waits_since.get_or_insert(now);
        let place = match (entry.failures, entry.urgent_at()) {
            (0, Some(urgent_at)) => Place::Renewal(urgent_at),
            (0, None) => Place::New(since),
            (_, urgent_at) => Place::Failed(urgent_at.unwrap_or(since)),
        };
        let phase = match (entry.serves(now), entry.failures) {
            (true, _) => Phase::Renewing,
            (false, 0) => Phase::Pending,
            // It keeps its sentence until the next order says something else.
            (false, _) => Phase::BackingOff,
        };
        let trouble = if entry.failures > 0 && entry.phase != Phase::Missing { entry.trouble.clone() } else { None };
        self.change(name, phase, trouble, now);
        self.put(name, place);
    }

    /// Notes the end of a job's look, and looks again where somebody asked for it meanwhile.
    fn finish(&mut self, name: &CertificateName, now: Timestamp) {
        let Some(entry) = self.wake(name) else { return };
        entry.looked = Some(now);
        if std::mem::take(&mut entry.pressed) {
            self.press(name, now);
        }
        self.settle(name);
    }

    fn hear_of_authority(&mut self, outcome: &Outcome, now: Timestamp) {
        let (cause, retry_after) = match outcome {
            Outcome::Unavailable { cause, retry_after } => (cause.clone(), *retry_after),
            Outcome::Limited { retry_after, .. } => {
                self.limited_in_a_row += 1;
                if self.limited_in_a_row < LIMITED_IN_A_ROW {
                    return;
                }
                ("it wants fewer orders".to_owned(), *retry_after)
            }
            Outcome::Issued(_) | Outcome::Refused { .. } | Outcome::Unfinished { .. } => {
                self.limited_in_a_row = 0;
                if self.authority != Authority::Up {
                    tracing::info!("the certificate authority can be used again");
                    self.authority = Authority::Up;
                }
                return;
            }
        };
        let failures = match &self.authority {
            Authority::Up => 0,
            // Orders that ran when it went down say the same once more.
            Authority::Down { until, .. } if *until > now => return,
            Authority::Down { failures, .. } => *failures,
        };
        let until = next_probe(failures + 1, now, retry_after);
        if failures == 0 {
            tracing::warn!(%cause, until = %format_args!("{until:.0}"), "the certificate authority cannot be used; orders wait");
        }
        self.authority = Authority::Down { failures: failures + 1, until, cause };
    }

    fn change(&mut self, name: &CertificateName, phase: Phase, trouble: Option<Trouble>, now: Timestamp) {
        let Some(entry) = self.wake(name) else { return };
        let problem = trouble.as_ref().map(|trouble| trouble.problem.as_ref());
        let old = entry.trouble.as_ref().map(|trouble| trouble.problem.as_ref());
        if (entry.phase, old) != (phase, problem) {
            match (&trouble, phase) {
                (Some(trouble), Phase::Failing) => {
                    tracing::warn!(%name, problem = %trouble.problem, what = %trouble.sentence, "a certificate cannot be renewed yet");
                }
                (Some(trouble), _) => {
                    tracing::warn!(%name, state = phase.name(), problem = %trouble.problem, what = %trouble.sentence, "a domain has no way to its certificate yet");
                }
                // The order itself told at info that the certificate is there.
                (None, Phase::Issued) => tracing::debug!(%name, "a domain has its certificate"),
                (None, _) => tracing::debug!(%name, state = phase.name(), "a domain goes on"),
            }
        }
        if entry.phase != phase {
            entry.phase = phase;
            entry.since = now;
        }
        entry.trouble = trouble;
        self.changed.insert(name.clone());
    }

    /// Why the authority cannot be used, and until when nothing is asked of it.
    pub(super) fn authority_trouble(&self) -> Option<String> {
        let Authority::Down { until, cause, .. } = &self.authority else { return None };
        Some(format!("the certificate authority cannot be used, and orders wait until {until:.0}: {cause}"))
    }

    /// Why no orders go out at all now.
    pub(super) fn orders_wait(&mut self, now: Timestamp) -> Option<String> {
        let trouble = self.authority_trouble();
        if trouble.is_some() || self.budget.left(now) > 0 {
            return trouble;
        }
        let until = self.budget.frees_at(now);
        Some(format!("the orders of this hour (`acme.orders_per_hour`) are used up; there are more from {until:.0} on"))
    }

    fn entry(&self, name: &CertificateName) -> Option<Cow<'_, Entry>> {
        self.entries.get(name).map(Kept::entry)
    }

    fn wake(&mut self, name: &CertificateName) -> Option<&mut Entry> {
        self.entries.get_mut(name).map(Kept::wake)
    }

    /// Whoever woke a name does this when done with it.
    fn settle(&mut self, name: &CertificateName) {
        if let Some(kept) = self.entries.get_mut(name) {
            kept.settle();
        }
    }

    fn begin(&mut self, name: CertificateName, task: Task) -> Job {
        self.tickets += 1;
        let ticket = self.tickets;
        self.put(&name, Place::Busy(ticket));
        Job { name, task, ticket }
    }

    fn put(&mut self, name: &CertificateName, place: Place) {
        self.take_out(name);
        let Some(entry) = self.wake(name) else { return };
        entry.place = place;
        if matches!(place, Place::Look(_)) {
            self.changed.insert(name.clone());
        }
        if let Some((set, at)) = self.set_of(place) {
            set.insert((at, name.clone()));
        }
    }

    fn take_out(&mut self, name: &CertificateName) {
        let Some(place) = self.entry(name).map(|entry| entry.place) else { return };
        if let Some((set, at)) = self.set_of(place) {
            set.remove(&(at, name.clone()));
        }
    }

    const fn set_of(&mut self, place: Place) -> Option<(&mut BTreeSet<(Timestamp, CertificateName)>, Timestamp)> {
        match place {
            Place::Look(at) => Some((&mut self.looks, at)),
            Place::Ask(at) => Some((&mut self.asks, at)),
            Place::New(at) => Some((&mut self.new, at)),
            Place::Renewal(at) => Some((&mut self.renewals, at)),
            Place::Failed(at) => Some((&mut self.failed, at)),
            Place::Busy(_) => None,
        }
    }

    /// What changed since the last call, to be written down.
    pub(super) fn take_changes(&mut self) -> Vec<(CertificateName, Progress)> {
        let changed = std::mem::take(&mut self.changed);
        let known = changed.into_iter().filter_map(|name| {
            let progress = self.entry(&name)?.progress();
            Some((name, progress))
        });
        known.collect()
    }

    /// Notes again what could not be written down.
    pub(super) fn put_back(&mut self, changes: Vec<(CertificateName, Progress)>) {
        self.changed.extend(changes.into_iter().map(|(name, _)| name));
    }
}

fn first(set: &BTreeSet<(Timestamp, CertificateName)>, now: Timestamp) -> Option<CertificateName> {
    set.first().filter(|(at, _)| *at <= now).map(|(_, name)| name.clone())
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
