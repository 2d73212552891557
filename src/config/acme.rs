//! `[acme]`: who signs the certificates that the gateway orders for its domains, and how it proves that they are its own.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use schemars::JsonSchema;

use super::builder::{Builder, lift};
use super::either::SecretFile;
use super::error::Problem;
use super::file::{At, ConfigFile, Text};
use super::nearest::did_you_mean;
use crate::types::{Email, HostName};

/// Let's Encrypt, for everybody to use.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Below what Let's Encrypt lets one account order: 300 in three hours.
const ORDERS_PER_HOUR: u32 = 80;

/// Below what Let's Encrypt issues under one registered domain: 50 in a week.
const ORDERS_PER_PARENT: u32 = 40;

/// Certificates that the gateway orders for its domains (ACME, RFC 8555). Whoever writes this table agrees to the authority's terms of service.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcmeFile {
    /// The authority's directory; Let's Encrypt's, when left out.
    pub(super) directory: Option<Text>,
    /// The address that the authority may write to.
    pub(super) contact: Option<Text>,
    /// What ties our account to one that we have with the authority already (external account binding).
    pub(super) eab: Option<EabFile>,
    /// PEM file of the CA of the directory's own certificate, where it is a private one.
    pub(super) ca: Option<Text>,
    /// How domains are proven, the first first: "http-01", "tls-alpn-01", "dns-01".
    pub(super) challenges: Option<Vec<Text>>,
    /// A program and its arguments that sets and removes TXT records, for wildcards and "dns-01".
    #[serde(default)]
    pub(super) dns_hook: Vec<Text>,
    /// Wildcards to order, such as "*.customers.example.com". Domains that one covers get no certificate of their own.
    #[serde(default)]
    pub(super) wildcards: Vec<Text>,
    /// Address and port of the resolvers that are asked what the world sees; the system's, when left out.
    #[serde(default)]
    pub(super) dns: Vec<Text>,
    /// The name that domains are to point to, such as "edge.example.com": what their DNS administrators are told.
    pub(super) target: Option<Text>,
    /// Whether we come to ourselves over a domain's public name before anything is ordered; false where this machine cannot
    /// reach its own public address. On, when left out.
    pub(super) check_reach: Option<bool>,
    /// Orders in an hour, all domains together: 80, when left out.
    pub(super) orders_per_hour: Option<At<u32>>,
    /// First orders in a week under one registered domain: 40 at Let's Encrypt and any number elsewhere, when left out.
    pub(super) orders_per_parent: Option<At<u32>>,
}

/// An external account binding.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EabFile {
    /// The key's id.
    pub(super) kid: Text,
    /// The key, in base64url.
    pub(super) key: At<SecretFile>,
}

/// `[acme]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Acme {
    /// The authority's directory.
    pub directory: String,
    /// The address that the authority may write to.
    pub contact: Option<Email>,
    /// What ties our account to one that we have with the authority already.
    pub eab: Option<Eab>,
    /// The CA of the directory's own certificate, where it is a private one.
    pub ca: Option<PathBuf>,
    /// How domains are proven, the first first; never empty.
    pub challenges: Vec<Challenge>,
    /// The program that sets and removes TXT records.
    pub dns_hook: Option<DnsHook>,
    /// The names below which one wildcard serves: `customers.example.com` for `*.customers.example.com`.
    pub wildcards: Vec<HostName>,
    /// The resolvers that are asked what the world sees; the system's, when empty.
    pub resolvers: Vec<SocketAddr>,
    /// The name that domains are to point to.
    pub target: Option<HostName>,
    /// Whether we come to ourselves over a domain's public name before anything is ordered.
    pub check_reach: bool,
    /// Orders in an hour, all domains together.
    pub orders_per_hour: u32,
    /// First orders in a week under one registered domain; any number, when `None`.
    pub orders_per_parent: Option<u32>,
}

/// An external account binding (RFC 8555, section 7.3.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Eab {
    /// The key's id.
    pub kid: String,
    /// The key.
    pub key: MacKey,
}

/// The key of an external account binding.
#[derive(Clone, Eq, PartialEq)]
pub struct MacKey(Vec<u8>);

/// How a domain is proven to be ours.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Challenge {
    /// By a file over plain HTTP (RFC 8555, section 8.3).
    Http01,
    /// By a certificate in a TLS handshake (RFC 8737).
    TlsAlpn01,
    /// By a TXT record (RFC 8555, section 8.4).
    Dns01,
}

/// A program that sets and removes TXT records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DnsHook {
    /// The program.
    pub program: PathBuf,
    /// What stands before our own arguments.
    pub arguments: Vec<String>,
}

