//! Records of people's access in the database.
//!
//! A change is one transaction with its mails and its audit entries. It holds the write lock from its beginning, so what it finds
//! (the version that was seen, how many people there are, whether an owner is left) is so when it ends.

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite, query, query_scalar};

use super::sqlite::{failed, malformed, micros, moment, readable};
use super::{SqliteStore, audit, outbox};
use crate::policy::DaysBack;
use crate::session::TokenHash;
use crate::state::members::{
    Basis, Changed, Entry, KeepOwner, Maker, Organisation, Record, RecordFilter, RecordState, RecordStore, Step, Terms,
};
use crate::state::ports::StoreError;
use crate::types::{AppName, CustomerId, DisplayName, Email, Language, RoleName};

/// A statement whose values are being filled in.
type Filling<'q> = Query<'q, Sqlite, SqliteArguments>;

const SELECT: &str = "SELECT record.*, organisation.name AS customer_name FROM record
    LEFT JOIN organisation ON organisation.app = record.app AND organisation.id = record.customer";
/// More than a person has of customers, and than a page shows.
const MOST_OF_A_PERSON: u32 = 1000;
/// How a database says that there is no limit.
const UNLIMITED: i64 = -1;

#[async_trait]
impl RecordStore for SqliteStore {
    async fn records_of(&self, app: &AppName, email: &Email) -> Result<Vec<Record>, StoreError> {
        of_person(self, app, email).await.map_err(failed("read a person's records"))
    }

    async fn records(&self, filter: RecordFilter<'_>) -> Result<Vec<Record>, StoreError> {
        list(self, filter).await.map_err(failed("read records"))
    }

    async fn record(&self, id: i64) -> Result<Option<Record>, StoreError> {
        find(self, id).await.map_err(failed("read a record"))
    }

    async fn record_by_link(&self, app: &AppName, link: TokenHash) -> Result<Option<Record>, StoreError> {
        by_link(self, app, link).await.map_err(failed("read an invitation"))
    }

    async fn change_records(&self, steps: &[Step], terms: Terms<'_>, now: Timestamp) -> Result<Changed, StoreError> {
        change(self, steps, terms, now).await.map_err(failed("change records"))
    }

    async fn organisation(&self, app: &AppName, id: &CustomerId) -> Result<Option<Organisation>, StoreError> {
        named(self, app, id).await.map_err(failed("read a customer's name"))
    }

    async fn record_changes(&self) -> Result<i64, StoreError> {
        changes(self).await.map_err(failed("read whether records changed"))
    }
}

async fn of_person(store: &SqliteStore, app: &AppName, email: &Email) -> sqlx::Result<Vec<Record>> {
    let mut select = QueryBuilder::<Sqlite>::new(SELECT);
    select.push(" WHERE record.app = ").push_bind(app.as_str().to_owned());
    select.push(" AND record.email = ").push_bind(email.as_str().to_owned());
    select.push(" ORDER BY record.customer LIMIT ").push_bind(MOST_OF_A_PERSON).push(" + 0");
    // One that cannot be read fails them all: it may be the one that keeps the person out.
    select.build().fetch_all(&store.readers).await?.iter().map(read).collect()
}

async fn list(store: &SqliteStore, filter: RecordFilter<'_>) -> sqlx::Result<Vec<Record>> {
    Ok(readable(&select(filter).build().fetch_all(&store.readers).await?, read))
}

fn select(filter: RecordFilter<'_>) -> QueryBuilder<Sqlite> {
    let mut select = QueryBuilder::new(SELECT);
    select.push(" WHERE record.id > ").push_bind(filter.after);
    if let Some(app) = filter.app {
        select.push(" AND record.app = ").push_bind(app.as_str().to_owned());
    }
    if let Some(customer) = filter.customer {
        select.push(" AND record.customer = ").push_bind(customer.as_str().to_owned());
    }
    if let Some(email) = filter.email {
        select.push(" AND record.email = ").push_bind(email.as_str().to_owned());
    }
    if let Some(state) = filter.state {
        select.push(" AND record.state = ").push_bind(state.to_owned());
    }
    if let Some(text) = filter.text {
        let text = text.trim().to_lowercase();
        select.push(" AND (instr(record.email, ").push_bind(text.clone());
        select.push(") > 0 OR instr(lower(coalesce(first_name, '') || ' ' || coalesce(last_name, '')), ");
        select.push_bind(text).push(") > 0)");
    }
    select.push(" ORDER BY record.id LIMIT ").push_bind(filter.most).push(" + 0");
    select
}

async fn find(store: &SqliteStore, id: i64) -> sqlx::Result<Option<Record>> {
    let mut select = QueryBuilder::<Sqlite>::new(SELECT);
    select.push(" WHERE record.id = ").push_bind(id);
    select.build().fetch_optional(&store.readers).await?.as_ref().map(read).transpose()
}

