//! Domains as people ask about them: which there are, whose, and what each still lacks.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::certificates::CertificateName;
use super::onboarding::Wish;
use super::ports::StoreError;
use crate::types::{AppName, CustomerId, HostName};

/// How far a name is on its way to a certificate.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is new, and its turn comes.
    Pending,
    /// Something has to be done outside before anything can be ordered: see the sentence.
    Missing,
    /// It has a certificate.
    Issued,
    /// It has a certificate, and the next one is under way.
    Renewing,
    /// The last order failed; it has a certificate that still serves.
    Failing,
    /// The last order failed, it has none, and the next try waits.
    BackingOff,
}

impl Phase {
    /// All of them, for metrics.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Missing, Self::Issued, Self::Renewing, Self::Failing, Self::BackingOff];

    /// The name in metrics, the API and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Missing => "missing",
            Self::Issued => "issued",
            Self::Renewing => "renewing",
            Self::Failing => "failing",
            Self::BackingOff => "backing-off",
        }
    }
}

/// What is kept of a name's way to a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Progress {
    /// How far it is.
    pub phase: Phase,
    /// What is wrong, by a name for metrics and programs: `does-not-resolve`, `elsewhere`, `caa`, ….
    pub problem: Option<String>,
    /// What whoever keeps its DNS has to do, in one or two sentences.
    pub sentence: Option<String>,
    /// Since when it is in this phase.
    pub since: Timestamp,
    /// Orders that failed since the last that did not.
    pub failures: u32,
    /// When it is looked at again.
    pub next_try: Option<Timestamp>,
}

/// A domain that a table or the config named, and whose it was proven to be. There may be very many, so what several have in common
/// is there once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The domain.
    pub host: HostName,
    /// Who has it: as the table, or the config, said last.
    pub owner: Arc<Owner>,
    /// How it presents itself, as the table said last; the room that reads tables knows the form. Empty for a domain that the
    /// config names.
    pub brand: Arc<str>,
    /// Whose it was proven to be, and since when.
    pub proven: Option<(Arc<Owner>, Timestamp)>,
    /// Since when the table does not name it any more.
    pub left: Option<Timestamp>,
}

impl Claim {
    /// Whether it is proven for whom it is named now: one that is not serves nobody.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proven.as_ref().is_some_and(|(owner, _)| *owner == self.owner)
    }
}

/// For whom a domain serves.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Owner {
    /// The app.
    pub app: AppName,
    /// The customer it is pinned to; all of the app's, when `None`.
    pub customer: Option<CustomerId>,
}

/// Where that is kept. When a call returns `Ok`, its change is on disk.
#[async_trait]
pub trait DomainStore: Send + Sync {
    /// How far each name is. There may be very many.
    async fn progress(&self) -> Result<Vec<(CertificateName, Progress)>, StoreError>;
    /// Notes how far names are, all in one step.
    async fn put_progress(&self, progress: &[(CertificateName, Progress)]) -> Result<(), StoreError>;
    /// Forgets names.
    async fn forget_progress(&self, names: &[CertificateName]) -> Result<(), StoreError>;

    /// How far these names are, as far as they are known.
    async fn progress_of(&self, names: &[CertificateName]) -> Result<Vec<(CertificateName, Progress)>, StoreError>;
    /// Names of which it is kept how far they are, in a fixed order, from after one of them on, at most so many.
    async fn names_after(
        &self,
        last: Option<&CertificateName>,
        most: usize,
    ) -> Result<Vec<CertificateName>, StoreError>;

    /// Asks the running gateway for something.
    async fn ask_for(&self, name: &CertificateName, wish: Wish, now: Timestamp) -> Result<(), StoreError>;
    /// What is asked for and not answered yet, the oldest first, at most so many.
    async fn asked_for(&self, most: u32) -> Result<Vec<(CertificateName, Wish)>, StoreError>;
    /// Answers.
    async fn answer_wish(&self, name: &CertificateName, answer: &str) -> Result<(), StoreError>;
    /// Takes the answer to a wish; `None` as long as there is none.
    async fn take_answer(&self, name: &CertificateName) -> Result<Option<String>, StoreError>;
    /// Forgets what is asked for a name.
    async fn forget_wish(&self, name: &CertificateName) -> Result<(), StoreError>;
    /// Forgets wishes and answers that are older.
    async fn forget_wishes(&self, before: Timestamp) -> Result<(), StoreError>;

    /// Every domain that a table named.
    async fn claims(&self) -> Result<Vec<Claim>, StoreError>;
    /// Keeps claims, each in the place of the one its host had, all in one step.
    async fn put_claims(&self, claims: &[Claim]) -> Result<(), StoreError>;
    /// Forgets claims.
    async fn forget_claims(&self, hosts: &[HostName]) -> Result<(), StoreError>;

    /// Notes an operator's word that a domain may serve for somebody, in the place of any before.
    async fn approve(&self, host: &HostName, owner: &Owner) -> Result<(), StoreError>;
    /// What operators approved and nobody took up yet.
    async fn approvals(&self) -> Result<Vec<(HostName, Owner)>, StoreError>;
    /// Forgets what operators said of a domain for somebody.
    async fn forget_approval(&self, host: &HostName, owner: &Owner) -> Result<(), StoreError>;
}
