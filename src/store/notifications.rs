//! Notifications in the database: each with a row for each of its people, which turns into a mail of the outbox in one step.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite, query, query_scalar};

use super::sqlite::{failed, malformed, micros, moment, readable};
use super::{SqliteStore, outbox};
use crate::session::TokenHash;
use crate::state::notifications::{
    Allowance, MAIL_IS_GOOD_FOR, Message, NewNotification, Notification, NotificationStore, Notified, Progress,
    Recipients, State, Switch, TakenIn, Turn,
};
use crate::state::ports::{MailEnd, StoreError, Unwanted};
use crate::types::{AppName, CustomerId, Email, TopicName};

/// What a sealed message is called.
const SEALED_AS: &str = "notification/message";
/// How many people one statement adds.
const PEOPLE_AT_ONCE: usize = 500;

impl From<MailEnd> for State {
    fn from(end: MailEnd) -> Self {
        match end {
            MailEnd::Sent => Self::Sent,
            MailEnd::Failed => Self::Failed,
            MailEnd::Unwanted(Unwanted::Gone) => Self::Gone,
            MailEnd::Unwanted(Unwanted::SwitchedOff) => Self::SwitchedOff,
        }
    }
}

/// Notes what became of a person's mail, within a transaction.
pub(super) async fn end(connection: &mut SqliteConnection, notified: i64, state: State) -> sqlx::Result<()> {
    query("UPDATE notified SET state = ? WHERE id = ? AND state = 'queued'")
        .bind(state.name())
        .bind(notified)
        .execute(connection)
        .await?;
    Ok(())
}

#[async_trait]
impl NotificationStore for SqliteStore {
    async fn take_in(&self, new: &NewNotification, most_waiting: u64) -> Result<TakenIn, StoreError> {
        take_in(self, new, most_waiting).await.map_err(failed("take a notification in"))
    }

    async fn taken_in(&self, key: TokenHash, body: TokenHash) -> Result<Option<TakenIn>, StoreError> {
        let found = async {
            let mut reader = self.readers.acquire().await?;
            taken_in(&mut reader, key, body).await
        };
        found.await.map_err(failed("read a notification"))
    }

    async fn progress(&self, id: &str) -> Result<Option<Progress>, StoreError> {
        progress(self, id).await.map_err(failed("read a notification"))
    }

    async fn their_turn(&self, now: Timestamp, most: u32) -> Result<Vec<Notified>, StoreError> {
        their_turn(self, now, most).await.map_err(failed("read whom to notify"))
    }

    async fn next_turn(&self) -> Result<Option<Timestamp>, StoreError> {
        let due = query_scalar("SELECT min(due) FROM notified WHERE state = 'waiting'").fetch_one(&self.readers).await;
        due.and_then(|due: Option<i64>| due.map(moment).transpose()).map_err(failed("read when to notify"))
    }

    async fn take_turns(
        &self,
        turns: &[(Notified, Turn)],
        allowance: Allowance,
        now: Timestamp,
    ) -> Result<Vec<State>, StoreError> {
        take_turns(self, turns, allowance, now).await.map_err(failed("notify"))
    }

    async fn notified(&self, id: i64) -> Result<Option<(Notified, Switch)>, StoreError> {
        notified(self, id).await.map_err(failed("read whom a mail is for"))
    }

