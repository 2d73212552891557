//! Which program this process is, so that it can be started anew.
//!
//! Found out at the start, for later the file may be another: that is what an upgrade is. The system's own answer follows all
//! links, and so would name the old version where versions lie side by side and a link tells which one is to run; the name it was
//! called by does not. After the file was replaced the system says `(deleted)`.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A program and what it was called with.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// The one that this process runs.
    pub(super) fn this() -> Self {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_default();
        let real = std::env::current_exe().unwrap_or_else(|_| PathBuf::from(&name));
        let path = called(&name, std::env::var_os("PATH").as_deref(), &real).unwrap_or(real);
        Self { path, arguments: arguments.collect() }
    }

    /// Any program.
    #[cfg(test)]
    pub(super) fn of(path: &str, arguments: &[&str]) -> Self {
        Self { path: path.into(), arguments: arguments.iter().map(Into::into).collect() }
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it was called with.
    pub(super) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }
}

/// The path that a name stands for, where that is the program that runs.
fn called(name: &OsStr, search: Option<&OsStr>, real: &Path) -> Option<PathBuf> {
    let path = Path::new(name);
    let candidates = match path.components().count() {
        0 => return None,
        1 if !path.is_absolute() && !name.to_string_lossy().contains('/') => {
            std::env::split_paths(search?).map(|folder| folder.join(path)).collect()
        }
        _ => vec![path.to_owned()],
    };
    candidates.iter().find(|candidate| is_same(candidate, real)).and_then(|path| std::path::absolute(path).ok())
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.dev() == other.dev() && one.ino() == other.ino(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_kept_a_name_is_searched_for_and_another_program_is_not_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("one"), "1").expect("writable");
        std::fs::write(at("two"), "2").expect("writable");
        symlink(at("one"), at("current")).expect("a link");
        let find = |name: &Path| called(name.as_os_str(), Some(folder.path().as_os_str()), &at("one"));
        assert_eq!(find(&at("current")), Some(at("current")));
        assert_eq!(find(Path::new("current")), Some(at("current")));
        assert_eq!(find(&at("two")), None);
        assert_eq!(find(Path::new("nowhere")), None);
        assert_eq!(find(Path::new("")), None);
    }
}
