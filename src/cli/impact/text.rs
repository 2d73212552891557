//! The answer for people: counts first, then the first of each kind.

use std::fmt::Write as _;

use super::super::paint::{Paint, count, tame};
use super::facts::{AppImpact, AppState, Change, Impact, Kind, MemberFacts};

/// How many people of a kind are named, where not all are asked for.
const MOST_NAMED: usize = 10;

/// Tells the whole answer.
pub(super) fn tell(impact: &Impact, all: bool, paint: Paint) -> String {
    let mut text = format!("{} in place of {}\n", tame(&impact.config), tame(&impact.against));
    for app in &impact.apps {
        tell_app(&mut text, app, all, paint);
    }
    text
}

fn tell_app(text: &mut String, app: &AppImpact, all: bool, paint: Paint) {
    let people = |number: usize| count(number, "person", "people");
    let what = match app.state {
        AppState::Added => format!("is new: {} may enter", people(app.people_after)),
        AppState::Removed => format!("is gone: {} could enter", people(app.people_before)),
        AppState::Kept if app.people_before == app.people_after => {
            format!("{} may enter, as before", people(app.people_after))
        }
        AppState::Kept => format!("{} may enter, and {} before", people(app.people_after), app.people_before),
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n{}: {what}", paint.title(format!("app {}", app.app)));
    for problem in &app.problems {
        let _ = writeln!(text, "  {}", paint.bad(format!("problem: {}", tame(problem))));
    }
    for note in &app.notes {
        let _ = writeln!(text, "  note: {}", tame(note));
    }
    if app.changes.is_empty() {
        let _ = writeln!(text, "  {}", paint.good("nothing changes for anybody"));
    }
    let width = app.counts.keys().map(|kind| heading(*kind).len()).max().unwrap_or(0);
    for (kind, number) in &app.counts {
        let _ = writeln!(text, "  {:width$}  {number:>7}", heading(*kind));
    }
    for role in &app.roles {
        let _ = writeln!(text, "\n  role {} is another one, for {}:", role.role, people(role.people));
        for line in role.difference.lines().filter(|line| !line.starts_with("@@")) {
            let line = tame(line);
            let line = match line.chars().next() {
                Some('-') => paint.bad(&line),
                Some('+') => paint.good(&line),
                _ => line,
            };
            let _ = writeln!(text, "    {line}");
        }
    }
    for kind in Kind::ALL {
        let changes: Vec<&Change> = app.changes.iter().filter(|change| change.kinds.contains(&kind)).collect();
        // The difference of their role says what changes for them, and one line for each would say no more.
        if !changes.is_empty() && (all || !matches!(kind, Kind::Rules | Kind::Filters)) {
            tell_kind(text, kind, &changes, all, paint);
        }
    }
}

fn tell_kind(text: &mut String, kind: Kind, changes: &[&Change], all: bool, paint: Paint) {
    let _ = writeln!(text, "\n  {}", paint.title(heading(kind)));
    let most = if all { usize::MAX } else { MOST_NAMED };
    let named = || changes.iter().take(most);
    let width = named().map(|change| tame(&change.email).chars().count()).max().unwrap_or(0);
    for change in named() {
        let _ = writeln!(text, "    {:width$}  {}", tame(&change.email), what(kind, change));
    }
    if changes.len() > most {
        let _ = writeln!(text, "    {}", paint.quiet(format!("… and {} more; --all names them", changes.len() - most)));
    }
}

const fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Gains => "gain access",
        Kind::Loses => "lose access",
        Kind::Role => "change role",
        Kind::Customer => "change customer",
        Kind::DaysBack => "change days back",
        Kind::Rules => "have other rules",
        Kind::Filters => "have other filters",
        Kind::Unknown => "are unknown, for a table cannot be read",
    }
}

fn what(kind: Kind, change: &Change) -> String {
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    let pair = |of: &dyn Fn(&MemberFacts) -> String| {
        let of = |member: Option<&MemberFacts>| member.map_or_else(String::new, of);
        format!("{} -> {}", of(before), of(after))
    };
    let whose = |member: Option<&MemberFacts>| member.map_or_else(String::new, customer);
    match kind {
        Kind::Gains | Kind::Loses | Kind::Unknown => {
            let member = before.or(after);
            format!("{}, {}", whose(member), member.map_or_else(String::new, standing))
        }
        Kind::Role => format!("{}, {}", whose(after), pair(&|member| member.role.clone())),
        Kind::Customer => pair(&customer),
        Kind::DaysBack => format!("{}, {}", whose(after), pair(&days)),
        Kind::Rules | Kind::Filters => format!("{}, role {}", whose(after), after.map_or("", |member| &member.role)),
    }
}

fn customer(member: &MemberFacts) -> String {
    member.customer.as_ref().map_or_else(|| "of the workspace".to_owned(), |id| format!("customer {}", tame(id)))
}

fn standing(member: &MemberFacts) -> String {
    match member.days_back {
        Some(_) => format!("{}, {} back", member.role, days(member)),
        None => member.role.clone(),
    }
}

fn days(member: &MemberFacts) -> String {
    member.days_back.map_or_else(|| "without limit".to_owned(), |days| count(days, "day", "days"))
}
