//! Which language people say they speak, or their tables say for them.

use std::sync::Arc;

use super::{Live, Sessions};
use crate::policy::{Choice, Grant};
use crate::state::ports::StoreError;
use crate::types::Language;

/// That a person may enter.
#[derive(Clone, Copy, Debug)]
pub struct Entrance {
    /// The language that the tables say they speak.
    pub language: Option<Language>,
}

/// The language that the tables say somebody speaks: that of the grant they use or, before they have chosen one, of the first that
/// has one of ours.
pub(super) fn granted(choice: &Choice, grants: &[Arc<Grant>]) -> Option<Language> {
    let spoken = |grant: &Arc<Grant>| grant.language.as_ref().and_then(|tag| Language::parse(tag.as_str()));
    match choice {
        Choice::One(grant) => spoken(grant),
        Choice::Several | Choice::None(_) => grants.iter().find_map(spoken),
    }
}

impl Sessions {
    /// Keeps the language that a session's person chose, for their other sessions too.
    ///
    /// # Errors
    /// When the store fails; nothing has changed then.
    pub async fn choose_language(&self, live: &Live, language: Language) -> Result<(), StoreError> {
        self.store.choose_language(&live.record.email, language).await?;
        let language = Some(Arc::new(language));
        live.chosen_language.store(language.clone());
        // It is kept; where the others cannot be told now, they find it when they are looked up anew.
        for id in self.store.sessions_everywhere(&live.record.email).await.unwrap_or_default() {
            if let Some(other) = self.cache.get(&id).await {
                other.chosen_language.store(language.clone());
            }
        }
        Ok(())
    }
}
