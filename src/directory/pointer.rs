//! Reads what a JSON pointer (RFC 6901) leads to out of a text, without keeping the rest of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::json::Unreadable;
use crate::policy::Value;

/// The parts of a pointer.
pub(super) fn parts(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

/// What a way leads to inside a value.
pub(super) fn look_up<'v>(value: &'v Value, way: &[String]) -> Option<&'v Value> {
    way.iter().try_fold(value, |value, part| match value {
        Value::Map(members) => members.get(part),
        Value::List(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Reads the value that a way leads to; `None` where there is none.
pub(super) fn read_one(text: &[u8], way: &[String]) -> Result<Option<Value>, Unreadable> {
    let mut twice = None;
    let value = read(text, way, &RefCell::default(), Any { twice: &mut twice })?;
    twice.map_or(Ok(value), |name| Err(Unreadable::Twice(name)))
}

/// Reads the list that a way leads to, item by item, each with the name of a member that stands twice in it; `None` where
/// there is none.
pub(super) fn read_each(
    text: &[u8],
    way: &[String],
    each: &mut dyn FnMut(Value, Option<String>) -> Result<(), Unreadable>,
) -> Result<Option<()>, Unreadable> {
    let stop = Stop::default();
    read(text, way, &stop, Items { each, stop: &stop })
}

/// Reads the first value of a text that we, or a database, wrote.
pub(super) fn read_first(text: &[u8]) -> Option<Value> {
    Any { twice: &mut None }.deserialize(&mut serde_json::Deserializer::from_slice(text)).ok()
}

/// Why reading stopped, where it was not for the text's grammar.
type Stop = RefCell<Option<Unreadable>>;

fn read<'de, S: DeserializeSeed<'de>>(
    text: &'de [u8],
    way: &[String],
    stop: &Stop,
    seed: S,
) -> Result<Option<S::Value>, Unreadable> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let found = At { way, stop, seed }.deserialize(&mut json);
    found.and_then(|found| json.end().map(|()| found)).map_err(|error| {
        stop.take().unwrap_or_else(|| match error.classify() {
            Category::Eof => Unreadable::Cut,
            Category::Data => Unreadable::NoList,
            Category::Syntax | Category::Io => Unreadable::Syntax(error.line(), error.column()),
        })
    })
}

/// Goes a way, and reads what is at its end with `seed`.
struct At<'a, S> {
    way: &'a [String],
    stop: &'a Stop,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for At<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        match self.way {
            [] => self.seed.deserialize(from).map(Some),
            _ => from.deserialize_any(self),
        }
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for At<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of JSON")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let Some((first, rest)) = self.way.split_first() else { return Ok(None) };
        let mut seed = Some(self.seed);
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            if name != *first {
                members.next_value::<IgnoredAny>()?;
            } else if let Some(seed) = seed.take() {
                found = members.next_value_seed(At { way: rest, stop: self.stop, seed })?;
            } else {
                self.stop.replace(Some(Unreadable::Twice(name)));
                return Err(A::Error::custom("twice"));
            }
        }
        Ok(found)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let Some((first, rest)) = self.way.split_first() else { return Ok(None) };
        let before = first.parse::<usize>().unwrap_or(usize::MAX);
        let mut found = None;
        for _ in 0..before {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        if let Some(value) = items.next_element_seed(At { way: rest, stop: self.stop, seed: self.seed })? {
            found = value;
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// The items of a list, one at a time.
struct Items<'a> {
    each: &'a mut dyn FnMut(Value, Option<String>) -> Result<(), Unreadable>,
    stop: &'a Stop,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        loop {
            let mut twice = None;
            let Some(item) = items.next_element_seed(Any { twice: &mut twice })? else { return Ok(()) };
            if let Err(why) = (self.each)(item, twice) {
                self.stop.replace(Some(why));
                return Err(A::Error::custom("stop"));
            }
        }
    }
}

/// Any value, as rows have them. Of a member that stands twice the first is kept, and its name told: whoever reads such an
/// object may take the other one (RFC 8259, section 4).
struct Any<'a> {
    twice: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::Decimal(value.to_string()), Value::Int))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Any { twice: &mut *self.twice })? {
            values.push(value);
        }
        Ok(Value::List(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Any { twice: &mut *self.twice })?;
            match values.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(value);
                }
                Entry::Occupied(first) => *self.twice = Some(first.key().clone()),
            }
        }
        Ok(Value::Map(values))
    }
}
