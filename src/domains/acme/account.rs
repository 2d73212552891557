//! Our account at the authority: made once, kept sealed, made anew when its authority does not know it any more.

use std::time::{Duration, Instant};

use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use serde::{Deserialize, Serialize};

use super::error::{OrderError, Trouble};
use super::order::Halt;
use super::{About, Authority, Settings};
use crate::types::Secret;

/// How long a directory is taken to be what it was: an authority may move its parts.
const DIRECTORY_LASTS: Duration = Duration::from_secs(3600);

/// An account in use.
pub(super) struct Session {
    account: Account,
    opened: Instant,
    about: About,
    /// Whether this process made it: then the authority's "no" to it is not because it is old.
    pub(super) is_new: bool,
}

/// An account as it is kept.
#[derive(Deserialize, Serialize)]
struct Kept {
    credentials: AccountCredentials,
    /// What the authority knows of us.
    contact: Option<String>,
    /// The external account that it is tied to.
    kid: Option<String>,
}

/// The parts of a directory that the ACME client does not show.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Directory {
    meta: Meta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    caa_identities: Vec<String>,
}

impl Authority {
    /// What the authority tells of itself. The account is not made for it.
    ///
    /// # Errors
    /// [`OrderError`] when the authority cannot be reached, or there is none.
    pub async fn about(&self) -> Result<About, OrderError> {
        let settings = self.settings()?;
        let mut session = settings.session.lock().await;
        if let Some(session) = session.as_ref().filter(|session| session.is_fresh()) {
            return Ok(session.about.clone());
        }
        if self.store.acme_account(&settings.acme.directory).await?.is_some() {
            let opened = self.open(&settings).await.map_err(Halt::into_error)?;
            return Ok(session.insert(opened).about.clone());
        }
        let caa_identities = settings.caa_identities().await.map_err(|error| Trouble::of(error).into_error())?;
        Ok(About { caa_identities, account: None })
    }

    /// Our account, and whether this process made it.
    pub(super) async fn account(&self, settings: &Settings) -> Result<(Account, bool), Halt> {
        // Held while an account is made, for two orders that begin together need one account.
        let mut session = settings.session.lock().await;
        if let Some(session) = session.as_ref().filter(|session| session.is_fresh()) {
            return Ok((session.account.clone(), session.is_new));
        }
        let was_new = session.as_ref().is_some_and(|session| session.is_new);
        let mut opened = self.open(settings).await?;
        opened.is_new |= was_new;
        let session = session.insert(opened);
        Ok((session.account.clone(), session.is_new))
    }

    /// Forgets an account that its authority does not know any more.
    pub(super) async fn forget_account(&self, settings: &Settings) -> Result<(), Halt> {
        let mut session = settings.session.lock().await;
        *session = None;
        tracing::warn!(
            directory = settings.acme.directory,
            "the authority does not know our account any more; it is made anew"
        );
        Ok(self.store.forget_acme_account(&settings.acme.directory).await?)
    }

    async fn open(&self, settings: &Settings) -> Result<Session, Halt> {
        let kept = self.store.acme_account(&settings.acme.directory).await?;
        let kept = kept.and_then(|kept| match serde_json::from_str::<Kept>(kept.expose()) {
            Ok(kept) => Some(kept),
            Err(error) => {
                tracing::warn!(%error, "the account at the authority is not readable; it is made anew");
                None
            }
        });
        let (account, is_new) = match kept.filter(|kept| kept.kid == settings.kid()) {
            Some(kept) => (self.reopen(settings, kept).await?, false),
            None => (self.register(settings).await?, true),
        };
        let caa_identities = settings.caa_identities().await?;
        let about = About { caa_identities, account: Some(account.id().to_owned()) };
        Ok(Session { account, opened: Instant::now(), about, is_new })
    }

    async fn reopen(&self, settings: &Settings, kept: Kept) -> Result<Account, Halt> {
        let copy = serde_json::to_value(&kept.credentials).and_then(serde_json::from_value);
        let copy = copy.map_err(|error| OrderError::Key(error.to_string()))?;
        let account = Account::builder_with_http(settings.http()).from_credentials(copy).await?;
        let contact = settings.contact();
        if kept.contact != contact {
            account.update_contacts(&contact.as_deref().into_iter().collect::<Vec<_>>()).await?;
            self.keep(settings, kept.credentials).await?;
        }
        Ok(account)
    }

    async fn register(&self, settings: &Settings) -> Result<Account, Halt> {
        let contact = settings.contact();
        let new = NewAccount {
            contact: &contact.as_deref().into_iter().collect::<Vec<_>>(),
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let eab = settings.acme.eab.as_ref();
        let eab = eab.map(|eab| ExternalAccountKey::new(eab.kid.clone(), eab.key.expose()));
        let directory = settings.acme.directory.clone();
        let made = Account::builder_with_http(settings.http()).create(&new, directory, eab.as_ref()).await;
        let (account, credentials) = made.map_err(|error| match Trouble::of(error) {
            // Whatever it is, it is about the account.
            Trouble::Problem { kind, detail } if kind != "badNonce" => Halt::from(OrderError::Account { kind, detail }),
            other => Halt::from(other),
        })?;
        self.keep(settings, credentials).await?;
        tracing::info!(
            directory = settings.acme.directory,
            account = account.id(),
            "an account at the authority is made"
        );
        Ok(account)
    }

    async fn keep(&self, settings: &Settings, credentials: AccountCredentials) -> Result<(), Halt> {
        let kept = Kept { credentials, contact: settings.contact(), kid: settings.kid() };
        let text = serde_json::to_string(&kept).map_err(|error| OrderError::Key(error.to_string()))?;
        let directory = &settings.acme.directory;
        Ok(self.store.put_acme_account(directory, &Secret::new(text), self.clock.now()).await?)
    }
}

impl Session {
    fn is_fresh(&self) -> bool {
        self.opened.elapsed() < DIRECTORY_LASTS
    }
}

impl Settings {
    fn http(&self) -> Box<dyn instant_acme::HttpClient> {
        Box::new(self.transport.clone())
    }

    fn kid(&self) -> Option<String> {
        self.acme.eab.as_ref().map(|eab| eab.kid.clone())
    }

    fn contact(&self) -> Option<String> {
        self.acme.contact.as_ref().map(|address| format!("mailto:{}", address.as_str()))
    }

    async fn caa_identities(&self) -> Result<Vec<String>, instant_acme::Error> {
        let body = self.transport.get(&self.acme.directory).await?;
        let directory: Directory = serde_json::from_slice(&body)?;
        Ok(directory.meta.caa_identities)
    }
}
