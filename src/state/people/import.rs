//! Inviting many at once, with a report line by line.

use super::invite::Mode;
use super::{Details, Hand, People, Refused, Welcome, Whom};
use crate::state::members::Record;
use crate::types::{AppName, CustomerId, Email};

/// So many lines are taken at once; a report has no more.
pub const MOST_LINES: usize = 500;

/// One person of a list.
#[derive(Clone, Debug)]
pub struct Line {
    /// The address, as it was written.
    pub address: String,
    /// What is said of the person.
    pub details: Details,
}

/// What became of a line.
#[derive(Debug)]
pub struct LineOutcome {
    /// The address as it was written.
    pub address: String,
    /// The record, where one was made; nothing where it was only tried; or why it was not.
    pub done: Result<Option<Box<Record>>, Refused>,
}

impl People {
    /// Invites many, one after the other, each by itself: what cannot be done is said, and the others are. With `tried_only`,
    /// nothing is done, and the report says what would be.
    ///
    /// What a list says twice is invited once.
    pub async fn import(
        &self,
        hand: Hand<'_>,
        (app, customer): (&AppName, &CustomerId),
        lines: &[Line],
        tried_only: bool,
    ) -> Vec<LineOutcome> {
        let mut seen = std::collections::HashSet::new();
        let mut report = Vec::with_capacity(lines.len().min(MOST_LINES));
        for line in lines.iter().take(MOST_LINES) {
            let done = match Email::parse(&line.address) {
                Err(error) => Err(error.into()),
                Ok(email) if !seen.insert(email.clone()) => Err(Refused::Known),
                Ok(email) => {
                    let whom = Whom { app, customer, email: &email };
                    let mode = if tried_only { Mode::Try } else { Mode::Do };
                    let done = self.invite_or_try(hand, whom, &line.details, Welcome::Invitation, mode).await;
                    done.map(|record| record.map(Box::new))
                }
            };
            report.push(LineOutcome { address: line.address.clone(), done });
        }
        report
    }
}
