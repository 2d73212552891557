//! Config text to [`Config`]: resolves every name, compiles every expression, and gathers whatever is wrong.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use toml::de::DeTable;

use super::builder::{Builder, lift};
use super::error::{ConfigError, ConfigErrors, Problem, line_of};
use super::file::{ConfigFile, Text};
use super::files::Files;
use super::{Audit, Config, Limits, Login, Mail, Server, Source, Tls, acme, app, file, scan, sources, trial, ways};
use crate::session::SessionLimits;
use crate::types::{HostName, SenderAddress, SmtpServer};

/// Reads and builds the config of a file, with secrets from this process's environment.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    parse(path, &read(path)?, &|name| std::env::var(name).ok())
}

/// Reads the text of a config file.
///
/// # Errors
/// Where it cannot be read.
pub fn read(path: &Path) -> Result<String, ConfigErrors> {
    std::fs::read_to_string(path).map_err(|error| {
        let help = "name the config file with --config FILE; it is UTF-8 text";
        let problem = Problem::new(format!("the file cannot be read: {error}"), help);
        ConfigErrors(vec![ConfigError { file: path.to_owned(), line: 1, problem }])
    })
}

/// Builds a config from its text. `path` names it in messages, and its folder is where relative paths begin.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines.
pub fn parse(path: &Path, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigErrors> {
    build_all(path, text, environment, None).0
}

/// Builds a config that somebody only tries out beside the running one, of which this is the text and these are the files: from outside of
/// its text it takes what that one takes, and nothing else.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines.
pub fn try_out(
    path: &Path,
    text: &str,
    (running, files): (&str, &Files),
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigErrors> {
    match trial::strangers(text, running) {
        strangers if strangers.is_empty() => build_all(path, text, environment, Some(files)).0,
        strangers => Err(told(path, text, strangers)),
    }
}

/// A config file as it was read: what it says, and the files that it names, be it good or bad.
#[derive(Clone, Debug)]
pub struct Read {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it means.
    pub config: Result<Config, ConfigErrors>,
    /// Itself, and the files that it names.
    pub files: Files,
}

/// Reads a config file with all that it names, with secrets from this process's environment.
#[must_use]
pub fn read_all(path: &Path) -> Read {
    let mut files = Files::default();
    files.note(path);
    let (text, config) = match read(path) {
        Ok(text) => {
            let (config, named) = build_all(path, &text, &|name| std::env::var(name).ok(), None);
            files.add(named);
            (text, config)
        }
        Err(errors) => (String::new(), Err(errors)),
    };
    Read { path: path.to_owned(), text, config, files }
}

fn build_all(
    path: &Path,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    only: Option<&Files>,
) -> (Result<Config, ConfigErrors>, Files) {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut builder = Builder { folder, environment, only, problems: Vec::new(), files: Files::default() };
    let config = builder.read(text);
    let (mut problems, files) = (builder.problems, builder.files);
    problems.retain(|(span, _)| span.start != scan::STAND_IN);
    let built = match config {
        Some(config) if problems.is_empty() => Ok(Config { files: files.clone(), ..config }),
        _ => Err(told(path, text, problems)),
    };
    (built, files)
}

fn told(path: &Path, text: &str, mut problems: Vec<(Range<usize>, Problem)>) -> ConfigErrors {
    problems.sort_by_key(|(span, _)| span.start);
    let error = |(span, problem): (Range<usize>, Problem)| ConfigError {
        file: path.to_owned(),
        line: line_of(text, span.start),
        problem,
    };
    ConfigErrors(problems.into_iter().map(error).collect())
}

impl Builder<'_> {
    fn read(&mut self, text: &str) -> Option<Config> {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // The first alone: what the reader finds after it is mostly its echo.
            for error in errors.into_iter().take(1) {
                let problem = Problem::new(error.message().trim(), "the file is TOML; see https://toml.io");
                self.problems.push((error.span().unwrap_or(0..0), problem));
            }
            return None;
        }
        let mut document = document;
        self.problems = scan::scan(document.get_mut(), &file::schema());
        // What the scan let pass deserializes; should it not, the reader's own message tells.
        match ConfigFile::deserialize(toml::de::Deserializer::from(document)) {
            Ok(file) => self.build(file),
            Err(error) => {
                if self.problems.is_empty() {
                    let problem = Problem::new(error.message().trim(), "see docs/config.md for this table");
                    self.problems.push((error.span().unwrap_or(0..0), problem));
                }
                None
            }
        }
    }

    fn build(&mut self, file: ConfigFile) -> Option<Config> {
        let server = self.server(&file);
        let tls = self.tls(&file);
        let acme = acme::build(self, &file);
        let mail = file.mail.as_ref().and_then(|mail| self.mail(&mail.value));
        let providers = ways::providers(self, &file);
        let hub = file.login.hub.as_ref().map(|text| self.hub(text, &file));
        let login = Login {
            providers: providers.clone(),
            hub: None,
            lifetime: self.duration(file.login.lifetime.as_ref(), Duration::from_secs(900)),
            mails_per_address: self.positive(file.login.mails_per_address.as_ref(), 5),
            tries_per_client: self.positive(file.login.tries_per_client.as_ref(), 300),
            tries_per_address: self.positive(file.login.tries_per_address.as_ref(), 30),
            tries_in_total: self.positive(file.login.tries_in_total.as_ref(), 3000),
            mails_per_app: self.positive(file.login.mails_per_app.as_ref(), 1000),
        };
        let audit = Audit { keep: self.duration(file.audit.keep.as_ref(), Duration::from_secs(400 * 24 * 3600)) };
        let session = SessionLimits {
            idle: self.duration(file.session.idle.as_ref(), Duration::from_secs(12 * 3600)),
            absolute: self.duration(file.session.absolute.as_ref(), Duration::from_secs(7 * 24 * 3600)),
            preview: self.preview_time(file.session.preview.as_ref()),
        };
        let sources: Vec<Source> =
            file.source.iter().filter_map(|(name, source)| sources::build(self, name, source)).collect();
        let names: Vec<String> = file.source.keys().map(|name| name.value.clone()).collect();
        let limits = server.as_ref().map_or_else(default_limits, |server| server.limits);
        let apps = app::build(self, &file, &names, &sources, &providers, limits);
        self.need_mail(&file, mail.is_some());
        let login = Login { hub: lift(hub)?, ..login };
        Some(Config {
            server: server?,
            tls: tls?,
            acme: acme?,
            mail,
            login,
            session,
            audit,
            sources,
            apps,
            files: Files::default(),
        })
    }

    fn server(&mut self, file: &ConfigFile) -> Option<Server> {
        let server = &file.server;
        let https = self.address(&server.https);
        let http = server.http.as_ref().map(|text| self.address(text));
        let admin = server.admin.as_ref().map(|text| self.address(text));
        let data = self.path(&server.data);
        let networks: Vec<Option<IpNet>> = server.trusted_proxies.iter().map(|text| self.network(text)).collect();
        let proxy_protocol = server.proxy_protocol.as_ref().filter(|is_on| is_on.value);
        if let Some(is_on) = proxy_protocol.filter(|_| networks.is_empty()) {
            self.problem(
                &is_on.span,
                "`proxy_protocol` is on, but nobody may use it",
                "name the proxies in `trusted_proxies`; everybody else's headers are refused",
            );
        }
        let standard = default_limits();
        let limits = &server.limits;
        let limits = Limits {
            connections: count(self.positive(limits.connections.as_ref(), 10_000)),
            header_bytes: self.header_bytes(limits.header_bytes.as_ref(), standard.header_bytes),
            headers: count(self.headers(limits.headers.as_ref(), 100)),
            header_read: self.duration(limits.header_read.as_ref(), standard.header_read),
            idle: self.duration(limits.idle.as_ref(), standard.idle),
            body_bytes: self.size(limits.body_bytes.as_ref(), standard.body_bytes),
            row_bytes: usize::try_from(self.size(limits.row_bytes.as_ref(), standard.row_bytes as u64))
                .unwrap_or(usize::MAX),
            certificates: count(self.positive(limits.certificates.as_ref(), 20_000)),
        };
        let grace = self.duration(server.grace.as_ref(), Duration::from_secs(30));
        for port in [&server.public_http_port, &server.public_https_port].into_iter().flatten() {
            if port.value == 0 {
                self.problem(
                    &port.span,
                    "0 is no port",
                    "write the port that is forwarded to this machine, such as 443",
                );
            }
        }
        if let (Some(port), None) = (&server.public_http_port, &server.http) {
            self.problem(
                &port.span,
                "nothing listens for plain HTTP",
                "set `server.http`, or remove `public_http_port`",
            );
        }
        Some(Server {
            public_http_port: server.public_http_port.as_ref().map(|port| port.value),
            public_https_port: server.public_https_port.as_ref().map(|port| port.value),
            https: https?,
            http: lift(http)?,
            admin: lift(admin)?,
            data: data?,
            proxy_protocol: proxy_protocol.is_some(),
            trusted_proxies: networks.into_iter().collect::<Option<_>>()?,
            grace,
            watch: server.watch.unwrap_or(true),
            limits,
        })
    }

    fn tls(&mut self, file: &ConfigFile) -> Option<Tls> {
        let certs = file.tls.certs.as_ref().map(|text| self.path(text));
        if file.tls.certs.is_none() && !file.tls.local_ca && file.acme.is_none() {
            self.problem(
                &file.server.https.span,
                "there is no source of certificates",
                "add `[acme]` to have them ordered, or `[tls]` with `certs = \"certs\"` (a folder of PEM files) or, for a trial, `local_ca = true`",
            );
        }
        Some(Tls { certs: lift(certs)?, local_ca: file.tls.local_ca })
    }

    fn mail(&mut self, mail: &file::MailFile) -> Option<Mail> {
        let url = self.secret(&mail.smtp);
        // The text is a secret, so no message shows it.
        let help = "write smtp://, smtp+starttls:// or smtps://, then user:password@ where the server asks for them, then host:port";
        let smtp = url.and_then(|url| {
            self.keep(&mail.smtp.span, SmtpServer::parse(&url).map_err(|error| Problem::new(error.to_string(), help)))
        });
        let from = self.text(&mail.from).and_then(|text| {
            let help = "write an address, or \"Name <address>\"";
            self.keep(
                &mail.from.span,
                SenderAddress::parse(&text).map_err(|error| Problem::new(error.to_string(), help)),
            )
        });
        let ca = mail.ca.as_ref().map(|text| self.pem(text));
        /// Nobody reads more news a day than this.
        const NOTIFICATIONS: u32 = 20;
        let notifications_per_person = mail.notifications_per_person.as_ref().map_or(NOTIFICATIONS, |most| most.value);
        Some(Mail { smtp: smtp?, from: from?, ca: lift(ca)?, notifications_per_person })
    }

    /// The hub stands for itself: were it an app's domain too, its pages would be two things.
    fn hub(&mut self, text: &Text, file: &ConfigFile) -> Option<HostName> {
        let filled = self.text(text)?;
        let help = "write a name of its own such as \"login.example.com\", without scheme, port or wildcard";
        let problem = |_| Problem::new(format!("`{filled}` is not a host name"), help);
        let host = self.keep(&text.span, HostName::parse(&filled).map_err(problem))?;
        let names = |app: &file::AppFile, host: &HostName| {
            let more = app.domain.iter().map(|domain| &domain.host);
            app.domains.iter().chain(more).any(|name| HostName::parse(&name.value).is_ok_and(|name| name == *host))
        };
        if let Some((app, _)) = file.app.iter().find(|(_, app)| names(&app.value, &host)) {
            let what = format!("the hub `{host}` is a domain of app `{}`", app.value);
            self.problem(&text.span, what, "give the hub a host name of its own");
        }
        Some(host)
    }

    /// How long a preview lasts: nobody looks through another's eyes for long without saying so again.
    fn preview_time(&mut self, text: Option<&Text>) -> Duration {
        const MOST: Duration = Duration::from_secs(30 * 60);
        let time = self.duration(text, MOST);
        if let Some(text) = text.filter(|_| time > MOST) {
            self.problem(&text.span, "a preview lasts 30 minutes at most", "write \"30m\" or less");
        }
        time.min(MOST)
    }

    /// An app that is entered by mail needs `[mail]`.
    fn need_mail(&mut self, file: &ConfigFile, has_mail: bool) {
        let by_mail =
            |app: &file::AppFile| app.login.as_ref().is_none_or(|ways| ways.iter().any(|way| way.value == "email"));
        if let Some((name, app)) = file.app.iter().find(|(_, app)| by_mail(&app.value))
            && !has_mail
            && file.mail.is_none()
        {
            let what = format!("app `{}` lets people in by email, but there is no `[mail]`", name.value);
            self.problem(
                &app.span,
                &what,
                "add `[mail]` with `smtp = \"smtp+starttls://user:password@host:587\"` and `from`",
            );
        }
        let with_topic = file.app.iter().find_map(|(name, app)| Some((name, app.value.topic.keys().next()?)));
        if let Some((app, topic)) = with_topic
            && !has_mail
            && file.mail.is_none()
        {
            let what = format!("app `{}` notifies people of `{}`, but there is no `[mail]`", app.value, topic.value);
            self.problem(&topic.span, &what, "add `[mail]`, or leave the topic out");
        }
    }
}

const fn default_limits() -> Limits {
    Limits {
        connections: 10_000,
        header_bytes: 32 * 1024,
        headers: 100,
        header_read: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        body_bytes: 100 * 1024 * 1024,
        row_bytes: 1024 * 1024,
        certificates: 20_000,
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
