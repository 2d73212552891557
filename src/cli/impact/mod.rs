//! `vestibule impact`: who gains, loses or changes what when a new config takes the place of the old one.
//!
//! `facts` is the answer, as JSON has it; `compare` finds it; `text` tells it to people.

mod compare;
mod facts;
mod text;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value};

use super::check::Bar;
use super::paint::{Paint, tame};
use super::{Failure, ImpactArgs};
use crate::config::nearest::did_you_mean;
use crate::config::{Config, running};
use crate::directory::{Member, TableDirectory, census};
use crate::state::clock::Clock;
use crate::state::members::{Record, Tables as _};
use crate::state::people::combine;
use crate::types::{AppName, Email};
use compare::Side;
use facts::Impact;

/// Exit code where somebody would lose what is irrevocable, or where nobody can know.
const PROBLEM: u8 = 3;
/// Exit code where something changes, for those who ask for it.
const CHANGED: u8 = 4;

/// Tells the impact.
pub(super) async fn run(args: &ImpactArgs) -> Result<ExitCode, Failure> {
    let new = crate::config::load(&args.config)?;
    let (old_path, old) = old(args, &new)?;
    check_app(args.app.as_deref(), &old, &new)?;
    let mut bar = Bar::new();
    // The store is where the new config says; records are the same under both.
    let records = super::records::all(&new.server.data).await.map_err(Failure::Other)?;
    let mut impact = find(&old, &new, &records, &mut |list, read, total| bar.show(list, read, total)).await;
    bar.end();
    impact.against = old_path.display().to_string();
    impact.config = args.config.display().to_string();
    if let Some(name) = &args.app {
        impact.apps.retain(|app| app.app == *name);
    }
    super::print(&match args.json {
        true => json(&impact)?,
        false => text::tell(&impact, args.all, Paint::for_stdout()),
    })?;
    Ok(match (impact.has_problems(), args.exit_code && impact.has_changes()) {
        (true, _) => ExitCode::from(PROBLEM),
        (false, true) => ExitCode::from(CHANGED),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// The impact of a config that takes another's place.
async fn find(old: &Config, new: &Config, records: &[Record], progress: &mut crate::directory::Progress<'_>) -> Impact {
    let directories = [TableDirectory::open(old, Clock), TableDirectory::open(new, Clock)];
    let [of_old, of_new] = &directories;
    let mut counts = census(&[(old, of_old), (new, of_new)], progress).await.into_iter();
    let mut old = Side { config: old, counts: counts.next().unwrap_or_default() };
    let mut new = Side { config: new, counts: counts.next().unwrap_or_default() };
    old.add_records(of_old, records).await;
    new.add_records(of_new, records).await;
    compare::impact(&old, &new)
}

impl Side<'_> {
    /// Puts records beside what the tables say. Where a list cannot be read, its people are unknown either way.
    async fn add_records(&mut self, directory: &TableDirectory, records: &[Record]) {
        let mut people: BTreeMap<(&AppName, &Email), Vec<Record>> = BTreeMap::new();
        for record in records {
            people.entry((&record.entry.app, &record.entry.email)).or_default().push(record.clone());
        }
        for ((app, email), records) in people {
            let (Some(config), Some(census)) = (self.config.app(app.as_str()), self.counts.get_mut(app)) else {
                continue;
            };
            let Ok(told) = directory.told(app, email, true).await else { continue };
            let combined = combine(&config.policy, &told, records, Clock.now());
            census.people.retain(|(known, customer), _| known != email || customer.is_none());
            for grant in combined.grants.iter().filter(|grant| grant.customer.is_some()) {
                let member = Member { role: grant.role.clone(), days_back: grant.days_back };
                census.people.insert((email.clone(), grant.customer_id().cloned()), member);
            }
        }
    }
}

/// The impact of a config that takes the running one's place, for the API.
pub(crate) async fn as_json(old: &Config, new: &Config) -> Map<String, Value> {
    // What cannot be read is not counted; the command says so. The running gateway's, wherever the new one would have its own.
    let records = super::records::all(&old.server.data).await.unwrap_or_default();
    let mut impact = find(old, new, &records, &mut |_, _, _| {}).await;
    "the running config".clone_into(&mut impact.against);
    "the config that was sent".clone_into(&mut impact.config);
    match serde_json::to_value(&impact) {
        Ok(Value::Object(told)) => told,
        _ => Map::new(),
    }
}

/// The config as it is: the named one, or the one that the gateway last started with.
fn old(args: &ImpactArgs, new: &Config) -> Result<(PathBuf, Config), Failure> {
    if let Some(path) = &args.against {
        return Ok((path.clone(), crate::config::load(path)?));
    }
    running::recall(&new.server.data, &|name| std::env::var(name).ok())
        .map_err(|error| Failure::Usage(format!("{error}\n  help: name the config as it is with --against OLD")))
}

fn check_app(name: Option<&str>, old: &Config, new: &Config) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    let apps = || old.apps.iter().chain(&new.apps).map(|app| app.name.as_str());
    if apps().any(|known| known == name) {
        return Ok(());
    }
    let mut known: Vec<&str> = apps().collect();
    known.sort_unstable();
    known.dedup();
    let otherwise = format!("the configs have {}", known.join(", "));
    Err(Failure::Usage(format!("there is no app `{}`; {}", tame(name), did_you_mean(name, known, &otherwise))))
}

fn json(impact: &Impact) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(impact);
    text.map(|text| text + "\n").map_err(|error| Failure::Other(format!("the answer is no JSON: {error}")))
}

#[cfg(test)]
mod tests;
