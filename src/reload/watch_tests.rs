//! The watcher, look by look, with the habits of those who write files.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// A folder with a config and a secret, and somebody who watches them. Looks are a second apart, and nobody sleeps.
struct House {
    folder: tempfile::TempDir,
    watcher: Watcher,
    now: Timestamp,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("vestibule.toml");
        fs::write(&config, "one").and_then(|()| fs::write(folder.path().join("secret"), "s1")).expect("files");
        fs::create_dir(folder.path().join("certs")).expect("a folder");
        #[expect(clippy::disallowed_methods, reason = "files have their time from the system")]
        let now = Timestamp::now();
        let mut house = Self { watcher: Watcher::new(&config, Files::default(), None), folder, now };
        house.taken();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// What was found is read, as a reload does.
    fn taken(&mut self) {
        let mut files = Files::default();
        for name in ["vestibule.toml", "secret", "not-there"] {
            files.note(&self.path(name));
        }
        self.watcher = Watcher::new(&self.path("vestibule.toml"), files, Some(&self.path("certs")));
    }

    fn look(&mut self) -> bool {
        self.now += SignedDuration::from_secs(1);
        self.watcher.look(self.now)
    }

    /// A change that stands is taken at the second look, and is then no news any more.
    #[track_caller]
    fn is_taken(&mut self) {
        assert!(!self.look(), "it may be half of something");
        assert!(self.look(), "it stands");
        self.taken();
        self.is_quiet();
    }

    #[track_caller]
    fn is_quiet(&mut self) {
        for _ in 0..4 {
            assert!(!self.look());
        }
    }
}

#[test]
fn nothing_is_no_news() {
    House::new().is_quiet();
}

#[test]
fn a_file_that_is_written_over_is_taken_when_it_stands_still() {
    let mut house = House::new();
    house.write("vestibule.toml", "two");
    house.is_taken();
    // The same length, and hardly a tick later.
    house.write("vestibule.toml", "owt");
    house.is_taken();
}

#[test]
fn a_file_that_grows_is_waited_for() {
    let mut house = House::new();
    for text in ["", "t", "tw", "two"] {
        house.write("vestibule.toml", text);
        assert!(!house.look());
    }
    assert!(house.look());
}

#[test]
fn a_file_that_is_renamed_into_its_place_is_taken() {
    let mut house = House::new();
    house.write("new", "two");
    fs::rename(house.path("new"), house.path("vestibule.toml")).expect("renamed");
    house.is_taken();
}

#[test]
fn an_editor_that_renames_the_old_file_away_first_is_waited_for() {
    let mut house = House::new();
    fs::rename(house.path("vestibule.toml"), house.path("vestibule.toml~")).expect("renamed");
    house.is_quiet();
    house.write("vestibule.toml", "");
    assert!(!house.look());
    house.write("vestibule.toml", "two");
    fs::remove_file(house.path("vestibule.toml~")).expect("removed");
    house.is_taken();
}

#[test]
fn the_same_text_anew_is_no_change() {
    let mut house = House::new();
    house.write("new", "one");
    fs::rename(house.path("new"), house.path("vestibule.toml")).expect("renamed");
    house.is_quiet();
}

#[test]
fn a_link_that_is_turned_to_another_folder_is_taken() {
    let mut house = House::new();
    for (version, text) in [("v1", "one"), ("v2", "two")] {
        fs::create_dir(house.path(version)).expect("a folder");
        house.write(&format!("{version}/vestibule.toml"), text);
    }
    symlink("v1", house.path("..data")).expect("a link");
    fs::remove_file(house.path("vestibule.toml")).expect("removed");
    symlink("..data/vestibule.toml", house.path("vestibule.toml")).expect("a link");
    house.is_quiet();
    symlink("v2", house.path("..data_tmp")).expect("a link");
    fs::rename(house.path("..data_tmp"), house.path("..data")).expect("renamed");
    house.is_taken();
}

#[test]
fn files_that_the_config_names_count_too() {
    let mut house = House::new();
    house.write("secret", "s2");
    house.is_taken();
    house.write("not-there", "at last");
    house.is_taken();
}

#[test]
fn a_file_that_is_gone_is_no_change_until_the_config_says_so() {
    let mut house = House::new();
    fs::remove_file(house.path("secret")).expect("removed");
    for _ in 0..30 {
        assert!(!house.look());
    }
    assert!(house.watcher.away.values().all(|away| away.is_told), "it is told after a while");
    house.write("secret", "s1");
    house.is_quiet();
    assert!(house.watcher.away.is_empty());
    fs::remove_file(house.path("secret")).expect("removed");
    house.write("vestibule.toml", "without the secret");
    house.is_taken();
}

#[test]
fn nothing_is_taken_without_the_config_itself() {
    let mut house = House::new();
    fs::remove_file(house.path("vestibule.toml")).expect("removed");
    house.write("secret", "s2");
    house.is_quiet();
    house.write("vestibule.toml", "one");
    house.is_taken();
}

#[test]
fn what_was_refused_is_tried_again_only_when_it_is_mended() {
    let mut house = House::new();
    house.write("vestibule.toml", "bad");
    house.is_taken();
    house.write("vestibule.toml", "one");
    house.is_taken();
}

#[test]
fn any_change_in_the_folder_of_certificates_is_taken() {
    let mut house = House::new();
    fs::create_dir(house.path("certs/a.example")).expect("a folder");
    house.is_quiet();
    house.write("certs/a.example/fullchain.pem", "1");
    house.is_taken();
    house.write("certs/new", "2");
    fs::rename(house.path("certs/new"), house.path("certs/a.example/fullchain.pem")).expect("renamed");
    house.is_taken();
    fs::remove_dir_all(house.path("certs/a.example")).expect("removed");
    house.is_taken();
}

#[test]
fn a_certificate_and_its_key_are_taken_together() {
    let mut house = House::new();
    house.write("certs/cert.pem", "1");
    assert!(!house.look());
    house.write("certs/key.pem", "1");
    house.is_taken();
}
