//! The config that the gateway last started with, kept beside its data: `impact` holds a new one against it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Config, ConfigErrors, parse};

/// The name of the file in `server.data`.
const FILE: &str = "running-config.json";

#[derive(Debug, Deserialize, Serialize)]
struct Running {
    path: PathBuf,
    text: String,
}

/// Why the running config cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum NotRunning {
    /// It was never written.
    #[error("`{}` is not there, so no gateway has started on this data folder", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("`{}` cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, io::Error),
    /// It does not build here and now.
    #[error("the config that the gateway started with does not build any more:\n{0}")]
    Config(#[from] ConfigErrors),
}

/// Remembers the config that was started with. It may hold secrets, so nobody else may read it.
///
/// # Errors
/// Where it cannot be written; the one from before is left then.
pub fn remember(data: &Path, path: &Path, text: &str) -> io::Result<()> {
    let running = Running { path: std::path::absolute(path)?, text: text.to_owned() };
    // Made with mode 0600, and renamed when it is whole.
    let mut file = tempfile::NamedTempFile::new_in(data)?;
    file.write_all(&serde_json::to_vec(&running)?)?;
    file.as_file().sync_all()?;
    file.persist(data.join(FILE)).map_err(|error| error.error)?;
    Ok(())
}

/// The config that was last started with, built anew, and the path of its file.
///
/// # Errors
/// [`NotRunning`]
pub fn recall(data: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<(PathBuf, Config), NotRunning> {
    let file = data.join(FILE);
    let bytes = std::fs::read(&file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NotRunning::Missing(file.clone()),
        _ => NotRunning::Unreadable(file.clone(), error),
    })?;
    let running: Running =
        serde_json::from_slice(&bytes).map_err(|error| NotRunning::Unreadable(file, error.into()))?;
    let config = parse(&running.path, &running.text, environment)?;
    Ok((running.path, config))
}