    async fn switched_off(&self, app: &AppName, email: &Email) -> Result<Vec<TopicName>, StoreError> {
        let rows = query("SELECT topic FROM topic_off WHERE app = ? AND email = ? ORDER BY topic")
            .bind(app.as_str())
            .bind(email.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(failed("read what a person has switched off"))?;
        Ok(readable(&rows, |row| topic(row, "topic")))
    }

    async fn switch(
        &self,
        app: &AppName,
        email: &Email,
        topics: &[(TopicName, Switch)],
        now: Timestamp,
    ) -> Result<Vec<(TopicName, Switch)>, StoreError> {
        switch(self, app, email, topics, now).await.map_err(failed("switch a topic"))
    }

    async fn forget_notifications(&self, before: Timestamp) -> Result<u64, StoreError> {
        forget(self, before).await.map_err(failed("forget notifications"))
    }
}

async fn take_in(store: &SqliteStore, new: &NewNotification, most_waiting: u64) -> sqlx::Result<TakenIn> {
    let mut plain = serde_json::to_vec(&new.notification.message).map_err(|_| malformed("notification.message"))?;
    let sealed = store.seal.seal(SEALED_AS, &plain).map_err(|error| sqlx::Error::Encode(error.into()));
    zeroize::Zeroize::zeroize(&mut plain);
    let Notification { id, app, recipients, topic, created, .. } = &new.notification;
    let mut transaction = store.begin().await?;
    // Under the write lock: of calls at the same time, all but the first find what that one did.
    if let Some(before) = taken_in(&mut transaction, new.key, new.body).await? {
        return Ok(before);
    }
    let waiting: i64 =
        query_scalar("SELECT count(*) FROM notified WHERE state = 'waiting'").fetch_one(&mut *transaction).await?;
    if waiting.unsigned_abs() > most_waiting {
        return Ok(TakenIn::Full);
    }
    let people = u64::try_from(new.people.len()).unwrap_or(u64::MAX);
    let number = query(
        "INSERT INTO notification (public, app, customer, topic, message, key, body, people, created)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.as_str())
    .bind(app.as_str())
    .bind(recipients.customer().map(CustomerId::as_str))
    .bind(topic.as_str())
    .bind(sealed?)
    .bind(&new.key.as_bytes()[..])
    .bind(&new.body.as_bytes()[..])
    .bind(i64::try_from(people).unwrap_or(i64::MAX))
    .bind(micros(*created))
    .execute(&mut *transaction)
    .await?
    .last_insert_rowid();
    for some in new.people.chunks(PEOPLE_AT_ONCE) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO notified (notification, email, due) ");
        insert.push_values(some, |mut row, email| {
            row.push_bind(number).push_bind(email.as_str()).push_bind(micros(*created));
        });
        insert.push(" ON CONFLICT DO NOTHING");
        insert.build().execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(TakenIn::Yes { id: id.clone(), people, is_new: true })
}

async fn taken_in(connection: &mut SqliteConnection, key: TokenHash, body: TokenHash) -> sqlx::Result<Option<TakenIn>> {
    let row = query("SELECT public, people, body FROM notification WHERE key = ?")
        .bind(&key.as_bytes()[..])
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    if row.try_get::<&[u8], _>("body")? != &body.as_bytes()[..] {
        return Ok(Some(TakenIn::OtherBody));
    }
    let people: i64 = row.try_get("people")?;
    Ok(Some(TakenIn::Yes { id: row.try_get("public")?, people: people.unsigned_abs(), is_new: false }))
}

async fn progress(store: &SqliteStore, id: &str) -> sqlx::Result<Option<Progress>> {
    let row = query("SELECT * FROM notification WHERE public = ?").bind(id).fetch_optional(&store.readers).await?;
    let Some(row) = row else { return Ok(None) };
    let number: i64 = row.try_get("id")?;
    let people: i64 = row.try_get("people")?;
    let counts = query("SELECT state, count(*) AS people FROM notified WHERE notification = ? GROUP BY state")
        .bind(number)
        .fetch_all(&store.readers)
        .await?;
    let count = |state: State| {
        let row = counts.iter().find(|row| row.try_get::<&str, _>("state").is_ok_and(|name| name == state.name()));
        row.and_then(|row| row.try_get::<i64, _>("people").ok()).unwrap_or(0).unsigned_abs()
    };
    Ok(Some(Progress {
        notification: read(store, &row)?,
        people: people.unsigned_abs(),
        waiting: count(State::Waiting),
        queued: count(State::Queued),
        sent: count(State::Sent),
        switched_off: count(State::SwitchedOff),
        over_limit: count(State::OverLimit),
        gone: count(State::Gone),
        failed: count(State::Failed),
    }))
}

const PERSON: &str = "SELECT notification.*, notified.id AS number, notified.email FROM notified
                      JOIN notification ON notification.id = notified.notification ";

async fn their_turn(store: &SqliteStore, now: Timestamp, most: u32) -> sqlx::Result<Vec<Notified>> {
    // Those that were put off wait for their server, and hold up nobody else.
    let untried: i64 = query_scalar("SELECT count(*) FROM outbox WHERE notified IS NOT NULL AND tries = 0")
        .fetch_one(&store.readers)
        .await?;
    let room = i64::from(most).saturating_sub(untried);
    if room <= 0 {
        return Ok(Vec::new());
    }
    let which = "WHERE notified.state = 'waiting' AND notified.due <= ? ORDER BY notified.due, notified.id LIMIT ? + 0";
    let rows = query(sqlx::AssertSqlSafe(format!("{PERSON}{which}")))
        .bind(micros(now))
        .bind(room)
        .fetch_all(&store.readers)
        .await?;
    let mut people = Vec::with_capacity(rows.len());
    for row in &rows {
        match read_person(store, row) {
            Ok(person) => people.push(person),
            Err(error) => {
                // It would stand before all others for ever, and nobody can read it.
                let id: i64 = row.try_get("number")?;
                tracing::error!(notified = id, %error, "whom to notify cannot be read; given up");
                store.change(query("UPDATE notified SET state = 'failed' WHERE id = ?").bind(id)).await?;
            }
        }
    }
    Ok(people)
}

async fn take_turns(
    store: &SqliteStore,
    turns: &[(Notified, Turn)],
    allowance: Allowance,
    now: Timestamp,
) -> sqlx::Result<Vec<State>> {
    let mut transaction = store.begin().await?;
    let mut states = Vec::with_capacity(turns.len());
    for (person, turn) in turns {
        let is_waiting: Option<i64> = query_scalar("SELECT 1 FROM notified WHERE id = ? AND state = 'waiting'")
            .bind(person.id)
            .fetch_optional(&mut *transaction)
            .await?;
        if is_waiting.is_none() {
            continue;
        }
        let state = match turn {
            Turn::Later(until) => {
                query("UPDATE notified SET due = ? WHERE id = ?")
                    .bind(micros(*until))
                    .bind(person.id)
                    .execute(&mut *transaction)
                    .await?;
                State::Waiting
            }
            Turn::Ends(state) => *state,
            Turn::Mail(mail) => match may_have(&mut transaction, person, allowance).await? {
                State::Queued => {
                    let expires = person.notification.created.checked_add(MAIL_IS_GOOD_FOR).unwrap_or(Timestamp::MAX);
                    outbox::insert_for(&mut transaction, &store.seal, mail, Some(person.id), now, expires).await?;
                    State::Queued
                }
                other => other,
            },
        };
        if state != State::Waiting {
            query("UPDATE notified SET state = ?, mailed = ? WHERE id = ?")
                .bind(state.name())
                .bind((state == State::Queued).then(|| micros(now)))
                .bind(person.id)
                .execute(&mut *transaction)
                .await?;
        }
        states.push(state);
    }
    transaction.commit().await?;
    Ok(states)
}

/// `Queued` where a person may have one more.
async fn may_have(connection: &mut SqliteConnection, person: &Notified, allowance: Allowance) -> sqlx::Result<State> {
    let Notification { app, topic, .. } = &person.notification;
    if is_off(connection, app, &person.email, topic).await? {
        return Ok(State::SwitchedOff);
    }
    // One that was not sent after all is none that the person had.
    let had: i64 =
        query_scalar("SELECT count(*) FROM notified WHERE email = ? AND mailed > ? AND state IN ('queued', 'sent')")
            .bind(person.email.as_str())
            .bind(micros(allowance.since))
            .fetch_one(connection)
            .await?;
    Ok(if had.unsigned_abs() >= u64::from(allowance.most) { State::OverLimit } else { State::Queued })
}

async fn is_off(
    connection: &mut SqliteConnection,
    app: &AppName,
    email: &Email,
    topic: &TopicName,
) -> sqlx::Result<bool> {
    let found: Option<i64> = query_scalar("SELECT 1 FROM topic_off WHERE app = ? AND email = ? AND topic = ?")
        .bind(app.as_str())
        .bind(email.as_str())
        .bind(topic.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

async fn notified(store: &SqliteStore, id: i64) -> sqlx::Result<Option<(Notified, Switch)>> {
    let row = query(sqlx::AssertSqlSafe(format!("{PERSON}WHERE notified.id = ?")))
        .bind(id)
        .fetch_optional(&store.readers)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let person = read_person(store, &row)?;
    let mut reader = store.readers.acquire().await?;
    let is_off = is_off(&mut reader, &person.notification.app, &person.email, &person.notification.topic).await?;
    Ok(Some((person, if is_off { Switch::Off } else { Switch::On })))
}

async fn switch(
    store: &SqliteStore,
    app: &AppName,
    email: &Email,
    topics: &[(TopicName, Switch)],
    now: Timestamp,
) -> sqlx::Result<Vec<(TopicName, Switch)>> {
    let mut transaction = store.begin().await?;
    let mut changed = Vec::new();
    for (topic, switch) in topics {
        let statement = match switch {
            Switch::Off => {
                "INSERT INTO topic_off (app, email, topic, since) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
            }
            Switch::On => "DELETE FROM topic_off WHERE app = ? AND email = ? AND topic = ? AND since <= ?",
        };
        let done = query(statement)
            .bind(app.as_str())
            .bind(email.as_str())
            .bind(topic.as_str())
            .bind(match switch {
                Switch::Off => micros(now),
                // Whatever the clock did since.
                Switch::On => i64::MAX,
            })
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() > 0 {
            changed.push((topic.clone(), *switch));
        }
    }
    transaction.commit().await?;
    Ok(changed)
}

/// In pieces, so that nobody waits long for the write lock.
async fn forget(store: &SqliteStore, before: Timestamp) -> sqlx::Result<u64> {
    const PIECE: i64 = 5_000;
    let mut removed = 0;
    loop {
        let delete = query(
            "DELETE FROM notified WHERE id IN (SELECT notified.id FROM notification
             JOIN notified ON notified.notification = notification.id WHERE notification.created < ? LIMIT ? + 0)",
        )
        .bind(micros(before))
        .bind(PIECE);
        let people = store.change(delete).await?.rows_affected();
        removed += people;
        if people == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let done = store.change(query("DELETE FROM notification WHERE created < ?").bind(micros(before))).await?;
    Ok(removed + done.rows_affected())
}

fn read_person(store: &SqliteStore, row: &SqliteRow) -> sqlx::Result<Notified> {
    Ok(Notified {
        id: row.try_get("number")?,
        email: Email::parse(row.try_get("email")?).map_err(|_| malformed("notified.email"))?,
        notification: read(store, row)?,
    })
}

fn read(store: &SqliteStore, row: &SqliteRow) -> sqlx::Result<Notification> {
    let mut plain =
        store.seal.open(SEALED_AS, row.try_get("message")?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let message = serde_json::from_slice::<Message>(&plain).map_err(|_| malformed("notification.message"));
    zeroize::Zeroize::zeroize(&mut plain);
    let customer: Option<&str> = row.try_get("customer")?;
    let recipients = match customer {
        Some(customer) => Recipients::Of(CustomerId::parse(customer).map_err(|_| malformed("notification.customer"))?),
        None => Recipients::Everybody,
    };
    Ok(Notification {
        id: row.try_get("public")?,
        app: AppName::parse(row.try_get("app")?).map_err(|_| malformed("notification.app"))?,
        recipients,
        topic: topic(row, "topic")?,
        message: message?,
        created: moment(row.try_get("created")?)?,
    })
}

fn topic(row: &SqliteRow, column: &'static str) -> sqlx::Result<TopicName> {
    TopicName::parse(row.try_get(column)?).map_err(|_| malformed("topic"))
}
