//! A walk over a JSON text, member by member and element by element.

use super::error::{Fault, JsonError};
use super::walk::{Outcome, Walk, is_blank};
use std::io::{BufRead, ErrorKind};

/// The longest string, number, or value whose type is not known beforehand. Ten histograms, as wide as possible, are
/// 5 MB of base64.
pub(super) const VALUE_BYTES_MAX: u64 = 16 * 1024 * 1024;
const KEY_BYTES_MAX: u64 = 4096;
/// The most objects and arrays nested in each other.
pub const DEPTH_MAX: usize = 64;

type Result<T> = std::result::Result<T, JsonError>;

/// Reads a JSON text forwards. It holds one key or one scalar value at a time; anything else is kept by the caller.
pub struct Scanner<'r> {
    input: Box<dyn BufRead + 'r>,
    /// Number of bytes consumed.
    at: u64,
    /// How many of these belong to values that were skipped.
    skipped: u64,
    /// Number of bytes that may be consumed without being skipped.
    kept_max: u64,
    /// Keys and indexes from the top to here.
    path: Vec<Place>,
}

enum Place {
    Key(String),
    Index(u64),
}

impl<'r> Scanner<'r> {
    pub fn new(input: impl BufRead + 'r) -> Scanner<'r> {
        Scanner::within(input, u64::MAX)
    }

    /// Makes a scanner that bounds memory: a text is an error if more than `kept_max` of its bytes are not skipped.
    pub fn within(input: impl BufRead + 'r, kept_max: u64) -> Scanner<'r> {
        Scanner {
            input: Box::new(input),
            at: 0,
            skipped: 0,
            kept_max,
            path: Vec::new(),
        }
    }

    /// Walks the next object. `member` gets each key and must consume its value.
    pub fn object<E: From<JsonError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.begin_object()?;
        let mut first = true;
        while let Some(key) = self.next_key(&mut first)? {
            member(self, &key)?;
            self.leave();
        }
        Ok(())
    }

    /// Walks the next array. `element` is called for each element and must consume it.
    pub fn array<E: From<JsonError>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.begin_array()?;
        let mut index = 0;
        while self.next_element(&mut index)? {
            element(self)?;
            self.leave();
        }
        Ok(())
    }

    /// Walks into the next object up to the value of `key` and stays there. Returns false if the object has no such
    /// key; it has been consumed then.
    pub fn find(&mut self, key: &str) -> Result<bool> {
        self.begin_object()?;
        let mut first = true;
        while let Some(found) = self.next_key(&mut first)? {
            if found == key {
                return Ok(true);
            }
            self.skip()?;
            self.leave();
        }
        Ok(false)
    }

    pub(super) fn begin_object(&mut self) -> Result<()> {
        self.expect(b'{', "an object, `{`")
    }

    pub(super) fn begin_array(&mut self) -> Result<()> {
        self.expect(b'[', "an array, `[`")
    }

    /// Returns the next key of an object that has begun, and moves to its value; `None` if the object has ended.
    /// `first` is true before the first member. [`Self::leave`] must be called after the value.
    pub(super) fn next_key(&mut self, first: &mut bool) -> Result<Option<String>> {
        if self.ends(b'}', std::mem::take(first))? {
            return Ok(None);
        }
        let key = self.key()?;
        self.expect(b':', "`:`")?;
        self.enter(Place::Key(key.clone()))?;
        Ok(Some(key))
    }

    /// Moves to the next element of an array that has begun; returns false if there is none. `index` counts from 0.
    /// [`Self::leave`] must be called after the element.
    pub(super) fn next_element(&mut self, index: &mut u64) -> Result<bool> {
        if self.ends(b']', *index == 0)? {
            return Ok(false);
        }
        self.enter(Place::Index(*index))?;
        *index += 1;
        Ok(true)
    }

