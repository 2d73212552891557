//! Values that may be written in more than one way: a text or a table, a number or a text.
//!
//! `serde`'s `untagged` would blur the message, so each of these says itself what it may be.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::file::{At, Text, UpstreamFile};

/// A secret: a text, or a file that holds it.
#[derive(Debug)]
pub(super) enum SecretFile {
    Text(String),
    File(String),
}

/// Where a list's role comes from.
#[derive(Debug)]
pub(super) enum RoleFromFile {
    Name(String),
    Column(String),
}

/// How many days back the people of a list may see.
#[derive(Debug)]
pub(super) enum DaysFromFile {
    Number(i64),
    Column { column: String, default: Option<i64> },
}

/// How many days back the holders of a role may see.
#[derive(Debug)]
pub(super) enum DaysOfRoleFile {
    Number(i64),
    Text(String),
}

/// Which rows are kept.
#[derive(Debug)]
pub(super) struct RowsFile {
    pub(super) at: Option<String>,
    pub(super) keep: String,
    /// Where the condition stands, if not for itself.
    pub(super) keep_span: Option<Range<usize>>,
}

/// A constant that takes a member's place.
#[derive(Debug)]
pub(super) enum ConstantFile {
    Value(serde_json::Value),
    /// JSON as text, for what TOML cannot write.
    Json(String),
}

/// The origin servers of an app.
#[derive(Debug)]
pub(super) enum UpstreamFromFile {
    Url(String),
    Table(Box<UpstreamFile>),
}

/// One origin server.
#[derive(Debug)]
pub(super) struct OriginFile {
    pub(super) url: Text,
    pub(super) weight: Option<At<i64>>,
}

trait TextOrTable: Sized {
    const EXPECTED: &'static str;
    fn from_text(text: String) -> Self;
    fn from_table(key: &str, value: String) -> Option<Self>;
}

struct TextOrTableVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: TextOrTable> Visitor<'de> for TextOrTableVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(text.to_owned()))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
        let table = BTreeMap::<String, String>::deserialize(MapAccessDeserializer::new(map))?;
        let mut entries = table.into_iter();
        match (entries.next(), entries.next()) {
            (Some((key, value)), None) => T::from_table(&key, value),
            _ => None,
        }
        .ok_or_else(|| de::Error::custom(format!("expected {}", T::EXPECTED)))
    }
}

impl TextOrTable for SecretFile {
    const EXPECTED: &'static str = r#"a text or { file = "path" }"#;
    fn from_text(text: String) -> Self {
        Self::Text(text)
    }
    fn from_table(key: &str, value: String) -> Option<Self> {
        (key == "file").then_some(Self::File(value))
    }
}

impl TextOrTable for RoleFromFile {
    const EXPECTED: &'static str = r#"a role's name, { name = "role" } or { column = "column" }"#;
    fn from_text(text: String) -> Self {
        Self::Name(text)
    }
    fn from_table(key: &str, value: String) -> Option<Self> {
        match key {
            "name" => Some(Self::Name(value)),
            "column" => Some(Self::Column(value)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for SecretFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrTableVisitor(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for RoleFromFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrTableVisitor(std::marker::PhantomData))
    }
}

impl JsonSchema for SecretFile {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [
            {"type": "string"},
            {"type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"], "additionalProperties": false},
        ]})
    }
}

impl JsonSchema for RoleFromFile {
    fn schema_name() -> Cow<'static, str> {
        "RoleFrom".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [
            {"type": "string"},
            {"type": "object", "properties": {"name": {"type": "string"}, "column": {"type": "string"}}, "additionalProperties": false},
        ]})
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = DaysOfRoleFile;
    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(r#"a number or "unlimited""#)
    }
    fn visit_i64<E>(self, number: i64) -> Result<DaysOfRoleFile, E> {
        Ok(DaysOfRoleFile::Number(number))
    }
    fn visit_str<E>(self, text: &str) -> Result<DaysOfRoleFile, E> {
        Ok(DaysOfRoleFile::Text(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for DaysOfRoleFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Number)
    }
}

struct Days;

impl<'de> Visitor<'de> for Days {
    type Value = DaysFromFile;
    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(r#"a column, a number, or { column = "column", default = number }"#)
    }
    fn visit_i64<E>(self, number: i64) -> Result<DaysFromFile, E> {
        Ok(DaysFromFile::Number(number))
    }
    fn visit_str<E>(self, text: &str) -> Result<DaysFromFile, E> {
        Ok(DaysFromFile::Column { column: text.to_owned(), default: None })
    }
    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<DaysFromFile, M::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            column: String,
            default: Option<i64>,
        }
        let Table { column, default } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(DaysFromFile::Column { column, default })
    }
}

impl<'de> Deserialize<'de> for DaysFromFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Days)
    }
}

struct Rows;

