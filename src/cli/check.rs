//! `vestibule check`: is the config fine, and with `--data`, are the tables?

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::paint::{Paint, count, tame};
use super::{CheckArgs, Failure, register};
use crate::certificates::by_name::ByName;
use crate::certificates::folder;
use crate::config::{App, Config};
use crate::directory::{AppReport, DomainReading, ListReport, TableDirectory};
use crate::pages::{Brand, shade_of_links};
use crate::policy::CustomerList;
use crate::server::NO_CERTIFICATE;
use crate::state::certificates::{CertificateName, CertificateSet};
use crate::state::clock::Clock;
use crate::state::members::Tables as _;
use crate::state::people::{Weight, combine};
use crate::types::Color;

/// A check that is done sooner shows no progress bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// The progress bar moves once in so many rows.
const ROWS_A_TICK: u64 = 1024;

/// Checks.
pub(super) async fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let file = &args.config.config;
    let config = crate::config::load(file)?;
    let paint = Paint::for_stdout();
    let mut text = summary(file, &config, paint);
    write_certificates(&mut text, &config, paint);
    write_colors(&mut text, &config, paint);
    register::write(&mut text, &config, paint);
    let mut is_fine = true;
    if args.data {
        let directory = TableDirectory::open(&config, Clock);
        for app in &config.apps {
            let mut bar = Bar::new();
            let report = directory.report(&app.name, &mut |list, read, total| bar.show(list, read, total)).await;
            bar.end();
            if let Some(report) = report {
                is_fine &= !report.has_faults();
                write_report(&mut text, app, &report, paint);
            }
        }
        is_fine &= write_records(&mut text, &config, &directory, paint).await;
        for (name, readings) in directory.domain_readings(&config).await {
            let Some(app) = config.app(name.as_str()) else { continue };
            is_fine &= readings.iter().all(|reading| reading.as_ref().is_ok_and(|read| read.report.fault_count == 0));
            write_domains(&mut text, app, &readings, paint);
        }
    }
    super::print(&text)?;
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// `vestibule.toml: fine: 2 apps, 3 domains, 1 source`
pub(super) fn summary(file: &Path, config: &Config, paint: Paint) -> String {
    let domains: usize = config.apps.iter().map(|app| app.domains.len()).sum();
    let tables: usize = config.apps.iter().map(|app| app.domain_tables.len()).sum();
    let tables = match tables {
        0 => String::new(),
        tables => format!(", {}", count(tables, "table of domains", "tables of domains")),
    };
    format!(
        "{}: {}: {}, {}, {}{tables}\n",
        file.display(),
        paint.good("fine"),
        count(config.apps.len(), "app", "apps"),
        count(domains, "domain", "domains"),
        count(config.sources.len(), "source", "sources"),
    )
}

/// What is wrong with certificates. Notes, not problems of the config: certificates come and go while it stays.
fn write_certificates(text: &mut String, config: &Config, paint: Paint) {
    let now = Clock.now();
    let mut note = |note: &str| {
        let _ = writeln!(text, "  {}", paint.bad(format!("note: {note}")));
    };
    let large = config.tls.certs.as_ref().filter(|path| folder::is_large(path));
    let by_name = large.map(|path| ByName::new(path.clone(), Clock));
    let whole = config.tls.certs.as_ref().filter(|_| by_name.is_none());
    let found = whole.map(|path| folder::load(path, now)).unwrap_or_default();
    for problem in &found.problems {
        note(&tame_lines(&problem.to_string()));
    }
    let set = CertificateSet::new(found.certificates);
    for host in config.apps.iter().flat_map(|app| &app.domains).map(|domain| &domain.host).chain(&config.login.hub) {
        let mut has_one = set.find(host.as_str(), now).is_some_and(|certificate| certificate.is_valid(now));
        for name in [Some(CertificateName::Exact(host.clone())), CertificateName::wildcard_of(host)] {
            let (Some(by_name), Some(name), false) = (&by_name, name, has_one) else { continue };
            let (certificate, problems) = by_name.find(&name);
            has_one = certificate.is_some_and(|certificate| certificate.is_valid(now));
            for problem in problems {
                note(&tame_lines(&problem.to_string()));
            }
        }
        if !has_one && !config.tls.local_ca && config.acme.is_none() {
            note(&format!("{host} has no certificate, so nobody can reach it\n    help: {NO_CERTIFICATE}"));
        }
    }
}

