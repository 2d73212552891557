//! Independence: a person of a customer turns into an organisation of their own.

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;

use super::commit::Told;
use super::letters::{addressed, language_of};
use super::team::{Standing, Strength};
use super::{Hand, People, Refused, Right, Whom};
use crate::config::App;
use crate::pages::Look;
use crate::pages::people_mail::{IndependenceNews, founded_letter, parted_letter, taken_along_letter};
use crate::policy::{Customer, DaysBack, NotAllowed, PortalRight, Row};
use crate::session::Token;
use crate::state::audit::Deed;
use crate::state::members::{Basis, Entry, Organisation, Record, RecordState, Step};
use crate::state::ports::OutgoingMail;
use crate::types::{CustomerId, DisplayName, Email};

/// So many of those who look after the old customer are told.
const MOST_TOLD: usize = 20;
/// How long the mails that tell of it are worth sending.
const WORTH_SENDING: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);
/// A key that is taken is drawn again, so often.
const DRAWS: u32 = 4;

/// Somebody has become independent.
#[derive(Clone, Debug)]
pub struct Founded {
    /// The key of the new customer.
    pub customer: CustomerId,
    /// The records that went over.
    pub went_over: Vec<Record>,
}

impl People {
    /// The records that a person could take along: of those whom they invited themself, and who are not above them.
    ///
    /// # Errors
    /// [`Refused`] where they may not become independent.
    pub async fn may_go_over(&self, hand: Hand<'_>, whom: Whom<'_>) -> Result<Vec<Record>, Refused> {
        let app = self.app(whom.app)?;
        let standing = self.standing(&app, hand, whom.customer).await?;
        standing.has(PortalRight::Independent)?;
        self.companions(&app, &standing, whom).await
    }

    async fn companions(&self, app: &App, standing: &Standing<'_>, whom: Whom<'_>) -> Result<Vec<Record>, Refused> {
        let (mut records, _) = self.all_records(&app.name, whom.customer).await?;
        records.retain(|record| {
            record.is_by(whom.email)
                && record.is_own()
                && record.entry.email != *whom.email
                // Whom somebody suspended is not set free by going over.
                && record.state != RecordState::Suspended
                && standing.may_touch(&record.entry.role).is_ok()
        });
        Ok(records)
    }

    /// Makes a person an organisation of their own, in one step: the new customer with this name, them as its owner, those of the
    /// records that they chose ([`Self::may_go_over`]), and the end of their access to the old customer.
    ///
    /// # Errors
    /// [`Refused`], and nothing was done.
    pub async fn found(
        &self,
        hand: Hand<'_>,
        whom: Whom<'_>,
        name: &DisplayName,
        chosen: &[i64],
    ) -> Result<Founded, Refused> {
        let app = self.app(whom.app)?;
        let standing = self.standing(&app, hand, whom.customer).await?;
        standing.has(PortalRight::Independent)?;
        let Strength::Colleague { plan, .. } = &standing.right else { return Err(NotAllowed::NoRight.into()) };
        let owner_role = plan.owner_role.clone().ok_or(NotAllowed::UnknownRole)?;
        let companions = self.companions(&app, &standing, whom).await?;
        let chosen: Vec<&Record> = companions.iter().filter(|record| chosen.contains(&record.id)).collect();
        let customer = self.new_customer(&app).await?;
        let as_customer = Customer { id: customer.clone(), name: Some(name.clone()) };
        // Somebody who would be let in by nothing must not be out of the old customer first.
        if app.policy.admits(&owner_role, &Row::default(), Some(&as_customer), hand.scene.now).is_err() {
            return Err(NotAllowed::UnknownRole.into());
        }
        let mut ready = self.ending(&app, hand, whom).await?;
        let mut steps = vec![Step::Name(Organisation {
            app: app.name.clone(),
            id: customer.clone(),
            name: name.clone(),
            founder: Some(whom.email.clone()),
        })];
        let there = Whom { customer: &customer, ..whom };
        ready.told.push(Told::of(Deed::Parted, whom, Some(format!("founded {customer}"))));
        ready.told.push(Told::of(Deed::Founded, there, Some(format!("role {owner_role}"))));
        for record in &chosen {
            let goes = Whom { email: &record.entry.email, ..whom };
            ready.told.push(Told::of(Deed::HandedOver, goes, Some(format!("to {customer}"))));
            ready.told.push(Told::of(Deed::Made, Whom { customer: &customer, ..goes }, Some("handed over".to_owned())));
            steps.push(Step::Set {
                id: record.id,
                version: record.version,
                entry: Box::new(Entry { customer: customer.clone(), ..record.entry.clone() }),
                state: record.state.clone(),
                by: None,
            });
        }
        // The end of the old access before the new one: where the record goes, its place is free.
        steps.append(&mut ready.steps);
        let owner = self.owner_entry(&standing, there, owner_role).await?;
        steps.push(Step::Add { entry: Box::new(owner), state: RecordState::Active, by: hand.maker(), most: u32::MAX });
        ready.steps = steps;
        ready.mails = self.tell_all(&app, hand, &standing, (whom, there), name, &chosen).await?;
        let mut records = self.commit(&app.name, hand, &ready).await?;
        records.retain(|record| record.entry.customer == customer && record.entry.email != *whom.email);
        Ok(Founded { customer, went_over: records })
    }