impl<'de> Visitor<'de> for Rows {
    type Value = RowsFile;
    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(r#"a condition, or { at = "data.rows", keep = "condition" }"#)
    }
    fn visit_str<E>(self, text: &str) -> Result<RowsFile, E> {
        Ok(RowsFile { at: None, keep: text.to_owned(), keep_span: None })
    }
    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<RowsFile, M::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            at: Option<String>,
            keep: toml::Spanned<String>,
        }
        let Table { at, keep } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RowsFile { at, keep_span: Some(keep.span()), keep: keep.into_inner() })
    }
}

impl<'de> Deserialize<'de> for RowsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Rows)
    }
}

struct Origins;

impl<'de> Visitor<'de> for Origins {
    type Value = UpstreamFromFile;
    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(r#""http://host:port", or a table with `servers`"#)
    }
    fn visit_str<E>(self, text: &str) -> Result<UpstreamFromFile, E> {
        Ok(UpstreamFromFile::Url(text.to_owned()))
    }
    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<UpstreamFromFile, M::Error> {
        UpstreamFile::deserialize(MapAccessDeserializer::new(map)).map(|table| UpstreamFromFile::Table(Box::new(table)))
    }
}

impl<'de> Deserialize<'de> for UpstreamFromFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Origins)
    }
}

struct Origin;

impl<'de> Visitor<'de> for Origin {
    type Value = OriginFile;
    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(r#""http://host:port", or { url = "http://host:port", weight = number }"#)
    }
    fn visit_str<E>(self, text: &str) -> Result<OriginFile, E> {
        // Its place is the whole value's, which whoever reads it has.
        Ok(OriginFile { url: At { value: text.to_owned(), span: 0..0 }, weight: None })
    }
    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<OriginFile, M::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            url: Text,
            weight: Option<At<i64>>,
        }
        let Table { url, weight } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(OriginFile { url, weight })
    }
}

impl<'de> Deserialize<'de> for OriginFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Origin)
    }
}

struct Constant;

impl<'de> Visitor<'de> for Constant {
    type Value = ConstantFile;
    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(r#"a text, a number, true, false, or { json = "null" }"#)
    }
    fn visit_bool<E>(self, value: bool) -> Result<ConstantFile, E> {
        Ok(ConstantFile::Value(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<ConstantFile, E> {
        Ok(ConstantFile::Value(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<ConstantFile, E> {
        Ok(ConstantFile::Value(value.into()))
    }
    fn visit_str<E>(self, value: &str) -> Result<ConstantFile, E> {
        Ok(ConstantFile::Value(value.into()))
    }
    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<ConstantFile, M::Error> {
        let mut table = BTreeMap::<String, String>::deserialize(MapAccessDeserializer::new(map))?;
        match (table.remove("json"), table.is_empty()) {
            (Some(text), true) => Ok(ConstantFile::Json(text)),
            _ => Err(de::Error::custom(r#"expected { json = "…" }"#)),
        }
    }
}

impl<'de> Deserialize<'de> for ConstantFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Constant)
    }
}

impl JsonSchema for DaysOfRoleFile {
    fn schema_name() -> Cow<'static, str> {
        "DaysOfRole".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [{"type": "integer", "minimum": 0, "maximum": 36500}, {"type": "string", "enum": ["unlimited"]}]})
    }
}

impl JsonSchema for DaysFromFile {
    fn schema_name() -> Cow<'static, str> {
        "DaysFrom".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = json_schema!({"type": "integer", "minimum": 0, "maximum": 36500});
        json_schema!({"oneOf": [
            {"type": "string"},
            number,
            {"type": "object", "properties": {"column": {"type": "string"}, "default": number}, "required": ["column"], "additionalProperties": false},
        ]})
    }
}

impl JsonSchema for RowsFile {
    fn schema_name() -> Cow<'static, str> {
        "Rows".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [
            {"type": "string"},
            {"type": "object", "properties": {"at": {"type": "string"}, "keep": {"type": "string"}}, "required": ["keep"], "additionalProperties": false},
        ]})
    }
}

impl JsonSchema for ConstantFile {
    fn schema_name() -> Cow<'static, str> {
        "Constant".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [
            {"type": "string"},
            {"type": "integer"},
            {"type": "number"},
            {"type": "boolean"},
            {"type": "object", "properties": {"json": {"type": "string"}}, "required": ["json"], "additionalProperties": false},
        ]})
    }
}

impl JsonSchema for UpstreamFromFile {
    fn schema_name() -> Cow<'static, str> {
        "UpstreamFrom".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<UpstreamFile>();
        json_schema!({"anyOf": [{"type": "string"}, table]})
    }
}

impl JsonSchema for OriginFile {
    fn schema_name() -> Cow<'static, str> {
        "Origin".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [
            {"type": "string"},
            {"type": "object", "properties": {"url": {"type": "string"}, "weight": {"type": "integer"}}, "required": ["url"], "additionalProperties": false},
        ]})
    }
}