/// Colours that pages cannot show everywhere as they are. Nothing is wrong with them: whatever the colour, all can be read.
fn write_colors(text: &mut String, config: &Config, paint: Paint) {
    let brands =
        |app: &App| [&app.brand].into_iter().chain(app.domains.iter().map(|domain| &domain.brand)).cloned().collect();
    for app in &config.apps {
        let mut told: Vec<Color> = Vec::new();
        let brands: Vec<Arc<Brand>> = brands(app);
        for color in brands.iter().map(|brand| &brand.color) {
            let Some(shade) = shade_of_links(color).filter(|_| !told.contains(color)) else { continue };
            told.push(color.clone());
            let note = format!(
                "note: app {}: {color} is too pale to be read on white: there, links are {shade}, and buttons have an edge",
                app.name
            );
            let _ = writeln!(text, "  {}", paint.quiet(note));
        }
    }
}

/// A message in lines, each fit for a terminal, under a note.
fn tame_lines(message: &str) -> String {
    message.lines().map(tame).collect::<Vec<_>>().join("\n  ")
}

/// What the tables of an app hold, list by list.
pub(super) fn write_report(text: &mut String, app: &App, report: &AppReport, paint: Paint) {
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "\n{}: {} may enter, for {}",
        paint.title(format!("app {}", report.app)),
        count(report.people, "person", "people"),
        count(report.customers, "customer", "customers")
    );
    for (list, found) in app.policy.lists.iter().zip(&report.lists) {
        write_list(text, list, found, paint);
    }
    for role in &report.unheld_roles {
        let note = format!("note: nobody has the role `{role}`, which is irrevocable, nor one that includes it");
        let _ = writeln!(text, "  {}", paint.quiet(note));
    }
    for role in &report.unused_roles {
        let _ = writeln!(text, "  {}", paint.quiet(format!("note: nobody has the role `{role}`")));
    }
}

/// What people decided beside the tables, and what of it gives nothing; whether all of it can be read.
async fn write_records(text: &mut String, config: &Config, directory: &TableDirectory, paint: Paint) -> bool {
    const MOST_NAMED: usize = 20;
    let records = match super::records::all(&config.server.data).await {
        Ok(records) => records,
        Err(why) => {
            let _ = writeln!(text, "\n{}: {}", paint.title("records"), paint.bad(tame_lines(&why)));
            return false;
        }
    };
    let is_of = |app: &App| records.iter().filter(|record| record.entry.app == app.name).count();
    for app in config.apps.iter().filter(|app| is_of(app) > 0) {
        let (mut idle, mut customers) = (Vec::new(), BTreeMap::new());
        for record in records.iter().filter(|record| record.entry.app == app.name) {
            let Ok(told) = directory.told(&app.name, &record.entry.email, true).await else { continue };
            let weighed = combine(&app.policy, &told, vec![record.clone()], Clock.now()).weighed;
            let note = match weighed.first().map(|weighed| &weighed.weight) {
                Some(Weight::Role(refusal)) => Some(refusal.to_string()),
                Some(Weight::NothingToChange) => {
                    Some("it changes what a list gives, and none names the person".to_owned())
                }
                Some(Weight::TableWins(list)) => Some(format!("list `{list}` decides, and is not adjustable")),
                Some(Weight::Staff) => Some("the person is one of the workspace's own".to_owned()),
                Some(Weight::LetsIn) => {
                    *customers.entry(record.entry.customer.clone()).or_insert(0_usize) += 1;
                    None
                }
                _ => None,
            };
            let (email, customer) = (&record.entry.email, tame(record.entry.customer.as_str()));
            idle.extend(note.map(|note| format!("{email} for customer {customer}: {}", tame(&note))));
        }
        let _ = writeln!(
            text,
            "\n{}: {}",
            paint.title(format!("app {}", app.name)),
            count(is_of(app), "record", "records")
        );
        for note in idle.iter().take(MOST_NAMED) {
            let _ = writeln!(text, "  {}", paint.quiet(format!("note: a record gives nothing: {note}")));
        }
        if let Some(more) = idle.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
            let _ = writeln!(text, "  {}", paint.quiet(format!("… and {more} more")));
        }
        for (customer, people) in customers {
            let named = directory.of_customer(&app.name, &customer, 1).await;
            // A customer that people founded is in no table.
            if named.people.is_empty() && named.unasked.is_empty() && !customer.as_str().starts_with("org-") {
                let people = count(people, "person enters", "people enter");
                let note =
                    format!("note: no list names customer {}, and by records {people} for it", tame(customer.as_str()));
                let _ = writeln!(text, "  {}", paint.quiet(note));
            }
        }
    }
    true
}

