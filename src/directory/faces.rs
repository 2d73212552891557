//! How a domain of a table presents itself: its title, colour and logo, each the app's own where the row says nothing of use.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{App, DomainTable, read_logo};
use crate::pages::{Brand, Logo};
use crate::policy::Row;
use crate::state::nominated::Face;
use crate::types::{Color, DisplayName};

/// The most bytes of all logos of a table.
const MOST_LOGO_BYTES: usize = 64 * 1024 * 1024;

/// What a row says of a domain's face; the text that is kept of it.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub(super) struct FaceColumns {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    color: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    logo: Option<String>,
}

impl FaceColumns {
    pub(super) fn of_row(table: &DomainTable, row: &Row) -> Self {
        // Longer than anything that could be shown; what is kept in the store has a limit too.
        const MOST_CHARACTERS: usize = 300;
        let text = |column: &Option<crate::types::ColumnName>| {
            let text = row.text(column.as_ref()?.as_str())?;
            Some(text.chars().take(MOST_CHARACTERS).collect())
        };
        let columns = &table.columns;
        Self { title: text(&columns.title), color: text(&columns.color), logo: text(&columns.logo) }
    }

    /// Reads what was kept. What cannot be read is nothing: the domain then looks like its app.
    pub(super) fn of_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// The faces of one reading of a table: the same one for all rows that say the same.
pub(super) struct Faces<'a> {
    app: &'a App,
    logos: &'a mut Logos,
    made: HashMap<FaceColumns, (Arc<Face>, Vec<String>)>,
}

impl<'a> Faces<'a> {
    pub(super) fn new(app: &'a App, logos: &'a mut Logos) -> Self {
        logos.begin();
        Self { app, logos, made: HashMap::new() }
    }

    /// The face for what a row says, and what of that is of no use.
    pub(super) fn face(&mut self, columns: FaceColumns) -> (Arc<Face>, &[String]) {
        let (app, logos) = (self.app, &mut *self.logos);
        let (face, faults) = self.made.entry(columns).or_insert_with_key(|columns| make(app, logos, columns));
        (Arc::clone(face), faults)
    }
}

fn make(app: &App, logos: &mut Logos, columns: &FaceColumns) -> (Arc<Face>, Vec<String>) {
    let mut faults = Vec::new();
    let mut brand = Brand::clone(&app.brand);
    if let Some(title) = columns.title.as_deref().and_then(DisplayName::new) {
        brand.title = title.to_string();
    }
    match columns.color.as_deref().map(Color::parse) {
        Some(Ok(color)) => brand.color = color,
        Some(Err(error)) => faults.push(format!("{error}; the app's own colour is shown")),
        None => {}
    }
    match columns.logo.as_deref().map(|name| logos.logo(name)) {
        Some(Ok(logo)) => (brand.logo, brand.logo_dark, brand.icon) = (Some(logo), None, None),
        Some(Err(what)) => faults.push(format!("{what}; the app's own logo is shown")),
        None => {}
    }
    // Three texts have no way to fail.
    let text = serde_json::to_string(columns).unwrap_or_else(|_| "{}".to_owned());
    // Most rows say nothing of their own, and share what the app has.
    let brand = if brand == *app.brand { Arc::clone(&app.brand) } else { Arc::new(brand) };
    (Arc::new(Face { brand, text: text.into() }), faults)
}

/// The logos in a table's folder, each read once as long as its file stays the same.
#[derive(Default)]
pub(super) struct Logos {
    folder: Option<PathBuf>,
    read: HashMap<String, Read>,
    bytes: usize,
    reading: u64,
}

struct Read {
    file: Option<FileState>,
    logo: Result<Logo, String>,
    /// The reading that asked for it last.
    reading: u64,
}

/// Length, inode, and the time of the last change.
type FileState = (u64, u64, i64, i64);

impl Logos {
    pub(super) fn of(table: &DomainTable) -> Self {
        Self { folder: table.logos.clone(), ..Self::default() }
    }

    /// Whether anything can be read here.
    pub(super) const fn is_there(&self) -> bool {
        self.folder.is_some()
    }

    /// A new reading begins: each file is looked at once more, and what the last one did not ask for is let go.
    fn begin(&mut self) {
        let last = self.reading;
        self.read.retain(|_, read| read.reading == last);
        self.bytes = self.read.values().filter_map(|read| read.logo.as_ref().ok()).map(|logo| logo.bytes.len()).sum();
        self.reading += 1;
    }

    fn logo(&mut self, name: &str) -> Result<Logo, String> {
        let folder = self.folder.as_deref().ok_or("there is no folder `logos`")?;
        // A row names a file of that folder and nothing else on this machine.
        if name.contains(['/', '\\', '\0']) || name.starts_with('.') {
            return Err(format!("the logo `{name}` is not the name of a file in `logos`"));
        }
        if let Some(read) = self.read.get(name).filter(|read| read.reading == self.reading) {
            return read.logo.clone();
        }
        let path = folder.join(name);
        let file = state_of(&path);
        if let Some(read) = self.read.get_mut(name)
            && read.file == file
            && read.logo.is_ok()
        {
            read.reading = self.reading;
            return read.logo.clone();
        }
        let logo = read_logo(&path).map_err(|problem| problem.to_string()).and_then(|logo| {
            let is_within = self.bytes + logo.bytes.len() <= MOST_LOGO_BYTES;
            is_within.then_some(logo).ok_or_else(|| "all logos together are larger than 64 MiB".to_owned())
        });
        self.bytes += logo.as_ref().map_or(0, |logo| logo.bytes.len());
        self.read.insert(name.to_owned(), Read { file, logo: logo.clone(), reading: self.reading });
        logo
    }
}

fn state_of(path: &Path) -> Option<FileState> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.len(), found.ino(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_a_picture_in_the_folder_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("logos");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("a.svg"), "<svg/>").expect("written");
        std::fs::write(folder.join(".b.svg"), "<svg/>").expect("written");
        std::fs::write(folder.join("c.html"), "<p>").expect("written");
        std::fs::write(dir.path().join("secret.svg"), "<svg/>").expect("written");
        let mut logos = Logos { folder: Some(folder.clone()), ..Logos::default() };
        logos.begin();
        assert_eq!(logos.logo("a.svg").expect("a logo").bytes, "<svg/>");
        for name in ["../secret.svg", "/etc/hostname", "..", ".b.svg", "c.html", "d.svg", "a\\b.svg", "x\0.svg"] {
            assert!(logos.logo(name).is_err(), "{name:?}");
        }
        std::fs::write(folder.join("a.svg"), "<svg></svg>").expect("written");
        assert_eq!(logos.logo("a.svg").expect("a logo").bytes, "<svg/>", "one reading sees one state");
        logos.begin();
        assert_eq!(logos.logo("a.svg").expect("a logo").bytes, "<svg></svg>", "the next one sees the next");
        logos.begin();
        logos.begin();
        assert!(logos.read.is_empty(), "what nobody asks for is let go");
    }
}