    /// A key that no table and no organisation has.
    async fn new_customer(&self, app: &App) -> Result<CustomerId, Refused> {
        for _ in 0..DRAWS {
            let token = Token::generate();
            let random = token.bytes().first_chunk::<16>().map(|bytes| BASE32_NOPAD.encode(bytes));
            let text = format!("org-{}", random.unwrap_or_default().to_ascii_lowercase());
            let Ok(id) = CustomerId::parse(&text) else { continue };
            let is_named = !self.tables.of_customer(&app.name, &id, 1).await.people.is_empty();
            if !is_named && self.store.organisation(&app.name, &id).await?.is_none() {
                return Ok(id);
            }
        }
        Err(Refused::Stale)
    }

    async fn owner_entry(
        &self,
        standing: &Standing<'_>,
        there: Whom<'_>,
        role: crate::types::RoleName,
    ) -> Result<Entry, Refused> {
        let Strength::Colleague { name, days_back, language, .. } = &standing.right else {
            return Err(NotAllowed::NoRight.into());
        };
        Ok(Entry {
            app: there.app.clone(),
            customer: there.customer.clone(),
            email: there.email.clone(),
            basis: Basis::Own,
            first_name: name.clone(),
            last_name: None,
            role,
            // Nobody sees further back by leaving.
            days_back: days_back.map(DaysBack::Days),
            notes: None,
            language: *language,
        })
    }

    /// The mails to whoever founded it, to those who go along, and to those who look after the customer that they left.
    async fn tell_all(
        &self,
        app: &App,
        hand: Hand<'_>,
        standing: &Standing<'_>,
        (old, new): (Whom<'_>, Whom<'_>),
        name: &DisplayName,
        along: &[&Record],
    ) -> Result<Vec<(OutgoingMail, Timestamp)>, Refused> {
        let Strength::Colleague { customer_name, name: person, language, .. } = &standing.right else {
            return Err(NotAllowed::NoRight.into());
        };
        // Not from where they are now: that domain may be the old customer's own.
        let site = self.site_for(app, Hand { right: Right::Staff, ..hand }, new.customer).ok_or(Refused::NoDomain)?;
        let link = format!("{}/", (self.origin_of)(&site.domain.host));
        let left = customer_name.as_ref().map_or_else(|| old.customer.to_string(), ToString::to_string);
        let person = person.as_ref().map_or_else(|| old.email.to_string(), ToString::to_string);
        let news = IndependenceNews {
            person: &person,
            left: &left,
            founded: name.as_str(),
            went_over: u32::try_from(along.len()).unwrap_or(u32::MAX),
            link: &link,
        };
        let until = hand.scene.now.checked_add(WORTH_SENDING).unwrap_or(Timestamp::MAX);
        let look = |language| Look { brand: &site.domain.brand, language };
        let own = founded_letter(look(language.unwrap_or(hand.language)), &news);
        let mut mails = vec![(addressed(old.email, own), until)];
        for Entry { email, language, .. } in along.iter().map(|record| &record.entry) {
            let letter = taken_along_letter(look(language.unwrap_or(hand.language)), &news);
            mails.push((addressed(email, letter), until));
        }
        for (email, language) in self.who_looks_after(app, old, hand, along).await? {
            mails.push((addressed(&email, parted_letter(look(language), &news)), until));
        }
        Ok(mails)
    }

    /// Those who may take a customer's people their access away, with their languages; but for one of them and those who go along.
    async fn who_looks_after(
        &self,
        app: &App,
        old: Whom<'_>,
        hand: Hand<'_>,
        along: &[&Record],
    ) -> Result<Vec<(Email, crate::types::Language)>, Refused> {
        let as_staff = Hand { right: Right::Staff, ..hand };
        let team = self.team(as_staff, &app.name, old.customer).await?;
        let looks_after = team.members.into_iter().filter(|member| {
            member.email != *old.email
                && along.iter().all(|record| record.entry.email != member.email)
                && member.state == super::MemberState::Active
                && app.policy.roles.gives(&member.role, PortalRight::Remove)
        });
        let told = looks_after.take(MOST_TOLD).map(|member| {
            let language = language_of(member.language.map(crate::types::Language::code), hand.language);
            (member.email, language)
        });
        Ok(told.collect())
    }
}
