//! JSON of any size, walked member by member: what is wanted is parsed, what is not goes by unseen. Holds one
//! member at most.

use super::error::{ReadError, Result, TAKES, excerpt};
use serde::de::DeserializeOwned;
use std::io::{BufRead, ErrorKind};

/// One member that is parsed. Ten histograms, the widest possible, are 5 MB of base64.
pub const MEMBER_BYTES_MAX: usize = 16 * 1024 * 1024;
const KEY_BYTES_MAX: usize = 4096;
const DEPTH_MAX: usize = 64;

pub struct Scanner<R> {
    input: R,
    /// Bytes consumed.
    at: u64,
    /// Keys from the top to here.
    path: Vec<String>,
}

impl<R: BufRead> Scanner<R> {
    pub fn new(input: R) -> Scanner<R> {
        Scanner {
            input,
            at: 0,
            path: Vec::new(),
        }
    }

    /// The object that comes next. `member` gets each key and must consume its value.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        self.expect(b'{', "an object, `{`")?;
        if self.peek()? == Some(b'}') {
            self.consume(1);
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.expect(b':', "`:`")?;
            if self.path.len() >= DEPTH_MAX {
                return Err(self.error(format!("is nested deeper than {DEPTH_MAX}")));
            }
            self.path.push(key);
            let key = self.path[self.path.len() - 1].clone();
            member(self, &key)?;
            self.path.pop();
            if self.next_or_end(b'}')? {
                return Ok(());
            }
        }
    }

    /// The array that comes next. `element` must consume what it is called for.
    pub fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(b'[', "an array, `[`")?;
        if self.peek()? == Some(b']') {
            self.consume(1);
            return Ok(());
        }
        loop {
            element(self)?;
            if self.next_or_end(b']')? {
                return Ok(());
            }
        }
    }

    /// The value that comes next.
    pub fn parse<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut bytes = Vec::new();
        self.peek()?;
        let begin = self.at;
        self.copy(&mut bytes)?;
        serde_json::from_slice(&bytes).map_err(|e| {
            let offset = begin + offset(&bytes, e.line(), e.column());
            self.error_at(offset, without_position(&e))
        })
    }

    /// The bytes of the value that comes next.
    pub fn copy(&mut self, into: &mut Vec<u8>) -> Result<()> {
        self.value(Some(into))
    }

    pub fn skip(&mut self) -> Result<()> {
        self.value(None)
    }

    /// Nothing may follow.
    pub fn end(&mut self) -> Result<()> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => {
                let rest = excerpt(self.buffer()?);
                Err(self.error(format!("{rest} follows the object, expected the end of the file")))
            }
        }
    }

    /// The byte that comes next after white space.
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

    fn key(&mut self) -> Result<String> {
        if self.peek()? != Some(b'"') {
            return Err(self.unexpected("a key in quotes"));
        }
        let mut bytes = Vec::new();
        self.walk(Some((&mut bytes, KEY_BYTES_MAX)))?;
        serde_json::from_slice(&bytes).map_err(|e| self.error(without_position(&e)))
    }

    /// Behind a member or an element: true where the object or array ends.
    fn next_or_end(&mut self, end: u8) -> Result<bool> {
        match self.peek()? {
            Some(b',') => self.consume(1),
            Some(b) if b == end => {
                self.consume(1);
                return Ok(true);
            }
            _ => return Err(self.unexpected(&format!("`,` or `{}`", end as char))),
        }
        Ok(false)
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
        self.walk(into.map(|bytes| (bytes, MEMBER_BYTES_MAX)))
    }

    /// Over one value, copying its bytes up to a limit.
    fn walk(&mut self, mut into: Option<(&mut Vec<u8>, usize)>) -> Result<()> {
        let mut state = Walk::default();
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(ReadError::io(&e, format!("byte {}", self.at))),
            };
            if buffer.is_empty() {
                // A number at the top needs no end; here every value is inside an object.
                return Err(self.cut("the rest of a value"));
            }
            let step = state.step(buffer);
            if let Some((bytes, max)) = &mut into {
                if bytes.len() + step.used > *max {
                    let what = format!("is longer than the maximum, {max} bytes");
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
        while let Err(e) = self.input.fill_buf() {
            if e.kind() != ErrorKind::Interrupted {
                return Err(ReadError::io(&e, format!("byte {}", self.at)));
            }
        }
        self.input
            .fill_buf()
            .map_err(|e| ReadError::io(&e, format!("byte {}", self.at)))
    }

    fn consume(&mut self, n: usize) {
        self.input.consume(n);
        self.at += n as u64;
    }

    fn unexpected(&mut self, expected: &str) -> ReadError {
        match self.buffer() {
            Err(e) => e,
            Ok([]) => self.cut(expected),
            Ok(found) => {
                let found = excerpt(&found[..found.len().min(12)]);
                self.error(format!("found {found}, expected {expected}"))
            }
        }
    }

    fn cut(&self, expected: &str) -> ReadError {
        ReadError::cut(self.place(self.at), expected)
    }

    /// At this place.
    pub fn error(&self, what: impl Into<String>) -> ReadError {
        self.error_at(self.at, what.into())
    }

    fn error_at(&self, at: u64, what: String) -> ReadError {
        ReadError::new(what, TAKES).at(self.place(at))
    }

    fn place(&self, at: u64) -> String {
        match self.path.is_empty() {
            true => format!("byte {at}"),
            false => format!("byte {at}, in `{}`", self.path.join(".")),
        }
    }
}

