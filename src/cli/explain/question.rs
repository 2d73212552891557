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
use crate::directory::TableDirectory;
use crate::state::nominated::Nominee;
use crate::types::{CustomerId, Email, HostName};

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) app: &'a App,
    pub(super) email: Email,
    /// The time that everything is held against.
    pub(super) at: Timestamp,
    /// The customer that the domain pins.
    pub(super) pinned: Option<CustomerId>,
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
    pub(super) async fn read(
        args: &ExplainArgs,
        config: &'a Config,
        directory: &TableDirectory,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let app = app(args.app.as_deref(), config)?;
        let email = Email::parse(&args.email)
            .map_err(|error| Failure::Usage(format!("nobody can log in as `{}`: {error}", tame(&args.email))))?;
        let domain = match &args.host {
            None if args.path.is_none() => None,
            None => first_domain(app, config, directory).await,
            Some(host) => Some(domain_of(host, app, config, directory).await?),
        };
        let chosen = args
            .customer
            .as_deref()
            .map(|text| CustomerId::parse(text).map_err(|error| Failure::Usage(format!("`{}`: {error}", tame(text)))));
        let request = match (&args.path, &domain) {
            (Some(path), Some((host, _))) => Some(Asked::read(args, path, host)?),
            (Some(_), None) => {
                let help =
                    format!("`check --data` tells what is wrong with the tables of domains of app `{}`", app.name);
                return Err(Failure::Other(format!(
                    "the app has no domain now that a request could come by\n  help: {help}"
                )));
            }
            _ => None,
        };
        Ok(Self {
            email,
            at: args.at.as_deref().map_or(Ok(now), |text| moment(text, &app.policy.time_zone))?,
            pinned: domain.filter(|_| args.host.is_some()).and_then(|(_, customer)| customer),
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

/// A domain and the customer that it pins.
type Named = (HostName, Option<CustomerId>);

/// The domain that a request comes by where none is named: any will do.
async fn first_domain(app: &App, config: &Config, directory: &TableDirectory) -> Option<Named> {
    if let Some(domain) = app.domains.first() {
        return Some((domain.host.clone(), domain.customer.clone()));
    }
    let in_tables = from_tables(app, config, directory).await;
    in_tables.into_iter().next().map(|nominee| (nominee.host, nominee.owner.customer.clone()))
}

async fn domain_of(host: &str, app: &App, config: &Config, directory: &TableDirectory) -> Result<Named, Failure> {
    let name =
        HostName::parse_authority(host).map_err(|_| Failure::Usage(format!("`{}` is not a host name", tame(host))))?;
    if let Some(domain) = app.domains.iter().find(|domain| domain.host == name) {
        return Ok((name, domain.customer.clone()));
    }
    let other = config.apps.iter().find(|app| app.domains.iter().any(|domain| domain.host == name));
    if let Some(other) = other {
        let what = format!("`{name}` is a domain of app `{}`, not of `{}`", other.name, app.name);
        return Err(Failure::Usage(what));
    }
    let mut of_table = from_tables(app, config, directory).await;
    of_table.retain(|nominee| nominee.host == name);
    match of_table.as_slice() {
        [only] => Ok((name, only.owner.customer.clone())),
        [] => {
            let mut known: Vec<&str> = app.domains.iter().map(|domain| domain.host.as_str()).collect();
            if !app.domain_tables.is_empty() {
                known.push("those that its tables name; `check --data` tells of them");
            }
            Err(Failure::Usage(format!("`{name}` is no domain of app `{}`, which has {}", app.name, known.join(", "))))
        }
        _ => {
            Err(Failure::Usage(format!("`{name}` is named for several customers; `check --data` tells by which rows")))
        }
    }
}

/// What an app's tables of domains name.
async fn from_tables(app: &App, config: &Config, directory: &TableDirectory) -> Vec<Nominee> {
    let mut readings = directory.domain_readings(config).await;
    readings.retain(|(name, _)| *name == app.name);
    let readings = readings.into_iter().flat_map(|(_, readings)| readings).flatten();
    readings.flat_map(|reading| reading.domains).map(|(_, nominee)| nominee).collect()
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
