//! The house keeps its shape: what may use what, who may name Pingora, what every file begins with, what we depend on.
//!
//! The table of arrows is DESIGN's plan in a form that a test can hold. To let one folder use another, change the plan first, then
//! the table here.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const CORE: &[&str] = &["types", "policy", "session", "config"];
const CORE_AND_STATE: &[&str] = &["types", "policy", "session", "config", "state"];
const CORE_STATE_AND_PAGES: &[&str] = &["types", "policy", "session", "config", "state", "pages"];

/// Each folder or file of `src/`, and what of ours it may use besides itself. `None` is everything.
const ARROWS: &[(&str, Option<&[&str]>)] = &[
    ("types", Some(&[])),
    ("policy", Some(&["types"])),
    ("session", Some(&["types"])),
    ("filters", Some(&["types", "policy"])),
    ("pages", Some(&["types"])),
    ("config", Some(&["types", "policy", "session", "filters", "pages"])),
    ("state", Some(&["types", "policy", "session", "config", "pages"])),
    ("login", Some(CORE_STATE_AND_PAGES)),
    ("portal", Some(CORE_STATE_AND_PAGES)),
    ("proxy", Some(&["types", "policy", "session", "filters", "config", "state", "pages"])),
    ("certificates", Some(CORE_AND_STATE)),
    ("directory", Some(CORE_STATE_AND_PAGES)),
    ("domains", Some(CORE_STATE_AND_PAGES)),
    ("store", Some(CORE_STATE_AND_PAGES)),
    ("mail", Some(CORE_STATE_AND_PAGES)),
    ("console", Some(CORE_STATE_AND_PAGES)),
    ("reload", Some(CORE_AND_STATE)),
    ("telemetry", Some(CORE)),
    ("cli", None),
    ("demo", None),
    ("server", None),
    ("lib", None),
    ("main", None),
];

/// Licences that the gateway may be built from, as SPDX names them.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// A second TLS library, which would answer for keys and certificates beside the one we chose.
const NOT_WANTED: &[&str] = &["native-tls", "openssl", "openssl-sys", "openssl-probe-sys", "boring", "boring-sys"];

const MOST_LINES: usize = 700;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder with one of these endings, without what the build and npm leave there.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is part of the project") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules" | ".git") {
                folders.push(path);
            } else if path.is_file() && (endings.is_empty() || endings.iter().any(|ending| name.ends_with(ending))) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Which folder of `src/` a file belongs to; a file directly in `src/` is a folder of its own.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("a file of src");
    let first = inside.iter().next().and_then(|name| name.to_str()).expect("a name");
    first.trim_end_matches(".rs").to_owned()
}

/// A file's code without comments, and without its tests when they stand at its end.
fn code(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// Files of tests, which may set up what their room may not use: those that end in `tests`, and those that another file takes in
/// under `#[cfg(test)]`.
fn test_files() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files("src", &[".rs"]) {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        if name.ends_with("tests") {
            names.insert(name);
        }
        for rest in read(&path).split("#[cfg(test)]").skip(1) {
            // The module's own name, or that of the file it says it is in.
            for line in rest.lines().map(str::trim).filter(|line| !line.is_empty()) {
                if let Some(path) = line.strip_prefix("#[path = \"") {
                    names.extend(path.split(".rs").next().map(str::to_owned));
                } else if !line.starts_with("#[") {
                    let module = line.strip_prefix("pub(crate) ").unwrap_or(line).strip_prefix("mod ");
                    names.extend(module.and_then(|rest| rest.strip_suffix(';')).map(str::to_owned));
                    break;
                }
            }
        }
    }
    names
}

fn is_test(path: &Path, test_files: &BTreeSet<String>) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("tests"))
        || path.file_stem().and_then(|name| name.to_str()).is_some_and(|name| test_files.contains(name))
}

