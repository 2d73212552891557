//! Keys, requests and what an authority gave for them.

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::error::OrderError;
use crate::state::certificates::CertificateName;
use crate::types::Secret;

/// What the leaf of a chain says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Leaf {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// A new key: ECDSA with P-256, which every client takes and no handshake waits for.
pub(super) fn new_key() -> Result<Secret, OrderError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| OrderError::Key(error.to_string()))?;
    Ok(Secret::new(key.serialize_pem()))
}

/// The request to sign this key for this name.
pub(super) fn request(name: &CertificateName, key: &Secret) -> Result<Vec<u8>, OrderError> {
    let made = KeyPair::from_pem(key.expose()).and_then(|key| {
        let mut params = CertificateParams::new(vec![name.to_string()])?;
        // Names stand in the alternative names alone (RFC 9525, section 2).
        params.distinguished_name = DistinguishedName::new();
        params.serialize_request(&key)
    });
    made.map(|request| request.der().to_vec()).map_err(|error| OrderError::Key(error.to_string()))
}

/// The first certificate of a chain.
pub(super) fn first(chain: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(chain.as_bytes()).next()?.ok()
}

/// How far two clocks may be apart.
const MOST_SKEW: SignedDuration = SignedDuration::from_hours(1);

/// Whether a chain is what was asked for.
pub(super) fn check(chain: &str, name: &CertificateName, key: &Secret, now: Timestamp) -> Result<Leaf, &'static str> {
    let all: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let all = all.map_err(|_| "it is not PEM")?;
    let read: Result<Vec<X509Certificate<'_>>, _> =
        all.iter().map(|der| X509Certificate::from_der(der).map(|(_, certificate)| certificate)).collect();
    let read = read.map_err(|_| "it is no chain of certificates")?;
    let leaf = read.first().ok_or("it is empty")?;
    let alternatives = leaf.subject_alternative_name().map_err(|_| "its names cannot be read")?;
    let alternatives = alternatives.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let has_name = alternatives.iter().any(|alternative| match alternative {
        GeneralName::DNSName(text) => CertificateName::parse(text).as_ref() == Some(name),
        _ => false,
    });
    if !has_name {
        return Err("it is for other names");
    }
    let key = KeyPair::from_pem(key.expose()).map_err(|_| "our key for it is not readable")?;
    if leaf.public_key().raw != key.subject_public_key_info() {
        return Err("it is for another key");
    }
    if read.windows(2).any(|pair| matches!(pair, [one, next] if one.issuer() != next.subject())) {
        return Err("its chain does not hold together");
    }
    let time = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp());
    let not_before = time(leaf.validity().not_before).map_err(|_| "its times cannot be read")?;
    let not_after = time(leaf.validity().not_after).map_err(|_| "its times cannot be read")?;
    // Authorities date them back. One from a later time would take the place of one that still is good, and be good for nobody.
    if not_before > now + MOST_SKEW || not_before >= not_after {
        return Err("it is not valid yet; is this machine's clock right?");
    }
    if not_after <= now {
        return Err("it has ended already; is this machine's clock right?");
    }
    Ok(Leaf { not_before, not_after })
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, IsCa, Issuer};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// A chain for a name and a key, from 2026-01-01 to 2026-04-01.
    fn chain(name: &str, key: &Secret) -> String {
        let mut params = CertificateParams::new(vec![]).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "A CA");
        let ca_key = KeyPair::generate().expect("a key");
        let ca = params.self_signed(&ca_key).expect("a CA");
        let issuer = Issuer::new(params, ca_key);
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("params");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let key = KeyPair::from_pem(key.expose()).expect("a key");
        let leaf = params.signed_by(&key, &issuer).expect("a leaf");
        format!("{}{}", leaf.pem(), ca.pem())
    }

    #[test]
    fn a_chain_must_be_for_the_name_and_the_key_and_still_valid() {
        let name = CertificateName::parse("*.a.test").expect("a name");
        let key = new_key().expect("a key");
        let good = chain("*.a.test", &key);
        let now = at("2026-02-01T00:00:00Z");
        let told = |chain: &str, now| check(chain, &name, &key, now).map(|leaf| leaf.not_after);
        assert_eq!(told(&good, now), Ok(at("2026-04-01T00:00:00Z")));
        assert_eq!(
            told(&good, at("2026-04-01T00:00:00Z")),
            Err("it has ended already; is this machine's clock right?")
        );
        assert_eq!(told(&good, at("2025-12-31T23:30:00Z")), Ok(at("2026-04-01T00:00:00Z")));
        assert_eq!(told(&good, at("2025-12-31T12:00:00Z")), Err("it is not valid yet; is this machine's clock right?"));
        assert_eq!(told(&chain("x.a.test", &key), now), Err("it is for other names"));
        assert_eq!(told(&chain("*.a.test", &new_key().expect("a key")), now), Err("it is for another key"));
        assert_eq!(told(&format!("{good}{good}"), now), Err("its chain does not hold together"));
        assert_eq!(told("", now), Err("it is empty"));
        assert!(told(&good.replace("MII", "M!I"), now).is_err());
    }

    #[test]
    fn a_request_holds_the_name_and_nothing_of_a_subject() {
        let name = CertificateName::parse("*.a.test").expect("a name");
        let der = request(&name, &new_key().expect("a key")).expect("a request");
        let parsed = x509_parser::certification_request::X509CertificationRequest::from_der(&der).expect("a request").1;
        assert_eq!(parsed.certification_request_info.subject.iter().count(), 0);
        assert!(der.windows(8).any(|window| window == b"*.a.test"));
    }
}
