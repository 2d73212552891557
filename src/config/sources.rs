//! `[source.NAME]`: where customers' tables are, and how they are asked.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::builder::{Builder, lift};
use super::error::Problem;
use super::file::{SourceFile, Text};
use super::nearest::did_you_mean;
use super::{NextPage, Source, SourceKind, WebFormat, WebSource};
use crate::types::{ColumnName, Secret, SourceName};

const KINDS: &str = "write \"csv:people.csv\", \"sqlite:crm.db\", \"postgres://user:password@host/database\", \
                     \"mysql://user:password@host/database\" or \"https://host/table.csv\"";

/// A longer name is cut by PostgreSQL.
const MOST_CHANNEL_BYTES: usize = 63;

/// Builds one source; what is wrong is in the builder.
pub(super) fn build(builder: &mut Builder<'_>, name: &Text, file: &SourceFile) -> Option<Source> {
    let source_name = builder.keep_named(name, SourceName::parse(&name.value));
    let url = builder.secret(&file.url);
    let refresh = builder.duration(file.refresh.as_ref(), Duration::from_secs(30));
    let max_stale = builder.duration(file.max_stale.as_ref(), Duration::from_secs(900));
    let timeout = builder.duration(file.timeout.as_ref(), Duration::from_secs(5));
    if max_stale < refresh {
        let span = file.max_stale.as_ref().map_or(&file.url.span, |text| &text.span).clone();
        builder.problem(&span, "`max_stale` is shorter than `refresh`", "make it at least as long, such as \"15m\"");
    }
    let kind = url.and_then(|url| kind(builder, name, file, &url));
    Some(Source { name: source_name?, kind: kind?, refresh, max_stale, timeout })
}

fn kind(builder: &mut Builder<'_>, name: &Text, file: &SourceFile, url: &str) -> Option<SourceKind> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_web = matches!(scheme, "https" | "http");
    refuse_strangers(builder, file, scheme, is_web);
    let rest = url.get(scheme.len() + 1..).unwrap_or_default();
    match scheme {
        "csv" if !rest.is_empty() => Some(SourceKind::Csv(builder.folder.join(rest))),
        "sqlite" if !rest.is_empty() => Some(SourceKind::Sqlite(builder.folder.join(rest))),
        "postgres" | "postgresql" if rest.starts_with("//") => {
            let notify = file.notify.as_ref().and_then(|text| channel(builder, text));
            server(builder, file, rest)?;
            Some(SourceKind::Postgres { url: Secret::new(url.to_owned()), notify })
        }
        "mysql" | "mariadb" if rest.starts_with("//") => {
            server(builder, file, rest)?;
            // The driver knows the one name.
            Some(SourceKind::MySql { url: Secret::new(format!("mysql:{rest}")) })
        }
        "https" | "http" => web(builder, file, url).map(|web| SourceKind::Web(Box::new(web))),
        _ => {
            let what = format!("`url` of source `{}` is of no kind that is known", name.value);
            builder.problem(&file.url.span, &what, KINDS);
            None
        }
    }
}

fn channel(builder: &mut Builder<'_>, text: &Text) -> Option<String> {
    let name = builder.text(text)?;
    if name.is_empty() || name.len() > MOST_CHANNEL_BYTES {
        let what = format!("`notify` names no channel: a name has 1 to {MOST_CHANNEL_BYTES} bytes");
        builder.problem(&text.span, &what, "write the name that `pg_notify` has, such as \"customers\"");
        return None;
    }
    Some(name)
}

/// A key that means nothing for the kind would only seem to do something.
fn refuse_strangers(builder: &mut Builder<'_>, file: &SourceFile, scheme: &str, is_web: bool) {
    let is_database = matches!(scheme, "postgres" | "postgresql" | "mysql" | "mariadb");
    let first = |texts: Option<&Text>| texts.map(|text| text.span.clone());
    let keys = [
        ("timeout", first(file.timeout.as_ref()), is_web || is_database),
        ("notify", first(file.notify.as_ref()), scheme.starts_with("postgres")),
        ("format", first(file.format.as_ref()), is_web),
        ("headers", first(file.headers.keys().next()), is_web),
        ("rows", first(file.rows.as_ref()), is_web),
        ("fields", first(file.fields.keys().next()), is_web),
        ("next", first(file.next.as_ref()), is_web),
        ("next_param", first(file.next_param.as_ref()), is_web),
        ("ca", first(file.ca.as_ref()), is_web),
    ];
    for (key, span, fits) in keys {
        if let Some(span) = span.filter(|_| !fits && !scheme.is_empty()) {
            builder.problem(&span, format!("`{key}` has no use with a source of kind `{scheme}:`"), "remove it");
        }
    }
}