/// The rooms that a piece of code names by `crate::ROOM` or `crate::{ROOM, …}`.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut named = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            named.insert(word(rest));
            continue;
        };
        // The first words of each part of the outer braces.
        let mut depth = 0;
        let mut part = String::new();
        for letter in group.chars() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    named.insert(word(part.trim()));
                    part.clear();
                    continue;
                }
                _ => {}
            }
            part.push(letter);
        }
        named.insert(word(part.trim()));
    }
    named.remove("");
    named
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for path in [files("src", &[".rs"]), files("tests", &[".rs", ".mjs"])].concat() {
        let text = read(&path);
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") || first.len() < 15 {
            wrong.push(format!(
                "{} begins with {first:?}, not with a `//!` line that says what it is for",
                shown(&path)
            ));
        }
    }
    none(&wrong);
}

#[test]
fn arrows_run_one_way() {
    let tests = test_files();
    let mut wrong = Vec::new();
    for path in files("src", &[".rs"]) {
        let room = room(&path);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: the plan has no room `{room}`", shown(&path)));
            continue;
        };
        let Some(allowed) = allowed else { continue };
        if is_test(&path, &tests) {
            continue;
        }
        for named in rooms_named(&code(&read(&path))) {
            let is_room = ARROWS.iter().any(|(name, _)| *name == named);
            if is_room && named != room && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{}: `{room}` may not use `{named}`", shown(&path)));
            }
        }
    }
    none(&wrong);
}

#[test]
fn the_core_reads_no_clock_waits_for_nothing_and_opens_nothing() {
    let mut wrong = Vec::new();
    for path in files("src", &[".rs"]) {
        // Config reads its own file, logos and secrets; that is its work.
        if !matches!(room(&path).as_str(), "types" | "policy" | "session" | "filters") {
            continue;
        }
        let code = code(&read(&path));
        for word in
            ["async fn", ".await", "tokio", "std::fs", "std::net::Tcp", "Timestamp::now", "SystemTime", "Instant::now"]
        {
            if code.contains(word) {
                wrong.push(format!("{}: the core has no `{word}`", shown(&path)));
            }
        }
    }
    none(&wrong);
}

#[test]
fn only_the_proxy_and_the_server_name_pingora() {
    let mut wrong = Vec::new();
    for path in files("src", &[".rs"]) {
        let code = code(&read(&path));
        let names =
            ["pingora::", "pingora_core::", "pingora_proxy::", "use pingora"].iter().any(|way| code.contains(way));
        if !matches!(room(&path).as_str(), "proxy" | "server") && names {
            wrong.push(format!("{} names Pingora", shown(&path)));
        }
    }
    none(&wrong);
}

