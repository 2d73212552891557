//! What changed between two configs, in words that an operator knows. No value of a key that may hold a secret is told.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::config::{Config, Files};

/// A config with the text and files that it came from.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The text.
    pub text: &'a str,
    /// What it means.
    pub config: &'a Config,
    /// The files.
    pub files: &'a Files,
}

/// The tables whose members have a name of their own, and what such a member is called.
const NAMED: [(&[&str], &str); 3] = [(&["app"], "app"), (&["source"], "source"), (&["login", "oidc"], "provider")];

/// What changed, a line each: apps, sources, providers and domains that came, went or changed, then all other keys, then files whose
/// content is another. Empty when nothing did.
#[must_use]
pub fn changes(old: Side<'_>, new: Side<'_>) -> Vec<String> {
    let mut found = BTreeMap::new();
    compare(&mut Vec::new(), &Value::Table(table(old.text)), &Value::Table(table(new.text)), &mut found);
    let mut lines = Vec::new();
    for (place, what) in NAMED {
        lines.extend(of_members(place, what, &mut found));
    }
    lines.extend(domains(old.config, new.config));
    lines.extend(found.into_iter().map(|(key, change)| format!("`{}` {}", key.join("."), change.told(&key))));
    // What is newly named, or named no longer, stands in a key.
    let is_other = |path| {
        let (before, now) = (old.files.held(path), new.files.held(path));
        before.is_some() && now.is_some() && before != now
    };
    let files = new.files.iter().map(|(path, _)| path).filter(|path| is_other(path));
    // The config's own text is told key by key.
    let texts = files.filter(|path| old.files.names(path) && new.config.files.names(path));
    lines.extend(texts.map(|path| format!("file {} changed", path.display())));
    lines
}

fn table(text: &str) -> Table {
    // Both were read as configs before, so they are TOML.
    text.parse().unwrap_or_default()
}

/// What became of a key.
#[derive(Clone, Debug, PartialEq)]
enum Change {
    Added(Value),
    Removed,
    Changed(Value, Value),
}

impl Change {
    fn told(&self, key: &[String]) -> String {
        // No key of `[server]` is a secret.
        let is_public = key.first().is_some_and(|first| first == "server");
        match self {
            Self::Added(value) if is_public => format!("added: {value}"),
            Self::Added(_) => "added".to_owned(),
            Self::Removed => "removed".to_owned(),
            Self::Changed(Value::Array(old), Value::Array(new)) if old.len() != new.len() => {
                format!("changed: {}, before {}", new.len(), old.len())
            }
            Self::Changed(old, new)
                if is_public || !(old.is_str() || new.is_str()) && is_plain(old) && is_plain(new) =>
            {
                format!("changed: {new}, before {old}")
            }
            Self::Changed(..) => "changed".to_owned(),
        }
    }
}

const fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Boolean(_) | Value::Integer(_))
}

fn compare(key: &mut Vec<String>, old: &Value, new: &Value, found: &mut BTreeMap<Vec<String>, Change>) {
    let (Value::Table(old_table), Value::Table(new_table)) = (old, new) else {
        if old != new {
            found.insert(key.clone(), Change::Changed(old.clone(), new.clone()));
        }
        return;
    };
    for name in old_table.keys().chain(new_table.keys()).collect::<BTreeSet<_>>() {
        key.push(name.clone());
        match (old_table.get(name), new_table.get(name)) {
            (Some(old), Some(new)) => compare(key, old, new, found),
            (None, Some(Value::Table(new))) if holds_members(key) => {
                compare(key, &Value::Table(Table::new()), &Value::Table(new.clone()), found);
            }
            (Some(Value::Table(old)), None) if holds_members(key) => {
                compare(key, &Value::Table(old.clone()), &Value::Table(Table::new()), found);
            }
            (None, Some(new)) => {
                found.insert(key.clone(), Change::Added(new.clone()));
            }
            (Some(_), None) => {
                found.insert(key.clone(), Change::Removed);
            }
            (None, None) => {}
        }
        key.pop();
    }
}

/// Whether a key is that of a table of named members, or of one above it: then they are told one by one.
fn holds_members(key: &[String]) -> bool {
    NAMED.iter().any(|(place, _)| key.len() <= place.len() && key.iter().zip(*place).all(|(key, place)| key == place))
}

