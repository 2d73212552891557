//! Every mistake in a config file has a file here, and the message that a person gets beside it.
//!
//! `bad_config/NAME.toml` holds the mistake, `bad_config/NAME.expected` the lines that `check` must print. `serve` refuses the
//! same files in the same words.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::house::{printed, vestibule};

fn mistakes() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/bad_config");
    let entries = std::fs::read_dir(folder).expect("the folder is part of the tests");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(files.len() > 50, "the mistakes are here");
    files
}

/// Runs a command beside the file, for messages show paths as they stand to the folder it was started in.
fn run(command: &str, file: &Path) -> Output {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().expect("a file has a name");
    vestibule().args([command, "--config"]).arg(name).current_dir(folder).output().expect("the binary starts")
}

/// What is missing in a command's answer to one mistake.
fn check(command: &str, file: &Path) -> Result<(), String> {
    let expected = std::fs::read_to_string(file.with_extension("expected")).map_err(|error| error.to_string())?;
    let output = run(command, file);
    let told = printed(&output);
    if output.status.code() != Some(2) {
        return Err(format!("exit {:?}, not 2:\n{told}", output.status.code()));
    }
    for line in expected.lines() {
        if !told.contains(line.trim()) {
            return Err(format!("`{}` is missing in:\n{told}", line.trim()));
        }
    }
    if told.contains("secret-word") {
        return Err(format!("the secret shows:\n{told}"));
    }
    Ok(())
}

#[test]
fn every_mistake_gets_its_message() {
    let wrong: Vec<String> = mistakes()
        .iter()
        .filter_map(|file| check("check", file).err().map(|error| format!("{}: {error}", file.display())))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn serve_refuses_what_check_refuses() {
    let three = mistakes().into_iter().find(|file| file.ends_with("three_mistakes.toml")).expect("it is there");
    check("serve", &three).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_file_that_is_not_there_is_a_clear_error() {
    let output = run("check", Path::new("no-such-file.toml"));
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("no-such-file.toml"), "{}", printed(&output));
}

#[test]
fn a_file_of_bytes_is_a_clear_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("bytes.toml");
    std::fs::write(&file, [0xff, 0x00, 0xfe]).expect("the folder is writable");
    let output = run("check", &file);
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("bytes.toml"), "{}", printed(&output));
}

#[test]
fn the_minimal_and_the_complete_example_are_fine() {
    for name in ["minimal.toml", "complete.toml"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
        let mut command = vestibule();
        for (variable, value) in variables(&std::fs::read_to_string(&file).expect("the example is there")) {
            command.env(variable, value);
        }
        let output = command.args(["check", "--config"]).arg(&file).output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(0), "{name}: {}", printed(&output));
    }
}

/// Every `${NAME}` of a text, with a value to try it with.
fn variables(text: &str) -> Vec<(String, &'static str)> {
    let names = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    names.map(|(name, _)| (name.to_owned(), "secret")).collect()
}
