//! Waits until the world sees a TXT record: an authority that looks too early says no, and remembers it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

/// Between two questions. The first is not asked at once, for a resolver keeps the news that there is nothing.
const BETWEEN: Duration = Duration::from_secs(2);
const FIRST: Duration = Duration::from_millis(200);

/// The resolvers that stand for the world.
pub(super) struct Seen {
    resolvers: Vec<(String, TokioResolver)>,
}

impl Seen {
    /// These resolvers, each asked for itself; the system's, when there are none.
    pub(super) fn new(addresses: &[SocketAddr]) -> Result<Self, String> {
        let build = |builder: Result<hickory_resolver::ResolverBuilder<TokioRuntimeProvider>, _>| {
            let mut builder = builder.map_err(|error: hickory_resolver::net::NetError| error.to_string())?;
            let options = builder.options_mut();
            // Every question is asked anew.
            options.cache_size = 0;
            options.timeout = BETWEEN;
            options.attempts = 1;
            builder.build().map_err(|error| error.to_string())
        };
        if addresses.is_empty() {
            let system = build(TokioResolver::builder_tokio())?;
            return Ok(Self { resolvers: vec![("the system's resolver".to_owned(), system)] });
        }
        let one = |address: &SocketAddr| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = address.port();
                connection
            });
            let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
            let config = ResolverConfig::from_name_servers(vec![server]);
            let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
            Ok((format!("the resolver {address}"), build(Ok(builder))?))
        };
        addresses.iter().map(one).collect::<Result<_, String>>().map(|resolvers| Self { resolvers })
    }

    /// Waits until every resolver sees the record; after a time, the one that does not.
    pub(super) async fn wait(&self, name: &str, value: &str, limit: Duration) -> Result<(), String> {
        let begun = Instant::now();
        tokio::time::sleep(FIRST).await;
        for (label, resolver) in &self.resolvers {
            while !sees(resolver, name, value).await {
                if begun.elapsed() > limit {
                    return Err(label.clone());
                }
                tokio::time::sleep(BETWEEN).await;
            }
        }
        Ok(())
    }
}

async fn sees(resolver: &TokioResolver, name: &str, value: &str) -> bool {
    let Ok(found) = resolver.txt_lookup(format!("{name}.")).await else { return false };
    found.answers().iter().any(|record| match &record.data {
        RData::TXT(text) => text.txt_data.concat() == value.as_bytes(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_resolver_that_does_not_see_the_record_is_named() {
        // Nobody answers there while this socket is held.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = silent.local_addr().expect("an address");
        let seen = Seen::new(&[address]).expect("a resolver");
        let waited = seen.wait("_acme-challenge.a.test", "value", Duration::from_millis(1)).await;
        assert_eq!(waited, Err(format!("the resolver {address}")));
    }
}