/// Takes the members of a table out of what was found, a line for each.
fn of_members(place: &[&str], what: &str, found: &mut BTreeMap<Vec<String>, Change>) -> Vec<String> {
    let is_member = |key: &[String]| key.len() > place.len() && key.iter().zip(place).all(|(key, place)| key == place);
    let keys: Vec<Vec<String>> = found.keys().filter(|key| is_member(key)).cloned().collect();
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in keys {
        let Some(change) = found.remove(&key) else { continue };
        let (Some(name), inner) = (key.get(place.len()), key.get(place.len() + 1..).unwrap_or_default()) else {
            continue;
        };
        let told = match (inner.is_empty(), &change) {
            (true, Change::Added(_)) => "added".to_owned(),
            (true, Change::Removed) => "removed".to_owned(),
            _ => format!("`{}` {}", inner.join("."), change.told(&key)),
        };
        lines.entry(name.clone()).or_default().push(told);
    }
    lines.into_iter().map(|(name, told)| format!("{what} `{name}`: {}", told.join("; "))).collect()
}

/// Domains that came, went, or reach another app. Those that came or went with their app are told with it.
fn domains(old: &Config, new: &Config) -> Vec<String> {
    let of = |config: &Config| -> BTreeMap<String, String> {
        let apps = config.apps.iter();
        let domains =
            apps.flat_map(|app| app.domains.iter().map(|domain| (domain.host.to_string(), app.name.to_string())));
        domains.collect()
    };
    let (before, after) = (of(old), of(new));
    let mut lines = Vec::new();
    for (host, app) in &after {
        match before.get(host) {
            None => lines.push(format!("domain {host} added to app `{app}`")),
            Some(other) if other != app => {
                lines.push(format!("domain {host} reaches app `{app}` now, before `{other}`"));
            }
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(host, _)| !after.contains_key(*host));
    lines.extend(gone.map(|(host, app)| format!("domain {host} removed from app `{app}`")));
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    const BEFORE: &str = "\
[server]
https = '127.0.0.1:8443'
data = 'd'
[server.limits]
headers = 50
[tls]
local_ca = true
[mail]
smtp = 'smtp://user:hunter2@127.0.0.1:25'
from = 'a@b.test'
[source.s]
url = 'csv:s.csv'
[app.a]
domains = ['a.test', 'b.test']
upstream = 'http://127.0.0.1:1'
[[app.a.customers]]
source = 's'
email = 'email'
role = 'clerk'
[app.a.role.clerk]
rules = [{ allow = 'GET /**' }]
";

    fn told(change: &[(&str, &str)]) -> Vec<String> {
        let mut after = BEFORE.to_owned();
        for (from, to) in change {
            assert!(after.contains(from), "{from}");
            after = after.replace(from, to);
        }
        let build = |text: &str| {
            config::parse(Path::new("t.toml"), text, &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
        };
        let (old, new, files) = (build(BEFORE), build(&after), Files::default());
        let side = |text, config| Side { text, config, files: &files };
        changes(side(BEFORE, &old), side(&after, &new))
    }

    #[track_caller]
    fn check(change: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(told(change), expected);
    }

    #[test]
    fn what_did_not_change_is_not_told() {
        check(&[], &[]);
        check(&[("[tls]", "# A remark.\n[tls]")], &[]);
    }

    #[test]
    fn keys_of_an_app_stand_in_its_line() {
        check(
            &[
                ("'http://127.0.0.1:1'", "'http://127.0.0.1:2'"),
                ("{ allow = 'GET /**' }", "{ allow = 'GET /a' }, { allow = 'GET /b' }"),
            ],
            &["app `a`: `role.clerk.rules` changed: 2, before 1; `upstream` changed"],
        );
    }

    #[test]
    fn domains_are_told_by_name() {
        check(
            &[("'a.test', 'b.test'", "'a.test', 'c.test', 'd.test'")],
            &[
                "app `a`: `domains` changed: 3, before 2",
                "domain c.test added to app `a`",
                "domain d.test added to app `a`",
                "domain b.test removed from app `a`",
            ],
        );
    }

    #[test]
    fn listeners_and_limits_are_told_with_their_values() {
        check(
            &[("127.0.0.1:8443", "127.0.0.1:9443"), ("headers = 50", "headers = 60")],
            &[
                "`server.https` changed: \"127.0.0.1:9443\", before \"127.0.0.1:8443\"",
                "`server.limits.headers` changed: 60, before 50",
            ],
        );
    }

    #[test]
    fn what_comes_or_goes_whole_is_told_by_its_name() {
        let provider =
            "[login.oidc.corp]\nissuer = 'https://id.test'\nclient_id = 'c'\nclient_secret = 'hunter3'\n[app.a]";
        check(
            &[("[app.a]", provider), ("[source.s]", "[source.t]\nurl = 'csv:t.csv'\n[source.s]")],
            &["source `t`: added", "provider `corp`: added"],
        );
    }

    #[test]
    fn no_secret_is_told() {
        let lines = told(&[("hunter2", "hunter4")]);
        assert_eq!(lines, ["`mail.smtp` changed"]);
    }
}
