//! How the gateway takes its leave of the connections that are open.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// What listeners need to know of a stop, besides that it has begun.
#[derive(Debug, Default)]
pub struct Drain {
    patient: AtomicBool,
    over: CancellationToken,
}

impl Drain {
    /// Somebody else takes the new connections, so nobody is turned away: idle ones may send one more request. To be said before
    /// the stop begins.
    pub fn be_patient(&self) {
        self.patient.store(true, Ordering::Release);
    }

    /// Whether idle connections may send one more request.
    #[must_use]
    pub fn is_patient(&self) -> bool {
        self.patient.load(Ordering::Acquire)
    }

    /// The time is over, whatever was granted.
    pub fn hurry(&self) {
        self.over.cancel();
    }

    /// Resolves when the time is over.
    pub async fn hurried(&self) {
        self.over.cancelled().await;
    }

    /// Whether the time is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }
}
