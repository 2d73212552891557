//! Domains: how far each is on its way to a certificate, and whose those are that tables named.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query, query_scalar};

use super::SqliteStore;
use super::certificates::{names_in_json, read_name};
use super::sqlite::{failed, malformed, micros, moment, readable, readable_of_many};
use crate::state::certificates::CertificateName;
use crate::state::domains::{Claim, DomainStore, Owner, Phase, Progress};
use crate::state::onboarding::Wish;
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

/// What claims have in common, each once.
#[derive(Default)]
struct Common {
    owners: HashSet<Arc<Owner>>,
    brands: HashSet<Arc<str>>,
}

impl Common {
    fn owner(&mut self, app: &str, customer: Option<String>) -> sqlx::Result<Arc<Owner>> {
        let owner = read_owner(app, customer)?;
        if let Some(known) = self.owners.get(&owner) {
            return Ok(Arc::clone(known));
        }
        let owner = Arc::new(owner);
        self.owners.insert(Arc::clone(&owner));
        Ok(owner)
    }

    fn brand(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.brands.get(text) {
            return Arc::clone(known);
        }
        let brand: Arc<str> = text.into();
        self.brands.insert(Arc::clone(&brand));
        brand
    }
}

fn read_claim(row: &SqliteRow, common: &mut Common) -> sqlx::Result<Claim> {
    let proven: Option<i64> = row.try_get("proven")?;
    let proven = match proven {
        Some(since) => {
            let owner = common.owner(row.try_get("proven_app")?, row.try_get("proven_customer")?)?;
            Some((owner, moment(since)?))
        }
        None => None,
    };
    let departed: Option<i64> = row.try_get("departed")?;
    Ok(Claim {
        host: HostName::parse(row.try_get("host")?).map_err(|_| malformed("host"))?,
        owner: common.owner(row.try_get("app")?, row.try_get("customer")?)?,
        brand: common.brand(row.try_get("brand")?),
        proven,
        left: departed.map(moment).transpose()?,
    })
}

/// A row of `claim`, column by column, as JSON has it on its way into the store.
#[derive(serde::Serialize)]
struct ClaimRow<'a>(
    &'a str,
    &'a str,
    Option<&'a str>,
    &'a str,
    Option<i64>,
    Option<&'a str>,
    Option<&'a str>,
    Option<i64>,
);

impl<'a> ClaimRow<'a> {
    fn of(claim: &'a Claim) -> Self {
        let customer = |owner: &'a Owner| owner.customer.as_ref().map(CustomerId::as_str);
        let proven = claim.proven.as_ref();
        Self(
            claim.host.as_str(),
            claim.owner.app.as_str(),
            customer(&claim.owner),
            &claim.brand,
            proven.map(|(_, since)| micros(*since)),
            proven.map(|(owner, _)| owner.app.as_str()),
            proven.and_then(|(owner, _)| customer(owner)),
            claim.left.map(micros),
        )
    }
}

