//! Records of people's access, as commands read them: from the store, beside a gateway that may be running on it.

use std::path::Path;

use crate::state::members::{Record, RecordFilter, RecordStore as _};
use crate::store::{self, OpenProblem};
use crate::types::{AppName, Email};

/// So many are read at a time.
const PAGE: u32 = 1000;

/// One person's in an app. Where there is no store yet, there are none.
pub(super) async fn of(data: &Path, app: &AppName, email: &Email) -> Result<Vec<Record>, String> {
    let Some(store) = open(data).await? else { return Ok(Vec::new()) };
    let records = store.records_of(app, email).await;
    store.close().await;
    records.map_err(|error| error.to_string())
}

/// All there are.
pub(super) async fn all(data: &Path) -> Result<Vec<Record>, String> {
    let Some(store) = open(data).await? else { return Ok(Vec::new()) };
    let mut all: Vec<Record> = Vec::new();
    let read = loop {
        let after = all.last().map_or(0, |record| record.id);
        match store.records(RecordFilter { after, most: PAGE, ..RecordFilter::default() }).await {
            Ok(some) if some.is_empty() => break Ok(all),
            Ok(some) => all.extend(some),
            Err(error) => break Err(error.to_string()),
        }
    };
    store.close().await;
    read
}

async fn open(data: &Path) -> Result<Option<store::SqliteStore>, String> {
    match store::open_beside(data).await {
        Ok(store) => Ok(Some(store)),
        Err(error) if matches!(error.problem, OpenProblem::Missing) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