async fn by_link(store: &SqliteStore, app: &AppName, link: TokenHash) -> sqlx::Result<Option<Record>> {
    let mut select = QueryBuilder::<Sqlite>::new(SELECT);
    select.push(" WHERE record.link = ").push_bind(link.as_bytes().to_vec());
    select.push(" AND record.app = ").push_bind(app.as_str().to_owned());
    select.build().fetch_optional(&store.readers).await?.as_ref().map(read).transpose()
}

async fn change(store: &SqliteStore, steps: &[Step], terms: Terms<'_>, now: Timestamp) -> sqlx::Result<Changed> {
    let mut transaction = store.begin().await?;
    let before = count(&mut transaction).await?;
    match take(&mut transaction, steps, terms, now).await? {
        Ok(ids) => {
            for (mail, expires) in terms.mails {
                outbox::insert(&mut transaction, &store.seal, mail, now, *expires).await?;
            }
            audit::append_in(&mut transaction, &store.seal, terms.entries).await?;
            let mut records = Vec::with_capacity(ids.len());
            for id in ids {
                let mut select = QueryBuilder::<Sqlite>::new(SELECT);
                select.push(" WHERE record.id = ").push_bind(id);
                records.push(read(&select.build().fetch_one(&mut *transaction).await?)?);
            }
            let after = count(&mut transaction).await?;
            transaction.commit().await?;
            Ok(Changed::Done { records, before, after })
        }
        Err(changed) => Ok(changed),
    }
}

async fn count(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    query_scalar("SELECT count FROM record_changes").fetch_one(connection).await
}

/// Takes the steps; what it gives are the records that were added or changed, or why it may not be.
async fn take(
    connection: &mut SqliteConnection,
    steps: &[Step],
    terms: Terms<'_>,
    now: Timestamp,
) -> sqlx::Result<Result<Vec<i64>, Changed>> {
    if let Some((id, version)) = terms.rests_on {
        let there =
            query_scalar::<_, i64>("SELECT count(*) FROM record WHERE id = ? AND version = ? AND state = 'active'");
        if there.bind(id).bind(version).fetch_one(&mut *connection).await? == 0 {
            return Ok(Err(Changed::Unfounded));
        }
    }
    let mut ids = Vec::new();
    for step in steps {
        match one(&mut *connection, step, now).await? {
            Ok(id) => ids.extend(id),
            Err(changed) => return Ok(Err(changed)),
        }
    }
    if let Some(owners) = terms.owners
        && !has_owner(&mut *connection, owners).await?
    {
        return Ok(Err(Changed::LastOwner));
    }
    Ok(Ok(ids))
}

async fn one(
    connection: &mut SqliteConnection,
    step: &Step,
    now: Timestamp,
) -> sqlx::Result<Result<Option<i64>, Changed>> {
    Ok(match step {
        Step::Add { entry, state, by, most } => add(connection, entry, state, (by, *most), now).await?.map(Some),
        Step::Set { id, version, entry, state, by } => {
            match set(&mut *connection, (*id, *version), entry, state, by.as_ref(), now).await? {
                Ok(()) => Ok(Some(*id)),
                Err(changed) => Err(changed),
            }
        }
        Step::Remove { id, version } => {
            let gone = query("DELETE FROM record WHERE id = ? AND version = ?")
                .bind(id)
                .bind(version)
                .execute(&mut *connection)
                .await?;
            match gone.rows_affected() {
                0 => Err(gone_or_stale(connection, *id).await?),
                _ => Ok(None),
            }
        }
        Step::Room { app, customer, most } => match has_room(connection, (app, customer), *most, now).await? {
            true => Ok(None),
            false => Err(Changed::Full),
        },
        Step::Name(organisation) => {
            name(connection, organisation, now).await?;
            Ok(None)
        }
    })
}

async fn add(
    connection: &mut SqliteConnection,
    entry: &Entry,
    state: &RecordState,
    (by, most): (&Maker, u32),
    now: Timestamp,
) -> sqlx::Result<Result<i64, Changed>> {
    // Those that only change what a list gives are none of the people that a customer has by records.
    if entry.basis == Basis::Own && !has_room(&mut *connection, (&entry.app, &entry.customer), most, now).await? {
        return Ok(Err(Changed::Full));
    }
    let (made_by, maker) = maker_columns(by);
    let insert = query(
        "INSERT INTO record (version, app, email, customer, basis, first_name, last_name, role, days_back, notes, language,
                             state, expires, sent, link, made_by, maker, made, changed)
         VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?17, ?17)
         ON CONFLICT (app, email, customer) DO NOTHING RETURNING id",
    )
    .bind(entry.app.as_str())
    .bind(entry.email.as_str());
    let insert = with_entry(insert, entry, state).bind(made_by).bind(maker).bind(micros(now));
    match insert.fetch_optional(&mut *connection).await? {
        Some(row) => Ok(Ok(row.try_get(0)?)),
        None => Ok(Err(Changed::Known)),
    }
}

