//! Puts the proof where the authority looks for it, and takes it away again.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::KeyAuthorization;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;

use super::error::OrderError;
use super::hook::{self, Action};
use super::{Authority, Settings};
use crate::config::{Challenge, DnsHook};
use crate::state::certificates::CertificateName;
use crate::state::challenges::Published;
use crate::types::HostName;

/// A proof that the authority can find. It goes when this does; `withdraw` waits until it is gone.
pub(super) enum Answer {
    /// Our listeners give it.
    Here(#[expect(dead_code, reason = "holds the answer up")] Published),
    /// A TXT record does.
    Record(Record),
}

/// A TXT record that the hook has set, or has begun to.
pub(super) struct Record {
    hook: Option<DnsHook>,
    name: String,
    value: String,
    limit: Duration,
}

/// The host of a name: for a wildcard, what stands below it.
pub(super) fn host_of(name: &CertificateName) -> &HostName {
    match name {
        CertificateName::Exact(host) | CertificateName::Wildcard(host) => host,
    }
}

impl Authority {
    /// Puts the proof up.
    pub(super) async fn answer(
        &self,
        settings: &Settings,
        challenge: Challenge,
        host: &HostName,
        token: &str,
        authorization: &KeyAuthorization,
    ) -> Result<Answer, OrderError> {
        match challenge {
            Challenge::Http01 => {
                let published = self.challenges.publish_http(host.clone(), token.to_owned(), authorization.as_str());
                Ok(Answer::Here(published))
            }
            Challenge::TlsAlpn01 => {
                let key = challenge_certificate(host, authorization).map_err(OrderError::Key)?;
                Ok(Answer::Here(self.challenges.publish_tls_alpn(host.clone(), Arc::new(key))))
            }
            Challenge::Dns01 => {
                let Some(hook) = settings.acme.dns_hook.clone() else {
                    return Err(OrderError::NoChallenge { offered: challenge.name().to_owned(), wildcard: true });
                };
                set_record(settings, hook, format!("_acme-challenge.{host}"), authorization.dns_value()).await
            }
        }
    }
}

async fn set_record(settings: &Settings, hook: DnsHook, name: String, value: String) -> Result<Answer, OrderError> {
    let patience = &settings.patience;
    let record = Record { hook: Some(hook), name, value, limit: patience.hook };
    let (name, value) = (&record.name, &record.value);
    let Some(hook) = &record.hook else { return Ok(Answer::Record(record)) };
    let mut result = hook::run(hook, Action::Present, name, value, record.limit)
        .await
        .map_err(|error| OrderError::Hook { name: name.clone(), error });
    if result.is_ok() {
        let seen = settings.seen.wait(name, value, patience.record).await;
        let not_seen = |resolver| OrderError::RecordNotSeen { name: name.clone(), resolver, waited: patience.record };
        result = seen.map_err(not_seen);
    }
    match result {
        Ok(()) => Ok(Answer::Record(record)),
        Err(error) => {
            // One that failed may have set it all the same.
            record.remove().await;
            Err(error)
        }
    }
}

impl Answer {
    /// Takes the proof away.
    pub(super) async fn withdraw(self) {
        if let Self::Record(record) = self {
            record.remove().await;
        }
    }
}

impl Record {
    async fn remove(mut self) {
        let Some(hook) = self.hook.take() else { return };
        remove(hook, std::mem::take(&mut self.name), std::mem::take(&mut self.value), self.limit).await;
    }
}

impl Drop for Record {
    /// An order that is given up in the middle leaves no record behind either.
    fn drop(&mut self) {
        if let (Some(hook), Ok(runtime)) = (self.hook.take(), tokio::runtime::Handle::try_current()) {
            let (name, value) = (std::mem::take(&mut self.name), std::mem::take(&mut self.value));
            runtime.spawn(remove(hook, name, value, self.limit));
        }
    }
}

async fn remove(hook: DnsHook, name: String, value: String, limit: Duration) {
    if let Err(error) = hook::run(&hook, Action::Cleanup, &name, &value, limit).await {
        // It proves nothing any more, so it harms nobody but order.
        tracing::warn!(%error, record = name, "a TXT record could not be removed");
    }
}

/// RFC 8737, section 3: self-signed, for this one name, with the digest in a critical extension.
fn challenge_certificate(host: &HostName, authorization: &KeyAuthorization) -> Result<CertifiedKey, String> {
    let mut params = CertificateParams::new(vec![host.as_str().to_owned()]).map_err(|error| error.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(authorization.digest().as_ref())];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| error.to_string())?;
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    let key = any_ecdsa_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into())).map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}