#[test]
fn nothing_unwraps_outside_tests() {
    let tests = test_files();
    let mut wrong = Vec::new();
    for path in files("src", &[".rs"]) {
        if is_test(&path, &tests) {
            continue;
        }
        for (number, line) in code(&read(&path)).lines().enumerate() {
            if line.contains(".unwrap()")
                || line.contains("panic!(")
                || line.contains("todo!(")
                || line.contains("unimplemented!(")
            {
                wrong.push(format!("{}: near line {}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    none(&wrong);
}

#[test]
fn files_stay_short_enough_to_read() {
    let mut wrong = Vec::new();
    for path in [files("src", &[".rs"]), files("tests", &[".rs", ".mjs"])].concat() {
        let lines = read(&path).lines().count();
        if lines >= MOST_LINES {
            wrong.push(format!("{}: {lines} lines", shown(&path)));
        }
    }
    none(&wrong);
}

#[test]
fn nothing_names_one_machine_or_one_registry() {
    // Spelled in parts, so that this file does not name them either.
    let names: Vec<String> = [
        ["registry.npm", "js.org"],
        ["static.cra", "tes.io"],
        ["index.cra", "tes.io"],
        ["files.python", "hosted.org"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["/wo", "rk/"],
        ["/Us", "ers/"],
    ]
    .iter()
    .map(|parts| parts.concat())
    .collect();
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let tracked = match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.split('\0').filter(|name| !name.is_empty()).map(|name| root().join(name)).collect()
        }
        // Unpacked without its history: look at everything.
        _ => files("", &[]),
    };
    let mut wrong = Vec::new();
    for path in tracked {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for name in &names {
            // Cargo's own lock file names its registry by one fixed address.
            if text.contains(name.as_str()) && !path.ends_with("Cargo.lock") {
                wrong.push(format!("{} holds {name}", shown(&path)));
            }
        }
    }
    none(&wrong);
}

/// What cargo knows of every package of the build on this kind of machine; those of others are not downloaded.
fn packages() -> Vec<serde_json::Value> {
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc stands beside cargo");
    let told = String::from_utf8_lossy(&rustc.stdout).into_owned();
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host])
        .current_dir(root())
        .output()
        .expect("cargo is there, for it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("a list").clone()
}

/// Whether an SPDX expression can be met with the licences of the list.
fn licence_is_fine(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "~");
    let mut words = spaced.split_whitespace().map(|word| word.replace('~', " WITH ")).peekable();
    let fine = either(&mut words);
    fine && words.peek().is_none()
}

fn either(words: &mut std::iter::Peekable<impl Iterator<Item = String>>) -> bool {
    let mut fine = both(words);
    while words.next_if(|word| word == "OR").is_some() {
        fine |= both(words);
    }
    fine
}

fn both(words: &mut std::iter::Peekable<impl Iterator<Item = String>>) -> bool {
    let mut fine = one(words);
    while words.next_if(|word| word == "AND").is_some() {
        fine &= one(words);
    }
    fine
}

fn one(words: &mut std::iter::Peekable<impl Iterator<Item = String>>) -> bool {
    match words.next() {
        Some(open) if open == "(" => {
            let fine = either(words);
            words.next_if(|word| word == ")").is_some() && fine
        }
        Some(name) => LICENCES.contains(&name.as_str()),
        None => false,
    }
}

#[test]
fn every_dependency_has_a_licence_that_fits() {
    let mut wrong = Vec::new();
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or_default();
        if !licence_is_fine(licence) {
            wrong.push(format!("{} {}: {licence:?}", package["name"], package["version"]));
        }
    }
    none(&wrong);
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    for (expression, fine) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("MIT/Apache-2.0", true),
        ("(MIT OR GPL-3.0) AND (ISC OR X)", true),
        ("(MIT AND X) OR (ISC AND Y)", false),
        ("Apache-2.0 WITH LLVM-exception OR X", true),
        ("", false),
        ("(MIT", false),
    ] {
        assert_eq!(licence_is_fine(expression), fine, "{expression}");
    }
}

#[test]
fn dependencies_come_from_the_registry_and_bring_one_tls_library() {
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap_or_default();
        let source = package["source"].as_str().unwrap_or("a path");
        if !source.starts_with("registry+") && source != "a path" {
            wrong.push(format!("{name} comes from {source}"));
        }
        if NOT_WANTED.contains(&name) && is_built(name) {
            wrong.push(format!("{name} is a second TLS library"));
        }
    }
    none(&wrong);
}

/// Whether any target of this build includes a package: the lock file also holds what no enabled feature asks for.
fn is_built(name: &str) -> bool {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--prefix", "none", "--invert", name])
        .current_dir(root())
        .output()
        .expect("cargo is there, for it runs this test");
    output.status.success() && !output.stdout.is_empty()
}

#[test]
fn deny_toml_allows_the_same_licences() {
    let text = read(&root().join("deny.toml"));
    for licence in LICENCES.iter().filter(|licence| !licence.contains(' ')) {
        assert!(text.contains(&format!("\"{licence}\"")), "{licence} is not in deny.toml");
    }
}

#[test]
fn rooms_are_found_in_every_way_to_name_them() {
    let named = |code: &str| rooms_named(code).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(named("use crate::state::Clock;"), "state");
    assert_eq!(named("use crate::{config::Config, state::{self, Clock}, types::*};"), "config state types");
    assert_eq!(named("let x = crate::proxy::listener::new();"), "proxy");
}

#[test]
fn the_scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for name in ["tests/run", ".ci/run"] {
        let mode = std::fs::metadata(root().join(name)).expect(name).permissions().mode();
        assert_ne!(mode & 0o111, 0, "{name} is not executable");
    }
    assert!(read(&root().join(".ci/run")).contains("tests/run"), "CI runs what a person runs");
}
