//! Who sends mail: the server of `[mail]`, as the config in force has it.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::ServerError;
use crate::config::Config;
use crate::mail::smtp::{MailSettings, SmtpMailer};
use crate::state::clock::Clock;
use crate::state::ports::{MailError, Mailer, OutgoingMail};

/// The mailer in force. A mail that is on its way is sent by the one that began.
pub(super) struct CurrentMailer(ArcSwap<Arc<dyn Mailer>>);

impl CurrentMailer {
    pub(super) fn new(mailer: Arc<dyn Mailer>) -> Self {
        Self(ArcSwap::from_pointee(mailer))
    }

    /// Puts another in force.
    pub(super) fn apply(&self, mailer: Arc<dyn Mailer>) {
        self.0.store(Arc::new(mailer));
    }
}

#[async_trait::async_trait]
impl Mailer for CurrentMailer {
    async fn send(&self, mail: &OutgoingMail) -> Result<(), MailError> {
        let mailer = Arc::clone(&self.0.load());
        mailer.send(mail).await
    }
}

/// The mailer of a config.
pub(super) fn prepare(config: &Config, clock: Clock) -> Result<Arc<dyn Mailer>, ServerError> {
    Ok(match &config.mail {
        Some(mail) => {
            let settings = MailSettings { server: mail.smtp.clone(), from: mail.from.clone(), ca: mail.ca.clone() };
            Arc::new(SmtpMailer::new(&settings, clock)?)
        }
        None => Arc::new(NoMail),
    })
}

/// A config without apps has nobody to write to.
struct NoMail;

#[async_trait::async_trait]
impl Mailer for NoMail {
    async fn send(&self, _: &OutgoingMail) -> Result<(), MailError> {
        Err(MailError::Permanent("there is no [mail]".to_owned()))
    }
}
