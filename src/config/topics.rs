//! `[app.NAME.topic.NAME]`: what an app has to tell its customers' people, each kind of which they can switch off.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::builder::Builder;
use super::file::{At, Text};
use crate::types::{DisplayName, Language, TopicName};

/// One kind of news.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// What people know it by.
    pub title: Words,
    /// What it tells of.
    pub description: Option<Words>,
}

/// A text in one language or several.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// For who reads none of the others: the only one, or English, or the first of our languages that it has.
    standard: String,
    others: Vec<(Language, String)>,
}

impl Words {
    /// The text for a reader.
    #[must_use]
    pub fn in_language(&self, language: Language) -> &str {
        let own = self.others.iter().find(|(other, _)| *other == language);
        own.map_or(&self.standard, |(_, text)| text)
    }
}

/// One `[app.NAME.topic.NAME]` table, just as written.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TopicFile {
    /// What people know it by: a text, or one by language, such as { en = "Orders", de = "Bestellungen" }.
    title: At<WordsFile>,
    /// What it tells of: a text, or one by language.
    description: Option<At<WordsFile>>,
}

/// A text, or a table of texts by language.
#[derive(Debug)]
enum WordsFile {
    One(String),
    ByLanguage(BTreeMap<String, String>),
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = WordsFile;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(r#"a text, or texts by language such as { en = "Orders", de = "Bestellungen" }"#)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WordsFile, E> {
        Ok(WordsFile::One(text.to_owned()))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<WordsFile, M::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(WordsFile::ByLanguage)
    }
}

impl<'de> Deserialize<'de> for WordsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

impl JsonSchema for WordsFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Words".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({"type": "string"});
        let languages = Language::ALL.into_iter().map(|language| (language.code().to_owned(), text.clone().into()));
        let languages: serde_json::Map<String, serde_json::Value> = languages.collect();
        json_schema!({"oneOf": [
            text,
            {"type": "object", "properties": languages, "minProperties": 1, "additionalProperties": false},
        ]})
    }
}

/// Builds an app's topics, in the order in which they are written.
pub(super) fn topics(builder: &mut Builder<'_>, file: &BTreeMap<Text, TopicFile>) -> Vec<Topic> {
    let mut written: Vec<_> = file.iter().collect();
    written.sort_by_key(|(name, _)| name.span.start);
    written.into_iter().filter_map(|(name, file)| topic(builder, name, file)).collect()
}

fn topic(builder: &mut Builder<'_>, name: &Text, file: &TopicFile) -> Option<Topic> {
    let parsed = builder.keep_named(name, TopicName::parse(&name.value));
    let title = words(builder, &file.title);
    let description = match &file.description {
        Some(text) => Some(words(builder, text)?),
        None => None,
    };
    Some(Topic { name: parsed?, title: title?, description })
}

fn words(builder: &mut Builder<'_>, file: &At<WordsFile>) -> Option<Words> {
    fn one(builder: &mut Builder<'_>, file: &At<WordsFile>, text: &str) -> Option<String> {
        let tidy = DisplayName::new(text).map(|text| text.to_string());
        if tidy.is_none() {
            builder.problem(&file.span, "the text is empty", "write what people are to read");
        }
        tidy
    }
    let texts = match &file.value {
        WordsFile::One(text) => return Some(Words { standard: one(builder, file, text)?, others: Vec::new() }),
        WordsFile::ByLanguage(texts) => texts,
    };
    let mut others = Vec::new();
    for (code, text) in texts {
        let text = one(builder, file, text);
        // Of any other key the scan has told already.
        let Some(language) = Language::ALL.into_iter().find(|language| language.code() == code) else { continue };
        others.push((language, text?));
    }
    let first = Language::ALL.into_iter().find_map(|language| others.iter().find(|(other, _)| *other == language));
    let Some((_, standard)) = first else {
        if texts.is_empty() {
            builder.problem(&file.span, "no language has a text", "write `{ en = \"…\" }`, or the text alone");
        }
        return None;
    };
    Some(Words { standard: standard.clone(), others })
}
