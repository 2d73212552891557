//! Certificates, the orders under way for them, and accounts at their authorities. Keys and credentials are sealed.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, query, query_scalar};

use super::SqliteStore;
use super::sqlite::{failed, micros, moment, readable_of_many};
use crate::state::certificates::CertificateName;
use crate::state::issuance::{CertificateStore, StoredCertificate, StoredOrder, Times, Which};
use crate::state::ports::StoreError;
use crate::types::Secret;

impl SqliteStore {
    fn seal_text(&self, kind: &str, name: &str, secret: &Secret) -> sqlx::Result<Vec<u8>> {
        let sealed = self.seal.seal(&format!("{kind}/{name}"), secret.expose().as_bytes());
        sealed.map_err(|error| sqlx::Error::Encode(error.into()))
    }

    fn open_text(&self, kind: &str, name: &str, sealed: &[u8]) -> sqlx::Result<Secret> {
        let opened = self.seal.open(&format!("{kind}/{name}"), sealed);
        let opened = opened.map_err(|error| sqlx::Error::Decode(error.into()))?;
        String::from_utf8(opened).map(Secret::new).map_err(|error| sqlx::Error::Decode(error.utf8_error().into()))
    }
}

/// A name as it is stored.
pub(super) fn read_name(text: &str) -> sqlx::Result<CertificateName> {
    CertificateName::parse(text).ok_or_else(|| sqlx::Error::Decode("a stored certificate name is malformed".into()))
}

/// Names as a statement takes many of them.
pub(super) fn names_in_json(names: &[CertificateName]) -> String {
    serde_json::Value::from_iter(names.iter().map(CertificateName::to_string)).to_string()
}

fn read_times(row: &SqliteRow) -> sqlx::Result<Times> {
    let at = |column: &str| moment(row.try_get(column)?);
    Ok(Times {
        not_before: at("not_before")?,
        not_after: at("not_after")?,
        renew_at: at("renew_at")?,
        ask_again: at("ask_again")?,
    })
}

#[async_trait]
impl CertificateStore for SqliteStore {
    async fn certificate(&self, name: &CertificateName) -> Result<Option<StoredCertificate>, StoreError> {
        let text = name.to_string();
        let read = async {
            let row =
                query("SELECT * FROM certificate WHERE name = ?").bind(&text).fetch_optional(&self.readers).await?;
            let Some(row) = row else { return Ok(None) };
            Ok(Some(StoredCertificate {
                name: name.clone(),
                chain: row.try_get("chain")?,
                key: self.open_text("certificate", &text, row.try_get("key")?)?,
                times: read_times(&row)?,
            }))
        };
        read.await.map_err(failed("read a certificate"))
    }

    async fn certificate_times(&self, which: Which<'_>) -> Result<Vec<(CertificateName, Times)>, StoreError> {
        let select = "SELECT name, not_before, not_after, renew_at, ask_again FROM certificate";
        let mut select = QueryBuilder::new(select);
        match which {
            Which::All => {}
            Which::Named(names) => {
                select.push(" WHERE name IN (SELECT value FROM json_each(").push_bind(names_in_json(names)).push("))");
            }
            Which::IssuedSince { since, after, most } => {
                select.push(" WHERE not_before >= ").push_bind(micros(since));
                let after = after.map(CertificateName::to_string).unwrap_or_default();
                select.push(" AND name > ").push_bind(after).push(" ORDER BY name LIMIT ");
                select.push_bind(i64::try_from(most).unwrap_or(i64::MAX));
            }
            Which::EndedBefore(end) => {
                select.push(" WHERE not_after < ").push_bind(micros(end));
            }
        }
        let read = |row: &SqliteRow| Ok((read_name(row.try_get("name")?)?, read_times(row)?));
        let rows = select.build().fetch(&self.readers);
        readable_of_many(rows, read).await.map_err(failed("list the certificates"))
    }

