//! The list of a customer's people: a table on a desk, cards on a phone.

use askama::Template;
use askama::filters::HtmlSafe;
use http::StatusCode;

use crate::pages::texts::{ListTexts, PersonTexts, Sentence, Texts, fill};
use crate::pages::views::{Frame, render};
use crate::pages::{Look, Reply};

/// The facts of the list.
#[derive(Clone, Debug)]
pub struct TeamView<'a> {
    /// The customer's name.
    pub customer: &'a str,
    /// What was done a moment ago.
    pub done: Option<Done>,
    /// The people on this page.
    pub people: Vec<PersonView>,
    /// Those on this page who were invited and have not come yet.
    pub invitations: Vec<PersonView>,
    /// How many those are on all pages.
    pub open_invitations: u32,
    /// How many people there are, or were found.
    pub found: u32,
    /// What was searched for.
    pub search: &'a str,
    /// Which page, from 1.
    pub page: u32,
    /// How many pages.
    pub pages: u32,
    /// Whether whoever looks may invite somebody.
    pub can_invite: bool,
    /// Whether a list could not be asked.
    pub is_incomplete: bool,
}

/// What was done a moment ago.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Done {
    /// A change was saved.
    Saved,
    /// Somebody was removed.
    Removed,
    /// An invitation was withdrawn.
    Withdrawn,
    /// An invitation was sent again.
    Resent,
    /// Somebody was suspended.
    Suspended,
    /// Somebody was let in again.
    LetIn,
}

impl Done {
    /// All of them with their names in a query.
    const ALL: [(&str, Self); 6] = [
        ("saved", Self::Saved),
        ("removed", Self::Removed),
        ("withdrawn", Self::Withdrawn),
        ("resent", Self::Resent),
        ("suspended", Self::Suspended),
        ("let-in", Self::LetIn),
    ];

    /// The one of a name in a query.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, done)| *done)
    }

    /// The name in a query.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, done)| *done == self).map_or("", |(name, _)| name)
    }

    fn said(self, t: &ListTexts) -> &'static str {
        match self {
            Self::Saved => t.saved,
            Self::Removed => t.removed,
            Self::Withdrawn => t.withdrawn,
            Self::Resent => t.resent,
            Self::Suspended => t.suspended,
            Self::LetIn => t.let_in,
        }
    }
}

/// One person of a customer.
#[derive(Clone, Debug)]
pub struct PersonView {
    /// The name; empty where nobody knows it.
    pub name: String,
    /// The address.
    pub email: String,
    /// The role, as the operator calls it.
    pub role: String,
    /// How many days back the person sees; `None` is without limit.
    pub days_back: Option<u32>,
    /// Where the access comes from.
    pub origin: OriginView,
    /// How it stands.
    pub state: StateView,
    /// When the person logged in last, ready to read, where that is known.
    pub last_seen: Option<String>,
    /// Whether it is whoever looks.
    pub is_self: bool,
    /// The person's page, where whoever looks may change something.
    pub link: Option<String>,
    /// Why not, where that needs to be said.
    pub why: Option<WhyNot>,
}

/// Where somebody's access comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OriginView {
    /// A table.
    List,
    /// A table, and a record that changes what it says.
    ListChanged,
    /// A colleague's invitation.
    Invited {
        /// The colleague's name or address.
        by: String,
    },
    /// The app's own team.
    Added,
}

/// How somebody's access stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StateView {
    /// The person may log in.
    Active,
    /// The invitation is open.
    Invited {
        /// For so many seconds more.
        left: i64,
    },
    /// The invitation can be accepted no more.
    Expired,
    /// Nothing for now.
    Suspended,
    /// Nothing, for the role gives none.
    Without,
}

/// Why somebody's access cannot be changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhyNot {
    /// The table decides.
    TableWins,
    /// The role is above that of whoever looks.
    Above,
    /// The role is taken from nobody.
    Irrevocable,
}

impl WhyNot {
    pub(super) fn said(self, t: &PersonTexts) -> &'static str {
        match self {
            Self::TableWins => t.table_wins,
            Self::Above => t.above,
            Self::Irrevocable => t.irrevocable,
        }
    }
}

impl PersonView {
    /// The name, or the address where there is none.
    #[must_use]
    pub fn called(&self) -> &str {
        if self.name.is_empty() { &self.email } else { &self.name }
    }
}

