//! Domains in the metrics: how many of each app serve, where they come from, and what is wrong with those of tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::ConsoleRoom;

/// Writes the gauges. They are counted when they are asked for.
pub(super) fn write(text: &mut String, room: &ConsoleRoom) {
    let current = room.current.load_full();
    let mut serving: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for site in current.configured() {
        *serving.entry((site.app.name.as_str(), "config")).or_default() += 1;
    }
    for app in current.apps().filter(|app| !app.domain_tables.is_empty()) {
        serving.insert((app.name.as_str(), "table"), 0);
    }
    for site in current.from_tables() {
        *serving.entry((site.app.name.as_str(), "table")).or_default() += 1;
    }
    // Writing to a string does not fail. Names of apps hold nothing that would have to be escaped.
    let mut family = |name: &str, help: &str, samples: Vec<(String, u64)>| {
        if !samples.is_empty() {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        }
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    };
    let samples =
        serving.into_iter().map(|((app, origin), count)| (format!("app=\"{app}\",origin=\"{origin}\""), count));
    family("vestibule_domains_served", "Domains that are served", samples.collect());
    let named = room.nominations.latest().unwrap_or_default();
    let samples = named.refused_rows.iter().map(|(app, count)| (format!("app=\"{app}\""), *count));
    family("vestibule_domain_rows_refused", "Rows of tables of domains with something wrong", samples.collect());
    let mut waiting: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for domain in room.waiting.all().values() {
        *waiting.entry((domain.owner.app.to_string(), domain.cause.name())).or_default() += 1;
    }
    let samples = waiting.into_iter().map(|((app, cause), count)| (format!("app=\"{app}\",cause=\"{cause}\""), count));
    family("vestibule_domains_waiting", "Domains of tables that may not serve yet", samples.collect());
}
