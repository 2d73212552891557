//! Gathers what is wrong while a config is built, and reads its values: texts, paths, durations, sizes, addresses.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::either::SecretFile;
use super::error::Problem;
use super::file::{At, Text};
use super::files::Files;
use super::{secret, trial, units};
use crate::pages::Logo;

/// The largest head, in bytes, and the most fields of one. Pingora reads 1 MiB and 256 fields, and answers what is more by itself,
/// without a page or a count.
const MOST_HEADER_BYTES: u64 = 512 * 1024;
const MOST_HEADERS: u32 = 250;

/// Gathers problems while it builds.
pub(super) struct Builder<'a> {
    /// Where relative paths begin.
    pub(super) folder: PathBuf,
    /// The environment, by name.
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    /// The files that may be read; any, where nothing is said.
    pub(super) only: Option<&'a Files>,
    /// What is wrong, and where.
    pub(super) problems: Vec<(Range<usize>, Problem)>,
    /// The files that are read, also those that cannot be.
    pub(super) files: Files,
}

impl Builder<'_> {
    pub(super) fn problem(&mut self, span: &Range<usize>, what: impl Into<String>, help: impl Into<String>) {
        self.problems.push((span.clone(), Problem::new(what, help)));
    }

    pub(super) fn keep<T>(&mut self, span: &Range<usize>, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push((span.clone(), problem))).ok()
    }

    /// Keeps what parsed; otherwise the parser's words are the problem.
    pub(super) fn keep_named<T>(&mut self, text: &Text, result: Result<T, crate::types::InvalidName>) -> Option<T> {
        self.keep(&text.span, result.map_err(|error| Problem::new(error.to_string(), "choose a name that fits")))
    }

    /// A text with its environment variables filled in.
    pub(super) fn text(&mut self, text: &Text) -> Option<String> {
        let filled = secret::fill(&text.value, self.environment);
        self.keep(&text.span, filled)
    }

    /// A secret, from the text or from its file. No message shows it.
    pub(super) fn secret(&mut self, secret: &At<SecretFile>) -> Option<String> {
        let span = &secret.span;
        match &secret.value {
            SecretFile::Text(text) => self.text(&At { value: text.clone(), span: span.clone() }),
            SecretFile::File(path) => {
                let path = self.path(&At { value: path.clone(), span: span.clone() })?;
                self.note(span, &path)?;
                self.keep(span, secret::read(&path))
            }
        }
    }

    pub(super) fn path(&mut self, text: &Text) -> Option<PathBuf> {
        let path = self.text(text)?;
        if path.is_empty() {
            self.problem(&text.span, "the path is empty", "name a file or folder, relative to this file");
            return None;
        }
        Some(self.folder.join(path))
    }

    /// The path of a PEM file that is there and holds a certificate.
    pub(super) fn pem(&mut self, text: &Text) -> Option<PathBuf> {
        use rustls_pki_types::CertificateDer;
        use rustls_pki_types::pem::PemObject as _;
        let path = self.path(text)?;
        self.note(&text.span, &path)?;
        let first = CertificateDer::pem_file_iter(&path).ok().and_then(|mut list| list.next());
        if matches!(first, Some(Ok(_))) {
            return Some(path);
        }
        let what = format!("`{}` is not a readable PEM file with a certificate", path.display());
        self.problem(&text.span, what, "name a PEM file that the gateway's user may read, relative to this file");
        None
    }

    /// A picture for our pages.
    pub(super) fn logo(&mut self, text: &Text) -> Option<Logo> {
        let path = self.path(text)?;
        self.note(&text.span, &path)?;
        self.keep(&text.span, read_logo(&path))
    }

    /// Notes a file before it is read; nothing where it may not be.
    fn note(&mut self, span: &Range<usize>, path: &Path) -> Option<()> {
        if self.only.is_some_and(|files| !files.names(path)) {
            let what = format!("`{}` is none of the files that the running config names", path.display());
            self.problem(span, what, trial::HELP);
            return None;
        }
        self.files.note(path);
        Some(())
    }

    pub(super) fn duration(&mut self, text: Option<&Text>, standard: Duration) -> Duration {
        let Some(text) = text else { return standard };
        let Some(filled) = self.text(text) else { return standard };
        match units::duration(&filled) {
            Some(duration) if !duration.is_zero() => duration,
            _ => {
                let what = format!("`{filled}` is not a duration");
                self.problem(&text.span, what, "write a whole number and ms, s, m, h or d, such as \"30s\"");
                standard
            }
        }
    }

    pub(super) fn size(&mut self, text: Option<&Text>, standard: u64) -> u64 {
        let Some(text) = text else { return standard };
        let Some(filled) = self.text(text) else { return standard };
        match units::size(&filled) {
            Some(size) if size > 0 => size,
            _ => {
                let what = format!("`{filled}` is not a size");
                self.problem(&text.span, what, "write a whole number and B, KiB, MiB or GiB, such as \"32KiB\"");
                standard
            }
        }
    }

    /// A head's size, within what the engine reads at all.
    pub(super) fn header_bytes(&mut self, text: Option<&Text>, standard: usize) -> usize {
        let size = self.size(text, standard as u64);
        if let Some(text) = text.filter(|_| size > MOST_HEADER_BYTES) {
            self.problem(&text.span, "a head may have 512KiB at most", "write \"512KiB\" or less");
        }
        usize::try_from(size).unwrap_or(usize::MAX)
    }

    /// A head's number of fields, within what the engine reads at all.
    pub(super) fn headers(&mut self, number: Option<&At<u32>>, standard: u32) -> u32 {
        let headers = self.positive(number, standard);
        if let Some(number) = number.filter(|_| headers > MOST_HEADERS) {
            self.problem(&number.span, "a head may have 250 fields at most", "write 250 or less");
        }
        headers
    }

    pub(super) fn positive(&mut self, number: Option<&At<u32>>, standard: u32) -> u32 {
        match number {
            None => standard,
            Some(number) if number.value > 0 => number.value,
            Some(number) => {
                self.problem(&number.span, "0 would let nobody in", "write at least 1");
                standard
            }
        }
    }

    pub(super) fn address(&mut self, text: &Text) -> Option<SocketAddr> {
        let filled = self.text(text)?;
        let parsed = filled.parse().map_err(|_| {
            Problem::new(
                format!("`{filled}` is not an address and port"),
                "write an IP address and a port, such as \"0.0.0.0:443\" or \"[::]:443\"",
            )
        });
        self.keep(&text.span, parsed)
    }

    pub(super) fn network(&mut self, text: &Text) -> Option<IpNet> {
        let filled = self.text(text)?;
        let parsed = filled.parse::<IpNet>().or_else(|_| filled.parse::<std::net::IpAddr>().map(IpNet::from));
        let parsed = parsed.map_err(|_| {
            Problem::new(
                format!("`{filled}` is not a network"),
                "write an address or a network, such as \"10.0.0.0/8\"",
            )
        });
        self.keep(&text.span, parsed)
    }
}

/// What was written and wrong is lost; what was not written is nothing.
pub(super) fn lift<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(some) => Some(some),
    }
}

/// Reads a picture for our pages.
pub(crate) fn read_logo(path: &Path) -> Result<Logo, Problem> {
    const MOST_BYTES: u64 = 512 * 1024;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    let content_type = match extension.as_str() {
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        _ => {
            return Err(Problem::new(
                format!("the logo `{}` is no svg, png, jpg or webp", path.display()),
                "name an image file of these kinds",
            ));
        }
    };
    let unreadable = |error: std::io::Error| {
        Problem::new(
            format!("the logo `{}` cannot be read: {error}", path.display()),
            "check the path; it is relative to this file",
        )
    };
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() {
        return Err(Problem::new(format!("the logo `{}` is not a file", path.display()), "name an image file"));
    }
    let length = found.len();
    if length > MOST_BYTES {
        return Err(Problem::new(
            format!("the logo `{}` is larger than 512 KiB", path.display()),
            "make the image smaller",
        ));
    }
    Ok(Logo::new(content_type, std::fs::read(path).map_err(unreadable)?.into()))
}
