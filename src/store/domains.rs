//! Domains: how far each is on its way to a certificate, and whose those are that tables named.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query};

use super::SqliteStore;
use super::certificates::read_name;
use super::sqlite::{failed, malformed, micros, moment, readable};
use crate::state::certificates::CertificateName;
use crate::state::domains::{Claim, DomainStore, Owner, Phase, Progress};
use crate::state::ports::StoreError;
use crate::types::{AppName, CustomerId, HostName};

fn read_progress(row: &SqliteRow) -> sqlx::Result<(CertificateName, Progress)> {
    let phase: &str = row.try_get("phase")?;
    let next_try: Option<i64> = row.try_get("next_try")?;
    let progress = Progress {
        phase: Phase::ALL.into_iter().find(|known| known.name() == phase).ok_or_else(|| malformed("phase"))?,
        problem: row.try_get("problem")?,
        sentence: row.try_get("sentence")?,
        since: moment(row.try_get("since")?)?,
        failures: row.try_get("failures")?,
        next_try: next_try.map(moment).transpose()?,
    };
    Ok((read_name(row.try_get("name")?)?, progress))
}

fn read_owner(app: &str, customer: Option<String>) -> sqlx::Result<Owner> {
    let app = AppName::parse(app).map_err(|_| malformed("app"))?;
    let customer = customer.map(|id| CustomerId::parse(&id).map_err(|_| malformed("customer"))).transpose()?;
    Ok(Owner { app, customer })
}

fn read_claim(row: &SqliteRow) -> sqlx::Result<Claim> {
    let proven: Option<i64> = row.try_get("proven")?;
    let proven = match proven {
        Some(since) => {
            let owner = read_owner(row.try_get("proven_app")?, row.try_get("proven_customer")?)?;
            Some((owner, moment(since)?))
        }
        None => None,
    };
    let departed: Option<i64> = row.try_get("departed")?;
    Ok(Claim {
        host: HostName::parse(row.try_get("host")?).map_err(|_| malformed("host"))?,
        owner: read_owner(row.try_get("app")?, row.try_get("customer")?)?,
        brand: row.try_get("brand")?,
        proven,
        left: departed.map(moment).transpose()?,
    })
}

#[async_trait]
impl DomainStore for SqliteStore {
    async fn progress(&self) -> Result<Vec<(CertificateName, Progress)>, StoreError> {
        let rows = query("SELECT * FROM progress").fetch_all(&self.readers).await;
        Ok(readable(&rows.map_err(failed("read how far domains are"))?, read_progress))
    }

    async fn put_progress(&self, progress: &[(CertificateName, Progress)]) -> Result<(), StoreError> {
        let write = async {
            let mut transaction = self.begin().await?;
            for (name, progress) in progress {
                query(
                    "INSERT OR REPLACE INTO progress (name, phase, problem, sentence, since, failures, next_try)
                     VALUES (?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(name.to_string())
                .bind(progress.phase.name())
                .bind(&progress.problem)
                .bind(&progress.sentence)
                .bind(micros(progress.since))
                .bind(progress.failures)
                .bind(progress.next_try.map(micros))
                .execute(&mut *transaction)
                .await?;
            }
            transaction.commit().await
        };
        write.await.map_err(failed("note how far domains are"))
    }

    async fn forget_progress(&self, names: &[CertificateName]) -> Result<(), StoreError> {
        let forget = async {
            let mut transaction = self.begin().await?;
            for name in names {
                let delete = query("DELETE FROM progress WHERE name = ?").bind(name.to_string());
                delete.execute(&mut *transaction).await?;
            }
            transaction.commit().await
        };
        forget.await.map_err(failed("forget how far domains are"))
    }

    async fn claims(&self) -> Result<Vec<Claim>, StoreError> {
        let rows = query("SELECT * FROM claim").fetch_all(&self.readers).await;
        Ok(readable(&rows.map_err(failed("read the domains of tables"))?, read_claim))
    }

    async fn put_claims(&self, claims: &[Claim]) -> Result<(), StoreError> {
        let write = async {
            let mut transaction = self.begin().await?;
            for claim in claims {
                let proven = claim.proven.as_ref();
                query(
                    "INSERT OR REPLACE INTO claim
                     (host, app, customer, brand, proven, proven_app, proven_customer, departed)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(claim.host.as_str())
                .bind(claim.owner.app.as_str())
                .bind(claim.owner.customer.as_ref().map(CustomerId::as_str))
                .bind(&claim.brand)
                .bind(proven.map(|(_, since)| micros(*since)))
                .bind(proven.map(|(owner, _)| owner.app.as_str()))
                .bind(proven.and_then(|(owner, _)| owner.customer.as_ref()).map(CustomerId::as_str))
                .bind(claim.left.map(micros))
                .execute(&mut *transaction)
                .await?;
            }
            transaction.commit().await
        };
        write.await.map_err(failed("keep the domains of tables"))
    }

    async fn forget_claims(&self, hosts: &[HostName]) -> Result<(), StoreError> {
        let forget = async {
            let mut transaction = self.begin().await?;
            for host in hosts {
                query("DELETE FROM claim WHERE host = ?").bind(host.as_str()).execute(&mut *transaction).await?;
            }
            transaction.commit().await
        };
        forget.await.map_err(failed("forget domains of tables"))
    }
}