    fn enter(&mut self, place: Place) -> Result<()> {
        if self.path.len() >= DEPTH_MAX {
            return Err(self.error(format!("is nested deeper than the limit of {DEPTH_MAX}")));
        }
        self.path.push(place);
        self.check_kept()
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    fn check_kept(&self) -> Result<()> {
        if self.kept() <= self.kept_max {
            return Ok(());
        }
        let what = format!(
            "is longer than the limit of {} bytes that are kept of a file",
            self.kept_max
        );
        Err(self.error(what))
    }

    /// Counts the bytes that were consumed and not skipped.
    fn kept(&self) -> u64 {
        self.at - self.skipped
    }

    /// Allows at most `more` bytes to be kept from here on, and returns the limit before for [`Self::restore_limit`].
    pub(super) fn limit_kept(&mut self, more: u64) -> u64 {
        let outer = self.kept_max;
        self.kept_max = outer.min(self.kept() + more);
        outer
    }

    pub(super) fn restore_limit(&mut self, outer: u64) {
        self.kept_max = outer;
    }

    /// Copies the bytes of the next value.
    pub fn copy(&mut self, into: &mut Vec<u8>) -> Result<()> {
        self.value(Some(into))
    }

    pub fn skip(&mut self) -> Result<()> {
        let from = self.at;
        self.value(None)?;
        self.skipped += self.at - from;
        Ok(())
    }

    /// Checks that nothing but blanks follows.
    pub fn end(&mut self) -> Result<()> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => {
                let rest = excerpt(self.buffer()?);
                Err(self.error(format!(
                    "{rest} follows the object, but the end of the file was expected"
                )))
            }
        }
    }

    /// Returns the next byte after white space, without consuming it.
    pub fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            let buffer = self.buffer()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let blanks = buffer.iter().take_while(|b| is_blank(**b)).count();
            let next = buffer.get(blanks).copied();
            self.consume(blanks);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// Reads a key, or another string, and resolves its escapes.
    fn key(&mut self) -> Result<String> {
        if self.peek()? != Some(b'"') {
            return Err(self.unexpected("a key in quotes"));
        }
        let mut bytes = Vec::new();
        self.walk(Some((&mut bytes, KEY_BYTES_MAX)))?;
        serde_json::from_slice(&bytes).map_err(|e| self.error(without_position(&e)))
    }

    /// Returns true where an object or array ends; otherwise consumes the comma before a member that is not the first.
    fn ends(&mut self, bracket: u8, first: bool) -> Result<bool> {
        match self.peek()? {
            Some(b) if b == bracket => {
                self.consume(1);
                Ok(true)
            }
            _ if first => Ok(false),
            Some(b',') => {
                self.consume(1);
                Ok(false)
            }
            _ => Err(self.unexpected(&format!("`,` or `{}`", char::from(bracket)))),
        }
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<()> {
        if self.peek()? != Some(byte) {
            return Err(self.unexpected(what));
        }
        self.consume(1);
        Ok(())
    }

    fn value(&mut self, into: Option<&mut Vec<u8>>) -> Result<()> {
        match self.peek()? {
            None | Some(b',' | b':' | b']' | b'}') => return Err(self.unexpected("a value")),
            Some(_) => {}
        }
        self.walk(into.map(|bytes| (bytes, VALUE_BYTES_MAX)))
    }

    /// Walks over one value, and copies its bytes up to a limit.
    fn walk(&mut self, mut into: Option<(&mut Vec<u8>, u64)>) -> Result<()> {
        let mut state = Walk::default();
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.fault(Fault::Io(e))),
            };
            if buffer.is_empty() {
                // A number at the top level may end with the text, but every value read here is inside an object.
                return Err(self.cut("the rest of a value"));
            }
            let step = state.step(buffer);
            if let Some((bytes, max)) = &mut into {
                if (bytes.len() + step.used) as u64 > *max {
                    let what = format!("is longer than the limit of {max} bytes");
                    return Err(self.error(what));
                }
                bytes.extend_from_slice(&buffer[..step.used]);
            }
            self.consume(step.used);
            match step.outcome {
                Outcome::More => {}
                Outcome::Done => return Ok(()),
                Outcome::Bad(what) => return Err(self.error(what)),
            }
        }
    }

    fn buffer(&mut self) -> Result<&[u8]> {
        let at = self.at;
        while let Err(e) = self.input.fill_buf() {
            if e.kind() != ErrorKind::Interrupted {
                return Err(self.fault(Fault::Io(e)));
            }
        }
        // The buffer was filled above, so this reads nothing and cannot fail.
        self.input
            .fill_buf()
            .map_err(|e| JsonError::new(Fault::Io(e)).at(at, String::new))
    }

    fn consume(&mut self, n: usize) {
        self.input.consume(n);
        self.at += n as u64;
    }

    fn unexpected(&mut self, expected: &str) -> JsonError {
        match self.buffer() {
            Err(e) => e,
            Ok([]) => self.cut(expected),
            Ok(found) => {
                let found = excerpt(&found[..found.len().min(12)]);
                self.error(format!("found {found}, expected {expected}"))
            }
        }
    }

    fn cut(&self, expected: &str) -> JsonError {
        self.fault(Fault::Cut(expected.to_owned()))
    }

    /// Makes an error at this place.
    pub fn error(&self, what: impl Into<String>) -> JsonError {
        self.fault(Fault::Wrong(what.into()))
    }

    fn fault(&self, fault: Fault) -> JsonError {
        JsonError::new(fault).at(self.at, || self.path())
    }

    /// Gives an error that has no place yet the place `byte` with this path.
    pub(super) fn place(&self, byte: u64, error: JsonError) -> JsonError {
        error.at(byte, || self.path())
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    fn path(&self) -> String {
        let mut text = String::new();
        for place in &self.path {
            match place {
                Place::Index(index) => text.push_str(&format!("[{index}]")),
                Place::Key(key) if text.is_empty() => text.push_str(key),
                Place::Key(key) => text.push_str(&format!(".{key}")),
            }
        }
        text
    }
}

/// Returns the beginning of a foreign text for a message: short, on one line.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 40;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * CHARS_MAX)]);
    let mut short: String = text.chars().take(CHARS_MAX).collect();
    if short.len() < bytes.len() {
        short.push_str("...");
    }
    format!("`{}`", short.replace(['\n', '\t'], " "))
}

/// Returns serde_json's message without line and column, which count from the beginning of a piece of the text.
pub(super) fn without_position(e: &serde_json::Error) -> String {
    let text = e.to_string();
    match text.rfind(" at line ") {
        Some(i) => text[..i].to_string(),
        None => text,
    }
}