#[async_trait]
impl DomainStore for SqliteStore {
    async fn progress(&self) -> Result<Vec<(CertificateName, Progress)>, StoreError> {
        let rows = query("SELECT * FROM progress").fetch(&self.readers);
        readable_of_many(rows, read_progress).await.map_err(failed("read how far domains are"))
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

    async fn progress_of(&self, names: &[CertificateName]) -> Result<Vec<(CertificateName, Progress)>, StoreError> {
        let select = "SELECT * FROM progress WHERE name IN (SELECT value FROM json_each(?))";
        let rows = query(select).bind(names_in_json(names)).fetch(&self.readers);
        readable_of_many(rows, read_progress).await.map_err(failed("read how far domains are"))
    }

    async fn names_after(
        &self,
        last: Option<&CertificateName>,
        most: usize,
    ) -> Result<Vec<CertificateName>, StoreError> {
        let last = last.map(CertificateName::to_string).unwrap_or_default();
        let select = query("SELECT name FROM progress WHERE name > ? ORDER BY name LIMIT ? + 0")
            .bind(last)
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = select.fetch(&self.readers);
        let read = |row: &SqliteRow| read_name(row.try_get("name")?);
        readable_of_many(rows, read).await.map_err(failed("read of which domains it is known how far they are"))
    }

    async fn ask_for(&self, name: &CertificateName, wish: Wish, now: Timestamp) -> Result<(), StoreError> {
        let insert = query("INSERT OR REPLACE INTO wish (name, wish, asked, answer) VALUES (?, ?, ?, NULL)")
            .bind(name.to_string())
            .bind(wish.name())
            .bind(micros(now));
        self.change(insert).await.map(drop).map_err(failed("ask the gateway to look at a domain"))
    }

    async fn asked_for(&self, most: u32) -> Result<Vec<(CertificateName, Wish)>, StoreError> {
        let select = query("SELECT name, wish FROM wish WHERE answer IS NULL ORDER BY asked LIMIT ? + 0").bind(most);
        let rows = select.fetch_all(&self.readers).await.map_err(failed("read which domains are to be looked at"))?;
        Ok(readable(&rows, |row| {
            let wish = Wish::parse(row.try_get("wish")?).ok_or_else(|| malformed("wish"))?;
            Ok((read_name(row.try_get("name")?)?, wish))
        }))
    }

    async fn answer_wish(&self, name: &CertificateName, answer: &str) -> Result<(), StoreError> {
        let update = query("UPDATE wish SET answer = ? WHERE name = ?").bind(answer).bind(name.to_string());
        self.change(update).await.map(drop).map_err(failed("tell what a domain looks like"))
    }

    async fn take_answer(&self, name: &CertificateName) -> Result<Option<String>, StoreError> {
        let taking = async {
            let mut change = self.begin().await?;
            let answer = query_scalar("DELETE FROM wish WHERE name = ? AND answer IS NOT NULL RETURNING answer")
                .bind(name.to_string())
                .fetch_optional(&mut *change)
                .await?;
            change.commit().await?;
            Ok(answer)
        };
        taking.await.map_err(failed("read what a domain looks like"))
    }

    async fn forget_wish(&self, name: &CertificateName) -> Result<(), StoreError> {
        let delete = query("DELETE FROM wish WHERE name = ?").bind(name.to_string());
        self.change(delete).await.map(drop).map_err(failed("forget what was asked of the gateway"))
    }

    async fn forget_wishes(&self, before: Timestamp) -> Result<(), StoreError> {
        let delete = query("DELETE FROM wish WHERE asked < ?").bind(micros(before));
        self.change(delete).await.map(drop).map_err(failed("forget what was asked of the gateway"))
    }

    async fn claims(&self) -> Result<Vec<Claim>, StoreError> {
        let rows = query("SELECT * FROM claim").fetch(&self.readers);
        let mut common = Common::default();
        readable_of_many(rows, |row| read_claim(row, &mut common)).await.map_err(failed("read the domains of tables"))
    }

    async fn put_claims(&self, claims: &[Claim]) -> Result<(), StoreError> {
        // A hundred thousand at a first start: a statement for each takes many times as long.
        const AT_ONCE: usize = 5_000;
        let write = async {
            let mut transaction = self.begin().await?;
            for claims in claims.chunks(AT_ONCE) {
                let rows: Vec<ClaimRow<'_>> = claims.iter().map(ClaimRow::of).collect();
                let rows = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
                query(
                    "INSERT OR REPLACE INTO claim
                     (host, app, customer, brand, proven, proven_app, proven_customer, departed)
                     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3,
                            value ->> 4, value ->> 5, value ->> 6, value ->> 7
                     FROM json_each(?)",
                )
                .bind(rows)
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

    async fn approve(&self, host: &HostName, owner: &Owner) -> Result<(), StoreError> {
        let insert = query("INSERT OR REPLACE INTO approval (host, app, customer) VALUES (?, ?, ?)")
            .bind(host.as_str())
            .bind(owner.app.as_str())
            .bind(owner.customer.as_ref().map(CustomerId::as_str));
        self.change(insert).await.map(drop).map_err(failed("note the approval"))
    }

    async fn approvals(&self) -> Result<Vec<(HostName, Owner)>, StoreError> {
        let rows = query("SELECT * FROM approval").fetch_all(&self.readers).await;
        Ok(readable(&rows.map_err(failed("read approvals"))?, |row| {
            let host = HostName::parse(row.try_get("host")?).map_err(|_| malformed("host"))?;
            Ok((host, read_owner(row.try_get("app")?, row.try_get("customer")?)?))
        }))
    }

    async fn forget_approval(&self, host: &HostName, owner: &Owner) -> Result<(), StoreError> {
        // Another may have been given meanwhile, which is not the one that was taken up.
        let delete = query("DELETE FROM approval WHERE host = ? AND app = ? AND customer IS ?")
            .bind(host.as_str())
            .bind(owner.app.as_str())
            .bind(owner.customer.as_ref().map(CustomerId::as_str));
        self.change(delete).await.map(drop).map_err(failed("forget an approval"))
    }
}
