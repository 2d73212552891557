//! `[[app.NAME.domains_from]]`: a table that names domains, each with its customer and its face.

use std::path::PathBuf;

use schemars::JsonSchema;

use super::Source;
use super::builder::{Builder, lift};
use super::file::Text;
use super::rules;
use crate::policy::{Condition, Scope};
use crate::types::{ColumnName, SourceName, TableName};

/// A table that names domains of an app.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainTable {
    /// Whose table.
    pub source: SourceName,
    /// Which table, where the source has several.
    pub table: Option<TableName>,
    /// Which column means what.
    pub columns: DomainColumns,
    /// The folder that logos are in.
    pub logos: Option<PathBuf>,
    /// Which rows count; all, when left out.
    pub condition: Option<Condition>,
}

/// Which column of a table of domains means what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DomainColumns {
    /// The host name.
    pub host: ColumnName,
    /// The customer that the domain is for. Without it the domain is for all customers.
    pub customer: Option<ColumnName>,
    /// The name that customers see.
    pub title: Option<ColumnName>,
    /// The colour.
    pub color: Option<ColumnName>,
    /// The name of the logo's file.
    pub logo: Option<ColumnName>,
}

impl DomainColumns {
    /// All columns that are named.
    pub fn all(&self) -> impl Iterator<Item = &ColumnName> {
        let optional = [&self.customer, &self.title, &self.color, &self.logo];
        std::iter::once(&self.host).chain(optional.into_iter().flatten())
    }
}

/// One `[[app.NAME.domains_from]]` table, just as written.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DomainTableFile {
    /// The source.
    pub(super) source: Text,
    /// The table or view, where the source has several.
    pub(super) table: Option<Text>,
    /// Column of the host name.
    host: Text,
    /// Column of the key of the customer that the domain is for; for all of them, when left out.
    customer: Option<Text>,
    /// Column of the name that customers see.
    title: Option<Text>,
    /// Column of the colour, such as #0b5fff.
    color: Option<Text>,
    /// Column of the name of the logo's file, in the folder `logos`.
    logo: Option<Text>,
    /// Folder of the logos.
    logos: Option<Text>,
    /// Which rows count: a CEL condition.
    #[serde(rename = "where")]
    condition: Option<Text>,
}

/// Builds a table from what is written, for the source that it names.
pub(super) fn table(builder: &mut Builder<'_>, file: &DomainTableFile, source: Option<&Source>) -> Option<DomainTable> {
    let mut column = |text: &Text| {
        let filled = builder.text(text)?;
        builder.keep_named(text, ColumnName::parse(&filled))
    };
    let host = column(&file.host);
    let mut optional = |text: &Option<Text>| lift(text.as_ref().map(&mut column));
    let columns = (optional(&file.customer), optional(&file.title), optional(&file.color), optional(&file.logo));
    let table = file.table.as_ref().map(|text| builder.keep_named(text, TableName::parse(&text.value)));
    let logos = file.logos.as_ref().map(|text| folder(builder, text));
    match (&file.logo, &file.logos) {
        (Some(text), None) => {
            let what = "logos come from a folder, which is not named";
            builder.problem(&text.span, what, "add `logos = \"branding\"`, a folder relative to this file");
        }
        (None, Some(text)) => {
            builder.problem(&text.span, "`logos` without `logo` shows nothing", "add `logo = \"COLUMN\"`");
        }
        _ => {}
    }
    let condition = file.condition.as_ref().map(|text| rules::condition(builder, text, Scope::Table));
    Some(DomainTable {
        source: source?.name.clone(),
        table: lift(table)?,
        columns: DomainColumns {
            host: host?,
            customer: columns.0?,
            title: columns.1?,
            color: columns.2?,
            logo: columns.3?,
        },
        logos: lift(logos)?,
        condition: lift(condition)?,
    })
}

fn folder(builder: &mut Builder<'_>, text: &Text) -> Option<PathBuf> {
    let path = builder.path(text)?;
    if path.is_dir() {
        return Some(path);
    }
    let what = format!("`{}` is not a folder", path.display());
    builder.problem(&text.span, what, "name the folder that holds the logos, relative to this file");
    None
}