impl MacKey {
    /// Reads a key as authorities hand them out: base64url, some with padding, some in the ordinary alphabet.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('=').as_bytes();
        let decoded = BASE64URL_NOPAD.decode(text).or_else(|_| BASE64_NOPAD.decode(text)).ok()?;
        (!decoded.is_empty()).then_some(Self(decoded))
    }

    /// The key's bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MacKey")
    }
}

impl Challenge {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Http01, Self::TlsAlpn01, Self::Dns01];

    /// Its name in the standards, the config and the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }
}

impl Acme {
    /// The wildcard's parent, where one covers a host: it has exactly one label more (RFC 9525, section 6.3).
    #[must_use]
    pub fn wildcard_of(&self, host: &HostName) -> Option<&HostName> {
        let (_, parent) = host.as_str().split_once('.')?;
        self.wildcards.iter().find(|wildcard| wildcard.as_str() == parent)
    }
}

/// `[acme]`, where it is there and right.
pub(super) fn build(builder: &mut Builder<'_>, file: &ConfigFile) -> Option<Option<Acme>> {
    file.acme.as_ref().map_or(Some(None), |acme| acme_of(builder, acme, file).map(Some))
}

fn acme_of(builder: &mut Builder<'_>, acme: &At<AcmeFile>, file: &ConfigFile) -> Option<Acme> {
    let At { value: acme, span } = acme;
    let directory = match &acme.directory {
        Some(text) => directory(builder, text),
        None => Some(LETS_ENCRYPT.to_owned()),
    };
    let contact = acme.contact.as_ref().map(|text| {
        let filled = builder.text(text)?;
        let help = "write one address such as \"certificates@example.com\"";
        let parsed = Email::parse(&filled).map_err(|error| Problem::new(error.to_string(), help));
        builder.keep(&text.span, parsed)
    });
    let eab = acme.eab.as_ref().map(|eab| binding(builder, eab));
    let ca = acme.ca.as_ref().map(|text| builder.pem(text));
    let challenges = challenges(builder, acme, span, file);
    let dns_hook = hook(builder, &acme.dns_hook);
    let wildcards: Vec<Option<HostName>> = acme.wildcards.iter().map(|text| wildcard(builder, text)).collect();
    let resolvers: Vec<Option<SocketAddr>> = acme.dns.iter().map(|text| resolver(builder, text)).collect();

    let target = acme.target.as_ref().map(|text| {
        let filled = builder.text(text)?;
        let problem =
            |_| Problem::new(format!("`{filled}` is not a host name"), "write a name such as \"edge.example.com\"");
        builder.keep(&text.span, HostName::parse(&filled).map_err(problem))
    });
    let most = |builder: &mut Builder<'_>, number: &Option<At<u32>>| {
        let zero = number.as_ref().filter(|number| number.value == 0);
        if let Some(zero) = zero {
            builder.problem(&zero.span, "with 0 nothing is ever ordered", "write at least 1");
        }
        number.as_ref().map(|number| number.value)
    };
    let orders_per_hour = most(builder, &acme.orders_per_hour).unwrap_or(ORDERS_PER_HOUR);
    let of_lets_encrypt = directory.as_ref().is_some_and(|directory| directory.contains(".letsencrypt.org/"));
    let orders_per_parent = most(builder, &acme.orders_per_parent).or(of_lets_encrypt.then_some(ORDERS_PER_PARENT));

    let by_dns = challenges.as_ref().is_some_and(|challenges| challenges.contains(&Challenge::Dns01));
    match acme.dns_hook.first() {
        None if !acme.wildcards.is_empty() || by_dns => builder.problem(
            acme.wildcards.first().map_or(span, |text| &text.span),
            "nothing sets the TXT records that a wildcard or `dns-01` is proven by",
            "add `dns_hook = [\"/path/to/program\"]`; docs/domains.md shows two",
        ),
        Some(text) if acme.wildcards.is_empty() && !by_dns => builder.problem(
            &text.span,
            "`dns_hook` is never run",
            "add `wildcards = [\"*.customers.example.com\"]`, or \"dns-01\" to `challenges`, or remove it",
        ),
        _ => {}
    }
    Some(Acme {
        directory: directory?,
        contact: lift(contact)?,
        eab: lift(eab)?,
        ca: lift(ca)?,
        challenges: challenges?,
        dns_hook: dns_hook?,
        wildcards: wildcards.into_iter().collect::<Option<_>>()?,
        resolvers: resolvers.into_iter().collect::<Option<_>>()?,
        target: lift(target)?,
        check_reach: acme.check_reach.unwrap_or(true),
        orders_per_hour,
        orders_per_parent,
    })
}

