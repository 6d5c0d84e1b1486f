//! The values of k6's options, and the parts of a script that cannot be evaluated, with their place and the reason.

use crate::error::printable;
use std::collections::BTreeMap;
use std::fmt;

/// The number of characters of an expression that a message repeats.
const EXCERPT_CHARS_MAX: usize = 60;
/// The number of bytes of an expression that are examined for them.
const EXCERPT_BYTES_MAX: usize = 400;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Object(Object),
    /// An expression whose value only k6 knows.
    Unread(Unread),
}

/// An expression that only k6 can evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    /// The expression as it is written, shortened to one line.
    pub source: String,
    /// The line, counted from 1.
    pub line: usize,
    pub why: String,
}

impl Unread {
    pub fn new(source: &str, line: usize, why: impl Into<String>) -> Unread {
        let cut = source.floor_char_boundary(EXCERPT_BYTES_MAX);
        let words: Vec<&str> = source[..cut].split_whitespace().collect();
        Unread {
            source: printable(&words.join(" "), EXCERPT_CHARS_MAX),
            line,
            why: why.into(),
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (line {}): {}", self.source, self.line, self.why)
    }
}

/// The fields of an object by name; the last value of a name counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    fields: BTreeMap<String, Value>,
    /// Spreads and computed keys that cannot be evaluated. Each may hold any number of fields.
    unread: Vec<Unread>,
}

impl Object {
    /// Returns a field; `None` for null as well, because both mean not set in k6.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key).filter(|value| **value != Value::Null)
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub fn set(&mut self, key: String, value: Value) {
        self.fields.insert(key, value);
    }

    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.fields.remove(key)
    }

    /// Adds all fields of `other`, which replace those of the same name.
    pub fn extend(&mut self, other: Object) {
        let Object { fields, unread } = other;
        self.fields.extend(fields);
        self.unread.extend(unread);
    }

    pub fn leave_unread(&mut self, unread: Unread) {
        self.unread.push(unread);
    }

    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.unread.is_empty()
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(truth) => Value::Bool(truth),
            serde_json::Value::Number(n) => Value::Number(n.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Array(items) => Value::List(items.into_iter().map(Value::from).collect()),
            serde_json::Value::Object(map) => {
                let mut object = Object::default();
                map.into_iter()
                    .for_each(|(key, value)| object.set(key, Value::from(value)));
                Value::Object(object)
            }
        }
    }
}

/// Writes the value as JSON, and an expression as it is written.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Number(n) => write!(f, "{n}"),
            Value::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Value::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Object(object) => {
                f.write_str("{")?;
                for (i, (key, item)) in object.iter().enumerate() {
                    let key = serde_json::Value::from(key);
                    write!(f, "{}{key}:{item}", if i > 0 { "," } else { "" })?;
                }
                f.write_str("}")
            }
            Value::Unread(unread) => f.write_str(&unread.source),
        }
    }
}
