//! Asks DNS whether a proof stands where it should.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use crate::state::proof::Proof;

/// How long one question may take in all.
const MOST_TIME: Duration = Duration::from_secs(10);

/// Asks for TXT records.
pub(super) struct Txt(TokioResolver);

impl Txt {
    /// Asks these resolvers; the system's, when there are none.
    pub(super) fn new(resolvers: &[SocketAddr]) -> Result<Self, NetError> {
        let mut builder = if resolvers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = resolvers.iter().map(|address| {
                let at_port = |mut connection: ConnectionConfig| {
                    connection.port = address.port();
                    connection
                };
                let connections = vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())];
                NameServerConfig::new(address.ip(), true, connections)
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        // Whoever has just set a record should not wait for an answer that was kept.
        builder.options_mut().cache_size = 0;
        Ok(Self(builder.build()?))
    }

    /// Whether the proof is there now. No answer is no proof.
    pub(super) async fn finds(&self, proof: &Proof) -> bool {
        // With a full stop at its end it is asked for as it is, and not within the system's own domains.
        let question = self.0.txt_lookup(format!("{}.", proof.record));
        let answer = match tokio::time::timeout(MOST_TIME, question).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(record = %proof.record, %error, "no proof there");
                return false;
            }
            Err(_) => {
                tracing::debug!(record = %proof.record, "no answer in time");
                return false;
            }
        };
        answer.answers().iter().any(|record| match &record.data {
            RData::TXT(text) => proof.is(&text.txt_data.concat()),
            _ => false,
        })
    }
}