/// What the tables of domains of an app hold.
pub(super) fn write_domains(text: &mut String, app: &App, readings: &[Result<DomainReading, String>], paint: Paint) {
    if readings.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", paint.title(format!("app {}: domains from tables", app.name)));
    for (table, reading) in app.domain_tables.iter().zip(readings) {
        let name = table.table.as_ref().map_or_else(String::new, |table| format!(", table {table}"));
        let name = format!("source {}{name}", table.source);
        let found = match reading {
            Ok(reading) => &reading.report,
            Err(why) => {
                let why = paint.bad(format!("cannot be read: {}", tame(why)));
                let _ = writeln!(text, "  {name}: {why}");
                continue;
            }
        };
        let mut facts = vec![count(found.rows, "row", "rows"), count(found.entering, "domain", "domains")];
        if found.left_out > 0 {
            facts.push(format!("{} left out by conditions", found.left_out));
        }
        facts.push(match found.fault_count {
            0 => paint.good("no faults"),
            faults => paint.bad(count(faults, "fault", "faults")),
        });
        let _ = writeln!(text, "  {name}: {}", facts.join(", "));
        write_faults(text, found);
        for note in &found.notes {
            let _ = writeln!(text, "    {}", paint.quiet(format!("note: {}", tame(note))));
        }
    }
}

fn write_list(text: &mut String, list: &CustomerList, found: &ListReport, paint: Paint) {
    let table = list.table.as_ref().map_or_else(String::new, |table| format!(", table {table}"));
    if let Some(why) = found.unreadable.as_ref().filter(|_| found.rows == 0) {
        let why = paint.bad(format!("cannot be read: {}", tame(why)));
        let _ = writeln!(text, "  list {} (source {}{table}): {why}", tame(&list.name), list.source);
        return;
    }
    let mut facts = vec![count(found.rows, "row", "rows"), format!("{} enter", found.entering)];
    if found.left_out > 0 {
        facts.push(format!("{} left out by conditions", found.left_out));
    }
    if !found.staff.is_empty() {
        facts.push(format!("{} of the workspace", found.staff.len()));
    }
    match found.fault_count {
        0 => facts.push(paint.good("no faults")),
        faults => facts.push(paint.bad(count(faults, "fault", "faults"))),
    }
    let _ = writeln!(text, "  list {} (source {}{table}): {}", tame(&list.name), list.source, facts.join(", "));
    if let Some(why) = &found.unreadable {
        let _ = writeln!(text, "    {}", paint.bad(format!("cannot be read: {}", tame(why))));
    }
    write_faults(text, found);
    for (place, email) in &found.staff {
        let note = format!("note: {place}: {email} is one of the workspace's own and never a customer");
        let _ = writeln!(text, "    {}", paint.quiet(note));
    }
    for note in &found.notes {
        let _ = writeln!(text, "    {}", paint.quiet(format!("note: {}", tame(note))));
    }
}

/// Every fault with its row. One mistake in a condition makes every row of a table faulty, so of many faults in the same
/// words only the first rows are named.
fn write_faults(text: &mut String, found: &ListReport) {
    const MANY: usize = 10;
    const NAMED_OF_MANY: usize = 3;
    let mut alike: HashMap<&str, usize> = HashMap::new();
    for fault in &found.faults {
        *alike.entry(&fault.what).or_default() += 1;
    }
    let width = found.faults.iter().map(|fault| fault.place.to_string().len()).max().unwrap_or(0);
    let mut written: HashMap<&str, usize> = HashMap::new();
    for fault in &found.faults {
        let all = alike.get(fault.what.as_str()).copied().unwrap_or(0);
        let number = written.entry(&fault.what).or_default();
        *number += 1;
        if all > MANY && *number > NAMED_OF_MANY {
            continue;
        }
        let place = fault.place.to_string();
        let address = fault.address.as_ref().map_or_else(String::new, |address| format!("{}: ", tame(address)));
        let _ = writeln!(text, "    {place:width$}  {address}{}", tame(&fault.what));
        if all > MANY && *number == NAMED_OF_MANY {
            let _ =
                writeln!(text, "    {:width$}  … and {} with the same fault", "", count(all - *number, "row", "rows"));
        }
    }
    let shown = u64::try_from(found.faults.len()).unwrap_or(u64::MAX);
    if found.fault_count > shown {
        let _ = writeln!(text, "    … and {} more", found.fault_count - shown);
    }
}

/// A progress bar that shows itself only on a terminal, and only to those who have waited.
pub(super) struct Bar {
    bar: ProgressBar,
    begun: Instant,
    is_terminal: bool,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar, begun: Instant::now(), is_terminal: std::io::stderr().is_terminal() }
    }

    pub(super) fn show(&mut self, list: &CustomerList, read: u64, total: Option<u64>) {
        if !self.is_terminal || !read.is_multiple_of(ROWS_A_TICK) || self.begun.elapsed() < PATIENCE {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let (template, length) = match total {
            Some(total) => ("{msg} {wide_bar} {human_pos} of {human_len} rows", Some(total)),
            None => ("{spinner} {msg} {human_pos} rows", None),
        };
        if self.bar.length() != length {
            self.bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            match length {
                Some(length) => self.bar.set_length(length),
                None => self.bar.unset_length(),
            }
        }
        self.bar.set_message(tame(&list.name));
        self.bar.set_position(read);
    }

    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}
