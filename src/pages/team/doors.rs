//! The account page's part on the person's organisation: where it leads, by what the person's role lets them do.

use askama::Template;
use askama::filters::HtmlSafe;

use super::notices::Door;
use crate::pages::Look;
use crate::pages::texts::{Texts, fill};

/// What the account page leads to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DoorsView<'a> {
    /// The team.
    pub team: bool,
    /// Inviting, for who may not see the team.
    pub invite: bool,
    /// Becoming independent.
    pub independent: bool,
    /// Leaving this customer.
    pub leave: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "doors.html")]
pub(in crate::pages) struct Doors<'a> {
    t: &'static Texts,
    doors: Vec<Door<'a>>,
}

/// True because its own template escapes every part.
impl HtmlSafe for Doors<'_> {}

impl Doors<'_> {
    /// The part, where there is anything in it.
    pub(in crate::pages) fn new(look: Look<'_>, view: &DoorsView<'_>) -> Option<Self> {
        let d = &look.texts().team.doors;
        let leave = view.leave.map(|customer| fill(d.leave, &[("customer", customer)]));
        let doors: Vec<Door<'_>> = [
            view.team.then(|| ("/.access/team", d.team.to_owned())),
            (view.invite && !view.team).then(|| ("/.access/team/invite", d.invite.to_owned())),
            view.independent.then(|| ("/.access/independent", d.independent.to_owned())),
            leave.map(|leave| ("/.access/team/leave", leave)),
        ]
        .into_iter()
        .flatten()
        .map(|(href, label)| Door { href, label, is_quiet: true })
        .collect();
        (!doors.is_empty()).then_some(Self { t: look.texts(), doors })
    }
}