/// What every URL of a server has. A password that is not encoded ends it too early, and the driver would speak of a port.
fn server(builder: &mut Builder<'_>, file: &SourceFile, rest: &str) -> Option<()> {
    let authority = rest.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match host.rsplit_once(':') {
        Some((_, port)) if !host.ends_with(']') => port,
        _ => "",
    };
    if port.is_empty() || port.parse::<u16>().is_ok() {
        return Some(());
    }
    let help = "write \"postgres://user:password@host:port/database\"; what is special in a password is percent-encoded: %40 for @, \
                %2F for /, %23 for #, %3F for ?";
    builder.problem(&file.url.span, "the URL does not parse", help);
    None
}

fn web(builder: &mut Builder<'_>, file: &SourceFile, url: &str) -> Option<WebSource> {
    let parsed = url.parse::<http::Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    let is_open = parsed.as_ref().is_some_and(|uri| {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_here =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        uri.scheme_str() == Some("http") && !is_here
    });
    if parsed.is_none() {
        builder.problem(&file.url.span, "the URL does not parse", "write \"https://host/path\"");
    } else if is_open {
        let what = "a table of customers over http:// can be read and changed on its way";
        builder.problem(&file.url.span, what, "write https://; http:// is for 127.0.0.1 alone");
    }
    let format = file.format.as_ref().map(|text| match text.value.as_str() {
        "csv" => Some(WebFormat::Csv),
        "json" => Some(WebFormat::Json),
        other => {
            let help = did_you_mean(other, ["csv", "json"], "the formats are csv and json");
            builder.problem(&text.span, format!("there is no format `{other}`"), help);
            None
        }
    });
    let headers = file.headers.iter().map(|(name, value)| {
        let header = HeaderName::try_from(name.value.as_str()).map_err(|_| {
            Problem::new(format!("`{}` is no header name", name.value), "write a name such as \"Authorization\"")
        });
        let header = builder.keep(&name.span, header);
        let value_text = builder.secret(value)?;
        if HeaderValue::try_from(&value_text).is_err() {
            let what = format!("the value of `{}` cannot stand in a header", name.value);
            builder.problem(&value.span, what, "write one line of ASCII text");
            return None;
        }
        Some((header?, Secret::new(value_text)))
    });
    let headers: Vec<_> = headers.collect();
    let rows = file.rows.as_ref().map(|text| pointer(builder, text));
    let fields: Vec<_> = file
        .fields
        .iter()
        .map(|(name, text)| {
            let column = builder.keep_named(name, ColumnName::parse(&name.value));
            Some((column?, pointer(builder, text)?))
        })
        .collect();
    let next_pointer = file.next.as_ref().map(|text| pointer(builder, text));
    if let (Some(text), None) = (&file.next_param, &file.next) {
        builder.problem(&text.span, "`next_param` without `next` has nothing to send", "add `next = \"/offset\"`");
    }
    let parameter = file.next_param.as_ref().and_then(|text| builder.text(text));
    let ca = file.ca.as_ref().map(|text| builder.pem(text));
    parsed.filter(|_| !is_open)?;
    Some(WebSource {
        url: Secret::new(url.to_owned()),
        format: lift(format)?,
        headers: headers.into_iter().collect::<Option<_>>()?,
        rows: lift(rows)?.unwrap_or_default(),
        fields: fields.into_iter().collect::<Option<_>>()?,
        next: lift(next_pointer)?.map(|pointer| NextPage { pointer, parameter }),
        ca: lift(ca)?,
    })
}

/// A JSON pointer (RFC 6901): empty, or parts that each begin with a slash.
fn pointer(builder: &mut Builder<'_>, text: &Text) -> Option<String> {
    let is_escaped = |text: &str| {
        let parts: Vec<&str> = text.split('~').skip(1).collect();
        parts.iter().all(|part| part.starts_with(['0', '1']))
    };
    let pointer = &text.value;
    if (pointer.is_empty() || pointer.starts_with('/')) && is_escaped(pointer) {
        return Some(pointer.clone());
    }
    let what = format!("`{pointer}` is no JSON pointer");
    builder.problem(&text.span, what, "write \"/records\" or \"/data/rows\" (RFC 6901)");
    None
}
