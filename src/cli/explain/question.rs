//! What is asked: the arguments, read and checked against the config.

use std::net::IpAddr;
use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::super::paint::tame;
use super::super::{ExplainArgs, Failure};
use crate::config::nearest::did_you_mean;
use crate::config::{App, Config};
use crate::types::{CustomerId, Email, HostName};

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) app: &'a App,
    pub(super) email: Email,
    /// The time that everything is held against.
    pub(super) at: Timestamp,
    /// The customer that the domain pins.
    pub(super) pinned: Option<&'a CustomerId>,
    /// The customer that the person has chosen.
    pub(super) chosen: Option<CustomerId>,
    pub(super) request: Option<Asked>,
    pub(super) sample: Option<Sample>,
    pub(super) most_row_bytes: usize,
}

/// The request.
pub(super) struct Asked {
    pub(super) method: Method,
    /// As given, without query and fragment.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) had_fragment: bool,
    pub(super) headers: HeaderMap,
    pub(super) host: HostName,
    pub(super) client: IpAddr,
}

/// A sample of the app's answer.
pub(super) struct Sample {
    pub(super) file: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: String,
    pub(super) status: StatusCode,
}

impl<'a> Question<'a> {
    pub(super) fn read(args: &ExplainArgs, config: &'a Config, now: Timestamp) -> Result<Self, Failure> {
        let app = app(args.app.as_deref(), config)?;
        let email = Email::parse(&args.email)
            .map_err(|error| Failure::Usage(format!("nobody can log in as `{}`: {error}", tame(&args.email))))?;
        let domain = match &args.host {
            None => app.domains.first(),
            Some(host) => Some(domain_of(host, app, config)?),
        };
        let chosen = args
            .customer
            .as_deref()
            .map(|text| CustomerId::parse(text).map_err(|error| Failure::Usage(format!("`{}`: {error}", tame(text)))));
        let request = match (&args.path, domain) {
            (Some(path), Some(domain)) => Some(Asked::read(args, path, &domain.host)?),
            _ => None,
        };
        Ok(Self {
            email,
            at: args.at.as_deref().map_or(Ok(now), |text| moment(text, &app.policy.time_zone))?,
            pinned: domain.filter(|_| args.host.is_some()).and_then(|domain| domain.customer.as_ref()),
            chosen: chosen.transpose()?,
            request,
            sample: args.response.as_ref().map(|file| Sample::read(args, file)).transpose()?,
            most_row_bytes: config.server.limits.row_bytes,
            app,
        })
    }
}

impl Asked {
    fn read(args: &ExplainArgs, text: &str, host: &HostName) -> Result<Self, Failure> {
        let method = Method::from_bytes(args.method.as_bytes())
            .map_err(|_| Failure::Usage(format!("`{}` is not a method", tame(&args.method))))?;
        let (target, fragment) = text.split_once('#').map_or((text, None), |(target, rest)| (target, Some(rest)));
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        if !path.starts_with('/') {
            return Err(Failure::Usage(format!("`{}` is not a path; a path begins with /", tame(text))));
        }
        let mut headers = HeaderMap::new();
        for line in &args.header {
            let header = line.split_once(':').and_then(|(name, value)| {
                let name = HeaderName::try_from(name.trim()).ok()?;
                Some((name, HeaderValue::try_from(value.trim()).ok()?))
            });
            let Some((name, value)) = header else {
                return Err(Failure::Usage(format!("`{}` is not a header field; write 'Name: value'", tame(line))));
            };
            headers.append(name, value);
        }
        Ok(Self {
            method,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            had_fragment: fragment.is_some(),
            headers,
            host: host.clone(),
            client: args.ip,
        })
    }
}

impl Sample {
    fn read(args: &ExplainArgs, file: &std::path::Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(file)
            .map_err(|error| Failure::Usage(format!("`{}` cannot be read: {error}", file.display())))?;
        let content_type = match (&args.content_type, file.extension().and_then(|extension| extension.to_str())) {
            (Some(given), _) => given.clone(),
            (None, extension) => guess(extension).map(str::to_owned).ok_or_else(|| {
                Failure::Usage(format!(
                    "what `{}` is does not show in its name; say it with --content-type",
                    file.display()
                ))
            })?,
        };
        let status = StatusCode::from_u16(args.status)
            .map_err(|_| Failure::Usage(format!("{} is not a status", args.status)))?;
        Ok(Self { file: file.to_owned(), bytes, content_type, status })
    }
}

/// The content type of a file by its extension.
fn guess(extension: Option<&str>) -> Option<&'static str> {
    match extension?.to_ascii_lowercase().as_str() {
        "json" => Some("application/json"),
        "ndjson" | "jsonl" => Some("application/x-ndjson"),
        "csv" => Some("text/csv"),
        "tsv" => Some("text/tab-separated-values"),
        "html" | "htm" => Some("text/html"),
        "xml" => Some("application/xml"),
        "txt" => Some("text/plain"),
        "pdf" => Some("application/pdf"),
        "png" => Some("image/png"),
        _ => None,
    }
}

/// The app of that name; the only one, where none is named.
pub(super) fn app<'a>(name: Option<&str>, config: &'a Config) -> Result<&'a App, Failure> {
    let known: Vec<&str> = config.apps.iter().map(|app| app.name.as_str()).collect();
    let otherwise = format!("the config has {}", known.join(", "));
    match (name, config.apps.as_slice()) {
        (None, [only]) => Ok(only),
        (None, []) => Err(Failure::Usage("the config has no app".to_owned())),
        (None, _) => Err(Failure::Usage(format!("which app? Name it with --app NAME; {otherwise}"))),
        (Some(name), _) => config.app(name).map(AsRef::as_ref).ok_or_else(|| {
            Failure::Usage(format!("there is no app `{}`; {}", tame(name), did_you_mean(name, known, &otherwise)))
        }),
    }
}

fn domain_of<'a>(host: &str, app: &'a App, config: &Config) -> Result<&'a crate::config::Domain, Failure> {
    let name =
        HostName::parse_authority(host).map_err(|_| Failure::Usage(format!("`{}` is not a host name", tame(host))))?;
    if let Some(domain) = app.domains.iter().find(|domain| domain.host == name) {
        return Ok(domain);
    }
    let other = config.apps.iter().find(|app| app.domains.iter().any(|domain| domain.host == name));
    let known: Vec<&str> = app.domains.iter().map(|domain| domain.host.as_str()).collect();
    Err(Failure::Usage(match other {
        Some(other) => format!("`{name}` is a domain of app `{}`, not of `{}`", other.name, app.name),
        None => format!("`{name}` is no domain of app `{}`, which has {}", app.name, known.join(", ")),
    }))
}

/// A moment; what names no zone is in the app's.
fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let local = || text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(|day| day.at(0, 0, 0, 0)));
    let moment = text.parse::<Timestamp>().ok().or_else(|| zone.to_timestamp(local()?).ok());
    moment.ok_or_else(|| {
        let shown = tame(text);
        Failure::Usage(format!("`{shown}` is not a time; write 2026-03-29T10:00:00Z, or 2026-03-29T10:00"))
    })
}