/// Where a walk over one value stands.
#[derive(Default)]
struct Walk {
    /// Open brackets.
    open: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// A number or a word has begun.
    in_scalar: bool,
}

struct Step {
    used: usize,
    outcome: Outcome,
}

enum Outcome {
    More,
    Done,
    Bad(&'static str),
}

impl Walk {
    fn step(&mut self, buffer: &[u8]) -> Step {
        let mut i = 0;
        while i < buffer.len() {
            if self.in_string {
                i += self.string(&buffer[i..]);
                if !self.in_string && self.open.is_empty() {
                    return Step::done(i);
                }
                continue;
            }
            let byte = buffer[i];
            let ends_scalar = is_blank(byte) || matches!(byte, b',' | b']' | b'}');
            if self.in_scalar && self.open.is_empty() && ends_scalar {
                return Step::done(i);
            }
            i += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' if self.open.len() >= DEPTH_MAX => {
                    return Step::bad(i, "is nested deeper than 64");
                }
                b'{' | b'[' => self.open.push(byte),
                b'}' | b']' => {
                    // `{` and `}` are two apart, as `[` and `]` are.
                    if self.open.pop().map(|b| b + 2) != Some(byte) {
                        return Step::bad(i, "closes a bracket that is not open");
                    }
                    if self.open.is_empty() {
                        return Step::done(i);
                    }
                }
                0..0x20 if !is_blank(byte) => return Step::bad(i, "holds a control character"),
                _ if self.open.is_empty() => self.in_scalar = true,
                _ => {}
            }
        }
        Step {
            used: i,
            outcome: Outcome::More,
        }
    }

    /// Inside a string: how much of it is here.
    fn string(&mut self, buffer: &[u8]) -> usize {
        if std::mem::take(&mut self.escaped) {
            return 1;
        }
        match memchr::memchr2(b'"', b'\\', buffer) {
            None => buffer.len(),
            Some(i) => {
                self.in_string = buffer[i] != b'"';
                self.escaped = buffer[i] == b'\\';
                i + 1
            }
        }
    }
}

impl Step {
    fn done(used: usize) -> Step {
        let outcome = Outcome::Done;
        Step { used, outcome }
    }

    fn bad(used: usize, what: &'static str) -> Step {
        let outcome = Outcome::Bad(what);
        Step { used, outcome }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Line and column count from 1; a column of 0 is the end of the line before.
fn offset(bytes: &[u8], line: usize, column: usize) -> u64 {
    let before = bytes
        .split_inclusive(|b| *b == b'\n')
        .take(line.saturating_sub(1));
    let lines: usize = before.map(<[u8]>::len).sum();
    (lines + column.saturating_sub(1)) as u64
}

/// serde_json's message; its line and column are those of the member.
pub fn without_position(e: &serde_json::Error) -> String {
    let text = e.to_string();
    match text.rfind(" at line ") {
        Some(i) => text[..i].to_string(),
        None => text,
    }
}
