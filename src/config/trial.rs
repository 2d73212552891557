//! A config that somebody only tries out, and who may not see what the gateway sees.
//!
//! What its text takes from outside of itself, variables of the environment and files, must be what the running config takes, for the same
//! key. Anything else could be told from the answer: a message repeats a value that does not fit, and a condition compares with one.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::error::Problem;

/// What to do instead.
pub(super) const HELP: &str = "ask with `vestibule impact` where the gateway runs";

/// A text with variables: the keys that lead to it, itself, and its place.
type Filled = (Vec<String>, String, Range<usize>);

/// Every variable of a text that the running config does not have there. Of a text that cannot be read there is none: it is not built.
pub(super) fn strangers(text: &str, running: &str) -> Vec<(Range<usize>, Problem)> {
    let known = filled(running);
    let is_strange = |(keys, text, _): &Filled| !known.iter().any(|known| known.0 == *keys && known.1 == *text);
    let told = |(keys, _, span): Filled| {
        let what =
            format!("`{}` takes something from the environment that the running config does not", keys.join("."));
        (span, Problem::new(what, HELP))
    };
    filled(text).into_iter().filter(is_strange).map(told).collect()
}

fn filled(text: &str) -> Vec<Filled> {
    let mut found = Vec::new();
    if let Ok(document) = DeTable::parse(text) {
        in_table(document.get_ref(), &mut Vec::new(), &mut found);
    }
    found
}

fn in_table(table: &DeTable<'_>, keys: &mut Vec<String>, found: &mut Vec<Filled>) {
    for (key, value) in table {
        keys.push(key.get_ref().to_string());
        if key.get_ref().contains("${") {
            found.push((keys.clone(), String::new(), key.span()));
        }
        in_value(value.get_ref(), value.span(), keys, found);
        keys.pop();
    }
}

fn in_value(value: &DeValue<'_>, span: Range<usize>, keys: &mut Vec<String>, found: &mut Vec<Filled>) {
    match value {
        DeValue::String(text) if text.contains("${") => found.push((keys.clone(), text.to_string(), span)),
        DeValue::Array(list) => {
            for (number, item) in list.iter().enumerate() {
                keys.push(number.to_string());
                in_value(item.get_ref(), item.span(), keys, found);
                keys.pop();
            }
        }
        DeValue::Table(table) => in_table(table, keys, found),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_30_a_variable_is_taken_where_the_running_config_takes_it_alone() {
        const RUNNING: &str = "[a]\nurl = \"x://u:${P}@h\"\nkey = \"${K}\"\n[[a.list]]\nb = \"${K}\"\n";
        let check = |text: &str, expected: &[&str]| {
            let told = strangers(text, RUNNING);
            let told: Vec<&str> =
                told.iter().map(|(_, problem)| problem.what.split('`').nth(1).unwrap_or("")).collect();
            assert_eq!(told, expected, "{text}");
        };
        check(RUNNING, &[]);
        check("a.url = \"x://u:${P}@h\"\na.other = 1", &[]);
        check("[a]\nurl = 'x://u:${P}@h'\n", &[]);
        check("[a]\nurl = \"x://u:${P}@other\"", &["a.url"]);
        check("[a]\nother = \"${K}\"", &["a.other"]);
        check("[a]\nkey = \"${P}\"", &["a.key"]);
        check("[a]\nkey = \"\\u0024{K}\"", &[]);
        check("[a]\nother = \"\\u0024{K}\"", &["a.other"]);
        check("[a]\nlist = [ { b = \"${K}\" }, { b = \"${K}\" } ]", &["a.list.1.b"]);
        check("[a]\n\"${K}\" = 1", &["a.${K}"]);
        check("[a.url]\nkey = [[\"${K}\"]]", &["a.url.key.0.0"]);
        check("no toml ${K}", &[]);
    }
}
