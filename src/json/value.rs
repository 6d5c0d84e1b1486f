//! Gives serde the values of the text: numbers exactly as they are written, and errors with the key they are about.

use super::error::JsonError;
use super::scan::{Scanner, VALUE_BYTES_MAX, excerpt, without_position};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

type Result<T> = std::result::Result<T, JsonError>;

impl Scanner<'_> {
    /// Reads the next value as a `T`. Keys that `T` does not know are skipped, however long their values are.
    pub fn parse<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.peek()?;
        let begin = self.at();
        T::deserialize(Next(self)).map_err(|e| self.place(begin, e))
    }
}

/// Deserializes the next value.
struct Next<'a, 'r>(&'a mut Scanner<'r>);

impl Next<'_, '_> {
    fn container<'de, V: Visitor<'de>>(self, bracket: u8, visitor: V) -> Result<V::Value> {
        let scanner = self.0;
        if bracket == b'{' {
            scanner.begin_object()?;
            let mut members = Members {
                scanner,
                first: true,
                ended: false,
            };
            let value = visitor.visit_map(&mut members)?;
            members.end()?;
            return Ok(value);
        }
        scanner.begin_array()?;
        let mut elements = Elements {
            scanner,
            index: 0,
            ended: false,
        };
        let value = visitor.visit_seq(&mut elements)?;
        elements.end()?;
        Ok(value)
    }

    fn scalar<'de, V: Visitor<'de>>(self, first: u8, visitor: V) -> Result<V::Value> {
        match self.0.scalar(first)? {
            Scalar::Unsigned(n) => visitor.visit_u64(n),
            Scalar::Negative(n) => visitor.visit_i64(n),
            Scalar::Float(n) => visitor.visit_f64(n),
            Scalar::Text(text) => visitor.visit_string(text),
            Scalar::Bool(is) => visitor.visit_bool(is),
            Scalar::Null => visitor.visit_unit(),
        }
    }
}

/// A value that is neither an object nor an array. It is read before a visitor sees it, so that the reading is compiled
/// once and not for every type of the documents.
enum Scalar {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text(String),
    Bool(bool),
    Null,
}

impl Scanner<'_> {
    fn scalar(&mut self, first: u8) -> Result<Scalar> {
        let mut bytes = Vec::new();
        self.copy(&mut bytes)?;
        if first == b'-' || first.is_ascii_digit() {
            return number(&bytes);
        }
        Ok(match parsed(&bytes)? {
            serde_json::Value::String(text) => Scalar::Text(text),
            serde_json::Value::Bool(is) => Scalar::Bool(is),
            _ => Scalar::Null,
        })
    }
}

/// Reads a number with correct rounding. serde_json rounds correctly only if it is built for it; otherwise a number
/// could differ in the last digit when it is written again.
fn number(bytes: &[u8]) -> Result<Scalar> {
    let _: serde_json::Number = parsed(bytes)?;
    let text = String::from_utf8_lossy(bytes);
    if let Ok(n) = text.parse::<u64>() {
        return Ok(Scalar::Unsigned(n));
    }
    match text.parse::<i64>() {
        // -0 is not an integer.
        Ok(n) if n != 0 => Ok(Scalar::Negative(n)),
        _ => match text.parse::<f64>() {
            Ok(n) => Ok(Scalar::Float(n)),
            Err(_) => Err(JsonError::wrong("is not a number")),
        },
    }
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| match bytes {
        [b'"', ..] => JsonError::wrong(without_position(&e)),
        _ => JsonError::wrong(format!("found {}, expected a value", excerpt(bytes))),
    })
}

impl<'de> Deserializer<'de> for Next<'_, '_> {
    type Error = JsonError;

    /// Reads a value whose type is not known beforehand. All of it is kept, so its size is limited.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0.peek()? {
            Some(bracket @ (b'{' | b'[')) => {
                let scanner = self.0;
                let outer = scanner.limit_kept(VALUE_BYTES_MAX);
                let value = Next(scanner).container(bracket, visitor)?;
                scanner.restore_limit(outer);
                Ok(value)
            }
            Some(first) => self.scalar(first, visitor),
            None => Err(self
                .0
                .skip()
                .err()
                .unwrap_or_else(|| JsonError::wrong("is missing"))),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0.peek()? {
            Some(b'{') => self.container(b'{', visitor),
            // `visit_seq` would be wrong: a derived struct would take its fields in order.
            Some(b'[') => Err(serde::de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0.peek()? {
            Some(b'[') => self.container(b'[', visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0.peek()? {
            Some(b'n') => {
                let mut bytes = Vec::new();
                self.0.copy(&mut bytes)?;
                let () = parsed(&bytes)?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    /// Reads an enum, all of which are written as words here.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let scanner = self.0;
        scanner.peek()?;
        let begin = scanner.at();
        let word: String = scanner.parse()?;
        let word = serde::de::value::StringDeserializer::<JsonError>::new(word);
        visitor.visit_enum(word).map_err(|e| scanner.place(begin, e))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.0.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple_struct identifier
    }
}

struct Members<'a, 'r> {
    scanner: &'a mut Scanner<'r>,
    first: bool,
    ended: bool,
}

impl Members<'_, '_> {
    /// Fails if the visitor has not taken everything.
    fn end(&mut self) -> Result<()> {
        if self.ended || self.scanner.next_key(&mut self.first)?.is_none() {
            return Ok(());
        }
        Err(self.scanner.error("is one member too many"))
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_, '_> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some(key) = self.scanner.next_key(&mut self.first)? else {
            self.ended = true;
            return Ok(None);
        };
        let key = serde::de::value::StringDeserializer::<JsonError>::new(key);
        let at = self.scanner.at();
        seed.deserialize(key)
            .map(Some)
            .map_err(|e| self.scanner.place(at, e))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        self.scanner.peek()?;
        let begin = self.scanner.at();
        let value = seed.deserialize(Next(self.scanner));
        let value = value.map_err(|e| self.scanner.place(begin, e))?;
        self.scanner.leave();
        Ok(value)
    }
}

struct Elements<'a, 'r> {
    scanner: &'a mut Scanner<'r>,
    index: u64,
    ended: bool,
}

impl Elements<'_, '_> {
    /// Fails if the visitor has not taken everything.
    fn end(&mut self) -> Result<()> {
        if self.ended || !self.scanner.next_element(&mut self.index)? {
            return Ok(());
        }
        Err(self.scanner.error("is one element too many"))
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, '_> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if !self.scanner.next_element(&mut self.index)? {
            self.ended = true;
            return Ok(None);
        }
        self.scanner.peek()?;
        let begin = self.scanner.at();
        let value = seed.deserialize(Next(self.scanner));
        let value = value.map_err(|e| self.scanner.place(begin, e))?;
        self.scanner.leave();
        Ok(Some(value))
    }
}