    async fn put_certificate(&self, certificate: &StoredCertificate) -> Result<(), StoreError> {
        let name = certificate.name.to_string();
        let write = async {
            let sealed = self.seal_text("certificate", &name, &certificate.key)?;
            let times = &certificate.times;
            let mut transaction = self.begin().await?;
            query(
                "INSERT OR REPLACE INTO certificate (name, not_before, not_after, renew_at, ask_again, chain, key)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&name)
            .bind(micros(times.not_before))
            .bind(micros(times.not_after))
            .bind(micros(times.renew_at))
            .bind(micros(times.ask_again))
            .bind(&certificate.chain)
            .bind(sealed)
            .execute(&mut *transaction)
            .await?;
            query("DELETE FROM acme_order WHERE name = ?").bind(&name).execute(&mut *transaction).await?;
            transaction.commit().await
        };
        write.await.map_err(failed("keep a certificate"))
    }

    async fn set_renewal(&self, name: &CertificateName, times: &Times) -> Result<bool, StoreError> {
        let update = query("UPDATE certificate SET renew_at = ?, ask_again = ? WHERE name = ?")
            .bind(micros(times.renew_at))
            .bind(micros(times.ask_again))
            .bind(name.to_string());
        let done = self.change(update).await.map_err(failed("note when a certificate is to be renewed"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn forget_certificate(&self, name: &CertificateName) -> Result<(), StoreError> {
        let name = name.to_string();
        let forget = async {
            let mut transaction = self.begin().await?;
            query("DELETE FROM certificate WHERE name = ?").bind(&name).execute(&mut *transaction).await?;
            query("DELETE FROM acme_order WHERE name = ?").bind(&name).execute(&mut *transaction).await?;
            transaction.commit().await
        };
        forget.await.map_err(failed("forget a certificate"))
    }

    async fn order(&self, name: &CertificateName) -> Result<Option<StoredOrder>, StoreError> {
        let text = name.to_string();
        let read = async {
            let row =
                query("SELECT * FROM acme_order WHERE name = ?").bind(&text).fetch_optional(&self.readers).await?;
            let Some(row) = row else { return Ok(None) };
            Ok(Some(StoredOrder {
                name: name.clone(),
                directory: row.try_get("directory")?,
                url: row.try_get("url")?,
                key: self.open_text("order", &text, row.try_get("key")?)?,
                begun: moment(row.try_get("begun")?)?,
            }))
        };
        read.await.map_err(failed("read an order"))
    }

    async fn put_order(&self, order: &StoredOrder) -> Result<(), StoreError> {
        let name = order.name.to_string();
        let write = async {
            let sealed = self.seal_text("order", &name, &order.key)?;
            let insert =
                query("INSERT OR REPLACE INTO acme_order (name, directory, url, key, begun) VALUES (?, ?, ?, ?, ?)")
                    .bind(&name)
                    .bind(&order.directory)
                    .bind(&order.url)
                    .bind(sealed)
                    .bind(micros(order.begun));
            self.change(insert).await
        };
        write.await.map(drop).map_err(failed("keep an order"))
    }

    async fn forget_order(&self, name: &CertificateName) -> Result<(), StoreError> {
        let delete = query("DELETE FROM acme_order WHERE name = ?").bind(name.to_string());
        self.change(delete).await.map(drop).map_err(failed("forget an order"))
    }

    async fn acme_account(&self, directory: &str) -> Result<Option<Secret>, StoreError> {
        let select = query_scalar("SELECT credentials FROM acme_account WHERE directory = ?").bind(directory);
        let read = async {
            let sealed: Option<Vec<u8>> = select.fetch_optional(&self.readers).await?;
            sealed.map(|sealed| self.open_text("account", directory, &sealed)).transpose()
        };
        read.await.map_err(failed("read the account at an authority"))
    }

    async fn put_acme_account(&self, directory: &str, credentials: &Secret, now: Timestamp) -> Result<(), StoreError> {
        let write = async {
            let sealed = self.seal_text("account", directory, credentials)?;
            let insert =
                query("INSERT OR REPLACE INTO acme_account (directory, credentials, created) VALUES (?, ?, ?)")
                    .bind(directory)
                    .bind(sealed)
                    .bind(micros(now));
            self.change(insert).await
        };
        write.await.map(drop).map_err(failed("keep the account at an authority"))
    }

    async fn forget_acme_account(&self, directory: &str) -> Result<(), StoreError> {
        let delete = query("DELETE FROM acme_account WHERE directory = ?").bind(directory);
        self.change(delete).await.map(drop).map_err(failed("forget the account at an authority"))
    }
}
