//! Tells how domains stand while the gateway runs.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::acme::name_for;
use super::onboarding::Onboarding;
use crate::state::certificates::CertificateName;
use crate::state::onboarding::{DomainRow, Domains, NamedBy, Numbers, Standing};
use crate::state::proof::Waiting;
use crate::state::snapshot::{Site, Snapshot};
use crate::types::HostName;

/// Rows that are made between two looks at anything else.
const CHUNK: usize = 1000;

impl Onboarding {
    /// How one domain of the snapshot stands, but for those that only the folder may know.
    fn row(&self, snapshot: &Snapshot, host: &HostName) -> Option<(DomainRow, CertificateName)> {
        let row = match snapshot.site(host) {
            Some(site) => row_of(site, snapshot),
            None if let Some(waiting) = self.parts.waiting.all().get(host) => {
                return Some((DomainRow::waiting(host, waiting), CertificateName::Exact(host.clone())));
            }
            None if snapshot.login.hub.as_ref() == Some(host) => DomainRow::new(host.clone(), None, None, NamedBy::Hub),
            None => return None,
        };
        let settings = self.settings();
        let name = settings
            .as_ref()
            .map_or_else(|| CertificateName::Exact(host.clone()), |settings| name_for(&settings.acme, host));
        if self.provided().contains(host) {
            return Some((DomainRow { state: Standing::Provided, ..row }, name));
        }
        if settings.is_none() {
            return Some((row, name));
        }
        let (progress, times) = self.schedule().progress(&name).unzip();
        Some((row.on_its_way(&name, progress, times.flatten().as_ref()), name))
    }

    /// With what the folder or the local CA has, where nothing is ordered.
    async fn with_provided(&self, row: DomainRow) -> DomainRow {
        if row.state != Standing::Uncertified {
            return row;
        }
        let now = self.parts.clock.now();
        match self.parts.certificates.serve(row.host.as_str()).await {
            Some(certificate) if certificate.is_valid(now) => {
                DomainRow { state: Standing::Provided, until: Some(certificate.not_after), ..row }
            }
            Some(certificate) => DomainRow { until: Some(certificate.not_after), ..row },
            None => row,
        }
    }
}

fn row_of(site: &Site, snapshot: &Snapshot) -> DomainRow {
    let host = &site.domain.host;
    let named_by = if snapshot.is_configured(host) { NamedBy::Config } else { NamedBy::Table };
    DomainRow::new(host.clone(), Some(site.app.name.clone()), site.domain.customer.clone(), named_by)
}

/// All that somebody names, be it that they may not serve yet.
fn hosts<'a>(snapshot: &'a Snapshot, waiting: &'a BTreeMap<HostName, Waiting>) -> impl Iterator<Item = &'a HostName> {
    let sites = snapshot.configured().chain(snapshot.from_tables());
    let waiting = waiting.keys().filter(|host| snapshot.site(host).is_none());
    sites.map(|site| &site.domain.host).chain(&snapshot.login.hub).chain(waiting)
}

#[async_trait]
impl Domains for Onboarding {
    async fn page(&self, after: Option<&HostName>, limit: usize, state: Option<Standing>) -> Vec<DomainRow> {
        let snapshot = self.parts.current.load_full();
        let waiting = self.parts.waiting.all();
        let mut names: Vec<_> =
            hosts(&snapshot, &waiting).filter(|host| after.is_none_or(|after| *host > after)).collect();
        names.sort_unstable();
        let mut page = Vec::new();
        for (number, host) in names.into_iter().enumerate() {
            if page.len() == limit {
                break;
            }
            if number % CHUNK == CHUNK - 1 {
                tokio::task::yield_now().await;
            }
            let Some((row, _)) = self.row(&snapshot, host) else { continue };
            let row = self.with_provided(row).await;
            if state.is_none_or(|state| row.state == state) {
                page.push(row);
            }
        }
        page
    }

    async fn one(&self, host: &HostName) -> Option<DomainRow> {
        let snapshot = self.parts.current.load_full();
        let (row, _) = self.row(&snapshot, host)?;
        Some(self.with_provided(row).await)
    }

    fn authority_trouble(&self) -> Option<String> {
        self.settings()?;
        self.schedule().authority_trouble()
    }

    async fn numbers(&self) -> Numbers {
        let snapshot = self.parts.current.load_full();
        let waiting = self.parts.waiting.all();
        let mut numbers = Numbers::default();
        for (number, host) in hosts(&snapshot, &waiting).enumerate() {
            if number % CHUNK == CHUNK - 1 {
                tokio::task::yield_now().await;
            }
            let Some((row, _)) = self.row(&snapshot, host) else { continue };
            // What nothing is ordered for is counted as provided: to know better, each would have to be fetched.
            let state = if row.state == Standing::Uncertified { Standing::Provided } else { row.state };
            *numbers.domains.entry((row.app, state.name())).or_default() += 1;
        }
        if self.settings().is_some() {
            let now = self.parts.clock.now();
            let mut schedule = self.schedule();
            numbers.ends_first = schedule.ends_first();
            numbers.orders_left = Some(u64::try_from(schedule.budget().left(now)).unwrap_or(u64::MAX));
            drop(schedule);
            numbers.authority_up = Some(self.is_authority_up());
        }
        numbers
    }
}