/// RFC 8555, section 6.1: ACME is spoken over https alone.
fn directory(builder: &mut Builder<'_>, text: &Text) -> Option<String> {
    let filled = builder.text(text)?;
    let uri = filled.parse::<http::Uri>().ok();
    let is_right = uri.is_some_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
    if !is_right || filled.contains(['#', '@', ' ']) {
        let help = "write its https:// address, such as the one for trials: \"https://acme-staging-v02.api.letsencrypt.org/directory\"";
        builder.problem(&text.span, format!("`{filled}` is not an authority's directory"), help);
        return None;
    }
    Some(filled)
}

fn binding(builder: &mut Builder<'_>, eab: &EabFile) -> Option<Eab> {
    let kid = builder.text(&eab.kid);
    if kid.as_ref().is_some_and(|kid| kid.trim().is_empty()) {
        builder.problem(&eab.kid.span, "the key's id is empty", "write the id that the authority gave you");
        return None;
    }
    let key = builder.secret(&eab.key).and_then(|text| {
        // The text is a secret, so no message shows it.
        let problem =
            || Problem::new("the key is not base64url", "write the HMAC key just as the authority gave it to you");
        builder.keep(&eab.key.span, MacKey::parse(&text).ok_or_else(problem))
    });
    Some(Eab { kid: kid?, key: key? })
}

fn challenges(
    builder: &mut Builder<'_>,
    acme: &AcmeFile,
    span: &Range<usize>,
    file: &ConfigFile,
) -> Option<Vec<Challenge>> {
    let Some(texts) = &acme.challenges else {
        let by_http = file.server.http.as_ref().map(|_| Challenge::Http01);
        return Some(by_http.into_iter().chain([Challenge::TlsAlpn01]).collect());
    };
    let mut challenges = Vec::new();
    for text in texts {
        let Some(challenge) = Challenge::ALL.into_iter().find(|challenge| challenge.name() == text.value) else {
            let names = Challenge::ALL.map(Challenge::name);
            let help = did_you_mean(&text.value, names, "there are \"http-01\", \"tls-alpn-01\" and \"dns-01\"");
            builder.problem(&text.span, format!("there is no challenge `{}`", text.value), help);
            return None;
        };
        if challenges.contains(&challenge) {
            builder.problem(&text.span, format!("`{}` stands twice", text.value), "keep one of the two");
        }
        if challenge == Challenge::Http01 && file.server.http.is_none() {
            let help = "set `server.http`, which the world must reach on port 80, or leave \"http-01\" out";
            builder.problem(&text.span, "nothing here answers `http-01`", help);
        }
        challenges.push(challenge);
    }
    if challenges.is_empty() {
        builder.problem(span, "`challenges` is empty", "leave it out, or name at least one");
        return None;
    }
    Some(challenges)
}

fn hook(builder: &mut Builder<'_>, texts: &[Text]) -> Option<Option<DnsHook>> {
    let Some((program, arguments)) = texts.split_first() else { return Some(None) };
    let path = builder.path(program);
    if let Some(path) = path.as_ref().filter(|path| !path.is_file()) {
        let what = format!("the program `{}` is not there", path.display());
        builder.problem(
            &program.span,
            what,
            "name the program's file, relative to this file; it is run without a shell",
        );
        return None;
    }
    let arguments: Vec<Option<String>> = arguments.iter().map(|text| builder.text(text)).collect();
    Some(Some(DnsHook { program: path?, arguments: arguments.into_iter().collect::<Option<_>>()? }))
}

fn wildcard(builder: &mut Builder<'_>, text: &Text) -> Option<HostName> {
    let filled = builder.text(text)?;
    let parent = filled.strip_prefix("*.").and_then(|parent| HostName::parse(parent).ok());
    let problem = || {
        let what = format!("`{filled}` is not a wildcard");
        Problem::new(what, "write \"*.\" and a name, such as \"*.customers.example.com\"")
    };
    builder.keep(&text.span, parent.ok_or_else(problem))
}

fn resolver(builder: &mut Builder<'_>, text: &Text) -> Option<SocketAddr> {
    const PORT: u16 = 53;
    let filled = builder.text(text)?;
    let alone = filled.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
    let parsed = alone.or_else(|_| filled.parse::<SocketAddr>());
    let help = "write an IP address, with a port where it is not 53, such as \"127.0.0.1:5353\"";
    builder.keep(&text.span, parsed.map_err(|_| Problem::new(format!("`{filled}` is not a resolver's address"), help)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_key_is_read_as_authorities_hand_it_out() {
        let bytes = |text: &str| MacKey::parse(text).map(|key| key.expose().to_vec());
        assert_eq!(bytes("-_-_"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(bytes("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(bytes(" YQ== "), Some(b"a".to_vec()));
        for wrong in ["", "=", "a b", "Ä", "A"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{:?}", MacKey::parse("YQ")), "Some(MacKey)");
    }
}