/// Whether a customer may have one person more by records. An invitation that ran out takes no place; but of those, too, there are at
/// most as many.
async fn has_room(
    connection: &mut SqliteConnection,
    (app, customer): (&AppName, &CustomerId),
    most: u32,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let (over, all): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 'invited' AND expires <= ?), count(*) FROM record
         WHERE app = ? AND customer = ? AND basis = 'own'",
    )
    .bind(micros(now))
    .bind(app.as_str())
    .bind(customer.as_str())
    .fetch_one(connection)
    .await?;
    let most = i64::from(most);
    Ok(all - over < most && over <= most)
}

/// Binds what both a new record and a changed one say.
fn with_entry<'q>(query: Filling<'q>, entry: &'q Entry, state: &RecordState) -> Filling<'q> {
    query
        .bind(entry.customer.as_str())
        .bind(basis_name(entry.basis))
        .bind(entry.first_name.as_ref().map(DisplayName::as_str))
        .bind(entry.last_name.as_ref().map(DisplayName::as_str))
        .bind(entry.role.as_str())
        .bind(days(entry.days_back))
        .bind(entry.notes.as_ref().map(DisplayName::as_str))
        .bind(entry.language.map(Language::code))
        .bind(state.name())
        .bind(invited(state).map(|(expires, ..)| micros(expires)))
        .bind(invited(state).map(|(_, sent, _)| micros(sent)))
        .bind(invited(state).map(|(.., link)| link.as_bytes().to_vec()))
}

async fn set(
    connection: &mut SqliteConnection,
    (id, version): (i64, i64),
    entry: &Entry,
    state: &RecordState,
    by: Option<&Maker>,
    now: Timestamp,
) -> sqlx::Result<Result<(), Changed>> {
    let maker = by.map(maker_columns);
    let update = query(
        "UPDATE OR IGNORE record SET version = version + 1, customer = ?, basis = ?, first_name = ?, last_name = ?, role = ?,
             days_back = ?, notes = ?, language = ?, state = ?, expires = ?, sent = ?, link = ?,
             made_by = coalesce(?, made_by), maker = coalesce(?, maker), changed = ?
         WHERE id = ? AND version = ? AND app = ? AND email = ?",
    );
    let done = with_entry(update, entry, state)
        .bind(maker.as_ref().map(|(made_by, _)| *made_by))
        .bind(maker.as_ref().map(|(_, maker)| maker.as_str()))
        .bind(micros(now))
        .bind(id)
        .bind(version)
        .bind(entry.app.as_str())
        .bind(entry.email.as_str())
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(Err(gone_or_stale(connection, id).await?));
    }
    Ok(Ok(()))
}

async fn gone_or_stale(connection: &mut SqliteConnection, id: i64) -> sqlx::Result<Changed> {
    let there: i64 = query_scalar("SELECT count(*) FROM record WHERE id = ?").bind(id).fetch_one(connection).await?;
    Ok(if there == 0 { Changed::Gone } else { Changed::Stale })
}

