//! JSON whose keys do not repeat.
//!
//! RFC 8259 leaves a repeated key to the reader, and parsers keep the last one without a word. In a file that a person wrote
//! the two disagree, and which one was meant is not known: it is refused.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// The value of a JSON text. Errors: not JSON, not of that shape, a key twice in one object (with line and column).
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<Unrepeated>(text)?;
    serde_json::from_str(text)
}

/// Any value in which no object has a key twice.
struct Unrepeated;

impl<'de> Deserialize<'de> for Unrepeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Unrepeated;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Unrepeated, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format_args!("key {key:?} stands twice; keep one of the two")));
            }
            keys.insert(key);
            entries.next_value::<Unrepeated>()?;
        }
        Ok(Unrepeated)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unrepeated, A::Error> {
        while list.next_element::<Unrepeated>()?.is_some() {}
        Ok(Unrepeated)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }

    fn visit_unit<E>(self) -> Result<Unrepeated, E> {
        Ok(Unrepeated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn law_sound_json_is_read() {
        let text = r#"{"a": [1, -2, 2.5, null, true, "x", {"b": {}}], "b": {"a": 1}, "A": 3}"#;
        assert_eq!(read::<Value>(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn alarm_a_key_that_stands_twice_is_refused_wherever_it_is() {
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"x": {"a": 1, "b": 2, "a": 3}}"#,
            r#"[0, {"y": [{"a": {}, "a": []}]}]"#,
            "{\"a\": 1, \"\\u0061\": 2}",
        ] {
            assert!(serde_json::from_str::<Value>(text).is_ok(), "the parser alone takes it: {text}");
            let error = read::<Value>(text).expect_err(text).to_string();
            assert!(error.contains("key \"a\" stands twice") && error.contains("line 1"), "{error}");
        }
    }
}
