//! What people decided beside the lists, and which of the two counts.

use std::sync::Arc;

use jiff::Timestamp;

use super::facts::RecordFacts;
use crate::config::App;
use crate::directory::Trace;
use crate::policy::{Grant, Refusal};
use crate::state::members::{Maker, Record, RecordState};
use crate::state::people::{Weighed, Weight, combine};
use crate::state::ports::{Known, Unavailable};

/// The grants that are left in the end, and what each record came to.
pub(super) struct Told {
    pub(super) grants: Vec<Arc<Grant>>,
    pub(super) facts: Vec<RecordFacts>,
    pub(super) unreadable: Option<String>,
}

/// Holds records against what the lists said.
pub(super) fn weigh(app: &App, trace: &Trace, records: Result<Vec<Record>, String>, at: Timestamp) -> Told {
    let (records, unreadable) = match records {
        Ok(records) => (records, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    if unreadable.is_some() {
        // Perhaps one of them keeps the person out.
        return Told { grants: Vec::new(), facts: Vec::new(), unreadable };
    }
    let combined = combine(&app.policy, &known(app, trace, at), records, at);
    let facts = combined.weighed.iter().map(|weighed| facts(app, weighed, at)).collect();
    Told { grants: combined.grants, facts, unreadable }
}

/// What the lists said, as the gateway knows it.
fn known(app: &App, trace: &Trace, at: Timestamp) -> Known {
    let unasked = trace.lists.iter().filter(|list| list.rows.is_err());
    let unasked = unasked.filter_map(|list| Some(app.policy.lists.get(list.number)?.name.clone()));
    let ambiguous = trace.ambiguous.iter().filter_map(|refusal| match refusal {
        Refusal::Ambiguous { customer, .. } => Some(customer.clone()),
        _ => None,
    });
    let missing = trace.lists.iter().find_map(|list| list.rows.as_ref().err());
    let missing = missing.map(|cause| Unavailable { source_name: app.name.to_string(), cause: cause.clone() });
    Known { unasked: unasked.collect(), ambiguous: ambiguous.collect(), missing, ..Known::of(trace.grants.clone(), at) }
}

fn facts(app: &App, Weighed { record, weight }: &Weighed, at: Timestamp) -> RecordFacts {
    let expires = match record.state {
        RecordState::Invited { expires, .. } => Some(expires),
        RecordState::Active | RecordState::Suspended => None,
    };
    let (why, advice) = match weight {
        Weight::LetsIn => ("no list names the person for this customer, so the record lets them in".to_owned(), None),
        Weight::Changes(list) => (format!("list `{list}` is adjustable, so the record decides on role and days back"), None),
        Weight::KeepsOut(list) => (
            format!("list `{list}` is adjustable, and the record is suspended: it keeps the person out"),
            Some("let the record count again".to_owned()),
        ),
        Weight::TableWins(list) => (
            format!("list `{list}` names the person and is not adjustable, so the table wins"),
            None,
        ),
        Weight::NothingToChange => (
            "it changes what an adjustable list gives, and no list names the person for this customer any more".to_owned(),
            Some("invite the person, or put them back into the table".to_owned()),
        ),
        Weight::Suspended => ("it is suspended".to_owned(), Some("let the record count again".to_owned())),
        Weight::Invited if expires.is_some_and(|expires| expires <= at) => (
            "the invitation was not accepted in time".to_owned(),
            Some("send the invitation again".to_owned()),
        ),
        Weight::Invited => (
            "the person was invited and has not come yet; whoever invited them must still be able to give the role then".to_owned(),
            Some("have the person log in with this address".to_owned()),
        ),
        Weight::Ambiguous => (
            "the rows above contradict each other, and then a record decides nothing".to_owned(),
            Some("leave one of the rows".to_owned()),
        ),
        Weight::Unasked(list) => (
            format!("list `{list}` cannot be asked; it might name the person as less, and would win"),
            Some("make its source readable".to_owned()),
        ),
        Weight::Role(refusal) => {
            (refusal.to_string(), Some(format!("give the record another role of app `{}`", app.name)))
        }
        Weight::Staff => ("the person is one of the workspace's own, who are never customers".to_owned(), None),
    };
    RecordFacts {
        id: record.id,
        customer: record.entry.customer.to_string(),
        role: record.entry.role.to_string(),
        state: record.state.name(),
        expires: expires.map(|expires| format!("{expires:.0}")),
        made_by: match &record.made_by {
            Maker::Staff(name) => format!("staff {name}"),
            Maker::Colleague(email) => format!("colleague {email}"),
            Maker::Erased => "somebody whose data was erased".to_owned(),
        },
        counts: matches!(weight, Weight::LetsIn | Weight::Changes(_) | Weight::KeepsOut(_)),
        why,
        advice,
    }
}
