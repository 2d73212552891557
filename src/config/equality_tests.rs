//! Two apps are equal only if nothing about them differs: a reload keeps what was compiled from the one for the other. So every value
//! of the complete example is changed, one after another, and the app that it belongs to must be another by that.

use std::path::{Path, PathBuf};

use toml::Value;

use super::*;

/// A place in a document: keys, and numbers for the members of a list.
type Place = Vec<String>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn build(document: &Value) -> Result<Config, ConfigErrors> {
    let text = toml::to_string(document).expect("TOML");
    parse(&folder().join("complete.toml"), &text, &|_| Some("from-the-environment".to_owned()))
}

fn complete() -> Value {
    let text = std::fs::read_to_string(folder().join("complete.toml")).expect("the example");
    Value::Table(text.parse().expect("TOML"))
}

fn leaves(value: &Value, at: &mut Place, found: &mut Vec<Place>) {
    let mut inside = |name: String, value: &Value| {
        at.push(name);
        leaves(value, at, found);
        at.pop();
    };
    match value {
        Value::Table(table) => table.iter().for_each(|(name, value)| inside(name.clone(), value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(number, value)| inside(number.to_string(), value)),
        _ => found.push(at.clone()),
    }
}

fn leaf<'a>(document: &'a mut Value, place: &[String]) -> &'a mut Value {
    place.iter().fold(document, |value, name| match value {
        Value::Array(list) => list.get_mut(name.parse::<usize>().expect("a number")).expect("it is there"),
        other => other.get_mut(name).expect("it is there"),
    })
}

/// Other values to try in a value's place: not each of them makes a config that builds.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Boolean(is) => vec![Value::Boolean(!is)],
        Value::Integer(number) => vec![Value::Integer(number + 1), Value::Integer(number - 1)],
        Value::String(text) => {
            let other_number = |text: &str| {
                let at = text.find(|letter: char| letter.is_ascii_digit())?;
                let digit = if text.get(at..)?.starts_with('4') { "5" } else { "4" };
                Some(format!("{}{digit}{}", text.get(..at)?, text.get(at + 1..)?))
            };
            let mut all = vec![format!("{text}x"), format!("x{text}"), text.replacen(".example", ".other", 1)];
            all.extend(other_number(text));
            all.extend(
                ["GET /other", "deny", "email", "#123456", "de", "Europe/Paris", "false", "10.1.0.0/16"]
                    .map(str::to_owned),
            );
            all.into_iter().filter(|other| other != text).map(Value::String).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn whatever_changes_in_an_app_makes_it_another() {
    let document = complete();
    let before = build(&document).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(before.apps, build(&document).expect("it builds").apps, "the same text makes equal apps");
    let mut places = Vec::new();
    leaves(&document, &mut Vec::new(), &mut places);
    let mut changed = 0;
    for place in places {
        let app = match place.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["app", name, ..] => Some((*name).to_owned()),
            ["workspace", ..] => None,
            _ => continue,
        };
        let mut other = document.clone();
        let target = leaf(&mut other, &place);
        for value in others(&target.clone()) {
            *leaf(&mut other, &place) = value;
            let Ok(after) = build(&other) else { continue };
            let differs =
                before.apps.iter().zip(&after.apps).any(|(before, after)| {
                    app.as_deref().is_none_or(|app| before.name.as_str() == app) && before != after
                });
            assert!(differs || before.apps.len() != after.apps.len(), "{} makes no difference", place.join("."));
            changed += 1;
            break;
        }
    }
    assert!(changed > 100, "only {changed} values could be changed");
}

#[test]
fn providers_pictures_and_limits_of_all_apps_are_part_of_each() {
    let document = complete();
    let before = build(&document).unwrap_or_else(|errors| panic!("{errors}"));
    let differs = |place: &[&str], value: &str| {
        let mut other = document.clone();
        let place: Vec<String> = place.iter().map(|name| (*name).to_owned()).collect();
        *leaf(&mut other, &place) = Value::String(value.to_owned());
        let after = build(&other).unwrap_or_else(|errors| panic!("{errors}"));
        before.apps.iter().zip(&after.apps).any(|(before, after)| before != after)
    };
    assert!(differs(&["login", "oidc", "google", "client_id"], "another"));
    assert!(differs(&["login", "oidc", "google", "client_secret"], "another secret, which no message shows"));
    assert!(!differs(&["session", "idle"], "3h"), "this is no app's");
}

#[test]
fn a_picture_with_other_bytes_under_the_same_name_makes_another_app() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "\
[server]
https = '127.0.0.1:0'
data = 'd'
[tls]
local_ca = true
[mail]
smtp = 'smtp://127.0.0.1:25'
from = 'a@b.test'
[source.s]
url = 'csv:s.csv'
[app.a]
domains = ['a.test']
upstream = 'http://127.0.0.1:1'
[app.a.branding]
logo = 'logo.svg'
[[app.a.customers]]
source = 's'
email = 'email'
";
    let read = || parse(&folder.path().join("v.toml"), text, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    std::fs::write(folder.path().join("logo.svg"), "<svg/>").expect("written");
    let before = read();
    assert_eq!(before.apps, read().apps);
    std::fs::write(folder.path().join("logo.svg"), "<svg />").expect("written");
    assert_ne!(before.apps, read().apps);
    assert!(!read().files.same(&before.files, &folder.path().join("logo.svg")));
}
