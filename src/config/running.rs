//! The config that the gateway last started with or took up, kept beside its data: `impact` holds a new one against it.

use std::io::{self, Write as _};
use std::net::SocketAddr;
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

/// Remembers the config that was started with or taken up. It may hold secrets, so nobody else may read it.
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

/// Where the running gateway's admin listener is: as the config that it took up last has it, or else this text, which need not be
/// one that builds. `None` where neither tells.
#[must_use]
pub fn admin(path: &Path, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<SocketAddr> {
    let of = |text: &str, key: &str| -> Option<String> {
        let table: toml::Table = text.parse().ok()?;
        super::secret::fill(table.get("server")?.get(key)?.as_str()?, environment).ok()
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let running = of(text, "data").and_then(|data| std::fs::read(folder.join(data).join(FILE)).ok());
    let running = running.and_then(|bytes| serde_json::from_slice::<Running>(&bytes).ok());
    let address = running.and_then(|running| of(&running.text, "admin")).or_else(|| of(text, "admin"))?;
    address.parse().ok()
}

/// The name of the file with the way in for commands on the same machine.
const ACCESS: &str = "api.json";

/// Where the running gateway's admin listener is, and a token for it.
#[derive(Clone, Deserialize, Serialize)]
pub struct Access {
    /// The listener's address.
    pub address: SocketAddr,
    /// The token.
    pub token: String,
}

/// The folder of the running gateway's data, by a config's text, which need not be one that builds.
#[must_use]
pub fn data(path: &Path, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let table: toml::Table = text.parse().ok()?;
    let data = super::secret::fill(table.get("server")?.get("data")?.as_str()?, environment).ok()?;
    Some(path.parent().unwrap_or(Path::new("")).join(data))
}

/// The way in that a running gateway has left in its data folder.
///
/// # Errors
/// Where it cannot be read.
pub fn access(data: &Path) -> io::Result<Access> {
    Ok(serde_json::from_slice(&std::fs::read(data.join(ACCESS))?)?)
}

/// Leaves the way in, for the gateway's own user alone.
///
/// # Errors
/// Where it cannot be written.
pub fn leave_access(data: &Path, access: &Access) -> io::Result<()> {
    // Made with mode 0600, and renamed when it is whole.
    let mut file = tempfile::NamedTempFile::new_in(data)?;
    file.write_all(&serde_json::to_vec(access)?)?;
    file.persist(data.join(ACCESS)).map_err(|error| error.error)?;
    Ok(())
}

/// There is no way in any more.
pub fn forget_access(data: &Path) {
    // It may never have been there; and what it says opens nothing where nobody listens.
    let _ = std::fs::remove_file(data.join(ACCESS));
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
