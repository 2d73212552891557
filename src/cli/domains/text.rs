//! What `vestibule domains` prints for people.

use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::cli::paint::{Paint, cut, tame};
use crate::state::certificates::CertificateName;
use crate::state::domains::Phase;
use crate::state::issuance::Times;
use crate::state::onboarding::{DomainRow, Sight, Standing};
use crate::state::proof::UNPROVEN;

/// The widest a host or a customer is shown in the table.
const WIDEST: usize = 48;

fn state(row: &DomainRow, paint: Paint, width: usize) -> String {
    let padded = format!("{:width$}", row.state.name());
    match row.state {
        Standing::Phase(Phase::Issued) | Standing::Provided => paint.good(padded),
        Standing::Phase(Phase::Pending | Phase::Renewing) => padded,
        Standing::Phase(Phase::Missing | Phase::Failing | Phase::BackingOff) | Standing::Uncertified => {
            paint.bad(padded)
        }
    }
}

fn until(row: &DomainRow, now: Timestamp) -> String {
    match row.until {
        None => String::new(),
        Some(until) if until < now => format!("{} ended", until.strftime("%F")),
        Some(until) if row.ends_soon(now) => {
            format!("{} soon", until.strftime("%F"))
        }
        Some(until) => until.strftime("%F").to_string(),
    }
}

/// All domains, trouble first.
pub(super) fn table(rows: &[DomainRow], counts: &[(&'static str, usize)], now: Timestamp, paint: Paint) -> String {
    let cells: Vec<[String; 3]> = rows
        .iter()
        .map(|row| {
            let app = row.app.as_ref().map_or("(hub)", |app| app.as_str()).to_owned();
            let customer = row.customer.as_ref().map(|id| cut(&tame(id.as_str()), WIDEST)).unwrap_or_default();
            [cut(row.host.as_str(), WIDEST), app, customer]
        })
        .collect();
    let titles = ["HOST", "APP", "CUSTOMER"];
    let widest = |column: usize| {
        let title = titles.get(column).map_or(0, |title| title.len());
        let cells = cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or_default().max(title)
    };
    let widths = [widest(0), widest(1), widest(2)];
    let [host, app, customer] = widths;
    let mut text = String::new();
    // Writing to a string does not fail.
    if !rows.is_empty() {
        let head = format!(
            "{:host$}  {:app$}  {:customer$}  {:11}  {:16}  PROBLEM",
            "HOST", "APP", "CUSTOMER", "STATE", "UNTIL"
        );
        let _ = writeln!(text, "{}", paint.title(head));
    }
    for (row, [name, of, whose]) in rows.iter().zip(&cells) {
        let problem = row.problem.as_deref().map(tame).unwrap_or_default();
        let line = format!(
            "{name:host$}  {of:app$}  {whose:customer$}  {}  {:16}  {problem}",
            state(row, paint, 11),
            until(row, now)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let told: Vec<_> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(state, count)| format!("{count} {state}")).collect();
    let told = if told.is_empty() { "no domains".to_owned() } else { told.join(", ") };
    let _ = writeln!(text, "{told}");
    text
}

/// One domain, with everything that is known.
pub(super) fn one(
    row: &DomainRow,
    name: &CertificateName,
    times: Option<&Times>,
    pointing: &Result<(Vec<IpAddr>, Vec<String>), String>,
    sight: Option<&Sight>,
    now: Timestamp,
    paint: Paint,
) -> String {
    let mut text = format!("{}\n", paint.title(&row.host));
    let app = row.app.as_ref().map_or_else(|| "the hub of the log-in".to_owned(), |app| format!("app {app}"));
    let customer = row.customer.as_ref().map(|id| format!(", customer {}", tame(id.as_str()))).unwrap_or_default();
    let _ = writeln!(text, "  {app}{customer}, named by {}", by(row));
    let since = row.since.map(|since| format!(" since {since:.0}")).unwrap_or_default();
    let _ = writeln!(text, "  {}{since}", state(row, paint, 0));
    if let Some(problem) = &row.problem {
        let _ = writeln!(text, "  problem: {}", tame(problem));
    }
    if let Some(sentence) = &row.sentence {
        write_sentence(&mut text, sentence);
    }
    if row.problem.as_deref() == Some(UNPROVEN) {
        let _ = writeln!(text, "  you approve it with: vestibule domains approve {}", row.host);
    }
    if row.failures > 0 {
        let _ = writeln!(text, "  orders that failed: {}", row.failures);
    }
    if let Some(next) = row.next_try {
        let what = if row.state == Standing::Phase(Phase::Issued) { "renewed from" } else { "looked at again" };
        let _ = writeln!(text, "  {what}: {next:.0}");
    }
    // One that was ordered before the folder had its own may still be in the store, and is not the one that is shown.
    match times.filter(|_| row.state != Standing::Provided) {
        Some(times) => {
            let ended = if times.not_after < now { " (ended)" } else { "" };
            let _ =
                writeln!(text, "  certificate for {name}: {:.0} to {:.0}{ended}", times.not_before, times.not_after);
        }
        None => {
            if let Some(until) = row.until {
                let _ = writeln!(text, "  certificate until {until:.0}");
            }
        }
    }
    match pointing {
        Ok((addresses, aliases)) => {
            let by = if aliases.is_empty() { String::new() } else { format!(" (CNAME {})", tame(&aliases.join(", "))) };
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            let addresses = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") };
            let _ = writeln!(text, "  points to: {addresses}{by}");
        }
        Err(error) => {
            let _ = writeln!(text, "  points to: the DNS gives no answer ({})", tame(error));
        }
    }
    if let Some(sight) = sight {
        let _ = writeln!(text, "  looked at just now:");
        for (address, visit) in &sight.visits {
            let _ = writeln!(text, "    {address}: {}", tame(visit));
        }
        match (&sight.problem, &sight.sentence) {
            (Some(problem), sentence) => {
                let _ = writeln!(text, "    {}", paint.bad(tame(problem)));
                write_sentence(&mut text, sentence.as_deref().unwrap_or_default());
            }
            (None, _) => {
                let _ = writeln!(text, "    {}", paint.good("nothing is missing"));
            }
        }
        if let Some(waits) = &sight.orders_wait {
            let _ = writeln!(text, "    but {}", tame(waits));
        }
    }
    text
}

const fn by(row: &DomainRow) -> &'static str {
    match row.named_by {
        crate::state::onboarding::NamedBy::Config | crate::state::onboarding::NamedBy::Hub => "the config",
        crate::state::onboarding::NamedBy::Table => "a table",
    }
}

/// A sentence and its records, each on a line of its own, ready to be copied.
fn write_sentence(text: &mut String, sentence: &str) {
    for line in sentence.lines() {
        let _ = writeln!(text, "    {}", tame(line));
    }
}
