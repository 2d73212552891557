//! A row of an answer, as conditions see it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A row of an answer: a value of JSON, or a line of CSV by its columns.
#[derive(Clone, Debug)]
pub struct Element(cel::Value);

/// Bytes that are no row that could be judged.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidElement(String);

impl Element {
    /// Reads one value of JSON. A member that stands twice in an object makes it invalid: whoever reads the answer may take the
    /// other one (RFC 8259, section 4).
    ///
    /// # Errors
    /// When the bytes are not one value of JSON.
    pub fn from_json(bytes: &[u8]) -> Result<Self, InvalidElement> {
        serde_json::from_slice::<Json>(bytes)
            .map(|Json(value)| Self(value))
            .map_err(|error| InvalidElement(error.to_string()))
    }

    /// A line of a table, every field a text.
    #[must_use]
    pub fn from_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self(fields.map(|(name, text)| (name.to_owned(), cel::Value::from(text))).collect::<HashMap<_, _>>().into())
    }

    pub(super) fn into_value(self) -> cel::Value {
        self.0
    }

    pub(super) fn value(&self) -> &cel::Value {
        &self.0
    }
}

struct Json(cel::Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Json)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = cel::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of JSON")
    }
    fn visit_unit<E>(self) -> Result<cel::Value, E> {
        Ok(cel::Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<cel::Value, E> {
        Ok(cel::Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<cel::Value, E> {
        Ok(cel::Value::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<cel::Value, E> {
        Ok(i64::try_from(value).map_or(cel::Value::UInt(value), cel::Value::Int))
    }
    fn visit_f64<E>(self, value: f64) -> Result<cel::Value, E> {
        Ok(cel::Value::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<cel::Value, E> {
        Ok(cel::Value::from(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<cel::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Json(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(cel::Value::List(Arc::new(values)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<cel::Value, A::Error> {
        let mut values = HashMap::new();
        while let Some((name, Json(value))) = members.next_entry::<String, Json>()? {
            if values.insert(name.clone(), value).is_some() {
                return Err(de::Error::custom(format!("the member `{name}` stands twice")));
            }
        }
        Ok(values.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_stands_twice_cannot_be_judged() {
        assert!(Element::from_json(br#"{"a":1,"b":{"a":2}}"#).is_ok());
        assert!(Element::from_json(br#"{"a":1,"b":2,"\u0061":3}"#).is_err());
        assert!(Element::from_json(br#"{"a":1} 2"#).is_err());
        assert!(Element::from_json(b"").is_err());
    }
}
