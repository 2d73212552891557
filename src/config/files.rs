//! The files that a config names and that are read with it: secrets, CAs, pictures.
//!
//! Each is kept with a digest of what it held *before* it was read for use. A reload tells by that whether a part whose text is
//! the same is still the same, and the watcher whether there is anything to reload: should a file change between the two
//! reads, the digest is the older one, and the watcher finds the change.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

/// More is read of no file: none that a config names may be larger.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// What a file held; `None` when it could not be read.
pub type Held = Option<[u8; 32]>;

/// Files, each with what it held.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Files(BTreeMap<PathBuf, Held>);

impl Files {
    /// Notes a file as it is now, unless it is noted already.
    pub fn note(&mut self, path: &Path) {
        if !self.0.contains_key(path) {
            self.0.insert(path.to_owned(), held(path));
        }
    }

    /// Adds others as they were noted.
    pub fn add(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, Held)> {
        self.0.iter().map(|(path, held)| (path.as_path(), *held))
    }

    /// Whether a file is among them.
    #[must_use]
    pub fn names(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    /// What a file held.
    #[must_use]
    pub fn held(&self, path: &Path) -> Held {
        self.0.get(path).copied().flatten()
    }

    /// Whether a file held the same when another config was built. One that is not noted in both did not.
    #[must_use]
    pub fn same(&self, other: &Self, path: &Path) -> bool {
        matches!((self.0.get(path), other.0.get(path)), (Some(Some(one)), Some(Some(other))) if one == other)
    }

    /// The same for a file that need not be there: none is the same as none.
    #[must_use]
    pub fn same_if_any(&self, other: &Self, path: Option<&PathBuf>) -> bool {
        path.is_none_or(|path| self.same(other, path))
    }
}

/// What a file holds now.
#[must_use]
pub fn held(path: &Path) -> Held {
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    let mut digest_of = [0; 32];
    digest_of.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    Some(digest_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_only_if_it_was_read_twice_and_held_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let (kept, changed) = (folder.path().join("kept"), folder.path().join("changed"));
        let gone = folder.path().join("gone");
        let look = || {
            let mut files = Files::default();
            for path in [&kept, &changed, &gone] {
                files.note(path);
            }
            files
        };
        std::fs::write(&kept, "a").and_then(|()| std::fs::write(&changed, "a")).expect("files");
        let before = look();
        std::fs::write(&changed, "b").expect("a file");
        let after = look();
        assert!(after.same(&before, &kept));
        assert!(!after.same(&before, &changed) && !after.same(&before, &gone));
        assert!(!after.same(&before, Path::new("never noted")));
        assert!(after.same_if_any(&before, None) && !after.same_if_any(&before, Some(&changed)));
    }
}
