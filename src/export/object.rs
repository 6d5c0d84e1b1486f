//! Writes a JSON object member by member, so that a list in it may be longer than the memory.

use std::io::{Result, Write};

use serde::Serialize;

use crate::error::safe_json;

pub struct Object<'a> {
    out: &'a mut dyn Write,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub fn begin(out: &'a mut dyn Write) -> Result<Object<'a>> {
        out.write_all(b"{")?;
        Ok(Object { out, is_empty: true })
    }

    pub fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<()> {
        self.key(key)?;
        self.out.write_all(json(value)?.as_bytes())
    }

    /// Writes a list whose elements `fill` pushes.
    pub fn list(&mut self, key: &str, fill: impl FnOnce(&mut List) -> Result<()>) -> Result<()> {
        self.key(key)?;
        self.out.write_all(b"[")?;
        let mut list = List {
            out: &mut *self.out,
            is_empty: true,
        };
        fill(&mut list)?;
        self.out.write_all(b"]")
    }

    pub fn end(self) -> Result<()> {
        self.out.write_all(b"}\n")
    }

    fn key(&mut self, key: &str) -> Result<()> {
        let comma = if std::mem::take(&mut self.is_empty) {
            ""
        } else {
            ", "
        };
        write!(self.out, "{comma}{}: ", json(key)?)
    }
}

pub struct List<'a> {
    out: &'a mut dyn Write,
    is_empty: bool,
}

impl List<'_> {
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.write_all(b", ")?;
        }
        self.out.write_all(json(value)?.as_bytes())
    }
}

/// Returns a value as JSON that is safe to print: characters that a terminal would obey are escaped.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    let text = serde_json::to_string(value)?;
    Ok(safe_json(&text).into_owned())
}

/// Rounds to nanoseconds, the precision beyond which a difference of stamps has only the noise of binary fractions.
pub fn tidy(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}
