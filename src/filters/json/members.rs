//! Which members a rule speaks of: its names and ways in a form that is quick to walk along with the answer.

use crate::policy::{Filters, MemberPath, RowsAt, Step};

/// What is done with a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// It passes; inside it the search goes on.
    Keep,
    /// It goes, with its name.
    Hide,
    /// The constant of this number takes its place.
    Set(u32),
}

impl Action {
    /// What two rules on one member come to: hiding wins, then what the more exact one says.
    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Hide, _) | (_, Self::Hide) => Self::Hide,
            (Self::Keep, other) => other,
            (set, _) => set,
        }
    }
}

/// A place on the configured ways, or none of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place(u32);

impl Place {
    /// The top of the document.
    pub(super) const TOP: Self = Self(0);
    /// Where no way leads.
    pub(super) const OFF: Self = Self(u32::MAX);
}

/// The names and ways of `hide` and `set`, and the way to the rows.
#[derive(Debug)]
pub(super) struct Members {
    anywhere: Vec<(Vec<u8>, Action)>,
    /// A bit for each length that a name of `anywhere` has; the last one is for all longer ones.
    lengths: u64,
    places: Vec<Node>,
    /// The array of rows, when a way leads to it.
    rows: Place,
    constants: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Node {
    names: Vec<(Vec<u8>, Place)>,
    each: Place,
    action: Action,
    /// Whether the way to the rows goes on into each element here.
    leads_to_rows: bool,
}

impl Node {
    const NEW: Self = Self { names: Vec::new(), each: Place::OFF, action: Action::Keep, leads_to_rows: false };
}

impl Members {
    pub(super) fn new(filters: &Filters) -> Self {
        let mut members =
            Self { anywhere: Vec::new(), lengths: 0, places: vec![Node::NEW], rows: Place::OFF, constants: Vec::new() };
        for path in &filters.hide {
            members.add(path, Action::Hide);
        }
        for (path, value) in &filters.set {
            let number = u32::try_from(members.constants.len()).unwrap_or(u32::MAX);
            members.constants.push(value.to_string().into_bytes());
            members.add(path, Action::Set(number));
        }
        if let Some(RowsAt::Path(path)) = filters.rows.as_ref().map(|rows| &rows.at) {
            members.rows = members.way_to_rows(path);
        }
        members
    }

    fn add(&mut self, path: &MemberPath, action: Action) {
        match path {
            MemberPath::Anywhere(name) => {
                self.lengths |= length_bit(name.len());
                self.anywhere.push((name.clone().into_bytes(), action));
            }
            MemberPath::From(steps) => {
                let place = steps.iter().fold(Place::TOP, |place, step| self.step(place, step));
                if let Some(node) = self.node_mut(place) {
                    node.action = node.action.or(action);
                }
            }
        }
    }

    /// `rows` and `rows[]` say the same here: the elements of that array are the rows.
    fn way_to_rows(&mut self, path: &MemberPath) -> Place {
        let steps = match path {
            MemberPath::Anywhere(name) => &[Step::Name(name.clone())][..],
            MemberPath::From(steps) => steps.strip_suffix(&[Step::Each]).unwrap_or(steps),
        };
        let mut place = Place::TOP;
        for step in steps {
            if *step == Step::Each
                && let Some(node) = self.node_mut(place)
            {
                node.leads_to_rows = true;
            }
            place = self.step(place, step);
        }
        place
    }

    fn step(&mut self, from: Place, step: &Step) -> Place {
        let next = Place(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        let Some(node) = self.node_mut(from) else { return Place::OFF };
        match step {
            Step::Each if node.each != Place::OFF => return node.each,
            Step::Each => node.each = next,
            Step::Name(name) => {
                if let Some((_, place)) =
                    node.names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
                {
                    return *place;
                }
                node.names.push((name.clone().into_bytes(), next));
            }
        }
        self.places.push(Node::NEW);
        next
    }

    fn node(&self, place: Place) -> Option<&Node> {
        self.places.get(place.0 as usize)
    }

    fn node_mut(&mut self, place: Place) -> Option<&mut Node> {
        self.places.get_mut(place.0 as usize)
    }

    /// Whether the name of a member in an object at this place makes any difference.
    pub(super) fn looks_at_names(&self, object: Place) -> bool {
        self.lengths != 0 || object != Place::OFF
    }

    /// What is done with a member of an object, and where it leads.
    #[inline]
    pub(super) fn member(&self, object: Place, name: &[u8]) -> (Action, Place) {
        let mut action = Action::Keep;
        let mut place = Place::OFF;
        if let Some(node) = self.node(object)
            && let Some((_, next)) = node.names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            place = *next;
            action = self.action(place);
        }
        if self.lengths & length_bit(name.len()) != 0 {
            let found = self.anywhere.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            action = found.fold(action, |action, (_, other)| action.or(*other));
        }
        (action, place)
    }

    /// What is done with the value at a place of a way.
    pub(super) fn action(&self, place: Place) -> Action {
        self.node(place).map_or(Action::Keep, |node| node.action)
    }

    /// Where the elements of an array are.
    pub(super) fn each(&self, array: Place) -> Place {
        self.node(array).map_or(Place::OFF, |node| node.each)
    }

    /// Whether the rule's rows are the elements of what stands here.
    pub(super) fn is_rows(&self, place: Place) -> bool {
        place == self.rows && place != Place::OFF
    }

    /// Whether the rows are further inside each element of an array here.
    pub(super) fn leads_to_rows(&self, array: Place) -> bool {
        self.node(array).is_some_and(|node| node.leads_to_rows)
    }

    /// A constant of `set`, as JSON.
    pub(super) fn constant(&self, number: u32) -> &[u8] {
        self.constants.get(number as usize).map_or(b"null", Vec::as_slice)
    }
}

#[inline]
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}