#[derive(Template)]
#[template(path = "team.html")]
struct TeamPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    view: &'a TeamView<'a>,
    lead: Sentence<'a>,
    said: Option<&'static str>,
    found: String,
    people: &'a [PersonView],
    invitations: &'a [PersonView],
    people_table: PeopleTable<'a>,
    invitations_table: PeopleTable<'a>,
    page: String,
    previous: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeopleTable<'a> {
    t: &'static Texts,
    label: &'static str,
    rows: Vec<Row<'a>>,
}

/// True because its own template escapes every part.
impl HtmlSafe for PeopleTable<'_> {}

struct Row<'a> {
    view: &'a PersonView,
    name: &'a str,
    email: Option<&'a str>,
    days: Option<String>,
    origin: String,
    state: &'static str,
    is_off: bool,
    more: Option<String>,
    action: &'static str,
    why: Option<&'static str>,
}

/// The list of a customer's people.
#[must_use]
pub fn team(look: Look<'_>, view: &TeamView<'_>) -> Reply {
    let l = &look.texts().team.list;
    let to = |page: u32| {
        let search = percent_encoding::utf8_percent_encode(view.search, percent_encoding::NON_ALPHANUMERIC);
        match view.search {
            "" => format!("/.access/team?page={page}"),
            _ => format!("/.access/team?q={search}&page={page}"),
        }
    };
    let (page, pages) = (view.page.to_string(), view.pages.to_string());
    let reply = TeamPage {
        t: look.texts(),
        frame: Frame { broad: true, ..Frame::new(look, l.heading) },
        view,
        lead: Sentence::new(l.lead, &[("title", &look.brand.title), ("customer", view.customer)]),
        said: view.done.map(|done| done.said(l)),
        found: (l.found)(view.found),
        people: &view.people,
        invitations: &view.invitations,
        people_table: PeopleTable::new(look, l.members, &view.people),
        invitations_table: PeopleTable::new(look, l.invitations, &view.invitations),
        page: fill(l.page, &[("page", &page), ("pages", &pages)]),
        previous: (view.page > 1).then(|| to(view.page - 1)),
        next: (view.page < view.pages).then(|| to(view.page + 1)),
    };
    render(StatusCode::OK, &reply)
}

impl<'a> PeopleTable<'a> {
    fn new(look: Look<'_>, label: &'static str, people: &'a [PersonView]) -> Self {
        let texts = &look.texts().team;
        let (l, p) = (&texts.list, &texts.person);
        // Where nobody's view is limited, nobody asks whose is not.
        let has_limits = people.iter().any(|person| person.days_back.is_some());
        let rows = people.iter().map(|view| Row {
            view,
            name: view.called(),
            email: (!view.name.is_empty()).then_some(view.email.as_str()),
            days: has_limits.then(|| view.days_back.map_or_else(|| p.unlimited.to_owned(), p.days)),
            origin: view.origin.said(look),
            state: view.state.said(p),
            is_off: !matches!(view.state, StateView::Active | StateView::Invited { .. }),
            more: match (view.state, &view.last_seen) {
                (StateView::Invited { left }, _) => Some((p.left)(left)),
                (_, Some(at)) => Some(fill(p.last_seen, &[("at", at)])),
                _ => None,
            },
            action: if matches!(view.state, StateView::Invited { .. } | StateView::Expired) {
                l.open
            } else {
                l.change
            },
            why: match view.state {
                StateView::Without => Some(p.role_gone),
                _ => view.why.map(|why| why.said(p)),
            },
        });
        Self { t: look.texts(), label, rows: rows.collect() }
    }
}

impl OriginView {
    pub(super) fn said(&self, look: Look<'_>) -> String {
        let p = &look.texts().team.person;
        match self {
            Self::List => p.by_list.to_owned(),
            Self::ListChanged => p.changed_here.to_owned(),
            Self::Invited { by } if by.is_empty() => p.invited.to_owned(),
            Self::Invited { by } => fill(p.invited_by, &[("inviter", by)]),
            Self::Added => fill(p.added, &[("title", &look.brand.title)]),
        }
    }
}

impl StateView {
    pub(super) fn said(self, p: &PersonTexts) -> &'static str {
        match self {
            Self::Active => p.active,
            Self::Invited { .. } => p.open,
            Self::Expired => p.expired,
            Self::Suspended => p.suspended,
            Self::Without => p.without,
        }
    }
}