async fn name(connection: &mut SqliteConnection, organisation: &Organisation, now: Timestamp) -> sqlx::Result<()> {
    query(
        "INSERT INTO organisation (app, id, name, founder_email, made) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (app, id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
    )
    .bind(organisation.app.as_str())
    .bind(organisation.id.as_str())
    .bind(organisation.name.as_str())
    .bind(organisation.founder.as_ref().map(Email::as_str))
    .bind(micros(now))
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a customer has an owner: by a list that no record changes, by an adjustable one where no record says otherwise, or by
/// a record that counts.
async fn has_owner(connection: &mut SqliteConnection, owners: &KeepOwner) -> sqlx::Result<bool> {
    if owners.has_fixed {
        return Ok(true);
    }
    let rows = query("SELECT email, basis, role, state FROM record WHERE app = ? AND customer = ?")
        .bind(owners.app.as_str())
        .bind(owners.customer.as_str())
        .fetch_all(connection)
        .await?;
    let mut with_record = HashSet::new();
    for row in &rows {
        let email: &str = row.try_get("email")?;
        let (basis, role, state): (&str, &str, &str) =
            (row.try_get("basis")?, row.try_get("role")?, row.try_get("state")?);
        // Somebody who is named and was invited besides has what the list gives.
        if state != RecordState::INVITED {
            with_record.insert(email.to_owned());
        }
        let is_named = owners.adjustable.iter().any(|(named, _)| named.as_str() == email);
        let counts = state == RecordState::Active.name() && (basis == basis_name(Basis::Own) || is_named);
        if counts && owners.roles.iter().any(|owner| owner.as_str() == role) {
            return Ok(true);
        }
    }
    Ok(owners.adjustable.iter().any(|(email, is_owner)| *is_owner && !with_record.contains(email.as_str())))
}

async fn changes(store: &SqliteStore) -> sqlx::Result<i64> {
    query_scalar("SELECT count FROM record_changes").fetch_one(&store.readers).await
}

async fn named(store: &SqliteStore, app: &AppName, id: &CustomerId) -> sqlx::Result<Option<Organisation>> {
    let row = query("SELECT name, founder_email FROM organisation WHERE app = ? AND id = ?")
        .bind(app.as_str())
        .bind(id.as_str())
        .fetch_optional(&store.readers)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let founder: Option<&str> = row.try_get("founder_email")?;
    Ok(Some(Organisation {
        app: app.clone(),
        id: id.clone(),
        name: DisplayName::new(row.try_get("name")?).ok_or_else(|| malformed("organisation.name"))?,
        founder: founder.map(Email::parse).transpose().map_err(|_| malformed("organisation.founder_email"))?,
    }))
}

/// When an invitation ends and was sent, and its link.
const fn invited(state: &RecordState) -> Option<(Timestamp, Timestamp, TokenHash)> {
    match state {
        RecordState::Invited { expires, link, sent } => Some((*expires, *sent, *link)),
        RecordState::Active | RecordState::Suspended => None,
    }
}

const fn basis_name(basis: Basis) -> &'static str {
    match basis {
        Basis::Own => "own",
        Basis::Adjusts => "adjusts",
    }
}

fn maker_columns(maker: &Maker) -> (&'static str, String) {
    match maker {
        Maker::Staff(name) => ("staff", name.clone()),
        Maker::Colleague(email) => ("colleague", email.to_string()),
        Maker::Erased => ("colleague", String::new()),
    }
}

fn days(days: Option<DaysBack>) -> Option<i64> {
    days.map(|days| days.limit().map_or(UNLIMITED, i64::from))
}

fn read_days(days: Option<i64>) -> sqlx::Result<Option<DaysBack>> {
    let Some(days) = days else { return Ok(None) };
    if days == UNLIMITED {
        return Ok(Some(DaysBack::Unlimited));
    }
    u32::try_from(days).map(|days| Some(DaysBack::Days(days))).map_err(|_| malformed("record.days_back"))
}

fn read(row: &SqliteRow) -> sqlx::Result<Record> {
    let text = |column: &str| -> sqlx::Result<Option<DisplayName>> {
        let text: Option<&str> = row.try_get(column)?;
        Ok(text.and_then(DisplayName::new))
    };
    let language: Option<&str> = row.try_get("language")?;
    let maker: Option<&str> = row.try_get("maker")?;
    Ok(Record {
        id: row.try_get("id")?,
        version: row.try_get("version")?,
        entry: Entry {
            app: AppName::parse(row.try_get("app")?).map_err(|_| malformed("record.app"))?,
            customer: CustomerId::parse(row.try_get("customer")?).map_err(|_| malformed("record.customer"))?,
            email: Email::parse(row.try_get("email")?).map_err(|_| malformed("record.email"))?,
            basis: match row.try_get("basis")? {
                "own" => Basis::Own,
                "adjusts" => Basis::Adjusts,
                _ => return Err(malformed("record.basis")),
            },
            first_name: text("first_name")?,
            last_name: text("last_name")?,
            role: RoleName::parse(row.try_get("role")?).map_err(|_| malformed("record.role"))?,
            days_back: read_days(row.try_get("days_back")?)?,
            notes: text("notes")?,
            language: language.and_then(Language::parse),
        },
        customer_name: text("customer_name")?,
        state: match row.try_get("state")? {
            "invited" => RecordState::Invited {
                expires: moment(row.try_get("expires")?)?,
                link: TokenHash::from_bytes(row.try_get("link")?).ok_or_else(|| malformed("record.link"))?,
                sent: moment(row.try_get("sent")?)?,
            },
            "active" => RecordState::Active,
            "suspended" => RecordState::Suspended,
            _ => return Err(malformed("record.state")),
        },
        made_by: match (row.try_get("made_by")?, maker) {
            (_, None) => Maker::Erased,
            ("staff", Some(name)) => Maker::Staff(name.to_owned()),
            ("colleague", Some(email)) => Maker::Colleague(Email::parse(email).map_err(|_| malformed("record.maker"))?),
            _ => return Err(malformed("record.made_by")),
        },
        made: moment(row.try_get("made")?)?,
        changed: moment(row.try_get("changed")?)?,
    })
}
