//! Domains as tables name them: for whom, and with which face. What of that may serve is decided from the claims that the store
//! keeps (`domains::claims`).

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::domains::Owner;
use crate::pages::Brand;
use crate::types::{AppName, HostName};

/// One domain, as a table names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nominee {
    /// The domain.
    pub host: HostName,
    /// For whom.
    pub owner: Arc<Owner>,
    /// How it presents itself; the same one for all that look alike.
    pub face: Arc<Face>,
}

/// How a domain presents itself: as pages need it, and as text to be kept.
#[derive(Debug)]
pub struct Face {
    /// For pages.
    pub brand: Arc<Brand>,
    /// For the store: what the table's columns said. Never empty.
    pub text: Arc<str>,
}

impl PartialEq for Face {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && (Arc::ptr_eq(&self.brand, &other.brand) || self.brand == other.brand)
    }
}

// A brand has nothing that differs from itself.
impl Eq for Face {}

/// What all tables of domains say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Named {
    /// Every domain, in the order of host names. One that is named for several has an entry for each.
    pub nominees: Vec<Nominee>,
    /// How many rows of each app's tables are of no use.
    pub refused_rows: BTreeMap<AppName, u64>,
}

/// The place where what the tables say now lies.
#[derive(Debug)]
pub struct Nominations(watch::Sender<Option<Arc<Named>>>);

impl Default for Nominations {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Nominations {
    /// Tells what the tables say now; those who listen hear of it if that is something else than before.
    pub fn publish(&self, named: Named) {
        self.0.send_if_modified(|latest| {
            let is_new = latest.as_deref() != Some(&named);
            if is_new {
                *latest = Some(Arc::new(named));
            }
            is_new
        });
    }

    /// What the tables say, once somebody has read them.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Named>> {
        self.0.borrow().clone()
    }

    /// Tells of each change after this call.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Option<Arc<Named>>> {
        self.0.subscribe()
    }
}
