//! Reads entries, with the people in them as far as they are not erased.

use std::collections::HashMap;

use sqlx::QueryBuilder;
use sqlx::sqlite::{Sqlite, SqliteConnection};

use super::people::{self, PersonId};
use super::{COLUMNS, Columns, Hash};
use crate::state::audit::{Kept, KeptActor, KeptPerson, Order, Question};
use crate::store::SqliteStore;
use crate::store::seal::SealKey;
use crate::store::sqlite::{micros, moment};
use crate::types::Email;

/// The entries that a question asks for, all as of one moment.
pub(in crate::store) async fn entries(store: &SqliteStore, question: &Question) -> sqlx::Result<Vec<Kept>> {
    let mut connection = store.readers.begin().await?;
    let Some(mut select) = select(&mut connection, &store.seal, question).await? else { return Ok(Vec::new()) };
    let rows = select.build().fetch_all(&mut *connection).await?;
    let mut named = Named::default();
    let mut kept = Vec::with_capacity(rows.len());
    for row in &rows {
        let (columns, hash) = Columns::read(row)?;
        kept.push(named.kept(&mut connection, &store.seal, columns, hash).await?);
    }
    Ok(kept)
}

/// The statement; `None` where a person is asked for whom no entry can name.
async fn select(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    question: &Question,
) -> sqlx::Result<Option<QueryBuilder<Sqlite>>> {
    let mut select = QueryBuilder::new(format!("SELECT {COLUMNS} FROM audit WHERE TRUE"));
    if let Some(person) = &question.person {
        let Some(id) = people::find(&mut *connection, seal, person).await? else { return Ok(None) };
        for (name, joint) in [("subject", " AND ("), ("actor_person", " OR "), ("customer_person", " OR ")] {
            select.push(joint).push(name).push(" = ").push_bind(id.to_vec());
        }
        select.push(")");
    }
    if let Some(customer) = &question.customer {
        match Email::parse(customer.as_str()) {
            Ok(email) => {
                let Some(id) = people::find(&mut *connection, seal, &email).await? else { return Ok(None) };
                select.push(" AND customer_person = ").push_bind(id.to_vec());
            }
            Err(_) => {
                select.push(" AND customer = ").push_bind(customer.as_str().to_owned());
            }
        }
    }
    if let Some(app) = &question.app {
        select.push(" AND app = ").push_bind(app.as_str().to_owned());
    }
    if let Some(event) = &question.event {
        select.push(" AND event = ").push_bind(event.clone());
    }
    if let Some(since) = question.since {
        select.push(" AND at >= ").push_bind(micros(since));
    }
    if let Some(until) = question.until {
        select.push(" AND at < ").push_bind(micros(until));
    }
    let (beyond, order) = match question.order {
        Order::OldestFirst => (" AND number > ", " ORDER BY number LIMIT "),
        Order::NewestFirst => (" AND number < ", " ORDER BY number DESC LIMIT "),
    };
    if let Some(number) = question.beyond {
        select.push(beyond).push_bind(i64::try_from(number).unwrap_or(i64::MAX));
    }
    select.push(order).push_bind(question.most);
    Ok(Some(select))
}

/// People whose addresses were read already.
#[derive(Default)]
struct Named(HashMap<PersonId, Option<String>>);

impl Named {
    async fn person(
        &mut self,
        connection: &mut SqliteConnection,
        seal: &SealKey,
        id: Option<PersonId>,
    ) -> sqlx::Result<Option<KeptPerson>> {
        let Some(id) = id else { return Ok(None) };
        let email = match self.0.get(&id) {
            Some(email) => email.clone(),
            None => {
                let email = people::address(connection, seal, &id).await?;
                self.0.insert(id, email.clone());
                email
            }
        };
        Ok(Some(KeptPerson { id: data_encoding::HEXLOWER.encode(&id), email }))
    }

    async fn kept(
        &mut self,
        connection: &mut SqliteConnection,
        seal: &SealKey,
        columns: Columns,
        hash: Hash,
    ) -> sqlx::Result<Kept> {
        let actor = self.person(&mut *connection, seal, columns.actor_person).await?;
        let subject = self.person(&mut *connection, seal, columns.subject).await?;
        let customer = self.person(connection, seal, columns.customer_person).await?;
        let customer = customer.map(|person| person.email.unwrap_or_else(|| format!("person {}", person.id)));
        Ok(Kept {
            number: columns.number.unsigned_abs(),
            at: moment(columns.at)?.to_string(),
            event: columns.event,
            actor: KeptActor { kind: columns.actor, person: actor, token: columns.actor_token },
            subject,
            app: columns.app,
            customer: customer.or(columns.customer),
            client: columns.client,
            domain: columns.domain,
            request_id: columns.request,
            // What somebody has changed by hand is shown all the same; `verify` says that it was changed.
            facts: serde_json::from_str(&columns.facts).unwrap_or_default(),
            hash: data_encoding::HEXLOWER.encode(&hash),
        })
    }
}
