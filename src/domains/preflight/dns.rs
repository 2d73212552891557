//! What the DNS says of a name: its addresses, the aliases on the way, its CAA records.
//!
//! Nothing is cached: a record that was just mended counts at once.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

use crate::types::HostName;

/// How long a resolver has for one try.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Asks the DNS.
#[derive(Clone)]
pub(in crate::domains) struct Dns {
    resolver: TokioResolver,
}

/// Where a name leads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::domains) struct Addresses {
    /// Its addresses, IPv4 first; none where it has none.
    pub(in crate::domains) all: Vec<IpAddr>,
    /// The names it is an alias of, one after the other.
    pub(in crate::domains) aliases: Vec<String>,
}

/// A CAA record (RFC 8659, section 4.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::domains) struct CaaRecord {
    /// Whether who does not know the tag must not issue.
    pub(in crate::domains) critical: bool,
    /// What it is about, in lower case.
    pub(in crate::domains) tag: String,
    /// What it says.
    pub(in crate::domains) value: String,
}

/// The DNS gave no answer, neither yes nor no.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(in crate::domains) struct NoAnswer(pub(in crate::domains) String);

/// No resolver can be asked.
#[derive(Debug, thiserror::Error)]
#[error("the system's resolvers are not known: {0}\n  help: name some with `acme.dns`")]
pub struct NoResolver(String);

impl Dns {
    /// Asks these resolvers; the system's, when there are none.
    pub(in crate::domains) fn new(resolvers: &[SocketAddr]) -> Result<Self, NoResolver> {
        let mut builder = if resolvers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| NoResolver(error.to_string()))?
        } else {
            let servers = resolvers.iter().map(|address| {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                server.connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].into();
                for connection in &mut server.connections {
                    connection.port = address.port();
                }
                server
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
            // What the world sees is asked for, and the world does not read our hosts file.
            builder.options_mut().use_hosts_file = ResolveHosts::Never;
            builder
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = TIMEOUT;
        options.attempts = 2;
        // Looks run side by side, and the default is reached by a few of them.
        options.max_active_requests = 512;
        let resolver = builder.build().map_err(|error| NoResolver(error.to_string()))?;
        Ok(Self { resolver })
    }

    /// Where a name leads.
    pub(in crate::domains) async fn addresses(&self, host: &HostName) -> Result<Addresses, NoAnswer> {
        let (four, six) = futures_util::join!(
            self.lookup(host.as_str(), RecordType::A),
            self.lookup(host.as_str(), RecordType::AAAA),
        );
        let mut found = Addresses::default();
        let mut records = four?;
        records.extend(six?);
        if records.is_empty() {
            // An alias of a name without an address counts as no answer, and still it is what somebody has to mend.
            records = self.lookup(host.as_str(), RecordType::CNAME).await?;
        }
        for record in &records {
            let address = match &record.data {
                RData::A(address) => IpAddr::V4(address.0),
                RData::AAAA(address) => IpAddr::V6(address.0),
                RData::CNAME(alias) => {
                    let alias = alias.0.to_ascii();
                    let alias = alias.trim_end_matches('.').to_ascii_lowercase();
                    if !found.aliases.contains(&alias) {
                        found.aliases.push(alias);
                    }
                    continue;
                }
                _ => continue,
            };
            if !found.all.contains(&address) {
                found.all.push(address);
            }
        }
        Ok(found)
    }

    /// The CAA records at a name itself, or at what it is an alias of.
    pub(in crate::domains) async fn caa(&self, name: &str) -> Result<Vec<CaaRecord>, NoAnswer> {
        let records = self.lookup(name, RecordType::CAA).await?;
        let read = records.into_iter().filter_map(|record| match record.data {
            RData::CAA(caa) => Some(CaaRecord {
                critical: caa.issuer_critical,
                tag: caa.tag.to_ascii_lowercase(),
                value: String::from_utf8_lossy(&caa.value).into_owned(),
            }),
            _ => None,
        });
        Ok(read.collect())
    }

    /// The records of one type, and the aliases on the way; none where the DNS says that there are none.
    async fn lookup(&self, name: &str, kind: RecordType) -> Result<Vec<Record>, NoAnswer> {
        match self.resolver.lookup(format!("{name}."), kind).await {
            Ok(found) => Ok(found.answers().to_vec()),
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain) =>
            {
                Ok(Vec::new())
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => Err(NoAnswer(none.response_code.to_string())),
            Err(NetError::Dns(DnsError::ResponseCode(code))) => Err(NoAnswer(code.to_string())),
            Err(NetError::Timeout) => Err(NoAnswer("no answer in time".to_owned())),
            Err(error) => Err(NoAnswer(error.to_string())),
        }
    }
}
