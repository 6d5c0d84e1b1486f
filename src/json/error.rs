//! Errors in a JSON text, with their place.

use crate::error::one_line;
use serde::de::{Expected, Unexpected};
use std::fmt;

/// The number of characters of a found value that an error shows.
const FOUND_CHARS_MAX: usize = 40;

/// The reasons why reading failed.
#[derive(Debug)]
pub enum Fault {
    /// The bytes could not be read: the disk failed, or the archive that they are unpacked from is damaged.
    Io(std::io::Error),
    /// The text ends where this was expected.
    Cut(String),
    /// The text is not JSON, or not what was expected. The words follow the place in a message.
    Wrong(String),
}

/// A fault with its place.
#[derive(Debug)]
pub struct JsonError {
    pub fault: Fault,
    /// Offset from the beginning of the text; `None` until the place is known.
    byte: Option<u64>,
    /// Keys and indexes from the top to the place: `timeline[3].latency`. Empty at the top.
    path: String,
    /// A key of the object at `path` that the fault is about.
    key: Option<&'static str>,
}

impl JsonError {
    /// Makes a fault without a place. Its words may repeat what the file has, and stay on one line.
    pub(super) fn new(fault: Fault) -> JsonError {
        JsonError {
            fault: match fault {
                Fault::Wrong(what) => Fault::Wrong(one_line(&what).into_owned()),
                other => other,
            },
            byte: None,
            path: String::new(),
            key: None,
        }
    }

    pub(super) fn wrong(what: impl Into<String>) -> JsonError {
        JsonError::new(Fault::Wrong(what.into()))
    }

    /// Sets the place, unless it is set already: the first one given is the nearest.
    pub(super) fn at(mut self, byte: u64, path: impl FnOnce() -> String) -> JsonError {
        if self.byte.is_none() {
            self.byte = Some(byte);
            self.path = one_line(&path()).into_owned();
            if let Some(key) = self.key {
                let point = if self.path.is_empty() { "" } else { "." };
                self.path = format!("{}{point}{key}", self.path);
            }
        }
        self
    }

    /// Returns the place in words: ``byte 17, in `totals.failed` ``.
    pub fn place(&self) -> String {
        let byte = self.byte.unwrap_or(0);
        match self.path.is_empty() {
            true => format!("byte {byte}"),
            false => format!("byte {byte}, in `{}`", self.path),
        }
    }

    /// Returns the keys and indexes from the top to the place; empty at the top.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is wrong, without the place.
    pub fn what(&self) -> String {
        match &self.fault {
            Fault::Io(cause) => format!("cannot be read: {cause}"),
            Fault::Cut(expected) => format!("the file ends here, but {expected} was expected"),
            Fault::Wrong(what) => what.clone(),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.what())
    }
}

impl std::error::Error for JsonError {}

impl serde::de::Error for JsonError {
    fn custom<T: fmt::Display>(what: T) -> JsonError {
        JsonError::wrong(what.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> JsonError {
        JsonError::wrong(format!("found {}, expected {}", shown(found), plain(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> JsonError {
        JsonError::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> JsonError {
        JsonError::wrong(format!("has {length} elements, expected {}", plain(expected)))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> JsonError {
        let found = short(found);
        JsonError::wrong(format!("found `{found}`, expected one of {}", known.join(", ")))
    }

    fn missing_field(key: &'static str) -> JsonError {
        JsonError {
            key: Some(key),
            ..JsonError::wrong("is missing")
        }
    }

    /// Leaves the key out of the message, because the path already ends in it.
    fn duplicate_field(_key: &'static str) -> JsonError {
        JsonError::wrong("appears twice")
    }
}

/// Describes a found value in JSON's words.
fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) => format!("`\"{}\"`", short(text)),
        Unexpected::Unsigned(n) => format!("`{n}`"),
        Unexpected::Signed(n) => format!("`{n}`"),
        Unexpected::Float(n) => format!("`{n}`"),
        Unexpected::Bool(b) => format!("`{b}`"),
        Unexpected::Unit | Unexpected::Option => "`null`".to_owned(),
        Unexpected::Seq => "an array".to_owned(),
        Unexpected::Map | Unexpected::StructVariant => "an object".to_owned(),
        other => other.to_string(),
    }
}

/// Describes an expected Rust type in JSON's words.
fn plain(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" | "u64" | "usize" => "a whole number of 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "an object".to_owned(),
        other if other.starts_with("struct ") => "an object".to_owned(),
        _ => expected,
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(FOUND_CHARS_MAX) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
