//! Fields of a grant by name, and templates such as `{customer.id}` that name them.

use jiff::civil::Date;

use super::Grant;

/// A field of a grant that patterns, headers, claims and forced parameters may name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Field {
    /// `{email}`
    Email,
    /// `{name}`
    Name,
    /// `{customer.id}`
    CustomerId,
    /// `{customer.name}`
    CustomerName,
    /// `{role}`
    Role,
    /// `{days_back}`
    DaysBack,
    /// `{since}`, as `YYYY-MM-DD`
    Since,
    /// `{language}`
    Language,
    /// `{level}`: the number that config gives the role.
    Level,
    /// `{notes}`
    Notes,
    /// `{attributes.NAME}`
    Attribute(String),
}

impl Field {
    /// All fields with a name of their own.
    pub const ALL: [(&str, Self); 10] = [
        ("email", Self::Email),
        ("name", Self::Name),
        ("customer.id", Self::CustomerId),
        ("customer.name", Self::CustomerName),
        ("role", Self::Role),
        ("days_back", Self::DaysBack),
        ("since", Self::Since),
        ("language", Self::Language),
        ("level", Self::Level),
        ("notes", Self::Notes),
    ];

    fn parse(name: &str) -> Option<Self> {
        if let Some(attribute) = name.strip_prefix("attributes.").filter(|name| !name.is_empty()) {
            return Some(Self::Attribute(attribute.to_owned()));
        }
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }
}

/// A grant and what follows from it, to take fields from.
#[derive(Clone, Copy, Debug)]
pub struct FieldValues<'a> {
    /// The grant.
    pub grant: &'a Grant,
    /// The first day the person may see.
    pub since: Option<Date>,
    /// The number of the person's role.
    pub level: Option<u32>,
}

impl FieldValues<'_> {
    /// A field's value, where the grant has one.
    #[must_use]
    pub fn value(&self, field: &Field) -> Option<String> {
        let grant = self.grant;
        let customer = grant.customer.as_ref();
        match field {
            Field::Email => Some(grant.email.to_string()),
            Field::Name => grant.name.as_ref().map(ToString::to_string),
            Field::CustomerId => customer.map(|customer| customer.id.to_string()),
            Field::CustomerName => customer.and_then(|customer| customer.name.as_ref()).map(ToString::to_string),
            Field::Role => Some(grant.role.to_string()),
            Field::DaysBack => grant.days_back.map(|days| days.to_string()),
            Field::Since => self.since.map(|day| day.to_string()),
            Field::Language => grant.language.as_ref().map(ToString::to_string),
            Field::Level => self.level.map(|level| level.to_string()),
            Field::Notes => grant.notes.as_ref().map(ToString::to_string),
            Field::Attribute(name) => grant.attributes.get(name).map(ToString::to_string),
        }
    }
}

/// A text with fields in braces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    Field(Field),
}

/// A template that names no field of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidTemplate {
    /// An opening brace without a closing one, or the other way round.
    #[error("a brace is not closed or not opened")]
    Brace,
    /// No field has this name.
    #[error(
        "`{{{0}}}` is no field; fields are {{email}}, {{name}}, {{customer.id}}, {{customer.name}}, {{role}}, {{days_back}}, {{since}}, {{language}}, {{level}}, {{notes}}, {{attributes.NAME}}"
    )]
    UnknownField(String),
}

impl Template {
    /// Parses a text with fields in braces.
    ///
    /// # Errors
    /// [`InvalidTemplate`] for a stray brace or an unknown field.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let (name, after) =
                from.strip_prefix('{').and_then(|inside| inside.split_once('}')).ok_or(InvalidTemplate::Brace)?;
            let field = Field::parse(name).ok_or_else(|| InvalidTemplate::UnknownField(name.to_owned()))?;
            pieces.push(Piece::Field(field));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { source: text.to_owned(), pieces })
    }

    /// The template as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The attributes it names, which the customer lists have to bring.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field(Field::Attribute(name)) => Some(name.as_str()),
            Piece::Field(_) | Piece::Text(_) => None,
        })
    }

    /// The text with its fields filled in; `None` when one of them has no value.
    #[must_use]
    pub fn fill(&self, values: FieldValues<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Field(field) => text.push_str(&values.value(field)?),
            }
        }
        Some(text)
    }

    pub(super) fn map_text<E>(mut self, mut change: impl FnMut(&str) -> Result<String, E>) -> Result<Self, E> {
        for piece in &mut self.pieces {
            if let Piece::Text(text) = piece {
                *text = change(text)?;
            }
        }
        Ok(self)
    }
}
