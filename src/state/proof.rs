//! Proof that a domain may serve for somebody else than before, and the domains that wait for it.
//!
//! The value that has to stand in DNS is bound to the domain, the app and the customer, with a key that never leaves the store:
//! nobody can set up another's, and a value that was good for one customer is none for the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::{constant_time, hmac};
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;

use super::domains::Owner;
use super::ports::{Store, StoreError};
use crate::types::{CustomerId, HostName};

/// Makes the values of proofs.
pub struct ProofKey(hmac::Key);

impl ProofKey {
    /// The name of the key among the store's secrets.
    const SECRET: &str = "domain-proof";

    /// The key of this store; made when it is asked for first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(store: &(impl Store + ?Sized)) -> Result<Self, StoreError> {
        let make = || crate::session::Token::generate().bytes().to_vec();
        Ok(Self::new(&store.secret(Self::SECRET, make).await?))
    }

    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// What has to stand in DNS.
    #[must_use]
    pub fn proof(&self, host: &HostName, owner: &Owner) -> Proof {
        // None of these holds a line break, and no customer is empty.
        let customer = owner.customer.as_ref().map_or("", CustomerId::as_str);
        let text = format!("domain proof\n{host}\n{}\n{customer}", owner.app);
        let tag = hmac::sign(&self.0, text.as_bytes());
        Proof { record: format!("_access-challenge.{host}"), value: BASE64URL_NOPAD.encode(tag.as_ref()) }
    }
}

/// A TXT record that proves a domain for an owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof {
    /// The name of the record.
    pub record: String,
    /// Its text.
    pub value: String,
}

impl Proof {
    /// Whether a text found at the record's name is this proof.
    #[must_use]
    pub fn is(&self, found: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(found.trim_ascii(), self.value.as_bytes()).is_ok()
    }

    /// What whoever keeps the domain's DNS can do, in a sentence.
    #[must_use]
    pub fn sentence(&self, host: &HostName) -> String {
        format!(
            "{host} served for somebody else before. Please set in the DNS:\n{}. TXT \"{}\"\nOr ask the operator of this service to approve it.",
            self.record, self.value
        )
    }
}

/// A domain that a table names and that may not serve yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// For whom it waits.
    pub owner: Owner,
    /// Whose it was proven to be.
    pub proven: Option<Owner>,
    /// Why it waits.
    pub cause: WaitingFor,
    /// What there is to do, for people.
    pub sentence: String,
    /// Since when.
    pub since: Timestamp,
}

/// Why a domain waits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WaitingFor {
    /// It was proven for somebody else: it waits for this record, or for an operator's word.
    Proof(Proof),
    /// Several rows name it for different owners, and it was proven for none of them.
    OneOwner,
}

/// The name of what is wrong with a domain that waits for a proof.
pub const UNPROVEN: &str = "unproven";

impl WaitingFor {
    /// The name in metrics, the API and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Proof(_) => UNPROVEN,
            Self::OneOwner => "ambiguous",
        }
    }
}

/// The domains that wait, for whoever tells of them.
#[derive(Debug, Default)]
pub struct WaitingRoom(ArcSwap<BTreeMap<HostName, Waiting>>);

impl WaitingRoom {
    /// Who waits now.
    #[must_use]
    pub fn all(&self) -> Arc<BTreeMap<HostName, Waiting>> {
        self.0.load_full()
    }

    /// Says who waits from now on.
    pub fn publish(&self, waiting: BTreeMap<HostName, Waiting>) {
        self.0.store(Arc::new(waiting));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::AppName;

    fn owner(app: &str, customer: Option<&str>) -> Owner {
        let customer = customer.map(|id| CustomerId::parse(id).expect("a customer"));
        Owner { app: AppName::parse(app).expect("an app"), customer }
    }

    #[test]
    fn attack_29_a_proof_is_good_for_one_domain_and_one_customer_of_one_gateway() {
        let host = |text| HostName::parse(text).expect("a host");
        let key = ProofKey::new(&[1; 32]);
        let proof = key.proof(&host("shop.test"), &owner("a", Some("7")));
        assert_eq!(proof.record, "_access-challenge.shop.test");
        assert!(proof.is(proof.value.as_bytes()) && proof.is(format!(" {}\n", proof.value).as_bytes()));
        assert!(!proof.is(b"") && !proof.is(&proof.value.as_bytes()[1..]));
        for other in [
            key.proof(&host("shop2.test"), &owner("a", Some("7"))),
            key.proof(&host("shop.test"), &owner("b", Some("7"))),
            key.proof(&host("shop.test"), &owner("a", Some("8"))),
            key.proof(&host("shop.test"), &owner("a", None)),
            ProofKey::new(&[2; 32]).proof(&host("shop.test"), &owner("a", Some("7"))),
        ] {
            assert!(!proof.is(other.value.as_bytes()), "{other:?}");
        }
    }
}
